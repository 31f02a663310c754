// SPDX-License-Identifier: Apache-2.0
// What a mixed queue draws besides the random and the second: uncertain pairs, gold, second looks; what it puts off; where it resumes.
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/score_event.h"
#include "core/desk/queue/sketch.h"
#include "core/desk/queue/uncertain_queue.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/gold.h"
#include "core/desk/store/scores.h"
#include "tests/desk/queue_fixture.h"

using namespace fixture;

class TestQueueStrata : public QObject {
    Q_OBJECT

    /// Prompts and answers that have nothing in common, so that none is nearly the same as another.
    static std::string words(uint64_t seed) {
        std::string out;
        for (int i = 0; i < 40; ++i)
            out += static_cast<char>('a' + (seed = mix64(seed + 1)) % 26);
        return out;
    }
    static void fill(Desk& desk, int pairs, uint64_t seed = 1) {
        for (int i = 0; i < pairs; ++i) {
            NewPrompt prompt;
            prompt.content = words(seed * 7919 + static_cast<uint64_t>(3 * i));
            prompt.split = Split::Train;
            const Id id = must(desk.project->addPrompts({prompt}))[0];
            NewCandidate a, b;
            a.prompt = b.prompt = id;
            a.content = words(seed * 7919 + static_cast<uint64_t>(3 * i + 1));
            b.content = words(seed * 7919 + static_cast<uint64_t>(3 * i + 2));
            must(desk.project->addCandidates({a, b}));
        }
        must(desk.project->makePairs({}));
    }
    static Id scoreRun(Desk& desk, const Json& parameters = Json::object()) {
        RunRow run;
        run.id = must(desk.project->reserveRun());
        run.name = fmt::format("{:04d}-score", run.id);
        run.plugin = "score";
        run.kind = "evaluate";
        run.parameters = parameters;
        return must(desk.project->insertRun(run));
    }
    static Event scores(uint64_t seq, const std::string& model, const std::vector<std::string>& ids, const std::vector<double>& values) {
        Event event;
        event.seq = seq;
        event.type = event::kScore;
        Json list = Json::array();
        for (const double value : values)
            list.push_back(jsonNumber(value));
        event.body = {{"model", {{"name", model}, {"hash", "hash of " + model}}}, {"ids", ids}, {"scores", list}};
        return event;
    }
    static std::vector<Comparison> pairs(Desk& desk) {
        Page page;
        page.limit = 100000;
        std::vector<Comparison> out;
        for (const auto& row : must(desk.project->pairs(page)))
            out.push_back(row.comparison);
        return out;
    }
    std::string uuidOf(Desk& desk, Id candidate) { return must(desk.project->candidate(candidate)).uuid; }
    /// Scores of one model: margin(i) of the i-th pair, by id.
    void score(Desk& desk, Id run, uint64_t seq, const std::string& model, const std::function<double(size_t)>& margin) {
        std::vector<std::string> ids;
        std::vector<double> values;
        size_t i = 0;
        for (const auto& pair : pairs(desk)) {
            ids.insert(ids.end(), {uuidOf(desk, pair.a), uuidOf(desk, pair.b)});
            values.insert(values.end(), {margin(i), 0});
            ++i;
        }
        const auto result = must(desk.project->ingest(run, "events.jsonl", {scores(seq, model, ids, values)}));
        QVERIFY2(result.problems.empty(), result.problems.empty() ? "" : result.problems[0].c_str());
    }

private Q_SLOTS:
    void sketchesMeasureWhatIsShared() {
        QCOMPARE(resemblance(sketchOf("How do I cook rice?"), sketchOf("  how do i COOK\n rice?")), 1.0);
        QCOMPARE(resemblance(sketchOf("aaaabbbb"), sketchOf("ccccdddd")), 0.0);
        // "abcdef" has the shingles abcde bcdef, "abcdeg" abcde bcdeg: one of three is shared.
        QCOMPARE(resemblance(sketchOf("abcdef"), sketchOf("abcdeg")), 1.0 / 3);
        QCOMPARE(resemblance(sketchOf("ab"), sketchOf("ab")), 1.0);
        QCOMPARE(resemblance(sketchOf(""), sketchOf("ab")), 0.0);
        // Long texts that share their first 3000 of 4000 characters: 3 of 5 shingles; the estimate's deviation is 6 %.
        std::string common, x, y;
        for (uint64_t i = 0; i < 75; ++i)
            common += words(i);
        for (uint64_t i = 0; i < 25; ++i) {
            x += words(1000 + i);
            y += words(2000 + i);
        }
        const double found = resemblance(sketchOf(common + x), sketchOf(common + y));
        QVERIFY2(std::abs(found - 0.6) < 0.2, qPrintable(QString::number(found)));
    }

