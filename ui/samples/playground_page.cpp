// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/samples/samples_page.h"

#include <array>

#include <QComboBox>
#include <QKeyEvent>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QShortcut>
#include <QVBoxLayout>

#include "core/base/bundle.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "ui/widgets/text_pane.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

/// Starts the resident run that answers for two models, with its row in the project.
Result<std::string> startResident(desk::Project& project, desk::Supervisor& supervisor, const std::vector<std::string>& models) {
    const Manifest* manifest = supervisor.catalog().find("generate_text");
    if (!manifest)
        return fail(Code::NotFound, "the plugin generate_text was not found", "Look at the plugin folders in Settings.");
    desk::RunRequest run;
    run.plugin = manifest->id;
    run.resident = true;
    run.shortJob = true;
    for (size_t i = 0; i < models.size(); ++i) {
        PL_TRY(ModelSpec model, desk::resolveModel(project, models[i], i == 0 ? "policy" : "policy_" + std::to_string(i + 1)));
        run.models.push_back(std::move(model));
    }
    run.dataTexts["prompts.jsonl"] = "";
    PL_TRY(run.number, project.reserveRun());
    PL_TRY(const std::string name, supervisor.submit(run));
    desk::RunRow row;
    row.id = std::atoll(name.c_str());
    row.name = name;
    row.plugin = manifest->id;
    row.pluginVersion = manifest->version;
    row.kind = pluginKindName(manifest->kind);
    row.device = run.device;
    row.seed = run.seed;
    row.note = "playground";
    if (auto bundle = Bundle::open(os::joinPath(project.runsDir(), name)))
        row.uuid = bundle->spec().uuid;
    if (auto info = supervisor.find(name))
        row.createdMs = info->createdMs;
    PL_TRY([[maybe_unused]] const desk::Id id, project.insertRun(row));
    return name;
}

class PlaygroundPage : public Page {
public:
    explicit PlaygroundPage(Context& context) : m_ctx(context) {
        auto* outer = new QVBoxLayout(this);
        setGaps(outer, Size::GapL, Size::GapM);
        m_banner = new Banner;
        m_banner->hide();
        outer->addWidget(m_banner);
        auto* ask = new Card(u"Try a prompt"_s);
        m_chip = new StatusChip;
        m_chip->hide();
        ask->setCorner(m_chip);
        m_prompt = new QPlainTextEdit;
        m_prompt->setPlaceholderText(u"Ask both models something. Ctrl+Enter sends."_s);
        m_prompt->setAccessibleName(u"Prompt"_s);
        m_prompt->setTabChangesFocus(true);
        m_prompt->setFont(textFont(TextStyle::Reading));
        m_prompt->setFixedHeight(3 * lineHeight(TextStyle::Reading) + px(Size::GapL));
        ask->body()->addWidget(m_prompt);
        auto* bar = new QHBoxLayout;
        setNoMargins(bar, Size::GapS);
        bar->addWidget(new TextLabel(u"Temperature"_s, TextStyle::Caption, Tone::Second));
        m_temperature = new QLineEdit(u"0.8"_s);
        m_temperature->setFont(textFont(TextStyle::Mono));
        m_temperature->setFixedWidth(64);
        m_temperature->setAccessibleName(u"Temperature"_s);
        bar->addWidget(m_temperature);
        bar->addWidget(new TextLabel(u"at most"_s, TextStyle::Caption, Tone::Second));
        m_longest = new QLineEdit(u"128"_s);
        m_longest->setFont(textFont(TextStyle::Mono));
        m_longest->setFixedWidth(64);
        m_longest->setAccessibleName(u"Longest answer in tokens"_s);
        bar->addWidget(m_longest);
        bar->addWidget(new TextLabel(u"tokens"_s, TextStyle::Caption, Tone::Second));
        bar->addStretch(1);
        m_queue = new QuietButton(u"label"_s, u"Send to the queue"_s);
        m_queue->setEnabled(false);
        bar->addWidget(m_queue);
        m_send = new FilledButton(u"play"_s, u"Answer"_s);
        bar->addWidget(m_send);
        ask->body()->addLayout(bar);
        outer->addWidget(ask);
        auto* panes = new QHBoxLayout;
        setNoMargins(panes, Size::GapM);
        for (size_t i = 0; i < 2; ++i) {
            auto* card = new Card;
            m_model[i] = new QComboBox;
            m_model[i]->setPlaceholderText(u"no model yet"_s);
            m_model[i]->setAccessibleName(i == 0 ? u"First model"_s : u"Second model"_s);
            card->body()->addWidget(m_model[i]);
            m_pane[i] = new TextPane;
            card->body()->addWidget(m_pane[i], 1);
            m_facts[i] = new TextLabel(u"No answer yet"_s, TextStyle::MonoCaption, Tone::Second);
            card->body()->addWidget(m_facts[i]);
            panes->addWidget(card, 1);
            connect(m_model[i], &QComboBox::currentIndexChanged, this, [this] { m_run.clear(); });
        }
        outer->addLayout(panes, 1);
        connect(m_send, &QPushButton::clicked, this, [this] { send(); });
        connect(m_queue, &QPushButton::clicked, this, [this] { queue(); });
        for (const auto key : {Qt::Key_Return, Qt::Key_Enter}) {
            auto* shortcut = new QShortcut(QKeySequence(static_cast<int>(Qt::CTRL) | static_cast<int>(key)), this);
            shortcut->setContext(Qt::WidgetWithChildrenShortcut);
            connect(shortcut, &QShortcut::activated, this, [this] { send(); });
        }
        connect(&m_ctx.signals, &Signals::runUpdated, this,
                [this](const desk::RunInfo& info, const std::vector<Event>& events) { onRun(info, events); });
    }

