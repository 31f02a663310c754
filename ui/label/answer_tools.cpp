// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/answer_tools.h"

#include <algorithm>
#include <utility>

#include <QKeyEvent>

#include "ui/shell/context.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::SpanLabel;

namespace {

Side other(Side side) {
    return side == Side::A ? Side::B : Side::A;
}
MarkStyle styleOf(SpanLabel label) {
    return label == SpanLabel::Good ? MarkStyle::Good : label == SpanLabel::Bad ? MarkStyle::Bad : MarkStyle::Neutral;
}
bool movesCaret(int key) {
    return key == Qt::Key_Left || key == Qt::Key_Right || key == Qt::Key_Up || key == Qt::Key_Down || key == Qt::Key_Home ||
           key == Qt::Key_End || key == Qt::Key_PageUp || key == Qt::Key_PageDown;
}

} // namespace

AnswerTools::AnswerTools(PairView* view, QObject* parent) : QObject(parent), m_view(view) {
    for (const Side side : {Side::A, Side::B})
        m_view->pane(side)->installEventFilter(this);
}

void AnswerTools::showPair(Shown shown, bool aOnLeft, const Json& given) {
    leave();
    m_shown = shown;
    m_aOnLeft = aOnLeft;
    m_unread = {};
    if (!m_shown.first) {
        m_unread = given;
        return;
    }
    if (!given.is_null()) {
        const Side a = aOnLeft ? Side::A : Side::B;
        if (const auto read = desk::marksOf(given, sstr(m_view->sourceText(a)), sstr(m_view->sourceText(other(a))))) {
            if (!m_kept.contains(m_shown))
                kept().marks = *read;
        } else {
            m_unread = given;
        }
    }
    refresh();
}

Json AnswerTools::payload() const {
    const Kept kept = m_kept.value(m_shown);
    if (!m_shown.first || (kept.marks[0].empty() && kept.marks[1].empty()))
        return m_unread;
    const Side a = m_aOnLeft ? Side::A : Side::B;
    return desk::marksPayload(kept.marks[0], sstr(m_view->sourceText(a)), kept.marks[1], sstr(m_view->sourceText(other(a))));
}

std::optional<desk::TextSteps> AnswerTools::stepsOf(Side side) const {
    return desk::splitSteps(sstr(m_view->sourceText(side)));
}

// --- on and off ----------------------------------------------------------------------------------------------------

void AnswerTools::start(Tool tool, std::optional<Side> wanted) {
    leave();
    if (!m_shown.first)
        return Q_EMIT said(State::Info, u"Only answers in text are edited and marked"_s);
    if (tool == Tool::Edit) {
        if (wanted)
            return openEditor(*wanted);
        m_tool = Tool::ChooseSide;
        return Q_EMIT changed();
    }
    Side side = wanted.value_or(m_view->pane(Side::B)->textCursor().hasSelection() ? Side::B : Side::A);
    if (tool == Tool::Steps) {
        if (!stepsOf(side) && !m_view->alone())
            side = other(side);
        if (!stepsOf(side))
            return Q_EMIT said(State::Info, m_view->alone() ? u"This answer has no steps: it is a single line"_s
                                                            : u"Neither answer has steps: each is a single line"_s);
    }
    // Marks are of the raw text, all of it.
    m_viewBefore = m_view->view();
    m_foldedBefore = m_view->isFolded();
    m_view->setView(TextView::Raw);
    m_view->setFolded(false);
    m_tool = tool;
    take(side);
}

void AnswerTools::leave() {
    const Tool before = std::exchange(m_tool, Tool::None);
    if (before == Tool::None)
        return;
    if (before == Tool::Edit && m_editor) {
        written(m_side) = m_editor->isChanged() ? m_editor->written() : QString();
        m_view->setCover(m_side, nullptr);
        m_editor = nullptr;
    }
    m_saving = false;
    if (before == Tool::Spans || before == Tool::Steps) {
        for (const Side side : {Side::A, Side::B})
            m_view->pane(side)->setCaretMode(false);
        m_view->setFolded(m_foldedBefore);
        m_view->setView(m_viewBefore);
    }
    refresh();
    Q_EMIT left();
}

