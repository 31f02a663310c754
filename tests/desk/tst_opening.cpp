// SPDX-License-Identifier: Apache-2.0
// Opening a large project: what is left for later, and that it is done then.
#include <filesystem>
#include <fstream>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/os/files.h"
#include "core/desk/store/file_check.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/stepped_backup.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestOpening : public QObject {
    Q_OBJECT

    static constexpr int64_t kDay = int64_t{24} * 3600 * 1000;

    static void close(Desk& desk) {
        must(desk.project->close());
        desk.project.reset();
    }
    static void open(Desk& desk) { desk.project = must(Project::open(desk.dir(), options())); }
    static std::string file(const Desk& desk) { return desk.dir() + "/project.db"; }
    /// So large that opening does not read all of it.
    static void makeLarge(Desk& desk) {
        for (int i = 0; i < 67; ++i) {
            NewPrompt prompt;
            prompt.content = std::string(size_t{1} << 20, static_cast<char>('a' + i % 26)) + std::to_string(i);
            must(desk.project->addPrompts({prompt}));
        }
    }
    /// As if the program had been killed.
    static void notClosed(const Desk& desk) {
        SQLite::Database db(file(desk), SQLite::OPEN_READWRITE);
        db.exec("UPDATE meta SET value = 'pairlab' WHERE key = 'open_by'");
    }
    /// Wipes the root of an index that opening does not touch.
    static void damage(const Desk& desk) {
        int64_t page = 0, size = 0;
        {
            SQLite::Database db(file(desk), SQLite::OPEN_READWRITE);
            page = db.execAndGet("SELECT rootpage FROM sqlite_master WHERE name = 'candidates_by_run'").getInt64();
            size = db.execAndGet("PRAGMA page_size").getInt64();
        }
        std::fstream bytes(file(desk), std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp((page - 1) * size);
        bytes << std::string(static_cast<size_t>(size), '\xa5');
        QVERIFY(bytes.good());
    }
    /// Adds a row that an index does not have: what quick_check does not look at.
    static void leaveOutOfIndex(const Desk& desk) {
        std::string sql;
        int64_t root = 0;
        {
            SQLite::Database db(file(desk), SQLite::OPEN_READWRITE);
            {
                SQLite::Statement row(db, "SELECT rootpage, sql FROM sqlite_master WHERE name = 'candidates_by_prompt'");
                QVERIFY(row.executeStep());
                root = row.getColumn(0).getInt64();
                sql = row.getColumn(1).getString();
            }
            db.exec("PRAGMA writable_schema = ON");
            db.exec("DELETE FROM sqlite_master WHERE name = 'candidates_by_prompt'");
        }
        SQLite::Database db(file(desk), SQLite::OPEN_READWRITE);
        db.exec("INSERT INTO candidates(uuid, prompt_id, kind, sha, content_id, provenance, params, created_ms) "
                "SELECT 'zz' || uuid, prompt_id, kind, 'zz' || sha, content_id, provenance, params, created_ms FROM candidates LIMIT 1");
        db.exec("PRAGMA writable_schema = ON");
        SQLite::Statement put(db, "INSERT INTO sqlite_master VALUES ('index', 'candidates_by_prompt', 'candidates', ?, ?)");
        put.bind(1, root);
        put.bind(2, sql);
        put.exec();
    }
    /// What the check that runs beside the work says; empty when none is due.
    static std::optional<Status> checkBeside(Project& project) {
        auto begun = SteppedBackup::beginIfDue(project.impl());
        if (!begun)
            return Status(tl::unexpect, begun.error());
        if (!*begun)
            return std::nullopt;
        for (;;) {
            const auto done = (*begun)->step(project.impl(), 1);
            if (!done)
                return Status(tl::unexpect, done.error());
            if (*done)
                return Status();
        }
    }

private Q_SLOTS:
    void aLargeFileIsCheckedAfterItIsOpen() {
        Desk desk(2);
        makeLarge(desk);
        close(desk);
        QVERIFY(must(os::fileSize(file(desk))) > (uint64_t{64} << 20));
        open(desk);
        QVERIFY(!desk.project->wasUnclean());
        QVERIFY(!checkBeside(*desk.project)); // just made, closed as it should be
        close(desk);
        notClosed(desk);
        open(desk);
        QVERIFY(desk.project->wasUnclean());
        OK(desk.vote(desk.next()[0], Winner::A)); // the work goes on
        const auto checked = checkBeside(*desk.project);
        QVERIFY(checked);
        OK(*checked);
        QVERIFY(!checkBeside(*desk.project));
        close(desk);
        open(desk);
        QVERIFY(!checkBeside(*desk.project));
        // And once a week.
        close(desk);
        g_clock += 8 * kDay;
        open(desk);
        const auto weekly = checkBeside(*desk.project);
        QVERIFY(weekly);
        OK(*weekly);
        close(desk);
        g_clock += 2 * kDay;
        open(desk);
        QVERIFY(!checkBeside(*desk.project));
    }

    /// It stays due when the program ends before it is through, however well that end was.
    void aCheckThatWasNotMadeStaysDue() {
        Desk desk(2);
        makeLarge(desk);
        close(desk);
        notClosed(desk);
        open(desk);
        close(desk);
        open(desk);
        QVERIFY(!desk.project->wasUnclean());
        OK(checkIfDue(*desk.project)); // as the command line does it
        QVERIFY(!checkBeside(*desk.project));
    }

    void aDamagedFileIsFoundAndItsBackupNamed() {
        Desk desk(2);
        makeLarge(desk);
        const std::string good = os::baseName(must(desk.project->backup()));
        close(desk);
        notClosed(desk);
        damage(desk);
        for (int time = 0; time < 2; ++time) { // and again the next time
            open(desk);
            const size_t backups = must(desk.project->backupFiles()).size();
            const auto found = checkBeside(*desk.project);
            QVERIFY(found && !*found);
            QCOMPARE(found->error().code, Code::Corrupt);
            QVERIFY2(found->error().message.find("project.db is damaged") != std::string::npos, found->error().toString().c_str());
            QVERIFY2(found->error().hint.find(good) != std::string::npos, found->error().toString().c_str());
            QCOMPARE(must(desk.project->backupFiles()).size(), backups);
            const Status now = checkIfDue(*desk.project);
            QVERIFY(!now && now.error().code == Code::Corrupt);
            (void)desk.project->close();
            desk.project.reset();
        }
    }

    /// The quick check passes what the whole one finds; a backup checked quickly must not take the place of a sound one.
    void closingKeepsTheSoundBackupsOfAFileThatMayBeDamaged() {
        Desk desk(4);
        makeLarge(desk);
        g_clock += 60'000;
        const std::string good = os::baseName(must(desk.project->backup()));
        close(desk);
        leaveOutOfIndex(desk);
        notClosed(desk);
        const auto before = must(os::listDir(desk.dir() + "/backups"));
        // Found; not found because the window closed too soon; and found again.
        for (const bool checked : {true, false, true}) {
            g_clock += 60'000;
            open(desk);
            OK(desk.vote(desk.next()[0], Winner::A));
            if (checked) {
                const auto found = checkBeside(*desk.project);
                QVERIFY(found && !*found);
                QVERIFY2(found->error().hint.find(good) != std::string::npos, found->error().toString().c_str());
                const auto asked = desk.project->backup();
                QVERIFY(!asked && asked.error().code == Code::Corrupt);
            }
            g_clock += 60'000;
            close(desk);
            QVERIFY(must(os::listDir(desk.dir() + "/backups")) == before);
        }
        SQLite::Database kept(desk.dir() + "/backups/" + good, SQLite::OPEN_READONLY);
        QCOMPARE(kept.execAndGet("PRAGMA integrity_check(1)").getString(), std::string("ok"));
    }

    /// A copy that is not sound, with no check due, makes one due.
    void aBackupThatIsNotSoundMakesACheckDue() {
        Desk desk(2);
        makeLarge(desk);
        close(desk);
        damage(desk);
        open(desk);
        OK(desk.vote(desk.next()[0], Winner::A));
        QVERIFY(!desk.project->backup());
        const Status now = checkIfDue(*desk.project);
        QVERIFY(!now && now.error().code == Code::Corrupt);
        close(desk);
    }

    /// One change of many pairs writes once that the snapshot is no more, not once a pair.
    void theSnapshotIsForgottenOnce() {
        Desk desk(40);
        Project::Impl& impl = desk.project->impl();
        OK(impl.guarded("counting", [&]() -> Status {
            const auto changesOf = [&](const char* sql) {
                const int64_t before = impl.db->getTotalChanges();
                impl.db->exec(sql);
                return impl.db->getTotalChanges() - before;
            };
            for (const char* sql : {"UPDATE comparisons SET withdrawn = withdrawn", "UPDATE prompts SET split = split", "UPDATE candidates SET kind = kind"}) {
                impl.setMeta("snapshot", "a token");
                const int64_t first = changesOf(sql), then = changesOf(sql);
                if (impl.meta("snapshot", "none") != "" || then < 40 || first != then + 1)
                    return fail(Code::Internal, fmt::format("{}: {} changes, then {}; snapshot '{}'", sql, first, then, impl.meta("snapshot")));
            }
            return {};
        }));
    }

    /// A copy to check needs room; when there is none, the person is told what is not checked and what to do.
    void aCheckThatHasNoRoomSaysSo() {
        Desk desk(2);
        close(desk);
        notClosed(desk);
        std::filesystem::resize_file(file(desk), must(os::freeSpace(desk.dir())) + (uint64_t{1} << 30)); // a hole: it takes no room itself
        open(desk);
        const auto said = checkBeside(*desk.project);
        QVERIFY(said && !*said);
        QCOMPARE(said->error().code, Code::Io);
        QVERIFY2(said->error().message.find("no room to check the project for damage") != std::string::npos, said->error().toString().c_str());
        OK(checkIfDue(*desk.project));
        QVERIFY(!checkBeside(*desk.project));
    }

    void aSmallFileIsCheckedBeforeItIsOpen() {
        Desk desk(2);
        close(desk);
        notClosed(desk);
        damage(desk);
        const auto opened = Project::open(desk.dir(), options());
        QVERIFY(!opened);
        QCOMPARE(opened.error().code, Code::Corrupt);
    }
};

QTEST_GUILESS_MAIN(TestOpening)
#include "tst_opening.moc"
