// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/json.h"

/// What the benchmark programs share. Each prints one JSON object on its last line.
namespace pl::benchmark {

/// The value below which so large a share of the sorted values lies; 0 of none.
inline double quantile(std::vector<double> values, double share) {
    if (values.empty())
        return 0;
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

/// Appends `bytes` to a file of its own in the folder and syncs it, `times` times: milliseconds of each. What no database that
/// keeps its promise can go below on this disk.
inline std::vector<double> syncedWrites(const std::string& dir, size_t bytes, int times) {
    const std::string path = dir + "/floor";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    std::vector<double> out;
    const std::string block(bytes, 'x');
    for (int i = 0; i < times && fd >= 0; ++i) {
        const int64_t begin = monotonicNs();
        if (::write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size()) || ::fsync(fd) != 0)
            break;
        out.push_back(static_cast<double>(monotonicNs() - begin) * 1e-6);
    }
    ::close(fd);
    ::unlink(path.c_str());
    return out;
}

} // namespace pl::benchmark
