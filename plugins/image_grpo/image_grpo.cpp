// SPDX-License-Identifier: Apache-2.0
// Online group methods for an image generator: several images of each prompt, each compared with its group. DiffusionNFT pulls the
// network towards the better ones and away from the worse; Flow-GRPO makes the better ones' denoising steps likelier.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/images/draw.h"
#include "core/learn/images/objectives/diffusion_dpo.h"
#include "core/learn/images/objectives/flow_grpo.h"
#include "core/learn/images/objectives/image_groups.h"
#include "core/learn/images/pixels.h"
#include "core/learn/training/batches.h"
#include "plugins/image_grpo/parameters.h"
#include "plugins/image_grpo/rollout.h"
#include "plugins/sdk/image_pairs.h"
#include "plugins/sdk/image_policy.h"
#include "plugins/sdk/image_rewards.h"
#include "plugins/sdk/image_watch.h"
#include "plugins/sdk/setup.h"

namespace {

using namespace pl;
using namespace pl::sdk;
using namespace pl::image_grpo;

/// The reward has risen by this many standard deviations of the start while obedience fell by so much: it is being gamed.
constexpr double kHackedRise = 0.25, kHackedFall = 0.07; // three of forty pictures
constexpr size_t kShownRollouts = 4, kHeldOutGroups = 32;
constexpr const char* kOldPrefix = "old.";

/// Images of one prompt that a person put in order.
struct RankedGroup {
    std::vector<size_t> images; ///< of the store
    std::vector<double> rates;  ///< share of wins
    std::string prompt;
    double weight = 1;
};

std::vector<RankedGroup> groupsOf(const std::vector<ImagePair>& pairs, const std::vector<ImageRanking>& rankings) {
    std::vector<RankedGroup> out;
    for (const auto& pair : pairs)
        out.push_back({{pair.chosen, pair.rejected}, {pair.softLabel, 1 - pair.softLabel}, pair.prompt, pair.weight});
    for (const auto& r : rankings)
        out.push_back({r.images, learn::winRatesFromRanks(r.ranks), r.prompt, r.weight});
    return out;
}

Result<std::vector<PromptRow>> promptsOf(learn::Job& job) {
    const auto path = dataFile(job, "prompts.jsonl");
    if (path.empty())
        return std::vector<PromptRow>();
    return readPrompts(path);
}

template<class T>
std::vector<T> part(const std::vector<T>& all, size_t at, size_t most) {
    return {all.begin() + static_cast<std::ptrdiff_t>(at),
            all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), at + most))};
}

/// 0 .. n-1 in an order drawn from the key.
std::vector<int64_t> shuffled(int64_t n, uint64_t key) {
    std::vector<int64_t> out(static_cast<size_t>(n));
    std::iota(out.begin(), out.end(), int64_t{0});
    std::stable_sort(out.begin(), out.end(), [&](int64_t a, int64_t b) {
        return mix64(key ^ mix64(static_cast<uint64_t>(a) + 1)) < mix64(key ^ mix64(static_cast<uint64_t>(b) + 1));
    });
    return out;
}

class Trainer {
public:
    Trainer(learn::Job& job) : m_job(job) {}

    Status prepare() {
        PL_TRY(const auto all, promptsOf(m_job));
        m_prompts = all;
        PL_TRY(m_p, Parameters::of(m_job.parameters(), std::max<size_t>(1, m_prompts.size())));
        PL_TRY(m_policy, setUpImagePolicy(m_job));
        if (m_p.rankings) {
            PL_TRY(m_labelled, readImagePairs(m_job, m_policy.config.size, false));
            m_train = groupsOf(m_labelled.train, m_labelled.trainRankings);
            m_dev = groupsOf(m_labelled.dev, m_labelled.devRankings);
            if (m_dev.size() > kHeldOutGroups)
                m_dev.resize(kHeldOutGroups);
            PL_TRY(m_p, Parameters::of(m_job.parameters(), m_train.size()));
        } else {
            PL_TRY(m_rewards, ImageRewards::load(m_job, m_p.rewards));
        }
        PL_TRY(auto sampler, m_p.imageSampler());
        m_sampler.emplace(std::move(sampler));
        if (m_p.needsReference()) {
            PL_TRY(m_reference, ImageReference::make(m_job, m_policy));
        }
        if (m_p.isNft()) {
            PL_TRY(auto copy, learn::loadImageModel(m_policy.dir, m_policy.model->device()));
            m_old = copy.model;
            for (auto& parameter : m_old->parameters())
                parameter.requires_grad_(false);
        }
        std::vector<std::string> known; // a model may lack a word of a prompt: said now and not in the middle
        for (const auto& row : m_prompts)
            known.push_back(row.prompt);
        for (const auto* groups : {&m_train, &m_dev})
            for (const auto& group : *groups)
                known.push_back(group.prompt);
        PL_TRY([[maybe_unused]] const auto ids, m_policy.model->promptIds(known));
        PL_TRY(m_watch, ImageWatch::make(m_job, {}));
        m_job.logLine("info", "conventions: " + dumpJson(learn::conventionsOf(learn::LogProbConvention::Mean)));
        PL_TRY(m_loop, TrainLoop::start(m_job, m_policy.trainable(), m_p.loop, examples()));
        return restore();
    }

