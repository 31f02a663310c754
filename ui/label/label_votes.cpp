// SPDX-License-Identifier: GPL-3.0-or-later
// The label page's keys and what they do: votes, skips, undo, redo, flags.
#include "ui/label/label_page.h"

#include <algorithm>

#include <QKeyEvent>
#include <QTimer>

#include "core/base/log.h"
#include "core/desk/queue/pair_queue.h"
#include "ui/label/answer_tools.h"
#include "ui/label/draft_bar.h"
#include "ui/label/panels.h"
#include "ui/label/region_tools.h"
#include "ui/theme/theme.h"
#include "ui/widgets/image_view.h"
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

constexpr int kCueMs = 1500;
constexpr double kSplitStep = 0.05;
constexpr int kPanStep = 48;
constexpr double kIdleSeconds = 300; ///< a longer look is not a time a vote takes

QString doneWords(const Judgement& j, bool aOnLeft) {
    if (j.kind == EventKind::Skip)
        return u"skipped"_s;
    return voteWords(sideVoteOf(j, aOnLeft));
}

} // namespace

// --- keys --------------------------------------------------------------------------------------------------------------

void LabelPage::keyPressEvent(QKeyEvent* event) {
    const int key = event->key();
    if (m_regions->isOn() && m_regions->key(key, event->modifiers())) // the focus was elsewhere
        return m_regions->takeFocus();
    const bool plain = (event->modifiers() & ~Qt::KeypadModifier) == Qt::NoModifier;
    if (m_mode == Mode::Pair && event->modifiers() == Qt::ShiftModifier && (key == Qt::Key_PageDown || key == Qt::Key_PageUp))
        return m_view->scrollPrompt(key == Qt::Key_PageDown ? 1 : -1);
    if (m_mode == Mode::Pair && plain && !m_sheet->isVisible() && !m_tools->isOn()) {
        // Scrolling and zooming may repeat; nothing else does.
        switch (key) {
        case Qt::Key_PageDown: return m_view->scrollPages(1);
        case Qt::Key_PageUp: return m_view->scrollPages(-1);
        case Qt::Key_Down: return m_view->scrollLines(2);
        case Qt::Key_Up: return m_view->scrollLines(-2);
        default: break;
        }
    }
    if (moveImages(key, event->modifiers()))
        return;
    if (event->isAutoRepeat()) {
        event->accept();
        return;
    }
    if (!handleKey(key, event->modifiers()))
        Page::keyPressEvent(event);
}

void LabelPage::keyReleaseEvent(QKeyEvent* event) {
    if (event->key() != m_keys.key(KeyId::ImageFlip))
        return Page::keyReleaseEvent(event);
    if (!event->isAutoRepeat())
        m_view->images()->setFlipped(false);
}

bool LabelPage::moveImages(int key, Qt::KeyboardModifiers modifiers) {
    const Qt::KeyboardModifiers held = modifiers & ~Qt::KeypadModifier;
    if (!isImagePair() || m_sheet->isVisible() || (held != Qt::NoModifier && held != Qt::ShiftModifier))
        return false;
    ImageView* images = m_view->images();
    const auto sideways = [&](int direction) {
        if (images->mode() == ImageMode::Wipe)
            images->setSplit(images->split() + direction * kSplitStep);
        else
            images->panBy(QPointF(-direction * kPanStep, 0));
    };
    // A bare arrow to the side is a vote of the simple scale: with Shift it never is.
    switch (key) {
    case Qt::Key_Plus:
    case Qt::Key_Equal: images->zoomStep(true); return true;
    case Qt::Key_Minus: images->zoomStep(false); return true;
    case Qt::Key_Home: images->fit(); return true;
    case Qt::Key_Left:
    case Qt::Key_Right:
        if (held != Qt::ShiftModifier)
            return false;
        sideways(key == Qt::Key_Right ? 1 : -1);
        return true;
    default: return false;
    }
}

