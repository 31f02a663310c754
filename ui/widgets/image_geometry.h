// SPDX-License-Identifier: GPL-3.0-or-later
// Where two images lie: one view of both, whatever the mode, and how far B stands off.
#pragma once

#include <QPointF>
#include <QRectF>
#include <QSizeF>

namespace pl::ui {

enum class Side;

/// One view of a pair. The unit is a pixel of A; B is drawn as wide as A, so that pairs of two sizes lie on each other.
/// Scales count device pixels, so 1 is one pixel of the image on one of the screen.
class ImageGeometry {
public:
    static constexpr double kLeast = 1.0 / 64, kMost = 64;
    /// From here on pixels are drawn as squares.
    static constexpr double kSquares = 2;

    void setSizes(const QSizeF& a, const QSizeF& b);
    const QSizeF& size(Side side) const;
    bool sameSize() const { return m_a == m_b; }

    bool isFit() const { return m_fit; }
    /// Whole and in the middle, without an offset.
    void fit();
    /// The scale of A in a pane of that size (device pixels).
    double scale(const QSizeF& pane) const;
    /// Device pixels a pixel of this side's own file takes.
    double ownScale(Side side, const QSizeF& pane) const;
    /// Where the whole image lies, relative to the middle of the pane, in device pixels; the corner on a whole pixel.
    QRectF place(Side side, const QSizeF& pane) const;
    /// A point of the pane (from its middle, device pixels) as a pixel of the side's file.
    QPointF pixelAt(Side side, const QPointF& at, const QSizeF& pane) const;

    /// The point `at` keeps what it shows. `moves` says which images follow: both, or one of them (unlocked).
    void zoomTo(double scale, const QPointF& at, const QSizeF& pane);
    void zoomSide(Side side, double factor, const QPointF& at, const QSizeF& pane);
    void pan(const QPointF& by, const QSizeF& pane);
    void panSide(Side side, const QPointF& by, const QSizeF& pane);
    /// The stop after or before this scale: ... 50 %, 100 %, 200 %, 300 % ... 64 times.
    static double nextStop(double scale, bool larger);

    /// How far the middle of B is from the middle of A, in pixels of A; and B's size beside A's.
    QPointF offset() const { return m_shift; }
    double ratio() const { return m_ratio; }
    bool hasOffset() const { return !m_shift.isNull() || m_ratio != 1; }
    void clearOffset();

private:
    double fitScale(const QSizeF& pane) const;
    QSizeF extent(Side side) const; ///< in pixels of A
    void hold(const QSizeF& pane);

    QSizeF m_a, m_b;
    bool m_fit = true;
    double m_zoom = 1;
    QPointF m_centre{0.5, 0.5}; ///< what of A is in the middle of the pane, as a fraction
    QPointF m_shift;
    double m_ratio = 1;
};

} // namespace pl::ui
