// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=240
// Points, boxes and struck words on pairs of images, from the key and the mouse to the row in the project, and back on the screen.
// Pictures of every mode go to $PAIRLAB_BUILD_DIR/screenshots.
#include "core/base/hash.h"
#include "core/desk/store/details.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/packages.h"
#include "core/desk/store/region_checks.h"
#include "tests/ui/find.h"
#include "tests/ui/image_fixture.h"
#include "ui/label/label_page.h"
#include "ui/label/panels.h"
#include "ui/label/region_tools.h"
#include "ui/shell/chrome.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/text_pane.h"

using namespace fixture;
using Tool = RegionTools::Tool;

namespace {

constexpr int kSide = 64; ///< of the pictures, in pixels

QByteArray scene(int pair, int side) {
    return pictures::bytesOf(pictures::scene(kSide, pair * 2 + side, side == 0));
}

struct Sitting : Desk {
    LabelPage* page = nullptr;
    RegionTools* tools = nullptr;

    void start(int pairs = 2, const std::function<void(desk::Project&)>& more = {}, const std::function<QByteArray(int, int)>& bytes = scene) {
        pictures::makeProject(dir(), pairs, bytes, desk::Scale::SevenPoint, more);
        open();
    }
    void open() {
        show({labelPage(&preferences)}, request(), {1280, 800});
        page = qobject_cast<LabelPage*>(window->page(u"label"_s));
        page->setGuardMs(0);
        tools = page->regionTools();
        QVERIFY(ready());
    }
    bool ready() {
        return QTest::qWaitFor([this] { return page->takesVotes(); }, 5000);
    }
    PairView* view() const { return page->pairView(); }
    ImageView* images() const { return view()->images(); }
    void press(int key, Qt::KeyboardModifiers held = Qt::NoModifier, int times = 1) {
        for (int i = 0; i < times; ++i)
            QTest::keyClick(QApplication::focusWidget() ? QApplication::focusWidget() : page, static_cast<Qt::Key>(key), held);
    }
    void fine(int key, int times, bool extends = false) {
        press(key, extends ? Qt::ControlModifier | Qt::ShiftModifier : Qt::ControlModifier, times);
    }
    desk::Id vote(int key) {
        const desk::Id id = page->currentComparison();
        QSignalSpy saved(page, &LabelPage::saved);
        press(key);
        if (saved.isEmpty() && !saved.wait(4000))
            return 0;
        (void)QTest::qWaitFor([this] { return page->mode() != LabelPage::Mode::Pair || page->takesVotes(); }, 5000);
        return id;
    }
    Json regions(desk::Id comparison) {
        const auto judged = ask([&, task = context().task.id, person = context().annotator](desk::Project& p) {
            return must(p.currentJudgement(task, person, comparison));
        });
        return judged ? judged->regions : Json("no judgement");
    }
    desk::LabelItem item(desk::Id comparison) {
        return ask([&](desk::Project& p) { return must(p.pairItem(comparison)); });
    }
    /// In which key of the payload a side of the screen stands.
    const char* space(Side side) const { return (side == Side::A) == page->currentAOnLeft() ? "a" : "b"; }
    QPoint on(Side side, double x, double y) const {
        const QRectF where = images()->imageRect(side);
        return QPointF(where.x() + (x + 0.5) * where.width() / kSide, where.y() + (y + 0.5) * where.height() / kSide).toPoint();
    }
    QString said() { return window->statusLine()->message(); }
    QStringList strip() const {
        QStringList all;
        for (const KeyHint& hint : page->keyStrip()->hints())
            all.append(hint.key + u' ' + hint.label);
        return all;
    }
    void picture(const QString& name) { savePictures(window.get(), u"regions-"_s + name); }
};

} // namespace

