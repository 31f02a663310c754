// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/image.h"
#include "core/base/image_info.h"
#include "core/base/result.h"

/// Untrusted PNG, JPEG and WebP files to pixels: the one decoder, of what is shown, judged, trained on and measured.
namespace pl {

/// A picture upright (EXIF) and in 8-bit sRGB, row-major from the top, 4 bytes a pixel: red, green, blue and alpha, of which the
/// colours do not depend (not premultiplied).
struct Picture {
    int32_t width = 0, height = 0;
    int32_t fileWidth = 0, fileHeight = 0; ///< of the whole picture, upright; larger where detail was left out (`side`)
    bool transparent = false;              ///< some alpha is below 255
    std::vector<uint8_t> rgba;
};

/// Is the file whole, as far as can be seen without decoding a pixel? All of a PNG's chunks with their checksums, a JPEG's segments
/// and scans up to its end marker, a WebP's chunks; sizes within the limits, and not too few bytes for so many pixels. The content
/// decides what it is. Corrupt: damaged or cut short (says what, and at which byte). InvalidInput: over the limits. Unsupported: no
/// such format, animated, or a JPEG with other than 8 bits. The size is the stored one, before EXIF turns it.
Result<ImageInfo> checkImage(std::string_view bytes, std::string_view what, const ImageLimits& limits = {});
/// Of a regular file; links are refused.
Result<ImageInfo> checkImageFile(const std::string& path, const ImageLimits& limits = {});

/// checkImage(), then the pixels: grey, palette and CMYK become colour, 16 bits 8. To sRGB go an embedded ICC profile
/// (relative colorimetric, black to black), else a PNG's gAMA with its cHRM (a gamma within 5 % of 1/2.2 is sRGB's own curve); a profile that cannot be used or
/// is for another kind of colour is passed over, as viewers do. cICP, XMP and Exif's own colour tags are not read. A CMYK JPEG holds
/// its inks inverted (Adobe). What libjpeg mends (missing or senseless data inside the pixels) is Corrupt here. With `side` a JPEG
/// may be decoded at a half, quarter or eighth of its size while its longer side stays at `side` or more.
Result<Picture> decodePicture(std::string_view bytes, std::string_view what, const ImageLimits& limits = {}, int32_t side = 0);

/// The same over white, mixed in linear light.
Result<Image> decodeImage(std::string_view bytes, std::string_view what, const ImageLimits& limits = {});
Result<Image> readImage(const std::string& path, const ImageLimits& limits = {});

} // namespace pl
