// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "core/desk/stats/ratings.h"

/// The fit behind rateModels(), private to stats/: what a bootstrap repeats with other weights.
namespace pl::desk {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

/// Who met whom, and who won at all.
struct Links {
    std::vector<size_t> groups; ///< number of each model's connected group
    bool connected = false, stronglyConnected = false;
};
/// `weights`: how often each match counts; null: once.
Links linksOf(size_t models, const MatchTable& matches, const std::vector<double>* weights = nullptr);

/// Newton's method on the penalised likelihood. Parameters in a row: strengths, position, style, log nu.
class RatingFit {
public:
    /// The table, and the weights, outlive the fit.
    RatingFit(size_t models, const MatchTable& matches, const RatingOptions& options, double ridge,
              const std::vector<double>* weights = nullptr);
    /// Begins where it stands; false: it did not settle.
    bool run();
    /// The parameters; the strengths' mean is what it is until centre().
    Vector& parameters() { return m_x; }
    void centre();
    /// Covariance of the parameters after the strengths were centred: C H^-1 (sum of g g^T over clusters) H^-1 C^T.
    Matrix covariance() const;
    size_t positionAt() const { return m_position; }
    size_t styleAt() const { return m_style; }
    size_t tieAt() const { return m_tie; }
    size_t size() const { return m_size; }

private:
    struct Derivatives {
        double value = 0;
        Vector gradient;
        Matrix information; ///< minus the second derivatives; a shift of all strengths is held, so that it is regular
    };
    template<bool Weighted>
    Derivatives derivativesOf() const;
    Derivatives derivatives() const { return m_weights ? derivativesOf<true>() : derivativesOf<false>(); }
    bool counts(size_t match) const {
        return m_table.first[match] != m_table.second[match] && m_table.first[match] < m_models && m_table.second[match] < m_models;
    }
    struct At;
    At at(size_t match, double nu) const;
    double nu() const;

    size_t m_models;
    const MatchTable& m_table;
    const std::vector<double>* m_weights;
    RatingOptions m_options;
    double m_ridge;
    size_t m_common; ///< position and style: what every match has
    size_t m_position, m_style, m_tie, m_size;
    Vector m_x;
};

/// Places that intervals of strengths allow: 1 + how many are surely better, and the count less those surely worse.
void placeModels(const std::vector<rules::Interval>& strengths, std::vector<size_t>& low, std::vector<size_t>& high);

} // namespace pl::desk
