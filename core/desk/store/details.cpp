// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/details.h"

#include "core/desk/store/impl.h"

namespace pl::desk {

Result<std::set<Id>> eventsWithSpans(Project& project) {
    return project.impl().guarded("looking for marks", [&]() -> Result<std::set<Id>> {
        std::set<Id> events;
        auto rows = project.impl().query("SELECT event_id FROM judgement_details WHERE spans IS NOT NULL");
        while (rows.step())
            events.insert(rows.integer(0));
        return events;
    });
}

Result<Judgement> judgementAt(Project& project, Id event) {
    return project.impl().guarded("reading a vote", [&] { return project.impl().judgementOf(event); });
}

bool mostCallGood(Project::Impl& impl, const std::vector<const CurrentVote*>& votes, Id only, const char* side) {
    size_t good = 0, all = 0;
    for (const CurrentVote* vote : votes) {
        if (only && vote->event != only)
            continue;
        ++all;
        auto row = impl.query("SELECT attributes FROM judgement_details WHERE event_id = ? AND attributes IS NOT NULL");
        if (!row.bind(vote->event).step())
            continue;
        const Json said = row.json(0);
        good += said.is_object() && said.contains(side) && said[side].is_object() && said[side].value("thumb", Json()) == 1;
    }
    return 2 * good > all;
}

} // namespace pl::desk
