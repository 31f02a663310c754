// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace pl::text {

/// A part of a text that was cut at the matches of a pattern.
struct Cut {
    std::string_view text;
    bool match = false;
};

/// A regular expression as tokenizer files write it (Oniguruma, Ruby syntax, Unicode), run by PCRE2 with
/// bounded work. What the two engines read differently is rewritten (\s, \S, \w, \W) or refused (\h, class
/// intersections and nested classes).
class Pattern {
public:
    /// Fails with InvalidInput on syntax errors and on patterns that backtrack without bound on short probe
    /// texts.
    static Result<Pattern> compile(std::string_view pattern, const std::string& what);
    /// Matches exactly this text.
    static Pattern literal(std::string text);

    /// Cuts text at the matches: matches and what lies between them, in order, without empty pieces. Appends to
    /// out; false when the matching limit was exceeded (then `rest` is the part not cut).
    bool split(std::string_view text, std::vector<Cut>& out, std::string_view& rest) const;
    /// Whether it matches the empty text.
    bool matchesNothing() const;

private:
    std::shared_ptr<const void> m_code; ///< pcre2_code
    std::string m_literal;
};

/// The PCRE2 text of an Oniguruma pattern; exposed for tests.
Result<std::string> rewritePattern(std::string_view pattern);

} // namespace pl::text
