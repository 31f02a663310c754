// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/reading_copy.h"

#include <filesystem>
#include <fstream>

#include <SQLiteCpp/Backup.h>
#include <sqlite3.h>

#include "core/base/log.h"
#include "core/desk/store/impl.h"

namespace pl::desk {

namespace {

namespace fs = std::filesystem;

constexpr int kPagesAStep = 128;
constexpr const char* kFolder = "reading-"; ///< below cache/
constexpr const char* kMark = "being-read"; ///< in the folder

std::string cacheOf(const std::string& projectDir) { return os::joinPath(projectDir, "cache"); }

std::vector<std::string> copiesIn(const std::string& projectDir) {
    std::vector<std::string> out;
    if (const auto names = os::listDir(cacheOf(projectDir)))
        for (const std::string& name : *names)
            if (name.rfind(kFolder, 0) == 0)
                out.push_back(os::joinPath(cacheOf(projectDir), name));
    return out;
}

/// The link to the media first: whatever removes the rest, it does not follow it.
Status removeCopy(const std::string& dir) {
    std::error_code ignored;
    const fs::path media = fs::path(dir) / "media";
    if (fs::is_symlink(media, ignored))
        fs::remove(media, ignored);
    return os::removeTree(dir);
}

} // namespace

bool isBeingRead(const std::string& projectDir) {
    for (const std::string& dir : copiesIn(projectDir))
        if (os::exists(os::joinPath(dir, kMark)))
            return true;
    return false;
}

Status removeReadingCopies(const std::string& projectDir) {
    for (const std::string& dir : copiesIn(projectDir))
        PL_CHECK(removeCopy(dir));
    return {};
}

Result<std::unique_ptr<ReadingCopy>> ReadingCopy::begin(Project& project) {
    Project::Impl& impl = project.impl();
    std::unique_ptr<ReadingCopy> made(new ReadingCopy);
    PL_TRY(const uint64_t free, os::freeSpace(impl.dir));
    PL_TRY(const uint64_t size, os::fileSize(os::joinPath(impl.dir, "project.db")));
    const uint64_t needed = size + (uint64_t{32} << 20);
    if (free < needed)
        return fail(Code::Io, fmt::format("no room to read {} beside the votes: its copy needs {} MiB in {}, which has {} MiB free", impl.dir, needed >> 20,
                                          cacheOf(impl.dir), free >> 20),
                    "Free some space, or close the project and use `pairlab-cli`, which needs none.");
    made->m_dir = os::joinPath(cacheOf(impl.dir), kFolder + newUuid());
    made->m_media = os::joinPath(impl.dir, "media");
    made->m_mark = os::joinPath(made->m_dir, kMark);
    made->m_options.program = "reader";
    made->m_options.clock = impl.options.clock;
    made->m_options.backups = made->m_options.durable = false;
    PL_CHECK(os::makeDirs(made->m_dir));
    if (!made->mark())
        return fail(Code::Io, fmt::format("cannot write into {}", made->m_dir), "Check the disk.");
    PL_CHECK(impl.guarded("copying " + impl.dir, [&]() -> Status {
        made->m_copy = std::make_unique<SQLite::Database>(os::joinPath(made->m_dir, "project.db"), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        made->m_copy->exec("PRAGMA synchronous = OFF"); // of a copy that a crash takes nothing with
        SQLite::Statement(*made->m_copy, "PRAGMA journal_mode = OFF").executeStep();
        made->m_steps = std::make_unique<SQLite::Backup>(*made->m_copy, *impl.db);
        return {};
    }));
    return made;
}

Result<bool> ReadingCopy::step(Project& project, int budgetMs) {
    if (!m_steps)
        return true;
    Project::Impl& impl = project.impl();
    return impl.guarded("copying " + impl.dir, [&]() -> Result<bool> {
        const int64_t begin = monotonicNs();
        do {
            if (m_steps->executeStep(kPagesAStep) != SQLITE_DONE)
                continue;
            m_steps.reset();
            m_changes = impl.db->getTotalChanges();
            return true;
        } while (budgetMs < 0 || monotonicNs() - begin < int64_t{1'000'000} * budgetMs);
        return false;
    });
}

bool ReadingCopy::take(Project& project) {
    if (!os::exists(os::joinPath(m_dir, "project.db")))
        return false;
    return mark() && !m_steps && project.impl().db->getTotalChanges() == m_changes;
}

bool ReadingCopy::mark() const { return std::ofstream(m_mark).good(); } // nothing to sync: it is of this process

void ReadingCopy::giveBack() {
    std::error_code ignored;
    fs::remove(m_mark, ignored);
}

Status ReadingCopy::open() {
    if (m_project)
        return {};
    try {
        // A copy is closed cleanly, whatever happens to the original, and nothing kept beside the original is of its moment.
        m_copy->exec("UPDATE meta SET value = '' WHERE key IN ('open_by', 'snapshot', 'check_due')");
        m_copy.reset();
    } catch (const SQLite::Exception& e) {
        return tl::unexpected(translate(e, "opening the copy " + m_dir));
    }
    PL_TRY(Project opened, Project::open(m_dir, m_options));
    std::error_code error;
    const fs::path media = fs::path(m_dir) / "media";
    fs::remove(media, error); // empty: opening has made it
    if (!error)
        fs::create_directory_symlink(m_media, media, error);
    if (error)
        return fail(Code::Io, fmt::format("the images of {} cannot be read from its copy: {}", m_media, error.message()), "Check the disk.");
    m_project.emplace(std::move(opened));
    return {};
}

ReadingCopy::~ReadingCopy() {
    m_steps.reset();
    m_copy.reset();
    m_project.reset();
    if (m_dir.empty())
        return;
    if (const Status gone = removeCopy(m_dir); !gone)
        log::warn("{}", gone.error().toString());
}

} // namespace pl::desk
