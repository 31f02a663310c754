// SPDX-License-Identifier: Apache-2.0
#include "core/base/image_info.h"

#include <filesystem>

#include "tests/base/check.h"

using namespace pl;

class TestImageInfo : public QObject {
    Q_OBJECT

    static std::string hex(const char* digits) {
        return QByteArray::fromHex(digits).toStdString();
    }
    /// A 3 x 2 PNG's first chunk, as libpng writes it.
    static std::string png() { return hex("89504e470d0a1a0a0000000d49484452000000030000000208020000001216f14d") + std::string(40, 'x'); }

private Q_SLOTS:
    void readsSizes() {
        auto info = inspectImage(png(), "a file");
        PL_GOOD(info);
        QCOMPARE(info->extension, std::string("png"));
        QCOMPARE(info->width, int64_t(3));
        QCOMPARE(info->height, int64_t(2));
        // SOI, a comment, SOF0 of 7 x 5.
        info = inspectImage(hex("ffd8fffe00046869ffc0001108000500070301220002110103110100"), "a file");
        PL_GOOD(info);
        QCOMPARE(info->extension, std::string("jpg"));
        QCOMPARE(info->width, int64_t(7));
        QCOMPARE(info->height, int64_t(5));
        // VP8X with canvas 256 x 9.
        info = inspectImage(hex("524946462a00000057454250565038580a00000000000000ff0000080000"), "a file");
        PL_GOOD(info);
        QCOMPARE(info->extension, std::string("webp"));
        QCOMPARE(info->width, int64_t(256));
        QCOMPARE(info->height, int64_t(9));
        // VP8L, 14 bits each: 4 x 3.
        info = inspectImage(hex("524946461a000000574542505650384c0d0000002f0380000000000000000000"), "a file");
        PL_GOOD(info);
        QCOMPARE(info->width, int64_t(4));
        QCOMPARE(info->height, int64_t(3));
    }

    void refusesWhatIsNone() {
        PL_REFUSED(inspectImage("", "a file"), "neither");
        PL_REFUSED(inspectImage("GIF89a", "a file"), "neither");
        PL_REFUSED(inspectImage("<svg/>", "a file"), "neither");
        std::string broken = png();
        broken[19] = 4; // the width, without its checksum
        PL_REFUSED(inspectImage(broken, "a file"), "checksum");
        for (size_t n = 8; n < 33; ++n)
            PL_REFUSED(inspectImage(png().substr(0, n), "a file"), "torn");
        PL_REFUSED(inspectImage(hex("ffd8ffda00021122334455667788"), "a file"), "frame");
        PL_REFUSED(inspectImage(hex("ffd8ffc000110800000007030122000211"), "a file"), "pixels"); // height 0
        PL_REFUSED(inspectImage(hex("524946462a000000574542505650385880a00000"), "a file"), "torn");
        const std::string jpeg = hex("ffd8fffe00046869ffc0001108000500070301220002110103110100");
        for (size_t n = 3; n < 17; ++n)
            QVERIFY(!inspectImage(jpeg.substr(0, n), "a file"));
        // 16384 x 16384 is within a side's limit, not within that of all pixels.
        PL_REFUSED(inspectImage(hex("ffd8ffc0001108400040000301220002110103"), "a file"), "pixels");
    }

    void followsNoLinks() {
        TempDir dir;
        dir.write("real.png", png());
        PL_GOOD(inspectImageFile(dir.path("real.png")));
        std::filesystem::create_symlink(dir.path("real.png"), dir.path("link.png"));
        PL_REFUSED(inspectImageFile(dir.path("link.png")), "no plain file");
        PL_REFUSED(inspectImageFile(dir.path()), "no plain file");
        PL_REFUSED(inspectImageFile(dir.path("none.png")), "no file");
    }
};

QTEST_GUILESS_MAIN(TestImageInfo)
#include "tst_image_info.moc"
