// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/evaluate/evaluate_page.h"

#include <algorithm>
#include <cmath>

#include <QComboBox>
#include <QLineEdit>
#include <QPainter>
#include <QScrollArea>
#include <QVBoxLayout>

#include "core/desk/runs/actions.h"
#include "core/rules/image_taste.h"
#include "core/rules/statistics.h"
#include "core/rules/taste.h"
#include "ui/evaluate/image_outcomes.h"
#include "ui/runs/run_log.h"
#include "ui/runs/verdict.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

double smallestTellingRate(int64_t n) {
    for (int64_t k = (n + 1) / 2; k <= n; ++k)
        if (rules::wilson(static_cast<double>(k), static_cast<double>(n)).low > 0.5)
            return static_cast<double>(k) / static_cast<double>(n);
    return std::numeric_limits<double>::quiet_NaN();
}

namespace {

constexpr size_t kVerdictsBesidePictures = 2;

struct Verdict {
    QString run, title;
    WinRate win;
};

/// A row a verdict: who against whom and by which judge left, the interval on a common axis, the figures right.
class Forest : public QWidget {
public:
    Forest() { setAccessibleName(u"Verdicts"_s); }
    void setRows(std::vector<Verdict> rows) {
        m_rows = std::move(rows);
        setMinimumHeight(heightOf(m_rows.size()));
        update();
    }
    static int heightOf(size_t rows) { return static_cast<int>(rows) * rowHeight() + axisHeight(); }

protected:
    static int rowHeight() { return lineHeight(TextStyle::Body) + lineHeight(TextStyle::Caption) + px(Size::GapM); }
    static int axisHeight() { return lineHeight(TextStyle::MonoCaption) + px(Size::GapS); }
    void paintEvent(QPaintEvent*) override {
        QPainter p(this);
        p.setRenderHint(QPainter::Antialiasing);
        const int figures = 190, names = std::max(220, width() * 2 / 5);
        // The axis stands right below the last row.
        const QRectF plot(names, 0, std::max(120, width() - names - figures - px(Size::GapL)),
                          std::min<int>(height() - axisHeight(), static_cast<int>(m_rows.size()) * rowHeight()));
        if (m_rows.empty())
            return;
        const auto x = [&](double v) { return plot.left() + v * plot.width(); };
        for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0}) {
            p.setPen(QPen(color(tick == 0.5 ? Tone::Border : Tone::Line), 1, tick == 0.5 ? Qt::DashLine : Qt::SolidLine));
            p.drawLine(QPointF(x(tick), plot.top()), QPointF(x(tick), plot.bottom()));
            p.setPen(color(Tone::Second));
            p.setFont(textFont(TextStyle::MonoCaption));
            p.drawText(QRectF(x(tick) - 30, plot.bottom() + 4, 60, lineHeight(TextStyle::MonoCaption)), Qt::AlignCenter,
                       u"%1 %"_s.arg(100 * tick));
        }
        for (size_t i = 0; i < m_rows.size(); ++i) {
            const Verdict& v = m_rows[i];
            const int y = static_cast<int>(i) * rowHeight(), mid = y + rowHeight() / 2;
            p.setFont(textFont(TextStyle::Body));
            p.setPen(color(Tone::Text));
            const int wide = names - px(Size::GapL);
            p.drawText(QRect(0, y + px(Size::Grid), wide, lineHeight(TextStyle::Body)), Qt::AlignLeft | Qt::AlignVCenter,
                       p.fontMetrics().elidedText(v.title, Qt::ElideMiddle, wide));
            p.setFont(textFont(TextStyle::Caption));
            p.setPen(color(Tone::Second));
            p.drawText(QRect(0, y + px(Size::Grid) + lineHeight(TextStyle::Body), wide, lineHeight(TextStyle::Caption)),
                       Qt::AlignLeft | Qt::AlignVCenter,
                       p.fontMetrics().elidedText(u"by "_s + v.win.judge, Qt::ElideRight, wide));
            const EstimateText text = formatEstimate(v.win.estimate());
            if (text.shown) {
                p.setPen(QPen(color(Tone::Text), 2));
                p.drawLine(QPointF(x(v.win.low), mid), QPointF(x(v.win.high), mid));
                p.setBrush(color(Tone::Text));
                p.drawEllipse(QPointF(x(v.win.value), mid), 4, 4);
            }
            const QRect right(width() - figures, y + px(Size::Grid), figures, lineHeight(TextStyle::Body));
            p.setFont(textFont(TextStyle::Mono));
            p.setPen(color(Tone::Text));
            p.drawText(right, Qt::AlignRight | Qt::AlignVCenter, text.value + u' ' + text.interval);
            p.setFont(textFont(TextStyle::MonoCaption));
            p.setPen(color(Tone::Second));
            p.drawText(right.translated(0, lineHeight(TextStyle::Body)), Qt::AlignRight | Qt::AlignVCenter,
                       u"n = "_s + formatCount(v.win.n));
        }
    }

