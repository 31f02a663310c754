// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "core/desk/store/moved_vote.h"
#include "ui/label/vote_draft.h"
#include "ui/shell/context.h"
#include "ui/widgets/pair_view.h"

class QStackedWidget;

namespace pl::ui {

class AnswerTools;
class DraftBar;
class KeySheet;
class GuidelinePanel;
class LabelStates;
class Preferences;
class RankPage;
class RegionTools;

/// Keys are read from `preferences` (none: as the program comes).
PageFactory labelPage(const Preferences* preferences = nullptr);

/// One key, one label. A vote belongs to the presentation that was painted; the page moves on when the store has said that
/// the vote is on disk, and the next pair is already there.
class LabelPage : public Page {
    Q_OBJECT
public:
    explicit LabelPage(Context& context, const Preferences* preferences = nullptr);
    ~LabelPage() override;
    void activated() override;
    void deactivated() override;
    void openArgument(const QString& argument) override; ///< "sets"
    QList<SearchItem> searchItems() const override;
    /// Sets of three or more answers instead of pairs, and back.
    void showSets();
    void showPairs();
    /// Sets without this person's order, as far as known.
    int64_t openSets() const { return m_openSets; }
    /// Null until sets were shown once.
    RankPage* rankPage() const { return m_rank; }

    /// What the page shows now.
    enum class Mode { Loading, Pair, Empty, Dry, Done };
    Mode mode() const { return m_mode; }
    /// Of the pair on screen; 0 for none.
    desk::Id currentComparison() const;
    bool currentAOnLeft() const;
    PairView* pairView() const { return m_view; }
    KeyStrip* keyStrip() const { return m_strip; }
    QString bannerText() const;
    /// The page offers pairs of test prompts, because that was asked for on it; until they run out or the page is left.
    bool showsTestPairs() const { return m_testPairs; }
    bool isSaving() const { return m_saving; }
    /// A vote key would count now: painted, past the guard, nothing on its way to the disk.
    bool takesVotes() const { return m_mode == Mode::Pair && !m_saving && !tooFast(); }
    /// A vote that was chosen and not yet given, where the task asks for more or for Enter.
    const VoteDraft* draft() const { return m_draft ? &*m_draft : nullptr; }
    DraftBar* draftBar() const { return m_bar; }
    AnswerTools* answerTools() const { return m_tools; }
    RegionTools* regionTools() const { return m_regions; }
    int readyItems() const { return static_cast<int>(m_ready.size()); }

