// SPDX-License-Identifier: Apache-2.0
#include "core/base/amounts.h"

#include <cmath>

#include <fmt/format.h>

namespace pl {

std::string shortCount(double value) {
    if (value >= 1e9)
        return fmt::format("{:.3g} B", value / 1e9);
    if (value >= 1e6)
        return fmt::format("{:.3g} M", value / 1e6);
    if (value >= 1e4)
        return fmt::format("{:.3g} k", value / 1e3);
    return fmt::format("{:.0f}", value);
}

std::string byteText(double bytes) {
    if (bytes >= 1e9)
        return fmt::format("{:.1f} GB", bytes / 1e9);
    if (bytes >= 1e6)
        return fmt::format("{:.{}f} MB", bytes / 1e6, bytes >= 1e7 ? 0 : 1);
    return fmt::format("{:.0f} KB", std::ceil(bytes / 1e3));
}

} // namespace pl
