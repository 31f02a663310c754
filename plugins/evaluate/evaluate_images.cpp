// SPDX-License-Identifier: Apache-2.0
// The same questions about image models: win rate on the same prompts and noise, what a judge and a gold taste say, how far
// images obey their prompts and how much they vary; and how often a reward model of images ranks as labels do.
#include <algorithm>
#include <optional>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/base/image.h"
#include "core/base/os/files.h"
#include "core/learn/images/draw.h"
#include "core/learn/images/image_measures.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/images/image_store.h"
#include "core/learn/images/pixels.h"
#include "core/rules/image_taste.h"
#include "plugins/evaluate/report.h"
#include "plugins/sdk/image_rows.h"
#include "plugins/sdk/image_watch.h"
#include "plugins/sdk/setup.h"

namespace pl::evaluation {

namespace {

using namespace pl::sdk;

constexpr size_t kDiversityPrompts = 32;
constexpr size_t kScoringBatch = 256;

struct Parameters {
    std::string mode, judge, judgeName, sawSameLabels;
    std::optional<rules::ImageTaste> taste;
    learn::DrawOptions draw;
    int64_t samplesPerPrompt = 1;

    static Result<Parameters> of(learn::Job& job) {
        const std::string_view what = "the parameters";
        const Json& p = job.parameters();
        Parameters out;
        PL_TRY(out.mode, field<std::string>(p, "mode", what));
        PL_TRY(out.judge, field<std::string>(p, "judge", what));
        PL_TRY(const auto taste, field<std::string>(p, "taste", what));
        if (!taste.empty()) {
            PL_TRY(out.taste, rules::imageTasteByName(taste));
        }
        PL_TRY(out.judgeName, field<std::string>(p, "judge_name", what));
        PL_TRY(out.sawSameLabels, field<std::string>(p, "judge_saw_same_labels", what));
        PL_TRY(out.draw.steps, field<int64_t>(p, "sampling_steps", what));
        PL_TRY(out.draw.guidance, field<double>(p, "guidance", what));
        PL_TRY(out.draw.batchSize, field<int64_t>(p, "batch_size", what));
        PL_TRY(out.samplesPerPrompt, field<int64_t>(p, "samples_per_prompt", what));
        out.draw.seed = hashSeed(job.spec().seed, "evaluate"); // the same for both models
        if (out.mode == "win_rate" && out.judge == "rule" && !out.taste)
            return fail(Code::InvalidInput, "a win rate judged by a rule needs a taste", "Set taste, for example to larger.");
        return out;
    }
};

Result<learn::ImageReward> judgeOf(learn::Job& job, const std::string& role) {
    if (job.spec().threads > 0)
        at::set_num_threads(job.spec().threads);
    PL_TRY(const auto spec, modelFor(job, role));
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    return learn::loadImageReward(spec.path, device);
}

Result<std::vector<double>> scoresOf(learn::Job& job, learn::ImageReward& judge, const std::vector<Image>& images,
                                     const std::vector<std::string>& prompts) {
    torch::NoGradGuard noGrad;
    std::vector<double> out;
    for (size_t at = 0; at < images.size(); at += kScoringBatch) {
        if (job.mustLeave())
            return fail(Code::Cancelled, "left on request");
        const auto from = static_cast<std::ptrdiff_t>(at);
        const auto to = static_cast<std::ptrdiff_t>(std::min(images.size(), at + kScoringBatch));
        const auto s = judge->score(learn::tensorOf({images.begin() + from, images.begin() + to}).to(judge->device()),
                                    {prompts.begin() + from, prompts.begin() + to})
                           .to(torch::kFloat64)
                           .cpu()
                           .contiguous();
        out.insert(out.end(), s.data_ptr<double>(), s.data_ptr<double>() + s.numel());
    }
    return out;
}

// --- reward models ---------------------------------------------------------------------------------------------------

struct Ranking {
    double correct = 0, n = 0, ties = 0, margins = 0;
    std::string why; ///< pairs are missing, as the end of a sentence
};

/// Strictly higher score of the chosen side; a tie is a miss. Pairs labelled as ties are no question of ranking.
Result<Ranking> rank(learn::Job& job, learn::ImageReward& judge, const std::vector<PairRow>& all, bool showProgress) {
    torch::NoGradGuard noGrad;
    learn::ImageStore store(judge->config().size);
    ImageRows rows(job, store);
    std::vector<const PairRow*> pairs;
    for (const auto& pair : all)
        if (!pair.tie && pair.softLabel != 0.5)
            pairs.push_back(&pair);
    Ranking out;
    for (size_t at = 0; at < pairs.size(); at += kScoringBatch / 2) {
        if (job.mustLeave())
            return fail(Code::Cancelled, "left on request");
        const size_t end = std::min(pairs.size(), at + kScoringBatch / 2);
        std::vector<size_t> images;
        std::vector<std::string> prompts;
        std::vector<const PairRow*> read;
        for (size_t i = at; i < end; ++i) {
            if (!pairs[i]->image)
                return fail(Code::InvalidInput, fmt::format("pair {} compares texts, not images", pairs[i]->id));
            PL_TRY(const auto both, rows.addBoth(pairs[i]->chosen, pairs[i]->rejected));
            if (!both)
                continue;
            read.push_back(pairs[i]);
            images.insert(images.end(), {both->first, both->second});
            prompts.insert(prompts.end(), 2, pairs[i]->prompt);
        }
        const auto scores = read.empty() ? torch::Tensor()
                                         : judge->score(store.batch(images, judge->device()), prompts).to(torch::kFloat64).cpu();
        for (size_t i = 0; i < read.size(); ++i) {
            const auto row = static_cast<int64_t>(2 * i);
            const double difference = scores[row].item<double>() - scores[row + 1].item<double>();
            const double margin = read[i]->softLabel < 0.5 ? -difference : difference;
            ++out.n;
            out.correct += margin > 0;
            out.ties += margin == 0;
            out.margins += margin;
        }
        if (showProgress)
            job.progress(static_cast<int64_t>(end), static_cast<int64_t>(pairs.size()));
    }
    rows.alert();
    out.why = rows.because();
    return out;
}

Status rewardAccuracy(learn::Job& job, const Parameters& p) {
    PL_TRY(auto judge, judgeOf(job, "policy"));
    PL_TRY(const auto pairs, readPairs(job.bundle().dataPath("pairs.jsonl")));
    PL_TRY(const auto ranking, rank(job, judge, pairs, true));
    if (ranking.n == 0 && !ranking.why.empty())
        return fail(Code::InvalidInput, "no pair is left to be ranked" + ranking.why, "Import whole copies of the images.");
    Report report;
    addShare(report.values, "eval_accuracy", ranking.correct / ranking.n, ranking.n, ranking.n);
    report.values["eval_margin"] = ranking.n > 0 ? ranking.margins / ranking.n : std::nan("");
    report.values["ties"] = ranking.ties;
    report.values["nan_count"] = 0;
    report.units = ranking.n;
    report.judge = {{"name", p.judgeName.empty() ? "votes" : p.judgeName}, {"kind", "labels"}};
    return write(job, std::move(report));
}

// --- generators ------------------------------------------------------------------------------------------------------

/// What one model drew: image k of prompt i at i * samplesPerPrompt + k.
struct Drawn {
    std::string name;
    std::vector<Image> images;
    std::vector<double> scores; ///< the judge's
    learn::ImageMeasures measures;
    double diversity = 0;
};

struct Asked {
    std::vector<PromptRow> rows;
    std::vector<std::string> texts; ///< one an image
    std::vector<uint64_t> streams;
};

Result<Asked> askedOf(learn::Job& job, const Parameters& p) {
    Asked out;
    PL_TRY(out.rows, readPrompts(job.bundle().dataPath("prompts.jsonl")));
    if (out.rows.empty())
        return fail(Code::InvalidInput, "there are no prompts to draw", "Import some on the Data page.");
    for (const auto& row : out.rows)
        for (int64_t k = 0; k < p.samplesPerPrompt; ++k) {
            out.texts.push_back(row.prompt);
            out.streams.push_back(learn::imageStream(row.id, k));
        }
    return out;
}

Result<Drawn> draw(learn::Job& job, const Parameters& p, const std::string& role, const Asked& asked, learn::ImageReward* judge,
                   int64_t doneBefore, int64_t ofAll) {
    Drawn out;
    PL_TRY(auto loaded, setUpImageModel(job, role));
    PL_TRY(const auto spec, modelFor(job, role));
    out.name = spec.name;
    int64_t done = doneBefore;
    const auto keepGoing = [&job] { return !job.mustLeave(); };
    PL_TRY(out.images, learn::drawImages(loaded.model, asked.texts, asked.streams, p.draw, keepGoing, [&](size_t, const Image&) {
               if (++done % 32 == 0)
                   job.progress(done, ofAll);
           }));
    out.measures = learn::measureImages(out.images, asked.texts, p.taste ? &*p.taste : nullptr);
    if (judge) {
        PL_TRY(out.scores, scoresOf(job, *judge, out.images, asked.texts));
    } else {
        out.scores = out.measures.gold;
    }
    if (p.samplesPerPrompt > 1) {
        out.diversity = learn::imageDiversity(learn::tensorOf(out.images), p.samplesPerPrompt);
        return out;
    }
    // One image a prompt says nothing about variety: the first prompts are drawn once more.
    const size_t n = std::min(kDiversityPrompts, asked.rows.size());
    std::vector<std::string> texts;
    std::vector<uint64_t> streams;
    for (size_t i = 0; i < n; ++i) {
        texts.push_back(asked.rows[i].prompt);
        streams.push_back(learn::imageStream(asked.rows[i].id, 1));
    }
    PL_TRY(const auto again, learn::drawImages(loaded.model, texts, streams, p.draw, keepGoing));
    std::vector<Image> couples;
    for (size_t i = 0; i < n; ++i) {
        couples.push_back(out.images[i]);
        couples.push_back(again[i]);
    }
    out.diversity = learn::imageDiversity(learn::tensorOf(couples), 2);
    return out;
}

void addDrawn(Report& report, const Drawn& drawn, const std::string& suffix) {
    report.values["reward_mean" + suffix] = rules::mean(drawn.scores);
    report.values["diversity" + suffix] = drawn.diversity;
    report.values.merge(drawn.measures.obedience.rates("obedience" + suffix + "/"));
}

Result<std::string> showSample(learn::Job& job, const PromptRow& row, const Image& image, double score, const char* tag) {
    PL_TRY(const auto name, storeSample(job, image));
    PL_CHECK(job.events().write(event::kSample, {{"step", 1},
                                                 {"prompt_id", row.id},
                                                 {"prompt", row.prompt},
                                                 {"kind", "image"},
                                                 {"image", name},
                                                 {"reward", jsonNumber(score)},
                                                 {"tag", tag}}));
    return name;
}

Status addWinRate(learn::Job& job, const Parameters& p, const Asked& asked, const Drawn& a, const Drawn& b, Report& report) {
    const double band = p.mode == "win_rate" && p.judge == "rule" ? p.taste->tieBand : 0;
    const auto perPrompt = static_cast<size_t>(p.samplesPerPrompt);
    double share = 0, ties = 0;
    for (size_t i = 0; i < a.images.size(); ++i) {
        const double d = a.scores[i] - b.scores[i];
        const bool tie = a.images[i] == b.images[i] || d == 0 || std::abs(d) < band;
        share += tie ? 0.5 : d > 0 ? 1 : 0;
        ties += tie;
        const auto& row = asked.rows[i / perPrompt];
        PL_TRY(const auto imageA, showSample(job, row, a.images[i], a.scores[i], "policy"));
        PL_TRY(const auto imageB, showSample(job, row, b.images[i], b.scores[i], "against"));
        PL_CHECK(job.events().write(event::kOutcome, {{"prompt_id", row.id},
                                                      {"prompt", row.prompt},
                                                      {"kind", "image"},
                                                      {"a", {{"model", a.name}, {"image", imageA}}},
                                                      {"b", {{"model", b.name}, {"image", imageB}}},
                                                      {"winner", tie ? "tie" : d > 0 ? "a" : "b"},
                                                      {"score_a", jsonNumber(a.scores[i])},
                                                      {"score_b", jsonNumber(b.scores[i])},
                                                      {"judge", report.judge}}));
    }
    const auto count = static_cast<double>(a.images.size());
    addShare(report.values, "eval_win_rate", share / count, static_cast<double>(asked.rows.size()), count);
    report.values["ties"] = ties;
    return {};
}

void addGold(Report& report, const Drawn& policy, const Drawn* against) {
    auto& values = report.values;
    values["gold_mean"] = rules::mean(policy.measures.gold);
    if (!against)
        return;
    values["gold_mean_against"] = rules::mean(against->measures.gold);
    values["gold_sd_against"] = rules::standardDeviation(against->measures.gold);
    values["gold_delta_sd"] = (values["gold_mean"] - values["gold_mean_against"]) / values["gold_sd_against"];
}

Status winRate(learn::Job& job, const Parameters& p) {
    PL_TRY(const auto asked, askedOf(job, p));
    const bool pairwise = job.spec().model("against") != nullptr;
    const auto rows = static_cast<int64_t>(asked.texts.size());
    const int64_t all = rows * (pairwise ? 2 : 1);
    const bool verifier = p.mode == "verifier";
    Report report;
    report.judge = {{"name", verifier ? "verifier" : p.judgeName.empty() && p.taste ? p.taste->name : p.judgeName},
                    {"kind", verifier ? "verifier" : p.judge},
                    {"saw_same_labels", verifier || p.judge == "rule" ? "no" : p.sawSameLabels}};
    std::optional<learn::ImageReward> judge;
    if (!verifier && p.judge == "reward_model") {
        PL_TRY(judge, judgeOf(job, "judge"));
        if (const auto path = dataFile(job, "judge_pairs.jsonl"); !path.empty()) {
            PL_TRY(const auto pairs, readPairs(path));
            PL_TRY(const auto ranking, rank(job, *judge, pairs, false));
            addShare(report.values, "judge_agreement", ranking.correct / ranking.n, ranking.n, ranking.n);
            report.judge["agreement"] = jsonNumber(report.values["judge_agreement"]);
            report.judge["agreement_n"] = ranking.n;
        }
    }
    auto* judging = judge ? &*judge : nullptr;
    PL_TRY(auto policy, draw(job, p, "policy", asked, judging, 0, all));
    std::optional<Drawn> against;
    if (pairwise) {
        PL_TRY(against, draw(job, p, "against", asked, judging, rows, all));
    }
    report.values.merge(
        learn::obedienceCeiling(asked.texts, job.spec().seed, policy.images.front().width).rates("obedience_ceiling/"));
    report.units = static_cast<double>(asked.rows.size());
    report.values["nan_count"] = 0;
    if (verifier) {
        // An image is right when it shows all its prompt says that a rule can read off.
        for (auto* drawn : {&policy, against ? &*against : nullptr})
            if (drawn) {
                drawn->scores = drawn->measures.obeyed;
                const auto rate = drawn->measures.obedience.rate("all");
                const std::string suffix = drawn == &policy ? "" : "_against";
                addShare(report.values, "accuracy" + suffix, rate, report.units, static_cast<double>(rows));
            }
        for (const char* part : {"", "_low", "_high", "_n"})
            report.values[std::string("eval_accuracy") + part] = report.values[std::string("accuracy") + part];
    }
    addDrawn(report, policy, "");
    if (against)
        addDrawn(report, *against, "_against");
    if (p.taste)
        addGold(report, policy, against ? &*against : nullptr);
    if (against) {
        PL_CHECK(addWinRate(job, p, asked, policy, *against, report));
    } else {
        for (size_t i = 0; i < policy.images.size(); ++i)
            PL_CHECK(showSample(job, asked.rows[i / static_cast<size_t>(p.samplesPerPrompt)], policy.images[i], policy.scores[i],
                                "policy"));
    }
    job.progress(all, all);
    return write(job, std::move(report));
}

} // namespace

Result<bool> isOfImages(learn::Job& job) {
    PL_TRY(const auto spec, modelFor(job, "policy"));
    const std::string path = os::joinPath(spec.path, "config.json");
    if (!os::exists(path))
        return false; // said where the model is opened
    PL_TRY(const Json json, readJsonFile(path));
    PL_TRY(const auto type, fieldOr<std::string>(json, "model_type", "", path));
    return learn::isImageModelType(type);
}

Status validateImages(learn::Job& job) {
    PL_TRY(const auto p, Parameters::of(job));
    PL_CHECK(modelFor(job, "policy"));
    if (p.mode == "reward_accuracy") {
        if (dataFile(job, "pairs.jsonl").empty())
            return fail(Code::NotFound, "the run has no data/pairs.jsonl", "Label pairs of this split, or generate some.");
        return {};
    }
    if (dataFile(job, "prompts.jsonl").empty())
        return fail(Code::NotFound, "the run has no data/prompts.jsonl", "Choose a split that has prompts.");
    if (p.mode == "win_rate" && p.judge == "reward_model")
        PL_CHECK(modelFor(job, "judge"));
    return {};
}

Status evaluateImages(learn::Job& job) {
    PL_TRY(const auto p, Parameters::of(job));
    return p.mode == "reward_accuracy" ? rewardAccuracy(job, p) : winRate(job, p);
}

} // namespace pl::evaluation
