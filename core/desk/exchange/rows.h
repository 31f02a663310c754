// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/base/json.h"

/// The rows of a text file of data, whatever it is written as; nobody outside exchange/ includes it.
namespace pl::desk {

/// Of one row: 16 MiB, 32 levels.
inline constexpr JsonLimits kRowLimits{size_t{16} << 20, 32};

struct Row {
    size_t line = 0;   ///< where it begins; the number of the element in a JSON array
    Result<Json> json; ///< or why it cannot be read
};

/// What a text holds, by its first character that is no blank: `[` one JSON array, `{` JSON Lines, else CSV.
enum class RowForm { Empty, Lines, Array, Csv };
RowForm rowFormOf(std::string_view text);

/// Calls `each` for every row in turn, until it returns false; one row is held at a time. CSV is RFC 4180 with a header (quotes,
/// doubled quotes, line ends inside quotes); a cell that begins a list or an object is read as JSON, empty ones are left out. A text
/// that is not UTF-8 is one row that says so.
void forEachRow(std::string_view text, const std::function<bool(Row)>& each);

/// A text or a whole number of a row as text; else empty.
std::string textIn(const Json& row, const char* key);
/// A number, or a text that is one.
std::optional<double> numberIn(const Json& value);
std::optional<double> numberIn(const Json& row, const char* key);
bool isList(const Json& row, const char* key);

} // namespace pl::desk
