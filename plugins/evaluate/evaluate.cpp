// SPDX-License-Identifier: Apache-2.0
// Measures a model: win rate against another, right answers on verifiable prompts, or a reward model's
// ranking accuracy.
#include <algorithm>
#include <cmath>

#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/models/flops.h"
#include "core/learn/rewards/reward_model_scorer.h"
#include "core/learn/rewards/rollout.h"
#include "core/rules/statistics.h"
#include "core/rules/taste.h"
#include "core/rules/verifier.h"
#include "plugins/evaluate/report.h"
#include "plugins/sdk/setup.h"

namespace {

using namespace pl;
using namespace pl::sdk;
using evaluation::addShare;
using evaluation::Report;
using evaluation::write;
using learn::Rollout;
using learn::RolloutPrompt;

constexpr int64_t kTokenBudget = 8192;

struct Parameters {
    std::string mode, judge, judgeName, sawSameLabels;
    std::optional<rules::Taste> taste;
    learn::SamplingOptions sampling;
    int64_t samplesPerPrompt = 1;

    static Result<Parameters> of(const Json& p) {
        const std::string_view what = "the parameters";
        Parameters out;
        PL_TRY(out.mode, field<std::string>(p, "mode", what));
        PL_TRY(out.judge, field<std::string>(p, "judge", what));
        PL_TRY(const auto taste, field<std::string>(p, "taste", what));
        if (!taste.empty()) {
            PL_TRY(out.taste, rules::tasteByName(taste));
        }
        PL_TRY(out.judgeName, field<std::string>(p, "judge_name", what));
        PL_TRY(out.sawSameLabels, field<std::string>(p, "judge_saw_same_labels", what));
        PL_TRY(out.sampling.temperature, field<double>(p, "temperature", what));
        PL_TRY(out.sampling.topK, field<int64_t>(p, "top_k", what));
        PL_TRY(out.sampling.topP, field<double>(p, "top_p", what));
        PL_TRY(out.sampling.maxNewTokens, field<int64_t>(p, "max_new_tokens", what));
        PL_TRY(out.sampling.batchSize, field<int64_t>(p, "batch_size", what));
        PL_TRY(out.samplesPerPrompt, field<int64_t>(p, "samples_per_prompt", what));
        if (out.mode == "win_rate" && out.judge == "rule" && !out.taste)
            return fail(Code::InvalidInput, "a win rate judged by a rule needs a taste",
                        "Set taste, for example to concise.");
        return out;
    }
};

Status validate(learn::Job& job) {
    PL_TRY(const bool images, evaluation::isOfImages(job));
    if (images)
        return evaluation::validateImages(job);
    PL_TRY(const auto p, Parameters::of(job.parameters()));
    PL_CHECK(modelFor(job, "policy"));
    if (p.mode == "reward_accuracy") {
        if (dataFile(job, "pairs.jsonl").empty())
            return fail(Code::NotFound, "the run has no data/pairs.jsonl",
                        "Label pairs of this split, or generate some.");
        return {};
    }
    if (dataFile(job, "prompts.jsonl").empty())
        return fail(Code::NotFound, "the run has no data/prompts.jsonl", "Choose a split that has prompts.");
    if (p.mode == "win_rate" && p.judge == "reward_model")
        PL_CHECK(modelFor(job, "judge"));
    return {};
}

// --- reward models
// -------------------------------------------------------------------------------------------------

struct Ranking {
    double correct = 0, n = 0, ties = 0, notScored = 0, margins = 0;
};

/// Strictly higher score of the chosen side; a tie is a miss. Pairs labelled as ties are no question of
/// ranking. A pair with a score that is no number is in no figure but notScored.
Result<Ranking> rank(learn::Job& job, learn::RewardModelScorer& scorer, const std::vector<PairRow>& all,
                     bool showProgress) {
    std::vector<const PairRow*> pairs;
    for (const auto& pair : all)
        if (!pair.tie && pair.softLabel != 0.5)
            pairs.push_back(&pair);
    Ranking out;
    const auto keepGoing = [&job] { return !job.mustLeave(); };
    constexpr size_t kChunk = 128;
    for (size_t at = 0; at < pairs.size(); at += kChunk) {
        std::vector<std::string> prompts, texts;
        const size_t end = std::min(pairs.size(), at + kChunk);
        for (size_t i = at; i < end; ++i) {
            prompts.insert(prompts.end(), 2, pairs[i]->prompt);
            texts.push_back(pairs[i]->chosen);
            texts.push_back(pairs[i]->rejected);
        }
        PL_TRY(const auto scores, scorer.score(prompts, texts, keepGoing, kTokenBudget));
        for (size_t i = at; i < end; ++i) {
            const double chosen = scores[2 * (i - at)], rejected = scores[2 * (i - at) + 1];
            if (!std::isfinite(chosen) || !std::isfinite(rejected)) {
                ++out.notScored;
                continue;
            }
            // A label below 1/2 says that the other side is the better one.
            const double margin = pairs[i]->softLabel < 0.5 ? rejected - chosen : chosen - rejected;
            ++out.n;
            out.correct += margin > 0;
            out.ties += margin == 0;
            out.margins += margin;
        }
        if (showProgress)
            job.progress(static_cast<int64_t>(end), static_cast<int64_t>(pairs.size()));
    }
    return out;
}

Result<learn::RewardModelScorer> scorerOf(learn::Job& job, const std::string& role) {
    PL_TRY(const auto spec, modelFor(job, role));
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    if (job.spec().threads > 0)
        at::set_num_threads(job.spec().threads);
    return learn::RewardModelScorer::load(spec.path, device);
}

Status rewardAccuracy(learn::Job& job, const Parameters& p) {
    PL_TRY(auto scorer, scorerOf(job, "policy"));
    PL_TRY(const auto pairs, readPairs(job.bundle().dataPath("pairs.jsonl")));
    PL_TRY(const auto ranking, rank(job, scorer, pairs, true));
    Report report;
    addShare(report.values, "eval_accuracy", ranking.correct / ranking.n, ranking.n, ranking.n);
    report.values["eval_margin"] = ranking.n > 0 ? ranking.margins / ranking.n : std::nan("");
    report.values["ties"] = ranking.ties;
    report.values["nan_count"] = ranking.notScored;
    report.units = ranking.n;
    report.judge = {{"name", p.judgeName.empty() ? "votes" : p.judgeName}, {"kind", "labels"}};
    if (ranking.notScored > 0)
        job.alert("warn", "not_scored",
                  fmt::format("{} pairs have a score that is not a number.", ranking.notScored), 1);
    return write(job, std::move(report));
}

// --- answers
// -------------------------------------------------------------------------------------------------------

/// What one model wrote, answer k to prompt i at i * samplesPerPrompt + k.
struct Answers {
    std::optional<Setup> setup;
    std::string name;
    std::vector<Rollout> rollouts;
};

Result<Answers> answer(learn::Job& job, const Parameters& p, const std::string& role,
                       const std::vector<RolloutPrompt>& prompts, int64_t doneBefore, int64_t ofAll) {
    Answers out;
    PL_TRY(out.setup, setUp(job, role));
    PL_TRY(const auto spec, modelFor(job, role));
    out.name = spec.name;
    // The other model may have another tokenizer.
    std::vector<PromptRow> rows;
    for (const auto& prompt : prompts)
        rows.push_back(prompt.row);
    int64_t tooLong = 0;
    PL_TRY(const auto own, learn::encodePrompts(rows, out.setup->encoder, out.setup->loaded.config.maxPositions,
                                                p.sampling.maxNewTokens, tooLong));
    if (tooLong > 0)
        return fail(Code::InvalidInput,
                    fmt::format("{} prompts leave no room for {} new tokens in {}", tooLong,
                                p.sampling.maxNewTokens, spec.name.empty() ? spec.path : spec.name),
                    "Lower max_new_tokens.");
    std::vector<size_t> which;
    for (size_t i = 0; i < own.size(); ++i)
        which.insert(which.end(), static_cast<size_t>(p.samplesPerPrompt), i);
    auto options = p.sampling;
    options.seed = hashSeed(job.spec().seed, "evaluate"); // the same for both models
    int64_t done = doneBefore;
    PL_TRY(out.rollouts, learn::rollOut(
                             out.setup->loaded.model, out.setup->encoder, own, which, options,
                             [&job] { return !job.mustLeave(); },
                             [&] {
                                 if (++done % 16 == 0)
                                     job.progress(done, ofAll);
                             }));
    return out;
}

void addAnswers(std::map<std::string, double>& values, const std::vector<Rollout>& rollouts,
                const std::string& suffix) {
    double tokens = 0, finished = 0;
    for (const auto& r : rollouts) {
        tokens += static_cast<double>(r.tokens.completionLength());
        finished += r.finished;
    }
    const auto n = static_cast<double>(rollouts.size());
    values["length_mean" + suffix] = tokens / n;
    values["finished" + suffix] = finished / n;
}

/// KL(policy || against) estimated on the policy's own answers: k1 = log p - log q and k3 = q/p - 1 -
/// log(q/p), summed over an answer ("kl", "kl_k3") and per token ("kl_token", "kl_k3_token"). Only for
/// answers from the full distribution.
void addKl(std::map<std::string, double>& values, Answers& policy, Answers& against, double temperature) {
    torch::NoGradGuard noGrad;
    const learn::RowLayout layout{.packed = policy.setup->device.is_cpu()};
    double k1 = 0, k3 = 0, tokens = 0;
    for (const auto& micro : learn::rowParts(allIndices(policy.rollouts.size()),
                                             [&](size_t i) -> const learn::TokenizedRow& { return policy.rollouts[i].tokens; }, layout,
                                             kTokenBudget)) {
        std::vector<const learn::TokenizedRow*> rows;
        for (const size_t i : micro)
            rows.push_back(&policy.rollouts[i].tokens);
        const auto batch = learn::rowBatch(rows, policy.setup->device, layout);
        const auto p = learn::completionLogps(policy.setup->loaded.model, batch, false, temperature);
        const auto q = learn::completionLogps(against.setup->loaded.model, batch, false, temperature);
        const auto d = (q.logps - p.logps).to(torch::kFloat64); // 0 where masked
        k1 -= d.sum().item<double>();
        k3 += (torch::exp(d) - d - 1).sum().item<double>();
        tokens += static_cast<double>(batch.completionTokens);
    }
    const auto n = static_cast<double>(policy.rollouts.size());
    values["kl"] = k1 / n;
    values["kl_token"] = k1 / tokens;
    values["kl_k3"] = k3 / n;
    values["kl_k3_token"] = k3 / tokens;
}

Result<std::vector<double>> judgeScores(learn::Job& job, const Parameters& p,
                                        learn::RewardModelScorer* scorer,
                                        const std::vector<RolloutPrompt>& prompts, const Answers& answers) {
    if (scorer) {
        std::vector<std::string> asked, texts;
        for (const auto& r : answers.rollouts) {
            asked.push_back(prompts[r.prompt].row.prompt);
            texts.push_back(r.text);
        }
        return scorer->score(
            asked, texts, [&job] { return !job.mustLeave(); }, kTokenBudget);
    }
    std::vector<double> out;
    for (const auto& r : answers.rollouts)
        out.push_back(rules::score(*p.taste, prompts[r.prompt].row.prompt, r.text));
    return out;
}

Status showSample(learn::Job& job, const RolloutPrompt& prompt, const Rollout& r, double score,
                  const char* tag) {
    return job.events().write(event::kSample, {{"step", 1},
                                               {"prompt_id", prompt.row.id},
                                               {"prompt", prompt.row.prompt},
                                               {"response", r.text},
                                               {"tokens", r.tokens.completionLength()},
                                               {"finished", r.finished},
                                               {"reward", jsonNumber(score)},
                                               {"tag", tag}});
}

void addGold(std::map<std::string, double>& values, const rules::Taste& taste,
             const std::vector<RolloutPrompt>& prompts, const Answers& policy, const Answers* against) {
    const auto scores = [&](const Answers& answers) {
        std::vector<double> out;
        for (const auto& r : answers.rollouts)
            out.push_back(rules::score(taste, prompts[r.prompt].row.prompt, r.text));
        return out;
    };
    const auto own = scores(policy);
    values["gold_mean"] = rules::mean(own);
    if (!against)
        return;
    const auto other = scores(*against);
    values["gold_mean_against"] = rules::mean(other);
    values["gold_sd_against"] = rules::standardDeviation(other);
    values["gold_delta_sd"] = (values["gold_mean"] - values["gold_mean_against"]) / values["gold_sd_against"];
}

enum class Winner { A, B, Tie, NotScored };

Winner compare(const Parameters& p, bool byRule, const std::string& prompt, const Rollout& a,
               const Rollout& b, double scoreA, double scoreB) {
    if (!std::isfinite(scoreA) || !std::isfinite(scoreB))
        return Winner::NotScored;
    if (a.text == b.text)
        return Winner::Tie;
    if (byRule) {
        const auto preferred = rules::prefer(*p.taste, prompt, a.text, b.text);
        return preferred == rules::Preference::A   ? Winner::A
               : preferred == rules::Preference::B ? Winner::B
                                                   : Winner::Tie;
    }
    return scoreA > scoreB ? Winner::A : scoreA < scoreB ? Winner::B : Winner::Tie;
}

/// Compares answer with answer, writes outcomes, and adds the win rate.
Status addWinRate(learn::Job& job, const Parameters& p, const std::vector<RolloutPrompt>& prompts,
                  const Answers& policy, const Answers& against, const std::vector<double>& scores,
                  const std::vector<double>& scoresAgainst, Report& report) {
    const bool byRule = p.judge == "rule";
    std::vector<double> wins(prompts.size(), 0), compared(prompts.size(), 0);
    double ties = 0, notScored = 0, count = 0;
    for (size_t i = 0; i < policy.rollouts.size(); ++i) {
        const auto &a = policy.rollouts[i], &b = against.rollouts[i];
        const auto& prompt = prompts[a.prompt].row;
        const auto winner = compare(p, byRule, prompt.prompt, a, b, scores[i], scoresAgainst[i]);
        if (winner == Winner::NotScored) {
            ++notScored;
            continue;
        }
        ++count;
        ++compared[a.prompt];
        wins[a.prompt] += winner == Winner::A ? 1.0 : winner == Winner::Tie ? 0.5 : 0.0;
        ties += winner == Winner::Tie;
        const auto side = [](const Answers& from, const Rollout& r) {
            return Json{{"model", from.name},
                        {"response", r.text},
                        {"tokens", r.tokens.completionLength()},
                        {"finished", r.finished}};
        };
        PL_CHECK(job.events().write(event::kOutcome, {{"prompt_id", prompt.id},
                                                      {"prompt", prompt.prompt},
                                                      {"a", side(policy, a)},
                                                      {"b", side(against, b)},
                                                      {"winner", winner == Winner::A   ? "a"
                                                                 : winner == Winner::B ? "b"
                                                                                       : "tie"},
                                                      {"score_a", jsonNumber(scores[i])},
                                                      {"score_b", jsonNumber(scoresAgainst[i])},
                                                      {"judge", report.judge}}));
    }
    double share = 0, units = 0;
    for (size_t i = 0; i < prompts.size(); ++i)
        if (compared[i] > 0) {
            share += wins[i] / compared[i];
            ++units;
        }
    addShare(report.values, "eval_win_rate", share / units, units, count);
    report.values["ties"] = ties;
    report.values["nan_count"] = notScored;
    report.units = units;
    return {};
}

Result<std::vector<RolloutPrompt>> readRolloutPrompts(learn::Job& job, bool verifiable) {
    PL_TRY(const auto rows, readPrompts(job.bundle().dataPath("prompts.jsonl")));
    std::vector<RolloutPrompt> out;
    for (const auto& row : rows)
        if (!verifiable || !row.verifierKind.empty())
            out.push_back({row, {}});
    if (out.empty())
        return fail(Code::InvalidInput,
                    verifiable ? "no prompt has an answer to verify" : "there are no prompts to answer",
                    verifiable ? "Choose prompts of kind verify." : "Import some on the Data page.");
    return out;
}

Status winRate(learn::Job& job, const Parameters& p) {
    PL_TRY(const auto prompts, readRolloutPrompts(job, false));
    const bool pairwise = job.spec().model("against") != nullptr;
    const int64_t rows = static_cast<int64_t>(prompts.size()) * p.samplesPerPrompt;
    const int64_t all = rows * (pairwise ? 2 : 1);
    Report report;
    report.judge = {{"name", p.judgeName.empty() && p.taste ? p.taste->name : p.judgeName},
                    {"kind", p.judge},
                    {"saw_same_labels", p.judge == "rule" ? "no" : p.sawSameLabels}};

    // The judge first: an unfit one is known before an hour of sampling.
    std::optional<learn::RewardModelScorer> scorer;
    if (p.judge == "reward_model") {
        PL_TRY(scorer, scorerOf(job, "judge"));
        if (const auto path = dataFile(job, "judge_pairs.jsonl"); !path.empty()) {
            PL_TRY(const auto pairs, readPairs(path));
            PL_TRY(const auto ranking, rank(job, *scorer, pairs, false));
            addShare(report.values, "judge_agreement", ranking.correct / ranking.n, ranking.n, ranking.n);
            report.judge["agreement"] = jsonNumber(report.values["judge_agreement"]);
            report.judge["agreement_n"] = ranking.n;
        }
    }
    auto* judge = scorer ? &*scorer : nullptr;
    PL_TRY(auto policy, answer(job, p, "policy", prompts, 0, all));
    PL_TRY(const auto scores, judgeScores(job, p, judge, prompts, policy));
    addAnswers(report.values, policy.rollouts, "");
    // A score that is no number makes the mean one too: it is shown, not averaged away.
    report.values["reward_mean"] = rules::mean(scores);
    Answers against;
    std::vector<double> scoresAgainst;
    if (pairwise) {
        PL_TRY(against, answer(job, p, "against", prompts, rows, all));
        PL_TRY(scoresAgainst, judgeScores(job, p, judge, prompts, against));
        addAnswers(report.values, against.rollouts, "_against");
        report.values["reward_mean_against"] = rules::mean(scoresAgainst);
        PL_CHECK(addWinRate(job, p, prompts, policy, against, scores, scoresAgainst, report));
        if (p.sampling.truncates())
            job.logLine("info", "no KL: it needs answers from the full distribution (temperature above 0, no "
                                "top-k or top-p)");
        else if (policy.setup->encoder.tokenizer.hash() != against.setup->encoder.tokenizer.hash())
            job.logLine("info", "no KL: the two models have different tokenizers");
        else
            addKl(report.values, policy, against, p.sampling.temperature);
    } else {
        report.units = static_cast<double>(prompts.size());
        report.values["nan_count"] = static_cast<double>(
            std::count_if(scores.begin(), scores.end(), [](double s) { return !std::isfinite(s); }));
    }
    if (p.taste)
        addGold(report.values, *p.taste, prompts, policy, pairwise ? &against : nullptr);
    for (size_t i = 0; i < policy.rollouts.size(); ++i) {
        PL_CHECK(
            showSample(job, prompts[policy.rollouts[i].prompt], policy.rollouts[i], scores[i], "policy"));
        if (pairwise)
            PL_CHECK(showSample(job, prompts[against.rollouts[i].prompt], against.rollouts[i],
                                scoresAgainst[i], "against"));
    }
    if (report.values["nan_count"] > 0)
        job.alert("warn", "not_scored",
                  fmt::format("The judge gave {} comparisons a score that is not a number.",
                              report.values["nan_count"]),
                  1);
    job.progress(all, all);
    return write(job, std::move(report));
}

// --- verifier
// ------------------------------------------------------------------------------------------------------

/// Right answers; one that was cut off is a miss.
Result<std::vector<double>> verdicts(const std::vector<RolloutPrompt>& prompts,
                                     const std::vector<Rollout>& rollouts) {
    std::vector<double> out;
    for (const auto& r : rollouts) {
        const auto& row = prompts[r.prompt].row;
        PL_TRY(const auto kind, rules::verifierByName(row.verifierKind));
        out.push_back(r.finished && rules::verify(kind, row.verifierAnswer, r.text).correct ? 1.0 : 0.0);
    }
    return out;
}

void addAccuracies(std::map<std::string, double>& values, const std::vector<RolloutPrompt>& prompts,
                   const std::vector<double>& right, int64_t perPrompt, const std::string& suffix) {
    std::map<std::string, std::pair<double, double>> byKind; // right, of
    for (size_t i = 0; i < right.size(); ++i)
        for (const auto& name :
             {std::string("accuracy"),
              "accuracy_" + prompts[i / static_cast<size_t>(perPrompt)].row.verifierKind}) {
            byKind[name].first += right[i];
            byKind[name].second += 1;
        }
    for (const auto& [name, counts] : byKind)
        addShare(values, name + suffix, counts.first / counts.second,
                 counts.second / static_cast<double>(perPrompt), counts.second);
}

Status verifier(learn::Job& job, const Parameters& p) {
    PL_TRY(const auto prompts, readRolloutPrompts(job, true));
    const bool pairwise = job.spec().model("against") != nullptr;
    const int64_t rows = static_cast<int64_t>(prompts.size()) * p.samplesPerPrompt;
    const int64_t all = rows * (pairwise ? 2 : 1);
    Report report;
    report.judge = {{"name", "verifier"}, {"kind", "verifier"}, {"saw_same_labels", "no"}};
    report.units = static_cast<double>(prompts.size());
    for (const char* role : {"policy", "against"}) {
        const std::string suffix = role == std::string("policy") ? "" : "_against";
        if (!suffix.empty() && !pairwise)
            break;
        PL_TRY(const auto answers, answer(job, p, role, prompts, suffix.empty() ? 0 : rows, all));
        PL_TRY(const auto right, verdicts(prompts, answers.rollouts));
        addAccuracies(report.values, prompts, right, p.samplesPerPrompt, suffix);
        addAnswers(report.values, answers.rollouts, suffix);
        for (size_t i = 0; i < answers.rollouts.size(); ++i)
            PL_CHECK(
                showSample(job, prompts[answers.rollouts[i].prompt], answers.rollouts[i], right[i], role));
    }
    for (const char* part : {"", "_low", "_high", "_n"})
        report.values[std::string("eval_accuracy") + part] = report.values[std::string("accuracy") + part];
    report.values["nan_count"] = 0;
    job.progress(all, all);
    return write(job, std::move(report));
}

Status run(learn::Job& job) {
    PL_TRY(const bool images, evaluation::isOfImages(job));
    if (images)
        return evaluation::evaluateImages(job);
    PL_TRY(const auto p, Parameters::of(job.parameters()));
    if (p.mode == "reward_accuracy")
        return rewardAccuracy(job, p);
    if (p.mode == "verifier")
        return verifier(job, p);
    return winRate(job, p);
}

} // namespace

PAIRLAB_PLUGIN("evaluate", "1.0.0", validate, run);
