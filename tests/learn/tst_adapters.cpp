// SPDX-License-Identifier: Apache-2.0
// Low-rank adapters of language models against PEFT: tests/golden/adapters holds what it wrote and computed.
#include <QtTest>

#include <torch/torch.h>

#include "core/base/bundle.h"
#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/learn/models/decoder.h"
#include "core/learn/training/trainable.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

namespace {

const std::string kAdapters = PAIRLAB_SOURCE_DIR "/tests/golden/adapters/";
constexpr const char* kNames[] = {"llama_attention", "llama_all", "qwen2_all", "qwen2_attention", "gpt2_all"};
using Change = std::function<void(Json&, TensorMap&)>;

struct Case : Expected {
    std::string dir;
    LoadedModel loaded;
    explicit Case(const std::string& name)
        : Expected(kAdapters + name), dir(kAdapters + name), loaded(openFolder(kFamilies + json["model"].get<std::string>())) {}
    Adapters open() { return must(Adapters::open(*loaded.model, loaded.model->adaptable(), dir)); }
    torch::Tensor logits() {
        torch::NoGradGuard noGrad;
        return loaded.model->head(loaded.model->hidden(batch)) * tensors.at("attention_mask").unsqueeze(2);
    }
};

} // namespace
Q_DECLARE_METATYPE(Change)

