// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/rating_fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pl::desk {

namespace {

constexpr double kMost = 300; ///< exp of it squared is still a number

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

/// Models that can be reached from `from` along edges.
std::vector<bool> reached(const std::vector<std::vector<bool>>& edges, size_t from) {
    std::vector<bool> seen(edges.size(), false);
    std::vector<size_t> open{from};
    seen[from] = true;
    while (!open.empty()) {
        const size_t at = open.back();
        open.pop_back();
        for (size_t next = 0; next < edges.size(); ++next)
            if (edges[at][next] && !seen[next]) {
                seen[next] = true;
                open.push_back(next);
            }
    }
    return seen;
}

} // namespace

Links linksOf(size_t models, const MatchTable& matches, const std::vector<double>* weights) {
    // An edge from the loser to the winner; a tie goes both ways.
    using Edges = std::vector<std::vector<bool>>;
    Edges up(models, std::vector<bool>(models)), down = up, either = up;
    for (size_t i = 0; i < matches.size(); ++i) {
        const size_t first = matches.first[i], second = matches.second[i];
        if (first == second || first >= models || second >= models || (weights && (*weights)[i] == 0))
            continue;
        either[first][second] = either[second][first] = true;
        if (matches.outcome[i] <= 0)
            up[first][second] = down[second][first] = true;
        if (matches.outcome[i] >= 0)
            up[second][first] = down[first][second] = true;
    }
    const auto all = [](const std::vector<bool>& seen) { return std::all_of(seen.begin(), seen.end(), [](bool s) { return s; }); };
    Links out;
    out.connected = models > 0 && all(reached(either, 0));
    out.stronglyConnected = out.connected && all(reached(up, 0)) && all(reached(down, 0));
    out.groups.assign(models, models);
    for (size_t i = 0, group = 0; i < models; ++i)
        if (out.groups[i] == models) {
            const auto seen = reached(either, i);
            for (size_t j = 0; j < models; ++j)
                if (seen[j])
                    out.groups[j] = group;
            ++group;
        }
    return out;
}

RatingFit::RatingFit(size_t models, const MatchTable& matches, const RatingOptions& options, double ridge, const std::vector<double>* weights)
    : m_models(models), m_table(matches), m_weights(weights), m_options(options), m_ridge(ridge),
      m_common((options.position ? 1 : 0) + options.styleTerms), m_position(models), m_style(models + (options.position ? 1 : 0)),
      m_tie(m_style + options.styleTerms), m_size(m_tie + (options.ties == TieModel::Davidson ? 1 : 0)), m_x(m_size, 0.0) {}

/// What one match says: eta, the three probabilities, and the slopes by eta and by log nu.
struct RatingFit::At {
    double eta = 0, sum = 1, first = 0, tie = 0, second = 0, byEta = 0, byTie = 0;
};

double RatingFit::nu() const { return m_options.ties == TieModel::Davidson ? std::exp(std::clamp(m_x[m_tie], -kMost, kMost)) : 0; }

RatingFit::At RatingFit::at(size_t match, double nu) const {
    At out;
    const int side = m_options.position ? m_table.side[match] : 0;
    out.eta = m_x[m_table.first[match]] - m_x[m_table.second[match]];
    if (side)
        out.eta += side * m_x[m_position];
    const size_t terms = std::min(m_options.styleTerms, m_table.styleTerms);
    for (size_t i = 0; i < terms; ++i)
        out.eta += m_x[m_style + i] * m_table.style[match * m_table.styleTerms + i];
    const double e = std::exp(std::clamp(out.eta / 2, -kMost, kMost)), inverse = 1 / e;
    out.sum = e + inverse + nu;
    out.first = e / out.sum;
    out.second = inverse / out.sum;
    out.tie = nu / out.sum;
    const int outcome = m_table.outcome[match];
    out.byEta = outcome / 2.0 - (out.first - out.second) / 2; // with half ties: score - p(first), which is the same
    out.byTie = m_options.ties == TieModel::Davidson ? (outcome == 0 ? 1 : 0) - out.tie : 0;
    return out;
}

