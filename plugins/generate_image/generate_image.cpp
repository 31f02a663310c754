// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/images/draw.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/images/pixels.h"
#include "core/learn/models/flops.h"
#include "core/rules/image_taste.h"
#include "core/rules/scene.h"
#include "plugins/sdk/generating.h"

namespace pl {
namespace {

using learn::Job;

constexpr const char* kJudge = "judge";
constexpr size_t kMaxRequestPrompt = size_t{64} << 10;
constexpr int64_t kMaxRequestImages = 64, kMaxRequestDraws = 1024;
constexpr size_t kMeasuredPrompts = 3;
constexpr int64_t kMetricsIntervalNs = 2'000'000'000;

struct Settings {
    int64_t n = 2, bestOf = 1, idleSeconds = 300;
    std::string taste;
    learn::DrawOptions draw;

    /// Pictures drawn for a prompt.
    int64_t draws() const { return std::max(n, bestOf); }
};

/// From the run's parameters, or with `s` as the defaults from a request.
Result<Settings> settingsOf(const Json& json, Settings s, const std::string& what) {
    PL_TRY(s.n, fieldOr<int64_t>(json, "n", s.n, what));
    PL_TRY(s.bestOf, fieldOr<int64_t>(json, "best_of", s.bestOf, what));
    PL_TRY(s.taste, fieldOr<std::string>(json, "taste", s.taste, what));
    PL_TRY(s.idleSeconds, fieldOr<int64_t>(json, "idle_s", s.idleSeconds, what));
    PL_TRY(s.draw.steps, fieldOr<int64_t>(json, "steps", s.draw.steps, what));
    PL_TRY(s.draw.guidance, fieldOr<double>(json, "guidance", s.draw.guidance, what));
    PL_TRY(s.draw.shift, fieldOr<double>(json, "shift", s.draw.shift, what));
    PL_TRY(s.draw.batchSize, fieldOr<int64_t>(json, "batch_size", s.draw.batchSize, what));
    PL_TRY(const auto sampler,
           fieldOr<std::string>(json, "sampler", s.draw.sampler ? learn::imageSamplerName(*s.draw.sampler) : "auto", what));
    s.draw.sampler.reset();
    if (sampler != "auto") {
        PL_TRY(s.draw.sampler, learn::imageSamplerOf(sampler));
    }
    if (json.contains("noise_level") && !json["noise_level"].is_null()) {
        PL_TRY(s.draw.noiseLevel, field<double>(json, "noise_level", what));
    }
    if (s.n < 1 || s.bestOf < 1)
        return fail(Code::InvalidInput,
                    fmt::format("{}: n is {} and best_of {}, both must be at least 1", what, s.n, s.bestOf));
    if (s.bestOf > 1 && s.bestOf < s.n)
        return fail(Code::InvalidInput, fmt::format("{}: {} pictures cannot be the best of {}", what, s.n, s.bestOf),
                    "Raise best_of, or lower n.");
    if (s.draw.steps < 1 || s.draw.steps > 1000 || !(s.draw.guidance >= 0 && s.draw.guidance <= 50))
        return fail(Code::InvalidInput, fmt::format("{}: {} steps with guidance {} are out of range", what, s.draw.steps,
                                                    s.draw.guidance),
                    "Use 1 to 1000 steps, and a guidance of 0 to 50.");
    return s;
}

/// One model that draws.
struct Painter {
    ModelSpec spec;
    learn::LoadedImageModel loaded;
    learn::DrawCost cost; ///< measured before the start
};

/// What chooses among pictures: a reward model or a taste.
struct Judge {
    learn::ImageReward model{nullptr};
    std::optional<rules::ImageTaste> taste;
    Json name; ///< {"reward_model": {...}} or {"taste": "..."}; null when there is none

    explicit operator bool() const { return !model.is_empty() || taste; }

