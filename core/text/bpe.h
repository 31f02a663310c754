// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pl::text {

/// The printable stand-in of each byte in GPT-2's byte-level alphabet, as UTF-8.
const std::array<std::string, 256>& byteAlphabet();
/// The bytes a token's spelling stands for; a spelling with characters outside the alphabet stands for
/// itself.
std::string bytesOfSpelling(std::string_view spelling);
/// "Ġthe" for " the".
std::string spellingOfBytes(std::string_view bytes);

/// Byte-pair merging of one word: always the pair of lowest rank, the leftmost of equals.
class BpeMerger {
public:
    static constexpr int64_t kNone = -1;

    std::array<int64_t, 256> byteIds; ///< kNone: the vocabulary lacks the byte
    int64_t unkId = kNone;            ///< for bytes that are lacking; kNone: they are dropped
    bool fuseUnk = false;
    std::unordered_map<std::string, int64_t> wholeWords; ///< raw bytes -> id; filled for ignore_merges only

    BpeMerger() { byteIds.fill(kNone); }
    void reserve(size_t merges) { m_merges.reserve(merges); }
    void addMerge(int64_t left, int64_t right, uint32_t rank, int64_t merged);
    /// Appends the ids of one pre-tokenized word (raw bytes). Thread-safe; short words are remembered.
    void encodeWord(std::string_view word, std::vector<int64_t>& out) const;

private:
    struct Merge {
        uint32_t rank;
        int64_t merged;
    };
    const Merge* find(int64_t left, int64_t right) const;
    void mergeWord(std::string_view word, std::vector<int64_t>& out) const;

    std::unordered_map<uint64_t, Merge> m_merges;
    mutable std::shared_mutex m_cacheLock;
    mutable std::unordered_map<std::string, std::vector<int64_t>> m_cache;
};

} // namespace pl::text
