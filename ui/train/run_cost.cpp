// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/run_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/amounts.h"
#include "core/base/memory_estimate.h"
#include "ui/shell/context.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr double kCharsPerToken = 3.5; ///< a rough mean of small BPE vocabularies on English; only for estimates
constexpr double kScenesPerEpoch = 100000; ///< as image_sft counts drawn scenes

double numberOr(const Json& values, const char* key, double fallback) {
    const auto it = values.find(key);
    return it != values.end() && it->is_number() ? it->get<double>() : fallback;
}
bool needs(const Manifest& m, const char* what) {
    return std::find(m.data.begin(), m.data.end(), what) != m.data.end();
}

/// Pictures that one step works on, up to a factor that is the same in every run of a method.
double imagesPerStep(const Json& values) {
    return values.contains("group_size") ? numberOr(values, "prompts_per_step", 1) * numberOr(values, "group_size", 1)
                                         : numberOr(values, "batch_size", 1);
}

RunCost imageCost(const RunCostInput& in, double steps) {
    RunCost out;
    const bool reference = std::any_of(in.manifest->models.begin(), in.manifest->models.end(),
                                       [](const ModelNeed& need) { return need.role == "reference"; });
    const bool adapters = numberOr(in.values, "adapter_rank", 0) > 0; // all but they are frozen, and the reference is the same model
    out.bytes = static_cast<double>(in.facts->parameters) * (adapters ? 4 : reference ? 20 : 16);
    const QString count = formatCount(static_cast<int64_t>(steps));
    out.basis = u"%1 steps; the first run measures what one takes"_s.arg(count);
    int64_t newest = 0;
    for (const desk::RunInfo& run : in.runs) {
        const int64_t until = run.endedMs;
        if (run.plugin != in.manifest->id || run.device != in.device || run.step < 1 || run.startedMs < 1 ||
            until <= run.startedMs || run.createdMs < newest)
            continue;
        const double before = imagesPerStep(run.parameters.is_object() ? run.parameters : Json::object());
        if (!(before > 0))
            continue;
        newest = run.createdMs;
        out.seconds = static_cast<double>(until - run.startedMs) * 1e-3 / static_cast<double>(run.step) * steps *
                      imagesPerStep(in.values) / before;
        out.basis = u"%1 steps at the speed of %2"_s.arg(count, qstr(run.name));
    }
    return out;
}

} // namespace

bool trainsImages(const Manifest& manifest) {
    return manifest.modalities == std::vector<std::string>{"image"};
}

