// SPDX-License-Identifier: Apache-2.0
#include "core/desk/domain/questions.h"

namespace pl::desk {

const Asked& firstAsked(CandidateKind kind) {
    static const Asked texts{"Helpfulness", "Which answer helps more?",
                             "Prefer the answer that a person with this request would rather have. Ties are allowed."};
    static const Asked images{"Preference", "Which image do you prefer?",
                              "Prefer the image that a person with this request would rather have. Ties are allowed."};
    return kind == CandidateKind::Image ? images : texts;
}

Asked askedOf(const Task& task, CandidateKind kind) {
    const CandidateKind other = kind == CandidateKind::Image ? CandidateKind::Text : CandidateKind::Image;
    const Asked &here = firstAsked(kind), &there = firstAsked(other);
    return {task.name, task.question == there.question ? here.question : task.question,
            task.guideline == there.guideline ? here.guideline : task.guideline};
}

} // namespace pl::desk
