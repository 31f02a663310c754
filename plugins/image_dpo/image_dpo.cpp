// SPDX-License-Identifier: Apache-2.0
// Preference optimisation of an image generator on pairs: the better image is to be denoised better than before, the other one
// worse, compared with a frozen reference at the same noise: a copy, or with adapters the same network without them. Winner-only
// training is the control.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/images/objectives/diffusion_dpo.h"
#include "core/learn/images/schedule.h"
#include "core/learn/training/batches.h"
#include "core/rules/statistics.h"
#include "plugins/sdk/image_pairs.h"
#include "plugins/sdk/image_policy.h"
#include "plugins/sdk/image_watch.h"
#include "plugins/sdk/setup.h"
#include "plugins/sdk/train_loop.h"

namespace {

using namespace pl;
using namespace pl::sdk;

/// Both errors of held-out pairs must have grown by this share of the reference's before it is an alarm.
constexpr double kCollapse = 0.02;

struct Parameters {
    bool winnerSft = false, softTies = true, useWeights = true, mirror = true, lesson = false;
    learn::DiffusionDpoOptions dpo;
    learn::TimeDensity density;
    double captionDropout = 0;
    int64_t evalLevels = 4;
    Json loop; ///< with what a preset changes

    static Result<Parameters> of(const Json& p) {
        const std::string_view what = "the parameters";
        Parameters out;
        out.loop = p;
        PL_TRY(const auto method, field<std::string>(p, "method", what));
        out.winnerSft = method == "winner_sft";
        PL_TRY(const auto loss, field<std::string>(p, "loss", what));
        PL_TRY(out.dpo.loss, learn::diffusionPairLossOf(loss));
        PL_TRY(out.dpo.beta, field<double>(p, "beta", what));
        PL_TRY(out.dpo.winnerAnchor, field<double>(p, "winner_anchor", what));
        PL_TRY(const auto ties, field<std::string>(p, "ties", what));
        out.softTies = ties == "soft";
        PL_TRY(out.useWeights, field<bool>(p, "use_weights", what));
        PL_TRY(out.mirror, field<bool>(p, "mirror", what));
        PL_TRY(const auto density, field<std::string>(p, "t_density", what));
        PL_TRY(out.density, learn::timeDensityOf(density));
        PL_TRY(out.captionDropout, field<double>(p, "caption_dropout", what));
        PL_TRY(out.evalLevels, field<int64_t>(p, "eval_levels", what));
        PL_TRY(const auto preset, field<std::string>(p, "preset", what));
        if (preset == "over_optimise") {
            out.lesson = true;
            out.dpo.beta = 100;
            out.dpo.winnerAnchor = 0;
            out.loop["learning_rate"] = 2e-4;
        }
        return out;
    }
    double weightOf(const ImagePair& pair) const { return useWeights ? pair.weight : 1.0; }
};

/// What is drawn for the pairs of one pass: the same level and noise for both sides and both networks.
struct Noised {
    torch::Tensor x, target; ///< [2n, 3, h, w], chosen first
    torch::Tensor levels;    ///< [2n], as the network is told
    torch::Tensor ids;       ///< [2n, slots]
};

/// Sums over pairs, of one pass.
struct Scored {
    learn::DenoisingErrors errors;
    torch::Tensor loss, weight, clear;
};

class Trainer {
public:
    Trainer(learn::Job& job, Parameters parameters) : m_job(job), m_p(std::move(parameters)) {}

