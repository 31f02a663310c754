// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
#include <QtTest>

#include <signal.h>

#include <torch/torch.h>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/base/os/process.h"
#include "core/learn/host/job.h"
#include "core/learn/host/plugin_abi.h"
#include "core/learn/models/decoder.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"
#include "pairlab_build_tag.h"

using namespace pl;

namespace {

const std::string kWorker = PAIRLAB_BUILD_DIR "/bin/pairlab-worker";
const std::string kPlugin = PAIRLAB_BUILD_DIR "/lib/pairlab/plugins/generate_text";
const std::string kTokenizer = PAIRLAB_SOURCE_DIR "/resources/starter/model";

std::string failureText; // what a host recorded
pl_status record(pl_job*, pl_status status, pl_str message) {
    failureText.assign(message.data, message.size);
    return status;
}
Status throwsBadAlloc(learn::Job&) { throw std::bad_alloc(); }
Status throwsTorch(learn::Job&) {
    (void)torch::mm(torch::ones({2, 3}), torch::ones({2, 3}));
    return {};
}
Status throwsTooLarge(learn::Job&) {
    (void)torch::empty({int64_t{1} << 55});
    return {};
}
Status throwsInt(learn::Job&) { throw 7; }
Status isCancelled(learn::Job&) { return fail(Code::Cancelled, "stopped by the user"); }
Status diverges(learn::Job&) { return fail(Code::Diverged, "the loss is NaN"); }
Status succeeds(learn::Job&) { return {}; }

} // namespace

class TestWorker : public QObject {
    Q_OBJECT
    std::string m_dir, m_model;
    int m_count = 0;

    RunSpec spec() const {
        RunSpec s;
        s.uuid = newUuid();
        s.plugin = "generate_text";
        s.pluginVersion = "1.0.0";
        s.pluginDir = kPlugin;
        s.buildTag = PAIRLAB_BUILD_TAG;
        s.parameters = {{"n", 2}, {"max_new_tokens", 12}};
        s.models = {{"policy", m_model, modelHash(m_model).value(), "start"}};
        s.seed = 7;
        s.threads = 1;
        return s;
    }
    /// A bundle with a few prompts; returns its folder.
    std::string bundle(RunSpec s, int prompts = 3) {
        s.name = fmt::format("{:04}-generate", ++m_count);
        std::string text;
        for (int i = 0; i < prompts; ++i)
            text += dumpJson({{"id", fmt::format("p{}", i)}, {"prompt", fmt::format("Say {} kind words.", i)}, {"split", "train"}}) + "\n";
        if (!s.data.count("prompts.jsonl"))
            s.data["prompts.jsonl"] = sha256Hex(text);
        const std::string dir = os::joinPath(m_dir, s.name);
        auto made = Bundle::create(dir, s);
        if (!made || !os::writeFileAtomic(made->dataPath("prompts.jsonl"), text))
            qFatal("no bundle");
        return dir;
    }
    os::SpawnOptions command(const std::vector<std::string>& arguments, const std::string& output) const {
        os::SpawnOptions options;
        options.arguments = {kWorker};
        options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
        options.environment = {{"XDG_RUNTIME_DIR", os::joinPath(m_dir, "runtime")}, {"OMP_WAIT_POLICY", "passive"}};
        options.outputFile = output;
        return options;
    }
    os::Process start(const std::string& dir) const {
        auto process = os::Process::spawn(command({"run", dir}, os::joinPath(dir, "worker.log")));
        if (!process)
            qFatal("%s", process.error().toString().c_str());
        return std::move(*process);
    }
    static int exitCode(os::Process& process) {
        const auto status = process.wait(60000);
        if (!status || !status->has_value()) {
            (void)process.signalGroup(SIGKILL);
            return -1;
        }
        return (*status)->signalled ? -(*status)->code : (*status)->code;
    }
    int run(const std::string& dir) const {
        auto process = start(dir);
        return exitCode(process);
    }
    static std::vector<Event> events(const std::string& dir, const char* type = nullptr) {
        std::vector<Event> all = readEvents(os::joinPath(dir, "events.jsonl")).value_or(std::vector<Event>());
        if (type)
            std::erase_if(all, [&](const Event& event) { return event.type != type; });
        return all;
    }
    /// Waits until an event of the type is there.
    static bool waitFor(const std::string& dir, const char* type, size_t count = 1) {
        for (int i = 0; i < 300; ++i) {
            if (events(dir, type).size() >= count)
                return true;
            os::sleepMs(50);
        }
        return false;
    }
    static std::map<std::string, std::string> contents(const std::string& dir) {
        std::map<std::string, std::string> result;
        for (const Event& event : events(dir, event::kCandidate))
            result[fmt::format("{}/{}/{}", event.body["prompt_id"].get<std::string>(),
                               event.body["model"]["role"].get<std::string>(), event.body["index"].get<int64_t>())] =
                event.body["content"].get<std::string>();
        return result;
    }
    static Json end(const std::string& dir) {
        const auto all = events(dir);
        return all.empty() || all.back().type != event::kRunEnd ? Json::object() : all.back().body;
    }
    static QString reason(const std::string& dir) { return QString::fromStdString(end(dir).value("reason", std::string("none"))); }
    static QString state(const std::string& dir) { return QString::fromStdString(end(dir).value("state", std::string("none"))); }

private Q_SLOTS:
    void initTestCase() {
        m_dir = os::makeTempDir("worker").value();
        QVERIFY(os::makeDirs(os::joinPath(m_dir, "runtime/pairlab")).has_value());
        learn::ModelConfig config;
        config.vocabSize = text::Tokenizer::load(kTokenizer).value().vocabSize();
        config.hiddenSize = 32;
        config.layers = 1;
        config.heads = config.kvHeads = 2;
        config.headDim = 16;
        config.intermediateSize = 32;
        config.maxPositions = 4096;
        config.tiedEmbeddings = true;
        config.eosTokenIds = {2};
        learn::Decoder model(config);
        model->initialise(1);
        m_model = os::joinPath(m_dir, "model");
        QVERIFY(learn::saveModel(model, m_model, kTokenizer).has_value());
    }
    void cleanupTestCase() { (void)os::removeTree(m_dir); }

