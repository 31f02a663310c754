// SPDX-License-Identifier: Apache-2.0
// A Bradley-Terry reward model of images: what the frozen generator (or a small convolutional net) sees in an image, beside the
// prompt's slots, trained so that preferred images score above the others. What it learnt is calibrated whenever it is written.
#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/images/image_model.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/images/objectives/image_groups.h"
#include "core/learn/objectives/reward_losses.h"
#include "core/learn/training/batches.h"
#include "plugins/sdk/image_pairs.h"
#include "plugins/sdk/setup.h"
#include "plugins/sdk/train_loop.h"

namespace {

using namespace pl;
using namespace pl::sdk;

constexpr int64_t kScoringBatch = 256;

struct Parameters {
    bool marginFromStrength = false, softTies = true, plackettLuce = false, weightByPrompt = true, mirror = true;
    bool generatorFeatures = true;
    double centering = 0;

    static Result<Parameters> of(const Json& p) {
        const std::string_view what = "the parameters";
        Parameters out;
        PL_TRY(out.marginFromStrength, field<bool>(p, "margin_from_strength", what));
        PL_TRY(const auto ties, field<std::string>(p, "ties", what));
        out.softTies = ties == "soft";
        PL_TRY(const auto rankings, field<std::string>(p, "rankings", what));
        out.plackettLuce = rankings == "plackett_luce";
        PL_TRY(out.weightByPrompt, field<bool>(p, "weight_by_prompt", what));
        PL_TRY(out.mirror, field<bool>(p, "mirror", what));
        PL_TRY(const auto features, field<std::string>(p, "features", what));
        out.generatorFeatures = features == "generator";
        PL_TRY(out.centering, field<double>(p, "center_rewards_coefficient", what));
        return out;
    }
};

/// Scores and losses of some pairs, all [n].
struct Scored {
    torch::Tensor chosen, rejected, loss, center, weight, clear; ///< clear: 1 where not a tie
};

class Trainer {
public:
    Trainer(learn::Job& job, Parameters parameters) : m_job(job), m_p(parameters) {}

    Status prepare() {
        if (m_job.spec().threads > 0)
            at::set_num_threads(m_job.spec().threads);
        PL_TRY(const auto spec, modelFor(m_job, "policy"));
        PL_TRY(m_device, learn::parseDevice(m_job.spec().device));
        PL_TRY(const bool again, learn::isImageReward(spec.path));
        if (again) {
            PL_TRY(m_model, learn::loadImageReward(spec.path, m_device));
        } else {
            PL_TRY(const auto generator, learn::readImageConfig(spec.path));
            m_model = learn::ImageReward(m_p.generatorFeatures ? learn::ImageRewardConfig::onGenerator(generator)
                                                               : learn::ImageRewardConfig::forScenes(generator.size));
            m_model->initialise(m_job.spec().seed);
            m_model->to(m_device);
        }
        PL_TRY(m_data, readImagePairs(m_job, m_model->config().size, m_p.softTies));
        auto& train = m_data.train;
        if (!m_p.plackettLuce) {
            for (auto& pair : pairsOfRankings(m_data.trainRankings))
                train.push_back(std::move(pair));
            m_data.trainRankings.clear();
        }
        for (auto& pair : pairsOfRankings(m_data.devRankings))
            m_data.dev.push_back(std::move(pair));
        if (m_p.weightByPrompt) {
            std::vector<ImageRanking> none;
            weightByPrompt(train, m_data.trainRankings);
            weightByPrompt(m_data.dev, none);
        }
        if (m_model->frozenFeatures())
            PL_CHECK(seeImages(again ? std::string() : spec.path));
        m_examples = train.size() + m_data.trainRankings.size();
        PL_TRY(m_options, loopOptions(m_job.parameters(), m_examples));
        return {};
    }