bool LabelPage::lookAtImages(LabelAction action) {
    ImageView* images = m_view->images();
    switch (action) {
    case LabelAction::ImageSide: images->setMode(ImageMode::Side); return true;
    case LabelAction::ImageWipe: images->setMode(ImageMode::Wipe); return true;
    case LabelAction::ImageDifference: images->nextDifference(); return true;
    case LabelAction::ImageBlink: images->nextBlink(); return true;
    case LabelAction::ImageFlip: images->setFlipped(true); return true;
    case LabelAction::ImageActual: images->actualSize(); return true;
    case LabelAction::ImageLock: images->setLocked(!images->isLocked()); return true;
    case LabelAction::GainLess: images->setGain(images->gain() / 2); return true;
    case LabelAction::GainMore: images->setGain(images->gain() * 2); return true;
    case LabelAction::Regions: m_regions->start(); return true;
    case LabelAction::HideMarks: m_regions->toggleHidden(); return true;
    default: return false;
    }
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
    if (m_tools->key(key, modifiers) || regionKey(key, modifiers))
        return true;
    if (m_choosingReason) {
        m_choosingReason = false;
        refreshStrip();
        const int reason = key - Qt::Key_1;
        if (reason >= 0 && reason < skipReasons().size())
            skip(reason);
        return true;
    }
    if (m_draft && draftKey(key, modifiers))
        return true;
    const bool pair = m_mode == Mode::Pair;
    const auto action = labelKey(m_keys, m_context.task.scale, key, modifiers, pair ? std::optional(isImagePair()) : std::nullopt);
    if (!action)
        return false;
    if (pair && oneAtATime() && thumbKey(action->action))
        return true;
    switch (action->action) {
    case LabelAction::Undo: undo(); return true;
    case LabelAction::Redo: redo(); return true;
    case LabelAction::RankSets: showSets(); return true;
    case LabelAction::KeySheet:
        m_tools->leave();
        m_regions->leave();
        m_sheet->open();
        return true;
    case LabelAction::Guideline: showGuideline(); return true;
    case LabelAction::Previous:
        if (pair || !m_met.empty())
            previous();
        return true;
    default: break;
    }
    if (!pair)
        return false;
    if (isImagePair() ? lookAtImages(action->action) : toolAction(action->action))
        return true;
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
    case LabelAction::Markdown:
    case LabelAction::Diff:
        if (!isImagePair())
            m_view->toggleView(action->action == LabelAction::Diff ? TextView::Diff : TextView::Markdown);
        break;
    default: break;
    }
    return true;
}

bool LabelPage::draftKey(int key, Qt::KeyboardModifiers modifiers) {
    if ((modifiers & ~Qt::KeypadModifier) == Qt::NoModifier) {
        if (m_saving) {
            cue();
            return true;
        }
        const VoteDraft::Step step = m_draft->key(key);
        if (step != VoteDraft::Step::Ignored) {
            take(step);
            return true;
        }
    }
    // Looking goes on, and another vote key changes the vote; what would lose the draft without a word does not.
    const auto action = labelKey(m_keys, m_context.task.scale, key, modifiers, isImagePair());
    if (!action)
        return false;
    switch (action->action) {
    case LabelAction::Next:
    case LabelAction::Previous:
    case LabelAction::Undo:
    case LabelAction::Redo:
    case LabelAction::Skip:
    case LabelAction::Flag:
        m_context.say(State::Info, u"This vote is not given yet: Enter gives it, Esc drops it"_s);
        return true;
    default: return false;
    }
}

void LabelPage::take(VoteDraft::Step step) {
    switch (step) {
    case VoteDraft::Step::Ignored: return;
    case VoteDraft::Step::Cancelled: dropDraft(); return;
    case VoteDraft::Step::Text: m_bar->write(m_draft->rationale()); break;
    case VoteDraft::Step::Missing:
        m_context.say(State::Warning, u"Not given: this task asks for %1"_s.arg(m_draft->missing().join(u", "_s)));
        break;
    case VoteDraft::Step::Stays: break;
    case VoteDraft::Step::Done: {
        const Met& met = m_met[static_cast<size_t>(m_at)];
        const bool aOnLeft = met.item.presentation.aOnLeft;
        const SideVote side = m_draft->vote();
        JudgementInput input;
        static_cast<Judgement&>(input) = judgementOf(side, aOnLeft, m_leftBad, m_rightBad);
        m_draft->fill(input, aOnLeft);
        using Choice = SideVote::Choice;
        submit(input, voteWords(side), side.choice != Choice::Right, side.choice != Choice::Left);
        break;
    }
    }
    refreshDraft();
}

