// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/data_marks.h"

#include <array>

#include "ui/data/detail_panel.h"
#include "ui/shell/context.h"
#include "ui/shell/marks.h"
#include "ui/widgets/image_view.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kLines = 6, kEditLines = 9;
}

void showMarks(DetailPanel* d, const desk::LabelItem& item, const desk::Judgement& judgement, ImageView* view) {
    const std::array<const desk::Candidate*, 2> sides{&item.a, &item.b};
    const auto letter = [](size_t i) { return i ? u"b"_s : u"a"_s; };
    if (!judgement.spans.is_null()) {
        const auto marks = desk::marksOf(judgement.spans, item.a.content, item.b.content);
        if (!marks)
            d->note(errorText(marks.error()), Tone::Warn);
        for (size_t i = 0; marks && i < 2; ++i)
            if (const QStringList lines = textMarkLines((*marks)[i], sides[i]->content); !lines.isEmpty())
                d->text(u"Marked in %1"_s.arg(letter(i)), lines.join(u'\n'), kLines);
    }
    if (!judgement.regions.is_null()) {
        const auto sha = [&](size_t i) { return sides[i]->kind == desk::CandidateKind::Image ? sides[i]->sha : std::string(); };
        const auto marks = desk::regionsOf(judgement.regions, sha(0), sha(1), item.prompt.content);
        if (!marks)
            d->note(errorText(marks.error()), Tone::Warn);
        for (size_t i = 0; marks && i < 2; ++i) {
            const desk::ImageMarks& side = (*marks)[i];
            QList<ImageMark> drawn;
            for (const desk::ImageRegion& region : side.regions)
                drawn.append(imageMarkOf(region));
            if (view)
                view->setImageMarks(i ? Side::B : Side::A, drawn);
            if (!drawn.isEmpty())
                d->text(u"Marked on %1, in pixels"_s.arg(letter(i)), regionLines(side).join(u'\n'), kLines);
            if (const QString struck = struckWords(side, qstr(desk::wordsAskedFor(item.prompt.content))); !struck.isEmpty())
                d->text(u"Words that %1 does not show"_s.arg(letter(i)), struck, 2);
        }
    }
    if (judgement.edited)
        d->text(u"Edited version"_s, qstr(*judgement.edited), kEditLines);
}

} // namespace pl::ui
