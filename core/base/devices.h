// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace pl {

/// Where a job can compute.
struct Device {
    std::string name;   ///< as run.json has it: "cpu", "cuda:0"
    std::string title;  ///< "NVIDIA H200"; of the processor "this machine"
    uint64_t total = 0; ///< bytes of memory; 0: not known
    uint64_t free = 0;  ///< when it was asked
    bool operator==(const Device&) const = default;
};

/// The processor with the machine's memory.
Device cpuDevice();
/// {"devices": [{"name", "title", "total", "free"}]}: what `pairlab-worker devices` prints.
Json devicesToJson(const std::vector<Device>& devices);
Result<std::vector<Device>> devicesFromJson(const Json& json, std::string_view what);
/// Titles and memory of `nvidia-smi --query-gpu=name,memory.total,memory.free --format=csv,noheader,nounits` (MiB), one card a
/// line; lines that are something else are left out.
std::vector<Device> nvidiaCards(std::string_view text);

/// Devices of one title and memory are one column of a table.
struct DeviceKind {
    Device device;      ///< the first of them
    std::string label;  ///< "cpu", "cuda:0", "cuda:0 to 7" or "cuda:0, 2"
};
std::vector<DeviceKind> deviceKinds(const std::vector<Device>& devices);

/// "24G", "24 GiB", "512M", "24" (GiB): bytes, of 1024 KB each. InvalidInput says what it may be.
Result<uint64_t> memoryOf(std::string_view text);

} // namespace pl
