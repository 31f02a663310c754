// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=180
// Packages dealt out, labelled and merged through the window; erasing; the guideline an old vote was given under.
#include "core/desk/store/packages.h"
#include "core/desk/store/rankings.h"
#include "tests/ui/find.h"
#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/paged_table.h"
#include "ui/label/label_page.h"
#include "ui/label/rank_page.h"
#include "ui/runs/runs_page.h"
#include "ui/settings/people_card.h"
#include "ui/settings/settings_page.h"
#include "ui/shell/annotator.h"
#include "ui/shell/chrome.h"
#include "ui/widgets/search_list.h"

using namespace fixture;

namespace {

std::vector<PageFactory> pages(Preferences& preferences) {
    return {labelPage(), dataPage(), runsPage(), settingsPage(preferences)};
}

SettingsPage* settings(Desk& desk) {
    desk.window->goTo(u"settings"_s);
    return qobject_cast<SettingsPage*>(desk.window->page(u"settings"_s));
}

void picture(Desk& desk, const QString& name) {
    const QString folder = QString::fromLocal8Bit(qgetenv("PAIRLAB_BUILD_DIR")) + u"/screenshots"_s;
    QDir().mkpath(folder);
    for (const ThemeMode mode : {ThemeMode::Dark, ThemeMode::Light}) {
        applyTheme(*qApp, mode);
        QTest::qWait(30);
        QVERIFY(desk.window->grab().save(u"%1/people-%2-%3.png"_s.arg(folder, name, mode == ThemeMode::Dark ? u"dark"_s : u"light"_s)));
        QCOMPARE(clipped(desk.window.get()), QStringList());
    }
}

void scrollTo(SettingsPage* page, QWidget* card) {
    auto* area = page->findChild<QScrollArea*>();
    area->widget()->adjustSize();
    QTest::qWait(20);
    area->verticalScrollBar()->setValue(std::max(0, card->mapTo(area->widget(), QPoint()).y() - 16));
}

} // namespace

class TestPeople : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void aPackageGoesOutIsLabelledByKeysAndComesBack() {
        Desk manager;
        makeProject(manager.dir(), 30, desk::Scale::SevenPoint, [](desk::Project& p) {
            for (int i = 0; i < 5; ++i) {
                desk::NewPrompt prompt;
                prompt.content = "Order these, " + std::to_string(i);
                const desk::Id id = must(p.addPrompts({prompt}))[0];
                std::vector<desk::NewCandidate> answers(3);
                for (int k = 0; k < 3; ++k) {
                    answers[size_t(k)].prompt = id;
                    answers[size_t(k)].content = "Answer " + std::to_string(k) + " to be ranked.";
                    answers[size_t(k)].modelName = "secretmodel";
                }
                must(p.addCandidates(answers));
            }
            desk::MakeRankingsOptions three;
            three.size = 3;
            must(desk::makeRankings(p, three));
        });
        manager.show(pages(manager.preferences));
        QVERIFY(!annotatorMode(manager.context()));
        SettingsPage* page = settings(manager);
        PeopleCard* card = page->people();
        QVERIFY(card && !page->package());
        auto* names = named<QLineEdit>(*card, u"Who is to label"_s);
        QVERIFY(!card->findChild<QPushButton*>(u"deal_out"_s)->isEnabled());
        names->setFocus();
        QTest::keyClicks(names, u"Bo, Cy"_s);
        QVERIFY(card->findChild<QPushButton*>(u"deal_out"_s)->isEnabled());
        named<QSpinBox>(*card, u"Pairs of each person"_s)->setValue(6);
        named<QSpinBox>(*card, u"Pairs that everybody gets"_s)->setValue(2);
        named<QSpinBox>(*card, u"Sets of each person"_s)->setValue(2);
        named<QSpinBox>(*card, u"Sets that everybody gets"_s)->setValue(1);
        const QString out = manager.temp.filePath(u"out"_s);
        card->dealTo(out);
        QTRY_COMPARE(card->packagesShown(), 2);
        QVERIFY2(card->messageText().contains(u"2 packages"), qPrintable(card->messageText()));
        QString file;
        for (const QString& name : QDir(out).entryList({u"Bo-*.pairpack"_s}))
            file = out + u'/' + name;
        QVERIFY(!file.isEmpty());

