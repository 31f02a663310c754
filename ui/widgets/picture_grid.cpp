// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/picture_grid.h"

#include <algorithm>
#include <array>

#include <QCoreApplication>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include "ui/theme/theme.h"
#include "ui/widgets/image_paint.h"
#include "ui/widgets/text_paint.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr std::array kSides{256, 224, 192, 160, 128, 96}; ///< of a box, logical pixels; whole multiples of 32
constexpr int kTitle = 184;
constexpr int kFewest = 2;       ///< rows that are seen at once where the height allows
constexpr int kHeadLines = 2, kDetailLines = 3;
constexpr int kTipChars = 1000;
} // namespace

PictureGrid::PictureGrid(ImageLoader* loader, QWidget* parent) : QAbstractScrollArea(parent), m_loader(loader) {
    setFocusPolicy(Qt::StrongFocus);
    setFrameShape(QFrame::NoFrame);
    viewport()->setAutoFillBackground(false);
    connect(loader, &ImageLoader::loaded, this, [this](const QString&, int side) {
        if (side == thumb())
            viewport()->update();
    });
    layOut();
}

void PictureGrid::setTable(PictureTable table) {
    m_table = std::move(table);
    m_row = std::clamp(m_row, 0, std::max(0, m_table.rows - 1));
    m_column = std::clamp(m_column, 0, std::max(0, m_table.columns - 1));
    m_headLines = 1;
    for (int column = 0; column < m_table.columns; ++column)
        if (m_table.head(column).contains(u'\n'))
            m_headLines = kHeadLines;
    layOut();
    refresh();
}

void PictureGrid::refresh() {
    setAccessibleDescription(currentWords());
    viewport()->update();
}

void PictureGrid::setCurrent(int row, int column) {
    if (m_table.rows == 0 || m_table.columns == 0)
        return;
    row = std::clamp(row, 0, m_table.rows - 1);
    column = std::clamp(column, 0, m_table.columns - 1);
    const bool moved = row != m_row || column != m_column;
    m_row = row;
    m_column = column;
    reveal();
    refresh();
    if (moved)
        Q_EMIT currentChanged(row, column);
}

QString PictureGrid::currentWords() const {
    if (m_row >= m_table.rows || m_column >= m_table.columns)
        return {};
    const Picture picture = m_table.cell(m_row, m_column);
    QStringList words{m_table.title(m_row).simplified(), m_table.head(m_column).simplified()};
    if (picture.path.isEmpty())
        words.append(u"no picture"_s);
    else if (const ImagePtr image = m_loader->cached(picture.path, thumb()); image && !image->ok())
        words.append(u"cannot be shown: "_s + image->problem);
    if (!picture.caption.isEmpty())
        words.append(picture.caption);
    return words.join(u". "_s);
}

// --- places ------------------------------------------------------------------------------------------------------------

int PictureGrid::headHeight() const {
    return m_headLines * lineHeight(TextStyle::Caption) + px(Size::GapS);
}
int PictureGrid::titleWidth() const {
    return std::min(kTitle, viewport()->width() / 3);
}
int PictureGrid::thumb() const {
    return thumbSide(m_side * viewport()->devicePixelRatioF());
}
int PictureGrid::cellWidth() const {
    return m_side + 2 * px(Size::GapS);
}
int PictureGrid::rowHeight() const {
    return px(Size::GapS) + m_side + px(Size::Grid) + lineHeight(TextStyle::MonoCaption) + px(Size::GapS);
}
QRect PictureGrid::cellRect(int row, int column) const {
    return {titleWidth() + column * cellWidth() - horizontalScrollBar()->value(),
            headHeight() + row * rowHeight() - verticalScrollBar()->value(), cellWidth(), rowHeight()};
}
QRect PictureGrid::pictureRect(int row, int column) const {
    return {cellRect(row, column).topLeft() + QPoint(px(Size::GapS), px(Size::GapS)), QSize(m_side, m_side)};
}
QPoint PictureGrid::placeAt(const QPoint& point) const {
    const int y = point.y() - headHeight() + verticalScrollBar()->value();
    const int x = point.x() - titleWidth() + horizontalScrollBar()->value();
    const int row = point.y() < headHeight() ? -1 : y / rowHeight();
    const int column = point.x() < titleWidth() ? -1 : x / cellWidth();
    return {column < m_table.columns ? column : -1, row < m_table.rows ? row : -1};
}

