// SPDX-License-Identifier: Apache-2.0
// Bytes as a PNG file: what is accepted is within the limits and survives being written again; and any picture and any words
// have a reading. Checksums are corrected in a second try, or no mutation would get behind them.
#include <zlib.h>

#include "core/base/image.h"
#include "core/rules/image_taste.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace pl;

const ImageLimits kLimits{4096, int64_t{1} << 20, uint64_t{1} << 20};

std::string number(uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string chunk(const std::string& type, const std::string& data) {
    const std::string body = type + data;
    return number(static_cast<uint32_t>(data.size())) + body +
           number(static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

/// The file with the right checksum behind every chunk that lies within it.
std::string corrected(std::string_view bytes) {
    std::string out(bytes.substr(0, 8));
    for (size_t at = 8; at + 12 <= bytes.size();) {
        uint32_t length = 0;
        for (size_t i = 0; i < 4; ++i)
            length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
        length = static_cast<uint32_t>(std::min<size_t>(length, bytes.size() - at - 12));
        out += chunk(std::string(bytes.substr(at + 4, 4)), std::string(bytes.substr(at + 8, length)));
        at += 12 + size_t{length};
    }
    return out;
}

void tryOut(std::string_view bytes) {
    const auto text = textOfPng(bytes, "fuzz", kLimits);
    const auto image = decodePng(bytes, "fuzz", kLimits);
    if (!image) {
        fuzz::expect(!image.error().message.empty());
        return;
    }
    fuzz::expect(text.has_value());
    fuzz::expect(image->width > 0 && image->height > 0 && int64_t{image->width} * image->height <= kLimits.maxPixels);
    fuzz::expect(image->rgb.size() == size_t{3} * static_cast<size_t>(image->width) * static_cast<size_t>(image->height));
    const rules::SceneMeasure measure = rules::measureScene(*image);
    fuzz::expect(measure.count >= 0 && measure.foreground >= 0 && measure.foreground <= 1 && measure.background >= 1);
    if (image->rgb.size() > 30000)
        return;
    const auto again = encodePng(*image);
    fuzz::expect(again.has_value());
    const auto back = decodePng(*again, "again");
    fuzz::expect(back && *back == *image);
}

} // namespace

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> out;
        for (const int side : {1, 5, 32})
            out.push_back(*encodePng(rules::renderScene(rules::drawScene(rules::drawCaption(7), 7), side), {{"prompt", "zw\xc3\xb6lf"}, {"seed", "7"}}));
        const std::string signature("\x89PNG\r\n\x1a\n", 8);
        std::string rows(400, '\1'), squeezed(500, '\0');
        uLongf size = squeezed.size();
        compress(reinterpret_cast<Bytef*>(squeezed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()), static_cast<uLong>(rows.size()));
        squeezed.resize(size);
        // Every kind of pixel, plain and interlaced, with the chunks that change how it is read.
        for (const auto& [depth, kind] : {std::pair{1, 0}, {16, 0}, {8, 2}, {16, 2}, {4, 3}, {8, 4}, {16, 6}})
            for (const char interlace : {'\0', '\1'}) {
                std::string file = signature + chunk("IHDR", number(5) + number(6) + std::string{static_cast<char>(depth), static_cast<char>(kind), 0, 0, interlace});
                file += chunk("gAMA", number(100000)) + chunk("cHRM", std::string(32, '\x20')) + chunk("sBIT", std::string(kind == 0 ? 1 : kind == 4 ? 2 : kind == 6 ? 4 : 3, '\4'));
                if (kind == 3)
                    file += chunk("PLTE", std::string(48, '\x77')) + chunk("tRNS", std::string(16, '\x55'));
                file += chunk("bKGD", kind == 3 ? "\1" : std::string(kind % 4 == 0 ? 2 : 6, '\0'));
                file += chunk("zTXt", std::string("k\0\0", 3) + squeezed) + chunk("iCCP", std::string("p\0\0", 3) + squeezed);
                out.push_back(file + chunk("IDAT", squeezed) + chunk("IEND", {}));
            }
        return out;
    }();
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes = fuzz::view(data, size);
    tryOut(bytes);
    tryOut(corrected(bytes));
    const auto parsed = rules::parseCaption(bytes);
    for (const auto& word : parsed.ignored)
        fuzz::expect(word.offset + word.length <= size && word.length > 0);
    const auto text = rules::captionText(parsed.caption, size);
    const auto again = rules::parseCaption(text);
    fuzz::expect(again.ignored.empty());
    return 0;
}
