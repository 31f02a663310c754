// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/generate/generate_page.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <QCheckBox>
#include <QComboBox>
#include <QFileInfo>
#include <QLabel>
#include <QLineEdit>
#include <QScrollArea>
#include <QTimer>
#include <QVBoxLayout>

#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "ui/models/model_facts.h"
#include "ui/widgets/image_loader.h"
#include "ui/widgets/text_pane.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kCostWidth = 320, kPictureSide = 256;
constexpr double kMostGuidance = 50;
constexpr double kDecodeFlopPerSecond = 2e9; ///< two desktop cores, one position at a time; a first run measures it

QLineEdit* numberField(const QString& value, const QString& name, int width = 64) {
    auto* field = new QLineEdit(value);
    field->setFont(textFont(TextStyle::Mono));
    field->setFixedWidth(width);
    field->setAccessibleName(name);
    return field;
}

class GeneratePage : public Page {
public:
    explicit GeneratePage(Context& context) : m_ctx(context) {
        auto* outer = new QVBoxLayout(this);
        setGaps(outer, Size::GapL, Size::GapM);
        auto* top = new QHBoxLayout;
        setNoMargins(top, Size::GapL);
        auto* left = new QVBoxLayout;
        setNoMargins(left, Size::GapM);
        left->addWidget(buildSentence());
        left->addWidget(buildStanding());
        left->addWidget(buildResults(), 1);
        top->addLayout(left, 1);
        top->addWidget(buildCost(), 0, Qt::AlignTop);
        outer->addLayout(top, 1);
        connect(&m_ctx.signals, &Signals::runUpdated, this,
                [this](const desk::RunInfo& info, const std::vector<Event>& events) { onRun(info, events); });
        connect(&m_ctx.signals, &Signals::votesChanged, this, [this] {
            if (isVisible())
                askRemaining();
        });
        connect(&m_ctx.signals, &Signals::changed, this, [this](desk::Change what) {
            if (isVisible() && (what == desk::Change::Pairs || what == desk::Change::Prompts))
                askStore();
        });
        connect(&m_loader, &ImageLoader::loaded, this,
                [this](const QString& path, int, const ImagePtr& image) { onPicture(path, *image); });
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
        desk::Counters counters;
        int64_t remaining = 0;
    };

    // ---- building

