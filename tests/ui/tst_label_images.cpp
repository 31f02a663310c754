// SPDX-License-Identifier: GPL-3.0-or-later
// The label page on pairs of images: the keys, guards and records of the text page, on another pane.
#include <SQLiteCpp/SQLiteCpp.h>

#include "core/desk/domain/types.h"
#include "tests/ui/image_fixture.h"
#include "ui/label/label_page.h"
#include "ui/label/panels.h"
#include "ui/shell/chrome.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/text_pane.h"

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
    /// The views of the votes in their order, as they are on the disk; closes the window.
    QStringList recordedViews() {
        window->close();
        window.reset();
        SQLite::Database file(dir().toStdString() + "/project.db", SQLite::OPEN_READONLY);
        SQLite::Statement query(file, "SELECT view FROM judgements WHERE kind = 'vote' ORDER BY id");
        QStringList out;
        while (query.executeStep())
            out.append(QString::fromStdString(query.getColumn(0).getString()));
        return out;
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

    void thePageSwapsThePaneByTheKindOfThePair() {
        Sitting sitting;
        // A text pair after two of images: the same sitting, the same keys.
        sitting.start(2, Scale::SevenPoint, scene, [](desk::Project& p) {
            const auto prompt = must(p.addPrompts({{.content = "Say something short"}}))[0];
            std::vector<desk::NewCandidate> texts(2);
            for (size_t i = 0; i < 2; ++i) {
                texts[i].prompt = prompt;
                texts[i].content = i ? "Well." : "No.";
            }
            must(p.addCandidates(texts));
            must(p.makePairs({}));
        });
        int pictures = 0, texts = 0;
        for (int i = 0; i < 3; ++i) {
            QVERIFY(sitting.waitForPair());
            const bool images = sitting.page->pairView()->isImagePair();
            ++(images ? pictures : texts);
            QCOMPARE(sitting.images()->isVisible(), images);
            QCOMPARE(sitting.page->pairView()->pane(Side::A)->isVisible(), !images);
            QStringList labels;
            for (const KeyHint& hint : sitting.page->keyStrip()->hints())
                labels.append(hint.label);
            QCOMPARE(labels.contains(u"wipe"_s), images);
            QCOMPARE(labels.contains(u"Markdown"_s), !images);
            QVERIFY(sitting.pressAndSave(Qt::Key_D));
        }
        QCOMPARE(pictures, 2);
        QCOMPARE(texts, 1);
    }

    void votesMeanTheSameAsOnText() {
        Sitting sitting;
        sitting.start(7);
        const std::vector<std::tuple<int, int, int>> keys{{Qt::Key_S, -1, 3}, {Qt::Key_D, -1, 2},    {Qt::Key_F, -1, 1}, {Qt::Key_Space, 0, 0},
                                                          {Qt::Key_J, 1, 1},  {Qt::Key_K, 1, 2}, {Qt::Key_L, 1, 3}};
        for (const auto& [key, side, strength] : keys) {
            QVERIFY(sitting.waitForPair());
            const bool aOnLeft = sitting.page->currentAOnLeft();
            const desk::Id id = sitting.pressAndSave(key);
            QVERIFY(id);
            const auto vote = sitting.votes().at(id);
            QVERIFY(vote.winner == (side == 0 ? Winner::Tie : (side < 0) == aOnLeft ? Winner::A : Winner::B));
            QCOMPARE(int(vote.strength), strength);
        }
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Done);
        sitting.press(Qt::Key_U);
        QTRY_COMPARE(sitting.votes().size(), size_t{6});
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Pair && sitting.page->pairView()->isImagePair());
    }

    void theLeftImageIsTheOneThatIsRecordedAsLeft() {
        Sitting sitting;
        // The two are told apart by their colour, whatever side they are on.
        sitting.start(6, Scale::SevenPoint, [](int pair, int side) {
            QImage image(32, 32, QImage::Format_RGB32);
            image.fill(side ? QColor(200, 10, 10) : QColor(10, 10, 10 + pair));
            return pictures::bytesOf(image);
        });
        for (int i = 0; i < 6; ++i) {
            QVERIFY(sitting.waitForPair());
            const QImage shown = sitting.images()->grab().toImage();
            const bool red = qRed(shown.pixel(sitting.images()->imageRect(Side::A).center().toPoint())) > 150;
            const desk::Id id = sitting.pressAndSave(Qt::Key_S);
            const auto vote = sitting.votes().at(id);
            const auto item = sitting.ask([id](desk::Project& p) { return must(p.pairItem(id)); });
            const desk::Candidate& winner = vote.winner == Winner::A ? item.a : item.b;
            const LoadedImage file = readImage(mediaFile(sitting.context(), winner.content));
            QVERIFY(file.ok());
            QCOMPARE(qRed(file.image.pixel(3, 3)) > 150, red);
        }
    }

    void noKeyOfTheImagesVotes() {
        Sitting sitting;
        sitting.start(2);
        const desk::Id id = sitting.page->currentComparison();
        for (const int key : {Qt::Key_F1, Qt::Key_F2, Qt::Key_F3, Qt::Key_F3, Qt::Key_F5, Qt::Key_V, Qt::Key_Z, Qt::Key_C, Qt::Key_Comma,
                              Qt::Key_Period, Qt::Key_Plus, Qt::Key_Minus, Qt::Key_Equal, Qt::Key_Home, Qt::Key_Up, Qt::Key_Down,
                              Qt::Key_PageUp, Qt::Key_PageDown, Qt::Key_M, Qt::Key_W})
            sitting.press(key);
        for (const int key : {Qt::Key_Left, Qt::Key_Right})
            sitting.press(key, Qt::ShiftModifier);
        QTest::qWait(60);
        QVERIFY(sitting.votes().empty());
        QCOMPARE(sitting.page->currentComparison(), id);
        QCOMPARE(sitting.page->refusedVotes(), 0);
    }

    void onTheSimpleScaleTheBareArrowsVoteInEveryMode() {
        Sitting sitting;
        sitting.start(3, Scale::Simple);
        for (const int mode : {Qt::Key_F1, Qt::Key_F2, Qt::Key_F3}) {
            QVERIFY(sitting.waitForPair());
            sitting.press(mode);
            sitting.press(Qt::Key_Plus);
            const double split = sitting.images()->split();
            const bool aOnLeft = sitting.page->currentAOnLeft();
            const desk::Id id = sitting.pressAndSave(Qt::Key_Left);
            QVERIFY(sitting.votes().at(id).winner == (aOnLeft ? Winner::A : Winner::B));
            QCOMPARE(sitting.images()->split(), split);
        }
    }

    void theViewUsedIsRecordedWithTheVote() {
        Sitting sitting;
        sitting.start(6);
        const auto vote = [&](std::initializer_list<int> keys) {
            QVERIFY(sitting.waitForPair());
            for (const int key : keys)
                sitting.press(key);
            (void)QTest::qWaitFor([&] { return sitting.page->takesVotes(); });
            QVERIFY(sitting.pressAndSave(Qt::Key_D));
        };
        vote({Qt::Key_F1});
        vote({Qt::Key_V}); // pressed and let go
        vote({});
        vote({Qt::Key_F2});
        vote({Qt::Key_F3});
        vote({Qt::Key_F1, Qt::Key_F5});
        QCOMPARE(sitting.recordedViews(), (QStringList{u"side"_s, u"flip"_s, u"side"_s, u"wipe"_s, u"difference"_s, u"blink"_s}));
    }

    void aBlinkingPairTakesNoVoteBeforeBothWereSeen() {
        Sitting sitting;
        sitting.start(3);
        sitting.press(Qt::Key_F5);
        QVERIFY(sitting.pressAndSave(Qt::Key_D)); // both had been seen side by side
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Pair && !sitting.images()->isLoading());
        QTest::qWait(50);
        QSignalSpy refused(sitting.page, &LabelPage::refused);
        sitting.press(Qt::Key_D);
        QCOMPARE(refused.size(), 1);
        sitting.press(Qt::Key_F5); // the other one
        QVERIFY(sitting.waitForPair());
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
    }

    void theTaskSaysHowItBegins() {
        Sitting sitting;
        sitting.start(2, Scale::SevenPoint, scene, [](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.view = "wipe";
            must(p.updateTask(task));
        });
        QCOMPARE(sitting.images()->mode(), ImageMode::Wipe);
    }

    void modeAndZoomStayFromPairToPair() {
        Sitting sitting;
        sitting.start(3);
        sitting.press(Qt::Key_Z);
        sitting.press(Qt::Key_Plus);
        QCOMPARE(sitting.images()->zoom(), 2.0);
        sitting.press(Qt::Key_F2);
        const QRectF where = sitting.images()->imageRect(Side::A);
        QVERIFY(sitting.pressAndSave(Qt::Key_K));
        QCOMPARE(sitting.images()->zoom(), 2.0);
        QCOMPARE(sitting.images()->mode(), ImageMode::Wipe);
        QCOMPARE(sitting.images()->imageRect(Side::A), where);
    }

    void whatCannotBeSeenCannotBeJudged() {
        Sitting sitting;
        // The store takes no such file; one that changes on the disk later is another matter.
        sitting.start(3, Scale::SevenPoint, scene, [](desk::Project& p) {
            const QByteArray sha = QCryptographicHash::hash(scene(0, 0), QCryptographicHash::Sha256).toHex();
            const QString file = QString::fromStdString(p.mediaPath(sha.toStdString()));
            QVERIFY(QFile::remove(file));
            pictures::write(file, pictures::bomb(50000, 50000));
        });
        // The order is the store's: go on to the one that is broken.
        for (int i = 0; i < 3 && sitting.images()->problem(Side::A).isEmpty() && sitting.images()->problem(Side::B).isEmpty(); ++i) {
            sitting.press(Qt::Key_BracketRight);
            QVERIFY(sitting.waitForPair());
        }
        const desk::Id id = sitting.page->currentComparison();
        QVERIFY(!(sitting.images()->problem(Side::A) + sitting.images()->problem(Side::B)).isEmpty());
        QSignalSpy refused(sitting.page, &LabelPage::refused);
        for (const int key : {Qt::Key_S, Qt::Key_Space, Qt::Key_H, Qt::Key_N})
            sitting.press(key);
        QCOMPARE(refused.size(), 4);
        QVERIFY(sitting.votes().empty());
        QVERIFY(sitting.window->statusLine()->message().contains(u"cannot be seen"_s));
        sitting.press(Qt::Key_X);
        QCOMPARE(sitting.page->keyStrip()->hints()[1].label, u"broken image"_s);
        QSignalSpy saved(sitting.page, &LabelPage::saved);
        sitting.press(Qt::Key_2);
        QVERIFY(!saved.isEmpty() || saved.wait(4000));
        QVERIFY(sitting.votes().at(id).kind == EventKind::Skip);
    }

    void theNextPairsAreDecodedAhead() {
        Sitting sitting;
        sitting.start(12);
        ImageLoader* loader = sitting.page->pairView()->imageLoader();
        QTRY_VERIFY(loader->count() >= 10); // the one on screen and four more
        QTRY_VERIFY(loader->isIdle());
        QVERIFY(loader->count() <= 12);
        const qint64 before = loader->decoded();
        QVERIFY(sitting.pressAndSave(Qt::Key_D));
        QVERIFY(!sitting.images()->isLoading());
        QTRY_COMPARE(loader->decoded(), before + 2); // the pair that came into sight of the four
    }

    void namesAreHiddenAndNothingIsClipped() {
        Sitting sitting;
        sitting.start(3);
        for (QLabel* label : sitting.page->findChildren<QLabel*>())
            QVERIFY(!label->text().contains(u"secret-model"_s));
        QVERIFY(!sitting.images()->statusText().contains(u"secret"_s));
        QVERIFY2(clipped(sitting.window.get()).isEmpty(), qPrintable(clipped(sitting.window.get()).join(u" | "_s)));
        sitting.press(Qt::Key_Question);
        auto* sheet = sitting.page->findChild<KeySheet*>();
        QVERIFY(sheet && sheet->isVisible());
        QVERIFY(clipped(sheet).isEmpty());
        QVERIFY(sitting.page->rect().contains(sheet->geometry()));
        sitting.press(Qt::Key_S);
        QTest::qWait(40);
        QVERIFY(sitting.votes().empty());
        sitting.page->setFocus();
        QVERIFY(tabRound(sitting.window.get()) > 4);
    }

    void theImagesTakeTheRoom() {
        Sitting sitting;
        sitting.start(2);
        const ImageView* images = sitting.images();
        QVERIFY(images->height() > sitting.window->height() * 0.62);
        QVERIFY(images->width() > sitting.window->width() - 100);
        sitting.window->resize(1920, 1080);
        QTRY_VERIFY(images->width() > 1800); // no reading column: images use all of it
    }
};

QTEST_MAIN(TestLabelImages)
#include "tst_label_images.moc"
