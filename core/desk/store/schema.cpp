// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/schema.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "core/desk/store/sql.h"

namespace pl::desk {

void configureConnection(SQLite::Database& db, bool durable) {
    db.exec("PRAGMA locking_mode = EXCLUSIVE");
    db.exec("PRAGMA trusted_schema = OFF");
    db.exec("PRAGMA cell_size_check = ON");
    db.exec("PRAGMA foreign_keys = ON");
    db.exec("PRAGMA recursive_triggers = OFF");
    db.exec("PRAGMA mmap_size = 0");
    SQLite::Statement(db, "PRAGMA journal_mode = WAL").executeStep();
    db.exec(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF");
    // A checkpoint inside a commit costs two more syncs: fewer of them, so that they stay outside the 99th percentile.
    SQLite::Statement(db, "PRAGMA wal_autocheckpoint = 4000").executeStep();
    sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
}

int formatOf(SQLite::Database& db) { return db.execAndGet("PRAGMA user_version").getInt(); }
int applicationIdOf(SQLite::Database& db) { return db.execAndGet("PRAGMA application_id").getInt(); }

Status migrate(SQLite::Database& db, const std::vector<Migration>& steps, int from) {
    for (size_t i = static_cast<size_t>(from); i < steps.size(); ++i) {
        try {
            db.exec("BEGIN IMMEDIATE");
            // The whole script at once: a trigger's body holds semicolons, so it is never split by hand.
            db.exec(steps[i].sql);
            db.exec(fmt::format("PRAGMA application_id = {}", kApplicationId));
            db.exec(fmt::format("PRAGMA user_version = {}", i + 1));
            bool dangling = false;
            {
                SQLite::Statement check(db, "PRAGMA foreign_key_check");
                dangling = check.executeStep();
            }
            if (dangling) {
                db.tryExec("ROLLBACK");
                return fail(Code::Internal, fmt::format("migration {} leaves dangling references", steps[i].name));
            }
            db.exec("COMMIT");
        } catch (const SQLite::Exception& e) {
            Error error = translate(e, fmt::format("migration {} failed", steps[i].name));
            if (!sqlite3_get_autocommit(db.getHandle()))
                db.tryExec("ROLLBACK");
            return tl::unexpected(std::move(error));
        }
    }
    return {};
}

std::string schemaText(SQLite::Database& db) {
    std::string text;
    SQLite::Statement rows(db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
                               "ORDER BY type, name");
    while (rows.executeStep())
        text += rows.getColumn(0).getString() + ";\n";
    return text;
}

std::vector<std::string> integrityProblems(SQLite::Database& db, bool quick) {
    std::vector<std::string> problems;
    SQLite::Statement rows(db, quick ? "PRAGMA quick_check(20)" : "PRAGMA integrity_check(20)");
    while (rows.executeStep()) {
        const std::string line = rows.getColumn(0).getString();
        if (line != "ok")
            problems.push_back(line);
    }
    return problems;
}

} // namespace pl::desk
