// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/text_pane.h"

#include <algorithm>
#include <chrono>

#include <QAbstractTextDocumentLayout>
#include <QElapsedTimer>
#include <QFontMetrics>
#include <QKeyEvent>
#include <QPainter>
#include <QRegularExpression>
#include <QScrollBar>
#include <QTextBlock>
#include <QTextCursor>
#include <QTextDocumentFragment>
#include <QTextList>

#include "ui/theme/theme.h"
#include "ui/widgets/code_tokens.h"
#include "ui/widgets/pair_view.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

qint64 steadyNow() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

QVariant ClosedDocument::loadResource(int, const QUrl&) {
    return {};
}

// ---- Markdown

namespace {

QTextBlockFormat blockFormat(TextStyle style, double above) {
    QTextBlockFormat format;
    format.setLineHeight(lineHeight(style), QTextBlockFormat::MinimumHeight);
    format.setTopMargin(above);
    return format;
}

class MarkdownWriter {
public:
    MarkdownWriter(QTextDocument& document, const TextLimits& limits) : m_cursor(&document), m_limits(limits) {
        m_plain.setFont(textFont(TextStyle::Reading));
        m_plain.setForeground(color(Tone::Text));
        m_code = m_plain;
        QFont mono = textFont(TextStyle::Mono);
        mono.setPixelSize(std::max(12, readingPx() - 2));
        m_code.setFont(mono);
        m_code.setBackground(color(Tone::Sunken));
    }

    /// False when out of time.
    bool write(const QString& text) {
        m_time.start();
        const QStringList lines = text.split(u'\n');
        QString paragraph;
        int paragraphDepth = 0;
        bool fence = false, afterBlank = false;
        QString fenceMark;
        CodeTokens tokens{QString()};
        const auto flush = [&] {
            if (!paragraph.isEmpty()) {
                block(blockFormat(TextStyle::Reading, m_any ? m_gap : 0), paragraphDepth, false);
                inlines(paragraph, m_plain);
                paragraph.clear();
            }
        };
        for (const QString& raw : lines) {
            if (m_time.elapsed() > m_limits.maxMs)
                return false;
            QString line = raw;
            int quote = 0;
            if (!fence) {
                while (quote < m_limits.maxDepth && line.trimmed().startsWith(u'>')) {
                    line = line.mid(line.indexOf(u'>') + 1);
                    ++quote;
                }
            }
            const QString trimmed = line.trimmed();
            if (fence) {
                if (trimmed.startsWith(fenceMark)) {
                    fence = false;
                    continue;
                }
                block(blockFormat(TextStyle::Mono, 0), 1, true);
                code(line, tokens);
                continue;
            }
            if (trimmed.startsWith(u"```") || trimmed.startsWith(u"~~~")) {
                flush();
                fence = true;
                fenceMark = trimmed.left(3);
                tokens = CodeTokens(trimmed.mid(trimmed.lastIndexOf(fenceMark[0]) + 1));
                afterBlank = true;
                continue;
            }
            if (trimmed.isEmpty()) {
                flush();
                afterBlank = true;
                continue;
            }
            static const QRegularExpression heading(u"^(#{1,6})\\s+(.*?)\\s*#*$"_s);
            static const QRegularExpression item(u"^(\\s*)([-*+]|\\d{1,9}[.)])\\s+(.*)$"_s);
            static const QRegularExpression rule(u"^\\s*([-*_])(\\s*\\1){2,}\\s*$"_s);
            if (const auto match = heading.match(trimmed); match.hasMatch()) {
                flush();
                QTextCharFormat format = m_plain;
                QFont f = textFont(TextStyle::Reading);
                f.setWeight(QFont::DemiBold);
                f.setPixelSize(readingPx() + std::max(0, 5 - 2 * static_cast<int>(match.capturedLength(1) - 1)));
                format.setFont(f);
                block(blockFormat(TextStyle::Reading, m_any ? 1.5 * m_gap : 0), quote, false);
                inlines(match.captured(2), format);
            } else if (rule.match(line).hasMatch()) {
                flush();
                block(blockFormat(TextStyle::Reading, 0), quote, false);
                QTextCharFormat format = m_plain;
                format.setForeground(color(Tone::Hint));
                m_cursor.insertText(u"———"_s, format);
            } else if (const auto match2 = item.match(line); match2.hasMatch()) {
                flush();
                const int depth = quote + 1 + static_cast<int>(match2.capturedLength(1)) / 2;
                const QString bullet = match2.captured(2).size() == 1 ? u"•"_s : match2.captured(2);
                QTextBlockFormat format = blockFormat(TextStyle::Reading, afterBlank && m_any ? m_gap / 2 : 2);
                const double hang = QFontMetricsF(m_plain.font()).horizontalAdvance(bullet + u"\u2002"_s);
                format.setTextIndent(-hang);
                block(format, depth, false);
                m_cursor.insertText(bullet + u'\u2002', m_plain);
                inlines(match2.captured(3), m_plain);
            } else if (trimmed.startsWith(u'|')) {
                flush();
                block(blockFormat(TextStyle::Mono, 0), quote, true);
                m_cursor.insertText(trimmed, m_code);
            } else {
                if (paragraph.isEmpty())
                    paragraphDepth = quote;
                else
                    paragraph += raw.endsWith(u"  ") ? u'\n' : u' ';
                paragraph += trimmed;
            }
            afterBlank = false;
        }
        flush();
        return true;
    }

private:
    /// A line of a fenced block: weight, slant and colour tell its parts.
    void code(const QString& line, CodeTokens& tokens) {
        qsizetype at = 0;
        for (const CodeSpan& span : tokens.line(line)) {
            m_cursor.insertText(line.mid(at, span.begin - at), m_code);
            QTextCharFormat format = m_code;
            switch (span.token) {
            case CodeToken::Keyword: format.setFontWeight(QFont::Bold); break;
            case CodeToken::String: format.setForeground(color(Tone::Ok)); break;
            case CodeToken::Number: format.setForeground(color(Tone::Warn)); break;
            case CodeToken::Comment:
                format.setForeground(color(Tone::Second));
                format.setFontItalic(true);
                break;
            case CodeToken::Plain: break;
            }
            m_cursor.insertText(line.mid(span.begin, span.length), format);
            at = span.begin + span.length;
        }
        m_cursor.insertText(line.mid(at), m_code);
    }

