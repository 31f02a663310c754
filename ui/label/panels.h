// SPDX-License-Identifier: GPL-3.0-or-later
// What lies beside and instead of the pair: key sheet, guideline, empty states, session card.
#pragma once

#include <QFrame>
#include <QStackedWidget>
#include <QString>

#include "core/desk/stats/summary.h"
#include "ui/label/keys.h"
#include "ui/widgets/basics.h"

class QGridLayout;

namespace pl::ui {

class TextPane;
class Tile;
class ProgressLine;

/// Every key of the page, over it; any key closes it.
class KeySheet : public QFrame {
    Q_OBJECT
public:
    explicit KeySheet(QWidget* parent);
    void setKeys(const KeyMap& keys, desk::Scale scale, bool images = false, bool alone = false);
    /// Keys and what they do, of another page.
    void setRows(const QList<std::pair<QString, QString>>& rows);
    void open();

private:
    QGridLayout* m_grid;
};

/// The guideline with its version, as untrusted text.
class GuidelinePanel : public QFrame {
    Q_OBJECT
public:
    explicit GuidelinePanel(QWidget* parent = nullptr);
    void setGuideline(int version, const QString& text);
    /// The key that opens and closes it, shown in the corner.
    void setKey(const QString& key);

private:
    TextLabel *m_title, *m_key;
    TextPane* m_text;
};

/// Figures of a sitting.
struct SessionFigures {
    int64_t votes = 0;
    double medianSeconds = 0; ///< 0: none
    desk::Rate left;          ///< of this sitting, ties apart
    desk::Rate selfConsistency; ///< of this person, all time
    int64_t testPairs = 0;      ///< of test prompts, without a vote of this person
};

/// The states without a pair: nothing there, ahead of the model, done.
class LabelStates : public QStackedWidget {
    Q_OBJECT
public:
    explicit LabelStates(QWidget* parent = nullptr);
    void showEmpty();
    void showLoading();
    /// etaSeconds < 0: unknown.
    void showDry(double etaSeconds);
    void showDone(const SessionFigures& figures);
    /// What the project's model makes: the words follow.
    void setImages(bool images);
    /// In the project of a package: the votes are given back, nothing is trained or written.
    void setAnnotator();
    void setBusy(const QString& text);
    void setProblem(const QString& text);

Q_SIGNALS:
    void writeRequested();
    void importRequested();
    void folderRequested();
    void repeatRequested();
    void generateRequested();
    void trainRequested();
    void testRequested();

private:
    QWidget *m_empty, *m_dry, *m_done, *m_loading;
    FilledButton *m_write, *m_train;
    QuietButton* m_more;
    InlineMessage* m_message;
    TextLabel *m_emptyText, *m_dryText, *m_doneText, *m_sealed;
    bool m_images = false;
    LinkButton* m_test;
    ProgressLine* m_dryBar;
    Tile *m_votes, *m_seconds, *m_left, *m_consistency;
};

} // namespace pl::ui