    Status prepare() {
        PL_TRY(m_policy, setUpImagePolicy(m_job));
        PL_TRY(m_reference, ImageReference::make(m_job, m_policy));
        const auto& config = m_policy.config;
        PL_TRY(m_data, readImagePairs(m_job, config.size, m_p.softTies));
        if (!m_data.trainRankings.empty() || !m_data.devRankings.empty()) {
            for (auto& pair : pairsOfRankings(m_data.trainRankings))
                m_data.train.push_back(std::move(pair));
            for (auto& pair : pairsOfRankings(m_data.devRankings))
                m_data.dev.push_back(std::move(pair));
            if (!m_p.softTies)
                for (auto* pairs : {&m_data.train, &m_data.dev})
                    std::erase_if(*pairs, [](const ImagePair& pair) { return pair.tie(); });
        }
        if (config.prediction == learn::Prediction::Epsilon)
            m_alphaBars = learn::alphaBars();
        PL_TRY(m_options, loopOptions(m_p.loop, m_data.train.size()));
        std::vector<std::string> prompts;
        for (const auto& pair : m_data.dev)
            prompts.push_back(pair.prompt);
        PL_TRY(m_watch, ImageWatch::make(m_job, prompts));
        for (const auto& pair : m_data.train)
            prompts.push_back(pair.prompt);
        PL_TRY([[maybe_unused]] const auto ids, m_policy.model->promptIds(prompts)); // a model may lack a word: said now
        return {};
    }

    Status train() {
        const auto& train = m_data.train;
        PL_TRY(m_loop, TrainLoop::start(m_job, m_policy.trainable(), m_options, train.size()));
        learn::BatchPlan plan(train.size(), static_cast<size_t>(m_options.batchSize), m_job.spec().seed);
        if (!m_loop->resumed()) {
            PL_CHECK(m_loop->report(m_data.controlMetrics()));
            PL_CHECK(observe());
        } else if (ImageWatch::due(m_loop->extra())) {
            PL_CHECK(observe());
        }
        const auto most = static_cast<size_t>(std::max<int64_t>(1, m_options.microBatchTokens / 2));
        while (m_loop->next()) {
            const auto batch = plan.batch(m_loop->step());
            // Shares of the whole step's weight, so that the split into micro-batches does not change the loss.
            double weight = 0;
            for (const size_t i : batch)
                weight += m_p.weightOf(train[i]);
            const uint64_t key = mix64(hashSeed(m_job.spec().seed, "noise") + static_cast<uint64_t>(m_loop->step()));
            double total = 0;
            for (size_t at = 0; at < batch.size() && !m_loop->leaving(); at += most) {
                const std::vector<size_t> micro(batch.begin() + static_cast<std::ptrdiff_t>(at),
                                                batch.begin() + static_cast<std::ptrdiff_t>(std::min(batch.size(), at + most)));
                const auto s = score(train, micro, noised(train, micro, key, at));
                const auto loss = (s.loss * s.weight).sum() / weight;
                loss.backward();
                m_loop->addLoss(loss.detach());
                total += loss.item<double>();
                m_loop->addTokens(2 * static_cast<int64_t>(micro.size()));
                double clearHere = 0;
                for (const size_t i : micro)
                    clearHere += !train[i].tie();
                m_loop->add(preferenceSums(s), clearHere);
                m_loop->add(errorSums(s), static_cast<double>(micro.size()));
            }
            if (m_loop->step() == 1)
                PL_CHECK(checkFirstLoss(total));
            PL_CHECK(m_loop->update());
            PL_CHECK(observe());
            PL_CHECK(m_loop->endStep());
        }
        return m_loop->finish();
    }

private:
    bool flow() const { return m_policy.config.prediction == learn::Prediction::Flow; }

