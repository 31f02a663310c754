// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/shell/main_window.h"

#include <algorithm>

#include <QApplication>
#include <QCloseEvent>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QMenu>
#include <QShortcut>
#include <QStackedWidget>
#include <QStandardPaths>
#include <QThreadPool>
#include <QVBoxLayout>

#include "core/desk/stats/summary.h"
#include "core/desk/store/packages.h"
#include "ui/shell/annotator.h"
#include "ui/shell/chrome.h"
#include "ui/shell/image_import_sheet.h"
#include "ui/shell/start_page.h"
#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/search_list.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kWideRailFrom = 1500;
constexpr int kPromptsInPalette = 2000;

bool shows(const Workspace* workspace, const PageFactory& page) {
    return !workspace || !annotatorMode(const_cast<Workspace*>(workspace)->context()) || isAnnotatorPage(page.id);
}
} // namespace

MainWindow::MainWindow(std::vector<PageFactory> pages, Preferences& preferences, QWidget* parent)
    : QWidget(parent), m_pages(std::move(pages)), m_preferences(preferences) {
    setObjectName(u"main_window"_s);
    setWindowTitle(u"PairLab"_s);
    setMinimumSize(960, 600);
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(0, 0, 0, 0);
    m_root = new QStackedWidget;
    outer->addWidget(m_root);

    m_start = new StartPage;
    m_root->addWidget(m_start);
    m_main = new QWidget;
    m_root->addWidget(m_main);
    auto* column = new QVBoxLayout(m_main);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    m_header = new HeaderBar;
    column->addWidget(m_header);
    auto* middle = new QHBoxLayout;
    middle->setSpacing(0);
    m_rail = new Rail(m_pages);
    middle->addWidget(m_rail);
    m_stack = new QStackedWidget;
    middle->addWidget(m_stack, 1);
    column->addLayout(middle, 1);
    m_runStrip = new RunStrip;
    column->addWidget(m_runStrip);
    m_status = new StatusLine;
    column->addWidget(m_status);
    m_made.assign(m_pages.size(), nullptr);
    for (size_t i = 0; i < m_pages.size(); ++i)
        m_stack->addWidget(new QWidget);

    m_palette = new CommandPalette(this);
    connect(m_palette, &CommandPalette::chosen, this, &MainWindow::runCommand);
    connect(m_rail, &Rail::chosen, this, &MainWindow::showPage);
    connect(m_header, &HeaderBar::searchRequested, this, &MainWindow::openPalette);
    connect(m_header, &HeaderBar::taskClicked, this, [this] { goTo(page::kSettings.toString(), u"task"_s); });
    connect(m_header, &HeaderBar::runClicked, this, [this](const QString& run) { goTo(page::kRuns.toString(), run); });
    connect(m_header, &HeaderBar::runRemoved, this, [this](const QString& run) {
        if (!m_workspace)
            return;
        QStringList left = m_workspace->context().selectedRuns;
        left.removeAll(run);
        m_workspace->context().selectRuns(left);
    });
    connect(m_runStrip, &RunStrip::clicked, this, [this](const QString& run) { goTo(page::kRuns.toString(), run); });
    QMenu* menu = m_header->projectMenu();
    menu->addAction(themeIcon(u"folder"_s), u"Open another project…"_s, this, &MainWindow::chooseProject);
    menu->addAction(themeIcon(u"plus"_s), u"New project…"_s, this, [this] { showStart(); });
    menu->addSeparator();
    menu->addAction(themeIcon(u"close"_s), u"Close the window (runs go on)"_s, this, &QWidget::close);

    connect(m_start, &StartPage::starterRequested, this, [this](bool images) {
        WorkspaceRequest request;
        request.kind = WorkspaceRequest::Kind::Starter;
        request.starter = images ? desk::Starter::Images : desk::Starter::Text;
        request.dir = freshProjectDir(images ? u"Image starter"_s : u"Starter"_s);
        openProject(request);
    });
    connect(m_start, &StartPage::fileRequested, this, &MainWindow::chooseFile);
    connect(m_start, &StartPage::modelRequested, this, &MainWindow::chooseModel);
    connect(m_start, &StartPage::openRequested, this, &MainWindow::chooseProject);
    connect(m_start, &StartPage::recentRequested, this, [this](const QString& dir) {
        WorkspaceRequest request;
        request.dir = dir;
        openProject(request);
    });
    auto* drop = new DropOverlay(this, u"Drop to preview"_s);
    connect(drop, &DropOverlay::dropped, this, [this](const QStringList& paths) { open(paths.value(0)); });
    buildShortcuts();
    showStart();
}