    void marginsAreMeanAndDeviation() {
        PairMargin margin;
        for (const double each : {1.0, 2.0, 6.0})
            margin.add(each);
        QCOMPARE(margin.mean, 3.0);
        QCOMPARE(margin.deviation, std::sqrt(7.0));
        QCOMPARE(margin.uncertainty(), std::sqrt(7.0)); // several: their disagreement
        PairMargin one;
        one.add(-2.5);
        QCOMPARE(one.uncertainty(), -2.5); // one: how near its margin is to 0
    }

    /// The probability that a draw says is the share of draws.
    void uncertainDrawsHaveTheProbabilityTheySay() {
        UncertainQueue queue;
        for (Id i = 1; i <= 40; ++i)
            queue.add(i, -static_cast<double>(i));
        const int n = 50000;
        std::map<Id, double> drawn, said;
        for (int i = 0; i < n; ++i) {
            const auto pick = queue.draw((i + 0.5) / n, {2});
            drawn[pick->comparison] += 1.0 / n;
            said[pick->comparison] = pick->propensity;
        }
        QCOMPARE(drawn.size(), UncertainQueue::kWindow);
        QVERIFY(!drawn.count(2) && drawn.count(33) && !drawn.count(34)); // the window moves on
        double sum = 0;
        for (const auto& [id, share] : drawn) {
            QVERIFY(std::abs(share - said[id]) < 1e-4);
            sum += said[id];
        }
        QVERIFY(std::abs(sum - 1) < 1e-9);
        QVERIFY(said[1] > said[3] && said[1] < 0.2); // the most uncertain is likeliest, and far from certain
        for (Id i = 1; i <= 40; ++i)
            queue.remove(i);
        QVERIFY(!queue.draw(0.5, {}));
    }

    void whatModelsDoubtComesFirstAndTheRandomDrawKeepsItsOwn() {
        Desk desk;
        fill(desk, 300);
        setMix(desk, {{"uncertain", 50}, {"random", 50}});
        // Without scores everything is drawn at random.
        for (const auto& item : must(desk.project->next(mixedOptions(desk, desk.ada, 50))))
            QCOMPARE(item.presentation.stratum, std::string("random"));
        score(desk, scoreRun(desk), 1, "judge", [](size_t i) { return i % 2 ? 0.01 * static_cast<double>(i) : -0.01 * static_cast<double>(i); });
        QCOMPARE(must(queueScorers(*desk.project)).pairs, int64_t{300});
        std::map<Id, size_t> rank;
        for (const auto& pair : pairs(desk))
            rank.emplace(pair.id, rank.size());
        std::map<std::string, std::vector<size_t>> ranks;
        std::set<Id> random, uncertain;
        for (int i = 0; i < 120; ++i) {
            const auto item = must(desk.project->next(mixedOptions(desk, desk.ada)))[0];
            QVERIFY(item.presentation.propensity > 0 && item.presentation.propensity < 1);
            QCOMPARE(item.presentation.rule == QueueRule::Random, item.presentation.stratum == "random");
            ranks[item.presentation.stratum].push_back(rank.at(item.comparison.id));
            (item.presentation.stratum == "random" ? random : uncertain).insert(item.comparison.id);
            judge(desk, item, Winner::A);
        }
        QCOMPARE(ranks.size(), size_t{2});
        const auto mean = [](const std::vector<size_t>& all) {
            double sum = 0;
            for (const size_t each : all)
                sum += static_cast<double>(each);
            return sum / static_cast<double>(all.size());
        };
        // About half of the 300 may be drawn as uncertain; 60 of them leave the ranks 0 to 120, and some of the window behind.
        QVERIFY2(std::abs(static_cast<double>(ranks["uncertain"].size()) - 60) < 20, qPrintable(QString::number(ranks["uncertain"].size())));
        QVERIFY2(mean(ranks["uncertain"]) < 90, qPrintable(QString::number(mean(ranks["uncertain"]))));
        QVERIFY2(std::abs(mean(ranks["random"]) - 149.5) < 40, qPrintable(QString::number(mean(ranks["random"])))); // sd of the mean 11
        // A vote taken back: the pair may come again.
        must(desk.project->undo(desk.task, desk.ada));
        QVERIFY(must(desk.project->check()).ok());
        // When the random draw's own pairs are used up and nothing is uncertain, the others come, and measure no model.
        std::map<std::string, int> left;
        for (int i = 0; i < 181; ++i) {
            const auto items = must(desk.project->next(mixedOptions(desk, desk.ada)));
            QCOMPARE(items.size(), size_t{1});
            ++left[items[0].presentation.stratum];
            judge(desk, items[0], Winner::B);
        }
        QVERIFY(must(desk.project->next(mixedOptions(desk, desk.ada))).empty());
        QVERIFY(!left.count("rest")); // everything was scored
    }

