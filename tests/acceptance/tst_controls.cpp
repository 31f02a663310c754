// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=900
// What the methods make of labels that say nothing. A reward model and DPO are trained on a shuffle of the
// labels and on the same shuffle turned round label by label: what one gets right by luck, the other gets
// wrong, so on average held-out accuracy and win rate are one half. Anything more came from somewhere else
// than the labels, and would be in the figures of tst_loop as well.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

class TestControls : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    std::string m_project;

    /// Mean of a figure over both controls and the seeds; NaN when a run fails or is measured on too little.
    double meanOver(const std::string& plugin, const char* figure, double leastN,
                    const std::vector<int>& seeds) {
        double sum = 0;
        int count = 0;
        for (const int seed : seeds)
            for (const char* control : {"shuffle", "shuffle_inverted"}) {
                const Json t =
                    trainRun(m_project, plugin, seed, {"--set", std::string("label_control=") + control});
                const Json e = evaluateRun(m_project, t, seed);
                const double exchanged =
                    t.contains("metrics") ? number(t["metrics"], "label_control/exchanged") : NAN;
                qInfo("%s, %s, seed %d: %.3f, n %.0f; %.0f %% of the labels exchanged", plugin.c_str(),
                      control, seed, number(e, figure), number(e, "n"), 100 * exchanged);
                // About half: the labels say nothing, neither forwards nor backwards.
                if (t.value("status", "") != "finished" || !(number(e, "n") >= leastN) ||
                    !(std::abs(exchanged - 0.5) < 0.12))
                    return NAN;
                sum += number(e, figure);
                ++count;
            }
        return sum / count;
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        m_project = m_dir.path().toStdString() + "/p";
        prepareProject(m_project, 1);
    }

    void aRewardModelLearnsNothingFromShuffledLabels() {
        const double mean = meanOver("reward_model", "accuracy", 300, {1});
        qInfo("mean accuracy %.3f", mean);
        QVERIFY2(std::abs(mean - 0.5) <= 0.07, qPrintable(QString::number(mean)));
    }

    void dpoLearnsNothingFromShuffledLabels() {
        const double mean = meanOver("dpo", "win_rate", 200, {1});
        qInfo("mean win rate %.3f", mean);
        QVERIFY2(std::abs(mean - 0.5) <= 0.1, qPrintable(QString::number(mean)));
    }

    void theirModelsAndFiguresAreMarked() {
        const auto parsed = parseJson(cli({"models", "list", m_project, "--json"}).out, "models");
        QVERIFY(parsed);
        std::string judge, policy;
        for (const Json& model : *parsed) {
            const bool start = model["name"] == "start";
            QCOMPARE(model["control"].get<std::string>().empty(), start);
            (model["reward_model"].get<bool>() ? judge : policy) = model["name"].get<std::string>();
        }
        const Json e = cliJson({"evaluate", m_project, "--model", policy, "--judge", judge, "--limit", "4", "--set",
                                "max_new_tokens=8", "--wait", "--json"});
        QVERIFY2(e.contains("controls") && e["controls"].contains("judge") && e["judge"].value("name", "").find("control: ") !=
                     std::string::npos, dumpJson(e).c_str());
        QCOMPARE(e["controls"].contains("model"), policy != "start");
    }
};

QTEST_GUILESS_MAIN(TestControls)
#include "tst_controls.moc"
