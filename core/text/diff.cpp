// SPDX-License-Identifier: Apache-2.0
#include "core/text/diff.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "core/text/utf8.h"

namespace pl::text {
namespace {

struct Word {
    size_t begin;
    size_t end;
    int id; ///< equal words of both texts have equal ids
};

enum class Class { Word, Space, Other };

Class classOf(char32_t c) {
    if (isWhiteSpace(c))
        return Class::Space;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '\'')
        return Class::Word;
    // Scripts written without spaces compare better character by character, and so do punctuation and
    // pictures.
    if (c < 0x80 || columnWidth(c) == 2 || (c >= 0x2000 && c <= 0x2BFF && c != 0x2019) || c >= 0x1F000 ||
        c == 0xFFFD)
        return Class::Other;
    return Class::Word;
}

std::vector<Word> wordsOf(std::string_view text, std::unordered_map<std::string_view, int>& ids) {
    std::vector<Word> words;
    for (size_t at = 0; at < text.size();) {
        const size_t begin = at;
        const Class kind = classOf(nextCodePoint(text, at));
        while (at < text.size()) {
            size_t next = at;
            const char32_t c = nextCodePoint(text, next);
            const bool joins = kind != Class::Other ? classOf(c) == kind : columnWidth(c) == 0 && c >= 0x300;
            if (!joins)
                break;
            at = next;
        }
        const auto [found, fresh] = ids.emplace(text.substr(begin, at - begin), static_cast<int>(ids.size()));
        (void)fresh;
        words.push_back({begin, at, found->second});
    }
    return words;
}

/// Marks the words kept on both sides with Myers' greedy forward search; false when more than maxEdits are
/// needed.
bool myers(const std::vector<Word>& a, const std::vector<Word>& b, size_t aBegin, size_t aEnd, size_t bBegin,
           size_t bEnd, size_t maxEdits, std::vector<bool>& keptA, std::vector<bool>& keptB) {
    const auto n = static_cast<long>(aEnd - aBegin);
    const auto m = static_cast<long>(bEnd - bBegin);
    const long limit = std::min<long>(n + m, static_cast<long>(std::min<size_t>(maxEdits, 2000)));
    std::vector<long> furthest(static_cast<size_t>(2 * limit + 3), 0);
    const auto cell = [&](long k) -> long& { return furthest[static_cast<size_t>(k + limit + 1)]; };
    std::vector<std::vector<long>> history; // of each round, the cells -d..d
    long found = -1;
    for (long d = 0; d <= limit && found < 0; ++d) {
        for (long k = -d; k <= d; k += 2) {
            long x = k == -d || (k != d && cell(k - 1) < cell(k + 1)) ? cell(k + 1) : cell(k - 1) + 1;
            long y = x - k;
            while (x < n && y < m && y >= 0 &&
                   a[aBegin + static_cast<size_t>(x)].id == b[bBegin + static_cast<size_t>(y)].id) {
                ++x;
                ++y;
            }
            cell(k) = x;
            if (x >= n && y >= m)
                found = d;
        }
        history.emplace_back(furthest.begin() + (limit + 1 - d), furthest.begin() + (limit + 2 + d));
    }
    if (found < 0)
        return false;
    long x = n;
    long y = m;
    for (long d = found; d > 0; --d) {
        const std::vector<long>& before = history[static_cast<size_t>(d - 1)];
        const auto at = [&](long k) {
            return k < -(d - 1) || k > d - 1 ? -1 : before[static_cast<size_t>(k + d - 1)];
        };
        const long k = x - y;
        const bool down = k == -d || (k != d && at(k - 1) < at(k + 1));
        const long fromX = down ? at(k + 1) : at(k - 1);
        const long fromY = fromX - (down ? k + 1 : k - 1);
        const long afterX = down ? fromX : fromX + 1;
        while (x > afterX) {
            --x;
            --y;
            keptA[aBegin + static_cast<size_t>(x)] = true;
            keptB[bBegin + static_cast<size_t>(y)] = true;
        }
        x = fromX;
        y = fromY;
    }
    while (x > 0) {
        --x;
        --y;
        keptA[aBegin + static_cast<size_t>(x)] = true;
        keptB[bBegin + static_cast<size_t>(y)] = true;
    }
    return true;
}

bool continues(std::string_view text, size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

} // namespace

size_t commonPrefix(std::string_view a, std::string_view b) {
    const size_t most = std::min(a.size(), b.size());
    size_t same = 0;
    while (same < most && a[same] == b[same])
        ++same;
    while (same > 0 && (continues(a, same) || continues(b, same)))
        --same;
    return same;
}

size_t commonSuffix(std::string_view a, std::string_view b, size_t prefix) {
    const size_t most = std::min(a.size(), b.size()) - std::min({prefix, a.size(), b.size()});
    size_t same = 0;
    while (same < most && a[a.size() - 1 - same] == b[b.size() - 1 - same])
        ++same;
    while (same > 0 && continues(a, a.size() - same))
        --same;
    return same;
}

std::vector<DiffSegment> diffWords(std::string_view a, std::string_view b, const DiffOptions& options) {
    std::unordered_map<std::string_view, int> ids;
    const std::vector<Word> wordsA = wordsOf(a, ids);
    const std::vector<Word> wordsB = wordsOf(b, ids);
    std::vector<bool> keptA(wordsA.size());
    std::vector<bool> keptB(wordsB.size());
    size_t head = 0;
    const size_t most = std::min(wordsA.size(), wordsB.size());
    while (head < most && wordsA[head].id == wordsB[head].id) {
        keptA[head] = keptB[head] = true;
        ++head;
    }
    size_t tail = 0;
    while (tail < most - head && wordsA[wordsA.size() - 1 - tail].id == wordsB[wordsB.size() - 1 - tail].id) {
        ++tail;
        keptA[wordsA.size() - tail] = keptB[wordsB.size() - tail] = true;
    }
    // Beyond the limit the middle is shown as replaced as a whole.
    myers(wordsA, wordsB, head, wordsA.size() - tail, head, wordsB.size() - tail, options.maxEdits, keptA,
          keptB);

    std::vector<DiffSegment> out;
    size_t i = 0;
    size_t j = 0;
    const auto offset = [](const std::vector<Word>& words, size_t index, std::string_view text) {
        return index < words.size() ? words[index].begin : text.size();
    };
    while (i < wordsA.size() || j < wordsB.size()) {
        const size_t fromA = i;
        const size_t fromB = j;
        const size_t aBegin = offset(wordsA, i, a);
        const size_t bBegin = offset(wordsB, j, b);
        while (i < wordsA.size() && j < wordsB.size() && keptA[i] && keptB[j]) {
            ++i;
            ++j;
        }
        if (i > fromA) {
            out.push_back({DiffKind::Equal, aBegin, offset(wordsA, i, a), bBegin, offset(wordsB, j, b)});
            continue;
        }
        while (i < wordsA.size() && !keptA[i])
            ++i;
        while (j < wordsB.size() && !keptB[j])
            ++j;
        const size_t aEnd = offset(wordsA, i, a);
        if (i > fromA)
            out.push_back({DiffKind::OnlyA, aBegin, aEnd, bBegin, bBegin});
        if (j > fromB)
            out.push_back({DiffKind::OnlyB, aEnd, aEnd, bBegin, offset(wordsB, j, b)});
    }
    return out;
}

} // namespace pl::text
