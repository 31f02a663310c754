// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: label=slow processors=2 timeout=1500
// The window over the real worker and the real starter model: a person trains, watches, pauses, resumes,
// leaves and comes back, talks to the models and has pairs written. Needs the built worker and plugins.
#include "tests/ui/find.h"
#include "tests/ui/page_fixture.h"

#include <cmath>
#include <csignal>

#include "core/base/events.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "ui/generate/generate_page.h"
#include "ui/label/label_page.h"
#include "ui/runs/runs_page.h"
#include "ui/samples/samples_page.h"
#include "ui/settings/settings_page.h"
#include "ui/train/train_page.h"
#include "ui/widgets/plot/plot_grid.h"
#include "ui/widgets/schema_form.h"
#include "ui/widgets/text_pane.h"

using namespace fixture;

namespace {

constexpr int kLong = 400000; ///< ms; a run of the starter model takes seconds, on a busy machine minutes
[[maybe_unused]] const bool kPatient = qputenv("QTEST_FUNCTION_TIMEOUT", "1200000"); ///< read when the tests start

std::vector<PageFactory> pages(Preferences& preferences) {
    return {labelPage(&preferences), generatePage(),           trainPage(), runsPage(),
            playgroundPage(),        settingsPage(preferences)};
}

struct Lab : Desk {
    WorkspaceRequest lab() const {
        WorkspaceRequest r = request();
        r.supervisor.worker = PAIRLAB_BUILD_DIR "/bin/pairlab-worker";
        r.supervisor.pluginFolders = {PAIRLAB_BUILD_DIR "/lib/pairlab/plugins"};
        r.supervisor.pollMs = 30;
        return r;
    }
    /// A copy of the starter with `votes` votes, closed.
    void make(int votes) {
        auto options = projectOptions();
        options.name = "Live";
        desk::Project project = must(desk::Project::create(dir().toStdString(), options));
        must(desk::addStarter(project));
        desk::Project::NextOptions next;
        next.task = must(project.defaultTask()).id;
        next.annotator = must(project.annotator(desk::AnnotatorKind::Human, "Ada"));
        next.limit = static_cast<size_t>(votes);
        int i = 0;
        for (const auto& item : must(project.next(next))) {
            desk::JudgementInput input;
            input.winner = item.a.content.size() < item.b.content.size() ? desk::Winner::A : desk::Winner::B;
            input.strength = 1 + i++ % 3;
            must(project.presentAndJudge(item.presentation, input));
        }
        must(project.close());
    }
    void open() { show(pages(preferences), lab(), {1280, 800}); }
    Page* page(const char* id) { return window->page(QString::fromLatin1(id)); }
    QPushButton* button(Page* on, const QString& text) {
        for (QPushButton* b : on->findChildren<QPushButton*>())
            if (b->text() == text && b->isVisible())
                return b;
        return nullptr;
    }
    bool click(Page* on, const QString& text, int ms = 5000) {
        const bool there = QTest::qWaitFor(
            [&] {
                QPushButton* b = button(on, text);
                return b && b->isEnabled();
            },
            ms);
        if (there)
            QTest::mouseClick(button(on, text), Qt::LeftButton);
        return there;
    }
    /// The text of a field replaced as a person does it.
    static void type(QLineEdit* field, const QString& text) {
        field->setFocus();
        field->selectAll();
        QTest::keyClicks(field, text);
        QTest::keyClick(field, Qt::Key_Tab);
    }
    std::optional<desk::RunInfo> run(const QString& name) {
        return context().supervisor.find(name.toStdString());
    }
    bool reaches(const QString& name, RunState state, int ms = kLong) {
        return QTest::qWaitFor(
            [&] {
                const auto info = run(name);
                return info && info->state == state;
            },
            ms);
    }
    std::string bundle(const QString& name) const {
        return dir().toStdString() + "/runs/" + name.toStdString();
    }

