// SPDX-License-Identifier: Apache-2.0
// Group relative policy optimisation: several answers to each prompt, each compared with its group's mean
// reward.
#include <algorithm>
#include <cmath>

#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/objectives/group_losses.h"
#include "core/learn/rewards/rollout.h"
#include "core/rules/taste.h"
#include "plugins/sdk/setup.h"
#include "plugins/sdk/train_loop.h"

namespace {

using namespace pl;
using namespace pl::sdk;
using learn::Rollout;

/// A token's recorded log-probability may differ this much from the trainer's before it is an alarm. In bf16 a last digit that is rounded
/// the other way while decoding is in every product after it.
constexpr double kRatioAlarm = 1e-3, kRatioAlarmHalf = 0.25;
constexpr size_t kShownPrompts = 8, kShownRollouts = 4;
constexpr const char* kRecordedFile = "rollouts.jsonl";

struct Parameters {
    int64_t generations = 0, promptsPerStep = 0, iterations = 0, evalPrompts = 0;
    learn::GroupAggregation aggregation = learn::GroupAggregation::Dapo;
    learn::RewardScale scale = learn::RewardScale::Group;
    learn::GroupLossOptions loss;
    learn::SamplingOptions sampling;
    bool maskTruncated = false, monitorKl = false, recorded = false, record = false;
    bool recomputes = false; ///< old log-probabilities are the trainer's, not the sampler's
    std::optional<rules::Taste> taste;
    LoopOptions loop;

