// SPDX-License-Identifier: Apache-2.0
// Pictures of every kind against what Pillow makes of them (tests/golden/images), and files that are wrong in a known way.
#include "core/base/image_file.h"

#include <filesystem>

#include <zlib.h>

#include "core/base/os/process.h"
#include "tests/base/check.h"
#include "tests/base/png_bytes.h"

using namespace pl;
using png::chunk;
using png::number;

namespace {

const std::string kFolder = PAIRLAB_SOURCE_DIR "/tests/golden/images/";

std::string fixture(const std::string& name) {
    return os::readFile(kFolder + name).value_or("");
}

/// The largest difference of any sample; -1: of another size.
int furthest(const Image& image, int width, int height, const QByteArray& rgb) {
    if (image.width != width || image.height != height || image.rgb.size() != size_t(rgb.size()))
        return -1;
    int out = 0;
    for (size_t i = 0; i < image.rgb.size(); ++i)
        out = std::max(out, std::abs(image.rgb[i] - int(uint8_t(rgb[qsizetype(i)]))));
    return out;
}

std::string hex(const char* digits) {
    return QByteArray::fromHex(digits).toStdString();
}

/// The file with what follows the first `marker` replaced, from `after` bytes behind it on.
std::string with(std::string bytes, std::string_view marker, size_t after, std::string_view by) {
    const size_t at = bytes.find(marker);
    if (at == std::string::npos)
        return {};
    return bytes.replace(at + after, by.size(), by);
}

} // namespace

