// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
// GRPO end to end on a tiny model: it learns what it is rewarded for, refuses what it cannot do, and resumes
// exactly.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

std::string prompts(int n, const char* split, bool verify = false) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i) {
        Json row = {{"id", split + std::to_string(i)},
                    {"prompt", std::string(1 + i % 5, static_cast<char>('a' + i))},
                    {"split", split}};
        if (verify)
            row["verifier"] = {{"kind", "copy"}, {"answer", "x"}};
        rows.push_back(std::move(row));
    }
    return jsonLines(rows);
}

Json shortAnswers() {
    return Json::array({{{"type", "length"}, {"target", 2}, {"scale", 16}}});
}

/// Differs between nearly all answers, so every step has gradients.
Json fewWords() {
    return Json::array({{{"type", "rule"}, {"taste", "concise"}, {"weight", 0.1}},
                        {{"type", "length"}, {"target", 2}, {"scale", 16}}});
}

} // namespace

class TestGrpo : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) {
        return m_dir.filePath(QString::fromStdString(name)).toStdString();
    }

    Bundle bundle(const std::string& name, Json given, bool verify = false) {
        Json parameters = {{"rewards", fewWords()},     {"steps", 6},           {"num_generations", 4},
                           {"prompts_per_step", 3},     {"max_new_tokens", 16}, {"learning_rate", 0.003},
                           {"micro_batch_tokens", 120}, {"eval_prompts", 4}};
        parameters.update(given);
        return makeBundle(path(name), "grpo", {modelSpec("policy", path("model"))}, parameters,
                          {{"prompts.jsonl", prompts(10, "train", verify)},
                           {"dev_prompts.jsonl", prompts(6, "dev", verify)}},
                          11);
    }

    /// All weights are trained, or adapters of rank 3, whose reference is the policy without them.
    static void weightsOrAdapters() {
        QTest::addColumn<int>("rank");
        QTest::newRow("weights") << 0;
        QTest::newRow("adapters") << 3;
    }

    void refuses(const std::string& name, const Json& given, const char* word) {
        const auto out = runPlugin(bundle(name, given).dir());
        QCOMPARE(out.status, static_cast<int>(PL_ERR_CONFIG));
        QVERIFY2(QString::fromStdString(out.message).contains(word), out.message.c_str());
        QVERIFY(metric(path(name), "loss").empty());
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
    }

    void learnsWhatItIsRewardedFor() {
        const auto dir = bundle("learns", {{"rewards", shortAnswers()},
                                           {"steps", 30},
                                           {"num_generations", 8},
                                           {"prompts_per_step", 4},
                                           {"learning_rate", 0.01},
                                           {"micro_batch_tokens", 2048},
                                           {"eval_every", 10},
                                           {"monitor_taste", "concise"}})
                             .dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const auto reward = metric(dir, "reward"), held = metric(dir, "eval_reward"),
                   length = metric(dir, "completions/mean_length");
        QCOMPARE(reward.size(), size_t{30});
        const auto mean = [](const std::map<int64_t, double>& values, int64_t from, int64_t to) {
            double sum = 0;
            for (int64_t step = from; step <= to; ++step)
                sum += values.at(step);
            return sum / static_cast<double>(to - from + 1);
        };
        qInfo("reward %.3f -> %.3f, held out %.3f -> %.3f, length %.1f -> %.1f", mean(reward, 1, 3),
              mean(reward, 28, 30), held.at(0), held.at(30), mean(length, 1, 3), mean(length, 28, 30));
        QVERIFY(mean(reward, 28, 30) > mean(reward, 1, 3) + 0.3);
        QVERIFY(held.at(30) > held.at(0) + 0.3);
        QVERIFY(mean(length, 28, 30) < mean(length, 1, 3) - 4);
        // The sampler's own log-probabilities are the old ones: ratio 1 on every first update.
        const auto difference = metric(dir, "sampling/sampling_logp_difference/max");
        QCOMPARE(difference.size(), size_t{30});
        for (const auto& [step, value] : difference)
            QVERIFY2(value <= 1e-4, qPrintable(QString("step %1: %2").arg(step).arg(value)));
        for (const auto& [step, value] : metric(dir, "clip_ratio/region_mean"))
            QCOMPARE(value, 0.0);
        for (const char* name : {"reward_std", "rewards/length/mean", "rewards/length/std",
                                 "frac_reward_zero_std", "entropy", "loss", "grad_norm", "learning_rate",
                                 "tokens_per_second", "completions/clipped_ratio", "gold/concise"})
            QVERIFY2(metric(dir, name).size() == 30, name);
        QVERIFY(metric(dir, "kl").empty()); // no reference without beta
        QCOMPARE(count(dir, event::kAlert), size_t{0});
        // The same dev prompts at every look, with their rewards.
        std::map<int64_t, std::vector<std::string>> shown;
        size_t rollouts = 0;
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kSample) {
                QVERIFY(event.body["reward"].is_number());
                if (event.body["tag"] == "dev")
                    shown[event.body["step"]].push_back(event.body["prompt_id"]);
                else
                    ++rollouts;
            }
        QCOMPARE(shown.size(), size_t{4});
        for (const auto& [step, ids] : shown)
            QCOMPARE(ids, shown[0]);
        QVERIFY(rollouts > 0);
        QVERIFY(os::exists(dir + "/checkpoints/step-000030/DONE"));
    }

    /// Real models have several end tokens: each ends an answer, and checkpoints keep the list.
    void everyEndTokenOfTheModelEndsAnAnswer() {
        makeModel(path("many"));
        Json ids = Json::array({257});
        for (int id = 90; id < 180; ++id)
            ids.push_back(id);
        writeFile(path("many") + "/generation_config.json", dumpJson({{"eos_token_id", ids}}));
        const auto run = [&](const std::string& name, const std::string& model) {
            const Json parameters = {{"rewards", fewWords()}, {"steps", 1}, {"num_generations", 4}, {"prompts_per_step", 3},
                                     {"max_new_tokens", 16}, {"sample_every", 1}};
            const auto out = runPlugin(makeBundle(path(name), "grpo", {modelSpec("policy", model)}, parameters,
                                                  {{"prompts.jsonl", prompts(10, "train")}}, 11).dir());
            if (out.status != PL_OK)
                qFatal("%s", out.message.c_str());
            return metric(path(name), "completions/clipped_ratio").at(1);
        };
        QVERIFY(run("one-end", path("model")) > 0.5);
        QVERIFY(run("many-ends", path("many")) < 0.25); // 91 of 260 tokens end it
        QCOMPARE(must(readJsonFile(path("many-ends") + "/checkpoints/step-000001/generation_config.json")), Json({{"eos_token_id", ids}}));
        for (const auto& event : must(readEvents(path("many-ends") + "/events.jsonl")))
            if (event.type == event::kSample && event.body["finished"] == Json(true))
                for (const char c : event.body["response"].get<std::string>())
                    QVERIFY(c < 90); // the token that ended it is not part of the answer
        writeFile(path("many") + "/generation_config.json", R"({"eos_token_id": [257, 9999]})");
        const auto bad = runPlugin(makeBundle(path("bad-end"), "grpo", {modelSpec("policy", path("many"))},
                                              {{"rewards", fewWords()}, {"steps", 1}}, {{"prompts.jsonl", prompts(10, "train")}}, 11).dir());
        QVERIFY2(QString::fromStdString(bad.message).contains("9999"), bad.message.c_str());
    }

    /// The sampler's log-probabilities are as good as another forward pass: the run is the same within fp32.
    void recomputedLogProbabilitiesGiveTheSameRun() {
        const auto run = [&](const char* name, const char* old) {
            const auto dir = bundle(name, {{"old_logps", old}, {"num_iterations", 2}, {"steps", 6}, {"learning_rate", 0.01},
                                           {"temperature", 1.3}, {"beta", 0.02}}).dir();
            if (runPlugin(dir).status != PL_OK)
                qFatal("%s", name);
            return dir;
        };
        const auto sampler = run("old-sampler", "sampler"), recomputed = run("old-recomputed", "recompute");
        for (const char* name : {"loss", "grad_norm", "reward", "kl", "entropy", "clip_ratio/region_mean", "completions/mean_length",
                                 "sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max"}) {
            const auto a = metric(sampler, name), b = metric(recomputed, name);
            QCOMPARE(a.size(), b.size());
            QVERIFY2(a.size() == (std::string(name).starts_with("sampling/") ? 3 : a.size()) && !a.empty(), name); // once a group
            for (const auto& [step, value] : a)
                QVERIFY2(std::abs(value - b.at(step)) <= 1e-4 * std::max(1.0, std::abs(value)),
                         qPrintable(QString("%1 step %2: %3 and %4").arg(name).arg(step).arg(value).arg(b.at(step))));
        }
        const auto x = must(learn::readSafetensors(sampler + "/checkpoints/step-000006/model.safetensors")),
                   y = must(learn::readSafetensors(recomputed + "/checkpoints/step-000006/model.safetensors"));
        for (const auto& [name, tensor] : x)
            QVERIFY2((tensor - y.at(name)).abs().max().item<float>() < 1e-3f, name.c_str()); // AdamW magnifies last bits
        QVERIFY(!sameBits(allMetrics(sampler), allMetrics(recomputed))); // two ways, not one
    }

    void temperatureIsInTheRatioToo() {
        const auto dir = bundle("warm", {{"temperature", 1.7}, {"steps", 2}}).dir();
        QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
        for (const auto& [step, value] : metric(dir, "sampling/sampling_logp_difference/max"))
            QVERIFY(value <= 1e-4);
    }

    void klStartsAtZeroAndIsMeasured_data() { weightsOrAdapters(); }
    void klStartsAtZeroAndIsMeasured() {
        QFETCH(int, rank);
        const auto dir = bundle("kl-" + std::to_string(rank), {{"beta", 0.05}, {"steps", 5}, {"learning_rate", 0.01}, {"warmup", 0.0},
                                                               {"adapter_rank", rank}}).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const auto kl = metric(dir, "kl");
        QVERIFY(kl.at(1) < 1e-9);
        QVERIFY(kl.at(5) > 1e-5);
        QVERIFY(metric(dir, "eval_kl").at(5) > 1e-5);
    }

    void microBatchesDoNotChangeTheRun() {
        const auto run = [&](const std::string& name, int tokens) {
            const auto dir =
                bundle(name, {{"micro_batch_tokens", tokens}, {"steps", 2}, {"beta", 0.1}}).dir();
            if (runPlugin(dir).status != PL_OK)
                qFatal("%s", name.c_str());
            return dir;
        };
        const auto small = run("one-row", 1), large = run("all-rows", 100000);
        for (const char* name : {"loss", "grad_norm", "entropy", "kl", "reward"}) {
            const auto a = metric(small, name), b = metric(large, name);
            QCOMPARE(a.size(), size_t{2});
            for (const auto& [step, value] : a)
                QVERIFY2(std::abs(value - b.at(step)) < 1e-5 * std::max(1.0, std::abs(value)), name);
        }
    }

    void workCountsSamplingAndTheReference() {
        const auto run = [&](const std::string& name, bool kl) {
            const auto dir = path(name);
            makeBundle(dir, "grpo", {modelSpec("policy", path("model"))},
                       {{"rewards", fewWords()}, {"steps", 1}, {"num_generations", 4}, {"prompts_per_step", 3},
                        {"max_new_tokens", 16}, {"monitor_kl", kl}, {"packing", "off"}}, // a prompt counts for each answer
                       {{"prompts.jsonl", prompts(10, "train", false)}}, 11);
            if (runPlugin(dir).status != PL_OK)
                qFatal("%s", name.c_str());
            return metric(dir, "total_flos").at(1);
        };
        // The same answers and the same update; a reference beside it adds one forward pass to the update's three.
        const double without = run("flops", false), with = run("flops-kl", true);
        const double forward = with - without, sampling = without - 3 * forward;
        const auto config = must(learn::loadModel(path("model"), torch::kCPU)).config;
        const double tokens = metric(path("flops"), "num_tokens").at(1);
        const double written = 12 * metric(path("flops"), "completions/mean_length").at(1);
        QVERIFY(forward >= config.forwardFlops(tokens, 1, written) - learn::lastLayerFlops(config, tokens - written));
        QVERIFY(forward < 2 * config.forwardFlops(tokens, 64, written));
        QVERIFY(sampling >= config.forwardFlops(written - 12, 1, written));
    }

    void severalUpdatesAGroupReuseItsAnswers() {
        const auto dir =
            bundle("mu", {{"num_iterations", 3}, {"steps", 6}, {"learning_rate", 0.05}, {"warmup", 0.0}})
                .dir();
        QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
        QCOMPARE(metric(dir, "reward").size(), size_t{2}); // new answers at steps 1 and 4 only
        QCOMPARE(metric(dir, "loss").size(), size_t{6});
        const auto clipped = metric(dir, "clip_ratio/region_mean");
        QCOMPARE(clipped.at(1), 0.0);
        QCOMPARE(clipped.at(4), 0.0);
        QVERIFY(clipped.at(3) > 0); // the policy has moved away from the one that wrote
        QCOMPARE(metric(dir, "sampling/sampling_logp_difference/max").size(), size_t{2});
    }

    void resumedRunEqualsTheUninterruptedOne_data() { weightsOrAdapters(); }
    void resumedRunEqualsTheUninterruptedOne() {
        QFETCH(int, rank);
        // Two updates a group and an odd step of resumption: the unfinished group comes back with the
        // checkpoint.
        const Json given = {{"steps", 8},      {"num_iterations", 2},   {"save_every", 3},
                            {"eval_every", 4}, {"learning_rate", 0.01}, {"log_every", 1},
                            {"beta", 0.05},    {"adapter_rank", rank}};
        const std::string name = "cut-" + std::to_string(rank);
        const auto whole = bundle("whole-" + std::to_string(rank), given).dir(), cut = bundle(name, given).dir();
        QCOMPARE(runPlugin(whole).status, static_cast<int>(PL_OK));
        QCOMPARE(runPlugin(cut).status, static_cast<int>(PL_OK));
        QVERIFY(sameBits(allMetrics(whole), allMetrics(cut)));
        for (const int from : {6, 3}) {
            if (from == 3) {
                must(os::removeTree(cut));
                bundle(name, given);
                must(sendControl(cut, "checkpoint"));
                QCOMPARE(runPlugin(cut).status, static_cast<int>(PL_OK));
            }
            for (const auto& [step, checkpoint] : completeCheckpoints(cut))
                if (step > from)
                    must(os::removeTree(cut + "/checkpoints/" + os::baseName(checkpoint)));
            torch::manual_seed(from);
            QCOMPARE(runPlugin(cut).status, static_cast<int>(PL_OK));
            QVERIFY(sameBits(allMetrics(whole), allMetrics(cut)));
            QVERIFY(sameWeights(whole + "/checkpoints/step-000008/model.safetensors",
                                cut + "/checkpoints/step-000008/model.safetensors"));
        }
    }

    void aStopInTheMiddleOfAGroupIsResumedExactly() {
        const Json given = {{"steps", 9},           {"num_iterations", 3}, {"save_every", 5},
                            {"eval_every", 100},    {"sample_every", 100}, {"eval_prompts", 1},
                            {"learning_rate", 0.01}};
        const auto whole = bundle("whole-group", given).dir(), cut = bundle("cut-group", given).dir();
        QCOMPARE(runPlugin(whole).status, static_cast<int>(PL_OK));
        QCOMPARE(runPlugin(cut).status, static_cast<int>(PL_OK));
        QVERIFY(os::exists(cut + "/checkpoints/step-000005/DONE")); // second update of the second group
        must(os::removeTree(cut + "/checkpoints/step-000009"));
        QCOMPARE(runPlugin(cut).status, static_cast<int>(PL_OK));
        QCOMPARE(count(cut, event::kRewind), size_t{1});
        QVERIFY(sameBits(allMetrics(whole), allMetrics(cut)));
        QVERIFY(sameWeights(whole + "/checkpoints/step-000009/model.safetensors",
                            cut + "/checkpoints/step-000009/model.safetensors"));
    }

    void maskedTruncatedRowsTeachNothing() {
        // With one token allowed hardly any answer ends: nothing is trained on, and nothing breaks.
        const auto dir =
            bundle("masked", {{"mask_truncated", true}, {"max_new_tokens", 1}, {"steps", 2}}).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        for (const auto& [step, value] : metric(dir, "loss"))
            QVERIFY(std::isfinite(value));
    }

    /// Two groups of two answers to the first two prompts, ids of letters, rewarded.
    static std::vector<Json> recorded() {
        std::vector<Json> rows;
        for (int i = 0; i < 4; ++i)
            rows.push_back({{"prompt_id", i < 2 ? "train0" : "train1"}, {"ids", {97 + i, 98, 257}}, {"reward", i % 2}});
        return rows;
    }
    Outcome runRecorded(const std::string& name, const std::vector<Json>& rows, const Json& more = Json::object()) {
        Json given = {{"answers", "recorded"}, {"rewards", Json::array()}, {"num_generations", 2}, {"prompts_per_step", 1}, {"steps", 2}};
        given.update(more);
        const auto made = bundle(name, given);
        writeFile(made.dataPath("rollouts.jsonl"), jsonLines(rows));
        return runPlugin(made.dir());
    }

    void learnsFromAnswersWrittenElsewhere() {
        const auto out = runRecorded("recorded", recorded(), {{"learning_rate", 0.01}, {"warmup", 0.0}});
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const auto dir = path("recorded");
        QCOMPARE(metric(dir, "reward").at(1), 0.5);
        QCOMPARE(metric(dir, "completions/mean_length").at(2), 3.0);
        QVERIFY(metric(dir, "grad_norm").at(1) > 0);
        QVERIFY(metric(dir, "sampling/sampling_logp_difference/max").at(1) < 1e-5); // not recorded: the policy's own
        // Reward terms come before recorded rewards; all answers are equally far from the target here.
        const auto scored = runRecorded("scored", recorded(), {{"rewards", shortAnswers()}});
        QVERIFY2(scored.status == PL_OK, scored.message.c_str());
        QCOMPARE(metric(path("scored"), "reward").at(1), -1.0 / 16);
        // Of another policy than this one: said, and trained on with its ratio.
        auto rows = recorded();
        for (Json& row : rows)
            row["logps"] = {-1.0, -1.0, -1.0};
        QCOMPARE(runRecorded("other", rows).status, static_cast<int>(PL_OK));
        QVERIFY(metric(path("other"), "sampling/sampling_logp_difference/max").at(1) > 1e-3);
        const auto alarms = [&](const char* name) {
            size_t count = 0;
            for (const auto& event : must(readEvents(path(name) + "/events.jsonl")))
                count += event.type == event::kAlert && event.body["name"] == "sampler_mismatch" ? 1 : 0;
            return count;
        };
        QCOMPARE(alarms("other"), size_t{2}); // each step
        QCOMPARE(alarms("recorded"), size_t{0});
        // Recomputed, they count no more, but it is said all the same.
        QCOMPARE(runRecorded("other-recomputed", rows, {{"old_logps", "recompute"}}).status, static_cast<int>(PL_OK));
        QCOMPARE(alarms("other-recomputed"), size_t{2});
        QVERIFY(std::abs(metric(path("other-recomputed"), "sampling/sampling_logp_difference/max").at(1) -
                         metric(path("other"), "sampling/sampling_logp_difference/max").at(1)) < 1e-4);
    }

    void keepsItsAnswersForAnotherRun() {
        const auto sampled = bundle("kept", {{"record_answers", true}, {"steps", 3}, {"log_every", 1}});
        QCOMPARE(runPlugin(sampled.dir()).status, static_cast<int>(PL_OK));
        const auto rows = must(os::readFile(os::joinPath(sampled.samplesDir(), "rollouts.jsonl")));
        QCOMPARE(std::count(rows.begin(), rows.end(), '\n'), 3 * 3 * 4);
        const auto again = bundle("again", {{"answers", "recorded"}, {"rewards", Json::array()}, {"steps", 3}, {"log_every", 1}});
        writeFile(again.dataPath("rollouts.jsonl"), rows);
        const auto out = runPlugin(again.dir());
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        for (const char* name : {"loss", "reward", "grad_norm"})
            for (int step = 1; step <= 3; ++step)
                QVERIFY2(std::abs(metric(again.dir(), name).at(step) - metric(sampled.dir(), name).at(step)) < 1e-6, name);
        // What an interrupted process wrote of a round that is done again goes away.
        const auto half = bundle("half", {{"record_answers", true}, {"steps", 3}});
        writeFile(os::joinPath(half.samplesDir(), "rollouts.jsonl"), rows);
        QCOMPARE(runPlugin(half.dir()).status, static_cast<int>(PL_OK));
        QCOMPARE(must(os::readFile(os::joinPath(half.samplesDir(), "rollouts.jsonl"))), rows);
    }

    void refusesRecordedAnswersThatDoNotFit_data() {
        QTest::addColumn<int>("line");
        QTest::addColumn<QString>("key");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("word");
        QTest::newRow("prompt") << 1 << "prompt_id" << "\"train99\"" << "line 2: prompts.jsonl has no prompt 'train99'";
        QTest::newRow("group") << 1 << "prompt_id" << "\"train3\"" << "line 2: another prompt";
        QTest::newRow("id") << 2 << "ids" << "[5, 260]" << "line 3: 260 is not a token id";
        QTest::newRow("negative") << 2 << "ids" << "[-1]" << "line 3: -1 is not a token id";
        QTest::newRow("fraction") << 0 << "ids" << "[1.5]" << "line 1: \"ids\" must be a list of token ids";
        QTest::newRow("empty") << 3 << "ids" << "[]" << "line 4: an answer of 0 tokens";
        QTest::newRow("logps") << 3 << "logps" << "[-1.0]" << "line 4: 1 log-probabilities for 3 tokens";
        QTest::newRow("reward") << 3 << "reward" << "\"high\"" << "line 4";
        QTest::newRow("no reward") << 3 << "reward" << "" << "line 4 has no reward";
        QTest::newRow("few") << 3 << "" << "" << "holds 3 answers, but 2 steps need 4";
    }
    void refusesRecordedAnswersThatDoNotFit() {
        QFETCH(int, line);
        QFETCH(QString, key);
        QFETCH(QString, value);
        QFETCH(QString, word);
        auto rows = recorded();
        if (key.isEmpty())
            rows.pop_back();
        else if (value.isEmpty())
            rows[static_cast<size_t>(line)].erase(key.toStdString());
        else
            rows[static_cast<size_t>(line)][key.toStdString()] = must(parseJson(value.toStdString(), "a test"));
        const auto out = runRecorded(std::string("bad-") + QTest::currentDataTag(), rows);
        QVERIFY(out.status != PL_OK);
        QVERIFY2(QString::fromStdString(out.message).contains(word), out.message.c_str());
    }

    void refusesRecordedAnswersThatAreNotThere() { refuses("no-file", {{"answers", "recorded"}}, "rollouts.jsonl"); }

    void refusesSamplersThatTruncate() {
        refuses("topk", {{"top_k", 20}}, "samplers that truncate the distribution are refused in GRPO");
        refuses("topp", {{"top_p", 0.9}}, "samplers that truncate the distribution are refused in GRPO");
        refuses("greedy", {{"temperature", 0.0}},
                "samplers that truncate the distribution are refused in GRPO");
    }

    void refusesWhatCannotBeRewarded() {
        refuses("empty", {{"rewards", Json::array()}}, "empty");
        refuses("verifier", {{"rewards", Json::array({{{"type", "verifier"}}})}}, "verifier");
        refuses("taste", {{"rewards", Json::array({{{"type", "rule"}, {"taste", "spicy"}}})}}, "spicy");
        refuses("noref", {{"rewards", Json::array({{{"type", "reward_model"}, {"model", "run:1"}}})}},
                "ref:run:1");
        refuses("monitor", {{"monitor_taste", "spicy"}}, "spicy");
    }

    void unscoredAnswersDoNotStopTheRun() {
        // Only every prompt with a verifier is scored; here none of the answers can be right, so no group
        // differs.
        const auto dir =
            bundle("verify", {{"rewards", Json::array({{{"type", "verifier"}}})}, {"steps", 2}}, true).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QCOMPARE(metric(dir, "frac_reward_zero_std").at(1), 1.0);
        QCOMPARE(metric(dir, "reward").at(1), 0.0);
    }
};

QTEST_GUILESS_MAIN(TestGrpo)
#include "tst_grpo.moc"
