// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace pl::text {

/// Byte-level BPE of a Hugging Face `tokenizer.json`; ids equal those of the `tokenizers` library with
/// `add_special_tokens=False`. A cheap handle on shared immutable data: copy and move freely, const methods
/// are thread-safe.
///
/// Understood: model BPE (merges as "a b" or ["a","b"], ignore_merges, unk_token); pre-tokenizers ByteLevel,
/// Digits, Split (Regex or String; Isolated, or Removed with invert) and their Sequence; decoder ByteLevel;
/// added tokens with lstrip and rstrip. Post-processors ByteLevel, TemplateProcessing and their Sequence are
/// accepted and not applied (they only add special tokens; chat_template.h adds ours). Truncation and padding
/// entries are not applied. Everything else (normalizers, byte_fallback, dropout, single_word, ...) is
/// refused by name.
class Tokenizer {
public:
    /// Reads tokenizer.json (untrusted) and, for the names of the end and padding tokens,
    /// tokenizer_config.json when present. Errors name the file and the entry.
    static Result<Tokenizer> load(const std::string& modelDir);
    /// The same from the texts of the two files; `config` may be empty; `what` names the object in messages.
    static Result<Tokenizer> parse(std::string_view json, std::string_view config, const std::string& what);

    /// Token ids of a text. With parseSpecial, special tokens spelled out in the text become their ids;
    /// without, they are plain text (what a person or a model wrote must stay plain). Invalid UTF-8 is
    /// replaced by U+FFFD first. Should the file's own pattern exceed its matching limit, the rest of that
    /// text is cut at fixed lengths instead: decode(encode(x)) stays x; tryEncode reports it.
    std::vector<int64_t> encode(std::string_view text, bool parseSpecial = false) const;
    /// As encode, but a pattern that exceeds its limit is an error (Code::InvalidInput).
    Result<std::vector<int64_t>> tryEncode(std::string_view text, bool parseSpecial = false) const;
    /// Text of the ids, special tokens left out unless asked for; unknown ids are skipped; bytes that are not
    /// UTF-8 become U+FFFD.
    std::string decode(const std::vector<int64_t>& ids, bool skipSpecial = true) const;
    /// The raw bytes of the ids: for streaming, where a character may be split over two tokens.
    std::string decodeBytes(const std::vector<int64_t>& ids, bool skipSpecial = true) const;

    /// What the pre-tokenizer alone cuts (added tokens are not looked for).
    std::vector<std::string> pieces(std::string_view text) const;

    std::optional<int64_t> tokenId(std::string_view name) const;
    /// The token as the file spells it (byte-level alphabet: "Ġthe"); empty for an unknown id.
    std::string tokenText(int64_t id) const;
    bool isSpecial(int64_t id) const;
    std::vector<int64_t> specialIds() const;
    std::optional<int64_t> eosId() const;
    std::optional<int64_t> padId() const;
    /// Largest id + 1.
    int64_t vocabSize() const;
    /// SHA-256 of tokenizer.json.
    const std::string& hash() const;

    struct Data;

private:
    explicit Tokenizer(std::shared_ptr<const Data> data);
    std::shared_ptr<const Data> m_data;
};

} // namespace pl::text
