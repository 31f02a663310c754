// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// DPO: -(1-e) log sigma(z) - e log sigma(-z), z = beta (a - b) - margin; e > 0 is conservative DPO.
/// Rafailov et al. 2023, "Direct Preference Optimization"; Mitchell 2023 for e.
torch::Tensor sigmoidLoss(const PairLogps& l, const PairLossOptions& o) {
    return smoothedLogistic(scaledMargin(l, o), o.labelSmoothing);
}

const PairLossRegistrar registered({.name = "sigmoid", .function = sigmoidLoss, .takesMargin = true});

} // namespace
} // namespace pl::learn
