// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/desk/store/project.h"

/// Pairs on which people differ, judged once more by somebody who sees what the others said and not who said it. The verdict is a
/// judgement of an annotator of its own ("Ada, adjudicator"), which datasets take instead of the majority; undo() of that annotator
/// takes it back.
namespace pl::desk {

enum class Cause { GuidelineUnclear, Mistake, TrulySplit, BadPair };
const char* causeName(Cause value); ///< guideline_unclear mistake truly_split bad_pair
Result<Cause> causeOf(std::string_view name);

/// Is this the adjudicating half of a person? Such judgements are nobody's opinion.
bool isAdjudicator(const Annotator& annotator);
/// The adjudicating half of a person, made when it is not there.
Result<Id> adjudicatorOf(Project& project, Id person);

/// What one of the others said: no name, no number, no time.
struct AnonymousVote {
    Winner winner = Winner::Tie;
    TieKind tieKind = TieKind::None;
    std::optional<int> strength;
    bool badA = false, badB = false, skipped = false;
    std::string skipReason;
    std::vector<std::string> reasons;
    std::string rationale;
};
/// Votes and skips of people on a pair in an order that its contents decide, so that "voter 1" is not the same person everywhere.
Result<std::vector<AnonymousVote>> anonymousVotes(Project& project, Id task, Id comparison);

/// The verdict on a pair, if there is one.
struct AdjudicatedVerdict {
    Id adjudicator = 0;
    Judgement judgement;
    Cause cause = Cause::TrulySplit;
};
Result<std::optional<AdjudicatedVerdict>> verdictOn(Project& project, Id task, Id comparison);

/// One transaction: the verdict of `person` in that other role. Cause::BadPair leaves the pair out of datasets, whatever the winner
/// says. `aOnLeft`: how it was shown.
Result<Ack> adjudicate(Project& project, Id task, Id person, Id comparison, bool aOnLeft, const Judgement& verdict, Cause cause);

} // namespace pl::desk