    /// Of the pictures as they are stored, in 8 bits. Images of one size, a batch of them.
    std::vector<double> score(const std::vector<std::string>& prompts, const std::vector<Image>& images) {
        std::vector<double> out;
        for (size_t i = 0; taste && i < images.size(); ++i)
            out.push_back(rules::score(*taste, prompts[i], images[i]));
        if (taste)
            return out;
        torch::NoGradGuard noGrad;
        const auto pixels = learn::tensorOf(images).to(model->device());
        const auto scores = model->score(pixels, prompts).to(torch::kCPU, torch::kFloat64).contiguous();
        out.assign(scores.const_data_ptr<double>(), scores.const_data_ptr<double>() + scores.numel());
        return out;
    }
};

Json modelJson(const ModelSpec& spec) {
    return {{"role", spec.role}, {"name", spec.name}, {"hash", spec.hash}, {"path", spec.path}};
}

Result<std::vector<Painter>> loadPainters(Job& job, const Settings& s) {
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    std::vector<Painter> painters;
    for (const char* role : sdk::kWriterRoles) {
        const ModelSpec* spec = job.spec().model(role);
        if (!spec)
            continue;
        PL_TRY(auto loaded, learn::loadImageModel(spec->path, device));
        // A sampler that does not fit one of the models is known before anything is drawn.
        if (const auto sampler = learn::imageSamplerFor(loaded.config, s.draw); !sampler)
            return tl::unexpected<Error>(Error(sampler.error()).with(fmt::format("for the model '{}'", spec->name)));
        painters.push_back({*spec, std::move(loaded), {}});
    }
    return painters;
}

Result<Judge> judgeFor(Job& job, const std::string& taste) {
    Judge judge;
    const ModelSpec* spec = job.spec().model(kJudge);
    if (spec && !taste.empty())
        return fail(Code::InvalidInput,
                    fmt::format("both the taste '{}' and the reward model '{}' would choose", taste, spec->name),
                    "Give one of them.");
    if (spec) {
        PL_TRY(const auto device, learn::parseDevice(job.spec().device));
        PL_TRY(judge.model, learn::loadImageReward(spec->path, device));
        judge.model->eval();
        judge.name = {{"reward_model", modelJson(*spec)}};
    } else if (!taste.empty()) {
        PL_TRY(judge.taste, rules::imageTasteByName(taste));
        judge.name = {{"taste", taste}};
    }
    return judge;
}

/// A picture that is kept.
struct Kept {
    Image image;
    int64_t draw = 0; ///< its place among the prompt's draws: with the seed, what its noise came from
    std::optional<double> reward;
};

/// The n best of one prompt's draws, best first and equal ones in the order drawn; without scores the first n.
std::vector<Kept> choose(std::vector<Image> images, const std::vector<double>& scores, int64_t n) {
    std::vector<size_t> order(images.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto value = [&](size_t i) { return std::isnan(scores[i]) ? -INFINITY : scores[i]; };
    // A plain pair stays in the order drawn: only a choice sorts.
    if (!scores.empty() && static_cast<int64_t>(images.size()) > n)
        std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return value(a) > value(b); });
    std::vector<Kept> out;
    for (const size_t i : order) {
        if (static_cast<int64_t>(out.size()) == n)
            break;
        out.push_back({std::move(images[i]), static_cast<int64_t>(i), {}});
        if (!scores.empty())
            out.back().reward = scores[i];
    }
    return out;
}

/// Writes the file if it is not there, and gives what one candidate is, in events and in answers to requests. Equal pixels
/// are one file: nothing about the model or the prompt is in it, so that two pictures can be seen to be the same.
Result<Json> candidateJson(Job& job, const Painter& painter, const Kept& kept, const Settings& s, const Judge& judge,
                           uint64_t seed, int64_t index) {
    PL_TRY(const std::string bytes, encodePng(kept.image));
    const std::string sha = sha256Hex(bytes), file = sha + ".png";
    const std::string path = os::joinPath(job.bundle().samplesDir(), file);
    // A file torn by a crash has another size or content.
    if (const auto there = sha256File(path); !there || *there != sha)
        PL_CHECK(os::writeFileAtomic(path, bytes));
    Json params = learn::toJson(s.draw, painter.loaded.config);
    params["draw"] = kept.draw;
    params["best_of"] = s.bestOf;
    if (kept.reward) {
        params["reward"] = jsonNumber(*kept.reward);
        params["judge"] = judge.name;
    }
    return Json{{"kind", "image"},
                {"image", "samples/" + file},
                {"sha256", sha},
                {"width", kept.image.width},
                {"height", kept.image.height},
                {"model", modelJson(painter.spec)},
                {"params", std::move(params)},
                {"seed", seed},
                {"index", index}};
}

/// Running figures over all models.
struct Tally {
    int64_t done = 0, total = 0; ///< pictures kept, of all wanted
    int64_t drawn = 0;           ///< of this attempt at the run
    double kept = 0, keptReward = 0, scored = 0, drawnReward = 0;
    double leftSeconds = 0;      ///< as measured, of what is still to be drawn
    int64_t startNs = monotonicNs(), lastNs = 0;
    double flops = 0;

