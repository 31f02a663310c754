// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <torch/types.h>

#include "core/base/json.h"
#include "core/base/records.h"
#include "core/base/result.h"

/// What a policy is rewarded for: a list of terms, each with a weight. The unit is a batch, because a term
/// may be a model, a program or a comparison.
namespace pl::learn {

/// One response to be scored.
struct RewardInput {
    const PromptRow* prompt = nullptr; ///< with the verifier's answer, where it has one
    std::string response;              ///< text, without the end token
    int64_t tokens = 0;                ///< that the policy wrote, the end token included
    bool finished = false;             ///< ended by itself
};

/// What terms may need from the run.
struct RewardContext {
    std::function<Result<std::string>(const std::string& ref)> modelDir; ///< folder of a model_ref
    torch::Device device = torch::kCPU;
    std::function<bool()> keepGoing; ///< false: give up with Code::Cancelled
};

/// A term: raw scores, one a row, before the weight. NaN says "this row is not mine to score".
class RewardTerm {
public:
    virtual ~RewardTerm() = default;
    virtual Result<std::vector<double>> score(const std::vector<RewardInput>& batch) = 0;
};

struct RewardTermType {
    std::string name; ///< the variant's "type" in the parameter `rewards`
    Result<std::unique_ptr<RewardTerm>> (*make)(const Json& parameters,
                                                const RewardContext& context) = nullptr;
    /// Name of rewards/<name>/mean; null: the type's name.
    std::string (*label)(const Json& parameters) = nullptr;
};

/// One static object in core/learn/rewards/terms/<name>.cpp adds a kind of term.
struct RewardTermRegistrar {
    explicit RewardTermRegistrar(RewardTermType type);
};
/// Sorted by name.
const std::vector<RewardTermType>& rewardTermTypes();

struct TermScores {
    std::string name; ///< unique: "rule_warm", "length", "length_2"
    double weight = 1;
    std::vector<double> raw;
};

struct Rewards {
    std::vector<TermScores> terms;
    /// Sum over the terms that scored the row of weight times score (TRL). NaN where no term scored it, or
    /// where the sum is not finite: such a row has advantage 0 and is left out of its group's mean and
    /// deviation.
    std::vector<double> total;
    int64_t unscored = 0;  ///< rows with a NaN total
    int64_t nonFinite = 0; ///< of these, rows where a term gave an infinity
};

/// The sum alone.
Rewards combineRewards(std::vector<TermScores> terms, size_t rows);

class RewardComposer {
public:
    /// From the effective value of a variants parameter: [{"type": "rule", "taste": "warm", "weight": 1},
    /// ...]. Fails naming the term; an empty list is refused.
    static Result<RewardComposer> make(const Json& terms, const RewardContext& context);
    Result<Rewards> score(const std::vector<RewardInput>& batch);
    std::vector<std::string> names() const;

private:
    struct Entry {
        std::string name;
        double weight;
        std::unique_ptr<RewardTerm> term;
    };
    std::vector<Entry> m_entries;
};

} // namespace pl::learn
