// SPDX-License-Identifier: Apache-2.0
#include "core/desk/queue/uncertain_queue.h"

#include "core/desk/queue/queue_mix.h"

namespace pl::desk {

void PairMargin::add(double margin) {
    ++models;
    const double before = margin - mean;
    mean += before / models;
    m_squares += before * (margin - mean);
    deviation = models > 1 ? std::sqrt(std::max(0.0, m_squares / (models - 1))) : 0;
}

void UncertainQueue::add(Id comparison, double uncertainty) {
    remove(comparison);
    m_at[comparison] = -uncertainty;
    m_order.emplace(-uncertainty, comparison);
}

void UncertainQueue::remove(Id comparison) {
    const auto at = m_at.find(comparison);
    if (at == m_at.end())
        return;
    m_order.erase({at->second, comparison});
    m_at.erase(at);
}

std::optional<QueuePick> UncertainQueue::draw(double uniform, const std::set<Id>& skip) const {
    std::vector<Id> first;
    for (auto it = m_order.begin(); it != m_order.end() && first.size() < kWindow; ++it)
        if (!skip.count(it->second))
            first.push_back(it->second);
    if (first.empty())
        return std::nullopt;
    double all = 0;
    for (size_t r = 0; r < first.size(); ++r)
        all += std::exp(-static_cast<double>(r) / kScale);
    double left = uniform * all;
    size_t at = 0;
    while (at + 1 < first.size() && left >= std::exp(-static_cast<double>(at) / kScale))
        left -= std::exp(-static_cast<double>(at++) / kScale);
    return QueuePick{first[at], std::exp(-static_cast<double>(at) / kScale) / all, stratumName(Stratum::Uncertain)};
}

} // namespace pl::desk
