// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/pattern.h"

#include <pcre2.h>

#include <fmt/format.h>

#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr size_t kMaxPatternBytes = 64 << 10;
constexpr uint32_t kProbeLimit = 200'000;

// PCRE2's \s has U+180E besides the 25 code points of White_Space that Oniguruma (and the models' training)
// used.
constexpr const char* kSpace =
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";
constexpr const char* kNotSpace =
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x84\\x86-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";
constexpr const char* kWord = "\\p{L}\\p{M}\\p{Nd}\\p{Pc}";

struct MatchData {
    pcre2_match_data* data = nullptr;
    pcre2_match_context* context = nullptr;
    pcre2_jit_stack* stack = nullptr;
    MatchData(const pcre2_code* code, uint32_t limit)
        : data(pcre2_match_data_create_from_pattern(code, nullptr))
        , context(pcre2_match_context_create(nullptr)) {
        if (context) {
            pcre2_set_match_limit(context, limit);
            pcre2_set_heap_limit(context, 64 << 10); // KiB
        }
    }
    MatchData(const MatchData&) = delete;
    MatchData& operator=(const MatchData&) = delete;
    ~MatchData() {
        if (stack)
            pcre2_jit_stack_free(stack);
        pcre2_match_context_free(context);
        pcre2_match_data_free(data);
    }
    /// PCRE2's return code; the small default JIT stack grows once when a pattern needs more.
    int match(const pcre2_code* code, std::string_view text, size_t from) {
        if (!data || !context)
            return PCRE2_ERROR_NOMEMORY;
        const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
        int rc = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, context);
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !stack) {
            stack = pcre2_jit_stack_create(64 << 10, 16 << 20, nullptr);
            if (stack) {
                pcre2_jit_stack_assign(context, nullptr, stack);
                rc = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, context);
            }
        }
        return rc;
    }
};

bool splitWith(const pcre2_code* code, uint32_t limit, std::string_view text, std::vector<Cut>& out,
               std::string_view& rest) {
    MatchData match(code, limit);
    size_t done = 0; // everything before is in out
    size_t from = 0;
    while (from <= text.size()) {
        const int rc = match.match(code, text, from);
        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc < 0) {
            rest = text.substr(done);
            return false;
        }
        const size_t* ends = pcre2_get_ovector_pointer(match.data);
        const size_t begin = ends[0];
        const size_t end = ends[1];
        if (end <= begin) { // an empty match cuts, and the search goes on behind the next character
            if (begin >= text.size())
                break;
            if (begin > done && begin >= from)
                out.push_back({text.substr(done, begin - done), false});
            done = std::max(done, begin);
            from = begin;
            nextCodePoint(text, from);
            continue;
        }
        if (begin < done) { // \K or a lookbehind trick: the piece would overlap
            rest = text.substr(done);
            return false;
        }
        if (begin > done)
            out.push_back({text.substr(done, begin - done), false});
        out.push_back({text.substr(begin, end - begin), true});
        done = end;
        from = end;
    }
    if (done < text.size())
        out.push_back({text.substr(done), false});
    return true;
}

} // namespace

Result<std::string> rewritePattern(std::string_view pattern) {
    std::string out;
    bool inClass = false;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (c == '\\') {
            if (i + 1 >= pattern.size())
                return fail(Code::InvalidInput, "it ends with a lone backslash");
            const char e = pattern[++i];
            switch (e) {
            case 's':
                out += inClass ? std::string(kSpace) : fmt::format("[{}]", kSpace);
                break;
            case 'S':
                out += inClass ? std::string(kNotSpace) : fmt::format("[^{}]", kSpace);
                break;
            case 'w':
                out += inClass ? std::string(kWord) : fmt::format("[{}]", kWord);
                break;
            case 'W':
                if (inClass)
                    return fail(Code::Unsupported, "\\W inside a character class is not supported");
                out += fmt::format("[^{}]", kWord);
                break;
            case 'h':
            case 'H':
            case 'K':
            case 'C':
            case 'Q':
            case 'E':
            case 'R':
            case 'X':
                return fail(Code::Unsupported, fmt::format("\\{} is not supported", e));
            default:
                out += c;
                out += e;
            }
            continue;
        }
        if (inClass) {
            if (c == '[' && !(i + 1 < pattern.size() && pattern[i + 1] == ':'))
                return fail(Code::Unsupported, "nested character classes are not supported");
            if (c == '[') { // [:alpha:]
                const size_t close = pattern.find(":]", i + 2);
                if (close == std::string_view::npos)
                    return fail(Code::InvalidInput, "a [: in a character class has no :]");
                out += pattern.substr(i, close + 2 - i);
                i = close + 1;
                continue;
            }
            if (c == '&' && i + 1 < pattern.size() && pattern[i + 1] == '&')
                return fail(Code::Unsupported, "intersections of character classes (&&) are not supported");
            if (c == ']')
                inClass = false;
        } else if (c == '[') {
            inClass = true;
            out += c;
            if (i + 1 < pattern.size() && pattern[i + 1] == '^')
                out += pattern[++i];
            if (i + 1 < pattern.size() && pattern[i + 1] == ']') { // a ] that comes first is itself
                out += "\\]";
                ++i;
            }
            continue;
        } else if (c == '(' && pattern.substr(i, 2) == "(*") {
            return fail(Code::InvalidInput, "it starts a group with (*");
        }
        out += c;
    }
    return out;
}

