// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#if __has_include(<ATen/core/GraphImplInterface.h>)
#include <ATen/core/GraphImplInterface.h>
#endif
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
#include <torch/version.h>
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 10)
#include <c10/core/CachingDeviceAllocator.h>
#define PL_STANDIN_STATISTICS
#endif

/// A device that is not the processor, for machines without a GPU: tensors of a device type of their own (one no kernel of this libtorch
/// is made for), whose operations the processor's kernels compute on copies. What goes wrong on a GPU whatever it computes goes wrong
/// here too: an operation that mixes its tensors with the host's is refused, as CUDA does it (but for single numbers), code that
/// reads a tensor's memory as if it were the host's meets the wrong type, and every reading of a value by the host is counted. Where libtorch
/// has graphs of any device, it has them, as strict as CUDA's: recorded on a stream of their own, without waiting for the device, and
/// what was recorded has no values before it is replayed.
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

/// What is being recorded: operations on the tensors they met, and the memory that came with them.
struct Recording {
    std::vector<std::function<void()>> work;
    std::map<void*, size_t> memory;
    std::map<void*, std::function<void()>> before; ///< puts back what was in older tensors
    at::Tensor last;                                ///< what the last operation made
};
inline thread_local Recording* recording = nullptr;
inline thread_local bool broken = false; ///< the recording: something waited for the device
inline thread_local c10::StreamId stream = 0;

void release(void* data);

inline void waits() {
    if (inside)
        return;
    if (recording) {
        broken = true;
        TORCH_CHECK(false, "operation not permitted when stream is capturing");
    }
    ++readings;
}

constexpr size_t kBlock = 512; ///< bytes; as CUDA's allocator, whose blocks are multiples of it

#ifdef PL_STANDIN_STATISTICS
using Allocator = c10::DeviceAllocator;
#else
using Allocator = c10::Allocator;
#endif

/// Counts what tensors take, as CUDA's does, but keeps nothing that is not used.
struct Memory final : Allocator {
    std::atomic<int64_t> current = 0, peak = 0;
    std::atomic<size_t> size = size_t{1} << 40; ///< of the device
    std::atomic<int64_t> cached = 0;            ///< kept without being used

    static void* get(size_t bytes);
    c10::DataPtr allocate(size_t bytes) override {
        void* data = get(bytes);
        return {data, data, &release, kDevice};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
#ifdef PL_STANDIN_STATISTICS
    bool initialized() override { return true; }
    void emptyCache(c10::MempoolId_t) override { cached = 0; }
    void recordStream(const c10::DataPtr&, c10::Stream) override {}
    c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
        c10::CachingDeviceAllocator::DeviceStats stats;
        stats.allocated_bytes[0].current = current;
        stats.reserved_bytes[0].current = current + cached;
        stats.allocated_bytes[0].peak = peak;
        return stats;
    }
    void resetAccumulatedStats(c10::DeviceIndex) override {}
    void resetPeakStats(c10::DeviceIndex) override { peak = current.load(); }
    std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override { return {size - static_cast<size_t>(current + cached), size}; }
#endif
};
inline Memory memory;

inline std::mutex mutex;
inline std::unordered_map<void*, size_t> blocks;

inline void* Memory::get(size_t bytes) {
    if (bytes == 0)
        return nullptr;
    bytes = (bytes + kBlock - 1) / kBlock * kBlock;
    void* data = std::aligned_alloc(64, bytes);
    if (recording)
        recording->memory[data] = bytes;
    const std::scoped_lock lock(mutex);
    blocks[data] = bytes;
    memory.current += static_cast<int64_t>(bytes);
    memory.peak = std::max(memory.peak.load(), memory.current.load());
    return data;
}

inline void release(void* data) {
    if (recording)
        recording->memory.erase(data);
    {
        const std::scoped_lock lock(mutex);
        const auto block = blocks.extract(data);
        memory.current -= static_cast<int64_t>(block ? block.mapped() : 0);
    }
    std::free(data);
}

/// The same memory, called the host's.
inline at::Tensor asHost(const at::Tensor& t) {
    if (t.is_cpu())
        return t;
    return at::from_blob(const_cast<void*>(t.const_data_ptr()), t.sizes(), t.strides(), [keep = t](void*) {}, t.options().device(at::kCPU).requires_grad(false));
}

/// Nothing is done while it is recorded: what `t` holds comes back at the end.
inline void remember(const at::Tensor& t) {
    if (recording && t.defined() && !t.is_cpu() && !recording->memory.contains(t.storage().mutable_data()))
        recording->before.try_emplace(t.storage().mutable_data(), [storage = t.storage(), copy = std::string(static_cast<const char*>(t.storage().data()), t.storage().nbytes())] {
            std::memcpy(storage.mutable_data(), copy.data(), copy.size());
        });
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
    if (to.is_cpu() || (recording && from.is_cpu())) // from memory that may move, CUDA waits in both directions
        waits();
    if (!inside)
        remember(to);
    asHost(to).copy_(asHost(from));
    if (recording && !inside) {
        recording->work.push_back([from, to] { asHost(to).copy_(asHost(from)); });
        recording->last = to;
    }
    return to;
}
inline at::Tensor copyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
    if (to.sizes() != from.sizes())
        at::native::resize_(to, from.sizes());
    return copyFrom(from, to, false);
}
inline at::Scalar item(const at::Tensor& t) {
    waits();
    return asHost(t).item();
}