    void writesCandidatesAndSaysHowItEnded() {
        const auto dir = bundle(spec());
        QCOMPARE(run(dir), 0);
        const auto all = events(dir);
        QVERIFY(all.front().type == event::kRunStart);
        const Json& started = all.front().body;
        QCOMPARE(started["protocol"].get<int>(), 1);
        QCOMPARE(QString::fromStdString(started["build_tag"].get<std::string>()), QString(PAIRLAB_BUILD_TAG));
        QVERIFY(started["pid"].get<int>() > 0 && started["start_time"].get<uint64_t>() > 0);
        QVERIFY(started["versions"].contains("torch"));
        QCOMPARE(state(dir), QString("finished"));
        const auto candidates = events(dir, event::kCandidate);
        QCOMPARE(candidates.size(), size_t{6});
        for (const Event& event : candidates) {
            const Json& c = event.body;
            QVERIFY(text::isValidUtf8(c["content"].get<std::string>()));
            QVERIFY(c["prompt"].get<std::string>().starts_with("Say "));
            QCOMPARE(QString::fromStdString(c["model"]["hash"].get<std::string>()), QString::fromStdString(modelHash(m_model).value()));
            QCOMPARE(c["params"]["max_new_tokens"].get<int>(), 12);
            QVERIFY(c["tokens"].get<int>() >= 1 && c["tokens"].get<int>() <= 12);
            QVERIFY(c["finished"].get<bool>() || c["tokens"].get<int>() == 12);
            QVERIFY(c["logp"].get<double>() < 0);
        }
        QCOMPARE(contents(dir).size(), size_t{6}); // every prompt and index once
        QVERIFY(inspectRun(dir).state == RunState::Finished);
        QCOMPARE(events(dir, event::kMetrics).size(), size_t{1});
        const Json values = events(dir, event::kMetrics)[0].body["values"];
        const auto config = learn::loadModel(m_model, torch::kCPU)->config;
        const double tokens = values["num_tokens"].get<double>(); // the last token of an answer is not read
        QVERIFY(values["total_flos"].get<double>() > config.forwardFlops(tokens - 6, 1, tokens));

        const auto again = bundle(spec());
        QCOMPARE(run(again), 0);
        QVERIFY(contents(again) == contents(dir));
        auto other = spec();
        other.seed = 8;
        const auto third = bundle(other);
        QCOMPARE(run(third), 0);
        QVERIFY(contents(third) != contents(dir));
    }

    void severalModelsWriteDifferentAnswers() {
        auto s = spec();
        s.models.push_back({"policy_2", m_model, "", "copy"});
        const auto dir = bundle(s);
        QCOMPARE(run(dir), 0);
        const auto all = contents(dir);
        QCOMPARE(all.size(), size_t{12});
        QVERIFY(all.at("p0/policy/0") != all.at("p0/policy_2/0"));
    }

