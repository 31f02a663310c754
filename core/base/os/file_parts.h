// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace pl::os {

/// Appends bytes to the file that is being written.
using WriteBytes = std::function<Status(std::string_view bytes)>;
/// writeFileAtomic of a content that is never whole in memory: `content` hands it over in parts. When it fails, the old content
/// stays.
Status writeFileInParts(const std::string& path, const std::function<Status(const WriteBytes& write)>& content);

} // namespace pl::os
