// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=300
// Writes $PAIRLAB_BUILD_DIR/screenshots/<page>-<state>-<theme>-<size>.png, to be looked at; checks that no words are cut.
// PAIRLAB_SCREENSHOTS=all draws the whole matrix, otherwise the small size in both themes.
#include <cmath>

#include <fmt/format.h>

#include "core/base/events.h"
#include "tests/ui/page_fixture.h"
#include "ui/data/data_page.h"
#include "ui/data/paged_table.h"
#include "ui/generate/generate_page.h"
#include "ui/label/label_page.h"
#include "ui/models/models_page.h"
#include "ui/runs/runs_page.h"
#include "ui/samples/samples_page.h"
#include "ui/settings/settings_page.h"
#include "ui/shell/chrome.h"
#include "ui/train/train_page.h"

using namespace fixture;

namespace {

std::vector<PageFactory> pages(Preferences& preferences) {
    return {labelPage(), dataPage(), generatePage(), trainPage(), runsPage(), samplesPage(), playgroundPage(), modelsPage(),
            settingsPage(preferences)};
}

/// A finished, failed or half-way run, as a worker would have left it.
void makeRun(const QString& dir, int number, const std::string& plugin, const std::string& end, int steps) {
    RunSpec spec;
    spec.name = fmt::format("{:04}-{}", number, plugin);
    spec.plugin = plugin;
    spec.pluginVersion = "1.0.0";
    spec.seed = 7;
    spec.parameters = {{"beta", 0.05 * number}, {"steps", steps}};
    auto bundle = must(Bundle::create(dir.toStdString() + "/runs/" + spec.name, spec));
    auto writer = must(EventWriter::open(bundle.dir()));
    must(writer->write(event::kRunStart, {{"protocol", 1}, {"plugin", plugin}, {"pid", 1}}));
    for (int i = 0; i <= steps; i += 5) {
        const double t = double(i) / steps, wave = 0.08 * std::sin(i * 1.7 + number);
        must(writer->metrics(i, t, i * 500,
                             {{"loss", 0.69 - 0.4 * t + wave},
                              {"rewards/chosen", 0.5 * t + wave},
                              {"rewards/rejected", -0.9 * t + wave},
                              {"rewards/margins", 1.4 * t + wave},
                              {"rewards/accuracies", 0.5 + 0.35 * t},
                              {"grad_norm", 1.1 + wave}}));
        if (i % 50 == 0)
            must(writer->metrics(i, t, i * 500, {{"eval_accuracy", 0.5 + 0.3 * t + 0.2 * wave}, {"eval_loss", 0.69 - 0.3 * t}}));
    }
    must(writer->write(event::kProgress, {{"step", steps}, {"of", end == "failed" ? 2 * steps : steps}, {"eta_s", 0}}));
    if (end == "failed")
        must(writer->write(event::kAlert, {{"step", steps}, {"level", "error"}, {"name", "memory"}, {"text", "out of memory"}}));
    must(writer->write(event::kRunEnd, {{"state", end}, {"reason", end == "failed" ? "out of memory at step 200" : ""}}));
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

struct Matrix {
    QString size;
    QSize pixels;
};

} // namespace

class TestScreenshots : public QObject {
    Q_OBJECT
private:
    QString m_out;
    QStringList m_clipped;

    void shoot(MainWindow& window, const QString& page, const QString& state, const QString& theme, const QString& size) {
        QTest::qWait(60);
        const QPixmap picture = window.grab();
        QVERIFY(!picture.isNull());
        QVERIFY(picture.save(u"%1/%2-%3-%4-%5.png"_s.arg(m_out, page, state, theme, size)));
        for (const QString& words : clipped(&window))
            m_clipped.append(u"%1-%2-%3: %4"_s.arg(page, state, size, words));
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
        QTest::addColumn<QString>("state");
        QTest::addColumn<int>("pairs");
        QTest::newRow("empty") << u"empty"_s << 0;
        QTest::newRow("usual") << u"usual"_s << 60;
        if (qgetenv("PAIRLAB_SCREENSHOTS") == "all") {
            QTest::newRow("full") << u"full"_s << 2000;
            QTest::newRow("failed") << u"failed"_s << 60;
        }
    }

    void matrix() {
        QFETCH(QString, state);
        QFETCH(int, pairs);
        const bool all = qgetenv("PAIRLAB_SCREENSHOTS") == "all";
        applyTheme(*qApp, ThemeMode::Light);
        Desk desk;
        makeProject(desk.dir(), pairs, desk::Scale::SevenPoint, [&](desk::Project& p) {
            desk::Task task = must(p.defaultTask());
            task.quota = 2000;
            task.guideline = "Prefer the answer a busy person could act on at once.\n\nShorter wins when both say the same.";
            must(p.updateTask(task));
            if (pairs)
                vote(p, pairs / 2);
        });
        if (pairs) {
            makeRun(desk.dir(), 1, "reward_model", "finished", 150);
            makeRun(desk.dir(), 2, "dpo", state == u"failed" ? "failed" : "finished", 200);
            if (state == u"full")
                for (int i = 3; i < 12; ++i)
                    makeRun(desk.dir(), i, i % 2 ? "dpo" : "grpo", "finished", 200);
        }
        auto request = desk.request();
        request.supervisor.pluginFolders = {PAIRLAB_SOURCE_DIR "/plugins"};
        QList<Matrix> sizes{{u"1280x800"_s, {1280, 800}}};
        if (all)
            sizes.append({u"2560x1440"_s, {2560, 1440}});
        desk.show(pages(desk.preferences), request, sizes.first().pixels);
        if (pairs)
            QTRY_VERIFY(!desk.context().supervisor.runs().empty());
        if (pairs)
            desk.context().selectRuns({u"0002-dpo"_s, u"0001-reward_model"_s});
        for (const Matrix& size : sizes) {
            desk.window->resize(size.pixels);
            for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
                applyTheme(*qApp, theme);
                const QString word = theme == ThemeMode::Light ? u"light"_s : u"dark"_s;
                for (const char* id : {"label", "data", "generate", "train", "runs", "samples", "playground", "models", "settings"}) {
                    const QString page = QString::fromLatin1(id);
                    desk.window->goTo(page, page == u"runs" && pairs ? u"0002-dpo"_s : QString());
                    settle(*desk.window, page);
                    shoot(*desk.window, page, state, word, size.size);
                }
            }
        }
        applyTheme(*qApp, ThemeMode::Light);
    }

    void startPage() {
        Desk desk;
        MainWindow window(pages(desk.preferences), desk.preferences);
        window.resize(1280, 800);
        window.show();
        for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, theme);
            shoot(window, u"start"_s, u"usual"_s, theme == ThemeMode::Light ? u"light"_s : u"dark"_s, u"1280x800"_s);
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

    void noWordsAreCut() { QVERIFY2(m_clipped.isEmpty(), qPrintable(m_clipped.join(u'\n'))); }
};

QTEST_MAIN(TestScreenshots)
#include "tst_screenshots.moc"
