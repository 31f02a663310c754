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

/// What an action asks for.
LabelKey meaning(KeyId id) {
    const auto vote = [](SideVote side) { return LabelKey{LabelAction::Vote, side}; };
    switch (id) {
    case KeyId::MuchA: return vote(side(Choice::Left, 3));
    case KeyId::BetterA: return vote(side(Choice::Left, 2));
    case KeyId::SlightA: return vote(side(Choice::Left, 1));
    case KeyId::SlightB: return vote(side(Choice::Right, 1));
    case KeyId::BetterB: return vote(side(Choice::Right, 2));
    case KeyId::MuchB: return vote(side(Choice::Right, 3));
    case KeyId::SimpleA: return vote(side(Choice::Left));
    case KeyId::SimpleB: return vote(side(Choice::Right));
    case KeyId::Tie:
    case KeyId::SimpleTie: return vote(tie(TieKind::Unspecified));
    case KeyId::BothGood: return vote(tie(TieKind::BothGood));
    case KeyId::BothBad: return vote(tie(TieKind::BothBad));
    case KeyId::Identical: return vote(tie(TieKind::Identical));
    case KeyId::MarkLeft: return {LabelAction::MarkLeft, {}};
    case KeyId::MarkRight: return {LabelAction::MarkRight, {}};
    case KeyId::Next: return {LabelAction::Next, {}};
    case KeyId::Previous: return {LabelAction::Previous, {}};
    case KeyId::Undo: return {LabelAction::Undo, {}};
    case KeyId::Skip: return {LabelAction::Skip, {}};
    case KeyId::Flag: return {LabelAction::Flag, {}};
    case KeyId::Markdown: return {LabelAction::Markdown, {}};
    case KeyId::Diff: return {LabelAction::Diff, {}};
    case KeyId::Edit: return {LabelAction::Edit, {}};
    case KeyId::Spans: return {LabelAction::Spans, {}};
    case KeyId::Steps: return {LabelAction::Steps, {}};
    case KeyId::Fold: return {LabelAction::Fold, {}};
    case KeyId::Turns: return {LabelAction::Turns, {}};
    case KeyId::Guideline: return {LabelAction::Guideline, {}};
    case KeyId::ImageSide: return {LabelAction::ImageSide, {}};
    case KeyId::ImageWipe: return {LabelAction::ImageWipe, {}};
    case KeyId::ImageDifference: return {LabelAction::ImageDifference, {}};
    case KeyId::ImageBlink: return {LabelAction::ImageBlink, {}};
    case KeyId::ImageFlip: return {LabelAction::ImageFlip, {}};
    case KeyId::ImageActual: return {LabelAction::ImageActual, {}};
    case KeyId::ImageLock: return {LabelAction::ImageLock, {}};
    case KeyId::GainLess: return {LabelAction::GainLess, {}};
    case KeyId::GainMore: return {LabelAction::GainMore, {}};
    case KeyId::Regions: return {LabelAction::Regions, {}};
    case KeyId::HideMarks: return {LabelAction::HideMarks, {}};
    case KeyId::RankSets: return {LabelAction::RankSets, {}};
    }
    return {LabelAction::KeySheet, {}};
}

} // namespace

