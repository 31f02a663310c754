// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/text/utf8.h"

namespace pl::text {

enum class NormalForm { Nfc, Nfd, Nfkc, Nfkd };

/// Unicode normalization of valid UTF-8 (UAX 15, by ICU).
std::string normalized(std::string_view utf8, NormalForm form);
/// Each character by itself, as Rust's char::to_lowercase: no final sigma, U+0130 becomes two.
std::string lowerEach(std::string_view utf8);
/// \w of Rust's regex: Alphabetic, M, Nd, Pc, Join_Control.
bool isWordCharacter(char32_t codePoint);

/// As Python's str.upper, lower (with the final sigma), title and capitalize do.
std::string upperText(std::string_view utf8);
std::string lowerText(std::string_view utf8);
std::string titleText(std::string_view utf8);
std::string capitalText(std::string_view utf8);
/// What Python's str.strip and split() take as white space: White_Space and U+001C to U+001F.
inline bool isPythonSpace(char32_t codePoint) {
    return isWhiteSpace(codePoint) || (codePoint >= 0x1C && codePoint <= 0x1F);
}

} // namespace pl::text
