// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "core/base/hash.h"

namespace pl::desk {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double square(double x) { return x * x; }

/// The coincidences of pairable values: n[c][k] = sum over items of ordered pairs (c, k) / (ratings - 1).
struct Coincidences {
    std::vector<int> categories; ///< sorted
    std::vector<std::vector<double>> n;
    std::vector<double> marginal;
    double total = 0;

    explicit Coincidences(const Patterns& items) {
        std::map<int, size_t> index;
        for (size_t i = 0; i < items.units.size(); ++i)
            if (items.units[i].size() >= 2 && items.counts[i] > 0)
                for (const int value : items.units[i])
                    index[value] = 0;
        for (auto& [value, at] : index) {
            at = categories.size();
            categories.push_back(value);
        }
        n.assign(categories.size(), std::vector<double>(categories.size(), 0.0));
        marginal.assign(categories.size(), 0.0);
        std::vector<double> counts(categories.size());
        for (size_t i = 0; i < items.units.size(); ++i) {
            const Unit& unit = items.units[i];
            if (unit.size() < 2 || items.counts[i] <= 0)
                continue;
            std::fill(counts.begin(), counts.end(), 0.0);
            for (const int value : unit)
                counts[index[value]] += 1;
            const double weight = items.counts[i] / static_cast<double>(unit.size() - 1);
            for (size_t c = 0; c < counts.size(); ++c)
                for (size_t k = 0; counts[c] > 0 && k < counts.size(); ++k)
                    n[c][k] += weight * counts[c] * (counts[k] - (c == k ? 1 : 0));
        }
        for (size_t c = 0; c < n.size(); ++c) {
            for (const double value : n[c])
                marginal[c] += value;
            total += marginal[c];
        }
    }
};

/// How many of n trials succeed. Exact below a thousand expected either way, above it the rounded normal, whose error is far below that
/// of a percentile of some hundred rounds.
double binomial(double n, double p, std::mt19937_64& random) {
    if (n <= 0 || p <= 0)
        return 0;
    if (p >= 1)
        return n;
    const double spread = n * p * (1 - p);
    if (spread < 1000)
        return static_cast<double>(std::binomial_distribution<int64_t>(static_cast<int64_t>(n), p)(random));
    return std::clamp(std::round(std::normal_distribution<double>(n * p, std::sqrt(spread))(random)), 0.0, n);
}

} // namespace

Patterns::Patterns(const std::vector<Unit>& items) {
    std::map<Unit, double> seen;
    Unit sorted;
    for (const Unit& item : items) {
        sorted = item;
        std::sort(sorted.begin(), sorted.end());
        seen[sorted] += 1;
    }
    for (auto& [unit, count] : seen) {
        units.push_back(unit);
        counts.push_back(count);
    }
}

double krippendorffAlpha(const Patterns& items, Level level) {
    const Coincidences t(items);
    const size_t size = t.categories.size();
    if (size < 2 || t.total <= 1)
        return kNan;
    const auto weight = [&](size_t c, size_t k) {
        switch (level) {
        case Level::Nominal: return c == k ? 0.0 : 1.0;
        case Level::Interval: return square(t.categories[c] - t.categories[k]);
        case Level::Ordinal: break;
        }
        double between = 0;
        for (size_t g = std::min(c, k); g <= std::max(c, k); ++g)
            between += t.marginal[g];
        return square(between - (t.marginal[c] + t.marginal[k]) / 2);
    };
    double observed = 0, expected = 0;
    for (size_t c = 0; c < size; ++c)
        for (size_t k = 0; k < size; ++k) {
            observed += t.n[c][k] * weight(c, k);
            expected += t.marginal[c] * t.marginal[k] * weight(c, k);
        }
    return 1 - (t.total - 1) * observed / expected;
}

double rawAgreement(const Patterns& items) {
    const Coincidences t(items);
    if (t.total <= 0)
        return kNan;
    double same = 0;
    for (size_t c = 0; c < t.n.size(); ++c)
        same += t.n[c][c];
    return same / t.total;
}

double cohenKappa(const std::vector<TwoRatings>& items, KappaWeights weights) {
    if (items.empty())
        return kNan;
    std::map<int, double> first, second;
    for (const auto& item : items) {
        first[item.first] += 1;
        second[item.second] += 1;
    }
    const auto distance = [&](int i, int j) { return weights == KappaWeights::None ? double(i != j) : square(i - j); };
    double observed = 0, expected = 0;
    for (const auto& item : items)
        observed += distance(item.first, item.second);
    for (const auto& [i, n] : first)
        for (const auto& [j, m] : second)
            expected += n * m * distance(i, j);
    expected /= static_cast<double>(items.size());
    return expected > 0 ? 1 - observed / expected : kNan;
}

double fleissKappa(const Patterns& items) {
    if (items.units.empty() || items.units.front().size() < 2)
        return kNan;
    const double raters = static_cast<double>(items.units.front().size());
    double n = 0;
    for (const double count : items.counts)
        n += count;
    std::map<int, double> share;
    double agreement = 0;
    for (size_t i = 0; i < items.units.size(); ++i) {
        if (static_cast<double>(items.units[i].size()) != raters)
            return kNan;
        std::map<int, double> counts;
        for (const int value : items.units[i])
            counts[value] += 1;
        for (const auto& [value, count] : counts) {
            share[value] += items.counts[i] * count / (n * raters);
            agreement += items.counts[i] * count * (count - 1) / (raters * (raters - 1)) / n;
        }
    }
    double chance = 0;
    for (const auto& [value, p] : share)
        chance += p * p;
    return chance < 1 ? (agreement - chance) / (1 - chance) : kNan;
}

