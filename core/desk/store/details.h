// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>

#include "core/desk/store/project.h"

namespace pl::desk {

/// Judgements that carry marks inside answers (Judgement::spans), whether they count now or not. Few of many: what needs the marks
/// asks for them alone.
Result<std::set<Id>> eventsWithSpans(Project& project);

/// What one event said, whether it counts now or not; of an undo or redo nothing but its kind. NotFound.
Result<Judgement> judgementAt(Project& project, Id event);

/// Whether more than half of these votes (`only`: of this event; 0: all) called an answer of their pair, "a" or "b", good on its own,
/// as votes on one answer at a time do: attributes {"a": {"thumb": 1 or 0}, "b": ...}. A preference alone does not say it. For store/.
bool mostCallGood(Project::Impl& impl, const std::vector<const CurrentVote*>& votes, Id only, const char* side);

} // namespace pl::desk
