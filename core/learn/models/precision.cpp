// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/precision.h"

#include <fmt/format.h>
#include <torch/torch.h>

namespace pl::learn {
namespace {

using torch::Tensor;

Tensor toHalf(const Tensor& x) {
    torch::NoGradGuard noGrad;
    return x.detach().to(torch::kBFloat16);
}

/// [rows, last dimension]
Tensor asRows(const Tensor& x) { return x.reshape({-1, x.size(-1)}); }

Tensor product(const Tensor& half, const Tensor& weight, bool transposed) {
    const auto out = torch::mm(asRows(half), transposed ? weight : weight.t()).to(torch::kFloat32);
    auto sizes = half.sizes().vec();
    sizes.back() = out.size(1);
    return out.view(sizes);
}

class HalfLinear : public torch::autograd::Function<HalfLinear> {
public:
    static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& /*x*/, const Tensor& half, const Tensor& /*weight*/,
                          const Tensor& weightHalf, bool transposed) {
        ctx->save_for_backward({half, weightHalf});
        ctx->saved_data["transposed"] = transposed;
        return product(half, weightHalf, transposed);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
        const auto saved = ctx->get_saved_variables();
        const auto &half = saved[0], &weight = saved[1];
        const bool transposed = ctx->saved_data["transposed"].toBool();
        const auto g = asRows(grads[0]).to(torch::kBFloat16);
        Tensor dx, dWeight;
        if (ctx->needs_input_grad(0))
            dx = torch::mm(g, transposed ? weight.t() : weight).to(torch::kFloat32).view(half.sizes());
        if (ctx->needs_input_grad(2)) {
            const auto rows = asRows(half);
            dWeight = (transposed ? torch::mm(rows.t(), g) : torch::mm(g.t(), rows)).to(torch::kFloat32);
        }
        return {dx, Tensor(), dWeight, Tensor(), Tensor()};
    }
};

} // namespace

Result<Precision> precisionOf(std::string_view name) {
    if (name == "fp32")
        return Precision::Fp32;
    if (name == "bf16")
        return Precision::Bf16;
    return fail(Code::InvalidInput, fmt::format("there is no precision named '{}'", name), "Use fp32 or bf16.");
}

const char* precisionName(Precision precision) { return precision == Precision::Bf16 ? "bf16" : "fp32"; }

const Tensor& HalfCopy::of(const Tensor& weight) {
    if (!m_copy.defined() || m_data != weight.const_data_ptr() || m_version != weight._version() || m_copy.device() != weight.device()) {
        m_copy = toHalf(weight);
        m_data = weight.const_data_ptr();
        m_version = static_cast<uint32_t>(weight._version());
    }
    return m_copy;
}

LinearInput halfInput(const Tensor& x) { return {x, toHalf(x)}; }

Tensor halfLinear(const LinearInput& in, const Tensor& weight, HalfCopy& copy, bool transposed) {
    const auto& half = copy.of(weight);
    if (torch::GradMode::is_enabled() && (in.x.requires_grad() || weight.requires_grad()))
        return HalfLinear::apply(in.x, in.half, weight, half, transposed);
    return product(in.half, half, transposed);
}

} // namespace pl::learn
