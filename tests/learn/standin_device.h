// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstring>

#include <ATen/EmptyTensor.h>
#include <ATen/detail/HPUHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/torch.h>

/// A device that is not the processor, for machines without a GPU: tensors of a device type of their own (one no kernel of this libtorch
/// is made for), whose operations the processor's kernels compute on copies. What goes wrong on a GPU whatever it computes goes wrong
/// here too: an operation that mixes its tensors with the host's is refused, as CUDA does it (but for single numbers), code that
/// reads a tensor's memory as if it were the host's meets the wrong type, and every reading of a value by the host is counted.
namespace pl::standin {

constexpr auto kType = c10::DeviceType::HPU;
inline const torch::Device kDevice(kType, 0);

/// Times the host waited for values: item() and copies from the device.
inline std::atomic<int64_t> readings = 0;
inline thread_local bool inside = false; ///< of an operation: its copies are none of the program's

struct Inside {
    bool before = std::exchange(inside, true);
    ~Inside() { inside = before; }
};

inline void release(void* memory) { std::free(memory); }

struct Memory final : c10::Allocator {
    c10::DataPtr allocate(size_t bytes) override {
        void* memory = bytes ? std::aligned_alloc(64, (bytes + 63) / 64 * 64) : nullptr;
        return {memory, memory, &release, kDevice};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};
inline Memory memory;

/// The same memory, called the host's.
inline at::Tensor asHost(const at::Tensor& t) {
    if (t.is_cpu())
        return t;
    return at::from_blob(const_cast<void*>(t.const_data_ptr()), t.sizes(), t.strides(), [keep = t](void*) {}, t.options().device(at::kCPU).requires_grad(false));
}

inline at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>, std::optional<at::Device>,
                        std::optional<bool>, std::optional<at::MemoryFormat> format) {
    return at::detail::empty_generic(size, &memory, c10::DispatchKeySet(c10::DispatchKey::HPU), type.value_or(at::kFloat), format);
}
inline at::Tensor emptyStrided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                               std::optional<at::Device>, std::optional<bool>) {
    return at::detail::empty_strided_generic(size, stride, &memory, c10::DispatchKeySet(c10::DispatchKey::HPU), type.value_or(at::kFloat));
}
inline at::Tensor copyFrom(const at::Tensor& from, const at::Tensor& to, bool) {
    if (!inside && to.is_cpu())
        ++readings;
    asHost(to).copy_(asHost(from));
    return to;
}
inline at::Tensor copyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
    if (to.sizes() != from.sizes())
        at::native::resize_(to, from.sizes());
    return copyFrom(from, to, false);
}
inline at::Scalar item(const at::Tensor& t) {
    if (!inside)
        ++readings;
    return asHost(t).item();
}

inline void onHost(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
    bool here = false, there = false;
    const auto see = [&](const at::Tensor& t) {
        if (t.defined() && t.dim() > 0)
            (t.is_cpu() ? here : there) = true;
    };
    const size_t count = op.schema().arguments().size();
    for (size_t i = stack->size() - count; i < stack->size(); ++i) {
        const auto& value = (*stack)[i];
        if (value.isTensor())
            see(value.toTensor());
        else if (value.isTensorList())
            for (const at::Tensor& t : value.toTensorVector())
                see(t);
        else if (value.isOptionalTensorList())
            for (const auto& t : value.toOptionalTensorVector())
                if (t)
                    see(*t);
    }
    TORCH_CHECK(!(here && there), op.schema().name(), ": expected all tensors to be on the same device");
    const Inside guard;
    at::native::cpu_fallback(op, stack);
}

/// One device with one stream.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<kType> {
    c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
    c10::Device getDevice() const override { return kDevice; }
    c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
    c10::Stream exchangeStream(c10::Stream) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
};

struct Hooks final : at::HPUHooksInterface {
    explicit Hooks(at::HPUHooksArgs) {}
    void init() const override {}
    bool hasHPU() const override { return true; }
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
    c10::DeviceIndex deviceCount() const override { return 1; }
    c10::DeviceIndex getCurrentDevice() const override { return 0; }
    c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
    c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
    void setCurrentDevice(c10::DeviceIndex) const override {}
};

} // namespace pl::standin

// Once a program: the registrations are the process's.
namespace at::detail {
C10_REGISTER_GUARD_IMPL(HPU, pl::standin::Guard)
} // namespace at::detail
namespace at {
using HPUHooks = pl::standin::Hooks; // the name libtorch asks for
REGISTER_HPU_HOOKS(HPUHooks);
} // namespace at
TORCH_LIBRARY_IMPL(_, HPU, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&pl::standin::onHost>()); }
TORCH_LIBRARY_IMPL(aten, HPU, m) {
    m.impl("empty.memory_format", &pl::standin::empty);
    m.impl("empty_strided", &pl::standin::emptyStrided);
    m.impl("as_strided", &at::native::as_strided_tensorimpl);
    m.impl("view", &at::native::view);
    m.impl("_reshape_alias", &at::native::_reshape_alias);
    m.impl("unfold", &at::native::unfold);
    m.impl("_copy_from", &pl::standin::copyFrom);
    m.impl("_copy_from_and_resize", &pl::standin::copyFromAndResize);
    m.impl("_local_scalar_dense", &pl::standin::item);
}
