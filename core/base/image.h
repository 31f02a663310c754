// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace pl {

/// 8-bit sRGB, row-major from the top, 3 bytes a pixel: rgb.size() == 3 * width * height.
struct Image {
    int32_t width = 0, height = 0;
    std::vector<uint8_t> rgb;
    bool operator==(const Image&) const = default;
};

/// A black image; empty when a side is not positive.
Image blankImage(int32_t width, int32_t height);

/// Checked before any pixel is allocated.
struct ImageLimits {
    int32_t maxSide = 16384;
    int64_t maxPixels = int64_t{64} << 20;
    uint64_t maxBytes = uint64_t{256} << 20; ///< of the file
};

/// Keyword (1 to 79 printable ASCII characters) and text (UTF-8 without NUL).
using ImageText = std::vector<std::pair<std::string, std::string>>;

/// Untrusted bytes of a PNG to pixels; `what` names the object in messages. The structure and the checksum of every chunk are
/// verified first (Code::Corrupt names the chunk and its place), then the limits (Code::InvalidInput), then libpng decodes. What
/// the file holds becomes upright 8-bit sRGB as decodeImage() of core/base/image_file.h says, which reads JPEG and WebP too:
/// grey and palette are expanded, 16 bit is scaled down, profiles are applied, transparency is composed over white (in linear
/// light). Another format is Code::Unsupported by its name; so is an animation.
Result<Image> decodePng(std::string_view bytes, std::string_view what, const ImageLimits& limits = {});

/// The same image and text give the same bytes (with the same libpng and zlib). ASCII becomes tEXt, other text iTXt.
Result<std::string> encodePng(const Image& image, const ImageText& text = {});

/// The tEXt and uncompressed iTXt chunks, in order; compressed ones are left out.
Result<ImageText> textOfPng(std::string_view bytes, std::string_view what, const ImageLimits& limits = {});

Result<Image> readPng(const std::string& path, const ImageLimits& limits = {});
/// Atomic (os::writeFileAtomic).
Status writePng(const std::string& path, const Image& image, const ImageText& text = {});

/// Each new pixel is the mean of the area it covers, of the 8-bit values, rounded half up: exact integers, the same on every
/// machine. Enlarging by a whole factor repeats pixels. Empty when a side is not positive.
Image resized(const Image& image, int32_t width, int32_t height);

} // namespace pl
