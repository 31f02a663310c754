// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/rank_page.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "core/base/hash.h"
#include "core/desk/domain/questions.h"
#include "ui/label/keys.h"
#include "ui/label/panels.h"
#include "ui/label/rank_view.h"
#include "ui/label/turns.h"
#include "ui/shell/annotator.h"
#include "ui/theme/theme.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Id;
using desk::RankItem;

namespace {

constexpr size_t kPrefetch = 3;
constexpr int kPromptLines = 3;

QString ordinal(int n) {
    const int tens = n / 10 % 10, ones = n % 10;
    const char* end = tens == 1 ? "th" : ones == 1 ? "st" : ones == 2 ? "nd" : ones == 3 ? "rd" : "th";
    return QString::number(n) + QLatin1StringView(end);
}

/// "2nd, tied" for each place; empty where nothing was typed.
QStringList rankWords(const RankOrder& order) {
    QStringList out;
    for (int place = 0; place < order.places(); ++place)
        out.append(QString());
    for (const bool last : {false, true}) {
        const auto groups = order.groups(last);
        for (size_t i = 0; i < groups.size(); ++i) {
            const int fromEnd = static_cast<int>(groups.size() - i);
            const QString rank = !last ? ordinal(static_cast<int>(i) + 1) : fromEnd == 1 ? u"last"_s : ordinal(fromEnd) + u" from last"_s;
            for (const int place : groups[i])
                out[place] = groups[i].size() > 1 ? rank + u", tied"_s : rank;
        }
    }
    return out;
}

QString orderWords(const RankOrder& order) {
    const auto words = [&](bool last) {
        QStringList out;
        for (const auto& group : order.groups(last)) {
            QStringList letters;
            for (const int place : group)
                letters.append(letterOf(place));
            out.append(letters.join(u" = "_s));
        }
        return out;
    };
    QStringList parts = words(false);
    if (!order.isComplete() && (!order.isEmpty() || order.tieNext()))
        parts.append(order.tieNext() ? u"= …"_s : u"…"_s);
    parts += words(true);
    return parts.join(u" > "_s).replace(u"> = …"_s, u"= …"_s);
}

/// What is asked, the turns of a conversation one below the other.
QString promptText(const std::string& content) {
    const QList<Turn> turns = turnsOf(content);
    if (turns.size() == 1)
        return turns[0].text;
    QStringList lines;
    for (const Turn& turn : turns)
        lines.append(turn.role + u": "_s + turn.text);
    return lines.join(u"\n\n"_s);
}

} // namespace

