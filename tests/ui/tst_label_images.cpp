// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=180
// The label page on pairs of images: the keys, guards and records of the text page, on another pane.
#include <map>
#include <set>

#include <sqlite3.h>

#include "tests/ui/find.h"
#include "tests/ui/image_fixture.h"
#include "ui/label/label_page.h"
#include "ui/label/panels.h"
#include "ui/shell/chrome.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/key_strip.h"

using namespace fixture;
using desk::EventKind;
using desk::Scale;
using desk::Winner;

namespace {

QByteArray scene(int pair, int side) {
    return pictures::bytesOf(pictures::scene(64, pair * 2 + side, side == 0));
}

struct Sitting : Desk {
    LabelPage* page = nullptr;

    void start(int pairs, Scale scale = Scale::SevenPoint, const std::function<QByteArray(int, int)>& bytes = scene,
               const std::function<void(desk::Project&)>& more = {}) {
        pictures::makeProject(dir(), pairs, bytes, scale, more);
        open();
    }
    void open() {
        show({labelPage(&preferences)}, request(), {1280, 800});
        page = qobject_cast<LabelPage*>(window->page(u"label"_s));
        QVERIFY(page);
        page->setGuardMs(0);
        QVERIFY(waitForPair());
    }
    ImageView* images() const { return page->pairView()->images(); }
    bool waitForPair() {
        return QTest::qWaitFor([this] { return page->takesVotes(); }, 5000);
    }
    void press(int key, Qt::KeyboardModifiers held = Qt::NoModifier) {
        QTest::keyClick(QApplication::focusWidget() ? QApplication::focusWidget() : page, static_cast<Qt::Key>(key), held);
    }
    desk::Id pressAndSave(int key) {
        const desk::Id before = page->currentComparison();
        QSignalSpy saved(page, &LabelPage::saved);
        press(key);
        if (saved.isEmpty() && !saved.wait(4000))
            return 0;
        (void)QTest::qWaitFor([this] { return page->mode() != LabelPage::Mode::Pair || page->takesVotes(); }, 5000);
        return before;
    }
    std::map<desk::Id, desk::CurrentVote> votes() {
        std::map<desk::Id, desk::CurrentVote> out;
        for (const auto& vote : ask([](desk::Project& p) { return p.currentVotes(); }))
            out[vote.comparison] = vote;
        return out;
    }
    /// The views recorded with the votes, in order, as the file has them. The store lets nobody else in: it is closed for it.
    QStringList recordedViews() {
        window->close();
        window.reset();
        sqlite3* db = nullptr;
        sqlite3_stmt* rows = nullptr;
        QStringList views;
        if (sqlite3_open((dir() + u"/project.db"_s).toUtf8().constData(), &db) == SQLITE_OK &&
            sqlite3_prepare_v2(db, "SELECT view FROM judgements ORDER BY id", -1, &rows, nullptr) == SQLITE_OK)
            while (sqlite3_step(rows) == SQLITE_ROW)
                views << QString::fromUtf8(reinterpret_cast<const char*>(sqlite3_column_text(rows, 0)));
        sqlite3_finalize(rows);
        sqlite3_close(db);
        return views;
    }
};

} // namespace