    Status train() {
        learn::Trainable trainable;
        for (const auto& item : m_model->named_parameters())
            trainable.parameters.emplace_back(item.key(), item.value());
        trainable.save = [this](const std::string& dir) -> Status {
            calibrate();
            return learn::saveImageReward(m_model, dir);
        };
        PL_TRY(m_loop, TrainLoop::start(m_job, trainable, m_options, m_examples));
        learn::BatchPlan plan(m_examples, static_cast<size_t>(m_options.batchSize), m_job.spec().seed);
        if (!m_loop->resumed()) {
            PL_CHECK(m_loop->report(m_data.controlMetrics()));
            PL_CHECK(observe());
        }
        while (m_loop->next()) {
            step(plan.batch(m_loop->step()));
            PL_CHECK(m_loop->update());
            PL_CHECK(observe());
            PL_CHECK(m_loop->endStep());
        }
        return m_loop->finish();
    }

private:
    torch::Tensor pixels(const std::vector<size_t>& images) const { return m_data.images.batch(images, m_device); }

    /// Frozen features of every image, as it is and mirrored, once and for all. With a generator's folder the features are made
    /// from it first.
    Status seeImages(const std::string& generatorDir) {
        std::vector<std::vector<size_t>> batches;
        for (size_t at = 0; at < m_data.images.size(); at += kScoringBatch) {
            auto& batch = batches.emplace_back();
            for (size_t i = at; i < std::min(m_data.images.size(), at + kScoringBatch); ++i)
                batch.push_back(i);
        }
        if (!generatorDir.empty()) {
            PL_TRY(auto generator, learn::loadImageModel(generatorDir, m_device));
            m_model->useGenerator(generator.model, [&](size_t i) { return pixels(batches[i]); }, batches.size());
        }
        torch::NoGradGuard noGrad;
        std::vector<torch::Tensor> plain, mirrored;
        for (const auto& batch : batches) {
            if (m_job.mustLeave())
                return fail(Code::Cancelled, "left on request");
            const auto images = pixels(batch);
            plain.push_back(m_model->see(images));
            mirrored.push_back(m_p.mirror ? m_model->see(images.flip(-1)) : plain.back());
        }
        m_seen = torch::stack({torch::cat(plain), torch::cat(mirrored)});
        return {};
    }

    /// What the model sees of images, each mirrored or not, [n, width].
    torch::Tensor see(const std::vector<size_t>& images, const std::vector<bool>& mirrored) {
        if (m_seen.defined()) {
            std::vector<int64_t> view(mirrored.begin(), mirrored.end()), row(images.begin(), images.end());
            return m_seen.index({torch::tensor(view).to(m_device), torch::tensor(row).to(m_device)});
        }
        auto batch = pixels(images);
        for (size_t k = 0; k < images.size(); ++k)
            if (mirrored[k]) {
                auto image = batch[static_cast<int64_t>(k)];
                image.copy_(image.flip(-1).clone());
            }
        return m_model->see(batch);
    }

    torch::Tensor promptIds(const std::vector<ImagePair>& pairs, const std::vector<size_t>& indices) const {
        std::vector<std::string> prompts;
        for (const size_t i : indices)
            prompts.push_back(pairs[i].prompt);
        return m_model->promptIds(prompts);
    }

    /// `mirrorKey` 0: never.
    Scored score(const std::vector<ImagePair>& pairs, const std::vector<size_t>& indices, uint64_t mirrorKey) {
        std::vector<size_t> images;
        std::vector<bool> mirrored;
        for (const bool chosen : {true, false})
            for (const size_t i : indices) {
                images.push_back(chosen ? pairs[i].chosen : pairs[i].rejected);
                // Both sides of a pair alike.
                mirrored.push_back(mirrorKey != 0 && mix64(mirrorKey + i) % 2 == 1 && mayMirror(pairs[i].prompt));
            }
        const auto ids = promptIds(pairs, indices);
        const auto n = static_cast<int64_t>(indices.size());
        const auto scores = m_model->judge(see(images, mirrored), torch::cat({ids, ids}));
        Scored out;
        out.chosen = scores.narrow(0, 0, n);
        out.rejected = scores.narrow(0, n, n);
        const auto soft = column(pairs, indices, &ImagePair::softLabel, m_device);
        const auto margin =
            m_p.marginFromStrength ? column(pairs, indices, &ImagePair::margin, m_device) : torch::Tensor();
        out.loss = learn::bradleyTerry(out.chosen, out.rejected, soft, margin);
        out.center = learn::rewardCentering(out.chosen, out.rejected);
        out.weight = column(pairs, indices, &ImagePair::weight, m_device);
        out.clear = (soft != 0.5).to(torch::kFloat32);
        return out;
    }