RankPage::RankPage(Context& context, QWidget* parent) : QWidget(parent), m_context(context) {
    setFocusPolicy(Qt::StrongFocus);
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(0, 0, 0, 0);
    m_stack = new QStackedWidget;
    outer->addWidget(m_stack);
    m_setPage = new QWidget;
    auto* column = new QVBoxLayout(m_setPage);
    column->setContentsMargins(px(Size::GapM), px(Size::GapS), px(Size::GapM), 0);
    column->setSpacing(px(Size::GapS));
    auto* head = new QHBoxLayout;
    setNoMargins(head, Size::GapM);
    m_question = new TextLabel({}, TextStyle::Heading);
    m_words = new TextLabel({}, TextStyle::Mono);
    m_words->setToolTip(u"The order so far, best first. Backspace takes the last letter back."_s);
    m_left = new TextLabel({}, TextStyle::Caption, Tone::Second);
    head->addWidget(m_question);
    head->addWidget(new TextLabel(u"Type the letters, best first."_s, TextStyle::Caption, Tone::Second), 1);
    head->addWidget(m_words);
    head->addWidget(m_left);
    column->addLayout(head);
    m_banner = new Banner;
    m_banner->hide();
    connect(m_banner, &Banner::actionTriggered, this, [this] {
        m_banner->hide();
        setFocus();
        if (m_order.isUsable())
            submit();
        else
            refill();
    });
    column->addWidget(m_banner);
    m_prompt = new TextPane;
    m_prompt->setFocusPolicy(Qt::NoFocus);
    m_prompt->setFixedHeight(kPromptLines * lineHeight(TextStyle::Reading) + 2 * px(Size::Grid));
    m_promptBox = new QFrame;
    setLook(m_promptBox, "sunken");
    auto* prompt = new QVBoxLayout(m_promptBox);
    setGaps(prompt, Size::GapS, Size::Grid);
    auto* promptWord = new QHBoxLayout;
    promptWord->setContentsMargins(px(Size::GapL), 0, 0, 0); // above the text, which the pane insets
    promptWord->addWidget(new TextLabel(u"Prompt"_s, TextStyle::Caption, Tone::Second));
    prompt->addLayout(promptWord);
    prompt->addWidget(m_prompt);
    column->addWidget(m_promptBox);
    m_view = new RankView;
    connect(m_view, &RankView::painted, this, [this](const QString& id, qint64 ns) {
        if (id == QString::number(m_serial))
            m_paintedAt = ns;
    });
    connect(m_view, &RankView::clicked, this, [this](int place) {
        setFocus();
        if (takesVotes())
            take(m_order.put(place));
    });
    column->addWidget(m_view, 1);
    m_strip = new KeyStrip;
    connect(m_strip, &KeyStrip::hintClicked, this, [this](int index) {
        const int code = m_strip->hints().value(index).code;
        if (code)
            handleKey(code & ~int{Qt::ControlModifier}, Qt::KeyboardModifiers(code & int{Qt::ControlModifier}));
        setFocus();
    });
    column->addWidget(m_strip);
    connect(m_strip, &KeyStrip::allKeysRequested, this, [this] { handleKey(Qt::Key_Question, Qt::NoModifier); });
    m_stack->addWidget(m_setPage);
    const bool annotator = annotatorMode(m_context);
    m_empty = new EmptyState(u"label"_s,
                             annotator ? u"There are no sets to rank in this package."_s
                                       : u"There are no sets to rank: a set is one prompt with three answers or more."_s,
                             annotator ? u"Give the package back"_s : u"Make sets of four from the answers"_s, u"Back to pairs"_s);
    connect(m_empty, &EmptyState::actionTriggered, this, [this, annotator] {
        if (annotator) // what was not dealt could not be merged
            m_context.navigate(page::kSettings);
        else
            makeSets();
    });
    connect(m_empty, &EmptyState::linkTriggered, this, &RankPage::left);
    m_stack->addWidget(m_empty);
    m_sheet = new KeySheet(this);
    setMode(Mode::Loading);
    connect(&m_context.signals, &Signals::changed, this, [this](desk::Change change) {
        if (change != desk::Change::Pairs && change != desk::Change::Imports)
            return;
        if (change == desk::Change::Imports)
            m_ready.clear(); // a batch may have been taken back
        if (isVisible())
            refill();
    });
}

void RankPage::activate() {
    setFocus();
    m_ready.clear();
    m_view->imageLoader()->forgetFailures();
    refresh();
    refill();
}

Id RankPage::currentComparison() const { return m_mode == Mode::Set && m_item ? m_item->comparison.id : 0; }
QString RankPage::orderText() const { return m_words->text(); }

desk::Project::NextOptions RankPage::options(size_t limit) const {
    desk::Project::NextOptions o;
    o.task = m_context.task.id;
    o.annotator = m_context.annotator;
    o.session = m_context.session;
    o.limit = limit;
    o.blind = !m_context.task.revealNames;
    for (const RankItem& item : m_ready)
        o.skip.push_back(item.comparison.id);
    if (m_mode == Mode::Set && m_item)
        o.skip.push_back(m_item->comparison.id);
    return o;
}

