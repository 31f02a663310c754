// SPDX-License-Identifier: Apache-2.0
// ctest: label=unit processors=1 timeout=180
// The supervisor against a job in another language (tests/plugins/command_example).
#include <QTemporaryDir>
#include <QTest>

#include <csignal>
#include <map>
#include <mutex>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/desk/runs/actions.h"

using namespace pl;
using namespace pl::desk;

namespace {

struct Heard {
    std::mutex mutex;
    std::map<std::string, std::vector<uint64_t>> seqs;
};

SupervisorOptions options() {
    SupervisorOptions o;
    o.pluginFolders = {std::string(PAIRLAB_SOURCE_DIR) + "/tests/plugins"};
    o.pollMs = 20;
    o.quantumMs = 300;
    o.askMs = 500;
    o.termMs = 500;
    return o;
}

RunRequest job(int steps, int stepMs, Json more = Json::object()) {
    RunRequest request;
    request.plugin = "command_example";
    request.parameters = {{"steps", steps}, {"step_ms", stepMs}};
    request.parameters.update(more);
    return request;
}

} // namespace

class TestSupervisor : public QObject {
    Q_OBJECT

    // Every test has its own runtime folder: the device lock is per user.
    QTemporaryDir m_runtime;

    std::unique_ptr<Supervisor> open(const QTemporaryDir& dir, Heard* heard = nullptr) {
        auto made = Supervisor::start(dir.path().toStdString(), options(),
                                      [heard](const RunInfo& info, const std::vector<Event>& events) {
                                          if (!heard)
                                              return;
                                          std::lock_guard guard(heard->mutex);
                                          for (const Event& event : events)
                                              heard->seqs[info.name].push_back(event.seq);
                                      });
        if (!made)
            qFatal("%s", made.error().toString().c_str());
        return std::move(*made);
    }
    static bool until(const std::function<bool()>& condition, int ms = 15000) {
        for (int waited = 0; waited < ms; waited += 20) {
            if (condition())
                return true;
            os::sleepMs(20);
        }
        return condition();
    }

private Q_SLOTS:
    void initTestCase() { qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit()); }

    void runsAJobOfAnotherLanguageToItsEnd() {
        QTemporaryDir dir;
        Heard heard;
        auto supervisor = open(dir, &heard);
        auto name = supervisor->submit(job(20, 1));
        QVERIFY2(name, name ? "" : name.error().toString().c_str());
        auto info = supervisor->waitFor(*name);
        QVERIFY(info);
        QCOMPARE(info->state, RunState::Finished);
        QCOMPARE(info->step, int64_t{20});
        QCOMPARE(info->metrics.at("loss"), 1.0 / 20);
        QVERIFY(until([&] {
            std::lock_guard guard(heard.mutex);
            return heard.seqs[*name].size() == 42; // run.start, 20 metrics, 20 progress, run.end
        }));
        std::lock_guard guard(heard.mutex);
        for (size_t i = 1; i < heard.seqs[*name].size(); ++i)
            QCOMPARE(heard.seqs[*name][i], heard.seqs[*name][i - 1] + 1); // no gap, none twice
    }

    void saysWhatIsAMeanAndWhatASum() {
        QTemporaryDir dir;
        const std::string folder = dir.path().toStdString() + "/plugins/command_example";
        QVERIFY(os::copyTree(std::string(PAIRLAB_SOURCE_DIR) + "/tests/plugins/command_example", folder));
        for (const char* modality : {"text", "image"}) {
            Json manifest = readJsonFile(folder + "/manifest.json").value();
            manifest["needs"]["modalities"] = {modality};
            QVERIFY(os::writeFileAtomic(folder + "/manifest.json", dumpJson(manifest)));
            auto o = options();
            o.pluginFolders = {os::parentDir(folder)};
            auto supervisor = Supervisor::start(dir.path().toStdString(), o, {});
            QVERIFY(supervisor);
            const auto name = (*supervisor)->submit(job(1, 1));
            QVERIFY2(name, name ? "" : name.error().toString().c_str());
            QVERIFY((*supervisor)->waitFor(*name));
            const auto bundle = Bundle::open(dir.path().toStdString() + "/runs/" + *name);
            QVERIFY2(bundle, bundle ? "" : bundle.error().toString().c_str());
            const Json said = bundle->spec().conventions;
            QVERIFY(said.contains("loss") && said.contains("grad_norm"));
            QCOMPARE(said.contains("logps"), std::string(modality) == "text");
            QCOMPARE(said.contains("step_logp") && said.contains("log_ratio"), std::string(modality) == "image");
        }
    }

    void refusesUnknownPluginsAndBadParameters() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        RunRequest unknown;
        unknown.plugin = "nothing";
        QCOMPARE(supervisor->submit(unknown).error().code, Code::NotFound);
        QVERIFY(!supervisor->submit(job(0, 1)));
        QVERIFY(supervisor->runs().empty());
    }

    void aFailedJobShowsItsReasonAndLog() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto name = supervisor->submit(job(20, 1, {{"fail_at", 5}}));
        auto info = supervisor->waitFor(*name);
        QCOMPARE(info->state, RunState::Failed);
        QVERIFY2(info->reason.find("failed at step 5") != std::string::npos, info->reason.c_str());
        QVERIFY(!info->logTail.empty());
        QVERIFY(info->logTail.back().find("planned failure") != std::string::npos);
    }

    void aKilledJobIsFailedWithItsSignalAndResumes() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto name = supervisor->submit(job(100, 10));
        QVERIFY(until([&] { return supervisor->find(*name)->step > 5; }));
        QVERIFY(supervisor->kill(*name));
        auto info = supervisor->waitFor(*name);
        QCOMPARE(info->state, RunState::Failed);
        QVERIFY2(info->reason.find("9") != std::string::npos, info->reason.c_str());
        QVERIFY(supervisor->resume(*name));
        info = supervisor->waitFor(*name);
        QCOMPARE(info->state, RunState::Finished);
        QCOMPARE(info->step, int64_t{100});
    }

    void aPausedJobGivesTheDeviceBackAndGoesOn() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto name = supervisor->submit(job(100, 10));
        QVERIFY(until([&] { return supervisor->find(*name)->step > 3; }));
        QVERIFY(supervisor->pause(*name));
        QVERIFY(until([&] { return supervisor->find(*name)->state == RunState::Paused; }));
        QVERIFY(supervisor->find(*name)->step < 100);
        auto other = supervisor->submit(job(3, 1)); // the device is free
        QCOMPARE(supervisor->waitFor(*other)->state, RunState::Finished);
        QCOMPARE(supervisor->find(*name)->state, RunState::Paused);
        QVERIFY(supervisor->resume(*name));
        QCOMPARE(supervisor->waitFor(*name)->state, RunState::Finished);
    }

    void aShortJobGoesBeforeALongOneWhichContinues() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto slow = supervisor->submit(job(400, 10));
        QVERIFY(until([&] { return supervisor->find(*slow)->step > 3; }));
        RunRequest quick = job(3, 1);
        quick.shortJob = true;
        auto name = supervisor->submit(quick);
        auto done = supervisor->waitFor(*name);
        QCOMPARE(done->state, RunState::Finished);
        QVERIFY(supervisor->find(*slow)->step < 400); // it went before
        QVERIFY(until([&] { return supervisor->find(*slow)->state == RunState::Running; })); // and the long one goes on
        QVERIFY(supervisor->stop(*slow));
        QCOMPARE(supervisor->waitFor(*slow)->state, RunState::Stopped);
    }

    void longJobsWaitForEachOther() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto first = supervisor->submit(job(30, 10));
        auto second = supervisor->submit(job(3, 1));
        QVERIFY(until([&] { return supervisor->find(*first)->state == RunState::Running; }));
        QCOMPARE(supervisor->find(*second)->state, RunState::Queued);
        QCOMPARE(supervisor->waitFor(*second)->state, RunState::Finished);
        QCOMPARE(supervisor->find(*first)->state, RunState::Finished);
    }

    void theStopLadderEndsAJobThatIgnoresEverything() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto name = supervisor->submit(job(100000, 10, {{"ignore_stop", true}}));
        QVERIFY(until([&] { return supervisor->find(*name)->step > 2; }));
        QVERIFY(supervisor->stop(*name));
        auto info = supervisor->waitFor(*name);
        QCOMPARE(info->state, RunState::Failed); // it did not stop, it was killed: said as it is
        QVERIFY2(info->reason.find("9") != std::string::npos, info->reason.c_str());
    }

    void aQueuedJobThatIsStoppedNeverStarts() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto first = supervisor->submit(job(50, 10));
        auto second = supervisor->submit(job(3, 1));
        QVERIFY(supervisor->stop(*second));
        QCOMPARE(supervisor->waitFor(*second)->state, RunState::Stopped);
        QVERIFY(supervisor->stop(*first));
        supervisor->waitFor(*first);
        QVERIFY(!os::exists(supervisor->find(*second)->dir + "/events.jsonl"));
    }

    void aRunOutlivesItsDeskAndIsReattachedWithoutAGap() {
        QTemporaryDir dir;
        std::string name;
        {
            auto supervisor = open(dir);
            name = *supervisor->submit(job(150, 10));
            QVERIFY(until([&] { return supervisor->find(name)->step > 3; }));
        } // the window is closed
        os::sleepMs(200);
        Heard heard;
        auto supervisor = open(dir, &heard);
        QVERIFY(until([&] { return supervisor->find(name)->state == RunState::Running; }));
        QVERIFY(supervisor->find(name)->pid > 0);
        QCOMPARE(supervisor->waitFor(name)->state, RunState::Finished);
        QVERIFY(until([&] {
            std::lock_guard guard(heard.mutex);
            return heard.seqs[name].size() == 302;
        }));
        std::lock_guard guard(heard.mutex);
        for (size_t i = 1; i < heard.seqs[name].size(); ++i)
            QCOMPARE(heard.seqs[name][i], heard.seqs[name][i - 1] + 1);
    }

    void aRunWhoseWorkerIsStillLoadingIsAttached() {
        QTemporaryDir dir;
        const std::string run = dir.path().toStdString() + "/runs/0001-command_example";
        RunSpec spec;
        spec.plugin = "command_example";
        spec.name = "0001-command_example";
        QVERIFY(Bundle::create(run, spec));
        os::SpawnOptions spawn;
        spawn.arguments = {"sleep", "60"};
        auto loading = os::Process::spawn(spawn);
        QVERIFY(loading);
        QVERIFY(os::writeFileAtomic(run + "/worker.log", ""));
        QVERIFY(os::writeFileAtomic(run + "/desk.json", dumpJson({{"want", "run"},
                                                                  {"pid", loading->pid()},
                                                                  {"start_time", loading->startTime()},
                                                                  {"launched_ms", nowMs()}})));
        auto supervisor = open(dir);
        os::sleepMs(100);
        QCOMPARE(supervisor->find(spec.name)->state, RunState::Running);
        QCOMPARE(supervisor->find(spec.name)->pid, loading->pid());
        QVERIFY(loading->signal(SIGKILL));
        QVERIFY(loading->wait(5000));
        QCOMPARE(supervisor->waitFor(spec.name)->state, RunState::Failed);
    }

    void aRunWithUnreadableEventsIsRecordedByALaterLook() {
        QTemporaryDir dir;
        auto project = Project::create(dir.path().toStdString() + "/p", {});
        QVERIFY(project);
        auto made = Supervisor::start(project->dir(), options(), {});
        QVERIFY(made);
        Supervisor& supervisor = **made;
        auto name = supervisor.submit(job(3, 1));
        QVERIFY(name);
        QCOMPARE(supervisor.waitFor(*name)->state, RunState::Finished);
        const std::string events = supervisor.find(*name)->dir + "/events.jsonl";
        QVERIFY(os::renamePath(events, events + ".aside"));
        QVERIFY(os::makeDirs(events)); // exists and cannot be read, even by root
        QVERIFY(catchUp(*project, supervisor));
        QVERIFY(project->findRun(*name)->state != "finished");
        QVERIFY(os::removeTree(events));
        QVERIFY(os::renamePath(events + ".aside", events));
        QVERIFY(catchUp(*project, supervisor));
        QCOMPARE(project->findRun(*name)->state, std::string("finished"));
    }

    void aBrokenBundleIsShownAndHarmsNothing() {
        QTemporaryDir dir;
        const std::string broken = dir.path().toStdString() + "/runs/0007-dpo";
        QVERIFY(os::makeDirs(broken));
        QVERIFY(os::writeFileAtomic(broken + "/run.json", "{\"bundle_version\": 1, "));
        auto supervisor = open(dir);
        QCOMPARE(supervisor->find("0007-dpo")->state, RunState::Failed);
        QVERIFY(supervisor->find("0007-dpo")->reason.find("run.json") != std::string::npos);
        auto name = supervisor->submit(job(2, 1));
        QCOMPARE(*name, std::string("0008-command_example")); // its number is not used again
        QCOMPARE(supervisor->waitFor(*name)->state, RunState::Finished);
    }

    /// tar says 1 where a file grew while it was read: a run that is just ending is packed all the same, one that goes on is refused.
    void aRunThatIsBeingWrittenIsPackedAgain_data() {
        QTest::addColumn<int>("changes");
        QTest::newRow("ends soon") << 2;
        QTest::newRow("goes on") << 99;
    }
    void aRunThatIsBeingWrittenIsPackedAgain() {
        QFETCH(int, changes);
        QTemporaryDir dir;
        auto supervisor = open(dir);
        auto name = supervisor->submit(job(2, 1));
        supervisor->waitFor(*name);
        const std::string at = dir.path().toStdString(), tools = at + "/tools", tar = at + "/run.tar";
        QVERIFY(os::makeDirs(tools));
        QVERIFY(os::writeFileAtomic(tools + "/tar", "#!/bin/sh\necho x >> '" + at + "/calls'\nif [ $(wc -l < '" + at + "/calls') -le " +
                                                        std::to_string(changes) + " ]; then echo 'file changed as we read it'; exit 1; fi\nPATH=/usr/bin:/bin exec tar \"$@\"\n"));
        QVERIFY(QFile::setPermissions(QString::fromStdString(tools + "/tar"), QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner));
        const QByteArray before = qgetenv("PATH");
        qputenv("PATH", QByteArray::fromStdString(tools) + ':' + before);
        const auto packed = packRun(supervisor->find(*name)->dir, tar);
        qputenv("PATH", before);
        if (changes < 5) {
            QVERIFY2(packed.has_value(), packed ? "" : packed.error().toString().c_str());
            QVERIFY(os::exists(tar));
            return;
        }
        QVERIFY(!packed.has_value());
        QVERIFY2(packed.error().toString().find("wait until it has ended, or stop it") != std::string::npos, packed.error().toString().c_str());
    }

    void aPackedRunHoldsItsData() {
        QTemporaryDir dir;
        auto supervisor = open(dir);
        RunRequest request = job(2, 1);
        request.dataTexts["prompts.jsonl"] = "{\"prompt\": \"x\"}\n";
        auto name = supervisor->submit(request);
        supervisor->waitFor(*name);
        const std::string tar = dir.path().toStdString() + "/run.tar";
        auto packed = packRun(supervisor->find(*name)->dir, tar);
        QVERIFY2(packed, packed ? "" : packed.error().toString().c_str());
        os::SpawnOptions list;
        list.arguments = {"tar", "--list", "--file", tar};
        auto out = os::runToEnd(list, 10000);
        QVERIFY(out && out->text.find(*name + "/data/prompts.jsonl") != std::string::npos);
        QVERIFY(out->text.find("/lock\n") == std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestSupervisor)
#include "tst_supervisor.moc"
