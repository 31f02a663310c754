// SPDX-License-Identifier: Apache-2.0
// Every family and option against transformers: tests/golden/families holds random models and what it computes with them.
#include <QtTest>

#include <torch/torch.h>

#include "core/base/json.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/learn/models/decoder.h"
#include "core/learn/sampling/sampler.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

namespace {

constexpr const char* kNames[] = {"gpt2",           "gpt2_options", "gpt2_unscaled", "llama3", "llama_linear", "smollm", "mistral",
                                  "mistral_window", "qwen2",        "qwen2_window",  "qwen3",  "qwen3_options"};

struct Case : Expected {
    LoadedModel loaded;
    explicit Case(const std::string& name) : Expected(kFamilies + name), loaded(openFolder(kFamilies + name)) {}
    torch::Tensor prompts() const { return torch::tensor(json["prompt_lengths"].get<std::vector<int64_t>>(), torch::kInt64); }
};

/// All weights of a folder by their full names, as fp32.
TensorMap weightsOf(const std::string& dir, const ModelConfig& config) {
    TensorMap out;
    const auto files = weightFileNames(dir).value();
    for (const std::string& file : files) {
        const auto tensors = readSafetensors(dir + "/" + file).value();
        for (const auto& [name, tensor] : tensors)
            out[config.fullName(name)] = tensor.to(torch::kFloat32);
    }
    return out;
}

} // namespace