    /// Level and noise of pair k of a pass are functions of (key, first + k): a resumed run draws the same.
    Noised noised(const std::vector<ImagePair>& pairs, const std::vector<size_t>& indices, uint64_t key, size_t first) {
        std::vector<uint64_t> streams;
        std::vector<float> told, onImage, onNoise;
        for (size_t k = 0; k < indices.size(); ++k) {
            const uint64_t stream = first + k;
            streams.push_back(stream);
            addLevel(flow() ? m_p.density.draw(key, stream) : 0,
                     flow() ? 0 : learn::drawTimestep(static_cast<int64_t>(m_alphaBars.size()), key, stream), told, onImage, onNoise);
        }
        const auto noise = learn::streamNoise(m_policy.model->latentShape(), key, streams, learn::kInitialNoise);
        std::vector<std::string> prompts;
        std::vector<bool> mirrored, silent;
        for (size_t k = 0; k < indices.size(); ++k) {
            const uint64_t bits = mix64(key ^ mix64(first + k + 1));
            prompts.push_back(pairs[indices[k]].prompt);
            mirrored.push_back(m_p.mirror && (bits & 1) && mayMirror(prompts.back()));
            silent.push_back(unitUniform(mix64(bits)) < m_p.captionDropout);
        }
        return assemble(pairs, indices, prompts, mirrored, silent, noise, told, onImage, onNoise);
    }

    void addLevel(double t, int64_t timestep, std::vector<float>& told, std::vector<float>& onImage,
                  std::vector<float>& onNoise) const {
        if (flow()) {
            told.push_back(static_cast<float>(t));
            onImage.push_back(static_cast<float>(1 - t));
            onNoise.push_back(static_cast<float>(t));
        } else {
            const double bar = m_alphaBars[static_cast<size_t>(timestep)];
            told.push_back(static_cast<float>(timestep));
            onImage.push_back(static_cast<float>(std::sqrt(bar)));
            onNoise.push_back(static_cast<float>(std::sqrt(1 - bar)));
        }
    }

    Noised assemble(const std::vector<ImagePair>& pairs, const std::vector<size_t>& indices,
                    const std::vector<std::string>& prompts, const std::vector<bool>& mirrored, const std::vector<bool>& silent,
                    const torch::Tensor& noise, const std::vector<float>& told, const std::vector<float>& onImage,
                    const std::vector<float>& onNoise) {
        const auto device = m_policy.model->device();
        std::vector<size_t> chosen, rejected;
        for (const size_t i : indices) {
            chosen.push_back(pairs[i].chosen);
            rejected.push_back(pairs[i].rejected);
        }
        auto images = torch::stack({m_data.images.batch(chosen, device), m_data.images.batch(rejected, device)});
        for (size_t k = 0; k < mirrored.size(); ++k)
            if (mirrored[k]) { // both sides alike
                auto both = images.select(1, static_cast<int64_t>(k));
                both.copy_(both.flip(-1).clone());
            }
        const auto x0 = m_policy.model->toLatents(images.flatten(0, 1));
        const auto twice = [&](const std::vector<float>& values) {
            const auto one = torch::tensor(values, torch::kFloat32).to(device);
            return torch::cat({one, one});
        };
        const auto shared = noise.to(device);
        const auto eps = torch::cat({shared, shared});
        Noised out;
        out.x = twice(onImage).view({-1, 1, 1, 1}) * x0 + twice(onNoise).view({-1, 1, 1, 1}) * eps;
        out.target = flow() ? eps - x0 : eps;
        out.levels = twice(told);
        auto ids = *m_policy.model->promptIds(prompts);
        const auto nothing = m_policy.model->nullIds(ids.size(0));
        for (size_t k = 0; k < silent.size(); ++k)
            if (silent[k])
                ids[static_cast<int64_t>(k)].copy_(nothing[static_cast<int64_t>(k)]);
        out.ids = torch::cat({ids, ids});
        return out;
    }

    torch::Tensor policyErrors(const Noised& batch) {
        auto& model = m_policy.model;
        return learn::denoisingError(model->predict(batch.x, batch.levels, model->encode(batch.ids)), batch.target);
    }
    torch::Tensor referenceErrors(const Noised& batch) {
        return learn::denoisingError(m_reference.predict(batch.x, batch.levels, batch.ids), batch.target);
    }

