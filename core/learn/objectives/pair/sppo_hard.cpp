// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// SPPO with hard labels: (a - 1/(2 beta))^2 + (b + 1/(2 beta))^2. Wu et al. 2024, "Self-Play Preference Optimization".
torch::Tensor sppoHardLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto target = 1 / (2 * o.beta);
    return (l.chosenRatio() - target).square() + (l.rejectedRatio() + target).square();
}

const PairLossRegistrar registered({.name = "sppo_hard", .function = sppoHardLoss});

} // namespace
} // namespace pl::learn