    Status train() {
        learn::BatchPlan plan(examples(), static_cast<size_t>(m_p.promptsPerStep), m_job.spec().seed);
        if (!m_loop->resumed() || ImageWatch::due(m_loop->extra()))
            PL_CHECK(observe());
        while (m_loop->next()) {
            const int64_t round = (m_loop->step() - 1) / m_p.iterations, turn = (m_loop->step() - 1) % m_p.iterations;
            if (m_rollout.round != round) {
                const auto batch = plan.batch(round + 1);
                auto done = m_p.rankings ? collectRanked(batch, round) : collect(batch, round);
                if (!done) {
                    if (done.error().code != Code::Cancelled || !m_loop->leaving())
                        return done;
                    PL_CHECK(m_loop->update()); // gives the step up
                    break;
                }
            }
            PL_CHECK(m_p.isNft() ? learnNft(turn) : learnSteps(turn));
            const bool left = m_loop->leaving(); // before the update: a step is given up whole or taken whole
            PL_CHECK(m_loop->update());
            if (left)
                break;
            if (turn + 1 == m_p.iterations)
                Rollout::forget(m_loop->extra(), m_loop->tensors());
            else
                m_rollout.keep(m_loop->extra(), m_loop->tensors());
            PL_CHECK(observe());
            PL_CHECK(m_loop->endStep());
        }
        return m_loop->finish();
    }

private:
    size_t examples() const { return m_p.rankings ? m_train.size() : m_prompts.size(); }
    size_t micro() const { return static_cast<size_t>(std::max<int64_t>(1, m_p.loop.microBatchTokens)); }
    uint64_t key(std::string_view name, int64_t number) const {
        return mix64(hashSeed(m_job.spec().seed, name) + static_cast<uint64_t>(number));
    }
    /// Steps of the sampler that one update trains, of `all`.
    int64_t trainedSteps(int64_t all) const {
        return std::clamp<int64_t>(std::lround(m_p.trainStepFraction * static_cast<double>(all)), 1, all);
    }
    /// Update `turn` of a rollout takes the next of an order drawn once, so that several updates see different steps.
    std::vector<int64_t> turnsSteps(int64_t all, int64_t turn, uint64_t orderKey) const {
        const auto order = shuffled(all, orderKey);
        const int64_t each = trainedSteps(all);
        std::vector<int64_t> out;
        for (int64_t k = 0; k < each; ++k)
            out.push_back(order[static_cast<size_t>((turn * each + k) % all)]);
        return out;
    }

    // --- state that checkpoints hold ---------------------------------------------------------------------------------

    /// The drawing policy and an unfinished rollout.
    Status restore() {
        auto& tensors = m_loop->tensors();
        PL_TRY(m_rollout, Rollout::resumed(m_loop->extra(), tensors, m_policy.model->latentShape(), m_policy.model->device()));
        if (!m_p.isNft() || m_p.rankings)
            return {};
        torch::NoGradGuard noGrad;
        for (auto& item : m_old->named_parameters()) {
            const std::string name = kOldPrefix + item.key();
            if (const auto at = tensors.find(name); at != tensors.end() && at->second.sizes() == item.value().sizes())
                item.value().copy_(at->second);
            else if (m_loop->resumed())
                return fail(Code::Corrupt, fmt::format("the checkpoint has no fitting tensor {}", name),
                            "Remove this checkpoint to continue from the one before.");
            tensors[name] = item.value(); // as it is whenever a checkpoint is written
        }
        return {};
    }

