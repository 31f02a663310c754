// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include "core/learn/training/label_control.h"

using namespace pl;
using namespace pl::learn;

namespace {

/// Pairs whose chosen side is always the shorter one with the smaller ids: a label that is easy to leak.
std::vector<TokenizedPair> somePairs(int64_t count) {
    std::vector<TokenizedPair> pairs;
    for (int64_t i = 0; i < count; ++i) {
        TokenizedPair pair;
        pair.chosen = {{1, 2 + i % 5, i, 9}, 2};
        pair.rejected = {{1, 2 + i % 5, i + 1000, 20, 21, 9}, 2};
        pair.weight = 1 + static_cast<double>(i % 3);
        pair.margin = 0.5 * static_cast<double>(i % 3);
        pair.softLabel = i % 7 == 0 ? 0.8 : 1;
        pairs.push_back(pair);
    }
    return pairs;
}

bool sameRows(const TokenizedRow& a, const TokenizedRow& b) {
    return a.ids == b.ids && a.start == b.start;
}

/// Does the label still call the short side the better one?
bool kept(const TokenizedPair& pair) {
    return pair.chosen.length() < pair.rejected.length();
}

std::vector<TokenizedPair> with(LabelControl control, std::vector<TokenizedPair> pairs, uint64_t seed,
                                LabelControlReport* report = nullptr) {
    const auto result = applyLabelControl(pairs, control, seed);
    if (report)
        *report = result;
    return pairs;
}

} // namespace

class TestLabelControl : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void noneChangesNothing() {
        const auto before = somePairs(50);
        LabelControlReport report;
        const auto after = with(LabelControl::None, before, 1, &report);
        QCOMPARE(report.labels, 0);
        QCOMPARE(report.exchanged, 0);
        for (size_t i = 0; i < before.size(); ++i) {
            QVERIFY(sameRows(before[i].chosen, after[i].chosen) &&
                    sameRows(before[i].rejected, after[i].rejected));
            QCOMPARE(after[i].softLabel, before[i].softLabel);
        }
    }

    void aShuffledLabelIsRightHalfOfTheTime() {
        // 2000 labels: four standard deviations of a fair coin are 0.045.
        for (uint64_t seed = 1; seed <= 5; ++seed) {
            LabelControlReport report;
            const auto after = with(LabelControl::Shuffle, somePairs(2000), seed, &report);
            const auto right = std::count_if(after.begin(), after.end(), kept);
            QCOMPARE(report.labels, 2000);
            QCOMPARE(report.exchanged, 2000 - right);
            QVERIFY2(std::abs(static_cast<double>(right) / 2000 - 0.5) < 0.045,
                     qPrintable(QString::number(right)));
        }
    }

    void invertedIsTheComplementLabelByLabel() {
        const auto shuffled = with(LabelControl::Shuffle, somePairs(301), 7);
        const auto inverted = with(LabelControl::ShuffleInverted, somePairs(301), 7);
        for (size_t i = 0; i < shuffled.size(); ++i) {
            QVERIFY(sameRows(shuffled[i].chosen, inverted[i].rejected));
            QVERIFY(sameRows(shuffled[i].rejected, inverted[i].chosen));
            QCOMPARE(shuffled[i].softLabel, inverted[i].softLabel);
            QCOMPARE(shuffled[i].margin, inverted[i].margin);
        }
    }

    void labelsAreDealtNotMade() {
        // The soft labels and margins there were are there afterwards, on other pairs; answers and weights
        // stay.
        const auto before = somePairs(301), after = with(LabelControl::Shuffle, before, 3);
        std::multiset<std::pair<double, double>> was, is;
        int64_t moved = 0;
        for (size_t i = 0; i < before.size(); ++i) {
            was.emplace(before[i].softLabel, before[i].margin);
            is.emplace(std::round(after[i].softLabel * 1e12) / 1e12, after[i].margin);
            moved += before[i].margin != after[i].margin;
            QCOMPARE(after[i].weight, before[i].weight);
            QVERIFY(sameRows(before[i].chosen, after[i].chosen) ||
                    sameRows(before[i].chosen, after[i].rejected));
        }
        QCOMPARE(is, was);
        QVERIFY(moved > 100);
    }

    void tiesStayTies() {
        auto pairs = somePairs(100);
        for (size_t i = 0; i < pairs.size(); i += 4)
            pairs[i].softLabel = 0.5;
        LabelControlReport report;
        const auto after = with(LabelControl::Shuffle, pairs, 1, &report);
        QCOMPARE(report.labels, 75);
        for (size_t i = 0; i < pairs.size(); ++i) {
            QCOMPARE(after[i].tie(), i % 4 == 0);
            if (i % 4 == 0)
                QVERIFY(sameRows(after[i].chosen, pairs[i].chosen));
        }
    }

    void dependsOnlyOnTheSeed() {
        const auto a = with(LabelControl::Shuffle, somePairs(200), 11),
                   b = with(LabelControl::Shuffle, somePairs(200), 11),
                   c = with(LabelControl::Shuffle, somePairs(200), 12);
        size_t same = 0, other = 0;
        for (size_t i = 0; i < a.size(); ++i) {
            same += kept(a[i]) == kept(b[i]);
            other += kept(a[i]) == kept(c[i]);
        }
        QCOMPARE(same, a.size());
        QVERIFY(other < a.size());
    }

    void namesAreThoseOfTheParameter() {
        QVERIFY(labelControlOf("none").value() == LabelControl::None);
        QVERIFY(labelControlOf("shuffle").value() == LabelControl::Shuffle);
        QVERIFY(labelControlOf("shuffle_inverted").value() == LabelControl::ShuffleInverted);
        QVERIFY(!labelControlOf("shuffled"));
    }
};

QTEST_GUILESS_MAIN(TestLabelControl)
#include "tst_label_control.moc"
