// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "core/desk/store/project.h"

namespace SQLite {
class Database;
class Backup;
} // namespace SQLite

namespace pl::desk {

/// A backup made between other work, so that no vote waits for gigabytes: a step copies for some milliseconds, and the check of the copy, which
/// takes longest, runs on a thread of its own. What changes meanwhile is in the copy too. On the project's thread, and gone before
/// the project (Project::impl()) closes; a backup that is dropped leaves nothing behind, and its check stops where it is.
class SteppedBackup {
public:
    /// When something changed and the last backup is older than ten minutes; null when none is due. Io when there is no room.
    /// Also when opening left a check of the file for later (opening.h).
    static Result<std::unique_ptr<SteppedBackup>> beginIfDue(Project::Impl& project);
    /// While a check of the file is due, the copy is checked in its place, whole when that is due: no backup that might be damaged
    /// takes the place of a sound one.
    static Result<std::unique_ptr<SteppedBackup>> begin(Project::Impl& project);
    ~SteppedBackup();
    /// Goes on for about so long (-1: until it is done); true: the backup lies in backups/. Io; Corrupt when the copy is not sound.
    Result<bool> step(Project::Impl& project, int budgetMs = 4);
    const std::string& file() const { return m_target; }

private:
    SteppedBackup() = default;
    Status copied(Project::Impl& project);
    Status finish(Project::Impl& project);

    std::string m_folder, m_partial, m_target;
    int64_t m_time = 0;
    std::unique_ptr<SQLite::Database> m_copy;
    std::unique_ptr<SQLite::Backup> m_steps; ///< null: all pages are copied
    std::thread m_checker;
    std::atomic<bool> m_checked{false};
    std::string m_problem; ///< of the checker
    bool m_whole = false;  ///< the check is integrity_check, not quick_check
    bool m_due = false;    ///< and the file's own
    bool m_finished = false;
};

} // namespace pl::desk
