// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=1500
// The loop on the starter project: generate, label, train, measure. Three seeds; every bound is the issue's.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

class TestLoop : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;

    std::string project(int seed) const { return m_dir.path().toStdString() + "/p" + std::to_string(seed); }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        for (int seed : {1, 2, 3})
            prepareProject(project(seed), seed);
    }

    void theRewardModelRanksHeldOutPairs_data() { seeds(); }
    void theRewardModelRanksHeldOutPairs() {
        QFETCH(int, seed);
        const Json t = trainRun(project(seed), "reward_model", seed);
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json e = evaluateRun(project(seed), t, seed);
        qInfo("seed %d: accuracy %.3f, n %.0f", seed, number(e, "accuracy"), number(e, "n"));
        QVERIFY2(number(e, "n") >= 300, dumpJson(e).c_str());
        QVERIFY2(number(e, "accuracy") >= 0.85, dumpJson(e).c_str());
    }

    void dpoWinsAgainstTheStart_data() { seeds(); }
    void dpoWinsAgainstTheStart() {
        QFETCH(int, seed);
        const Json t = trainRun(project(seed), "dpo", seed);
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json e = evaluateRun(project(seed), t, seed);
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
        const Json t = trainRun(p, "grpo", 1, {"--reward", rm});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json e = evaluateRun(p, t, 1);
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
