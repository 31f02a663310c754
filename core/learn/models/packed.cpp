// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/packed.h"

#include <algorithm>

#include <torch/torch.h>

namespace pl::learn {

std::optional<Asked> askedOf(const Segments& segments, const torch::Tensor& rowsRead) {
    const auto read = rowsRead.contiguous();
    TORCH_CHECK(!segments.empty() && read.scalar_type() == torch::kInt64 && read.is_cpu(), "which positions are read is not said in int64 on the host");
    const int64_t tokens = segments.back().begin + segments.back().length;
    Asked out;
    for (const auto& segment : segments)
        out.from.push_back(segment.length);
    const int64_t* p = read.const_data_ptr<int64_t>();
    const auto segmentOf = [&](int64_t at) {
        return static_cast<size_t>(std::upper_bound(segments.begin(), segments.end(), at, [](int64_t t, const Segment& s) { return t < s.begin; }) -
                                   segments.begin()) - 1;
    };
    for (int64_t i = 0; i < read.numel(); ++i) {
        TORCH_CHECK(p[i] >= 0 && p[i] < tokens, "position ", p[i], " is read, but there are ", tokens);
        const size_t s = segmentOf(p[i]);
        out.from[s] = std::min(out.from[s], (p[i] - segments[s].begin) / kAskedStep * kAskedStep);
    }
    std::vector<int64_t> rows, first, picked; // first: row of each segment's position 0, which may lie before the first one
    for (size_t s = 0; s < segments.size(); ++s) {
        first.push_back(static_cast<int64_t>(rows.size()) - out.from[s]);
        for (int64_t i = out.from[s]; i < segments[s].length; ++i)
            rows.push_back(segments[s].begin + i);
    }
    if (8 * static_cast<int64_t>(rows.size()) > 7 * tokens)
        return {};
    for (int64_t i = 0; i < read.numel(); ++i) {
        const size_t s = segmentOf(p[i]);
        picked.push_back(first[s] + p[i] - segments[s].begin);
    }
    out.rows = torch::tensor(rows, torch::kInt64);
    out.picked = torch::tensor(picked, torch::kInt64);
    return out;
}

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

double unaskedFlops(const ModelConfig& config, const Segments& segments, const Asked& asked) {
    const int64_t window = config.window(config.layers - 1);
    double rows = 0, reach = 0;
    for (size_t s = 0; s < segments.size(); ++s) {
        const int64_t before = segments[s].prefix < 0 ? 0 : segments[static_cast<size_t>(segments[s].prefix)].length;
        for (int64_t i = 0; i < asked.from[s]; ++i)
            reach += static_cast<double>(window > 0 ? std::min(window, before + i + 1) : before + i + 1);
        rows += static_cast<double>(asked.from[s]);
    }
    const double map = config.layout == Layout::Gpt2 ? 0 : 2 * static_cast<double>(config.hiddenSize) * rows; // one for all three there
    return static_cast<double>(config.heads * config.headDim) * (map + 4 * reach);
}

} // namespace pl::learn
