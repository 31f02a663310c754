// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=900
// kill -9 at random moments: what was acknowledged is there afterwards, and the database is sound.
#include <QTemporaryDir>
#include <QTest>

#include <random>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestDurability : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void noAcknowledgedLabelIsLostIn200Kills() {
        QTemporaryDir dir;
        const std::string p = dir.path().toStdString() + "/p", acks = dir.path().toStdString() + "/acks";
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        std::mt19937 random(7);
        int kills = 0;
        uint64_t acknowledged = 0;
        for (int round = 0; round < 200; ++round) {
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
            process->wait(static_cast<int>(random() % 400));
            if (process->isRunning()) {
                QVERIFY(process->signal(SIGKILL));
                ++kills;
            }
            QVERIFY(process->wait(30000));
            auto text = os::readFile(acks);
            if (text) {
                for (size_t at = 0; (at = text->find("ack ", at)) != std::string::npos; at += 4)
                    if (text->find('\n', at) != std::string::npos)
                        ++acknowledged;
            }
            if (round % 20 == 19 || round == 199) {
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
        QVERIFY(kills > 100);
        QVERIFY(acknowledged > 1000);
    }
};

QTEST_GUILESS_MAIN(TestDurability)
#include "tst_durability.moc"
