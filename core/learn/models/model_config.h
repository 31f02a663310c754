// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace pl::learn {

/// The decoder's shape, from a Hugging Face config.json. Llama first; other model_types are refused by name, and so is
/// every key that would change the mathematics (rope_scaling, sliding_window, ...) and is not supported.
struct ModelConfig {
    std::string modelType = "llama";
    int64_t vocabSize = 0, hiddenSize = 0, layers = 0, heads = 0, kvHeads = 0, headDim = 0, intermediateSize = 0;
    int64_t maxPositions = 0;
    double ropeTheta = 10000, rmsNormEps = 1e-6;
    bool tiedEmbeddings = false, attentionBias = false, mlpBias = false;
    std::vector<int64_t> eosTokenIds;
    int64_t bosTokenId = -1, padTokenId = -1;
    bool rewardHead = false; ///< LlamaForSequenceClassification with one label: score.weight
    Json original;           ///< written back unchanged but for what we change

    static Result<ModelConfig> fromJson(const Json& json, std::string_view what);
    Json toJson() const;
    int64_t parameterCount() const;
    /// FLOPs of one forward over `tokens` positions of sequences of mean length `length`, each looking at itself and what
    /// is before it; `headTokens` reach the vocabulary head. Multiply-add counts as 2. Backward is twice this.
    double forwardFlops(double tokens, double length, double headTokens) const;
};

} // namespace pl::learn
