// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/os/lock.h"
#include "core/learn/host/job.h"

namespace pl::worker {

/// Waits for a place on the job's device: one lock a user and device, PAIRLAB_CPU_SLOTS places on the CPU (1). The queue
/// so holds across windows and projects. A resident job on the CPU takes no place: it idles most of its life. Cancelled
/// when asked to leave meanwhile.
Result<std::optional<os::FileLock>> acquireDevice(learn::Job& job);

} // namespace pl::worker
