// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/desk/desk_fixture.h"

/// A person at a mixed queue.
namespace fixture {

inline Project::NextOptions mixedOptions(Desk& desk, Id person, size_t limit = 1) {
    Project::NextOptions o;
    o.task = desk.task;
    o.annotator = person;
    o.rule = QueueRule::Mixed;
    o.limit = limit;
    o.seed = 11; // a sitting draws its own: the tests would then fail by chance
    return o;
}
inline void setMix(Desk& desk, const Json& mix) {
    Task task = must(desk.project->task(desk.task));
    task.queueMix = mix;
    must(desk.project->updateTask(task));
}
inline void judge(Desk& desk, const LabelItem& item, Winner winner) {
    JudgementInput input;
    input.winner = winner;
    if (winner == Winner::Tie)
        input.tieKind = TieKind::Unspecified;
    must(desk.project->presentAndJudge(item.presentation, input));
}

} // namespace fixture
