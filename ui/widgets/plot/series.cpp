// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/plot/series.h"

#include <algorithm>
#include <cmath>

namespace pl::ui {

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kGapPoints = 64;
} // namespace

std::vector<double> smoothEma(const std::vector<double>& y, double weight) {
    std::vector<double> out;
    out.reserve(y.size());
    Smoother smoother(weight, 1);
    for (size_t i = 0; i < y.size(); ++i)
        out.push_back(smoother.add(static_cast<double>(i), y[i]));
    return out;
}

Smoother::Smoother(double weight, double typicalDx)
    : m_weight(std::clamp(weight, 0.0, 0.9999))
    , m_dx(typicalDx > 0 ? typicalDx : 1) {}

double Smoother::add(double x, double y) {
    if (!std::isfinite(y))
        return y;
    if (m_weight <= 0)
        return y;
    // The gap counted in typical gaps; the non-finite points between do not stretch it more than their own x does.
    double gaps = 1;
    if (m_any && std::isfinite(x)) {
        gaps = (x - m_x) / m_dx;
        if (!(gaps > 0))
            gaps = 1;
    }
    const double w = gaps == 1 ? m_weight : std::pow(m_weight, gaps);
    m_last = w * m_last + (1 - w) * y;
    m_norm = w * m_norm + (1 - w);
    m_any = true;
    if (std::isfinite(x))
        m_x = x;
    return m_last / m_norm;
}

double typicalGap(const std::vector<double>& x) {
    std::vector<double> gaps;
    for (size_t i = 1; i < std::min(x.size(), kGapPoints); ++i)
        if (x[i] > x[i - 1])
            gaps.push_back(x[i] - x[i - 1]);
    if (gaps.empty())
        return 1;
    const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
    std::nth_element(gaps.begin(), middle, gaps.end());
    return *middle;
}

// ---- MinMaxTree

void MinMaxTree::merge(Node& node, const Node& other) const {
    if (other.min == kNone)
        return;
    if (node.min == kNone || m_y[other.min] < m_y[node.min])
        node.min = other.min;
    if (node.max == kNone || m_y[other.max] > m_y[node.max])
        node.max = other.max;
}

MinMaxTree::Node MinMaxTree::leaf(size_t index) const {
    const auto i = static_cast<uint32_t>(index);
    return std::isfinite(m_y[index]) ? Node{i, i} : Node{kNone, kNone};
}

void MinMaxTree::append(double y) {
    m_y.push_back(y);
    size_t position = m_y.size() - 1;
    const Node added = leaf(position);
    for (size_t level = 0;; ++level) {
        position /= kFan;
        if (level == m_levels.size()) {
            const size_t below = level == 0 ? m_y.size() : m_levels[level - 1].size();
            if (below <= kFan)
                return;
            std::vector<Node> nodes((below + kFan - 1) / kFan, Node{kNone, kNone});
            for (size_t i = 0; i < below; ++i)
                merge(nodes[i / kFan], level == 0 ? leaf(i) : m_levels[level - 1][i]);
            m_levels.push_back(std::move(nodes));
            return;
        }
        auto& nodes = m_levels[level];
        if (position == nodes.size())
            nodes.push_back(Node{kNone, kNone});
        merge(nodes[position], added);
    }
}

void MinMaxTree::truncate(size_t size) {
    if (size >= m_y.size())
        return;
    std::vector<double> keep(m_y.begin(), m_y.begin() + static_cast<std::ptrdiff_t>(size));
    clear();
    for (const double y : keep)
        append(y);
}

void MinMaxTree::clear() {
    m_y.clear();
    m_levels.clear();
}

MinMaxTree::Range MinMaxTree::query(size_t begin, size_t end) const {
    end = std::min(end, m_y.size());
    Node result{kNone, kNone};
    // Walk up from both ends: single values, then nodes of ever larger blocks, as long as whole blocks are inside.
    size_t low = begin, high = end;
    size_t level = 0;
    const auto visit = [&](size_t i) {
        merge(result, level == 0 ? leaf(i) : m_levels[level - 1][i]);
    };
    while (low < high) {
        if (level == m_levels.size()) {
            while (low < high)
                visit(low++);
            break;
        }
        while (low < high && low % kFan != 0)
            visit(low++);
        while (low < high && high % kFan != 0)
            visit(--high);
        low /= kFan;
        high /= kFan;
        ++level;
    }
    if (result.min == kNone)
        return {};
    return {true, result.min, result.max};
}

