// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <torch/types.h>

namespace pl::learn {

/// What a device was told to do, recorded, to be done again with one call: on a GPU a step of hundreds of small kernels then costs one launch
/// (CUDA graphs). Shapes and addresses are those of the recording; what changes goes into tensors that stay where they are.
/// Errors are c10::Error, as libtorch's.
class DeviceGraph {
public:
    virtual ~DeviceGraph() = default;
    /// Records what `work` asks of the device on a stream of its own, without doing it. Everything it asks for must have been done once before,
    /// and it may not wait for the device. Graphs of one pool share their memory: they must not run at the same time. After an error it
    /// records again as if nothing had been; what libtorch reserved for it may stay reserved.
    virtual void record(const std::function<void()>& work) = 0;
    /// Does it, on the current stream.
    virtual void replay() = 0;
    /// Null and the reason, where the device or this build has none. `first`: the graph whose memory this one shares.
    static std::unique_ptr<DeviceGraph> make(const torch::Device& device, const DeviceGraph* first, std::string& reason);
};

} // namespace pl::learn
