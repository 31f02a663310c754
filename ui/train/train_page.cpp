// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/train_page.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <QComboBox>
#include <QFormLayout>
#include <QLineEdit>
#include <QScrollArea>
#include <QStackedLayout>
#include <QTimer>
#include <QVBoxLayout>

#include "core/base/amounts.h"
#include "core/base/devices.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/runs/actions.h"
#include "core/desk/runs/preflight.h"
#include "core/desk/runs/prompt_count.h"
#include "ui/models/model_facts.h"
#include "ui/shell/devices.h"
#include "ui/train/doctor.h"
#include "ui/train/method_list.h"
#include "ui/train/run_cost.h"
#include "ui/train/train_parts.h"
#include "ui/widgets/schema_form.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kBeforeWidth = 344;
constexpr size_t kDoctorPairs = 1000, kDoctorChunk = 100;

class TrainPage : public Page {
public:
    explicit TrainPage(Context& context) : m_ctx(context) {
        std::vector<const Manifest*> methods;
        for (const Manifest& m : m_ctx.supervisor.catalog().plugins)
            if (m.kind == PluginKind::Train)
                methods.push_back(&m);
        auto* stack = new QStackedLayout(this);
        if (methods.empty()) {
            auto* none = new EmptyState(u"train"_s, u"No trainer was found"_s, u"Look at the plugin folders"_s);
            none->setDetail(u"Trainers are plugins: a folder with a manifest.json and a library."_s);
            connect(none, &EmptyState::actionTriggered, this, [this] { m_ctx.navigate(page::kSettings, u"plugins"_s); });
            stack->addWidget(none);
            return;
        }
        auto* body = new QWidget;
        auto* row = new QHBoxLayout(body);
        setGaps(row, Size::GapL, Size::GapL);
        m_methods = new MethodList(std::move(methods));
        connect(m_methods, &MethodList::chosen, this, [this](const std::string& id) {
            m_wantedMethod.clear();
            choose(id);
        });
        row->addWidget(m_methods);
        row->addWidget(buildForm(), 1);
        row->addWidget(buildBefore());
        stack->addWidget(body);
        m_later = new QTimer(this);
        m_later->setSingleShot(true);
        m_later->setInterval(60);
        connect(m_later, &QTimer::timeout, this, [this] { judge(); });
        connect(&m_ctx.signals, &Signals::changed, this, [this](desk::Change what) {
            if (isVisible() && (what == desk::Change::Votes || what == desk::Change::Datasets))
                askStore();
        });
        connect(&m_ctx.signals, &Signals::runUpdated, this, [this](const desk::RunInfo& info, const std::vector<Event>& events) {
            for (const Event& e : events)
                if (isVisible() && e.type == event::kCheckpoint && !info.resident) {
                    askStore();
                    break;
                }
        });
        choose(m_wantedMethod);
    }

    void activated() override {
        if (m_methods)
            askStore();
    }
    void openArgument(const QString& argument) override {
        if (!m_methods)
            return;
        if (argument.startsWith("model:"_L1)) {
            m_wantedModel = argument.mid(6);
        } else {
            m_wantedMethod = sstr(argument);
            choose(m_wantedMethod);
        }
        askStore();
    }
    QList<SearchItem> searchItems() const override {
        QList<SearchItem> items;
        for (const Manifest* m : m_methods ? m_methods->methods() : std::vector<const Manifest*>())
            items.append({qstr(m->id), u"Train: "_s + qstr(m->title), {}, u"train"_s, {}, u"Command"_s, qstr(m->id)});
        return items;
    }

private:
    // ---- building

