// SPDX-License-Identifier: GPL-3.0-or-later
// What a task asks for besides the vote: the draft by itself, and on the page.
#include <QLineEdit>

#include "tests/ui/page_fixture.h"
#include "ui/label/draft_bar.h"
#include "ui/label/label_page.h"
#include "ui/settings/settings_page.h"
#include "ui/widgets/key_strip.h"

using namespace fixture;
using pl::desk::Winner;
using Step = VoteDraft::Step;
using Choice = SideVote::Choice;

namespace {

desk::Task taskOf(const QString& lines, std::vector<std::string> required = {}) {
    desk::Task task;
    task.attributes = must(VoteForm::fromLines(lines));
    task.requiredParts = std::move(required);
    return task;
}

struct Sitting : Desk {
    LabelPage* page = nullptr;
    void start(const desk::Task& asked, int pairs = 12) {
        makeProject(dir(), pairs, desk::Scale::SevenPoint, [&](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.attributes = asked.attributes;
            task.requiredParts = asked.requiredParts;
            must(p.updateTask(task));
        });
        show({labelPage(), settingsPage(preferences)});
        page = qobject_cast<LabelPage*>(window->page(u"label"_s));
        QVERIFY(page);
        page->setGuardMs(0);
        QVERIFY(ready());
    }
    bool ready() {
        return QTest::qWaitFor([this] { return page->takesVotes(); }, 4000);
    }
    void press(int key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
        QWidget* target = QApplication::focusWidget() ? QApplication::focusWidget() : page;
        QTest::keyClick(target, static_cast<Qt::Key>(key), modifiers);
    }
    /// The keys of one whole vote, of which the last gives it; what the store has of it then.
    desk::Judgement whole(std::initializer_list<int> keys) {
        const desk::Id comparison = page->currentComparison();
        QSignalSpy saved(page, &LabelPage::saved);
        for (const int key : keys) {
            if (!saved.isEmpty())
                qFatal("the vote was given before its last key");
            press(key);
        }
        if (saved.isEmpty() && !saved.wait(4000))
            qFatal("the vote was not given");
        (void)ready();
        return *ask([&, task = context().task.id, person = context().annotator](desk::Project& p) {
            return must(p.currentJudgement(task, person, comparison));
        });
    }
    int64_t votes() {
        return ask([](desk::Project& p) { return p.counters().current; });
    }
};

} // namespace

