// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// APO-down: sigma(beta a) + 1 - sigma(z); lowers both, rejected more. For chosen worse than the model.
/// D'Oosterlinck et al. 2024, "Anchored Preference Optimization".
torch::Tensor apoDownLoss(const PairLogps& l, const PairLossOptions& o) {
    return torch::sigmoid(o.beta * l.chosenRatio()) + 1 - torch::sigmoid(scaledMargin(l, o));
}

const PairLossRegistrar registered({.name = "apo_down", .function = apoDownLoss});

} // namespace
} // namespace pl::learn
