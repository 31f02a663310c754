// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/runs_page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <QDateTime>
#include <QFileDialog>
#include <QMenu>
#include <QPlainTextEdit>
#include <QSplitter>
#include <QStackedLayout>
#include <QTableView>
#include <QTimer>
#include <QVBoxLayout>

#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/desk/stats/summary.h"
#include "core/desk/store/rankings.h"
#include "core/rules/statistics.h"
#include "ui/runs/run_charts.h"
#include "ui/runs/run_log.h"
#include "ui/runs/run_erasures.h"
#include "ui/runs/trl_banner.h"
#include "ui/runs/verdict.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/plot/plot_grid.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kRefreshMs = 33;
constexpr qsizetype kMostCompared = 12;
constexpr int kTailLines = 6;
constexpr int kTableWidth = 548, kDetailWidth = 634; ///< of the smallest window

QString ageText(int64_t sinceMs) {
    const double s = static_cast<double>(QDateTime::currentMSecsSinceEpoch() - sinceMs) / 1000.0;
    if (sinceMs <= 0 || s < 0)
        return u"–"_s;
    if (s < 60)
        return u"now"_s;
    if (s < 3600)
        return u"%1 min"_s.arg(static_cast<int>(s / 60));
    if (s < 86400)
        return u"%1 h"_s.arg(static_cast<int>(s / 3600));
    return u"%1 d"_s.arg(static_cast<int>(s / 86400));
}

/// "64 [54, 73]" for a table cell; the column's title says per cent.
QString cellText(const Estimate& e) {
    const EstimateText t = formatEstimate(e);
    if (!t.shown)
        return e.n > 0 ? t.value : u"–"_s;
    return t.value.left(t.value.indexOf(u' ')) + u' ' + t.interval;
}

class RunsPage : public Page {
public:
    explicit RunsPage(Context& context) : m_ctx(context), m_log(new RunLog(this)), m_erased(new RunErasures(context, this)) {
        m_stack = new QStackedLayout(this);
        m_empty = new EmptyState(u"runs"_s, u"Nothing trained yet"_s, u"Train a reward model"_s, u"Label some pairs first"_s);
        m_empty->setDetail(u"A run appears here the moment it starts, with its charts drawn live."_s);
        m_stack->addWidget(m_empty);
        connect(m_empty, &EmptyState::actionTriggered, this, [this] { m_ctx.navigate(page::kTrain, u"reward_model"_s); });
        connect(m_empty, &EmptyState::linkTriggered, this, [this] { m_ctx.navigate(page::kLabel); });

        auto* body = new QWidget;
        auto* outer = new QVBoxLayout(body);
        setGaps(outer, Size::GapL, Size::GapM);
        auto* splitter = makeSplitter(Qt::Horizontal);
        outer->addWidget(splitter);
        buildTable();
        splitter->addWidget(m_table);
        splitter->addWidget(buildDetail());
        splitter->setStretchFactor(0, 1);
        splitter->setStretchFactor(1, 2);
        splitter->setSizes({kTableWidth, kDetailWidth});
        m_stack->addWidget(body);

        m_timer = new QTimer(this);
        m_timer->setSingleShot(true);
        m_timer->setInterval(kRefreshMs);
        connect(m_timer, &QTimer::timeout, this, [this] {
            m_charts->refresh();
            showFigures();
        });
        connect(m_erased, &RunErasures::changed, this, [this] { m_table->model()->changed(0, static_cast<int>(m_rows.size()) - 1); });
        connect(m_log, &RunLog::loaded, this, [this](const QString& name) { onLoaded(name); });
        connect(m_log, &RunLog::grown, this, [this](const QString& name) {
            if (m_shown.contains(name) && !m_timer->isActive())
                m_timer->start();
        });
        connect(&m_ctx.signals, &Signals::runUpdated, this,
                [this](const desk::RunInfo& info, const std::vector<Event>& events) { onRun(info, events); });
        connect(&m_ctx.signals, &Signals::runsSelected, this, [this](const QStringList& names) { followSelection(names); });
        connect(&m_ctx.signals, &Signals::changed, this, [this](desk::Change what) {
            if (what == desk::Change::Votes && isVisible())
                askDrift();
        });
        reload();
    }

