// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>

#include "ui/label/vote_draft.h"
#include "ui/widgets/basics.h"

class QLineEdit;

namespace pl::ui {

/// Above the key strip where a task asks for more than the vote: what is chosen, what is asked now, what was said. Of one height
/// whatever it shows, so that no answer moves.
class DraftBar : public QFrame {
    Q_OBJECT
public:
    explicit DraftBar(QWidget* parent = nullptr);
    /// Null: nothing is chosen yet; says what will be asked for.
    void show(const VoteForm& form, const VoteDraft* draft);
    /// The field of the rationale takes the keys, with `text` in it.
    void write(const QString& text);
    /// Hides the field, as Enter (finish) or Esc does.
    void leave(bool finish);
    /// The field has the keys.
    bool isWriting() const;
    QLineEdit* field() const { return m_field; }

Q_SIGNALS:
    void edited(const QString& text);
    /// Enter (finish) or Esc in the field.
    void left(bool finish);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    TextLabel* m_vote;
    ElidedLabel* m_question;
    TextLabel* m_summary;
    QLineEdit* m_field;
};

} // namespace pl::ui
