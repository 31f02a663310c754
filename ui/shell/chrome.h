// SPDX-License-Identifier: GPL-3.0-or-later
// The frame around the pages: rail, header, run strip, status line.
#pragma once

#include <map>
#include <vector>

#include <QAbstractButton>
#include <QFrame>
#include <QList>
#include <QString>
#include <QWidget>

#include "ui/shell/context.h"
#include "ui/widgets/tiles.h"

class QBoxLayout;
class QButtonGroup;
class QMenu;

namespace pl::ui {

/// One page in the rail: an icon, from 1500 px on with its word.
class RailButton : public QAbstractButton {
    Q_OBJECT
public:
    RailButton(const QString& icon, const QString& title, const QString& key);
    void setWide(bool wide);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;
    void enterEvent(QEnterEvent* event) override;
    void leaveEvent(QEvent* event) override;

private:
    QString m_icon;
    bool m_wide = false;
};

class Rail : public QFrame {
    Q_OBJECT
public:
    /// The last page (Settings) stands apart at the bottom.
    explicit Rail(const std::vector<PageFactory>& pages);
    void setCurrent(int index);
    void setWide(bool wide);

Q_SIGNALS:
    void chosen(int index);

private:
    QButtonGroup* m_group;
    QList<RailButton*> m_buttons;
};

/// A run of the shared selection: its colour, its name, a cross.
class RunChip : public QWidget {
    Q_OBJECT
public:
    RunChip(const QString& name, int index);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

Q_SIGNALS:
    void clicked();
    void removed();

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;

private:
    QString m_name;
    int m_index;
};

/// 40 px: project, task, progress, person, selected runs, Ctrl+K.
class HeaderBar : public QFrame {
    Q_OBJECT
public:
    HeaderBar();
    void setProject(const QString& name, const QString& dir);
    void setTask(const QString& name);
    void setProgress(qint64 done, qint64 quota);
    void setPerson(const QString& name);
    void setRuns(const QStringList& names);
    QMenu* projectMenu() const { return m_menu; }

Q_SIGNALS:
    void searchRequested();
    void runClicked(const QString& name);
    void runRemoved(const QString& name);
    void taskClicked();

protected:
    void changeEvent(QEvent* event) override;

private:
    void drawIcons();
    QLabel* m_personIcon = nullptr;
    QPushButton* m_project;
    QMenu* m_menu;
    QPushButton* m_task;
    ProgressLine* m_bar;
    TextLabel* m_count;
    ElidedLabel* m_person;
    QBoxLayout* m_chips;
    QPushButton* m_search;
};

/// 32 px: the run that matters now; never a metric's number, those are in Runs.
class RunStrip : public QFrame {
    Q_OBJECT
public:
    RunStrip();
    void setRun(const desk::RunInfo& info, const std::vector<Event>& events);
    void clear();
    /// The run shown, empty for none.
    QString run() const { return m_shown; }

Q_SIGNALS:
    void clicked(const QString& run);

protected:
    void mousePressEvent(QMouseEvent* event) override;

private:
    struct Known {
        desk::RunInfo info;
        std::map<std::string, std::vector<double>> values;
        QString alert;
    };
    void choose();
    std::map<std::string, Known> m_runs;
    QString m_shown;
    StatusChip* m_state;
    ElidedLabel* m_name;
    ProgressLine* m_bar;
    TextLabel* m_steps;
    TextLabel* m_eta;
    TextLabel* m_sparkName;
    Sparkline* m_spark;
    StatusChip* m_alert;
    ElidedLabel* m_note;
};

/// 26 px: what is saved, what just happened, what is left.
class StatusLine : public QFrame {
    Q_OBJECT
public:
    StatusLine();
    void setSaved(qint64 judgements);
    void setReady(qint64 pairs, double secondsEach, bool writing);
    void setBytes(qint64 bytes);
    void setMessage(State state, const QString& text);
    QString message() const;

private:
    TextLabel* m_saved;
    QLabel* m_icon;
    ElidedLabel* m_message;
    TextLabel* m_ready;
    TextLabel* m_bytes;
};

/// "1.4 GB", "820 MB".
QString formatBytes(qint64 bytes);
/// State of a run as a chip shows it.
State stateOf(RunState state);
QString runStateWord(const desk::RunInfo& info);

} // namespace pl::ui
