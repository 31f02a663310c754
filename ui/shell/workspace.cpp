// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/workspace.h"

#include <utility>

#include <QFileInfo>
#include <QThreadPool>
#include <QTimer>

#include <fmt/format.h>

#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/desk/runs/scoring.h"
#include "core/desk/store/packages.h"
#include "ui/shell/annotator.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kCoalesceMs = 40;
constexpr int kHousekeepingMs = 60'000;
constexpr int kBackupStepMs = 40; ///< between two steps of a few milliseconds
constexpr int kFirstBackupMs = 3000; ///< the window is up by then
} // namespace

QString mediaFile(const Context& context, const std::string& sha) {
    const bool hex = sha.size() == 64 && sha.find_first_not_of("0123456789abcdef") == std::string::npos;
    return hex ? u"%1/media/%2/%3"_s.arg(context.projectDir, qstr(sha.substr(0, 2)), qstr(sha)) : QString();
}

Result<desk::Project> Workspace::prepare(const WorkspaceRequest& request) {
    const std::string dir = os::absolutePath(sstr(request.dir));
    desk::ProjectOptions options = request.project;
    options.program = "pairlab";
    if (request.kind == WorkspaceRequest::Kind::Open)
        return desk::Project::open(dir, options);
    if (request.kind == WorkspaceRequest::Kind::Package)
        return desk::openPackage(sstr(request.model), dir, options);
    PL_TRY(desk::Project project, desk::Project::create(dir, options));
    if (request.kind == WorkspaceRequest::Kind::Starter)
        PL_CHECK(desk::addStarter(project, request.starter));
    if (request.kind == WorkspaceRequest::Kind::Model) {
        PL_TRY([[maybe_unused]] std::string name, desk::addModel(project, sstr(request.model), "start"));
    }
    return project;
}

Workspace::Workspace(desk::Project project) : m_flush(new QTimer(this)), m_minute(new QTimer(this)), m_backupStep(new QTimer(this)) {
    m_store = std::make_unique<desk::StoreThread>(std::move(project));
    m_flush->setSingleShot(true);
    m_flush->setInterval(kCoalesceMs);
    connect(m_flush, &QTimer::timeout, this, &Workspace::flushChanges);
    m_minute->setInterval(kHousekeepingMs);
    // Of the store's thread. A project that was found damaged is not copied over its good backups again.
    const auto damaged = std::make_shared<QString>();
    const auto tell = [this, damaged] {
        QMetaObject::invokeMethod(this, [this, text = *damaged] { Q_EMIT m_signals.message(State::Failed, text); }, Qt::QueuedConnection);
    };
    // Tried again every minute: a disk that is full is told of once, until a backup is made again.
    const auto told = std::make_shared<bool>(false);
    const auto failed = [this, damaged, told, tell](const Error& error) {
        log::warn("backup: {}", error.toString());
        if (error.code == Code::Corrupt) {
            *damaged = errorText(error);
            tell();
        } else if (!std::exchange(*told, true)) {
            QMetaObject::invokeMethod(this, [this, text = errorText(error)] { Q_EMIT m_signals.message(State::Failed, text); }, Qt::QueuedConnection);
        }
    };
    const auto begin = [this, damaged, failed, tell] {
        m_store->post([this, damaged, failed, tell](desk::Project& p) {
            if (!damaged->isEmpty())
                return tell(); // until it is seen
            if (m_backup)
                return;
            auto begun = desk::SteppedBackup::beginIfDue(p.impl());
            if (!begun)
                failed(begun.error());
            else if ((m_backup = std::move(*begun)))
                QMetaObject::invokeMethod(m_backupStep, qOverload<>(&QTimer::start), Qt::QueuedConnection);
        });
    };
    QTimer::singleShot(kFirstBackupMs, this, begin); // a check that opening left for later
    connect(m_minute, &QTimer::timeout, this, [this, begin] {
        begin();
        measure();
        serveOrders();
    });
    // A step at a time, votes between them.
    m_backupStep->setInterval(kBackupStepMs);
    connect(m_backupStep, &QTimer::timeout, this, [this, failed, told] {
        m_store->post([this, failed, told](desk::Project& p) {
            if (!m_backup)
                return;
            const auto done = m_backup->step(p.impl());
            if (!done)
                failed(done.error());
            else if (*done)
                *told = false;
            if (!done || *done) {
                m_backup.reset();
                QMetaObject::invokeMethod(m_backupStep, &QTimer::stop, Qt::QueuedConnection);
            }
        });
    });
}

