// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/ratings.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

#include "core/desk/stats/rating_fit.h"

namespace pl::desk {

MatchTable::MatchTable(const std::vector<Match>& matches, size_t terms) : styleTerms(terms) {
    for (const Match& m : matches)
        add(m.first, m.second, m.outcome, m.shown ? (m.firstOnLeft ? 1 : -1) : 0, m.cluster, m.style);
}

void MatchTable::reserve(size_t matches) {
    first.reserve(matches);
    second.reserve(matches);
    outcome.reserve(matches);
    side.reserve(matches);
    cluster.reserve(matches);
    style.reserve(matches * styleTerms);
}

void MatchTable::add(size_t one, size_t other, Outcome result, int firstSide, uint64_t group, std::span<const double> terms) {
    first.push_back(static_cast<uint32_t>(one));
    second.push_back(static_cast<uint32_t>(other));
    outcome.push_back(result == Outcome::First ? 1 : result == Outcome::Second ? -1 : 0);
    side.push_back(static_cast<int8_t>(firstSide));
    cluster.push_back(group);
    for (size_t i = 0; i < styleTerms; ++i)
        style.push_back(i < terms.size() ? terms[i] : 0.0);
}

Ratings rateModels(size_t models, const std::vector<Match>& matches, const RatingOptions& options) {
    return rateMatches(models, MatchTable(matches, options.styleTerms), options);
}

Ratings rateMatches(size_t models, const MatchTable& matches, const RatingOptions& options) {
    Links links = linksOf(models, matches);
    RatingFit fit(models, matches, options, links.stronglyConnected ? options.ridge : std::max(options.ridge, options.ridgeIfSeparable));
    Ratings out;
    out.converged = models > 0 && fit.run();
    out.connected = links.connected;
    out.stronglyConnected = links.stronglyConnected;
    out.groups = std::move(links.groups);
    const auto cov = fit.covariance();
    fit.centre();
    const auto term = [&](size_t at) { return Term{fit.parameters()[at], std::sqrt(std::max(0.0, cov[at][at]))}; };
    out.models.resize(models);
    std::vector<rules::Interval> intervals;
    for (size_t i = 0; i < models; ++i) {
        out.models[i].strength = term(i);
        intervals.push_back(out.models[i].strength.interval());
    }
    if (options.position)
        out.position = term(fit.positionAt());
    for (size_t i = 0; i < options.styleTerms; ++i)
        out.style.push_back(term(fit.styleAt() + i));
    if (options.ties == TieModel::Davidson)
        out.logTie = term(fit.tieAt());
    for (size_t i = 0; i < matches.size(); ++i) {
        const size_t first = matches.first[i], second = matches.second[i];
        if (first == second || first >= models || second >= models)
            continue;
        ++out.matches;
        ++out.models[first].matches;
        ++out.models[second].matches;
        out.models[first].wins += (1 + matches.outcome[i]) / 2.0;
        out.models[second].wins += (1 - matches.outcome[i]) / 2.0;
    }
    std::vector<size_t> low, high;
    placeModels(intervals, low, high);
    for (size_t i = 0; i < models; ++i) {
        out.models[i].rankLow = low[i];
        out.models[i].rankHigh = high[i];
    }
    return out;
}

std::string Ratings::warning(const std::vector<std::string>& names) const {
    if (models.size() < 2 || matches == 0)
        return "No two models met.";
    if (!connected) {
        std::string alone;
        for (size_t i = 0; i < models.size(); ++i)
            if (groups[i] != groups[0])
                alone += (alone.empty() ? "" : ", ") + (i < names.size() ? names[i] : std::to_string(i));
        return fmt::format("The models form groups that never met: ratings across them mean nothing. Not linked with {}: {}.",
                           names.empty() ? "the first" : names[0], alone);
    }
    if (!stronglyConnected)
        return "A model, or a group of them, only won or only lost: how far apart they are is held by a prior, not by votes.";
    if (!converged)
        return "The estimate did not settle: read it as rough.";
    return {};
}

double normalisedDifference(double a, double b) { return a + b > 0 ? (a - b) / (a + b) : 0.0; }

std::vector<Cycle> preferenceCycles(const std::vector<Preference>& preferences) {
    struct Said {
        size_t prompt;
        int64_t low, high; ///< candidates
        int balance;       ///< votes for the lower one less those for the other
    };
    std::vector<Said> said;
    said.reserve(preferences.size());
    for (const Preference& p : preferences)
        if (p.winner != p.loser)
            said.push_back({p.prompt, std::min(p.winner, p.loser), std::max(p.winner, p.loser), p.winner < p.loser ? 1 : -1});
    std::sort(said.begin(), said.end(), [](const Said& x, const Said& y) { return std::tie(x.prompt, x.low, x.high) < std::tie(y.prompt, y.low, y.high); });
    std::vector<Cycle> out;
    std::vector<std::pair<int64_t, int64_t>> beats; // of one prompt, sorted
    for (size_t i = 0; i < said.size();) {
        const size_t prompt = said[i].prompt;
        beats.clear();
        while (i < said.size() && said[i].prompt == prompt) {
            const Said& pair = said[i];
            int balance = 0;
            for (; i < said.size() && said[i].prompt == prompt && said[i].low == pair.low && said[i].high == pair.high; ++i)
                balance += said[i].balance;
            if (balance != 0)
                beats.emplace_back(balance > 0 ? pair.low : pair.high, balance > 0 ? pair.high : pair.low);
        }
        if (beats.size() < 3)
            continue;
        std::sort(beats.begin(), beats.end());
        const auto losersOf = [&](int64_t winner) { return std::lower_bound(beats.begin(), beats.end(), std::pair(winner, INT64_MIN)); };
        for (const auto& [a, b] : beats)
            for (auto second = losersOf(b); b > a && second != beats.end() && second->first == b; ++second)
                if (const int64_t c = second->second; c > a && std::binary_search(beats.begin(), beats.end(), std::pair(c, a)))
                    out.push_back({prompt, {a, b, c}}); // a is the smallest: each triangle once
    }
    return out;
}

} // namespace pl::desk