void RankPage::refill() {
    if (m_fetching || m_ready.size() >= kPrefetch)
        return;
    m_fetching = true;
    struct Found {
        std::vector<RankItem> items;
        int64_t left = 0;
    };
    m_context.ask(
        this,
        [o = options(kPrefetch - m_ready.size()), mine = options(0).task](desk::Project& p) -> Result<Found> {
            Found found;
            PL_TRY(found.items, desk::nextRankings(p, o));
            desk::Project::NextOptions all = o;
            all.task = mine;
            all.skip.clear();
            PL_TRY(found.left, desk::remainingRankings(p, all));
            return found;
        },
        [this](Result<Found> found) {
            m_fetching = false;
            if (!found)
                return problem(u"The next set cannot be read. %1"_s.arg(errorText(found.error())));
            const auto skip = options(0).skip;
            for (RankItem& item : found->items)
                if (!std::count(skip.begin(), skip.end(), item.comparison.id))
                    m_ready.push_back(std::move(item));
            m_remaining = found->left;
            if (m_mode != Mode::Set)
                advance();
            else
                refresh();
        });
}

void RankPage::advance() {
    if (m_ready.empty()) {
        m_item.reset();
        // What was asked for may have left out sets that were dropped since.
        setMode(m_remaining > 0 ? Mode::Loading : m_mode == Mode::Loading && !m_undone && m_serial == 0 ? Mode::Empty : Mode::Done);
        return m_remaining > 0 ? refill() : void();
    }
    RankItem item = std::move(m_ready.front());
    m_ready.pop_front();
    showSet(std::move(item), std::nullopt);
    refill();
}

void RankPage::showSet(RankItem item, const std::optional<desk::Ranking>& given) {
    m_item = std::move(item);
    m_order = given ? RankOrder::of(*given, m_item->shown) : RankOrder(static_cast<int>(m_item->shown.size()));
    m_undone = given.has_value();
    m_presentation = std::make_shared<Id>(0);
    m_item->presentation.session = m_context.session;
    m_context.store.post([shown = m_item->presentation, id = m_presentation](desk::Project& p) {
        if (auto recorded = p.present(shown))
            *id = *recorded;
    });
    setMode(Mode::Set);
    const bool images = m_item->members[0].kind == desk::CandidateKind::Image;
    m_question->setText(qstr(desk::askedOf(m_context.task, m_item->members[0].kind).question));
    m_prompt->setRaw(promptText(m_item->prompt.content));
    std::vector<RankView::Answer> answers;
    QStringList ahead;
    for (const size_t member : m_item->shown) {
        const desk::Candidate& candidate = m_item->members[member];
        answers.push_back(images ? RankView::Answer{{}, mediaFile(m_context, candidate.content)} : RankView::Answer{qstr(candidate.content), {}});
    }
    for (const RankItem& next : m_ready)
        if (next.members[0].kind == desk::CandidateKind::Image)
            for (const desk::Candidate& candidate : next.members)
                ahead.append(mediaFile(m_context, candidate.content));
    m_shownAt = monotonicNs();
    m_paintedAt = 0;
    m_view->setAnswers(QString::number(++m_serial), answers);
    m_view->imageLoader()->prefetch(ahead);
    refresh();
}

void RankPage::setMode(Mode mode) {
    m_mode = mode;
    const bool set = mode == Mode::Set || mode == Mode::Loading;
    if (mode == Mode::Done) {
        m_empty->setSentence(u"Every set has your order."_s);
        if (!annotatorMode(m_context))
            m_empty->setAction(u"Make more sets from the answers"_s);
    }
    m_stack->setCurrentWidget(set ? m_setPage : static_cast<QWidget*>(m_empty));
    m_view->setVisible(mode == Mode::Set);
    m_promptBox->setVisible(mode == Mode::Set);
    refresh();
}

