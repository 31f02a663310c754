// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>

#include <QWidget>

#include "core/desk/stats/quality.h"
#include "ui/shell/context.h"

class QStackedWidget;
class QTimer;

namespace pl::ui {

class AdjudicationPanel;
class Banner;
class DetailPanel;
class DetailTable;
class DoctorPanel;
class EmptyState;
class Preferences;
class SegmentedControl;
class Tile;

/// What the votes of the task are worth: agreement, biases, people, models. Computed off the GUI and the store's thread from a copy
/// of the votes; while it is on screen, again within a second of every vote.
class QualityPanel : public QWidget {
    Q_OBJECT
public:
    enum View { Figures, Disputed, Doubtful };
    explicit QualityPanel(Context& context, const Preferences* preferences = nullptr);
    void setView(View view);
    AdjudicationPanel* adjudication() const { return m_adjudication; }
    DoctorPanel* doctor() const { return m_doctor; }
    bool isEmptyShown() const;
    /// To whatever takes the keys in the view that is on.
    void takeFocus();
    /// The votes have changed: compute when (or as soon as) it is on screen.
    void invalidate();
    DetailTable* people() const { return m_people; }
    DetailTable* models() const { return m_models; }
    const std::optional<desk::QualityReport>& report() const { return m_report; }

Q_SIGNALS:
    void computed();
    /// A pair on which people disagree, or one of a cycle, is to be looked at.
    void pairWanted(qint64 comparison);
    void promptWanted(qint64 prompt);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void compute();
    void show(desk::QualityReport report);
    void showPerson(int row);
    QVariant personCell(int row, int column, int role) const;
    QVariant modelCell(int row, int column, int role) const;

    Context& m_context;
    SegmentedControl* m_view;
    QStackedWidget *m_stack, *m_figures;
    EmptyState* m_empty;
    AdjudicationPanel* m_adjudication;
    DoctorPanel* m_doctor;
    TextLabel* m_strata;
    Tile *m_agreement, *m_decided, *m_strength, *m_left, *m_consistency, *m_longer, *m_gold;
    TextLabel *m_power, *m_modelNote;
    ElidedLabel* m_state;
    LinkButton *m_disputed, *m_cycles;
    DetailTable *m_people, *m_models;
    DetailPanel* m_detail;
    QTimer* m_timer;
    std::optional<desk::QualityReport> m_report;
    size_t m_nextDisputed = 0, m_nextCycle = 0;
    bool m_stale = true, m_running = false;
};

} // namespace pl::ui