    void block(QTextBlockFormat format, int depth, bool code) {
        depth = std::min(depth, m_limits.maxDepth);
        format.setLeftMargin(depth * px(Size::GapL));
        if (code) {
            format.setBackground(color(Tone::Sunken));
            format.setLayoutDirection(Qt::LeftToRight); // code is, whatever its strings say
        }
        if (m_any)
            m_cursor.insertBlock(format, m_plain);
        else
            m_cursor.setBlockFormat(format);
        m_any = true;
    }

    /// `code`, **strong**, *emphasis*, [text](target). A mark that does not open or close by the flanking rules is
    /// text: 2*3*4 and __init__ stay as they are.
    void inlines(const QString& text, const QTextCharFormat& base) {
        QTextCharFormat format = base;
        bool strong = false, emphasis = false;
        QString plain;
        const auto put = [&] {
            m_cursor.insertText(plain, format);
            plain.clear();
        };
        const auto apply = [&] {
            format = base;
            if (strong)
                format.setFontWeight(QFont::Bold);
            if (emphasis)
                format.setFontItalic(true);
        };
        for (qsizetype i = 0; i < text.size(); ++i) {
            const QChar c = text[i];
            const QChar before = i > 0 ? text[i - 1] : QChar(u' ');
            if (c == u'\\' && i + 1 < text.size() && text[i + 1].isPunct()) {
                plain += text[++i];
                continue;
            }
            if (c == u'`') {
                const qsizetype end = text.indexOf(u'`', i + 1);
                if (end > i + 1) {
                    put();
                    m_cursor.insertText(text.mid(i + 1, end - i - 1), m_code);
                    i = end;
                    continue;
                }
            }
            if (c == u'*' || c == u'_') {
                const bool twice = i + 1 < text.size() && text[i + 1] == c;
                const qsizetype next = i + (twice ? 2 : 1);
                const QChar after = next < text.size() ? text[next] : QChar(u' ');
                bool& state = twice ? strong : emphasis;
                if (twice && c == u'_') { // __init__ is far more often a name than strong text
                    plain += u"__"_s;
                    ++i;
                    continue;
                }
                const bool opens = !state && !after.isSpace() && !before.isLetterOrNumber() &&
                    closes(text, next, twice ? QString(2, c) : QString(c), c == u'_');
                const bool ends = state && !before.isSpace() && (c == u'*' || !after.isLetterOrNumber());
                if (opens || ends) {
                    put();
                    state = !state;
                    apply();
                    i = next - 1;
                    continue;
                }
                if (twice) {
                    plain += c;
                    plain += c;
                    ++i;
                    continue;
                }
            }
            if (c == u'[') {
                static const QRegularExpression link(u"\\G\\[([^\\[\\]]{0,400})\\]\\(([^()\\s]{0,2000})\\)"_s);
                const auto match = link.match(text, i, QRegularExpression::NormalMatch,
                                              QRegularExpression::AnchorAtOffsetMatchOption);
                if (match.hasMatch()) {
                    put();
                    QTextCharFormat under = format;
                    under.setFontUnderline(true);
                    m_cursor.insertText(match.captured(1), under);
                    QTextCharFormat target = format;
                    target.setForeground(color(Tone::Hint));
                    m_cursor.insertText(u" ("_s + match.captured(2) + u')', target);
                    i = match.capturedEnd() - 1;
                    continue;
                }
            }
            plain += c;
        }
        put();
    }

