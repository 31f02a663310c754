// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: label=slow processors=2 timeout=600
// The window over the real worker and the shipped image generator: pictures are drawn from the Generate page, shown while
// they come, and offered for labelling. Needs the built worker and plugins.
#include "tests/ui/page_fixture.h"

#include "core/desk/runs/actions.h"
#include "ui/generate/generate_page.h"
#include "ui/generate/results.h"
#include "ui/label/label_page.h"
#include "ui/samples/samples_page.h"
#include "ui/widgets/image_view.h"

using namespace fixture;
using namespace pl;
using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {

QLineEdit* field(QWidget* page, const QString& name) {
    for (QLineEdit* each : page->findChildren<QLineEdit*>())
        if (each->accessibleName() == name)
            return each;
    return nullptr;
}

/// The image starter in the lab's folder, opened with the real worker.
auto scenes(Desk& lab) {
    auto options = projectOptions();
    options.name = "Scenes";
    must(must(desk::createProject(lab.dir().toStdString(), options, desk::Starter::Images)).close());
    auto request = lab.request();
    request.supervisor.worker = PAIRLAB_BUILD_DIR "/bin/pairlab-worker";
    request.supervisor.pluginFolders = {PAIRLAB_BUILD_DIR "/lib/pairlab/plugins"};
    request.supervisor.pollMs = 30;
    return request;
}

} // namespace