private:
    std::vector<Verdict> m_rows;
};

class EvaluatePage : public Page {
public:
    explicit EvaluatePage(Context& context) : m_ctx(context), m_log(new RunLog(this)) {
        auto* outer = new QVBoxLayout(this);
        setGaps(outer, Size::GapL, Size::GapM);
        auto* card = new Card(u"Compare two models"_s);
        const auto line = [&] {
            auto* row = new QHBoxLayout;
            setNoMargins(row, Size::GapS);
            card->body()->addLayout(row);
            return row;
        };
        const auto combo = [](const QString& name) {
            auto* box = new QComboBox;
            box->setAccessibleName(name);
            box->setMinimumWidth(180);
            box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
            box->setPlaceholderText(u"no model yet"_s);
            return box;
        };
        auto* one = line();
        one->addWidget(new TextLabel(u"Is"_s));
        m_model = combo(u"Model under test"_s);
        one->addWidget(m_model);
        one->addWidget(new TextLabel(u"better than"_s));
        m_against = combo(u"Model it is compared with"_s);
        one->addWidget(m_against);
        one->addStretch(1);
        auto* two = line();
        two->addWidget(new TextLabel(u"judged by"_s));
        m_judge = combo(u"Judge"_s);
        two->addWidget(m_judge);
        two->addWidget(new TextLabel(u"on"_s));
        m_split = combo(u"Prompts"_s);
        two->addWidget(m_split);
        two->addWidget(new TextLabel(u"with"_s));
        m_n = new QLineEdit(u"100"_s);
        m_n->setFont(textFont(TextStyle::Mono));
        m_n->setFixedWidth(64);
        m_n->setAccessibleName(u"How many prompts"_s);
        two->addWidget(m_n);
        two->addWidget(new TextLabel(u"prompts?"_s));
        two->addStretch(1);
        m_power = new TextLabel({}, TextStyle::Caption, Tone::Second);
        m_power->setWordWrap(true);
        card->body()->addWidget(m_power);
        auto* go = line();
        m_start = new FilledButton(u"play"_s, u"Find out"_s);
        go->addWidget(m_start);
        m_message = new InlineMessage;
        m_message->clear();
        go->addWidget(m_message, 1);
        outer->addWidget(card);
        auto* results = new Card(u"Verdicts"_s);
        m_none = new TextLabel(u"Nothing was compared yet. A verdict names its judge, that judge's agreement with held-out votes, "
                               "and whether it was trained on the same labels."_s,
                               TextStyle::Body, Tone::Second);
        m_none->setWordWrap(true);
        results->body()->addWidget(m_none);
        auto* area = new QScrollArea;
        area->setWidgetResizable(true);
        area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        m_forest = new Forest;
        area->setWidget(m_forest);
        results->body()->addWidget(area, 1);
        outer->addWidget(results, 1);
        m_area = area;
        m_pictures = new Card(u"Picture by picture"_s);
        m_which = combo(u"Evaluation whose pictures are shown"_s);
        m_outcomes = new ImageOutcomes;
        m_pictures->setCorner(m_outcomes->choice());
        m_pictures->setCorner(m_which);
        m_pictures->body()->addWidget(m_outcomes, 1);
        m_pictures->hide();
        outer->addWidget(m_pictures, 100); // what verdicts leave of the page
        connect(m_which, &QComboBox::currentIndexChanged, this, [this] { showPictures(); });
        connect(m_model, &QComboBox::currentIndexChanged, this, [this] { fillJudges(); });
        connect(m_n, &QLineEdit::textChanged, this, [this] { recount(); });
        for (QComboBox* box : {m_model, m_against, m_judge, m_split})
            connect(box, &QComboBox::currentIndexChanged, this, [this] { recount(); });
        connect(m_start, &QPushButton::clicked, this, [this] { start(); });
        connect(m_log, &RunLog::loaded, this, [this] { fill(); });
        connect(&m_ctx.signals, &Signals::runUpdated, this, [this](const desk::RunInfo& info, const std::vector<Event>& events) {
            m_log->live(info, events);
            if (info.plugin != "evaluate")
                return;
            if (info.name == m_run) {
                if (info.state == RunState::Running)
                    m_message->setMessage(State::Running, info.of > 0 ? u"%1 of %2 done"_s.arg(formatCount(info.step),
                                                                                                formatCount(info.of))
                                                                      : u"Loading the models …"_s);
                else if (info.state == RunState::Failed)
                    m_message->setMessage(State::Failed, qstr(info.reason));
                else if (info.state == RunState::Finished)
                    m_message->setMessage(State::Done, u"Done"_s);
            }
            if (info.state == RunState::Finished) {
                m_log->want(qstr(info.name), info.dir);
                fill();
            }
        });
    }

