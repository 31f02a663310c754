// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/rules/statistics.h"

/// Which model people prefer, by how much, and how sure that is.
namespace pl::desk {

enum class Outcome { First, Second, Tie };

/// One comparison of models `first` and `second` (numbers below the count of models).
struct Match {
    size_t first = 0, second = 0;
    Outcome outcome = Outcome::Tie;
    bool shown = false;       ///< there was a screen, so that the position means something
    bool firstOnLeft = true;
    std::vector<double> style = {}; ///< first minus second, one a style term; empty where there are none
    size_t cluster = 0;       ///< matches of one pair of answers (or of one person) belong together in the errors
};

/// Matches in columns: a million of them are read several times a fit.
struct MatchTable {
    explicit MatchTable(size_t terms = 0) : styleTerms(terms) {}
    MatchTable(const std::vector<Match>& matches, size_t terms);
    size_t styleTerms = 0;
    std::vector<uint32_t> first, second;
    std::vector<int8_t> outcome; ///< 1 first, 0 tie, -1 second
    std::vector<int8_t> side;    ///< 1 first on the left, -1 on the right, 0 not shown
    std::vector<uint64_t> cluster;
    std::vector<double> style;   ///< styleTerms each
    size_t size() const { return first.size(); }
    void reserve(size_t matches);
    /// `terms`: as many as styleTerms, those that are missing are 0.
    void add(size_t one, size_t other, Outcome result, int firstSide, uint64_t group, std::span<const double> terms = {});
};

enum class TieModel {
    Half,    ///< Bradley-Terry; a tie is half a win for both (as public arenas count)
    Davidson ///< ties have a probability of their own (Davidson 1970)
};

struct RatingOptions {
    TieModel ties = TieModel::Davidson;
    bool position = true;  ///< a term for the left side, where a match was shown
    size_t styleTerms = 0; ///< length of Match::style
    double ridge = 1e-6;   ///< a normal prior's precision on every strength, for finiteness only
    double ridgeIfSeparable = 0.1; ///< instead of it where the matches are not strongly connected
};

/// Tells a long computation that nobody waits for its result any more; empty: somebody does.
using Cancelled = std::function<bool()>;

/// An estimate on the log-odds scale, 95 % by the sandwich estimator clustered as Match::cluster says.
struct Term {
    double value = 0, error = 0;
    rules::Interval interval() const { return {value - rules::kZ95 * error, value + rules::kZ95 * error}; }
};

struct ModelRating {
    Term strength;   ///< log-odds against an average model (the strengths sum to 0)
    int64_t matches = 0;
    double wins = 0; ///< ties half
    size_t rankLow = 1, rankHigh = 1; ///< best and worst place that the intervals allow
    /// The public arenas' scale: 400 for odds of ten to one, 1000 in the middle.
    static double elo(double logOdds) { return 1000 + logOdds * kEloPerLogOdd; }
    static constexpr double kEloPerLogOdd = 173.71779276130073; ///< 400 / ln 10
};

struct Ratings {
    std::vector<ModelRating> models;
    Term position;            ///< log-odds that the left side gains
    std::vector<Term> style;  ///< log-odds a unit of the term
    Term logTie;              ///< log of Davidson's nu; 0 with TieModel::Half
    bool connected = false;   ///< one group in which everybody met everybody, directly or through others
    bool stronglyConnected = false; ///< and nobody, and no group, only won or only lost: estimates are finite without a prior
    std::vector<size_t> groups; ///< number of each model's connected group; strengths of different groups cannot be compared
    bool converged = false;
    int64_t matches = 0;
    /// What a person must know before reading the table; empty when all is well.
    std::string warning(const std::vector<std::string>& names) const;
};

/// Maximum likelihood by Newton's method. With eta = strength(first) - strength(second) + position + style:
/// P(first) : P(tie) : P(second) = exp(eta / 2) : nu : exp(-eta / 2). Matches of a model with itself are left out.
Ratings rateModels(size_t models, const std::vector<Match>& matches, const RatingOptions& options = {});
Ratings rateMatches(size_t models, const MatchTable& matches, const RatingOptions& options = {});

/// Length differences as style terms are (a - b) / (a + b), which is what the arenas use; 0 when both are 0.
double normalisedDifference(double a, double b);

/// Answers to one prompt with the majority of votes between pairs of them.
struct Preference {
    size_t prompt = 0;
    int64_t winner = 0, loser = 0; ///< candidates
};
/// A > B > C > A: the three candidates of each directed triangle, once.
struct Cycle {
    size_t prompt = 0;
    int64_t candidates[3] = {0, 0, 0};
};
std::vector<Cycle> preferenceCycles(const std::vector<Preference>& preferences);

} // namespace pl::desk
