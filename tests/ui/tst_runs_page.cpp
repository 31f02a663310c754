// SPDX-License-Identifier: GPL-3.0-or-later
// The pages around runs, offscreen, on a temporary project with synthetic bundles. Pictures go to screenshots/.
#include "tests/ui/find.h"
#include "tests/ui/runs_fixture.h"

#include "core/desk/store/run_erasure.h"
#include "ui/evaluate/evaluate_page.h"
#include "ui/generate/generate_page.h"
#include "ui/models/models_page.h"
#include "ui/runs/report.h"
#include "ui/runs/runs_page.h"
#include "ui/samples/samples_page.h"
#include "ui/train/train_page.h"
#include "ui/train/train_parts.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/plot/plot_grid.h"
#include "ui/widgets/schema_form.h"
#include "ui/widgets/tiles.h"

using namespace pl;
using namespace pl::ui;
using namespace Qt::StringLiterals;
using fixture::button;
using fixture::shows;

namespace {
std::unique_ptr<Page> make(const PageFactory& factory, fixture::Pages& pages) {
    std::unique_ptr<Page> page(factory.make(*pages.context));
    page->resize(1224, 734);
    page->show();
    page->activated();
    return page;
}
} // namespace

class TestRunsPage : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void emptyPagesOfferAFirstStep() {
        fixture::Pages pages(0);
        pages.open();
        QString where;
        connect(&pages.bus, &Signals::navigateTo, this, [&](const QString& to) { where = to; });
        auto runs = make(runsPage(), pages);
        QVERIFY(shows(*runs, u"Nothing trained yet"_s));
        button(*runs, u"Train a reward model"_s)->click();
        QCOMPARE(where, u"train"_s);
        auto samples = make(samplesPage(), pages);
        QVERIFY(shows(*samples, u"Sample the start model"_s));
        auto models = make(modelsPage(), pages);
        QTRY_VERIFY(shows(*models, u"No model yet"_s));
        QVERIFY(button(*models, u"Hugging Face cache"_s)); // and the way to one
        auto train = make(trainPage(), pages);
        train->openArgument(u"dpo"_s);
        QTRY_VERIFY(shows(*train, u"DPO needs pairs: you have 0, useful from about 200"_s));
        QVERIFY(!button(*train, u"Start"_s)->isEnabled());
        fixture::Pages::save(*runs, "runs_empty_light");
        fixture::Pages::save(*train, "train_empty_light");
        fixture::Pages::save(*samples, "samples_empty_light");
    }

    void showsVerdictFiguresAndCharts() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(runsPage(), pages);
        auto* table = page->findChild<DetailTable*>();
        QCOMPARE(table->model()->rowCount(), 5);
        page->openArgument(u"0002-dpo"_s);
        QTRY_VERIFY(shows(*page, u"Better than start by gold rule concise: 71 % [64, 77] of 200"_s));
        auto* grid = page->findChild<PlotGrid*>();
        QVERIFY(grid->plot(0)->seriesCount() >= 4);
        QVERIFY(grid->plot(1)->seriesCount() == 2);
        QCOMPARE(grid->plot(2)->seriesCount(), 1);
        grid->plot(5)->redrawNow();
        QCOMPARE(grid->plot(5)->markerSteps(), std::vector<double>{180.0}); // the NaN is shown, not averaged away
        // The table says the same.
        const auto rows = table->model()->rowCount();
        QStringList cells;
        for (int r = 0; r < rows; ++r)
            for (int c = 0; c < 6; ++c)
                cells.append(table->model()->data(table->model()->index(r, c), Qt::DisplayRole).toString());
        QVERIFY(cells.contains(u"71 [64, 77]"_s));
        QVERIFY(cells.contains(u"Failed"_s) && cells.contains(u"Stopped"_s));
        QVERIFY(cells.join(u'|').contains(u"beta 0.05"_s));
        QVERIFY(!cells.join(u'|').contains(u"schedule"_s)); // defaults are not told
        fixture::Pages::save(*page, "runs_usual_light");
        applyTheme(*qApp, ThemeMode::Dark);
        fixture::Pages::save(*page, "runs_usual_dark");
        page->openArgument(u"0004-dpo"_s);
        QTRY_VERIFY(shows(*page, u"Resume from 100"_s));
        fixture::Pages::save(*page, "runs_failed_dark");
        applyTheme(*qApp, ThemeMode::Light);
    }

    /// A run that lost text is marked, and says when, of how many and how much; never what.
    void aRunThatLostTextSaysSo() {
        fixture::Pages pages;
        pages.addUsual();
        fixture::must(desk::noteErasure(pages.dir + "/runs/0002-dpo", "11111111-1111-4111-8111-111111111111", false, 1'790'000'000'000, 2, 3));
        fixture::must(os::writeFileAtomic(pages.dir + "/runs/0004-dpo/erased.json", "no note"));
        pages.open();
        auto page = make(runsPage(), pages);
        auto* table = page->findChild<DetailTable*>();
        auto* line = page->findChild<TextLabel*>(u"run_erasure"_s);
        QVERIFY(line);
        const auto tip = [&](const QString& run) {
            for (int r = 0; r < table->model()->rowCount(); ++r)
                if (const auto index = table->model()->index(r, 1); index.data().toString() == run)
                    return std::pair(index.data(Qt::ToolTipRole).toString(), index.data(Qt::DecorationRole).isValid());
            return std::pair(QString(), false);
        };
        const QString said = u"This run lost text of 1 erased prompt on 2026-09-21: 2 rows of its data, 3 lines of its log and samples."_s;
        QTRY_VERIFY2(tip(u"0002-dpo"_s).first.contains(said), qPrintable(tip(u"0002-dpo"_s).first));
        QVERIFY(tip(u"0002-dpo"_s).second && tip(u"0004-dpo"_s).second && !tip(u"0003-evaluate"_s).second);
        QVERIFY(tip(u"0004-dpo"_s).first.contains(u"erased.json"_s)); // a note that cannot be read is said, too
        page->openArgument(u"0002-dpo"_s);
        QTRY_VERIFY(line->isVisible() && line->text().contains(said));
        QVERIFY(line->text().contains(u"trains on what is left"_s));
        fixture::Pages::save(*page, "runs_erased_light");
        applyTheme(*qApp, ThemeMode::Dark);
        fixture::Pages::save(*page, "runs_erased_dark");
        applyTheme(*qApp, ThemeMode::Light);
        page->openArgument(u"0001-reward_model"_s);
        QTRY_VERIFY(!line->isVisible());
    }

    void failedRunNamesCauseTailAndCheckpoint() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(runsPage(), pages);
        page->openArgument(u"0004-dpo"_s);
        QTRY_VERIFY(shows(*page, u"The loss is not a number since step 122. Last checkpoint: step 100."_s));
        QVERIFY(button(*page, u"Resume from 100"_s));
        QVERIFY(page->findChild<QPlainTextEdit*>()->toPlainText().contains(u"leaving with code 13"_s));
    }

    void liveEventsAreAppendedAndRewindsCutBack() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(runsPage(), pages);
        page->openArgument(u"0005-grpo"_s);
        auto* grid = page->findChild<PlotGrid*>();
        QTRY_VERIFY(grid->plot(3)->seriesCount() == 1);
        QCOMPARE(grid->plot(3)->series(0).size(), size_t{30});
        auto info = *pages.supervisor->find("0005-grpo");
        const auto history = fixture::must(pl::readEvents(pages.runDir("0005-grpo") + "/events.jsonl"));
        uint64_t seq = history.back().seq;
        const auto event = [&](const char* type, pl::Json body) {
            body["seq"] = ++seq;
            body["type"] = type;
            return pl::Event{seq, pl::nowMs(), type, body};
        };
        QElapsedTimer clock;
        clock.start();
        const int before = grid->plot(3)->replotCount();
        for (int s = 31; s <= 130; ++s) {
            const std::vector<pl::Event> fresh = {event("metrics", {{"step", s}, {"values", {{"kl", 0.1}, {"new/metric", 1}}}})};
            Q_EMIT pages.bus.runUpdated(info, fresh);
            QTest::qWait(2);
        }
        QTRY_COMPARE(grid->plot(3)->series(0).size(), size_t{130});
        const double seconds = static_cast<double>(clock.elapsed()) / 1000;
        QVERIFY2(grid->plot(3)->replotCount() - before <= 31 * seconds + 2, "drawn more than 30 times a second");
        grid->openMetric(u"new/metric"_s);
        QCOMPARE(grid->metricPlot(u"new/metric"_s)->series(0).size(), size_t{100});
        const std::vector<pl::Event> back = {event("rewind", {{"to_step", 20}}),
                                             event("metrics", {{"step", 21}, {"values", {{"kl", 0.5}}}})};
        Q_EMIT pages.bus.runUpdated(info, back);
        QTRY_COMPARE(grid->plot(3)->series(0).size(), size_t{21});
        QCOMPARE(grid->plot(3)->series(0).point(20).y, 0.5);
        // The same events again change nothing.
        Q_EMIT pages.bus.runUpdated(info, history);
        QTest::qWait(60);
        QCOMPARE(grid->plot(3)->series(0).size(), size_t{21});
    }

    void severalRunsAreComparedInTheirColours() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(runsPage(), pages);
        pages.context->selectRuns({u"0001-reward_model"_s, u"0002-dpo"_s});
        auto* grid = page->findChild<PlotGrid*>();
        QTRY_COMPARE(grid->plot(1)->seriesCount(), 4);
        QCOMPARE(page->findChild<DetailTable*>()->selectedRows().size(), 2);
        fixture::Pages::save(*page, "runs_compare_light");
    }

    void newerLabelsAreOffered() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        pages.voteOnMore();
        auto page = make(runsPage(), pages);
        page->openArgument(u"0002-dpo"_s);
        QTRY_VERIFY(shows(*page, u"4 newer labels since this snapshot"_s));
        QVERIFY(button(*page, u"Continue with them"_s));
    }

    void trainPageJudgesBeforeItStarts() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(trainPage(), pages);
        page->openArgument(u"dpo"_s);
        QTRY_VERIFY(shows(*page, u"useful from about 200"_s));
        QTRY_VERIFY(shows(*page, u"pairs to train on"_s));
        QTRY_VERIFY(shows(*page, u"at the speed of 0002-dpo"_s) || shows(*page, u"at the speed of 0004-dpo"_s));
        QVERIFY(button(*page, u"Start"_s)->isEnabled());
        fixture::Pages::save(*page, "train_dpo_light");
        // A finished run of this method is there to be doubted.
        auto* form = page->findChild<SchemaForm*>();
        QCOMPARE(form->values()["label_control"], pl::Json("none"));
        QVERIFY(!shows(*page, u"dealt out at random"_s));
        button(*page, u"Try the shuffled-label control"_s)->click();
        QCOMPARE(form->changedValues(), (pl::Json{{"label_control", "shuffle"}}));
        QTRY_VERIFY(shows(*page, u"dealt out at random"_s));
        fixture::Pages::save(*page, "train_control_light");
        button(*page, u"Back to the real labels"_s)->click();
        QCOMPARE(form->changedValues(), pl::Json::object());
        QVERIFY(button(*page, u"Try the shuffled-label control"_s));
        page->openArgument(u"grpo"_s); // has no labels
        QVERIFY(!button(*page, u"Try the shuffled-label control"_s));
        // The reward model that is there is offered as the reward.
        QTRY_VERIFY(page->findChild<SchemaForm*>()->values()["rewards"].size() == 1);
        QTRY_VERIFY(button(*page, u"Start"_s)->isEnabled());
        applyTheme(*qApp, ThemeMode::Dark);
        fixture::Pages::save(*page, "train_grpo_dark");
        // Without one it cannot be started, and the button says what is lacking and where it is given.
        page->findChild<SchemaForm*>()->setValues({{"rewards", pl::Json::array()}});
        QTRY_VERIFY(!button(*page, u"Start"_s)->isEnabled());
        QVERIFY2(button(*page, u"Start"_s)->toolTip().contains(u"No reward. Add one under Rewards"_s), qPrintable(button(*page, u"Start"_s)->toolTip()));
        page->findChild<SchemaForm*>()->setValues({{"rewards", pl::Json::array({{{"type", "verifier"}}})}});
        QTRY_VERIFY(button(*page, u"Start"_s)->isEnabled() && button(*page, u"Start"_s)->toolTip().isEmpty());
        // Names of methods are not cut: they take a second line.
        for (const MethodCard* card : page->findChildren<MethodCard*>()) {
            const QStringList lines = card->titleLines(card->width());
            QCOMPARE(lines.join(u' '), card->text());
            QVERIFY(card->toolTip().contains(card->text().toHtmlEscaped()));
            QVERIFY(card->height() >= card->sizeHint().height());
        }
        applyTheme(*qApp, ThemeMode::Light);
    }

    void generatePageCountsAndRefuses() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(generatePage(), pages);
        QTRY_VERIFY(shows(*page, u"up to 32"_s)); // 40 prompts, 8 of them dev
        auto* start = button(*page, u"Write them"_s);
        QVERIFY(start->isEnabled());
        QLineEdit* n = nullptr;
        for (QLineEdit* field : page->findChildren<QLineEdit*>())
            if (field->accessibleName() == u"Answers a prompt and model"_s)
                n = field;
        QVERIFY(n);
        n->setText(u"1"_s);
        QVERIFY(!start->isEnabled());
        QVERIFY(shows(*page, u"One answer a prompt makes no pair within a model"_s));
        n->setText(u"2"_s);
        QVERIFY(start->isEnabled());
        fixture::Pages::save(*page, "generate_light");
        applyTheme(*qApp, ThemeMode::Dark);
        fixture::Pages::save(*page, "generate_dark");
        applyTheme(*qApp, ThemeMode::Light);
    }

    void samplesStandSideBySide() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(samplesPage(), pages);
        page->openArgument(u"0002-dpo@150"_s);
        QTRY_VERIFY(shows(*page, u"Latest · step 150"_s));
        QVERIFY(shows(*page, u"Start · step 0"_s));
        page->openArgument(u"0002-dpo"_s);
        QTRY_VERIFY(shows(*page, u"Latest · step 300"_s));
        fixture::Pages::save(*page, "samples_light");
        auto* grid = page->findChild<QScrollArea*>()->widget();
        QTest::keyClick(grid, Qt::Key_Space);
        QTRY_VERIFY(shows(*page, u"tokens"_s));
        QTest::keyClick(grid, Qt::Key_D);
        applyTheme(*qApp, ThemeMode::Dark);
        fixture::Pages::save(*page, "samples_open_dark");
        applyTheme(*qApp, ThemeMode::Light);
    }

    void answersSeenWithNamesNoLongerCountAsBlind() {
        fixture::Pages pages;
        const auto items = pages.desk.next(2);
        QCOMPARE(items.size(), size_t{2});
        QVERIFY(!items[0].presentation.exposed && !items[1].presentation.exposed);
        // A run that answered two prompts: one answer is a candidate here, the other is not.
        bundles::writeModel(pages.dir + "/models/start");
        pages.addRun("0001-dpo", {{"steps", 10}}, [&](EventWriter& w) {
            for (size_t i = 0; i < 2; ++i)
                fixture::must(w.write(event::kSample, {{"step", 10}, {"prompt_id", items[i].prompt.uuid}, {"prompt", items[i].prompt.content},
                                                       {"response", i == 0 ? items[0].a.content : "Not among the answers."}}));
            bundles::Runs::end(w, "finished");
        });
        pages.open();
        auto page = make(samplesPage(), pages);
        page->openArgument(u"0001-dpo"_s);
        const auto exposed = [&](desk::Id comparison) {
            return pages.store->call([&, comparison](desk::Project& p) {
                                  desk::Project::NextOptions o;
                                  o.task = pages.desk.task;
                                  o.annotator = pages.desk.ada;
                                  o.limit = 10;
                                  for (const auto& item : fixture::must(p.next(o)))
                                      if (item.comparison.id == comparison)
                                          return item.presentation.exposed;
                                  return false;
                              })
                .get();
        };
        QTRY_VERIFY(exposed(items[0].comparison.id));
        QVERIFY(!exposed(items[1].comparison.id));
    }

    void modelsSayWhatTheyAre() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(modelsPage(), pages);
        QTRY_VERIFY(shows(*page, u"apache-2.0"_s));
        QVERIFY(shows(*page, u"262 k"_s));
        QCOMPARE(page->findChild<DetailTable*>()->model()->rowCount(), 5);
        QVERIFY(!shows(*page, u"A control"_s));
        // What fits: a tiny model does, by every method, and a cell says what it counts.
        QTRY_VERIFY(shows(*page, u"Training it on this machine"_s));
        int fits = 0;
        for (const StatusChip* chip : page->findChildren<StatusChip*>())
            if (chip->isVisibleTo(page.get()) && chip->word().startsWith(u"fits, "_s)) {
                ++fits;
                QVERIFY(chip->toolTip().contains(u"activations"_s));
            }
        QCOMPARE(fits, 8);
        fixture::Pages::save(*page, "models_light");
    }

    void modelsOfTheCacheAreOffered() {
        fixture::Pages pages;
        pages.addUsual();
        const std::string cache = pages.dir + "/hub";
        const std::string snapshot = cache + "/models--org--tiny/snapshots/abc";
        QVERIFY(os::makeDirs(snapshot).has_value());
        for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
            QVERIFY(os::copyFile(std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model/" + file, snapshot + "/" + file).has_value());
        QVERIFY(os::makeDirs(cache + "/models--an-organisation--A-Model-With-A-Very-Long-Name-Instruct-v0.3-preview/snapshots/def").has_value());
        qputenv("HF_HUB_CACHE", QByteArray::fromStdString(cache));
        pages.open();
        auto page = make(modelsPage(), pages);
        QTRY_VERIFY(shows(*page, u"apache-2.0"_s));
        QPushButton* button = nullptr;
        for (QPushButton* each : page->findChildren<QPushButton*>())
            if (each->text() == u"Hugging Face cache"_s)
                button = each;
        QVERIFY(button);
        button->click();
        QTRY_VERIFY(page->findChild<QMenu*>());
        const auto actions = page->findChild<QMenu*>()->actions();
        QCOMPARE(actions.size(), 2);
        page->findChild<QMenu*>()->grab().save(QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/models_cache_menu.png"));
        QVERIFY(!actions[0]->isEnabled() && actions[0]->toolTip().contains(u"config.json"_s));
        QVERIFY2(actions[1]->isEnabled() && actions[1]->text().startsWith(u"org/tiny  (Llama, 1.1"_s), qPrintable(actions[1]->text()));
        actions[1]->trigger();
        QTRY_VERIFY(os::exists(pages.dir + "/models/tiny/model.safetensors"));
        qunsetenv("HF_HUB_CACHE");
    }

    void aModelOfShuffledLabelsIsMarked() {
        fixture::Pages pages;
        pages.addUsual();
        pages.addRun("0006-dpo", {{"steps", 30}, {"label_control", "shuffle"}},
                     [](EventWriter& w) { bundles::Runs::end(w, "finished"); });
        pages.addCheckpoint("0006-dpo", 30);
        pages.open();
        auto page = make(modelsPage(), pages);
        page->openArgument(u"run:6@30"_s);
        QTRY_VERIFY(shows(*page, u"A control (shuffled labels)"_s));
        QStringList names;
        auto* table = page->findChild<DetailTable*>()->model();
        for (int row = 0; row < table->rowCount(); ++row)
            names.append(table->index(row, 0).data().toString());
        QVERIFY2(names.contains(u"0006-dpo step 30 (best), control: shuffled labels"_s),
                 qPrintable(names.join(u'\n')));
        fixture::Pages::save(*page, "models_control_light");
        page->openArgument(u"run:2@300"_s);
        QTRY_VERIFY(!shows(*page, u"A control"_s));
    }

    void verdictsAreAForest() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(evaluatePage(), pages);
        QTRY_VERIFY(shows(*page, u"too few to say anything"_s)); // eight dev prompts
        fixture::Pages::save(*page, "evaluate_light");
    }

    void reportOfTheUsualProject() {
        fixture::Pages pages;
        pages.addUsual();
        const auto done = writeReport(pages.dir, PAIRLAB_BUILD_DIR "/screenshots/report");
        QVERIFY2(done.has_value(), done ? "" : done.error().toString().c_str());
        QVERIFY(QFile::exists(QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/report/0005-grpo.png")));
        QVERIFY(!QFile::exists(QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/report/0003-evaluate.png")));
    }

    void playgroundNeedsAPrompt() {
        fixture::Pages pages;
        pages.addUsual();
        pages.open();
        auto page = make(playgroundPage(), pages);
        QTRY_VERIFY(page->findChildren<QComboBox*>().front()->count() > 0);
        QVERIFY(!button(*page, u"Send to the queue"_s)->isEnabled());
        fixture::Pages::save(*page, "playground_light");
    }
};

QTEST_MAIN(TestRunsPage)
#include "tst_runs_page.moc"
