// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/desk/runs/supervisor.h"
#include "core/desk/store/project.h"

/// Jobs in which reward models look at answers and labels: shared by the window and the command line.
namespace pl::desk {

struct ScoreRequest {
    std::vector<std::string> models; ///< run:ID of reward models of one kind, at most 8; several: their disagreement counts
    Id task = 0;
    int64_t limit = 0; ///< answers at most; 0: all that are wanted
    int threads = 0;
    std::string device = "cpu";
};
/// A job that scores the answers of the pairs nobody has judged; from then on these models say which pairs are uncertain. NotFound
/// when every such answer has its scores already.
Result<std::string> startScore(Project& project, Supervisor& supervisor, const ScoreRequest& request);

// --- label doctor ------------------------------------------------------------------------------------------------------

struct DoctorRequest {
    std::string model = "start"; ///< what the reward models begin as
    Id task = 0;
    int folds = 3;               ///< 2 to 8
    Json parameters = Json::object(); ///< of the reward model trainer
    uint64_t seed = 1;
    int threads = 0;
    std::string device = "cpu";
};

/// A check under way or done.
struct LabelCheck {
    Id id = 0, task = 0;
    std::string datasetSha;
    int folds = 0;
    std::vector<std::string> runs; ///< that train, one a fold
    std::string scoreRun;
    std::string state; ///< training | scoring | finished | failed
    std::string reason;
    int64_t createdMs = 0;
};
/// Freezes the votes of the task and trains `folds` reward models, each without the pairs of one part of the train prompts (by prompt, so
/// that no answer is on both sides). What follows, advanceLabelChecks() starts. Dev pairs train none of them.
Result<Id> startLabelCheck(Project& project, Supervisor& supervisor, const DoctorRequest& request);
/// Call it when runs have ended: the scoring job when every fold is trained, then the end. Idempotent; survives restarts.
Status advanceLabelChecks(Project& project, Supervisor& supervisor);
/// Newest first.
Result<std::vector<LabelCheck>> labelChecks(Project& project);

/// A vote as the cross-fitted models see it.
struct DoubtedVote {
    Id comparison = 0, annotator = 0, event = 0;
    Winner winner = Winner::Tie;
    double margin = 0; ///< score of the preferred answer minus the other's, in standard deviations of that model's scores
    double right = 0;  ///< probability that the vote is right
    bool waiting = false; ///< for a second look already
    std::string promptHead;
};
struct DoctorReport {
    std::vector<DoubtedVote> votes;          ///< the most doubtful first
    int64_t labels = 0;                      ///< that were checked
    double overall = 0;                      ///< estimated share of right labels
    std::map<Id, double> reliability;        ///< of each person
};
/// Of a finished check, with the votes that count now; at most `limit` votes (0: all).
Result<DoctorReport> doctorReport(Project& project, Id check, size_t limit = 0);

} // namespace pl::desk
