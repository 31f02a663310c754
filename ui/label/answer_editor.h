// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QPlainTextEdit>

namespace pl::ui {

/// An answer while it is rewritten, in the place of its pane. Takes every key but those that leave it.
class AnswerEditor : public QPlainTextEdit {
    Q_OBJECT
public:
    /// `begun`: what was written before and not saved; null: begins with the answer.
    AnswerEditor(const QString& answer, const QString& begun, const QString& name);
    /// What is written, every character as it is (no-break spaces too); line ends are '\n'.
    QString written() const;
    /// Differs from the answer.
    bool isChanged() const { return written() != m_answer; }

Q_SIGNALS:
    void committed(); ///< Ctrl+Enter
    void left();      ///< Esc

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    QString m_answer; ///< as this editor gives it back when nothing is changed
};

} // namespace pl::ui
