// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/text/jinja/syntax.h"
#include "core/text/unicode.h"

namespace pl::text::jinja {
namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}
bool isNameStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Lexer {
public:
    explicit Lexer(std::string source)
        : m_source(std::move(source)) {}

    Result<std::vector<Token>> run() {
        while (m_at < m_source.size()) {
            const size_t begin = nextTag();
            const bool ends = begin == std::string::npos;
            std::string text = m_source.substr(m_at, ends ? std::string::npos : begin - m_at);
            const bool lineStarts = m_at == 0 || m_source[m_at - 1] == '\n';
            if (ends) {
                put(Token::Text, text);
                m_at = m_source.size();
                break;
            }
            const char kind = m_source[begin + 1];
            const char sign = begin + 2 < m_source.size() ? m_source[begin + 2] : ' ';
            const bool signedTag = sign == '-' || sign == '+';
            trimBefore(text, signedTag ? sign : ' ', kind != '{', lineStarts);
            put(Token::Text, text);
            m_line += static_cast<int>(std::count(m_source.begin() + static_cast<std::ptrdiff_t>(m_at),
                                                  m_source.begin() + static_cast<std::ptrdiff_t>(begin), '\n'));
            m_at = begin + (signedTag ? 3 : 2);
            if (kind == '#')
                PL_CHECK(comment());
            else if (kind == '%' && isRaw())
                PL_CHECK(raw());
            else
                PL_CHECK(tag(kind == '%'));
        }
        put(Token::End, {});
        return std::move(m_tokens);
    }

private:
    tl::unexpected<Error> wrong(const std::string& cause) const {
        return fail(Code::InvalidInput, fmt::format("line {}: {}", m_line, cause));
    }
    void put(Token::Kind kind, std::string value) {
        if (kind != Token::Text || !value.empty())
            m_tokens.push_back({kind, std::move(value), m_line});
    }
    size_t nextTag() const {
        for (size_t at = m_source.find('{', m_at); at != std::string::npos; at = m_source.find('{', at + 1))
            if (at + 1 < m_source.size() && (m_source[at + 1] == '{' || m_source[at + 1] == '%' || m_source[at + 1] == '#'))
                return at;
        return std::string::npos;
    }
    /// What stands before a tag: `-` takes all white space, lstrip_blocks the indentation of a tag that is first on its line.
    static void trimBefore(std::string& text, char sign, bool isBlock, bool lineStarts) {
        if (sign == '-') {
            while (!text.empty()) {
                size_t begin = text.size() - 1;
                while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
                    --begin;
                size_t at = begin;
                if (!isPythonSpace(nextCodePoint(text, at)))
                    break;
                text.resize(begin);
            }
        } else if (sign != '+' && isBlock) {
            const size_t lineEnd = text.rfind('\n');
            const size_t line = lineEnd == std::string::npos ? 0 : lineEnd + 1;
            if ((line > 0 || lineStarts) && text.find_first_not_of(" \t", line) == std::string::npos)
                text.resize(line);
        }
    }
    void skipSpace() {
        while (m_at < m_source.size()) {
            size_t next = m_at;
            if (!isPythonSpace(nextCodePoint(m_source, next)))
                break;
            m_line += m_source[m_at] == '\n';
            m_at = next;
        }
    }
    bool takes(std::string_view text) {
        if (m_source.compare(m_at, text.size(), text) != 0)
            return false;
        m_at += text.size();
        return true;
    }
    /// Behind the end of a block or comment: `-` has taken all white space, trim_blocks takes one line end.
    void trimAfter(char sign) {
        if (sign == '-')
            skipSpace();
        else if (sign != '+' && m_at < m_source.size() && m_source[m_at] == '\n') {
            ++m_at;
            ++m_line;
        }
    }

    Status comment() {
        const size_t end = m_source.find("#}", m_at);
        if (end == std::string::npos)
            return wrong("a comment {# has no end #}");
        const char sign = end > m_at ? m_source[end - 1] : ' ';
        m_line += static_cast<int>(std::count(m_source.begin() + static_cast<std::ptrdiff_t>(m_at),
                                              m_source.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
        m_at = end + 2;
        trimAfter(sign);
        return {};
    }
    /// Whether m_at stands behind "{%" of {% raw %}.
    bool isRaw() const {
        size_t at = m_at;
        const auto space = [&] {
            while (at < m_source.size() && (m_source[at] == ' ' || m_source[at] == '\t' || m_source[at] == '\n'))
                ++at;
        };
        space();
        if (m_source.compare(at, 3, "raw") != 0)
            return false;
        at += 3;
        space();
        return m_source.compare(at, 2, "%}") == 0 || m_source.compare(at, 3, "-%}") == 0;
    }
    Status raw() {
        const size_t open = m_source.find("%}", m_at);
        const bool trims = m_source[open - 1] == '-';
        m_at = open + 2;
        if (trims)
            skipSpace();
        const size_t from = m_at;
        const bool lineStarts = m_source[from - 1] == '\n';
        for (size_t begin = m_source.find("{%", from); begin != std::string::npos; begin = m_source.find("{%", begin + 1)) {
            m_at = begin + 2;
            char sign = ' ';
            if (m_at < m_source.size() && (m_source[m_at] == '-' || m_source[m_at] == '+'))
                sign = m_source[m_at++];
            const int line = m_line;
            skipSpace();
            if (!takes("endraw")) {
                m_line = line;
                continue;
            }
            skipSpace();
            char after = ' ';
            if (m_at < m_source.size() && (m_source[m_at] == '-' || m_source[m_at] == '+'))
                after = m_source[m_at++];
            if (!takes("%}")) {
                m_line = line;
                continue;
            }
            std::string text = m_source.substr(from, begin - from);
            m_line += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
            trimBefore(text, sign, true, lineStarts);
            put(Token::Text, text);
            trimAfter(after);
            return {};
        }
        return wrong("{% raw %} has no {% endraw %}");
    }

    Status tag(bool isBlock) {
        put(isBlock ? Token::BlockBegin : Token::VariableBegin, {});
        const std::string_view end = isBlock ? "%}" : "}}";
        std::string open; // brackets that wait for their end
        while (true) {
            skipSpace();
            if (m_at >= m_source.size())
                return wrong(fmt::format("a tag {} has no end {}", isBlock ? "{%" : "{{", end));
            const char c = m_source[m_at];
            if (open.empty()) {
                const bool hasSign = c == '-' || (c == '+' && isBlock);
                if (m_source.compare(m_at + (hasSign ? 1 : 0), 2, end) == 0) {
                    m_at += hasSign ? 3 : 2;
                    put(isBlock ? Token::BlockEnd : Token::VariableEnd, {});
                    if (isBlock)
                        trimAfter(hasSign ? c : ' ');
                    else if (hasSign)
                        skipSpace();
                    return {};
                }
            }
            if (isNameStart(c)) {
                const size_t begin = m_at;
                while (m_at < m_source.size() && (isNameStart(m_source[m_at]) || isDigit(m_source[m_at])))
                    ++m_at;
                put(Token::Name, m_source.substr(begin, m_at - begin));
            } else if (isDigit(c)) {
                PL_CHECK(number());
            } else if (c == '"' || c == '\'') {
                PL_CHECK(string(c));
            } else {
                PL_CHECK(operatorOf(c, open));
            }
        }
    }

    Status operatorOf(char c, std::string& open) {
        static constexpr std::array<std::string_view, 7> kTwo = {"//", "**", "==", "!=", ">=", "<=", ""};
        for (const std::string_view two : kTwo)
            if (!two.empty() && takes(two)) {
                put(Token::Operator, std::string(two));
                return {};
            }
        if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos) {
            size_t next = m_at;
            nextCodePoint(m_source, next);
            return wrong(fmt::format("unexpected character '{}'", repairUtf8(m_source.substr(m_at, next - m_at))));
        }
        if (c == '(' || c == '[' || c == '{')
            open += c == '(' ? ')' : c == '[' ? ']' : '}';
        if (c == ')' || c == ']' || c == '}') {
            if (open.empty() || open.back() != c)
                return wrong(fmt::format("unexpected '{}'", c));
            open.pop_back();
        }
        ++m_at;
        put(Token::Operator, std::string(1, c));
        return {};
    }

    Status number() {
        const size_t begin = m_at;
        const auto digits = [&] {
            while (m_at < m_source.size() && (isDigit(m_source[m_at]) || m_source[m_at] == '_'))
                ++m_at;
        };
        digits();
        const bool afterDot = !m_tokens.empty() && m_tokens.back().kind == Token::Operator && m_tokens.back().value == ".";
        bool isFloat = false;
        if (!afterDot && m_at + 1 < m_source.size() && m_source[m_at] == '.' && isDigit(m_source[m_at + 1])) {
            isFloat = true;
            ++m_at;
            digits();
        }
        if (!afterDot && m_at < m_source.size() && (m_source[m_at] == 'e' || m_source[m_at] == 'E')) {
            size_t next = m_at + 1;
            if (next < m_source.size() && (m_source[next] == '+' || m_source[next] == '-'))
                ++next;
            if (next < m_source.size() && isDigit(m_source[next])) {
                isFloat = true;
                m_at = next;
                digits();
            }
        }
        if (m_at < m_source.size() && isNameStart(m_source[m_at]))
            return wrong("a number runs into a name");
        std::string text = m_source.substr(begin, m_at - begin);
        text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
        if (text.size() > 18)
            return wrong("a number is too long");
        put(isFloat ? Token::Float : Token::Integer, std::move(text));
        return {};
    }

    Status string(char quote) {
        const int line = m_line;
        std::string out;
        ++m_at;
        while (m_at < m_source.size() && m_source[m_at] != quote) {
            const char c = m_source[m_at++];
            m_line += c == '\n';
            if (c != '\\') {
                out += c;
                continue;
            }
            if (m_at >= m_source.size())
                break;
            PL_CHECK(escape(out));
        }
        if (m_at >= m_source.size())
            return wrong("a text in quotes has no end");
        ++m_at;
        m_tokens.push_back({Token::String, std::move(out), line});
        return {};
    }

    /// Behind a backslash; Python's escapes. One it does not know stays as it is.
    Status escape(std::string& out) {
        static constexpr std::string_view kFrom = "ntr\\'\"abfv0";
        static constexpr std::string_view kTo("\n\t\r\\'\"\a\b\f\v\0", 11);
        const char c = m_source[m_at++];
        m_line += c == '\n';
        const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits > 0) {
            char32_t value = 0;
            for (size_t i = 0; i < digits; ++i, ++m_at) {
                const char h = m_at < m_source.size() ? m_source[m_at] : ' ';
                const int digit = isDigit(h)                                         ? h - '0'
                                  : (h >= 'a' && h <= 'f') || (h >= 'A' && h <= 'F') ? (h | 0x20) - 'a' + 10
                                                                                     : -1;
                if (digit < 0)
                    return wrong(fmt::format("\\{} in a text needs {} hexadecimal digits", c, digits));
                value = value * 16 + static_cast<char32_t>(digit);
            }
            if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
                return wrong(fmt::format("\\{} in a text names no character", c));
            appendUtf8(out, value);
            return {};
        }
        if (c == 'N' || (c == '0' && m_at < m_source.size() && isDigit(m_source[m_at])) || (c >= '1' && c <= '7'))
            return fail(Code::Unsupported, fmt::format("line {}: the escape \\{} is not supported", m_line, c));
        if (const size_t known = kFrom.find(c); known != std::string_view::npos)
            out += kTo[known];
        else if (c != '\n')
            out.append(1, '\\').append(1, c);
        return {};
    }

    std::string m_source;
    size_t m_at = 0;
    int m_line = 1;
    std::vector<Token> m_tokens;
};

} // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
    std::string text;
    text.reserve(source.size());
    for (size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\r') {
            text += '\n';
            i += i + 1 < source.size() && source[i + 1] == '\n';
        } else {
            text += source[i];
        }
    }
    if (!text.empty() && text.back() == '\n')
        text.pop_back();
    return Lexer(std::move(text)).run();
}

} // namespace pl::text::jinja
