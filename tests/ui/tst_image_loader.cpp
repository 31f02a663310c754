// SPDX-License-Identifier: GPL-3.0-or-later
#include <QColorSpace>
#include <QtTest>
#include <QtWidgets>

#include "core/base/image_file.h"
#include "tests/ui/image_fixture.h"
#include "ui/widgets/image_loader.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {

/// Resident memory of this process, bytes.
qint64 resident() {
    QFile file(u"/proc/self/statm"_s);
    if (!file.open(QIODevice::ReadOnly))
        return 0;
    return file.readAll().split(' ').value(1).toLongLong() * 4096;
}

} // namespace

class TestImageLoader : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_temp;
    QString path(const char* name) const { return m_temp.filePath(QString::fromLatin1(name)); }

private Q_SLOTS:
    void pixelsAreThoseOfTheFile() {
        const QImage drawn = pictures::gradient(33, 17);
        for (const char* format : {"PNG", "WEBP"}) {
            // quality 100 of a WebP is lossless here
            const LoadedImage image = decodeImage(pictures::bytesOf(drawn, format, 100));
            QVERIFY2(image.ok(), qPrintable(image.problem));
            QCOMPARE(image.size, QSize(33, 17));
            if (qstrcmp(format, "PNG") == 0)
                QCOMPARE(image.image, drawn);
            QCOMPARE(image.image.format(), QImage::Format_RGB32);
        }
        const LoadedImage jpeg = decodeImage(pictures::bytesOf(pictures::quarters(64, 48), "JPG", 95));
        QVERIFY(jpeg.ok() && pictures::sameQuarters(jpeg.image, pictures::quarters(64, 48)));
    }

    void theContentDecidesAndNotTheName() {
        const LoadedImage image =
            readImage(pictures::write(path("really.png"), pictures::bytesOf(pictures::quarters(20, 20), "JPG", 95)));
        QVERIFY2(image.ok(), qPrintable(image.problem));
        QCOMPARE(image.size, QSize(20, 20));
        QVERIFY(readImage(pictures::write(path("none"), pictures::bytesOf(pictures::gradient(9, 9)))).ok());
    }

    void hostileFiles_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("reason");
        const QByteArray png = pictures::bytesOf(pictures::gradient(400, 300)), jpeg = pictures::bytesOf(pictures::gradient(400, 300), "JPG", 90);
        const QByteArray webp = pictures::bytesOf(pictures::gradient(400, 300), "WEBP", 80);
        QTest::newRow("empty") << QByteArray() << u"empty"_s;
        QTest::newRow("noise") << QByteArray("\x01\x02 not an image at all") << u"not a PNG"_s;
        QTest::newRow("PNG cut") << png.left(png.size() / 2) << u"not a whole PNG file: chunk IDAT"_s;
        QTest::newRow("PNG cut at its signature") << png.left(8) << u"ends at byte 8"_s;
        QTest::newRow("JPEG cut") << jpeg.left(jpeg.size() / 2) << u"not a whole JPEG file: it ends"_s;
        QTest::newRow("JPEG head only") << jpeg.left(40) << u"it ends at byte 40"_s;
        QTest::newRow("WebP cut") << webp.left(webp.size() / 2) << u"not a whole WebP file: it ends"_s;
        QTest::newRow("bomb: wide and high") << pictures::bomb(50000, 50000) << u"50000 x 50000"_s;
        QTest::newRow("bomb: area") << pictures::bomb(16000, 16000) << u"64 million"_s;
        QTest::newRow("bomb: zero") << pictures::bomb(0, 10) << u"side is 0"_s;
        QTest::newRow("PNG that lies about its size") << pictures::bomb(900, 900) << u"too few for 900 x 900"_s;
        QTest::newRow("SVG") << QByteArray("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><image href='file:///etc/hostname'/></svg>")
                             << u"SVG"_s;
        QTest::newRow("SVG after a prologue") << QByteArray("<?xml version='1.0'?><!-- x --><svg width='9' height='9'/>") << u"SVG"_s;
        QTest::newRow("GIF") << QByteArray("GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\0;", 26) << u"GIF"_s;
        QTest::newRow("animated PNG") << pictures::animatedPng() << u"animated"_s;
        QTest::newRow("animated WebP") << pictures::animatedWebp() << u"animated"_s;
        QByteArray flipped = png;
        flipped[60] = char(~flipped[60]);
        QTest::newRow("a bit flipped") << flipped << u"no chunk name at byte 58"_s;
    }
    void hostileFiles() {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, reason);
        // The name says otherwise every time.
        for (const char* name : {"a.png", "a.jpg", "a.webp", "a.svg"}) {
            const LoadedImage image = readImage(pictures::write(path(name), bytes));
            QVERIFY2(!image.ok(), name);
            QVERIFY2(image.problem.contains(reason), qPrintable(image.problem));
        }
    }

    void whatIsNoFileIsSaidSo() {
        QVERIFY(readImage(path("missing")).problem.contains(u"missing"_s));
        QVERIFY(readImage(m_temp.path()).problem.contains(u"not a file"_s));
        QVERIFY(readImage({}).problem.contains(u"no image file"_s));
        pl::ImageLimits small;
        small.maxBytes = 100;
        QVERIFY(readImage(pictures::write(path("big"), pictures::bytesOf(pictures::gradient(64, 64))), 0, small).problem.contains(u"MB"_s));
    }

    void whatIsShownIsWhatIsTrainedOn() {
        const auto all = pl::readJsonFile(PAIRLAB_SOURCE_DIR "/tests/golden/images/expected.json");
        QVERIFY(all && (*all)["pictures"].size() > 40);
        for (const pl::Json& one : (*all)["pictures"]) {
            const std::string file = PAIRLAB_SOURCE_DIR "/tests/golden/images/" + one["file"].get<std::string>();
            const LoadedImage shown = readImage(QString::fromStdString(file));
            QVERIFY2(shown.ok(), file.c_str());
            const auto trained = pl::readImage(file);
            QVERIFY(trained.has_value());
            QCOMPARE(shown.size, QSize(trained->width, trained->height));
            const QByteArray expected = QByteArray::fromBase64(QByteArray::fromStdString(one["rgb"].get<std::string>()));
            size_t opaque = 0, i = 0;
            for (int y = 0; y < shown.image.height(); ++y)
                for (int x = 0; x < shown.image.width(); ++x, i += 3) {
                    if (qAlpha(shown.image.pixel(x, y)) != 255)
                        continue; // shown over squares, trained on over white
                    ++opaque;
                    for (const uint8_t* rgb : {trained->rgb.data(), reinterpret_cast<const uint8_t*>(expected.constData())})
                        QVERIFY2(pictures::near(shown.image.pixel(x, y), qRgb(rgb[i], rgb[i + 1], rgb[i + 2]), rgb == trained->rgb.data() ? 0 : 2),
                                 file.c_str());
                }
            QVERIFY2(opaque >= 24 || shown.image.hasAlphaChannel(), file.c_str());
        }
    }

    void exifTurnsTheImageUpright() {
        const QImage upright = pictures::quarters(60, 40);
        for (int orientation = 1; orientation <= 8; ++orientation) {
            const QImage stored = pictures::stored(upright, orientation);
            for (const QByteArray& bytes : {pictures::orientedJpeg(stored, orientation), pictures::orientedWebp(stored, orientation)}) {
                const LoadedImage image = decodeImage(bytes);
                QVERIFY2(image.ok(), qPrintable(image.problem));
                QCOMPARE(image.size, upright.size());
                QVERIFY2(pictures::sameQuarters(image.image, upright),
                         qPrintable(u"orientation %1 of a %2"_s.arg(orientation).arg(bytes.startsWith("RIFF") ? u"WebP"_s : u"JPEG"_s)));
                const LoadedImage small = decodeImage(bytes, 24);
                QVERIFY(small.ok() && small.size == upright.size());
                QVERIFY2(pictures::sameQuarters(small.image, upright.scaled(small.image.size())), "thumbnail");
                QCOMPARE(std::max(small.image.width(), small.image.height()), 24);
            }
        }
    }

    void coloursAreTakenToSrgb() {
        QImage wide = pictures::gradient(16, 16);
        wide.fill(QColor(200, 120, 60));
        const QImage plain = wide;
        wide.setColorSpace(QColorSpace(QColorSpace::AdobeRgb)); // the same numbers, another meaning
        QImage expected = wide;
        expected.convertToColorSpace(QColorSpace(QColorSpace::SRgb));
        QVERIFY(!pictures::near(expected.pixel(3, 3), plain.pixel(3, 3), 3));
        const LoadedImage png = decodeImage(pictures::bytesOf(wide));
        QVERIFY2(png.ok(), qPrintable(png.problem));
        QVERIFY(pictures::near(png.image.pixel(3, 3), expected.pixel(3, 3), 2));
        const LoadedImage jpeg = decodeImage(pictures::bytesOf(wide, "JPG", 100));
        QVERIFY(jpeg.ok() && pictures::near(jpeg.image.pixel(3, 3), expected.pixel(3, 3), 6));
        // A profile on an indexed image is honoured too.
        const LoadedImage indexed = decodeImage(pictures::bytesOf(wide.convertToFormat(QImage::Format_Indexed8)));
        QVERIFY(indexed.ok() && pictures::near(indexed.image.pixel(3, 3), expected.pixel(3, 3), 6));
    }

    void transparentPartsStayTransparent() {
        QImage image(8, 8, QImage::Format_ARGB32);
        image.fill(Qt::transparent);
        image.setPixelColor(2, 2, QColor(10, 20, 30, 128));
        const LoadedImage read = decodeImage(pictures::bytesOf(image));
        QCOMPARE(read.image.format(), QImage::Format_ARGB32_Premultiplied);
        QCOMPARE(read.image.pixelColor(0, 0).alpha(), 0);
    }

    void largeImagesHaveSmallerLevels() {
        const LoadedImage image = decodeImage(pictures::bytesOf(pictures::gradient(2048, 1024)));
        QCOMPARE(image.smaller.size(), 2);
        QCOMPARE(image.level(1).size(), QSize(2048, 1024));
        QCOMPARE(image.level(0.51).size(), QSize(2048, 1024));
        QCOMPARE(image.level(0.4).size(), QSize(1024, 512));
        QCOMPARE(image.level(0.01).size(), QSize(512, 256));
        QVERIFY(decodeImage(pictures::bytesOf(pictures::gradient(32, 32))).smaller.isEmpty());
    }

    void readsOnOtherThreadsAndAhead() {
        ImageLoader loader;
        const QString a = pictures::write(path("1.png"), pictures::bytesOf(pictures::gradient(64, 64)));
        const QString b = pictures::write(path("2.png"), pictures::bytesOf(pictures::gradient(64, 64, 1)));
        QSignalSpy loaded(&loader, &ImageLoader::loaded);
        QVERIFY(!loader.get(a)); // never here and now
        QVERIFY(loaded.wait(4000));
        QCOMPARE(loaded[0][0].toString(), a);
        QVERIFY(loader.get(a) && loader.get(a)->ok());
        loader.prefetch({b});
        QTRY_VERIFY(loader.cached(b));
        QCOMPARE(loaded.size(), 1); // nobody waits for what is read ahead
        QVERIFY(loader.get(b));
    }

    void aFailureIsKeptUntilItIsForgotten() {
        ImageLoader loader;
        const QString late = path("late.png");
        QSignalSpy loaded(&loader, &ImageLoader::loaded);
        QVERIFY(!loader.get(late));
        QVERIFY(loaded.wait(4000));
        QVERIFY(loader.get(late) && !loader.get(late)->ok());
        pictures::write(late, pictures::bytesOf(pictures::gradient(8, 8)));
        QVERIFY(!loader.get(late)->ok());
        loader.forgetFailures();
        QVERIFY(!loader.get(late));
        QVERIFY(loaded.wait(4000));
        QVERIFY(loader.get(late)->ok());
    }

    void wishesNeverPushOutNearerOnes() {
        const qint64 each = 64 * 64 * 4;
        ImageLoader loader(nullptr, 10 * (each + 512));
        QStringList files;
        for (int i = 0; i < 40; ++i)
            files.append(pictures::write(m_temp.filePath(u"w%1.png"_s.arg(i)), pictures::bytesOf(pictures::gradient(64, 64, i))));
        loader.prefetch(files);
        QTRY_VERIFY(loader.cached(files[5]));
        QTRY_VERIFY(loader.isIdle());
        QTest::qWait(50);
        for (int i = 0; i < 6; ++i)
            QVERIFY2(loader.cached(files[i]), qPrintable(QString::number(i)));
        QVERIFY(!loader.cached(files[20]));
        QVERIFY(loader.decoded() < 12);
        QVERIFY(loader.bytes() <= loader.cacheBytes());
    }

    void whatIsTooLargeForTheCacheIsShownAndNotKept() {
        ImageLoader loader(nullptr, 100'000);
        const QString large = pictures::write(path("large.png"), pictures::bytesOf(pictures::gradient(400, 400)));
        loader.prefetch({large});
        QTRY_VERIFY(loader.decoded() == 1);
        QSignalSpy loaded(&loader, &ImageLoader::loaded);
        QVERIFY(!loader.get(large));
        QVERIFY(loaded.wait(4000));
        QVERIFY(loaded[0][2].value<ImagePtr>()->ok());
        QVERIFY(loader.bytes() <= 100'000);
    }

    void memoryStaysFlatOverTenThousandImages() {
        // Ten thousand files of their own, as far as the cache can tell; two hundred of them on the disk.
        const qint64 each = 96 * 96 * 4;
        ImageLoader loader(nullptr, 100 * each);
        QStringList files;
        for (int i = 0; i < 200; ++i)
            pictures::write(m_temp.filePath(u"m%1"_s.arg(i)), pictures::bytesOf(pictures::gradient(96, 96, i)));
        for (int i = 0; i < 10'000; ++i) {
            files.append(m_temp.filePath(u"link%1"_s.arg(i)));
            QVERIFY(QFile::link(m_temp.filePath(u"m%1"_s.arg(i % 200)), files.last()));
        }
        qint64 after1000 = 0, most = 0;
        for (int i = 0; i < 10'000; i += 2) {
            loader.prefetch(files.mid(i, 8));
            for (const int k : {i, i + 1}) {
                if (loader.get(files[k]))
                    continue;
                QSignalSpy loaded(&loader, &ImageLoader::loaded);
                QVERIFY(loaded.wait(4000));
            }
            QVERIFY(loader.bytes() <= loader.cacheBytes());
            if (i == 1000)
                after1000 = resident();
            if (i % 1000 == 0 && i > 1000)
                most = std::max(most, resident());
        }
        QVERIFY(loader.decoded() >= 10'000);
        qInfo("resident after 1,000 images %lld MB, at most %lld MB after", after1000 >> 20, most >> 20);
        QVERIFY2(most - after1000 < 24 * 1024 * 1024, qPrintable(QString::number((most - after1000) >> 20)));
    }
};

QTEST_MAIN(TestImageLoader)
#include "tst_image_loader.moc"
