// SPDX-License-Identifier: GPL-3.0-or-later
#include <numeric>

#include "tests/ui/find.h"
#include "tests/ui/image_fixture.h"
#include "ui/label/label_page.h"
#include "ui/label/panels.h"
#include "ui/label/rank_page.h"
#include "ui/label/rank_view.h"

using namespace fixture;
using Step = RankOrder::Step;

class TestRankPage : public QObject {
    Q_OBJECT

    /// Types a word: letters, Shift for capitals being "worst", = ties, < takes back.
    static Step type(RankOrder& order, const char* keys) {
        Step step = Step::Ignored;
        for (const char* k = keys; *k; ++k)
            step = *k == '=' ? order.tie() : *k == '<' ? order.back() : *k == '.' ? order.tieRest()
                   : *k >= 'a' ? order.put(*k - 'a') : order.putLast(*k - 'A');
        return step;
    }
    static std::vector<size_t> straight(size_t n) {
        std::vector<size_t> out(n);
        std::iota(out.begin(), out.end(), size_t{0});
        return out;
    }

private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void lettersBecomeAnOrder_data() {
        QTest::addColumn<int>("places");
        QTest::addColumn<QByteArray>("keys");
        QTest::addColumn<QByteArray>("ranks");
        QTest::addColumn<QByteArray>("unordered");
        QTest::addColumn<bool>("complete");
        QTest::newRow("three keys rank four") << 4 << QByteArray("cab") << QByteArray("2 3 1 4") << QByteArray("") << true;
        QTest::newRow("a tie in the middle") << 4 << QByteArray("ca=b") << QByteArray("2 2 1 3") << QByteArray("") << true;
        QTest::newRow("the last two tied") << 4 << QByteArray("ca=.") << QByteArray("2 3 1 3") << QByteArray("") << true;
        QTest::newRow("all equal") << 3 << QByteArray("=.") << QByteArray("1 1 1") << QByteArray("") << true;
        QTest::newRow("two and two") << 4 << QByteArray("b=d=.") << QByteArray("2 1 2 1") << QByteArray("") << true;
        QTest::newRow("the third fills itself") << 3 << QByteArray("a=b") << QByteArray("1 1 2") << QByteArray("") << true;
        QTest::newRow("partial: the best two") << 5 << QByteArray("ec") << QByteArray("3 3 2 3 1") << QByteArray("3") << false;
        QTest::newRow("best and worst: two keys") << 4 << QByteArray("bD") << QByteArray("2 1 2 3") << QByteArray("2") << false;
        QTest::newRow("two from the end") << 5 << QByteArray("aEC") << QByteArray("1 2 3 2 4") << QByteArray("2") << false;
        QTest::newRow("taken back with what filled itself") << 3 << QByteArray("ab<c") << QByteArray("1 3 2") << QByteArray("") << true;
        QTest::newRow("twice the same letter is once") << 4 << QByteArray("aab") << QByteArray("1 2 3 3") << QByteArray("3") << false;
        QTest::newRow("a tie that is given up") << 4 << QByteArray("a==b") << QByteArray("1 2 3 3") << QByteArray("3") << false;
    }
    void lettersBecomeAnOrder() {
        QFETCH(int, places);
        QFETCH(QByteArray, keys);
        QFETCH(QByteArray, ranks);
        QFETCH(QByteArray, unordered);
        QFETCH(bool, complete);
        RankOrder order(places);
        type(order, keys.constData());
        QCOMPARE(order.isComplete(), complete);
        const auto ranking = order.ranking(straight(static_cast<size_t>(places)));
        QStringList got, free;
        for (const int rank : ranking.ranks)
            got.append(QString::number(rank));
        for (const int rank : ranking.unordered)
            free.append(QString::number(rank));
        QCOMPARE(got.join(u' '), QString::fromUtf8(ranks));
        QCOMPARE(free.join(u' '), QString::fromUtf8(unordered));
        // What was given before comes back as it was, whatever the order on the screen.
        const std::vector<size_t> shown = places == 4 ? std::vector<size_t>{2, 0, 3, 1} : straight(static_cast<size_t>(places));
        const auto mixed = order.ranking(shown);
        QVERIFY(RankOrder::of(mixed, shown).ranking(shown) == mixed);
    }

