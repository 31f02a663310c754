// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace pl::worker {

/// Executes the bundle in this process: lock, device, plugin, run.end. Returns the exit code of DESIGN section 9.
int runBundle(const std::string& dir);

} // namespace pl::worker
