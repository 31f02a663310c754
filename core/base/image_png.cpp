// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <new>

#include <fmt/format.h>
#include <png.h>
#include <zlib.h>

#include "core/base/image_formats.h"

namespace pl::formats {

namespace {

constexpr std::string_view kSignature{"\x89PNG\r\n\x1a\n", 8};
constexpr uint64_t kDeflateGain = 1032; ///< bytes that one byte of deflate can become, at most
constexpr size_t kLargestProfile = size_t{16} << 20;

uint32_t checksum(std::string_view bytes) {
    return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

/// Bits of a pixel; 0: there is no such kind.
uint64_t pixelBits(std::string_view header) {
    const uint64_t depth = byteAt(header, 8);
    switch (byteAt(header, 9)) {
    case 0:
    case 3: return depth;
    case 2: return 3 * depth;
    case 4: return 2 * depth;
    case 6: return 4 * depth;
    default: return 0;
    }
}

/// png_image owns C memory until it is freed.
struct Reader {
    png_image image{};
    Reader() { image.version = PNG_IMAGE_VERSION; }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { png_image_free(&image); }
};

/// The chunks that say what the samples mean, gathered before it is known which of them counts.
struct Meanings {
    bool srgb = false;
    Primaries primaries;
    void read(std::string_view type, std::string_view data) {
        if (type == "sRGB") {
            srgb = true;
        } else if (type == "gAMA" && data.size() == 4 && primaries.gamma == 0) {
            const double gamma = big32(data, 0) / 100000.0;
            primaries.gamma = gamma >= 0.05 && gamma <= 20 ? gamma : 0;
        } else if (type == "cHRM" && data.size() == 32 && !primaries.known) {
            primaries.known = true;
            for (size_t i = 0; i < 4; ++i) {
                primaries.x[i] = big32(data, 8 * i) / 100000.0;
                primaries.y[i] = big32(data, 8 * i + 4) / 100000.0;
                primaries.known = primaries.known && primaries.y[i] > 0 && primaries.x[i] + primaries.y[i] <= 1;
            }
        }
    }
};

} // namespace

std::string unpackedProfile(std::string_view chunk) {
    const size_t end = chunk.find('\0');
    if (end == 0 || end > 79 || end + 2 > chunk.size() || chunk[end + 1] != 0)
        return {};
    chunk.remove_prefix(end + 2);
    std::string out;
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK)
        return {};
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(chunk.data()));
    stream.avail_in = static_cast<uInt>(chunk.size());
    char block[8192];
    int state = Z_OK;
    while (state == Z_OK && out.size() <= kLargestProfile) {
        stream.next_out = reinterpret_cast<Bytef*>(block);
        stream.avail_out = sizeof block;
        state = inflate(&stream, Z_NO_FLUSH);
        out.append(block, sizeof block - stream.avail_out);
    }
    inflateEnd(&stream);
    return state == Z_STREAM_END && out.size() <= kLargestProfile ? out : std::string();
}

