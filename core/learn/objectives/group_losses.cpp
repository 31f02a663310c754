// SPDX-License-Identifier: Apache-2.0
#include "core/learn/objectives/group_losses.h"

#include <fmt/format.h>
#include <torch/torch.h>

namespace pl::learn {

Result<RewardScale> rewardScaleOf(std::string_view name) {
    if (name == "none")
        return RewardScale::None;
    if (name == "group")
        return RewardScale::Group;
    if (name == "batch")
        return RewardScale::Batch;
    return fail(Code::InvalidInput, fmt::format("there is no reward scale named '{}'", name), "Use none, group or batch.");
}

Result<GroupAggregation> groupAggregationOf(std::string_view name) {
    if (name == "grpo")
        return GroupAggregation::Grpo;
    if (name == "bnpo")
        return GroupAggregation::Bnpo;
    if (name == "dr_grpo")
        return GroupAggregation::DrGrpo;
    if (name == "dapo")
        return GroupAggregation::Dapo;
    return fail(Code::InvalidInput, fmt::format("there is no loss aggregation named '{}'", name),
                "Use grpo, bnpo, dr_grpo or dapo.");
}

namespace {

/// Standard deviation with n-1 over the last dimension of the scored entries; 0 where fewer than two are scored.
torch::Tensor sampleDeviation(const torch::Tensor& values, const torch::Tensor& scored) {
    const auto n = scored.sum(-1, true);
    const auto mean = (values * scored).sum(-1, true) / n.clamp_min(1);
    const auto squares = ((values - mean) * scored).square().sum(-1, true);
    return torch::where(n > 1, (squares / (n - 1).clamp_min(1)).sqrt(), torch::zeros_like(squares));
}

} // namespace

torch::Tensor groupAdvantages(const torch::Tensor& rewards, int64_t groupSize, RewardScale scale, double eps) {
    TORCH_CHECK(groupSize > 0 && rewards.dim() == 1 && rewards.size(0) % groupSize == 0,
                "rewards must hold whole groups of ", groupSize);
    const auto known = rewards.isnan().logical_not();
    const auto scored = known.to(rewards.dtype()).view({-1, groupSize});
    const auto values = torch::where(known, rewards, torch::zeros_like(rewards)).view({-1, groupSize});
    const auto mean = values.sum(-1, true) / scored.sum(-1, true).clamp_min(1);
    auto advantages = (values - mean) * scored;
    if (scale == RewardScale::Group)
        advantages = advantages / (sampleDeviation(values, scored) + eps);
    else if (scale == RewardScale::Batch)
        advantages = advantages / (sampleDeviation(values.reshape({-1}), scored.reshape({-1})) + eps);
    return advantages.reshape({-1});
}

GroupTokenLoss groupTokenLoss(const torch::Tensor& newLogps, const torch::Tensor& oldLogps,
                              const torch::Tensor& refLogps, const torch::Tensor& advantages,
                              const torch::Tensor& mask, const GroupLossOptions& options) {
    const auto kept = mask > 0;
    const auto zero = torch::zeros_like(newLogps);
    const auto now = torch::where(kept, newLogps, zero);
    const auto ratio = torch::exp(now - torch::where(kept, oldLogps, zero));
    const auto clipped = ratio.clamp(1 - options.clipLow, 1 + options.clipHigh);
    const auto a = advantages.to(now.dtype()).unsqueeze(1);
    GroupTokenLoss out;
    out.loss = -torch::minimum(ratio * a, clipped * a);
    if (refLogps.defined()) {
        const auto d = torch::where(kept, refLogps, zero) - now;
        const auto k3 = torch::exp(d) - d - 1;
        if (options.klBeta != 0)
            out.loss = out.loss + options.klBeta * k3;
        out.kl = k3.detach();
    }
    out.loss = torch::where(kept, out.loss, zero);
    out.ratio = ratio.detach();
    const auto m = mask.to(now.dtype());
    out.clippedLow = m * (out.ratio < 1 - options.clipLow).to(m.dtype()) * (a < 0).to(m.dtype());
    out.clippedHigh = m * (out.ratio > 1 + options.clipHigh).to(m.dtype()) * (a > 0).to(m.dtype());
    return out;
}

torch::Tensor aggregateGroupLoss(const torch::Tensor& tokenLoss, const torch::Tensor& mask,
                                 GroupAggregation aggregation, const GroupTotals& totals) {
    const auto m = mask.to(tokenLoss.dtype());
    switch (aggregation) {
    case GroupAggregation::Grpo:
        return (tokenLoss.sum(-1) / m.sum(-1).clamp_min(1)).sum() / totals.rows;
    case GroupAggregation::Bnpo:
        return tokenLoss.sum() / m.sum().clamp_min(1) * (static_cast<double>(tokenLoss.size(0)) / totals.rows);
    case GroupAggregation::DrGrpo:
        return tokenLoss.sum() / (totals.rows * totals.maxCompletionLength);
    case GroupAggregation::Dapo:
        return tokenLoss.sum() / totals.tokens;
    }
    TORCH_CHECK(false, "unknown aggregation");
}

} // namespace pl::learn
