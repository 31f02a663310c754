// SPDX-License-Identifier: Apache-2.0
// A Bradley-Terry reward model: a scalar head on the last token, trained so that chosen answers score above rejected ones.
#include <algorithm>
#include <cmath>
#include <limits>

#include <torch/torch.h>

#include "core/learn/host/plugin_entry.h"
#include "core/learn/objectives/reward_losses.h"
#include "plugins/sdk/setup.h"
#include "plugins/sdk/train_loop.h"

namespace {

using namespace pl;
using namespace pl::sdk;
using learn::TokenizedPair;

struct Parameters {
    bool marginFromStrength = false;
    bool softTies = true;
    double centering = 0;
    learn::RowLayout layout; ///< as the device wants it, so known when the model is

    static Result<Parameters> of(const Json& p) {
        const std::string_view what = "the parameters";
        Parameters out;
        PL_TRY(out.marginFromStrength, field<bool>(p, "margin_from_strength", what));
        PL_TRY(const auto ties, field<std::string>(p, "ties", what));
        out.softTies = ties == "soft";
        PL_TRY(out.centering, field<double>(p, "center_rewards_coefficient", what));
        return out;
    }
};

/// Scores and losses of some pairs, all [n].
struct Scored {
    torch::Tensor chosen, rejected, loss, center, weight, clear; ///< clear: 1 where not a tie
    int64_t tokens = 0;
};

Scored score(learn::Decoder& model, const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& indices,
             const Parameters& parameters) {
    const auto device = model->device();
    const auto n = static_cast<int64_t>(indices.size());
    const auto batch = learn::pairBatch(pairs, indices, device, parameters.layout);
    const auto scores = learn::scores(model, batch);
    Scored out;
    out.tokens = batch.realTokens;
    out.chosen = scores.narrow(0, 0, n);
    out.rejected = scores.narrow(0, n, n);
    const auto soft = column(pairs, indices, &TokenizedPair::softLabel, device);
    const auto margin =
        parameters.marginFromStrength ? column(pairs, indices, &TokenizedPair::margin, device) : torch::Tensor();
    out.loss = learn::bradleyTerry(out.chosen, out.rejected, soft, margin);
    out.center = learn::rewardCentering(out.chosen, out.rejected);
    out.weight = column(pairs, indices, &TokenizedPair::weight, device);
    out.clear = (soft != 0.5).to(torch::kFloat32);
    return out;
}

double totalWeight(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& indices) {
    double out = 0;
    for (const size_t i : indices)
        out += pairs[i].weight;
    return out;
}

double clearPairs(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& indices) {
    return static_cast<double>(std::count_if(indices.begin(), indices.end(), [&](size_t i) { return !pairs[i].tie(); }));
}

/// Held-out loss and ranking accuracy; ties count in the loss only.
std::map<std::string, double> evaluate(learn::Decoder& model, const std::vector<TokenizedPair>& pairs,
                                       const Parameters& parameters, int64_t tokenBudget) {
    torch::NoGradGuard noGrad;
    const auto all = allIndices(pairs.size());
    double loss = 0, right = 0, margin = 0, reward = 0;
    for (const auto& micro : learn::pairParts(pairs, all, parameters.layout, tokenBudget)) {
        const auto s = score(model, pairs, micro, parameters);
        const auto values = torch::stack({(s.loss * s.weight).sum(), ((s.chosen > s.rejected).to(torch::kFloat32) * s.clear).sum(),
                                          ((s.chosen - s.rejected) * s.clear).sum(), (s.chosen + s.rejected).sum()})
                                .to(torch::kFloat64)
                                .cpu();
        loss += values[0].item<double>();
        right += values[1].item<double>();
        margin += values[2].item<double>();
        reward += values[3].item<double>();
    }
    const double clear = clearPairs(pairs, all);
    std::map<std::string, double> out = {{"eval_loss", loss / totalWeight(pairs, all)},
                                         {"eval_margin", margin / clear},
                                         {"eval_mean_reward", reward / (2.0 * static_cast<double>(pairs.size()))}};
    addRate(out, "eval_accuracy", right, clear);
    return out;
}

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_CHECK(Parameters::of(job.parameters()));
    PL_CHECK(loopOptions(job.parameters(), 1));
    PL_CHECK(adapterOptions(job.parameters()));
    if (dataFile(job, "train.jsonl").empty())
        return fail(Code::NotFound, "the run has no data/train.jsonl", "Choose a data set with labelled pairs.");
    return {};
}

