// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/adjudication_panel.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/desk/queue/pair_queue.h"
#include "core/desk/store/gold.h"
#include "ui/label/turns.h"
#include "ui/shell/preferences.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Id;

namespace {

constexpr size_t kMostListed = 100;
constexpr int kGoldKey = Qt::Key_G;
enum Column { Votes, Prompt };

const QStringList& causeWords() {
    static const QStringList words{u"guideline unclear"_s, u"mistake"_s, u"truly split"_s, u"bad pair"_s};
    return words;
}

QString wordsOf(const desk::AnonymousVote& vote, bool aOnLeft) {
    if (vote.skipped)
        return u"skipped (%1)"_s.arg(qstr(vote.skipReason));
    desk::Judgement j;
    j.winner = vote.winner;
    j.tieKind = vote.tieKind;
    j.strength = vote.strength;
    QString out = voteWords(sideVoteOf(j, aOnLeft));
    const bool leftBad = aOnLeft ? vote.badA : vote.badB, rightBad = aOnLeft ? vote.badB : vote.badA;
    if (leftBad && vote.tieKind != desk::TieKind::BothBad)
        out += u", A unacceptable"_s;
    if (rightBad && vote.tieKind != desk::TieKind::BothBad)
        out += u", B unacceptable"_s;
    if (!vote.rationale.empty())
        out += u": “%1”"_s.arg(qstr(vote.rationale).left(300));
    return out;
}

} // namespace

AdjudicationPanel::AdjudicationPanel(Context& context, const Preferences* preferences) : m_context(context) {
    if (preferences)
        m_keys = KeyMap(preferences->keys());
    setFocusPolicy(Qt::StrongFocus);
    auto* column = new QVBoxLayout(this);
    setNoMargins(column, Size::GapS);
    m_stack = new QStackedWidget;
    column->addWidget(m_stack);
    m_empty = new EmptyState(u"done"_s, u"No pair waits for a verdict: people agree, or nobody has judged the same pair twice."_s);
    m_stack->addWidget(m_empty);
    m_work = new QWidget;
    auto* row = new QHBoxLayout(m_work);
    setNoMargins(row, Size::GapS);
    auto* both = makeSplitter(Qt::Horizontal);
    row->addWidget(both);
    m_list = new DetailTable(new TableModel({{u"a : tie : b"_s, false, true, 110, false, u"How many chose each"_s}, {u"Prompt"_s, false, false, 140, true}},
                                            [this](int r, int c, int role) { return cell(r, c, role); }));
    m_list->setFilterPlaceholder(u"Filter disputed pairs"_s);
    both->addWidget(m_list);
    auto* right = new QWidget;
    auto* side = new QVBoxLayout(right);
    setNoMargins(side, Size::GapS);
    m_votes = new TextLabel({}, TextStyle::Body);
    m_votes->setWordWrap(true);
    m_votes->setToolTip(u"What the others said. Who they are stays hidden, and voter 1 is not the same person in every pair."_s);
    side->addWidget(m_votes);
    m_view = new PairView;
    m_view->setPromptLines(3);
    m_view->images()->setOwnKeys(false);
    side->addWidget(m_view, 1);
    m_state = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_state->setWordWrap(true);
    side->addWidget(m_state);
    m_strip = new KeyStrip;
    m_strip->setToolTip(u"A vote key chooses, 1 to 4 say why people differed, G makes the pair gold, Enter gives the verdict"_s);
    side->addWidget(m_strip);
    both->addWidget(right);
    both->setStretchFactor(0, 1);
    both->setStretchFactor(1, 3);
    both->setSizes({260, 900});
    m_stack->addWidget(m_work);
    connect(m_strip, &KeyStrip::hintClicked, this, [this](int index) {
        take(m_strip->hints().value(index).code, Qt::NoModifier);
        setFocus();
    });
    connect(m_strip, &KeyStrip::allKeysRequested, this, &AdjudicationPanel::sayKeys);
    connect(m_list, &DetailTable::currentRowChanged, this, [this](int at) {
        if (!m_filling && at >= 0 && at < static_cast<int>(m_lines.size()))
            open(m_lines[static_cast<size_t>(at)].pair);
    });
    connect(m_list, &DetailTable::rowActivated, this, [this] { setFocus(); });
    refresh();
}

