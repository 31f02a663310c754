// SPDX-License-Identifier: GPL-3.0-or-later
// State of the image view and its painting; image_view.cpp has the way in and the events.
#pragma once

#include <array>
#include <optional>

#include <QTimer>
#include <QVariantAnimation>

#include "ui/widgets/image_geometry.h"
#include "ui/widgets/image_view.h"

class QPainter;

namespace pl::ui {

inline size_t at(Side side) {
    return static_cast<size_t>(side);
}
inline Side other(Side side) {
    return side == Side::A ? Side::B : Side::A;
}

struct ImageView::Private {
    ImageView* q;
    ImageLoader* loader;
    ImageGeometry geometry;
    QString id;
    std::array<QString, 2> paths, tags{QStringLiteral("A"), QStringLiteral("B")}, marks;
    std::array<ImagePtr, 2> images;
    ImageMode mode = ImageMode::Side;
    DifferenceKind kind = DifferenceKind::Absolute;
    int gain = 4;
    double split = 0.5;
    bool flipped = false, flippedThisPair = false, locked = true, ownKeys = true, waiting = false;
    Side plain = Side::B; ///< what Difference showed when it was last flipped
    Side blinking = Side::A;
    QTimer blink, wait;
    QVariantAnimation animation;
    std::array<bool, 2> flashing{}, seen{true, true};
    std::array<double, 2> tint{};
    qint64 paintedAt = 0;
    std::optional<QPointF> pointer, drag;
    int wheel = 0;
    std::array<QList<ImageMark>, 2> drawn;
    std::optional<ImagePlace> keysAt;
    bool marksHidden = false;
    QString note;
    QImage difference; ///< of what is seen now; null: to be made

    explicit Private(ImageView* owner, ImageLoader* from) : q(owner), loader(from) {}

    // --- places, logical pixels of the widget ---
    QRect canvas() const;
    QRect statusRect() const;
    int paneCount() const { return mode == ImageMode::Side ? 2 : 1; }
    QRect pane(int index) const;
    QRectF inner(int index) const; ///< without the frame: where the images lie
    QSizeF room() const;           ///< of a pane, in device pixels
    double dpr() const { return q->devicePixelRatioF(); }
    QRectF place(Side side, int index) const;
    int paneAt(const QPointF& point) const; ///< -1: none
    QPointF fromMiddle(const QPointF& point) const; ///< device pixels, of the pane under it (or the first)
    /// The image a point of the widget shows.
    Side sideAt(const QPointF& point) const;
    /// What a pane shows now, where it shows one image.
    Side shownIn(int index) const;
    int splitX() const;

    bool ready() const { return images[0] && images[1]; }
    bool broken() const { return ready() && (!images[0]->ok() || !images[1]->ok()); }
    void take();
    void touched(); ///< the view moved: what depends on it is made again
    void describe();
    void restartBlink();

    // --- painting ---
    void paint(QPainter& p);
    void paintSide(QPainter& p, Side side, int index, const QRectF& clip);
    void paintDifference(QPainter& p);
    void paintCross(QPainter& p);
    void paintStatus(QPainter& p);
    void frames(QPainter& p);
    QRectF onWidget(Side side, int index, const QRectF& pixels) const;
    void paintMarks(QPainter& p);
    void paintMark(QPainter& p, Side side, int index, const ImageMark& mark, const QRectF& clip, bool named);
    void paintPlace(QPainter& p);
    QColor tone(Side side) const;
    QString readout() const;
};

} // namespace pl::ui
