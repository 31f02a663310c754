// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <optional>

#include <QList>
#include <QString>
#include <QStringList>
#include <QWidget>

#include "ui/theme/theme.h"

namespace pl::ui {

/// How a text is shown. Raw is the default: Markdown hides characters, so the view used is recorded with the vote.
enum class TextView { Raw, Markdown, Diff };
QString textViewName(TextView view); ///< "raw", "markdown", "diff"

enum class Side { A, B };

struct Turn {
    QString role; ///< "system", "user", "assistant"
    QString text;
};

/// One read-only untrusted text in the reading column: at most 78 characters wide, own scroll, plain text made safe
/// (control and bidi characters visible, endless lines broken, at most 256 KiB shown). Keys are left to the page.
class TextPane;
struct TextMark;
class ImageLoader;
class ImageView;

/// The prompt on top, two panes of equal fixed size below, whatever the texts; for images one canvas that takes all the
/// room. Votes are the page's business.
class PairView : public QWidget {
    Q_OBJECT
public:
    explicit PairView(QWidget* parent = nullptr);
    ~PairView() override;

    /// Shows a pair; scroll positions start at the top. `id` comes back with painted().
    void setPair(const QString& id, const QList<Turn>& prompt, const QString& a, const QString& b);
    void setPair(const QString& id, const QString& prompt, const QString& a, const QString& b);
    /// The same for two image files.
    void setImagePair(const QString& id, const QList<Turn>& prompt, const QString& pathA, const QString& pathB);
    QString pairId() const;
    void clear();

    bool isImagePair() const;
    ImageView* images() const;
    ImageLoader* imageLoader() const;
    /// What is on, as it is recorded with a vote: "raw", "markdown", "diff", or a view of the images; "raw+fold" or "diff+fold" while
    /// what both answers begin with is folded away, "raw+alone" while one answer is shown at a time.
    QString viewName() const;
    /// Why this side cannot be judged; empty when it can. A text always can.
    QString problem(Side side) const;

    TextView view() const;
    /// Markdown and Diff fall back to Raw for a text over their limits and say so in the pane.
    void setView(TextView view);
    /// M or W pressed: on, or back to raw.
    void toggleView(TextView view);

    /// What both answers begin with as one line in each ("… 312 characters the same"); the whole texts in Markdown. Stays on from pair
    /// to pair.
    void setFolded(bool folded);
    bool isFolded() const;
    /// How many UTF-16 units the texts of this pair can be folded by; 0: they begin differently.
    qsizetype foldable() const;
    /// Both answers scroll to where they say the same, whichever is moved; off, both by as much, or one alone with the wheel.
    void setSynced(bool synced);
    bool isSynced() const;
    /// The earlier turns of a conversation: folded away for every new pair. Nothing happens when there are none.
    void toggleTurns();
    bool showsTurns() const;
    int earlierTurns() const;
    /// Named by the tooltip of the link that does the same.
    void setTurnsKey(const QString& key);
    void scrollPrompt(int pages);

    TextPane* promptPane() const;
    /// What is asked now, without the turns before it; and how many UTF-16 units of the prompt pane stand before it.
    QString lastTurn() const;
    qsizetype turnsBefore() const;
    /// Marks in the last turn, and words about them above it; until the next pair.
    void setPromptMarks(const QList<TextMark>& marks, const QString& words);

    /// A widget in the place of an answer (an editor), of its size; null: the answer again. Belongs to the view.
    void setCover(Side side, QWidget* cover);
    /// One of the two answers in the middle, the other out of sight; nullopt: both. painted() comes again.
    void setAlone(std::optional<Side> side);
    std::optional<Side> alone() const;
    /// Beside what the view says of the answer ("word diff"); empty hides it.
    void setNote(Side side, const QString& words);
    /// The answer as it is, whatever the view makes of it.
    QString sourceText(Side side) const;

    void setPromptCollapsed(bool collapsed);
    bool isPromptCollapsed() const;
    /// Lines of the prompt area, 3..8: fixed, so that nothing jumps from pair to pair.
    void setPromptLines(int lines);
    /// What the tags say: "A" and "B" by default (model names only where the task reveals them).
    void setTags(const QString& a, const QString& b);
    /// A word beside the tag, e.g. "unacceptable"; empty hides it.
    void setMark(Side side, const QString& word, Tone tone = Tone::Error);

    /// Both panes by pages (PgUp/PgDn) or lines (arrows); images move.
    void scrollPages(int pages);
    void scrollLines(int lines);
    void scrollTo(Side side, double fraction);
    /// 160 ms tint of the chosen side (both for a tie); nothing moves; nothing under reduced motion.
    void flash(bool a, bool b);
    /// Shown right of the panes when the window is wide enough (panes stop at 760 px); hidden otherwise.
    void setDock(QWidget* dock);
    bool isDockVisible() const;

    /// Steady clock, ns, when both panes of the present pair were first painted; 0 before.
    qint64 paintedAt() const;
    /// The text as displayed (tests, accessibility).
    QString shownText(Side side) const;
    TextPane* pane(Side side) const;

Q_SIGNALS:
    /// Both sides of the pair are on the screen: its id, and the steady clock in ns.
    void painted(const QString& id, qint64 steadyNs);
    void viewChanged(pl::ui::TextView view);

protected:
    void resizeEvent(QResizeEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void placeDock();
    struct Private;
    std::unique_ptr<Private> d;
};

/// Steady clock in ns, the clock of painted().
qint64 steadyNow();

} // namespace pl::ui