double gwetAc1(const Patterns& items, int categories) {
    if (categories < 2)
        return kNan;
    double agreement = 0, compared = 0, rated = 0;
    std::map<int, double> share;
    for (size_t i = 0; i < items.units.size(); ++i) {
        const Unit& unit = items.units[i];
        if (unit.empty())
            continue;
        const double r = static_cast<double>(unit.size()), many = items.counts[i];
        std::map<int, double> counts;
        for (const int value : unit)
            counts[value] += 1;
        rated += many;
        for (const auto& [value, count] : counts) {
            share[value] += many * count / r;
            if (r >= 2)
                agreement += many * count * (count - 1) / (r * (r - 1));
        }
        compared += r >= 2 ? many : 0;
    }
    if (compared == 0)
        return kNan;
    double chance = 0;
    for (const auto& [value, sum] : share)
        chance += sum / rated * (1 - sum / rated);
    chance /= categories - 1;
    return (agreement / compared - chance) / (1 - chance);
}

rules::Interval bootstrapInterval(const Patterns& items, const std::function<double(const Patterns&)>& statistic, int rounds,
                                  uint64_t seed) {
    Patterns sample;
    std::vector<double> share; // of the items that are left when those before have been dealt
    double total = 0;
    for (size_t i = 0; i < items.units.size(); ++i)
        if (items.units[i].size() >= 2 && items.counts[i] > 0) {
            sample.units.push_back(items.units[i]);
            share.push_back(items.counts[i]);
            total += items.counts[i];
        }
    double rest = total;
    for (double& each : share) {
        const double count = each;
        each = std::min(1.0, count / rest);
        rest -= count;
    }
    if (!share.empty())
        share.back() = 1;
    std::vector<double> values;
    sample.counts.resize(share.size());
    for (int round = 0; round < rounds && !share.empty(); ++round) {
        std::mt19937_64 random(mix64(mix64(seed) ^ static_cast<uint64_t>(round)));
        double left = total;
        for (size_t i = 0; i < share.size(); ++i)
            left -= sample.counts[i] = binomial(left, share[i], random);
        if (const double value = statistic(sample); !std::isnan(value))
            values.push_back(value);
    }
    if (values.empty() || values.size() * 2 < static_cast<size_t>(rounds))
        return {kNan, kNan};
    return {rules::quantile(values, 0.025), rules::quantile(values, 0.975)};
}

double DawidSkene::accuracy(size_t rater) const {
    double out = 0;
    for (size_t c = 0; c < prevalence.size(); ++c)
        out += prevalence[c] * raters[rater][c][c];
    return out;
}

DawidSkene dawidSkene(const std::vector<RaterVote>& votes, size_t items, size_t raters, int categories, double smoothing,
                      int maxRounds, const std::vector<double>& weights) {
    const auto weightOf = [&](size_t item) { return weights.empty() ? 1.0 : weights[item]; };
    const auto k = static_cast<size_t>(std::max(categories, 1));
    DawidSkene out;
    out.items.assign(items, std::vector<double>(k, 0.0));
    out.prevalence.assign(k, 1.0 / static_cast<double>(k));
    for (const RaterVote& vote : votes) // the majority's shares to begin with
        out.items[vote.item][static_cast<size_t>(vote.category)] += 1;
    for (auto& item : out.items) {
        double sum = 0;
        for (const double value : item)
            sum += value;
        for (double& value : item)
            value = sum > 0 ? value / sum : 1.0 / static_cast<double>(k);
    }
    std::vector<std::vector<double>> next(items, std::vector<double>(k));
    for (out.rounds = 1; out.rounds <= maxRounds; ++out.rounds) {
        out.raters.assign(raters, std::vector<std::vector<double>>(k, std::vector<double>(k, smoothing)));
        out.prevalence.assign(k, smoothing);
        for (const RaterVote& vote : votes)
            for (size_t c = 0; c < k; ++c)
                out.raters[vote.rater][c][static_cast<size_t>(vote.category)] += weightOf(vote.item) * out.items[vote.item][c];
        for (size_t i = 0; i < items; ++i)
            for (size_t c = 0; c < k; ++c)
                out.prevalence[c] += weightOf(i) * out.items[i][c];
        const auto normalise = [](std::vector<double>& row) {
            double sum = 0;
            for (const double value : row)
                sum += value;
            for (double& value : row)
                value /= sum;
        };
        normalise(out.prevalence);
        for (auto& rater : out.raters)
            for (auto& row : rater)
                normalise(row);
        const auto logarithms = [](std::vector<double> row) {
            for (double& value : row)
                value = std::log(value);
            return row;
        };
        next.assign(items, logarithms(out.prevalence));
        std::vector<std::vector<std::vector<double>>> logRaters = out.raters;
        for (auto& rater : logRaters)
            for (auto& row : rater)
                row = logarithms(std::move(row));
        for (const RaterVote& vote : votes)
            for (size_t c = 0; c < k; ++c)
                next[vote.item][c] += logRaters[vote.rater][c][static_cast<size_t>(vote.category)];
        double change = 0;
        for (size_t i = 0; i < items; ++i) {
            const double top = *std::max_element(next[i].begin(), next[i].end());
            double sum = 0;
            for (double& value : next[i])
                sum += value = std::exp(value - top);
            for (size_t c = 0; c < k; ++c) {
                change = std::max(change, std::abs(next[i][c] / sum - out.items[i][c]));
                out.items[i][c] = next[i][c] / sum;
            }
        }
        if (change < 1e-6)
            break;
    }
    out.rounds = std::min(out.rounds, maxRounds);
    return out;
}

} // namespace pl::desk
