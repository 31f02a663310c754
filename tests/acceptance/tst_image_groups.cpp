// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=3000
// A reward model of 1,000 labels of a visible taste, and what follows it: the group methods, the best of eight. The bounds of
// accuracy and gold are the issue's; that of the best of eight says that the effect is there. The tests after the first need its
// reward model.
#include <QTemporaryDir>
#include <QTest>

#include "core/base/events.h"
#include "core/base/image.h"
#include "core/rules/statistics.h"
#include "tests/acceptance/image_loop.h"

using namespace pl;
using namespace pl::acceptance;

namespace {

constexpr int kRewardLabels = 1000, kBestOf = 8;

} // namespace

class TestImageGroups : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    Json m_rewardModel;

    std::string rewardModel() const { return "run:" + m_rewardModel.value("run", std::string()).substr(0, 4); }
    std::string project() const { return m_dir.filePath(QStringLiteral("p")).toStdString(); }

private Q_SLOTS:
    void initTestCase() {
        qputenv("PAIRLAB_RESOURCES", QByteArray(PAIRLAB_SOURCE_DIR) + "/resources");
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
    }

    void theRewardModelRanksHeldOutPairs() {
        const std::string p = project();
        QCOMPARE(cli({"new", p, "--starter", "images"}).code, 0);
        draw(p, "train", 800, 2, 1);
        draw(p, "train", 200, 2, 2);
        draw(p, "dev", 100, 2, 1);
        draw(p, "test", 240, 4, 1);
        label(p, "train", kRewardLabels, 1);
        label(p, "dev", 100, 1);
        m_rewardModel = trainOnPictures(p, "image_reward_model", 1);
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
        const std::string p = project();
        QVERIFY(!m_rewardModel.empty());
        const Json t = trainOnPictures(p, "image_grpo", 1, {"--reward", rewardModel(), "--set", "method=" + method.toStdString()});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json r = against(p, t, 1, 150);
        qInfo("%s: gold %+.2f sd, win rate %.3f; obedience fell by %.1f (colour), %.1f (background), %.1f (count) points",
              qPrintable(method), number(r, "gold_delta_sd"), number(r, "eval_win_rate"), fall(r, "colour"), fall(r, "background"),
              fall(r, "count"));
        QVERIFY2(number(r, "gold_delta_sd") >= 0.5, dumpJson(r).c_str());
    }

    void theLessonOfTheGroupMethodsIsRewardHacking() {
        QVERIFY(!m_rewardModel.empty());
        const Json t = trainOnPictures(project(), "image_grpo", 1,
                                       {"--reward", rewardModel(), "--set", "method=flow_grpo", "--set", "preset=over_optimise"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json m = t.value("metrics", Json::object());
        const auto events = readEvents(t.value("dir", std::string()) + "/events.jsonl");
        QVERIFY(events.has_value());
        double first = NAN;
        bool warned = false;
        for (const Event& event : *events) {
            if (event.type == event::kMetrics && std::isnan(first))
                first = number(event.body.value("values", Json::object()), "eval_reward");
            warned = warned || (event.type == event::kAlert && event.body.value("name", "") == "reward_hacking");
        }
        qInfo("lesson: held-out reward %+.2f to %+.2f, obedience fell by %.1f points", first, number(m, "eval_reward"),
              100 * number(m, "eval_obedience_fall"));
        QVERIFY2(number(m, "eval_reward") > first + 0.3, dumpJson(m).c_str());
        QVERIFY2(number(m, "eval_obedience_fall") > 0.05, dumpJson(m).c_str());
        QVERIFY2(warned, "nobody was told");
    }

    void theBestOfEightIsBetterWithoutTraining() {
        const std::string p = project();
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
                                           "--n",      "1",     "--seed",  "5",        "--no-pairs", "--threads", "1", "--wait", "--json"};
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

QTEST_GUILESS_MAIN(TestImageGroups)
#include "tst_image_groups.moc"
