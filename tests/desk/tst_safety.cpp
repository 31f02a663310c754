// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/desk/runs/actions.h"
#include "core/desk/store/schema.h"
#include "core/desk/store/stepped_backup.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {
std::atomic<int> g_checked{0};
std::atomic<bool> g_slow{false};
int watchCheck(sqlite3* db, char**, const void*) {
    sqlite3_progress_handler(
        db, 1000,
        [](void*) {
            ++g_checked;
            if (g_slow)
                QTest::qSleep(20);
            return 0;
        },
        nullptr);
    return SQLITE_OK;
}
} // namespace

class TestSafety : public QObject {
    Q_OBJECT
private Q_SLOTS:

    void aFreshSchemaEqualsTheRecordedOne() {
        SQLite::Database db(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        OK(migrate(db, migrations(), 0));
        QCOMPARE(applicationIdOf(db), 0x50414952);
        QCOMPARE(formatOf(db), int(migrations().size()));
        const std::string path = std::string(PAIRLAB_SOURCE_DIR) + "/tests/desk/schema.sql";
        const std::string fresh = schemaText(db);
        if (qEnvironmentVariableIsSet("PAIRLAB_UPDATE_GOLDEN"))
            OK(os::writeFileAtomic(path, fresh));
        QCOMPARE(must(os::readFile(path)), fresh);
    }

    void aFailingMigrationLeavesTheOldVersion() {
        SQLite::Database db(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        std::vector<Migration> steps = migrations();
        steps.push_back({"002_bad", "CREATE TABLE extra (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1);"});
        const auto status = migrate(db, steps, 0);
        QVERIFY(!status);
        QVERIFY(status.error().message.find("002_bad") != std::string::npos);
        QCOMPARE(formatOf(db), int(migrations().size()));
        QVERIFY(!db.tableExists("extra"));
        steps.back().sql = "CREATE TABLE extra (x INTEGER REFERENCES prompts(id)) STRICT; INSERT INTO extra VALUES (9);";
        QVERIFY(!migrate(db, steps, int(migrations().size())));
        QVERIFY(!db.tableExists("extra"));
    }

    void refusesADatabaseFromANewerVersion() {
        Desk desk;
        OK(desk.project->close());
        {
            SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
            db.exec("PRAGMA user_version = 99");
            db.exec("UPDATE meta SET value = '7.1' WHERE key = 'last_writer'");
        }
        const auto again = Project::open(desk.dir(), options());
        QVERIFY(!again && again.error().code == Code::NewerFormat);
        QVERIFY(again.error().message.find("7.1") != std::string::npos);
        QVERIFY(again.error().message.find("99") != std::string::npos);
    }

    void refusesWhatIsNotAProject() {
        QTemporaryDir temp;
        const std::string dir = temp.path().toStdString();
        auto result = Project::open(dir + "/none", options());
        QVERIFY(!result && result.error().code == Code::NotFound);
        OK(os::writeFileAtomic(dir + "/project.db", "hello, this is not a database at all, whatever its name says"));
        result = Project::open(dir, options());
        QVERIFY(!result);
        OK(os::removeTree(dir + "/project.db"));
        {
            SQLite::Database db(dir + "/project.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
            db.exec("CREATE TABLE t (x)");
        }
        result = Project::open(dir, options());
        QVERIFY(!result && result.error().code == Code::InvalidInput);
        QVERIFY(!Project::create(dir, options()));
    }

    void aSecondProgramIsToldWhoHoldsTheProject() {
        Desk desk;
        OK(desk.project->close());
        desk.project.reset();
        int ready[2], finish[2];
        QVERIFY(pipe(ready) == 0 && pipe(finish) == 0);
        const pid_t child = fork();
        if (child == 0) {
            const auto held = Project::open(desk.dir(), options());
            char byte = held ? 'y' : 'n';
            (void)!write(ready[1], &byte, 1);
            (void)!read(finish[0], &byte, 1);
            _exit(0); // without closing: an unclean end
        }
        char byte = 0;
        QVERIFY(read(ready[0], &byte, 1) == 1 && byte == 'y');
        const auto second = Project::open(desk.dir(), options());
        QVERIFY(!second && second.error().code == Code::Busy);
        QVERIFY2(second.error().toString().find(std::to_string(child)) != std::string::npos,
                 second.error().toString().c_str());
        QVERIFY(write(finish[1], "x", 1) == 1);
        QVERIFY(waitpid(child, nullptr, 0) == child);
        const auto third = Project::open(desk.dir(), options());
        OK(third);
        QVERIFY(third->wasUnclean());
    }

    /// Of several programs that make a project in one folder one succeeds, and no loser removes the winner's.
    void onlyOneOfManyMakesTheProject() {
        for (int round = 0; round < 10; ++round) {
            QTemporaryDir temp;
            const std::string dir = temp.path().toStdString() + "/p";
            std::atomic<int> made{0};
            std::vector<std::thread> threads;
            for (int i = 0; i < 4; ++i)
                threads.emplace_back([&] {
                    ProjectOptions o;
                    o.durable = false;
                    made += Project::create(dir, o).has_value();
                });
            for (std::thread& thread : threads)
                thread.join();
            QCOMPARE(made.load(), 1);
            OK(Project::open(dir, options()));
        }
        QTemporaryDir temp;
        const std::string dir = temp.path().toStdString() + "/p";
        qputenv("PAIRLAB_RESOURCES", "/none");
        QVERIFY(!createProject(dir, options(), Starter::Text));
        qunsetenv("PAIRLAB_RESOURCES");
        QVERIFY(!os::exists(dir)); // what it made itself is gone
        OK(os::makeDirs(dir));
        const auto lock = os::FileLock::tryAcquire(dir + "/project.lock");
        OK(lock);
        QVERIFY(!createProject(dir, options(), Starter::None));
        QVERIFY(os::exists(dir + "/project.lock"));
    }

    void aFullDiskRefusesTheVoteAndLosesNothing() {
        Desk desk(30);
        auto items = desk.next(30);
        OK(desk.vote(items[0], Winner::A));
        // The database may not grow: what SQLite reports is SQLITE_FULL, as on a full disk.
        OK(desk.project->close());
        desk.project.reset();
        ProjectOptions o = options();
        o.maxPages = 1; // "no more than it has"
        desk.project = must(Project::open(desk.dir(), o));
        bool refused = false;
        int64_t saved = 1;
        for (size_t i = 1; i < items.size() && !refused; ++i) {
            JudgementInput in;
            in.winner = Winner::B;
            in.rationale = std::string(20000, 'r');
            const auto before = desk.sortedVotes();
            const auto ack = desk.project->presentAndJudge(items[i].presentation, in);
            if (ack) {
                ++saved;
                continue;
            }
            refused = true;
            QVERIFY2(ack.error().code == Code::Io, ack.error().toString().c_str());
            QVERIFY(ack.error().hint.find("full") != std::string::npos);
            QVERIFY(before == desk.sortedVotes());
            QCOMPARE(desk.project->counters().current, saved);
        }
        QVERIFY(refused);
        QVERIFY(must(desk.project->check()).ok());
        (void)desk.project->close();
        desk.project.reset();
        desk.project = must(Project::open(desk.dir(), options()));
        QCOMPARE(desk.project->counters().current, saved);
        OK(desk.vote(desk.next()[0], Winner::A));
        QVERIFY(must(desk.project->check()).ok());
    }

    void backupsOpenAsProjects() {
        Desk desk(2);
        OK(desk.vote(desk.next()[0], Winner::A));
        const std::string file = must(desk.project->backup());
        OK(desk.vote(desk.next()[0], Winner::B));
        const std::string other = desk.temp.path().toStdString() + "/restored";
        OK(os::makeDirs(other));
        OK(os::copyFile(file, other + "/project.db"));
        auto restored = must(Project::open(other, options()));
        QVERIFY(!restored.wasUnclean());
        QCOMPARE(restored.counters().current, int64_t{1});
        QVERIFY(must(restored.check()).ok());
    }

    void closingBacksUpWhatChanged() {
        Desk desk(1);
        desk.reopen();
        const size_t files = must(desk.project->backupFiles()).size();
        QVERIFY(files >= 1);
        g_clock += 3600 * 1000;
        desk.reopen();
        QCOMPARE(must(desk.project->backupFiles()).size(), files);
        OK(desk.vote(desk.next()[0], Winner::A));
        desk.reopen();
        QCOMPARE(must(desk.project->backupFiles()).size(), files + 1);
    }

    void aBackupInStepsHasWhatCameMeanwhile() {
        Desk desk(1500);
        desk.project->setObserver({});
        auto backup = must(SteppedBackup::begin(desk.project->impl()));
        int steps = 0, votes = 0;
        while (!must(backup->step(desk.project->impl(), 0))) {
            // Votes go on between the steps; those before the last page are in the copy.
            if (++steps <= 4) {
                for (const LabelItem& item : desk.next(25)) {
                    OK(desk.vote(item, Winner::A));
                    ++votes;
                }
            }
            else
                QTest::qSleep(1); // the copy is being checked on its own thread
            QVERIFY(steps < 30000);
        }
        QVERIFY2(steps > 4, qPrintable(QString::number(steps)));
        const std::string folder = desk.temp.path().toStdString() + "/from-backup";
        OK(os::makeDirs(folder));
        OK(os::copyFile(backup->file(), folder + "/project.db"));
        backup.reset();
        const Project copy = must(Project::open(folder, options()));
        QVERIFY(!copy.wasUnclean());
        QCOMPARE(copy.counters().events, int64_t{votes});
        QVERIFY(must(desk.project->check()).ok());
        QVERIFY(!must(SteppedBackup::beginIfDue(desk.project->impl()))); // nothing changed since
    }

    void aBackupThatIsDroppedLeavesNothing() {
        Desk desk(800);
        const size_t before = must(os::listDir(desk.dir() + "/backups")).size();
        {
            auto backup = must(SteppedBackup::begin(desk.project->impl()));
            QVERIFY(!must(backup->step(desk.project->impl(), 0)));
            QVERIFY(must(os::listDir(desk.dir() + "/backups")).size() > before);
        }
        QCOMPARE(must(os::listDir(desk.dir() + "/backups")).size(), before);
        OK(desk.project->close());
    }

    /// The check of a copy of gigabytes takes minutes; who closes meanwhile does not wait for it.
    void aBackupThatIsDroppedWhileItIsCheckedStopsTheCheck() {
        Desk desk(800);
        const auto begin = [&] {
            // Of the copy's connection only: each thousandth instruction is counted, and held up while `g_slow`.
            sqlite3_auto_extension(reinterpret_cast<void (*)()>(watchCheck));
            auto backup = must(SteppedBackup::begin(desk.project->impl()));
            sqlite3_reset_auto_extension();
            g_checked = 0;
            return backup;
        };
        const auto whole = begin();
        OK(whole->step(desk.project->impl(), -1));
        const int all = g_checked;
        QVERIFY2(all > 50, qPrintable(QString::number(all)));
        g_slow = true;
        auto dropped = begin();
        while (g_checked == 0)
            QVERIFY(!must(dropped->step(desk.project->impl(), 0)));
        dropped.reset();
        g_slow = false;
        QVERIFY2(g_checked < all, qPrintable(QString::number(g_checked)));
        QCOMPARE(must(os::listDir(desk.dir() + "/backups")).size(), size_t{1});
        OK(desk.project->close());
    }

    void backupsAreThinned_data() {
        QTest::addColumn<QList<qint64>>("minutesAgo");
        QTest::addColumn<QList<qint64>>("kept");
        QTest::newRow("none") << QList<qint64>{} << QList<qint64>{};
        QTest::newRow("one") << QList<qint64>{5} << QList<qint64>{5};
        QTest::newRow("two in ten minutes") << QList<qint64>{1, 2} << QList<qint64>{1};
        QTest::newRow("twelve slots, the rest by day")
            << QList<qint64>{5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115, 125, 135}
            << QList<qint64>{5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115};
        QTest::newRow("a year of days: recent 12 days, then weeks, then months") << [] {
            QList<qint64> days;
            for (int d = 0; d < 365; ++d)
                days.push_back(d * 1440 + 5);
            return days;
        }() << [] {
            QList<qint64> days;
            for (int d : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
                days.push_back(d * 1440 + 5);
            // Newest day of the weeks and months before them (the clock stands at Wednesday, 30 September 2026, 12:00 UTC).
            for (int d : {17, 30, 61, 92, 122, 153})
                days.push_back(d * 1440 + 5);
            return days;
        }();
    }
    void backupsAreThinned() {
        QFETCH(QList<qint64>, minutesAgo);
        QFETCH(QList<qint64>, kept);
        const int64_t now = 1790769600000; // 2026-09-30 12:00:00 UTC
        std::vector<int64_t> times;
        for (const qint64 m : minutesAgo)
            times.push_back(now - m * 60000);
        QList<qint64> result;
        for (const int64_t t : keptBackups(times, now))
            result.push_front((now - t) / 60000);
        QCOMPARE(result, kept);
    }
};

QTEST_GUILESS_MAIN(TestSafety)
#include "tst_safety.moc"
