// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include <QApplication>
#include <QPainter>
#include <QSaveFile>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/os/files.h"
#include "core/base/os/links.h"
#include "ui/runs/run_charts.h"
#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kChartWidth = 440, kChartHeight = 270, kGap = 16;
constexpr double kScale = 2.0;
constexpr size_t kOverviewRuns = 6;

struct Told {
    desk::RunInfo info;
    std::unique_ptr<RunSeries> series;
    std::vector<WinRate> wins;
    bool trains() const { return !info.plugin.starts_with("generate_") && info.plugin != "evaluate" && info.plugin != "score"; }
};

Result<Told> read(const std::string& dir) {
    PL_TRY(Bundle bundle, Bundle::open(dir));
    const RunSpec& spec = bundle.spec();
    Told told;
    told.info.name = os::baseName(dir);
    told.info.dir = dir;
    told.info.plugin = spec.plugin;
    told.info.models = spec.models;
    told.info.parameters = spec.parameters;
    told.info.seed = spec.seed;
    told.info.state = inspectRun(dir).state;
    told.series = std::make_unique<RunSeries>();
    EventReader reader(bundle.eventsPath());
    for (;;) {
        PL_TRY(auto events, reader.poll(5000));
        if (events.empty())
            break;
        told.series->apply(events, dir);
    }
    return told;
}

/// Title, sentence below it, and the charts.
QImage picture(const QString& title, const QString& sentence, std::vector<ChartRun> runs) {
    std::array<std::unique_ptr<LivePlot>, RunCharts::kCells> owned;
    std::array<LivePlot*, RunCharts::kCells> cells{};
    for (size_t i = 0; i < owned.size(); ++i) {
        owned[i] = std::make_unique<LivePlot>(QString());
        owned[i]->resize(kChartWidth, kChartHeight);
        cells[i] = owned[i].get();
    }
    RunCharts charts(cells);
    charts.setRuns(std::move(runs));
    std::vector<QImage> images;
    QSize cell;
    for (size_t i = 0; i < charts.panels().size(); ++i) {
        images.push_back(cells[i]->toImage(kScale));
        cell = cell.expandedTo(images[i].size() / kScale);
    }
    const int width = PlotGrid::kColumns * (cell.width() + kGap) + kGap;
    const QRect textBox(kGap, 0, width - 2 * kGap, 10000);
    const int sentenceHeight =
        QFontMetrics(textFont(TextStyle::Body)).boundingRect(textBox, Qt::TextWordWrap, sentence).height();
    const int head = kGap + lineHeight(TextStyle::Title) + (sentence.isEmpty() ? 0 : sentenceHeight + kGap / 2) + kGap;
    const int rows = (static_cast<int>(images.size()) + PlotGrid::kColumns - 1) / PlotGrid::kColumns;
    const int height = head + rows * (cell.height() + kGap);
    QImage image(QSize(width, height) * kScale, QImage::Format_RGB32);
    image.fill(color(Tone::Window));
    QPainter painter(&image);
    painter.scale(kScale, kScale);
    painter.setPen(color(Tone::Text));
    painter.setFont(textFont(TextStyle::Title));
    painter.drawText(QRect(kGap, kGap, width - 2 * kGap, lineHeight(TextStyle::Title)), Qt::AlignLeft | Qt::AlignVCenter, title);
    painter.setPen(color(Tone::Second));
    painter.setFont(textFont(TextStyle::Body));
    painter.drawText(QRect(kGap, kGap + lineHeight(TextStyle::Title) + kGap / 2, width - 2 * kGap, sentenceHeight),
                     Qt::AlignLeft | Qt::TextWordWrap, sentence);
    for (size_t i = 0; i < images.size(); ++i) {
        const int c = static_cast<int>(i) % PlotGrid::kColumns, r = static_cast<int>(i) / PlotGrid::kColumns;
        const QRect at(QPoint(kGap + c * (cell.width() + kGap), head + r * (cell.height() + kGap)), images[i].size() / kScale);
        painter.drawImage(at, images[i]);
        painter.setPen(QPen(color(Tone::Line), 1));
        painter.drawRect(at);
    }
    return image;
}