    void activated() override {
        reload();
        m_prompt->setFocus();
    }
    void openArgument(const QString& argument) override {
        m_wanted = argument;
        reload();
    }

private:
    void reload() {
        m_ctx.ask(
            this, [](desk::Project& project) { return desk::modelChoices(project); },
            [this](Result<std::vector<desk::ModelChoice>> models) {
                if (!models) {
                    m_banner->show(State::Failed, errorText(models.error()));
                    return;
                }
                QString trained;
                const std::array<QString, 2> before = {m_model[0]->currentData().toString(), m_model[1]->currentData().toString()};
                for (const desk::ModelChoice& c : *models)
                    if (!c.rewardModel && c.run && trained.isEmpty())
                        trained = qstr(c.text);
                if (!m_wanted.isEmpty())
                    for (const desk::ModelChoice& c : *models)
                        if (qstr(c.text) == m_wanted || qstr(c.text).startsWith(m_wanted + u'@')) {
                            trained = qstr(c.text);
                            break;
                        }
                for (size_t i = 0; i < 2; ++i) {
                    const QSignalBlocker block(m_model[i]);
                    m_model[i]->clear();
                    for (const desk::ModelChoice& c : *models)
                        if (!c.rewardModel)
                            m_model[i]->addItem(qstr(c.label), qstr(c.text));
                    QString wanted = before[i];
                    if (i == 1 && (wanted.isEmpty() || !m_wanted.isEmpty()))
                        wanted = trained;
                    m_model[i]->setCurrentIndex(std::max(0, m_model[i]->findData(wanted)));
                }
                if (!m_wanted.isEmpty())
                    m_run.clear();
                m_wanted.clear();
                const bool none = m_model[0]->count() == 0;
                m_send->setEnabled(!none);
                if (none)
                    m_banner->show(State::Info, u"No model yet: add a folder on the Models page."_s);
                else
                    m_banner->hide();
            });
    }

