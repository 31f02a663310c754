// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include <QWidget>

#include "core/desk/stats/quality.h"
#include "ui/shell/context.h"

class QStackedWidget;
class QThreadPool;
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

/// What the votes of the task are worth: agreement, biases, people, models. Read from the store in steps between which votes go, computed
/// off the GUI and the store's thread; what was read is kept, so that while it is on screen it follows every vote within a second. Until a
/// large project has been read it shows what votes say by themselves, and how far it is.
class QualityPanel : public QWidget {
    Q_OBJECT
public:
    enum View { Figures, Disputed, Doubtful };
    explicit QualityPanel(Context& context, const Preferences* preferences = nullptr);
    ~QualityPanel() override;
    /// From so many rows to read on, what votes say by themselves is shown first, and how far the reading is.
    void setManyRows(int64_t rows) { m_manyRows = rows; }
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
    void resampled();
    /// A pair on which people disagree, or one of a cycle, is to be looked at.
    void pairWanted(qint64 comparison);
    void promptWanted(qint64 prompt);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void compute();
    void step();
    void finished();
    void stopped(const Error& error);
    /// Intervals of the ratings by resampling: seconds on a thread of low priority, given up as soon as a newer look begins.
    void bootstrap();
    void showModels();
    /// Runs `work` on another thread, shows what it returns, if anything, and goes on.
    void elsewhere(std::function<std::optional<desk::QualityReport>()> work, void (QualityPanel::*then)());
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
    std::shared_ptr<desk::FactReader> m_reader = std::make_shared<desk::FactReader>(); ///< while m_running it is another thread's
    desk::QualityOptions m_options; ///< of the report that is being made
    QThreadPool* m_resampling;
    std::shared_ptr<std::atomic<bool>> m_superseded = std::make_shared<std::atomic<bool>>(false); ///< of the bootstrap that runs
    int64_t m_manyRows = 20'000;
    size_t m_nextDisputed = 0, m_nextCycle = 0;
    bool m_stale = true, m_running = false;
};

} // namespace pl::ui
