// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include "core/base/hash.h"
#include "core/base/os/lock.h"
#include "core/base/os/process.h"
#include "tests/base/check.h"

using namespace pl;

namespace {

os::SpawnOptions shell(const std::string& script) {
    os::SpawnOptions options;
    options.arguments = {"sh", "-c", script};
    return options;
}

bool waitFor(const std::function<bool()>& condition, int timeoutMs = 5000) {
    const int64_t end = monotonicNs() + int64_t(timeoutMs) * 1000000;
    while (!condition()) {
        if (monotonicNs() > end)
            return false;
        os::sleepMs(5);
    }
    return true;
}

int gArgc;
char** gArgv;

} // namespace

class TestProcess : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void reportsExitCodesAndSignals() {
        auto a = os::Process::spawn(shell("exit 11"));
        PL_GOOD(a);
        const auto status = a->wait(5000);
        PL_GOOD(status);
        QVERIFY(status->has_value());
        QCOMPARE((*status)->toString(), std::string("exit code 11"));
        QVERIFY(!a->isRunning());
        PL_REFUSED(a->signal(SIGTERM), "has ended");

        auto b = os::Process::spawn(shell("kill -9 $$"));
        PL_GOOD(b);
        QCOMPARE((*b->wait(5000))->toString(), std::string("signal 9 (Killed)"));
    }

    void aFailureToStartIsAnError() {
        os::SpawnOptions options;
        PL_REFUSED(os::Process::spawn(options), "without a name");
        options.arguments = {"no-such-program-pairlab"};
        PL_REFUSED(os::Process::spawn(options), "no such program on PATH");
        options.arguments = {"/no/such/program"};
        PL_REFUSED(os::Process::spawn(options), "/no/such/program: No such file");
        TempDir dir;
        dir.write("text", "not a program");
        options.arguments = {dir.path("text")};
        PL_REFUSED(os::Process::spawn(options), "Permission denied");
        options = shell("true");
        options.workingDirectory = dir.path("none");
        PL_REFUSED(os::Process::spawn(options), dir.path("none"));
        options = shell("true");
        options.outputFile = dir.path("none/log");
        PL_REFUSED(os::Process::spawn(options), dir.path("none/log"));
    }

    void passesEnvironmentFolderOutputAndNiceness() {
        TempDir dir;
        qputenv("PAIRLAB_TEST_GONE", "1");
        auto options = shell("echo $PAIRLAB_TEST_NEW-$PAIRLAB_TEST_GONE; pwd; nice; echo err >&2; read x; echo eof");
        options.environment["PAIRLAB_TEST_NEW"] = "yes";
        options.unset = {"PAIRLAB_TEST_GONE"};
        options.workingDirectory = dir.path();
        options.outputFile = dir.path("log");
        options.niceness = 7;
        auto process = os::Process::spawn(options);
        PL_GOOD(process);
        PL_GOOD(process->wait(5000));
        QCOMPARE(dir.read("log"), "yes-\n" + dir.path() + "\n7\nerr\neof\n");
    }

    void waitingHasALimit() {
        auto process = os::Process::spawn(shell("sleep 60"));
        PL_GOOD(process);
        QVERIFY(process->isRunning());
        QVERIFY(process->pidfd() >= 0);
        PL_REFUSED(process->wait(20), "still running");
        PL_GOOD(process->signalGroup(SIGKILL));
        PL_GOOD(process->wait(5000));
    }

    void killsTheWholeGroup() {
        TempDir dir;
        auto options = shell("sleep 60 & echo $!; sleep 60");
        options.outputFile = dir.path("log");
        auto process = os::Process::spawn(options);
        PL_GOOD(process);
        QVERIFY(waitFor([&] { return dir.read("log").find('\n') != std::string::npos; }));
        const int grandchild = std::stoi(dir.read("log"));
        QVERIFY(os::startTimeOf(grandchild) != 0);
        PL_GOOD(process->signalGroup(SIGKILL));
        PL_GOOD(process->wait(5000));
        auto orphan = os::Process::attach(grandchild, os::startTimeOf(grandchild));
        QVERIFY(!orphan || orphan->wait(5000).has_value());
    }

    void theLadderClimbsUntilTheEnd() {
        TempDir dir;
        auto options = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
        options.outputFile = dir.path("log");
        auto process = os::Process::spawn(options);
        PL_GOOD(process);
        QVERIFY(waitFor([&] { return dir.read("log") == "ready\n"; }));
        int asked = 0, termed = 0, killed = 0;
        const bool ended = os::stopLadder(*process, {{[&] { ++asked; }, 20},
                                                     {[&] { ++termed; (void)process->signal(SIGTERM); }, 100},
                                                     {[&] { ++killed; (void)process->signalGroup(SIGKILL); }, 5000},
                                                     {[&] { ++killed; }, 10}});
        QVERIFY(ended);
        QCOMPARE(asked * 100 + termed * 10 + killed, 111);
    }

    void reattachesOnlyToTheSameProcess() {
        auto process = os::Process::spawn(shell("sleep 60"));
        PL_GOOD(process);
        QVERIFY(process->startTime() != 0);
        PL_REFUSED(os::Process::attach(process->pid(), process->startTime() + 1), "has ended");
        PL_REFUSED(os::Process::attach(0, 0), "has ended");
        auto stranger = os::Process::attach(process->pid(), process->startTime());
        PL_GOOD(stranger);
        QVERIFY(stranger->isRunning());
        PL_GOOD(stranger->signalGroup(SIGTERM));
        const auto status = stranger->wait(5000);
        PL_GOOD(status);
        QVERIFY(!status->has_value()); // ended, how is not known to a stranger
        QCOMPARE((*process->wait(5000))->toString(), std::string("signal 15 (Terminated)"));
        PL_REFUSED(os::Process::attach(process->pid(), process->startTime()), "has ended");
    }

    void runsToTheEnd() {
        const auto output = os::runToEnd(shell("echo out; echo err >&2; exit 3"), 5000);
        PL_GOOD(output);
        QCOMPARE(output->text, std::string("out\nerr\n"));
        QCOMPARE(output->status.code, 3);
        const auto much = os::runToEnd(shell("head -c 3000000 /dev/zero"), 5000);
        PL_GOOD(much);
        QCOMPARE(much->text.size(), size_t(1) << 20);
        const auto slow = os::runToEnd(shell("sleep 60"), 50);
        PL_GOOD(slow);
        QCOMPARE(slow->status.toString(), std::string("signal 9 (Killed)"));
        QVERIFY(slow->text.find("killed after 50 ms") != std::string::npos);
    }

    void stopSignalsBecomeAFlag() {
        os::SpawnOptions options;
        options.arguments = {gArgv[0], "--wait-for-stop"};
        TempDir dir;
        options.outputFile = dir.path("log");
        auto process = os::Process::spawn(options);
        PL_GOOD(process);
        QVERIFY(waitFor([&] { return dir.read("log") == "ready\n"; }));
        PL_GOOD(process->signal(SIGTERM));
        QCOMPARE((*process->wait(5000))->toString(), std::string("exit code 3"));
    }

    void aLockHoldsBetweenProcessesAndDiesWithItsHolder() {
        TempDir dir;
        const std::string path = dir.path("lock");
        QVERIFY(!os::FileLock::isHeld(path));
        os::SpawnOptions options;
        options.arguments = {gArgv[0], "--hold-lock", path};
        auto holder = os::Process::spawn(options);
        PL_GOOD(holder);
        QVERIFY(waitFor([&] { return os::FileLock::isHeld(path) && os::FileLock::holderPid(path) == holder->pid(); }));
        const auto refused = os::FileLock::tryAcquire(path);
        QVERIFY(!refused);
        QCOMPARE(int(refused.error().code), int(Code::Busy));
        QVERIFY2(refused.error().message.find("pid " + std::to_string(holder->pid()) + " (base_tst_process") !=
                     std::string::npos,
                 refused.error().message.c_str());
        PL_GOOD(holder->signal(SIGKILL));
        PL_GOOD(holder->wait(5000));
        QVERIFY(!os::FileLock::isHeld(path));
        PL_GOOD(os::FileLock::tryAcquire(path));
    }

    void aLockIsHeldOnceAndReleased() {
        TempDir dir;
        auto lock = os::FileLock::tryAcquire(dir.path("lock"));
        PL_GOOD(lock);
        QVERIFY(os::FileLock::isHeld(dir.path("lock")));
        QCOMPARE(os::FileLock::holderPid(dir.path("lock")), os::currentPid());
        PL_REFUSED(os::FileLock::tryAcquire(dir.path("lock")), "held by pid");
        os::FileLock moved = std::move(*lock);
        QVERIFY(os::FileLock::isHeld(dir.path("lock")));
        moved.release();
        QVERIFY(!os::FileLock::isHeld(dir.path("lock")));
        PL_GOOD(os::FileLock::tryAcquire(dir.path("lock")));
        PL_REFUSED(os::FileLock::tryAcquire(dir.path("none/lock")), "none/lock");
    }

    void askingWhetherALockIsHeldNeverMakesAnotherFail() {
        TempDir dir;
        const std::string path = dir.path("lock");
        dir.write("lock", "");
        auto poller = os::Process::spawn({{gArgv[0], "--poll-lock", path}, {}, {}, {}, {}, true, 0});
        PL_GOOD(poller);
        for (int i = 0; i < 300; ++i)
            PL_GOOD(os::FileLock::tryAcquire(path));
        PL_GOOD(poller->signal(SIGKILL));
        PL_GOOD(poller->wait(5000));
    }

    void childrenKeepAnInheritableLock() {
        TempDir dir;
        auto lock = os::FileLock::tryAcquire(dir.path("lock"), true);
        PL_GOOD(lock);
        auto child = os::Process::spawn(shell("exec sleep 60"));
        PL_GOOD(child);
        lock->release();
        QVERIFY(os::FileLock::isHeld(dir.path("lock")));
        PL_GOOD(child->signalGroup(SIGKILL));
        PL_GOOD(child->wait(5000));
        QVERIFY(!os::FileLock::isHeld(dir.path("lock")));
    }

    void aDamagedLockFileNamesNobody() {
        TempDir dir;
        for (const char* text : {"", "garbage", "-5 host program 1\n", "99999999999 h p 1\n", "1 2\n"}) {
            dir.write("lock", text);
            QCOMPARE(os::FileLock::holderPid(dir.path("lock")), 0);
        }
    }

    void knowsTheMachine() {
        QVERIFY(os::coreCount() >= 1);
        QVERIFY(!os::hostName().empty());
        QVERIFY(os::startTimeOf(os::currentPid()) > 0);
        QCOMPARE(os::startTimeOf(0x7ffffff0), uint64_t(0));
    }
};

int main(int argc, char** argv) {
    gArgc = argc;
    gArgv = argv;
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "--hold-lock") {
        const auto lock = os::FileLock::tryAcquire(argv[2]);
        os::sleepMs(60000);
        return lock ? 0 : 1;
    }
    if (mode == "--poll-lock")
        for (int64_t end = monotonicNs() + 10000000000; monotonicNs() < end;)
            (void)os::FileLock::isHeld(argv[2]);
    if (mode == "--wait-for-stop") {
        os::installStopSignals();
        std::puts("ready");
        std::fflush(stdout);
        return waitFor([] { return os::stopSignalSeen(); }, 10000) ? 3 : 1;
    }
    QCoreApplication app(argc, argv);
    TestProcess test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_process.moc"
