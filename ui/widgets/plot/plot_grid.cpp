// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/plot/plot_grid.h"

#include <array>
#include <cmath>
#include <map>

#include <QGridLayout>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QScrollArea>
#include <QSlider>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
/// The slider goes over what matters: 0, then closer and closer to 1.
constexpr std::array kWeights = {0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995};

int nearestWeight(double weight) {
    size_t best = 0;
    for (size_t i = 0; i < kWeights.size(); ++i)
        if (std::abs(kWeights[i] - weight) < std::abs(kWeights[best] - weight))
            best = i;
    return static_cast<int>(best);
}
} // namespace

struct PlotGrid::Private {
    struct Row {
        Metric metric;
        QPushButton* toggle;
        LivePlot* plot = nullptr;
        QVBoxLayout* place;
        QWidget* holder;
    };
    PlotGrid* q;
    std::array<LivePlot*, kRows * kColumns> cells{};
    SegmentedControl* axis;
    QSlider* slider;
    TextLabel *smoothText, *listCount;
    QPushButton* listToggle;
    QLineEdit* search;
    QWidget* list;
    QVBoxLayout* listLayout;
    std::vector<Row> rows;
    std::function<void(const QString&, LivePlot*)> fill;
    double weight = 0;
    XAxis x = XAxis::Step;

    void link(LivePlot* plot) {
        plot->setSmoothing(weight);
        plot->setXAxis(x);
        QObject::connect(plot, &LivePlot::cursorMoved, q, [this, plot](double at) {
            for (LivePlot* other : q->plots())
                if (other != plot)
                    other->setCursor(at);
        });
        QObject::connect(plot, &LivePlot::clickedAtStep, q, &PlotGrid::clickedAtStep);
        QObject::connect(plot, &LivePlot::settingsChanged, q, &PlotGrid::settingsChanged);
    }

    void toggle(Row& row) {
        const bool open = row.plot == nullptr;
        row.toggle->setIcon(themeIcon(open ? u"chevron_down"_s : u"chevron_right"_s, Tone::Second));
        if (!open) {
            delete row.plot;
            row.plot = nullptr;
            return;
        }
        row.plot = new LivePlot(row.metric.label.isEmpty() ? row.metric.name : row.metric.label);
        row.plot->setMinimumHeight(px(Size::PlotMin));
        row.place->addWidget(row.plot);
        link(row.plot);
        if (fill)
            fill(row.metric.name, row.plot);
    }
};

PlotGrid::PlotGrid(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>()) {
    d->q = this;
    auto* outer = new QVBoxLayout(this);
    setNoMargins(outer, Size::GapS);
    auto* bar = new QHBoxLayout;
    setNoMargins(bar, Size::GapS);
    bar->addWidget(new TextLabel(u"Along"_s, TextStyle::Caption, Tone::Second));
    d->axis = new SegmentedControl({u"Step"_s, u"Tokens"_s, u"Time"_s});
    d->axis->setAccessibleName(u"Horizontal axis"_s);
    bar->addWidget(d->axis);
    bar->addSpacing(px(Size::GapM));
    bar->addWidget(new TextLabel(u"Smoothing"_s, TextStyle::Caption, Tone::Second));
    d->slider = new QSlider(Qt::Horizontal);
    d->slider->setRange(0, static_cast<int>(kWeights.size()) - 1);
    d->slider->setFixedWidth(px(Size::TileMin));
    d->slider->setAccessibleName(u"Smoothing"_s);
    bar->addWidget(d->slider);
    d->smoothText = new TextLabel(u"off"_s, TextStyle::MonoCaption, Tone::Second);
    d->smoothText->setMinimumWidth(2 * px(Size::GapXl));
    bar->addWidget(d->smoothText);
    bar->addStretch(1);
    auto* all = new LinkButton(u"Show everything"_s);
    bar->addWidget(all);
    outer->addLayout(bar);

    auto* scroll = new QScrollArea;
    scroll->setWidgetResizable(true);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* content = new QWidget;
    auto* column = new QVBoxLayout(content);
    setNoMargins(column, Size::GapM);
    auto* grid = new QGridLayout;
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setSpacing(px(Size::GapS));
    for (int i = 0; i < kRows * kColumns; ++i) {
        auto* plot = new LivePlot({});
        d->cells[static_cast<size_t>(i)] = plot;
        grid->addWidget(plot, i / kColumns, i % kColumns);
        d->link(plot);
    }
    for (int c = 0; c < kColumns; ++c)
        grid->setColumnStretch(c, 1);
    for (int r = 0; r < kRows; ++r) {
        grid->setRowStretch(r, 1);
        grid->setRowMinimumHeight(r, px(Size::PlotMin));
    }
    column->addLayout(grid, 10);
    auto* head = new QHBoxLayout;
    setNoMargins(head, Size::GapS);
    d->listToggle = new LinkButton(u"All metrics"_s);
    d->listToggle->setIcon(themeIcon(u"chevron_right"_s, Tone::Second));
    d->listCount = new TextLabel({}, TextStyle::Caption, Tone::Second);
    d->search = new QLineEdit;
    d->search->setPlaceholderText(u"Find a metric"_s);
    d->search->setMaximumWidth(2 * px(Size::TileMin));
    d->search->hide();
    head->addWidget(d->listToggle);
    head->addWidget(d->listCount);
    head->addStretch(1);
    head->addWidget(d->search);
    column->addLayout(head);
    d->list = new QWidget;
    d->listLayout = new QVBoxLayout(d->list);
    setNoMargins(d->listLayout, Size::Line);
    d->list->hide();
    column->addWidget(d->list);
    column->addStretch(0);
    scroll->setWidget(content);
    outer->addWidget(scroll, 1);
    setAllMetrics({}, {});

    connect(d->axis, &SegmentedControl::currentChanged, this, [this](int i) {
        setXAxis(static_cast<XAxis>(i));
        Q_EMIT settingsChanged();
    });
    connect(d->slider, &QSlider::valueChanged, this, [this](int i) {
        setSmoothing(kWeights[static_cast<size_t>(i)]);
        Q_EMIT settingsChanged();
    });
    connect(all, &QPushButton::clicked, this, [this] {
        for (LivePlot* plot : plots())
            plot->resetView();
    });
    connect(d->listToggle, &QPushButton::clicked, this, [this] {
        const bool open = !d->list->isVisibleTo(this);
        d->list->setVisible(open);
        d->search->setVisible(open);
        d->listToggle->setIcon(themeIcon(open ? u"chevron_down"_s : u"chevron_right"_s, Tone::Second));
    });
    connect(d->search, &QLineEdit::textChanged, this, [this](const QString& text) {
        for (const auto& row : d->rows)
            row.holder->setVisible(row.metric.name.contains(text, Qt::CaseInsensitive) ||
                                   row.metric.label.contains(text, Qt::CaseInsensitive));
    });
}

