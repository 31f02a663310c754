// SPDX-License-Identifier: Apache-2.0
// A run as a folder for TRL: its files, what is refused, and where its losses come from. That TRL gives the same losses is for
// tests/peers/export_trl.
#include <cmath>
#include <fstream>
#include <set>

#include <QFile>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/trl_export.h"
#include "core/desk/store/run_erasure.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {

const std::string kGolden = std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/";

/// The plugins by their manifests in the tree: the learning side need not be built.
const PluginCatalog& catalog() {
    static const QTemporaryDir made;
    static const PluginCatalog all = [] {
        const QDir plugins(QStringLiteral(PAIRLAB_SOURCE_DIR "/plugins"));
        for (const QString& id : plugins.entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
            const QString manifest = plugins.filePath(id + QStringLiteral("/manifest.json"));
            if (!QFile::exists(manifest))
                continue;
            QDir().mkpath(made.filePath(id));
            const int rc = QProcess::execute(QStringLiteral("/usr/bin/cmake"),
                                             {QStringLiteral("-DLOSS_FOLDERS=" PAIRLAB_SOURCE_DIR "/core/learn/objectives/pair"),
                                              QStringLiteral("-DMANIFEST=") + manifest,
                                              QStringLiteral("-DOUT=") + made.filePath(id + QStringLiteral("/manifest.json")),
                                              QStringLiteral("-DPAIRLAB_MANIFEST_BUILD_TAG=test"), QStringLiteral("-P"),
                                              QStringLiteral(PAIRLAB_SOURCE_DIR "/packaging/cmake/PairLosses.cmake")});
            if (rc != 0)
                qFatal("the manifest of %s cannot be made", qPrintable(id));
        }
        return findPlugins({made.path().toStdString()});
    }();
    return all;
}

std::string jsonLines(const Json& rows) {
    std::string out;
    for (const Json& row : rows)
        out += dumpJson(row) + "\n";
    return out;
}

std::vector<Json> linesOf(const std::string& path) {
    std::vector<Json> out;
    must(forEachJsonLine(path, [&](const Json& row, size_t) -> Status {
        out.push_back(row);
        return {};
    }));
    return out;
}

