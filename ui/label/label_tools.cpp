// SPDX-License-Identifier: GPL-3.0-or-later
// The label page and what is done inside an answer: editing, marking; and how a pair of texts is looked at.
#include <utility>

#include "core/desk/store/edits.h"
#include "ui/label/answer_tools.h"
#include "ui/label/label_page.h"
#include "ui/widgets/image_view.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

void LabelPage::buildTools() {
    m_tools = new AnswerTools(m_view, this);
    connect(m_tools, &AnswerTools::changed, this, [this] {
        // Writing a better answer is no part of the time that the vote takes.
        const bool edits = m_tools->tool() == AnswerTools::Tool::Edit;
        if (std::exchange(m_editing, edits) != edits) {
            if (edits)
                m_activeNs += steadyNow() - m_resumedAt;
            else
                m_resumedAt = steadyNow();
        }
        refreshStrip();
    });
    connect(m_tools, &AnswerTools::left, this, [this] { setFocus(); });
    connect(m_tools, &AnswerTools::said, this, [this](State state, const QString& words) { m_context.say(state, words); });
    connect(m_tools, &AnswerTools::edited, this, &LabelPage::saveEdit);
}

bool LabelPage::toolAction(LabelAction action) {
    using Tool = AnswerTools::Tool;
    const auto say = [this](const QString& words) { m_context.say(State::Info, words); };
    switch (action) {
    case LabelAction::Edit: {
        std::optional<Side> chosen;
        using Choice = SideVote::Choice;
        if (m_draft && m_draft->vote().choice != Choice::Tie)
            chosen = m_draft->vote().choice == Choice::Left ? Side::A : Side::B;
        m_tools->start(Tool::Edit, m_view->alone() ? m_view->alone() : chosen);
        return true;
    }
    case LabelAction::Spans: m_tools->start(Tool::Spans, m_view->alone()); return true;
    case LabelAction::Steps: m_tools->start(Tool::Steps, m_view->alone()); return true;
    case LabelAction::Fold:
        m_view->setFolded(!m_view->isFolded());
        say(!m_view->isFolded()       ? u"Both answers whole"_s
            : m_view->foldable() == 0 ? u"What answers have in common at their beginning is folded; these two begin differently"_s
                                      : u"What both answers begin with is folded"_s);
        return true;
    case LabelAction::Turns:
        if (m_view->earlierTurns() == 0)
            say(u"This prompt has no earlier turns"_s);
        m_view->toggleTurns();
        return true;
    case LabelAction::ImageLock:
        m_view->setSynced(!m_view->isSynced());
        say(m_view->isSynced() ? u"The answers scroll to where they say the same"_s : u"Each answer scrolls by itself"_s);
        return true;
    default: return false;
    }
}

void LabelPage::saveEdit(Side side, const QString& text) {
    const Met& met = m_met[static_cast<size_t>(m_at)];
    desk::EditInput input;
    input.task = m_context.task.id;
    input.annotator = m_context.annotator;
    input.session = m_context.session;
    input.comparison = met.item.comparison.id;
    input.ofA = (side == Side::A) == met.item.presentation.aOnLeft;
    input.text = sstr(text);
    const bool posted = m_context.ask(
        this, [input](desk::Project& p) { return desk::commitEdit(p, input); },
        [this, side, text, comparison = input.comparison, shown = m_tools->shown(), ofA = input.ofA](Result<desk::EditAck> ack) {
            if (!ack) {
                // Nothing is lost: the editor keeps what was written.
                m_tools->editFailed();
                m_context.say(State::Failed, u"The edit was not saved. %1"_s.arg(errorText(ack.error())));
                if (ack.error().code != Code::InvalidInput)
                    failWith(u"The edit was not saved. %1"_s.arg(errorText(ack.error())), [this, side, text, comparison] {
                        if (currentComparison() == comparison)
                            saveEdit(side, text);
                    });
                return;
            }
            m_tools->editSaved(shown, ofA);
            m_context.say(State::Done, u"Your version of %1 is a new answer, better than %1: %2 undoes"_s.arg(
                                           side == Side::A ? u"A"_s : u"B"_s, m_keys.text(KeyId::Undo)));
            Q_EMIT editSaved(ack->ack.comparison);
        });
    if (!posted)
        m_tools->editFailed();
}

bool LabelPage::movedEdit(const desk::LabelItem& item, bool redo) {
    if (item.comparison.source != desk::kEditSource)
        return false;
    m_context.say(redo ? State::Done : State::Info, redo ? u"The edited answer is there again"_s
                                                         : u"The edited answer is taken back. Ctrl+Shift+Z does it again"_s);
    // The pair on which it was made, where this sitting met it.
    const desk::Id original = item.a.parent == item.b.id ? item.b.id : item.b.parent == item.a.id ? item.a.id : 0;
    for (size_t i = m_met.size(); original && i-- > 0;) {
        const desk::LabelItem& met = m_met[i].item;
        if (met.a.id != original && met.b.id != original)
            continue;
        if (m_mode != Mode::Pair || m_at != static_cast<int>(i))
            showMet(static_cast<int>(i));
        break;
    }
    return true;
}

} // namespace pl::ui