template<bool Weighted>
RatingFit::Derivatives RatingFit::derivativesOf() const {
    const bool davidson = m_options.ties == TieModel::Davidson;
    const size_t c = m_common, terms = std::min(m_options.styleTerms, m_table.styleTerms), styleFrom = m_options.position ? 1 : 0;
    const double logTie = davidson ? m_x[m_tie] : 0, nu = this->nu();
    Vector models(m_models), diagonal(m_models), meetings(m_models * m_models), modelTie(m_models), cross(m_models * c), common(c),
        commonTie(c), square(c * c), u(c);
    double tie = 0, tieTie = 0, value = 0, product = 1;
    for (size_t i = 0; i < m_table.size(); ++i) {
        const double w = Weighted ? (*m_weights)[i] : 1;
        if (!counts(i) || (Weighted && w == 0))
            continue;
        const At p = at(i, nu);
        const double mean = (p.first - p.second) / 2;
        // Variance of eta's and the tie's sufficient statistics, and their covariance.
        const double curve = w * (davidson ? (p.first + p.second) / 4 - mean * mean : p.first * p.second);
        const double byEta = w * p.byEta;
        const int outcome = m_table.outcome[i];
        value += w * (outcome * p.eta / 2 + (outcome == 0 ? logTie : 0));
        if constexpr (Weighted) {
            value -= w * std::log(p.sum);
        } else if ((product *= p.sum) > 1e150) { // one logarithm for many matches
            value -= std::log(product);
            product = 1;
        }
        const size_t first = m_table.first[i], second = m_table.second[i];
        models[first] += byEta;
        models[second] -= byEta;
        diagonal[first] += curve;
        diagonal[second] += curve;
        meetings[std::min(first, second) * m_models + std::max(first, second)] -= curve;
        if (m_options.position)
            u[0] = m_table.side[i];
        for (size_t k = 0; k < terms; ++k)
            u[styleFrom + k] = m_table.style[i * m_table.styleTerms + k];
        for (size_t k = 0; k < c; ++k) {
            const double by = curve * u[k];
            common[k] += byEta * u[k];
            cross[first * c + k] += by;
            cross[second * c + k] -= by;
            for (size_t l = 0; l <= k; ++l)
                square[k * c + l] += by * u[l];
        }
        if (davidson) {
            const double both = -w * mean * p.tie;
            tie += w * p.byTie;
            tieTie += w * p.tie * (1 - p.tie);
            modelTie[first] += both;
            modelTie[second] -= both;
            for (size_t k = 0; k < c; ++k)
                commonTie[k] += both * u[k];
        }
    }
    Derivatives out;
    out.value = value - std::log(product);
    out.gradient.assign(m_size, 0.0);
    out.information.assign(m_size, Vector(m_size, 0.0));
    auto& h = out.information;
    for (size_t i = 0; i < m_models; ++i) {
        out.gradient[i] = models[i];
        h[i][i] = diagonal[i];
        for (size_t j = i + 1; j < m_models; ++j)
            h[i][j] = h[j][i] = meetings[i * m_models + j];
        for (size_t k = 0; k < c; ++k)
            h[i][m_models + k] = h[m_models + k][i] = cross[i * c + k];
        if (davidson)
            h[i][m_tie] = h[m_tie][i] = modelTie[i];
    }
    for (size_t k = 0; k < c; ++k) {
        out.gradient[m_models + k] = common[k];
        for (size_t l = 0; l <= k; ++l)
            h[m_models + k][m_models + l] = h[m_models + l][m_models + k] = square[k * c + l];
        if (davidson)
            h[m_models + k][m_tie] = h[m_tie][m_models + k] = commonTie[k];
    }
    if (davidson) {
        out.gradient[m_tie] = tie;
        h[m_tie][m_tie] = tieTie;
    }
    for (size_t i = 0; i < m_size; ++i) {
        out.value -= m_ridge * m_x[i] * m_x[i] / 2;
        out.gradient[i] -= m_ridge * m_x[i];
        h[i][i] += m_ridge;
    }
    // A shift of all strengths changes nothing: fixing their mean leaves the optimum and makes the matrix regular.
    for (size_t i = 0; i < m_models; ++i)
        for (size_t j = 0; j < m_models; ++j)
            h[i][j] += 1 / static_cast<double>(m_models);
    return out;
}

