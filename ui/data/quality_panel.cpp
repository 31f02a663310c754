// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/quality_panel.h"

#include <cmath>

#include <QCoreApplication>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QThread>
#include <QThreadPool>
#include <QTimer>
#include <QVBoxLayout>

#include "core/desk/queue/queue_mix.h"
#include "ui/data/adjudication_panel.h"
#include "ui/data/detail_panel.h"
#include "ui/data/doctor_panel.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kWaitMs = 400; ///< votes that come faster are counted together

enum PersonColumn { Name, Votes, Agrees, Gold, Consistent, Left, Ties, Seconds, Streak };
enum ModelColumn { Place, Model, Rating, Matches };

/// "64 [54, 73]" in percent; "too few (12)" below the least n, empty where nothing was counted.
QString rateText(const desk::Rate& rate) {
    if (rate.n == 0)
        return {};
    if (rules::tooFew(rate.n))
        return u"too few (%1)"_s.arg(rate.n);
    const auto bounds = rate.interval();
    const int decimals = estimateDecimals(bounds.low * 100, bounds.high * 100);
    const auto text = [decimals](double v) { return QString::number(v * 100, 'f', decimals); };
    return u"%1 [%2, %3]"_s.arg(text(*rate.value()), text(bounds.low), text(bounds.high));
}
QString secondsText(const std::optional<double>& ms) {
    return ms ? u"%1 s"_s.arg(formatNumber(*ms / 1000, 2)) : u"–"_s;
}
double keyOf(const desk::Rate& rate) { return rate.value().value_or(-1); }

Estimate estimateOf(const desk::Rate& rate, const QString& judge) {
    Estimate out;
    if (rate.n > 0) {
        const auto bounds = rate.interval();
        out.value = *rate.value();
        out.low = bounds.low;
        out.high = bounds.high;
    }
    out.n = rate.n;
    out.judge = judge;
    out.percent = true;
    return out;
}
void showCoefficient(Tile* tile, const desk::Coefficient& coefficient) {
    Estimate out;
    out.value = coefficient.value;
    out.low = coefficient.interval.low;
    out.high = coefficient.interval.high;
    out.n = coefficient.pairs;
    out.judge = std::isnan(coefficient.raw) ? u"alpha"_s : u"agree %1 % raw"_s.arg(QString::number(coefficient.raw * 100, 'f', 0));
    tile->setEstimate(out);
}

} // namespace