class TestRegions : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void pointsAndBoxesGoFromTheKeysToTheRow() {
        Sitting sitting;
        sitting.start();
        const desk::Id pair = sitting.page->currentComparison();
        const char *left = sitting.space(Side::A), *right = sitting.space(Side::B);
        QVERIFY(sitting.strip().contains(u"T mark"_s));
        sitting.press(Qt::Key_T);
        QVERIFY(sitting.tools->tool() == Tool::Regions && sitting.tools->side() == Side::A);
        QVERIFY(sitting.images()->hasFocus());
        QVERIFY(sitting.images()->place());
        QCOMPARE(sitting.images()->place()->at, QPoint(kSide / 2, kSide / 2));
        sitting.fine(Qt::Key_Left, 2);
        sitting.fine(Qt::Key_Up, 3);
        sitting.press(Qt::Key_A); // a point at 30, 29
        sitting.fine(Qt::Key_Right, 1);
        sitting.fine(Qt::Key_Right, 4, true);
        sitting.fine(Qt::Key_Down, 2, true);
        QVERIFY(sitting.images()->statusText().startsWith(u"marking A at 31, 29: 5 × 3"_s));
        sitting.press(Qt::Key_2); // a box of 5 x 3 from 31, 29
        sitting.press(Qt::Key_Tab);
        QVERIFY(sitting.tools->side() == Side::B);
        const int step = sitting.tools->coarseStep();
        QVERIFY(step >= 1);
        sitting.press(Qt::Key_Right);
        sitting.press(Qt::Key_Return); // the tag that was put last
        sitting.press(Qt::Key_G);      // on the same place: another tag, not another mark
        sitting.press(Qt::Key_Left, Qt::NoModifier, 3 * kSide);
        sitting.press(Qt::Key_Up, Qt::NoModifier, 3 * kSide);
        sitting.press(Qt::Key_Right, Qt::ShiftModifier, 3 * kSide);
        sitting.press(Qt::Key_Down, Qt::ShiftModifier, 3 * kSide); // all of it, and never beyond
        sitting.press(Qt::Key_M);
        sitting.picture(u"keys"_s);
        sitting.press(Qt::Key_A, Qt::NoModifier); // retagged
        sitting.press(Qt::Key_S);                 // no vote while marking
        QVERIFY(sitting.said().contains(u"Esc"_s));
        QCOMPARE(sitting.page->currentComparison(), pair);
        sitting.press(Qt::Key_Escape);
        QVERIFY(!sitting.tools->isOn() && !sitting.images()->place());
        QCOMPARE(sitting.images()->imageMarks(Side::A).size(), 2);
        QCOMPARE(sitting.vote(Qt::Key_S), pair);
        const Json said = sitting.regions(pair);
        const auto item = sitting.item(pair);
        QCOMPARE(said["unit"], Json("pixel"));
        QCOMPARE(said[left]["sha256"], Json(*left == 'a' ? item.a.content : item.b.content));
        QCOMPARE(said[left]["size"], Json({kSide, kSide}));
        QCOMPARE(said[left]["regions"], Json::array({{{"x", 30}, {"y", 29}, {"tag", "artifact"}},
                                                     {{"x", 31}, {"y", 29}, {"width", 5}, {"height", 3}, {"tag", "misaligned"}}}));
        QCOMPARE(said[right]["regions"], Json::array({{{"x", kSide / 2 + step}, {"y", kSide / 2}, {"tag", "good"}},
                                                      {{"x", 0}, {"y", 0}, {"width", kSide}, {"height", kSide}, {"tag", "artifact"}}}));
        QVERIFY(sitting.ask([&](desk::Project& p) { return bool(desk::regionsIn(p, said, item)); }));
        // Back to that pair: they are there; undone as well, and can be taken away.
        sitting.press(Qt::Key_BracketLeft);
        QTRY_COMPARE(sitting.page->currentComparison(), pair);
        QCOMPARE(sitting.images()->imageMarks(Side::B).size(), 2);
        QVERIFY(sitting.ready());
        sitting.press(Qt::Key_U);
        QTRY_COMPARE(sitting.regions(pair), Json("no judgement"));
        QVERIFY(sitting.ready());
        QCOMPARE(sitting.images()->imageMarks(Side::A).size(), 2);
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_Backspace);
        QCOMPARE(sitting.images()->imageMarks(Side::A).size(), 1);
        sitting.press(Qt::Key_Z, Qt::ControlModifier);
        QVERIFY(sitting.images()->imageMarks(Side::A).isEmpty());
        sitting.press(Qt::Key_Backspace);
        QVERIFY(sitting.said().contains(u"no mark on A"_s));
        sitting.press(Qt::Key_Tab);
        sitting.press(Qt::Key_Delete); // the cross lies on the whole box
        QCOMPARE(sitting.images()->imageMarks(Side::B).size(), 1);
        sitting.press(Qt::Key_Escape);
        QCOMPARE(sitting.vote(Qt::Key_L), pair);
        QVERIFY(!sitting.regions(pair).contains(left));
        QCOMPARE(sitting.regions(pair)[right]["regions"].size(), size_t{1});
    }

    void theyAreThereWhenAPairIsOpenedAgainInAnotherSitting() {
        Sitting sitting;
        sitting.start(1);
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_A);
        sitting.press(Qt::Key_W);
        sitting.press(Qt::Key_Space);
        sitting.press(Qt::Key_Escape);
        QVERIFY(sitting.vote(Qt::Key_D));
        const desk::Id pair = sitting.ask([](desk::Project& p) { return p.currentVotes().at(0).comparison; });
        // A label that may be wrong comes back with what was said of it.
        const Json given = sitting.regions(pair);
        const auto item = sitting.item(pair);
        RegionTools again(sitting.view(), nullptr);
        sitting.view()->setImagePair(u"again"_s, {{u"user"_s, qstr(item.prompt.content)}}, mediaFile(sitting.context(), item.b.content),
                                     mediaFile(sitting.context(), item.a.content));
        again.showPair({99, false, item.prompt.content, item.b.content, item.a.content}, given);
        QCOMPARE(sitting.images()->imageMarks(Side::A).size() + sitting.images()->imageMarks(Side::B).size(), 1);
        QCOMPARE(again.payload(), given); // the same, though it is on the other side now
        QCOMPARE(sitting.view()->promptPane()->marks().size(), 1);
        // Of another form they are left alone.
        Json other = given;
        other["v"] = 2;
        again.showPair({100, true, item.prompt.content, item.a.content, item.b.content}, other);
        QVERIFY(sitting.images()->imageMarks(Side::A).isEmpty());
        QCOMPARE(again.payload(), other); // and stay as they are
        QVERIFY(sitting.images()->statusText().contains(u"another form"_s));
    }

    void aVoteGivenAgainKeepsMarksOfAnotherForm() {
        const Json later{{"v", 2}, {"unit", "percent"}, {"what", "a later program says"}};
        desk::Id pair = 0;
        Sitting sitting;
        sitting.start(3, [&](desk::Project& p) {
            desk::EventDraft draft;
            draft.task = must(p.defaultTask()).id;
            draft.annotator = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
            desk::Project::NextOptions next;
            next.task = draft.task;
            next.annotator = draft.annotator;
            draft.comparison = pair = must(p.next(next)).at(0).comparison.id;
            desk::Judgement said;
            said.winner = desk::Winner::A;
            draft.judgement = &said;
            for (const Json& regions : {later, Json()}) {
                said.regions = regions;
                must(p.impl().write("a vote", [&]() -> Status {
                    PL_TRY(const desk::Id event, p.impl().appendEvent(draft));
                    p.impl().setCurrent({draft.task, draft.comparison, draft.annotator, 0}, event);
                    return {};
                }));
                draft.supersedes = 1;
            }
        });
        sitting.press(Qt::Key_U);
        QTRY_VERIFY(sitting.page->currentComparison() == pair && sitting.page->takesVotes());
        QVERIFY(sitting.images()->statusText().contains(u"another form"_s));
        QCOMPARE(sitting.regions(pair), later);
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_Backspace); // there is nothing of this form to take away
        sitting.press(Qt::Key_Escape);
        QCOMPARE(sitting.vote(Qt::Key_D), pair);
        QCOMPARE(sitting.regions(pair), later);
        // What is put now stands instead of it.
        sitting.press(Qt::Key_BracketLeft);
        QTRY_VERIFY(sitting.page->currentComparison() == pair && sitting.page->takesVotes());
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_A);
        sitting.press(Qt::Key_Escape);
        QCOMPARE(sitting.vote(Qt::Key_D), pair);
        QCOMPARE(sitting.regions(pair)["v"], Json(1));
    }

    void aHiddenRepeatBeginsWithoutMarks() {
        constexpr int kPairs = 12;
        Sitting sitting;
        sitting.start(kPairs);
        std::map<desk::Id, Json> first;
        for (int i = 0; i < kPairs; ++i) {
            sitting.press(Qt::Key_T);
            sitting.press(Qt::Key_A);
            sitting.press(Qt::Key_Escape);
            const desk::Id pair = sitting.vote(Qt::Key_S);
            QVERIFY(pair);
            first[pair] = sitting.regions(pair);
            QVERIFY(first[pair].is_object());
        }
        auto* states = sitting.page->findChild<LabelStates*>();
        Q_EMIT states->repeatRequested();
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Pair && sitting.page->takesVotes());
        const desk::Id pair = sitting.page->currentComparison();
        QVERIFY(first.count(pair));
        QVERIFY(sitting.images()->imageMarks(Side::A).isEmpty() && sitting.images()->imageMarks(Side::B).isEmpty());
        QVERIFY(sitting.tools->payload().is_null());
        // What is said of the first time stays there, and goes on being said there.
        while (sitting.page->currentComparison() != pair || sitting.images()->imageMarks(Side::A).isEmpty()) {
            const QString before = sitting.view()->pairId();
            sitting.press(Qt::Key_BracketLeft);
            QTRY_VERIFY(sitting.page->takesVotes() && sitting.view()->pairId() != before);
        }
        QCOMPARE(sitting.vote(Qt::Key_D), pair);
        QCOMPARE(sitting.regions(pair), first[pair]);
        // And on: no vote is open but that of the repeat.
        QTRY_VERIFY(sitting.page->takesVotes() && sitting.page->currentComparison() == pair);
        QVERIFY(sitting.images()->imageMarks(Side::A).isEmpty() && sitting.images()->imageMarks(Side::B).isEmpty());
        QCOMPARE(sitting.vote(Qt::Key_S), pair);
        const auto again = sitting.ask([pair](desk::Project& p) {
            std::vector<Json> all;
            for (const desk::CurrentVote& vote : p.currentVotes())
                if (vote.comparison == pair && vote.occasion > 0)
                    all.push_back(must(desk::judgementAt(p, vote.event)).regions);
            return all;
        });
        QCOMPARE(again.size(), size_t{1});
        QVERIFY2(again[0].is_null(), dumpJson(again[0]).c_str());
        QCOMPARE(sitting.regions(pair), first[pair]);
    }

    void marksNotYetGivenFollowTheirImageToTheOtherSide() {
        Sitting sitting;
        sitting.start(1);
        const auto item = sitting.item(sitting.page->currentComparison());
        const auto show = [&](bool aOnLeft) {
            sitting.tools->showPair({7, aOnLeft, item.prompt.content, aOnLeft ? item.a.sha : item.b.sha, aOnLeft ? item.b.sha : item.a.sha}, {});
        };
        show(true);
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_A);
        sitting.press(Qt::Key_Escape);
        const Json marked = sitting.tools->payload();
        QVERIFY(marked.contains("a") && !marked.contains("b"));
        show(false);
        QVERIFY(sitting.images()->imageMarks(Side::A).isEmpty());
        QCOMPARE(sitting.images()->imageMarks(Side::B).size(), 1);
        QCOMPARE(sitting.tools->payload(), marked);
    }

    /// The file in a package is another than the one that it was dealt from.
    void marksOnThePairsOfAPackageAreMerged() {
        QTemporaryDir manager;
        const QString project = manager.path() + u"/manager"_s;
        pictures::makeProject(project, 1, scene, desk::Scale::SevenPoint);
        const std::string base = sstr(manager.path());
        desk::DealOptions deal;
        deal.people = {"Bo"};
        deal.pairs = 1;
        deal.out = base + "/out";
        Sitting sitting;
        {
            auto dealer = must(desk::Project::open(sstr(project)));
            const auto dealt = must(desk::dealPackages(dealer, deal));
            (void)must(desk::openPackage(dealt[0].file, sstr(sitting.dir())));
            QVERIFY(dealer.close());
        }
        sitting.open();
        const auto item = sitting.item(sitting.page->currentComparison());
        QVERIFY(item.a.content != item.a.sha);
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_A);
        sitting.press(Qt::Key_Escape);
        QVERIFY(sitting.vote(Qt::Key_S));
        sitting.ask([&](desk::Project& p) {
            must(desk::writeReturn(p, base + "/bo.pairback"));
            return 0;
        });
        auto dealer = must(desk::Project::open(sstr(project)));
        const auto merged = desk::mergeReturn(dealer, base + "/bo.pairback");
        QVERIFY2(merged, merged ? "" : merged.error().toString().c_str());
        QCOMPARE(merged->fresh, int64_t{1});
        QVERIFY(must(desk::judgementAt(dealer, dealer.currentVotes().at(0).event)).regions.is_object());
    }

    void byMouseAClickIsAPointAndADragABox() {
        Sitting sitting;
        sitting.start();
        ImageView* images = sitting.images();
        const desk::Id pair = sitting.page->currentComparison();
        const char *left = sitting.space(Side::A), *right = sitting.space(Side::B);
        sitting.press(Qt::Key_T);
        QTest::mouseClick(images, Qt::LeftButton, {}, sitting.on(Side::B, 10, 20));
        QVERIFY(sitting.tools->side() == Side::B);
        // The strip's words say what it is, and change it.
        for (int i = 0; i < sitting.page->keyStrip()->hints().size(); ++i)
            if (sitting.page->keyStrip()->hints()[i].label.endsWith(u"good"_s))
                QTest::mouseClick(sitting.page->keyStrip(), Qt::LeftButton, {}, sitting.page->keyStrip()->hintRect(i).center());
        QVERIFY(images->hasFocus());
        // Keys mean the same when the focus is somewhere else on the page.
        const QPoint before = images->place()->at;
        sitting.page->setFocus();
        QTest::keyClick(sitting.page, Qt::Key_Down);
        QVERIFY(images->hasFocus() && images->place()->at.y() > before.y());
        QTest::mousePress(images, Qt::LeftButton, {}, sitting.on(Side::A, 50, 40));
        QTest::mouseMove(images, sitting.on(Side::A, 20, 30));
        QTest::mouseMove(images, sitting.on(Side::A, 5, 8));
        QTest::mouseRelease(images, Qt::LeftButton, {}, sitting.on(Side::A, 5, 8));
        QTest::mouseClick(images, Qt::LeftButton, {}, images->imageRect(Side::A).topLeft().toPoint() - QPoint(4, 4));
        QVERIFY(sitting.said().contains(u"beside the image"_s));
        // A drag over the edge ends there.
        QTest::mousePress(images, Qt::LeftButton, {}, sitting.on(Side::A, 60, 60));
        QTest::mouseMove(images, images->rect().bottomRight());
        QTest::mouseRelease(images, Qt::LeftButton, {}, images->rect().bottomRight());
        sitting.press(Qt::Key_Escape);
        // While it is off the mouse moves the images, as ever.
        QTest::mouseClick(images, Qt::LeftButton, {}, sitting.on(Side::A, 3, 3));
        QCOMPARE(sitting.vote(Qt::Key_K), pair);
        const Json said = sitting.regions(pair);
        QCOMPARE(said[right]["regions"], Json::array({{{"x", 10}, {"y", 20}, {"tag", "good"}}}));
        QCOMPARE(said[left]["regions"],
                 Json::array({{{"x", 5}, {"y", 8}, {"width", 46}, {"height", 33}, {"tag", "good"}},
                              {{"x", 60}, {"y", 60}, {"width", 4}, {"height", 4}, {"tag", "good"}}}));
    }

    void wordsAreStruckForEachImage() {
        Sitting sitting;
        sitting.start(); // "two large red circles on a dark background"
        const desk::Id pair = sitting.page->currentComparison();
        const char *left = sitting.space(Side::A), *right = sitting.space(Side::B);
        const auto item = sitting.item(pair);
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_W);
        QVERIFY(sitting.tools->tool() == Tool::Words && sitting.view()->promptPane()->hasFocus());
        sitting.press(Qt::Key_Right, Qt::NoModifier, 2);
        sitting.press(Qt::Key_Space);
        sitting.press(Qt::Key_End);
        sitting.press(Qt::Key_Space);
        sitting.press(Qt::Key_Home);
        sitting.press(Qt::Key_Space);
        sitting.press(Qt::Key_Space); // and back
        sitting.press(Qt::Key_Tab);
        sitting.press(Qt::Key_Right);
        sitting.press(Qt::Key_Return);
        sitting.picture(u"words"_s);
        // By mouse: a word of the prompt, for the image that is marked now.
        TextPane* pane = sitting.view()->promptPane();
        QTextCursor cursor(pane->document());
        cursor.setPosition(static_cast<int>(item.prompt.content.find("red")) + 1);
        QTest::mouseClick(pane->viewport(), Qt::LeftButton, {}, pane->cursorRect(cursor).center());
        sitting.press(Qt::Key_W);
        QVERIFY(sitting.tools->tool() == Tool::Regions && sitting.images()->hasFocus());
        sitting.press(Qt::Key_Escape);
        QCOMPARE(sitting.vote(Qt::Key_F), pair);
        const Json said = sitting.regions(pair);
        const auto words = [&](const char* side) {
            QStringList out;
            for (const Json& range : said[side]["struck"]["ranges"])
                out.append(QString::fromStdString(item.prompt.content.substr(range[0].get<size_t>(), range[1].get<size_t>() - range[0].get<size_t>())));
            return out;
        };
        QCOMPARE(said[left]["struck"]["sha256"], Json(sha256Hex(item.prompt.content)));
        QCOMPARE(words(left), (QStringList{u"red"_s, u"background"_s}));
        QCOMPARE(words(right), (QStringList{u"large"_s, u"red"_s}));
        QVERIFY(!said[left].contains("regions"));
    }

    void everyViewDrawsThemAndAKeyHidesThem() {
        Sitting sitting;
        sitting.start(1, {}, [](int, int side) {
            QImage plain(kSide, kSide, QImage::Format_RGB32);
            plain.fill(side == 0 ? QColor(120, 120, 120) : QColor(110, 120, 130));
            return pictures::bytesOf(plain);
        });
        ImageView* images = sitting.images();
        const auto shot = [&] { return images->grab().toImage(); };
        for (const int mode : {Qt::Key_F1, Qt::Key_F2, Qt::Key_F3, Qt::Key_F5}) {
            sitting.press(mode);
            const QImage bare = shot();
            sitting.press(Qt::Key_T);
            QTest::mousePress(images, Qt::LeftButton, {}, sitting.on(sitting.tools->side(), 8, 8));
            QTest::mouseMove(images, sitting.on(sitting.tools->side(), 18, 24));
            QTest::mouseRelease(images, Qt::LeftButton, {}, sitting.on(sitting.tools->side(), 18, 24));
            sitting.press(Qt::Key_Escape);
            images->clearFocus();
            const QImage marked = shot();
            const QRect over = images->imageRect(Side::A).toRect() & images->imageRect(Side::B).toRect();
            const QRect look = (mode == Qt::Key_F1 ? images->imageRect(Side::A).toRect() : over).adjusted(2, 30, -2, -2);
            QVERIFY2(marked.copy(look) != bare.copy(look), qPrintable(images->viewName()));
            sitting.press(Qt::Key_R);
            QVERIFY(images->marksHidden() && images->statusText().contains(u"hidden, R shows them"_s));
            QCOMPARE(shot().copy(look), bare.copy(look)); // the picture again, whole
            sitting.press(Qt::Key_R);
            QCOMPARE(shot().copy(look), marked.copy(look));
            // A flip shows the marks of the image that is in front.
            sitting.press(Qt::Key_T);
            sitting.press(Qt::Key_Backspace);
            sitting.press(Qt::Key_Escape);
            QVERIFY(images->imageMarks(Side::A).isEmpty() && images->imageMarks(Side::B).isEmpty());
        }
        sitting.press(Qt::Key_F1);
        sitting.press(Qt::Key_T);
        sitting.press(Qt::Key_G);
        sitting.press(Qt::Key_Escape);
        // Side A's mark goes with A where A goes.
        const QPoint before = sitting.on(Side::A, kSide / 2, kSide / 2);
        QTest::keyPress(sitting.page, Qt::Key_V);
        const QPoint flipped = sitting.on(Side::A, kSide / 2, kSide / 2);
        QVERIFY(flipped.x() > before.x());
        const QImage there = shot();
        QTest::keyRelease(sitting.page, Qt::Key_V);
        QVERIFY(there.copy(QRect(flipped - QPoint(9, 9), QSize(18, 18))) == shot().copy(QRect(before - QPoint(9, 9), QSize(18, 18))));
    }

    void zoomedInTheCrossStaysInSightAndStepsAreFiner() {
        Sitting sitting;
        sitting.start(1);
        ImageView* images = sitting.images();
        sitting.press(Qt::Key_T);
        const int whole = sitting.tools->coarseStep();
        for (int i = 0; i < 12; ++i)
            sitting.press(Qt::Key_Plus);
        QVERIFY(images->zoom() > 10);
        QVERIFY(sitting.tools->coarseStep() <= whole);
        sitting.press(Qt::Key_Left, Qt::NoModifier, kSide);
        sitting.press(Qt::Key_Up, Qt::NoModifier, kSide);
        QCOMPARE(images->place()->at, QPoint(0, 0));
        QVERIFY(images->rect().contains(sitting.on(Side::A, 0, 0)));
        sitting.press(Qt::Key_A);
        sitting.picture(u"zoomed"_s);
        for (const auto& [key, name] : {std::pair{Qt::Key_F2, u"wipe"_s}, {Qt::Key_F3, u"difference"_s}}) {
            sitting.press(Qt::Key_Home);
            sitting.press(key);
            QVERIFY(sitting.tools->isOn());
            sitting.press(Qt::Key_Right, Qt::NoModifier, 3);
            sitting.press(Qt::Key_Down, Qt::ShiftModifier, 3);
            sitting.press(Qt::Key_M);
            sitting.press(Qt::Key_Tab);
            sitting.press(Qt::Key_G);
            sitting.picture(name);
        }
    }

    void aMarkGoesToTheOtherImage() {
        Sitting sitting;
        sitting.start(1, {}, [](int, int side) { return pictures::bytesOf(pictures::scene(side ? 32 : 64, side, false)); });
        const bool largeIsLeft = sitting.images()->pixelSize(Side::A).width() == 64;
        sitting.press(Qt::Key_T);
        if (!largeIsLeft)
            sitting.press(Qt::Key_Tab);
        sitting.press(Qt::Key_D);
        QVERIFY(sitting.said().contains(u"no mark"_s));
        sitting.fine(Qt::Key_Right, 7, true);
        sitting.press(Qt::Key_A); // 8 x 1 from 32, 32
        sitting.press(Qt::Key_D);
        sitting.press(Qt::Key_Escape);
        const auto& small = sitting.images()->imageMarks(largeIsLeft ? Side::B : Side::A);
        QCOMPARE(small.size(), 1);
        QCOMPARE(small[0].pixels, QRect(16, 16, 4, 1));
        QVERIFY(sitting.vote(Qt::Key_S)); // and the store takes it
    }

    void aTasksReasonsAreTagsToo() {
        Sitting sitting;
        sitting.start(1, [](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.attributes = Json::array({{{"reasons", {"blurry", "wrong count"}}}});
            task.requiredParts = {"confirm"};
            must(p.updateTask(task));
        });
        sitting.press(Qt::Key_T);
        QVERIFY(sitting.strip().contains(u"5 wrong count"_s));
        sitting.press(Qt::Key_5);
        sitting.press(Qt::Key_6); // there is no such tag
        QVERIFY(sitting.said().contains(u"Esc"_s));
        sitting.press(Qt::Key_Escape);
        const desk::Id pair = sitting.page->currentComparison();
        sitting.press(Qt::Key_D);
        QSignalSpy saved(sitting.page, &LabelPage::saved);
        sitting.press(Qt::Key_Return);
        QVERIFY(!saved.isEmpty() || saved.wait(4000));
        QCOMPARE(sitting.regions(pair)[sitting.space(Side::A)]["regions"][0]["tag"], Json("wrong count"));
    }

    void everyHintHasATooltipThatNamesItsKey() {
        Sitting sitting;
        sitting.start(1);
        KeyStrip* strip = sitting.page->keyStrip();
        for (const bool marking : {false, true}) {
            if (marking)
                sitting.press(Qt::Key_T);
            for (int i = 0; i < strip->visibleHints(); ++i) {
                const KeyHint hint = strip->hints()[i];
                const QString tip = strip->tipAt(strip->hintRect(i).center());
                QVERIFY2(tip.startsWith(hint.key + u": "_s) && tip.size() > hint.key.size() + 4, qPrintable(tip));
                QCOMPARE(tip.contains(u"Settings, Keys"_s), !marking);
            }
        }
        QVERIFY(strip->tipAt({strip->width() - 20, strip->height() / 2}).startsWith(u"?"_s));
        QVERIFY(strip->tipAt({0, 0}).isEmpty());
        // Texts have no regions, and nothing here is drawn when the words of another key are asked for.
        sitting.press(Qt::Key_Question);
        auto* sheet = sitting.page->findChild<KeySheet*>();
        QVERIFY(sheet->isVisible() && !sitting.tools->isOn());
        QVERIFY(sitting.page->rect().contains(sheet->geometry()));
        QVERIFY2(clipped(sheet).isEmpty(), qPrintable(clipped(sheet).join(u" | "_s)));
        sitting.picture(u"sheet"_s);
    }
};

QTEST_MAIN(TestRegions)
#include "tst_regions.moc"
