// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/train_parts.h"

#include <algorithm>
#include <map>

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QTextLayout>
#include <QVBoxLayout>

#include "ui/shell/context.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

/// The lines of a text at this width, at most so many; the last one is cut with an ellipsis where there are more.
QStringList linesOf(const QString& text, const QFont& font, int width, int most) {
    QStringList lines;
    QTextLayout layout(text, font);
    layout.beginLayout();
    while (lines.size() < most) {
        QTextLine line = layout.createLine();
        if (!line.isValid())
            break;
        line.setLineWidth(width);
        const int start = line.textStart(), end = start + line.textLength();
        lines.append(lines.size() + 1 == most && end < text.size() ? QFontMetrics(font).elidedText(text.mid(start), Qt::ElideRight, width)
                                                                   : text.mid(start, end - start).trimmed());
    }
    layout.endLayout();
    return lines;
}

constexpr int kTitleLines = 2, kSummaryLines = 2;

} // namespace

MethodCard::MethodCard(QString title, QString summary) : m_summary(std::move(summary)) {
    setText(title);
    setCheckable(true);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(title);
    setAccessibleDescription(m_summary);
    setToolTip(u"<qt>%1<br/>%2</qt>"_s.arg(title.toHtmlEscaped(), m_summary.toHtmlEscaped()));
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
}

QStringList MethodCard::titleLines(int width) const {
    return linesOf(text(), textFont(TextStyle::Strong), width - 2 * px(Size::GapM), kTitleLines);
}

QSize MethodCard::sizeHint() const {
    const int titles = static_cast<int>(std::max(qsizetype{1}, titleLines(kMethodsWidth).size()));
    return {kMethodsWidth, 2 * px(Size::GapM) + titles * lineHeight(TextStyle::Strong) + px(Size::Grid) +
                               kSummaryLines * lineHeight(TextStyle::Caption)};
}

void MethodCard::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    const bool chosen = isChecked();
    const double pen = chosen || hasFocus() ? 2 : 1;
    p.setPen(QPen(color(chosen ? Tone::Text : hasFocus() ? Tone::Border : Tone::Line), pen));
    p.setBrush(color(!isEnabled() || (underMouse() && !chosen) ? Tone::Sunken : Tone::Surface));
    p.drawRoundedRect(QRectF(rect()).adjusted(pen / 2, pen / 2, -pen / 2, -pen / 2), px(Size::Radius), px(Size::Radius));
    const int gap = px(Size::GapM), room = width() - 2 * gap;
    int y = gap;
    const auto draw = [&](const QStringList& lines, TextStyle style, Tone tone) {
        p.setPen(color(isEnabled() ? tone : Tone::Hint));
        p.setFont(textFont(style));
        for (const QString& line : lines) {
            p.drawText(QRect(gap, y, room, lineHeight(style)), Qt::AlignLeft | Qt::AlignVCenter, line);
            y += lineHeight(style);
        }
    };
    draw(titleLines(width()), TextStyle::Strong, Tone::Text);
    y += px(Size::Grid);
    draw(linesOf(m_summary, textFont(TextStyle::Caption), room, kSummaryLines), TextStyle::Caption, Tone::Second);
}

QWidget* findingRow(const Finding& f) {
    static const std::map<Level, std::pair<QString, Tone>> looks = {
        {Level::Good, {u"done"_s, Tone::Ok}}, {Level::Note, {u"info"_s, Tone::Second}},
        {Level::Warn, {u"warning"_s, Tone::Warn}}, {Level::Block, {u"error"_s, Tone::Error}}};
    auto* row = new QWidget;
    auto* line = new QHBoxLayout(row);
    setNoMargins(line, Size::GapS);
    auto* icon = new QLabel;
    const auto& [name, tone] = looks.at(f.level);
    icon->setPixmap(iconPixmap(name, tone, px(Size::IconSmall) + 2, row->devicePixelRatioF()));
    icon->setFixedHeight(lineHeight(TextStyle::Body));
    line->addWidget(icon, 0, Qt::AlignTop);
    auto* texts = new QVBoxLayout;
    setNoMargins(texts, Size::Line);
    auto* title = new TextLabel(qstr(f.title), TextStyle::Body, f.level == Level::Block ? Tone::Error : Tone::Text);
    title->setWordWrap(true);
    texts->addWidget(title);
    if (!f.detail.empty()) {
        auto* detail = new TextLabel(qstr(f.detail), TextStyle::Caption, Tone::Second);
        detail->setWordWrap(true);
        texts->addWidget(detail);
    }
    line->addLayout(texts, 1);
    return row;
}

void clearLayout(QLayout* layout) {
    while (QLayoutItem* item = layout->takeAt(0)) {
        if (item->widget()) {
            item->widget()->hide();
            item->widget()->deleteLater();
        }
        delete item;
    }
}

} // namespace pl::ui