QualityPanel::QualityPanel(Context& context, const Preferences* preferences) : m_context(context) {
    auto* outer = new QVBoxLayout(this);
    setNoMargins(outer, Size::GapM);
    m_view = new SegmentedControl({u"Figures"_s, u"Disputed"_s, u"Doubtful labels"_s});
    m_view->setToolTip(u"Arrow keys: what the votes are worth; pairs on which people differ; labels that are probably wrong"_s);
    outer->addWidget(m_view, 0, Qt::AlignLeft);
    m_stack = new QStackedWidget;
    outer->addWidget(m_stack, 1);
    m_figures = new QStackedWidget;
    m_empty = new EmptyState(u"label"_s, u"Nobody has judged anything in this task yet."_s, u"Label now"_s);
    m_empty->setObjectName(u"quality_empty"_s);
    m_empty->actionButton()->setToolTip(u"Enter, or Alt+1"_s);
    connect(m_empty, &EmptyState::actionTriggered, this, [this] { m_context.navigate(page::kLabel); });
    m_figures->addWidget(m_empty);
    auto* sheet = new QWidget;
    m_figures->addWidget(sheet);
    m_figures->addWidget(new QWidget); // until the first figures are there
    m_stack->addWidget(m_figures);
    m_adjudication = new AdjudicationPanel(context, preferences);
    m_stack->addWidget(m_adjudication);
    m_doctor = new DoctorPanel(context);
    m_stack->addWidget(m_doctor);
    connect(m_view, &SegmentedControl::currentChanged, m_stack, &QStackedWidget::setCurrentIndex);
    auto* column = new QVBoxLayout(sheet);
    setNoMargins(column, Size::GapM);
    auto* tiles = new QGridLayout;
    tiles->setContentsMargins(0, 0, 0, 0);
    tiles->setSpacing(px(Size::GapM));
    const auto add = [&](int at, const QString& caption, const QString& tip) {
        auto* tile = new Tile(caption);
        tile->setToolTip(tip);
        tiles->addWidget(tile, at / 4, at % 4); // seven in a row would cut their intervals off
        tiles->setColumnStretch(at % 4, 1);
        return tile;
    };
    m_agreement = add(0, u"Agreement, alpha"_s, u"Krippendorff's alpha over a, b and tie: 1 is full agreement, 0 is chance"_s);
    m_decided = add(1, u"Without ties"_s, u"The same alpha of the votes that took a side: habits about ties left out"_s);
    m_strength = add(2, u"With strength"_s, u"Ordinal alpha over the seven points, of votes that carry a strength"_s);
    m_left = add(3, u"Left side chosen"_s, u"Far from 50 %: the side, not the answer, decides"_s);
    m_consistency = add(4, u"Self-consistency"_s, u"Hidden repeats that got the same verdict"_s);
    m_longer = add(5, u"Longer answer chosen"_s, u"What a rule that always takes the longer answer would agree with"_s);
    m_gold = add(6, u"Gold judged rightly"_s, u"Pairs whose verdict is known, shown among the others; everybody meets each once"_s);
    column->addLayout(tiles);
    m_power = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_state = new ElidedLabel({}, TextStyle::Caption, Tone::Second);
    m_disputed = new LinkButton({});
    m_disputed->setToolTip(u"Shows the pairs on which people chose different sides, the most divided first"_s);
    m_cycles = new LinkButton({});
    m_cycles->setToolTip(u"Three answers of which each beats the next in a circle: at least one of the votes is wrong"_s);
    auto* line = new QHBoxLayout;
    setNoMargins(line, Size::GapM);
    line->addWidget(m_power);
    line->addWidget(m_disputed);
    line->addWidget(m_cycles);
    line->addStretch(1);
    line->addWidget(m_state);
    column->addLayout(line);
    m_strata = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_strata->setWordWrap(true);
    m_strata->setToolTip(u"Where the queue took the judged pairs from. Only random ones measure models; each presentation keeps its probability."_s);
    column->addWidget(m_strata);
    connect(m_disputed, &QPushButton::clicked, this, [this] {
        const auto& pairs = m_report->agreement.disputed;
        Q_EMIT pairWanted(pairs[m_nextDisputed++ % pairs.size()]);
    });
    connect(m_cycles, &QPushButton::clicked, this, [this] {
        const auto& cycles = m_report->cycles;
        Q_EMIT promptWanted(static_cast<qint64>(cycles[m_nextCycle++ % cycles.size()].prompt));
    });

    m_people = new DetailTable(new TableModel(
        {{u"Person"_s, false, false, 120, true},
         {u"Votes"_s, true, true, 70},
         {u"Agrees %"_s, true, true, 160, false, u"With the majority of the others on the same pairs"_s},
         {u"Gold %"_s, true, true, 160, false, u"Gold pairs judged as they are"_s, true},
         {u"Repeats %"_s, true, true, 160, false, u"Hidden repeats that got the same verdict"_s, true},
         {u"Left %"_s, true, true, 160, false, u"Left side chosen, ties apart"_s},
         {u"Ties %"_s, true, true, 160, false, {}, true},
         {u"Median"_s, true, true, 70, false, u"Active time a vote; votes that took over 30 s are left out"_s, true},
         {u"Streak"_s, true, true, 70, false, u"Longest run of the same side"_s, true}},
        [this](int row, int c, int role) { return personCell(row, c, role); }));
    m_people->setFilterPlaceholder(u"Filter people"_s);
    m_models = new DetailTable(new TableModel(
        {{u"Place"_s, true, true, 70, false, u"Best and worst place that the intervals allow"_s},
         {u"Model"_s, false, true, 120, true},
         {u"Rating"_s, true, true, 170, false, u"Bradley-Terry with ties after Davidson, position and length taken out; 1000 is an average "
                                               u"model, 400 more is ten to one. 95 %: by bootstrap over prompts when that has been computed"_s},
         {u"Votes"_s, true, true, 70}},
        [this](int row, int c, int role) { return modelCell(row, c, role); }));
    m_models->setFilterVisible(false);
    m_modelNote = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_modelNote->setWordWrap(true);
    auto* tables = makeSplitter(Qt::Vertical);
    tables->addWidget(m_people);
    auto* lower = new QWidget;
    auto* lowerColumn = new QVBoxLayout(lower);
    setNoMargins(lowerColumn, Size::GapS);
    lowerColumn->addWidget(new TextLabel(u"Models, by these votes"_s, TextStyle::Heading));
    lowerColumn->addWidget(m_modelNote);
    lowerColumn->addWidget(m_models, 1);
    tables->addWidget(lower);
    tables->setStretchFactor(0, 1);
    tables->setStretchFactor(1, 1);
    tables->setSizes({160, 180}); // a few rows of each in the smallest window
    m_detail = new DetailPanel(u"Choose a person to see their figures: strengths, time, drift. People see their own here too."_s);
    auto* both = makeSplitter(Qt::Horizontal);
    both->addWidget(tables);
    both->addWidget(m_detail);
    both->setStretchFactor(0, 3);
    both->setStretchFactor(1, 2);
    both->setSizes({720, 440});
    column->addWidget(both, 1);
    connect(m_people, &DetailTable::currentRowChanged, this, &QualityPanel::showPerson);

    m_resampling = new QThreadPool(this);
    m_resampling->setMaxThreadCount(1);
    m_resampling->setThreadPriority(QThread::LowPriority);
    m_timer = new QTimer(this);
    m_timer->setSingleShot(true);
    m_timer->setInterval(kWaitMs);
    connect(m_timer, &QTimer::timeout, this, &QualityPanel::compute);
    show({});
}

