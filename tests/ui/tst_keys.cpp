// SPDX-License-Identifier: GPL-3.0-or-later
// Keys of the Label page chosen in Settings: what is refused, what is kept, and that the page works and says
// the same.
#include "tests/ui/page_fixture.h"
#include "ui/label/keys.h"
#include "ui/label/label_page.h"
#include "ui/settings/keys_card.h"
#include "ui/settings/settings_page.h"

using namespace fixture;
using pl::desk::Scale;

namespace {

std::vector<PageFactory> pages(Preferences& preferences) {
    return {labelPage(&preferences), settingsPage(preferences)};
}

struct Sitting : Desk {
    LabelPage* label = nullptr;
    KeysCard* card = nullptr;

    void start(int pairs = 12, Scale scale = Scale::SevenPoint) {
        makeProject(dir(), pairs, scale);
        open();
    }
    void open() {
        show(pages(preferences));
        label = qobject_cast<LabelPage*>(window->page(u"label"_s));
        label->setGuardMs(0);
        window->goTo(u"settings"_s, u"keys"_s);
        card = window->page(u"settings"_s)->findChild<KeysCard*>();
        QVERIFY(card);
    }
    /// A click on the action's button, then the key.
    void choose(KeyId id, Qt::Key key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
        QPushButton* button = card->button(id);
        button->setFocus();
        button->click();
        QTest::keyClick(button, key, modifiers);
    }
    QString stripKey(const QString& words) const {
        for (const KeyHint& hint : label->keyStrip()->hints())
            if (hint.label == words)
                return hint.key;
        return {};
    }
    /// Presses a key on the Label page; true when it became a vote on disk.
    bool votes(Qt::Key key) {
        window->goTo(u"label"_s);
        if (!QTest::qWaitFor([this] { return label->takesVotes(); }, 4000))
            return false;
        QSignalSpy saved(label, &LabelPage::saved);
        QTest::keyClick(label, key);
        const bool voted = saved.count() > 0 || saved.wait(300);
        return voted;
    }
};

} // namespace

