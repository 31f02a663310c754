// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/objectives/image_groups.h"

#include <torch/torch.h>

namespace pl::learn {

namespace {

/// Rewards this close are equal: sums of the same numbers in another order are.
constexpr double kEqual = 1e-9;

torch::Tensor groupsOf(const torch::Tensor& values, int64_t groupSize) {
    TORCH_CHECK(groupSize > 1 && values.dim() == 1 && values.size(0) % groupSize == 0, "values must hold whole groups of ",
                groupSize);
    return values.view({-1, groupSize});
}

/// Mean over the other images of f(s_i - s_j).
template<class F>
torch::Tensor againstOthers(const torch::Tensor& scores, int64_t groupSize, F f) {
    const auto s = groupsOf(scores, groupSize);
    const auto others = 1 - torch::eye(groupSize, s.options());
    return ((f(s.unsqueeze(2) - s.unsqueeze(1)) * others).sum(2) / static_cast<double>(groupSize - 1)).reshape({-1});
}

} // namespace

ImageAdvantages imageAdvantages(const torch::Tensor& rewards, int64_t groupSize, bool globalStd, double clip, double eps) {
    const auto values = groupsOf(rewards.to(torch::kFloat64), groupSize);
    const auto centred = values - values.mean(1, true);
    const auto groupStd = centred.square().mean(1, true).sqrt();
    const auto deviation = globalStd ? (values - values.mean()).square().mean().sqrt() : groupStd;
    const auto kept = (values.amax(1, true) - values.amin(1, true) > kEqual).expand_as(values);
    ImageAdvantages out;
    out.advantages = torch::where(kept, centred / (deviation + eps), torch::zeros_like(centred))
                         .clamp(-clip, clip)
                         .reshape({-1})
                         .to(rewards.dtype());
    out.kept = kept.reshape({-1}).contiguous();
    out.zeroStdRatio = 1 - kept.to(torch::kFloat64).mean().item<double>();
    out.meanGroupStd = groupStd.mean().item<double>();
    return out;
}

torch::Tensor winRatesFromScores(const torch::Tensor& scores, int64_t groupSize, double band) {
    return againstOthers(scores, groupSize, [band](const torch::Tensor& d) {
        return 0.5 + 0.5 * torch::where(d.abs() > band, d.sign(), torch::zeros_like(d));
    });
}

torch::Tensor softWinRates(const torch::Tensor& scores, int64_t groupSize) {
    return againstOthers(scores, groupSize, [](const torch::Tensor& d) { return torch::sigmoid(d); });
}

std::vector<double> winRatesFromRanks(const std::vector<int>& ranks) {
    std::vector<double> out(ranks.size(), 0);
    for (size_t i = 0; i < ranks.size(); ++i) {
        for (size_t j = 0; j < ranks.size(); ++j)
            if (i != j)
                out[i] += ranks[j] > ranks[i] ? 1 : ranks[j] == ranks[i] ? 0.5 : 0;
        out[i] /= static_cast<double>(ranks.size() - 1);
    }
    return out;
}

torch::Tensor plackettLuce(const torch::Tensor& scores, const std::vector<int>& ranks) {
    const auto at = torch::tensor(ranks).to(scores.device());
    const auto remaining = at.unsqueeze(0) >= at.unsqueeze(1); // [i, j]: j is not ranked better than i
    const auto shown = torch::where(remaining, scores.unsqueeze(0), torch::full({}, -INFINITY, scores.options()));
    const auto terms = torch::logsumexp(shown, 1) - scores;
    const auto counted = (remaining.sum(1) > 1).to(scores.dtype());
    return (terms * counted).sum() / counted.sum().clamp_min(1);
}

} // namespace pl::learn