    void moveOld(int64_t round) {
        torch::NoGradGuard noGrad;
        const double keeps = m_p.oldKeeps(round);
        auto old = m_old->parameters();
        const auto now = m_policy.model->parameters();
        for (size_t i = 0; i < old.size(); ++i)
            old[i].mul_(keeps).add_(now[i], 1 - keeps);
    }

    // --- rollouts ----------------------------------------------------------------------------------------------------

    /// Draws, scores and compares the next groups of images.
    Status collect(const std::vector<size_t>& batch, int64_t round) {
        Rollout rollout;
        rollout.round = round;
        std::vector<uint64_t> streams, first;
        for (size_t g = 0; g < batch.size(); ++g)
            for (int64_t k = 0; k < m_p.groupSize; ++k) {
                rollout.prompts.push_back(m_prompts[batch[g]].prompt);
                rollout.promptIds.push_back(m_prompts[batch[g]].id);
                streams.push_back(streams.size());
                first.push_back(m_p.sameInitialNoise ? g : streams.back());
            }
        if (m_p.isNft() && round > m_loop->extra().value("old_round", int64_t{0})) { // a resumed run may have moved it already
            moveOld(round);
            m_loop->extra()["old_round"] = round;
        }
        auto& painter = m_p.isNft() ? m_old : m_policy.model;
        std::vector<Image> images;
        for (size_t at = 0; at < streams.size(); at += micro()) {
            PL_TRY(const auto predict, learn::predictFor(painter, part(rollout.prompts, at, micro()), m_p.rolloutGuidance));
            learn::ImageSamplingOptions options;
            options.seed = key("rollout", round);
            options.streams = part(streams, at, micro());
            options.initialStreams = part(first, at, micro());
            options.device = painter->device();
            options.record = !m_p.isNft();
            PL_TRY(auto drawn, learn::sampleImages(*m_sampler, predict, painter->latentShape(), options,
                                                   [this](learn::StepView&) { return !m_job.mustLeave(); }));
            if (options.record)
                rollout.batches.push_back(std::move(drawn.trajectory));
            for (auto& image : learn::imagesOf(painter->decode(drawn.images)))
                images.push_back(std::move(image));
        }
        rollout.images = painter->toLatents(learn::tensorOf(images));
        PL_TRY(const auto rewards, m_rewards->score(images, rollout.prompts));
        const auto n = static_cast<int64_t>(images.size());
        rollout.rewards = torch::tensor(rewards.total, torch::kFloat64);
        const auto compared = learn::imageAdvantages(inGroups(rollout.rewards), m_p.groupSize, m_p.globalStd, m_p.advantageClip);
        rollout.advantages = compared.advantages.to(torch::kFloat32);
        rollout.kept = compared.kept;
        rollout.weights = torch::ones({n}, torch::kFloat32);
        for (const auto& term : rewards.terms)
            m_loop->add("reward_" + term.name, std::accumulate(term.raw.begin(), term.raw.end(), 0.0), static_cast<double>(n));
        m_loop->add("zero_std_ratio", compared.zeroStdRatio, 1);
        m_loop->add("reward_std_mean", compared.meanGroupStd, 1);
        m_loop->add("group_size", static_cast<double>(m_p.groupSize), 1);
        return take(std::move(rollout), round);
    }

    torch::Tensor inGroups(const torch::Tensor& rewards) const {
        switch (m_p.mode) {
        case RewardMode::Reward:
            break;
        case RewardMode::WinRate:
            return learn::winRatesFromScores(rewards, m_p.groupSize);
        case RewardMode::SoftWinRate:
            return learn::softWinRates(rewards, m_p.groupSize);
        }
        return rewards;
    }

