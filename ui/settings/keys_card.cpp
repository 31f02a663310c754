// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/settings/keys_card.h"

#include <functional>

#include <QGridLayout>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QVBoxLayout>

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
                chosen(pressed->key(), pressed->modifiers() & ~Qt::KeypadModifier);
            return true;
        }
        return QPushButton::event(event);
    }
    void focusOutEvent(QFocusEvent* event) override {
        wait(false);
        QPushButton::focusOutEvent(event);
    }

private:
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
    auto* foot = new QHBoxLayout;
    setNoMargins(foot, Size::GapM);
    m_all = new QuietButton(u"reset"_s, u"All keys as they come"_s);
    m_message = new InlineMessage;
    foot->addWidget(m_all);
    foot->addWidget(m_message, 1);
    body()->addLayout(foot);
    connect(m_all, &QPushButton::clicked, this, [this] {
        m_keys = KeyMap();
        store(u"All keys are as the program came"_s);
    });
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
    m_all->setEnabled(!m_keys.changed().isEmpty());
}

} // namespace pl::ui
