// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>

#include <QObject>
#include <QString>

#include "core/desk/runs/actions.h"
#include "core/desk/store/stepped_backup.h"
#include "ui/shell/context.h"

class QTimer;

namespace pl::ui {

/// How a project comes to be.
struct WorkspaceRequest {
    enum class Kind { Open, Starter, Model, Empty, Package };
    Kind kind = Kind::Open;
    QString dir;
    desk::Starter starter = desk::Starter::Text; ///< Kind::Starter: texts or images
    QString model;      ///< Kind::Model: a Hugging Face folder, copied as "start"; Kind::Package: the package's file
    QString personName; ///< who labels
    desk::SupervisorOptions supervisor;
    desk::ProjectOptions project;
};

/// One open project with everything that works on it: the store on its thread, the supervisor, the context pages are given.
/// Closing lets runs go on.
class Workspace : public QObject {
    Q_OBJECT
public:
    /// A project opened or made, not yet on its thread. Slow (checks, copies): any thread.
    static Result<desk::Project> prepare(const WorkspaceRequest& request);
    /// Takes the project over; on the GUI thread.
    static Result<std::unique_ptr<Workspace>> start(desk::Project project, const WorkspaceRequest& request);
    /// prepare() and start().
    static Result<std::unique_ptr<Workspace>> open(const WorkspaceRequest& request);
    ~Workspace() override;

    Context& context() { return *m_context; }
    const desk::Counters& counters() const { return m_counters; }
    /// Ends the session and closes the store; runs go on. Waits for what is being written.
    Status close();
    /// Bytes of the project folder, measured off the GUI thread; -1 before the first answer.
    qint64 bytesUsed() const { return m_bytes; }

Q_SIGNALS:
    void measured(qint64 bytes);

private:
    explicit Workspace(desk::Project project);
    void onChange(desk::Change change);
    void flushChanges();
    void onRun(const desk::RunInfo& info, const std::vector<Event>& events);
    void serveOrders();
    void reloadTask();
    void measure();

    Signals m_signals;
    std::unique_ptr<desk::StoreThread> m_store;
    std::unique_ptr<desk::Supervisor> m_supervisor;
    std::unique_ptr<Context> m_context;
    desk::Counters m_counters;
    std::set<desk::Change> m_changes;
    QTimer* m_flush;
    QTimer* m_minute;
    QTimer* m_backupStep;
    std::unique_ptr<desk::SteppedBackup> m_backup; ///< touched on the store's thread only
    bool m_serving = false;
    bool m_closed = false;
    qint64 m_bytes = -1;
    QString m_orderError;
};

} // namespace pl::ui