Status save(const QImage& image, const std::string& path) {
    PL_CHECK(os::refuseLinks(os::parentDir(path), {os::baseName(path)})); // QSaveFile would follow one
    QSaveFile file(QString::fromStdString(path));
    if (!file.open(QIODevice::WriteOnly) || !image.save(&file, "PNG") || !file.commit())
        return fail(Code::Io, fmt::format("cannot write {}: {}", path, file.errorString().toStdString()),
                    "Choose another folder or free some space.");
    return {};
}

std::string number(double v) {
    return std::isnan(v) ? "NaN" : std::isinf(v) ? (v > 0 ? "Infinity" : "-Infinity") : fmt::format("{}", v);
}

std::string csv(const RunSeries& series) {
    std::string out = "metric,step,tokens,time_s,value,low,high,n\n";
    const auto optional = [](double v) { return std::isnan(v) ? std::string() : number(v); };
    for (const auto& [name, curve] : series.curves()) {
        std::string quoted = "\"";
        for (const char c : name)
            quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
        quoted += '"';
        for (size_t i = 0; i < curve.points.size(); ++i) {
            const PlotPoint& p = curve.points[i];
            out += fmt::format("{},{},{},{},{},{},{},{}\n", quoted, number(p.step), optional(p.tokens), optional(p.time),
                               number(p.y), optional(p.low), optional(p.high), optional(curve.n[i]));
        }
    }
    return out;
}
} // namespace

Status writeReport(const std::string& projectDir, const std::string& outDir) {
    const std::string runsDir = os::joinPath(projectDir, "runs");
    PL_CHECK(os::refuseLinks(outDir, {"curves"}));
    PL_CHECK(os::makeDirs(os::joinPath(outDir, "curves")));
    std::vector<std::string> names;
    if (os::isDir(runsDir)) {
        PL_TRY(names, os::listDir(runsDir));
    }
    std::vector<Told> all;
    for (const std::string& name : names) {
        const std::string dir = os::joinPath(runsDir, name);
        if (!os::exists(os::joinPath(dir, "run.json")))
            continue;
        if (auto told = read(dir)) // a damaged bundle does not take the others' report away
            all.push_back(std::move(*told));
    }
    std::map<QString, std::vector<WinRate>> wins;
    for (const Told& told : all)
        if (const auto tested = testedRun(told.info); told.info.plugin == "evaluate" && !tested.run.isEmpty())
            if (auto w = winRateOf(told.info, *told.series))
                wins[tested.run].push_back(*w);
    const ThemeMode before = themeMode();
    auto* app = qobject_cast<QApplication*>(QCoreApplication::instance());
    if (!app)
        return fail(Code::Internal, "a report needs a QApplication");
    applyTheme(*app, ThemeMode::Light, readingPx());
    const auto work = [&]() -> Status {
        std::vector<ChartRun> overview;
        for (Told& told : all) {
            PL_CHECK(os::writeFileAtomic(os::joinPath(outDir, "curves/" + told.info.name + ".csv"), csv(*told.series)));
            if (!told.trains())
                continue;
            const QString name = QString::fromStdString(told.info.name);
            told.wins = wins[name];
            std::stable_sort(told.wins.begin(), told.wins.end(), [](const WinRate& a, const WinRate& b) { return a.step < b.step; });
            PL_CHECK(save(picture(name, verdict(told.info, *told.series, told.wins), {{name, 0, told.series.get(), told.wins}}),
                          os::joinPath(outDir, told.info.name + ".png")));
            overview.push_back({name, 0, told.series.get(), told.wins});
        }
        if (overview.size() > kOverviewRuns)
            overview.erase(overview.begin(), overview.end() - kOverviewRuns);
        for (size_t i = 0; i < overview.size(); ++i)
            overview[i].color = static_cast<int>(i);
        const QString title = u"%1: %2 training runs"_s.arg(QString::fromStdString(os::baseName(os::absolutePath(projectDir))))
                                  .arg(std::count_if(all.begin(), all.end(), [](const Told& t) { return t.trains(); }));
        return save(picture(title, overview.empty() ? u"Nothing was trained yet."_s : QString(), overview),
                    os::joinPath(outDir, "overview.png"));
    };
    const Status status = work();
    applyTheme(*app, before, readingPx());
    return status;
}

} // namespace pl::ui