void AdjudicationPanel::setPairs(const std::vector<Id>& all) {
    m_pairs.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), kMostListed)));
    m_stale = true;
    if (isVisible()) // their votes are read only for somebody who looks at them
        load();
}

void AdjudicationPanel::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_stale)
        load();
}

void AdjudicationPanel::load() {
    m_stale = false;
    m_context.ask(
        this,
        [pairs = m_pairs, task = m_context.task.id](desk::Project& p) {
            std::vector<Line> lines;
            for (const Id pair : pairs) {
                const auto votes = desk::anonymousVotes(p, task, pair);
                const auto item = p.pairItem(pair);
                if (!votes || !item)
                    continue;
                int n[3] = {};
                for (const desk::AnonymousVote& vote : *votes)
                    if (!vote.skipped)
                        ++n[static_cast<int>(vote.winner)];
                lines.push_back({pair, fmt::format("{} : {} : {}", n[0], n[2], n[1]), item->prompt.content.substr(0, 400)});
            }
            return lines;
        },
        [this](std::vector<Line> lines) {
            m_filling = true;
            m_lines = std::move(lines);
            m_list->model()->reset(static_cast<int>(m_lines.size()));
            const Id now = m_wanted ? m_wanted : current();
            const auto at = std::find_if(m_lines.begin(), m_lines.end(), [&](const Line& line) { return line.pair == now; });
            if (at != m_lines.end())
                m_list->selectRow(static_cast<int>(at - m_lines.begin()));
            m_filling = false;
            // Whoever has just begun to judge a pair keeps it.
            if (at == m_lines.end() && !m_choice && !m_wanted && !m_lines.empty() && (!m_shown || m_shown->decided))
                m_list->selectRow(0);
            refresh();
        });
}

void AdjudicationPanel::open(Id comparison) {
    m_wanted = comparison;
    m_context.ask(
        this,
        [comparison, task = m_context.task.id](desk::Project& p) -> Result<Shown> {
            Shown out;
            PL_TRY(out.item, p.pairItem(comparison));
            PL_TRY(out.votes, desk::anonymousVotes(p, task, comparison));
            PL_TRY(const auto verdict, desk::verdictOn(p, task, comparison));
            out.decided = verdict.has_value();
            return out;
        },
        [this, comparison](Result<Shown> shown) {
            if (m_wanted != comparison)
                return; // another was asked for meanwhile
            m_wanted = 0;
            if (!shown)
                return say(errorText(shown.error()), Tone::Error);
            show(std::move(*shown));
        });
}

void AdjudicationPanel::show(Shown shown) {
    m_shown = std::move(shown);
    m_choice.reset();
    m_cause.reset();
    m_gold = false;
    const desk::LabelItem& item = m_shown->item;
    m_aOnLeft = mix64(desk::hashPrefix(item.comparison.sha)) & 1;
    const desk::Candidate &left = m_aOnLeft ? item.a : item.b, &right = m_aOnLeft ? item.b : item.a;
    const QString id = QString::number(item.comparison.id);
    if (left.kind == desk::CandidateKind::Image)
        m_view->setImagePair(id, turnsOf(item.prompt.content), mediaFile(m_context, left.content), mediaFile(m_context, right.content));
    else
        m_view->setPair(id, turnsOf(item.prompt.content), qstr(left.content), qstr(right.content));
    QStringList lines;
    for (size_t i = 0; i < m_shown->votes.size(); ++i)
        lines.append(u"voter %1: %2"_s.arg(i + 1).arg(wordsOf(m_shown->votes[i], m_aOnLeft)));
    m_votes->setText(lines.isEmpty() ? u"Nobody has judged this pair yet."_s : lines.join(u'\n'));
    say(m_shown->decided ? u"This pair has a verdict; another one replaces it."_s : QString());
    refresh();
    Q_EMIT this->shown(item.comparison.id);
}

QString AdjudicationPanel::votesText() const {
    return m_votes->text();
}
QString AdjudicationPanel::stateText() const {
    return m_state->text();
}

void AdjudicationPanel::say(const QString& text, Tone tone) {
    m_state->setTone(tone);
    m_state->setText(text);
}

