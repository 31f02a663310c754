// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/draft_bar.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLineEdit>

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kMostText = 4000;
}

DraftBar::DraftBar(QWidget* parent) : QFrame(parent) {
    setLook(this, "sunken");
    setFixedHeight(px(Size::Strip));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(px(Size::GapM), px(Size::Grid), px(Size::GapM), px(Size::Grid));
    row->setSpacing(px(Size::GapM));
    m_vote = new TextLabel({}, TextStyle::Body);
    m_question = new ElidedLabel({}, TextStyle::Body, Tone::Second);
    m_summary = new TextLabel({}, TextStyle::MonoCaption, Tone::Second);
    m_field = new QLineEdit;
    m_field->setMaxLength(kMostText);
    m_field->setAccessibleName(u"Rationale"_s);
    m_field->setPlaceholderText(u"In a sentence or two: why? Enter gives the vote, Esc goes back to the keys"_s);
    m_field->installEventFilter(this);
    m_field->hide();
    row->addWidget(m_vote);
    row->addWidget(m_question, 1);
    row->addWidget(m_field, 3);
    row->addWidget(m_summary);
    connect(m_field, &QLineEdit::textEdited, this, &DraftBar::edited);
}

void DraftBar::show(const VoteForm& form, const VoteDraft* draft) {
    if (!draft) {
        m_field->hide();
        m_vote->clear();
        m_summary->clear();
        const auto parts = std::count_if(form.parts.begin(), form.parts.end(), [](const DraftPart& p) { return p.required; });
        m_question->setText(parts == 0 ? u"A vote is given with Enter"_s
                                       : u"A vote asks for %1 after it"_s.arg(parts == 1 ? u"one thing"_s : u"%1 things"_s.arg(parts)));
        m_question->show();
        return;
    }
    m_vote->setText(voteWords(draft->vote()));
    m_question->setText(draft->question());
    m_question->setVisible(!isWriting());
    m_summary->setText(draft->summary());
}

void DraftBar::write(const QString& text) {
    m_field->setText(text);
    m_question->hide();
    m_field->show();
    m_field->setFocus();
}

void DraftBar::leave(bool finish) {
    m_field->hide();
    m_question->show();
    Q_EMIT left(finish);
}

bool DraftBar::isWriting() const {
    return m_field->isVisibleTo(this);
}

bool DraftBar::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_field && event->type() == QEvent::KeyPress) {
        const int key = static_cast<QKeyEvent*>(event)->key();
        if (key == Qt::Key_Escape || key == Qt::Key_Return || key == Qt::Key_Enter) {
            leave(key != Qt::Key_Escape);
            return true;
        }
    }
    return QFrame::eventFilter(watched, event);
}

} // namespace pl::ui
