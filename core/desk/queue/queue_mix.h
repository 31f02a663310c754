// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>

#include "core/base/json.h"

namespace pl::desk {

/// Where the next pair of a mixed queue comes from.
enum class Stratum {
    Fresh,     ///< nobody has judged it: drawn at random, so these votes measure models without bias
    Second,    ///< others have, and it needs another opinion
    Repeat,    ///< this person has, at least 50 votes ago: a hidden repeat with the sides drawn anew
    Uncertain, ///< nobody has judged it, and reward models are least sure about it
    Gold,      ///< its right verdict is known: shows how people do; each meets one once
    Look       ///< a label that is doubted: comes back to whoever is there. Not a share of a mix: as long as there are any
};
inline constexpr size_t kStrata = 6;
/// Those that a task's mix gives a share: all but Look.
inline constexpr size_t kMixed = 5;
/// Looks come as often as if they had this share beside the mix's whole of 1.
inline constexpr double kLookShare = 0.2;
const char* stratumName(Stratum value); ///< random second repeat uncertain gold look
const char* stratumWords(Stratum value); ///< "second opinions"

/// How many people judged a pair in a task, and how.
struct Tally {
    int32_t a = 0, b = 0, tie = 0;
    int32_t total() const { return a + b + tie; }
    /// More opinions are wanted: fewer than `votes`, or from two on no verdict that most share, until there are five (HelpSteer2's rule:
    /// a third when two differ, more only while it stays split).
    bool wantsMore(int votes) const;
    static constexpr int32_t kMost = 5;
};

/// A task's mix: {"uncertain": 60, "random": 20, "second": 10, "repeat": 5, "gold": 5, "votes": 2}: shares of what comes next, and how
/// many opinions a pair of the second stratum gets. Empty: no mix, pairs come in the order they were made.
struct QueueMix {
    std::array<double, kStrata> shares{}; ///< add up to 1, or are all 0
    int votes = 2;
    bool empty() const;
    /// The share of the pairs nobody has judged that is left to the random draw: which ones, their contents decide, so that
    /// what the models find uncertain takes none of them away and the random votes stay unbiased.
    double keptForRandom() const;
    /// What cannot be read counts as 0; negative and infinite shares too.
    static QueueMix of(const Json& json);
    /// "75 % random, 20 % second opinions, 5 % repeats"
    std::string toString() const;

    struct Choice {
        Stratum stratum = Stratum::Fresh;
        double probability = 1; ///< that this stratum was chosen, given which had something
        bool any = false;       ///< false: all are empty
    };
    /// `uniform` in [0, 1) decides among the strata that have something; one without a share is taken only when the others have nothing
    /// (fresh before uncertain before second, never a repeat or gold).
    Choice choose(double uniform, const std::array<bool, kStrata>& available) const;
};

} // namespace pl::desk