void AdjudicationPanel::refresh() {
    m_stack->setCurrentIndex(m_shown || !m_lines.empty() ? 1 : 0);
    QString left, right;
    if (m_choice) {
        using Choice = SideVote::Choice;
        left = m_choice->choice != Choice::Right ? u"chosen"_s : QString();
        right = m_choice->choice != Choice::Left ? u"chosen"_s : QString();
    }
    m_view->setMark(Side::A, left, Tone::Text);
    m_view->setMark(Side::B, right, Tone::Text);
    QList<KeyHint> hints;
    if (!m_choice) {
        hints = labelHints(m_keys, m_context.task.scale, m_view->isImagePair());
        // Only what works here: votes and the verdict's undo.
        hints.removeIf([this](const KeyHint& hint) {
            const auto what = labelKey(m_keys, m_context.task.scale, hint.code, Qt::NoModifier);
            return !what || (what->action != LabelAction::Vote && what->action != LabelAction::Undo);
        });
    } else {
        int digit = 0;
        for (const QString& words : causeWords()) {
            const bool chosen = m_cause && static_cast<int>(*m_cause) == digit;
            ++digit;
            hints.append({QString::number(digit), chosen ? u"✓ "_s + words : words, 0, 0, Qt::Key_0 + digit});
        }
        hints.append({u"G"_s, m_gold ? u"✓ gold"_s : u"gold"_s, 1, 0, kGoldKey});
        hints.append({u"Enter"_s, u"give the verdict"_s, 2, 0, Qt::Key_Return});
        hints.append({u"Esc"_s, u"drop it"_s, 2, 0, Qt::Key_Escape});
    }
    m_strip->setHints(hints);
}

void AdjudicationPanel::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
    case Qt::Key_PageDown: return m_view->scrollPages(1);
    case Qt::Key_PageUp: return m_view->scrollPages(-1);
    case Qt::Key_Down: return m_view->scrollLines(2);
    case Qt::Key_Up: return m_view->scrollLines(-2);
    case Qt::Key_Question: return sayKeys();
    default: break;
    }
    if (event->isAutoRepeat() || !take(event->key(), event->modifiers()))
        QWidget::keyPressEvent(event);
}

void AdjudicationPanel::sayKeys() {
    QStringList all;
    for (const KeyHint& hint : m_strip->hints())
        all.append(hint.key + u' ' + hint.label);
    all.append(u"Page Up, Page Down and the arrows scroll"_s);
    say(all.join(u", "_s));
    setFocus();
}

bool AdjudicationPanel::take(int key, Qt::KeyboardModifiers modifiers) {
    if (!m_shown || m_saving)
        return false;
    const bool plain = (modifiers & ~Qt::KeypadModifier) == Qt::NoModifier;
    if (m_choice && plain) {
        // The digits say why here, so that one row of keys asks one thing at a time.
        if (key >= Qt::Key_1 && key < Qt::Key_1 + causeWords().size()) {
            m_cause = static_cast<desk::Cause>(key - Qt::Key_1);
            say(u"%1, %2: Enter gives the verdict"_s.arg(voteWords(*m_choice), causeWords().at(static_cast<int>(*m_cause))));
            refresh();
            return true;
        }
        if (key == kGoldKey) {
            m_gold = !m_gold;
            refresh();
            return true;
        }
        if (key == Qt::Key_Escape) {
            m_choice.reset();
            m_cause.reset();
            m_gold = false;
            say({});
            refresh();
            return true;
        }
        if (key == Qt::Key_Return || key == Qt::Key_Enter) {
            give();
            return true;
        }
    }
    const auto action = labelKey(m_keys, m_context.task.scale, key, modifiers);
    if (!action)
        return false;
    if (action->action == LabelAction::Undo) {
        undo();
        return true;
    }
    if (action->action == LabelAction::Markdown || action->action == LabelAction::Diff) {
        if (!m_view->isImagePair())
            m_view->toggleView(action->action == LabelAction::Diff ? TextView::Diff : TextView::Markdown);
        return true;
    }
    if (action->action != LabelAction::Vote)
        return false;
    if (!m_view->problem(Side::A).isEmpty() || !m_view->problem(Side::B).isEmpty()) {
        say(u"One side cannot be seen: nothing can be said about it"_s, Tone::Warn);
        return true;
    }
    m_choice = action->vote;
    say(m_cause ? u"%1, %2: Enter gives the verdict"_s.arg(voteWords(*m_choice), causeWords().at(static_cast<int>(*m_cause)))
                : u"%1: why did people differ? 1 to 4"_s.arg(voteWords(*m_choice)));
    refresh();
    return true;
}

