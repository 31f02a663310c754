// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=240
// What is done inside an answer, from the key to the row in the project: editing, marks, the first wrong step; how texts are
// looked at by key. Pictures of every mode go to $PAIRLAB_BUILD_DIR/screenshots.
#include <sqlite3.h>

#include "core/base/hash.h"
#include "core/desk/domain/text_marks.h"
#include "core/desk/store/details.h"
#include "core/desk/store/impl.h"
#include "tests/ui/find.h"
#include "tests/ui/page_fixture.h"
#include "ui/label/answer_tools.h"
#include "ui/label/label_page.h"
#include "ui/label/panels.h"
#include "ui/settings/settings_page.h"
#include "ui/shell/chrome.h"
#include "ui/widgets/text_pane.h"

using namespace fixture;
using Tool = AnswerTools::Tool;

namespace {

const std::string kSteps = "1. Take 3 boxes of 4 eggs.\n2. 3 times 4 is 11.\n3. So there are 11 eggs.";
const std::string kOther = "There are 12 eggs in all: 3 boxes hold 4 each.\nThat is 3 x 4 = 12.";

struct Sitting : Desk {
    LabelPage* page = nullptr;
    AnswerTools* tools = nullptr;

    /// Pairs of two answers; the first prompt is a conversation.
    void start(int pairs = 3, const std::string& first = kSteps, const std::string& second = kOther, const std::string& shows = "raw") {
        makeProject(dir(), 0, desk::Scale::SevenPoint, [&](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.view = shows;
            must(p.updateTask(task));
            for (int i = 0; i < pairs; ++i) {
                desk::NewPrompt prompt;
                prompt.content = i == 0 ? must(desk::canonicalPrompt(Json::array({{{"role", "user"}, {"content", "I have 3 boxes."}},
                                                                                  {{"role", "assistant"}, {"content", "Of what?"}},
                                                                                  {{"role", "user"}, {"content", "Eggs, 4 in each. How many?"}}})))
                                        : "How many eggs? (" + std::to_string(i) + ")";
                prompt.split = desk::Split::Train;
                const auto id = must(p.addPrompts({prompt})).at(0);
                std::vector<desk::NewCandidate> answers(2);
                answers[0].prompt = answers[1].prompt = id;
                answers[0].content = first + (i ? " " + std::to_string(i) : "");
                answers[1].content = second + (i ? " " + std::to_string(i) : "");
                const auto ids = must(p.addCandidates(answers));
                must(p.addPairs({{ids[0], ids[1]}}));
            }
        });
        show({labelPage(&preferences), settingsPage(preferences)}, request(), {1280, 800});
        page = qobject_cast<LabelPage*>(window->page(u"label"_s));
        page->setGuardMs(0);
        tools = page->answerTools();
        QVERIFY(ready());
    }
    bool ready() {
        return QTest::qWaitFor([this] { return page->takesVotes(); }, 4000);
    }
    PairView* view() { return page->pairView(); }
    void press(int key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
        QWidget* target = QApplication::focusWidget() ? QApplication::focusWidget() : page;
        QTest::keyClick(target, static_cast<Qt::Key>(key), modifiers);
    }
    void type(const QString& text) { QTest::keyClicks(QApplication::focusWidget(), text); }
    /// A vote, waited for.
    desk::Id vote(int key) {
        const desk::Id id = page->currentComparison();
        QSignalSpy saved(page, &LabelPage::saved);
        press(key);
        if (saved.isEmpty() && !saved.wait(4000))
            return 0;
        return id;
    }
    std::optional<desk::Judgement> judgement(desk::Id comparison) {
        return ask([&, task = context().task.id, person = context().annotator](desk::Project& p) {
            return must(p.currentJudgement(task, person, comparison));
        });
    }
    desk::LabelItem item(desk::Id comparison) {
        return ask([&](desk::Project& p) { return must(p.pairItem(comparison)); });
    }
    QStringList stripKeys() const {
        QStringList all;
        for (const KeyHint& hint : page->keyStrip()->hints())
            all.append(hint.key);
        return all;
    }
    /// The side on which an answer that begins so stands.
    Side sideOf(const QString& beginning) { return view()->sourceText(Side::A).startsWith(beginning) ? Side::A : Side::B; }
    QString said() { return window->statusLine()->message(); }
    void picture(const QString& name) { savePictures(window.get(), u"label-"_s + name); }
};

} // namespace