    void threeKeysGiveFourAnswersTheirOrder() {
        Desk lab;
        makeProject(lab.dir(), 0, desk::Scale::SevenPoint, [](desk::Project& p) { sets(p, 3, 4); });
        RankPage* page = open(lab);
        QTRY_VERIFY(page->takesVotes());
        QSignalSpy saved(page, &RankPage::saved);
        const auto shown = page->shown();
        const desk::Id comparison = page->currentComparison();
        QTest::keyClick(page, Qt::Key_C);
        QCOMPARE(page->view()->card(2)->rank(), u"1st"_s);
        QTest::keyClick(page, Qt::Key_Equal);
        QTest::keyClick(page, Qt::Key_A);
        QCOMPARE(page->orderText(), u"C = A > …"_s);
        QCOMPARE(page->view()->card(0)->rank(), u"1st, tied"_s);
        QTest::keyClick(page, Qt::Key_D);
        QTRY_COMPARE(saved.count(), 1);
        const auto judgement = lab.ask([&](desk::Project& p) { return must(p.currentJudgement(lab.context().task.id, lab.context().annotator, comparison)); });
        QVERIFY(judgement && judgement->kind == desk::EventKind::Vote);
        const auto ranking = must(desk::Ranking::of(judgement->ranking, 4));
        const int expected[] = {1, 3, 1, 2}; // A, B, C, D
        for (size_t place = 0; place < 4; ++place)
            QCOMPARE(ranking.ranks[shown[place]], expected[place]);
        QTRY_VERIFY(page->takesVotes() && page->currentComparison() != comparison);
        // Undo brings it back with its order; Enter gives it again.
        QTest::keyClick(page, Qt::Key_Z, Qt::ControlModifier);
        QTRY_VERIFY(page->takesVotes() && page->currentComparison() == comparison);
        QCOMPARE(page->orderText(), u"A = C > D > B"_s);
        QVERIFY(!lab.ask([&](desk::Project& p) { return must(p.currentJudgement(lab.context().task.id, lab.context().annotator, comparison)); }));
        QTest::keyClick(page, Qt::Key_Return);
        QTRY_COMPARE(saved.count(), 2);
        const auto again = lab.ask([&](desk::Project& p) { return must(p.currentJudgement(lab.context().task.id, lab.context().annotator, comparison)); });
        QVERIFY(again && must(desk::Ranking::of(again->ranking, 4)) == ranking);
    }

    void bestAndWorstAreTwoKeysAndEnter() {
        Desk lab;
        makeProject(lab.dir(), 0, desk::Scale::SevenPoint, [](desk::Project& p) { sets(p, 1, 4); });
        RankPage* page = open(lab);
        QTRY_VERIFY(page->takesVotes());
        QSignalSpy saved(page, &RankPage::saved);
        const desk::Id comparison = page->currentComparison();
        QTest::keyClick(page, Qt::Key_B);
        QTest::keyClick(page, Qt::Key_A, Qt::ShiftModifier);
        QCOMPARE(page->orderText(), u"B > … > A"_s);
        QTest::keyClick(page, Qt::Key_Return);
        QTRY_COMPARE(saved.count(), 1);
        const auto judgement = lab.ask([&](desk::Project& p) { return must(p.currentJudgement(lab.context().task.id, lab.context().annotator, comparison)); });
        QCOMPARE(must(desk::Ranking::of(judgement->ranking, 4)).pairs(), int64_t{5});
        QTRY_COMPARE(page->mode(), RankPage::Mode::Done);
    }

