// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <unordered_map>

#include "core/desk/stats/style.h"
#include "core/desk/store/project.h"

namespace pl::desk {

/// What answers look like, of pairs of two named models. Read once and kept; at most `atMost` more texts at a call, so that
/// nobody waits: `complete` says whether that was all.
struct Styles {
    std::unordered_map<Id, StyleCounts> of; ///< by candidate
    bool complete = false;
};
Result<Styles> stylesOf(Project& project, const std::map<Id, Project::PairFacts>& facts, size_t atMost);

} // namespace pl::desk
