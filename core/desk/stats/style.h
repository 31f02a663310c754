// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

/// What an answer looks like, whatever it says: the elements of Markdown that sway people, counted as FastChat's style control does.
namespace pl::desk {

enum class StyleElement { Headers, Lists, Bold, Code };
inline constexpr size_t kStyleElements = 4;
const char* styleElementName(StyleElement value); ///< headers lists bold code

/// Headings (# to ######), items of lists (- * + or 1.), bold runs (** or __ on one line), all outside fenced code; and the
/// fenced blocks themselves.
struct StyleCounts {
    std::array<int32_t, kStyleElements> n{};
    bool operator==(const StyleCounts&) const = default;
};
StyleCounts styleOf(std::string_view text);

} // namespace pl::desk
