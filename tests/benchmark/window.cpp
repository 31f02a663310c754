// SPDX-License-Identifier: GPL-3.0-or-later
// From the key of a vote to the next pair painted, and from the key of an undo to the pair before, in the window on a project of 10,000
// pairs, votes durable as in use; of texts, or of images of so many pixels a side; or of a project that is there.
#include "tests/benchmark/benchmark.h"
#include "tests/ui/image_fixture.h"
#include "ui/label/label_page.h"
#include "ui/widgets/image_loader.h"

using namespace fixture;

int main(int argc, char** argv) {
    if (argc != 3 && argc != 4) {
        std::fprintf(stderr, "usage: benchmark_window PAIRS|PROJECT VOTES [SIDE]\n");
        return 2;
    }
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication app(argc, argv);
    applyTheme(app, ThemeMode::Light);
    setReducedMotion(true);
    const int pairs = std::atoi(argv[1]), votes = std::atoi(argv[2]);
    Desk desk;
    const int side = argc == 4 ? std::atoi(argv[3]) : 0;
    const QString project = QDir(QString::fromLocal8Bit(argv[1])).absolutePath();
    const bool there = pl::desk::Project::isProject(project.toStdString());
    if (there) // somebody who has judged nothing yet
        ;
    else if (side > 0)
        pictures::makeProject(desk.dir(), pairs, [&](int pair, int k) { return pictures::bytesOf(pictures::gradient(side, side, 2 * pair + k)); });
    else
        makeProject(desk.dir(), pairs);
    auto request = desk.request();
    request.project.durable = true;
    if (there)
        request.dir = project;
    QElapsedTimer opening;
    opening.start();
    desk.show({labelPage()}, request, {1280, 800});
    auto* page = qobject_cast<LabelPage*>(desk.window->page(u"label"_s));
    if (!page)
        return 70;
    page->setGuardMs(0);
    const auto ready = [&] { return page->takesVotes() && page->pairView()->paintedAt() > 0; };
    if (!QTest::qWaitFor(ready, 30000))
        return 70;
    const double openMs = static_cast<double>(opening.nsecsElapsed()) * 1e-6;
    static constexpr Qt::Key keys[] = {Qt::Key_S, Qt::Key_D, Qt::Key_F, Qt::Key_Space, Qt::Key_J, Qt::Key_K, Qt::Key_L};
    std::vector<double> floor;
    for (int i = 0; i < votes; ++i) {
        // A person looks longer than decoding ahead takes.
        if (side > 0 && !QTest::qWaitFor([&] { return page->pairView()->imageLoader()->isIdle(); }, 10000))
            return 70;
        const auto before = page->currentComparison();
        QTest::keyClick(QApplication::focusWidget() ? QApplication::focusWidget() : page, keys[i % 7]);
        if (!QTest::qWaitFor([&] { return page->currentComparison() != before && ready(); }, 10000))
            return 70;
        if (i % 10 == 9)
            for (const double ms : pl::benchmark::syncedWrites(desk.temp.path().toStdString(), 16384, 2))
                floor.push_back(ms);
    }
    // Back through what was just judged: the pair before is painted again, with its vote.
    std::vector<double> undone;
    for (int i = 0; i < std::min(votes / 4, 100); ++i) {
        const auto before = page->currentComparison();
        const qint64 painted = page->pairView()->paintedAt();
        QElapsedTimer waited;
        waited.start();
        QTest::keyClick(QApplication::focusWidget() ? QApplication::focusWidget() : page, Qt::Key_U);
        while (!(page->currentComparison() != before && page->pairView()->paintedAt() != painted && ready()) && waited.elapsed() < 10000)
            QCoreApplication::processEvents(QEventLoop::AllEvents | QEventLoop::WaitForMoreEvents, 10);
        undone.push_back(static_cast<double>(waited.nsecsElapsed()) * 1e-6);
    }
    std::vector<double> ms;
    for (const qint64 ns : page->keyToPaint())
        ms.push_back(static_cast<double>(ns) * 1e-6);
    using pl::benchmark::quantile;
    std::printf("%s\n", pl::dumpJson({{"pairs", pairs}, {"side", side}, {"votes", ms.size()}, {"open_ms", openMs}, {"p50_ms", quantile(ms, 0.5)},
                                      {"p95_ms", quantile(ms, 0.95)},
                                      {"p99_ms", quantile(ms, 0.99)}, {"undo_p95_ms", quantile(undone, 0.95)}, {"fsync_p50_ms", quantile(floor, 0.5)},
                                      {"fsync_p95_ms", quantile(floor, 0.95)}}).c_str());
    return ms.empty() ? 70 : 0;
}