    void severalModelsDisagree() {
        Desk desk;
        fill(desk, 60);
        setMix(desk, {{"uncertain", 1}});
        const Id run = scoreRun(desk);
        score(desk, run, 1, "one", [](size_t i) { return static_cast<double>(i); });
        score(desk, run, 2, "two", [](size_t i) { return i >= 50 ? -static_cast<double>(i) : static_cast<double>(i); });
        const auto scorers = must(queueScorers(*desk.project));
        QCOMPARE(scorers.models, (std::vector<std::string>{"one", "two"}));
        std::map<Id, size_t> rank;
        for (const auto& pair : pairs(desk))
            rank.emplace(pair.id, rank.size());
        for (int i = 0; i < 4; ++i) {
            const auto item = must(desk.project->next(mixedOptions(desk, desk.ada)))[0];
            QCOMPARE(item.presentation.stratum, std::string("uncertain"));
            judge(desk, item, Winner::A);
        }
        // Only the ten on which they differ lie before the ties at 0; the draw may reach past them, seldom.
        int among = 0;
        for (const CurrentVote& vote : desk.project->currentVotes())
            among += rank.at(vote.comparison) >= 50;
        QVERIFY2(among >= 2, qPrintable(QString::number(among)));
        // A newer job with one model decides alone; an older one's late events change nothing.
        const Id later = scoreRun(desk);
        score(desk, later, 1, "three", [](size_t i) { return static_cast<double>(i); });
        score(desk, run, 3, "two", [](size_t) { return 5.0; });
        QCOMPARE(must(queueScorers(*desk.project)).models, std::vector<std::string>{"three"});
        // What cannot be used is named.
        Event bad = scores(2, "three", {"nobody", uuidOf(desk, 1)}, {1, NAN});
        const auto result = must(desk.project->ingest(later, "events.jsonl", {bad}));
        QCOMPARE(result.problems.size(), size_t{1});
        QVERIFY(result.problems[0].find("nobody") != std::string::npos);
        bad = scores(3, "three", {"x"}, {1});
        bad.body["model"] = "three";
        QCOMPARE(must(desk.project->ingest(later, "events.jsonl", {bad})).problems.size(), size_t{1});
    }

    void answersWithoutScoresAreAskedFor() {
        Desk desk;
        fill(desk, 5);
        const auto all = must(itemsToScore(*desk.project, desk.task, CandidateKind::Text, {"hash of judge"}));
        QCOMPARE(all.size(), size_t{10});
        const Id run = scoreRun(desk);
        must(desk.project->ingest(run, "events.jsonl", {scores(1, "judge", {all[0].id, all[1].id}, {1, 2})}));
        QCOMPARE(must(itemsToScore(*desk.project, desk.task, CandidateKind::Text, {"hash of judge"})).size(), size_t{8});
        QCOMPARE(must(itemsToScore(*desk.project, desk.task, CandidateKind::Text, {"hash of judge", "other"})).size(), size_t{10});
        judge(desk, desk.next()[0], Winner::A);
        QCOMPARE(must(itemsToScore(*desk.project, desk.task, CandidateKind::Text, {"other"})).size(), size_t{8});
    }

