// SPDX-License-Identifier: Apache-2.0
#include "core/text/utf8.h"

#include <algorithm>
#include <iterator>

namespace pl::text {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
    char32_t codePoint;
    size_t length; ///< bytes taken, at least 1
    bool ok;
    bool truncated; ///< ill-formed only because the text ended
};

Decoded decodeAt(std::string_view bytes, size_t at) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char first = byte(at);
    if (first < 0x80)
        return {first, 1, true, false};
    size_t more = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    char32_t value = 0;
    if (first >= 0xC2 && first <= 0xDF) {
        more = 1;
        value = first & 0x1F;
    } else if (first >= 0xE0 && first <= 0xEF) {
        more = 2;
        value = first & 0x0F;
        if (first == 0xE0)
            low = 0xA0;
        if (first == 0xED)
            high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
        more = 3;
        value = first & 0x07;
        if (first == 0xF0)
            low = 0x90;
        if (first == 0xF4)
            high = 0x8F;
    } else {
        return {kReplacement, 1, false, false};
    }
    for (size_t i = 1; i <= more; ++i) {
        if (at + i >= bytes.size())
            return {kReplacement, i, false, true};
        const unsigned char next = byte(at + i);
        if (next < low || next > high)
            return {kReplacement, i, false, false};
        value = (value << 6) | (next & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    return {value, more + 1, true, false};
}

struct Range {
    char32_t first;
    char32_t last;
};

bool inRanges(const Range* begin, const Range* end, char32_t value) {
    const Range* found =
        std::upper_bound(begin, end, value, [](char32_t v, const Range& range) { return v < range.first; });
    return found != begin && value <= (found - 1)->last;
}

// Marks, joiners and selectors that belong to the character before them.
constexpr Range kZeroWidth[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},   {0x05BF, 0x05BF},   {0x05C1, 0x05C2},
    {0x0610, 0x061A}, {0x064B, 0x065F}, {0x0670, 0x0670},   {0x06D6, 0x06DC},   {0x0900, 0x0902},
    {0x093A, 0x093A}, {0x093C, 0x093C}, {0x0941, 0x0948},   {0x094D, 0x094D},   {0x0E31, 0x0E31},
    {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},   {0x1DC0, 0x1DFF},   {0x200B, 0x200F},
    {0x202A, 0x202E}, {0x2060, 0x2064}, {0x20D0, 0x20FF},   {0x3099, 0x309A},   {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF}, {0xE0020, 0xE007F}, {0xE0100, 0xE01EF},
};

constexpr Range kWide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
    {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267F, 0x267F},
    {0x2693, 0x2693},   {0x26A1, 0x26A1},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},
    {0x26CE, 0x26CE},   {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},
    {0x26FA, 0x26FA},   {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},
    {0x274C, 0x274C},   {0x274E, 0x274E},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},
    {0x27B0, 0x27B0},   {0x27BF, 0x27BF},   {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},
    {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0xA4CF},   {0xA960, 0xA97F},
    {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},
    {0x16FE0, 0x18CFF}, {0x1B000, 0x1B2FF}, {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F18E},
    {0x1F191, 0x1F19A}, {0x1F1E6, 0x1F320}, {0x1F32D, 0x1F3FA}, {0x1F400, 0x1F64F}, {0x1F680, 0x1F6FF},
    {0x1F7E0, 0x1F7EB}, {0x1F90C, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x2FFFD}, {0x30000, 0x3FFFD},
};

constexpr char32_t kJoiner = 0x200D;

bool extends(char32_t codePoint) {
    return codePoint != 0x200B && inRanges(std::begin(kZeroWidth), std::end(kZeroWidth), codePoint);
}

bool isRegional(char32_t codePoint) {
    return codePoint >= 0x1F1E6 && codePoint <= 0x1F1FF;
}

} // namespace

bool isValidUtf8(std::string_view bytes) {
    for (size_t at = 0; at < bytes.size();) {
        const Decoded decoded = decodeAt(bytes, at);
        if (!decoded.ok)
            return false;
        at += decoded.length;
    }
    return true;
}

