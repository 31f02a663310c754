// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/detail_panel.h"

#include <algorithm>

#include <QGridLayout>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {

namespace {
constexpr qsizetype kMeasured = 4000; ///< characters looked at to find the height
} // namespace

DetailPanel::DetailPanel(const QString& emptyText, QWidget* parent) : QScrollArea(parent), m_emptyText(emptyText) {
    setWidgetResizable(true);
    setFrameShape(QFrame::NoFrame);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setFocusPolicy(Qt::NoFocus);
    clear();
}

void DetailPanel::fresh() {
    m_texts.clear();
    m_body = new QFrame;
    setLook(m_body, "card");
    m_column = new QVBoxLayout(m_body);
    setGaps(m_column, Size::GapL, Size::GapM);
    m_facts = nullptr;
    m_row = 0;
    setWidget(m_body);
}

void DetailPanel::clear() {
    fresh();
    m_title.clear();
    auto* label = new TextLabel(m_emptyText, TextStyle::Body, Tone::Second);
    label->setWordWrap(true);
    label->setAlignment(Qt::AlignCenter);
    m_column->addWidget(label, 1);
}

void DetailPanel::begin(const QString& title) {
    fresh();
    m_title = title;
    auto* label = new TextLabel(title, TextStyle::Heading);
    label->setWordWrap(true);
    m_column->addWidget(label);
}

void DetailPanel::fact(const QString& name, const QString& value, bool mono) {
    if (!m_facts) {
        m_facts = new QGridLayout;
        m_facts->setHorizontalSpacing(px(Size::GapL));
        m_facts->setVerticalSpacing(px(Size::Grid));
        m_facts->setColumnStretch(1, 1);
        m_column->addLayout(m_facts);
        m_row = 0;
    }
    auto* label = new TextLabel(name, TextStyle::Body, Tone::Second);
    label->setFixedHeight(lineHeight(TextStyle::Body)); // as high as the value beside it: one base line
    m_facts->addWidget(label, m_row, 0);
    auto* shown = new ElidedLabel(value, mono ? TextStyle::Mono : TextStyle::Body);
    m_facts->addWidget(shown, m_row++, 1);
}

void DetailPanel::text(const QString& caption, const QString& content, int lines) {
    m_facts = nullptr;
    m_column->addWidget(new TextLabel(caption, TextStyle::Caption, Tone::Second));
    auto* frame = new QFrame;
    setLook(frame, "sunken");
    auto* inside = new QVBoxLayout(frame);
    inside->setContentsMargins(0, px(Size::Grid), 0, px(Size::Grid));
    auto* pane = new TextPane;
    pane->setAccessibleName(caption);
    pane->setRaw(content);
    m_texts.append({pane, content.left(kMeasured), lines});
    fitTexts();
    inside->addWidget(pane);
    m_column->addWidget(frame);
}

void DetailPanel::fitTexts() {
    // Every text is given the lines it needs at this width, up to its limit.
    const QFontMetrics metrics(textFont(TextStyle::Reading));
    const int widest = metrics.averageCharWidth() * px(Size::ReadingChars);
    const int room = std::clamp(viewport()->width() - 4 * px(Size::GapL) - px(Size::GapS), px(Size::TileMin), widest);
    for (const Text& text : m_texts) {
        const QRect needed = metrics.boundingRect(QRect(0, 0, room, QWIDGETSIZE_MAX), Qt::TextWordWrap, text.content);
        const int lines = (needed.height() + metrics.lineSpacing() - 1) / metrics.lineSpacing();
        text.pane->setFixedHeight(std::clamp(lines, 1, text.lines) * lineHeight(TextStyle::Reading) + 2 * px(Size::Grid) + px(Size::Grid) / 2);
    }
}

void DetailPanel::resizeEvent(QResizeEvent* event) {
    QScrollArea::resizeEvent(event);
    fitTexts();
}

void DetailPanel::note(const QString& text, Tone tone) {
    m_facts = nullptr;
    auto* label = new TextLabel(text, TextStyle::Caption, tone);
    label->setWordWrap(true);
    m_column->addWidget(label);
}

void DetailPanel::widget(QWidget* widget) {
    m_facts = nullptr;
    m_column->addWidget(widget);
}

void DetailPanel::end(const QList<QPushButton*>& buttons) {
    if (!buttons.isEmpty()) {
        auto* row = new QHBoxLayout;
        setNoMargins(row, Size::GapS);
        for (QPushButton* button : buttons)
            row->addWidget(button);
        row->addStretch(1);
        m_column->addLayout(row);
    }
    m_column->addStretch(1);
}

} // namespace pl::ui
