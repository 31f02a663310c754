// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=3000
// The loop on pictures: draw, label by a visible taste with 5 % of the votes flipped, train, measure on held-out prompts under
// the noiseless rule. The bounds of accuracy, win rate, obedience and gold are the issue's; those of best of eight, of labels turned
// round and of the lesson say that the effect is there. Group methods and best of eight need the reward model of the test above them.
#include <QTemporaryDir>
#include <QTest>

#include "core/base/events.h"
#include "core/base/image.h"
#include "core/rules/image_taste.h"
#include "core/rules/statistics.h"
#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

namespace {

constexpr const char* kVisibleTaste = "larger";
constexpr int kLabels = 200, kDevLabels = 60, kRewardLabels = 1000, kBestOf = 8;

/// n pictures each of so many prompts of a split, drawn by the start.
void draw(const std::string& project, const char* split, int prompts, int n, int seed) {
    const Json g = cliJson({"generate", project, "--split", split, "--limit", std::to_string(prompts), "--n", std::to_string(n),
                            "--seed", std::to_string(seed), "--wait", "--json"});
    QCOMPARE(number(g, "candidates"), static_cast<double>(prompts * n));
}

void label(const std::string& project, const char* split, int count, int seed, const std::string& taste = kVisibleTaste) {
    const Json l = cliJson({"label", project, "--simulate", taste, "--count", std::to_string(count), "--flip", "0.05",
                            "--seed", std::to_string(seed), "--split", split, "--json"});
    QCOMPARE(number(l, "labelled"), static_cast<double>(count));
}

/// The 200 labels, and a few more to choose the checkpoint by.
void prepare(const std::string& project, int seed, const std::string& taste = kVisibleTaste) {
    QCOMPARE(cli({"new", project, "--starter", "images"}).code, 0);
    draw(project, "train", kLabels, 2, seed);
    draw(project, "dev", kDevLabels, 2, seed);
    label(project, "train", kLabels, seed, taste);
    label(project, "dev", kDevLabels, seed, taste);
}

/// Against the start on the first `prompts` test prompts, both from the same noise, judged by the noiseless rule.
Json against(const std::string& project, const Json& trained, int seed, int prompts) {
    const Json e = cliJson({"evaluate", project, "--model", "run:" + trained.value("run", std::string()), "--against", "start",
                            "--judge", kVisibleTaste, "--split", "test", "--limit", std::to_string(prompts), "--seed",
                            std::to_string(seed), "--wait", "--json"});
    return e.value("result", Json::object());
}

/// Points that the share of prompts obeyed fell by.
double fall(const Json& result, const std::string& slot) {
    return 100 * (number(result, ("obedience_against/" + slot).c_str()) - number(result, ("obedience/" + slot).c_str()));
}

} // namespace