    Scored score(const std::vector<ImagePair>& pairs, const std::vector<size_t>& indices, const Noised& batch,
                 torch::Tensor reference = {}) {
        const auto n = static_cast<int64_t>(indices.size());
        const auto policy = policyErrors(batch);
        if (!reference.defined())
            reference = referenceErrors(batch);
        Scored out;
        out.errors = {policy.narrow(0, 0, n), policy.narrow(0, n, n), reference.narrow(0, 0, n), reference.narrow(0, n, n)};
        const auto soft = column(pairs, indices, &ImagePair::softLabel, policy.device());
        out.loss = m_p.winnerSft ? learn::winnerSft(out.errors, soft) : learn::diffusionDpo(out.errors, m_p.dpo, soft);
        out.weight = m_p.useWeights ? column(pairs, indices, &ImagePair::weight, policy.device()) : torch::ones_like(soft);
        out.clear = (soft != 0.5).to(torch::kFloat32);
        return out;
    }

    /// TRL's names; rewards are -beta/2 times an error's difference to the reference. Ties left out.
    MetricSums preferenceSums(const Scored& s) const {
        torch::NoGradGuard noGrad;
        const auto chosen = -0.5 * m_p.dpo.beta * s.errors.chosenDifference();
        const auto rejected = -0.5 * m_p.dpo.beta * s.errors.rejectedDifference();
        return {{"rewards/chosen", (chosen * s.clear).sum()},
                {"rewards/rejected", (rejected * s.clear).sum()},
                {"rewards/margins", ((chosen - rejected) * s.clear).sum()},
                {"rewards/accuracies", ((chosen > rejected).to(torch::kFloat32) * s.clear).sum()},
                {"w_diff", (s.errors.chosenDifference() * s.clear).sum()},
                {"l_diff", (s.errors.rejectedDifference() * s.clear).sum()}};
    }
    static MetricSums errorSums(const Scored& s) {
        torch::NoGradGuard noGrad;
        return {{"model_mse", 0.5 * (s.errors.chosen + s.errors.rejected).sum()},
                {"ref_mse", 0.5 * (s.errors.refChosen + s.errors.refRejected).sum()}};
    }

    /// Before the first update policy and reference are the same network, so the sigmoid loss must be ln 2 (a resumed run is past
    /// that).
    Status checkFirstLoss(double loss) const {
        if (m_p.winnerSft || m_p.dpo.loss != learn::DiffusionPairLoss::Sigmoid || m_job.spec().model("reference") ||
            m_loop->leaving())
            return {};
        if (std::abs(loss - std::log(2.0)) > 1e-5)
            return fail(Code::Internal, fmt::format("the loss of the first step is {}, not ln 2: policy and reference differ", loss),
                        "Please report this run.");
        return {};
    }

