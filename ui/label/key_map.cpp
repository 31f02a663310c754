// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/key_map.h"

#include <algorithm>
#include <utility>

#include <QJsonDocument>
#include <QJsonObject>
#include <QKeySequence>

#include "ui/shell/context.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Scale;

namespace {

bool meet(const KeyAction& a, const KeyAction& b) {
    return (!a.scale || !b.scale || *a.scale == *b.scale) && (!a.images || !b.images || *a.images == *b.images);
}

constexpr int kPad = int{Qt::KeypadModifier};

/// "Num+4" of the number pad, "S"; 0 for what is no single key.
int keyOf(const QString& words) {
    const QKeySequence sequence = QKeySequence::fromString(words, QKeySequence::PortableText);
    if (sequence.count() != 1 || (sequence[0].keyboardModifiers() & ~Qt::KeypadModifier) != Qt::NoModifier)
        return 0;
    return sequence[0].toCombined();
}
QString wordsOf(int key) {
    return QKeySequence(key).toString(QKeySequence::PortableText);
}

/// Why a key belongs to nobody; empty for a key that can be chosen.
QString reserved(int key) {
    if (key & kPad && key != (kPad | Qt::Key_Plus) && key != (kPad | Qt::Key_Minus)) {
        const int plain = key & ~kPad;
        const bool own = (plain >= Qt::Key_0 && plain <= Qt::Key_9) || plain == Qt::Key_Asterisk || plain == Qt::Key_Slash ||
                         plain == Qt::Key_Period || plain == Qt::Key_Comma;
        return own ? QString() : reserved(plain);
    }
    switch (key & ~kPad) {
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
        {KeyId::Markdown, "markdown", u"Markdown"_s, Qt::Key_M, {}, false},
        {KeyId::Diff, "diff", u"Word differences"_s, Qt::Key_W, {}, false},
        {KeyId::Edit, "edit", u"Edit an answer"_s, Qt::Key_E, {}, false},
        {KeyId::Spans, "spans", u"Mark good and bad parts"_s, Qt::Key_T, {}, false},
        {KeyId::Steps, "steps", u"Mark the first wrong step"_s, Qt::Key_O, {}, false},
        {KeyId::Fold, "fold", u"Fold the common beginning"_s, Qt::Key_B, {}, false},
        {KeyId::Turns, "turns", u"Earlier turns"_s, Qt::Key_A, {}, false},
        {KeyId::Guideline, "guideline", u"Guideline"_s, Qt::Key_F4, {}},
        {KeyId::ImageSide, "image_side", u"Side by side"_s, Qt::Key_F1, {}, true},
        {KeyId::ImageWipe, "image_wipe", u"Wipe"_s, Qt::Key_F2, {}, true},
        {KeyId::ImageDifference, "image_difference", u"Difference, then its kinds"_s, Qt::Key_F3, {}, true},
        {KeyId::ImageBlink, "image_blink", u"Blink"_s, Qt::Key_F5, {}, true},
        {KeyId::ImageFlip, "image_flip", u"Flip in place while held"_s, Qt::Key_V, {}, true},
        {KeyId::ImageActual, "image_actual", u"1:1, again whole"_s, Qt::Key_Z, {}, true},
        {KeyId::ImageLock, "image_lock", u"Both together (texts too)"_s, Qt::Key_C, {}},
        {KeyId::GainLess, "gain_less", u"Weaker difference"_s, Qt::Key_Comma, {}, true},
        {KeyId::GainMore, "gain_more", u"Stronger difference"_s, Qt::Key_Period, {}, true},
        {KeyId::Regions, "regions", u"Mark regions and words"_s, Qt::Key_T, {}, true},
        {KeyId::HideMarks, "hide_marks", u"Marks shown or hidden"_s, Qt::Key_R, {}, true},
        {KeyId::RankSets, "rank_sets", u"Rank sets"_s, Qt::Key_F6, {}},
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
        const int key = keyOf(words);
        if (key && reserved(key).isEmpty() && key != each.normal)
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

std::optional<KeyId> KeyMap::find(Scale scale, int key, std::optional<bool> images) const {
    for (const KeyAction& each : actions())
        if ((!each.scale || *each.scale == scale) && (!images || !each.images || *each.images == *images) && this->key(each.id) == key)
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
                   wordsOf(it.value()));
    return out;
}

// --- profiles ------------------------------------------------------------------------------------------------------

KeyMap KeyMap::of(KeyProfile profile) {
    KeyMap map;
    const auto take = [&](std::initializer_list<std::pair<KeyId, int>> keys) {
        for (const auto& [id, key] : keys)
            map.m_keys.insert(static_cast<int>(id), key);
    };
    using enum KeyId;
    switch (profile) {
    case KeyProfile::Standard: break;
    case KeyProfile::LeftHand:
        // The upper row is A, the row below it B; the further left, the stronger.
        take({{MuchA, Qt::Key_Q},     {BetterA, Qt::Key_W},   {SlightA, Qt::Key_E},   {MuchB, Qt::Key_A},
              {BetterB, Qt::Key_S},   {SlightB, Qt::Key_D},   {SimpleA, Qt::Key_W},   {SimpleB, Qt::Key_S},
              {BothGood, Qt::Key_F},  {BothBad, Qt::Key_V},   {Identical, Qt::Key_G}, {MarkLeft, Qt::Key_R},
              {MarkRight, Qt::Key_T}, {Next, Qt::Key_X},      {Previous, Qt::Key_Z},  {Undo, Qt::Key_C},
              {Skip, Qt::Key_B},      {Flag, Qt::Key_F12},    {Markdown, Qt::Key_F1}, {Diff, Qt::Key_F2},
              {Edit, Qt::Key_F3},     {Spans, Qt::Key_F5},    {Steps, Qt::Key_F6},    {Fold, Qt::Key_F7},
              {Turns, Qt::Key_F8},    {ImageFlip, Qt::Key_F6}, {ImageActual, Qt::Key_F7}, {ImageLock, Qt::Key_F9},
              {GainLess, Qt::Key_F8}, {GainMore, Qt::Key_F10}, {Regions, Qt::Key_Y}, {HideMarks, Qt::Key_H},
              {RankSets, Qt::Key_N}});
        break;
    case KeyProfile::Numpad:
        // A on the left, B on the right, the stronger the higher.
        take({{MuchA, kPad | Qt::Key_7},   {BetterA, kPad | Qt::Key_4},   {SlightA, kPad | Qt::Key_1},
              {Tie, kPad | Qt::Key_5},     {SlightB, kPad | Qt::Key_3},   {BetterB, kPad | Qt::Key_6},
              {MuchB, kPad | Qt::Key_9},   {SimpleA, kPad | Qt::Key_4},   {SimpleTie, kPad | Qt::Key_5},
              {SimpleB, kPad | Qt::Key_6}, {BothGood, kPad | Qt::Key_8},  {BothBad, kPad | Qt::Key_2},
              {Undo, kPad | Qt::Key_0},    {Skip, kPad | Qt::Key_Asterisk}, {Next, kPad | Qt::Key_Slash}});
        break;
    }
    return map;
}

std::optional<KeyProfile> KeyMap::profile() const {
    for (const KeyProfile each : {KeyProfile::Standard, KeyProfile::LeftHand, KeyProfile::Numpad})
        if (*this == of(each))
            return each;
    return {};
}

QString KeyMap::conflict() const {
    for (const KeyAction& each : actions())
        if (const QString why = refusal(each.id, key(each.id)); !why.isEmpty())
            return u"“%1”: %2"_s.arg(each.words, why);
    return {};
}

QByteArray KeyMap::toJson() const {
    QJsonObject keys;
    for (const KeyAction& each : actions())
        keys.insert(QString::fromLatin1(each.name), wordsOf(key(each.id)));
    return QJsonDocument(QJsonObject{{u"pairlab_keys"_s, 1}, {u"keys"_s, keys}}).toJson();
}

Result<KeyMap> KeyMap::fromJson(const QByteArray& bytes) {
    const auto bad = [](const QString& why) {
        return fail(Code::InvalidInput, sstr(u"These keys cannot be taken: "_s + why), "Nothing was changed. “Save these keys” writes such a file.");
    };
    if (bytes.size() > 64 * 1024)
        return bad(u"the file is longer than 64 KiB"_s);
    const QJsonDocument document = QJsonDocument::fromJson(bytes);
    if (!document.isObject() || document[u"pairlab_keys"_s] != 1 || !document[u"keys"_s].isObject())
        return bad(u"the file is no set of keys of this program ({\"pairlab_keys\": 1, \"keys\": {…}})"_s);
    KeyMap map;
    const QJsonObject keys = document[u"keys"_s].toObject();
    for (auto it = keys.begin(); it != keys.end(); ++it) {
        const auto action = std::find_if(actions().begin(), actions().end(),
                                         [&](const KeyAction& each) { return it.key() == QLatin1StringView(each.name); });
        if (action == actions().end())
            return bad(u"there is no action “%1”"_s.arg(it.key().left(80)));
        const int key = keyOf(it.value().toString());
        if (!key)
            return bad(u"“%1” of “%2” is no single key"_s.arg(it.value().toString().left(80), it.key()));
        if (key == action->normal)
            continue;
        map.m_keys.insert(static_cast<int>(action->id), key);
    }
    if (const QString why = map.conflict(); !why.isEmpty())
        return bad(why);
    return map;
}

QString KeyMap::text(int key) {
    if (key & kPad)
        return u"Num "_s + text(key & ~kPad);
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
