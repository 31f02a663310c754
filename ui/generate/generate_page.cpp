// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/generate/generate_page.h"

#include <algorithm>
#include <cmath>

#include <QCheckBox>
#include <QLineEdit>
#include <QScrollArea>
#include <QTimer>
#include <QVBoxLayout>

#include "core/base/amounts.h"
#include "core/desk/runs/actions.h"
#include "ui/generate/results.h"
#include "ui/generate/sentence.h"
#include "ui/generate/server_card.h"
#include "ui/models/model_facts.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kCostWidth = 320, kEstimateAfterMs = 150;
constexpr const char* kServerSetting = "generate.server";
constexpr int64_t kProbePrompts = 4; ///< pictures drawn to know what one takes
constexpr double kDecodeFlopPerSecond = 2e9; ///< two desktop cores, one position at a time; a first run measures it

class GeneratePage : public Page {
public:
    explicit GeneratePage(Context& context) : m_ctx(context) {
        auto* outer = new QVBoxLayout(this);
        setGaps(outer, Size::GapL, Size::GapM);
        auto* top = new QHBoxLayout;
        setNoMargins(top, Size::GapL);
        // Where the window is low the cards scroll: fields are never squeezed into each other.
        auto* area = new QScrollArea;
        area->setWidgetResizable(true);
        area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        area->setFocusPolicy(Qt::NoFocus);
        auto* cards = new QWidget;
        auto* left = new QVBoxLayout(cards);
        setNoMargins(left, Size::GapM);
        m_sentence = new SentenceCard;
        left->addWidget(m_sentence);
        left->addWidget(buildStanding());
        m_server = new ServerCard;
        left->addWidget(m_server);
        connect(m_server, &ServerCard::asked, this, [this] { askServer(); });
        m_results = new ResultsCard;
        left->addWidget(m_results, 1);
        area->setWidget(cards);
        top->addWidget(area, 1);
        top->addWidget(buildCost(), 0, Qt::AlignTop);
        outer->addLayout(top, 1);
        m_later = new QTimer(this);
        m_later->setSingleShot(true);
        m_later->setInterval(kEstimateAfterMs);
        connect(m_later, &QTimer::timeout, this, [this] { askEstimate(); });
        connect(m_sentence, &SentenceCard::changed, this, [this] { recount(); });
        connect(m_sentence, &SentenceCard::modelChanged, this, [this] { askFacts(); });
        connect(m_sentence, &SentenceCard::judgeWanted, this,
                [this] { m_ctx.navigate(page::kTrain, u"image_reward_model"_s); });
        connect(m_results, &ResultsCard::ended, this, [this](const desk::RunInfo& info) { onEnd(info); });
        connect(&m_ctx.signals, &Signals::runUpdated, this,
                [this](const desk::RunInfo& info, const std::vector<Event>& events) {
                    m_results->onRun(info, events);
                    onProbe(info);
                });
        connect(&m_ctx.signals, &Signals::votesChanged, this, [this] {
            if (isVisible())
                askRemaining();
        });
        connect(&m_ctx.signals, &Signals::changed, this, [this](desk::Change what) {
            if (isVisible() && (what == desk::Change::Pairs || what == desk::Change::Prompts))
                askStore();
        });
        recount();
    }

    void activated() override { askStore(); }
    void openArgument(const QString& argument) override {
        m_wanted = argument;
        askStore();
    }

private:
    struct Known {
        std::vector<desk::ModelChoice> models;
        std::vector<desk::StandingOrder> orders;
        SentenceCard::Usable usable;
        int64_t remaining = 0;
        Json server; ///< what was asked last
    };

    // ---- building