Result<std::unique_ptr<Workspace>> Workspace::open(const WorkspaceRequest& request) {
    PL_TRY(desk::Project project, prepare(request));
    return start(std::move(project), request);
}

Result<std::unique_ptr<Workspace>> Workspace::start(desk::Project project, const WorkspaceRequest& request) {
    const std::string dir = project.dir();
    PL_TRY(desk::Task task, project.defaultTask());
    PL_TRY(Json chosen, project.setting("ui.task", 0));
    if (chosen.is_number_integer() && chosen.get<int64_t>() > 0)
        if (auto other = project.task(chosen.get<int64_t>()); other && !other->archived)
            task = *other;
    PL_TRY(Json person, project.setting("ui.person", nullptr));
    PL_TRY(const auto order, desk::workOrder(project));
    const std::string name = order                 ? order->personName
                             : person.is_string() && !person.get<std::string>().empty() ? person.get<std::string>()
                             : request.personName.isEmpty()                          ? std::string("me")
                                                                                     : sstr(request.personName);
    PL_TRY(desk::Id annotator, project.annotator(desk::AnnotatorKind::Human, name));
    PL_TRY(desk::Id session, project.beginSession(annotator, task.id));
    const std::string projectName = project.name();
    const desk::Counters counters = project.counters();

    std::unique_ptr<Workspace> made(new Workspace(std::move(project)));
    Workspace* self = made.get();
    PL_TRY(self->m_supervisor,
           desk::Supervisor::start(dir, request.supervisor,
                                   [self](const desk::RunInfo& info, const std::vector<Event>& events) {
                                       QMetaObject::invokeMethod(
                                           self, [self, info, events] { self->onRun(info, events); },
                                           Qt::QueuedConnection);
                                   }));
    self->m_counters = counters;
    self->m_context = std::make_unique<Context>(*self->m_store, *self->m_supervisor, self->m_signals);
    Context& c = *self->m_context;
    c.projectDir = qstr(dir);
    c.projectName = qstr(projectName);
    c.annotator = annotator;
    c.annotatorName = qstr(name);
    c.task = std::move(task);
    c.session = session;
    setAnnotatorMode(self->m_signals, order.has_value());
    connect(&self->m_signals, &Signals::settingsChanged, self, &Workspace::reloadTask);
    self->m_store->setObserver([self](desk::Change change) {
        QMetaObject::invokeMethod(self, [self, change] { self->onChange(change); }, Qt::QueuedConnection);
    });
    desk::Supervisor* runs = self->m_supervisor.get();
    self->m_store->post([runs](desk::Project& p) {
        if (auto done = desk::catchUp(p, *runs); !done)
            log::warn("taking over runs: {}", done.error().toString());
    });
    self->onChange(desk::Change::Votes);
    self->m_minute->start();
    self->measure();
    QTimer::singleShot(1000, self, &Workspace::serveOrders);
    return made;
}

Workspace::~Workspace() {
    (void)close();
}

Status Workspace::close() {
    if (m_closed)
        return {};
    m_closed = true;
    m_minute->stop();
    m_backupStep->stop();
    m_store->post([this](desk::Project&) { m_backup.reset(); }); // closing makes a whole one
    // The supervisor's thread posts here and its owner goes first; workers live on.
    m_store->drain();
    m_supervisor.reset();
    if (m_context) {
        m_store->post([session = m_context->session](desk::Project& p) { (void)p.endSession(session); });
        m_store->setObserver({});
    }
    return m_store->close();
}

void Workspace::onChange(desk::Change change) {
    m_changes.insert(change);
    if (!m_flush->isActive())
        m_flush->start();
}

