// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/keys.h"

#include <array>

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Scale;
using desk::TieKind;
using desk::Winner;
using Choice = SideVote::Choice;

namespace {

SideVote side(Choice choice, std::optional<int> strength = {}) {
    return {choice, strength, TieKind::None};
}
SideVote tie(TieKind kind) {
    return {Choice::Tie, {}, kind};
}

std::optional<SideVote> scaleVote(Scale scale, int key) {
    if (key == Qt::Key_Space)
        return tie(TieKind::Unspecified);
    if (scale == Scale::Simple) {
        if (key == Qt::Key_Left)
            return side(Choice::Left);
        if (key == Qt::Key_Right)
            return side(Choice::Right);
        return {};
    }
    switch (key) {
    case Qt::Key_S:
    case Qt::Key_1: return side(Choice::Left, 3);
    case Qt::Key_D:
    case Qt::Key_2: return side(Choice::Left, 2);
    case Qt::Key_F:
    case Qt::Key_3: return side(Choice::Left, 1);
    case Qt::Key_4: return tie(TieKind::Unspecified);
    case Qt::Key_J:
    case Qt::Key_5: return side(Choice::Right, 1);
    case Qt::Key_K:
    case Qt::Key_6: return side(Choice::Right, 2);
    case Qt::Key_L:
    case Qt::Key_7: return side(Choice::Right, 3);
    default: return {};
    }
}

} // namespace

std::optional<LabelKey> labelKey(Scale scale, int key, Qt::KeyboardModifiers modifiers) {
    const Qt::KeyboardModifiers held = modifiers & ~Qt::KeypadModifier;
    if (held == Qt::ControlModifier && key == Qt::Key_Z)
        return LabelKey{LabelAction::Undo, {}};
    if (held == (Qt::ControlModifier | Qt::ShiftModifier) && key == Qt::Key_Z)
        return LabelKey{LabelAction::Redo, {}};
    if (key == Qt::Key_Question && (held & ~Qt::ShiftModifier) == Qt::NoModifier)
        return LabelKey{LabelAction::KeySheet, {}};
    if (held != Qt::NoModifier)
        return {};
    if (const auto vote = scaleVote(scale, key))
        return LabelKey{LabelAction::Vote, *vote};
    switch (key) {
    case Qt::Key_H: return LabelKey{LabelAction::Vote, tie(TieKind::BothGood)};
    case Qt::Key_N: return LabelKey{LabelAction::Vote, tie(TieKind::BothBad)};
    case Qt::Key_I: return LabelKey{LabelAction::Vote, tie(TieKind::Identical)};
    case Qt::Key_Q: return LabelKey{LabelAction::MarkLeft, {}};
    case Qt::Key_P: return LabelKey{LabelAction::MarkRight, {}};
    case Qt::Key_BracketRight: return LabelKey{LabelAction::Next, {}};
    case Qt::Key_BracketLeft: return LabelKey{LabelAction::Previous, {}};
    case Qt::Key_U: return LabelKey{LabelAction::Undo, {}};
    case Qt::Key_X: return LabelKey{LabelAction::Skip, {}};
    case Qt::Key_G: return LabelKey{LabelAction::Flag, {}};
    case Qt::Key_M: return LabelKey{LabelAction::Markdown, {}};
    case Qt::Key_W: return LabelKey{LabelAction::Diff, {}};
    case Qt::Key_F4: return LabelKey{LabelAction::Guideline, {}};
    default: return {};
    }
}

desk::Judgement judgementOf(const SideVote& vote, bool aOnLeft, bool leftBad, bool rightBad) {
    desk::Judgement j;
    j.kind = desk::EventKind::Vote;
    j.winner = vote.choice == Choice::Tie                 ? Winner::Tie
               : (vote.choice == Choice::Left) == aOnLeft ? Winner::A
                                                          : Winner::B;
    j.tieKind = vote.choice == Choice::Tie ? vote.tie : TieKind::None;
    j.strength = vote.strength;
    const bool both = vote.choice == Choice::Tie && vote.tie == TieKind::BothBad;
    j.badA = both || (aOnLeft ? leftBad : rightBad);
    j.badB = both || (aOnLeft ? rightBad : leftBad);
    return j;
}

