// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/desk/store/project.h"

namespace pl::desk {

/// Rows of TRL's stepwise supervision, one for each answer whose first wrong step was marked (or all of whose steps were called
/// right), as JSON Lines in the order of their ids: "prompt", "completions": the steps up to and with the first wrong one, "labels":
/// true for each but the wrong one; beside them id, split, annotator, provenance and rule (how the steps were divided). What comes
/// after the first wrong step was not judged and is left out. Votes are those of `spec`'s filter; flagged pairs, skips, sealed test
/// prompts and withdrawn pairs stay out. The same votes give the same bytes; empty when there is no such mark.
Result<std::string> stepwiseRows(Project& project, const DatasetSpec& spec, int64_t* rows = nullptr);

} // namespace pl::desk
