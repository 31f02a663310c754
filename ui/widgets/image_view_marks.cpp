// SPDX-License-Identifier: GPL-3.0-or-later
// Marks over the images: what is said about them, and where the keys are.
#include <algorithm>
#include <array>
#include <cmath>

#include <QPainter>

#include "ui/theme/theme.h"
#include "ui/widgets/image_view_private.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kRing = 7;    ///< radius of a point's ring
constexpr int kArm = 12;    ///< of the cross
constexpr int kPixelSeen = 4; ///< from here on a pixel is drawn as the square it is

QColor halo() {
    QColor c = color(Tone::Surface);
    c.setAlphaF(0.85F);
    return c;
}

/// Over a lighter or darker picture alike: every line has another one under it.
void stroke(QPainter& p, const QColor& ink, Qt::PenStyle style, const auto& draw) {
    p.setBrush(Qt::NoBrush);
    p.setPen(QPen(halo(), 5, Qt::SolidLine, Qt::FlatCap, Qt::MiterJoin));
    draw();
    QPen pen(ink, 2, Qt::SolidLine, Qt::FlatCap, Qt::MiterJoin);
    if (style == Qt::DashLine)
        pen.setDashPattern({4, 2});
    else if (style == Qt::DotLine)
        pen.setDashPattern({1, 1});
    else if (style == Qt::DashDotLine)
        pen.setDashPattern({4, 1.5, 1, 1.5});
    p.setPen(pen);
    draw();
}
} // namespace

QRectF ImageView::Private::onWidget(Side side, int index, const QRectF& pixels) const {
    const QRectF whole = place(side, index);
    const QSizeF size = geometry.size(side);
    if (size.isEmpty())
        return {};
    const double x = whole.width() / size.width(), y = whole.height() / size.height();
    return {whole.x() + pixels.x() * x, whole.y() + pixels.y() * y, pixels.width() * x, pixels.height() * y};
}

void ImageView::Private::paintMark(QPainter& p, Side side, int index, const ImageMark& mark, const QRectF& clip, bool named) {
    const QRectF area = onWidget(side, index, mark.pixels);
    const QColor ink = color(mark.tone);
    QRectF outline = area;
    if (mark.point) {
        const double r = std::max<double>(kRing, std::max(area.width(), area.height()) / 2 + 2);
        outline = QRectF(area.center() - QPointF(r, r), QSizeF(2 * r, 2 * r));
        stroke(p, ink, mark.line, [&] { p.drawEllipse(outline); });
        p.setPen(Qt::NoPen);
        p.setBrush(ink);
        if (area.width() < kPixelSeen)
            p.drawEllipse(area.center(), 1.5, 1.5);
    } else {
        stroke(p, ink, mark.line, [&] { p.drawRect(area); });
    }
    // The sign stands above its corner, or inside where there is no room.
    const QFont font = textFont(TextStyle::Caption);
    p.setFont(font);
    const QString sign = named ? (side == Side::A ? u"A "_s : u"B "_s) + mark.sign : mark.sign;
    const double tall = lineHeight(TextStyle::Caption);
    const double wide = std::max(tall, QFontMetricsF(font).horizontalAdvance(sign) + px(Size::GapS));
    QRectF chip(outline.left() - 1, outline.top() - tall - 1, wide, tall);
    if (chip.top() < clip.top())
        chip.moveTop(std::max(clip.top(), outline.top() + 1));
    chip.moveLeft(std::clamp(chip.left(), clip.left(), std::max(clip.left(), clip.right() - wide)));
    p.setPen(QPen(ink, 1));
    p.setBrush(color(Tone::Surface));
    p.drawRoundedRect(chip, 3, 3);
    p.drawText(chip, Qt::AlignCenter, sign);
}

