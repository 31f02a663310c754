// SPDX-License-Identifier: Apache-2.0
#include "core/desk/queue/pair_queue.h"

#include "core/base/hash.h"

namespace pl::desk {

uint64_t hashPrefix(const std::string& sha) {
    uint64_t value = 0;
    for (size_t i = 0; i < 16 && i < sha.size(); ++i) {
        const char c = sha[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
        value = value << 4 | static_cast<uint64_t>(digit);
    }
    return value;
}

bool drawAOnLeft(uint64_t seed, uint64_t pairHash, Id annotator, int occasion) {
    const uint64_t who = mix64(static_cast<uint64_t>(annotator) * 1000003u + static_cast<uint64_t>(occasion));
    return mix64(mix64(seed ^ pairHash) ^ who) >> 63;
}

uint64_t PairQueue::keyOf(Id comparison, const PairInfo& info) const {
    return m_rule == QueueRule::Fifo ? static_cast<uint64_t>(comparison) : mix64(mix64(m_seed) ^ info.hash);
}

void PairQueue::add(Id comparison, const PairInfo& info) { m_open.emplace(keyOf(comparison, info), comparison); }
void PairQueue::remove(Id comparison, const PairInfo& info) { m_open.erase({keyOf(comparison, info), comparison}); }

std::vector<QueuePick> PairQueue::pick(size_t n, const std::set<Id>& skip) const {
    std::vector<QueuePick> picks;
    // Pairs already prefetched have left the urn.
    size_t left = m_open.size();
    for (const Id id : skip)
        left -= left > 0 && id != 0 ? 1 : 0;
    for (const auto& [key, comparison] : m_open) {
        if (picks.size() >= n)
            break;
        if (skip.count(comparison))
            continue;
        QueuePick pick{comparison, 1.0, queueRuleName(m_rule)};
        if (m_rule == QueueRule::Random) {
            pick.propensity = 1.0 / static_cast<double>(left > 0 ? left : 1);
            left -= left > 1 ? 1 : 0;
        }
        picks.push_back(pick);
    }
    return picks;
}

} // namespace pl::desk
