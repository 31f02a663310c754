// SPDX-License-Identifier: Apache-2.0
#include "core/desk/queue/pair_queue.h"

#include <algorithm>

#include "core/base/hash.h"

namespace pl::desk {

uint64_t hashPrefix(const std::string& sha) {
    uint64_t value = 0;
    for (size_t i = 0; i < 16 && i < sha.size(); ++i) {
        const char c = sha[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
        value = value << 4 | static_cast<uint64_t>(digit);
    }
    return value;
}

bool drawAOnLeft(uint64_t seed, uint64_t pairHash, Id annotator, int occasion) {
    const uint64_t who = mix64(static_cast<uint64_t>(annotator) * 1000003u + static_cast<uint64_t>(occasion));
    return mix64(mix64(seed ^ pairHash) ^ who) >> 63;
}

PairQueue::Key PairQueue::keyOf(Id comparison, const PairInfo& info) const {
    return {m_rule == QueueRule::Fifo ? static_cast<uint64_t>(comparison) : mix64(mix64(m_seed) ^ info.hash), comparison};
}

void PairQueue::sort() {
    if (!m_filling)
        return;
    m_filling = false;
    std::sort(m_sorted.begin(), m_sorted.end());
    m_sorted.shrink_to_fit();
    m_gone.assign(m_sorted.size(), false);
    m_left = m_sorted.size();
}

size_t PairQueue::placeOf(const Key& key) const {
    const auto at = std::lower_bound(m_sorted.begin(), m_sorted.end(), key);
    return at != m_sorted.end() && *at == key ? static_cast<size_t>(at - m_sorted.begin()) : m_sorted.size();
}

void PairQueue::add(Id comparison, const PairInfo& info) {
    const Key key = keyOf(comparison, info);
    if (m_filling) {
        m_sorted.push_back(key);
        return;
    }
    const size_t place = placeOf(key);
    if (place == m_sorted.size()) {
        m_later.insert(key);
    } else if (m_gone[place]) {
        m_gone[place] = false;
        m_head = std::min(m_head, place);
        ++m_left;
    }
}

void PairQueue::remove(Id comparison, const PairInfo& info) {
    sort();
    const Key key = keyOf(comparison, info);
    const size_t place = placeOf(key);
    if (place == m_sorted.size()) {
        m_later.erase(key);
        return;
    }
    if (m_gone[place])
        return;
    m_gone[place] = true;
    --m_left;
    while (m_head < m_sorted.size() && m_gone[m_head])
        ++m_head;
    if (m_sorted.size() > 1024 && m_left < m_sorted.size() / 2) {
        std::vector<Key> left;
        left.reserve(m_left);
        for (size_t i = m_head; i < m_sorted.size(); ++i)
            if (!m_gone[i])
                left.push_back(m_sorted[i]);
        m_sorted = std::move(left);
        m_gone.assign(m_sorted.size(), false);
        m_head = 0;
    }
}

std::vector<QueuePick> PairQueue::pick(size_t n, const std::set<Id>& skip) {
    sort();
    std::vector<QueuePick> picks;
    // Pairs already prefetched have left the urn.
    size_t left = size();
    for (const Id id : skip)
        left -= left > 0 && id != 0 ? 1 : 0;
    size_t at = m_head;
    auto later = m_later.begin();
    while (picks.size() < n) {
        while (at < m_sorted.size() && m_gone[at])
            ++at;
        const bool ended = at == m_sorted.size();
        if (ended && later == m_later.end())
            break;
        const bool fromLater = later != m_later.end() && (ended || *later < m_sorted[at]);
        const Id comparison = fromLater ? (later++)->second : m_sorted[at++].second;
        if (skip.count(comparison))
            continue;
        QueuePick pick{comparison, 1.0, queueRuleName(m_rule)};
        if (m_rule == QueueRule::Random) {
            pick.propensity = 1.0 / static_cast<double>(left > 0 ? left : 1);
            left -= left > 1 ? 1 : 0;
        }
        picks.push_back(pick);
    }
    return picks;
}

} // namespace pl::desk