class TestAdapters : public QObject {
    Q_OBJECT
    std::string m_dir;
    static void everyCase() { rowsOf(kNames); }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        m_dir = must(os::makeTempDir("adapters"));
    }
    void cleanupTestCase() { (void)os::removeTree(m_dir); }

    void peftsAdaptersComputeTheSame_data() { everyCase(); }
    void peftsAdaptersComputeTheSame() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        const auto before = c.logits();
        QVERIFY(difference(before, c.tensors.at("off")) < 1e-5);
        const auto adapters = c.open();
        const auto on = c.logits();
        const double d = difference(on, c.tensors.at("on"));
        QVERIFY2(d < 1e-5, qPrintable(QString::number(d)));
        QVERIFY(difference(on, before) > 1);
        {
            const auto off = adapters.off();
            QVERIFY(torch::equal(c.logits(), before));
        }
        QVERIFY(torch::equal(c.logits(), on));
    }

    void mergingIsWhatPeftsIsAndLeavesNothingBehind_data() { everyCase(); }
    void mergingIsWhatPeftsIsAndLeavesNothingBehind() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        const auto adapters = c.open();
        const auto merged = adapters.merged();
        int compared = 0;
        for (const auto& [tensor, value] : c.tensors)
            if (tensor.starts_with("merged.") && merged.count(tensor.substr(7))) {
                QVERIFY2(difference(merged.at(tensor.substr(7)), value) < 1e-6, tensor.c_str());
                ++compared;
            }
        QVERIFY(compared > 0);
        const auto on = c.logits();
        const auto copy = [&] {
            TensorMap out;
            for (const auto& item : c.loaded.model->named_parameters())
                out[item.key()] = item.value().detach().clone();
            return out;
        };
        const auto weights = copy();
        {
            const auto scope = adapters.merge();
            QVERIFY(difference(c.logits(), on) < 1e-5);
            QVERIFY(!torch::equal(*c.loaded.model->named_parameters().find(merged.begin()->first), weights.at(merged.begin()->first)));
        }
        for (const auto& [tensor, value] : copy())
            QVERIFY2(torch::equal(value, weights.at(tensor)), tensor.c_str());
        QVERIFY(torch::equal(c.logits(), on));
    }

    /// Names, shapes, values and what adapter_config.json says: as PEFT wrote them.
    void whatIsSavedIsWhatPeftWrote_data() { everyCase(); }
    void whatIsSavedIsWhatPeftWrote() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        const std::string dir = m_dir + "/" + name.toStdString();
        QVERIFY(c.open().save(dir, {"base", "hash", "CAUSAL_LM"}).has_value());
        const auto theirs = must(readSafetensors(c.dir + "/adapter_model.safetensors"));
        const auto ours = must(readSafetensors(dir + "/adapter_model.safetensors"));
        QCOMPARE(ours.size(), theirs.size());
        for (const auto& [tensor, value] : theirs)
            QVERIFY2(ours.count(tensor) && torch::equal(ours.at(tensor), value), tensor.c_str());
        const Json a = must(readJsonFile(dir + "/adapter_config.json")), b = must(readJsonFile(c.dir + "/adapter_config.json"));
        for (const char* key : {"peft_type", "r", "lora_alpha", "use_rslora", "use_dora", "fan_in_fan_out", "bias", "task_type",
                                "modules_to_save", "inference_mode"})
            QVERIFY2(a[key] == b[key], key);
        Case again(name.toStdString());
        again.dir = dir;
        again.open();
        QVERIFY(difference(again.logits(), c.tensors.at("on")) < 1e-5);
    }

    /// A folder of a model with an adapter that is to be applied: what PEFT computes, in ordinary weights.
    void anAdapterBesideItsModelIsMergedWhenItIsLoaded_data() { everyCase(); }
    void anAdapterBesideItsModelIsMergedWhenItIsLoaded() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        const std::string base = kFamilies + c.json["model"].get<std::string>(), dir = m_dir + "/composed-" + name.toStdString();
        QVERIFY(os::copyTree(base, dir) && os::makeDirs(dir + "/apply_adapter"));
        for (const char* file : {"/adapter_config.json", "/adapter_model.safetensors"})
            QVERIFY(os::copyFile(c.dir + file, dir + "/apply_adapter" + file));
        c.loaded = openFolder(dir);
        // One matrix instead of two: rounded elsewhere.
        const double apart = difference(c.logits(), c.tensors.at("on"));
        QVERIFY2(apart < 2e-5, std::to_string(apart * 1e6).c_str());
        QVERIFY(c.loaded.hash != must(modelHash(base)));
        for (const auto& parameter : c.loaded.model->parameters())
            QVERIFY(parameter.requires_grad());
        // Another adapter can be trained on top.
        const auto before = c.logits();
        const auto fresh = must(Adapters::attach(*c.loaded.model, c.loaded.model->adaptable(), {2, 4, "*", false, {}}, 7));
        QVERIFY(torch::equal(c.logits(), before));
        // Saved, it is an ordinary model.
        QVERIFY(saveModel(c.loaded.model, dir + "-saved", dir).has_value());
        QVERIFY(!os::exists(dir + "-saved/apply_adapter"));
        c.loaded = openFolder(dir + "-saved");
        QVERIFY(torch::equal(c.logits(), before));
        QVERIFY(os::writeFileAtomic(dir + "/apply_adapter/adapter_config.json", "{}").has_value());
        QVERIFY(!loadModel(dir, torch::kCPU).has_value());
    }

    void freshOnesChangeNothingAndAloneAreTrained() {
        for (const char* name : {"gpt2", "qwen3"}) {
            auto loaded = must(loadModel(kFamilies + name, torch::kCPU));
            const TokenBatch batch{torch::randint(3, 61, {2, 9}, torch::kInt64), torch::tensor({9, 5}, torch::kInt64)};
            const auto before = loaded.model->hidden(batch).detach();
            const auto adapters = must(Adapters::attach(*loaded.model, loaded.model->adaptable(), {2, 4, "*", false, {}}, 7));
            QVERIFY(torch::equal(loaded.model->hidden(batch), before));
            loaded.model->hidden(batch).sum().backward();
            for (const auto& parameter : loaded.model->parameters())
                QVERIFY(!parameter.requires_grad() && !parameter.grad().defined());
            for (const auto& [tensor, parameter] : adapters.parameters()) // B is 0, so A has a gradient of 0
                QVERIFY(parameter.grad().defined() && (tensor.find("lora_B") == std::string::npos || parameter.grad().abs().max().item<float>() > 0));
        }
    }

    /// A reward head is new, so it is trained beside the adapters and saved with them, as PEFT does for SEQ_CLS.
    void aRewardHeadIsTrainedWhole() {
        auto loaded = must(loadModel(kFamilies + "qwen2", torch::kCPU, true, 3));
        const TokenBatch batch{torch::randint(3, 61, {2, 9}, torch::kInt64), torch::tensor({9, 5}, torch::kInt64)};
        const auto adapters = must(Adapters::attach(*loaded.model, loaded.model->adaptable(), {2, 4, "q_proj,v_proj", true, {"score"}}, 7));
        loaded.model->scores(batch).sum().backward();
        auto* score = loaded.model->named_parameters().find("score.weight");
        QVERIFY(score->grad().abs().max().item<float>() > 0);
        {
            torch::NoGradGuard noGrad;
            for (auto [name, parameter] : adapters.parameters())
                parameter.add_(0.1);
        }
        const auto scores = loaded.model->scores(batch).detach();
        const std::string dir = m_dir + "/reward";
        QVERIFY(trainable(loaded.model, "", adapters, {"base", "hash", "SEQ_CLS"}).save(dir).has_value());
        const auto header = must(readSafetensorsHeader(dir + "/adapter/adapter_model.safetensors"));
        QVERIFY(header.count("base_model.model.score.weight"));
        QVERIFY(must(readJsonFile(dir + "/adapter/adapter_config.json"))["modules_to_save"] == Json::array({"score"}));
        auto merged = must(loadModel(dir, torch::kCPU)); // a whole model
        QVERIFY(merged.config.rewardHead && difference(merged.model->scores(batch), scores) < 1e-5);
        auto fresh = must(loadModel(kFamilies + "qwen2", torch::kCPU, true, 99)); // another head, which the adapter's replaces
        must(Adapters::open(*fresh.model, fresh.model->adaptable(), dir + "/adapter"));
        QVERIFY(torch::equal(fresh.model->scores(batch), scores));
    }

    void refuses_data() {
        QTest::addColumn<Change>("change");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, Change change, const char* says) { QTest::newRow(name) << change << QString(says); };
        const auto config = [](const char* key, Json value) -> Change { return [=](Json& j, TensorMap&) { j[key] = value; }; };
        row("another method", config("peft_type", "IA3"), "IA3");
        row("no method", [](Json& j, TensorMap&) { j.erase("peft_type"); }, "peft_type");
        row("DoRA", config("use_dora", true), "use_dora");
        row("ranks by layer", config("rank_pattern", {{"q_proj", 8}}), "rank_pattern");
        row("alphas by layer", config("alpha_pattern", {{"q_proj", 8}}), "alpha_pattern");
        row("biases", config("bias", "all"), "bias");
        row("bias of B", config("lora_bias", true), "lora_bias");
        row("PiSSA", config("init_lora_weights", "pissa_niter_4"), "pissa");
        row("token embeddings", config("trainable_token_indices", {1, 2}), "trainable_token_indices");
        row("copied layers", config("layer_replication", {{0, 1}}), "layer_replication");
        row("rank 0", config("r", 0), "rank");
        row("a rank of another file", config("r", 2), "lora_A");
        row("an absurd rank", config("r", int64_t{1} << 40), "lora_A");
        row("rank as text", config("r", "3"), "r");
        row("transposed", config("fan_in_fan_out", true), "fan_in_fan_out");
        row("an unknown module to train", config("modules_to_save", {"pooler"}), "pooler");
        row("modules are a number", config("modules_to_save", 3), "modules_to_save");
        row("a list", [](Json& j, TensorMap&) { j = Json::array(); }, "object");
        row("B missing", [](Json&, TensorMap& t) { t.erase(std::next(t.begin())); }, "lora_B");
        row("another shape", [](Json&, TensorMap& t) { t.begin()->second = torch::ones({3, 5}); }, "lora_A");
        row("NaN", [](Json&, TensorMap& t) { t.begin()->second[0][0] = NAN; }, "not finite");
        row("whole numbers", [](Json&, TensorMap& t) { t.begin()->second = torch::ones(t.begin()->second.sizes(), torch::kInt32); }, "not finite");
        row("an embedding's adapter", [](Json&, TensorMap& t) { t["base_model.model.model.embed_tokens.lora_embedding_A"] = torch::ones({3, 61}); },
            "lora_embedding_A");
        row("a whole layer", [](Json&, TensorMap& t) { t["base_model.model.lm_head.weight"] = torch::ones({61, 18}); }, "lm_head");
        row("without the prefix", [](Json&, TensorMap& t) { t["model.layers.0.self_attn.q_proj.lora_A.weight"] = torch::ones({3, 18}); }, "q_proj");
        row("a layer that is not there", [](Json&, TensorMap& t) {
                for (const char* part : {"A", "B"})
                    t[std::string("base_model.model.model.layers.7.self_attn.q_proj.lora_") + part + ".weight"] = torch::ones({3, 3});
            }, "layers.7");
        row("a pattern for a name", [](Json&, TensorMap& t) { t["base_model.model.*.lora_A.weight"] = torch::ones({3, 3}); }, "*");
        row("no tensor", [](Json&, TensorMap& t) { t.clear(); }, "no layer");
    }
    void refuses() {
        QFETCH(Change, change);
        QFETCH(QString, says);
        Case c("llama_attention");
        Json json = must(readJsonFile(c.dir + "/adapter_config.json"));
        TensorMap tensors = must(readSafetensors(c.dir + "/adapter_model.safetensors"));
        change(json, tensors);
        const std::string dir = m_dir + "/refused";
        QVERIFY(os::makeDirs(dir) && os::writeFileAtomic(dir + "/adapter_config.json", dumpJson(json)) &&
                writeSafetensors(dir + "/adapter_model.safetensors", tensors));
        const auto opened = Adapters::open(*c.loaded.model, c.loaded.model->adaptable(), dir);
        QVERIFY(!opened.has_value());
        const auto message = QString::fromStdString(opened.error().message);
        QVERIFY2(message.contains(says), qPrintable(message));
        QVERIFY(opened.error().code != Code::Internal);
    }

    void theUnchangedFolderOfTheTableIsAccepted() {
        Case c("llama_attention");
        QCOMPARE(c.open().layers().size(), size_t{4});
    }
};

QTEST_GUILESS_MAIN(TestAdapters)
#include "tst_adapters.moc"
