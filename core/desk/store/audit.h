// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/desk/store/project.h"

namespace pl::desk {

/// The first event of one chain that is not what was saved.
struct BadEvent {
    std::string origin, person, personName, uuid;
    int64_t number = 0; ///< in its chain, from 1
    std::string what;   ///< what differs, in words
    /// "event 12 of Ada (origin 3f2a..., uuid ...): ..."
    std::string toString() const;
};

struct AuditReport {
    int64_t events = 0, chains = 0, contents = 0;
    int64_t erased = 0;          ///< events whose words were erased: of them only the hashes are left to verify
    std::vector<BadEvent> first; ///< of every chain that is not sound, its first bad event; the chain with the earliest one first
    std::vector<std::string> problems; ///< of what the events rest on: texts, hashes, guidelines, counters
    bool ok() const { return first.empty() && problems.empty(); }
    Json toJson() const;
};

/// Verifies every hash chain event by event: numbers without a gap, each naming the digest before it, each digest the one of what the row
/// says, details, presentation, pair, task and person included; then that the texts are the ones whose hashes the events carry. What is told
/// of a bad event is found by trying which single value gives the saved digest, where there are few; a row rewritten together with its digest
/// and all that follow it cannot be told from an honest one by the project alone (a merged return elsewhere tells).
Result<AuditReport> audit(Project& project);

} // namespace pl::desk
