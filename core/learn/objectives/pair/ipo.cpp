// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// IPO: (a - b - 1/(2 beta))^2, on log-ratios per token (TRL, as its authors confirmed) or on sums (OpenRLHF).
/// Azar et al. 2023, "A General Theoretical Paradigm to Understand Learning from Human Preferences".
torch::Tensor ipoLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto target = 1 / (2 * o.beta);
    if (o.ipoNormalised)
        return (l.chosenRatio() / l.chosenCount - l.rejectedRatio() / l.rejectedCount - target).square();
    return (l.chosenRatio() - l.rejectedRatio() - target).square();
}

const PairLossRegistrar registered({.name = "ipo", .function = ipoLoss});

} // namespace
} // namespace pl::learn