    static Result<Parameters> of(const Json& p, size_t prompts) {
        const std::string_view what = "the parameters";
        Parameters out;
        PL_TRY(out.sampling.temperature, field<double>(p, "temperature", what));
        PL_TRY(out.sampling.topK, field<int64_t>(p, "top_k", what));
        PL_TRY(out.sampling.topP, field<double>(p, "top_p", what));
        PL_TRY(out.sampling.maxNewTokens, field<int64_t>(p, "max_new_tokens", what));
        PL_TRY(out.sampling.replay.on, sdk::replaysOf(p));
        if (out.sampling.truncates())
            return fail(
                Code::InvalidInput,
                fmt::format(
                    "samplers that truncate the distribution are refused in GRPO (temperature {}, top_k {}, "
                    "top_p {}): the ratio would compare probabilities of two different distributions",
                    out.sampling.temperature, out.sampling.topK, out.sampling.topP),
                "Set top_k=0, top_p=1 and a temperature above 0.");
        PL_TRY(out.generations, field<int64_t>(p, "num_generations", what));
        if (out.generations < 2)
            return fail(Code::InvalidInput,
                        fmt::format("num_generations is {}: an answer alone has no group to be compared with",
                                    out.generations),
                        "Set it to 2 or more; 8 is usual.");
        PL_TRY(out.promptsPerStep, field<int64_t>(p, "prompts_per_step", what));
        PL_TRY(out.iterations, field<int64_t>(p, "num_iterations", what));
        if (out.promptsPerStep < 1 || out.iterations < 1)
            return fail(Code::InvalidInput, "prompts_per_step and num_iterations must be 1 or more");
        PL_TRY(const auto lossType, field<std::string>(p, "loss_type", what));
        PL_TRY(out.aggregation, learn::groupAggregationOf(lossType));
        PL_TRY(const auto scale, field<std::string>(p, "scale_rewards", what));
        PL_TRY(out.scale, learn::rewardScaleOf(scale));
        PL_TRY(out.loss.clipLow, field<double>(p, "epsilon_low", what));
        PL_TRY(out.loss.clipHigh, field<double>(p, "epsilon_high", what));
        PL_TRY(out.loss.klBeta, field<double>(p, "beta", what));
        PL_TRY(out.maskTruncated, field<bool>(p, "mask_truncated", what));
        PL_TRY(out.monitorKl, field<bool>(p, "monitor_kl", what));
        PL_TRY(const auto answers, field<std::string>(p, "answers", what));
        out.recorded = answers == "recorded";
        PL_TRY(const auto old, fieldOr<std::string>(p, "old_logps", "sampler", what));
        out.recomputes = old == "recompute";
        PL_TRY(out.record, fieldOr<bool>(p, "record_answers", false, what));
        PL_TRY(out.evalPrompts, field<int64_t>(p, "eval_prompts", what));
        PL_TRY(const auto taste, field<std::string>(p, "monitor_taste", what));
        if (!taste.empty()) {
            PL_TRY(out.taste, rules::tasteByName(taste));
        }
        // Epochs and batches of the shared loop: a step reads prompts_per_step prompts.
        Json loop = p;
        loop["batch_size"] = out.promptsPerStep;
        loop["epochs"] = 0.0;
        PL_TRY(out.loop, loopOptions(loop, prompts));
        return out;
    }
    bool needsReference() const { return loss.klBeta != 0 || monitorKl; }
    int64_t rowsPerRound() const { return promptsPerStep * generations; }
};

/// The answers that one or more (num_iterations) updates learn from.
struct Group {
    int64_t firstStep = 0; ///< of its updates; 0: none yet
    std::vector<Rollout> rollouts;
    std::vector<double> rewards; ///< NaN: not scored
    std::vector<double> advantages;
};

void computeAdvantages(Group& group, const Parameters& parameters) {
    const auto n = static_cast<int64_t>(group.rewards.size());
    const auto rewards = torch::from_blob(group.rewards.data(), {n}, torch::kFloat64).clone();
    const auto a = learn::groupAdvantages(rewards, parameters.generations, parameters.scale).contiguous();
    group.advantages.assign(a.data_ptr<double>(), a.data_ptr<double>() + n);
}

/// An unfinished group travels in the checkpoint: the policy that wrote it is gone by then.
Json groupToJson(const Group& group) {
    Json rows = Json::array();
    for (size_t i = 0; i < group.rollouts.size(); ++i) {
        const auto& r = group.rollouts[i];
        rows.push_back({{"prompt", r.prompt},
                        {"ids", r.tokens.ids},
                        {"start", r.tokens.start},
                        {"logps", r.logps},
                        {"finished", r.finished},
                        {"reward", jsonNumber(group.rewards[i])}});
    }
    return {{"first_step", group.firstStep}, {"rows", rows}};
}

Result<Group> groupFromJson(const Json& json, size_t prompts) {
    const std::string_view what = "the group of answers in the checkpoint";
    Group out;
    PL_TRY(out.firstStep, field<int64_t>(json, "first_step", what));
    try {
        for (const Json& row : json.at("rows")) {
            Rollout r;
            r.prompt = row.at("prompt").get<size_t>();
            r.tokens.ids = row.at("ids").get<std::vector<int64_t>>();
            r.tokens.start = row.at("start").get<int64_t>();
            r.logps = row.at("logps").get<std::vector<float>>();
            r.finished = row.at("finished").get<bool>();
            PL_TRY(const double reward, numberOf(row.at("reward"), what));
            if (r.prompt >= prompts || r.tokens.start < 1 ||
                r.tokens.completionLength() != static_cast<int64_t>(r.logps.size()) || r.logps.empty())
                return fail(Code::Corrupt, fmt::format("{} does not fit the run", what));
            out.rollouts.push_back(std::move(r));
            out.rewards.push_back(reward);
        }
    } catch (const Json::exception& e) {
        return fail(Code::Corrupt, fmt::format("{} cannot be read: {}", what, e.what()));
    }
    return out;
}

Status checkTerms(learn::Job& job, const std::vector<PromptRow>& prompts) {
    const Json terms = job.parameters().value("rewards", Json::array());
    Json plain = Json::array();
    bool onlyVerifier = true;
    for (const Json& term : terms) {
        const std::string type = term.value("type", std::string());
        onlyVerifier = onlyVerifier && type == "verifier";
        if (type != "reward_model") {
            plain.push_back(term);
            continue;
        }
        const std::string ref = term.value("model", std::string());
        if (ref.empty())
            return fail(Code::InvalidInput, "a reward model term names no model",
                        "Set its 'model' to a run of the reward_model trainer, or take the term out.");
        PL_CHECK(modelFor(job, "ref:" + ref));
    }
    if (terms.empty() || !plain.empty())
        PL_CHECK(learn::RewardComposer::make(plain, {}));
    const bool verifiable = std::any_of(prompts.begin(), prompts.end(),
                                        [](const PromptRow& row) { return !row.verifierKind.empty(); });
    if (onlyVerifier && !verifiable)
        return fail(Code::InvalidInput,
                    "the only reward is the verifier, but no prompt has an answer to verify",
                    "Train on prompts with a verifier (kind verify), or add another reward term.");
    return {};
}

Result<std::vector<PromptRow>> promptsOf(learn::Job& job, const std::string& file) {
    const auto path = dataFile(job, file);
    if (path.empty())
        return std::vector<PromptRow>();
    return readPrompts(path);
}

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_TRY(const auto prompts, promptsOf(job, "prompts.jsonl"));
    if (prompts.empty())
        return fail(Code::NotFound, "the run has no prompts to answer",
                    "Import prompts, or choose another kind of prompt.");
    PL_TRY(const auto parameters, Parameters::of(job.parameters(), prompts.size()));
    if (parameters.recorded && dataFile(job, kRecordedFile).empty())
        return fail(Code::NotFound, fmt::format("answers is recorded, but the run has no data/{}", kRecordedFile),
                    "Put the answers there, one a line, or set answers to sampled.");
    if (parameters.recorded && job.parameters().value("rewards", Json::array()).empty())
        return {}; // the rewards are recorded, too
    return checkTerms(job, prompts);
}

