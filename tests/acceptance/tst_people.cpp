// SPDX-License-Identifier: Apache-2.0
// `package`, `people`, `check --audit` and `erase`, as they are typed; what they do is held by tests/desk.
#include <QDir>
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestPeople : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir;
    std::string m_base, m_project;

private Q_SLOTS:
    void initTestCase() {
        m_base = m_dir.path().toStdString();
        m_project = m_base + "/p";
        QCOMPARE(cli({"new", m_project, "--starter"}).code, 0);
        QCOMPARE(cli({"label", m_project, "--simulate", "concise", "--count", "20", "--seed", "1"}).code, 0);
    }

    void packagesGoOutAndAreOpened() {
        const Json made = cliJson({"package", "make", m_project, "--person", "Ada", "--person", "Bo", "--pairs", "12", "--shared", "4", "--out",
                                   m_base + "/out", "--json"});
        QVERIFY2(made.contains("packages") && made["packages"].size() == 2, dumpJson(made).c_str());
        const std::string file = made["packages"][0]["file"].get<std::string>();
        const Json opened = cliJson({"package", "open", file, m_base + "/ada", "--json"});
        QCOMPARE(opened.value("person", std::string()), std::string("Ada"));
        QCOMPARE(opened.value("pairs", 0), 12);
        const Json list = cliJson({"package", "list", m_project, "--json"});
        QCOMPARE(list["packages"].size(), size_t{2});
        QCOMPARE(list["packages"][0].value("returns", -1), 0);
        const Json people = cliJson({"people", "list", m_project, "--json"});
        QVERIFY(people["people"].size() >= 3);
        // The codes that the help names: 10 for what does not belong here, 11 for what is damaged.
        const Ran nothing = cli({"package", "return", m_base + "/ada", "--out", m_base + "/ada.pairback"});
        QCOMPARE(nothing.code, 10);
        QVERIFY2(nothing.out.find("has judged nothing yet") != std::string::npos, nothing.out.c_str());
        QCOMPARE(cli({"package", "return", m_project, "--out", m_base + "/x"}).code, 10);
        QCOMPARE(cli({"package", "merge", m_project, file}).code, 10);
        const std::string torn = m_base + "/torn.pairback";
        QVERIFY(os::writeFileAtomic(torn, "{\"format\":\"pairlab-return\",\"v\":1}\n").has_value());
        QCOMPARE(cli({"package", "merge", m_project, torn}).code, 11);
        const Ran many = cli({"package", "make", m_project, "--person", "Cy", "--pairs", "100000", "--out", m_base + "/out"});
        QCOMPARE(many.code, 10);
        QVERIFY2(many.out.find("open in task") != std::string::npos, many.out.c_str());
        QCOMPARE(cli({"package"}).code, 2);
    }

    /// Sets alone bring no pairs, pairs alone no sets; both come where both are named.
    void onlyWhatWasAskedForIsDealt() {
        const std::string project = m_base + "/sets", file = m_base + "/sets.jsonl";
        QCOMPARE(cli({"new", project, "--starter"}).code, 0);
        std::string rows;
        for (int i = 0; i < 8; ++i) {
            Json row{{"instruction", "Rank these, " + std::to_string(i)}, {"split", "train"}, {"completions", Json::array()}};
            for (const char* answer : {"one", "two", "three"})
                row["completions"].push_back({{"response", answer + std::to_string(i)}});
            rows += dumpJson(row) + "\n";
        }
        QVERIFY(os::writeFileAtomic(file, rows).has_value());
        QCOMPARE(cli({"import", project, file}).code, 0);
        QCOMPARE(cliJson({"sets", project, "--size", "3", "--json"}).value("sets", 0), 8);
        const auto dealt = [&](const char* person, std::vector<std::string> more) {
            std::vector<std::string> arguments{"package", "make", project, "--person", person, "--out", m_base + "/sets-out", "--json"};
            arguments.insert(arguments.end(), more.begin(), more.end());
            const Json made = cliJson(arguments);
            return made.contains("packages") ? std::pair(made["packages"][0].value("pairs", -1), made["packages"][0].value("sets", -1)) : std::pair(-1, -1);
        };
        QVERIFY(dealt("Ada", {"--sets", "2"}) == std::pair(0, 2));
        QVERIFY(dealt("Bo", {"--sets", "2", "--pairs", "5"}) == std::pair(5, 2));
        QVERIFY(dealt("Cy", {"--pairs", "5"}) == std::pair(5, 0));
        QVERIFY(dealt("Di", {}) == std::pair(100, 0));
    }

    void theAuditIsSound() {
        const Json checked = cliJson({"check", m_project, "--audit", "--json"});
        QVERIFY2(checked.value("ok", false), dumpJson(checked).c_str());
        QCOMPARE(checked["audit"].value("events", 0), 20);
        QVERIFY(cli({"check", m_project, "--audit"}).out.find("audited 20 events") != std::string::npos);
    }

    void erasingIsADryRunUnlessYesIsSaid() {
        const Json look = cliJson({"erase", "prompt", m_project, "3", "--json"});
        QVERIFY2(look.value("dry_run", false), dumpJson(look).c_str());
        QVERIFY(!look.value("name", std::string()).empty());
        QVERIFY(cliJson({"erase", "list", m_project, "--json"})["erased"].empty());
        QCOMPARE(cli({"erase", "prompt", m_project, "3", "--yes"}).code, 10); // without a reason
        const Json done = cliJson({"erase", "prompt", m_project, "3", "--yes", "--why", "asked", "--who", "Ada", "--json"});
        QCOMPARE(done.value("prompts", 0), 1);
        const Json stones = cliJson({"erase", "list", m_project, "--json"});
        QCOMPARE(stones["erased"][0].value("why", std::string()), std::string("asked"));
        QCOMPARE(cli({"erase", "person", m_project, "nobody", "--json"}).code, 10);
        QVERIFY(cliJson({"check", m_project, "--audit", "--json"}).value("ok", false));
    }
};

QTEST_GUILESS_MAIN(TestPeople)
#include "tst_people.moc"
