// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/desk/store/project.h"

/// Pairs whose right verdict is known, hidden among the others at the task's share; and labels that are sent back to be looked at.
namespace pl::desk {

enum class GoldSource { Hand, Adjudicated, Unanimous };
const char* goldSourceName(GoldSource value); ///< hand adjudicated unanimous

struct GoldPair {
    Id comparison = 0;
    Winner winner = Winner::Tie;
    GoldSource source = GoldSource::Hand;
    int64_t createdMs = 0, met = 0, right = 0; ///< people who judged it as gold, and as it says
    std::string promptHead;
};
Result<std::vector<GoldPair>> goldPairs(Project& project, Id task);

/// `by`: who decided it, and so never meets it; 0: nobody in particular. Replaces an earlier verdict.
Status setGold(Project& project, Id task, Id comparison, Winner winner, GoldSource source, Id by);
Status removeGold(Project& project, Id task, Id comparison);

struct GoldPromotion {
    int64_t adjudicated = 0, unanimous = 0;
};
/// Makes gold of pairs with an adjudicator's verdict, and of those on which at least `votes` (2 or more) people agree without a
/// dissenting, skipping or flagging one; not of verdicts called truly split or a bad pair. At most `most` new ones (0: no limit), in
/// an order of the pairs' contents.
Result<GoldPromotion> promoteGold(Project& project, Id task, int votes, int64_t most = 0);

/// A vote on a gold pair that was shown as such.
struct GoldVote {
    Id annotator = 0, comparison = 0;
    bool right = false; ///< the same winner
};
Result<std::vector<GoldVote>> goldVotes(Project& project, Id task = 0);

// --- second looks ----------------------------------------------------------------------------------------------------

/// These pairs come back among the others until somebody has judged them again; for whoever has judged one before, the new
/// judgement replaces the old (which stays in the history). How many were not waiting already.
Result<int64_t> askSecondLook(Project& project, Id task, const std::vector<Id>& comparisons, const std::string& reason);
Result<int64_t> waitingLooks(Project& project, Id task);

} // namespace pl::desk
