// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include "core/desk/exchange/export_any.h"
#include "ui/shell/context.h"

class QCheckBox;
class QComboBox;
class QLineEdit;
class QPushButton;

namespace pl::ui {

/// Chooses a form, the splits and a file, shows what would go in and what that form cannot carry before anything is written, and writes it
/// off the GUI thread with what `pairlab-cli export` writes it with.
class ExportCard : public QWidget {
    Q_OBJECT
public:
    explicit ExportCard(Context& context, QWidget* parent = nullptr);
    /// What is chosen now.
    desk::ExportChoice choice() const;
    void takeFocus();

Q_SIGNALS:
    /// What would go in is on screen, or why nothing would.
    void previewed(bool usable);
    /// It is written (or was not); the words stand in the card.
    void finished(bool written);
    void closed();

private:
    void refresh();
    /// Asks first, in the card, where a file is there already.
    void write();
    void dropQuestion();
    void show(State state, const QString& text);

    Context& m_context;
    QComboBox *m_format, *m_kind;
    QCheckBox *m_train, *m_dev;
    QLineEdit* m_path;
    TextLabel *m_about, *m_counts, *m_losses;
    InlineMessage* m_message;
    QPushButton *m_write, *m_open;
    QString m_folder; ///< of what was written
    QString m_replaced; ///< the file that is there already and would be replaced; the write button asks
    int m_turn = 0;
    bool m_busy = false, m_ownPath = false;
};

} // namespace pl::ui
