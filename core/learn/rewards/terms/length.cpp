// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <fmt/format.h>

#include "core/learn/rewards/reward_composer.h"

namespace pl::learn {
namespace {

/// length {target, scale, shape}: n tokens (end token included) against the target, x = (n - target) / scale.
///   linear    -|x|              0 at the target, falling without end
///   gaussian  exp(-x^2 / 2)     1 at the target, 0 far from it
class LengthTerm : public RewardTerm {
public:
    LengthTerm(double target, double scale, bool gaussian)
        : m_target(target)
        , m_scale(scale)
        , m_gaussian(gaussian) {}
    Result<std::vector<double>> score(const std::vector<RewardInput>& batch) override {
        std::vector<double> out;
        for (const auto& row : batch) {
            const double x = (static_cast<double>(row.tokens) - m_target) / m_scale;
            out.push_back(m_gaussian ? std::exp(-0.5 * x * x) : -std::abs(x));
        }
        return out;
    }

private:
    double m_target, m_scale;
    bool m_gaussian;
};

Result<std::unique_ptr<RewardTerm>> make(const Json& parameters, const RewardContext&) {
    const std::string_view what = "a length reward";
    PL_TRY(const double target, field<double>(parameters, "target", what));
    PL_TRY(const double scale, field<double>(parameters, "scale", what));
    PL_TRY(const auto shape, fieldOr<std::string>(parameters, "shape", "linear", what));
    if (!std::isfinite(target) || !(scale > 0) || !std::isfinite(scale))
        return fail(Code::InvalidInput,
                    fmt::format("target {} and scale {} make no length reward", target, scale),
                    "Give a scale above 0, in tokens.");
    if (shape != "linear" && shape != "gaussian")
        return fail(Code::InvalidInput, fmt::format("there is no length reward of shape '{}'", shape),
                    "Use linear or gaussian.");
    return std::make_unique<LengthTerm>(target, scale, shape == "gaussian");
}

const RewardTermRegistrar registered({.name = "length", .make = make});

} // namespace
} // namespace pl::learn
