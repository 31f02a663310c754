// SPDX-License-Identifier: GPL-3.0-or-later
#include <QtTest>
#include <QtWidgets>

#include "tests/ui/image_fixture.h"
#include "ui/widgets/image_geometry.h"
#include "ui/widgets/image_paint.h"
#include "ui/widgets/image_view.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {

/// A view on files of its own.
struct Looking {
    QTemporaryDir temp;
    ImageLoader loader;
    ImageView view{&loader};
    int files = 0;

    Looking() {
        view.resize(900, 460);
        view.show();
        (void)QTest::qWaitForWindowExposed(&view);
    }
    QString file(const QByteArray& bytes) { return pictures::write(temp.filePath(QString::number(files++)), bytes); }
    QString file(const QImage& image) { return file(pictures::bytesOf(image)); }
    bool set(const QImage& a, const QImage& b, const QString& id = u"pair"_s) {
        return setFiles(file(a), file(b), id);
    }
    bool setFiles(const QString& a, const QString& b, const QString& id = u"pair"_s) {
        view.setPair(id, a, b);
        return QTest::qWaitFor([this] { return view.paintedAt() > 0 || (view.mode() == ImageMode::Blink && !view.isLoading()); }, 5000);
    }
    QImage grab() { return view.grab().toImage(); }
    /// What the view shows at the middle of a pixel of the side's file.
    QColor at(Side side, double x, double y) {
        const QRectF where = view.imageRect(side);
        const QSizeF size = view.geometry().size(side);
        const QPointF point(where.left() + (x + 0.5) * where.width() / size.width(),
                            where.top() + (y + 0.5) * where.height() / size.height());
        return grab().pixelColor(point.toPoint());
    }
    void key(int key, Qt::KeyboardModifiers held = Qt::NoModifier) { QTest::keyClick(&view, static_cast<Qt::Key>(key), held); }
    void move(const QPointF& to) { QTest::mouseMove(&view, to.toPoint()); }
    void wheel(const QPointF& point, int steps) {
        QWheelEvent event(point, view.mapToGlobal(point), {}, QPoint(0, 120 * steps), Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase,
                          false);
        QApplication::sendEvent(&view, &event);
    }
    void drag(const QPoint& from, const QPoint& to) {
        QTest::mousePress(&view, Qt::LeftButton, {}, from);
        QMouseEvent event(QEvent::MouseMove, to, view.mapToGlobal(to), Qt::NoButton, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(&view, &event);
        QTest::mouseRelease(&view, Qt::LeftButton, {}, to);
    }
};

QImage plain(const QColor& c, int side = 32) {
    QImage image(side, side, QImage::Format_RGB32);
    image.fill(c);
    return image;
}
const QColor kRed(200, 10, 10), kGreen(10, 180, 20);

/// How often a colour occurs in a picture.
int count(const QImage& image, const QColor& c) {
    int n = 0;
    for (int y = 0; y < image.height(); ++y)
        for (int x = 0; x < image.width(); ++x)
            n += pictures::near(image.pixel(x, y), c.rgb(), 3);
    return n;
}

} // namespace