        QString returned = manager.temp.filePath(u"bo.pairback"_s);
        {
            Desk bo;
            WorkspaceRequest r = bo.request();
            r.kind = WorkspaceRequest::Kind::Package;
            r.model = file;
            bo.show(pages(bo.preferences), r, {1280, 800});
            QVERIFY(annotatorMode(bo.context()));
            QCOMPARE(bo.context().annotatorName, u"Bo"_s);
            // Label, the own votes and Settings; no way to runs, imports or models.
            for (const auto& [id, there] : {std::pair{u"label"_s, true}, {u"data"_s, true}, {u"runs"_s, false}, {u"settings"_s, true}})
                QCOMPARE(bo.window->findChild<QWidget*>(u"rail_"_s + id)->isVisible(), there);
            QVERIFY(!bo.window->runStrip()->isVisible());
            QVERIFY(!bo.window->goTo(u"runs"_s));
            QTest::keyClick(bo.window.get(), Qt::Key_3, Qt::AltModifier);
            QCOMPARE(bo.window->currentPage(), u"label"_s);
            bo.window->setFocusMode(true);
            bo.window->setFocusMode(false);
            QVERIFY(!bo.window->runStrip()->isVisible());

            auto* label = qobject_cast<LabelPage*>(bo.window->page(u"label"_s));
            label->setGuardMs(0);
            QSignalSpy saved(label, &LabelPage::saved);
            for (int i = 0; i < 6; ++i) {
                QVERIFY(QTest::qWaitFor([&] { return label->takesVotes(); }, 5000));
                if (i == 3)
                    picture(bo, u"annotator"_s);
                QTest::keyClick(label, i % 2 ? Qt::Key_S : Qt::Key_L);
                QTRY_COMPARE(saved.count(), i + 1);
            }
            // The sets come by themselves when every pair has its vote.
            auto* rank = [&] {
                RankPage* found = nullptr;
                [&] { QTRY_VERIFY((found = label->findChild<RankPage*>()) && found->isVisible()); }();
                return found;
            }();
            QVERIFY(rank);
            // The key that undoes a vote is a letter here: the status line says the way to it, and no more once it is gone.
            const auto* status = bo.window->findChild<StatusLine*>();
            QTRY_VERIFY2(status->message().endsWith(u"better: Esc, then U undoes"_s), qPrintable(status->message()));
            QTest::keyClick(rank, Qt::Key_Escape);
            QTRY_VERIFY2(status->message().endsWith(u"better: U undoes"_s), qPrintable(status->message()));
            QTest::keyClick(label, Qt::Key_F6);
            QTRY_VERIFY2(rank->isVisible() && status->message().endsWith(u"better: Esc, then U undoes"_s), qPrintable(status->message()));
            rank->setGuardMs(0);
            QSignalSpy ordered(rank, &RankPage::saved);
            for (int i = 0; i < 2; ++i) {
                QVERIFY(QTest::qWaitFor([&] { return rank->takesVotes(); }, 5000));
                if (i == 0)
                    picture(bo, u"annotator-set"_s);
                QVERIFY(!shows(*rank, u"secretmodel"_s));
                QTest::keyClick(rank, Qt::Key_B);
                QTest::keyClick(rank, Qt::Key_A);
                QTRY_COMPARE(ordered.count(), i + 1);
            }
            QTRY_COMPARE(rank->mode(), RankPage::Mode::Done);
            QVERIFY(!shows(*rank, u"Make more sets from the answers"_s));
            picture(bo, u"annotator-sets-done"_s);
            QTest::mouseClick(button(*rank, u"Give the package back"_s), Qt::LeftButton);
            QTRY_COMPARE(bo.window->currentPage(), u"settings"_s);
            bo.window->goTo(u"label"_s);
            QTest::keyClick(rank, Qt::Key_Escape);
            QTRY_COMPARE(label->mode(), LabelPage::Mode::Done);
            picture(bo, u"annotator-done"_s);
            QVERIFY(!shows(*label, u"Train on these votes"_s) && !shows(*label, u"Write more pairs"_s));
            QTest::mouseClick(button(*label, u"Give the package back"_s), Qt::LeftButton);
            QTRY_COMPARE(bo.window->currentPage(), u"settings"_s);
            bo.window->goTo(u"data"_s);
            auto* data = qobject_cast<DataPage*>(bo.window->page(u"data"_s));
            QCOMPARE(data->tab(), DataPage::Votes);
            auto* tabs = data->findChild<QTabBar*>();
            int shown = 0;
            for (int i = 0; i < tabs->count(); ++i)
                shown += tabs->isTabVisible(i);
            QCOMPARE(shown, 1);
            QTRY_COMPARE(int(data->table(DataPage::Votes)->model()->total()), 8);
            bo.window->goTo(u"data"_s, u"prompts"_s); // nor by an argument
            QCOMPARE(data->tab(), DataPage::Votes);

            SettingsPage* mine = settings(bo);
            PackageCard* package = mine->package();
            QVERIFY(package && !mine->people());
            QTRY_VERIFY(!package->findChildren<QLabel*>().isEmpty());
            package->giveBack(returned);
            QTRY_VERIFY2(package->messageText().contains(u"6 of 6 pairs and 2 of 2 sets"), qPrintable(package->messageText()));
            picture(bo, u"package"_s);
        }
        // Dropped on the manager's window it is merged, and again it counts nothing twice.
        manager.window->activateWindow();
        manager.window->open(returned);
        QTRY_VERIFY2(card->messageText().contains(u"8 new judgements of Bo"), qPrintable(card->messageText()));
        card->merge({returned});
        QTRY_VERIFY2(card->messageText().contains(u"Nothing new"), qPrintable(card->messageText()));
        QCOMPARE(manager.ask([](desk::Project& p) { return p.counters().current; }), int64_t{8});
        scrollTo(page, card);
        picture(manager, u"manager"_s);
        card->merge({file}); // a package is no return
        QTRY_VERIFY2(card->messageText().contains(u"is not a pairlab-return"), qPrintable(card->messageText()));
    }

    void aPromptIsErasedAfterALookAndAReason() {
        Desk desk;
        makeProject(desk.dir(), 6, pl::desk::Scale::SevenPoint, [](desk::Project& p) {
            desk::NewPrompt prompt;
            prompt.content = "A prompt that names somebody";
            must(p.addPrompts({prompt}));
        });
        desk.show(pages(desk.preferences));
        SettingsPage* page = settings(desk);
        auto* card = page->findChild<EraseCard*>();
        QVERIFY(card);
        auto* look = card->findChild<QPushButton*>(u"erase_look"_s);
        auto* erase = card->findChild<QPushButton*>(u"erase_now"_s);
        auto* what = named<QLineEdit>(*card, u"Whom or what to erase"_s);
        auto* why = named<QLineEdit>(*card, u"Why"_s);
        QVERIFY(!look->isEnabled() && !erase->isEnabled());
        card->findChild<SegmentedControl*>()->setCurrent(1);
        what->setFocus();
        QTest::keyClicks(what, u"7"_s);
        QTest::keyClick(what, Qt::Key_Return);
        QTRY_VERIFY2(card->previewText().contains(u"A prompt that names somebody"), qPrintable(card->previewText()));
        QVERIFY(!erase->isEnabled()); // not without a reason
        QTRY_COMPARE(desk.window->focusWidget(), static_cast<QWidget*>(why));
        QTest::keyClicks(why, u"asked"_s);
        QVERIFY(erase->isEnabled());
        scrollTo(page, card);
        picture(desk, u"erase"_s);
        QTest::keyClicks(what, u"1"_s); // another one was not looked at
        QVERIFY(!erase->isEnabled());
        QTest::keyClick(what, Qt::Key_Backspace);
        QVERIFY(erase->isEnabled());
        QCOMPARE(desk.ask([](desk::Project& p) { return p.counters().prompts; }), int64_t{7});
        QTest::mouseClick(erase, Qt::LeftButton);
        QTRY_COMPARE(card->messageText(), u"Erased"_s);
        QCOMPARE(desk.ask([](desk::Project& p) { return p.counters().prompts; }), int64_t{6});
        QVERIFY(what->text().isEmpty() && !erase->isEnabled());
    }

    void f4OpensTheGuidelineAVoteWasGivenUnder() {
        Desk desk;
        makeProject(desk.dir(), 4, pl::desk::Scale::SevenPoint, [](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.guideline = "The first text of the guideline.";
            must(p.updateTask(task));
            task = must(p.defaultTask());
            desk::Project::NextOptions o;
            o.task = task.id;
            o.annotator = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
            desk::JudgementInput in;
            in.winner = desk::Winner::A;
            must(p.presentAndJudge(must(p.next(o))[0].presentation, in));
            task.guideline = "The second text.";
            must(p.updateTask(task));
        });
        desk.show(pages(desk.preferences));
        desk.window->goTo(u"data"_s, u"votes"_s);
        auto* data = qobject_cast<DataPage*>(desk.window->page(u"data"_s));
        QTRY_COMPARE(int(data->table(DataPage::Votes)->model()->total()), 1);
        data->table(DataPage::Votes)->view()->selectRow(0);
        QTRY_VERIFY(!data->detail(DataPage::Votes)->title().isEmpty());
        const auto seen = [&](const QString& text) {
            for (QLabel* label : data->detail(DataPage::Votes)->findChildren<QLabel*>())
                if (label->text().contains(text))
                    return true;
            return false;
        };
        QVERIFY(!seen(u"which this vote was given under"_s));
        QTest::keyClick(data->table(DataPage::Votes)->view(), Qt::Key_F4);
        QTRY_VERIFY(seen(u"Guideline v2, which this vote was given under"_s));
        picture(desk, u"guideline"_s);
        QTest::keyClick(data->table(DataPage::Votes)->view(), Qt::Key_F4);
        QTRY_VERIFY(!seen(u"which this vote was given under"_s));
    }
};

QTEST_MAIN(TestPeople)
#include "tst_people.moc"
