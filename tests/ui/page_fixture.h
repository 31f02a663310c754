// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTemporaryDir>
#include <QtTest>
#include <QtWidgets>

#include "core/base/bundle.h"
#include "ui/shell/main_window.h"
#include "ui/shell/preferences.h"
#include "ui/theme/theme.h"

/// A window on a real project in a temporary folder.
namespace fixture {

using namespace pl;
using namespace pl::ui;
using namespace Qt::StringLiterals;

template<class T>
T must(Result<T> result) {
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}
inline void must(Status status) {
    if (!status)
        qFatal("%s", status.error().toString().c_str());
}

inline desk::ProjectOptions projectOptions() {
    desk::ProjectOptions options;
    options.program = "test";
    options.durable = false;
    options.backups = false;
    return options;
}

inline std::string longAnswer(int i, int k) {
    static const char* const sentences[] = {
        "Start with water and a pinch of salt, then bring it to a boil.",
        "Most people find that a short walk after lunch helps more than another coffee.",
        "It depends on how much time you have: ten minutes are enough for the first step.",
        "Write the three things you want to keep, and give the rest away.",
        "Measure twice, cut once; the second cut is always shorter than you think."};
    std::string text;
    for (int s = 0; s < 2 + (i + k) % 4; ++s)
        text += std::string(text.empty() ? "" : " ") + sentences[(i * 3 + k * 2 + s) % 5];
    return text + " (" + std::to_string(i) + (k ? " b)" : " a)");
}

/// A project folder with `pairs` prompts of two answers each, closed again.
inline void makeProject(const QString& dir, int pairs, desk::Scale scale = desk::Scale::SevenPoint,
                        const std::function<void(desk::Project&)>& more = {}) {
    static const char* const requests[] = {"How do I make rice that is not sticky?", "I am tired in the afternoon. Ideas?",
                                           "Give me a plan for a small balcony garden.", "Help me tidy a drawer.",
                                           "What should I check before I drill into a wall?"};
    auto options = projectOptions();
    options.name = "Kitchen talk";
    desk::Project project = must(desk::Project::create(dir.toStdString(), options));
    desk::Task task = must(project.defaultTask());
    task.scale = scale;
    must(project.updateTask(task));
    std::vector<desk::NewPrompt> prompts;
    for (int i = 0; i < pairs; ++i) {
        desk::NewPrompt prompt;
        prompt.content = std::string(requests[i % 5]) + (i < 5 ? "" : " (" + std::to_string(i) + ")");
        prompt.split = i % 5 == 4 ? desk::Split::Dev : desk::Split::Train; // on offer, all of them
        prompts.push_back(prompt);
    }
    const auto ids = must(project.addPrompts(prompts));
    std::vector<desk::NewCandidate> answers;
    for (int i = 0; i < pairs; ++i)
        for (int k = 0; k < 2; ++k) {
            desk::NewCandidate c;
            c.prompt = ids[static_cast<size_t>(i)];
            c.content = longAnswer(i, k);
            c.modelName = "secret-model";
            answers.push_back(c);
        }
    must(project.addCandidates(answers));
    if (pairs)
        must(project.makePairs({}));
    if (more)
        more(project);
    must(project.close());
}

struct Desk {
    QTemporaryDir temp;
    Preferences preferences{temp.filePath(u"pairlab.ini"_s)};
    std::unique_ptr<MainWindow> window;

    QString dir() const { return temp.filePath(u"project"_s); }
    WorkspaceRequest request() const {
        WorkspaceRequest r;
        r.dir = dir();
        r.personName = u"Ada"_s;
        r.project = projectOptions();
        r.supervisor.worker = "/bin/false";
        r.supervisor.pluginFolders = {temp.filePath(u"plugins"_s).toStdString()};
        return r;
    }
    void show(std::vector<PageFactory> pages, const QSize& size = {1280, 800}) { show(std::move(pages), request(), size); }
    void show(std::vector<PageFactory> pages, const WorkspaceRequest& r, const QSize& size) {
        window = std::make_unique<MainWindow>(std::move(pages), preferences);
        window->resize(size);
        window->setWorkspace(must(Workspace::open(r)));
        window->show();
        QVERIFY(QTest::qWaitForWindowExposed(window.get()));
        window->activateWindow();
    }
    Context& context() { return window->workspace()->context(); }
    /// On the store's thread, waited for.
    template<class F>
    auto ask(F f) {
        return context().store.call(std::move(f)).get();
    }
};

/// Words drawn by labels and buttons that do not fit their place.
inline QStringList clipped(QWidget* root) {
    for (int i = 0; i < 3; ++i) // layouts follow changed words
        QCoreApplication::sendPostedEvents(nullptr, QEvent::LayoutRequest);
    QStringList out;
    for (QLabel* label : root->findChildren<QLabel*>()) {
        if (!label->isVisible() || label->text().isEmpty())
            continue;
        const QFontMetrics metrics(label->font());
        if (label->wordWrap()) {
            if (label->heightForWidth(label->width()) > label->height() + 1)
                out.append(u"height: "_s + label->text());
            continue;
        }
        for (const QString& line : label->text().split(u'\n'))
            if (metrics.horizontalAdvance(line) > label->width() + 1)
                out.append(line);
    }
    for (QAbstractButton* button : root->findChildren<QAbstractButton*>())
        if (button->isVisible() && !button->text().isEmpty() && button->sizeHint().width() > button->width() + 1)
            out.append(button->text());
    return out;
}

/// The window in both themes as NAME-light.png and NAME-dark.png of the build's screenshots, to be looked at; nothing may be cut off.
inline void savePictures(QWidget* window, const QString& name) {
    const QString folder = qEnvironmentVariable("PAIRLAB_BUILD_DIR") + u"/screenshots"_s;
    QDir().mkpath(folder);
    for (const bool dark : {false, true}) {
        applyTheme(*qApp, dark ? ThemeMode::Dark : ThemeMode::Light);
        QTest::qWait(60);
        QVERIFY(window->grab().save(folder + u"/%1-%2.png"_s.arg(name, dark ? u"dark"_s : u"light"_s)));
        QVERIFY2(clipped(window).isEmpty(), qPrintable(clipped(window).join(u" | "_s)));
    }
    applyTheme(*qApp, ThemeMode::Light);
    QCoreApplication::processEvents();
}

/// How many widgets Tab goes through before it is back; 0 when it never is.
inline int tabRound(QWidget* window) {
    QWidget* start = QApplication::focusWidget();
    if (!start)
        return 0;
    for (int steps = 1; steps < 200; ++steps) {
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
        QWidget* now = QApplication::focusWidget();
        if (!now || !window->isAncestorOf(now))
            return 0;
        if (now == start)
            return steps;
    }
    return 0;
}

} // namespace fixture
