// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/tiles.h"

#include <algorithm>
#include <cmath>

#include <QPainter>
#include <QPainterPath>
#include <QHBoxLayout>
#include <QTimerEvent>
#include <QVBoxLayout>

namespace pl::ui {
using namespace Qt::StringLiterals;

int estimateDecimals(double low, double high) {
    const double width = std::abs(high - low);
    if (!(width > 0) || !std::isfinite(width))
        return 2;
    return std::clamp(1 - static_cast<int>(std::floor(std::log10(width))), 0, 6);
}

QString formatCount(int64_t value) {
    QString digits = QString::number(std::abs(value));
    for (qsizetype i = digits.size() - 3; i > 0; i -= 3)
        digits.insert(i, u',');
    return value < 0 ? u'-' + digits : digits;
}

QString formatNumber(double value, int digits) {
    if (std::isnan(value))
        return u"NaN"_s;
    if (std::isinf(value))
        return value > 0 ? u"∞"_s : u"-∞"_s;
    const double a = std::abs(value);
    if (a >= std::pow(10.0, digits) && a < 9e15)
        return formatCount(static_cast<int64_t>(std::llround(value)));
    return QString::number(value, 'g', digits);
}

QString formatDuration(double seconds) {
    if (!std::isfinite(seconds) || seconds < 0)
        return u"–"_s;
    const auto s = static_cast<int64_t>(std::llround(seconds));
    if (s < 90)
        return u"%1 s"_s.arg(s);
    if (s < 5400)
        return u"%1 min"_s.arg((s + 30) / 60);
    return u"%1 h %2 min"_s.arg(s / 3600).arg(s % 3600 / 60, 2, 10, QChar(u'0'));
}

EstimateText formatEstimate(const Estimate& e) {
    EstimateText out;
    out.value = u"–"_s;
    QStringList basis;
    if (e.n > 0)
        basis.append(u"n = "_s + formatCount(e.n));
    if (!e.judge.isEmpty())
        basis.append(e.judge);
    out.basis = basis.join(u" · "_s);
    if (e.n > 0 && e.n < e.minimumN) {
        out.value = u"too few (%1)"_s.arg(e.n);
        out.basis = e.judge;
        return out;
    }
    const bool interval = std::isfinite(e.low) && std::isfinite(e.high);
    if (std::isnan(e.value) && interval) {
        out.value = u"NaN"_s;
        return out;
    }
    if (!interval || e.n <= 0 || e.judge.isEmpty() || !std::isfinite(e.value)) {
        if (e.n <= 0)
            out.basis = u"not measured yet"_s;
        else if (!interval)
            out.basis += u" · no interval"_s;
        return out;
    }
    const double scale = e.percent ? 100 : 1;
    const int decimals = estimateDecimals(e.low * scale, e.high * scale);
    const auto text = [&](double v) { return QString::number(v * scale, 'f', decimals); };
    out.value = text(e.value) + (e.percent ? u" %"_s : QString());
    out.interval = u"[%1, %2]"_s.arg(text(e.low), text(e.high));
    out.shown = true;
    return out;
}

// ---- Tile

Tile::Tile(const QString& caption, QWidget* parent) : QFrame(parent) {
    setLook(this, "card");
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(px(Size::GapM), px(Size::GapS), px(Size::GapM), px(Size::GapS));
    column->setSpacing(px(Size::Grid) / 2);
    m_caption = new TextLabel(caption, TextStyle::Caption, Tone::Second);
    m_value = new TextLabel(u"–"_s, TextStyle::Number);
    m_interval = new TextLabel({}, TextStyle::MonoCaption, Tone::Second);
    m_basis = new ElidedLabel({}, TextStyle::Caption, Tone::Second);
    column->addWidget(m_caption);
    auto* line = new QHBoxLayout;
    setNoMargins(line, Size::GapS);
    line->addWidget(m_value, 0, Qt::AlignBottom);
    line->addWidget(m_interval, 0, Qt::AlignBottom);
    line->addStretch(1);
    column->addLayout(line);
    m_judge = new ElidedLabel({}, TextStyle::Caption, Tone::Second);
    column->addWidget(m_basis);
    column->addWidget(m_judge);
    m_interval->setContentsMargins(0, 0, 0, 3);
    m_value->setFixedHeight(lineHeight(TextStyle::Number));
    setMinimumWidth(px(Size::TileMin));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void Tile::setEstimate(const Estimate& estimate) {
    const EstimateText text = formatEstimate(estimate);
    m_value->setText(text.value);
    m_value->setStyle(text.shown ? TextStyle::Number : TextStyle::Body);
    m_value->setTone(text.shown ? Tone::Text : Tone::Hint);
    m_interval->setText(text.interval);
    // The judge has a line of its own: a number whose judge is cut off says too little.
    const auto dot = text.basis.indexOf(u" · "_s);
    m_basis->setText(dot < 0 ? text.basis : text.basis.left(dot));
    m_judge->setText(dot < 0 ? QString() : text.basis.mid(dot + 3));
    setAccessibleName(QStringList{m_caption->text(), text.value, text.interval, text.basis}.join(u' '));
}

void Tile::setFact(const QString& value, const QString& basis) {
    m_value->setText(value);
    m_value->setStyle(TextStyle::Number);
    m_value->setTone(Tone::Text);
    m_interval->clear();
    m_basis->setText(basis);
    m_judge->setText({});
    setAccessibleName(QStringList{m_caption->text(), value, basis}.join(u' '));
}

void Tile::setCaption(const QString& caption) {
    m_caption->setText(caption);
}
QString Tile::valueText() const {
    return m_value->text();
}
QString Tile::intervalText() const {
    return m_interval->text();
}
QString Tile::basisText() const {
    return m_judge->text().isEmpty() ? m_basis->text() : m_basis->text() + u" · "_s + m_judge->text();
}

// ---- Sparkline

Sparkline::Sparkline(QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}
void Sparkline::setValues(std::vector<double> values) {
    m_values = std::move(values);
    update();
}
void Sparkline::setColor(const QColor& c) {
    m_color = c;
    update();
}
QSize Sparkline::sizeHint() const {
    return {4 * px(Size::GapXl), px(Size::Icon)};
}

void Sparkline::paintEvent(QPaintEvent*) {
    if (m_values.empty())
        return;
    double low = 0, high = 0;
    bool any = false;
    for (const double v : m_values) {
        if (!std::isfinite(v))
            continue;
        low = any ? std::min(low, v) : v;
        high = any ? std::max(high, v) : v;
        any = true;
    }
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    const QRectF area = QRectF(rect()).adjusted(2, 2, -2, -2);
    const double span = high > low ? high - low : 1;
    // One column may hold many values: draw the extremes of each so that no spike is lost.
    const size_t n = m_values.size();
    const auto columns = static_cast<size_t>(std::max(area.width(), 1.0));
    const auto y = [&](double v) { return high > low ? area.bottom() - (v - low) / span * area.height()
                                                     : area.center().y(); };
    QPainterPath path;
    bool open = false;
    std::vector<double> bad;
    const size_t count = std::min(n, columns);
    for (size_t c = 0; c < count; ++c) {
        const size_t from = c * n / count, to = std::max(from + 1, (c + 1) * n / count);
        const double x = count == 1 ? area.center().x()
                                    : area.left() + area.width() * static_cast<double>(c) / static_cast<double>(count - 1);
        double lo = 0, hi = 0;
        bool has = false, gap = false;
        for (size_t i = from; i < to; ++i) {
            if (!std::isfinite(m_values[i])) {
                gap = true;
                continue;
            }
            lo = has ? std::min(lo, m_values[i]) : m_values[i];
            hi = has ? std::max(hi, m_values[i]) : m_values[i];
            has = true;
        }
        if (gap) {
            bad.push_back(x);
            open = false;
        }
        if (!has)
            continue;
        if (open)
            path.lineTo(x, y(lo));
        else
            path.moveTo(x, y(lo));
        if (hi > lo)
            path.lineTo(x, y(hi));
        open = true;
    }
    p.setPen(QPen(m_color.value_or(color(Tone::Text)), 1.25));
    p.drawPath(path);
    p.setPen(QPen(color(Tone::Error), 2));
    for (const double x : bad)
        p.drawLine(QPointF(x, height() - 4), QPointF(x, height() - 1));
}

// ---- ProgressLine

ProgressLine::ProgressLine(QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}
QSize ProgressLine::sizeHint() const {
    return {6 * px(Size::GapL), px(Size::Grid)};
}
void ProgressLine::setValue(double fraction) {
    m_value = std::isnan(fraction) ? fraction : std::clamp(fraction, 0.0, 1.0);
    setAccessibleName(std::isnan(fraction) ? u"in progress"_s : u"%1 %"_s.arg(std::lround(m_value * 100)));
    updateTimer();
    update();
}
void ProgressLine::updateTimer() {
    const bool wanted = std::isnan(m_value) && isVisible() && motionMs() > 0;
    if (wanted && m_timer == 0)
        m_timer = startTimer(40);
    if (!wanted && m_timer != 0) {
        killTimer(m_timer);
        m_timer = 0;
    }
}
void ProgressLine::timerEvent(QTimerEvent*) {
    m_phase = std::fmod(m_phase + 0.02, 1.0);
    update();
}
void ProgressLine::showEvent(QShowEvent*) {
    updateTimer();
}
void ProgressLine::hideEvent(QHideEvent*) {
    updateTimer();
}
void ProgressLine::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(Qt::NoPen);
    const QRectF track(0, (height() - px(Size::Grid)) / 2.0, width(), px(Size::Grid));
    const double r = track.height() / 2;
    p.setBrush(color(Tone::Line));
    p.drawRoundedRect(track, r, r);
    QRectF bar = track;
    if (std::isnan(m_value)) {
        bar.setWidth(track.width() / 4);
        bar.moveLeft(m_phase * (track.width() - bar.width()));
    } else {
        bar.setWidth(track.width() * m_value);
    }
    if (bar.width() < 0.5)
        return;
    p.setBrush(color(Tone::Text));
    p.drawRoundedRect(bar, r, r);
}

} // namespace pl::ui
