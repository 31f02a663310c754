// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/needles.h"

#include <algorithm>

#include "core/base/json.h"

namespace pl::desk {

namespace {

constexpr uint64_t kBase = 0x100000001b3; // odd, modulo 2^64; equal hashes are compared byte by byte

uint64_t next(uint64_t hash, char byte) { return hash * kBase + static_cast<unsigned char>(byte) + 1; }

size_t bitOf(uint64_t hash) { return (hash * 0x9e3779b97f4a7c15) >> 48; }

} // namespace

std::string insideJson(const std::string& text) {
    const std::string quoted = dumpJson(Json(text));
    return quoted.substr(1, quoted.size() - 2);
}

Needles::Needles(size_t window) : m_window(window) {
    for (size_t i = 1; i < window; ++i)
        m_leaving *= kBase;
}

void Needles::add(const std::string& text) {
    const auto put = [&](const std::string& form) {
        if (form.size() < m_window)
            return;
        uint64_t hash = 0;
        for (size_t i = 0; i < m_window; ++i)
            hash = next(hash, form[i]);
        m_byHash[hash].push_back(m_forms.size());
        m_maybe.set(bitOf(hash));
        m_forms.push_back(form);
    };
    put(text);
    if (const std::string form = insideJson(text); form != text)
        put(form);
}

template<class F> void Needles::each(std::string_view haystack, F found) const {
    if (m_forms.empty() || haystack.size() < m_window)
        return;
    uint64_t hash = 0;
    for (size_t i = 0; i + 1 < m_window; ++i)
        hash = next(hash, haystack[i]);
    for (size_t at = 0; at + m_window <= haystack.size(); ++at) {
        hash = next(hash, haystack[at + m_window - 1]);
        if (m_maybe.test(bitOf(hash))) {
            size_t longest = 0;
            if (const auto forms = m_byHash.find(hash); forms != m_byHash.end())
                for (const size_t i : forms->second)
                    if (m_forms[i].size() > longest && haystack.compare(at, m_forms[i].size(), m_forms[i]) == 0)
                        longest = m_forms[i].size();
            if (longest && !found(at, longest))
                return;
        }
        hash -= (static_cast<unsigned char>(haystack[at]) + uint64_t{1}) * m_leaving;
    }
}

bool Needles::in(std::string_view haystack) const {
    bool any = false;
    each(haystack, [&](size_t, size_t) {
        any = true;
        return false;
    });
    return any;
}

std::vector<std::pair<size_t, size_t>> Needles::placesIn(std::string_view haystack) const {
    std::vector<std::pair<size_t, size_t>> places;
    each(haystack, [&](size_t begin, size_t length) {
        if (!places.empty() && begin < places.back().second)
            places.back().second = std::max(places.back().second, begin + length);
        else
            places.emplace_back(begin, begin + length);
        return true;
    });
    return places;
}

} // namespace pl::desk
