// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

/// Operations of the decoder that are fused for the CPU (fp32), because a small model spends its time in memory traffic
/// and call overhead; other devices and types take the same formula through ATen. All are differentiable once.
namespace pl::learn::kernels {

/// x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467).
torch::Tensor rmsNorm(const torch::Tensor& x, const torch::Tensor& weight, double eps);

/// silu(gate) * up, the middle of a gated MLP; only its inputs are kept for the backward pass.
torch::Tensor gatedSilu(const torch::Tensor& gate, const torch::Tensor& up);

/// Rotary positions in the half-split form of Llama (Su et al. 2021, arXiv:2104.09864). x [batch, time, heads, dim];
/// cos, sin [time, dim/2], or [batch, dim/2] when `perRow` (time 1).
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin, bool perRow);

/// log softmax(hidden weight^T / temperature)[target] for each row, fp32, in chunks: the full logits of large inputs are
/// recomputed in the backward pass instead of being kept. `entropy` (detached) is filled when given. With `half`, the weight in
/// bf16, the products are in bf16; logits and all that is made of them are fp32.
torch::Tensor targetLogps(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& targets,
                          double temperature, torch::Tensor* entropy, const torch::Tensor& half = {});

} // namespace pl::learn::kernels
