// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/desk/domain/types.h"
#include "core/desk/queue/pair_queue.h"

namespace pl::desk {

/// What memory holds of a project's votes and pairs, as it was at a clean end: two queries over a million rows take seconds, this file a
/// tenth of it. It is never the truth: the database names it by a token, written at a clean end, that says up to where it goes, and
/// forgets it with the first change that is not an addition. A file of another moment, or half written, is not believed, and
/// everything is read from the database instead.
struct Snapshot {
    std::vector<CurrentVote> votes;
    std::vector<std::pair<Id, PairInfo>> pairs;
    bool hasPairs = false;
};
/// Io. `pairs` null: they were not loaded.
Status writeSnapshot(const std::string& path, const std::string& token, const std::vector<CurrentVote>& votes,
                     const std::unordered_map<Id, PairInfo>* pairs);
/// Empty for a file that is not there, not whole, of another layout or token.
std::optional<Snapshot> readSnapshot(const std::string& path, const std::string& token);

} // namespace pl::desk