Status run(learn::Job& job) {
    PL_TRY(auto parameters, Parameters::of(job.parameters()));
    PL_TRY(auto setup, setUp(job, "policy", {.rewardHead = true}));
    PL_TRY(parameters.layout, rowLayout(job.parameters(), setup.device));
    parameters.layout.lastTokens = true;
    auto& model = setup.loaded.model;
    PL_TRY(const auto longest, maxLength(job.parameters(), setup.loaded.config));
    PL_TRY(const auto data, readPairData(job, setup.encoder, longest, parameters.softTies));
    const auto& train = data.train;

    PL_TRY(const auto memory, memoryPlan(job.parameters(), TrainMethod::RewardModel, parameters.layout, setup));
    PL_CHECK(decideCheckpointing(job, setup, memory));

    PL_TRY(const auto options, loopOptions(job.parameters(), train.size()));
    PL_TRY(auto loop, TrainLoop::start(job, setup.trainable(), options, train.size()));
    learn::BatchPlan plan(train.size(), static_cast<size_t>(options.batchSize), job.spec().seed);
    const auto observe = [&]() -> Status {
        if (!loop->evaluationDue() || data.dev.empty())
            return {};
        const auto values = evaluate(model, data.dev, parameters, options.microBatchTokens);
        return loop->evaluated(values, data.decidingMetric("eval_accuracy"), true, "eval_loss");
    };
    if (!loop->resumed()) {
        auto values = data.controlMetrics();
        values["eval_length_baseline"] = learn::longerWinsAccuracy(data.dev);
        values["length_baseline"] = learn::longerWinsAccuracy(train);
        PL_CHECK(loop->report(values));
        PL_CHECK(observe());
    }

    while (loop->next()) {
        const auto batch = plan.batch(loop->step());
        // Shares of the whole step's weight, so that the split into micro-batches does not change the loss.
        const double weight = totalWeight(train, batch);
        for (const auto& micro : learn::pairParts(train, batch, parameters.layout, options.microBatchTokens)) {
            if (loop->leaving())
                break;
            const auto s = score(model, train, micro, parameters);
            auto loss = (s.loss * s.weight).sum() / weight;
            if (parameters.centering > 0)
                loss = loss + parameters.centering * s.center.sum() / static_cast<double>(batch.size());
            loss.backward();
            loop->addLoss(loss.detach());
            loop->addTokens(s.tokens);
            const auto pairs = static_cast<double>(micro.size());
            loop->add({{"accuracy", ((s.chosen > s.rejected).to(torch::kFloat32) * s.clear).sum()},
                       {"margin", ((s.chosen - s.rejected) * s.clear).sum()}},
                      clearPairs(train, micro));
            loop->add({{"mean_reward", (s.chosen + s.rejected).sum() / 2}, {"center_loss", s.center.sum()}}, pairs);
            loop->addExtreme("min_reward", torch::minimum(s.chosen, s.rejected).min(), false);
            loop->addExtreme("max_reward", torch::maximum(s.chosen, s.rejected).max(), true);
        }
        PL_CHECK(loop->update());
        PL_CHECK(observe());
        PL_CHECK(loop->endStep());
    }
    return loop->finish();
}

} // namespace

PAIRLAB_PLUGIN("reward_model", "1.0.0", validate, run)
