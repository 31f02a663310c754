// SPDX-License-Identifier: GPL-3.0-or-later
// One answer at a time: each of the two is called good or bad alone, before the other is seen or after it is gone.
#include "ui/label/answer_tools.h"
#include "ui/label/label_page.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

bool LabelPage::oneAtATime() const {
    return m_context.task.view == "single" && !m_view->isImagePair();
}

void LabelPage::beginThumbs() {
    m_firstThumb.reset();
    m_firstActiveMs = m_firstPainted = 0;
    m_view->setAlone(oneAtATime() ? std::optional(Side::A) : std::nullopt);
}

QList<KeyHint> LabelPage::thumbHints() const {
    const auto hint = [this](KeyId id, const QString& words, int group) {
        return KeyHint{m_keys.text(id), words, group, 0, m_keys.key(id), words + u". Settings, Keys changes the key"_s};
    };
    return {hint(KeyId::BothGood, u"good"_s, 0),
            hint(KeyId::BothBad, u"bad"_s, 0),
            hint(KeyId::Undo, m_firstThumb ? u"the first again"_s : u"undo"_s, 1),
            hint(KeyId::Next, u"next"_s, 1),
            hint(KeyId::Skip, u"skip"_s, 1),
            hint(KeyId::Markdown, u"Markdown"_s, 2),
            hint(KeyId::Edit, u"edit"_s, 3),
            hint(KeyId::Spans, u"mark"_s, 3),
            hint(KeyId::Steps, u"steps"_s, 3)};
}

bool LabelPage::thumbKey(LabelAction action) {
    switch (action) {
    case LabelAction::Undo:
        if (!m_firstThumb)
            return false;
        beginThumbs();
        refreshStrip();
        m_context.say(State::Info, u"The first answer again"_s);
        return true;
    case LabelAction::MarkLeft:
    case LabelAction::MarkRight:
    case LabelAction::Diff:
    case LabelAction::Fold:
    case LabelAction::ImageLock:
        m_context.say(State::Info, u"One answer at a time: %1 is good, %2 is bad"_s.arg(m_keys.text(KeyId::BothGood), m_keys.text(KeyId::BothBad)));
        return true;
    default: return false;
    }
}

void LabelPage::thumb(const SideVote& vote) {
    const bool up = vote.tie == desk::TieKind::BothGood;
    if (!up && vote.tie != desk::TieKind::BothBad) {
        thumbKey(LabelAction::Diff); // says which keys there are
        return;
    }
    if (!m_firstThumb) {
        m_firstThumb = up;
        m_firstActiveMs = activeMs();
        m_firstPainted = m_paintedAt;
        m_paintedAt = 0; // the guard counts for this answer, too
        m_view->setAlone(Side::B);
        refreshStrip();
        m_context.say(State::Info, u"The first is %1; now the other one"_s.arg(up ? u"good"_s : u"bad"_s));
        return;
    }
    using Choice = SideVote::Choice;
    const bool first = *m_firstThumb;
    SideVote both;
    both.choice = first == up ? Choice::Tie : first ? Choice::Left : Choice::Right;
    both.tie = first != up ? desk::TieKind::None : up ? desk::TieKind::BothGood : desk::TieKind::BothBad;
    const bool aOnLeft = m_met[static_cast<size_t>(m_at)].item.presentation.aOnLeft;
    desk::JudgementInput input;
    static_cast<desk::Judgement&>(input) = judgementOf(both, aOnLeft, !first, !up);
    input.attributes = {{aOnLeft ? "a" : "b", {{"thumb", first ? 1 : 0}}}, {aOnLeft ? "b" : "a", {{"thumb", up ? 1 : 0}}}};
    submit(input, u"first %1, second %2"_s.arg(first ? u"good"_s : u"bad"_s, up ? u"good"_s : u"bad"_s), false, false);
}

} // namespace pl::ui
