// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <QtTest>

#include "core/base/hash.h"
#include "core/desk/stats/label_doctor.h"
#include "core/desk/stats/style.h"

using namespace pl;
using namespace pl::desk;

class TestLabelDoctor : public QObject {
    Q_OBJECT

    struct World {
        std::vector<ScoredLabel> labels;
        std::vector<bool> flipped;
    };
    /// Margins as a model of two standard deviations gives them, whose own errors are logistic; a share of labels exchanged.
    static World world(uint64_t seed, size_t n, double share, int64_t rater = 1) {
        World out;
        for (size_t i = 0; i < n; ++i) {
            const auto uniform = [&](uint64_t k) { return unitUniform(mix64(mix64(seed * 1000003 + i) + k)); };
            const double normal = std::sqrt(-2 * std::log(uniform(1) + 1e-12)) * std::cos(6.283185307 * uniform(2));
            const double u = uniform(3);
            const double truth = 2 * normal + std::log((u + 1e-12) / (1 - u + 1e-12)); // whether a is better
            const bool flip = uniform(4) < share;
            const bool sayA = (truth > 0) != flip;
            out.labels.push_back({rater, sayA ? 2 * normal : -2 * normal});
            out.flipped.push_back(flip);
        }
        return out;
    }

private Q_SLOTS:
    void probabilitiesAreThoseOfTheFormula() {
        const std::vector<ScoredLabel> labels{{1, 3}, {1, -1}, {1, 0.5}, {2, 2}, {2, -4}};
        const auto doubts = doubtLabels(labels, 5);
        double all = 0;
        for (size_t i = 0; i < labels.size(); ++i) {
            const double p = 1 / (1 + std::exp(-labels[i].margin / doubts.scale)), eta = doubts.reliability.at(labels[i].rater);
            QVERIFY(std::abs(doubts.right[i] - eta * p / (eta * p + (1 - eta) * (1 - p))) < 1e-6);
            all += doubts.right[i] / 5;
        }
        QVERIFY(std::abs(doubts.overall - std::clamp(all, 0.02, 0.999)) < 1e-6);
        const double first = (doubts.right[0] + doubts.right[1] + doubts.right[2] + 5 * doubts.overall) / 8;
        QVERIFY(std::abs(doubts.reliability.at(1) - std::clamp(first, 0.02, 0.999)) < 1e-6);
        QCOMPARE(mostDoubtful(doubts, 1), std::vector<size_t>{4});
        QVERIFY(doubtLabels({}).right.empty());
        QVERIFY(std::isfinite(doubtLabels({{1, 0}, {1, 0}}).right[0]));
    }

    /// Where the model is right in kind, the share of right labels is found.
    void theShareOfRightLabelsIsEstimated() {
        for (const uint64_t seed : {1, 2, 3})
            for (const double share : {0.1, 0.3}) {
                const auto w = world(seed, 4000, share);
                const double found = doubtLabels(w.labels).overall;
                QVERIFY2(std::abs(found - (1 - share)) < 0.05, qPrintable(QString::number(found)));
            }
    }

    void whoeverFlipsMoreIsLessReliable() {
        auto all = world(5, 600, 0.05, 1);
        const auto other = world(6, 600, 0.4, 2);
        all.labels.insert(all.labels.end(), other.labels.begin(), other.labels.end());
        const auto doubts = doubtLabels(all.labels);
        QVERIFY(std::abs(doubts.reliability.at(1) - 0.95) < 0.06);
        QVERIFY(std::abs(doubts.reliability.at(2) - 0.60) < 0.08);
        // The same margin is doubted more where it comes from the second.
        const auto same = doubtLabels({{1, 5}, {1, 5}, {1, 4}, {1, 5}, {2, -5}, {2, -5}, {2, -4}, {2, 5}, {1, -1}, {2, -1}}, 1);
        QVERIFY(same.right[9] < same.right[8]);
    }

    /// Of the tenth that is doubted most, far more than a tenth were exchanged.
    void exchangedLabelsComeFirst() {
        for (const uint64_t seed : {11, 12, 13}) {
            const auto w = world(seed, 1000, 0.1);
            int hits = 0;
            for (const size_t at : mostDoubtful(doubtLabels(w.labels), 100))
                hits += w.flipped[at];
            QVERIFY2(hits >= 35, qPrintable(QString::number(hits))); // chance: 10, sd 3
        }
    }

    void elementsOfStyleAreCounted() {
        const auto n = [](const char* text) { return styleOf(text).n; };
        QCOMPARE(n("# One\n## Two\n####### Seven\n#None\n text # no"), (std::array<int32_t, 4>{2, 0, 0, 0}));
        QCOMPARE(n("- a\n  * b\n+ c\n1. d\n 12. e\n-no\n1.no\n3 no"), (std::array<int32_t, 4>{0, 5, 0, 0}));
        QCOMPARE(n("**bold** and __this__, not ** this\nnor ** that"), (std::array<int32_t, 4>{0, 0, 2, 0}));
        QCOMPARE(n("**one** **two**"), (std::array<int32_t, 4>{0, 0, 2, 0}));
        QCOMPARE(n("**** x"), (std::array<int32_t, 4>{0, 0, 0, 0}));
        QCOMPARE(n("```\n# no\n- no\n**no**\n```\n# yes"), (std::array<int32_t, 4>{1, 0, 0, 1}));
        QCOMPARE(n("```\nnever closed\n- no"), (std::array<int32_t, 4>{0, 0, 0, 1}));
        QCOMPARE(n(""), (std::array<int32_t, 4>{0, 0, 0, 0}));
    }
};

QTEST_GUILESS_MAIN(TestLabelDoctor)
#include "tst_label_doctor.moc"
