// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// EXO: sigma(z) (log sigma(z) - log(1-e)) + sigma(-z) (log sigma(-z) - log e), e > 0.
/// Ji et al. 2024, "Towards Efficient Exact Optimization of Language Model Alignment".
torch::Tensor exoPairLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto z = scaledMargin(l, o);
    const double e = o.labelSmoothing;
    return torch::sigmoid(z) * (torch::log_sigmoid(z) - std::log1p(-e)) +
           torch::sigmoid(-z) * (torch::log_sigmoid(-z) - std::log(e));
}

const PairLossRegistrar registered({.name = "exo_pair", .function = exoPairLoss, .needsSmoothing = true});

} // namespace
} // namespace pl::learn
