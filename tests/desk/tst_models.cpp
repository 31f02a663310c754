// SPDX-License-Identifier: Apache-2.0
// Models a project can name, and what is said of them.
#include "core/base/bundle.h"
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
            {"layers", "config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5", "model.layers.4.input_layernorm.weight and 8 more"},
            {"tensor", "model.safetensors", "model.norm.weight", "model.nxrm.weight", "lacks the tensor model.norm.weight"},
            {"dtype", "model.safetensors", "\"F32\"", "\"F99\"", "has no known type"},
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
