// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "core/base/os/files.h"
#include "core/desk/stats/summary.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/gold.h"
#include "core/desk/store/pair_facts.h"
#include "core/desk/store/rankings.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestRankings : public QObject {
    Q_OBJECT

    static Project::NextOptions options(const Desk& desk, Id person = 0) {
        Project::NextOptions o;
        o.task = desk.task;
        o.annotator = person ? person : desk.ada;
        o.limit = 50;
        return o;
    }
    static std::vector<Json> rows(const std::string& path) {
        std::vector<Json> out;
        if (const auto text = os::readFile(path))
            for (size_t at = 0, end; (end = text->find('\n', at)) != std::string::npos; at = end + 1)
                out.push_back(Json::parse(text->substr(at, end - at)));
        return out;
    }
    static Result<Ack> rank(Desk& desk, const RankItem& item, const Ranking& ranking) {
        JudgementInput input;
        static_cast<Judgement&>(input) = judgementOf(ranking);
        return desk.project->presentAndJudge(item.presentation, input);
    }

private Q_SLOTS:
    void payloadsSayWhatIsKnownOfEveryPair() {
        using Relation = Ranking::Relation;
        const Ranking whole{{2, 1, 3, 3}, {}};
        QVERIFY(whole.relation(0, 1) == Relation::SecondBetter && whole.relation(1, 2) == Relation::FirstBetter && whole.relation(2, 3) == Relation::Tie);
        QVERIFY(whole.isComplete() && whole.pairs() == 6);
        const Ranking bestAndWorst{{2, 1, 2, 3}, {2}};
        QVERIFY(bestAndWorst.relation(0, 2) == Relation::Unknown && bestAndWorst.pairs() == 5 && !bestAndWorst.isComplete());
        for (const Ranking& each : {whole, bestAndWorst})
            QVERIFY(must(Ranking::of(each.toJson(), 4)) == each);
        for (const Json& bad : {Json(3), Json::object(), Json{{"ranks", {1, 2}}}, Json{{"ranks", {1, 2, 0}}}, Json{{"ranks", {1, 2, 1.5}}},
                                Json{{"ranks", {1, 2, "3"}}}, Json{{"ranks", {1, 2, 3}}, {"unordered", 2}}, Json{{"ranks", {1, 2, 3}}, {"unordered", {-1}}}})
            QVERIFY2(!Ranking::of(bad, 3), bad.dump().c_str());
    }

    void setsAreMadeOfEnoughDifferentAnswersOnce() {
        Desk desk(4, 5);
        NewPrompt lonely;
        lonely.content = "Two answers only";
        lonely.split = Split::Train;
        const Id prompt = must(desk.project->addPrompts({lonely}))[0];
        for (const char* text : {"one", "two", "two"}) {
            NewCandidate c;
            c.prompt = prompt;
            c.content = text;
            must(desk.project->addCandidates({c}));
        }
        MakeRankingsOptions o;
        o.size = 4;
        const auto made = must(makeRankings(*desk.project, o));
        QCOMPARE(made.sets, int64_t{4});
        QCOMPARE(made.tooFew, int64_t{1});
        QCOMPARE(must(makeRankings(*desk.project, o)).duplicates, int64_t{4});
        o.size = 2;
        QVERIFY(!makeRankings(*desk.project, o));
        const auto items = must(nextRankings(*desk.project, options(desk)));
        QCOMPARE(items.size(), size_t{4});
        for (const RankItem& item : items) {
            QCOMPARE(item.members.size(), size_t{4});
            QCOMPARE(std::set<size_t>(item.shown.begin(), item.shown.end()).size(), size_t{4});
        }
        QCOMPARE(must(remainingRankings(*desk.project, options(desk))), int64_t{4});
    }

    void orderOnTheScreenIsShuffledAndStays() {
        Desk desk(40, 4);
        must(makeRankings(*desk.project, {}));
        const Id ben = must(desk.project->annotator(AnnotatorKind::Human, "Ben"));
        const auto mine = must(nextRankings(*desk.project, options(desk))), again = must(nextRankings(*desk.project, options(desk))),
                   his = must(nextRankings(*desk.project, options(desk, ben)));
        int same = 0, first[4] = {0, 0, 0, 0};
        for (size_t i = 0; i < mine.size(); ++i) {
            QVERIFY(mine[i].shown == again[i].shown);
            same += mine[i].shown == his[i].shown;
            ++first[mine[i].shown[0]];
        }
        QVERIFY(same < 10); // one in 24 by chance
        for (const int n : first)
            QVERIFY2(n >= 2 && n <= 20, qPrintable(QString::number(n))); // ten of forty expected
    }

    void anOrderIsKeptAndNotAskedForAgain() {
        Desk desk(2, 4);
        must(makeRankings(*desk.project, {}));
        auto items = must(nextRankings(*desk.project, options(desk)));
        const Ranking partial{{3, 1, 3, 2}, {3}};
        OK(rank(desk, items[0], partial));
        const auto kept = must(desk.project->currentJudgement(desk.task, desk.ada, items[0].comparison.id));
        QVERIFY(kept && must(Ranking::of(kept->ranking, 4)) == partial);
        QVERIFY(kept->winner == Winner::B);
        QCOMPARE(must(nextRankings(*desk.project, options(desk))).size(), size_t{1});
        OK(desk.project->undo(desk.task, desk.ada));
        QCOMPARE(must(nextRankings(*desk.project, options(desk))).size(), size_t{2});
        // One that does not fit is refused before anything is written.
        JudgementInput wrong;
        static_cast<Judgement&>(wrong) = judgementOf(Ranking{{1, 2, 3}, {}});
        const auto refused = desk.project->presentAndJudge(items[1].presentation, wrong);
        QVERIFY(!refused && refused.error().message.find("4 members has 3 ranks") != std::string::npos);
        QVERIFY(must(desk.project->check()).ok());
    }

    /// Two people put three sets into orders that differ at the first two members, and judge one pair each alike.
    void anOrderIsNoVoteOnAPair() {
        Desk desk(3, 4);
        must(makeRankings(*desk.project, {}));
        const Id ben = must(desk.project->annotator(AnnotatorKind::Human, "Ben"));
        Id set = 0;
        for (const Id who : {desk.ada, ben})
            for (const RankItem& item : must(nextRankings(*desk.project, options(desk, who)))) {
                set = item.comparison.id;
                OK(rank(desk, item, who == ben ? Ranking{{2, 1, 3, 4}, {}} : Ranking{{1, 2, 3, 4}, {}}));
            }
        must(desk.project->makePairs({}));
        for (const Id who : {desk.ada, ben}) {
            auto o = options(desk, who);
            o.limit = 1;
            const auto item = must(desk.project->next(o))[0];
            JudgementInput vote;
            vote.winner = Winner::A;
            vote.strength = 2;
            OK(desk.project->presentAndJudge(item.presentation, vote));
        }
        QCOMPARE(desk.project->currentVotes().size(), size_t{8});
        QCOMPARE(must(pairVotes(*desk.project)).size(), size_t{2});
        QCOMPARE(must(setComparisons(*desk.project)).size(), size_t{3});
        const VoteSummary summary = must(summarize(*desk.project, desk.task));
        QCOMPARE(summary.votes, int64_t{2});
        QVERIFY(summary.agreement.n == 0 || summary.agreement.value() == 1.0);
        FactReader reader;
        OK(reader.begin(*desk.project));
        reader.plan();
        must(reader.step(*desk.project, -1));
        reader.finish();
        QCOMPARE(reader.facts().votes.size(), size_t{2});
        QVERIFY(!std::any_of(reader.facts().pairs.begin(), reader.facts().pairs.end(), [&](const PairFact& each) { return each.comparison == set; }));
        // Neither can it be settled or asked as one.
        Judgement verdict;
        verdict.winner = Winner::A;
        verdict.strength = 2;
        const auto refused = adjudicate(*desk.project, desk.task, desk.ada, set, true, verdict, Cause::Mistake);
        QVERIFY(!refused && refused.error().message.find("a set of 4 answers") != std::string::npos);
        const auto gold = setGold(*desk.project, desk.task, set, Winner::A, GoldSource::Hand, desk.ada);
        QVERIFY(!gold && gold.error().message.find("a set of 4 answers") != std::string::npos);
    }

    void aDatasetHoldsWhatWasSaidAndNoMore() {
        Desk desk(0);
        NewPrompt prompt;
        prompt.content = "Order these";
        prompt.split = Split::Train;
        const Id id = must(desk.project->addPrompts({prompt}))[0];
        for (const char* text : {"w", "x", "y", "z"}) {
            NewCandidate c;
            c.prompt = id;
            c.content = text;
            must(desk.project->addCandidates({c}));
        }
        must(makeRankings(*desk.project, {}));
        const RankItem item = must(nextRankings(*desk.project, options(desk)))[0];
        const Ranking ranking{{1, 2, 2, 4}, {}};
        OK(rank(desk, item, Ranking{{1, 2, 2, 3}, {2}}));
        DatasetSpec spec;
        spec.name = "partial";
        const auto partial = must(desk.project->freezeDataset(spec));
        QCOMPARE(partial.counts.rankedTrain, int64_t{5});
        auto pairs = rows(partial.dir + "/train.jsonl");
        QCOMPARE(pairs.size(), size_t{5});
        double weight = 0;
        for (const Json& row : pairs) {
            weight += row["weight"].get<double>();
            const auto rankOf = [&](const std::string& text) {
                for (size_t i = 0; i < 4; ++i)
                    if (item.members[i].content == text)
                        return std::vector<int>{1, 2, 2, 3}[i];
                return 0;
            };
            QVERIFY(rankOf(row["chosen"]) < rankOf(row["rejected"]));
        }
        QVERIFY(std::abs(weight - 1) < 1e-12);
        QVERIFY(rows(partial.dir + "/ties.jsonl").empty());
        // The same said as a tie is one.
        OK(rank(desk, item, ranking));
        spec.name = "tied";
        const auto tied = must(desk.project->freezeDataset(spec));
        QCOMPARE(tied.counts.rankedTrain, int64_t{6});
        QCOMPARE(rows(tied.dir + "/ties.jsonl").size(), size_t{1});
    }
};

QTEST_GUILESS_MAIN(TestRankings)
#include "tst_rankings.moc"
