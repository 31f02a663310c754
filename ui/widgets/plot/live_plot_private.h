// SPDX-License-Identifier: GPL-3.0-or-later
// What a LivePlot is inside: series, drawing, cursor and menu. Included by live_plot.cpp alone.
#pragma once

#include "ui/widgets/plot/live_plot.h"

#include <algorithm>
#include <cmath>

#include <QActionGroup>
#include <QApplication>
#include <QContextMenuEvent>
#include <QElapsedTimer>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMenu>
#include <QMessageBox>
#include <QMouseEvent>
#include <QPainter>
#include <QSaveFile>
#include <QTimer>
#include <QVBoxLayout>
#include <QWheelEvent>

#include <fmt/format.h>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/plot/plot_parts.h"
#include "ui/widgets/plot/plot_ticks.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;


struct LivePlot::Private {
    struct Line {
        SeriesStyle style;
        Series data;
        bool visible = true;
        QCPGraph *raw = nullptr, *smooth = nullptr, *low = nullptr, *high = nullptr, *bar = nullptr, *bad = nullptr;
    };
    struct Baseline {
        double y;
        QString label;
        QCPItemLine* line;
        QCPItemText* text;
    };
    struct Alert {
        double step;
        QString text;
        bool error;
        QCPItemLine* line;
        QCPItemText* mark;
    };

    LivePlot* q;
    ElidedLabel* title;
    TextLabel *by, *badge;
    LegendBar* legend;
    IconButton *reset, *more;
    QCustomPlot* plot;
    CursorOverlay* overlay;
    QTimer* timer;
    std::vector<std::unique_ptr<Line>> lines;
    std::vector<Baseline> baselines;
    std::vector<Alert> alerts;
    QString emptyText = u"No values yet"_s, yLabel;
    XAxis axis = XAxis::Step;
    bool logX = false, logY = false, zoomed = false, dirty = true;
    double weight = 0, cursor = kNan, boundLow = kNan, boundHigh = kNan;
    QSharedPointer<CompactTicker> xTicker{new CompactTicker}, yTicker{new CompactTicker};
    QSharedPointer<CompactLogTicker> xLog{new CompactLogTicker}, yLog{new CompactLogTicker};
    std::vector<double> markers;
    size_t drawn = 0;
    int replots = 0;
    bool refreshing = false;
    QPoint pressed;
    bool dragging = false;

    explicit Private(LivePlot* owner) : q(owner) {}

    void build(const QString& titleText) {
        auto* outer = new QVBoxLayout(q);
        setNoMargins(outer, Size::Grid);
        auto* card = new QFrame(q);
        setLook(card, "card");
        outer->addWidget(card);
        auto* column = new QVBoxLayout(card);
        setGaps(column, Size::GapS, Size::Grid);
        auto* head = new QHBoxLayout;
        setNoMargins(head, Size::GapS);
        title = new ElidedLabel(titleText, TextStyle::Strong);
        by = new TextLabel({}, TextStyle::Caption, Tone::Hint);
        badge = new TextLabel({}, TextStyle::Caption, Tone::Error);
        reset = new IconButton(u"fit"_s, u"Show everything (0)"_s);
        more = new IconButton(u"more"_s, u"Smoothing, axes, save"_s);
        for (IconButton* button : {reset, more}) {
            button->setFixedSize(px(Size::IconSmall) + px(Size::GapS), px(Size::IconSmall) + px(Size::GapS));
            button->setIconSize(QSize(px(Size::IconSmall), px(Size::IconSmall)));
            button->setFocusPolicy(Qt::NoFocus);
        }
        QSizePolicy keep = reset->sizePolicy();
        keep.setRetainSizeWhenHidden(true);
        reset->setSizePolicy(keep);
        reset->hide();
        head->addWidget(title, 1);
        head->addWidget(badge);
        head->addWidget(reset);
        head->addWidget(by);
        head->addWidget(more);
        column->addLayout(head);
        legend = new LegendBar;
        column->addWidget(legend);
        plot = new QCustomPlot;
        plot->setMinimumSize(80, 60);
        column->addWidget(plot, 1);
        overlay = new CursorOverlay(plot);
        plot->addLayer(u"bands"_s, plot->layer(u"grid"_s), QCustomPlot::limBelow);
        plot->addLayer(u"marks"_s, plot->layer(u"main"_s), QCustomPlot::limAbove);
        plot->setPlottingHint(QCP::phFastPolylines, true);
        plot->setNoAntialiasingOnDrag(true);
        plot->setInteractions(QCP::iRangeDrag);
        plot->setMouseTracking(true);
        plot->setFocusPolicy(Qt::NoFocus);
        plot->installEventFilter(q);
        plot->axisRect()->setAutoMargins(QCP::msAll);
        plot->axisRect()->setMinimumMargins(QMargins(36, 4, 6, 4));
        plot->xAxis->setTicker(xTicker);
        plot->yAxis->setTicker(yTicker);
        timer = new QTimer(q);
        timer->setSingleShot(true);
        QObject::connect(timer, &QTimer::timeout, q, [this] { frame(); });
        QObject::connect(reset, &QPushButton::clicked, q, [this] {
            q->resetView();
            Q_EMIT q->settingsChanged();
        });
        QObject::connect(more, &QPushButton::clicked, q,
                         [this] { openMenu(more->mapToGlobal(QPoint(0, more->height()))); });
        QObject::connect(legend, &LegendBar::toggled, q,
                         [this](int i) { q->setSeriesVisible(i, !lines[static_cast<size_t>(i)]->visible); });
        // A drag by the user moves the ranges: redraw from the data of the new window.
        QObject::connect(plot->xAxis, static_cast<void (QCPAxis::*)(const QCPRange&)>(&QCPAxis::rangeChanged), q, [this] {
            if (!refreshing)
                mark();
        });
        restyle();
    }

