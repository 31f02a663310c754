// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_charts.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
enum Cell { Rewards, Accuracy, Wins, Kl, Length, Loss };

/// What goes into which chart. Train pale, held-out full; rejected (and the second quantity of a chart) dashed.
struct Spec {
    Cell cell;
    const char* metric;
    QStringView label;
    bool dashed = false, pale = false, dots = false;
    double scale = 1;
    const char* unless = nullptr; ///< left out when this metric is there
};
const Spec kSpecs[] = {
    {Rewards, "eval_rewards/chosen", u"chosen"},
    {Rewards, "eval_rewards/rejected", u"rejected", true},
    {Rewards, "eval_rewards/margins", u"margin", false, false, true},
    {Rewards, "eval_margin", u"margin", false, false, true},
    {Rewards, "eval_reward", u"reward", false, false, true},
    {Rewards, "rewards/chosen", u"chosen (train)", false, true, false, 1, "eval_rewards/chosen"},
    {Rewards, "rewards/rejected", u"rejected (train)", true, true, false, 1, "eval_rewards/rejected"},
    {Rewards, "rewards/margins", u"margin (train)", false, true},
    {Rewards, "margin", u"margin (train)", false, true},
    {Rewards, "reward", u"reward (train)", false, true},
    {Accuracy, "eval_accuracy", u"held-out", false, false, true},
    {Accuracy, "eval_rewards/accuracies", u"held-out", false, false, true},
    {Accuracy, "accuracy", u"train", false, true},
    {Accuracy, "rewards/accuracies", u"train", false, true},
    {Wins, "eval_win_rate", u"win rate", false, false, true},
    {Kl, "eval_kl", u"held-out", false, false, true},
    {Kl, "kl", u"train", false, true},
    {Length, "eval_completions/mean_length", u"tokens", false, false, true},
    {Length, "completions/mean_length", u"tokens (train)", false, true},
    {Length, "samples/mean_length", u"tokens (samples)", false, false, true, 1, "completions/mean_length"},
    {Length, "eval_completions/clipped_ratio", u"cut off, %", true, false, false, 100},
    {Length, "completions/clipped_ratio", u"cut off, % (train)", true, true, false, 100, "eval_completions/clipped_ratio"},
    {Length, "samples/clipped_ratio", u"cut off, % (samples)", true, false, false, 100, "completions/clipped_ratio"},
    {Loss, "eval_loss", u"held-out", false, false, true},
    {Loss, "loss", u"train", false, true},
    {Loss, "grad_norm", u"gradient norm", true, true},
};
constexpr size_t kMaxAlerts = 40;
} // namespace

RunCharts::RunCharts(std::array<LivePlot*, kCells> cells, PlotGrid* grid) : m_cells(cells), m_grid(grid) {
    const std::array<std::pair<QString, QString>, kCells> names = {{
        {u"Rewards"_s, u"No rewards yet"_s},
        {u"Accuracy"_s, u"No held-out pairs were ranked yet"_s},
        {u"Win rate"_s, u"No win rate yet: evaluate a checkpoint"_s},
        {u"KL"_s, u"This trainer measures no KL"_s},
        {u"Length, cut off"_s, u"No answers were sampled yet"_s},
        {u"Loss"_s, u"No loss yet"_s},
    }};
    for (size_t i = 0; i < names.size(); ++i) {
        m_cells[i]->setTitle(names[i].first);
        m_cells[i]->setEmptyText(names[i].second);
    }
    m_cells[Accuracy]->setYBounds(0, 1);
    m_cells[Wins]->setYBounds(0, 1);
}

QString RunCharts::label(const ChartRun& run, const QString& what) const {
    return m_runs.size() > 1 ? run.name + u' ' + what : what;
}

void RunCharts::setRuns(std::vector<ChartRun> runs) {
    m_runs = std::move(runs);
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
        if (m_runs[r].wins.empty())
            continue;
        LivePlot* plot = m_cells[Wins];
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
        for (const Spec& spec : kSpecs) {
            const Curve* curve = run.series->curve(spec.metric);
            if (!curve || (spec.unless && run.series->curve(spec.unless)))
                continue;
            const bool known = std::any_of(m_lines.begin(), m_lines.end(), [&](const Line& line) {
                return line.run == r && line.metric == spec.metric && line.plot == m_cells[spec.cell];
            });
            if (known)
                continue;
            Line line;
            line.plot = m_cells[spec.cell];
            line.run = r;
            line.metric = spec.metric;
            line.scale = spec.scale;
            line.index = line.plot->addSeries(
                {label(run, spec.label.toString()), run.color, spec.dashed, spec.pale, spec.dots});
            sync(line);
            m_lines.push_back(std::move(line));
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
    if (line.scale != 1)
        for (PlotPoint& p : fresh) {
            p.y *= line.scale;
            p.low *= line.scale;
            p.high *= line.scale;
        }
    line.plot->append(line.index, fresh);
    line.shown = curve.points.size();
}

void RunCharts::refresh() {
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
    // So that the first time, and the first curve, are never equal to "nothing drawn".
    lengths.push_back(-1 - m_cells[Accuracy]->seriesCount() - 100.0 * m_cells[Wins]->seriesCount());
    if (lengths == m_lengthBaselines)
        return;
    m_lengthBaselines = lengths;
    m_cells[Accuracy]->clearBaselines();
    // No line through the words of an empty chart.
    if (m_cells[Accuracy]->seriesCount() > 0) {
        m_cells[Accuracy]->addBaseline(0.5, u"chance"_s);
        for (const double y : lengths)
            if (y >= 0)
                m_cells[Accuracy]->addBaseline(y, u"longer wins"_s);
        if (m_ceiling)
            m_cells[Accuracy]->addBaseline(*m_ceiling, u"people agree"_s);
    }
    m_cells[Wins]->clearBaselines();
    if (m_cells[Wins]->seriesCount() > 0)
        m_cells[Wins]->addBaseline(0.5, u"even"_s);
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
        if (plot->seriesCount() == 0 || plot == m_cells[Wins]) // a verdict was not measured while it trained
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
    for (const Spec& spec : kSpecs)
        names.erase(spec.metric);
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