void RankPage::refresh() {
    if (m_mode == Mode::Set) {
        m_view->setRanks(rankWords(m_order));
        m_words->setText(orderWords(m_order));
        m_left->setText(m_remaining == 1 ? u"1 set left"_s : u"%1 sets left"_s.arg(m_remaining));
    }
    QList<KeyHint> hints;
    if (m_mode == Mode::Set) {
        const int n = m_order.places();
        hints.append({u"A … %1"_s.arg(letterOf(n - 1)), u"next best"_s, 0, 0, 0, u"The letter of the best answer, then of the next; a click on it does the same"_s});
        hints.append({u"Shift+A … %1"_s.arg(letterOf(n - 1)), u"worst"_s, 0, 0, 0, u"The letter of the worst of those that are left"_s});
        if (!m_order.isComplete())
            hints.append({u"="_s, m_order.tieNext() ? u"no tie"_s : u"tie"_s, 1, 0, Qt::Key_Equal, u"The next letter ties with the one before; then Enter says that all the rest are equal"_s});
        if (m_order.isUsable() || m_order.tieNext())
            hints.append({u"Enter"_s, m_order.tieNext() && m_order.isEmpty() ? u"all are equal"_s : m_order.tieNext() ? u"the rest are equal"_s : m_order.isComplete() ? u"give it again"_s : u"give it as it is"_s, 1, 0, Qt::Key_Return});
        if (!m_order.isEmpty())
            hints.append({u"Backspace"_s, u"take back"_s, 1, 0, Qt::Key_Backspace, u"Takes the last letter back"_s});
    }
    if (m_mode == Mode::Set && m_order.places() <= 9)
        hints.append({u"X"_s, u"skip"_s, 2, 0, Qt::Key_X, u"Leaves this set out: it cannot be ranked"_s});
    hints.append({u"Ctrl+Z"_s, u"undo"_s, 2, 0, int{Qt::Key_Z} | int{Qt::ControlModifier}, u"Takes the last set back; Ctrl+Shift+Z does it again"_s});
    hints.append({u"Esc"_s, u"pairs"_s, 2, 0, Qt::Key_Escape, u"Back to pairs"_s});
    m_strip->setHints(hints);
}

bool RankPage::tooFast() const {
    return m_paintedAt == 0 || monotonicNs() - m_paintedAt < qint64{1'000'000} * m_guardMs;
}

void RankPage::showKeys() {
    const QString last = letterOf(m_mode == Mode::Set ? m_order.places() - 1 : 3);
    m_sheet->setRows({{u"A … %1"_s.arg(last), u"The next best answer; the last one takes its place by itself"_s},
                      {u"Shift+A … %1"_s.arg(last), u"The worst of those that are left"_s},
                      {u"="_s, u"The next letter ties with the one before"_s},
                      {u"=  Enter"_s, u"All the rest are equal"_s},
                      {u"Enter"_s, u"Give the order as it is: nothing is said of the rest"_s},
                      {u"Backspace"_s, u"Take the last letter back"_s},
                      {u"X"_s, u"Skip: these cannot be ranked"_s},
                      {u"Ctrl+Z"_s, u"Take the last set back"_s},
                      {u"Ctrl+Shift+Z  Ctrl+Y"_s, u"Do it again"_s},
                      {u"PgUp  PgDn"_s, u"Scroll every answer"_s},
                      {u"Click"_s, u"Places an answer, as its letter does"_s},
                      {u"Esc"_s, u"Back to pairs"_s},
                      {u"Alt+1 … 9"_s, u"Other pages"_s},
                      {u"Ctrl+K"_s, u"Find anything"_s}});
    m_sheet->open();
}

void RankPage::problem(const QString& text) {
    m_banner->show(State::Failed, text, u"Try again"_s);
    m_context.say(State::Failed, text);
}

