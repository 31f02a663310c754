// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <fmt/format.h>

#include "core/learn/rewards/reward_composer.h"
#include "core/rules/verifier.h"

namespace pl::learn {
namespace {

/// verifier {partial}: 1 for the right answer, else 0, or the share that is right when `partial`. A prompt
/// without a verifier is not scored. A response that was cut off has not answered: 0.
class VerifierTerm : public RewardTerm {
public:
    explicit VerifierTerm(bool partial)
        : m_partial(partial) {}
    Result<std::vector<double>> score(const std::vector<RewardInput>& batch) override {
        std::vector<double> out;
        for (const auto& row : batch) {
            if (row.prompt->verifierKind.empty()) {
                out.push_back(std::nan(""));
                continue;
            }
            auto kind = rules::verifierByName(row.prompt->verifierKind);
            if (!kind)
                return tl::unexpected<Error>(
                    std::move(kind).error().with(fmt::format("prompt '{}'", row.prompt->id)));
            const auto verdict = rules::verify(*kind, row.prompt->verifierAnswer, row.response);
            out.push_back(!row.finished ? 0.0 : m_partial ? verdict.score : verdict.correct ? 1.0 : 0.0);
        }
        return out;
    }

private:
    bool m_partial;
};

Result<std::unique_ptr<RewardTerm>> make(const Json& parameters, const RewardContext&) {
    PL_TRY(const bool partial, fieldOr<bool>(parameters, "partial", false, "a verifier"));
    return std::make_unique<VerifierTerm>(partial);
}

const RewardTermRegistrar registered({.name = "verifier", .make = make});

} // namespace
} // namespace pl::learn
