// SPDX-License-Identifier: Apache-2.0

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "tests/plugins/tiny_run.h"

using namespace tiny;

class TestRewardModel : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    Json quick(int steps) const { return {{"steps", steps}, {"batch_size", 16}, {"learning_rate", 0.005}, {"log_every", 1}}; }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
    }

    void learnsAPlantedPreferenceAndTheFlippedOne() {
        for (const bool flipped : {false, true}) {
            const auto dir = path(flipped ? "flipped" : "planted");
            makeBundle(dir, "reward_model", {modelSpec("policy", path("model"))}, quick(60),
                       {{"train.jsonl", plantedPairs(96, 3, flipped)}, {"dev.jsonl", plantedPairs(40, 4)}});
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const double accuracy = metric(dir, "eval_accuracy").at(60);
            QVERIFY2(flipped ? accuracy < 0.1 : accuracy > 0.9, std::to_string(accuracy).c_str());
            QCOMPARE(metric(dir, "eval_accuracy_n").at(60), 40.0);
            QVERIFY(metric(dir, "eval_accuracy_low").at(60) <= accuracy + 1e-12 && accuracy - 1e-12 <= metric(dir, "eval_accuracy_high").at(60));
        }
    }

    void checkpointIsASequenceClassifier() {
        const auto dir = path("planted") + "/" + newestCheckpoint(path("planted"));
        const auto config = must(readJsonFile(dir + "/config.json"));
        QCOMPARE(QString::fromStdString(config["architectures"][0]), QString("LlamaForSequenceClassification"));
        const auto tensors = must(learn::readSafetensors(dir + "/model.safetensors"));
        QVERIFY(tensors.count("score.weight"));
        QVERIFY((tensors.at("score.weight").sizes() == torch::IntArrayRef{1, 32}));
        QVERIFY(!tensors.count("lm_head.weight"));
    }

    void scoresDoNotDependOnTheBatch() {
        auto loaded = must(learn::loadModel(path("planted") + "/" + newestCheckpoint(path("planted")), torch::kCPU, true));
        torch::NoGradGuard noGrad;
        const auto ids = torch::randint(0, 256, {5, 20}, torch::kInt64);
        const auto lengths = torch::tensor({20, 3, 11, 7, 16}, torch::kInt64);
        const auto together = loaded.model->scores({ids, lengths});
        for (int64_t i = 0; i < 5; ++i) {
            const auto n = lengths[i].item<int64_t>();
            const auto alone = loaded.model->scores({ids.narrow(0, i, 1).narrow(1, 0, n), lengths.narrow(0, i, 1)});
            QVERIFY(std::abs((alone - together[i]).item<double>()) < 1e-5);
        }
    }

    void metricsAreThoseOfTheFirstStepsPairs() {
        // One step over all pairs: every metric can be worked out from scores of the start model.
        const auto dir = path("metrics");
        auto parameters = quick(1);
        parameters["batch_size"] = 6;
        parameters["center_rewards_coefficient"] = 0.1;
        parameters["margin_from_strength"] = true;
        parameters["micro_batch_tokens"] = 90;
        const auto text = plantedPairs(6, 9);
        makeBundle(dir, "reward_model", {modelSpec("policy", path("model"))}, parameters, {{"train.jsonl", text}}, 5);
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        auto loaded = must(learn::loadModel(path("model"), torch::kCPU, true, 5));
        const auto tokenizer = must(text::Tokenizer::load(path("model")));
        const auto chat = must(text::ChatTemplate::load(path("model")));
        double loss = 0, accuracy = 0, margin = 0, mean = 0, center = 0, low = 1e9, high = -1e9;
        torch::NoGradGuard noGrad;
        for (const PairRow& row : must(pl::readPairs(dir + "/data/train.jsonl"))) {
            const auto score = [&](const std::string& answer) {
                auto ids = *chat.renderIds(tokenizer, {{"user", row.prompt}}, true);
                const auto written = *chat.completionIds(tokenizer, {{"user", row.prompt}}, answer);
                ids.insert(ids.end(), written.begin(), written.end());
                return loaded.model->scores({torch::tensor(ids).unsqueeze(0), torch::tensor({static_cast<int64_t>(ids.size())})}).item<double>();
            };
            const double c = score(row.chosen), r = score(row.rejected);
            loss += (std::log1p(std::exp(-(c - r - 0.5 * (*row.strength - 1)))) + 0.1 * (c + r) * (c + r)) / 6;
            accuracy += (c > r) / 6.0;
            margin += (c - r) / 6;
            mean += (c + r) / 12;
            center += (c + r) * (c + r) / 6;
            low = std::min({low, c, r});
            high = std::max({high, c, r});
        }
        const std::map<std::string, double> expected = {{"loss", loss}, {"accuracy", accuracy}, {"margin", margin},
                                                        {"mean_reward", mean}, {"center_loss", center},
                                                        {"min_reward", low}, {"max_reward", high}};
        for (const auto& [name, value] : expected)
            QVERIFY2(std::abs(metric(dir, name).at(1) - value) < 1e-5 * std::max(1.0, std::abs(value)),
                     (name + " " + std::to_string(metric(dir, name).at(1)) + " " + std::to_string(value)).c_str());
    }

    void tiesPullScoresTogetherAndAreNotCountedAsRight() {
        const auto tie = [](const char* split) {
            std::vector<Json> rows;
            for (int i = 0; i < 8; ++i)
                rows.push_back({{"id", "t" + std::to_string(i)}, {"prompt", "abcd"}, {"a", std::string("same") + static_cast<char>('a' + i) + "!"},
                                {"b", std::string("same") + static_cast<char>('a' + i) + "."}, {"tie_kind", "both_good"}, {"split", split}});
            return jsonLines(rows);
        };
        std::map<std::string, double> margin;
        for (const char* ties : {"soft", "drop"}) {
            const auto dir = path(std::string("ties-") + ties);
            auto parameters = quick(60);
            parameters["ties"] = ties;
            makeBundle(dir, "reward_model", {modelSpec("policy", path("model"))}, parameters,
                       {{"train.jsonl", plantedPairs(24, 3)}, {"dev.jsonl", plantedPairs(16, 4)}, {"ties.jsonl", tie("train")}});
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            margin[ties] = metric(dir, "eval_margin").at(60);
            QCOMPARE(metric(dir, "eval_accuracy_n").at(60), 16.0);
        }
        QVERIFY2(margin["soft"] < margin["drop"], (std::to_string(margin["soft"]) + " " + std::to_string(margin["drop"])).c_str());
    }

    void aLabelControlIsSaidAndRealLabelsChooseNoCheckpoint() {
        std::map<std::string, double> share;
        for (const char* control : {"none", "shuffle", "shuffle_inverted"}) {
            const auto dir = path(std::string("control-") + control);
            auto parameters = quick(20);
            parameters["label_control"] = control;
            makeBundle(dir, "reward_model", {modelSpec("policy", path("model"))}, parameters,
                       {{"train.jsonl", plantedPairs(96, 3)}, {"dev.jsonl", plantedPairs(40, 4)}});
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            size_t alerts = 0, best = 0;
            for (const auto& event : must(readEvents(dir + "/events.jsonl"))) {
                alerts += event.type == event::kAlert && event.body["name"] == "label_control";
                best += event.type == event::kCheckpoint && event.body["best"] == true;
            }
            const bool on = control != std::string("none");
            QCOMPARE(alerts, size_t{on});
            QCOMPARE(best > 0, !on);
            const auto exchanged = metric(dir, "label_control/exchanged");
            QCOMPARE(exchanged.size(), size_t{on});
            if (on)
                share[control] = exchanged.at(0);
            QCOMPARE(metric(dir, "eval_accuracy_n").at(20), 40.0); // dev is there, and measured
            QVERIFY((metric(dir, "accuracy").at(20) > 0.9) || on);
        }
        QVERIFY(share["shuffle"] > 0.3 && share["shuffle"] < 0.7);
        QVERIFY(std::abs(share["shuffle"] + share["shuffle_inverted"] - 1) < 1e-12);
    }

    void reportsTheLengthBaseline() {
        std::vector<Json> rows;
        for (int i = 0; i < 10; ++i)
            rows.push_back({{"id", "l"}, {"prompt", "x"}, {"chosen", i < 7 ? "long answer" : "ok"}, {"rejected", i < 7 ? "short" : "longer one"}});
        const auto dir = path("baseline");
        makeBundle(dir, "reward_model", {modelSpec("policy", path("model"))}, quick(1),
                   {{"train.jsonl", plantedPairs(4, 1)}, {"dev.jsonl", jsonLines(rows)}});
        QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
        QCOMPARE(metric(dir, "eval_length_baseline").at(0), 0.7);
    }
};

QTEST_GUILESS_MAIN(TestRewardModel)
#include "tst_reward_model.moc"
