// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>

#include <QList>
#include <QString>
#include <QStringList>

#include "core/desk/domain/types.h"
#include "ui/label/key_map.h"
#include "ui/widgets/key_strip.h"

namespace pl::ui {

/// What a key asks for in the labelling loop.
enum class LabelAction {
    Vote, MarkLeft, MarkRight, Next, Previous, Undo, Redo, Skip, Flag, Markdown, Diff, Edit, Spans, Steps, Fold, Turns, KeySheet, Guideline,
    ImageSide, ImageWipe, ImageDifference, ImageBlink, ImageFlip, ImageActual, ImageLock, GainLess, GainMore,
    Regions, HideMarks, RankSets
};

/// A vote as it was made: by side, not by candidate.
struct SideVote {
    enum class Choice { Left, Right, Tie } choice = Choice::Tie;
    std::optional<int> strength; ///< 1 slight .. 3 much
    desk::TieKind tie = desk::TieKind::None;
    bool operator==(const SideVote&) const = default;
};

struct LabelKey {
    LabelAction action;
    SideVote vote; ///< of LabelAction::Vote
};

/// The task's scale decides the keys, never a mixture: simple (left, Space, right) or 7-point (S D F Space J K L, and 1..7),
/// unless the person chose others. Empty for every key that does nothing here (PgUp, PgDn and the arrows up and down scroll).
/// `images`: what the pair is of, where there is one.
std::optional<LabelKey> labelKey(const KeyMap& keys, desk::Scale scale, int key, Qt::KeyboardModifiers modifiers,
                                 std::optional<bool> images = {});

/// From side space into content space: "left is better" becomes "a is better" or "b is better".
desk::Judgement judgementOf(const SideVote& vote, bool aOnLeft, bool leftBad, bool rightBad);
/// And back, for a vote shown again.
SideVote sideVoteOf(const desk::Judgement& judgement, bool aOnLeft);
/// "A much better", "tie", "both bad".
QString voteWords(const SideVote& vote);

/// The legend below the panes; `images`: of a pair of images. The votes are the same.
QList<KeyHint> labelHints(const KeyMap& keys, desk::Scale scale, bool images = false);
/// Every key with what it does, for the key sheet; `alone`: where one answer is judged at a time.
QList<std::pair<QString, QString>> allLabelKeys(const KeyMap& keys, desk::Scale scale, bool images = false, bool alone = false);

/// Reasons for leaving a pair out; digit = position.
QStringList skipReasons();     ///< as stored
QStringList skipReasonWords(bool images = false); ///< as shown

} // namespace pl::ui
