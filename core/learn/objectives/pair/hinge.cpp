// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// SLiC: max(0, 1 - z), z = beta (a - b) - margin. Zhao et al. 2023, "SLiC-HF"; its NLL term is the trainer's sft_weight.
torch::Tensor hingeLoss(const PairLogps& l, const PairLossOptions& o) {
    return torch::relu(1 - scaledMargin(l, o));
}

const PairLossRegistrar registered({.name = "hinge", .function = hingeLoss, .takesMargin = true});

} // namespace
} // namespace pl::learn
