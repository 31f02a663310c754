// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QRect>
#include <QString>

#include "ui/theme/theme.h"

class QPainter;

namespace pl::ui {

/// Plain text in at most `lines` lines from the top of `rect`; the last one ends in an ellipsis when there is more. Returns the
/// y below the last line drawn.
int paintText(QPainter& painter, const QRect& rect, const QString& text, TextStyle style, Tone tone, int lines);

} // namespace pl::ui
