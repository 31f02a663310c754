// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_charts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr size_t kMaxAlerts = 40;
} // namespace

RunCharts::RunCharts(std::array<LivePlot*, kCells> cells, PlotGrid* grid) : m_cells(cells), m_grid(grid) {
    arrange();
}

/// Gives each cell its panel; true when that changed something.
bool RunCharts::arrange() {
    std::vector<PanelRun> runs;
    for (const ChartRun& run : m_runs)
        runs.push_back({run.series, run.manifest});
    std::vector<Panel> panels = panelsFor(runs, kCells);
    if (panels == m_panels)
        return false;
    m_panels = std::move(panels);
    for (size_t i = 0; i < m_cells.size(); ++i) {
        if (m_grid)
            m_cells[i]->setVisible(i < m_panels.size());
        if (i >= m_panels.size())
            continue;
        const PanelWords words = panelWords(m_panels[i]);
        m_cells[i]->setTitle(words.title);
        m_cells[i]->setEmptyText(words.empty);
        m_cells[i]->setYLabel(words.unit);
        const double none = std::numeric_limits<double>::quiet_NaN();
        m_cells[i]->setYBounds(words.share ? 0 : none, words.share ? 1 : none);
    }
    return true;
}

LivePlot* RunCharts::cell(Panel panel) const {
    const auto at = std::find(m_panels.begin(), m_panels.end(), panel);
    return at == m_panels.end() ? nullptr : m_cells[static_cast<size_t>(at - m_panels.begin())];
}

QString RunCharts::label(const ChartRun& run, const QString& what) const {
    return m_runs.size() > 1 ? run.name + u' ' + what : what;
}

void RunCharts::setRuns(std::vector<ChartRun> runs) {
    m_runs = std::move(runs);
    arrange();
    rebuild();
}

void RunCharts::setCeiling(std::optional<double> agreement) {
    m_ceiling = agreement;
    m_lengthBaselines.clear();
    drawBaselines();
}

void RunCharts::rebuild() {
    for (LivePlot* plot : m_cells) {
        plot->clear();
        plot->clearBaselines();
        plot->clearAlerts();
    }
    m_lines.clear();
    m_alertsDrawn.clear();
    m_lengthBaselines.clear();
    m_listed.clear();
    addLines();
    for (size_t r = 0; r < m_runs.size(); ++r) {
        LivePlot* plot = cell(Panel::Wins);
        if (m_runs[r].wins.empty() || !plot)
            continue;
        const int index = plot->addSeries({label(m_runs[r], u"against "_s + (m_runs[r].wins.back().against.isEmpty()
                                                                                ? u"the start"_s
                                                                                : m_runs[r].wins.back().against)),
                                           m_runs[r].color, false, false, true});
        for (const WinRate& w : m_runs[r].wins)
            if (w.n >= 30 && w.step >= 0) {
                PlotPoint p;
                p.step = static_cast<double>(w.step);
                p.y = w.value;
                p.low = w.low;
                p.high = w.high;
                plot->append(index, p);
            }
    }
    drawBaselines();
    listMetrics();
    drawAlerts();
}

void RunCharts::addLines() {
    for (size_t r = 0; r < m_runs.size(); ++r) {
        const ChartRun& run = m_runs[r];
        if (!run.series)
            continue;
        for (const PanelLine& spec : panelLines()) {
            LivePlot* plot = cell(spec.panel);
            if (!plot || (spec.unless && run.series->curve(spec.unless)))
                continue;
            for (const auto& [metric, words] : curvesOf(spec, *run.series)) {
                const bool known = std::any_of(m_lines.begin(), m_lines.end(), [&, &name = metric](const Line& line) {
                    return line.run == r && line.metric == name && line.plot == plot;
                });
                if (known)
                    continue;
                Line line;
                line.plot = plot;
                line.run = r;
                line.metric = metric;
                line.scale = spec.scale;
                line.sinceStart = spec.sinceStart;
                line.index = plot->addSeries({label(run, words), run.color, spec.dashed, spec.pale, spec.dots});
                sync(line);
                m_lines.push_back(std::move(line));
            }
        }
    }
}

void RunCharts::sync(Line& line) {
    if (!line.plot || !m_runs[line.run].series)
        return;
    const auto& curves = m_runs[line.run].series->curves();
    const auto it = curves.find(line.metric);
    if (it == curves.end())
        return;
    const Curve& curve = it->second;
    if (line.cuts != curve.cuts) {
        // Points were taken away: forget everything and draw again.
        line.plot->rewindTo(line.index, -std::numeric_limits<double>::infinity());
        line.cuts = curve.cuts;
        line.shown = 0;
    }
    if (line.shown >= curve.points.size())
        return;
    std::vector<PlotPoint> fresh(curve.points.begin() + static_cast<std::ptrdiff_t>(line.shown), curve.points.end());
    const auto first = std::find_if(curve.points.begin(), curve.points.end(), [](const PlotPoint& p) { return std::isfinite(p.y); });
    const double from = line.sinceStart && first != curve.points.end() ? first->y : 0;
    if (line.scale != 1 || from != 0)
        for (PlotPoint& p : fresh)
            for (double* y : {&p.y, &p.low, &p.high})
                *y = (*y - from) * line.scale;
    line.plot->append(line.index, fresh);
    line.shown = curve.points.size();
}