    /// Groups that a person put in order: the images are there already, and the win rates stand for the reward. Their scale is the
    /// same in every group, so that a deviation over all of them would say nothing more.
    Rollout rankedRollout(const std::vector<RankedGroup>& all, const std::vector<size_t>& batch) const {
        Rollout out;
        std::vector<size_t> images;
        std::vector<double> rewards;
        std::vector<torch::Tensor> advantages, kept;
        std::vector<float> weights;
        for (const size_t g : batch) {
            const auto& group = all[g];
            for (size_t k = 0; k < group.images.size(); ++k) {
                out.prompts.push_back(group.prompt);
                out.promptIds.emplace_back();
                images.push_back(group.images[k]);
                rewards.push_back(group.rates[k]);
                weights.push_back(static_cast<float>(group.weight));
            }
            const auto compared = learn::imageAdvantages(torch::tensor(group.rates, torch::kFloat64),
                                                         static_cast<int64_t>(group.rates.size()), false, m_p.advantageClip);
            advantages.push_back(compared.advantages);
            kept.push_back(compared.kept);
        }
        out.images = m_policy.model->toLatents(m_labelled.images.batch(images, torch::kCPU));
        out.rewards = torch::tensor(rewards, torch::kFloat64);
        out.advantages = torch::cat(advantages).to(torch::kFloat32);
        out.kept = torch::cat(kept);
        out.weights = torch::tensor(weights, torch::kFloat32);
        return out;
    }
    Status collectRanked(const std::vector<size_t>& batch, int64_t round) {
        auto rollout = rankedRollout(m_train, batch);
        rollout.round = round;
        m_loop->add("group_size", static_cast<double>(rollout.size()) / static_cast<double>(batch.size()), 1);
        return take(std::move(rollout), round);
    }

    Status take(Rollout rollout, int64_t round) {
        const auto n = rollout.size();
        const auto sorted = std::get<0>(rollout.rewards.sort(0, true));
        for (const int64_t percent : {100, 75, 50, 25, 10})
            m_loop->add(fmt::format("mean_reward_{}", percent),
                        sorted.narrow(0, 0, std::max<int64_t>(1, n * percent / 100)).mean().item<double>(), 1);
        m_loop->add("reward_avg", rollout.rewards.mean().item<double>(), 1);
        // The plan goes through all of them before it takes one again.
        m_loop->add("trained_prompt_num",
                    static_cast<double>(std::min<int64_t>((round + 1) * m_p.promptsPerStep, static_cast<int64_t>(examples()))), 1);
        m_loop->add("actual_batch_size", rollout.kept.sum().item<double>(), 1);
        if (!rollout.kept.any().item<bool>() && !std::exchange(m_saidNoDifference, true))
            m_job.alert("warn", "no_difference", "All images of every group of this rollout have the same reward: they teach nothing.",
                        m_loop->step());
        m_rollout = std::move(rollout);
        return {};
    }

    /// Indices of the images that are trained on.
    std::vector<int64_t> trainedImages(const Rollout& rollout) const {
        std::vector<int64_t> out;
        for (int64_t k = 0; k < rollout.size(); ++k)
            if (!m_p.dropZeroStd || rollout.kept[k].item<bool>())
                out.push_back(k);
        return out;
    }

    // --- DiffusionNFT ------------------------------------------------------------------------------------------------

    /// Some images at some of the sampler's levels.
    struct Item {
        int64_t image, step;
        uint64_t stream; ///< of the noise
    };

    /// Losses [n] and their weights of some items; `noiseKey` and the streams decide the noise.
    std::pair<learn::NftBatch, torch::Tensor> noised(const Rollout& rollout, const std::vector<Item>& items, uint64_t noiseKey) {
        const auto device = m_policy.model->device();
        std::vector<int64_t> images, steps;
        std::vector<uint64_t> streams;
        std::vector<std::string> prompts;
        for (const auto& item : items) {
            images.push_back(item.image);
            steps.push_back(item.step);
            streams.push_back(item.stream);
            prompts.push_back(rollout.prompts[static_cast<size_t>(item.image)]);
        }
        const auto index = torch::tensor(images, torch::kInt64);
        learn::NftBatch out;
        out.image = rollout.images.index_select(0, index).to(device);
        out.level = m_sampler->levels(steps, out.image);
        const auto noise = learn::streamNoise(m_policy.model->latentShape(), noiseKey, streams, learn::kInitialNoise).to(device);
        const auto t = out.level.view({-1, 1, 1, 1});
        out.noised = (1 - t) * out.image + t * noise;
        out.probability =
            learn::optimalityProbability(rollout.advantages.index_select(0, index).to(device), m_p.nft.advantageMax);
        const auto ids = *m_policy.model->promptIds(prompts);
        out.velocity = m_policy.model->predict(out.noised, out.level, m_policy.model->encode(ids));
        torch::NoGradGuard noGrad;
        out.oldVelocity = m_old->predict(out.noised, out.level, m_old->encode(ids));
        if (m_reference)
            out.refVelocity = m_reference->predict(out.noised, out.level, ids);
        return {out, rollout.weights.index_select(0, index).to(device)};
    }

