// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/doctor_panel.h"

#include <QHBoxLayout>
#include <QStackedWidget>
#include <QTableView>
#include <QTimer>
#include <QVBoxLayout>

#include "core/desk/store/gold.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Id;

namespace {

constexpr size_t kMostShown = 1000;
constexpr int kWaitMs = 300;
enum Column { Right, Margin, By, Says, Waits, Prompt };

struct Found {
    std::optional<desk::LabelCheck> check;
    Result<desk::DoctorReport> report = desk::DoctorReport();
    int64_t waiting = 0;
    std::vector<desk::Annotator> people;
};

} // namespace

DoctorPanel::DoctorPanel(Context& context) : m_context(context) {
    auto* column = new QVBoxLayout(this);
    setNoMargins(column, Size::GapS);
    m_stack = new QStackedWidget;
    column->addWidget(m_stack);
    m_empty = new EmptyState(u"inbox"_s,
                             u"Which labels are probably wrong? Three reward models are trained, each without a third of the prompts, and each "
                             u"says what it thinks of the labels that it has not seen."_s,
                             u"Check the labels"_s);
    m_empty->actionButton()->setToolTip(u"Enter: trains three reward models one after the other and scores with them. Labelling goes on meanwhile."_s);
    connect(m_empty, &EmptyState::actionTriggered, this, &DoctorPanel::check);
    m_stack->addWidget(m_empty);
    auto* work = new QWidget;
    auto* rows = new QVBoxLayout(work);
    setNoMargins(rows, Size::GapS);
    auto* line = new QHBoxLayout;
    setNoMargins(line, Size::GapM);
    m_state = new TextLabel({}, TextStyle::Body, Tone::Second);
    m_state->setWordWrap(true);
    line->addWidget(m_state, 1);
    m_send = new QuietButton(u"refresh"_s, u"Second look"_s);
    m_send->setObjectName(u"send_back"_s);
    m_send->setToolTip(u"Enter on a row, or here for all selected: these pairs come back among the others; a new judgement replaces the old"_s);
    m_check = new QuietButton(u"play"_s, u"Check again"_s);
    m_check->setToolTip(u"Trains the models anew on the votes of now"_s);
    line->addWidget(m_send);
    line->addWidget(m_check);
    rows->addLayout(line);
    m_table = new DetailTable(new TableModel(
        {{u"Right %"_s, true, true, 80, false, u"Probability that the label is right, by models that were not trained on it"_s},
         {u"Margin"_s, true, true, 90, false, u"Score of the preferred answer minus the other's, in standard deviations"_s},
         {u"By"_s, false, false, 120, false},
         {u"Says"_s, false, true, 60},
         {u"Second look"_s, false, false, 110, false, {}, true},
         {u"Prompt"_s, false, false, 200, true}},
        [this](int r, int c, int role) { return cell(r, c, role); }));
    m_table->setFilterPlaceholder(u"Filter doubtful labels"_s);
    m_table->setMultiSelect(true);
    rows->addWidget(m_table, 1);
    m_stack->addWidget(work);
    connect(m_check, &QPushButton::clicked, this, &DoctorPanel::check);
    connect(m_send, &QPushButton::clicked, this, &DoctorPanel::sendBack);
    connect(m_table, &DetailTable::rowActivated, this, &DoctorPanel::sendBack);
    m_timer = new QTimer(this);
    m_timer->setSingleShot(true);
    m_timer->setInterval(kWaitMs);
    connect(m_timer, &QTimer::timeout, this, &DoctorPanel::load);
    connect(&m_context.signals, &Signals::changed, this, [this](desk::Change change) {
        if (change == desk::Change::Runs || change == desk::Change::Pairs)
            invalidate();
    });
}

QString DoctorPanel::stateText() const {
    return m_state->text();
}

void DoctorPanel::invalidate() {
    m_stale = true;
    if (isVisible() && !m_timer->isActive())
        m_timer->start();
}

void DoctorPanel::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_stale)
        load();
}