class TestLiveImages : public QObject {
    Q_OBJECT
    QTemporaryDir m_runtime;

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit()); // the device lock is per user
        qputenv("PAIRLAB_RESOURCES", PAIRLAB_SOURCE_DIR "/resources");
        applyTheme(*qApp, ThemeMode::Light);
    }

    void picturesAreDrawnShownAndOfferedForLabelling() {
        Desk lab;
        auto request = scenes(lab);
        lab.show({labelPage(&lab.preferences), generatePage()}, request, {1280, 800});
        lab.window->goTo(u"generate"_s);
        Page* page = lab.window->page(u"generate"_s);

        // The sentence is one for images: no temperature, no tokens.
        QLineEdit *steps = field(page, u"Sampling steps"_s), *temperature = field(page, u"Temperature"_s);
        QVERIFY(steps && temperature);
        QTRY_VERIFY(steps->isVisible() && !temperature->isVisible());
        field(page, u"How many prompts"_s)->setText(u"3"_s);
        steps->setText(u"0"_s);
        QPushButton* start = nullptr;
        for (QPushButton* button : page->findChildren<QPushButton*>())
            if (button->text() == u"Draw them"_s)
                start = button;
        QVERIFY(start && !start->isEnabled());
        steps->setText(u"4"_s);
        QTRY_VERIFY(start->isEnabled());
        QTest::mouseClick(start, Qt::LeftButton);
        QTRY_COMPARE_WITH_TIMEOUT(lab.ask([](desk::Project& p) { return p.counters().candidates; }), int64_t{6}, 240000);
        QTRY_COMPARE_WITH_TIMEOUT(lab.ask([](desk::Project& p) { return p.counters().comparisons; }), int64_t{3}, 30000);

        int pictures = 0;
        for (QLabel* label : page->findChildren<QLabel*>())
            if (label->isVisible() && label->accessibleName().startsWith("Image of "_L1) && !label->pixmap().isNull()) {
                QCOMPARE(label->pixmap().size(), QSize(256, 256));
                ++pictures;
            }
        QCOMPARE(pictures, 2);
        QVERIFY(clipped(page).isEmpty());
        const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/");
        QDir().mkpath(folder);
        QVERIFY(lab.window->grab().save(folder + u"generate-images-light.png"_s));
        applyTheme(*qApp, ThemeMode::Dark);
        lab.window->resize(2560, 1440);
        QTest::qWait(300);
        QVERIFY(clipped(page).isEmpty());
        QVERIFY(lab.window->grab().save(folder + u"generate-images-dark-2560x1440.png"_s));
        applyTheme(*qApp, ThemeMode::Light);
        lab.window->resize(1280, 800);

        lab.window->goTo(u"label"_s);
        auto* label = qobject_cast<LabelPage*>(lab.window->page(u"label"_s));
        QVERIFY(label);
        QTRY_VERIFY(label->takesVotes() && label->findChild<ImageView*>()->isVisible());
        QVERIFY(lab.window->grab().save(folder + u"label-starter-images-light.png"_s));
        QTest::keyClick(QApplication::focusWidget() ? QApplication::focusWidget() : label, Qt::Key_D);
        QTRY_COMPARE(lab.ask([](desk::Project& p) { return p.counters().current; }), int64_t{1});
    }

    /// A rule chooses two of four, what that costs is measured before, and what was kept is told by its scores.
    void theBestOfFourAreKept() {
        Desk lab;
        auto request = scenes(lab);
        lab.show({generatePage()}, request, {1280, 800});
        lab.window->goTo(u"generate"_s);
        Page* page = lab.window->page(u"generate"_s);
        const auto button = [page](const QString& text) -> QAbstractButton* {
            for (QAbstractButton* each : page->findChildren<QAbstractButton*>())
                if (each->text() == text && each->isVisible())
                    return each;
            return nullptr;
        };
        const auto shows = [page](const QString& part) {
            const auto labels = page->findChildren<QLabel*>();
            return std::any_of(labels.begin(), labels.end(),
                               [&](const QLabel* l) { return l->isVisible() && l->text().contains(part); });
        };
        QTRY_VERIFY(button(u"the best of"_s));
        field(page, u"How many prompts"_s)->setText(u"5"_s);
        field(page, u"Sampling steps"_s)->setText(u"4"_s);
        button(u"the best of"_s)->click();
        field(page, u"Drawn for each prompt and model"_s)->setText(u"4"_s);
        for (QComboBox* box : page->findChildren<QComboBox*>())
            if (box->accessibleName() == u"Who chooses"_s)
                box->setCurrentIndex(box->findData(u"larger"_s));
        QVERIFY(shows(u"20 drawn\n10 kept"_s));
        QTRY_VERIFY(button(u"Measure it with 4 pictures"_s));
        button(u"Measure it with 4 pictures"_s)->click();
        QTRY_VERIFY_WITH_TIMEOUT(shows(u"as in 0001-generate_image"_s), 240000);
        button(u"Draw them"_s)->click();
        QTRY_VERIFY_WITH_TIMEOUT(shows(u"Kept 2 of 4 drawn for each prompt: 10 pictures"_s), 240000);
        QTRY_COMPARE_WITH_TIMEOUT(lab.ask([](desk::Project& p) { return p.counters().comparisons; }), int64_t{5}, 60000);
        QTRY_VERIFY(shows(u"drew 10 pictures"_s));
        QCOMPARE(page->findChild<ResultsCard*>()->kept().size(), size_t{5});
        for (const KeptRow& row : page->findChild<ResultsCard*>()->kept())
            QVERIFY(row.drawn == 4 && row.scores.size() == 2 && row.scores[0] >= row.scores[1]);
        QVERIFY2(clipped(page).isEmpty(), qPrintable(clipped(page).join(u'|')));
        for (QLabel* label : page->findChildren<QLabel*>()) // no picture is cut for the table beside it
            if (label->isVisible() && label->accessibleName().startsWith("Image of "_L1))
                QVERIFY(label->height() >= label->pixmap().height() && label->width() >= label->pixmap().width());
        const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/");
        QDir().mkpath(folder);
        QVERIFY(lab.window->grab().save(folder + u"generate-images-kept-light.png"_s));
        applyTheme(*qApp, ThemeMode::Dark);
        QTest::qWait(100);
        QVERIFY(lab.window->grab().save(folder + u"generate-images-kept-dark.png"_s));
        applyTheme(*qApp, ThemeMode::Light);
    }

    /// The same model twice: two pictures of one caption, and a word it does not know.
    void thePlaygroundDrawsTwoPicturesOfACaption() {
        Desk lab;
        auto request = scenes(lab);
        lab.show({playgroundPage()}, request, {1280, 800});
        QCOMPARE(lab.context().task.question, std::string("Which image do you prefer?"));
        lab.window->goTo(u"playground"_s);
        Page* page = lab.window->page(u"playground"_s);
        QLineEdit *steps = field(page, u"Sampling steps"_s), *temperature = field(page, u"Temperature"_s);
        QTRY_VERIFY(steps->isVisible() && !temperature->isVisible());
        const auto button = [page](const QString& text) -> QPushButton* {
            for (QPushButton* each : page->findChildren<QPushButton*>())
                if (each->text() == text && each->isVisible())
                    return each;
            return nullptr;
        };
        const auto shows = [page](const QString& part) {
            const auto labels = page->findChildren<QLabel*>();
            return std::any_of(labels.begin(), labels.end(),
                               [&](const QLabel* l) { return l->isVisible() && l->text().contains(part); });
        };
        auto* prompt = page->findChild<QPlainTextEdit*>();
        prompt->setFocus();
        QTest::keyClicks(prompt, u"two sparkly red circles on a grey background"_s);
        QTRY_VERIFY(shows(u"Not known, without effect: “sparkly”"_s));
        // Wrong numbers are named, nothing is started.
        steps->setText(u"none"_s);
        QTest::mouseClick(button(u"Draw"_s), Qt::LeftButton);
        QTRY_VERIFY(shows(u"steps 1 to 1,000"_s));
        QVERIFY(lab.context().supervisor.runs().empty());
        steps->setText(u"4"_s);
        QTest::mouseClick(button(u"Draw"_s), Qt::LeftButton);
        auto* view = page->findChild<ImageView*>();
        QTRY_VERIFY_WITH_TIMEOUT(!view->pairId().isEmpty() && !view->isLoading(), 240000);
        QVERIFY(view->problem(Side::A).isEmpty() && view->problem(Side::B).isEmpty());
        QVERIFY(shows(u"32 × 32  ·  seed 1  ·  draw 2  ·  4 steps  ·  guidance 2"_s));
        QVERIFY2(clipped(page).isEmpty(), qPrintable(clipped(page).join(u'|')));
        const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/");
        QDir().mkpath(folder);
        QVERIFY(lab.window->grab().save(folder + u"playground-images-light.png"_s));
        applyTheme(*qApp, ThemeMode::Dark);
        QTest::qWait(100);
        QVERIFY(lab.window->grab().save(folder + u"playground-images-dark.png"_s));
        // The word without effect stands out in this theme too.
        const auto formats = prompt->document()->firstBlock().layout()->formats();
        QCOMPARE(formats.size(), qsizetype{1});
        QCOMPARE(QPoint(formats[0].start, formats[0].length), QPoint(4, 7)); // "sparkly"
        QCOMPARE(formats[0].format.foreground().color(), color(Tone::Error));
        applyTheme(*qApp, ThemeMode::Light);

        const QString first = view->pairId();
        QTest::mouseClick(button(u"Send to the queue"_s), Qt::LeftButton);
        QTRY_COMPARE(lab.ask([](desk::Project& p) { return p.counters().comparisons; }), int64_t{1});
        const auto item = must(lab.ask([](desk::Project& p) { return p.pairItem(1); }));
        QVERIFY(item.a.kind == desk::CandidateKind::Image && item.b.kind == desk::CandidateKind::Image);
        QVERIFY(os::exists(lab.ask([sha = item.a.content](desk::Project& p) { return p.mediaPath(sha); })));
        // Another seed is answered by the same resident worker, with other pictures.
        field(page, u"Seed"_s)->setText(u"2"_s);
        QTest::mouseClick(button(u"Draw"_s), Qt::LeftButton);
        QTRY_VERIFY_WITH_TIMEOUT(!view->pairId().isEmpty() && view->pairId() != first && !view->isLoading(), 240000);
        QCOMPARE(lab.context().supervisor.runs().size(), size_t{1});
        for (const auto& info : lab.context().supervisor.runs())
            must(lab.context().supervisor.stop(info.name));
    }
};

QTEST_MAIN(TestLiveImages)
#include "tst_live_images.moc"
