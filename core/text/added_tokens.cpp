// SPDX-License-Identifier: Apache-2.0
#include "core/text/added_tokens.h"

#include <algorithm>

#include "core/text/unicode.h"

namespace pl::text {
namespace {

/// Where the white space at the end of text begins.
size_t spaceBefore(std::string_view text) {
    size_t at = text.size();
    while (at > 0) {
        size_t begin = at - 1;
        while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
            --begin;
        size_t end = begin;
        if (!isWhiteSpace(nextCodePoint(text, end)))
            break;
        at = begin;
    }
    return at;
}

size_t spaceAfter(std::string_view text) {
    size_t at = 0;
    while (at < text.size()) {
        size_t next = at;
        if (!isWhiteSpace(nextCodePoint(text, next)))
            break;
        at = next;
    }
    return at;
}

bool touchesWord(std::string_view text, size_t begin, size_t end) {
    if (begin > 0) {
        size_t at = begin - 1;
        while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
            --at;
        if (isWordCharacter(nextCodePoint(text, at)))
            return true;
    }
    return end < text.size() && isWordCharacter(nextCodePoint(text, end));
}

} // namespace

void AddedTokenFinder::add(const AddedToken& token, std::string_view spelling) {
    uint32_t node = 0;
    for (const char c : spelling) {
        const uint64_t key = (uint64_t{node} << 8) | static_cast<unsigned char>(c);
        const auto [edge, fresh] = m_edges.try_emplace(key, static_cast<uint32_t>(m_nodes.size()));
        if (fresh)
            m_nodes.push_back({});
        node = edge->second;
    }
    if (m_nodes[node].token < 0)
        m_nodes[node].token = static_cast<int64_t>(m_tokens.size());
    m_first[static_cast<unsigned char>(spelling[0])] = true;
    m_hasSpecial = m_hasSpecial || token.special;
    m_tokens.push_back(token);
}

void AddedTokenFinder::split(std::string_view text, const std::vector<MarkedText::Span>& plain,
                             const std::function<void(std::string_view, int64_t)>& piece) const {
    size_t done = 0; // everything before is given out
    auto span = plain.begin();
    for (size_t at = 0; at < text.size();) {
        if (!m_first[static_cast<unsigned char>(text[at])]) {
            ++at;
            continue;
        }
        while (span != plain.end() && span->end <= at)
            ++span;
        const bool inPlain = span != plain.end() && span->begin <= at;
        // A special token has to end here: before the next plain byte, or, hidden, inside these.
        const size_t limit = span == plain.end() ? text.size() : inPlain ? span->end : span->begin;
        uint32_t node = 0;
        int64_t best = -1;
        size_t bestEnd = at;
        for (size_t i = at; i < text.size(); ++i) {
            const auto edge = m_edges.find((uint64_t{node} << 8) | static_cast<unsigned char>(text[i]));
            if (edge == m_edges.end())
                break;
            node = edge->second;
            const int64_t found = m_nodes[node].token;
            if (found >= 0 && (i < limit || !m_tokens[static_cast<size_t>(found)].special)) {
                best = found;
                bestEnd = i + 1;
            }
        }
        if (best < 0) {
            ++at;
            continue;
        }
        const AddedToken& token = m_tokens[static_cast<size_t>(best)];
        size_t begin = at;
        size_t end = bestEnd;
        at = bestEnd;
        if ((token.special && inPlain) || begin < done || (token.singleWord && touchesWord(text, begin, end)))
            continue;
        if (token.lstrip)
            begin = std::max(done, spaceBefore(text.substr(0, begin)));
        if (token.rstrip)
            end += spaceAfter(text.substr(end));
        if (begin > done)
            piece(text.substr(done, begin - done), -1);
        piece(text.substr(begin, end - begin), token.id);
        done = end;
    }
    if (done < text.size())
        piece(text.substr(done), -1);
}

} // namespace pl::text
