// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "core/base/hash.h"
#include "core/desk/stats/quality.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestQuality : public QObject {
    Q_OBJECT

    uint64_t m_state = 11;
    double uniform() { return unitUniform(mix64(++m_state)); }

    static Annotator person(Id id, const char* name) {
        Annotator out;
        out.id = id;
        out.name = name;
        return out;
    }
    static CurrentVote vote(Id event, Id pair, Id who, Winner winner, bool aOnLeft = true, int strength = 0, int occasion = 0) {
        CurrentVote v;
        v.task = 1;
        v.event = event;
        v.comparison = pair;
        v.annotator = who;
        v.winner = winner;
        v.strength = static_cast<int8_t>(strength);
        v.aOnLeft = aOnLeft;
        v.shown = true;
        v.occasion = occasion;
        v.activeMs = 2000;
        return v;
    }

    /// As a reading of a project would have it. `styles` by candidate.
    static QualityReport assess(const std::vector<CurrentVote>& votes, const std::vector<Annotator>& people,
                                const std::map<Id, Project::PairFacts>& facts = {}, const QualityOptions& options = {},
                                const std::map<Id, StyleCounts>& styles = {}) {
        VoteFacts all;
        all.votes = votes;
        all.people = people;
        all.complete = true;
        const auto place = [&](const std::string& model) {
            const auto at = std::find(all.models.begin(), all.models.end(), model);
            if (at == all.models.end())
                all.models.push_back(model);
            return static_cast<uint32_t>(std::find(all.models.begin(), all.models.end(), model) - all.models.begin());
        };
        const auto style = [&](Id answer) { return styles.count(answer) ? styles.at(answer) : StyleCounts(); };
        for (const auto& [pair, f] : facts)
            all.pairs.push_back({pair, f.prompt, f.a, f.b, static_cast<int32_t>(f.lengthA), static_cast<int32_t>(f.lengthB), place(f.modelA),
                                 place(f.modelB), style(f.a), style(f.b)});
        return assessQuality(all, options);
    }

