// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/label_page.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QEvent>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QPointer>
#include <QStackedWidget>
#include <QTimer>
#include <QVBoxLayout>

#include "core/base/json.h"
#include "core/base/log.h"
#include "core/desk/queue/pair_queue.h"
#include "core/desk/runs/actions.h"
#include "ui/label/panels.h"
#include "ui/theme/theme.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::EventKind;
using desk::Id;
using desk::Judgement;
using desk::JudgementInput;
using desk::LabelItem;

namespace {

constexpr size_t kPrefetch = 8;
constexpr size_t kRemembered = 500;
constexpr size_t kLatencies = 10'000;
constexpr int kCueMs = 1500;
constexpr int kRepeatGap = 10;
constexpr double kIdleSeconds = 300; ///< a longer look is not a time a vote takes

/// A prompt is plain text or the JSON of several turns.
QList<Turn> turnsOf(const std::string& content) {
    if (!content.empty() && content.front() == '[') {
        if (auto json = parseJson(content, "prompt"); json && json->is_array() && !json->empty()) {
            QList<Turn> turns;
            for (const Json& turn : *json) {
                if (!turn.is_object() || !turn.contains("role") || !turn["role"].is_string() ||
                    !turn.contains("content") || !turn["content"].is_string())
                    return {{u"user"_s, qstr(content)}};
                turns.append({qstr(turn["role"].get<std::string>()), qstr(turn["content"].get<std::string>())});
            }
            return turns;
        }
    }
    return {{u"user"_s, qstr(content)}};
}

bool alive(const desk::RunInfo& info) {
    return info.state == RunState::Running || info.state == RunState::Queued || info.state == RunState::Paused;
}
bool writesPairs(const desk::RunInfo& info) {
    return info.plugin.rfind("generate", 0) == 0 && !info.resident;
}

QString doneWords(const Judgement& j, bool aOnLeft) {
    if (j.kind == EventKind::Skip)
        return u"skipped"_s;
    return voteWords(sideVoteOf(j, aOnLeft));
}

} // namespace

PageFactory labelPage() {
    return {page::kLabel.toString(), u"Label"_s, u"label"_s, [](Context& c) { return new LabelPage(c); }};
}

LabelPage::LabelPage(Context& context) : m_context(context) {
    build();
    applyTask();
    lookForWriters();
    Signals& bus = m_context.signals;
    connect(&bus, &Signals::queueChanged, this, [this](qint64 remaining) {
        if (remaining > 0)
            m_exhausted = false;
        refill();
    });
    connect(&bus, &Signals::changed, this, [this](desk::Change change) {
        if (change != desk::Change::Imports)
            return;
        // A batch may have been taken back: what was fetched before is not trusted.
        m_ready.clear();
        m_exhausted = false;
        refill();
    });
    connect(&bus, &Signals::runUpdated, this, [this](const desk::RunInfo& info) { onRun(info); });
    connect(&bus, &Signals::settingsChanged, this, [this] {
        m_context.ask(
            this, [id = m_context.task.id](desk::Project& p) { return p.task(id); },
            [this](Result<desk::Task> task) {
                if (task)
                    m_context.task = *task;
                applyTask();
            });
    });
    setMode(Mode::Loading);
    refill();
}

LabelPage::~LabelPage() = default;

