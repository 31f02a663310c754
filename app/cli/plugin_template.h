// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/result.h"

namespace pl::cli {

/// Writes a plugin that builds, tests and runs as it is: manifest.json, <name>.cpp, CMakeLists.txt, README.md. It fits a
/// logistic reward over three text features to the pairs; replace the features and the loss by yours.
/// `name`: lower-case letters, digits and underscores.
Status writePluginTemplate(const std::string& dir, const std::string& name);

} // namespace pl::cli
