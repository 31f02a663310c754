// SPDX-License-Identifier: Apache-2.0
// The count of floating point operations against closed forms written out by hand.
#include <QtTest>

#include <torch/torch.h>

#include "core/learn/models/decoder.h"
#include "core/learn/models/flops.h"
#include "core/learn/sampling/sampler.h"
#include "core/learn/training/reference_cache.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

namespace {

// A position passes through 2 layers of q, o (16 x 16 each), k, v (16 x 8 each), gate, up, down (16 x 24
// each); a multiply-add is 2 operations.
constexpr double kMatrices = 2 * 2 * (2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 24);
// It compares itself with each position it sees (16 wide, all heads together) and adds that one's value up.
constexpr double kSeen = 2 * 2 * (2 * 16);
constexpr double kHead = 2 * 16 * 50;

// What is read of the last layer goes through its o and MLP; of other positions it computes attention alone.
constexpr double kLast = 2 * (16 * 16 + 3 * 16 * 24);

/// One row of `length` positions, each seeing itself and what is before it: 1 + 2 + ... + length. The hidden states of `read` are read;
/// without, of all.
double row(int64_t length, int64_t read = -1) {
    const auto n = static_cast<double>(length);
    return n * kMatrices + n * (n + 1) / 2 * kSeen - (read < 0 ? 0 : n - static_cast<double>(read)) * kLast;
}

Decoder model(bool rewardHead = false) {
    auto config = tiny();
    config.rewardHead = rewardHead;
    Decoder out(config);
    out->initialise(3);
    return out;
}

TokenBatch batchOf(int64_t rows, int64_t time, std::vector<int64_t> lengths) {
    return {torch::randint(0, 50, {rows, time}, torch::kInt64), torch::tensor(lengths, torch::kInt64)};
}

} // namespace

class TestFlops : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() { takeFlops(); }

    void takingEmptiesTheCount() {
        countFlops(3);
        countFlops(4);
        QCOMPARE(takeFlops(), 7.0);
        QCOMPARE(takeFlops(), 0.0);
    }

    void forwardCountsEveryPositionThatIsComputed() {
        torch::NoGradGuard noGrad;
        auto m = model();
        m->hidden(batchOf(3, 9, {9, 4, 2})); // padded positions are computed, so they count
        QCOMPARE(takeFlops(), 3 * row(9));
    }

    void onlyCompletionsReachTheVocabularyHead() {
        torch::NoGradGuard noGrad;
        auto m = model();
        completionLogps(m, batchOf(3, 9, {9, 4, 6}), torch::tensor({5, 1, 4}, torch::kInt64));
        QCOMPARE(takeFlops(), row(9, 4) + row(9, 3) + row(9, 2) + (4 + 3 + 2) * kHead);
    }

    void backwardIsTwiceForwardAndCountsWhenItHappens() {
        auto m = model();
        const auto logps = completionLogps(m, batchOf(2, 7, {7, 5}), torch::tensor({2, 3}, torch::kInt64));
        const double forward = row(7, 5) + row(7, 2) + (5 + 2) * kHead;
        QCOMPARE(takeFlops(), forward);
        logps.sums().sum().backward();
        QCOMPARE(takeFlops(), 2 * forward);
    }

    void scoresAddTheirOneNumberARow() {
        auto m = model(true);
        const auto scores = m->scores(batchOf(3, 6, {6, 2, 4}));
        const double forward = 3 * row(6, 1) + 3 * 2 * 16;
        QCOMPARE(takeFlops(), forward);
        scores.sum().backward();
        QCOMPARE(takeFlops(), 2 * forward);
    }

    void samplingReadsEqualPromptsOnceAndLooksAtEachRowsOwnPast() {
        auto m = model();
        SamplingOptions options;
        options.maxNewTokens = 4; // no stop ids: every row runs to the end
        const std::vector<int64_t> a{1, 2, 3}, b{4, 5, 6, 7, 8};
        QVERIFY(sampleBatch(m, {a, b, a}, options));
        // Two different prompts padded to 5; then three rows three times, after 3, 3 and 5 tokens; the head once a prompt and once
        // a row and step.
        const double seen = 2 * (4 + 5 + 6) + (6 + 7 + 8);
        QCOMPARE(takeFlops(), 2 * row(5, 1) + 3 * 3 * kMatrices + seen * kSeen + (2 + 3 * 3) * kHead);
    }

    void aPromptIsReadOnceThoughItsAnswersBeginAtDifferentTimes() {
        auto m = model();
        SamplingOptions options;
        options.maxNewTokens = 4;
        options.batchSize = 2;
        const std::vector<int64_t> a{1, 2, 3};
        QVERIFY(sampleBatch(m, std::vector<std::vector<int64_t>>(5, a), options)); // two, two and one
        QCOMPARE(takeFlops(), row(3, 1) + kHead + 5 * (3 * kMatrices + (4 + 5 + 6) * kSeen + 3 * kHead));
    }

    /// A window of 4: the fifth position on sees no more.
    void windowsAreCountedWhereTheyCut() {
        auto config = tiny();
        config.windows = {4, 0};
        Decoder m(config);
        m->initialise(3);
        SamplingOptions options;
        options.maxNewTokens = 4;
        QVERIFY(sampleBatch(m, {{1, 2, 3}}, options));
        const double seen = (4 + 5 + 6 + 4 + 4 + 4) / 2.0; // of both layers
        QCOMPARE(takeFlops(), row(3, 1) + 3 * kMatrices + seen * kSeen + 4 * kHead);
    }

    void finishedRowsAreNotComputedAnyMore() {
        auto m = model();
        SamplingOptions options;
        options.maxNewTokens = 8;
        for (int64_t id = 0; id < 50; ++id)
            options.stopIds.push_back(id); // the first token ends every row
        QVERIFY(sampleBatch(m, {{1, 2}, {3, 4}}, options));
        QCOMPARE(takeFlops(), 2 * row(2, 1) + 2 * kHead);
    }

    void theReferencePassKnowsItsCost() {
        auto m = model();
        std::vector<TokenizedPair> pairs(3);
        for (size_t i = 0; i < pairs.size(); ++i) {
            pairs[i].chosen = {std::vector<int64_t>(5 + i, 7), 2};
            pairs[i].rejected = {std::vector<int64_t>(4, 9), 2};
        }
        const auto reference = computeReference(m, pairs, 30);
        QVERIFY(reference);
        const double counted = takeFlops();
        QVERIFY(counted > 0);
        QCOMPARE(reference->flops, counted);
    }
};

QTEST_GUILESS_MAIN(TestFlops)
#include "tst_flops.moc"
