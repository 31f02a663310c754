// SPDX-License-Identifier: Apache-2.0
// Trainers of language models with low-rank adapters, and on models of every family.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "tests/plugins/tiny_run.h"

using namespace tiny;

class TestTextAdapters : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    static std::string sftRows() {
        std::vector<Json> rows;
        for (int i = 0; i < 12; ++i)
            rows.push_back({{"prompt", std::string(1 + i % 5, 'q')}, {"completion", std::string(2 + i % 4, 'a')}});
        return jsonLines(rows);
    }
    /// Runs a trainer; the folder of its bundle.
    std::string trained(const std::string& name, const std::string& plugin, const std::string& model, const Json& more) {
        Json parameters = {{"steps", 4}, {"batch_size", 6}, {"log_every", 1}, {"learning_rate", 0.01}};
        parameters.update(more);
        std::map<std::string, std::string> files = {{"train.jsonl", plantedPairs(24, 3)}, {"dev.jsonl", plantedPairs(12, 4)}};
        if (plugin == "sft")
            files = {{"train.jsonl", sftRows()}};
        const auto dir = makeBundle(path(name), plugin, {modelSpec("policy", model)}, parameters, files).dir();
        const auto out = runPlugin(dir);
        if (out.status != PL_OK)
            qFatal("%s: %s", name.c_str(), out.message.c_str());
        return dir;
    }
    static std::string last(const std::string& dir) { return dir + "/checkpoints/step-000004"; }
    std::string refusal(const std::string& plugin, const Json& parameters) {
        static int number = 0;
        const auto dir = makeBundle(path("refused-" + std::to_string(++number)), plugin, {modelSpec("policy", path("model"))}, parameters,
                                    {{"train.jsonl", plugin == "sft" ? sftRows() : plantedPairs(8, 3)}}).dir();
        const auto out = runPlugin(dir);
        return out.status == PL_OK ? std::string() : out.message;
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
    }

    /// The base is as it was, and the adapter on it is the checkpoint.
    void aCheckpointIsTheModelWithItsAdapterMerged_data() {
        QTest::addColumn<QString>("plugin");
        for (const char* plugin : {"sft", "reward_model", "dpo"})
            QTest::newRow(plugin) << plugin;
    }
    void aCheckpointIsTheModelWithItsAdapterMerged() {
        QFETCH(QString, plugin);
        const auto id = plugin.toStdString();
        const auto dir = trained("merged-" + id, id, path("model"), {{"adapter_rank", 2}, {"adapter_alpha", 4}, {"adapter_targets", "q_proj, up_proj"}});
        const bool reward = id == "reward_model";
        auto base = must(learn::loadModel(path("model"), torch::kCPU, reward, 5));
        const auto adapters = must(learn::Adapters::open(*base.model, base.model->adaptable(), last(dir) + "/adapter"));
        QCOMPARE(adapters.layers().size(), size_t{4});
        QVERIFY((adapters.options().whole == std::vector<std::string>(reward ? 1 : 0, "score")));
        const auto merged = adapters.merged();
        auto checkpoint = must(learn::loadModel(last(dir), torch::kCPU));
        QCOMPARE(checkpoint.config.rewardHead, reward);
        bool moved = false;
        for (const auto& item : checkpoint.model->named_parameters()) {
            const auto& own = *base.model->named_parameters().find(item.key());
            const auto at = merged.find(item.key());
            QVERIFY2(torch::equal(item.value(), at == merged.end() ? own : at->second), item.key().c_str());
            moved = moved || (at != merged.end() && !torch::equal(at->second, own));
        }
        QVERIFY(moved);
        QVERIFY(metric(dir, "loss").at(4) < metric(dir, "loss").at(1));
    }

    /// Reference and policy are one network before the first step, also when the policy itself came from an adapter (and its
    /// reference is that model, not the one below it).
    void theFirstLossOfDpoIsLnTwo_data() {
        QTest::addColumn<QString>("reference");
        QTest::addColumn<bool>("warm");
        for (const char* reference : {"live", "cached", "as_met"})
            for (const bool warm : {false, true})
                QTest::newRow(qPrintable(QString("%1 %2").arg(reference, warm ? "warm" : "fresh"))) << reference << warm;
    }
    void theFirstLossOfDpoIsLnTwo() {
        QFETCH(QString, reference);
        QFETCH(bool, warm);
        const std::string name = reference.toStdString() + (warm ? "-warm" : "-fresh");
        const std::string from = warm ? last(trained("sft-" + name, "sft", path("model"), {{"adapter_rank", 4}})) : path("model");
        const auto dir = trained("ln2-" + name, "dpo", from, {{"adapter_rank", 4}, {"reference", reference.toStdString()}, {"micro_batch_tokens", 100}});
        QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) < 1e-6);
        // Exactly the same pass, or (cached) one over rows packed otherwise, whose sums end in other bits.
        QVERIFY(std::abs(metric(dir, "rewards/margins").at(1)) <= (reference == "cached" ? 1e-6 : 0.0));
        QVERIFY(metric(dir, "loss").at(4) < metric(dir, "loss").at(1));
        QVERIFY(std::abs(metric(dir, "rewards/margins").at(4)) > 1e-3);
    }

    /// A cached reference was computed once, before; a live one every step with the adapters off: it never moves.
    void theReferenceStaysWhatItWas() {
        const Json adapters = {{"adapter_rank", 4}};
        const auto run = [&](const char* reference) {
            Json more = adapters;
            more["reference"] = reference;
            return trained(std::string("same-") + reference, "dpo", path("model"), more);
        };
        const auto live = run("live"), cached = run("cached");
        for (const char* name : {"loss", "rewards/margins", "rewards/chosen"})
            for (const int64_t step : {2, 4})
                QVERIFY2(std::abs(metric(live, name).at(step) - metric(cached, name).at(step)) < 1e-5, name);
    }

    void whatCannotBeAdaptedIsRefused() {
        QVERIFY(QString::fromStdString(refusal("dpo", {{"adapter_rank", 2}, {"adapter_targets", "c_attn"}})).contains("'c_attn'"));
        QVERIFY(QString::fromStdString(refusal("sft", {{"adapter_rank", 2}, {"from_scratch", true}})).contains("random weights"));
    }

    void everyFamilyIsTrained_data() {
        QTest::addColumn<QString>("family");
        QTest::addColumn<bool>("adapters");
        for (const char* family : {"gpt2", "mistral", "qwen2", "qwen3"}) {
            QTest::newRow(family) << family << false;
            QTest::newRow(qPrintable(QString(family) + " with adapters")) << family << true;
        }
    }
    void everyFamilyIsTrained() {
        QFETCH(QString, family);
        QFETCH(bool, adapters);
        const auto id = family.toStdString(), name = id + (adapters ? "-adapters" : "");
        Json config = {{"model_type", id}, {"vocab_size", 260}, {"hidden_size", 16}, {"num_hidden_layers", 2}, {"num_attention_heads", 4},
                       {"num_key_value_heads", 2}, {"head_dim", 8}, {"intermediate_size", 24}, {"max_position_embeddings", 128},
                       {"sliding_window", id == "mistral" ? Json(6) : Json()}, {"eos_token_id", 257}, {"pad_token_id", 258}};
        if (id == "gpt2")
            config = {{"model_type", id}, {"vocab_size", 260}, {"n_embd", 16}, {"n_layer", 2}, {"n_head", 2}, {"n_positions", 128},
                      {"eos_token_id", 257}, {"pad_token_id", 258}};
        makeModel(path(name), 5, 0, 0, config);
        const Json more = {{"adapter_rank", adapters ? 4 : 0}};
        const auto sft = trained(name + "-sft", "sft", path(name), more);
        QVERIFY(metric(sft, "loss").at(4) < metric(sft, "loss").at(1));
        const auto dpo = trained(name + "-dpo", "dpo", last(sft), more);
        QVERIFY(std::abs(metric(dpo, "loss").at(1) - std::log(2.0)) < 1e-5);
        QVERIFY(metric(dpo, "loss").at(4) < metric(dpo, "loss").at(1));
        const auto reward = trained(name + "-reward", "reward_model", last(sft), more);
        QVERIFY(must(learn::loadModel(last(reward), torch::kCPU)).config.rewardHead);
        QCOMPARE(must(learn::loadModel(last(dpo), torch::kCPU)).config.modelType, id);
    }
};

QTEST_GUILESS_MAIN(TestTextAdapters)
#include "tst_text_adapters.moc"
