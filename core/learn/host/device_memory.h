// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <torch/types.h>

namespace pl::learn {

/// Bytes; 0 where nobody says, as before libtorch 2.10 on a GPU.
struct DeviceMemory {
    uint64_t total = 0;
    uint64_t free = 0; ///< what is free, with what libtorch keeps without using it
    uint64_t peak = 0; ///< what tensors took at most at one time; of the processor: the whole process
};
DeviceMemory deviceMemory(const torch::Device& device);
/// The peak counts from now on. Not on the processor.
void resetPeak(const torch::Device& device);

} // namespace pl::learn
