// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/desk/store/project.h"

/// Rows of label checks (runs/scoring.h) and what their models said.
namespace pl::desk {

struct LabelCheckRow {
    Id id = 0, task = 0;
    std::string datasetSha;
    int folds = 2;
    Json request = Json::object();
    std::vector<std::string> runs;
    std::string scoreRun, state = "training", reason;
    int64_t createdMs = 0;
};
Result<Id> addLabelCheck(Project& project, const LabelCheckRow& row);
Status updateLabelCheck(Project& project, const LabelCheckRow& row);
Result<std::vector<LabelCheckRow>> labelCheckRows(Project& project); ///< newest first

/// Of a scoring run for the doctor: by model, the scores of candidates.
Result<std::vector<std::map<Id, double>>> scoresOfRun(Project& project, const std::string& run);
/// Decided votes in a task on pairs of texts of train and dev prompts, but those of adjudicators: what a check is about.
struct CheckedVote {
    CurrentVote vote;
    Id a = 0, b = 0;
    std::string uuidA, uuidB, prompt, promptSha, contentA, contentB, promptHead;
    Split split = Split::Train;
    bool waiting = false;
};
Result<std::vector<CheckedVote>> checkedVotes(Project& project, Id task);

} // namespace pl::desk
