// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/settings/keys_card.h"

#include <functional>

#include <QFile>
#include <QFileDialog>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QVBoxLayout>

#include "core/base/os/files.h"
#include "ui/shell/context.h"
#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

/// Shows a key; after a click the next key pressed is given to `chosen`, Esc and a lost focus leave it as it
/// was.
class KeyButton : public QPushButton {
public:
    std::function<void(int key, Qt::KeyboardModifiers held)> chosen;

    KeyButton() {
        setFont(textFont(TextStyle::Mono));
        setFixedWidth(px(Size::TileMin));
        connect(this, &QPushButton::clicked, this, [this] { wait(true); });
    }
    void setKey(const QString& words) {
        m_words = words;
        wait(false);
    }

protected:
    bool event(QEvent* event) override {
        // While it waits no shortcut of the window may take the key, and Tab is a key too.
        if (m_waiting && event->type() == QEvent::ShortcutOverride) {
            event->accept();
            return true;
        }
        if (m_waiting && event->type() == QEvent::KeyPress) {
            auto* pressed = static_cast<QKeyEvent*>(event);
            switch (pressed->key()) {
            case Qt::Key_Shift:
            case Qt::Key_Control:
            case Qt::Key_Alt:
            case Qt::Key_AltGr:
            case Qt::Key_Meta:
                return true; // something may follow
            default:
                break;
            }
            wait(false);
            if (pressed->key() != Qt::Key_Escape)
                chosen(padKey(*pressed), pressed->modifiers() & ~Qt::KeypadModifier);
            return true;
        }
        return QPushButton::event(event);
    }
    void focusOutEvent(QFocusEvent* event) override {
        wait(false);
        QPushButton::focusOutEvent(event);
    }

private:
    /// Digits and signs of the number pad are keys of their own; its arrows and Enter are those of the keyboard.
    static int padKey(const QKeyEvent& pressed) {
        const int key = pressed.key();
        const bool own = (key >= Qt::Key_0 && key <= Qt::Key_9) || key == Qt::Key_Asterisk || key == Qt::Key_Slash ||
                         key == Qt::Key_Period || key == Qt::Key_Comma;
        return own && (pressed.modifiers() & Qt::KeypadModifier) ? key | int{Qt::KeypadModifier} : key;
    }
    void wait(bool waiting) {
        m_waiting = waiting;
        setText(waiting ? u"Press a key"_s : m_words);
    }
    QString m_words;
    bool m_waiting = false;
};

KeysCard::KeysCard(Preferences& preferences)
    : Card(u"Keys of the Label page"_s)
    , m_preferences(preferences)
    , m_keys(preferences.keys()) {
    auto* help = new TextLabel(
        u"Press a button, then the new key. Digits, the keys that scroll and Ctrl+Z stay as they are."_s,
        TextStyle::Caption, Tone::Second);
    help->setWordWrap(true);
    body()->addWidget(help);
    auto* sets = new QHBoxLayout;
    setNoMargins(sets, Size::GapM);
    m_profiles = new SegmentedControl({u"Standard"_s, u"Left hand"_s, u"Number pad"_s, u"Own"_s});
    m_profiles->setToolTip(u"Left hand: A on Q W E, B on A S D. Number pad: A on 7 4 1, B on 9 6 3. Own: yours, kept while you try the others"_s);
    auto* save = new QuietButton(u"save"_s, u"Save these keys"_s);
    save->setToolTip(u"All keys as a file (JSON), for another machine"_s);
    auto* load = new QuietButton(u"folder"_s, u"Keys from a file"_s);
    load->setToolTip(u"Takes the keys of such a file as your own"_s);
    sets->addWidget(m_profiles);
    sets->addStretch(1);
    sets->addWidget(save);
    sets->addWidget(load);
    body()->addLayout(sets);
    connect(m_profiles, &SegmentedControl::currentChanged, this, &KeysCard::chooseProfile);
    const auto ask = [this](QFileDialog::AcceptMode mode, const QString& title, void (KeysCard::*then)(const QString&)) {
        auto* dialog = new QFileDialog(this, title, {}, u"Keys (*.json)"_s);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->setAcceptMode(mode);
        dialog->setDefaultSuffix(u"json"_s);
        connect(dialog, &QFileDialog::fileSelected, this, then);
        dialog->open();
    };
    connect(save, &QPushButton::clicked, this, [ask] { ask(QFileDialog::AcceptSave, u"Save the keys"_s, &KeysCard::saveTo); });
    connect(load, &QPushButton::clicked, this, [ask] { ask(QFileDialog::AcceptOpen, u"Keys from a file"_s, &KeysCard::takeFrom); });
    auto* columns = new QHBoxLayout;
    setNoMargins(columns, Size::GapXl);
    auto* left = new QVBoxLayout;
    setNoMargins(left, Size::GapM);
    const auto at = [](KeyId id) { return static_cast<int>(id); };
    left->addWidget(group(u"7-point scale"_s, at(KeyId::MuchA), at(KeyId::MuchB)));
    left->addWidget(group(u"Simple scale"_s, at(KeyId::SimpleA), at(KeyId::SimpleB)));
    left->addWidget(group(u"Pairs of images"_s, at(KeyId::ImageSide), at(KeyId::GainMore)));
    left->addStretch(1);
    columns->addLayout(left, 1);
    auto* right = new QVBoxLayout;
    setNoMargins(right, Size::GapM);
    right->addWidget(group(u"Both scales"_s, at(KeyId::BothGood), at(KeyId::Guideline)));
    right->addStretch(1);
    columns->addLayout(right, 1);
    body()->addLayout(columns);
    m_message = new InlineMessage;
    body()->addWidget(m_message);
    refresh();
}

