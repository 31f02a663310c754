// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>

#include <SQLiteCpp/Backup.h>
#include <sqlite3.h>

#include "core/base/log.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/opening.h"
#include "core/desk/store/schema.h"
#include "core/desk/store/stepped_backup.h"

namespace pl::desk {

namespace {

constexpr int64_t kMinuteMs = 60 * 1000;
constexpr int64_t kDayMs = 24 * 60 * kMinuteMs;
constexpr int kPagesAStep = 128;

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

Result<std::unique_ptr<SteppedBackup>> SteppedBackup::beginIfDue(Project::Impl& impl) {
    const auto due = impl.guarded("looking whether a check is due", [&]() -> Result<CheckDue> { return checkDue(impl); });
    if (!due)
        return tl::unexpected(due.error());
    if (*due == CheckDue::No && (!impl.changed || impl.now() - impl.lastBackupMs < 10 * kMinuteMs))
        return nullptr;
    return begin(impl);
}

Result<std::unique_ptr<SteppedBackup>> SteppedBackup::begin(Project::Impl& impl) {
    PL_TRY(const CheckDue due, impl.guarded("looking whether a check is due", [&]() -> Result<CheckDue> { return checkDue(impl); }));
    std::unique_ptr<SteppedBackup> made(new SteppedBackup);
    made->m_due = due != CheckDue::No;
    made->m_whole = due == CheckDue::Full;
    made->m_folder = os::joinPath(impl.dir, "backups");
    PL_CHECK(os::makeDirs(made->m_folder));
    made->m_time = impl.now();
    made->m_target = os::joinPath(made->m_folder, backupName(made->m_time));
    made->m_partial = made->m_target + ".partial";
    PL_TRY(const uint64_t free, os::freeSpace(made->m_folder));
    PL_TRY(const uint64_t size, os::fileSize(os::joinPath(impl.dir, "project.db")));
    const uint64_t needed = size + (uint64_t{16} << 20);
    if (free < needed && made->m_due)
        return fail(Code::Io, fmt::format("no room to check the project for damage: the copy that is checked needs {} MiB in {}, which has {} MiB free",
                                          needed >> 20, made->m_folder, free >> 20),
                    "Free some space, or close the project and run `pairlab-cli check`, which needs none.");
    if (free < needed)
        return fail(Code::Io, fmt::format("no room for a backup in {}: {} MiB free, {} MiB needed", made->m_folder, free >> 20, needed >> 20),
                    "Free some space.");
    (void)os::removeTree(made->m_partial);
    PL_CHECK(impl.guarded("backing up " + impl.dir, [&]() -> Status {
        made->m_copy = std::make_unique<SQLite::Database>(made->m_partial, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        made->m_steps = std::make_unique<SQLite::Backup>(*made->m_copy, *impl.db);
        return {};
    }));
    return made;
}

SteppedBackup::~SteppedBackup() {
    if (m_checker.joinable()) {
        // Again and again: SQLite forgets an interruption that comes before the statement begins.
        for (; !m_checked; std::this_thread::sleep_for(std::chrono::milliseconds(1)))
            sqlite3_interrupt(m_copy->getHandle());
        m_checker.join();
    }
    m_steps.reset();
    m_copy.reset();
    if (!m_finished)
        (void)os::removeTree(m_partial);
}

Status SteppedBackup::copied(Project::Impl& impl) {
    m_steps.reset();
    SQLite::Statement(*m_copy, "PRAGMA journal_mode = DELETE").executeStep();
    // A copy is closed cleanly, whatever happens to the original, and nothing kept beside the original is of its moment.
    m_copy->exec("UPDATE meta SET value = '' WHERE key IN ('open_by', 'snapshot', 'check_due')");
    impl.changed = false; // from here on what is written is newer than the copy
    m_checker = std::thread([this] {
        try {
            const auto problems = integrityProblems(*m_copy, !m_whole);
            if (!problems.empty())
                m_problem = problems.front();
        } catch (const std::exception& e) {
            m_problem = e.what();
        }
        m_checked = true;
    });
    return {};
}

Result<bool> SteppedBackup::step(Project::Impl& impl, int budgetMs) {
    if (m_finished)
        return true;
    const int64_t begin = monotonicNs();
    const auto timeIsUp = [&] { return budgetMs >= 0 && monotonicNs() - begin > int64_t{1'000'000} * budgetMs; };
    if (m_steps) {
        PL_CHECK(impl.guarded("backing up " + impl.dir, [&]() -> Status {
            do {
                if (m_steps->executeStep(kPagesAStep) == SQLITE_DONE)
                    return copied(impl);
            } while (!timeIsUp());
            return {};
        }));
        if (m_steps || budgetMs >= 0)
            return false;
    }
    if (budgetMs >= 0 && !m_checked)
        return false;
    m_checker.join();
    if (!m_problem.empty() && !m_due) // perhaps the file's fault: until a whole check says otherwise, closing makes no backup
        (void)impl.guarded("noting that a check is due", [&]() -> Status { return noteCheckDue(impl, CheckDue::Full), Status(); });
    const Status done = m_problem.empty() ? finish(impl)
                        : m_due           ? Status(tl::unexpect, damaged(impl, m_problem))
                                          : Status(fail(Code::Corrupt, fmt::format("the backup {} is not sound: {}", m_partial, m_problem)));
    if (!done) {
        impl.changed = true;
        return tl::unexpected(done.error());
    }
    m_finished = true;
    return true;
}

Status SteppedBackup::finish(Project::Impl& impl) {
    m_copy.reset();
    PL_CHECK(os::fsyncPath(m_partial));
    PL_CHECK(os::renamePath(m_partial, m_target));
    PL_CHECK(os::fsyncPath(m_folder));
    impl.lastBackupMs = m_time;
    if (impl.outcome != OpenOutcome::Upgraded || !impl.projectUuid.empty()) {
        const Status noted = impl.guarded("noting the backup", [&]() -> Status {
            impl.setMeta("last_backup_ms", std::to_string(m_time));
            if (m_due)
                noteChecked(impl);
            return {};
        });
        if (!noted)
            log::warn("{}", noted.error().toString());
    }
    // Thinning never stands in the way of a good copy.
    if (const auto names = os::listDir(m_folder)) {
        std::vector<int64_t> times;
        for (const auto& name : *names)
            if (const auto t = backupTime(name))
                times.push_back(*t);
        const auto kept = keptBackups(times, m_time);
        for (const auto& name : *names) {
            const auto t = backupTime(name);
            if (t && !std::binary_search(kept.begin(), kept.end(), *t))
                (void)os::removeTree(os::joinPath(m_folder, name));
        }
    }
    return {};
}

Result<std::string> Project::Impl::backup() {
    PL_TRY(const auto backup, SteppedBackup::begin(*this));
    PL_CHECK(backup->step(*this, -1));
    return backup->file();
}
Result<std::string> Project::backup() { return m->backup(); }

Status Project::backupIfDue() {
    PL_TRY(const auto backup, SteppedBackup::beginIfDue(*m));
    if (backup)
        PL_CHECK(backup->step(*m, -1));
    return {};
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
