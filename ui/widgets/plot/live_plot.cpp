// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/plot/live_plot_private.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

LivePlot::LivePlot(const QString& title, QWidget* parent) : QWidget(parent), d(std::make_unique<Private>(this)) {
    d->build(title);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(title);
}

LivePlot::~LivePlot() = default;

int LivePlot::addSeries(const SeriesStyle& style) {
    auto line = std::make_unique<Private::Line>();
    line->style = style;
    line->data.setSmoothing(d->weight);
    d->lines.push_back(std::move(line));
    d->updateLegend();
    d->mark();
    return static_cast<int>(d->lines.size()) - 1;
}

void LivePlot::setSeriesStyle(int series, const SeriesStyle& style) {
    d->lines.at(static_cast<size_t>(series))->style = style;
    d->updateLegend();
    d->mark();
}

void LivePlot::setSeriesVisible(int series, bool visible) {
    d->lines.at(static_cast<size_t>(series))->visible = visible;
    d->updateLegend();
    d->mark();
}

int LivePlot::seriesCount() const {
    return static_cast<int>(d->lines.size());
}
const Series& LivePlot::series(int series) const {
    return d->lines.at(static_cast<size_t>(series))->data;
}

void LivePlot::append(int series, const PlotPoint& point) {
    Series& data = d->lines.at(static_cast<size_t>(series))->data;
    const bool had = data.hasX(d->axis);
    data.append(point);
    if (had != data.hasX(d->axis))
        d->updateLegend();
    d->mark();
}

void LivePlot::append(int series, const std::vector<PlotPoint>& points) {
    for (const PlotPoint& point : points)
        append(series, point);
}

void LivePlot::rewindTo(int series, double step) {
    d->lines.at(static_cast<size_t>(series))->data.rewindTo(step);
    d->mark();
}

void LivePlot::clear() {
    clearBaselines();
    clearAlerts();
    d->lines.clear();
    d->plot->clearGraphs();
    d->zoomed = d->yZoomed = false;
    d->updateLegend();
    d->mark();
}

void LivePlot::addBaseline(double y, const QString& label) {
    Private::Baseline b{y, label, new QCPItemLine(d->plot), new QCPItemText(d->plot)};
    for (QCPItemPosition* position : {b.line->start, b.line->end, b.text->position}) {
        position->setTypeX(QCPItemPosition::ptAxisRectRatio);
        position->setTypeY(QCPItemPosition::ptPlotCoords);
    }
    b.line->setLayer(u"grid"_s);
    b.text->setLayer(u"marks"_s);
    b.text->setText(label);
    b.line->setSelectable(false);
    b.text->setSelectable(false);
    d->styleBaseline(b);
    d->baselines.push_back(b);
    d->mark();
}

void LivePlot::clearBaselines() {
    for (const auto& b : d->baselines) {
        d->plot->removeItem(b.line);
        d->plot->removeItem(b.text);
    }
    d->baselines.clear();
    d->mark();
}

void LivePlot::addAlert(double step, const QString& text, bool error) {
    Private::Alert a{step, text, error, new QCPItemLine(d->plot), new QCPItemText(d->plot)};
    for (QCPItemPosition* position : {a.line->start, a.line->end, a.mark->position}) {
        position->setTypeX(QCPItemPosition::ptPlotCoords);
        position->setTypeY(QCPItemPosition::ptAxisRectRatio);
    }
    a.mark->setText(u"!"_s);
    a.mark->setPositionAlignment(Qt::AlignHCenter | Qt::AlignTop);
    a.line->setLayer(u"marks"_s);
    a.mark->setLayer(u"marks"_s);
    a.line->setSelectable(false);
    a.mark->setSelectable(false);
    d->styleAlert(a);
    d->alerts.push_back(a);
    d->mark();
}

void LivePlot::clearAlerts() {
    for (const auto& a : d->alerts) {
        d->plot->removeItem(a.line);
        d->plot->removeItem(a.mark);
    }
    d->alerts.clear();
    d->mark();
}

void LivePlot::setTitle(const QString& title) {
    d->title->setText(title);
    setAccessibleName(title);
}
QString LivePlot::title() const {
    return d->title->text();
}
void LivePlot::setYLabel(const QString& unit) {
    d->yLabel = unit;
    d->plot->yAxis->setLabel(unit);
    d->mark();
}
void LivePlot::setEmptyText(const QString& text) {
    d->emptyText = text;
    d->mark();
}

void LivePlot::setSmoothing(double weight) {
    weight = std::clamp(weight, 0.0, 0.999);
    if (weight == d->weight)
        return;
    d->weight = weight;
    for (auto& line : d->lines) {
        line->data.setSmoothing(weight);
        if (line->smooth)
            line->smooth->data()->clear();
    }
    d->mark();
}
double LivePlot::smoothing() const {
    return d->weight;
}