void LabelPage::build() {
    setFocusPolicy(Qt::StrongFocus);
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(0, 0, 0, 0);
    m_stack = new QStackedWidget;
    outer->addWidget(m_stack);
    m_pairPage = new QWidget;
    auto* column = new QVBoxLayout(m_pairPage);
    column->setContentsMargins(px(Size::GapM), px(Size::GapS), px(Size::GapM), 0);
    column->setSpacing(px(Size::GapS));
    auto* head = new QHBoxLayout;
    setNoMargins(head, Size::GapM);
    m_question = new TextLabel({}, TextStyle::Heading);
    m_guidelineHint = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_cueLabel = new TextLabel({}, TextStyle::Caption, Tone::Warn);
    m_question->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    head->addWidget(m_question, 1);
    head->addWidget(m_cueLabel);
    head->addWidget(m_guidelineHint);
    column->addLayout(head);
    m_banner = new Banner;
    m_banner->hide();
    connect(m_banner, &Banner::actionTriggered, this, [this] {
        m_banner->hide();
        setFocus();
        if (auto again = std::exchange(m_again, {}))
            again();
    });
    column->addWidget(m_banner);
    m_view = new PairView;
    m_view->setPromptLines(4);
    connect(m_view, &PairView::painted, this, &LabelPage::onPainted);
    m_dock = new GuidelinePanel;
    m_view->setDock(m_dock);
    column->addWidget(m_view, 1);
    m_strip = new KeyStrip;
    connect(m_strip, &KeyStrip::allKeysRequested, this, [this] {
        m_sheet->open();
        setFocus();
    });
    connect(m_strip, &KeyStrip::hintClicked, this, [this](int index) {
        static const QHash<QString, int> keys{{u"Space"_s, Qt::Key_Space}, {u"←"_s, Qt::Key_Left},
                                              {u"→"_s, Qt::Key_Right},     {u"]"_s, Qt::Key_BracketRight},
                                              {u"Esc"_s, Qt::Key_Escape}};
        const QString text = m_strip->hints().value(index).key;
        handleKey(keys.value(text, text.isEmpty() ? 0 : text.front().toUpper().unicode()), Qt::NoModifier);
        setFocus();
    });
    column->addWidget(m_strip);
    m_stack->addWidget(m_pairPage);
    m_states = new LabelStates;
    m_stack->addWidget(m_states);
    connect(m_states, &LabelStates::writeRequested, this, &LabelPage::writeFromStarter);
    connect(m_states, &LabelStates::importRequested, this, [this] { m_context.navigate(page::kData, u"import:"_s); });
    connect(m_states, &LabelStates::folderRequested, this, [this] { m_context.navigate(page::kModels, u"add:"_s); });
    connect(m_states, &LabelStates::generateRequested, this, [this] { m_context.navigate(page::kGenerate); });
    connect(m_states, &LabelStates::trainRequested, this, [this] { m_context.navigate(page::kTrain); });
    connect(m_states, &LabelStates::repeatRequested, this, &LabelPage::repeat);
    m_sheet = new KeySheet(this);
    m_guideline = new GuidelinePanel(this);
    m_guideline->hide();
    qApp->installEventFilter(this);
}

void LabelPage::applyTask() {
    const desk::Task& task = m_context.task;
    m_question->setText(qstr(task.question));
    m_guidelineHint->setText(u"guideline v%1, F4"_s.arg(task.guidelineVersion));
    m_guideline->setGuideline(task.guidelineVersion, qstr(task.guideline));
    m_dock->setGuideline(task.guidelineVersion, qstr(task.guideline));
    m_sheet->setScale(task.scale);
    m_view->setView(task.view == "markdown" ? TextView::Markdown
                    : task.view == "diff"   ? TextView::Diff
                                            : TextView::Raw);
    refreshStrip();
}

void LabelPage::activated() {
    setFocus();
    m_activeNs = 0;
    m_resumedAt = steadyNow();
    lookForWriters();
    refill();
}
void LabelPage::deactivated() {
    m_sheet->hide();
    m_guideline->hide();
}

QString LabelPage::bannerText() const {
    return m_banner->isVisibleTo(this) ? m_banner->text() : QString();
}
Id LabelPage::currentComparison() const {
    return m_mode == Mode::Pair && m_at >= 0 ? m_met[static_cast<size_t>(m_at)].item.comparison.id : 0;
}
bool LabelPage::currentAOnLeft() const {
    return m_at >= 0 && m_met[static_cast<size_t>(m_at)].item.presentation.aOnLeft;
}

// --- what comes next -------------------------------------------------------------------------------------------------

desk::Project::NextOptions LabelPage::options(size_t limit) const {
    desk::Project::NextOptions o;
    o.task = m_context.task.id;
    o.annotator = m_context.annotator;
    o.session = m_context.session;
    o.limit = limit;
    o.blind = !m_context.task.revealNames;
    for (const LabelItem& item : m_ready)
        o.skip.push_back(item.comparison.id);
    for (const Met& met : m_met)
        if (!met.judgement)
            o.skip.push_back(met.item.comparison.id);
    return o;
}

