// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/desk/runs/rerun.h"

/// A training run as a folder that TRL trains on without PairLab: a script, its data, the model and the losses it must meet.
namespace pl::desk {

struct TrlScriptOptions {
    std::string out;         ///< the folder to make
    bool copyModels = true;  ///< false: the script names the folders the models lie in, where those are what the run began with
    RerunOptions rerun;
    std::function<void(const std::string&)> say; ///< what is being done, before it is
};

/// What it will take.
struct TrlScriptPlan {
    std::string trainer;  ///< "DPOTrainer"
    uint64_t bytes = 0;   ///< of the models that are copied
    bool fresh = false;   ///< the weights before the first step are in no folder (a new head, adapters) and are made again
    bool again = false;   ///< the first steps are run again, because the log has no loss for each (or the answers are not kept)
    std::string missing;  ///< what the run lost by erasure (run_erasure.h); empty: nothing
    bool lessData = false; ///< and rows of its data are among it: the script trains on what is left, which the run's own losses are not of
    std::string toString() const;
};

struct TrlScriptReport {
    std::string dir;
    TrlScriptPlan plan;
    int64_t rows = 0, steps = 0, of = 0; ///< steps that the script trains, of the run's
    std::vector<double> losses;          ///< expected of its first steps
    Json toJson() const;
};

/// Unsupported names the parameter (or kind of run) that cannot be written for TRL; Corrupt a model that is no longer the one the
/// run began with.
Result<TrlScriptPlan> planTrlScript(const std::string& bundleDir, const TrlScriptOptions& options = {});
/// Writes the folder as a whole or not at all; it must not exist. Slow where the plan says `fresh` or `again`: that is the work of
/// pairlab-worker, which waits for the device.
Result<TrlScriptReport> writeTrlScript(const std::string& bundleDir, const PluginCatalog& catalog, const TrlScriptOptions& options);

} // namespace pl::desk
