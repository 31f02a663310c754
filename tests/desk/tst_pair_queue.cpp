// SPDX-License-Identifier: Apache-2.0
#include <QTest>

#include <random>
#include <set>

#include "core/base/hash.h"
#include "core/desk/queue/pair_queue.h"

using namespace pl;
using namespace pl::desk;

/// The queue against a plain sorted set of what is open.
class TestPairQueue : public QObject {
    Q_OBJECT

    static PairInfo info(Id id) { return {mix64(static_cast<uint64_t>(id) * 77), Split::Train, 0, CandidateKind::Text}; }
    static uint64_t key(QueueRule rule, uint64_t seed, Id id) {
        return rule == QueueRule::Fifo ? static_cast<uint64_t>(id) : mix64(mix64(seed) ^ info(id).hash);
    }

private Q_SLOTS:
    void offersWhatIsOpenInItsOrderWhateverCameAndWent_data() {
        QTest::addColumn<int>("rule");
        QTest::addColumn<int>("pairs");
        QTest::newRow("fifo, few") << int(QueueRule::Fifo) << 40;
        QTest::newRow("random, few") << int(QueueRule::Random) << 40;
        QTest::newRow("fifo, swept out") << int(QueueRule::Fifo) << 3000;
        QTest::newRow("random, swept out") << int(QueueRule::Random) << 3000;
    }
    void offersWhatIsOpenInItsOrderWhateverCameAndWent() {
        QFETCH(int, rule);
        QFETCH(int, pairs);
        const auto of = static_cast<QueueRule>(rule);
        constexpr uint64_t kSeed = 5;
        PairQueue queue(of, kSeed);
        std::set<std::pair<uint64_t, Id>> open;
        std::mt19937 random(3);
        for (Id id = pairs; id >= 1; --id) {
            queue.add(id, info(id));
            open.insert({key(of, kSeed, id), id});
        }
        QCOMPARE(queue.size(), open.size());
        for (int turn = 0; turn < 4 * pairs; ++turn) {
            // First mostly gone, then mostly back, and pairs that were not there at the beginning.
            const bool goes = random() % 10 < (turn < 2 * pairs ? 9u : 3u);
            const Id id = 1 + static_cast<Id>(random() % static_cast<unsigned>(pairs + pairs / 4));
            if (goes) {
                const Id which = random() % 2 && !open.empty() ? open.begin()->second : id;
                queue.remove(which, info(which));
                open.erase({key(of, kSeed, which), which});
            } else {
                queue.add(id, info(id));
                open.insert({key(of, kSeed, id), id});
            }
            QCOMPARE(queue.size(), open.size());
            if (turn % 7 && turn < 4 * pairs - 1)
                continue;
            std::set<Id> skip;
            for (const auto& [k, each] : open)
                if (random() % 5 == 0 && skip.size() < 4)
                    skip.insert(each);
            const size_t wanted = 1 + random() % 5;
            const auto picks = queue.pick(wanted, skip);
            size_t at = 0;
            double left = static_cast<double>(open.size() - skip.size());
            for (const auto& [k, each] : open) {
                if (skip.count(each))
                    continue;
                if (at == wanted)
                    break;
                QVERIFY(at < picks.size());
                QCOMPARE(picks[at].comparison, each);
                QCOMPARE(picks[at].propensity, of == QueueRule::Random ? 1 / left-- : 1.0);
                ++at;
            }
            QCOMPARE(picks.size(), at);
        }
    }

    void oneThatWasEmptyTakesPairs() {
        PairQueue queue(QueueRule::Fifo, 0);
        QVERIFY(queue.pick(1, {}).empty());
        queue.add(3, info(3));
        queue.add(2, info(2));
        QCOMPARE(queue.size(), size_t{2});
        QCOMPARE(queue.pick(5, {}).size(), size_t{2});
        QCOMPARE(queue.pick(1, {})[0].comparison, Id{2});
    }
};

QTEST_APPLESS_MAIN(TestPairQueue)
#include "tst_pair_queue.moc"