int LabelPage::indexOf(Id comparison) const {
    for (int i = static_cast<int>(m_met.size()) - 1; i >= 0; --i)
        if (m_met[static_cast<size_t>(i)].item.comparison.id == comparison)
            return i;
    return -1;
}

void LabelPage::dropOld() {
    if (m_met.size() <= kRemembered)
        return;
    // Only pairs that have their vote are forgotten; the others would not be offered again.
    const size_t half = kRemembered / 2;
    size_t at = static_cast<size_t>(std::max(0, m_at));
    for (size_t i = 0, seen = 0; i < m_met.size() && seen < half; ++seen) {
        if (i < at && m_met[i].judgement) {
            m_met.erase(m_met.begin() + static_cast<std::ptrdiff_t>(i));
            --at;
        } else {
            ++i;
        }
    }
    m_at = static_cast<int>(at);
}

void LabelPage::refill() {
    if (m_fetching || m_ready.size() >= kPrefetch)
        return;
    if (m_exhausted) {
        if (m_mode != Mode::Pair)
            whenNothingIsLeft();
        return;
    }
    m_fetching = true;
    m_context.ask(
        this, [o = options(kPrefetch - m_ready.size())](desk::Project& p) { return p.next(o); },
        [this](Result<std::vector<LabelItem>> items) {
            m_fetching = false;
            if (!items) {
                failWith(u"The next pair cannot be read. %1"_s.arg(errorText(items.error())), [this] { refill(); });
                return;
            }
            const auto skip = options(0).skip;
            for (LabelItem& item : *items) {
                // A vote may have come between the question and the answer.
                const int met = indexOf(item.comparison.id);
                if (std::count(skip.begin(), skip.end(), item.comparison.id) ||
                    (met >= 0 && m_met[static_cast<size_t>(met)].judgement))
                    continue;
                m_seed = item.presentation.seed;
                m_ready.push_back(std::move(item));
            }
            m_exhausted = items->empty();
            if (m_mode != Mode::Pair)
                advance();
        });
}

void LabelPage::advance() {
    dropOld();
    for (size_t i = static_cast<size_t>(m_at + 1); i < m_met.size(); ++i)
        if (!m_met[i].judgement)
            return showMet(static_cast<int>(i));
    if (!m_ready.empty()) {
        Met met;
        met.item = std::move(m_ready.front());
        m_ready.pop_front();
        m_met.push_back(std::move(met));
        return showMet(static_cast<int>(m_met.size()) - 1);
    }
    for (size_t i = 0; i < m_met.size(); ++i)
        if (!m_met[i].judgement && static_cast<int>(i) != m_at)
            return showMet(static_cast<int>(i));
    if (m_at >= 0 && !m_met[static_cast<size_t>(m_at)].judgement)
        return showMet(m_at);
    setMode(Mode::Loading); // what is on screen has its vote
    refill();
}

void LabelPage::next() {
    const auto after = static_cast<size_t>(m_at + 1);
    if (after < m_met.size())
        return showMet(static_cast<int>(after));
    const int before = m_at;
    advance();
    if (m_at == before && m_mode == Mode::Pair)
        m_context.say(State::Info, u"This is the last pair without your vote"_s);
    refill();
}

void LabelPage::previous() {
    if (m_at > 0)
        showMet(m_at - 1);
    else
        m_context.say(State::Info, u"There is no earlier pair in this sitting; U takes back older votes"_s);
}