/// Log-probabilities recorded by the sampler, [n, longest] padded with 0.
torch::Tensor recordedLogps(const std::vector<const Rollout*>& rows, int64_t longest,
                            const torch::Device& device) {
    auto out = torch::zeros({static_cast<int64_t>(rows.size()), longest}, torch::kFloat32);
    for (size_t i = 0; i < rows.size(); ++i)
        std::copy(rows[i]->logps.begin(), rows[i]->logps.end(),
                  out.data_ptr<float>() + static_cast<int64_t>(i) * longest);
    return out.to(device);
}

double goldMean(const rules::Taste& taste, const std::vector<learn::RolloutPrompt>& prompts,
                const std::vector<Rollout>& rollouts) {
    double sum = 0;
    for (const auto& r : rollouts)
        sum += rules::score(taste, prompts[r.prompt].row.prompt, r.text);
    return sum / static_cast<double>(rollouts.size());
}

class Grpo {
public:
    Grpo(learn::Job& job, Parameters parameters)
        : m_job(job)
        , m_p(std::move(parameters)) {}

    Status prepare() {
        PL_TRY(m_setup, setUp(m_job, "policy"));
        PL_TRY(m_layout, rowLayout(m_job.parameters(), m_setup->device));
        PL_TRY(m_prompts, encoded("prompts.jsonl", 0));
        if (m_prompts.empty())
            return fail(Code::InvalidInput,
                        "no prompt leaves room for max_new_tokens in the model's positions",
                        "Lower max_new_tokens.");
        PL_TRY(m_devPrompts, encoded("dev_prompts.jsonl", m_p.evalPrompts));
        PL_TRY(auto memory, memoryPlan(m_job.parameters(), TrainMethod::Grpo, m_layout, *m_setup));
        memory.referenceBeside = m_p.needsReference();
        memory.sequences = m_p.rowsPerRound();
        memory.longest = m_p.sampling.maxNewTokens;
        for (const auto& prompt : m_prompts)
            memory.longest = std::max(memory.longest, static_cast<int64_t>(prompt.ids.size()) + m_p.sampling.maxNewTokens);
        memory.read = static_cast<double>(m_p.sampling.maxNewTokens) / static_cast<double>(memory.longest);
        PL_CHECK(decideCheckpointing(m_job, *m_setup, memory));
        learn::RewardContext context;
        context.device = m_setup->device;
        context.keepGoing = [this] { return !m_job.mustLeave(); };
        context.modelDir = [this](const std::string& ref) -> Result<std::string> {
            PL_TRY(const auto spec, modelFor(m_job, "ref:" + ref));
            return spec.path;
        };
        if (m_p.recorded)
            PL_CHECK(readRecorded());
        if (!m_p.recorded || !m_job.parameters().at("rewards").empty()) {
            PL_TRY(m_composer, learn::RewardComposer::make(m_job.parameters().at("rewards"), context));
        }
        if (m_p.needsReference()) {
            PL_TRY(m_reference, FrozenPolicy::make(m_job, *m_setup));
        }
        PL_TRY(m_loop, TrainLoop::start(m_job, m_setup->trainable(), m_p.loop,
                                        m_prompts.size()));
        if (m_loop->extra().contains("group")) {
            PL_TRY(m_group, groupFromJson(m_loop->extra()["group"], m_prompts.size()));
            computeAdvantages(m_group, m_p);
        }
        return {};
    }

