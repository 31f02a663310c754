// SPDX-License-Identifier: GPL-3.0-or-later
// Small parts every page is made of. None of them knows the project.
#pragma once

#include <functional>

#include <QFrame>
#include <QLabel>
#include <QPushButton>
#include <QString>
#include <QWidget>

#include "ui/theme/theme.h"

class QBoxLayout;
class QSplitter;
class QVBoxLayout;

namespace pl::ui {

/// The one filled button of a page.
class FilledButton : public QPushButton {
    Q_OBJECT
public:
    explicit FilledButton(const QString& text, QWidget* parent = nullptr);
    FilledButton(const QString& iconName, const QString& text, QWidget* parent = nullptr);
};
/// A bordered button (the usual one).
class QuietButton : public QPushButton {
    Q_OBJECT
public:
    explicit QuietButton(const QString& text, QWidget* parent = nullptr);
    QuietButton(const QString& iconName, const QString& text, QWidget* parent = nullptr);
};
/// An underlined word that acts; no border.
class LinkButton : public QPushButton {
    Q_OBJECT
public:
    explicit LinkButton(const QString& text, QWidget* parent = nullptr);
};
/// A square button with an icon only; `tip` is its tooltip and accessible name.
class IconButton : public QPushButton {
    Q_OBJECT
public:
    IconButton(const QString& iconName, const QString& tip, QWidget* parent = nullptr);
    void setIconName(const QString& iconName);
};

/// A plain text label (never rich text) in one of the text styles.
class TextLabel : public QLabel {
    Q_OBJECT
public:
    explicit TextLabel(const QString& text = {}, TextStyle style = TextStyle::Body, Tone tone = Tone::Text,
                       QWidget* parent = nullptr);
    void setTone(Tone tone);
    void setStyle(TextStyle style);

protected:
    void changeEvent(QEvent* event) override;

private:
    void apply();
    TextStyle m_style;
    Tone m_tone;
    bool m_applying = false;
};

/// One line of plain text, elided with an ellipsis; the full text is the tooltip while it is cut.
class ElidedLabel : public QWidget {
    Q_OBJECT
public:
    explicit ElidedLabel(const QString& text = {}, TextStyle style = TextStyle::Body, Tone tone = Tone::Text,
                         QWidget* parent = nullptr);
    void setText(const QString& text);
    QString text() const { return m_text; }
    void setTone(Tone tone);
    void setElideMode(Qt::TextElideMode mode);
    bool isElided() const;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    QString m_text;
    TextStyle m_style;
    Tone m_tone;
    Qt::TextElideMode m_mode = Qt::ElideRight;
};

/// How something stands: icon and word, never colour alone.
enum class State { Neutral, Queued, Running, Paused, Done, Warning, Failed, Stopped, Info };
QString statusIcon(State status);
Tone statusTone(State status);

class StatusChip : public QWidget {
    Q_OBJECT
public:
    explicit StatusChip(State status = State::Neutral, const QString& word = {}, QWidget* parent = nullptr);
    void set(State status, const QString& word);
    State status() const { return m_status; }
    QString word() const { return m_word; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    State m_status;
    QString m_word;
};

/// Surface with a 1 px line and radius 6. Put children into body().
class Card : public QFrame {
    Q_OBJECT
public:
    explicit Card(const QString& title = {}, QWidget* parent = nullptr);
    QVBoxLayout* body() const { return m_body; }
    /// A widget at the right end of the title line.
    void setCorner(QWidget* widget);
    void setTitle(const QString& title);

private:
    QBoxLayout* m_head = nullptr;
    TextLabel* m_title = nullptr;
    QVBoxLayout* m_body = nullptr;
};

/// What an empty page says: one sentence, one filled button, one quiet link. Never a blank table.
class EmptyState : public QWidget {
    Q_OBJECT
public:
    EmptyState(const QString& iconName, const QString& sentence, const QString& action = {}, const QString& link = {},
               QWidget* parent = nullptr);
    void setSentence(const QString& sentence);
    void setAction(const QString& text);
    void setLink(const QString& text);
    /// An optional further line in caption style.
    void setDetail(const QString& text);
    QPushButton* actionButton() const { return m_action; }
    QPushButton* linkButton() const { return m_link; }

Q_SIGNALS:
    void actionTriggered();
    void linkTriggered();

private:
    TextLabel* m_sentence;
    TextLabel* m_detail;
    FilledButton* m_action;
    LinkButton* m_link;
};

/// A line across the page with an icon, a text, up to two actions, and (optionally) a close button.
class Banner : public QFrame {
    Q_OBJECT
public:
    explicit Banner(QWidget* parent = nullptr);
    /// Shows it. Empty actions are hidden. The text is plain.
    void show(State status, const QString& text, const QString& action = {}, const QString& secondAction = {});
    void setClosable(bool closable);
    QString text() const;

Q_SIGNALS:
    void actionTriggered();
    void secondActionTriggered();
    void closed();

private:
    QLabel* m_icon;
    TextLabel* m_text;
    QuietButton* m_action;
    LinkButton* m_second;
    IconButton* m_close;
};

/// What just happened, in place, instead of a toast: icon + text, kept until replaced (or `ms` > 0).
class InlineMessage : public QWidget {
    Q_OBJECT
public:
    explicit InlineMessage(QWidget* parent = nullptr);
    void setMessage(State status, const QString& text, int ms = 0);
    void clear();
    QString text() const;

private:
    QLabel* m_icon;
    TextLabel* m_text;
    class QTimer* m_timer;
};

/// One of a few: joined buttons, arrow keys move, one is always checked.
class SegmentedControl : public QWidget {
    Q_OBJECT
public:
    explicit SegmentedControl(const QStringList& labels = {}, QWidget* parent = nullptr);
    void setLabels(const QStringList& labels);
    int current() const;
    void setCurrent(int index);
    void setSegmentEnabled(int index, bool enabled, const QString& why = {});

Q_SIGNALS:
    void currentChanged(int index);

private:
    class QButtonGroup* m_group;
    QBoxLayout* m_layout;
};

/// A splitter as pages use it: 1 px line, 9 px grip, panes not collapsible.
QSplitter* makeSplitter(Qt::Orientation orientation, QWidget* parent = nullptr);
/// A 1 px line.
QFrame* makeLine(Qt::Orientation orientation, QWidget* parent = nullptr);
/// Margins and spacing from the 4 px grid.
void setGaps(QBoxLayout* layout, Size margin, Size spacing);
void setNoMargins(QBoxLayout* layout, Size spacing);

/// Accepts files dropped on the window: shows itself over `window` while a file hovers, then says which.
class DropOverlay : public QWidget {
    Q_OBJECT
public:
    /// Installs itself on `window`; `text` is what a drop will do ("Drop to preview").
    DropOverlay(QWidget* window, const QString& text);

Q_SIGNALS:
    /// Local files and folders only.
    void dropped(const QStringList& paths);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_text;
};

} // namespace pl::ui
