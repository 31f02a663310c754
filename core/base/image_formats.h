// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/image_file.h"

/// What image_file.cpp is made of, a source a format; nobody else includes it.
namespace pl::formats {

enum class Format { Png, Jpeg, Webp };
enum class Channels { Grey, Colour, Ink }; ///< of the file; palettes are colour

/// A PNG's gAMA and cHRM.
struct Primaries {
    double gamma = 0;    ///< as stored: sample = light ^ gamma
    bool known = false;  ///< the chromaticities below
    double x[4]{}, y[4]{}; ///< white, red, green, blue
};

/// What a file says of its picture.
struct Facts {
    Format format = Format::Png;
    Channels channels = Channels::Colour;
    uint32_t width = 0, height = 0; ///< as stored
    int orientation = 1;            ///< EXIF, 1..8
    std::string_view exif, squeezedProfile;
    std::string icc; ///< empty: none
    std::optional<Primaries> primaries;
    std::vector<std::pair<size_t, size_t>> kept; ///< of a PNG: place and length of the chunks the pixels are made of
};

inline uint32_t byteAt(std::string_view b, size_t i) { return static_cast<unsigned char>(b[i]); }
inline uint32_t big16(std::string_view b, size_t i) { return byteAt(b, i) << 8 | byteAt(b, i + 1); }
inline uint32_t big32(std::string_view b, size_t i) { return big16(b, i) << 16 | big16(b, i + 2); }
inline uint32_t little16(std::string_view b, size_t i) { return byteAt(b, i) | byteAt(b, i + 1) << 8; }
inline uint32_t little32(std::string_view b, size_t i) { return little16(b, i) | little16(b, i + 2) << 16; }

tl::unexpected<Error> broken(std::string_view what, Format format, std::string cause);
tl::unexpected<Error> unsupported(std::string_view what, std::string_view why);
/// What other files begin with, for a message that helps; null: unknown.
const char* formatName(std::string_view bytes);
Status checkBytes(std::string_view bytes, std::string_view what, const ImageLimits& limits);
Status checkSize(uint32_t width, uint32_t height, std::string_view what, Format format, const ImageLimits& limits);
/// Tag 0x0112 of the first directory; 1 when there is none.
int exifOrientation(std::string_view exif);

/// Walks the chunks without decoding one: structure, checksums, limits, and whether there are bytes enough for the pixels.
/// `visit(type, data)` sees every chunk.
Result<Facts> examinePng(std::string_view bytes, std::string_view what, const ImageLimits& limits,
                         const std::function<void(std::string_view, std::string_view)>& visit = {});
Result<Facts> examineJpeg(std::string_view bytes, std::string_view what, const ImageLimits& limits);
Result<Facts> examineWebp(std::string_view bytes, std::string_view what, const ImageLimits& limits);

/// The samples as stored, into 4 bytes a pixel that these make room for; ink stays ink.
Status decodePng(std::string_view bytes, std::string_view what, const Facts& facts, Picture& out);
Status decodeJpeg(std::string_view bytes, std::string_view what, const Facts& facts, int32_t side, Picture& out);
Status decodeWebp(std::string_view bytes, std::string_view what, const Facts& facts, Picture& out);
/// Out of memory is an error, not an exception.
Status makeRoom(int64_t width, int64_t height, std::string_view what, Picture& out);

/// The profile in a PNG's iCCP chunk; empty when it is none or larger than 16 MB.
std::string unpackedProfile(std::string_view chunk);
void toSrgb(Picture& picture, const Facts& facts);
Image overWhite(Picture picture);

} // namespace pl::formats
