// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <memory>

#include <QString>
#include <QStringList>
#include <QWidget>

#include "ui/widgets/plot/live_plot.h"

namespace pl::ui {

/// The fixed 2 x 3 grid of charts and "All metrics" below it, with one bar of settings for all and one linked cursor.
class PlotGrid : public QWidget {
    Q_OBJECT
public:
    static constexpr int kRows = 2, kColumns = 3;
    explicit PlotGrid(QWidget* parent = nullptr);
    ~PlotGrid() override;

    LivePlot* plot(int row, int column) const;
    LivePlot* plot(int cell) const { return plot(cell / kColumns, cell % kColumns); }
    void setTitle(int cell, const QString& title);

    struct Metric {
        QString name;  ///< "logps/chosen"
        QString label;
        QString group;
    };
    /// The list under "All metrics". A chart is asked for by `fill` only when its row is opened, and kept while open.
    void setAllMetrics(const QList<Metric>& metrics, std::function<void(const QString& name, LivePlot* plot)> fill);
    /// The open charts of the list, so that live points reach them.
    LivePlot* metricPlot(const QString& name) const;
    void openMetric(const QString& name);
    QStringList openMetrics() const;

    /// All charts, grid and list.
    QList<LivePlot*> plots() const;
    void setSmoothing(double weight);
    void setXAxis(XAxis axis);
    double smoothing() const;
    XAxis xAxis() const;

Q_SIGNALS:
    void clickedAtStep(double step);
    void settingsChanged();

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace pl::ui