    /// Starts DPO on the Train page with so many steps; the name of its run.
    QString train(int steps) {
        window->goTo(u"train"_s, u"dpo"_s);
        Page* train = page("train");
        auto* form = train->findChild<SchemaForm*>();
        if (!form)
            return {};
        type(qobject_cast<QLineEdit*>(form->editor(u"steps"_s)), QString::number(steps));
        const size_t before = context().supervisor.runs().size();
        if (!click(train, u"Start"_s, 15000))
            return {};
        (void)QTest::qWaitFor([&] { return context().supervisor.runs().size() > before; }, 15000);
        QString newest;
        for (const auto& info : context().supervisor.runs())
            newest = std::max(newest, qstr(info.name));
        return newest;
    }
    /// Steps of the training loss drawn on the Runs page.
    std::vector<double> drawnSteps() {
        auto* grid = page("runs")->findChild<PlotGrid*>();
        std::vector<double> steps;
        LivePlot* loss = grid->plot(5);
        for (int i = 0; i < loss->seriesCount(); ++i)
            if (loss->series(i).x(XAxis::Step).size() > steps.size())
                steps = loss->series(i).x(XAxis::Step);
        return steps;
    }
};

/// Steps that the run's own log gives a training loss for, a resumed stretch counted once.
std::vector<double> loggedSteps(const std::string& bundleDir) {
    std::set<double> steps;
    for (const Event& e : must(readEvents(bundleDir + "/events.jsonl")))
        if (e.type == event::kMetrics && e.body.value("values", Json::object()).contains("loss"))
            steps.insert(e.body.value("step", 0.0));
    return {steps.begin(), steps.end()};
}

} // namespace