/// The same operation on the same tensors once more; what it makes goes where it went.
inline std::function<void()> again(const c10::OperatorHandle& op, torch::jit::Stack in, torch::jit::Stack out) {
    return [op, in = std::move(in), out = std::move(out)] {
        const Inside guard;
        auto stack = in;
        at::native::cpu_fallback(op, &stack);
        const auto put = [](const at::Tensor& from, const at::Tensor& to) {
            if (to.defined() && from.const_data_ptr() != to.const_data_ptr())
                asHost(to).copy_(asHost(from));
        };
        for (size_t i = 0; i < out.size(); ++i)
            if (out[i].isTensor())
                put(stack[i].toTensor(), out[i].toTensor());
            else if (out[i].isTensorList())
                for (size_t t = 0; t < out[i].toTensorVector().size(); ++t)
                    put(stack[i].toTensorVector()[t], out[i].toTensorVector()[t]);
    };
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
    if (!recording || inside) {
        const Inside guard;
        at::native::cpu_fallback(op, stack);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        const auto* alias = op.schema().arguments()[i].alias_info();
        const auto& value = (*stack)[stack->size() - count + i];
        if (!alias || !alias->isWrite())
            continue;
        if (value.isTensor())
            remember(value.toTensor());
        else if (value.isTensorList())
            for (const at::Tensor& t : value.toTensorVector())
                remember(t);
    }
    torch::jit::Stack in(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
    const size_t below = stack->size() - count;
    {
        const Inside guard;
        at::native::cpu_fallback(op, stack);
    }
    recording->work.push_back(again(op, std::move(in), {stack->begin() + static_cast<std::ptrdiff_t>(below), stack->end()}));
    if (stack->size() > below && stack->back().isTensor())
        recording->last = stack->back().toTensor();
}

#if __has_include(<ATen/core/GraphImplInterface.h>)
inline std::atomic<int64_t> recordings = 0, replays = 0;
enum class Fault { None, Forgets, Drifts }; ///< of replays: the last operation is left out, or gives a little more. What a proof must find
inline std::atomic<Fault> fault = Fault::None;

class Graph final : public at::GraphImplInterface {
public:
    explicit Graph(at::GraphImplArgs) {}
    void capture_begin(at::MempoolId_t, at::GraphCaptureMode) override {
        TORCH_CHECK(stream != 0, "graphs must be captured on a non-default stream");
        TORCH_CHECK(!recording, "there is a recording already");
        recording = &m_recording;
        broken = false;
    }
    void capture_end() override {
        recording = nullptr;
        TORCH_CHECK(!broken, "operation failed due to a previous error during capture");
        for (const auto& [memory, bytes] : m_recording.memory) // nothing was done
            std::memset(memory, 0xff, bytes);
        for (const auto& [memory, putBack] : m_recording.before)
            putBack();
        m_recording.before.clear();
        ++recordings;
    }
    void instantiate() override {}
    void replay() override {
        TORCH_CHECK(!recording && !m_recording.work.empty(), "there is nothing to replay");
        for (size_t i = 0; i + (fault == Fault::Forgets ? 1 : 0) < m_recording.work.size(); ++i)
            m_recording.work[i]();
        if (fault == Fault::Drifts)
            asHost(m_recording.last).add_(0.01);
        ++replays;
    }
    void reset() override { m_recording = {}; }
    at::MempoolId_t pool() const override { return {1, 0}; }
    void enable_debug_mode() override {}
    void debug_dump(const std::string&) override {}

private:
    Recording m_recording;
};
#define PL_STANDIN_GRAPHS
#endif

/// One device; streams work one after the other.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<kType> {
    c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
    c10::Device getDevice() const override { return kDevice; }
    c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::UNSAFE, kDevice, stream); }
    c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return c10::Stream(c10::Stream::UNSAFE, kDevice, 1); }
    c10::Stream exchangeStream(c10::Stream to) const noexcept override {
        return c10::Stream(c10::Stream::UNSAFE, kDevice, std::exchange(stream, to.id()));
    }
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
#ifdef PL_STANDIN_STATISTICS
namespace c10 {
REGISTER_ALLOCATOR(DeviceType::HPU, &pl::standin::memory)
} // namespace c10
#endif
#ifdef PL_STANDIN_GRAPHS
namespace at {
using StandinGraph = pl::standin::Graph;
REGISTER_GRAPH_IMPL(HPU, StandinGraph)
} // namespace at
#endif
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