    void activated() override {
        reload();
        askCeiling();
        askDrift();
        m_table->view()->setFocus();
    }
    void openArgument(const QString& argument) override {
        reload();
        for (size_t i = 0; i < m_rows.size(); ++i)
            if (qstr(m_rows[i].name) == argument)
                m_table->selectRow(static_cast<int>(i));
    }
    QList<SearchItem> searchItems() const override {
        QList<SearchItem> items;
        for (const desk::RunInfo& info : m_rows)
            items.append({qstr(info.name), qstr(info.name), stateWord(info), u"runs"_s, {}, u"Run"_s, qstr(info.title)});
        return items;
    }

private:
    // ---- building

    void buildTable() {
        auto* model = new TableModel({{u"State"_s, false, false, 100}, {u"Run"_s, false, true, 116, true},
                                      {u"Changed"_s, false, false, 150, true, u"Parameters that differ from the plugin's defaults"_s, true},
                                      {u"Held-out %"_s, true, true, 110, false, u"Ranking accuracy on held-out votes with its 95 % interval"_s},
                                      {u"Win rate %"_s, true, true, 110, false, u"Against the start, with its 95 % interval; the judge is beside the run"_s},
                                      {u"Age"_s, true, false, 60}},
                                     [this](int row, int column, int role) { return cell(row, column, role); });
        m_table = new DetailTable(model);
        m_table->setMultiSelect(true);
        m_table->setFilterPlaceholder(u"Filter runs"_s);
        m_table->setMinimumWidth(300);
        connect(m_table, &DetailTable::selectionChanged, this, [this] {
            if (m_filling)
                return;
            QStringList names;
            for (const int row : m_table->selectedRows())
                if (names.size() < kMostCompared)
                    names.append(qstr(m_rows[static_cast<size_t>(row)].name));
            const int current = m_table->currentRow();
            if (current >= 0)
                m_primary = qstr(m_rows[static_cast<size_t>(current)].name);
            if (!names.isEmpty() && !names.contains(m_primary))
                m_primary = names.front();
            m_filling = true; // the answer to this is no new selection
            m_ctx.selectRuns(names);
            m_filling = false;
            showSelection(names);
        });
    }

    QWidget* buildDetail() {
        auto* detail = new QWidget;
        auto* column = new QVBoxLayout(detail);
        column->setContentsMargins(px(Size::GapS), 0, 0, 0);
        column->setSpacing(px(Size::GapM));
        auto* head = new QHBoxLayout;
        setNoMargins(head, Size::GapS);
        m_title = new TextLabel({}, TextStyle::Heading);
        m_changed = new ElidedLabel({}, TextStyle::Caption, Tone::Second);
        m_chip = new StatusChip;
        m_pause = new QuietButton(u"pause"_s, u"Pause"_s);
        m_resume = new QuietButton(u"play"_s, u"Resume"_s);
        m_checkpoint = new QuietButton(u"save"_s, u"Checkpoint"_s);
        m_stop = new QuietButton(u"stop"_s, u"Stop"_s);
        m_more = new IconButton(u"more"_s, u"Save charts, write out, kill, use the result"_s);
        head->addWidget(m_title);
        head->addWidget(m_changed, 1);
        head->addWidget(m_chip);
        for (QWidget* w : std::initializer_list<QWidget*>{m_pause, m_resume, m_checkpoint, m_stop, m_more})
            head->addWidget(w);
        column->addLayout(head);
        m_message = new Banner;
        m_message->setClosable(true);
        m_message->hide();
        column->addWidget(m_message);
        column->addWidget(m_erased->line());
        m_trl = new TrlBanner(m_ctx);
        column->addWidget(m_trl);
        m_drift = new Banner;
        m_drift->hide();
        m_drift->setClosable(true);
        column->addWidget(m_drift);
        m_failure = new Banner;
        m_failure->hide();
        column->addWidget(m_failure);
        m_tail = new QPlainTextEdit;
        m_tail->setReadOnly(true);
        m_tail->setFont(textFont(TextStyle::MonoCaption));
        m_tail->setLineWrapMode(QPlainTextEdit::NoWrap);
        m_tail->setAccessibleName(u"Last lines of the log"_s);
        m_tail->hide();
        column->addWidget(m_tail);
        m_verdict = new TextLabel;
        m_verdict->setWordWrap(true);
        column->addWidget(m_verdict);
        auto* tiles = new QHBoxLayout;
        setNoMargins(tiles, Size::GapS);
        m_winTile = new Tile(u"Win rate against start"_s);
        m_accuracyTile = new Tile(u"Held-out accuracy"_s);
        m_progressTile = new Tile(u"Steps"_s);
        m_speedTile = new Tile(u"Tokens a second"_s);
        for (Tile* tile : {m_winTile, m_accuracyTile, m_progressTile, m_speedTile})
            tiles->addWidget(tile, 1);
        column->addLayout(tiles);
        m_grid = new PlotGrid;
        std::array<LivePlot*, RunCharts::kCells> cells{};
        for (int i = 0; i < RunCharts::kCells; ++i)
            cells[static_cast<size_t>(i)] = m_grid->plot(i);
        m_charts = std::make_unique<RunCharts>(cells, m_grid);
        column->addWidget(m_grid, 1);

        const auto act = [this](auto f) {
            return [this, f] {
                if (m_primary.isEmpty())
                    return;
                const Status status = (m_ctx.supervisor.*f)(sstr(m_primary));
                if (!status)
                    m_message->show(State::Failed, errorText(status.error()));
                else
                    m_message->hide();
            };
        };
        connect(m_pause, &QPushButton::clicked, this, act(&desk::Supervisor::pause));
        connect(m_resume, &QPushButton::clicked, this, act(&desk::Supervisor::resume));
        connect(m_checkpoint, &QPushButton::clicked, this, act(&desk::Supervisor::checkpoint));
        connect(m_stop, &QPushButton::clicked, this, act(&desk::Supervisor::stop));
        connect(m_failure, &Banner::actionTriggered, this, act(&desk::Supervisor::resume));
        connect(m_drift, &Banner::actionTriggered, this, [this] { continueWithNewLabels(); });
        connect(m_drift, &Banner::closed, this, [this] { m_driftClosed = m_primary; });
        connect(m_more, &QPushButton::clicked, this, [this] { openMenu(); });
        connect(m_grid, &PlotGrid::clickedAtStep, this, [this](double step) {
            if (!m_primary.isEmpty())
                m_ctx.navigate(page::kSamples, u"%1@%2"_s.arg(m_primary).arg(static_cast<qint64>(step)));
        });
        return detail;
    }