QualityPanel::~QualityPanel() {
    *m_superseded = true;
}

void QualityPanel::setView(View view) {
    m_view->setCurrent(view);
    m_stack->setCurrentIndex(view);
}

bool QualityPanel::isEmptyShown() const {
    return m_figures->currentWidget() == m_empty;
}

void QualityPanel::takeFocus() {
    if (m_stack->currentWidget() == m_adjudication)
        m_adjudication->setFocus();
    else if (m_stack->currentWidget() == m_doctor)
        m_doctor->table()->view()->setFocus();
    else if (isEmptyShown())
        m_empty->actionButton()->setFocus();
    else
        m_people->view()->setFocus();
}

void QualityPanel::invalidate() {
    m_stale = true;
    if (isVisible() && !m_timer->isActive())
        m_timer->start();
}

void QualityPanel::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_stale)
        compute();
}

void QualityPanel::elsewhere(std::function<std::optional<desk::QualityReport>()> work, void (QualityPanel::*then)()) {
    QThreadPool::globalInstance()->start([self = QPointer<QualityPanel>(this), app = QCoreApplication::instance(), work = std::move(work), then] {
        auto report = std::make_shared<std::optional<desk::QualityReport>>(work());
        QMetaObject::invokeMethod(app, [self, report, then] {
            if (!self)
                return;
            if (*report)
                self->show(std::move(**report));
            (self->*then)();
        });
    });
}

void QualityPanel::compute() {
    if (m_running)
        return; // the one that comes back looks again
    m_running = true;
    m_stale = false;
    *m_superseded = true;
    m_state->setText(u"counting"_s);
    desk::QualityOptions options;
    options.task = m_options.task = m_context.task.id;
    m_context.ask(
        this, [reader = m_reader](desk::Project& project) { return reader->begin(project); },
        [this, options](Status begun) {
            if (!begun)
                return stopped(begun.error());
            // What votes say by themselves is there at once, where reading their pairs takes a while.
            const bool nothingYet = !m_report || m_report->votes == 0;
            elsewhere(
                [reader = m_reader, options, many = nothingYet ? m_manyRows : INT64_MAX]() -> std::optional<desk::QualityReport> {
                    reader->plan();
                    if (reader->rows() > many)
                        return desk::assessQuality(reader->facts(), options);
                    return std::nullopt;
                },
                &QualityPanel::step);
        });
}

