// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace pl::text {

/// The decoder of a tokenizer.json: its steps in order, sequences flattened. Each step turns a list of token
/// spellings into another list; at the end they are joined.
class TokenDecoder {
public:
    struct Step {
        enum Kind { ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace } kind = ByteLevel;
        std::string pattern;    ///< Replace: a text; Strip, Metaspace: a character
        std::string content;    ///< Replace
        size_t start = 0;       ///< Strip: at most so many at the beginning of each token
        size_t stop = 0;        ///< and at the end
        bool dropsFirst = true; ///< Metaspace: those of the first token are dropped
    };
    std::vector<Step> steps;

    /// ByteLevel and nothing else: then decoding is joining the bytes of the tokens.
    bool isByteLevel() const { return steps.size() == 1 && steps[0].kind == Step::ByteLevel; }
    /// As the `tokenizers` library: bytes that are no UTF-8 become U+FFFD. With rawBytes they stay what they
    /// are.
    std::string decode(std::vector<std::string> tokens, bool rawBytes) const;
};

} // namespace pl::text
