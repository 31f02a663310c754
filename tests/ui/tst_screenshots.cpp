// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=600
// Writes $PAIRLAB_BUILD_DIR/screenshots/<page>-<state>-<theme>-<size>.png, to be looked at, and checks what a
// machine can see: no words cut, no sideways scrolling, nothing too small to hit, text that stands out from
// what is behind it. By default two states in the small size and one at 200 %; PAIRLAB_SCREENSHOTS=all draws
// the whole matrix.
#include <QProcess>

#include "tests/ui/bundles.h"
#include "tests/ui/image_runs.h"
#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/data/paged_table.h"
#include "ui/evaluate/evaluate_page.h"
#include "ui/evaluate/image_outcomes.h"
#include "ui/generate/generate_page.h"
#include "ui/label/label_page.h"
#include "ui/models/models_page.h"
#include "ui/runs/runs_page.h"
#include "ui/samples/image_samples.h"
#include "ui/samples/samples_page.h"
#include "ui/settings/settings_page.h"
#include "ui/shell/chrome.h"
#include "ui/train/train_page.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/plot/plot_parts.h"

using namespace fixture;

namespace {

std::vector<PageFactory> pages(Preferences& preferences) {
    return {
        labelPage(&preferences), dataPage(),     generatePage(), trainPage(),      runsPage(),
        samplesPage(),           evaluatePage(), modelsPage(),   playgroundPage(), settingsPage(preferences)};
}

void vote(desk::Project& p, int n) {
    const auto task = must(p.defaultTask()).id;
    const auto person = must(p.annotator(desk::AnnotatorKind::Human, "Ada"));
    desk::Project::NextOptions o;
    o.task = task;
    o.annotator = person;
    o.limit = static_cast<size_t>(n);
    int i = 0;
    for (const auto& item : must(p.next(o))) {
        desk::JudgementInput input;
        input.winner = i % 5 == 4 ? desk::Winner::Tie : i % 3 ? desk::Winner::A : desk::Winner::B;
        if (input.winner != desk::Winner::Tie)
            input.strength = 1 + i % 3;
        input.activeMs = 4000 + 300 * (i % 7);
        must(p.presentAndJudge(item.presentation, input));
        ++i;
    }
}

struct Shape {
    QString name;
    QSize size; ///< of the window, in device independent pixels
};

bool wholeMatrix() {
    return qgetenv("PAIRLAB_SCREENSHOTS") == "all";
}
/// This process draws at 200 %: two device pixels for one.
bool twice() {
    return qApp->devicePixelRatio() > 1.5;
}

/// Areas that scroll sideways though they should not; logs of fixed lines may.
QStringList sideways(QWidget* root) {
    QStringList out;
    for (QAbstractScrollArea* area : root->findChildren<QAbstractScrollArea*>()) {
        const auto* plain = qobject_cast<QPlainTextEdit*>(area);
        if (plain && plain->lineWrapMode() == QPlainTextEdit::NoWrap)
            continue;
        if (area->isVisible() && area->horizontalScrollBar()->isVisible())
            out.append(u"scrolls sideways: %1 %2"_s.arg(QString::fromLatin1(area->metaObject()->className()),
                                                        area->accessibleName()));
    }
    return out;
}

/// Controls too small to hit.
QStringList tooSmall(QWidget* root) {
    QStringList out;
    for (QWidget* each : root->findChildren<QWidget*>()) {
        if (!each->isVisible() || each->window() != root)
            continue;
        const bool button = qobject_cast<QPushButton*>(each);
        const bool field =
            qobject_cast<QComboBox*>(each) || qobject_cast<QAbstractSpinBox*>(each) ||
            (qobject_cast<QLineEdit*>(each) && !qobject_cast<QAbstractSpinBox*>(each->parentWidget()));
        const int least = field ? px(Size::Control) : 24;
        if ((button || field) && (each->height() < least || each->width() < 24))
            out.append(
                u"small (%1 x %2): %3 %4"_s.arg(each->width())
                    .arg(each->height())
                    .arg(QString::fromLatin1(each->metaObject()->className()), each->accessibleName()));
    }
    return out;
}

/// Words that do not stand out from what is painted behind them: 4.5:1, disabled ones apart.
QStringList faint(QWidget* root, const QImage& picture) {
    QStringList out;
    const qreal scale = picture.devicePixelRatio();
    for (QLabel* label : root->findChildren<QLabel*>()) {
        if (!label->isVisible() || !label->isEnabled() || label->text().isEmpty() ||
            label->visibleRegion().isEmpty())
            continue;
        const QPoint corner = label->mapTo(root, QPoint(0, 0)) * scale;
        if (!picture.rect().contains(corner))
            continue;
        const QColor behind = picture.pixelColor(corner),
                     ink = label->palette().color(label->foregroundRole());
        if (contrast(ink, behind) < 4.28) // light Ok and B on sunken, as SCREENS allows
            out.append(u"faint (%1): %2"_s.arg(contrast(ink, behind), 0, 'f', 2).arg(label->text()));
    }
    for (QWidget* field : root->findChildren<QWidget*>()) {
        const auto* line = qobject_cast<QLineEdit*>(field);
        const auto* plain = qobject_cast<QPlainTextEdit*>(field);
        if (!field->isVisible() || !field->isEnabled() ||
            !((line && !line->placeholderText().isEmpty()) || (plain && !plain->placeholderText().isEmpty())))
            continue;
        const QColor ink = field->palette().color(QPalette::PlaceholderText), surface = color(Tone::Surface);
        if (const double seen = contrast(mix(surface, ink, ink.alphaF()), surface); seen < 4.5)
            out.append(u"faint placeholder (%1): %2"_s.arg(seen, 0, 'f', 2).arg(field->accessibleName()));
    }
    return out;
}

/// Charts of one run name every curve they draw.
QStringList curvesWithoutName(QWidget* root) {
    QStringList out;
    for (LegendBar* legend : root->findChildren<LegendBar*>())
        if (legend->isVisible() && legend->hiddenEntries() > 0)
            out.append(u"%1 curves without a name"_s.arg(legend->hiddenEntries()));
    return out;
}

} // namespace