    QWidget* buildForm() {
        auto* holder = new QWidget;
        auto* column = new QVBoxLayout(holder);
        setNoMargins(column, Size::GapS);
        m_title = new TextLabel({}, TextStyle::Heading);
        column->addWidget(m_title);
        m_summary = new TextLabel({}, TextStyle::Body, Tone::Second);
        m_summary->setWordWrap(true);
        column->addWidget(m_summary);
        m_control = new LinkButton({});
        m_control->setToolTip(
            u"Trains the same way on labels dealt out at random. What it still learns did not come from the labels."_s);
        m_control->hide();
        column->addWidget(m_control, 0, Qt::AlignLeft);
        connect(m_control, &QPushButton::clicked, this, [this] { turnControl(); });
        m_few = new Banner;
        m_few->hide();
        connect(m_few, &Banner::actionTriggered, this, [this] { m_ctx.navigate(page::kLabel); });
        column->addWidget(m_few);
        m_formArea = new QScrollArea;
        m_formArea->setWidgetResizable(true);
        m_formArea->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        column->addWidget(m_formArea, 1);
        return holder;
    }

    QWidget* buildBefore() {
        auto* card = new Card(u"Before you start"_s);
        card->setFixedWidth(kBeforeWidth);
        auto* area = new QScrollArea;
        area->setWidgetResizable(true);
        area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        auto* inner = new QWidget;
        auto* column = new QVBoxLayout(inner);
        column->setContentsMargins(0, 0, px(Size::GapS), 0);
        column->setSpacing(px(Size::GapS));
        const auto caption = [&](const QString& text) { column->addWidget(new TextLabel(text, TextStyle::Caption, Tone::Second)); };
        caption(u"Model to start from"_s);
        m_model = new QComboBox;
        m_model->setAccessibleName(u"Model to start from"_s);
        m_model->setPlaceholderText(u"no model yet"_s);
        column->addWidget(m_model);
        m_dataCaption = new TextLabel(u"Dataset"_s, TextStyle::Caption, Tone::Second);
        column->addWidget(m_dataCaption);
        m_dataset = new QComboBox;
        m_dataset->setAccessibleName(u"Dataset"_s);
        column->addWidget(m_dataset);
        m_kinds = new TextLabel({}, TextStyle::Caption, Tone::Second);
        m_kinds->setWordWrap(true);
        column->addWidget(m_kinds);
        auto* two = new QHBoxLayout;
        setNoMargins(two, Size::GapS);
        auto* seedColumn = new QVBoxLayout;
        setNoMargins(seedColumn, Size::Grid);
        seedColumn->addWidget(new TextLabel(u"Seed"_s, TextStyle::Caption, Tone::Second));
        m_seed = new QLineEdit(u"1"_s);
        m_seed->setFont(textFont(TextStyle::Mono));
        m_seed->setAccessibleName(u"Seed"_s);
        seedColumn->addWidget(m_seed);
        auto* deviceColumn = new QVBoxLayout;
        setNoMargins(deviceColumn, Size::Grid);
        deviceColumn->addWidget(new TextLabel(u"Device"_s, TextStyle::Caption, Tone::Second));
        m_device = new QComboBox;
        m_device->addItem(u"cpu"_s);
        askDevices(this, [this](const std::vector<Device>& devices) {
            m_devices = devices;
            for (const Device& device : devices)
                if (m_device->findText(qstr(device.name)) < 0)
                    m_device->addItem(qstr(device.name));
            for (const Device& device : devices)
                m_device->setItemData(m_device->findText(qstr(device.name)), qstr(device.title), Qt::ToolTipRole);
            judge();
        });
        m_device->setAccessibleName(u"Device"_s);
        deviceColumn->addWidget(m_device);
        two->addLayout(seedColumn, 1);
        two->addLayout(deviceColumn, 1);
        column->addLayout(two);
        column->addSpacing(px(Size::Grid));
        column->addWidget(makeLine(Qt::Horizontal));
        m_findings = new QVBoxLayout;
        setNoMargins(m_findings, Size::GapS);
        column->addLayout(m_findings);
        column->addWidget(makeLine(Qt::Horizontal));
        auto* cost = new QGridLayout;
        cost->setContentsMargins(0, 0, 0, 0);
        cost->setHorizontalSpacing(px(Size::GapM));
        cost->setVerticalSpacing(px(Size::Grid));
        m_time = new TextLabel({}, TextStyle::Mono);
        m_timeBasis = new TextLabel({}, TextStyle::Caption, Tone::Second);
        m_timeBasis->setWordWrap(true);
        m_memory = new TextLabel({}, TextStyle::Mono);
        m_memoryBar = new ProgressLine;
        cost->addWidget(new TextLabel(u"Time"_s, TextStyle::Body, Tone::Second), 0, 0);
        cost->addWidget(m_time, 0, 1);
        cost->addWidget(m_timeBasis, 1, 1);
        cost->addWidget(new TextLabel(u"Memory"_s, TextStyle::Body, Tone::Second), 2, 0);
        cost->addWidget(m_memory, 2, 1);
        cost->addWidget(m_memoryBar, 3, 1);
        cost->setColumnStretch(1, 1);
        column->addLayout(cost);
        column->addStretch(1);
        area->setWidget(inner);
        card->body()->addWidget(area, 1);
        m_message = new InlineMessage;
        m_message->clear();
        card->body()->addWidget(m_message);
        m_start = new FilledButton(u"play"_s, u"Start"_s);
        card->body()->addWidget(m_start);
        connect(m_start, &QPushButton::clicked, this, [this] { start(); });
        connect(m_model, &QComboBox::currentIndexChanged, this, [this] { askFacts(); });
        connect(m_dataset, &QComboBox::currentIndexChanged, this, [this] { askPairs(); });
        connect(m_seed, &QLineEdit::textChanged, this, [this] { m_later->start(); });
        return card;
    }

