// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/trl_banner.h"

#include <QCoreApplication>
#include <QDesktopServices>
#include <QFileDialog>
#include <QThreadPool>
#include <QUrl>

#include "core/desk/exchange/trl_export.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

TrlBanner::TrlBanner(Context& context, QWidget* parent) : Banner(parent), m_ctx(context) {
    hide();
    setClosable(true);
    chooseFolder = [this] { return QFileDialog::getExistingDirectory(this, u"Where the folder for TRL shall be made"_s); };
    connect(this, &Banner::actionTriggered, this, [this] {
        if (m_step == Step::Offered)
            choose(true);
        else if (m_step == Step::Writing)
            m_stop->store(true);
        else if (m_step == Step::Written)
            QDesktopServices::openUrl(QUrl::fromLocalFile(m_written));
    });
    connect(this, &Banner::secondActionTriggered, this, [this] {
        if (m_step == Step::Offered)
            choose(false);
    });
}

TrlBanner::~TrlBanner() {
    if (m_stop)
        m_stop->store(true); // the worker that runs steps again is ended
}

bool TrlBanner::offers(const std::string& plugin) {
    return plugin == "sft" || plugin == "reward_model" || plugin == "dpo" || plugin == "grpo";
}

void TrlBanner::offer(const desk::RunInfo& run) {
    if (m_step == Step::Writing)
        return; // it says so already
    m_run = qstr(run.name);
    m_dir = qstr(run.dir);
    m_step = Step::Idle;
    show(State::Running, u"Looking at %1"_s.arg(m_run));
    QThreadPool::globalInstance()->start([self = QPointer<TrlBanner>(this), app = QCoreApplication::instance(), dir = run.dir, asked = ++m_asked] {
        auto plan = std::make_shared<Result<desk::TrlScriptPlan>>(desk::planTrlScript(dir));
        QMetaObject::invokeMethod(
            app,
            [self, plan, asked] {
                if (!self || asked != self->m_asked)
                    return;
                if (!*plan)
                    return self->show(State::Failed, errorText(plan->error()));
                self->m_step = Step::Offered;
                self->show(State::Info, u"%1 as a script for TRL: %2"_s.arg(self->m_run, qstr((*plan)->toString())), u"Choose a folder …"_s,
                           u"Without the model"_s);
            },
            Qt::QueuedConnection);
    });
}

void TrlBanner::choose(bool copy) {
    if (const QString folder = chooseFolder(); !folder.isEmpty())
        write(folder + u'/' + m_run + u"-trl"_s, copy);
}

void TrlBanner::write(const QString& folder, bool copy) {
    m_step = Step::Writing;
    m_stop = std::make_shared<std::atomic<bool>>(false);
    show(State::Running, u"Writing %1"_s.arg(folder), u"Stop"_s);
    desk::TrlScriptOptions options;
    options.out = sstr(folder);
    options.copyModels = copy;
    options.rerun.keepGoing = [stop = m_stop] { return !stop->load(); };
    QThreadPool::globalInstance()->start([self = QPointer<TrlBanner>(this), app = QCoreApplication::instance(), options, dir = sstr(m_dir),
                                          catalog = m_ctx.supervisor.catalog()]() mutable {
        options.say = [self, app](const std::string& what) {
            QMetaObject::invokeMethod(
                app,
                [self, text = qstr(what)] {
                    if (self && self->m_step == Step::Writing)
                        self->show(State::Running, text, u"Stop"_s);
                },
                Qt::QueuedConnection);
        };
        auto report = std::make_shared<Result<desk::TrlScriptReport>>(desk::writeTrlScript(dir, catalog, options));
        QMetaObject::invokeMethod(
            app,
            [self, report] {
                if (!self)
                    return;
                self->m_step = *report ? Step::Written : Step::Idle;
                if (!*report)
                    return report->error().code == Code::Cancelled ? self->show(State::Stopped, u"Stopped; nothing was written"_s)
                                                                   : self->show(State::Failed, errorText(report->error()));
                self->m_written = qstr((*report)->dir);
                self->show(State::Done, u"Written: %1. Its README.md says what is the same; `python train.py --check` compares the losses."_s.arg(
                                            self->m_written),
                           u"Open the folder"_s);
            },
            Qt::QueuedConnection);
    });
}

} // namespace pl::ui