    QWidget* buildStanding() {
        auto* card = new Card;
        auto* row = new QHBoxLayout;
        setNoMargins(row, Size::GapS);
        m_keep = new QCheckBox(u"Keep"_s);
        m_keep->setAccessibleName(u"Keep pairs ready"_s);
        m_target = numberField(u"150"_s, u"How many pairs to keep ready"_s);
        m_ready = new TextLabel({}, TextStyle::Caption, Tone::Second);
        row->addWidget(m_keep);
        row->addWidget(m_target);
        row->addWidget(new TextLabel(u"pairs ready, made with the sentence above as they run low"_s));
        row->addStretch(1);
        row->addWidget(m_ready);
        card->body()->addLayout(row);
        connect(m_keep, &QCheckBox::clicked, this, [this] { saveOrder(); });
        connect(m_target, &QLineEdit::editingFinished, this, [this] {
            if (m_keep->isChecked())
                saveOrder();
        });
        return card;
    }

    QWidget* buildCost() {
        auto* card = new Card(u"Before you start"_s);
        card->setFixedWidth(kCostWidth);
        auto* grid = new QGridLayout;
        grid->setContentsMargins(0, 0, 0, 0);
        grid->setHorizontalSpacing(px(Size::GapM));
        grid->setVerticalSpacing(px(Size::GapS));
        int at = 0;
        const auto fact = [&](TextLabel* what) {
            grid->addWidget(what, at, 0, Qt::AlignTop);
            auto* value = new TextLabel({}, TextStyle::Mono);
            value->setWordWrap(true);
            grid->addWidget(value, at++, 1);
            return value;
        };
        const auto named = [](const QString& what) { return new TextLabel(what, TextStyle::Body, Tone::Second); };
        m_samples = fact(m_samplesCaption = named({}));
        m_pairsOut = fact(named(u"Pairs"_s));
        m_time = fact(named(u"Time"_s));
        m_memory = fact(named(u"Memory"_s));
        grid->setColumnStretch(1, 1);
        card->body()->addLayout(grid);
        m_basis = new TextLabel({}, TextStyle::Caption, Tone::Second);
        m_basis->setWordWrap(true);
        card->body()->addWidget(m_basis);
        m_measure = new LinkButton(u"Measure it with %1 pictures"_s.arg(kProbePrompts));
        m_measure->hide();
        card->body()->addWidget(m_measure, 0, Qt::AlignLeft);
        m_message = new InlineMessage;
        m_message->clear();
        card->body()->addWidget(m_message);
        m_start = new FilledButton(u"play"_s, u"Write them"_s);
        card->body()->addWidget(m_start);
        m_stop = new QuietButton(u"stop"_s, u"Stop"_s);
        m_stop->hide();
        card->body()->addWidget(m_stop);
        connect(m_start, &QPushButton::clicked, this, [this] { start(); });
        connect(m_measure, &QPushButton::clicked, this, [this] { measure(); });
        connect(m_stop, &QPushButton::clicked, this, [this] {
            if (const Status s = m_ctx.supervisor.stop(m_results->run()); !s)
                m_message->setMessage(State::Failed, errorText(s.error()));
        });
        return card;
    }

    // ---- what the store knows

    void askStore() {
        m_ctx.ask(
            this,
            [task = m_ctx.task.id, person = m_ctx.annotator](desk::Project& project) -> Result<Known> {
                Known known;
                PL_TRY(known.models, desk::modelChoices(project));
                PL_TRY(known.orders, project.standingOrders());
                for (const bool image : {false, true}) {
                    PL_TRY(known.usable[image], desk::usablePrompts(project, image));
                }
                if (auto left = project.remaining(task, person))
                    known.remaining = *left;
                PL_TRY(known.server, project.setting(kServerSetting));
                return known;
            },
            [this](Result<Known> known) {
                if (!known) {
                    m_message->setMessage(State::Failed, errorText(known.error()));
                    return;
                }
                m_orders = known->orders;
                const desk::StandingOrder* order = ownOrder();
                const QSignalBlocker block(m_keep);
                m_keep->setChecked(order && order->enabled);
                if (order && !m_target->hasFocus())
                    m_target->setText(QString::number(order->target));
                m_sentence->setKnown(std::move(known->models), known->usable, m_wanted);
                m_wanted.clear();
                m_server->setSettings(known->server);
                showReady(known->remaining);
                askFacts();
                recount();
            });
    }

