// SPDX-License-Identifier: Apache-2.0
#include "core/desk/domain/vote_table.h"

#include "core/base/hash.h"

namespace pl::desk {

namespace {
bool counts(const CurrentVote& vote) { return vote.kind == EventKind::Vote && vote.occasion == 0; }
} // namespace

size_t VoteTable::Hash::operator()(const VoteKey& key) const {
    uint64_t h = mix64(static_cast<uint64_t>(key.comparison));
    h = mix64(h ^ static_cast<uint64_t>(key.annotator));
    return mix64(h ^ (static_cast<uint64_t>(key.task) << 16) ^ static_cast<uint64_t>(key.occasion));
}

VoteKey VoteTable::keyOf(const CurrentVote& vote) {
    return {vote.task, vote.comparison, vote.annotator, vote.occasion};
}

void VoteTable::set(const CurrentVote& vote) {
    const auto [at, fresh] = m_index.try_emplace(keyOf(vote), m_rows.size());
    if (fresh) {
        m_rows.push_back(vote);
    } else {
        count(m_rows[at->second], -1);
        m_rows[at->second] = vote;
    }
    count(vote, 1);
}

void VoteTable::count(const CurrentVote& vote, int by) {
    if (!counts(vote))
        return;
    m_perComparison[vote.comparison] += by;
    if (vote.provenance != Provenance::Human && vote.provenance != Provenance::Imported)
        return;
    Tally& tally = m_tallies[{vote.task, vote.comparison, 0, 0}];
    (vote.winner == Winner::A ? tally.a : vote.winner == Winner::B ? tally.b : tally.tie) += by;
}

Tally VoteTable::tally(Id task, Id comparison) const {
    const auto at = m_tallies.find({task, comparison, 0, 0});
    return at == m_tallies.end() ? Tally() : at->second;
}

void VoteTable::erase(const VoteKey& key) {
    const auto at = m_index.find(key);
    if (at == m_index.end())
        return;
    const size_t hole = at->second;
    count(m_rows[hole], -1);
    m_index.erase(at);
    if (hole + 1 != m_rows.size()) {
        m_rows[hole] = m_rows.back();
        m_index[keyOf(m_rows[hole])] = hole;
    }
    m_rows.pop_back();
}

const CurrentVote* VoteTable::find(const VoteKey& key) const {
    const auto at = m_index.find(key);
    return at == m_index.end() ? nullptr : &m_rows[at->second];
}

void VoteTable::reserve(size_t n) {
    m_rows.reserve(n);
    m_index.reserve(n);
}

void VoteTable::clear() {
    m_rows.clear();
    m_index.clear();
    m_perComparison.clear();
    m_tallies.clear();
}

int64_t VoteTable::votesOn(Id comparison) const {
    const auto at = m_perComparison.find(comparison);
    return at == m_perComparison.end() ? 0 : at->second;
}

} // namespace pl::desk
