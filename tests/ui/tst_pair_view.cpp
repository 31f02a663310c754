// SPDX-License-Identifier: GPL-3.0-or-later
#include <QtTest>
#include <QtWidgets>

#include "ui/theme/theme.h"
#include "ui/widgets/pair_view.h"
#include "ui/widgets/text_pane.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

class TestPairView : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }
    void paintedComesOnceAfterBothSidesAreDrawn();
    void rawTextStaysAsItIs();
    void markupIsNeverRendered();
    void hiddenCharactersAreShown();
    void longTextsAreBounded();
    void panesAreEqualWhateverTheText();
    void panesStopAtTheirWidthAndTheDockTakesTheRest();
    void pagesScrollBothAndSpaceIsLeftToThePage();
    void diffMarksWhatDiffers();
    void markdownShowsStructureAndKeepsCharacters();
    void markdownIsBounded();
    void flashMovesNothing();
    void turnsAreFolded();
};

void TestPairView::paintedComesOnceAfterBothSidesAreDrawn() {
    PairView view;
    view.resize(900, 600);
    QSignalSpy painted(&view, &PairView::painted);
    const qint64 before = steadyNow();
    view.setPair(u"p1"_s, u"Q"_s, u"one"_s, u"two"_s);
    QCOMPARE(view.paintedAt(), 0);
    view.show();
    QVERIFY(painted.wait(2000));
    QCOMPARE(painted.size(), 1);
    QCOMPARE(painted[0][0].toString(), u"p1"_s);
    QVERIFY(painted[0][1].toLongLong() >= before && painted[0][1].toLongLong() <= steadyNow());
    QCOMPARE(view.paintedAt(), painted[0][1].toLongLong());
    view.repaint();
    QCoreApplication::processEvents();
    QCOMPARE(painted.size(), 1);
    view.setPair(u"p2"_s, u"Q"_s, {}, u"two"_s); // an empty side is painted too
    QCOMPARE(view.paintedAt(), 0);
    QVERIFY(painted.wait(2000));
    QCOMPARE(painted.last()[0].toString(), u"p2"_s);
}

void TestPairView::rawTextStaysAsItIs() {
    PairView view;
    const QString a = u"2*3*4 and __init__\n\n\tindented  twice\nعربي 中文 👩‍👩‍👧 é"_s;
    view.setPair(u"p"_s, u"Q"_s, a, a);
    QCOMPARE(view.view(), TextView::Raw);
    QCOMPARE(view.shownText(Side::A), a);
    QCOMPARE(view.shownText(Side::B), a);
}

void TestPairView::markupIsNeverRendered() {
    PairView view;
    const QString html = u"<b>bold</b> <img src=\"file:///etc/hostname\"> <table><tr><td>"_s;
    view.setPair(u"p"_s, html, html, html);
    QCOMPARE(view.shownText(Side::A), html);
    view.setView(TextView::Markdown);
    QCOMPARE(view.shownText(Side::A), html);
    ClosedDocument document;
    document.setHtml(u"<img src=\"file:///etc/hostname\">"_s);
    QVERIFY(document.resource(QTextDocument::ImageResource, QUrl(u"file:///etc/hostname"_s)).isNull());
}

void TestPairView::hiddenCharactersAreShown() {
    QCOMPARE(safeText(u"a\u202Eb"_s), u"a⟨U+202E⟩b"_s);
    QCOMPARE(safeText(u"a\u200Bb\x07"_s), u"a⟨U+200B⟩b⟨U+0007⟩"_s);
    QCOMPARE(safeText(u"tab\tnew\r\nline"_s), u"tab\tnew\nline"_s);
    QCOMPARE(safeText(u"👩‍👧 नि"_s), u"👩‍👧 नि"_s); // joiners that writing needs stay
}

void TestPairView::longTextsAreBounded() {
    const QString endless(1 << 20, u'x');
    const QString shown = safeText(endless);
    QVERIFY(shown.size() < 300 * 1024);
    QVERIFY(shown.contains(u"more characters are not shown"));
    for (const QString& line : shown.split(u'\n'))
        QVERIFY(line.size() <= 4000);
    QString emoji;
    for (int i = 0; i < 5000; ++i)
        emoji += u"😀"_s;
    QVERIFY(safeText(emoji).isValidUtf16());
    PairView view;
    view.resize(1000, 700);
    view.show();
    QString words;
    for (int i = 0; i < 8000; ++i)
        words += u"token%1 "_s.arg(i % 97);
    QElapsedTimer timer;
    timer.start();
    view.setPair(u"p"_s, u"Q"_s, words, endless);
    QCoreApplication::processEvents();
    QVERIFY2(timer.elapsed() < 30000, qPrintable(QString::number(timer.elapsed())));
}

