// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=180
#include <algorithm>
#include <map>
#include <set>

#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/label/label_page.h"
#include "ui/label/panels.h"
#include "ui/settings/settings_page.h"
#include "ui/shell/chrome.h"

using namespace fixture;
using pl::desk::EventKind;
using pl::desk::Scale;
using pl::desk::TieKind;
using pl::desk::Winner;

namespace {

std::vector<PageFactory> pages(Preferences& preferences) {
    return {labelPage(), dataPage(), settingsPage(preferences)};
}

struct Sitting : Desk {
    LabelPage* page = nullptr;

    void start(int pairs, Scale scale = Scale::SevenPoint, int guardMs = 0) {
        makeProject(dir(), pairs, scale);
        open(guardMs);
    }
    void open(int guardMs = 0) { open(request(), guardMs); }
    void open(const WorkspaceRequest& r, int guardMs) {
        show(pages(preferences), r, {1280, 800});
        page = qobject_cast<LabelPage*>(window->page(u"label"_s));
        QVERIFY(page);
        page->setGuardMs(guardMs);
        if (guardMs == 0)
            QTRY_VERIFY(page->currentComparison() == 0 || page->pairView()->paintedAt() > 0);
    }
    bool waitForPair() {
        return QTest::qWaitFor([this] { return page->takesVotes(); }, 4000);
    }
    void press(int key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
        QWidget* target = QApplication::focusWidget() ? QApplication::focusWidget() : page;
        QTest::keyClick(target, static_cast<Qt::Key>(key), modifiers);
    }
    /// A key that ends in a saved event; the comparison it was about.
    desk::Id pressAndSave(int key) {
        const desk::Id before = page->currentComparison();
        QSignalSpy saved(page, &LabelPage::saved);
        press(key);
        if (saved.isEmpty() && !saved.wait(4000))
            return 0;
        (void)QTest::qWaitFor([this] { return page->mode() != LabelPage::Mode::Pair || page->takesVotes(); }, 4000);
        return before;
    }
    std::map<desk::Id, desk::CurrentVote> votes() {
        std::map<desk::Id, desk::CurrentVote> out;
        for (const auto& vote : ask([](desk::Project& p) { return p.currentVotes(); }))
            out[vote.comparison] = vote;
        return out;
    }
};

} // namespace

