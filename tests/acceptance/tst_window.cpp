// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=600
// kill -9 of the window at random moments while it is given votes: what it said is on disk is there
// afterwards. And two windows on one project.
#include <QTemporaryDir>
#include <QTest>

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestWindow : public QObject {
    Q_OBJECT

    static size_t keysIn(const std::string& file) {
        auto text = os::readFile(file);
        size_t keys = 0;
        for (size_t at = 0; text && (at = text->find("key ", at)) != std::string::npos; ++at)
            ++keys;
        return keys;
    }

    /// Comparisons named in whole "ack N comparison C" lines.
    static std::vector<int64_t> acknowledged(const std::string& text) {
        std::vector<int64_t> out;
        for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
            long long number = 0, comparison = 0;
            if (std::sscanf(text.substr(at, end - at).c_str(), "ack %lld comparison %lld", &number,
                            &comparison) == 2)
                out.push_back(comparison);
        }
        return out;
    }

private Q_SLOTS:
    void noAcknowledgedVoteIsLostIn20Kills() {
        QTemporaryDir dir;
        const std::string root = dir.path().toStdString(), p = root + "/p", acks = root + "/acks";
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        const uint64_t before = cliJson({"stats", p, "--json"}).value("judgements", uint64_t{0});
        std::mt19937 random(11);
        int kills = 0;
        std::set<int64_t> voted;
        size_t lines = 0;
        for (int round = 0; kills < 20 && round < 40; ++round) {
            os::removeTree(acks);
            os::SpawnOptions spawn;
            spawn.arguments = {program("pairlab"),    p,         "--config",
                               root + "/pairlab.ini", "--press", "SDFJKL_HN"};
            spawn.environment = {{"QT_QPA_PLATFORM", "offscreen"}, {"PAIRLAB_PRESS_KEYS", "1"}};
            spawn.outputFile = acks;
            auto process = os::Process::spawn(spawn);
            QVERIFY(process);
            if (round % 2 == 0) {
                // At any moment: while it starts, between two votes.
                process->wait(300 + static_cast<int>(random() % 1700));
            } else {
                // Within two milliseconds of a key: while its vote is being written.
                const size_t wanted = 1 + random() % 5;
                while (process->isRunning() && keysIn(acks) < wanted)
                    std::this_thread::sleep_for(std::chrono::microseconds(200));
                std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
            }
            if (process->isRunning()) {
                QVERIFY(process->signal(SIGKILL));
                ++kills;
            }
            QVERIFY(process->wait(30000));
            if (auto text = os::readFile(acks))
                for (const int64_t comparison : acknowledged(*text)) {
                    voted.insert(comparison);
                    ++lines;
                }
            const Ran check = cli({"check", p, "--json"});
            QVERIFY2(check.code == 0, check.out.c_str());
            const Json stats = cliJson({"stats", p, "--json"});
            const uint64_t stored = stats.value("judgements", uint64_t{0}) - before;
            QVERIFY2(stored >= lines,
                     qPrintable(QString("%1 stored, %2 acknowledged").arg(stored).arg(lines)));
            // A vote may be on disk without its acknowledgement having been printed: at most one a round.
            QVERIFY2(stored <= lines + static_cast<uint64_t>(round) + 1,
                     qPrintable(QString("%1 stored, %2 acknowledged").arg(stored).arg(lines)));
            // No pair that has its vote is offered again.
            QCOMPARE(voted.size(), lines);
        }
        qInfo("%d kills, %zu acknowledged votes", kills, lines);
        QCOMPARE(kills, 20);
        QVERIFY(lines > 20);
    }

    void aSecondWindowIsToldWhoHoldsTheProject() {
        QTemporaryDir dir;
        const std::string root = dir.path().toStdString(), p = root + "/p", acks = root + "/acks";
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        os::SpawnOptions spawn;
        spawn.arguments = {program("pairlab"), p, "--config", root + "/pairlab.ini", "--press", "SDFJKL", "--press-pace", "50"};
        spawn.environment = {{"QT_QPA_PLATFORM", "offscreen"}, {"PAIRLAB_PRESS_KEYS", "1"}};
        spawn.outputFile = acks;
        auto first = os::Process::spawn(spawn);
        QVERIFY(first);
        for (int i = 0; i < 600 && keysIn(acks) < 3; ++i)
            os::sleepMs(50);
        QVERIFY(keysIn(acks) >= 3);
        os::SpawnOptions other = spawn;
        other.arguments = {program("pairlab"), p, "--config", root + "/other.ini", "--exit-after-startup"};
        other.outputFile.clear();
        const auto second = os::runToEnd(other, 60'000);
        QVERIFY(second);
        QCOMPARE(second->status.code, 4);
        QVERIFY2(second->text.find("held by pid " + std::to_string(first->pid()) + " (pairlab)") != std::string::npos, second->text.c_str());
        // A command is told the same, and the first window goes on.
        const Ran command = cli({"stats", p});
        QCOMPARE(command.code, 4);
        QVERIFY2(command.out.find(std::to_string(first->pid())) != std::string::npos, command.out.c_str());
        const size_t before = keysIn(acks);
        for (int i = 0; i < 600 && keysIn(acks) < before + 3; ++i)
            os::sleepMs(50);
        QVERIFY(keysIn(acks) >= before + 3);
        QVERIFY(first->signal(SIGKILL) && first->wait(30000));
        // Nobody holds it any more.
        QCOMPARE(cli({"check", p}).code, 0);
    }
};

QTEST_GUILESS_MAIN(TestWindow)
#include "tst_window.moc"
