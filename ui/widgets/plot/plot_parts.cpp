// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/plot/plot_parts.h"

#include <cmath>

#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

QString tickText(double v, XAxis axis) {
    if (axis == XAxis::Time) {
        if (std::abs(v) >= 7200)
            return QString::number(v / 3600, 'g', 3) + u" h"_s;
        if (std::abs(v) >= 120)
            return QString::number(v / 60, 'g', 3) + u" m"_s;
        return QString::number(v, 'g', 3) + u" s"_s;
    }
    const double a = std::abs(v);
    if (a >= 1e9)
        return QString::number(v / 1e9, 'g', 4) + u'G';
    if (a >= 1e6)
        return QString::number(v / 1e6, 'g', 4) + u'M';
    if (a >= 1e4)
        return QString::number(v / 1e3, 'g', 4) + u'k';
    if (a < 1e-12)
        return u"0"_s;
    return QString::number(v, 'g', 4);
}

QString axisName(XAxis axis) {
    return axis == XAxis::Tokens ? u"tokens"_s : axis == XAxis::Time ? u"time"_s : u"step"_s;
}

// ---- LegendBar

namespace {
constexpr int kSample = 16;

void drawSample(QPainter& p, int x, int y, const QColor& color, bool dashed) {
    QPen pen(color, 2, Qt::SolidLine, Qt::FlatCap);
    if (dashed)
        pen.setDashPattern({2.5, 1.75});
    p.setPen(pen);
    p.drawLine(x, y, x + kSample, y);
}
} // namespace

LegendBar::LegendBar(QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setCursor(Qt::PointingHandCursor);
}

void LegendBar::setEntries(std::vector<LegendEntry> entries) {
    m_entries = std::move(entries);
    setFixedHeight(heightFor(width()));
    update();
}

QSize LegendBar::sizeHint() const {
    return {120, heightFor(width())};
}

int LegendBar::heightFor(int width) const {
    int hidden = 0;
    const int line = lineHeight(TextStyle::Caption);
    (void)layOut(QRect(0, 0, width, line), &hidden);
    return hidden > 0 ? 2 * line : line;
}

int LegendBar::hiddenEntries() const {
    int hidden = 0;
    (void)layOut(rect(), &hidden);
    return hidden;
}

void LegendBar::resizeEvent(QResizeEvent*) {
    if (const int wanted = heightFor(width()); wanted != height())
        setFixedHeight(wanted);
}

std::vector<QRect> LegendBar::layOut(const QRect& rect, int* hidden) const {
    const QFontMetrics metrics(textFont(TextStyle::Caption));
    const int line = lineHeight(TextStyle::Caption), lines = std::max(1, rect.height() / line);
    const int moreWidth = metrics.horizontalAdvance(u"+99"_s) + px(Size::GapS);
    std::vector<QRect> out;
    int x = rect.left(), row = 0;
    *hidden = 0;
    for (size_t i = 0; i < m_entries.size(); ++i) {
        const int text = metrics.horizontalAdvance(m_entries[i].label + m_entries[i].note) + px(Size::Grid);
        const int width = kSample + px(Size::Grid) + text;
        const bool last = i + 1 == m_entries.size();
        const auto room = [&] { return rect.right() + 1 - x - (last || row + 1 < lines ? 0 : moreWidth); };
        if (*hidden == 0 && width > room() && x > rect.left() && row + 1 < lines) {
            ++row;
            x = rect.left();
        }
        if (*hidden > 0 || (width > room() && (x > rect.left() || room() < 3 * kSample))) {
            ++*hidden;
            continue;
        }
        out.emplace_back(x, rect.top() + row * line, std::min(width, room()), line);
        x += width + px(Size::GapS);
    }
    return out;
}

void LegendBar::draw(QPainter& p, const QRect& rect) const {
    p.setFont(textFont(TextStyle::Caption));
    int hidden = 0;
    const auto rects = layOut(rect, &hidden);
    int end = rect.left();
    QRect last(rect.left(), rect.top(), 0, lineHeight(TextStyle::Caption));
    for (size_t i = 0; i < rects.size(); ++i) {
        const LegendEntry& entry = m_entries[i];
        const QRect& r = rects[i];
        drawSample(p, r.left(), r.center().y() + 1, entry.visible ? entry.color : color(Tone::Line), entry.dashed);
        p.setPen(color(entry.visible ? Tone::Second : Tone::Hint));
        QFont f = p.font();
        f.setStrikeOut(!entry.visible);
        p.setFont(f);
        const QRect text = r.adjusted(kSample + px(Size::Grid), 0, 0, 0);
        p.drawText(text, Qt::AlignVCenter | Qt::AlignLeft,
                   QFontMetrics(f).elidedText(entry.label + entry.note, Qt::ElideMiddle, text.width()));
        f.setStrikeOut(false);
        p.setFont(f);
        end = r.right() + px(Size::GapS);
        last = r;
    }
    if (hidden > 0) {
        p.setPen(color(Tone::Hint));
        p.drawText(QRect(end, last.top(), rect.right() + 1 - end, last.height()), Qt::AlignVCenter | Qt::AlignLeft,
                   u"+%1"_s.arg(hidden));
    }
}

void LegendBar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    draw(painter, rect());
}

void LegendBar::mousePressEvent(QMouseEvent* event) {
    int hidden = 0;
    const auto rects = layOut(rect(), &hidden);
    for (size_t i = 0; i < rects.size(); ++i)
        if (rects[i].contains(event->pos()))
            Q_EMIT toggled(static_cast<int>(i));
}

