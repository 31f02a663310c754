// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

/// What parts the cells of a table: a comma, unless its header has none and the header and the first row part alike by semicolons, or by
/// tabs, and by one of the two only.
char separatorOf(std::string_view table);
/// The names in the first line of a table.
std::vector<std::string> headerOf(std::string_view table);
/// InvalidInput for a text that is not UTF-8: where it stops being that, what it looks like, and the command that converts it.
Status checkUtf8(std::string_view text, const std::string& name);

/// Calls `each` for every row in turn, until it returns false; one row is held at a time. CSV is RFC 4180 with a header (quotes,
/// doubled quotes, line ends inside quotes), parted as separatorOf says; a cell that begins a list or an object is read as JSON, empty
/// ones are left out. A text that is not UTF-8 is one row that says so.
void forEachRow(std::string_view text, const std::function<bool(Row)>& each);

/// A text or a whole number of a row as text; else empty.
std::string textIn(const Json& row, const char* key);
/// A number, or a text that is one.
std::optional<double> numberIn(const Json& value);
std::optional<double> numberIn(const Json& row, const char* key);
bool isList(const Json& row, const char* key);

} // namespace pl::desk
