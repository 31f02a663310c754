// SPDX-License-Identifier: Apache-2.0
#include "core/base/os/links.h"

#include <filesystem>

#include <fmt/format.h>

namespace pl::os {

Status refuseLinks(const std::string& folder, const std::vector<std::string>& names) {
    namespace fs = std::filesystem;
    for (const std::string& name : names) {
        const fs::path path = fs::path(folder) / name;
        std::error_code error;
        if (!fs::is_symlink(path, error))
            continue;
        const fs::path target = fs::read_symlink(path, error);
        return fail(Code::InvalidInput,
                    fmt::format("{} is a symbolic link to {}: what is written there would land in another place", path.string(),
                                error ? std::string("somewhere else") : target.string()),
                    "Remove the link, or choose another folder.");
    }
    return {};
}

} // namespace pl::os
