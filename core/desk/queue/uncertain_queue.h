// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <optional>
#include <set>
#include <unordered_map>

#include "core/desk/queue/pair_queue.h"

namespace pl::desk {

/// What reward models say of a pair: of one model the margin, of several their disagreement.
struct PairMargin {
    int models = 0;
    double mean = 0;      ///< score of a minus score of b, over the models
    double deviation = 0; ///< of the margin over the models (n - 1); 0 with fewer than two
    /// Larger is more uncertain: minus the margin's size of one model, the deviation of several.
    double uncertainty() const { return models > 1 ? deviation : -std::abs(mean); }
    void add(double margin); ///< of a further model (Welford 1962)

private:
    double m_squares = 0;
};

/// Open pairs, the most uncertain first. A draw takes one of the first kWindow by its rank r from 0, with a probability in
/// proportion to exp(-r / kScale): always an uncertain one, but each with a chance that is known, so that estimates can be reweighted.
class UncertainQueue {
public:
    static constexpr size_t kWindow = 32;
    static constexpr double kScale = 8;
    void add(Id comparison, double uncertainty);
    void remove(Id comparison);
    size_t size() const { return m_at.size(); }
    /// `uniform` in [0, 1). Empty when every pair is in `skip`.
    std::optional<QueuePick> draw(double uniform, const std::set<Id>& skip) const;

private:
    std::set<std::pair<double, Id>> m_order; ///< minus the uncertainty
    std::unordered_map<Id, double> m_at;
};

} // namespace pl::desk