class TestImageView : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }
    void cleanup() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void paintedComesOnceWhenBothAreOnTheScreen() {
        Looking at;
        QSignalSpy painted(&at.view, &ImageView::painted);
        const qint64 before = steadyNow();
        QVERIFY(at.set(plain(kRed), plain(kGreen), u"p1"_s));
        QTRY_COMPARE(painted.size(), 1);
        QCOMPARE(painted[0][0].toString(), u"p1"_s);
        QVERIFY(painted[0][1].toLongLong() > before);
        at.view.repaint();
        QTest::qWait(20);
        QCOMPARE(painted.size(), 1);
        // Nothing of a pair shows before both of it are there.
        const QString there = at.file(plain(kRed));
        QVERIFY(at.setFiles(there, there, u"p2"_s));
        at.view.setPair(u"p3"_s, there, at.file(pictures::gradient(1500, 1500)));
        QVERIFY(at.view.isLoading());
        QCOMPARE(count(at.grab(), kRed), 0);
        QCOMPARE(at.view.paintedAt(), 0);
        QTRY_VERIFY(at.view.paintedAt() > 0);
        QVERIFY(count(at.grab(), kRed) > 1000);
    }

    void everyModeShowsItsSides() {
        Looking at;
        QVERIFY(at.set(plain(kRed), plain(kGreen)));
        const QRectF left = at.view.imageRect(Side::A), right = at.view.imageRect(Side::B);
        QVERIFY(left.right() < right.left());
        QCOMPARE(left.size(), right.size());
        QCOMPARE(left.top(), right.top());
        QVERIFY(pictures::near(at.at(Side::A, 9, 9).rgb(), kRed.rgb(), 2));
        QVERIFY(pictures::near(at.at(Side::B, 9, 9).rgb(), kGreen.rgb(), 2));
        at.key(Qt::Key_F2);
        QCOMPARE(at.view.mode(), ImageMode::Wipe);
        QCOMPARE(at.view.imageRect(Side::A), at.view.imageRect(Side::B));
        QVERIFY(pictures::near(at.at(Side::A, 3, 9).rgb(), kRed.rgb(), 2));
        QVERIFY(pictures::near(at.at(Side::A, 28, 9).rgb(), kGreen.rgb(), 2));
        // The line follows the pointer.
        at.move({at.view.imageRect(Side::A).right() - 4, 100});
        QVERIFY(at.view.split() > 0.5);
        QVERIFY(pictures::near(at.at(Side::A, 28, 9).rgb(), kRed.rgb(), 2));
        const double split = at.view.split();
        at.key(Qt::Key_Left, Qt::ShiftModifier);
        QVERIFY(at.view.split() < split);
        at.key(Qt::Key_F3);
        QCOMPARE(at.view.mode(), ImageMode::Difference);
        at.view.setGain(1);
        QVERIFY(pictures::near(at.at(Side::A, 9, 9).rgb(), qRgb(190, 170, 10), 2));
        at.key(Qt::Key_F1);
        QCOMPARE(at.view.mode(), ImageMode::Side);
    }

    void flipShowsTheOtherOneInPlaceWhileHeld() {
        Looking at;
        QVERIFY(at.set(plain(kRed), plain(kGreen)));
        const QPoint left = at.view.imageRect(Side::A).center().toPoint(), right = at.view.imageRect(Side::B).center().toPoint();
        QCOMPARE(at.view.viewName(), u"side"_s);
        QTest::keyPress(&at.view, Qt::Key_V);
        QVERIFY(pictures::near(at.grab().pixel(left), kGreen.rgb(), 2));
        QVERIFY(pictures::near(at.grab().pixel(right), kRed.rgb(), 2));
        QTest::keyRelease(&at.view, Qt::Key_V);
        QVERIFY(pictures::near(at.grab().pixel(left), kRed.rgb(), 2));
        QCOMPARE(at.view.viewName(), u"flip"_s); // of this pair
        QVERIFY(at.set(plain(kRed), plain(kGreen), u"next"_s));
        QCOMPARE(at.view.viewName(), u"side"_s);
        // A repeat of a held key is neither a press nor a release.
        QTest::keyPress(&at.view, Qt::Key_V);
        QKeyEvent repeated(QEvent::KeyRelease, Qt::Key_V, Qt::NoModifier, {}, true);
        QApplication::sendEvent(&at.view, &repeated);
        QVERIFY(at.view.isFlipped());
        QTest::keyRelease(&at.view, Qt::Key_V);
        // In the difference the two are shown in turn.
        at.view.setMode(ImageMode::Difference);
        const QPoint middle = at.view.imageRect(Side::A).center().toPoint();
        QSet<QRgb> seen;
        for (int i = 0; i < 2; ++i) {
            at.view.setFlipped(true);
            seen.insert(at.grab().pixel(middle));
            at.view.setFlipped(false);
        }
        QVERIFY(seen.contains(kRed.rgb()) && seen.contains(kGreen.rgb()));
        QCOMPARE(at.view.viewName(), u"difference"_s);
    }

    void blinkChangesTwiceASecondAndByKeyUnderReducedMotion() {
        Looking at;
        setReducedMotion(false);
        QSignalSpy painted(&at.view, &ImageView::painted);
        at.key(Qt::Key_F5);
        QVERIFY(at.set(plain(kRed), plain(kGreen)));
        const QPoint middle = at.view.imageRect(Side::A).center().toPoint();
        QVERIFY(pictures::near(at.grab().pixel(middle), kRed.rgb(), 2));
        QCOMPARE(painted.size(), 0); // only one has been on the screen
        QTRY_VERIFY(pictures::near(at.grab().pixel(middle), kGreen.rgb(), 2));
        QTRY_COMPARE(painted.size(), 1);
        QTRY_VERIFY(pictures::near(at.grab().pixel(middle), kRed.rgb(), 2));
        QCOMPARE(at.view.viewName(), u"blink"_s);
        at.key(Qt::Key_F5);
        QCOMPARE(at.view.mode(), ImageMode::Side);
        setReducedMotion(true);
        at.key(Qt::Key_F5);
        QCOMPARE(at.view.blinkSide(), Side::A);
        QTest::qWait(600);
        QCOMPARE(at.view.blinkSide(), Side::A); // nothing by itself
        at.key(Qt::Key_F5);
        QCOMPARE(at.view.blinkSide(), Side::B);
    }

    void theTagAndTheFrameSayWhichOneItIs() {
        Looking at;
        QVERIFY(at.set(plain(QColor(120, 120, 120)), plain(QColor(120, 120, 120))));
        const auto colours = [&] { return std::pair(count(at.grab(), color(Tone::SideA)), count(at.grab(), color(Tone::SideB))); };
        for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, theme);
            for (const auto mode : {ImageMode::Side, ImageMode::Wipe, ImageMode::Difference}) {
                at.view.setMode(mode);
                const auto [a, b] = colours();
                QVERIFY2(a > 600 && b > 600, qPrintable(imageModeWord(mode)));
            }
            at.view.setMode(ImageMode::Blink);
            QVERIFY(colours().first > 1500 && colours().second == 0);
            at.view.nextBlink();
            QVERIFY(colours().second > 1500 && colours().first == 0);
            at.view.nextBlink();
        }
    }

    void zoomAndPlaceStayFromPairToPair() {
        Looking at;
        QVERIFY(at.set(pictures::gradient(640, 480), pictures::gradient(640, 480, 1)));
        QVERIFY(at.view.isFit());
        at.key(Qt::Key_Z);
        QCOMPARE(at.view.zoom(), 1.0);
        at.wheel(at.view.rect().center() - QPoint(200, 0), 2);
        QCOMPARE(at.view.zoom(), 3.0);
        at.drag({200, 200}, {140, 170});
        const QRectF a = at.view.imageRect(Side::A), b = at.view.imageRect(Side::B);
        for (const auto mode : {ImageMode::Wipe, ImageMode::Difference, ImageMode::Blink, ImageMode::Side}) {
            const QPointF seen = at.view.geometry().place(Side::A, {800, 400}).center();
            at.view.setMode(mode);
            QCOMPARE(at.view.zoom(), 3.0);
            QCOMPARE(at.view.geometry().place(Side::A, {800, 400}).center(), seen);
        }
        QVERIFY(at.set(pictures::gradient(640, 480, 2), pictures::gradient(640, 480, 3), u"next"_s));
        QCOMPARE(at.view.zoom(), 3.0);
        QCOMPARE(at.view.imageRect(Side::A), a);
        QCOMPARE(at.view.imageRect(Side::B), b);
        QCOMPARE(a.left() - b.left(), at.view.imageRect(Side::A).left() - at.view.imageRect(Side::B).left());
        at.key(Qt::Key_Home);
        QVERIFY(at.view.isFit());
        QVERIFY(at.set(pictures::gradient(320, 320), pictures::gradient(320, 320, 3), u"fit stays fit"_s));
        QVERIFY(at.view.isFit());
    }

    void theWheelKeepsThePixelUnderThePointer() {
        Looking at;
        QVERIFY(at.set(pictures::gradient(512, 512), pictures::gradient(512, 512, 1)));
        const QPointF point = at.view.imageRect(Side::A).center() + QPointF(70, 40);
        at.key(Qt::Key_Z);
        const QPointF before = at.view.pixelAt(Side::A, point);
        for (const int steps : {1, 3, 2, -1, 4}) {
            at.wheel(point, steps);
            const QPointF now = at.view.pixelAt(Side::A, point);
            QVERIFY2(QLineF(before, now).length() < 1, qPrintable(u"%1 at %2"_s.arg(QLineF(before, now).length()).arg(at.view.zoom())));
            QVERIFY(QLineF(now, at.view.pixelAt(Side::B, point)).length() < 1e-6);
        }
        for (int i = 0; i < 30; ++i)
            at.wheel(point, 1);
        QCOMPARE(at.view.zoom(), 64.0);
    }

    void unlockingMovesOneAndLockingKeepsTheOffset() {
        Looking at;
        QVERIFY(at.set(pictures::gradient(512, 512), pictures::gradient(512, 512, 1)));
        at.key(Qt::Key_Z);
        at.key(Qt::Key_C);
        QVERIFY(!at.view.isLocked());
        const QRectF a = at.view.imageRect(Side::A), b = at.view.imageRect(Side::B);
        const QPoint overB = QPoint(680, 200);
        at.drag(overB, overB + QPoint(30, -12));
        QCOMPARE(at.view.imageRect(Side::A), a);
        QCOMPARE(at.view.imageRect(Side::B).topLeft() - b.topLeft(), QPointF(30, -12));
        at.drag({200, 200}, {195, 203}); // and A alone
        QCOMPARE(at.view.imageRect(Side::A).topLeft() - a.topLeft(), QPointF(-5, 3));
        QCOMPARE(at.view.imageRect(Side::B).topLeft() - b.topLeft(), QPointF(30, -12));
        at.key(Qt::Key_C);
        QVERIFY(at.view.isLocked());
        const QPointF offset = at.view.geometry().offset();
        QCOMPARE(offset, QPointF(35, -15));
        // Together again, as far apart as they are, at every scale and in every mode.
        at.drag({200, 200}, {170, 180});
        QCOMPARE(at.view.geometry().offset(), offset);
        QCOMPARE(at.view.imageRect(Side::B).topLeft() - b.topLeft(), QPointF(0, -32));
        at.wheel({200, 200}, 2);
        QCOMPARE(at.view.geometry().offset(), offset);
        at.view.setMode(ImageMode::Wipe);
        QCOMPARE(at.view.imageRect(Side::B).left() - at.view.imageRect(Side::A).left(), 35 * at.view.zoom());
        QVERIFY(at.view.statusText().contains(u"B off by +35, −15"_s));
        // Unlocked, the wheel makes one larger than the other.
        at.view.setMode(ImageMode::Side);
        at.key(Qt::Key_C);
        const QPointF held = at.view.pixelAt(Side::B, overB);
        at.wheel(overB, 1);
        QVERIFY(at.view.geometry().ratio() > 1);
        QVERIFY(QLineF(held, at.view.pixelAt(Side::B, overB)).length() < 1);
        at.key(Qt::Key_C);
        // It was found for this pair: the next begins without it, and Home takes it back.
        at.key(Qt::Key_Home);
        QVERIFY(!at.view.geometry().hasOffset());
    }

    void fromTwoHundredPercentPixelsAreSquares() {
        Looking at;
        QImage board(32, 32, QImage::Format_RGB32);
        for (int y = 0; y < 32; ++y)
            for (int x = 0; x < 32; ++x)
                board.setPixel(x, y, (x + y) % 2 ? qRgb(255, 255, 255) : qRgb(0, 0, 0));
        QVERIFY(at.set(board, board));
        for (const double zoom : {2.0, 3.0, 8.0, 64.0}) {
            at.view.setZoom(zoom);
            const QImage shown = at.grab();
            const QRectF where = at.view.imageRect(Side::A), pane(6, 40, 300, 300);
            const QRect seen = (where & pane).toAlignedRect().adjusted(1, 1, -1, -1);
            QVERIFY(seen.width() > 20 && seen.height() > 20);
            for (int y = seen.top(); y <= seen.bottom(); ++y)
                for (int x = seen.left(); x <= seen.right(); ++x) {
                    const int px = int(std::floor((x + 0.5 - where.left()) / zoom)), py = int(std::floor((y + 0.5 - where.top()) / zoom));
                    if (shown.pixel(x, y) != board.pixel(px, py))
                        QFAIL(qPrintable(u"%1 times, pixel %2 %3"_s.arg(zoom).arg(px).arg(py)));
                }
        }
        // Below it is smooth: a board of black and white is grey somewhere.
        at.view.setZoom(1.5);
        int grey = 0;
        const QImage shown = at.grab();
        for (int x = 0; x < 40; ++x) {
            const int v = qRed(shown.pixel(at.view.imageRect(Side::A).center().toPoint() + QPoint(x - 20, 0)));
            grey += v > 20 && v < 235;
        }
        QVERIFY(grey > 5);
    }

    void oneToOneShowsTheFilesPixels() {
        Looking at;
        const QImage image = pictures::gradient(301, 201);
        QVERIFY(at.set(image, image));
        at.key(Qt::Key_Z);
        const QImage shown = at.grab();
        const QRectF where = at.view.imageRect(Side::B);
        QCOMPARE(where.topLeft(), QPointF(where.topLeft().toPoint()));
        for (int y = 60; y < 190; y += 3)
            for (int x = 60; x < 250; x += 3)
                QCOMPARE(QColor(shown.pixel(where.topLeft().toPoint() + QPoint(x, y))), QColor(image.pixel(x, y)));
        at.key(Qt::Key_Z);
        QVERIFY(at.view.isFit());
    }

    void smallImagesFitByWholeTimesAndLargeOnesWholly() {
        Looking at;
        QVERIFY(at.set(pictures::gradient(32, 32), pictures::gradient(32, 32, 1)));
        QCOMPARE(at.view.zoom(), std::floor(at.view.zoom()));
        QVERIFY(at.view.zoom() >= 8);
        QVERIFY(at.set(pictures::gradient(1024, 1024), pictures::gradient(1024, 1024, 1), u"large"_s));
        QVERIFY(at.view.imageRect(Side::A).height() <= at.view.height());
        QVERIFY(at.view.imageRect(Side::A).width() <= at.view.width() / 2);
        QVERIFY(at.view.imageRect(Side::A).height() > at.view.height() * 0.8);
    }

    void differencesOfEveryKind() {
        const QImage a = plain(QColor(100, 100, 100)), b = plain(QColor(110, 90, 100));
        const QRect all = a.rect();
        QCOMPARE(differenceOf(a, b, all, DifferenceKind::Absolute, 1).pixel(4, 4), qRgb(10, 10, 0));
        QCOMPARE(differenceOf(a, b, all, DifferenceKind::Absolute, 8).pixel(4, 4), qRgb(80, 80, 0));
        QCOMPARE(differenceOf(a, b, all, DifferenceKind::Absolute, 64).pixel(4, 4), qRgb(255, 255, 0));
        const QImage darker = plain(QColor(90, 90, 90));
        QCOMPARE(differenceOf(a, darker, all, DifferenceKind::Luminance, 4).pixel(4, 4), qRgb(40, 40, 40));
        // The colour of the lighter side, full at full strength; none where they agree.
        QCOMPARE(differenceOf(a, darker, all, DifferenceKind::Signed, 64).pixel(4, 4), color(Tone::SideA).rgb());
        QCOMPARE(differenceOf(darker, a, all, DifferenceKind::Signed, 64).pixel(4, 4), color(Tone::SideB).rgb());
        QCOMPARE(differenceOf(a, a, all, DifferenceKind::Signed, 64).pixel(4, 4), color(Tone::Sunken).rgb());
        QCOMPARE(qAlpha(differenceOf(a, b, QRect(0, 0, 2, 2), DifferenceKind::Absolute, 1).pixel(9, 9)), 0);
        Looking at;
        QVERIFY(at.set(a, b));
        at.key(Qt::Key_F3);
        QCOMPARE(at.view.differenceKind(), DifferenceKind::Absolute);
        QCOMPARE(at.at(Side::A, 9, 9), QColor(40, 40, 0));
        at.key(Qt::Key_Period);
        QCOMPARE(at.view.gain(), 8);
        QCOMPARE(at.at(Side::A, 9, 9), QColor(80, 80, 0));
        at.key(Qt::Key_Comma);
        at.key(Qt::Key_Comma);
        QCOMPARE(at.view.gain(), 2);
        at.key(Qt::Key_F3);
        QCOMPARE(at.view.differenceKind(), DifferenceKind::Signed);
        at.key(Qt::Key_F3);
        QCOMPARE(at.view.differenceKind(), DifferenceKind::Luminance);
    }

    void imagesOfTwoSizesLieOnEachOther() {
        Looking at;
        QVERIFY(at.set(pictures::quarters(512, 512), pictures::quarters(256, 256)));
        QCOMPARE(at.view.imageRect(Side::A).size(), at.view.imageRect(Side::B).size());
        at.view.setMode(ImageMode::Difference);
        at.view.setGain(1);
        QCOMPARE(at.at(Side::A, 100, 100), QColor(Qt::black));
        QVERIFY(at.view.statusText().contains(u"A 512 × 512, B 256 × 256"_s));
    }

    void thePointerReadsBothPixels() {
        Looking at;
        const QImage a = pictures::gradient(32, 32), b = pictures::gradient(32, 32, 1);
        QVERIFY(at.set(a, b));
        const QRectF where = at.view.imageRect(Side::A);
        const double zoom = at.view.zoom();
        at.move(where.topLeft() + QPointF(5.5 * zoom, 20.5 * zoom));
        const QColor ca = a.pixelColor(5, 20), cb = b.pixelColor(5, 20);
        const auto words = [](QChar side, const QColor& c) {
            return u"%1 %2 %3 %4"_s.arg(side).arg(c.red(), 3).arg(c.green(), 3).arg(c.blue(), 3);
        };
        QCOMPARE(at.view.readoutText(), u"x 5 y 20   "_s + words(u'A', ca) + u"   "_s + words(u'B', cb));
        at.move(QPointF(8, 220)); // beside the image
        QCOMPARE(at.view.readoutText(), QString());
    }

    void aFileThatCannotBeShownLeavesItsReason() {
        Looking at;
        const QString good = at.file(plain(kRed)), bad = at.file(pictures::bomb(50000, 50000));
        QVERIFY(at.setFiles(good, bad));
        QVERIFY(at.view.problem(Side::A).isEmpty());
        QVERIFY(at.view.problem(Side::B).contains(u"50000"_s));
        QVERIFY(pictures::near(at.at(Side::A, 9, 9).rgb(), kRed.rgb(), 2));
        QVERIFY(at.view.accessibleDescription().contains(u"B cannot be shown"_s));
        for (const auto mode : {ImageMode::Wipe, ImageMode::Difference, ImageMode::Blink, ImageMode::Side}) {
            at.view.setMode(mode);
            QVERIFY(!at.grab().isNull());
        }
        QVERIFY(at.setFiles(bad, at.temp.filePath(u"none"_s), u"both"_s)); // painted: the page may go on
        QVERIFY(at.view.problem(Side::B).contains(u"missing"_s));
        for (const auto mode : {ImageMode::Wipe, ImageMode::Difference, ImageMode::Side}) {
            at.view.setMode(mode);
            at.view.setZoom(8);
            QVERIFY(!at.grab().isNull());
        }
    }

    void focusIsSeenAndNamesAreSpoken() {
        Looking at;
        QVERIFY(at.set(plain(kRed), plain(kGreen)));
        at.view.clearFocus();
        const QImage without = at.grab();
        at.view.activateWindow();
        at.view.setFocus();
        QTRY_VERIFY(at.view.hasFocus());
        QVERIFY(at.grab() != without);
        QCOMPARE(at.view.accessibleName(), u"Images A and B: side by side"_s);
        at.key(Qt::Key_F2);
        QCOMPARE(at.view.accessibleName(), u"Images A and B: wipe"_s);
    }

    void theTintMovesNothing() {
        setReducedMotion(false);
        Looking at;
        QVERIFY(at.set(plain(kRed), plain(kGreen)));
        const QImage before = at.grab();
        const QRectF where = at.view.imageRect(Side::A);
        at.view.flash(true, false);
        QTRY_VERIFY_WITH_TIMEOUT(at.grab() != before, 2000);
        QCOMPARE(at.view.imageRect(Side::A), where);
        QTRY_COMPARE_WITH_TIMEOUT(at.grab(), before, 10000);
        setReducedMotion(true);
        at.view.flash(true, true);
        QCOMPARE(at.grab(), before);
    }
};

QTEST_MAIN(TestImageView)
#include "tst_image_view.moc"