class TestLive : public QObject {
    Q_OBJECT
    QTemporaryDir m_runtime;
    std::unique_ptr<Lab> m_lab;
    QString m_trained;

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit()); // the device lock is per user
        if (qEnvironmentVariableIsEmpty("PAIRLAB_RESOURCES"))
            qputenv("PAIRLAB_RESOURCES", PAIRLAB_SOURCE_DIR "/resources");
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
        QVERIFY2(os::exists(PAIRLAB_BUILD_DIR "/bin/pairlab-worker"), "build pairlab-worker first");
        m_lab = std::make_unique<Lab>();
        m_lab->make(60);
        m_lab->open();
    }
    void cleanupTestCase() {
        if (m_lab && m_lab->window)
            for (const auto& info : m_lab->context().supervisor.runs())
                if (info.state == RunState::Running)
                    (void)m_lab->context().supervisor.kill(info.name);
        m_lab.reset();
    }

    void aRunIsStartedWatchedPausedAndResumed() {
        Lab& lab = *m_lab;
        const QString name = lab.train(40);
        QVERIFY(name.endsWith(u"-dpo"_s));
        QTRY_COMPARE(lab.window->currentPage(), u"runs"_s); // starting brings the person there
        QVERIFY(lab.reaches(name, RunState::Running, 30000));
        QTRY_VERIFY_WITH_TIMEOUT(lab.drawnSteps().size() >= 3, kLong); // live, while it runs
        QVERIFY(lab.run(name)->state == RunState::Running);
        QVERIFY(lab.click(lab.page("runs"), u"Pause"_s));
        QVERIFY(lab.reaches(name, RunState::Paused));
        const auto paused = lab.run(name);
        QVERIFY2(paused->step > 0 && paused->step < 40, qPrintable(QString::number(paused->step)));
        QVERIFY(!paused->lastCheckpoint.empty());
        QTest::qWait(1000);
        QCOMPARE(lab.run(name)->step, paused->step);
        QVERIFY(lab.click(lab.page("runs"), u"Resume"_s));
        QVERIFY(lab.reaches(name, RunState::Finished));
        QCOMPARE(lab.run(name)->step, int64_t{40});
        const auto logged = loggedSteps(lab.bundle(name));
        QVERIFY(logged.size() > 5);
        QTRY_COMPARE(lab.drawnSteps(), logged);
        m_trained = name;
    }

    void aClosedWindowComesBackWithoutAGap() {
        Lab& lab = *m_lab;
        const QString name = lab.train(50);
        QVERIFY(lab.reaches(name, RunState::Running, 30000));
        QTRY_VERIFY_WITH_TIMEOUT(lab.run(name)->step >= 5, kLong);
        const int pid = lab.run(name)->pid;
        const int64_t before = lab.run(name)->step;
        QVERIFY(lab.window->close());
        lab.window.reset();
        // The worker goes on by itself.
        QCOMPARE(::kill(pid, 0), 0);
        const auto reached = [&] {
            const auto steps = loggedSteps(lab.bundle(name));
            return steps.empty() ? 0.0 : steps.back();
        };
        QTRY_VERIFY_WITH_TIMEOUT(reached() >= static_cast<double>(before + 5), kLong);
        lab.open();
        lab.window->goTo(u"runs"_s, name);
        QTRY_VERIFY(lab.run(name).has_value());
        QVERIFY(lab.run(name)->pid == pid || lab.run(name)->state == RunState::Finished); // not started anew
        QVERIFY(lab.reaches(name, RunState::Finished));
        QTRY_COMPARE(lab.drawnSteps(), loggedSteps(lab.bundle(name)));
        const auto drawn = lab.drawnSteps();
        QCOMPARE(drawn.back(), 50.0);
        // Evenly logged to the end: nothing is missing of the time without a window.
        QVERIFY(drawn.size() > 10);
        for (size_t i = 3; i < drawn.size(); ++i)
            QVERIFY(drawn[i] - drawn[i - 1] <= drawn[3] - drawn[2]);
        const auto events = must(readEvents(lab.bundle(name) + "/events.jsonl"));
        for (size_t i = 1; i < events.size(); ++i)
            QCOMPARE(events[i].seq, events[i - 1].seq + 1);
    }

    void bothModelsAnswerInThePlayground() {
        Lab& lab = *m_lab;
        if (m_trained.isEmpty()) { // asked for alone
            m_trained = lab.train(3);
            QVERIFY(lab.reaches(m_trained, RunState::Finished));
        }
        lab.window->goTo(u"playground"_s, u"run:%1"_s.arg(m_trained.left(4).toInt()));
        Page* page = lab.page("playground");
        const auto combos = page->findChildren<QComboBox*>();
        QCOMPARE(combos.size(), 2);
        QTRY_VERIFY(combos[1]->currentText().contains(m_trained));
        QCOMPARE(combos[0]->currentText(), u"start"_s);
        auto* prompt = page->findChild<QPlainTextEdit*>();
        prompt->setFocus();
        QTest::keyClicks(prompt, u"How do I keep basil alive?"_s);
        QVERIFY(lab.click(page, u"Answer"_s));
        const auto panes = page->findChildren<TextPane*>();
        QCOMPARE(panes.size(), 2);
        for (TextPane* pane : panes)
            QTRY_VERIFY_WITH_TIMEOUT(!pane->toPlainText().trimmed().isEmpty(), kLong);
        const int64_t before = lab.ask([](desk::Project& p) { return p.counters().comparisons; });
        QVERIFY(lab.click(page, u"Send to the queue"_s));
        QTRY_COMPARE(lab.ask([](desk::Project& p) { return p.counters().comparisons; }), before + 1);
        // A second question is answered by the same resident worker.
        size_t residents = 0;
        for (const auto& info : lab.context().supervisor.runs())
            residents += info.resident;
        QVERIFY(lab.click(page, u"Answer"_s));
        QTRY_VERIFY_WITH_TIMEOUT(lab.button(page, u"Send to the queue"_s)->isEnabled(), kLong);
        size_t now = 0;
        for (const auto& info : lab.context().supervisor.runs())
            now += info.resident;
        QCOMPARE(now, residents);
    }

    void pairsAreKeptReadyByThemselves() {
        Lab& lab = *m_lab;
        const auto left = [&] {
            return lab.ask([task = lab.context().task.id, person = lab.context().annotator](
                               desk::Project& p) { return must(p.remaining(task, person)); });
        };
        const int64_t before = left();
        lab.window->goTo(u"generate"_s);
        Page* page = lab.page("generate");
        QLineEdit* target = nullptr;
        for (QLineEdit* field : page->findChildren<QLineEdit*>())
            if (field->accessibleName() == u"How many pairs to keep ready"_s)
                target = field;
        QVERIFY(target);
        QTRY_VERIFY(lab.button(page, u"Write them"_s) && lab.button(page, u"Write them"_s)->isEnabled());
        Lab::type(target, QString::number(before + 5));
        auto* keep = fixture::button<QCheckBox>(*page, u"Keep"_s); // "the best of" is another
        QVERIFY(keep && !keep->isChecked());
        keep->setFocus();
        QTest::keyClick(keep, Qt::Key_Space);
        QVERIFY(keep->isChecked());
        QTRY_VERIFY_WITH_TIMEOUT(left() >= before + 5, kLong);
        // They are offered for labelling, with both answers written by the model.
        const auto newest = lab.ask([](desk::Project& p) { return p.counters().comparisons; });
        const auto item = must(lab.ask([newest](desk::Project& p) { return p.pairItem(newest); }));
        QVERIFY(!item.a.content.empty() && !item.b.content.empty() && item.a.content != item.b.content);
        QVERIFY(!item.a.modelHash.empty());
    }
};

QTEST_MAIN(TestLive)
#include "tst_live.moc"
