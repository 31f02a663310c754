// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace pl::ui {

enum class XAxis { Step, Tokens, Time };

struct PlotPoint {
    double step = 0;
    double y = 0;
    double tokens = std::numeric_limits<double>::quiet_NaN();
    double time = std::numeric_limits<double>::quiet_NaN(); ///< seconds since the run began
    double low = std::numeric_limits<double>::quiet_NaN();  ///< interval around y, if there is one
    double high = std::numeric_limits<double>::quiet_NaN();
};

/// TensorBoard's smoothing (data_transformer.ts): last = w last + (1 - w) y; out = last / (1 - w^n). Non-finite values
/// are passed through and not counted.
std::vector<double> smoothEma(const std::vector<double>& y, double weight);

/// The same for uneven steps: w^(dx / typical dx), debiased by the running weight. Equal to smoothEma on even steps.
/// Append only: continuing gives the same numbers as starting over.
class Smoother {
public:
    explicit Smoother(double weight = 0, double typicalDx = 1);
    double add(double x, double y);

private:
    double m_weight, m_dx;
    double m_last = 0, m_norm = 0, m_x = 0;
    bool m_any = false;
};
/// Median positive gap of the first 64 points (1 when there is none).
double typicalGap(const std::vector<double>& x);

/// Index of the smallest and largest value of any range in O(log n); append only; NaN and infinities are ignored.
class MinMaxTree {
public:
    void append(double y);
    void truncate(size_t size);
    void clear();
    size_t size() const { return m_y.size(); }
    const std::vector<double>& values() const { return m_y; }
    struct Range {
        bool any = false;
        size_t min = 0, max = 0;
    };
    Range query(size_t begin, size_t end) const;

private:
    struct Node {
        uint32_t min, max;
    };
    static constexpr size_t kFan = 8;
    static constexpr uint32_t kNone = 0xffffffffu;
    Node leaf(size_t index) const;
    void merge(Node& node, const Node& other) const;
    std::vector<double> m_y;
    std::vector<std::vector<Node>> m_levels; ///< level k has one node per kFan^(k+1) values
};

/// What one bucket a pixel keeps of values [begin, end): first, min, max and last in their true order.
/// `edges` are x borders of the pixel columns, ascending; x is ascending.
std::vector<size_t> decimate(const std::vector<double>& x, const MinMaxTree& y, size_t begin, size_t end,
                             const std::vector<double>& edges);

/// One curve: append-only columns, smoothing, and the points that are not numbers.
class Series {
public:
    /// Appends in step order; a point before the last is put in its place (slow path).
    void append(const PlotPoint& point);
    /// After a resume: forgets every point behind `step`.
    void rewindTo(double step);
    void clear();
    void setSmoothing(double weight);
    double smoothing() const { return m_weight; }

    size_t size() const { return m_step.size(); }
    const std::vector<double>& x(XAxis axis) const;
    /// Does every point have this x?
    bool hasX(XAxis axis) const;
    const MinMaxTree& raw() const { return m_raw; }
    const MinMaxTree& smooth() const { return m_smooth; }
    const std::vector<double>& low() const { return m_low; }
    const std::vector<double>& high() const { return m_high; }
    bool hasBand() const { return m_bands > 0; }
    size_t finiteCount() const { return m_raw.size() - m_bad.size(); }
    /// Indices of NaN and infinities.
    const std::vector<size_t>& nonFinite() const { return m_bad; }
    PlotPoint point(size_t index) const;
    /// Index of the point nearest to x (size() when empty).
    size_t nearest(XAxis axis, double x) const;

private:
    void appendSmooth();
    void rebuildSmooth();
    std::vector<double> m_step, m_tokens, m_time, m_low, m_high;
    size_t m_missingTokens = 0, m_missingTime = 0, m_bands = 0;
    MinMaxTree m_raw, m_smooth;
    std::vector<size_t> m_bad;
    double m_weight = 0;
    double m_gap = 1;
    Smoother m_smoother;
};

} // namespace pl::ui
