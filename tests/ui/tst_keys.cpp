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
                    QVERIFY2(keys.find(scale, action.normal, action.images) == action.id, action.name);
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
        sitting.choose(KeyId::MuchA, Qt::Key_Y);
        QCOMPARE(sitting.card->button(KeyId::MuchA)->text(), u"Y"_s);
        QCOMPARE(sitting.card->messageText(), u"A much better is Y now"_s);
        QTRY_COMPARE(sitting.stripKey(u"A much"_s), u"Y"_s);
        QVERIFY(!sitting.votes(Qt::Key_S));
        QVERIFY(sitting.votes(Qt::Key_Y));
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
        sitting.choose(KeyId::Tie, Qt::Key_Y);
        sitting.window.reset();
        Preferences again(sitting.preferences.file());
        QCOMPARE(KeyMap(again.keys()).key(KeyId::Undo), int{Qt::Key_Backspace});
        sitting.open();
        QCOMPARE(sitting.stripKey(u"tie"_s), u"Y"_s);
        QCOMPARE(sitting.card->button(KeyId::Undo)->text(), KeyMap::text(Qt::Key_Backspace));
        QVERIFY(sitting.votes(Qt::Key_Y));
        QTest::keyClick(sitting.label, Qt::Key_Backspace);
        QTRY_VERIFY(sitting.ask([](desk::Project& p) { return p.currentVotes(); }).empty());
        sitting.window->goTo(u"settings"_s);
        sitting.card->profiles()->setCurrent(0);
        QVERIFY(sitting.preferences.keys().isEmpty());
        QTRY_COMPARE(sitting.stripKey(u"tie"_s), u"Space"_s);
        QVERIFY(sitting.votes(Qt::Key_Space));
    }

    void everySetOfKeysFitsTogether() {
        for (const KeyProfile profile : {KeyProfile::Standard, KeyProfile::LeftHand, KeyProfile::Numpad}) {
            const KeyMap keys = KeyMap::of(profile);
            QVERIFY(keys.profile() == profile);
            QCOMPARE(KeyMap(keys.changed()), keys); // as the preferences keep it
            for (const KeyAction& action : KeyMap::actions())
                QVERIFY2(keys.refusal(action.id, keys.key(action.id)).isEmpty(), action.name);
        }
        const KeyMap pad = KeyMap::of(KeyProfile::Numpad);
        QCOMPARE(pad.text(KeyId::MuchA), u"Num 7"_s);
        const auto vote = [&](int key, Qt::KeyboardModifiers held) {
            const auto found = labelKey(pad, Scale::SevenPoint, key, held, false);
            return found && found->action == LabelAction::Vote ? voteWords(found->vote) : QString();
        };
        QCOMPARE(vote(Qt::Key_7, Qt::KeypadModifier), u"A much better"_s);
        QCOMPARE(vote(Qt::Key_7, Qt::NoModifier), u"B much better"_s); // the row of digits: points of the scale
        QCOMPARE(vote(Qt::Key_3, Qt::KeypadModifier), u"B slightly better"_s);
        // The digits of the pad may be chosen, those of the row may not.
        KeyMap own;
        QVERIFY(own.set(KeyId::Skip, Qt::Key_4 | int{Qt::KeypadModifier}));
        QVERIFY(!own.set(KeyId::Flag, Qt::Key_4 | int{Qt::KeypadModifier}));
        QVERIFY(!own.set(KeyId::Flag, Qt::Key_4));
        QVERIFY(!own.set(KeyId::Flag, Qt::Key_Enter | int{Qt::KeypadModifier}));
        // What is only of images and what is only of texts may share a key; with what is of both neither may.
        QVERIFY(own.set(KeyId::Edit, Qt::Key_V));
        QVERIFY(own.find(Scale::Simple, Qt::Key_V, true) == KeyId::ImageFlip);
        QVERIFY(own.find(Scale::Simple, Qt::Key_V, false) == KeyId::Edit);
        QCOMPARE(own.refusal(KeyId::Undo, Qt::Key_V), u"V is “Edit an answer” already"_s);
    }

    void aSetComesBackFromItsFile() {
        KeyMap keys = KeyMap::of(KeyProfile::LeftHand);
        QVERIFY(keys.set(KeyId::Flag, Qt::Key_J));
        const auto back = KeyMap::fromJson(keys.toJson());
        QVERIFY(back);
        QCOMPARE(*back, keys);
        const auto why = [](const QByteArray& bytes) {
            const auto read = KeyMap::fromJson(bytes);
            return read ? QString() : QString::fromStdString(read.error().message);
        };
        const auto with = [](const QByteArray& inner) { return "{\"pairlab_keys\": 1, \"keys\": {" + inner + "}}"; };
        QVERIFY(why(with("")).isEmpty());
        QVERIFY(why("not json").contains(u"no set of keys"_s));
        QVERIFY(why("{\"pairlab_keys\": 2, \"keys\": {}}").contains(u"no set of keys"_s));
        QVERIFY(why(QByteArray(70'000, ' ')).contains(u"64 KiB"_s));
        QVERIFY(why(with("\"fly\": \"F\"")).contains(u"no action “fly”"_s));
        QVERIFY(why(with("\"skip\": \"Ctrl+X\"")).contains(u"no single key"_s));
        QVERIFY(why(with("\"skip\": \"Up\"")).contains(u"scrolls"_s));
        QVERIFY(why(with("\"skip\": \"J\"")).contains(u"J is “Skip” already"_s));
        QVERIFY(why(with("\"skip\": 5")).contains(u"no single key"_s));
        // Two that change places are no conflict.
        QVERIFY(KeyMap::fromJson(with("\"skip\": \"G\", \"flag\": \"X\"")));
    }

    void setsAreChosenSavedAndTakenInSettings() {
        Sitting sitting;
        sitting.start();
        sitting.choose(KeyId::Skip, Qt::Key_Y);
        QCOMPARE(sitting.card->profiles()->current(), 3);
        sitting.card->profiles()->setCurrent(1);
        QTRY_COMPARE(sitting.stripKey(u"A much"_s), u"Q"_s);
        QVERIFY(sitting.votes(Qt::Key_Q));
        const auto votes = sitting.ask([](desk::Project& p) { return p.currentVotes(); });
        QVERIFY((votes.front().winner == desk::Winner::A) == votes.front().aOnLeft && votes.front().strength == 3);
        sitting.window->goTo(u"settings"_s);
        sitting.card->profiles()->setCurrent(2);
        QTRY_COMPARE(sitting.stripKey(u"A much"_s), u"Num 7"_s);
        sitting.window->goTo(u"label"_s);
        QVERIFY(QTest::qWaitFor([&] { return sitting.label->takesVotes(); }, 4000));
        QSignalSpy saved(sitting.label, &LabelPage::saved);
        QTest::keyClick(sitting.label, Qt::Key_6, Qt::KeypadModifier);
        QVERIFY(saved.count() > 0 || saved.wait(2000));
        sitting.window->goTo(u"settings"_s);
        sitting.card->profiles()->setCurrent(3); // one's own again
        QCOMPARE(sitting.card->keys().key(KeyId::Skip), int{Qt::Key_Y});
        QCOMPARE(sitting.card->keys().key(KeyId::MuchA), int{Qt::Key_S});
        const QString file = sitting.temp.filePath(u"keys.json"_s);
        sitting.card->saveTo(file);
        QVERIFY(sitting.card->messageText().contains(file));
        sitting.card->profiles()->setCurrent(0);
        QTRY_COMPARE(sitting.stripKey(u"skip"_s), u"X"_s);
        sitting.card->takeFrom(file);
        QTRY_COMPARE(sitting.stripKey(u"skip"_s), u"Y"_s);
        QCOMPARE(sitting.card->profiles()->current(), 3);
        for (const bool dark : {false, true}) { // to be looked at
            applyTheme(*qApp, dark ? ThemeMode::Dark : ThemeMode::Light);
            QCoreApplication::processEvents();
            const QString folder = qEnvironmentVariable("PAIRLAB_BUILD_DIR") + u"/screenshots"_s;
            QVERIFY(QDir().mkpath(folder) && sitting.card->grab().save(folder + u"/settings-keys-%1.png"_s.arg(dark ? u"dark"_s : u"light"_s)));
        }
        applyTheme(*qApp, ThemeMode::Light);
        sitting.card->takeFrom(sitting.temp.filePath(u"nothing.json"_s));
        QVERIFY(sitting.card->messageText().contains(u"cannot be read"_s));
        QCOMPARE(sitting.card->keys().key(KeyId::Skip), int{Qt::Key_Y});
        QVERIFY2(clipped(sitting.card).isEmpty(), qPrintable(clipped(sitting.card).join(u" | "_s)));
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