    // ---- choosing a method

    void choose(const std::string& id) {
        const Manifest& m = *m_methods->find(id);
        m_methods->setCurrent(m.id);
        if (m_manifest == &m)
            return;
        if (m_form && m_manifest)
            m_kept[m_manifest->id] = m_form->changedValues();
        const bool otherKind = !m_manifest || trainsImages(*m_manifest) != trainsImages(m);
        m_manifest = &m;
        m_title->setText(qstr(m.title));
        m_summary->setText(qstr(m.summary));
        auto* holder = new QWidget;
        auto* column = new QVBoxLayout(holder);
        column->setContentsMargins(0, 0, px(Size::GapS), 0);
        m_form = new SchemaForm(m);
        column->addWidget(m_form);
        column->addStretch(1);
        m_formArea->setWidget(holder); // deletes the one before
        offerModels();
        if (const auto it = m_kept.find(m.id); it != m_kept.end())
            m_form->setValues(it->second);
        connect(m_form, &SchemaForm::changed, this, [this] { m_later->start(); });
        if (otherKind)
            offerStarts();
        judge();
    }

    void offerModels() {
        if (!m_form)
            return;
        QList<Choice> choices;
        for (const bool reward : {true, false})
            for (const desk::ModelChoice& c : m_choices)
                if (c.rewardModel == reward && c.image == trainsImages(*m_manifest))
                    choices.append({qstr(c.text), qstr(c.label), reward ? u"reward model"_s : QString()});
        m_form->setModelChoices(choices);
        // A reward model that was just trained is what GRPO is most likely to want.
        const Parameter* rewards = m_manifest->parameter("rewards");
        if (rewards && rewards->type == ParamType::Variants && !m_kept.contains(m_manifest->id) && m_form->changedCount() == 0)
            for (const desk::ModelChoice& c : m_choices)
                if (c.rewardModel && c.control.empty() && c.image == trainsImages(*m_manifest)) {
                    m_form->setValues({{"rewards", Json::array({{{"type", "reward_model"}, {"model", c.text}}})}});
                    m_kept[m_manifest->id] = m_form->changedValues();
                    break;
                }
    }

    // ---- the shuffled-label control

    bool controlOn() const {
        const Json values = m_form ? m_form->values() : Json::object();
        const auto it = values.find("label_control");
        return it != values.end() && it->is_string() && *it != Json("none");
    }
    /// Offered where a run of the method has finished: a control is there to doubt a result.
    void offerControl() {
        const auto runs = m_ctx.supervisor.runs();
        const bool finished = std::any_of(runs.begin(), runs.end(), [this](const desk::RunInfo& run) {
            return run.plugin == m_manifest->id && run.state == RunState::Finished;
        });
        const bool on = controlOn();
        m_control->setText(on ? u"Back to the real labels"_s : u"Try the shuffled-label control"_s);
        m_control->setVisible(m_manifest->parameter("label_control") && (finished || on));
    }
    void turnControl() {
        Json values = m_form->changedValues();
        if (controlOn())
            values.erase("label_control");
        else
            values["label_control"] = "shuffle";
        m_form->setValues(values);
        judge();
    }