    Status learnNft(int64_t turn) {
        const auto images = trainedImages(m_rollout);
        std::vector<Item> items;
        double total = 0;
        for (const int64_t k : images)
            for (const int64_t step : turnsSteps(m_sampler->steps(), turn, key("levels", m_rollout.round) ^ mix64(static_cast<uint64_t>(k)))) {
                items.push_back({k, step, items.size()});
                total += m_rollout.weights[k].item<double>();
            }
        double furthest = 0;
        for (size_t at = 0; at < items.size(); at += micro()) {
            if (m_loop->leaving())
                return {};
            const auto some = part(items, at, micro());
            const auto [batch, weights] = noised(m_rollout, some, key("noise", m_loop->step()));
            const auto terms = learn::diffusionNft(batch, m_p.nft);
            const auto loss = (terms.loss * weights).sum() / total;
            loss.backward();
            m_loop->addLoss(loss.detach());
            m_loop->addTokens(static_cast<int64_t>(some.size()));
            torch::NoGradGuard noGrad;
            MetricSums sums = {{"policy_loss", terms.policy.sum()},
                               {"unweighted_policy_loss", terms.unweighted.sum()},
                               {"total_loss", terms.loss.detach().sum()},
                               {"old_deviate", terms.oldKl.sum()},
                               {"x0_norm", batch.image.square().flatten(1).mean(1).sum()}};
            if (terms.kl.defined()) {
                sums.emplace_back("kl_div", terms.kl.sum());
                sums.emplace_back("old_kl_div", learn::denoisingError(batch.oldVelocity, batch.refVelocity).sum());
            }
            furthest = std::max(furthest, terms.oldKl.max().item<double>());
            m_loop->add(sums, static_cast<double>(some.size()));
        }
        if (!items.empty())
            m_loop->add("old_deviate_max", furthest, 1);
        return {};
    }

    // --- Flow-GRPO ---------------------------------------------------------------------------------------------------

    Status learnSteps(int64_t turn) {
        const auto images = trainedImages(m_rollout);
        const auto noisy = m_sampler->noisySteps();
        const double total = static_cast<double>(images.size()) * static_cast<double>(trainedSteps(static_cast<int64_t>(noisy.size())));
        const auto device = m_policy.model->device();
        double highest = 0, worst = 0;
        size_t at = 0;
        for (size_t b = 0; b < m_rollout.batches.size(); at += micro(), ++b) {
            const auto prompts = part(m_rollout.prompts, at, micro());
            const auto n = static_cast<int64_t>(prompts.size()), from = static_cast<int64_t>(at);
            auto share = m_rollout.kept.narrow(0, from, n);
            if (!m_p.dropZeroStd)
                share = torch::ones_like(share);
            if (!share.any().item<bool>())
                continue;
            const auto trained = share.to(device, torch::kFloat32);
            const double here = share.sum().item<double>();
            const auto advantages = m_rollout.advantages.narrow(0, from, n).to(device);
            PL_TRY(const auto predict, learn::predictFor(m_policy.model, prompts, m_p.rolloutGuidance));
            learn::Predict reference;
            if (m_reference) {
                PL_TRY(reference, learn::predictFor(m_reference->model(), prompts, m_p.rolloutGuidance));
            }
            for (const int64_t k : turnsSteps(static_cast<int64_t>(noisy.size()), turn,
                                              key("steps", m_rollout.round) ^ mix64(static_cast<uint64_t>(b)))) {
                if (m_loop->leaving())
                    return {};
                const int64_t i = noisy[static_cast<size_t>(k)];
                const auto& taken = m_rollout.batches[b][static_cast<size_t>(i)];
                const auto levels = m_sampler->levels(i, taken.x);
                const auto step = m_sampler->step(i, taken.x, predict(taken.x, levels));
                const auto terms = learn::clippedStepLoss(learn::stepLogProb(taken.next, step.mean, step.std), taken.logp, advantages,
                                                          m_p.clipRange);
                auto each = terms.loss;
                MetricSums sums = {{"policy_loss", (terms.loss.detach() * trained).sum()},
                                   {"approx_kl", (terms.approxKl * trained).sum()},
                                   {"clipfrac", ((terms.clippedLow + terms.clippedHigh) * trained).sum()},
                                   {"clipfrac_gt_one", (terms.clippedHigh * trained).sum()},
                                   {"clipfrac_lt_one", (terms.clippedLow * trained).sum()},
                                   {"ratio_mean", (terms.ratio * trained).sum()}};
                if (reference) {
                    torch::Tensor mean;
                    {
                        torch::NoGradGuard noGrad;
                        mean = m_sampler->step(i, taken.x, reference(taken.x, levels)).mean;
                    }
                    const auto kl = learn::stepKl(step.mean, mean, step.std);
                    each = each + m_p.klWeight * kl;
                    sums.emplace_back("kl_loss", (kl.detach() * trained).sum());
                }
                const auto loss = (each * trained).sum() / total;
                loss.backward();
                m_loop->addLoss(loss.detach());
                m_loop->addTokens(static_cast<int64_t>(here));
                m_loop->add(sums, here);
                highest = std::max(highest, terms.ratio.max().item<double>());
                const double off = (terms.ratio - 1).abs().max().item<double>();
                worst = std::isnan(off) ? off : std::max(worst, off);
            }
        }
        if (images.empty())
            return {};
        m_loop->add("ratio_max", highest, 1);
        if (turn == 0 && worst != 0) // the same weights, inputs and batches: not one bit may differ
            return fail(Code::Internal,
                        fmt::format("the ratio of the first update after a rollout is off 1 by {:.3g}: the steps were not computed as they "
                                    "were drawn",
                                    worst),
                        "Please report this run; the method nft does not depend on ratios.");
        return {};
    }

