// SPDX-License-Identifier: Apache-2.0
// Every figure of an evaluation is computed again here, from its outcome and sample events.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/rules/statistics.h"
#include "core/rules/taste.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

std::string prompts(int n, bool verify = false) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i) {
        Json row = {{"id", "t" + std::to_string(i)},
                    {"prompt", std::string(1 + i % 5, static_cast<char>('a' + i % 26))},
                    {"split", "test"}};
        if (verify)
            row["verifier"] = {{"kind", i % 2 ? "copy" : "arithmetic"}, {"answer", "3"}};
        rows.push_back(std::move(row));
    }
    return jsonLines(rows);
}

struct Side {
    std::vector<std::string> ids, texts;
    std::vector<double> scores, tokens;
};

} // namespace

class TestEvaluate : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) {
        return m_dir.filePath(QString::fromStdString(name)).toStdString();
    }
    Json m_event; ///< the result event of the last run

    std::map<std::string, double> evaluate(const std::string& name, const std::vector<ModelSpec>& models,
                                           const Json& given,
                                           const std::map<std::string, std::string>& files) {
        Json parameters = {{"max_new_tokens", 12}};
        parameters.update(given);
        const auto dir = makeBundle(path(name), "evaluate", models, parameters, files, 5).dir();
        const auto out = runPlugin(dir);
        if (out.status != PL_OK)
            qFatal("%s", out.message.c_str());
        std::map<std::string, double> values;
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kResult) {
                m_event = event.body;
                for (const auto& [key, value] : event.body["values"].items())
                    values[key] = must(numberOf(value, key));
            }
        return values;
    }

    Side samples(const std::string& name, const std::string& tag) {
        Side out;
        for (const auto& event : must(readEvents(path(name) + "/events.jsonl")))
            if (event.type == event::kSample && event.body["tag"] == tag) {
                out.ids.push_back(event.body["prompt_id"]);
                out.texts.push_back(event.body["response"]);
                out.scores.push_back(must(numberOf(event.body["reward"], "reward")));
                out.tokens.push_back(event.body["tokens"]);
            }
        return out;
    }

    std::string rewardModel(const std::string& name, uint64_t seed) {
        auto loaded = must(learn::loadModel(path("a"), torch::kCPU, true, seed));
        torch::NoGradGuard noGrad;
        torch::manual_seed(static_cast<int64_t>(seed));
        for (auto& item : loaded.model->named_parameters())
            if (item.key() == "score.weight")
                torch::nn::init::normal_(item.value());
        must(learn::saveModel(loaded.model, path(name), path("a")));
        return path(name);
    }

    std::vector<ModelSpec> twoModels() {
        return {modelSpec("policy", path("a")), modelSpec("against", path("b"))};
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("a"), 7);
        makeModel(path("b"), 8);
    }

    void winRateByARuleCanBeComputedAgain() {
        const auto values = evaluate("rule", twoModels(), {{"judge", "rule"}, {"taste", "concise"}},
                                     {{"prompts.jsonl", prompts(40)}});
        const auto taste = *rules::tasteByName("concise");
        const auto a = samples("rule", "policy"), b = samples("rule", "against");
        QCOMPARE(a.ids.size(), size_t{40});
        QCOMPARE(a.ids, b.ids);
        double wins = 0, ties = 0;
        for (size_t i = 0; i < 40; ++i) {
            const auto preferred = rules::prefer(taste, "", a.texts[i], b.texts[i]);
            wins += preferred == rules::Preference::A ? 1 : preferred == rules::Preference::Tie ? 0.5 : 0;
            ties += preferred == rules::Preference::Tie;
            QCOMPARE(a.scores[i], rules::score(taste, "", a.texts[i]));
        }
        const auto interval = rules::wilson(wins, 40);
        QCOMPARE(values.at("eval_win_rate"), wins / 40);
        QVERIFY(wins > 0 && wins < 40);
        QVERIFY(std::abs(values.at("eval_win_rate_low") - interval.low) < 1e-12);
        QVERIFY(std::abs(values.at("eval_win_rate_high") - interval.high) < 1e-12);
        QCOMPARE(values.at("eval_win_rate_n"), 40.0);
        QCOMPARE(values.at("ties"), ties);
        QCOMPARE(values.at("nan_count"), 0.0);
        QCOMPARE(values.at("gold_mean"), rules::mean(a.scores));
        QCOMPARE(values.at("gold_sd_against"), rules::standardDeviation(b.scores));
        QCOMPARE(values.at("gold_delta_sd"),
                 (rules::mean(a.scores) - rules::mean(b.scores)) / rules::standardDeviation(b.scores));
        QCOMPARE(values.at("reward_mean_against"), rules::mean(b.scores));
        QCOMPARE(values.at("length_mean"), rules::mean(a.tokens));
        QVERIFY(values.at("kl") > 0 && values.at("kl_k3_token") > 0);
        // Both models wrote, and both read what the policy wrote.
        const auto config = must(learn::loadModel(path("a"), torch::kCPU)).config;
        const double written = 40 * (rules::mean(a.tokens) + rules::mean(b.tokens)), read = 2 * 40 * rules::mean(a.tokens);
        QVERIFY(values.at("total_flos") > config.forwardFlops(written - 80 + read, 1, written + read));
        QVERIFY(values.at("kl_token") < values.at("kl"));
        QVERIFY(!m_event.contains("too_few"));
        QCOMPARE(m_event["judge"]["name"].get<std::string>(), std::string("concise"));
        QCOMPARE(m_event["judge"]["saw_same_labels"].get<std::string>(), std::string("no"));
        // The outcomes say the same.
        double fromOutcomes = 0, outcomes = 0;
        for (const auto& event : must(readEvents(path("rule") + "/events.jsonl")))
            if (event.type == event::kOutcome) {
                ++outcomes;
                fromOutcomes += event.body["winner"] == "a" ? 1 : event.body["winner"] == "tie" ? 0.5 : 0;
                QVERIFY(event.body["a"]["response"].is_string() && event.body["score_b"].is_number());
            }
        QCOMPARE(outcomes, 40.0);
        QCOMPARE(fromOutcomes, wins);
    }

    void aModelAgainstItselfIsATie() {
        const std::vector<ModelSpec> same = {modelSpec("policy", path("a")), modelSpec("against", path("a")),
                                             modelSpec("judge", rewardModel("rm-tie", 3))};
        const auto values = evaluate(
            "self", same, {{"judge", "reward_model"}, {"judge_name", "rm"}, {"judge_saw_same_labels", "yes"}},
            {{"prompts.jsonl", prompts(10)}});
        QCOMPARE(values.at("eval_win_rate"), 0.5);
        QCOMPARE(values.at("ties"), 10.0);
        QVERIFY(std::abs(values.at("kl")) < 1e-9);
        QVERIFY(std::abs(values.at("kl_k3")) < 1e-9);
        QVERIFY(m_event["too_few"].get<bool>());
        QCOMPARE(m_event["judge"]["saw_same_labels"].get<std::string>(), std::string("yes"));
        QCOMPARE(m_event["judge"]["name"].get<std::string>(), std::string("rm"));
        QVERIFY(!values.count("gold_mean"));
    }

    void aModelJudgeCarriesItsAgreement() {
        std::vector<Json> pairs;
        for (int i = 0; i < 20; ++i)
            pairs.push_back({{"id", "p"},
                             {"prompt", "x"},
                             {"chosen", std::string(1 + i, 'a')},
                             {"rejected", std::string(1 + i, 'b')}});
        pairs.push_back(
            {{"id", "tie"}, {"prompt", "x"}, {"chosen", "a"}, {"rejected", "b"}, {"soft_label", 0.5}});
        auto models = twoModels();
        models.push_back(modelSpec("judge", rewardModel("rm-judge", 4)));
        const auto values =
            evaluate("judged", models, {{"judge", "reward_model"}, {"taste", "warm"}},
                     {{"prompts.jsonl", prompts(30)}, {"judge_pairs.jsonl", jsonLines(pairs)}});
        QCOMPARE(values.at("judge_agreement_n"), 20.0); // the tie is no question of ranking
        QVERIFY(values.at("judge_agreement_low") < values.at("judge_agreement_high"));
        QCOMPARE(must(numberOf(m_event["judge"]["agreement"], "agreement")), values.at("judge_agreement"));
        const auto a = samples("judged", "policy"), b = samples("judged", "against");
        double wins = 0;
        for (size_t i = 0; i < a.scores.size(); ++i)
            wins += a.texts[i] == b.texts[i] ? 0.5 : a.scores[i] > b.scores[i] ? 1 : 0;
        QCOMPARE(values.at("eval_win_rate"), wins / 30);
        QVERIFY(values.count("gold_delta_sd")); // the taste is measured beside
        // The same pairs, turned round, give the rest of the agreement.
        for (auto& pair : pairs)
            std::swap(pair["chosen"], pair["rejected"]);
        const auto turned = evaluate("turned", {modelSpec("policy", path("rm-judge"))},
                                     {{"mode", "reward_accuracy"}}, {{"pairs.jsonl", jsonLines(pairs)}});
        QCOMPARE(turned.at("eval_accuracy"), 1 - values.at("judge_agreement"));
        QCOMPARE(turned.at("eval_accuracy_n"), 20.0);
    }

    void scoresThatAreNoNumbersAreCountedNotAveraged() {
        std::vector<Json> pairs = {
            {{"id", "a"}, {"prompt", "x"}, {"chosen", std::string(400, 'a')}, {"rejected", "b"}},
            {{"id", "b"}, {"prompt", "x"}, {"chosen", "aa"}, {"rejected", "aa"}}};
        const auto values = evaluate("long", {modelSpec("policy", rewardModel("rm-long", 5))},
                                     {{"mode", "reward_accuracy"}}, {{"pairs.jsonl", jsonLines(pairs)}});
        QCOMPARE(values.at("nan_count"), 1.0);
        QCOMPARE(values.at("eval_accuracy_n"), 1.0);
        QCOMPARE(values.at("eval_accuracy"), 0.0); // equal scores: a tie is a miss
        QCOMPARE(values.at("ties"), 1.0);
        QVERIFY(count(path("long"), event::kAlert) == 1);
        QVERIFY(m_event["too_few"].get<bool>());
    }

    void verifierCountsRightAnswersOfBoth() {
        const auto values =
            evaluate("verifier", twoModels(), {{"mode", "verifier"}, {"samples_per_prompt", 2}},
                     {{"prompts.jsonl", prompts(12, true)}});
        for (const char* name :
             {"accuracy", "accuracy_low", "accuracy_high", "accuracy_n", "accuracy_against", "accuracy_copy",
              "accuracy_arithmetic", "accuracy_arithmetic_against", "eval_accuracy"})
            QVERIFY2(values.count(name), name);
        QCOMPARE(values.at("accuracy_n"), 24.0);
        QCOMPARE(values.at("accuracy_copy_n"), 12.0);
        // Answers to one prompt are alike: the interval is the one of 12 prompts.
        const auto interval = rules::wilson(values.at("accuracy") * 12, 12);
        QVERIFY(std::abs(values.at("accuracy_high") - interval.high) < 1e-12);
        const auto a = samples("verifier", "policy");
        QCOMPARE(values.at("accuracy"), rules::mean(a.scores));
        QCOMPARE(a.ids.size(), size_t{24});
    }

    void sampledAlikeWhateverTheBatch() {
        const Json rule = {{"judge", "rule"}, {"taste", "concise"}};
        Json small = rule;
        small["batch_size"] = 3;
        evaluate("large", twoModels(), rule, {{"prompts.jsonl", prompts(8)}});
        evaluate("small", twoModels(), small, {{"prompts.jsonl", prompts(8)}});
        QCOMPARE(samples("large", "policy").texts, samples("small", "policy").texts);
    }

    void noKlForTruncatedSamplers() {
        const auto values =
            evaluate("topk", twoModels(), {{"judge", "rule"}, {"taste", "warm"}, {"top_k", 5}},
                     {{"prompts.jsonl", prompts(4)}});
        QVERIFY(!values.count("kl"));
        QVERIFY(values.count("eval_win_rate"));
    }

    void oneModelAloneHasNoWinRate() {
        const auto values = evaluate("alone", {modelSpec("policy", path("a"))},
                                     {{"judge", "rule"}, {"taste", "warm"}}, {{"prompts.jsonl", prompts(4)}});
        QVERIFY(!values.count("eval_win_rate"));
        QVERIFY(values.count("gold_mean") && values.count("reward_mean"));
    }

    void refusesWhatCannotBeMeasured() {
        const auto refuses = [&](const std::string& name, std::vector<ModelSpec> models, const Json& given,
                                 const std::map<std::string, std::string>& files, const char* word) {
            const auto out = runPlugin(makeBundle(path(name), "evaluate", models, given, files).dir());
            const bool good = out.status != PL_OK && out.message.find(word) != std::string::npos;
            if (!good)
                qWarning("%s: %d %s", name.c_str(), out.status, out.message.c_str());
            return good;
        };
        const std::map<std::string, std::string> some = {{"prompts.jsonl", prompts(2)}};
        QVERIFY(refuses("r1", twoModels(), {{"judge", "rule"}}, some, "needs a taste"));
        QVERIFY(refuses("r2", twoModels(), {{"taste", "spicy"}}, some, "spicy"));
        QVERIFY(refuses("r3", twoModels(), {{"judge", "reward_model"}}, some, "judge"));
        QVERIFY(refuses("r4", twoModels(), {{"mode", "verifier"}}, some, "verify"));
        QVERIFY(refuses("r5", twoModels(), {{"taste", "warm"}}, {}, "prompts.jsonl"));
        QVERIFY(refuses("r6", twoModels(), {{"mode", "reward_accuracy"}}, some, "pairs.jsonl"));
        QVERIFY(refuses("r7", {modelSpec("policy", path("a"))}, {{"mode", "reward_accuracy"}},
                        {{"pairs.jsonl", plantedPairs(2, 1)}}, "not a reward model"));
    }
};

QTEST_GUILESS_MAIN(TestEvaluate)
#include "tst_evaluate.moc"
