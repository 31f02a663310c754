// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/project.h"

#include <algorithm>
#include <filesystem>

#include <sqlite3.h>

#include "core/base/log.h"
#include "core/desk/domain/questions.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/opening.h"
#include "core/desk/store/reading_copy.h"
#include "core/desk/store/schema.h"

namespace pl::desk {

namespace {

constexpr const char* kDatabase = "project.db";
constexpr const char* kLock = "project.lock";
/// Above this size a check is not made at open (opening.h).
constexpr uint64_t kAlwaysCheckBytes = uint64_t{64} << 20;
/// From so many votes on, what memory holds of them is kept for the next opening.
constexpr size_t kWorthKeeping = 1000;
constexpr const char* kSnapshot = "cache/votes.bin";
constexpr int64_t kWeekMs = int64_t{7} * 24 * 3600 * 1000;

Status makeFolders(const std::string& dir) {
    PL_CHECK(os::makeDirs(dir));
    for (const char* name : {"datasets", "media", "runs", "models", "cache", "backups"})
        PL_CHECK(os::makeDirs(os::joinPath(dir, name)));
    return {};
}

Status removePartialMedia(const std::string& dir) {
    const std::string media = os::joinPath(dir, "media");
    PL_TRY(const auto names, os::listDir(media));
    for (const std::string& name : names)
        if (name.rfind(kPartialMedia, 0) == 0)
            PL_CHECK(os::removeTree(os::joinPath(media, name)));
    return {};
}

} // namespace

bool isUtf8(const std::string& text) {
    try {
        Json(text).dump();
        return true;
    } catch (const Json::exception&) {
        return false;
    }
}

std::string headOf(const std::string& text, size_t characters) {
    size_t at = 0;
    for (size_t n = 0; at < text.size() && n < characters; ++n) {
        ++at;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
            ++at;
    }
    return text.substr(0, at);
}

// --- Impl ------------------------------------------------------------------------------------------------------------

Project::Impl::~Impl() {
    cache.reset();
    db.reset();
}

void Project::Impl::rollback() {
    pending = {};
    chainHeads.clear();
    if (db && !sqlite3_get_autocommit(db->getHandle()))
        db->tryExec("ROLLBACK");
}

void Project::Impl::commitToMemory() {
    for (const auto& [key, vote] : pending.votes) {
        if (vote)
            votes.set(*vote);
        else
            votes.erase(key);
        if (!pending.dropQueues)
            followVote(key);
    }
    if (pending.dropQueues) {
        queues.clear();
        uncertain.clear();
        repeats.clear();
        pairs.clear();
        pairsLoaded = memory.marksLoaded = memory.scoresLoaded = false;
    } else if (pairsLoaded) {
        for (const auto& [id, info] : pending.newPairs) {
            pairs[id] = info;
            memory.unread.insert(id);
            requeue(id);
        }
    }
    memory.unread.insert(pending.rescored.begin(), pending.rescored.end());
    if (pending.dropScores)
        memory.scoresLoaded = false;
    if (pending.dropMarks)
        memory.marksLoaded = false;
    for (const QueueMemory::Shown& shown : pending.shown)
        if (const auto at = memory.recent.find({shown.task, shown.annotator}); at != memory.recent.end()) {
            at->second.push_back(shown.comparison);
            if (at->second.size() > QueueMemory::kRecent)
                at->second.pop_front();
        }
    changed = true;
    const std::set<Change> changes = std::move(pending.changes);
    pending = {};
    try {
        loadCounters();
    } catch (const SQLite::Exception& e) {
        log::warn("counters of {} could not be read again: {}", dir, e.what());
    }
    if (observer)
        for (const Change change : changes)
            observer(change);
}

void Project::Impl::loadCounters() {
    auto rows = query("SELECT name, value FROM counters");
    while (rows.step()) {
        const std::string key = rows.text(0);
        const int64_t value = rows.integer(1);
        if (key == "prompts")
            counts.prompts = value;
        else if (key == "prompts_train")
            counts.train = value;
        else if (key == "prompts_dev")
            counts.dev = value;
        else if (key == "prompts_test")
            counts.test = value;
        else if (key == "candidates")
            counts.candidates = value;
        else if (key == "comparisons")
            counts.comparisons = value;
        else if (key == "events")
            counts.events = value;
        else if (key == "current")
            counts.current = value;
        else if (key == "skips")
            counts.skips = value;
        else if (key == "flags")
            counts.flags = value;
        else if (key == "runs")
            counts.runs = value;
        else if (key == "datasets")
            counts.datasets = value;
    }
}

std::string Project::Impl::meta(const std::string& key, const std::string& fallback) {
    auto row = query("SELECT value FROM meta WHERE key = ?");
    row.bind(key);
    return row.step() ? row.text(0) : fallback;
}

void Project::Impl::setMeta(const std::string& key, const std::string& value) {
    query("INSERT INTO meta(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value")
        .bind(key, value)
        .run();
}

Status Project::Impl::connect(bool fresh) {
    const std::string path = os::joinPath(dir, kDatabase);
    return guarded("opening project " + dir, [&]() -> Status {
        db = std::make_unique<SQLite::Database>(
            path, SQLite::OPEN_READWRITE | (fresh ? SQLite::OPEN_CREATE : 0), 2000);
        cache = std::make_unique<StatementCache>(*db);
        int format = 0;
        if (!fresh) {
            db->exec("PRAGMA locking_mode = EXCLUSIVE");
            if (applicationIdOf(*db) != kApplicationId)
                return fail(Code::InvalidInput, fmt::format("{} is not a PairLab project", path),
                            "Choose the folder that `pairlab-cli new` made.");
            format = formatOf(*db);
            const int known = static_cast<int>(migrations().size());
            if (format > known) {
                std::string writer = "a newer version";
                try {
                    writer = "PairLab " + meta("last_writer", "(newer)");
                } catch (const SQLite::Exception&) {
                    // A newer schema may have moved it.
                }
                cache->clear();
                return fail(Code::NewerFormat,
                            fmt::format("project {} was written by {} (format {}); this is PairLab {}, which reads up "
                                        "to format {}",
                                        dir, writer, format, kVersion, known),
                            "Install the newer PairLab; the project was not changed.");
            }
        }
        configureConnection(*db, options.durable);
        if (!fresh) {
            unclean = !meta("open_by").empty();
            const bool old = now() - std::stoll("0" + meta("last_check_ms")) > kWeekMs;
            const CheckDue due = std::max(checkDue(*this), unclean ? CheckDue::Full : old ? CheckDue::Quick : CheckDue::No);
            if (os::fileSize(path).value_or(0) > kAlwaysCheckBytes) {
                noteCheckDue(*this, due);
            } else {
                const auto problems = integrityProblems(*db, due != CheckDue::Full);
                if (!problems.empty())
                    return tl::unexpected(damaged(*this, problems.front()));
                if (due != CheckDue::No)
                    noteChecked(*this);
            }
        }
        outcome = fresh ? OpenOutcome::Created : OpenOutcome::Current;
        if (format < static_cast<int>(migrations().size())) {
            if (!fresh) {
                outcome = OpenOutcome::Upgraded;
                PL_CHECK(backup());
            }
            cache->clear();
            PL_CHECK(migrate(*db, migrations(), format));
        }
        return {};
    });
}

Status Project::Impl::loadVotes() {
    votes.clear();
    votes.reserve(static_cast<size_t>(counts.current + counts.skips));
    auto rows = query(fmt::format("SELECT {} FROM current", kCurrentColumns));
    while (rows.step())
        votes.set(currentVoteOf(rows));
    return {};
}

Status Project::Impl::load() {
    return guarded("reading project " + dir, [&]() -> Status {
        projectUuid = meta("uuid");
        name = meta("name");
        lastBackupMs = std::stoll("0" + meta("last_backup_ms"));
        seed = hashSeed(0, projectUuid);
        loadCounters();
        const std::string token = meta("snapshot");
        const auto kept = outcome == OpenOutcome::Current ? readSnapshot(os::joinPath(dir, kSnapshot), token) : std::nullopt;
        if (!kept || !followSnapshot(*this, *kept, token)) {
            setMeta("snapshot", "");
            PL_CHECK(loadVotes());
        }
        watchSnapshot(*this);
        setMeta("open_by", fmt::format("{} ({})", options.program, kVersion));
        setMeta("last_writer", kVersion);
        if (outcome == OpenOutcome::Created)
            setMeta("last_check_ms", std::to_string(now()));
        changed = false;
        return {};
    });
}

// --- Project ---------------------------------------------------------------------------------------------------------

Project::Project(std::unique_ptr<Impl> impl) : m(std::move(impl)) {}
Project::Project(Project&&) noexcept = default;
Project& Project::operator=(Project&& other) noexcept {
    if (this != &other) {
        if (m)
            (void)close();
        m = std::move(other.m);
    }
    return *this;
}
Project::~Project() {
    if (m)
        (void)close();
}

bool Project::isProject(const std::string& dir) { return os::exists(os::joinPath(dir, kDatabase)); }

Result<Project> Project::create(const std::string& dir, ProjectOptions options) {
    const std::string path = os::absolutePath(dir);
    if (isProject(path))
        return fail(Code::InvalidInput, fmt::format("{} already holds a project", path), "Open it instead.");
    if (os::exists(path)) {
        PL_TRY(const auto entries, os::listDir(path));
        if (!entries.empty() && entries != std::vector<std::string>{kLock}) // a lock alone: another is at it, or was
            return fail(Code::InvalidInput, fmt::format("the folder {} is not empty", path),
                        "Give the name of a new folder.");
    }
    const bool existed = os::exists(path);
    PL_CHECK(os::makeDirs(path));
    const std::string lockPath = os::joinPath(path, kLock);
    auto lock = os::FileLock::tryAcquire(lockPath);
    if (!lock) {
        if (!existed && lock.error().code != Code::Busy) { // a full disk holds not even the lock's text
            std::error_code ignored;
            std::filesystem::remove(lockPath, ignored);
            std::filesystem::remove(path, ignored); // only when empty
        }
        return tl::unexpected(std::move(lock).error().with("creating project " + path));
    }
    // Another program may have been faster: nothing of what it made is touched.
    PL_TRY(const auto before, os::listDir(path));
    if (before != std::vector<std::string>{kLock})
        return fail(Code::InvalidInput, fmt::format("the folder {} is not empty", path),
                    "Another program has just used it; give the name of a new folder.");
    Project project(std::make_unique<Impl>());
    Impl& impl = *project.m;
    impl.dir = path;
    impl.options = std::move(options);
    impl.lock = std::move(*lock);
    const auto fill = [&]() -> Status {
        PL_CHECK(makeFolders(path));
        PL_CHECK(impl.connect(true));
        const std::string name = impl.options.name.empty() ? os::baseName(path) : impl.options.name;
        PL_CHECK(impl.write("creating project " + path, [&]() -> Status {
            impl.setMeta("uuid", newUuid());
            impl.setMeta("origin", newUuid());
            impl.setMeta("name", name);
            impl.setMeta("created_ms", std::to_string(impl.now()));
            return {};
        }));
        PL_CHECK(impl.load());
        Task task;
        const Asked& first = firstAsked(CandidateKind::Text); // what the pairs will be is not known yet
        task.name = first.name;
        task.question = first.question;
        task.guideline = first.guideline;
        PL_CHECK(project.addTask(task));
        return {};
    };
    if (auto filled = fill(); !filled) {
        // Half a project would stand in the way of the next attempt. Removed while the lock is held, the lock itself last.
        impl.closed = true;
        impl.cache.reset();
        impl.db.reset();
        const auto entries = os::listDir(path);
        for (const std::string& entry : entries ? *entries : std::vector<std::string>())
            if (entry != kLock)
                (void)os::removeTree(os::joinPath(path, entry));
        (void)os::removeTree(lockPath);
        std::error_code ignored;
        if (!existed)
            std::filesystem::remove(path, ignored); // only when empty
        return tl::unexpected<Error>(std::move(filled).error());
    }
    return project;
}

Result<Project> Project::open(const std::string& dir, ProjectOptions options) {
    const std::string path = os::absolutePath(dir);
    if (!os::isDir(path))
        return fail(Code::NotFound, fmt::format("there is no folder {}", path),
                    "Make a project with `pairlab-cli new`.");
    if (!isProject(path))
        return fail(Code::NotFound, fmt::format("{} is not a project: it has no {}", path, kDatabase),
                    "Make one with `pairlab-cli new`.");
    auto impl = std::make_unique<Impl>();
    impl->dir = path;
    impl->options = std::move(options);
    auto lock = os::FileLock::tryAcquire(os::joinPath(path, kLock));
    if (!lock)
        return tl::unexpected(std::move(lock).error().with("opening project " + path));
    impl->lock = std::move(*lock);
    PL_CHECK(impl->connect(false));
    PL_CHECK(makeFolders(path));
    PL_CHECK(removePartialMedia(path)); // of a program that was killed; nobody else has the lock
    if (const Status gone = removeReadingCopies(path); !gone) // of the same; the next opening tries again
        log::warn("{}", gone.error().toString());
    PL_CHECK(impl->load());
    if (impl->options.maxPages > 0)
        PL_CHECK(impl->guarded("limiting project " + path, [&]() -> Status {
            impl->query(fmt::format("PRAGMA max_page_count = {}", impl->options.maxPages)).run();
            return {};
        }));
    return Project(std::move(impl));
}

Status Project::close() {
    if (!m || m->closed)
        return {};
    Status backedUp;
    if (m->options.backups && m->changed && m->counts.prompts > 0) {
        const auto due = m->guarded("looking whether a check is due", [&]() -> Result<CheckDue> { return checkDue(*m); });
        if (!due || *due != CheckDue::No) // it may be damaged; the check comes with its own backup, and whoever closes does not wait for both
            log::info("no backup of {} at its end: its check is due", m->dir);
        else if (const auto file = m->backup(); !file)
            backedUp = tl::unexpected(file.error());
    }
    const Status done = m->guarded("closing project " + m->dir, [&]() -> Status {
        if (m->votes.rows().size() >= kWorthKeeping) {
            const std::string token = snapshotToken(*m);
            // Only a convenience: what cannot be written is read from the database next time.
            if (const Status kept = writeSnapshot(os::joinPath(m->dir, kSnapshot), token, m->votes.rows(), m->pairsLoaded ? &m->pairs : nullptr))
                m->setMeta("snapshot", token);
            else
                log::warn("{}", kept.error().toString());
        }
        m->setMeta("open_by", "");
        m->cache->clear();
        SQLite::Statement(*m->db, "PRAGMA wal_checkpoint(TRUNCATE)").executeStep();
        return {};
    });
    m->closed = true;
    m->cache.reset();
    m->db.reset();
    m->lock.reset();
    if (!done)
        return done;
    return backedUp;
}

const std::string& Project::dir() const { return m->dir; }
const std::string& Project::uuid() const { return m->projectUuid; }
std::string Project::name() const { return m->name; }
OpenOutcome Project::openOutcome() const { return m->outcome; }
bool Project::wasUnclean() const { return m->unclean; }
std::string Project::runsDir() const { return os::joinPath(m->dir, "runs"); }
std::string Project::datasetsDir() const { return os::joinPath(m->dir, "datasets"); }
std::string Project::modelsDir() const { return os::joinPath(m->dir, "models"); }
std::string Project::mediaDir() const { return os::joinPath(m->dir, "media"); }
std::string Project::cacheDir() const { return os::joinPath(m->dir, "cache"); }
void Project::setObserver(std::function<void(Change)> observer) { m->observer = std::move(observer); }

// --- settings --------------------------------------------------------------------------------------------------------

Result<Json> Project::setting(const std::string& key, Json fallback) {
    return m->guarded("reading setting " + key, [&]() -> Result<Json> {
        auto row = m->query("SELECT value FROM settings WHERE key = ?");
        row.bind(key);
        return row.step() ? row.json(0) : fallback;
    });
}

Status Project::setSetting(const std::string& key, const Json& value) {
    return m->write("writing setting " + key, [&]() -> Status {
        m->query("INSERT INTO settings(key, value) VALUES (?, ?) "
                 "ON CONFLICT(key) DO UPDATE SET value = excluded.value")
            .bind(key, value)
            .run();
        m->pending.changes.insert(Change::Settings);
        return {};
    });
}

} // namespace pl::desk
