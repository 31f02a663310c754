// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>

#include <QPainter>

#include "ui/theme/theme.h"
#include "ui/widgets/image_paint.h"
#include "ui/widgets/image_view_private.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kFrame = 2, kRing = 3;

QString sizeWords(const QSizeF& size) {
    return u"%1 × %2"_s.arg(int(size.width())).arg(int(size.height()));
}
QString percent(double scale) {
    return u"%1 %"_s.arg(QString::number(scale * 100, 'f', scale < 0.1 ? 1 : 0));
}
QString signedNumber(double value) {
    const QString digits = QString::number(std::abs(value), 'f', std::abs(value - std::round(value)) < 0.05 ? 0 : 1);
    return (value < -0.04 ? u"−"_s : u"+"_s) + digits;
}
} // namespace

// --- places ------------------------------------------------------------------------------------------------------------

QRect ImageView::Private::statusRect() const {
    const int tall = lineHeight(TextStyle::MonoCaption) + px(Size::Grid);
    return {kRing, q->height() - kRing - tall, std::max(0, q->width() - 2 * kRing), tall};
}
QRect ImageView::Private::canvas() const {
    return {kRing, kRing, std::max(0, q->width() - 2 * kRing), std::max(0, statusRect().top() - kRing)};
}
QRect ImageView::Private::pane(int index) const {
    const QRect all = canvas();
    if (paneCount() == 1)
        return all;
    // Two of the same width, so that a pixel of A and its pixel of B lie at the same place of their panes.
    const int wide = std::max(0, (all.width() - px(Size::GapS)) / 2);
    return {index == 0 ? all.left() : all.right() + 1 - wide, all.top(), wide, all.height()};
}
QRectF ImageView::Private::inner(int index) const {
    return QRectF(pane(index)).adjusted(kFrame, kFrame, -kFrame, -kFrame);
}
QSizeF ImageView::Private::room() const {
    return inner(0).size() * dpr();
}
QRectF ImageView::Private::place(Side side, int index) const {
    const QRectF where = geometry.place(side, room());
    return {inner(index).center() + where.topLeft() / dpr(), where.size() / dpr()};
}
int ImageView::Private::paneAt(const QPointF& point) const {
    for (int i = 0; i < paneCount(); ++i)
        if (inner(i).contains(point))
            return i;
    return -1;
}
QPointF ImageView::Private::fromMiddle(const QPointF& point) const {
    return (point - inner(std::max(0, paneAt(point))).center()) * dpr();
}
int ImageView::Private::splitX() const {
    const QRectF in = inner(0);
    return static_cast<int>(std::lround(in.left() + split * in.width()));
}
Side ImageView::Private::shownIn(int index) const {
    if (mode == ImageMode::Blink)
        return flipped ? other(blinking) : blinking;
    if (mode == ImageMode::Difference)
        return plain;
    const Side here = index == 0 ? Side::A : Side::B;
    return flipped ? other(here) : here;
}
Side ImageView::Private::sideAt(const QPointF& point) const {
    switch (mode) {
    case ImageMode::Side: return shownIn(std::max(0, paneAt(point)));
    case ImageMode::Wipe: return shownIn(point.x() < splitX() ? 0 : 1);
    case ImageMode::Difference: return flipped ? plain : Side::B;
    case ImageMode::Blink: return shownIn(0);
    }
    return Side::A;
}

// --- painting ----------------------------------------------------------------------------------------------------------

QColor ImageView::Private::tone(Side side) const {
    return color(side == Side::A ? Tone::SideA : Tone::SideB);
}

void ImageView::Private::paintSide(QPainter& p, Side side, int index, const QRectF& clip) {
    const LoadedImage& image = *images[at(side)];
    seen[at(side)] = true;
    if (!image.ok()) {
        p.save();
        p.setClipRect(clip, Qt::IntersectClip);
        paintPlaceholder(p, inner(index).toAlignedRect(), u"%1 cannot be shown"_s.arg(tags[at(side)]), image.problem);
        p.restore();
        return;
    }
    paintImage(p, image, place(side, index), clip, geometry.ownScale(side, room()));
}

void ImageView::Private::paintDifference(QPainter& p) {
    const QRectF in = inner(0);
    if (broken()) {
        const Side bad = images[0]->ok() ? Side::B : Side::A;
        seen = {true, true};
        paintPlaceholder(p, in.toAlignedRect(), u"No difference: %1 cannot be shown"_s.arg(tags[at(bad)]), images[at(bad)]->problem);
        return;
    }
    seen = {true, true};
    if (difference.isNull()) {
        // Only what is seen, as large as it is seen: a difference of two large images costs no more than of two small ones.
        const QSizeF device = room();
        const QSize size = QSizeF(std::floor(device.width()), std::floor(device.height())).toSize();
        if (size.isEmpty())
            return;
        const QPointF middle(device.width() / 2, device.height() / 2);
        std::array<QImage, 2> drawn;
        std::array<QRectF, 2> places;
        for (const Side side : {Side::A, Side::B}) {
            QImage& image = drawn[at(side)];
            image = QImage(size, QImage::Format_RGB32);
            image.fill(Qt::black);
            const QRectF where = geometry.place(side, device);
            places[at(side)] = where.translated(middle);
            QPainter painter(&image);
            paintImage(painter, *images[at(side)], places[at(side)], image.rect(), geometry.ownScale(side, device));
        }
        const QRectF both = places[0] & places[1];
        const QRect area(QPoint(int(std::lround(both.left())), int(std::lround(both.top()))),
                         QPoint(int(std::lround(both.right())) - 1, int(std::lround(both.bottom())) - 1));
        difference = differenceOf(drawn[0], drawn[1], area, kind, gain);
        difference.setDevicePixelRatio(dpr());
    }
    p.drawImage(in.topLeft(), difference);
}

