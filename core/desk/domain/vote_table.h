// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "core/desk/domain/types.h"
#include "core/desk/queue/queue_mix.h"

namespace pl::desk {

struct VoteKey {
    Id task = 0, comparison = 0, annotator = 0;
    int32_t occasion = 0;
    bool operator==(const VoteKey&) const = default;
};

/// What counts now, compact and in memory: feeds the queue and every statistic, so that no query delays a vote.
class VoteTable {
public:
    void set(const CurrentVote& vote);
    void erase(const VoteKey& key);
    const CurrentVote* find(const VoteKey& key) const;
    const std::vector<CurrentVote>& rows() const { return m_rows; }
    void reserve(size_t n);
    void clear();
    static VoteKey keyOf(const CurrentVote& vote);
    /// Votes on a comparison by everybody, occasion 0.
    int64_t votesOn(Id comparison) const;
    /// Of people (imported votes included) in a task, occasion 0.
    Tally tally(Id task, Id comparison) const;

private:
    struct Hash {
        size_t operator()(const VoteKey& key) const;
    };
    std::vector<CurrentVote> m_rows;
    std::unordered_map<VoteKey, size_t, Hash> m_index;
    void count(const CurrentVote& vote, int by);
    std::unordered_map<Id, int32_t> m_perComparison;
    std::unordered_map<VoteKey, Tally, Hash> m_tallies; ///< annotator and occasion 0
};

} // namespace pl::desk