void DoctorPanel::load() {
    m_stale = false;
    m_context.ask(
        this,
        [task = m_context.task.id](desk::Project& p) {
            Found out;
            const auto checks = desk::labelChecks(p);
            Id finished = 0;
            for (const desk::LabelCheck& check : checks ? *checks : std::vector<desk::LabelCheck>()) {
                if (check.task != task)
                    continue;
                if (!out.check)
                    out.check = check;
                if (check.state == "finished" && !finished)
                    finished = check.id;
            }
            out.waiting = desk::waitingLooks(p, task).value_or(0);
            if (auto people = p.annotators())
                out.people = std::move(*people);
            if (finished)
                out.report = desk::doctorReport(p, finished, kMostShown);
            return out;
        },
        [this](Found found) {
            m_names.clear();
            for (const desk::Annotator& person : found.people)
                m_names[person.id] = qstr(person.name);
            m_stack->setCurrentIndex(found.check ? 1 : 0);
            QString words;
            bool running = false;
            if (found.check) {
                running = found.check->state == "training" || found.check->state == "scoring";
                if (running)
                    words = found.check->state == "training" ? u"Training %1 reward models. "_s.arg(found.check->folds) : u"Scoring. "_s;
                if (found.check->state == "failed")
                    words = u"The last check failed: %1. "_s.arg(qstr(found.check->reason));
            }
            if (!found.report) {
                words += errorText(found.report.error());
            } else if (found.report->labels > 0) {
                const auto& r = *found.report;
                words += u"%1 labels checked by models that were not trained on them; about %2 % of them are right. %3 pairs wait for a second look."_s.arg(
                    formatCount(r.labels), QString::number(r.overall * 100, 'f', 0), formatCount(found.waiting));
            }
            m_state->setText(words.trimmed());
            m_check->setEnabled(!running);
            m_report = found.report ? std::optional(std::move(*found.report)) : std::nullopt;
            m_table->model()->reset(m_report ? static_cast<int>(m_report->votes.size()) : 0);
            m_send->setEnabled(m_report && !m_report->votes.empty());
            Q_EMIT loaded();
        });
}

void DoctorPanel::check() {
    desk::Supervisor* runs = &m_context.supervisor;
    m_check->setEnabled(false);
    m_context.ask(
        this,
        [runs, task = m_context.task.id](desk::Project& p) {
            desk::DoctorRequest request;
            request.task = task;
            return desk::startLabelCheck(p, *runs, request);
        },
        [this](Result<Id> check) {
            m_check->setEnabled(true);
            if (!check) {
                m_empty->setDetail(errorText(check.error()));
                m_state->setText(errorText(check.error()));
                return;
            }
            m_context.say(State::Running, u"Checking the labels: the runs are on the Runs page"_s);
            invalidate();
        });
}

void DoctorPanel::sendBack() {
    if (!m_report)
        return;
    std::vector<Id> pairs;
    for (const int row : m_table->selectedRows())
        if (row >= 0 && row < static_cast<int>(m_report->votes.size()))
            pairs.push_back(m_report->votes[static_cast<size_t>(row)].comparison);
    if (pairs.empty())
        return m_context.say(State::Info, u"Choose the labels that are to be looked at again"_s);
    m_context.ask(
        this, [pairs, task = m_context.task.id](desk::Project& p) { return desk::askSecondLook(p, task, pairs, "label doctor"); },
        [this](Result<int64_t> sent) {
            if (!sent)
                return m_state->setText(errorText(sent.error()));
            m_context.say(State::Done, *sent == 1 ? u"1 pair comes back for a second look"_s
                                                  : u"%1 pairs come back for a second look"_s.arg(formatCount(*sent)));
            invalidate();
        });
}

QVariant DoctorPanel::cell(int row, int column, int role) const {
    if (!m_report || row < 0 || row >= static_cast<int>(m_report->votes.size()))
        return {};
    const desk::DoubtedVote& vote = m_report->votes[static_cast<size_t>(row)];
    if (role == Qt::UserRole && column == Right)
        return vote.right;
    if (role == Qt::UserRole && column == Margin)
        return vote.margin;
    if (role != Qt::DisplayRole && role != Qt::UserRole)
        return {};
    switch (column) {
    case Right: return QString::number(vote.right * 100, 'f', 0);
    case Margin: return QString::number(vote.margin, 'f', 2);
    case By: {
        const auto name = m_names.find(vote.annotator);
        return name == m_names.end() ? QString() : name->second;
    }
    case Says: return QString::fromLatin1(desk::winnerName(vote.winner));
    case Waits: return vote.waiting ? u"asked for"_s : QString();
    case Prompt: return qstr(vote.promptHead).simplified();
    default: return {};
    }
}

} // namespace pl::ui