void ImageView::Private::frames(QPainter& p) {
    const int inset = px(Size::GapS);
    const auto tag = [&](const QRect& pane, bool right, Side side) {
        paintTag(p, right ? QPoint(pane.right() + 1 - inset, pane.top() + inset) : pane.topLeft() + QPoint(inset, inset), right,
                 side, tags[at(side)], marks[at(side)]);
    };
    if (mode == ImageMode::Side) {
        for (int i = 0; i < 2; ++i) {
            paintFrame(p, pane(i), tone(shownIn(i)), tint[at(shownIn(i))]);
            tag(pane(i), i == 1, shownIn(i));
        }
        return;
    }
    const QRect all = pane(0);
    if (mode == ImageMode::Blink || (mode == ImageMode::Difference && flipped)) {
        const Side shown = shownIn(0);
        const bool a = tint[0] > tint[1];
        paintFrame(p, all, tint[0] == tint[1] ? tone(shown) : tone(a ? Side::A : Side::B), std::max(tint[0], tint[1]));
        tag(all, shown == Side::B, shown);
        return;
    }
    // Left of the line is one side, right of it the other.
    const bool wipe = mode == ImageMode::Wipe;
    const int x = wipe ? splitX() : all.center().x() + 1;
    const std::array<QRect, 2> parts{QRect(all.left(), all.top(), x - all.left(), all.height()),
                                     QRect(x, all.top(), all.right() + 1 - x, all.height())};
    for (int i = 0; i < 2; ++i) {
        const Side side = wipe ? shownIn(i) : i == 0 ? Side::A : Side::B;
        p.save();
        p.setClipRect(parts[size_t(i)], Qt::IntersectClip);
        paintFrame(p, all, tone(side), tint[at(side)]);
        p.restore();
        tag(all, i == 1, side);
    }
    if (wipe) {
        p.fillRect(QRect(x - 1, all.top(), 3, all.height()), color(Tone::Surface));
        p.fillRect(QRect(x, all.top(), 1, all.height()), color(Tone::Text));
    }
}

void ImageView::Private::paintCross(QPainter& p) {
    if (mode != ImageMode::Side || !pointer || drag || !ready())
        return;
    const int here = paneAt(*pointer);
    if (here < 0)
        return;
    // The same place of the other image.
    const QPointF there = *pointer - inner(here).center() + inner(1 - here).center();
    p.save();
    p.setClipRect(inner(1 - here));
    const int x = int(there.x()), y = int(there.y()), arm = px(Size::GapS);
    for (const bool over : {false, true}) {
        const int fat = over ? 0 : 1;
        const QColor ink = color(over ? Tone::Text : Tone::Surface);
        p.fillRect(QRect(x - arm - fat, y - fat, 2 * arm + 1 + 2 * fat, 1 + 2 * fat), ink);
        p.fillRect(QRect(x - fat, y - arm - fat, 1 + 2 * fat, 2 * arm + 1 + 2 * fat), ink);
    }
    p.restore();
}

QString ImageView::Private::readout() const {
    if (!pointer || !ready() || paneAt(*pointer) < 0)
        return {};
    const QPointF from = fromMiddle(*pointer);
    QStringList words;
    std::array<QPoint, 2> pixels;
    bool any = false;
    for (const Side side : {Side::A, Side::B}) {
        const QChar letter(side == Side::A ? u'A' : u'B');
        const QPointF exact = geometry.pixelAt(side, from, room());
        const QPoint pixel(int(std::floor(exact.x())), int(std::floor(exact.y())));
        pixels[at(side)] = pixel;
        const LoadedImage& image = *images[at(side)];
        if (!image.ok() || !image.image.rect().contains(pixel)) {
            words.append(u"%1 –"_s.arg(letter));
            continue;
        }
        any = true;
        const QColor c = image.image.pixelColor(pixel);
        QString word = u"%1 %2 %3 %4"_s.arg(letter).arg(c.red(), 3).arg(c.green(), 3).arg(c.blue(), 3);
        if (image.image.hasAlphaChannel())
            word += u" %1 %"_s.arg(int(std::lround(c.alphaF() * 100)));
        words.append(word);
    }
    if (!any)
        return {};
    const QPoint under = pixels[at(sideAt(*pointer))];
    return u"x %1 y %2   "_s.arg(under.x()).arg(under.y()) + words.join(u"   "_s);
}

