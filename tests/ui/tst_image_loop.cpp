// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=300
// The pages around runs in a project of images, offscreen, on synthetic bundles, and the pure parts behind them.
#include "tests/ui/find.h"
#include "tests/ui/bundles.h"
#include "tests/ui/image_fixture.h"
#include "tests/ui/image_runs.h"
#include "tests/ui/page_fixture.h"

#include "core/desk/runs/actions.h"
#include "ui/generate/generate_page.h"
#include "ui/generate/results.h"
#include "ui/generate/sentence.h"
#include "ui/models/model_facts.h"
#include "ui/models/models_page.h"
#include "ui/runs/image_signs.h"
#include "ui/runs/report.h"
#include "ui/runs/run_panels.h"
#include "ui/runs/runs_page.h"
#include "ui/runs/verdict.h"
#include "ui/train/doctor.h"
#include "ui/train/method_list.h"
#include "ui/train/run_cost.h"
#include "ui/train/train_page.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/plot/plot_grid.h"
#include "ui/widgets/schema_form.h"

using namespace fixture;

namespace {

QStringList curves(const LivePlot& plot) {
    QStringList names;
    for (const LivePlot::Reading& reading : plot.readingsAt(50))
        names.append(reading.label);
    return names;
}

/// A project of image pairs with votes, models and runs.
struct Images : Desk {
    explicit Images(int pairs = 40, bool runs = true, bool votes = true) {
        const QString where = dir();
        pictures::makeProject(where, pairs, [](int pair, int k) { return pictures::bytesOf(pictures::scene(32, 2 * pair + k, k == 0)); },
                              desk::Scale::SevenPoint, [&](desk::Project& p) {
                                  if (votes && pairs)
                                      vote(p, pairs - 4);
                                  bundles::Runs all{where.toStdString(), &p, {}};
                                  if (votes && pairs) {
                                      desk::DatasetSpec spec;
                                      spec.name = "votes";
                                      spec.filter.kind = desk::CandidateKind::Image;
                                      all.datasetSha = must(p.freezeDataset(spec)).sha;
                                  }
                                  if (runs)
                                      all.addImages();
                                  else
                                      bundles::writeImageModel(all.dir + "/models/start");
                              });
    }
    static void vote(desk::Project& p, int n) {
        desk::Project::NextOptions o;
        o.task = must(p.defaultTask()).id;
        o.annotator = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
        o.limit = static_cast<size_t>(n);
        int i = 0;
        for (const auto& item : must(p.next(o))) {
            desk::JudgementInput input;
            input.winner = i % 9 == 8 ? desk::Winner::Tie : i % 3 ? desk::Winner::A : desk::Winner::B;
            must(p.presentAndJudge(item.presentation, input));
            ++i;
        }
    }
    Page* open(const PageFactory& factory, const QSize& size = {1280, 800}) {
        auto r = request();
        r.supervisor.pluginFolders = {bundles::pluginsIn(temp.path().toStdString() + "/plugins")};
        const QString id = factory.id;
        show({factory}, r, size);
        window->goTo(id);
        return window->page(id);
    }
    void save(const char* name) {
        QTest::qWait(250);
        const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/");
        QDir().mkpath(folder);
        for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, theme);
            QTest::qWait(60);
            QVERIFY(window->grab().save(folder + QString::fromLatin1(name) +
                                        (theme == ThemeMode::Light ? u"-light.png"_s : u"-dark.png"_s)));
        }
        applyTheme(*qApp, ThemeMode::Light);
        QVERIFY2(clipped(window.get()).isEmpty(), qPrintable(clipped(window.get()).join(u'\n')));
    }
};

/// A manifest of this tree.
Manifest manifestOf(const char* id) {
    static const QTemporaryDir temp;
    static const std::string dir = bundles::pluginsIn(temp.path().toStdString());
    return must(Manifest::load(dir + "/" + id));
}

