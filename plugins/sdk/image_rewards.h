// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/image.h"
#include "core/learn/host/job.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/rewards/reward_composer.h"
#include "core/rules/image_taste.h"

/// What an image generator is rewarded for: a weighted sum of terms, the effective value of a parameter `rewards`.
namespace pl::sdk {

/// The type of a term that no image is scored by: a person's rankings in the run's data stand for the reward.
inline constexpr const char* kRankings = "rankings";

/// {"type": "reward_model", "model": REF}    score of an image reward model, in standard deviations of its training images
/// {"type": "taste", "name": "larger"}       core/rules/image_taste.h
/// {"type": "obedience", "partial": true}    share of what the prompt says that the image shows; without `partial` all or nothing
/// each with a "weight".
class ImageRewards {
public:
    /// Types, names and models are there and the models are of images; loads nothing. An empty list is refused, and so are rankings
    /// beside other terms and weights that are all 0.
    static Status check(learn::Job& job, const Json& terms);
    static Result<ImageRewards> load(learn::Job& job, const Json& terms);

    /// Of images as they are stored, in 8 bits. Fails naming the term and the prompt when a score is not finite.
    Result<learn::Rewards> score(const std::vector<Image>& images, const std::vector<std::string>& prompts);

private:
    struct Term {
        std::string name; ///< unique: "reward_model", "taste_larger", "obedience", "taste_larger_2"
        double weight = 1;
        learn::ImageReward model{nullptr};
        std::optional<rules::ImageTaste> taste;
        bool partial = true;
    };
    std::vector<double> scoresOf(Term& term, const std::vector<Image>& images, const std::vector<std::string>& prompts);
    std::vector<Term> m_terms;
};

/// Is the list the one term `rankings`?
bool rewardsAreRankings(const Json& terms);

} // namespace pl::sdk
