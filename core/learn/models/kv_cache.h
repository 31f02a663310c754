// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

namespace pl::learn {

/// Keys and values of past positions, preallocated: per layer [rows, kvHeads, capacity, headDim]. A row's position is its slot,
/// so rows of any length stand beside each other, and one leaves without the others noticing. The rows in use are the first ones.
struct KvCache {
    std::vector<torch::Tensor> keys, values;
    std::vector<int64_t> lengths; ///< filled slots of each row in use
    int64_t capacity = 0;         ///< slots of a row

    int64_t used() const { return static_cast<int64_t>(lengths.size()); }
    /// Row `to`, one in use or the next one, becomes the first `length` positions of row `from`.
    void copyRow(int64_t from, int64_t to, int64_t length);
    /// The last row in use takes the place of `row`.
    void removeRow(int64_t row);
    /// Keeps (or repeats) the given rows in this order.
    void selectRows(const std::vector<int64_t>& rows);
};

/// Attention of one new position a row over that row's own past and itself, for the CPU in fp32 (decodeAttentionFits): scores of
/// other rows' lengths are not computed, and heads that share keys read them in place. q [rows, heads, dim]; keys, values
/// [rows or more, kvHeads, capacity, dim]; row i looks at slots up to lengths[i], the last `window` of them when window > 0.
/// Returns [rows, heads * dim]. Counts its work (countFlops).
torch::Tensor decodeAttention(const torch::Tensor& q, const torch::Tensor& keys, const torch::Tensor& values,
                              const std::vector<int64_t>& lengths, int64_t window, double scale);
bool decodeAttentionFits(const torch::Tensor& q);

} // namespace pl::learn
