// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation and its relatives: the policy's log-ratios to a frozen reference are the rewards.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include <torch/torch.h>

#include "core/base/os/files.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/models/flops.h"
#include "core/learn/objectives/pair_losses.h"
#include "core/learn/training/reference_cache.h"
#include "plugins/sdk/setup.h"
#include "plugins/sdk/train_loop.h"

namespace {

using namespace pl;
using namespace pl::sdk;
using learn::TokenizedPair;

struct Parameters {
    learn::PairLoss loss;
    learn::PairLossOptions options;
    double sftWeight = 0;
    bool softTies = true;
    bool useWeights = true;
    enum class From { AsMet, Cached, Live } reference = From::AsMet;
    learn::RowLayout layout; ///< as the device wants it, so known when the model is

    static Result<Parameters> of(const Json& p) {
        const std::string_view what = "the parameters";
        Parameters out;
        PL_TRY(const auto loss, field<std::string>(p, "loss", what));
        PL_TRY(out.loss, learn::findPairLoss(loss));
        PL_TRY(out.options.beta, field<double>(p, "beta", what));
        PL_TRY(out.options.labelSmoothing, field<double>(p, "label_smoothing", what));
        PL_TRY(out.options.ipoNormalised, field<bool>(p, "ipo_normalised", what));
        PL_TRY(out.sftWeight, field<double>(p, "sft_weight", what));
        PL_TRY(const auto ties, field<std::string>(p, "ties", what));
        out.softTies = ties == "soft";
        PL_TRY(out.useWeights, field<bool>(p, "use_weights", what));
        PL_TRY(const auto reference, field<std::string>(p, "reference", what));
        out.reference = reference == "live" ? From::Live : reference == "cached" ? From::Cached : From::AsMet;
        return out;
    }
    double weightOf(const TokenizedPair& pair) const { return useWeights ? pair.weight : 1.0; }
};

/// Where reference log-probabilities come from: a model beside the policy, sums computed before the first step, or sums computed by the
/// model when their pairs are first met.
struct Reference {
    FrozenPolicy live;
    learn::ReferenceLogps train, dev;
    std::unique_ptr<FrozenPolicy> frozen; ///< until every pair was met
    std::unique_ptr<learn::ReferenceAsMet> asMet;