    void send() {
        const QString prompt = m_prompt->toPlainText().trimmed();
        bool temperatureOk = false, longestOk = false;
        const double temperature = m_temperature->text().toDouble(&temperatureOk);
        const qlonglong longest = m_longest->text().toLongLong(&longestOk);
        if (prompt.isEmpty() || !m_send->isEnabled())
            return;
        if (!temperatureOk || temperature < 0 || temperature > 10 || !longestOk || longest < 1 || longest > 32768) {
            m_banner->show(State::Warning, u"Temperature is a number from 0 to 10, the longest answer 1 to 32,768 tokens."_s);
            return;
        }
        m_banner->hide();
        m_send->setEnabled(false);
        m_queue->setEnabled(false);
        m_chip->show();
        m_chip->set(State::Queued, u"Starting"_s);
        for (size_t i = 0; i < 2; ++i) {
            m_pane[i]->setRaw({});
            m_facts[i]->setText(u"Writing …"_s);
        }
        m_payload = {{"prompt", sstr(prompt)}, {"n", 1}, {"temperature", temperature}, {"max_new_tokens", longest}, {"seed", ++m_seed}};
        m_asked = sstr(prompt);
        std::vector<std::string> models = {sstr(m_model[0]->currentData().toString())};
        const std::string second = sstr(m_model[1]->currentData().toString());
        m_same = second == models.front();
        if (m_same)
            m_payload["n"] = 2; // one model against itself: two answers
        else
            models.push_back(second);
        if (!m_run.empty() && m_runModels == models) {
            request();
            return;
        }
        if (!m_oldRun.empty())
            if (const Status s = m_ctx.supervisor.stop(m_oldRun); !s)
                log::warn("stopping {}: {}", m_oldRun, s.error().toString());
        m_runModels = models;
        m_ctx.ask(
            this,
            [&supervisor = m_ctx.supervisor, models](desk::Project& project) { return startResident(project, supervisor, models); },
            [this](Result<std::string> name) {
                if (!name) {
                    failed(errorText(name.error()));
                    return;
                }
                m_run = m_oldRun = *name;
                request();
            });
    }

    void request() {
        const auto id = m_ctx.supervisor.request(m_run, m_payload);
        if (!id) {
            failed(errorText(id.error()));
            return;
        }
        m_request = *id;
    }

    void failed(const QString& text) {
        m_banner->show(State::Failed, text);
        m_send->setEnabled(true);
        m_chip->hide();
        for (TextLabel* label : m_facts)
            label->setText(u"No answer"_s);
    }

    void onRun(const desk::RunInfo& info, const std::vector<Event>& events) {
        if (m_oldRun.empty() || info.name != m_oldRun)
            return;
        for (const Event& e : events)
            if (e.type == event::kAck && !m_request.empty() && e.body.value("id", Json()) == Json(m_request))
                answered(info, e.body);
        if (m_request.empty())
            return;
        if (info.state == RunState::Failed)
            failed(qstr(info.reason));
        else if (info.state == RunState::Running)
            m_chip->set(State::Running, u"Writing"_s);
        else if (info.state == RunState::Queued)
            m_chip->set(State::Queued, u"Waiting for the device"_s);
    }

    void answered(const desk::RunInfo& info, const Json& ack) {
        m_request.clear();
        m_send->setEnabled(true);
        m_chip->set(State::Done, u"Ready"_s);
        const auto payload = ack.find("payload");
        if (ack.value("ok", Json()) != Json(true) || payload == ack.end() || !payload->is_object()) {
            const auto why = eventText(info.dir, ack, "text");
            failed(why && !why->empty() ? qstr(*why) : u"The model gave no answer."_s);
            return;
        }
        m_answers = Json::array();
        if (const auto it = payload->find("candidates"); it != payload->end() && it->is_array())
            m_answers = *it;
        for (size_t i = 0; i < 2; ++i) {
            if (i >= m_answers.size() || !m_answers[i].is_object()) {
                m_facts[i]->setText(u"No answer"_s);
                continue;
            }
            const Json& a = m_answers[i];
            const Json content = a.value("content", Json());
            m_pane[i]->setRaw(content.is_string() ? qstr(content.get<std::string>()) : QString());
            const Json tokens = a.value("tokens", Json());
            m_facts[i]->setText((tokens.is_number() ? formatCount(tokens.get<int64_t>()) + u" tokens"_s : QString()) +
                                (a.value("finished", Json()) == Json(false) ? u"  ·  cut off"_s : QString()));
        }
        m_queue->setEnabled(m_answers.size() >= 2);
    }