void QualityPanel::step() {
    if (!isVisible()) { // nothing that was read is lost
        m_running = false;
        m_stale = true;
        return;
    }
    if (m_reader->rows() > m_manyRows)
        m_state->setText(u"reading, %1 of %2"_s.arg(formatCount(m_reader->read()), formatCount(m_reader->rows())));
    m_context.ask(
        this, [reader = m_reader](desk::Project& project) { return reader->step(project); },
        [this](Result<bool> done) {
            if (!done && done.error().code == Code::Busy) { // something was erased: what was read of it goes
                m_running = false;
                return invalidate();
            }
            if (!done)
                return stopped(done.error());
            if (!*done)
                return step();
            elsewhere(
                [reader = m_reader, options = m_options]() -> std::optional<desk::QualityReport> {
                    reader->finish();
                    return desk::assessQuality(reader->facts(), options);
                },
                &QualityPanel::finished);
        });
}

void QualityPanel::finished() {
    m_running = false;
    Q_EMIT computed();
    if (m_stale && isVisible())
        m_timer->start();
    else
        bootstrap();
}

void QualityPanel::bootstrap() {
    const auto sample = m_report->models.sample;
    if (!sample)
        return;
    m_superseded = std::make_shared<std::atomic<bool>>(false);
    m_resampling->start([self = QPointer<QualityPanel>(this), app = QCoreApplication::instance(), sample, superseded = m_superseded, options = m_options] {
        auto done = desk::bootstrapRatings(sample->models, sample->matches, sample->prompts, sample->options, options.bootstrap, options.seed,
                                           [&] { return superseded->load(); });
        if (!done)
            return;
        QMetaObject::invokeMethod(app, [self, superseded, done = std::move(*done)] {
            if (!self || superseded->load())
                return;
            self->m_report->models.bootstrap = done;
            self->showModels();
            Q_EMIT self->resampled();
        });
    });
}

void QualityPanel::stopped(const Error& error) {
    m_running = false;
    m_state->setText(errorText(error));
}

void QualityPanel::show(desk::QualityReport report) {
    const bool first = !m_report;
    m_report = std::move(report);
    const auto& r = *m_report;
    showCoefficient(m_agreement, r.agreement.winner);
    showCoefficient(m_decided, r.agreement.decided);
    showCoefficient(m_strength, r.agreement.strength);
    m_left->setEstimate(estimateOf(r.left, u"all people"_s));
    m_consistency->setEstimate(estimateOf(r.selfConsistency, u"hidden repeats"_s));
    m_longer->setEstimate(estimateOf(r.longer, u"all people"_s));
    m_gold->setEstimate(estimateOf(r.gold, u"gold pairs"_s));
    const bool nothing = r.votes + r.skips + r.flags == 0;
    m_figures->setCurrentIndex(first ? 2 : nothing ? 0 : 1);
    QStringList strata;
    for (const auto& [name, votes] : r.strata)
        strata.append(u"%1 %2"_s.arg(qstr(name), formatCount(votes)));
    const auto mix = desk::QueueMix::of(m_context.task.queueMix);
    m_strata->setText(strata.isEmpty() ? QString()
                                       : u"Votes by stratum: %1. What comes next: %2."_s.arg(
                                             strata.join(u", "_s), mix.empty() ? u"in order"_s : qstr(mix.toString())));
    m_strata->setVisible(!strata.isEmpty());
    m_adjudication->setPairs(r.agreement.disputed);
    m_power->setText(first ? QString() : qstr(r.positionPower()));
    m_state->setText(first ? QString() : u"%1 votes of people"_s.arg(formatCount(r.votes)));
    const auto disputed = r.agreement.disputed.size();
    m_disputed->setText(disputed == 1 ? u"1 disputed pair"_s : u"%1 disputed pairs"_s.arg(formatCount(static_cast<int64_t>(disputed))));
    m_disputed->setVisible(disputed > 0);
    m_cycles->setText(r.cycles.size() == 1 ? u"1 cycle"_s : u"%1 cycles"_s.arg(formatCount(static_cast<int64_t>(r.cycles.size()))));
    m_cycles->setVisible(!r.cycles.empty());
    m_nextDisputed = m_nextCycle = 0;
    const int row = m_people->currentRow();
    m_people->model()->reset(static_cast<int>(r.people.size()));
    showModels();
    if (row >= 0 && row < static_cast<int>(r.people.size()))
        m_people->selectRow(row);
    else
        m_detail->clear();
}

