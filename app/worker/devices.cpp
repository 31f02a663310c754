// SPDX-License-Identifier: Apache-2.0
#include "app/worker/devices.h"

#include <iostream>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/devices.h"
#include "core/base/os/process.h"
#include "core/learn/host/device_memory.h"

namespace pl::worker {

namespace {

constexpr int kAskMs = 5000;

/// What nvidia-smi says of the cards; nothing without it.
std::vector<Device> cards() {
    os::SpawnOptions ask;
    ask.arguments = {"nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"};
    const auto said = os::runToEnd(ask, kAskMs);
    if (!said || said->status.signalled || said->status.code != 0)
        return {};
    return nvidiaCards(said->text);
}

} // namespace

Status printDevices() {
    std::vector<Device> out{cpuDevice()};
    const int count = static_cast<int>(torch::cuda::device_count());
    const auto known = count > 0 ? cards() : std::vector<Device>();
    for (int i = 0; i < count; ++i) {
        const auto memory = learn::deviceMemory(torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(i)));
        Device d{fmt::format("cuda:{}", i), "CUDA GPU", memory.total, memory.free};
        if (d.total == 0 && known.size() == static_cast<size_t>(count)) { // an older libtorch
            d.title = known[static_cast<size_t>(i)].title;
            d.total = known[static_cast<size_t>(i)].total;
            d.free = known[static_cast<size_t>(i)].free;
        }
        // CUDA's order need not be nvidia-smi's: a card is known by its size, of which the driver keeps some for itself.
        for (const Device& card : known)
            if (d.total > 0 && card.total >= d.total && card.total - d.total < card.total / 20)
                d.title = card.title;
        out.push_back(std::move(d));
    }
    std::cout << dumpJson(devicesToJson(out)) << "\n";
    return {};
}

} // namespace pl::worker
