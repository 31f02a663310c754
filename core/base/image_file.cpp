// SPDX-License-Identifier: Apache-2.0
#include "core/base/image_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <new>

#include <fmt/format.h>

#include "core/base/image_formats.h"
#include "core/base/image_upright.h"
#include "core/base/os/files.h"

namespace pl {

namespace formats {

namespace {

const char* nameOf(Format format) {
    return format == Format::Png ? "PNG" : format == Format::Jpeg ? "JPEG" : "WebP";
}

std::string amount(int64_t pixels) {
    return pixels >= (1 << 20) ? fmt::format("{} million", pixels >> 20) : std::to_string(pixels);
}

} // namespace

tl::unexpected<Error> broken(std::string_view what, Format format, std::string cause) {
    return fail(Code::Corrupt, fmt::format("{} is not a whole {} file: {}", what, nameOf(format), cause),
                "Make or copy the file again.");
}

tl::unexpected<Error> unsupported(std::string_view what, std::string_view why) {
    return fail(Code::Unsupported, fmt::format("{} {}", what, why), "Convert it to PNG.");
}

const char* formatName(std::string_view bytes) {
    if (bytes.starts_with("\xff\xd8\xff"))
        return "JPEG";
    if (bytes.starts_with("\x89PNG\r\n\x1a\n"))
        return "PNG";
    if (bytes.starts_with("GIF8"))
        return "GIF";
    if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP"))
        return "WebP";
    if (bytes.starts_with("BM"))
        return "BMP";
    if (bytes.starts_with(std::string_view("II*\0", 4)) || bytes.starts_with(std::string_view("MM\0*", 4)))
        return "TIFF";
    if (bytes.size() >= 12 && (bytes.substr(4, 8) == "ftypavif" || bytes.substr(4, 8) == "ftypheic"))
        return "AVIF or HEIC";
    return nullptr;
}

Status checkBytes(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    if (bytes.size() > limits.maxBytes)
        return fail(Code::InvalidInput, fmt::format("{} has {} bytes; {} are read at most", what, bytes.size(), limits.maxBytes),
                    "Use a smaller image.");
    return {};
}

Status checkSize(uint32_t width, uint32_t height, std::string_view what, Format format, const ImageLimits& limits) {
    if (width == 0 || height == 0)
        return broken(what, format, "a side is 0");
    if (width > static_cast<uint32_t>(limits.maxSide) || height > static_cast<uint32_t>(limits.maxSide) ||
        int64_t{width} * height > limits.maxPixels)
        return fail(Code::InvalidInput,
                    fmt::format("{} has {} x {} pixels; at most {} a side and {} in all are read", what, width, height,
                                limits.maxSide, amount(limits.maxPixels)),
                    "Use a smaller image.");
    return {};
}

int exifOrientation(std::string_view tiff) {
    if (tiff.starts_with(std::string_view("Exif\0\0", 6)))
        tiff.remove_prefix(6);
    const bool little = tiff.starts_with(std::string_view("II*\0", 4));
    if ((!little && !tiff.starts_with(std::string_view("MM\0*", 4))) || tiff.size() < 8)
        return 1;
    const auto u16 = [&](size_t at) { return little ? little16(tiff, at) : big16(tiff, at); };
    const size_t directory = little ? little32(tiff, 4) : big32(tiff, 4);
    if (directory > tiff.size() || tiff.size() - directory < 2)
        return 1;
    const size_t entries = std::min<size_t>(u16(directory), (tiff.size() - directory - 2) / 12);
    for (size_t i = 0; i < entries; ++i) {
        const size_t at = directory + 2 + 12 * i;
        if (u16(at) != 0x0112)
            continue;
        const uint32_t value = u16(at + 8);
        return u16(at + 2) == 3 && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
}

Status makeRoom(int64_t width, int64_t height, std::string_view what, Picture& out) {
    try {
        out.rgba.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 4);
    } catch (const std::bad_alloc&) {
        return fail(Code::OutOfMemory, fmt::format("no memory for the {} x {} pixels of {}", width, height, what),
                    "Use a smaller image.");
    }
    out.width = static_cast<int32_t>(width);
    out.height = static_cast<int32_t>(height);
    return {};
}

} // namespace formats

using namespace formats;

namespace {

Result<Facts> examine(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    PL_CHECK(checkBytes(bytes, what, limits));
    if (bytes.empty())
        return fail(Code::Corrupt, fmt::format("{} is empty", what), "Make or copy the file again.");
    const char* name = formatName(bytes);
    const std::string_view known = name ? name : "";
    if (known == "PNG")
        return examinePng(bytes, what, limits);
    if (known == "JPEG")
        return examineJpeg(bytes, what, limits);
    if (known == "WebP")
        return examineWebp(bytes, what, limits);
    return unsupported(what, name ? fmt::format("is a {} image; PNG, JPEG and WebP are read", name)
                                  : std::string("is not a PNG, JPEG or WebP image"));
}

ImageInfo infoOf(const Facts& facts) {
    return {facts.format == Format::Png ? "png" : facts.format == Format::Jpeg ? "jpg" : "webp", facts.width, facts.height};
}

Result<std::string> readPlain(const std::string& path, const ImageLimits& limits) {
    std::error_code error;
    const auto status = std::filesystem::symlink_status(path, error);
    if (!error && std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        return fail(Code::InvalidInput, fmt::format("{} is no plain file", path), "Links and folders are not followed.");
    return os::readFile(path, limits.maxBytes);
}

/// Turns and mirrors as EXIF's tag says.
Status makeUpright(Picture& picture, int orientation, std::string_view what) {
    if (orientation == 1)
        return {};
    const bool turned = orientation >= 5;
    const ptrdiff_t w = picture.width, last = picture.height - 1;
    Picture out;
    PL_CHECK(makeRoom(turned ? picture.height : w, turned ? w : picture.height, what, out));
    struct Walk {
        ptrdiff_t begin, right, down; ///< in the stored pixels, for a step in the upright ones
    };
    const Walk walk = orientation == 2   ? Walk{w - 1, -1, w}
                      : orientation == 3 ? Walk{last * w + w - 1, -1, -w}
                      : orientation == 4 ? Walk{last * w, 1, -w}
                      : orientation == 5 ? Walk{0, w, 1}
                      : orientation == 6 ? Walk{last * w, -w, 1}
                      : orientation == 7 ? Walk{last * w + w - 1, -w, -1}
                                         : Walk{w - 1, w, -1};
    constexpr ptrdiff_t kStripe = 16; // a cache line of each row: a turned picture is read across its rows
    for (ptrdiff_t left = 0; left < out.width; left += kStripe)
        for (ptrdiff_t y = 0; y < out.height; ++y) {
            uint8_t* to = out.rgba.data() + 4 * (y * out.width + left);
            ptrdiff_t at = walk.begin + y * walk.down + left * walk.right;
            for (ptrdiff_t x = left; x < std::min<ptrdiff_t>(left + kStripe, out.width); ++x, to += 4, at += walk.right)
                std::memcpy(to, picture.rgba.data() + 4 * at, 4);
        }
    picture.rgba = std::move(out.rgba);
    picture.width = out.width;
    picture.height = out.height;
    return {};
}

bool hasHoles(const std::vector<uint8_t>& rgba) {
    for (size_t i = 3; i < rgba.size(); i += 4)
        if (rgba[i] != 255)
            return true;
    return false;
}

Result<Picture> decoded(std::string_view bytes, std::string_view what, const Facts& facts, int32_t side) {
    Picture out;
    PL_CHECK(facts.format == Format::Png    ? formats::decodePng(bytes, what, facts, out)
             : facts.format == Format::Jpeg ? decodeJpeg(bytes, what, facts, side, out)
                                            : decodeWebp(bytes, what, facts, out));
    toSrgb(out, facts);
    PL_CHECK(makeUpright(out, facts.orientation, what));
    out.fileWidth = static_cast<int32_t>(facts.orientation >= 5 ? facts.height : facts.width);
    out.fileHeight = static_cast<int32_t>(facts.orientation >= 5 ? facts.width : facts.height);
    out.transparent = facts.format != Format::Jpeg && hasHoles(out.rgba);
    return out;
}

} // namespace

Result<ImageInfo> checkImage(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    PL_TRY(const Facts facts, examine(bytes, what, limits));
    return infoOf(facts);
}

Result<ImageInfo> checkImageFile(const std::string& path, const ImageLimits& limits) {
    PL_TRY(const std::string bytes, readPlain(path, limits));
    return checkImage(bytes, path, limits);
}

Result<ImageInfo> uprightImageFile(const std::string& path, const ImageLimits& limits) {
    PL_TRY(const std::string bytes, readPlain(path, limits));
    PL_TRY(const Facts facts, examine(bytes, path, limits));
    ImageInfo info = infoOf(facts);
    if (facts.orientation >= 5)
        std::swap(info.width, info.height);
    return info;
}

Result<Picture> decodePicture(std::string_view bytes, std::string_view what, const ImageLimits& limits, int32_t side) {
    PL_TRY(const Facts facts, examine(bytes, what, limits));
    return decoded(bytes, what, facts, side);
}

Result<Image> decodeImage(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    PL_TRY(Picture picture, decodePicture(bytes, what, limits));
    return overWhite(std::move(picture));
}

Result<Image> readImage(const std::string& path, const ImageLimits& limits) {
    PL_TRY(const std::string bytes, os::readFile(path, limits.maxBytes));
    return decodeImage(bytes, path, limits);
}

Result<Image> decodePng(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    PL_TRY(const Facts facts, examinePng(bytes, what, limits));
    PL_TRY(Picture picture, decoded(bytes, what, facts, 0));
    return overWhite(std::move(picture));
}

} // namespace pl