MainWindow::~MainWindow() {
    leaveWorkspace();
}

void MainWindow::setDefaults(const WorkspaceRequest& defaults) {
    m_defaults = defaults;
}

void MainWindow::buildShortcuts() {
    const auto key = [this](const QKeySequence& sequence, auto action) {
        auto* shortcut = new QShortcut(sequence, this);
        shortcut->setAutoRepeat(false);
        connect(shortcut, &QShortcut::activated, this, action);
    };
    int number = 0;
    for (size_t i = 0; i < m_pages.size() && number < 9; ++i) {
        if (m_pages[i].id == page::kSettings)
            continue;
        ++number;
        key(QKeySequence(Qt::ALT | Qt::Key(Qt::Key_0 + number)), [this, i] { showPage(static_cast<int>(i)); });
    }
    key(QKeySequence(Qt::CTRL | Qt::Key_K), [this] { openPalette(); });
    key(QKeySequence(Qt::CTRL | Qt::Key_Comma), [this] { goTo(page::kSettings.toString()); });
    key(QKeySequence(Qt::Key_F11), [this] { setFocusMode(!m_focusMode); });
    key(QKeySequence(Qt::CTRL | Qt::Key_Plus), [this] { changeReading(1); });
    key(QKeySequence(Qt::CTRL | Qt::Key_Equal), [this] { changeReading(1); });
    key(QKeySequence(Qt::CTRL | Qt::Key_Minus), [this] { changeReading(-1); });
    key(QKeySequence(Qt::CTRL | Qt::Key_0), [this] { changeReading(15 - m_preferences.readingPx()); });
}

void MainWindow::changeReading(int step) {
    m_preferences.setReadingPx(m_preferences.readingPx() + step);
    m_preferences.apply();
    m_status->setMessage(State::Info, u"Text size %1 px"_s.arg(m_preferences.readingPx()));
}

// --- projects --------------------------------------------------------------------------------------------------------

QString MainWindow::freshProjectDir(const QString& name) const {
    const QString base = m_defaults.dir.isEmpty()
                             ? QStandardPaths::writableLocation(QStandardPaths::DocumentsLocation) + u"/PairLab"_s
                             : m_defaults.dir;
    QDir().mkpath(base);
    QString dir = base + u'/' + name;
    for (int i = 2; QFileInfo::exists(dir); ++i)
        dir = u"%1/%2 %3"_s.arg(base, name).arg(i);
    return dir;
}

void MainWindow::showStart(const QString& problem) {
    m_start->setRecent(m_preferences.recentProjects());
    m_start->setBusy({});
    m_start->setProblem(problem);
    m_root->setCurrentWidget(m_start);
    setWindowTitle(u"PairLab"_s);
}

void MainWindow::openProject(WorkspaceRequest request, const QString& thenPage, const QString& thenArgument) {
    if (m_opening || mustWaitForImport())
        return;
    m_opening = true;
    request.supervisor = m_defaults.supervisor;
    request.project = m_defaults.project;
    request.personName = m_defaults.personName.isEmpty() ? m_preferences.personName() : m_defaults.personName;
    // A project that is open here is let go first: it may be the one asked for.
    leaveWorkspace();
    m_root->setCurrentWidget(m_start);
    const QString name = QFileInfo(request.dir).fileName();
    m_start->setBusy(request.kind == WorkspaceRequest::Kind::Open ? u"Opening %1"_s.arg(name)
                                                                  : u"Making %1"_s.arg(request.dir));
    QThreadPool::globalInstance()->start([self = QPointer<MainWindow>(this), app = QCoreApplication::instance(),
                                          request, thenPage, thenArgument] {
        auto project = std::make_shared<Result<desk::Project>>(Workspace::prepare(request));
        QMetaObject::invokeMethod(
            app,
            [self, project, request, thenPage, thenArgument] {
                if (!self)
                    return;
                self->m_opening = false;
                if (!*project) {
                    self->showStart(errorText(project->error()));
                    return;
                }
                auto workspace = Workspace::start(std::move(**project), request);
                if (!workspace) {
                    self->showStart(errorText(workspace.error()));
                    return;
                }
                self->setWorkspace(std::move(*workspace));
                if (!thenPage.isEmpty())
                    self->goTo(thenPage, thenArgument);
            },
            Qt::QueuedConnection);
    });
}