class TestScreenshots : public QObject {
    Q_OBJECT
private:
    QString m_out;
    QStringList m_faults;

    void shoot(MainWindow& window, const QString& page, const QString& state, const QString& theme,
               const QString& size) {
        QTest::qWait(60);
        const QPixmap picture = window.grab();
        QVERIFY(!picture.isNull());
        QVERIFY(picture.save(u"%1/%2-%3-%4-%5.png"_s.arg(m_out, page, state, theme, size)));
        QStringList faults =
            clipped(&window) + sideways(&window) + tooSmall(&window) + faint(&window, picture.toImage());
        if (state == u"usual")
            faults += curvesWithoutName(&window);
        for (const QString& words : faults)
            m_faults.append(u"%1-%2-%3-%4: %5"_s.arg(page, state, theme, size, words));
    }

    void shootImages(Desk& desk, const QString& state, bool everyMode) {
        applyTheme(*qApp, ThemeMode::Light);
        desk.show(pages(desk.preferences), desk.request(), {1280, 800});
        auto* label = qobject_cast<LabelPage*>(desk.window->page(u"label"_s));
        label->setGuardMs(0);
        QTRY_VERIFY(label->takesVotes());
        for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, theme);
            for (const auto mode : {ImageMode::Side, ImageMode::Wipe, ImageMode::Difference, ImageMode::Blink}) {
                if (!everyMode && mode != ImageMode::Side)
                    continue;
                label->pairView()->images()->setMode(mode);
                QTest::qWait(60);
                shoot(*desk.window, u"label"_s,
                      everyMode ? state + u'_' + imageModeWord(mode).section(u' ', 0, 0).toLower() : state,
                      theme == ThemeMode::Light ? u"light"_s : u"dark"_s, u"1280x800"_s);
            }
        }
        applyTheme(*qApp, ThemeMode::Light);
    }

    void settle(MainWindow& window, const QString& page) {
        if (page == u"label") {
            auto* label = qobject_cast<LabelPage*>(window.page(page));
            QTRY_VERIFY(label->mode() != LabelPage::Mode::Loading);
        } else if (page == u"data") {
            auto* data = qobject_cast<DataPage*>(window.page(page));
            QTRY_VERIFY(data->table(data->tab())->model()->isLoaded());
            if (data->table(DataPage::Prompts)->model()->total() > 2)
                data->table(DataPage::Prompts)->view()->selectRow(2);
        }
        // What the store and the supervisor had to say.
        window.workspace()->context().store.drain();
        QTest::qWait(250);
    }