void LabelPage::showMet(int index) {
    m_at = index;
    Met& met = m_met[static_cast<size_t>(index)];
    m_leftBad = m_rightBad = false;
    m_choosingReason = false;
    if (met.judgement) {
        m_leftBad = met.item.presentation.aOnLeft ? met.judgement->badA : met.judgement->badB;
        m_rightBad = met.item.presentation.aOnLeft ? met.judgement->badB : met.judgement->badA;
    }
    met.item.presentation.session = m_context.session;
    if (!met.recording) {
        // Recorded while it is being painted; the vote, which comes later on the same thread, refers to it.
        met.recording = true;
        m_context.store.post([shown = met.item.presentation, id = met.presentation](desk::Project& p) {
            if (auto recorded = p.present(shown))
                *id = *recorded;
        });
    }
    setMode(Mode::Pair);
    m_shownAt = steadyNow();
    m_paintedAt = 0;
    const desk::Candidate &left = met.item.left(), &right = met.item.right();
    m_view->setPair(u"%1:%2"_s.arg(met.item.comparison.id).arg(index), turnsOf(met.item.prompt.content),
                    qstr(left.content), qstr(right.content));
    if (m_context.task.revealNames)
        m_view->setTags(u"A  "_s + qstr(left.modelName), u"B  "_s + qstr(right.modelName));
    refreshMarks();
    refreshStrip();
    if (m_ready.size() < kPrefetch / 2)
        refill();
}

void LabelPage::onPainted(const QString& id, qint64 ns) {
    if (id != m_view->pairId() || m_mode != Mode::Pair)
        return;
    m_paintedAt = ns;
    m_activeNs = 0;
    m_resumedAt = ns;
    if (m_keyAt > 0) {
        if (m_keyToPaint.size() >= kLatencies)
            m_keyToPaint.erase(m_keyToPaint.begin(), m_keyToPaint.begin() + kLatencies / 10);
        m_keyToPaint.push_back(ns - m_keyAt);
        m_keyAt = 0;
    }
    Q_EMIT pairShown(currentComparison());
}

void LabelPage::setMode(Mode mode) {
    m_mode = mode;
    m_stack->setCurrentWidget(mode == Mode::Pair ? m_pairPage : m_states);
    if (mode == Mode::Loading)
        m_states->showLoading();
    if (mode != Mode::Pair)
        m_keyAt = 0;
}

void LabelPage::whenNothingIsLeft() {
    if (m_writing) {
        setMode(Mode::Dry);
        m_states->showDry(m_writingEta);
        return;
    }
    struct News {
        int64_t pairs = 0;
        desk::Rate consistency;
    };
    m_context.ask(
        this,
        [task = m_context.task.id, person = m_context.annotator](desk::Project& p) {
            News news;
            news.pairs = p.counters().comparisons;
            if (news.pairs == 0)
                return news;
            if (auto people = p.annotators()) {
                const auto summary = desk::summarize(p.currentVotes(), *people, {}, task);
                for (const desk::PersonSummary& each : summary.people)
                    if (each.annotator == person)
                        news.consistency = each.selfConsistency;
            }
            return news;
        },
        [this](News news) {
            if (m_mode == Mode::Pair || !m_ready.empty() || m_writing)
                return;
            if (news.pairs == 0) {
                setMode(Mode::Empty);
                m_states->setBusy({});
                m_states->showEmpty();
                return;
            }
            SessionFigures figures;
            figures.votes = static_cast<int64_t>(m_seconds.size());
            if (!m_seconds.empty())
                figures.medianSeconds = rules::median(m_seconds);
            figures.left.successes = m_left;
            figures.left.n = m_decided;
            figures.selfConsistency = news.consistency;
            setMode(Mode::Done);
            m_states->showDone(figures);
        });
}

// --- jobs that write pairs ---------------------------------------------------------------------------------------------

void LabelPage::lookForWriters() {
    m_writing = false;
    m_writingEta = -1;
    for (const desk::RunInfo& info : m_context.supervisor.runs())
        if (writesPairs(info) && alive(info)) {
            m_writing = true;
            m_writingEta = info.etaSeconds;
        }
}

void LabelPage::onRun(const desk::RunInfo& info) {
    if (!writesPairs(info))
        return;
    const bool before = m_writing;
    lookForWriters();
    if (m_mode == Mode::Dry && m_writing)
        m_states->showDry(m_writingEta);
    else if (m_mode == Mode::Empty && info.state == RunState::Failed)
        m_states->setProblem(u"%1 failed: %2"_s.arg(qstr(info.name), qstr(info.reason)));
    else if (m_mode != Mode::Pair && before != m_writing) {
        m_exhausted = false;
        refill();
    }
}

