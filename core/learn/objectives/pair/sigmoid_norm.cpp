// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// Length-normalised DPO: -log sigma(beta (a/n+ - b/n-)). Wants a larger beta (Tulu 3 uses 5).
/// Lambert et al. 2024, "Tulu 3".
torch::Tensor sigmoidNormLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto perToken = l.chosenRatio() / l.chosenCount - l.rejectedRatio() / l.rejectedCount;
    return -torch::log_sigmoid(o.beta * perToken);
}

const PairLossRegistrar registered({.name = "sigmoid_norm", .function = sigmoidNormLoss});

} // namespace
} // namespace pl::learn