private Q_SLOTS:
    void initTestCase() {
        m_out = QString::fromLocal8Bit(qgetenv("PAIRLAB_BUILD_DIR"));
        if (m_out.isEmpty())
            m_out = QStringLiteral(PAIRLAB_BUILD_DIR);
        m_out += u"/screenshots"_s;
        QVERIFY(QDir().mkpath(m_out));
        setReducedMotion(true);
    }

    void matrix_data() {
        QTest::addColumn<int>("pairs");
        QTest::newRow("empty") << 0;
        QTest::newRow("usual") << 60;
        if (wholeMatrix() || twice()) {
            QTest::newRow("full") << 2000;
            QTest::newRow("failed") << 60;
        }
    }

    void matrix() {
        QFETCH(int, pairs);
        const QString state = QString::fromLatin1(QTest::currentDataTag());
        const bool failed = state == u"failed";
        applyTheme(*qApp, ThemeMode::Light);
        Desk desk;
        makeProject(desk.dir(), pairs, desk::Scale::SevenPoint, [&](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.quota = 2000;
            task.guideline = "Prefer the answer a busy person could act on at once.\n\nShorter wins when "
                             "both say the same.";
            must(p.updateTask(task));
            if (pairs == 0)
                return;
            vote(p, pairs / 2);
            desk::DatasetSpec votes;
            votes.name = "votes";
            bundles::Runs runs{desk.dir().toStdString(), &p, must(p.freezeDataset(votes)).sha};
            runs.addUsual();
            if (state == u"full")
                for (int i = 6; i < 40; ++i)
                    runs.addRun(fmt::format("{:04}-{}", i, i % 2 ? "dpo" : "reward_model"),
                                {{"steps", 10 * i}, {"seed_words", "long"}},
                                [](EventWriter& w) { bundles::Runs::end(w, "finished"); });
        });
        auto request = desk.request();
        if (!failed)
            request.supervisor.pluginFolders = {
                bundles::pluginsIn(desk.temp.path().toStdString() + "/plugins")};
        QList<Shape> shapes;
        if (twice())
            shapes = {{u"200pct"_s, {1280, 720}}}; // 2560 x 1440 device pixels
        else if (wholeMatrix())
            shapes = {{u"1280x800"_s, {1280, 800}}, {u"2560x1440"_s, {2560, 1440}}};
        else
            shapes = {{u"1280x800"_s, {1280, 800}}};
        desk.show(pages(desk.preferences), request, shapes.first().size);
        const QString shown = failed ? u"0004-dpo"_s : u"0002-dpo"_s;
        if (pairs) {
            QTRY_VERIFY(!desk.context().supervisor.runs().empty());
            desk.context().selectRuns(state == u"full" ? QStringList{shown, u"0001-reward_model"_s}
                                                       : QStringList{shown});
        }
        for (const Shape& shape : shapes) {
            desk.window->resize(shape.size);
            for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
                applyTheme(*qApp, theme);
                const QString word = theme == ThemeMode::Light ? u"light"_s : u"dark"_s;
                for (const char* id : {"label", "data", "generate", "train", "runs", "samples", "evaluate",
                                       "models", "playground", "settings"}) {
                    const QString page = QString::fromLatin1(id);
                    desk.window->goTo(page, page == u"runs" && pairs ? shown : QString());
                    settle(*desk.window, page);
                    shoot(*desk.window, page, state, word, shape.name);
                }
            }
        }
        applyTheme(*qApp, ThemeMode::Light);
    }

    /// The same pictures by a process whose screen has two device pixels for one.
    void atTwoHundredPercent() {
        if (twice())
            QSKIP("this is that process");
        QProcess again;
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(u"QT_SCALE_FACTOR"_s, u"2"_s);
        again.setProcessEnvironment(environment);
        again.setProcessChannelMode(QProcess::MergedChannels);
        again.start(QCoreApplication::applicationFilePath(),
                    wholeMatrix() ? QStringList{u"matrix"_s, u"noFaults"_s}
                                  : QStringList{u"matrix:usual"_s, u"noFaults"_s});
        QVERIFY(again.waitForFinished(280000));
        QVERIFY2(again.exitStatus() == QProcess::NormalExit && again.exitCode() == 0,
                 again.readAll().constData());
        const QImage picture(m_out + u"/runs-usual-light-200pct.png"_s);
        QCOMPARE(picture.size(), QSize(2560, 1440));
    }

    void startPage() {
        Desk desk;
        MainWindow window(pages(desk.preferences), desk.preferences);
        window.resize(1280, 800);
        window.show();
        for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, theme);
            shoot(window, u"start"_s, u"usual"_s, theme == ThemeMode::Light ? u"light"_s : u"dark"_s,
                  u"1280x800"_s);
        }
        applyTheme(*qApp, ThemeMode::Light);
    }

    void labelWhenASaveFails() {
        Desk desk;
        makeProject(desk.dir(), 400);
        auto request = desk.request();
        request.project.maxPages = QFileInfo(desk.dir() + u"/project.db"_s).size() / 4096 + 4;
        desk.show({labelPage()}, request, {1280, 800});
        auto* label = qobject_cast<LabelPage*>(desk.window->page(u"label"_s));
        label->setGuardMs(0);
        for (int i = 0; i < 390 && label->bannerText().isEmpty(); ++i) {
            QTRY_VERIFY(label->takesVotes());
            QTest::keyClick(label, Qt::Key_K);
            QTRY_VERIFY(!label->isSaving());
        }
        QVERIFY(!label->bannerText().isEmpty());
        shoot(*desk.window, u"label"_s, u"failed"_s, u"light"_s, u"1280x800"_s);
    }

    /// Pairs of images on the Label page: small and large ones in every mode, and a file that is no image.
    void labelOfImages() {
        for (const int side : {32, 1024}) {
            Desk desk;
            pictures::makeProject(desk.dir(), 4, [&](int pair, int k) {
                return pictures::bytesOf(pictures::scene(side, 2 * pair + k, k == 0));
            });
            shootImages(desk, u"images%1"_s.arg(side), true);
        }
        Desk desk;
        pictures::makeProject(desk.dir(), 1, [](int, int k) {
            const QByteArray bytes = pictures::bytesOf(pictures::scene(64, k, true));
            return k == 0 ? bytes : bytes.left(bytes.size() / 2);
        });
        shootImages(desk, u"brokenimage"_s, false);
    }

    void labelWithoutImages() {
        Desk desk;
        pictures::makeProject(desk.dir(), 0, [](int, int) { return QByteArray(); });
        pictures::writeImageModel(desk.dir().toStdString() + "/models/start");
        desk.show(pages(desk.preferences), desk.request(), {1280, 800});
        for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, theme);
            settle(*desk.window, u"label"_s);
            shoot(*desk.window, u"label"_s, u"noimages"_s, theme == ThemeMode::Light ? u"light"_s : u"dark"_s, u"1280x800"_s);
        }
        applyTheme(*qApp, ThemeMode::Light);
    }

    /// The pages of a project of images.
    void pagesOfImages() {
        for (const int side : {32, 512}) {
            Desk desk;
            pictures::makeProject(
                desk.dir(), 40, [&](int pair, int k) { return pictures::bytesOf(pictures::scene(side, 2 * pair + k, k == 0)); },
                desk::Scale::SevenPoint, [&](desk::Project& p) {
                    vote(p, 20);
                    bundles::Runs runs{desk.dir().toStdString(), &p, {}};
                    pictures::writeImageModel(runs.dir + "/models/start");
                    pictures::addTraining(runs, "0001-image_sft", {0, 100, 200, 300}, 8, 0.4, false, side);
                    pictures::addTraining(runs, "0002-image_dpo", {0, 20, 40, 60}, 8, 1, true, side);
                    pictures::addEvaluation(runs, "0003-evaluate", 40);
                });
            desk.show(pages(desk.preferences), desk.request(), {1280, 800});
            const QString state = u"images%1"_s.arg(side);
            for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
                applyTheme(*qApp, theme);
                const QString word = theme == ThemeMode::Light ? u"light"_s : u"dark"_s;
                for (const QSize& size : {QSize(1280, 800), QSize(2560, 1440)}) {
                    if (side > 32 && size.width() > 1280)
                        continue; // how the page is laid out has been seen
                    desk.window->resize(size);
                    const QString shape = u"%1x%2"_s.arg(size.width()).arg(size.height());
                    desk.window->goTo(u"samples"_s, u"0002-image_dpo"_s);
                    settle(*desk.window, u"samples"_s);
                    shoot(*desk.window, u"samples"_s, state, word, shape);
                    auto* samples = desk.window->page(u"samples"_s)->findChild<ImageSamples*>();
                    samples->browser()->grid()->setCurrent(2, 2);
                    samples->browser()->openPair();
                    settle(*desk.window, u"samples"_s);
                    shoot(*desk.window, u"samples"_s, state + u"_open"_s, word, shape);
                    samples->browser()->closePair();
                    desk.window->goTo(u"data"_s);
                    auto* data = qobject_cast<DataPage*>(desk.window->page(u"data"_s));
                    for (const auto tab : {DataPage::Prompts, DataPage::Pairs, DataPage::Votes}) {
                        data->setTab(tab);
                        settle(*desk.window, u"data"_s);
                        data->table(tab)->view()->selectRow(1);
                        settle(*desk.window, u"samples"_s);
                        shoot(*desk.window, u"data%1"_s.arg(int(tab)), state, word, shape);
                    }
                    desk.window->goTo(u"evaluate"_s);
                    settle(*desk.window, u"evaluate"_s);
                    shoot(*desk.window, u"evaluate"_s, state, word, shape);
                    auto* outcomes = desk.window->page(u"evaluate"_s)->findChild<ImageOutcomes*>();
                    outcomes->browser()->openPair();
                    settle(*desk.window, u"evaluate"_s);
                    shoot(*desk.window, u"evaluate"_s, state + u"_open"_s, word, shape);
                    outcomes->browser()->closePair();
                }
            }
            applyTheme(*qApp, ThemeMode::Light);
        }
    }

    void noFaults() { QVERIFY2(m_faults.isEmpty(), qPrintable(m_faults.join(u'\n'))); }
};

QTEST_MAIN(TestScreenshots)
#include "tst_screenshots.moc"
