// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "core/desk/store/rankings.h"
#include "ui/label/rank_order.h"
#include "ui/shell/context.h"
#include "ui/widgets/key_strip.h"

class QStackedWidget;

namespace pl::ui {

class KeySheet;
class RankView;
class TextPane;

/// Sets of answers put into an order by typing letters from best to worst; the keys are its own, so that a letter never meets a
/// vote on a pair. The last letter gives the vote, and the next set is there. Part of the Label page.
class RankPage : public QWidget {
    Q_OBJECT
public:
    explicit RankPage(Context& context, QWidget* parent = nullptr);
    /// To the front: sets that are open are read again.
    void activate();
    enum class Mode { Loading, Set, Empty, Done };
    Mode mode() const { return m_mode; }
    desk::Id currentComparison() const;
    const RankOrder& order() const { return m_order; }
    /// place -> member of the set on screen.
    const std::vector<size_t>& shown() const { return m_item->shown; }
    RankView* view() const { return m_view; }
    KeyStrip* keyStrip() const { return m_strip; }
    /// Opened by ?; any key closes it.
    KeySheet* keySheet() const { return m_sheet; }
    QString orderText() const;
    bool isSaving() const { return m_saving; }
    bool takesVotes() const { return m_mode == Mode::Set && !m_saving && m_paintedAt > 0 && !tooFast(); }
    void setGuardMs(int ms) { m_guardMs = ms; }
    /// A key of the page; false: not one of its own.
    bool handleKey(int key, Qt::KeyboardModifiers modifiers);

Q_SIGNALS:
    void saved(qint64 comparison);
    /// Escape: back to pairs.
    void left();

protected:
    void keyPressEvent(QKeyEvent* event) override;

private:
    desk::Project::NextOptions options(size_t limit) const;
    void refill();
    void advance();
    void showSet(desk::RankItem item, const std::optional<desk::Ranking>& given);
    void setMode(Mode mode);
    void take(RankOrder::Step step);
    void submit(bool skip = false);
    void undo(bool redo);
    void makeSets();
    void refresh();
    bool tooFast() const;
    void problem(const QString& text);
    void showKeys();

    Context& m_context;
    QStackedWidget* m_stack;
    QWidget* m_setPage;
    TextLabel *m_question, *m_left, *m_words;
    QFrame* m_promptBox;
    TextPane* m_prompt;
    Banner* m_banner;
    RankView* m_view;
    KeyStrip* m_strip;
    KeySheet* m_sheet;
    EmptyState* m_empty;
    Mode m_mode = Mode::Loading;
    std::deque<desk::RankItem> m_ready;
    std::optional<desk::RankItem> m_item;
    std::shared_ptr<desk::Id> m_presentation;
    RankOrder m_order;
    bool m_undone = false; ///< the set on screen had its order before
    bool m_fetching = false, m_saving = false;
    int64_t m_remaining = 0;
    int m_guardMs = 150, m_serial = 0;
    qint64 m_shownAt = 0, m_paintedAt = 0;
};

} // namespace pl::ui
