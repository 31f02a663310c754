// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/rows.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "core/text/utf8.h"

namespace pl::desk {

namespace {

using Each = std::function<bool(Row)>;

tl::unexpected<Error> reject(std::string why) { return fail(Code::InvalidInput, std::move(why)); }

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view withoutMark(std::string_view text) {
    return text.substr(0, 3) == "\xef\xbb\xbf" ? text.substr(3) : text;
}

void lines(std::string_view text, const Each& each) {
    size_t line = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        ++line;
        const std::string_view one = text.substr(at, end - at);
        if (!std::all_of(one.begin(), one.end(), blank) && !each({line, parseJson(one, "row", kRowLimits)}))
            return;
        at = end + 1;
    }
}

/// The elements of `[a, b, ...]`, found by brackets and strings alone, each parsed by itself.
void array(std::string_view text, size_t begin, const Each& each) {
    size_t number = 0, from = begin + 1;
    int depth = 0;
    bool quoted = false, escaped = false;
    for (size_t i = from; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if (depth > 0 && (c == '}' || c == ']')) {
            --depth;
        } else if (depth == 0 && (c == ',' || c == ']')) {
            const std::string_view one = text.substr(from, i - from);
            const bool empty = std::all_of(one.begin(), one.end(), blank);
            if (!empty || c == ',' || number > 0) {
                ++number;
                if (!each({number, empty ? reject("an element of the list is missing") : parseJson(one, "row", kRowLimits)}))
                    return;
            }
            from = i + 1;
            if (c == ']') {
                if (!std::all_of(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), blank))
                    each({number + 1, reject("something follows the end of the list")});
                return;
            }
        }
    }
    each({number + 1, reject("the list has no end: the file is cut off")});
}

void csv(std::string_view text, const Each& each) {
    std::vector<std::string> header, cells(1);
    bool quoted = false, any = false;
    size_t line = 1, begun = 1;
    const auto endRow = [&]() -> bool {
        if (!any)
            return true;
        bool more = true;
        if (header.empty()) {
            header = std::move(cells);
        } else if (cells.size() != header.size()) {
            more = each({begun, reject(fmt::format("it has {} cells, the header {}", cells.size(), header.size()))});
        } else {
            Json row = Json::object();
            for (size_t c = 0; c < cells.size(); ++c) {
                if (cells[c].empty())
                    continue;
                const bool nested = cells[c][0] == '[' || cells[c][0] == '{';
                auto parsed = nested ? parseJson(cells[c], "cell", kRowLimits) : reject("");
                row[header[c]] = parsed ? std::move(*parsed) : Json(cells[c]);
            }
            more = each({begun, std::move(row)});
        }
        cells.assign(1, {});
        any = false;
        return more;
    };
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '"' && i + 1 < text.size() && text[i + 1] == '"')
                cells.back() += text[++i];
            else if (c == '"')
                quoted = false;
            else
                cells.back() += c;
        } else if (c == '"' && cells.back().empty()) {
            quoted = any = true;
        } else if (c == ',') {
            cells.emplace_back();
            any = true;
        } else if (c == '\n') {
            if (!endRow())
                return;
            begun = line + 1;
        } else if (c != '\r') {
            cells.back() += c;
            any = true;
        }
        line += c == '\n';
    }
    if (quoted) {
        each({begun, reject("a quoted cell has no end")});
        return;
    }
    endRow();
}

} // namespace

RowForm rowFormOf(std::string_view text) {
    text = withoutMark(text);
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return RowForm::Empty;
    return text[first] == '[' ? RowForm::Array : text[first] == '{' ? RowForm::Lines : RowForm::Csv;
}

void forEachRow(std::string_view text, const std::function<bool(Row)>& each) {
    text = withoutMark(text);
    const RowForm form = rowFormOf(text);
    if (form == RowForm::Empty)
        return;
    if (!text::isValidUtf8(text)) {
        each({1, reject("the file is not UTF-8")});
        return;
    }
    switch (form) {
    case RowForm::Lines: return lines(text, each);
    case RowForm::Array: return array(text, text.find('['), each);
    default: return csv(text, each);
    }
}

std::string textIn(const Json& row, const char* key) {
    const auto at = row.find(key);
    if (at == row.end() || at->is_null())
        return {};
    return at->is_string() ? at->get<std::string>() : at->is_number_integer() ? at->dump() : std::string();
}

std::optional<double> numberIn(const Json& value) {
    if (value.is_number())
        return value.get<double>();
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
        return std::nullopt;
    char* end = nullptr;
    const std::string& text = value.get_ref<const std::string&>();
    const double number = std::strtod(text.c_str(), &end);
    return *end == 0 && std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}

std::optional<double> numberIn(const Json& row, const char* key) {
    const auto at = row.find(key);
    return at == row.end() ? std::nullopt : numberIn(*at);
}

bool isList(const Json& row, const char* key) {
    const auto at = row.find(key);
    return at != row.end() && at->is_array();
}

} // namespace pl::desk
