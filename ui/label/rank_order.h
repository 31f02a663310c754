// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <vector>

#include "core/desk/domain/ranking.h"

namespace pl::ui {

/// An order as it is typed: letters from best to worst, "=" before a letter ties it to the one before, Shift and a letter puts it last.
/// Places are counted on the screen, 0 is A. Plain values, no window.
class RankOrder {
public:
    explicit RankOrder(int places = 0) : m_places(places) {}

    enum class Step {
        Ignored, ///< nothing changed: taken already, no such letter, nothing to tie to
        Changed,
        Complete ///< every place has its rank: the vote can go
    };
    /// The next best. The last one that is left takes the last rank by itself.
    Step put(int place);
    /// The worst of those not placed (best and worst: two keys).
    Step putLast(int place);
    /// The next letter is tied to the one before; again: no longer.
    Step tie();
    /// All that are left are as good as each other, below those placed; with none placed all are equal.
    Step tieRest();
    /// Takes the last letter back.
    Step back();
    void clear();

    int places() const { return m_places; }
    bool isEmpty() const { return m_typed.empty(); }
    bool tieNext() const { return m_tieNext; }
    bool isComplete() const;
    /// Enough to be given with Enter: one is better than another.
    bool isUsable() const { return !m_typed.empty(); }
    /// Rank from 1 of a place; 0: not placed. Those put last count from the end.
    int rankOf(int place) const;
    bool isPlaced(int place) const;
    /// Places tied to each other, from best to worst: those typed, or those put last.
    std::vector<std::vector<int>> groups(bool last) const;
    /// What a vote says: those not placed stand between those typed and those put last, unordered among themselves.
    /// shown[place] = member.
    desk::Ranking ranking(const std::vector<size_t>& shown) const;
    /// An order that was given before.
    static RankOrder of(const desk::Ranking& ranking, const std::vector<size_t>& shown);
    bool operator==(const RankOrder&) const = default;

private:
    struct Typed {
        int place = 0;
        bool tied = false; ///< to the one typed before at the same end
        bool last = false; ///< from the end
        bool filled = false; ///< came by itself with the one before
        bool operator==(const Typed&) const = default;
    };
    Step fill();
    std::vector<int> unplaced() const;
    int m_places;
    std::vector<Typed> m_typed;
    bool m_tieNext = false;
};

} // namespace pl::ui