class TestImageLoop : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    Json m_rewardModel;

    std::string project(const std::string& name) const { return m_dir.path().toStdString() + "/" + name; }
    std::string project(int seed) const { return project("p" + std::to_string(seed)); }
    std::string rewardModel() const { return "run:" + m_rewardModel.value("run", std::string()).substr(0, 4); }

    static void seeds() {
        QTest::addColumn<int>("seed");
        for (int seed : {1, 2, 3})
            QTest::newRow(qPrintable(QString::number(seed))) << seed;
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("PAIRLAB_RESOURCES", QByteArray(PAIRLAB_SOURCE_DIR) + "/resources");
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        for (int seed : {1, 2, 3})
            prepare(project(seed), seed);
    }

    void dpoWinsAgainstTheStartAndStillObeys_data() { seeds(); }
    void dpoWinsAgainstTheStartAndStillObeys() {
        QFETCH(int, seed);
        const Json t = trainRun(project(seed), "image_dpo", seed);
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json r = against(project(seed), t, seed, 400);
        qInfo("seed %d, %s: win rate %.3f [%.3f, %.3f], n %.0f; gold %+.2f sd; obedience fell by %.1f (colour), %.1f (background) points",
              seed, t.value("checkpoint", "").c_str(), number(r, "eval_win_rate"), number(r, "eval_win_rate_low"),
              number(r, "eval_win_rate_high"), number(r, "eval_win_rate_n"), number(r, "gold_delta_sd"), fall(r, "colour"),
              fall(r, "background"));
        QVERIFY2(number(r, "eval_win_rate_low") >= 0.60, dumpJson(r).c_str());
        QVERIFY2(fall(r, "colour") < 5 && fall(r, "background") < 5, dumpJson(r).c_str());
    }

    void labelsTurnedRoundMoveItTheOtherWay() {
        const std::string p = project("inverse");
        prepare(p, 1, std::string("inverse:") + kVisibleTaste);
        const Json t = trainRun(p, "image_dpo", 1, {"--set", "steps=60"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json r = against(p, t, 1, 150);
        qInfo("turned round: win rate %.3f [%.3f, %.3f]", number(r, "eval_win_rate"), number(r, "eval_win_rate_low"),
              number(r, "eval_win_rate_high"));
        QVERIFY2(number(r, "eval_win_rate_high") < 0.5, dumpJson(r).c_str());
    }

    void theLessonShowsWhatOverOptimisingIs() {
        const Json t = trainRun(project(1), "image_dpo", 1, {"--set", "preset=over_optimise", "--set", "steps=80"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json m = t.value("metrics", Json::object());
        const Json r = against(project(1), t, 1, 150);
        qInfo("lesson: held-out accuracy %.2f, w_diff %+.3f, l_diff %+.3f; gold %+.2f sd; obedience fell by %.1f points (background)",
              number(m, "eval_rewards/accuracies"), number(m, "eval_w_diff"), number(m, "eval_l_diff"), number(r, "gold_delta_sd"),
              fall(r, "background"));
        // What the proxy says is good, what was asked for is lost, and the plots that show it have the figures.
        QVERIFY2(number(m, "eval_rewards/accuracies") > 0.55, dumpJson(m).c_str());
        QVERIFY2(number(m, "eval_w_diff") > 0.02 && number(m, "eval_l_diff") > number(m, "eval_w_diff"), dumpJson(m).c_str());
        QVERIFY2(std::max(fall(r, "background"), fall(r, "colour")) > 5, dumpJson(r).c_str());
        QVERIFY2(number(m, "eval_obedience_fall") > 0.05, dumpJson(m).c_str());
    }

    void theRewardModelRanksHeldOutPairs() {
        const std::string p = project("rm");
        QCOMPARE(cli({"new", p, "--starter", "images"}).code, 0);
        draw(p, "train", 800, 2, 1);
        draw(p, "train", 200, 2, 2);
        draw(p, "dev", 100, 2, 1);
        draw(p, "test", 240, 4, 1);
        label(p, "train", kRewardLabels, 1);
        label(p, "dev", 100, 1);
        m_rewardModel = trainRun(p, "image_reward_model", 1);
        QCOMPARE(m_rewardModel.value("status", ""), std::string("finished"));
        const Json e = evaluateRun(p, m_rewardModel, 1, kVisibleTaste);
        qInfo("accuracy %.3f, n %.0f", number(e, "accuracy"), number(e, "n"));
        QVERIFY2(number(e, "n") >= 300, dumpJson(e).c_str());
        QVERIFY2(number(e, "accuracy") >= 0.85, dumpJson(e).c_str());
    }

    void groupMethodsRaiseTheGoldTaste_data() {
        QTest::addColumn<QString>("method");
        QTest::newRow("flow_grpo") << "flow_grpo";
        QTest::newRow("nft") << "nft";
    }
    void groupMethodsRaiseTheGoldTaste() {
        QFETCH(QString, method);
        const std::string p = project("rm");
        QVERIFY(!m_rewardModel.empty());
        const Json t = trainRun(p, "image_grpo", 1, {"--reward", rewardModel(), "--set", "method=" + method.toStdString()});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json r = against(p, t, 1, 150);
        qInfo("%s: gold %+.2f sd, win rate %.3f; obedience fell by %.1f (colour), %.1f (background), %.1f (count) points",
              qPrintable(method), number(r, "gold_delta_sd"), number(r, "eval_win_rate"), fall(r, "colour"), fall(r, "background"),
              fall(r, "count"));
        QVERIFY2(number(r, "gold_delta_sd") >= 0.5, dumpJson(r).c_str());
    }

    void theBestOfEightIsBetterWithoutTraining() {
        const std::string p = project("rm");
        QVERIFY(!m_rewardModel.empty());
        const auto once = golds(p, {});
        const auto chosen = golds(p, {"--best-of", std::to_string(kBestOf), "--judge", rewardModel()});
        QCOMPARE(once.size(), size_t{100});
        QCOMPARE(chosen.size(), size_t{100});
        const double delta = (rules::mean(chosen) - rules::mean(once)) / rules::standardDeviation(once);
        qInfo("best of %d: gold %+.2f sd", kBestOf, delta);
        QVERIFY2(delta >= 0.25, std::to_string(delta).c_str());
    }

private:
    /// The rule's score of every picture kept of 100 dev prompts.
    static std::vector<double> golds(const std::string& project, const std::vector<std::string>& more) {
        std::vector<std::string> arguments{"generate", project, "--split", "dev",      "--limit", "100",
                                           "--n",      "1",     "--seed",  "5",        "--no-pairs", "--wait", "--json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const std::string dir = cliJson(arguments).value("dir", std::string());
        std::vector<double> out;
        const auto taste = rules::imageTasteByName(kVisibleTaste);
        const auto events = readEvents(dir + "/events.jsonl");
        if (!taste || !events)
            return out;
        for (const Event& event : *events) {
            if (event.type != event::kCandidate)
                continue;
            const auto image = readPng(dir + "/" + event.body.value("image", std::string()));
            if (image)
                out.push_back(rules::score(*taste, event.body.value("prompt", std::string()), *image));
        }
        return out;
    }
};

QTEST_GUILESS_MAIN(TestImageLoop)
#include "tst_image_loop.moc"