class TestLabelImages : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void asksInWordsForImages() {
        Sitting first; // a project's own first task, which was written for texts
        first.start(2, Scale::SevenPoint, scene, [](desk::Project& project) {
            desk::Task task = must(project.defaultTask());
            task.question = "Which answer helps more?";
            task.guideline = "Prefer the answer that a person with this request would rather have. Ties are allowed.";
            must(project.updateTask(task));
        });
        QVERIFY(shows(*first.page, u"Which image do you prefer?"_s));
        QVERIFY(!shows(*first.page, u"Which answer helps more?"_s));
        Sitting own;
        own.start(2);
        QVERIFY(shows(*own.page, u"Which image would you rather look at?"_s));
    }

    void theKeysMeanWhatTheyMeanForTexts() {
        Sitting sitting;
        sitting.start(12);
        struct Meaning {
            int key;
            int side; // -1 left, 0 tie, 1 right
            int strength;
        };
        for (const Meaning& each : std::vector<Meaning>{{Qt::Key_S, -1, 3}, {Qt::Key_D, -1, 2}, {Qt::Key_F, -1, 1}, {Qt::Key_Space, 0, 0},
                                                        {Qt::Key_J, 1, 1},  {Qt::Key_K, 1, 2},  {Qt::Key_L, 1, 3}}) {
            QVERIFY(sitting.waitForPair());
            const bool aOnLeft = sitting.page->currentAOnLeft();
            const desk::Id id = sitting.pressAndSave(each.key);
            QVERIFY(id);
            const auto vote = sitting.votes().at(id);
            QVERIFY(vote.winner == (each.side == 0 ? Winner::Tie : (each.side < 0) == aOnLeft ? Winner::A : Winner::B));
            QCOMPARE(int(vote.strength), each.strength);
            QVERIFY(vote.shown);
        }
        QVERIFY(sitting.waitForPair());
        const bool aOnLeft = sitting.page->currentAOnLeft();
        sitting.press(Qt::Key_Q);
        const desk::Id marked = sitting.pressAndSave(Qt::Key_K);
        QCOMPARE(sitting.votes().at(marked).badA, aOnLeft);
        const desk::Id bothBad = sitting.pressAndSave(Qt::Key_N);
        QVERIFY(sitting.votes().at(bothBad).tieKind == desk::TieKind::BothBad);
    }

    void eachSideShowsItsOwnFile() {
        // The store says which candidate is on the left; the file of that one is drawn there.
        Sitting sitting;
        sitting.start(6, Scale::SevenPoint, [](int, int side) {
            QImage plain(32, 32, QImage::Format_RGB32);
            plain.fill(side == 0 ? QColor(200, 10, 10) : QColor(10, 180, 20));
            return pictures::bytesOf(plain);
        });
        std::set<bool> orders;
        for (int i = 0; i < 6; ++i) {
            QVERIFY(sitting.waitForPair());
            const bool aOnLeft = sitting.page->currentAOnLeft();
            orders.insert(aOnLeft);
            const QImage shown = sitting.images()->grab().toImage();
            const auto item = sitting.ask([id = sitting.page->currentComparison()](desk::Project& p) { return must(p.pairItem(id)); });
            const std::string& file = aOnLeft ? item.a.content : item.b.content;
            const QColor left = shown.pixelColor(sitting.images()->imageRect(Side::A).center().toPoint());
            QCOMPARE(left, readImage(mediaFile(sitting.context(), file)).image.pixelColor(9, 9));
            QVERIFY(sitting.pressAndSave(Qt::Key_D));
        }
        QCOMPARE(orders.size(), size_t{2});
    }

    void lookingKeysChangeTheViewAndNeverVote() {
        Sitting sitting;
        sitting.start(3);
        const desk::Id id = sitting.page->currentComparison();
        ImageView* images = sitting.images();
        sitting.press(Qt::Key_F2);
        QCOMPARE(int(images->mode()), int(ImageMode::Wipe));
        const double split = images->split();
        sitting.press(Qt::Key_Right, Qt::ShiftModifier);
        QVERIFY(images->split() > split);
        sitting.press(Qt::Key_F3);
        QCOMPARE(int(images->mode()), int(ImageMode::Difference));
        sitting.press(Qt::Key_Period);
        QCOMPARE(images->gain(), 8);
        sitting.press(Qt::Key_Comma);
        QCOMPARE(images->gain(), 4);
        sitting.press(Qt::Key_F3);
        QCOMPARE(int(images->differenceKind()), int(DifferenceKind::Signed));
        sitting.press(Qt::Key_F5);
        QCOMPARE(int(images->mode()), int(ImageMode::Blink));
        sitting.press(Qt::Key_F1);
        QCOMPARE(int(images->mode()), int(ImageMode::Side));
        sitting.press(Qt::Key_Z);
        QCOMPARE(images->zoom(), 1.0);
        sitting.press(Qt::Key_Plus);
        QCOMPARE(images->zoom(), 2.0);
        sitting.press(Qt::Key_Minus);
        sitting.press(Qt::Key_Home);
        QVERIFY(images->isFit());
        sitting.press(Qt::Key_C);
        QVERIFY(!images->isLocked());
        sitting.press(Qt::Key_C);
        for (const int key : {Qt::Key_Up, Qt::Key_Down, Qt::Key_PageUp, Qt::Key_PageDown, Qt::Key_M, Qt::Key_W, Qt::Key_Left, Qt::Key_Right})
            sitting.press(key);
        QWidget* target = QApplication::focusWidget();
        QTest::keyPress(target, Qt::Key_V);
        QVERIFY(images->isFlipped());
        QTest::keyRelease(target, Qt::Key_V);
        QVERIFY(!images->isFlipped());
        QTest::qWait(60);
        QVERIFY(sitting.votes().empty());
        QCOMPARE(sitting.page->currentComparison(), id);
    }

    void arrowsVoteOnTheSimpleScaleAndShiftMoves() {
        Sitting sitting;
        sitting.start(3, Scale::Simple);
        const desk::Id id = sitting.page->currentComparison();
        const bool aOnLeft = sitting.page->currentAOnLeft();
        sitting.press(Qt::Key_Left, Qt::ShiftModifier);
        QTest::qWait(40);
        QVERIFY(sitting.votes().empty());
        QCOMPARE(sitting.pressAndSave(Qt::Key_Left), id);
        QVERIFY(sitting.votes().at(id).winner == (aOnLeft ? Winner::A : Winner::B));
    }

    void theViewUsedIsRecordedWithTheVote() {
        Sitting sitting;
        sitting.start(8);
        const auto vote = [&] { return sitting.pressAndSave(Qt::Key_D) != 0; };
        QVERIFY(vote());
        sitting.press(Qt::Key_F2);
        QVERIFY(vote() && vote()); // it stays
        sitting.press(Qt::Key_F3);
        QVERIFY(vote());
        sitting.press(Qt::Key_F1);
        sitting.press(Qt::Key_V); // pressed and let go
        QVERIFY(vote() && vote());
        sitting.press(Qt::Key_F5);
        sitting.press(Qt::Key_F5); // the other one too
        QVERIFY(vote());
        QCOMPARE(sitting.recordedViews(), QStringList({u"side"_s, u"wipe"_s, u"wipe"_s, u"difference"_s, u"flip"_s, u"side"_s, u"blink"_s}));
    }

    void noVoteBeforeBothHaveBeenSeen() {
        Sitting sitting;
        sitting.start(3);
        sitting.press(Qt::Key_F5); // under reduced motion nothing blinks by itself
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
        QTRY_VERIFY(!sitting.images()->isLoading());
        QSignalSpy refused(sitting.page, &LabelPage::refused);
        QTest::qWait(60);
        sitting.press(Qt::Key_D);
        QCOMPARE(refused.size(), 1);
        QCOMPARE(sitting.votes().size(), size_t{1});
        sitting.press(Qt::Key_F5);
        QVERIFY(sitting.waitForPair());
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
    }

    void zoomAndPlaceStayFromPairToPair() {
        Sitting sitting;
        sitting.start(4, Scale::SevenPoint, [](int pair, int side) { return pictures::bytesOf(pictures::gradient(512, 512, pair * 2 + side)); });
        sitting.press(Qt::Key_Z);
        sitting.press(Qt::Key_Plus);
        sitting.press(Qt::Key_Down);
        const QRectF before = sitting.images()->imageRect(Side::A);
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
        QVERIFY(sitting.waitForPair());
        QCOMPARE(sitting.images()->zoom(), 2.0);
        QCOMPARE(sitting.images()->imageRect(Side::A), before);
    }

    void tooFastAndHeldKeysAreRefused() {
        Sitting sitting;
        sitting.start(3);
        const desk::Id id = sitting.page->currentComparison();
        for (int i = 0; i < 20; ++i) {
            QKeyEvent repeat(QEvent::KeyPress, Qt::Key_S, Qt::NoModifier, u"s"_s, true);
            QApplication::sendEvent(sitting.page, &repeat);
        }
        sitting.page->setGuardMs(10'000'000);
        QSignalSpy refused(sitting.page, &LabelPage::refused);
        sitting.press(Qt::Key_S);
        QCOMPARE(refused.size(), 1);
        QTest::qWait(40);
        QVERIFY(sitting.votes().empty());
        QCOMPARE(sitting.page->currentComparison(), id);
    }

    void undoBringsTheImagesBack() {
        Sitting sitting;
        sitting.start(4);
        const desk::Id id = sitting.pressAndSave(Qt::Key_S);
        QVERIFY(id);
        const bool aOnLeft = sitting.votes().at(id).aOnLeft;
        sitting.press(Qt::Key_U);
        QTRY_COMPARE(sitting.page->currentComparison(), id);
        QCOMPARE(sitting.page->currentAOnLeft(), aOnLeft);
        QVERIFY(sitting.votes().empty());
        QVERIFY(sitting.page->pairView()->isImagePair());
        QTRY_VERIFY(sitting.images()->paintedAt() > 0);
        sitting.press(Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
        QTRY_COMPARE(sitting.votes().size(), size_t{1});
    }

    void aBrokenFileSaysWhyAndCannotBeVotedOn() {
        Sitting sitting;
        sitting.start(3, Scale::SevenPoint, [](int, int side) {
            const QByteArray bytes = pictures::bytesOf(pictures::gradient(64, 64));
            return side == 0 ? bytes : bytes.left(bytes.size() / 2);
        });
        const desk::Id id = sitting.page->currentComparison();
        const Side bad = sitting.page->currentAOnLeft() ? Side::B : Side::A;
        QVERIFY(sitting.page->pairView()->problem(bad).contains(u"not a whole PNG file"_s));
        QVERIFY(sitting.images()->accessibleDescription().contains(u"cannot be shown"_s));
        QSignalSpy refused(sitting.page, &LabelPage::refused);
        for (const int key : {Qt::Key_S, Qt::Key_Space, Qt::Key_L, Qt::Key_N})
            sitting.press(key);
        QCOMPARE(refused.size(), 4);
        QTest::qWait(40);
        QVERIFY(sitting.votes().empty());
        QVERIFY(sitting.window->statusLine()->message().contains(u"cannot be seen"_s));
        // It is left out with a reason, as a broken text is.
        sitting.press(Qt::Key_X);
        QCOMPARE(sitting.page->keyStrip()->hints().value(1).label, u"broken image"_s);
        QSignalSpy saved(sitting.page, &LabelPage::saved);
        sitting.press(Qt::Key_2);
        QVERIFY(!saved.isEmpty() || saved.wait(4000));
        QVERIFY(sitting.votes().at(id).kind == EventKind::Skip);
    }

    void aFileThatIsGoneSaysSo() {
        Sitting sitting;
        pictures::makeProject(sitting.dir(), 1, scene);
        QDirIterator files(sitting.dir() + u"/media"_s, QDir::Files, QDirIterator::Subdirectories);
        while (files.hasNext())
            QVERIFY(QFile::remove(files.next()));
        sitting.open();
        QVERIFY(sitting.page->pairView()->problem(Side::A).contains(u"missing"_s));
        QVERIFY(sitting.page->pairView()->problem(Side::B).contains(u"missing"_s));
    }

    void textsAndImagesTakeTurns() {
        Sitting sitting;
        sitting.start(3, Scale::SevenPoint, scene, [](desk::Project& project) {
            desk::NewPrompt prompt;
            prompt.content = "How do I make rice that is not sticky?";
            prompt.split = desk::Split::Train;
            const auto ids = must(project.addPrompts({prompt}));
            std::vector<desk::NewCandidate> answers(2);
            for (int k = 0; k < 2; ++k) {
                answers[size_t(k)].prompt = ids[0];
                answers[size_t(k)].content = longAnswer(1, k);
            }
            must(project.addCandidates(answers));
            must(project.makePairs({}));
        });
        int texts = 0, shown = 0;
        QStringList views;
        for (int i = 0; i < 4; ++i) {
            QVERIFY(sitting.waitForPair());
            const bool images = sitting.page->pairView()->isImagePair();
            (images ? shown : texts) += 1;
            views << (images ? u"side"_s : u"raw"_s);
            QStringList words;
            for (const KeyHint& hint : sitting.page->keyStrip()->hints())
                words << hint.label;
            QCOMPARE(words.contains(u"wipe"_s), images);
            QCOMPARE(words.contains(u"Markdown"_s), !images);
            QVERIFY(sitting.pressAndSave(Qt::Key_D));
        }
        QCOMPARE(texts, 1);
        QCOMPARE(shown, 3);
        QVERIFY(sitting.page->mode() != LabelPage::Mode::Pair);
        QCOMPARE(sitting.recordedViews(), views);
    }

    void whatComesNextIsDecodedAhead() {
        Sitting sitting;
        sitting.start(6, Scale::SevenPoint, [](int pair, int side) { return pictures::bytesOf(pictures::gradient(200, 200, pair * 2 + side)); });
        ImageLoader* loader = sitting.page->pairView()->imageLoader();
        QTRY_COMPARE(loader->decoded(), qint64{2 + 8}); // this pair and four more
        QTest::qWait(40);
        QCOMPARE(loader->decoded(), qint64{10});
        // The next pair is painted from what is there.
        QSignalSpy loaded(loader, &ImageLoader::loaded);
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
        QVERIFY(sitting.waitForPair());
        QCOMPARE(loaded.size(), 0);
    }

    void namesAreHiddenAndNothingIsClipped() {
        Sitting sitting;
        sitting.start(3);
        for (QLabel* label : sitting.page->findChildren<QLabel*>())
            QVERIFY(!label->text().contains(u"secret-model"_s));
        QVERIFY(!sitting.images()->accessibleDescription().contains(u"secret-model"_s));
        QVERIFY2(clipped(sitting.window.get()).isEmpty(), qPrintable(clipped(sitting.window.get()).join(u" | "_s)));
        sitting.press(Qt::Key_Question);
        auto* sheet = sitting.page->findChild<KeySheet*>();
        QVERIFY(sheet && sheet->isVisible() && clipped(sheet).isEmpty());
        QVERIFY(sitting.page->rect().contains(sheet->geometry()));
        sitting.press(Qt::Key_F2); // any key closes it, and does nothing else
        QVERIFY(!sheet->isVisible());
        QCOMPARE(int(sitting.images()->mode()), int(ImageMode::Side));
        sitting.page->setFocus();
        QVERIFY(tabRound(sitting.window.get()) > 4);
    }

    void theTaskSaysWhichViewComesFirst() {
        Sitting sitting;
        sitting.start(3, Scale::SevenPoint, scene, [](desk::Project& project) {
            desk::Task task = must(project.defaultTask());
            task.view = "wipe";
            must(project.updateTask(task));
        });
        QCOMPARE(int(sitting.images()->mode()), int(ImageMode::Wipe));
    }
};

QTEST_MAIN(TestLabelImages)
#include "tst_label_images.moc"