    void mark() {
        dirty = true;
        schedule();
    }
    void schedule() {
        if (timer->isActive() || !q->isVisible())
            return;
        timer->start(plot->replotTime(true) > kSlowReplotMs ? kSlowFrameMs : kFrameMs);
    }
    void frame() {
        if (!dirty || !q->isVisible() || plot->visibleRegion().isEmpty())
            return;
        refresh();
        plot->replot(QCustomPlot::rpQueuedReplot);
    }

    // ---- looks

    QColor colorOf(const Line& line) const {
        const QColor full = runColor(line.style.run).color;
        return line.style.pale ? mix(full, color(Tone::Surface), 0.5) : full;
    }
    bool dashedOf(const Line& line) const { return line.style.dashed || runColor(line.style.run).dashed; }

    void restyle() {
        const QColor lineColor = color(Tone::Line), textColor = color(Tone::Second);
        plot->setBackground(QBrush(color(Tone::Surface)));
        plot->setBufferDevicePixelRatio(q->devicePixelRatioF());
        for (QCPAxis* axisItem : {plot->xAxis, plot->yAxis}) {
            axisItem->setBasePen(QPen(lineColor, 1));
            axisItem->setTickPen(QPen(lineColor, 1));
            axisItem->setSubTickPen(Qt::NoPen);
            axisItem->setTickLabelColor(textColor);
            axisItem->setTickLabelFont(textFont(TextStyle::MonoCaption));
            axisItem->setTickLength(0, 4);
            axisItem->setSubTickLength(0, 0);
            axisItem->setTickLabelPadding(3);
            axisItem->grid()->setPen(QPen(mix(lineColor, color(Tone::Surface), 0.4), 1));
            axisItem->grid()->setZeroLinePen(QPen(lineColor, 1));
            axisItem->grid()->setSubGridVisible(false);
            axisItem->setLabelColor(textColor);
            axisItem->setLabelFont(textFont(TextStyle::Caption));
        }
        plot->xAxis->grid()->setVisible(false);
        plot->yAxis->setBasePen(Qt::NoPen);
        plot->yAxis->setTickPen(Qt::NoPen);
        for (auto& b : baselines)
            styleBaseline(b);
        for (auto& a : alerts)
            styleAlert(a);
        updateLegend();
        mark();
    }