bool RankPage::handleKey(int key, Qt::KeyboardModifiers modifiers) {
    const Qt::KeyboardModifiers held = modifiers & ~Qt::KeypadModifier;
    if (m_sheet->isVisible() && key != Qt::Key_Shift && key != Qt::Key_Control && key != Qt::Key_Alt && key != Qt::Key_AltGr &&
        key != Qt::Key_Meta)
        return m_sheet->hide(), true;
    if (key == Qt::Key_Question)
        return showKeys(), true;
    if (held == Qt::ControlModifier && key == Qt::Key_Z)
        return undo(false), true;
    if ((held == (Qt::ControlModifier | Qt::ShiftModifier) && key == Qt::Key_Z) || (held == Qt::ControlModifier && key == Qt::Key_Y))
        return undo(true), true;
    if (held == Qt::NoModifier && key == Qt::Key_Escape)
        return Q_EMIT left(), true;
    if (m_mode != Mode::Set)
        return false;
    if (held == Qt::NoModifier && (key == Qt::Key_PageUp || key == Qt::Key_PageDown))
        return m_view->scrollPages(key == Qt::Key_PageDown ? 1 : -1), true;
    const bool letter = key >= Qt::Key_A && key < Qt::Key_A + m_order.places() && (held == Qt::NoModifier || held == Qt::ShiftModifier);
    const bool own = letter || key == Qt::Key_Equal || key == Qt::Key_Backspace || key == Qt::Key_Return || key == Qt::Key_Enter ||
                     (key == Qt::Key_X && held == Qt::NoModifier);
    if (!own || (held != Qt::NoModifier && held != Qt::ShiftModifier))
        return false;
    if (m_saving)
        return true;
    if (tooFast()) {
        m_context.say(State::Warning, u"Not counted: the answers have only just appeared"_s);
        return true;
    }
    if (letter) {
        const int place = key - Qt::Key_A;
        take(held == Qt::ShiftModifier ? m_order.putLast(place) : m_order.put(place));
    } else if (key == Qt::Key_Equal) {
        take(m_order.tie());
    } else if (key == Qt::Key_Backspace) {
        take(m_order.back());
    } else if (key == Qt::Key_X) {
        submit(true);
    } else if (m_order.tieNext()) {
        take(m_order.tieRest());
    } else if (m_order.isUsable()) {
        submit();
    }
    return true;
}

void RankPage::keyPressEvent(QKeyEvent* event) {
    if (event->isAutoRepeat() && event->key() != Qt::Key_PageDown && event->key() != Qt::Key_PageUp)
        return event->accept();
    // A letter that is not of this set is nothing; it never reaches the keys that vote on pairs.
    const bool plain = !(event->modifiers() & (Qt::ControlModifier | Qt::AltModifier | Qt::MetaModifier));
    if (!handleKey(event->key(), event->modifiers()) && !(plain && (!event->text().isEmpty() || event->key() == Qt::Key_Left || event->key() == Qt::Key_Right)))
        QWidget::keyPressEvent(event);
}

void RankPage::take(RankOrder::Step step) {
    refresh();
    if (step == RankOrder::Step::Complete)
        submit();
}

void RankPage::submit(bool skip) {
    desk::JudgementInput input;
    QString words = u"Skipped"_s;
    if (skip) {
        input.kind = desk::EventKind::Skip;
        input.skipReason = sstr(skipReasons().value(0));
    } else {
        if (const QString unseen = m_view->unseen(); !unseen.isEmpty())
            return problem(u"Not saved: %1 cannot be shown, so it cannot be ranked; X skips the set."_s.arg(unseen));
        static_cast<desk::Judgement&>(input) = desk::judgementOf(m_order.ranking(m_item->shown));
        words = orderWords(m_order);
    }
    input.view = "rank";
    input.firstPaintMs = m_paintedAt ? std::max<qint64>(0, (m_paintedAt - m_shownAt) / 1'000'000) : -1;
    input.activeMs = m_paintedAt ? (monotonicNs() - m_paintedAt) / 1'000'000 : -1;
    m_saving = true;
    const Id comparison = m_item->comparison.id;
    const bool posted = m_context.ask(
        this,
        [input, shown = m_item->presentation, id = m_presentation](desk::Project& p) mutable -> Result<desk::Ack> {
            if (*id == 0) {
                PL_TRY(*id, p.present(shown));
            }
            input.presentation = *id;
            return p.judge(input);
        },
        [this, words, comparison](Result<desk::Ack> ack) {
            m_saving = false;
            if (!ack) // nothing was counted: the set stays, loudly
                return problem(u"“%1” was not saved. %2"_s.arg(words, errorText(ack.error())));
            m_banner->hide();
            m_remaining = std::max<int64_t>(0, m_remaining - 1);
            m_context.say(State::Done, u"%1: Ctrl+Z undoes"_s.arg(words));
            Q_EMIT saved(comparison);
            advance();
        });
    if (!posted)
        m_saving = false;
}