    QWidget* buildSentence() {
        auto* card = new Card(u"Write answers"_s);
        const auto line = [&] {
            auto* row = new QHBoxLayout;
            setNoMargins(row, Size::GapS);
            card->body()->addLayout(row);
            return row;
        };
        const auto say = [](QHBoxLayout* row, const QString& text) { row->addWidget(new TextLabel(text)); };
        const auto combo = [](const QString& name, int width) {
            auto* box = new QComboBox;
            box->setAccessibleName(name);
            box->setMinimumWidth(width);
            box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
            return box;
        };
        auto* one = line();
        say(one, u"For"_s);
        m_count = numberField(u"200"_s, u"How many prompts"_s);
        one->addWidget(m_count);
        m_split = combo(u"Which prompts"_s, 140);
        m_split->addItem(u"train prompts"_s, u"train"_s);
        m_split->addItem(u"dev prompts"_s, u"dev"_s);
        one->addWidget(m_split);
        say(one, u"write"_s);
        m_n = numberField(u"2"_s, u"Answers a prompt and model"_s, 48);
        one->addWidget(m_n);
        say(one, u"answers each"_s);
        one->addStretch(1);
        auto* two = line();
        say(two, u"with"_s);
        m_first = combo(u"Model"_s, 200);
        m_first->setPlaceholderText(u"no model yet"_s);
        two->addWidget(m_first);
        say(two, u"and"_s);
        m_second = combo(u"Second model"_s, 200);
        two->addWidget(m_second);
        two->addStretch(1);
        auto* three = line();
        // What a language model and what an image model is asked, one of the two at a time.
        const auto group = [&](QWidget*& box) {
            box = new QWidget;
            auto* row = new QHBoxLayout(box);
            setNoMargins(row, Size::GapS);
            three->addWidget(box);
            return row;
        };
        auto* text = group(m_textPart);
        say(text, u"at temperature"_s);
        m_temperature = numberField(u"0.8"_s, u"Temperature"_s, 56);
        text->addWidget(m_temperature);
        say(text, u"and at most"_s);
        m_longest = numberField(u"128"_s, u"Longest answer in tokens"_s, 56);
        text->addWidget(m_longest);
        say(text, u"tokens"_s);
        auto* image = group(m_imagePart);
        say(image, u"in"_s);
        m_steps = numberField(u"8"_s, u"Sampling steps"_s, 56);
        image->addWidget(m_steps);
        say(image, u"steps with guidance"_s);
        m_guidance = numberField(u"2"_s, u"Guidance"_s, 56);
        image->addWidget(m_guidance);
        m_imagePart->hide();
        say(three, u"seed"_s);
        m_seed = numberField(u"1"_s, u"Seed"_s);
        three->addWidget(m_seed);
        three->addStretch(1);
        auto* four = line();
        say(four, u"and pair them"_s);
        m_pairing = new SegmentedControl({u"Within model"_s, u"Across models"_s, u"Not at all"_s});
        m_pairing->setAccessibleName(u"How answers become pairs"_s);
        four->addWidget(m_pairing);
        four->addStretch(1);
        for (QLineEdit* field : {m_count, m_n, m_temperature, m_longest, m_steps, m_guidance, m_seed})
            connect(field, &QLineEdit::textChanged, this, [this] { recount(); });
        for (QComboBox* box : {m_split, m_first, m_second})
            connect(box, &QComboBox::currentIndexChanged, this, [this] {
                askFacts();
                recount();
            });
        connect(m_pairing, &SegmentedControl::currentChanged, this, [this] { recount(); });
        return card;
    }

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
        row->addWidget(new TextLabel(u"pairs ready, written with the sentence above as they run low"_s));
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