void AdjudicationPanel::give() {
    const bool needsCause = m_shown->votes.size() > 1; // gold made by hand has nobody to disagree with
    if (!m_cause && needsCause)
        return say(u"Not given: say why people differed, 1 to 4"_s, Tone::Warn);
    const desk::Cause cause = m_cause.value_or(desk::Cause::Mistake);
    if (m_gold && (cause == desk::Cause::BadPair || cause == desk::Cause::TrulySplit))
        return say(u"A pair that is %1 is no gold: take G back or choose another cause"_s.arg(causeWords().at(static_cast<int>(cause))), Tone::Warn);
    const desk::Judgement verdict = judgementOf(*m_choice, m_aOnLeft, false, false);
    const Id pair = current();
    const bool gold = m_gold || !needsCause;
    m_saving = true;
    const bool posted = m_context.ask(
        this,
        [verdict, cause, pair, gold, aOnLeft = m_aOnLeft, task = m_context.task.id, person = m_context.annotator](desk::Project& p) -> Status {
            PL_CHECK(desk::adjudicate(p, task, person, pair, aOnLeft, verdict, cause));
            if (gold)
                PL_CHECK(desk::setGold(p, task, pair, verdict.winner, desk::GoldSource::Hand, person));
            return {};
        },
        [this, pair, gold, words = voteWords(*m_choice)](Status saved) {
            m_saving = false;
            if (!saved)
                return say(u"Not saved. %1"_s.arg(errorText(saved.error())), Tone::Error);
            m_choice.reset();
            m_cause.reset();
            m_gold = false;
            m_shown->decided = true;
            m_context.say(State::Done, u"Verdict: %1%2. %3 takes it back"_s.arg(words, gold ? u", and gold"_s : QString(), m_keys.text(KeyId::Undo)));
            // On to the next one without waiting for the figures.
            const auto at = std::find_if(m_lines.begin(), m_lines.end(), [&](const Line& line) { return line.pair == pair; });
            Id next = 0;
            if (at != m_lines.end()) {
                const auto after = m_lines.erase(at);
                next = after != m_lines.end() ? after->pair : m_lines.empty() ? 0 : m_lines.front().pair;
                m_filling = true;
                m_list->model()->reset(static_cast<int>(m_lines.size()));
                m_filling = false;
            }
            say(u"Verdict given: %1"_s.arg(words));
            if (next)
                open(next);
            else
                refresh();
            Q_EMIT decided(pair);
        });
    if (!posted)
        m_saving = false;
}

void AdjudicationPanel::undo() {
    m_context.ask(
        this,
        [task = m_context.task.id, person = m_context.annotator](desk::Project& p) -> Result<Id> {
            PL_TRY(const Id adjudicator, desk::adjudicatorOf(p, person));
            PL_TRY(const desk::Ack ack, p.undo(task, adjudicator));
            (void)desk::removeGold(p, task, ack.comparison); // what the verdict had made gold
            return ack.comparison;
        },
        [this](Result<Id> pair) {
            if (!pair)
                return say(pair.error().code == Code::NotFound ? u"No verdict to take back"_s : errorText(pair.error()));
            m_context.say(State::Info, u"The verdict is taken back"_s);
            open(*pair);
        });
}

QVariant AdjudicationPanel::cell(int row, int column, int role) const {
    if (row < 0 || row >= static_cast<int>(m_lines.size()) || (role != Qt::DisplayRole && role != Qt::UserRole))
        return {};
    const Line& line = m_lines[static_cast<size_t>(row)];
    if (column == Votes)
        return role == Qt::UserRole ? QVariant(row) : QVariant(qstr(line.votes));
    return qstr(line.prompt).simplified();
}

} // namespace pl::ui