    // ---- what the store knows

    struct Known {
        std::vector<desk::ModelChoice> models;
        std::vector<desk::DatasetInfo> datasets;
        desk::DatasetCounts now[2]; ///< pairs of texts, of images
        desk::PromptCount usable[2]; ///< by language models, by image models
    };

    void askStore() {
        m_ctx.ask(
            this,
            [](desk::Project& project) -> Result<Known> {
                Known known;
                PL_TRY(known.models, desk::modelChoices(project));
                PL_TRY(known.datasets, project.datasets());
                for (const bool image : {false, true}) {
                    desk::DatasetSpec spec;
                    spec.filter.kind = image ? desk::CandidateKind::Image : desk::CandidateKind::Text;
                    PL_TRY(known.now[image], project.previewDataset(spec));
                    PL_TRY(known.usable[image], desk::usablePrompts(project, image));
                }
                return known;
            },
            [this](Result<Known> known) {
                if (!known) {
                    m_message->setMessage(State::Failed, errorText(known.error()));
                    return;
                }
                m_choices = std::move(known->models);
                m_datasets = std::move(known->datasets);
                std::copy(std::begin(known->now), std::end(known->now), std::begin(m_now));
                std::copy(std::begin(known->usable), std::end(known->usable), std::begin(m_usable));
                showModalities();
                choose(m_wantedMethod.empty() ? m_manifest->id : m_wantedMethod);
                offerModels();
                offerStarts();
            });
    }

    /// The project is what its models are; the one it started from says what comes first.
    void showModalities() {
        Modalities there{false, false, false};
        const desk::ModelChoice* first = nullptr;
        for (const desk::ModelChoice& c : m_choices) {
            if (c.rewardModel)
                continue;
            (c.image ? there.image : there.text) = true;
            if (!first || qstr(c.text) == m_wantedModel)
                first = &c;
        }
        if (!first)
            there = {true, true, false};
        else
            there.imageFirst = first->image;
        m_methods->setModalities(there);
        // Who asks for a model of the other kind asks for the other methods, too.
        if (first && qstr(first->text) == m_wantedModel && first->image != trainsImages(*m_manifest))
            m_wantedMethod = first->image ? "image_dpo" : "dpo";
    }

    /// Models and datasets of the kind that the method trains on.
    void offerStarts() {
        const bool image = trainsImages(*m_manifest);
        const auto refill = [](QComboBox* box, const QList<std::pair<QString, QString>>& items, const QString& wanted) {
            const QSignalBlocker block(box);
            box->clear();
            for (const auto& [label, value] : items)
                box->addItem(label, value);
            box->setCurrentIndex(std::max(0, box->findData(wanted)));
        };
        QList<std::pair<QString, QString>> models, datasets;
        for (const desk::ModelChoice& c : m_choices)
            if (!c.rewardModel && c.image == image)
                models.append({qstr(c.label), qstr(c.text)});
        const QString before = m_wantedModel.isEmpty() ? m_model->currentData().toString() : m_wantedModel;
        if (!m_choices.empty())
            m_wantedModel.clear();
        refill(m_model, models, before.isEmpty() ? u"start"_s : before);
        datasets.append({u"Current votes, frozen when it starts"_s, QString()});
        for (const desk::DatasetInfo& d : m_datasets)
            if (d.isOfImages() == image)
                datasets.append({u"%1 · %2 · %3 pairs"_s.arg(qstr(d.name), qstr(d.sha.substr(0, 8))).arg(d.counts.train),
                                 qstr(d.sha)});
        refill(m_dataset, datasets, m_dataset->currentData().toString());
        askFacts();
        askPairs();
    }

