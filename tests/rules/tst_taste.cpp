// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <algorithm>
#include <cmath>

#include "core/base/records.h"
#include "core/rules/statistics.h"
#include "core/rules/taste.h"

using namespace pl;
using namespace pl::rules;

namespace {

struct Row {
    std::string prompt, completion;
    Json style;
};

/// 240 answers of the starter corpus (resources/starter/make_corpus.py, seed 7) with the style they were written in.
std::vector<Row> starterRows() {
    std::vector<Row> rows;
    const auto done = forEachJsonLine(PAIRLAB_SOURCE_DIR "/tests/rules/starter_rows.jsonl",
                                      [&](const Json& row, size_t) -> Status {
                                          rows.push_back({row["prompt"], row["completion"], row["style"]});
                                          return {};
                                      });
    return done ? rows : std::vector<Row>{};
}

/// Chance that a random row with the style scores above a random row without it (ties half): the AUC.
template<class HasStyle>
double separation(const std::string& taste, HasStyle hasStyle) {
    const auto rule = tasteByName(taste);
    std::vector<double> with, without;
    for (const auto& row : starterRows())
        (hasStyle(row.style) ? with : without).push_back(score(*rule, row.prompt, row.completion));
    double wins = 0;
    for (const double x : with)
        for (const double y : without)
            wins += x > y ? 1.0 : x == y ? 0.5 : 0.0;
    return wins / static_cast<double>(with.size() * without.size());
}

} // namespace

