// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "core/base/hash.h"
#include "tests/base/check.h"

using namespace pl;

class TestHash : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void matchesTheStandardsVectors() {
        QCOMPARE(sha256Hex(""), std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        QCOMPARE(sha256Hex("abc"), std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        QCOMPARE(sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                 std::string("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
        QCOMPARE(sha256Hex(std::string(1000000, 'a')),
                 std::string("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    }

    void agreesWithAnotherImplementationAtEveryLength() {
        std::string text;
        for (int i = 0; i < 200; ++i) {
            const QByteArray wanted =
                QCryptographicHash::hash(QByteArray::fromStdString(text), QCryptographicHash::Sha256).toHex();
            QCOMPARE(sha256Hex(text), wanted.toStdString());
            text += char(i * 7);
        }
    }

    void piecesEqualTheWhole() {
        std::string text;
        for (int i = 0; i < 5000; ++i)
            text += char(mix64(uint64_t(i)));
        for (const size_t step : {1, 3, 63, 64, 65, 1000}) {
            Sha256 hash;
            for (size_t at = 0; at < text.size(); at += step)
                hash.update(std::string_view(text).substr(at, step));
            QCOMPARE(hash.hexDigest(), sha256Hex(text));
        }
    }

    void hashesFilesLargerThanItsBuffer() {
        TempDir dir;
        std::string text((size_t(1) << 20) + 17, 'x');
        dir.write("f", text);
        QCOMPARE(*sha256File(dir.path("f")), sha256Hex(text));
        PL_REFUSED(sha256File(dir.path("none")), "none");
    }

    void uuidsAreVersionFourAndDiffer() {
        std::set<std::string> seen;
        for (int i = 0; i < 1000; ++i) {
            const std::string uuid = newUuid();
            QVERIFY(QRegularExpression("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
                        .match(QString::fromStdString(uuid))
                        .hasMatch());
            seen.insert(uuid);
        }
        QCOMPARE(seen.size(), size_t(1000));
    }

    void streamsAreFixedForEver() {
        // SplitMix64's first outputs for the seed 0: published with the algorithm.
        QCOMPARE(mix64(0), uint64_t(0xe220a8397b1dcdafULL));
        QCOMPARE(mix64(0x9e3779b97f4a7c15ULL), uint64_t(0x6e789e6aa1b965f4ULL));
        QVERIFY(hashSeed(1, "a") != hashSeed(1, "b"));
        QVERIFY(hashSeed(1, "a") != hashSeed(2, "a"));
        QCOMPARE(hashSeed(1, "a"), hashSeed(1, "a"));
    }

    void uniformsFillTheUnitInterval() {
        QCOMPARE(unitUniform(0), 0.0);
        QVERIFY(unitUniform(~uint64_t(0)) < 1.0);
        double sum = 0;
        for (int i = 0; i < 20000; ++i)
            sum += unitUniform(hashSeed(5, std::to_string(i)));
        QVERIFY(std::abs(sum / 20000 - 0.5) < 0.01);
    }

    void showsTimes() {
        QCOMPARE(formatTime(1790000000123).size(), size_t(19));
        QVERIFY(monotonicNs() <= monotonicNs());
    }
};

QTEST_GUILESS_MAIN(TestHash)
#include "tst_hash.moc"
