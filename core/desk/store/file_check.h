// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/desk/store/project.h"

namespace pl::desk {

/// A large file that was not closed cleanly, or not checked for a week, is opened at once and its check left for later: to a copy made in
/// steps (SteppedBackup), or to this, which does it here and now; nothing when none is due. Corrupt (names the newest backup).
Status checkIfDue(Project& project);

} // namespace pl::desk
