// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/rating_bootstrap.h"

#include <algorithm>
#include <limits>

#include "core/base/hash.h"
#include "core/desk/stats/rating_fit.h"

namespace pl::desk {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Whether every model that has matches has some in the sample: what is not there cannot be rated.
bool holdsAll(size_t models, const MatchTable& matches, const std::vector<double>& weights) {
    std::vector<char> ever(models), now(models);
    for (size_t i = 0; i < matches.size(); ++i)
        for (const size_t model : {size_t{matches.first[i]}, size_t{matches.second[i]}})
            if (model < models) {
                ever[model] = 1;
                now[model] |= weights[i] > 0;
            }
    return ever == now;
}

rules::Interval percentiles(const std::vector<Vector>& samples, size_t parameter) {
    std::vector<double> values;
    for (const Vector& sample : samples)
        values.push_back(sample[parameter]);
    return {rules::quantile(values, 0.025), rules::quantile(values, 0.975)};
}

} // namespace

std::optional<RatingBootstrap> bootstrapRatings(size_t models, const MatchTable& matches, std::span<const uint64_t> cluster,
                                                const RatingOptions& options, int rounds, uint64_t seed, const Cancelled& cancelled) {
    std::vector<uint64_t> groups(cluster.begin(), cluster.end());
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    std::vector<uint32_t> groupOf(matches.size());
    for (size_t i = 0; i < matches.size(); ++i)
        groupOf[i] = static_cast<uint32_t>(std::lower_bound(groups.begin(), groups.end(), cluster[i]) - groups.begin());

    std::vector<double> counts(groups.size()), weights(matches.size(), 1.0);
    const auto fitted = [&](const Vector* from) -> std::optional<Vector> {
        const bool strongly = linksOf(models, matches, &weights).stronglyConnected;
        RatingFit fit(models, matches, options, strongly ? options.ridge : std::max(options.ridge, options.ridgeIfSeparable), &weights);
        if (from)
            fit.parameters() = *from;
        if (!fit.run())
            return std::nullopt;
        fit.centre();
        return fit.parameters();
    };
    RatingBootstrap out;
    out.rounds = rounds;
    out.seed = seed;
    out.clusters = groups.size();
    std::vector<Vector> samples;
    const auto whole = models > 0 && !groups.empty() ? fitted(nullptr) : std::nullopt;
    for (int round = 0; whole && round < rounds; ++round) {
        if (cancelled && cancelled())
            return std::nullopt;
        std::fill(counts.begin(), counts.end(), 0.0);
        const uint64_t start = mix64(mix64(seed) ^ static_cast<uint64_t>(round));
        for (uint64_t k = 0; k < groups.size(); ++k) {
            const auto drawn = static_cast<size_t>(unitUniform(mix64(start + k)) * static_cast<double>(groups.size()));
            counts[std::min(drawn, groups.size() - 1)] += 1;
        }
        for (size_t i = 0; i < matches.size(); ++i)
            weights[i] = counts[groupOf[i]];
        if (!holdsAll(models, matches, weights))
            continue;
        if (auto sample = fitted(&*whole))
            samples.push_back(std::move(*sample));
    }
    out.used = static_cast<int>(samples.size());
    const bool enough = !samples.empty() && 2 * out.used >= rounds;
    const auto interval = [&](size_t parameter) { return enough ? percentiles(samples, parameter) : rules::Interval{kNan, kNan}; };
    const RatingFit places(models, matches, options, options.ridge);
    for (size_t i = 0; i < models; ++i)
        out.strengths.push_back(interval(i));
    placeModels(out.strengths, out.rankLow, out.rankHigh);
    out.position = options.position ? interval(places.positionAt()) : rules::Interval{};
    for (size_t i = 0; i < options.styleTerms; ++i)
        out.style.push_back(interval(places.styleAt() + i));
    out.logTie = options.ties == TieModel::Davidson ? interval(places.tieAt()) : rules::Interval{};
    return out;
}

} // namespace pl::desk