void ImageView::Private::paintPlace(QPainter& p) {
    const ImagePlace& now = *keysAt;
    int index = 0;
    if (mode == ImageMode::Side)
        index = shownIn(0) == now.side ? 0 : 1;
    p.setClipRect(inner(index));
    const QRectF pixel = onWidget(now.side, index, QRectF(now.at, QSizeF(1, 1)));
    if (now.box)
        stroke(p, color(Tone::Text), Qt::DashLine, [&] { p.drawRect(onWidget(now.side, index, *now.box)); });
    const QPointF c = pixel.center();
    const double gap = std::max(3.0, pixel.width() / 2 + 1);
    stroke(p, color(Tone::Text), Qt::SolidLine, [&] {
        for (const QPointF& to : {QPointF(1, 0), QPointF(-1, 0), QPointF(0, 1), QPointF(0, -1)})
            p.drawLine(c + to * gap, c + to * (gap + kArm));
        if (pixel.width() >= kPixelSeen)
            p.drawRect(pixel);
    });
    if (mode == ImageMode::Side)
        return;
    // The other image may be in front: the letter says which one is meant.
    const double tall = lineHeight(TextStyle::Caption);
    const QRectF chip(c.x() + gap + 2, c.y() + gap + 2, tall, tall);
    p.setPen(Qt::NoPen);
    p.setBrush(tone(now.side));
    p.drawRoundedRect(chip, 3, 3);
    p.setPen(color(Tone::Surface));
    p.setFont(textFont(TextStyle::Caption));
    p.drawText(chip, Qt::AlignCenter, now.side == Side::A ? u"A"_s : u"B"_s);
}

void ImageView::Private::paintMarks(QPainter& p) {
    if (!ready())
        return;
    p.save();
    p.setRenderHint(QPainter::Antialiasing);
    const auto all = [&](Side side, int index, const QRectF& clip, bool named) {
        if (!images[at(side)]->ok() || marksHidden)
            return;
        p.setClipRect(clip);
        for (const ImageMark& mark : drawn[at(side)])
            paintMark(p, side, index, mark, clip, named);
    };
    if (mode == ImageMode::Side) {
        for (int i = 0; i < 2; ++i)
            all(shownIn(i), i, inner(i), false);
    } else if (mode == ImageMode::Wipe) {
        QRectF left = inner(0), right = inner(0);
        left.setRight(splitX());
        right.setLeft(splitX());
        all(shownIn(0), 0, left, true);
        all(shownIn(1), 0, right, true);
    } else if (mode == ImageMode::Difference && !flipped) {
        all(Side::A, 0, inner(0), true);
        all(Side::B, 0, inner(0), true);
    } else {
        all(shownIn(0), 0, inner(0), true);
    }
    if (keysAt && images[at(keysAt->side)]->ok())
        paintPlace(p);
    p.restore();
}

void ImageView::setImageMarks(Side side, const QList<ImageMark>& marks) {
    d->drawn[at(side)] = marks;
    update();
}
const QList<ImageMark>& ImageView::imageMarks(Side side) const {
    return d->drawn[at(side)];
}
void ImageView::setMarksHidden(bool hidden) {
    d->marksHidden = hidden;
    update();
}
bool ImageView::marksHidden() const {
    return d->marksHidden;
}
void ImageView::setPlace(const std::optional<ImagePlace>& place) {
    d->keysAt = place;
    update();
}
const std::optional<ImagePlace>& ImageView::place() const {
    return d->keysAt;
}
void ImageView::setNote(const QString& words) {
    if (words == d->note)
        return;
    d->note = words;
    d->describe();
    update();
}

Side ImageView::sideUnder(const QPointF& point) const {
    return d->sideAt(point);
}
QSize ImageView::pixelSize(Side side) const {
    const ImagePtr& image = d->images[at(side)];
    return image && image->ok() ? image->size : QSize();
}
QPoint ImageView::pixelOf(Side side, const QPointF& point) const {
    const QRectF where = imageRect(side);
    const QSize size = pixelSize(side);
    if (where.isEmpty() || size.isEmpty())
        return {};
    const auto pixel = [](double at, double extent, int count) {
        return std::clamp(static_cast<int>(std::floor(at / extent * count)), 0, count - 1);
    };
    return {pixel(point.x() - where.x(), where.width(), size.width()), pixel(point.y() - where.y(), where.height(), size.height())};
}
void ImageView::bringIntoSight(Side side, const QPoint& pixel) {
    int index = 0;
    if (d->mode == ImageMode::Side)
        index = d->shownIn(0) == side ? 0 : 1;
    const QRectF at = d->onWidget(side, index, QRectF(pixel, QSizeF(1, 1)));
    const QRectF in = d->inner(index);
    const auto off = [](double low, double high, double from, double to) { return low < from ? from - low : high > to ? to - high : 0; };
    const QPointF by(off(at.left(), at.right(), in.left(), in.right()), off(at.top(), at.bottom(), in.top(), in.bottom()));
    if (by.isNull())
        return;
    d->geometry.pan(by * d->dpr(), d->room());
    d->touched();
}

} // namespace pl::ui
