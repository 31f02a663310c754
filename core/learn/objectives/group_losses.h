// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <torch/types.h>

#include "core/base/result.h"

/// Group-relative policy gradients (Shao et al. 2024, "DeepSeekMath"; Liu et al. 2025, "Dr. GRPO"; Yu et al. 2025, "DAPO").
namespace pl::learn {

enum class RewardScale { None, Group, Batch };
enum class GroupAggregation {
    Grpo,   ///< mean over rows of each row's token mean
    Bnpo,   ///< token mean over the given rows, weighted by their share of the step's rows
    DrGrpo, ///< token sum over rows times the longest completion allowed
    Dapo    ///< token sum over the tokens of the whole step
};
Result<RewardScale> rewardScaleOf(std::string_view name);           ///< none | group | batch
Result<GroupAggregation> groupAggregationOf(std::string_view name); ///< grpo | bnpo | dr_grpo | dapo

/// Advantages [n] of rewards [n] whose rows lie group after group: reward minus the group's mean, divided by the standard
/// deviation (Bessel's n-1) of the group or of the whole batch plus eps, or not at all. A NaN reward means "not scored":
/// advantage 0, and the row is left out of mean and deviation.
torch::Tensor groupAdvantages(const torch::Tensor& rewards, int64_t groupSize, RewardScale scale, double eps = 1e-4);

struct GroupLossOptions {
    double clipLow = 0.2, clipHigh = 0.2;
    double klBeta = 0; ///< weight of the k3 estimate against the reference
};

struct GroupTokenLoss {
    torch::Tensor loss;        ///< [n, t], 0 where masked
    torch::Tensor kl;          ///< [n, t] k3 estimate, detached; undefined without a reference
    torch::Tensor ratio;       ///< [n, t] exp(new - old), detached
    torch::Tensor clippedLow;  ///< [n, t] 1 where ratio < 1 - clipLow and advantage < 0
    torch::Tensor clippedHigh; ///< [n, t] 1 where ratio > 1 + clipHigh and advantage > 0
};

/// -min(r A, clip(r, 1-clipLow, 1+clipHigh) A) + klBeta (e^d - d - 1), d = ref - new, per completion token. `mask` is 1/0;
/// masked inputs never reach exp. `refLogps` may be undefined when klBeta is 0.
GroupTokenLoss groupTokenLoss(const torch::Tensor& newLogps, const torch::Tensor& oldLogps,
                              const torch::Tensor& refLogps, const torch::Tensor& advantages,
                              const torch::Tensor& mask, const GroupLossOptions& options);

/// Counts of the whole optimiser step, so that its split into micro-batches does not change the gradient (except bnpo,
/// by definition).
struct GroupTotals {
    double rows = 0;
    double tokens = 0;
    double maxCompletionLength = 0;
};
/// This micro-batch's share of the step's loss: shares add up.
torch::Tensor aggregateGroupLoss(const torch::Tensor& tokenLoss, const torch::Tensor& mask,
                                 GroupAggregation aggregation, const GroupTotals& totals);

} // namespace pl::learn
