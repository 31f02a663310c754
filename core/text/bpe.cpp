// SPDX-License-Identifier: Apache-2.0
#include "core/text/bpe.h"

#include <algorithm>
#include <queue>

#include "core/text/utf8.h"

namespace pl::text {
namespace {

constexpr size_t kCachedWordBytes = 32;
constexpr size_t kCachedWords = 1 << 16;

uint64_t pairOf(uint64_t left, uint64_t right) {
    return (left << 32) | right;
}

char32_t lastCharacter(std::string_view text) {
    size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
        --at;
    return nextCodePoint(text, at);
}

bool standsForItself(int byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
    std::array<std::string, 256> spelling;
    std::array<int, 0x144> byteOf; ///< by code point; -1: not in the alphabet
    Alphabet() {
        byteOf.fill(-1);
        char32_t next = 0x100;
        for (int byte = 0; byte < 256; ++byte) {
            const char32_t codePoint = standsForItself(byte) ? static_cast<char32_t>(byte) : next++;
            appendUtf8(spelling[static_cast<size_t>(byte)], codePoint);
            byteOf[codePoint] = byte;
        }
    }
};

const Alphabet& alphabet() {
    static const Alphabet value;
    return value;
}

} // namespace

const std::array<std::string, 256>& byteAlphabet() {
    return alphabet().spelling;
}

std::string bytesOfSpelling(std::string_view spelling) {
    std::string out;
    for (size_t at = 0; at < spelling.size();) {
        const char32_t codePoint = nextCodePoint(spelling, at);
        const int byte = codePoint < alphabet().byteOf.size() ? alphabet().byteOf[codePoint] : -1;
        if (byte < 0)
            return std::string(spelling);
        out.push_back(static_cast<char>(byte));
    }
    return out;
}

std::string spellingOfBytes(std::string_view bytes) {
    std::string out;
    for (const char c : bytes)
        out += alphabet().spelling[static_cast<unsigned char>(c)];
    return out;
}

int byteOfToken(std::string_view spelling) {
    if (spelling.size() != 6 || spelling.substr(0, 3) != "<0x" || spelling[5] != '>')
        return -1;
    int value = 0;
    for (const char c : spelling.substr(3, 2)) {
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            value = value * 16 + ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

void BpeMerger::addMerge(int64_t leftId, std::string_view left, int64_t rightId, std::string_view right, uint32_t rank,
                         int64_t merged) {
    m_merges[pairOf(static_cast<uint64_t>(leftId), static_cast<uint64_t>(rightId))] = {rank, merged};
    size_t start = 0;
    m_joins.insert(pairOf(lastCharacter(left), nextCodePoint(right, start)));
}

const BpeMerger::Merge* BpeMerger::find(int64_t left, int64_t right) const {
    const auto found = m_merges.find(pairOf(static_cast<uint64_t>(left), static_cast<uint64_t>(right)));
    return found == m_merges.end() ? nullptr : &found->second;
}

void BpeMerger::encodeWord(std::string_view word, std::vector<int64_t>& out) const {
    if (word.empty())
        return;
    if (!wholeWords.empty()) {
        if (const auto found = wholeWords.find(std::string(word)); found != wholeWords.end()) {
            out.push_back(found->second);
            return;
        }
    }
    if (!byCharacter)
        return encodePart(word, out);
    size_t begin = 0;
    char32_t previous = 0;
    bool previousKnown = false;
    for (size_t at = 0; at < word.size();) {
        const size_t here = at;
        const char32_t c = nextCodePoint(word, at);
        const bool known = characterIds.count(c) > 0;
        if (known && previousKnown && m_joins.count(pairOf(previous, c)) == 0) {
            encodePart(word.substr(begin, here - begin), out);
            begin = here;
        }
        previous = c;
        previousKnown = known;
    }
    encodePart(word.substr(begin), out);
}

void BpeMerger::encodePart(std::string_view part, std::vector<int64_t>& out) const {
    if (part.size() > kCachedWordBytes)
        return mergeWord(part, out);
    const std::string key(part);
    {
        const std::shared_lock lock(m_cacheLock);
        if (const auto found = m_cache.find(key); found != m_cache.end()) {
            out.insert(out.end(), found->second.begin(), found->second.end());
            return;
        }
    }
    std::vector<int64_t> ids;
    mergeWord(part, ids);
    out.insert(out.end(), ids.begin(), ids.end());
    const std::unique_lock lock(m_cacheLock);
    if (m_cache.size() < kCachedWords)
        m_cache.emplace(key, std::move(ids));
}

std::vector<int64_t> BpeMerger::bytesOf(std::string_view word) const {
    std::vector<int64_t> ids;
    ids.reserve(word.size());
    bool lastUnknown = false;
    for (const char c : word) {
        const int64_t id = byteIds[static_cast<unsigned char>(c)];
        const bool unknown = id == kNone;
        if (!unknown)
            ids.push_back(id);
        else if (unkId != kNone && !(fuseUnk && lastUnknown))
            ids.push_back(unkId);
        lastUnknown = unknown;
    }
    return ids;
}

std::vector<int64_t> BpeMerger::charactersOf(std::string_view word) const {
    std::vector<int64_t> ids;
    ids.reserve(word.size());
    bool pending = false; // an unknown character is written when the next known one comes: bytes overtake it
    for (size_t at = 0; at < word.size();) {
        const size_t begin = at;
        const char32_t c = nextCodePoint(word, at);
        if (const auto found = characterIds.find(c); found != characterIds.end()) {
            if (pending)
                ids.push_back(unkId);
            pending = false;
            ids.push_back(found->second);
            continue;
        }
        const std::string_view bytes = word.substr(begin, at - begin);
        const auto idOf = [&](char byte) { return byteIds[static_cast<unsigned char>(byte)]; };
        if (std::none_of(bytes.begin(), bytes.end(), [&](char byte) { return idOf(byte) == kNone; })) {
            for (const char byte : bytes)
                ids.push_back(idOf(byte));
        } else if (unkId != kNone) {
            if (pending && !fuseUnk)
                ids.push_back(unkId);
            pending = true;
        }
    }
    if (pending)
        ids.push_back(unkId);
    return ids;
}

void BpeMerger::mergeWord(std::string_view word, std::vector<int64_t>& out) const {
    struct Symbol {
        int64_t id;
        int64_t previous;
        int64_t next;
    };
    std::vector<Symbol> symbols;
    for (const int64_t id : byCharacter ? charactersOf(word) : bytesOf(word)) {
        const auto index = static_cast<int64_t>(symbols.size());
        symbols.push_back({id, index - 1, index + 1});
    }
    if (symbols.empty())
        return;
    symbols.back().next = -1;

    struct Candidate {
        uint32_t rank;
        int64_t at;
        int64_t merged;
        bool operator>(const Candidate& other) const {
            return rank != other.rank ? rank > other.rank : at > other.at;
        }
    };
    std::vector<Candidate> storage;
    storage.reserve(symbols.size());
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>{},
                                                                                 std::move(storage));
    const auto offer = [&](int64_t at) {
        if (at < 0 || symbols[static_cast<size_t>(at)].next < 0)
            return;
        const Symbol& left = symbols[static_cast<size_t>(at)];
        if (const Merge* merge = find(left.id, symbols[static_cast<size_t>(left.next)].id))
            queue.push({merge->rank, at, merge->merged});
    };
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
        offer(static_cast<int64_t>(i));
    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        Symbol& left = symbols[static_cast<size_t>(best.at)];
        if (left.id == kNone || left.next < 0)
            continue; // swallowed, or last
        Symbol& right = symbols[static_cast<size_t>(left.next)];
        const Merge* merge = find(left.id, right.id);
        if (!merge || merge->merged != best.merged)
            continue; // a neighbour changed since
        left.id = merge->merged;
        right.id = kNone;
        left.next = right.next;
        if (left.next >= 0)
            symbols[static_cast<size_t>(left.next)].previous = best.at;
        offer(left.previous);
        offer(best.at);
    }
    for (int64_t at = 0; at >= 0; at = symbols[static_cast<size_t>(at)].next)
        out.push_back(symbols[static_cast<size_t>(at)].id);
}

} // namespace pl::text