    void goldIsMetOnceByEverybodyButWhoMadeIt() {
        Desk desk;
        fill(desk, 120);
        setMix(desk, {{"random", 80}, {"gold", 20}});
        const Id bea = must(desk.project->annotator(AnnotatorKind::Human, "Bea"));
        const auto all = pairs(desk);
        for (size_t i = 0; i < 10; ++i)
            must(setGold(*desk.project, desk.task, all[i].id, Winner::A, GoldSource::Hand, i < 3 ? desk.ada : 0));
        std::map<Id, int> met;
        for (int i = 0; i < 100; ++i) {
            const auto item = must(desk.project->next(mixedOptions(desk, desk.ada)))[0];
            QCOMPARE(item.presentation.stratum == "gold", item.comparison.id <= all[9].id);
            if (item.presentation.stratum == "gold")
                ++met[item.comparison.id];
            judge(desk, item, met.size() % 2 ? Winner::A : Winner::B);
        }
        QCOMPARE(met.size(), size_t{7}); // all but her own three; never among the random ones
        for (const auto& [id, times] : met)
            QVERIFY(times == 1 && id > all[2].id);
        const auto votes = must(goldVotes(*desk.project, desk.task));
        QCOMPARE(votes.size(), size_t{7});
        QCOMPARE(std::count_if(votes.begin(), votes.end(), [](const GoldVote& vote) { return vote.right; }), std::ptrdiff_t{4});
        // Bea meets all ten.
        int beas = 0;
        for (int i = 0; i < 60; ++i) {
            const auto items = must(desk.project->next(mixedOptions(desk, bea)));
            if (items.empty())
                break;
            beas += items[0].presentation.stratum == "gold";
            judge(desk, items[0], Winner::A);
        }
        QCOMPARE(beas, 10);
        must(removeGold(*desk.project, desk.task, all[0].id));
        QVERIFY(!removeGold(*desk.project, desk.task, all[0].id));
        QCOMPARE(must(goldPairs(*desk.project, desk.task)).size(), size_t{9});
        desk.reopen();
        QCOMPARE(must(goldVotes(*desk.project, desk.task)).size(), size_t{16});
    }

    void nearlyTheSameIsPutOff() {
        Desk desk;
        // Six prompts, each asked in five ways that differ in a word at the end.
        for (int i = 0; i < 30; ++i) {
            NewPrompt prompt;
            prompt.content = words(static_cast<uint64_t>(i % 6)) + words(static_cast<uint64_t>(i % 6) + 50) + " " + std::to_string(i);
            prompt.split = Split::Train;
            const Id id = must(desk.project->addPrompts({prompt}))[0];
            NewCandidate a, b;
            a.prompt = b.prompt = id;
            a.content = words(static_cast<uint64_t>(100 + 2 * i));
            b.content = words(static_cast<uint64_t>(101 + 2 * i));
            must(desk.project->addCandidates({a, b}));
        }
        must(desk.project->makePairs({}));
        setMix(desk, {{"random", 1}});
        std::vector<std::string> shown;
        for (int i = 0; i < 30; ++i) {
            const auto item = must(desk.project->next(mixedOptions(desk, desk.ada)))[0];
            shown.push_back(item.prompt.content.substr(0, 80));
            judge(desk, item, Winner::A);
        }
        // The first six differ; later there is no way round it, and nothing is withheld.
        QCOMPARE(std::set<std::string>(shown.begin(), shown.begin() + 6).size(), size_t{6});
        QCOMPARE(std::set<std::string>(shown.begin(), shown.end()).size(), size_t{6});
        // Within one batch, too.
        const Id bea = must(desk.project->annotator(AnnotatorKind::Human, "Bea"));
        setMix(desk, {{"second", 1}});
        std::set<std::string> batch;
        for (const auto& item : must(desk.project->next(mixedOptions(desk, bea, 6))))
            batch.insert(item.prompt.content.substr(0, 80));
        QCOMPARE(batch.size(), size_t{6});
    }

