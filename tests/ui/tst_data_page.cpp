// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/paged_table.h"
#include "ui/data/quality_panel.h"
#include "ui/label/label_page.h"
#include "ui/settings/settings_page.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/text_pane.h"

using namespace fixture;

namespace {
struct Shown : Desk {
    DataPage* page = nullptr;
    void start(int pairs) {
        makeProject(dir(), pairs);
        show({dataPage(), labelPage(), settingsPage(preferences)});
        page = qobject_cast<DataPage*>(window->page(u"data"_s));
        QVERIFY(page);
        QTRY_VERIFY(page->table(DataPage::Prompts)->model()->isLoaded());
    }
    QString file(const QString& name, const QByteArray& bytes) {
        QFile out(temp.filePath(name));
        if (!out.open(QIODevice::WriteOnly) || out.write(bytes) != bytes.size())
            qFatal("cannot write the fixture");
        return out.fileName();
    }
};
} // namespace

class TestDataPage : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void anEmptyProjectShowsTheDropZone() {
        Shown shown;
        shown.start(0);
        QTRY_VERIFY(shown.page->isEmptyShown());
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
    }

    void pagesComeFromTheStoreAsTheyAreScrolledTo() {
        Shown shown;
        shown.start(700);
        PagedModel* model = shown.page->table(DataPage::Prompts)->model();
        QCOMPARE(model->total(), int64_t{700});
        QCOMPARE(model->rowCount(), 700);
        QVERIFY(model->idAt(0) != 0);
        QCOMPARE(model->idAt(650), desk::Id{0}); // not asked for yet
        QCOMPARE(model->data(model->index(650, 1), Qt::DisplayRole).toString(), u"–"_s);
        QTRY_VERIFY(model->idAt(650) != 0);
        shown.page->table(DataPage::Prompts)->filter()->setText(u"balcony"_s);
        QTRY_COMPARE(model->total(), int64_t{140});
    }

    void pastedPromptsAreAddedOnce() {
        Shown shown;
        shown.start(2);
        shown.page->openArgument(u"prompts"_s);
        for (QPushButton* button : shown.page->findChildren<QPushButton*>())
            if (button->text() == u"Add prompts" && button->isVisible())
                button->click();
        auto* edit = shown.page->findChild<QPlainTextEdit*>(u"paste_prompts"_s);
        auto* add = shown.page->findChild<QPushButton*>(u"add_prompts"_s);
        QVERIFY(edit && add);
        QVERIFY(!add->isEnabled());
        edit->setPlainText(u"First new one\nSecond new one\nFirst new one"_s);
        QVERIFY(add->isEnabled());
        QSignalSpy done(shown.page, &DataPage::imported);
        add->click();
        QVERIFY(done.wait(4000));
        QCOMPARE(done.first().first().toLongLong(), 2);
        QCOMPARE(shown.ask([](desk::Project& p) { return p.counters().prompts; }), int64_t{4});
    }

    void aFileIsPreviewedThenImportedThenReverted() {
        Shown shown;
        shown.start(1);
        const QString path = shown.file(u"pairs.jsonl"_s,
                                        "{\"prompt\":\"Q1\",\"chosen\":\"good\",\"rejected\":\"poor\"}\n"
                                        "{\"prompt\":\"Q2\",\"chosen\":\"fine\",\"rejected\":\"worse\"}\n"
                                        "{\"prompt\":\"Q3\",\"chosen\":\"same\",\"rejected\":\"same\"}\n");
        const auto before = shown.ask([](desk::Project& p) { return p.counters(); });
        QSignalSpy preview(shown.page, &DataPage::previewShown);
        shown.page->previewFile(path);
        QVERIFY(preview.wait(4000));
        QCOMPARE(preview.first().first().toBool(), true);
        // Nothing has been written by looking at it.
        QVERIFY(shown.ask([](desk::Project& p) { return p.counters(); }) == before);
        auto* import = shown.page->findChild<QPushButton*>(u"import_now"_s);
        QVERIFY(import && import->isEnabled());
        QSignalSpy done(shown.page, &DataPage::imported);
        import->click();
        QVERIFY(done.wait(4000));
        const auto after = shown.ask([](desk::Project& p) { return p.counters(); });
        QCOMPARE(after.prompts, before.prompts + 2);
        QCOMPARE(after.current, before.current + 2);
        // The batch is a row; Revert takes it back.
        PagedTable* table = shown.page->table(DataPage::Imports);
        QTRY_COMPARE(table->model()->total(), int64_t{1});
        table->view()->selectRow(0);
        QPushButton* revert = nullptr;
        QTRY_VERIFY([&] {
            for (QPushButton* button : shown.page->detail(DataPage::Imports)->findChildren<QPushButton*>())
                if (button->text() == u"Revert")
                    revert = button;
            return revert != nullptr;
        }());
        revert->click();
        QTRY_COMPARE(shown.ask([](desk::Project& p) { return p.counters().prompts; }), before.prompts);
        QCOMPARE(shown.ask([](desk::Project& p) { return p.counters().current; }), before.current);
    }

    void aFileThatIsNothingIsRefusedWithItsReason() {
        Shown shown;
        shown.start(1);
        const QString path = shown.file(u"broken.jsonl"_s, "{\"prompt\": 3}\n{\"x\":1}\n");
        QSignalSpy preview(shown.page, &DataPage::previewShown);
        shown.page->previewFile(path);
        QVERIFY(preview.wait(4000));
        QCOMPARE(preview.first().first().toBool(), false);
        QString said;
        for (QLabel* label : shown.page->detail(DataPage::Imports)->findChildren<QLabel*>())
            said += label->text() + u'\n';
        QVERIFY2(said.contains(u"broken.jsonl"_s) && said.contains(u"line 1"_s), qPrintable(said));
    }

    void readingAPairHereMarksItExposed() {
        Shown shown;
        shown.start(2);
        shown.page->setTab(DataPage::Pairs);
        PagedTable* table = shown.page->table(DataPage::Pairs);
        QTRY_VERIFY(table->model()->total() == 2);
        table->view()->selectRow(0);
        QTRY_VERIFY(!shown.page->detail(DataPage::Pairs)->title().isEmpty());
        const desk::Id id = table->currentId();
        Context& c = shown.context();
        const auto items = shown.ask([task = c.task.id, person = c.annotator](desk::Project& p) {
            desk::Project::NextOptions o;
            o.task = task;
            o.annotator = person;
            o.limit = 10;
            return must(p.next(o));
        });
        QCOMPARE(items.size(), size_t{2});
        for (const auto& item : items)
            QCOMPARE(item.presentation.exposed, item.comparison.id == id);
    }

    void votesAreFrozenIntoADataset() {
        Shown shown;
        shown.start(8);
        Context& c = shown.context();
        shown.ask([task = c.task.id, person = c.annotator](desk::Project& p) {
            desk::Project::NextOptions o;
            o.task = task;
            o.annotator = person;
            o.limit = 8;
            for (const auto& item : must(p.next(o))) {
                desk::JudgementInput vote;
                vote.winner = desk::Winner::A;
                must(p.presentAndJudge(item.presentation, vote));
            }
            return 0;
        });
        shown.page->setTab(DataPage::Datasets);
        for (QPushButton* button : shown.page->findChildren<QPushButton*>())
            if (button->text() == u"Freeze the votes" && button->isVisible())
                button->click();
        auto* name = shown.page->findChild<QLineEdit*>(u"dataset_name"_s);
        auto* freeze = shown.page->findChild<QPushButton*>(u"freeze_now"_s);
        QVERIFY(name && freeze);
        name->setText(u"first"_s);
        QTRY_VERIFY(freeze->isEnabled());
        freeze->click();
        QTRY_COMPARE(shown.page->detail(DataPage::Datasets)->title(), u"first"_s);
        const auto info = shown.ask([](desk::Project& p) { return must(p.findDataset("first")); });
        QCOMPARE(info.counts.votes, int64_t{8});
    }

    /// Two people, of whom the second takes the left side whatever is there; then one more vote while the tab is open.
    void qualityFollowsTheVotes() {
        Shown shown;
        shown.start(80);
        const auto vote = [](desk::Project& p, const char* name, bool alwaysLeft, size_t limit) {
            desk::Project::NextOptions options;
            options.task = must(p.defaultTask()).id;
            options.annotator = must(p.annotator(desk::AnnotatorKind::Human, name));
            options.rule = desk::QueueRule::Fifo;
            options.limit = limit;
            for (const auto& item : must(p.next(options))) {
                desk::JudgementInput input;
                const bool a = alwaysLeft ? item.presentation.aOnLeft : item.comparison.id % 2 == 0;
                input.winner = a ? desk::Winner::A : desk::Winner::B;
                input.strength = 2;
                input.activeMs = 1500;
                must(p.presentAndJudge(item.presentation, input));
            }
            return true;
        };
        shown.ask([&](desk::Project& p) { return vote(p, "Bea", false, 70) && vote(p, "Cem", true, 60); });
        shown.page->openArgument(u"quality"_s);
        QualityPanel* quality = shown.page->quality();
        QTRY_COMPARE(quality->report()->votes, int64_t{130});
        const auto& report = *quality->report();
        QCOMPARE(report.agreement.winner.pairs, int64_t{60});
        QCOMPARE(report.people.size(), size_t{2});
        const auto& cem = report.people[1];
        QCOMPARE(cem.left.successes, 60.0);
        QCOMPARE(cem.longestStreak, int64_t{60});
        QCOMPARE(quality->people()->shownRows(), 2);
        quality->people()->selectRow(1);
        QString said;
        for (const QLabel* label : quality->findChildren<QLabel*>())
            said += label->text() + u'\n';
        QVERIFY2(said.contains(u"The same side 60 times in a row"_s), qPrintable(said));
        QVERIFY(said.contains(u"not enough yet to see a left share of 60 %"_s) == (report.left.n < 194));
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));

        QVERIFY(!report.agreement.disputed.empty());
        const auto wanted = report.agreement.disputed[0];
        QSignalSpy spy(quality, &QualityPanel::pairWanted);
        for (QPushButton* button : quality->findChildren<QPushButton*>())
            if (button->text().contains(u"disputed"_s))
                button->click();
        QCOMPARE(spy.size(), 1);
        QCOMPARE(spy[0][0].toLongLong(), wanted);
        QCOMPARE(shown.page->tab(), DataPage::Pairs);

        shown.page->setTab(DataPage::Quality);
        shown.ask([&](desk::Project& p) { return vote(p, "Cem", true, 1); });
        QTRY_COMPARE(quality->report()->votes, int64_t{131});
    }

    void nothingIsClippedAndTabGoesRound() {
        Shown shown;
        shown.start(12);
        for (const auto tab : {DataPage::Prompts, DataPage::Pairs, DataPage::Votes, DataPage::Quality, DataPage::Datasets,
                               DataPage::Imports}) {
            shown.page->setTab(tab);
            if (tab == DataPage::Quality)
                QTRY_VERIFY(shown.page->quality()->report()->votes >= 0);
            else
                QTRY_VERIFY(shown.page->table(tab)->model()->isLoaded());
            QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        }
        shown.page->table(DataPage::Imports)->filter()->setFocus();
        QVERIFY(tabRound(shown.window.get()) > 4);
    }
};

QTEST_MAIN(TestDataPage)
#include "tst_data_page.moc"
