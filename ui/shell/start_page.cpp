// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/start_page.h"

#include <cmath>

#include <QFileInfo>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/icon_label.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kColumn = 860, kPicture = 28;

Card* choice(const QString& icon, const QString& title, const QString& what, QPushButton* button, QPushButton* second = nullptr) {
    auto* card = new Card;
    auto* picture = new IconLabel(icon, Tone::Text, kPicture);
    picture->setObjectName(u"start_icon"_s);
    card->body()->addWidget(picture);
    card->body()->addWidget(new TextLabel(title, TextStyle::Heading));
    auto* text = new TextLabel(what, TextStyle::Body, Tone::Second);
    text->setWordWrap(true);
    text->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    text->setMinimumHeight(4 * lineHeight(TextStyle::Body));
    card->body()->addWidget(text, 1);
    card->body()->addWidget(button);
    if (second)
        card->body()->addWidget(second);
    else
        card->body()->addSpacing(px(Size::Control) + card->body()->spacing());
    return card;
}
} // namespace

StartPage::StartPage() {
    auto* outer = new QHBoxLayout(this);
    outer->addStretch(1);
    auto* middle = new QWidget;
    middle->setMaximumWidth(kColumn);
    outer->addWidget(middle, 100);
    outer->addStretch(1);
    auto* column = new QVBoxLayout(middle);
    setGaps(column, Size::GapXl, Size::GapL);
    column->addStretch(2);
    column->addWidget(new TextLabel(u"PairLab"_s, TextStyle::Title));
    auto* sentence = new TextLabel(u"Say which of two answers is better, train on what you said, and watch it happen. "
                                   u"Everything stays on this computer."_s,
                                   TextStyle::Body, Tone::Second);
    sentence->setWordWrap(true);
    column->addWidget(sentence);
    m_banner = new Banner;
    m_banner->setClosable(true);
    m_banner->hide();
    column->addWidget(m_banner);

    m_choices = new QWidget;
    auto* row = new QHBoxLayout(m_choices);
    setNoMargins(row, Size::GapL);
    auto* starter = new FilledButton(u"Start with texts"_s);
    auto* images = new QuietButton(u"Start with images"_s);
    auto* file = new QuietButton(u"Choose a file"_s);
    auto* model = new QuietButton(u"Choose a folder"_s);
    starter->setObjectName(u"start_starter"_s);
    images->setObjectName(u"start_images"_s);
    file->setObjectName(u"start_file"_s);
    model->setObjectName(u"start_model"_s);
    connect(starter, &QPushButton::clicked, this, [this] { Q_EMIT starterRequested(false); });
    connect(images, &QPushButton::clicked, this, [this] { Q_EMIT starterRequested(true); });
    connect(file, &QPushButton::clicked, this, &StartPage::fileRequested);
    connect(model, &QPushButton::clicked, this, &StartPage::modelRequested);
    row->addWidget(choice(u"play"_s, u"Starter project"_s,
                          u"A small language model and pairs of its answers, or a small generator of images. The whole "
                          u"loop takes minutes on any computer."_s,
                          starter, images),
                   1);
    row->addWidget(choice(u"file"_s, u"My file"_s,
                          u"Prompts or preference pairs: plain text, JSON Lines, TRL or HH. You see what is in it "
                          u"before anything is imported."_s,
                          file),
                   1);
    row->addWidget(choice(u"models"_s, u"My model"_s,
                          u"A Hugging Face folder with config.json, safetensors and tokenizer.json. It writes the "
                          u"pairs you judge."_s,
                          model),
                   1);
    column->addWidget(m_choices);

    m_busy = new QWidget;
    auto* busy = new QVBoxLayout(m_busy);
    setNoMargins(busy, Size::GapS);
    m_busyText = new TextLabel;
    m_progress = new ProgressLine;
    m_progress->setValue(std::nan(""));
    busy->addWidget(m_busyText);
    busy->addWidget(m_progress);
    m_busy->hide();
    column->addWidget(m_busy);

    m_recentBox = new QWidget;
    auto* recent = new QVBoxLayout(m_recentBox);
    setNoMargins(recent, Size::Grid);
    recent->addWidget(new TextLabel(u"Opened before"_s, TextStyle::Caption, Tone::Second));
    m_recent = new QVBoxLayout;
    setNoMargins(m_recent, Size::Grid);
    recent->addLayout(m_recent);
    column->addWidget(m_recentBox);
    m_recentBox->hide();
    auto* open = new LinkButton(u"Open an existing project"_s);
    connect(open, &QPushButton::clicked, this, &StartPage::openRequested);
    column->addWidget(open, 0, Qt::AlignLeft);
    column->addStretch(3);
}

void StartPage::setRecent(const QStringList& dirs) {
    while (QLayoutItem* item = m_recent->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    for (const QString& dir : dirs) {
        const QFileInfo info(dir);
        auto* line = new QWidget;
        auto* row = new QHBoxLayout(line);
        setNoMargins(row, Size::GapS);
        auto* name = new LinkButton(QString(info.fileName()).replace(u'&', u"&&"_s));
        connect(name, &QPushButton::clicked, this, [this, dir] { Q_EMIT recentRequested(dir); });
        row->addWidget(name);
        auto* path = new ElidedLabel(dir, TextStyle::Caption, Tone::Second);
        path->setElideMode(Qt::ElideMiddle);
        row->addWidget(path, 1);
        m_recent->addWidget(line);
    }
    m_recentBox->setVisible(!dirs.isEmpty());
}

void StartPage::setBusy(const QString& sentence) {
    m_choices->setEnabled(sentence.isEmpty());
    m_recentBox->setEnabled(sentence.isEmpty());
    m_busy->setVisible(!sentence.isEmpty());
    m_busyText->setText(sentence);
    if (!sentence.isEmpty())
        m_banner->hide();
}

void StartPage::setProblem(const QString& text) {
    if (text.isEmpty())
        m_banner->hide();
    else
        m_banner->show(State::Failed, text);
}

} // namespace pl::ui
