// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// Robust DPO: (-(1-e) log sigma(z) + e log sigma(-z)) / (1 - 2e), unbiased when a share e of labels is flipped; may be
/// negative. Chowdhury et al. 2024, "Provably Robust DPO".
torch::Tensor robustLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto z = scaledMargin(l, o);
    const double e = o.labelSmoothing;
    return (-(1 - e) * torch::log_sigmoid(z) + e * torch::log_sigmoid(-z)) / (1 - 2 * e);
}

const PairLossRegistrar registered({.name = "robust", .function = robustLoss, .takesMargin = true});

} // namespace
} // namespace pl::learn
