// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/desk/domain/types.h"

namespace pl::desk {

/// What the first task of a project asks. Until a person writes their own, a pair of images is asked about in words for images.
struct Asked {
    std::string name, question, guideline;
};
const Asked& firstAsked(CandidateKind kind);

/// Question and guideline for a pair of this kind: the task's own, or where it still has the first ones, those for the kind.
Asked askedOf(const Task& task, CandidateKind kind);

} // namespace pl::desk
