// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <map>

#include <fmt/format.h>
#include <jpeglib.h>
// after jpeglib.h, which it needs
#include <jerror.h>

#include "core/base/image_formats.h"

namespace pl::formats {

namespace {

constexpr int kMostScans = 100;                    ///< a progressive file goes through all its pixels in each
constexpr long kMostMemory = long{512} << 20;      ///< of libjpeg: the coefficients of a progressive file of 64 million pixels
constexpr std::string_view kProfile{"ICC_PROFILE\0", 12};
constexpr std::string_view kExif{"Exif\0\0", 6};

tl::unexpected<Error> early(std::string_view what, size_t size) {
    return broken(what, Format::Jpeg, fmt::format("it ends at byte {}, before its end marker", size));
}

/// The marker behind a scan that begins at `at`: its place, or npos. Stuffed bytes and restart markers belong to the scan.
size_t scanEnd(std::string_view bytes, size_t at) {
    for (;;) {
        at = bytes.find('\xff', at);
        if (at == std::string_view::npos || at + 1 >= bytes.size())
            return std::string_view::npos;
        const uint32_t next = byteAt(bytes, at + 1);
        if (next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7))
            return at;
        at += next == 0xff ? 1 : 2;
    }
}

/// A JPEG's profile lies in parts of 64 KB, numbered from 1.
std::string joined(const std::map<uint32_t, std::string_view>& parts, uint32_t count) {
    std::string out;
    if (parts.size() != count || parts.empty() || parts.begin()->first != 1 || parts.rbegin()->first != count)
        return out;
    for (const auto& [number, part] : parts)
        out += part;
    return out;
}

/// Least blocks of samples that the file must hold, each of a bit or more.
uint64_t leastUnits(std::string_view frame, uint32_t width, uint32_t height, uint32_t components) {
    uint32_t across = 1, down = 1;
    for (uint32_t i = 0; components > 1 && i < components; ++i) {
        across = std::max(across, byteAt(frame, 7 + 3 * i) >> 4);
        down = std::max(down, byteAt(frame, 7 + 3 * i) & 15);
    }
    const auto units = [](uint64_t side, uint64_t each) { return (side + each - 1) / each; };
    return units(width, uint64_t{8} * across) * units(height, uint64_t{8} * down);
}

// --- libjpeg, which leaves by longjmp. Between setjmp and what comes back nothing has a destructor. ------------------------

struct Trap {
    jpeg_error_mgr errors;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
    bool memory, cap;
};

[[noreturn]] void leave(j_common_ptr info) {
    auto* trap = reinterpret_cast<Trap*>(info->err);
    info->err->format_message(info, trap->text);
    const int code = info->err->msg_code;
    trap->memory = code == JERR_OUT_OF_MEMORY;
    trap->cap = code == JERR_NO_BACKING_STORE; // what one file may ask for, whatever the machine has
    longjmp(trap->back, 1);
}

/// Warnings that say something of the pixels end it; those about the bytes around them do not.
void warned(j_common_ptr info, int level) {
    if (level >= 0)
        return;
    switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_ICC:
        return;
    default:
        leave(info);
    }
}

void silent(j_common_ptr) {}

void watchScans(j_common_ptr info) {
    const auto* decompress = reinterpret_cast<jpeg_decompress_struct*>(info);
    if (decompress->input_scan_number <= kMostScans)
        return;
    auto* trap = reinterpret_cast<Trap*>(info->err);
    std::snprintf(trap->text, sizeof trap->text, "it has more than %d scans", kMostScans);
    longjmp(trap->back, 1);
}

bool begin(jpeg_decompress_struct* info, Trap* trap, const unsigned char* bytes, size_t size) {
    if (setjmp(trap->back))
        return false;
    jpeg_create_decompress(info);
    info->mem->max_memory_to_use = kMostMemory;
    jpeg_mem_src(info, bytes, static_cast<unsigned long>(size));
    jpeg_read_header(info, TRUE);
    return true;
}

bool start(jpeg_decompress_struct* info, Trap* trap) {
    if (setjmp(trap->back))
        return false;
    jpeg_start_decompress(info);
    return true;
}

/// All rows into 4 bytes a pixel.
bool rows(jpeg_decompress_struct* info, Trap* trap, unsigned char* out) {
    if (setjmp(trap->back))
        return false;
    while (info->output_scanline < info->output_height) {
        JSAMPROW row = out + size_t{info->output_scanline} * info->output_width * 4;
        jpeg_read_scanlines(info, &row, 1);
    }
    jpeg_finish_decompress(info);
    return true;
}

struct Decoder {
    Trap trap{};
    jpeg_progress_mgr progress{};
    jpeg_decompress_struct info{};
    Decoder() {
        info.err = jpeg_std_error(&trap.errors);
        trap.errors.error_exit = leave;
        trap.errors.emit_message = warned;
        trap.errors.output_message = silent;
        progress.progress_monitor = watchScans;
    }
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;
    ~Decoder() { jpeg_destroy_decompress(&info); }
};

} // namespace

