// SPDX-License-Identifier: GPL-3.0-or-later
// Which charts stand beside a run, and what is drawn in each. Pure.
#pragma once

#include <string>
#include <vector>

#include <QString>

#include "core/base/manifest.h"
#include "ui/runs/run_series.h"

namespace pl::ui {

/// One chart. A run of texts has the first six; of a run of images those that its trainer measures.
enum class Panel {
    Rewards,
    Accuracy,
    Wins,
    Kl,
    Length,
    Loss,
    ImageRewards,
    Errors,      ///< of winners and losers against the reference: both growing means forgetting
    Obedience,   ///< what pictures show of what was asked, 0 to 1
    Gold,        ///< a taste that is only watched, beside what is trained on
    ImageLoss,
    ImageKl,
    Ratio,
    Diversity,
    Scores,
    Temperature,
    Gradient,
    LearningRate,
    Speed,
};

/// A curve of a chart. Train pale, held-out full; rejected (and the second quantity of a chart) dashed.
struct PanelLine {
    Panel panel;
    const char* metric;          ///< ends with '*': any name that begins so, and the rest of the name is the label's %1
    QStringView label;
    bool dashed = false, pale = false, dots = false;
    double scale = 1;
    const char* unless = nullptr; ///< left out when this metric is there
    bool sinceStart = false;      ///< drawn as the difference to its first value: scales that begin elsewhere become comparable
};
const std::vector<PanelLine>& panelLines();

struct PanelWords {
    QString title, empty;
    bool share = false; ///< its values lie in 0 to 1
    QString unit;       ///< of its vertical axis, where the title does not say it
};
PanelWords panelWords(Panel panel);

/// What the charts are chosen by.
struct PanelRun {
    const RunSeries* series = nullptr;  ///< may be null: nothing read yet
    const Manifest* manifest = nullptr; ///< may be null: then only by what was measured
};
/// Does it train, draw or judge images only?
bool isImageRun(const PanelRun& run);
/// At most `most` charts for these runs together, in the order of the grid. Of images: what any run has measured or, while it is
/// young, its manifest announces; what tells learning from reward hacking first.
std::vector<Panel> panelsFor(const std::vector<PanelRun>& runs, size_t most);

/// The curves of a line in a run: (metric, label), in the order of their names.
std::vector<std::pair<std::string, QString>> curvesOf(const PanelLine& line, const RunSeries& series);

} // namespace pl::ui