void LabelPage::refreshDraft() {
    m_bar->show(m_form, m_draft ? &*m_draft : nullptr);
    refreshStrip();
    refreshMarks();
}

void LabelPage::dropDraft() {
    m_draft.reset();
    m_bar->show(m_form, nullptr);
    refreshStrip();
    if (m_mode == Mode::Pair)
        refreshMarks();
}

void LabelPage::refreshStrip() {
    if (m_tools->isOn()) {
        m_strip->setHints(m_tools->hints());
        return;
    }
    if (m_regions->isOn()) {
        m_strip->setHints(m_regions->hints());
        return;
    }
    if (m_draft) {
        if (m_bar->isWriting())
            m_strip->setHints({{u"Enter"_s, u"give the vote"_s, 0, 0, 0}, {u"Esc"_s, u"back to the keys"_s, 0, 0, 0}});
        else
            m_strip->setHints(m_draft->hints());
        return;
    }
    if (!m_choosingReason) {
        m_strip->setHints(m_mode == Mode::Pair && oneAtATime() ? thumbHints() : labelHints(m_keys, m_context.task.scale, isImagePair()));
        return;
    }
    QList<KeyHint> hints;
    int digit = 1;
    for (const QString& word : skipReasonWords(isImagePair()))
        hints.append({QString::number(digit), word, 0, 0, Qt::Key_0 + digit}), ++digit;
    hints.append({u"Esc"_s, u"do not skip"_s, 1, 0, Qt::Key_Escape});
    m_strip->setHints(hints);
}

void LabelPage::refreshMarks() {
    if (m_at < 0)
        return;
    const Met& met = m_met[static_cast<size_t>(m_at)];
    QString left = m_leftBad ? u"unacceptable"_s : QString(), right = m_rightBad ? u"unacceptable"_s : QString();
    if (m_draft) { // what is chosen stands beside its tag until it is given
        using Choice = SideVote::Choice;
        const SideVote side = m_draft->vote();
        const auto say = [&](QString& mark, bool chosen) {
            if (chosen)
                mark = mark.isEmpty() ? u"chosen"_s : u"chosen, "_s + mark;
        };
        say(left, side.choice != Choice::Right);
        say(right, side.choice != Choice::Left);
    }
    m_view->setMark(Side::A, left, m_leftBad ? Tone::Error : Tone::Text);
    m_view->setMark(Side::B, right, m_rightBad ? Tone::Error : Tone::Text);
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
    log::info("a key came before the pair could be read and was not counted");
    refuse(u"Too fast: not counted"_s, u"That key came before the pair could be read: it was not counted"_s);
}

void LabelPage::refuse(const QString& words, const QString& why) {
    ++m_refused;
    m_cueLabel->setTone(Tone::Warn);
    m_cueLabel->setText(words);
    m_context.say(State::Warning, why);
    QTimer::singleShot(kCueMs, this, [this] {
        if (m_mode == Mode::Pair)
            refreshMarks();
    });
    Q_EMIT refused();
}

qint64 LabelPage::activeMs() const {
    const qint64 running = m_inactive || m_editing ? 0 : steadyNow() - m_resumedAt;
    return (m_activeNs + running) / 1'000'000;
}

