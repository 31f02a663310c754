// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <QObject>
#include <QString>

#include "core/desk/runs/supervisor.h"
#include "ui/runs/run_series.h"

namespace pl::ui {

/// The curves of the runs a page looks at: history is read from events.jsonl on a worker thread, live events are added as they
/// come (those that arrive while the history is read wait for it). GUI thread only.
class RunLog : public QObject {
    Q_OBJECT
public:
    explicit RunLog(QObject* parent = nullptr);
    ~RunLog() override;

    /// Reads the history unless it is there or on its way.
    void want(const QString& name, const std::string& dir);
    /// For every run, wanted or not; events of runs nobody asked for are dropped.
    void live(const desk::RunInfo& info, const std::vector<Event>& events);
    /// Null until read.
    const RunSeries* find(const QString& name) const;
    bool isLoading(const QString& name) const;

Q_SIGNALS:
    /// The history is there.
    void loaded(const QString& name);
    /// New events were added.
    void grown(const QString& name);

private:
    struct Entry {
        std::string dir;
        std::shared_ptr<RunSeries> series; ///< null while loading
        std::vector<Event> waiting;
    };
    std::map<QString, Entry> m_entries;
};

} // namespace pl::ui
