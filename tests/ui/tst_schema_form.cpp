// SPDX-License-Identifier: GPL-3.0-or-later
#include <QtTest>
#include <QtWidgets>

#include "ui/theme/theme.h"
#include "ui/widgets/schema_form.h"

using namespace pl::ui;
using pl::Json;
using namespace Qt::StringLiterals;

namespace {
pl::Manifest manifest() {
    const Json json = Json::parse(R"({
        "manifest_version": 1, "id": "toy", "version": "1.0.0", "kind": "train", "title": "Toy", "library": "pairlab_toy",
        "needs": {"data": ["pairs"], "modalities": ["text"], "models": [{"role": "policy"}]},
        "metrics": [],
        "parameters": {"groups": ["Loss", "Rewards"], "properties": {
            "steps": {"type": "integer", "default": 200, "min": 1, "max": 100000, "basic": true, "label": "Steps",
                      "help": "Updates of the weights."},
            "lr": {"type": "number", "default": 0.0005, "min": 1e-7, "max": 1, "scale": "log", "basic": true,
                   "label": "Learning rate"},
            "loss": {"type": "enum", "values": ["sigmoid", "ipo"], "default": "sigmoid", "group": "Loss", "basic": true,
                     "label": "Loss"},
            "label_smoothing": {"type": "number", "default": 0, "min": 0, "max": 0.5, "group": "Loss",
                                "label": "Label smoothing", "visible_if": {"loss": ["sigmoid"]}},
            "shuffle": {"type": "boolean", "default": true, "advanced": true, "label": "Shuffle"},
            "name": {"type": "string", "default": "", "advanced": true, "label": "Name"},
            "start": {"type": "model_ref", "default": "start", "label": "Start from"},
            "rewards": {"type": "variants", "group": "Rewards", "label": "Rewards",
                "default": [{"type": "length", "weight": 0.5}],
                "variants": [{"name": "length", "label": "Length", "properties": {
                                  "weight": {"type": "number", "default": 1, "label": "Weight"}}},
                             {"name": "model", "label": "Reward model", "properties": {
                                  "weight": {"type": "number", "default": 1, "label": "Weight"},
                                  "model": {"type": "model_ref", "default": "", "label": "Model"}}}]}
        }}})");
    auto result = pl::Manifest::fromJson(json, "/nowhere");
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return *result;
}
} // namespace

class TestSchemaForm : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }
    void aNewFormGivesTheDefaults();
    void valuesGoRound();
    void typingChangesAndRevertGoesBack();
    void badValuesAreSaidAtTheirRow();
    void visibleIfFollows();
    void numbersStepOnTheirScale();
    void choicesComeFromTheCaller();
    void tabReachesEveryVisibleEditor();
};

void TestSchemaForm::aNewFormGivesTheDefaults() {
    const pl::Manifest m = manifest();
    SchemaForm form(m);
    QVERIFY2(form.isValid(), qPrintable(form.error()));
    QCOMPARE(form.changedCount(), 0);
    QVERIFY(form.changedValues().empty());
    QCOMPARE(pl::dumpJson(form.values()), pl::dumpJson(*m.effectiveParameters(Json::object())));
}

void TestSchemaForm::valuesGoRound() {
    const pl::Manifest m = manifest();
    SchemaForm form(m);
    const Json given = {{"steps", 37}, {"lr", 0.00012345}, {"loss", "ipo"}, {"shuffle", false}, {"name", "Ünï"},
                        {"start", "run:7"},
                        {"rewards", Json::array({{{"type", "model"}, {"weight", 2.5}, {"model", "run:3"}},
                                                 {{"type", "length"}, {"weight", -0.1}}})}};
    form.setValues(given);
    QVERIFY2(form.isValid(), qPrintable(form.error()));
    QCOMPARE(pl::dumpJson(form.changedValues()), pl::dumpJson(given));
    QCOMPARE(pl::dumpJson(form.values()), pl::dumpJson(*m.effectiveParameters(given)));
    SchemaForm second(m);
    second.setValues(form.values());
    QCOMPARE(pl::dumpJson(second.values()), pl::dumpJson(form.values()));
    form.resetAll();
    QVERIFY(form.changedValues().empty());
}