    Status train() {
        auto& policy = m_setup->loaded.model;
        learn::BatchPlan plan(m_prompts.size(), static_cast<size_t>(m_p.promptsPerStep), m_job.spec().seed);
        if (!m_loop->resumed())
            PL_CHECK(observe());
        while (m_loop->next()) {
            const int64_t round = (m_loop->step() - 1) / m_p.iterations;
            const bool first = (m_loop->step() - 1) % m_p.iterations == 0;
            if (first) {
                if (auto done = collect(policy, plan.batch(round + 1), round); !done) {
                    if (done.error().code != Code::Cancelled || !m_loop->leaving())
                        return done;
                    PL_CHECK(m_loop->update()); // gives the step up
                    break;
                }
            }
            PL_CHECK(learn(policy, first));
            PL_CHECK(m_loop->update());
            if (m_loop->leaving())
                break;
            const bool over = m_loop->step() % m_p.iterations == 0;
            m_loop->extra() = over ? Json::object() : Json{{"group", groupToJson(m_group)}};
            PL_CHECK(observe());
            PL_CHECK(m_loop->endStep());
        }
        return m_loop->finish();
    }

private:
    Result<std::vector<learn::RolloutPrompt>> encoded(const std::string& file, int64_t limit) {
        PL_TRY(auto rows, promptsOf(m_job, file));
        if (limit > 0 && static_cast<int64_t>(rows.size()) > limit)
            rows.resize(static_cast<size_t>(limit));
        int64_t tooLong = 0;
        PL_TRY(auto out, learn::encodePrompts(rows, m_setup->encoder, m_setup->loaded.config.maxPositions,
                                              m_p.sampling.maxNewTokens, tooLong));
        m_job.logLine(
            tooLong ? "warn" : "info",
            fmt::format("{}: {} of {} prompts used{}", file, out.size(), rows.size(),
                        tooLong ? fmt::format("; {} leave no room for max_new_tokens", tooLong) : ""));
        return out;
    }

    Result<std::vector<Rollout>> sample(learn::Decoder& policy,
                                        const std::vector<learn::RolloutPrompt>& prompts,
                                        const std::vector<size_t>& which, uint64_t seed) {
        auto options = m_p.sampling;
        options.seed = seed;
        learn::ReplayReport report;
        options.replay.report = &report;
        auto out = learn::rollOut(policy, m_setup->encoder, prompts, which, options,
                                  [this] { return !m_job.mustLeave(); });
        if (const auto said = report.refusal.empty() ? "yes" : report.refusal; !report.text().empty() && said != m_replays) {
            m_replays = said; // once, and when it changes
            m_job.logLine("info", report.text());
        }
        return out;
    }

