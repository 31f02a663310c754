// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <torch/torch.h>

#include "core/base/bundle.h"
#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/learn/models/decoder.h"

using namespace pl;
using namespace pl::learn;

namespace {

const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/llama/";
using Change = std::function<void(Json&)>;
using TensorChange = std::function<void(TensorMap&)>;

} // namespace
Q_DECLARE_METATYPE(Change)
Q_DECLARE_METATYPE(TensorChange)

class TestModelIo : public QObject {
    Q_OBJECT
    std::string m_dir;
    std::string path(const std::string& name) const { return os::joinPath(m_dir, name); }

    /// A copy of a fixture's model with changed parts.
    std::string variant(const std::string& from, const Change& config, const TensorChange& tensors) {
        const std::string dir = path("variant");
        (void)os::removeTree(dir);
        (void)os::makeDirs(dir);
        Json json = readJsonFile(kGolden + from + "/config.json").value();
        if (config)
            config(json);
        (void)os::writeFileAtomic(dir + "/config.json", dumpJson(json));
        TensorMap map = readSafetensors(kGolden + from + "/model.safetensors").value();
        if (tensors)
            tensors(map);
        (void)writeSafetensors(dir + "/model.safetensors", map);
        return dir;
    }

private Q_SLOTS:
    void initTestCase() { m_dir = os::makeTempDir("model_io").value(); }
    void cleanupTestCase() { (void)os::removeTree(m_dir); }

