// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/style.h"

#include <string>

namespace pl::desk {

namespace {

/// Runs between two `mark`s (of two characters) on one line, with something between them.
int32_t runsOf(std::string_view line, std::string_view mark) {
    int32_t count = 0;
    for (size_t at = line.find(mark); at != std::string_view::npos;) {
        const size_t end = line.find(mark, at + mark.size());
        if (end == std::string_view::npos)
            break;
        if (end > at + mark.size()) {
            ++count;
            at = line.find(mark, end + mark.size());
        } else {
            at = end; // four in a row: the second two may begin one
        }
    }
    return count;
}

} // namespace

const char* styleElementName(StyleElement value) {
    constexpr const char* kNames[] = {"headers", "lists", "bold", "code"};
    return kNames[static_cast<size_t>(value)];
}

StyleCounts styleOf(std::string_view text) {
    StyleCounts out;
    const auto add = [&](StyleElement what, int32_t n = 1) { out.n[static_cast<size_t>(what)] += n; };
    bool code = false;
    while (!text.empty()) {
        const size_t end = text.find('\n');
        const std::string_view whole = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        const size_t first = whole.find_first_not_of(" \t");
        if (first == std::string_view::npos)
            continue;
        const std::string_view line = whole.substr(first);
        if (line.substr(0, 3) == "```") {
            code = !code;
            if (code)
                add(StyleElement::Code);
            continue;
        }
        if (code)
            continue;
        const auto blankAt = [&](size_t at) { return at < line.size() && (line[at] == ' ' || line[at] == '\t'); };
        size_t marks = 0;
        while (marks < line.size() && line[marks] == '#')
            ++marks;
        size_t digits = 0;
        while (digits < line.size() && line[digits] >= '0' && line[digits] <= '9')
            ++digits;
        if (first == 0 && marks >= 1 && marks <= 6 && blankAt(marks))
            add(StyleElement::Headers);
        else if ((line[0] == '-' || line[0] == '*' || line[0] == '+') && blankAt(1))
            add(StyleElement::Lists);
        else if (digits > 0 && digits < line.size() && line[digits] == '.' && blankAt(digits + 1))
            add(StyleElement::Lists);
        add(StyleElement::Bold, runsOf(line, "**") + runsOf(line, "__"));
    }
    return out;
}

} // namespace pl::desk