bool RatingFit::run() {
    Derivatives now = derivatives();
    for (int round = 0; round < 100; ++round) {
        if (!cholesky(now.information))
            return false;
        const auto step = solve(now.information, now.gradient);
        double largest = 0, scale = 1;
        for (const double s : step)
            largest = std::max(largest, std::abs(s));
        if (!std::isfinite(largest))
            return false;
        if (largest < 1e-6) { // what is left after it is its square
            for (size_t i = 0; i < m_size; ++i)
                m_x[i] += step[i];
            return true;
        }
        if (largest > 4) // far from the optimum the quadratic form promises too much
            scale = 4 / largest;
        const Vector from = m_x;
        Derivatives next;
        for (int halving = 0; halving < 40; ++halving, scale /= 2) {
            for (size_t i = 0; i < m_size; ++i)
                m_x[i] = from[i] + scale * step[i];
            next = derivatives();
            if (next.value >= now.value - 1e-12 * std::abs(now.value))
                break;
        }
        now = std::move(next);
    }
    return false;
}

void RatingFit::centre() {
    double mean = 0;
    for (size_t i = 0; i < m_models; ++i)
        mean += m_x[i] / static_cast<double>(m_models);
    for (size_t i = 0; i < m_models; ++i)
        m_x[i] -= mean;
}

Matrix RatingFit::covariance() const {
    Matrix out(m_size, Vector(m_size, 0.0));
    Matrix information = derivatives().information;
    if (!cholesky(information))
        return out;
    std::vector<uint32_t> order(m_table.size());
    std::iota(order.begin(), order.end(), 0);
    if (!std::is_sorted(m_table.cluster.begin(), m_table.cluster.end()))
        std::stable_sort(order.begin(), order.end(), [this](uint32_t x, uint32_t y) { return m_table.cluster[x] < m_table.cluster[y]; });
    const size_t terms = std::min(m_options.styleTerms, m_table.styleTerms);
    const double nu = this->nu();
    Matrix meat = out;
    Vector g(m_size);
    std::vector<size_t> touched;
    const auto add = [&](size_t at, double value) {
        if (value == 0)
            return;
        if (g[at] == 0)
            touched.push_back(at);
        g[at] += value;
    };
    for (size_t i = 0; i < order.size(); ++i) {
        const size_t match = order[i];
        if (counts(match)) {
            const At p = at(match, nu);
            const double by = p.byEta * (m_weights ? (*m_weights)[match] : 1);
            add(m_table.first[match], by);
            add(m_table.second[match], -by);
            if (m_options.position)
                add(m_position, by * m_table.side[match]);
            for (size_t k = 0; k < terms; ++k)
                add(m_style + k, by * m_table.style[match * m_table.styleTerms + k]);
            if (m_options.ties == TieModel::Davidson)
                add(m_tie, p.byTie * (m_weights ? (*m_weights)[match] : 1));
        }
        if (i + 1 < order.size() && m_table.cluster[order[i + 1]] == m_table.cluster[match])
            continue;
        std::sort(touched.begin(), touched.end());
        touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
        for (const size_t x : touched)
            for (const size_t y : touched)
                meat[x][y] += g[x] * g[y];
        for (const size_t x : touched)
            g[x] = 0;
        touched.clear();
    }
    // H^-1 M, then its transpose once more: H^-1 M H^-1, as both are symmetric. Centring goes with the columns of H^-1.
    const auto solved = [&](const Matrix& columns) {
        Matrix turned(m_size, Vector(m_size));
        for (size_t j = 0; j < m_size; ++j) {
            Vector column(m_size);
            for (size_t i = 0; i < m_size; ++i)
                column[i] = columns[i][j];
            column = solve(information, column);
            double mean = 0;
            for (size_t i = 0; i < m_models; ++i)
                mean += column[i] / static_cast<double>(m_models);
            for (size_t i = 0; i < m_size; ++i)
                turned[j][i] = column[i] - (i < m_models ? mean : 0); // transposed
        }
        return turned;
    };
    return solved(solved(meat));
}

void placeModels(const std::vector<rules::Interval>& strengths, std::vector<size_t>& low, std::vector<size_t>& high) {
    low.assign(strengths.size(), 1);
    high.assign(strengths.size(), strengths.size());
    for (size_t i = 0; i < strengths.size(); ++i)
        for (size_t j = 0; j < strengths.size(); ++j) {
            low[i] += j != i && strengths[j].low > strengths[i].high;
            high[i] -= j != i && strengths[j].high < strengths[i].low;
        }
}

} // namespace pl::desk
