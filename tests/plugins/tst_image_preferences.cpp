// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=240
// Learning from labelled images: the reward model and preference optimisation of the generator.

#include <torch/torch.h>

#include <filesystem>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/images/image_measures.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/images/image_store.h"
#include "core/learn/images/pixels.h"
#include "tests/plugins/tiny_images.h"

using namespace tiny;

class TestImagePreferences : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir;

    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    Json rewardQuick(int steps) const { return {{"steps", steps}, {"batch_size", 16}, {"log_every", 1}, {"learning_rate", 0.002}}; }
    Json dpoQuick(int steps) const {
        return {{"steps", steps},      {"batch_size", 8},   {"learning_rate", 0.001}, {"beta", 100},
                {"eval_prompts", 4},   {"eval_every", steps}, {"save_every", steps},    {"sampling_steps", 2}};
    }
    Json loraQuick(int steps) const {
        auto out = dpoQuick(steps);
        out.update({{"adapter_rank", 4}, {"adapter_alpha", 8}, {"learning_rate", 0.01}});
        return out;
    }
    static bool logged(const std::string& dir, const char* what) {
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kLog && event.body.value("text", "").find(what) != std::string::npos)
                return true;
        return false;
    }
    static bool sameValues(const std::map<int64_t, double>& a, const std::map<int64_t, double>& b) {
        return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
                   return x.first == y.first && std::memcmp(&x.second, &y.second, sizeof x.second) == 0;
               });
    }
    ModelSpec start() { return modelSpec("policy", path("start")); }

    std::string error(const std::string& name, const std::string& plugin, const std::string& rows, const ImageFiles& files) {
        imageBundle(path(name), plugin, {start()}, Json::object(), {{"train.jsonl", rows}}, files);
        const auto out = runPlugin(path(name));
        return out.status == PL_OK ? std::string() : out.message;
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeImageModel(path("start"));
        makeImageModel(path("epsilon"), 7, learn::Prediction::Epsilon);
        // What ends a fresh network is 0, and stays so under adapters: theirs is one that draws something.
        for (const std::string name : {"start", "epsilon"}) {
            auto model = must(learn::loadImageModel(path(name), torch::kCPU)).model;
            torch::NoGradGuard noGrad;
            auto generator = at::detail::createCPUGenerator(3);
            for (auto& parameter : model->parameters())
                parameter.add_(torch::randn(parameter.sizes(), generator) * 0.1);
            must(learn::saveImageModel(model, path("drawn-" + name)));
        }
    }

    // --- reward model ------------------------------------------------------------------------------------------------

    void theRewardModelLearnsAPlantedPreferenceAndTheFlippedOne() {
        const std::vector<std::tuple<std::string, bool, std::string>> runs{
            {"rm", false, "generator"}, {"rm-flipped", true, "generator"}, {"rm-conv", false, "conv"}, {"rm-conv-flipped", true, "conv"}};
        for (const auto& [name, flipped, features] : runs) {
            const auto dir = path(name);
            ImageFiles files;
            const auto train = redPairs(files, 64, 3, flipped), dev = redPairs(files, 40, 4);
            auto parameters = rewardQuick(30);
            parameters["features"] = features;
            imageBundle(dir, "image_reward_model", {start()}, parameters, {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) < 1e-5);
            const double accuracy = metric(dir, "eval_accuracy").at(30);
            QVERIFY2(flipped ? accuracy < 0.1 : accuracy > 0.9, std::to_string(accuracy).c_str());
            QCOMPARE(metric(dir, "eval_accuracy_n").at(30), 40.0);
        }
    }

    void itsCheckpointScoresInStandardDeviationsOfTheTrainingImages() {
        const auto dir = path("rm") + "/" + newestCheckpoint(path("rm"));
        QVERIFY(*learn::isImageReward(dir));
        QVERIFY(!*learn::isImageReward(path("start")));
        auto model = must(learn::loadImageReward(dir, torch::kCPU));
        const auto& k = model->config().calibration;
        QCOMPARE(k.images, int64_t{128});
        QCOMPARE(k.pairs, int64_t{40});
        QVERIFY(k.temperature > 0 && k.temperature < 1.5);
        learn::ImageStore store(16);
        std::vector<std::string> prompts;
        std::vector<size_t> all;
        for (const auto& row : must(pl::readPairs(path("rm") + "/data/train.jsonl")))
            for (const auto& ref : {row.chosen, row.rejected}) {
                all.push_back(must(store.add(path("rm") + "/data", ref)));
                prompts.push_back(row.prompt);
            }
        torch::NoGradGuard noGrad;
        const auto images = store.batch(all, torch::kCPU);
        const auto scores = model->score(images, prompts);
        QVERIFY(std::abs(scores.mean().item<double>()) < 1e-4);
        QVERIFY(std::abs(scores.std(false).item<double>() - 1) < 1e-4);
        // Rows do not depend on each other.
        QVERIFY(std::abs((model->score(images.narrow(0, 5, 1), {prompts[5]}) - scores[5]).item<double>()) < 1e-5);
        // A larger image is the same image.
        const auto large = at::upsample_nearest2d(images.narrow(0, 5, 1), {64, 64});
        QVERIFY(std::abs((model->score(large, {prompts[5]}) - scores[5]).item<double>()) < 1e-5);
        QVERIFY(std::abs(model->probability(1, 1) - 0.5) < 1e-12 && model->probability(2, 1) > 0.5);
    }

    void aGeneratorSeesForItUnchanged() {
        const auto dir = path("rm") + "/" + newestCheckpoint(path("rm"));
        auto model = must(learn::loadImageReward(dir, torch::kCPU));
        QVERIFY(model->frozenFeatures());
        auto generator = must(learn::loadImageModel(path("start"), torch::kCPU));
        const auto own = model->named_parameters();
        for (const auto& item : generator.model->named_parameters()) {
            const auto* copy = own.find("features.generator." + item.key());
            QVERIFY2(copy && torch::equal(*copy, item.value()), item.key().c_str());
            QVERIFY(!copy->requires_grad());
        }
        learn::ImageStore store(16);
        std::vector<size_t> all;
        for (const auto& row : must(pl::readPairs(path("rm") + "/data/train.jsonl")))
            for (const auto& ref : {row.chosen, row.rejected})
                all.push_back(must(store.add(path("rm") + "/data", ref)));
        for (const auto& row : must(pl::readPairs(path("rm") + "/data/dev.jsonl")))
            for (const auto& ref : {row.chosen, row.rejected})
                all.push_back(must(store.add(path("rm") + "/data", ref)));
        torch::NoGradGuard noGrad;
        const auto seen = model->see(store.batch(all, torch::kCPU));
        QCOMPARE(seen.size(1), model->config().featureWidth());
        QVERIFY(seen.mean(0).abs().max().item<double>() < 1e-3);
        const auto deviation = seen.std(0, false);
        QVERIFY2(((deviation - 1).abs() < 1e-2).to(torch::kFloat32).mean().item<double>() > 0.95, "features are not scaled");
        // From the tensors as published: what the blocks give, by mean and deviation over positions.
        auto& g = generator.model;
        const auto images = store.batch({all[0], all[1]}, torch::kCPU);
        const auto blocks = g->features(0.9 * images, torch::full({2}, 0.1), g->encode(g->nullIds(2)));
        QCOMPARE(blocks.size(), static_cast<size_t>(g->config().depth + 2));
        const auto last = blocks.back().flatten(2);
        const int64_t width = last.size(1);
        const auto mean = (last.mean(2) - own["features.mean"].narrow(0, seen.size(1) - 2 * width, width)) /
                          own["features.deviation"].narrow(0, seen.size(1) - 2 * width, width);
        QVERIFY((seen.narrow(0, 0, 2).narrow(1, seen.size(1) - 2 * width, width) - mean).abs().max().item<double>() < 1e-2);
        // Trained on once more it keeps its eyes.
        torch::AutoGradMode grad(true);
        ImageFiles files;
        const auto rows = redPairs(files, 16, 5);
        imageBundle(path("rm-again"), "image_reward_model", {modelSpec("policy", dir)}, rewardQuick(2), {{"train.jsonl", rows}}, files);
        const auto out = runPlugin(path("rm-again"));
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const auto again = must(learn::loadImageReward(path("rm-again") + "/" + newestCheckpoint(path("rm-again")), torch::kCPU));
        QVERIFY(torch::equal(again->named_parameters()["features.mean"], own["features.mean"]));
        QVERIFY(!torch::equal(again->named_parameters()["head.hidden_weight"], own["head.hidden_weight"]));
    }

    void aConfigWithBadFeaturesIsRefused() {
        auto json = learn::ImageRewardConfig::onGenerator(must(learn::readImageConfig(path("start")))).toJson();
        QVERIFY(learn::ImageRewardConfig::fromJson(json, "config").has_value());
        auto huge = json["generator"];
        huge["denoiser"]["width"] = 1 << 30;
        const std::vector<std::pair<std::string, Json>> cases{{"features", "clip"}, {"noise_level", 1.5}, {"noise_level", "x"},
                                                              {"generator", Json()}, {"generator", huge}, {"image_size", 32}};
        for (const auto& [key, value] : cases) {
            auto broken = json;
            broken[key] = value;
            const auto out = learn::ImageRewardConfig::fromJson(broken, "config.json");
            QVERIFY2(!out && out.error().message.find("config.json") != std::string::npos, key.c_str());
        }
    }

    void aPairCountsByThePairsOfItsPrompt() {
        // Three pairs of one prompt against one of another: with equal weights by prompt the first loss is still ln 2, but the
        // held-out loss weighs 1/3, 1/3, 1/3, 1.
        ImageFiles files;
        std::vector<Json> rows;
        for (int i = 0; i < 4; ++i)
            rows.push_back({{"id", std::to_string(i)},
                            {"prompt", i < 3 ? "a red circle" : "a blue star"},
                            {"chosen", files.add(flatImage(10 * i, 200, 0, 1))},
                            {"rejected", files.add(flatImage(0, 10, 50 * i, 2))},
                            {"modality", "image"}});
        const auto train = redPairs(files, 16, 3);
        for (const bool weighted : {true, false}) {
            const auto dir = path(weighted ? "rm-weighted" : "rm-plain");
            auto parameters = rewardQuick(4);
            parameters["weight_by_prompt"] = weighted;
            imageBundle(dir, "image_reward_model", {start()}, parameters, {{"train.jsonl", train}, {"dev.jsonl", jsonLines(rows)}},
                        files);
            QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
            const auto model = must(learn::loadImageReward(dir + "/" + newestCheckpoint(dir), torch::kCPU));
            learn::ImageStore store(16);
            double loss = 0, total = 0;
            torch::NoGradGuard noGrad;
            for (const auto& row : must(pl::readPairs(dir + "/data/dev.jsonl"))) {
                const auto images = store.batch({must(store.add(dir + "/data", row.chosen)), must(store.add(dir + "/data", row.rejected))},
                                                torch::kCPU);
                auto m = model;
                const auto raw = m->raw(images, m->promptIds({row.prompt, row.prompt}));
                const double weight = weighted && row.prompt == "a red circle" ? 1.0 / 3 : 1;
                loss += weight * std::log1p(std::exp(-(raw[0] - raw[1]).item<double>()));
                total += weight;
            }
            QVERIFY(std::abs(metric(dir, "eval_loss").at(4) - loss / total) < 1e-5);
        }
    }

    void rankingsTeachAsPairsAndAsAWhole() {
        for (const char* form : {"pairs", "plackett_luce"}) {
            ImageFiles files;
            std::vector<Json> rows;
            for (int i = 0; i < 24; ++i) {
                std::vector<std::string> images;
                for (const int red : {40, 120, 80, 200}) // ranks 4, 2, 3, 1
                    images.push_back(files.add(flatImage(red, 100, 200 - red, static_cast<uint64_t>(100 * i + red))));
                rows.push_back({{"id", std::to_string(i)}, {"prompt", "two small green stars"}, {"images", images},
                                {"ranks", {4, 2, 3, 1}}, {"split", "train"}});
            }
            const auto dir = path(std::string("rm-") + form);
            auto parameters = rewardQuick(30);
            parameters["rankings"] = form;
            const auto dev = redPairs(files, 30, 4);
            imageBundle(dir, "image_reward_model", {start()}, parameters,
                        {{"rankings.jsonl", jsonLines(rows)}, {"dev.jsonl", dev}}, files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            QVERIFY2(metric(dir, "eval_accuracy").at(30) > 0.9, form);
            QCOMPARE(metric(dir, "ranking_loss").empty(), form == std::string("pairs"));
        }
    }

    void aTieIsAtBestLn2AndPullsScoresTogether() {
        std::map<std::string, double> margin;
        for (const char* ties : {"soft", "drop"}) {
            ImageFiles files;
            const auto train = redPairs(files, 24, 3), dev = redPairs(files, 24, 4);
            std::vector<Json> rows;
            for (const auto& row : must(parseJson("[" + [&] {
                     auto text = redPairs(files, 24, 5);
                     std::replace(text.begin(), text.end(), '\n', ',');
                     text.pop_back();
                     return text;
                 }() + "]", "rows")))
                rows.push_back({{"id", row["id"]}, {"prompt", row["prompt"]}, {"a", row["chosen"]}, {"b", row["rejected"]},
                                {"tie_kind", "both_good"}, {"split", "train"}, {"modality", "image"}});
            const auto dir = path(std::string("rm-ties-") + ties);
            auto parameters = rewardQuick(30);
            parameters["ties"] = ties;
            imageBundle(dir, "image_reward_model", {start()}, parameters,
                        {{"train.jsonl", train}, {"dev.jsonl", dev}, {"ties.jsonl", jsonLines(rows)}}, files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            margin[ties] = metric(dir, "eval_margin").at(30);
        }
        QVERIFY2(margin["soft"] < 0.7 * margin["drop"],
                 (std::to_string(margin["soft"]) + " " + std::to_string(margin["drop"])).c_str());
    }

    void aLabelControlIsSaidAndRealLabelsChooseNoCheckpoint() {
        for (const char* plugin : {"image_reward_model", "image_dpo"}) {
            std::map<std::string, double> share;
            for (const char* control : {"none", "shuffle", "shuffle_inverted"}) {
                ImageFiles files;
                const auto train = redPairs(files, 32, 3), dev = redPairs(files, 8, 4);
                const auto dir = path(std::string(plugin) + "-control-" + control);
                auto parameters = plugin == std::string("image_dpo") ? dpoQuick(2) : rewardQuick(2);
                parameters["label_control"] = control;
                imageBundle(dir, plugin, {start()}, parameters, {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
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
                if (on)
                    share[control] = metric(dir, "label_control/exchanged").at(0);
            }
            QVERIFY(share["shuffle"] > 0.2 && share["shuffle"] < 0.8);
            QVERIFY(std::abs(share["shuffle"] + share["shuffle_inverted"] - 1) < 1e-12);
        }
    }

    void aTemperatureMakesOverconfidentScoresHonest() {
        // Right in 8 of 10 pairs, always by 5: sigma(5 / T) = 0.8
        std::vector<double> differences(10, 5.0), labels(10, 1.0);
        labels[0] = labels[1] = 0;
        QVERIFY(std::abs(learn::fitTemperature(differences, labels) - 5 / std::log(4.0)) < 1e-3);
        QCOMPARE(learn::fitTemperature({}, {}), 1.0);
    }

    // --- what the files hold -------------------------------------------------------------------------------------------

    void imagesThatAreNotWhatTheirNameSaysAreRefused() {
        ImageFiles files;
        const auto rows = redPairs(files, 4, 3);
        auto broken = files;
        broken.bytes.begin()->second += "x";
        QVERIFY2(error("broken", "image_dpo", rows, broken).find("not those its name was made from") != std::string::npos, "bytes");
        const std::string jpeg = "\xFF\xD8\xFF\xE0 no png";
        ImageFiles other;
        const auto ref = imageRef(sha256Hex(jpeg), "jpg"), png = other.add(flatImage(1, 2, 3, 4));
        other.bytes[ref] = jpeg;
        const auto said = error("jpeg", "image_reward_model",
                                jsonLines({{{"id", "a"}, {"prompt", "a red star"}, {"chosen", ref}, {"rejected", png}, {"modality", "image"}}}),
                                other);
        QVERIFY2(said.find("JPEG") != std::string::npos, said.c_str());
        const auto text = error("text", "image_dpo", plantedPairs(4, 1), files);
        QVERIFY2(text.find("compares texts") != std::string::npos, text.c_str());
        imageBundle(path("nothing"), "image_dpo", {start()}, Json::object(), {}, files);
        QVERIFY(runPlugin(path("nothing")).status != PL_OK);
    }

    void imagesOfAnotherSizeAreBroughtToTheModels() {
        learn::ImageStore store(16);
        ImageFiles files;
        const auto ref = files.add(flatImage(200, 100, 50, 1, 48));
        const auto bundle = imageBundle(path("sizes"), "image_dpo", {start()}, Json::object(), {}, files);
        const auto at = must(store.add(bundle.dataPath(""), ref));
        QCOMPARE(must(store.add(bundle.dataPath(""), ref)), at);
        QCOMPARE(store.resizedCount(), int64_t{1});
        const auto batch = store.batch({at, at}, torch::kCPU);
        QVERIFY((batch.sizes() == torch::IntArrayRef{2, 3, 16, 16}));
        QVERIFY(std::abs(batch[0][0].mean().item<double>() - (200 / 127.5 - 1)) < 0.02);
        QVERIFY(learn::imageOf(batch[0]) == store.image(at));
    }

    void diversityIsTheDistanceBetweenImagesOfOnePrompt() {
        const auto black = -torch::ones({1, 3, 16, 16}), white = torch::ones({1, 3, 16, 16});
        QVERIFY(std::abs(learn::imageDiversity(torch::cat({black, white}), 2) - 1) < 1e-6);
        QVERIFY(std::abs(learn::imageDiversity(torch::cat({black, black, white, white}), 2)) < 1e-6);
        QVERIFY(std::isnan(learn::imageDiversity(black, 1)));
    }

    // --- preference optimisation of the generator -------------------------------------------------------------------------

    void dpoBeginsAtLn2AndLearnsAPlantedPreferenceAndTheFlippedOne() {
        for (const char* form : {"start", "epsilon"})
            for (const bool flipped : {false, true}) {
                const auto dir = path(std::string("dpo-") + form + (flipped ? "-flipped" : ""));
                ImageFiles files;
                const auto train = redPairs(files, 24, 3, flipped), dev = redPairs(files, 16, 4);
                imageBundle(dir, "image_dpo", {modelSpec("policy", path(form))}, dpoQuick(25),
                            {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
                const auto out = runPlugin(dir);
                QVERIFY2(out.status == PL_OK, out.message.c_str());
                QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) < 1e-5);
                QVERIFY(std::abs(metric(dir, "eval_loss").at(0) - std::log(2.0)) < 1e-5);
                for (const char* name : {"w_diff", "l_diff", "rewards/margins"})
                    QVERIFY(std::abs(metric(dir, name).at(1)) < 1e-5);
                QVERIFY(std::abs(metric(dir, "model_mse").at(1) - metric(dir, "ref_mse").at(1)) < 1e-6);
                const double accuracy = metric(dir, "eval_rewards/accuracies").at(25);
                QVERIFY2(flipped ? accuracy < 0.2 : accuracy > 0.8, std::to_string(accuracy).c_str());
                const double margin = metric(dir, "eval_rewards/margins").at(25);
                QVERIFY(flipped ? margin < 0 : margin > 0);
                QVERIFY(std::abs(margin - -50 * (metric(dir, "eval_w_diff").at(25) - metric(dir, "eval_l_diff").at(25))) < 1e-4);
                QVERIFY(metric(dir, "eval_obedience/colour").count(25) && metric(dir, "eval_choice").count(25));
                QCOMPARE(metric(dir, "eval_ref_mse").at(0), metric(dir, "eval_ref_mse").at(25));
            }
    }

    void theLatestOfEquallyGoodCheckpointsIsChosenAndNoWorseOne() {
        const auto chosen = [](const std::string& dir) {
            int64_t step = 0;
            for (const auto& event : must(readEvents(dir + "/events.jsonl")))
                if (event.type == event::kCheckpoint && event.body.value("best", false))
                    step = event.body["step"].get<int64_t>();
            return step;
        };
        for (const bool wrong : {false, true}) {
            // Dev labels that contradict each other tell no checkpoint from another. Wrong training labels: the later, the worse.
            const auto dir = path(wrong ? "choice-wrong" : "choice-equal");
            ImageFiles files;
            const auto train = redPairs(files, 24, 3, wrong);
            const auto dev = wrong ? redPairs(files, 16, 4) : redPairs(files, 12, 4) + redPairs(files, 12, 4, true);
            auto parameters = dpoQuick(wrong ? 24 : 6);
            parameters["ema"] = 0.0;
            parameters["eval_every"] = wrong ? 8 : 1;
            parameters["save_every"] = 1;
            imageBundle(dir, "image_dpo", {start()}, parameters, {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const auto choice = metric(dir, "eval_choice");
            if (wrong) {
                QVERIFY2(choice.at(24) > choice.at(8), std::to_string(choice.at(24)).c_str());
                QCOMPARE(chosen(dir), int64_t{8});
            } else {
                const auto loss = metric(dir, "eval_calibrated_loss");
                QVERIFY2(loss.at(6) > choice.at(6), "the last is the lowest itself: this shows nothing");
                QCOMPARE(chosen(dir), int64_t{6});
                // What is the lowest so far outlives an interruption.
                std::filesystem::remove_all(dir + "/checkpoints/step-000006");
                QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
                QCOMPARE(metric(dir, "eval_choice"), choice);
                QCOMPARE(chosen(dir), int64_t{6});
            }
        }
    }

    void adaptersBeginAtLn2AndTheReferenceIsThePolicyWithoutThem() {
        for (const char* form : {"start", "epsilon"})
            for (const bool flipped : {false, true}) {
                const auto dir = path(std::string("lora-") + form + (flipped ? "-flipped" : ""));
                ImageFiles files;
                const auto train = redPairs(files, 24, 3, flipped), dev = redPairs(files, 16, 4);
                imageBundle(dir, "image_dpo", {modelSpec("policy", path(std::string("drawn-") + form))}, loraQuick(25),
                            {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
                const auto out = runPlugin(dir);
                QVERIFY2(out.status == PL_OK, out.message.c_str());
                QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) < 1e-6);
                QVERIFY(std::abs(metric(dir, "eval_loss").at(0) - std::log(2.0)) < 1e-6);
                for (const char* name : {"w_diff", "l_diff", "rewards/margins"})
                    QCOMPARE(metric(dir, name).at(1), 0.0); // the same network, bit for bit
                QVERIFY(metric(dir, "w_diff").at(25) != 0);
                QCOMPARE(metric(dir, "eval_ref_mse").at(0), metric(dir, "eval_ref_mse").at(25));
                const double accuracy = metric(dir, "eval_rewards/accuracies").at(25);
                QVERIFY2(flipped ? accuracy < 0.2 : accuracy > 0.8, std::to_string(accuracy).c_str());
                QVERIFY(logged(dir, "reference: the policy with its adapters off"));
            }
    }

    void anAdaptersCheckpointIsAnOrdinaryModel() {
        const auto dir = path("lora-start"), step = dir + "/" + newestCheckpoint(dir);
        auto merged = must(learn::loadImageModel(step, torch::kCPU)), base = must(learn::loadImageModel(path("drawn-start"), torch::kCPU));
        QCOMPARE(merged.config.toJson(), base.config.toJson());
        auto adapters = must(learn::Adapters::attach(*base.model, base.model->adaptable(),
                                                     {4, 8.0, must(readJsonFile(dir + "/run.json"))["parameters"]["adapter_targets"]}, 1));
        must(adapters.load(step + "/adapter"));
        const auto own = adapters.merged();
        int changed = 0;
        for (const auto& item : merged.model->named_parameters()) {
            const auto at = own.find(item.key());
            QVERIFY2(torch::equal(item.value(), at == own.end() ? base.model->named_parameters()[item.key()] : at->second),
                     item.key().c_str());
            changed += at != own.end() && !torch::equal(item.value(), base.model->named_parameters()[item.key()]);
        }
        QCOMPARE(changed, static_cast<int>(own.size()));
        const auto config = must(readJsonFile(step + "/adapter/adapter_config.json"));
        QCOMPARE(config["base_model_name_or_path"], Json("drawn-start"));
        QCOMPARE(config["revision"], Json(base.hash));
        for (const auto& [name, info] : must(learn::readSafetensorsHeader(step + "/trainer/optimizer.safetensors")))
            QVERIFY2(name.find("lora_") != std::string::npos || name == "step" || name == "rng.cpu", name.c_str());
        must(verifyCheckpoint(step)); // the adapter is hashed with the rest
    }

    void aRunWithAdaptersContinuesExactly() {
        const auto whole = path("lora-whole"), cut = path("lora-cut");
        for (const auto& dir : {whole, cut}) {
            ImageFiles files;
            const auto train = redPairs(files, 16, 3), dev = redPairs(files, 8, 4);
            auto parameters = loraQuick(6);
            parameters["save_every"] = 2;
            imageBundle(dir, "image_dpo", {modelSpec("policy", path("drawn-start"))}, parameters, {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
        }
        must(os::removeTree(cut + "/checkpoints/step-000006"));
        torch::manual_seed(999);
        const auto out = runPlugin(cut);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QCOMPARE(count(cut, event::kRewind), size_t{1});
        for (const char* file : {"model.safetensors", "adapter/adapter_model.safetensors", "trainer/optimizer.safetensors"})
            QVERIFY2(sameWeights(whole + "/checkpoints/step-000006/" + file, cut + "/checkpoints/step-000006/" + file), file);
        for (const char* name : {"loss", "w_diff", "eval_loss"})
            QVERIFY2(sameValues(metric(whole, name), metric(cut, name)), name);
    }

    void aReferenceOfItsOwnStaysOne() {
        ImageFiles files;
        const auto train = redPairs(files, 16, 3);
        makeImageModel(path("other"), 8);
        imageBundle(path("lora-other"), "image_dpo", {modelSpec("policy", path("drawn-start")), modelSpec("reference", path("other"))}, loraQuick(2),
                    {{"train.jsonl", train}}, files);
        const auto out = runPlugin(path("lora-other"));
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QVERIFY(!logged(path("lora-other"), "adapters off"));
        auto parameters = loraQuick(2);
        parameters["adapter_targets"] = "conv1, q_proj";
        imageBundle(path("lora-wrong"), "image_dpo", {modelSpec("policy", path("drawn-start"))}, parameters, {{"train.jsonl", train}}, files);
        const auto wrong = runPlugin(path("lora-wrong"));
        QVERIFY(wrong.status != PL_OK);
        QVERIFY2(wrong.message.find("'q_proj'") != std::string::npos, wrong.message.c_str());
    }

    void rankingsAloneAreEnough() {
        for (const char* plugin : {"image_dpo", "image_reward_model"}) {
            ImageFiles files;
            std::vector<Json> rows;
            for (int i = 0; i < 20; ++i) {
                std::vector<std::string> images;
                for (const int red : {40, 120, 200})
                    images.push_back(files.add(flatImage(red, 100, 240 - red, static_cast<uint64_t>(100 * i + red))));
                rows.push_back({{"id", std::to_string(i)}, {"prompt", "two small green stars"}, {"images", images},
                                {"ranks", {3, 2, 1}}, {"split", i < 14 ? "train" : "dev"}});
            }
            const auto dir = path(std::string("ranked-") + plugin);
            const bool dpo = plugin == std::string("image_dpo");
            imageBundle(dir, plugin, {start()}, dpo ? dpoQuick(25) : rewardQuick(25),
                        {{"train.jsonl", ""}, {"dev.jsonl", ""}, {"ties.jsonl", ""}, {"rankings.jsonl", jsonLines(rows)}}, files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const char* accuracy = dpo ? "eval_rewards/accuracies" : "eval_accuracy";
            QVERIFY2(metric(dir, accuracy).at(25) > 0.9, std::to_string(metric(dir, accuracy).at(25)).c_str());
            QCOMPARE(metric(dir, std::string(accuracy) + "_n").at(25), 18.0); // 6 dev rankings of 3
            // Those of dev are not trained on.
            for (auto& row : rows)
                row["split"] = "dev";
            imageBundle(dir + "-dev", plugin, {start()}, Json::object(), {{"train.jsonl", ""}, {"rankings.jsonl", jsonLines(rows)}}, files);
            const auto none = runPlugin(dir + "-dev");
            QVERIFY(none.status != PL_OK);
            QVERIFY2(none.message.find("no pair and no ranking") != std::string::npos, none.message.c_str());
        }
    }

    void theSplitIntoMicroBatchesChangesNothing() {
        std::map<std::string, double> loss;
        for (const int micro : {64, 6}) {
            const auto dir = path("dpo-micro-" + std::to_string(micro));
            ImageFiles files;
            const auto train = redPairs(files, 12, 3);
            auto parameters = dpoQuick(3);
            parameters["micro_batch"] = micro;
            parameters["caption_dropout"] = 0.3;
            imageBundle(dir, "image_dpo", {start()}, parameters, {{"train.jsonl", train}}, files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            loss[std::to_string(micro)] = metric(dir, "loss").at(3);
        }
        QVERIFY2(std::abs(loss["64"] - loss["6"]) < 1e-4, (std::to_string(loss["64"]) + " " + std::to_string(loss["6"])).c_str());
    }

    void theControlAndTheLessonAreWhatTheySay() {
        ImageFiles files;
        const auto train = redPairs(files, 16, 3), dev = redPairs(files, 8, 4);
        auto parameters = dpoQuick(4);
        parameters["method"] = "winner_sft";
        imageBundle(path("sft"), "image_dpo", {start()}, parameters, {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
        QCOMPARE(runPlugin(path("sft")).status, static_cast<int>(PL_OK));
        // The loss is the winners' denoising error: no reference in it.
        QVERIFY(metric(path("sft"), "loss").at(1) > 0.8);
        parameters = dpoQuick(4);
        parameters["preset"] = "over_optimise";
        parameters["watch_taste"] = "warm";
        imageBundle(path("lesson"), "image_dpo", {start()}, parameters, {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
        QCOMPARE(runPlugin(path("lesson")).status, static_cast<int>(PL_OK));
        QVERIFY(std::abs(metric(path("lesson"), "learning_rate").at(4) - 2e-4) < 1e-9);
        QVERIFY(metric(path("lesson"), "eval_gold/warm").count(4));
        for (const auto& event : must(readEvents(path("lesson") + "/events.jsonl"))) {
            if (event.type == event::kCheckpoint)
                QCOMPARE(event.body["best"], Json(false));
            if (event.type == event::kSample)
                QVERIFY(os::exists(path("lesson") + "/" + event.body["image"].get<std::string>()));
        }
        QVERIFY(count(path("lesson"), event::kSample) >= 8);
    }
};

QTEST_GUILESS_MAIN(TestImagePreferences)
#include "tst_image_preferences.moc"
