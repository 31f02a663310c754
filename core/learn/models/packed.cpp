// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/packed.h"

#include <algorithm>

#include <torch/torch.h>

namespace pl::learn {

double PackedTokens::meanReach(int64_t window) const {
    double sum = 0, tokens = 0;
    for (const auto& segment : *segments) {
        const int64_t before = segment.prefix < 0 ? 0 : (*segments)[static_cast<size_t>(segment.prefix)].length;
        const int64_t limit = window > 0 ? window : before + segment.length;
        // Of the positions before + 1 .. before + length, those up to the limit look at everything.
        const auto rising = static_cast<double>(std::clamp<int64_t>(limit - before, 0, segment.length));
        sum += rising * static_cast<double>(before) + rising * (rising + 1) / 2 +
               (static_cast<double>(segment.length) - rising) * static_cast<double>(limit);
        tokens += static_cast<double>(segment.length);
    }
    return tokens > 0 ? sum / tokens : 0;
}

double forwardFlops(const ModelConfig& config, const PackedTokens& tokens, double headTokens) {
    double reach = 0;
    for (int64_t i = 0; i < config.layers; ++i)
        reach += tokens.meanReach(config.window(i));
    reach /= static_cast<double>(std::max<int64_t>(config.layers, 1));
    // A sequence of length n looks at (n + 1) / 2 on average.
    return config.forwardFlops(static_cast<double>(tokens.ids.numel()), 2 * reach - 1, headTokens);
}

double lastLayerFlops(const ModelConfig& config, double rows) {
    const auto hidden = static_cast<double>(config.hiddenSize);
    return rows * 2 * hidden * (static_cast<double>(config.heads * config.headDim) +
                                (config.mlp == Mlp::Gated ? 3 : 2) * static_cast<double>(config.intermediateSize));
}

} // namespace pl::learn
