// SPDX-License-Identifier: Apache-2.0
// ctest: processors=1 timeout=240
// `label`, `evaluate` and the sealed test prompts.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

class TestLabel : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    std::string m_project;

    Json label(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments{"label",   m_project, "--simulate", kTaste,
                                           "--count", "100000",  "--json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return cliJson(arguments);
    }
    /// Votes by split, as freezing a dataset counts them.
    Json frozen(const std::string& name) const {
        return cliJson({"dataset", "freeze", m_project, name})["counts"];
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        m_project = m_dir.path().toStdString() + "/p";
        QCOMPARE(cli({"new", m_project, "--starter"}).code, 0);
        const Json g = cliJson({"generate", m_project, "--split", "test", "--n", "2", "--limit", "12",
                                "--set", "max_new_tokens=24", "--wait", "--json"});
        QVERIFY2(number(g, "pairs") >= 8, dumpJson(g).c_str());
    }

    void withoutASplitTheTestPromptsStaySealed() {
        const Json some = cliJson({"label", m_project, "--simulate", kTaste, "--count", "100", "--json"});
        QCOMPARE(number(some, "labelled"), 100.0);
        // Both open splits are drawn from, in proportion: dev is a fifth or so of the pairs.
        const Json first = frozen("first");
        QVERIFY2(number(first, "dev") >= 5 && number(first, "dev") <= 45, dumpJson(first).c_str());
        const Json all = label({});
        QVERIFY(all.value("ran_out", false));
        QVERIFY(number(all, "labelled") > 100);
        const Json counts = frozen("open");
        QVERIFY2(number(counts, "sealed_test") == 0 && number(counts, "train") > 0, dumpJson(counts).c_str());
        const Json again = cliJson({"dataset", "freeze", m_project, "again"}); // the same votes: the first name is kept
        QCOMPARE(again.value("name", ""), std::string("open"));
        QCOMPARE(again.value("asked_name", ""), std::string("again"));
    }

    void askedForByNameTheyAreOpened() {
        QCOMPARE(number(cliJson({"stats", m_project, "--json"}), "test_openings"), 0.0);
        const Json test = label({"--split", "test"});
        QVERIFY2(number(test, "labelled") >= 8, dumpJson(test).c_str());
        QVERIFY(test.value("ran_out", false)); // 12 pairs at most, and nothing else was left to label
        QVERIFY(number(test, "labelled") <= 12);
        QCOMPARE(number(cliJson({"stats", m_project, "--json"}), "test_openings"), 1.0);
        const Json counts = frozen("sealed");
        QCOMPARE(number(counts, "sealed_test"), number(test, "labelled"));
        QCOMPARE(number(label({"--split", "all"}), "labelled"), 0.0);
    }

    void evaluateMeasuresOnDevUnlessTestIsAskedFor() {
        const double before = number(cliJson({"stats", m_project, "--json"}), "test_openings");
        const auto evaluate = [&](const std::vector<std::string>& more) {
            std::vector<std::string> arguments{"evaluate", m_project, "--model", "start",  "--judge", kTaste, "--limit", "4",
                                               "--set",    "max_new_tokens=8",  "--wait", "--json"};
            arguments.insert(arguments.end(), more.begin(), more.end());
            return cliJson(arguments);
        };
        const auto splits = [&](const Json& run) {
            const auto prompts = os::readFile(run.value("dir", std::string()) + "/data/prompts.jsonl");
            QStringList found;
            for (const QByteArray& line : QByteArray::fromStdString(prompts.value_or("")).split('\n'))
                if (!line.isEmpty())
                    found.append(QString::fromStdString(parseJson(line.toStdString(), "row").value_or(Json::object()).value("split", "")));
            found.removeDuplicates();
            return found;
        };
        const Json dev = evaluate({});
        QCOMPARE(dev.value("split", ""), std::string("dev"));
        QCOMPARE(splits(dev), QStringList{"dev"});
        QVERIFY(!dev.contains("test_openings"));
        QCOMPARE(number(cliJson({"stats", m_project, "--json"}), "test_openings"), before);
        const Json test = evaluate({"--split", "test"});
        QCOMPARE(splits(test), QStringList{"test"});
        QCOMPARE(number(test, "test_openings"), before + 1);
        // What cannot start opens nothing.
        QVERIFY(cli({"evaluate", m_project, "--model", "start", "--judge", "nobody", "--split", "test", "--wait"}).code != 0);
        QCOMPARE(number(cliJson({"stats", m_project, "--json"}), "test_openings"), before + 1);
    }
};

QTEST_GUILESS_MAIN(TestLabel)
#include "tst_label.moc"
