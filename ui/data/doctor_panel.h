// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>

#include <QWidget>

#include "core/desk/runs/scoring.h"
#include "ui/shell/context.h"

class QStackedWidget;
class QTimer;

namespace pl::ui {

class DetailTable;

/// The label doctor: votes that reward models which were not trained on them hold for wrong, the most doubtful first; chosen ones are sent
/// back for a second look.
class DoctorPanel : public QWidget {
    Q_OBJECT
public:
    explicit DoctorPanel(Context& context);
    DetailTable* table() const { return m_table; }
    QString stateText() const;
    const std::optional<desk::DoctorReport>& report() const { return m_report; }
    /// Looks again when it is (or comes) on screen.
    void invalidate();

public Q_SLOTS:
    /// Trains and scores with the usual parameters.
    void check();
    /// The selected rows.
    void sendBack();

Q_SIGNALS:
    void loaded();
    void pairWanted(qint64 comparison);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void load();
    QVariant cell(int row, int column, int role) const;

    Context& m_context;
    QStackedWidget* m_stack;
    class EmptyState* m_empty;
    TextLabel* m_state;
    QPushButton *m_check, *m_send;
    DetailTable* m_table;
    QTimer* m_timer;
    std::optional<desk::DoctorReport> m_report;
    std::map<desk::Id, QString> m_names;
    bool m_stale = true;
};

} // namespace pl::ui
