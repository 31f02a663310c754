// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/models_page.h"

#include <QFileDialog>
#include <QGridLayout>
#include <QMenu>
#include <QScrollArea>
#include <QSplitter>
#include <QStackedLayout>
#include <QTableView>
#include <QVBoxLayout>

#include "core/base/amounts.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/desk/runs/hub_cache.h"
#include "ui/models/fit_card.h"
#include "ui/models/model_facts.h"
#include "ui/shell/devices.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kMostFacts = 10;

class ModelsPage : public Page {
public:
    explicit ModelsPage(Context& context) : m_ctx(context) {
        m_stack = new QStackedLayout(this);
        m_empty = new EmptyState(u"models"_s, u"No model yet"_s, u"Add a folder"_s, u"Hugging Face cache"_s);
        m_empty->setDetail(u"A folder in Hugging Face layout (config.json, tokenizer.json, .safetensors weights), or of an "
                           u"image model."_s);
        connect(m_empty, &EmptyState::actionTriggered, this, [this] { addFolder(); });
        connect(m_empty, &EmptyState::linkTriggered, this, [this] { findInCache(m_empty->linkButton()); });
        m_stack->addWidget(m_empty);
        auto* body = new QWidget;
        auto* outer = new QVBoxLayout(body);
        setGaps(outer, Size::GapL, Size::GapM);
        auto* splitter = makeSplitter(Qt::Horizontal);
        auto* model = new TableModel({{u"Model"_s, false, false, 0, true}, {u"Kind"_s, false, false, 150}, {u"Step"_s, true, true, 72}},
                                     [this](int row, int column, int role) { return cell(row, column, role); });
        m_table = new DetailTable(model);
        m_table->setFilterPlaceholder(u"Filter models"_s);
        auto* add = new QuietButton(u"folder"_s, u"Add a folder"_s);
        m_table->addToolWidget(add);
        connect(add, &QPushButton::clicked, this, [this] { addFolder(); });
        m_hub = new QuietButton(u"models"_s, u"Hugging Face cache"_s);
        m_hub->setToolTip(u"Models that were downloaded to this machine already"_s);
        m_table->addToolWidget(m_hub);
        connect(m_hub, &QPushButton::clicked, this, [this] { findInCache(m_hub); });
        connect(m_table, &DetailTable::currentRowChanged, this, [this](int row) {
            if (row >= 0)
                show(static_cast<size_t>(row));
        });
        splitter->addWidget(m_table);
        splitter->addWidget(buildCard());
        splitter->setSizes({560, 560});
        outer->addWidget(splitter, 1);
        m_stack->addWidget(body);
        connect(&m_ctx.signals, &Signals::runUpdated, this, [this](const desk::RunInfo&, const std::vector<Event>& events) {
            for (const Event& e : events)
                if (isVisible() && e.type == event::kCheckpoint) {
                    reload();
                    break;
                }
        });
    }

    void activated() override { reload(); }
    void openArgument(const QString& argument) override {
        m_current = argument;
        reload();
    }

private:
    QVariant cell(int row, int column, int role) const {
        const desk::ModelChoice& c = m_models[static_cast<size_t>(row)];
        if (role == Qt::DisplayRole)
            return column == 0   ? qstr(c.label)
                   : column == 1 ? (c.image ? c.rewardModel ? u"image reward model"_s : u"image model"_s
                                    : c.rewardModel ? u"reward model"_s
                                                    : u"language model"_s)
                   : c.step >= 0 ? formatCount(c.step)
                                 : QString();
        if (role == Qt::UserRole)
            return column == 2 ? QVariant::fromValue<qint64>(c.step) : cell(row, column, Qt::DisplayRole);
        if (role == Qt::DecorationRole && column == 0)
            return themeIcon(c.run ? u"runs"_s : u"models"_s, Tone::Second);
        if (role == Qt::ToolTipRole && column == 0)
            return qstr(c.path);
        return {};
    }