    void styleBaseline(Baseline& b) {
        QPen pen(color(Tone::Border), 1);
        pen.setDashPattern({1, 3});
        b.line->setPen(pen);
        b.text->setFont(textFont(TextStyle::Caption));
        b.text->setColor(color(Tone::Hint));
        b.text->setBrush(QBrush(color(Tone::Surface)));
        b.text->setPadding(QMargins(3, 0, 3, 0));
    }

    void styleAlert(Alert& a) {
        const QColor c = color(a.error ? Tone::Error : Tone::Warn);
        QPen pen(c, 1);
        pen.setDashPattern({4, 3});
        a.line->setPen(pen);
        a.mark->setFont(textFont(TextStyle::MonoCaption));
        a.mark->setColor(color(Tone::Surface));
        a.mark->setBrush(QBrush(c));
        a.mark->setPen(Qt::NoPen);
        a.mark->setPadding(QMargins(4, 0, 4, 0));
    }

    void updateLegend() {
        std::vector<LegendEntry> entries;
        for (const auto& line : lines) {
            QString note;
            if (!line->data.hasX(axis) && line->data.size() > 0)
                note = axis == XAxis::Tokens ? u" (no token counts)"_s : u" (no times)"_s;
            entries.push_back({line->style.label, colorOf(*line), dashedOf(*line), line->visible, note});
        }
        legend->setEntries(std::move(entries));
        by->setText(u"by "_s + axisName(axis));
        by->setVisible(axis != XAxis::Step); // what is not the usual is said
    }

    // ---- drawing

    bool drawable(const Line& line) const {
        return line.visible && line.data.size() > 0 && line.data.hasX(axis);
    }

    bool xExtent(double* low, double* high) const {
        bool any = false;
        for (const auto& line : lines) {
            if (!drawable(*line))
                continue;
            const auto& x = line->data.x(axis);
            double first = x.front();
            if (logX) {
                const auto it = std::upper_bound(x.begin(), x.end(), 0.0);
                if (it == x.end())
                    continue;
                first = *it;
            }
            *low = any ? std::min(*low, first) : first;
            *high = any ? std::max(*high, x.back()) : x.back();
            any = true;
        }
        for (const Alert& a : alerts)
            if (any && axis == XAxis::Step && (!logX || a.step > 0)) {
                *low = std::min(*low, a.step);
                *high = std::max(*high, a.step);
            }
        return any;
    }

    struct Window {
        size_t begin = 0, end = 0;
    };
    Window window(const Series& data, double low, double high) const {
        const auto& x = data.x(axis);
        Window w;
        w.begin = static_cast<size_t>(std::lower_bound(x.begin(), x.end(), low) - x.begin());
        w.end = static_cast<size_t>(std::upper_bound(x.begin(), x.end(), high) - x.begin());
        if (w.begin > 0)
            --w.begin;
        if (w.end < x.size())
            ++w.end;
        if (logX)
            while (w.begin < w.end && x[w.begin] <= 0)
                ++w.begin;
        return w;
    }

    QCPGraph* ensure(QCPGraph*& graph, const char* layer) {
        if (!graph) {
            graph = plot->addGraph();
            graph->setAdaptiveSampling(false);
            graph->setLayer(QLatin1StringView(layer));
            graph->setSelectable(QCP::stNone);
        }
        return graph;
    }

    /// Decimated points of one column into a graph; grows the y range by the finite ones drawn inside the window.
    size_t fill(QCPGraph* graph, const Series& data, const MinMaxTree& column, const Window& w,
                const std::vector<double>& edges, QCPRange* y, bool* any, double xLow, double xHigh) {
        const auto& x = data.x(axis);
        QVector<QCPGraphData> points;
        const auto picks = decimate(x, column, w.begin, w.end, edges);
        points.reserve(static_cast<int>(picks.size()));
        for (const size_t i : picks) {
            double value = column.values()[i];
            if (!std::isfinite(value) || (logY && value <= 0)) {
                points.append({x[i], kNan}); // the line breaks here
                continue;
            }
            points.append({x[i], value});
            if (x[i] >= xLow && x[i] <= xHigh)
                grow(y, any, value);
        }
        graph->data()->set(points, true);
        return picks.size();
    }

    static void grow(QCPRange* y, bool* any, double value) {
        y->lower = *any ? std::min(y->lower, value) : value;
        y->upper = *any ? std::max(y->upper, value) : value;
        *any = true;
    }