void LabelPage::writeFromStarter() {
    m_states->setBusy(u"Starting"_s);
    desk::Supervisor* runs = &m_context.supervisor;
    m_context.ask(
        this,
        [runs](desk::Project& p) {
            desk::GenerateRequest request;
            request.prompts = 50;
            request.shortJob = true;
            return desk::startGenerate(p, *runs, request);
        },
        [this](Result<std::string> run) {
            if (!run) {
                m_states->setProblem(errorText(run.error()));
                return;
            }
            m_states->setBusy({});
            m_writing = true;
            m_context.say(State::Running, u"%1 writes 50 pairs"_s.arg(qstr(*run)));
            whenNothingIsLeft();
        });
}

void LabelPage::repeat() {
    m_context.ask(
        this, [o = options(1)](desk::Project& p) { return p.nextRepeat(o, kRepeatGap); },
        [this](Result<std::optional<LabelItem>> item) {
            if (!item)
                return failWith(errorText(item.error()), [this] { repeat(); });
            if (!*item) {
                m_context.say(State::Info,
                              u"Nothing to repeat: a pair comes back after at least %1 other votes, once"_s.arg(kRepeatGap));
                return;
            }
            Met met;
            met.item = std::move(**item);
            m_met.push_back(std::move(met));
            showMet(static_cast<int>(m_met.size()) - 1);
            setFocus();
        });
}

// --- keys --------------------------------------------------------------------------------------------------------------

void LabelPage::keyPressEvent(QKeyEvent* event) {
    const int key = event->key();
    const bool plain = (event->modifiers() & ~Qt::KeypadModifier) == Qt::NoModifier;
    if (m_mode == Mode::Pair && plain && !m_sheet->isVisible()) {
        // Scrolling may repeat; nothing else does.
        switch (key) {
        case Qt::Key_PageDown: return m_view->scrollPages(1);
        case Qt::Key_PageUp: return m_view->scrollPages(-1);
        case Qt::Key_Down: return m_view->scrollLines(2);
        case Qt::Key_Up: return m_view->scrollLines(-2);
        default: break;
        }
    }
    if (event->isAutoRepeat()) {
        event->accept();
        return;
    }
    if (!handleKey(key, event->modifiers()))
        Page::keyPressEvent(event);
}

bool LabelPage::handleKey(int key, Qt::KeyboardModifiers modifiers) {
    if (key == Qt::Key_Shift || key == Qt::Key_Control || key == Qt::Key_Alt || key == Qt::Key_Meta ||
        key == Qt::Key_AltGr)
        return false;
    if (m_sheet->isVisible()) {
        m_sheet->hide();
        return true;
    }
    if (key == Qt::Key_Escape && m_guideline->isVisible()) {
        m_guideline->hide();
        return true;
    }
    if (m_choosingReason) {
        m_choosingReason = false;
        refreshStrip();
        const int reason = key - Qt::Key_1;
        if (reason >= 0 && reason < skipReasons().size())
            skip(reason);
        return true;
    }
    const auto action = labelKey(m_context.task.scale, key, modifiers);
    if (!action)
        return false;
    const bool pair = m_mode == Mode::Pair;
    switch (action->action) {
    case LabelAction::Undo: undo(); return true;
    case LabelAction::Redo: redo(); return true;
    case LabelAction::KeySheet: m_sheet->open(); return true;
    case LabelAction::Guideline: showGuideline(); return true;
    case LabelAction::Previous:
        if (pair || !m_met.empty())
            previous();
        return true;
    default: break;
    }
    if (!pair)
        return false;
    switch (action->action) {
    case LabelAction::Vote: vote(action->vote); break;
    case LabelAction::MarkLeft:
        m_leftBad = !m_leftBad;
        refreshMarks();
        break;
    case LabelAction::MarkRight:
        m_rightBad = !m_rightBad;
        refreshMarks();
        break;
    case LabelAction::Next: next(); break;
    case LabelAction::Skip:
        if (tooFast()) {
            cue();
            break;
        }
        m_choosingReason = true;
        refreshStrip();
        break;
    case LabelAction::Flag: flag(); break;
    case LabelAction::Markdown: m_view->toggleView(TextView::Markdown); break;
    case LabelAction::Diff: m_view->toggleView(TextView::Diff); break;
    default: break;
    }
    return true;
}