std::string repairUtf8(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (size_t at = 0; at < bytes.size();) {
        const Decoded decoded = decodeAt(bytes, at);
        if (decoded.ok)
            out.append(bytes.substr(at, decoded.length));
        else
            appendUtf8(out, kReplacement);
        at += decoded.length;
    }
    return out;
}

size_t completePrefix(std::string_view bytes) {
    // Only the last three bytes can start a character that is not finished.
    for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
        const size_t at = bytes.size() - back;
        if ((static_cast<unsigned char>(bytes[at]) & 0xC0) == 0x80)
            continue;
        return decodeAt(bytes, at).truncated ? at : bytes.size();
    }
    return bytes.size();
}

char32_t nextCodePoint(std::string_view bytes, size_t& at) {
    const Decoded decoded = decodeAt(bytes, at);
    at += decoded.length;
    return decoded.codePoint;
}

void appendUtf8(std::string& out, char32_t codePoint) {
    const auto put = [&](uint32_t value) { out.push_back(static_cast<char>(value)); };
    const auto value = static_cast<uint32_t>(codePoint);
    if (value < 0x80) {
        put(value);
    } else if (value < 0x800) {
        put(0xC0 | (value >> 6));
        put(0x80 | (value & 0x3F));
    } else if (value < 0x10000) {
        if (value >= 0xD800 && value <= 0xDFFF)
            return appendUtf8(out, kReplacement);
        put(0xE0 | (value >> 12));
        put(0x80 | ((value >> 6) & 0x3F));
        put(0x80 | (value & 0x3F));
    } else if (value <= 0x10FFFF) {
        put(0xF0 | (value >> 18));
        put(0x80 | ((value >> 12) & 0x3F));
        put(0x80 | ((value >> 6) & 0x3F));
        put(0x80 | (value & 0x3F));
    } else {
        appendUtf8(out, kReplacement);
    }
}

size_t codePointCount(std::string_view bytes) {
    size_t count = 0;
    for (size_t at = 0; at < bytes.size(); ++count)
        at += decodeAt(bytes, at).length;
    return count;
}

size_t byteOffset(std::string_view bytes, size_t codePoints) {
    size_t at = 0;
    for (; codePoints > 0 && at < bytes.size(); --codePoints)
        at += decodeAt(bytes, at).length;
    return at;
}

bool isWhiteSpace(char32_t c) {
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

int columnWidth(char32_t codePoint) {
    if (codePoint < 0x20 || (codePoint >= 0x7F && codePoint < 0xA0))
        return 0;
    if (inRanges(std::begin(kZeroWidth), std::end(kZeroWidth), codePoint))
        return 0;
    return inRanges(std::begin(kWide), std::end(kWide), codePoint) ? 2 : 1;
}

size_t columnWidth(std::string_view bytes) {
    size_t width = 0;
    for (size_t at = 0; at < bytes.size();)
        width += static_cast<size_t>(columnWidth(nextCodePoint(bytes, at)));
    return width;
}

std::string truncateText(std::string_view bytes, size_t maxCodePoints) {
    if (maxCodePoints == 0)
        return {};
    // The last border between two groups (a character with all that extends it) at or before the cut.
    const size_t keep = maxCodePoints - 1;
    size_t border = 0;
    size_t index = 0;
    size_t flagLetters = 0;
    char32_t previous = 0;
    for (size_t at = 0; at < bytes.size(); ++index) {
        const size_t begin = at;
        const char32_t current = nextCodePoint(bytes, at);
        const bool secondOfFlag = isRegional(current) && flagLetters % 2 == 1;
        if (index <= keep && !extends(current) && previous != kJoiner && !secondOfFlag)
            border = begin;
        flagLetters = isRegional(current) ? flagLetters + 1 : 0;
        previous = current;
        if (index >= maxCodePoints)
            return std::string(bytes.substr(0, border)) + "\xE2\x80\xA6";
    }
    return std::string(bytes);
}

} // namespace pl::text
