// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/paged_table.h"
#include "ui/label/label_page.h"
#include "ui/settings/settings_page.h"
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

    void nothingIsClippedAndTabGoesRound() {
        Shown shown;
        shown.start(12);
        for (const auto tab : {DataPage::Prompts, DataPage::Pairs, DataPage::Votes, DataPage::Datasets, DataPage::Imports}) {
            shown.page->setTab(tab);
            QTRY_VERIFY(shown.page->table(tab)->model()->isLoaded());
            QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        }
        shown.page->table(DataPage::Imports)->filter()->setFocus();
        QVERIFY(tabRound(shown.window.get()) > 4);
    }
};

QTEST_MAIN(TestDataPage)
#include "tst_data_page.moc"