std::optional<LabelKey> labelKey(const KeyMap& keys, Scale scale, int key, Qt::KeyboardModifiers modifiers,
                                 std::optional<bool> images) {
    const Qt::KeyboardModifiers held = modifiers & ~Qt::KeypadModifier;
    if (held == Qt::ControlModifier && key == Qt::Key_Z)
        return LabelKey{LabelAction::Undo, {}};
    if (held == (Qt::ControlModifier | Qt::ShiftModifier) && key == Qt::Key_Z)
        return LabelKey{LabelAction::Redo, {}};
    if (key == Qt::Key_Question && (held & ~Qt::ShiftModifier) == Qt::NoModifier)
        return LabelKey{LabelAction::KeySheet, {}};
    if (held != Qt::NoModifier)
        return {};
    if (modifiers & Qt::KeypadModifier)
        if (const auto id = keys.find(scale, key | int{Qt::KeypadModifier}, images))
            return meaning(*id);
    // The digits are the points of the scale, whatever the letters are.
    static constexpr std::array kPoints{KeyId::MuchA,   KeyId::BetterA, KeyId::SlightA, KeyId::Tie,
                                        KeyId::SlightB, KeyId::BetterB, KeyId::MuchB};
    if (scale == Scale::SevenPoint && key >= Qt::Key_1 && key <= Qt::Key_7)
        return meaning(kPoints[static_cast<size_t>(key - Qt::Key_1)]);
    const auto id = keys.find(scale, key, images);
    return id ? std::optional(meaning(*id)) : std::nullopt;
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

QList<KeyHint> labelHints(const KeyMap& keys, Scale scale, bool images) {
    QList<KeyHint> hints;
    const auto add = [&](KeyId id, const QString& words, int group, int side = 0) {
        hints.append({keys.text(id), words, group, side, keys.key(id), KeyMap::action(id).words + u". Settings, Keys changes the key"_s,
                      id == KeyId::BetterA || id == KeyId::BetterB});
    };
    if (scale == Scale::SevenPoint) {
        add(KeyId::MuchA, u"A much"_s, 0, 1);
        add(KeyId::BetterA, u"better"_s, 0, 1);
        add(KeyId::SlightA, u"slight"_s, 0, 1);
        add(KeyId::Tie, u"tie"_s, 1);
        add(KeyId::SlightB, u"slight"_s, 2, 2);
        add(KeyId::BetterB, u"better"_s, 2, 2);
        add(KeyId::MuchB, u"B much"_s, 2, 2);
    } else {
        add(KeyId::SimpleA, u"A better"_s, 0, 1);
        add(KeyId::SimpleTie, u"tie"_s, 1);
        add(KeyId::SimpleB, u"B better"_s, 2, 2);
    }
    add(KeyId::BothGood, u"both good"_s, 3);
    add(KeyId::BothBad, u"both bad"_s, 3);
    add(KeyId::Undo, u"undo"_s, 4);
    if (images) {
        // What one looks with comes before what is seldom pressed: the strip cuts from its end.
        add(KeyId::ImageSide, u"side"_s, 5);
        add(KeyId::ImageWipe, u"wipe"_s, 5);
        add(KeyId::ImageDifference, u"diff"_s, 5);
        add(KeyId::ImageFlip, u"flip"_s, 5);
        add(KeyId::ImageBlink, u"blink"_s, 5);
        add(KeyId::ImageActual, u"1:1"_s, 5);
    }
    add(KeyId::Next, u"next"_s, images ? 6 : 4);
    add(KeyId::Skip, u"skip"_s, images ? 6 : 4);
    if (images)
        add(KeyId::Regions, u"mark"_s, 6);
    if (!images) {
        add(KeyId::Diff, u"diff"_s, 5);
        add(KeyId::Markdown, u"Markdown"_s, 5);
        add(KeyId::Edit, u"edit"_s, 6);
        add(KeyId::Spans, u"mark"_s, 6);
        add(KeyId::Steps, u"steps"_s, 6);
    }
    return hints;
}

QList<std::pair<QString, QString>> allLabelKeys(const KeyMap& keys, Scale scale, bool images, bool alone) {
    const auto of = [&](std::initializer_list<KeyId> ids) {
        QStringList all;
        for (const KeyId id : ids)
            all.append(keys.text(id));
        return all.join(u"  "_s);
    };
    QList<std::pair<QString, QString>> rows;
    if (alone)
        rows = {{of({KeyId::BothGood, KeyId::BothBad}), u"This answer is good, is bad"_s}};
    else if (scale == Scale::SevenPoint)
        rows = {{of({KeyId::MuchA, KeyId::BetterA, KeyId::SlightA}), u"A much better, better, slightly better"_s},
                {of({KeyId::Tie}), u"Tie"_s},
                {of({KeyId::SlightB, KeyId::BetterB, KeyId::MuchB}), u"B slightly better, better, much better"_s},
                {u"1 … 7"_s, u"The same seven"_s}};
    else
        rows = {{of({KeyId::SimpleA}), u"A is better"_s},
                {of({KeyId::SimpleTie}), u"Tie"_s},
                {of({KeyId::SimpleB}), u"B is better"_s}};
    if (!alone)
        rows += {{of({KeyId::BothGood, KeyId::BothBad, KeyId::Identical}), u"Both good, both bad, identical"_s},
                 {of({KeyId::MarkLeft, KeyId::MarkRight}), u"A unacceptable, B unacceptable (before the vote)"_s}};
    rows += {{of({KeyId::Undo}) + u"  Ctrl+Z"_s, u"Take back the last one, as often as you like"_s},
             {u"Ctrl+Shift+Z"_s, u"Do it again"_s},
             {of({KeyId::Next, KeyId::Previous}), u"Next or previous pair without a vote"_s},
             {of({KeyId::Skip}) + u", then a digit"_s, u"Skip, with the reason"_s},
             {of({KeyId::Flag}), u"Flag to look at later"_s}};
    if (images)
        rows += {{of({KeyId::ImageSide, KeyId::ImageWipe}), u"Side by side; wipe, the line follows the pointer"_s},
                 {of({KeyId::ImageDifference}), u"Difference; again for signed, luminance"_s},
                 {of({KeyId::GainLess, KeyId::GainMore}), u"Difference weaker, stronger"_s},
                 {of({KeyId::ImageFlip}) + u" held"_s, u"The other image in place"_s},
                 {of({KeyId::ImageBlink}), u"Blink: both in turn, twice a second"_s},
                 {of({KeyId::ImageActual}) + u"  Home"_s, u"1:1, again whole; whole without an offset"_s},
                 {u"+  −  wheel  drag"_s, u"Zoom and move; from 200 % on pixels are squares"_s},
                 {of({KeyId::ImageLock}), u"Move one image alone; again both, the offset stays"_s},
                 {u"↑  ↓  Shift+← →"_s, u"Move both images; in Wipe Shift+← → the line"_s},
                 {of({KeyId::Regions}), u"Mark points, boxes and words that are not shown"_s},
                 {of({KeyId::HideMarks}), u"Hide what is marked, show it again"_s}};
    else
        rows += {{u"↑  ↓  PgUp  PgDn"_s, u"Scroll both answers, with Shift the prompt (never a vote)"_s},
                 alone ? std::pair{of({KeyId::Markdown}), u"Markdown; again for raw text"_s}
                       : std::pair{of({KeyId::Markdown, KeyId::Diff}), u"Markdown, word differences; again for raw text"_s},
                 {of({KeyId::Edit}) + (alone ? QString() : u", then A or B"_s), u"Edit an answer: a new one, better than it"_s},
                 {of({KeyId::Spans, KeyId::Steps}), u"Mark good and bad parts, the first wrong step"_s},
                 {of({KeyId::Turns}), u"Earlier turns of the conversation"_s}};
    if (!images && !alone)
        rows.append({of({KeyId::ImageLock, KeyId::Fold}), u"Scroll to what matches, fold what both begin with"_s});
    rows += {{of({KeyId::RankSets}), u"Rank sets of three or more"_s},
             {of({KeyId::Guideline}), u"Guideline"_s},
             {u"F11"_s, u"Only this page"_s},
             {u"Alt+1 … 9"_s, u"Other pages"_s},
             {u"Ctrl+K"_s, u"Find anything"_s}};
    return rows;
}

QStringList skipReasons() {
    return {u"cannot_judge"_s, u"broken"_s, u"language"_s, u"harmful"_s, u"duplicate"_s};
}
QStringList skipReasonWords(bool images) {
    return {u"cannot judge"_s, images ? u"broken image"_s : u"broken text"_s, u"wrong language"_s, u"harmful"_s, u"duplicate"_s};
}

} // namespace pl::ui