    void refresh() {
        dirty = false;
        refreshing = true;
        updateAxisTypes();
        double xLow = 0, xHigh = 1;
        const bool anyX = xExtent(&xLow, &xHigh);
        if (!zoomed) {
            if (xHigh <= xLow) {
                xLow = logX ? xLow / 2 : xLow - 0.5;
                xHigh = logX ? xHigh * 2 : xHigh + 0.5;
            }
            plot->xAxis->setRange(xLow, xHigh);
        } else {
            xLow = plot->xAxis->range().lower;
            xHigh = plot->xAxis->range().upper;
        }
        const QRect area = plot->axisRect()->rect();
        std::vector<double> edges;
        for (int px = area.left() + 1; px < area.right(); ++px)
            edges.push_back(plot->xAxis->pixelToCoord(px));
        QCPRange y;
        bool anyY = false;
        drawn = 0;
        markers.clear();
        size_t finite = 0, bad = 0, hidden = 0;
        for (auto& line : lines) {
            for (QCPGraph* graph : {line->raw, line->smooth, line->low, line->high, line->bar, line->bad})
                if (graph)
                    graph->data()->clear();
            if (!drawable(*line))
                continue;
            drawLine(*line, edges, xLow, xHigh, &y, &anyY);
            finite += line->data.finiteCount();
            bad += line->data.nonFinite().size();
            if (logY)
                hidden += nonPositive(line->data, xLow, xHigh);
        }
        for (const Baseline& b : baselines)
            if (anyY && (!logY || b.y > 0))
                grow(&y, &anyY, b.y);
        setYRange(y, anyY);
        for (auto& line : lines)
            if (drawable(*line))
                drawMarkers(*line, xLow, xHigh);
        placeBaselines();
        for (Alert& a : alerts)
            placeAlert(a);
        QStringList notes;
        if (bad > 0)
            notes.append(u"%1 NaN"_s.arg(formatCount(static_cast<int64_t>(bad))));
        if (hidden > 0)
            notes.append(u"%1 at or below 0 not shown"_s.arg(formatCount(static_cast<int64_t>(hidden))));
        badge->setText(notes.join(u" · "_s));
        badge->setToolTip(u"Values that are not a number or infinite: shown as triangles, left out of averages and smoothing"_s);
        badge->setVisible(!notes.isEmpty());
        const bool empty = !anyX || (finite == 0 && bad == 0);
        overlay->setEmptyText(emptyText, empty);
        for (QCPAxis* axisItem : {plot->xAxis, plot->yAxis})
            axisItem->setVisible(!empty);
        plot->yAxis->grid()->setVisible(!empty);
        reset->setVisible(zoomed);
        refreshing = false;
        ++replots;
        if (std::isfinite(cursor))
            showCursor();
    }

    size_t nonPositive(const Series& data, double xLow, double xHigh) const {
        const Window w = window(data, xLow, xHigh);
        const auto range = data.raw().query(w.begin, w.end);
        if (!range.any || data.raw().values()[range.min] > 0)
            return 0;
        size_t count = 0;
        for (size_t i = w.begin; i < w.end; ++i)
            count += data.raw().values()[i] <= 0;
        return count;
    }

