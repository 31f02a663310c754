// SPDX-License-Identifier: Apache-2.0
#include <QTest>

#include "core/text/utf8.h"

using namespace pl::text;
using namespace std::string_literals;

class TestUtf8 : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void replacesEachMaximalIllFormedPart_data() {
        QTest::addColumn<QByteArray>("in");
        QTest::addColumn<QByteArray>("out");
        const QByteArray bad = "\xEF\xBF\xBD";
        QTest::newRow("ascii") << QByteArray("abc") << QByteArray("abc");
        QTest::newRow("stray continuation") << QByteArray("a\x80z") << "a" + bad + "z";
        QTest::newRow("two stray continuations") << QByteArray("\x80\x81") << bad + bad;
        QTest::newRow("cut three-byte sequence") << QByteArray("\xE4\xB8") << bad;
        QTest::newRow("cut sequence before a letter") << QByteArray("\xF0\x9F\x99!") << bad + "!";
        QTest::newRow("overlong slash") << QByteArray("\xC0\xAF") << bad + bad;
        QTest::newRow("overlong three") << QByteArray("\xE0\x80\x80") << bad + bad + bad;
        QTest::newRow("surrogate") << QByteArray("\xED\xA0\x80") << bad + bad + bad;
        QTest::newRow("above the last") << QByteArray("\xF4\x90\x80\x80") << bad + bad + bad + bad;
        QTest::newRow("last code point") << QByteArray("\xF4\x8F\xBF\xBF") << QByteArray("\xF4\x8F\xBF\xBF");
        QTest::newRow("never used byte") << QByteArray("\xFF") << bad;
    }
    void replacesEachMaximalIllFormedPart() {
        QFETCH(QByteArray, in);
        QFETCH(QByteArray, out);
        const std::string repaired = repairUtf8(in.toStdString());
        QCOMPARE(QByteArray::fromStdString(repaired), out);
        QVERIFY(isValidUtf8(repaired));
        QCOMPARE(isValidUtf8(in.toStdString()), in == out);
    }
    void knowsWhenACharacterIsNotFinished() {
        const std::string smile = "\xF0\x9F\x99\x82";
        for (size_t cut = 1; cut < 4; ++cut)
            QCOMPARE(completePrefix("ab" + smile.substr(0, cut)), size_t(2));
        QCOMPARE(completePrefix("ab" + smile), size_t(6));
        QCOMPARE(completePrefix("ab\x80"), size_t(3)); // never will be finished
        QCOMPARE(completePrefix(""), size_t(0));
    }
    void countsAndFindsCodePoints() {
        const std::string text = "a\xC3\xA9\xE4\xB8\x96\xF0\x9F\x99\x82z";
        QCOMPARE(codePointCount(text), size_t(5));
        QCOMPARE(byteOffset(text, 0), size_t(0));
        QCOMPARE(byteOffset(text, 2), size_t(3));
        QCOMPARE(byteOffset(text, 4), size_t(10));
        QCOMPARE(byteOffset(text, 99), text.size());
        size_t at = 3;
        QCOMPARE(uint32_t(nextCodePoint(text, at)), uint32_t(0x4E16));
        QCOMPARE(at, size_t(6));
        std::string back;
        for (size_t i = 0; i < text.size();)
            appendUtf8(back, nextCodePoint(text, i));
        QCOMPARE(back, text);
    }
    void hasTwentyFiveWhiteSpaceCharacters() {
        int count = 0;
        for (char32_t c = 0; c <= 0x10FFFF; ++c)
            count += isWhiteSpace(c);
        QCOMPARE(count, 25);
        QVERIFY(!isWhiteSpace(0x180E));
        QVERIFY(!isWhiteSpace(0x200B));
    }
    void measuresColumns() {
        QCOMPARE(columnWidth("abc"), size_t(3));
        QCOMPARE(columnWidth("\xE4\xB8\x96\xE7\x95\x8C"), size_t(4));
        QCOMPARE(columnWidth("e\xCC\x81"), size_t(1));
        QCOMPARE(columnWidth("\xF0\x9F\x99\x82"), size_t(2));
        QCOMPARE(columnWidth("a\x01\n"), size_t(1));
    }
    void truncatesBetweenCharactersAPersonSees() {
        const std::string dots = "\xE2\x80\xA6";
        QCOMPARE(truncateText("hello", 5), "hello"s);
        QCOMPARE(truncateText("hello!", 5), "hell" + dots);
        QCOMPARE(truncateText("hello", 0), ""s);
        QCOMPARE(truncateText("hello", 1), dots);
        // An accent is not parted from its letter, an astronaut not from her rocket, a flag not halved.
        QCOMPARE(truncateText("ae\xCC\x81xyz", 3), "a" + dots);
        QCOMPARE(truncateText("a\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80xyz", 4), "a" + dots);
        QCOMPARE(truncateText("a\xF0\x9F\x87\xA9\xF0\x9F\x87\xAAxyz", 3), "a" + dots);
        QCOMPARE(truncateText("a\xF0\x9F\x87\xA9\xF0\x9F\x87\xAAxyz", 4),
                 "a\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA" + dots);
    }
};
QTEST_APPLESS_MAIN(TestUtf8)
#include "tst_utf8.moc"