    // ---- table

    QVariant cell(int row, int column, int role) const {
        const desk::RunInfo& info = m_rows[static_cast<size_t>(row)];
        const Estimate accuracy = column == 3 ? heldOutAccuracy(info.metrics) : Estimate{};
        const auto winsAt = m_wins.find(qstr(info.name));
        const Estimate win = column == 4 && winsAt != m_wins.end() ? winsAt->second.back().estimate() : Estimate{};
        if (role == Qt::DisplayRole) {
            switch (column) {
            case 0:
                return stateWord(info);
            case 1:
                return qstr(info.name);
            case 2:
                return changedParameters(m_ctx.supervisor.catalog().find(info.plugin), info.parameters);
            case 3:
                return cellText(accuracy);
            case 4:
                return cellText(win);
            default:
                return ageText(info.createdMs);
            }
        }
        if (role == Qt::UserRole) { // sort keys
            const auto key = [](const Estimate& e) { return formatEstimate(e).shown ? e.value : -1.0; };
            switch (column) {
            case 0:
                return static_cast<int>(info.state);
            case 3:
                return key(accuracy);
            case 4:
                return key(win);
            case 5:
                return QVariant::fromValue<qint64>(-info.createdMs);
            default:
                return cell(row, column, Qt::DisplayRole);
            }
        }
        if (role == Qt::DecorationRole && column == 0)
            return themeIcon(statusIcon(stateOf(info)), statusTone(stateOf(info)));
        if (role == Qt::DecorationRole && column == 1)
            return m_erased->icon(info.name);
        if (role == Qt::ToolTipRole)
            switch (column) {
            case 0:
                return qstr(info.reason);
            case 1:
                return m_erased->tip(info.name, qstr(info.title));
            case 4:
                return winsAt != m_wins.end() ? winsAt->second.back().judge : QString();
            default:
                return cell(row, column, Qt::DisplayRole);
            }
        return {};
    }

