// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/models/flops.h"
#include "core/learn/sampling/sampler.h"
#include "core/learn/training/text_data.h"
#include "plugins/sdk/generating.h"
#include "plugins/sdk/setup.h"

namespace pl {
namespace {

using learn::Job;

constexpr size_t kMaxRequestPrompt = size_t{64} << 10;
constexpr int64_t kMaxRequestCandidates = 64;

struct Settings {
    int64_t n = 2, maxNewTokens = 128, topK = 0, batchSize = 64, idleSeconds = 300;
    double temperature = 1, topP = 1;
    bool replays = true;

    Json sampling() const {
        return {{"temperature", temperature}, {"top_k", topK}, {"top_p", topP}, {"max_new_tokens", maxNewTokens}};
    }
};

Result<Settings> settingsOf(const Json& parameters) {
    Settings s;
    PL_TRY(s.n, fieldOr<int64_t>(parameters, "n", s.n, "the parameters"));
    PL_TRY(s.maxNewTokens, fieldOr<int64_t>(parameters, "max_new_tokens", s.maxNewTokens, "the parameters"));
    PL_TRY(s.topK, fieldOr<int64_t>(parameters, "top_k", s.topK, "the parameters"));
    PL_TRY(s.batchSize, fieldOr<int64_t>(parameters, "batch_size", s.batchSize, "the parameters"));
    PL_TRY(s.idleSeconds, fieldOr<int64_t>(parameters, "idle_s", s.idleSeconds, "the parameters"));
    PL_TRY(s.temperature, fieldOr<double>(parameters, "temperature", s.temperature, "the parameters"));
    PL_TRY(s.topP, fieldOr<double>(parameters, "top_p", s.topP, "the parameters"));
    PL_TRY(s.replays, sdk::replaysOf(parameters));
    return s;
}

/// One model that writes.
struct Writer {
    ModelSpec spec;
    learn::LoadedModel loaded;
    learn::TextEncoder encoder;
};

Result<std::vector<Writer>> loadWriters(Job& job) {
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    std::vector<Writer> writers;
    for (const char* role : sdk::kWriterRoles) {
        const ModelSpec* spec = job.spec().model(role);
        if (!spec)
            continue;
        PL_TRY(auto loaded, learn::loadModel(spec->path, device));
        if (loaded.config.rewardHead)
            return fail(Code::InvalidInput, fmt::format("the model '{}' ({}) is a reward model, which writes nothing",
                                                        spec->name, role),
                        "Choose a language model.");
        PL_TRY(auto encoder, learn::TextEncoder::load(loaded.dir));
        PL_CHECK(encoder.checkFits(loaded.config, loaded.dir));
        writers.push_back({*spec, std::move(loaded), std::move(encoder)});
    }
    return writers;
}

Json modelJson(const ModelSpec& spec) {
    return {{"role", spec.role}, {"name", spec.name}, {"hash", spec.hash}, {"path", spec.path}};
}

double sumOf(const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values)
        sum += static_cast<double>(value);
    return sum;
}

/// What one candidate is, in events and in answers to requests.
Json candidateJson(const Writer& writer, const learn::Sampled& sampled, const Json& params, uint64_t seed, int64_t index) {
    return {{"content", writer.encoder.answer(sampled.ids, sampled.finished)},
            {"model", modelJson(writer.spec)},
            {"params", params},
            {"seed", seed},
            {"index", index},
            {"tokens", sampled.ids.size()},
            {"finished", sampled.finished},
            {"logp", jsonNumber(sumOf(sampled.logps))}};
}

learn::SamplingOptions samplingOf(const Settings& s, const Writer& writer, uint64_t seed) {
    learn::SamplingOptions options;
    options.temperature = s.temperature;
    options.topK = s.topK;
    options.topP = s.topP;
    options.maxNewTokens = s.maxNewTokens;
    options.batchSize = s.batchSize;
    options.replay.on = s.replays;
    // Models draw from different streams, or two equal checkpoints would write the same answers.
    options.seed = hashSeed(seed, writer.spec.role);
    options.stopIds = writer.encoder.stopIds;
    return options;
}

/// Running figures over all models.
struct Tally {
    int64_t done = 0, total = 0, tokens = 0, finished = 0, fresh = 0;
    int64_t startNs = monotonicNs();
    double flops = 0; ///< of this attempt at the run