void QualityPanel::showModels() {
    const auto& r = *m_report;
    m_models->model()->reset(static_cast<int>(r.models.names.size()));
    QString note = qstr(r.models.warning);
    if (!r.complete) {
        note = u"Models and lengths follow when the answers have been read."_s;
    } else if (r.models.names.empty()) {
        note = u"No votes on two answers of different models yet."_s;
    } else if (note.isEmpty() && r.doubleLengthLogOdds) {
        const auto bounds = r.doubleLengthLogOdds->interval();
        const int decimals = estimateDecimals(std::exp(bounds.low), std::exp(bounds.high));
        const auto odds = [decimals](double logOdds) { return QString::number(std::exp(logOdds), 'f', decimals); };
        note = u"Position and length are taken out: an answer twice as long wins at odds of %1 [%2, %3], n = %4."_s.arg(
            odds(r.doubleLengthLogOdds->value), odds(bounds.low), odds(bounds.high), formatCount(r.models.ratings.matches));
    }
    QStringList style;
    for (const auto& term : r.style) {
        const auto bounds = term.logOdds.interval();
        const int decimals = estimateDecimals(std::exp(bounds.low), std::exp(bounds.high));
        const auto odds = [decimals](double logOdds) { return QString::number(std::exp(logOdds), 'f', decimals); };
        style.append(u"%1 %2 [%3, %4]"_s.arg(qstr(term.name), odds(term.logOdds.value), odds(bounds.low), odds(bounds.high)));
    }
    if (!style.isEmpty())
        note += u" Odds of an answer that has it against one that has not: %1."_s.arg(style.join(u", "_s));
    if (const auto& b = r.models.bootstrap)
        note += u" Ratings: intervals by bootstrap over %1 prompts, %2."_s.arg(
            formatCount(static_cast<int64_t>(b->clusters)),
            b->used == b->rounds ? u"%1 samples"_s.arg(formatCount(b->used))
                                 : u"%1 of %2 samples: the others lack a model"_s.arg(formatCount(b->used), formatCount(b->rounds)));
    m_modelNote->setText(note);
    m_models->setVisible(!r.models.names.empty());
}

QVariant QualityPanel::personCell(int row, int column, int role) const {
    const auto& p = m_report->people[static_cast<size_t>(row)];
    if (role == Qt::UserRole) {
        switch (column) {
        case Votes: return static_cast<qlonglong>(p.votes);
        case Agrees: return keyOf(p.agreement);
        case Gold: return keyOf(p.gold);
        case Consistent: return keyOf(p.selfConsistency);
        case Left: return keyOf(p.left);
        case Ties: return keyOf(p.ties);
        case Seconds: return p.medianMs.value_or(-1);
        case Streak: return static_cast<qlonglong>(p.longestStreak);
        default: return qstr(p.name);
        }
    }
    if (role != Qt::DisplayRole)
        return {};
    switch (column) {
    case Name: return qstr(p.name);
    case Votes: return formatCount(p.votes);
    case Agrees: return rateText(p.agreement);
    case Gold: return rateText(p.gold);
    case Consistent: return rateText(p.selfConsistency);
    case Left: return rateText(p.left);
    case Ties: return rateText(p.ties);
    case Seconds: return secondsText(p.medianMs);
    case Streak: return formatCount(p.longestStreak);
    default: return {};
    }
}