    void aSecondWorkerFindsTheRunBusy() {
        const auto dir = bundle(spec());
        const auto lock = os::FileLock::tryAcquire(os::joinPath(dir, "lock"));
        QVERIFY(lock.has_value());
        QCOMPARE(run(dir), 4);
        QVERIFY(events(dir).empty());
    }

    void refusesAPluginOfAnotherBuild() {
        const auto plugin = os::joinPath(m_dir, "other_build");
        QVERIFY(os::copyTree(kPlugin, plugin).has_value());
        Json manifest = readJsonFile(plugin + "/manifest.json").value();
        manifest["build_tag"] = "torch=1.0;learn=old";
        QVERIFY(os::writeFileAtomic(plugin + "/manifest.json", dumpJson(manifest)).has_value());
        auto s = spec();
        s.pluginDir = plugin;
        const auto dir = bundle(s);
        QCOMPARE(run(dir), 10);
        QCOMPARE(state(dir), QString("failed"));
        QVERIFY2(reason(dir).contains("torch=1.0;learn=old") && reason(dir).contains(PAIRLAB_BUILD_TAG), qPrintable(reason(dir)));
    }

    void refusesBadRuns_data() {
        QTest::addColumn<QString>("what");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("says");
        QTest::newRow("unknown parameter") << "parameter" << 10 << "temperatur";
        QTest::newRow("parameter out of range") << "range" << 10 << "temperature";
        QTest::newRow("no model") << "no model" << 10 << "policy";
        QTest::newRow("role nobody knows") << "role" << 10 << "policy_9";
        QTest::newRow("model folder gone") << "gone" << 10 << "nowhere";
        QTest::newRow("model changed") << "changed" << 11 << "changed";
        QTest::newRow("data changed") << "data" << 11 << "prompts.jsonl";
        QTest::newRow("no such device") << "device" << 10 << "cuda:99";
        QTest::newRow("plugin of another id") << "id" << 10 << "sft";
        QTest::newRow("no plugin folder") << "folder" << 10 << "nowhere";
        QTest::newRow("no library") << "library" << 10 << ".so";
        QTest::newRow("library is no library") << "garbage" << 10 << "could not be loaded";
        QTest::newRow("no prompts") << "empty" << 10 << "no prompts";
        QTest::newRow("every prompt too long") << "long" << 10 << "too long";
    }
    void refusesBadRuns() {
        QFETCH(QString, what);
        QFETCH(int, code);
        QFETCH(QString, says);
        auto s = spec();
        if (what == "parameter")
            s.parameters["temperatur"] = 1;
        if (what == "range")
            s.parameters["temperature"] = -1;
        if (what == "no model")
            s.models.clear();
        if (what == "role")
            s.models.push_back({"policy_9", m_model, "", ""});
        if (what == "gone")
            s.models[0].path = os::joinPath(m_dir, "nowhere");
        if (what == "changed")
            s.models[0].hash = std::string(64, 'a');
        if (what == "data")
            s.data["prompts.jsonl"] = std::string(64, 'a');
        if (what == "device")
            s.device = "cuda:99";
        if (what == "id")
            s.plugin = "sft";
        if (what == "folder")
            s.pluginDir = os::joinPath(m_dir, "nowhere");
        if (what == "long")
            s.parameters["max_new_tokens"] = 4090;
        if (what == "library" || what == "garbage") {
            s.pluginDir = os::joinPath(m_dir, what.toStdString());
            QVERIFY(os::makeDirs(s.pluginDir).has_value());
            QVERIFY(os::copyFile(kPlugin + "/manifest.json", s.pluginDir + "/manifest.json").has_value());
            if (what == "garbage")
                QVERIFY(os::writeFileAtomic(s.pluginDir + "/libpairlab_generate_text.so", "not ELF").has_value());
        }
        const auto dir = bundle(s, what == "empty" ? 0 : 3);
        const int actual = run(dir);
        QVERIFY2(actual == code, qPrintable(QString("exit code %1, %2").arg(actual).arg(reason(dir))));
        QCOMPARE(state(dir), QString("failed"));
        QVERIFY2(reason(dir).contains(says), qPrintable(reason(dir)));
    }

    void refusesABundleThatIsNone() {
        QCOMPARE(run(m_dir), exitCodeOf(Bundle::open(m_dir).error().code));
        const auto dir = bundle(spec());
        QVERIFY(os::writeFileAtomic(os::joinPath(dir, "run.json"), "{\"version\": 1, \"plu").has_value());
        QVERIFY(run(dir) == 10 || run(dir) == 11);
        QVERIFY(events(dir).empty());
    }

