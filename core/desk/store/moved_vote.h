// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/desk/store/project.h"

namespace pl::desk {

/// What an undo or a redo moved.
struct MovedVote {
    Id vote = 0;                          ///< the judgement that was taken back or brought back
    int occasion = 0;                     ///< above 0: of a hidden repeat, which is a vote of its own
    std::optional<Presentation> shown;    ///< how the pair was shown for it, where that was recorded
    std::optional<Judgement> now;         ///< what counts in its place now
};
/// `event`: Ack::event of undo() or redo(). NotFound for any other.
Result<MovedVote> movedBy(Project& project, Id event);

} // namespace pl::desk
