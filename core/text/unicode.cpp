// SPDX-License-Identifier: Apache-2.0
#include "core/text/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

namespace pl::text {
namespace {

const icu::Normalizer2* instance(NormalForm form) {
    UErrorCode status = U_ZERO_ERROR;
    switch (form) {
    case NormalForm::Nfc:
        return icu::Normalizer2::getNFCInstance(status);
    case NormalForm::Nfd:
        return icu::Normalizer2::getNFDInstance(status);
    case NormalForm::Nfkc:
        return icu::Normalizer2::getNFKCInstance(status);
    case NormalForm::Nfkd:
        return icu::Normalizer2::getNFKDInstance(status);
    }
    return nullptr;
}

icu::StringPiece piece(std::string_view text) {
    return {text.data(), static_cast<int32_t>(text.size())};
}

bool isAscii(std::string_view text) {
    for (const char c : text)
        if (static_cast<unsigned char>(c) >= 0x80)
            return false;
    return true;
}

bool isCased(char32_t c) {
    return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED);
}

enum class Case { Upper, Lower, Title };

std::string mapped(std::string_view text, Case to) {
    std::string out;
    icu::StringByteSink<std::string> sink(&out);
    UErrorCode status = U_ZERO_ERROR;
    if (to == Case::Upper)
        icu::CaseMap::utf8ToUpper("", 0, piece(text), sink, nullptr, status);
    else if (to == Case::Lower)
        icu::CaseMap::utf8ToLower("", 0, piece(text), sink, nullptr, status);
    else
        icu::CaseMap::utf8ToTitle("", U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr, piece(text), sink, nullptr,
                                  status);
    return U_SUCCESS(status) ? out : std::string(text);
}

} // namespace

std::string normalized(std::string_view utf8, NormalForm form) {
    const icu::Normalizer2* normalizer = instance(form);
    if (isAscii(utf8) || !normalizer)
        return std::string(utf8);
    UErrorCode status = U_ZERO_ERROR;
    if (normalizer->isNormalizedUTF8(piece(utf8), status) && U_SUCCESS(status))
        return std::string(utf8);
    status = U_ZERO_ERROR;
    std::string out;
    out.reserve(utf8.size());
    icu::StringByteSink<std::string> sink(&out);
    normalizer->normalizeUTF8(0, piece(utf8), sink, nullptr, status);
    return U_SUCCESS(status) ? out : std::string(utf8);
}

std::string lowerEach(std::string_view utf8) {
    std::string out;
    out.reserve(utf8.size());
    for (size_t at = 0; at < utf8.size();) {
        const char32_t c = nextCodePoint(utf8, at);
        if (c == 0x130)
            out += "i\xCC\x87";
        else
            appendUtf8(out, static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
    }
    return out;
}

bool isWordCharacter(char32_t codePoint) {
    const auto c = static_cast<UChar32>(codePoint);
    return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
           (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK));
}

std::string upperText(std::string_view utf8) {
    return mapped(utf8, Case::Upper);
}

std::string lowerText(std::string_view utf8) {
    return mapped(utf8, Case::Lower);
}

std::string titleText(std::string_view utf8) {
    const std::string lower = lowerText(utf8); // as a whole: the final sigma sees its word
    std::string out;
    bool afterCased = false;
    size_t low = 0;
    for (size_t at = 0; at < utf8.size();) {
        const size_t begin = at;
        const char32_t c = nextCodePoint(utf8, at);
        const std::string_view one = utf8.substr(begin, at - begin);
        const size_t lowLength = c == 0x3A3 ? 2 : mapped(one, Case::Lower).size();
        out += afterCased ? lower.substr(low, lowLength) : mapped(one, Case::Title);
        low += lowLength;
        afterCased = isCased(c);
    }
    return out;
}

std::string capitalText(std::string_view utf8) {
    if (utf8.empty())
        return {};
    size_t first = 0;
    nextCodePoint(utf8, first);
    const std::string lower = lowerText(utf8);
    return mapped(utf8.substr(0, first), Case::Title) + lower.substr(mapped(utf8.substr(0, first), Case::Lower).size());
}

} // namespace pl::text