void LivePlot::setXAxis(XAxis axis) {
    if (axis == d->axis)
        return;
    d->axis = axis;
    d->cursor = kNan;
    d->overlay->hideCursor();
    resetView();
    d->updateLegend();
}
XAxis LivePlot::xAxis() const {
    return d->axis;
}
void LivePlot::setLogX(bool on) {
    d->logX = on;
    resetView();
}
void LivePlot::setLogY(bool on) {
    d->logY = on;
    resetView();
}
bool LivePlot::logX() const {
    return d->logX;
}
bool LivePlot::logY() const {
    return d->logY;
}
void LivePlot::setYBounds(double low, double high) {
    d->boundLow = low;
    d->boundHigh = high;
    d->mark();
}

void LivePlot::zoom(double factor, double aroundX) {
    d->zoomed = true;
    d->plot->xAxis->scaleRange(factor, aroundX);
    d->mark();
}

void LivePlot::resetView() {
    d->zoomed = d->yZoomed = false;
    d->mark();
}
bool LivePlot::isZoomed() const {
    return d->zoomed;
}

void LivePlot::setCursor(double x) {
    d->cursor = x;
    if (std::isfinite(x))
        d->showCursor();
    else
        d->overlay->hideCursor();
}
double LivePlot::cursor() const {
    return d->cursor;
}

std::vector<LivePlot::Reading> LivePlot::readingsAt(double x) const {
    std::vector<Reading> out;
    for (const auto& line : d->lines) {
        if (!d->drawable(*line))
            continue;
        const PlotPoint p = line->data.point(line->data.nearest(d->axis, x));
        out.push_back({line->style.label, p.step, p.y, p.low, p.high, std::isfinite(p.low) && std::isfinite(p.high)});
    }
    return out;
}

QImage LivePlot::toImage(double scale) {
    if (!isVisible())
        grab(); // gives the layout its sizes
    redrawNow();
    const int gap = px(Size::GapS), titleH = lineHeight(TextStyle::Body);
    const QSize inner = d->plot->size();
    const int legendH = d->legend->heightFor(inner.width());
    const QSize whole(inner.width() + 2 * gap, inner.height() + titleH + legendH + 4 * gap);
    QImage image(whole * scale, QImage::Format_RGB32);
    image.fill(color(Tone::Surface));
    QPainter painter(&image);
    painter.scale(scale, scale);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setFont(textFont(TextStyle::Strong));
    painter.setPen(color(Tone::Text));
    painter.drawText(QRect(gap, gap, inner.width(), titleH), Qt::AlignVCenter | Qt::AlignLeft,
                     title() + u"  by "_s + axisName(d->axis));
    d->legend->draw(painter, QRect(gap, gap + titleH + gap / 2, inner.width(), legendH));
    QPixmap chart = d->plot->toPixmap(inner.width(), inner.height(), scale);
    chart.setDevicePixelRatio(1);
    painter.drawPixmap(QRectF(gap, 2 * gap + titleH + legendH, inner.width(), inner.height()), chart,
                       QRectF(chart.rect()));
    if (!d->badge->text().isEmpty()) {
        painter.setFont(textFont(TextStyle::Caption));
        painter.setPen(color(Tone::Error));
        painter.drawText(QRect(gap, gap, inner.width(), titleH), Qt::AlignVCenter | Qt::AlignRight, d->badge->text());
    }
    return image;
}

Status LivePlot::savePng(const QString& path, double scale) {
    QSaveFile file(path);
    if (!file.open(QIODevice::WriteOnly) || !toImage(scale).save(&file, "PNG") || !file.commit())
        return fail(Code::Io,
                    fmt::format("cannot write the chart to {}: {}", path.toStdString(),
                                file.errorString().toStdString()),
                    "Choose another folder.");
    return {};
}

QString LivePlot::csv() const {
    QString out = u"series,step,tokens,time_s,value,low,high\n"_s;
    const auto number = [](double v) {
        if (std::isnan(v))
            return QString();
        return QString::fromStdString(fmt::format("{}", v));
    };
    for (const auto& line : d->lines) {
        QString label = line->style.label;
        label.replace(u'"', u"\"\""_s);
        for (size_t i = 0; i < line->data.size(); ++i) {
            const PlotPoint p = line->data.point(i);
            // A value that is NaN says so; a column that does not exist is empty.
            const QString value = std::isnan(p.y) ? u"NaN"_s : number(p.y);
            out += u"\"%1\",%2,%3,%4,%5,%6,%7\n"_s.arg(label, number(p.step), number(p.tokens), number(p.time), value,
                                                      number(p.low), number(p.high));
        }
    }
    return out;
}

