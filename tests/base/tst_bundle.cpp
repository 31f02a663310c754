// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/hash.h"
#include "core/base/os/lock.h"
#include "core/base/os/process.h"
#include "tests/base/check.h"

using namespace pl;

namespace {

const std::string kHash(64, 'a');

RunSpec spec() {
    RunSpec run;
    run.plugin = "dpo";
    run.pluginVersion = "1.0.0";
    run.pluginDir = "/plugins/dpo";
    run.buildTag = "torch=2.13";
    run.parameters = {{"beta", 0.1}, {"steps", 20}};
    run.models = {{"policy", "/models/start", kHash, "start"}};
    run.device = "cuda:1";
    run.seed = 18446744073709551615ULL;
    run.threads = 2;
    run.datasetHash = kHash;
    run.data = {{"train.jsonl", kHash}};
    run.resident = true;
    run.conventions = {{"loss", "mean over rows"}};
    return run;
}

void append(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::app | std::ios::binary) << bytes;
}

std::string eventLine(int seq, const std::string& type, const std::string& more = {}) {
    return "{\"seq\":" + std::to_string(seq) + ",\"t\":1,\"type\":\"" + type + "\"" + more + "}\n";
}

const std::string kStart = eventLine(1, "run.start");
const std::string kFinished = eventLine(2, "run.end", R"(,"state":"finished","reason":"all steps done")");
const std::string kPaused = eventLine(2, "run.end", R"(,"state":"stopped","reason":"paused")");
const std::string kStopped = eventLine(2, "run.end", R"(,"state":"stopped","reason":"asked to stop")");

} // namespace

