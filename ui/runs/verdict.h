// SPDX-License-Identifier: GPL-3.0-or-later
// What may be said about a run, from its own figures. Pure.
#pragma once

#include <optional>
#include <vector>

#include <QString>

#include "core/desk/runs/supervisor.h"
#include "ui/runs/run_series.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {

/// A win rate somebody measured for a checkpoint of a run.
struct WinRate {
    double value = std::numeric_limits<double>::quiet_NaN(), low = value, high = value;
    int64_t n = 0;
    int64_t step = -1;    ///< of the checkpoint; -1 when not known
    QString against;      ///< "start"
    QString judge;        ///< with agreement and whether it saw the same labels
    QString run;          ///< the evaluation that says so
    int64_t endedMs = 0;
    Estimate estimate() const;
};
/// "RM 0012 (agrees 71 % of 140; same labels)", "taste concise", "votes".
QString judgeText(const Json& judge);
/// Reads a finished evaluation; empty when it measured no win rate.
std::optional<WinRate> winRateOf(const desk::RunInfo& info, const RunSeries& series);
/// Name of the run whose checkpoint an evaluation tested, with its step; empty when it tested something else.
struct TestedRun {
    QString run;
    int64_t step = -1;
};
TestedRun testedRun(const desk::RunInfo& evaluation);

/// Held-out ranking accuracy of any trainer (reward model, DPO), from the curves or (before they are read) the last values.
Estimate heldOutAccuracy(const RunSeries& series);
Estimate heldOutAccuracy(const std::map<std::string, double>& lastValues);

/// One sentence of real figures: estimate, interval, n, judge; below 30 "too few (12)"; then what to look at.
QString verdict(const desk::RunInfo& info, const RunSeries& series, const std::vector<WinRate>& wins);

} // namespace pl::ui
