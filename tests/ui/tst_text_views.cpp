// SPDX-License-Identifier: GPL-3.0-or-later
// How texts are looked at: folding, scrolling along, scripts from right to left, what is hidden in a text, marks, code.
#include <QtTest>
#include <QtWidgets>

#include "ui/theme/theme.h"
#include "ui/widgets/code_tokens.h"
#include "ui/widgets/pair_view.h"
#include "ui/widgets/text_match.h"
#include "ui/widgets/text_pane.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {

QString manyLines(const QString& word, int lines) {
    QString text;
    for (int i = 0; i < lines; ++i)
        text += u"%1 line %2 says something of its own.\n"_s.arg(word).arg(i);
    return text;
}

/// Left and right end of the ink in the lines of a block, in pixels of the viewport.
std::pair<double, double> inkOf(TextPane& pane, int block) {
    const QTextBlock b = pane.document()->findBlockByNumber(block);
    const QTextLayout* layout = b.layout();
    double left = 1e9, right = -1e9;
    for (int i = 0; i < layout->lineCount(); ++i) {
        const QRectF used = layout->lineAt(i).naturalTextRect();
        left = std::min(left, used.left());
        right = std::max(right, used.right());
    }
    return {left, right};
}

/// To be looked at: $PAIRLAB_BUILD_DIR/screenshots/text-<name>-<theme>.png.
void picture(QWidget& view, const QString& name) {
    const QString folder = qEnvironmentVariable("PAIRLAB_BUILD_DIR") + u"/screenshots"_s;
    QDir().mkpath(folder);
    for (const bool dark : {true, false}) {
        applyTheme(*qApp, dark ? ThemeMode::Dark : ThemeMode::Light);
        QCoreApplication::processEvents();
        QVERIFY(view.grab().save(folder + u"/text-%1-%2.png"_s.arg(name, dark ? u"dark"_s : u"light"_s)));
    }
}

} // namespace