std::vector<size_t> decimate(const std::vector<double>& x, const MinMaxTree& y, size_t begin, size_t end,
                             const std::vector<double>& edges) {
    std::vector<size_t> out;
    if (begin >= end)
        return out;
    const size_t buckets = edges.size() + 1;
    if (end - begin <= 4 * buckets) {
        for (size_t i = begin; i < end; ++i)
            out.push_back(i);
        return out;
    }
    out.reserve(4 * buckets);
    size_t from = begin;
    for (size_t b = 0; b < buckets && from < end; ++b) {
        const auto last = x.begin() + static_cast<std::ptrdiff_t>(end);
        const size_t to = b < edges.size()
            ? static_cast<size_t>(std::lower_bound(x.begin() + static_cast<std::ptrdiff_t>(from), last, edges[b]) -
                                  x.begin())
            : end;
        if (to == from)
            continue;
        const MinMaxTree::Range range = y.query(from, to);
        size_t picks[4] = {from, range.any ? range.min : from, range.any ? range.max : from, to - 1};
        std::sort(std::begin(picks), std::end(picks));
        for (size_t i = 0; i < 4; ++i)
            if (i == 0 || picks[i] != picks[i - 1])
                if (std::isfinite(y.values()[picks[i]]))
                    out.push_back(picks[i]);
        from = to;
    }
    return out;
}

// ---- Series

void Series::append(const PlotPoint& point) {
    if (!std::isfinite(point.step))
        return;
    if (!m_step.empty() && point.step < m_step.back()) {
        std::vector<PlotPoint> all;
        for (size_t i = 0; i < size(); ++i)
            all.push_back(this->point(i));
        const auto at = std::upper_bound(all.begin(), all.end(), point,
                                         [](const PlotPoint& a, const PlotPoint& b) { return a.step < b.step; });
        all.insert(at, point);
        const double weight = m_weight;
        clear();
        m_weight = weight;
        for (const PlotPoint& p : all)
            append(p);
        return;
    }
    // Tokens and time never go back along a run: a clock set back is drawn at the place it had reached.
    const auto ascending = [](std::vector<double>& column, double value, size_t& missing) {
        if (!std::isfinite(value)) {
            ++missing;
            value = column.empty() ? 0 : column.back();
        }
        column.push_back(column.empty() ? value : std::max(value, column.back()));
    };
    m_step.push_back(point.step);
    ascending(m_tokens, point.tokens, m_missingTokens);
    ascending(m_time, point.time, m_missingTime);
    m_low.push_back(point.low);
    m_high.push_back(point.high);
    if (std::isfinite(point.low) && std::isfinite(point.high))
        ++m_bands;
    m_raw.append(point.y);
    if (!std::isfinite(point.y))
        m_bad.push_back(m_raw.size() - 1);
    if (m_weight > 0)
        appendSmooth();
}

void Series::appendSmooth() {
    if (m_step.size() <= kGapPoints) {
        const double gap = typicalGap(m_step);
        if (gap != m_gap || m_smooth.size() + 1 != m_step.size()) {
            rebuildSmooth();
            return;
        }
    }
    m_smooth.append(m_smoother.add(m_step.back(), m_raw.values().back()));
}

void Series::rebuildSmooth() {
    m_smooth.clear();
    m_gap = typicalGap(m_step);
    m_smoother = Smoother(m_weight, m_gap);
    if (m_weight <= 0)
        return;
    for (size_t i = 0; i < m_step.size(); ++i)
        m_smooth.append(m_smoother.add(m_step[i], m_raw.values()[i]));
}

void Series::setSmoothing(double weight) {
    m_weight = std::clamp(weight, 0.0, 0.9999);
    rebuildSmooth();
}

void Series::rewindTo(double step) {
    const size_t keep = static_cast<size_t>(std::upper_bound(m_step.begin(), m_step.end(), step) - m_step.begin());
    if (keep == size())
        return;
    std::vector<PlotPoint> all;
    for (size_t i = 0; i < keep; ++i)
        all.push_back(point(i));
    const double weight = m_weight;
    clear();
    m_weight = weight;
    for (const PlotPoint& p : all)
        append(p);
}

void Series::clear() {
    const double weight = m_weight;
    *this = Series();
    m_weight = weight;
    m_smoother = Smoother(weight, 1);
}

const std::vector<double>& Series::x(XAxis axis) const {
    switch (axis) {
    case XAxis::Tokens:
        return m_tokens;
    case XAxis::Time:
        return m_time;
    case XAxis::Step:
        break;
    }
    return m_step;
}

bool Series::hasX(XAxis axis) const {
    switch (axis) {
    case XAxis::Tokens:
        return m_missingTokens == 0;
    case XAxis::Time:
        return m_missingTime == 0;
    case XAxis::Step:
        break;
    }
    return true;
}

PlotPoint Series::point(size_t i) const {
    return {m_step[i], m_raw.values()[i], m_missingTokens ? kNan : m_tokens[i], m_missingTime ? kNan : m_time[i],
            m_low[i], m_high[i]};
}

size_t Series::nearest(XAxis axis, double at) const {
    const auto& column = x(axis);
    if (column.empty())
        return 0;
    const size_t i = static_cast<size_t>(std::lower_bound(column.begin(), column.end(), at) - column.begin());
    if (i == 0)
        return 0;
    if (i == column.size())
        return i - 1;
    return at - column[i - 1] <= column[i] - at ? i - 1 : i;
}

} // namespace pl::ui