Status LivePlot::saveCsv(const QString& path) const {
    QSaveFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(csv().toUtf8()) < 0 || !file.commit())
        return fail(Code::Io,
                    fmt::format("cannot write the values to {}: {}", path.toStdString(),
                                file.errorString().toStdString()),
                    "Choose another folder.");
    return {};
}

double LivePlot::redrawNow() {
    QElapsedTimer timer;
    timer.start();
    // The first layout gives the axis rect its place; the data are chosen for it, then drawn.
    if (d->plot->axisRect()->rect().width() < 2)
        d->plot->replot(QCustomPlot::rpImmediateRefresh);
    d->refresh();
    d->plot->replot(QCustomPlot::rpImmediateRefresh);
    return static_cast<double>(timer.nsecsElapsed()) / 1e6;
}

size_t LivePlot::drawnPoints() const {
    return d->drawn;
}
std::vector<double> LivePlot::markerSteps() const {
    return d->markers;
}
int LivePlot::replotCount() const {
    return d->replots;
}

QSize LivePlot::sizeHint() const {
    return {380, 260};
}
QSize LivePlot::minimumSizeHint() const {
    return {200, px(Size::PlotMin)};
}

void LivePlot::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange)
        d->restyle();
}

void LivePlot::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    d->plot->setBufferDevicePixelRatio(devicePixelRatioF());
    d->mark();
}

void LivePlot::contextMenuEvent(QContextMenuEvent* event) {
    d->openMenu(event->globalPos());
}

void LivePlot::keyPressEvent(QKeyEvent* event) {
    const QCPRange range = d->plot->xAxis->range();
    const double middle = std::isfinite(d->cursor) ? d->cursor : range.center();
    switch (event->key()) {
    case Qt::Key_Left:
    case Qt::Key_Right: {
        const double pixel = d->plot->xAxis->coordToPixel(middle) + (event->key() == Qt::Key_Left ? -4 : 4);
        const double x = std::clamp(d->plot->xAxis->pixelToCoord(pixel), range.lower, range.upper);
        setCursor(x);
        Q_EMIT cursorMoved(x);
        return;
    }
    case Qt::Key_Plus:
    case Qt::Key_Equal:
        zoom(0.7, middle);
        return;
    case Qt::Key_Minus:
        zoom(1 / 0.7, middle);
        return;
    case Qt::Key_0:
        resetView();
        return;
    default:
        QWidget::keyPressEvent(event);
    }
}

bool LivePlot::eventFilter(QObject* watched, QEvent* event) {
    if (watched != d->plot)
        return QWidget::eventFilter(watched, event);
    switch (event->type()) {
    case QEvent::Resize:
        d->overlay->resize(d->plot->size());
        d->mark();
        break;
    case QEvent::Paint:
        if (d->dirty)
            d->schedule();
        break;
    case QEvent::MouseMove: {
        auto* mouse = static_cast<QMouseEvent*>(event);
        if (mouse->buttons() & Qt::LeftButton) {
            if (!d->dragging && (mouse->pos() - d->pressed).manhattanLength() > kClickSlop) {
                d->dragging = true;
                d->zoomed = d->yZoomed = true;
            }
            break;
        }
        const double x = d->plot->xAxis->pixelToCoord(mouse->position().x());
        setCursor(x);
        Q_EMIT cursorMoved(x);
        break;
    }
    case QEvent::Leave:
        setCursor(kNan);
        Q_EMIT cursorMoved(kNan);
        break;
    case QEvent::MouseButtonPress:
        d->pressed = static_cast<QMouseEvent*>(event)->pos();
        d->dragging = false;
        setFocus(Qt::MouseFocusReason);
        break;
    case QEvent::MouseButtonRelease: {
        auto* mouse = static_cast<QMouseEvent*>(event);
        if (d->dragging) {
            Q_EMIT settingsChanged();
        } else if (mouse->button() == Qt::LeftButton) {
            const auto readings = readingsAt(d->plot->xAxis->pixelToCoord(mouse->position().x()));
            if (!readings.empty())
                Q_EMIT clickedAtStep(readings.front().step);
        }
        break;
    }
    case QEvent::MouseButtonDblClick:
        resetView();
        Q_EMIT settingsChanged();
        return true;
    case QEvent::Wheel: {
        auto* wheel = static_cast<QWheelEvent*>(event);
        if (wheel->modifiers() & Qt::ControlModifier) {
            const double x = d->plot->xAxis->pixelToCoord(wheel->position().x());
            zoom(wheel->angleDelta().y() > 0 ? 0.8 : 1.25, x);
            Q_EMIT settingsChanged();
            wheel->accept();
        } else {
            wheel->ignore(); // the page scrolls
        }
        return true;
    }
    default:
        break;
    }
    return QWidget::eventFilter(watched, event);
}

} // namespace pl::ui
