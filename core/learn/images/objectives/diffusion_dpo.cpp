// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/objectives/diffusion_dpo.h"

#include <fmt/format.h>
#include <torch/torch.h>

namespace pl::learn {

namespace {

torch::Tensor oneWay(const torch::Tensor& margin, const torch::Tensor& winnerDifference, const DiffusionDpoOptions& o) {
    torch::Tensor loss;
    switch (o.loss) {
    case DiffusionPairLoss::Sigmoid:
        loss = -torch::log_sigmoid(margin);
        break;
    case DiffusionPairLoss::Hinge:
        loss = torch::relu(1 - margin);
        break;
    case DiffusionPairLoss::Ipo:
        loss = (margin - 0.5).square();
        break;
    }
    return o.winnerAnchor == 0 ? loss : loss + o.winnerAnchor * o.beta * torch::relu(winnerDifference);
}

} // namespace

torch::Tensor denoisingError(const torch::Tensor& prediction, const torch::Tensor& target) {
    return (prediction - target).square().flatten(1).mean(1);
}

Result<DiffusionPairLoss> diffusionPairLossOf(std::string_view name) {
    if (name == "sigmoid")
        return DiffusionPairLoss::Sigmoid;
    if (name == "hinge")
        return DiffusionPairLoss::Hinge;
    if (name == "ipo")
        return DiffusionPairLoss::Ipo;
    return fail(Code::InvalidInput, fmt::format("there is no image pair loss named '{}'", name),
                "Use sigmoid, hinge or ipo.");
}

torch::Tensor diffusionMargin(const DenoisingErrors& errors, double beta) {
    return -0.5 * beta * (errors.chosenDifference() - errors.rejectedDifference());
}

torch::Tensor diffusionDpo(const DenoisingErrors& errors, const DiffusionDpoOptions& options,
                           const torch::Tensor& softLabels) {
    const auto z = diffusionMargin(errors, options.beta);
    const auto won = oneWay(z, errors.chosenDifference(), options);
    if (!softLabels.defined())
        return won;
    const auto p = softLabels.to(z.dtype());
    return p * won + (1 - p) * oneWay(-z, errors.rejectedDifference(), options);
}

torch::Tensor winnerSft(const DenoisingErrors& errors, const torch::Tensor& softLabels) {
    if (!softLabels.defined())
        return errors.chosen;
    const auto p = softLabels.to(errors.chosen.dtype());
    return p * errors.chosen + (1 - p) * errors.rejected;
}

} // namespace pl::learn