void TestSchemaForm::typingChangesAndRevertGoesBack() {
    SchemaForm form(manifest());
    form.show();
    QSignalSpy changed(&form, &SchemaForm::changed);
    auto* edit = qobject_cast<QLineEdit*>(form.editor(u"steps"_s));
    QVERIFY(edit);
    edit->selectAll();
    QTest::keyClicks(edit, u"500"_s);
    QVERIFY(!changed.isEmpty());
    QCOMPARE(form.changedValues(), Json({{"steps", 500}}));
    for (QPushButton* button : form.findChildren<QPushButton*>())
        if (button->text() == u"default 200") {
            QVERIFY(button->isVisible());
            button->click();
        }
    QCOMPARE(form.changedCount(), 0);
    QCOMPARE(edit->text(), u"200"_s);
}

void TestSchemaForm::badValuesAreSaidAtTheirRow() {
    SchemaForm form(manifest());
    QSignalSpy validity(&form, &SchemaForm::validityChanged);
    auto* edit = qobject_cast<QLineEdit*>(form.editor(u"lr"_s));
    for (const QString& bad : {u"5"_s, u"abc"_s, u"-1"_s, u""_s}) {
        edit->setText(bad);
        Q_EMIT edit->textEdited(bad);
        QVERIFY2(!form.isValid(), qPrintable(bad));
        QVERIFY(form.rowError(u"lr"_s).contains(u"lr"));
        QVERIFY(form.rowError(u"steps"_s).isEmpty());
    }
    QCOMPARE(validity.size(), 1);
    edit->setText(u"1e-3"_s);
    Q_EMIT edit->textEdited(edit->text());
    QVERIFY(form.isValid());
    QCOMPARE(form.changedValues(), Json({{"lr", 0.001}}));
}

void TestSchemaForm::visibleIfFollows() {
    SchemaForm form(manifest());
    QVERIFY(form.isRowVisible(u"label_smoothing"_s));
    auto* loss = qobject_cast<QComboBox*>(form.editor(u"loss"_s));
    loss->setCurrentIndex(loss->findData(u"ipo"_s));
    QVERIFY(!form.isRowVisible(u"label_smoothing"_s));
    QCOMPARE(form.changedValues(), Json({{"loss", "ipo"}}));
}

void TestSchemaForm::numbersStepOnTheirScale() {
    SchemaForm form(manifest());
    auto* lr = qobject_cast<QLineEdit*>(form.editor(u"lr"_s));
    QCOMPARE(lr->text(), u"0.0005"_s);
    QTest::keyClick(lr, Qt::Key_Up);
    QCOMPARE(form.changedValues(), Json({{"lr", 0.001}}));
    QTest::keyClick(lr, Qt::Key_Down);
    QCOMPARE(form.changedCount(), 0);
    QTest::keyClick(lr, Qt::Key_Down);
    QCOMPARE(form.changedValues(), Json({{"lr", 0.0002}}));
    auto* steps = qobject_cast<QLineEdit*>(form.editor(u"steps"_s));
    steps->setText(u"1"_s);
    QTest::keyClick(steps, Qt::Key_Down);
    QCOMPARE(steps->text(), u"1"_s); // held at its minimum
}

void TestSchemaForm::choicesComeFromTheCaller() {
    SchemaForm form(manifest());
    auto* combo = qobject_cast<QComboBox*>(form.editor(u"start"_s));
    form.setModelChoices({{u"start"_s, u"Start model"_s, u"1.2 M"_s}, {u"run:7"_s, u"dpo-0007"_s, {}}});
    QCOMPARE(combo->currentData().toString(), u"start"_s);
    QCOMPARE(combo->count(), 2);
    combo->setCurrentIndex(1);
    QCOMPARE(form.changedValues(), Json({{"start", "run:7"}}));
    form.setModelChoices({{u"start"_s, u"Start model"_s, {}}}); // gone: kept and said, not silently replaced
    QCOMPARE(combo->currentData().toString(), u"run:7"_s);
    QVERIFY(combo->currentText().contains(u"not available"));
}

void TestSchemaForm::tabReachesEveryVisibleEditor() {
    SchemaForm form(manifest());
    form.setAdvancedOpen(true);
    form.resize(700, 900);
    form.show();
    QSet<QString> reached;
    QWidget* at = &form;
    for (int i = 0; i < 200; ++i) {
        at = at->nextInFocusChain();
        if (at->focusPolicy() & Qt::TabFocus && at->isVisible())
            reached.insert(at->objectName());
    }
    for (const char* name : {"steps", "lr", "loss", "label_smoothing", "shuffle", "name", "start"})
        QVERIFY2(reached.contains(QLatin1StringView(name)), name);
}

QTEST_MAIN(TestSchemaForm)
#include "tst_schema_form.moc"
