// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/marks.h"

#include <algorithm>

#include "ui/shell/context.h"
#include "ui/widgets/shown_text.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr qsizetype kMostWords = 200; ///< characters of a marked stretch

struct Look {
    const char16_t* sign;
    Tone tone;
    Qt::PenStyle line;
};
/// In the order of desk::kRegionTags.
constexpr Look kLooks[] = {{u"×", Tone::Error, Qt::SolidLine}, {u"≠", Tone::Warn, Qt::DashLine}, {u"✓", Tone::Ok, Qt::DotLine}};
static_assert(std::size(kLooks) == desk::kRegionTags.size());

const Look* lookOf(const std::string& tag) {
    const auto at = std::find(desk::kRegionTags.begin(), desk::kRegionTags.end(), tag);
    return at == desk::kRegionTags.end() ? nullptr : &kLooks[at - desk::kRegionTags.begin()];
}

} // namespace

ImageMark imageMarkOf(const desk::ImageRegion& region) {
    ImageMark mark;
    mark.point = region.isPoint();
    mark.pixels = QRect(static_cast<int>(region.x), static_cast<int>(region.y), static_cast<int>(std::max<int64_t>(1, region.width)),
                        static_cast<int>(std::max<int64_t>(1, region.height)));
    if (const Look* look = lookOf(region.tag)) {
        mark.sign = QString::fromUtf16(look->sign);
        mark.tone = look->tone;
        mark.line = look->line;
    } else {
        mark.sign = safeText(qstr(region.tag));
        mark.line = Qt::DashDotLine;
    }
    return mark;
}

QString regionTagWords(const std::string& tag) {
    const Look* look = lookOf(tag);
    return (look ? QString::fromUtf16(look->sign) + u' ' : QString()) + safeText(qstr(tag));
}

QString struckWords(const desk::ImageMarks& marks, const QString& asked) {
    QStringList words;
    for (const auto& [begin, end] : marks.struck) {
        const qsizetype from = utf16Of(asked, begin), to = utf16Of(asked, end);
        words.append(safeText(asked.mid(from, to - from)));
    }
    return words.join(u", "_s);
}

QStringList regionLines(const desk::ImageMarks& marks) {
    QStringList lines;
    for (const desk::ImageRegion& r : marks.regions)
        lines.append(regionTagWords(r.tag) + (r.isPoint() ? u", point at %1, %2"_s.arg(r.x).arg(r.y)
                                                          : u", box at %1, %2: %3 × %4"_s.arg(r.x).arg(r.y).arg(r.width).arg(r.height)));
    return lines;
}

QStringList textMarkLines(const desk::AnswerMarks& marks, const std::string& text) {
    QStringList lines;
    for (const desk::TextSpan& span : marks.spans) {
        QString words = qstr(std::string(desk::textPart(text, span.begin, span.end))).simplified();
        if (words.size() > kMostWords)
            words = words.left(kMostWords) + u'…';
        lines.append(u"%1: “%2”"_s.arg(QString::fromLatin1(desk::spanLabelName(span.label)), words));
    }
    if (marks.steps) {
        const auto count = marks.steps->ranges.size();
        lines.append(marks.firstWrong < 0 ? u"all %1 steps right"_s.arg(count) : u"first wrong step: %1 of %2"_s.arg(marks.firstWrong + 1).arg(count));
    }
    return lines;
}

} // namespace pl::ui
