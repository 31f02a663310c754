// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QStringList>
#include <QWidget>

#include "ui/widgets/basics.h"

namespace pl::ui {

class ProgressLine;

/// What is seen when no project is open: three ways to begin, and the projects of before.
class StartPage : public QWidget {
    Q_OBJECT
public:
    StartPage();
    void setRecent(const QStringList& dirs);
    /// A sentence while something is made; empty: ready for a choice again.
    void setBusy(const QString& sentence);
    void setProblem(const QString& text);

Q_SIGNALS:
    void starterRequested(bool images);
    void fileRequested();
    void modelRequested();
    void openRequested();
    void recentRequested(const QString& dir);

private:
    QWidget* m_choices;
    QWidget* m_recentBox;
    QBoxLayout* m_recent;
    QWidget* m_busy;
    TextLabel* m_busyText;
    ProgressLine* m_progress;
    Banner* m_banner;
};

} // namespace pl::ui
