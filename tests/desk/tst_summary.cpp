// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "core/desk/stats/summary.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestSummary : public QObject {
    Q_OBJECT

    static CurrentVote vote(Id pair, Id person, Winner winner, bool aOnLeft = true, int occasion = 0, int ms = 100) {
        CurrentVote v;
        v.task = 1;
        v.comparison = pair;
        v.annotator = person;
        v.winner = winner;
        v.aOnLeft = aOnLeft;
        v.shown = true;
        v.occasion = occasion;
        v.activeMs = ms;
        return v;
    }

private Q_SLOTS:
    void sharesAreCountedInTheRightSpace() {
        const std::vector<CurrentVote> votes{
            vote(1, 1, Winner::A, true, 0, 100),  vote(2, 1, Winner::A, false, 0, 300),
            vote(3, 1, Winner::B, false, 0, 200), vote(4, 1, Winner::Tie, true, 0, 400),
            vote(1, 2, Winner::A, false),         vote(2, 2, Winner::B),
            vote(1, 1, Winner::A, false, 1),      vote(2, 1, Winner::Tie, false, 1)};
        Annotator ada, bea;
        ada.id = 1;
        ada.name = "Ada";
        bea.id = 2;
        bea.name = "Bea";
        const std::map<Id, Project::PairFacts> facts{{1, {10, 5}}, {2, {10, 5}}, {3, {10, 5}}, {4, {1, 2}}};
        const auto s = summarize(votes, {ada, bea}, facts, 1);
        QCOMPARE(s.votes, int64_t{6});
        QCOMPARE(s.left.n, int64_t{5});
        QCOMPARE(s.left.successes, 2.0); // pair 1 and 3 by Ada
        QCOMPARE(s.ties.successes, 1.0);
        QCOMPARE(s.selfConsistency.n, int64_t{2});
        QCOMPARE(s.selfConsistency.successes, 1.0);
        QCOMPARE(s.agreement.n, int64_t{2});
        QCOMPARE(s.agreement.successes, 1.0);
        QCOMPARE(s.longerWins.n, int64_t{5});
        QCOMPARE(s.longerWins.successes, 3.0);
        QCOMPARE(*s.people[0].medianActiveMs, 250.0);
        QCOMPARE(s.people.size(), size_t{2});
        QCOMPARE(summarize(votes, {ada, bea}, facts, 2).votes, int64_t{0});
        QVERIFY(s.toJson()["left"]["low"].get<double>() < 0.4);
    }

    void aProjectIsSummarized() {
        Desk desk(4);
        for (const auto& item : desk.next(4))
            OK(desk.vote(item, Winner::A));
        const auto s = must(summarize(*desk.project));
        QCOMPARE(s.votes, int64_t{4});
        QCOMPARE(s.provenances.at("human"), int64_t{4});
        QCOMPARE(*s.medianActiveMs, 1000.0);
    }
};

QTEST_GUILESS_MAIN(TestSummary)
#include "tst_summary.moc"
