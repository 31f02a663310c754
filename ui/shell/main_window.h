// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <vector>

#include <QWidget>

#include "ui/shell/context.h"
#include "ui/shell/drop.h"
#include "ui/shell/preferences.h"
#include "ui/shell/workspace.h"

class QStackedWidget;
class QTimer;

namespace pl::ui {

class CommandPalette;
class HeaderBar;
class ImageImportSheet;
class Rail;
class RunStrip;
class StartPage;
class StatusLine;

/// The window: a start page until a project is open, then header, rail, pages, run strip and status line.
class MainWindow : public QWidget {
    Q_OBJECT
public:
    /// The list of pages is the composition root's; Settings comes last. Pages are made when first shown.
    MainWindow(std::vector<PageFactory> pages, Preferences& preferences, QWidget* parent = nullptr);
    ~MainWindow() override;

    /// Options that every project opened from here gets (worker, plugin folders, ...); kind and dir are ignored.
    void setDefaults(const WorkspaceRequest& defaults);
    void showStart(const QString& problem = {});
    /// Opens or makes a project off the GUI thread, then shows it; a failure is told on the start page. `then` is a page and
    /// its argument to go to afterwards.
    void openProject(WorkspaceRequest request, const QString& thenPage = {}, const QString& thenArgument = {});
    void setWorkspace(std::unique_ptr<Workspace> workspace);
    Workspace* workspace() const { return m_workspace.get(); }

    /// What was dropped or chosen: a project is opened, a model added, a file or folder of data previewed.
    void open(const QString& path);
    /// Null unless an import of images is on screen.
    ImageImportSheet* imageImport() const { return m_sheet; }

    /// False for a page that is not there, and while an import of images must be waited for.
    bool goTo(const QString& page, const QString& argument = {});
    QString currentPage() const;
    /// Null until the page was shown once.
    Page* page(const QString& id) const;
    StatusLine* statusLine() const { return m_status; }
    HeaderBar* header() const { return m_header; }
    RunStrip* runStrip() const { return m_runStrip; }
    CommandPalette* commandPalette() const { return m_palette; }
    /// Everything but the page hidden (F11).
    void setFocusMode(bool on);
    bool focusMode() const { return m_focusMode; }

Q_SIGNALS:
    void projectShown();

protected:
    void closeEvent(QCloseEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void buildShortcuts();
    void openPalette();
    void runCommand(const QString& id);
    /// False: it is not there, or an import must be waited for.
    bool showPage(int index);
    /// True while images are being copied, and says so: the page stays until they are in.
    bool mustWaitForImport();
    void leaveWorkspace();
    void chooseProject();
    void chooseFile();
    void chooseModel();
    void openDrop(const Drop& drop);
    void showImageImport(const QString& path);
    /// True when one was there.
    bool closeImageImport();
    void onRun(const desk::RunInfo& info, const std::vector<Event>& events);
    void refreshReady();
    void changeReading(int step);
    QString freshProjectDir(const QString& name) const;

    std::vector<PageFactory> m_pages;
    Preferences& m_preferences;
    WorkspaceRequest m_defaults;
    std::unique_ptr<Workspace> m_workspace;
    QStackedWidget* m_root;
    StartPage* m_start;
    QWidget* m_main;
    HeaderBar* m_header;
    Rail* m_rail;
    QStackedWidget* m_stack;
    RunStrip* m_runStrip;
    StatusLine* m_status;
    CommandPalette* m_palette;
    ImageImportSheet* m_sheet = nullptr; ///< in the place of the page m_before
    std::vector<Page*> m_made;
    int m_current = -1, m_before = -1;
    qint64 m_remaining = 0;
    double m_secondsEach = 0;
    bool m_writing = false;
    bool m_focusMode = false;
    bool m_opening = false;
};

} // namespace pl::ui
