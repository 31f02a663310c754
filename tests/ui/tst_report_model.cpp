// SPDX-License-Identifier: GPL-3.0-or-later
// The pure parts: events as curves, verdicts, the data doctor, model facts, the sample table, a report's files.
#include <cmath>

#include <QTemporaryDir>
#include <QtTest>
#include <QtWidgets>

#include "core/base/amounts.h"
#include "core/base/bundle.h"
#include "core/base/os/files.h"
#include "tests/ui/bundles.h"
#include "ui/evaluate/evaluate_page.h"
#include "ui/models/model_facts.h"
#include "ui/runs/report.h"
#include "ui/runs/run_series.h"
#include "ui/runs/verdict.h"
#include "ui/samples/sample_grid.h"
#include "ui/theme/theme.h"
#include "ui/train/doctor.h"

using namespace pl;
using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {
Event made(uint64_t seq, const char* type, Json body, int64_t t = 0) {
    body["seq"] = seq;
    body["type"] = type;
    return {seq, 1000000 + (t ? t : static_cast<int64_t>(seq) * 1000), type, body};
}
Event metrics(uint64_t seq, int64_t step, Json values) {
    return made(seq, event::kMetrics, {{"step", step}, {"tokens", step * 100}, {"values", std::move(values)}});
}
bool says(const DoctorReport& report, Level level, const char* part) {
    for (const Finding& f : report.findings)
        if (f.level == level && f.title.find(part) != std::string::npos)
            return true;
    return false;
}
} // namespace

