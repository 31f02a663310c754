// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/panels.h"

#include <cmath>

#include <QGridLayout>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/text_pane.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kSheetRows = 19; ///< of keys in one column
} // namespace

// --- key sheet -------------------------------------------------------------------------------------------------------

KeySheet::KeySheet(QWidget* parent) : QFrame(parent) {
    setLook(this, "palette");
    setAttribute(Qt::WA_StyledBackground);
    auto* column = new QVBoxLayout(this);
    setGaps(column, Size::GapXl, Size::GapM);
    column->addWidget(new TextLabel(u"Keys"_s, TextStyle::Heading));
    m_grid = new QGridLayout;
    m_grid->setHorizontalSpacing(px(Size::GapXl));
    m_grid->setVerticalSpacing(px(Size::GapS));
    column->addLayout(m_grid);
    column->addWidget(new TextLabel(u"Any key closes this"_s, TextStyle::Caption, Tone::Second));
    hide();
}
void KeySheet::setKeys(const KeyMap& keys, desk::Scale scale, bool images, bool alone) {
    setRows(allLabelKeys(keys, scale, images, alone));
}
void KeySheet::setRows(const QList<std::pair<QString, QString>>& rows) {
    while (QLayoutItem* item = m_grid->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    const auto count = static_cast<int>(rows.size());
    // More than a small window is high stand in two columns.
    const int each = count > kSheetRows ? (count + 1) / 2 : count;
    m_grid->setColumnMinimumWidth(2, count > each ? px(Size::GapL) : 0);
    for (int i = 0; i < count; ++i) {
        const auto& [key, what] = rows[i];
        m_grid->addWidget(new TextLabel(key, TextStyle::Mono), i % each, 3 * (i / each));
        m_grid->addWidget(new TextLabel(what), i % each, 3 * (i / each) + 1);
    }
}
void KeySheet::open() {
    adjustSize();
    const QSize room = parentWidget()->size();
    move((room.width() - width()) / 2, std::max(0, (room.height() - height()) / 2));
    show();
    raise();
}

// --- guideline -------------------------------------------------------------------------------------------------------

GuidelinePanel::GuidelinePanel(QWidget* parent) : QFrame(parent) {
    setLook(this, "card");
    setAttribute(Qt::WA_StyledBackground);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, px(Size::GapM), 0, px(Size::GapS));
    column->setSpacing(px(Size::GapS));
    auto* head = new QHBoxLayout;
    head->setContentsMargins(px(Size::GapL), 0, px(Size::GapL), 0);
    m_title = new TextLabel(u"Guideline"_s, TextStyle::Strong);
    head->addWidget(m_title, 1);
    m_key = new TextLabel({}, TextStyle::MonoCaption, Tone::Hint);
    head->addWidget(m_key);
    column->addLayout(head);
    m_text = new TextPane;
    m_text->setAccessibleName(u"Guideline"_s);
    m_text->setFocusPolicy(Qt::ClickFocus);
    column->addWidget(m_text, 1);
}
void GuidelinePanel::setGuideline(int version, const QString& text) {
    m_title->setText(u"Guideline v%1"_s.arg(version));
    m_text->setRaw(text.trimmed().isEmpty() ? u"Nothing is written yet. Settings, Task is where it is edited."_s : text);
}
void GuidelinePanel::setKey(const QString& key) {
    m_key->setText(key);
}

// --- states ----------------------------------------------------------------------------------------------------------

