// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <vector>

#include "core/rules/statistics.h"

/// How far people agree beyond chance. Categories are small integers; for weighted and ordinal measures their order and
/// distance count (-3 B much better .. 3 A much better). Undefined (nothing to compare, or one category only) is NaN.
namespace pl::desk {

/// The ratings that one item got, in no order; an item with fewer than two carries no information on agreement.
using Unit = std::vector<int>;

/// Items by what they got, with how many got just that: no measure here depends on more, and a million items of three raters have a
/// few dozen.
struct Patterns {
    std::vector<Unit> units;    ///< different ones, each sorted
    std::vector<double> counts; ///< of items, parallel to units
    Patterns() = default;
    Patterns(const std::vector<Unit>& items);
    Patterns(std::initializer_list<Unit> items) : Patterns(std::vector<Unit>(items)) {}
};

/// What a difference between two categories weighs.
enum class Level {
    Nominal, ///< 1 when they differ
    Ordinal, ///< by how many ratings lie between them (Krippendorff)
    Interval ///< the square of their difference
};

/// Krippendorff's alpha for any number of raters with gaps (Krippendorff 2011, "Computing Krippendorff's
/// Alpha-Reliability"): 1 - observed / expected disagreement.
double krippendorffAlpha(const Patterns& items, Level level);

/// Share of pairs of ratings of the same item that are equal, each item weighing by its ratings as in alpha's coincidences.
double rawAgreement(const Patterns& items);

/// Two raters who both rated every item.
struct TwoRatings {
    int first = 0, second = 0;
};
enum class KappaWeights { None, Quadratic };
/// Cohen's kappa (1960), or weighted kappa (1968) with weights 1 - (i - j)^2 / range^2.
double cohenKappa(const std::vector<TwoRatings>& items, KappaWeights weights = KappaWeights::None);

/// Fleiss's kappa (1971); every item has the same number of ratings >= 2, else NaN.
double fleissKappa(const Patterns& items);

/// Gwet's AC1 for any number of raters with gaps (Gwet 2014, section 2.5): does not collapse where one category dominates.
/// `categories`: how many there are to choose from, those nobody took included.
double gwetAc1(const Patterns& items, int categories);

/// A percentile bootstrap over items (95 %): the statistic of `rounds` samples with replacement, drawn as how often each pattern
/// occurs in them (one multinomial draw a round, whatever the number of items). Samples in which it is undefined are left out; NaN bounds when
/// more than half of them are. Deterministic in the seed.
rules::Interval bootstrapInterval(const Patterns& items, const std::function<double(const Patterns&)>& statistic, int rounds = 1000,
                                  uint64_t seed = 1);

/// One judgement of one rater, for Dawid and Skene.
struct RaterVote {
    size_t item = 0, rater = 0;
    int category = 0; ///< 0 .. categories - 1
};
struct DawidSkene {
    std::vector<std::vector<double>> items;               ///< [item][category]: probability of being the true one
    std::vector<std::vector<std::vector<double>>> raters; ///< [rater][true][given]
    std::vector<double> prevalence;                       ///< [category]
    int rounds = 0;
    /// Chance that a rater's answer is the true one.
    double accuracy(size_t rater) const;
};
/// Dawid and Skene 1979 by expectation maximisation from the majority, one pseudo-count of `smoothing` in every cell.
/// Stops when no probability moves by more than 1e-6. `weights`: how many items are alike, each counted as so many; empty: one each.
DawidSkene dawidSkene(const std::vector<RaterVote>& votes, size_t items, size_t raters, int categories, double smoothing = 0.01,
                      int maxRounds = 500, const std::vector<double>& weights = {});

} // namespace pl::desk