    /// Is there a closing mark within the next 2000 characters?
    static bool closes(const QString& text, qsizetype from, const QString& markText, bool wordBorder) {
        qsizetype at = from;
        const qsizetype limit = std::min(text.size(), from + 2000);
        while ((at = text.indexOf(markText, at)) >= 0 && at < limit) {
            const qsizetype after = at + markText.size();
            const bool border = after >= text.size() || !text[after].isLetterOrNumber();
            if (at > from && !text[at - 1].isSpace() && (border || !wordBorder))
                return true;
            at = after;
        }
        return false;
    }

    QTextCursor m_cursor;
    TextLimits m_limits;
    QTextCharFormat m_plain, m_code;
    QElapsedTimer m_time;
    bool m_any = false;
    const double m_gap = px(Size::GapS);
};

} // namespace

bool renderMarkdown(QTextDocument& document, const QString& text, const TextLimits& limits, QString* why) {
    const auto refuse = [&](const QString& reason) {
        if (why)
            *why = reason;
        return false;
    };
    if (text.size() > limits.maxChars)
        return refuse(u"longer than %1 KiB"_s.arg(limits.maxChars / 1024));
    for (const QStringView line : QStringView(text).split(u'\n')) {
        int depth = 0;
        qsizetype indent = 0;
        for (const QChar c : line) {
            if (c == u'>')
                ++depth;
            else if (c == u' ')
                ++indent;
            else if (c == u'\t')
                indent += 4;
            else
                break;
        }
        const bool item = indent < line.size() && (line.trimmed().startsWith(u'-') || line.trimmed().startsWith(u'*'));
        if (depth > limits.maxDepth || (item && indent / 2 > limits.maxDepth))
            return refuse(u"nested deeper than %1 levels"_s.arg(limits.maxDepth));
    }
    QTextDocument scratch;
    scratch.setUndoRedoEnabled(false);
    MarkdownWriter writer(scratch, limits);
    if (!writer.write(safeText(text, limits)))
        return refuse(u"it takes longer than %1 ms"_s.arg(limits.maxMs));
    document.clear();
    QTextCursor(&document).insertFragment(QTextDocumentFragment(&scratch));
    return true;
}

// ---- TextPane

TextPane::TextPane(QWidget* parent) : QTextEdit(parent) {
    auto* closed = new ClosedDocument(this);
    closed->setUndoRedoEnabled(false);
    closed->setDocumentMargin(0);
    setDocument(closed);
    setReadOnly(true);
    setAcceptRichText(false);
    setAcceptDrops(false);
    setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    setProperty("look", u"text"_s);
    setFrameShape(QFrame::NoFrame);
    setWordWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setTabStopDistance(4 * QFontMetricsF(textFont(TextStyle::Reading)).horizontalAdvance(u' '));
    restyle();
}

void TextPane::show(const QString& source, qsizetype folded) {
    if (source != m_source) {
        m_source = source;
        m_marks.clear();
    }
    m_markdown = false;
    m_folds = folded > 0;
    m_differs.clear();
    m_shown = ShownText(source, {}, folded);
    setExtraSelections({});
    document()->clear();
    QTextCursor cursor(document());
    QTextBlockFormat format;
    format.setLineHeight(lineHeight(TextStyle::Reading), QTextBlockFormat::MinimumHeight);
    cursor.setBlockFormat(format);
    QTextCharFormat chars;
    chars.setFont(textFont(TextStyle::Reading));
    cursor.insertText(m_shown.text(), chars);
    moveCursor(QTextCursor::Start);
    verticalScrollBar()->setValue(0);
}

