// SPDX-License-Identifier: Apache-2.0
#include "core/base/image.h"

#include <algorithm>
#include <array>
#include <new>

#include <fmt/format.h>
#include <png.h>
#include <zlib.h>

#include "core/base/os/files.h"

namespace pl {

namespace {

constexpr std::string_view kSignature{"\x89PNG\r\n\x1a\n", 8};
constexpr size_t kHeaderEnd = 33; // signature and IHDR

uint32_t bigEndian(std::string_view bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

void appendBigEndian(std::string& out, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift));
}

uint32_t checksum(std::string_view bytes) {
    return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

/// What other files begin with, for a message that helps.
const char* formatName(std::string_view bytes) {
    if (bytes.starts_with("\xff\xd8\xff"))
        return "JPEG";
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

struct Header {
    uint32_t width = 0, height = 0;
};

tl::unexpected<Error> broken(std::string_view what, std::string cause) {
    return fail(Code::Corrupt, fmt::format("{} is not a whole PNG file: {}", what, cause), "Make or copy the file again.");
}

/// Walks the chunks without decoding one: structure, checksums, limits. `visit(type, data)` sees every chunk.
template <class Visit>
Result<Header> checkChunks(std::string_view bytes, std::string_view what, const ImageLimits& limits, Visit visit) {
    if (bytes.size() > limits.maxBytes)
        return fail(Code::InvalidInput, fmt::format("{} has {} bytes; {} are read at most", what, bytes.size(), limits.maxBytes),
                    "Use a smaller image.");
    if (!bytes.starts_with(kSignature)) {
        if (const char* name = formatName(bytes))
            return fail(Code::Unsupported, fmt::format("{} is a {} image, not PNG", what, name), "Convert it to PNG.");
        if (kSignature.starts_with(bytes))
            return broken(what, bytes.empty() ? "it is empty" : "it ends inside the signature");
        return fail(Code::Unsupported, fmt::format("{} is not a PNG image", what), "Convert it to PNG.");
    }
    Header header;
    bool pixels = false;
    for (size_t at = kSignature.size();;) {
        if (bytes.size() - at < 12)
            return broken(what, fmt::format("it ends at byte {}, before its last chunk", bytes.size()));
        const uint32_t length = bigEndian(bytes, at);
        const auto type = bytes.substr(at + 4, 4);
        if (!std::all_of(type.begin(), type.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }))
            return broken(what, fmt::format("there is no chunk name at byte {}", at + 4));
        if (length > 0x7FFFFFFF || length > bytes.size() - at - 12)
            return broken(what, fmt::format("chunk {} at byte {} is longer than the rest of the file", type, at));
        const auto data = bytes.substr(at + 8, length);
        if (checksum(bytes.substr(at + 4, length + 4)) != bigEndian(bytes, at + 8 + length))
            return broken(what, fmt::format("chunk {} at byte {} has a wrong checksum", type, at));
        if ((at == kSignature.size()) != (type == "IHDR") || (type == "IHDR" && length != 13))
            return broken(what, "its first chunk, and only that, must be a header");
        if (type == "IHDR") {
            header = {bigEndian(data, 0), bigEndian(data, 4)};
            if (header.width == 0 || header.height == 0)
                return broken(what, "a side is 0");
            if (header.width > static_cast<uint32_t>(limits.maxSide) || header.height > static_cast<uint32_t>(limits.maxSide) ||
                int64_t{header.width} * header.height > limits.maxPixels)
                return fail(Code::InvalidInput,
                            fmt::format("{} has {} x {} pixels; at most {} a side and {} in all are read", what, header.width,
                                        header.height, limits.maxSide, limits.maxPixels),
                            "Use a smaller image.");
        }
        pixels = pixels || type == "IDAT";
        visit(type, data);
        at += 12 + size_t{length};
        if (type == "IEND")
            break; // what follows is not the image's
    }
    if (!pixels)
        return broken(what, "it has no pixels");
    return header;
}

/// png_image owns C memory until it is freed.
struct Reader {
    png_image image{};
    Reader() { image.version = PNG_IMAGE_VERSION; }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { png_image_free(&image); }
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

Result<Image> decodePng(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    PL_TRY(const Header header, checkChunks(bytes, what, limits, [](auto, auto) {}));
    // The simplified interface: libpng's longjmp never crosses a frame of this program.
    Reader reader;
    if (!png_image_begin_read_from_memory(&reader.image, bytes.data(), bytes.size()))
        return broken(what, reader.image.message);
    if (reader.image.width != header.width || reader.image.height != header.height)
        return broken(what, "it has two headers");
    reader.image.format = PNG_FORMAT_RGB;
    reader.image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; // 16 bit without a gAMA chunk is sRGB too
    Image out;
    try {
        out = blankImage(static_cast<int32_t>(header.width), static_cast<int32_t>(header.height));
    } catch (const std::bad_alloc&) {
        return fail(Code::OutOfMemory, fmt::format("no memory for the {} x {} pixels of {}", header.width, header.height, what),
                    "Use a smaller image.");
    }
    const png_color white{255, 255, 255};
    if (!png_image_finish_read(&reader.image, &white, out.rgb.data(), 0, nullptr))
        return broken(what, reader.image.message);
    return out;
}

Result<ImageText> textOfPng(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    ImageText out;
    PL_TRY(const Header header, checkChunks(bytes, what, limits, [&](std::string_view type, std::string_view data) {
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
    (void)header;
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
    Reader writer;
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
