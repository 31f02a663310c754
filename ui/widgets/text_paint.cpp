// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/text_paint.h"

#include <QPainter>
#include <QTextLayout>

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr qsizetype kLooked = 4000; ///< characters of a text that are laid out
}

int paintText(QPainter& p, const QRect& rect, const QString& text, TextStyle style, Tone tone, int lines) {
    const QFont font = textFont(style);
    p.setFont(font);
    p.setPen(color(tone));
    int y = rect.top(), used = 0;
    const QStringList paragraphs = text.left(kLooked).split(u'\n');
    for (qsizetype i = 0; i < paragraphs.size() && used < lines; ++i) {
        const QString& paragraph = paragraphs[i];
        QTextLayout layout(paragraph, font);
        layout.beginLayout();
        bool more = true;
        while (used < lines && more) {
            QTextLine line = layout.createLine();
            if (!line.isValid()) {
                if (paragraph.isEmpty())
                    y += lineHeight(style) / 2;
                break;
            }
            line.setLineWidth(rect.width());
            const qsizetype end = line.textStart() + line.textLength();
            more = end < paragraph.size();
            QString part = paragraph.mid(line.textStart(), line.textLength());
            if (++used == lines && (more || i + 1 < paragraphs.size()))
                part = QFontMetrics(font).elidedText(paragraph.mid(line.textStart()) + (more ? QString() : u" …"_s), Qt::ElideRight,
                                                     rect.width());
            p.drawText(QRect(rect.left(), y, rect.width(), lineHeight(style)), Qt::AlignLeft | Qt::AlignVCenter, part);
            y += lineHeight(style);
        }
        layout.endLayout();
    }
    return y;
}

} // namespace pl::ui