bool LegendBar::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        QStringList lines;
        for (const LegendEntry& entry : m_entries)
            lines.append(entry.label + entry.note + (entry.visible ? QString() : u" (hidden)"_s));
        const QString text = lines.join(u'\n').toHtmlEscaped().replace(u'\n', u"<br>"_s);
        QToolTip::showText(static_cast<QHelpEvent*>(event)->globalPos(), text, this);
        return true;
    }
    return QWidget::event(event);
}

// ---- CursorOverlay

CursorOverlay::CursorOverlay(QWidget* parent) : QWidget(parent) {
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setAttribute(Qt::WA_NoSystemBackground);
    setFocusPolicy(Qt::NoFocus);
}

void CursorOverlay::setEmptyText(const QString& text, bool shown) {
    if (m_empty == text && m_showEmpty == shown)
        return;
    m_empty = text;
    m_showEmpty = shown;
    update();
}

void CursorOverlay::setCursorLines(double xPixel, const QRect& area, const QString& head,
                                   std::vector<CursorLine> lines, const QString& alert) {
    m_shown = true;
    m_x = xPixel;
    m_area = area;
    m_head = head;
    m_lines = std::move(lines);
    m_alert = alert;
    update();
}

void CursorOverlay::hideCursor() {
    if (!m_shown)
        return;
    m_shown = false;
    update();
}

void CursorOverlay::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    if (m_showEmpty) {
        p.setFont(textFont(TextStyle::Caption));
        p.setPen(color(Tone::Hint));
        p.drawText(rect().adjusted(px(Size::GapL), 0, -px(Size::GapL), 0), Qt::AlignCenter | Qt::TextWordWrap,
                   m_empty);
        return;
    }
    if (!m_shown)
        return;
    p.setPen(QPen(color(Tone::Second), 1));
    const double x = std::round(m_x) + 0.5;
    p.drawLine(QPointF(x, m_area.top()), QPointF(x, m_area.bottom()));
    for (const CursorLine& line : m_lines) {
        if (!m_area.adjusted(-2, -2, 2, 2).contains(line.at.toPoint()))
            continue;
        p.setPen(QPen(color(Tone::Surface), 1.5));
        p.setBrush(line.color);
        p.drawEllipse(line.at, 3.5, 3.5);
    }
    // The read-out stands beside the line, on the side with more room.
    const QFont caption = textFont(TextStyle::Caption), mono = textFont(TextStyle::MonoCaption);
    const QFontMetrics cm(caption), mm(mono);
    const int gap = px(Size::GapS), lineH = lineHeight(TextStyle::Caption);
    int labelW = cm.horizontalAdvance(m_head), valueW = 0;
    for (const CursorLine& line : m_lines) {
        labelW = std::max(labelW, std::min(cm.horizontalAdvance(line.label), 180) + kSample + 2 * px(Size::Grid));
        valueW = std::max(valueW, mm.horizontalAdvance(line.value));
    }
    const int alertW = m_alert.isEmpty() ? 0 : std::min(cm.horizontalAdvance(m_alert), 260);
    const int width = std::min(std::max(labelW + gap + valueW, alertW) + 2 * gap, m_area.width());
    const int rows = static_cast<int>(m_lines.size()) + 1 + (m_alert.isEmpty() ? 0 : 1);
    const int height = rows * lineH + gap;
    const bool right = m_x - m_area.left() < m_area.width() / 2.0;
    const int left = right ? static_cast<int>(m_x) + gap : static_cast<int>(m_x) - gap - width;
    QRect box(left, m_area.top() + px(Size::Grid), width, height);
    if (box.right() > this->width())
        box.moveRight(this->width() - 1);
    if (box.left() < 0)
        box.moveLeft(0);
    p.setPen(QPen(color(Tone::Border), 1));
    p.setBrush(color(Tone::Surface));
    p.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
    int y = box.top() + gap / 2;
    p.setFont(caption);
    p.setPen(color(Tone::Second));
    p.drawText(QRect(box.left() + gap, y, width - 2 * gap, lineH), Qt::AlignVCenter | Qt::AlignLeft, m_head);
    y += lineH;
    for (const CursorLine& line : m_lines) {
        drawSample(p, box.left() + gap, y + lineH / 2 + 1, line.color, line.dashed);
        const int textLeft = box.left() + gap + kSample + px(Size::Grid);
        const int textWidth = box.right() - gap - valueW - gap - textLeft;
        p.setFont(caption);
        p.setPen(color(Tone::Text));
        p.drawText(QRect(textLeft, y, textWidth, lineH), Qt::AlignVCenter | Qt::AlignLeft,
                   cm.elidedText(line.label, Qt::ElideMiddle, textWidth));
        p.setFont(mono);
        p.drawText(QRect(box.left(), y, width - gap, lineH), Qt::AlignVCenter | Qt::AlignRight, line.value);
        y += lineH;
    }
    if (!m_alert.isEmpty()) {
        p.setFont(caption);
        p.setPen(color(Tone::Warn));
        p.drawText(QRect(box.left() + gap, y, width - 2 * gap, lineH), Qt::AlignVCenter | Qt::AlignLeft,
                   cm.elidedText(m_alert, Qt::ElideRight, width - 2 * gap));
    }
}

} // namespace pl::ui
