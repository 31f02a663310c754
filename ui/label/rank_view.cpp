// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/rank_view.h"

#include <QEvent>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QTimer>
#include <QVBoxLayout>

#include "core/base/hash.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/image_paint.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

QString letterOf(int place) { return QChar(u'A' + place); }

RankCard::RankCard(ImageLoader* loader, QWidget* parent) : QFrame(parent), m_loader(loader) {
    auto* column = new QVBoxLayout(this);
    setGaps(column, Size::GapS, Size::Grid);
    auto* head = new QHBoxLayout;
    m_head = head;
    setNoMargins(head, Size::GapS);
    m_letter = new TextLabel({}, TextStyle::Strong);
    m_rank = new TextLabel({}, TextStyle::Caption, Tone::Second);
    head->addWidget(m_letter);
    head->addStretch(1);
    head->addWidget(m_rank);
    column->addLayout(head);
    m_pane = new TextPane;
    m_pane->setFocusPolicy(Qt::NoFocus);
    column->addWidget(m_pane, 1);
    m_canvas = new QWidget;
    m_canvas->setAttribute(Qt::WA_TransparentForMouseEvents);
    m_canvas->hide();
    column->addWidget(m_canvas, 1);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    connect(loader, &ImageLoader::loaded, this, [this](const QString& path) {
        if (path == m_path)
            update();
    });
}

void RankCard::setText(const QString& text) {
    m_path.clear();
    m_head->setContentsMargins(px(Size::GapL), 0, 0, 0); // above the text, which the pane insets
    m_canvas->hide();
    m_pane->setVisible(true);
    m_pane->setRaw(text);
    m_pane->verticalScrollBar()->setValue(0);
}

void RankCard::setImage(const QString& path) {
    m_path = path;
    m_head->setContentsMargins(0, 0, 0, 0);
    m_pane->hide();
    m_canvas->show();
    update();
}

void RankCard::setLetter(const QString& letter) {
    m_letter->setText(letter);
    setAccessibleName(u"Answer "_s + letter);
}

void RankCard::setRank(const QString& rank) {
    m_rankText = rank;
    m_rank->setText(rank);
    m_rank->setTone(rank.isEmpty() ? Tone::Second : Tone::Text);
    setAccessibleDescription(rank.isEmpty() ? u"not placed"_s : rank);
    update();
}

QString RankCard::problem() const {
    if (m_path.isEmpty())
        return {};
    const ImagePtr image = m_loader->cached(m_path, thumbSide(std::max(width(), height()) * devicePixelRatioF()));
    return image && !image->ok() ? image->problem : QString();
}

void RankCard::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.setRenderHint(QPainter::Antialiasing);
    const bool placed = !m_rankText.isEmpty();
    const double pen = placed ? 2 : 1;
    p.setPen(QPen(color(placed ? Tone::Text : Tone::Line), pen));
    p.setBrush(color(Tone::Surface));
    p.drawRoundedRect(QRectF(rect()).adjusted(pen / 2, pen / 2, -pen / 2, -pen / 2), px(Size::Radius), px(Size::Radius));
    if (m_path.isEmpty())
        return;
    p.setRenderHint(QPainter::Antialiasing, false);
    const QRect box = m_canvas->geometry();
    if (box.width() > 0 && box.height() > 0)
        paintPicture(p, box, m_loader->get(m_path, thumbSide(std::max(width(), height()) * devicePixelRatioF())));
}

RankView::RankView(QWidget* parent) : QWidget(parent), m_loader(new ImageLoader(this)) {
    m_grid = new QGridLayout(this);
    m_grid->setContentsMargins(0, 0, 0, 0);
    m_grid->setSpacing(px(Size::GapS));
}

void RankView::setAnswers(const QString& id, const std::vector<Answer>& answers) {
    m_id = id;
    const int n = static_cast<int>(answers.size()), columns = std::max(1, columnsFor(n));
    if (n != count()) {
        for (RankCard* card : std::exchange(m_cards, {}))
            delete card;
        for (int i = 0; i < columns || i < m_grid->columnCount(); ++i)
            m_grid->setColumnStretch(i, i < columns);
        for (int place = 0; place < n; ++place) {
            auto* card = new RankCard(m_loader, this);
            card->setLetter(letterOf(place));
            card->installEventFilter(this);
            card->pane()->viewport()->installEventFilter(this);
            m_grid->addWidget(card, place / columns, place % columns);
            m_cards.push_back(card);
        }
        const int rows = (n + columns - 1) / columns;
        for (int i = 0; i < rows || i < m_grid->rowCount(); ++i)
            m_grid->setRowStretch(i, i < rows);
    }
    for (int place = 0; place < n; ++place) {
        const Answer& answer = answers[static_cast<size_t>(place)];
        if (answer.image.isEmpty())
            card(place)->setText(answer.text);
        else
            card(place)->setImage(answer.image);
        card(place)->setRank({});
    }
    update();
}

void RankView::setRanks(const QStringList& ranks) {
    for (int place = 0; place < count(); ++place)
        card(place)->setRank(ranks.value(place));
}

QString RankView::unseen() const {
    QStringList letters;
    for (int place = 0; place < count(); ++place)
        if (!card(place)->problem().isEmpty())
            letters.append(letterOf(place));
    return letters.join(u", "_s);
}

void RankView::scrollPages(int pages) {
    for (RankCard* card : m_cards) {
        QScrollBar* bar = card->pane()->verticalScrollBar();
        bar->setValue(bar->value() + pages * bar->pageStep());
    }
}

bool RankView::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::Paint && !m_cards.empty() && watched == m_cards.back() && !m_id.isEmpty()) {
        // The last card of a set painted: what is typed from now on is about what is seen.
        QTimer::singleShot(0, this, [this, id = std::exchange(m_id, {})] { Q_EMIT painted(id, monotonicNs()); });
    }
    if (event->type() == QEvent::MouseButtonRelease && static_cast<QMouseEvent*>(event)->button() == Qt::LeftButton)
        for (int place = 0; place < count(); ++place)
            if (watched == card(place) || watched == card(place)->pane()->viewport())
                Q_EMIT clicked(place);
    return QWidget::eventFilter(watched, event);
}

} // namespace pl::ui
