// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

namespace pl::learn {

/// Bradley-Terry per pair [n]: -p log sigma(d - m) - (1-p) log sigma(-(d + m)), d = chosen - rejected, p the soft label
/// (undefined: 1; a tie has 1/2), m >= 0 a margin the better side must win by (undefined: 0).
torch::Tensor bradleyTerry(const torch::Tensor& chosen, const torch::Tensor& rejected,
                           const torch::Tensor& softLabels = {}, const torch::Tensor& margin = {});
/// (chosen + rejected)^2 per pair: keeps rewards centred at 0 (Eisenstein et al. 2023).
torch::Tensor rewardCentering(const torch::Tensor& chosen, const torch::Tensor& rejected);

} // namespace pl::learn