    void reload() {
        auto infos = m_ctx.supervisor.runs();
        std::stable_sort(infos.begin(), infos.end(), [](const desk::RunInfo& a, const desk::RunInfo& b) { return a.name > b.name; });
        const bool same = infos.size() == m_rows.size() &&
                          std::equal(infos.begin(), infos.end(), m_rows.begin(),
                                     [](const desk::RunInfo& a, const desk::RunInfo& b) { return a.name == b.name; });
        m_rows = std::move(infos);
        m_erased->look(m_rows);
        for (const desk::RunInfo& info : m_rows)
            wantEvaluation(info);
        if (same && !m_rows.empty()) {
            m_table->model()->changed(0, static_cast<int>(m_rows.size()) - 1);
        } else {
            m_filling = true;
            m_table->model()->reset(static_cast<int>(m_rows.size()));
            m_filling = false;
            m_stack->setCurrentIndex(m_rows.empty() ? 0 : 1);
            QString wanted = m_primary;
            if (wanted.isEmpty() && !m_ctx.selectedRuns.isEmpty())
                wanted = m_ctx.selectedRuns.front();
            if (wanted.isEmpty())
                for (const desk::RunInfo& info : m_rows) // a training run, if there is one
                    if (!info.plugin.starts_with("generate_") && info.plugin != "evaluate" && info.plugin != "score") {
                        wanted = qstr(info.name);
                        break;
                    }
            int at = m_rows.empty() ? -1 : 0;
            for (size_t i = 0; i < m_rows.size(); ++i)
                if (qstr(m_rows[i].name) == wanted)
                    at = static_cast<int>(i);
            const QStringList selected = m_ctx.selectedRuns;
            if (at >= 0) {
                if (selected.size() > 1 && selected.contains(wanted))
                    m_primary = wanted, followSelection(selected);
                else
                    m_table->selectRow(at);
            }
        }
        showHead();
    }

    void wantEvaluation(const desk::RunInfo& info) {
        if (info.plugin == "evaluate" && info.state == RunState::Finished)
            m_log->want(qstr(info.name), info.dir);
    }

    desk::RunInfo* find(const QString& name) {
        for (desk::RunInfo& info : m_rows)
            if (qstr(info.name) == name)
                return &info;
        return nullptr;
    }

    // ---- live

    void onRun(const desk::RunInfo& info, const std::vector<Event>& events) {
        m_log->live(info, events);
        desk::RunInfo* known = find(qstr(info.name));
        if (!known) {
            reload();
            return;
        }
        *known = info;
        wantEvaluation(info);
        const int row = static_cast<int>(known - m_rows.data());
        m_table->model()->changed(row, row);
        if (qstr(info.name) == m_primary) {
            showHead();
            if (!m_timer->isActive())
                m_timer->start();
        }
    }

    void onLoaded(const QString& name) {
        if (const desk::RunInfo* info = find(name); info && info->plugin == "evaluate") {
            const TestedRun tested = testedRun(*info);
            const auto win = winRateOf(*info, *m_log->find(name));
            if (win && !tested.run.isEmpty()) {
                auto& wins = m_wins[tested.run];
                wins.push_back(*win);
                std::stable_sort(wins.begin(), wins.end(), [](const WinRate& a, const WinRate& b) {
                    return std::tie(a.step, a.endedMs) < std::tie(b.step, b.endedMs);
                });
                if (desk::RunInfo* run = find(tested.run)) {
                    const int row = static_cast<int>(run - m_rows.data());
                    m_table->model()->changed(row, row);
                }
                if (m_shown.contains(tested.run))
                    drawRuns();
            }
        }
        if (m_shown.contains(name))
            drawRuns();
    }

    // ---- selection

    void followSelection(const QStringList& names) {
        if (m_filling || names == m_shown)
            return;
        m_filling = true;
        auto* selection = m_table->view()->selectionModel();
        auto* proxy = m_table->view()->model();
        selection->clearSelection();
        for (int r = 0; r < proxy->rowCount(); ++r)
            if (names.contains(proxy->index(r, 1).data().toString()))
                selection->select(proxy->index(r, 0), QItemSelectionModel::Select | QItemSelectionModel::Rows);
        m_filling = false;
        if (!names.contains(m_primary))
            m_primary = names.value(0);
        showSelection(names);
    }

    void showSelection(const QStringList& names) {
        if (names == m_shown && !names.isEmpty()) {
            showHead();
            showFigures();
            return;
        }
        m_shown = names;
        for (const QString& name : names)
            if (const desk::RunInfo* info = find(name))
                m_log->want(name, info->dir);
        m_message->hide();
        drawRuns();
        showHead();
        askDrift();
    }

