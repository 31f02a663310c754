// SPDX-License-Identifier: GPL-3.0-or-later
// What a task asks for besides the vote, and a vote on its way through it. No widgets.
#pragma once

#include <optional>

#include <QList>
#include <QString>
#include <QStringList>

#include "ui/label/keys.h"

namespace pl::ui {

/// One thing that is asked for after the vote key, answered by a digit (or by a text).
struct DraftPart {
    enum class Kind {
        Pair,     ///< an attribute of the two: 1 A, 2 tie, 3 B
        Left,     ///< an attribute of the left answer: 0 .. top
        Right,    ///< of the right one
        Reasons,  ///< chips, a digit each, any number of them
        Rationale ///< a text
    };
    Kind kind = Kind::Pair;
    QString name;        ///< "helpfulness"
    int top = 4;         ///< of Left and Right
    QStringList chips;   ///< of Reasons, at most 9
    bool required = true;
};

/// What a task asks for, as its attributes say it: a list of names (an attribute of each answer, 0 to 4) or of objects
/// {"name", "of": "pair" | "answer", "top": 1..9} and {"reasons": ["clearer", ...]}; and its required parts "rationale",
/// "rationale?" (offered, not asked) and "confirm". What cannot be read is left out.
struct VoteForm {
    QList<DraftPart> parts; ///< in the order they are asked for
    bool confirm = false;   ///< a vote key previews, Enter commits
    bool isEmpty() const { return parts.isEmpty() && !confirm; }
    static VoteForm of(const desk::Task& task);
    /// A task's attributes from lines and back: "helpfulness" or "helpfulness 0-5" (of each answer), "pair: clearer" (of the two),
    /// "reasons: clearer, shorter". Fails on a line that cannot be read, by its number.
    static Result<Json> fromLines(const QString& lines);
    static QString toLines(const Json& attributes);
    /// HelpSteer's five, 0 to 4 for each answer: helpfulness, correctness, coherence, complexity, verbosity.
    static Json helpSteer();
};

/// A vote that is not given yet. Keys move it on; the page commits it when it is done.
class VoteDraft {
public:
    VoteDraft(const VoteForm& form, const SideVote& vote) : m_form(form), m_vote(vote), m_values(form.parts.size(), -1) {}

    enum class Step {
        Ignored,   ///< no key of the draft
        Stays,     ///< taken; something is still to come
        Text,      ///< the rationale is next: the focus goes to its field
        Done,      ///< everything that is asked for is there: commit
        Cancelled, ///< back to the pair, without a vote
        Missing    ///< Enter before everything that is asked for is there: see missing()
    };
    /// Digits answer the current part and go on; Backspace goes back; Enter finishes, or leaves an optional part open; Esc cancels.
    Step key(int key);
    /// Another vote key while it waits.
    void setVote(const SideVote& vote) { m_vote = vote; }
    void setRationale(const QString& text) { m_rationale = text; }
    /// The text field was left by Ctrl+Enter (finish) or Esc (back to the keys).
    Step leaveText(bool finish);
    /// The step the draft begins with: Done when nothing is asked for.
    Step begin() const;

    const SideVote& vote() const { return m_vote; }
    const VoteForm& form() const { return m_form; }
    int current() const { return m_current; } ///< index of the part that a digit answers; past the last: only Enter is left
    int value(int part) const { return m_values[part]; } ///< -1: not given; of Reasons a bit a chip
    QStringList missing() const;
    const QString& rationale() const { return m_rationale; }
    /// Into a judgement, in content space: attributes {"pair": {name: "a" | "tie" | "b"}, "a": {name: n}, "b": {name: n}}.
    void fill(desk::Judgement& judgement, bool aOnLeft) const;
    /// The keys that work now.
    QList<KeyHint> hints() const;
    /// "helpfulness of A, 0 to 4"
    QString question() const;
    /// "A 4 3 –   B – – –"
    QString summary() const;

private:
    bool given(int part) const;
    Step next();
    VoteForm m_form;
    SideVote m_vote;
    QList<int> m_values;
    QString m_rationale;
    int m_current = 0;
};

} // namespace pl::ui