void LabelPage::refreshStrip() {
    if (!m_choosingReason) {
        m_strip->setHints(labelHints(m_context.task.scale));
        return;
    }
    QList<KeyHint> hints;
    int digit = 1;
    for (const QString& word : skipReasonWords())
        hints.append({QString::number(digit++), word, 0, 0});
    hints.append({u"Esc"_s, u"do not skip"_s, 1, 0});
    m_strip->setHints(hints);
}

void LabelPage::refreshMarks() {
    if (m_at < 0)
        return;
    const Met& met = m_met[static_cast<size_t>(m_at)];
    QString left = m_leftBad ? u"unacceptable"_s : QString(), right = m_rightBad ? u"unacceptable"_s : QString();
    m_view->setMark(Side::A, left);
    m_view->setMark(Side::B, right);
    QStringList state;
    if (met.judgement)
        state.append(u"your vote: %1"_s.arg(doneWords(*met.judgement, met.item.presentation.aOnLeft)));
    if (met.flagged)
        state.append(u"flagged"_s);
    m_cueLabel->setTone(Tone::Second);
    m_cueLabel->setText(state.join(u", "_s));
}

bool LabelPage::tooFast() const {
    return m_paintedAt == 0 || steadyNow() - m_paintedAt < qint64{m_guardMs} * 1'000'000;
}

void LabelPage::cue() {
    ++m_refused;
    log::info("a key came before the pair could be read and was not counted");
    m_cueLabel->setTone(Tone::Warn);
    m_cueLabel->setText(u"Too fast: not counted"_s);
    m_context.say(State::Warning, u"That key came before the pair could be read: it was not counted"_s);
    QTimer::singleShot(kCueMs, this, [this] {
        if (m_mode == Mode::Pair)
            refreshMarks();
    });
    Q_EMIT refused();
}

qint64 LabelPage::activeMs() const {
    const qint64 running = m_inactive ? 0 : steadyNow() - m_resumedAt;
    return (m_activeNs + running) / 1'000'000;
}

void LabelPage::vote(const SideVote& sideVote) {
    if (m_saving || tooFast()) {
        cue();
        return;
    }
    const Met& met = m_met[static_cast<size_t>(m_at)];
    JudgementInput input;
    static_cast<Judgement&>(input) = judgementOf(sideVote, met.item.presentation.aOnLeft, m_leftBad, m_rightBad);
    using Choice = SideVote::Choice;
    submit(input, voteWords(sideVote), sideVote.choice != Choice::Right, sideVote.choice != Choice::Left);
}

void LabelPage::skip(int reason) {
    if (m_saving || m_mode != Mode::Pair)
        return;
    JudgementInput input;
    input.kind = EventKind::Skip;
    input.skipReason = sstr(skipReasons().at(reason));
    submit(input, u"skipped: %1"_s.arg(skipReasonWords().at(reason)), false, false);
}

