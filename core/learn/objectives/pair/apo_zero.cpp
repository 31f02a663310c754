// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// APO-zero: 1 - sigma(beta a) + sigma(beta b); raises chosen and lowers rejected. For chosen better than the model.
/// D'Oosterlinck et al. 2024, "Anchored Preference Optimization".
torch::Tensor apoZeroLoss(const PairLogps& l, const PairLossOptions& o) {
    return 1 - torch::sigmoid(o.beta * l.chosenRatio()) + torch::sigmoid(o.beta * l.rejectedRatio());
}

const PairLossRegistrar registered({.name = "apo_zero", .function = apoZeroLoss});

} // namespace
} // namespace pl::learn
