// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/label_page.h"

#include <algorithm>
#include <cmath>

#include <QApplication>
#include <QEvent>
#include <QHBoxLayout>
#include <QPointer>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/desk/domain/questions.h"
#include "core/desk/queue/queue_mix.h"
#include "core/desk/runs/actions.h"
#include "ui/label/answer_tools.h"
#include "ui/label/draft_bar.h"
#include "ui/label/panels.h"
#include "ui/label/region_tools.h"
#include "ui/label/turns.h"
#include "ui/shell/annotator.h"
#include "ui/shell/preferences.h"
#include "ui/theme/theme.h"
#include "ui/widgets/image_loader.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Id;
using desk::LabelItem;

namespace {

constexpr size_t kPrefetch = 8;
constexpr size_t kDecodeAhead = 4; ///< pairs
constexpr size_t kRemembered = 500;
constexpr size_t kLatencies = 10'000;
constexpr int kRepeatGap = 10;

bool showsImages(const LabelItem& item) {
    return item.a.kind == desk::CandidateKind::Image || item.b.kind == desk::CandidateKind::Image;
}

bool alive(const desk::RunInfo& info) {
    return info.state == RunState::Running || info.state == RunState::Queued || info.state == RunState::Paused;
}
bool writesPairs(const desk::RunInfo& info) {
    return info.plugin.rfind("generate", 0) == 0 && !info.resident;
}

} // namespace

PageFactory labelPage(const Preferences* preferences) {
    return {page::kLabel.toString(), u"Label"_s, u"label"_s,
            [preferences](Context& c) { return new LabelPage(c, preferences); }};
}

