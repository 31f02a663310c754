// SPDX-License-Identifier: Apache-2.0
#include "core/learn/objectives/pair_losses.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

namespace pl::learn {

namespace {

std::vector<PairLoss>& registry() {
    static std::vector<PairLoss> losses;
    return losses;
}

} // namespace

PairLogps PairLogps::swapped() const {
    return {rejectedSum, chosenSum, refRejectedSum, refChosenSum, rejectedCount, chosenCount};
}

PairLossRegistrar::PairLossRegistrar(PairLoss loss) {
    auto& all = registry();
    const auto at = std::lower_bound(all.begin(), all.end(), loss.name,
                                     [](const PairLoss& l, const std::string& name) { return l.name < name; });
    all.insert(at, std::move(loss));
}

const std::vector<PairLoss>& pairLosses() {
    return registry();
}

Result<PairLoss> findPairLoss(std::string_view name) {
    std::vector<std::string> known;
    for (const auto& loss : pairLosses()) {
        if (loss.name == name)
            return loss;
        known.push_back(loss.name);
    }
    return fail(Code::InvalidInput, fmt::format("there is no pair loss named '{}'", name),
                fmt::format("Known losses: {}.", fmt::join(known, ", ")));
}

Status checkPairLoss(const PairLoss& loss, const PairLossOptions& options, bool withSoftLabels, bool withMargin) {
    if (!(options.beta > 0))
        return fail(Code::InvalidInput, fmt::format("beta is {}, but must be above 0", options.beta));
    if (!(options.labelSmoothing >= 0 && options.labelSmoothing < 0.5))
        return fail(Code::InvalidInput, fmt::format("label_smoothing is {}, but must lie in [0, 0.5)",
                                                    options.labelSmoothing));
    if (loss.needsSmoothing && options.labelSmoothing <= 0)
        return fail(Code::InvalidInput, fmt::format("loss {} is not defined at label_smoothing 0", loss.name),
                    "Set label_smoothing, for example to 0.001.");
    if (loss.acrossPairs && withSoftLabels)
        return fail(Code::InvalidInput, fmt::format("loss {} compares pairs with each other and takes no soft labels",
                                                    loss.name),
                    "Set ties to drop, or choose another loss.");
    if (withMargin && !loss.takesMargin)
        return fail(Code::InvalidInput, fmt::format("loss {} takes no margin", loss.name),
                    "Choose sigmoid or hinge.");
    return {};
}

torch::Tensor pairLoss(const PairLoss& loss, const PairLogps& logps, const PairLossOptions& options,
                       const torch::Tensor& softLabels) {
    auto hard = loss.function(logps, options);
    if (!softLabels.defined())
        return hard;
    const auto p = softLabels.to(hard.dtype());
    return p * hard + (1 - p) * loss.function(logps.swapped(), options);
}

torch::Tensor scaledMargin(const PairLogps& logps, const PairLossOptions& options) {
    const auto z = options.beta * (logps.chosenRatio() - logps.rejectedRatio());
    return options.margin.defined() ? z - options.margin.to(z.dtype()) : z;
}

torch::Tensor smoothedLogistic(const torch::Tensor& z, double smoothing) {
    const auto right = -torch::log_sigmoid(z);
    if (smoothing == 0)
        return right;
    return (1 - smoothing) * right - smoothing * torch::log_sigmoid(-z);
}

} // namespace pl::learn
