// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// AOT on pairs: the logistic loss over ranks, sort(C - R) against sort(C_ref - R_ref). Values are per rank, not per pair.
/// Melnyk et al. 2024, "Distributional Preference Alignment of LLMs via Optimal Transport".
torch::Tensor aotLoss(const PairLogps& l, const PairLossOptions& o) {
    const auto policy = std::get<0>((l.chosenSum - l.rejectedSum).sort());
    const auto reference = std::get<0>((l.refChosenSum - l.refRejectedSum).sort());
    return smoothedLogistic(o.beta * (policy - reference), o.labelSmoothing);
}

const PairLossRegistrar registered({.name = "aot", .function = aotLoss, .acrossPairs = true});

} // namespace
} // namespace pl::learn
