// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=1500
// The loop on the starter project: generate, label, train, measure. Three seeds; every bound is the issue's.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestLoop : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    static constexpr const char* kTaste = "concise";

    std::string project(int seed) const { return m_dir.path().toStdString() + "/p" + std::to_string(seed); }
    static double number(const Json& json, const char* key) {
        return json.contains(key) ? numberOf(json[key], key).value_or(NAN) : NAN;
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        for (int seed : {1, 2, 3}) {
            const std::string p = project(seed), s = std::to_string(seed);
            QCOMPARE(cli({"new", p, "--starter"}).code, 0);
            // 200 test prompts x 6 answers: pairs for the reward model's held-out accuracy.
            Json g = cliJson({"generate", p, "--split", "test", "--n", "6", "--seed", s, "--wait", "--json"});
            QCOMPARE(number(g, "candidates"), 1200.0);
            Json l = cliJson({"label", p, "--simulate", kTaste, "--count", "300", "--flip", "0.05", "--seed", s, "--split",
                              "train", "--json"});
            QCOMPARE(number(l, "labelled"), 300.0);
            cliJson({"label", p, "--simulate", kTaste, "--count", "80", "--flip", "0.05", "--seed", s, "--split", "dev",
                     "--json"});
        }
    }

    void theRewardModelRanksHeldOutPairs_data() { seeds(); }
    void theRewardModelRanksHeldOutPairs() {
        QFETCH(int, seed);
        const std::string p = project(seed), s = std::to_string(seed);
        Json t = cliJson({"train", p, "--plugin", "reward_model", "--seed", s, "--wait", "--json"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        Json e = cliJson({"evaluate", p, "--model", "run:" + t["run"].get<std::string>(), "--judge", kTaste, "--split",
                          "test", "--wait", "--json"});
        qInfo("seed %d: accuracy %.3f, n %.0f", seed, number(e, "accuracy"), number(e, "n"));
        QVERIFY2(number(e, "n") >= 300, dumpJson(e).c_str());
        QVERIFY2(number(e, "accuracy") >= 0.85, dumpJson(e).c_str());
    }

    void dpoWinsAgainstTheStart_data() { seeds(); }
    void dpoWinsAgainstTheStart() {
        QFETCH(int, seed);
        const std::string p = project(seed), s = std::to_string(seed);
        Json t = cliJson({"train", p, "--plugin", "dpo", "--seed", s, "--wait", "--json"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        Json e = cliJson({"evaluate", p, "--model", "run:" + t["run"].get<std::string>(), "--judge", kTaste, "--split",
                          "test", "--seed", s, "--wait", "--json"});
        qInfo("seed %d: win rate %.3f [%.3f, %.3f], n %.0f", seed, number(e, "win_rate"), number(e, "low"),
              number(e, "high"), number(e, "n"));
        QCOMPARE(number(e, "n"), 200.0);
        QVERIFY2(number(e, "low") >= 0.60, dumpJson(e).c_str());
    }

    void grpoRaisesTheGoldTaste() {
        const std::string p = project(1);
        Json runs;
        auto parsed = parseJson(cli({"runs", p, "--json"}).out, "runs");
        QVERIFY(parsed);
        std::string rm;
        for (const Json& run : *parsed)
            if (run["plugin"] == "reward_model" && run["status"] == "finished")
                rm = "run:" + run["run"].get<std::string>().substr(0, 4);
        QVERIFY(!rm.empty());
        Json t = cliJson({"train", p, "--plugin", "grpo", "--reward", rm, "--seed", "1", "--wait", "--json"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        Json e = cliJson({"evaluate", p, "--model", "run:" + t["run"].get<std::string>(), "--judge", kTaste, "--split",
                          "test", "--seed", "1", "--wait", "--json"});
        const double delta = e.contains("result") ? number(e["result"], "gold_delta_sd") : NAN;
        qInfo("gold rose by %.2f standard deviations of the start's samples", delta);
        QVERIFY2(delta >= 0.5, dumpJson(e).c_str());
    }

private:
    static void seeds() {
        QTest::addColumn<int>("seed");
        for (int seed : {1, 2, 3})
            QTest::newRow(qPrintable(QString::number(seed))) << seed;
    }
};

QTEST_GUILESS_MAIN(TestLoop)
#include "tst_loop.moc"
