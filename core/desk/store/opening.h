// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/desk/store/project.h"
#include "core/desk/store/snapshot.h"
#include "core/desk/store/sql.h"

/// What opening a large project leaves out, so that its first pair is there in a second even after a crash; private to store/.
namespace pl::desk {

/// A file that was not closed cleanly, or not checked for a week, is checked whole. That reads gigabytes: of a large one it is only
/// noted at open, and done on a copy made in steps (SteppedBackup) or by checkIfDue() (file_check.h).
enum class CheckDue { No, Quick, Full };
CheckDue checkDue(Project::Impl& impl);
void noteCheckDue(Project::Impl& impl, CheckDue due);
/// The file is sound as of now.
void noteChecked(Project::Impl& impl);
/// Corrupt, with the newest backup as the way back.
Error damaged(const Project::Impl& impl, const std::string& problem);

/// A token for a snapshot of now: unlike any other, and it says up to which event and which pair the snapshot goes.
std::string snapshotToken(Project::Impl& impl);
/// Temporary triggers: whatever changes pairs that are there already makes the database forget the snapshot, in the same transaction.
void watchSnapshot(Project::Impl& impl);
/// Votes and pairs as of now from a snapshot and what came after it; false: they differ from what the database counts, so that everything must
/// be read.
bool followSnapshot(Project::Impl& impl, const Snapshot& kept, const std::string& token);
/// Adds the pairs that came after this one to what memory knows.
void readPairsAfter(Project::Impl& impl, Id last);
/// A row of `current`, with the columns kCurrentColumns.
CurrentVote currentVoteOf(Query& row);
inline constexpr const char* kCurrentColumns =
    "task_id, comparison_id, annotator_id, occasion, event_id, kind, winner, tie_kind, strength, bad_a, bad_b, flagged, provenance, shown, "
    "a_on_left, random, active_ms";

} // namespace pl::desk
