// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/rank_order.h"

#include <algorithm>
#include <utility>

namespace pl::ui {

bool RankOrder::isPlaced(int place) const {
    return std::any_of(m_typed.begin(), m_typed.end(), [&](const Typed& t) { return t.place == place; });
}

std::vector<int> RankOrder::unplaced() const {
    std::vector<int> out;
    for (int place = 0; place < m_places; ++place)
        if (!isPlaced(place))
            out.push_back(place);
    return out;
}

bool RankOrder::isComplete() const { return m_places > 0 && static_cast<int>(m_typed.size()) == m_places; }

RankOrder::Step RankOrder::fill() {
    m_tieNext = false;
    // The last one that is left has no other rank to take.
    if (const auto left = unplaced(); left.size() == 1)
        m_typed.push_back({left[0], false, false, true});
    return isComplete() ? Step::Complete : Step::Changed;
}

RankOrder::Step RankOrder::put(int place) {
    if (place < 0 || place >= m_places || isPlaced(place))
        return Step::Ignored;
    m_typed.push_back({place, m_tieNext && !groups(false).empty(), false, false});
    return fill();
}

RankOrder::Step RankOrder::putLast(int place) {
    if (place < 0 || place >= m_places || isPlaced(place))
        return Step::Ignored;
    m_typed.push_back({place, m_tieNext && !groups(true).empty(), true, false});
    return fill();
}

RankOrder::Step RankOrder::tie() {
    if (isComplete())
        return Step::Ignored;
    m_tieNext = !m_tieNext;
    return Step::Changed;
}

RankOrder::Step RankOrder::tieRest() {
    const auto left = unplaced();
    if (left.empty())
        return Step::Ignored;
    m_tieNext = false;
    for (size_t i = 0; i < left.size(); ++i)
        m_typed.push_back({left[i], i > 0, false, i > 0});
    return Step::Complete;
}

RankOrder::Step RankOrder::back() {
    if (std::exchange(m_tieNext, false))
        return Step::Changed;
    if (m_typed.empty())
        return Step::Ignored;
    while (m_typed.size() > 1 && m_typed.back().filled)
        m_typed.pop_back();
    m_typed.pop_back();
    return Step::Changed;
}

void RankOrder::clear() {
    m_typed.clear();
    m_tieNext = false;
}

std::vector<std::vector<int>> RankOrder::groups(bool last) const {
    std::vector<std::vector<int>> out;
    for (const Typed& t : m_typed) {
        if (t.last != last)
            continue;
        if (!t.tied || out.empty())
            out.emplace_back();
        out.back().push_back(t.place);
    }
    if (last) // the first one put last is the very last
        std::reverse(out.begin(), out.end());
    return out;
}

int RankOrder::rankOf(int place) const {
    int rank = 0;
    for (const bool last : {false, true}) {
        for (const auto& group : groups(last)) {
            ++rank;
            if (std::count(group.begin(), group.end(), place))
                return rank;
        }
        if (!last && !unplaced().empty())
            ++rank; // those in the middle hold one
    }
    return 0;
}

desk::Ranking RankOrder::ranking(const std::vector<size_t>& shown) const {
    desk::Ranking out;
    out.ranks.assign(shown.size(), 0);
    const int middle = static_cast<int>(groups(false).size()) + 1;
    for (int place = 0; place < m_places; ++place)
        out.ranks[shown[static_cast<size_t>(place)]] = isPlaced(place) ? rankOf(place) : middle;
    if (unplaced().size() > 1)
        out.unordered.insert(middle);
    return out;
}

RankOrder RankOrder::of(const desk::Ranking& ranking, const std::vector<size_t>& shown) {
    RankOrder out(static_cast<int>(shown.size()));
    std::vector<std::pair<int, int>> order; // rank, place
    for (size_t place = 0; place < shown.size(); ++place)
        order.emplace_back(ranking.ranks[shown[place]], static_cast<int>(place));
    std::sort(order.begin(), order.end());
    bool below = false; // an unordered middle has been passed
    std::vector<Typed> lasts;
    for (size_t i = 0; i < order.size(); ++i) {
        if (ranking.unordered.count(order[i].first)) {
            below = true;
            continue;
        }
        const bool tied = i > 0 && order[i - 1].first == order[i].first;
        (below ? lasts : out.m_typed).push_back({order[i].second, tied, below, false});
    }
    // Put last from the very last on.
    for (size_t end = lasts.size(); end > 0;) {
        size_t begin = end - 1;
        while (begin > 0 && lasts[begin].tied)
            --begin;
        for (size_t i = begin; i < end; ++i)
            out.m_typed.push_back(lasts[i]);
        end = begin;
    }
    return out;
}

} // namespace pl::ui
