// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <set>

#include "core/base/hash.h"
#include "core/desk/queue/queue_mix.h"
#include "tests/desk/queue_fixture.h"

using namespace fixture;

class TestQueueMix : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void aPropensityIsThatOfTheStratumTimesThatWithinIt() {
        Desk desk(10);
        const Id ben = must(desk.project->annotator(AnnotatorKind::Human, "Ben"));
        for (const LabelItem& item : must(desk.project->next(mixedOptions(desk, ben, 4))))
            judge(desk, item, Winner::A);
        setMix(desk, {{"random", 60}, {"second", 40}, {"votes", 2}});
        const LabelItem item = must(desk.project->next(mixedOptions(desk, desk.ada)))[0];
        const double expected = item.presentation.stratum == "second" ? 0.4 / 4 : 0.6 / 6;
        QVERIFY2(std::abs(item.presentation.propensity - expected) < 1e-9, qPrintable(QString::number(item.presentation.propensity)));
    }

    void moreOpinionsAreWantedUntilMostAgree() {
        QVERIFY(!(Tally{0, 0, 0}.wantsMore(2)));
        QVERIFY((Tally{1, 0, 0}.wantsMore(2)));
        QVERIFY(!(Tally{2, 0, 0}.wantsMore(2)));
        QVERIFY((Tally{2, 0, 0}.wantsMore(3)));
        QVERIFY((Tally{1, 1, 0}.wantsMore(2))); // two differ: a third
        QVERIFY((Tally{1, 0, 1}.wantsMore(2)));
        QVERIFY(!(Tally{2, 1, 0}.wantsMore(2))); // most agree
        QVERIFY((Tally{1, 1, 1}.wantsMore(2)));  // still split: a fourth
        QVERIFY((Tally{2, 2, 0}.wantsMore(2)));  // and a fifth
        QVERIFY(!(Tally{2, 2, 1}.wantsMore(2))); // then it is enough
    }

    void sharesAreReadAndDamageIsNothing() {
        const auto mix = QueueMix::of({{"random", 60}, {"second", 30}, {"repeat", 10}, {"votes", 3}});
        QCOMPARE(mix.shares[1], 0.3);
        QCOMPARE(mix.votes, 3);
        QCOMPARE(mix.toString(), "60 % random, 30 % second opinions, 10 % repeats");
        for (const Json& bad : {Json(), Json(5), Json::object(), Json{{"random", -1}}, Json{{"random", "x"}}, Json{{"random", nullptr}}})
            QVERIFY(QueueMix::of(bad).empty());
        QCOMPARE(QueueMix::of({{"random", 1}, {"votes", 99}}).votes, 5);
    }

    /// The probability that is logged is the share of draws, whatever is empty.
    void probabilitiesAreWhatTheySay() {
        const auto mix = QueueMix::of({{"random", 6}, {"second", 3}, {"repeat", 1}});
        for (const std::array<bool, kStrata> available :
             {std::array<bool, kStrata>{true, true, true}, {true, false, true}, {false, true, true}, {true, true, false}}) {
            std::array<double, kStrata> drawn{}, said{};
            const int n = 20000;
            for (int i = 0; i < n; ++i) {
                const auto choice = mix.choose((i + 0.5) / n, available);
                QVERIFY(choice.any && available[static_cast<size_t>(choice.stratum)]);
                drawn[static_cast<size_t>(choice.stratum)] += 1.0 / n;
                said[static_cast<size_t>(choice.stratum)] = choice.probability;
            }
            for (size_t i = 0; i < kStrata; ++i)
                QVERIFY(std::abs(drawn[i] - said[i]) < 1e-3);
        }
        QVERIFY(!mix.choose(0.5, {false, false, false}).any);
        const auto repeatsOnly = QueueMix::of({{"repeat", 1}});
        QVERIFY(repeatsOnly.choose(0.5, {true, true, false}).stratum == Stratum::Fresh); // nothing else is left to do
        QVERIFY(!repeatsOnly.choose(0.5, {false, false, false}).any);
    }

    void withoutAMixPairsComeInOrder() {
        Desk desk(6);
        auto plain = mixedOptions(desk, desk.ada, 6);
        plain.rule = QueueRule::Fifo;
        const auto fifo = must(desk.project->next(plain)), mixed = must(desk.project->next(mixedOptions(desk, desk.ada, 6)));
        QCOMPARE(mixed.size(), fifo.size());
        for (size_t i = 0; i < fifo.size(); ++i) {
            QCOMPARE(mixed[i].comparison.id, fifo[i].comparison.id);
            QCOMPARE(mixed[i].presentation.stratum, fifo[i].presentation.stratum);
        }
    }

    void strataComeInTheirShares() {
        Desk desk(400);
        setMix(desk, {{"random", 70}, {"second", 20}, {"repeat", 10}});
        const Id bea = must(desk.project->annotator(AnnotatorKind::Human, "Bea"));
        const Id rule = must(desk.project->annotator(AnnotatorKind::Rule, "concise"));
        for (int i = 0; i < 120; ++i) // Bea first: everything is fresh, then her own repeats
            judge(desk, must(desk.project->next(mixedOptions(desk, bea)))[0], Winner::A);
        for (int i = 0; i < 20; ++i) // a rule's vote is nobody's opinion
            judge(desk, must(desk.project->next(mixedOptions(desk, rule)))[0], Winner::A);
        std::map<std::string, int> seen;
        std::set<Id> fresh;
        for (int i = 0; i < 200; ++i) {
            const auto items = must(desk.project->next(mixedOptions(desk, desk.ada)));
            QCOMPARE(items.size(), size_t{1});
            const auto& shown = items[0].presentation;
            ++seen[shown.stratum];
            QVERIFY(shown.propensity > 0 && shown.propensity <= 1);
            const Tally tally = [&] {
                Tally out;
                for (const CurrentVote& vote : desk.project->currentVotes())
                    out.a += vote.comparison == items[0].comparison.id && vote.annotator == bea && vote.occasion == 0;
                return out;
            }();
            if (shown.stratum == "random") {
                QCOMPARE(tally.total(), 0);
                QVERIFY(shown.rule == QueueRule::Random);
                QVERIFY(fresh.insert(items[0].comparison.id).second);
            } else if (shown.stratum == "second") {
                QCOMPARE(tally.total(), 1);
                QVERIFY(shown.rule == QueueRule::Mixed);
            } else {
                QCOMPARE(shown.stratum, std::string("repeat"));
                QVERIFY(shown.repeat);
                QVERIFY(i > 50);
            }
            // The same question twice has the same answer: nothing was drawn from a clock.
            QCOMPARE(must(desk.project->next(mixedOptions(desk, desk.ada)))[0].comparison.id, items[0].comparison.id);
            judge(desk, items[0], i % 3 ? Winner::A : Winner::B);
        }
        QVERIFY2(std::abs(seen["second"] - 42) < 22, qPrintable(QString::number(seen["second"]))); // 20 to 22 % of 200, 3.5 sd
        QVERIFY2(seen["repeat"] >= 4 && seen["repeat"] <= 32, qPrintable(QString::number(seen["repeat"]))); // 10 % of the last 149
        const auto strata = must(desk.project->strata(desk.task));
        QVERIFY(strata.at("random") > 200);
        // Only the random stratum measures models.
        for (const CurrentVote& vote : desk.project->currentVotes())
            if (vote.annotator == desk.ada && vote.occasion == 0)
                QCOMPARE(vote.random, fresh.count(vote.comparison) > 0);
        QVERIFY(must(desk.project->check()).ok());
    }

    /// Two that differ bring a third; when two agree the pair is done.
    void disagreementAsksForAThird() {
        Desk desk(12);
        setMix(desk, {{"second", 1}});
        std::vector<Id> people{desk.ada};
        for (const char* name : {"Bea", "Cem", "Dan"})
            people.push_back(must(desk.project->annotator(AnnotatorKind::Human, name)));
        std::set<Id> split;
        for (const auto& item : must(desk.project->next(mixedOptions(desk, people[0], 100))))
            judge(desk, item, Winner::A);
        for (const auto& item : must(desk.project->next(mixedOptions(desk, people[1], 100)))) {
            const bool differ = item.comparison.id % 3 == 0;
            if (differ)
                split.insert(item.comparison.id);
            judge(desk, item, differ ? Winner::B : Winner::A);
        }
        QVERIFY(!split.empty());
        const auto third = must(desk.project->next(mixedOptions(desk, people[2], 100)));
        QCOMPARE(third.size(), split.size());
        for (const auto& item : third) {
            QVERIFY(split.count(item.comparison.id));
            judge(desk, item, Winner::B);
        }
        QVERIFY(must(desk.project->next(mixedOptions(desk, people[3], 100))).empty()); // two of three agree

        // A vote taken back opens the pair again, for those who have not judged it.
        must(desk.project->undo(desk.task, people[2]));
        QCOMPARE(must(desk.project->next(mixedOptions(desk, people[3], 100))).size(), size_t{1});
    }

    void oneBatchHoldsEveryPairOnce() {
        Desk desk(90);
        setMix(desk, {{"random", 50}, {"second", 30}, {"repeat", 20}});
        const Id bea = must(desk.project->annotator(AnnotatorKind::Human, "Bea"));
        for (int i = 0; i < 40; ++i)
            judge(desk, must(desk.project->next(mixedOptions(desk, bea)))[0], Winner::A);
        for (int i = 0; i < 60; ++i)
            judge(desk, must(desk.project->next(mixedOptions(desk, desk.ada)))[0], Winner::A);
        const auto items = must(desk.project->next(mixedOptions(desk, desk.ada, 200)));
        std::set<Id> once;
        for (const auto& item : items)
            QVERIFY(once.insert(item.comparison.id).second);
        QVERIFY(items.size() > 20);
    }
};

QTEST_GUILESS_MAIN(TestQueueMix)
#include "tst_queue_mix.moc"
