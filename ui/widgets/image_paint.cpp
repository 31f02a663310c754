// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/image_paint.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <QFontMetrics>
#include <QPainter>

#include "ui/theme/theme.h"
#include "ui/widgets/image_geometry.h"
#include "ui/widgets/text_paint.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

/// What shows through an image's transparent parts.
void paintChecker(QPainter& painter, const QRectF& where) {
    const int cell = px(Size::GapS);
    QPixmap tile(2 * cell, 2 * cell);
    tile.fill(color(Tone::Surface));
    QPainter p(&tile);
    p.fillRect(0, 0, cell, cell, color(Tone::Selection));
    p.fillRect(cell, cell, cell, cell, color(Tone::Selection));
    p.end();
    painter.drawTiledPixmap(where, tile, where.topLeft());
}

int lightness(QRgb c) {
    return (2126 * qRed(c) + 7152 * qGreen(c) + 722 * qBlue(c) + 5000) / 10000;
}

} // namespace

void paintImage(QPainter& painter, const LoadedImage& image, const QRectF& where, const QRectF& clip, double ownScale) {
    const QRectF seen = where & clip;
    if (seen.isEmpty() || !image.ok())
        return;
    if (image.image.hasAlphaChannel())
        paintChecker(painter, seen);
    const QImage& level = image.level(ownScale);
    // Whole pixels around what is seen: the numbers stay small at 64 times.
    const double sx = where.width() / level.width(), sy = where.height() / level.height();
    const int left = std::max(0, static_cast<int>(std::floor((seen.left() - where.left()) / sx)) - 2);
    const int top = std::max(0, static_cast<int>(std::floor((seen.top() - where.top()) / sy)) - 2);
    const int right = std::min(level.width(), static_cast<int>(std::ceil((seen.right() - where.left()) / sx)) + 2);
    const int bottom = std::min(level.height(), static_cast<int>(std::ceil((seen.bottom() - where.top()) / sy)) + 2);
    const QRect source(left, top, right - left, bottom - top);
    const QRectF target(where.left() + left * sx, where.top() + top * sy, source.width() * sx, source.height() * sy);
    painter.save();
    painter.setClipRect(clip, Qt::IntersectClip);
    const bool exact = &level == &image.image && std::abs(ownScale - 1) < 1e-9;
    painter.setRenderHint(QPainter::SmoothPixmapTransform, ownScale < ImageGeometry::kSquares && !exact);
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.drawImage(target, level, source);
    painter.restore();
}

QImage differenceOf(const QImage& a, const QImage& b, const QRect& both, DifferenceKind kind, int gain) {
    QImage out(a.size(), QImage::Format_ARGB32_Premultiplied);
    out.fill(Qt::transparent);
    const QRect area = both & a.rect() & b.rect();
    std::array<std::array<QRgb, 256>, 2> ramp{};
    if (kind == DifferenceKind::Signed)
        for (size_t i = 0; i < 256; ++i)
            for (size_t s = 0; s < 2; ++s)
                ramp[s][i] = mix(color(Tone::Sunken), color(s ? Tone::SideB : Tone::SideA), double(i) / 255).rgb();
    const auto held = [gain](int v) { return std::min(255, v * gain); };
    for (int y = area.top(); y <= area.bottom(); ++y) {
        const auto* pa = reinterpret_cast<const QRgb*>(a.constScanLine(y));
        const auto* pb = reinterpret_cast<const QRgb*>(b.constScanLine(y));
        auto* po = reinterpret_cast<QRgb*>(out.scanLine(y));
        for (int x = area.left(); x <= area.right(); ++x) {
            const QRgb ca = pa[x], cb = pb[x];
            if (kind == DifferenceKind::Absolute) {
                po[x] = qRgb(held(std::abs(qRed(ca) - qRed(cb))), held(std::abs(qGreen(ca) - qGreen(cb))),
                             held(std::abs(qBlue(ca) - qBlue(cb))));
                continue;
            }
            const int d = lightness(cb) - lightness(ca), v = held(std::abs(d));
            po[x] = kind == DifferenceKind::Luminance ? qRgb(v, v, v) : ramp[d > 0][static_cast<size_t>(v)];
        }
    }
    return out;
}

QRect paintTag(QPainter& painter, const QPoint& corner, bool right, Side side, const QString& text, const QString& mark) {
    const QFont font = textFont(TextStyle::Body);
    const QFontMetrics metrics(font);
    const int height = lineHeight(TextStyle::Body) + px(Size::Grid);
    const int letter = std::max(height, metrics.horizontalAdvance(text) + 2 * px(Size::GapS));
    const int word = mark.isEmpty() ? 0 : metrics.horizontalAdvance(mark) + 2 * px(Size::GapS);
    const QRect whole(right ? corner.x() - letter - word : corner.x(), corner.y(), letter + word, height);
    const QRect tag(right ? whole.right() + 1 - letter : whole.left(), whole.top(), letter, height);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setFont(font);
    painter.setPen(Qt::NoPen);
    if (word) {
        painter.setBrush(color(Tone::Surface));
        painter.drawRoundedRect(whole, px(Size::Grid), px(Size::Grid));
        painter.setPen(color(Tone::Error));
        painter.drawText(right ? QRect(whole.left(), whole.top(), word, height) : QRect(tag.right() + 1, whole.top(), word, height),
                         Qt::AlignCenter, mark);
        painter.setPen(Qt::NoPen);
    }
    painter.setBrush(color(side == Side::A ? Tone::SideA : Tone::SideB));
    painter.drawRoundedRect(tag, px(Size::Grid), px(Size::Grid));
    painter.setPen(color(Tone::Surface));
    painter.drawText(tag, Qt::AlignCenter, text);
    painter.restore();
    return whole;
}

