// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include "core/base/hash.h"
#include "core/base/image.h"
#include "tests/base/check.h"
#include "tests/base/png_bytes.h"

using namespace pl;
using png::chunk;
using png::number;

namespace {

/// Some picture with every kind of neighbourhood.
Image noisy(int32_t width, int32_t height, uint64_t seed = 1) {
    Image image = blankImage(width, height);
    for (size_t i = 0; i < image.rgb.size(); ++i)
        image.rgb[i] = static_cast<uint8_t>(i % 7 ? mix64(seed + i) : i / 7);
    return image;
}

const std::string kSignature("\x89PNG\r\n\x1a\n", 8);

std::string header(uint32_t width, uint32_t height, int depth, int type, int interlace = 0) {
    return chunk("IHDR", number(width) + number(height) + std::string{char(depth), char(type), 0, 0, char(interlace)});
}

std::string squeezed(const std::string& rows) {
    uLongf size = compressBound(uLong(rows.size()));
    std::string out(size, '\0');
    compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(rows.data()), uLong(rows.size()));
    out.resize(size);
    return out;
}

/// The same of a number of equal bytes, which are never in memory at once.
std::string squeezedRun(char byte, size_t length) {
    std::string block(1 << 16, byte), out(1 << 16, '\0'), all;
    z_stream stream{};
    deflateInit(&stream, Z_DEFAULT_COMPRESSION);
    for (bool last = false; !last;) {
        const size_t now = std::min(block.size(), length);
        length -= now;
        last = length == 0;
        stream.next_in = reinterpret_cast<Bytef*>(block.data());
        stream.avail_in = uInt(now);
        do {
            stream.next_out = reinterpret_cast<Bytef*>(out.data());
            stream.avail_out = uInt(out.size());
            deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
            all.append(out.data(), out.size() - stream.avail_out);
        } while (stream.avail_out == 0);
    }
    deflateEnd(&stream);
    return all;
}

std::string fileOf(const std::string& head, const std::string& squeezedRows, const std::string& between = {}) {
    return kSignature + head + between + chunk("IDAT", squeezedRows) + chunk("IEND", {});
}

/// A PNG file of its own making: rows are the filtered lines.
std::string file(const std::string& head, const std::string& rows, const std::string& between = {}) {
    return fileOf(head, squeezed(rows), between);
}

std::string good() { return file(header(2, 1, 8, 2), std::string("\0\x01\x02\x03\x04\x05\x06", 7)); }

} // namespace