Result<Pattern> Pattern::compile(std::string_view pattern, const std::string& what) {
    const auto shown = [&] { return truncateText(repairUtf8(pattern), 60); };
    if (pattern.empty())
        return fail(Code::InvalidInput, fmt::format("{}: the pattern is empty", what));
    if (pattern.size() > kMaxPatternBytes || !isValidUtf8(pattern))
        return fail(Code::InvalidInput, fmt::format("{}: the pattern is longer than {} bytes or not UTF-8",
                                                    what, kMaxPatternBytes));
    Result<std::string> rewritten = rewritePattern(pattern);
    if (!rewritten)
        return fail(rewritten.error().code, fmt::format("{}: the pattern '{}' cannot be used: {}", what,
                                                        shown(), rewritten.error().message));
    int error = 0;
    size_t offset = 0;
    pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
    if (!context)
        return fail(Code::OutOfMemory, fmt::format("{}: no memory for its pattern", what));
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 100);
    // Ruby syntax: ^ and $ stand at line ends.
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rewritten->data()), rewritten->size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                     &error, &offset, context);
    pcre2_compile_context_free(context);
    if (!code) {
        unsigned char buffer[256];
        pcre2_get_error_message(error, buffer, sizeof buffer);
        return fail(Code::InvalidInput,
                    fmt::format("{}: the pattern '{}' cannot be used: {} (near byte {})", what, shown(),
                                reinterpret_cast<const char*>(buffer), offset));
    }
    Pattern out;
    out.m_code = std::shared_ptr<const void>(
        code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
    // Probed before JIT: the interpreter counts every step, so the verdict is the same on every machine.
    const std::string probes[] = {std::string(400, ' '),      std::string(400, 'a'),
                                  std::string(400, '1'),      std::string(400, '\n'),
                                  std::string(400, '!'),      std::string(399, 'a') + "!",
                                  std::string(399, ' ') + "a"};
    for (const std::string& probe : probes) {
        std::vector<Cut> pieces;
        std::string_view rest;
        if (!splitWith(code, kProbeLimit, probe, pieces, rest))
            return fail(Code::InvalidInput,
                        fmt::format("{}: the pattern '{}' takes too many steps on a text of 400 characters",
                                    what, shown()));
    }
    pcre2_jit_compile(code,
                      PCRE2_JIT_COMPLETE); // where there is no JIT the interpreter gives the same matches
    return out;
}

Pattern Pattern::literal(std::string text) {
    Pattern out;
    out.m_literal = std::move(text);
    return out;
}

bool Pattern::split(std::string_view text, std::vector<Cut>& out, std::string_view& rest) const {
    if (m_code) {
        // A run of white space may be given back one character at a time: steps in proportion to the text are
        // normal.
        const auto limit = static_cast<uint32_t>(std::min<size_t>(1'000'000 + 16 * text.size(), 0x7FFFFFFF));
        return splitWith(static_cast<const pcre2_code*>(m_code.get()), limit, text, out, rest);
    }
    size_t done = 0;
    while (!m_literal.empty()) {
        const size_t begin = text.find(m_literal, done);
        if (begin == std::string_view::npos)
            break;
        if (begin > done)
            out.push_back({text.substr(done, begin - done), false});
        out.push_back({text.substr(begin, m_literal.size()), true});
        done = begin + m_literal.size();
    }
    if (done < text.size())
        out.push_back({text.substr(done), false});
    return true;
}

bool Pattern::matchesNothing() const {
    if (!m_code)
        return m_literal.empty();
    const auto* code = static_cast<const pcre2_code*>(m_code.get());
    return MatchData(code, kProbeLimit).match(code, "", 0) >= 0;
}

} // namespace pl::text
