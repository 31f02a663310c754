// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <webp/decode.h>

#include "core/base/image_formats.h"

namespace pl::formats {

namespace {

constexpr uint32_t kAnimated = 2; ///< a flag of VP8X

std::string_view causeOf(VP8StatusCode code) {
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return "its pixels end too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it holds something the format does not have";
    default: return "its pixels are damaged";
    }
}

const uint8_t* data(std::string_view bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

/// Without what may follow the picture in the file.
std::string_view riffOf(std::string_view bytes) { return bytes.substr(0, size_t{8} + little32(bytes, 4)); }

} // namespace

Result<Facts> examineWebp(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    Facts facts;
    facts.format = Format::Webp;
    const size_t end = size_t{8} + little32(bytes, 4); // formatName() saw 12 bytes
    if (end < 12 || end > bytes.size())
        return broken(what, Format::Webp, fmt::format("it ends at byte {}; it says that it has {}", bytes.size(), end));
    bool animated = false, pixels = false;
    for (size_t at = 12; at + 8 <= end;) {
        const auto type = bytes.substr(at, 4);
        const size_t length = little32(bytes, at + 4);
        if (length > end - at - 8)
            return broken(what, Format::Webp, fmt::format("the chunk at byte {} is longer than the rest of the file", at));
        const auto body = bytes.substr(at + 8, length);
        if (type == "VP8X" && length >= 1)
            animated = animated || (byteAt(body, 0) & kAnimated);
        else if (type == "ANIM" || type == "ANMF")
            animated = true;
        else if (type == "VP8 " || type == "VP8L")
            pixels = true;
        else if (type == "ICCP" && facts.icc.empty())
            facts.icc = body;
        else if (type == "EXIF" && facts.exif.empty())
            facts.exif = body;
        at += 8 + length + (length & 1);
    }
    if (animated)
        return unsupported(what, "is animated; only still images are read");
    if (!pixels)
        return broken(what, Format::Webp, "it has no pixels");
    const auto riff = riffOf(bytes);
    WebPBitstreamFeatures features;
    if (const auto code = WebPGetFeatures(data(riff), riff.size(), &features); code != VP8_STATUS_OK)
        return broken(what, Format::Webp, code == VP8_STATUS_BITSTREAM_ERROR ? "its header is damaged" : std::string(causeOf(code)));
    facts.width = static_cast<uint32_t>(features.width);
    facts.height = static_cast<uint32_t>(features.height);
    PL_CHECK(checkSize(facts.width, facts.height, what, Format::Webp, limits));
    facts.orientation = exifOrientation(facts.exif);
    return facts;
}

Status decodeWebp(std::string_view bytes, std::string_view what, const Facts& facts, Picture& out) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return fail(Code::Internal, "libwebp is of another version than its header");
    PL_CHECK(makeRoom(facts.width, facts.height, what, out));
    config.output.colorspace = MODE_RGBA;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = {out.rgba.data(), static_cast<int>(facts.width * 4), out.rgba.size()};
    const auto riff = riffOf(bytes);
    const auto code = WebPDecode(data(riff), riff.size(), &config);
    WebPFreeDecBuffer(&config.output);
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return fail(Code::OutOfMemory, fmt::format("no memory for the {} x {} pixels of {}", facts.width, facts.height, what),
                    "Use a smaller image.");
    if (code != VP8_STATUS_OK)
        return broken(what, Format::Webp, std::string(causeOf(code)));
    return {};
}

} // namespace pl::formats
