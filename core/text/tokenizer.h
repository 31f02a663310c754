// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/marked_text.h"

namespace pl::text {

/// BPE of a Hugging Face `tokenizer.json`; ids and texts equal those of the `tokenizers` library with
/// `add_special_tokens=False`. A cheap handle on shared immutable data: copy and move freely, const methods are
/// thread-safe.
///
/// Understood: model BPE, over bytes (GPT-2, Llama 3, Qwen) or over characters (SentencePiece-style: Llama 2,
/// Mistral) with byte_fallback, unk_token, fuse_unk, ignore_merges; merges as "a b" or ["a","b"]; normalizers NFC,
/// NFD, NFKC, NFKD, Lowercase, Replace, Prepend, Strip and their Sequence; pre-tokenizers ByteLevel (last), Digits,
/// Split, Metaspace in both spellings and their Sequence, or none; decoders ByteLevel, ByteFallback, Fuse, Strip,
/// Replace, Metaspace and their Sequence; added tokens with all their options. Post-processors ByteLevel,
/// TemplateProcessing and their Sequence are read but never applied by encode: a chat template writes its own
/// begin token (prefixIds and suffixIds say what they would add). Truncation and padding entries are not applied.
/// Everything else (dropout, other models and steps) is refused by name.
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
    /// Special tokens are parsed where no byte of content takes part in them; the rest is one text, as above.
    std::vector<int64_t> encode(const MarkedText& text) const;
    /// As encode, but a pattern that exceeds its limit is an error (Code::InvalidInput).
    Result<std::vector<int64_t>> tryEncode(std::string_view text, bool parseSpecial = false) const;
    /// Text of the ids, special tokens left out unless asked for; unknown ids are skipped; bytes that are not
    /// UTF-8 become U+FFFD.
    std::string decode(const std::vector<int64_t>& ids, bool skipSpecial = true) const;
    /// The raw bytes of the ids: for streaming, where a character may be split over two tokens. More ids only
    /// append bytes (unless the decoder strips at the end, which no model family does).
    std::string decodeBytes(const std::vector<int64_t>& ids, bool skipSpecial = true) const;

    /// What normalizer and pre-tokenizer alone cut (added tokens are not looked for).
    std::vector<std::string> pieces(std::string_view text) const;

    std::optional<int64_t> tokenId(std::string_view name) const;
    /// The token as the file spells it (byte-level alphabet: "Ġthe"); empty for an unknown id.
    std::string tokenText(int64_t id) const;
    bool isSpecial(int64_t id) const;
    std::vector<int64_t> specialIds() const;
    /// bos_token, eos_token and pad_token of tokenizer_config.json.
    std::optional<int64_t> bosId() const;
    std::optional<int64_t> eosId() const;
    std::optional<int64_t> padId() const;
    /// What the post-processor puts before and behind a text that no template rendered (Llama: the begin token).
    const std::vector<int64_t>& prefixIds() const;
    const std::vector<int64_t>& suffixIds() const;
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
