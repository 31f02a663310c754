// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/label_doctor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pl::desk {

namespace {

constexpr int kRounds = 200;
constexpr double kStart = 0.9;               ///< reliability to begin with
constexpr double kLeast = 0.02, kMost = 0.999; ///< at the ends a label could no longer change its mind

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

/// w of every label and the log-likelihood; the reliabilities come out estimated.
double maximise(const std::vector<ScoredLabel>& labels, double scale, double priorLabels, LabelDoubts& out) {
    out.right.assign(labels.size(), 0);
    out.overall = kStart;
    out.reliability.clear();
    for (const ScoredLabel& label : labels)
        out.reliability[label.rater] = kStart;
    double likelihood = 0;
    for (int round = 0; round < kRounds; ++round) {
        std::map<int64_t, std::pair<double, double>> sums; // w, labels
        double all = 0, moved = 0;
        likelihood = 0;
        for (size_t i = 0; i < labels.size(); ++i) {
            const double p = sigmoid(labels[i].margin / scale), eta = out.reliability[labels[i].rater];
            const double both = eta * p + (1 - eta) * (1 - p);
            const double w = eta * p / both;
            likelihood += std::log(both);
            moved = std::max(moved, std::abs(w - out.right[i]));
            out.right[i] = w;
            auto& [sum, n] = sums[labels[i].rater];
            sum += w;
            n += 1;
            all += w;
        }
        out.overall = std::clamp(all / static_cast<double>(labels.size()), kLeast, kMost);
        for (const auto& [rater, each] : sums)
            out.reliability[rater] =
                std::clamp((each.first + priorLabels * out.overall) / (each.second + priorLabels), kLeast, kMost);
        if (moved < 1e-9)
            break;
    }
    return likelihood;
}

} // namespace

LabelDoubts doubtLabels(const std::vector<ScoredLabel>& labels, double priorLabels) {
    LabelDoubts best;
    if (labels.empty())
        return best;
    double size = 0;
    for (const ScoredLabel& label : labels)
        size += std::abs(label.margin) / static_cast<double>(labels.size());
    if (!(size > 0))
        size = 1;
    // One dimension, one hill: halves the step around the best of a coarse walk.
    double at = 0, step = 1, top = maximise(labels, size, priorLabels, best);
    best.scale = size;
    for (int round = 0; round < 24; ++round) {
        bool better = false;
        for (const double next : {at - step, at + step}) {
            if (std::abs(next) > 6)
                continue;
            LabelDoubts other;
            const double scale = size * std::exp(next), value = maximise(labels, scale, priorLabels, other);
            if (value <= top + 1e-12)
                continue;
            top = value;
            at = next;
            best = std::move(other);
            best.scale = scale;
            better = true;
            break;
        }
        if (!better && (step /= 2) < 0.02)
            break;
    }
    return best;
}

std::vector<size_t> mostDoubtful(const LabelDoubts& doubts, size_t most) {
    std::vector<size_t> order(doubts.right.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return doubts.right[x] < doubts.right[y]; });
    order.resize(std::min(order.size(), most));
    return order;
}

} // namespace pl::desk
