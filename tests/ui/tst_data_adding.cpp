// SPDX-License-Identifier: GPL-3.0-or-later
#include <QCheckBox>
#include <QComboBox>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSemaphore>

#include "core/desk/exchange/column_map.h"
#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/map_card.h"
#include "ui/data/paged_table.h"

using namespace fixture;

namespace {
struct Shown : Desk {
    DataPage* page = nullptr;
    void start(int pairs) {
        makeProject(dir(), pairs);
        show({dataPage()});
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
    template<class T>
    T* find(const QString& name) {
        return page->findChild<T*>(name);
    }
    /// Looked at by a person when PAIRLAB_PICTURES names where they go.
    void picture(const QString& name) {
        const QString folder = QString::fromLocal8Bit(qgetenv("PAIRLAB_PICTURES"));
        if (folder.isEmpty())
            return;
        QTest::qWait(200);
        window->grab().save(folder + u'/' + name + u".png"_s);
    }
};
const QByteArray kFile = "{\"q\": \"Why is the sky blue?\", \"answers\": [{\"text\": \"Because of scattering.\"}, {\"text\": \"It is paint.\"}], \"pick\": \"lhs\", \"who\": \"Ada\"}\n"
                         "{\"q\": \"Name a river.\", \"answers\": [{\"text\": \"A stone.\"}, {\"text\": \"The Elbe.\"}], \"pick\": \"rhs\", \"who\": \"Ada\"}\n"
                         "{\"q\": \"Add 2 and 2.\", \"answers\": [{\"text\": \"4\"}, {\"text\": \"Four\"}], \"pick\": \"even\", \"who\": \"Bob\"}\n"
                         "{\"q\": \"Odd one.\", \"answers\": [{\"text\": \"x\"}, {\"text\": \"y\"}], \"pick\": \"???\", \"who\": \"Bob\"}\n";
} // namespace

class TestDataAdding : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void columnsAreMappedTriedKeptAndImported_data() {
        QTest::addColumn<bool>("dark");
        QTest::newRow("light") << false;
        QTest::newRow("dark") << true;
    }
    void columnsAreMappedTriedKeptAndImported() {
        QFETCH(bool, dark);
        applyTheme(*qApp, dark ? ThemeMode::Dark : ThemeMode::Light);
        Shown shown;
        shown.start(1);
        shown.window->resize(1500, 1000);
        const QString path = shown.file(u"votes.jsonl"_s, kFile);
        const auto before = shown.ask([](desk::Project& p) { return p.counters(); });
        // A file of no known format offers the mapping.
        QSignalSpy refused(shown.page, &DataPage::previewShown);
        shown.page->previewFile(path);
        QVERIFY(refused.wait(4000));
        QCOMPARE(refused.first().first().toBool(), false);
        auto* columns = shown.find<QPushButton>(u"map_columns"_s);
        QVERIFY(columns && !columns->toolTip().isEmpty());
        QSignalSpy tried(shown.page, &DataPage::previewShown);
        columns->click();
        QTRY_VERIFY(shown.find<QComboBox>(u"map_prompt"_s));
        auto* card = shown.find<MapCard>(u"map_card"_s);
        QVERIFY(card);
        QCOMPARE(shown.find<QComboBox>(u"map_a"_s)->currentText(), u"answers[0].text"_s); // guessed
        // The rest by hand, with the keyboard: the prompt, the winner and what its values mean.
        const auto choose = [&](const QString& name, const QString& text) {
            auto* combo = shown.find<QComboBox>(name);
            QVERIFY(combo);
            combo->setFocus();
            const int at = combo->findText(text);
            QVERIFY2(at >= 0, qPrintable(name + u": "_s + text));
            for (int i = 0; i < combo->count() && combo->currentIndex() != at; ++i)
                QTest::keyClick(combo, combo->currentIndex() < at ? Qt::Key_Down : Qt::Key_Up);
            QCOMPARE(combo->currentIndex(), at);
        };
        choose(u"map_prompt"_s, u"q"_s);
        choose(u"map_verdict"_s, u"a column names the winner"_s);
        choose(u"map_winner"_s, u"pick"_s);
        choose(u"map_value_lhs"_s, u"A is better"_s);
        choose(u"map_value_rhs"_s, u"B is better"_s);
        choose(u"map_value_even"_s, u"a tie"_s);
        choose(u"map_annotator"_s, u"who"_s);
        QTRY_VERIFY2(card->summary().contains(u"3 new votes"_s), qPrintable(card->summary()));
        QVERIFY2(card->summary().contains(u"1 left out"_s) && card->summary().contains(u"first in line 4"_s) && card->summary().contains(u"???"_s),
                 qPrintable(card->summary()));
        QVERIFY(shown.ask([](desk::Project& p) { return p.counters(); }) == before); // a dry run writes nothing
        QTest::keyClicks(shown.find<QLineEdit>(u"map_name"_s), u"ours"_s);
        shown.find<QPushButton>(u"map_save"_s)->click();
        QTRY_COMPARE(shown.ask([](desk::Project& p) { return must(desk::savedMaps(p)).size(); }), size_t{1});
        QTRY_COMPARE(shown.find<QComboBox>(u"map_kept"_s)->count(), 2);
        shown.picture(dark ? u"map_dark"_s : u"map_light"_s);
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        QSignalSpy done(shown.page, &DataPage::imported);
        auto* import = shown.find<QPushButton>(u"map_import"_s);
        QVERIFY(import->isEnabled());
        import->setFocus();
        QTest::keyClick(import, Qt::Key_Space);
        QVERIFY(done.wait(4000));
        QCOMPARE(shown.ask([](desk::Project& p) { return p.counters().current; }), before.current + 3);
        // Again, with the mapping that was kept: all of it is known.
        shown.page->showMapping(path);
        QTRY_VERIFY(shown.find<QComboBox>(u"map_kept"_s) && shown.find<QComboBox>(u"map_kept"_s)->count() == 2);
        auto* kept = shown.find<QComboBox>(u"map_kept"_s);
        kept->setFocus();
        QTest::keyClick(kept, Qt::Key_Down);
        auto* second = shown.find<MapCard>(u"map_card"_s);
        QTRY_VERIFY2(second->summary().contains(u"3 known"_s), qPrintable(second->summary()));
        QVERIFY(!shown.find<QPushButton>(u"map_import"_s)->isEnabled());
        // Broken JSON is told, not taken.
        shown.find<QPlainTextEdit>(u"map_json"_s)->setPlainText(u"{\"promt\": \"q\"}"_s);
        shown.find<QPushButton>(u"map_use_json"_s)->click();
        QVERIFY2(second->summary().contains(u"promt"_s), qPrintable(second->summary()));
        const desk::Id batch = shown.ask([](desk::Project& p) { return must(p.importBatches())[0].id; });
        QVERIFY(shown.ask([batch](desk::Project& p) { return p.revertImport(batch).has_value(); }));
        QCOMPARE(shown.ask([](desk::Project& p) { return p.counters().prompts; }), before.prompts);
        applyTheme(*qApp, ThemeMode::Light);
    }

