// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/sql.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace pl::desk {

Error translate(const SQLite::Exception& error, std::string_view what) {
    Error out;
    const int code = error.getErrorCode() & 0xff;
    switch (code) {
    case SQLITE_FULL:
        out.code = Code::Io;
        out.hint = "The disk is full: free some space and try again; what was saved before is safe.";
        break;
    case SQLITE_IOERR:
        out.code = Code::Io;
        out.hint = "Check free space and the state of the disk, then try again; what was saved before is safe.";
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
        out.code = Code::Io;
        out.hint = "Check that you may write to the project's folder.";
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        out.code = Code::Corrupt;
        out.hint = "Copies of the project lie in its folder backups/.";
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        out.code = Code::Busy;
        out.hint = "Close the other program that uses this project.";
        break;
    case SQLITE_NOMEM:
        out.code = Code::OutOfMemory;
        break;
    default:
        out.code = Code::Internal;
    }
    out.message = fmt::format("{}: {} (SQLite {})", what, error.what(), error.getExtendedErrorCode());
    return out;
}

std::unique_ptr<SQLite::Statement> StatementCache::take(const std::string& sql) {
    const auto at = m_free.find(sql);
    if (at == m_free.end() || !at->second)
        return std::make_unique<SQLite::Statement>(m_db, sql);
    return std::move(at->second);
}

void StatementCache::give(const std::string& sql, std::unique_ptr<SQLite::Statement> statement) {
    if (!statement)
        return;
    statement->tryReset();
    if (m_free.size() > 256)
        m_free.clear();
    try {
        statement->clearBindings();
        m_free[sql] = std::move(statement);
    } catch (const SQLite::Exception&) {
        // Called from destructors: a statement that cannot be cleared is simply not kept.
    }
}

} // namespace pl::desk
