// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace pl::os {

/// For whoever writes into a folder that a person named: the folder may be a link, for it was named; what the program puts into it under names of
/// its own may not, because it would land where the link leads, over what lies there. InvalidInput, with the link and where it leads, when
/// one of these names in `folder` is a symbolic link, of a file or a folder, there or not.
Status refuseLinks(const std::string& folder, const std::vector<std::string>& names);

} // namespace pl::os
