// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

/// Rewards of images of one prompt against each other. Tensors [n] hold whole groups one after another.
namespace pl::learn {

struct ImageAdvantages {
    torch::Tensor advantages; ///< [n]
    torch::Tensor kept;       ///< [n] bool: in a group whose rewards differ; the others teach nothing and are dropped
    double zeroStdRatio = 0;  ///< share of groups that were dropped
    double meanGroupStd = 0;
};

/// (r - group mean) / (std + eps), the deviation over the group or, `globalStd`, over all rewards (population form, as Flow-GRPO
/// computes it), clipped to +-clip. Rewards must be finite.
/// Shao et al. 2024 (GRPO); Liu et al. 2025 (Flow-GRPO: global_std, clip 5, dropped groups).
ImageAdvantages imageAdvantages(const torch::Tensor& rewards, int64_t groupSize, bool globalStd, double clip = 5,
                                double eps = 1e-4);

/// Pref-GRPO: each image's share of wins against the others of its group, a tie half, [n]; sums to G/2 in every group.
/// Scores closer than `band` are a tie. Wang et al. 2025, "Pref-GRPO: pairwise preference reward-based GRPO".
torch::Tensor winRatesFromScores(const torch::Tensor& scores, int64_t groupSize, double band = 0);
/// The Bradley-Terry form: the mean over the others of sigma(s_i - s_j). Does not depend on the scale's origin.
torch::Tensor softWinRates(const torch::Tensor& scores, int64_t groupSize);
/// From a person's ranking of one group, 1 the best, equal ranks a tie: (worse ones + half the equal ones) / (G - 1).
std::vector<double> winRatesFromRanks(const std::vector<int>& ranks);

/// Plackett-Luce likelihood of one ranking (scores [k], ranks as above): -1/(places) sum over images of
/// s_i - log sum of exp(s_j) over those not ranked better; the last place is certain and not counted. Equal ranks share
/// their denominator (Breslow's form). Plackett 1975; Luce 1959.
torch::Tensor plackettLuce(const torch::Tensor& scores, const std::vector<int>& ranks);

} // namespace pl::learn
