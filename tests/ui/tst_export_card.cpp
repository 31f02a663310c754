// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=180
// The votes as a file, from the Data page; and what a vote marks, in its details.
#include <future>

#include <QCheckBox>
#include <QComboBox>
#include <QLineEdit>
#include <QTextEdit>

#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/domain/image_marks.h"
#include "core/desk/domain/text_marks.h"
#include "tests/ui/find.h"
#include "tests/ui/image_fixture.h"
#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/export_card.h"
#include "ui/data/paged_table.h"
#include "ui/widgets/image_view.h"

using namespace fixture;

namespace {

struct Shown : Desk {
    DataPage* page = nullptr;
    ExportCard* card = nullptr;
    void open() {
        show({dataPage()}, request(), {1280, 900});
        page = qobject_cast<DataPage*>(window->page(u"data"_s));
        QTRY_VERIFY(page->table(DataPage::Prompts)->model()->isLoaded());
    }
    /// As Ctrl+K does.
    void openCard() {
        window->goTo(u"data"_s, u"export"_s);
        card = page->findChild<ExportCard*>(u"export_card"_s);
        QVERIFY(card);
        QVERIFY(usable());
    }
    template<class T>
    T* find(const QString& name) {
        return page->findChild<T*>(name);
    }
    QString text(const char* name) { return find<TextLabel>(QString::fromLatin1(name))->text(); }
    bool usable() {
        return QTest::qWaitFor([this] { return text("export_counts") != u"Counting"_s; }, 5000) &&
               find<QPushButton>(u"export_write"_s)->isEnabled();
    }
    void choose(const QString& format) {
        auto* combo = find<QComboBox>(u"export_format"_s);
        combo->setFocus();
        QTest::keyClick(combo, Qt::Key_Home);
        for (int i = 0; i < 40 && combo->currentText() != format; ++i)
            QTest::keyClick(combo, Qt::Key_Down);
        QCOMPARE(combo->currentText(), format);
        QVERIFY(QTest::qWaitFor([this] { return text("export_counts") != u"Counting"_s; }, 5000));
    }
    bool write() {
        QSignalSpy finished(card, &ExportCard::finished);
        auto* path = find<QLineEdit>(u"export_path"_s);
        path->setFocus();
        QTest::keyClick(path, Qt::Key_Return);
        return (!finished.isEmpty() || finished.wait(8000)) && finished[0][0].toBool();
    }
    void enter() {
        find<QLineEdit>(u"export_path"_s)->setFocus();
        QTest::keyClick(find<QLineEdit>(u"export_path"_s), Qt::Key_Return);
    }
    void picture(const QString& name) { savePictures(window.get(), u"data-"_s + name); }
};

/// Work that the reader is held at, so that whatever comes behind it waits.
struct Held {
    std::promise<void> begun, released;
    explicit Held(ExportCard& card) {
        auto hasBegun = begun.get_future();
        card.reader().read([this, mayGoOn = std::make_shared<std::future<void>>(released.get_future())](Result<desk::Project*>) {
            begun.set_value();
            mayGoOn->wait_for(std::chrono::seconds(60));
        });
        hasBegun.wait_for(std::chrono::seconds(60));
    }
    void letGo() { released.set_value(); }
};

/// A text of the panel, as it is read.
bool reads(QWidget& panel, const QString& part) {
    for (const QTextEdit* text : panel.findChildren<QTextEdit*>())
        if (text->toPlainText().contains(part))
            return true;
    return false;
}

/// A vote on the next pair of the project.
void judge(desk::Project& p, desk::Id task, desk::Id person, const std::function<void(const desk::LabelItem&, desk::JudgementInput&)>& what) {
    desk::Project::NextOptions o;
    o.task = task;
    o.annotator = person;
    o.limit = 1;
    const auto item = must(p.next(o)).at(0);
    desk::JudgementInput in;
    in.winner = desk::Winner::A;
    what(item, in);
    must(p.presentAndJudge(item.presentation, in));
}

/// A project with three votes, its card open, a file's name typed.
void openWithVotes(Shown& shown, const QString& path) {
    makeProject(shown.dir(), 3, desk::Scale::SevenPoint, [](desk::Project& p) {
        judge(p, must(p.defaultTask()).id, must(p.annotator(desk::AnnotatorKind::Human, "Ada")), [](const desk::LabelItem&, desk::JudgementInput&) {});
    });
    shown.open();
    shown.openCard();
    shown.find<QLineEdit>(u"export_path"_s)->selectAll();
    QTest::keyClicks(shown.find<QLineEdit>(u"export_path"_s), path);
}

} // namespace