void ImageView::Private::paintStatus(QPainter& p) {
    const QRect line = statusRect();
    const QFont font = textFont(TextStyle::MonoCaption);
    const QFontMetrics metrics(font);
    p.setFont(font);
    p.setPen(color(Tone::Second));
    const QString right = readout();
    const int wide = right.isEmpty() ? 0 : metrics.horizontalAdvance(right) + px(Size::GapL);
    p.drawText(line, Qt::AlignRight | Qt::AlignVCenter, right);
    p.drawText(line.adjusted(0, 0, -wide, 0), Qt::AlignLeft | Qt::AlignVCenter,
               metrics.elidedText(q->statusText(), Qt::ElideRight, line.width() - wide));
}

void ImageView::Private::paint(QPainter& p) {
    for (int i = 0; i < paneCount(); ++i)
        p.fillRect(pane(i), color(Tone::Sunken));
    if (!ready()) {
        if (waiting && !id.isEmpty()) {
            p.setPen(color(Tone::Second));
            p.setFont(textFont(TextStyle::Body));
            for (int i = 0; i < paneCount(); ++i)
                p.drawText(pane(i), Qt::AlignCenter, u"Reading the image"_s);
        }
    } else if (mode == ImageMode::Side) {
        for (int i = 0; i < 2; ++i)
            paintSide(p, shownIn(i), i, inner(i));
    } else if (mode == ImageMode::Wipe) {
        QRectF left = inner(0), right = inner(0);
        left.setRight(splitX());
        right.setLeft(splitX());
        paintSide(p, shownIn(0), 0, left);
        paintSide(p, shownIn(1), 0, right);
    } else if (mode == ImageMode::Difference && !flipped) {
        paintDifference(p);
    } else {
        paintSide(p, shownIn(0), 0, inner(0));
    }
    paintMarks(p);
    frames(p);
    paintCross(p);
    paintStatus(p);
    if (q->hasFocus()) {
        p.setPen(QPen(color(Tone::Text), 2));
        p.setBrush(Qt::NoBrush);
        p.drawRect(QRectF(q->rect()).adjusted(1, 1, -1, -1));
    }
}

// --- words -------------------------------------------------------------------------------------------------------------

QString imageModeWord(ImageMode mode) {
    switch (mode) {
    case ImageMode::Side: return u"Side by side"_s;
    case ImageMode::Wipe: return u"Wipe"_s;
    case ImageMode::Difference: return u"Difference"_s;
    case ImageMode::Blink: return u"Blink"_s;
    }
    return {};
}

QString ImageView::statusText() const {
    if (!d->ready())
        return d->id.isEmpty() ? QString() : imageModeWord(d->mode);
    QStringList words{imageModeWord(d->mode)};
    if (!d->note.isEmpty())
        words.prepend(d->note);
    if (d->mode == ImageMode::Difference)
        words.last() += (d->kind == DifferenceKind::Absolute ? u", absolute"_s
                         : d->kind == DifferenceKind::Signed ? u", signed (the lighter side's colour)"_s
                                                             : u", luminance"_s) +
                        u" × %1"_s.arg(d->gain);
    const ImageGeometry& g = d->geometry;
    if (!g.size(Side::A).isEmpty()) {
        const double a = g.ownScale(Side::A, d->room()), b = g.ownScale(Side::B, d->room());
        words.append(std::abs(a - b) < 1e-6 ? percent(a) : u"A %1, B %2"_s.arg(percent(a), percent(b)));
        words.append(g.sameSize() ? sizeWords(g.size(Side::A))
                                  : u"A %1, B %2"_s.arg(sizeWords(g.size(Side::A)), sizeWords(g.size(Side::B))));
    }
    if (!d->locked)
        words.append(u"unlocked: %1 moves alone"_s.arg(d->pointer ? (d->sideAt(*d->pointer) == Side::A ? u"A"_s : u"B"_s)
                                                                  : u"the image under the pointer"_s));
    if (g.hasOffset())
        words.append(u"B off by %1, %2%3"_s.arg(signedNumber(g.offset().x()), signedNumber(g.offset().y()),
                                                g.ratio() == 1 ? QString() : u" × %1"_s.arg(g.ratio(), 0, 'f', 2)));
    return words.join(u"   "_s);
}

void ImageView::Private::describe() {
    QStringList words;
    for (const Side side : {Side::A, Side::B})
        if (ready() && !images[at(side)]->ok())
            words.append(u"%1 cannot be shown: %2"_s.arg(tags[at(side)], images[at(side)]->problem));
    q->setAccessibleName(u"Images A and B: %1"_s.arg(imageModeWord(mode).toLower()));
    words.append(q->statusText());
    q->setAccessibleDescription(words.join(u". "_s));
}

} // namespace pl::ui
