// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/pattern.h"

namespace pl::text {

/// One step of the pre-tokenizer of a tokenizer.json.
struct PreStep {
    enum Kind {
        Prefix,   ///< ByteLevel's add_prefix_space: a space in front where there is none
        Split,    ///< at the matches of pattern
        Metaspace ///< spaces become `content`, which is put in front as `scheme` says; then cut before each
    } kind = Split;
    enum Behaviour { Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous };
    enum Scheme { Always, First, Never };
    Pattern pattern;
    Behaviour behaviour = Isolated;
    bool invert = false;     ///< what lies between the matches counts as the match
    std::string content;     ///< of Metaspace
    Scheme scheme = Always;  ///< First: only at the very beginning of a text
    bool cutsWords = true;   ///< Metaspace's "split"
};

/// Its steps in order. What it gives are the words that the merger works on.
class PreTokenizer {
public:
    std::vector<PreStep> steps;
    bool byteLevel = false; ///< it ends with ByteLevel: words are bytes, not characters

    /// Appends the words of a text (valid UTF-8); `atStart`: it begins where the whole text began. `store` keeps
    /// what had to be rewritten alive. False when a pattern exceeded its matching limit: the rest is then cut at
    /// fixed lengths.
    bool cut(std::string_view text, bool atStart, std::deque<std::string>& store, std::vector<std::string_view>& words) const;
};

} // namespace pl::text
