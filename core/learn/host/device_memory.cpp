// SPDX-License-Identifier: Apache-2.0
#include "core/learn/host/device_memory.h"

#include <exception>

#include <torch/version.h>
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 10)
#include <c10/core/CachingDeviceAllocator.h>
#define PL_DEVICE_ALLOCATOR
#endif

#include "core/base/os/files.h"

namespace pl::learn {
namespace {

#ifdef PL_DEVICE_ALLOCATOR
c10::DeviceIndex indexOf(const torch::Device& device) { return device.has_index() ? device.index() : c10::DeviceIndex{0}; }

constexpr auto kAll = static_cast<size_t>(c10::CachingDeviceAllocator::StatType::AGGREGATE);

uint64_t bytes(int64_t n) { return n > 0 ? static_cast<uint64_t>(n) : 0; }
#endif

} // namespace

DeviceMemory deviceMemory(const torch::Device& device) {
    if (device.is_cpu())
        return {os::totalMemory(), os::availableMemory()};
    DeviceMemory out;
#ifdef PL_DEVICE_ALLOCATOR
    try {
        auto* allocator = at::getDeviceAllocator(device.type());
        const auto [free, total] = allocator->getMemoryInfo(indexOf(device));
        out.total = total;
        out.free = free;
        if (!allocator->initialized())
            return out;
        const auto stats = allocator->getDeviceStats(indexOf(device));
        out.free += bytes(stats.reserved_bytes[kAll].current - stats.allocated_bytes[kAll].current);
    } catch (const std::exception&) { // a device whose allocator does not say
    }
#endif
    return out;
}

uint64_t peakMemory(const torch::Device& device) {
    if (device.is_cpu())
        return os::peakMemory();
#ifdef PL_DEVICE_ALLOCATOR
    try {
        auto* allocator = at::getDeviceAllocator(device.type());
        if (allocator->initialized())
            return bytes(allocator->getDeviceStats(indexOf(device)).allocated_bytes[kAll].peak);
    } catch (const std::exception&) {
    }
#endif
    return 0;
}

void releaseCache(const torch::Device& device) {
#ifdef PL_DEVICE_ALLOCATOR
    if (!device.is_cpu())
        at::getDeviceAllocator(device.type())->emptyCache();
#endif
    static_cast<void>(device);
}

} // namespace pl::learn