    const learn::ReferenceLogps& ofTrain() const { return asMet ? asMet->logps() : train; }
    Status meet(int64_t step) {
        if (!asMet)
            return {};
        PL_CHECK(asMet->meet(step));
        if (asMet->complete())
            frozen.reset();
        return {};
    }
};

Result<learn::ReferenceLogps> cachedReference(learn::Job& job, const ModelSpec& spec, const Setup& setup,
                                              learn::Decoder& model, const std::string& name,
                                              const std::vector<TokenizedPair>& pairs, const learn::RowLayout& layout,
                                              int64_t tokenBudget) {
    const auto precision = setup.loaded.model->precision();
    PL_TRY(const auto hash, modelHash(spec.path));
    const auto key = learn::referenceKey(hash, pairs, layout, precision);
    const auto path = os::joinPath(job.bundle().dir(), "cache/reference-" + name);
    PL_TRY(auto stored, learn::loadReference(path, key, pairs.size()));
    if (stored) { // by an earlier attempt at this run, whose work it was
        learn::countFlops(stored->flops);
        return std::move(*stored);
    }
    if (model.is_empty()) {
        PL_TRY(auto loaded, learn::loadModel(spec.path, setup.device));
        model = loaded.model;
        model->setPrecision(precision);
    }
    PL_TRY(auto computed, learn::computeReference(model, pairs, tokenBudget, layout, [&job] { return !job.mustLeave(); }));
    PL_CHECK(learn::storeReference(path, key, computed));
    return computed;
}

/// The role "reference", or else the model the policy starts from.
Result<Reference> prepareReference(learn::Job& job, const Setup& setup, const PairData& data,
                                   const Parameters& parameters, int64_t tokenBudget) {
    Reference out;
    if (parameters.reference == Parameters::From::Live) {
        PL_TRY(out.live, FrozenPolicy::make(job, setup));
        return out;
    }
    PL_TRY(const auto spec, modelFor(job, job.spec().model("reference") ? "reference" : "policy"));
    const bool shared = sharesReference(job, setup);
    const auto off = shared ? setup.adapters->off() : learn::AdaptersOff();
    learn::Decoder model = shared ? setup.loaded.model : learn::Decoder(nullptr);
    PL_TRY(out.dev, cachedReference(job, spec, setup, model, "dev", data.dev, parameters.layout, tokenBudget));
    if (parameters.reference == Parameters::From::AsMet) {
        PL_TRY(auto frozen, FrozenPolicy::make(job, setup));
        out.frozen = std::make_unique<FrozenPolicy>(std::move(frozen));
        return out;
    }
    PL_TRY(out.train, cachedReference(job, spec, setup, model, "train", data.train, parameters.layout, tokenBudget));
    return out;
}

/// Sums of some pairs under the frozen model.
Result<learn::ReferenceLogps> sumsOf(learn::Job& job, FrozenPolicy& frozen, const std::vector<TokenizedPair>& pairs,
                                     const std::vector<size_t>& indices, const Parameters& parameters, const torch::Device& device,
                                     int64_t tokenBudget) {
    torch::NoGradGuard noGrad;
    learn::ReferenceLogps out;
    out.chosen = torch::zeros({static_cast<int64_t>(indices.size())});
    out.rejected = torch::zeros_like(out.chosen);
    std::map<size_t, size_t> place;
    for (size_t i = 0; i < indices.size(); ++i)
        place[indices[i]] = i;
    for (const auto& part : learn::pairParts(pairs, indices, parameters.layout, tokenBudget)) {
        if (job.mustLeave())
            return fail(Code::Cancelled, "left while computing the reference's log-probabilities");
        const auto sums = frozen.logps(learn::pairBatch(pairs, part, device, parameters.layout)).sums().to(torch::kFloat32).cpu().contiguous();
        for (size_t i = 0; i < part.size(); ++i) {
            out.chosen.data_ptr<float>()[place.at(part[i])] = sums.const_data_ptr<float>()[i];
            out.rejected.data_ptr<float>()[place.at(part[i])] = sums.const_data_ptr<float>()[part.size() + i];
        }
    }
    return out;
}

/// Log-probabilities of some pairs with what the metrics need.
struct Scored {
    learn::PairLogps logps;
    torch::Tensor loss, weight, clear, entropy;
    int64_t tokens = 0, completionTokens = 0;
};

Scored score(learn::Decoder& policy, Reference& reference, const learn::ReferenceLogps& cache,
             const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& indices, const Parameters& parameters) {
    const auto device = policy->device();
    const auto n = static_cast<int64_t>(indices.size());
    const auto batch = learn::pairBatch(pairs, indices, device, parameters.layout);
    const auto logps = learn::completionLogps(policy, batch, true);
    const auto sums = logps.sums(), counts = logps.counts();
    Scored out;
    out.tokens = batch.realTokens;
    out.completionTokens = batch.completionTokens;
    out.entropy = logps.entropy.sum();
    out.logps.chosenSum = sums.narrow(0, 0, n);
    out.logps.rejectedSum = sums.narrow(0, n, n);
    out.logps.chosenCount = counts.narrow(0, 0, n);
    out.logps.rejectedCount = counts.narrow(0, n, n);
    if (!reference.live.empty()) {
        const auto frozen = reference.live.logps(batch).sums();
        out.logps.refChosenSum = frozen.narrow(0, 0, n);
        out.logps.refRejectedSum = frozen.narrow(0, n, n);
    } else {
        const std::vector<int64_t> rows(indices.begin(), indices.end());
        const auto at = torch::tensor(rows, torch::kInt64);
        out.logps.refChosenSum = cache.chosen.index_select(0, at).to(device);
        out.logps.refRejectedSum = cache.rejected.index_select(0, at).to(device);
    }
    const auto soft = column(pairs, indices, &TokenizedPair::softLabel, device);
    const bool hard = std::all_of(indices.begin(), indices.end(), [&](size_t i) { return pairs[i].softLabel == 1; });
    out.loss = learn::pairLoss(parameters.loss, out.logps, parameters.options, hard ? torch::Tensor() : soft);
    out.weight = parameters.useWeights ? column(pairs, indices, &TokenizedPair::weight, device) : torch::ones_like(soft);
    out.clear = (soft != 0.5).to(torch::kFloat32);
    return out;
}

struct Totals {
    double weight = 0, clear = 0, chosenTokens = 0;
};
Totals totals(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& indices, const Parameters& parameters) {
    Totals out;
    for (const size_t i : indices) {
        out.weight += parameters.weightOf(pairs[i]);
        out.clear += pairs[i].tie() ? 0 : 1;
        out.chosenTokens += static_cast<double>(pairs[i].chosen.completionLength());
    }
    return out;
}

/// TRL's metrics as sums over the pairs that are not ties. Rewards are beta times the raw log-ratios.
MetricSums preferenceSums(const Scored& s, double beta) {
    torch::NoGradGuard noGrad;
    const auto chosen = beta * s.logps.chosenRatio(), rejected = beta * s.logps.rejectedRatio();
    return {{"rewards/chosen", (chosen * s.clear).sum()},
            {"rewards/rejected", (rejected * s.clear).sum()},
            {"rewards/margins", ((chosen - rejected) * s.clear).sum()},
            {"rewards/accuracies", ((chosen > rejected).to(torch::kFloat32) * s.clear).sum()},
            {"logps/chosen", (s.logps.chosenSum * s.clear).sum()},
            {"logps/rejected", (s.logps.rejectedSum * s.clear).sum()}};
}

std::vector<std::vector<size_t>> split(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& indices,
                                       const Parameters& parameters, int64_t tokenBudget) {
    if (parameters.loss.acrossPairs)
        return {indices};
    return learn::pairParts(pairs, indices, parameters.layout, tokenBudget);
}

std::map<std::string, double> evaluate(learn::Decoder& policy, Reference& reference,
                                       const std::vector<TokenizedPair>& pairs, const Parameters& parameters,
                                       int64_t tokenBudget) {
    torch::NoGradGuard noGrad;
    const auto all = allIndices(pairs.size());
    const auto total = totals(pairs, all, parameters);
    double loss = 0, entropy = 0, tokens = 0;
    learn::MetricWindow window;
    for (const auto& micro : split(pairs, all, parameters, tokenBudget)) {
        const auto s = score(policy, reference, reference.dev, pairs, micro, parameters);
        loss += (s.loss * s.weight).sum().item<double>();
        entropy += s.entropy.item<double>();
        tokens += static_cast<double>(s.completionTokens);
        for (const auto& [name, sum] : preferenceSums(s, parameters.options.beta))
            window.add("eval_" + name, sum.item<double>(), totals(pairs, micro, parameters).clear);
    }
    auto out = window.means();
    out["eval_loss"] = loss / total.weight;
    out["eval_entropy"] = entropy / tokens;
    addRate(out, "eval_rewards/accuracies", window.mean("eval_rewards/accuracies") * total.clear, total.clear);
    return out;
}

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_TRY(const auto parameters, Parameters::of(job.parameters()));
    PL_CHECK(loopOptions(job.parameters(), 1));
    PL_CHECK(adapterOptions(job.parameters()));
    const bool ties = parameters.softTies && !dataFile(job, "ties.jsonl").empty();
    PL_CHECK(learn::checkPairLoss(parameters.loss, parameters.options, ties, false));
    if (dataFile(job, "train.jsonl").empty())
        return fail(Code::NotFound, "the run has no data/train.jsonl", "Choose a data set with labelled pairs.");
    return {};
}

