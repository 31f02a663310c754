// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/base/hash.h"
#include "core/desk/queue/sketch.h"
#include "core/desk/queue/uncertain_queue.h"

namespace pl::desk {

/// Is the pair one that only the random draw may take? Its contents decide, the same everywhere.
inline bool keptForRandom(uint64_t pairHash, double kept) { return unitUniform(mix64(pairHash ^ 0x6b657074u)) < kept; }

/// What the queue remembers besides its queues; private to store/. Filled when first needed, follows every commit.
struct QueueMemory {
    bool marksLoaded = false;
    std::map<Id, std::map<Id, Id>> gold;  ///< task -> pair -> who decided it (0: nobody in particular)
    std::map<Id, std::map<Id, Id>> looks; ///< task -> pair -> newest judgement when a second look was asked for
    std::map<Id, std::set<Id>> doubted;   ///< task -> those of them that nobody has looked at since
    std::set<Id> adjudicators;
    std::set<std::pair<Id, Id>> verdicts; ///< (task, pair) with an adjudicator's judgement

    bool scoresLoaded = false;
    int scorers = 0;                               ///< active models
    std::unordered_map<Id, PairMargin> margins;    ///< of pairs that all of them scored
    std::set<Id> unread;                           ///< pairs whose margin may have changed

    struct Shown {
        Id task, annotator, comparison;
    };
    static constexpr size_t kRecent = 12; ///< a pair nearly the same as one of so many shown last is put off
    std::map<std::pair<Id, Id>, std::deque<Id>> recent; ///< (task, person) -> the last shown, the newest at the end
    static constexpr size_t kSketches = 4096;
    std::unordered_map<Id, PairSketch> sketches;

    bool isGold(Id task, Id comparison) const {
        const auto at = gold.find(task);
        return at != gold.end() && at->second.count(comparison) > 0;
    }
};

} // namespace pl::desk
