// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <optional>
#include <utility>

#include <QHash>
#include <QList>
#include <QObject>
#include <QPointer>

#include "core/desk/domain/text_marks.h"
#include "ui/label/answer_editor.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/pair_view.h"

namespace pl::ui {

/// What is done inside an answer instead of voting on the pair: rewriting it, marking stretches, marking its first wrong step. One
/// tool at a time, in the panes of the view; while it is on it has the keys. Marks belong to the pair until its vote is given, with
/// which they are stored; what was written and not saved stays for the sitting.
class AnswerTools : public QObject {
    Q_OBJECT
public:
    enum class Tool { None, ChooseSide, Edit, Spans, Steps };
    AnswerTools(PairView* view, QObject* parent);

    /// Which vote is asked for: the comparison; 0 for its own, else the repeats of a sitting, each another number. A hidden repeat
    /// begins without the marks of the vote before it.
    using Shown = std::pair<qint64, int>;
    /// A pair of texts is shown; `given`: the marks of its vote, if it has one. Of a pair of images: comparison 0. Marks of a form that is
    /// not this program's are not drawn; they stay the vote's until others are put.
    void showPair(Shown shown, bool aOnLeft, const Json& given);
    Shown shown() const { return m_shown; }
    Tool tool() const { return m_tool; }
    bool isOn() const { return m_tool != Tool::None; }
    /// Edit without a side asks for it first. Says why when there is nothing to do it on.
    void start(Tool tool, std::optional<Side> side = {});
    /// Esc: what is written and marked stays.
    void leave();
    /// A key while a tool is on; false: the page may have it (help and guideline).
    bool key(int key, Qt::KeyboardModifiers modifiers);
    QList<KeyHint> hints() const;
    /// The marks as they are stored with a vote, in content space.
    Json payload() const;
    /// The answer that the tool is on.
    Side side() const { return m_side; }
    AnswerEditor* editor() const { return m_editor; }

    /// What became of an edit that edited() asked to store.
    void editSaved(Shown shown, bool ofA);
    void editFailed();

Q_SIGNALS:
    void changed(); ///< tool, keys or marks
    void left();    ///< the focus goes back to the page
    void edited(pl::ui::Side side, const QString& text);
    void said(pl::ui::State state, const QString& words);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    struct Kept {
        std::array<desk::AnswerMarks, 2> marks; ///< a, b: a pair that comes back may have its sides swapped
        std::array<QString, 2> written;         ///< null: nothing
    };
    Kept& kept() { return m_kept[m_shown]; }
    size_t contentOf(Side side) const { return (side == Side::A) == m_aOnLeft ? 0 : 1; }
    desk::AnswerMarks& marks(Side side) { return kept().marks[contentOf(side)]; }
    QString& written(Side side) { return kept().written[contentOf(side)]; }
    QString name(Side side) const { return side == Side::A ? QStringLiteral("A") : QStringLiteral("B"); }
    void openEditor(Side side);
    void commit();
    void take(Side side);
    bool spanKey(int key);
    bool stepKey(int key);
    void markSpan(desk::SpanLabel label);
    void markStep(std::optional<int64_t> wrong);
    std::optional<desk::TextSteps> stepsOf(Side side) const;
    void refresh();

    PairView* m_view;
    Tool m_tool = Tool::None;
    Side m_side = Side::A;
    QPointer<AnswerEditor> m_editor;
    Shown m_shown;
    bool m_aOnLeft = true, m_saving = false;
    int64_t m_step = 0;
    Json m_unread; ///< the vote's marks, of a form that cannot be drawn
    QHash<Shown, Kept> m_kept;
    TextView m_viewBefore = TextView::Raw;
    bool m_foldedBefore = false;
};

} // namespace pl::ui