class TestLabelPage : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void sevenKeysSayWhatTheyMeanForBothSideOrders() {
        struct Meaning {
            int key;
            int side; // -1 left, 0 tie, 1 right
            int strength;
        };
        const std::vector<Meaning> keys{{Qt::Key_S, -1, 3}, {Qt::Key_D, -1, 2}, {Qt::Key_F, -1, 1}, {Qt::Key_Space, 0, 0},
                                        {Qt::Key_J, 1, 1},  {Qt::Key_K, 1, 2},  {Qt::Key_L, 1, 3}};
        Sitting sitting;
        sitting.start(80);
        std::map<std::pair<int, bool>, desk::Id> covered;
        for (int i = 0; i < 80 && covered.size() < 2 * keys.size(); ++i) {
            QVERIFY(sitting.waitForPair());
            const bool aOnLeft = sitting.page->currentAOnLeft();
            const Meaning* chosen = &keys[3];
            for (const Meaning& each : keys)
                if (!covered.count({each.key, aOnLeft})) {
                    chosen = &each;
                    break;
                }
            const desk::Id comparison = sitting.pressAndSave(chosen->key);
            QVERIFY(comparison);
            covered[{chosen->key, aOnLeft}] = comparison;
        }
        QCOMPARE(covered.size(), size_t{14});
        const auto votes = sitting.votes();
        for (const Meaning& each : keys)
            for (const bool aOnLeft : {true, false}) {
                const auto& vote = votes.at(covered.at({each.key, aOnLeft}));
                const Winner expected = each.side == 0 ? Winner::Tie : (each.side < 0) == aOnLeft ? Winner::A : Winner::B;
                QVERIFY2(vote.winner == expected, qPrintable(QKeySequence(each.key).toString()));
                QCOMPARE(int(vote.strength), each.strength);
                QCOMPARE(vote.aOnLeft, aOnLeft);
                QVERIFY(vote.shown);
                QVERIFY(vote.kind == EventKind::Vote);
            }
    }

    void simpleScaleUsesArrowsOnly() {
        Sitting sitting;
        sitting.start(12, Scale::Simple);
        QVERIFY(sitting.waitForPair());
        const desk::Id first = sitting.page->currentComparison();
        sitting.press(Qt::Key_S);
        sitting.press(Qt::Key_L);
        QTest::qWait(60);
        QCOMPARE(sitting.page->currentComparison(), first);
        const bool aOnLeft = sitting.page->currentAOnLeft();
        QCOMPARE(sitting.pressAndSave(Qt::Key_Left), first);
        QVERIFY(sitting.votes().at(first).winner == (aOnLeft ? Winner::A : Winner::B));
        QCOMPARE(int(sitting.votes().at(first).strength), 0);
    }

    void theOtherVerdicts() {
        Sitting sitting;
        sitting.start(8);
        const std::vector<std::pair<int, TieKind>> ties{
            {Qt::Key_H, TieKind::BothGood}, {Qt::Key_N, TieKind::BothBad}, {Qt::Key_I, TieKind::Identical}};
        for (const auto& [key, kind] : ties) {
            QVERIFY(sitting.waitForPair());
            const desk::Id id = sitting.pressAndSave(key);
            QVERIFY(id);
            QVERIFY(sitting.votes().at(id).tieKind == kind);
            QCOMPARE(sitting.votes().at(id).badA && sitting.votes().at(id).badB, kind == TieKind::BothBad);
        }
        // Q marks the left answer as unacceptable, whichever candidate that is.
        QVERIFY(sitting.waitForPair());
        const bool aOnLeft = sitting.page->currentAOnLeft();
        sitting.press(Qt::Key_Q);
        const desk::Id id = sitting.pressAndSave(Qt::Key_K);
        QCOMPARE(sitting.votes().at(id).badA, aOnLeft);
        QCOMPARE(sitting.votes().at(id).badB, !aOnLeft);
    }

    void undoAndRedoAcrossTheWholeSitting() {
        Sitting sitting;
        sitting.start(6);
        std::vector<desk::Id> order;
        for (int i = 0; i < 3; ++i) {
            QVERIFY(sitting.waitForPair());
            order.push_back(sitting.pressAndSave(Qt::Key_D));
            QVERIFY(order.back());
        }
        const auto all = sitting.votes();
        QCOMPARE(all.size(), size_t{3});
        for (int i = 2; i >= 0; --i) {
            sitting.press(i % 2 ? Qt::Key_U : Qt::Key_Z, i % 2 ? Qt::NoModifier : Qt::ControlModifier);
            QTRY_COMPARE(sitting.page->currentComparison(), order[static_cast<size_t>(i)]);
            QTRY_COMPARE(sitting.votes().size(), static_cast<size_t>(i));
        }
        sitting.press(Qt::Key_U);
        QTRY_VERIFY(sitting.window->statusLine()->message().contains(u"Nothing to take back"_s));
        for (size_t i = 1; i <= 3; ++i) {
            sitting.press(Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
            QTRY_COMPARE(sitting.votes().size(), i);
        }
        for (const auto& [id, vote] : all)
            QVERIFY(sitting.votes().at(id).winner == vote.winner && sitting.votes().at(id).strength == vote.strength);
        // Events are never deleted: three votes, three undos, three redos.
        QCOMPARE(sitting.ask([](desk::Project& p) { return p.counters().events; }), int64_t{9});
    }

    void undoReachesVotesOfAnEarlierWindow() {
        Sitting sitting;
        sitting.start(4);
        QVERIFY(sitting.waitForPair());
        const desk::Id id = sitting.pressAndSave(Qt::Key_S);
        const bool aOnLeft = sitting.votes().at(id).aOnLeft;
        sitting.window->close();
        sitting.window.reset();
        sitting.open();
        QVERIFY(sitting.waitForPair());
        QVERIFY(sitting.page->currentComparison() != id);
        sitting.press(Qt::Key_U);
        QTRY_COMPARE(sitting.page->currentComparison(), id);
        QCOMPARE(sitting.page->currentAOnLeft(), aOnLeft); // as it was shown before
        QVERIFY(sitting.votes().empty());
    }

    void skipAsksForTheReason() {
        Sitting sitting;
        sitting.start(5);
        QVERIFY(sitting.waitForPair());
        const desk::Id id = sitting.page->currentComparison();
        sitting.press(Qt::Key_X);
        QCOMPARE(sitting.page->keyStrip()->hints().first().label, u"cannot judge"_s);
        sitting.press(Qt::Key_Escape);
        QCOMPARE(sitting.page->currentComparison(), id);
        sitting.press(Qt::Key_X);
        QSignalSpy saved(sitting.page, &LabelPage::saved);
        sitting.press(Qt::Key_2); // a reason now, not a vote
        QVERIFY(!saved.isEmpty() || saved.wait(4000));
        const auto vote = sitting.votes().at(id);
        QVERIFY(vote.kind == EventKind::Skip);
        const auto judgement = sitting.ask([&](desk::Project& p) {
            return must(p.currentJudgement(vote.task, vote.annotator, id));
        });
        QCOMPARE(judgement->skipReason, std::string("broken"));
    }

    void tooFastIsRefusedWithACue() {
        Sitting sitting;
        sitting.start(6, Scale::SevenPoint, 10'000'000);
        QTRY_VERIFY(sitting.page->currentComparison() != 0);
        const desk::Id id = sitting.page->currentComparison();
        QSignalSpy refused(sitting.page, &LabelPage::refused);
        sitting.press(Qt::Key_S);
        QCOMPARE(refused.size(), 1);
        QCOMPARE(sitting.page->currentComparison(), id);
        QVERIFY(sitting.votes().empty());
        QVERIFY(sitting.window->statusLine()->message().contains(u"not counted"_s));
        sitting.page->setGuardMs(0);
        QVERIFY(sitting.waitForPair());
        QCOMPARE(sitting.pressAndSave(Qt::Key_S), id);
    }

    void heldKeysVoteOnce() {
        Sitting sitting;
        sitting.start(6);
        QVERIFY(sitting.waitForPair());
        const desk::Id id = sitting.page->currentComparison();
        for (int i = 0; i < 20; ++i) {
            QKeyEvent repeat(QEvent::KeyPress, Qt::Key_S, Qt::NoModifier, u"s"_s, true);
            QApplication::sendEvent(sitting.page, &repeat);
        }
        QTest::qWait(80);
        QVERIFY(sitting.votes().empty());
        QCOMPARE(sitting.page->currentComparison(), id);
    }

    void aBurstOfKeysGivesExactlyTheEventsThatWereAcknowledged() {
        Sitting sitting;
        sitting.start(120);
        QVERIFY(sitting.waitForPair());
        int saved = 0;
        std::set<desk::Id> ids;
        connect(sitting.page, &LabelPage::saved, this, [&](qint64 id) {
            ++saved;
            ids.insert(id);
        });
        const int keys[] = {Qt::Key_S, Qt::Key_K, Qt::Key_Space, Qt::Key_F};
        for (int i = 0; i < 300; ++i) {
            sitting.press(keys[i % 4]);
            if (i % 3 == 0)
                QTest::qWait(1);
        }
        QTRY_VERIFY(!sitting.page->isSaving());
        QVERIFY(saved > 3);
        QCOMPARE(static_cast<int>(ids.size()), saved); // never two votes for one pair
        QCOMPARE(static_cast<int>(sitting.votes().size()), saved);
        QCOMPARE(sitting.page->refusedVotes() + saved >= 300 || sitting.page->mode() != LabelPage::Mode::Pair, true);
        QVERIFY(!sitting.page->keyToPaint().empty());
    }

    void scrollKeysNeverVote() {
        Sitting sitting;
        sitting.start(3);
        QVERIFY(sitting.waitForPair());
        for (const int key : {Qt::Key_Up, Qt::Key_Down, Qt::Key_PageUp, Qt::Key_PageDown, Qt::Key_Home, Qt::Key_End,
                              Qt::Key_A, Qt::Key_Left, Qt::Key_Right, Qt::Key_Return})
            sitting.press(key);
        sitting.press(Qt::Key_S, Qt::ShiftModifier | Qt::ControlModifier);
        QTest::qWait(60);
        QVERIFY(sitting.votes().empty());
    }

    void nextAndPreviousGoWithoutAVote() {
        Sitting sitting;
        sitting.start(3);
        QVERIFY(sitting.waitForPair());
        const desk::Id first = sitting.page->currentComparison();
        sitting.press(Qt::Key_BracketRight);
        QTRY_VERIFY(sitting.page->currentComparison() != first);
        sitting.press(Qt::Key_BracketLeft);
        QTRY_COMPARE(sitting.page->currentComparison(), first);
        QVERIFY(sitting.votes().empty());
        // Left out pairs come back before the sitting is called done.
        sitting.press(Qt::Key_BracketRight);
        for (int i = 0; i < 3; ++i) {
            QVERIFY(sitting.waitForPair());
            QVERIFY(sitting.pressAndSave(Qt::Key_D));
        }
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Done);
        QCOMPARE(sitting.votes().size(), size_t{3});
    }

    void pairsOfTestPromptsAreJudgedOnlyWhenAskedFor() {
        Sitting sitting;
        makeProject(sitting.dir(), 2, Scale::SevenPoint, [](desk::Project& p) {
            for (int i = 0; i < 2; ++i) {
                desk::NewPrompt sealed;
                sealed.content = "Sealed request " + std::to_string(i);
                sealed.split = desk::Split::Test;
                std::vector<desk::NewCandidate> answers(2);
                for (int k = 0; k < 2; ++k) {
                    answers[k].prompt = must(p.addPrompts({sealed})).at(0);
                    answers[k].content = longAnswer(i, k) + " sealed";
                }
                const auto ids = must(p.addCandidates(answers));
                must(p.addPairs({{ids[0], ids[1]}}));
            }
        });
        sitting.open();
        const auto note = [&](const QString& part) -> QLabel* {
            for (QLabel* label : sitting.page->findChildren<QLabel*>())
                if (label->isVisible() && label->text().contains(part))
                    return label;
            return nullptr;
        };
        const auto link = [&]() -> QAbstractButton* {
            for (QAbstractButton* button : sitting.page->findChildren<QAbstractButton*>())
                if (button->isVisible() && button->text() == u"Judge them"_s)
                    return button;
            return nullptr;
        };
        for (int i = 0; i < 2; ++i) {
            QVERIFY(sitting.waitForPair());
            QVERIFY(!note(u"Test prompt"_s));
            QVERIFY(sitting.pressAndSave(Qt::Key_D));
        }
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Done);
        QTRY_VERIFY(note(u"2 pairs of test prompts"_s) && link());
        QCOMPARE(sitting.ask([](desk::Project& p) { return must(p.testOpenings()); }), int64_t{0});
        link()->click();
        QVERIFY(sitting.waitForPair());
        QVERIFY(sitting.page->showsTestPairs() && note(u"Test prompt"_s));
        QCOMPARE(sitting.ask([](desk::Project& p) { return must(p.testOpenings()); }), int64_t{1});
        QVERIFY(clipped(sitting.page).isEmpty());
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
        // Leaving the page ends it: the other one does not come back by itself.
        QVERIFY(sitting.waitForPair());
        sitting.window->goTo(u"data"_s, {});
        sitting.window->goTo(u"label"_s, {});
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Done && note(u"1 pair of test prompts"_s));
        QVERIFY(!sitting.page->showsTestPairs());
        const auto counts = sitting.ask([](desk::Project& p) { return must(p.previewDataset({})); });
        QCOMPARE(counts.sealedTest, int64_t{1});
        QCOMPARE(counts.train + counts.dev, int64_t{2});
    }

    void aFailedCommitKeepsThePairAndSaysWhy() {
        Sitting sitting;
        makeProject(sitting.dir(), 400);
        auto request = sitting.request();
        // The database may grow by a few pages only: it is full within some votes.
        request.project.maxPages = QFileInfo(sitting.dir() + u"/project.db"_s).size() / 4096 + 6;
        sitting.open(request, 0);
        int saved = 0;
        connect(sitting.page, &LabelPage::saved, this, [&] { ++saved; });
        for (int i = 0; i < 390 && sitting.page->bannerText().isEmpty(); ++i) {
            QVERIFY(sitting.waitForPair());
            sitting.press(Qt::Key_K);
            QTRY_VERIFY(!sitting.page->isSaving());
        }
        QVERIFY2(!sitting.page->bannerText().isEmpty(), "the disk never became full");
        qInfo("%s", qPrintable(sitting.page->bannerText()));
        QVERIFY(sitting.page->bannerText().contains(u"was not saved"_s));
        QVERIFY(sitting.page->bannerText().contains(u"full"_s, Qt::CaseInsensitive));
        const desk::Id stays = sitting.page->currentComparison();
        QVERIFY(stays != 0);
        QVERIFY(!sitting.votes().count(stays));
        QCOMPARE(static_cast<int>(sitting.votes().size()), saved);
    }

    void namesAreHiddenAndTheViewIsRecorded() {
        Sitting sitting;
        sitting.start(3);
        QVERIFY(sitting.waitForPair());
        for (QLabel* label : sitting.page->findChildren<QLabel*>())
            QVERIFY(!label->text().contains(u"secret-model"_s));
        for (const Side side : {Side::A, Side::B})
            QVERIFY(!sitting.page->pairView()->shownText(side).contains(u"secret-model"_s));
        sitting.press(Qt::Key_W);
        QCOMPARE(int(sitting.page->pairView()->view()), int(TextView::Diff));
        QVERIFY(sitting.pressAndSave(Qt::Key_F));
    }

    void emptyProjectOffersThreeWays() {
        Sitting sitting;
        sitting.start(0);
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Empty);
        QStringList words;
        for (QPushButton* button : sitting.page->findChildren<QPushButton*>())
            if (button->isVisible())
                words.append(button->text());
        QVERIFY(words.contains(u"Write 50 from the starter"_s));
        QVERIFY(words.contains(u"Import a file"_s));
        QVERIFY(words.contains(u"Drop a folder"_s));
        QVERIFY2(clipped(sitting.window.get()).isEmpty(), qPrintable(clipped(sitting.window.get()).join(u" | "_s)));
    }

    /// The same pair again, among the others, with nothing on the page that says so.
    void aMixBringsHiddenRepeats() {
        Sitting sitting;
        makeProject(sitting.dir(), 90, Scale::SevenPoint, [](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.queueMix = {{"random", 40}, {"repeat", 60}};
            must(p.updateTask(task));
        });
        sitting.open();
        for (int i = 0; i < 75; ++i) {
            QVERIFY(sitting.waitForPair());
            QVERIFY(sitting.pressAndSave(i % 2 ? Qt::Key_S : Qt::Key_K));
        }
        int repeats = 0, first = 0;
        for (const auto& vote : sitting.ask([](desk::Project& p) { return p.currentVotes(); })) {
            repeats += vote.occasion == 1;
            first += vote.occasion == 0;
        }
        QCOMPARE(first + repeats, 75);
        QVERIFY2(repeats >= 5, qPrintable(QString::number(repeats)));
    }

    /// A pair that came back as a hidden repeat is two votes: undo shows the one that it takes back, with its own sides, and the next key
    /// is that one's.
    void undoShowsTheVoteAndNotItsRepeat_data() {
        QTest::addColumn<bool>("later");
        QTest::newRow("in one sitting") << false;
        QTest::newRow("of an earlier sitting") << true;
    }
    void undoShowsTheVoteAndNotItsRepeat() {
        QFETCH(bool, later);
        constexpr int kPairs = 12;
        Sitting sitting;
        sitting.start(kPairs);
        struct Given {
            desk::Id pair;
            QString place;
            bool aOnLeft;
        };
        std::vector<Given> given;
        const auto now = [&] { return Given{sitting.page->currentComparison(), sitting.page->pairView()->pairId(), sitting.page->currentAOnLeft()}; };
        for (int i = 0; i < kPairs; ++i) {
            QVERIFY(sitting.waitForPair());
            given.push_back(now());
            QVERIFY(sitting.pressAndSave(Qt::Key_S));
        }
        Q_EMIT sitting.page->findChild<LabelStates*>()->repeatRequested();
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Pair && sitting.page->takesVotes());
        const Given repeat = now();
        const auto first = std::find_if(given.begin(), given.end(), [&](const Given& each) { return each.pair == repeat.pair; });
        QVERIFY(first != given.end() && first->place != repeat.place);
        QVERIFY(sitting.pressAndSave(Qt::Key_L));
        if (later) {
            sitting.window.reset();
            sitting.open();
        }
        const auto occasions = [&] {
            std::multiset<int> all;
            for (const auto& vote : sitting.ask([](desk::Project& p) { return p.currentVotes(); }))
                if (vote.comparison == repeat.pair)
                    all.insert(vote.occasion);
            return all;
        };
        const auto undo = [&](const Given& expected) {
            sitting.press(Qt::Key_U);
            QTRY_VERIFY(sitting.page->currentComparison() == expected.pair && sitting.page->currentAOnLeft() == expected.aOnLeft &&
                        sitting.page->takesVotes());
            if (!later)
                QCOMPARE(sitting.page->pairView()->pairId(), expected.place);
        };
        QCOMPARE(occasions(), (std::multiset<int>{0, 1}));
        undo(repeat);
        QCOMPARE(occasions(), (std::multiset<int>{0}));
        // It has no vote now: the next is its own, and leaves the first alone.
        QVERIFY(sitting.pressAndSave(Qt::Key_K));
        QCOMPARE(occasions().count(0), size_t{1});
        QCOMPARE(occasions().size(), size_t{2});
        undo(repeat);
        for (auto each = given.rbegin(); each != given.rend(); ++each) {
            undo(*each);
            if (each->pair == repeat.pair)
                break;
        }
        QVERIFY(occasions().empty());
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
        QCOMPARE(occasions(), (std::multiset<int>{0}));
        const auto vote = sitting.votes().at(repeat.pair);
        QCOMPARE(vote.aOnLeft, first->aOnLeft);
        QVERIFY(vote.winner == (first->aOnLeft ? Winner::A : Winner::B));
    }

    void nothingIsClippedAndTabGoesRound() {
        Sitting sitting;
        sitting.start(3);
        QVERIFY(sitting.waitForPair());
        QVERIFY2(clipped(sitting.window.get()).isEmpty(), qPrintable(clipped(sitting.window.get()).join(u" | "_s)));
        sitting.page->setFocus();
        QVERIFY(tabRound(sitting.window.get()) > 4);
    }

    void keySheetClosesWithAnyKeyAndDoesNotVote() {
        Sitting sitting;
        sitting.start(3);
        QVERIFY(sitting.waitForPair());
        sitting.press(Qt::Key_Question);
        auto* sheet = sitting.page->findChild<KeySheet*>();
        QVERIFY(sheet && sheet->isVisible());
        QVERIFY(clipped(sheet).isEmpty());
        sitting.press(Qt::Key_S);
        QVERIFY(!sheet->isVisible());
        QTest::qWait(40);
        QVERIFY(sitting.votes().empty());
    }
};

QTEST_MAIN(TestLabelPage)
#include "tst_label_page.moc"