void paintFrame(QPainter& painter, const QRectF& pane, const QColor& tone, double strength) {
    painter.save();
    if (strength > 0) {
        QColor veil = tone;
        veil.setAlphaF(static_cast<float>(0.3 * strength));
        painter.fillRect(pane, veil);
    }
    painter.setRenderHint(QPainter::Antialiasing, false);
    QPen pen(tone, 2);
    pen.setJoinStyle(Qt::MiterJoin);
    painter.setPen(pen);
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(pane.adjusted(1, 1, -1, -1));
    painter.restore();
}

int thumbSide(double side) {
    constexpr int kLeast = 128, kMost = 512;
    int out = kLeast;
    while (out < side && out < kMost)
        out *= 2;
    return out;
}

void paintPicture(QPainter& painter, const QRect& box, const ImagePtr& image) {
    painter.save();
    painter.setClipRect(box, Qt::IntersectClip);
    painter.fillRect(box, color(Tone::Sunken));
    if (image && image->ok()) {
        const double dpr = painter.device()->devicePixelRatioF();
        const QSizeF pixels = image->image.size();
        const double fit = std::min(box.width() * dpr / pixels.width(), box.height() * dpr / pixels.height());
        const double scale = fit >= 1 ? std::floor(fit) : fit;
        const QSizeF size = pixels * scale / dpr;
        // On a whole pixel of the screen, or squares would be of two sizes.
        const auto whole = [dpr](double v) { return std::round(v * dpr) / dpr; };
        const QRectF where(QPointF(whole(box.left() + (box.width() - size.width()) / 2),
                                   whole(box.top() + (box.height() - size.height()) / 2)),
                           size);
        paintImage(painter, *image, where, box, scale);
    } else if (image) {
        const int icon = px(Size::Icon), gap = px(Size::Grid), line = lineHeight(TextStyle::Caption);
        const QRect inner = box.adjusted(gap, gap, -gap, -gap);
        const int lines = (inner.height() - icon - gap) / line;
        const bool words = lines > 1 && inner.width() > 4 * icon;
        const QPixmap sign = iconPixmap(u"warning"_s, Tone::Warn, icon, painter.device()->devicePixelRatioF());
        painter.drawPixmap(words ? inner.topLeft() : QPoint(box.center().x() - icon / 2, box.center().y() - icon / 2), sign);
        if (words)
            paintText(painter, inner.adjusted(0, icon + gap, 0, 0), image->problem.left(1).toUpper() + image->problem.mid(1),
                      TextStyle::Caption, Tone::Second, lines);
    }
    painter.restore();
}

void paintPlaceholder(QPainter& painter, const QRect& pane, const QString& title, const QString& why) {
    const QString reason = why.left(1).toUpper() + why.mid(1);
    painter.save();
    painter.setClipRect(pane, Qt::IntersectClip);
    const int icon = 2 * px(Size::Icon), gap = px(Size::GapS);
    const int wide = std::max(0, std::min(pane.width() - 2 * px(Size::GapXl), 360));
    painter.setFont(textFont(TextStyle::Strong));
    const QRect head = painter.fontMetrics().boundingRect(QRect(0, 0, wide, pane.height()), Qt::AlignHCenter | Qt::TextWordWrap, title);
    painter.setFont(textFont(TextStyle::Body));
    const QRect body = painter.fontMetrics().boundingRect(QRect(0, 0, wide, pane.height()), Qt::AlignHCenter | Qt::TextWordWrap, reason);
    const int tall = icon + gap + head.height() + px(Size::Grid) + body.height();
    int y = pane.center().y() - tall / 2;
    const int x = pane.center().x() - wide / 2;
    const double dpr = painter.device()->devicePixelRatioF();
    painter.drawPixmap(pane.center().x() - icon / 2, y, iconPixmap(u"warning"_s, Tone::Warn, icon, dpr));
    y += icon + gap;
    painter.setFont(textFont(TextStyle::Strong));
    painter.setPen(color(Tone::Text));
    painter.drawText(QRect(x, y, wide, head.height()), Qt::AlignHCenter | Qt::TextWordWrap, title);
    y += head.height() + px(Size::Grid);
    painter.setFont(textFont(TextStyle::Body));
    painter.setPen(color(Tone::Second));
    painter.drawText(QRect(x, y, wide, body.height()), Qt::AlignHCenter | Qt::TextWordWrap, reason);
    painter.restore();
}

} // namespace pl::ui
