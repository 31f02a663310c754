// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/desk/stats/rating_bootstrap.h"
#include "core/desk/stats/summary.h"
#include "core/desk/store/pair_facts.h"

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
    /// Pairs on which people chose different winners, the most divided first; not those with a verdict.
    std::vector<Id> disputed;
    int64_t undecided = 0;   ///< of them, those without a verdict that most share
    int64_t adjudicated = 0; ///< pairs with a verdict
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
    Rate gold; ///< gold pairs judged as they are, each met once without a word
    Rate left, ties, longer;
    int64_t strengths[4] = {0, 0, 0, 0}; ///< votes by strength; [0]: ties and votes without one
    std::optional<double> medianMs, lowerQuartileMs, upperQuartileMs; ///< active time, idle ones left out
    int64_t idle = 0;      ///< votes that took longer than kIdleMs
    int64_t longestStreak = 0; ///< same side in a row
    Rate firstHalfLeft, secondHalfLeft;                ///< drift: the person's earlier and later votes
    Rate firstHalfAgreement, secondHalfAgreement;      ///< with the others, of the earlier and later votes that can be compared
    std::optional<double> firstHalfMs, secondHalfMs;   ///< medians of the same
    std::optional<double> modelledAccuracy; ///< Dawid and Skene's, where people overlap
    static constexpr int32_t kIdleMs = 30'000;
    static constexpr int64_t kLongStreak = 12;
    Json toJson() const;
};

/// What a bootstrap of the ratings needs; copied from nothing, so that it can go on long after the report.
struct RatingSample {
    size_t models = 0;
    MatchTable matches;
    std::vector<uint64_t> prompts; ///< of each match
    RatingOptions options;
    /// Above it a refit takes too long to be repeated, and the normal approximation is as good.
    static constexpr size_t kMost = 50'000;
};

struct ModelTable {
    std::vector<std::string> names;
    Ratings ratings;
    std::string warning;
    std::shared_ptr<const RatingSample> sample; ///< null: no matches, no estimate, or more matches than RatingSample::kMost
    std::optional<RatingBootstrap> bootstrap;   ///< over prompts; as long as it is not there the intervals are the normal approximation's
    /// The better interval there is, on the log-odds scale, and the places it allows.
    rules::Interval interval(size_t model) const;
    std::pair<size_t, size_t> places(size_t model) const;
    Json toJson() const;
};

/// What an element of style is worth: log-odds that an answer which has it all wins against an equal one that has none.
struct StyleTerm {
    std::string name; ///< "lists"
    Term logOdds;
    int64_t matches = 0; ///< in which the two answers differ in it
};

struct QualityReport {
    int64_t votes = 0, skips = 0, flags = 0;
    Agreement agreement;
    Rate left, ties, longer, selfConsistency, swapConsistency, gold;
    std::vector<PersonQuality> people;
    ModelTable models;
    /// Odds that an answer twice as long wins against an equal one, people's taste and models' strength held fixed.
    std::optional<Term> doubleLengthLogOdds;
    std::vector<StyleTerm> style; ///< beside length; only what differs in some match
    bool complete = true;         ///< false: pairs are still being read; nothing on lengths, models, gold and strata is there yet
    std::map<std::string, int64_t> strata; ///< votes by where the queue took them from
    std::vector<Cycle> cycles;
    /// "1,204 votes without a tie: enough to see 55 %, not 53 % (2,178)."
    std::string positionPower() const;
    Json toJson() const;
};

struct QualityOptions {
    Id task = 0;       ///< 0: all of them
    bool people = true; ///< human votes only (rules and judges apart); imported votes count as human
    int bootstrap = 400; ///< rounds; of the ratings only in qualityOf(), which waits for it
    uint64_t seed = 1;
};

/// Pure; with votes and people alone (VoteFacts::complete is false) what they say by themselves. Verdicts of adjudicators are no opinions.
QualityReport assessQuality(const VoteFacts& facts, const QualityOptions& options = {});
/// Reads everything and assesses it: for programs in which nobody waits meanwhile (else FactReader).
Result<QualityReport> qualityOf(Project& project, const QualityOptions& options = {});

} // namespace pl::desk
