// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>

#include "ui/label/key_map.h"
#include "ui/shell/preferences.h"
#include "ui/widgets/basics.h"

class QGridLayout;

namespace pl::ui {

class KeyButton;

/// The keys of the Label page: press a key's button, then the new key. A key that is taken is named and
/// refused.
class KeysCard : public Card {
    Q_OBJECT
public:
    explicit KeysCard(Preferences& preferences);
    const KeyMap& keys() const { return m_keys; }
    /// The button of an action; it waits for a key after a click.
    QPushButton* button(KeyId id) const;
    QString messageText() const { return m_message->text(); }

Q_SIGNALS:
    /// Stored in the preferences.
    void keysChanged();

private:
    struct Row {
        KeyButton* button;
        LinkButton* normal;
    };
    QWidget* group(const QString& title, int from, int to);
    void choose(KeyId id, int key, Qt::KeyboardModifiers held);
    void store(const QString& said);
    void refresh();

    Preferences& m_preferences;
    KeyMap m_keys;
    std::map<KeyId, Row> m_rows;
    InlineMessage* m_message;
    QuietButton* m_all;
};

} // namespace pl::ui