namespace {

/// A column in the middle of the page, at a readable width.
QVBoxLayout* middle(QWidget* page, int width) {
    auto* row = new QHBoxLayout(page);
    row->addStretch(1);
    auto* holder = new QWidget;
    holder->setMaximumWidth(width);
    row->addWidget(holder, 100);
    row->addStretch(1);
    auto* column = new QVBoxLayout(holder);
    setGaps(column, Size::GapXl, Size::GapL);
    column->addStretch(1);
    return column;
}

TextLabel* wrapped(const QString& text, TextStyle style = TextStyle::Body, Tone tone = Tone::Second) {
    auto* label = new TextLabel(text, style, tone);
    label->setWordWrap(true);
    return label;
}

void setRate(Tile* tile, const desk::Rate& rate, const QString& judge) {
    Estimate e;
    e.n = rate.n;
    e.judge = judge;
    e.percent = true;
    if (rate.n > 0) {
        const auto interval = rate.interval();
        e.value = *rate.value();
        e.low = interval.low;
        e.high = interval.high;
    }
    tile->setEstimate(e);
}

} // namespace

LabelStates::LabelStates(QWidget* parent) : QStackedWidget(parent) {
    m_loading = new QWidget;
    addWidget(m_loading);

    m_empty = new QWidget;
    auto* empty = middle(m_empty, 620);
    empty->addWidget(new TextLabel(u"No pairs yet"_s, TextStyle::Title));
    m_emptyText = wrapped({});
    empty->addWidget(m_emptyText);
    auto* buttons = new QHBoxLayout;
    setNoMargins(buttons, Size::GapS);
    m_write = new FilledButton(QString());
    auto* import = new QuietButton(u"Import a file"_s);
    auto* folder = new QuietButton(u"Drop a folder"_s);
    folder->setToolTip(u"Drop a model folder on the window, or choose it here"_s);
    buttons->addWidget(m_write);
    buttons->addWidget(import);
    buttons->addWidget(folder);
    buttons->addStretch(1);
    empty->addLayout(buttons);
    m_message = new InlineMessage;
    empty->addWidget(m_message);
    empty->addStretch(2);
    addWidget(m_empty);
    connect(m_write, &QPushButton::clicked, this, &LabelStates::writeRequested);
    connect(import, &QPushButton::clicked, this, &LabelStates::importRequested);
    connect(folder, &QPushButton::clicked, this, &LabelStates::folderRequested);

    m_dry = new QWidget;
    auto* dry = middle(m_dry, 620);
    dry->addWidget(new TextLabel(u"You are ahead of the model"_s, TextStyle::Title));
    m_dryText = wrapped({});
    dry->addWidget(m_dryText);
    m_dryBar = new ProgressLine;
    m_dryBar->setValue(std::nan(""));
    dry->addWidget(m_dryBar);
    auto* dryButtons = new QHBoxLayout;
    setNoMargins(dryButtons, Size::GapS);
    auto* repeat = new QuietButton(u"Label repeats meanwhile"_s);
    dryButtons->addWidget(repeat);
    dryButtons->addWidget(new TextLabel(u"Pairs you judged before, sides drawn anew: they measure how steady you are."_s,
                                        TextStyle::Caption, Tone::Second));
    dryButtons->addStretch(1);
    dry->addLayout(dryButtons);
    dry->addStretch(2);
    addWidget(m_dry);
    connect(repeat, &QPushButton::clicked, this, &LabelStates::repeatRequested);

    m_done = new QWidget;
    auto* done = middle(m_done, 860);
    done->addWidget(new TextLabel(u"Every pair on offer has your vote"_s, TextStyle::Title));
    auto* tiles = new QHBoxLayout;
    setNoMargins(tiles, Size::GapM);
    m_votes = new Tile(u"Votes in this sitting"_s);
    m_seconds = new Tile(u"Median time a vote"_s);
    m_consistency = new Tile(u"Self-consistency"_s);
    m_left = new Tile(u"Left side chosen"_s);
    for (Tile* tile : {m_votes, m_seconds, m_consistency, m_left})
        tiles->addWidget(tile, 1);
    done->addLayout(tiles);
    m_doneText = wrapped({}, TextStyle::Caption);
    done->addWidget(m_doneText);
    auto* doneButtons = new QHBoxLayout;
    setNoMargins(doneButtons, Size::GapS);
    m_train = new FilledButton(u"Train on these votes"_s);
    m_more = new QuietButton(QString());
    auto* again = new LinkButton(u"Label repeats"_s);
    doneButtons->addWidget(m_train);
    doneButtons->addWidget(m_more);
    doneButtons->addWidget(again);
    doneButtons->addStretch(1);
    done->addLayout(doneButtons);
    auto* sealedRow = new QHBoxLayout;
    setNoMargins(sealedRow, Size::GapS);
    m_sealed = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_test = new LinkButton(u"Judge them"_s);
    sealedRow->addWidget(m_sealed);
    sealedRow->addWidget(m_test);
    sealedRow->addStretch(1);
    done->addLayout(sealedRow);
    done->addStretch(2);
    addWidget(m_done);
    connect(m_train, &QPushButton::clicked, this, &LabelStates::trainRequested);
    connect(m_more, &QPushButton::clicked, this, &LabelStates::generateRequested);
    connect(again, &QPushButton::clicked, this, &LabelStates::repeatRequested);
    connect(m_test, &QPushButton::clicked, this, &LabelStates::testRequested);
    setImages(false);
}

