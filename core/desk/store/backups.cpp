// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ctime>
#include <set>

#include <SQLiteCpp/Backup.h>
#include <sqlite3.h>

#include "core/base/log.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/schema.h"

namespace pl::desk {

namespace {

constexpr int64_t kMinuteMs = 60 * 1000;
constexpr int64_t kDayMs = 24 * 60 * kMinuteMs;
constexpr int kPagesAStep = 1024;

/// project-20261121-140359-123.db, in UTC, so that names sort by time.
std::string backupName(int64_t ms) {
    const time_t seconds = static_cast<time_t>(ms / 1000);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &utc);
    return fmt::format("project-{}-{:03}.db", text, ms % 1000);
}

std::optional<int64_t> backupTime(const std::string& name) {
    int y, mo, d, h, mi, s, ms;
    char end = 0;
    if (std::sscanf(name.c_str(), "project-%4d%2d%2d-%2d%2d%2d-%3d.d%c", &y, &mo, &d, &h, &mi, &s, &ms, &end) != 8 ||
        end != 'b' || name.size() != 30)
        return std::nullopt;
    std::tm utc{};
    utc.tm_year = y - 1900;
    utc.tm_mon = mo - 1;
    utc.tm_mday = d;
    utc.tm_hour = h;
    utc.tm_min = mi;
    utc.tm_sec = s;
    return static_cast<int64_t>(timegm(&utc)) * 1000 + ms;
}

int64_t monthOf(int64_t ms) {
    const time_t seconds = static_cast<time_t>(ms / 1000);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    return int64_t{utc.tm_year} * 12 + utc.tm_mon;
}

} // namespace

std::vector<int64_t> keptBackups(std::vector<int64_t> times, int64_t, const BackupPolicy& policy) {
    std::sort(times.rbegin(), times.rend());
    std::set<int64_t> kept;
    if (!times.empty())
        kept.insert(times.front());
    // The newest of each of the latest buckets of fixed borders: what is kept today is still kept tomorrow.
    const auto keep = [&](int buckets, auto bucketOf) {
        std::set<int64_t> seen;
        for (const int64_t time : times) {
            const int64_t bucket = bucketOf(time);
            if (seen.count(bucket))
                continue;
            if (static_cast<int>(seen.size()) >= buckets)
                break;
            seen.insert(bucket);
            kept.insert(time);
        }
    };
    keep(policy.recent, [&](int64_t t) { return t / (policy.recentMinutes * kMinuteMs); });
    keep(policy.days, [](int64_t t) { return t / kDayMs; });
    keep(policy.weeks, [](int64_t t) { return (t / kDayMs + 3) / 7; }); // the epoch was a Thursday: weeks from Monday
    keep(policy.months, monthOf);
    return {kept.begin(), kept.end()};
}

Result<std::string> Project::Impl::backup() {
    const std::string folder = os::joinPath(dir, "backups");
    PL_CHECK(os::makeDirs(folder));
    const int64_t time = now();
    const std::string target = os::joinPath(folder, backupName(time));
    const std::string partial = target + ".partial";
    PL_TRY(const uint64_t free, os::freeSpace(folder));
    PL_TRY(const uint64_t size, os::fileSize(os::joinPath(dir, "project.db")));
    if (free < size + (uint64_t{16} << 20))
        return fail(Code::Io, fmt::format("no room for a backup in {}: {} MiB free, {} MiB needed", folder, free >> 20,
                                          (size >> 20) + 16),
                    "Free some space.");
    (void)os::removeTree(partial);
    const Status copied = guarded("backing up " + dir, [&]() -> Status {
        {
            SQLite::Database copy(partial, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
            {
                SQLite::Backup steps(copy, *db);
                while (steps.executeStep(kPagesAStep) != SQLITE_DONE) {
                }
            }
            SQLite::Statement(copy, "PRAGMA journal_mode = DELETE").executeStep();
            // A copy is closed cleanly, whatever happens to the original.
            copy.exec("UPDATE meta SET value = '' WHERE key = 'open_by'");
            const auto problems = integrityProblems(copy, true);
            if (!problems.empty())
                return fail(Code::Corrupt, fmt::format("the backup {} is not sound: {}", partial, problems.front()));
        }
        return {};
    });
    if (!copied) {
        (void)os::removeTree(partial);
        return tl::unexpected(copied.error());
    }
    PL_CHECK(os::fsyncPath(partial));
    PL_CHECK(os::renamePath(partial, target));
    PL_CHECK(os::fsyncPath(folder));
    changed = false;
    lastBackupMs = time;
    if (outcome != OpenOutcome::Upgraded || !projectUuid.empty()) {
        const Status noted = guarded("noting the backup", [&]() -> Status {
            setMeta("last_backup_ms", std::to_string(time));
            return {};
        });
        if (!noted)
            log::warn("{}", noted.error().toString());
    }
    // Thinning never stands in the way of a good copy.
    if (const auto names = os::listDir(folder)) {
        std::vector<int64_t> times;
        for (const auto& name : *names)
            if (const auto t = backupTime(name))
                times.push_back(*t);
        const auto kept = keptBackups(times, time);
        for (const auto& name : *names) {
            const auto t = backupTime(name);
            if (t && !std::binary_search(kept.begin(), kept.end(), *t))
                (void)os::removeTree(os::joinPath(folder, name));
        }
    }
    return target;
}

Result<std::vector<std::string>> Project::backupFiles() {
    const std::string folder = os::joinPath(m->dir, "backups");
    std::vector<std::string> files;
    PL_TRY(const auto names, os::listDir(folder));
    for (const auto& name : names)
        if (backupTime(name))
            files.push_back(os::joinPath(folder, name));
    return files;
}

} // namespace pl::desk
