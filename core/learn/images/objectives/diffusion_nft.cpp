// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/objectives/diffusion_nft.h"

#include <torch/torch.h>

#include "core/learn/images/objectives/diffusion_dpo.h"

namespace pl::learn {

namespace {

constexpr double kSmallestScale = 1e-5;

struct Side {
    torch::Tensor normalised, plain; ///< [n]
};

Side sideError(const torch::Tensor& velocity, const NftBatch& batch, const torch::Tensor& level) {
    const auto predicted = batch.noised - level * velocity;
    const auto plain = denoisingError(predicted, batch.image);
    const auto scale =
        (predicted.detach() - batch.image).abs().flatten(1).mean(1).clamp_min(kSmallestScale);
    return {plain / scale, plain.detach()};
}

} // namespace

torch::Tensor optimalityProbability(const torch::Tensor& advantages, double advantageMax) {
    return (advantages / (2 * advantageMax) + 0.5).clamp(0, 1);
}

NftLoss diffusionNft(const NftBatch& batch, const NftOptions& options) {
    const auto level = batch.level.view({-1, 1, 1, 1});
    const auto r = batch.probability.to(batch.velocity.dtype());
    const double beta = options.beta;
    const auto positive = sideError(beta * batch.velocity + (1 - beta) * batch.oldVelocity, batch, level);
    const auto negative = sideError((1 + beta) * batch.oldVelocity - beta * batch.velocity, batch, level);
    NftLoss out;
    out.loss = options.advantageMax * (r * positive.normalised + (1 - r) * negative.normalised) / beta;
    out.policy = out.loss.detach();
    out.unweighted = r * positive.plain + (1 - r) * negative.plain;
    out.oldKl = denoisingError(batch.velocity.detach(), batch.oldVelocity);
    if (batch.refVelocity.defined()) {
        const auto kl = denoisingError(batch.velocity, batch.refVelocity);
        out.kl = kl.detach();
        if (options.klWeight != 0)
            out.loss = out.loss + options.klWeight * kl;
    }
    return out;
}

} // namespace pl::learn