    QWidget* buildResults() {
        auto* card = new Card(u"First answers"_s);
        m_chip = new StatusChip;
        m_chip->hide();
        card->setCorner(m_chip);
        m_progress = new ProgressLine;
        m_progress->hide();
        card->body()->addWidget(m_progress);
        m_noResults = new TextLabel(u"The first two answers appear here while the rest is being written."_s, TextStyle::Body,
                                    Tone::Second);
        m_noResults->setWordWrap(true);
        card->body()->addWidget(m_noResults);
        m_prompt = new TextLabel({}, TextStyle::Strong);
        m_prompt->setWordWrap(true);
        m_prompt->hide();
        card->body()->addWidget(m_prompt);
        auto* panes = new QHBoxLayout;
        setNoMargins(panes, Size::GapM);
        for (int i = 0; i < 2; ++i) {
            auto* column = new QVBoxLayout;
            setNoMargins(column, Size::Grid);
            m_from[i] = new ElidedLabel({}, TextStyle::MonoCaption, Tone::Second);
            m_pane[i] = new TextPane;
            m_picture[i] = new QLabel;
            m_picture[i]->setAlignment(Qt::AlignTop | Qt::AlignLeft); // under its caption, however large the window
            column->addWidget(m_from[i]);
            column->addWidget(m_pane[i], 1);
            column->addWidget(m_picture[i], 1);
            panes->addLayout(column, 1);
            m_from[i]->hide();
            m_pane[i]->hide();
            m_picture[i]->hide();
        }
        card->body()->addLayout(panes, 1);
        card->body()->addStretch(0);
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
        const auto fact = [&](const QString& what) {
            grid->addWidget(new TextLabel(what, TextStyle::Body, Tone::Second), at, 0, Qt::AlignTop);
            auto* value = new TextLabel({}, TextStyle::Mono);
            value->setWordWrap(true);
            grid->addWidget(value, at++, 1);
            return value;
        };
        m_answers = fact(u"Answers"_s);
        m_pairsOut = fact(u"Pairs"_s);
        m_time = fact(u"Time"_s);
        m_memory = fact(u"Memory"_s);
        grid->setColumnStretch(1, 1);
        card->body()->addLayout(grid);
        m_basis = new TextLabel({}, TextStyle::Caption, Tone::Second);
        m_basis->setWordWrap(true);
        card->body()->addWidget(m_basis);
        m_message = new InlineMessage;
        m_message->clear();
        card->body()->addWidget(m_message);
        m_start = new FilledButton(u"play"_s, u"Write them"_s);
        card->body()->addWidget(m_start);
        m_stop = new QuietButton(u"stop"_s, u"Stop"_s);
        m_stop->hide();
        card->body()->addWidget(m_stop);
        connect(m_start, &QPushButton::clicked, this, [this] { start(); });
        connect(m_stop, &QPushButton::clicked, this, [this] {
            if (const Status s = m_ctx.supervisor.stop(m_run); !s)
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
                known.counters = project.counters();
                if (auto left = project.remaining(task, person))
                    known.remaining = *left;
                return known;
            },
            [this](Result<Known> known) {
                if (!known) {
                    m_message->setMessage(State::Failed, errorText(known.error()));
                    return;
                }
                m_models.clear();
                for (const desk::ModelChoice& c : known->models)
                    if (!c.rewardModel)
                        m_models.push_back(c);
                m_counters = known->counters;
                const QString first = m_first->currentData().toString(), second = m_second->currentData().toString();
                const auto fill = [&](QComboBox* box, bool none, const QString& wanted) {
                    const QSignalBlocker block(box);
                    box->clear();
                    if (none)
                        box->addItem(u"nobody else"_s, QString());
                    for (const desk::ModelChoice& c : m_models)
                        box->addItem(qstr(c.label), qstr(c.text));
                    box->setCurrentIndex(std::max(0, box->findData(wanted)));
                };
                fill(m_first, false, first.isEmpty() ? u"start"_s : first);
                fill(m_second, true, second);
                if (!m_wanted.isEmpty()) {
                    for (int i = 0; i < m_first->count(); ++i)
                        if (const QString text = m_first->itemData(i).toString();
                            text == m_wanted || text.startsWith(m_wanted + u'@')) {
                            m_first->setCurrentIndex(i);
                            break;
                        }
                    m_wanted.clear();
                }
                m_orders = known->orders;
                const desk::StandingOrder* order = ownOrder();
                const QSignalBlocker block(m_keep);
                m_keep->setChecked(order && order->enabled);
                if (order && !m_target->hasFocus())
                    m_target->setText(QString::number(order->target));
                m_known = true;
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
        const QString text = m_first->currentData().toString();
        for (const desk::ModelChoice& c : m_models)
            if (qstr(c.text) == text)
                m_ctx.ask(
                    this, [path = c.path](desk::Project&) { return readModelFacts(path); },
                    [this](Result<ModelFacts> facts) {
                        m_facts.reset();
                        if (facts)
                            m_facts = *facts;
                        recount();
                    });
    }

    // ---- the sentence as numbers

    struct Sentence {
        bool image = false; ///< asked of an image model
        int64_t prompts = 0, n = 0, longest = 0;
        int64_t steps = 0;
        double temperature = 0, guidance = 0;
        uint64_t seed = 0;
        int64_t models = 1;
        QString problem;
    };
    Sentence read() const {
        Sentence s;
        const auto whole = [&](QLineEdit* field, int64_t low, int64_t high) {
            bool ok = false;
            const qlonglong v = field->text().trimmed().toLongLong(&ok);
            if ((!ok || v < low || v > high) && s.problem.isEmpty())
                s.problem = u"%1 must be a whole number from %2 to %3"_s.arg(field->accessibleName()).arg(low).arg(high);
            return static_cast<int64_t>(v);
        };
        s.prompts = whole(m_count, 1, 1000000);
        s.n = whole(m_n, 1, 64);
        const auto real = [&](QLineEdit* field, double high) {
            bool ok = false;
            const double v = field->text().trimmed().toDouble(&ok);
            if ((!ok || !(v >= 0 && v <= high)) && s.problem.isEmpty())
                s.problem = u"%1 must be a number from 0 to %2"_s.arg(field->accessibleName()).arg(high);
            return v;
        };
        s.image = drawsImages();
        if (s.image) {
            s.steps = whole(m_steps, 1, 1000);
            s.guidance = real(m_guidance, kMostGuidance);
        } else {
            s.longest = whole(m_longest, 1, 32768);
            s.temperature = real(m_temperature, 10);
        }
        s.seed = static_cast<uint64_t>(whole(m_seed, 0, std::numeric_limits<int64_t>::max()));
        s.models = m_second->currentData().toString().isEmpty() ? 1 : 2;
        if (s.problem.isEmpty() && m_pairing->current() == 1 && s.models < 2)
            s.problem = u"Choose a second model to pair across models"_s;
        if (s.problem.isEmpty() && m_pairing->current() == 0 && s.n < 2)
            s.problem = u"One answer a prompt makes no pair within a model"_s;
        if (s.problem.isEmpty() && m_pairing->current() == 0 && !s.image && s.temperature == 0)
            s.problem = u"At temperature 0 both answers are the same"_s;
        if (s.problem.isEmpty() && m_models.empty())
            s.problem = u"No model yet: add a folder on the Models page"_s;
        const int64_t there = m_split->currentIndex() == 0 ? m_counters.train : m_counters.dev;
        if (s.problem.isEmpty() && m_counters.prompts >= 0 && there == 0 && counted())
            s.problem = u"No %1 yet: import some on the Data page"_s.arg(m_split->currentText());
        s.prompts = counted() ? std::min(s.prompts, there) : s.prompts;
        return s;
    }
    bool counted() const { return m_known; }
    /// Does the first model of the sentence make images?
    bool drawsImages() const {
        const QString text = m_first->currentData().toString();
        return std::any_of(m_models.begin(), m_models.end(),
                           [&](const desk::ModelChoice& c) { return qstr(c.text) == text && c.image; });
    }

    void recount() {
        const Sentence s = read();
        m_textPart->setVisible(!s.image);
        m_imagePart->setVisible(s.image);
        m_pairing->setSegmentEnabled(1, s.models > 1, u"Choose a second model first"_s);
        const int64_t answers = s.prompts * s.n * s.models;
        m_answers->setText(formatCount(answers));
        const int64_t pairs = m_pairing->current() == 2 ? 0 : m_pairing->current() == 1 ? s.prompts : s.prompts * s.models;
        m_pairsOut->setText(u"up to "_s + formatCount(pairs));
        m_start->setEnabled(s.problem.isEmpty() && !m_starting);
        m_start->setToolTip(s.problem);
        if (!m_starting && m_run.empty()) {
            if (s.problem.isEmpty() || !counted())
                m_message->clear();
            else
                m_message->setMessage(State::Warning, s.problem);
        }
        if (!m_facts) {
            m_time->setText(u"–"_s);
            m_memory->setText(u"–"_s);
            m_basis->setText({});
            return;
        }
        if (s.image) {
            showImageCost(s, answers);
            return;
        }
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
        const double tokens = static_cast<double>(answers) * length;
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

    /// Time only from a run that was measured: the arithmetic of an image model is not in its folder's header.
    void showImageCost(const Sentence& s, int64_t images) {
        double each = 0;
        int64_t newest = 0;
        for (const desk::RunInfo& run : m_ctx.supervisor.runs()) {
            const auto rate = run.metrics.find("seconds_per_image");
            if (run.plugin != "generate_image" || rate == run.metrics.end() || !(rate->second > 0) || run.createdMs < newest)
                continue;
            newest = run.createdMs;
            each = rate->second;
            m_basis->setText(u"At the speed of %1, whatever its steps were."_s.arg(qstr(run.name)));
        }
        if (newest == 0)
            m_basis->setText(u"No image was drawn here yet: the first run measures the time."_s);
        m_time->setText(each > 0 ? u"about "_s + formatDuration(std::max(1.0, each * static_cast<double>(images))) : u"–"_s);
        m_memory->setText(u"about "_s + qstr(byteText(4.0 * static_cast<double>(m_facts->parameters * s.models))));
    }

    desk::GenerateRequest request(const Sentence& s) const {
        desk::GenerateRequest r;
        r.models = {sstr(m_first->currentData().toString())};
        if (s.models > 1)
            r.models.push_back(sstr(m_second->currentData().toString()));
        r.split = m_split->currentIndex() == 0 ? desk::Split::Train : desk::Split::Dev;
        r.prompts = s.prompts;
        r.n = s.n;
        r.parameters = s.image ? Json{{"steps", s.steps}, {"guidance", s.guidance}}
                               : Json{{"temperature", s.temperature}, {"max_new_tokens", s.longest}};
        r.seed = s.seed;
        r.acrossModels = m_pairing->current() == 1;
        r.makePairs = m_pairing->current() != 2;
        r.shortJob = true;
        return r;
    }

    void start() {
        const Sentence s = read();
        if (!s.problem.isEmpty())
            return;
        m_starting = true;
        m_start->setEnabled(false);
        m_message->setMessage(State::Queued, u"Starting …"_s);
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, r = request(s)](desk::Project& project) {
                return desk::startGenerate(project, supervisor, r);
            },
            [this](Result<std::string> name) {
                m_starting = false;
                if (!name) {
                    recount();
                    m_message->setMessage(State::Failed, errorText(name.error()));
                    return;
                }
                m_run = *name;
                m_seen = 0;
                m_seed->setText(QString::number(m_seed->text().toULongLong() + 1)); // or the same answers would come again
                m_prompt->hide();
                for (int i = 0; i < 2; ++i) {
                    m_pane[i]->hide();
                    m_picture[i]->hide();
                    m_from[i]->hide();
                }
                m_noResults->show();
                m_progress->show();
                m_chip->show();
                m_stop->show();
                m_message->clear();
                m_ctx.say(State::Running, u"Started %1"_s.arg(qstr(m_run)));
                if (const auto info = m_ctx.supervisor.find(m_run))
                    onRun(*info, {});
                recount();
            });
    }

    void saveOrder() {
        const Sentence s = read();
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
        const desk::GenerateRequest r = request(s);
        order.generate = {{"models", r.models}, {"split", desk::splitName(*r.split)}, {"n", r.n}, {"parameters", r.parameters},
                          {"device", r.device}};
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

    // ---- live

    void onRun(const desk::RunInfo& info, const std::vector<Event>& events) {
        if (info.name != m_run || m_run.empty())
            return;
        for (const Event& e : events)
            if (e.type == event::kCandidate && m_seen < 2) {
                const auto content = eventText(info.dir, e.body, "content");
                const auto prompt = eventText(info.dir, e.body, "prompt");
                const Json model = e.body.value("model", Json::object());
                const Json said = model.is_object() ? model.value("name", Json()) : Json();
                const std::string name = said.is_string() ? said.get<std::string>() : std::string();
                const double tokens = e.body.contains("tokens") && e.body["tokens"].is_number() ? e.body["tokens"].get<double>() : 0;
                m_noResults->hide();
                m_prompt->setText(qstr(prompt ? *prompt : std::string()).left(400));
                m_prompt->show();
                m_from[m_seen]->show();
                if (const Json file = e.body.value("image", Json()); file.is_string()) {
                    showPicture(m_seen, qstr(name), info.dir, file.get<std::string>());
                } else {
                    m_from[m_seen]->setText(u"%1 · %2 tokens%3"_s.arg(qstr(name)).arg(tokens).arg(
                        e.body.value("finished", Json(true)) == Json(false) ? u" · cut off"_s : QString()));
                    m_pane[m_seen]->setRaw(qstr(content ? *content : std::string()));
                    m_pane[m_seen]->setVisible(true);
                }
                ++m_seen;
            }
        m_progress->setValue(info.of > 0 ? static_cast<double>(info.step) / static_cast<double>(info.of)
                                         : std::numeric_limits<double>::quiet_NaN());
        switch (info.state) {
        case RunState::Queued:
            m_chip->set(State::Queued, u"Waiting"_s);
            break;
        case RunState::Running:
            m_chip->set(State::Running, info.of > 0 ? u"%1 of %2"_s.arg(formatCount(info.step), formatCount(info.of))
                                                    : u"Loading"_s);
            break;
        case RunState::Paused:
            m_chip->set(State::Paused, u"Paused"_s);
            break;
        default: {
            const bool failed = info.state == RunState::Failed;
            m_chip->set(failed ? State::Failed : info.state == RunState::Stopped ? State::Stopped : State::Done,
                        failed ? u"Failed"_s : info.state == RunState::Stopped ? u"Stopped"_s : u"Done"_s);
            m_stop->hide();
            m_progress->hide();
            if (failed)
                m_message->setMessage(State::Failed, qstr(info.reason));
            else
                m_message->setMessage(State::Done, u"%1 wrote %2 answers"_s.arg(qstr(info.name), formatCount(info.step)));
            askStore();
        }
        }
    }

    /// Only a name in the run's own samples/ is opened, and not on this thread.
    void showPicture(int at, const QString& model, const std::string& dir, const std::string& file) {
        const QString name = QFileInfo(qstr(file)).fileName();
        m_picturePath[at] = qstr(os::joinPath(os::joinPath(dir, "samples"), sstr(name)));
        m_pictureModel[at] = model;
        m_from[at]->setText(model);
        m_picture[at]->clear();
        m_picture[at]->setAccessibleName(u"Image of %1"_s.arg(model));
        m_picture[at]->show();
        if (const ImagePtr image = m_loader.get(m_picturePath[at]))
            onPicture(m_picturePath[at], *image);
    }
    /// A small image is enlarged with hard pixels.
    void onPicture(const QString& path, const LoadedImage& loaded) {
        for (int i = 0; i < 2; ++i) {
            if (m_picturePath[i] != path)
                continue;
            if (!loaded.ok()) {
                m_picture[i]->setText(loaded.problem);
                continue;
            }
            m_from[i]->setText(u"%1 · %2 × %3"_s.arg(m_pictureModel[i]).arg(loaded.size.width()).arg(loaded.size.height()));
            const bool small = loaded.size.width() <= kPictureSide && loaded.size.height() <= kPictureSide;
            m_picture[i]->setPixmap(QPixmap::fromImage(loaded.image.scaled(
                kPictureSide, kPictureSide, Qt::KeepAspectRatio, small ? Qt::FastTransformation : Qt::SmoothTransformation)));
        }
    }

    Context& m_ctx;
    std::vector<desk::ModelChoice> m_models;
    std::vector<desk::StandingOrder> m_orders;
    desk::Counters m_counters;
    std::optional<ModelFacts> m_facts;
    QString m_wanted;
    std::string m_run;
    int m_seen = 0;
    bool m_starting = false;
    bool m_known = false; ///< models and counts were asked for and have come
    QLineEdit *m_count, *m_n, *m_temperature, *m_longest, *m_steps, *m_guidance, *m_seed, *m_target;
    QWidget *m_textPart = nullptr, *m_imagePart = nullptr;
    QComboBox *m_split, *m_first, *m_second;
    SegmentedControl* m_pairing;
    QCheckBox* m_keep;
    TextLabel *m_ready, *m_noResults, *m_prompt;
    StatusChip* m_chip;
    ProgressLine* m_progress;
    ElidedLabel* m_from[2];
    TextPane* m_pane[2];
    QLabel* m_picture[2];
    QString m_picturePath[2], m_pictureModel[2];
    ImageLoader m_loader;
    TextLabel *m_answers = nullptr, *m_pairsOut = nullptr, *m_time = nullptr, *m_memory = nullptr, *m_basis = nullptr;
    InlineMessage* m_message = nullptr;
    FilledButton* m_start = nullptr;
    QuietButton* m_stop = nullptr;
};

} // namespace

PageFactory generatePage() {
    return {page::kGenerate.toString(), u"Generate"_s, u"generate"_s,
            [](Context& context) -> Page* { return new GeneratePage(context); }};
}

} // namespace pl::ui