    void promptsMayHaveLinesAndBeSeparated() {
        Shown shown;
        shown.start(1);
        for (QPushButton* button : shown.page->findChildren<QPushButton*>())
            if (button->text() == u"Add prompts" && button->isVisible())
                button->click();
        auto* edit = shown.find<QPlainTextEdit>(u"paste_prompts"_s);
        auto* separator = shown.find<QLineEdit>(u"paste_separator"_s);
        QVERIFY(edit && separator);
        edit->setPlainText(u"A poem:\n\n  two lines\n---\nAnother\n---\n\n---\nAnother"_s);
        QTest::keyClicks(separator, u"---"_s);
        QSignalSpy done(shown.page, &DataPage::imported);
        edit->setFocus();
        shown.picture(u"paste_light"_s);
        QTest::keyClick(edit, Qt::Key_Return, Qt::ControlModifier);
        QVERIFY(done.wait(4000));
        QCOMPARE(done.first().first().toLongLong(), 2);
        desk::Page page;
        page.text = "A poem";
        QCOMPARE(shown.ask([page](desk::Project& p) { return must(p.prompts(page))[0].content; }), std::string("A poem:\n\n  two lines"));
    }

    void anAnswerIsTypedAndPaired() {
        Shown shown;
        shown.start(1);
        PagedTable* table = shown.page->table(DataPage::Prompts);
        table->view()->selectRow(0);
        QTRY_VERIFY(shown.find<QPlainTextEdit>(u"type_answer"_s));
        const auto before = shown.ask([](desk::Project& p) { return p.counters(); });
        auto* edit = shown.find<QPlainTextEdit>(u"type_answer"_s);
        edit->setFocus();
        QTest::keyClicks(edit, u"My own answer"_s);
        shown.picture(u"answer_light"_s);
        QVERIFY(shown.find<QCheckBox>(u"pair_answer"_s)->isChecked());
        QTest::keyClick(edit, Qt::Key_Return, Qt::ControlModifier);
        QTRY_COMPARE(shown.ask([](desk::Project& p) { return p.counters().candidates; }), before.candidates + 1);
        QTRY_COMPARE(shown.ask([](desk::Project& p) { return p.counters().comparisons; }), before.comparisons + 2);
        QVERIFY(shown.ask([](desk::Project& p) {
            for (const auto& each : must(p.candidates({})))
                if (each.content == "My own answer")
                    return each.provenance == desk::Provenance::Human;
            return false;
        }));
    }