RunCost runCost(const RunCostInput& input) {
    RunCost out;
    const Json& values = input.values;
    const bool image = trainsImages(*input.manifest);
    const double batch = numberOr(values, "batch_size", 16);
    const double rows = image && values.value("source", Json()) == Json("scenes")
                            ? kScenesPerEpoch
                            : static_cast<double>(input.counts.train + input.counts.rankings +
                                                  (values.value("ties", Json()) == Json("soft") ? input.counts.ties : 0));
    TrainCostInput in;
    in.steps = numberOr(values, "steps", 0);
    if (!(in.steps > 0))
        in.steps = std::ceil(numberOr(values, "epochs", 1) * rows / std::max(batch, 1.0));
    if (!input.facts || in.steps <= 0) {
        out.basis = !input.facts ? u"no model chosen"_s : u"no pairs to count"_s;
        return out;
    }
    if (image)
        return imageCost(input, in.steps);
    double prompt = 40, answer = 40; // tokens, until pairs say otherwise
    const bool known = input.pairs && !input.pairs->empty();
    if (known) {
        double p = 0, a = 0;
        for (const DoctorPair& pair : *input.pairs) {
            p += static_cast<double>(pair.prompt.size());
            a += static_cast<double>(pair.a.size() + pair.b.size());
        }
        const auto n = static_cast<double>(input.pairs->size());
        prompt = p / n / kCharsPerToken;
        answer = a / (2 * n) / kCharsPerToken;
    }
    MemoryPlan plan;
    plan.adapterRank = static_cast<int64_t>(numberOr(values, "adapter_rank", 0));
    plan.positions = static_cast<int64_t>(numberOr(values, "micro_batch_tokens", 2048));
    plan.half = values.value("precision", Json()) == Json("bf16");
    plan = plan.on(input.device);
    plan.packed = values.value("packing", Json()) == Json("on") || (plan.packed && values.value("packing", Json()) != Json("off"));
    plan.read = answer / std::max(prompt + answer, 1.0);
    if (values.contains("num_generations")) {
        const double most = numberOr(values, "max_new_tokens", 96);
        in.tokensPerStep = numberOr(values, "prompts_per_step", 8) * numberOr(values, "num_generations", 8) *
                           (prompt + (known ? std::min(most, answer) : 0.6 * most));
        in.forwardOnly = 2; // sampling and scoring
        plan.method = TrainMethod::Grpo;
        plan.referenceBeside = numberOr(values, "beta", 0) > 0 || values.value("monitor_kl", Json()) == Json(true);
        plan.sequences = static_cast<int64_t>(numberOr(values, "prompts_per_step", 8) * numberOr(values, "num_generations", 8));
        plan.longest = static_cast<int64_t>(prompt + most);
    } else if (needs(*input.manifest, "sft")) {
        in.tokensPerStep = batch * (prompt + answer);
        plan.method = TrainMethod::Sft;
    } else {
        in.tokensPerStep = batch * 2 * (prompt + answer);
        const bool reference = values.contains("reference");
        plan.method = reference ? TrainMethod::Dpo : TrainMethod::RewardModel;
        const bool live = reference && values.value("reference", Json()) == Json("live");
        plan.referenceBeside = live || (reference && values.value("reference", Json()) == Json("as_met"));
        in.forwardOnly = !reference ? 0 : live ? 1 : 1 / std::max(1.0, in.steps * batch / std::max(rows, 1.0));
    }
    in.parameters = input.facts->parameters;
    const TrainCost cost = trainCost(in);
    out.seconds = cost.seconds;
    if (input.facts->config) {
        // A step of few tokens is one part, smaller than it may be; packed, its prompts are there once.
        const double again = !plan.packed || plan.method == TrainMethod::Sft ? 0
                             : plan.method == TrainMethod::Grpo
                                 ? numberOr(values, "prompts_per_step", 8) * (numberOr(values, "num_generations", 8) - 1) * prompt
                                 : batch * prompt;
        plan.positions = std::min(plan.positions, static_cast<int64_t>(std::max(in.tokensPerStep - again, 1.0)));
        const auto checkpointing = values.find("activation_checkpointing");
        const auto wanted = checkpointing != values.end() && checkpointing->is_string() ? checkpointing->get<std::string>() : "auto";
        const double memory = input.memory > 0 ? input.memory : std::numeric_limits<double>::infinity();
        out.bytes = estimateMemory(*input.facts->config, decided(*input.facts->config, plan, checkpointingOf(wanted), memory)).total();
    }
    const QString steps = formatCount(static_cast<int64_t>(in.steps));
    out.basis = u"%1 steps, %2 tokens; a guess from the arithmetic until a first run is measured"_s.arg(
        steps, qstr(shortCount(cost.tokens)));
    // A run of the same method on the same device knows better.
    int64_t newest = 0;
    for (const desk::RunInfo& run : input.runs) {
        const auto speed = run.metrics.find("tokens_per_second");
        if (run.plugin != input.manifest->id || run.device != input.device || speed == run.metrics.end() ||
            !(speed->second > 0) || run.createdMs < newest)
            continue;
        newest = run.createdMs;
        out.seconds = cost.tokens / speed->second;
        out.basis = u"%1 steps at the speed of %2"_s.arg(steps, qstr(run.name));
    }
    return out;
}

} // namespace pl::ui
