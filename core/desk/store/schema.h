// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/result.h"
#include "core/desk/store/migrations.h"

namespace pl::desk {

inline constexpr int kApplicationId = 0x50414952; // 'PAIR'

/// Exclusive, WAL, FULL (or OFF when not durable), foreign keys, no trust in the schema. May throw SQLite::Exception.
void configureConnection(SQLite::Database& db, bool durable);
/// PRAGMA user_version and application_id.
int formatOf(SQLite::Database& db);
int applicationIdOf(SQLite::Database& db);
/// Runs the steps after `from`, each whole in one transaction with its user_version, foreign keys checked before the
/// commit; a failing step leaves the database as it was before that step.
Status migrate(SQLite::Database& db, const std::vector<Migration>& steps, int from);
/// The schema as text, sorted: two databases with the same text have the same schema.
std::string schemaText(SQLite::Database& db);
/// PRAGMA quick_check or integrity_check; empty when sound.
std::vector<std::string> integrityProblems(SQLite::Database& db, bool quick);

} // namespace pl::desk
