// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/shell/context.h"

namespace pl::ui {

/// Runs: the table left; verdict, tiles and live charts right. Argument: a run's name.
PageFactory runsPage();

/// The parameters that differ from the manifest's defaults, "beta 0.05 · steps 400"; all of them without a manifest.
QString changedParameters(const Manifest* manifest, const Json& parameters);
/// A run's state as a chip says it.
State stateOf(const desk::RunInfo& info);
QString stateWord(const desk::RunInfo& info);

} // namespace pl::ui