void TestPairView::panesAreEqualWhateverTheText() {
    PairView view;
    view.resize(1200, 700);
    view.show();
    view.setPair(u"p"_s, u"Q"_s, u"short"_s, u"short"_s);
    QCoreApplication::processEvents();
    const QRect a = view.pane(Side::A)->geometry(), b = view.pane(Side::B)->geometry();
    const QPoint at = view.pane(Side::B)->mapTo(&view, QPoint());
    QVERIFY(std::abs(a.width() - b.width()) <= 1);
    QCOMPARE(a.height(), b.height());
    QVERIFY(a.height() > 300);
    view.setPair(u"p"_s, QString(5000, u'q'), QString(9000, u'x'), u"short"_s);
    QCoreApplication::processEvents();
    QCOMPARE(view.pane(Side::A)->geometry(), a);
    QCOMPARE(view.pane(Side::B)->mapTo(&view, QPoint()), at);
}

void TestPairView::panesStopAtTheirWidthAndTheDockTakesTheRest() {
    PairView view;
    view.setDock(new QLabel(u"dock"_s));
    view.resize(1200, 600);
    view.show();
    QCoreApplication::processEvents();
    QVERIFY(!view.isDockVisible());
    view.resize(2400, 600);
    QCoreApplication::processEvents();
    QVERIFY(view.isDockVisible());
    QVERIFY(view.pane(Side::A)->parentWidget()->width() <= 760);
    // The reading column: 78 characters at most, so a line of 100 wraps.
    view.setPair(u"p"_s, u"Q"_s, QString(100, u'n'), u"b"_s);
    QCoreApplication::processEvents();
    TextPane* pane = view.pane(Side::A);
    QVERIFY(pane->viewport()->width() <= pane->columnWidth() + 2 * px(Size::GapL));
}

void TestPairView::pagesScrollBothAndSpaceIsLeftToThePage() {
    struct Page : QWidget {
        int keys = 0;
        void keyPressEvent(QKeyEvent*) override { ++keys; }
    } page;
    auto* layout = new QVBoxLayout(&page);
    auto* view = new PairView;
    layout->addWidget(view);
    page.resize(900, 500);
    page.show();
    QString text;
    for (int i = 0; i < 300; ++i)
        text += u"line %1\n"_s.arg(i);
    view->setPair(u"p"_s, u"Q"_s, text, text);
    QCoreApplication::processEvents();
    const auto value = [&](Side side) { return view->pane(side)->verticalScrollBar()->value(); };
    QTest::keyClick(view->pane(Side::A), Qt::Key_PageDown);
    QVERIFY(value(Side::A) > 100);
    QCOMPARE(value(Side::A), value(Side::B));
    const int at = value(Side::A);
    for (const int key : {int(Qt::Key_Space), int(Qt::Key_F), int(Qt::Key_K), int(Qt::Key_Left), int(Qt::Key_Right)})
        QTest::keyClick(view->pane(Side::B), Qt::Key(key));
    QCOMPARE(page.keys, 5);
    QCOMPARE(value(Side::A), at);
    QCOMPARE(value(Side::B), at);
    QTest::keyClick(view->pane(Side::B), Qt::Key_Up);
    QVERIFY(value(Side::A) < at);
    view->setPair(u"p2"_s, u"Q"_s, text, text);
    QCOMPARE(value(Side::A), 0);
}

void TestPairView::diffMarksWhatDiffers() {
    PairView view;
    view.setPair(u"p"_s, u"Q"_s, u"the 😀 red house"_s, u"the 😀 blue house"_s);
    QSignalSpy changed(&view, &PairView::viewChanged);
    view.toggleView(TextView::Diff);
    QCOMPARE(changed.size(), 1);
    QCOMPARE(view.shownText(Side::A), u"the 😀 red house"_s);
    const auto marks = [&](Side side) {
        QStringList out;
        for (const auto& s : view.pane(side)->extraSelections())
            out.append(s.cursor.selectedText());
        return out.join(u'|');
    };
    QCOMPARE(marks(Side::A), u"red"_s);
    QCOMPARE(marks(Side::B), u"blue"_s);
    view.toggleView(TextView::Diff);
    QCOMPARE(view.view(), TextView::Raw);
    QVERIFY(marks(Side::A).isEmpty());
}

