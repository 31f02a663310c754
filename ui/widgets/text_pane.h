// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <vector>

#include <QString>
#include <QTextDocument>
#include <QTextEdit>

namespace pl::ui {

/// A document that never loads anything.
class ClosedDocument : public QTextDocument {
    Q_OBJECT
public:
    using QTextDocument::QTextDocument;

protected:
    QVariant loadResource(int type, const QUrl& name) override;
};

struct TextLimits {
    int maxChars = 256 * 1024;
    int maxLine = 4000;  ///< longer lines are broken
    int maxDepth = 16;   ///< nesting of quotes and lists
    int maxMs = 250;     ///< time to build the document
};

/// Untrusted text made safe to lay out: bidi controls, zero width and control characters shown as ⟨U+202E⟩, lines over
/// the limit broken, text over the limit cut with a last line that says so.
QString safeText(const QString& text, const TextLimits& limits = {});

/// Fills `document` from a subset of Markdown (headings, lists, quotes, code, emphasis, strong, links and images as
/// text, tables as code). No HTML, no resources. False (document untouched) when a limit is passed, `why` says which.
bool renderMarkdown(QTextDocument& document, const QString& text, const TextLimits& limits = {}, QString* why = nullptr);

/// One read-only untrusted text in the reading column: at most 78 characters wide, own scroll. Keys other than copy and
/// select all are left to the parent.
class TextPane : public QTextEdit {
    Q_OBJECT
public:
    explicit TextPane(QWidget* parent = nullptr);
    void setRaw(const QString& text);
    /// False: over the limits, shown raw.
    bool setMarkdownView(const QString& text);
    /// Marks given as byte ranges in the UTF-8 of `text`. Side colours follow a change of the theme.
    void setMarked(const QString& text, const std::vector<std::pair<size_t, size_t>>& byteRanges, const QColor& tone);
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
    void retoneMarks();
    void show(const QString& text);
    std::function<void(qint64)> m_listener;
    QColor m_tint, m_markTone;
    double m_tintStrength = 0;
};

} // namespace pl::ui