private Q_SLOTS:
    void init() { m_state = 11; }

    void nothingIsNothing() {
        const auto report = assess({}, {person(1, "Ada")});
        QCOMPARE(report.votes, int64_t{0});
        QVERIFY(report.people.empty());
        QVERIFY(report.models.names.empty());
        QVERIFY(report.models.warning.empty());
        QVERIFY(report.toJson()["agreement"]["alpha_winner"]["value"].is_null());
        QCOMPARE(report.positionPower(), "0 votes without a tie: not enough yet to see a left share of 60 % (194 needed).");
    }

    /// The figures that the study computed.
    void power() {
        QCOMPARE(votesToSee(0.53), int64_t{2178});
        QCOMPARE(votesToSee(0.55), int64_t{783});
        QCOMPARE(votesToSee(0.60), int64_t{194});
        QCOMPARE(votesToSee(0.40), int64_t{194});
        QCOMPARE(votesToSee(0.5), int64_t{0});
        QualityReport report;
        report.left.n = 1204;
        QCOMPARE(report.positionPower(), "1,204 votes without a tie: enough to see a left share of 55 %, not yet of 53 % (2,178 needed).");
    }

    /// Where the pairs were shown changes no figure of agreement, consistency, models or cycles.
    void sidesDoNotMatter() {
        std::vector<CurrentVote> votes;
        std::map<Id, Project::PairFacts> facts;
        for (Id pair = 1; pair <= 60; ++pair) {
            facts[pair] = {static_cast<int64_t>(20 + pair), 40, "start", pair % 2 ? "dpo" : "grpo", (pair + 1) / 3, pair, pair + 100};
            for (Id who = 1; who <= 2; ++who) {
                const double u = uniform();
                votes.push_back(vote(static_cast<Id>(votes.size()) + 1, pair, who, u < 0.5 ? Winner::A : u < 0.8 ? Winner::B : Winner::Tie,
                                     uniform() < 0.5, u < 0.8 ? 1 + static_cast<int>(pair % 3) : 0));
            }
        }
        const std::vector<Annotator> people{person(1, "Ada"), person(2, "Bea")};
        const auto before = assess(votes, people, facts);
        for (CurrentVote& v : votes)
            v.aOnLeft = !v.aOnLeft;
        const auto after = assess(votes, people, facts);
        QCOMPARE(after.agreement.toJson().dump(), before.agreement.toJson().dump());
        QCOMPARE(after.cycles.size(), before.cycles.size());
        QCOMPARE(after.left.successes, static_cast<double>(before.left.n) - before.left.successes);
        for (size_t i = 0; i < before.models.names.size(); ++i)
            QVERIFY(std::abs(after.models.ratings.models[i].strength.value - before.models.ratings.models[i].strength.value) < 1e-7);
        QVERIFY(before.agreement.cohen && before.agreement.cohenQuadratic && before.agreement.fleiss);
        QCOMPARE(before.agreement.winner.pairs, int64_t{60});
        QVERIFY(before.agreement.winner.interval.low < before.agreement.winner.value);
        QVERIFY(!before.agreement.disputed.empty());
    }

    /// A person who presses left 65 times in 100 whatever the answers: the position term finds it and the models do not pay for it.
    void positionAndLengthAreTakenOut() {
        std::vector<CurrentVote> votes;
        std::map<Id, Project::PairFacts> facts;
        for (Id pair = 1; pair <= 4000; ++pair) {
            // Two equal models of which "wordy" writes half as much again on average; people like twice the length at odds of 2.
            const auto a = static_cast<int64_t>(50 + uniform() * 100), b = static_cast<int64_t>((50 + uniform() * 100) * 1.5);
            facts[pair] = {a, b, "plain", "wordy", pair, 2 * pair, 2 * pair + 1};
            const bool aOnLeft = uniform() < 0.7; // not even balanced
            const double eta = 0.62 * (aOnLeft ? 1 : -1) + 3 * std::log(2.0) * normalisedDifference(double(a), double(b));
            votes.push_back(vote(pair, pair, 1, uniform() < 1 / (1 + std::exp(-eta)) ? Winner::A : Winner::B, aOnLeft));
        }
        const auto report = assess(votes, {person(1, "Ada")}, facts);
        const auto& ratings = report.models.ratings;
        QVERIFY(ratings.position.interval().low < 0.62 && 0.62 < ratings.position.interval().high);
        QVERIFY(ratings.position.error < 0.05);
        QVERIFY(report.doubleLengthLogOdds.has_value());
        const auto length = report.doubleLengthLogOdds->interval();
        QVERIFY2(length.low < std::log(2.0) && std::log(2.0) < length.high, qPrintable(QString::number(report.doubleLengthLogOdds->value)));
        const auto plain = ratings.models[0].strength.interval();
        QVERIFY2(plain.low < 0 && 0 < plain.high, "equal models, once position and length are taken out");
        QVERIFY(report.left.interval().low > 0.55);
    }

    void oneRaterHasRepeats() {
        std::vector<CurrentVote> votes;
        Id event = 0;
        for (Id pair = 1; pair <= 10; ++pair)
            votes.push_back(vote(++event, pair, 1, Winner::A, true, 3));
        for (Id pair = 1; pair <= 4; ++pair) // two swapped, of which one is judged the same
            votes.push_back(vote(++event, pair, 1, pair == 2 ? Winner::B : Winner::A, pair > 2, 3, 1));
        votes[0].activeMs = 45'000; // went away
        const auto report = assess(votes, {person(1, "Ada")}, {});
        const auto& ada = report.people.at(0);
        QCOMPARE(ada.votes, int64_t{10});
        QCOMPARE(ada.selfConsistency.n, int64_t{4});
        QCOMPARE(ada.selfConsistency.successes, 3.0);
        QCOMPARE(ada.swapConsistency.n, int64_t{2});
        QCOMPARE(ada.swapConsistency.successes, 1.0);
        QCOMPARE(ada.idle, int64_t{1});
        QCOMPARE(*ada.medianMs, 2000.0);
        QCOMPARE(ada.strengths[3], int64_t{10});
        // Left ten times, then right (pair 1 swapped, A), left, left, left: the streak is the ten.
        QCOMPARE(ada.longestStreak, int64_t{10});
        QVERIFY(!ada.modelledAccuracy);
    }

    /// Three careful people and one who guesses: the guesser is seen, without any gold.
    void aGuesserIsSeen() {
        std::vector<CurrentVote> votes;
        Id event = 0;
        for (Id pair = 1; pair <= 120; ++pair) {
            const bool a = uniform() < 0.5;
            for (Id who = 1; who <= 4; ++who) {
                const bool right = who == 4 ? uniform() < 0.5 : uniform() < 0.92;
                votes.push_back(vote(++event, pair, who, a == right ? Winner::A : Winner::B, uniform() < 0.5));
            }
        }
        const auto report = assess(votes, {person(1, "Ada"), person(2, "Bea"), person(3, "Cem"), person(4, "Dan")}, {});
        QCOMPARE(report.people.size(), size_t{4});
        for (size_t i = 0; i < 3; ++i) {
            QVERIFY(*report.people[i].modelledAccuracy > 0.85);
            QVERIFY(report.people[i].agreement.interval().low > 0.75);
        }
        QVERIFY(*report.people[3].modelledAccuracy < 0.65);
        QVERIFY(report.people[3].agreement.interval().high < 0.65);
        QVERIFY(report.agreement.winner.value > 0.2 && report.agreement.winner.value < 0.7);
    }

    void rulesAndSkipsStayOut() {
        std::vector<CurrentVote> votes{vote(1, 1, 1, Winner::A), vote(2, 1, 2, Winner::B), vote(3, 2, 1, Winner::A)};
        votes[1].provenance = Provenance::Rule;
        votes[2].kind = EventKind::Skip;
        const auto report = assess(votes, {person(1, "Ada"), person(2, "concise")}, {});
        QCOMPARE(report.people.size(), size_t{1});
        QCOMPARE(report.votes, int64_t{1});
        QCOMPARE(report.skips, int64_t{1});
        QCOMPARE(report.agreement.winner.pairs, int64_t{0});
        QualityOptions everybody;
        everybody.people = false;
        QCOMPARE(assess(votes, {person(1, "Ada"), person(2, "concise")}, {}, everybody).agreement.winner.pairs, int64_t{1});
        QualityOptions other;
        other.task = 2;
        QCOMPARE(assess(votes, {person(1, "Ada")}, {}, other).votes, int64_t{0});
    }

    /// Answers of two equal models, some with a list: it wins at odds of 3, bold at odds of 1, and code differs too seldom to say.
    void styleIsTakenOutOfTheRatings() {
        std::vector<CurrentVote> votes;
        std::map<Id, Project::PairFacts> facts;
        std::map<Id, StyleCounts> styles;
        for (Id pair = 1; pair <= 6000; ++pair) {
            const Id a = 2 * pair, b = 2 * pair + 1;
            facts[pair] = {100, 100, uniform() < 0.5 ? "x" : "y", "", pair, a, b};
            facts[pair].modelB = facts[pair].modelA == "x" ? "y" : "x";
            StyleCounts& sa = styles[a];
            StyleCounts& sb = styles[b];
            const double kind = uniform();
            sa.n = {0, kind < 0.4 ? 3 : 0, uniform() < 0.5 ? 1 : 0, pair <= 5 ? 1 : 0};
            sb.n = {0, kind > 0.6 ? 2 : 0, uniform() < 0.5 ? 1 : 0, 0};
            const double lift = std::log(3.0) * (kind < 0.4 ? 1 : kind > 0.6 ? -1 : 0);
            votes.push_back(vote(pair, pair, 1, uniform() < 1 / (1 + std::exp(-lift)) ? Winner::A : Winner::B, uniform() < 0.5));
        }
        const auto report = assess(votes, {person(1, "Ada")}, facts, {}, styles);
        QCOMPARE(report.style.size(), size_t{2}); // lists and bold; headers never differ, code in five matches
        QCOMPARE(report.style[0].name, std::string("lists"));
        QVERIFY2(std::abs(report.style[0].logOdds.value - std::log(3.0)) < 4 * report.style[0].logOdds.error,
                 qPrintable(QString::number(report.style[0].logOdds.value)));
        QVERIFY(report.style[0].logOdds.error < 0.05);
        QVERIFY(report.style[0].matches > 4500 && report.style[0].matches < 5100);
        QVERIFY(std::abs(report.style[1].logOdds.value) < 4 * report.style[1].logOdds.error);
        QVERIFY(assess(votes, {person(1, "Ada")}, facts).style.empty());
    }

    void verdictsAreNobodysOpinionAndGoldIsCounted() {
        Annotator judge = person(9, "Ada, adjudicator");
        judge.detail = {{"role", "adjudicator"}, {"of", "x"}};
        std::vector<CurrentVote> votes;
        for (Id pair = 1; pair <= 40; ++pair) {
            votes.push_back(vote(2 * pair, pair, 1, Winner::A));
            votes.push_back(vote(2 * pair + 1, pair, 2, pair <= 10 ? Winner::B : Winner::A));
        }
        for (Id pair = 1; pair <= 4; ++pair)
            votes.push_back(vote(200 + pair, pair, 9, Winner::B));
        VoteFacts facts;
        facts.votes = votes;
        facts.people = {person(1, "Ada"), person(2, "Bea"), judge};
        facts.complete = true;
        for (Id pair = 1; pair <= 8; ++pair) { // Ada is wrong on the first
            facts.gold.push_back({1, pair, pair % 2 && pair != 1 ? Winner::A : Winner::B});
            facts.goldShown.push_back({1, pair, pair % 2 ? 1 : 2});
        }
        facts.goldShown.push_back({1, 30, 1}); // gold no more
        facts.goldShown.push_back({2, 1, 1});  // another task
        facts.strata = {{{1, "random"}, 80}, {{2, "random"}, 5}};
        const auto report = assessQuality(facts);
        QCOMPARE(report.votes, int64_t{80});
        QCOMPARE(report.people.size(), size_t{2});
        QCOMPARE(report.agreement.winner.raw, 0.75); // 30 of 40, whatever the verdicts say
        QCOMPARE(report.agreement.disputed.size(), size_t{6});
        QCOMPARE(report.agreement.undecided, int64_t{6});
        QCOMPARE(report.agreement.adjudicated, int64_t{4});
        QCOMPARE(report.gold.n, int64_t{8});
        QCOMPARE(report.people[0].gold.successes, 3.0);
        QCOMPARE(report.people[1].gold.successes, 4.0);
        QCOMPARE(report.strata.at("random"), int64_t{85});
        QualityOptions first;
        first.task = 1;
        QCOMPARE(assessQuality(facts, first).strata.at("random"), int64_t{80});
        // Ada agreed with Bea in the later half only: the first ten pairs are the disputed ones.
        QCOMPARE(report.people[0].firstHalfAgreement.successes, 10.0);
        QCOMPARE(report.people[0].secondHalfAgreement.successes, 20.0);
    }

    void aProjectIsAssessed() {
        Desk desk(6);
        for (const auto& item : desk.next(6))
            OK(desk.vote(item, Winner::A));
        const auto report = must(qualityOf(*desk.project));
        QCOMPARE(report.votes, int64_t{6});
        QCOMPARE(report.people.size(), size_t{1});
        QCOMPARE(report.people[0].name, "Ada");
    }
};

QTEST_GUILESS_MAIN(TestQuality)
#include "tst_quality.moc"
