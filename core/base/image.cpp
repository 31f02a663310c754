// SPDX-License-Identifier: Apache-2.0
#include "core/base/image.h"

#include <algorithm>
#include <array>
#include <new>

#include <fmt/format.h>
#include <png.h>
#include <zlib.h>

#include "core/base/image_formats.h"
#include "core/base/os/files.h"

namespace pl {

namespace {

constexpr size_t kHeaderEnd = 33; // signature and IHDR

void appendBigEndian(std::string& out, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift));
}

uint32_t checksum(std::string_view bytes) {
    return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

/// png_image owns C memory until it is freed.
struct Writer {
    png_image image{};
    Writer() { image.version = PNG_IMAGE_VERSION; }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() { png_image_free(&image); }
};

bool isWhole(const Image& image) {
    return image.width > 0 && image.height > 0 &&
           image.rgb.size() == size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
}

Result<std::string> textChunk(const std::string& key, const std::string& text) {
    const bool keyGood = !key.empty() && key.size() <= 79 && key.front() != ' ' && key.back() != ' ' &&
                         std::all_of(key.begin(), key.end(), [](char c) { return c >= 32 && c < 127; });
    if (!keyGood || text.find('\0') != std::string::npos || text.size() > (size_t{1} << 30))
        return fail(Code::InvalidInput, fmt::format("\"{}\" and its text cannot be written into a PNG file", key.substr(0, 80)),
                    "A keyword has 1 to 79 printable ASCII characters; a text has no NUL.");
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    std::string body = (ascii ? "tEXt" : "iTXt") + key;
    body.push_back('\0');
    if (!ascii)
        body.append(4, '\0'); // not compressed, method 0, no language, no translated keyword
    body += text;
    std::string chunk;
    appendBigEndian(chunk, static_cast<uint32_t>(body.size() - 4));
    chunk += body;
    appendBigEndian(chunk, checksum(body));
    return chunk;
}

} // namespace

Image blankImage(int32_t width, int32_t height) {
    Image image;
    if (width > 0 && height > 0) {
        image.width = width;
        image.height = height;
        image.rgb.resize(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
    }
    return image;
}

Result<ImageText> textOfPng(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    ImageText out;
    PL_CHECK(formats::examinePng(bytes, what, limits, [&](std::string_view type, std::string_view data) {
        const size_t end = data.find('\0');
        if (end == 0 || end > 79 || end == std::string_view::npos)
            return;
        const auto key = data.substr(0, end);
        data.remove_prefix(end + 1);
        if (type == "tEXt") {
            out.emplace_back(key, data);
        } else if (type == "iTXt" && data.size() >= 2 && data[0] == 0) {
            data.remove_prefix(2);
            for (int skipped = 0; skipped < 2; ++skipped) // language, translated keyword
                data.remove_prefix(std::min(data.size(), data.find('\0') == std::string_view::npos ? data.size()
                                                                                                    : data.find('\0') + 1));
            out.emplace_back(key, data);
        }
    }));
    return out;
}

Result<std::string> encodePng(const Image& image, const ImageText& text) {
    if (!isWhole(image))
        return fail(Code::InvalidInput,
                    fmt::format("an image of {} x {} pixels with {} bytes cannot be written", image.width, image.height,
                                image.rgb.size()),
                    "Give it 3 bytes a pixel.");
    std::string chunks;
    for (const auto& [key, value] : text) {
        PL_TRY(const std::string chunk, textChunk(key, value));
        chunks += chunk;
    }
    Writer writer;
    writer.image.width = static_cast<png_uint_32>(image.width);
    writer.image.height = static_cast<png_uint_32>(image.height);
    writer.image.format = PNG_FORMAT_RGB;
    try {
        png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(writer.image);
        std::string out(size, '\0');
        if (!png_image_write_to_memory(&writer.image, out.data(), &size, 0, image.rgb.data(), 0, nullptr))
            return fail(Code::Internal, fmt::format("libpng cannot write the image: {}", writer.image.message));
        out.resize(size);
        out.insert(kHeaderEnd, chunks);
        return out;
    } catch (const std::bad_alloc&) {
        return fail(Code::OutOfMemory, fmt::format("no memory to write {} x {} pixels", image.width, image.height),
                    "Write a smaller image.");
    }
}

Result<Image> readPng(const std::string& path, const ImageLimits& limits) {
    PL_TRY(const std::string bytes, os::readFile(path, limits.maxBytes));
    return decodePng(bytes, path, limits);
}

Status writePng(const std::string& path, const Image& image, const ImageText& text) {
    PL_TRY(const std::string bytes, encodePng(image, text));
    return os::writeFileAtomic(path, bytes);
}

Image resized(const Image& image, int32_t width, int32_t height) {
    if (!isWhole(image))
        return {};
    if (width == image.width && height == image.height)
        return image;
    Image out = blankImage(width, height);
    if (out.rgb.empty())
        return out;
    // In units of 1/width of a source pixel, new pixel x covers [x W, (x + 1) W) and source pixel i covers
    // [i width, (i + 1) width): every overlap is a whole number, and those of one new pixel add up to W.
    const int64_t W = image.width, H = image.height, w = width, h = height;
    std::vector<uint64_t> sum(static_cast<size_t>(w) * 3);
    const auto area = static_cast<uint64_t>(W) * static_cast<uint64_t>(H);
    for (int64_t y = 0; y < h; ++y) {
        std::fill(sum.begin(), sum.end(), uint64_t{0});
        const int64_t top = y * H, bottom = top + H;
        for (int64_t j = top / h; j * h < bottom; ++j) {
            const auto tall = static_cast<uint64_t>(std::min((j + 1) * h, bottom) - std::max(j * h, top));
            const uint8_t* row = image.rgb.data() + static_cast<size_t>(j * W * 3);
            for (int64_t x = 0; x < w; ++x) {
                const int64_t left = x * W, right = left + W;
                std::array<uint64_t, 3> part{};
                for (int64_t i = left / w; i * w < right; ++i) {
                    const auto wide = static_cast<uint64_t>(std::min((i + 1) * w, right) - std::max(i * w, left));
                    for (size_t c = 0; c < 3; ++c)
                        part[c] += wide * row[static_cast<size_t>(i) * 3 + c];
                }
                for (size_t c = 0; c < 3; ++c)
                    sum[static_cast<size_t>(x) * 3 + c] += tall * part[c];
            }
        }
        for (size_t i = 0; i < sum.size(); ++i)
            out.rgb[static_cast<size_t>(y * w * 3) + i] = static_cast<uint8_t>((sum[i] + area / 2) / area);
    }
    return out;
}

} // namespace pl
