// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <torch/types.h>

#include "core/base/result.h"

namespace pl::learn {

/// What every pair objective sees: log-probabilities of the completions summed over their tokens (end token included,
/// prompt and padding excluded), under the policy and under the frozen reference, and the completions' lengths. All [n].
struct PairLogps {
    torch::Tensor chosenSum, rejectedSum;
    torch::Tensor refChosenSum, refRejectedSum;
    torch::Tensor chosenCount, rejectedCount;

    torch::Tensor chosenRatio() const { return chosenSum - refChosenSum; }
    torch::Tensor rejectedRatio() const { return rejectedSum - refRejectedSum; }
    /// The same pairs with the sides exchanged.
    PairLogps swapped() const;
};

struct PairLossOptions {
    double beta = 0.1;           ///< > 0: how far the policy may move from the reference
    double labelSmoothing = 0.0; ///< assumed probability that a label is wrong, [0, 0.5)
    bool ipoNormalised = true;   ///< ipo on per-token means (TRL) instead of sums (OpenRLHF)
    double discopopTau = 0.05;
    torch::Tensor margin; ///< [n] or undefined: subtracted from the scaled margin of sigmoid and hinge
};

/// A per-pair loss [n]: pure, differentiable in chosenSum and rejectedSum.
using PairLossFunction = torch::Tensor (*)(const PairLogps&, const PairLossOptions&);

struct PairLoss {
    std::string name; ///< TRL's loss_type
    PairLossFunction function = nullptr;
    /// Compares pairs with each other (sorting): the pairs of a step must not be split, soft labels do not apply.
    bool acrossPairs = false;
    bool needsSmoothing = false; ///< undefined at label smoothing 0
    bool takesMargin = false;
};

/// One static object in core/learn/objectives/pair/<name>.cpp adds a loss.
struct PairLossRegistrar {
    explicit PairLossRegistrar(PairLoss loss);
};

/// Sorted by name.
const std::vector<PairLoss>& pairLosses();
/// Fails naming the known ones.
Result<PairLoss> findPairLoss(std::string_view name);
/// Options against the loss: "exo_pair needs label_smoothing above 0".
Status checkPairLoss(const PairLoss& loss, const PairLossOptions& options, bool withSoftLabels, bool withMargin);

/// Per-pair losses with soft labels [n] (probability that chosen is the better one; undefined: all 1):
/// p l(chosen, rejected) + (1 - p) l(rejected, chosen). A tie has p = 1/2.
torch::Tensor pairLoss(const PairLoss& loss, const PairLogps& logps, const PairLossOptions& options,
                       const torch::Tensor& softLabels = {});

/// beta (a - b) - margin, with a and b the log-ratios of the two sides.
torch::Tensor scaledMargin(const PairLogps& logps, const PairLossOptions& options);
/// -(1 - e) log sigma(z) - e log sigma(-z)
torch::Tensor smoothedLogistic(const torch::Tensor& z, double smoothing);

} // namespace pl::learn
