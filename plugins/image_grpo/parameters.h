// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/learn/images/image_model.h"
#include "core/learn/images/objectives/diffusion_nft.h"
#include "core/learn/images/sampler.h"
#include "plugins/sdk/train_loop.h"

namespace pl::image_grpo {

enum class Method { Nft, FlowGrpo };
/// What becomes of the rewards of a group before they are advantages.
enum class RewardMode {
    Reward,
    WinRate,    ///< share of wins against the others (Pref-GRPO)
    SoftWinRate ///< its Bradley-Terry form
};
/// How fast the policy that draws follows the one that is trained.
enum class OldPolicy {
    OnPolicy, ///< it is the trained one at every rollout
    Slow,     ///< keeps min(0.001 round, 0.5) of itself
    Late      ///< nothing until round 75, then 0.0075 (round - 75), at most 0.999
};

/// The run's parameters, checked.
struct Parameters {
    Method method = Method::Nft;
    Json rewards;
    bool rankings = false; ///< the reward is a person's
    RewardMode mode = RewardMode::Reward;
    int64_t groupSize = 8, promptsPerStep = 8, iterations = 1;
    bool globalStd = true, dropZeroStd = true;
    double advantageClip = 5;
    int64_t rolloutSteps = 8;
    double rolloutGuidance = 1, shift = 1, trainStepFraction = 1;
    bool sameInitialNoise = false;
    learn::ImageSamplerKind sampler = learn::ImageSamplerKind::FlowOde; ///< of nft always the ODE
    double noiseLevel = 0;
    int64_t windowStart = 0, windowSize = -1;
    double clipRange = 1e-3, klWeight = 0; ///< of flow_grpo
    learn::NftOptions nft;                 ///< with its KL weight
    OldPolicy oldPolicy = OldPolicy::OnPolicy;
    bool lesson = false; ///< chooses no checkpoint
    sdk::LoopOptions loop;

    /// Fails naming what cannot be, why, and the way out.
    static Result<Parameters> of(const Json& parameters, size_t prompts);

    bool isNft() const { return method == Method::Nft; }
    bool needsReference() const { return (isNft() ? nft.klWeight : klWeight) > 0; }
    Result<learn::ImageSampler> imageSampler() const;
    /// Share of itself that the drawing policy keeps after `round` rollouts.
    double oldKeeps(int64_t round) const;
};

} // namespace pl::image_grpo