class TestBundle : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void opensWhatItCreated() {
        TempDir dir;
        const auto made = Bundle::create(dir.path("runs/0001-dpo"), spec());
        PL_GOOD(made);
        for (const char* name : {"data", "checkpoints", "samples"})
            QVERIFY(os::isDir(dir.path(std::string("runs/0001-dpo/") + name)));
        const auto opened = Bundle::open(dir.path("runs/0001-dpo"));
        PL_GOOD(opened);
        QCOMPARE(dumpJson(opened->spec().toJson()), dumpJson(made->spec().toJson()));
        QCOMPARE(opened->spec().seed, 18446744073709551615ULL);
        QCOMPARE(opened->spec().name, std::string("0001-dpo"));
        QVERIFY(!opened->spec().uuid.empty());
        QVERIFY(opened->spec().createdMs > 0);
        QCOMPARE(opened->spec().model("policy")->name, std::string("start"));
        QVERIFY(!opened->spec().model("reference"));
        QCOMPARE(opened->dataPath("train.jsonl"), dir.path("runs/0001-dpo/data/train.jsonl"));
        PL_REFUSED(Bundle::create(dir.path("runs/0001-dpo"), spec()), "exists already");
        PL_REFUSED(Bundle::open(dir.path("runs")), "not a run bundle");
        RunSpec bad = spec();
        bad.device = "tpu";
        PL_REFUSED(Bundle::create(dir.path("runs/0002"), bad), "device");
        QVERIFY(!os::exists(dir.path("runs/0002")));
    }

    void refusesMutatedRunFiles_data() {
        QTest::addColumn<QByteArray>("pointer");
        QTest::addColumn<QByteArray>("value");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char* pointer, const char* value, const char* says) {
            QTest::addRow("%s = %s", pointer, value) << QByteArray(pointer) << QByteArray(value) << QByteArray(says);
        };
        row("/bundle_version", "2", "Use a newer PairLab");
        row("/bundle_version", "0", "bundle_version");
        row("/bundle_version", "\"1\"", "bundle_version");
        row("/bundle_version", "null", "bundle_version");
        row("/uuid", "\"\"", "uuid");
        row("/uuid", "7", "uuid");
        row("/name", "\"../x\"", "name");
        row("/name", "\"\"", "name");
        row("/name", "\".hidden\"", "name");
        row("/plugin", "\"dpo\"", "plugin");
        row("/plugin/id", "\"../dpo\"", "not a plugin id");
        row("/plugin/id", "\"DPO x\"", "not a plugin id");
        row("/plugin/id", "\"\"", "not a plugin id");
        row("/parameters", "[]", "parameters");
        row("/conventions", "3", "conventions");
        row("/models", "{}", "models");
        row("/models/0/role", "\"\"", "role");
        row("/models/0/path", "\"models/start\"", "absolute path");
        row("/models/0/path", "\"\"", "absolute path");
        row("/models/0/hash", "\"abc\"", "SHA-256");
        row("/models/1", R"({"role":"policy","path":"/x"})", "two models");
        row("/device", "\"tpu\"", "device");
        row("/device", "\"cuda:\"", "device");
        row("/device", "\"cuda:-1\"", "device");
        row("/device", "\"cpu; rm\"", "device");
        row("/seed", "-1", "seed");
        row("/seed", "1.5", "seed");
        row("/seed", "1e30", "seed");
        row("/threads", "-1", "threads");
        row("/threads", "1000000", "threads");
        row("/data", "[]", "data");
        row("/data/train.jsonl", "\"\"", "SHA-256");
        row("/data/train.jsonl", "5", "SHA-256");
        row("/data/..~1..~1etc~1passwd", "\"x\"", "plain file name");
        row("/resident", "1", "resident");
        row("/created_ms", "\"now\"", "created_ms");
    }
    void refusesMutatedRunFiles() {
        QFETCH(QByteArray, pointer);
        QFETCH(QByteArray, value);
        QFETCH(QByteArray, says);
        TempDir dir;
        auto made = Bundle::create(dir.path("run"), spec());
        PL_GOOD(made);
        Json json = made->spec().toJson();
        json[Json::json_pointer(pointer.toStdString())] = *parseJson(value.toStdString(), "value");
        dir.write("run/run.json", dumpJson(json));
        PL_REFUSED(Bundle::open(dir.path("run")), says.toStdString());
        PL_REFUSED(Bundle::open(dir.path("run")), dir.path("run/run.json"));
    }

    void refusesRunFilesCutAnywhere() {
        TempDir dir;
        PL_GOOD(Bundle::create(dir.path("run"), spec()));
        const std::string whole = dir.read("run/run.json");
        for (size_t size = 0; size + 2 < whole.size(); size += 7) {
            QVERIFY(!parseJson(std::string_view(whole).substr(0, size), "x"));
        }
    }

    void wishesArriveOnceAndInOrder() {
        TempDir dir;
        uint64_t offset = 0;
        QVERIFY(readControl(dir.path(), offset)->empty());
        const auto a = sendControl(dir.path(), "checkpoint");
        const auto b = sendControl(dir.path(), "request", {{"prompt", "hi\nthere"}});
        PL_GOOD(a);
        PL_GOOD(b);
        append(dir.path("control.jsonl"), "garbage\n[1]\n{\"id\":\"\",\"type\":\"stop\"}\n{\"id\":5,\"type\":\"stop\"}\n"
                                          "{\"id\":\"x\",\"type\":\"stop\",\"payload\":3}\n{\"id\":\"y\",\"ty");
        auto wishes = readControl(dir.path(), offset);
        QCOMPARE(wishes->size(), size_t(2));
        QCOMPARE((*wishes)[0].id, *a);
        QCOMPARE((*wishes)[1].type, std::string("request"));
        QCOMPARE((*wishes)[1].payload["prompt"].get<std::string>(), std::string("hi\nthere"));
        append(dir.path("control.jsonl"), "pe\":\"stop\"}\n");
        wishes = readControl(dir.path(), offset);
        QCOMPARE(wishes->size(), size_t(1));
        QCOMPARE((*wishes)[0].id, std::string("y"));
        QVERIFY(readControl(dir.path(), offset)->empty());
        PL_REFUSED(sendControl(dir.path(), "explode"), "explode");
        PL_REFUSED(sendControl(dir.path("none"), "stop"), "none");
    }

    void saysHowARunEnded_data() {
        QTest::addColumn<QByteArray>("events");
        QTest::addColumn<QByteArray>("state");
        QTest::addColumn<QByteArray>("reason");
        const auto row = [](const char* name, const std::string& events, const char* state, const char* reason) {
            QTest::newRow(name) << QByteArray::fromStdString(events) << QByteArray(state) << QByteArray(reason);
        };
        const char* silent = "the worker ended without saying so";
        row("nothing yet", "", "queued", "");
        row("finished", kStart + kFinished, "finished", "all steps done");
        row("stopped", kStart + kStopped, "stopped", "asked to stop");
        row("paused", kStart + kPaused, "paused", "paused");
        row("failed", kStart + eventLine(2, "run.end", R"(,"state":"failed","reason":"NaN")"), "failed", "NaN");
        row("died", kStart, "failed", silent);
        row("died after a resume", kStart + kPaused + eventLine(3, "run.start"), "failed", silent);
        row("finished after a resume", kStart + kPaused + eventLine(3, "run.start") + kFinished, "finished", "all steps done");
        row("an end that is torn", kStart + kFinished.substr(0, kFinished.size() - 1), "failed", silent);
        row("a log line after the end", kStart + kFinished + eventLine(3, "log"), "finished", "all steps done");
        row("a sample that speaks of run.end", kStart + eventLine(2, "sample", R"(,"response":"run.end state finished")"),
            "failed", silent);
        row("a state of the future", kStart + eventLine(2, "run.end", R"(,"state":"evaporated")"), "failed", "evaporated");
        row("a reason that is no text", kStart + eventLine(2, "run.end", R"(,"state":"finished","reason":7)"), "finished", "");
        std::string much;
        for (int i = 0; i < 20000; ++i)
            much += eventLine(i, "metrics", R"(,"values":{"loss":0.5})");
        row("an end behind much", kStart + much + kStopped, "stopped", "asked to stop");
        row("much and no end", kStart + much, "failed", silent);
        row("an end before much of a resumed run", kFinished + kStart + much, "failed", silent);
        row("a line longer than the window", kStart + eventLine(2, "log", ",\"x\":\"" + std::string(600000, 'x') + "\"") ,
            "failed", silent);
    }
    void saysHowARunEnded() {
        QFETCH(QByteArray, events);
        QFETCH(QByteArray, state);
        QFETCH(QByteArray, reason);
        TempDir dir;
        if (!events.isEmpty())
            dir.write("events.jsonl", events.toStdString());
        const RunEnding ending = inspectRun(dir.path());
        QCOMPARE(QByteArray(runStateName(ending.state)), state);
        if (reason.isEmpty())
            QCOMPARE(ending.reason, std::string());
        else
            QVERIFY2(ending.reason.find(reason.toStdString()) != std::string::npos, ending.reason.c_str());
    }

    void aHeldLockMeansRunningAndADeadWorkerMeansFailed() {
        TempDir dir;
        dir.write("events.jsonl", kStart + kPaused + eventLine(3, "run.start"));
        {
            const auto lock = os::FileLock::tryAcquire(dir.path("lock"));
            PL_GOOD(lock);
            QCOMPARE(inspectRun(dir.path()).state, RunState::Running);
        }
        const RunEnding dead = inspectRun(dir.path(), "signal 9 (Killed)");
        QCOMPARE(dead.state, RunState::Failed);
        QCOMPARE(dead.reason, std::string("the worker ended without saying so (signal 9 (Killed))"));
    }

    void aWorkerThatNeverReportedHasFailed() {
        TempDir dir;
        std::string log;
        for (int i = 0; i < 100; ++i)
            log += "line " + std::to_string(i) + "\n";
        dir.write("worker.log", log + "cannot open libx.so");
        const RunEnding ending = inspectRun(dir.path());
        QCOMPARE(ending.state, RunState::Failed);
        QCOMPARE(ending.logTail.size(), size_t(20));
        QCOMPARE(ending.logTail.back(), std::string("cannot open libx.so"));
        TempDir other;
        QCOMPARE(inspectRun(other.path(), "exit code 127").state, RunState::Failed);
        QCOMPARE(*runStateOf("paused"), RunState::Paused);
        PL_REFUSED(runStateOf("asleep"), "asleep");
    }

    /// The worker takes the lock only after loading: until then the process the desk noted speaks for it.
    void aLivingWorkerThatHasNotReportedIsStarting() {
        TempDir dir;
        dir.write("worker.log", "");
        const auto note = [&](uint64_t startTime, int64_t launchedMs) {
            dir.write("desk.json", dumpJson({{"pid", os::currentPid()}, {"start_time", startTime}, {"launched_ms", launchedMs}}));
        };
        const uint64_t mine = os::startTimeOf(os::currentPid());
        note(mine, nowMs());
        QCOMPARE(inspectRun(dir.path()).state, RunState::Running);
        QCOMPARE(inspectRun(dir.path()).reason, std::string("starting"));
        note(mine + 1, nowMs()); // the number is somebody else's by now
        QCOMPARE(inspectRun(dir.path()).state, RunState::Failed);
        dir.write("events.jsonl", kStart + kPaused);
        note(mine, nowMs()); // started again after that end
        QCOMPARE(inspectRun(dir.path()).state, RunState::Running);
        note(mine, 0); // the end is this worker's own: it is only closing
        QCOMPARE(inspectRun(dir.path()).state, RunState::Paused);
        for (const char* text : {"[]", "{", R"({"pid":"1"})", R"({"pid":-1,"start_time":1})"}) {
            dir.write("desk.json", text);
            QCOMPARE(inspectRun(dir.path()).state, RunState::Paused);
        }
    }

    void onlyCompleteCheckpointsCount() {
        TempDir dir;
        const auto make = [&](const std::string& name, int64_t step) {
            PL_GOOD(os::makeDirs(dir.path("checkpoints/" + name + "/adapter")));
            dir.write("checkpoints/" + name + "/model.safetensors", name);
            dir.write("checkpoints/" + name + "/adapter/a.bin", "x");
            PL_GOOD(writeDone(dir.path("checkpoints/" + name), step, {{"best", step == 20}, {"metric", 0.5}}));
        };
        QVERIFY(newestCheckpoint(dir.path()).empty());
        make("step-000020", 20);
        make("step-000100", 100);
        make("step-1000000", 1000000);
        make("notes", 7);
        PL_GOOD(os::makeDirs(dir.path("checkpoints/step-2000000")));
        dir.write("checkpoints/step-2000000/model.safetensors", "half");
        using List = std::vector<std::pair<int64_t, std::string>>;
        QCOMPARE(completeCheckpoints(dir.path()),
                 (List{{20, "step-000020"}, {100, "step-000100"}, {1000000, "step-1000000"}}));
        QCOMPARE(newestCheckpoint(dir.path()), std::string("checkpoints/step-1000000"));
        const auto done = verifyCheckpoint(dir.path("checkpoints/step-000020"));
        PL_GOOD(done);
        QCOMPARE((*done)["step"].get<int>(), 20);
        QCOMPARE((*done)["best"].get<bool>(), true);
        QCOMPARE((*done)["files"].size(), size_t(2));

        dir.write("checkpoints/step-1000000/adapter/a.bin", "y"); // one byte, same size
        PL_REFUSED(verifyCheckpoint(dir.path("checkpoints/step-1000000")), "adapter/a.bin differs");
        // Weights that are not those that were saved are no model.
        PL_GOOD(modelHash(dir.path("checkpoints/step-000020")));
        dir.write("checkpoints/step-000020/model.safetensors", "step-000021");
        PL_REFUSED(modelHash(dir.path("checkpoints/step-000020")), "model.safetensors differs");
        dir.write("checkpoints/step-000020/model.safetensors", "step-000020");
        QCOMPARE(newestCheckpoint(dir.path()), std::string("checkpoints/step-000100"));
        PL_GOOD(os::removeTree(dir.path("checkpoints/step-000100/model.safetensors")));
        PL_REFUSED(verifyCheckpoint(dir.path("checkpoints/step-000100")), "lacks model.safetensors");
        QCOMPARE(newestCheckpoint(dir.path()), std::string("checkpoints/step-000020"));
        PL_REFUSED(verifyCheckpoint(dir.path("checkpoints/step-2000000")), "no DONE");
        QCOMPARE(inspectRun(dir.path()).lastCheckpoint, std::string("checkpoints/step-1000000"));
    }

    void refusesDamagedDoneFiles() {
        TempDir dir;
        dir.write("secret", "x");
        PL_GOOD(os::makeDirs(dir.path("checkpoints/step-000001")));
        const std::string where = dir.path("checkpoints/step-000001");
        const auto listing = [](const char* name) { return dumpJson({{"step", 1}, {"files", {{name, kHash}}}}); };
        for (const std::string& text :
             {std::string("{}"), std::string("{"), std::string("[]"), std::string(R"({"step":1})"),
              std::string(R"({"step":"1","files":{}})"), std::string(R"({"step":1,"files":[]})"),
              std::string(R"({"step":1,"files":{"a":"00"}})"), listing("../../secret"), listing("/etc/passwd"),
              listing("")}) {
            dir.write("checkpoints/step-000001/DONE", text);
            QVERIFY2(!verifyCheckpoint(where), text.c_str());
            QVERIFY2(completeCheckpoints(dir.path()).empty(), text.c_str());
        }
    }

    void aModelsHashFollowsItsContent() {
        TempDir dir;
        PL_REFUSED(modelHash(dir.path()), "safetensors");
        PL_REFUSED(modelHash(dir.path("none")), "none");
        dir.write("config.json", "{}");
        dir.write("model.safetensors", "w");
        const auto hash = modelHash(dir.path());
        PL_GOOD(hash);
        QCOMPARE(hash->size(), size_t(64));
        dir.write("README.md", "not part of it");
        QCOMPARE(*modelHash(dir.path()), *hash);
        dir.write("model.safetensors", "v");
        QVERIFY(*modelHash(dir.path()) != *hash);
        dir.write("model.safetensors", "w");
        dir.write("tokenizer.json", "{}");
        QVERIFY(*modelHash(dir.path()) != *hash);
    }
};

QTEST_GUILESS_MAIN(TestBundle)
#include "tst_bundle.moc"
