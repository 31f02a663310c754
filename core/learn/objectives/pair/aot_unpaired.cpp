// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// AOT on the two marginals: the logistic loss over ranks, sort(a) against sort(b). Values are per rank, not per pair.
/// Melnyk et al. 2024, "Distributional Preference Alignment of LLMs via Optimal Transport".
torch::Tensor aotUnpairedLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto chosen = std::get<0>(l.chosenRatio().sort());
    const auto rejected = std::get<0>(l.rejectedRatio().sort());
    return smoothedLogistic(o.beta * (chosen - rejected), o.labelSmoothing);
}

const PairLossRegistrar registered({.name = "aot_unpaired", .function = aotUnpairedLoss, .acrossPairs = true});

} // namespace
} // namespace pl::learn
