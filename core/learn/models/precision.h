// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include <torch/types.h>

#include "core/base/result.h"

/// Mixed precision (Micikevicius et al. 2017, arXiv:1710.03740; Kalamkar et al. 2019, arXiv:1905.12322): matrix products take bf16 copies
/// of fp32 weights and activations, add up in fp32, and are rounded to bf16 once, as under torch.autocast. Everything else, and every sum
/// of products, is fp32; so is what the optimiser changes.
namespace pl::learn {

enum class Precision { Fp32, Bf16 };
Result<Precision> precisionOf(std::string_view name); ///< fp32 | bf16
const char* precisionName(Precision precision);

/// The bf16 form of a fp32 weight, made when it is first asked for after the weight has changed: once an optimiser step.
class HalfCopy {
public:
    const torch::Tensor& of(const torch::Tensor& weight);

private:
    torch::Tensor m_copy;
    const void* m_data = nullptr;
    uint32_t m_version = 0;
};

/// What linear maps read, with the bf16 form that they share; `half` is undefined where they compute in fp32.
struct LinearInput {
    torch::Tensor x, half;
};
LinearInput halfInput(const torch::Tensor& x);

/// x W^T [..., out] in fp32 of in [..., in] and a fp32 weight [out, in], or [in, out] where it lies `transposed`. Gradients of both are
/// products in bf16, too, and come back as fp32. For the backward pass only the bf16 forms are kept.
torch::Tensor halfLinear(const LinearInput& in, const torch::Tensor& weight, HalfCopy& copy, bool transposed = false);

} // namespace pl::learn
