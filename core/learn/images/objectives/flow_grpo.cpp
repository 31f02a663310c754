// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/objectives/flow_grpo.h"

#include <cmath>

#include <torch/torch.h>

namespace pl::learn {

namespace {

const double kHalfLogTwoPi = 0.5 * std::log(2 * M_PI);

} // namespace

torch::Tensor stepLogProbability(const torch::Tensor& next, const torch::Tensor& mean, const torch::Tensor& deviation) {
    const auto std = deviation.to(mean.dtype());
    const auto squares = (next.detach() - mean).square().flatten(1).mean(1);
    return -squares / (2 * std.square()) - std.log() - kHalfLogTwoPi;
}

torch::Tensor stepKl(const torch::Tensor& mean, const torch::Tensor& refMean, const torch::Tensor& deviation) {
    return (mean - refMean).square().flatten(1).mean(1) / (2 * deviation.to(mean.dtype()).square());
}

StepLoss clippedStepLoss(const torch::Tensor& newLogps, const torch::Tensor& oldLogps, const torch::Tensor& advantages,
                         double clipRange) {
    const auto difference = newLogps - oldLogps;
    const auto ratio = torch::exp(difference);
    const auto a = advantages.to(ratio.dtype());
    StepLoss out;
    out.loss = torch::maximum(-a * ratio, -a * ratio.clamp(1 - clipRange, 1 + clipRange));
    out.ratio = ratio.detach();
    out.clippedLow = (out.ratio < 1 - clipRange).to(torch::kFloat32);
    out.clippedHigh = (out.ratio > 1 + clipRange).to(torch::kFloat32);
    out.approxKl = 0.5 * difference.detach().square();
    return out;
}

} // namespace pl::learn