    void aSittingGoesOnWhereItStopped() {
        for (const bool mixed : {false, true}) {
            Desk desk;
            fill(desk, 90);
            if (mixed)
                setMix(desk, {{"random", 70}, {"repeat", 30}});
            for (int i = 0; i < 60; ++i)
                judge(desk, must(desk.project->next(mixedOptions(desk, desk.ada)))[0], Winner::A);
            // Three pairs were fetched; two were passed over, the third is on the screen when the program goes.
            const auto ready = must(desk.project->next(mixedOptions(desk, desk.ada, 4)));
            for (int i = 0; i < 3; ++i)
                must(desk.project->present(ready[static_cast<size_t>(i)].presentation));
            desk.reopen();
            const auto again = must(desk.project->next(mixedOptions(desk, desk.ada, 2)));
            QCOMPARE(again[0].comparison.id, ready[2].comparison.id);
            const Presentation &was = ready[2].presentation, &is = again[0].presentation;
            QCOMPARE(is.stratum, was.stratum);
            QCOMPARE(is.propensity, was.propensity);
            QCOMPARE(is.aOnLeft, was.aOnLeft);
            QCOMPARE(is.seed, was.seed);
            QCOMPARE(is.repeat, was.repeat);
            QVERIFY(is.rule == was.rule);
            QVERIFY(again[1].comparison.id != again[0].comparison.id);
            // With its vote it is done; those passed over are still open.
            judge(desk, again[0], Winner::B);
            const auto then = must(desk.project->next(mixedOptions(desk, desk.ada)));
            QVERIFY(then[0].comparison.id != again[0].comparison.id);
            // A page that has something ready is not told again.
            auto more = mixedOptions(desk, desk.ada, 1);
            must(desk.project->present(then[0].presentation));
            more.skip = {then[0].comparison.id};
            QVERIFY(must(desk.project->next(more))[0].comparison.id != then[0].comparison.id);
        }
    }

    void aSecondLookReplacesTheVote() {
        Desk desk;
        fill(desk, 240);
        for (const bool mixed : {false, true}) {
            if (mixed)
                setMix(desk, {{"random", 1}});
            for (int i = 0; i < 10; ++i)
                judge(desk, must(desk.project->next(mixedOptions(desk, desk.ada)))[0], Winner::A);
            std::vector<Id> doubted;
            for (const CurrentVote& vote : desk.project->currentVotes())
                if (vote.winner == Winner::A && doubted.size() < 3)
                    doubted.push_back(vote.comparison);
            QCOMPARE(must(askSecondLook(*desk.project, desk.task, doubted, "doctor")), int64_t{3});
            QCOMPARE(must(askSecondLook(*desk.project, desk.task, doubted, "doctor")), int64_t{0});
            desk.reopen();
            QCOMPARE(must(waitingLooks(*desk.project, desk.task)), int64_t{3});
            const auto votes = desk.project->currentVotes().size();
            std::set<Id> looked;
            int others = 0;
            while (looked.size() < 3) {
                const auto item = must(desk.project->next(mixedOptions(desk, desk.ada)))[0];
                const bool look = item.presentation.stratum == "look";
                QCOMPARE(look, std::count(doubted.begin(), doubted.end(), item.comparison.id) > 0);
                QVERIFY(!item.presentation.repeat);
                judge(desk, item, look ? Winner::B : Winner::Tie);
                others += !look;
                if (look)
                    looked.insert(item.comparison.id);
                else
                    QVERIFY(others < 100); // a sixth are looks: fewer than three of a hundred happen twice in a million times
            }
            QCOMPARE(must(waitingLooks(*desk.project, desk.task)), int64_t{0});
            QCOMPARE(desk.project->currentVotes().size(), votes + static_cast<size_t>(others)); // replaced, not added
            for (const CurrentVote& vote : desk.project->currentVotes())
                QVERIFY(!looked.count(vote.comparison) || vote.winner == Winner::B);
            must(desk.project->undo(desk.task, desk.ada)); // the last look: its old vote is back, and it waits again
            QCOMPARE(must(waitingLooks(*desk.project, desk.task)), int64_t{1});
            must(desk.project->redo(desk.task, desk.ada));
            QCOMPARE(must(waitingLooks(*desk.project, desk.task)), int64_t{0});
        }
        QVERIFY(must(desk.project->check()).ok());
    }

