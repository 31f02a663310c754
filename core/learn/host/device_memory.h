// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <torch/types.h>

namespace pl::learn {

/// Bytes; 0 where nobody says, as before libtorch 2.10 on a GPU.
struct DeviceMemory {
    uint64_t total = 0;
    uint64_t free = 0; ///< what is free, with what libtorch keeps without using it
};
DeviceMemory deviceMemory(const torch::Device& device);
/// What tensors took at most at one time, of the processor the whole process; 0 where no tensor was made. Asks the allocator alone, so a device that
/// does not answer does not matter.
uint64_t peakMemory(const torch::Device& device);
/// Gives back what libtorch keeps without using it: a recording can't have it.
void releaseCache(const torch::Device& device);

} // namespace pl::learn