void MainWindow::leaveWorkspace() {
    if (!m_workspace)
        return;
    if (m_current >= 0 && m_made[static_cast<size_t>(m_current)])
        m_made[static_cast<size_t>(m_current)]->deactivated();
    // Pages hold the context: they go first.
    delete m_sheet;
    m_sheet = nullptr;
    for (size_t i = 0; i < m_made.size(); ++i) {
        if (!m_made[i])
            continue;
        m_stack->removeWidget(m_made[i]);
        delete m_made[i];
        m_made[i] = nullptr;
        m_stack->insertWidget(static_cast<int>(i), new QWidget);
    }
    m_current = -1;
    m_runStrip->clear();
    m_workspace.reset();
}

void MainWindow::setWorkspace(std::unique_ptr<Workspace> workspace) {
    leaveWorkspace();
    m_workspace = std::move(workspace);
    Context& c = m_workspace->context();
    m_preferences.addRecentProject(c.projectDir);
    setWindowTitle(c.projectName + u" – PairLab"_s);
    m_header->setProject(c.projectName, c.projectDir);
    m_header->setPerson(c.annotatorName);
    m_header->setTask(qstr(c.task.name));
    m_header->setRuns({});
    const auto counters = [this](const desk::Counters& n) {
        m_status->setSaved(n.events);
        m_header->setProgress(n.current, m_workspace->context().task.quota);
    };
    counters(m_workspace->counters());
    m_status->setMessage(State::Neutral, {});
    m_status->setReady(0, 0, false);
    m_status->setBytes(m_workspace->bytesUsed());
    connect(&c.signals, &Signals::votesChanged, this, counters);
    connect(&c.signals, &Signals::queueChanged, this, [this](qint64 remaining) {
        m_remaining = remaining;
        refreshReady();
    });
    connect(&c.signals, &Signals::runUpdated, this, &MainWindow::onRun);
    connect(&c.signals, &Signals::runsSelected, m_header, &HeaderBar::setRuns);
    connect(
        &c.signals, &Signals::navigateTo, this,
        [this](const QString& page, const QString& argument) { goTo(page, argument); }, Qt::QueuedConnection);
    connect(&c.signals, &Signals::message, m_status, &StatusLine::setMessage);
    connect(&c.signals, &Signals::settingsChanged, this, [this] {
        Context& now = m_workspace->context();
        now.ask(
            this, [id = now.task.id](desk::Project& p) { return p.task(id); },
            [this](Result<desk::Task> task) {
                if (!task || !m_workspace)
                    return;
                m_header->setTask(qstr(task->name));
                m_header->setProgress(m_workspace->counters().current, task->quota);
            });
    });
    connect(m_workspace.get(), &Workspace::measured, m_status, &StatusLine::setBytes);
    for (const desk::RunInfo& info : c.supervisor.runs())
        m_runStrip->setRun(info, {});
    for (const PageFactory& page : m_pages)
        if (auto* button = m_rail->findChild<QWidget*>(u"rail_"_s + page.id))
            button->setVisible(shows(m_workspace.get(), page));
    m_runStrip->setVisible(!annotatorMode(c) && !m_focusMode);
    m_root->setCurrentWidget(m_main);
    m_current = -1;
    showPage(0);
    Q_EMIT projectShown();
}

void MainWindow::onRun(const desk::RunInfo& info, const std::vector<Event>& events) {
    m_runStrip->setRun(info, events);
    const bool writes = info.plugin.rfind("generate", 0) == 0 && !info.resident;
    if (writes) {
        m_writing = info.state == RunState::Running || info.state == RunState::Queued;
        refreshReady();
    }
}

void MainWindow::refreshReady() {
    if (!m_workspace)
        return;
    Context& c = m_workspace->context();
    c.ask(
        this,
        [task = c.task.id, person = c.annotator](desk::Project& p) {
            // Median time of this person's votes, from the compact table.
            std::vector<double> times;
            for (const desk::CurrentVote& vote : p.currentVotes())
                if (vote.task == task && vote.annotator == person && vote.activeMs > 0)
                    times.push_back(vote.activeMs / 1000.0);
            return times.size() < 5 ? 0.0 : rules::median(times);
        },
        [this](double seconds) {
            m_secondsEach = seconds;
            m_status->setReady(m_remaining, m_secondsEach, m_writing);
        });
}