    void activated() override { reload(); }
    void openArgument(const QString& argument) override {
        m_wanted = argument;
        reload();
    }

private:
    struct Known {
        std::vector<desk::ModelChoice> models;
        desk::Counters counters;
        int64_t openings = 0;
    };

    void reload() {
        for (const desk::RunInfo& info : m_ctx.supervisor.runs())
            if (info.plugin == "evaluate" && info.state == RunState::Finished)
                m_log->want(qstr(info.name), info.dir);
        fill();
        m_ctx.ask(
            this,
            [](desk::Project& project) -> Result<Known> {
                Known known;
                PL_TRY(known.models, desk::modelChoices(project));
                PL_TRY(known.openings, project.testOpenings());
                known.counters = project.counters();
                return known;
            },
            [this](Result<Known> known) {
                if (!known) {
                    m_message->setMessage(State::Failed, errorText(known.error()));
                    return;
                }
                m_counters = known->counters;
                m_models = known->models;
                QList<std::pair<QString, QString>> policies;
                QString newest;
                for (const desk::ModelChoice& c : m_models) {
                    if (!c.rewardModel)
                        policies.append({qstr(c.label), qstr(c.text)});
                    const bool wanted = !m_wanted.isEmpty() && (qstr(c.text) == m_wanted || qstr(c.text).startsWith(m_wanted + u'@'));
                    if (!c.rewardModel && c.run && (newest.isEmpty() || (wanted && !newest.startsWith(m_wanted))))
                        newest = qstr(c.text);
                }
                const QString kept = m_model->currentData().toString();
                fillBox(m_model, policies, m_wanted.isEmpty() && !kept.isEmpty() ? kept : newest);
                fillBox(m_against, policies, m_against->currentIndex() < 0 ? u"start"_s : m_against->currentData().toString());
                fillJudges();
                fillBox(m_split,
                        {{u"dev prompts (%1)"_s.arg(formatCount(m_counters.dev)), u"dev"_s},
                         {u"test prompts (%1), sealed, opened %2"_s.arg(formatCount(m_counters.test))
                              .arg(known->openings == 1 ? u"once"_s : u"%1 times"_s.arg(known->openings)),
                          u"test"_s}},
                        m_split->currentData().toString());
                m_wanted.clear();
                recount();
            });
    }

    static void fillBox(QComboBox* box, const QList<std::pair<QString, QString>>& items, QString wanted) {
        const bool there = std::any_of(items.begin(), items.end(), [&](const auto& one) { return one.second == wanted; });
        if (!there)
            wanted = box->currentData().toString();
        const QSignalBlocker block(box);
        box->clear();
        for (const auto& [label, value] : items)
            box->addItem(label, value);
        box->setCurrentIndex(std::max(0, box->findData(wanted)));
    }

    /// Who can judge what the model under test makes: texts or images.
    void fillJudges() {
        const std::string tested = sstr(m_model->currentData().toString());
        const bool image = std::any_of(m_models.begin(), m_models.end(),
                                       [&](const desk::ModelChoice& c) { return c.text == tested && c.image; });
        QList<std::pair<QString, QString>> judges;
        for (const desk::ModelChoice& c : m_models)
            if (c.rewardModel && c.image == image)
                judges.append({u"reward model "_s + qstr(c.label), qstr(c.text)});
        for (const std::string& taste : image ? rules::imageTasteNames() : rules::tasteNames())
            judges.append({u"gold rule "_s + qstr(taste), qstr(taste)});
        judges.append({image ? u"verifier (is all there that was asked for)"_s : u"verifier (tasks with an answer)"_s, u"verifier"_s});
        fillBox(m_judge, judges, m_judge->currentData().toString());
    }

    void recount() {
        bool ok = false;
        const qlonglong n = m_n->text().trimmed().toLongLong(&ok);
        QString problem;
        if (!ok || n < 1 || n > 1000000)
            problem = u"The number of prompts must be a whole number."_s;
        else if (m_model->count() == 0)
            problem = u"There is no model to test yet."_s;
        else if (m_model->currentData() == m_against->currentData())
            problem = u"Both are the same model: train one first, or choose another checkpoint."_s;
        m_start->setEnabled(problem.isEmpty());
        if (!problem.isEmpty()) {
            m_power->setText(problem);
            return;
        }
        const int64_t there = m_split->currentData().toString() == "test"_L1 ? m_counters.test : m_counters.dev;
        const int64_t used = std::min<int64_t>(n, there);
        const double rate = smallestTellingRate(used);
        QString text = rules::tooFew(used) || !std::isfinite(rate)
                           ? u"%1 comparisons are too few to say anything."_s.arg(formatCount(used))
                           : u"With %1 comparisons, a win rate of %2 % or more is told from even."_s.arg(formatCount(used)).arg(
                                 std::ceil(1000 * rate) / 10);
        if (m_split->currentData().toString() == "test"_L1)
            text += u" Opening the sealed test prompts is counted."_s;
        m_power->setText(text);
    }

