// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/desk/domain/flat_index.h"
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
    /// Rows of one person in a task, of every kind and occasion.
    int64_t rowsOf(Id task, Id annotator) const;

private:
    /// Of a comparison in a task.
    struct Counted {
        Id task, comparison;
        Tally people;
    };
    uint64_t hashAt(uint32_t row) const;
    void count(const CurrentVote& vote, int by);
    std::vector<CurrentVote> m_rows;
    FlatIndex m_index; ///< of m_rows
    std::vector<Counted> m_counted;
    FlatIndex m_counts; ///< of m_counted
    std::vector<std::pair<Id, int32_t>> m_onComparison;
    FlatIndex m_comparisons; ///< of m_onComparison
    std::map<std::pair<Id, Id>, int64_t> m_perPerson; ///< rows by task and annotator
};

} // namespace pl::desk
