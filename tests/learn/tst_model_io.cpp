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
using FolderChange = std::function<void(const std::string&)>;
constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

} // namespace
Q_DECLARE_METATYPE(Change)
Q_DECLARE_METATYPE(TensorChange)
Q_DECLARE_METATYPE(FolderChange)

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

    /// The model "gqa" in two files with their index.
    std::string sharded() {
        const std::string dir = variant("gqa", {}, {});
        TensorMap parts[2];
        Json names = Json::object();
        int i = 0;
        const auto all = readSafetensors(dir + "/model.safetensors").value();
        for (const auto& [name, tensor] : all) {
            names[name] = i % 2 == 0 ? kFirst : kSecond;
            parts[i++ % 2][name] = tensor;
        }
        (void)writeSafetensors(dir + "/" + kFirst, parts[0]);
        (void)writeSafetensors(dir + "/" + kSecond, parts[1]);
        (void)os::removeTree(dir + "/model.safetensors");
        (void)os::writeFileAtomic(dir + "/" + kIndex, dumpJson({{"metadata", {{"total_size", 1}}}, {"weight_map", names}}));
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
        row("another family", [](Json& j) { j["model_type"] = "gemma2"; }, "gemma2");
        row("a family that wants other keys", [](Json& j) { j["model_type"] = "gpt2"; j.erase("architectures"); }, "n_embd");
        row("the architecture of another family", [](Json& j) { j["model_type"] = "qwen2"; }, "LlamaForCausalLM");
        row("no family", [](Json& j) { j.erase("model_type"); }, "model_type");
        row("another architecture", [](Json& j) { j["architectures"] = {"LlamaForTokenClassification"}; }, "TokenClassification");
        row("rope scaling without its numbers", [](Json& j) { j["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", 8}}; }, "low_freq_factor");
        row("a negative rope factor", [](Json& j) { j["rope_scaling"] = {{"type", "linear"}, {"factor", -2.0}}; }, "factor");
        row("an unknown rope setting", [](Json& j) { j["rope_parameters"]["mrope_section"] = {1, 2}; }, "mrope_section");
        row("rope by kind of layer", [](Json& j) { j["rope_parameters"] = {{"full_attention", {{"rope_type", "default"}}}}; }, "full_attention");
        row("long rope", [](Json& j) { j["rope_scaling"] = {{"type", "longrope"}, {"factor", 2.0}}; }, "longrope");
        row("rope type", [](Json& j) { j["rope_parameters"]["rope_type"] = "yarn"; }, "yarn");
        row("partial rotary", [](Json& j) { j["partial_rotary_factor"] = 0.5; }, "partial_rotary_factor");
        row("sliding window", [](Json& j) { j["sliding_window"] = 4096; }, "sliding_window");
        row("quantised", [](Json& j) { j["quantization_config"] = {{"bits", 4}}; }, "quantization_config");
        row("another activation", [](Json& j) { j["hidden_act"] = "xielu"; }, "xielu");
        row("layers of another kind", [](Json& j) { j["layer_types"] = {"full_attention", "linear_attention"}; }, "linear_attention");
        row("too few layer types", [](Json& j) { j["layer_types"] = {"full_attention"}; }, "layer_types");
        row("capped logits", [](Json& j) { j["final_logit_softcapping"] = 30.0; }, "final_logit_softcapping");
        row("scaled logits", [](Json& j) { j["logits_scaling"] = 8.0; }, "logits_scaling");
        row("experts", [](Json& j) { j["num_local_experts"] = 8; }, "num_local_experts");
        row("remote code", [](Json& j) { j["auto_map"] = {{"AutoModelForCausalLM", "modeling_x.X"}}; }, "auto_map");
        row("a vision tower", [](Json& j) { j["vision_config"] = {{"hidden_size", 4}}; }, "vision_config");
        row("an absurd vocabulary", [](Json& j) { j["vocab_size"] = int64_t{1} << 60; }, "vocab_size");
        row("an absurd width", [](Json& j) { j["hidden_size"] = 1e300; }, "hidden_size");
        row("a list", [](Json& j) { j = Json::array({j}); }, "object");
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

    void readsShards() {
        const auto loaded = loadModel(sharded(), torch::kCPU);
        QVERIFY2(loaded.has_value(), loaded ? "" : loaded.error().toString().c_str());
        const auto whole = loadModel(kGolden + "gqa", torch::kCPU).value();
        for (const auto& item : whole.model->named_parameters())
            QVERIFY(torch::equal(item.value(), *loaded->model->named_parameters().find(item.key())));
    }

    void refusesFolders_data() {
        QTest::addColumn<FolderChange>("change");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, FolderChange change, const char* says) { QTest::newRow(name) << change << QString(says); };
        const auto index = [](const std::function<void(Json&)>& edit) -> FolderChange {
            return [edit](const std::string& dir) {
                Json json = readJsonFile(dir + "/" + kIndex).value();
                edit(json);
                (void)os::writeFileAtomic(dir + "/" + kIndex, dumpJson(json));
            };
        };
        const auto text = [](const std::string& file, const std::string& bytes) -> FolderChange {
            return [=](const std::string& dir) { (void)os::writeFileAtomic(dir + "/" + file, bytes); };
        };
        const auto shard = [](const std::function<void(std::string&)>& edit) -> FolderChange {
            return [edit](const std::string& dir) {
                std::string bytes = os::readFile(dir + "/" + kFirst).value();
                edit(bytes);
                (void)os::writeFileAtomic(dir + "/" + kFirst, bytes);
            };
        };
        const auto tensors = [](const std::function<void(TensorMap&)>& edit) -> FolderChange {
            return [edit](const std::string& dir) {
                TensorMap map = readSafetensors(dir + "/" + kFirst).value();
                edit(map);
                (void)writeSafetensors(dir + "/" + kFirst, map);
            };
        };
        for (const char* bad : {"../model.safetensors", "/etc/passwd.safetensors", "a/b.safetensors", "a\\b.safetensors", "", "..",
                                "model.bin", "x\n.safetensors"})
            row(qPrintable(QString("index names '%1'").arg(bad)), index([bad](Json& j) { j["weight_map"]["model.norm.weight"] = bad; }),
                "model.norm.weight");
        row("index names a number", index([](Json& j) { j["weight_map"]["model.norm.weight"] = 7; }), "model.norm.weight");
        row("index names a file that is not there", index([](Json& j) { j["weight_map"]["x"] = "absent.safetensors"; }),
            "has no absent.safetensors");
        row("no weight_map", index([](Json& j) { j.erase("weight_map"); }), "weight_map");
        row("an empty weight_map", index([](Json& j) { j["weight_map"] = Json::object(); }), "weight_map");
        row("weight_map is a list", index([](Json& j) { j["weight_map"] = {1, 2}; }), "weight_map");
        row("index is a list", text(kIndex, "[]"), "weight_map");
        row("index is cut", text(kIndex, "{\"weight_map\": {\"a\": "), kIndex);
        row("index names one tensor twice", text(kIndex, "{\"weight_map\":{\"a\":\"b\",\"a\":\"c\"}}"), kIndex);
        row("index is deep", text(kIndex, "{\"weight_map\":" + std::string(100000, '[') + std::string(100000, ']') + "}"), kIndex);
        row("index names ten thousand files", index([](Json& j) {
                for (int i = 0; i < 10'100; ++i)
                    j["weight_map"][fmt::format("t{}", i)] = fmt::format("f{}.safetensors", i);
            }), "10000");
        row("config is deep", text("config.json", std::string(100000, '[') + std::string(100000, ']')), "config.json");
        row("config is huge", text("config.json", "{\"model_type\":\"llama\",\"x\":\"" + std::string(5 << 20, 'x') + "\"}"), "config.json");
        row("config is cut", text("config.json", "{\"model_type\""), "config.json");
        row("config says a thing twice", text("config.json", "{\"model_type\":\"llama\",\"model_type\":\"gpt2\"}"), "config.json");
        row("config has a NUL", text("config.json", std::string("{}\0", 3)), "config.json");
        row("config has broken UTF-8", text("config.json", "{\"model_type\":\"\xff\"}"), "config.json");
        row("config is empty", text("config.json", ""), "config.json");
        row("shard is cut", shard([](std::string& b) { b.resize(b.size() - 5); }), "data_offsets");
        row("shard has bytes too many", shard([](std::string& b) { b += "12345"; }), "cover");
        row("shard is empty", shard([](std::string& b) { b.clear(); }), "0 bytes");
        row("shard claims a header of an exabyte", shard([](std::string& b) { b.replace(0, 8, std::string(7, '\xff') + '\x0f'); }), "claims");
        row("shard is a pickle", shard([](std::string& b) { b = std::string("\x80\2}q\0.", 6) + b; }), "pickle");
        row("shard has overlapping tensors", shard([](std::string& b) { // every tensor begins at 0
                for (size_t at = b.find("[", b.find("data_offsets")); at != std::string::npos && at < 4000;
                     at = b.find("[", b.find("data_offsets", at)))
                    for (++at; b[at] != ','; ++at)
                        b[at] = b[at - 1] == '[' ? '0' : ' ';
            }), kFirst);
        row("a tensor in both shards", [](const std::string& dir) {
                TensorMap a = readSafetensors(dir + "/" + kFirst).value();
                const TensorMap b = readSafetensors(dir + "/" + kSecond).value();
                a.insert(*b.begin());
                (void)writeSafetensors(dir + "/" + kFirst, a);
            }, "twice");
        row("a tensor less", tensors([](TensorMap& m) { m.erase(m.begin()); }), "lacks the tensors");
        row("a tensor too many", tensors([](TensorMap& m) { m["model.layers.9.mlp.up_proj.weight"] = torch::ones({64, 32}); }), "model.layers.9");
        row("another width", tensors([](TensorMap& m) { m.begin()->second = m.begin()->second.narrow(0, 0, 1).clone(); }), "shape");
        row("whole numbers", tensors([](TensorMap& m) { m.begin()->second = m.begin()->second.to(torch::kInt32); }), "I32");
        row("NaN", tensors([](TensorMap& m) { m.begin()->second.view({-1})[0] = NAN; }), "not finite");
        row("infinity", tensors([](TensorMap& m) { m.begin()->second.view({-1})[1] = -INFINITY; }), "not finite");
        row("half of NaN", tensors([](TensorMap& m) { auto& t = m.begin()->second; t = t.to(torch::kFloat16); t.view({-1})[2] = NAN; }), "not finite");
        row("a link out of the folder", [](const std::string& dir) {
                (void)os::renamePath(dir + "/" + kFirst, os::parentDir(dir) + "/away.safetensors");
                QVERIFY(QFile::link("../away.safetensors", QString::fromStdString(dir + "/" + kFirst)));
            }, "link that leaves");
        row("a config that is a link to a device", [](const std::string& dir) {
                (void)os::removeTree(dir + "/config.json");
                QVERIFY(QFile::link("/dev/zero", QString::fromStdString(dir + "/config.json")));
            }, "link that leaves");
        row("a shard that is a folder", [](const std::string& dir) {
                (void)os::removeTree(dir + "/" + kFirst);
                (void)os::makeDirs(dir + "/" + kFirst);
            }, "no file");
    }
    void refusesFolders() {
        QFETCH(FolderChange, change);
        QFETCH(QString, says);
        const std::string dir = sharded();
        change(dir);
        const uint64_t before = os::peakMemory();
        const auto loaded = loadModel(dir, torch::kCPU);
        QVERIFY(!loaded.has_value());
        const auto message = QString::fromStdString(loaded.error().message);
        QVERIFY2(message.contains(says), qPrintable(message));
        QVERIFY2(loaded.error().code != Code::Internal && !loaded.error().hint.empty(), qPrintable(message));
        // Nothing that a file claims is taken on trust: the folder has 0.2 MB, its largest replacement 5 MB.
        const uint64_t grown = os::peakMemory() - before;
        QVERIFY2(grown < 64 << 20, qPrintable(QString("%1 MB").arg(grown >> 20)));
    }

    /// snapshots/REVISION/file -> ../../blobs/HASH of the same repository, and no other way out.
    void followsTheLinksOfTheHuggingFaceCache() {
        const std::string repository = path("models--some--one"), snapshot = repository + "/snapshots/abc", blobs = repository + "/blobs";
        QVERIFY(os::makeDirs(snapshot) && os::makeDirs(blobs) && os::makeDirs(path("models--other--one/blobs")));
        const std::string from = sharded();
        int i = 0;
        const auto names = os::listDir(from).value();
        for (const std::string& name : names) {
            const std::string blob = fmt::format("{:040x}", ++i);
            QVERIFY(os::copyFile(from + "/" + name, blobs + "/" + blob).has_value());
            QVERIFY(QFile::link(QString::fromStdString("../../blobs/" + blob), QString::fromStdString(snapshot + "/" + name)));
        }
        const auto loaded = loadModel(snapshot, torch::kCPU);
        QVERIFY2(loaded.has_value(), loaded ? "" : loaded.error().toString().c_str());
        for (const char* elsewhere : {"../../../models--other--one/blobs/x", "../../x", "/proc/self/environ"}) {
            const std::string file = snapshot + "/" + kFirst;
            (void)os::removeTree(file);
            for (const char* target : {"models--other--one/blobs/x", "models--some--one/x"})
                QVERIFY(os::copyFile(from + "/" + kFirst, path(target)).has_value());
            QVERIFY(QFile::link(elsewhere, QString::fromStdString(file)));
            const auto refused = loadModel(snapshot, torch::kCPU);
            QVERIFY(!refused.has_value() && refused.error().code == Code::Unsupported);
            QVERIFY(QString::fromStdString(refused.error().message).contains(kFirst));
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
