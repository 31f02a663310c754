// SPDX-License-Identifier: Apache-2.0
// Supervised fine-tuning: the log-likelihood of completions given their prompts, from a model or from random weights.
#include <cmath>

#include <torch/torch.h>

#include "core/learn/host/plugin_entry.h"
#include "plugins/sdk/setup.h"
#include "plugins/sdk/train_loop.h"

namespace {

using namespace pl;
using namespace pl::sdk;

struct Parameters {
    bool fromScratch = false;
    bool lossOnPrompt = false;

    static Result<Parameters> of(const Json& p) {
        Parameters out;
        PL_TRY(out.fromScratch, field<bool>(p, "from_scratch", "the parameters"));
        PL_TRY(const auto lossOn, field<std::string>(p, "loss_on", "the parameters"));
        out.lossOnPrompt = lossOn == "all";
        return out;
    }
};

Result<std::vector<learn::TokenizedRow>> readRows(learn::Job& job, const Setup& setup, const std::string& file,
                                                  int64_t maxLength, bool lossOnPrompt) {
    PL_TRY(const auto rows, readSft(job.bundle().dataPath(file)));
    learn::TokenReport report;
    PL_TRY(auto out, learn::tokenizeSft(rows, setup.encoder, maxLength, report));
    job.logLine(report.tooLong ? "warn" : "info", report.toString(file));
    if (lossOnPrompt)
        for (auto& row : out)
            row.start = 1; // every token but the first, which nothing predicts
    return out;
}

learn::RowBatch batchOf(const std::vector<learn::TokenizedRow>& rows, const std::vector<size_t>& indices,
                        const torch::Device& device, const learn::RowLayout& layout) {
    std::vector<const learn::TokenizedRow*> chosen;
    for (const size_t i : indices)
        chosen.push_back(&rows[i]);
    return learn::rowBatch(chosen, device, layout);
}

std::vector<std::vector<size_t>> split(const std::vector<learn::TokenizedRow>& rows, const std::vector<size_t>& indices,
                                       const learn::RowLayout& layout, int64_t tokenBudget) {
    return learn::rowParts(indices, [&](size_t i) -> const learn::TokenizedRow& { return rows[i]; }, layout, tokenBudget);
}

int64_t scoredTokens(const std::vector<learn::TokenizedRow>& rows, const std::vector<size_t>& indices) {
    int64_t out = 0;
    for (const size_t i : indices)
        out += rows[i].completionLength();
    return out;
}

/// Mean negative log-likelihood of a held-out token.
std::map<std::string, double> evaluate(learn::Decoder& model, const std::vector<learn::TokenizedRow>& rows,
                                       const learn::RowLayout& layout, int64_t tokenBudget) {
    torch::NoGradGuard noGrad;
    const auto all = allIndices(rows.size());
    double sum = 0;
    for (const auto& micro : split(rows, all, layout, tokenBudget)) {
        sum -= learn::completionLogps(model, batchOf(rows, micro, model->device(), layout)).sums().sum().item<double>();
    }
    const double loss = sum / static_cast<double>(scoredTokens(rows, all));
    return {{"eval_loss", loss}, {"eval_perplexity", std::exp(loss)}};
}

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_CHECK(Parameters::of(job.parameters()));
    PL_CHECK(loopOptions(job.parameters(), 1));
    PL_CHECK(adapterOptions(job.parameters()));
    if (dataFile(job, "train.jsonl").empty())
        return fail(Code::NotFound, "the run has no data/train.jsonl", "Choose a data set with prompts and completions.");
    return {};
}

Status run(learn::Job& job) {
    PL_TRY(const auto parameters, Parameters::of(job.parameters()));
    PL_TRY(auto setup, setUp(job, "policy", {.fromScratch = parameters.fromScratch}));
    auto& model = setup.loaded.model;
    PL_TRY(auto layout, rowLayout(job.parameters(), setup.device));
    layout.sharePrompts = false; // every row is a text of its own
    PL_TRY(const auto longest, maxLength(job.parameters(), setup.loaded.config));
    PL_TRY(const auto train, readRows(job, setup, "train.jsonl", longest, parameters.lossOnPrompt));
    std::vector<learn::TokenizedRow> dev;
    if (!dataFile(job, "dev.jsonl").empty()) {
        PL_TRY(dev, readRows(job, setup, "dev.jsonl", longest, false));
    }

    PL_TRY(auto memory, memoryPlan(job.parameters(), TrainMethod::Sft, layout, setup));
    double answers = 0, all = 0;
    for (const auto& row : train) {
        answers += static_cast<double>(row.completionLength());
        all += static_cast<double>(row.length());
    }
    memory.read = answers / std::max(all, 1.0);
    PL_CHECK(decideCheckpointing(job, setup, memory));

    PL_TRY(const auto options, loopOptions(job.parameters(), train.size()));
    PL_TRY(auto loop, TrainLoop::start(job, setup.trainable(), options, train.size()));
    learn::BatchPlan plan(train.size(), static_cast<size_t>(options.batchSize), job.spec().seed);
    const auto observe = [&]() -> Status {
        if (loop->evaluationDue() && !dev.empty())
            PL_CHECK(loop->evaluated(evaluate(model, dev, layout, options.microBatchTokens), "eval_loss", false));
        if (loop->samplesDue())
            PL_CHECK(writeSamples(job, model, setup.encoder, loop->step()));
        return {};
    };
    if (!loop->resumed())
        PL_CHECK(observe());

    while (loop->next()) {
        const auto batch = plan.batch(loop->step());
        // Divided by the tokens of the whole step, so that its split into micro-batches does not change the loss.
        const auto tokens = static_cast<double>(scoredTokens(train, batch));
        for (const auto& micro : split(train, batch, layout, options.microBatchTokens)) {
            if (loop->leaving())
                break;
            const auto rows = batchOf(train, micro, setup.device, layout);
            const auto loss = -learn::completionLogps(model, rows).sums().sum() / tokens;
            loss.backward();
            loop->addLoss(loss.detach());
            loop->addTokens(rows.realTokens);
        }
        PL_CHECK(loop->update());
        PL_CHECK(observe());
        PL_CHECK(loop->endStep());
    }
    return loop->finish();
}

} // namespace

PAIRLAB_PLUGIN("sft", "1.0.0", validate, run)