    void start() {
        desk::EvaluateRequest request;
        request.model = sstr(m_model->currentData().toString());
        request.against = sstr(m_against->currentData().toString());
        request.judge = sstr(m_judge->currentData().toString());
        request.split = m_split->currentData().toString() == "test"_L1 ? desk::Split::Test : desk::Split::Dev;
        request.prompts = m_n->text().trimmed().toLongLong();
        m_start->setEnabled(false);
        m_message->setMessage(State::Queued, u"Starting …"_s);
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, request](desk::Project& project) {
                return desk::startEvaluate(project, supervisor, request);
            },
            [this](Result<std::string> name) {
                recount();
                if (!name) {
                    m_message->setMessage(State::Failed, errorText(name.error()));
                    return;
                }
                m_run = *name;
                m_ctx.say(State::Running, u"Started %1"_s.arg(qstr(*name)));
            });
    }

    /// The finished evaluations that drew pictures, newest first; the one chosen stays chosen.
    void fillPictures() {
        QList<std::pair<QString, QString>> items;
        auto runs = m_ctx.supervisor.runs();
        std::stable_sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.name > b.name; });
        for (const desk::RunInfo& info : runs) {
            const RunSeries* series = info.plugin == "evaluate" ? m_log->find(qstr(info.name)) : nullptr;
            if (series && (!series->imageOutcomes().empty() || series->result().contains("obedience/all")))
                items.append({qstr(info.name), qstr(info.name)});
        }
        const bool fresh = m_which->findData(qstr(m_run)) < 0; // what was just found out comes to the front, once
        fillBox(m_which, items, fresh ? qstr(m_run) : m_which->currentData().toString());
        m_pictures->setVisible(!items.isEmpty());
        showPictures();
    }

    void showPictures() {
        const auto info = m_ctx.supervisor.find(sstr(m_which->currentData().toString()));
        const RunSeries* series = info ? m_log->find(qstr(info->name)) : nullptr;
        if (!series)
            return;
        const auto named = [&](const char* role) {
            for (const ModelSpec& model : info->models)
                if (model.role == role)
                    return qstr(model.name);
            return QString();
        };
        m_pictures->setTitle(series->imageOutcomes().empty() ? u"Read off the pictures"_s : u"Picture by picture"_s);
        m_outcomes->setOutcomes(qstr(info->name), *series, named("policy"), named("against"), judgeText(series->judge()));
    }

    void fill() {
        fillPictures();
        std::vector<Verdict> rows;
        for (const desk::RunInfo& info : m_ctx.supervisor.runs()) {
            const RunSeries* series = info.plugin == "evaluate" ? m_log->find(qstr(info.name)) : nullptr;
            const auto win = series ? winRateOf(info, *series) : std::nullopt;
            if (!win)
                continue;
            QString tested;
            for (const ModelSpec& model : info.models)
                if (model.role == "policy")
                    tested = qstr(model.name);
            rows.push_back({qstr(info.name), u"%1 against %2"_s.arg(tested, win->against), *win});
        }
        std::stable_sort(rows.begin(), rows.end(), [](const Verdict& a, const Verdict& b) { return a.run > b.run; });
        m_none->setVisible(rows.empty());
        m_forest->setVisible(!rows.empty());
        const size_t shown = std::min(rows.size(), kVerdictsBesidePictures);
        m_forest->setRows(std::move(rows));
        // Above pictures the newest verdicts keep their place; alone they have the page.
        m_area->setMinimumHeight(m_pictures->isHidden() ? 0 : Forest::heightOf(shown));
    }

    Context& m_ctx;
    RunLog* m_log;
    std::vector<desk::ModelChoice> m_models;
    desk::Counters m_counters;
    QString m_wanted;
    std::string m_run;
    QComboBox *m_model, *m_against, *m_judge, *m_split;
    QLineEdit* m_n;
    TextLabel *m_power, *m_none;
    InlineMessage* m_message;
    FilledButton* m_start;
    Forest* m_forest;
    QScrollArea* m_area;
    Card* m_pictures;
    QComboBox* m_which;
    ImageOutcomes* m_outcomes;
};

} // namespace

PageFactory evaluatePage() {
    return {page::kEvaluate.toString(), u"Evaluate"_s, u"evaluate"_s,
            [](Context& context) -> Page* { return new EvaluatePage(context); }};
}

} // namespace pl::ui