Result<Facts> examinePng(std::string_view bytes, std::string_view what, const ImageLimits& limits,
                         const std::function<void(std::string_view, std::string_view)>& visit) {
    PL_CHECK(checkBytes(bytes, what, limits));
    if (!bytes.starts_with(kSignature)) {
        if (const char* name = formatName(bytes))
            return unsupported(what, fmt::format("is a {} image, not PNG", name));
        if (kSignature.starts_with(bytes))
            return broken(what, Format::Png, bytes.empty() ? "it is empty" : "it ends inside the signature");
        return unsupported(what, "is not a PNG image");
    }
    Facts facts;
    Meanings meanings;
    std::string_view head, profile;
    uint64_t pixelBytes = 0;
    bool animated = false;
    for (size_t at = kSignature.size();;) {
        if (bytes.size() - at < 12)
            return broken(what, Format::Png, fmt::format("it ends at byte {}, before its last chunk", bytes.size()));
        const uint32_t length = big32(bytes, at);
        const auto type = bytes.substr(at + 4, 4);
        if (!std::all_of(type.begin(), type.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }))
            return broken(what, Format::Png, fmt::format("there is no chunk name at byte {}", at + 4));
        if (length > 0x7FFFFFFF || length > bytes.size() - at - 12)
            return broken(what, Format::Png, fmt::format("chunk {} at byte {} is longer than the rest of the file", type, at));
        const auto data = bytes.substr(at + 8, length);
        if (checksum(bytes.substr(at + 4, length + 4)) != big32(bytes, at + 8 + length))
            return broken(what, Format::Png, fmt::format("chunk {} at byte {} has a wrong checksum", type, at));
        if ((at == kSignature.size()) != (type == "IHDR") || (type == "IHDR" && length != 13))
            return broken(what, Format::Png, "its first chunk, and only that, must be a header");
        if (type == "IHDR") {
            head = data;
            facts.width = big32(data, 0);
            facts.height = big32(data, 4);
            facts.channels = byteAt(data, 9) % 4 == 0 ? Channels::Grey : Channels::Colour;
            PL_CHECK(checkSize(facts.width, facts.height, what, Format::Png, limits));
        } else if (type == "IDAT") {
            pixelBytes += length;
        } else if (type == "acTL" && length >= 4) {
            animated = animated || big32(data, 0) > 1;
        } else if (type == "eXIf" && facts.exif.empty()) {
            facts.exif = data;
        } else if (pixelBytes == 0 && type == "iCCP" && profile.empty()) {
            profile = data;
        } else if (pixelBytes == 0) {
            meanings.read(type, data);
        }
        if (visit)
            visit(type, data);
        const bool critical = type[0] >= 'A' && type[0] <= 'Z';
        const bool next = !facts.kept.empty() && facts.kept.back().first + facts.kept.back().second == at;
        if ((critical || type == "tRNS") && next) // one stretch: there may be millions of empty chunks
            facts.kept.back().second += 12 + size_t{length};
        else if (critical || type == "tRNS")
            facts.kept.emplace_back(at, 12 + size_t{length});
        at += 12 + size_t{length};
        if (type == "IEND")
            break; // what follows is not the image's
    }
    if (pixelBytes == 0)
        return broken(what, Format::Png, "it has no pixels");
    if (animated)
        return unsupported(what, "is animated; only still images are read");
    if (pixelBytes * kDeflateGain < (facts.width * pixelBits(head) + 7) / 8 * facts.height)
        return broken(what, Format::Png, fmt::format("its {} bytes of pixels are too few for {} x {}", pixelBytes, facts.width, facts.height));
    facts.squeezedProfile = profile;
    facts.orientation = exifOrientation(facts.exif);
    if (!meanings.srgb && meanings.primaries.gamma > 0)
        facts.primaries = meanings.primaries;
    return facts;
}

Status decodePng(std::string_view bytes, std::string_view what, const Facts& facts, Picture& out) {
    // Only what makes the pixels: what else a file holds is neither unpacked nor applied by libpng.
    std::string bare(kSignature);
    size_t size = bare.size();
    for (const auto& [at, length] : facts.kept)
        size += length;
    try {
        bare.reserve(size);
    } catch (const std::bad_alloc&) {
        return fail(Code::OutOfMemory, fmt::format("{} needs more memory than there is", what), "Close other programs, or use a smaller image.");
    }
    for (const auto& [at, length] : facts.kept)
        bare += bytes.substr(at, length);
    // The simplified interface: libpng's longjmp never crosses a frame of this program.
    Reader reader;
    if (!png_image_begin_read_from_memory(&reader.image, bare.data(), bare.size()))
        return broken(what, Format::Png, reader.image.message);
    if (reader.image.width != facts.width || reader.image.height != facts.height)
        return broken(what, Format::Png, "it has two headers");
    reader.image.format = PNG_FORMAT_RGBA;
    reader.image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; // 16 bits are scaled to 8, whatever they mean
    PL_CHECK(makeRoom(facts.width, facts.height, what, out));
    if (!png_image_finish_read(&reader.image, nullptr, out.rgba.data(), 0, nullptr))
        return broken(what, Format::Png, reader.image.message);
    return {};
}

} // namespace pl::formats