LabelPage::LabelPage(Context& context, const Preferences* preferences) : m_context(context), m_preferences(preferences) {
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
        if (change == desk::Change::Pairs) { // or labels are to be looked at again, which leaves no more pairs without a vote
            m_exhausted = false;
            refill();
        }
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
    m_sealedNote = new TextLabel(u"Test prompt: this vote stays out of datasets"_s, TextStyle::Caption, Tone::Warn);
    m_sealedNote->hide();
    head->addWidget(m_sealedNote);
    head->addWidget(m_cueLabel);
    m_setsLink = new LinkButton({});
    m_setsLink->hide();
    connect(m_setsLink, &QPushButton::clicked, this, &LabelPage::showSets);
    head->addWidget(m_setsLink);
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
    m_view->images()->setOwnKeys(false);
    connect(m_view, &PairView::painted, this, &LabelPage::onPainted);
    buildTools();
    buildRegions();
    m_dock = new GuidelinePanel;
    m_view->setDock(m_dock);
    column->addWidget(m_view, 1);
    m_bar = new DraftBar;
    connect(m_bar, &DraftBar::edited, this, [this](const QString& text) {
        if (m_draft)
            m_draft->setRationale(text);
    });
    connect(m_bar, &DraftBar::left, this, [this](bool finish) {
        setFocus();
        if (m_draft)
            take(m_draft->leaveText(finish));
    });
    column->addWidget(m_bar);
    m_strip = new KeyStrip;
    connect(m_strip, &KeyStrip::allKeysRequested, this, [this] {
        m_tools->leave();
        m_regions->leave();
        m_sheet->open();
        setFocus();
    });
    connect(m_strip, &KeyStrip::hintClicked, this, [this](int index) {
        const int code = m_strip->hints().value(index).code;
        if (m_tools->isOn()) {
            m_tools->key(code, Qt::NoModifier); // the tool keeps the focus
            return;
        }
        if (m_regions->isOn() && m_regions->key(code, Qt::NoModifier))
            return m_regions->takeFocus(); // the click gave it to the page
        if (m_draft && m_bar->isWriting())
            return m_bar->leave(index == 0);
        // A click cannot be held: it flips, and the next one flips back.
        if (code == m_keys.key(KeyId::ImageFlip) && isImagePair())
            m_view->images()->setFlipped(!m_view->images()->isFlipped());
        else
            handleKey(code & ~int{Qt::KeypadModifier}, Qt::KeyboardModifiers(code & int{Qt::KeypadModifier}));
        if (!m_tools->isOn() && !m_regions->isOn())
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
    connect(m_states, &LabelStates::trainRequested, this, [this] {
        m_context.navigate(annotatorMode(m_context) ? page::kSettings : page::kTrain);
    });
    if (annotatorMode(m_context))
        m_states->setAnnotator();
    connect(m_states, &LabelStates::repeatRequested, this, &LabelPage::repeat);
    connect(m_states, &LabelStates::testRequested, this, &LabelPage::openTestPairs);
    m_sheet = new KeySheet(this);
    m_guideline = new GuidelinePanel(this);
    m_guideline->hide();
    qApp->installEventFilter(this);
}

void LabelPage::applyTask() {
    const desk::Task& task = m_context.task;
    m_keys = m_preferences ? KeyMap(m_preferences->keys()) : KeyMap();
    m_form = task.view == "single" ? VoteForm() : VoteForm::of(task);
    m_bar->setVisible(!m_form.isEmpty());
    dropDraft();
    showQuestion(isImagePair());
    m_guidelineHint->setText(u"guideline v%1, %2"_s.arg(task.guidelineVersion).arg(m_keys.text(KeyId::Guideline)));
    m_sheet->setKeys(m_keys, task.scale, isImagePair(), oneAtATime());
    if (m_mode == Mode::Pair)
        beginThumbs();
    showRegions();
    m_view->setTurnsKey(m_keys.text(KeyId::Turns));
    for (GuidelinePanel* panel : {m_guideline, m_dock})
        panel->setKey(m_keys.text(KeyId::Guideline));
    m_view->setView(task.view == "markdown" ? TextView::Markdown
                    : task.view == "diff"   ? TextView::Diff
                                            : TextView::Raw);
    m_view->images()->setMode(task.view == "wipe"         ? ImageMode::Wipe
                              : task.view == "difference" ? ImageMode::Difference
                                                          : ImageMode::Side);
    refreshStrip();
}

void LabelPage::showQuestion(bool images) {
    const desk::Asked asked = desk::askedOf(m_context.task, images ? desk::CandidateKind::Image : desk::CandidateKind::Text);
    const QString all = u"%1 %2 %3"_s.arg(m_context.task.guidelineVersion).arg(qstr(asked.question), qstr(asked.guideline));
    if (all == m_asked)
        return; // a guideline that is being read stays where it is
    m_asked = all;
    m_question->setText(qstr(asked.question));
    for (GuidelinePanel* panel : {m_guideline, m_dock})
        panel->setGuideline(m_context.task.guidelineVersion, qstr(asked.guideline));
}

void LabelPage::activated() {
    setFocus();
    m_offerSets = true;
    lookForSets();
    m_activeNs = 0;
    m_resumedAt = steadyNow();
    lookForWriters();
    // What was fetched before may have been seen elsewhere since, with the names of its models.
    m_ready.clear();
    m_exhausted = false;
    m_view->imageLoader()->forgetFailures();
    if (m_mode == Mode::Pair && !offered(m_met[static_cast<size_t>(m_at)]))
        advance();
    refill();
}
void LabelPage::deactivated() {
    m_testPairs = false;
    m_tools->leave();
    m_view->images()->setFlipped(false);
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
    if (!m_testPairs)
        o.rule = desk::QueueRule::Mixed; // in order where the task has no mix
    if (m_testPairs)
        o.split = desk::Split::Test;
    for (const LabelItem& item : m_ready)
        o.skip.push_back(item.comparison.id);
    for (const Met& met : m_met)
        if (!met.judgement)
            o.skip.push_back(met.item.comparison.id);
    return o;
}

bool LabelPage::offered(const Met& met) const {
    return met.judgement || m_testPairs || met.item.prompt.split != desk::Split::Test;
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
                    (met >= 0 && m_met[static_cast<size_t>(met)].judgement && !item.presentation.repeat &&
                     item.presentation.stratum != desk::stratumName(desk::Stratum::Look)))
                    continue;
                m_seed = item.presentation.seed;
                m_ready.push_back(std::move(item));
            }
            m_exhausted = items->empty();
            if (m_mode != Mode::Pair)
                advance();
            else
                lookAhead();
        });
}

void LabelPage::advance() {
    dropOld();
    for (size_t i = static_cast<size_t>(m_at + 1); i < m_met.size(); ++i)
        if (!m_met[i].judgement && offered(m_met[i]))
            return showMet(static_cast<int>(i));
    if (!m_ready.empty()) {
        Met met;
        met.item = std::move(m_ready.front());
        m_ready.pop_front();
        m_met.push_back(std::move(met));
        return showMet(static_cast<int>(m_met.size()) - 1);
    }
    for (size_t i = 0; i < m_met.size(); ++i)
        if (!m_met[i].judgement && offered(m_met[i]) && static_cast<int>(i) != m_at)
            return showMet(static_cast<int>(i));
    if (m_at >= 0 && !m_met[static_cast<size_t>(m_at)].judgement && offered(m_met[static_cast<size_t>(m_at)]))
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
        m_context.say(State::Info, u"There is no earlier pair in this sitting; %1 takes back older votes"_s.arg(m_keys.text(KeyId::Undo)));
}