    /// Answers written elsewhere: enough for every step, group after group.
    Status readRecorded() {
        const auto path = dataFile(m_job, kRecordedFile);
        PL_TRY(m_recorded, learn::readRollouts(path, m_setup->encoder, m_prompts, m_setup->loaded.config));
        const int64_t rounds = (m_p.loop.steps + m_p.iterations - 1) / m_p.iterations;
        const int64_t needed = rounds * m_p.rowsPerRound();
        if (static_cast<int64_t>(m_recorded.size()) < needed)
            return fail(Code::InvalidInput,
                        fmt::format("{} holds {} answers, but {} steps need {}: {} prompts with {} answers, {} times", path,
                                    m_recorded.size(), m_p.loop.steps, needed, m_p.promptsPerStep, m_p.generations, rounds),
                        "Lower steps, or record more answers.");
        const bool scored = m_job.parameters().at("rewards").empty();
        for (size_t i = 0; i < m_recorded.size(); ++i) {
            const auto& first = m_recorded[i - i % static_cast<size_t>(m_p.generations)];
            if (m_recorded[i].rollout.prompt != first.rollout.prompt)
                return fail(Code::InvalidInput, fmt::format("{}, line {}: another prompt than the rest of its group of {}", path,
                                                            i + 1, m_p.generations),
                            "Write the num_generations answers to one prompt below each other.");
            if (scored && std::isnan(m_recorded[i].reward))
                return fail(Code::InvalidInput, fmt::format("{}, line {} has no reward, and the run has no reward terms", path, i + 1),
                            "Record a reward with every answer, or choose reward terms.");
        }
        return {};
    }

    /// The next answers: sampled, or the recorded ones in their order. Log-probabilities that were not recorded are those of
    /// the policy as it is now.
    Result<std::vector<Rollout>> answers(learn::Decoder& policy, const std::vector<size_t>& batch, int64_t round) {
        if (m_p.recorded) {
            std::vector<Rollout> out;
            const int64_t begin = round * m_p.rowsPerRound();
            for (int64_t i = begin; i < begin + m_p.rowsPerRound(); ++i)
                out.push_back(m_recorded[static_cast<size_t>(i)].rollout);
            trainersLogps(policy, out);
            return out;
        }
        std::vector<size_t> which;
        for (const size_t prompt : batch)
            which.insert(which.end(), static_cast<size_t>(m_p.generations), prompt);
        PL_TRY(auto out, sample(policy, m_prompts, which, mix64(m_job.spec().seed ^ mix64(static_cast<uint64_t>(round) + 1))));
        if (m_p.recomputes)
            trainersLogps(policy, out);
        return out;
    }

    std::vector<std::vector<size_t>> parts(const std::vector<Rollout>& rollouts, const std::vector<size_t>& which) const {
        return learn::rowParts(which, [&](size_t i) -> const learn::TokenizedRow& { return rollouts[i].tokens; }, m_layout,
                               m_p.loop.microBatchTokens);
    }
    learn::RowBatch batchOf(const std::vector<Rollout>& rollouts, const std::vector<size_t>& which) const {
        std::vector<const learn::TokenizedRow*> rows;
        for (const size_t i : which)
            rows.push_back(&rollouts[i].tokens);
        return learn::rowBatch(rows, m_setup->device, m_layout);
    }

    /// The policy's log-probabilities by the trainer's forward pass, where none are recorded, or everywhere (old_logps: recompute);
    /// then the difference to the recorded ones is reported here.
    void trainersLogps(learn::Decoder& policy, std::vector<Rollout>& rollouts) {
        torch::NoGradGuard noGrad;
        double sum = 0, tokens = 0, worst = 0;
        std::vector<size_t> rows;
        for (size_t i = 0; i < rollouts.size(); ++i)
            if (m_p.recomputes || rollouts[i].logps.empty())
                rows.push_back(i);
        for (const auto& micro : parts(rollouts, rows)) {
            const auto batch = batchOf(rollouts, micro);
            const auto logps = learn::completionLogps(policy, batch, false, m_p.sampling.temperature).logps.cpu();
            for (size_t k = 0; k < micro.size(); ++k) {
                const float* row = logps.const_data_ptr<float>() + static_cast<int64_t>(k) * logps.size(1);
                auto& own = rollouts[micro[k]].logps;
                for (size_t t = 0; t < own.size(); ++t) {
                    const double difference = std::abs(static_cast<double>(own[t]) - static_cast<double>(row[t]));
                    sum += difference;
                    worst = std::isnan(difference) ? difference : std::max(worst, difference);
                }
                tokens += static_cast<double>(own.size());
                own.assign(row, row + rollouts[micro[k]].tokens.completionLength());
            }
        }
        if (tokens > 0) {
            m_loop->add("sampling/sampling_logp_difference/mean", sum / tokens, tokens);
            reportWorst(worst);
        }
    }

