// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/image_geometry.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ui/widgets/pair_view.h"

namespace pl::ui {

namespace {
constexpr std::array kStops{1.0 / 64, 1.0 / 32, 1.0 / 16, 0.125, 0.25, 0.5, 1.0,  2.0,
                            3.0,      4.0,      6.0,      8.0,   12.0, 16.0, 24.0, 32.0, 48.0, 64.0};
}

void ImageGeometry::setSizes(const QSizeF& a, const QSizeF& b) {
    // One that is missing takes the other's place, so that nothing jumps when it is there.
    m_a = a.isEmpty() ? b : a;
    m_b = b.isEmpty() ? a : b;
}
const QSizeF& ImageGeometry::size(Side side) const {
    return side == Side::A ? m_a : m_b;
}

void ImageGeometry::fit() {
    m_fit = true;
    m_centre = {0.5, 0.5};
    clearOffset();
}
void ImageGeometry::clearOffset() {
    m_shift = {};
    m_ratio = 1;
}

QSizeF ImageGeometry::extent(Side side) const {
    if (side == Side::A || m_b.isEmpty())
        return m_a;
    return m_b * (m_ratio * m_a.width() / m_b.width());
}

double ImageGeometry::fitScale(const QSizeF& pane) const {
    if (m_a.isEmpty() || pane.isEmpty())
        return 1;
    const double tall = std::max(m_a.height(), m_b.height() * m_a.width() / m_b.width());
    const double scale = std::min(pane.width() / m_a.width(), pane.height() / tall);
    // Squares of one size look right; squares of two sizes look like a pattern in the image.
    return std::clamp(scale >= kSquares ? std::floor(scale) : scale, 1e-4, kMost);
}

double ImageGeometry::scale(const QSizeF& pane) const {
    return m_fit ? fitScale(pane) : m_zoom;
}
double ImageGeometry::ownScale(Side side, const QSizeF& pane) const {
    const QSizeF own = size(side);
    return own.isEmpty() ? 1 : scale(pane) * extent(side).width() / own.width();
}

QRectF ImageGeometry::place(Side side, const QSizeF& pane) const {
    const double s = scale(pane);
    const QSizeF drawn = extent(side) * s;
    QPointF middle((0.5 - m_centre.x()) * m_a.width() * s, (0.5 - m_centre.y()) * m_a.height() * s);
    if (side == Side::B)
        middle += m_shift * s;
    const QPointF corner = middle - QPointF(drawn.width() / 2, drawn.height() / 2);
    // Half of an odd pane is half a pixel: the corner is put on a whole one of the screen.
    const auto whole = [](double v, double half) { return std::round(v + half) - half; };
    return {QPointF(whole(corner.x(), pane.width() / 2), whole(corner.y(), pane.height() / 2)), drawn};
}

QPointF ImageGeometry::pixelAt(Side side, const QPointF& at, const QSizeF& pane) const {
    const QRectF where = place(side, pane);
    if (where.isEmpty())
        return {-1, -1};
    const QSizeF own = size(side);
    return {(at.x() - where.x()) * own.width() / where.width(), (at.y() - where.y()) * own.height() / where.height()};
}

void ImageGeometry::hold(const QSizeF& pane) {
    // The middle of the pane stays on the image; an image smaller than the pane stands in its middle.
    const double s = scale(pane);
    const auto held = [](double centre, double drawn, double room) {
        return drawn <= room ? 0.5 : std::clamp(centre, 0.0, 1.0);
    };
    m_centre = {held(m_centre.x(), m_a.width() * s, pane.width()), held(m_centre.y(), m_a.height() * s, pane.height())};
}

void ImageGeometry::zoomTo(double wanted, const QPointF& at, const QSizeF& pane) {
    if (m_a.isEmpty())
        return;
    const double before = scale(pane), after = std::clamp(wanted, kLeast, kMost);
    m_fit = false;
    m_zoom = after;
    m_centre += QPointF(at.x() / m_a.width(), at.y() / m_a.height()) * (1 / before - 1 / after);
    hold(pane);
}

void ImageGeometry::pan(const QPointF& by, const QSizeF& pane) {
    if (m_a.isEmpty())
        return;
    const double s = scale(pane);
    m_centre -= QPointF(by.x() / (m_a.width() * s), by.y() / (m_a.height() * s));
    hold(pane);
}

void ImageGeometry::panSide(Side side, const QPointF& by, const QSizeF& pane) {
    const QPointF before = m_centre;
    if (side == Side::A) {
        // A goes, B stays where it is.
        pan(by, pane);
        const QPointF moved = m_centre - before;
        m_shift += QPointF(moved.x() * m_a.width(), moved.y() * m_a.height());
    } else {
        m_shift += by / scale(pane);
    }
}

void ImageGeometry::zoomSide(Side side, double factor, const QPointF& at, const QSizeF& pane) {
    if (m_a.isEmpty())
        return;
    const double s = scale(pane);
    if (side == Side::B) {
        const double ratio = std::clamp(m_ratio * factor, kLeast, kMost);
        // What of B is at the point stays there.
        const QPointF middle(at.x() / s + (m_centre.x() - 0.5) * m_a.width(), at.y() / s + (m_centre.y() - 0.5) * m_a.height());
        m_shift = middle + (m_shift - middle) * (ratio / m_ratio);
        m_ratio = ratio;
        return;
    }
    const QRectF b = place(Side::B, pane);
    zoomTo(s * factor, at, pane);
    const double now = scale(pane);
    m_ratio = std::clamp(m_ratio * s / now, kLeast, kMost);
    const QPointF middle((0.5 - m_centre.x()) * m_a.width() * now, (0.5 - m_centre.y()) * m_a.height() * now);
    m_shift = (b.center() - middle) / now;
}

double ImageGeometry::nextStop(double scale, bool larger) {
    if (larger) {
        const auto it = std::find_if(kStops.begin(), kStops.end(), [&](double stop) { return stop > scale * 1.001; });
        return it == kStops.end() ? kMost : *it;
    }
    const auto it = std::find_if(kStops.rbegin(), kStops.rend(), [&](double stop) { return stop < scale * 0.999; });
    return it == kStops.rend() ? kLeast : *it;
}

} // namespace pl::ui
