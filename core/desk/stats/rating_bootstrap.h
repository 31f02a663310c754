// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/desk/stats/ratings.h"

namespace pl::desk {

/// Percentile intervals (95 %) of ratings fitted anew to samples of whole clusters, drawn with replacement (Efron and Tibshirani 1993,
/// sections 8.5 and 13.3): right where votes on one prompt hang together, and without a normal approximation.
struct RatingBootstrap {
    int rounds = 0;      ///< samples drawn
    int used = 0;        ///< of them, those that hold every model and whose fit settled
    uint64_t seed = 0;
    size_t clusters = 0; ///< to draw from
    std::vector<rules::Interval> strengths; ///< log-odds, one a model; NaN when fewer than half of the samples could be used
    std::vector<size_t> rankLow, rankHigh;  ///< places that these intervals allow
    rules::Interval position, logTie;
    std::vector<rules::Interval> style;
};

/// `cluster` of each match: the prompt, so that one with many answers and votes is drawn whole. Deterministic in the seed: round r draws
/// from the sequence mix64(mix64(seed) ^ r) + k, k = 0, 1, ... (each number mixed, and scaled to the count of clusters). Empty when
/// `cancelled` said so, which is asked before every round.
std::optional<RatingBootstrap> bootstrapRatings(size_t models, const MatchTable& matches, std::span<const uint64_t> cluster,
                                                const RatingOptions& options, int rounds = 400, uint64_t seed = 1,
                                                const Cancelled& cancelled = {});

} // namespace pl::desk