    void drawRuns() {
        std::vector<ChartRun> runs;
        for (qsizetype i = 0; i < m_shown.size(); ++i) {
            const desk::RunInfo* info = find(m_shown[i]);
            ChartRun run{m_shown[i], static_cast<int>(i), m_log->find(m_shown[i]), {},
                         info ? m_ctx.supervisor.catalog().find(info->plugin) : nullptr};
            if (const auto it = m_wins.find(m_shown[i]); it != m_wins.end())
                run.wins = it->second;
            runs.push_back(std::move(run));
        }
        m_charts->setRuns(std::move(runs));
        showFigures();
    }

    void showHead() {
        const desk::RunInfo* info = find(m_primary);
        m_erased->show(m_primary);
        for (QWidget* w : std::initializer_list<QWidget*>{m_pause, m_resume, m_checkpoint, m_stop})
            w->hide();
        m_failure->hide();
        m_tail->hide();
        m_more->setEnabled(info != nullptr);
        m_chip->setVisible(info != nullptr);
        if (!info) {
            m_title->setText(u"Pick a run"_s);
            m_changed->setText({});
            return;
        }
        m_title->setText(m_shown.size() > 1 ? u"%1 and %2 more"_s.arg(m_primary).arg(m_shown.size() - 1)
                                            : m_primary);
        const QString changed = changedParameters(m_ctx.supervisor.catalog().find(info->plugin), info->parameters);
        m_changed->setText(m_shown.size() > 1 ? QString()
                                              : qstr(info->title) + (changed.isEmpty() ? QString() : u"  ·  "_s + changed));
        m_chip->set(stateOf(*info), stateWord(*info));
        m_chip->setToolTip(qstr(info->reason).toHtmlEscaped());
        const bool running = info->state == RunState::Running, queued = info->state == RunState::Queued;
        const bool paused = info->state == RunState::Paused, stopped = info->state == RunState::Stopped;
        const bool failed = info->state == RunState::Failed;
        m_pause->setVisible(running && !info->resident);
        m_checkpoint->setVisible(running && !info->resident);
        m_stop->setVisible(running || queued || paused);
        const QString from = checkpointStep(*info);
        m_resume->setText(from.isEmpty() || paused ? u"Resume"_s : u"Resume from %1"_s.arg(from));
        m_resume->setVisible(paused || (stopped && !from.isEmpty()));
        if (failed) {
            QString text = info->reason.empty() ? u"The worker ended without saying why."_s : qstr(info->reason);
            text += from.isEmpty() ? u" No checkpoint was written."_s : u" Last checkpoint: step %1."_s.arg(from);
            m_failure->show(State::Failed, text, from.isEmpty() ? u"Start again"_s : u"Resume from %1"_s.arg(from));
            QStringList lines;
            for (const std::string& line : info->logTail)
                lines.append(qstr(line));
            m_tail->setPlainText(lines.join(u'\n'));
            m_tail->setFixedHeight((static_cast<int>(std::min<qsizetype>(lines.size(), kTailLines)) + 1) *
                                   lineHeight(TextStyle::MonoCaption) + 2 * px(Size::Grid));
            m_tail->setVisible(!lines.isEmpty());
        } else if (info->stalled) {
            m_failure->show(State::Warning, u"Nothing was heard from this run for a minute. It may be busy; stop it if it stays silent."_s);
        }
    }

    static QString checkpointStep(const desk::RunInfo& info) {
        const QString path = qstr(info.lastCheckpoint);
        const auto dash = path.lastIndexOf(u"step-"_s);
        bool ok = false;
        const qlonglong step = dash < 0 ? 0 : path.mid(dash + 5).section(u'/', 0, 0).toLongLong(&ok);
        return ok ? formatCount(step) : QString();
    }