QPushButton* KeysCard::button(KeyId id) const {
    return m_rows.at(id).button;
}

QWidget* KeysCard::group(const QString& title, int from, int to) {
    auto* holder = new QWidget;
    auto* grid = new QGridLayout(holder);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(px(Size::GapS));
    grid->setVerticalSpacing(px(Size::Grid));
    grid->setColumnStretch(0, 1);
    auto* head = new TextLabel(title, TextStyle::Strong);
    head->setContentsMargins(0, px(Size::GapS), 0, px(Size::Grid));
    grid->addWidget(head, 0, 0, 1, 3);
    for (int i = from; i <= to; ++i) {
        const KeyAction& action = KeyMap::actions()[static_cast<size_t>(i)];
        const KeyId id = action.id;
        auto* button = new KeyButton;
        button->chosen = [this, id](int key, Qt::KeyboardModifiers held) { choose(id, key, held); };
        auto* normal = new LinkButton(KeyMap::text(action.normal));
        normal->setToolTip(u"Set back to %1"_s.arg(KeyMap::text(action.normal)).toHtmlEscaped());
        normal->setAccessibleName(u"%1: back to %2"_s.arg(action.words, KeyMap::text(action.normal)));
        QSizePolicy keep = normal->sizePolicy();
        keep.setRetainSizeWhenHidden(true);
        normal->setSizePolicy(keep);
        auto* label = new TextLabel(action.words);
        label->setBuddy(button);
        const int row = i - from + 1;
        grid->addWidget(label, row, 0);
        grid->addWidget(button, row, 1);
        grid->addWidget(normal, row, 2);
        connect(normal, &QPushButton::clicked, this, [this, id] {
            const QString why = m_keys.refusal(id, KeyMap::action(id).normal);
            if (!m_keys.reset(id)) {
                m_message->setMessage(State::Failed, why + u": give that one another key first"_s);
                return;
            }
            store(u"%1 is %2 again"_s.arg(KeyMap::action(id).words, m_keys.text(id)));
            m_rows.at(id).button->setFocus();
        });
        m_rows[id] = {button, normal};
    }
    return holder;
}

void KeysCard::chooseProfile(int index) {
    const auto now = m_keys.profile();
    if (!now)
        m_preferences.setOwnKeys(m_keys.changed()); // comes back with Own
    if (index < 3) {
        m_keys = KeyMap::of(static_cast<KeyProfile>(index));
        return store(index == 0   ? u"All keys are as the program came"_s
                     : index == 1 ? u"All votes are at the left hand now"_s
                                  : u"All votes are on the number pad now"_s);
    }
    const KeyMap own(m_preferences.ownKeys());
    if (own.profile()) { // nothing of one's own yet
        m_message->setMessage(State::Info, u"Change any key below: the set is your own from then on"_s);
        return refresh();
    }
    m_keys = own;
    store(u"Your own keys are in use"_s);
}

void KeysCard::saveTo(const QString& path) {
    const QByteArray bytes = m_keys.toJson();
    const auto written = os::writeFileAtomic(sstr(path), bytes.toStdString());
    m_message->setMessage(written ? State::Done : State::Failed,
                          written ? u"The keys are in %1"_s.arg(path) : errorText(written.error()));
}

void KeysCard::takeFrom(const QString& path) {
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly)) {
        m_message->setMessage(State::Failed, u"%1 cannot be read: %2"_s.arg(path, file.errorString()));
        return;
    }
    auto taken = KeyMap::fromJson(file.read(128 * 1024));
    if (!taken) {
        m_message->setMessage(State::Failed, errorText(taken.error()));
        return;
    }
    m_keys = *taken;
    store(u"The keys of %1 are in use"_s.arg(path));
}

void KeysCard::choose(KeyId id, int key, Qt::KeyboardModifiers held) {
    if (held != Qt::NoModifier) {
        m_message->setMessage(State::Failed, u"One key alone, without Ctrl, Alt or Shift"_s);
        return;
    }
    const QString why = m_keys.refusal(id, key);
    if (!m_keys.set(id, key)) {
        m_message->setMessage(State::Failed, why + u": nothing was changed"_s);
        return;
    }
    store(u"%1 is %2 now"_s.arg(KeyMap::action(id).words, m_keys.text(id)));
}

void KeysCard::store(const QString& said) {
    m_preferences.setKeys(m_keys.changed());
    if (!m_keys.profile())
        m_preferences.setOwnKeys(m_keys.changed());
    refresh();
    m_message->setMessage(State::Done, said);
    Q_EMIT keysChanged();
}

void KeysCard::refresh() {
    for (const auto& [id, row] : m_rows) {
        row.button->setKey(m_keys.text(id));
        row.button->setAccessibleName(u"%1: %2"_s.arg(KeyMap::action(id).words, m_keys.text(id)));
        row.normal->setVisible(!m_keys.isNormal(id));
    }
    const auto profile = m_keys.profile();
    const QSignalBlocker quiet(m_profiles);
    m_profiles->setCurrent(profile ? static_cast<int>(*profile) : 3);
}

} // namespace pl::ui
