// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <unordered_map>

#include "core/desk/domain/types.h"

namespace pl::desk {

/// Pairs that one person judged in one task, of which those at least `gap` votes ago that were not repeated yet may come again.
/// Follows every vote in O(log n).
class RepeatPool {
public:
    RepeatPool(uint64_t draw, size_t gap) : m_draw(draw), m_gap(gap) {}
    /// The person's first judgement of the pair is (now) this event.
    void judged(Id comparison, Id event);
    void unjudged(Id comparison);
    /// A repeat of it exists (or no longer does).
    void setRepeated(Id comparison, int32_t occasion, bool is);
    /// Those that may come again, the next one first; `barred` and `skip` are left out.
    struct Pick {
        Id comparison = 0;
        size_t of = 0; ///< how many there were to draw from
    };
    std::optional<Pick> pick(const std::set<Id>& skip) const;

private:
    void update(Id comparison);
    uint64_t keyOf(Id comparison) const;
    uint64_t m_draw;
    size_t m_gap;
    std::unordered_map<Id, Id> m_events;            ///< comparison -> event
    std::set<std::pair<Id, Id>> m_recent, m_old;    ///< (event, comparison); m_recent holds the newest m_gap
    std::set<std::pair<Id, int32_t>> m_repeated;    ///< (comparison, occasion)
    std::set<std::pair<uint64_t, Id>> m_ready;      ///< of m_old, by the draw
};

} // namespace pl::desk
