// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/train_parts.h"

#include <map>

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QTextLayout>
#include <QVBoxLayout>

#include "ui/shell/context.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

MethodCard::MethodCard(QString title, QString summary) : m_summary(std::move(summary)) {
    setText(title);
    setCheckable(true);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(title);
    setAccessibleDescription(m_summary);
    setToolTip(m_summary.toHtmlEscaped());
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
}

QSize MethodCard::sizeHint() const {
    return {kMethodsWidth, 2 * px(Size::GapM) + lineHeight(TextStyle::Strong) + px(Size::Grid) +
                               2 * lineHeight(TextStyle::Caption)};
}

void MethodCard::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    const bool chosen = isChecked();
    const double pen = chosen || hasFocus() ? 2 : 1;
    p.setPen(QPen(color(chosen ? Tone::Text : hasFocus() ? Tone::Border : Tone::Line), pen));
    p.setBrush(color(!isEnabled() || (underMouse() && !chosen) ? Tone::Sunken : Tone::Surface));
    p.drawRoundedRect(QRectF(rect()).adjusted(pen / 2, pen / 2, -pen / 2, -pen / 2), px(Size::Radius), px(Size::Radius));
    const int gap = px(Size::GapM);
    QRect line(gap, gap, width() - 2 * gap, lineHeight(TextStyle::Strong));
    p.setPen(color(isEnabled() ? Tone::Text : Tone::Hint));
    p.setFont(textFont(TextStyle::Strong));
    p.drawText(line, Qt::AlignLeft | Qt::AlignVCenter, p.fontMetrics().elidedText(text(), Qt::ElideRight, line.width()));
    p.setPen(color(isEnabled() ? Tone::Second : Tone::Hint));
    const QFont font = textFont(TextStyle::Caption);
    p.setFont(font);
    QTextLayout layout(m_summary, font);
    layout.beginLayout();
    int y = line.bottom() + 1 + px(Size::Grid);
    for (int i = 0; i < 2; ++i) {
        QTextLine row = layout.createLine();
        if (!row.isValid())
            break;
        row.setLineWidth(line.width());
        QString part = m_summary.mid(row.textStart(), row.textLength());
        if (i == 1 && row.textStart() + row.textLength() < m_summary.size())
            part = QFontMetrics(font).elidedText(m_summary.mid(row.textStart()), Qt::ElideRight, line.width());
        p.drawText(QRect(line.left(), y, line.width(), lineHeight(TextStyle::Caption)), Qt::AlignLeft | Qt::AlignVCenter,
                   part.trimmed());
        y += lineHeight(TextStyle::Caption);
    }
    layout.endLayout();
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
