// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// NCA on a pair: -log sigma(beta a) - 1/2 log sigma(-beta a) - 1/2 log sigma(-beta b).
/// Chen et al. 2024, "Noise Contrastive Alignment of Language Models with Explicit Rewards".
torch::Tensor ncaPairLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto a = o.beta * l.chosenRatio();
    const auto b = o.beta * l.rejectedRatio();
    return -torch::log_sigmoid(a) - 0.5 * torch::log_sigmoid(-a) - 0.5 * torch::log_sigmoid(-b);
}

const PairLossRegistrar registered({.name = "nca_pair", .function = ncaPairLoss});

} // namespace
} // namespace pl::learn