    QWidget* buildCard() {
        auto* holder = new QWidget;
        auto* column = new QVBoxLayout(holder);
        column->setContentsMargins(px(Size::GapS), 0, 0, 0);
        column->setSpacing(px(Size::GapM));
        auto* card = new Card;
        m_name = new ElidedLabel({}, TextStyle::Heading);
        card->body()->addWidget(m_name);
        m_made = new TextLabel({}, TextStyle::Body, Tone::Second);
        m_made->setWordWrap(true);
        card->body()->addWidget(m_made);
        auto* grid = new QGridLayout;
        grid->setContentsMargins(0, 0, 0, 0);
        grid->setHorizontalSpacing(px(Size::GapXl));
        grid->setVerticalSpacing(px(Size::GapS));
        for (int at = 0; at < kMostFacts; ++at) {
            auto* what = new TextLabel({}, TextStyle::Body, Tone::Second);
            auto* value = new TextLabel({}, TextStyle::Mono);
            value->setWordWrap(true);
            grid->addWidget(what, at, 0, Qt::AlignTop);
            grid->addWidget(value, at, 1);
            m_facts.append(std::pair{what, value});
        }
        grid->setColumnStretch(1, 1);
        card->body()->addLayout(grid);
        m_path = new ElidedLabel({}, TextStyle::MonoCaption, Tone::Hint);
        m_path->setElideMode(Qt::ElideMiddle);
        card->body()->addWidget(m_path);
        m_control = new InlineMessage;
        m_control->clear();
        card->body()->addWidget(m_control);
        m_message = new InlineMessage;
        m_message->clear();
        card->body()->addWidget(m_message);
        auto* actions = new QHBoxLayout;
        setNoMargins(actions, Size::GapS);
        m_generate = new FilledButton(u"generate"_s, u"Generate"_s);
        m_train = new QuietButton(u"train"_s, u"Train from"_s);
        m_export = new QuietButton(u"export"_s, u"Export"_s);
        m_run = new QuietButton(u"runs"_s, u"See its run"_s);
        for (QWidget* w : std::initializer_list<QWidget*>{m_generate, m_train, m_export, m_run})
            actions->addWidget(w);
        actions->addStretch(1);
        card->body()->addLayout(actions);
        column->addWidget(card);
        m_fits = new FitCard;
        m_fits->hide();
        column->addWidget(m_fits);
        askDevices(this, [this](const std::vector<Device>& devices) {
            m_devices = devices;
            showFits();
        });
        column->addStretch(1);
        connect(m_generate, &QPushButton::clicked, this, [this] { m_ctx.navigate(page::kGenerate, m_current); });
        connect(m_train, &QPushButton::clicked, this, [this] { m_ctx.navigate(page::kTrain, u"model:"_s + m_current); });
        connect(m_export, &QPushButton::clicked, this, [this] { exportFolder(); });
        connect(m_run, &QPushButton::clicked, this, [this] {
            if (const desk::ModelChoice* c = current())
                m_ctx.navigate(page::kRuns, qstr(c->label).section(u' ', 0, 0));
        });
        auto* area = new QScrollArea; // large type on a small screen
        area->setWidgetResizable(true);
        area->setFrameShape(QFrame::NoFrame);
        area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
        area->setWidget(holder);
        return area;
    }

    const desk::ModelChoice* current() const {
        for (const desk::ModelChoice& c : m_models)
            if (qstr(c.text) == m_current)
                return &c;
        return nullptr;
    }

    void reload() {
        m_ctx.ask(
            this, [](desk::Project& project) { return desk::modelChoices(project); },
            [this](Result<std::vector<desk::ModelChoice>> models) {
                if (!models) {
                    m_empty->setDetail(errorText(models.error()));
                    m_stack->setCurrentIndex(0);
                    return;
                }
                m_models = std::move(*models);
                const QString wanted = m_current;
                m_table->model()->reset(static_cast<int>(m_models.size()));
                m_stack->setCurrentIndex(m_models.empty() ? 0 : 1);
                size_t at = 0;
                for (size_t i = 0; i < m_models.size(); ++i)
                    if (qstr(m_models[i].text) == wanted)
                        at = i;
                if (!m_models.empty())
                    m_table->selectRow(static_cast<int>(at));
            });
    }

    void show(size_t row) {
        const desk::ModelChoice& c = m_models[row];
        m_current = qstr(c.text);
        m_name->setText(qstr(c.label));
        m_path->setText(qstr(c.path));
        m_generate->setEnabled(!c.rewardModel);
        m_generate->setToolTip(!c.rewardModel ? QString()
                               : c.image      ? u"A reward model scores images, it draws none"_s
                                              : u"A reward model scores answers, it writes none"_s);
        m_train->setEnabled(!c.rewardModel);
        m_run->setVisible(c.run != 0);
        m_message->clear();
        if (c.control.empty())
            m_control->clear();
        else
            m_control->setMessage(State::Warning,
                                  u"A control (%1): its figures say nothing about the votes."_s.arg(qstr(c.control)));
        for (const auto& [what, value] : m_facts)
            value->setText(u"…"_s);
        m_made->hide();
        m_config.reset();
        m_fits->hide();
        m_ctx.ask(
            this, [path = c.path](desk::Project&) { return readModelFacts(path); },
            [this, asked = m_current](Result<ModelFacts> facts) {
                if (asked != m_current)
                    return;
                m_config = facts && facts->config && !facts->rewardModel ? facts->config : std::nullopt;
                showFits();
                if (!facts) {
                    showFacts({});
                    m_message->setMessage(State::Failed, errorText(facts.error()));
                    return;
                }
                showFacts(factRows(*facts));
                m_made->setText(qstr(facts->made));
                m_made->setVisible(!facts->made.empty());
                if (!facts->hasTokenizer && !facts->image)
                    m_message->setMessage(State::Warning, u"It has no tokenizer.json: it cannot read text."_s);
            });
    }

    void showFits() {
        if (m_config)
            m_fits->show(*m_config, m_devices);
        m_fits->setVisible(m_config.has_value());
    }

