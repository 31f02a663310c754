// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/ratings.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

namespace pl::desk {

namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

/// Lower triangle L with L L^T = m (positive definite).
bool cholesky(Matrix& m) {
    for (size_t i = 0; i < m.size(); ++i)
        for (size_t j = 0; j <= i; ++j) {
            double sum = m[i][j];
            for (size_t k = 0; k < j; ++k)
                sum -= m[i][k] * m[j][k];
            if (i == j) {
                if (!(sum > 0))
                    return false;
                m[i][i] = std::sqrt(sum);
            } else {
                m[i][j] = sum / m[j][j];
            }
        }
    return true;
}

Vector solve(const Matrix& l, Vector b) {
    for (size_t i = 0; i < b.size(); ++i) {
        for (size_t k = 0; k < i; ++k)
            b[i] -= l[i][k] * b[k];
        b[i] /= l[i][i];
    }
    for (size_t i = b.size(); i-- > 0;) {
        for (size_t k = i + 1; k < b.size(); ++k)
            b[i] -= l[k][i] * b[k];
        b[i] /= l[i][i];
    }
    return b;
}

/// Parameters in a row: strengths, position, style, log nu.
class Fit {
public:
    Fit(size_t models, const std::vector<Match>& matches, const RatingOptions& options, double ridge)
        : m_models(models), m_options(options), m_ridge(ridge), m_position(models),
          m_style(models + (options.position ? 1 : 0)), m_tie(m_style + options.styleTerms),
          m_size(m_tie + (options.ties == TieModel::Davidson ? 1 : 0)), m_x(m_size, 0.0) {
        for (const Match& match : matches)
            if (match.first != match.second && match.first < models && match.second < models)
                m_matches.push_back(&match);
    }

    bool run() {
        for (int round = 0; round < 100; ++round) {
            Vector gradient;
            Matrix information;
            const double now = evaluate(gradient, information);
            if (!cholesky(information))
                return false;
            const auto step = solve(information, gradient);
            double largest = 0, scale = 1;
            for (const double s : step)
                largest = std::max(largest, std::abs(s));
            if (largest < 1e-10)
                return true;
            if (largest > 4) // far from the optimum the quadratic form promises too much
                scale = 4 / largest;
            const Vector from = m_x;
            for (int halving = 0; halving < 40; ++halving, scale /= 2) {
                for (size_t i = 0; i < m_size; ++i)
                    m_x[i] = from[i] + scale * step[i];
                if (value() >= now - 1e-12 * std::abs(now))
                    break;
            }
        }
        return false;
    }

    /// Covariance of the parameters after the strengths were centred: C H^-1 (sum of g g^T over clusters) H^-1 C^T.
    Matrix covariance() const {
        Vector gradient;
        Matrix information;
        evaluate(gradient, information);
        Matrix out(m_size, Vector(m_size, 0.0));
        if (!cholesky(information))
            return out;
        std::map<size_t, Vector> clusters;
        for (const Match* match : m_matches) {
            auto& sum = clusters[match->cluster];
            sum.resize(m_size, 0.0);
            addGradient(*match, sum);
        }
        for (const auto& [cluster, g] : clusters) {
            auto v = solve(information, g);
            double mean = 0;
            for (size_t i = 0; i < m_models; ++i)
                mean += v[i] / static_cast<double>(m_models);
            for (size_t i = 0; i < m_models; ++i)
                v[i] -= mean;
            for (size_t i = 0; i < m_size; ++i)
                for (size_t j = 0; j < m_size; ++j)
                    out[i][j] += v[i] * v[j];
        }
        return out;
    }

    Ratings result() const {
        Ratings out;
        const auto cov = covariance();
        const auto term = [&](size_t at) { return Term{m_x[at], std::sqrt(std::max(0.0, cov[at][at]))}; };
        out.matches = static_cast<int64_t>(m_matches.size());
        double mean = 0;
        for (size_t i = 0; i < m_models; ++i)
            mean += m_x[i] / static_cast<double>(m_models);
        out.models.resize(m_models);
        for (size_t i = 0; i < m_models; ++i) {
            out.models[i].strength = term(i);
            out.models[i].strength.value -= mean;
        }
        for (const Match* match : m_matches) {
            auto &first = out.models[match->first], &second = out.models[match->second];
            ++first.matches;
            ++second.matches;
            first.wins += match->outcome == Outcome::First ? 1 : match->outcome == Outcome::Tie ? 0.5 : 0;
            second.wins += match->outcome == Outcome::Second ? 1 : match->outcome == Outcome::Tie ? 0.5 : 0;
        }
        if (m_options.position)
            out.position = term(m_position);
        for (size_t i = 0; i < m_options.styleTerms; ++i)
            out.style.push_back(term(m_style + i));
        if (m_options.ties == TieModel::Davidson)
            out.logTie = term(m_tie);
        return out;
    }

private:
    double side(const Match& match) const {
        return m_options.position && match.shown ? (match.firstOnLeft ? 1.0 : -1.0) : 0.0;
    }
    double styleAt(const Match& match, size_t i) const { return i < match.style.size() ? match.style[i] : 0.0; }

