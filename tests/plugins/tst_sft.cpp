// SPDX-License-Identifier: Apache-2.0

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/sampling/sampler.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

std::string rows(int n) {
    std::vector<Json> out;
    const char* words[] = {"red", "green", "blue", "black"};
    for (int i = 0; i < n; ++i)
        out.push_back({{"prompt", std::string("say ") + words[i % 4]}, {"completion", words[i % 4]}});
    return jsonLines(out);
}

} // namespace

class TestSft : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const char* name) { return m_dir.filePath(name).toStdString(); }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
    }

    void learnsToAnswerAndToStop() {
        const auto dir = path("learn");
        makeBundle(dir, "sft", {modelSpec("policy", path("model"))},
                   {{"steps", 150}, {"batch_size", 8}, {"learning_rate", 0.01}, {"from_scratch", true}},
                   {{"train.jsonl", rows(16)}, {"dev.jsonl", rows(4)},
                    {"prompts.jsonl", jsonLines({{{"id", "q"}, {"prompt", "say blue"}, {"split", "dev"}}})}});
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const auto loss = metric(dir, "eval_loss");
        QVERIFY(loss.at(0) > 4.5); // from random weights: near ln 260
        QVERIFY2(loss.at(150) < 0.1, std::to_string(loss.at(150)).c_str());
        // The end token is learnt once, so the answer is the word and then the end.
        std::string last;
        bool finished = false;
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kSample) {
                last = event.body["response"];
                finished = event.body["finished"];
            }
        QCOMPARE(QString::fromStdString(last), QString("blue"));
        QVERIFY(finished);
        QVERIFY(!newestCheckpoint(dir).empty());
        must(learn::loadModel(dir + "/" + newestCheckpoint(dir), torch::kCPU));
    }

    void microBatchesDoNotChangeTheRun() {
        std::map<std::string, double> first;
        for (const int budget : {1 << 20, 60}) {
            const auto dir = path(("split" + std::to_string(budget)).c_str());
            makeBundle(dir, "sft", {modelSpec("policy", path("model"))},
                       {{"steps", 3}, {"batch_size", 8}, {"micro_batch_tokens", budget}, {"log_every", 1}},
                       {{"train.jsonl", rows(16)}});
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const auto metrics = allMetrics(dir);
            if (first.empty())
                first = metrics;
            else
                for (const auto& [name, value] : first)
                    if (name.find("total_flos") == std::string::npos) // padding is work too
                        QVERIFY2(std::abs(value - metrics.at(name)) < 1e-4 * std::max(1.0, std::abs(value)), name.c_str());
        }
    }

    void divergenceIsFailedAndSavesNothing() {
        const auto dir = path("nan");
        auto model = path("nan-model");
        makeModel(model);
        makeBundle(dir, "sft", {modelSpec("policy", model)},
                   {{"steps", 20}, {"batch_size", 4}, {"learning_rate", 1.0}, {"max_grad_norm", 0.0}, {"schedule", "constant"},
                    {"warmup", 0}, {"weight_decay", 10.0}, {"save_every", 100}, {"eval_every", 100}},
                   {{"train.jsonl", rows(8)}});
        // Weights that overflow in the forward pass.
        auto tensors = must(learn::readSafetensors(model + "/model.safetensors"));
        for (auto& [name, tensor] : tensors)
            if (name.find("down_proj") != std::string::npos || name.find("gate_proj") != std::string::npos)
                tensor.mul_(1e30);
        must(learn::writeSafetensors(model + "/model.safetensors", tensors));
        auto spec = must(readJsonFile(dir + "/run.json"));
        for (auto& entry : spec["models"])
            entry["hash"] = "";
        writeFile(dir + "/run.json", dumpJson(spec));
        const auto out = runPlugin(dir);
        QCOMPARE(out.status, static_cast<int>(PL_ERR_DIVERGED));
        QVERIFY(QString::fromStdString(out.message).contains("step 1"));
        QCOMPARE(count(dir, event::kAlert), size_t{1});
        QVERIFY(std::isnan(metric(dir, "loss").at(1)) || std::isinf(metric(dir, "loss").at(1)) ||
                std::isnan(metric(dir, "grad_norm").at(1)));
        QVERIFY(newestCheckpoint(dir).empty());
    }

    void refusesWhatItCannotTrainOn() {
        const auto empty = path("empty");
        makeBundle(empty, "sft", {modelSpec("policy", path("model"))}, {{"steps", 1}},
                   {{"train.jsonl", jsonLines({{{"prompt", "x"}, {"completion", ""}}})}});
        QVERIFY(runPlugin(empty).status != PL_OK);
        const auto nothing = path("nothing");
        makeBundle(nothing, "sft", {modelSpec("policy", path("model"))}, {{"steps", 1}}, {});
        const auto out = runPlugin(nothing);
        QVERIFY(out.status != PL_OK);
        QVERIFY(QString::fromStdString(out.message).contains("train.jsonl"));
        const auto longRows = path("long");
        makeBundle(longRows, "sft", {modelSpec("policy", path("model"))}, {{"steps", 1}, {"max_length", 16}},
                   {{"train.jsonl", rows(4)}});
        QVERIFY(QString::fromStdString(runPlugin(longRows).message).contains("nothing to train on"));
    }
};

QTEST_GUILESS_MAIN(TestSft)
#include "tst_sft.moc"