// --- pages -----------------------------------------------------------------------------------------------------------

QString MainWindow::currentPage() const {
    return m_current < 0 ? QString() : m_pages[static_cast<size_t>(m_current)].id;
}

Page* MainWindow::page(const QString& id) const {
    for (size_t i = 0; i < m_pages.size(); ++i)
        if (m_pages[i].id == id)
            return m_made[i];
    return nullptr;
}

bool MainWindow::goTo(const QString& page, const QString& argument) {
    if (!m_workspace)
        return false;
    if (page == page::kImportImages && !argument.isEmpty()) {
        if (mustWaitForImport())
            return false;
        showImageImport(argument);
        return true;
    }
    for (size_t i = 0; i < m_pages.size(); ++i) {
        if (m_pages[i].id != page)
            continue;
        if (!showPage(static_cast<int>(i)))
            return false;
        if (!argument.isEmpty())
            m_made[i]->openArgument(argument);
        return true;
    }
    return false;
}

bool MainWindow::showPage(int index) {
    if (!m_workspace || index < 0 || index >= static_cast<int>(m_pages.size()))
        return false;
    const auto at = static_cast<size_t>(index);
    if (!shows(m_workspace.get(), m_pages[at])) {
        m_status->setMessage(State::Info, u"%1 is not in the project of a package"_s.arg(m_pages[at].title));
        return false;
    }
    if (mustWaitForImport()) {
        m_rail->setCurrent(m_before);
        return false;
    }
    closeImageImport();
    if (index == m_current) {
        m_rail->setCurrent(index);
        return true;
    }
    if (m_current >= 0 && m_made[static_cast<size_t>(m_current)])
        m_made[static_cast<size_t>(m_current)]->deactivated();
    if (!m_made[at]) {
        Page* made = m_pages[at].make(m_workspace->context());
        made->setObjectName(u"page_"_s + m_pages[at].id);
        made->setAccessibleName(m_pages[at].title);
        QWidget* holder = m_stack->widget(index);
        m_stack->removeWidget(holder);
        delete holder;
        m_stack->insertWidget(index, made);
        m_made[at] = made;
    }
    m_current = index;
    m_rail->setCurrent(index);
    m_stack->setCurrentIndex(index);
    m_rail->setWide(width() >= kWideRailFrom && m_pages[at].id != page::kLabel);
    m_made[at]->activated();
    return true;
}

void MainWindow::setFocusMode(bool on) {
    m_focusMode = on;
    for (QWidget* each : std::initializer_list<QWidget*>{m_header, m_rail, m_runStrip, m_status})
        each->setVisible(!on && !(each == m_runStrip && m_workspace && annotatorMode(m_workspace->context())));
    if (isVisible())
        setWindowState(on ? windowState() | Qt::WindowFullScreen : windowState() & ~Qt::WindowFullScreen);
}

// --- Ctrl+K ----------------------------------------------------------------------------------------------------------