    /// In bf16 the sampler's log-probabilities are the trainer's only within rounding. Old ones are then those of the first update's own
    /// pass, so that its ratio is 1 to the bit.
    bool rounded() const { return m_setup->loaded.model->precision() == learn::Precision::Bf16; }

    void reportWorst(double worst) {
        m_loop->add("sampling/sampling_logp_difference/max", worst, 1);
        if (!(worst <= (rounded() ? kRatioAlarmHalf : kRatioAlarm)))
            m_job.alert("error", "sampler_mismatch",
                        fmt::format("The sampler's log-probabilities differ from the trainer's by up to {:.3g} a token, so {}. Do not "
                                    "trust this run.",
                                    worst,
                                    m_p.recomputes || rounded() ? "it does not sample from the policy that is trained"
                                                                  : "the ratio of the first update is not 1"),
                        m_loop->step());
    }

    Result<learn::Rewards> rewardsOf(const std::vector<Rollout>& rollouts, int64_t round) {
        if (m_composer)
            return m_composer->score(learn::rewardInputs(m_prompts, rollouts));
        learn::TermScores recorded{"recorded", 1, {}};
        for (size_t i = 0; i < rollouts.size(); ++i)
            recorded.raw.push_back(m_recorded[static_cast<size_t>(round * m_p.rowsPerRound()) + i].reward);
        return learn::combineRewards({std::move(recorded)}, rollouts.size());
    }

    /// Collects and scores the next group of answers.
    Status collect(learn::Decoder& policy, const std::vector<size_t>& batch, int64_t round) {
        Group group;
        group.firstStep = m_loop->step();
        PL_TRY(group.rollouts, answers(policy, batch, round));
        PL_TRY(const auto rewards, rewardsOf(group.rollouts, round));
        group.rewards = rewards.total;
        computeAdvantages(group, m_p);
        if (rewards.nonFinite)
            m_job.alert(
                "warn", "reward_not_finite",
                fmt::format("{} answers got an infinite reward and were left out.", rewards.nonFinite),
                m_loop->step());
        if (rewards.unscored == static_cast<int64_t>(group.rollouts.size()))
            m_job.alert("warn", "nothing_scored", "No reward term could score any answer of this step.",
                        m_loop->step());
        auto values = learn::rewardMetrics(rewards, static_cast<size_t>(m_p.generations));
        values.merge(learn::completionMetrics(group.rollouts));
        if (m_p.taste)
            values["gold/" + m_p.taste->name] = goldMean(*m_p.taste, m_prompts, group.rollouts);
        for (const auto& [name, value] : values)
            m_loop->add(name, value, 1);
        m_group = std::move(group);
        return m_p.record ? record(round) : Status();
    }

    /// Keeps the present group in samples/rollouts.jsonl, as `answers` recorded reads it.
    Status record(int64_t round) {
        const auto path = os::joinPath(m_job.bundle().samplesDir(), kRecordedFile);
        if (!m_recording) { // an earlier process may have written this round and later ones, which are done again
            std::string kept;
            if (os::exists(path))
                PL_CHECK(forEachJsonLine(path, [&](const Json& row, size_t) -> Status {
                    if (row.value("round", int64_t{0}) < round)
                        kept += dumpJson(row) + "\n";
                    return {};
                }));
            PL_CHECK(os::writeFileAtomic(path, kept));
            m_recording = true;
        }
        PL_TRY(auto file, os::AppendFile::open(path));
        for (size_t i = 0; i < m_group.rollouts.size(); ++i) {
            const auto& r = m_group.rollouts[i];
            Json row{{"round", round},
                     {"prompt_id", m_prompts[r.prompt].row.id},
                     {"ids", std::vector<int64_t>(r.tokens.ids.begin() + r.tokens.start, r.tokens.ids.end())},
                     {"finished", r.finished},
                     {"logps", r.logps}};
            if (!std::isnan(m_group.rewards[i]))
                row["reward"] = m_group.rewards[i];
            PL_CHECK(file.appendLine(dumpJson(row)));
        }
        return {};
    }

