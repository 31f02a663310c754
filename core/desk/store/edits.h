// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/desk/store/project.h"

namespace pl::desk {

/// An answer as a person rewrote it while judging a pair.
struct EditInput {
    Id task = 0, annotator = 0, session = 0;
    Id comparison = 0; ///< the pair on screen
    bool ofA = true;   ///< which answer of it, in content space
    std::string text;
};

struct EditAck {
    Ack ack;          ///< of the implied judgement; ack.comparison is the pair of both versions
    Id candidate = 0; ///< the edited version
};

/// What the pair of an edit is made of (Comparison::source), and the view its judgement names.
inline constexpr const char* kEditSource = "edit";

/// One transaction: the text becomes a candidate (parent the original, provenance the person's), with the original a pair of its own
/// (source "edit"), and edited > original counts as a vote of this person on it, marked as implied: attributes {"implied":
/// "edit"}, the candidate named as the judgement's edited version, no presentation. What the person said about the pair on screen
/// stays as it is. Undo hides the candidate and the pair with the judgement, redo brings all three back. Fails when nothing changed,
/// when the text is the other answer of the pair, and when the person has judged the two versions already.
Result<EditAck> commitEdit(Project& project, const EditInput& input);

} // namespace pl::desk
