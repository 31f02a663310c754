// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/schedule.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/base/hash.h"

namespace pl::learn {
namespace {

constexpr double kSmallestTime = 1e-5; // a level of exactly 0 or 1 has no noise, or no image, to learn from

uint64_t keyOf(uint64_t seed, uint64_t stream) {
    return mix64(mix64(seed) ^ stream);
}

} // namespace

Result<BetaSchedule> betaScheduleOf(std::string_view name) {
    if (name == "linear")
        return BetaSchedule::Linear;
    if (name == "scaled_linear")
        return BetaSchedule::ScaledLinear;
    return fail(Code::InvalidInput, fmt::format("there is no beta schedule named '{}'", name), "Use linear or scaled_linear.");
}

std::vector<double> alphaBars(BetaSchedule schedule, int64_t steps, double betaStart, double betaEnd) {
    std::vector<double> out;
    double product = 1;
    for (int64_t t = 0; t < steps; ++t) {
        const double part = steps > 1 ? static_cast<double>(t) / static_cast<double>(steps - 1) : 0;
        double beta = betaStart + part * (betaEnd - betaStart);
        if (schedule == BetaSchedule::ScaledLinear) {
            const double root = std::sqrt(betaStart) + part * (std::sqrt(betaEnd) - std::sqrt(betaStart));
            beta = root * root;
        }
        product *= 1 - beta;
        out.push_back(product);
    }
    return out;
}

Result<TimestepSpacing> timestepSpacingOf(std::string_view name) {
    if (name == "leading")
        return TimestepSpacing::Leading;
    if (name == "trailing")
        return TimestepSpacing::Trailing;
    if (name == "linspace")
        return TimestepSpacing::Linspace;
    return fail(Code::InvalidInput, fmt::format("there is no timestep spacing named '{}'", name),
                "Use leading, trailing or linspace.");
}

std::vector<int64_t> spacedTimesteps(int64_t trained, int64_t steps, TimestepSpacing spacing, int64_t offset) {
    std::vector<int64_t> out;
    for (int64_t i = 0; i < steps; ++i) {
        double t = 0;
        switch (spacing) {
        case TimestepSpacing::Leading:
            t = static_cast<double>((steps - 1 - i) * (trained / steps) + offset);
            break;
        case TimestepSpacing::Trailing:
            // nearbyint: a half goes to the even number, as numpy's round does.
            t = std::nearbyint(static_cast<double>(trained) -
                               static_cast<double>(i) * (static_cast<double>(trained) / static_cast<double>(steps))) -
                1;
            break;
        case TimestepSpacing::Linspace:
            t = steps > 1 ? std::nearbyint(static_cast<double>(trained - 1) / static_cast<double>(steps - 1) *
                                           static_cast<double>(steps - 1 - i))
                          : 0;
            break;
        }
        out.push_back(std::clamp<int64_t>(static_cast<int64_t>(t), 0, trained - 1));
    }
    return out;
}

double shiftedSigma(double sigma, double shift) {
    return shift * sigma / (1 + (shift - 1) * sigma);
}

double exponentialSigma(double sigma, double mu) {
    return sigma <= 0 ? 0 : std::exp(mu) / (std::exp(mu) + (1 / sigma - 1));
}

double fluxMu(int64_t imageTokens, double baseMu, double maxMu, int64_t baseTokens, int64_t maxTokens) {
    return baseMu + (maxMu - baseMu) * static_cast<double>(imageTokens - baseTokens) / static_cast<double>(maxTokens - baseTokens);
}

std::vector<double> flowSigmas(int64_t steps, double shift) {
    std::vector<double> out;
    for (int64_t i = 0; i <= steps; ++i)
        out.push_back(shiftedSigma(static_cast<double>(steps - i) / static_cast<double>(steps), shift));
    return out;
}

std::vector<double> flowSigmasExponential(int64_t steps, double mu) {
    std::vector<double> out;
    for (int64_t i = 0; i <= steps; ++i)
        out.push_back(exponentialSigma(static_cast<double>(steps - i) / static_cast<double>(steps), mu));
    return out;
}

std::vector<double> flowSigmasTrained(int64_t steps, double shift, int64_t trained) {
    const double smallest = shiftedSigma(1 / static_cast<double>(trained), shift);
    std::vector<double> out;
    for (int64_t i = 0; i < steps; ++i) {
        const double part = steps > 1 ? static_cast<double>(i) / static_cast<double>(steps - 1) : 0;
        out.push_back(shiftedSigma(1 + part * (smallest - 1), shift));
    }
    out.push_back(0);
    return out;
}

Result<TimeDensity> timeDensityOf(std::string_view name, double m, double s) {
    if (!std::isfinite(m) || !(s > 0) || !std::isfinite(s))
        return fail(Code::InvalidInput, fmt::format("a logit-normal with mean {} and deviation {} is none", m, s),
                    "The deviation must be above 0.");
    if (name == "uniform")
        return TimeDensity{TimeDensity::Kind::Uniform, m, s};
    if (name == "logit_normal")
        return TimeDensity{TimeDensity::Kind::LogitNormal, m, s};
    return fail(Code::InvalidInput, fmt::format("there is no density of noise levels named '{}'", name),
                "Use uniform or logit_normal.");
}

double TimeDensity::draw(uint64_t seed, uint64_t stream, double shift) const {
    const uint64_t key = keyOf(seed, stream);
    const double t = kind == Kind::Uniform ? unitUniform(mix64(key)) : 1 / (1 + std::exp(-(m + s * normalPair(key, 0).first)));
    return std::clamp(shiftedSigma(t, shift), kSmallestTime, 1 - kSmallestTime);
}

int64_t drawTimestep(int64_t trained, uint64_t seed, uint64_t stream) {
    return std::min<int64_t>(static_cast<int64_t>(unitUniform(mix64(keyOf(seed, stream))) * static_cast<double>(trained)),
                             trained - 1);
}

NormalPair normalPair(uint64_t key, uint64_t index) {
    constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL; // SplitMix64's own step
    const double u = 1 - unitUniform(mix64(key + 2 * index * kGolden)); // in (0, 1]
    const double angle = 2 * M_PI * unitUniform(mix64(key + (2 * index + 1) * kGolden));
    const double radius = std::sqrt(-2 * std::log(u));
    return {radius * std::cos(angle), radius * std::sin(angle)};
}

} // namespace pl::learn
