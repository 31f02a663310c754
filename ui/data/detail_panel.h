// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QScrollArea>
#include <QString>

#include "ui/widgets/basics.h"

class QGridLayout;
class QVBoxLayout;

namespace pl::ui {

/// The right side of a table: a title, facts, texts, buttons. Rebuilt for each row; texts are untrusted.
class DetailPanel : public QScrollArea {
    Q_OBJECT
public:
    explicit DetailPanel(const QString& emptyText, QWidget* parent = nullptr);
    /// Starts anew: an empty panel that says what will be here.
    void clear();
    void begin(const QString& title);
    void fact(const QString& name, const QString& value, bool mono = false);
    /// A text in a pane of at most `lines` lines, own scroll.
    void text(const QString& caption, const QString& content, int lines);
    void note(const QString& text, Tone tone = Tone::Second);
    void widget(QWidget* widget);
    /// Closes the panel with a row of buttons (may be empty).
    void end(const QList<QPushButton*>& buttons = {});
    QString title() const { return m_title; }

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    struct Text {
        QWidget* pane;
        QString content;
        int lines;
    };
    void fresh();
    void fitTexts();
    QList<Text> m_texts;
    QString m_emptyText, m_title;
    QWidget* m_body = nullptr;
    QVBoxLayout* m_column = nullptr;
    QGridLayout* m_facts = nullptr;
    int m_row = 0;
};

} // namespace pl::ui
