// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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

/// Right-padded batch on the device, with the rows' completion starts.
struct RowBatch {
    TokenBatch tokens;
    torch::Tensor starts; ///< [batch] int64
    int64_t realTokens = 0, completionTokens = 0;
};
RowBatch rowBatch(const std::vector<const TokenizedRow*>& rows, const torch::Device& device);

} // namespace pl::learn