Status run(learn::Job& job) {
    PL_TRY(auto parameters, Parameters::of(job.parameters()));
    PL_TRY(auto setup, setUp(job, "policy"));
    PL_TRY(parameters.layout, rowLayout(job.parameters(), setup.device));
    auto& policy = setup.loaded.model;
    PL_TRY(const auto longest, maxLength(job.parameters(), setup.loaded.config));
    PL_TRY(const auto data, readPairData(job, setup.encoder, longest, parameters.softTies));
    const auto& train = data.train;
    const bool soft = std::any_of(train.begin(), train.end(), [](const TokenizedPair& p) { return p.softLabel != 1; });
    PL_CHECK(learn::checkPairLoss(parameters.loss, parameters.options, soft, false));

    PL_TRY(auto memory, memoryPlan(job.parameters(), TrainMethod::Dpo, parameters.layout, setup));
    memory.referenceBeside = parameters.reference != Parameters::From::Cached;
    memory.read = answerShare(train);
    PL_CHECK(decideCheckpointing(job, setup, memory));

    PL_TRY(const auto options, loopOptions(job.parameters(), train.size()));
    PL_TRY(auto reference, prepareReference(job, setup, data, parameters, options.microBatchTokens));
    PL_TRY(auto loop, TrainLoop::start(job, setup.trainable(), options, train.size()));
    learn::BatchPlan plan(train.size(), static_cast<size_t>(options.batchSize), job.spec().seed);
    if (reference.frozen)
        reference.asMet = std::make_unique<learn::ReferenceAsMet>(
            train.size(), plan, loop->step(), [&](const std::vector<size_t>& pairs) {
                return sumsOf(job, *reference.frozen, train, pairs, parameters, setup.device, options.microBatchTokens);
            });
    const auto observe = [&]() -> Status {
        if (loop->evaluationDue() && !data.dev.empty())
            PL_CHECK(loop->evaluated(evaluate(policy, reference, data.dev, parameters, options.microBatchTokens),
                                     data.decidingMetric("eval_loss"), false));
        if (loop->samplesDue())
            PL_CHECK(writeSamples(job, policy, setup.encoder, loop->step()));
        return {};
    };
    if (!loop->resumed()) {
        auto values = data.controlMetrics();
        values["eval_length_baseline"] = learn::longerWinsAccuracy(data.dev);
        PL_CHECK(loop->report(values));
        PL_CHECK(observe());
    }

    while (loop->next()) {
        const auto batch = plan.batch(loop->step());
        if (auto met = reference.meet(loop->step()); !met && met.error().code != Code::Cancelled)
            return met; // one that is asked to leave does so below
        // Shares of the whole step, so that its split into micro-batches does not change the loss.
        const auto total = totals(train, batch, parameters);
        for (const auto& micro : split(train, batch, parameters, options.microBatchTokens)) {
            if (loop->leaving())
                break;
            const auto s = score(policy, reference, reference.ofTrain(), train, micro, parameters);
            auto loss = (s.loss * s.weight).sum() / total.weight;
            if (parameters.sftWeight > 0)
                loss = loss - parameters.sftWeight * s.logps.chosenSum.sum() / total.chosenTokens;
            loss.backward();
            loop->addLoss(loss.detach());
            loop->addTokens(s.tokens);
            loop->add(preferenceSums(s, parameters.options.beta), totals(train, micro, parameters).clear);
            loop->add({{"entropy", s.entropy}}, static_cast<double>(s.completionTokens));
        }
        PL_CHECK(loop->update());
        PL_CHECK(observe());
        PL_CHECK(loop->endStep());
    }
    return loop->finish();
}

} // namespace

PAIRLAB_PLUGIN("dpo", "1.0.0", validate, run)