    void twoFilesBecomePairs() {
        Shown shown;
        shown.start(1);
        const QString a = shown.file(u"a.jsonl"_s, "{\"prompt\":\"Q\",\"response\":\"one\"}\n{\"prompt\":\"R\",\"response\":\"only\"}\n");
        const QString b = shown.file(u"b.csv"_s, "prompt,response\nQ,two\nS,alone\n");
        // A table without rows says how the first one comes.
        const auto said = [&](DataPage::Tab tab, const QString& part) {
            for (const QLabel* label : shown.page->table(tab)->view()->findChildren<QLabel*>())
                if (label->isVisible() && label->text().contains(part))
                    return true;
            return false;
        };
        for (const auto& [tab, part] : {std::pair{DataPage::Votes, u"Nobody has judged"_s}, {DataPage::Datasets, u"Nothing is frozen"_s},
                                        {DataPage::Imports, u"Nothing was imported"_s}}) {
            shown.page->setTab(tab);
            QTRY_VERIFY2(said(tab, part), qPrintable(part));
        }
        const auto before = shown.ask([](desk::Project& p) { return p.counters(); });
        shown.page->showPairFiles();
        QTest::keyClicks(shown.find<QLineEdit>(u"pair_file_a"_s), a);
        QTest::keyClicks(shown.find<QLineEdit>(u"pair_file_b"_s), b);
        QSignalSpy looked(shown.page, &DataPage::previewShown);
        shown.find<QPushButton>(u"pair_look"_s)->click();
        QVERIFY(looked.wait(4000));
        const QString found = shown.find<QLabel>(u"pair_found"_s)->text();
        QVERIFY2(found.contains(u"1 pairs by prompt"_s) && found.contains(u"1 answers only in the first"_s), qPrintable(found));
        QCOMPARE(shown.ask([](desk::Project& p) { return p.counters().comparisons; }), before.comparisons);
        shown.picture(u"pair_light"_s);
        QSignalSpy done(shown.page, &DataPage::imported);
        shown.find<QPushButton>(u"pair_import"_s)->click();
        QVERIFY(done.wait(4000));
        QCOMPARE(shown.ask([](desk::Project& p) { return p.counters().comparisons; }), before.comparisons + 1);
        QTRY_VERIFY(!said(DataPage::Imports, u"Nothing was imported"_s));
    }

    /// The store is busy with a vote that takes for ever: the files are read all the same, and what was shown is what is written.
    void twoFilesAreReadBesideTheStore() {
        Shown shown;
        shown.start(1);
        const QString a = shown.file(u"a.jsonl"_s, "{\"prompt\":\"Q\",\"response\":\"one\"}\n"), b = shown.file(u"b.csv"_s, "prompt;response\nQ;two\n");
        shown.page->showPairFiles();
        auto* first = shown.find<QLineEdit>(u"pair_file_a"_s);
        auto* look = shown.find<QPushButton>(u"pair_look"_s);
        first->setText(shown.temp.filePath(u"nothing.jsonl"_s));
        shown.find<QLineEdit>(u"pair_file_b"_s)->setText(b);
        QSemaphore vote;
        QVERIFY(shown.context().store.post([&](desk::Project&) { vote.acquire(); }));
        QSignalSpy looked(shown.page, &DataPage::previewShown);
        look->click();
        QVERIFY(!look->isEnabled());
        const bool told = looked.wait(4000);
        vote.release();
        QVERIFY(told);
        const auto* found = shown.find<QLabel>(u"pair_found"_s);
        QVERIFY2(found->text().contains(u"there is no file"_s), qPrintable(found->text()));
        QVERIFY(look->isEnabled());
        first->setText(a);
        look->click();
        QVERIFY(looked.wait(4000));
        QVERIFY2(found->text().contains(u"1 pairs by prompt"_s), qPrintable(found->text()));
        // Changed since: not what was looked at.
        shown.file(u"b.csv"_s, "prompt;response\nQ;three\nR;four\n");
        QSignalSpy done(shown.page, &DataPage::imported);
        shown.find<QPushButton>(u"pair_import"_s)->click();
        QVERIFY(done.wait(4000));
        QVERIFY(shown.ask([](desk::Project& p) {
            for (const auto& each : must(p.candidates({})))
                if (each.content == "two")
                    return true;
            return false;
        }));
    }
};

QTEST_MAIN(TestDataAdding)
#include "tst_data_adding.moc"
