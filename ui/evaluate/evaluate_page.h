// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ui/shell/context.h"

namespace pl::ui {

/// Evaluate: "Is X better than Y, judged by Z?", what that many comparisons can show, and every verdict so far as a forest plot.
/// Argument: a model ("run:42").
PageFactory evaluatePage();

/// The smallest share of n comparisons whose 95 % Wilson interval lies above one half; NaN when none does.
double smallestTellingRate(int64_t n);

} // namespace pl::ui
