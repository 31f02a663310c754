// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/answer_editor.h"

#include <QKeyEvent>
#include <QTextDocument>

#include "ui/theme/theme.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

AnswerEditor::AnswerEditor(const QString& answer, const QString& begun, const QString& name) {
    setAccessibleName(name);
    setToolTip(u"Ctrl+Enter saves it as a new answer, Esc leaves and keeps what is written"_s);
    setTabChangesFocus(true);
    setFont(textFont(TextStyle::Reading));
    setPlainText(answer);
    m_answer = written();
    if (!begun.isNull()) {
        selectAll();
        insertPlainText(begun); // Ctrl+Z goes back to the answer
    }
    moveCursor(QTextCursor::Start);
}

QString AnswerEditor::written() const {
    QString text = document()->toRawText();
    return text.replace(QChar::ParagraphSeparator, u'\n');
}

void AnswerEditor::keyPressEvent(QKeyEvent* event) {
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (enter && (event->modifiers() & Qt::ControlModifier)) {
        if (!event->isAutoRepeat())
            Q_EMIT committed();
        return event->accept();
    }
    if (event->key() == Qt::Key_Escape) {
        Q_EMIT left();
        return event->accept();
    }
    QPlainTextEdit::keyPressEvent(event);
    event->accept(); // a letter that means nothing here is no vote either
}

void AnswerEditor::changeEvent(QEvent* event) {
    QPlainTextEdit::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        setFont(textFont(TextStyle::Reading));
}

} // namespace pl::ui
