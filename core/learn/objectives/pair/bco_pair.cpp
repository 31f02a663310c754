// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// BCO on a pair, without a running shift: -log sigma(beta a) - log sigma(-beta b).
/// Jung et al. 2024, "Binary Classifier Optimization for Large Language Model Alignment".
torch::Tensor bcoPairLoss(const PairLogps& l, const PairLossOptions& o) {
    return -torch::log_sigmoid(o.beta * l.chosenRatio()) - torch::log_sigmoid(-o.beta * l.rejectedRatio());
}

const PairLossRegistrar registered({.name = "bco_pair", .function = bcoPairLoss});

} // namespace
} // namespace pl::learn
