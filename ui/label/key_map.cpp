// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/key_map.h"

#include <QKeySequence>

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Scale;

namespace {

bool meet(const KeyAction& a, const KeyAction& b) {
    return !a.scale || !b.scale || *a.scale == *b.scale;
}

/// Why a key belongs to nobody; empty for a key that can be chosen.
QString reserved(int key) {
    switch (key) {
    case Qt::Key_Up:
    case Qt::Key_Down:
    case Qt::Key_PageUp:
    case Qt::Key_PageDown:
        return u"scrolls the answers: a key that scrolls never votes"_s;
    case Qt::Key_Plus:
    case Qt::Key_Minus:
    case Qt::Key_Equal:
        return u"zooms the images"_s;
    case Qt::Key_Home:
        return u"shows the whole images"_s;
    case Qt::Key_Tab:
    case Qt::Key_Backtab:
        return u"moves the focus"_s;
    case Qt::Key_Escape:
        return u"closes what is open"_s;
    case Qt::Key_Question:
        return u"shows all keys"_s;
    case Qt::Key_F11:
        return u"hides all but the page"_s;
    case Qt::Key_Return:
    case Qt::Key_Enter:
        return u"presses the button that has the focus"_s;
    case Qt::Key_Shift:
    case Qt::Key_Control:
    case Qt::Key_Alt:
    case Qt::Key_AltGr:
    case Qt::Key_Meta:
    case Qt::Key_CapsLock:
        return u"is held with another key"_s;
    case 0:
    case Qt::Key_unknown:
        return u"has no name here"_s;
    default:
        break;
    }
    if (key >= Qt::Key_0 && key <= Qt::Key_9)
        return u"picks a point of the scale or a reason"_s;
    return {};
}

} // namespace

const std::vector<KeyAction>& KeyMap::actions() {
    static const std::vector<KeyAction> all{
        {KeyId::MuchA, "a_much", u"A much better"_s, Qt::Key_S, Scale::SevenPoint},
        {KeyId::BetterA, "a_better", u"A better"_s, Qt::Key_D, Scale::SevenPoint},
        {KeyId::SlightA, "a_slight", u"A slightly better"_s, Qt::Key_F, Scale::SevenPoint},
        {KeyId::Tie, "tie", u"Tie"_s, Qt::Key_Space, Scale::SevenPoint},
        {KeyId::SlightB, "b_slight", u"B slightly better"_s, Qt::Key_J, Scale::SevenPoint},
        {KeyId::BetterB, "b_better", u"B better"_s, Qt::Key_K, Scale::SevenPoint},
        {KeyId::MuchB, "b_much", u"B much better"_s, Qt::Key_L, Scale::SevenPoint},
        {KeyId::SimpleA, "simple_a", u"A is better"_s, Qt::Key_Left, Scale::Simple},
        {KeyId::SimpleTie, "simple_tie", u"Tie"_s, Qt::Key_Space, Scale::Simple},
        {KeyId::SimpleB, "simple_b", u"B is better"_s, Qt::Key_Right, Scale::Simple},
        {KeyId::BothGood, "both_good", u"Both good"_s, Qt::Key_H, {}},
        {KeyId::BothBad, "both_bad", u"Both bad"_s, Qt::Key_N, {}},
        {KeyId::Identical, "identical", u"Identical"_s, Qt::Key_I, {}},
        {KeyId::MarkLeft, "mark_left", u"A unacceptable"_s, Qt::Key_Q, {}},
        {KeyId::MarkRight, "mark_right", u"B unacceptable"_s, Qt::Key_P, {}},
        {KeyId::Next, "next", u"Next pair"_s, Qt::Key_BracketRight, {}},
        {KeyId::Previous, "previous", u"Previous pair"_s, Qt::Key_BracketLeft, {}},
        {KeyId::Undo, "undo", u"Undo"_s, Qt::Key_U, {}},
        {KeyId::Skip, "skip", u"Skip"_s, Qt::Key_X, {}},
        {KeyId::Flag, "flag", u"Flag"_s, Qt::Key_G, {}},
        {KeyId::Markdown, "markdown", u"Markdown"_s, Qt::Key_M, {}},
        {KeyId::Diff, "diff", u"Word differences"_s, Qt::Key_W, {}},
        {KeyId::Guideline, "guideline", u"Guideline"_s, Qt::Key_F4, {}},
        {KeyId::ImageSide, "image_side", u"Side by side"_s, Qt::Key_F1, {}},
        {KeyId::ImageWipe, "image_wipe", u"Wipe"_s, Qt::Key_F2, {}},
        {KeyId::ImageDifference, "image_difference", u"Difference, then its kinds"_s, Qt::Key_F3, {}},
        {KeyId::ImageBlink, "image_blink", u"Blink"_s, Qt::Key_F5, {}},
        {KeyId::ImageFlip, "image_flip", u"Flip in place while held"_s, Qt::Key_V, {}},
        {KeyId::ImageActual, "image_actual", u"1:1, again whole"_s, Qt::Key_Z, {}},
        {KeyId::ImageLock, "image_lock", u"Move both, or one alone"_s, Qt::Key_C, {}},
        {KeyId::GainLess, "gain_less", u"Weaker difference"_s, Qt::Key_Comma, {}},
        {KeyId::GainMore, "gain_more", u"Stronger difference"_s, Qt::Key_Period, {}},
    };
    return all;
}

