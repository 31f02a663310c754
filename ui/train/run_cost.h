// SPDX-License-Identifier: GPL-3.0-or-later
// What a training run will cost, before it starts. Pure.
#pragma once

#include <optional>
#include <vector>

#include <QString>

#include "core/base/manifest.h"
#include "core/desk/runs/supervisor.h"
#include "ui/models/model_facts.h"
#include "ui/train/doctor.h"

namespace pl::ui {

/// Does the method train on images only?
bool trainsImages(const Manifest& manifest);

struct RunCostInput {
    const Manifest* manifest = nullptr;
    Json values;                           ///< effective parameters
    desk::DatasetCounts counts;
    const std::vector<DoctorPair>* pairs = nullptr; ///< some of the pairs, for the lengths of texts
    std::optional<ModelFacts> facts;       ///< of the model to start from
    std::vector<desk::RunInfo> runs;       ///< what was measured before
    std::string device;
    double memory = 0;                     ///< bytes of this machine; 0: not known
};
struct RunCost {
    double seconds = -1;                   ///< below 0: not known
    double bytes = -1;                     ///< below 0: not known. Of images without what pictures take on the way
    QString basis;                         ///< what the time rests on, or why there is none
};
/// Texts by arithmetic until a run of the same method on the same device was measured; images only from such a run, because what
/// a step takes is not in a model's folder.
RunCost runCost(const RunCostInput& input);

} // namespace pl::ui
