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

} // namespace pl::desk
