// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/manifest.h"
#include "core/learn/host/plugin_abi.h"

namespace pl::worker {

/// Loads the library beside the manifest, for good, and returns its table. The manifest's build tag is compared before
/// the library is opened, the library's own ABI version, id and build tag before anything of it is called.
Result<const pl_plugin*> loadPlugin(const Manifest& manifest);

} // namespace pl::worker
