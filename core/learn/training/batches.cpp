// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/batches.h"

#include <algorithm>
#include <numeric>

#include "core/base/hash.h"

namespace pl::learn {

BatchPlan::BatchPlan(size_t examples, size_t batchSize, uint64_t seed)
    : m_examples(examples), m_batchSize(batchSize), m_seed(seed) {
    TORCH_CHECK(examples > 0 && batchSize > 0, "a batch plan needs examples and a batch size");
}

const std::vector<uint32_t>& BatchPlan::permutation(int64_t epoch) {
    if (epoch == m_epoch)
        return m_permutation;
    m_permutation.resize(m_examples);
    std::iota(m_permutation.begin(), m_permutation.end(), 0u);
    const uint64_t stream = mix64(m_seed ^ mix64(static_cast<uint64_t>(epoch) + 0x9e3779b97f4a7c15ull));
    for (size_t i = m_examples; i > 1; --i) {
        // 64 random bits modulo i: the bias is below 2^-32 for any data set that fits into memory.
        const auto j = static_cast<size_t>(mix64(stream + i) % i);
        std::swap(m_permutation[i - 1], m_permutation[j]);
    }
    m_epoch = epoch;
    return m_permutation;
}

std::vector<size_t> BatchPlan::batch(int64_t step) {
    std::vector<size_t> out;
    out.reserve(m_batchSize);
    for (size_t k = 0; k < m_batchSize; ++k) {
        const uint64_t position = static_cast<uint64_t>(step - 1) * m_batchSize + k;
        out.push_back(permutation(static_cast<int64_t>(position / m_examples))[position % m_examples]);
    }
    return out;
}

double BatchPlan::epochAt(int64_t step) const {
    return static_cast<double>(step) * static_cast<double>(m_batchSize) / static_cast<double>(m_examples);
}

std::vector<std::vector<size_t>> microBatches(const std::vector<size_t>& batch, const std::vector<int64_t>& lengths,
                                              int64_t tokenBudget) {
    std::vector<size_t> order(batch.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lengths[a] < lengths[b]; });
    std::vector<std::vector<size_t>> out;
    for (const size_t at : order) {
        // Rows come in rising length, so this row is the longest of its micro-batch.
        if (out.empty() || static_cast<int64_t>(out.back().size() + 1) * lengths[at] > tokenBudget)
            out.emplace_back();
        out.back().push_back(batch[at]);
    }
    return out;
}

RowBatch rowBatch(const std::vector<const TokenizedRow*>& rows, const torch::Device& device) {
    const auto n = static_cast<int64_t>(rows.size());
    int64_t longest = 0;
    for (const auto* row : rows)
        longest = std::max(longest, row->length());
    RowBatch out;
    auto ids = torch::zeros({n, longest}, torch::kInt64);
    auto lengths = torch::empty({n}, torch::kInt64);
    auto starts = torch::empty({n}, torch::kInt64);
    for (int64_t i = 0; i < n; ++i) {
        const auto& row = *rows[static_cast<size_t>(i)];
        std::copy(row.ids.begin(), row.ids.end(), ids.data_ptr<int64_t>() + i * longest);
        lengths.data_ptr<int64_t>()[i] = row.length();
        starts.data_ptr<int64_t>()[i] = row.start;
        out.realTokens += row.length();
        out.completionTokens += row.completionLength();
    }
    out.tokens = {ids.to(device), lengths.to(device)};
    out.starts = starts.to(device);
    return out;
}

} // namespace pl::learn
