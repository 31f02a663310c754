// SPDX-License-Identifier: GPL-3.0-or-later
// The label page and sets of three or more answers: a page of its own in its place.
#include <utility>

#include <QBoxLayout>
#include <QStackedWidget>

#include "ui/label/answer_tools.h"
#include "ui/label/label_page.h"
#include "ui/label/rank_page.h"
#include "ui/label/region_tools.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr QStringView kSets = u"sets";
}

void LabelPage::showSets() {
    if (!m_rank) {
        m_rank = new RankPage(m_context);
        layout()->addWidget(m_rank);
        connect(m_rank, &RankPage::left, this, &LabelPage::showPairs);
    }
    m_tools->leave();
    m_regions->leave();
    m_stack->hide();
    m_rank->show();
    setFocusProxy(m_rank); // whoever gives the page the focus means what is seen
    m_rank->activate();
    rewordUndo(true);
}

void LabelPage::rewordUndo(bool onSets) {
    const QString here = u": %1 undoes"_s.arg(m_keys.text(KeyId::Undo)), there = u": Esc, then %1 undoes"_s.arg(m_keys.text(KeyId::Undo));
    const QString &from = onSets ? here : there, &to = onSets ? there : here;
    if (m_said.endsWith(from))
        m_context.say(State::Done, m_said.chopped(from.size()) + to);
}

void LabelPage::showPairs() {
    if (!m_rank || m_rank->isHidden())
        return;
    m_rank->hide();
    setFocusProxy(nullptr);
    m_stack->show();
    activated();
    rewordUndo(false);
    m_offerSets = false; // just left
}

void LabelPage::lookForSets() {
    if (!std::exchange(m_listens, true))
        connect(&m_context.signals, &Signals::message, this, [this](State, const QString& text) { m_said = text; });
    m_context.ask(
        this, [o = options(0)](desk::Project& p) { return desk::remainingRankings(p, o); },
        [this](Result<int64_t> open) {
            m_openSets = open.value_or(0);
            m_setsLink->setText(m_openSets == 1 ? u"1 set to rank"_s : u"%1 sets to rank"_s.arg(m_openSets));
            m_setsLink->setToolTip(u"Prompts with three answers or more, put into an order by typing letters (%1, or Ctrl+K, “rank sets”)"_s.arg(m_keys.text(KeyId::RankSets)).toHtmlEscaped());
            m_setsLink->setVisible(m_openSets > 0);
            const bool nothingElse = m_mode == Mode::Empty || m_mode == Mode::Done;
            if (m_openSets > 0 && nothingElse && isVisible() && std::exchange(m_offerSets, false))
                showSets();
        });
}

void LabelPage::openArgument(const QString& argument) {
    if (argument == kSets)
        showSets();
}

QList<SearchItem> LabelPage::searchItems() const {
    SearchItem item;
    item.id = kSets.toString();
    item.title = u"Rank sets of three answers or more"_s;
    item.icon = u"label"_s;
    return {item};
}

} // namespace pl::ui
