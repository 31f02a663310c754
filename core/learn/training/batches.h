// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/learn/models/decoder.h"

namespace pl::learn {

/// Which examples step i trains on: the endless row of epochs, each a permutation of all examples drawn from (seed, epoch),
/// cut into batches. A pure function of the step, so a resumed run needs no saved position.
class BatchPlan {
public:
    BatchPlan(size_t examples, size_t batchSize, uint64_t seed);
    /// Indices for step `step` >= 1; a batch may reach into the next epoch.
    std::vector<size_t> batch(int64_t step);
    double epochAt(int64_t step) const;

private:
    const std::vector<uint32_t>& permutation(int64_t epoch);
    size_t m_examples, m_batchSize;
    uint64_t m_seed;
    int64_t m_epoch = -1;
    std::vector<uint32_t> m_permutation;
};

/// Splits a batch into micro-batches of similar length: sorted by length, then as many rows each as fit into
/// tokenBudget padded positions (at least one). lengths[i] is the padded cost of batch[i].
std::vector<std::vector<size_t>> microBatches(const std::vector<size_t>& batch, const std::vector<int64_t>& lengths,
                                              int64_t tokenBudget);

/// Ids of a prompt and its completion; the completion starts at `start` and ends with the end token.
struct TokenizedRow {
    std::vector<int64_t> ids;
    int64_t start = 0;
    int64_t length() const { return static_cast<int64_t>(ids.size()); }
    int64_t completionLength() const { return length() - start; }
};

/// How the rows of a batch lie in memory. The numbers computed from them are the same.
struct RowLayout {
    bool packed = false;       ///< end to end; else right-padded to the longest
    bool sharePrompts = true;  ///< packed: ids up to `start` that rows have in common are there once
    bool lastTokens = false;   ///< packed: the rows' last tokens too, which predict nothing but are what a score is read from
};

/// Rows on the device, in one of the two layouts.
struct RowBatch {
    TokenBatch tokens;                 ///< padded
    torch::Tensor starts;              ///< [batch] int64: where completions begin
    std::optional<PackedBatch> packed; ///< in place of both
    int64_t realTokens = 0, completionTokens = 0; ///< of the rows, what they share counted for each
    int64_t computed = 0;              ///< positions the model goes over
};
RowBatch rowBatch(const std::vector<const TokenizedRow*>& rows, const torch::Device& device, const RowLayout& layout = {});

/// completionLogps and scores of either layout.
CompletionLogps completionLogps(Decoder& model, const RowBatch& batch, bool withEntropy = false, double temperature = 1.0);
torch::Tensor scores(Decoder& model, const RowBatch& batch);

/// Splits a batch into micro-batches of at most tokenBudget positions, at least one row each: padded ones as microBatches() does it,
/// packed ones in the batch's order, where a prompt counts once for neighbours that share it. row(batch[i]) is a row's ids.
std::vector<std::vector<size_t>> rowParts(const std::vector<size_t>& batch, const std::function<const TokenizedRow&(size_t)>& row,
                                          const RowLayout& layout, int64_t tokenBudget);
/// Splits a batch in its order into parts of at most tokenBudget tokens, at least one each. tokens[i] are those of batch[i], of which
/// shared[i] are the ones before's already when it is in the same part; no `shared`: none.
std::vector<std::vector<size_t>> packedParts(const std::vector<size_t>& batch, const std::vector<int64_t>& tokens,
                                             const std::vector<int64_t>& shared, int64_t tokenBudget);

} // namespace pl::learn
