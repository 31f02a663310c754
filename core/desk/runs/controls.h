// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/desk/domain/types.h"

namespace pl::desk {

/// The run a checkpoint's path lies in ("0007-dpo"); empty for any other path.
std::string runOfCheckpoint(const std::string& path);

/// The words of a model folder that no run of this project made: as its card says them (key "control"), or as the run.json of
/// the bundle whose checkpoint it is. Empty for most.
std::string controlOfFolder(const std::string& dir);
/// The key of card.json.
inline constexpr const char* kControlKey = "control";

/// Words by run name for every run whose model learnt from labels that were dealt out at random (parameter
/// label_control), or began with or was rewarded by such a model: "shuffled labels", "from a model of shuffled labels". A figure of such a model says nothing about the votes. Pure; any order of rows.
std::map<std::string, std::string> controlledRuns(std::vector<RunRow> runs);

} // namespace pl::desk