    void waitsForTheDeviceAndCanBeStoppedMeanwhile() {
        auto lock = os::FileLock::tryAcquire(os::joinPath(m_dir, "runtime/pairlab/device-cpu.lock"));
        QVERIFY2(lock.has_value(), lock ? "" : lock.error().toString().c_str());
        const auto dir = bundle(spec());
        auto process = start(dir);
        QVERIFY(waitFor(dir, event::kProgress));
        QVERIFY(events(dir, event::kProgress)[0].body["text"] == "waiting for the device");
        const auto id = sendControl(dir, "stop");
        QVERIFY(id.has_value());
        QCOMPARE(exitCode(process), 3);
        QCOMPARE(state(dir), QString("stopped"));
        QVERIFY(events(dir, event::kAck)[0].body["id"] == *id);
        QVERIFY(events(dir, event::kCandidate).empty());
        // The device is free again: the same run goes on, and the answered wish is not obeyed a second time.
        lock->release();
        QCOMPARE(run(dir), 0);
        QCOMPARE(contents(dir).size(), size_t{6});
    }

    void pausedRunsGoOnToTheSameResult_data() {
        QTest::addColumn<QString>("how");
        for (const char* how : {"pause", "stop", "SIGTERM", "SIGKILL"})
            QTest::newRow(how) << how;
    }
    void pausedRunsGoOnToTheSameResult() {
        QFETCH(QString, how);
        auto s = spec();
        s.parameters = {{"n", 8}, {"max_new_tokens", 300}, {"batch_size", 4}};
        static std::map<std::string, std::string> whole;
        if (whole.empty()) {
            const auto dir = bundle(s, 10);
            QCOMPARE(run(dir), 0);
            whole = contents(dir);
            QCOMPARE(whole.size(), size_t{80});
        }
        const auto dir = bundle(s, 10);
        auto process = start(dir);
        QVERIFY(waitFor(dir, event::kCandidate, 4));
        if (how == "SIGTERM")
            QVERIFY(process.signal(SIGTERM).has_value());
        else if (how == "SIGKILL")
            QVERIFY(process.signal(SIGKILL).has_value());
        else
            QVERIFY(sendControl(dir, how.toStdString()).has_value());
        QCOMPARE(exitCode(process), how == "SIGKILL" ? -SIGKILL : 3);
        const auto ending = inspectRun(dir);
        QVERIFY(ending.state == (how == "pause" ? RunState::Paused : how == "SIGKILL" ? RunState::Failed : RunState::Stopped));
        if (how == "SIGTERM")
            QCOMPARE(reason(dir), QString("SIGTERM"));
        const size_t before = events(dir, event::kCandidate).size();
        QVERIFY2(before < 80, "it finished before it was asked to leave");
        QCOMPARE(run(dir), 0);
        QCOMPARE(events(dir, event::kCandidate).size(), size_t{80}); // none twice
        QVERIFY(contents(dir) == whole);
    }

    void residentJobAnswersRequestsAndLeavesWhenIdle() {
        auto s = spec();
        s.resident = true;
        s.parameters = {{"idle_s", 2}};
        s.models.push_back({"policy_2", m_model, "", "copy"});
        const auto dir = bundle(s);
        // It shares the processor: a held device does not keep it from answering.
        const auto lock = os::FileLock::tryAcquire(os::joinPath(m_dir, "runtime/pairlab/device-cpu.lock"));
        QVERIFY(lock.has_value());
        auto process = start(dir);
        const Json good{{"prompt", "Hello"}, {"n", 2}, {"max_new_tokens", 8}, {"seed", 5}, {"models", {"policy_2"}}};
        const auto first = sendControl(dir, "request", good), second = sendControl(dir, "request", good);
        const auto bad = sendControl(dir, "request", {{"prompt", "Hello"}, {"models", {"judge"}}});
        QVERIFY(waitFor(dir, event::kAck, 3));
        std::map<std::string, Json> acks;
        for (const Event& event : events(dir, event::kAck))
            acks[event.body["id"].get<std::string>()] = event.body;
        QVERIFY(acks.at(*first)["ok"].get<bool>());
        const Json candidates = acks.at(*first)["payload"]["candidates"];
        QCOMPARE(candidates.size(), size_t{2});
        QVERIFY(candidates[0]["model"]["role"] == "policy_2");
        QVERIFY(candidates[0]["content"] != candidates[1]["content"]);
        QVERIFY(candidates == acks.at(*second)["payload"]["candidates"]);
        QVERIFY(!acks.at(*bad)["ok"].get<bool>());
        QVERIFY(acks.at(*bad)["text"].get<std::string>().find("judge") != std::string::npos);
        QCOMPARE(exitCode(process), 0);
        QCOMPARE(state(dir), QString("finished"));
    }

