// SPDX-License-Identifier: Apache-2.0
#include <QTest>

#include <map>
#include <random>

#include "core/desk/domain/vote_table.h"

using namespace pl::desk;

/// The table against a plain map of the same votes.
class TestVoteTable : public QObject {
    Q_OBJECT

    static CurrentVote vote(std::mt19937& random) {
        CurrentVote v;
        v.task = 1 + static_cast<Id>(random() % 2);
        v.comparison = 1 + static_cast<Id>(random() % 60);
        v.annotator = 1 + static_cast<Id>(random() % 4);
        v.occasion = random() % 5 == 0;
        v.event = static_cast<Id>(random());
        v.kind = random() % 6 ? EventKind::Vote : EventKind::Skip;
        v.winner = static_cast<Winner>(random() % 3);
        v.provenance = random() % 4 ? Provenance::Human : Provenance::Rule;
        return v;
    }

private Q_SLOTS:
    void isAMapWithItsCounts() {
        using Key = std::tuple<Id, Id, Id, int32_t>;
        std::map<Key, CurrentVote> plain;
        VoteTable table;
        std::mt19937 random(11);
        for (int turn = 0; turn < 6000; ++turn) {
            const CurrentVote v = vote(random);
            const Key key{v.task, v.comparison, v.annotator, v.occasion};
            // Fuller and emptier by turns, so that it grows, shrinks and moves what was pushed on.
            if (random() % 10 < (turn / 1000 % 2 ? 7u : 3u)) {
                table.erase(VoteTable::keyOf(v));
                plain.erase(key);
            } else {
                table.set(v);
                plain[key] = v;
            }
            QCOMPARE(table.rows().size(), plain.size());
            if (turn % 50)
                continue;
            for (const auto& [k, expected] : plain) {
                const CurrentVote* found = table.find({std::get<0>(k), std::get<1>(k), std::get<2>(k), std::get<3>(k)});
                QVERIFY(found && *found == expected);
            }
            for (Id comparison = 1; comparison <= 61; ++comparison) {
                int64_t on = 0;
                Tally tallies[3];
                for (const auto& [k, each] : plain) {
                    if (each.comparison != comparison || each.kind != EventKind::Vote || each.occasion)
                        continue;
                    ++on;
                    if (each.provenance == Provenance::Human) {
                        Tally& t = tallies[each.task];
                        (each.winner == Winner::A ? t.a : each.winner == Winner::B ? t.b : t.tie) += 1;
                    }
                }
                QCOMPARE(table.votesOn(comparison), on);
                for (Id task = 1; task <= 2; ++task) {
                    const Tally t = table.tally(task, comparison);
                    QVERIFY(t.a == tallies[task].a && t.b == tallies[task].b && t.tie == tallies[task].tie);
                }
                QVERIFY(!table.find({1, comparison, 99, 0}));
            }
        }
        table.clear();
        QVERIFY(table.rows().empty() && !table.find({1, 1, 1, 0}) && table.votesOn(1) == 0);
    }
};

QTEST_APPLESS_MAIN(TestVoteTable)
#include "tst_vote_table.moc"
