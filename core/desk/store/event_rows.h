// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/desk/store/impl.h"

/// Events as rows, with all that their digest covers; private to store/.
namespace pl::desk {

struct EventRow {
    Id id = 0, task = 0, comparison = 0, annotator = 0, target = 0, presentation = 0, session = 0, edited = 0;
    DigestInput in;
    std::string digest;
    std::optional<std::string> skip, flag; ///< the words; of erased ones "erased"
    VoteKey key() const { return {task, comparison, annotator, static_cast<int32_t>(in.occasion)}; }
};

/// What stands in place of erased words.
inline constexpr const char* kErasedWords = "erased";

/// Reads every event in the order of its number; `where` is a condition on `j` (judgements).
class EventReader {
public:
    EventReader(Project::Impl& impl, const std::string& where = "1");
    Query& query() { return m_rows; }
    bool step() { return m_rows.step(); }
    EventRow row() const;

private:
    Query m_rows;
};

/// The rare parts of a judgement as they are hashed into details_sha; null when there are none.
Json detailsOf(const Judgement& judgement);
/// The same from the row in judgement_details; null when there is no row.
Json storedDetails(Project::Impl& impl, Id event);
/// Puts the parts into judgement_details.
void insertDetails(Project::Impl& impl, Id event, const Json& details);

// --- what was erased ---
/// The row of `contents` that erased texts point to.
Id erasedContent(Project::Impl& impl);
/// Details without anything a person could have written: numbers of attributes, and a ranking; null when nothing is left.
Json withoutWords(const Json& details);
/// Keeps what an event's erased words hashed to ("": it had none).
void noteErased(Project::Impl& impl, Id event, const std::string& skipSha, const std::string& flagSha, const std::string& detailsSha);

/// What counts of one item, whatever the order in which the events of its origins came in. Each origin's own history decides what it says
/// (undo and redo move within it); of several origins that say something the one whose last event is the newest counts (by time, then by
/// uuid). Events of one origin are added in the order of its chain.
class ItemHistory {
public:
    /// `empty`: a flag taken away where there was nothing else; it says nothing.
    void add(const std::string& origin, Id event, EventKind kind, Id target, int64_t timeMs, const std::string& uuid, bool empty);
    /// 0: nothing counts.
    Id current() const;

private:
    struct Told {
        Id current = 0;
        int64_t timeMs = 0;
        std::string uuid;
        std::map<Id, std::pair<Id, Id>> said; ///< of a judgement: what counted before it and what counts by it
    };
    std::map<std::string, Told> m_origins;
};

/// ItemHistory of the events in the file; 0: nothing counts.
Id resolveItem(Project::Impl& impl, const VoteKey& key);

} // namespace pl::desk
