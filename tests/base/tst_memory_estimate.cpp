// SPDX-License-Identifier: Apache-2.0
// What training takes of memory, by arithmetic; that it is what training takes is measured in tests/acceptance/tst_memory.
#include <QFile>
#include <QTest>

#include "core/base/memory_estimate.h"

using namespace pl;

namespace {

ModelConfig llama() {
    const Json json = Json::parse(R"({"model_type": "llama", "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 160, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "eos_token_id": 2})");
    return ModelConfig::fromJson(json, "config.json").value();
}

} // namespace

class TestMemoryEstimate : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void fullTrainingHoldsFourCopies() {
        const ModelConfig m = llama();
        const double bytes = 4.0 * static_cast<double>(m.parameterCount());
        const MemoryEstimate e = estimateMemory(m, {});
        QCOMPARE(e.weights, bytes);
        QCOMPARE(e.gradients, bytes);
        QCOMPARE(e.optimizer, 2 * bytes);
        QCOMPARE(e.reference, 0.0);
        MemoryPlan beside;
        beside.referenceBeside = beside.average = true;
        QCOMPARE(estimateMemory(m, beside).reference, bytes);
        QCOMPARE(estimateMemory(m, beside).optimizer, 3 * bytes);
    }

    void adaptersAreAllThatIsTrained() {
        const ModelConfig m = llama();
        // q, o: 64 -> 64; k, v: 64 -> 32; gate, up, down: 64 <-> 160; three layers of rank 8
        QCOMPARE(adapterParameters(m, 8), int64_t{8 * 3 * (2 * 128 + 2 * 96 + 3 * 224)});
        MemoryPlan plan;
        plan.adapterRank = 8;
        plan.referenceBeside = true; // is the model without its adapters
        const MemoryEstimate e = estimateMemory(m, plan);
        QCOMPARE(e.gradients, 4.0 * static_cast<double>(adapterParameters(m, 8)));
        QCOMPARE(e.reference, 0.0);
        QVERIFY(e.total() < estimateMemory(m, {}).total());
    }

    void activationsGrowWithPositionsAndTheHeadUpToASize() {
        ModelConfig m = llama();
        MemoryPlan plan;
        const double once = estimateMemory(m, plan).activations;
        plan.positions *= 3;
        QCOMPARE(estimateMemory(m, plan).activations, 3 * once);
        // 64 wide: 4 hidden, 2 of 4 heads of 16, keys and values, a number a head, 3 of 160; 3 layers and the one that is worked on, and 2 at
        // the ends
        QCOMPARE(once, 4.0 * 2048 * (4 * (4 * 64 + 2 * 64 + 2 * 32 + 4 + 3 * 160) + 2 * 64));
        plan.positions = 2048;
        plan.packed = false; // keys and values are repeated, and what attention gives is there in two orders; half of the last layer is not read
        QCOMPARE(estimateMemory(m, plan).activations, 4.0 * 2048 * (3.6 * (4 * 64 + 5 * 64 + 2 * 32 + 3 * 160) - 0.5 * (3 * 64 + 3 * 160) + 2 * 64));
        plan.packed = true;
        plan.positions = 2048;
        m.vocabSize = 30000; // probabilities of all tokens are kept up to 256 MB
        QVERIFY(estimateMemory(m, plan).head > 4.0 * 2048 * 30000);
        m.vocabSize = 40000; // and computed again above
        QVERIFY(estimateMemory(m, plan).head < 0.05 * 4.0 * 2048 * 40000);
        plan.method = TrainMethod::RewardModel;
        QCOMPARE(estimateMemory(m, plan).head, 0.0);
    }

    /// Copies of the weights at half the size; what linear maps read at half the size, and what attention gives once more for the next one.
    void productsInBf16HoldCopiesAndKeepHalf() {
        const ModelConfig m = llama();
        MemoryPlan plan;
        plan.half = plan.referenceBeside = true;
        const MemoryEstimate e = estimateMemory(m, plan);
        const double bytes = 4.0 * static_cast<double>(m.parameterCount());
        QCOMPARE(e.weights, 1.5 * bytes);
        QCOMPARE(e.reference, 1.5 * bytes);
        QCOMPARE(e.gradients + e.optimizer, 3 * bytes);
        QCOMPARE(e.activations, 4.0 * 2048 * (4 * (3 * 64 + 2.5 * 64 + 2 * 32 + 4 + 2.5 * 160) + 2 * 64));
    }

    void layersComputedAgainAreThereOneAtATime() {
        const ModelConfig m = llama();
        MemoryPlan plan;
        plan.recompute = true;
        QCOMPARE(estimateMemory(m, plan).activations, 4.0 * 2048 * (3 * 64 + 3 * (4 * 64 + 2 * 64 + 2 * 32 + 4 + 3 * 160) + 2 * 64));
        // Taken of itself only where it is needed.
        const double plain = estimateMemory(m, {}).total();
        QCOMPARE(decided(m, {}, Checkpointing::Auto, plain * 1.4).recompute, false);
        QCOMPARE(decided(m, {}, Checkpointing::Auto, plain * 1.2).recompute, true);
        QCOMPARE(decided(m, {}, Checkpointing::Off, plain * 1.2).recompute, false);
        QCOMPARE(decided(m, {}, Checkpointing::On, plain * 10).recompute, true);
        QVERIFY(checkpointingOf("on") == Checkpointing::On && checkpointingOf("off") == Checkpointing::Off &&
                checkpointingOf("auto") == Checkpointing::Auto);
    }

    void manyAnswersAtOnceFillTheCache() {
        MemoryPlan plan;
        plan.method = TrainMethod::Grpo;
        plan.positions = 16;
        plan.sequences = 64;
        plan.longest = 512;
        QCOMPARE(estimateMemory(llama(), plan).activations, 4.0 * 2 * 3 * 2 * 16 * 64 * 512);
    }

    /// On a GPU tensors are counted, not the growth of a process (tests/learn/tst_on_device holds it against an allocator's peak).
    void onAGpuTensorsCount() {
        const ModelConfig m = llama();
        const double layer = 4 * 64 + 5 * 64 + 2 * 32 + 3 * 160, after = 3 * 64 + 3 * 160; // padded
        MemoryPlan plan = MemoryPlan().on("cuda:1");
        QVERIFY(plan.onGpu && !plan.packed);
        QVERIFY(!MemoryPlan().on("cpu").onGpu && MemoryPlan().on("cpu").packed);
        QCOMPARE(estimateMemory(m, plan).activations, 4.0 * 2048 * (3.6 * layer - 0.5 * after + 2 * 64));
        QCOMPARE(estimateMemory(m, plan).weights, estimateMemory(m, {}).weights);
        plan.read = 1;
        QCOMPARE(estimateMemory(m, plan).activations, 4.0 * 2048 * (3.6 * layer + 2 * 64));
        QCOMPARE(estimateMemory(m, plan).head, 4.0 * 2048 * (64 + static_cast<double>(m.vocabSize)));
        plan.recompute = true;
        QCOMPARE(estimateMemory(m, plan).activations, 4.0 * 2048 * (3 * 64 + 1.6 * layer + 2 * 64));
        plan = MemoryPlan().on("cuda:0");
        plan.method = TrainMethod::RewardModel;
        QCOMPARE(estimateMemory(m, plan).activations, 4.0 * 2048 * (3.6 * layer - after + 2 * 64));
        QCOMPARE(estimateMemory(m, plan).head, 0.0);
        plan.method = TrainMethod::Grpo;
        plan.positions = 16;
        plan.longest = 512;
        QCOMPARE(estimateMemory(m, plan).activations, 4.0 * 2 * 3 * 2 * 16 * 64 * 512);
    }

    /// The plugins' own defaults, which a person meets on the Train page.
    void whatIsUsualIsWhatThePluginsHave() {
        const std::pair<TrainMethod, const char*> plugins[] = {
            {TrainMethod::Sft, "sft"}, {TrainMethod::RewardModel, "reward_model"}, {TrainMethod::Dpo, "dpo"}, {TrainMethod::Grpo, "grpo"}};
        for (const auto& [method, plugin] : plugins) {
            QFile file(QStringLiteral(PAIRLAB_SOURCE_DIR "/plugins/%1/manifest.json").arg(QLatin1String(plugin)));
            QVERIFY(file.open(QFile::ReadOnly));
            const Json manifest = Json::parse(file.readAll().replace("[@", "[\"").replace("@]", "\"]").toStdString());
            const Json& p = manifest.at("parameters").at("properties");
            const MemoryPlan plan = MemoryPlan::usual(method, 4);
            QCOMPARE(plan.positions, p.at("micro_batch_tokens").at("default").get<int64_t>());
            QCOMPARE(plan.adapterRank, int64_t{4});
            // dpo keeps one until every pair was met; grpo has none with beta 0.
            QCOMPARE(plan.referenceBeside, p.contains("reference") && p.at("reference").at("default") != "cached");
            if (method == TrainMethod::Grpo)
                QCOMPARE(plan.sequences, p.at("num_generations").at("default").get<int64_t>() * p.at("prompts_per_step").at("default").get<int64_t>());
        }
    }

    void whatFits() {
        QVERIFY(fitOf(70, 100) == Fit::Fits && fitOf(80, 100) == Fit::Tight && fitOf(96, 100) == Fit::No);
    }
};

QTEST_APPLESS_MAIN(TestMemoryEstimate)
#include "tst_memory_estimate.moc"
