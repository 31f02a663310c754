// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace pl::text {

/// The printable stand-in of each byte in GPT-2's byte-level alphabet, as UTF-8.
const std::array<std::string, 256>& byteAlphabet();
/// The bytes a token's spelling stands for; a spelling with characters outside the alphabet stands for
/// itself.
std::string bytesOfSpelling(std::string_view spelling);
/// "Ġthe" for " the".
std::string spellingOfBytes(std::string_view bytes);

/// 0 to 255 for "<0x00>" to "<0xFF>", the byte tokens of SentencePiece; -1 for any other spelling.
int byteOfToken(std::string_view spelling);

/// Byte-pair merging of one word: always the pair of lowest rank, the leftmost of equals. A word is a row of bytes
/// (byte-level) or of characters (SentencePiece-style).
class BpeMerger {
public:
    static constexpr int64_t kNone = -1;

    bool byCharacter = false;
    /// By byte: the token of each byte. By character: the byte tokens that a character without a token becomes,
    /// where all of its bytes have one (byte_fallback). kNone: the vocabulary lacks it.
    std::array<int64_t, 256> byteIds;
    std::unordered_map<char32_t, int64_t> characterIds;
    int64_t unkId = kNone; ///< for what has no token; kNone: it is dropped
    bool fuseUnk = false;  ///< one unkId for a row of them
    std::unordered_map<std::string, int64_t> wholeWords; ///< for ignore_merges only

    BpeMerger() { byteIds.fill(kNone); }
    void reserve(size_t merges) { m_merges.reserve(merges); }
    /// `left` and `right`: the spellings, of which only the characters that meet count.
    void addMerge(int64_t leftId, std::string_view left, int64_t rightId, std::string_view right, uint32_t rank,
                  int64_t merged);
    /// Appends the ids of one pre-tokenized word. Thread-safe; short words are remembered. A word of n bytes takes
    /// n log n steps.
    void encodeWord(std::string_view word, std::vector<int64_t>& out) const;

private:
    struct Merge {
        uint32_t rank;
        int64_t merged;
    };
    const Merge* find(int64_t left, int64_t right) const;
    void encodePart(std::string_view part, std::vector<int64_t>& out) const;
    void mergeWord(std::string_view word, std::vector<int64_t>& out) const;
    std::vector<int64_t> bytesOf(std::string_view word) const;
    std::vector<int64_t> charactersOf(std::string_view word) const;

    std::unordered_map<uint64_t, Merge> m_merges;
    /// Pairs of characters that some merge joins. Between two others nothing ever merges, so a word can be cut
    /// there: a text that no pre-tokenizer cuts is still many short words.
    std::unordered_set<uint64_t> m_joins;
    mutable std::shared_mutex m_cacheLock;
    mutable std::unordered_map<std::string, std::vector<int64_t>> m_cache;
};

} // namespace pl::text