class TestExportCard : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void votesAreWrittenAsTheFormSays() {
        Shown shown;
        makeProject(shown.dir(), 6, desk::Scale::SevenPoint, [](desk::Project& p) {
            const auto task = must(p.defaultTask()).id;
            const auto ada = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
            for (int i = 0; i < 4; ++i)
                judge(p, task, ada, [i](const desk::LabelItem&, desk::JudgementInput& in) {
                    if (i == 3) {
                        in.winner = desk::Winner::Tie;
                        in.tieKind = desk::TieKind::BothGood;
                    }
                });
        });
        shown.open();
        shown.openCard();
        QVERIFY(qobject_cast<QComboBox*>(QApplication::focusWidget()));
        const QString path = shown.temp.filePath(u"out/votes.jsonl"_s);
        shown.find<QLineEdit>(u"export_path"_s)->setFocus();
        shown.find<QLineEdit>(u"export_path"_s)->selectAll();
        QTest::keyClicks(shown.find<QLineEdit>(u"export_path"_s), path);
        shown.choose(u"hh"_s);
        QVERIFY(shown.text("export_losses").contains(u"ties are left out"_s));
        QVERIFY(shown.text("export_losses").contains(u"spans, regions and struck words"_s));
        QCOMPARE(shown.text("export_counts"), u"3 rows of 3 votes on 3 pairs; 1 left out: ties"_s);
        shown.picture(u"export"_s);
        QVERIFY(!os::exists(sstr(path))); // nothing before it is asked for
        QVERIFY(shown.write());
        QVERIFY(shown.find<QPushButton>(u"export_open"_s)->isVisible());
        int rows = 0;
        must(forEachJsonLine(sstr(path), [&](const Json& row, size_t) -> Status {
            rows += row.contains("chosen") && row.contains("rejected");
            return {};
        }));
        QCOMPARE(rows, 3);
        QVERIFY(os::exists(sstr(path) + ".manifest.json"));
        auto* message = shown.find<InlineMessage>(u"export_message"_s);
        QVERIFY(message->text().contains(u"votes.jsonl: 3 rows"_s));
        QVERIFY(shown.page->detail(DataPage::Votes)->viewport()->rect().contains(message->mapTo(shown.page->detail(DataPage::Votes)->viewport(), QPoint(0, message->height()))));
        shown.picture(u"export-done"_s);
        // Every event, whatever the splits say.
        shown.choose(u"votes"_s);
        QVERIFY(!shown.find<QCheckBox>(u"export_train"_s)->isEnabled());
        QVERIFY(shown.text("export_counts").startsWith(u"4 rows"_s));
        // The name is still that of the other form: what is there is replaced when that is said, and not by Enter, twice or held down.
        auto* button = shown.find<QPushButton>(u"export_write"_s);
        auto* name = shown.find<QLineEdit>(u"export_path"_s);
        const std::string written = must(os::readFile(sstr(path)));
        QSignalSpy finished(shown.card, &ExportCard::finished);
        name->setFocus();
        QTest::keyClick(name, Qt::Key_Return);
        QVERIFY(message->text().contains(u"votes.jsonl is there already"_s));
        QCOMPARE(button->text(), u"Replace the file"_s);
        QVERIFY(button->hasFocus());
        shown.picture(u"export-replace"_s);
        QTest::keyClick(button, Qt::Key_Return);
        QVERIFY(!finished.wait(200));
        // Another name, and the question is gone.
        name->setFocus();
        QTest::keyClicks(name, u"x"_s);
        QCOMPARE(button->text(), u"Write the file"_s);
        QVERIFY(message->text().isEmpty());
        QTest::keyClick(name, Qt::Key_Backspace);
        QTest::keyClick(name, Qt::Key_Return);
        QVERIFY(must(os::readFile(sstr(path))) == written);
        QTest::keyClick(button, Qt::Key_Space);
        QVERIFY(!finished.isEmpty() || finished.wait(8000));
        QVERIFY(finished[0][0].toBool());
        QCOMPARE(button->text(), u"Write the file"_s);
        rows = 0;
        must(forEachJsonLine(sstr(path), [&](const Json& row, size_t) -> Status {
            rows += row.contains("chain");
            return {};
        }));
        QCOMPARE(rows, 4);
        // Without a split there is nothing to write.
        shown.choose(u"aggregate"_s);
        for (const QString& name : {u"export_train"_s, u"export_dev"_s}) {
            auto* split = shown.find<QCheckBox>(name);
            split->setFocus();
            QTest::keyClick(split, Qt::Key_Space);
        }
        QVERIFY(!shown.usable());
        QVERIFY(shown.text("export_counts").contains(u"no split"_s));
        // Nothing goes into the project, and no folder is made for it.
        shown.choose(u"votes"_s);
        name->setText(shown.dir() + u"/own/votes.jsonl"_s);
        QVERIFY(!shown.write());
        QVERIFY2(message->text().contains(u"lies in the project's own folder"_s), qPrintable(message->text()));
        QVERIFY(!os::exists(sstr(shown.dir() + u"/own"_s)));
        // A place that cannot be written to says so.
        shown.find<QLineEdit>(u"export_path"_s)->setText(path + u"/below/a/file.jsonl"_s);
        QVERIFY(shown.usable());
        QVERIFY(!shown.write());
        QVERIFY(shown.find<InlineMessage>(u"export_message"_s)->text().startsWith(u"Nothing was written"_s));
        QVERIFY(!shown.find<QPushButton>(u"export_open"_s)->isVisible());
    }

    /// Neither counting nor writing is in the way of a vote.
    void votesDoNotWaitForAnExport() {
        Shown shown;
        makeProject(shown.dir(), 6, desk::Scale::SevenPoint, [](desk::Project& p) {
            const auto ada = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
            for (int i = 0; i < 4; ++i)
                judge(p, must(p.defaultTask()).id, ada, [](const desk::LabelItem&, desk::JudgementInput&) {});
        });
        shown.open();
        shown.openCard();
        const QString path = shown.temp.filePath(u"votes.jsonl"_s);
        shown.find<QLineEdit>(u"export_path"_s)->selectAll();
        QTest::keyClicks(shown.find<QLineEdit>(u"export_path"_s), path);
        shown.choose(u"votes"_s);
        // Held before the export begins: whatever runs on the store's thread instead is done long before.
        std::promise<void> begun, released;
        auto hasBegun = begun.get_future(), mayGoOn = released.get_future();
        shown.card->reader().read([&](Result<desk::Project*>) {
            begun.set_value();
            mayGoOn.wait_for(std::chrono::seconds(60));
        });
        QVERIFY(hasBegun.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
        QSignalSpy finished(shown.card, &ExportCard::finished);
        shown.find<QLineEdit>(u"export_path"_s)->setFocus();
        QTest::keyClick(shown.find<QLineEdit>(u"export_path"_s), Qt::Key_Return);
        auto* message = shown.find<InlineMessage>(u"export_message"_s);
        QCOMPARE(message->text(), u"Reading"_s);
        shown.picture(u"export-reading"_s);
        const auto task = shown.context().task.id, ada = shown.context().annotator;
        shown.ask([&](desk::Project& p) {
            judge(p, task, ada, [](const desk::LabelItem&, desk::JudgementInput&) {});
            return 0;
        });
        QCoreApplication::processEvents();
        QVERIFY(finished.isEmpty() && !os::exists(sstr(path)));
        released.set_value();
        QVERIFY(!finished.isEmpty() || finished.wait(8000));
        QVERIFY(finished[0][0].toBool());
        QVERIFY2(message->text().startsWith(u"votes.jsonl: 5 rows"_s), qPrintable(message->text()));
    }

    /// Closing the card waits for nothing: what was asked for is written, and the copy that it was read from goes.
    void aClosedCardsExportIsWritten() {
        Shown shown;
        const QString path = shown.temp.filePath(u"votes.jsonl"_s);
        openWithVotes(shown, path);
        Held held(*shown.card);
        shown.enter();
        const QPointer<ExportCard> card(shown.card);
        Q_EMIT shown.card->closed();
        QTRY_VERIFY(!card);
        QVERIFY(!os::exists(sstr(path)));
        const auto copies = [&] { return QDir(shown.dir() + u"/cache"_s).entryList({u"reading-*"_s}, QDir::AllEntries | QDir::NoDotAndDotDot).size(); };
        QCOMPARE(copies(), 1);
        held.letGo();
        QTRY_VERIFY(os::exists(sstr(path) + ".manifest.json"));
        QTRY_COMPARE(copies(), 0);
    }

    /// The end of an export is said although its card is gone, a bad one above all.
    void theEndOfAClosedCardsExportIsSaid() {
        for (const bool fails : {false, true}) {
            Shown shown;
            const QString path = shown.temp.filePath(u"later.jsonl"_s);
            openWithVotes(shown, path);
            Held held(*shown.card);
            shown.enter();
            const QPointer<ExportCard> card(shown.card);
            Q_EMIT shown.card->closed();
            QTRY_VERIFY(!card);
            if (fails) // by the time it is written
                QVERIFY(QDir().mkpath(path));
            QSignalSpy said(&shown.context().signals, &Signals::message);
            held.letGo();
            QTRY_VERIFY(said.size() == 1);
            QCOMPARE(said[0][0].value<pl::ui::State>(), fails ? State::Failed : State::Done);
            QVERIFY(said[0][1].toString().startsWith(fails ? u"later.jsonl was not written."_s : u"later.jsonl: "_s));
        }
    }

    void detailsShowWhatAVoteMarksOnImages() {
        Shown shown;
        pictures::makeProject(shown.dir(), 1, [](int pair, int side) { return pictures::bytesOf(pictures::scene(64, pair * 2 + side, false)); },
                              desk::Scale::SevenPoint, [](desk::Project& p) {
                                  const auto ada = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
                                  judge(p, must(p.defaultTask()).id, ada, [](const desk::LabelItem& item, desk::JudgementInput& in) {
                                      desk::ImageMarks a, b;
                                      a.width = a.height = 64;
                                      desk::putRegion(a.regions, {3, 4, 10, 8, "artifact"});
                                      desk::putRegion(a.regions, {40, 41, 0, 0, "too <b>dark</b>"});
                                      desk::toggleStruck(b.struck, 4, 9); // "large"
                                      in.regions = desk::regionsPayload(a, item.a.content, b, item.b.content, item.prompt.content);
                                  });
                              });
        shown.open();
        shown.page->setTab(DataPage::Votes);
        QTRY_VERIFY(shown.page->table(DataPage::Votes)->model()->isLoaded());
        QTest::keyClick(shown.page->table(DataPage::Votes)->view(), Qt::Key_Down);
        DetailPanel* d = shown.page->detail(DataPage::Votes);
        QTRY_VERIFY(d->findChild<ImageView*>());
        QVERIFY(reads(*d, u"× artifact, box at 3, 4: 10 × 8\ntoo <b>dark</b>, point at 40, 41"_s));
        QVERIFY(reads(*d, u"large"_s));
        auto* view = d->findChild<ImageView*>();
        QCOMPARE(view->imageMarks(Side::A).size(), 2);
        QTRY_VERIFY(view->paintedAt() > 0);
        view->setFocus();
        QTest::keyClick(view, Qt::Key_R);
        QVERIFY(view->marksHidden());
        QTest::keyClick(view, Qt::Key_R);
        shown.picture(u"vote-regions"_s);
    }

    void detailsShowWhatAVoteMarksInTexts() {
        Shown shown;
        makeProject(shown.dir(), 1, desk::Scale::SevenPoint, [](desk::Project& p) {
            const auto ada = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
            judge(p, must(p.defaultTask()).id, ada, [](const desk::LabelItem& item, desk::JudgementInput& in) {
                desk::AnswerMarks a, b;
                desk::setSpan(a.spans, {0, 5, desk::SpanLabel::Bad});
                b.steps = desk::TextSteps{"lines", {{0, 1}, {2, 3}}};
                b.firstWrong = 1;
                in.spans = desk::marksPayload(a, item.a.content, b, item.b.content);
                in.edited = "A better answer.";
            });
        });
        shown.open();
        shown.page->setTab(DataPage::Votes);
        QTRY_VERIFY(shown.page->table(DataPage::Votes)->model()->isLoaded());
        QTest::keyClick(shown.page->table(DataPage::Votes)->view(), Qt::Key_Down);
        DetailPanel* d = shown.page->detail(DataPage::Votes);
        QTRY_VERIFY(reads(*d, u"first wrong step: 2 of 2"_s));
        QVERIFY(reads(*d, u"A better answer."_s));
        shown.picture(u"vote-spans"_s);
    }
};

QTEST_MAIN(TestExportCard)
#include "tst_export_card.moc"