Result<Facts> examineJpeg(std::string_view bytes, std::string_view what, const ImageLimits& limits) {
    Facts facts;
    facts.format = Format::Jpeg;
    std::map<uint32_t, std::string_view> profile;
    uint32_t profileParts = 0;
    uint64_t least = 0, scanned = 0;
    bool huffman = true;
    for (size_t at = 2;;) {
        if (at + 4 > bytes.size())
            return early(what, bytes.size());
        if (byteAt(bytes, at) != 0xff)
            return broken(what, Format::Jpeg, fmt::format("there is no marker at byte {}", at));
        const uint32_t marker = byteAt(bytes, at + 1);
        if (marker == 0xff) { // fill bytes
            ++at;
            continue;
        }
        if (marker == 0xd9 || (marker >= 0xd0 && marker <= 0xd8) || marker <= 1)
            return broken(what, Format::Jpeg, fmt::format("the marker at byte {} has no place before the pixels", at));
        const size_t length = big16(bytes, at + 2);
        if (length < 2 || length > bytes.size() - at - 2)
            return length < 2 ? broken(what, Format::Jpeg, fmt::format("the segment at byte {} has no length", at))
                              : early(what, bytes.size());
        const auto body = bytes.substr(at + 4, length - 2);
        const size_t place = at;
        at += 2 + length;
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            if (facts.width)
                return broken(what, Format::Jpeg, fmt::format("it has a second frame at byte {}", place));
            if (body.size() < 6 || body.size() < 6 + size_t{3} * byteAt(body, 5))
                return broken(what, Format::Jpeg, fmt::format("its frame header at byte {} is too short", place));
            huffman = marker <= 0xc2;
            if (!huffman && marker != 0xc9 && marker != 0xca)
                return unsupported(what, "is a lossless or hierarchical JPEG; baseline and progressive ones are read");
            if (byteAt(body, 0) != 8)
                return unsupported(what, fmt::format("is a JPEG of {} bits a sample; 8 are read", byteAt(body, 0)));
            facts.height = big16(body, 1);
            facts.width = big16(body, 3);
            const uint32_t components = byteAt(body, 5);
            if (components != 1 && components != 3 && components != 4)
                return unsupported(what, fmt::format("is a JPEG of {} components; 1, 3 and 4 are read", components));
            facts.channels = components == 1 ? Channels::Grey : components == 3 ? Channels::Colour : Channels::Ink;
            PL_CHECK(checkSize(facts.width, facts.height, what, Format::Jpeg, limits));
            least = leastUnits(body, facts.width, facts.height, components);
        } else if (marker == 0xe1 && facts.exif.empty() && body.starts_with(kExif)) {
            facts.exif = body;
        } else if (marker == 0xe2 && body.size() >= 14 && body.starts_with(kProfile)) {
            profile.emplace(byteAt(body, 12), body.substr(14));
            profileParts = byteAt(body, 13);
        } else if (marker == 0xda) {
            if (!facts.width)
                return broken(what, Format::Jpeg, "its pixels come before its size");
            size_t end = scanEnd(bytes, at);
            if (end == std::string_view::npos)
                return early(what, bytes.size());
            scanned += end - at;
            at = end;
            if (byteAt(bytes, at + 1) == 0xd9)
                break; // what follows is not the image's
        }
    }
    if (huffman && scanned * 8 < least)
        return broken(what, Format::Jpeg, fmt::format("its {} bytes of pixels are too few for {} x {}", scanned, facts.width, facts.height));
    facts.icc = joined(profile, profileParts);
    facts.orientation = exifOrientation(facts.exif);
    return facts;
}

Status decodeJpeg(std::string_view bytes, std::string_view what, const Facts& facts, int32_t side, Picture& out) {
    Decoder decoder;
    auto& info = decoder.info;
    const auto failed = [&]() -> Status {
        if (decoder.trap.cap)
            return fail(Code::InvalidInput, fmt::format("{} needs more memory than one image may take", what), "Use a smaller image.");
        if (decoder.trap.memory)
            return fail(Code::OutOfMemory, fmt::format("{} needs more memory than there is", what), "Close other programs, or use a smaller image.");
        return broken(what, Format::Jpeg, decoder.trap.text);
    };
    if (!begin(&info, &decoder.trap, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()))
        return failed();
    if (info.image_width != facts.width || info.image_height != facts.height)
        return broken(what, Format::Jpeg, "it has two headers");
    info.progress = &decoder.progress;
    info.out_color_space = facts.channels == Channels::Ink ? JCS_CMYK : JCS_EXT_RGBA;
    info.scale_denom = 8;
    info.scale_num = 8;
    if (side > 0)
        while (info.scale_num > 1 && std::max(facts.width, facts.height) * (info.scale_num / 2) / 8 >= static_cast<uint32_t>(side))
            info.scale_num /= 2;
    if (!start(&info, &decoder.trap))
        return failed();
    // A scan that never was: nothing says so but that a component has no value yet.
    if (info.progressive_mode && info.coef_bits)
        for (int c = 0; c < info.num_components; ++c)
            if (info.coef_bits[c][0] < 0)
                return broken(what, Format::Jpeg, "a component has no pixels");
    if (info.output_components != 4)
        return broken(what, Format::Jpeg, "it has two headers");
    PL_CHECK(makeRoom(info.output_width, info.output_height, what, out));
    if (!rows(&info, &decoder.trap, out.rgba.data()))
        return failed();
    return {};
}

} // namespace pl::formats
