// SPDX-License-Identifier: GPL-3.0-or-later
// How the image view paints: one image in its place, the difference of two, tags. No state.
#pragma once

#include <QImage>
#include <QRectF>
#include <QString>

#include "ui/widgets/image_loader.h"
#include "ui/widgets/image_view.h"

class QPainter;

namespace pl::ui {

/// Draws the part of the image that is seen through `clip`; `where` is the place of the whole image (logical pixels of the
/// painter). `ownScale`: device pixels a pixel of the file takes.
void paintImage(QPainter& painter, const LoadedImage& image, const QRectF& where, const QRectF& clip, double ownScale);

/// |A - B| a channel, B's lightness against A's in the two side colours, or |Y(A) - Y(B)| in grey, times the gain. Both of one
/// size; outside `both` nothing is drawn.
QImage differenceOf(const QImage& a, const QImage& b, const QRect& both, DifferenceKind kind, int gain);

/// A letter on its colour, and a word beside it. `right`: grows to the left from `corner`. Returns what it covers.
QRect paintTag(QPainter& painter, const QPoint& corner, bool right, Side side, const QString& text, const QString& mark);
/// A frame of two pixels; `strength` of a vote's tint fills it.
void paintFrame(QPainter& painter, const QRectF& pane, const QColor& tone, double strength);
/// The longer side to read a picture at for a box of this side, in device pixels: no more than it takes, in few sizes.
int thumbSide(double side);
/// One picture, whole and in the middle of a box: a smaller one enlarged by a whole number with its pixels as squares, a larger
/// one made to fit. Null: still read, an empty box. A file that cannot be shown leaves its reason where there is room for it.
void paintPicture(QPainter& painter, const QRect& box, const ImagePtr& image);
/// The reason in the place of an image.
void paintPlaceholder(QPainter& painter, const QRect& pane, const QString& title, const QString& reason);

} // namespace pl::ui
