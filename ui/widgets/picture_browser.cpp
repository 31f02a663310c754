// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/picture_browser.h"

#include <QSplitter>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/image_view.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

PictureBrowser::PictureBrowser(ImageLoader* loader, Qt::Orientation orientation, QWidget* parent) : QWidget(parent) {
    auto* outer = new QVBoxLayout(this);
    setNoMargins(outer, Size::GapS);
    m_splitter = makeSplitter(orientation);
    m_grid = new PictureGrid(loader);
    m_splitter->addWidget(m_grid);
    m_card = new QFrame;
    setLook(m_card, "card");
    auto* column = new QVBoxLayout(m_card);
    setGaps(column, Size::GapM, Size::GapS);
    auto* head = new QHBoxLayout;
    setNoMargins(head, Size::GapS);
    m_title = new ElidedLabel({}, TextStyle::Strong);
    m_title->setElideMode(Qt::ElideMiddle);
    head->addWidget(m_title, 1);
    auto* closeButton = new IconButton(u"close"_s, u"Close the pair (Esc)"_s);
    head->addWidget(closeButton);
    column->addLayout(head);
    m_view = new ImageView(loader);
    column->addWidget(m_view, 1);
    m_none = new TextLabel({}, TextStyle::Body, Tone::Second);
    m_none->setWordWrap(true);
    column->addWidget(m_none, 1, Qt::AlignTop);
    m_card->hide();
    m_splitter->addWidget(m_card);
    m_splitter->setStretchFactor(0, 3);
    m_splitter->setStretchFactor(1, 2);
    outer->addWidget(m_splitter, 1);
    m_grid->setKeyTarget(m_view);
    connect(m_grid, &PictureGrid::opened, this, [this] { openPair(); });
    connect(m_grid, &PictureGrid::closed, this, [this] { closePair(); });
    connect(m_grid, &PictureGrid::currentChanged, this, [this] { refresh(); });
    connect(closeButton, &QPushButton::clicked, this, [this] {
        closePair();
        m_grid->setFocus();
    });
}

void PictureBrowser::setPairs(std::function<std::optional<PicturePair>(int, int)> pairs, const QString& why) {
    m_pairs = std::move(pairs);
    m_why = why;
    refresh();
}

void PictureBrowser::refresh() {
    if (isPairOpen())
        showPair();
    m_grid->refresh();
}

bool PictureBrowser::isPairOpen() const {
    return !m_card->isHidden();
}

QString PictureBrowser::pairTitle() const {
    return isPairOpen() ? m_title->text() : QString();
}

void PictureBrowser::openPair() {
    const bool was = isPairOpen();
    m_card->show();
    refresh();
    if (!was) {
        Q_EMIT openChanged(true);
        m_grid->setCurrent(m_grid->currentRow(), m_grid->currentColumn()); // seen in what is left of the grid
    }
}

void PictureBrowser::closePair() {
    if (!isPairOpen())
        return;
    m_card->hide();
    m_view->clear();
    m_grid->refresh();
    Q_EMIT openChanged(false);
}

void PictureBrowser::showPair() {
    const auto pair = m_pairs ? m_pairs(m_grid->currentRow(), m_grid->currentColumn()) : std::nullopt;
    m_view->setVisible(pair.has_value());
    m_none->setVisible(!pair);
    if (!pair) {
        m_title->setText(u"No pair"_s);
        m_none->setText(m_why);
        m_view->clear();
        return;
    }
    m_title->setText(pair->title);
    m_view->setTags(pair->tagA.isEmpty() ? u"A"_s : pair->tagA, pair->tagB.isEmpty() ? u"B"_s : pair->tagB);
    if (m_view->pairId() != pair->id)
        m_view->setPair(pair->id, pair->pathA, pair->pathB);
}

} // namespace pl::ui
