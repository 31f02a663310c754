// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/events.h"
#include "core/desk/store/project.h"

/// What reward models think of the answers, as jobs of the plugin `score` bring it.
namespace pl::desk {

/// The models whose scores choose what is uncertain: those of the newest such job.
struct QueueScorers {
    std::vector<std::string> models; ///< by name
    Id run = 0;                      ///< 0: nothing was scored yet
    int64_t pairs = 0;               ///< whose both answers all of them scored
};
Result<QueueScorers> queueScorers(Project& project);

/// An answer to be scored, as a row of items.jsonl says it.
struct ScoreItem {
    std::string id, prompt, content; ///< id: the candidate's uuid; content of an image: its SHA-256
};
/// Answers of pairs of this kind, of train and dev prompts, that no person has judged in the task and that at least one of the
/// models (by hash) has not scored; at most `limit` (0: all).
Result<std::vector<ScoreItem>> itemsToScore(Project& project, Id task, CandidateKind kind, const std::vector<std::string>& models,
                                            int64_t limit = 0);

/// Inside a transaction: takes over one event. What cannot be used is named in `problems`.
Status takeScores(Project::Impl& impl, const RunRow& run, const Event& event, std::vector<std::string>& problems);

} // namespace pl::desk
