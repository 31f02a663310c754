// SPDX-License-Identifier: GPL-3.0-or-later
#include <filesystem>

#include "core/base/os/files.h"
#include "core/desk/store/impl.h"
#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/label/label_page.h"
#include "ui/settings/settings_page.h"
#include "ui/shell/chrome.h"
#include "ui/shell/start_page.h"
#include "ui/widgets/search_list.h"

using namespace fixture;

namespace {
std::vector<PageFactory> pages(Preferences& preferences) {
    return {labelPage(), dataPage(), settingsPage(preferences)};
}
} // namespace

class TestShell : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void keysReachEveryPage() {
        Desk desk;
        makeProject(desk.dir(), 3);
        desk.show(pages(desk.preferences));
        QCOMPARE(desk.window->currentPage(), u"label"_s);
        QTest::keyClick(desk.window.get(), Qt::Key_2, Qt::AltModifier);
        QCOMPARE(desk.window->currentPage(), u"data"_s);
        QTest::keyClick(desk.window.get(), Qt::Key_Comma, Qt::ControlModifier);
        QCOMPARE(desk.window->currentPage(), u"settings"_s);
        QTest::keyClick(desk.window.get(), Qt::Key_1, Qt::AltModifier);
        QCOMPARE(desk.window->currentPage(), u"label"_s);
    }

    void focusModeHidesTheFrame() {
        Desk desk;
        makeProject(desk.dir(), 3);
        desk.show(pages(desk.preferences));
        QVERIFY(desk.window->header()->isVisible());
        desk.window->setFocusMode(true);
        QVERIFY(!desk.window->header()->isVisible());
        QVERIFY(!desk.window->statusLine()->isVisible());
        desk.window->setFocusMode(false);
        QVERIFY(desk.window->header()->isVisible());
    }

    void theRailIsWideFrom1500ButNotOnLabel() {
        Desk desk;
        makeProject(desk.dir(), 3);
        desk.show(pages(desk.preferences), {1600, 900});
        auto* rail = desk.window->findChild<Rail*>();
        QCOMPARE(rail->width(), px(Size::Rail));
        desk.window->goTo(u"data"_s);
        QCOMPARE(rail->width(), px(Size::RailWide));
        desk.window->resize(1280, 800);
        QTRY_COMPARE(rail->width(), px(Size::Rail));
    }

    void ctrlKFindsPagesCommandsAndPrompts() {
        Desk desk;
        makeProject(desk.dir(), 5);
        desk.show(pages(desk.preferences));
        QTest::keyClick(desk.window.get(), Qt::Key_K, Qt::ControlModifier);
        CommandPalette* palette = desk.window->commandPalette();
        QTRY_VERIFY(palette->isVisible());
        palette->list()->setQuery(u"settings"_s);
        QCOMPARE(palette->list()->shownIds().value(0), u"page:settings"_s);
        palette->list()->setQuery(u"balcony"_s);
        QTRY_VERIFY(palette->list()->shownIds().value(0).startsWith(u"prompt:"_s));
    }

    void aSecondOpenerIsToldWhoHoldsTheProject() {
        Desk desk;
        makeProject(desk.dir(), 1);
        desk.show(pages(desk.preferences));
        auto second = Workspace::open(desk.request());
        QVERIFY(!second);
        QCOMPARE(int(second.error().code), int(Code::Busy));
        QVERIFY(QString::fromStdString(second.error().toString()).contains(QString::number(QCoreApplication::applicationPid())));
        QCOMPARE(exitCodeOf(second.error().code), 4);
    }

    /// A check that is due needs room for a copy; that it is not made must not stand in a log alone.
    void aCheckThatHasNoRoomIsTold() {
        Desk desk;
        makeProject(desk.dir(), 1);
        const std::string dir = desk.dir().toStdString(), file = dir + "/project.db";
        auto left = must(desk::Project::open(dir, projectOptions()));
        must(left.impl().guarded("leaving", [&]() -> Status { return left.impl().setMeta("check_due", "full"), Status(); }));
        must(left.close());
        // A hole at its end makes it larger than the disk and takes no room.
        std::filesystem::resize_file(file, must(os::freeSpace(dir)) + (uint64_t{1} << 30));
        desk.show(pages(desk.preferences));
        QTRY_VERIFY_WITH_TIMEOUT(desk.window->statusLine()->message().contains(u"no room to check the project for damage"_s, Qt::CaseInsensitive), 20000);
        QVERIFY(desk.window->statusLine()->message().contains(u"pairlab-cli check"_s));
    }

    void withoutAProjectThereAreThreeWaysToBegin() {
        Desk desk;
        MainWindow window(pages(desk.preferences), desk.preferences);
        window.resize(1280, 800);
        window.show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        for (const char* name : {"start_starter", "start_images", "start_file", "start_model"}) {
            auto* button = window.findChild<QPushButton*>(QString::fromLatin1(name));
            QVERIFY(button && button->isVisible());
        }
        QVERIFY2(clipped(&window).isEmpty(), qPrintable(clipped(&window).join(u" | "_s)));
    }

    void theIconsOfTheStartPageFollowTheTheme() {
        Desk desk;
        applyTheme(*qApp, ThemeMode::Light);
        MainWindow window(pages(desk.preferences), desk.preferences);
        window.show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        const auto icons = window.findChildren<QLabel*>(u"start_icon"_s);
        QCOMPARE(icons.size(), 3);
        for (const ThemeMode mode : {ThemeMode::Dark, ThemeMode::Light}) {
            applyTheme(*qApp, mode);
            QTest::qWait(50);
            const int ground = color(Tone::Surface).lightness();
            for (QLabel* icon : icons) {
                const QImage image = icon->grab().toImage();
                int farthest = 0;
                for (int y = 0; y < image.height(); ++y)
                    for (int x = 0; x < image.width(); ++x)
                        farthest = std::max(farthest, std::abs(image.pixelColor(x, y).lightness() - ground));
                QVERIFY(farthest > 120);
            }
        }
    }

    void theStarterIsOfTextsOrOfImages() {
        Desk desk;
        MainWindow window(pages(desk.preferences), desk.preferences);
        auto* start = window.findChild<StartPage*>();
        QVERIFY(start);
        start->disconnect(&window); // only what the buttons ask for
        QSignalSpy asked(start, &StartPage::starterRequested);
        window.findChild<QPushButton*>(u"start_starter"_s)->click();
        window.findChild<QPushButton*>(u"start_images"_s)->click();
        QCOMPARE(asked.size(), 2);
        QCOMPARE(asked[0][0].toBool(), false);
        QCOMPARE(asked[1][0].toBool(), true);
        qputenv("PAIRLAB_RESOURCES", PAIRLAB_SOURCE_DIR "/resources");
        WorkspaceRequest request = desk.request();
        request.kind = WorkspaceRequest::Kind::Starter;
        request.starter = pl::desk::Starter::Images;
        desk::Project project = must(Workspace::prepare(request));
        const auto models = must(pl::desk::modelChoices(project));
        QCOMPARE(models.size(), size_t{1});
        QVERIFY(models[0].image);
        QVERIFY(project.counters().prompts > 0);
    }

    void aProjectThatCannotBeOpenedIsSaidOnTheStartPage() {
        Desk desk;
        MainWindow window(pages(desk.preferences), desk.preferences);
        window.show();
        WorkspaceRequest request = desk.request();
        request.dir = desk.temp.filePath(u"nowhere"_s);
        window.openProject(request);
        QTRY_VERIFY([&] {
            for (QLabel* label : window.findChildren<QLabel*>())
                if (label->isVisible() && label->text().contains(u"nowhere"_s) && !label->text().startsWith(u"Opening"_s))
                    return true;
            return false;
        }());
        QVERIFY(!window.workspace());
    }

    void anOpenedProjectIsRememberedAndReopened() {
        Desk desk;
        makeProject(desk.dir(), 2);
        {
            MainWindow window(pages(desk.preferences), desk.preferences);
            window.setDefaults(desk.request());
            window.show();
            QSignalSpy shown(&window, &MainWindow::projectShown);
            window.openProject(desk.request());
            QVERIFY(shown.wait(5000));
            QCOMPARE(window.currentPage(), u"label"_s);
            window.close();
            QVERIFY(!window.workspace()); // the store is closed with the window
        }
        QCOMPARE(desk.preferences.recentProjects(), QStringList{desk.dir()});
        QVERIFY(Workspace::open(desk.request()));
    }

    void theRunStripShowsWhatRunsAndNoMetricsNumbers() {
        RunStrip strip;
        strip.resize(1280, 32);
        strip.show();
        desk::RunInfo info;
        info.name = "0042-dpo";
        info.state = RunState::Running;
        info.step = 412;
        info.of = 900;
        info.etaSeconds = 1080;
        std::vector<Event> events;
        for (int i = 0; i < 20; ++i)
            events.push_back({static_cast<uint64_t>(i + 1), 0, event::kMetrics,
                              Json{{"step", i}, {"values", {{"rewards/margins", 0.731 + i}, {"loss", 0.69}}}}});
        strip.setRun(info, events);
        QCOMPARE(strip.run(), u"0042-dpo"_s);
        QStringList words;
        for (QLabel* label : strip.findChildren<QLabel*>())
            if (label->isVisible())
                words.append(label->text());
        QVERIFY(words.contains(u"412/900"_s));
        QVERIFY(words.contains(u"18 min left"_s));
        QVERIFY(words.contains(u"margin"_s));
        QVERIFY(words.filter(u"0.73"_s).isEmpty());
        QTest::qWait(20); // the layout follows
        QVERIFY2(clipped(&strip).isEmpty(), qPrintable(clipped(&strip).join(u" | "_s)));
        // A failure outranks nothing but a finished past.
        info.state = RunState::Failed;
        info.reason = "out of memory";
        strip.setRun(info, {});
        QCOMPARE(strip.run(), u"0042-dpo"_s);
        desk::RunInfo other;
        other.name = "0043-dpo";
        other.state = RunState::Running;
        strip.setRun(other, {});
        QCOMPARE(strip.run(), u"0043-dpo"_s);
    }

    void settingsChangeTheTaskAndItsGuidelineVersion() {
        Desk desk;
        makeProject(desk.dir(), 3);
        desk.show(pages(desk.preferences));
        desk.window->goTo(u"settings"_s);
        auto* page = qobject_cast<SettingsPage*>(desk.window->page(u"settings"_s));
        auto* guideline = page->findChild<QPlainTextEdit*>();
        auto* save = page->findChild<QPushButton*>(u"save_task"_s);
        QVERIFY(guideline && save);
        QVERIFY(!save->isEnabled());
        const int before = desk.context().task.guidelineVersion;
        guideline->setPlainText(u"Prefer the answer that can be acted on."_s);
        QVERIFY(save->isEnabled());
        QSignalSpy saved(page, &SettingsPage::taskSaved);
        save->click();
        QVERIFY(saved.wait(4000));
        QCOMPARE(desk.context().task.guidelineVersion, before + 1);
        QVERIFY2(clipped(page).isEmpty(), qPrintable(clipped(page).join(u" | "_s)));
    }

    void bytesAreReadable() {
        QCOMPARE(formatBytes(0), u"0 B"_s);
        QCOMPARE(formatBytes(999), u"999 B"_s);
        QCOMPARE(formatBytes(1400000000), u"1.4 GB"_s);
        QCOMPARE(formatBytes(212000000000), u"212 GB"_s);
    }
};

QTEST_MAIN(TestShell)
#include "tst_shell.moc"