    void otherVerbsWork() {
        const std::string out = os::joinPath(m_dir, "out");
        const auto call = [&](std::vector<std::string> arguments) {
            (void)os::removeTree(out);
            auto process = os::Process::spawn(command(arguments, out));
            return process ? exitCode(*process) : -1;
        };
        const auto output = [&] { return os::readFile(out).value_or(""); };
        QCOMPARE(call({}), 2);
        QCOMPARE(call({"fly"}), 2);
        QCOMPARE(call({"--help"}), 0);
        QCOMPARE(call({"selftest"}), 0);
        QVERIFY(output().find("ok\n") != std::string::npos);
        QCOMPARE(call({"describe", kPlugin}), 0);
        QVERIFY(output().find("\"loads\": true") != std::string::npos);
        QCOMPARE(call({"describe", "generate_text"}), 0);
        QCOMPARE(call({"describe", "nothing"}), 10);

        const std::string golden = PAIRLAB_SOURCE_DIR "/tests/golden/llama/base";
        const std::string ids = os::joinPath(m_dir, "ids.jsonl");
        QVERIFY(os::writeFileAtomic(ids, "{\"ids\":[1,14,38,15,8,49,69,54,42,67,80,24]}\n").has_value());
        QCOMPARE(call({"logprobs", golden, "--ids", ids}), 0);
        const Json row = parseJson(output(), "output").value();
        const double expected = readJsonFile(golden + "/expected.json").value()["sequence_logps"][0].get<double>();
        QVERIFY(std::abs(row["sum"].get<double>() - expected) < 1e-3);
        QCOMPARE(row["logps"].size(), size_t{11});
        QVERIFY(os::writeFileAtomic(ids, "{\"ids\":[1,97]}\n").has_value());
        QCOMPARE(call({"logprobs", golden, "--ids", ids}), 10);

        const std::string prompts = os::joinPath(m_dir, "prompts.jsonl");
        QVERIFY(os::writeFileAtomic(prompts, "{\"prompt\":\"Hi\"}\n{\"ids\":[5,6]}\n").has_value());
        QCOMPARE(call({"sample", m_model, "--prompts", prompts, "--n", "2", "--max-new-tokens", "5"}), 0);
        const std::string text = output();
        QCOMPARE(std::count(text.begin(), text.end(), '\n'), 4);
    }

    void mergesPeftsAdapterIntoANewFolder() {
        const std::string golden = PAIRLAB_SOURCE_DIR "/tests/golden/", base = golden + "families/qwen2", adapter = golden + "adapters/qwen2_all",
                          out = os::joinPath(m_dir, "merged");
        const auto call = [&](std::vector<std::string> arguments) {
            auto process = os::Process::spawn(command(arguments, os::joinPath(m_dir, "merge.log")));
            return process ? exitCode(*process) : -1;
        };
        QCOMPARE(call({"merge", base, "--adapter", adapter, "--out", out}), 0);
        const auto model = learn::loadModel(out, torch::kCPU);
        QVERIFY(model.has_value());
        const auto expected = learn::readSafetensors(adapter + "/expected.safetensors").value();
        const std::string name = "model.layers.0.self_attn.q_proj.weight";
        QVERIFY((*model->model->named_parameters().find(name) - expected.at("merged." + name)).abs().max().item<float>() < 1e-6);
        QCOMPARE(call({"merge", base, "--adapter", adapter, "--out", out}), 10); // is there already
        QCOMPARE(call({"merge", golden + "families/gpt2", "--adapter", adapter, "--out", out + "2"}), 10);
        QVERIFY(!os::exists(out + "2"));
    }

    void exceptionsBecomeStatuses() {
        RunSpec s = spec();
        const auto dir = bundle(s);
        learn::Job job(Bundle::open(dir).value(), EventWriter::open(dir).value());
        pl_host host{sizeof(pl_host), PL_ABI_MAJOR, nullptr, &record, &job};
        const auto status = [&](learn::PluginFunction f) {
            failureText.clear();
            return learn::runGuarded("run", f, &host, nullptr);
        };
        QCOMPARE(status(&succeeds), 0);
        QCOMPARE(status(&throwsBadAlloc), 12);
        QCOMPARE(status(&throwsTooLarge), 12);
        QCOMPARE(status(&throwsTorch), 70);
        QVERIFY(failureText.find("mat1") != std::string::npos);
        QCOMPARE(status(&throwsInt), 70);
        QCOMPARE(status(&isCancelled), 3);
        QCOMPARE(status(&diverges), 13);
        QVERIFY(failureText.find("the loss is NaN") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestWorker)
#include "tst_worker.moc"
