// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "ui/shell/context.h"

namespace pl::ui {

/// Writing a run out for TRL, as a line of the Runs page: what it takes is said first, with or without a copy of the model; then
/// the folder is chosen; while the run's first steps are run again it can be stopped.
class TrlBanner : public Banner {
    Q_OBJECT
public:
    TrlBanner(Context& context, QWidget* parent = nullptr);
    ~TrlBanner() override;

    /// Can runs of this plugin be written out at all?
    static bool offers(const std::string& plugin);
    /// Says what writing this run takes, or why it cannot be.
    void offer(const desk::RunInfo& run);

    /// Asks the person for the folder that shall hold the new one; empty: they changed their mind.
    std::function<QString()> chooseFolder;

private:
    enum class Step { Idle, Offered, Writing, Written };
    void choose(bool copy);
    void write(const QString& folder, bool copy);

    Context& m_ctx;
    Step m_step = Step::Idle;
    int m_asked = 0; ///< an answer to an earlier question is not shown
    QString m_run, m_dir, m_written;
    std::shared_ptr<std::atomic<bool>> m_stop;
};

} // namespace pl::ui
