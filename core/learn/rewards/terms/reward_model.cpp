// SPDX-License-Identifier: Apache-2.0
#include "core/learn/rewards/reward_composer.h"
#include "core/learn/rewards/reward_model_scorer.h"

namespace pl::learn {
namespace {

/// reward_model {model}: the raw score of a reward model trained here or elsewhere (Ziegler et al. 2019,
/// arXiv:1909.08593).
class RewardModelTerm : public RewardTerm {
public:
    RewardModelTerm(RewardModelScorer scorer, std::function<bool()> keepGoing)
        : m_scorer(std::move(scorer))
        , m_keepGoing(std::move(keepGoing)) {}
    Result<std::vector<double>> score(const std::vector<RewardInput>& batch) override {
        std::vector<std::string> prompts, responses;
        for (const auto& row : batch) {
            prompts.push_back(row.prompt->prompt);
            responses.push_back(row.response);
        }
        return m_scorer.score(prompts, responses, m_keepGoing);
    }

private:
    RewardModelScorer m_scorer;
    std::function<bool()> m_keepGoing;
};

Result<std::unique_ptr<RewardTerm>> make(const Json& parameters, const RewardContext& context) {
    PL_TRY(const auto ref, field<std::string>(parameters, "model", "a reward model term"));
    if (ref.empty())
        return fail(Code::InvalidInput, "a reward model term names no model",
                    "Set its 'model' to a run of the reward_model trainer.");
    if (!context.modelDir)
        return fail(Code::Unsupported, "reward models cannot be used here");
    PL_TRY(const auto dir, context.modelDir(ref));
    PL_TRY(auto scorer, RewardModelScorer::load(dir, context.device));
    return std::make_unique<RewardModelTerm>(std::move(scorer), context.keepGoing);
}

const RewardTermRegistrar registered({.name = "reward_model", .make = make});

} // namespace
} // namespace pl::learn
