// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>
#include <vector>

#include <QHash>
#include <QString>

#include "core/base/result.h"
#include "core/desk/domain/types.h"

namespace pl::ui {

/// Everything on the Label page that has a key of its own, in the order Settings shows it.
enum class KeyId {
    MuchA,
    BetterA,
    SlightA,
    Tie,
    SlightB,
    BetterB,
    MuchB, ///< 7-point scale
    SimpleA,
    SimpleTie,
    SimpleB, ///< simple scale
    BothGood,
    BothBad,
    Identical,
    MarkLeft,
    MarkRight,
    Next,
    Previous,
    Undo,
    Skip,
    Flag,
    Markdown,
    Diff,
    Edit,
    Spans,
    Steps,
    Fold,
    Turns, ///< of pairs of texts
    Guideline,
    ImageSide,
    ImageWipe,
    ImageDifference,
    ImageBlink,
    ImageFlip, ///< while held
    ImageActual,
    ImageLock,
    GainLess,
    GainMore,
    Regions,
    HideMarks, ///< of pairs of images
    RankSets
};

/// An action with its key as the program comes.
struct KeyAction {
    KeyId id;
    const char* name;                 ///< as stored: "skip"
    QString words;                    ///< as shown: "Skip"
    int normal;                       ///< a Qt::Key
    std::optional<desk::Scale> scale; ///< only there; nullopt: both
    std::optional<bool> images{};     ///< only of pairs of images (true) or of texts; nullopt: both
};

/// Whole sets of keys that the program comes with.
enum class KeyProfile { Standard, LeftHand, Numpad };

/// Which key does what. One key, one action within a scale and a kind of pair; the keys that scroll, move the focus or pick a
/// number never vote. A key is a Qt::Key; of the number pad with Qt::KeypadModifier, whose digits may be chosen.
class KeyMap {
public:
    KeyMap() = default;
    /// By KeyAction::name, keys as words ("S", "Space", "Left"). What is unknown, reserved or taken twice
    /// keeps its normal key.
    explicit KeyMap(const QHash<QString, QString>& changed);

    static const std::vector<KeyAction>& actions();
    static const KeyAction& action(KeyId id);
    static KeyMap of(KeyProfile profile);
    /// Which of them this is.
    std::optional<KeyProfile> profile() const;
    /// As a file for other machines, with every action: {"pairlab_keys": 1, "keys": {"skip": "X", ...}}.
    QByteArray toJson() const;
    /// And back. Fails, with what is wrong by name, on anything that is no such file, on actions and keys that do not exist or are
    /// reserved, and on a key that two actions would have. Actions that it does not name have their normal keys.
    static Result<KeyMap> fromJson(const QByteArray& bytes);
    int key(KeyId id) const;
    bool isNormal(KeyId id) const { return key(id) == action(id).normal; }
    /// The action of a key pressed alone on this scale; `images`: what the pair is of, where that is known.
    std::optional<KeyId> find(desk::Scale scale, int key, std::optional<bool> images = {}) const;
    /// Why this key cannot be taken for the action ("J is “B slightly better” already"); empty when it can.
    QString refusal(KeyId id, int key) const;
    /// Takes the key when refusal() is empty.
    bool set(KeyId id, int key);
    /// The normal key again. False when another action has it by now; refusal() says which.
    bool reset(KeyId id);
    /// Only what differs from the normal keys, for Preferences.
    QHash<QString, QString> changed() const;
    bool operator==(const KeyMap& other) const { return m_keys == other.m_keys; }

    /// "S", "Space", "←", "Num 4": as the key strip shows it.
    static QString text(int key);
    QString text(KeyId id) const { return text(key(id)); }

private:
    /// Two actions that would have one key, in words; empty when there are none.
    QString conflict() const;
    QHash<int, int> m_keys; ///< KeyId -> Qt::Key, only what was changed
};

} // namespace pl::ui
