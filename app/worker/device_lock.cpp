// SPDX-License-Identifier: Apache-2.0
#include "app/worker/device_lock.h"

#include <algorithm>
#include <cstdlib>

#include "core/base/os/files.h"
#include "core/base/os/process.h"

namespace pl::worker {
namespace {

constexpr int kPollMs = 200;
constexpr int kMaxSlots = 64;

int cpuSlots() {
    const std::string text = os::environment("PAIRLAB_CPU_SLOTS");
    return std::clamp(text.empty() ? 1 : std::atoi(text.c_str()), 1, kMaxSlots);
}

} // namespace

Result<std::optional<os::FileLock>> acquireDevice(learn::Job& job) {
    std::string device = job.spec().device;
    const bool cpu = device == "cpu";
    if (cpu && job.spec().resident)
        return std::optional<os::FileLock>();
    if (device == "cuda")
        device = "cuda:0";
    std::replace(device.begin(), device.end(), ':', '-');
    const std::string folder = os::userRuntimeDir();
    bool waiting = false;
    for (const int slots = cpu ? cpuSlots() : 1;;) {
        int holder = 0;
        for (int slot = 0; slot < slots; ++slot) {
            const std::string path = os::joinPath(
                folder, slot == 0 ? fmt::format("device-{}.lock", device) : fmt::format("device-{}-{}.lock", device, slot));
            auto lock = os::FileLock::tryAcquire(path);
            if (lock) {
                if (waiting)
                    job.logLine("info", fmt::format("the device {} is free", job.spec().device));
                return std::optional<os::FileLock>(std::move(*lock));
            }
            if (lock.error().code != Code::Busy)
                return tl::unexpected<Error>(std::move(lock).error());
            holder = os::FileLock::holderPid(path);
        }
        if (!waiting) {
            waiting = true;
            job.logLine("info", fmt::format("waiting for the device {}, held by process {}", job.spec().device, holder));
            PL_CHECK(job.events().write(event::kProgress, {{"step", 0}, {"of", 0}, {"text", "waiting for the device"}}));
        }
        if (job.mustLeave())
            return fail(Code::Cancelled, job.stopReason());
        os::sleepMs(kPollMs);
    }
}

} // namespace pl::worker
