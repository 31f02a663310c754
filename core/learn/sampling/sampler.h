// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "core/learn/models/decoder.h"
#include "core/learn/sampling/decode_graphs.h"

namespace pl::learn {

struct SamplingOptions {
    double temperature = 1.0; ///< 0: greedy
    int64_t topK = 0;         ///< 0: off
    double topP = 1.0;        ///< 1: off
    int64_t maxNewTokens = 128;
    int64_t batchSize = 64;
    uint64_t seed = 1;
    std::vector<int64_t> stopIds; ///< end tokens; the one that came is kept as the last id
    /// Number of each prompt's random stream; empty: its index. Lets a part of the rows be sampled again, alone.
    std::vector<uint64_t> streams;
    ReplayOptions replay; ///< of decode steps on a GPU
    /// Truncated sampling changes the distribution: log-probabilities would not be the model's. GRPO refuses it.
    bool truncates() const { return temperature <= 0 || topK > 0 || topP < 1.0; }
};

struct Sampled {
    std::vector<int64_t> ids;    ///< new tokens, the end token included when finished
    std::vector<float> logps;    ///< of each under the full distribution at the temperature, fp32
    bool finished = false;       ///< ended by a stop id, not by length
};

/// Samples one continuation for each prompt (token ids), batched with a key/value cache; finished rows are compacted away.
/// Each row has its own random stream from (seed, stream), so results do not depend on the batch size (but for the last
/// bits of a matrix product, whose blocking does).
/// `keepGoing` is asked at every decode step; false ends with what is finished (Code::Cancelled).
Result<std::vector<Sampled>> sampleBatch(Decoder& model, const std::vector<std::vector<int64_t>>& prompts,
                                         const SamplingOptions& options,
                                         const std::function<bool()>& keepGoing = {},
                                         const std::function<void(size_t index, const Sampled&)>& done = {});

} // namespace pl::learn
