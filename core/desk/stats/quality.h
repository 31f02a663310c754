// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/desk/stats/ratings.h"
#include "core/desk/stats/summary.h"

/// What the votes of a task are worth: agreement, consistency, biases, people and models, each with interval and n
/// (reference/annotation.md section 4.4). Everything is in content space, so that a shuffled side changes no agreement.
namespace pl::desk {

/// A chance-corrected coefficient with the raw share beside it.
struct Coefficient {
    double value = 0;        ///< NaN: undefined
    rules::Interval interval; ///< bootstrap over pairs, 95 %
    double raw = 0;          ///< share of agreeing ratings
    int64_t pairs = 0;       ///< that two people or more judged
    Json toJson() const;     ///< {"value", "low", "high", "raw", "n"}
};

struct Agreement {
    Coefficient winner;        ///< Krippendorff's alpha, nominal over a, b, tie
    Coefficient decided;       ///< the same without ties
    Coefficient strength;      ///< ordinal over -3 .. 3, of votes that carry a strength
    std::optional<double> cohen, cohenQuadratic; ///< of exactly two people
    std::optional<double> fleiss; ///< when every such pair has equally many votes
    double ac1 = 0;            ///< Gwet's, three categories
    /// Pairs on which people chose different winners, the most divided first.
    std::vector<Id> disputed;
    Json toJson() const;
};

/// Votes needed to tell a true share `p` from one half: two-sided 5 %, power 80 %.
int64_t votesToSee(double p);

struct PersonQuality {
    Id annotator = 0;
    std::string name, kind;
    int64_t votes = 0, skips = 0, flags = 0;
    Rate agreement;        ///< with the majority of the others on the same pair; a split majority is left out
    Rate selfConsistency;  ///< hidden repeats
    Rate swapConsistency;  ///< of them, those whose sides were swapped
    double repeatKappa = 0; ///< quadratic weights over -3 .. 3 of the repeats; NaN without
    Rate left, ties, longer;
    int64_t strengths[4] = {0, 0, 0, 0}; ///< votes by strength; [0]: ties and votes without one
    std::optional<double> medianMs, lowerQuartileMs, upperQuartileMs; ///< active time, idle ones left out
    int64_t idle = 0;      ///< votes that took longer than kIdleMs
    int64_t longestStreak = 0; ///< same side in a row
    Rate firstHalfLeft, secondHalfLeft;                ///< drift: the person's earlier and later votes
    std::optional<double> firstHalfMs, secondHalfMs;   ///< medians of the same
    std::optional<double> modelledAccuracy; ///< Dawid and Skene's, where people overlap
    static constexpr int32_t kIdleMs = 30'000;
    static constexpr int64_t kLongStreak = 12;
    Json toJson() const;
};

struct ModelTable {
    std::vector<std::string> names;
    Ratings ratings;
    std::string warning;
    Json toJson() const;
};

struct QualityReport {
    int64_t votes = 0, skips = 0, flags = 0;
    Agreement agreement;
    Rate left, ties, longer, selfConsistency, swapConsistency;
    std::vector<PersonQuality> people;
    ModelTable models;
    /// Odds that an answer twice as long wins against an equal one, people's taste and models' strength held fixed.
    std::optional<Term> doubleLengthLogOdds;
    std::vector<Cycle> cycles;
    /// "1,204 votes without a tie: enough to see 55 %, not 53 % (2,178)."
    std::string positionPower() const;
    Json toJson() const;
};

struct QualityOptions {
    Id task = 0;       ///< 0: all of them
    bool people = true; ///< human votes only (rules and judges apart); imported votes count as human
    int bootstrap = 400;
    uint64_t seed = 1;
};

/// Pure. `votes` in any order; facts of pairs may be missing, then lengths and models are.
QualityReport assessQuality(std::vector<CurrentVote> votes, const std::vector<Annotator>& people,
                            const std::map<Id, Project::PairFacts>& facts, const QualityOptions& options = {});
/// Copies what it needs from the project, so that the work itself can go on elsewhere.
Result<std::function<QualityReport()>> qualityWork(Project& project, const QualityOptions& options = {});

} // namespace pl::desk