    // --- watching ----------------------------------------------------------------------------------------------------

    /// NFT's loss on held-out ranked groups, always at the same levels with the same noise.
    double heldOutLoss() {
        torch::NoGradGuard noGrad;
        const auto rollout = rankedRollout(m_dev, allIndices(m_dev.size()));
        std::vector<Item> items;
        for (const int64_t k : trainedImages(rollout))
            for (int64_t step = 0; step < m_sampler->steps(); ++step)
                items.push_back({k, step, items.size()});
        double loss = 0, weight = 0;
        for (size_t at = 0; at < items.size(); at += micro()) {
            const auto [batch, weights] = noised(rollout, part(items, at, micro()), hashSeed(m_job.spec().seed, "held out"));
            loss += (learn::diffusionNft(batch, m_p.nft).policy * weights).sum().item<double>();
            weight += weights.sum().item<double>();
        }
        return loss / weight;
    }

    Status observe() {
        const bool evaluate = m_loop->evaluationDue(), show = m_loop->samplesDue();
        if (!evaluate && !show)
            return {};
        if (show && m_loop->step() > 0)
            PL_CHECK(showRollout());
        const auto averaged = m_loop->averaged();
        PL_TRY(auto drawn, m_watch.look(m_job, m_policy.model, m_loop->step(), show, m_loop->extra()));
        if (!drawn)
            return {};
        auto values = std::move(*drawn);
        if (!evaluate)
            return m_loop->report(values);
        if (m_rewards && !m_watch.empty()) {
            PL_TRY(const auto rewards, m_rewards->score(m_watch.images(), m_watch.prompts()));
            const auto total = torch::tensor(rewards.total, torch::kFloat64);
            values["eval_reward"] = total.mean().item<double>();
            values["eval_reward_std"] = total.std(false).item<double>();
            for (const auto& term : rewards.terms)
                values["eval_reward_" + term.name] = torch::tensor(term.raw, torch::kFloat64).mean().item<double>();
        }
        if (m_p.rankings && !m_dev.empty())
            values["eval_policy_loss"] = heldOutLoss();
        const auto first = figuresAtStart(m_loop->extra(), m_loop->step(), values);
        const double fall = obedienceFall(first, values, "eval_");
        if (!m_watch.empty())
            values["eval_obedience_fall"] = fall;
        if (const auto reward = values.find("eval_reward"); reward != values.end()) {
            const double rise = (reward->second - first.at("eval_reward")) / std::max(first.at("eval_reward_std"), 1e-9);
            values["eval_choice"] = rise - obediencePrice(fall);
            warnOfHacking(rise, fall);
        } else if (const auto loss = values.find("eval_policy_loss"); loss != values.end()) {
            values["eval_choice"] = -loss->second - obediencePrice(fall);
        }
        // The lesson is to see where it ends, so nothing is chosen there.
        return m_loop->evaluated(values, m_p.lesson ? std::string() : "eval_choice", true);
    }

