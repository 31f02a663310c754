// SPDX-License-Identifier: GPL-3.0-or-later
// Fills the 2 x 3 charts (and the list of all metrics) from RunSeries, appending only what is new.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include <QPointer>

#include "ui/runs/run_panels.h"
#include "ui/runs/run_series.h"
#include "ui/runs/verdict.h"
#include "ui/widgets/plot/live_plot.h"
#include "ui/widgets/plot/plot_grid.h"

namespace pl::ui {

struct ChartRun {
    QString name;
    int color = 0;
    const RunSeries* series = nullptr; ///< must live until the next setRuns()
    std::vector<WinRate> wins;         ///< in step order
    const Manifest* manifest = nullptr; ///< of its plugin, where known: says what will be measured
};

class RunCharts {
public:
    static constexpr int kCells = PlotGrid::kRows * PlotGrid::kColumns;
    /// `grid` (may be null) gets the list of all other metrics.
    explicit RunCharts(std::array<LivePlot*, kCells> cells, PlotGrid* grid = nullptr);

    void setRuns(std::vector<ChartRun> runs);
    /// Agreement between people, drawn over the held-out accuracy.
    void setCeiling(std::optional<double> agreement);
    /// New points, curves, alerts and rewinds of every run shown.
    void refresh();
    const std::vector<ChartRun>& runs() const { return m_runs; }
    /// What the first cells show; the others are empty.
    const std::vector<Panel>& panels() const { return m_panels; }

private:
    struct Line {
        QPointer<LivePlot> plot;
        int index = -1;
        size_t run = 0;
        std::string metric;
        double scale = 1;
        bool sinceStart = false;
        size_t shown = 0;
        uint64_t cuts = 0;
    };
    bool arrange();
    LivePlot* cell(Panel panel) const;
    void rebuild();
    void addLines();
    void addMetricLines(const QString& metric, LivePlot* plot);
    void sync(Line& line);
    void drawAlerts();
    void drawBaselines();
    void listMetrics();
    QString label(const ChartRun& run, const QString& what) const;

    std::array<LivePlot*, kCells> m_cells;
    QPointer<PlotGrid> m_grid;
    std::vector<Panel> m_panels; ///< of the first cells; further ones are hidden
    std::vector<ChartRun> m_runs;
    std::vector<Line> m_lines;
    std::vector<std::string> m_listed;
    std::optional<double> m_ceiling;
    std::vector<std::pair<size_t, uint64_t>> m_alertsDrawn;
    std::vector<double> m_lengthBaselines;
};

} // namespace pl::ui
