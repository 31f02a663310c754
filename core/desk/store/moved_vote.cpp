// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/moved_vote.h"

#include "core/desk/store/impl.h"

namespace pl::desk {

Result<MovedVote> movedBy(Project& project, Id event) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading what was moved", [&]() -> Result<MovedVote> {
        MovedVote out;
        VoteKey key;
        {
            auto row = impl.query("SELECT v.id, v.occasion, v.task_id, v.comparison_id, v.annotator_id, p.a_on_left, p.seed FROM judgements e "
                                  "JOIN judgements v ON v.id = e.target_id LEFT JOIN presentations p ON p.id = v.presentation_id WHERE e.id = ?");
            if (!row.bind(event).step())
                return fail(Code::NotFound, fmt::format("event {} moves no vote", event));
            out.vote = row.integer(0);
            out.occasion = static_cast<int>(row.integer(1));
            key = {row.integer(2), row.integer(3), row.integer(4), out.occasion};
            if (!row.null(5)) {
                out.shown.emplace();
                out.shown->task = key.task;
                out.shown->comparison = key.comparison;
                out.shown->annotator = key.annotator;
                out.shown->aOnLeft = row.boolean(5);
                out.shown->seed = static_cast<uint64_t>(row.integer(6));
                out.shown->repeat = out.occasion > 0;
            }
        }
        if (const Id counts = impl.currentEvent(key)) {
            PL_TRY(out.now, impl.judgementOf(counts));
        }
        return out;
    });
}

} // namespace pl::desk
