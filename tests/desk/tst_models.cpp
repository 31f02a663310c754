// SPDX-License-Identifier: Apache-2.0
// Models a project can name, and what is said of them.
#include "core/base/bundle.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/desk/runs/actions.h"
#include "core/desk/runs/controls.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {

RunRow run(Id id, const std::string& name, Json parameters = Json::object(), const std::vector<std::string>& models = {}) {
    RunRow row;
    row.id = id;
    row.uuid = uuidFromText(name);
    row.name = name;
    row.plugin = name.substr(5);
    row.kind = row.plugin == "evaluate" ? "evaluate" : "train";
    row.parameters = std::move(parameters);
    for (const std::string& path : models)
        row.models.push_back({{"role", "policy"}, {"path", path}});
    return row;
}

std::string checkpoint(const std::string& dir, const std::string& run, int64_t step) {
    const std::string path = dir + "/runs/" + run + "/checkpoints/step-00000" + std::to_string(step);
    must(os::makeDirs(path));
    must(os::writeFileAtomic(path + "/config.json", R"({"model_type": "llama"})"));
    must(os::writeFileAtomic(path + "/model.safetensors", "weights"));
    must(writeDone(path, step, {{"best", true}}));
    return path;
}

} // namespace

class TestModels : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void controlsAreFoundThroughWhatTheyFed() {
        const std::vector<RunRow> runs{
            run(9, "0009-evaluate", {}, {"/p/runs/0002-dpo/checkpoints/step-000030"}),
            run(5, "0005-grpo", {}, {"/p/models/start", "/p/runs/0001-reward_model/checkpoints/step-000200"}),
            run(6, "0006-dpo", {}, {"/p/runs/0005-grpo/checkpoints/step-000010"}),
            run(1, "0001-reward_model", {{"label_control", "shuffle"}}),
            run(2, "0002-dpo", {{"label_control", "shuffle_inverted"}}),
            run(3, "0003-dpo", {{"label_control", "none"}}, {"/p/models/start"}),
            run(4, "0004-dpo", {}, {"/p/runs/0003-dpo/checkpoints/step-000030"}),
        };
        const std::map<std::string, std::string> expected{
            {"0001-reward_model", "shuffled labels"},
            {"0002-dpo", "shuffled and inverted labels"},
            {"0005-grpo", "from a model of shuffled labels"},
            {"0006-dpo", "from a model of shuffled labels"},
        };
        QVERIFY(controlledRuns(runs) == expected);
    }

    void aPathSaysItsRun() {
        QCOMPARE(runOfCheckpoint("/a/runs/0007-dpo/checkpoints/step-000030"), std::string("0007-dpo"));
        QCOMPARE(runOfCheckpoint("0007-dpo/checkpoints/step-000030"), std::string("0007-dpo"));
        for (const char* path : {"", "/checkpoints/x", "/a/models/start", "start", "checkpoints/step-1"})
            QCOMPARE(runOfCheckpoint(path), std::string());
    }

    void theyAreMarkedWhereverAModelIsNamed() {
        Desk desk;
        must(desk.project->insertRun(run(1, "0001-dpo", {{"label_control", "shuffle"}})));
        must(desk.project->insertRun(run(2, "0002-dpo")));
        checkpoint(desk.dir(), "0001-dpo", 5);
        checkpoint(desk.dir(), "0002-dpo", 5);
        const auto choices = must(modelChoices(*desk.project));
        QCOMPARE(choices.size(), size_t{2});
        QCOMPARE(choices[0].control, std::string()); // the newest first
        QCOMPARE(choices[0].label, std::string("0002-dpo step 5 (best)"));
        QCOMPARE(choices[1].control, std::string("shuffled labels"));
        QCOMPARE(choices[1].label, std::string("0001-dpo step 5 (best), control: shuffled labels"));
        for (const std::string& name : {std::string("run:1"), choices[1].path}) {
            const ModelSpec spec = must(resolveModel(*desk.project, name, "policy"));
            QVERIFY2(QString::fromStdString(spec.name).endsWith(", control: shuffled labels"), spec.name.c_str());
        }
        QCOMPARE(must(resolveModel(*desk.project, "run:2", "policy")).name, std::string("0002-dpo step 5"));
    }

    void aControlKeepsItsMarkOutsideItsProject() {
        Desk desk;
        RunSpec spec;
        spec.uuid = newUuid();
        spec.name = "0001-image_dpo";
        spec.plugin = "image_dpo";
        spec.parameters = {{"label_control", "shuffle"}};
        must(desk.project->insertRun(run(1, spec.name, spec.parameters)));
        must(Bundle::create(desk.dir() + "/runs/" + spec.name, spec));
        const std::string step = desk.dir() + "/runs/" + spec.name + "/checkpoints/step-000005";
        must(os::copyTree(std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter_images/model", step));
        must(os::makeDirs(step + "/adapter"));
        must(os::writeFileAtomic(step + "/adapter/adapter_config.json", "{}"));
        must(writeDone(step, 5, {{"best", true}}));
        const std::string out = desk.temp.path().toStdString() + "/out";
        must(exportModel(*desk.project, "run:1", out));
        QCOMPARE(must(readJsonFile(out + "/card.json"))["control"], Json("shuffled labels"));
        QVERIFY(os::exists(out + "/adapter/adapter_config.json"));
        Desk other;
        QCOMPARE(must(addModel(*other.project, out, "taken")), std::string("taken"));
        QCOMPARE(must(addModel(*other.project, step, "checkpoint")), std::string("checkpoint")); // never exported
        const auto choices = must(modelChoices(*other.project));
        QCOMPARE(choices.size(), size_t{2});
        for (const auto& choice : choices) {
            QCOMPARE(choice.control, std::string("shuffled labels"));
            QCOMPARE(choice.label, choice.text + ", control: shuffled labels");
            QCOMPARE(must(resolveModel(*other.project, choice.text, "policy")).name, choice.label);
        }
        // What is trained from it says so, also when the added folder is gone.
        RunRow child = run(1, "0001-dpo");
        child.models = Json::array({{{"role", "policy"}, {"path", "/gone"}, {"name", choices[0].label}}});
        QCOMPARE(controlledRuns({child}).at("0001-dpo"), std::string("from a model of shuffled labels"));
        RunSpec trained = spec;
        trained.name = "0001-dpo";
        trained.parameters = Json::object();
        trained.models = {{"policy", "/gone", sha256Hex("gone"), choices[0].label}};
        must(Bundle::create(other.dir() + "/runs/0001-dpo", trained));
        QCOMPARE(controlOfFolder(other.dir() + "/runs/0001-dpo/checkpoints/step-000005"), std::string("from a model of shuffled labels"));
        // An ordinary model has no mark.
        must(addModel(*other.project, std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter_images/model", "start"));
        QCOMPARE(must(resolveModel(*other.project, "start", "policy")).name, std::string("start"));
        must(exportModel(*other.project, "start", out + "2"));
        const auto card = readJsonFile(out + "2/card.json");
        QVERIFY(!card || !card->contains("control"));
    }

    void damagedImageModelsAreFound() {
        Desk desk;
        const auto problems = [&] {
            QStringList out;
            for (const Error& error : must(checkModels(*desk.project)))
                out.append(QString::fromStdString(error.toString()));
            return out;
        };
        const std::string model = desk.dir() + "/models/start", judge = desk.dir() + "/models/judge";
        must(os::copyTree(std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter_images/model", model));
        const std::string step = desk.dir() + "/runs/0001-image_dpo/checkpoints/step-000030";
        must(os::copyTree(model, step));
        must(writeDone(step, 30));
        // A reward model of one convolution.
        const Json shapes = {{"features.conv0.weight", {2, 12, 3, 3}}, {"features.conv0.bias", {2}}, {"head.slots", {7, 1}},
                             {"head.hidden_weight", {3, 6}}, {"head.hidden_bias", {3}}, {"head.out_weight", {1, 3}},
                             {"head.out_bias", {1}}};
        Json header = Json::object();
        uint64_t at = 0;
        for (const auto& [name, shape] : shapes.items()) {
            uint64_t bytes = 4;
            for (const Json& side : shape)
                bytes *= side.get<uint64_t>();
            header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {at, at + bytes}}};
            at += bytes;
        }
        std::string text = header.dump(), size(8, '\0');
        for (int i = 0; i < 8; ++i)
            size[static_cast<size_t>(i)] = static_cast<char>(text.size() >> 8 * i);
        must(os::makeDirs(judge));
        must(os::writeFileAtomic(judge + "/model.safetensors", size + text + std::string(at, '\0')));
        const Json config = {{"model_type", "pairlab_image_reward"}, {"image_size", 16}, {"features", "conv"}, {"channels", {2}},
                             {"slots", {3, 4}}, {"slot_size", 1}, {"hidden", 3},
                             {"calibration", {{"mean", 0.5}, {"std", 2.0}, {"temperature", 1.5}, {"images", 10}, {"pairs", 5}}}};
        must(os::writeFileAtomic(judge + "/config.json", config.dump()));
        QVERIFY2(problems().isEmpty(), qPrintable(problems().join('\n')));

        const auto damaged = [&](const std::string& file, const std::function<void(std::string&)>& change, const char* said) {
            const std::string whole = must(os::readFile(file));
            std::string bytes = whole;
            change(bytes);
            must(os::writeFileAtomic(file, bytes));
            const QStringList found = problems();
            must(os::writeFileAtomic(file, whole));
            const bool right = bytes != whole && found.size() == 1 && found[0].contains(said) &&
                               found[0].contains(QString::fromStdString(os::parentDir(file)));
            if (!right)
                qWarning("%s: %s", said, qPrintable(found.join('\n')));
            return right;
        };
        const auto swap = [](const char* from, const char* to) {
            return [from, to](std::string& bytes) { bytes.replace(bytes.find(from), std::string_view(from).size(), to); };
        };
        const std::string weights = model + "/model.safetensors";
        QVERIFY(damaged(model + "/config.json", swap("\"width\": 64", "\"width\": 72"), "config.json asks for [128, 72"));
        QVERIFY(damaged(model + "/config.json", swap("\"depth\": 2", "\"depth\": 3"), "lacks the tensor denoiser.attention2.image.bias and"));
        QVERIFY(damaged(model + "/config.json", swap("\"depth\": 2", "\"depth\": 999"), "depth is 999"));
        QVERIFY(damaged(weights, swap("denoiser.places", "denoiser.plaxes"), "lacks the tensor denoiser.places"));
        QVERIFY(damaged(weights, swap("[128,8,8]", "[8,8,128]"), "has the shape [8, 8, 128]"));
        QVERIFY(damaged(weights, [](std::string& bytes) { bytes.replace(bytes.size() - 100, 2, std::string("\x00\x7e", 2)); },
                        "not finite")); // a NaN of 16 bits
        QVERIFY(damaged(weights, [](std::string& bytes) { bytes.pop_back(); }, "not a valid safetensors file"));
        const std::string scores = judge + "/config.json";
        QVERIFY(damaged(scores, swap("calibration", "kalibration"), "has no calibration"));
        QVERIFY(damaged(scores, swap("\"std\":2.0", "\"std\":0.0"), "std 0"));
        QVERIFY(damaged(scores, swap("\"images\":10", "\"images\":0"), "rests on no image"));
        QVERIFY(damaged(scores, swap("\"hidden\":3", "\"hidden\":4"), "has the shape [3"));
        QVERIFY(damaged(judge + "/model.safetensors",
                        [](std::string& bytes) { bytes.replace(bytes.size() - 4, 4, std::string("\x00\x00\x80\xff", 4)); }, "not finite"));
        // A checkpoint's own hashes come first.
        QVERIFY(damaged(step + "/model.safetensors", [](std::string& bytes) { bytes.back() ^= 1; }, "differs from its hash"));
    }

    void damagedModelsAndCheckpointsAreFound() {
        Desk desk;
        const std::string starter = std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model";
        const auto problems = [&] {
            QStringList out;
            for (const Error& error : must(checkModels(*desk.project)))
                out.append(QString::fromStdString(error.toString()));
            return out;
        };
        const auto edit = [](const std::string& file, const std::string& from, const std::string& to) {
            std::string bytes = must(os::readFile(file));
            const auto at = bytes.find(from);
            QVERIFY(at != std::string::npos);
            must(os::writeFileAtomic(file, bytes.replace(at, from.size(), to)));
        };
        QVERIFY(problems().isEmpty());
        const std::string model = desk.dir() + "/models/start";
        must(os::copyTree(starter, model));
        const std::string run = desk.dir() + "/runs/0001-dpo", step = run + "/checkpoints/step-000030";
        must(os::copyTree(starter, step));
        must(writeDone(step, 30));
        // A plugin's own: weights alone.
        const std::string own = desk.dir() + "/runs/0002-mine/checkpoints/step-000005";
        must(os::makeDirs(own));
        must(os::writeFileAtomic(own + "/weights.safetensors", "anything"));
        must(writeDone(own, 5));
        QVERIFY2(problems().isEmpty(), qPrintable(problems().join('\n')));

        const struct {
            const char *what, *file, *from, *to, *said;
        } damages[] = {
            {"config", "config.json", "{", "", "config.json"},
            {"layers", "config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5", "model.layers.4.input_layernorm.weight"},
            {"tensor", "model.safetensors", "model.norm.weight", "model.nxrm.weight", "lacks the tensors model.norm.weight"},
            {"dtype", "model.safetensors", "\"F32\"", "\"F99\"", "the data type 'F99'"},
            {"shape", "model.safetensors", "[2048,128]", "[2048,129]", "needs"},
            {"tokenizer", "tokenizer.json", "\"BPE\"", "\"XYZ\"", "tokenizer.json"},
        };
        for (const auto& damage : damages) {
            edit(model + "/" + damage.file, damage.from, damage.to);
            const QStringList found = problems();
            QVERIFY2(found.size() == 1 && found[0].contains(damage.said) && found[0].contains(QString::fromStdString(model)) &&
                         found[0].contains("models add"),
                     qPrintable(damage.what + (": " + found.join('\n'))));
            edit(model + "/" + damage.file, damage.to, damage.from);
            QVERIFY(problems().isEmpty());
        }
        edit(step + "/card.json", "a", "b"); // a byte of the least important file
        QStringList found = problems();
        QVERIFY2(found.size() == 1 && found[0].contains("card.json differs from its hash") && found[0].contains("train it again"),
                 qPrintable(found.join('\n')));
        must(os::removeTree(step + "/DONE"));
        found = problems();
        QVERIFY2(found.size() == 1 && found[0].contains("no DONE file"), qPrintable(found.join('\n')));
        const auto lock = os::FileLock::tryAcquire(run + "/lock");
        QVERIFY(lock.has_value());
        QVERIFY(problems().isEmpty()); // its worker is writing it
    }

    /// Config, shards and weights of every family are looked at; these folders have no tokenizer, which comes last.
    void modelsOfEveryFamilyAreLookedAt() {
        const std::string families = std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/families";
        const auto names = must(os::listDir(families));
        QCOMPARE(names.size(), size_t{12});
        for (const std::string& name : names) {
            const auto sound = checkModelFolder(families + "/" + name);
            QVERIFY(!sound.has_value());
            QVERIFY2(sound.error().message.find("it has no tokenizer.json") != std::string::npos, sound.error().toString().c_str());
        }
        QTemporaryDir folder;
        const std::string copy = folder.path().toStdString() + "/copy", shard = copy + "/model-00003-of-00003.safetensors";
        must(os::copyTree(families + "/qwen2_window", copy));
        std::string bytes = must(os::readFile(shard));
        bytes.replace(bytes.size() - 2, 2, "\xff\x7f"); // NaN as BF16
        must(os::writeFileAtomic(shard, bytes));
        QVERIFY(checkModelFolder(copy).error().message.find("00003-of-00003.safetensors: tensor") != std::string::npos);
        must(os::removeTree(shard));
        QVERIFY(checkModelFolder(copy).error().message.find("has no model-00003-of-00003.safetensors") != std::string::npos);
        Json config = must(readJsonFile(copy + "/config.json"));
        config["attn_logit_softcapping"] = 50.0;
        must(os::writeFileAtomic(copy + "/config.json", dumpJson(config)));
        QVERIFY(checkModelFolder(copy).error().message.find("'attn_logit_softcapping'") != std::string::npos);
    }

    void everyRunIsListed() {
        Desk desk;
        for (Id i = 1; i <= 220; ++i)
            must(desk.project->insertRun(run(i, (i < 10 ? "000" : i < 100 ? "00" : "0") + std::to_string(i) + "-dpo")));
        checkpoint(desk.dir(), "0001-dpo", 5);
        QCOMPARE(must(modelChoices(*desk.project)).size(), size_t{1});
    }
};

QTEST_GUILESS_MAIN(TestModels)
#include "tst_models.moc"