void TextPane::setRaw(const QString& text, qsizetype folded) {
    show(text, folded);
    drawMarks();
}

bool TextPane::setMarkdownView(const QString& text) {
    setExtraSelections({});
    if (!renderMarkdown(*document(), text))
        return false;
    if (text != m_source)
        m_marks.clear();
    m_source = text;
    m_markdown = true;
    m_folds = false;
    m_differs.clear();
    moveCursor(QTextCursor::Start);
    verticalScrollBar()->setValue(0);
    return true;
}

void TextPane::setMarked(const QString& text, const std::vector<std::pair<size_t, size_t>>& byteRanges, const QColor& tone,
                         qsizetype folded) {
    show(text, folded);
    // Byte offsets of UTF-8 to UTF-16 indices, walking the text once.
    size_t byte = 0;
    qsizetype index = 0;
    const auto advance = [&](size_t target) {
        while (byte < target && index < text.size()) {
            const QChar c = text[index];
            if (c.isHighSurrogate() && index + 1 < text.size() && text[index + 1].isLowSurrogate()) {
                byte += 4;
                index += 2;
                continue;
            }
            byte += c.unicode() < 0x80 ? 1 : c.unicode() < 0x800 ? 2 : 3;
            ++index;
        }
        return static_cast<int>(m_shown.shownAt(index));
    };
    constexpr size_t kMostMarks = 2000;
    for (const auto& [begin, end] : byteRanges) {
        const int from = advance(begin), to = advance(end);
        if (to > from && m_differs.size() < kMostMarks)
            m_differs.emplace_back(from, to);
    }
    m_differTone = tone;
    drawMarks();
}

void TextPane::setMarks(const QList<TextMark>& marks) {
    if (marks == m_marks)
        return;
    m_marks = marks;
    drawMarks();
}

void TextPane::drawMarks() {
    QList<ExtraSelection> selections;
    const auto add = [&](qsizetype from, qsizetype to, const QColor& tone, double strength, QTextCharFormat::UnderlineStyle line) {
        ExtraSelection selection;
        selection.cursor = QTextCursor(document());
        const int last = document()->characterCount() - 1;
        selection.cursor.setPosition(std::clamp(static_cast<int>(from), 0, last));
        selection.cursor.setPosition(std::clamp(static_cast<int>(to), 0, last), QTextCursor::KeepAnchor);
        selection.format.setBackground(mix(color(Tone::Surface), tone, strength));
        if (line != QTextCharFormat::NoUnderline) {
            selection.format.setUnderlineStyle(line);
            selection.format.setUnderlineColor(tone);
        }
        selections.append(selection);
    };
    for (const Tone side : {Tone::SideA, Tone::SideB}) // text of the new theme never stands on marks of the old one
        if (m_differTone == color(side, false) || m_differTone == color(side, true))
            m_differTone = color(side);
    if (m_folds) { // no words of the answer
        add(0, document()->firstBlock().length() - 1, color(Tone::Second), 0.12, QTextCharFormat::NoUnderline);
        selections.last().format.setForeground(color(Tone::Second));
    }
    for (const auto& [from, to] : m_differs)
        add(from, to, m_differTone, 0.18, QTextCharFormat::SingleUnderline);
    if (!m_markdown)
        for (const TextMark& mark : m_marks) {
            const qsizetype from = m_shown.shownAt(mark.begin), to = m_shown.shownAt(mark.end);
            switch (mark.style) {
            case MarkStyle::Good: add(from, to, color(Tone::Ok), 0.2, QTextCharFormat::SingleUnderline); break;
            case MarkStyle::Bad: add(from, to, color(Tone::Error), 0.2, QTextCharFormat::WaveUnderline); break;
            case MarkStyle::Neutral: add(from, to, color(Tone::Second), 0.18, QTextCharFormat::DotLine); break;
            case MarkStyle::Current: add(from, to, color(Tone::Text), 0.1, QTextCharFormat::NoUnderline); break;
            case MarkStyle::Wrong: add(from, to, color(Tone::Error), 0.2, QTextCharFormat::WaveUnderline); break;
            case MarkStyle::Done: add(from, to, color(Tone::Ok), 0.0, QTextCharFormat::SingleUnderline); break;
            case MarkStyle::Struck:
                add(from, to, color(Tone::Error), 0.0, QTextCharFormat::NoUnderline);
                selections.last().format.setFontStrikeOut(true);
                break;
            }
        }
    setExtraSelections(selections);
}

