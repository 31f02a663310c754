// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace pl::worker {

struct ToolOptions {
    std::string model, file, adapter, out, device = "cpu";
    int threads = 0;
    int64_t n = 1, maxNewTokens = 128, batchSize = 64, topK = 0;
    double temperature = 1.0, topP = 1.0;
    uint64_t seed = 1;
};

/// One line {"ids", "logps", "sum"} (or {"ids", "score"} of a reward model) a line {"ids": [...], "start": 1} of the file.
Status printLogps(const ToolOptions& options);
/// One line {"index", "sample", "ids", "text", "finished", "logp"} a sample of a line {"prompt": text} or {"ids": [...]}.
Status printSamples(const ToolOptions& options);
/// Writes the model as a trainer's checkpoint would be, into a folder that does not exist: fp32, in one file, with an adapter of
/// PEFT's merged in where one is given.
Status writeMerged(const ToolOptions& options);
/// Small checks of the arithmetic on every device that is there; says what it looked at.
Status selfTest();

} // namespace pl::worker
