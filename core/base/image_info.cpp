// SPDX-License-Identifier: Apache-2.0
#include "core/base/image_info.h"

#include <filesystem>

#include <fmt/format.h>

#include "core/base/os/files.h"

namespace pl {
namespace {

constexpr int64_t kMostSide = 16384;
constexpr int64_t kMostPixels = int64_t{64} << 20;
constexpr uint64_t kMostBytes = uint64_t{256} << 20;
constexpr size_t kHead = size_t{1} << 20; ///< a JPEG's frame header may follow long metadata

uint32_t byteAt(std::string_view b, size_t i) { return static_cast<unsigned char>(b[i]); }
uint32_t big16(std::string_view b, size_t i) { return byteAt(b, i) << 8 | byteAt(b, i + 1); }
uint32_t big32(std::string_view b, size_t i) { return big16(b, i) << 16 | big16(b, i + 2); }
uint32_t little16(std::string_view b, size_t i) { return byteAt(b, i) | byteAt(b, i + 1) << 8; }
uint32_t little24(std::string_view b, size_t i) { return little16(b, i) | byteAt(b, i + 2) << 16; }

uint32_t crc32(std::string_view bytes) {
    uint32_t crc = 0xffffffffu;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int k = 0; k < 8; ++k)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

/// Empty extension: broken; `why` says how.
ImageInfo pngOf(std::string_view b, std::string& why) {
    if (b.size() < 33 || big32(b, 8) != 13 || b.substr(12, 4) != "IHDR") {
        why = "its PNG header is torn";
        return {};
    }
    if (crc32(b.substr(12, 17)) != big32(b, 29)) {
        why = "its PNG header does not match its checksum";
        return {};
    }
    return {"png", big32(b, 16), big32(b, 20)};
}

ImageInfo jpegOf(std::string_view b, std::string& why) {
    size_t at = 2;
    while (at + 9 < b.size() && byteAt(b, at) == 0xff) {
        const uint32_t marker = byteAt(b, at + 1);
        if (marker == 0xff) { // fill bytes
            ++at;
            continue;
        }
        const bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame)
            return {"jpg", big16(b, at + 7), big16(b, at + 5)};
        const uint32_t length = big16(b, at + 2);
        if (length < 2 || marker == 0xd9 || marker == 0xda)
            break;
        at += 2 + length;
    }
    why = "its JPEG has no frame header";
    return {};
}

ImageInfo webpOf(std::string_view b, std::string& why) {
    if (b.size() >= 30) {
        const std::string_view chunk = b.substr(12, 4);
        if (chunk == "VP8X")
            return {"webp", int64_t{little24(b, 24)} + 1, int64_t{little24(b, 27)} + 1};
        if (chunk == "VP8L" && byteAt(b, 20) == 0x2f) {
            const uint32_t bits = little16(b, 21) | little16(b, 23) << 16;
            return {"webp", (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
        }
        if (chunk == "VP8 " && b.substr(23, 3) == "\x9d\x01\x2a")
            return {"webp", little16(b, 26) & 0x3fff, little16(b, 28) & 0x3fff};
    }
    why = "its WebP header is torn";
    return {};
}

} // namespace

Result<ImageInfo> inspectImage(std::string_view bytes, std::string_view what) {
    std::string why;
    ImageInfo info;
    if (bytes.substr(0, 8) == std::string_view("\x89PNG\r\n\x1a\n", 8))
        info = pngOf(bytes, why);
    else if (bytes.substr(0, 3) == "\xff\xd8\xff")
        info = jpegOf(bytes, why);
    else if (bytes.size() >= 12 && bytes.substr(0, 4) == "RIFF" && bytes.substr(8, 4) == "WEBP")
        info = webpOf(bytes, why);
    else
        why = "it is neither PNG nor JPEG nor WebP";
    if (!why.empty())
        return fail(Code::InvalidInput, fmt::format("{} is no image that can be used: {}", what, why),
                    "Convert it to PNG.");
    if (info.width < 1 || info.height < 1 || info.width > kMostSide || info.height > kMostSide ||
        info.width * info.height > kMostPixels)
        return fail(Code::InvalidInput,
                    fmt::format("{} is no image that can be used: it claims {} x {} pixels", what, info.width, info.height),
                    fmt::format("At most {} a side and {} million in all are read.", kMostSide, kMostPixels >> 20));
    return info;
}

Result<ImageInfo> inspectImageFile(const std::string& path) {
    std::error_code error;
    const auto status = std::filesystem::symlink_status(path, error);
    if (error || !std::filesystem::exists(status))
        return fail(Code::NotFound, fmt::format("there is no file {}", path));
    if (!std::filesystem::is_regular_file(status))
        return fail(Code::InvalidInput, fmt::format("{} is no plain file", path), "Links and folders are not followed.");
    PL_TRY(const uint64_t size, os::fileSize(path));
    if (size > kMostBytes)
        return fail(Code::InvalidInput, fmt::format("{} has {} bytes; at most {} are read", path, size, kMostBytes));
    PL_TRY(const std::string head, os::readFrom(path, 0, kHead));
    return inspectImage(head, path);
}

} // namespace pl
