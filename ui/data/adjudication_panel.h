// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>
#include <vector>

#include "core/desk/store/adjudication.h"
#include "ui/label/keys.h"
#include "ui/shell/context.h"
#include "ui/widgets/pair_view.h"

namespace pl::ui {

class DetailTable;
class Preferences;

/// Pairs on which people differ, one after the other, with what each said and not who said it. A vote key only chooses, a digit says
/// why people differed, Enter gives the verdict; it can become gold at once. Keyboard only, nothing modal.
class AdjudicationPanel : public QWidget {
    Q_OBJECT
public:
    explicit AdjudicationPanel(Context& context, const Preferences* preferences = nullptr);
    /// The pairs that wait, the most divided first. The one on screen stays while it is among them.
    void setPairs(const std::vector<desk::Id>& pairs);
    /// Any pair, on the list or not: to make gold by hand.
    void open(desk::Id comparison);
    desk::Id current() const { return m_shown ? m_shown->item.comparison.id : 0; }
    bool aOnLeft() const { return m_aOnLeft; }
    QString votesText() const;
    QString stateText() const;
    DetailTable* list() const { return m_list; }
    KeyStrip* keyStrip() const { return m_strip; }

Q_SIGNALS:
    void shown(qint64 comparison);
    /// It is on disk.
    void decided(qint64 comparison);

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void showEvent(QShowEvent* event) override;

private:
    struct Line {
        desk::Id pair = 0;
        std::string votes, prompt;
    };
    struct Shown {
        desk::LabelItem item;
        std::vector<desk::AnonymousVote> votes;
        bool decided = false;
    };
    bool take(int key, Qt::KeyboardModifiers modifiers);
    void load();
    void show(Shown shown);
    void give();
    void undo();
    void refresh();
    /// Every key of now in words: what the strip has no room for.
    void sayKeys();
    void say(const QString& text, Tone tone = Tone::Second);
    QVariant cell(int row, int column, int role) const;

    Context& m_context;
    KeyMap m_keys;
    std::vector<desk::Id> m_pairs;
    std::vector<Line> m_lines;
    DetailTable* m_list;
    QWidget* m_work;
    class QStackedWidget* m_stack;
    class EmptyState* m_empty;
    PairView* m_view;
    TextLabel *m_votes, *m_state;
    KeyStrip* m_strip;
    std::optional<Shown> m_shown;
    std::optional<SideVote> m_choice;
    std::optional<desk::Cause> m_cause;
    bool m_gold = false, m_aOnLeft = true, m_saving = false, m_filling = false, m_stale = false;
    desk::Id m_wanted = 0;
};

} // namespace pl::ui