    const desk::ModelChoice* chosenModel() const {
        const std::string text = sstr(m_model->currentData().toString());
        for (const desk::ModelChoice& c : m_choices)
            if (c.text == text)
                return &c;
        return nullptr;
    }
    const desk::DatasetInfo* chosenDataset() const {
        const std::string sha = sstr(m_dataset->currentData().toString());
        for (const desk::DatasetInfo& d : m_datasets)
            if (!sha.empty() && d.sha == sha)
                return &d;
        return nullptr;
    }

    void askFacts() {
        m_facts.reset();
        const desk::ModelChoice* model = chosenModel();
        if (!model) {
            judge();
            return;
        }
        m_ctx.ask(
            this, [path = model->path](desk::Project&) { return readModelFacts(path); },
            [this](Result<ModelFacts> facts) {
                if (facts)
                    m_facts = *facts;
                judge();
            });
    }

    void askPairs() {
        m_pairs.clear();
        ++m_asked;
        m_pairsOf = 0;
        judge();
        if (const desk::DatasetInfo* dataset = chosenDataset()) {
            m_ctx.ask(
                this,
                [path = os::joinPath(dataset->dir, "train.jsonl")](desk::Project&) -> Result<std::vector<PairRow>> {
                    return readPairs(path);
                },
                [this, asked = m_asked](Result<std::vector<PairRow>> rows) {
                    if (!rows || asked != m_asked)
                        return;
                    m_pairsOf = static_cast<int64_t>(rows->size());
                    for (const PairRow& row : *rows)
                        if (m_pairs.size() < kDoctorPairs)
                            m_pairs.push_back({row.prompt, row.chosen, row.rejected, desk::Winner::A, desk::Split::Train, {}, {}});
                    judge();
                });
            return;
        }
        using Voted = std::vector<std::pair<desk::Id, desk::Winner>>;
        m_ctx.ask(
            this,
            [](desk::Project& project) {
                std::vector<std::tuple<desk::Id, desk::Id, desk::Winner>> votes;
                for (const desk::CurrentVote& v : project.currentVotes())
                    if (v.kind == desk::EventKind::Vote && v.occasion == 0)
                        votes.emplace_back(-v.event, v.comparison, v.winner);
                std::sort(votes.begin(), votes.end());
                Voted out;
                std::set<desk::Id> seen;
                for (const auto& [event, comparison, winner] : votes)
                    if (seen.insert(comparison).second)
                        out.emplace_back(comparison, winner);
                return out;
            },
            [this, asked = m_asked](Voted voted) {
                if (asked != m_asked)
                    return;
                m_pairsOf = static_cast<int64_t>(voted.size());
                voted.resize(std::min(voted.size(), kDoctorPairs));
                askChunk(std::move(voted), 0, asked);
            });
    }

    /// A hundred pairs at a time, so that a vote never waits long for the store.
    void askChunk(std::vector<std::pair<desk::Id, desk::Winner>> voted, size_t from, int asked) {
        if (from >= voted.size()) {
            judge();
            return;
        }
        const size_t to = std::min(from + kDoctorChunk, voted.size());
        std::vector<std::pair<desk::Id, desk::Winner>> part(voted.begin() + static_cast<std::ptrdiff_t>(from),
                                                            voted.begin() + static_cast<std::ptrdiff_t>(to));
        m_ctx.ask(
            this,
            [part = std::move(part), images = trainsImages(*m_manifest)](desk::Project& project) {
                std::vector<DoctorPair> pairs;
                for (const auto& [id, winner] : part)
                    if (auto item = project.pairItem(id); item && (item->a.kind == desk::CandidateKind::Image) == images)
                        pairs.push_back({item->prompt.content, item->a.content, item->b.content, winner, item->prompt.split,
                                         item->a.finished, item->b.finished});
                return pairs;
            },
            [this, voted = std::move(voted), to, asked](std::vector<DoctorPair> pairs) mutable {
                if (asked != m_asked)
                    return;
                std::move(pairs.begin(), pairs.end(), std::back_inserter(m_pairs));
                askChunk(std::move(voted), to, asked);
            });
    }

    // ---- judging