void LabelPage::submit(const JudgementInput& given, const QString& words, bool flashA, bool flashB) {
    Met& met = m_met[static_cast<size_t>(m_at)];
    JudgementInput input = given;
    input.view = sstr(textViewName(m_view->view()));
    input.firstPaintMs = m_paintedAt ? std::max<qint64>(0, (m_paintedAt - m_shownAt) / 1'000'000) : -1;
    input.activeMs = activeMs();
    m_saving = true;
    m_keyAt = steadyNow();
    const Id comparison = met.item.comparison.id;
    const bool posted = m_context.ask(
        this,
        [input, shown = met.item.presentation, id = met.presentation](desk::Project& p) mutable -> Result<desk::Ack> {
            if (*id == 0) {
                PL_TRY(*id, p.present(shown));
            }
            input.presentation = *id;
            return p.judge(input);
        },
        [this, input, words, flashA, flashB, comparison](Result<desk::Ack> ack) {
            m_saving = false;
            if (!ack) {
                // Nothing was counted: the pair stays, loudly.
                m_keyAt = 0;
                failWith(u"“%1” was not saved. %2"_s.arg(words, errorText(ack.error())),
                         [this, input, words, flashA, flashB, comparison] {
                             if (currentComparison() == comparison && !m_saving)
                                 submit(input, words, flashA, flashB);
                         });
                m_context.say(State::Failed, u"Not saved: %1"_s.arg(words));
                return;
            }
            m_banner->hide();
            m_again = {};
            const int index = indexOf(comparison);
            if (index >= 0) {
                Met& done = m_met[static_cast<size_t>(index)];
                const bool first = !done.judgement;
                done.judgement = input;
                if (input.kind == EventKind::Vote && first) {
                    if (input.activeMs < static_cast<int64_t>(kIdleSeconds * 1000))
                        m_seconds.push_back(double(input.activeMs) / 1000);
                    const SideVote side = sideVoteOf(input, done.item.presentation.aOnLeft);
                    if (side.choice != SideVote::Choice::Tie) {
                        ++m_decided;
                        m_left += side.choice == SideVote::Choice::Left;
                    }
                }
                // The next vote on this pair is another presentation.
                done.presentation = std::make_shared<Id>(0);
                done.recording = false;
            }
            m_context.say(State::Done, u"%1: U undoes"_s.arg(words));
            m_view->flash(flashA, flashB);
            Q_EMIT saved(comparison);
            if (index >= 0 && index == m_at)
                advance();
            refill();
        });
    if (!posted)
        m_saving = false;
}

// --- undo, redo, flag --------------------------------------------------------------------------------------------------

void LabelPage::undo() {
    move(false);
}
void LabelPage::redo() {
    move(true);
}

void LabelPage::move(bool redo) {
    struct Moved {
        Id comparison = 0;
        std::optional<LabelItem> item;
        std::optional<Judgement> now;
        std::optional<Error> error;
        bool nothing = false;
    };
    m_context.ask(
        this,
        [redo, task = m_context.task.id, person = m_context.annotator, o = options(1), seed = m_seed](desk::Project& p) {
            Moved moved;
            const auto failed = [&](const Error& error) {
                moved.nothing = error.code == Code::NotFound;
                moved.error = error;
                return moved;
            };
            auto ack = redo ? p.redo(task, person) : p.undo(task, person);
            if (!ack)
                return failed(ack.error());
            moved.comparison = ack->comparison;
            auto item = p.pairItem(ack->comparison);
            if (!item)
                return failed(item.error());
            auto now = p.currentJudgement(task, person, ack->comparison);
            if (!now)
                return failed(now.error());
            moved.now = *now;
            // The same sides as it had: they are a function of the seed, the contents and the person.
            uint64_t draw = seed;
            if (draw == 0) {
                auto options = o;
                options.skip.clear();
                if (auto some = p.next(options); some && !some->empty())
                    draw = some->front().presentation.seed;
            }
            desk::Presentation& shown = item->presentation;
            shown.task = task;
            shown.comparison = ack->comparison;
            shown.annotator = person;
            shown.session = o.session;
            shown.seed = draw;
            shown.aOnLeft = desk::drawAOnLeft(draw, desk::hashPrefix(item->comparison.sha), person, 0);
            shown.stratum = "again";
            shown.blind = o.blind;
            moved.item = std::move(*item);
            return moved;
        },
        [this, redo](Moved moved) {
            if (moved.nothing) {
                m_context.say(State::Info, redo ? u"Nothing to do again"_s : u"Nothing to take back"_s);
                return;
            }
            if (moved.error) {
                failWith(u"%1 %2"_s.arg(redo ? u"The vote was not brought back."_s : u"The vote was not taken back."_s,
                                        errorText(*moved.error)),
                         [this, redo] { move(redo); });
                return;
            }
            std::erase_if(m_ready, [&](const LabelItem& item) { return item.comparison.id == moved.comparison; });
            int index = indexOf(moved.comparison);
            if (index < 0) {
                Met met;
                met.item = std::move(*moved.item);
                index = std::max(0, m_at);
                m_met.insert(m_met.begin() + index, std::move(met));
                if (m_at >= index)
                    ++m_at;
            }
            Met& met = m_met[static_cast<size_t>(index)];
            const std::optional<Judgement> before = met.judgement;
            met.judgement = moved.now && moved.now->kind != EventKind::Flag ? moved.now : std::nullopt;
            met.flagged = moved.now && !moved.now->flag.empty();
            met.presentation = std::make_shared<Id>(0);
            met.recording = false;
            m_exhausted = false;
            const auto words = [&](const std::optional<Judgement>& j) {
                return j ? doneWords(*j, met.item.presentation.aOnLeft) : u"no vote"_s;
            };
            if (redo) {
                m_context.say(State::Done, u"Done again: %1"_s.arg(words(met.judgement)));
                if (met.judgement && (m_mode != Mode::Pair || m_at == index)) {
                    m_at = index;
                    advance();
                } else if (m_at == index) {
                    showMet(index);
                }
            } else {
                m_context.say(State::Info, before ? u"Taken back: %1. Ctrl+Shift+Z does it again"_s.arg(words(before))
                                                  : u"Taken back. Ctrl+Shift+Z does it again"_s);
                showMet(index);
            }
        });
}