    double eta(const Match& match) const {
        double out = m_x[match.first] - m_x[match.second];
        if (m_options.position)
            out += m_x[m_position] * side(match);
        for (size_t i = 0; i < m_options.styleTerms; ++i)
            out += m_x[m_style + i] * styleAt(match, i);
        return out;
    }

    /// Probabilities of first, tie, second; the tie's is 0 with TieModel::Half.
    std::array<double, 3> probabilities(double eta) const {
        const double tie = m_options.ties == TieModel::Davidson ? m_x[m_tie] : -INFINITY;
        const double top = std::max({eta / 2, -eta / 2, tie});
        const double a = std::exp(eta / 2 - top), b = std::exp(-eta / 2 - top), t = std::exp(tie - top);
        return {a / (a + b + t), t / (a + b + t), b / (a + b + t)};
    }

    double logLikelihood(const Match& match) const {
        const auto p = probabilities(eta(match));
        switch (match.outcome) {
        case Outcome::First: return std::log(p[0]);
        case Outcome::Second: return std::log(p[2]);
        case Outcome::Tie: break;
        }
        return m_options.ties == TieModel::Davidson ? std::log(p[1]) : (std::log(p[0]) + std::log(p[2])) / 2;
    }

    double value() const {
        double out = 0;
        for (const Match* match : m_matches)
            out += logLikelihood(*match);
        for (size_t i = 0; i < m_size; ++i)
            out -= m_ridge * m_x[i] * m_x[i] / 2;
        return out;
    }

    /// The non-zero entries of d eta / d parameters.
    void direction(const Match& match, std::vector<std::pair<size_t, double>>& out) const {
        out.clear();
        out.emplace_back(match.first, 1.0);
        out.emplace_back(match.second, -1.0);
        if (const double s = side(match); s != 0)
            out.emplace_back(m_position, s);
        for (size_t i = 0; i < m_options.styleTerms; ++i)
            if (const double s = styleAt(match, i); s != 0)
                out.emplace_back(m_style + i, s);
    }

    /// d log likelihood / d eta and / d log nu.
    std::pair<double, double> slopes(const Match& match, const std::array<double, 3>& p) const {
        const double mean = (p[0] - p[2]) / 2;
        if (m_options.ties == TieModel::Half) {
            const double score = match.outcome == Outcome::First ? 1 : match.outcome == Outcome::Tie ? 0.5 : 0;
            return {score - p[0], 0};
        }
        const double seen = match.outcome == Outcome::First ? 0.5 : match.outcome == Outcome::Second ? -0.5 : 0;
        return {seen - mean, (match.outcome == Outcome::Tie ? 1 : 0) - p[1]};
    }

    void addGradient(const Match& match, Vector& out) const {
        const auto p = probabilities(eta(match));
        const auto [byEta, byTie] = slopes(match, p);
        direction(match, m_scratch);
        for (const auto& [at, d] : m_scratch)
            out[at] += byEta * d;
        if (m_options.ties == TieModel::Davidson)
            out[m_tie] += byTie;
    }

    double evaluate(Vector& gradient, Matrix& information) const {
        gradient.assign(m_size, 0.0);
        information.assign(m_size, Vector(m_size, 0.0));
        double out = 0;
        for (const Match* match : m_matches) {
            out += logLikelihood(*match);
            addGradient(*match, gradient);
            const auto p = probabilities(eta(*match));
            // Variance of eta's and the tie's sufficient statistics, and their covariance.
            const double mean = (p[0] - p[2]) / 2;
            const bool davidson = m_options.ties == TieModel::Davidson;
            const double curve = davidson ? (p[0] + p[2]) / 4 - mean * mean : p[0] * p[2];
            const double both = -mean * p[1];
            direction(*match, m_scratch);
            for (const auto& [i, di] : m_scratch) {
                for (const auto& [j, dj] : m_scratch)
                    information[i][j] += curve * di * dj;
                if (davidson) {
                    information[i][m_tie] += both * di;
                    information[m_tie][i] += both * di;
                }
            }
            if (davidson)
                information[m_tie][m_tie] += p[1] * (1 - p[1]);
        }
        for (size_t i = 0; i < m_size; ++i) {
            out -= m_ridge * m_x[i] * m_x[i] / 2;
            gradient[i] -= m_ridge * m_x[i];
            information[i][i] += m_ridge;
        }
        // A shift of all strengths changes nothing: fixing their mean leaves the optimum and makes the matrix regular.
        for (size_t i = 0; i < m_models; ++i)
            for (size_t j = 0; j < m_models; ++j)
                information[i][j] += 1 / static_cast<double>(m_models);
        return out;
    }

