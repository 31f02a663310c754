// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <zlib.h>

/// PNG files made by hand, for tests of what is wrong in them.
namespace png {

/// Four bytes, the highest first.
inline std::string number(uint32_t value) {
    return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}
/// Length, type, data and checksum.
inline std::string chunk(const std::string& type, const std::string& data) {
    const std::string body = type + data;
    return number(uint32_t(data.size())) + body + number(uint32_t(crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()))));
}

} // namespace png
