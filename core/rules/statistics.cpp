// SPDX-License-Identifier: Apache-2.0
#include "core/rules/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

namespace pl::rules {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double logBinomial(int64_t k, int64_t n, double p) {
    const auto term = [](int64_t count, double chance) {
        return count == 0 ? 0.0 : static_cast<double>(count) * std::log(chance);
    };
    return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) + term(k, p) + term(n - k, 1 - p);
}

bool badBinomial(int64_t n, double p) { return n < 0 || !(p >= 0.0 && p <= 1.0); }

std::string number(double value, int decimals) {
    if (std::isnan(value))
        return "NaN";
    if (std::isinf(value))
        return value > 0 ? "Infinity" : "-Infinity";
    auto text = fmt::format("{:.{}f}", value, decimals);
    if (text.find_first_not_of("-0.") == std::string::npos && text.starts_with('-'))
        text.erase(0, 1);
    return text;
}

} // namespace

Interval wilson(double successes, double n, double z) {
    if (!(n >= 0) || !(successes >= 0) || successes > n || !(z > 0))
        return {kNan, kNan};
    if (n == 0)
        return {0.0, 1.0};
    const double p = successes / n, z2 = z * z;
    const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
    const double half = z / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    // Exactly 0 and 1 at the ends, where rounding would leave 1e-17.
    return {successes == 0 ? 0.0 : std::max(0.0, centre - half), successes == n ? 1.0 : std::min(1.0, centre + half)};
}

double binomialCdf(int64_t k, int64_t n, double p) {
    if (badBinomial(n, p))
        return kNan;
    if (k < 0)
        return 0.0;
    double sum = 0.0;
    for (int64_t i = 0; i <= std::min(k, n); ++i)
        sum += std::exp(logBinomial(i, n, p));
    return std::min(1.0, sum);
}

double binomialTest(int64_t k, int64_t n, double p) {
    if (badBinomial(n, p) || k < 0 || k > n)
        return kNan;
    const double limit = std::exp(logBinomial(k, n, p)) * (1 + 1e-7); // R's tolerance for equal chances
    double sum = 0.0;
    for (int64_t i = 0; i <= n; ++i)
        if (const double chance = std::exp(logBinomial(i, n, p)); chance <= limit)
            sum += chance;
    return std::min(1.0, sum);
}

double normalCdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

double normalQuantile(double p) {
    if (!(p >= 0.0 && p <= 1.0))
        return kNan;
    if (p == 0.0 || p == 1.0)
        return p == 0.0 ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    if (p > 0.5)
        return -normalQuantile(1 - p);
    // A rough start (Abramowitz and Stegun 26.2.23), then Halley's method on the lower tail, where erfc is exact.
    const double t = std::sqrt(-2 * std::log(p));
    double z = -(t - (2.515517 + 0.802853 * t + 0.010328 * t * t) /
                         (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t));
    for (int i = 0; i < 4; ++i) {
        const double error = (normalCdf(z) - p) / (std::exp(-0.5 * z * z) / std::sqrt(2 * 3.14159265358979323846));
        z -= error / (1 + 0.5 * z * error);
    }
    return z;
}

double mean(std::span<const double> values) {
    if (values.empty())
        return kNan;
    double sum = 0.0;
    for (const double v : values)
        sum += v;
    return sum / static_cast<double>(values.size());
}

double standardDeviation(std::span<const double> values) {
    if (values.size() < 2)
        return kNan;
    const double centre = mean(values);
    double sum = 0.0;
    for (const double v : values)
        sum += (v - centre) * (v - centre);
    return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double standardError(std::span<const double> values) {
    return standardDeviation(values) / std::sqrt(static_cast<double>(values.size()));
}

double median(std::span<const double> values) { return quantile(values, 0.5); }

double quantile(std::span<const double> values, double q) {
    if (values.empty() || !(q >= 0.0 && q <= 1.0) ||
        std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); }))
        return kNan;
    std::vector<double> ordered(values.begin(), values.end());
    std::sort(ordered.begin(), ordered.end());
    const double position = q * static_cast<double>(ordered.size() - 1);
    const auto below = static_cast<size_t>(position);
    const double share = position - static_cast<double>(below);
    if (share == 0.0 || ordered[below] == ordered[below + 1]) // the second: equal infinities
        return ordered[below];
    return ordered[below] + share * (ordered[below + 1] - ordered[below]);
}

double correlation(std::span<const double> x, std::span<const double> y) {
    if (x.size() != y.size() || x.size() < 2)
        return kNan;
    const double mx = mean(x), my = mean(y);
    double xy = 0.0, xx = 0.0, yy = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
        xy += (x[i] - mx) * (y[i] - my);
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : kNan;
}

int decimalsFor(const Interval& interval) {
    const double half = (interval.high - interval.low) / 2;
    if (!(half > 0) || std::isinf(half))
        return 3;
    // Rounding may carry (0.0996 is 0.10): take the exponent of the rounded number.
    const auto text = fmt::format("{:.1e}", half);
    const int exponent = std::stoi(text.substr(text.find('e') + 1));
    return std::clamp(1 - exponent, 0, 9);
}

std::string formatEstimate(double estimate, const Interval& interval) {
    const int decimals = decimalsFor(interval);
    return fmt::format("{} [{}, {}]", number(estimate, decimals), number(interval.low, decimals),
                       number(interval.high, decimals));
}

std::string formatRate(double successes, int64_t n) {
    if (tooFew(n))
        return fmt::format("too few (n = {})", n);
    const auto range = wilson(successes, static_cast<double>(n));
    const Interval percent{100 * range.low, 100 * range.high};
    const int decimals = decimalsFor(percent);
    return fmt::format("{} % [{}, {}], n = {}", number(100 * successes / static_cast<double>(n), decimals),
                       number(percent.low, decimals), number(percent.high, decimals), n);
}

} // namespace pl::rules
