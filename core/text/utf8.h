// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pl::text {

/// Well-formed UTF-8 (Unicode 3.9, table 3-7): no overlong forms, no surrogates, at most U+10FFFF.
bool isValidUtf8(std::string_view bytes);
/// Each maximal ill-formed part becomes one U+FFFD, as Rust's from_utf8_lossy and Python's errors="replace"
/// do.
std::string repairUtf8(std::string_view bytes);
/// Length of the longest prefix that does not end inside a character: what may be shown of a growing text.
size_t completePrefix(std::string_view bytes);

/// Decodes the character at `at` (at < size) and moves `at` behind it; an ill-formed part gives U+FFFD.
char32_t nextCodePoint(std::string_view bytes, size_t& at);
void appendUtf8(std::string& out, char32_t codePoint);
size_t codePointCount(std::string_view bytes);
/// Byte offset of the n-th code point (the size when there are fewer).
size_t byteOffset(std::string_view bytes, size_t codePoints);
/// White_Space of Unicode: 25 code points.
bool isWhiteSpace(char32_t codePoint);

/// Columns in a terminal, approximately: 0 for combining and control characters, 2 for East Asian wide and
/// emoji, else 1.
int columnWidth(char32_t codePoint);
size_t columnWidth(std::string_view bytes);
/// At most maxCodePoints code points, an ellipsis included when something was cut; never cuts between a
/// character and the marks, joiners and variation selectors that follow it, nor inside a flag.
std::string truncateText(std::string_view bytes, size_t maxCodePoints);

} // namespace pl::text
