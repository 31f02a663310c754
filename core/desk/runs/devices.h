// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/devices.h"

namespace pl::desk {

/// What this worker says (it links libtorch, this side does not). Slow: a second or more.
Result<std::vector<Device>> askDevices(const std::string& worker);
/// The processor, and the GPUs that pairlab-worker beside this program can compute on. Without a GPU's driver nobody is asked, and
/// where the worker cannot say the processor stands alone. $PAIRLAB_DEVICES names a file with the list of another machine
/// (devicesToJson), to see what would fit there. May block.
std::vector<Device> devicesHere();
/// The same, or why it is not known.
Result<std::vector<Device>> findDevices();

} // namespace pl::desk
