// SPDX-License-Identifier: Apache-2.0
#include "core/desk/queue/repeat_pool.h"

#include "core/base/hash.h"

namespace pl::desk {

uint64_t RepeatPool::keyOf(Id comparison) const { return mix64(m_draw ^ mix64(static_cast<uint64_t>(comparison))); }

void RepeatPool::update(Id comparison) {
    const auto at = m_events.find(comparison);
    const auto repeat = m_repeated.lower_bound({comparison, INT32_MIN});
    const bool ready = at != m_events.end() && m_old.count({at->second, comparison}) &&
                       (repeat == m_repeated.end() || repeat->first != comparison);
    if (ready)
        m_ready.emplace(keyOf(comparison), comparison);
    else
        m_ready.erase({keyOf(comparison), comparison});
}

void RepeatPool::judged(Id comparison, Id event) {
    unjudged(comparison);
    m_events[comparison] = event;
    m_recent.emplace(event, comparison);
    if (m_recent.size() > m_gap) {
        const auto oldest = *m_recent.begin();
        m_recent.erase(m_recent.begin());
        m_old.insert(oldest);
        update(oldest.second);
    }
    // A vote brought back may be older than the recent ones.
    while (!m_recent.empty() && !m_old.empty() && m_old.rbegin()->first > m_recent.begin()->first) {
        const auto up = *m_old.rbegin(), down = *m_recent.begin();
        m_old.erase(up);
        m_recent.erase(down);
        m_old.insert(down);
        m_recent.insert(up);
        update(up.second);
        update(down.second);
    }
}

void RepeatPool::unjudged(Id comparison) {
    const auto at = m_events.find(comparison);
    if (at == m_events.end())
        return;
    const std::pair<Id, Id> key{at->second, comparison};
    m_events.erase(at);
    m_old.erase(key);
    if (m_recent.erase(key) && !m_old.empty()) {
        const auto newest = *m_old.rbegin();
        m_old.erase(newest);
        m_recent.insert(newest);
        update(newest.second);
    }
    update(comparison);
}

void RepeatPool::setRepeated(Id comparison, int32_t occasion, bool is) {
    if (is)
        m_repeated.emplace(comparison, occasion);
    else
        m_repeated.erase({comparison, occasion});
    update(comparison);
}

std::optional<RepeatPool::Pick> RepeatPool::pick(const std::set<Id>& skip) const {
    std::optional<Pick> out;
    size_t open = m_ready.size();
    for (const Id id : skip)
        open -= m_ready.count({keyOf(id), id});
    for (const auto& [key, comparison] : m_ready)
        if (!skip.count(comparison)) {
            out = Pick{comparison, open};
            break;
        }
    return out;
}

} // namespace pl::desk