    void judge() {
        if (!m_manifest || !m_form)
            return;
        const Json values = m_form->values();
        const desk::DatasetInfo* dataset = chosenDataset();
        DoctorInput in;
        in.method = m_manifest->id == "dpo"         ? "DPO"
                    : m_manifest->id == "sft"       ? "SFT"
                    : m_manifest->id == "image_dpo" ? "DPO of images"
                    : m_manifest->id == "image_sft" ? "SFT of images"
                                                    : m_manifest->title;
        in.images = trainsImages(*m_manifest);
        // Scenes are drawn by the job itself.
        const bool drawn = m_manifest->parameter("source") && values.value("source", Json()) == Json("scenes");
        in.needsPairs = !drawn && (m_manifest->needsData("pairs", values) || m_manifest->needsData("sft", values));
        in.takesRankings = in.images && m_manifest->needsData("pairs", values);
        for (QWidget* w : std::initializer_list<QWidget*>{m_dataCaption, m_dataset, m_kinds})
            w->setVisible(in.needsPairs);
        in.needsPrompts = m_manifest->needsData("prompts", values);
        in.prompts = m_usable[in.images].train;
        in.counts = dataset ? dataset->counts : m_now[in.images];
        in.haveModel = m_manifest->models.empty() || chosenModel() != nullptr;
        in.pairs = m_pairs;
        in.sampledOf = m_pairsOf;
        if (const auto rewards = values.find("rewards"); rewards != values.end() && rewards->is_array()) {
            in.rewardTerms = static_cast<int64_t>(rewards->size());
            in.needsReward = values.value("answers", Json()) != Json("recorded");
            in.modelMissing = in.rewardTerms > 0 && !desk::checkReward(*m_manifest, values);
        }
        DoctorReport report = diagnose(in);
        offerControl();
        if (controlOn())
            report.findings.insert(report.findings.begin(),
                                   Finding{Level::Warn, "A control: the training labels are dealt out at random",
                                           "Its held-out accuracy should come out near 50 %. The model is not for use."});
        if (const Json preset = values.value("preset", Json()); preset.is_string() && preset != Json("none"))
            report.findings.insert(report.findings.begin(),
                                   Finding{Level::Warn, "A lesson: the preset " + preset.get<std::string>(),
                                           "It has values of its own, and shows how training goes wrong. The model is not for use."});
        if (!m_form->isValid()) {
            report.findings.insert(report.findings.begin(), Finding{Level::Block, sstr(m_form->error()), {}});
            report.blocked = true;
        }
        bool seedOk = false;
        m_seed->text().trimmed().toULongLong(&seedOk);
        if (!seedOk) {
            report.findings.insert(report.findings.begin(), Finding{Level::Block, "The seed is not a whole number", {}});
            report.blocked = true;
        }
        clearLayout(m_findings);
        for (const Finding& f : report.findings)
            m_findings->addWidget(findingRow(f));
        QStringList kinds;
        for (const std::string& line : voteKinds(in.counts, in.images))
            kinds.append(qstr(line));
        if (dataset)
            kinds.prepend(u"Frozen, %1"_s.arg(qstr(dataset->sha.substr(0, 12))));
        m_kinds->setText(kinds.join(u'\n'));
        if (const int64_t there = in.labels(); in.needsPairs && there < kUseful)
            m_few->show(there == 0 ? State::Failed : State::Warning,
                        u"%1 needs %2: you have %3, useful from about %4"_s.arg(qstr(in.method), QString::fromLatin1(in.pairWord())).arg(there).arg(kUseful),
                        u"Label now"_s);
        else
            m_few->hide();
        showCost(values, in.counts);
        m_start->setEnabled(!report.blocked && !m_starting);
        const auto block = std::find_if(report.findings.begin(), report.findings.end(), [](const Finding& f) { return f.level == Level::Block; });
        m_start->setToolTip(block == report.findings.end()
                                ? QString()
                                : u"<qt>%1</qt>"_s.arg(qstr(block->title + (block->detail.empty() ? "" : ". " + block->detail)).toHtmlEscaped()));
    }

    /// The chosen device; of one nobody has named yet only that.
    Device deviceNow() const {
        const std::string name = sstr(m_device->currentText());
        for (const Device& device : m_devices)
            if (device.name == name)
                return device;
        return name == "cpu" ? cpuDevice() : Device{name, {}, 0, 0};
    }