class TestKeys : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void everyActionHasAKeyOfItsOwn() {
        const KeyMap keys;
        for (const Scale scale : {Scale::Simple, Scale::SevenPoint})
            for (const KeyAction& action : KeyMap::actions()) {
                QCOMPARE(KeyMap::action(action.id).name, action.name);
                if (!action.scale || *action.scale == scale)
                    QVERIFY2(keys.find(scale, action.normal) == action.id, action.name);
            }
        QVERIFY(!keys.find(Scale::Simple, Qt::Key_S)); // never a mixture
        QVERIFY(!keys.find(Scale::SevenPoint, Qt::Key_Left));
    }

    void takenAndReservedKeysAreNamedAndRefused() {
        KeyMap keys;
        QCOMPARE(keys.refusal(KeyId::Skip, Qt::Key_J), u"J is “B slightly better” already"_s);
        QVERIFY(!keys.set(KeyId::Skip, Qt::Key_J));
        // The two scales never work together: the same key may serve both.
        QVERIFY(keys.set(KeyId::SimpleA, Qt::Key_S));
        QVERIFY(!keys.set(KeyId::Skip, Qt::Key_S));
        for (const int key :
             {Qt::Key_Up, Qt::Key_Down, Qt::Key_PageUp, Qt::Key_PageDown, Qt::Key_Tab, Qt::Key_Escape,
              Qt::Key_3, Qt::Key_Question, Qt::Key_F11, Qt::Key_Return, Qt::Key_Shift})
            QVERIFY2(!keys.refusal(KeyId::Skip, key).isEmpty() && !keys.set(KeyId::Skip, key),
                     qPrintable(QKeySequence(key).toString()));
        QVERIFY(keys.refusal(KeyId::Skip, Qt::Key_Up).contains(u"scrolls"_s));
        QVERIFY(keys.set(KeyId::Skip, Qt::Key_Y));
        QVERIFY(keys.set(KeyId::Flag, Qt::Key_X)); // free by now
        QVERIFY(!keys.reset(KeyId::Skip));         // and taken
        QCOMPARE(KeyMap(keys.changed()), keys);
    }

    void aFileThatContradictsItselfFallsBackToTheNormalKeys() {
        QCOMPARE(KeyMap({{u"skip"_s, u"J"_s}}), KeyMap());
        QCOMPARE(KeyMap({{u"skip"_s, u"Up"_s}, {u"no_such"_s, u"Y"_s}, {u"flag"_s, u"Ctrl+Y"_s}}), KeyMap());
        const KeyMap swapped({{u"skip"_s, u"G"_s}, {u"flag"_s, u"X"_s}});
        QCOMPARE(swapped.key(KeyId::Skip), int{Qt::Key_G});
        QCOMPARE(swapped.key(KeyId::Flag), int{Qt::Key_X});
    }

    void aNewKeyWorksAtOnceAndTheStripShowsIt() {
        Sitting sitting;
        sitting.start();
        sitting.choose(KeyId::MuchA, Qt::Key_A);
        QCOMPARE(sitting.card->button(KeyId::MuchA)->text(), u"A"_s);
        QCOMPARE(sitting.card->messageText(), u"A much better is A now"_s);
        QTRY_COMPARE(sitting.stripKey(u"A much"_s), u"A"_s);
        QVERIFY(!sitting.votes(Qt::Key_S));
        QVERIFY(sitting.votes(Qt::Key_A));
        const auto votes = sitting.ask([](desk::Project& p) { return p.currentVotes(); });
        QCOMPARE(votes.size(), size_t{1});
        QCOMPARE(int(votes.front().strength), 3);
        QVERIFY((votes.front().winner == desk::Winner::A) == votes.front().aOnLeft);
        QVERIFY(sitting.votes(Qt::Key_1)); // the digits stay the points of the scale
    }

    void aTakenKeyChangesNothing() {
        Sitting sitting;
        sitting.start();
        sitting.choose(KeyId::Skip, Qt::Key_L);
        QCOMPARE(sitting.card->button(KeyId::Skip)->text(), u"X"_s);
        QCOMPARE(sitting.card->messageText(), u"L is “B much better” already: nothing was changed"_s);
        QVERIFY(sitting.preferences.keys().isEmpty());
        sitting.choose(KeyId::Skip, Qt::Key_Y, Qt::ControlModifier);
        QVERIFY(sitting.card->messageText().startsWith(u"One key alone"_s));
        // Esc leaves it as it was; a page key is a key like any other while the button waits.
        sitting.choose(KeyId::Skip, Qt::Key_Escape);
        QCOMPARE(sitting.card->button(KeyId::Skip)->text(), u"X"_s);
        sitting.choose(KeyId::Skip, Qt::Key_Tab);
        QVERIFY(sitting.card->messageText().contains(u"moves the focus"_s));
        QVERIFY(sitting.preferences.keys().isEmpty());
    }

    void keysOutliveTheWindowAndGoBack() {
        Sitting sitting;
        sitting.start();
        sitting.choose(KeyId::Undo, Qt::Key_Backspace);
        sitting.choose(KeyId::Tie, Qt::Key_T);
        sitting.window.reset();
        Preferences again(sitting.preferences.file());
        QCOMPARE(KeyMap(again.keys()).key(KeyId::Undo), int{Qt::Key_Backspace});
        sitting.open();
        QCOMPARE(sitting.stripKey(u"tie"_s), u"T"_s);
        QCOMPARE(sitting.card->button(KeyId::Undo)->text(), KeyMap::text(Qt::Key_Backspace));
        QVERIFY(sitting.votes(Qt::Key_T));
        QTest::keyClick(sitting.label, Qt::Key_Backspace);
        QTRY_VERIFY(sitting.ask([](desk::Project& p) { return p.currentVotes(); }).empty());
        sitting.window->goTo(u"settings"_s);
        for (QPushButton* button : sitting.card->findChildren<QPushButton*>())
            if (button->text() == u"All keys as they come"_s)
                button->click();
        QVERIFY(sitting.preferences.keys().isEmpty());
        QTRY_COMPARE(sitting.stripKey(u"tie"_s), u"Space"_s);
        QVERIFY(sitting.votes(Qt::Key_Space));
    }

    void theSimpleScaleHasItsOwnKeys() {
        Sitting sitting;
        sitting.start(12, Scale::Simple);
        QCOMPARE(sitting.stripKey(u"A better"_s), u"←"_s);
        sitting.choose(KeyId::SimpleB, Qt::Key_K); // taken on the other scale only
        QTRY_COMPARE(sitting.stripKey(u"B better"_s), u"K"_s);
        QVERIFY(!sitting.votes(Qt::Key_Right));
        QVERIFY(sitting.votes(Qt::Key_K));
    }
};

QTEST_MAIN(TestKeys)
#include "tst_keys.moc"