class TestFamilies : public QObject {
    Q_OBJECT
    std::string m_dir;
    static void everyCase() { rowsOf(kNames); }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        m_dir = os::makeTempDir("families").value();
    }
    void cleanupTestCase() { (void)os::removeTree(m_dir); }

    void logitsLossAndGradientsAreThoseOfTransformers_data() { everyCase(); }
    void logitsLossAndGradientsAreThoseOfTransformers() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        auto& model = c.loaded.model;
        const auto mask = c.tensors.at("attention_mask");
        const double d = difference(model->head(model->hidden(c.batch)) * mask.unsqueeze(2), c.tensors.at("logits"));
        QVERIFY2(d < 1e-4, qPrintable(QString("logits differ by %1").arg(d)));
        const auto result = completionLogps(model, c.batch, torch::ones({3}, torch::kInt64));
        QVERIFY(difference(result.logps, c.tensors.at("token_logps")) < 1e-4);
        const auto loss = -result.logps.sum() / result.mask.sum();
        QVERIFY(std::abs(loss.item<double>() - c.json["loss"].get<double>()) < 1e-4);
        if (!c.tensors.count(c.loaded.config.layout == Layout::Gpt2 ? "grad.transformer.wte.weight" : "grad.model.embed_tokens.weight"))
            return;
        loss.backward();
        for (const auto& item : model->named_parameters()) {
            const double off = difference(item.value().grad(), c.tensors.at("grad." + item.key()));
            QVERIFY2(off < 1e-4, qPrintable(QString::fromStdString(item.key()) + QString(" %1").arg(off)));
        }
    }

    void oneOfEveryFamilyHasGradients() {
        std::set<std::string> families;
        for (const char* name : kNames) {
            const auto config = readModelConfig(kFamilies + name).value();
            const auto header = readSafetensorsHeader(kFamilies + name + "/expected.safetensors").value();
            for (const auto& [tensor, info] : header)
                if (tensor.starts_with("grad."))
                    families.insert(config.modelType);
        }
        QCOMPARE(families, (std::set<std::string>{"gpt2", "llama", "mistral", "qwen2", "qwen3"}));
    }

    void aRewardHeadScoresAsTransformersClassifier_data() { everyCase(); }
    void aRewardHeadScoresAsTransformersClassifier() {
        QFETCH(QString, name);
        const Case c(name.toStdString());
        auto reward = loadModel(kFamilies + name.toStdString(), torch::kCPU, true, 1).value();
        torch::NoGradGuard noGrad;
        reward.model->named_parameters().find("score.weight")->copy_(c.tensors.at("score.weight"));
        QVERIFY(difference(reward.model->scores(c.batch), c.tensors.at("scores")) < 1e-4);
    }

    void greedyGenerationsAreThoseOfTransformers_data() { everyCase(); }
    void greedyGenerationsAreThoseOfTransformers() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        std::vector<std::vector<int64_t>> prompts, expected;
        for (const Json& row : c.json["generation"]) {
            prompts.push_back(row["prompt"].get<std::vector<int64_t>>());
            expected.push_back(row["new_tokens"].get<std::vector<int64_t>>());
        }
        SamplingOptions options;
        options.temperature = 0;
        options.maxNewTokens = static_cast<int64_t>(expected[0].size());
        const auto sampled = sampleBatch(c.loaded.model, prompts, options); // prompts of 1, 4 and 11 tokens in one batch
        QVERIFY2(sampled.has_value(), sampled ? "" : sampled.error().toString().c_str());
        for (size_t i = 0; i < expected.size(); ++i)
            QCOMPARE((*sampled)[i].ids, expected[i]);
    }

    void cachedDecodingEqualsTheWholePass_data() { everyCase(); }
    void cachedDecodingEqualsTheWholePass() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        auto& model = c.loaded.model;
        torch::NoGradGuard noGrad;
        torch::manual_seed(3);
        const auto ids = torch::randint(3, 61, {3, 24}, torch::kInt64);
        auto prompts = torch::tensor({4, 11, 7}, torch::kInt64); // ragged
        auto cache = model->makeCache(3, 30);
        auto hidden = model->prefill({ids.narrow(1, 0, 11), prompts}, cache);
        std::vector<int64_t> rows{0, 1, 2}; // of ids, in the cache's order
        for (int64_t step = 0; step < 12; ++step) {
            const auto whole = model->hidden({ids, prompts});
            for (size_t i = 0; i < rows.size(); ++i) {
                const int64_t position = prompts[rows[i]].item<int64_t>() + step - 1;
                const double d = difference(hidden[static_cast<int64_t>(i)], whole[rows[i]][position]);
                QVERIFY2(d < 1e-4, qPrintable(QString("step %1 row %2: %3").arg(step).arg(rows[i]).arg(d)));
            }
            std::vector<int64_t> next;
            for (const int64_t row : rows)
                next.push_back(ids[row][prompts[row].item<int64_t>() + step].item<int64_t>());
            hidden = model->decodeStep(torch::tensor(next, torch::kInt64), cache);
            if (step == 5) { // rows keep their own past and place when others leave
                rows = {2, 0};
                cache.selectRows(rows);
                hidden = hidden.index_select(0, torch::tensor(rows, torch::kInt64));
            }
        }
    }

    void theParametersAreTheTensorsTheConfigAsksFor_data() { everyCase(); }
    void theParametersAreTheTensorsTheConfigAsksFor() {
        QFETCH(QString, name);
        auto config = readModelConfig(kFamilies + name.toStdString()).value();
        for (const bool reward : {false, true}) {
            config.rewardHead = reward;
            const auto parameters = Decoder(config)->named_parameters();
            const auto shapes = config.tensorShapes();
            QCOMPARE(parameters.size(), shapes.size());
            int64_t count = 0;
            for (const auto& item : parameters) {
                QVERIFY2(shapes.count(item.key()) && shapes.at(item.key()) == item.value().sizes().vec(), item.key().c_str());
                count += item.value().numel();
            }
            QCOMPARE(config.parameterCount(), count);
        }
    }

    /// Names, shapes and values as they were, and a config that says the same: transformers loads it (tests/peers/models.py).
    void aSavedModelIsTheSameModel_data() { everyCase(); }
    void aSavedModelIsTheSameModel() {
        QFETCH(QString, name);
        const std::string from = kFamilies + name.toStdString(), to = m_dir + "/" + name.toStdString();
        const auto loaded = loadModel(from, torch::kCPU).value();
        QVERIFY(saveModel(loaded.model, to, from).has_value());
        const auto before = weightsOf(from, loaded.config), after = readSafetensors(to + "/model.safetensors").value();
        QCOMPARE(after.size(), before.size());
        for (const auto& [tensor, value] : before)
            QVERIFY2(after.count(tensor) && torch::equal(after.at(tensor), value), tensor.c_str());
        Json said = readJsonFile(to + "/config.json").value();
        const Json was = readJsonFile(from + "/config.json").value();
        for (const auto& [key, value] : was.items())
            if (key != "dtype" && key != "torch_dtype")
                QVERIFY2(said[key] == value, key.c_str());
        QCOMPARE(QString::fromStdString(said["torch_dtype"].get<std::string>()), QString("float32"));
        const auto again = loadModel(to, torch::kCPU);
        QVERIFY2(again.has_value(), again ? "" : again.error().toString().c_str());
        QVERIFY(again->config.toJson() == loaded.config.toJson());
    }

    void theOlderSpellingOfAConfigIsTheSame_data() { everyCase(); }
    void theOlderSpellingOfAConfigIsTheSame() {
        QFETCH(QString, name);
        const std::string old = kFamilies + name.toStdString() + "/config_v4.json";
        if (!os::exists(old))
            QVERIFY(name.startsWith("gpt2")); // has no rotary positions
        else {
            const auto a = readModelConfig(kFamilies + name.toStdString()).value();
            const auto b = ModelConfig::fromJson(readJsonFile(old).value(), "config_v4.json");
            QVERIFY2(b.has_value(), b ? "" : b.error().toString().c_str());
            QCOMPARE(b->ropeTheta, a.ropeTheta);
            QVERIFY(b->ropeScaling.kind == a.ropeScaling.kind);
            QCOMPARE(b->ropeScaling.factor, a.ropeScaling.factor);
            QCOMPARE(b->ropeScaling.originalPositions, a.ropeScaling.originalPositions);
        }
    }

    /// A config written from the fields alone describes the same network.
    void aConfigWithoutAnOriginalSaysEverything_data() { everyCase(); }
    void aConfigWithoutAnOriginalSaysEverything() {
        QFETCH(QString, name);
        Case c(name.toStdString());
        auto fields = c.loaded.config;
        fields.original = Json();
        const auto read = ModelConfig::fromJson(fields.toJson(), "config.json");
        QVERIFY2(read.has_value(), read ? "" : read.error().toString().c_str());
        Decoder model(*read);
        torch::NoGradGuard noGrad;
        const auto from = c.loaded.model->named_parameters();
        for (auto& item : model->named_parameters())
            item.value().copy_(from[item.key()]);
        QVERIFY(torch::equal(model->hidden(c.batch), c.loaded.model->hidden(c.batch)));
        QVERIFY(read->eosTokenIds == c.loaded.config.eosTokenIds && read->padTokenId == c.loaded.config.padTokenId);
    }

    /// GPT-2 on the hub has bare names and the causal masks of its first version.
    void bareNamesAndOldBuffersAreRead() {
        const std::string dir = m_dir + "/bare";
        QVERIFY(os::copyTree(kFamilies + "gpt2", dir).has_value());
        TensorMap bare;
        const auto full = readSafetensors(dir + "/model.safetensors").value();
        for (const auto& [name, tensor] : full)
            bare[name.substr(std::string("transformer.").size())] = tensor;
        for (const char* layer : {"h.0", "h.1"}) {
            bare[std::string(layer) + ".attn.bias"] = torch::ones({1, 1, 64, 64});
            bare[std::string(layer) + ".attn.masked_bias"] = torch::tensor(-1e4F);
        }
        QVERIFY(writeSafetensors(dir + "/model.safetensors", bare).has_value());
        const auto loaded = loadModel(dir, torch::kCPU);
        QVERIFY2(loaded.has_value(), loaded ? "" : loaded.error().toString().c_str());
        Case whole("gpt2");
        torch::NoGradGuard noGrad;
        auto model = loaded->model;
        QVERIFY(torch::equal(model->hidden(whole.batch), whole.loaded.model->hidden(whole.batch)));
    }

    /// A window as long as the sequence hides nothing; a shorter one does, and only from its length on.
    void aWindowHidesWhatIsFarBack() {
        Case c("mistral_window");
        auto wide = c.loaded.config, narrow = c.loaded.config;
        wide.windows.clear();
        const auto outputs = [&](const ModelConfig& config) {
            Decoder model(config);
            torch::NoGradGuard noGrad;
            const auto from = c.loaded.model->named_parameters();
            for (auto& item : model->named_parameters())
                item.value().copy_(from[item.key()]);
            return model->hidden(c.batch);
        };
        const auto all = outputs(wide), few = outputs(narrow);
        QVERIFY(difference(all.slice(1, 0, 5), few.slice(1, 0, 5)) < 1e-5);
        QVERIFY(difference(all.slice(1, 5, 6)[0], few.slice(1, 5, 6)[0]) > 1e-3);
    }

    void theThreeBandsOfLlama3() {
        RopeScaling s{RopeScaling::Kind::Llama3, 8, 1, 4, 64};
        QCOMPARE(s.stretched(1.0F), 1.0F);             // a wave of 6.3 positions
        QCOMPARE(s.stretched(0.01F), 0.01F / 8);       // of 628
        const float middle = s.stretched(0.2F);        // of 31.4
        QVERIFY(middle > 0.2F / 8 && middle < 0.2F);
        const double kept = (64 / (2 * M_PI / 0.2) - 1) / 3;
        QVERIFY(std::abs(middle - (1 - kept) * 0.2 / 8 - kept * 0.2) < 1e-7);
    }
};

QTEST_GUILESS_MAIN(TestFamilies)
#include "tst_families.moc"