    void showFacts(const std::vector<std::pair<std::string, std::string>>& rows) {
        for (qsizetype i = 0; i < m_facts.size(); ++i) {
            const auto& [what, value] = m_facts[i];
            const bool there = static_cast<size_t>(i) < rows.size();
            what->setVisible(there);
            value->setVisible(there);
            if (there) {
                what->setText(qstr(rows[static_cast<size_t>(i)].first));
                value->setText(qstr(rows[static_cast<size_t>(i)].second));
            }
        }
    }

    void addFolder() {
        const QString dir = QFileDialog::getExistingDirectory(this, u"A model folder"_s);
        if (dir.isEmpty())
            return;
        add(dir, {});
    }

    void add(const QString& dir, const QString& name) {
        m_ctx.say(State::Running, u"Copying %1 …"_s.arg(name.isEmpty() ? dir : name));
        m_ctx.ask(
            this, [path = sstr(dir), name = sstr(name)](desk::Project& project) { return desk::addModel(project, path, name); },
            [this](Result<std::string> name) {
                if (!name) {
                    m_message->setMessage(State::Failed, errorText(name.error()));
                    m_empty->setDetail(errorText(name.error()));
                    return;
                }
                m_ctx.say(State::Done, u"Added %1"_s.arg(qstr(*name)));
                m_current = qstr(*name);
                reload();
            });
    }

    /// A menu of what is there; what cannot be used says why.
    void findInCache(QPushButton* button) {
        const std::string cache = desk::hubCacheDir();
        button->setEnabled(false);
        m_ctx.ask(
            this, [cache](desk::Project&) { return Result<std::vector<desk::HubModel>>(desk::hubModels(cache)); },
            [this, cache, button](Result<std::vector<desk::HubModel>> models) {
                button->setEnabled(true);
                if (!models || models->empty()) {
                    m_ctx.say(State::Info, u"No models in %1"_s.arg(qstr(cache)));
                    return;
                }
                auto* menu = new QMenu(this);
                menu->setAttribute(Qt::WA_DeleteOnClose);
                menu->setToolTipsVisible(true);
                for (const desk::HubModel& m : *models) {
                    QStringList facts;
                    if (m.look)
                        facts = {qstr(modelFamily(m.look->config.modelType)),
                                 qstr(shortCount(static_cast<double>(m.look->config.parameterCount()))), qstr(m.look->dtype),
                                 m.look->licence.empty() ? u"licence not said"_s : qstr(m.look->licence)};
                    QAction* action = menu->addAction(m.look ? u"%1  (%2)"_s.arg(qstr(m.repository), facts.join(u", "_s)) : qstr(m.repository));
                    action->setEnabled(m.look.has_value());
                    action->setToolTip(m.look ? qstr(m.path) : qstr(m.problem));
                    connect(action, &QAction::triggered, this, [this, path = qstr(m.path), name = qstr(os::baseName(m.repository))] { add(path, name); });
                }
                menu->popup(button->mapToGlobal(QPoint(0, button->height())));
            });
    }

    void exportFolder() {
        const QString dir = QFileDialog::getExistingDirectory(this, u"Folder to export into"_s);
        const desk::ModelChoice* c = current();
        if (dir.isEmpty() || !c)
            return;
        QString leaf = qstr(c->label);
        for (QChar& ch : leaf)
            if (!ch.isLetterOrNumber() && ch != u'-')
                ch = u'-';
        const std::string target = os::joinPath(sstr(dir), sstr(leaf));
        m_message->setMessage(State::Running, u"Exporting …"_s);
        m_ctx.ask(
            this, [model = c->text, target](desk::Project& project) { return desk::exportModel(project, model, target); },
            [this, target, image = c->image](Status done) {
                if (!done)
                    m_message->setMessage(State::Failed, errorText(done.error()));
                else
                    m_message->setMessage(State::Done, (image ? u"Exported to %1: config.json and safetensors weights"_s
                                                              : u"Exported to %1: loads in transformers, vLLM and llama.cpp's converter"_s)
                                                           .arg(qstr(target)));
            });
    }

    Context& m_ctx;
    std::vector<desk::ModelChoice> m_models;
    QString m_current;
    QStackedLayout* m_stack;
    EmptyState* m_empty;
    DetailTable* m_table;
    ElidedLabel *m_name = nullptr, *m_path = nullptr;
    TextLabel* m_made = nullptr;
    QList<std::pair<TextLabel*, TextLabel*>> m_facts;
    InlineMessage *m_message = nullptr, *m_control = nullptr;
    FilledButton* m_generate = nullptr;
    FitCard* m_fits = nullptr;
    std::optional<ModelConfig> m_config; ///< of the model shown, when it can be trained
    std::vector<Device> m_devices;       ///< empty: not known yet, the processor stands alone
    QuietButton *m_hub = nullptr, *m_train = nullptr, *m_export = nullptr, *m_run = nullptr;
};

} // namespace

PageFactory modelsPage() {
    return {page::kModels.toString(), u"Models"_s, u"models"_s,
            [](Context& context) -> Page* { return new ModelsPage(context); }};
}

} // namespace pl::ui