SideVote sideVoteOf(const desk::Judgement& judgement, bool aOnLeft) {
    if (judgement.winner == Winner::Tie)
        return tie(judgement.tieKind);
    return side((judgement.winner == Winner::A) == aOnLeft ? Choice::Left : Choice::Right, judgement.strength);
}

QString voteWords(const SideVote& vote) {
    if (vote.choice == Choice::Tie)
        return vote.tie == TieKind::BothGood    ? u"both good"_s
               : vote.tie == TieKind::BothBad   ? u"both bad"_s
               : vote.tie == TieKind::Identical ? u"identical"_s
                                                : u"tie"_s;
    const QString who = vote.choice == Choice::Left ? u"A"_s : u"B"_s;
    if (!vote.strength)
        return who + u" better"_s;
    return who + (*vote.strength == 3   ? u" much better"_s
                  : *vote.strength == 2 ? u" better"_s
                                        : u" slightly better"_s);
}

QList<KeyHint> labelHints(Scale scale) {
    QList<KeyHint> hints;
    if (scale == Scale::SevenPoint)
        hints = {{u"S"_s, u"A much"_s, 0, 1}, {u"D"_s, u"better"_s, 0, 1},  {u"F"_s, u"slight"_s, 0, 1},
                 {u"Space"_s, u"tie"_s, 1, 0}, {u"J"_s, u"slight"_s, 2, 2}, {u"K"_s, u"better"_s, 2, 2},
                 {u"L"_s, u"B much"_s, 2, 2}};
    else
        hints = {{u"←"_s, u"A better"_s, 0, 1}, {u"Space"_s, u"tie"_s, 1, 0}, {u"→"_s, u"B better"_s, 2, 2}};
    hints += {{u"H"_s, u"both good"_s, 3, 0}, {u"N"_s, u"both bad"_s, 3, 0}, {u"U"_s, u"undo"_s, 4, 0},
              {u"]"_s, u"next"_s, 4, 0},      {u"X"_s, u"skip"_s, 4, 0},     {u"W"_s, u"diff"_s, 5, 0},
              {u"M"_s, u"Markdown"_s, 5, 0}};
    return hints;
}

QList<std::pair<QString, QString>> allLabelKeys(Scale scale) {
    QList<std::pair<QString, QString>> keys;
    if (scale == Scale::SevenPoint)
        keys = {{u"S  D  F"_s, u"A much better, better, slightly better"_s},
                {u"Space"_s, u"Tie"_s},
                {u"J  K  L"_s, u"B slightly better, better, much better"_s},
                {u"1 … 7"_s, u"The same seven"_s}};
    else
        keys = {{u"←"_s, u"A is better"_s}, {u"Space"_s, u"Tie"_s}, {u"→"_s, u"B is better"_s}};
    keys += {{u"H  N  I"_s, u"Both good, both bad, identical"_s},
             {u"Q  P"_s, u"A unacceptable, B unacceptable (before the vote)"_s},
             {u"U  Ctrl+Z"_s, u"Take back the last one, as often as you like"_s},
             {u"Ctrl+Shift+Z"_s, u"Do it again"_s},
             {u"]  ["_s, u"Next or previous pair without a vote"_s},
             {u"X, then a digit"_s, u"Skip, with the reason"_s},
             {u"G"_s, u"Flag to look at later"_s},
             {u"↑  ↓  PgUp  PgDn"_s, u"Scroll both answers (never a vote)"_s},
             {u"M  W"_s, u"Markdown, word differences; again for raw text"_s},
             {u"F4"_s, u"Guideline"_s},
             {u"F11"_s, u"Only this page"_s},
             {u"Alt+1 … 8"_s, u"Other pages"_s},
             {u"Ctrl+K"_s, u"Find anything"_s}};
    return keys;
}

QStringList skipReasons() {
    return {u"cannot_judge"_s, u"broken"_s, u"language"_s, u"harmful"_s, u"duplicate"_s};
}
QStringList skipReasonWords() {
    return {u"cannot judge"_s, u"broken text"_s, u"wrong language"_s, u"harmful"_s, u"duplicate"_s};
}

} // namespace pl::ui
