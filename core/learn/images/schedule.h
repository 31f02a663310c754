// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/result.h"

/// Noise levels, in double precision and without tensors: alpha-bars of discrete models (Stable Diffusion), sigmas of
/// rectified flows, and the densities that training draws its levels from.
namespace pl::learn {

// --- discrete models: x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise ------------------------------------------------

enum class BetaSchedule { Linear, ScaledLinear };
Result<BetaSchedule> betaScheduleOf(std::string_view name); ///< linear | scaled_linear

/// abar_t = product of 1 - beta_s over s <= t, for t in 0..steps-1. `Linear`: beta in equal parts from start to end (Ho et al.
/// 2020); `ScaledLinear`: sqrt(beta) in equal parts (Rombach et al. 2022). The defaults are Stable Diffusion 1.5's.
std::vector<double> alphaBars(BetaSchedule schedule = BetaSchedule::ScaledLinear, int64_t steps = 1000,
                              double betaStart = 0.00085, double betaEnd = 0.012);

/// Which of the T trained levels N sampling steps visit, as diffusers names them (Lin et al. 2023, table 2).
enum class TimestepSpacing {
    Leading,  ///< multiples of T div N, plus the offset
    Trailing, ///< counted down from T, minus 1: begins at the noisiest level
    Linspace  ///< both ends and equal parts between
};
Result<TimestepSpacing> timestepSpacingOf(std::string_view name); ///< leading | trailing | linspace
/// Falling; needs 1 <= steps <= trained. `offset` counts for Leading (Stable Diffusion: 1). No level lies beyond the last.
std::vector<int64_t> spacedTimesteps(int64_t trained, int64_t steps, TimestepSpacing spacing, int64_t offset = 0);

// --- rectified flows: x_t = (1 - t) x0 + t noise, sigma = t ----------------------------------------------------------

/// s sigma / (1 + (s-1) sigma): more steps at high noise for s > 1 (Esser et al. 2024; SD3 has 3).
double shiftedSigma(double sigma, double shift);
/// e^mu / (e^mu + 1/sigma - 1), 0 at 0: FLUX's form of the same shift, with s = e^mu.
double exponentialSigma(double sigma, double mu);
/// FLUX's mu: a line in the number of image tokens through (baseTokens, baseMu) and (maxTokens, maxMu).
double fluxMu(int64_t imageTokens, double baseMu = 0.5, double maxMu = 1.15, int64_t baseTokens = 256, int64_t maxTokens = 4096);

/// The levels of N steps, N + 1 numbers from 1 to 0: equal parts, then shifted. Needs steps >= 1, shift > 0.
std::vector<double> flowSigmas(int64_t steps, double shift = 1);
std::vector<double> flowSigmasExponential(int64_t steps, double mu);
/// The same as SD3's scheduler spaces them: equal parts from 1 down to the smallest level it was trained with, the shifted
/// 1/trained, shifted (once more, as released), then 0.
std::vector<double> flowSigmasTrained(int64_t steps, double shift, int64_t trained = 1000);

// --- what training draws ---------------------------------------------------------------------------------------------

/// The density a training step's noise level is drawn from.
struct TimeDensity {
    enum class Kind { Uniform, LogitNormal };
    Kind kind = Kind::LogitNormal;
    double m = 0, s = 1; ///< of the logit-normal: t = sigmoid(m + s z), z ~ N(0,1) (Esser et al. 2024)

    /// A level in (0, 1), a pure function of seed and stream; `shift` as in shiftedSigma.
    double draw(uint64_t seed, uint64_t stream, double shift = 1) const;
};
Result<TimeDensity> timeDensityOf(std::string_view name, double m = 0, double s = 1); ///< uniform | logit_normal

/// A level of a discrete model, uniform in 0..trained-1, a pure function of seed and stream.
int64_t drawTimestep(int64_t trained, uint64_t seed, uint64_t stream);

/// Pairs of independent N(0,1) numbers from counter `index` of a stream (Box-Muller over SplitMix64): the same on every
/// machine but for the last bits of its log and cosine.
struct NormalPair {
    double first, second;
};
NormalPair normalPair(uint64_t key, uint64_t index);

} // namespace pl::learn