void LabelStates::setImages(bool images) {
    m_images = images;
    m_emptyText->setText(images ? u"A pair is one prompt with two images. Let the model draw some, or bring your own."_s
                                : u"A pair is one prompt with two answers. Let the model write some, or bring your own."_s);
    m_write->setText(images ? u"Draw 50 with the starter"_s : u"Write 50 from the starter"_s);
    m_doneText->setText(u"Left chosen far from 50 % means the side, not the %1, decides. Self-consistency counts hidden repeats with "
                        u"the same verdict."_s.arg(images ? u"image"_s : u"answer"_s));
    m_more->setText(images ? u"Draw more pairs"_s : u"Write more pairs"_s);
}

void LabelStates::setAnnotator() {
    m_train->setText(u"Give the package back"_s);
    m_more->hide();
}

void LabelStates::showLoading() {
    setCurrentWidget(m_loading);
}
void LabelStates::showEmpty() {
    setCurrentWidget(m_empty);
}
void LabelStates::showDry(double etaSeconds) {
    const QString made = m_images ? u"drawn"_s : u"written"_s;
    m_dryText->setText(etaSeconds >= 0 ? u"More pairs are being %1: about %2 left."_s.arg(made, formatDuration(etaSeconds))
                                       : u"More pairs are being %1. They appear here by themselves."_s.arg(made));
    setCurrentWidget(m_dry);
}
void LabelStates::showDone(const SessionFigures& figures) {
    m_votes->setFact(formatCount(figures.votes), figures.votes == 1 ? u"vote"_s : u"votes"_s);
    if (figures.medianSeconds > 0)
        m_seconds->setFact(u"%1 s"_s.arg(formatNumber(figures.medianSeconds, 2)), u"n = %1"_s.arg(figures.votes));
    else
        m_seconds->setFact(u"–"_s, u"no votes in this sitting"_s);
    setRate(m_left, figures.left, u"this sitting"_s);
    setRate(m_consistency, figures.selfConsistency, u"hidden repeats"_s);
    m_sealed->setText(u"%1 of test prompts not on offer: votes on them stay out of datasets, and opening is counted."_s.arg(
        figures.testPairs == 1 ? u"1 pair"_s : u"%1 pairs"_s.arg(formatCount(figures.testPairs))));
    m_sealed->setVisible(figures.testPairs > 0);
    m_test->setVisible(figures.testPairs > 0);
    setCurrentWidget(m_done);
}
void LabelStates::setBusy(const QString& text) {
    m_write->setEnabled(text.isEmpty());
    if (text.isEmpty())
        m_message->clear();
    else
        m_message->setMessage(State::Running, text);
}
void LabelStates::setProblem(const QString& text) {
    m_write->setEnabled(true);
    m_message->setMessage(State::Failed, text);
}

} // namespace pl::ui