    double seconds() const { return static_cast<double>(monotonicNs() - startNs) * 1e-9; }
    Status metrics(Job& job, bool now) {
        if (drawn == 0 || (!now && monotonicNs() - lastNs < kMetricsIntervalNs))
            return {};
        lastNs = monotonicNs();
        flops += learn::takeFlops();
        std::map<std::string, double> values{{"images_per_second", static_cast<double>(drawn) / std::max(seconds(), 1e-9)},
                                             {"num_images", static_cast<double>(drawn)},
                                             {"total_flos", flops}};
        if (scored > 0) {
            values["reward/kept"] = keptReward / kept;
            values["reward/drawn"] = drawnReward / scored;
        }
        return job.events().metrics(done, 0, 0, values);
    }
    void count(double reward, double& sum, double& n) const {
        if (std::isfinite(reward)) {
            sum += reward;
            n += 1;
        }
    }
};

/// What an earlier attempt at this run has drawn and kept whole: it is not drawn again.
Result<std::set<sdk::CandidateKey>> alreadyWritten(const Job& job) {
    return sdk::candidatesWritten(job, [&](const Json& event) {
        const auto sha = fieldOr<std::string>(event, "sha256", "", "an event");
        const auto there = sha ? sha256File(os::joinPath(job.bundle().samplesDir(), *sha + ".png")) : Result<std::string>(std::string());
        return sha && there && *there == *sha;
    });
}

/// Prompts that are drawn together: always the same ones, however often the run was interrupted, so a picture is the same to
/// the last bit. A prompt with more draws than fit into a batch is drawn alone.
size_t promptsAtATime(const Settings& s) {
    return static_cast<size_t>(std::max<int64_t>(1, s.draw.batchSize / s.draws()));
}

/// Draws, scores and chooses for some prompts; `streams(prompt, draw)` names the noise. Grouped by prompt.
Result<std::vector<std::vector<Kept>>> draw(Painter& painter, Judge& judge, const std::vector<std::string>& prompts,
                                            const std::function<uint64_t(size_t, int64_t)>& streams, const Settings& s,
                                            uint64_t seed, const std::function<bool()>& keepGoing, Tally* tally = nullptr) {
    std::vector<std::string> each;
    std::vector<uint64_t> eachStream;
    for (size_t p = 0; p < prompts.size(); ++p)
        for (int64_t k = 0; k < s.draws(); ++k) {
            each.push_back(prompts[p]);
            eachStream.push_back(streams(p, k));
        }
    auto options = s.draw;
    options.seed = seed;
    PL_TRY(auto images, learn::drawImages(painter.loaded.model, each, eachStream, options, keepGoing));
    std::vector<double> scores;
    for (size_t at = 0; judge && at < images.size(); at += static_cast<size_t>(s.draw.batchSize)) {
        const size_t end = std::min(images.size(), at + static_cast<size_t>(s.draw.batchSize));
        const auto part = [&](const auto& all) {
            return std::decay_t<decltype(all)>(all.begin() + static_cast<std::ptrdiff_t>(at),
                                               all.begin() + static_cast<std::ptrdiff_t>(end));
        };
        const auto some = judge.score(part(each), part(images));
        scores.insert(scores.end(), some.begin(), some.end());
    }
    std::vector<std::vector<Kept>> out;
    const auto draws = static_cast<size_t>(s.draws());
    for (size_t p = 0; p < prompts.size(); ++p) {
        const auto part = [&](auto& all) {
            const auto begin = all.begin() + static_cast<std::ptrdiff_t>(p * draws);
            return std::decay_t<decltype(all)>(std::make_move_iterator(begin),
                                               std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(draws)));
        };
        const auto own = scores.empty() ? scores : part(scores);
        if (tally)
            for (const double score : own)
                tally->count(score, tally->drawnReward, tally->scored);
        out.push_back(choose(part(images), own, s.n));
    }
    if (tally)
        tally->drawn += static_cast<int64_t>(each.size());
    return out;
}

