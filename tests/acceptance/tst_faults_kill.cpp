// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=900
// kill -9 of the worker at random moments of every trainer: the run is marked failed with its reason, the rest lives, and
// the resumed run ends as the uninterrupted one, bit for bit.
#include <QTest>

#include <csignal>
#include <random>

#include <fmt/format.h>

#include "tests/acceptance/faults.h"

using namespace pl;
using namespace pl::acceptance;

class TestFaultsKill : public QObject {
    Q_OBJECT

    Lab m_lab;
    std::mt19937 m_random{20260711};
    int m_kills = 0, m_withoutCheckpoint = 0, m_fromCheckpoint = 0;

    /// The worker of a run, once the desk has started it; 0 when none came within the time.
    static int workerOf(const std::string& bundle, int64_t after) {
        for (int i = 0; i < 600; ++i, os::sleepMs(20)) {
            const auto desk = readJsonFile(bundle + "/desk.json");
            if (!desk || !desk->is_object())
                continue;
            const auto pid = fieldOr<int64_t>(*desk, "pid", 0, "desk.json").value_or(0);
            if (pid > 0 && pid != after)
                return static_cast<int>(pid);
        }
        return 0;
    }
    /// Of the last checkpoint. The optimizer's moments are in a file with the state of the process's own random generator, which
    /// no trainer uses; that they are the same shows in the weights of the steps that follow them.
    static std::string weights(const Json& run) {
        const std::string dir = run["dir"].get<std::string>() + "/" + run["checkpoint"].get<std::string>();
        return sha256File(dir + "/model.safetensors").value_or("none") + " " +
               sha256File(dir + "/trainer/state.json").value_or("none");
    }
    /// The last line of a command's output as JSON.
    static Json lastJson(const std::string& file) {
        std::string text = os::readFile(file).value_or("");
        for (size_t at = 0; (at = text.find('{', at)) != std::string::npos; at = text.find('\n', at)) {
            if (at != 0 && text[at - 1] != '\n')
                continue;
            const auto json = parseJson(text.substr(at, text.find('\n', at) - at), "output");
            if (json && json->contains("status"))
                return *json;
        }
        return Json::object();
    }

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_lab.prepare());
        std::string rows;
        for (int i = 0; i < 24; ++i)
            rows += dumpJson({{"prompt", "Say number " + std::to_string(i)}, {"completion", "It is " + std::to_string(i * 37)}}) + "\n";
        writeText(m_lab.path("sft.jsonl"), rows);
    }

    void resumesAsIfNothingHadHappened_data() {
        QTest::addColumn<QStringList>("arguments");
        const QStringList common = {"--set", "save_every=2", "--set", "log_every=1", "--threads", "1", "--seed", "5"};
        const auto row = [&](const char* plugin, QStringList more) {
            QTest::newRow(plugin) << QStringList{"--plugin", plugin} + more + common;
        };
        row("sft", {"--data", QString::fromStdString(m_lab.path("sft.jsonl")), "--set", "steps=14", "--set", "batch_size=4",
                    "--set", "eval_every=7"});
        row("reward_model", {"--dataset", "votes", "--set", "steps=14", "--set", "batch_size=4", "--set", "eval_every=5"});
        row("dpo", {"--dataset", "votes", "--set", "steps=10", "--set", "batch_size=4", "--set", "eval_every=5"});
        row("grpo", {"--reward", "rule:concise", "--limit", "12", "--set", "steps=6", "--set", "num_generations=4", "--set",
                     "prompts_per_step=2", "--set", "max_new_tokens=24", "--set", "eval_every=3", "--set", "eval_prompts=4",
                     "--set", "num_iterations=2"});
    }
    void resumesAsIfNothingHadHappened() {
        QFETCH(QStringList, arguments);
        const std::string p = m_lab.project();
        std::vector<std::string> train = {"train", p, "--wait", "--json"};
        for (const QString& each : arguments)
            train.push_back(each.toStdString());
        const Json whole = cliJson(train);
        QCOMPARE(whole.value("status", ""), std::string("finished"));
        const std::string wholeDir = whole["dir"].get<std::string>();
        const std::string wholeWeights = weights(whole);
        QVERIFY(wholeWeights.find("none") == std::string::npos);
        int64_t begun = 0, over = 0;
        const auto events = readEvents(wholeDir + "/events.jsonl");
        QVERIFY(events);
        for (const Event& event : *events) {
            begun = event.type == event::kRunStart ? event.t : begun;
            over = event.type == event::kRunEnd ? event.t : over;
        }
        const int64_t takes = over - begun;

        // The same again, killed up to four times.
        const int number = std::atoi(whole["run"].get<std::string>().c_str()) + 1;
        const std::string name = fmt::format("{:04d}-{}", number, whole["plugin"].get<std::string>());
        const std::string cutDir = p + "/runs/" + name;
        const std::string output = m_lab.path("output");
        Json cut;
        int64_t lastPid = 0;
        int kills = 0;
        for (int round = 0; round < 20; ++round) {
            (void)os::removeTree(output);
            os::SpawnOptions spawn;
            spawn.arguments = {program("pairlab-cli")};
            if (round == 0)
                spawn.arguments.insert(spawn.arguments.end(), train.begin(), train.end());
            else
                spawn.arguments.insert(spawn.arguments.end(), {"run", "resume", p, name, "--wait", "--json"});
            spawn.outputFile = output;
            auto desk = os::Process::spawn(spawn);
            QVERIFY(desk);
            const int worker = workerOf(cutDir, lastPid);
            QVERIFY2(worker > 0, os::readFile(output).value_or("").c_str());
            lastPid = worker;
            bool killed = false;
            if (kills < 4) {
                // Anywhere in the run, its start included; at first never so late that it may be over.
                const int64_t span = kills == 0 ? takes * 7 / 10 : takes;
                os::sleepMs(static_cast<int>(m_random() % static_cast<uint64_t>(std::max<int64_t>(span, 1))));
                killed = ::kill(worker, SIGKILL) == 0;
            }
            auto ended = desk->wait(300000);
            QVERIFY(ended && *ended);
            QVERIFY2(!(*ended)->signalled, (*ended)->toString().c_str());
            cut = lastJson(output);
            if (cut.value("status", "") == "finished")
                break;
            QVERIFY2(killed, os::readFile(output).value_or("").c_str());
            ++kills;
            QCOMPARE((*ended)->code, 70);
            QCOMPARE(cut.value("status", ""), std::string("failed"));
            QVERIFY2(cut.value("reason", "").find("signal 9") != std::string::npos, dumpJson(cut).c_str());
            (completeCheckpoints(cutDir).empty() ? m_withoutCheckpoint : m_fromCheckpoint)++;
            // Another desk sees the same, without having been the worker's parent.
            const Ran listed = cli({"runs", p, "--json"});
            const auto runs = parseJson(listed.out, "runs");
            QVERIFY2(listed.code == 0 && runs && runs->is_array(), listed.out.c_str());
            bool seen = false;
            for (const Json& run : *runs) {
                const bool mine = run["run"] == name;
                seen = seen || mine;
                QVERIFY2(run["status"] == (mine ? "failed" : "finished"), dumpJson(run).c_str());
                QVERIFY(!mine || !run["reason"].get<std::string>().empty());
            }
            QVERIFY(seen);
        }
        m_kills += kills;
        qInfo("%s: %lld ms uninterrupted, %d kills", whole["plugin"].get<std::string>().c_str(), static_cast<long long>(takes), kills);
        QVERIFY(kills >= 1);
        QCOMPARE(cut.value("status", ""), std::string("finished"));
        QVERIFY(cut["checkpoint"] == whole["checkpoint"]);
        QCOMPARE(weights(cut), wholeWeights);
        QVERIFY(sameBits(metricsOf(wholeDir), metricsOf(cutDir)));
        Json a = whole["metrics"], b = cut["metrics"];
        a.erase("tokens_per_second");
        b.erase("tokens_per_second");
        QCOMPARE(dumpJson(b), dumpJson(a));
        // The rest lives.
        QCOMPARE(weights(whole), wholeWeights);
        QVERIFY(sound(p, Lab::kVotes));
    }

    void theKillsMetBothKindsOfMoment() {
        qInfo("%d kills: %d before the first checkpoint, %d after one", m_kills, m_withoutCheckpoint, m_fromCheckpoint);
        QVERIFY(m_kills >= 8);
        QVERIFY(m_fromCheckpoint >= 2);
    }
};

QTEST_GUILESS_MAIN(TestFaultsKill)
#include "tst_faults_kill.moc"