const KeyAction& KeyMap::action(KeyId id) {
    return actions()[static_cast<size_t>(id)];
}

KeyMap::KeyMap(const QHash<QString, QString>& changed) {
    // Two may have exchanged their keys: all are taken first, and whatever does not fit together is dropped.
    for (const KeyAction& each : actions()) {
        const QString words = changed.value(QString::fromLatin1(each.name));
        if (words.isEmpty())
            continue;
        const QKeySequence sequence = QKeySequence::fromString(words, QKeySequence::PortableText);
        if (sequence.count() != 1 || sequence[0].keyboardModifiers() != Qt::NoModifier)
            continue;
        const int key = sequence[0].key();
        if (reserved(key).isEmpty() && key != each.normal)
            m_keys.insert(static_cast<int>(each.id), key);
    }
    for (bool again = true; again;) {
        again = false;
        for (const KeyAction& each : actions())
            if (!isNormal(each.id) && !refusal(each.id, key(each.id)).isEmpty()) {
                m_keys.remove(static_cast<int>(each.id));
                again = true;
            }
    }
}

int KeyMap::key(KeyId id) const {
    return m_keys.value(static_cast<int>(id), action(id).normal);
}

std::optional<KeyId> KeyMap::find(Scale scale, int key) const {
    for (const KeyAction& each : actions())
        if ((!each.scale || *each.scale == scale) && this->key(each.id) == key)
            return each.id;
    return {};
}

QString KeyMap::refusal(KeyId id, int key) const {
    if (const QString why = reserved(key); !why.isEmpty())
        return why == u"has no name here"_s ? u"That key has no name here"_s : u"%1 %2"_s.arg(text(key), why);
    for (const KeyAction& each : actions())
        if (each.id != id && meet(each, action(id)) && this->key(each.id) == key)
            return u"%1 is “%2” already"_s.arg(text(key), each.words);
    return {};
}

bool KeyMap::set(KeyId id, int key) {
    if (!refusal(id, key).isEmpty())
        return false;
    if (key == action(id).normal)
        m_keys.remove(static_cast<int>(id));
    else
        m_keys.insert(static_cast<int>(id), key);
    return true;
}

bool KeyMap::reset(KeyId id) {
    return set(id, action(id).normal);
}

QHash<QString, QString> KeyMap::changed() const {
    QHash<QString, QString> out;
    for (auto it = m_keys.begin(); it != m_keys.end(); ++it)
        out.insert(QString::fromLatin1(action(static_cast<KeyId>(it.key())).name),
                   QKeySequence(it.value()).toString(QKeySequence::PortableText));
    return out;
}

QString KeyMap::text(int key) {
    switch (key) {
    case Qt::Key_Left:
        return u"←"_s;
    case Qt::Key_Right:
        return u"→"_s;
    case Qt::Key_Up:
        return u"↑"_s;
    case Qt::Key_Down:
        return u"↓"_s;
    case Qt::Key_Escape:
        return u"Esc"_s;
    default:
        return QKeySequence(key).toString(QKeySequence::NativeText);
    }
}

} // namespace pl::ui
