// SPDX-License-Identifier: GPL-3.0-or-later
// What the curves of a run of images say about learning and reward hacking. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <QStringList>

#include "ui/runs/run_series.h"

namespace pl::ui {

/// A measure at the run's first measurement and now. Now: the mean of the last two of three or more measurements, so that a single
/// one does not decide.
struct Trend {
    QString what; ///< "colour", "held-out margin"
    double from = 0, to = 0;
    double by() const { return to - from; }
};

/// How far pictures may show less of what was asked before it is said: points of [0, 1]. Number and shape are read off with more
/// noise, even from true drawings.
constexpr double kObedienceFall = 0.05, kNoisyObedienceFall = 0.15;

struct ImageSigns {
    std::optional<Trend> proxy;  ///< what it trains on, when that rose: held-out reward or margin
    std::vector<Trend> lost;     ///< obedience that fell by more than the bounds above, the largest fall first
    std::optional<Trend> gold;   ///< a watched taste
    /// Held-out winners and losers are both denoised worse than by the reference, and by more than halfway through.
    bool errorsGrow = false;
    int64_t lastWhole = -1;       ///< last step measured before obedience first fell; -1: none but the start, or nothing fell

    bool hacking() const { return proxy && !lost.empty(); }
};
ImageSigns imageSigns(const RunSeries& series);

/// What is worth saying of them, each a part of a sentence; empty for a run that measures none.
QStringList imageWords(const ImageSigns& signs);

} // namespace pl::ui