void TextPane::setCaretMode(bool on) {
    m_caret = on;
    if (!on) {
        QTextCursor cursor = textCursor();
        cursor.clearSelection();
        setTextCursor(cursor);
    }
    viewport()->update();
}

std::pair<qsizetype, qsizetype> TextPane::selectedSource() const {
    const QTextCursor cursor = textCursor();
    return {m_shown.sourceAt(cursor.selectionStart()), m_shown.sourceAt(cursor.selectionEnd())};
}

void TextPane::selectSource(qsizetype begin, qsizetype end) {
    QTextCursor cursor(document());
    const int last = document()->characterCount() - 1;
    cursor.setPosition(std::clamp(static_cast<int>(m_shown.shownAt(begin)), 0, last));
    cursor.setPosition(std::clamp(static_cast<int>(m_shown.shownAt(end)), 0, last), QTextCursor::KeepAnchor);
    setTextCursor(cursor);
    ensureCursorVisible();
}

qsizetype TextPane::sourceAtTop() const {
    return m_shown.sourceAt(cursorForPosition({0, 0}).position());
}

void TextPane::scrollToSource(qsizetype at) {
    QTextCursor cursor(document());
    cursor.setPosition(std::clamp(static_cast<int>(m_shown.shownAt(at)), 0, document()->characterCount() - 1));
    verticalScrollBar()->setValue(verticalScrollBar()->value() + cursorRect(cursor).top());
}

void TextPane::setTint(const QColor& tint, double strength) {
    m_tint = tint;
    m_tintStrength = strength;
    viewport()->update();
}

void TextPane::setPaintListener(std::function<void(qint64)> listener) {
    m_listener = std::move(listener);
}

int TextPane::columnWidth() const {
    // An average line of text: the mean advance of English letters and spaces.
    const QString sample = u"the quick brown fox jumps over the lazy dog and runs on "_s;
    const QFontMetricsF metrics(textFont(TextStyle::Reading));
    return static_cast<int>(metrics.horizontalAdvance(sample) / static_cast<double>(sample.size()) *
                            px(Size::ReadingChars));
}

void TextPane::updateMargins() {
    const int edge = px(Size::GapL);
    const int spare = std::max(0, width() - 2 * edge - columnWidth());
    setViewportMargins(edge, 0, std::min(spare + edge, std::max(edge, width() - edge - 40)), 0);
}

void TextPane::restyle() {
    document()->setDefaultFont(textFont(TextStyle::Reading));
    setFont(textFont(TextStyle::Reading));
    updateMargins();
}

void TextPane::changeEvent(QEvent* event) {
    QTextEdit::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        drawMarks();
}

void TextPane::resizeEvent(QResizeEvent* event) {
    updateMargins();
    QTextEdit::resizeEvent(event);
}

void TextPane::paintEvent(QPaintEvent* event) {
    QTextEdit::paintEvent(event);
    if (m_caret && hasFocus()) {
        QRect caret = cursorRect();
        caret.setWidth(2 * px(Size::Line));
        QPainter(viewport()).fillRect(caret, color(Tone::Text));
    }
    if (m_listener)
        m_listener(steadyNow());
}

void TextPane::keyPressEvent(QKeyEvent* event) {
    const Qt::KeyboardModifiers held = event->modifiers() & ~Qt::KeypadModifier;
    bool moves = false;
    if (m_caret && (held & ~(Qt::ShiftModifier | Qt::ControlModifier)) == Qt::NoModifier)
        switch (event->key()) {
        case Qt::Key_Left:
        case Qt::Key_Right:
        case Qt::Key_Up:
        case Qt::Key_Down:
        case Qt::Key_Home:
        case Qt::Key_End:
        case Qt::Key_PageUp:
        case Qt::Key_PageDown: moves = true; break;
        default: break;
        }
    if (moves || event == QKeySequence::Copy || event == QKeySequence::SelectAll) {
        QTextEdit::keyPressEvent(event);
        event->accept();
        viewport()->update();
    } else {
        event->ignore(); // Space is a vote and the arrows scroll both panes: the page decides
    }
}

} // namespace pl::ui
