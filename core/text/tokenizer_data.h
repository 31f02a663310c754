// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/json.h"
#include "core/text/added_tokens.h"
#include "core/text/bpe.h"
#include "core/text/pattern.h"
#include "core/text/tokenizer.h"

namespace pl::text {

/// One cut of the pre-tokenizer; the byte-level mapping itself is implied at the end.
struct PreStep {
    enum Kind { Prefix, Split } kind = Split; ///< Prefix: a space in front where there is none
    Pattern pattern;
    bool onlyMatches = false;
};

struct Tokenizer::Data {
    struct Token {
        std::string spelling;
        std::string bytes;
        bool present = false;
        bool special = false;
        bool added = false;
    };
    std::vector<Token> tokens; ///< by id
    std::unordered_map<std::string, int64_t> idOf;
    BpeMerger merger;
    std::vector<PreStep> steps;
    AddedTokenFinder raw;        ///< tokens with normalized=false are found first
    AddedTokenFinder normalized; ///< the others in what is left; without a normalizer the text is the same
    std::optional<int64_t> eosId;
    std::optional<int64_t> padId;
    std::string hash;

    const Token* find(int64_t id) const {
        if (id < 0 || static_cast<size_t>(id) >= tokens.size() || !tokens[static_cast<size_t>(id)].present)
            return nullptr;
        return &tokens[static_cast<size_t>(id)];
    }
    /// The words the merger works on; false (and fixed lengths for the rest) when a pattern exceeded its
    /// limit.
    bool preTokenize(std::string_view text, std::deque<std::string>& store,
                     std::vector<std::string_view>& out) const;
    /// False as above.
    bool encode(std::string_view text, bool parseSpecial, std::vector<int64_t>& ids) const;
};

/// tokenizer.json and tokenizer_config.json to data (tokenizer_file.cpp).
Result<std::shared_ptr<Tokenizer::Data>> readTokenizer(const Json& file, const Json& config,
                                                       const std::string& what);

} // namespace pl::text