void TestPairView::markdownShowsStructureAndKeepsCharacters() {
    QTextDocument d;
    QVERIFY(renderMarkdown(d, u"# Title\n\nSome **bold** and *it*: 2*3*4, __init__, `a*b*`.\n\n- one\n- two\n\n```\nx = 1\n```\n"
                              "[link](file:///etc/passwd)"_s));
    const QString text = d.toPlainText();
    QVERIFY2(text.contains(u"Some bold and it: 2*3*4, __init__, a*b*."), qPrintable(text));
    QVERIFY(text.contains(u"•\u2002one"));
    QVERIFY(text.contains(u"link (file:///etc/passwd)"));
    QVERIFY(!text.contains(u"```"));
    bool bold = false, anchor = false;
    for (QTextBlock b = d.begin(); b.isValid(); b = b.next())
        for (auto it = b.begin(); !it.atEnd(); ++it) {
            bold |= it.fragment().text() == u"bold" && it.fragment().charFormat().fontWeight() == QFont::Bold;
            anchor |= it.fragment().charFormat().isAnchor();
        }
    QVERIFY(bold);
    QVERIFY(!anchor);
}

void TestPairView::markdownIsBounded() {
    QTextDocument d;
    QString why;
    QVERIFY(!renderMarkdown(d, QString(300 * 1024, u'a'), {}, &why));
    QVERIFY(why.contains(u"KiB"));
    QVERIFY(!renderMarkdown(d, QString(40, u'>') + u" deep"_s, {}, &why));
    QVERIFY(why.contains(u"nested"));
    TextLimits now;
    now.maxMs = -1;
    QVERIFY(!renderMarkdown(d, u"text"_s, now, &why));
    QVERIFY(d.isEmpty());
    // Texts that cost other renderers exponential or quadratic time.
    QElapsedTimer timer;
    timer.start();
    QString tables, marks, brackets;
    for (int i = 0; i < 200; ++i)
        tables += u"<table><tr><td>"_s;
    for (int i = 0; i < 20000; ++i) {
        marks += u"*a _b "_s;
        brackets += u"[a]("_s;
    }
    for (const QString& text : {tables, marks, brackets, QString(u"- x\n"_s).repeated(4000)})
        renderMarkdown(d, text);
    QVERIFY2(timer.elapsed() < 60000, qPrintable(QString::number(timer.elapsed())));
}

void TestPairView::flashMovesNothing() {
    PairView view;
    view.resize(900, 600);
    view.setPair(u"p"_s, u"Q"_s, u"one"_s, u"two"_s);
    view.show();
    QCoreApplication::processEvents();
    const QImage before = view.grab().toImage();
    view.flash(true, false);
    const QRect a = view.pane(Side::A)->geometry();
    QTRY_VERIFY_WITH_TIMEOUT(view.grab().toImage() != before, 2000);
    QCOMPARE(view.pane(Side::A)->geometry(), a);
    QTRY_COMPARE_WITH_TIMEOUT(view.grab().toImage(), before, 10000);
    setReducedMotion(true);
    view.flash(true, true);
    QCOMPARE(view.grab().toImage(), before);
    setReducedMotion(false);
}

void TestPairView::turnsAreFolded() {
    PairView view;
    view.resize(900, 600);
    view.setPair(u"p"_s, QList<Turn>{{u"user"_s, u"first"_s}, {u"assistant"_s, u"answer"_s}, {u"user"_s, u"last"_s}},
                 u"a"_s, u"b"_s);
    view.show();
    const auto texts = [&] {
        QStringList out;
        for (TextPane* pane : view.findChildren<TextPane*>())
            out.append(pane->toPlainText());
        return out;
    };
    QVERIFY(texts().contains(u"last"_s));
    bool found = false;
    for (QPushButton* button : view.findChildren<QPushButton*>())
        if (button->text() == u"2 earlier turns") {
            button->click();
            found = true;
        }
    QVERIFY(found);
    QVERIFY(texts().contains(u"User: first\n\nAssistant: answer\n\nUser: last"_s));
    view.setPromptCollapsed(true);
    QVERIFY(view.isPromptCollapsed());
}

QTEST_MAIN(TestPairView)
#include "tst_pair_view.moc"
