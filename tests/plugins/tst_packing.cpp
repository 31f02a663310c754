// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
// Whole runs packed and padded, with layers kept and computed again, read after each step and late: the same figures, and the switches do
// switch.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

/// Pairs of which some share their prompt.
std::string pairs(int n, uint64_t seed) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i) {
        const auto letters = [&](uint64_t salt, uint64_t most) {
            std::string out;
            for (uint64_t k = 0, state = mix64(seed * 1000 + static_cast<uint64_t>(i) * 10 + salt); k <= state % most; ++k)
                out += static_cast<char>('a' + mix64(state + k) % 26);
            return out;
        };
        rows.push_back({{"id", "p" + std::to_string(i)}, {"prompt", i % 3 == 0 ? std::string("again") : letters(1, 20)},
                        {"chosen", letters(2, 30) + "!"}, {"rejected", letters(3, 9) + "."}});
    }
    return jsonLines(rows);
}

std::string completions(int n) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({{"prompt", std::string(static_cast<size_t>(1 + i % 7), 'q')},
                        {"completion", std::string(static_cast<size_t>(1 + 3 * i % 11), 'r')}});
    return jsonLines(rows);
}

std::string questions(int n) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({{"id", "q" + std::to_string(i)},
                        {"prompt", std::string(static_cast<size_t>(1 + i % 5), static_cast<char>('a' + i))},
                        {"split", "train"}});
    return jsonLines(rows);
}

} // namespace