void PictureGrid::layOut() {
    // As large as all columns have room beside each other, and a few rows below each other.
    const int width = (viewport()->width() - titleWidth()) / std::max(1, m_table.columns) - 2 * px(Size::GapS);
    const int tall = (viewport()->height() - headHeight()) / std::max(1, std::min(kFewest, m_table.rows));
    m_side = kSides.back();
    for (const int side : kSides) {
        m_side = side;
        if (side <= width && rowHeight() <= tall)
            break;
    }
    horizontalScrollBar()->setPageStep(std::max(1, viewport()->width() - titleWidth()));
    horizontalScrollBar()->setSingleStep(cellWidth() / 2);
    horizontalScrollBar()->setRange(0, std::max(0, titleWidth() + m_table.columns * cellWidth() - viewport()->width()));
    verticalScrollBar()->setPageStep(std::max(1, viewport()->height() - headHeight()));
    verticalScrollBar()->setSingleStep(rowHeight() / 4);
    verticalScrollBar()->setRange(0, std::max(0, headHeight() + m_table.rows * rowHeight() - viewport()->height()));
}

void PictureGrid::reveal() {
    const QRect cell = cellRect(m_row, m_column);
    const auto move = [](QScrollBar* bar, int low, int high, int from, int to) {
        if (low < from)
            bar->setValue(bar->value() - (from - low));
        else if (high > to)
            bar->setValue(bar->value() + std::min(high - to, low - from));
    };
    move(horizontalScrollBar(), cell.left(), cell.right() + 1, titleWidth(), viewport()->width());
    move(verticalScrollBar(), cell.top(), cell.bottom() + 1, headHeight(), viewport()->height());
}

// --- painting ----------------------------------------------------------------------------------------------------------

void PictureGrid::drawCell(QPainter& p, int row, int column) const {
    const QRect cell = cellRect(row, column), box = pictureRect(row, column);
    const Picture picture = m_table.cell(row, column);
    const bool current = row == m_row && column == m_column;
    if (picture.path.isEmpty()) {
        p.setFont(textFont(TextStyle::Body));
        p.setPen(color(Tone::Hint));
        p.drawText(box, Qt::AlignCenter, u"–"_s);
    } else {
        paintPicture(p, box, m_loader->get(picture.path, thumb()));
    }
    if (picture.side) {
        paintFrame(p, QRectF(box).adjusted(-2, -2, 2, 2), color(*picture.side == Side::A ? Tone::SideA : Tone::SideB), 0);
        paintTag(p, box.topLeft(), false, *picture.side, (*picture.side == Side::A ? u"A"_s : u"B"_s) +
                 (picture.tag.isEmpty() ? QString() : u' ' + picture.tag), {});
    }
    if (current) {
        const double pen = hasFocus() ? 2 : 1;
        p.setPen(QPen(color(hasFocus() ? Tone::Text : Tone::Border), pen));
        p.setBrush(Qt::NoBrush);
        p.setRenderHint(QPainter::Antialiasing);
        p.drawRoundedRect(QRectF(cell).adjusted(pen, pen, -pen, -pen), px(Size::Radius), px(Size::Radius));
        p.setRenderHint(QPainter::Antialiasing, false);
    }
    p.setFont(textFont(TextStyle::MonoCaption));
    p.setPen(color(Tone::Second));
    const QRect line(box.left(), box.bottom() + 1 + px(Size::Grid), box.width(), lineHeight(TextStyle::MonoCaption));
    p.drawText(line, Qt::AlignLeft | Qt::AlignVCenter, p.fontMetrics().elidedText(picture.caption, Qt::ElideRight, line.width()));
}

void PictureGrid::paintEvent(QPaintEvent*) {
    QPainter p(viewport());
    const QRect all = viewport()->rect();
    const int left = titleWidth(), top = headHeight();
    const int firstRow = verticalScrollBar()->value() / rowHeight();
    const int lastRow = std::min(m_table.rows - 1, (verticalScrollBar()->value() + all.height() - top) / rowHeight());
    const int firstColumn = horizontalScrollBar()->value() / cellWidth();
    const int lastColumn = std::min(m_table.columns - 1, (horizontalScrollBar()->value() + all.width() - left) / cellWidth());
    p.setClipRect(QRect(left, top, all.width() - left, all.height() - top));
    for (int row = firstRow; row <= lastRow; ++row)
        for (int column = firstColumn; column <= lastColumn; ++column)
            drawCell(p, row, column);
    p.setClipRect(QRect(0, top, left, all.height() - top));
    const int line = lineHeight(TextStyle::Caption);
    for (int row = firstRow; row <= lastRow; ++row) {
        const QRect at = cellRect(row, 0);
        const QRect title(0, at.top() + px(Size::GapS), left - px(Size::GapM), at.height() - 2 * px(Size::GapS));
        const QString detail = m_table.detail ? m_table.detail(row) : QString();
        const int below = detail.isEmpty() ? 0 : kDetailLines * line + px(Size::Grid);
        const int y = paintText(p, title, safeText(m_table.title(row)), TextStyle::Strong, Tone::Text,
                                std::max(1, (title.height() - below) / lineHeight(TextStyle::Strong)));
        if (!detail.isEmpty())
            paintText(p, QRect(title.left(), y + px(Size::Grid), title.width(), below), detail, TextStyle::Caption, Tone::Second,
                      kDetailLines);
    }
    p.setClipRect(QRect(left, 0, all.width() - left, top));
    for (int column = firstColumn; column <= lastColumn; ++column) {
        const QRect at = cellRect(0, column);
        // The first line may be long (a run's name); the second says what is special here.
        const QStringList lines = m_table.head(column).split(u'\n').mid(0, kHeadLines);
        for (qsizetype i = 0; i < lines.size(); ++i) {
            p.setFont(textFont(TextStyle::Caption));
            p.setPen(color(i + 1 == lines.size() ? Tone::Text : Tone::Second));
            const QRect where(at.left() + px(Size::GapS), static_cast<int>(i + m_headLines - lines.size()) * line, m_side, line);
            p.drawText(where, Qt::AlignLeft | Qt::AlignVCenter, p.fontMetrics().elidedText(lines[i], Qt::ElideMiddle, where.width()));
        }
    }
    p.setClipping(false);
    p.setPen(color(Tone::Line));
    p.drawLine(0, top - px(Size::Grid) - 1, all.right(), top - px(Size::Grid) - 1);
}