    void drawLine(Line& line, const std::vector<double>& edges, double xLow, double xHigh, QCPRange* y, bool* anyY) {
        const Window w = window(line.data, xLow, xHigh);
        const bool smoothed = weight > 0 && line.data.smooth().size() == line.data.size();
        const QColor full = colorOf(line);
        const bool dashed = dashedOf(line);
        if (line.data.hasBand()) {
            drawBand(line, w, y, anyY, xLow, xHigh);
        }
        QCPGraph* raw = ensure(line.raw, "main");
        const size_t count = fill(raw, line.data, line.data.raw(), w, edges, y, anyY, xLow, xHigh);
        drawn += count;
        const bool thin = count > kThinPoints;
        if (smoothed) {
            raw->setPen(linePen(mix(full, color(Tone::Surface), 0.72), thin ? 0 : 1, false));
            raw->setAntialiased(!thin);
            QCPGraph* smooth = ensure(line.smooth, "main");
            std::vector<double> coarse;
            for (size_t i = 0; i < edges.size(); i += 2)
                coarse.push_back(edges[i]);
            QCPRange ignored;
            bool any = false;
            drawn += fill(smooth, line.data, line.data.smooth(), w, coarse, &ignored, &any, xLow, xHigh);
            smooth->setPen(linePen(full, 1.75, dashed));
        } else {
            // Wide pens over thousands of points cost a hundred times a thin one.
            raw->setPen(linePen(full, thin ? 0 : 1.75, dashed && !thin));
            raw->setAntialiased(!thin);
        }
        const auto& x = line.data.x(axis);
        const bool lone = w.end - w.begin <= 1 || line.data.finiteCount() <= 1 || x[w.begin] == x[w.end - 1];
        raw->setLineStyle(lone ? QCPGraph::lsNone : QCPGraph::lsLine); // verdicts on one step are no curve
        const bool dots = (line.style.dots || lone) && !smoothed;
        raw->setScatterStyle(dots ? QCPScatterStyle(QCPScatterStyle::ssDisc, full, full, 5) : QCPScatterStyle());
    }

    void drawBand(Line& line, const Window& w, QCPRange* y, bool* anyY, double xLow, double xHigh) {
        const auto& x = line.data.x(axis);
        QVector<QCPGraphData> low, high;
        const size_t stride = std::max<size_t>(1, (w.end - w.begin) / 2000);
        for (size_t i = w.begin; i < w.end; i += stride) {
            const double l = line.data.low()[i], h = line.data.high()[i];
            if (!std::isfinite(l) || !std::isfinite(h) || (logY && l <= 0))
                continue;
            low.append({x[i], l});
            high.append({x[i], h});
            if (x[i] >= xLow && x[i] <= xHigh) {
                grow(y, anyY, l);
                grow(y, anyY, h);
            }
        }
        QCPGraph* lowGraph = ensure(line.low, "bands");
        QCPGraph* highGraph = ensure(line.high, "bands");
        lowGraph->data()->set(low, true);
        highGraph->data()->set(high, true);
        lowGraph->setPen(Qt::NoPen);
        highGraph->setPen(Qt::NoPen);
        QColor fillColor = runColor(line.style.run).color;
        fillColor.setAlphaF(isDark() ? 0.22F : 0.16F);
        highGraph->setBrush(fillColor);
        highGraph->setChannelFillGraph(lowGraph);
        highGraph->setAntialiasedFill(false);
        if (!low.isEmpty() && low.front().key == low.back().key)
            setBars(ensure(line.bar, "main"), low, high, linePen(colorOf(line), 1.75, false));
    }

    void setYRange(QCPRange y, bool any) {
        if (zoomed && yZoomed)
            return;
        if (!any) {
            plot->yAxis->setRange(logY ? 0.1 : 0, 1);
            return;
        }
        if (logY) {
            const double low = std::max(y.lower, 1e-300);
            const double ratio = std::max(std::pow(y.upper / low, 0.06), 1.1);
            plot->yAxis->setRange(low / ratio, y.upper * ratio);
            return;
        }
        double pad = (y.upper - y.lower) * 0.06;
        if (!(pad > 0))
            pad = std::max(std::abs(y.upper) * 0.1, 1e-6);
        double low = y.lower - pad, high = y.upper + pad;
        // What cannot be is not drawn, but for the half of a point or line that lies on the bound.
        if (std::isfinite(boundLow) && y.lower >= boundLow)
            low = std::max(low, boundLow - pad / 3);
        if (std::isfinite(boundHigh) && y.upper <= boundHigh)
            high = std::min(high, boundHigh + pad / 3);
        plot->yAxis->setRange(low, high);
    }