Status paint(Job& job, Painter& painter, Judge& judge, const std::vector<PromptRow>& prompts, const Settings& s,
             const std::set<sdk::CandidateKey>& written, Tally& tally) {
    const auto isWritten = [&](size_t row, int64_t index) {
        return written.count({prompts[row].id, painter.spec.role, index}) > 0;
    };
    const auto keepGoing = [&] {
        if (job.wish() == Job::Wish::Checkpoint)
            job.checkpointDone("events.jsonl"); // every finished picture is there already
        return !job.mustLeave();
    };
    for (size_t begin = 0; begin < prompts.size(); begin += promptsAtATime(s)) {
        const size_t end = std::min(prompts.size(), begin + promptsAtATime(s));
        int64_t there = 0;
        std::vector<std::string> texts;
        for (size_t row = begin; row < end; ++row) {
            texts.push_back(prompts[row].prompt);
            for (int64_t i = 0; i < s.n; ++i)
                there += isWritten(row, i);
        }
        const auto wanted = static_cast<int64_t>(end - begin) * s.n;
        if (there == wanted) {
            tally.done += wanted;
            continue;
        }
        // From the prompt's own name and not from the model's: equal places of two models begin at equal noise.
        PL_TRY(const auto chosen, draw(painter, judge, texts,
                                       [&](size_t p, int64_t k) { return learn::imageStream(prompts[begin + p].id, k); }, s,
                                       job.spec().seed, keepGoing, &tally));
        for (size_t p = 0; p < chosen.size(); ++p)
            for (size_t i = 0; i < chosen[p].size(); ++i) {
                const PromptRow& prompt = prompts[begin + p];
                ++tally.done;
                if (chosen[p][i].reward)
                    tally.count(*chosen[p][i].reward, tally.keptReward, tally.kept);
                if (isWritten(begin + p, static_cast<int64_t>(i)))
                    continue;
                PL_TRY(Json fields,
                       candidateJson(job, painter, chosen[p][i], s, judge, job.spec().seed, static_cast<int64_t>(i)));
                fields["prompt_id"] = prompt.id;
                fields["prompt"] = prompt.prompt;
                PL_CHECK(job.events().write(event::kCandidate, std::move(fields)));
            }
        tally.leftSeconds = std::max(0.0, tally.leftSeconds - painter.cost.seconds * static_cast<double>(texts.size()) *
                                                                  static_cast<double>(s.draws()));
        // The measured cost until there is something better: the speed so far.
        const double left = static_cast<double>((tally.total - tally.done) / s.n * s.draws());
        job.progress(tally.done, tally.total,
                     tally.seconds() > 2 ? tally.seconds() / static_cast<double>(tally.drawn) * left : tally.leftSeconds);
        PL_CHECK(tally.metrics(job, false));
    }
    return tally.metrics(job, true);
}

/// What a picture costs with a model, scoring included.
Result<learn::DrawCost> measure(Painter& painter, Judge& judge, const std::vector<std::string>& some, const Settings& s) {
    std::vector<std::string> prompts;
    const int64_t rows = std::min(s.draw.batchSize, s.draws() * static_cast<int64_t>(some.size()));
    for (size_t i = 0; i < static_cast<size_t>(rows); ++i)
        prompts.push_back(some[i % some.size()]);
    PL_TRY(auto cost, learn::measureCost(painter.loaded.model, prompts, s.draw));
    if (judge) {
        const auto size = static_cast<int32_t>(painter.loaded.config.size);
        const std::vector<Image> blank(prompts.size(), blankImage(size, size));
        const double before = learn::takeFlops();
        const int64_t begin = monotonicNs();
        (void)judge.score(prompts, blank);
        cost.seconds += static_cast<double>(monotonicNs() - begin) * 1e-9 / static_cast<double>(prompts.size());
        const double flops = learn::takeFlops();
        cost.flops += flops / static_cast<double>(prompts.size());
        learn::countFlops(before + flops);
    }
    return cost;
}