void Workspace::flushChanges() {
    if (m_closed)
        return;
    std::set<desk::Change> changes;
    changes.swap(m_changes);
    for (const desk::Change change : changes)
        Q_EMIT m_signals.changed(change);
    using desk::Change;
    const bool votes = changes.count(Change::Votes) || changes.count(Change::Imports);
    const bool pairs = votes || changes.count(Change::Pairs) || changes.count(Change::Tasks);
    if (!votes && !pairs)
        return;
    struct News {
        desk::Counters counters;
        int64_t remaining = -1;
    };
    const desk::Id task = m_context->task.id, person = m_context->annotator;
    m_context->ask(
        this,
        [task, person](desk::Project& p) {
            News news;
            news.counters = p.counters();
            if (auto left = p.remaining(task, person))
                news.remaining = *left;
            return news;
        },
        [this, votes](News news) {
            m_counters = news.counters;
            if (votes)
                Q_EMIT m_signals.votesChanged(m_counters);
            if (news.remaining >= 0)
                Q_EMIT m_signals.queueChanged(news.remaining);
        });
    if (pairs)
        serveOrders();
}

void Workspace::onRun(const desk::RunInfo& info, const std::vector<Event>& events) {
    if (m_closed)
        return;
    desk::Supervisor* runs = m_supervisor.get();
    struct Outcome {
        int64_t pairs = 0;
        QString problem;
    };
    m_context->ask(
        this,
        [runs, info, events](desk::Project& p) {
            Outcome out;
            if (info.state == RunState::Failed && info.plugin.empty())
                return out; // a bundle that cannot be read has no row to keep in step
            auto made = desk::recordRun(p, info, events);
            if (!made && made.error().code == Code::NotFound) {
                if (auto caught = desk::catchUp(p, *runs); !caught)
                    out.problem = errorText(caught.error());
                return out;
            }
            if (!made)
                out.problem = errorText(made.error());
            else
                out.pairs = made->pairs;
            if (info.state == RunState::Finished || info.state == RunState::Failed || info.state == RunState::Stopped)
                if (auto advanced = desk::advanceLabelChecks(p, *runs); !advanced)
                    out.problem = errorText(advanced.error());
            return out;
        },
        [this, name = qstr(info.name)](Outcome out) {
            if (!out.problem.isEmpty())
                Q_EMIT m_signals.message(State::Failed, u"%1: %2"_s.arg(name, out.problem));
            else if (out.pairs > 0)
                Q_EMIT m_signals.message(State::Done, u"%1 wrote %2 new pairs"_s.arg(name, formatCount(out.pairs)));
        });
    Q_EMIT m_signals.runUpdated(info, events);
    if (info.state == RunState::Finished || info.state == RunState::Failed || info.state == RunState::Stopped)
        measure();
}

void Workspace::serveOrders() {
    if (m_serving || m_closed)
        return;
    m_serving = true;
    desk::Supervisor* runs = m_supervisor.get();
    m_context->ask(
        this,
        [runs, person = m_context->annotator](desk::Project& p) { return desk::serveStandingOrders(p, *runs, person); },
        [this](Result<std::string> run) {
            m_serving = false;
            const QString problem = run ? QString() : errorText(run.error());
            if (!problem.isEmpty() && problem != m_orderError)
                Q_EMIT m_signals.message(State::Failed, u"Keeping pairs ready: %1"_s.arg(problem));
            m_orderError = problem;
        });
}

void Workspace::reloadTask() {
    m_context->ask(
        this, [id = m_context->task.id](desk::Project& p) { return p.task(id); },
        [this](Result<desk::Task> task) {
            if (task)
                m_context->task = *task;
        });
}

void Workspace::measure() {
    // The answer may come after this is gone: it is sent through a guarded pointer that only the GUI thread follows.
    QThreadPool::globalInstance()->start(
        [bus = QPointer<Workspace>(this), dir = sstr(m_context->projectDir), app = QCoreApplication::instance()] {
            const auto bytes = static_cast<qint64>(os::treeSize(dir));
            QMetaObject::invokeMethod(
                app,
                [bus, bytes] {
                    if (!bus)
                        return;
                    bus->m_bytes = bytes;
                    Q_EMIT bus->measured(bytes);
                },
                Qt::QueuedConnection);
        });
}

} // namespace pl::ui
