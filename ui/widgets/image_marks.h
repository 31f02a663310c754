// SPDX-License-Identifier: GPL-3.0-or-later
// What is drawn over the images of an ImageView: marks on their pixels, and where the next one would go.
#pragma once

#include <optional>

#include <QPoint>
#include <QRect>
#include <QString>

#include "ui/theme/theme.h"

namespace pl::ui {

enum class Side;

/// A point or box in pixels of the side's file. The line's kind and the sign tell marks apart, not their colour alone.
struct ImageMark {
    QRect pixels; ///< of a point: one pixel
    bool point = false;
    QString sign; ///< "×"
    Tone tone = Tone::Text;
    Qt::PenStyle line = Qt::SolidLine;
    bool operator==(const ImageMark&) const = default;
};

/// The pixel that the keys are at, and the box from where it began; shown in every mode, whichever image is.
struct ImagePlace {
    Side side{};
    QPoint at;
    std::optional<QRect> box;
    bool operator==(const ImagePlace&) const = default;
};

} // namespace pl::ui
