// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

namespace pl::learn {

struct NftOptions {
    double beta = 1;         ///< how far the implicit positive policy is from the old one
    double advantageMax = 5; ///< A at which an image counts as good for sure
    double klWeight = 1e-4;  ///< of the mean squared difference of velocities to the reference
};

/// r = clip(A / (2 A_max) + 1/2, 0, 1): the probability that an image is one of the good ones.
torch::Tensor optimalityProbability(const torch::Tensor& advantages, double advantageMax);

/// One noised batch: the velocities of the trained, the rollout's and the reference net at (noised, level).
struct NftBatch {
    torch::Tensor velocity, oldVelocity;
    torch::Tensor refVelocity; ///< may be undefined when klWeight is 0
    torch::Tensor noised, image;
    torch::Tensor level;       ///< [n] t of x_t = (1 - t) x0 + t eps
    torch::Tensor probability; ///< [n] r
};

/// All [n].
struct NftLoss {
    torch::Tensor loss;       ///< to be averaged
    torch::Tensor policy;     ///< its first part, detached
    torch::Tensor unweighted; ///< r |x+ - x0|^2 + (1 - r) |x- - x0|^2 without the self-normalisation, detached
    torch::Tensor kl;         ///< mean (v - v_ref)^2, detached; undefined without a reference
    torch::Tensor oldKl;      ///< mean (v - v_old)^2, detached
};

/// DiffusionNFT. With v+ = beta v + (1 - beta) v_old, v- = (1 + beta) v_old - beta v, x+- = x_t - t v+-, and the
/// self-normalised error q(u) = mean (u - x0)^2 / max(detached mean |u - x0|, 1e-5):
///   A_max [ r q(x+) / beta + (1 - r) q(x-) / beta ] + lambda mean (v - v_ref)^2
/// No log-probabilities and no SDE: any sampler's clean images will do. At v = v_old, beta 1, r 1/2 the gradient is 0.
/// Zheng et al. 2025, "DiffusionNFT: online diffusion reinforcement with forward process", and its released form.
NftLoss diffusionNft(const NftBatch& batch, const NftOptions& options);

} // namespace pl::learn