void MainWindow::openPalette() {
    if (!m_workspace || m_root->currentWidget() != m_main)
        return;
    QList<SearchItem> items;
    int number = 0;
    const bool annotator = annotatorMode(m_workspace->context());
    for (const PageFactory& page : m_pages) {
        const bool settings = page.id == page::kSettings;
        number += !settings && !shows(m_workspace.get(), page);
        if (!shows(m_workspace.get(), page))
            continue;
        items.append({u"page:"_s + page.id, page.title, {}, page.icon,
                      settings ? u"Ctrl+,"_s : u"Alt+%1"_s.arg(++number), u"Page"_s, {}});
    }
    const auto command = [&](const char* id, const QString& title, const QString& icon, const QString& key = {}) {
        items.append({u"cmd:"_s + QString::fromLatin1(id), title, {}, icon, key, u"Command"_s, {}});
    };
    command("focus", u"Focus: the page only"_s, u"fit"_s, u"F11"_s);
    command("theme:light", u"Light theme"_s, u"theme"_s);
    command("theme:dark", u"Dark theme"_s, u"theme"_s);
    command("theme:system", u"Theme of the system"_s, u"theme"_s);
    command("larger", u"Larger text"_s, u"zoom_in"_s, u"Ctrl++"_s);
    command("smaller", u"Smaller text"_s, u"zoom_out"_s, u"Ctrl+-"_s);
    command("open", u"Open another project"_s, u"folder"_s);
    if (!annotator)
        command("import", u"Import a file"_s, u"import"_s);
    if (!annotator)
        command("export", u"Export votes to a file"_s, u"data"_s);
    command("backup", u"Back up the project now"_s, u"save"_s);
    auto runs = m_workspace->context().supervisor.runs();
    std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.createdMs > b.createdMs; });
    for (const desk::RunInfo& run : runs)
        items.append({u"run:"_s + qstr(run.name), qstr(run.name), runStateWord(run), u"runs"_s, {}, u"Run"_s,
                      qstr(run.title)});
    for (size_t i = 0; i < m_made.size(); ++i) {
        if (!m_made[i])
            continue;
        for (SearchItem item : m_made[i]->searchItems()) {
            item.id = u"arg:%1:%2"_s.arg(m_pages[i].id, item.id);
            items.append(item);
        }
    }
    m_palette->open(items);
    if (annotator)
        return; // prompts are shown in their pairs alone
    // Prompts come as soon as the store has read them.
    m_workspace->context().ask(
        this,
        [](desk::Project& p) {
            desk::Page some;
            some.limit = kPromptsInPalette;
            return p.prompts(some);
        },
        [this, items](Result<std::vector<desk::Prompt>> prompts) mutable {
            if (!prompts || !m_palette->isVisible())
                return;
            for (const desk::Prompt& prompt : *prompts)
                items.append({u"prompt:%1"_s.arg(prompt.id), qstr(prompt.content).left(160).simplified(),
                              QString::fromLatin1(desk::splitName(prompt.split)), u"text"_s, {}, u"Prompt"_s, {}});
            m_palette->list()->setItems(items);
        });
}

void MainWindow::runCommand(const QString& id) {
    const QString rest = id.section(u':', 1);
    if (id.startsWith(u"page:")) {
        goTo(rest);
    } else if (id.startsWith(u"run:")) {
        goTo(page::kRuns.toString(), rest);
    } else if (id.startsWith(u"prompt:")) {
        goTo(page::kData.toString(), id);
    } else if (id.startsWith(u"arg:")) {
        goTo(rest.section(u':', 0, 0), rest.section(u':', 1));
    } else if (rest.startsWith(u"theme:")) {
        const QString mode = rest.section(u':', 1);
        m_preferences.setTheme(mode == u"light"  ? ThemeMode::Light
                               : mode == u"dark" ? ThemeMode::Dark
                                                 : ThemeMode::System);
        m_preferences.apply();
    } else if (rest == u"focus") {
        setFocusMode(!m_focusMode);
    } else if (rest == u"larger") {
        changeReading(1);
    } else if (rest == u"smaller") {
        changeReading(-1);
    } else if (rest == u"open") {
        chooseProject();
    } else if (rest == u"import") {
        goTo(page::kData.toString(), u"import:"_s);
    } else if (rest == u"export") {
        goTo(page::kData.toString(), u"export"_s);
    } else if (rest == u"backup" && m_workspace) {
        Context& c = m_workspace->context();
        c.ask(
            this, [](desk::Project& p) { return p.backup(); },
            [this](Result<std::string> file) {
                if (file)
                    m_status->setMessage(State::Done, u"Backed up to %1"_s.arg(qstr(*file)));
                else
                    m_status->setMessage(State::Failed, u"Backup: %1"_s.arg(errorText(file.error())));
            });
    }
}

// --- files -----------------------------------------------------------------------------------------------------------

void MainWindow::chooseProject() {
    auto* dialog = new QFileDialog(this, u"Open a project folder"_s);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::Directory);
    connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& dir) {
        WorkspaceRequest request;
        request.dir = dir;
        openProject(request);
    });
    dialog->open();
}

void MainWindow::chooseFile() {
    auto* dialog = new QFileDialog(this, u"Prompts or preference pairs"_s);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::ExistingFile);
    connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& file) { open(file); });
    dialog->open();
}

void MainWindow::chooseModel() {
    auto* dialog = new QFileDialog(this, u"A model folder"_s);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::Directory);
    connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& dir) { open(dir); });
    dialog->open();
}

