// SPDX-License-Identifier: Apache-2.0
// Reward terms, their sum, and TRL's figures about them.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/objectives/group_losses.h"
#include "core/learn/rewards/reward_model_scorer.h"
#include "core/learn/rewards/rollout.h"
#include "core/rules/taste.h"
#include "tests/plugins/tiny_run.h"

using namespace pl;
using namespace pl::learn;
using tiny::must;

namespace {

const double kNan = std::nan("");

struct Answers {
    std::vector<PromptRow> prompts;
    std::vector<RewardInput> inputs;
    void add(const PromptRow& prompt, const std::string& text, int64_t tokens, bool finished = true) {
        prompts.push_back(prompt);
        inputs.push_back({nullptr, text, tokens, finished});
        for (size_t i = 0; i < prompts.size(); ++i)
            inputs[i].prompt = &prompts[i];
    }
};

PromptRow chat(const std::string& text) {
    return {"c", text, "train", "", ""};
}
PromptRow sum() {
    return {"s", "Compute 2 + 3.", "train", "arithmetic", "5"};
}

RewardComposer composer(const Json& terms) {
    return must(RewardComposer::make(terms, {}));
}

bool refuses(const Json& terms, const char* word) {
    const auto made = RewardComposer::make(terms, {});
    if (made || made.error().toString().find(word) == std::string::npos) {
        qWarning("%s", made ? "accepted" : made.error().toString().c_str());
        return false;
    }
    return true;
}

} // namespace

class TestRewards : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) {
        return m_dir.filePath(QString::fromStdString(name)).toStdString();
    }

    std::string rewardModel(const std::string& name, uint64_t seed) {
        tiny::makeModel(path(name + "-lm"), seed);
        auto loaded = must(loadModel(path(name + "-lm"), torch::kCPU, true, seed));
        torch::NoGradGuard noGrad;
        for (auto& item : loaded.model->named_parameters())
            if (item.key() == "score.weight")
                item.value().copy_(torch::randn(item.value().sizes(), at::detail::createCPUGenerator(seed)));
        must(saveModel(loaded.model, path(name), path(name + "-lm")));
        return path(name);
    }