    /// Gradients of one update from the present group. On the first one the ratio must be 1: old log-probabilities are the sampler's,
    /// from the same weights, or in bf16 this pass's own, and how far the sampler's are from this pass is reported every time.
    Status learn(learn::Decoder& policy, bool first) {
        std::vector<size_t> rows;
        learn::GroupTotals totals;
        totals.maxCompletionLength = static_cast<double>(m_p.sampling.maxNewTokens);
        for (size_t i = 0; i < m_group.rollouts.size(); ++i) {
            const auto& r = m_group.rollouts[i];
            if (m_p.maskTruncated && !r.finished)
                continue; // masked as a whole, so it leaves every denominator
            rows.push_back(i);
            totals.rows += 1;
            totals.tokens += static_cast<double>(r.tokens.completionLength());
        }
        torch::Tensor worst;
        for (const auto& micro : parts(m_group.rollouts, rows)) {
            if (m_loop->leaving())
                return {};
            std::vector<const Rollout*> rollouts;
            std::vector<float> advantages;
            for (const size_t i : micro) {
                rollouts.push_back(&m_group.rollouts[i]);
                advantages.push_back(static_cast<float>(m_group.advantages[i]));
            }
            const auto batch = batchOf(m_group.rollouts, micro);
            const double temperature = m_p.sampling.temperature;
            const auto now = learn::completionLogps(policy, batch, true, temperature);
            torch::Tensor reference;
            if (!m_reference.empty())
                reference = m_reference.logps(batch, temperature).logps;
            auto old = recordedLogps(rollouts, now.logps.size(1), m_setup->device);
            torch::Tensor difference;
            if (first && !m_p.recomputes)
                difference = (now.logps.detach() - old).abs() * now.mask;
            if (first && rounded() && !m_p.recorded) {
                old = now.logps.detach();
                keepLogps(old, micro);
            }
            const auto a = torch::tensor(advantages, torch::kFloat32).to(m_setup->device);
            const auto token = learn::groupTokenLoss(now.logps, old, reference, a, now.mask, m_p.loss);
            const auto loss = learn::aggregateGroupLoss(token.loss, now.mask, m_p.aggregation, totals);
            loss.backward();
            m_loop->addLoss(loss.detach());
            m_loop->addTokens(batch.realTokens);

            torch::NoGradGuard noGrad;
            const auto low = token.clippedLow.sum(), high = token.clippedHigh.sum();
            MetricSums sums = {{"entropy", now.entropy.sum()},
                               {"clip_ratio/low_mean", low},
                               {"clip_ratio/high_mean", high},
                               {"clip_ratio/region_mean", low + high}};
            if (token.kl.defined())
                sums.emplace_back("kl", (token.kl * now.mask).sum());
            if (difference.defined()) {
                sums.emplace_back("sampling/sampling_logp_difference/mean", difference.sum());
                const auto here = difference.max();
                worst = worst.defined() ? torch::maximum(worst, here) : here;
            }
            m_loop->add(sums, static_cast<double>(batch.completionTokens));
        }
        if (worst.defined())
            reportWorst(worst.item<double>());
        return {};
    }

    /// Log-probabilities [n, longest] become those of these answers, for the group's later updates.
    void keepLogps(const torch::Tensor& logps, const std::vector<size_t>& which) {
        const auto host = logps.cpu().contiguous();
        const float* row = host.const_data_ptr<float>();
        for (const size_t i : which) {
            auto& own = m_group.rollouts[i].logps;
            own.assign(row, row + own.size());
            row += host.size(1);
        }
    }

