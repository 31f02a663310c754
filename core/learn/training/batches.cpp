// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/batches.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "core/base/deal.h"

namespace pl::learn {

BatchPlan::BatchPlan(size_t examples, size_t batchSize, uint64_t seed)
    : m_examples(examples), m_batchSize(batchSize), m_seed(seed) {
    TORCH_CHECK(examples > 0 && batchSize > 0, "a batch plan needs examples and a batch size");
}

const std::vector<uint32_t>& BatchPlan::permutation(int64_t epoch) {
    if (epoch == m_epoch)
        return m_permutation;
    m_permutation = dealtOrder(m_examples, m_seed, epoch);
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

namespace {

/// The bytes of a row's prompt.
std::string_view promptOf(const TokenizedRow& row) {
    return {reinterpret_cast<const char*>(row.ids.data()), static_cast<size_t>(row.start) * sizeof(int64_t)};
}

PackedBatch packed(const std::vector<const TokenizedRow*>& rows, const torch::Device& device, const RowLayout& layout) {
    std::vector<std::vector<size_t>> families; // rows with one prompt
    std::unordered_map<std::string_view, size_t> known;
    for (size_t i = 0; i < rows.size(); ++i) {
        const auto [at, fresh] = known.try_emplace(promptOf(*rows[i]), families.size());
        if (fresh || !layout.sharePrompts)
            families.push_back({i});
        else
            families[at->second].push_back(i);
    }
    Segments segments;
    std::vector<int64_t> ids, positions, sources, targets, slots, last(rows.size());
    PackedBatch out;
    out.rows = static_cast<int64_t>(rows.size());
    for (const auto* row : rows)
        out.width = std::max(out.width, row->completionLength());
    const auto lay = [&](const TokenizedRow& row, int64_t from, int64_t to, int64_t prefix) {
        const auto begin = static_cast<int64_t>(ids.size());
        if (to > from)
            segments.push_back({begin, to - from, prefix});
        for (int64_t t = from; t < to; ++t) {
            ids.push_back(row.ids[static_cast<size_t>(t)]);
            positions.push_back(t);
        }
        out.tokens.longest = std::max(out.tokens.longest, to);
        return begin;
    };
    for (const auto& family : families) {
        const auto prefix = static_cast<int64_t>(segments.size());
        const int64_t start = family.size() > 1 ? rows[family[0]]->start : 0;
        const int64_t prompt = start > 0 ? lay(*rows[family[0]], 0, start, -1) : 0;
        for (const size_t i : family) {
            const auto& row = *rows[i];
            TORCH_CHECK(row.start >= 1 && row.start < row.length(), "row ", i, ": the completion does not lie after a first token");
            const int64_t begin = lay(row, start, row.length() - (layout.lastTokens ? 0 : 1), start > 0 ? prefix : -1);
            const auto place = [&](int64_t t) { return t < start ? prompt + t : begin + t - start; };
            for (int64_t t = row.start; t < row.length(); ++t) {
                sources.push_back(place(t - 1));
                targets.push_back(row.ids[static_cast<size_t>(t)]);
                slots.push_back(static_cast<int64_t>(i) * out.width + t - row.start);
            }
            last[i] = place(row.length() - 1);
        }
    }
    const auto tensor = [&](const std::vector<int64_t>& values) { return torch::tensor(values, torch::kInt64).to(device); };
    out.tokens.ids = tensor(ids);
    out.tokens.positions = tensor(positions);
    out.tokens.segments = std::make_shared<const Segments>(std::move(segments));
    out.sources = tensor(sources);
    out.targets = tensor(targets);
    out.slots = tensor(slots);
    if (layout.lastTokens)
        out.last = tensor(last);
    return out;
}

} // namespace

RowBatch rowBatch(const std::vector<const TokenizedRow*>& rows, const torch::Device& device, const RowLayout& layout) {
    const auto n = static_cast<int64_t>(rows.size());
    int64_t longest = 0;
    RowBatch out;
    for (const auto* row : rows) {
        longest = std::max(longest, row->length());
        out.realTokens += row->length();
        out.completionTokens += row->completionLength();
    }
    if (layout.packed) {
        out.packed = packed(rows, device, layout);
        out.computed = out.packed->tokens.ids.numel();
        return out;
    }
    out.computed = n * longest;
    auto ids = torch::zeros({n, longest}, torch::kInt64);
    auto lengths = torch::empty({n}, torch::kInt64);
    auto starts = torch::empty({n}, torch::kInt64);
    for (int64_t i = 0; i < n; ++i) {
        const auto& row = *rows[static_cast<size_t>(i)];
        std::copy(row.ids.begin(), row.ids.end(), ids.data_ptr<int64_t>() + i * longest);
        lengths.data_ptr<int64_t>()[i] = row.length();
        starts.data_ptr<int64_t>()[i] = row.start;
    }
    out.tokens = {ids.to(device), lengths}; // lengths and starts are read on the host: on a GPU each reading would wait for it
    out.starts = starts;
    return out;
}

CompletionLogps completionLogps(Decoder& model, const RowBatch& batch, bool withEntropy, double temperature) {
    return batch.packed ? completionLogps(model, *batch.packed, withEntropy, temperature)
                        : completionLogps(model, batch.tokens, batch.starts, withEntropy, temperature);
}

torch::Tensor scores(Decoder& model, const RowBatch& batch) {
    return batch.packed ? model->scores(*batch.packed) : model->scores(batch.tokens);
}

std::vector<std::vector<size_t>> packedParts(const std::vector<size_t>& batch, const std::vector<int64_t>& tokens,
                                             const std::vector<int64_t>& shared, int64_t tokenBudget) {
    std::vector<std::vector<size_t>> out;
    int64_t used = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
        const int64_t more = tokens[i] - (shared.empty() ? 0 : shared[i]);
        if (out.empty() || used + more > tokenBudget) {
            out.emplace_back();
            used = tokens[i];
        } else {
            used += more;
        }
        out.back().push_back(batch[i]);
    }
    return out;
}

std::vector<std::vector<size_t>> rowParts(const std::vector<size_t>& batch, const std::function<const TokenizedRow&(size_t)>& row,
                                          const RowLayout& layout, int64_t tokenBudget) {
    std::vector<int64_t> lengths, shared;
    for (size_t i = 0; i < batch.size(); ++i) {
        const auto& own = row(batch[i]);
        lengths.push_back(own.length());
        shared.push_back(layout.sharePrompts && i > 0 && promptOf(own) == promptOf(row(batch[i - 1])) ? own.start : 0);
    }
    return layout.packed ? packedParts(batch, lengths, shared, tokenBudget) : microBatches(batch, lengths, tokenBudget);
}

} // namespace pl::learn
