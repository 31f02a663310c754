// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <vector>

#include "core/desk/domain/types.h"

namespace pl::desk {

/// An order of three or more answers, perhaps a partial one. As a payload: {"v": 1, "ranks": [...]}, one rank for each member in the order of
/// the comparison, 1 best; equal ranks are a tie, unless the rank is listed in "unordered": nothing was said of those among
/// themselves (the rest of a list that was not finished, the middle of best and worst).
struct Ranking {
    std::vector<int> ranks;
    std::set<int> unordered;

    static constexpr size_t kMost = 26; ///< a letter each
    /// InvalidInput when it does not fit so many members.
    static Result<Ranking> of(const Json& payload, size_t members);
    Json toJson() const;
    enum class Relation { FirstBetter, SecondBetter, Tie, Unknown };
    Relation relation(size_t first, size_t second) const;
    /// Every pair of members has a relation.
    bool isComplete() const;
    /// Pairs of members that have one.
    int64_t pairs() const;
    bool operator==(const Ranking&) const = default;
};

/// A vote that says this order: the winner is that of the first two members (an unspecified tie when nothing was said of them).
Judgement judgementOf(const Ranking& ranking);

} // namespace pl::desk
