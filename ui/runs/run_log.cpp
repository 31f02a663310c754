// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_log.h"

#include <QPointer>
#include <QThreadPool>

#include "core/base/os/files.h"

namespace pl::ui {

RunLog::RunLog(QObject* parent) : QObject(parent) {}
RunLog::~RunLog() = default;

void RunLog::want(const QString& name, const std::string& dir) {
    if (m_entries.contains(name))
        return;
    m_entries[name].dir = dir;
    // The application object outlives every page; the guard says whether this log still lives.
    QThreadPool::globalInstance()->start([name, dir, guard = QPointer<RunLog>(this), self = this] {
        auto series = std::make_shared<RunSeries>();
        EventReader reader(os::joinPath(dir, "events.jsonl"));
        for (;;) {
            const auto events = reader.poll(5000);
            if (!events || events->empty())
                break;
            series->apply(*events, dir);
        }
        QMetaObject::invokeMethod(
            QCoreApplication::instance(),
            [name, guard, self, series] {
                if (!guard)
                    return;
                const auto it = self->m_entries.find(name);
                if (it == self->m_entries.end())
                    return;
                series->apply(it->second.waiting, it->second.dir);
                it->second.waiting.clear();
                it->second.series = series;
                Q_EMIT self->loaded(name);
            },
            Qt::QueuedConnection);
    });
}

void RunLog::live(const desk::RunInfo& info, const std::vector<Event>& events) {
    const QString name = QString::fromStdString(info.name);
    const auto it = m_entries.find(name);
    if (it == m_entries.end() || events.empty())
        return;
    if (!it->second.series) {
        it->second.waiting.insert(it->second.waiting.end(), events.begin(), events.end());
        return;
    }
    if (it->second.series->apply(events, it->second.dir) > 0)
        Q_EMIT grown(name);
}

const RunSeries* RunLog::find(const QString& name) const {
    const auto it = m_entries.find(name);
    return it == m_entries.end() ? nullptr : it->second.series.get();
}

bool RunLog::isLoading(const QString& name) const {
    const auto it = m_entries.find(name);
    return it != m_entries.end() && !it->second.series;
}

} // namespace pl::ui