QVariant QualityPanel::modelCell(int row, int column, int role) const {
    const auto& table = m_report->models;
    const auto& model = table.ratings.models[static_cast<size_t>(row)];
    const auto [best, worst] = table.places(static_cast<size_t>(row));
    if (role == Qt::UserRole) {
        switch (column) {
        case Place: return static_cast<qulonglong>(best * 1000 + worst);
        case Rating: return model.strength.value;
        case Matches: return static_cast<qlonglong>(model.matches);
        default: return qstr(table.names[static_cast<size_t>(row)]);
        }
    }
    if (role != Qt::DisplayRole)
        return {};
    const auto bounds = table.interval(static_cast<size_t>(row));
    const auto elo = [](double v) { return QString::number(desk::ModelRating::elo(v), 'f', 0); };
    switch (column) {
    case Place:
        return best == worst ? QString::number(best) : u"%1–%2"_s.arg(best).arg(worst);
    case Model: return qstr(table.names[static_cast<size_t>(row)]);
    case Rating:
        return rules::tooFew(model.matches) ? u"too few (%1)"_s.arg(model.matches)
                                            : u"%1 [%2, %3]"_s.arg(elo(model.strength.value), elo(bounds.low), elo(bounds.high));
    case Matches: return formatCount(model.matches);
    default: return {};
    }
}

void QualityPanel::showPerson(int row) {
    if (row < 0 || row >= static_cast<int>(m_report->people.size()))
        return m_detail->clear();
    const auto& p = m_report->people[static_cast<size_t>(row)];
    const auto orDash = [](const QString& text) { return text.isEmpty() ? u"–"_s : text; };
    m_detail->begin(qstr(p.name));
    m_detail->fact(u"Votes"_s, u"%1, %2 skipped, %3 flagged"_s.arg(formatCount(p.votes), formatCount(p.skips), formatCount(p.flags)));
    m_detail->fact(u"Agrees with the others"_s, orDash(rateText(p.agreement)), true);
    m_detail->fact(u"Gold, judged rightly"_s, orDash(rateText(p.gold)), true);
    if (p.modelledAccuracy)
        m_detail->fact(u"Accuracy, Dawid and Skene"_s, u"%1 %"_s.arg(QString::number(*p.modelledAccuracy * 100, 'f', 0)), true);
    m_detail->fact(u"Repeats, same verdict"_s, orDash(rateText(p.selfConsistency)), true);
    m_detail->fact(u"Repeats with sides swapped"_s, orDash(rateText(p.swapConsistency)), true);
    if (!std::isnan(p.repeatKappa) && p.selfConsistency.n >= rules::kTooFew)
        m_detail->fact(u"Weighted kappa of repeats"_s, formatNumber(p.repeatKappa, 2), true);
    m_detail->fact(u"Left side chosen"_s, orDash(rateText(p.left)), true);
    m_detail->fact(u"Longer answer chosen"_s, orDash(rateText(p.longer)), true);
    m_detail->fact(u"Ties"_s, orDash(rateText(p.ties)), true);
    m_detail->fact(u"Strength"_s, u"slight %1, better %2, much %3"_s.arg(formatCount(p.strengths[1]), formatCount(p.strengths[2]),
                                                                       formatCount(p.strengths[3])));
    QString time = secondsText(p.medianMs);
    if (p.lowerQuartileMs && p.upperQuartileMs)
        time += u", half of them in %1 to %2"_s.arg(secondsText(p.lowerQuartileMs), secondsText(p.upperQuartileMs));
    m_detail->fact(u"Active time a vote"_s, time);
    if (p.idle)
        m_detail->fact(u"Left out as idle"_s, u"%1 over 30 s"_s.arg(formatCount(p.idle)));
    m_detail->fact(u"Agrees, earlier half"_s, orDash(rateText(p.firstHalfAgreement)), true);
    m_detail->fact(u"Agrees, later half"_s, orDash(rateText(p.secondHalfAgreement)), true);
    m_detail->fact(u"Left, earlier half"_s, orDash(rateText(p.firstHalfLeft)), true);
    m_detail->fact(u"Left, later half"_s, orDash(rateText(p.secondHalfLeft)), true);
    m_detail->fact(u"Median time, earlier and later"_s, u"%1 and %2"_s.arg(secondsText(p.firstHalfMs), secondsText(p.secondHalfMs)));
    if (p.longestStreak >= desk::PersonQuality::kLongStreak)
        m_detail->note(u"The same side %1 times in a row. By chance that happens %2."_s.arg(
                           formatCount(p.longestStreak),
                           p.longestStreak > 30 ? u"next to never"_s
                                                : u"once in about %1 votes"_s.arg(formatCount(int64_t{1} << p.longestStreak))),
                       Tone::Warn);
    m_detail->end();
}

} // namespace pl::ui