PlotGrid::~PlotGrid() = default;

LivePlot* PlotGrid::plot(int row, int column) const {
    return d->cells.at(static_cast<size_t>(row * kColumns + column));
}
void PlotGrid::setTitle(int cell, const QString& title) {
    plot(cell)->setTitle(title);
}

void PlotGrid::setAllMetrics(const QList<Metric>& metrics, std::function<void(const QString&, LivePlot*)> fill) {
    const QStringList open = openMetrics();
    for (const auto& row : d->rows)
        delete row.holder;
    d->rows.clear();
    d->fill = std::move(fill);
    d->listCount->setText(metrics.isEmpty() ? u"none yet"_s : QString::number(metrics.size()));
    d->listToggle->setEnabled(!metrics.isEmpty());
    d->rows.reserve(static_cast<size_t>(metrics.size()));
    for (const Metric& metric : metrics) {
        Private::Row row;
        row.metric = metric;
        row.holder = new QWidget;
        row.place = new QVBoxLayout(row.holder);
        setNoMargins(row.place, Size::Grid);
        auto* line = new QHBoxLayout;
        setNoMargins(line, Size::GapS);
        row.toggle = new LinkButton(metric.label.isEmpty() ? metric.name : metric.label);
        row.toggle->setIcon(themeIcon(u"chevron_right"_s, Tone::Second));
        line->addWidget(row.toggle);
        if (!metric.label.isEmpty())
            line->addWidget(new TextLabel(metric.name, TextStyle::MonoCaption, Tone::Hint));
        line->addStretch(1);
        line->addWidget(new TextLabel(metric.group, TextStyle::Caption, Tone::Hint));
        row.place->addLayout(line);
        d->listLayout->addWidget(row.holder);
        d->rows.push_back(row);
        const size_t index = d->rows.size() - 1;
        connect(row.toggle, &QPushButton::clicked, this, [this, index] { d->toggle(d->rows[index]); });
    }
    for (const QString& name : open)
        openMetric(name);
}

LivePlot* PlotGrid::metricPlot(const QString& name) const {
    for (const auto& row : d->rows)
        if (row.metric.name == name)
            return row.plot;
    return nullptr;
}

void PlotGrid::openMetric(const QString& name) {
    for (auto& row : d->rows)
        if (row.metric.name == name && !row.plot) {
            d->list->show();
            d->search->show();
            d->listToggle->setIcon(themeIcon(u"chevron_down"_s, Tone::Second));
            d->toggle(row);
        }
}

QStringList PlotGrid::openMetrics() const {
    QStringList names;
    for (const auto& row : d->rows)
        if (row.plot)
            names.append(row.metric.name);
    return names;
}

QList<LivePlot*> PlotGrid::plots() const {
    QList<LivePlot*> all(d->cells.begin(), d->cells.end());
    for (const auto& row : d->rows)
        if (row.plot)
            all.append(row.plot);
    return all;
}

void PlotGrid::setSmoothing(double weight) {
    d->weight = weight;
    d->smoothText->setText(weight > 0 ? QString::number(weight) : u"off"_s);
    const QSignalBlocker block(d->slider);
    d->slider->setValue(nearestWeight(weight));
    for (LivePlot* plot : plots())
        plot->setSmoothing(weight);
}
void PlotGrid::setXAxis(XAxis axis) {
    d->x = axis;
    {
        const QSignalBlocker block(d->axis);
        d->axis->setCurrent(static_cast<int>(axis));
    }
    for (LivePlot* plot : plots())
        plot->setXAxis(axis);
}
double PlotGrid::smoothing() const {
    return d->weight;
}
XAxis PlotGrid::xAxis() const {
    return d->x;
}

} // namespace pl::ui