    size_t m_models;
    RatingOptions m_options;
    double m_ridge;
    size_t m_position, m_style, m_tie, m_size;
    Vector m_x;
    std::vector<const Match*> m_matches;
    mutable std::vector<std::pair<size_t, double>> m_scratch;
};

/// Models that can be reached from `from` along edges.
std::vector<bool> reached(const std::vector<std::set<size_t>>& edges, size_t from) {
    std::vector<bool> seen(edges.size(), false);
    std::vector<size_t> open{from};
    seen[from] = true;
    while (!open.empty()) {
        const size_t at = open.back();
        open.pop_back();
        for (const size_t next : edges[at])
            if (!seen[next]) {
                seen[next] = true;
                open.push_back(next);
            }
    }
    return seen;
}

} // namespace

Ratings rateModels(size_t models, const std::vector<Match>& matches, const RatingOptions& options) {
    // An edge from the loser to the winner; a tie goes both ways.
    std::vector<std::set<size_t>> up(models), down(models), either(models);
    for (const Match& m : matches) {
        if (m.first == m.second || m.first >= models || m.second >= models)
            continue;
        either[m.first].insert(m.second);
        either[m.second].insert(m.first);
        if (m.outcome != Outcome::First) {
            up[m.first].insert(m.second);
            down[m.second].insert(m.first);
        }
        if (m.outcome != Outcome::Second) {
            up[m.second].insert(m.first);
            down[m.first].insert(m.second);
        }
    }
    const auto all = [](const std::vector<bool>& seen) { return std::all_of(seen.begin(), seen.end(), [](bool s) { return s; }); };
    const bool connected = models > 0 && all(reached(either, 0));
    const bool strongly = connected && all(reached(up, 0)) && all(reached(down, 0));

    Fit fit(models, matches, options, strongly ? options.ridge : std::max(options.ridge, options.ridgeIfSeparable));
    const bool converged = models > 0 && fit.run();
    Ratings out = fit.result();
    out.converged = converged;
    out.connected = connected;
    out.stronglyConnected = strongly;
    out.groups.assign(models, models);
    for (size_t i = 0, group = 0; i < models; ++i)
        if (out.groups[i] == models) {
            const auto seen = reached(either, i);
            for (size_t j = 0; j < models; ++j)
                if (seen[j])
                    out.groups[j] = group;
            ++group;
        }
    for (size_t i = 0; i < models; ++i) {
        const auto mine = out.models[i].strength.interval();
        size_t better = 0, worse = 0;
        for (size_t j = 0; j < models; ++j) {
            const auto other = out.models[j].strength.interval();
            better += j != i && other.low > mine.high;
            worse += j != i && other.high < mine.low;
        }
        out.models[i].rankLow = 1 + better;
        out.models[i].rankHigh = models - worse;
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
    std::map<size_t, std::map<std::pair<int64_t, int64_t>, int64_t>> score; // prompt, (smaller, larger): votes for the smaller
    for (const Preference& p : preferences)
        if (p.winner != p.loser)
            score[p.prompt][std::minmax(p.winner, p.loser)] += p.winner < p.loser ? 1 : -1;
    std::vector<Cycle> out;
    for (const auto& [prompt, pairs] : score) {
        std::map<int64_t, std::set<int64_t>> beats;
        for (const auto& [pair, balance] : pairs)
            if (balance != 0)
                beats[balance > 0 ? pair.first : pair.second].insert(balance > 0 ? pair.second : pair.first);
        for (const auto& [a, losers] : beats)
            for (const int64_t b : losers) {
                const auto second = beats.find(b);
                if (second == beats.end() || b < a)
                    continue;
                for (const int64_t c : second->second) {
                    const auto third = beats.find(c);
                    if (c > a && third != beats.end() && third->second.count(a)) // a is the smallest: each triangle once
                        out.push_back({prompt, {a, b, c}});
                }
            }
    }
    return out;
}

} // namespace pl::desk
