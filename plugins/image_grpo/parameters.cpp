// SPDX-License-Identifier: Apache-2.0
#include "plugins/image_grpo/parameters.h"

#include <algorithm>

#include <fmt/format.h>

#include "plugins/sdk/image_rewards.h"

namespace pl::image_grpo {

namespace {

/// Where nothing else is asked for: what suits models of a few million parameters.
constexpr double kNftRate = 1e-4, kStepRate = 2e-4;
constexpr double kNftLessonRate = 3e-4, kStepLessonRate = 6e-4; // nft learns nothing at 6e-4: its four updates a rollout overshoot

Status readRollout(const Json& p, std::string_view what, Parameters& out) {
    PL_TRY(out.groupSize, field<int64_t>(p, "group_size", what));
    PL_TRY(out.promptsPerStep, field<int64_t>(p, "prompts_per_step", what));
    PL_TRY(out.iterations, field<int64_t>(p, "num_iterations", what));
    if (out.groupSize < 2)
        return fail(Code::InvalidInput,
                    fmt::format("group_size is {}: an image alone has no group to be compared with", out.groupSize),
                    "Set it to 2 or more; 8 is usual.");
    if (out.promptsPerStep < 1 || out.iterations < 1)
        return fail(Code::InvalidInput, "prompts_per_step and num_iterations must be 1 or more");
    PL_TRY(out.rolloutSteps, field<int64_t>(p, "rollout_steps", what));
    PL_TRY(out.rolloutGuidance, field<double>(p, "rollout_guidance", what));
    PL_TRY(out.shift, field<double>(p, "shift", what));
    PL_TRY(out.sameInitialNoise, field<bool>(p, "same_initial_noise", what));
    PL_TRY(out.trainStepFraction, field<double>(p, "train_step_fraction", what));
    if (out.isNft() && out.sameInitialNoise)
        return fail(Code::InvalidInput,
                    "same_initial_noise is on, and nft draws without noise on the way: all images of a group would be the same one",
                    "Turn it off, or use the method flow_grpo.");
    if (out.isNft())
        return {};
    PL_TRY(const auto sampler, field<std::string>(p, "sampler", what));
    PL_TRY(out.sampler, learn::imageSamplerOf(sampler));
    out.noiseLevel = learn::defaultNoiseLevel(out.sampler);
    if (p.contains("noise_level") && !p["noise_level"].is_null()) {
        PL_TRY(out.noiseLevel, field<double>(p, "noise_level", what));
    }
    PL_TRY(out.windowStart, field<int64_t>(p, "window_start", what));
    PL_TRY(out.windowSize, field<int64_t>(p, "window_size", what));
    if (out.windowSize == 0)
        out.windowSize = -1;
    return {};
}

Status readLoss(const Json& p, std::string_view what, Parameters& out) {
    PL_TRY(out.globalStd, field<bool>(p, "global_std", what));
    PL_TRY(out.advantageClip, field<double>(p, "advantage_clip", what));
    PL_TRY(out.dropZeroStd, field<bool>(p, "drop_zero_std", what));
    PL_TRY(out.clipRange, field<double>(p, "clip_range", what));
    PL_TRY(out.klWeight, field<double>(p, "kl_weight", what));
    PL_TRY(out.nft.klWeight, field<double>(p, "velocity_kl", what));
    PL_TRY(out.nft.beta, field<double>(p, "nft_beta", what));
    PL_TRY(out.nft.advantageMax, field<double>(p, "advantage_max", what));
    PL_TRY(const auto old, field<std::string>(p, "old_policy", what));
    out.oldPolicy = old == "slow" ? OldPolicy::Slow : old == "late" ? OldPolicy::Late : OldPolicy::OnPolicy;
    PL_TRY(const auto mode, field<std::string>(p, "reward_mode", what));
    out.mode = mode == "win_rate" ? RewardMode::WinRate : mode == "soft_win_rate" ? RewardMode::SoftWinRate : RewardMode::Reward;
    return {};
}

} // namespace

Result<Parameters> Parameters::of(const Json& p, size_t prompts) {
    const std::string_view what = "the parameters";
    Parameters out;
    PL_TRY(const auto method, field<std::string>(p, "method", what));
    out.method = method == "flow_grpo" ? Method::FlowGrpo : Method::Nft;
    out.rewards = p.value("rewards", Json::array());
    out.rankings = sdk::rewardsAreRankings(out.rewards);
    if (out.rankings && !out.isNft())
        return fail(Code::InvalidInput,
                    "flow_grpo cannot learn from rankings: it compares probabilities of the steps that drew an image, and images that "
                    "were ranked by a person have no recorded steps",
                    "Use the method nft, which needs only the images, or train a reward model on the rankings.");
    PL_CHECK(readRollout(p, what, out));
    PL_CHECK(readLoss(p, what, out));
    PL_TRY(const auto sampler, out.imageSampler());
    if (!out.isNft() && sampler.noisySteps().empty())
        return fail(Code::InvalidInput,
                    fmt::format("{} with noise level {}, {} steps and a window of {} from step {} draws no noise: no step has a "
                                "probability to train",
                                learn::imageSamplerName(out.sampler), out.noiseLevel, out.rolloutSteps, out.windowSize,
                                out.windowStart),
                    "Raise noise_level or rollout_steps, or move the window.");
    Json loop = p;
    if (loop.value("learning_rate", Json()).is_null())
        loop["learning_rate"] = out.isNft() ? kNftRate : kStepRate;
    PL_TRY(const auto preset, field<std::string>(p, "preset", what));
    if (preset == "over_optimise") {
        out.lesson = true;
        out.klWeight = out.nft.klWeight = 0;
        loop["learning_rate"] = out.isNft() ? kNftLessonRate : kStepLessonRate;
    }
    // Epochs and batches of the shared loop: a rollout reads prompts_per_step prompts.
    loop["batch_size"] = out.promptsPerStep;
    loop["epochs"] = 0.0;
    PL_TRY(out.loop, sdk::loopOptions(loop, prompts));
    return out;
}

Result<learn::ImageSampler> Parameters::imageSampler() const {
    learn::FlowSamplerOptions options;
    options.kind = sampler;
    options.steps = rolloutSteps;
    options.shift = shift;
    options.noiseLevel = noiseLevel;
    options.windowStart = windowStart;
    options.windowSize = windowSize;
    return learn::ImageSampler::flow(options);
}

double Parameters::oldKeeps(int64_t round) const {
    const auto n = static_cast<double>(round);
    switch (oldPolicy) {
    case OldPolicy::OnPolicy:
        return 0;
    case OldPolicy::Slow:
        return std::min(0.001 * n, 0.5);
    case OldPolicy::Late:
        return std::clamp(0.0075 * (n - 75), 0.0, 0.999);
    }
    return 0;
}

} // namespace pl::image_grpo