    /// NaN and -inf stand at the bottom edge, +inf at the top: never part of the line, one triangle a pixel column.
    void drawMarkers(Line& line, double xLow, double xHigh) {
        const auto& indices = line.data.nonFinite();
        if (indices.empty())
            return;
        const auto& x = line.data.x(axis);
        const QRect area = plot->axisRect()->rect();
        const double bottom = plot->yAxis->pixelToCoord(area.bottom() - 5);
        const double top = plot->yAxis->pixelToCoord(area.top() + 5);
        QVector<QCPGraphData> points;
        int lastPixel = std::numeric_limits<int>::min();
        for (const size_t i : indices) {
            if (x[i] < xLow || x[i] > xHigh || (logX && x[i] <= 0))
                continue;
            const int px = static_cast<int>(plot->xAxis->coordToPixel(x[i]));
            if (px == lastPixel)
                continue;
            lastPixel = px;
            const double value = line.data.raw().values()[i];
            points.append({x[i], value > 0 ? top : bottom});
            markers.push_back(line.data.point(i).step);
        }
        QCPGraph* graph = ensure(line.bad, "marks");
        graph->setLineStyle(QCPGraph::lsNone);
        graph->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssTriangle, QPen(color(Tone::Error), 1),
                                               QBrush(color(Tone::Error)), 8));
        graph->data()->set(points, true);
    }

    void placeBaselines() {
        for (Baseline& b : baselines) {
            const bool inside = plot->yAxis->range().contains(b.y);
            b.line->setVisible(inside);
            b.text->setVisible(inside);
            b.line->start->setCoords(0, b.y);
            b.line->end->setCoords(1, b.y);
            const QRect area = plot->axisRect()->rect();
            const bool nearTop = plot->yAxis->coordToPixel(b.y) - area.top() < lineHeight(TextStyle::Caption) + 2;
            b.text->setPositionAlignment(Qt::AlignRight | (nearTop ? Qt::AlignTop : Qt::AlignBottom));
            b.text->position->setCoords(1, b.y);
        }
    }

    double alertX(const Alert& a) const {
        if (axis == XAxis::Step)
            return a.step;
        for (const auto& line : lines)
            if (drawable(*line))
                return line->data.x(axis)[line->data.nearest(XAxis::Step, a.step)];
        return kNan;
    }

    void placeAlert(Alert& a) {
        const double x = alertX(a);
        const bool inside = std::isfinite(x) && plot->xAxis->range().contains(x);
        a.line->setVisible(inside);
        a.mark->setVisible(inside);
        if (!inside)
            return;
        a.line->start->setCoords(x, 0);
        a.line->end->setCoords(x, 1);
        a.mark->position->setCoords(x, 0);
    }

    void updateAxisTypes() {
        const auto set = [](QCPAxis* a, bool log, auto logTicker, auto linear) {
            const auto wanted = log ? QCPAxis::stLogarithmic : QCPAxis::stLinear;
            if (a->scaleType() != wanted) {
                if (log)
                    a->setRange(std::max(a->range().lower, 1e-3), std::max(a->range().upper, 1.0));
                a->setScaleType(wanted);
            }
            QSharedPointer<QCPAxisTicker> ticker = linear;
            if (log && a->range().upper / std::max(a->range().lower, 1e-300) > 50)
                ticker = logTicker;
            if (a->ticker() != ticker)
                a->setTicker(ticker);
        };
        xTicker->axis = xLog->axis = axis;
        xTicker->whole = axis != XAxis::Time;
        const QRect area = plot->axisRect()->rect();
        xTicker->setTickCount(std::clamp(area.width() / 70, 2, 8));
        yTicker->setTickCount(std::clamp(area.height() / 32, 2, 7));
        set(plot->xAxis, logX, xLog, xTicker);
        set(plot->yAxis, logY, yLog, yTicker);
    }

    // ---- cursor

    void showCursor() {
        double low = 0, high = 0;
        if (!std::isfinite(cursor) || !xExtent(&low, &high) || cursor < plot->xAxis->range().lower ||
            cursor > plot->xAxis->range().upper) {
            overlay->hideCursor();
            return;
        }
        std::vector<CursorLine> out;
        double step = kNan;
        size_t more = 0;
        for (const auto& line : lines) {
            if (!drawable(*line))
                continue;
            const size_t i = line->data.nearest(axis, cursor);
            const PlotPoint p = line->data.point(i);
            if (!std::isfinite(step))
                step = p.step;
            if (out.size() >= kMaxReadings) {
                ++more;
                continue;
            }
            QString value = formatNumber(p.y);
            if (std::isfinite(p.low) && std::isfinite(p.high))
                value += u" [%1, %2]"_s.arg(formatNumber(p.low, 3), formatNumber(p.high, 3));
            out.push_back({line->style.label, value, colorOf(*line), dashedOf(*line),
                           QPointF(plot->xAxis->coordToPixel(line->data.x(axis)[i]),
                                   std::isfinite(p.y) ? plot->yAxis->coordToPixel(p.y) : -100)});
        }
        QString head = axis == XAxis::Step ? u"step "_s + formatCount(static_cast<int64_t>(step))
            : axis == XAxis::Time          ? formatDuration(cursor)
                                           : tickText(cursor, axis) + u" tokens"_s;
        if (more > 0)
            head += u"  (+%1 series)"_s.arg(more);
        QString alert;
        for (const Alert& a : alerts) {
            const double x = alertX(a);
            if (std::isfinite(x) &&
                std::abs(plot->xAxis->coordToPixel(x) - plot->xAxis->coordToPixel(cursor)) < 2 * kClickSlop)
                alert = a.text;
        }
        overlay->setCursorLines(plot->xAxis->coordToPixel(cursor), plot->axisRect()->rect(), head, std::move(out),
                                alert);
    }

    // ---- menu

    void openMenu(const QPoint& at) {
        QMenu menu(q);
        auto* smoothing = menu.addMenu(u"Smoothing"_s);
        for (const double w : {0.0, 0.6, 0.8, 0.9, 0.95, 0.99}) {
            QAction* action = smoothing->addAction(w == 0 ? u"Off"_s : QString::number(w));
            action->setCheckable(true);
            action->setChecked(std::abs(weight - w) < 1e-9);
            QObject::connect(action, &QAction::triggered, q, [this, w] {
                q->setSmoothing(w);
                Q_EMIT q->settingsChanged();
            });
        }
        auto* xMenu = menu.addMenu(u"Horizontal axis"_s);
        for (const XAxis a : {XAxis::Step, XAxis::Tokens, XAxis::Time}) {
            QAction* action = xMenu->addAction(axisName(a));
            action->setCheckable(true);
            action->setChecked(axis == a);
            QObject::connect(action, &QAction::triggered, q, [this, a] {
                q->setXAxis(a);
                Q_EMIT q->settingsChanged();
            });
        }
        const auto toggle = [&](const QString& text, bool on, auto set) {
            QAction* action = menu.addAction(text);
            action->setCheckable(true);
            action->setChecked(on);
            QObject::connect(action, &QAction::toggled, q, [this, set](bool value) {
                (q->*set)(value);
                Q_EMIT q->settingsChanged();
            });
        };
        toggle(u"Logarithmic horizontal axis"_s, logX, &LivePlot::setLogX);
        toggle(u"Logarithmic vertical axis"_s, logY, &LivePlot::setLogY);
        menu.addSeparator();
        QObject::connect(menu.addAction(u"Show everything"_s), &QAction::triggered, q, [this] { q->resetView(); });
        menu.addSeparator();
        QObject::connect(menu.addAction(themeIcon(u"image"_s), u"Save as PNG…"_s), &QAction::triggered, q,
                         [this] { save(true); });
        QObject::connect(menu.addAction(themeIcon(u"file"_s), u"Save values as CSV…"_s), &QAction::triggered, q,
                         [this] { save(false); });
        menu.exec(at);
    }

    void save(bool png) {
        QString name = q->title();
        for (QChar& c : name)
            if (!c.isLetterOrNumber())
                c = u'-';
        const QString path = QFileDialog::getSaveFileName(
            q, png ? u"Save chart"_s : u"Save values"_s, name.toLower() + (png ? u".png"_s : u".csv"_s),
            png ? u"PNG image (*.png)"_s : u"CSV table (*.csv)"_s);
        if (path.isEmpty())
            return;
        const Status status = png ? q->savePng(path) : q->saveCsv(path);
        if (!status) {
            QMessageBox box(QMessageBox::Warning, u"Not saved"_s, QString::fromStdString(status.error().toString()),
                            QMessageBox::Ok, q);
            box.setTextFormat(Qt::PlainText);
            box.exec();
        }
    }

    bool yZoomed = false;
};

} // namespace pl::ui