class TestImageFile : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void picturesAreWhatPillowMakesOfThem_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<int>("width");
        QTest::addColumn<int>("height");
        QTest::addColumn<QByteArray>("rgb");
        const auto all = readJsonFile(kFolder + "expected.json");
        PL_GOOD(all);
        QVERIFY((*all)["pictures"].size() > 40);
        for (const Json& one : (*all)["pictures"]) {
            const auto file = QString::fromStdString(one["file"].get<std::string>());
            QTest::newRow(qPrintable(file)) << file << one["width"].get<int>() << one["height"].get<int>()
                                            << QByteArray::fromBase64(QByteArray::fromStdString(one["rgb"].get<std::string>()));
        }
    }
    void picturesAreWhatPillowMakesOfThem() {
        QFETCH(QString, file);
        QFETCH(int, width);
        QFETCH(int, height);
        QFETCH(QByteArray, rgb);
        const std::string bytes = fixture(file.toStdString());
        const auto image = decodeImage(bytes, "a picture");
        PL_GOOD(image);
        const int far = furthest(*image, width, height, rgb);
        QVERIFY2(far >= 0 && far <= 1, qPrintable(QString("%1 levels").arg(far)));
        const auto picture = decodePicture(bytes, "a picture");
        PL_GOOD(picture);
        QCOMPARE(picture->width, width);
        QCOMPARE(picture->fileHeight, height);
        QCOMPARE(picture->transparent, file.contains("alpha") || file.contains("trns") || file.contains("rgba"));
        const auto info = checkImage(bytes, "a picture");
        PL_GOOD(info);
        QVERIFY(file.endsWith(QString::fromStdString(info->extension)));
        QCOMPARE(info->width * info->height, int64_t(width) * height);
    }

    void whatIsPlainIsLeftAsItIs() {
        // An sRGB profile, a gamma that means sRGB: not even a level.
        QVERIFY(decodeImage(fixture("gama_usual.png"), "it")->rgb == decodeImage(fixture("rgb.png"), "it")->rgb);
        QVERIFY(decodeImage(fixture("chrm_alone.png"), "it")->rgb == decodeImage(fixture("rgb.png"), "it")->rgb);
        QVERIFY(decodeImage(fixture("icc_srgb.jpg"), "it")->rgb == decodeImage(fixture("icc_garbage.jpg"), "it")->rgb);
        QVERIFY(decodeImage(fixture("lossless.webp"), "it")->rgb == decodeImage(fixture("rgb.png"), "it")->rgb);
    }

    void everyCutIsNoticed_data() {
        QTest::addColumn<QString>("file");
        for (const char* file : {"baseline.jpg", "progressive.jpg", "restarts.jpg", "icc_orientation.jpg", "cmyk_icc.jpg", "rgb.png",
                                 "iccp_alpha.png", "lossy.webp", "lossless.webp", "lossy_alpha.webp", "icc_exif_alpha.webp"})
            QTest::newRow(file) << file;
    }
    void everyCutIsNoticed() {
        QFETCH(QString, file);
        const std::string whole = fixture(file.toStdString());
        QVERIFY(whole.size() > 100);
        for (size_t n = 0; n < whole.size(); ++n) {
            const auto info = checkImage(whole.substr(0, n), "cut.xyz");
            // The last byte of a chunk of odd length is only there to make it even.
            QVERIFY2(!info, qPrintable(QString("cut at %1 of %2").arg(n).arg(whole.size())));
            QVERIFY(info.error().message.find("cut.xyz") == 0 && !info.error().hint.empty());
            QVERIFY(info.error().code == Code::Corrupt || n < 12);
        }
        PL_GOOD(checkImage(whole + "and more", "longer"));
        PL_GOOD(decodeImage(whole + "and more", "longer"));
    }

    void namesWhatIsBroken_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("names");
        QTest::addColumn<int>("code");
        const auto add = [](const char* name, const std::string& bytes, const char* names, Code code = Code::Corrupt) {
            QTest::newRow(name) << QByteArray::fromStdString(bytes) << names << int(code);
        };
        const std::string jpeg = fixture("baseline.jpg"), progressive = fixture("progressive.jpg"), png = fixture("rgb.png"),
                          webp = fixture("lossy.webp"), lossless = fixture("lossless.webp");
        add("nothing", "", "is empty");
        add("text", "hello", "is not a PNG, JPEG or WebP image", Code::Unsupported);
        add("GIF", "GIF89a", "is a GIF image", Code::Unsupported);
        add("SVG", "<svg/>", "is not a PNG", Code::Unsupported);
        add("animated WebP", fixture("animated.webp"), "animated", Code::Unsupported);
        add("animated PNG", fixture("animated.png"), "animated", Code::Unsupported);
        // The marker of the end set behind half of the pixels: the structure is whole, the pixels are not.
        const size_t scan = jpeg.find("\xff\xda");
        add("JPEG of half its pixels", jpeg.substr(0, scan + (jpeg.size() - scan) / 2) + "\xff\xd9", "premature end");
        add("progressive JPEG of half its pixels", progressive.substr(0, progressive.size() - 60) + "\xff\xd9", "not a whole JPEG");
        add("JPEG of no pixels", jpeg.substr(0, scan + 14) + "\xff\xd9", "too few");
        add("JPEG with garbage for pixels", jpeg.substr(0, scan + 14) + std::string(60, '\x7b') + "\xff\xd9", "Corrupt JPEG data");
        add("JPEG without tables", with(jpeg, "\xff\xdb", 1, "\xfe"), "not a whole JPEG");
        add("JPEG without a frame", with(jpeg, "\xff\xc0", 1, "\xfe"), "before its size");
        add("two frames", jpeg.substr(0, scan) + jpeg.substr(jpeg.find("\xff\xc0"), 19) + jpeg.substr(scan), "second frame");
        add("JPEG of no height", with(jpeg, "\xff\xc0", 5, std::string_view("\0\0", 2)), "side is 0");
        add("JPEG of 12 bits", with(jpeg, "\xff\xc0", 4, "\x0c"), "12 bits", Code::Unsupported);
        add("lossless JPEG", with(jpeg, "\xff\xc0", 1, "\xc3"), "lossless", Code::Unsupported);
        add("JPEG of two components", with(jpeg, "\xff\xc0", 9, "\x02"), "2 components", Code::Unsupported);
        add("JPEG over the limit", with(jpeg, "\xff\xc0", 5, "\xff\xff\xff\xff"), "65535 x 65535", Code::InvalidInput);
        add("a small JPEG that says it is large", with(jpeg, "\xff\xc0", 5, "\x1f\x40\x1f\x40"), "too few for 8000 x 8000");
        add("a segment without length", with(jpeg, "\xff\xdb", 2, std::string_view("\0\0", 2)), "no length");
        add("an end before the pixels", hex("ffd8ffd9") + std::string(9, 'x'), "has no place");
        add("a marker missing", hex("ffd8ffe000020000") + std::string(9, 'x'), "no marker at byte 6");
        add("a small PNG that says it is large",
            png.substr(0, 8) + chunk("IHDR", number(8000) + number(8000) + png.substr(24, 5)) + png.substr(33), "too few for 8000 x 8000");
        add("PNG with a flipped bit", with(png, "IDAT", 9, "\x01"), "wrong checksum");
        std::string riff = webp;
        riff[4] = char(riff[4] + 2);
        add("WebP that says it is longer", riff, "it says that it has");
        add("WebP of nothing", "RIFF" + hex("0400000057454250"), "no pixels");
        add("WebP with a broken header", with(webp, "VP8 ", 11, "xyz"), "header is damaged");
        add("WebP with damaged pixels", with(lossless, "VP8L", 14, std::string(40, '\xff')), "not a whole WebP");
        add("WebP with a chunk that is too long", with(webp, "VP8 ", 4, "\xff\xff"), "longer than the rest");
    }
    void namesWhatIsBroken() {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, names);
        QFETCH(int, code);
        QVERIFY(!bytes.isEmpty() || names == "is empty");
        const auto image = decodeImage(bytes.toStdString(), "cat.jpg");
        PL_REFUSED(image, names.toStdString());
        PL_REFUSED(image, "cat.jpg");
        QCOMPARE(int(image.error().code), code);
        QVERIFY(!image.error().hint.empty());
    }

    void limitsHoldForEveryFormat() {
        for (const char* file : {"rgb.png", "baseline.jpg", "lossy.webp", "lossless_alpha.webp"}) {
            const std::string bytes = fixture(file);
            ImageLimits limits;
            limits.maxSide = 19;
            PL_REFUSED(decodeImage(bytes, file, limits), "20 x 12 pixels; at most 19 a side");
            limits = {};
            limits.maxPixels = 239;
            PL_REFUSED(checkImage(bytes, file, limits), "239 in all");
            limits = {};
            limits.maxBytes = 99;
            PL_REFUSED(decodePicture(bytes, file, limits), "99 are read at most");
        }
    }

    void largeClaimsCostNothing() {
        const uint64_t before = os::peakMemory();
        const std::string jpeg = fixture("progressive.jpg"), webp = fixture("lossless.webp");
        // 8000 x 8000, within the limits: 256 MB of pixels and 384 MB of a progressive JPEG's coefficients.
        QVERIFY(!decodeImage(with(jpeg, "\xff\xc2", 5, "\x1f\x40\x1f\x40"), "it"));
        const std::string png = fixture("rgb.png");
        QVERIFY(!decodeImage(png.substr(0, 8) + chunk("IHDR", number(8000) + number(8000) + png.substr(24, 5)) + png.substr(33), "it"));
        QVERIFY(os::peakMemory() - before < (8u << 20));
    }

    void aProfileThatUnpacksToMuchIsPassedOver() {
        uLongf size = compressBound(64 << 20);
        std::string profile(size, '\0'), zeros(64 << 20, '\0');
        compress(reinterpret_cast<Bytef*>(profile.data()), &size, reinterpret_cast<const Bytef*>(zeros.data()), uLong(zeros.size()));
        profile.resize(size);
        const std::string png = fixture("rgb.png");
        const auto image = decodeImage(png.substr(0, 33) + chunk("iCCP", std::string("p\0\0", 3) + profile) + png.substr(33), "it");
        PL_GOOD(image);
        QVERIFY(image->rgb == decodeImage(png, "it")->rgb);
    }

    void brokenExifTurnsNothing() {
        const std::string whole = fixture("orientation6.jpg"), upright = fixture("orientation1.jpg");
        const size_t tiff = whole.find("MM");
        for (const auto& [at, by] : {std::pair<size_t, const char*>{0, "XX"}, {4, "\xff\xff\xff\xff"}, {18, "\x09"}, {10, "\x01\x13"}, {12, "\xff\xff"}}) {
            std::string changed = whole;
            changed.replace(tiff + at, std::strlen(by), by);
            const auto image = decodeImage(changed, "it");
            PL_GOOD(image);
            QVERIFY2(image->rgb == decodeImage(upright, "it")->rgb, qPrintable(QString::number(at)));
        }
        // Little-endian is read as well.
        std::string little = whole;
        little.replace(tiff, 26, std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 26));
        QVERIFY(decodeImage(little, "it")->rgb == decodeImage(whole, "it")->rgb);
        QCOMPARE(decodeImage(little, "it")->width, 12);
    }

    void aJpegMayLeaveOutDetail() {
        const std::string bytes = fixture("icc_orientation.jpg");
        const auto half = decodePicture(bytes, "it", {}, 8);
        PL_GOOD(half);
        QCOMPARE(half->width, 6);
        QCOMPARE(half->height, 10);
        QCOMPARE(half->fileWidth, 12);
        QCOMPARE(half->fileHeight, 20);
        const auto whole = decodeImage(bytes, "it");
        const Image small = resized(*whole, 6, 10);
        int apart = 0; // how a decoder leaves out detail is its own matter
        for (size_t i = 0; i < 60; ++i)
            for (size_t c = 0; c < 3; ++c)
                apart += std::abs(half->rgba[4 * i + c] - small.rgb[3 * i + c]);
        QVERIFY2(apart < 6 * 180, qPrintable(QString::number(apart)));
        QCOMPARE(decodePicture(bytes, "it", {}, 11)->width, 12);
        QCOMPARE(decodePicture(bytes, "it", {}, 1)->height, 3); // an eighth of 20, rounded up
    }

    void filesAreReadByTheirContent() {
        TempDir dir;
        dir.write("really.png", fixture("baseline.jpg"));
        PL_GOOD(readImage(dir.path("really.png")));
        QCOMPARE(checkImageFile(dir.path("really.png"))->extension, std::string("jpg"));
        dir.write("torn.jpg", fixture("baseline.jpg").substr(0, 500));
        PL_REFUSED(readImage(dir.path("torn.jpg")), "torn.jpg is not a whole JPEG file: it ends at byte 500");
        PL_REFUSED(checkImageFile(dir.path("torn.jpg")), "torn.jpg");
        PL_REFUSED(checkImageFile(dir.path("none.jpg")), "none.jpg");
        std::filesystem::create_symlink(dir.path("really.png"), dir.path("link.png"));
        PL_REFUSED(checkImageFile(dir.path("link.png")), "no plain file");
        PL_REFUSED(checkImageFile(dir.path()), "no plain file");
        PL_REFUSED(decodePng(fixture("baseline.jpg"), "it"), "is a JPEG image, not PNG");
    }
};

QTEST_APPLESS_MAIN(TestImageFile)
#include "tst_image_file.moc"