class TestReportModel : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void bandsBelongToTheirCurve() {
        RunSeries s;
        s.apply(metrics(1, 10, {{"eval_accuracy", 0.7}, {"eval_accuracy_low", 0.6}, {"eval_accuracy_high", 0.8},
                                {"eval_accuracy_n", 120}, {"train_low", 3}}));
        QVERIFY(s.curve("eval_accuracy"));
        QVERIFY(!s.curve("eval_accuracy_low"));
        QVERIFY(!s.curve("eval_accuracy_n"));
        QVERIFY(s.curve("train_low")); // no "train": a metric of its own
        QCOMPARE(s.curve("eval_accuracy")->last().low, 0.6);
        QCOMPARE(s.curve("eval_accuracy")->n.back(), 120.0);
        QCOMPARE(s.curve("eval_accuracy")->last().tokens, 1000.0);
    }

    void nonFiniteValuesStay() {
        RunSeries s;
        s.apply(metrics(1, 1, {{"loss", "NaN"}, {"grad_norm", "Infinity"}, {"bad", nullptr}}));
        QVERIFY(std::isnan(s.curve("loss")->last().y));
        QVERIFY(std::isinf(s.curve("grad_norm")->last().y));
        QVERIFY(!s.curve("bad"));
        QCOMPARE(s.nonFinite(), int64_t{2});
    }

    void overlapOfHistoryAndLiveCountsOnce() {
        RunSeries s;
        const std::vector<Event> all = {metrics(1, 1, {{"loss", 3}}), metrics(2, 2, {{"loss", 2}}), metrics(3, 3, {{"loss", 1}})};
        QCOMPARE(s.apply({all[0], all[1]}), size_t{2});
        QCOMPARE(s.apply(all), size_t{1});
        QCOMPARE(s.curve("loss")->points.size(), size_t{3});
    }

    void rewindCutsTheCurveBack() {
        RunSeries s;
        for (int i = 1; i <= 10; ++i)
            s.apply(metrics(static_cast<uint64_t>(i), i, {{"loss", i}}));
        s.apply(made(11, event::kAlert, {{"step", 9}, {"level", "warn"}, {"name", "x"}, {"text", "late"}}));
        s.apply(made(12, event::kSample, {{"step", 8}, {"prompt_id", "p"}, {"response", "r"}, {"tokens", 4}}));
        const uint64_t cuts = s.curve("loss")->cuts;
        s.apply(made(13, event::kRewind, {{"to_step", 6}}));
        QCOMPARE(s.curve("loss")->points.size(), size_t{6});
        QCOMPARE(s.curve("loss")->n.size(), size_t{6});
        QVERIFY(s.curve("loss")->cuts > cuts);
        QVERIFY(s.alerts().empty());
        QVERIFY(s.samples().empty());
        s.apply(metrics(14, 7, {{"loss", 70}}));
        QCOMPARE(s.curve("loss")->last().y, 70.0);
    }

    void samplesGiveLengthsWhenNoMetricDoes() {
        RunSeries s;
        for (int i = 0; i < 4; ++i)
            s.apply(made(static_cast<uint64_t>(i + 1), event::kSample,
                          {{"step", 5}, {"prompt_id", "p" + std::to_string(i)}, {"response", "r"}, {"tokens", 10 + i},
                           {"finished", i > 0}}));
        QVERIFY(!s.curve("samples/mean_length")); // the step is not complete yet
        s.apply(made(9, event::kProgress, {{"step", 6}, {"of", 10}}));
        QCOMPARE(s.lastValue("samples/mean_length"), 11.5);
        QCOMPARE(s.lastValue("samples/clipped_ratio"), 0.25);
        QCOMPARE(s.of(), int64_t{10});
    }

    void verdictIsMadeOfRealFigures() {
        desk::RunInfo info;
        info.name = "0002-dpo";
        info.plugin = "dpo";
        info.state = RunState::Finished;
        RunSeries s;
        QVERIFY(verdict(info, s, {}).contains(u"Nothing was measured"));
        WinRate w;
        w.value = 0.64, w.low = 0.54, w.high = 0.73, w.n = 100, w.against = u"start"_s, w.judge = u"gold rule concise"_s;
        QCOMPARE(verdict(info, s, {w}), u"Better than start by gold rule concise: 64 % [54, 73] of 100."_s);
        w.n = 12;
        QVERIFY(verdict(info, s, {w}).contains(u"too few (12)"));
        w.n = 100, w.low = 0.45;
        QVERIFY(verdict(info, s, {w}).startsWith(u"Not told apart"));
        w.high = 0.49, w.low = 0.4, w.value = 0.45;
        QVERIFY(verdict(info, s, {w}).startsWith(u"Worse than start"));
    }

    void verdictSaysWhatLengthDid() {
        desk::RunInfo info;
        info.plugin = "grpo";
        RunSeries s;
        for (int i = 0; i < 6; ++i)
            s.apply(metrics(static_cast<uint64_t>(i + 1), i, {{"eval_reward", i}, {"eval_completions/mean_length", 20 + 2 * i}}));
        const QString text = verdict(info, s, {});
        QVERIFY2(text.contains(u"held-out reward still rising"), qPrintable(text));
        QVERIFY2(text.contains(u"answers 50 % longer: look at samples"), qPrintable(text));
    }

    void aJudgeThatIsAModelIsNamedWithItsAgreement() {
        QCOMPARE(judgeText({{"name", "0012-reward_model"}, {"kind", "reward_model"}, {"agreement", 0.71}, {"agreement_n", 140.0},
                            {"saw_same_labels", "yes"}}),
                 u"0012-reward_model (agrees on 71 % of 140; trained on the same labels)"_s);
        QVERIFY(judgeText({{"name", "x"}, {"kind", "reward_model"}, {"agreement", 0.9}, {"agreement_n", 9.0}}).contains(u"too few (9)"));
        QCOMPARE(judgeText({{"name", "concise"}, {"kind", "rule"}}), u"gold rule concise"_s);
    }

    void doctorBlocksAndWarns() {
        DoctorInput in;
        in.method = "DPO";
        QVERIFY(diagnose(in).blocked); // no pairs
        in.counts.train = 12;
        const DoctorReport few = diagnose(in);
        QVERIFY(!few.blocked);
        QVERIFY(says(few, Level::Warn, "you have 12, useful from about 200"));
        in.counts.train = 300;
        in.counts.dev = 40;
        QVERIFY(says(diagnose(in), Level::Good, "Nothing stands"));
        in.pairs = {{"p", "a", "b", desk::Winner::A, desk::Split::Train, true, true},
                    {"p", " b ", "a", desk::Winner::A, desk::Split::Train, true, false},
                    {"q", "same", "same ", desk::Winner::Tie, desk::Split::Train, {}, {}},
                    {"r", "", "x", desk::Winner::B, desk::Split::Train, {}, {}}};
        const DoctorReport sick = diagnose(in);
        QVERIFY(says(sick, Level::Warn, "1 pair is there more than once"));
        QVERIFY(says(sick, Level::Warn, "1 pair has the same text"));
        QVERIFY(says(sick, Level::Warn, "1 pair has an empty side"));
        QVERIFY(says(sick, Level::Warn, "1 answer was cut off"));
        QVERIFY(sick.findings.front().level == Level::Warn);
        // A reward that is lacking, or names no model, stands in the way; the field is named.
        in.pairs.clear();
        in.needsReward = true;
        QVERIFY(diagnose(in).blocked && says(diagnose(in), Level::Block, "No reward"));
        QVERIFY(diagnose(in).findings.front().detail.find("under Rewards") != std::string::npos);
        in.rewardTerms = 1;
        QVERIFY(!diagnose(in).blocked);
        in.modelMissing = true;
        QVERIFY(diagnose(in).blocked && says(diagnose(in), Level::Block, "No model for the reward"));
    }

    void doctorCountsLongerWins() {
        DoctorInput in;
        in.counts.train = 300, in.counts.dev = 40;
        for (int i = 0; i < 100; ++i) {
            const std::string longer(static_cast<size_t>(20 + i), 'x'), shorter(static_cast<size_t>(5 + i % 7), 'y');
            const bool longWins = i < 80;
            in.pairs.push_back({"p" + std::to_string(i), longer, shorter, longWins ? desk::Winner::A : desk::Winner::B});
        }
        const DoctorReport report = diagnose(in);
        QCOMPARE(report.longerWins, int64_t{80});
        QCOMPARE(report.longerOf, int64_t{100});
        QVERIFY(says(report, Level::Warn, "80.0 %") || says(report, Level::Warn, "80 %"));
        in.pairs.resize(20);
        QVERIFY(says(diagnose(in), Level::Note, "too few (20)"));
    }

    void voteKindsNameOnlyWhatIsThere() {
        desk::DatasetCounts c;
        c.train = 300, c.dev = 40, c.ties = 1, c.bothBad = 2;
        const auto lines = voteKinds(c);
        QCOMPARE(lines.size(), size_t{3});
        QCOMPARE(lines[0], std::string("300 pairs to train on, 40 held out"));
        QCOMPARE(lines[1], std::string("1 tie: soft labels of one half"));
    }

    void factsOfAnImageRewardModelSayWhatItSeesWith() {
        QTemporaryDir folder;
        const std::string dir = folder.path().toStdString();
        bundles::writeImageModel(dir, true);
        const auto row = [&] {
            const auto facts = readModelFacts(dir);
            if (!facts)
                return facts.error().toString();
            for (const auto& [name, value] : factRows(*facts))
                if (name == "Parameters")
                    return value;
            return std::string();
        };
        QVERIFY2(row().ends_with("(convolutions, width 32, 64, 96)"), row().c_str());
        Json config = bundles::check(readJsonFile(dir + "/config.json"));
        config.erase("channels");
        config["features"] = "generator";
        config["generator"] = {{"denoiser", {{"width", 64}, {"deep_width", 128}}}};
        bundles::check(os::writeFileAtomic(dir + "/config.json", dumpJson(config)));
        QVERIFY2(row().ends_with("(on a frozen U-Net, width 64, 128)"), row().c_str());
    }

    void factsComeFromHeadersAlone() {
        QTemporaryDir temp;
        const std::string dir = temp.path().toStdString();
        const std::string header = R"({"w":{"dtype":"F32","shape":[4,8],"data_offsets":[0,128]},"b":{"dtype":"BF16","shape":[8],"data_offsets":[128,144]}})";
        std::string file(8, '\0');
        file[0] = static_cast<char>(header.size());
        file += header + std::string(144, '\0');
        QVERIFY(os::writeFileAtomic(dir + "/model.safetensors", file).has_value());
        QVERIFY(os::writeFileAtomic(dir + "/config.json", R"({"model_type":"llama","num_hidden_layers":2,"hidden_size":8,"vocab_size":16,"max_position_embeddings":64})").has_value());
        QVERIFY(os::writeFileAtomic(dir + "/README.md", "---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\n\nMade by a test.\n").has_value());
        const auto facts = readModelFacts(dir);
        QVERIFY2(facts.has_value(), facts ? "" : facts.error().toString().c_str());
        QCOMPARE(facts->parameters, int64_t{40});
        QCOMPARE(facts->dtype, std::string("F32"));
        QCOMPARE(facts->licence, std::string("apache-2.0"));
        QCOMPARE(facts->made, std::string("Made by a test."));
        QCOMPARE(facts->context, int64_t{64});
        file[7] = '\x7f'; // a header of exabytes
        QVERIFY(os::writeFileAtomic(dir + "/model.safetensors", file).has_value());
        QVERIFY(!readModelFacts(dir).has_value());
        QVERIFY(os::writeFileAtomic(dir + "/model.safetensors", "abc").has_value());
        QVERIFY(!readModelFacts(dir).has_value());
    }

    void costGrowsWithTheWork() {
        TrainCostInput in;
        in.parameters = 1000000, in.steps = 100, in.tokensPerStep = 1000;
        const TrainCost cost = trainCost(in);
        QCOMPARE(cost.flop, 6e11);
        in.forwardOnly = 1;
        QCOMPARE(trainCost(in).flop, 8e11);
        QCOMPARE(shortCount(1250000), std::string("1.25 M"));
    }

    void sampleTableChoosesItsColumns() {
        std::vector<RunSample> all;
        for (const int64_t step : {0, 100, 200, 300})
            for (const char* prompt : {"a", "b"}) {
                RunSample s;
                s.step = step;
                s.promptId = prompt;
                s.prompt = prompt;
                s.response = prompt[0] == 'a' ? "never changes" : "words at step " + std::to_string(step);
                all.push_back(s);
            }
        const SampleTable t = sampleTable(all, -1, true, {});
        QCOMPARE(t.steps[0], int64_t{0});
        QCOMPARE(t.steps[1], int64_t{200});
        QCOMPARE(t.steps[2], int64_t{300});
        QCOMPARE(t.rows.front().promptId, std::string("b")); // changed most first
        QCOMPARE(t.rows.back().change, 0.0);
        QCOMPARE(sampleTable(all, 150, true, {}).steps[2], int64_t{100});
        QCOMPARE(sampleTable(all, -1, true, {"a"}).rows.front().promptId, std::string("a")); // pinned above all
        QCOMPARE(sampleTable({}, -1, true, {}).rows.size(), size_t{0});
    }

    void imageTableHasAColumnAStepAndARun() {
        const auto drawn = [](const char* prompt, int64_t step, const char* file) {
            RunSample s;
            s.prompt = prompt;
            s.step = step;
            s.image = file;
            return s;
        };
        std::vector<RunSample> first, second, once;
        for (const int64_t step : {0, 10, 20}) {
            first.push_back(drawn("a", step, "f"));
            first.push_back(drawn("a", step, "again")); // of several at a step the first
            if (step != 10)
                first.push_back(drawn("b", step, "f"));
        }
        for (const int64_t step : {0, 15})
            second.push_back(drawn("a", step, "s"));
        QVERIFY(hasImages(first));
        const ImageSampleTable t = imageSampleTable({&first, &second}, -1);
        QCOMPARE(t.columns.size(), size_t{5});
        QCOMPARE(t.rows.size(), size_t{2});
        QCOMPARE(t.allSteps, (std::vector<int64_t>{0, 10, 20}));
        QCOMPARE(t.rows[0].cells[1]->image, std::string("f"));
        QVERIFY(!t.rows[1].cells[1] && !t.rows[1].cells[3]);
        using Two = std::pair<size_t, size_t>;
        QCOMPARE(imagePair(t, 0, 2, Against::Start), std::optional(Two(0, 2)));
        QCOMPARE(imagePair(t, 0, 0, Against::Start), std::optional(Two(0, 2))); // the first beside the newest
        QCOMPARE(imagePair(t, 0, 2, Against::Previous), std::optional(Two(1, 2)));
        QCOMPARE(imagePair(t, 1, 2, Against::Previous), std::optional(Two(0, 2))); // the one before that is there
        QCOMPARE(imagePair(t, 0, 2, Against::OtherRun), std::optional(Two(2, 4))); // nearest step before
        QCOMPARE(imagePair(t, 0, 1, Against::OtherRun), std::optional(Two(1, 3)));
        QCOMPARE(imagePair(t, 0, 4, Against::OtherRun), std::optional(Two(1, 4))); // the first run is A
        QVERIFY(!imagePair(t, 1, 2, Against::OtherRun));
        QVERIFY(!imagePair(t, 1, 1, Against::Start)); // nothing is there
        QCOMPARE(imageSampleTable({&first}, 10).columns.size(), size_t{2});
        for (int i = 0; i < 3; ++i)
            once.push_back(drawn("a", 0, "o"));
        QCOMPARE(imageSampleTable({&once}, -1).columns.size(), size_t{3}); // drawn at one step: all of them
    }

    void onlyFilesOfTheBundleAreShown() {
        RunSeries s;
        s.apply(made(1, event::kSample, {{"step", 0}, {"prompt", "p"}, {"image", "../../secret/key.png"}}), "/runs/1");
        s.apply(made(2, event::kSample, {{"step", 0}, {"prompt", "p"}, {"image", 3}}), "/runs/1");
        s.apply(made(3, event::kOutcome, {{"kind", "image"}, {"prompt", "p"}, {"a", {{"image", "samples/x.png"}}},
                                          {"b", "no object"}, {"winner", "a"}, {"score_a", 1.5}}), "/runs/1");
        QCOMPARE(s.samples()[0].image, std::string("/runs/1/samples/key.png"));
        QVERIFY(s.samples()[1].image.empty());
        QCOMPARE(s.imageOutcomes().size(), size_t{1});
        QCOMPARE(s.imageOutcomes()[0].imageA, std::string("/runs/1/samples/x.png"));
        QVERIFY(s.imageOutcomes()[0].imageB.empty() && std::isnan(s.imageOutcomes()[0].scoreB));
    }

    void tellingRatesAreThoseOfWilson() {
        QVERIFY(std::abs(smallestTellingRate(100) - 0.60) < 1e-9);
        QVERIFY(std::isnan(smallestTellingRate(3)));
        QVERIFY(smallestTellingRate(1000) < 0.54);
    }

    void reportDrawsEveryTrainingRun() {
        QTemporaryDir temp;
        const std::string project = temp.path().toStdString() + "/p", out = temp.path().toStdString() + "/out";
        for (const char* name : {"0001-reward_model", "0002-dpo"}) {
            RunSpec spec;
            spec.plugin = std::string(name).substr(5);
            spec.name = name;
            QVERIFY(os::makeDirs(project + "/runs").has_value());
            QVERIFY(Bundle::create(project + "/runs/" + name, spec).has_value());
            auto writer = EventWriter::open(project + "/runs/" + name);
            QVERIFY(writer.has_value());
            for (int step = 1; step <= 50; ++step)
                QVERIFY((*writer)->metrics(step, 0, step * 100, {{"loss", step == 30 ? NAN : 1.0 / step}, {"\"odd,name\"", 1}}).has_value());
        }
        QVERIFY(os::makeDirs(project + "/runs/not-a-run").has_value());
        const Status done = writeReport(project, out);
        QVERIFY2(done.has_value(), done ? "" : done.error().toString().c_str());
        for (const char* file : {"/overview.png", "/0001-reward_model.png", "/0002-dpo.png", "/curves/0002-dpo.csv"})
            QVERIFY2(os::exists(out + file), file);
        QImage picture(QString::fromStdString(out + "/0002-dpo.png"));
        QVERIFY(picture.width() > 2000 && picture.height() > 1000);
        const auto csv = os::readFile(out + "/curves/0002-dpo.csv");
        QVERIFY(csv && csv->find("NaN") != std::string::npos);
        QVERIFY(csv->find("\"\"\"odd,name\"\"\"") != std::string::npos);
        // An unwritable place is an error that names it.
        QVERIFY(os::writeFileAtomic(temp.path().toStdString() + "/file", "x").has_value());
        QVERIFY(!writeReport(project, temp.path().toStdString() + "/file/out").has_value());
    }
};

QTEST_MAIN(TestReportModel)
#include "tst_report_model.moc"