/// A run's curves without files.
struct Made {
    RunSeries series;
    uint64_t seq = 0;
    void log(int64_t step, Json values) {
        const uint64_t n = ++seq;
        Json body{{"seq", n}, {"type", "metrics"}, {"step", step}, {"values", std::move(values)}};
        series.apply(Event{n, 1000000 + static_cast<int64_t>(n) * 1000, event::kMetrics, body});
    }
    void obedience(int64_t step, double colour, double shape) {
        log(step, {{"eval_obedience/colour", colour}, {"eval_obedience/background", 1.0}, {"eval_obedience/shape", shape},
                   {"eval_obedience/count", 0.75}});
    }
};
desk::RunInfo infoOf(const char* plugin) {
    desk::RunInfo info;
    info.plugin = plugin;
    info.name = std::string("0001-") + plugin;
    info.state = RunState::Finished;
    return info;
}

} // namespace

class TestImageLoop : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    // ---- which charts

    void textsKeepTheirCharts() {
        Made text;
        text.log(1, {{"loss", 0.6}, {"kl", 0.1}, {"tokens_per_second", 100}});
        const std::vector<Panel> usual{Panel::Rewards, Panel::Accuracy, Panel::Wins, Panel::Kl, Panel::Length, Panel::Loss};
        QVERIFY(panelsFor({{&text.series, nullptr}}, 6) == usual);
        QVERIFY(panelsFor({}, 6) == usual);
    }

    void imagesHaveTheChartsOfWhatTheyMeasure() {
        Made dpo;
        dpo.log(0, {{"eval_rewards/margins", 0}, {"eval_w_diff", 0}, {"eval_l_diff", 0}, {"eval_loss", 0.69},
                    {"eval_rewards/accuracies", 0.5}});
        dpo.obedience(0, 1, 1);
        dpo.log(1, {{"loss", 0.6}, {"images_per_second", 60}, {"grad_norm", 1}});
        const std::vector<Panel> plain{Panel::ImageRewards, Panel::Errors, Panel::Obedience,
                                       Panel::Accuracy, Panel::ImageLoss, Panel::Wins};
        QVERIFY(panelsFor({{&dpo.series, nullptr}}, 6) == plain);
        dpo.log(1, {{"eval_gold/larger", 0.2}});
        QVERIFY(panelsFor({{&dpo.series, nullptr}}, 6)[3] == Panel::Gold);
        Made grpo;
        grpo.obedience(0, 1, 1);
        grpo.log(0, {{"eval_reward", 0.1}, {"eval_diversity", 0.2}});
        grpo.log(1, {{"loss", 0}, {"reward_avg", 0.1}, {"reward_std_mean", 0.9}, {"ratio_mean", 1}, {"clipfrac", 0.1},
                     {"approx_kl", 1e-5}, {"kl_loss", 1e-4}, {"images_per_second", 5}});
        const std::vector<Panel> group{Panel::ImageRewards, Panel::Obedience, Panel::ImageLoss,
                                       Panel::ImageKl, Panel::Ratio,     Panel::Wins};
        QVERIFY(panelsFor({{&grpo.series, nullptr}}, 6) == group);
        // A reward model draws nothing: no obedience and no win rate.
        Made rm;
        rm.log(1, {{"loss", 0.6}, {"accuracy", 0.6}, {"margin", 0.1}, {"mean_reward", 0}, {"images_per_second", 500},
                   {"grad_norm", 1}, {"learning_rate", 1}});
        const auto judge = panelsFor({{&rm.series, nullptr}}, 6);
        QVERIFY(std::find(judge.begin(), judge.end(), Panel::Wins) == judge.end());
        QVERIFY(std::find(judge.begin(), judge.end(), Panel::Scores) != judge.end());
    }

    void aYoungRunShowsWhatItsManifestAnnounces() {
        const auto manifest = manifestOf("image_dpo");
        Made run;
        run.log(0, {{"eval_loss", 0.69}});
        const auto panels = panelsFor({{&run.series, &manifest}}, 6);
        QVERIFY(panels.size() == 6 && panels[0] == Panel::ImageRewards && panels[1] == Panel::Errors); // train ones may still come
        QVERIFY(std::find(panels.begin(), panels.end(), Panel::Obedience) == panels.end()); // only held out, and that was measured
        const auto blank = panelsFor({{nullptr, &manifest}}, 6);
        QVERIFY(blank[0] == Panel::ImageRewards && blank[1] == Panel::Errors && blank[2] == Panel::Obedience);
        // Once it has trained and was measured, what it left out is not waited for.
        run.log(1, {{"loss", 0.6}});
        const auto later = panelsFor({{&run.series, &manifest}}, 6);
        QVERIFY(later == std::vector<Panel>{Panel::ImageLoss});
    }

    // ---- what is said of a run

    void aHealthyRunIsNotAccused() {
        Made run;
        for (int s = 0; s <= 100; s += 10) {
            run.obedience(s, 1 - 0.0004 * s, 0.97 - 0.0005 * s);
            run.log(s, {{"eval_rewards/margins", 0.004 * s}, {"eval_w_diff", -1e-5 * s}, {"eval_l_diff", 1e-5 * s}});
        }
        const ImageSigns signs = imageSigns(run.series);
        QVERIFY(signs.proxy && signs.lost.empty() && !signs.errorsGrow && !signs.hacking());
        QVERIFY(imageWords(signs).isEmpty());
        QVERIFY(verdict(infoOf("image_dpo"), run.series, {}).contains(u"held-out margin still rising"));
    }

    void theLessonIsSaidInWords() {
        Made run;
        for (int s = 0; s <= 100; s += 10) {
            const double x = s / 100.0;
            run.obedience(s, 1 - 0.6 * x * x, 0.97);
            run.log(s, {{"eval_rewards/margins", 4 * x}, {"eval_w_diff", 0.05 * x}, {"eval_l_diff", 0.06 * x},
                        {"eval_gold/larger", -0.5 * x}, {"eval_rewards/accuracies", 0.9},
                        {"eval_rewards/accuracies_low", 0.8}, {"eval_rewards/accuracies_high", 0.95},
                        {"eval_rewards/accuracies_n", 60}});
        }
        const ImageSigns signs = imageSigns(run.series);
        QVERIFY(signs.hacking() && signs.errorsGrow);
        QCOMPARE(signs.lost.size(), size_t{1});
        QCOMPARE(signs.lost[0].what, u"colour"_s);
        QCOMPARE(signs.lastWhole, int64_t{20}); // 2.4 points at step 20, 5.4 at step 30
        const QString text = verdict(infoOf("image_dpo"), run.series, {});
        QVERIFY2(text.startsWith(u"Reward hacking: the held-out margin rose"), qPrintable(text));
        QVERIFY2(text.contains(u"colour 100 → 46 %"), qPrintable(text));
        QVERIFY2(text.contains(u"it forgets how to draw"), qPrintable(text));
        QVERIFY2(text.contains(u"the gold taste larger fell"), qPrintable(text));
        QVERIFY2(text.contains(u"at step 20 they still showed it"), qPrintable(text));
        QVERIFY2(!text.contains(u"Ranks 90"), qPrintable(text)); // a perfect accuracy is part of the lesson
        // With a win rate that comes first, and the warning follows it.
        WinRate w;
        w.value = 0.96, w.low = 0.9, w.high = 0.98, w.n = 100, w.against = u"start"_s, w.judge = u"gold rule larger"_s;
        const QString won = verdict(infoOf("image_dpo"), run.series, {w});
        QVERIFY2(won.startsWith(u"Better than start") && won.contains(u"Reward hacking"), qPrintable(won));
    }

    void errorsThatBothGrowAreSaidBeforeObedienceFalls() {
        Made run;
        for (int s = 0; s <= 60; s += 10)
            run.log(s, {{"eval_w_diff", 1e-4 * s}, {"eval_l_diff", 2e-4 * s}});
        QVERIFY(imageSigns(run.series).errorsGrow);
        Made one; // only the losers: that is the point of training
        for (int s = 0; s <= 60; s += 10)
            one.log(s, {{"eval_w_diff", -1e-4 * s}, {"eval_l_diff", 2e-4 * s}});
        QVERIFY(!imageSigns(one.series).errorsGrow);
    }

    void oneMeasurementDoesNotAccuse() {
        Made run;
        for (int s = 0; s <= 50; s += 10)
            run.obedience(s, s == 50 ? 0.92 : 1.0, 0.9); // mean of the last two: 4 points
        QVERIFY(imageSigns(run.series).lost.empty());
        run.obedience(60, 0.92, 0.9);
        QCOMPARE(imageSigns(run.series).lost.size(), size_t{1});
    }

    void anImageRunHasNoTextsInItsVerdict() {
        Made run;
        run.log(400, {{"reward/kept", 1.4}, {"reward/drawn", 0.1}});
        const QString text = verdict(infoOf("generate_image"), run.series, {});
        QVERIFY2(!text.contains(u"answers"), qPrintable(text));
    }

    // ---- the Runs page

    void theRunsPageShowsWhatPicturesNeed() {
        Images lab;
        Page* page = lab.open(runsPage());
        page->openArgument(u"0003-image_dpo"_s);
        auto* grid = page->findChild<PlotGrid*>();
        QTRY_COMPARE(grid->plot(1)->title(), u"Error above start"_s);
        QCOMPARE(curves(*grid->plot(1)), (QStringList{u"winners"_s, u"losers"_s}));
        QCOMPARE(grid->plot(2)->title(), u"Obeys the prompt"_s);
        QCOMPARE(curves(*grid->plot(2)), (QStringList{u"colour"_s, u"background"_s, u"shape"_s, u"count"_s}));
        QCOMPARE(grid->plot(3)->title(), u"Gold against proxy"_s);
        QCOMPARE(curves(*grid->plot(3)), (QStringList{u"gold: larger"_s, u"proxy: margin"_s}));
        for (const LivePlot::Reading& reading : grid->plot(3)->readingsAt(0))
            QCOMPARE(reading.y, 0.0); // since the start, wherever the taste's scale begins
        for (LivePlot* plot : grid->plots())
            QVERIFY(plot->title() != u"KL"_s && plot->title() != u"Length, cut off"_s);
        QVERIFY(shows(*page, u"Reward hacking"_s));
        QVERIFY(shows(*page, u"Images a second"_s) && !shows(*page, u"Tokens a second"_s));
        lab.save("runs-images-lesson");
        page->openArgument(u"0002-image_dpo"_s);
        QTRY_COMPARE(grid->plot(3)->title(), u"Accuracy"_s);
        QVERIFY(!shows(*page, u"Reward hacking"_s));
        lab.save("runs-images");
        page->openArgument(u"0001-image_reward_model"_s);
        QTRY_COMPARE(grid->plot(3)->title(), u"Scores"_s);
        QTRY_VERIFY(shows(*page, u"Ranks 83 % [73, 90] of 88 held-out pairs as the votes do"_s));
        lab.save("runs-images-reward-model");
    }

    void theReportDrawsTheSameCharts() {
        Images lab;
        const QString out = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/report-images");
        const Status done = writeReport(lab.dir().toStdString(), out.toStdString());
        QVERIFY2(done.has_value(), done ? "" : done.error().toString().c_str());
        for (const char* file : {"overview", "0001-image_reward_model", "0002-image_dpo", "0003-image_dpo"})
            QVERIFY(QImage(out + u'/' + QString::fromLatin1(file) + u".png"_s).width() > 2000);
    }

    // ---- the Train page

    void imageMethodsComeFirstAndTheOthersSayWhyNot() {
        Images lab;
        Page* page = lab.open(trainPage());
        auto* list = page->findChild<MethodList*>();
        QTRY_VERIFY(shows(*page, u"They train language models, and this project has none"_s));
        auto* image = button<QAbstractButton>(*page, u"Image reward model"_s);
        auto* text = button<QAbstractButton>(*page, u"Reward model"_s);
        QVERIFY(image && text && image->isEnabled() && !text->isEnabled());
        QVERIFY(image->isChecked()); // offered first
        QVERIFY(image->y() < text->y());
        QVERIFY(list->find("dpo")->id == "image_dpo");
        QTRY_VERIFY(shows(*page, u"image pairs to train on"_s));
        QVERIFY(shows(*page, u"Image reward model needs image pairs: you have "_s));
        QVERIFY(button(*page, u"Start"_s)->isEnabled());
        lab.save("train-images");
        page->openArgument(u"dpo"_s); // of this project: that of images
        QTRY_VERIFY(button<QAbstractButton>(*page, u"Direct preference optimisation of images"_s)->isChecked());
        auto* form = page->findChild<SchemaForm*>();
        QVERIFY(form->editor(u"preset"_s) && form->editor(u"preset"_s)->isVisibleTo(page)); // without unfolding anything
        QVERIFY(form->isRowVisible(u"beta"_s));
        form->setValues({{"preset", "over_optimise"}});
        QTRY_VERIFY(shows(*page, u"A lesson: the preset over_optimise"_s));
        QVERIFY(!form->isRowVisible(u"beta"_s)); // the preset sets it: the field would lie
        lab.save("train-images-lesson");
    }

    void trainingImagesIsBlockedWithAReason() {
        Images lab(6, false, false);
        Page* page = lab.open(trainPage());
        page->openArgument(u"image_dpo"_s);
        QTRY_VERIFY(shows(*page, u"DPO of images needs image pairs: there are none to train on"_s));
        QVERIFY(!button(*page, u"Start"_s)->isEnabled());
        page->openArgument(u"image_sft"_s);
        auto* form = page->findChild<SchemaForm*>();
        QTRY_VERIFY(shows(*page, u"SFT of images needs image pairs: there are none to train on"_s));
        form->setValues({{"source", "scenes"}}); // drawn by the job itself
        QTRY_VERIFY(button(*page, u"Start"_s)->isEnabled());
        QVERIFY(!shows(*page, u"needs image pairs"_s));
    }

    void aTextProjectKeepsItsOrder() {
        MethodList list([] {
            static std::vector<Manifest> all;
            for (const char* id : {"image_dpo", "dpo", "image_sft", "sft", "reward_model", "image_reward_model"})
                all.push_back(manifestOf(id));
            std::vector<const Manifest*> out;
            for (const Manifest& m : all)
                out.push_back(&m);
            return out;
        }());
        list.setModalities({true, false, false});
        QCOMPARE(list.find("reward_model")->id, std::string("reward_model"));
        QCOMPARE(list.find("image_dpo")->id, std::string("dpo"));
        list.setModalities({true, true, true}); // both: who asks for one gets it
        QCOMPARE(list.find("reward_model")->id, std::string("reward_model"));
        QCOMPARE(list.find("image_dpo")->id, std::string("image_dpo"));
    }

    void theDoctorLooksAtPictures() {
        DoctorInput in;
        in.method = "DPO of images";
        in.images = in.takesRankings = true;
        in.counts.rankings = 12;
        QVERIFY(!diagnose(in).blocked); // rankings are labels, too
        in.takesRankings = false;
        QVERIFY(diagnose(in).blocked);
        in.counts.train = 300, in.counts.dev = 40;
        const std::string same(64, 'a');
        in.pairs = {{"p", same, same, desk::Winner::A, desk::Split::Train, {}, {}},
                    {"q", "images/long-name.png", "images/b.png", desk::Winner::A, desk::Split::Train, {}, {}}};
        const DoctorReport report = diagnose(in);
        QCOMPARE(report.longerOf, int64_t{0}); // the length of a file's name is no length
        QVERIFY(std::any_of(report.findings.begin(), report.findings.end(), [](const Finding& f) {
            return f.title == "1 pair has the same picture on both sides";
        }));
        desk::DatasetCounts c;
        c.train = 1, c.dev = 0, c.rankings = 3, c.unusable = 2;
        const auto lines = voteKinds(c, true);
        QCOMPARE(lines[0], std::string("1 image pair to train on, 0 held out"));
        QVERIFY(std::find(lines.begin(), lines.end(), "3 rankings: orders of three or more, for methods that take them") != lines.end());
        QVERIFY(std::find(lines.begin(), lines.end(), "2 votes: an image is missing or damaged, left out") != lines.end());
    }

    void theCostOfImagesComesFromARun() {
        const auto manifest = manifestOf("image_dpo");
        RunCostInput in;
        in.manifest = &manifest;
        in.values = must(manifest.effectiveParameters({{"steps", 50}, {"batch_size", 64}}));
        in.device = "cpu";
        QVERIFY(runCost(in).seconds < 0); // no model
        in.facts.emplace();
        in.facts->parameters = 1000000;
        QVERIFY(runCost(in).seconds < 0);
        QCOMPARE(runCost(in).bytes, 20e6);
        desk::RunInfo run = infoOf("image_dpo");
        run.device = "cpu";
        run.step = 100;
        run.startedMs = 1000;
        run.endedMs = 51000;
        run.createdMs = 1;
        run.parameters = {{"batch_size", 32}};
        in.runs = {run};
        QCOMPARE(runCost(in).seconds, 50.0); // half a second a step of 32, twice that of 64
        in.device = "cuda:0";
        QVERIFY(runCost(in).seconds < 0);
        in.values["adapter_rank"] = 8;
        QCOMPARE(runCost(in).bytes, 4e6); // one network, its weights frozen
    }

    // ---- the Models page

    void imageModelsSayWhatTheyAre() {
        Images lab;
        Page* page = lab.open(modelsPage());
        QTRY_VERIFY(shows(*page, u"32 × 32 pixels"_s));
        for (const char* words : {"velocity (rectified flow)", "flow_ode; with noise", "captions of scenes, 7 slots", "Apache-2.0",
                                  "65.5 k (U-Net, width 64, 128)", "Trained on 204,800 images"})
            QVERIFY2(shows(*page, QString::fromLatin1(words)), words);
        QVERIFY(!shows(*page, u"Context"_s) && !shows(*page, u"Vocabulary"_s) && !shows(*page, u"tokenizer"_s));
        lab.save("models-images");
        page->openArgument(u"run:1@60"_s);
        QTRY_VERIFY(shows(*page, u"in standard deviations of 640 training images"_s));
        QVERIFY(shows(*page, u"1.31, from 88 pairs"_s));
        QVERIFY(!button(*page, u"Generate"_s)->isEnabled());
        auto* table = page->findChild<DetailTable*>()->model();
        QStringList kinds;
        for (int row = 0; row < table->rowCount(); ++row)
            kinds.append(table->index(row, 1).data().toString());
        QVERIFY(kinds.contains(u"image model"_s) && kinds.contains(u"image reward model"_s));
        QVERIFY(!kinds.contains(u"language model"_s));
        lab.save("models-images-reward-model");
    }

    // ---- the Generate page

    void theBestOfNIsAskedForInTheSentence() {
        Images lab;
        Page* page = lab.open(generatePage());
        auto* start = button(*page, u"Draw them"_s);
        QTRY_VERIFY((start = button(*page, u"Draw them"_s)) && start->isEnabled());
        auto* best = button<QCheckBox>(*page, u"the best of"_s);
        auto* judge = named<QComboBox>(*page, u"Who chooses"_s);
        auto* drawn = named<QLineEdit>(*page, u"Drawn for each prompt and model"_s);
        QVERIFY(best && judge && drawn && !judge->isEnabled());
        best->click();
        QCOMPARE(judge->currentData().toString(), u"run:1@60"_s); // the reward model that is there
        named<QLineEdit>(*page, u"How many prompts"_s)->setText(u"10"_s);
        QVERIFY(shows(*page, u"80 drawn\n20 kept"_s));
        drawn->setText(u"16"_s);
        QVERIFY(shows(*page, u"160 drawn\n20 kept"_s)); // follows while it is typed
        drawn->setText(u"2"_s);
        QVERIFY(!start->isEnabled() && shows(*page, u"The best 2 of 2 leaves no choice"_s));
        drawn->setText(u"8"_s);
        QVERIFY(start->isEnabled());
        auto* sentence = page->findChild<SentenceCard*>();
        const desk::GenerateRequest r = sentence->request(sentence->read());
        QCOMPARE(r.bestOf, int64_t{8});
        QCOMPARE(r.judge, std::string("run:1@60"));
        judge->setCurrentIndex(judge->findData(u"larger"_s));
        QCOMPARE(sentence->request(sentence->read()).judge, std::string("larger"));
        lab.save("generate-images-best");
        best->click();
        QCOMPARE(sentence->request(sentence->read()).bestOf, int64_t{1});
    }

    void withoutARewardModelItSaysHowToGetOne() {
        Images lab(10, false);
        Page* page = lab.open(generatePage());
        QTRY_VERIFY(button(*page, u"Draw them"_s) && button(*page, u"Draw them"_s)->isEnabled());
        QVERIFY(!button(*page, u"Train a reward model"_s));
        button<QCheckBox>(*page, u"the best of"_s)->click();
        QVERIFY(!button(*page, u"Draw them"_s)->isEnabled());
        QVERIFY(shows(*page, u"No image reward model yet: train one from your votes on the Train page"_s));
        QString where, what;
        connect(&lab.context().signals, &Signals::navigateTo, this, [&](const QString& page, const QString& argument) {
            where = page;
            what = argument;
        });
        lab.save("generate-images-no-judge");
        button(*page, u"Train a reward model"_s)->click();
        QCOMPARE(where, u"train"_s);
        QCOMPARE(what, u"image_reward_model"_s);
        // A rule may choose all the same.
        auto* judge = named<QComboBox>(*page, u"Who chooses"_s);
        judge->setCurrentIndex(judge->findData(u"warm"_s));
        QVERIFY(button(*page, u"Draw them"_s)->isEnabled());
    }

    void theCostIsToldBeforeItStarts() {
        Images lab(10, false);
        {
            desk::Project p = must(desk::Project::open(lab.dir().toStdString(), projectOptions()));
            bundles::Runs runs{lab.dir().toStdString(), &p, {}};
            runs.addRun("0001-generate_image", {{"n", 2}, {"best_of", 1}, {"steps", 8}, {"guidance", 2.0}}, [](EventWriter& w) {
                bundles::check(w.metrics(0, 0, 0, {{"seconds_per_image", 0.5}}));
                QTest::qSleep(5); // it took some time
                bundles::Runs::end(w, "finished");
            });
            must(p.close());
        }
        Page* page = lab.open(generatePage());
        named<QLineEdit>(*page, u"How many prompts"_s)->setText(u"6"_s);
        QTRY_VERIFY(shows(*page, u"about 6 s"_s)); // 12 pictures of half a second
        button<QCheckBox>(*page, u"the best of"_s)->click();
        auto* judge = named<QComboBox>(*page, u"Who chooses"_s);
        judge->setCurrentIndex(judge->findData(u"larger"_s));
        QTRY_VERIFY(shows(*page, u"about 24 s"_s)); // 48 of them
        named<QLineEdit>(*page, u"Sampling steps"_s)->setText(u"16"_s);
        QTRY_VERIFY(shows(*page, u"about 48 s"_s)); // twice the steps
        named<QLineEdit>(*page, u"Guidance"_s)->setText(u"1"_s);
        QTRY_VERIFY(shows(*page, u"about 24 s"_s)); // without the second pass
        QVERIFY(!button(*page, u"Measure it with 4 pictures"_s));
    }

    /// With the first model alone, and even when it is over before its name is known here.
    void aMeasurementDrawsFourPictures() {
        Images lab(10, false);
        Page* page = lab.open(generatePage());
        auto* second = named<QComboBox>(*page, u"Second model"_s);
        QTRY_VERIFY(second->count() > 1);
        second->setCurrentIndex(1);
        named<QLineEdit>(*page, u"How many prompts"_s)->setText(u"6"_s);
        const QString measure = u"Measure it with 4 pictures"_s;
        QTRY_VERIFY(button<QAbstractButton>(*page, measure) && button<QAbstractButton>(*page, measure)->isEnabled());
        disconnect(&lab.context().signals, &Signals::runUpdated, page, nullptr);
        button<QAbstractButton>(*page, measure)->click();
        QVERIFY(!button<QAbstractButton>(*page, measure)->isEnabled());
        const auto probe = [&] { return lab.context().supervisor.find("0001-generate_image"); };
        for (int i = 0; i < 200 && !(probe() && probe()->state == RunState::Failed); ++i) // no event of this thread is served
            QTest::qSleep(50);
        QVERIFY(probe() && probe()->state == RunState::Failed); // the worker here is no worker
        QCOMPARE(probe()->models.size(), size_t{1});
        QCOMPARE(probe()->parameters.value("n", 0), 1);
        QTRY_VERIFY(button<QAbstractButton>(*page, measure)->isEnabled());
        QVERIFY(!shows(*page, u"pictures to measure …"_s));
    }

    void aLargePictureIsReadAsASmallOne() {
        QTemporaryDir run;
        const QString path = run.filePath(u"samples/one.png"_s);
        QDir().mkpath(QFileInfo(path).path());
        pictures::write(path, pictures::bytesOf(pictures::scene(2048, 1, true)));
        ResultsCard card;
        card.resize(900, 700);
        card.show();
        card.begin("0007-generate_image");
        desk::RunInfo info = infoOf("generate_image");
        info.name = "0007-generate_image";
        info.dir = run.path().toStdString();
        info.state = RunState::Running;
        card.onRun(info, {{1, 1, event::kCandidate, Json{{"prompt", "a fox"}, {"model", {{"name", "start"}}}, {"image", "one.png"}}}});
        auto* label = named<QLabel>(card, u"Image of start"_s);
        QTRY_VERIFY(label && !label->pixmap().isNull());
        QCOMPARE(label->pixmap().size(), QSize(256, 256));
        const auto captions = card.findChildren<ElidedLabel*>();
        QVERIFY(std::any_of(captions.begin(), captions.end(), [](ElidedLabel* l) { return l->text() == u"start · 2048 × 2048"_s; }));
        auto* loader = card.findChild<ImageLoader*>();
        QVERIFY(loader && loader->count() == 1);
        QVERIFY2(loader->bytes() < 2 * 4 * 512 * 512, qPrintable(QString::number(loader->bytes())));
    }

    void whatWasKeptIsToldWithScoresAndNoPicture() {
        QTemporaryDir bundle;
        ResultsCard card;
        card.resize(900, 700);
        card.show();
        card.begin("0007-generate_image");
        desk::RunInfo info = infoOf("generate_image");
        info.name = "0007-generate_image";
        info.dir = bundle.path().toStdString();
        info.state = RunState::Running;
        info.metrics = {{"reward/kept", 1.25}, {"reward/drawn", 0.1}};
        std::vector<Event> events;
        for (int p = 0; p < 3; ++p)
            for (int k = 0; k < 2; ++k) {
                const auto seq = static_cast<uint64_t>(2 * p + k + 1);
                events.push_back({seq, 1, event::kCandidate,
                                  Json{{"prompt", "prompt " + std::to_string(p)},
                                       {"kind", "image"},
                                       {"image", pictures::store(info.dir, pictures::scene(32, 2 * p + k, true))},
                                       {"model", {{"name", "start"}}},
                                       {"params", {{"best_of", 8}, {"draw", 3}, {"reward", 1.5 - k - 0.1 * p}}}}});
            }
        card.onRun(info, events);
        QCOMPARE(card.kept().size(), size_t{3});
        QCOMPARE(card.kept()[1].drawn, int64_t{8});
        QCOMPARE(card.kept()[1].scores, (std::vector<double>{1.4, 0.4}));
        QVERIFY(shows(card, u"Kept 2 of 8 drawn for each prompt: 6 pictures so far, mean score 1.25 against 0.10 of all drawn."_s));
        auto* table = card.findChild<DetailTable*>()->model();
        QCOMPARE(table->index(1, 2).data().toString(), u"2 of 8"_s);
        QCOMPARE(table->index(1, 3).data().toString(), u"1.40, 0.40"_s);
        // Of what has scores no picture is shown, and nothing says that one will come.
        const auto pictured = [&] {
            int n = 0;
            for (const QLabel* label : card.findChildren<QLabel*>())
                n += label->isVisible() && !label->pixmap().isNull();
            return n;
        };
        QTest::qWait(300);
        QCOMPARE(pictured(), 0);
        QVERIFY(card.findChild<DetailTable*>()->width() > 3 * card.width() / 4); // and its place is the table's
        QVERIFY(shows(card, u"What was kept"_s) && !shows(card, u"First pictures"_s));
        for (const QLabel* label : card.findChildren<QLabel*>())
            QVERIFY2(!label->isVisible() || !(label->text().contains(u"prompt 0") || label->text().contains(u"first two")),
                     qPrintable(label->text()));
        // What was drawn without a choice has no such table, and its pictures.
        card.begin("0008-generate_image");
        info.name = "0008-generate_image";
        for (Event& e : events)
            e.body["params"] = {{"best_of", 1}, {"draw", 0}};
        card.onRun(info, events);
        QVERIFY(!card.findChild<DetailTable*>()->isVisible());
        QTRY_COMPARE(pictured(), 2);
    }
};

QTEST_MAIN(TestImageLoop)
#include "tst_image_loop.moc"