void MainWindow::open(const QString& path) {
    if (path.isEmpty())
        return;
    // Names and the beginning of a file are looked at first, which a slow disk may hold up.
    QThreadPool::globalInstance()->start([self = QPointer<MainWindow>(this), app = QCoreApplication::instance(), path] {
        const Drop drop = dropOf(path);
        QMetaObject::invokeMethod(
            app,
            [self, drop] {
                if (self)
                    self->openDrop(drop);
            },
            Qt::QueuedConnection);
    });
}

void MainWindow::openDrop(const Drop& drop) {
    WorkspaceRequest request;
    if (drop.kind == Drop::Kind::Project) {
        request.dir = drop.path;
        openProject(request);
        return;
    }
    const bool open = m_workspace && m_root->currentWidget() == m_main;
    if (drop.path.endsWith(QLatin1StringView(desk::kPackageSuffix))) {
        request.kind = WorkspaceRequest::Kind::Package;
        request.model = drop.path;
        request.dir = freshProjectDir(QFileInfo(drop.path).completeBaseName());
        openProject(request);
        return;
    }
    if (drop.path.endsWith(QLatin1StringView(desk::kReturnSuffix)) || (open && annotatorMode(m_workspace->context()))) {
        const bool merges = open && !annotatorMode(m_workspace->context());
        if (merges)
            goTo(page::kSettings.toString(), u"merge:"_s + drop.path);
        else if (open)
            m_status->setMessage(State::Warning, u"Nothing is imported into the project of a package"_s);
        else
            m_start->setProblem(u"A return is merged into the project that dealt the package: open that first"_s);
        return;
    }
    if (drop.kind == Drop::Kind::ImageFile) {
        const QString why = u"One image says too little: drop the folder it lies in, whose paths name prompts and checkpoints"_s;
        if (open)
            m_status->setMessage(State::Warning, why);
        else
            m_start->setProblem(why);
        return;
    }
    const bool model = drop.kind == Drop::Kind::Model;
    const QString page = (drop.kind == Drop::Kind::Images ? page::kImportImages : page::kData).toString();
    const QString argument = drop.kind == Drop::Kind::Images ? drop.path : u"import:"_s + drop.path;
    if (open) {
        if (model)
            goTo(page::kModels.toString(), u"add:"_s + drop.path);
        else
            goTo(page, argument);
        return;
    }
    request.dir = freshProjectDir(QFileInfo(drop.path).completeBaseName());
    request.kind = model ? WorkspaceRequest::Kind::Model : WorkspaceRequest::Kind::Empty;
    request.model = drop.path;
    if (model)
        openProject(request);
    else
        openProject(request, page, argument);
}

void MainWindow::showImageImport(const QString& path) {
    if (!closeImageImport())
        m_before = m_current;
    if (m_current >= 0 && m_made[static_cast<size_t>(m_current)])
        m_made[static_cast<size_t>(m_current)]->deactivated();
    m_current = -1;
    m_sheet = new ImageImportSheet(m_workspace->context(), path);
    m_sheet->setObjectName(u"page_"_s + page::kImportImages.toString());
    m_stack->addWidget(m_sheet);
    m_stack->setCurrentWidget(m_sheet);
    connect(m_sheet, &ImageImportSheet::left, this, [this] { showPage(std::max(0, m_before)); });
    connect(m_sheet, &ImageImportSheet::imported, this, [this] {
        if (!goTo(page::kData.toString(), u"imports"_s))
            showPage(std::max(0, m_before));
    });
}

bool MainWindow::mustWaitForImport() {
    if (!m_sheet || !m_sheet->isStoring())
        return false;
    const QString why = u"The images are still being imported: wait until they are in"_s;
    if (m_root->currentWidget() == m_start)
        m_start->setProblem(why);
    m_status->setMessage(State::Warning, why);
    return true;
}

bool MainWindow::closeImageImport() {
    if (!m_sheet)
        return false;
    m_stack->removeWidget(m_sheet);
    m_sheet->deleteLater();
    m_sheet = nullptr;
    return true;
}

// --- events ----------------------------------------------------------------------------------------------------------

void MainWindow::closeEvent(QCloseEvent* event) {
    m_preferences.setGeometry(saveGeometry());
    // Runs are let go: they outlive the window, and the next one finds them again.
    leaveWorkspace();
    event->accept();
}

void MainWindow::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_rail->setWide(width() >= kWideRailFrom && currentPage() != page::kLabel);
}

} // namespace pl::ui
