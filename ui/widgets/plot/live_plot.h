// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <vector>

#include <QString>
#include <QWidget>

#include "core/base/result.h"
#include "ui/widgets/plot/series.h"

namespace pl::ui {

struct SeriesStyle {
    QString label;        ///< "dpo-0042 chosen"
    int run = 0;          ///< the run's place in the selection: its colour
    bool dashed = false;  ///< rejected
    bool pale = false;    ///< train (held-out is full)
    bool dots = false;    ///< few points: mark each
};

/// A live chart. Data may arrive at any rate; it is drawn at most 30 times a second, only while visible, from at most
/// four points a pixel column. Non-finite values are red triangles at the axis and never averaged.
class LivePlot : public QWidget {
    Q_OBJECT
public:
    explicit LivePlot(const QString& title, QWidget* parent = nullptr);
    ~LivePlot() override;

    int addSeries(const SeriesStyle& style);
    void setSeriesStyle(int series, const SeriesStyle& style);
    void setSeriesVisible(int series, bool visible);
    int seriesCount() const;
    const Series& series(int series) const;
    void append(int series, const PlotPoint& point);
    void append(int series, const std::vector<PlotPoint>& points);
    void rewindTo(int series, double step);
    /// Removes every series, baseline and alert.
    void clear();

    /// A horizontal reference: 0.5, "always the longer one", human agreement.
    void addBaseline(double y, const QString& label);
    void clearBaselines();
    /// A vertical mark at a step, with the alert's text at the cursor.
    void addAlert(double step, const QString& text, bool error = false);
    void clearAlerts();

    void setTitle(const QString& title);
    QString title() const;
    void setYLabel(const QString& unit);
    void setEmptyText(const QString& text);
    /// 0 = off, up to 0.999.
    void setSmoothing(double weight);
    double smoothing() const;
    void setXAxis(XAxis axis);
    XAxis xAxis() const;
    void setLogX(bool on);
    void setLogY(bool on);
    bool logX() const;
    bool logY() const;
    /// Keeps y within these when all data lies inside (accuracy 0..1); NaN: free.
    void setYBounds(double low, double high);

    void zoom(double factor, double aroundX);
    void resetView();
    bool isZoomed() const;
    /// Cursor at x (axis units) without a signal; NaN hides it. How linked charts follow.
    void setCursor(double x);
    double cursor() const;
    struct Reading {
        QString label;
        double step = 0, y = 0;
        double low = 0, high = 0;
        bool band = false;
    };
    /// Every visible series at x: its nearest point, raw value.
    std::vector<Reading> readingsAt(double x) const;

    QImage toImage(double scale = 2.0);
    pl::Status savePng(const QString& path, double scale = 2.0);
    /// Every raw point of every series: series,step,tokens,time_s,value,low,high.
    pl::Status saveCsv(const QString& path) const;
    QString csv() const;

    /// Draws now (tests, export); returns ms.
    double redrawNow();
    /// Points given to the painter by the last redraw.
    size_t drawnPoints() const;
    /// Step of each non-finite marker drawn.
    std::vector<double> markerSteps() const;
    int replotCount() const;

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

Q_SIGNALS:
    void cursorMoved(double x);
    /// Step of the point nearest to the click.
    void clickedAtStep(double step);
    /// The user changed smoothing, axes or zoom.
    void settingsChanged();

protected:
    void changeEvent(QEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace pl::ui
