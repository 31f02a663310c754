// SPDX-License-Identifier: Apache-2.0
#include "core/learn/rewards/reward_composer.h"
#include "core/rules/taste.h"

namespace pl::learn {
namespace {

/// rule {taste}: the gold taste's score (core/rules/taste.h). For experiments: no person is asked.
class RuleTerm : public RewardTerm {
public:
    explicit RuleTerm(rules::Taste taste)
        : m_taste(std::move(taste)) {}
    Result<std::vector<double>> score(const std::vector<RewardInput>& batch) override {
        std::vector<double> out;
        for (const auto& row : batch)
            out.push_back(rules::score(m_taste, row.prompt->prompt, row.response));
        return out;
    }

private:
    rules::Taste m_taste;
};

Result<std::unique_ptr<RewardTerm>> make(const Json& parameters, const RewardContext&) {
    PL_TRY(const auto name, field<std::string>(parameters, "taste", "a rule"));
    PL_TRY(auto taste, rules::tasteByName(name));
    return std::make_unique<RuleTerm>(std::move(taste));
}

std::string label(const Json& parameters) {
    return "rule_" + parameters.value("taste", std::string());
}

const RewardTermRegistrar registered({.name = "rule", .make = make, .label = label});

} // namespace
} // namespace pl::learn