void RunCharts::refresh() {
    if (arrange()) { // something new is measured
        rebuild();
        return;
    }
    std::erase_if(m_lines, [](const Line& line) { return !line.plot; });
    for (Line& line : m_lines)
        sync(line);
    addLines();
    drawBaselines();
    listMetrics();
    drawAlerts();
}

void RunCharts::drawBaselines() {
    std::vector<double> lengths;
    for (const ChartRun& run : m_runs)
        if (run.series && run.series->curve("eval_length_baseline"))
            lengths.push_back(run.series->lastValue("eval_length_baseline"));
    std::sort(lengths.begin(), lengths.end());
    lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
    const auto curves = [this](Panel panel) { return cell(panel) ? cell(panel)->seriesCount() : 0; };
    // So that the first time, and the first curve, are never equal to "nothing drawn".
    lengths.push_back(-1 - curves(Panel::Accuracy) - 100.0 * curves(Panel::Wins) - 10000.0 * curves(Panel::Errors));
    if (lengths == m_lengthBaselines)
        return;
    m_lengthBaselines = lengths;
    // No line through the words of an empty chart.
    const auto fresh = [&](Panel panel) {
        LivePlot* plot = cell(panel);
        if (plot)
            plot->clearBaselines();
        return plot && plot->seriesCount() > 0 ? plot : nullptr;
    };
    if (LivePlot* accuracy = fresh(Panel::Accuracy)) {
        accuracy->addBaseline(0.5, u"chance"_s);
        for (const double y : lengths)
            if (y >= 0)
                accuracy->addBaseline(y, u"longer wins"_s);
        if (m_ceiling)
            accuracy->addBaseline(*m_ceiling, u"people agree"_s);
    }
    if (LivePlot* wins = fresh(Panel::Wins))
        wins->addBaseline(0.5, u"even"_s);
    if (LivePlot* errors = fresh(Panel::Errors))
        errors->addBaseline(0, u"as the start"_s);
}

void RunCharts::drawAlerts() {
    std::vector<std::pair<size_t, uint64_t>> now;
    for (const ChartRun& run : m_runs)
        if (run.series)
            now.emplace_back(run.series->alerts().size(), run.series->alertCuts());
    if (now == m_alertsDrawn)
        return;
    m_alertsDrawn = now;
    for (LivePlot* plot : m_cells) {
        plot->clearAlerts();
        if (plot->seriesCount() == 0 || plot == cell(Panel::Wins)) // a verdict was not measured while it trained
            continue;
        for (const ChartRun& run : m_runs) {
            if (!run.series)
                continue;
            std::set<std::pair<double, std::string>> seen;
            for (const RunAlert& alert : run.series->alerts())
                if (seen.size() < kMaxAlerts && seen.insert({alert.step, alert.name}).second)
                    plot->addAlert(alert.step, QString::fromStdString(alert.text.empty() ? alert.name : alert.text),
                                   alert.error);
        }
    }
}

void RunCharts::listMetrics() {
    if (!m_grid)
        return;
    std::set<std::string> names;
    for (const ChartRun& run : m_runs)
        if (run.series)
            for (const auto& [name, curve] : run.series->curves())
                names.insert(name);
    for (const Line& line : m_lines)
        if (std::find(m_cells.begin(), m_cells.end(), line.plot.data()) != m_cells.end())
            names.erase(line.metric);
    names.erase("eval_length_baseline");
    std::vector<std::string> list(names.begin(), names.end());
    if (list == m_listed)
        return;
    m_listed = list;
    QList<PlotGrid::Metric> metrics;
    for (const std::string& name : list) {
        const QString text = QString::fromStdString(name);
        const auto slash = text.indexOf(u'/');
        metrics.append({text, {}, slash > 0 ? text.left(slash) : text.startsWith("eval_"_L1) ? u"held-out"_s : QString()});
    }
    m_grid->setAllMetrics(metrics, [this](const QString& name, LivePlot* plot) { addMetricLines(name, plot); });
}

void RunCharts::addMetricLines(const QString& metric, LivePlot* plot) {
    const std::string name = metric.toStdString();
    for (size_t r = 0; r < m_runs.size(); ++r) {
        const ChartRun& run = m_runs[r];
        if (!run.series || !run.series->curve(name))
            continue;
        Line line;
        line.plot = plot;
        line.run = r;
        line.metric = name;
        line.index = plot->addSeries({m_runs.size() > 1 ? run.name : metric, run.color});
        sync(line);
        m_lines.push_back(std::move(line));
    }
}

} // namespace pl::ui
