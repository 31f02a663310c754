// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <vector>

/// Which labels are probably wrong, from the margins of reward models that were not trained on them.
namespace pl::desk {

/// A decided vote and what the models that do not know it say of it.
struct ScoredLabel {
    int64_t rater = 0;
    double margin = 0; ///< of the side that the vote prefers over the other; comparable over all labels
};

struct LabelDoubts {
    std::vector<double> right;           ///< a label each: probability that it is right
    std::map<int64_t, double> reliability; ///< of each rater: share of right labels
    double overall = 0;                  ///< of all
    double scale = 1;                    ///< margins are divided by it: P(a better than b) = sigmoid(margin / scale)
};
/// Expectation maximisation (Latent Collective Preference Optimization): with p = sigmoid(margin / scale),
/// w = eta p / (eta p + (1 - eta)(1 - p)) and eta = mean of w over the rater's labels, drawn towards that of all raters by
/// `priorLabels` labels, so that somebody with three votes is not called unreliable by one of them. The scale is the one under which the
/// labels are likeliest. Empty for no labels.
LabelDoubts doubtLabels(const std::vector<ScoredLabel>& labels, double priorLabels = 20);

/// Positions of the `most` labels with the smallest probability, the smallest first; ties in their order.
std::vector<size_t> mostDoubtful(const LabelDoubts& doubts, size_t most);

} // namespace pl::desk
