// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/setup.h"

#include <cmath>
#include <numeric>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/base/amounts.h"
#include "core/base/hash.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/learn/host/device_memory.h"
#include "core/learn/sampling/sampler.h"
#include "core/rules/statistics.h"

namespace pl::sdk {

namespace {

constexpr size_t kSamplePrompts = 8;
constexpr int64_t kSampleTokens = 128;

} // namespace

Result<ModelSpec> modelFor(learn::Job& job, const std::string& role) {
    const auto* spec = job.spec().model(role);
    if (!spec)
        return fail(Code::InvalidInput, fmt::format("run {} names no model for the role '{}'", job.spec().name, role),
                    "Choose a model for it and start again.");
    return *spec;
}

Result<std::optional<learn::AdapterOptions>> adapterOptions(const Json& p) {
    const std::string_view what = "the parameters";
    learn::AdapterOptions out;
    PL_TRY(out.rank, fieldOr<int64_t>(p, "adapter_rank", 0, what));
    if (out.rank == 0)
        return std::optional<learn::AdapterOptions>();
    PL_TRY(out.alpha, field<double>(p, "adapter_alpha", what));
    PL_TRY(out.targets, field<std::string>(p, "adapter_targets", what));
    PL_TRY(out.rankStabilised, fieldOr<bool>(p, "adapter_rslora", false, what));
    return std::optional(std::move(out));
}

namespace {

Status putAdapters(learn::Job& job, Setup& setup, const SetupOptions& options) {
    PL_TRY(auto wanted, adapterOptions(job.parameters()));
    if (!wanted)
        return {};
    if (options.fromScratch)
        return fail(Code::InvalidInput, "adapters cannot be trained beside random weights",
                    "Set adapter_rank to 0, or from_scratch to false.");
    if (options.rewardHead)
        wanted->whole = {"score"};
    auto& model = setup.loaded.model;
    PL_TRY(setup.adapters, learn::Adapters::attach(*model, model->adaptable(), *wanted, hashSeed(job.spec().seed, "adapters")));
    int64_t trained = 0;
    for (const auto& [name, parameter] : setup.adapters->parameters())
        trained += parameter.numel();
    job.logLine("info", fmt::format("adapters of rank {} on {} layers: {} parameters are trained", wanted->rank,
                                    setup.adapters->layers().size(), trained));
    return {};
}

} // namespace

learn::Trainable Setup::trainable() const {
    if (!adapters)
        return learn::trainable(loaded.model, loaded.dir);
    // As PEFT does with a local model: its folder, so that AutoPeftModel finds it. Weights that an adapter was merged into when they
    // were loaded lie in no folder.
    const bool merged = os::isDir(os::joinPath(loaded.dir, kAppliedAdapter));
    return learn::trainable(loaded.model, loaded.dir, *adapters,
                            {merged ? name : os::absolutePath(loaded.dir), loaded.hash, loaded.config.rewardHead ? "SEQ_CLS" : "CAUSAL_LM"});
}

bool sharesReference(const learn::Job& job, const Setup& policy) {
    return policy.adapters && !job.spec().model("reference");
}

Result<FrozenPolicy> FrozenPolicy::make(learn::Job& job, const Setup& policy) {
    FrozenPolicy out;
    if (sharesReference(job, policy)) {
        out.m_model = policy.loaded.model;
        out.m_adapters = policy.adapters;
        job.logLine("info", "reference: the policy with its adapters off");
        return out;
    }
    PL_TRY(const auto spec, modelFor(job, job.spec().model("reference") ? "reference" : "policy"));
    PL_TRY(auto loaded, learn::loadModel(spec.path, policy.device));
    PL_CHECK(policy.encoder.checkFits(loaded.config, spec.path));
    out.m_model = loaded.model;
    out.m_model->setPrecision(policy.loaded.model->precision()); // equal weights then give equal bits
    return out;
}

learn::CompletionLogps FrozenPolicy::logps(const learn::RowBatch& batch, double temperature) {
    torch::NoGradGuard noGrad;
    const auto off = m_adapters ? m_adapters->off() : learn::AdaptersOff();
    return learn::completionLogps(m_model, batch, false, temperature);
}

Result<learn::RowLayout> rowLayout(const Json& parameters, const torch::Device& device) {
    PL_TRY(const auto packing, fieldOr<std::string>(parameters, "packing", "auto", "the parameters"));
    learn::RowLayout out;
    // Elsewhere than on the processor segments of different shapes are calls of their own, which many short ones do not repay.
    out.packed = packing == "on" || (packing == "auto" && device.is_cpu());
    return out;
}

Result<MemoryPlan> memoryPlan(const Json& parameters, TrainMethod method, const learn::RowLayout& layout, const Setup& setup) {
    const std::string_view what = "the parameters";
    MemoryPlan out = MemoryPlan().on(setup.device.str());
    out.method = method;
    out.packed = layout.packed;
    PL_TRY(out.positions, field<int64_t>(parameters, "micro_batch_tokens", what));
    PL_TRY(out.adapterRank, fieldOr<int64_t>(parameters, "adapter_rank", 0, what));
    PL_TRY(const auto precision, fieldOr<std::string>(parameters, "precision", "fp32", what));
    out.half = precision == "bf16";
    return out;
}

Status decideCheckpointing(learn::Job& job, Setup& setup, const MemoryPlan& plan) {
    PL_TRY(const auto wanted, fieldOr<std::string>(job.parameters(), "activation_checkpointing", "auto", "the parameters"));
    const auto& config = setup.loaded.config;
    const auto plain = estimateMemory(config, plan);
    // The weights are there already, in fp32; what the program takes of the processor's memory, CUDA takes of a GPU's.
    const auto has = learn::deviceMemory(setup.device);
    const double memory = has.total > 0 ? static_cast<double>(has.free) + 4.0 * static_cast<double>(config.parameterCount()) + plain.program : INFINITY;
    const bool on = decided(config, plan, checkpointingOf(wanted), memory).recompute;
    setup.loaded.model->recomputeLayers(on);
    if (on)
        job.logLine("info", fmt::format("activation checkpointing ({}): layers are computed again in the backward pass; kept, they would need "
                                        "about {} in all, and {} are free",
                                        wanted, byteText(plain.total()), byteText(memory)));
    return {};
}

Result<Setup> setUp(learn::Job& job, const std::string& role, const SetupOptions& options) {
    if (job.spec().threads > 0)
        at::set_num_threads(job.spec().threads);
    PL_TRY(const auto spec, modelFor(job, role));
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    PL_TRY(const auto asked, fieldOr<std::string>(job.parameters(), "precision", "fp32", "the parameters"));
    PL_TRY(const auto precision, learn::precisionOf(asked));
    PL_TRY(auto encoder, learn::TextEncoder::load(spec.path));
    learn::LoadedModel loaded;
    if (options.fromScratch) {
        const std::string path = os::joinPath(spec.path, "config.json");
        PL_TRY(const auto json, readJsonFile(path));
        PL_TRY(loaded.config, learn::ModelConfig::fromJson(json, path));
        loaded.dir = spec.path;
        loaded.model = learn::Decoder(loaded.config);
        loaded.model->initialise(job.spec().seed);
        loaded.model->to(device);
    } else {
        PL_TRY(loaded, learn::loadModel(spec.path, device, options.rewardHead, job.spec().seed));
    }
    PL_CHECK(encoder.checkFits(loaded.config, spec.path));
    loaded.model->setPrecision(precision);
    job.logLine("info", fmt::format("model {}: {} parameters, {} threads, {}", spec.name.empty() ? spec.path : spec.name,
                                    loaded.config.parameterCount(), at::get_num_threads(), asked));
    Setup out{std::move(loaded), std::move(encoder), device, spec.name.empty() ? spec.path : spec.name, {}};
    if (role == "policy")
        PL_CHECK(putAdapters(job, out, options));
    return out;
}

Result<int64_t> maxLength(const Json& parameters, const learn::ModelConfig& config) {
    PL_TRY(const int64_t asked, field<int64_t>(parameters, "max_length", "the parameters"));
    return config.maxPositions > 0 ? std::min(asked, config.maxPositions) : asked;
}

std::string dataFile(const learn::Job& job, const std::string& file) {
    const auto path = job.bundle().dataPath(file);
    return os::exists(path) ? path : std::string();
}

Result<PairData> readPairData(learn::Job& job, const learn::TextEncoder& encoder, int64_t maxLength, bool softTies) {
    PairData out;
    const auto read = [&](const std::string& file, const std::string& split,
                          std::vector<learn::TokenizedPair>& into) -> Status {
        PL_TRY(auto rows, readPairs(job.bundle().dataPath(file)));
        if (const auto ties = dataFile(job, "ties.jsonl"); softTies && !ties.empty()) {
            PL_TRY(auto more, readTies(ties, split));
            for (auto& row : more) {
                row.softLabel = 0.5;
                rows.push_back(std::move(row));
            }
        }
        learn::TokenReport report;
        auto pairs = learn::tokenizePairs(rows, encoder, maxLength, report);
        if (!pairs)
            return tl::unexpected<Error>(std::move(pairs).error().with("in " + file));
        into = std::move(*pairs);
        job.logLine(report.tooLong ? "warn" : "info", report.toString(file));
        return {};
    };
    PL_CHECK(read("train.jsonl", "train", out.train));
    if (out.train.empty())
        return fail(Code::InvalidInput, "train.jsonl has no pair to train on",
                    "Label more pairs, or raise max_length.");
    if (!dataFile(job, "dev.jsonl").empty())
        PL_CHECK(read("dev.jsonl", "dev", out.dev));
    PL_TRY(const auto control, fieldOr<std::string>(job.parameters(), "label_control", "none", "the parameters"));
    PL_TRY(out.control, learn::labelControlOf(control));
    if (out.control != learn::LabelControl::None) {
        out.controlled = learn::applyLabelControl(out.train, out.control, job.spec().seed);
        job.alert("warn", "label_control",
                  fmt::format("A control: label_control is {}, so {} of {} training labels point the other way. Held-out "
                              "labels are as they were and choose no checkpoint. Do not use this model.",
                              control, out.controlled.exchanged, out.controlled.labels),
                  0);
    }
    return out;
}

std::map<std::string, double> PairData::controlMetrics() const {
    if (control == learn::LabelControl::None)
        return {};
    return {{"label_control/exchanged",
             static_cast<double>(controlled.exchanged) / static_cast<double>(controlled.labels)}};
}

torch::Tensor column(const std::vector<learn::TokenizedPair>& pairs, const std::vector<size_t>& indices,
                     double learn::TokenizedPair::*member, const torch::Device& device) {
    std::vector<float> values;
    for (const size_t i : indices)
        values.push_back(static_cast<float>(pairs[i].*member));
    return torch::tensor(values, torch::kFloat32).to(device);
}

double answerShare(const std::vector<learn::TokenizedPair>& pairs) {
    double answers = 0, all = 0;
    for (const auto& pair : pairs) {
        answers += static_cast<double>(pair.chosen.completionLength() + pair.rejected.completionLength());
        all += 2 * static_cast<double>(std::max(pair.chosen.length(), pair.rejected.length()));
    }
    return all > 0 ? answers / all : 0;
}

std::vector<size_t> allIndices(size_t n) {
    std::vector<size_t> out(n);
    std::iota(out.begin(), out.end(), size_t{0});
    return out;
}

Status writeSamples(learn::Job& job, learn::Decoder& model, const learn::TextEncoder& encoder, int64_t step) {
    const auto path = dataFile(job, "prompts.jsonl");
    if (path.empty())
        return {};
    PL_TRY(const auto all, readPrompts(path));
    std::vector<const PromptRow*> pinned;
    for (const char* split : {"dev", "train"})
        for (const auto& row : all)
            if (row.split == split && pinned.size() < kSamplePrompts)
                pinned.push_back(&row);
    const int64_t room = model->config().maxPositions;
    std::vector<std::vector<int64_t>> prompts;
    std::vector<const PromptRow*> asked;
    for (const auto* row : pinned) {
        PL_TRY(auto ids, encoder.promptIds(row->prompt));
        if (room > 0 && static_cast<int64_t>(ids.size()) >= room)
            continue;
        prompts.push_back(std::move(ids));
        asked.push_back(row);
    }
    if (prompts.empty())
        return {};
    size_t longest = 0;
    for (const auto& ids : prompts)
        longest = std::max(longest, ids.size());
    learn::SamplingOptions options;
    options.temperature = 0.7;
    options.seed = job.spec().seed;
    options.stopIds = encoder.stopIds;
    options.maxNewTokens = room > 0 ? std::min<int64_t>(kSampleTokens, room - static_cast<int64_t>(longest)) : kSampleTokens;
    auto sampled = learn::sampleBatch(model, prompts, options, [&job] { return !job.mustLeave(); });
    if (!sampled) {
        if (sampled.error().code == Code::Cancelled)
            return {};
        return tl::unexpected<Error>(std::move(sampled).error());
    }
    for (size_t i = 0; i < sampled->size() && i < asked.size(); ++i) {
        const auto& one = (*sampled)[i];
        PL_CHECK(job.events().write(event::kSample, {{"step", step},
                                                     {"prompt_id", asked[i]->id},
                                                     {"prompt", asked[i]->prompt},
                                                     {"response", encoder.answer(one.ids, one.finished)},
                                                     {"tokens", one.ids.size()},
                                                     {"finished", one.finished}}));
    }
    return {};
}

Result<bool> replaysOf(const Json& parameters) {
    PL_TRY(const auto graphs, fieldOr<std::string>(parameters, "device_graphs", "auto", "the parameters"));
    if (graphs != "auto" && graphs != "off")
        return fail(Code::InvalidInput, fmt::format("device_graphs is '{}'", graphs), "Use auto or off.");
    return graphs == "auto";
}

void addRate(std::map<std::string, double>& values, const std::string& name, double successes, double n) {
    const auto interval = rules::wilson(successes, n);
    values[name] = n > 0 ? successes / n : std::nan("");
    values[name + "_low"] = interval.low;
    values[name + "_high"] = interval.high;
    values[name + "_n"] = n;
}

} // namespace pl::sdk