    /// Votes sooner than this after the first paint are refused (150; tests set less).
    void setGuardMs(int ms) { m_guardMs = ms; }
    int refusedVotes() const { return m_refused; }
    /// Nanoseconds from the key that voted to the next pair painted, in order (the newest 10,000).
    const std::vector<qint64>& keyToPaint() const { return m_keyToPaint; }

Q_SIGNALS:
    /// The pair on screen is painted: votes count from now (after the guard).
    void pairShown(qint64 comparison);
    /// The store has it on disk.
    void saved(qint64 comparison);
    /// An edited answer is on disk, with its implied judgement: the pair of both versions.
    void editSaved(qint64 comparison);
    void refused();

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void keyReleaseEvent(QKeyEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    /// A pair met in this sitting. `presentation` is written by the store's thread and read there only.
    struct Met {
        desk::LabelItem item;
        std::shared_ptr<desk::Id> presentation = std::make_shared<desk::Id>(0);
        std::optional<desk::Judgement> judgement; ///< what counts now; kind tells a vote from a skip
        bool flagged = false;
        bool recording = false; ///< present() was asked for
        int repeat = 0;         ///< of a hidden repeat: which of the sitting
        std::vector<desk::Id> votes = {}; ///< the events of its votes in this sitting
    };

    void build();
    void lookForSets();
    /// The last vote was said to be undone by a key of the other page: how to get there is put before it, or taken away.
    void rewordUndo(bool onSets);
    void buildTools();
    void buildRegions();
    /// A key while regions are marked; false: they are not, or the page may use it.
    bool regionKey(int key, Qt::KeyboardModifiers modifiers);
    void showRegions();
    /// What is done in the answers, or with the way they are shown; false: another action.
    bool toolAction(LabelAction action);
    void saveEdit(Side side, const QString& text);
    /// The task asks for a verdict on each answer alone (its view is "single").
    bool oneAtATime() const;
    void beginThumbs();
    void thumb(const SideVote& vote);
    /// What a key does otherwise while one answer is shown at a time; false: what it always does.
    bool thumbKey(LabelAction action);
    QList<KeyHint> thumbHints() const;
    /// What undo or redo moved was an edit: says so and shows the pair it was made on.
    bool movedEdit(const desk::LabelItem& item, bool redo);
    void refill();
    void showMet(int index);
    void advance();
    void setMode(Mode mode);
    void whenNothingIsLeft();
    void refreshStrip();
    void refreshMarks();
    bool handleKey(int key, Qt::KeyboardModifiers modifiers);
    /// Keys of a pair of images that have no action of their own: zoom, pan.
    bool moveImages(int key, Qt::KeyboardModifiers modifiers);
    bool lookAtImages(LabelAction action);
    /// Why the pair on screen cannot be voted on; empty when it can.
    QString unseen() const;
    bool isImagePair() const;
    /// Decode what comes next.
    void lookAhead();
    bool tooFast() const;
    void next();
    void previous();
    void onRun(const desk::RunInfo& info);
    void lookForWriters();
    void applyTask();
    /// The task's question and guideline, in words for pairs of images or of texts.
    void showQuestion(bool images);
    void placePanels();
    void onPainted(const QString& id, qint64 ns);
    void cue();
    /// A vote key was not counted: says so, on the page and in the status line.
    void refuse(const QString& words, const QString& why);
    void vote(const SideVote& vote);
    /// Of a draft: what a key did to it.
    void take(VoteDraft::Step step);
    void refreshDraft();
    void dropDraft();
    /// A key while a draft waits; false: the page may use it.
    bool draftKey(int key, Qt::KeyboardModifiers modifiers);
    void submit(const desk::JudgementInput& input, const QString& words, bool flashA, bool flashB);
    void undo();
    void redo();
    void move(bool redo);
    void skip(int reason);
    void flag();
    void showGuideline();
    void repeat();
    void writeFromStarter();
    void openTestPairs();
    void failWith(const QString& text, std::function<void()> again);
    qint64 activeMs() const;
    desk::Project::NextOptions options(size_t limit) const;
    int indexOf(desk::Id comparison) const;
    /// Where a vote was given that undo or redo moved; -1: in no sitting, or too long ago. The same pair may have been met twice.
    int indexOfVote(const desk::MovedVote& moved, desk::Id comparison) const;
    /// Not a pair of a test prompt that nobody asks for any more.
    bool offered(const Met& met) const;
    void dropOld();

    Context& m_context;
    const Preferences* m_preferences;
    KeyMap m_keys;
    QStackedWidget* m_stack;
    QWidget* m_pairPage;
    TextLabel* m_question;
    QString m_asked; ///< question and guideline shown
    TextLabel* m_guidelineHint;
    TextLabel* m_cueLabel;
    TextLabel* m_sealedNote;
    Banner* m_banner;
    PairView* m_view;
    AnswerTools* m_tools;
    RegionTools* m_regions;
    DraftBar* m_bar;
    KeyStrip* m_strip;
    LabelStates* m_states;
    RankPage* m_rank = nullptr;
    LinkButton* m_setsLink;
    int64_t m_openSets = 0;
    QString m_said; ///< the newest message of the status line
    bool m_listens = false;
    bool m_offerSets = true; ///< where no pair is left, sets come by themselves, once a visit
    KeySheet* m_sheet;
    GuidelinePanel* m_guideline;
    GuidelinePanel* m_dock;

    Mode m_mode = Mode::Loading;
    std::deque<desk::LabelItem> m_ready;
    std::vector<Met> m_met;
    int m_at = -1;
    int m_repeats = 0; ///< hidden repeats met in this sitting
    bool m_fetching = false, m_exhausted = false, m_saving = false, m_choosingReason = false;
    bool m_leftBad = false, m_rightBad = false;
    VoteForm m_form;
    std::optional<VoteDraft> m_draft;
    std::optional<bool> m_firstThumb; ///< what was said of the first answer alone
    qint64 m_firstActiveMs = 0, m_firstPainted = 0;
    bool m_testPairs = false;
    bool m_writing = false; ///< a job is writing pairs
    double m_writingEta = -1;
    uint64_t m_seed = 0;
    int m_guardMs = 150;
    int m_refused = 0;
    qint64 m_shownAt = 0, m_keyAt = 0, m_paintedAt = 0;
    mutable qint64 m_activeNs = 0, m_resumedAt = 0;
    bool m_inactive = false, m_editing = false; ///< time that is not spent on the judgement
    std::vector<qint64> m_keyToPaint;
    std::vector<double> m_seconds; ///< of this session's votes
    int m_left = 0, m_decided = 0;
    std::function<void()> m_again;
};

} // namespace pl::ui
