// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

namespace pl::learn {

/// Log-density of a sampler's Gaussian step as a mean over the elements of each row, [n], in fp32:
/// mean[ -(x' - mean)^2 / (2 std^2) - log std - log(2 pi)/2 ], x' detached, std one number a row [n].
/// The mean over D elements divides an ordinary log-ratio by D: clip ranges are small for that reason.
torch::Tensor stepLogProbability(const torch::Tensor& next, const torch::Tensor& mean, const torch::Tensor& deviation);

/// KL between two Gaussian steps of equal deviation [n], a mean over the elements: mean (mu - mu_ref)^2 / (2 std^2), exact.
/// Released code leaves -dt out of std^2; its weights are in other units.
torch::Tensor stepKl(const torch::Tensor& mean, const torch::Tensor& refMean, const torch::Tensor& deviation);

/// All [n]; but for the loss detached.
struct StepLoss {
    torch::Tensor loss;
    torch::Tensor ratio;       ///< exp(new - old): 1 on the first update
    torch::Tensor clippedLow;  ///< 1 where ratio < 1 - clip
    torch::Tensor clippedHigh; ///< 1 where ratio > 1 + clip
    torch::Tensor approxKl;    ///< (new - old)^2 / 2
};

/// max(-A rho, -A clip(rho, 1 - c, 1 + c)) of one denoising step of n images; every step of an image has its image's
/// advantage. Black et al. 2023, "Training diffusion models with reinforcement learning" (DDPO); Liu et al. 2025,
/// "Flow-GRPO: training flow matching models via online RL".
StepLoss clippedStepLoss(const torch::Tensor& newLogps, const torch::Tensor& oldLogps, const torch::Tensor& advantages,
                         double clipRange);

} // namespace pl::learn
