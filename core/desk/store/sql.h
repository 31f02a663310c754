// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/json.h"
#include "core/base/result.h"

/// Prepared statements and errors of SQLite; private to store/. Everything here may throw SQLite::Exception, which does not
/// leave store/ (Project::Impl::guarded).
namespace pl::desk {

/// SQLite's codes as ours, with the next step a person can take.
Error translate(const SQLite::Exception& error, std::string_view what);

class StatementCache {
public:
    explicit StatementCache(SQLite::Database& db) : m_db(db) {}
    std::unique_ptr<SQLite::Statement> take(const std::string& sql);
    void give(const std::string& sql, std::unique_ptr<SQLite::Statement> statement);
    void clear() { m_free.clear(); }
    SQLite::Database& database() { return m_db; }

private:
    SQLite::Database& m_db;
    std::map<std::string, std::unique_ptr<SQLite::Statement>, std::less<>> m_free;
};

/// A statement lent by the cache and given back, reset, at the end of the scope.
class Query {
public:
    Query(StatementCache& cache, std::string sql)
        : m_cache(cache), m_sql(std::move(sql)), m_statement(cache.take(m_sql)) {}
    ~Query() { m_cache.give(m_sql, std::move(m_statement)); }
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    template<class... A>
    Query& bind(const A&... values) {
        (bindOne(++m_bound, values), ...);
        return *this;
    }
    /// True while there is a row.
    bool step() { return m_statement->executeStep(); }
    void run() {
        while (step()) {
        }
    }
    /// Ready for another round with other values.
    void again() {
        m_statement->reset();
        m_statement->clearBindings();
        m_bound = 0;
    }

    bool null(int column) const { return m_statement->isColumnNull(column); }
    int64_t integer(int column) const { return m_statement->getColumn(column).getInt64(); }
    bool boolean(int column) const { return integer(column) != 0; }
    double real(int column) const { return m_statement->getColumn(column).getDouble(); }
    std::string text(int column) const { return m_statement->getColumn(column).getString(); }
    /// Stored JSON; throws Json::exception.
    Json json(int column) const { return null(column) ? Json() : Json::parse(text(column)); }

private:
    void bindOne(int i, int value) { m_statement->bind(i, value); }
    void bindOne(int i, bool value) { m_statement->bind(i, value ? 1 : 0); }
    void bindOne(int i, int64_t value) { m_statement->bind(i, value); }
    void bindOne(int i, uint64_t value) { m_statement->bind(i, static_cast<int64_t>(value)); }
    void bindOne(int i, double value) { m_statement->bind(i, value); }
    void bindOne(int i, const std::string& value) { m_statement->bind(i, value); }
    void bindOne(int i, const char* value) { m_statement->bind(i, value); }
    void bindOne(int i, std::nullptr_t) { m_statement->bind(i); }
    void bindOne(int i, const Json& value) { m_statement->bind(i, dumpJson(value)); }
    template<class T>
    void bindOne(int i, const std::optional<T>& value) {
        if (value)
            bindOne(i, *value);
        else
            m_statement->bind(i);
    }

    StatementCache& m_cache;
    std::string m_sql;
    std::unique_ptr<SQLite::Statement> m_statement;
    int m_bound = 0;
};

/// 0 is stored as NULL.
inline std::optional<int64_t> orNull(int64_t id) { return id ? std::optional<int64_t>(id) : std::nullopt; }

} // namespace pl::desk