class TestPacking : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    std::string train(const std::string& plugin, const std::string& name, const Json& more) {
        Json parameters = {{"steps", 3}, {"learning_rate", 0.003}, {"log_every", 1}, {"micro_batch_tokens", 150}};
        std::map<std::string, std::string> files;
        if (plugin == "grpo") {
            // One group of answers for all three updates, so that a rounding error cannot change what is written.
            parameters.update({{"rewards", Json::array({{{"type", "length"}, {"target", 2}, {"scale", 16}}})},
                               {"num_generations", 4},
                               {"prompts_per_step", 3},
                               {"max_new_tokens", 16},
                               {"beta", 0.1},
                               {"num_iterations", 3}});
            files["prompts.jsonl"] = questions(9);
        } else {
            parameters["batch_size"] = 8;
            files["train.jsonl"] = plugin == "sft" ? completions(24) : pairs(24, 1);
            files["dev.jsonl"] = plugin == "sft" ? completions(6) : pairs(9, 2);
        }
        parameters.update(more);
        makeBundle(path(name), plugin, {modelSpec("policy", path("model"))}, parameters, files);
        const auto out = runPlugin(path(name));
        if (out.status != PL_OK)
            qFatal("%s", out.message.c_str());
        return path(name);
    }

    static void same(const std::string& a, const std::string& b, double bound) {
        const auto x = allMetrics(a), y = allMetrics(b);
        QCOMPARE(x.size(), y.size());
        QVERIFY(x.size() > 10);
        for (const auto& [name, value] : x) {
            // accuracies: a count over rewards that are 0 at the first step; total_flos: padding is work too
            if (name.find("accurac") != std::string::npos || name.find("total_flos") != std::string::npos || std::isnan(value))
                continue;
            const double other = y.at(name);
            QVERIFY2(std::abs(value - other) <= bound * std::max(1.0, std::abs(value)),
                     (name + ": " + std::to_string(value) + ", " + std::to_string(other)).c_str());
        }
    }
    static double work(const std::string& dir) { return metric(dir, "total_flos").rbegin()->second; }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
    }

    void packedRunsAreThePaddedOnes_data() {
        QTest::addColumn<QString>("plugin");
        QTest::addColumn<int>("rank");
        for (const char* plugin : {"sft", "dpo", "reward_model", "grpo"})
            for (const int rank : {0, 4})
                QTest::addRow("%s%s", plugin, rank ? " adapters" : "") << plugin << rank;
    }
    void packedRunsAreThePaddedOnes() {
        QFETCH(QString, plugin);
        QFETCH(int, rank);
        const std::string id = plugin.toStdString(), tag = id + "-" + std::to_string(rank);
        const auto on = train(id, tag + "-on", {{"packing", "on"}, {"adapter_rank", rank}});
        const auto off = train(id, tag + "-off", {{"packing", "off"}, {"adapter_rank", rank}});
        same(on, off, 2e-5);
        QVERIFY(work(on) < work(off));
        // Which is what a processor has of itself.
        QCOMPARE(work(train(id, tag + "-auto", {{"adapter_rank", rank}})), work(on));
        const auto again = train(id, tag + "-again", {{"activation_checkpointing", "on"}, {"adapter_rank", rank}});
        QVERIFY(work(again) > 1.05 * work(on));
        auto x = allMetrics(on), y = allMetrics(again);
        const auto counted = [](const auto& entry) { return entry.first.find("total_flos") != std::string::npos; };
        std::erase_if(x, counted);
        std::erase_if(y, counted);
        QVERIFY(sameBits(x, y));
    }

    void metricsReadLateAreTheSame_data() {
        QTest::addColumn<QString>("plugin");
        for (const char* plugin : {"sft", "dpo", "reward_model", "grpo"})
            QTest::newRow(plugin) << plugin;
    }
    /// Six steps, logged every second, a checkpoint at the third, whose window is half full.
    void metricsReadLateAreTheSame() {
        QFETCH(QString, plugin);
        const std::string id = plugin.toStdString();
        const auto with = [&](const char* sync) {
            return train(id, id + "-" + sync, {{"host_sync", sync}, {"steps", 6}, {"log_every", 2}, {"save_every", 3}, {"eval_every", 6}});
        };
        const auto now = with("each_step"), late = with("when_logged");
        same(late, now, 2e-5);
        QVERIFY(sameBits(allMetrics(with("auto")), allMetrics(now))); // on a processor
        for (const char* checkpoint : {"step-000003", "step-000006"}) {
            const auto a = must(readJsonFile(now + "/checkpoints/" + checkpoint + "/trainer/state.json")),
                       b = must(readJsonFile(late + "/checkpoints/" + checkpoint + "/trainer/state.json"));
            QCOMPARE(b["tokens"], a["tokens"]);
            QCOMPARE(b["window"].size(), a["window"].size());
        }
    }

    /// The decay multiplies the weights by -9 a step until they overflow. Read late, the step is named all the same, and no checkpoint
    /// holds what came of it.
    void divergenceReadLateNamesItsStep() {
        std::string first;
        for (const char* sync : {"each_step", "when_logged"}) {
            const auto dir = path(std::string("diverges-") + sync);
            makeBundle(dir, "sft", {modelSpec("policy", path("model"))},
                       {{"steps", 400}, {"learning_rate", 1}, {"weight_decay", 10}, {"schedule", "constant"}, {"warmup", 0}, {"batch_size", 4},
                        {"log_every", 90}, {"eval_every", 100000}, {"save_every", 90}, {"sample_every", 100000}, {"host_sync", sync}},
                       {{"train.jsonl", completions(24)}});
            const auto out = runPlugin(dir);
            QCOMPARE(out.status, static_cast<int>(PL_ERR_DIVERGED));
            const auto step = QString::fromStdString(out.message).section("at step ", 1).section(':', 0, 0);
            QVERIFY2(step.toInt() > 5 && step.toInt() < 90, out.message.c_str());
            if (first.empty())
                first = step.toStdString();
            QCOMPARE(step.toStdString(), first);
            QCOMPARE(metric(dir, "loss").rbegin()->first, step.toInt());
            QVERIFY(!os::exists(dir + "/checkpoints/step-000090"));
        }
    }

    void thePolicyBeginsAsItsReference() {
        const auto dir = train("dpo", "zero", {{"learning_rate", 1e-9}, {"steps", 1}});
        QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) < 1e-5);
        QVERIFY(std::abs(metric(dir, "eval_rewards/margins").at(0)) < 1e-5);
    }
};

QTEST_GUILESS_MAIN(TestPacking)
#include "tst_packing.moc"
