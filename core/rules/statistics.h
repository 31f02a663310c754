// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

/// Small statistics that both sides need. NaN in, NaN out: a missing value is never averaged away.
namespace pl::rules {

inline constexpr double kZ95 = 1.959963984540054;
/// Below this a rate is not reported but called "too few".
inline constexpr int64_t kTooFew = 30;
constexpr bool tooFew(int64_t n) { return n < kTooFew; }

struct Interval {
    double low = 0.0;
    double high = 1.0;
};

/// Wilson score interval of successes / n (Wilson 1927; no continuity correction). Successes may be fractional (a tie
/// counts half). n = 0 gives [0, 1]; impossible arguments give NaN.
Interval wilson(double successes, double n, double z = kZ95);
/// P(X <= k) for X ~ Binomial(n, p); NaN for p outside [0, 1] or n < 0.
double binomialCdf(int64_t k, int64_t n, double p);
/// Exact two-sided binomial test: the chance, under p, of a count no likelier than k (R's binom.test).
double binomialTest(int64_t k, int64_t n, double p = 0.5);

double normalCdf(double z);
/// Inverse of normalCdf for p in (0, 1); -inf and inf at 0 and 1, NaN outside. Wichura's AS 241 is the check.
double normalQuantile(double p);

/// NaN for no values.
double mean(std::span<const double> values);
/// Sample standard deviation (n - 1); NaN below two values.
double standardDeviation(std::span<const double> values);
/// Of the mean: standardDeviation / sqrt(n).
double standardError(std::span<const double> values);
double median(std::span<const double> values);
/// Type 7 of Hyndman and Fan (1996), the default of R and NumPy; q in [0, 1].
double quantile(std::span<const double> values, double q);
/// Of two samples of equal length >= 2; NaN when one does not vary.
double correlation(std::span<const double> x, std::span<const double> y);

/// Digits after the point such that half the interval's width shows two significant digits (0..9).
int decimalsFor(const Interval& interval);
/// "0.654 [0.623, 0.685]": the interval decides the digits of the estimate. NaN is written "NaN".
std::string formatEstimate(double estimate, const Interval& interval);
/// A rate with its Wilson interval and n: "65.4 % [62.3, 68.4], n = 900"; below 30 "too few (n = 12)".
std::string formatRate(double successes, int64_t n);

} // namespace pl::rules