std::string textOf(const std::string& path) {
    return must(os::readFile(path));
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

class TestTrlExport : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    Json m_golden; ///< twenty pairs and the order of fifty steps, as tests/peers made them for TRL
    int m_made = 0;

    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    std::string model() { return path("model"); }

    /// A bundle of the plugin on the golden pairs (or `files`), with a log of `losses` a step.
    Bundle bundle(const std::string& plugin, const Json& given, std::map<std::string, std::string> files = {}, int logged = 12) {
        const Manifest* manifest = catalog().find(plugin);
        if (!manifest)
            qFatal("no plugin %s", plugin.c_str());
        if (files.empty())
            files["train.jsonl"] = jsonLines(m_golden["pairs"]);
        RunSpec spec;
        spec.plugin = plugin;
        spec.pluginVersion = manifest->version;
        spec.pluginDir = manifest->dir;
        spec.buildTag = manifest->buildTag;
        spec.name = "0001-" + plugin;
        spec.parameters = must(manifest->effectiveParameters(given));
        spec.seed = 11;
        spec.models = {{"policy", model(), must(modelHash(model())), "start"}};
        for (const auto& [name, text] : files)
            spec.data[name] = sha256Hex(text);
        const auto out = must(Bundle::create(path("bundle" + std::to_string(++m_made)), spec));
        for (const auto& [name, text] : files)
            must(os::writeFileAtomic(out.dataPath(name), text));
        auto events = must(EventWriter::open(out.dir()));
        for (int step = 1; step <= logged; ++step)
            must(events->metrics(step, 0, 0, {{"loss", lossOf(step)}, {"grad_norm", 1}}));
        return out;
    }
    static double lossOf(int step) { return 0.7 - 0.01 * step; }
    Json pairs(Json first, const Json& more = {}) {
        Json rows = Json::array({std::move(first)});
        for (const Json& row : m_golden["pairs"])
            rows.push_back(row);
        for (const Json& row : more)
            rows.push_back(row);
        return rows;
    }

    /// A worker that logs these losses a step (printf arguments of awk's kind) and does `more` with $2, the bundle.
    std::string worker(const std::string& more = {}, double offset = 0) {
        const std::string file = path("worker" + std::to_string(++m_made));
        std::string text = "#!/bin/sh\nset -e\n";
        text += more;
        for (int step = 1; step <= 12; ++step)
            text += "echo '" +
                    dumpJson({{"seq", step}, {"t", 1}, {"type", "metrics"}, {"step", step}, {"values", {{"loss", lossOf(step) + offset}}}}) +
                    "' >> \"$2/events.jsonl\"\n";
        text += "sleep 60\n"; // it is not waited for
        std::ofstream(file) << text;
        QFile::setPermissions(QString::fromStdString(file), QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        return file;
    }
    TrlScriptOptions to(const std::string& name, const std::string& worker = "/nowhere/pairlab-worker") {
        TrlScriptOptions options;
        options.out = path(name);
        options.rerun.worker = worker;
        return options;
    }

private Q_SLOTS:
    void initTestCase() {
        m_golden = must(readJsonFile(kGolden + "trl_steps/dpo.json"));
        must(os::makeDirs(model()));
        for (const char* file : {"trl/policy/config.json", "trl/policy/model.safetensors", "trl_steps/tokenizer.json", "trl_steps/tokenizer_config.json"})
            must(os::copyFile(kGolden + file, os::joinPath(model(), os::baseName(file))));
    }

    void writesWhatTheRunTrainedOnInItsOrder() {
        const auto run = bundle("dpo", {{"steps", 50}, {"batch_size", 6}, {"beta", 0.25}, {"schedule", "constant"}, {"warmup", 0.1}});
        const auto report = writeTrlScript(run.dir(), catalog(), to("plain"));
        OK(report);
        const auto files = must(os::listDir(path("plain")));
        QCOMPARE(std::set<std::string>(files.begin(), files.end()),
                 (std::set<std::string>{"README.md", "data", "expected_losses.json", "model", "requirements.txt", "train.py"}));
        QCOMPARE(Json(linesOf(path("plain/data/order.jsonl"))), m_golden["order"]);
        const auto rows = linesOf(path("plain/data/train.jsonl"));
        QCOMPARE(rows.size(), size_t{20});
        const Json& first = m_golden["pairs"][0];
        QCOMPARE(rows[0], (Json{{"prompt", "<|im_start|>user\n" + first["prompt"].get<std::string>() + "<|im_end|>\n<|im_start|>assistant\n"},
                                {"chosen", first["chosen"]},
                                {"rejected", first["rejected"]}}));
        const Json expected = must(readJsonFile(path("plain/expected_losses.json")));
        QCOMPARE(expected["losses"].size(), size_t{10});
        QCOMPARE(expected["losses"][9], Json(lossOf(10)));
        QCOMPARE(must(modelHash(path("plain/model"))), run.spec().models[0].hash);
        const auto script = textOf(path("plain/train.py"));
        for (const char* part : {"max_steps=50,", "per_device_train_batch_size=6,", "lr_scheduler_type=\"constant_with_warmup\",", "warmup_steps=5,",
                                 "beta=0.25,", "loss_type=[\"sigmoid\"],", "max_length=None,", "MODEL = HERE / \"model\"", "END = 2  # \"<|im_end|>\"",
                                 "ref_model=load(MODEL),"})
            QVERIFY2(has(script, part), part);
        QVERIFY(!has(script, "compute_loss(self") && !has(script, "@") && !has(script, "null"));
        QVERIFY(has(textOf(path("plain/requirements.txt")), "trl==1.16.0") && !has(textOf(path("plain/requirements.txt")), "peft"));
        QCOMPARE(report->steps, int64_t{50});
        QVERIFY(!report->plan.again && !report->plan.fresh);
    }

    void leavesOutWhatTheRunLeftOut() {
        Json more = Json::array({{{"prompt", "p"}, {"chosen", "same"}, {"rejected", "same"}}, {{"prompt", "p"}, {"chosen", std::string(40, 'x')}, {"rejected", "y"}}});
        const auto run = bundle("dpo", {{"epochs", 2}, {"batch_size", 7}, {"max_length", 48}},
                                {{"train.jsonl", jsonLines(pairs({{"prompt", "a"}, {"chosen", "b"}, {"rejected", "c"}}, more))}}, 6);
        const auto report = writeTrlScript(run.dir(), catalog(), to("left"));
        OK(report);
        QCOMPARE(linesOf(path("left/data/train.jsonl")).size(), size_t{21});
        QCOMPARE(report->of, int64_t{6}); // two epochs of 21 rows in sevens
        QCOMPARE(report->losses.size(), size_t{6});
        QVERIFY(has(textOf(path("left/README.md")), "1 rows longer than max_length and 1 whose sides"));
    }

    void tiesAndWeightsComeWithALossOfTheirOwn() {
        const Json tie{{"id", "t"}, {"prompt", "q"}, {"a", "left"}, {"b", "right"}, {"tie_kind", "both_good"}, {"split", "train"}};
        const std::map<std::string, std::string> files{
            {"train.jsonl", jsonLines(pairs({{"prompt", "a"}, {"chosen", "b"}, {"rejected", "c"}, {"weight", 3}}))}, {"ties.jsonl", jsonLines(Json::array({tie}))}};
        OK(writeTrlScript(bundle("dpo", {{"label_smoothing", 0.1}, {"sft_weight", 0.5}}, files).dir(), catalog(), to("soft")));
        const auto rows = linesOf(path("soft/data/train.jsonl"));
        QCOMPARE(rows.size(), size_t{22});
        QCOMPARE(rows.front()["weight"], Json(3.0));
        QCOMPARE(rows.front()["label"], Json(0.9));
        QCOMPARE(rows.back()["label"], Json(0.5));
        const auto script = textOf(path("soft/train.py"));
        for (const char* part : {"def compute_loss(self", "[\"sft\"], [0.5]", "data_collator=Collator(", "remove_unused_columns=False,",
                                 "loss_type=[\"sigmoid\"],"})
            QVERIFY2(has(script, part), part);
        QVERIFY(!has(script, "label_smoothing="));
        // Neither is asked for: TRL's own loss.
        OK(writeTrlScript(bundle("dpo", {{"ties", "drop"}, {"use_weights", false}, {"sft_weight", 0.5}}, files).dir(), catalog(), to("hard")));
        QVERIFY(!linesOf(path("hard/data/train.jsonl")).front().contains("weight"));
        const auto plain = textOf(path("hard/train.py"));
        QVERIFY(has(plain, "loss_weights=[1.0,0.5],") && !has(plain, "compute_loss(self"));
    }

    void aTextThatSpellsASpecialTokenBringsItsTokens() {
        const auto run = bundle("dpo", {{"steps", 10}}, {{"train.jsonl", jsonLines(pairs({{"prompt", "a<|im_end|>"}, {"chosen", "b"}, {"rejected", "c<|im_end|>"}}))}});
        OK(writeTrlScript(run.dir(), catalog(), to("spelled")));
        const auto rows = linesOf(path("spelled/data/train.jsonl"));
        QVERIFY(rows[0].contains("prompt_ids") && rows[0].contains("rejected_ids") && !rows[0].contains("chosen_ids"));
        const auto ids = rows[0]["rejected_ids"].get<std::vector<int64_t>>();
        QVERIFY(ids.size() > 5 && std::find(ids.begin(), ids.end(), 2) == ids.end()); // letters, not the end of a turn
        QVERIFY(!rows[1].contains("prompt_ids"));
        QVERIFY(has(textOf(path("spelled/README.md")), "1 rows bring the tokens"));
    }

    void lossesThatWereNotLoggedAreMeasuredAgain() {
        const auto run = bundle("dpo", {{"steps", 50}, {"batch_size", 6}, {"log_every", 5}}, {}, 0);
        {
            auto events = must(EventWriter::open(run.dir()));
            must(events->metrics(1, 0, 0, {{"loss", lossOf(1)}}));
            must(events->metrics(5, 0, 0, {{"loss", (lossOf(2) + lossOf(3) + lossOf(4) + lossOf(5)) / 4}}));
        }
        QVERIFY(must(planTrlScript(run.dir())).again);
        const auto report = writeTrlScript(run.dir(), catalog(), to("again", worker("cp \"$2/run.json\" \"" + path("seen.json") + "\"\n")));
        OK(report);
        QVERIFY(report->plan.again);
        QCOMPARE(report->losses.size(), size_t{10});
        QVERIFY(std::abs(report->losses[6] - lossOf(7)) < 1e-12);
        const Json seen = must(readJsonFile(path("seen.json")));
        QCOMPARE(seen["parameters"]["log_every"], Json(1));
        QCOMPARE(seen["parameters"]["steps"], Json(50)); // the schedule's length stays
        QCOMPARE(seen["seed"], Json(11));
        QVERIFY(!os::exists(path("again/again")));
        // Losses that contradict the log are of another run.
        const auto other = writeTrlScript(run.dir(), catalog(), to("other", worker({}, 0.001)));
        QVERIFY(!other && has(other.error().message, "0.691000 at step 1, but the run logged 0.690000"));
        QVERIFY(!os::exists(path("other")));
        for (const std::string& name : must(os::listDir(m_dir.path().toStdString())))
            QVERIFY2(!has(name, ".part-"), name.c_str());
        // A worker that fails says so; a person who has enough is heard.
        const auto failed = writeTrlScript(run.dir(), catalog(), to("failed", worker("echo no memory >> \"$2/worker.log\"; exit 12\n")));
        QVERIFY(!failed && has(failed.error().message, "no memory"));
        auto options = to("stopped", worker("sleep 60\n"));
        options.rerun.keepGoing = [] { return false; };
        const auto stopped = writeTrlScript(run.dir(), catalog(), options);
        QVERIFY(!stopped && stopped.error().code == Code::Cancelled);
    }

    void whatWasErasedIsSaid() {
        // Only its log lost something: the script is whole, and says so.
        const Bundle log = bundle("dpo", {{"steps", 12}});
        OK(noteErasure(log.dir(), "u1", false, 1'790'000'000'000, 0, 3));
        const auto plan = must(planTrlScript(log.dir()));
        QVERIFY(!plan.again && !plan.lessData);
        QVERIFY2(has(plan.toString(), "lost text of 1 erased prompt on 2026-09-21: 0 rows of its data, 3 lines"), plan.toString().c_str());
        auto report = must(writeTrlScript(log.dir(), catalog(), to("erased-log")));
        QVERIFY(has(textOf(path("erased-log/README.md")), "**Not all of the run is here:** it lost text of 1 erased prompt"));
        QVERIFY(report.toJson()["missing"] == plan.missing);
        QVERIFY(!has(textOf(path("plain/README.md")), "Not all of the run"));
        // Rows of its data are gone: the losses that were logged are not of what is left.
        const Bundle data = bundle("dpo", {{"steps", 12}});
        OK(noteErasure(data.dir(), "u1", false, 1'790'000'000'000, 2, 0));
        OK(noteErasure(data.dir(), "u1", false, 1'790'000'000'000, 1, 0)); // the same once more
        OK(noteErasure(data.dir(), "u2", true, 1'790'000'000'000, 1, 1));
        const auto less = must(planTrlScript(data.dir()));
        QVERIFY(less.again && less.lessData);
        QVERIFY2(has(less.toString(), "1 erased prompt and 1 erased person on 2026-09-21: 4 rows of its data, 1 line of its log") &&
                     has(less.toString(), "trains on what is left"),
                 less.toString().c_str());
        report = must(writeTrlScript(data.dir(), catalog(), to("erased-data", worker({}, 0.05))));
        QVERIFY(std::abs(report.losses[0] - (lossOf(1) + 0.05)) < 1e-9);
        QVERIFY(has(textOf(path("erased-data/README.md")), "of the first steps on the rows that are left"));
    }

    void aResumedRunCountsItsStepsOnce() {
        const auto run = bundle("dpo", {{"steps", 50}}, {}, 3);
        auto events = must(EventWriter::open(run.dir()));
        must(events->write(event::kRewind, {{"to_step", 1}}));
        must(events->metrics(3, 0, 0, {{"loss", 0.25}}));
        const auto losses = must(loggedLosses(run.dir()));
        QCOMPARE(losses.size(), size_t{2});
        QCOMPARE(losses.at(3), 0.25);
    }

    void theModelIsNamedWhereThatIsEnough() {
        const auto run = bundle("dpo", {{"steps", 10}});
        auto options = to("named");
        options.copyModels = false;
        const auto report = writeTrlScript(run.dir(), catalog(), options);
        OK(report);
        QCOMPARE(report->plan.bytes, uint64_t{0});
        QVERIFY(!os::exists(path("named/model")));
        QVERIFY(has(textOf(path("named/train.py")), "MODEL = pathlib.Path(\"" + model() + "\")"));
        QVERIFY(must(planTrlScript(bundle("reward_model", {{"steps", 10}}).dir(), options)).fresh); // its head is in no folder
        QVERIFY(must(planTrlScript(bundle("dpo", {{"adapter_rank", 4}}).dir(), options)).fresh);
        QVERIFY(must(planTrlScript(bundle("sft", {{"from_scratch", true}}).dir(), options)).fresh);
    }

    void supervisedRowsHaveCompletions() {
        const Json rows = Json::array({{{"prompt", "a"}, {"completion", "b"}}, {{"prompt", "c"}, {"completion", "de"}}});
        OK(writeTrlScript(bundle("sft", {{"steps", 10}, {"batch_size", 2}}, {{"train.jsonl", jsonLines(rows)}}).dir(), catalog(), to("sft")));
        QCOMPARE(linesOf(path("sft/data/train.jsonl"))[1]["completion"], Json("de"));
        QVERIFY(has(textOf(path("sft/train.py")), "[-100] * len(prompt) + answer"));
        OK(writeTrlScript(bundle("sft", {{"steps", 10}, {"batch_size", 2}, {"loss_on", "all"}}, {{"train.jsonl", jsonLines(rows)}}).dir(), catalog(), to("all")));
        QVERIFY(has(textOf(path("all/train.py")), "[-100] + both[1:]"));
    }

    void recordedAnswersStayInTheirOrder() {
        const std::string prompts = jsonLines(Json::array({{{"id", "x"}, {"prompt", "one"}, {"split", "train"}}, {{"id", "y"}, {"prompt", "two"}, {"split", "train"}}}));
        Json answers = Json::array();
        for (int i = 0; i < 8; ++i) {
            Json row{{"prompt_id", i / 2 % 2 ? "x" : "y"}, {"ids", {40 + i, 2}}, {"round", i / 4}, {"finished", true}, {"logps", {-1.5, -2.5}}};
            if (i != 1)
                row["reward"] = 0.5 * i;
            answers.push_back(row);
        }
        const Json given{{"steps", 2}, {"prompts_per_step", 2}, {"num_generations", 2}, {"answers", "recorded"}, {"rewards", Json::array()}};
        OK(writeTrlScript(bundle("grpo", given, {{"prompts.jsonl", prompts}, {"rollouts.jsonl", jsonLines(answers)}}).dir(), catalog(), to("recorded")));
        const auto rows = linesOf(path("recorded/data/rollouts.jsonl"));
        QCOMPARE(rows.size(), size_t{8});
        QCOMPARE(rows[0]["prompt"], Json("<|im_start|>user\ntwo<|im_end|>\n<|im_start|>assistant\n"));
        QCOMPARE(rows[2]["completion_ids"], (Json{42, 2}));
        QVERIFY(rows[1]["reward"].is_null()); // not scored
        QCOMPARE(rows[3]["reward"], Json(1.5));
        QVERIFY(has(textOf(path("recorded/train.py")), "old_per_token_logps")); // another policy's answers

        // A run that samples and kept nothing: its first steps are run again, and their answers kept.
        std::ofstream(path("kept.jsonl")) << jsonLines(answers);
        Json sampled = given;
        sampled.update({{"answers", "sampled"}, {"steps", 30}, {"num_iterations", 5}, {"rewards", {{{"type", "length"}}}}});
        const auto run = bundle("grpo", sampled, {{"prompts.jsonl", prompts}});
        const auto report = writeTrlScript(run.dir(), catalog(), to("sampled", worker("cp \"" + path("kept.jsonl") + "\" \"$2/samples/rollouts.jsonl\"\n")));
        OK(report);
        QCOMPARE(report->rows, int64_t{8}); // two rounds of five steps
        QCOMPARE(report->steps, int64_t{10});
        QCOMPARE(report->of, int64_t{30});
        const auto script = textOf(path("sampled/train.py"));
        QVERIFY(has(script, "max_steps=30,") && has(script, "StopAfter(10)") && !has(script, "old_per_token_logps"));
        // Kept by the run itself, whole groups of steps only.
        std::ofstream(os::joinPath(run.samplesDir(), "rollouts.jsonl")) << jsonLines(answers) << dumpJson(answers[0]) << "\n";
        const auto own = writeTrlScript(run.dir(), catalog(), to("own"));
        OK(own);
        QVERIFY(!own->plan.again);
        QCOMPARE(own->rows, int64_t{8});
    }

    void refusesWhatTrlCannotExpress_data() {
        QTest::addColumn<QString>("plugin");
        QTest::addColumn<QString>("parameters");
        QTest::addColumn<QString>("word");
        QTest::newRow("images") << "image_dpo" << "{}" << "image model";
        QTest::newRow("no training") << "generate_text" << "{}" << "generate_text";
        QTest::newRow("control") << "dpo" << R"({"label_control": "shuffle"})" << "label_control is shuffle";
        QTest::newRow("sums") << "dpo" << R"({"loss": "ipo", "ipo_normalised": false})" << "ipo_normalised";
        QTest::newRow("rounded") << "dpo" << R"({"precision": "bf16"})" << "bf16";
        QTest::newRow("bnpo") << "grpo" << R"({"loss_type": "bnpo"})" << "bnpo";
        QTest::newRow("masked") << "grpo" << R"({"loss_type": "grpo", "mask_truncated": true})" << "mask_truncated";
    }
    void refusesWhatTrlCannotExpress() {
        QFETCH(QString, plugin);
        QFETCH(QString, parameters);
        QFETCH(QString, word);
        const auto run = bundle(plugin.toStdString(), must(parseJson(parameters.toStdString(), "a test")));
        const auto out = writeTrlScript(run.dir(), catalog(), to("refused"));
        QVERIFY(!out);
        QCOMPARE(out.error().code, Code::Unsupported);
        QVERIFY2(QString::fromStdString(out.error().message).contains(word), out.error().message.c_str());
        QVERIFY(!os::exists(path("refused")));
    }

    void refusesWeightsOfALossThatSorts() {
        const auto run = bundle("dpo", {{"loss", "aot"}}, {{"train.jsonl", jsonLines(pairs({{"prompt", "a"}, {"chosen", "b"}, {"rejected", "c"}, {"weight", 3}}))}});
        const auto out = writeTrlScript(run.dir(), catalog(), to("sorted"));
        QVERIFY(!out && has(out.error().message, "aot") && has(out.error().message, "weight"));
    }

    void refusesAnotherModelAndAFolderThatIsThere() {
        const auto run = bundle("dpo", {{"steps", 10}});
        must(os::makeDirs(path("there")));
        const auto taken = writeTrlScript(run.dir(), catalog(), to("there"));
        QVERIFY(!taken && has(taken.error().message, "exists already"));
        const auto config = textOf(model() + "/config.json");
        must(os::writeFileAtomic(model() + "/config.json", config + "\n"));
        const auto changed = writeTrlScript(run.dir(), catalog(), to("changed"));
        must(os::writeFileAtomic(model() + "/config.json", config));
        QVERIFY(!changed && has(changed.error().message, "no longer the model"));
    }
};

QTEST_GUILESS_MAIN(TestTrlExport)
#include "tst_trl_export.moc"
