// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>

#include "core/desk/simulate/annotator.h"
#include "core/rules/statistics.h"

using namespace pl;
using namespace pl::desk;

namespace {

SimulatedPerson personOf(const char* taste) {
    SimulatedPerson person;
    person.taste = *rules::tasteByName(taste);
    return person;
}

SimulatedPair pairOf(int id, std::string a = "one two three", std::string b = "one two three four five six seven eight") {
    return {"pair-" + std::to_string(id), "prompt", std::move(a), std::move(b), true};
}

std::string words(int n) {
    std::string text;
    for (int i = 0; i < n; ++i)
        text += "word ";
    return text;
}

/// Whether a rate of k in n is what chance p gives (a false alarm in about 1e5).
bool plausible(int k, int n, double p) {
    const auto interval = rules::wilson(k, n, 4.4);
    return interval.low <= p && p <= interval.high;
}

constexpr int kMany = 4000;

} // namespace

class TestSimulate : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void theDefaultPersonIsTheRule() {
        const auto person = personOf("concise");
        for (int i = 0; i < 200; ++i) {
            const auto vote = simulateVote(person, pairOf(i), 1);
            QVERIFY(vote.winner == VoteWinner::A && !vote.flipped && vote.tieKind == VoteTie::None);
            auto swapped = pairOf(i);
            std::swap(swapped.a, swapped.b);
            QVERIFY(simulateVote(person, swapped, 1).winner == VoteWinner::B);
            swapped.aIsLeft = false; // without position bias the side does not matter
            QVERIFY(simulateVote(person, swapped, 1).winner == VoteWinner::B);
        }
    }

    void isNeverMistakenForAHuman() {
        const auto panel = panelOfTaste("warm", 0.05, 3);
        QVERIFY(panel);
        const auto vote = simulateVote(*panel, pairOf(1));
        QCOMPARE(vote.annotatorKind, std::string("rule"));
        QCOMPARE(vote.annotator, std::string("simulated:warm"));
        QVERIFY(vote.description.starts_with("simulated person warm"));
        QVERIFY(vote.description.find("flips 5 %") != std::string::npos);
    }

    void theSameSeedAndPairGiveTheSameVote() {
        auto person = personOf("concise");
        person.temperature = 2;
        person.flipRate = 0.3;
        person.tieRate = 0.2;
        int differsBySeed = 0, differsByPair = 0, differsByName = 0;
        auto other = person;
        other.name = "another";
        for (int i = 0; i < 300; ++i) {
            const auto vote = simulateVote(person, pairOf(i), 9);
            const auto again = simulateVote(person, pairOf(i), 9);
            QVERIFY(vote.winner == again.winner && vote.strength == again.strength && vote.flipped == again.flipped);
            differsBySeed += vote.winner != simulateVote(person, pairOf(i), 10).winner;
            differsByPair += vote.winner != simulateVote(person, pairOf(i + 1000), 9).winner;
            differsByName += vote.winner != simulateVote(other, pairOf(i), 9).winner;
        }
        QVERIFY(differsBySeed > 30 && differsByPair > 30 && differsByName > 30);
    }

    void theDrawsAreTheSameOnEveryMachine() {
        auto person = personOf("concise");
        person.flipRate = 0.5;
        std::string votes;
        for (int i = 0; i < 24; ++i)
            votes += winnerName(simulateVote(person, pairOf(i), 2026).winner);
        QCOMPARE(votes, std::string(kFrozenVotes));
    }

    void flipsAtItsRate() {
        for (const double rate : {0.05, 0.2, 0.5}) {
            auto person = personOf("concise");
            person.flipRate = rate;
            for (const uint64_t seed : {1, 2, 3}) {
                int flips = 0;
                for (int i = 0; i < kMany; ++i) {
                    const auto vote = simulateVote(person, pairOf(i), seed);
                    QVERIFY(vote.flipped == (vote.winner == VoteWinner::B));
                    flips += vote.flipped;
                }
                QVERIFY2(plausible(flips, kMany, rate), qPrintable(QString::number(flips)));
            }
        }
        auto person = personOf("concise");
        person.flipRate = 1;
        QVERIFY(simulateVote(person, pairOf(1), 1).winner == VoteWinner::B);
    }

    void temperatureFollowsTheLogisticCurve() {
        auto person = personOf("concise");
        person.temperature = 2.5;
        int wins = 0;
        for (int i = 0; i < kMany; ++i)
            wins += simulateVote(person, pairOf(i), 4).winner == VoteWinner::A;
        const double d = 3 * std::log(8.0 / 3.0); // 3 words against 8
        QVERIFY(plausible(wins, kMany, 1 / (1 + std::exp(-d / 2.5))));
    }

    void aPositionBiasShowsOverSeeds() {
        auto person = personOf("concise");
        person.temperature = 1;
        person.positionBias = 0.5;
        person.tieBand = 0;
        for (const uint64_t seed : {1, 2, 3, 4}) {
            int left = 0;
            for (int i = 0; i < kMany; ++i) {
                auto pair = pairOf(i, "alpha beta gamma", "delta eta theta"); // equally good
                pair.aIsLeft = i % 2 == 0;
                const auto vote = simulateVote(person, pair, seed);
                QVERIFY(vote.winner != VoteWinner::Tie);
                left += (vote.winner == VoteWinner::A) == pair.aIsLeft;
            }
            QVERIFY2(plausible(left, kMany, 1 / (1 + std::exp(-0.5))), qPrintable(QString::number(left)));
            QVERIFY(!plausible(left, kMany, 0.5));
        }
        person.positionBias = -50; // always the right side
        person.temperature = 0;
        QVERIFY(simulateVote(person, pairOf(1), 1).winner == VoteWinner::B);
    }

    void aLengthBiasFavoursTheLonger() {
        auto person = personOf("emoji_free");
        person.lengthBias = 1;
        QVERIFY(simulateVote(person, pairOf(1, words(5), words(20)), 1).winner == VoteWinner::B);
        QVERIFY(simulateVote(person, pairOf(1, words(20), words(5)), 1).winner == VoteWinner::A);
        person.lengthBias = -1;
        QVERIFY(simulateVote(person, pairOf(1, words(5), words(20)), 1).winner == VoteWinner::A);
        QCOMPARE(simulateVote(person, pairOf(1, words(5), words(20)), 1).difference, -std::log(6.0 / 21.0));
    }

    void tiesInsideTheBandAndAtRandom() {
        auto person = personOf("concise");
        const auto close = pairOf(1, words(20), words(21));
        QVERIFY(simulateVote(person, close, 1).winner == VoteWinner::Tie);
        QVERIFY(simulateVote(person, close, 1).tieKind == VoteTie::Unspecified);
        QVERIFY(!simulateVote(person, close, 1).strength);
        person.tieBand = 0.01;
        QVERIFY(simulateVote(person, close, 1).winner == VoteWinner::A);
        QVERIFY(simulateVote(person, pairOf(1, "same text here", "same text here"), 1).tieKind == VoteTie::Identical);
        person.tieRate = 0.25;
        int ties = 0;
        for (int i = 0; i < kMany; ++i)
            ties += simulateVote(person, pairOf(i), 5).winner == VoteWinner::Tie;
        QVERIFY(plausible(ties, kMany, 0.25));
    }

    void tiesAreGoodOrBad() {
        auto person = personOf("concise");
        person.goodAt = -3 * std::log(15.0);
        QVERIFY(simulateVote(person, pairOf(1, words(10), "a b c d e f g h i j"), 1).tieKind == VoteTie::BothGood);
        QVERIFY(simulateVote(person, pairOf(1, words(40), words(41)), 1).tieKind == VoteTie::BothBad);
    }

    void identicalSidesAreATieWhateverTheBias() {
        auto person = personOf("concise");
        person.positionBias = 50;
        person.tieBand = 0;
        QVERIFY(simulateVote(person, pairOf(1, "x y z", "x y z"), 1).winner == VoteWinner::Tie);
    }

    void strengthFollowsTheDifference() {
        const auto person = personOf("concise");
        QCOMPARE(*simulateVote(person, pairOf(1, words(10), words(13)), 1).strength, 1); // 0.79
        QCOMPARE(*simulateVote(person, pairOf(1, words(10), words(17)), 1).strength, 2); // 1.59
        QCOMPARE(*simulateVote(person, pairOf(1, words(10), words(60)), 1).strength, 3); // 5.38
    }

    void changingOneFaultKeepsTheOtherDraws() {
        auto calm = personOf("concise"), sloppy = calm;
        calm.temperature = sloppy.temperature = 2;
        sloppy.flipRate = 0.3;
        for (int i = 0; i < 500; ++i) {
            const auto a = simulateVote(calm, pairOf(i), 7), b = simulateVote(sloppy, pairOf(i), 7);
            QCOMPARE(a.winner == b.winner, !b.flipped);
        }
    }

    void sharesThePairsByWeight() {
        const auto panel = panelFromJson(
            Json::parse(R"({"seed": 5, "people": [{"name": "Ada", "taste": "concise", "share": 3},
                                                  {"name": "Ben", "taste": "inverse:concise"}]})"),
            "people.json");
        QVERIFY(panel);
        int ada = 0;
        for (int i = 0; i < kMany; ++i)
            ada += personFor(*panel, "pair-" + std::to_string(i)).name == "Ada";
        QVERIFY(plausible(ada, kMany, 0.75));
        const auto all = simulateAll(*panel, pairOf(1));
        QCOMPARE(all.size(), size_t{2});
        QVERIFY(all[0].winner == VoteWinner::A && all[1].winner == VoteWinner::B);
    }

    void aPanelSurvivesJson() {
        const auto text = R"({"seed": 18446744073709551615, "people": [{"name": "Ada", "taste": "warm+concise",
            "temperature": 0.5, "flip_rate": 0.1, "tie_rate": 0.02, "tie_band": 0.3, "position_bias": 0.2,
            "length_bias": -0.1, "strong_at": 0.8, "very_strong_at": 1.9, "good_at": -3, "share": 2}]})";
        const auto panel = panelFromJson(Json::parse(text), "people.json");
        QVERIFY2(panel, panel ? "" : panel.error().toString().c_str());
        QCOMPARE(toJson(*panel), Json::parse(text));
        QCOMPARE(toJson(*panelFromJson(toJson(*panel), "again")), toJson(*panel));
    }

    void refusesBadPanels_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("names");
        const auto one = [](const char* rest) { return QString(R"({"people": [{"name": "A", "taste": "warm"%1}]})").arg(rest); };
        QTest::newRow("not an object") << "[]" << "people";
        QTest::newRow("nobody") << R"({"people": []})" << "people";
        QTest::newRow("no taste") << R"({"people": [{"name": "A"}]})" << "taste";
        QTest::newRow("unknown taste") << R"({"people": [{"name": "A", "taste": "loud"}]})" << "loud";
        QTest::newRow("no name") << R"({"people": [{"name": "", "taste": "warm"}]})" << "name";
        QTest::newRow("unknown key") << one(R"(, "flips": 0.1)") << "flips";
        QTest::newRow("rate too large") << one(R"(, "flip_rate": 1.5)") << "flip_rate";
        QTest::newRow("text for a number") << one(R"(, "flip_rate": "0.1")") << "flip_rate";
        QTest::newRow("negative temperature") << one(R"(, "temperature": -1)") << "temperature";
        QTest::newRow("strengths crossed") << one(R"(, "strong_at": 3)") << "very_strong_at";
        QTest::newRow("two of one name")
            << R"({"people": [{"name": "A", "taste": "warm"}, {"name": "A", "taste": "vivid"}]})" << "\"A\"";
        QTest::newRow("unknown key at the top") << R"({"people": [{"name": "A", "taste": "warm"}], "sed": 1})" << "sed";
        QTest::newRow("seed below 0") << R"({"people": [{"name": "A", "taste": "warm"}], "seed": -1})" << "seed";
    }
    void refusesBadPanels() {
        QFETCH(QString, text);
        QFETCH(QString, names);
        const auto refused = panelFromJson(Json::parse(text.toStdString()), "people.json");
        QVERIFY(!refused);
        const auto message = QString::fromStdString(refused.error().toString());
        QVERIFY2(message.contains(names) && message.contains("people.json"), qPrintable(message));
        QVERIFY(!refused.error().hint.empty());
    }

    void refusesAnImpossibleFlipRate() {
        QVERIFY(!panelOfTaste("warm", 1.5, 1));
        QVERIFY(!panelOfTaste("warm", std::nan(""), 1));
        QVERIFY(!panelOfTaste("loud", 0, 1));
    }

    void picturesHaveTastesOfTheirOwn() {
        const auto panel = panelOfTaste("larger", 0.0, 1);
        QVERIFY(panel.has_value());
        const SimulatedPerson& person = panel->people.front();
        QVERIFY(person.judgesImages() && !person.judgesTexts());
        QCOMPARE(toJson(person)["taste"], pl::Json("larger"));
        rules::Caption caption = rules::parseCaption("a red circle").caption;
        caption.size = 1;
        const pl::Image small = rules::renderScene(rules::drawScene(caption, 3));
        caption.size = 3;
        const pl::Image large = rules::renderScene(rules::drawScene(caption, 3));
        SimulatedPair pair{"id", "a red circle", "x", "y", true, &small, &large};
        QVERIFY(simulateVote(person, pair, 1).winner == VoteWinner::B);
        std::swap(pair.imageA, pair.imageB);
        QVERIFY(simulateVote(person, pair, 1).winner == VoteWinner::A);
        pair.imageB = pair.imageA;
        QVERIFY(simulateVote(person, pair, 1).winner == VoteWinner::Tie);
        const auto warm = panelOfTaste("warm", 0.0, 1); // a word for both
        QVERIFY(warm && warm->people[0].judgesImages() && warm->people[0].judgesTexts());
        const auto none = panelOfTaste("loud", 0.0, 1);
        QVERIFY(!none && none.error().toString().find("larger") != std::string::npos);
    }

  private:
    static constexpr const char* kFrozenVotes = "abbbbbbaabaabaaaabbbaaba"; // from the formula, in another language
};

QTEST_APPLESS_MAIN(TestSimulate)
#include "tst_simulate.moc"
