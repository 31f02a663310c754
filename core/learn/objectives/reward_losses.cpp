// SPDX-License-Identifier: Apache-2.0
#include "core/learn/objectives/reward_losses.h"

#include <torch/torch.h>

namespace pl::learn {

torch::Tensor bradleyTerry(const torch::Tensor& chosen, const torch::Tensor& rejected, const torch::Tensor& softLabels,
                           const torch::Tensor& margin) {
    const auto d = chosen - rejected;
    const auto won = margin.defined() ? d - margin.to(d.dtype()) : d;
    auto loss = -torch::log_sigmoid(won);
    if (!softLabels.defined())
        return loss;
    const auto lost = margin.defined() ? -d - margin.to(d.dtype()) : -d;
    const auto p = softLabels.to(d.dtype());
    return p * loss - (1 - p) * torch::log_sigmoid(lost);
}

torch::Tensor rewardCentering(const torch::Tensor& chosen, const torch::Tensor& rejected) {
    return (chosen + rejected).square();
}

} // namespace pl::learn
