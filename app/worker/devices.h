// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

namespace pl::worker {

/// Prints where this worker can compute (devicesToJson): the processor, and each GPU that its libtorch sees.
Status printDevices();

} // namespace pl::worker
