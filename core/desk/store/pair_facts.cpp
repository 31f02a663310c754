// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/pair_facts.h"

#include <algorithm>
#include <utility>

#include "core/desk/store/impl.h"
#include "core/desk/store/rankings.h"

namespace pl::desk {

namespace {

int32_t charactersOf(const std::string& text) {
    return static_cast<int32_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

Id newestOf(Project::Impl& impl, const char* table) {
    auto row = impl.query(fmt::format("SELECT coalesce(max(id), 0) FROM {}", table));
    row.step();
    return row.integer(0);
}

/// Rows of a range of numbers that are asked for at once; the clock is read between ranges.
constexpr Id kRange = 500;

} // namespace

/// How long a step may go on; something is always done.
struct FactReader::Within {
    int64_t until; ///< monotonicNs; -1: for ever
    bool begun = false;
    bool over() { return std::exchange(begun, true) && until >= 0 && monotonicNs() >= until; }
};

uint32_t FactReader::placeOf(const std::string& model) {
    if (model.empty())
        return 0;
    const auto [at, fresh] = m_places.try_emplace(model, static_cast<uint32_t>(m_facts.models.size()));
    if (fresh)
        m_facts.models.push_back(model);
    return at->second;
}

Status FactReader::begin(Project& project) {
    Project::Impl& impl = project.impl();
    m_facts.complete = false;
    m_missing.clear();
    m_nextMissing = 0;
    m_read = m_rows = 0;
    m_goldRead = false;
    m_freshGold.clear();
    PL_TRY(m_facts.people, project.annotators());
    PL_TRY(const auto sets, setComparisons(project));
    return impl.guarded("reading votes", [&]() -> Status {
        const Id tombstone = newestOf(impl, "tombstones");
        if (tombstone != m_tombstone) {
            m_facts.pairs.clear();
            m_fresh.clear();
            m_tombstone = tombstone;
        }
        m_lastJudgement = newestOf(impl, "judgements");
        m_lastPresentation = newestOf(impl, "presentations");
        if (const size_t votes = impl.votes.rows().size(); m_facts.votes.capacity() < votes) // room for those to come: new pages cost more than the copy
            m_facts.votes.reserve(votes + votes / 8 + 64);
        m_facts.votes.assign(impl.votes.rows().begin(), impl.votes.rows().end());
        if (!sets.empty())
            std::erase_if(m_facts.votes, [&](const CurrentVote& vote) { return std::binary_search(sets.begin(), sets.end(), vote.comparison); });
        return {};
    });
}

void FactReader::takeInPairs() {
    const auto byComparison = [](const PairFact& x, const PairFact& y) { return x.comparison < y.comparison; };
    std::sort(m_fresh.begin(), m_fresh.end(), byComparison);
    const auto old = static_cast<std::ptrdiff_t>(m_facts.pairs.size());
    m_facts.pairs.insert(m_facts.pairs.end(), m_fresh.begin(), m_fresh.end());
    std::inplace_merge(m_facts.pairs.begin(), m_facts.pairs.begin() + old, m_facts.pairs.end(), byComparison);
    std::vector<PairFact>().swap(m_fresh);
}

void FactReader::plan() {
    takeInPairs(); // of a reading that was broken off
    std::vector<Id> wanted;
    wanted.reserve(m_facts.votes.size());
    for (const CurrentVote& vote : m_facts.votes)
        wanted.push_back(vote.comparison);
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    m_missing.clear();
    auto known = m_facts.pairs.begin();
    for (const Id comparison : wanted) {
        while (known != m_facts.pairs.end() && known->comparison < comparison)
            ++known;
        if (known == m_facts.pairs.end() || known->comparison != comparison)
            m_missing.push_back(comparison);
    }
    m_rows = static_cast<int64_t>(m_missing.size()) + (m_lastJudgement - m_judgement) + (m_lastPresentation - m_presentation);
}

void FactReader::readPairs(Project::Impl& impl, Within& within) {
    auto row = impl.query("SELECT x.prompt_id, x.a_id, x.b_id, a.model_name, b.model_name, ac.text, bc.text FROM comparisons x "
                          "JOIN candidates a ON a.id = x.a_id JOIN candidates b ON b.id = x.b_id "
                          "LEFT JOIN contents ac ON ac.id = a.content_id LEFT JOIN contents bc ON bc.id = b.content_id WHERE x.id = ?");
    while (m_nextMissing < m_missing.size() && !within.over()) {
        PairFact fact;
        fact.comparison = m_missing[m_nextMissing++];
        ++m_read;
        row.again();
        if (row.bind(fact.comparison).step()) {
            fact.prompt = row.integer(0);
            fact.a = row.integer(1);
            fact.b = row.integer(2);
            fact.modelA = placeOf(row.text(3));
            fact.modelB = placeOf(row.text(4));
            const std::string a = row.null(5) ? std::string() : row.text(5), b = row.null(6) ? std::string() : row.text(6);
            fact.lengthA = charactersOf(a);
            fact.lengthB = charactersOf(b);
            if (fact.modelA && fact.modelB && fact.modelA != fact.modelB) {
                fact.styleA = styleOf(a);
                fact.styleB = styleOf(b);
            }
        }
        m_fresh.push_back(fact);
    }
}

void FactReader::readJudgements(Project::Impl& impl, Within& within) {
    auto rows = impl.query("SELECT j.task_id, p.stratum, count(*) FROM judgements j NOT INDEXED JOIN presentations p ON p.id = j.presentation_id "
                           "WHERE j.id > ? AND j.id <= ? AND j.kind = 'vote' GROUP BY 1, 2");
    while (m_judgement < m_lastJudgement && !within.over()) {
        const Id to = std::min(m_judgement + kRange, m_lastJudgement);
        rows.again();
        rows.bind(m_judgement, to);
        std::map<std::pair<Id, std::string>, int64_t> more; // all of a range or nothing of it
        while (rows.step())
            more[{rows.integer(0), rows.text(1)}] += rows.integer(2);
        for (const auto& [key, votes] : more)
            m_facts.strata[key] += votes;
        m_read += to - m_judgement;
        m_judgement = to;
    }
}

void FactReader::readPresentations(Project::Impl& impl, Within& within) {
    auto rows = impl.query("SELECT task_id, comparison_id, annotator_id FROM presentations NOT INDEXED "
                           "WHERE id > ? AND id <= ? AND stratum = 'gold'");
    while (m_presentation < m_lastPresentation && !within.over()) {
        const Id to = std::min(m_presentation + kRange, m_lastPresentation);
        rows.again();
        rows.bind(m_presentation, to);
        while (rows.step()) // one read twice after a failure is once in the end
            m_freshShown.push_back({rows.integer(0), rows.integer(1), rows.integer(2)});
        m_read += to - m_presentation;
        m_presentation = to;
    }
}

void FactReader::readGold(Project::Impl& impl, Within& within) {
    auto rows = impl.query(fmt::format("SELECT task_id, comparison_id, winner FROM gold WHERE (task_id, comparison_id) > (?, ?) "
                                       "ORDER BY task_id, comparison_id LIMIT {}", kRange));
    while (!m_goldRead && !within.over()) {
        VoteFacts::Verdict last = m_freshGold.empty() ? VoteFacts::Verdict() : m_freshGold.back();
        rows.again();
        rows.bind(last.task, last.comparison);
        Id found = 0;
        for (; rows.step(); ++found)
            m_freshGold.push_back({rows.integer(0), rows.integer(1), stored(winnerOf(rows.text(2)))});
        m_goldRead = found < kRange;
    }
}

Result<bool> FactReader::step(Project& project, int budgetMs) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading pairs with votes", [&]() -> Result<bool> {
        Within within{budgetMs < 0 ? -1 : monotonicNs() + int64_t{budgetMs} * 1'000'000, false};
        if (newestOf(impl, "tombstones") != m_tombstone)
            return fail(Code::Busy, "something was erased while the statistics read", "They begin again.");
        readPairs(impl, within);
        readJudgements(impl, within);
        readPresentations(impl, within);
        readGold(impl, within);
        return m_goldRead && m_nextMissing == m_missing.size() && m_judgement == m_lastJudgement && m_presentation == m_lastPresentation;
    });
}

void FactReader::finish() {
    takeInPairs();
    m_facts.gold = m_freshGold;
    auto& shown = m_facts.goldShown;
    std::sort(m_freshShown.begin(), m_freshShown.end());
    const auto old = static_cast<std::ptrdiff_t>(shown.size());
    shown.insert(shown.end(), m_freshShown.begin(), m_freshShown.end());
    std::inplace_merge(shown.begin(), shown.begin() + old, shown.end());
    shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
    m_freshShown.clear();
    m_facts.complete = true;
}

Result<VoteFacts> readVoteFacts(Project& project) {
    FactReader reader;
    PL_CHECK(reader.begin(project));
    reader.plan();
    PL_TRY([[maybe_unused]] const bool done, reader.step(project, -1));
    reader.finish();
    return reader.take();
}

} // namespace pl::desk
