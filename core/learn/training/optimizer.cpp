// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>
#include <torch/torch.h>

namespace pl::learn {

AdamW::AdamW(NamedParameters parameters, const AdamWOptions& options) : m_options(options) {
    torch::NoGradGuard noGrad;
    for (auto& [name, parameter] : parameters) {
        TORCH_CHECK(parameter.dtype() == torch::kFloat32, "AdamW trains fp32 parameters, ", name, " is ", parameter.dtype());
        m_entries.push_back({name, parameter, torch::zeros_like(parameter), torch::zeros_like(parameter)});
    }
}

void AdamW::zeroGrad() {
    const auto gradients = this->gradients();
    if (!gradients.empty())
        at::_foreach_zero_(gradients);
}

std::vector<torch::Tensor> AdamW::gradients() const {
    std::vector<torch::Tensor> out;
    for (const auto& entry : m_entries)
        if (entry.parameter.grad().defined())
            out.push_back(entry.parameter.grad());
    return out;
}

double AdamW::clipGradients(double maxNorm) {
    torch::NoGradGuard noGrad;
    const auto gradients = this->gradients();
    if (gradients.empty())
        return 0;
    const double norm = torch::stack(at::_foreach_norm(gradients, 2)).norm().item<double>();
    // The same coefficient as torch.nn.utils.clip_grad_norm_.
    const double coefficient = maxNorm / (norm + 1e-6);
    if (maxNorm > 0 && std::isfinite(norm) && coefficient < 1)
        at::_foreach_mul_(gradients, coefficient);
    return norm;
}

torch::Tensor AdamW::clipGradientsOnDevice(double maxNorm) {
    torch::NoGradGuard noGrad;
    const auto gradients = this->gradients();
    if (gradients.empty())
        return torch::zeros({}, m_entries.empty() ? torch::TensorOptions() : m_entries.front().parameter.options().requires_grad(false));
    const auto norm = torch::stack(at::_foreach_norm(gradients, 2)).norm();
    if (maxNorm > 0)
        at::_foreach_mul_(gradients, (maxNorm / (norm + 1e-6)).clamp_max(1.0));
    return norm;
}

void AdamW::step(double learningRate, const torch::Tensor& skip) {
    torch::NoGradGuard noGrad;
    ++m_steps;
    for (const bool decayed : {true, false}) {
        std::vector<torch::Tensor> parameters, gradients, averages, squares, steps;
        for (auto& entry : m_entries) {
            if ((entry.parameter.dim() >= 2) != decayed || !entry.parameter.grad().defined())
                continue;
            parameters.push_back(entry.parameter);
            gradients.push_back(entry.parameter.grad());
            averages.push_back(entry.average);
            squares.push_back(entry.square);
        }
        if (parameters.empty())
            continue;
        const auto count = torch::full({}, static_cast<double>(m_steps),
                                       torch::dtype(torch::kFloat32).device(parameters[0].device()));
        steps.assign(parameters.size(), count);
        at::_fused_adamw_(parameters, gradients, averages, squares, {}, steps, learningRate, m_options.beta1,
                          m_options.beta2, decayed ? m_options.weightDecay : 0.0, m_options.eps, false, false, {},
                          skip.defined() ? std::optional<torch::Tensor>(skip) : std::nullopt);
        for (const auto& parameter : parameters) // the fused call does not say so: whoever keeps a copy of it (HalfCopy) has to know
            parameter.unsafeGetTensorImpl()->bump_version();
    }
}

TensorMap AdamW::state() const {
    TensorMap out;
    for (const auto& entry : m_entries) {
        out["exp_avg." + entry.name] = entry.average;
        out["exp_avg_sq." + entry.name] = entry.square;
    }
    out["step"] = torch::full({1}, m_steps, torch::kInt64);
    return out;
}

Status AdamW::load(const TensorMap& state, const std::string& what) {
    torch::NoGradGuard noGrad;
    const auto find = [&](const std::string& name, torch::Tensor into) -> Status {
        const auto at = state.find(name);
        if (at == state.end())
            return fail(Code::Corrupt, fmt::format("{} holds no tensor '{}'", what, name),
                        "Remove this checkpoint to continue from the one before.");
        if (at->second.sizes() != into.sizes() || at->second.dtype() != into.dtype())
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' does not have the parameter's shape", what, name),
                        "Remove this checkpoint to continue from the one before.");
        into.copy_(at->second);
        return {};
    };
    for (auto& entry : m_entries) {
        PL_CHECK(find("exp_avg." + entry.name, entry.average));
        PL_CHECK(find("exp_avg_sq." + entry.name, entry.square));
    }
    auto step = torch::zeros({1}, torch::kInt64);
    PL_CHECK(find("step", step));
    m_steps = step.item<int64_t>();
    return {};
}

Result<Schedule> scheduleOf(std::string_view name) {
    if (name == "constant")
        return Schedule::Constant;
    if (name == "linear")
        return Schedule::Linear;
    if (name == "cosine")
        return Schedule::Cosine;
    return fail(Code::InvalidInput, fmt::format("there is no schedule named '{}'", name), "Use constant, linear or cosine.");
}

double scheduleFactor(Schedule schedule, int64_t update, int64_t warmup, int64_t total) {
    if (update < warmup)
        return static_cast<double>(update) / static_cast<double>(std::max<int64_t>(1, warmup));
    const double length = static_cast<double>(std::max<int64_t>(1, total - warmup));
    switch (schedule) {
    case Schedule::Constant:
        return 1;
    case Schedule::Linear:
        return std::max(0.0, static_cast<double>(total - update) / length);
    case Schedule::Cosine:
        return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(update - warmup) / length)));
    }
    return 1;
}

} // namespace pl::learn
