// SPDX-License-Identifier: Apache-2.0
#include "core/learn/rewards/rollout.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

namespace pl::learn {

Result<std::vector<RolloutPrompt>> encodePrompts(const std::vector<PromptRow>& rows, const TextEncoder& encoder,
                                                 int64_t room, int64_t maxNewTokens, int64_t& tooLong) {
    std::vector<RolloutPrompt> out;
    tooLong = 0;
    for (const auto& row : rows) {
        PL_TRY(auto ids, encoder.promptIds(row.prompt));
        if (room > 0 && static_cast<int64_t>(ids.size()) + maxNewTokens > room)
            ++tooLong;
        else
            out.push_back({row, std::move(ids)});
    }
    return out;
}

Result<std::vector<Rollout>> rollOut(Decoder& model, const TextEncoder& encoder,
                                     const std::vector<RolloutPrompt>& prompts,
                                     const std::vector<size_t>& which, SamplingOptions options,
                                     const std::function<bool()>& keepGoing,
                                     const std::function<void()>& done) {
    std::vector<std::vector<int64_t>> ids;
    ids.reserve(which.size());
    for (const size_t i : which)
        ids.push_back(prompts[i].ids);
    options.stopIds = encoder.stopIds;
    PL_TRY(auto sampled, sampleBatch(model, ids, options, keepGoing, [&](size_t, const Sampled&) {
               if (done)
                   done();
           }));
    std::vector<Rollout> out;
    out.reserve(sampled.size());
    for (size_t i = 0; i < sampled.size(); ++i) {
        auto& one = sampled[i];
        if (one.ids.empty() || one.ids.size() != one.logps.size())
            return fail(Code::Internal,
                        fmt::format("the sampler gave {} tokens and {} log-probabilities for row {}",
                                    one.ids.size(), one.logps.size(), i));
        Rollout rollout;
        rollout.prompt = which[i];
        rollout.tokens.ids = std::move(ids[i]);
        rollout.tokens.start = static_cast<int64_t>(rollout.tokens.ids.size());
        rollout.tokens.ids.insert(rollout.tokens.ids.end(), one.ids.begin(), one.ids.end());
        rollout.text = encoder.answer(one.ids, one.finished);
        rollout.logps = std::move(one.logps);
        rollout.finished = one.finished;
        out.push_back(std::move(rollout));
    }
    return out;
}

namespace {

template<class T>
Result<std::vector<T>> numbersOf(const Json& row, const char* key, const std::string& where) {
    const auto at = row.find(key);
    const auto sound = [](const Json& value) { return std::is_integral_v<T> ? value.is_number_integer() : value.is_number(); };
    if (at == row.end() || !at->is_array() || !std::all_of(at->begin(), at->end(), sound))
        return fail(Code::InvalidInput, fmt::format("{}: \"{}\" must be a list of {}", where, key,
                                                    std::is_integral_v<T> ? "token ids" : "numbers"));
    return at->template get<std::vector<T>>();
}

} // namespace

Result<std::vector<RecordedRollout>> readRollouts(const std::string& path, const TextEncoder& encoder,
                                                  const std::vector<RolloutPrompt>& prompts, const ModelConfig& config) {
    std::map<std::string, size_t> known;
    for (size_t i = 0; i < prompts.size(); ++i)
        known.emplace(prompts[i].row.id, i);
    std::vector<RecordedRollout> out;
    PL_CHECK(forEachJsonLine(path, [&](const Json& row, size_t line) -> Status {
        const std::string where = fmt::format("{}, line {}", path, line);
        PL_TRY(const auto prompt, field<std::string>(row, "prompt_id", where));
        const auto at = known.find(prompt);
        if (at == known.end())
            return fail(Code::InvalidInput, fmt::format("{}: prompts.jsonl has no prompt '{}' that fits the model", where, prompt),
                        "Record answers to the run's own prompts.");
        PL_TRY(const auto ids, numbersOf<int64_t>(row, "ids", where));
        RecordedRollout one;
        Rollout& r = one.rollout;
        r.prompt = at->second;
        r.tokens.ids = prompts[r.prompt].ids;
        r.tokens.start = static_cast<int64_t>(r.tokens.ids.size());
        r.tokens.ids.insert(r.tokens.ids.end(), ids.begin(), ids.end());
        if (ids.empty() || (config.maxPositions > 0 && r.tokens.length() > config.maxPositions))
            return fail(Code::InvalidInput, fmt::format("{}: an answer of {} tokens after a prompt of {} does not fit the model's {} "
                                                        "positions",
                                                        where, ids.size(), r.tokens.start, config.maxPositions));
        for (const int64_t id : ids)
            if (id < 0 || id >= config.vocabSize)
                return fail(Code::InvalidInput, fmt::format("{}: {} is not a token id of the model", where, id));
        PL_TRY(r.finished, fieldOr<bool>(row, "finished", true, where));
        if (row.contains("logps")) {
            PL_TRY(r.logps, numbersOf<float>(row, "logps", where));
            if (r.logps.size() != ids.size())
                return fail(Code::InvalidInput,
                            fmt::format("{}: {} log-probabilities for {} tokens", where, r.logps.size(), ids.size()));
        }
        PL_TRY(one.reward, fieldOr<double>(row, "reward", std::nan(""), where));
        r.text = encoder.answer(ids, r.finished);
        out.push_back(std::move(one));
        return {};
    }));
    return out;
}

std::vector<RewardInput> rewardInputs(const std::vector<RolloutPrompt>& prompts,
                                      const std::vector<Rollout>& rollouts) {
    std::vector<RewardInput> out;
    out.reserve(rollouts.size());
    for (const auto& rollout : rollouts)
        out.push_back({&prompts[rollout.prompt].row, rollout.text, rollout.tokens.completionLength(),
                       rollout.finished});
    return out;
}

Spread spreadOf(const std::vector<double>& values) {
    Spread out;
    for (const double value : values)
        if (!std::isnan(value)) {
            out.mean += value;
            ++out.n;
        }
    out.mean = out.n ? out.mean / static_cast<double>(out.n) : std::nan("");
    double squares = 0;
    for (const double value : values)
        if (!std::isnan(value))
            squares += (value - out.mean) * (value - out.mean);
    out.deviation = out.n > 1 ? std::sqrt(squares / static_cast<double>(out.n - 1)) : std::nan("");
    return out;
}

std::map<std::string, double> rewardMetrics(const Rewards& rewards, size_t groupSize) {
    std::map<std::string, double> out;
    for (const auto& term : rewards.terms) {
        const auto spread = spreadOf(term.raw);
        out["rewards/" + term.name + "/mean"] = spread.mean;
        out["rewards/" + term.name + "/std"] = spread.deviation;
    }
    const auto all = spreadOf(rewards.total);
    out["reward"] = all.mean;
    out["reward_std"] = all.deviation;
    out["rewards/unscored"] = static_cast<double>(rewards.unscored);
    size_t flat = 0;
    for (size_t at = 0; at + groupSize <= rewards.total.size(); at += groupSize) {
        double low = INFINITY, high = -INFINITY;
        int scored = 0;
        for (size_t i = at; i < at + groupSize; ++i)
            if (!std::isnan(rewards.total[i])) {
                ++scored;
                low = std::min(low, rewards.total[i]);
                high = std::max(high, rewards.total[i]);
            }
        // 1e-6 of the size of the rewards is what fp32 tells apart. Groups with less than two
        // rewards are not counted (TRL).
        if (scored > 1 && !(high - low > 1e-6 * std::max({1e-2, std::abs(low), std::abs(high)})))
            flat += groupSize;
    }
    out["frac_reward_zero_std"] = rewards.total.empty()
                                      ? std::nan("")
                                      : static_cast<double>(flat) / static_cast<double>(rewards.total.size());
    return out;
}

std::map<std::string, double> completionMetrics(const std::vector<Rollout>& rollouts) {
    double sum = 0, low = INFINITY, high = 0, terminated = 0, terminatedSum = 0;
    for (const auto& rollout : rollouts) {
        const auto n = static_cast<double>(rollout.tokens.completionLength());
        sum += n;
        low = std::min(low, n);
        high = std::max(high, n);
        if (rollout.finished) {
            ++terminated;
            terminatedSum += n;
        }
    }
    const auto n = static_cast<double>(rollouts.size());
    return {{"completions/mean_length", sum / n},
            {"completions/min_length", low},
            {"completions/max_length", high},
            {"completions/clipped_ratio", 1 - terminated / n},
            {"completions/mean_terminated_length", terminated > 0 ? terminatedSum / terminated : 0}};
}

} // namespace pl::learn