void RankPage::undo(bool redo) {
    if (m_saving)
        return;
    struct Moved {
        RankItem item;
        std::optional<desk::Ranking> given;
        bool counts = false; ///< it has its order (again)
    };
    m_saving = true;
    const bool posted = m_context.ask(
        this,
        [redo, o = options(1)](desk::Project& p) -> Result<Moved> {
            // Only what was done to a set is taken back here; a vote on a pair is the other page's.
            PL_TRY(const auto history, p.history([&] {
                desk::Page page;
                page.task = o.task;
                page.annotator = o.annotator;
                page.newestFirst = true;
                page.limit = 1;
                return page;
            }()));
            if (!history.empty() && !redo) {
                PL_TRY(const auto members, p.members(history[0].comparison));
                if (members.size() < 3)
                    return fail(Code::InvalidInput, "the last vote was on a pair", "Esc goes back to pairs, where it can be undone.");
            }
            PL_TRY(const auto before, p.currentJudgement(o.task, o.annotator, history.empty() ? 0 : history[0].comparison));
            PL_TRY(const desk::Ack ack, redo ? p.redo(o.task, o.annotator) : p.undo(o.task, o.annotator));
            Moved moved;
            PL_TRY(moved.item, desk::rankItem(p, o, ack.comparison));
            PL_TRY(const auto now, p.currentJudgement(o.task, o.annotator, ack.comparison));
            moved.counts = now && now->kind == desk::EventKind::Vote;
            const auto& said = moved.counts ? now : before;
            if (said && said->kind == desk::EventKind::Vote)
                if (auto ranking = desk::Ranking::of(said->ranking, moved.item.members.size()))
                    moved.given = std::move(*ranking);
            return moved;
        },
        [this, redo](Result<Moved> moved) {
            m_saving = false;
            if (!moved) {
                m_context.say(State::Info, errorText(moved.error()));
                return;
            }
            m_context.say(State::Info, redo ? u"Done again"_s : u"Taken back: type another order, or Enter gives it again"_s);
            if (m_item && m_mode == Mode::Set && m_item->comparison.id != moved->item.comparison.id)
                m_ready.push_front(std::move(*m_item));
            std::erase_if(m_ready, [&](const RankItem& item) { return item.comparison.id == moved->item.comparison.id; });
            m_remaining += moved->counts ? -1 : 1;
            if (moved->counts)
                return advance();
            showSet(std::move(moved->item), moved->given);
        });
    if (!posted)
        m_saving = false;
}

void RankPage::makeSets() {
    m_context.ask(
        this, [](desk::Project& p) { return desk::makeRankings(p, {}); },
        [this](Result<desk::MakeRankingsResult> made) {
            if (!made)
                return m_context.say(State::Failed, errorText(made.error()));
            if (made->sets == 0) {
                m_empty->setDetail(made->tooFew > 0 ? u"No prompt has three different answers that are not in a set yet. Write more on the Generate page, four a prompt."_s
                                                    : u"There are no answers yet. Write four a prompt on the Generate page."_s);
                return;
            }
            m_context.say(State::Done, made->sets == 1 ? u"Made 1 set"_s : u"Made %1 sets"_s.arg(made->sets));
            setMode(Mode::Loading);
            refill();
        });
}

} // namespace pl::ui
