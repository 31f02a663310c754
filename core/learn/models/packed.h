// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <torch/types.h>

#include "core/base/model_config.h"

/// Sequences laid end to end, without padding, with what several of them begin with computed once.
namespace pl::learn {

/// A run of tokens that attends causally to itself and, when it has a prefix, to all of that.
struct Segment {
    int64_t begin = 0, length = 0;
    int64_t prefix = -1; ///< index of the segment it goes on from, which has none itself; -1: begins a sequence
};
/// Followers of a segment lie directly behind it, so that a family of sequences is one range of positions.
using Segments = std::vector<Segment>;

struct PackedTokens {
    PackedTokens() = default; ///< and so no aggregate: {ids, lengths} is a TokenBatch

    torch::Tensor ids;       ///< [tokens] int64 on the device
    torch::Tensor positions; ///< [tokens] int64 on the device: in its sequence, so a follower's go on after its prefix
    std::shared_ptr<const Segments> segments;
    int64_t longest = 0;     ///< sequence, prefix included

    /// Mean number of positions that one looks at, itself included, in a layer with this window (0: none).
    double meanReach(int64_t window) const;
};

/// Rows of a batch as PackedTokens, with where each one's numbers come from.
struct PackedBatch {
    PackedBatch() = default;

    PackedTokens tokens;
    int64_t rows = 0, width = 0; ///< width: the longest completion
    torch::Tensor sources; ///< [n] int64: positions whose hidden states predict the completions' tokens
    torch::Tensor targets; ///< [n] int64: those tokens
    torch::Tensor slots;   ///< [n] int64: row * width + place in the completion
    torch::Tensor last;    ///< [rows] int64: position of each row's last token; undefined where that was left out
};

/// Of a pass of which only some positions are read: those whose attention in the last layer is worked out.
struct Asked {
    std::vector<int64_t> from; ///< of each segment: its positions from there on, a multiple of kAskedStep (or its length: none)
    torch::Tensor rows;        ///< [n] int64: these, counted over the packed tokens, ascending
    torch::Tensor picked;      ///< [read] int64: where among them each read position stands
};
constexpr int64_t kAskedStep = 4; ///< positions that attention works on together
/// `read` [n] int64 on the host, counted over the packed tokens. Nothing where that spares less than an eighth of them.
std::optional<Asked> askedOf(const Segments& segments, const torch::Tensor& read);

/// ModelConfig::forwardFlops of a pass over packed tokens; windows shorten what is looked at.
double forwardFlops(const ModelConfig& config, const PackedTokens& tokens, double headTokens);
/// What `rows` positions cost in the last layer after its attention (output map and MLP): saved for those that are not read.
double lastLayerFlops(const ModelConfig& config, double rows);
/// What positions that are not `asked` save of the last layer's queries and attention.
double unaskedFlops(const ModelConfig& config, const Segments& segments, const Asked& asked);

} // namespace pl::learn