std::string duration(double seconds) {
    return seconds < 100 ? fmt::format("{:.2g} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
}

/// Said before the first picture: what the run will take.
Status announce(Job& job, std::vector<Painter>& painters, Judge& judge, const std::vector<PromptRow>& prompts,
                const Settings& s, const std::set<sdk::CandidateKey>& written, Tally& tally) {
    std::vector<std::string> some;
    for (size_t i = 0; i < std::min(prompts.size(), kMeasuredPrompts); ++i)
        some.push_back(prompts[i].prompt);
    double seconds = 0, flops = 0;
    for (Painter& painter : painters) {
        PL_TRY(painter.cost, measure(painter, judge, some, s));
        int64_t left = 0;
        for (const PromptRow& prompt : prompts)
            left += !written.count({prompt.id, painter.spec.role, s.n - 1});
        tally.leftSeconds += painter.cost.seconds * static_cast<double>(left * s.draws());
        seconds += painter.cost.seconds / static_cast<double>(painters.size());
        flops += painter.cost.flops / static_cast<double>(painters.size());
    }
    const auto drawn = static_cast<int64_t>(prompts.size() * painters.size()) * s.draws();
    job.logLine("info", fmt::format("a picture takes about {} and {:.2g} GFLOP: {} pictures to draw, {} of them kept, about {}",
                                    duration(seconds), flops * 1e-9, drawn, tally.total, duration(tally.leftSeconds)));
    PL_CHECK(job.events().metrics(0, 0, 0, {{"seconds_per_image", seconds}, {"flops_per_image", flops}}));
    job.progress(tally.done, tally.total, tally.leftSeconds);
    tally.startNs = monotonicNs();
    return {};
}

// --- requests --------------------------------------------------------------------------------------------------------

/// One request of the playground: {"prompt", "n", "best_of", "taste", "steps", "guidance", "sampler", "noise_level", "shift",
/// "models", "seed"}, answered with {"candidates": [...]} as in the events. Equal seeds begin at equal noise, whatever the
/// prompt and the model. With "probe": true nothing is kept, and the answer is what it would cost: {"seconds_per_image",
/// "flops_per_image" (of a picture drawn, scoring included; mean over the models), "images_per_prompt" (drawn, all models),
/// "seconds_per_prompt", "models": {role: {"seconds_per_image", "flops_per_image"}}}; the prompt may be left out.
Result<Json> answer(Job& job, std::vector<Painter>& painters, Judge& judge, const Settings& defaults, const Json& payload) {
    const std::string what = "the request";
    PL_TRY(const bool probe, fieldOr<bool>(payload, "probe", false, what));
    PL_TRY(const std::string prompt, fieldOr<std::string>(payload, "prompt", probe ? "a red circle" : "", what));
    if (prompt.empty() || prompt.size() > kMaxRequestPrompt)
        return fail(Code::InvalidInput,
                    fmt::format("{}: the prompt is empty or longer than {} bytes", what, kMaxRequestPrompt));
    Settings base = defaults;
    if (!probe) {
        base.n = 1;
        base.bestOf = 1;
    }
    PL_TRY(const Settings s, settingsOf(payload, base, what));
    if (s.n > kMaxRequestImages || s.bestOf > kMaxRequestDraws)
        return fail(Code::InvalidInput, fmt::format("{}: n is {} and best_of {}, at most {} and {}", what, s.n, s.bestOf,
                                                    kMaxRequestImages, kMaxRequestDraws));
    PL_TRY(const int64_t seed, fieldOr<int64_t>(payload, "seed", static_cast<int64_t>(job.spec().seed), what));
    PL_TRY(const auto chosen, sdk::writersOfRequest(painters, payload, what));
    // A taste of the request's own takes the place of the run's; a reward model stays what it is.
    std::optional<Judge> own;
    if (s.taste != defaults.taste) {
        PL_TRY(own, judgeFor(job, s.taste));
    }
    Judge& by = own ? *own : judge;
    if (s.bestOf > 1 && !by)
        return fail(Code::InvalidInput, fmt::format("{}: the best of {} needs somebody who judges", what, s.bestOf),
                    "Give a taste, or start with a reward model.");
    if (probe) {
        Json models = Json::object();
        double seconds = 0, flops = 0;
        for (Painter* painter : chosen) {
            PL_TRY(const auto cost, measure(*painter, by, {prompt}, s));
            models[painter->spec.role] = {{"seconds_per_image", cost.seconds}, {"flops_per_image", cost.flops}};
            seconds += cost.seconds;
            flops += cost.flops;
        }
        const auto count = static_cast<double>(chosen.size()), draws = static_cast<double>(s.draws());
        return Json{{"seconds_per_image", seconds / count},
                    {"flops_per_image", flops / count},
                    {"seconds_per_prompt", seconds * draws},
                    {"images_per_prompt", s.draws() * static_cast<int64_t>(chosen.size())},
                    {"models", models}};
    }
    Json candidates = Json::array();
    for (Painter* painter : chosen) {
        PL_TRY(const auto kept, draw(*painter, by, {prompt}, [](size_t, int64_t k) { return static_cast<uint64_t>(k); }, s,
                                     static_cast<uint64_t>(seed), [&] { return !job.mustLeave(); }));
        for (size_t i = 0; i < kept[0].size(); ++i) {
            PL_TRY(Json fields, candidateJson(job, *painter, kept[0][i], s, by, static_cast<uint64_t>(seed),
                                              static_cast<int64_t>(i)));
            candidates.push_back(std::move(fields));
        }
    }
    return Json{{"candidates", candidates}};
}

// --- the job ---------------------------------------------------------------------------------------------------------

Result<Settings> settingsOf(const Job& job) { return settingsOf(job.parameters(), {}, "the parameters"); }

Status validate(Job& job) {
    PL_TRY(const Settings s, settingsOf(job));
    PL_CHECK(sdk::checkWriterRoles(job, kJudge));
    if (!s.taste.empty())
        PL_CHECK(rules::imageTasteByName(s.taste));
    if (s.bestOf > 1 && s.taste.empty() && !job.spec().model(kJudge))
        return fail(Code::InvalidInput, fmt::format("the best of {} needs somebody who judges", s.bestOf),
                    "Choose a reward model as judge, or set taste.");
    if (!job.spec().resident)
        PL_CHECK(sdk::promptsToAnswer(job));
    return {};
}

Status run(Job& job) {
    PL_TRY(const Settings s, settingsOf(job));
    PL_TRY(auto painters, loadPainters(job, s));
    PL_TRY(auto judge, judgeFor(job, s.taste));
    if (job.spec().resident)
        return sdk::serveRequests(job, s.idleSeconds,
                                  [&](const Json& payload) { return answer(job, painters, judge, s, payload); });
    PL_TRY(const auto prompts, sdk::promptsToAnswer(job));
    PL_TRY(const auto written, alreadyWritten(job));
    const auto odd = std::count_if(prompts.begin(), prompts.end(),
                                   [](const PromptRow& p) { return !rules::parseCaption(p.prompt).ignored.empty(); });
    if (odd > 0)
        job.alert("warn", "unknown_words",
                  fmt::format("{} of {} prompts hold words that the model does not know: they have no effect.", odd,
                              prompts.size()),
                  0);
    Tally tally;
    tally.total = static_cast<int64_t>(prompts.size() * painters.size()) * s.n;
    PL_CHECK(announce(job, painters, judge, prompts, s, written, tally));
    for (Painter& painter : painters) {
        const auto painted = paint(job, painter, judge, prompts, s, written, tally);
        if (!painted)
            return tl::unexpected<Error>(
                painted.error().code == Code::Cancelled ? Error{Code::Cancelled, job.stopReason(), {}, {}} : painted.error());
    }
    job.progress(tally.total, tally.total, 0);
    return {};
}

} // namespace
} // namespace pl

PAIRLAB_PLUGIN("generate_image", "1.0.0", &pl::validate, &pl::run);
