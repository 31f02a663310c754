// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/learn/models/packed.h"

namespace pl::learn::kernels {

/// Causal attention inside the segments of packed sequences. q [tokens, heads, dim], k and v [tokens, kvHeads, dim]; the result
/// is like q. A position looks at its segment's prefix and at its segment up to itself; with a window above 0 at the last `window`
/// of those. `scale` takes the place of 1 / sqrt(dim). Every pair of segment and prefix is read where it lies: no keys are
/// repeated for the query heads that share them, no scores of positions that see nothing of each other are computed, and the backward
/// pass keeps one number a row and head (Dao et al. 2022, arXiv:2205.14135). Differentiable once; results do not depend on the
/// number of threads. The CPU in fp32 (packedAttentionFits); elsewhere plainAttention.
/// With `from` (Asked) q and the result have those positions of each segment alone, [asked, heads, dim].
torch::Tensor packedAttention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, const Segments& segments,
                              int64_t window, std::optional<double> scale, const std::vector<int64_t>* from = nullptr);
bool packedAttentionFits(const torch::Tensor& q);

/// The same by ATen's scaled_dot_product_attention, one call for all segments of equal shape: any device and type.
torch::Tensor plainAttention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v, const Segments& segments,
                             int64_t window, std::optional<double> scale);

} // namespace pl::learn::kernels
