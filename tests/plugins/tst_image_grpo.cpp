// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
// Group methods for images on a tiny generator: ratios, what is learnt from every kind of reward, refusals, exact resumption.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/images/image_reward.h"
#include "tests/plugins/tiny_images.h"

using namespace tiny;

namespace {

std::string scenePrompts(int n, const char* split) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({{"id", split + std::to_string(i)},
                        {"prompt", rules::captionText(rules::drawCaption(mix64(static_cast<uint64_t>(i) + (*split == 'd' ? 900 : 0))))},
                        {"split", split}});
    return jsonLines(rows);
}

Json terms(std::initializer_list<Json> list) {
    return Json::array_t(list);
}

Json warm(double weight = 1) {
    return terms({{{"type", "taste"}, {"name", "warm"}, {"weight", weight}}});
}

} // namespace

class TestImageGrpo : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir;

    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    ModelSpec start() { return modelSpec("policy", path("start")); }
    ModelSpec judge() { return modelSpec("ref:run:1", path("judge")); }

    Bundle bundle(const std::string& name, const Json& given, uint64_t seed = 1, const std::vector<ModelSpec>& more = {}) {
        Json parameters = {{"rewards", warm()},   {"steps", 4},          {"num_iterations", 2},  {"group_size", 4},
                           {"prompts_per_step", 3}, {"rollout_steps", 4},  {"sampling_steps", 2},  {"eval_prompts", 4},
                           {"learning_rate", 0.003}, {"watch_taste", "warm"}, {"train_step_fraction", 0.5}};
        if (given.is_object())
            parameters.update(given);
        std::vector<ModelSpec> models = {start()};
        models.insert(models.end(), more.begin(), more.end());
        return makeBundle(path(name), "image_grpo", models, parameters,
                          {{"prompts.jsonl", scenePrompts(7, "train")}, {"dev_prompts.jsonl", scenePrompts(8, "dev")}}, seed);
    }
    std::string runs(const std::string& name, const Json& given, uint64_t seed = 1, const std::vector<ModelSpec>& more = {}) {
        const auto dir = bundle(name, given, seed, more).dir();
        const auto out = runPlugin(dir);
        if (out.status != PL_OK)
            qFatal("%s: %s", name.c_str(), out.message.c_str());
        return dir;
    }
    void refuses(const std::string& name, const Json& given, const char* words) {
        const auto out = runPlugin(bundle(name, given).dir());
        QVERIFY(out.status != PL_OK);
        QVERIFY2(QString::fromStdString(out.message).contains(words), out.message.c_str());
        QVERIFY(metric(path(name), "loss").empty());
    }
    std::string rankedBundle(const std::string& name, std::map<std::string, std::string> rows, const ImageFiles& files) {
        rows["dev_prompts.jsonl"] = scenePrompts(8, "dev");
        const Json parameters = {{"rewards", terms({{{"type", "rankings"}}})}, {"steps", 30}, {"num_iterations", 2},   {"prompts_per_step", 8},
                           {"rollout_steps", 4}, {"eval_prompts", 8}, {"learning_rate", 0.003}, {"watch_taste", "warm"},
                           {"sampling_steps", 4}, {"advantage_max", 1}, {"eval_every", 30}};
        imageBundle(path(name), "image_grpo", {start()}, parameters, rows, files);
        return path(name);
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeImageModel(path("start"));
        // A fresh model predicts 0 whatever it sees: give it something to say.
        auto loaded = must(learn::loadImageModel(path("start"), torch::kCPU));
        torch::manual_seed(3);
        for (auto& item : loaded.model->named_parameters())
            if (item.value().dim() > 1 && item.value().abs().max().item<double>() == 0)
                item.value().data().copy_(0.05 * torch::randn(item.value().sizes()));
        must(learn::saveImageModel(loaded.model, path("start")));
        makeImageModel(path("epsilon"), 7, learn::Prediction::Epsilon);
        // A reward model that likes red.
        ImageFiles files;
        const auto train = redPairs(files, 64, 3), dev = redPairs(files, 20, 4);
        imageBundle(path("rm"), "image_reward_model", {start()}, {{"steps", 30}, {"batch_size", 16}, {"features", "conv"}, {"learning_rate", 0.002}},
                    {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
        const auto out = runPlugin(path("rm"));
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        must(learn::saveImageReward(must(learn::loadImageReward(path("rm") + "/" + newestCheckpoint(path("rm")), torch::kCPU)), path("judge")));
    }

    // --- ratios ------------------------------------------------------------------------------------------------------

    void theRatioIsExactlyOneOnEveryFirstUpdate() {
        for (const char* sampler : {"flow_sde", "cps", "dance_sde"})
            for (const double guidance : {1.0, 2.0}) {
                // Batches of 5, 5 and 2 images, so that whole groups do not fit them.
                const auto dir = runs(std::string("ratio-") + sampler + std::to_string(guidance),
                                      {{"method", "flow_grpo"}, {"sampler", sampler}, {"rollout_guidance", guidance}, {"micro_batch", 5},
                                       {"same_initial_noise", guidance == 2}});
                for (const char* name : {"ratio_mean", "ratio_max"})
                    for (const int step : {1, 3})
                        QVERIFY2(metric(dir, name).at(step) == 1.0, name);
                for (const int step : {1, 3}) {
                    QCOMPARE(metric(dir, "approx_kl").at(step), 0.0);
                    QCOMPARE(metric(dir, "clipfrac").at(step), 0.0);
                }
                // The second update is at other steps of weights that have moved.
                QVERIFY(metric(dir, "ratio_max").at(2) != 1.0);
                QVERIFY(metric(dir, "approx_kl").at(4) > 0);
                QVERIFY2(metric(dir, "clipfrac").at(2) > 0, sampler);
                const auto high = metric(dir, "clipfrac_gt_one"), low = metric(dir, "clipfrac_lt_one");
                QVERIFY(std::abs(high.at(2) + low.at(2) - metric(dir, "clipfrac").at(2)) < 1e-9);
            }
    }

    void theKlToTheReferenceBeginsAtZero() {
        const auto steps = runs("kl-steps", {{"method", "flow_grpo"}, {"kl_weight", 0.5}});
        QCOMPARE(metric(steps, "kl_loss").at(1), 0.0);
        QVERIFY(metric(steps, "kl_loss").at(4) > 0);
        QVERIFY(std::abs(metric(steps, "loss").at(4) - metric(steps, "policy_loss").at(4) - 0.5 * metric(steps, "kl_loss").at(4)) < 1e-5);
        const auto velocity = runs("kl-velocity", {{"velocity_kl", 0.5}});
        QCOMPARE(metric(velocity, "kl_div").at(1), 0.0);
        QCOMPARE(metric(velocity, "old_deviate").at(1), 0.0);
        QVERIFY(metric(velocity, "kl_div").at(4) > 0);
        QCOMPARE(metric(velocity, "old_deviate").at(3), 0.0); // drawn by the trained policy
        QVERIFY(metric(velocity, "old_kl_div").at(3) > 0);
        QVERIFY(std::abs(metric(velocity, "loss").at(4) - metric(velocity, "total_loss").at(4)) < 1e-5);
        QVERIFY(metric(runs("kl-none", {{"velocity_kl", 0.0}}), "kl_div").empty());
    }

    void theOldPolicyFollowsAsSlowlyAsItIsTold() {
        // Slow: before rollout k the drawing policy keeps 0.001 k of itself.
        const auto dir = runs("slow", {{"old_policy", "slow"}, {"steps", 6}, {"velocity_kl", 0.5}});
        QVERIFY(metric(dir, "old_deviate").at(3) > 0);
        QVERIFY(metric(dir, "old_deviate").at(3) < 0.01 * metric(dir, "old_kl_div").at(3));
    }

    // --- learning ----------------------------------------------------------------------------------------------------

    void bothMethodsLearnWhatIsRewardedAndTheOppositeOfWhatIsPunished() {
        for (const char* method : {"nft", "flow_grpo"})
            for (const uint64_t seed : {1, 2, 3})
                for (const double sign : {1.0, -1.0}) {
                    const auto dir = runs(std::string(method) + std::to_string(seed) + (sign > 0 ? "+" : "-"),
                                          {{"method", method}, {"rewards", warm(sign)}, {"steps", 24}, {"group_size", 6}, {"prompts_per_step", 4},
                                           {"eval_every", 24}, {"eval_prompts", 8}},
                                          seed);
                    const auto gold = metric(dir, "eval_gold/warm");
                    const double rise = (gold.at(24) - gold.at(0)) / metric(dir, "eval_reward_std").at(0);
                    QVERIFY2(sign * rise > 0.5, (dir + " " + std::to_string(rise)).c_str());
                    QVERIFY(std::abs(metric(dir, "eval_reward").at(24) - sign * gold.at(24)) < 1e-6);
                    QVERIFY(std::abs(metric(dir, "eval_choice").at(24) - sign * rise) < 1e-3 + 100 * metric(dir, "eval_obedience_fall").at(24));
                }
    }

    void everyMetricIsThere() {
        const auto nft = runs("metrics-nft", {}), steps = runs("metrics-steps", {{"method", "flow_grpo"}});
        for (const auto& dir : {nft, steps}) {
            for (const char* name : {"reward_taste_warm", "reward_avg", "group_size", "trained_prompt_num", "zero_std_ratio",
                                     "reward_std_mean", "actual_batch_size", "mean_reward_100", "mean_reward_10"})
                QVERIFY2((metric(dir, name).size() == 2), name); // once a rollout
            for (const char* name : {"loss", "policy_loss", "grad_norm", "learning_rate", "images_per_second", "total_flos"})
                QVERIFY2(metric(dir, name).size() >= 4, name);
            QCOMPARE(metric(dir, "trained_prompt_num").at(1), 3.0);
            QCOMPARE(metric(dir, "trained_prompt_num").at(3), 6.0);
            QCOMPARE(metric(dir, "actual_batch_size").at(1), 12.0);
            QCOMPARE(metric(dir, "mean_reward_100").at(1), metric(dir, "reward_avg").at(1));
            QVERIFY(metric(dir, "mean_reward_10").at(1) > metric(dir, "mean_reward_50").at(1));
            QVERIFY(metric(dir, "eval_diversity").count(4) && metric(dir, "eval_obedience_fall").count(4));
            bool rollout = false, conventions = false;
            for (const auto& event : must(readEvents(dir + "/events.jsonl"))) {
                rollout = rollout || (event.type == event::kSample && event.body["tag"] == "rollout" && event.body["reward"].is_number());
                conventions = conventions || dumpJson(event.body).find("mean over an image's elements") != std::string::npos;
            }
            QVERIFY(rollout && conventions);
        }
        // 12 images at 2 of 4 levels; 12 images at 2 of the 3 steps that draw noise.
        QCOMPARE(metric(nft, "num_images").at(1), 24.0);
        QCOMPARE(metric(steps, "num_images").at(1), 24.0);
    }

    // --- rewards -----------------------------------------------------------------------------------------------------

    void rewardsAreWeightedSumsOfNamedTerms() {
        const auto dir = runs("sum",
                              {{"rewards", terms({{{"type", "reward_model"}, {"model", "run:1"}, {"weight", 0.5}},
                                                  {{"type", "taste"}, {"name", "larger+light"}},
                                                  {{"type", "obedience"}, {"weight", 2}},
                                                  {{"type", "obedience"}, {"partial", false}}})}},
                              1, {judge()});
        const auto at = [&](const char* name, int step) { return metric(dir, name).at(step); };
        for (const int step : {1, 3})
            QVERIFY(std::abs(at("reward_avg", step) - (0.5 * at("reward_reward_model", step) + at("reward_taste_larger_light", step) +
                                                       2 * at("reward_obedience", step) + at("reward_obedience_2", step))) < 1e-6);
        QVERIFY(at("reward_obedience", 1) >= at("reward_obedience_2", 1));
        QVERIFY(metric(dir, "eval_reward_reward_model").count(4));
    }

    void theRewardModelTeachesItsTaste() {
        const auto dir = runs("by-model",
                              {{"rewards", terms({{{"type", "reward_model"}, {"model", "run:1"}}})}, {"steps", 24}, {"group_size", 6},
                               {"eval_every", 24}, {"eval_prompts", 8}},
                              1, {judge()});
        QVERIFY(metric(dir, "eval_reward").at(24) > metric(dir, "eval_reward").at(0) + 0.5 * metric(dir, "eval_reward_std").at(0));
    }

    void winRatesDoNotDependOnTheRewardsScale() {
        std::map<std::string, double> loss;
        for (const char* mode : {"win_rate", "reward"})
            for (const double weight : {1.0, 50.0}) {
                const auto dir = runs(std::string(mode) + std::to_string(weight),
                                      {{"reward_mode", mode}, {"rewards", warm(weight)}, {"global_std", false}, {"steps", 2}});
                loss[mode + std::to_string(weight)] = metric(dir, "reward_std_mean").at(1);
            }
        QCOMPARE(loss["win_rate" + std::to_string(1.0)], loss["win_rate" + std::to_string(50.0)]);
        QVERIFY(std::abs(loss["reward" + std::to_string(50.0)] - 50 * loss["reward" + std::to_string(1.0)]) < 1e-6);
        // Strictly ordered: 0, 1/3, 2/3, 1
        QVERIFY(std::abs(loss["win_rate" + std::to_string(1.0)] - std::sqrt(5.0) / 6) < 1e-6);
        QVERIFY(metric(runs("soft", {{"reward_mode", "soft_win_rate"}, {"steps", 2}}), "reward_std_mean").at(1) < std::sqrt(5.0) / 6);
    }

    void aRewardThatIsNoNumberEndsTheRunByName() {
        auto model = must(learn::loadImageReward(path("judge"), torch::kCPU));
        auto calibration = model->config().calibration;
        calibration.deviation = 1e-300;
        model->setCalibration(calibration);
        must(learn::saveImageReward(model, path("broken-judge")));
        auto spec = modelSpec("ref:run:1", path("broken-judge"));
        const auto out = runPlugin(bundle("broken", {{"rewards", terms({{{"type", "reward_model"}, {"model", "run:1"}}})}}, 1, {spec}).dir());
        QVERIFY(out.status != PL_OK);
        QVERIFY2(out.message.find("the reward term reward_model gives") != std::string::npos, out.message.c_str());
    }

    void groupsWithoutADifferenceTeachNothing() {
        // No image of such a model shows all that is asked.
        const auto dir = runs("nothing", {{"rewards", terms({{{"type", "obedience"}, {"partial", false}}})}, {"steps", 2}, {"velocity_kl", 0.0}});
        QCOMPARE(metric(dir, "zero_std_ratio").at(1), 1.0);
        QCOMPARE(metric(dir, "actual_batch_size").at(1), 0.0);
        QCOMPARE(metric(dir, "grad_norm").at(1), 0.0);
        bool said = false;
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            said = said || (event.type == event::kAlert && event.body["name"] == "no_difference");
        QVERIFY(said);
        QVERIFY(sameWeights(dir + "/" + newestCheckpoint(dir) + "/model.safetensors", path("start") + "/model.safetensors"));
    }

    // --- a person's rankings -----------------------------------------------------------------------------------------

    void rankingsAndPairsPullTowardsTheBetterImages() {
        for (const bool pairs : {true, false})
            for (const bool flipped : {false, true}) {
                ImageFiles files;
                std::map<std::string, std::string> rows;
                if (pairs) {
                    rows["train.jsonl"] = redPairs(files, 32, 3, flipped);
                    rows["dev.jsonl"] = redPairs(files, 8, 4, flipped);
                } else {
                    std::vector<Json> ranked;
                    for (int i = 0; i < 16; ++i) {
                        std::vector<std::string> images;
                        for (const int red : {40, 120, 80, 200})
                            images.push_back(files.add(flatImage(red, 100, 200 - red, static_cast<uint64_t>(100 * i + red))));
                        ranked.push_back({{"id", std::to_string(i)}, {"prompt", "two small green stars"}, {"images", images},
                                          {"ranks", flipped ? std::vector<int>{1, 3, 2, 4} : std::vector<int>{4, 2, 3, 1}},
                                          {"split", i < 12 ? "train" : "dev"}});
                    }
                    rows["rankings.jsonl"] = jsonLines(ranked);
                }
                const auto dir = rankedBundle(std::string("ranked") + (pairs ? "-pairs" : "-whole") + (flipped ? "-flipped" : ""), rows, files);
                const auto out = runPlugin(dir);
                QVERIFY2(out.status == PL_OK, out.message.c_str());
                const auto gold = metric(dir, "eval_gold/warm");
                const double rise = gold.at(30) - gold.at(0);
                QVERIFY2(flipped ? rise < -0.1 : rise > 0.1, (dir + " " + std::to_string(rise)).c_str());
                QVERIFY(metric(dir, "eval_policy_loss").at(30) < metric(dir, "eval_policy_loss").at(0));
                QVERIFY(std::abs(metric(dir, "reward_avg").at(1) - 0.5) < 1e-9);
                QCOMPARE(metric(dir, "group_size").at(1), pairs ? 2.0 : 4.0);
                QVERIFY(metric(dir, "eval_choice").count(30));
            }
    }

    // --- refusals ----------------------------------------------------------------------------------------------------

    void whatCannotBeIsRefusedWithTheWayOut() {
        refuses("rankings-steps", {{"method", "flow_grpo"}, {"rewards", terms({{{"type", "rankings"}}})}}, "no recorded steps");
        refuses("rankings-more", {{"rewards", terms({{{"type", "rankings"}}, {{"type", "obedience"}}})}}, "stand for the whole reward");
        refuses("rankings-none", {{"rewards", terms({{{"type", "rankings"}}})}}, "labelled pairs or rankings of images");
        refuses("empty", {{"rewards", Json::array()}}, "empty");
        refuses("taste", {{"rewards", terms({{{"type", "taste"}, {"name", "spicy"}}})}}, "spicy");
        refuses("unnamed", {{"rewards", terms({{{"type", "reward_model"}}})}}, "names no model");
        refuses("absent", {{"rewards", terms({{{"type", "reward_model"}, {"model", "run:9"}}})}}, "ref:run:9");
        refuses("quiet", {{"method", "flow_grpo"}, {"noise_level", 0.0}}, "draws no noise");
        refuses("window", {{"method", "flow_grpo"}, {"window_start", 3}, {"window_size", 1}}, "draws no noise");
        refuses("watch", {{"watch_taste", "spicy"}}, "spicy");
        refuses("same", {{"method", "nft"}, {"same_initial_noise", true}}, "would be the same one");
        refuses("weightless", {{"rewards", terms({{{"type", "taste"}, {"name", "warm"}, {"weight", 0.0}}})}}, "weight 0");
        const auto dir = path("noise-model");
        makeBundle(dir, "image_grpo", {modelSpec("policy", path("epsilon"))}, {{"rewards", warm()}},
                   {{"prompts.jsonl", scenePrompts(3, "train")}});
        const auto out = runPlugin(dir);
        QVERIFY2(out.status != PL_OK && out.message.find("predicts noise") != std::string::npos, out.message.c_str());
        makeBundle(path("odd-reference"), "image_grpo", {start(), modelSpec("reference", path("epsilon"))}, {{"rewards", warm()}},
                   {{"prompts.jsonl", scenePrompts(3, "train")}});
        QVERIFY(runPlugin(path("odd-reference")).message.find("reference predicts something else") != std::string::npos);
        makeBundle(path("no-judge"), "image_grpo", {start(), modelSpec("ref:run:1", path("start"))},
                   {{"rewards", terms({{{"type", "reward_model"}, {"model", "run:1"}}})}}, {{"prompts.jsonl", scenePrompts(3, "train")}});
        QVERIFY(runPlugin(path("no-judge")).message.find("no reward model of images") != std::string::npos);
        for (const char* refused : {"noise-model", "odd-reference", "no-judge"}) // before anything is loaded or said
            QCOMPARE(count(path(refused), event::kLog), size_t{0});
        makeBundle(path("no-prompts"), "image_grpo", {start()}, {{"rewards", warm()}}, {});
        QVERIFY(runPlugin(path("no-prompts")).message.find("no prompts") != std::string::npos);
    }

    // --- interruptions -----------------------------------------------------------------------------------------------

    void anInterruptedRunEndsAsTheUninterruptedOne() {
        for (const char* method : {"nft", "flow_grpo"}) {
            // Checkpoints in the middle of a rollout's updates.
            const Json given = {{"method", method}, {"steps", 8},    {"num_iterations", 3},    {"save_every", 5}, {"eval_every", 4},
                                {"log_every", 3},   {"ema", 0.9},    {"old_policy", "slow"}, {"micro_batch", 5},
                                {"kl_weight", 0.1}, {"velocity_kl", 0.1}};
            const auto whole = runs(std::string("whole-") + method, given), cut = runs(std::string("cut-") + method, given);
            QVERIFY(sameBits(metricsOf(whole), metricsOf(cut)));
            for (const int from : {5, 4}) {
                for (const auto& [step, name] : completeCheckpoints(cut))
                    if (step > from)
                        must(os::removeTree(cut + "/checkpoints/" + os::baseName(name)));
                torch::manual_seed(static_cast<uint64_t>(from));
                const auto out = runPlugin(cut);
                QVERIFY2(out.status == PL_OK, out.message.c_str());
                QVERIFY(count(cut, event::kRewind) > 0);
                QVERIFY(sameBits(metricsOf(whole), metricsOf(cut)));
                QVERIFY(sameWeights(whole + "/checkpoints/step-000008/model.safetensors", cut + "/checkpoints/step-000008/model.safetensors"));
            }
        }
    }

    void aStoppedRunContinues() {
        const auto whole = runs("not-stopped", {}), stopped = bundle("stopped", {}).dir();
        must(sendControl(stopped, "stop"));
        const auto out = runPlugin(stopped, [](learn::Job& job) {
            job.startControlThread();
            for (int i = 0; i < 100 && !job.mustLeave(); ++i)
                QTest::qWait(20);
        });
        QCOMPARE(out.status, static_cast<int>(PL_STOPPED));
        QVERIFY(metric(stopped, "loss").empty());
        QCOMPARE(runPlugin(stopped).status, static_cast<int>(PL_OK));
        QVERIFY(sameWeights(whole + "/checkpoints/step-000004/model.safetensors", stopped + "/checkpoints/step-000004/model.safetensors"));
    }

    void eachMethodHasALearningRateOfItsOwn() {
        for (const auto& [method, rate] : {std::pair{"nft", 1e-4}, {"flow_grpo", 2e-4}}) {
            const auto dir = runs(std::string("rate-") + method, {{"method", method}, {"learning_rate", nullptr}, {"warmup", 0.0}, {"steps", 1}});
            QVERIFY(std::abs(metric(dir, "learning_rate").at(1) - rate) < 1e-12);
        }
    }

    void theLessonChoosesNoCheckpoint() {
        for (const auto& [method, rate] : std::map<std::string, double>{{"nft", 3e-4}, {"flow_grpo", 6e-4}}) {
            const auto dir = runs("lesson-" + method, {{"method", method}, {"preset", "over_optimise"}, {"warmup", 0.0}});
            QVERIFY(std::abs(metric(dir, "learning_rate").at(4) - rate) < 1e-9);
            QVERIFY(metric(dir, "kl_div").empty());
            for (const auto& event : must(readEvents(dir + "/events.jsonl")))
                if (event.type == event::kCheckpoint)
                    QCOMPARE(event.body["best"], Json(false));
        }
    }

private:
    /// Without what depends on the clock.
    static std::map<std::string, double> metricsOf(const std::string& dir) {
        auto out = allMetrics(dir);
        std::erase_if(out, [](const auto& item) { return item.first.ends_with("images_per_second"); });
        return out;
    }
};

QTEST_GUILESS_MAIN(TestImageGrpo)
#include "tst_image_grpo.moc"
