// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// DiscoPOP: (1-m)(-log sigma(z)) + m e^-z, m = sigma(z / tau). Not convex: at tau 0.05 its slope at z = 0 is positive.
/// Lu et al. 2024, "Discovering Preference Optimization Algorithms with and for Large Language Models".
torch::Tensor discopopLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto z = scaledMargin(l, o);
    const auto gate = torch::sigmoid(z / o.discopopTau);
    return (1 - gate) * -torch::log_sigmoid(z) + gate * torch::exp(-z);
}

const PairLossRegistrar registered({.name = "discopop", .function = discopopLoss});

} // namespace
} // namespace pl::learn