void LabelPage::flag() {
    if (m_at < 0)
        return;
    const Met& met = m_met[static_cast<size_t>(m_at)];
    const Id comparison = met.item.comparison.id;
    const bool on = !met.flagged;
    m_context.ask(
        this,
        [task = m_context.task.id, person = m_context.annotator, comparison, on](desk::Project& p) {
            return p.flag(task, person, comparison, on ? "look again" : "");
        },
        [this, comparison, on](Result<desk::Ack> ack) {
            if (!ack)
                return failWith(u"The flag was not saved. %1"_s.arg(errorText(ack.error())), [this] { flag(); });
            if (const int index = indexOf(comparison); index >= 0)
                m_met[static_cast<size_t>(index)].flagged = on;
            m_context.say(State::Done, on ? u"Flagged: kept out of datasets until the flag is gone"_s : u"Flag removed"_s);
            refreshMarks();
        });
}

void LabelPage::failWith(const QString& text, std::function<void()> again) {
    m_again = std::move(again);
    if (m_mode != Mode::Pair)
        m_stack->setCurrentWidget(m_pairPage);
    m_banner->show(State::Failed, text, u"Try again"_s);
}

// --- panels --------------------------------------------------------------------------------------------------------------

void LabelPage::showGuideline() {
    if (m_view->isDockVisible() && m_mode == Mode::Pair)
        return; // it is on screen already
    m_guideline->setVisible(!m_guideline->isVisible());
    placePanels();
    if (m_guideline->isVisible())
        m_guideline->raise();
}

void LabelPage::placePanels() {
    const int gap = px(Size::GapM);
    const int wide = std::min(width() - 2 * gap, 420);
    m_guideline->setGeometry(width() - wide - gap, px(Size::Strip), wide,
                             std::max(0, height() - 2 * px(Size::Strip) - gap));
    if (m_sheet->isVisible())
        m_sheet->open();
}

void LabelPage::resizeEvent(QResizeEvent* event) {
    Page::resizeEvent(event);
    placePanels();
}

bool LabelPage::eventFilter(QObject* watched, QEvent* event) {
    // Time with another window in front is not time spent on the pair.
    if (watched == window() && event->type() == QEvent::WindowDeactivate && !m_inactive) {
        m_activeNs += steadyNow() - m_resumedAt;
        m_inactive = true;
    } else if (watched == window() && event->type() == QEvent::WindowActivate && m_inactive) {
        m_resumedAt = steadyNow();
        m_inactive = false;
    }
    return Page::eventFilter(watched, event);
}

} // namespace pl::ui
