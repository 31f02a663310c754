// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/bundle.h"
#include "core/base/manifest.h"

/// The beginning of a training run done again in a bundle of its own, beside the project: for what a log does not hold, each
/// step's loss and the weights before the first step.
namespace pl::desk {

/// "loss" of a run's log by step: the mean over the steps since the one before. What a resumed run did again counts once.
Result<std::map<int64_t, double>> loggedLosses(const std::string& bundleDir);
/// The first `steps` of them when each was logged by itself, else empty.
std::vector<double> eachLogged(const std::map<int64_t, double>& logged, int64_t steps);
/// Do losses of single steps from the first on give what was logged? Corrupt names the first step where they do not (by more
/// than 1e-4).
Status sameAsLogged(const std::map<int64_t, double>& logged, const std::vector<double>& losses);

struct RerunOptions {
    std::string worker;              ///< path of pairlab-worker; empty: beside this program
    std::function<bool()> keepGoing; ///< asked every 50 ms; false ends it with Code::Cancelled
};
/// Losses of steps 1 to `steps`. The bundle is made at `dir`, without held-out data, and what is in it stays. `with`: parameters
/// that differ from the run's.
Result<std::vector<double>> firstLosses(const Bundle& bundle, const Manifest& manifest, const std::string& dir, int64_t steps,
                                        const Json& with, const RerunOptions& options);
/// The folder, below `dir`, of the model as it was before the first step: fresh heads, adapters and random weights included. It
/// is the checkpoint of one step at the rate 0.
Result<std::string> weightsBefore(const Bundle& bundle, const Manifest& manifest, const std::string& dir, const RerunOptions& options);

} // namespace pl::desk