    torch::Tensor scoresOf(const ImageRanking& ranking) {
        const auto ids = m_model->promptIds(std::vector<std::string>(ranking.images.size(), ranking.prompt));
        return m_model->judge(see(ranking.images, std::vector<bool>(ranking.images.size())), ids);
    }

    void step(const std::vector<size_t>& batch) {
        const size_t count = m_data.train.size();
        std::vector<size_t> pairs, rankings;
        double weight = 0, clear = 0;
        for (const size_t i : batch) {
            (i < count ? pairs : rankings).push_back(i < count ? i : i - count);
            weight += i < count ? m_data.train[i].weight : m_data.trainRankings[i - count].weight;
            clear += i < count && !m_data.train[i].tie();
        }
        const uint64_t key =
            m_p.mirror ? mix64(hashSeed(m_job.spec().seed, "mirror") + static_cast<uint64_t>(m_loop->step())) | 1 : 0;
        const auto most = static_cast<size_t>(std::max<int64_t>(1, m_options.microBatchTokens / 2));
        double low = std::numeric_limits<double>::infinity(), high = -low;
        for (size_t at = 0; at < pairs.size() && !m_loop->leaving(); at += most) {
            const std::vector<size_t> micro(pairs.begin() + static_cast<std::ptrdiff_t>(at),
                                            pairs.begin() + static_cast<std::ptrdiff_t>(std::min(pairs.size(), at + most)));
            const auto s = score(m_data.train, micro, key);
            // Shares of the whole step's weight, so that the split into micro-batches does not change the loss.
            auto loss = (s.loss * s.weight).sum() / weight;
            if (m_p.centering > 0)
                loss = loss + m_p.centering * s.center.sum() / static_cast<double>(batch.size());
            loss.backward();
            m_loop->addLoss(loss.detach());
            m_loop->addTokens(2 * static_cast<int64_t>(micro.size()));
            const auto n = static_cast<double>(micro.size());
            double clearHere = 0;
            for (const size_t i : micro)
                clearHere += !m_data.train[i].tie();
            m_loop->add({{"accuracy", ((s.chosen > s.rejected).to(torch::kFloat32) * s.clear).sum()},
                         {"margin", ((s.chosen - s.rejected) * s.clear).sum()}},
                        clearHere);
            m_loop->add({{"mean_reward", (s.chosen + s.rejected).sum() * 0.5}, {"center_loss", s.center.sum()}}, n);
            low = std::min({low, s.chosen.min().item<double>(), s.rejected.min().item<double>()});
            high = std::max({high, s.chosen.max().item<double>(), s.rejected.max().item<double>()});
        }
        for (const size_t i : rankings) {
            if (m_loop->leaving())
                break;
            const auto& ranking = m_data.trainRankings[i];
            const auto raw = learn::plackettLuce(scoresOf(ranking), ranking.ranks);
            const auto loss = raw * (ranking.weight / weight);
            loss.backward();
            m_loop->addLoss(loss.detach());
            m_loop->addTokens(static_cast<int64_t>(ranking.images.size()));
            m_loop->add({{"ranking_loss", raw}}, 1);
        }
        if (!pairs.empty() && std::isfinite(low)) {
            m_loop->add("min_reward", low, 1);
            m_loop->add("max_reward", high, 1);
        }
    }

