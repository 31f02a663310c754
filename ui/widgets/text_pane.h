// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <vector>

#include <QString>
#include <QTextDocument>
#include <QTextEdit>

#include "ui/widgets/shown_text.h"

namespace pl::ui {

/// A document that never loads anything.
class ClosedDocument : public QTextDocument {
    Q_OBJECT
public:
    using QTextDocument::QTextDocument;

protected:
    QVariant loadResource(int type, const QUrl& name) override;
};

/// Fills `document` from a subset of Markdown (headings, lists, quotes, code, emphasis, strong, links and images as
/// text, tables as code; fenced blocks coloured by CodeTokens). No HTML, no resources. False (document untouched) when a limit is passed, `why` says which.
bool renderMarkdown(QTextDocument& document, const QString& text, const TextLimits& limits = {}, QString* why = nullptr);

/// How a stretch of a text is marked: a background and a line of its own kind below it, so that no mark is told by colour alone.
enum class MarkStyle { Good, Bad, Neutral, Current, Wrong, Done, Struck };

/// [begin, end) in UTF-16 units of the text as it was given.
struct TextMark {
    qsizetype begin = 0, end = 0;
    MarkStyle style = MarkStyle::Neutral;
    bool operator==(const TextMark&) const = default;
};

/// One read-only untrusted text in the reading column: at most 78 characters wide, own scroll; a paragraph that begins in a
/// right-to-left script stands at the right. Keys other than copy and select all are left to the parent, in caret mode those that
/// move the caret too.
class TextPane : public QTextEdit {
    Q_OBJECT
public:
    explicit TextPane(QWidget* parent = nullptr);
    /// The first `folded` characters stand as one line.
    void setRaw(const QString& text, qsizetype folded = 0);
    /// False: over the limits, shown raw.
    bool setMarkdownView(const QString& text);
    /// The text as it was given.
    const QString& source() const { return m_source; }
    /// Marks given as byte ranges in the UTF-8 of `text`. Side colours follow a change of the theme.
    void setMarked(const QString& text, const std::vector<std::pair<size_t, size_t>>& byteRanges, const QColor& tone,
                   qsizetype folded = 0);
    /// Kept as long as the text is the same; drawn in the raw text and over word differences, not in Markdown. Costs a repaint, no
    /// layout.
    void setMarks(const QList<TextMark>& marks);
    const QList<TextMark>& marks() const { return m_marks; }

    /// A caret that the arrow keys move and Shift selects with.
    void setCaretMode(bool on);
    bool hasCaret() const { return m_caret; }
    /// In UTF-16 units of the text as it was given; both the caret when nothing is selected. Not of Markdown.
    std::pair<qsizetype, qsizetype> selectedSource() const;
    void selectSource(qsizetype begin, qsizetype end);
    /// The character at the top left, and a scroll that brings one there.
    qsizetype sourceAtTop() const;
    void scrollToSource(qsizetype at);

    void setTint(const QColor& color, double strength);
    /// Called with the steady clock after each paint.
    void setPaintListener(std::function<void(qint64)> listener);
    /// Applies the present theme and reading size.
    void restyle();
    int columnWidth() const;

protected:
    void changeEvent(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool canInsertFromMimeData(const QMimeData*) const override { return false; }

private:
    void updateMargins();
    /// The selections that draw what differs and what is marked, in the colours of the theme of now.
    void drawMarks();
    void show(const QString& source, qsizetype folded);
    std::function<void(qint64)> m_listener;
    QColor m_tint, m_differTone;
    QString m_source;
    ShownText m_shown;
    QList<TextMark> m_marks;
    std::vector<std::pair<int, int>> m_differs; ///< shown positions
    double m_tintStrength = 0;
    bool m_folds = false; ///< the first line stands for what is folded
    bool m_caret = false, m_markdown = false;
};

} // namespace pl::ui