void AnswerTools::take(Side side) {
    if (m_view->alone().value_or(side) != side)
        return Q_EMIT said(State::Info, u"One answer at a time: only this one is shown"_s);
    if (m_tool == Tool::Steps && !stepsOf(side)) {
        Q_EMIT said(State::Info, u"Answer %1 has no steps: it is a single line"_s.arg(name(side)));
        return;
    }
    const bool spans = m_tool == Tool::Spans;
    m_side = side;
    m_view->pane(other(side))->setCaretMode(false);
    if (spans)
        m_view->pane(side)->setCaretMode(true);
    const desk::AnswerMarks& given = marks(side);
    m_step = given.steps && given.firstWrong >= 0 ? given.firstWrong : 0;
    m_view->pane(side)->setFocus();
    refresh();
}

// --- editing -------------------------------------------------------------------------------------------------------

void AnswerTools::openEditor(Side side) {
    m_tool = Tool::Edit;
    m_side = side;
    m_editor = new AnswerEditor(m_view->sourceText(side), written(side),
                                u"Answer %1, being edited"_s.arg(name(side)));
    connect(m_editor, &AnswerEditor::committed, this, &AnswerTools::commit);
    connect(m_editor, &AnswerEditor::left, this, &AnswerTools::leave);
    m_view->setCover(side, m_editor);
    m_editor->setFocus();
    refresh();
}

void AnswerTools::commit() {
    if (!m_editor || m_saving)
        return;
    if (!m_editor->isChanged())
        return Q_EMIT said(State::Warning, u"Nothing is changed in answer %1: Esc leaves it"_s.arg(name(m_side)));
    m_saving = true;
    m_editor->setReadOnly(true);
    Q_EMIT edited(m_side, m_editor->written());
}

void AnswerTools::editSaved(Shown shown, bool ofA) {
    m_kept[shown].written[ofA ? 0 : 1] = QString();
    if (shown != m_shown || m_tool != Tool::Edit || (contentOf(m_side) == 0) != ofA)
        return refresh();
    m_view->setCover(m_side, nullptr);
    m_editor = nullptr;
    leave();
}

void AnswerTools::editFailed() {
    m_saving = false;
    if (m_editor) {
        m_editor->setReadOnly(false);
        m_editor->setFocus();
    }
}

// --- marking -------------------------------------------------------------------------------------------------------

void AnswerTools::markSpan(SpanLabel label) {
    TextPane* pane = m_view->pane(m_side);
    QTextCursor cursor = pane->textCursor();
    if (!cursor.hasSelection()) { // the word that the caret is in
        cursor.select(QTextCursor::WordUnderCursor);
        pane->setTextCursor(cursor);
    }
    const auto [begin, end] = pane->selectedSource();
    const QString text = m_view->sourceText(m_side);
    const desk::TextSpan span{codePointsBefore(text, begin), codePointsBefore(text, end), label};
    if (span.begin >= span.end)
        return Q_EMIT said(State::Info, u"Nothing is selected: hold Shift and move the caret"_s);
    desk::setSpan(marks(m_side).spans, span);
    pane->selectSource(end, end);
    refresh();
}

bool AnswerTools::spanKey(int key) {
    switch (key) {
    case Qt::Key_G:
    case Qt::Key_1: markSpan(SpanLabel::Good); return true;
    case Qt::Key_B:
    case Qt::Key_2: markSpan(SpanLabel::Bad); return true;
    case Qt::Key_N:
    case Qt::Key_3: markSpan(SpanLabel::Neutral); return true;
    case Qt::Key_0:
    case Qt::Key_Backspace:
    case Qt::Key_Delete: {
        const auto [begin, end] = m_view->pane(m_side)->selectedSource();
        const QString text = m_view->sourceText(m_side);
        if (!desk::clearSpans(marks(m_side).spans, codePointsBefore(text, begin), codePointsBefore(text, end)))
            Q_EMIT said(State::Info, u"There is no mark at the caret"_s);
        refresh();
        return true;
    }
    default: return false;
    }
}

void AnswerTools::markStep(std::optional<int64_t> wrong) {
    const auto steps = stepsOf(m_side);
    const auto count = static_cast<int64_t>(steps->ranges.size());
    if (wrong && *wrong >= count)
        return Q_EMIT said(State::Info, u"Answer %1 has %2 steps"_s.arg(name(m_side)).arg(count));
    desk::AnswerMarks& said = marks(m_side);
    said.steps = steps;
    said.firstWrong = wrong.value_or(-1);
    if (wrong)
        m_step = *wrong;
    refresh();
}

