// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=1500
// kill -9 at random moments: what was acknowledged is there afterwards, and the database is sound.
#include <QTemporaryDir>
#include <QTest>

#include <chrono>
#include <random>
#include <thread>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

namespace {
constexpr int kRounds = 1000;

/// Whole "ack ..." lines.
size_t lines(const std::string& text) {
    size_t n = 0;
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
        n += text.compare(at, 4, "ack ") == 0;
    return n;
}
} // namespace

class TestDurability : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void noAcknowledgedLabelIsLostIn1000Kills() {
        QTemporaryDir dir;
        const std::string p = dir.path().toStdString() + "/p", acks = dir.path().toStdString() + "/acks";
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        std::mt19937 random(7);
        int kills = 0;
        uint64_t acknowledged = 0;
        for (int round = 0; round < kRounds; ++round) {
            os::removeTree(acks);
            os::SpawnOptions spawn;
            // A new person each round has every pair before them.
            const std::string person = dir.path().toStdString() + "/person.json";
            QVERIFY(os::writeFileAtomic(person, "{\"people\": [{\"name\": \"p" + std::to_string(round) +
                                                    "\", \"taste\": \"concise\"}]}"));
            spawn.arguments = {program("pairlab-cli"), "label", p, "--simulate", person, "--count", "100000",
                               "--seed", std::to_string(round), "--acks"};
            spawn.outputFile = acks;
            auto process = os::Process::spawn(spawn);
            QVERIFY(process);
            if (round % 4 == 0) {
                // At any moment: while it starts, while it opens the database.
                process->wait(static_cast<int>(random() % 300));
            } else {
                // Within a millisecond of an acknowledgement: while the next one is being written.
                const size_t wanted = 1 + random() % 8;
                for (int looks = 0; looks < 10000 && process->isRunning() && lines(os::readFile(acks).value_or("")) < wanted; ++looks)
                    std::this_thread::sleep_for(std::chrono::microseconds(500));
                std::this_thread::sleep_for(std::chrono::microseconds(random() % 1000));
            }
            if (process->isRunning()) {
                QVERIFY(process->signal(SIGKILL));
                ++kills;
            }
            QVERIFY(process->wait(30000));
            acknowledged += lines(os::readFile(acks).value_or(""));
            if (round % 50 == 49) {
                Json stats = cliJson({"stats", p, "--json"});
                const uint64_t stored = stats.value("judgements", uint64_t{0});
                QVERIFY2(stored >= acknowledged, qPrintable(QString("%1 stored, %2 acknowledged").arg(stored).arg(acknowledged)));
                // An event may be on disk without its acknowledgement having been printed: at most one a round.
                QVERIFY2(stored <= acknowledged + static_cast<uint64_t>(round) + 1,
                         qPrintable(QString("%1 stored, %2 acknowledged").arg(stored).arg(acknowledged)));
                const Ran check = cli({"check", p, "--json"});
                QVERIFY2(check.code == 0, check.out.c_str());
            }
        }
        qInfo("%d kills, %llu acknowledged judgements", kills, static_cast<unsigned long long>(acknowledged));
        QVERIFY(kills > kRounds * 9 / 10);
        QVERIFY(acknowledged > 3 * kRounds);
    }
};

QTEST_GUILESS_MAIN(TestDurability)
#include "tst_durability.moc"
