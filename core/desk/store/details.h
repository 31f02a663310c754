// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>

#include "core/desk/store/project.h"

namespace pl::desk {

/// Judgements that carry marks inside answers (Judgement::spans), whether they count now or not. Few of many: what needs the marks
/// asks for them alone.
Result<std::set<Id>> eventsWithSpans(Project& project);

} // namespace pl::desk