bool AnswerTools::stepKey(int key) {
    const auto steps = stepsOf(m_side);
    const auto count = static_cast<int64_t>(steps ? steps->ranges.size() : 0);
    switch (key) {
    case Qt::Key_Up: m_step = std::max<int64_t>(0, m_step - 1); break;
    case Qt::Key_Down: m_step = std::min(count - 1, m_step + 1); break;
    case Qt::Key_Home: m_step = 0; break;
    case Qt::Key_End: m_step = count - 1; break;
    case Qt::Key_Return:
    case Qt::Key_Enter: markStep(m_step); return true;
    case Qt::Key_0: markStep({}); return true;
    case Qt::Key_Backspace:
    case Qt::Key_Delete:
        marks(m_side).steps.reset();
        marks(m_side).firstWrong = -1;
        break;
    default:
        if (key < Qt::Key_1 || key > Qt::Key_9)
            return false;
        markStep(key - Qt::Key_1);
        return true;
    }
    refresh();
    return true;
}

bool AnswerTools::key(int key, Qt::KeyboardModifiers modifiers) {
    if (m_tool == Tool::None || key == Qt::Key_Question || (key >= Qt::Key_F1 && key <= Qt::Key_F35) ||
        (modifiers & Qt::AltModifier))
        return false;
    if (m_tool == Tool::ChooseSide) {
        if (key == Qt::Key_A || key == Qt::Key_Left || key == Qt::Key_B || key == Qt::Key_Right)
            openEditor(key == Qt::Key_A || key == Qt::Key_Left ? Side::A : Side::B);
        else
            leave();
        return true;
    }
    if (key == Qt::Key_Escape) {
        leave();
        return true;
    }
    if (m_tool == Tool::Edit) { // the strip's words clicked, or the focus is elsewhere
        if (key == Qt::Key_Return || key == Qt::Key_Enter)
            commit();
        else if (m_editor)
            m_editor->setFocus();
        return true;
    }
    if (key == Qt::Key_Tab || key == Qt::Key_Backtab) {
        take(other(m_side));
        return true;
    }
    if ((modifiers & Qt::ControlModifier) == 0 && (m_tool == Tool::Spans ? spanKey(key) : stepKey(key)))
        return true;
    if (m_tool == Tool::Spans && movesCaret(key))
        m_view->pane(m_side)->setFocus(); // it was elsewhere: the next one moves
    else
        Q_EMIT said(State::Info, u"Not while answers are marked: Esc goes back to the votes"_s);
    return true;
}

bool AnswerTools::eventFilter(QObject* watched, QEvent* event) {
    if (m_tool != Tool::Spans && m_tool != Tool::Steps)
        return false;
    const Side side = watched == m_view->pane(Side::A) ? Side::A : Side::B;
    if (event->type() == QEvent::FocusIn && side != m_side)
        take(side);
    if (event->type() != QEvent::KeyPress)
        return false;
    const auto* press = static_cast<QKeyEvent*>(event);
    const bool moves = movesCaret(press->key());
    if (m_tool == Tool::Spans && (moves || press->matches(QKeySequence::SelectAll) || press->matches(QKeySequence::Copy)))
        return false; // the pane's own
    switch (press->key()) {
    case Qt::Key_Shift:
    case Qt::Key_Control:
    case Qt::Key_Alt:
    case Qt::Key_AltGr:
    case Qt::Key_Meta: return false;
    default: break;
    }
    if (press->isAutoRepeat() && !moves)
        return true;
    return key(press->key(), press->modifiers());
}

// --- what is shown ---------------------------------------------------------------------------------------------------