void LabelPage::vote(const SideVote& sideVote) {
    if (m_saving || tooFast()) {
        cue();
        return;
    }
    if (const QString missing = unseen(); !missing.isEmpty()) {
        // A vote about what nobody saw would be a lie.
        refuse(u"Not counted: %1 cannot be seen"_s.arg(missing),
               u"%1 cannot be seen: %2, then 2 leaves the pair out as broken"_s.arg(missing, m_keys.text(KeyId::Skip)));
        return;
    }
    if (oneAtATime())
        return thumb(sideVote);
    if (!m_form.isEmpty()) {
        const bool changed = m_draft.has_value();
        if (changed)
            m_draft->setVote(sideVote);
        else
            m_draft.emplace(m_form, sideVote);
        take(changed ? VoteDraft::Step::Stays : m_draft->begin());
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
    submit(input, u"skipped: %1"_s.arg(skipReasonWords(isImagePair()).at(reason)), false, false);
}

void LabelPage::submit(const JudgementInput& given, const QString& words, bool flashA, bool flashB) {
    Met& met = m_met[static_cast<size_t>(m_at)];
    JudgementInput input = given;
    input.view = sstr(m_view->viewName());
    if (input.kind == EventKind::Vote)
        input.spans = m_tools->payload(), input.regions = m_regions->payload();
    const qint64 painted = m_firstPainted ? m_firstPainted : m_paintedAt;
    input.firstPaintMs = painted ? std::max<qint64>(0, (painted - m_shownAt) / 1'000'000) : -1;
    input.activeMs = activeMs() + m_firstActiveMs;
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
        [this, input, words, flashA, flashB, comparison, asked = met.presentation](Result<desk::Ack> ack) {
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
            // Not by the pair, which may have been met twice: a vote belongs to the time it was shown.
            const auto at = std::find_if(m_met.begin(), m_met.end(), [&](const Met& each) { return each.presentation == asked; });
            const int index = at == m_met.end() ? -1 : static_cast<int>(at - m_met.begin());
            if (index >= 0) {
                Met& done = *at;
                const bool first = !done.judgement;
                done.judgement = input;
                done.votes.push_back(ack->event);
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
            m_context.say(State::Done, u"%1: %2 undoes"_s.arg(words, m_keys.text(KeyId::Undo)));
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

int LabelPage::indexOfVote(const desk::MovedVote& moved, Id comparison) const {
    for (size_t i = m_met.size(); i-- > 0;)
        if (std::count(m_met[i].votes.begin(), m_met[i].votes.end(), moved.vote))
            return static_cast<int>(i);
    for (size_t i = m_met.size(); moved.occasion == 0 && i-- > 0;)
        if (m_met[i].item.comparison.id == comparison && !m_met[i].item.presentation.repeat)
            return static_cast<int>(i);
    return -1;
}

void LabelPage::move(bool redo) {
    struct Moved {
        Id comparison = 0;
        std::optional<LabelItem> item;
        desk::MovedVote vote;
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
            auto vote = desk::movedBy(p, ack->event);
            if (!vote)
                return failed(vote.error());
            moved.vote = std::move(*vote);
            // The same sides as it had: as recorded, else they are a function of the seed, the contents and the person.
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
            if (moved.vote.shown) {
                shown.seed = moved.vote.shown->seed;
                shown.aOnLeft = moved.vote.shown->aOnLeft;
                shown.repeat = moved.vote.shown->repeat;
            }
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
            if (movedEdit(*moved.item, redo))
                return;
            std::erase_if(m_ready, [&](const LabelItem& item) { return item.comparison.id == moved.comparison; });
            int index = indexOfVote(moved.vote, moved.comparison);
            if (index < 0) {
                Met met;
                met.votes.push_back(moved.vote.vote);
                met.item = std::move(*moved.item);
                index = std::max(0, m_at);
                m_met.insert(m_met.begin() + index, std::move(met));
                if (m_at >= index)
                    ++m_at;
            }
            Met& met = m_met[static_cast<size_t>(index)];
            const std::optional<Judgement> before = met.judgement;
            const std::optional<Judgement>& now = moved.vote.now;
            met.judgement = now && now->kind != EventKind::Flag ? now : std::nullopt;
            met.flagged = now && !now->flag.empty();
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

} // namespace pl::ui