    /// Held-out pairs at fixed levels (the same for every pair and evaluation) and fixed noise.
    std::map<std::string, double> heldOut() {
        torch::NoGradGuard noGrad;
        const auto& dev = m_data.dev;
        const auto most = static_cast<size_t>(std::max<int64_t>(1, m_options.microBatchTokens / 2));
        const uint64_t key = hashSeed(m_job.spec().seed, "held out");
        const bool known = !m_heldOutReference.empty();
        learn::MetricWindow window;
        double loss = 0, weight = 0, clear = 0, right = 0;
        size_t part = 0;
        std::vector<double> margins(dev.size(), 0), labels; // a pair's margin: the mean over the levels
        for (const auto& pair : dev)
            labels.push_back(pair.softLabel);
        for (int64_t level = 0; level < m_p.evalLevels; ++level) {
            const double t = (static_cast<double>(level) + 0.5) / static_cast<double>(m_p.evalLevels);
            const auto timestep = static_cast<int64_t>(t * static_cast<double>(m_alphaBars.size()));
            for (size_t at = 0; at < dev.size(); at += most, ++part) {
                const auto all = allIndices(dev.size());
                const std::vector<size_t> micro(all.begin() + static_cast<std::ptrdiff_t>(at),
                                                all.begin() + static_cast<std::ptrdiff_t>(std::min(dev.size(), at + most)));
                std::vector<uint64_t> streams(micro.begin(), micro.end());
                std::vector<float> told, onImage, onNoise;
                std::vector<std::string> prompts;
                for (const size_t i : micro) {
                    addLevel(t, timestep, told, onImage, onNoise);
                    prompts.push_back(dev[i].prompt);
                }
                const auto noise = learn::streamNoise(m_policy.model->latentShape(), key, streams, level);
                const auto batch = assemble(dev, micro, prompts, std::vector<bool>(micro.size()), std::vector<bool>(micro.size()),
                                            noise, told, onImage, onNoise);
                if (!known)
                    m_heldOutReference.push_back(referenceErrors(batch));
                const auto s = score(dev, micro, batch, m_heldOutReference[part]);
                loss += (s.loss * s.weight).sum().item<double>();
                weight += s.weight.sum().item<double>();
                const auto z = learn::diffusionMargin(s.errors, m_p.dpo.beta).to(torch::kFloat64).cpu();
                for (size_t k = 0; k < micro.size(); ++k)
                    margins[micro[k]] += z[static_cast<int64_t>(k)].item<double>() / static_cast<double>(m_p.evalLevels);
                const double clearHere = s.clear.sum().item<double>();
                clear += clearHere;
                for (const auto& [name, sum] : preferenceSums(s)) {
                    window.add("eval_" + name, sum.item<double>(), clearHere);
                    if (name == "rewards/accuracies")
                        right += sum.item<double>();
                }
                for (const auto& [name, sum] : errorSums(s))
                    window.add("eval_" + name, sum.item<double>(), static_cast<double>(micro.size()));
            }
        }
        auto out = window.means();
        out["eval_loss"] = loss / weight;
        // Errors of single images drift by more than they differ, so the loss itself soon rises above ln 2 while the margins still
        // improve. How well they tell better from worse shows when their scale is fitted first.
        const double temperature = learn::fitTemperature(margins, labels);
        double total = 0;
        m_pairLosses.clear();
        for (size_t i = 0; i < dev.size(); ++i) {
            m_pairLosses.push_back(m_p.weightOf(dev[i]) * learn::pairCrossEntropy(margins[i] / temperature, labels[i]));
            total += m_p.weightOf(dev[i]);
        }
        for (double& one : m_pairLosses) // their mean is the weighted mean over pairs
            one *= static_cast<double>(dev.size()) / total;
        out["eval_calibrated_loss"] = rules::mean(m_pairLosses);
        // A pair at several levels is still one pair.
        const double n = clear / static_cast<double>(m_p.evalLevels);
        addRate(out, "eval_rewards/accuracies", right / static_cast<double>(m_p.evalLevels), n);
        return out;
    }

    Status observe() {
        const bool evaluate = m_loop->evaluationDue(), show = m_loop->samplesDue();
        if (!evaluate && !show)
            return {};
        const auto averaged = m_loop->averaged();
        std::map<std::string, double> values;
        if (evaluate && !m_data.dev.empty())
            values = heldOut();
        PL_TRY(auto drawn, m_watch.look(m_job, m_policy.model, m_loop->step(), show, m_loop->extra()));
        if (!drawn)
            return {};
        values.merge(*drawn);
        if (!evaluate)
            return m_loop->report(values);
        // The obedience of the model the run began with is what later ones are held to.
        const auto first = figuresAtStart(m_loop->extra(), m_loop->step(), values);
        const double fall = obedienceFall(first, values, "eval_");
        if (!m_watch.empty())
            values["eval_obedience_fall"] = fall;
        // Winner-only training has no margins to tell apart by.
        if (const auto loss = values.find(m_p.winnerSft ? "eval_loss" : "eval_calibrated_loss"); loss != values.end())
            values["eval_choice"] = choice(loss->second, obediencePrice(fall));
        else if (!m_watch.empty()) // no labels to choose by: the latest that still obeys
            values["eval_choice"] = obediencePrice(fall);
        warnOfCollapse(values);
        // The lesson is to see where it ends, so nothing is chosen there.
        return m_loop->evaluated(values, m_p.lesson ? std::string() : m_data.decidingMetric("eval_choice"), false, {}, true);
    }

