// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "core/base/json.h"
#include "core/learn/training/metric_window.h"
#include "core/learn/training/optimizer.h"
#include "core/learn/training/trainable.h"
#include "core/learn/weights/safetensors.h"

/// checkpoints/step-000200/ is a model folder (config.json, model.safetensors, tokenizer files) with trainer/optimizer.safetensors
/// and trainer/state.json beside the weights, closed by DONE. Of a run with an average of its weights, model.safetensors holds
/// the average, and trainer/weights.safetensors what the optimizer goes on with.
namespace pl::learn {

/// The best value so far of the metric a trainer is judged by.
struct BestSoFar {
    int64_t step = 0;
    std::string metric;
    double value = 0;
    double tieBreak = 0; ///< lower is better among equal values
};

/// Everything besides weights and optimizer moments that the next step depends on. The data position is a function of the
/// step (BatchPlan); torch's generator lies in optimizer.safetensors as "rng.cpu".
struct TrainState {
    int64_t step = 0;
    int64_t tokens = 0;
    double flops = 0; ///< floating point operations by count, everything the run did so far
    std::optional<BestSoFar> best;
    MetricWindow window;
    std::string configuration; ///< digest of parameters, data and seed: another run's checkpoint is refused
    Json extra = Json::object(); ///< a trainer's own
    TensorMap tensors;           ///< a trainer's own, in trainer/own.safetensors

    Json toJson() const;
    static Result<TrainState> fromJson(const Json& json, std::string_view what);
};

/// "checkpoints/step-000200"
std::string checkpointName(int64_t step);

/// Writes aside, renames, closes with DONE. On failure nothing is left of it and earlier checkpoints are untouched; the
/// error names the file. Returns the path relative to the bundle.
Result<std::string> saveCheckpoint(const std::string& bundleDir, const Trainable& model, const AdamW& optimizer,
                                   const TrainState& state, bool best, Ema* ema = nullptr);

/// Restores weights and their average, moments, generator and state from the newest checkpoint whose hashes match; damaged newer ones are
/// passed over. nullopt when there is none.
Result<std::optional<TrainState>> resumeNewest(const std::string& bundleDir, const Trainable& model, AdamW& optimizer,
                                               const std::string& configuration, Ema* ema = nullptr);

/// Keeps the newest `keepLast`, the best step and folders holding a file PINNED. DONE goes first, so a half-removed
/// checkpoint is never taken for a whole one. Left-overs of interrupted writes go too.
Status pruneCheckpoints(const std::string& bundleDir, int keepLast, int64_t bestStep);

} // namespace pl::learn
