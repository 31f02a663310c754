// SPDX-License-Identifier: Apache-2.0
// A LoRA adapter by itself becomes a model of the project whose model it was trained on.
#include "core/base/bundle.h"
#include "core/base/hash.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {

const std::string kGolden = std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/";
constexpr const char* kHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

} // namespace

class TestAdapterFolders : public QObject {
    Q_OBJECT

    /// A project with the model the golden adapter was trained on, as `name`.
    static void giveBase(Desk& desk, const std::string& name = "smollm") {
        must(os::copyTree(kGolden + "families/smollm", desk.project->modelsDir() + "/" + name));
    }
    static std::string adapter(Desk& desk, const std::function<void(Json&)>& change = {}, const std::string& golden = "llama_attention") {
        const std::string dir = desk.temp.path().toStdString() + "/mine";
        (void)os::removeTree(dir);
        must(os::copyTree(kGolden + "adapters/" + golden, dir));
        Json json = must(readJsonFile(dir + "/adapter_config.json"));
        if (change)
            change(json);
        must(os::writeFileAtomic(dir + "/adapter_config.json", dumpJson(json)));
        return dir;
    }

private Q_SLOTS:
    void isAddedWithTheModelItNames() {
        Desk desk;
        giveBase(desk);
        const std::string dir = adapter(desk);
        QCOMPARE(must(addModel(*desk.project, dir, "tuned")), std::string("tuned"));
        const std::string made = desk.project->modelsDir() + "/tuned";
        QCOMPARE(must(sha256File(made + "/apply_adapter/adapter_model.safetensors")), must(sha256File(dir + "/adapter_model.safetensors")));
        QCOMPARE(must(sha256File(made + "/model.safetensors")), must(sha256File(kGolden + "families/smollm/model.safetensors")));
        const auto choices = must(modelChoices(*desk.project));
        QCOMPARE(choices.size(), size_t{2});
        const auto spec = must(resolveModel(*desk.project, "tuned", "policy"));
        QVERIFY(spec.hash != must(resolveModel(*desk.project, "smollm", "policy")).hash);
        // What the adapter does is part of what the model is.
        must(os::writeFileAtomic(made + "/apply_adapter/adapter_config.json", dumpJson({{"peft_type", "LORA"}, {"r", 3}, {"lora_alpha", 7}})));
        QVERIFY(must(resolveModel(*desk.project, "tuned", "policy")).hash != spec.hash);
        // The adapter goes along when the model is copied out and in.
        const std::string out = desk.temp.path().toStdString() + "/out";
        must(exportModel(*desk.project, "tuned", out));
        QVERIFY(os::exists(out + "/apply_adapter/adapter_model.safetensors"));
    }

    void isTakenByItsPath() {
        Desk desk;
        giveBase(desk);
        const std::string dir = adapter(desk);
        const auto spec = must(resolveModel(*desk.project, dir, "policy"));
        QVERIFY(spec.path != dir && os::exists(spec.path + "/apply_adapter/adapter_config.json") && os::exists(spec.path + "/config.json"));
        QCOMPARE(must(resolveModel(*desk.project, dir, "policy")).path, spec.path); // once
        (void)adapter(desk, [](Json& json) { json["lora_alpha"] = 12; });
        const auto other = must(resolveModel(*desk.project, dir, "policy"));
        QVERIFY(other.path != spec.path && other.hash != spec.hash); // another adapter in the same place
        QCOMPARE(must(modelChoices(*desk.project)).size(), size_t{1});
    }

    void theBaseIsFoundBy_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<bool>("hash");
        QTest::newRow("name") << "start" << false;
        QTest::newRow("name at the hub") << "HuggingFaceTB/start" << false;
        QTest::newRow("a path of another machine") << "/home/x/models/start" << false;
        QTest::newRow("hash, the name unknown") << "something" << true;
        QTest::newRow("hash, no name") << "" << true;
        QTest::newRow("both") << "start" << true;
    }
    void theBaseIsFoundBy() {
        QFETCH(QString, name);
        QFETCH(bool, hash);
        Desk desk;
        giveBase(desk, "start");
        must(os::copyTree(kGolden + "families/qwen2", desk.project->modelsDir() + "/another"));
        const std::string its = must(modelHash(desk.project->modelsDir() + "/start"));
        const std::string dir = adapter(desk, [&](Json& json) {
            json["base_model_name_or_path"] = name.isEmpty() ? Json() : Json(name.toStdString());
            json["revision"] = hash ? Json(its) : Json();
        });
        const auto spec = must(resolveModel(*desk.project, dir, "policy"));
        QCOMPARE(must(sha256File(spec.path + "/model.safetensors")), must(sha256File(desk.project->modelsDir() + "/start/model.safetensors")));
    }

    void refuses_data() {
        QTest::addColumn<QString>("key");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, const char* key, const QString& value, const char* says) {
            QTest::newRow(name) << key << value << QString(says);
        };
        row("another base", "base_model_name_or_path", "\"meta-llama/Llama-3.2-1B\"", "meta-llama/Llama-3.2-1B");
        row("no base", "base_model_name_or_path", "null", "a model it does not name");
        row("a base that is a number", "base_model_name_or_path", "7", "a model it does not name");
        row("the base with other weights", "revision", QString("\"%1\"").arg(kHash), "other weights");
        row("another method", "peft_type", "\"IA3\"", "IA3");
        row("a reward model's", "task_type", "\"SEQ_CLS\"", "reward model");
    }
    void refuses() {
        QFETCH(QString, key);
        QFETCH(QString, value);
        QFETCH(QString, says);
        Desk desk;
        giveBase(desk);
        const std::string dir = adapter(desk, [&](Json& json) { json[key.toStdString()] = must(parseJson(value.toStdString(), "a test")); });
        for (const auto& message : {resolveModel(*desk.project, dir, "policy").error().message, addModel(*desk.project, dir, "x").error().message})
            QVERIFY2(QString::fromStdString(message).contains(says), message.c_str());
        QVERIFY(!os::exists(desk.project->modelsDir() + "/x"));
        QCOMPARE(must(modelChoices(*desk.project)).size(), size_t{1});
    }

    void anAdapterOfOtherLayersIsRefused() {
        Desk desk;
        giveBase(desk);
        for (const char* golden : {"qwen2_all", "gpt2_all"}) {
            const std::string dir = adapter(desk, [](Json& json) { json["base_model_name_or_path"] = "smollm"; }, golden);
            const auto added = addModel(*desk.project, dir, "x");
            QVERIFY(!added.has_value());
            QVERIFY2(QString::fromStdString(added.error().message).contains("fits no layer of 'smollm'"), added.error().message.c_str());
        }
        const std::string dir = adapter(desk);
        must(os::writeFileAtomic(dir + "/adapter_model.safetensors", "{}"));
        QVERIFY(!addModel(*desk.project, dir, "x").has_value());
        must(os::removeTree(dir + "/adapter_model.safetensors"));
        QVERIFY(!addModel(*desk.project, dir, "x").has_value());
        QVERIFY(!resolveModel(*desk.project, dir, "policy").has_value());
        QVERIFY(!os::exists(desk.project->modelsDir() + "/x") && !os::exists(desk.project->modelsDir() + "/x.partial"));
    }
};

QTEST_GUILESS_MAIN(TestAdapterFolders)
#include "tst_adapter_folders.moc"
