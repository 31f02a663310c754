// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/desk/stats/style.h"
#include "core/desk/store/project.h"

/// What statistics are made of, copied from the project a little at a time, so that no vote waits for a million others.
namespace pl::desk {

/// Of a pair with a vote: what a look at its answers says.
struct PairFact {
    Id comparison = 0, prompt = 0, a = 0, b = 0;
    int32_t lengthA = 0, lengthB = 0;  ///< characters; 0: an image
    uint32_t modelA = 0, modelB = 0;   ///< places in VoteFacts::models; 0: no name
    StyleCounts styleA, styleB;        ///< of answers of two different named models; else empty
    bool operator==(const PairFact&) const = default;
};

struct VoteFacts {
    std::vector<CurrentVote> votes; ///< what counted on pairs when the reading began; orders of sets are left out
    std::vector<Annotator> people;
    std::vector<PairFact> pairs;    ///< sorted by comparison
    std::vector<std::string> models{""};
    struct Shown {
        Id task = 0, comparison = 0, annotator = 0;
        auto operator<=>(const Shown&) const = default;
    };
    std::vector<Shown> goldShown; ///< sorted, each once: gold pairs put before a person among the others
    struct Verdict {
        Id task = 0, comparison = 0;
        Winner winner = Winner::Tie;
    };
    std::vector<Verdict> gold;    ///< sorted by task and comparison
    std::map<std::pair<Id, std::string>, int64_t> strata; ///< votes by task and stratum of the queue; those taken back, too
    bool complete = false;        ///< false: only votes and people are there
};

/// Reads VoteFacts, and the next time only what is new: pairs that have their first vote, and judgements and presentations (which are only
/// ever added) by their numbers. What can change, votes, people and gold, is read again; erasing makes it read everything again.
///
///     begin(project)             on the project's thread; milliseconds, nearly all of it a copy of the votes
///     plan()                     anywhere
///     while (!step(project))     on the project's thread, other work in between
///     finish()                   anywhere; then facts() is complete
///
/// A reading that was broken off (or failed) begins anew with begin() and loses nothing.
class FactReader {
public:
    static constexpr int kStepMs = 8;
    Status begin(Project& project);
    void plan();
    /// Goes on for about so long (-1: until it is done); true: nothing is left to read.
    Result<bool> step(Project& project, int budgetMs = kStepMs);
    void finish();
    const VoteFacts& facts() const { return m_facts; }
    VoteFacts take() { return std::move(m_facts); } ///< the last thing it is asked
    /// Rows read since begin(), and rows to read in all (known after plan()).
    int64_t read() const { return m_read; }
    int64_t rows() const { return m_rows; }

private:
    struct Within;
    void readPairs(Project::Impl& impl, Within& within);
    void readJudgements(Project::Impl& impl, Within& within);
    void readPresentations(Project::Impl& impl, Within& within);
    void readGold(Project::Impl& impl, Within& within);
    uint32_t placeOf(const std::string& model);
    void takeInPairs();

    VoteFacts m_facts;
    std::map<std::string, uint32_t> m_places;
    std::vector<Id> m_missing;  ///< comparisons without a fact, sorted
    size_t m_nextMissing = 0;
    std::vector<PairFact> m_fresh;
    std::vector<VoteFacts::Shown> m_freshShown;
    std::vector<VoteFacts::Verdict> m_freshGold;
    bool m_goldRead = false;
    Id m_judgement = 0, m_lastJudgement = 0;       ///< read up to, and the newest when the reading began
    Id m_presentation = 0, m_lastPresentation = 0;
    Id m_tombstone = 0;         ///< the newest when the reading began: erased since then means that facts are of texts that are gone
    int64_t m_read = 0, m_rows = 0;
};

/// All of it at once, for programs in which nobody waits for a vote.
Result<VoteFacts> readVoteFacts(Project& project);

} // namespace pl::desk
