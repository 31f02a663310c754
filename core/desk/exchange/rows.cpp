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

/// The cells of each row of a table in turn, with the line it begins at; until `each` says false. Returns the line of a quoted cell without
/// an end, else 0.
size_t eachCells(std::string_view text, char separator, const std::function<bool(std::vector<std::string>, size_t)>& each) {
    std::vector<std::string> cells(1);
    bool quoted = false, any = false;
    size_t line = 1, begun = 1;
    const auto endRow = [&]() -> bool {
        if (!any)
            return true;
        any = false;
        const bool more = each(std::move(cells), begun);
        cells.assign(1, {});
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
        } else if (c == separator) {
            cells.emplace_back();
            any = true;
        } else if (c == '\n') {
            if (!endRow())
                return 0;
            begun = line + 1;
        } else if (c != '\r') {
            cells.back() += c;
            any = true;
        }
        line += c == '\n';
    }
    if (quoted)
        return begun;
    endRow();
    return 0;
}

/// The first `n` rows of a table.
std::vector<std::vector<std::string>> firstRows(std::string_view text, char separator, size_t n) {
    std::vector<std::vector<std::string>> rows;
    eachCells(text, separator, [&](std::vector<std::string> cells, size_t) {
        rows.push_back(std::move(cells));
        return rows.size() < n;
    });
    return rows;
}

void csv(std::string_view text, const Each& each) {
    std::vector<std::string> header;
    const size_t open = eachCells(text, separatorOf(text), [&](std::vector<std::string> cells, size_t begun) {
        if (header.empty()) {
            header = std::move(cells);
            for (size_t c = 0; c < header.size(); ++c)
                if (!header[c].empty() && std::find(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(c), header[c]) != header.begin() + static_cast<std::ptrdiff_t>(c))
                    return each({begun, reject(fmt::format("two columns are called \"{}\"; give each a name of its own", header[c]))}) && false;
            return true;
        }
        if (cells.size() != header.size())
            return each({begun, reject(fmt::format("it has {} cells, the header {}", cells.size(), header.size()))});
        Json row = Json::object();
        for (size_t c = 0; c < cells.size(); ++c) {
            if (cells[c].empty())
                continue;
            const bool nested = cells[c][0] == '[' || cells[c][0] == '{';
            auto parsed = nested ? parseJson(cells[c], "cell", kRowLimits) : reject("");
            row[header[c]] = parsed ? std::move(*parsed) : Json(cells[c]);
        }
        return each({begun, std::move(row)});
    });
    if (open)
        each({open, reject("a quoted cell has no end")});
}

} // namespace

RowForm rowFormOf(std::string_view text) {
    text = withoutMark(text);
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return RowForm::Empty;
    return text[first] == '[' ? RowForm::Array : text[first] == '{' ? RowForm::Lines : RowForm::Csv;
}

char separatorOf(std::string_view table) {
    table = withoutMark(table);
    const auto header = firstRows(table, ',', 1);
    if (header.empty() || header[0].size() > 1)
        return ',';
    const auto parts = [table](char separator) {
        const auto rows = firstRows(table, separator, 2);
        if (rows.empty())
            return false;
        const bool named = std::none_of(rows[0].begin(), rows[0].end(), [](const std::string& name) { return name.empty(); });
        return rows[0].size() > 1 && named && (rows.size() < 2 || rows[1].size() == rows[0].size());
    };
    const bool semicolons = parts(';'), tabs = parts('\t');
    return semicolons == tabs ? ',' : semicolons ? ';' : '\t';
}

std::vector<std::string> headerOf(std::string_view table) {
    table = withoutMark(table);
    const auto rows = firstRows(table, separatorOf(table), 1);
    return rows.empty() ? std::vector<std::string>() : rows[0];
}

Status checkUtf8(std::string_view text, const std::string& name) {
    if (text::isValidUtf8(text))
        return {};
    // An 8-bit text has bytes above 127 that begin nothing; a damaged UTF-8 text has whole characters beside what is broken.
    size_t line = 1, first = 0, characters = 0, broken = 0;
    bool low = false; // 0x80 to 0x9f: letters and quotes in Windows-1252, no characters in Latin-1
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        line += byte == '\n' && !first;
        if (byte < 0x80)
            continue;
        const size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 0;
        if (length && i + length <= text.size() && text::isValidUtf8(text.substr(i, length))) {
            ++characters;
            i += length - 1;
            continue;
        }
        ++broken;
        first = first ? first : line;
        low = low || byte < 0xa0;
        for (; length && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xc0) == 0x80; ++i) // a torn character is one
            low = low || static_cast<unsigned char>(text[i + 1]) < 0xa0;
    }
    if (characters >= broken)
        return fail(Code::InvalidInput, fmt::format("{} is not UTF-8: line {} holds bytes that are no character", name, first),
                    "It is damaged, or was put together of files in two encodings: mend that line.");
    const char *what = low ? "Windows-1252" : "Latin-1", *encoding = low ? "windows-1252" : "latin1";
    return fail(Code::InvalidInput, fmt::format("{} is not UTF-8: by line {} it looks like {}", name, first, what),
                fmt::format("Convert it: iconv -f {} -t utf-8 OLD > NEW.", encoding));
}

void forEachRow(std::string_view text, const std::function<bool(Row)>& each) {
    text = withoutMark(text);
    const RowForm form = rowFormOf(text);
    if (form == RowForm::Empty)
        return;
    if (auto utf8 = checkUtf8(text, "the file"); !utf8) {
        each({1, tl::unexpected(std::move(utf8).error())});
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