    void warnOfHacking(double rise, double fall) {
        Json& extra = m_loop->extra();
        if (rise < kHackedRise || fall < kHackedFall || extra.contains("warned"))
            return;
        extra["warned"] = true;
        m_job.alert("warn", "reward_hacking",
                    fmt::format("The held-out reward rose by {:.2f} standard deviations of the start while colour or background obedience "
                                "fell by {:.0f} points: the model pleases the reward and forgets what was asked. Stop, hold it closer to the "
                                "reference, lower learning_rate, or add an obedience term.",
                                rise, 100 * fall),
                    m_loop->step());
    }

    Status showRollout() {
        const auto n = std::min<int64_t>(m_rollout.size(), kShownRollouts);
        const auto pixels = learn::imagesOf(m_policy.model->decode(m_rollout.images.narrow(0, 0, n)));
        for (int64_t k = 0; k < n; ++k) {
            const auto i = static_cast<size_t>(k);
            PL_TRY(const auto image, storeSample(m_job, pixels[i]));
            PL_CHECK(m_job.events().write(event::kSample, {{"step", m_loop->step()},
                                                           {"prompt_id", m_rollout.promptIds[i]},
                                                           {"prompt", m_rollout.prompts[i]},
                                                           {"kind", "image"},
                                                           {"image", image},
                                                           {"reward", m_rollout.rewards[k].item<double>()},
                                                           {"advantage", m_rollout.advantages[k].item<double>()},
                                                           {"tag", "rollout"}}));
        }
        return {};
    }

    learn::Job& m_job;
    Parameters m_p;
    std::vector<PromptRow> m_prompts;
    ImagePolicy m_policy;
    std::optional<ImageReference> m_reference; ///< only with a KL weight
    learn::ImageModel m_old{nullptr};       ///< of nft: the policy that draws; with rankings the one the run began with
    std::optional<learn::ImageSampler> m_sampler;
    std::optional<ImageRewards> m_rewards; ///< not with rankings
    ImagePairData m_labelled;              ///< with rankings
    std::vector<RankedGroup> m_train, m_dev;
    ImageWatch m_watch;
    std::unique_ptr<TrainLoop> m_loop;
    Rollout m_rollout;
    bool m_saidNoDifference = false;
};

/// These methods are for rectified flows, and the reference must be another state of the policy.
Status checkModels(learn::Job& job, const Parameters& parameters) {
    PL_TRY(const auto policy, modelFor(job, "policy"));
    PL_TRY(const auto its, learn::readImageConfig(policy.path));
    if (its.prediction != learn::Prediction::Flow)
        return fail(Code::Unsupported, "the model predicts noise, and these methods are for rectified flows",
                    "Train a flow model with image_sft, or use image_dpo.");
    const auto* reference = job.spec().model("reference");
    if (!reference || !parameters.needsReference())
        return {};
    PL_TRY(const auto other, learn::readImageConfig(reference->path));
    if (other.prediction != its.prediction || other.size != its.size)
        return fail(Code::InvalidInput, "the reference predicts something else than the policy",
                    "Choose the model the policy started from.");
    return {};
}

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_TRY(const auto prompts, promptsOf(job));
    PL_TRY(const auto parameters, Parameters::of(job.parameters(), std::max<size_t>(1, prompts.size())));
    PL_CHECK(checkModels(job, parameters));
    PL_CHECK(ImageRewards::check(job, parameters.rewards));
    PL_CHECK(ImageWatch::make(job, {}));
    if (parameters.rankings)
        return checkImagePairs(job);
    if (prompts.empty())
        return fail(Code::NotFound, "the run has no prompts to draw", "Import prompts, or choose another kind of prompt.");
    return {};
}

Status run(learn::Job& job) {
    Trainer trainer(job);
    PL_CHECK(trainer.prepare());
    return trainer.train();
}

} // namespace

PAIRLAB_PLUGIN("image_grpo", "1.0.0", validate, run)