    /// The pair goes to Label. The person has seen both answers with their models' names: they are marked as exposed.
    void queue() {
        m_queue->setEnabled(false);
        m_ctx.ask(
            this,
            [prompt = m_asked, answers = m_answers, task = m_ctx.task.id, person = m_ctx.annotator,
             seed = m_seed](desk::Project& project) -> Result<desk::Id> {
                PL_TRY(const std::string canonical, desk::canonicalPrompt(Json(prompt)));
                desk::NewPrompt fresh;
                fresh.content = canonical;
                fresh.source = "playground";
                fresh.kind = "chat";
                fresh.split = desk::Split::Train; // its answers were read: it measures nothing any more
                PL_TRY(const auto prompts, project.addPrompts({fresh}));
                std::vector<desk::NewCandidate> candidates;
                for (size_t i = 0; i < 2; ++i) {
                    const Json& a = answers[i];
                    desk::NewCandidate c;
                    c.prompt = prompts.at(0);
                    PL_TRY(c.content, field<std::string>(a, "content", "the answer"));
                    if (const auto model = a.find("model"); model != a.end() && model->is_object()) {
                        PL_TRY(c.modelName, fieldOr<std::string>(*model, "name", {}, "the answer's model"));
                        PL_TRY(c.modelHash, fieldOr<std::string>(*model, "hash", {}, "the answer's model"));
                    }
                    c.params = a.value("params", Json::object());
                    c.seed = static_cast<uint64_t>(seed);
                    PL_TRY(c.tokens, fieldOr<int64_t>(a, "tokens", -1, "the answer"));
                    if (const auto it = a.find("finished"); it != a.end() && it->is_boolean())
                        c.finished = it->get<bool>();
                    candidates.push_back(std::move(c));
                }
                PL_TRY(const auto ids, project.addCandidates(candidates));
                desk::Project::NewPair pair;
                pair.a = ids.at(0);
                pair.b = ids.at(1);
                pair.source = "playground";
                pair.task = task;
                PL_TRY(const auto pairs, project.addPairs({pair}));
                if (pairs.at(0) == 0)
                    return fail(Code::InvalidInput, "both answers are the same text: there is nothing to compare");
                PL_CHECK(project.markExposed(person, ids));
                return pairs.at(0);
            },
            [this](Result<desk::Id> pair) {
                if (!pair) {
                    m_banner->show(State::Warning, errorText(pair.error()));
                    return;
                }
                m_ctx.say(State::Done, u"Sent to the queue; marked as exposed, because you saw the names"_s);
            });
    }

    Context& m_ctx;
    QString m_wanted;
    std::string m_run, m_oldRun, m_request, m_asked;
    std::vector<std::string> m_runModels;
    Json m_payload, m_answers = Json::array();
    int64_t m_seed = 0;
    bool m_same = false;
    Banner* m_banner;
    StatusChip* m_chip;
    QPlainTextEdit* m_prompt;
    QLineEdit *m_temperature, *m_longest;
    QuietButton* m_queue;
    FilledButton* m_send;
    std::array<QComboBox*, 2> m_model{};
    std::array<TextPane*, 2> m_pane{};
    std::array<TextLabel*, 2> m_facts{};
};

} // namespace

PageFactory playgroundPage() {
    return {page::kPlayground.toString(), u"Playground"_s, u"playground"_s,
            [](Context& context) -> Page* { return new PlaygroundPage(context); }};
}

} // namespace pl::ui