    void askRemaining() {
        m_ctx.ask(
            this, [task = m_ctx.task.id, person = m_ctx.annotator](desk::Project& project) { return project.remaining(task, person); },
            [this](Result<int64_t> left) {
                if (left)
                    showReady(*left);
            });
    }
    void showReady(int64_t left) { m_ready->setText(left == 1 ? u"1 ready now"_s : u"%1 ready now"_s.arg(formatCount(left))); }

    const desk::StandingOrder* ownOrder() const {
        for (const desk::StandingOrder& order : m_orders)
            if (order.task == m_ctx.task.id)
                return &order;
        return nullptr;
    }

    void askFacts() {
        if (const desk::ModelChoice* model = m_sentence->model())
            m_ctx.ask(
                this, [path = model->path](desk::Project&) { return readModelFacts(path); },
                [this](Result<ModelFacts> facts) {
                    m_facts.reset();
                    if (facts)
                        m_facts = *facts;
                    recount();
                });
    }

    // ---- what it costs

    void recount() {
        const Sentence s = m_sentence->read();
        if (m_results->run().empty())
            m_results->setImages(s.image);
        m_samplesCaption->setText(s.image ? u"Pictures"_s : u"Answers"_s);
        m_start->setText(s.image ? u"Draw them"_s : u"Write them"_s);
        m_samples->setText(s.bestOf > 1 ? u"%1 drawn\n%2 kept"_s.arg(formatCount(s.drawn()), formatCount(s.kept()))
                                        : formatCount(s.kept()));
        const int pairing = m_sentence->pairing();
        m_pairsOut->setText(u"up to "_s + formatCount(pairing == 2 ? 0 : pairing == 1 ? s.prompts : s.prompts * s.models));
        m_start->setEnabled(s.problem.isEmpty() && !m_starting);
        m_start->setToolTip(s.problem);
        // Only its own words are taken back: what a run said stays.
        if (!m_starting && !m_live && m_sentence->isKnown()) {
            if (!s.problem.isEmpty())
                m_message->setMessage(State::Warning, s.problem);
            else if (m_warned)
                m_message->clear();
            m_warned = !s.problem.isEmpty();
        }
        m_memory->setText(u"–"_s);
        if (s.image) {
            if (m_facts)
                m_memory->setText(u"about "_s + qstr(byteText(4.0 * static_cast<double>(m_facts->parameters * s.models))));
            m_later->start();
            return;
        }
        m_later->stop();
        m_measure->hide();
        m_time->setText(u"–"_s);
        m_basis->setText({});
        if (m_facts)
            showTextCost(s);
    }

    void showTextCost(const Sentence& s) {
        double length = 0.6 * static_cast<double>(s.longest), speed = 0;
        QString basis = u"A guess from the arithmetic: no run was measured yet."_s;
        int64_t newest = 0;
        for (const desk::RunInfo& run : m_ctx.supervisor.runs()) {
            const auto rate = run.metrics.find("tokens_per_second"), mean = run.metrics.find("completions/mean_length");
            if (run.plugin != "generate_text" || rate == run.metrics.end() || !(rate->second > 0) || run.createdMs < newest)
                continue;
            newest = run.createdMs;
            speed = rate->second;
            if (mean != run.metrics.end() && mean->second > 0)
                length = std::min(static_cast<double>(s.longest), mean->second);
            basis = u"At the speed of %1."_s.arg(qstr(run.name));
        }
        const double tokens = static_cast<double>(s.kept()) * length;
        const double seconds = speed > 0 ? tokens / speed
                                         : 2.0 * static_cast<double>(m_facts->parameters) * tokens / kDecodeFlopPerSecond;
        m_time->setText(u"about "_s + formatDuration(std::max(1.0, seconds)));
        // Weights of every model, and keys and values of 64 rows (fp32, as many heads as the width has).
        const double bytes = 4.0 * static_cast<double>(m_facts->parameters * s.models) +
                             64.0 * 2 * 4 * static_cast<double>(m_facts->layers * m_facts->hidden) *
                                 static_cast<double>(std::min(m_facts->context > 0 ? m_facts->context : s.longest, 2 * s.longest));
        m_memory->setText(u"about "_s + qstr(byteText(bytes)));
        m_basis->setText(basis);
    }