private Q_SLOTS:
    void weightsTermsAndLeavesOutTheUnscored() {
        Answers answers;
        answers.add(sum(), "The answer is 5.", 12);
        answers.add(sum(), "The answer is 6.", 12);
        answers.add(chat("Hi"), "Hello.", 4);
        auto rewards = must(composer({{{"type", "verifier"}, {"weight", 2.0}},
                                      {{"type", "length"}, {"target", 10}, {"scale", 2}, {"weight", 0.5}}})
                                .score(answers.inputs));
        QCOMPARE(rewards.terms[0].name, std::string("verifier"));
        QCOMPARE(rewards.terms[0].raw[0], 1.0);
        QCOMPARE(rewards.terms[0].raw[1], 0.0);
        QVERIFY(std::isnan(rewards.terms[0].raw[2])); // a chat prompt has nothing to verify
        QCOMPARE(rewards.terms[1].raw, (std::vector<double>{-1, -1, -3}));
        QCOMPARE(rewards.total, (std::vector<double>{1.5, -0.5, -1.5}));
        QCOMPARE(rewards.unscored, 0);
        // Without another term the chat answer is not scored at all.
        rewards = must(composer({{{"type", "verifier"}}}).score(answers.inputs));
        QVERIFY(std::isnan(rewards.total[2]));
        QCOMPARE(rewards.unscored, 1);
    }

    void lengthHasTwoShapes() {
        Answers answers;
        for (const int n : {10, 14, 6})
            answers.add(chat("Hi"), "x", n);
        const auto rewards =
            must(composer({{{"type", "length"}, {"target", 10}, {"scale", 4}, {"shape", "gaussian"}},
                           {{"type", "length"}, {"target", 10}, {"scale", 4}, {"shape", "linear"}}})
                     .score(answers.inputs));
        QCOMPARE(rewards.terms[0].name, std::string("length"));
        QCOMPARE(rewards.terms[1].name, std::string("length_2"));
        QCOMPARE(rewards.terms[0].raw, (std::vector<double>{1, std::exp(-0.5), std::exp(-0.5)}));
        QCOMPARE(rewards.terms[1].raw, (std::vector<double>{0, -1, -1}));
    }

    void aRuleIsTheTastesScoreAndACutOffAnswerIsNotRight() {
        Answers answers;
        answers.add(sum(), "The answer is 5.", 12, false);
        auto rewards = must(composer({{{"type", "rule"}, {"taste", "concise"}}, {{"type", "verifier"}}})
                                .score(answers.inputs));
        QCOMPARE(rewards.terms[0].name, std::string("rule_concise"));
        QCOMPARE(rewards.terms[0].raw[0],
                 rules::score(*rules::tasteByName("concise"), "", "The answer is 5."));
        QCOMPARE(rewards.terms[1].raw[0], 0.0);
    }

    void partlyRightCountsWhenAsked() {
        Answers answers;
        answers.add({"s", "Sort 3, 1, 2, 4.", "train", "sort", "1, 2, 3, 4"}, "The answer is 1, 2, 4, 3.",
                    12);
        const auto rewards =
            must(composer({{{"type", "verifier"}}, {{"type", "verifier"}, {"partial", true}}})
                     .score(answers.inputs));
        QCOMPARE(rewards.terms[0].raw[0], 0.0);
        QCOMPARE(rewards.terms[1].raw[0], 0.5);
    }

    void infinityAndNanAreNotAveraged() {
        const auto rewards =
            combineRewards({{"a", 1.0, {1, kNan, INFINITY, 2}}, {"b", 0.5, {2, kNan, 1, kNan}}}, 4);
        QCOMPARE(rewards.total[0], 2.0);
        QVERIFY(std::isnan(rewards.total[1]));
        QVERIFY(std::isnan(rewards.total[2]));
        QCOMPARE(rewards.total[3], 2.0);
        QCOMPARE(rewards.unscored, 2);
        QCOMPARE(rewards.nonFinite, 1);
    }

    void refusesWhatItCannotScore() {
        QVERIFY(refuses(Json::array(), "empty"));
        QVERIFY(refuses({{{"type", "applause"}}}, "applause"));
        QVERIFY(refuses({{{"type", "rule"}, {"taste", "spicy"}}}, "spicy"));
        QVERIFY(refuses({{{"type", "length"}, {"target", 5}, {"scale", 0}}}, "scale"));
        QVERIFY(refuses({{{"type", "reward_model"}, {"model", ""}}}, "names no model"));
        Answers answers;
        answers.add({"x", "?", "train", "telepathy", "1"}, "1", 2);
        const auto scored = composer({{{"type", "verifier"}}}).score(answers.inputs);
        QVERIFY(!scored && scored.error().toString().find("telepathy") != std::string::npos);
    }

    /// Weighted sums, advantages and figures of TRL's own fixtures, unscored rows among them.
    void advantagesAndFiguresEqualTrl() {
        const auto fixtures =
            must(readJsonFile(std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/trl/grpo.json"))["advantages"];
        int unscored = 0;
        for (const auto& item : fixtures) {
            std::vector<TermScores> terms;
            for (size_t f = 0; f < item["rewards"].size(); ++f) {
                TermScores term{"reward_" + std::to_string(f), item["reward_weights"][f], {}};
                for (const auto& value : item["rewards"][f])
                    term.raw.push_back(value.is_null() ? kNan : value.get<double>());
                terms.push_back(std::move(term));
            }
            const auto rows = terms[0].raw.size();
            auto rewards = combineRewards(std::move(terms), rows);
            unscored += static_cast<int>(rewards.unscored);
            const auto group = item["num_generations"].get<size_t>();
            const auto advantages =
                groupAdvantages(torch::tensor(rewards.total, torch::kFloat64), static_cast<int64_t>(group),
                                must(rewardScaleOf(item["scale_rewards"].get<std::string>())));
            const auto name =
                item["name"].get<std::string>() + " " + item["scale_rewards"].get<std::string>();
            for (size_t i = 0; i < rows; ++i) {
                const double ours = advantages[static_cast<int64_t>(i)].item<double>(),
                             theirs = item["advantages"][i];
                QVERIFY2(
                    std::abs(ours - theirs) < 1e-4,
                    qPrintable(
                        QString("%1: row %2: %3 against %4").arg(name.c_str()).arg(i).arg(ours).arg(theirs)));
            }
            const auto ours = rewardMetrics(rewards, group);
            for (const auto& [key, value] : item["metrics"].items()) {
                if (!value.is_number())
                    continue;
                // With scale_rewards=batch TRL asks whether the whole batch varies; ours is always about
                // groups.
                if (key == "frac_reward_zero_std" && item["scale_rewards"] == "batch")
                    continue;
                QVERIFY2(ours.count(key), key.c_str());
                QVERIFY2(std::abs(ours.at(key) - value.get<double>()) < 1e-5,
                         qPrintable(QString("%1: %2: %3 against %4")
                                        .arg(name.c_str(), key.c_str())
                                        .arg(ours.at(key))
                                        .arg(value.get<double>())));
            }
        }
        QVERIFY(unscored > 0);
    }

    void rewardModelScoresDoNotDependOnBatches() {
        const auto dir = rewardModel("rm", 5);
        auto scorer = must(RewardModelScorer::load(dir, torch::kCPU));
        const std::vector<std::string> prompts = {"hi", "a longer prompt", "hi", "x"},
                                       texts = {"one", "two", "three and more", ""};
        const auto all = must(scorer.score(prompts, texts));
        const auto single = must(scorer.score(prompts, texts, {}, 1));
        for (size_t i = 0; i < all.size(); ++i) {
            QVERIFY(std::isfinite(all[i]));
            QVERIFY(std::abs(all[i] - single[i]) < 1e-5);
            const auto alone = must(scorer.score({prompts[i]}, {texts[i]}));
            QVERIFY(std::abs(all[i] - alone[0]) < 1e-5);
        }
        QVERIFY2(std::abs(all[0] - all[2]) > 1e-3, qPrintable(QString("%1 %2").arg(all[0]).arg(all[2]))); // it does look at the response
        QVERIFY(!scorer.score(prompts, texts, [] { return false; }));
    }

    void whatIsTooLongForTheRewardModelIsNotScored() {
        auto scorer = must(RewardModelScorer::load(rewardModel("rm2", 6), torch::kCPU));
        const auto scores = must(scorer.score({"hi", "hi"}, {std::string(400, 'a'), "short"}));
        QVERIFY(std::isnan(scores[0]));
        QVERIFY(std::isfinite(scores[1]));
    }

    void aLanguageModelIsNoRewardModel() {
        tiny::makeModel(path("lm"), 3);
        const auto loaded = RewardModelScorer::load(path("lm"), torch::kCPU);
        QVERIFY(!loaded && loaded.error().message.find("reward head") != std::string::npos);
        RewardContext context;
        context.modelDir = [&](const std::string& ref) -> Result<std::string> { return path(ref); };
        const auto made = RewardComposer::make({{{"type", "reward_model"}, {"model", "lm"}}}, context);
        QVERIFY(!made && made.error().toString().find("reward term 1") != std::string::npos);
    }

    void completionFiguresCountTheEndToken() {
        std::vector<Rollout> rollouts(3);
        for (size_t i = 0; i < 3; ++i) {
            rollouts[i].tokens.start = 2;
            rollouts[i].tokens.ids.assign(2 + 2 * (i + 1), 7);
            rollouts[i].finished = i != 2;
        }
        const auto m = completionMetrics(rollouts);
        QCOMPARE(m.at("completions/mean_length"), 4.0);
        QCOMPARE(m.at("completions/min_length"), 2.0);
        QCOMPARE(m.at("completions/max_length"), 6.0);
        QCOMPARE(m.at("completions/mean_terminated_length"), 3.0);
        QVERIFY(std::abs(m.at("completions/clipped_ratio") - 1.0 / 3) < 1e-12);
    }
};

QTEST_GUILESS_MAIN(TestRewards)
#include "tst_rewards.moc"