void LabelPage::showMet(int index) {
    m_tools->leave();
    m_regions->leave();
    m_at = index;
    Met& met = m_met[static_cast<size_t>(index)];
    m_leftBad = m_rightBad = false;
    m_choosingReason = false;
    dropDraft();
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
    const QString id = u"%1:%2"_s.arg(met.item.comparison.id).arg(index);
    const bool images = showsImages(met.item), before = m_view->isImagePair();
    if (images)
        m_view->setImagePair(id, turnsOf(met.item.prompt.content), mediaFile(m_context, left.content),
                             mediaFile(m_context, right.content));
    else
        m_view->setPair(id, turnsOf(met.item.prompt.content), qstr(left.content), qstr(right.content));
    beginThumbs();
    if (met.item.presentation.repeat && !met.repeat)
        met.repeat = ++m_repeats;
    m_tools->showPair({images ? 0 : met.item.comparison.id, met.repeat}, met.item.presentation.aOnLeft,
                      met.judgement ? met.judgement->spans : Json());
    showRegions();
    if (images != before)
        m_sheet->setKeys(m_keys, m_context.task.scale, images, oneAtATime());
    showQuestion(images);
    lookAhead();
    if (m_context.task.revealNames)
        m_view->setTags(u"A  "_s + qstr(left.modelName), u"B  "_s + qstr(right.modelName));
    m_sealedNote->setVisible(met.item.prompt.split == desk::Split::Test);
    refreshMarks();
    refreshStrip();
    if (m_ready.size() < kPrefetch / 2)
        refill();
}

bool LabelPage::isImagePair() const {
    return m_mode == Mode::Pair && m_view->isImagePair();
}

QString LabelPage::unseen() const {
    const bool left = !m_view->problem(Side::A).isEmpty(), right = !m_view->problem(Side::B).isEmpty();
    return left && right ? u"A and B"_s : left ? u"A"_s : right ? u"B"_s : QString();
}

void LabelPage::lookAhead() {
    QStringList files;
    const auto add = [&](const LabelItem& item) {
        if (showsImages(item))
            files << mediaFile(m_context, item.left().content) << mediaFile(m_context, item.right().content);
    };
    const auto enough = [&] { return files.size() >= static_cast<qsizetype>(2 * kDecodeAhead); };
    for (auto i = static_cast<size_t>(m_at + 1); i < m_met.size() && !enough(); ++i)
        if (!m_met[i].judgement)
            add(m_met[i].item);
    for (auto it = m_ready.begin(); it != m_ready.end() && !enough(); ++it)
        add(*it);
    m_view->imageLoader()->prefetch(files);
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
    if (mode != Mode::Pair) {
        m_tools->leave();
        m_regions->leave();
    }
    m_mode = mode;
    m_stack->setCurrentWidget(mode == Mode::Pair ? m_pairPage : m_states);
    if (mode == Mode::Loading)
        m_states->showLoading();
    if (mode != Mode::Pair)
        m_keyAt = 0;
    if (mode == Mode::Empty || mode == Mode::Done)
        lookForSets();
}

void LabelPage::whenNothingIsLeft() {
    if (m_testPairs) {
        m_testPairs = false;
        m_exhausted = false; // others may have come meanwhile
        return refill();
    }
    if (m_writing) {
        setMode(Mode::Dry);
        m_states->showDry(m_writingEta);
        return;
    }
    struct News {
        int64_t pairs = 0, test = 0;
        desk::Rate consistency;
        bool images = false;
    };
    m_context.ask(
        this,
        [task = m_context.task.id, person = m_context.annotator](desk::Project& p) {
            News news;
            news.pairs = p.counters().comparisons;
            desk::Page newest;
            newest.limit = 1;
            newest.newestFirst = true;
            const auto made = p.candidates(newest);
            news.images = made && !made->empty() ? made->front().kind == desk::CandidateKind::Image
                                                 : desk::isImageModelDir(os::joinPath(p.modelsDir(), "start"));
            if (news.pairs == 0)
                return news;
            if (auto left = p.remaining(task, person, desk::Split::Test))
                news.test = *left;
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
            m_states->setImages(news.images);
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
            figures.testPairs = news.test;
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
            m_states->setImages(info.plugin == "generate_image");
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
            m_context.say(State::Running, u"%1 makes 50 pairs"_s.arg(qstr(*run)));
            whenNothingIsLeft();
        });
}

void LabelPage::openTestPairs() {
    m_context.ask(
        this, [](desk::Project& p) { return p.openTestSplit("label"); },
        [this](Result<int64_t> openings) {
            if (!openings)
                return failWith(errorText(openings.error()), [this] { openTestPairs(); });
            m_testPairs = true;
            m_exhausted = false;
            m_context.say(State::Info, u"Test prompts opened, %1"_s.arg(*openings == 1 ? u"for the first time"_s
                                                                                      : u"%1 times so far"_s.arg(*openings)));
            refill();
            setFocus();
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

// --- problems ---------------------------------------------------------------------------------------------------------

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
        if (!m_editing)
            m_activeNs += steadyNow() - m_resumedAt;
        m_inactive = true;
        m_view->images()->setFlipped(false); // the release of the key goes elsewhere
    } else if (watched == window() && event->type() == QEvent::WindowActivate && m_inactive) {
        m_resumedAt = steadyNow();
        m_inactive = false;
    }
    return Page::eventFilter(watched, event);
}

} // namespace pl::ui