    double seconds() const { return static_cast<double>(monotonicNs() - startNs) * 1e-9; }
    void report(Job& job) {
        job.progress(done, total, fresh > 0 ? seconds() / static_cast<double>(fresh) * static_cast<double>(total - done) : -1);
    }
    Status metrics(Job& job) {
        if (fresh == 0)
            return {};
        flops += learn::takeFlops();
        const double count = static_cast<double>(fresh);
        return job.events().metrics(done, 0, tokens,
                                    {{"completions/mean_length", static_cast<double>(tokens) / count},
                                     {"completions/clipped_ratio", 1.0 - static_cast<double>(finished) / count},
                                     {"tokens_per_second", static_cast<double>(tokens) / std::max(seconds(), 1e-9)},
                                     {"num_tokens", static_cast<double>(tokens)},
                                     {"total_flos", flops}});
    }
};

/// Answers wanted of one model, in the order of the prompts.
struct Work {
    std::vector<std::vector<int64_t>> prompts;
    std::vector<size_t> rows; ///< of the prompt list
    std::vector<int64_t> indices;
    std::vector<uint64_t> streams;
};

Result<Work> workFor(Job& job, const Writer& writer, const std::vector<PromptRow>& prompts, const Settings& s,
             const std::set<sdk::CandidateKey>& written, Tally& tally) {
    Work work;
    int64_t tooLong = 0;
    for (size_t row = 0; row < prompts.size(); ++row) {
        PL_TRY(const auto ids, writer.encoder.promptIds(prompts[row].prompt));
        if (static_cast<int64_t>(ids.size()) + s.maxNewTokens > writer.loaded.config.maxPositions) {
            ++tooLong;
            tally.total -= s.n;
            continue;
        }
        for (int64_t i = 0; i < s.n; ++i) {
            if (written.count({prompts[row].id, writer.spec.role, i})) {
                ++tally.done;
                continue;
            }
            work.prompts.push_back(ids);
            work.rows.push_back(row);
            work.indices.push_back(i);
            // From the prompt's own name: other prompts beside it change nothing.
            work.streams.push_back(hashSeed(static_cast<uint64_t>(i), prompts[row].id));
        }
    }
    if (tooLong > 0)
        job.alert("warn", "prompts_too_long",
                  fmt::format("{} of {} prompts leave no room for {} new tokens in the {} positions of '{}' and were left out",
                              tooLong, prompts.size(), s.maxNewTokens, writer.loaded.config.maxPositions, writer.spec.name),
                  0);
    return work;
}

Status writeAnswers(Job& job, Writer& writer, const std::vector<PromptRow>& prompts, const Settings& s, const Work& work,
                    Tally& tally) {
    auto options = samplingOf(s, writer, job.spec().seed);
    options.streams = work.streams;
    learn::ReplayReport report;
    options.replay.report = &report;
    Status written;
    const auto sampled = learn::sampleBatch(
        writer.loaded.model, work.prompts, options,
        [&] {
            if (job.wish() == Job::Wish::Checkpoint)
                job.checkpointDone("events.jsonl"); // every finished answer is there already
            return written && !job.mustLeave();
        },
        [&](size_t i, const learn::Sampled& sample) {
            if (!written)
                return;
            const PromptRow& prompt = prompts[work.rows[i]];
            Json fields = candidateJson(writer, sample, s.sampling(), job.spec().seed, work.indices[i]);
            fields["prompt_id"] = prompt.id;
            fields["prompt"] = prompt.prompt;
            written = job.events().write(event::kCandidate, std::move(fields));
            ++tally.done;
            ++tally.fresh;
            tally.tokens += static_cast<int64_t>(sample.ids.size());
            tally.finished += sample.finished ? 1 : 0;
            tally.report(job);
        });
    PL_CHECK(written);
    if (const auto text = report.text(); !text.empty())
        job.logLine("info", fmt::format("{}: {}", writer.spec.name, text));
    if (!sampled)
        return tl::unexpected<Error>(sampled.error().code == Code::Cancelled ? Error{Code::Cancelled, job.stopReason(), {}, {}}
                                                                              : sampled.error());
    return tally.metrics(job);
}

/// One request of the playground: {"prompt", "n", "temperature", "max_new_tokens", "top_k", "top_p", "models", "seed"}.
Result<Json> answer(Job& job, std::vector<Writer>& writers, Settings s, const Json& payload) {
    const std::string what = "the request";
    PL_TRY(const std::string prompt, field<std::string>(payload, "prompt", what));
    if (prompt.empty() || prompt.size() > kMaxRequestPrompt)
        return fail(Code::InvalidInput, fmt::format("{}: the prompt is empty or longer than {} bytes", what, kMaxRequestPrompt));
    PL_TRY(s.n, fieldOr<int64_t>(payload, "n", 1, what));
    PL_TRY(s.temperature, fieldOr<double>(payload, "temperature", s.temperature, what));
    PL_TRY(s.topK, fieldOr<int64_t>(payload, "top_k", s.topK, what));
    PL_TRY(s.topP, fieldOr<double>(payload, "top_p", s.topP, what));
    PL_TRY(s.maxNewTokens, fieldOr<int64_t>(payload, "max_new_tokens", s.maxNewTokens, what));
    PL_TRY(const int64_t seed, fieldOr<int64_t>(payload, "seed", static_cast<int64_t>(job.spec().seed), what));
    if (s.n < 1 || s.n > kMaxRequestCandidates)
        return fail(Code::InvalidInput, fmt::format("{}: n is {}, outside 1..{}", what, s.n, kMaxRequestCandidates));
    PL_TRY(const auto chosen, sdk::writersOfRequest(writers, payload, what));
    Json candidates = Json::array();
    for (Writer* writer : chosen) {
        PL_TRY(const auto ids, writer->encoder.promptIds(prompt));
        const int64_t room = writer->loaded.config.maxPositions - static_cast<int64_t>(ids.size());
        if (room < 1)
            return fail(Code::InvalidInput, fmt::format("{}: the prompt has {} tokens, '{}' takes {}", what, ids.size(),
                                                        writer->spec.name, writer->loaded.config.maxPositions));
        auto options = samplingOf(s, *writer, static_cast<uint64_t>(seed));
        options.maxNewTokens = std::min(options.maxNewTokens, room);
        const std::vector<std::vector<int64_t>> rows(static_cast<size_t>(s.n), ids);
        PL_TRY(const auto sampled, learn::sampleBatch(writer->loaded.model, rows, options, [&] { return !job.mustLeave(); }));
        for (size_t i = 0; i < sampled.size(); ++i)
            candidates.push_back(candidateJson(*writer, sampled[i], s.sampling(), static_cast<uint64_t>(seed),
                                               static_cast<int64_t>(i)));
    }
    return Json{{"candidates", candidates}};
}

Status validate(Job& job) {
    PL_CHECK(settingsOf(job.parameters()));
    PL_CHECK(sdk::checkWriterRoles(job));
    if (!job.spec().resident)
        PL_CHECK(sdk::promptsToAnswer(job));
    return {};
}

Status run(Job& job) {
    PL_TRY(const Settings s, settingsOf(job.parameters()));
    PL_TRY(auto writers, loadWriters(job));
    if (job.spec().resident)
        return sdk::serveRequests(job, s.idleSeconds, [&](const Json& payload) { return answer(job, writers, s, payload); });
    PL_TRY(const auto prompts, sdk::promptsToAnswer(job));
    PL_TRY(const auto written, sdk::candidatesWritten(job));
    Tally tally;
    tally.total = static_cast<int64_t>(prompts.size() * writers.size()) * s.n;
    job.logLine("info", fmt::format("{} prompts, {} models, {} answers each", prompts.size(), writers.size(), s.n));
    for (Writer& writer : writers) {
        PL_TRY(const Work work, workFor(job, writer, prompts, s, written, tally));
        PL_CHECK(writeAnswers(job, writer, prompts, s, work, tally));
    }
    if (tally.total == 0)
        return fail(Code::InvalidInput, "every prompt is too long for its model", "Lower max_new_tokens.");
    job.progress(tally.total, tally.total, 0);
    return {};
}

} // namespace
} // namespace pl

PAIRLAB_PLUGIN("generate_text", "1.0.0", &pl::validate, &pl::run);