    /// Of images from a run that was measured: what a step takes is not in a model's folder.
    void askEstimate() {
        const Sentence s = m_sentence->read();
        if (!s.image)
            return;
        m_ctx.ask(
            this, [r = m_sentence->request(s)](desk::Project& project) { return desk::estimateGenerate(project, r); },
            [this, asked = ++m_asked](Result<desk::GenerateEstimate> cost) {
                if (asked != m_asked || !m_sentence->read().image)
                    return;
                const bool known = cost && cost->seconds() >= 0;
                m_measure->setVisible(!known && m_sentence->read().problem.isEmpty());
                m_measure->setEnabled(m_probe.empty());
                m_time->setText(known ? u"about "_s + formatDuration(std::max(1.0, cost->seconds())) : u"–"_s);
                m_basis->setText(!cost   ? errorText(cost.error())
                                 : known ? u"%1 s a picture, as in %2, for these steps and this guidance."_s.arg(
                                               formatNumber(cost->secondsEach, 2), qstr(cost->basis))
                                 : m_probe.empty() ? u"No picture was drawn here yet: the first run measures the time."_s
                                                   : u"Drawing %1 pictures to measure …"_s.arg(kProbePrompts));
            });
    }

    /// A few pictures of the first model, kept in no pair, to know what one takes.
    void measure() {
        desk::GenerateRequest r = m_sentence->request(m_sentence->read());
        r.bestOf = r.n = 1;
        r.prompts = kProbePrompts;
        r.models.resize(1);
        r.acrossModels = r.makePairs = false;
        m_measure->setEnabled(false);
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, r](desk::Project& project) {
                return desk::startGenerate(project, supervisor, r);
            },
            [this](Result<std::string> name) {
                if (name) {
                    m_probe = *name;
                    if (const auto info = m_ctx.supervisor.find(*name)) // it may be over by now
                        onProbe(*info);
                } else {
                    m_message->setMessage(State::Failed, errorText(name.error()));
                }
                recount();
            });
    }
    void onProbe(const desk::RunInfo& info) {
        if (m_probe.empty() || info.name != m_probe || !isOver(info.state))
            return;
        m_probe.clear();
        if (info.state == RunState::Failed)
            m_message->setMessage(State::Failed, qstr(info.reason));
        recount();
    }
    static bool isOver(RunState state) {
        return state == RunState::Finished || state == RunState::Stopped || state == RunState::Failed;
    }

    // ---- starting

    void start() {
        const Sentence s = m_sentence->read();
        if (!s.problem.isEmpty())
            return;
        m_starting = true;
        m_start->setEnabled(false);
        m_message->setMessage(State::Queued, u"Starting …"_s);
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, r = m_sentence->request(s)](desk::Project& project) {
                return desk::startGenerate(project, supervisor, r);
            },
            [this, image = s.image](Result<std::string> name) { started(name, image); });
    }

    /// The server card's answers, to the prompts and with the numbers of the sentence.
    void askServer() {
        const Sentence s = m_sentence->read();
        desk::ServerRequest r = m_server->request();
        if (s.prompts < 1 || s.n < 1) {
            m_message->setMessage(State::Warning, u"Say in the sentence how many prompts and answers"_s);
            return;
        }
        r.split = m_sentence->request(s).split;
        r.prompts = s.prompts;
        r.n = s.n;
        r.seed = s.seed;
        r.makePairs = m_sentence->pairing() != 2;
        if (!s.image) {
            r.parameters["temperature"] = s.temperature;
            if (s.longest > 0)
                r.parameters["max_new_tokens"] = s.longest;
        }
        m_starting = true;
        m_start->setEnabled(false);
        m_server->setBusy(true);
        m_message->setMessage(State::Queued, u"Starting …"_s);
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, r, settings = m_server->settings()](desk::Project& project) -> Result<std::string> {
                PL_TRY(std::string name, desk::startGenerateServer(project, supervisor, r));
                if (!settings.is_null())
                    PL_CHECK(project.setSetting(kServerSetting, settings));
                return name;
            },
            [this](Result<std::string> name) {
                m_server->setBusy(false);
                started(name, false);
            });
    }

    void started(const Result<std::string>& name, bool image) {
        m_starting = false;
        if (!name) {
            recount();
            m_message->setMessage(State::Failed, errorText(name.error()));
            return;
        }
        m_results->setImages(image);
        m_results->begin(*name);
        m_live = true;
        m_stop->show();
        m_message->clear();
        m_sentence->advanceSeed();
        m_ctx.say(State::Running, u"Started %1"_s.arg(qstr(*name)));
        if (const auto info = m_ctx.supervisor.find(*name))
            m_results->onRun(*info, {});
        recount();
    }

    void onEnd(const desk::RunInfo& info) {
        m_stop->hide();
        m_live = false;
        if (info.state == RunState::Failed)
            m_message->setMessage(State::Failed, qstr(info.reason));
        else
            m_message->setMessage(State::Done, (info.plugin == "generate_image" ? u"%1 drew %2 pictures"_s : u"%1 wrote %2 answers"_s)
                                                   .arg(qstr(info.name), formatCount(info.step)));
        askStore();
    }

    void saveOrder() {
        const Sentence s = m_sentence->read();
        bool ok = false;
        const qlonglong target = m_target->text().trimmed().toLongLong(&ok);
        if (!ok || target < 1 || target > 100000 || !s.problem.isEmpty()) {
            m_message->setMessage(State::Warning, !s.problem.isEmpty() ? s.problem : u"Keep 1 to 100,000 pairs ready"_s);
            const QSignalBlocker block(m_keep);
            m_keep->setChecked(ownOrder() && ownOrder()->enabled);
            return;
        }
        desk::StandingOrder order;
        if (const desk::StandingOrder* own = ownOrder())
            order = *own;
        order.task = m_ctx.task.id;
        order.target = target;
        order.enabled = m_keep->isChecked();
        const desk::GenerateRequest r = m_sentence->request(s);
        order.generate = {{"models", r.models}, {"split", desk::splitName(*r.split)}, {"n", r.n}, {"parameters", r.parameters},
                          {"best_of", r.bestOf}, {"judge", r.judge}, {"device", r.device}};
        m_ctx.ask(
            this, [order](desk::Project& project) { return project.setStandingOrder(order); },
            [this, on = order.enabled, target](Result<desk::Id> id) {
                if (!id)
                    m_message->setMessage(State::Failed, errorText(id.error()));
                else
                    m_ctx.say(State::Done, on ? u"%1 pairs will be kept ready"_s.arg(formatCount(target))
                                              : u"No more pairs are kept ready"_s);
                askStore();
            });
    }

    Context& m_ctx;
    std::vector<desk::StandingOrder> m_orders;
    std::optional<ModelFacts> m_facts;
    QString m_wanted;
    std::string m_probe; ///< the run that measures what a picture takes
    int m_asked = 0;
    bool m_starting = false, m_live = false; ///< between the click and the run's name; while that run goes on
    bool m_warned = false;                   ///< the message says why the sentence cannot be started
    SentenceCard* m_sentence;
    ResultsCard* m_results;
    ServerCard* m_server = nullptr;
    QLineEdit* m_target = nullptr;
    QCheckBox* m_keep = nullptr;
    TextLabel* m_ready = nullptr;
    TextLabel *m_samplesCaption = nullptr, *m_samples = nullptr, *m_pairsOut = nullptr, *m_time = nullptr, *m_memory = nullptr,
              *m_basis = nullptr;
    LinkButton* m_measure = nullptr;
    InlineMessage* m_message = nullptr;
    FilledButton* m_start = nullptr;
    QuietButton* m_stop = nullptr;
    QTimer* m_later = nullptr;
};

} // namespace

PageFactory generatePage() {
    return {page::kGenerate.toString(), u"Generate"_s, u"generate"_s,
            [](Context& context) -> Page* { return new GeneratePage(context); }};
}

} // namespace pl::ui