class TestAnswerTools : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void aHiddenRepeatBeginsWithoutMarks() {
        constexpr int kPairs = 12;
        Sitting sitting;
        sitting.start(kPairs);
        std::map<desk::Id, Json> first;
        for (int i = 0; i < kPairs; ++i) {
            QVERIFY(sitting.ready());
            sitting.press(Qt::Key_O);
            sitting.press(Qt::Key_1);
            sitting.press(Qt::Key_Escape);
            const desk::Id pair = sitting.vote(Qt::Key_S);
            QVERIFY(pair);
            first[pair] = sitting.judgement(pair)->spans;
            QVERIFY(first[pair].is_object());
        }
        Q_EMIT sitting.page->findChild<LabelStates*>()->repeatRequested();
        QTRY_VERIFY(sitting.page->mode() == LabelPage::Mode::Pair && sitting.page->takesVotes());
        const desk::Id pair = sitting.page->currentComparison();
        QVERIFY(first.count(pair));
        QVERIFY(sitting.view()->pane(Side::A)->marks().isEmpty() && sitting.view()->pane(Side::B)->marks().isEmpty());
        QCOMPARE(sitting.vote(Qt::Key_S), pair);
        const auto again = sitting.ask([pair](desk::Project& p) {
            std::vector<Json> all;
            for (const desk::CurrentVote& vote : p.currentVotes())
                if (vote.comparison == pair && vote.occasion > 0)
                    all.push_back(must(desk::judgementAt(p, vote.event)).spans);
            return all;
        });
        QCOMPARE(again.size(), size_t{1});
        QVERIFY2(again[0].is_null(), dumpJson(again[0]).c_str());
        QCOMPARE(sitting.judgement(pair)->spans, first[pair]);
    }

    /// As those on images do (tst_regions); and what a pair of texts cannot have is kept as well.
    void aVoteGivenAgainKeepsMarksOfAnotherForm() {
        const Json later{{"v", 2}, {"unit", "code_point"}, {"what", "a later program says"}}, regions{{"v", 2}, {"a", "of a picture"}};
        Sitting sitting;
        sitting.start();
        const desk::Id pair = sitting.page->currentComparison();
        QVERIFY(sitting.vote(Qt::Key_S));
        QVERIFY(sitting.ready());
        const desk::Id second = sitting.vote(Qt::Key_S);
        QVERIFY(second && sitting.ready());
        // What another program said of the first, and then again.
        sitting.ask([&, person = sitting.context().annotator](desk::Project& p) {
            desk::EventDraft draft;
            draft.task = must(p.defaultTask()).id;
            draft.annotator = person;
            draft.comparison = pair;
            desk::Judgement said;
            said.winner = desk::Winner::A;
            said.spans = later;
            said.regions = regions;
            draft.judgement = &said;
            for (int i = 0; i < 2; ++i)
                must(p.impl().write("a vote", [&]() -> Status {
                    PL_TRY(const desk::Id event, p.impl().appendEvent(draft));
                    p.impl().setCurrent({draft.task, draft.comparison, draft.annotator, 0}, event);
                    return {};
                }));
            return 0;
        });
        sitting.press(Qt::Key_U);
        QTRY_VERIFY(sitting.page->currentComparison() == pair && sitting.page->takesVotes());
        const auto labels = sitting.view()->findChildren<QLabel*>();
        QVERIFY(std::any_of(labels.begin(), labels.end(), [](const QLabel* label) { return label->isVisible() && label->text().contains(u"another form"_s); }));
        sitting.picture(u"marks-of-another-form"_s);
        QVERIFY(sitting.view()->pane(Side::A)->marks().isEmpty() && sitting.view()->pane(Side::B)->marks().isEmpty());
        QCOMPARE(sitting.vote(Qt::Key_D), pair);
        QCOMPARE(sitting.judgement(pair)->spans, later);
        QCOMPARE(sitting.judgement(pair)->regions, regions);
        // What is marked now stands instead of it.
        sitting.press(Qt::Key_BracketLeft);
        sitting.press(Qt::Key_BracketLeft);
        QTRY_VERIFY(sitting.page->currentComparison() == pair && sitting.page->takesVotes());
        sitting.press(Qt::Key_O);
        sitting.press(Qt::Key_1);
        sitting.press(Qt::Key_Escape);
        QCOMPARE(sitting.vote(Qt::Key_D), pair);
        QCOMPARE(sitting.judgement(pair)->spans["v"], Json(1));
        QCOMPARE(sitting.judgement(pair)->regions, regions);
    }

    void anEditBecomesAnAnswerThatIsBetter() {
        Sitting sitting;
        sitting.start();
        const desk::Id pair = sitting.page->currentComparison();
        const QString before = sitting.view()->sourceText(Side::B);
        const QRect place = sitting.view()->pane(Side::B)->geometry();
        sitting.press(Qt::Key_E);
        QVERIFY(sitting.tools->tool() == Tool::ChooseSide);
        QCOMPARE(sitting.stripKeys(), (QStringList{u"A"_s, u"B"_s, u"Esc"_s}));
        sitting.press(Qt::Key_B);
        QVERIFY(sitting.tools->tool() == Tool::Edit && sitting.tools->editor()->hasFocus());
        QCOMPARE(sitting.tools->editor()->written(), before);
        QCoreApplication::processEvents();
        QCOMPARE(sitting.tools->editor()->geometry(), place); // nothing jumps
        // Letters are text here, Enter too, and nothing votes.
        QTest::keyClick(sitting.tools->editor(), Qt::Key_End, Qt::ControlModifier);
        sitting.type(u" sdfjkl"_s);
        sitting.press(Qt::Key_Return);
        sitting.type(u"Done."_s);
        QCOMPARE(sitting.page->currentComparison(), pair);
        sitting.picture(u"edit"_s);
        // Esc leaves and keeps it; it is there again.
        sitting.press(Qt::Key_Escape);
        QVERIFY(!sitting.tools->isOn());
        QVERIFY(QApplication::focusWidget() == sitting.page);
        QCOMPARE(sitting.view()->shownText(Side::B), before);
        sitting.press(Qt::Key_E);
        sitting.press(Qt::Key_Right);
        QCOMPARE(sitting.tools->editor()->written(), before + u" sdfjkl\nDone."_s);
        QSignalSpy saved(sitting.page, &LabelPage::editSaved);
        sitting.press(Qt::Key_Return, Qt::ControlModifier);
        QVERIFY(!saved.isEmpty() || saved.wait(4000));
        const desk::Id implied = saved[0][0].toLongLong();
        QVERIFY(implied != pair);
        QVERIFY(!sitting.tools->isOn());
        QCOMPARE(sitting.page->currentComparison(), pair); // still to be judged
        QVERIFY(sitting.said().contains(u"better than B"_s));
        const auto both = sitting.item(implied);
        const auto& made = both.a.parent ? both.a : both.b;
        QCOMPARE(qstr(made.content), before + u" sdfjkl\nDone."_s);
        QVERIFY(made.provenance == desk::Provenance::Human);
        const auto judged = sitting.judgement(implied);
        QVERIFY(judged && (judged->winner == desk::Winner::A) == (both.a.id == made.id));
        QCOMPARE(judged->attributes["implied"], Json("edit"));
        QVERIFY(!sitting.judgement(pair));
        // The vote on the pair is one's own business, and undo takes back one after the other.
        QCOMPARE(sitting.vote(Qt::Key_S), pair);
        QVERIFY(sitting.ready());
        sitting.press(Qt::Key_U);
        QTRY_VERIFY(!sitting.judgement(pair));
        QTRY_COMPARE(sitting.page->currentComparison(), pair);
        sitting.press(Qt::Key_U);
        QTRY_VERIFY(!sitting.judgement(implied));
        QTRY_VERIFY(sitting.said().contains(u"taken back"_s));
        QCOMPARE(sitting.page->currentComparison(), pair); // no pair that nobody asked for comes up
        QCOMPARE(sitting.ask([](desk::Project& p) { return p.counters().candidates; }), int64_t{6});
        sitting.press(Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
        QTRY_VERIFY(sitting.judgement(implied));
        QCOMPARE(sitting.ask([](desk::Project& p) { return p.counters().candidates; }), int64_t{7});
        QCOMPARE(sitting.page->currentComparison(), pair);
    }

    void editingIsNoPartOfTheTimeOfAVote() {
        QElapsedTimer whole;
        whole.start();
        Sitting sitting;
        sitting.start();
        sitting.press(Qt::Key_E);
        sitting.press(Qt::Key_A);
        QTest::qWait(1500);
        sitting.press(Qt::Key_Escape);
        const desk::Id id = sitting.vote(Qt::Key_S);
        const qint64 most = whole.elapsed() - 1000; // however slow the machine is: what was waited for is not in it
        QVERIFY(id);
        const auto vote = sitting.ask([](desk::Project& p) { return p.currentVotes(); }).front();
        QVERIFY2(vote.activeMs >= 0 && vote.activeMs < most, qPrintable(u"%1 of %2"_s.arg(vote.activeMs).arg(most)));
    }

    void nothingChangedIsNotSaved() {
        Sitting sitting;
        sitting.start(1, "one answer\r\nof two\u00a0lines", "another answer");
        const Side side = sitting.sideOf(u"one answer"_s);
        sitting.press(Qt::Key_E);
        sitting.press(side == Side::A ? Qt::Key_A : Qt::Key_B);
        sitting.press(Qt::Key_Return, Qt::ControlModifier);
        QVERIFY(sitting.tools->tool() == Tool::Edit);
        QVERIFY(sitting.said().contains(u"Nothing is changed"_s));
        QVERIFY(sitting.tools->editor()->written().contains(QChar(0xa0))); // a no-break space stays one
        // The other answer word for word is no edit: refused, and what was written stays in the editor.
        QTest::keyClick(sitting.tools->editor(), Qt::Key_A, Qt::ControlModifier);
        sitting.type(u"another answer"_s);
        sitting.press(Qt::Key_Return, Qt::ControlModifier);
        QTRY_VERIFY(sitting.said().contains(u"the other answer of this pair"_s));
        QVERIFY(sitting.tools->tool() == Tool::Edit);
        QCOMPARE(sitting.tools->editor()->written(), u"another answer"_s);
        QVERIFY(!sitting.tools->editor()->isReadOnly());
        QCOMPARE(sitting.ask([](desk::Project& p) { return p.counters().events; }), int64_t{0});
    }

    void theChosenSideIsEditedWhereAVoteWaits() {
        Sitting sitting;
        makeProject(sitting.dir(), 2, desk::Scale::SevenPoint, [](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.requiredParts = {"confirm"};
            must(p.updateTask(task));
        });
        sitting.show({labelPage()}, sitting.request(), {1280, 800});
        sitting.page = qobject_cast<LabelPage*>(sitting.window->page(u"label"_s));
        sitting.page->setGuardMs(0);
        sitting.tools = sitting.page->answerTools();
        QVERIFY(sitting.ready());
        sitting.press(Qt::Key_L);
        QVERIFY(sitting.page->draft());
        sitting.press(Qt::Key_E);
        QVERIFY(sitting.tools->tool() == Tool::Edit && sitting.tools->side() == Side::B);
        sitting.press(Qt::Key_Escape);
        QVERIFY(sitting.page->draft()); // still waits
        QVERIFY(sitting.vote(Qt::Key_Return));
    }

    void spansGoFromTheKeysToTheRow() {
        Sitting sitting;
        sitting.start(2, "日本語 and 😀 are good here.\nSecond line.", "Some other text.");
        const Side side = sitting.sideOf(u"日本語"_s);
        const desk::Id pair = sitting.page->currentComparison();
        sitting.press(Qt::Key_W); // another view: marks are of the raw text
        sitting.press(Qt::Key_T);
        QVERIFY(sitting.tools->tool() == Tool::Spans);
        QCOMPARE(int(sitting.view()->view()), int(TextView::Raw));
        if (sitting.tools->side() != side)
            sitting.press(Qt::Key_Tab);
        QVERIFY(sitting.tools->side() == side && sitting.view()->pane(side)->hasFocus());
        for (int i = 0; i < 3; ++i)
            sitting.press(Qt::Key_Right, Qt::ShiftModifier);
        sitting.press(Qt::Key_G);
        for (int i = 0; i < 5; ++i)
            sitting.press(Qt::Key_Right);
        sitting.press(Qt::Key_Right, Qt::ShiftModifier);
        sitting.press(Qt::Key_2);
        for (int i = 0; i < 3; ++i)
            sitting.press(Qt::Key_Right);
        sitting.press(Qt::Key_N); // the word at the caret
        sitting.picture(u"spans"_s);
        const QList<TextMark> drawn{{0, 3, MarkStyle::Good}, {8, 10, MarkStyle::Bad}, {11, 14, MarkStyle::Neutral}};
        QCOMPARE(sitting.view()->pane(side)->marks(), drawn);
        sitting.press(Qt::Key_S); // no vote while marking
        QVERIFY(sitting.said().contains(u"Esc"_s));
        QCOMPARE(sitting.page->currentComparison(), pair);
        sitting.press(Qt::Key_Escape);
        QCOMPARE(int(sitting.view()->view()), int(TextView::Diff));
        QCOMPARE(sitting.vote(Qt::Key_S), pair);
        const auto judged = sitting.judgement(pair);
        const auto item = sitting.item(pair);
        const bool isA = item.a.content.front() != 'S';
        const Json& said = judged->spans[isA ? "a" : "b"];
        QCOMPARE(judged->spans["unit"], Json("code_point"));
        QCOMPARE(said["sha256"], Json(pl::sha256Hex(isA ? item.a.content : item.b.content)));
        QCOMPARE(said["spans"], Json::array({{{"start", 0}, {"end", 3}, {"label", "good"}},
                                             {{"start", 8}, {"end", 9}, {"label", "bad"}}, // one character, though UTF-16 has two
                                             {{"start", 10}, {"end", 13}, {"label", "neutral"}}}));
        // Undone, the marks are there again, and can be taken away.
        QVERIFY(sitting.ready());
        sitting.press(Qt::Key_U);
        QTRY_COMPARE(sitting.page->currentComparison(), pair);
        QCOMPARE(sitting.view()->pane(side)->marks(), drawn);
        sitting.press(Qt::Key_T);
        if (sitting.tools->side() != side)
            sitting.press(Qt::Key_Tab);
        sitting.press(Qt::Key_A, Qt::ControlModifier);
        sitting.press(Qt::Key_Backspace);
        QVERIFY(sitting.view()->pane(side)->marks().isEmpty());
        sitting.press(Qt::Key_Escape);
        QVERIFY(sitting.ready());
        QCOMPARE(sitting.vote(Qt::Key_S), pair);
        QVERIFY(sitting.judgement(pair)->spans.is_null());
    }

    void spansByMouse() {
        Sitting sitting;
        sitting.start();
        TextPane* pane = sitting.view()->pane(Side::B);
        const QPoint from = pane->cursorRect().center();
        QTextCursor fifth(pane->document());
        fifth.setPosition(5);
        const QPoint to = pane->cursorRect(fifth).center();
        QTest::mousePress(pane->viewport(), Qt::LeftButton, {}, from);
        QTest::mouseMove(pane->viewport(), to);
        QTest::mouseRelease(pane->viewport(), Qt::LeftButton, {}, to);
        QVERIFY(pane->textCursor().hasSelection());
        sitting.press(Qt::Key_T);
        QVERIFY(sitting.tools->side() == Side::B); // where something is selected
        for (const KeyHint& hint : sitting.page->keyStrip()->hints())
            if (hint.label == u"bad"_s)
                Q_EMIT sitting.page->keyStrip()->hintClicked(static_cast<int>(&hint - sitting.page->keyStrip()->hints().data()));
        QCOMPARE(pane->marks(), (QList<TextMark>{{0, 5, MarkStyle::Bad}}));
        // A click into the other answer goes on there.
        QTest::mouseClick(sitting.view()->pane(Side::A)->viewport(), Qt::LeftButton, {}, from);
        QVERIFY(sitting.tools->side() == Side::A);
        sitting.press(Qt::Key_1);
        QCOMPARE(sitting.view()->pane(Side::A)->marks().size(), 1);
    }

    void theFirstWrongStepGoesFromTheKeyToTheRow() {
        Sitting sitting;
        sitting.start();
        const Side side = sitting.sideOf(u"1. Take"_s);
        const desk::Id pair = sitting.page->currentComparison();
        sitting.press(Qt::Key_O);
        QVERIFY(sitting.tools->tool() == Tool::Steps);
        if (sitting.tools->side() != side)
            sitting.press(Qt::Key_Tab);
        sitting.press(Qt::Key_Down);
        sitting.press(Qt::Key_Return);
        sitting.picture(u"steps"_s);
        sitting.press(Qt::Key_Tab);
        sitting.press(Qt::Key_9); // there is no ninth
        QVERIFY(sitting.said().contains(u"has 2 steps"_s));
        sitting.press(Qt::Key_0);
        sitting.press(Qt::Key_Escape);
        QCOMPARE(sitting.vote(Qt::Key_J), pair);
        const auto judged = sitting.judgement(pair);
        const auto item = sitting.item(pair);
        const char* stepped = item.a.content == kSteps ? "a" : "b";
        const char* lines = item.a.content == kSteps ? "b" : "a";
        QCOMPARE(judged->spans[stepped]["steps"]["rule"], Json("numbered"));
        QCOMPARE(judged->spans[stepped]["steps"]["first_wrong"], Json(1));
        QCOMPARE(judged->spans[stepped]["steps"]["ranges"].size(), size_t{3});
        QCOMPARE(judged->spans[lines]["steps"]["rule"], Json("lines"));
        QVERIFY(judged->spans[lines]["steps"]["first_wrong"].is_null());
    }

    void answersOfOneLineHaveNoSteps() {
        Sitting sitting;
        sitting.start(1, "one line", "another line");
        sitting.press(Qt::Key_O);
        QVERIFY(!sitting.tools->isOn());
        QVERIFY(sitting.said().contains(u"steps"_s));
    }

    void earlierTurnsFoldingAndScrollingAlongHaveKeys() {
        Sitting sitting;
        sitting.start();
        QCOMPARE(sitting.view()->earlierTurns(), 2);
        sitting.press(Qt::Key_A);
        QVERIFY(sitting.view()->showsTurns());
        bool shown = false;
        for (TextPane* pane : sitting.view()->findChildren<TextPane*>())
            shown |= pane->toPlainText().contains(u"Assistant: Of what?"_s);
        QVERIFY(shown);
        bool named = false;
        for (QPushButton* button : sitting.view()->findChildren<QPushButton*>())
            named |= button->isVisible() && button->text() == u"Last turn only"_s && button->toolTip().contains(u"A"_s);
        QVERIFY(named);
        sitting.picture(u"turns"_s);
        QTest::keyClick(sitting.page, Qt::Key_PageUp, Qt::ShiftModifier);
        sitting.press(Qt::Key_A);
        QVERIFY(!sitting.view()->showsTurns());
        sitting.press(Qt::Key_C);
        QVERIFY(sitting.view()->isSynced());
        sitting.press(Qt::Key_B);
        QVERIFY(sitting.view()->isFolded());
        QVERIFY(sitting.said().contains(u"begin differently"_s));
        // A pair of one turn says so.
        QVERIFY(sitting.vote(Qt::Key_D));
        QVERIFY(sitting.ready());
        sitting.press(Qt::Key_A);
        QVERIFY(sitting.said().contains(u"no earlier turns"_s));
        QVERIFY(sitting.view()->isSynced() && sitting.view()->isFolded()); // stay on
    }

    void whatWasFoldedIsRecordedWithTheVote() {
        Sitting sitting;
        const std::string same = "Both answers begin with these very words, which are long enough to be folded away for a reader who "
                                 "has seen them once already. ";
        sitting.start(2, same + "Left goes on like this.", same + "Right goes on like that.");
        sitting.press(Qt::Key_B);
        sitting.picture(u"fold"_s);
        const desk::Id id = sitting.vote(Qt::Key_F);
        QVERIFY(id);
        bool found = false;
        sqlite3* db = nullptr;
        sitting.window.reset(); // the file is free then
        QCOMPARE(sqlite3_open((sitting.dir() + u"/project.db"_s).toUtf8(), &db), SQLITE_OK);
        sqlite3_exec(
            db, "SELECT view FROM judgements", [](void* out, int, char** values, char**) {
                *static_cast<bool*>(out) |= std::string(values[0]) == "raw+fold";
                return 0;
            },
            &found, nullptr);
        sqlite3_close(db);
        QVERIFY(found);
    }

    void oneAnswerAtATime() {
        Sitting sitting;
        sitting.start(3, kSteps, kOther, "single");
        const desk::Id pair = sitting.page->currentComparison();
        const auto shown = [&](Side side) { return sitting.view()->pane(side)->isVisible(); };
        QVERIFY(shown(Side::A) && !shown(Side::B));
        QCOMPARE(sitting.stripKeys().mid(0, 2), (QStringList{u"H"_s, u"N"_s}));
        QCOMPARE(sitting.page->keyStrip()->hints()[0].label, u"good"_s);
        sitting.picture(u"alone"_s);
        sitting.press(Qt::Key_S); // no comparison here
        QVERIFY(sitting.said().contains(u"H is good, N is bad"_s));
        sitting.press(Qt::Key_H);
        QVERIFY(!shown(Side::A) && shown(Side::B));
        QCOMPARE(sitting.page->currentComparison(), pair);
        QVERIFY(sitting.ready()); // the other one is painted, too, before it is judged
        sitting.press(Qt::Key_U); // back to the first one, without an event
        QVERIFY(shown(Side::A) && !shown(Side::B));
        QVERIFY(sitting.ready());
        sitting.press(Qt::Key_T); // marks are of the one that is shown
        QVERIFY(sitting.tools->side() == Side::A);
        sitting.press(Qt::Key_Tab);
        QVERIFY(sitting.tools->side() == Side::A);
        sitting.press(Qt::Key_Escape);
        sitting.press(Qt::Key_H);
        QVERIFY(sitting.ready());
        QCOMPARE(sitting.vote(Qt::Key_N), pair);
        const auto judged = sitting.judgement(pair);
        const bool aOnLeft = sitting.ask([](desk::Project& p) { return p.currentVotes(); }).front().aOnLeft;
        QVERIFY(judged && judged->winner == (aOnLeft ? desk::Winner::A : desk::Winner::B));
        QVERIFY(!judged->strength && judged->badA == !aOnLeft && judged->badB == aOnLeft);
        QCOMPARE(judged->attributes[aOnLeft ? "a" : "b"]["thumb"], Json(1));
        QCOMPARE(judged->attributes[aOnLeft ? "b" : "a"]["thumb"], Json(0));
        QVERIFY(sitting.ready());
        QVERIFY(shown(Side::A) && !shown(Side::B)); // the next pair begins with its first one
        sitting.press(Qt::Key_N);
        QVERIFY(sitting.ready());
        const desk::Id second = sitting.page->currentComparison();
        QCOMPARE(sitting.vote(Qt::Key_N), second);
        QVERIFY(sitting.judgement(second)->tieKind == desk::TieKind::BothBad);
        const auto counts = sitting.ask([](desk::Project& p) { return must(p.previewDataset({})); });
        QCOMPARE(counts.unpaired, int64_t{4});
        QVERIFY(sitting.ready());
        sitting.press(Qt::Key_U);
        QTRY_COMPARE(sitting.page->currentComparison(), second);
        QVERIFY(shown(Side::A) && !shown(Side::B));
    }

    void settingsChooseWhatATaskShows() {
        Sitting sitting;
        sitting.start();
        QVERIFY(!sitting.view()->alone());
        const auto choose = [&](const QString& words) {
            sitting.window->goTo(u"settings"_s, u"task"_s);
            Page& settings = *sitting.window->page(u"settings"_s);
            auto* choice = button(settings, words);
            auto* save = settings.findChild<QPushButton*>(u"save_task"_s);
            QVERIFY(choice && save);
            choice->click();
            QSignalSpy saved(&settings, SIGNAL(taskSaved()));
            save->click();
            QVERIFY(!saved.isEmpty() || saved.wait(4000));
            sitting.window->goTo(u"label"_s, {});
        };
        choose(u"One at a time"_s);
        QTRY_VERIFY(sitting.view()->alone() == Side::A);
        QCOMPARE(sitting.page->keyStrip()->hints()[0].label, u"good"_s);
        choose(u"Both answers"_s);
        QTRY_VERIFY(!sitting.view()->alone());
        QTRY_VERIFY(sitting.view()->pane(Side::A)->isVisible() && sitting.view()->pane(Side::B)->isVisible());
        QVERIFY(sitting.ready());
        QVERIFY(sitting.vote(Qt::Key_S));
    }

    void theStripSaysWhatTheKeysDo() {
        Sitting sitting;
        sitting.start();
        QStringList words;
        for (const KeyHint& hint : sitting.page->keyStrip()->hints())
            words.append(hint.key + u' ' + hint.label);
        for (const QString& each : {u"E edit"_s, u"T mark"_s, u"O steps"_s})
            QVERIFY2(words.contains(each), qPrintable(words.join(u", "_s)));
        sitting.press(Qt::Key_Question);
        auto* sheet = sitting.page->findChild<KeySheet*>();
        QVERIFY(sheet->isVisible());
        QVERIFY(sitting.page->rect().contains(sheet->geometry()));
        QVERIFY2(clipped(sheet).isEmpty(), qPrintable(clipped(sheet).join(u" | "_s)));
        sitting.picture(u"keys"_s);
        sitting.press(Qt::Key_T);
        QVERIFY(!sheet->isVisible() && !sitting.tools->isOn());
    }
};

QTEST_MAIN(TestAnswerTools)
#include "tst_answer_tools.moc"