    void keysBeforeTheAnswersAreSeenDoNotCount() {
        Desk lab;
        makeProject(lab.dir(), 0, desk::Scale::SevenPoint, [](desk::Project& p) { sets(p, 2, 3); });
        RankPage* page = open(lab);
        page->setGuardMs(60'000);
        QTRY_COMPARE(page->mode(), RankPage::Mode::Set);
        QTest::keyClick(page, Qt::Key_A);
        QTest::keyClick(page, Qt::Key_B);
        QVERIFY(page->order().isEmpty());
        QVERIFY(!page->isSaving());
    }

    void imagesStandInAGrid() {
        Desk lab;
        pictures::makeProject(lab.dir(), 0, [](int, int) { return QByteArray(); });
        {
            desk::Project p = must(desk::Project::open(lab.dir().toStdString(), projectOptions()));
            desk::NewPrompt prompt;
            prompt.content = "two blue circles";
            prompt.split = desk::Split::Train;
            const desk::Id id = must(p.addPrompts({prompt}))[0];
            for (int k = 0; k < 6; ++k) {
                const QString file = lab.temp.filePath(u"%1.png"_s.arg(k));
                QVERIFY(pictures::gradient(64, 64, k + 1).save(file));
                desk::NewCandidate c;
                c.prompt = id;
                c.kind = desk::CandidateKind::Image;
                c.content = must(p.addMedia(file.toStdString()));
                must(p.addCandidates({c}));
            }
            desk::MakeRankingsOptions o;
            o.size = 6;
            QCOMPARE(must(desk::makeRankings(p, o)).sets, int64_t{1});
            must(p.close());
        }
        RankPage* page = open(lab);
        QTRY_VERIFY(page->takesVotes());
        QCOMPARE(page->view()->count(), 6);
        QTRY_VERIFY(page->view()->imageLoader()->isIdle());
        // Each stands in its card, below its letter.
        const QImage seen = page->view()->card(4)->grab().toImage();
        QVERIFY(seen.pixelColor(seen.width() / 2, seen.height() / 2) != color(Tone::Surface));
        for (const Qt::Key key : {Qt::Key_F, Qt::Key_B})
            QTest::keyClick(page, key);
        grabBoth(lab, u"rank-images"_s);
    }

    void nothingToRankOffersToMakeSets() {
        Desk lab;
        makeProject(lab.dir(), 2);
        RankPage* page = open(lab);
        QTRY_COMPARE(page->mode(), RankPage::Mode::Empty);
        QVERIFY(shows(*page, u"There are no sets to rank: a set is one prompt with three answers or more."_s));
        grabBoth(lab, u"rank-empty"_s);
        auto* make = page->findChild<FilledButton*>();
        QVERIFY(make);
        make->click();
        QTRY_VERIFY(shows(*page, u"No prompt has three different answers that are not in a set yet. Write more on the Generate page, four a prompt."_s));
    }

    void whereThereAreOnlySetsTheyComeByThemselves() {
        Desk lab;
        makeProject(lab.dir(), 0, desk::Scale::SevenPoint, [](desk::Project& p) { sets(p, 2, 3); });
        lab.show({labelPage(&lab.preferences)});
        auto* label = qobject_cast<LabelPage*>(lab.window->page(u"label"_s));
        QTRY_VERIFY(label->rankPage() && label->rankPage()->isVisible() && label->rankPage()->mode() == RankPage::Mode::Set);
        QTest::keyClick(label->rankPage(), Qt::Key_Escape);
        QTRY_VERIFY(!label->rankPage()->isVisible());
        QTest::qWait(100);
        QVERIFY(!label->rankPage()->isVisible()); // who left them is not thrown back
    }

    void besidePairsALinkLeadsToThem() {
        Desk lab;
        makeProject(lab.dir(), 3, desk::Scale::SevenPoint, [](desk::Project& p) { sets(p, 2, 3); });
        lab.show({labelPage(&lab.preferences)});
        auto* label = qobject_cast<LabelPage*>(lab.window->page(u"label"_s));
        QTRY_COMPARE(label->mode(), LabelPage::Mode::Pair);
        QTRY_VERIFY(button<LinkButton>(*label, u"2 sets to rank"_s));
        button<LinkButton>(*label, u"2 sets to rank"_s)->click();
        QTRY_VERIFY(label->rankPage() && label->rankPage()->isVisible());
        // A letter that is none of the set's, and one that votes on pairs, reach no pair.
        const auto votes = lab.ask([](desk::Project& p) { return p.counters().events; });
        label->rankPage()->setGuardMs(0);
        QTRY_VERIFY(label->rankPage()->takesVotes());
        for (const Qt::Key key : {Qt::Key_S, Qt::Key_J, Qt::Key_Space, Qt::Key_Left, Qt::Key_7})
            QTest::keyClick(label->rankPage(), key);
        QTest::qWait(50);
        QCOMPARE(lab.ask([](desk::Project& p) { return p.counters().events; }), votes);
    }

    void theKeySheetSaysEveryKeyAndAnyKeyClosesIt() {
        Desk lab;
        makeProject(lab.dir(), 0, desk::Scale::SevenPoint, [](desk::Project& p) { sets(p, 2, 4); });
        RankPage* page = open(lab);
        QTRY_VERIFY(page->takesVotes());
        QTest::keyClick(page, Qt::Key_Question);
        QVERIFY(page->keySheet()->isVisible());
        for (const QString& each : {u"A … D"_s, u"Shift+A … D"_s, u"Backspace"_s, u"Ctrl+Shift+Z  Ctrl+Y"_s, u"PgUp  PgDn"_s, u"Esc"_s})
            QVERIFY2(shows(*page->keySheet(), each), qPrintable(each));
        QVERIFY(page->rect().contains(page->keySheet()->geometry()));
        QVERIFY2(clipped(page->keySheet()).isEmpty(), qPrintable(clipped(page->keySheet()).join(u" | "_s)));
        grabBoth(lab, u"rank-keys"_s);
        QTest::keyClick(page, Qt::Key_A); // closes it, and ranks nothing
        QVERIFY(!page->keySheet()->isVisible() && page->order().isEmpty());
        const KeyStrip* strip = page->keyStrip();
        for (int i = 0; i < strip->visibleHints(); ++i)
            QVERIFY(strip->tipAt(strip->hintRect(i).center()).startsWith(strip->hints()[i].key + u": "_s));
        // By a key of its own from the pairs.
        QTest::keyClick(page, Qt::Key_Escape);
        auto* pairs = qobject_cast<LabelPage*>(lab.window->page(u"label"_s));
        QTRY_VERIFY(page->isHidden());
        QTest::keyClick(pairs, Qt::Key_F6);
        QVERIFY(page->isVisible());
    }

    void itLooksRight() {
        Desk lab;
        makeProject(lab.dir(), 0, desk::Scale::SevenPoint, [](desk::Project& p) { sets(p, 2, 4); });
        RankPage* page = open(lab);
        QTRY_VERIFY(page->takesVotes());
        QTest::keyClick(page, Qt::Key_C);
        QTest::keyClick(page, Qt::Key_Equal);
        QVERIFY(clipped(page).isEmpty());
        grabBoth(lab, u"rank-texts"_s);
    }

private:
    static void sets(desk::Project& p, int n, int size) {
        for (int i = 0; i < n; ++i) {
            desk::NewPrompt prompt;
            prompt.content = "How do I make rice that is not sticky? (" + std::to_string(i) + ")";
            prompt.split = desk::Split::Train;
            const desk::Id id = must(p.addPrompts({prompt}))[0];
            for (int k = 0; k < size; ++k) {
                desk::NewCandidate c;
                c.prompt = id;
                c.content = longAnswer(i, k) + " " + longAnswer(i + 1, k + 1);
                c.modelName = "secret-model";
                must(p.addCandidates({c}));
            }
        }
        desk::MakeRankingsOptions o;
        o.size = static_cast<size_t>(size);
        QCOMPARE(must(desk::makeRankings(p, o)).sets, int64_t{n});
    }
    static RankPage* open(Desk& lab) {
        lab.show({labelPage(&lab.preferences)});
        auto* label = qobject_cast<LabelPage*>(lab.window->page(u"label"_s));
        label->showSets();
        RankPage* page = label->rankPage();
        page->setGuardMs(0);
        page->setFocus();
        return page;
    }
    static void grabBoth(Desk& lab, const QString& name) {
        const QString folder = QString::fromLocal8Bit(qgetenv("PAIRLAB_BUILD_DIR")) + u"/screenshots"_s;
        QDir().mkpath(folder);
        for (const auto mode : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, mode);
            QTest::qWait(30);
            QVERIFY(lab.window->grab().save(u"%1/%2-%3.png"_s.arg(folder, name, mode == ThemeMode::Light ? u"light"_s : u"dark"_s)));
        }
        applyTheme(*qApp, ThemeMode::Light);
    }
};

QTEST_MAIN(TestRankPage)
#include "tst_rank_page.moc"
