// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/score_event.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/gold.h"
#include "core/desk/store/label_checks.h"
#include "tests/ui/page_fixture.h"
#include "ui/data/adjudication_panel.h"
#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/doctor_panel.h"
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

    /// A large project: what votes say by themselves first, then the models; their intervals by resampling when that is through.
    void qualityOfManyVotesComesInSteps() {
        Shown shown;
        shown.start(4);
        shown.ask([](desk::Project& p) {
            for (int i = 0; i < 90; ++i) {
                desk::NewPrompt prompt;
                prompt.content = "Many " + std::to_string(i);
                prompt.split = desk::Split::Train;
                std::vector<desk::NewCandidate> texts(2);
                texts[0].prompt = texts[1].prompt = must(p.addPrompts({prompt}))[0];
                texts[0].content = "short" + std::string(static_cast<size_t>(i * 7 % 23), 'x');
                texts[1].content = "a longer answer" + std::string(static_cast<size_t>(i * 5 % 17), 'y');
                texts[0].modelName = "oak";
                texts[1].modelName = "ash";
                const auto made = must(p.addCandidates(texts));
                must(p.addPairs({{made[0], made[1], "manual", 0, 0, {}}}));
            }
            desk::Project::NextOptions options;
            options.task = must(p.defaultTask()).id;
            options.annotator = must(p.annotator(desk::AnnotatorKind::Human, "Bea"));
            options.limit = 200;
            for (const auto& item : must(p.next(options))) {
                desk::JudgementInput input;
                input.winner = item.comparison.id % 3 ? desk::Winner::A : desk::Winner::B;
                must(p.presentAndJudge(item.presentation, input));
            }
            return true;
        });
        QualityPanel* quality = shown.page->quality();
        quality->setManyRows(10);
        bool partial = false, whole = false;
        QString said;
        QObject poll;
        const auto texts = [&] {
            QString all;
            for (const QLabel* label : quality->findChildren<QLabel*>())
                all += label->text() + u'\n';
            return all;
        };
        QTimer watch;
        watch.setInterval(0);
        QObject::connect(&watch, &QTimer::timeout, &poll, [&] {
            if (!quality->report() || !quality->report()->votes)
                return;
            if (!quality->report()->complete) {
                partial = true;
                said = texts();
            } else {
                whole = true;
            }
        });
        watch.start();
        QSignalSpy resampled(quality, &QualityPanel::resampled);
        shown.page->openArgument(u"quality"_s);
        QTRY_VERIFY(whole);
        QVERIFY(partial);
        QVERIFY2(said.contains(u"Models and lengths follow"_s), qPrintable(said));
        watch.stop();
        const auto& table = quality->report()->models;
        QVERIFY2(table.sample, qPrintable(u"%1 models, %2 matches: %3"_s.arg(table.names.size()).arg(table.ratings.matches).arg(qstr(table.warning))));
        QTRY_VERIFY_WITH_TIMEOUT(resampled.size() > 0, 60'000);
        const auto& models = quality->report()->models;
        QVERIFY(models.bootstrap && models.names.size() >= 2);
        QVERIFY2(texts().contains(u"intervals by bootstrap over"_s), qPrintable(texts()));
        QVERIFY(models.interval(0).low == models.bootstrap->strengths[0].low);
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/");
        QDir().mkpath(folder);
        QVERIFY(shown.window->grab().save(folder + u"quality-resampled-light.png"_s));
        applyTheme(*qApp, ThemeMode::Dark);
        QCoreApplication::processEvents();
        QVERIFY(shown.window->grab().save(folder + u"quality-resampled-dark.png"_s));
        applyTheme(*qApp, ThemeMode::Light);
    }

    void qualityWithoutVotesSaysSo() {
        Shown shown;
        shown.start(3);
        shown.page->openArgument(u"quality"_s);
        QualityPanel* quality = shown.page->quality();
        QTRY_VERIFY(quality->report().has_value());
        QTRY_VERIFY(quality->isEmptyShown());
        QTRY_VERIFY(quality->findChild<EmptyState*>(u"quality_empty"_s)->actionButton()->isVisible());
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        QTest::keyClick(quality->findChild<EmptyState*>(u"quality_empty"_s)->actionButton(), Qt::Key_Space);
        QTRY_VERIFY(shown.window->page(u"label"_s) && shown.window->page(u"label"_s)->isVisible());
    }

    /// Two people who differ on every pair; verdicts by keys alone.
    void disputedPairsAreJudgedByKeys() {
        Shown shown;
        shown.start(8);
        const auto vote = [](desk::Project& p, const char* name, desk::Winner winner) {
            desk::Project::NextOptions options;
            options.task = must(p.defaultTask()).id;
            options.annotator = must(p.annotator(desk::AnnotatorKind::Human, name));
            options.limit = 4;
            for (const auto& item : must(p.next(options))) {
                desk::JudgementInput input;
                input.winner = winner;
                input.strength = 3;
                input.rationale = winner == desk::Winner::A ? "it is <b>shorter</b>" : "";
                must(p.presentAndJudge(item.presentation, input));
            }
            return true;
        };
        shown.ask([&](desk::Project& p) { return vote(p, "Bea", desk::Winner::A) && vote(p, "Cem", desk::Winner::B); });
        shown.page->openArgument(u"disputed"_s);
        AdjudicationPanel* panel = shown.page->quality()->adjudication();
        QTRY_VERIFY(panel->current() != 0);
        QTRY_COMPARE(panel->list()->shownRows(), 4);
        const desk::Id pair = panel->current();
        QVERIFY2(panel->votesText().contains(u"voter 1: "_s) && panel->votesText().contains(u"voter 2: "_s), qPrintable(panel->votesText()));
        QVERIFY(panel->votesText().contains(u"it is <b>shorter</b>"_s)); // as it was written
        for (const char* name : {"Bea", "Cem", "secret-model"})
            for (const QLabel* label : panel->findChildren<QLabel*>())
                QVERIFY(!label->text().contains(QString::fromLatin1(name)));
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        panel->setFocus();
        const auto press = [&](int key) { QTest::keyClick(panel, static_cast<Qt::Key>(key)); };
        const auto verdict = [&](desk::Id id) {
            return shown.ask([id, task = shown.context().task.id](desk::Project& p) { return must(desk::verdictOn(p, task, id)); });
        };
        press(Qt::Key_Return); // nothing is chosen
        press(Qt::Key_Question);
        QVERIFY2(panel->stateText().contains(u"Page Up"_s), qPrintable(panel->stateText()));
        press(Qt::Key_K);      // B better
        press(Qt::Key_Return); // not without a cause
        QVERIFY2(panel->stateText().contains(u"Not given"_s), qPrintable(panel->stateText()));
        QVERIFY(!verdict(pair));
        press(Qt::Key_Escape);
        press(Qt::Key_D); // A better
        press(Qt::Key_2); // a mistake
        press(Qt::Key_G);
        const bool aOnLeft = panel->aOnLeft();
        QSignalSpy decided(panel, &AdjudicationPanel::decided);
        press(Qt::Key_Return);
        QVERIFY(decided.wait(4000));
        const auto given = verdict(pair);
        QVERIFY(given && given->cause == desk::Cause::Mistake);
        QVERIFY(given->judgement.winner == (aOnLeft ? desk::Winner::A : desk::Winner::B));
        QCOMPARE(given->judgement.strength, std::optional<int>(2));
        const auto gold = shown.ask([task = shown.context().task.id](desk::Project& p) { return must(desk::goldPairs(p, task)); });
        QCOMPARE(gold.size(), size_t{1});
        QTRY_VERIFY(panel->current() != 0 && panel->current() != pair); // the next one is up
        QTRY_COMPARE(panel->list()->shownRows(), 3);
        const desk::Id second = panel->current();
        press(Qt::Key_Space);
        press(Qt::Key_3); // truly split: a tie
        press(Qt::Key_Return);
        QTRY_VERIFY(verdict(second).has_value());
        QTRY_COMPARE(shown.page->quality()->report()->agreement.adjudicated, int64_t{2});
        QTRY_VERIFY(panel->current() != second);
        press(Qt::Key_U); // the last verdict, not somebody's vote
        QTRY_COMPARE(panel->current(), second);
        QVERIFY(!verdict(second) && verdict(pair));
        QCOMPARE(shown.ask([](desk::Project& p) { return p.counters().current; }), int64_t{9});
        // A pair that nobody has judged: gold by hand, without a cause.
        const auto open = shown.ask([](desk::Project& p) {
            desk::Page page;
            page.newestFirst = true;
            return must(p.pairs(page)).front().comparison.id;
        });
        panel->open(open);
        QTRY_COMPARE(panel->current(), open);
        press(Qt::Key_F);
        press(Qt::Key_Return);
        QTRY_COMPARE(shown.ask([task = shown.context().task.id](desk::Project& p) { return must(desk::goldPairs(p, task)).size(); }), size_t{2});
    }

    /// What a finished check says, and the chosen ones sent back.
    void doubtfulLabelsAreSentBack() {
        Shown shown;
        shown.start(12);
        shown.page->openArgument(u"doubtful"_s);
        DoctorPanel* doctor = shown.page->quality()->doctor();
        QTRY_VERIFY(doctor->findChild<EmptyState*>()->isVisible());
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        shown.ask([](desk::Project& p) {
            desk::Project::NextOptions options;
            options.task = must(p.defaultTask()).id;
            options.annotator = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
            options.limit = 12;
            desk::RunRow run;
            run.id = must(p.reserveRun());
            run.name = "0001-score";
            run.plugin = "score";
            run.parameters = {{"purpose", "doctor"}};
            run.state = "finished";
            must(p.insertRun(run));
            Event event;
            event.seq = 1;
            event.type = event::kScore;
            event.body = {{"model", {{"name", "fold"}, {"hash", "fold"}}}, {"ids", Json::array()}, {"scores", Json::array()}};
            int i = 0;
            for (const auto& item : must(p.next(options))) {
                desk::JudgementInput input;
                input.winner = desk::Winner::A;
                must(p.presentAndJudge(item.presentation, input));
                for (const auto& [uuid, score] : {std::pair{item.a.uuid, i == 7 ? -3.0 : 1.0 + 0.1 * i}, {item.b.uuid, 0.0}}) {
                    event.body["ids"].push_back(uuid);
                    event.body["scores"].push_back(score);
                }
                ++i;
            }
            must(p.ingest(run.id, "events.jsonl", {event}));
            desk::LabelCheckRow check;
            check.task = options.task;
            check.scoreRun = run.name;
            check.runs = {"0001-score"};
            check.state = "finished";
            must(desk::addLabelCheck(p, check));
            return 0;
        });
        QTRY_VERIFY(doctor->report() && doctor->report()->labels == 12);
        QCOMPARE(doctor->table()->shownRows(), 12);
        const auto first = doctor->report()->votes.front();
        QVERIFY(first.margin < 0 && first.right < 0.5 && doctor->report()->votes[1].right > 0.5);
        QVERIFY2(doctor->stateText().contains(u"12 labels checked"_s), qPrintable(doctor->stateText()));
        QVERIFY2(clipped(shown.window.get()).isEmpty(), qPrintable(clipped(shown.window.get()).join(u" | "_s)));
        doctor->table()->selectRow(0);
        doctor->table()->view()->setFocus();
        QTest::keyClick(doctor->table()->view(), Qt::Key_Return);
        QTRY_COMPARE(shown.ask([task = shown.context().task.id](desk::Project& p) { return must(desk::waitingLooks(p, task)); }), int64_t{1});
        QTRY_VERIFY(doctor->report() && doctor->report()->votes.front().waiting);
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
