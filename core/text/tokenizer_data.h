// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/json.h"
#include "core/text/added_tokens.h"
#include "core/text/bpe.h"
#include "core/text/normalizer.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/token_decoder.h"
#include "core/text/tokenizer.h"

namespace pl::text {

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
    AddedTokenFinder raw; ///< tokens with normalized=false are found first
    Normalizer normalizer;
    AddedTokenFinder normalized; ///< the others in what is left, once it is normalized
    PreTokenizer preTokenizer;
    TokenDecoder decoder;
    std::vector<int64_t> prefix; ///< what the post-processor puts around a text
    std::vector<int64_t> suffix;
    std::optional<int64_t> bosId;
    std::optional<int64_t> eosId;
    std::optional<int64_t> padId;
    std::string hash;

    const Token* find(int64_t id) const {
        if (id < 0 || static_cast<size_t>(id) >= tokens.size() || !tokens[static_cast<size_t>(id)].present)
            return nullptr;
        return &tokens[static_cast<size_t>(id)];
    }
    /// Special tokens count only where they touch no byte of `plain`. False when a pattern exceeded its limit
    /// (the rest is then cut at fixed lengths).
    bool encode(std::string_view text, const std::vector<MarkedText::Span>& plain, std::vector<int64_t>& ids) const;
    std::string decode(const std::vector<int64_t>& ids, bool skipSpecial, bool rawBytes) const;
};

/// tokenizer.json and tokenizer_config.json to data (tokenizer_file.cpp).
Result<std::shared_ptr<Tokenizer::Data>> readTokenizer(const Json& file, const Json& config,
                                                       const std::string& what);

} // namespace pl::text
