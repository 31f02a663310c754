// SPDX-License-Identifier: Apache-2.0
#include <QElapsedTimer>
#include <QTest>

#include "core/text/diff.h"
#include "core/text/utf8.h"

using namespace pl::text;

namespace {

/// "=the |-quick|+slow|= fox"
std::string show(const std::string& a, const std::string& b, const DiffOptions& options = {}) {
    std::string out;
    for (const DiffSegment& s : diffWords(a, b, options)) {
        if (!out.empty())
            out += '|';
        if (s.kind == DiffKind::OnlyB)
            out += '+' + b.substr(s.bBegin, s.bEnd - s.bBegin);
        else
            out += (s.kind == DiffKind::Equal ? '=' : '-') + a.substr(s.aBegin, s.aEnd - s.aBegin);
    }
    return out;
}

/// Number of words kept, and that the segments cover both texts in order with equal text where they say so.
bool covers(const std::string& a, const std::string& b, const std::vector<DiffSegment>& segments) {
    size_t i = 0;
    size_t j = 0;
    for (const DiffSegment& s : segments) {
        if (s.aBegin != i || s.bBegin != j || s.aEnd < s.aBegin || s.bEnd < s.bBegin)
            return false;
        const std::string left = a.substr(s.aBegin, s.aEnd - s.aBegin);
        const std::string right = b.substr(s.bBegin, s.bEnd - s.bBegin);
        if (s.kind == DiffKind::Equal ? (left != right || left.empty())
                                      : (s.kind == DiffKind::OnlyA ? left.empty() || !right.empty()
                                                                   : right.empty() || !left.empty()))
            return false;
        i = s.aEnd;
        j = s.bEnd;
    }
    return i == a.size() && j == b.size();
}

size_t longestCommonSubsequence(const std::string& a, const std::string& b) {
    std::vector<std::vector<size_t>> table(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 1; i <= a.size(); ++i)
        for (size_t j = 1; j <= b.size(); ++j)
            table[i][j] =
                a[i - 1] == b[j - 1] ? table[i - 1][j - 1] + 1 : std::max(table[i - 1][j], table[i][j - 1]);
    return table[a.size()][b.size()];
}

} // namespace

class TestDiff : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void showsWhatChanged_data() {
        QTest::addColumn<QString>("a");
        QTest::addColumn<QString>("b");
        QTest::addColumn<QString>("want");
        QTest::newRow("both empty") << ""
                                    << ""
                                    << "";
        QTest::newRow("equal") << "one two"
                               << "one two"
                               << "=one two";
        QTest::newRow("from nothing") << ""
                                      << "new"
                                      << "+new";
        QTest::newRow("to nothing") << "old"
                                    << ""
                                    << "-old";
        QTest::newRow("one word") << "the quick fox"
                                  << "the slow fox"
                                  << "=the |-quick|+slow|= fox";
        QTest::newRow("inserted") << "a c"
                                  << "a b c"
                                  << "=a |+b |=c";
        QTest::newRow("removed at the end") << "a b"
                                            << "a"
                                            << "=a|- b";
        QTest::newRow("no word is cut") << "don't go"
                                        << "won't go"
                                        << "-don't|+won't|= go";
        QTest::newRow("punctuation is its own") << "yes."
                                                << "yes!"
                                                << "=yes|-.|+!";
        QTest::newRow("letters beyond ascii")
            << u8"le café noir" << u8"le cafe noir" << u8"=le |-café|+cafe|= noir";
        QTest::newRow("no spaces between") << u8"今日は世界" << u8"今日の世界" << u8"=今日|-は|+の|=世界";
        QTest::newRow("nothing in common") << "a"
                                           << "b"
                                           << "-a|+b";
    }
    void showsWhatChanged() {
        QFETCH(QString, a);
        QFETCH(QString, b);
        QFETCH(QString, want);
        QCOMPARE(QString::fromStdString(show(a.toStdString(), b.toStdString())), want);
    }
    void keepsAsMuchAsPossible() {
        // One punctuation mark is one word, so the kept words are a longest common subsequence of the
        // strings.
        uint32_t state = 7;
        const auto next = [&](uint32_t n) { return (state = state * 1664525 + 1013904223) / 65536 % n; };
        for (int round = 0; round < 300; ++round) {
            std::string a;
            std::string b;
            for (uint32_t i = next(14); i > 0; --i)
                a += "!?.,"[next(4)];
            for (uint32_t i = next(14); i > 0; --i)
                b += "!?.,"[next(4)];
            const auto segments = diffWords(a, b);
            QVERIFY2(covers(a, b, segments), (a + " / " + b).c_str());
            size_t kept = 0;
            for (const DiffSegment& s : segments)
                if (s.kind == DiffKind::Equal)
                    kept += s.aEnd - s.aBegin;
            QCOMPARE(kept, longestCommonSubsequence(a, b));
        }
    }
    void boundsItsWorkOnLongTexts() {
        std::string a = "same start ";
        std::string b = a;
        for (int i = 0; i < 20000; ++i) {
            a += "a" + std::to_string(i) + " ";
            b += "b" + std::to_string(i * 7) + ",";
        }
        a += "same end";
        b += "same end";
        QElapsedTimer timer;
        timer.start();
        const auto segments = diffWords(a, b);
        QVERIFY(timer.elapsed() < 60000);
        QVERIFY(covers(a, b, segments));
        QCOMPARE(segments.front().kind, DiffKind::Equal);
        QCOMPARE(segments.back().kind, DiffKind::Equal);
    }
    void showsAStretchAsReplacedWhenItMayNotSearch() {
        QCOMPARE(show("x a b c y", "x 1 b 2 y", {0}), std::string("=x |-a b c|+1 b 2|= y"));
        QCOMPARE(show("x a b c y", "x 1 b 2 y"), std::string("=x |-a|+1|= b |-c|+2|= y"));
    }
    void survivesBytesThatAreNotText() {
        const std::string a = "ok \xFF\xFE word \xE4\xB8";
        const std::string b = "ok \xFF word \xE4";
        QVERIFY(covers(a, b, diffWords(a, b)));
    }
    void findsWhatTextsShareAtBothEnds() {
        QCOMPARE(commonPrefix("abcX", "abcY"), size_t(3));
        QCOMPARE(commonSuffix("Xabc", "Yabc"), size_t(3));
        QCOMPARE(commonPrefix("\xC3\xA9", "\xC3\xA8"), size_t(0)); // two letters with one first byte
        QCOMPARE(commonSuffix("\xC3\xA9", "\xC4\xA9"), size_t(0)); // and with one last byte
        QCOMPARE(commonSuffix("aa", "aaa", 2), size_t(0));         // the prefix has them already
        QCOMPARE(commonSuffix("aba", "aa", 1), size_t(1));
        QCOMPARE(commonSuffix("", "", 5), size_t(0));
    }
};
QTEST_APPLESS_MAIN(TestDiff)
#include "tst_diff.moc"