    /// Raw differences, chosen minus rejected, of all pairs.
    std::vector<double> differences(const std::vector<ImagePair>& pairs) {
        torch::NoGradGuard noGrad;
        std::vector<double> out;
        const auto all = allIndices(pairs.size());
        for (size_t at = 0; at < all.size(); at += kScoringBatch) {
            const std::vector<size_t> micro(all.begin() + static_cast<std::ptrdiff_t>(at),
                                            all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), at + kScoringBatch)));
            const auto s = score(pairs, micro, 0);
            const auto d = (s.chosen - s.rejected).to(torch::kFloat64).cpu().contiguous();
            out.insert(out.end(), d.data_ptr<double>(), d.data_ptr<double>() + d.numel());
        }
        return out;
    }

    static std::vector<double> labelsOf(const std::vector<ImagePair>& pairs) {
        std::vector<double> out;
        for (const auto& pair : pairs)
            out.push_back(pair.softLabel);
        return out;
    }

    /// Mean and deviation of the raw score over the training images with their prompts; the temperature that suits dev. A
    /// control's temperature stays 1: dev labels are real.
    void calibrate() {
        torch::NoGradGuard noGrad;
        double sum = 0, squares = 0, n = 0;
        const auto add = [&](const torch::Tensor& scores) {
            const auto s = scores.to(torch::kFloat64);
            sum += s.sum().item<double>();
            squares += s.square().sum().item<double>();
            n += static_cast<double>(s.numel());
        };
        const auto all = allIndices(m_data.train.size());
        for (size_t at = 0; at < all.size(); at += kScoringBatch) {
            const std::vector<size_t> micro(all.begin() + static_cast<std::ptrdiff_t>(at),
                                            all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), at + kScoringBatch)));
            const auto s = score(m_data.train, micro, 0);
            add(torch::cat({s.chosen, s.rejected}));
        }
        for (const auto& ranking : m_data.trainRankings)
            add(scoresOf(ranking));
        learn::ImageRewardCalibration k;
        k.mean = sum / n;
        const double variance = squares / n - k.mean * k.mean;
        k.deviation = variance > 1e-12 ? std::sqrt(variance) : 1;
        k.images = static_cast<int64_t>(n);
        if (m_data.control == learn::LabelControl::None && !m_data.dev.empty()) {
            k.temperature = learn::fitTemperature(differences(m_data.dev), labelsOf(m_data.dev));
            k.pairs = static_cast<int64_t>(m_data.dev.size());
        }
        m_model->setCalibration(k);
    }

    /// Held-out loss and ranking accuracy; ties count in the loss only.
    Status observe() {
        if (!m_loop->evaluationDue() || m_data.dev.empty())
            return {};
        const auto averaged = m_loop->averaged();
        const auto d = differences(m_data.dev);
        const double temperature = m_data.control == learn::LabelControl::None ? learn::fitTemperature(d, labelsOf(m_data.dev)) : 1;
        double total = 0, calibrated = 0, weight = 0, right = 0, margin = 0, clear = 0;
        for (size_t i = 0; i < d.size(); ++i) {
            const auto& pair = m_data.dev[i];
            total += pair.weight * learn::pairCrossEntropy(d[i], pair.softLabel);
            calibrated += pair.weight * learn::pairCrossEntropy(d[i] / temperature, pair.softLabel);
            weight += pair.weight;
            if (pair.tie())
                continue;
            right += d[i] > 0;
            margin += d[i];
            clear += 1;
        }
        std::map<std::string, double> out = {{"eval_loss", total / weight},
                                             {"eval_calibrated_loss", calibrated / weight},
                                             {"eval_temperature", temperature},
                                             {"eval_margin", margin / clear}};
        addRate(out, "eval_accuracy", right, clear);
        return m_loop->evaluated(out, m_data.decidingMetric("eval_calibrated_loss"), false);
    }

    learn::Job& m_job;
    Parameters m_p;
    torch::Device m_device = torch::kCPU;
    learn::ImageReward m_model{nullptr};
    ImagePairData m_data;
    torch::Tensor m_seen; ///< [2, images, width]: as they are, and mirrored; of frozen features
    LoopOptions m_options;
    size_t m_examples = 0;
    std::unique_ptr<TrainLoop> m_loop;
};

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_CHECK(Parameters::of(job.parameters()));
    PL_CHECK(loopOptions(job.parameters(), 1));
    return checkImagePairs(job);
}

Status run(learn::Job& job) {
    PL_TRY(const auto parameters, Parameters::of(job.parameters()));
    Trainer trainer(job, parameters);
    PL_CHECK(trainer.prepare());
    return trainer.train();
}

} // namespace

PAIRLAB_PLUGIN("image_reward_model", "1.0.0", validate, run)