    Status showSample(const learn::RolloutPrompt& prompt, const Rollout& r, double reward, double advantage,
                      const char* tag) {
        Json json{{"step", m_loop->step()},
                  {"prompt_id", prompt.row.id},
                  {"prompt", prompt.row.prompt},
                  {"response", r.text},
                  {"tokens", r.tokens.completionLength()},
                  {"finished", r.finished},
                  {"reward", jsonNumber(reward)},
                  {"tag", tag}};
        if (!std::isnan(advantage))
            json["advantage"] = advantage;
        return m_job.events().write(event::kSample, std::move(json));
    }

    /// Held-out rewards on the same dev prompts with the same seed, and some answers to look at.
    Status observe() {
        if (m_loop->evaluationDue() && !m_devPrompts.empty() && m_composer) {
            auto done = evaluate();
            if (!done && done.error().code != Code::Cancelled)
                return done;
        }
        if (m_loop->samplesDue() && m_loop->step() > 0)
            for (size_t i = 0; i < std::min(kShownRollouts, m_group.rollouts.size()); ++i) {
                const auto& r = m_group.rollouts[i];
                PL_CHECK(
                    showSample(m_prompts[r.prompt], r, m_group.rewards[i], m_group.advantages[i], "rollout"));
            }
        return {};
    }

    Status evaluate() {
        auto& policy = m_setup->loaded.model;
        PL_TRY(const auto rollouts, sample(policy, m_devPrompts, allIndices(m_devPrompts.size()),
                                           hashSeed(m_job.spec().seed, "eval")));
        PL_TRY(const auto rewards, m_composer->score(learn::rewardInputs(m_devPrompts, rollouts)));
        std::map<std::string, double> values;
        auto all = learn::rewardMetrics(rewards, rollouts.size());
        all.erase("frac_reward_zero_std");
        all.merge(learn::completionMetrics(rollouts));
        for (const auto& [name, value] : all)
            values["eval_" + name] = value;
        if (m_p.taste)
            values["eval_gold/" + m_p.taste->name] = goldMean(*m_p.taste, m_devPrompts, rollouts);
        if (!m_reference.empty())
            values["eval_kl"] = klOf(policy, rollouts);
        PL_CHECK(m_loop->evaluated(values, "eval_reward", true));
        for (size_t i = 0; i < std::min(kShownPrompts, rollouts.size()); ++i)
            PL_CHECK(showSample(m_devPrompts[rollouts[i].prompt], rollouts[i], rewards.total[i], std::nan(""),
                                "dev"));
        return {};
    }

    /// k3 estimate against the reference, a mean over tokens.
    double klOf(learn::Decoder& policy, const std::vector<Rollout>& rollouts) {
        torch::NoGradGuard noGrad;
        double sum = 0, tokens = 0;
        for (const auto& micro : parts(rollouts, allIndices(rollouts.size()))) {
            const auto batch = batchOf(rollouts, micro);
            const double t = m_p.sampling.temperature;
            const auto now = learn::completionLogps(policy, batch, false, t);
            const auto ref = m_reference.logps(batch, t);
            const auto d = ref.logps - now.logps; // 0 where masked, so k3 is 0 there
            sum += (torch::exp(d) - d - 1).sum().item<double>();
            tokens += static_cast<double>(batch.completionTokens);
        }
        return sum / tokens;
    }

    learn::Job& m_job;
    Parameters m_p;
    std::optional<Setup> m_setup;
    std::string m_replays; ///< what was said of device graphs
    learn::RowLayout m_layout;
    FrozenPolicy m_reference;
    std::optional<learn::RewardComposer> m_composer;
    std::vector<learn::RolloutPrompt> m_prompts, m_devPrompts;
    std::vector<learn::RecordedRollout> m_recorded;
    std::unique_ptr<TrainLoop> m_loop;
    Group m_group;
    bool m_recording = false; ///< the file of record() is this process's
};

Status run(learn::Job& job) {
    PL_TRY(const auto prompts, promptsOf(job, "prompts.jsonl"));
    PL_TRY(auto parameters, Parameters::of(job.parameters(), prompts.size()));
    Grpo grpo(job, std::move(parameters));
    PL_CHECK(grpo.prepare());
    return grpo.train();
}

} // namespace

PAIRLAB_PLUGIN("grpo", "1.0.0", validate, run);
