// SPDX-License-Identifier: Apache-2.0
#include "core/desk/domain/vote_table.h"

#include "core/base/hash.h"

namespace pl::desk {

namespace {

bool counts(const CurrentVote& vote) { return vote.kind == EventKind::Vote && vote.occasion == 0; }

uint64_t hashOf(const VoteKey& key) {
    uint64_t h = mix64(static_cast<uint64_t>(key.comparison));
    h = mix64(h ^ static_cast<uint64_t>(key.annotator));
    return mix64(h ^ (static_cast<uint64_t>(key.task) << 16) ^ static_cast<uint64_t>(key.occasion));
}
uint64_t hashOf(Id task, Id comparison) { return mix64(mix64(static_cast<uint64_t>(comparison)) ^ static_cast<uint64_t>(task)); }

} // namespace

VoteKey VoteTable::keyOf(const CurrentVote& vote) {
    return {vote.task, vote.comparison, vote.annotator, vote.occasion};
}

uint64_t VoteTable::hashAt(uint32_t row) const { return hashOf(keyOf(m_rows[row])); }

void VoteTable::set(const CurrentVote& vote) {
    const VoteKey key = keyOf(vote);
    const uint64_t hash = hashOf(key);
    const uint32_t row = m_index.find(hash, [&](uint32_t at) { return keyOf(m_rows[at]) == key; });
    if (row == FlatIndex::kNone) {
        m_rows.push_back(vote);
        m_index.insert(hash, static_cast<uint32_t>(m_rows.size() - 1), [this](uint32_t at) { return hashAt(at); });
    } else {
        count(m_rows[row], -1);
        m_rows[row] = vote;
    }
    count(vote, 1);
}

void VoteTable::count(const CurrentVote& vote, int by) {
    m_perPerson[{vote.task, vote.annotator}] += by;
    if (!counts(vote))
        return;
    const uint64_t on = mix64(static_cast<uint64_t>(vote.comparison));
    uint32_t at = m_comparisons.find(on, [&](uint32_t i) { return m_onComparison[i].first == vote.comparison; });
    if (at == FlatIndex::kNone) {
        at = static_cast<uint32_t>(m_onComparison.size());
        m_onComparison.emplace_back(vote.comparison, 0);
        m_comparisons.insert(on, at, [this](uint32_t i) { return mix64(static_cast<uint64_t>(m_onComparison[i].first)); });
    }
    m_onComparison[at].second += by;
    if (vote.provenance != Provenance::Human && vote.provenance != Provenance::Imported)
        return;
    const uint64_t hash = hashOf(vote.task, vote.comparison);
    uint32_t place = m_counts.find(hash, [&](uint32_t i) { return m_counted[i].comparison == vote.comparison && m_counted[i].task == vote.task; });
    if (place == FlatIndex::kNone) {
        place = static_cast<uint32_t>(m_counted.size());
        m_counted.push_back({vote.task, vote.comparison, {}});
        m_counts.insert(hash, place, [this](uint32_t i) { return hashOf(m_counted[i].task, m_counted[i].comparison); });
    }
    Tally& tally = m_counted[place].people;
    (vote.winner == Winner::A ? tally.a : vote.winner == Winner::B ? tally.b : tally.tie) += by;
}

int64_t VoteTable::rowsOf(Id task, Id annotator) const {
    const auto at = m_perPerson.find({task, annotator});
    return at == m_perPerson.end() ? 0 : at->second;
}

Tally VoteTable::tally(Id task, Id comparison) const {
    const uint32_t at = m_counts.find(hashOf(task, comparison), [&](uint32_t i) { return m_counted[i].comparison == comparison && m_counted[i].task == task; });
    return at == FlatIndex::kNone ? Tally() : m_counted[at].people;
}

void VoteTable::erase(const VoteKey& key) {
    const uint64_t hash = hashOf(key);
    const uint32_t hole = m_index.find(hash, [&](uint32_t at) { return keyOf(m_rows[at]) == key; });
    if (hole == FlatIndex::kNone)
        return;
    count(m_rows[hole], -1);
    m_index.erase(hash, hole, [this](uint32_t at) { return hashAt(at); });
    const auto last = static_cast<uint32_t>(m_rows.size() - 1);
    if (hole != last) {
        m_index.move(hashAt(last), last, hole);
        m_rows[hole] = m_rows[last];
    }
    m_rows.pop_back();
}

const CurrentVote* VoteTable::find(const VoteKey& key) const {
    const uint32_t at = m_index.find(hashOf(key), [&](uint32_t i) { return keyOf(m_rows[i]) == key; });
    return at == FlatIndex::kNone ? nullptr : &m_rows[at];
}

void VoteTable::reserve(size_t n) {
    m_rows.reserve(n);
    m_index.reserve(n, [this](uint32_t at) { return hashAt(at); });
}

void VoteTable::clear() { *this = VoteTable(); }

int64_t VoteTable::votesOn(Id comparison) const {
    const uint32_t at = m_comparisons.find(mix64(static_cast<uint64_t>(comparison)), [&](uint32_t i) { return m_onComparison[i].first == comparison; });
    return at == FlatIndex::kNone ? 0 : m_onComparison[at].second;
}

} // namespace pl::desk