class TestTextViews : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void placesGoThereAndBack() {
        const QString source = u"a\u202Eb\r\nc😀d\U000E0041e"_s;
        const ShownText shown(source);
        QCOMPARE(shown.text(), u"a⟨U+202E⟩b\nc😀d⟨U+E0041⟩e"_s);
        for (qsizetype i = 0; i <= source.size(); ++i)
            if (i < 4 || i > 4) // the second half of a line end stands where the first does
                QCOMPARE(shown.sourceAt(shown.shownAt(i)) == i || (i > 0 && source[i - 1].isHighSurrogate()), true);
        QCOMPARE(shown.sourceAt(4), qsizetype{1}); // inside of what stands for a hidden character
        QCOMPARE(codePointsBefore(source, source.size()), int64_t{10});
        for (qsizetype i = 0; i <= source.size(); ++i)
            if (i == 0 || !source[i - 1].isHighSurrogate())
                QCOMPARE(utf16Of(source, codePointsBefore(source, i)), i);
        const ShownText folded(u"same words. other"_s, {}, 12);
        QCOMPARE(folded.text(), u"… 12 characters the same\nother"_s);
        QCOMPARE(folded.sourceAt(folded.shownAt(14)), qsizetype{14});
    }

    void whatHidesInATextIsShown() {
        const QList<QPair<QString, QString>> hidden{{u"\u00AD"_s, u"⟨U+00AD⟩"_s},     {u"\u200B"_s, u"⟨U+200B⟩"_s},
                                                    {u"\u2066"_s, u"⟨U+2066⟩"_s},     {u"\u3164"_s, u"⟨U+3164⟩"_s},
                                                    {u"\uFEFF"_s, u"⟨U+FEFF⟩"_s},     {u"\U000E0001"_s, u"⟨U+E0001⟩"_s},
                                                    {u"\U000E0101"_s, u"⟨U+E0101⟩"_s}, {u"\u180E"_s, u"⟨U+180E⟩"_s}};
        for (const auto& [character, words] : hidden)
            QCOMPARE(safeText(u"x"_s + character + u"y"_s), u"x"_s + words + u"y"_s);
        for (const QString& kept : {u"👩\u200D👧"_s, u"نمی\u200Cخواهم"_s, u"❤\uFE0F"_s, u"한국어 中文 日本語"_s})
            QCOMPARE(safeText(kept), kept);
    }

    void paragraphsStandByTheirScript() {
        PairView view;
        view.resize(1000, 600);
        view.show();
        // English, Arabic, Hebrew that holds English, Chinese, and Arabic behind an override that shows as text.
        view.setPair(u"p"_s, u"Q"_s, u"English first.\nمرحبا بالعالم\nשלום to all\n你好，世界。\nEnglish עם עברית"_s, u"b"_s);
        QCoreApplication::processEvents();
        TextPane& pane = *view.pane(Side::A);
        const double width = pane.viewport()->width();
        const QList<bool> rightToLeft{false, true, true, false, false};
        for (int block = 0; block < rightToLeft.size(); ++block) {
            const QTextBlock b = pane.document()->findBlockByNumber(block);
            QCOMPARE(b.textDirection() == Qt::RightToLeft, rightToLeft[block]);
            const auto [left, right] = inkOf(pane, block);
            QVERIFY2(rightToLeft[block] ? right > width - 30 && left > width / 3 : left < 5 && right < width * 2 / 3,
                     qPrintable(u"%1: %2 to %3 of %4"_s.arg(block).arg(left).arg(right).arg(width)));
        }
        picture(view, u"scripts"_s);
        // In Markdown too; code stays where code is.
        view.setView(TextView::Markdown);
        view.setPair(u"p2"_s, u"Q"_s, u"مرحبا **بالعالم**\n\n```\n# تعليق\n```\n"_s, u"b"_s);
        QCoreApplication::processEvents();
        QVERIFY(inkOf(pane, 0).second > width - 30);
        QVERIFY(inkOf(pane, 1).first < 60);
    }

    void noScriptIsCutAtItsEdges() {
        // The ink of every line stays inside of the viewport, whatever the script, and above and below inside of its line.
        PairView view;
        view.resize(900, 600);
        view.show();
        const QString text = u"Ång̃stöm Ẫ ỹ q̧ 漢字かなカナ한글 ، ؟ ٱلْحَمْدُ لِلّٰهِ नमस्ते ก็ดี"_s;
        view.setPair(u"p"_s, u"Q"_s, QString(text + u' ').repeated(12) + u'\n' + QString(u"漢字"_s).repeated(200), u"b"_s);
        QCoreApplication::processEvents();
        TextPane& pane = *view.pane(Side::A);
        for (QTextBlock b = pane.document()->begin(); b.isValid(); b = b.next())
            for (int i = 0; i < b.layout()->lineCount(); ++i) {
                const QTextLine line = b.layout()->lineAt(i);
                QVERIFY(line.naturalTextRect().left() >= -1 && line.naturalTextRect().right() <= pane.viewport()->width() + 1);
                if (i > 0) // a tall line makes room for itself
                    QVERIFY(line.y() >= b.layout()->lineAt(i - 1).y() + b.layout()->lineAt(i - 1).height() - 1);
            }
        QVERIFY(pane.document()->begin().layout()->lineCount() > 2);
    }

    void whatBothBeginWithIsFolded() {
        const QString same = u"To begin with, both answers say exactly this sentence, word for word, and then they go on to say it "
                             u"once more in another way. Then "_s;
        QCOMPARE(commonBeginning(same + u"left"_s, same + u"lift"_s), same.size() - 5); // back to the end of the sentence
        QCOMPARE(commonBeginning(u"short same"_s, u"short sane"_s), qsizetype{0});
        PairView view;
        view.resize(900, 500);
        view.setPair(u"p"_s, u"Q"_s, same + u"left"_s, same + u"lift"_s);
        QCOMPARE(view.foldable(), same.size() - 5);
        QCOMPARE(view.viewName(), u"raw"_s);
        view.setFolded(true);
        QCOMPARE(view.shownText(Side::A), u"… %1 characters the same\nThen left"_s.arg(same.size() - 5));
        QCOMPARE(view.shownText(Side::B), u"… %1 characters the same\nThen lift"_s.arg(same.size() - 5));
        QCOMPARE(view.viewName(), u"raw+fold"_s); // what was hidden is recorded
        view.setView(TextView::Diff);
        QCOMPARE(view.viewName(), u"diff+fold"_s);
        const auto drawn = view.pane(Side::B)->extraSelections();
        QCOMPARE(drawn.size(), 2);
        QVERIFY(drawn[0].cursor.selectedText().startsWith(u"… "_s)); // told from the words of the answer
        QCOMPARE(drawn[1].cursor.selectedText(), u"lift"_s);
        view.setView(TextView::Markdown);
        QCOMPARE(view.viewName(), u"markdown"_s);
        QVERIFY(view.shownText(Side::A).startsWith(u"To begin"_s));
        view.setView(TextView::Raw);
        view.setPair(u"q"_s, u"Q"_s, u"one"_s, u"two"_s); // stays on, with nothing to fold
        QCOMPARE(view.shownText(Side::A), u"one"_s);
        QCOMPARE(view.viewName(), u"raw"_s);
        QVERIFY(view.isFolded());
    }

    void placesOfOneTextAreFoundInTheOther() {
        const QString shared = u"this sentence stands in both of the two answers"_s;
        const QString a = u"Alpha. "_s + shared + u" and an end"_s, b = QString(u"Beta beta beta. "_s).repeated(10) + shared + u" fin"_s;
        const TextMatch match(a, b);
        for (int i = 0; i < 40; i += 7)
            QCOMPARE(match.inB(a.indexOf(shared) + i), b.indexOf(shared) + i);
        QCOMPARE(match.inA(b.indexOf(shared)), a.indexOf(shared));
        QCOMPARE(match.inB(0), qsizetype{0});
        QCOMPARE(match.inB(a.size()), b.size());
        qsizetype before = 0;
        for (qsizetype i = 0; i <= a.size(); ++i) {
            QVERIFY(match.inB(i) >= before);
            before = match.inB(i);
        }
        QCOMPARE(TextMatch(u"x"_s, QString()).inB(1), qsizetype{0});
        QCOMPARE(TextMatch().inB(5), qsizetype{0});
    }

    void syncedAnswersScrollToWhatMatches() {
        PairView view;
        view.resize(900, 400);
        view.show();
        const QString shared = manyLines(u"shared"_s, 60);
        view.setPair(u"p"_s, u"Q"_s, shared + manyLines(u"left"_s, 40), manyLines(u"before"_s, 50) + shared + manyLines(u"right"_s, 40));
        QCoreApplication::processEvents();
        TextPane *a = view.pane(Side::A), *b = view.pane(Side::B);
        const auto line = [](TextPane* pane, const QString& text) {
            return text.mid(pane->sourceAtTop()).section(u'\n', 0, 0).section(u' ', 0, 2);
        };
        const int far = a->verticalScrollBar()->maximum() / 4;
        a->verticalScrollBar()->setValue(far);
        QCOMPARE(b->verticalScrollBar()->value(), 0); // each by itself
        a->verticalScrollBar()->setValue(0);
        view.setSynced(true);
        a->verticalScrollBar()->setValue(far);
        QVERIFY(line(a, view.sourceText(Side::A)).startsWith(u"shared line"_s));
        QCOMPARE(line(b, view.sourceText(Side::B)), line(a, view.sourceText(Side::A)));
        b->verticalScrollBar()->setValue(b->verticalScrollBar()->value() + 200); // the other leads as well
        QCOMPARE(line(a, view.sourceText(Side::A)), line(b, view.sourceText(Side::B)));
        b->verticalScrollBar()->setValue(b->verticalScrollBar()->maximum());
        QCOMPARE(a->verticalScrollBar()->value(), a->verticalScrollBar()->maximum());
        b->verticalScrollBar()->setValue(0);
        QCOMPARE(a->verticalScrollBar()->value(), 0);
        view.scrollPages(1);
        QVERIFY(a->verticalScrollBar()->value() > 0 || b->verticalScrollBar()->value() > 0);
    }

    void marksCostNoLayoutAndAreToldByMoreThanColour() {
        PairView view;
        view.resize(900, 500);
        view.show();
        const QString text = manyLines(u"A token and another"_s, 800); // beyond 8,000 tokens
        view.setPair(u"p"_s, u"Q"_s, text, text);
        QCoreApplication::processEvents();
        TextPane* pane = view.pane(Side::A);
        int changes = 0, layouts = 0;
        connect(pane->document(), &QTextDocument::contentsChange, this, [&] { ++changes; });
        connect(pane->document()->documentLayout(), &QAbstractTextDocumentLayout::documentSizeChanged, this, [&] { ++layouts; });
        pane->setCaretMode(true);
        pane->setFocus();
        for (int i = 0; i < 50; ++i)
            QTest::keyClick(pane, Qt::Key_Right, Qt::ShiftModifier);
        QCOMPARE(pane->selectedSource(), (std::pair<qsizetype, qsizetype>{0, 50}));
        pane->setMarks({{0, 10, MarkStyle::Good}, {12, 20, MarkStyle::Bad}, {22, 30, MarkStyle::Neutral}});
        QCoreApplication::processEvents();
        QCOMPARE(changes, 0);
        QCOMPARE(layouts, 0);
        QSet<int> lines;
        for (const auto& each : pane->extraSelections())
            lines.insert(each.format.underlineStyle());
        QCOMPARE(lines.size(), 3);
        QCOMPARE(pane->extraSelections()[1].cursor.selectedText(), text.mid(12, 8));
        // They outlive a change of the view, and not a change of the text.
        view.setView(TextView::Diff);
        QCOMPARE(pane->extraSelections().size(), 3);
        view.setView(TextView::Markdown);
        QCOMPARE(pane->extraSelections().size(), 0);
        view.setView(TextView::Raw);
        QCOMPARE(pane->extraSelections().size(), 3);
        view.setPair(u"q"_s, u"Q"_s, u"other"_s, u"text"_s);
        QVERIFY(pane->marks().isEmpty());
    }

    void keysOutsideOfCaretModeAreThePages() {
        PairView view;
        view.resize(900, 500);
        view.show();
        view.setPair(u"p"_s, u"Q"_s, u"some words"_s, u"b"_s);
        QTest::keyClick(view.pane(Side::A), Qt::Key_Right, Qt::ShiftModifier);
        QCOMPARE(view.pane(Side::A)->selectedSource().second, qsizetype{0});
    }

    void codeIsColouredByItsParts() {
        const auto kinds = [](const QString& language, const QString& lines) {
            CodeTokens tokens(language);
            QStringList out;
            for (const QString& line : lines.split(u'\n'))
                for (const CodeSpan& span : tokens.line(line))
                    out.append(QString(QChar(u"pkscn"[int(span.token)])) + u':' + line.mid(span.begin, span.length));
            return out.join(u' ');
        };
        QCOMPARE(kinds(u"py"_s, u"def f(x): # note\n    return \"it's\" + '#1' + 2.5"_s),
                 u"k:def c:# note k:return s:\"it's\" s:'#1' n:2.5"_s);
        QCOMPARE(kinds(u"python"_s, u"s = '''one\ntwo # no\n''' + 3"_s), u"s:'''one s:two # no s:''' n:3"_s);
        QCOMPARE(kinds(u"c++"_s, u"int x1 = 0x1F; // int\n/* a\nb */ char c = '\\'';"_s),
                 u"k:int n:0x1F c:// int c:/* a c:b */ k:char s:'\\''"_s);
        QCOMPARE(kinds(u"sql"_s, u"SELECT a FROM t -- select"_s), u"k:SELECT k:FROM c:-- select"_s);
        QCOMPARE(kinds(u"json"_s, u"{\"a\": true, \"b\": 1}"_s), u"s:\"a\" k:true s:\"b\" n:1"_s);
        QCOMPARE(kinds(u""_s, u"see http://x.org don't return"_s), u""_s); // no keywords, no comment in an address
        QCOMPARE(kinds(u"py"_s, u"x = \"open"_s), u"s:\"open"_s);
        // Untrusted: linear, and inside of the line whatever comes.
        for (const QString& nasty : {QString(20000, u'"'), QString(20000, u'\\'), QString(u"/*"_s).repeated(20000), QString(u"'\\"_s)}) {
            CodeTokens tokens(u"c"_s);
            for (int i = 0; i < 2; ++i)
                for (const CodeSpan& span : tokens.line(nasty))
                    QVERIFY(span.begin >= 0 && span.length > 0 && span.begin + span.length <= nasty.size());
        }
        PairView view;
        view.resize(1000, 420);
        view.show();
        view.setView(TextView::Markdown);
        view.setPair(u"p"_s, u"Q"_s,
                     u"A function:\n\n```py\ndef area(r):  # of a circle\n    \"\"\"In square units.\"\"\"\n    return 3.14159 * r ** 2\n```\n"
                     u"and `area(2)` gives 12.6."_s,
                     u"```c++\n// the larger of two\nint larger(int a, int b) {\n    return a > b ? a : b; /* ties: b */\n}\n"
                     u"std::string s = \"it's\";\n```\n```sql\nSELECT name FROM people WHERE age > 30 -- adults\n```"_s);
        picture(view, u"code"_s);
        // In Markdown the characters stay as they are.
        QTextDocument document;
        QVERIFY(renderMarkdown(document, u"```py\ndef f(): # x\n```\nend"_s));
        QVERIFY(document.toPlainText().startsWith(u"def f(): # x"_s));
        bool bold = false, slanted = false;
        for (auto it = document.begin().begin(); !it.atEnd(); ++it) {
            bold |= it.fragment().text() == u"def" && it.fragment().charFormat().fontWeight() == QFont::Bold;
            slanted |= it.fragment().text() == u"# x" && it.fragment().charFormat().fontItalic();
        }
        QVERIFY(bold && slanted);
    }
};

QTEST_MAIN(TestTextViews)
#include "tst_text_views.moc"
