// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>

#include "core/desk/store/run_erasure.h"
#include "ui/shell/context.h"
#include "ui/widgets/basics.h"

namespace pl::ui {

/// Which runs lost text by erasure: a mark in the table of runs, and a line in a run's detail that says when, of how many prompts and people,
/// and what that means for a resume or a script. Never the text.
class RunErasures : public QObject {
    Q_OBJECT
public:
    RunErasures(Context& context, QObject* parent);
    /// Reads the bundles of these runs, on the store's thread.
    void look(const std::vector<desk::RunInfo>& runs);
    QVariant icon(const std::string& run) const;
    /// `title` and, below, what was lost.
    QString tip(const std::string& run, const QString& title) const;
    /// The line of the detail; it belongs to the layout it is put into.
    TextLabel* line() const { return m_line; }
    void show(const QString& run);

Q_SIGNALS:
    void changed();

private:
    QString textOf(const std::string& run) const;
    Context& m_context;
    TextLabel* m_line;
    QString m_shown;
    std::map<std::string, desk::RunErasure> m_lost;
    std::map<std::string, QString> m_unread; ///< bundles whose note cannot be read, and why
};

} // namespace pl::ui
