// SPDX-License-Identifier: GPL-3.0-or-later
// What a judgement marks, as pages show it.
#pragma once

#include <QString>
#include <QStringList>

#include "core/desk/domain/image_marks.h"
#include "core/desk/domain/text_marks.h"
#include "ui/widgets/image_marks.h"

namespace pl::ui {

/// × artifact, ≠ misaligned, ✓ good, each with a line of its own; another tag is its own sign.
ImageMark imageMarkOf(const desk::ImageRegion& region);
/// "× artifact", "blurry".
QString regionTagWords(const std::string& tag);
/// "cube, sky": the words of `asked` that this image does not show; empty when there are none.
QString struckWords(const desk::ImageMarks& marks, const QString& asked);
/// A line for each region: "× artifact, box at 3, 4: 10 × 8", "✓ good, point at 5, 6".
QStringList regionLines(const desk::ImageMarks& marks);
/// A line for each mark in an answer: "good: “the words”", "first wrong step: 2 of 3".
QStringList textMarkLines(const desk::AnswerMarks& marks, const std::string& text);

} // namespace pl::ui
