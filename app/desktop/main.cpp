// SPDX-License-Identifier: GPL-3.0-or-later
// pairlab: the window. Composition only: which pages there are, how the program starts and ends.
#include <cstdio>
#include <set>
#include <string_view>

#include <QApplication>
#include <QCommandLineParser>
#include <QFileInfo>
#include <QTimer>

#include "key_presser.h"
#include "stall_watch.h"

#include "core/base/log.h"
#include "core/base/os/files.h"
#include "ui/data/data_page.h"
#include "ui/evaluate/evaluate_page.h"
#include "ui/generate/generate_page.h"
#include "ui/label/label_page.h"
#include "ui/models/models_page.h"
#include "ui/runs/report.h"
#include "ui/runs/runs_page.h"
#include "ui/samples/samples_page.h"
#include "ui/settings/settings_page.h"
#include "ui/shell/main_window.h"
#include "ui/shell/preferences.h"
#include "ui/train/train_page.h"

using namespace Qt::StringLiterals;
using namespace pl::ui;

namespace {

constexpr int kUsage = 2;

int complain(const pl::Error& error) {
    std::fprintf(stderr, "pairlab: %s\n", error.toString().c_str());
    return pl::exitCodeOf(error.code);
}

/// Charts of every run as PNG, without a display.
int report(QCommandLineParser& parser, const QStringList& words) {
    if (words.size() != 2 || !parser.isSet(u"out"_s)) {
        std::fprintf(stderr, "usage: pairlab report PROJECT --out DIR\n");
        return kUsage;
    }
    applyTheme(*qApp, ThemeMode::Light);
    const auto done = writeReport(sstr(words[1]), sstr(parser.value(u"out"_s)));
    return done ? 0 : complain(done.error());
}

} // namespace

int main(int argc, char** argv) {
    // A report needs no display: the platform is chosen before the application object exists.
    // Neither does what only prints.
    const std::set<std::string_view> plain{"report", "-h", "--help", "--help-all", "-v", "--version"};
    if (argc > 1 && plain.contains(argv[1]) && qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication app(argc, argv);
    QApplication::setApplicationName(u"pairlab"_s);
    QApplication::setApplicationDisplayName(u"PairLab"_s);
    QApplication::setApplicationVersion(QStringLiteral(PAIRLAB_VERSION));
    QApplication::setDesktopFileName(u"pairlab"_s);
    QCommandLineParser parser;
    parser.setApplicationDescription(
        u"PairLab: label, train and inspect human preference.\n\n"
        u"  pairlab [PROJECT]                   the window\n"
        u"  pairlab report PROJECT --out DIR    charts of every run as PNG, without a display\n\n"
        u"Exit codes: 0 done, 2 usage, 4 busy (held by another program), 10 configuration, 11 input or output, "
        u"12 memory, 70 internal."_s);
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addPositionalArgument(u"project"_s, u"A project folder; without it the start page."_s, u"[PROJECT]"_s);
    parser.addOption({u"exit-after-startup"_s, u"Leave as soon as the window is shown (to time the start)."_s});
    // For the tests of crashes and of endurance: presses these keys on the Label page, over and over, and prints a line for every vote
    // on disk; with --press-for also what stalled.
    QCommandLineOption press(u"press"_s, u"Needs PAIRLAB_PRESS_KEYS=1; _ is Space."_s, u"keys"_s);
    QCommandLineOption pace(u"press-pace"_s, u"Milliseconds between two."_s, u"ms"_s), lasting(u"press-for"_s, u"Then leave."_s, u"seconds"_s);
    for (QCommandLineOption* option : {&press, &pace, &lasting}) {
        option->setFlags(QCommandLineOption::HiddenFromHelp);
        parser.addOption(*option);
    }
    parser.addOption({u"starter"_s, u"Make PROJECT from the starter when it does not exist."_s});
    parser.addOption({u"config"_s, u"Another file for personal settings."_s, u"file"_s});
    parser.addOption({u"out"_s, u"Folder of the report."_s, u"dir"_s});
    if (!parser.parse(QApplication::arguments())) {
        std::fprintf(stderr, "pairlab: %s\n", qPrintable(parser.errorText()));
        return kUsage;
    }
    if (parser.isSet(u"help"_s)) {
        std::printf("%s", qPrintable(parser.helpText()));
        return 0;
    }
    if (parser.isSet(u"version"_s)) {
        std::printf("pairlab %s\n", PAIRLAB_VERSION);
        return 0;
    }
    pl::log::init(pl::log::Level::Warning);
    const QStringList words = parser.positionalArguments();
    if (words.value(0) == u"report")
        return report(parser, words);
    if (words.size() > 1) {
        std::fprintf(stderr, "pairlab: one project at a time; %lld were given\n", static_cast<long long>(words.size()));
        return kUsage;
    }

    Preferences preferences(parser.value(u"config"_s));
    preferences.apply();
    std::vector<PageFactory> pages{labelPage(&preferences), dataPage(&preferences), generatePage(), trainPage(),
                                   runsPage(),  samplesPage(), evaluatePage(), modelsPage(), playgroundPage(),
                                   settingsPage(preferences)};
    int code = 0;
    {
        MainWindow window(std::move(pages), preferences);
        WorkspaceRequest defaults;
        defaults.personName = preferences.personName();
        window.setDefaults(defaults);
        if (!words.isEmpty()) {
            WorkspaceRequest request = defaults;
            request.dir = QFileInfo(words.first()).absoluteFilePath();
            if (parser.isSet(u"starter"_s) && !QFileInfo::exists(request.dir))
                request.kind = WorkspaceRequest::Kind::Starter;
            auto workspace = Workspace::open(request);
            if (!workspace) {
                // Said where it was asked for; a window that cannot show the project would only hide the reason.
                return complain(workspace.error());
            }
            window.setWorkspace(std::move(*workspace));
        }
        if (const QByteArray geometry = preferences.geometry(); geometry.isEmpty() || !window.restoreGeometry(geometry))
            window.resize(1280, 800);
        window.show();
        if (parser.isSet(press) && qEnvironmentVariableIntValue("PAIRLAB_PRESS_KEYS") == 1) { // the window owns them
            auto* presser = new KeyPresser(window, parser.value(press), parser.value(pace).toInt(), parser.value(lasting).toInt());
            if (auto* label = qobject_cast<LabelPage*>(window.page(page::kLabel.toString())); label && parser.isSet(lasting)) {
                auto* watch = new StallWatch(&window);
                QObject::connect(label, &LabelPage::pairShown, watch, &StallWatch::start);
                QObject::connect(presser, &KeyPresser::leaving, watch, &StallWatch::stop);
            }
        }
        if (parser.isSet(u"exit-after-startup"_s))
            QTimer::singleShot(0, &window, [&window] { window.close(); });
        code = QApplication::exec();
    }
    return code;
}
