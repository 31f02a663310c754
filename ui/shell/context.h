// SPDX-License-Identifier: GPL-3.0-or-later
// What every page is given, and what a page is. Pages know this header, never each other.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <QList>
#include <QMetaObject>
#include <QObject>
#include <QPointer>
#include <QString>
#include <QStringList>
#include <QWidget>

#include "core/base/events.h"
#include "core/desk/runs/supervisor.h"
#include "core/desk/store/store_thread.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/search_list.h"

namespace pl::ui {

/// Ids of the pages, for Signals::navigateTo.
namespace page {
inline constexpr QStringView kLabel = u"label", kData = u"data", kGenerate = u"generate", kTrain = u"train", kRuns = u"runs",
                             kSamples = u"samples", kEvaluate = u"evaluate", kModels = u"models",
                             kPlayground = u"playground", kSettings = u"settings";
/// Not a page of the rail: the preview of images to import; its argument is a folder or a file of rows.
inline constexpr QStringView kImportImages = u"import_images";
} // namespace page

/// What happens in the project, on the GUI thread whatever thread it came from.
class Signals : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

Q_SIGNALS:
    /// A commit in the store; several of one kind within a moment arrive as one.
    void changed(pl::desk::Change what);
    /// Change::Votes, with the counters after it.
    void votesChanged(const pl::desk::Counters& counters);
    /// A run's state or figures changed; `events` are the new lines of its events.jsonl, in order (all of them when the run
    /// is first met). The store has it already or is about to (recordRun is done by the workspace).
    void runUpdated(const pl::desk::RunInfo& info, const std::vector<pl::Event>& events);
    /// Pairs this person has not judged yet, after every change of votes or pairs.
    void queueChanged(qint64 remaining);
    /// The selection shared by Runs, Samples and Evaluate; index in the list = runColor index.
    void runsSelected(const QStringList& names);
    /// Emit to go to a page (page::kRuns, ...); `argument` is the page's business (a run's name, a file, ...).
    void navigateTo(const QString& page, const QString& argument);
    /// The status line: what just happened. Failures belong on the page itself (Banner), and may be told here too.
    void message(pl::ui::State state, const QString& text);
    /// Theme, reading size, task or guideline changed in Settings.
    void settingsChanged();
};

/// Lives as long as the window shows one project. All of it is for the GUI thread.
struct Context {
    desk::StoreThread& store;
    desk::Supervisor& supervisor;
    Signals& signals;
    QString projectDir;
    QString projectName;
    desk::Id annotator = 0;
    QString annotatorName;
    desk::Task task;        ///< reloaded on settingsChanged
    desk::Id session = 0;
    QStringList selectedRuns; ///< read it; change it with selectRuns()

    Context(desk::StoreThread& storeThread, desk::Supervisor& runs, Signals& bus)
        : store(storeThread), supervisor(runs), signals(bus) {}

    /// Runs `work(project)` on the store's thread, then `done(result)` on the GUI thread, unless `owner` is gone by then.
    /// The answers come in the order of the questions. False: the project is closing, nothing will come.
    template<class Work, class Done>
    bool ask(QObject* owner, Work work, Done done) {
        using R = std::invoke_result_t<Work, desk::Project&>;
        Signals* bus = &signals;
        return store.post([bus, guard = QPointer<QObject>(owner), work = std::move(work),
                           done = std::move(done)](desk::Project& project) mutable {
            if constexpr (std::is_void_v<R>) {
                work(project);
                QMetaObject::invokeMethod(
                    bus,
                    [guard, done = std::move(done)]() mutable {
                        if (guard)
                            done();
                    },
                    Qt::QueuedConnection);
            } else {
                auto result = std::make_shared<R>(work(project));
                QMetaObject::invokeMethod(
                    bus,
                    [guard, result, done = std::move(done)]() mutable {
                        if (guard)
                            done(std::move(*result));
                    },
                    Qt::QueuedConnection);
            }
        });
    }
    void selectRuns(const QStringList& names) {
        if (names == selectedRuns)
            return;
        selectedRuns = names;
        Q_EMIT signals.runsSelected(names);
    }
    void navigate(QStringView page, const QString& argument = {}) {
        Q_EMIT signals.navigateTo(page.toString(), argument);
    }
    void say(State state, const QString& text) { Q_EMIT signals.message(state, text); }
};

/// A page of the window. It is made when it is first shown.
class Page : public QWidget {
    Q_OBJECT
public:
    using QWidget::QWidget;
    /// It has come to the front: refresh what may have changed, take the focus.
    virtual void activated() {}
    /// Another page came to the front.
    virtual void deactivated() {}
    /// navigateTo brought the person here with this argument (never empty); called after activated().
    virtual void openArgument(const QString& argument) { Q_UNUSED(argument); }
    /// What Ctrl+K finds besides pages and runs; `id` is given to openArgument() of this page.
    virtual QList<SearchItem> searchItems() const { return {}; }
};

/// How the composition root tells the shell of a page. A page's header declares one function that returns it
/// (`PageFactory trainPage();` in ui/train/train_page.h).
struct PageFactory {
    QString id;    ///< page::kTrain
    QString title; ///< "Train"
    QString icon;  ///< icon name
    std::function<Page*(Context&)> make;
};

/// UTF-8 text of the core as a QString and back.
inline QString qstr(const std::string& text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}
inline std::string sstr(const QString& text) {
    const QByteArray bytes = text.toUtf8();
    return {bytes.constData(), static_cast<size_t>(bytes.size())};
}
/// Where the media file of an image candidate lies; empty for what is no SHA-256.
QString mediaFile(const Context& context, const std::string& sha);

/// The message and hint of an error for a banner: one or two sentences.
inline QString errorText(const Error& error) {
    return qstr(error.toString());
}

} // namespace pl::ui
