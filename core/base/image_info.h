// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace pl {

/// What the first bytes of an image file say; nothing is decoded.
struct ImageInfo {
    std::string extension; ///< png | jpg | webp
    int64_t width = 0, height = 0;
};

/// Reads the signature and the size out of untrusted bytes (the whole file, or as much of its beginning as is there): PNG by
/// its header with its checksum, JPEG by its first frame header, WebP by its first chunk. InvalidInput when it is none of
/// them or the size is not 1..16384 a side and at most 64 million pixels.
Result<ImageInfo> inspectImage(std::string_view bytes, std::string_view what);
/// The same for a regular file of at most 256 MB; links are refused.
Result<ImageInfo> inspectImageFile(const std::string& path);

} // namespace pl
