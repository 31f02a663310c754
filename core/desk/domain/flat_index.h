// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace pl::desk {

/// Places in a vector by the hash of what lies there: open addressing over 32-bit numbers, 8 to 16 bytes an entry, so that a million rows
/// are indexed in tens of milliseconds. What lies where, and its hash, the owner says with each call.
class FlatIndex {
public:
    static constexpr uint32_t kNone = UINT32_MAX;

    void clear() {
        m_slots.clear();
        m_used = 0;
    }
    /// Room for n entries without growing.
    template<class HashAt>
    void reserve(size_t n, HashAt hashAt) {
        size_t size = 16;
        while (size < 2 * n)
            size *= 2;
        if (size > m_slots.size())
            resize(size, hashAt);
    }
    /// The place whose contents `is` accepts; kNone when there is none.
    template<class Is>
    uint32_t find(uint64_t hash, Is is) const {
        if (m_slots.empty())
            return kNone;
        for (size_t at = hash & mask();; at = (at + 1) & mask()) {
            const uint32_t place = m_slots[at];
            if (place == kNone || is(place))
                return place;
        }
    }
    /// A place that is not in yet.
    template<class HashAt>
    void insert(uint64_t hash, uint32_t place, HashAt hashAt) {
        reserve(m_used + 1, hashAt);
        put(hash, place);
        ++m_used;
    }
    /// `hashAt(place)` still answers for every place that is in, this one included.
    template<class HashAt>
    void erase(uint64_t hash, uint32_t place, HashAt hashAt) {
        size_t hole = slotOf(hash, place);
        --m_used;
        // Whoever was pushed on past the hole comes back: no tombstones.
        for (size_t at = (hole + 1) & mask(); m_slots[at] != kNone; at = (at + 1) & mask()) {
            const size_t home = hashAt(m_slots[at]) & mask();
            if (((at - home) & mask()) >= ((at - hole) & mask())) {
                m_slots[hole] = m_slots[at];
                hole = at;
            }
        }
        m_slots[hole] = kNone;
    }
    /// What lay at `from` lies at `to` now.
    void move(uint64_t hash, uint32_t from, uint32_t to) { m_slots[slotOf(hash, from)] = to; }

private:
    size_t mask() const { return m_slots.size() - 1; }
    size_t slotOf(uint64_t hash, uint32_t place) const {
        size_t at = hash & mask();
        while (m_slots[at] != place)
            at = (at + 1) & mask();
        return at;
    }
    void put(uint64_t hash, uint32_t place) {
        size_t at = hash & mask();
        while (m_slots[at] != kNone)
            at = (at + 1) & mask();
        m_slots[at] = place;
    }
    template<class HashAt>
    void resize(size_t size, HashAt hashAt) {
        std::vector<uint32_t> old(size, kNone);
        old.swap(m_slots);
        for (const uint32_t place : old)
            if (place != kNone)
                put(hashAt(place), place);
    }

    std::vector<uint32_t> m_slots; ///< a power of two of them, at most half in use
    size_t m_used = 0;
};

} // namespace pl::desk