    void showFigures() {
        const desk::RunInfo* info = find(m_primary);
        const RunSeries* series = m_log->find(m_primary);
        if (!info || !series) {
            m_verdict->setText(info ? u"Reading the run's events …"_s : QString());
            for (Tile* tile : {m_winTile, m_accuracyTile, m_progressTile, m_speedTile})
                tile->setFact(u"–"_s);
            return;
        }
        std::vector<WinRate> wins;
        if (const auto it = m_wins.find(m_primary); it != m_wins.end())
            wins = it->second;
        if (const auto own = winRateOf(*info, *series))
            wins.push_back(*own);
        m_verdict->setText(verdict(*info, *series, wins));
        m_winTile->setCaption(wins.empty() || wins.back().against.isEmpty() ? u"Win rate against start"_s
                                                                           : u"Win rate against %1"_s.arg(wins.back().against));
        m_winTile->setEstimate(wins.empty() ? Estimate{} : wins.back().estimate());
        m_accuracyTile->setEstimate(heldOutAccuracy(*series));
        const int64_t of = std::max(series->of(), info->of), step = std::max(series->step(), info->step);
        m_progressTile->setFact(of > 0 ? u"%1 / %2"_s.arg(formatCount(step), formatCount(of)) : formatCount(step),
                                info->state == RunState::Running && series->etaSeconds() > 0
                                    ? formatDuration(series->etaSeconds()) + u" left"_s
                                    : u"took "_s + formatDuration(series->seconds()));
        const bool images = isImageRun({series, m_ctx.supervisor.catalog().find(info->plugin)});
        const double speed = series->lastValue(images ? "images_per_second" : "tokens_per_second");
        const double done = series->lastValue(images ? "num_images" : "num_tokens");
        m_speedTile->setCaption(images ? u"Images a second"_s : u"Tokens a second"_s);
        m_speedTile->setFact(std::isfinite(speed) ? formatNumber(speed, 3) : u"–"_s,
                             std::isfinite(done) ? u"%1 %2 so far"_s.arg(formatCount(static_cast<int64_t>(done)),
                                                                        images ? u"images"_s : u"tokens"_s)
                                                 : u"not measured"_s);
    }

    // ---- what the store knows

    void askCeiling() {
        m_ctx.ask(
            this,
            [](desk::Project& project) -> Result<desk::VoteSummary> { // lengths of answers, which take long to read, play no part
                PL_TRY(const auto people, project.annotators());
                PL_TRY(const auto votes, desk::pairVotes(project));
                return desk::summarize(votes, people, {});
            },
            [this](Result<desk::VoteSummary> summary) {
                std::optional<double> agreement;
                if (summary && !rules::tooFew(summary->agreement.n))
                    agreement = summary->agreement.value();
                m_charts->setCeiling(agreement);
            });
    }

    void askDrift() {
        const desk::RunInfo* info = find(m_primary);
        if (!info || info->datasetHash.empty()) {
            m_drift->hide();
            return;
        }
        m_ctx.ask(
            this,
            [sha = info->datasetHash](desk::Project& project) -> Result<desk::DatasetDrift> {
                PL_TRY(const desk::DatasetInfo dataset, project.findDataset(sha));
                return project.datasetDrift(dataset.id);
            },
            [this, name = m_primary](Result<desk::DatasetDrift> drift) {
                if (name != m_primary)
                    return;
                if (!drift || (drift->newer == 0 && drift->changed == 0) || m_driftClosed == m_primary) {
                    m_drift->hide();
                    return;
                }
                QStringList parts;
                if (drift->newer > 0)
                    parts.append(u"%1 newer %2"_s.arg(formatCount(drift->newer), drift->newer == 1 ? u"label"_s : u"labels"_s));
                if (drift->changed > 0)
                    parts.append(u"%1 changed"_s.arg(formatCount(drift->changed)));
                m_drift->show(State::Info, parts.join(u", "_s) + u" since this snapshot"_s, u"Continue with them"_s);
            });
    }

