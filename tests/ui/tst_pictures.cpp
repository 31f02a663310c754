// SPDX-License-Identifier: GPL-3.0-or-later
// Many pictures on a page: the grid, the strip, and two of them on one view.
#include <QScrollArea>

#include "tests/ui/image_runs.h"

#include "ui/theme/theme.h"
#include "ui/widgets/image_paint.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/picture_browser.h"
#include "ui/widgets/picture_strip.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {

/// Files of a temporary folder.
struct Files {
    QTemporaryDir temp;
    QString add(const QString& name, const QByteArray& bytes) { return pictures::write(temp.filePath(name), bytes); }
};

PictureTable tableOf(int rows, int columns, std::function<QString(int, int)> path) {
    PictureTable table;
    table.rows = rows;
    table.columns = columns;
    table.title = [](int row) { return u"a caption that says what row %1 shows"_s.arg(row); };
    table.head = [](int column) { return u"0002-image_dpo\nstep %1"_s.arg(20 * column); };
    table.cell = [path](int row, int column) { return Picture{path(row, column), u"gold %1"_s.arg(column), {}, {}}; };
    return table;
}

} // namespace

class TestPictures : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void smallPicturesAreEnlargedWithSquares() {
        auto loaded = std::make_shared<LoadedImage>();
        loaded->image = pictures::gradient(32, 32);
        loaded->size = loaded->image.size();
        QImage out(140, 130, QImage::Format_RGB32);
        out.fill(Qt::white);
        QPainter p(&out);
        paintPicture(p, QRect(0, 0, 140, 130), loaded);
        p.end();
        // Four times, in the middle: every pixel of the file is a square of one colour.
        for (int y = 0; y < 32; ++y)
            for (int x = 0; x < 32; ++x)
                for (const QPoint corner : {QPoint(0, 0), QPoint(3, 3)})
                    QCOMPARE(out.pixel(6 + 4 * x + corner.x(), 1 + 4 * y + corner.y()), loaded->image.pixel(x, y));
    }

    void keysMoveOpenAndClose() {
        Files files;
        const QString path = files.add(u"a.png"_s, pictures::bytesOf(pictures::gradient(32, 32)));
        ImageLoader loader;
        PictureGrid grid(&loader);
        grid.resize(700, 420);
        grid.setTable(tableOf(6, 4, [&](int, int) { return path; }));
        grid.show();
        QSignalSpy opened(&grid, &PictureGrid::opened), closed(&grid, &PictureGrid::closed), moved(&grid, &PictureGrid::currentChanged);
        QTest::keyClick(&grid, Qt::Key_Right);
        QTest::keyClick(&grid, Qt::Key_Down);
        QCOMPARE(QPoint(grid.currentColumn(), grid.currentRow()), QPoint(1, 1));
        QCOMPARE(moved.size(), 2);
        QTest::keyClick(&grid, Qt::Key_Left);
        QTest::keyClick(&grid, Qt::Key_Left); // no further than the first
        QCOMPARE(grid.currentColumn(), 0);
        QTest::keyClick(&grid, Qt::Key_Return);
        QCOMPARE(opened.size(), 1);
        QCOMPARE(opened.first(), (QVariantList{1, 0}));
        QTest::keyClick(&grid, Qt::Key_Escape);
        QCOMPARE(closed.size(), 1);
        for (int i = 0; i < 9; ++i)
            QTest::keyClick(&grid, Qt::Key_Down);
        QCOMPARE(grid.currentRow(), 5);
        // What is current is seen.
        QVERIFY(grid.viewport()->rect().contains(grid.pictureRect(5, 0)));
        QVERIFY(grid.currentWords().contains(u"what row 5 shows"_s) && grid.currentWords().contains(u"step 0"_s));
        QTest::mouseClick(grid.viewport(), Qt::LeftButton, {}, grid.pictureRect(5, 2).center());
        QCOMPARE(QPoint(grid.currentColumn(), grid.currentRow()), QPoint(2, 5));
        QCOMPARE(opened.size(), 2);
    }

    void aFileThatCannotBeShownSaysWhy() {
        Files files;
        const QByteArray whole = pictures::bytesOf(pictures::gradient(64, 64));
        const QString sound = files.add(u"a.png"_s, whole), cut = files.add(u"b.png"_s, whole.left(whole.size() / 2));
        ImageLoader loader;
        PictureGrid grid(&loader);
        grid.resize(800, 420);
        grid.setTable(tableOf(1, 3, [&](int, int c) { return c == 0 ? sound : c == 1 ? cut : files.temp.filePath(u"none.png"_s); }));
        grid.show();
        grid.grab();
        QTRY_VERIFY(loader.isIdle() && loader.decoded() == 3);
        QVERIFY(!grid.currentWords().contains(u"cannot be shown"_s));
        grid.setCurrent(0, 1);
        QVERIFY2(grid.currentWords().contains(u"cannot be shown: the file is not a whole PNG file"_s), qPrintable(grid.currentWords()));
        grid.setCurrent(0, 2);
        QVERIFY(grid.currentWords().contains(u"the file is missing"_s));
        // And in the picture's place: not one colour.
        const QImage shot = grid.viewport()->grab().toImage();
        const QRect box = grid.pictureRect(0, 2);
        QSet<QRgb> colours;
        for (int y = box.top() + 4; y < box.bottom() - 4; ++y)
            for (int x = box.left() + 4; x < box.right() - 4; ++x)
                colours.insert(shot.pixel(x, y));
        QVERIFY(colours.size() > 3);
    }

    void onlyWhatIsSeenIsReadAndMemoryStaysFlat() {
        Files files;
        QStringList paths;
        for (int i = 0; i < 400; ++i)
            paths.append(files.add(u"%1.png"_s.arg(i), pictures::bytesOf(pictures::gradient(48, 48, i))));
        constexpr qint64 kCache = 600 * 1024; // about sixty of them
        ImageLoader loader(nullptr, kCache);
        PictureGrid grid(&loader);
        grid.resize(700, 420);
        constexpr int kRows = 20000;
        grid.setTable(tableOf(kRows, 4, [&](int r, int c) { return paths[(r * 4 + c) % paths.size()]; }));
        grid.show();
        grid.grab();
        QTRY_VERIFY(loader.isIdle());
        const qint64 first = loader.decoded();
        QVERIFY2(first >= 4 && first <= 24, qPrintable(QString::number(first)));
        QElapsedTimer clock;
        for (int row = 0; row < kRows; row += 997) {
            clock.restart();
            grid.setCurrent(row, row % 4);
            grid.grab();
            QVERIFY(clock.elapsed() < 500); // nothing is decoded on this thread
            QTRY_VERIFY(loader.isIdle());
            QVERIFY(loader.bytes() <= kCache);
        }
        QVERIFY(loader.decoded() > first);
    }

    void largePicturesAreReadOnceForTheirBoxes() {
        Files files;
        const QByteArray large = pictures::bytesOf(pictures::gradient(600, 600));
        QStringList paths;
        for (int i = 0; i < 120; ++i)
            paths.append(files.add(u"%1.png"_s.arg(i), large));
        constexpr qint64 kCache = qint64{12} << 20; // not even a dozen of them at 512 x 512
        const auto settles = [](ImageLoader& loader, qsizetype seen) {
            QTRY_VERIFY(loader.decoded() >= seen && loader.isIdle());
            QTest::qWait(300);
            QVERIFY2(loader.isIdle() && loader.decoded() <= 120, qPrintable(QString::number(loader.decoded())));
        };
        ImageLoader loader(nullptr, kCache);
        PictureGrid grid(&loader);
        grid.resize(1500, 800);
        grid.setTable(tableOf(10, 12, [&](int r, int c) { return paths[r * 12 + c]; }));
        grid.show();
        settles(loader, 40);
        ImageLoader other(nullptr, kCache);
        QScrollArea area;
        area.resize(900, 500);
        auto* strip = new PictureStrip(&other, 128);
        QList<Picture> all;
        for (const QString& path : paths)
            all.append({path, u"imported"_s, {}, {}});
        strip->setPictures(all);
        area.setWidget(strip);
        strip->resize(860, strip->heightForWidth(860));
        area.show();
        settles(other, 12);
        QVERIFY2(other.decoded() < 40, qPrintable(QString::number(other.decoded()))); // what is scrolled away is not read
    }

    void twoOnOneViewFollowTheGrid() {
        Files files;
        std::vector<QString> paths;
        for (int i = 0; i < 3; ++i)
            paths.push_back(files.add(u"%1.png"_s.arg(i), pictures::bytesOf(pictures::grown(32, 1, i / 2.0))));
        ImageLoader loader;
        PictureBrowser browser(&loader, Qt::Vertical);
        browser.resize(900, 700);
        browser.grid()->setTable(tableOf(1, 3, [&](int, int c) { return paths[static_cast<size_t>(c)]; }));
        browser.setPairs(
            [&](int, int column) -> std::optional<PicturePair> {
                if (column == 0)
                    return std::nullopt;
                const QString path = paths[static_cast<size_t>(column)];
                return PicturePair{path, paths[0], path, {}, {}, u"A step 0  ·  B step %1"_s.arg(column)};
            },
            u"There is nothing to put it beside."_s);
        browser.show();
        QVERIFY(!browser.isPairOpen());
        QTest::keyClick(browser.grid(), Qt::Key_Return);
        QVERIFY(browser.isPairOpen());
        QVERIFY(!browser.view()->isVisible()); // the first has none beside it, and that is said
        QTest::keyClick(browser.grid(), Qt::Key_Right);
        QCOMPARE(browser.pairTitle(), u"A step 0  ·  B step 1"_s);
        QTRY_VERIFY(browser.view()->isVisible() && browser.view()->pairId() == paths[1]);
        // The view's keys work from the grid.
        QTest::keyClick(browser.grid(), Qt::Key_F3);
        QCOMPARE(browser.view()->mode(), ImageMode::Difference);
        QTest::keyClick(browser.grid(), Qt::Key_F1);
        QTest::keyPress(browser.grid(), Qt::Key_V);
        QVERIFY(browser.view()->isFlipped());
        QTest::keyRelease(browser.grid(), Qt::Key_V);
        QVERIFY(!browser.view()->isFlipped());
        QTest::keyClick(browser.grid(), Qt::Key_Right);
        QCOMPARE(browser.view()->pairId(), paths[2]);
        QTest::keyClick(browser.grid(), Qt::Key_Escape);
        QVERIFY(!browser.isPairOpen());
    }

    void aStripBreaksIntoLines() {
        Files files;
        const QString path = files.add(u"a.png"_s, pictures::bytesOf(pictures::gradient(32, 32)));
        ImageLoader loader;
        PictureStrip strip(&loader, 128);
        QList<Picture> five;
        for (int i = 0; i < 5; ++i)
            five.append({path, u"rank %1"_s.arg(i + 1), {}, {}});
        strip.setPictures(five);
        const int line = strip.heightForWidth(5 * 140);
        QCOMPARE(strip.heightForWidth(3 * 140), 2 * line);
        QCOMPARE(strip.heightForWidth(130), 5 * line);
        QVERIFY(strip.accessibleDescription().contains(u"rank 5"_s));
    }
};

QTEST_MAIN(TestPictures)
#include "tst_pictures.moc"