    void showCost(const Json& values, const desk::DatasetCounts& counts) {
        const RunCost cost = runCost({m_manifest, values, counts, &m_pairs, m_facts, m_ctx.supervisor.runs(),
                                      sstr(m_device->currentText()), static_cast<double>(os::totalMemory())});
        m_time->setText(cost.seconds < 0 ? u"–"_s : u"about "_s + formatDuration(std::max(1.0, cost.seconds)));
        m_timeBasis->setText(cost.basis);
        const auto total = static_cast<double>(deviceNow().total);
        const bool known = cost.bytes >= 0;
        const QString bytes = (trainsImages(*m_manifest) ? u"%1 and what images take"_s : u"about %1"_s).arg(qstr(byteText(cost.bytes)));
        m_memory->setText(!known ? u"–"_s : total > 0 && !trainsImages(*m_manifest) ? u"%1 of %2"_s.arg(bytes, qstr(byteText(total))) : bytes);
        m_memoryBar->setVisible(total > 0);
        m_memoryBar->setValue(known && total > 0 ? std::min(1.0, cost.bytes / total) : 0);
    }

    // ---- starting

    void start() {
        desk::TrainRequest request;
        request.plugin = m_manifest->id;
        request.model = sstr(m_model->currentData().toString());
        request.dataset = sstr(m_dataset->currentData().toString());
        request.parameters = m_form->changedValues();
        request.seed = m_seed->text().trimmed().toULongLong();
        request.device = sstr(m_device->currentText());
        m_starting = true;
        m_start->setEnabled(false);
        m_message->setMessage(State::Running, u"Freezing the data …"_s);
        const bool asked = m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, request](desk::Project& project) {
                return desk::startTrain(project, supervisor, request);
            },
            [this](Result<std::string> name) {
                m_starting = false;
                judge();
                if (!name) {
                    m_message->setMessage(State::Failed, errorText(name.error()));
                    return;
                }
                m_message->clear();
                m_ctx.say(State::Running, u"Started %1"_s.arg(qstr(*name)));
                m_ctx.navigate(page::kRuns, qstr(*name));
            });
        if (!asked)
            m_starting = false;
    }

    Context& m_ctx;
    MethodList* m_methods = nullptr; ///< none when there is no trainer
    std::string m_wantedMethod = "reward_model"; ///< asked for; which one that is, the project's models say
    const Manifest* m_manifest = nullptr;
    std::map<std::string, Json> m_kept; ///< what was changed in the forms of other methods
    std::vector<desk::ModelChoice> m_choices;
    std::vector<desk::DatasetInfo> m_datasets;
    desk::DatasetCounts m_now[2]; ///< of texts, of images
    desk::PromptCount m_usable[2];
    std::vector<DoctorPair> m_pairs;
    int64_t m_pairsOf = 0;
    int m_asked = 0;
    QString m_wantedModel;
    std::optional<ModelFacts> m_facts;
    bool m_starting = false;
    TextLabel *m_title = nullptr, *m_summary = nullptr, *m_dataCaption = nullptr, *m_kinds = nullptr;
    LinkButton* m_control = nullptr;
    Banner* m_few = nullptr;
    QScrollArea* m_formArea = nullptr;
    QPointer<SchemaForm> m_form;
    QComboBox *m_model = nullptr, *m_dataset = nullptr, *m_device = nullptr;
    std::vector<Device> m_devices; ///< empty: not known yet
    QLineEdit* m_seed = nullptr;
    QVBoxLayout* m_findings = nullptr;
    TextLabel *m_time = nullptr, *m_timeBasis = nullptr, *m_memory = nullptr;
    ProgressLine* m_memoryBar = nullptr;
    InlineMessage* m_message = nullptr;
    FilledButton* m_start = nullptr;
    QTimer* m_later = nullptr;
};

} // namespace

PageFactory trainPage() {
    return {page::kTrain.toString(), u"Train"_s, u"train"_s, [](Context& context) -> Page* { return new TrainPage(context); }};
}

} // namespace pl::ui