    /// A policy goes on from its best checkpoint; a reward model is trained again from the model it came from.
    void continueWithNewLabels() {
        const desk::RunInfo* info = find(m_primary);
        if (!info)
            return;
        desk::TrainRequest request;
        request.plugin = info->plugin;
        request.parameters = info->parameters;
        request.seed = info->seed;
        request.device = info->device.empty() ? "cpu" : info->device;
        request.model = "run:" + std::to_string(std::atoll(info->name.c_str()));
        if (info->plugin == "reward_model" || info->lastCheckpoint.empty()) {
            request.model = "start";
            for (const ModelSpec& model : info->models)
                if (model.role == "policy")
                    request.model = model.path;
        }
        m_drift->hide();
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, request](desk::Project& project) {
                return desk::startTrain(project, supervisor, request);
            },
            [this](Result<std::string> name) {
                if (!name) {
                    m_message->show(State::Failed, errorText(name.error()));
                    return;
                }
                m_ctx.say(State::Running, u"Started %1 with the newer labels"_s.arg(qstr(*name)));
                openArgument(qstr(*name));
            });
    }

    // ---- menu

    void openMenu() {
        const desk::RunInfo* info = find(m_primary);
        if (!info)
            return;
        QMenu menu(this);
        menu.addAction(themeIcon(u"image"_s), u"Save the charts as PNG …"_s, this, [this] { saveAll(true); });
        menu.addAction(themeIcon(u"file"_s), u"Save their values as CSV …"_s, this, [this] { saveAll(false); });
        if (TrlBanner::offers(info->plugin))
            menu.addAction(themeIcon(u"export"_s), u"Write it out for TRL …"_s, this, [this, run = *info] { m_trl->offer(run); });
        menu.addSeparator();
        menu.addAction(themeIcon(u"samples"_s), u"See its samples"_s, this, [this] { m_ctx.navigate(page::kSamples, m_primary); });
        if (!info->lastCheckpoint.empty()) {
            const QString model = u"run:%1"_s.arg(std::atoll(info->name.c_str()));
            menu.addAction(themeIcon(u"generate"_s), u"Write pairs with it"_s, this,
                           [this, model] { m_ctx.navigate(page::kGenerate, model); });
            menu.addAction(themeIcon(u"evaluate"_s), u"Evaluate it against the start"_s, this,
                           [this, model] { m_ctx.navigate(page::kEvaluate, model); });
        }
        if (info->state == RunState::Running) {
            menu.addSeparator();
            menu.addAction(themeIcon(u"close"_s, Tone::Error), u"Kill now (loses what came after the last checkpoint)"_s, this,
                           [this] {
                               if (const Status s = m_ctx.supervisor.kill(sstr(m_primary)); !s)
                                   m_message->show(State::Failed, errorText(s.error()));
                           });
        }
        menu.exec(m_more->mapToGlobal(QPoint(0, m_more->height())));
    }

    void saveAll(bool png) {
        const QString dir = QFileDialog::getExistingDirectory(this, u"Folder for the charts"_s);
        if (dir.isEmpty())
            return;
        int saved = 0;
        for (LivePlot* plot : m_grid->plots()) {
            if (plot->seriesCount() == 0)
                continue;
            QString file = m_primary + u'-' + plot->title().toLower();
            for (QChar& c : file)
                if (!c.isLetterOrNumber() && c != u'-')
                    c = u'_';
            const QString path = dir + u'/' + file + (png ? u".png"_s : u".csv"_s);
            if (const Status s = png ? plot->savePng(path) : plot->saveCsv(path); !s) {
                m_message->show(State::Failed, errorText(s.error()));
                return;
            }
            ++saved;
        }
        m_message->show(State::Done, u"Saved %1 charts in %2"_s.arg(saved).arg(dir));
    }

    Context& m_ctx;
    RunLog* m_log;
    RunErasures* m_erased;
    std::vector<desk::RunInfo> m_rows; ///< newest first
    std::map<QString, std::vector<WinRate>> m_wins; ///< by the run tested, in step order
    QString m_primary, m_driftClosed;
    QStringList m_shown;
    bool m_filling = false;
    QStackedLayout* m_stack;
    EmptyState* m_empty;
    DetailTable* m_table = nullptr;
    TrlBanner* m_trl = nullptr;
    TextLabel* m_title = nullptr;
    StatusChip* m_chip = nullptr;
    QuietButton *m_pause = nullptr, *m_resume = nullptr, *m_checkpoint = nullptr, *m_stop = nullptr;
    IconButton* m_more = nullptr;
    ElidedLabel* m_changed = nullptr;
    Banner *m_message = nullptr, *m_drift = nullptr, *m_failure = nullptr;
    QPlainTextEdit* m_tail = nullptr;
    TextLabel* m_verdict = nullptr;
    Tile *m_winTile = nullptr, *m_accuracyTile = nullptr, *m_progressTile = nullptr, *m_speedTile = nullptr;
    PlotGrid* m_grid = nullptr;
    std::unique_ptr<RunCharts> m_charts;
    QTimer* m_timer;
};

} // namespace

PageFactory runsPage() {
    return {page::kRuns.toString(), u"Runs"_s, u"runs"_s, [](Context& context) -> Page* { return new RunsPage(context); }};
}

} // namespace pl::ui