    void savedModelIsTheSameModel_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"base", "gqa", "headdim", "reward"})
            QTest::newRow(name) << name;
    }
    void savedModelIsTheSameModel() {
        QFETCH(QString, name);
        auto first = loadModel(kGolden + name.toStdString(), torch::kCPU).value();
        const std::string dir = path("saved_" + name.toStdString());
        QVERIFY(saveModel(first.model, dir, kGolden + name.toStdString()).has_value());
        const auto second = loadModel(dir, torch::kCPU);
        QVERIFY2(second.has_value(), second ? "" : second.error().toString().c_str());
        const auto a = first.model->named_parameters(), b = second->model->named_parameters();
        QCOMPARE(a.size(), b.size());
        for (const auto& item : a)
            QVERIFY2(torch::equal(item.value(), *b.find(item.key())), item.key().c_str());
        // The names are transformers' own: no tensor more or less than its file has.
        const auto theirs = readSafetensorsHeader(kGolden + name.toStdString() + "/model.safetensors").value();
        const auto ours = readSafetensorsHeader(dir + "/model.safetensors").value();
        QCOMPARE(ours.size(), theirs.size());
        for (const auto& [tensor, info] : theirs)
            QVERIFY2(ours.count(tensor) && ours.at(tensor).shape == info.shape, tensor.c_str());
        const Json config = readJsonFile(dir + "/config.json").value(), original = readJsonFile(kGolden + name.toStdString() + "/config.json").value();
        for (const char* key : {"architectures", "model_type", "hidden_size", "rope_parameters", "eos_token_id", "pad_token_id",
                                "tie_word_embeddings", "rms_norm_eps", "head_dim", "transformers_version"})
            QCOMPARE(QString::fromStdString(dumpJson(config[key])), QString::fromStdString(dumpJson(original[key])));
        QVERIFY(config["rope_theta"].get<double>() == original["rope_parameters"]["rope_theta"].get<double>());
        QVERIFY(second->hash == modelHash(dir).value());
    }

    void refusesConfigs_data() {
        QTest::addColumn<Change>("change");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, Change change, const char* says) { QTest::newRow(name) << change << QString(says); };
        row("another family", [](Json& j) { j["model_type"] = "gpt2"; }, "gpt2");
        row("no family", [](Json& j) { j.erase("model_type"); }, "model_type");
        row("another architecture", [](Json& j) { j["architectures"] = {"LlamaForTokenClassification"}; }, "TokenClassification");
        row("rope scaling", [](Json& j) { j["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", 8}}; }, "rope_scaling");
        row("rope type", [](Json& j) { j["rope_parameters"]["rope_type"] = "yarn"; }, "yarn");
        row("partial rotary", [](Json& j) { j["partial_rotary_factor"] = 0.5; }, "partial_rotary_factor");
        row("sliding window", [](Json& j) { j["sliding_window"] = 4096; }, "sliding_window");
        row("quantised", [](Json& j) { j["quantization_config"] = {{"bits", 4}}; }, "quantization_config");
        row("another activation", [](Json& j) { j["hidden_act"] = "gelu"; }, "gelu");
        row("ten million layers", [](Json& j) { j["num_hidden_layers"] = 10000000; }, "num_hidden_layers");
        row("no layers", [](Json& j) { j["num_hidden_layers"] = 0; }, "num_hidden_layers");
        row("size as text", [](Json& j) { j["hidden_size"] = "32"; }, "hidden_size");
        row("size as a fraction", [](Json& j) { j["hidden_size"] = 32.5; }, "hidden_size");
        row("heads that do not share", [](Json& j) { j["num_key_value_heads"] = 3; }, "key/value");
        row("odd head", [](Json& j) { j["head_dim"] = 7; }, "head_dim");
        row("end token beyond the vocabulary", [](Json& j) { j["eos_token_id"] = 97; }, "eos_token_id");
        row("negative epsilon", [](Json& j) { j["rms_norm_eps"] = -1.0; }, "rms_norm_eps");
        row("other width than the weights", [](Json& j) { j["intermediate_size"] = 65; }, "shape");
        row("fewer layers than the weights", [](Json& j) { j["num_hidden_layers"] = 1; }, "model.layers.1");
        row("more layers than the weights", [](Json& j) { j["num_hidden_layers"] = 3; }, "model.layers.2");
        row("untied without a head", [](Json& j) { j["tie_word_embeddings"] = false; }, "lm_head.weight");
        row("biases that are not there", [](Json& j) { j["attention_bias"] = true; }, "bias");
    }
    void refusesConfigs() {
        QFETCH(Change, change);
        QFETCH(QString, says);
        const auto loaded = loadModel(variant("base", change, {}), torch::kCPU);
        QVERIFY(!loaded.has_value());
        const auto message = QString::fromStdString(loaded.error().message);
        QVERIFY2(message.contains(says), qPrintable(message));
    }

    void refusesWeights_data() {
        QTest::addColumn<TensorChange>("change");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, TensorChange change, const char* says) { QTest::newRow(name) << change << QString(says); };
        row("missing", [](TensorMap& m) { m.erase("model.norm.weight"); }, "model.norm.weight");
        row("left over", [](TensorMap& m) { m["model.extra"] = torch::ones({2}); }, "model.extra");
        row("another shape", [](TensorMap& m) { m["model.norm.weight"] = torch::ones({33}); }, "[33]");
        row("transposed", [](TensorMap& m) { m["model.layers.0.mlp.up_proj.weight"] = torch::ones({32, 64}); }, "up_proj");
        row("whole numbers", [](TensorMap& m) { m["model.norm.weight"] = torch::ones({32}, torch::kInt64); }, "I64");
        row("NaN", [](TensorMap& m) { m["model.norm.weight"][3] = NAN; }, "model.norm.weight");
        row("infinite", [](TensorMap& m) { m["model.embed_tokens.weight"][3][1] = INFINITY; }, "embed_tokens");
        row("a tied head that differs", [](TensorMap& m) { m["lm_head.weight"] = torch::ones({97, 32}); }, "lm_head");
    }
    void refusesWeights() {
        QFETCH(TensorChange, change);
        QFETCH(QString, says);
        const auto loaded = loadModel(variant("base", {}, change), torch::kCPU);
        QVERIFY(!loaded.has_value());
        const auto message = QString::fromStdString(loaded.error().message);
        QVERIFY2(message.contains(says), qPrintable(message));
    }

    void acceptsATiedHeadThatIsEqualAndHalfPrecision() {
        const auto same = loadModel(variant("base", {}, [](TensorMap& m) { m["lm_head.weight"] = m["model.embed_tokens.weight"].clone(); }), torch::kCPU);
        QVERIFY(same.has_value());
        const auto half = loadModel(variant("base", {}, [](TensorMap& m) {
            for (auto& [name, tensor] : m)
                tensor = tensor.to(torch::kBFloat16);
        }), torch::kCPU);
        QVERIFY(half.has_value());
        QVERIFY(half->model->parameters()[0].scalar_type() == torch::kFloat32);
    }

    void readsShardsAndRefusesAnIndexThatLeavesTheFolder() {
        const std::string dir = variant("gqa", {}, {});
        const auto tensors = readSafetensors(dir + "/model.safetensors").value();
        TensorMap parts[2];
        Json map = Json::object();
        int i = 0;
        for (const auto& [name, tensor] : tensors) {
            map[name] = fmt::format("model-0000{}-of-00002.safetensors", i % 2 + 1);
            parts[i++ % 2][name] = tensor;
        }
        for (int part = 0; part < 2; ++part)
            QVERIFY(writeSafetensors(fmt::format("{}/model-0000{}-of-00002.safetensors", dir, part + 1), parts[part]).has_value());
        QVERIFY(os::removeTree(dir + "/model.safetensors").has_value());
        const std::string index = dir + "/model.safetensors.index.json";
        QVERIFY(os::writeFileAtomic(index, dumpJson({{"weight_map", map}})).has_value());
        const auto loaded = loadModel(dir, torch::kCPU);
        QVERIFY2(loaded.has_value(), loaded ? "" : loaded.error().toString().c_str());
        for (const char* bad : {"../model.safetensors", "/etc/passwd.safetensors", "", "model.bin"}) {
            map["model.norm.weight"] = bad;
            QVERIFY(os::writeFileAtomic(index, dumpJson({{"weight_map", map}})).has_value());
            const auto refused = loadModel(dir, torch::kCPU);
            QVERIFY(!refused.has_value());
            QVERIFY(QString::fromStdString(refused.error().message).contains("model.norm.weight"));
        }
    }

    void namesPickleAndEmptyFolders() {
        const std::string dir = variant("base", {}, {});
        QVERIFY(os::removeTree(dir + "/model.safetensors").has_value());
        QVERIFY(QString::fromStdString(loadModel(dir, torch::kCPU).error().message).contains("model.safetensors"));
        QVERIFY(os::writeFileAtomic(dir + "/pytorch_model.bin", "PK").has_value());
        QVERIFY(QString::fromStdString(loadModel(dir, torch::kCPU).error().message).contains("pickle"));
        QVERIFY(loadModel(path("nowhere"), torch::kCPU).error().code == Code::NotFound);
    }

    void addsARewardHeadToALanguageModel() {
        const auto tied = loadModel(kGolden + "base", torch::kCPU, true, 5);
        const auto again = loadModel(kGolden + "base", torch::kCPU, true, 5);
        const auto other = loadModel(kGolden + "base", torch::kCPU, true, 6);
        QVERIFY(tied && again && other);
        const auto score = [](const Result<LoadedModel>& m) { return *m->model->named_parameters().find("score.weight"); };
        QVERIFY(torch::equal(score(tied), score(again)));
        QVERIFY(!torch::equal(score(tied), score(other)));
        QVERIFY(score(tied).abs().max().item<float>() > 0);
        auto untied = loadModel(kGolden + "gqa", torch::kCPU, true, 5); // its lm_head is not needed
        QVERIFY(untied.has_value());
        QVERIFY(saveModel(untied->model, path("rm"), kGolden + "gqa").has_value());
        const auto saved = loadModel(path("rm"), torch::kCPU, true, 99);
        QVERIFY2(saved.has_value(), saved ? "" : saved.error().toString().c_str());
        QVERIFY(torch::equal(score(saved), score(untied))); // kept, not drawn anew
        QVERIFY(readJsonFile(path("rm/config.json")).value()["architectures"] == Json::array({"LlamaForSequenceClassification"}));
    }

    void copiesTheTokenizer() {
        QVERIFY(os::makeDirs(path("tokenizer")).has_value());
        QVERIFY(os::writeFileAtomic(path("tokenizer/tokenizer.json"), "{\"x\":1}").has_value());
        auto loaded = loadModel(kGolden + "base", torch::kCPU).value();
        QVERIFY(saveModel(loaded.model, path("with_tokenizer"), path("tokenizer")).has_value());
        QCOMPARE(QString::fromStdString(os::readFile(path("with_tokenizer/tokenizer.json")).value()), QString("{\"x\":1}"));
    }

    void parsesDevices() {
        QVERIFY(parseDevice("cpu").value().is_cpu());
        for (const char* bad : {"gpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda:99999", "cpu:0"})
            QVERIFY2(!parseDevice(bad).has_value(), bad);
        const auto absent = parseDevice("cuda:999"); // no machine has so many
        QVERIFY(absent.error().code == Code::Unsupported);
    }
};

QTEST_GUILESS_MAIN(TestModelIo)
#include "tst_model_io.moc"