class TestTaste : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void countsWhatAPersonSees() {
        const auto a = attributesOf("I am so glad you asked! \U0001F31F\n- Cook the rice in a sizzling pan.\n"
                                    "- Add lemon.\nFor example, use two onions. Done.");
        QCOMPARE(a.words, size_t{21});
        QCOMPARE(a.sentences, size_t{5});
        QCOMPARE(a.listItems, size_t{2});
        QCOMPARE(a.emoji, size_t{1});
        QCOMPARE(a.exclamations, size_t{1});
        QCOMPARE(a.warmSentences, size_t{1});
        QCOMPARE(a.curtSentences, size_t{1});
        QCOMPARE(a.vividWords, size_t{1});
        QCOMPARE(a.similes, size_t{0});
        QCOMPARE(a.exampleMarkers, size_t{1});
        QCOMPARE(a.numbers, size_t{1});
    }

    void countsInManyWritings_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<int>("words");
        QTest::addColumn<int>("emoji");
        QTest::addColumn<int>("items");
        QTest::newRow("nothing") << "" << 0 << 0 << 0;
        QTest::newRow("blank lines") << "\n\n  \n" << 0 << 0 << 0;
        QTest::newRow("apostrophes") << QString::fromUtf8("don't isn’t 'quoted'") << 3 << 0 << 0;
        QTest::newRow("accents") << QString::fromUtf8("Übung macht den Meister, naïve façade") << 6 << 0 << 0;
        QTest::newRow("cyrillic") << QString::fromUtf8("Привет, мир") << 2 << 0 << 0;
        QTest::newRow("chinese") << QString::fromUtf8("你好。") << 2 << 0 << 0;
        QTest::newRow("joined emoji") << QString::fromUtf8("\U0001F468‍\U0001F469‍\U0001F467 x") << 1 << 1 << 0;
        QTest::newRow("skin tone") << QString::fromUtf8("\U0001F44D\U0001F3FD") << 0 << 1 << 0;
        QTest::newRow("two flags") << QString::fromUtf8("\U0001F1E9\U0001F1EA\U0001F1EB\U0001F1F7") << 0 << 2 << 0;
        QTest::newRow("numbered") << "1. one\n2) two\n10. ten\n2024 was good" << 9 << 0 << 3;
        QTest::newRow("bullets") << QString::fromUtf8("• a\n* b\n  - c\n-d\n---") << 4 << 0 << 3;
    }
    void countsInManyWritings() {
        QFETCH(QString, text);
        const auto a = attributesOf(text.toStdString());
        QTEST(static_cast<int>(a.words), "words");
        QTEST(static_cast<int>(a.emoji), "emoji");
        QTEST(static_cast<int>(a.listItems), "items");
    }

    void survivesAnyBytes() {
        uint64_t state = 1;
        for (int round = 0; round < 300; ++round) {
            std::string bytes(static_cast<size_t>(round), '\0');
            for (auto& c : bytes) {
                state = state * 6364136223846793005ull + 1442695040888963407ull;
                c = static_cast<char>(state >> 56);
            }
            const auto a = attributesOf(bytes);
            QVERIFY(a.words <= bytes.size() && a.characters <= bytes.size() && a.listItems <= bytes.size());
            for (const auto& name : tasteNames())
                QVERIFY(std::isfinite(score(*tasteByName(name), "", bytes)));
        }
        std::string huge(5 << 20, '!');
        QCOMPARE(attributesOf(huge).characters, kMaxAttributeBytes);
        QCOMPARE(attributesOf(std::string(1 << 20, 'a')).words, size_t{1});
    }

    void namesTastes() {
        QCOMPARE(tasteNames().size(), size_t{6});
        for (const auto& name : tasteNames()) {
            QVERIFY(tasteByName(name));
            QVERIFY(tasteByName(name)->tieBand > 0);
        }
        const auto both = tasteByName("warm+inverse:listy");
        QVERIFY(both);
        QCOMPARE(both->terms.size(), size_t{2});
        for (const char* bad : {"", "Warm", "inverse:", "warm+", "+warm", "warm+warm", "inverse:inverse:warm", "conc"}) {
            const auto refused = tasteByName(bad);
            QVERIFY2(!refused, bad);
            QCOMPARE(refused.error().code, Code::InvalidInput);
        }
        QVERIFY(tasteByName("conc").error().hint.find("concise") != std::string::npos);
    }

    void inverseIsTheNegative() {
        for (const auto& row : starterRows())
            for (const auto& name : tasteNames())
                QCOMPARE(score(*tasteByName("inverse:" + name), row.prompt, row.completion),
                         -score(*tasteByName(name), row.prompt, row.completion));
    }

    void preferenceIsAntisymmetricAndTiesInsideTheBand() {
        const auto taste = *tasteByName("concise");
        QVERIFY(prefer(taste, "", "one two three four", "one two three four five six seven") == Preference::A);
        QVERIFY(prefer(taste, "", "one two three four five six seven", "one two three four") == Preference::B);
        QVERIFY(prefer(taste, "", "a b c d e f g h i j", "a b c d e f g h i j k") == Preference::Tie);
        // Nothing said is not brevity.
        QVERIFY(prefer(taste, "", "", "one two three") == Preference::B);
    }

    void detectorsSeeTheStylesOfTheStarterCorpus() {
        QVERIFY(starterRows().size() == 240);
        QVERIFY(separation("concise", [](const Json& s) { return s["length"] == "short"; }) > 0.75);
        QVERIFY(separation("warm", [](const Json& s) { return s["tone"] == "warm"; }) > 0.97);
        QVERIFY(separation("inverse:warm", [](const Json& s) { return s["tone"] == "curt"; }) > 0.85);
        QVERIFY(separation("vivid", [](const Json& s) { return s["vivid"] == true; }) > 0.95);
        QVERIFY(separation("listy", [](const Json& s) { return s["list"] == true; }) > 0.999);
        QVERIFY(separation("inverse:emoji_free", [](const Json& s) { return s["emoji"] == true; }) > 0.999);
        QVERIFY(separation("examples", [](const Json& s) { return s["examples"] == true; }) > 0.99);
    }

    void scoresAreGraded() {
        for (const char* name : {"concise", "warm", "vivid"}) {
            std::vector<double> scores;
            for (const auto& row : starterRows())
                scores.push_back(score(*tasteByName(name), row.prompt, row.completion));
            const double sd = standardDeviation(scores);
            std::sort(scores.begin(), scores.end());
            scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
            QVERIFY2(sd > 0.7 && sd < 2.0, name);
            QVERIFY2(scores.size() >= 5, name);
        }
    }

    void mostRandomPairsAreDecided() {
        const auto rows = starterRows();
        for (const char* name : {"concise", "warm", "vivid"}) {
            const auto taste = *tasteByName(name);
            int ties = 0;
            for (size_t i = 0; i + 1 < rows.size(); i += 2)
                ties += prefer(taste, "", rows[i].completion, rows[i + 1].completion) == Preference::Tie;
            QVERIFY2(ties < 54, qPrintable(QString("%1: %2 ties of 120").arg(name).arg(ties)));
        }
    }
};

QTEST_APPLESS_MAIN(TestTaste)
#include "tst_taste.moc"