class TestImage : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void everyPixelComesBack_data() {
        QTest::addColumn<int>("width");
        QTest::addColumn<int>("height");
        for (const auto& [w, h] : {std::pair{1, 1}, {1, 40}, {40, 1}, {32, 32}, {33, 17}, {256, 256}, {1000, 3}})
            QTest::addRow("%d x %d", w, h) << w << h;
    }
    void everyPixelComesBack() {
        QFETCH(int, width);
        QFETCH(int, height);
        const Image image = noisy(width, height);
        const auto bytes = encodePng(image);
        PL_GOOD(bytes);
        const auto back = decodePng(*bytes, "a picture");
        PL_GOOD(back);
        QVERIFY(*back == image);
        QCOMPARE(*encodePng(image), *bytes); // the same image, the same bytes
        QVERIFY(*encodePng(noisy(width, height, 2)) != *bytes);
    }

    void textTravelsInOrder() {
        const ImageText text = {{"prompt", "two red circles"}, {"Author", ""}, {"prompt", "zw\xc3\xb6lf \xe2\x98\x85"}};
        const Image image = noisy(5, 4);
        const auto bytes = encodePng(image, text);
        PL_GOOD(bytes);
        QCOMPARE(*textOfPng(*bytes, "a picture"), text);
        QVERIFY(*decodePng(*bytes, "a picture") == image);
        QVERIFY(bytes->find("tEXtprompt") < bytes->find("iTXtprompt"));
        QCOMPARE(textOfPng(*encodePng(image), "a picture")->size(), size_t{0});
    }

    void refusesWhatCannotBeWritten() {
        Image torn = noisy(4, 4);
        torn.rgb.pop_back();
        PL_REFUSED(encodePng(torn), "4 x 4 pixels with 47 bytes");
        PL_REFUSED(encodePng({}), "0 x 0");
        const Image image = noisy(2, 2);
        PL_REFUSED(encodePng(image, {{"", "x"}}), "\"\"");
        PL_REFUSED(encodePng(image, {{std::string(80, 'k'), "x"}}), "kkk");
        PL_REFUSED(encodePng(image, {{"\xc3\xa4", "x"}}), "cannot be written");
        PL_REFUSED(encodePng(image, {{"key", std::string("a\0b", 3)}}), "cannot be written");
    }

    void filesAreReadAndWritten() {
        TempDir dir;
        const Image image = noisy(32, 32);
        PL_GOOD(writePng(dir.path("a.png"), image, {{"seed", "7"}}));
        QVERIFY(*readPng(dir.path("a.png")) == image);
        QCOMPARE(os::listDir(dir.path())->size(), size_t{1}); // nothing left aside
        PL_REFUSED(readPng(dir.path("b.png")), "b.png");
        PL_REFUSED(writePng(dir.path("no/c.png"), image), "no");
        ImageLimits limits;
        limits.maxBytes = 100;
        PL_REFUSED(readPng(dir.path("a.png"), limits), "a.png");
    }

    void everyKindBecomesEightBitColour_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QByteArray>("wanted");
        const auto add = [](const char* name, const std::string& bytes, std::string_view rgb) {
            QTest::newRow(name) << QByteArray::fromStdString(bytes) << QByteArray(rgb.data(), qsizetype(rgb.size()));
        };
        using namespace std::string_view_literals;
        add("colour", good(), "\x01\x02\x03\x04\x05\x06"sv);
        add("grey", file(header(2, 1, 8, 0), std::string("\0\x10\xf0", 3)), "\x10\x10\x10\xf0\xf0\xf0"sv);
        add("one bit", file(header(2, 1, 1, 0), std::string("\0\x40", 2)), "\0\0\0\xff\xff\xff"sv);
        add("four bit grey", file(header(2, 1, 4, 0), std::string("\0\x3f", 2)), "\x33\x33\x33\xff\xff\xff"sv);
        add("palette", file(header(2, 1, 8, 3), std::string("\0\x01\x00", 3), chunk("PLTE", "abcxyz")), "xyzabc"sv);
        add("sixteen bit", file(header(2, 1, 16, 0), std::string("\0\x80\x80\xff\xff", 5)), "\x80\x80\x80\xff\xff\xff"sv);
        add("transparent is white", file(header(2, 1, 8, 6), std::string("\0\x01\x02\x03\x00\x04\x05\x06\xff", 9)), "\xff\xff\xff\x04\x05\x06"sv);
        add("grey and alpha", file(header(2, 1, 8, 4), std::string("\0\x10\xff\x20\x00", 5)), "\x10\x10\x10\xff\xff\xff"sv);
        add("transparent colour", file(header(2, 1, 8, 2), std::string("\0\x01\x02\x03\x04\x05\x06", 7), chunk("tRNS", std::string("\0\x04\0\x05\0\x06", 6))), "\x01\x02\x03\xff\xff\xff"sv);
        add("interlaced", file(header(2, 1, 8, 2, 1), std::string("\0\x01\x02\x03\0\x04\x05\x06", 8)), "\x01\x02\x03\x04\x05\x06"sv);
        add("bytes after the end", good() + "and more", "\x01\x02\x03\x04\x05\x06"sv);
    }
    void everyKindBecomesEightBitColour() {
        QFETCH(QByteArray, bytes);
        QFETCH(QByteArray, wanted);
        const auto image = decodePng(bytes.toStdString(), "a picture");
        PL_GOOD(image);
        QCOMPARE(image->width, 2);
        QCOMPARE(image->height, 1);
        QCOMPARE(QByteArray(reinterpret_cast<const char*>(image->rgb.data()), 6).toHex(), wanted.toHex());
    }

    void namesWhatIsBroken_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("names");
        QTest::addColumn<int>("code");
        const auto add = [](const char* name, const std::string& bytes, const char* names, Code code = Code::Corrupt) {
            QTest::newRow(name) << QByteArray::fromStdString(bytes) << names << int(code);
        };
        const std::string whole = good();
        std::string flipped = whole;
        flipped[whole.find("IDAT") + 6] ^= 1;
        std::string headless = whole;
        headless[18] ^= 1;
        add("empty", "", "empty");
        add("half a signature", whole.substr(0, 5), "signature");
        add("text", "hello", "not a PNG", Code::Unsupported);
        add("JPEG", "\xff\xd8\xff\xe0 and so on", "JPEG", Code::Unsupported);
        add("WebP", "RIFF....WEBPVP8 ", "WebP", Code::Unsupported);
        add("GIF", "GIF89a", "GIF", Code::Unsupported);
        add("cut in the header", whole.substr(0, 30), "IHDR");
        add("cut after the header", whole.substr(0, 33), "ends at byte 33");
        add("cut in the pixels", whole.substr(0, whole.find("IDAT") + 8), "IDAT");
        add("no end", whole.substr(0, whole.size() - 12), "before its last chunk");
        add("a wrong byte in the pixels", flipped, "chunk IDAT at byte 33 has a wrong checksum");
        add("a wrong byte in the header", headless, "IHDR at byte 8 has a wrong checksum");
        add("no pixels", kSignature + header(2, 1, 8, 2) + chunk("IEND", {}), "no pixels");
        add("pixels first", kSignature + chunk("IDAT", "x") + header(2, 1, 8, 2) + chunk("IEND", {}), "header");
        add("two headers", kSignature + header(2, 1, 8, 2) + header(2, 1, 8, 2) + chunk("IEND", {}), "header");
        add("no rows", file(header(2, 1, 8, 2), ""), "not a whole PNG");
        add("rows missing", file(header(2, 9, 8, 2), std::string("\0\x01\x02\x03\x04\x05\x06", 7)), "not a whole PNG");
        add("garbage for pixels", kSignature + header(2, 1, 8, 2) + chunk("IDAT", "garbage") + chunk("IEND", {}), "not a whole PNG");
        add("palette missing", file(header(2, 1, 8, 3), std::string("\0\x01\x00", 3)), "not a whole PNG");
        add("unknown filter", file(header(2, 1, 8, 2), std::string("\x09\x01\x02\x03\x04\x05\x06", 7)), "not a whole PNG");
        add("impossible depth", file(header(2, 1, 3, 2), std::string(9, '\0')), "not a whole PNG");
        add("impossible kind", file(header(2, 1, 8, 5), std::string(9, '\0')), "not a whole PNG");
        add("no width", file(header(0, 1, 8, 2), ""), "side is 0");
        add("a critical chunk nobody knows", file(header(2, 1, 8, 2), std::string(7, '\0'), chunk("ABCD", "x")), "not a whole PNG");
        add("a chunk longer than the file", kSignature + number(0x7fffffff) + "IHDR" + std::string(20, '\0'), "longer than the rest");
        add("a chunk of impossible length", kSignature + number(0xffffffff) + "IHDR" + std::string(20, '\0'), "longer than the rest");
        add("wider than the limit", file(header(16385, 1, 8, 2), ""), "16385 x 1", Code::InvalidInput);
        add("more pixels than the limit", file(header(16384, 16384, 8, 2), ""), "16384 x 16384", Code::InvalidInput);
        add("a side of four thousand million", file(header(0xffffffff, 0xffffffff, 8, 2), ""), "4294967295", Code::InvalidInput);
    }
    void namesWhatIsBroken() {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, names);
        QFETCH(int, code);
        const auto image = decodePng(bytes.toStdString(), "cat.png");
        PL_REFUSED(image, names.toStdString());
        PL_REFUSED(image, "cat.png");
        QCOMPARE(int(image.error().code), code);
        QVERIFY(!image.error().hint.empty());
    }

    void everyCutAndEveryFlippedByteIsRefused() {
        const std::string whole = *encodePng(noisy(6, 5), {{"k", "v"}});
        for (size_t at = 0; at < whole.size(); ++at) {
            QVERIFY(!decodePng(whole.substr(0, at), "cut"));
            std::string flipped = whole;
            flipped[at] ^= 0x10;
            QVERIFY2(!decodePng(flipped, "flipped"), qPrintable(QString::number(at)));
        }
    }

    void aBombCostsNoMoreThanItsPixels() {
        // 400 MB of zeros behind a header of 2 x 1: only the first row is unpacked. Nothing here has held so much before, so
        // the most this process ever took would show it.
        constexpr size_t kMuch = size_t{400} << 20;
        const std::string bomb = fileOf(header(2, 1, 8, 2), squeezedRun('\0', kMuch));
        QVERIFY(bomb.size() < (1u << 20));
        // Text that would unpack to as much is never unpacked.
        const std::string text = file(header(2, 1, 8, 2), std::string(7, '\0'),
                                      chunk("zTXt", std::string("k\0\0", 3) + squeezedRun('x', kMuch)));
        const uint64_t before = os::peakMemory();
        QVERIFY(before < (uint64_t{350} << 20));
        (void)decodePng(bomb, "bomb");
        (void)decodePng(text, "bomb");
        QVERIFY(os::peakMemory() - before < (20u << 20));
        ImageLimits limits;
        limits.maxPixels = 99;
        PL_REFUSED(decodePng(*encodePng(noisy(10, 10)), "cat.png", limits), "10 x 10");
        limits = {};
        limits.maxBytes = 10;
        PL_REFUSED(decodePng(good(), "cat.png", limits), "10 are read at most");
    }

    void shrinkingTakesTheMeanOfTheArea() {
        Image image = blankImage(4, 2);
        for (size_t i = 0; i < image.rgb.size(); ++i)
            image.rgb[i] = uint8_t(10 * i);
        // Columns 0-1 and 2-3, rows 0-1: (0 + 30 + 120 + 150) / 4 in the first channel.
        QVERIFY((resized(image, 2, 1).rgb == std::vector<uint8_t>{75, 85, 95, 135, 145, 155}));
        Image three = blankImage(3, 1);
        three.rgb = {0, 0, 0, 90, 90, 90, 255, 255, 255};
        // 3 to 2: (0 + 90/2) / 1.5 = 30 and (45 + 255) / 1.5 = 200.
        QVERIFY((resized(three, 2, 1).rgb == std::vector<uint8_t>{30, 30, 30, 200, 200, 200}));
        Image halves = blankImage(2, 1);
        halves.rgb = {0, 1, 2, 1, 2, 2};
        QVERIFY((resized(halves, 1, 1).rgb == std::vector<uint8_t>{1, 2, 2})); // a half goes up
        QVERIFY(resized(image, 4, 2) == image);
        QVERIFY(resized(image, 0, 2).rgb.empty() && resized({}, 2, 2).rgb.empty());
    }

    void enlargingByAWholeFactorRepeatsPixels() {
        const Image image = noisy(5, 3);
        const Image large = resized(image, 20, 12);
        for (int y = 0; y < 12; ++y)
            for (int x = 0; x < 20; ++x)
                for (int c = 0; c < 3; ++c)
                    QCOMPARE(large.rgb[size_t((y * 20 + x) * 3 + c)], image.rgb[size_t((y / 4 * 5 + x / 4) * 3 + c)]);
        QVERIFY(resized(large, 5, 3) == image);
    }

    void oneColourStaysWhateverTheSize() {
        Image image = blankImage(37, 23);
        std::fill(image.rgb.begin(), image.rgb.end(), uint8_t{201});
        for (const auto& [w, h] : {std::pair{1, 1}, {32, 32}, {5, 100}, {100, 7}}) {
            const Image other = resized(image, w, h);
            QCOMPARE(other.rgb.size(), size_t(3 * w * h));
            for (const uint8_t value : other.rgb)
                QCOMPARE(value, uint8_t{201});
        }
    }
};

QTEST_APPLESS_MAIN(TestImage)
#include "tst_image.moc"