    void aVerdictStandsForThePair() {
        Desk desk;
        fill(desk, 12);
        std::vector<Id> people{desk.ada};
        for (const char* name : {"Bea", "Cem"})
            people.push_back(must(desk.project->annotator(AnnotatorKind::Human, name)));
        for (size_t p = 0; p < people.size(); ++p) {
            auto o = mixedOptions(desk, people[p], 12);
            o.rule = QueueRule::Fifo;
            size_t i = 0;
            for (const auto& item : must(desk.project->next(o))) {
                // Pairs 0 to 3: A, B, tie. 4 to 7: two of three say B. The others: all A.
                const Winner winner = i < 4 ? static_cast<Winner>(p) : i < 8 ? (p == 0 ? Winner::A : Winner::B) : Winner::A;
                judge(desk, item, winner);
                ++i;
            }
        }
        const auto all = pairs(desk);
        const auto counts = [&] {
            DatasetSpec spec;
            spec.filter.task = desk.task;
            return must(desk.project->previewDataset(spec));
        };
        QCOMPARE(counts().train, int64_t{8});
        QCOMPARE(counts().disagreements, int64_t{4});
        const auto others = must(anonymousVotes(*desk.project, desk.task, all[0].id));
        QCOMPARE(others.size(), size_t{3});
        Judgement verdict;
        verdict.winner = Winner::B;
        verdict.strength = 2;
        must(adjudicate(*desk.project, desk.task, desk.ada, all[0].id, true, verdict, Cause::Mistake));
        must(adjudicate(*desk.project, desk.task, desk.ada, all[1].id, true, verdict, Cause::TrulySplit));
        must(adjudicate(*desk.project, desk.task, desk.ada, all[2].id, false, verdict, Cause::BadPair));
        verdict.winner = Winner::A;
        must(adjudicate(*desk.project, desk.task, desk.ada, all[4].id, true, verdict, Cause::GuidelineUnclear)); // against two of three
        QCOMPARE(must(anonymousVotes(*desk.project, desk.task, all[0].id)).size(), size_t{3}); // the verdict is nobody's vote
        QCOMPARE(counts().train, int64_t{10});
        QCOMPARE(counts().disagreements, int64_t{2}); // pair 3, and the bad one
        const auto found = must(verdictOn(*desk.project, desk.task, all[0].id));
        QVERIFY(found && found->cause == Cause::Mistake && found->judgement.winner == Winner::B);
        QVERIFY(!must(verdictOn(*desk.project, desk.task, all[3].id)));
        DatasetSpec spec;
        spec.name = "all";
        spec.filter.task = desk.task;
        const auto dataset = must(desk.project->freezeDataset(spec));
        const std::string rows = must(os::readFile(dataset.dir + "/train.jsonl"));
        const auto item = must(desk.project->pairItem(all[4].id));
        bool said = false;
        for (const QByteArray& line : QByteArray::fromStdString(rows).split('\n'))
            if (line.contains(item.prompt.content.c_str())) {
                const Json row = Json::parse(line.toStdString());
                said = row["chosen"] == item.a.content && row["reasons"] == Json::array({"guideline_unclear"});
            }
        QVERIFY(said);
        // Gold: the verdict called a mistake, and the one where the guideline was unclear; not the split, not the bad pair. Then the
        // pairs all three agree on.
        const auto promoted = must(promoteGold(*desk.project, desk.task, 3));
        QCOMPARE(promoted.adjudicated, int64_t{2});
        QCOMPARE(promoted.unanimous, int64_t{4});
        QCOMPARE(must(promoteGold(*desk.project, desk.task, 3)).unanimous, int64_t{0});
        QVERIFY(!promoteGold(*desk.project, desk.task, 1));
        // Taken back, the majority counts again.
        const Id judge = must(adjudicatorOf(*desk.project, desk.ada));
        QVERIFY(judge != desk.ada);
        must(desk.project->undo(desk.task, judge));
        QVERIFY(!must(verdictOn(*desk.project, desk.task, all[4].id)));
        desk.reopen();
        QCOMPARE(must(adjudicatorOf(*desk.project, desk.ada)), judge);
        QVERIFY(must(verdictOn(*desk.project, desk.task, all[0].id)));
        QVERIFY(must(desk.project->check()).ok());
    }
};

QTEST_GUILESS_MAIN(TestQueueStrata)
#include "tst_queue_strata.moc"
