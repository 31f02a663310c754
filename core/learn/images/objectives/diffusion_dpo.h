// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <torch/types.h>

#include "core/base/result.h"

namespace pl::learn {

/// Mean squared error over all elements of each row, [n]: what every image objective calls an error. The mean and not the
/// sum (as the papers write) because it does not depend on the resolution; betas are in these units.
torch::Tensor denoisingError(const torch::Tensor& prediction, const torch::Tensor& target);

/// Errors of the policy and of the frozen reference on both sides of n pairs, all [n]. Both sides and both models see the same
/// noise level and the same noise. The target is the noise (epsilon form) or noise - image (flow form): the objective is the
/// same.
struct DenoisingErrors {
    torch::Tensor chosen, rejected, refChosen, refRejected;
    /// w_diff: below 0 when the policy denoises the better image better than the reference.
    torch::Tensor chosenDifference() const { return chosen - refChosen; }
    /// l_diff
    torch::Tensor rejectedDifference() const { return rejected - refRejected; }
};

enum class DiffusionPairLoss { Sigmoid, Hinge, Ipo };
Result<DiffusionPairLoss> diffusionPairLossOf(std::string_view name); ///< sigmoid | hinge | ipo

struct DiffusionDpoOptions {
    DiffusionPairLoss loss = DiffusionPairLoss::Sigmoid;
    double beta = 2000;
    double winnerAnchor = 0; ///< times beta max(0, w_diff): a winner must not be denoised worse than before
};

/// -(beta/2) (w_diff - l_diff), [n]: the implicit margin in favour of the chosen side.
torch::Tensor diffusionMargin(const DenoisingErrors& errors, double beta);

/// Diffusion-DPO per pair [n], to be averaged by the caller (never the margins before the logarithm). With z the margin:
///   sigmoid  -log sigma(z)       ln 2 where policy and reference agree; d/d chosen error = +beta/4, rejected -beta/4 there
///   hinge    max(0, 1 - z)
///   ipo      (z - 1/2)^2         beta^2 times (h - 1/(2 beta))^2 with h = z / beta
/// plus the winner anchor. `softLabels` [n]: probability that chosen is the better one (undefined: 1; a tie has 1/2);
/// p l(chosen, rejected) + (1 - p) l(rejected, chosen).
/// Wallace et al. 2023, "Diffusion model alignment using direct preference optimization" (code form: the 1/2 and the mean over
/// elements); Liu et al. 2025, "Improving video generation with human feedback" (flow form, constant beta); Azar et al. 2023
/// (ipo); Zhao et al. 2023 (hinge).
torch::Tensor diffusionDpo(const DenoisingErrors& errors, const DiffusionDpoOptions& options,
                           const torch::Tensor& softLabels = {});

/// The control: ordinary denoising training on the better images alone, [n] (RAFT, Dong et al. 2023, with the person as the
/// ranker). It sees what a person liked but not against what. `softLabels` weight the two sides, p to chosen.
torch::Tensor winnerSft(const DenoisingErrors& errors, const torch::Tensor& softLabels = {});

} // namespace pl::learn
