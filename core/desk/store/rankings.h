// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "core/desk/domain/ranking.h"
#include "core/desk/store/project.h"

/// Sets of three or more answers that a person puts into an order: no queue of pairs offers them.
namespace pl::desk {

/// A set ready for the screen.
struct RankItem {
    Comparison comparison;
    Prompt prompt;
    std::vector<Candidate> members;    ///< in the order of their hashes, as a Ranking counts them
    std::vector<size_t> shown;         ///< place on the screen -> member, shuffled by the presentation's seed
    Presentation presentation;         ///< not recorded yet; aOnLeft: member 0 stands before member 1
};

/// The oldest sets this person has neither judged nor skipped in this task (options: task, annotator, session, limit, seed, split, kind,
/// blind, skip), presentations drawn.
Result<std::vector<RankItem>> nextRankings(Project& project, const Project::NextOptions& options);
Result<int64_t> remainingRankings(Project& project, const Project::NextOptions& options);
/// A set as this person saw it or would see it: for going back.
Result<RankItem> rankItem(Project& project, const Project::NextOptions& options, Id comparison);

/// Comparisons of three members or more, sorted.
Result<std::vector<Id>> setComparisons(Project& project);
/// What counts on pairs. An order of a set is no vote between its first two members: statistics of pairs leave it out.
Result<std::vector<CurrentVote>> pairVotes(Project& project);

struct MakeRankingsOptions {
    size_t size = 4;             ///< answers of a set, 3 to Ranking::kMost
    std::optional<Split> split;
    std::optional<CandidateKind> kind;
    Id task = 0;                 ///< 0: offered in every task
    int64_t maxSets = 0;         ///< 0: no limit
};
struct MakeRankingsResult {
    int64_t sets = 0, duplicates = 0;
    int64_t tooFew = 0; ///< prompts with fewer than three different answers of a kind
};
/// One set a prompt: its answers, of those that are too many the first by hash. Prompts with three answers or more give smaller sets.
Result<MakeRankingsResult> makeRankings(Project& project, const MakeRankingsOptions& options);

} // namespace pl::desk
