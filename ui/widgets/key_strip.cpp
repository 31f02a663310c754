// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/key_strip.h"

#include <algorithm>

#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kTightest = 3; ///< of place()
constexpr QStringView kMore = u"all keys";
} // namespace

KeyStrip::KeyStrip(QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void KeyStrip::setHints(const QList<KeyHint>& hints) {
    m_hints = hints;
    QStringList words;
    for (const KeyHint& hint : hints)
        words.append(hint.key + u' ' + hint.label);
    setAccessibleName(words.join(u", "_s));
    update();
}

void KeyStrip::setCentered(bool centered) {
    m_centered = centered;
    update();
}

QSize KeyStrip::sizeHint() const {
    return {px(Size::PaneMax), px(Size::Strip)};
}
QSize KeyStrip::minimumSizeHint() const {
    return {2 * px(Size::FormLabel) / 2, px(Size::Strip)};
}

QList<KeyStrip::Cell> KeyStrip::layOut(QRect* more) const {
    QList<Cell> cells;
    for (int tightness = 0; tightness <= kTightest; ++tightness) {
        cells = place(tightness, more);
        if (cells.size() == m_hints.size())
            break;
    }
    return cells;
}

QList<KeyStrip::Cell> KeyStrip::place(int tightness, QRect* more) const {
    const QFontMetrics keys(textFont(TextStyle::MonoCaption)), labels(textFont(TextStyle::Caption));
    const int gap = px(Size::GapS), grid = px(Size::Grid);
    const int apart = tightness ? grid + grid / 2 : gap + grid / 2, line = tightness ? grid / 2 : gap / 2;
    const int capHeight = lineHeight(TextStyle::Caption) + grid;
    const int top = (height() - capHeight) / 2;
    const int moreWidth = keys.horizontalAdvance(u'?') + 2 * grid + 2 + (tightness < 2 ? grid + labels.horizontalAdvance(kMore.toString()) : 0);
    const int right = width() - gap - moreWidth - gap;
    *more = QRect(width() - gap - moreWidth, top, moreWidth, capHeight);
    QList<Cell> cells;
    int x = gap;
    for (int i = 0; i < m_hints.size(); ++i) {
        const KeyHint& hint = m_hints[i];
        int divider = -1, start = x;
        if (i > 0 && hint.group != m_hints[i - 1].group) {
            divider = x + line;
            start = divider + (tightness ? apart - line : gap);
        }
        const int keyWidth = std::max(keys.horizontalAdvance(hint.key) + 2 * grid + 2, capHeight);
        const int labelWidth = tightness == kTightest && hint.between ? 0 : labels.horizontalAdvance(hint.label);
        const int end = start + keyWidth + (labelWidth ? grid + labelWidth : 0);
        if (end > right)
            break;
        cells.append({i, QRect(start, top, keyWidth, capHeight),
                      QRect(start + keyWidth + grid, top, labelWidth, capHeight), divider});
        x = end + apart;
    }
    if (m_centered && !cells.isEmpty() && cells.size() == m_hints.size()) {
        const Cell& last = cells.last();
        const int used = std::max(last.label.right(), last.key.right()) - gap;
        const int shift = std::clamp((width() - used) / 2 - gap, 0, right - gap - used);
        for (Cell& cell : cells) {
            cell.key.translate(shift, 0);
            cell.label.translate(shift, 0);
            if (cell.divider >= 0)
                cell.divider += shift;
        }
    }
    return cells;
}

int KeyStrip::visibleHints() const {
    QRect more;
    return static_cast<int>(layOut(&more).size());
}

void KeyStrip::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    QRect more;
    const auto cells = layOut(&more);
    const auto cap = [&](const QRect& r, const QString& key) {
        p.setPen(QPen(color(Tone::Border), 1));
        p.setBrush(color(Tone::Surface));
        p.drawRoundedRect(QRectF(r).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
        p.setFont(textFont(TextStyle::MonoCaption));
        p.setPen(color(Tone::Text));
        p.drawText(r, Qt::AlignCenter, key);
    };
    for (const Cell& cell : cells) {
        const KeyHint& hint = m_hints[cell.hint];
        if (cell.divider >= 0) {
            p.fillRect(cell.divider, cell.key.top() + 2, px(Size::Line), cell.key.height() - 4, color(Tone::Line));
        }
        cap(cell.key, hint.key);
        p.setFont(textFont(TextStyle::Caption));
        p.setPen(color(hint.side == 1 ? Tone::SideA : hint.side == 2 ? Tone::SideB : Tone::Second));
        if (cell.label.width() > 0)
            p.drawText(cell.label, Qt::AlignVCenter | Qt::AlignLeft, hint.label);
    }
    const int grid = px(Size::Grid);
    const int keyWidth = QFontMetrics(textFont(TextStyle::MonoCaption)).horizontalAdvance(u'?') + 2 * grid + 2;
    cap(QRect(more.left(), more.top(), keyWidth, more.height()), u"?"_s);
    p.setFont(textFont(TextStyle::Caption));
    p.setPen(color(Tone::Second));
    if (more.width() > keyWidth)
        p.drawText(more.adjusted(keyWidth + grid, 0, grid, 0), Qt::AlignVCenter | Qt::AlignLeft, kMore.toString());
}

QString KeyStrip::tipAt(const QPoint& at) const {
    QRect more;
    const auto cells = layOut(&more);
    if (more.contains(at))
        return u"?: every key that works here"_s;
    for (const Cell& cell : cells)
        if (cell.key.united(cell.label).contains(at)) {
            const KeyHint& hint = m_hints[cell.hint];
            return u"%1: %2"_s.arg(hint.key, hint.tip.isEmpty() ? hint.label : hint.tip);
        }
    return {};
}

QRect KeyStrip::hintRect(int index) const {
    QRect more;
    for (const Cell& cell : layOut(&more))
        if (cell.hint == index)
            return cell.key.united(cell.label);
    return {};
}

bool KeyStrip::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    if (const QString tip = tipAt(help->pos()); tip.isEmpty())
        QToolTip::hideText();
    else
        QToolTip::showText(help->globalPos(), u"<qt>%1</qt>"_s.arg(tip.toHtmlEscaped()), this);
    return true;
}

void KeyStrip::mousePressEvent(QMouseEvent* event) {
    QRect more;
    const auto cells = layOut(&more);
    if (more.contains(event->pos())) {
        Q_EMIT allKeysRequested();
        return;
    }
    for (const Cell& cell : cells)
        if (cell.key.united(cell.label).contains(event->pos()))
            Q_EMIT hintClicked(cell.hint);
}

} // namespace pl::ui
