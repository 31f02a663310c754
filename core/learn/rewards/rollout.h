// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/learn/rewards/reward_composer.h"
#include "core/learn/sampling/sampler.h"
#include "core/learn/training/text_data.h"

namespace pl::learn {

/// A prompt with its ids (one user turn and the header of the answer).
struct RolloutPrompt {
    PromptRow row;
    std::vector<int64_t> ids;
};

/// What a model wrote to a prompt.
struct Rollout {
    size_t prompt = 0;        ///< index into the prompts
    TokenizedRow tokens;      ///< prompt and response; the token that ended it is the last id when finished
    std::vector<float> logps; ///< the sampler's, one a response token, at the sampling temperature
    bool finished = false;
    std::string text; ///< of the response, without that token
};

/// Encodes prompts; those that leave no room for maxNewTokens (room <= 0: no limit) are left out and counted.
/// Fails when the chat template refuses one.
Result<std::vector<RolloutPrompt>> encodePrompts(const std::vector<PromptRow>& rows, const TextEncoder& encoder,
                                                 int64_t room, int64_t maxNewTokens, int64_t& tooLong);

/// Samples one response to each of prompts[which[i]]; the same prompt may be asked several times. Row i draws
/// from (options.seed, i). Stops at the encoder's stopIds.
Result<std::vector<Rollout>> rollOut(Decoder& model, const TextEncoder& encoder,
                                     const std::vector<RolloutPrompt>& prompts,
                                     const std::vector<size_t>& which, SamplingOptions options,
                                     const std::function<bool()>& keepGoing = {},
                                     const std::function<void()>& done = {});

/// An answer that was written elsewhere.
struct RecordedRollout {
    Rollout rollout; ///< logps empty: not recorded
    double reward;   ///< NaN: not recorded
};
/// Rows {"prompt_id","ids","finished"?,"reward"?,"logps"?} in the order they are trained on: `ids` are the response's tokens,
/// the end token included when finished (default true); `logps`, one a token, are of the policy that wrote them, at the sampling
/// temperature. Fails with file and line where a prompt is unknown, an id is none of the model's or the counts do not fit.
Result<std::vector<RecordedRollout>> readRollouts(const std::string& path, const TextEncoder& encoder,
                                                  const std::vector<RolloutPrompt>& prompts, const ModelConfig& config);

std::vector<RewardInput> rewardInputs(const std::vector<RolloutPrompt>& prompts,
                                      const std::vector<Rollout>& rollouts);

/// Mean and standard deviation (n - 1) of the scored values; NaN where there are too few of them.
struct Spread {
    double mean = 0, deviation = 0;
    int64_t n = 0;
};
Spread spreadOf(const std::vector<double>& values);

/// TRL's reward, reward_std (over the whole batch), rewards/<term>/mean and /std, and frac_reward_zero_std
/// (rows in groups whose scored rewards do not differ; also when rewards are scaled by the batch, unlike
/// TRL). Unscored rows are left out of each and counted in rewards/unscored.
std::map<std::string, double> rewardMetrics(const Rewards& rewards, size_t groupSize);
/// TRL's completions/mean_length, min_length, max_length, clipped_ratio and mean_terminated_length (0 without
/// any).
std::map<std::string, double> completionMetrics(const std::vector<Rollout>& rollouts);

} // namespace pl::learn
