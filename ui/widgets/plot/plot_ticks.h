// SPDX-License-Identifier: GPL-3.0-or-later
// Tick labels, pens and interval bars of LivePlot. Included by live_plot_private.h alone.
#pragma once

#include "ui/widgets/plot/plot_parts.h"
#include "ui/widgets/plot/qcp.h"

namespace pl::ui {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr int kFrameMs = 33;
inline constexpr int kSlowFrameMs = 66;
inline constexpr double kSlowReplotMs = 12;
inline constexpr size_t kThinPoints = 1500;
inline constexpr int kClickSlop = 4;
inline constexpr int kMaxReadings = 10;
inline constexpr double kCapWidth = 4; ///< half of it, in pixels

class CompactTicker : public QCPAxisTicker {
public:
    XAxis axis = XAxis::Step;
    bool whole = false; ///< steps and tokens are counted: there is no half of one

protected:
    double getTickStep(const QCPRange& range) override { return std::max(whole ? 1.0 : 0.0, QCPAxisTicker::getTickStep(range)); }
    QString getTickLabel(double tick, const QLocale&, QChar, int) override { return tickText(tick, axis); }
};

class CompactLogTicker : public QCPAxisTickerLog {
public:
    XAxis axis = XAxis::Step;

protected:
    QString getTickLabel(double tick, const QLocale&, QChar, int) override { return tickText(tick, axis); }
};

inline QPen linePen(const QColor& color, double width, bool dashed) {
    QPen pen(color, width, Qt::SolidLine, Qt::FlatCap, Qt::RoundJoin);
    if (dashed)
        pen.setDashPattern({4, 3});
    return pen;
}

/// An interval at a single step, where a band has no width: a bar from low to high with caps.
inline void setBars(QCPGraph* graph, const QVector<QCPGraphData>& low, const QVector<QCPGraphData>& high, const QPen& pen) {
    QVector<QCPGraphData> ends;
    for (qsizetype i = 0; i < low.size(); ++i)
        ends << low[i] << high[i] << QCPGraphData(low[i].key, kNan);
    graph->data()->set(ends, true);
    graph->setPen(pen);
    QPainterPath cap(QPointF(-kCapWidth, 0));
    cap.lineTo(kCapWidth, 0);
    graph->setScatterStyle(QCPScatterStyle(cap, pen));
}

} // namespace pl::ui
