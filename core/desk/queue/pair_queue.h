// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/desk/domain/types.h"

namespace pl::desk {

/// What the queue knows of a pair.
struct PairInfo {
    uint64_t hash = 0; ///< of its contents
    Split split = Split::Train;
    Id task = 0; ///< 0: every task
    CandidateKind kind = CandidateKind::Text;
};

/// The first 64 bits of a hex digest.
uint64_t hashPrefix(const std::string& sha);
/// Which side a is on: a fair coin from (seed, contents, person, occasion), the same on every machine.
bool drawAOnLeft(uint64_t seed, uint64_t pairHash, Id annotator, int occasion);

/// One choice of the queue with the probability it had.
struct QueuePick {
    Id comparison = 0;
    double propensity = 1;
    const char* stratum = "fifo";
};

/// The unjudged pairs of one person in one task, in the order of a rule: fifo by age; random by a hash of seed and contents,
/// which is a uniform draw without replacement, with propensity 1 / (pairs left). A million pairs are added in any order and sorted once, at
/// the first pick; what comes and goes later costs a search, and what has gone is swept out when it outweighs the rest.
class PairQueue {
public:
    PairQueue(QueueRule rule, uint64_t seed) : m_rule(rule), m_seed(seed) {}
    /// A pair that is in already is not added twice (before settle() it must not be).
    void add(Id comparison, const PairInfo& info);
    void remove(Id comparison, const PairInfo& info);
    /// The first filling is over: sorts. pick() and remove() do it too.
    void settle() { sort(); }
    size_t size() const { return (m_filling ? m_sorted.size() : m_left) + m_later.size(); }
    /// The first n that are not in `skip`.
    std::vector<QueuePick> pick(size_t n, const std::set<Id>& skip);

private:
    using Key = std::pair<uint64_t, Id>;
    Key keyOf(Id comparison, const PairInfo& info) const;
    void sort();
    /// Place in m_sorted, or its size.
    size_t placeOf(const Key& key) const;
    QueueRule m_rule;
    uint64_t m_seed;
    std::vector<Key> m_sorted;
    std::vector<bool> m_gone; ///< of m_sorted
    bool m_filling = true;    ///< not sorted yet
    size_t m_head = 0;        ///< all before it have gone
    size_t m_left = 0;        ///< of m_sorted, not gone
    std::set<Key> m_later;    ///< added after the sorting
};

} // namespace pl::desk
