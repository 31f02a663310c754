// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/desk/store/project.h"
#include "core/rules/statistics.h"

namespace pl::desk {

/// A share with its 95 % Wilson interval; successes may be halves.
struct Rate {
    double successes = 0;
    int64_t n = 0;
    std::optional<double> value() const { return n ? std::optional<double>(successes / double(n)) : std::nullopt; }
    rules::Interval interval() const { return rules::wilson(successes, static_cast<double>(n)); }
    void add(double success) {
        successes += success;
        ++n;
    }
    Json toJson() const; ///< {"value", "low", "high", "n"}
};

struct PersonSummary {
    Id annotator = 0;
    std::string name;
    std::string kind;
    int64_t votes = 0, skips = 0, flags = 0;
    Rate left;            ///< chose the left side, ties apart
    Rate ties;
    Rate selfConsistency; ///< hidden repeats that got the same winner, in content space
    std::optional<double> medianActiveMs;
};

struct VoteSummary {
    int64_t votes = 0, skips = 0, flags = 0;
    Rate left, ties, selfConsistency;
    Rate agreement;  ///< of two people on the same pair and task, ties counted as a class of their own
    Rate longerWins; ///< the baseline "the longer answer wins", ties and equal lengths apart
    std::optional<double> medianActiveMs;
    std::map<std::string, int64_t> provenances;
    std::vector<PersonSummary> people; ///< in the order of their ids
    Json toJson() const;
};

/// Pure; task 0: all of them. Facts may be empty: then there is no longerWins.
VoteSummary summarize(const std::vector<CurrentVote>& votes, const std::vector<Annotator>& people,
                      const std::map<Id, Project::PairFacts>& facts, Id task = 0);
Result<VoteSummary> summarize(Project& project, Id task = 0);

} // namespace pl::desk
