// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/samples/samples_page.h"

#include <algorithm>
#include <array>
#include <limits>

#include <QComboBox>
#include <QKeyEvent>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QShortcut>
#include <QSyntaxHighlighter>
#include <QVBoxLayout>

#include "core/base/bundle.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/rules/scene.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/text_pane.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int64_t kMostSteps = 1000, kMostTokens = 32768;
constexpr double kMostGuidance = 50, kMostTemperature = 10;
constexpr qsizetype kWordsNamed = 8; ///< of those without effect, below the prompt

/// Starts the resident run that answers, or draws, for two models, with its row in the project.
Result<std::string> startResident(desk::Project& project, desk::Supervisor& supervisor, const std::vector<std::string>& models,
                                  bool images) {
    const std::string plugin = images ? "generate_image" : "generate_text";
    const Manifest* manifest = supervisor.catalog().find(plugin);
    if (!manifest)
        return fail(Code::NotFound, "the plugin " + plugin + " was not found", "Look at the plugin folders in Settings.");
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

/// Words of a caption that have no effect, as they are typed.
class UnknownWords : public QSyntaxHighlighter {
public:
    using QSyntaxHighlighter::QSyntaxHighlighter;
    void setOn(bool on) {
        if (on == m_on)
            return;
        m_on = on;
        rehighlight();
    }

protected:
    void highlightBlock(const QString& text) override {
        if (!m_on)
            return;
        QTextCharFormat format;
        format.setForeground(color(Tone::Error));
        format.setUnderlineColor(color(Tone::Error));
        format.setUnderlineStyle(QTextCharFormat::WaveUnderline);
        // A caption is read as a whole: this line's words are found by their place in it.
        const std::string whole = sstr(document()->toPlainText());
        const auto begin = static_cast<size_t>(document()->toPlainText().left(currentBlock().position()).toUtf8().size());
        const QByteArray bytes = text.toUtf8();
        for (const auto& word : rules::parseCaption(whole).ignored)
            if (word.offset >= begin && word.offset + word.length <= begin + static_cast<size_t>(bytes.size())) {
                const auto at = static_cast<qsizetype>(word.offset - begin);
                const int from = static_cast<int>(QString::fromUtf8(bytes.left(at)).size());
                setFormat(from, static_cast<int>(qstr(word.word).size()), format);
            }
    }

private:
    bool m_on = false;
};

/// "“sparkly” and “shiny” are not known"; empty when every word has an effect.
QString ignoredWords(const QString& caption) {
    std::array<QStringList, 2> words;
    for (const auto& word : rules::parseCaption(sstr(caption)).ignored) {
        QStringList& list = words[word.why == rules::ParsedCaption::Why::Unknown ? 0 : 1];
        if (const QString quoted = u"“%1”"_s.arg(qstr(word.word)); !list.contains(quoted) && list.size() < kWordsNamed)
            list.append(quoted);
    }
    QStringList out;
    if (!words[0].isEmpty())
        out.append(u"not known, without effect: "_s + words[0].join(u", "_s));
    if (!words[1].isEmpty())
        out.append(u"said already, or not drawn by this model: "_s + words[1].join(u", "_s));
    const QString all = out.join(u"; "_s);
    return all.left(1).toUpper() + all.mid(1);
}

class PlaygroundPage : public Page {
public:
    explicit PlaygroundPage(Context& context) : m_ctx(context) {
        auto* outer = new QVBoxLayout(this);
        setGaps(outer, Size::GapL, Size::GapM);
        m_banner = new Banner;
        m_banner->hide();
        connect(m_banner, &Banner::actionTriggered, this, [this] { m_ctx.navigate(page::kModels); });
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
        m_highlighter = new UnknownWords(m_prompt->document());
        ask->body()->addWidget(m_prompt);
        m_unknown = new TextLabel({}, TextStyle::Caption, Tone::Error);
        m_unknown->setWordWrap(true);
        m_unknown->hide();
        ask->body()->addWidget(m_unknown);
        auto* bar = new QHBoxLayout;
        setNoMargins(bar, Size::GapS);
        const auto group = [bar](QWidget*& box) {
            box = new QWidget;
            auto* row = new QHBoxLayout(box);
            setNoMargins(row, Size::GapS);
            bar->addWidget(box);
            return row;
        };
        const auto field = [](QHBoxLayout* row, const QString& before, const QString& value, const QString& name) {
            row->addWidget(new TextLabel(before, TextStyle::Caption, Tone::Second));
            auto* edit = new QLineEdit(value);
            edit->setFont(textFont(TextStyle::Mono));
            edit->setFixedWidth(64);
            edit->setAccessibleName(name);
            row->addWidget(edit);
            return edit;
        };
        auto* text = group(m_textPart);
        m_temperature = field(text, u"Temperature"_s, u"0.8"_s, u"Temperature"_s);
        m_longest = field(text, u"at most"_s, u"128"_s, u"Longest answer in tokens"_s);
        text->addWidget(new TextLabel(u"tokens"_s, TextStyle::Caption, Tone::Second));
        auto* image = group(m_imagePart);
        m_noise = field(image, u"Seed"_s, u"1"_s, u"Seed"_s);
        auto* another = new IconButton(u"refresh"_s, u"The next seed"_s);
        image->addWidget(another);
        m_steps = field(image, u"steps"_s, u"8"_s, u"Sampling steps"_s);
        m_guidance = field(image, u"guidance"_s, u"2"_s, u"Guidance"_s);
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
            connect(m_model[i], &QComboBox::currentIndexChanged, this, [this] {
                m_run.clear();
                showKind();
            });
        }
        outer->addLayout(panes, 1);
        m_pictures = new Card;
        m_view = new ImageView(&m_loader);
        m_view->setFocusPolicy(Qt::StrongFocus);
        m_pictures->body()->addWidget(m_view, 1);
        outer->addWidget(m_pictures, 1);
        showKind();
        connect(m_prompt, &QPlainTextEdit::textChanged, this, [this] { showUnknown(); });
        connect(another, &QPushButton::clicked, this, [this] { m_noise->setText(QString::number(m_noise->text().toULongLong() + 1)); });
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

protected:
    void changeEvent(QEvent* event) override {
        Page::changeEvent(event);
        if (event->type() == QEvent::PaletteChange)
            m_highlighter->rehighlight(); // in the colours of the theme
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
                m_models = *models;
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
                showKind();
                const bool none = m_model[0]->count() == 0;
                m_send->setEnabled(!none);
                if (none)
                    m_banner->show(State::Info, u"No model yet: it takes one that writes or draws."_s, u"Add a model"_s);
                else
                    m_banner->hide();
            });
    }

    bool makesImages(size_t side) const {
        const std::string text = sstr(m_model[side]->currentData().toString());
        return std::any_of(m_models.begin(), m_models.end(), [&](const desk::ModelChoice& c) { return c.text == text && c.image; });
    }

    /// A language model is asked for an answer, an image model for a picture: one part of the page each.
    void showKind() {
        const bool images = makesImages(0);
        m_textPart->setVisible(!images);
        m_imagePart->setVisible(images);
        for (TextPane* pane : m_pane)
            pane->setVisible(!images);
        m_pictures->setVisible(images);
        auto* column = qobject_cast<QVBoxLayout*>(layout());
        column->setStretch(column->indexOf(m_pictures) - 1, images ? 0 : 1);
        m_prompt->setPlaceholderText(images ? u"Describe a picture: two red circles on a grey background. Ctrl+Enter draws it."_s
                                            : u"Ask both models something. Ctrl+Enter sends."_s);
        m_send->setText(images ? u"Draw"_s : u"Answer"_s);
        if (images != m_images) {
            m_images = images;
            m_view->clear();
            m_answers = Json::array();
            m_queue->setEnabled(false);
            for (size_t i = 0; i < 2; ++i) {
                m_pane[i]->setRaw({});
                m_facts[i]->setText(images ? u"No picture yet"_s : u"No answer yet"_s);
            }
        }
        showUnknown();
    }

    void showUnknown() {
        const QString words = m_images ? ignoredWords(m_prompt->toPlainText()) : QString();
        m_highlighter->setOn(m_images);
        m_unknown->setText(words);
        m_unknown->setVisible(!words.isEmpty());
    }

    /// What the fields ask for; else why not.
    std::optional<Json> wishes(const QString& prompt) {
        Json wish{{"prompt", sstr(prompt)}, {"n", 1}};
        bool ok = true, each = false;
        if (m_images) {
            const qulonglong seed = m_noise->text().trimmed().toULongLong(&each);
            ok = each && seed <= static_cast<qulonglong>(std::numeric_limits<int64_t>::max());
            const qlonglong steps = m_steps->text().trimmed().toLongLong(&each);
            ok = ok && each && steps >= 1 && steps <= kMostSteps;
            const double guidance = m_guidance->text().trimmed().toDouble(&each);
            ok = ok && each && guidance >= 0 && guidance <= kMostGuidance;
            m_seed = static_cast<int64_t>(seed);
            wish.update({{"seed", seed}, {"steps", steps}, {"guidance", guidance}});
        } else {
            const double temperature = m_temperature->text().trimmed().toDouble(&each);
            ok = each && temperature >= 0 && temperature <= kMostTemperature;
            const qlonglong longest = m_longest->text().trimmed().toLongLong(&each);
            ok = ok && each && longest >= 1 && longest <= kMostTokens;
            wish.update({{"temperature", temperature}, {"max_new_tokens", longest}, {"seed", ++m_seed}});
        }
        if (ok)
            return wish;
        m_banner->show(State::Warning,
                       m_images ? u"The seed is a whole number from 0, steps 1 to %1, guidance a number from 0 to %2."_s
                                      .arg(formatCount(kMostSteps), formatNumber(kMostGuidance))
                                : u"Temperature is a number from 0 to %1, the longest answer 1 to %2 tokens."_s
                                      .arg(formatNumber(kMostTemperature), formatCount(kMostTokens)));
        return std::nullopt;
    }

    void send() {
        const QString prompt = m_prompt->toPlainText().trimmed();
        if (prompt.isEmpty() || !m_send->isEnabled())
            return;
        if (makesImages(0) != makesImages(1)) {
            m_banner->show(State::Warning, u"One of these models writes and the other draws: choose two of a kind."_s);
            return;
        }
        const auto wish = wishes(prompt);
        if (!wish)
            return;
        m_banner->hide();
        m_send->setEnabled(false);
        m_queue->setEnabled(false);
        m_chip->show();
        m_chip->set(State::Queued, u"Starting"_s);
        m_view->clear();
        for (size_t i = 0; i < 2; ++i) {
            m_pane[i]->setRaw({});
            m_facts[i]->setText(m_images ? u"Drawing …"_s : u"Writing …"_s);
        }
        m_payload = *wish;
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
            [&supervisor = m_ctx.supervisor, models, images = m_images](desk::Project& project) {
                return startResident(project, supervisor, models, images);
            },
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
            label->setText(m_images ? u"No picture"_s : u"No answer"_s);
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
            m_chip->set(State::Running, m_images ? u"Drawing"_s : u"Writing"_s);
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
            failed(why && !why->empty() ? qstr(*why) : m_images ? u"The model drew nothing."_s : u"The model gave no answer."_s);
            return;
        }
        m_answers = Json::array();
        if (const auto it = payload->find("candidates"); it != payload->end() && it->is_array())
            m_answers = *it;
        if (m_images)
            return drawn(info);
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

    void drawn(const desk::RunInfo& info) {
        m_samples = os::joinPath(info.dir, "samples");
        std::array<QString, 2> files;
        for (size_t i = 0; i < 2; ++i) {
            const std::string file = i < m_answers.size() ? pictureOf(m_answers[i]) : std::string();
            if (file.empty()) {
                m_facts[i]->setText(u"No picture"_s);
                continue;
            }
            files[i] = qstr(file);
            const Json& a = m_answers[i];
            const auto number = [](const Json& from, const char* key) {
                const auto it = from.is_object() ? from.find(key) : from.end();
                return from.is_object() && it != from.end() && it->is_number() ? formatNumber(it->get<double>()) : u"?"_s;
            };
            const Json params = a.value("params", Json::object());
            QStringList facts{u"%1 × %2"_s.arg(number(a, "width"), number(a, "height")), u"seed "_s + number(a, "seed")};
            if (m_same)
                facts.append(u"draw %1"_s.arg(i + 1));
            facts.append({number(params, "steps") + u" steps"_s, u"guidance "_s + number(params, "guidance")});
            m_facts[i]->setText(facts.join(u"  ·  "_s));
        }
        const bool both = !files[0].isEmpty() && !files[1].isEmpty();
        if (!both)
            m_banner->show(State::Failed, u"The run answered without a picture of each model."_s);
        else
            m_view->setPair(qstr(m_run) + u'|' + files[0] + u'|' + files[1], files[0], files[1]);
        m_queue->setEnabled(both);
    }
    /// Only a name in the run's own samples/ is opened.
    std::string pictureOf(const Json& answer) const {
        const auto image = answer.is_object() ? answer.find("image") : answer.end();
        if (!answer.is_object() || image == answer.end() || !image->is_string())
            return {};
        return os::joinPath(m_samples, os::baseName(image->get<std::string>()));
    }

    /// The pair goes to Label. The person has seen both answers with their models' names: they are marked as exposed.
    void queue() {
        m_queue->setEnabled(false);
        std::array<std::string, 2> files;
        for (size_t i = 0; m_images && i < 2; ++i)
            files[i] = pictureOf(m_answers[i]);
        m_ctx.ask(
            this,
            [prompt = m_asked, answers = m_answers, task = m_ctx.task.id, person = m_ctx.annotator, seed = m_seed, images = m_images,
             files](desk::Project& project) -> Result<desk::Id> {
                PL_TRY(const std::string canonical, desk::canonicalPrompt(Json(prompt)));
                desk::NewPrompt fresh;
                fresh.content = canonical;
                fresh.source = "playground";
                fresh.kind = images ? "scene" : "chat";
                fresh.split = desk::Split::Train; // its answers were read: it measures nothing any more
                PL_TRY(const auto prompts, project.addPrompts({fresh}));
                std::vector<desk::NewCandidate> candidates;
                for (size_t i = 0; i < 2; ++i) {
                    const Json& a = answers[i];
                    desk::NewCandidate c;
                    c.prompt = prompts.at(0);
                    if (images) {
                        c.kind = desk::CandidateKind::Image;
                        PL_TRY(c.content, project.addMedia(files[i]));
                    } else {
                        PL_TRY(c.content, field<std::string>(a, "content", "the answer"));
                    }
                    if (const auto model = a.find("model"); model != a.end() && model->is_object()) {
                        PL_TRY(c.modelName, fieldOr<std::string>(*model, "name", {}, "the answer's model"));
                        PL_TRY(c.modelHash, fieldOr<std::string>(*model, "hash", {}, "the answer's model"));
                    }
                    c.params = a.value("params", Json::object());
                    for (const char* side : {"width", "height"})
                        if (images && a.contains(side) && a[side].is_number_integer())
                            c.params[side] = a[side];
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
                    return fail(Code::InvalidInput, images ? "both pictures are the same: there is nothing to compare"
                                                           : "both answers are the same text: there is nothing to compare");
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
    bool m_same = false, m_images = false;
    std::string m_samples; ///< folder of the pictures last drawn
    std::vector<desk::ModelChoice> m_models;
    ImageLoader m_loader;
    Banner* m_banner;
    StatusChip* m_chip;
    QPlainTextEdit* m_prompt;
    UnknownWords* m_highlighter;
    TextLabel* m_unknown;
    QWidget *m_textPart, *m_imagePart;
    QLineEdit *m_temperature, *m_longest, *m_noise, *m_steps, *m_guidance;
    Card* m_pictures;
    ImageView* m_view;
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