void AnswerTools::refresh() {
    if (m_shown.first) {
        const Kept now = m_kept.value(m_shown);
        for (const Side side : {Side::A, Side::B}) {
            const size_t i = contentOf(side);
            const desk::AnswerMarks& said = now.marks[i];
            const QString text = m_view->sourceText(side);
            QList<TextMark> drawn;
            QStringList words;
            const auto add = [&](int64_t begin, int64_t end, MarkStyle style) {
                drawn.append({utf16Of(text, begin), utf16Of(text, end), style});
            };
            const bool stepping = m_tool == Tool::Steps && side == m_side;
            const auto steps = stepping ? stepsOf(side) : said.steps;
            if (steps) {
                const auto count = static_cast<int64_t>(steps->ranges.size());
                for (int64_t step = 0; step < count; ++step) {
                    const auto& range = steps->ranges[static_cast<size_t>(step)];
                    const bool wrong = said.steps && step == said.firstWrong;
                    const bool right = said.steps && (said.firstWrong < 0 || step < said.firstWrong);
                    if (wrong)
                        add(range[0], range[1], MarkStyle::Wrong);
                    else if (stepping && step == m_step)
                        add(range[0], range[1], MarkStyle::Current);
                    else if (stepping && right)
                        add(range[0], range[1], MarkStyle::Done);
                }
                if (stepping)
                    words.append(u"step %1 of %2"_s.arg(m_step + 1).arg(count));
                if (said.steps)
                    words.append(said.firstWrong < 0 ? u"all %1 steps right"_s.arg(count)
                                                     : u"first wrong: step %1 of %2"_s.arg(said.firstWrong + 1).arg(count));
                if (stepping) {
                    const auto& range = steps->ranges[static_cast<size_t>(m_step)];
                    const qsizetype at = utf16Of(text, range[0]);
                    m_view->pane(side)->selectSource(at, at); // brings it into sight
                }
            }
            for (const desk::TextSpan& span : said.spans)
                add(span.begin, span.end, styleOf(span.label));
            if (!said.spans.empty())
                words.append(said.spans.size() == 1 ? u"1 mark"_s : u"%1 marks"_s.arg(said.spans.size()));
            if (!m_unread.is_null() && side == Side::A)
                words.append(u"marks of another form, not drawn"_s);
            if (m_tool == Tool::Spans && side == m_side)
                words.prepend(u"marking"_s);
            if (m_tool == Tool::Edit && side == m_side)
                words.append(u"editing"_s);
            else if (!now.written[i].isNull())
                words.append(u"edit not saved"_s);
            m_view->pane(side)->setMarks(drawn);
            m_view->setNote(side, words.join(u", "_s));
        }
    }
    Q_EMIT changed();
}

QList<KeyHint> AnswerTools::hints() const {
    QList<KeyHint> out;
    const auto add = [&](const QString& key, const QString& words, int group, int code, int side = 0) {
        out.append({key, words, group, side, code});
    };
    switch (m_tool) {
    case Tool::None: break;
    case Tool::ChooseSide:
        add(u"A"_s, u"edit A"_s, 0, Qt::Key_A, 1);
        add(u"B"_s, u"edit B"_s, 0, Qt::Key_B, 2);
        add(u"Esc"_s, u"no edit"_s, 1, Qt::Key_Escape);
        break;
    case Tool::Edit:
        add(u"Ctrl+Enter"_s, u"save as a new answer, better than this one"_s, 0, Qt::Key_Return);
        add(u"Esc"_s, u"leave, what is written stays"_s, 1, Qt::Key_Escape);
        break;
    case Tool::Spans:
        add(u"Shift+← →"_s, u"select"_s, 0, 0);
        add(u"G"_s, u"good"_s, 1, Qt::Key_G);
        add(u"B"_s, u"bad"_s, 1, Qt::Key_B);
        add(u"N"_s, u"neutral"_s, 1, Qt::Key_N);
        add(u"Backspace"_s, u"remove"_s, 1, Qt::Key_Backspace);
        if (!m_view->alone())
            add(u"Tab"_s, u"answer %1"_s.arg(name(other(m_side))), 2, Qt::Key_Tab, m_side == Side::A ? 2 : 1);
        add(u"Esc"_s, u"done"_s, 3, Qt::Key_Escape);
        break;
    case Tool::Steps:
        add(u"↑ ↓"_s, u"step"_s, 0, 0);
        add(u"Enter"_s, u"first wrong"_s, 1, Qt::Key_Return);
        add(u"1…9"_s, u"that step"_s, 1, 0);
        add(u"0"_s, u"all right"_s, 1, Qt::Key_0);
        add(u"Backspace"_s, u"remove"_s, 1, Qt::Key_Backspace);
        if (!m_view->alone())
            add(u"Tab"_s, u"answer %1"_s.arg(name(other(m_side))), 2, Qt::Key_Tab, m_side == Side::A ? 2 : 1);
        add(u"Esc"_s, u"done"_s, 3, Qt::Key_Escape);
        break;
    }
    return out;
}

} // namespace pl::ui