class TestVoteDraft : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void linesGoBothWays() {
        const QString lines = u"helpfulness\nlength 0-5\npair: clearer\nreasons: safer, shorter, to the point"_s;
        const Json json = must(VoteForm::fromLines(lines));
        QCOMPARE(VoteForm::toLines(json), lines);
        QCOMPARE(VoteForm::toLines(Json::array({"a name alone"})), u"a name alone"_s);
        QCOMPARE(must(VoteForm::fromLines(VoteForm::toLines(VoteForm::helpSteer()))), VoteForm::helpSteer());
        QCOMPARE(must(VoteForm::fromLines({})), Json::array());
        for (const char* bad : {"pair:", "x 0-12", "x 0-", "reasons:", "reasons: a\nreasons: b", "x\nx", "reasons: 1,2,3,4,5,6,7,8,9,10"}) {
            const auto refused = VoteForm::fromLines(QString::fromLatin1(bad));
            QVERIFY2(!refused && refused.error().message.find("Line ") == 0, bad);
        }
    }

    /// What lies in a project file need not be what Settings writes.
    void damagedFormsAreReadAsFarAsTheyGo() {
        desk::Task task;
        for (const Json& attributes : {Json(5), Json::object(), Json::array({5, nullptr, Json::object(), {{"name", 5}}, {{"name", "x"}, {"top", 99}},
                                                                             {{"reasons", {5}}}, {{"reasons", "x"}}})}) {
            task.attributes = attributes;
            QVERIFY(VoteForm::of(task).isEmpty());
            VoteForm::toLines(attributes);
        }
    }

    void digitsAnswerAndGoOn() {
        const VoteForm form = VoteForm::of(taskOf(u"pair: clearer\nhelpfulness\nlength 0-2"_s));
        QCOMPARE(form.parts.size(), qsizetype{5}); // the pair's, then two of A, then two of B
        VoteDraft draft(form, {Choice::Left, 3, {}});
        QCOMPARE(draft.begin(), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_9), Step::Stays); // no such answer: nothing happens
        QCOMPARE(draft.current(), 0);
        QCOMPARE(draft.key(Qt::Key_3), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_4), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_Return), Step::Missing);
        QCOMPARE(draft.missing(), (QStringList{u"length of A"_s, u"helpfulness of B"_s, u"length of B"_s}));
        QCOMPARE(draft.key(Qt::Key_0), Step::Stays);
        QCOMPARE(draft.summary(), u"B   A 4 0   B – –"_s);
        QCOMPARE(draft.key(Qt::Key_1), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_Backspace), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_2), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_3), Step::Stays); // above its top
        QCOMPARE(draft.key(Qt::Key_1), Step::Done);
        for (const bool aOnLeft : {true, false}) {
            desk::Judgement j;
            draft.fill(j, aOnLeft);
            const char *left = aOnLeft ? "a" : "b", *right = aOnLeft ? "b" : "a";
            QCOMPARE(j.attributes["pair"]["clearer"].get<std::string>(), std::string(right)); // 3 is the right one
            QCOMPARE(j.attributes[left], (Json{{"helpfulness", 4}, {"length", 0}}));
            QCOMPARE(j.attributes[right], (Json{{"helpfulness", 2}, {"length", 1}}));
        }
        QCOMPARE(draft.key(Qt::Key_S), Step::Ignored);
        QCOMPARE(draft.key(Qt::Key_Escape), Step::Cancelled);
    }

    void reasonsAreSwitchedAndWordsAreOffered() {
        VoteDraft draft(VoteForm::of(taskOf(u"reasons: safer, shorter"_s, {"rationale?"})), {});
        QCOMPARE(draft.key(Qt::Key_2), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_1), Step::Stays);
        QCOMPARE(draft.key(Qt::Key_1), Step::Stays); // off again
        QCOMPARE(draft.key(Qt::Key_Return), Step::Stays); // to what is offered
        QCOMPARE(draft.key(Qt::Key_R), Step::Text);
        draft.setRationale(u"  shorter is kinder "_s);
        QCOMPARE(draft.leaveText(true), Step::Done);
        desk::Judgement j;
        draft.fill(j, true);
        QCOMPARE(j.reasons, std::vector<std::string>{"shorter"});
        QCOMPARE(j.rationale, std::string("shorter is kinder"));

        VoteDraft asked(VoteForm::of(taskOf({}, {"rationale"})), {});
        QCOMPARE(asked.begin(), Step::Text);
        asked.setRationale(u"  "_s);
        QCOMPARE(asked.leaveText(true), Step::Missing);
    }

    /// The target: a vote and three attributes of the pair in four keys, no mouse.
    void fourKeysForAVoteAndThreeAttributes() {
        Sitting sitting;
        sitting.start(taskOf(u"pair: clearer\npair: safer\npair: shorter"_s));
        const bool aOnLeft = sitting.page->currentAOnLeft();
        const auto j = sitting.whole({Qt::Key_S, Qt::Key_1, Qt::Key_2, Qt::Key_3});
        QVERIFY(j.winner == (aOnLeft ? Winner::A : Winner::B));
        QCOMPARE(*j.strength, 3);
        QCOMPARE(j.attributes["pair"]["clearer"].get<std::string>(), std::string(aOnLeft ? "a" : "b"));
        QCOMPARE(j.attributes["pair"]["safer"].get<std::string>(), std::string("tie"));
        QCOMPARE(j.attributes["pair"]["shorter"].get<std::string>(), std::string(aOnLeft ? "b" : "a"));
        QVERIFY(!sitting.page->draft());
    }

    void confirmWaitsForEnter() {
        Sitting sitting;
        sitting.start(taskOf({}, {"confirm"}));
        sitting.press(Qt::Key_S);
        QVERIFY(sitting.page->draft());
        QCOMPARE(sitting.votes(), int64_t{0});
        sitting.press(Qt::Key_K); // thought better of it
        for (const int key : {Qt::Key_BracketRight, Qt::Key_U, Qt::Key_X, Qt::Key_G}) {
            sitting.press(key); // none of these loses what is chosen
            QVERIFY(sitting.page->draft());
        }
        sitting.press(Qt::Key_Q); // A unacceptable still counts
        const bool aOnLeft = sitting.page->currentAOnLeft();
        const auto j = sitting.whole({Qt::Key_Return});
        QVERIFY(j.winner == (aOnLeft ? Winner::B : Winner::A));
        QCOMPARE(*j.strength, 2);
        QVERIFY(aOnLeft ? j.badA && !j.badB : j.badB && !j.badA);

        const desk::Id comparison = sitting.page->currentComparison();
        sitting.press(Qt::Key_S);
        sitting.press(Qt::Key_Escape);
        QVERIFY(!sitting.page->draft());
        QCOMPARE(sitting.page->currentComparison(), comparison);
        QCOMPARE(sitting.votes(), int64_t{1});
        sitting.press(Qt::Key_BracketRight); // and the page's keys are back
        QVERIFY(sitting.page->currentComparison() != comparison);
    }

    void theStripSaysTheKeysThatWork() {
        Sitting sitting;
        sitting.start(taskOf(u"helpfulness"_s, {"rationale"}));
        sitting.press(Qt::Key_F);
        QStringList keys;
        for (const KeyHint& hint : sitting.page->keyStrip()->hints())
            keys.append(hint.key);
        QCOMPARE(keys, (QStringList{u"0"_s, u"1"_s, u"2"_s, u"3"_s, u"4"_s, u"Enter"_s, u"Esc"_s}));
        QVERIFY2(clipped(sitting.window.get()).isEmpty(), qPrintable(clipped(sitting.window.get()).join(u" | "_s)));
        sitting.press(Qt::Key_4);
        sitting.press(Qt::Key_1);
        // The text has the keys now: letters are letters, and none of them votes.
        QLineEdit* field = sitting.page->draftBar()->field();
        QTRY_VERIFY(field->hasFocus());
        QCOMPARE(sitting.page->keyStrip()->hints().size(), qsizetype{2}); // Enter and Esc: nothing else is a command now
        QTest::keyClicks(field, u"short and true, S"_s);
        QCOMPARE(sitting.votes(), int64_t{0});
        sitting.press(Qt::Key_Escape); // back to the keys, the text stays
        QVERIFY(sitting.page->hasFocus());
        QVERIFY(sitting.page->draft());
        QVERIFY(sitting.page->keyStrip()->hints().size() > 2);
        const desk::Id comparison = sitting.page->currentComparison();
        QSignalSpy saved(sitting.page, &LabelPage::saved);
        sitting.press(Qt::Key_Return);
        QVERIFY(!saved.isEmpty() || saved.wait(4000));
        const auto j = *sitting.ask([&, task = sitting.context().task.id, person = sitting.context().annotator](desk::Project& p) {
            return must(p.currentJudgement(task, person, comparison));
        });
        QCOMPARE(j.rationale, std::string("short and true, S"));
        QCOMPARE(*j.strength, 1);
    }

    void nothingMovesWhenAVoteIsChosen() {
        Sitting sitting;
        sitting.start(taskOf(u"helpfulness\npair: clearer"_s, {"rationale"}));
        const QRect before = sitting.page->pairView()->geometry();
        sitting.press(Qt::Key_F);
        QTest::qWait(20);
        QCOMPARE(sitting.page->pairView()->geometry(), before);
        for (const int key : {Qt::Key_1, Qt::Key_3, Qt::Key_3})
            sitting.press(key);
        QTest::qWait(20);
        QCOMPARE(sitting.page->pairView()->geometry(), before);
    }

    void settingsAskForMore() {
        Sitting sitting;
        sitting.start({});
        QVERIFY(!sitting.page->draftBar()->isVisible());
        sitting.window->goTo(u"settings"_s);
        auto* settings = qobject_cast<SettingsPage*>(sitting.window->page(u"settings"_s));
        QPlainTextEdit* asked = nullptr;
        for (QPlainTextEdit* edit : settings->findChildren<QPlainTextEdit*>())
            if (edit->accessibleName() == u"Asked with every vote")
                asked = edit;
        auto* save = settings->findChild<QPushButton*>(u"save_task"_s);
        QVERIFY(asked && save);
        asked->setPlainText(u"helpfulness 0-77"_s);
        save->click();
        QVERIFY2(settings->messageText().contains(u"Line 1"_s), qPrintable(settings->messageText()));
        asked->setPlainText(u"helpfulness"_s);
        QSignalSpy done(settings, &SettingsPage::taskSaved);
        save->click();
        QVERIFY(!done.isEmpty() || done.wait(4000));
        sitting.window->goTo(u"label"_s);
        QTRY_VERIFY(sitting.page->draftBar()->isVisible());
        QVERIFY(sitting.ready());
        const auto j = sitting.whole({Qt::Key_D, Qt::Key_4, Qt::Key_0});
        QCOMPARE(j.attributes["a"]["helpfulness"].get<int>() + j.attributes["b"]["helpfulness"].get<int>(), 4);
    }
};

QTEST_MAIN(TestVoteDraft)
#include "tst_vote_draft.moc"
