// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

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

    explicit Coincidences(const std::vector<Unit>& units) {
        std::map<int, size_t> index;
        for (const Unit& unit : units)
            if (unit.size() >= 2)
                for (const int value : unit)
                    index[value] = 0;
        for (auto& [value, at] : index) {
            at = categories.size();
            categories.push_back(value);
        }
        n.assign(categories.size(), std::vector<double>(categories.size(), 0.0));
        marginal.assign(categories.size(), 0.0);
        std::vector<double> counts(categories.size());
        for (const Unit& unit : units) {
            if (unit.size() < 2)
                continue;
            std::fill(counts.begin(), counts.end(), 0.0);
            for (const int value : unit)
                counts[index[value]] += 1;
            const double others = static_cast<double>(unit.size() - 1);
            for (size_t c = 0; c < counts.size(); ++c)
                for (size_t k = 0; counts[c] > 0 && k < counts.size(); ++k)
                    n[c][k] += counts[c] * (counts[k] - (c == k ? 1 : 0)) / others;
        }
        for (size_t c = 0; c < n.size(); ++c) {
            for (const double value : n[c])
                marginal[c] += value;
            total += marginal[c];
        }
    }
};

} // namespace

double krippendorffAlpha(const std::vector<Unit>& units, Level level) {
    const Coincidences t(units);
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

double rawAgreement(const std::vector<Unit>& units) {
    const Coincidences t(units);
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

double fleissKappa(const std::vector<Unit>& units) {
    if (units.empty() || units.front().size() < 2)
        return kNan;
    const double raters = static_cast<double>(units.front().size()), n = static_cast<double>(units.size());
    std::map<int, double> share;
    double agreement = 0;
    for (const Unit& unit : units) {
        if (static_cast<double>(unit.size()) != raters)
            return kNan;
        std::map<int, double> counts;
        for (const int value : unit)
            counts[value] += 1;
        for (const auto& [value, count] : counts) {
            share[value] += count / (n * raters);
            agreement += count * (count - 1) / (raters * (raters - 1)) / n;
        }
    }
    double chance = 0;
    for (const auto& [value, p] : share)
        chance += p * p;
    return chance < 1 ? (agreement - chance) / (1 - chance) : kNan;
}

double gwetAc1(const std::vector<Unit>& units, int categories) {
    if (categories < 2)
        return kNan;
    double agreement = 0, compared = 0, rated = 0;
    std::map<int, double> share;
    for (const Unit& unit : units) {
        if (unit.empty())
            continue;
        const double r = static_cast<double>(unit.size());
        std::map<int, double> counts;
        for (const int value : unit)
            counts[value] += 1;
        rated += 1;
        for (const auto& [value, count] : counts) {
            share[value] += count / r;
            if (r >= 2)
                agreement += count * (count - 1) / (r * (r - 1));
        }
        compared += r >= 2 ? 1 : 0;
    }
    if (compared == 0)
        return kNan;
    double chance = 0;
    for (const auto& [value, sum] : share)
        chance += sum / rated * (1 - sum / rated);
    chance /= categories - 1;
    return (agreement / compared - chance) / (1 - chance);
}

rules::Interval bootstrapInterval(const std::vector<Unit>& units, const std::function<double(const std::vector<Unit>&)>& statistic,
                                  int rounds, uint64_t seed) {
    std::vector<const Unit*> pairable;
    for (const Unit& unit : units)
        if (unit.size() >= 2)
            pairable.push_back(&unit);
    std::vector<double> values;
    std::vector<Unit> sample(pairable.size());
    for (int round = 0; round < rounds && !pairable.empty(); ++round) {
        const uint64_t stream = mix64(mix64(seed) ^ static_cast<uint64_t>(round));
        for (size_t i = 0; i < sample.size(); ++i)
            sample[i] = *pairable[mix64(stream + i) % pairable.size()];
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
                      int maxRounds) {
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
                out.raters[vote.rater][c][static_cast<size_t>(vote.category)] += out.items[vote.item][c];
        for (const auto& item : out.items)
            for (size_t c = 0; c < k; ++c)
                out.prevalence[c] += item[c];
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
        for (auto& item : next)
            for (size_t c = 0; c < k; ++c)
                item[c] = std::log(out.prevalence[c]);
        for (const RaterVote& vote : votes)
            for (size_t c = 0; c < k; ++c)
                next[vote.item][c] += std::log(out.raters[vote.rater][c][static_cast<size_t>(vote.category)]);
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
