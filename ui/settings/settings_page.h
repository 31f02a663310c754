// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>

#include "ui/shell/context.h"
#include "ui/shell/preferences.h"

class QCheckBox;
class QComboBox;
class QLineEdit;
class QPlainTextEdit;
class QScrollArea;
class QSpinBox;
class QVBoxLayout;

namespace pl::ui {

class EraseCard;
class KeysCard;
class PackageCard;
class PeopleCard;
class SegmentedControl;

/// Settings: appearance, the task, people, keys, pairs kept ready, erasing, folders, plugins. Argument: "task", "people", "keys" or
/// "plugins" scrolls there, "merge:FILE" merges a return. In an annotator's project the package, appearance and keys.
PageFactory settingsPage(Preferences& preferences);

class SettingsPage : public Page {
    Q_OBJECT
public:
    SettingsPage(Context& context, Preferences& preferences);
    void activated() override;
    void openArgument(const QString& argument) override;
    QString messageText() const;
    PeopleCard* people() const { return m_people; }
    PackageCard* package() const { return m_package; }

Q_SIGNALS:
    void taskSaved();

private:
    QWidget* appearance();
    QWidget* task();
    QWidget* orders();
    QWidget* folders();
    QWidget* plugins();
    void loadTask();
    void saveTask();
    void loadOrder();
    void saveOrder();
    void refreshDirty();
    void nameScales();

    Context& m_context;
    Preferences& m_preferences;
    QScrollArea* m_scroll;
    InlineMessage* m_message;
    SegmentedControl *m_theme, *m_scale;
    QSpinBox* m_reading;
    QLineEdit *m_name, *m_question;
    QPlainTextEdit *m_guideline, *m_asked;
    SegmentedControl *m_shows, *m_rationale;
    QCheckBox* m_confirm;
    SegmentedControl* m_nextRule;
    QSpinBox* m_mix[5];
    QWidget* m_mixRow;
    TextLabel *m_guidelineVersion, *m_scaleKeys;
    KeysCard* m_keys;
    PeopleCard* m_people = nullptr;   ///< none in an annotator's project
    PackageCard* m_package = nullptr; ///< only there
    QSpinBox* m_quota;
    QCheckBox* m_reveal;
    QPushButton* m_save;
    QCheckBox* m_orderOn;
    QSpinBox* m_orderTarget;
    QWidget *m_taskCard = nullptr, *m_pluginCard = nullptr;
    desk::Task m_shown;
    desk::StandingOrder m_order;
    bool m_loading = false;
};

} // namespace pl::ui
