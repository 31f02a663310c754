// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/desk/store/project.h"

namespace SQLite {
class Database;
class Backup;
} // namespace SQLite

namespace pl::desk {

/// A project as it was at one moment, to be read on another thread while votes go on. The database takes one connection and no other
/// (locking_mode = EXCLUSIVE, because SQLite before 3.51.3 can damage a WAL that two connections share), so this is the one connection to a
/// file of its own: a copy below cache/, made in steps as backups are, that goes with this object. Media are the project's.
class ReadingCopy {
public:
    /// On the project's thread. Io when there is no room.
    static Result<std::unique_ptr<ReadingCopy>> begin(Project& project);
    /// On the project's thread. Copies for about so long; true: the copy is whole, and of this moment. What was committed between the steps is in
    /// it too.
    Result<bool> step(Project& project, int budgetMs = 4);
    /// On the project's thread. It counts as being read from now on, unless it was taken away. True: nothing was written there since the last
    /// step.
    bool take(Project& project);
    /// Nobody reads it for now: it may be taken away.
    void giveBack();
    /// After the last step, on the thread that reads. Nothing happens the second time.
    Status open();
    /// Of one thread at a time. What is written to it, as the data set that an export freezes, is gone with it.
    Project& project() { return *m_project; }
    /// Before the last step it goes on the project's thread, and before the project closes.
    ~ReadingCopy();

private:
    ReadingCopy() = default;
    bool mark() const;

    std::string m_dir, m_media, m_mark;
    ProjectOptions m_options;
    int m_changes = 0; ///< of the project's connection, at the last step
    std::unique_ptr<SQLite::Database> m_copy;
    std::unique_ptr<SQLite::Backup> m_steps; ///< null: all pages are copied
    std::optional<Project> m_project;
};

/// Whether a copy of this project is made or read now.
bool isBeingRead(const std::string& projectDir);
/// Takes away every copy: those that a killed program left, or that nobody reads.
Status removeReadingCopies(const std::string& projectDir);

} // namespace pl::desk