    /// What chooses the checkpoint. A few dozen dev pairs cannot tell close losses apart, and their minimum is as often an early
    /// accident as the end of learning: one that is not above the lowest by more than a standard error of the difference (over
    /// the pairs) counts as equal to it, and of equals the latest is chosen (the one-standard-error rule of Breiman et al. 1984).
    double choice(double loss, double price) {
        Json& extra = m_loop->extra();
        if (m_loop->step() == 0 || m_p.winnerSft)
            return loss + price;
        const auto lowest = extra.find("lowest");
        if (lowest == extra.end() || loss + price < lowest->at("value").get<double>()) {
            extra["lowest"] = {{"value", loss + price}, {"price", price}, {"losses", m_pairLosses}};
            return loss + price;
        }
        const auto losses = lowest->at("losses").get<std::vector<double>>();
        std::vector<double> above(m_pairLosses.size());
        for (size_t i = 0; i < above.size(); ++i)
            above[i] = m_pairLosses[i] - losses.at(i);
        const bool equal = price <= lowest->at("price").get<double>() && rules::mean(above) <= rules::standardError(above);
        return equal ? lowest->at("value").get<double>() : loss + price;
    }

    /// A growing margin with both errors growing is not learning: the loser is only forgotten faster than the winner.
    void warnOfCollapse(const std::map<std::string, double>& values) {
        const auto w = values.find("eval_w_diff"), l = values.find("eval_l_diff"), ref = values.find("eval_ref_mse");
        if (w == values.end() || l == values.end() || ref == values.end())
            return;
        Json& extra = m_loop->extra();
        const Json last = extra.value("last_errors", Json::array());
        const bool grew = last.size() == 2 && w->second > last[0].get<double>() && l->second > last[1].get<double>() &&
                          w->second > kCollapse * ref->second && l->second > kCollapse * ref->second;
        extra["last_errors"] = {w->second, l->second};
        if (!grew || extra.contains("warned"))
            return;
        extra["warned"] = true;
        m_job.alert("warn", "both_errors_grow",
                    fmt::format("Held-out winners and losers are both denoised worse than by the reference (w_diff {:+.2g}, l_diff "
                                "{:+.2g} of {:.2g}) and getting worse: the model forgets how to draw. Stop, raise beta, or lower "
                                "learning_rate.",
                                w->second, l->second, ref->second),
                    m_loop->step());
    }

    learn::Job& m_job;
    Parameters m_p;
    ImagePolicy m_policy;
    ImageReference m_reference;
    ImagePairData m_data;
    std::vector<double> m_alphaBars;
    LoopOptions m_options;
    ImageWatch m_watch;
    std::unique_ptr<TrainLoop> m_loop;
    std::vector<torch::Tensor> m_heldOutReference; ///< errors of the reference, part by part
    std::vector<double> m_pairLosses;              ///< calibrated, of every dev pair, at the last measurement
};

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_TRY(const auto parameters, Parameters::of(job.parameters()));
    PL_CHECK(loopOptions(parameters.loop, 1));
    PL_CHECK(adapterOptions(job.parameters()));
    PL_CHECK(ImageWatch::make(job, {}));
    return checkImagePairs(job);
}

Status run(learn::Job& job) {
    PL_TRY(auto parameters, Parameters::of(job.parameters()));
    Trainer trainer(job, std::move(parameters));
    PL_CHECK(trainer.prepare());
    return trainer.train();
}

} // namespace

PAIRLAB_PLUGIN("image_dpo", "1.0.0", validate, run)
