// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>

#include "ui/label/key_map.h"
#include "ui/shell/preferences.h"
#include "ui/widgets/basics.h"

class QGridLayout;

namespace pl::ui {

class KeyButton;

/// The keys of the Label page: a set that the program comes with or the person's own, changed by pressing a key's button, then the
/// new key. A key that is taken is named and refused. A set goes to another machine as a file.
class KeysCard : public Card {
    Q_OBJECT
public:
    explicit KeysCard(Preferences& preferences);
    const KeyMap& keys() const { return m_keys; }
    /// The button of an action; it waits for a key after a click.
    QPushButton* button(KeyId id) const;
    QString messageText() const { return m_message->text(); }
    /// Of the control that chooses the set: 0 standard, 1 left hand, 2 number pad, 3 own.
    SegmentedControl* profiles() const { return m_profiles; }
    /// The keys of now into a file, and a file's keys as one's own; both say how it went.
    void saveTo(const QString& path);
    void takeFrom(const QString& path);

Q_SIGNALS:
    /// Stored in the preferences.
    void keysChanged();

private:
    struct Row {
        KeyButton* button;
        LinkButton* normal;
    };
    QWidget* group(const QString& title, int from, int to);
    void chooseProfile(int index);
    void choose(KeyId id, int key, Qt::KeyboardModifiers held);
    void store(const QString& said);
    void refresh();

    Preferences& m_preferences;
    KeyMap m_keys;
    std::map<KeyId, Row> m_rows;
    InlineMessage* m_message;
    SegmentedControl* m_profiles;
};

} // namespace pl::ui