// --- events ------------------------------------------------------------------------------------------------------------

void PictureGrid::resizeEvent(QResizeEvent* event) {
    QAbstractScrollArea::resizeEvent(event);
    layOut();
    reveal();
}
void PictureGrid::showEvent(QShowEvent* event) {
    QAbstractScrollArea::showEvent(event);
    layOut();
}
void PictureGrid::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        layOut();
        viewport()->update();
    }
}

void PictureGrid::keyPressEvent(QKeyEvent* event) {
    const int page = std::max(1, (viewport()->height() - headHeight()) / rowHeight());
    switch (event->key()) {
    case Qt::Key_Down: return setCurrent(m_row + 1, m_column);
    case Qt::Key_Up: return setCurrent(m_row - 1, m_column);
    case Qt::Key_Left: return setCurrent(m_row, m_column - 1);
    case Qt::Key_Right: return setCurrent(m_row, m_column + 1);
    case Qt::Key_PageDown: return setCurrent(m_row + page, m_column);
    case Qt::Key_PageUp: return setCurrent(m_row - page, m_column);
    case Qt::Key_Return:
    case Qt::Key_Enter:
    case Qt::Key_Space:
        if (m_row < m_table.rows && m_column < m_table.columns)
            Q_EMIT opened(m_row, m_column);
        return;
    case Qt::Key_Escape: return Q_EMIT closed();
    default: break;
    }
    if (m_target && m_target->isVisible())
        QCoreApplication::sendEvent(m_target, event);
    else
        event->ignore();
}
void PictureGrid::keyReleaseEvent(QKeyEvent* event) {
    if (m_target && m_target->isVisible())
        QCoreApplication::sendEvent(m_target, event);
    else
        event->ignore();
}

void PictureGrid::mousePressEvent(QMouseEvent* event) {
    const QPoint place = placeAt(event->position().toPoint());
    if (event->button() != Qt::LeftButton || place.y() < 0)
        return;
    setCurrent(place.y(), place.x() < 0 ? m_column : place.x());
    if (place.x() >= 0 && m_row == place.y())
        Q_EMIT opened(m_row, m_column);
}
void PictureGrid::focusInEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusInEvent(event);
    viewport()->update();
}
void PictureGrid::focusOutEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusOutEvent(event);
    if (m_target) // a key that is held there is let go somewhere else
        QCoreApplication::sendEvent(m_target, event);
    viewport()->update();
}

void PictureGrid::mouseReleaseEvent(QMouseEvent* event) {
    event->accept();
}

bool PictureGrid::viewportEvent(QEvent* event) {
    if (event->type() != QEvent::ToolTip)
        return QAbstractScrollArea::viewportEvent(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const QPoint place = placeAt(help->pos());
    QString tip;
    if (place.y() >= 0 && place.x() >= 0) {
        const Picture picture = m_table.cell(place.y(), place.x());
        const ImagePtr image = picture.path.isEmpty() ? nullptr : m_loader->cached(picture.path, thumb());
        tip = image && !image->ok() ? image->problem : picture.caption;
    } else if (place.y() >= 0) {
        tip = safeText(m_table.title(place.y()));
    } else if (place.x() >= 0) {
        tip = m_table.head(place.x());
    }
    QToolTip::showText(help->globalPos(), tip.left(kTipChars).toHtmlEscaped(), viewport());
    return true;
}

} // namespace pl::ui
