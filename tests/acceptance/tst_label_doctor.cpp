// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=1500
// Reward models that say what is uncertain, and which labels are probably wrong.
#include <QTemporaryDir>
#include <QTest>

#include "core/rules/taste.h"
#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

class TestLabelDoctor : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;

private Q_SLOTS:
    void initTestCase() { qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit()); }

    /// A tenth of the labels is exchanged. Of the tenth that the doctor doubts most, chance would find a tenth; over three seeds it
    /// finds more than half.
    void exchangedLabelsAreDoubtedFirst() {
        const auto taste = rules::tasteByName(kTaste);
        QVERIFY(taste.has_value());
        double flips = 0, looked = 0;
        for (int seed = 1; seed <= 3; ++seed) {
            const std::string p = m_dir.path().toStdString() + "/p" + std::to_string(seed), s = std::to_string(seed);
            QCOMPARE(cli({"new", p, "--starter"}).code, 0);
            const Json said = cliJson({"label", p, "--simulate", kTaste, "--count", "300", "--flip", "0.1", "--seed", s, "--json"});
            QCOMPARE(number(said, "labelled"), 300.0);
            const Json report = cliJson({"label-doctor", p, "--seed", s, "--limit", "1000", "--set", "epochs=4", "--json"});
            const Json votes = report.value("votes", Json::array());
            QVERIFY2(votes.size() > 200, dumpJson(report).substr(0, 500).c_str());
            QCOMPARE(report["runs"].size(), size_t{3});
            const size_t tenth = votes.size() / 10;
            double here = 0, all = 0;
            for (size_t i = 0; i < votes.size(); ++i) {
                const Json& vote = votes[i];
                QVERIFY(i == 0 || vote["right"].get<double>() >= votes[i - 1]["right"].get<double>());
                const auto right = rules::prefer(*taste, vote.value("prompt", ""), vote.value("a", ""), vote.value("b", ""));
                const bool wrong = right != (vote["winner"] == "a" ? rules::Preference::A : rules::Preference::B);
                all += wrong;
                if (i < tenth)
                    here += wrong;
            }
            qInfo("seed %d: %g of the first %zu are wrong, %g of all %zu; %.3f said to be right", seed, here, tenth, all, votes.size(),
                  number(report, "right"));
            QVERIFY2(all > 0.05 * static_cast<double>(votes.size()) && all < 0.16 * static_cast<double>(votes.size()), std::to_string(all).c_str());
            flips += here;
            looked += static_cast<double>(tenth);
            if (seed == 1) {
                // Sent back they come again, and the same check tells so.
                const Json sent = cliJson({"label-doctor", p, "--report", "--send", "5", "--json"});
                QCOMPARE(number(sent, "sent"), 5.0);
                QCOMPARE(number(sent, "waiting"), 5.0);
                QVERIFY(cliJson({"label-doctor", p, "--report", "--json"})["votes"][0].value("waiting", false));
                // Two of its models disagree about what is left.
                const Json score = cliJson({"score", p, "--model", "run:" + report["runs"][0].get<std::string>() + "@last", "--model",
                                            "run:" + report["runs"][1].get<std::string>() + "@last", "--json"});
                QVERIFY2(number(score, "pairs") > 50, dumpJson(score).c_str());
                const Json queue = cliJson({"queue", p, "--mix", "uncertain=70,random=30", "--limit", "20", "--json"});
                int uncertain = 0;
                for (const Json& row : queue["next"]) {
                    uncertain += row["stratum"] == "uncertain";
                    QVERIFY(row["propensity"].get<double>() > 0 && row["propensity"].get<double>() < 1);
                }
                QVERIFY2(uncertain >= 4, dumpJson(queue["next"]).c_str());
                QVERIFY(cli({"score", p, "--model", "start"}).code != 0); // no reward model
            }
        }
        QVERIFY2(flips > 0.5 * looked, (std::to_string(flips) + " of " + std::to_string(looked)).c_str());
    }

    void whatCannotBeCheckedSaysWhy() {
        const std::string p = m_dir.path().toStdString() + "/empty";
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        QVERIFY(cli({"label-doctor", p}).out.find("60 decided pairs") != std::string::npos);
        QVERIFY(cli({"label-doctor", p, "--report"}).out.find("no check of labels") != std::string::npos);
        QCOMPARE(cli({"queue", p, "--mix", "uncertain"}).code, 10);
        QVERIFY(cli({"queue", p, "--mix", "often=3"}).out.find("often=3") != std::string::npos);
        QCOMPARE(cli({"adjudicate", p, "--pair", "1", "--winner", "a"}).code, 2); // without a cause
        QVERIFY(cli({"gold", p, "--add", "99999", "--winner", "a"}).out.find("99999") != std::string::npos);
        QCOMPARE(cli({"gold", p, "--add", "1", "--winner", "a"}).code, 0);
        QCOMPARE(cliJson({"gold", p, "--json"})["gold"].size(), size_t{1});
    }
};

QTEST_GUILESS_MAIN(TestLabelDoctor)
#include "tst_label_doctor.moc"
