// SPDX-License-Identifier: Apache-2.0
#include "core/desk/queue/queue_mix.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace pl::desk {

namespace {
constexpr std::array<const char*, kStrata> kNames{"random", "second", "repeat", "uncertain", "gold", "look"};
constexpr std::array<const char*, kStrata> kWords{"random",    "second opinions", "repeats",
                                                     "uncertain", "gold",            "second looks"};
} // namespace

const char* stratumName(Stratum value) { return kNames[static_cast<size_t>(value)]; }
const char* stratumWords(Stratum value) { return kWords[static_cast<size_t>(value)]; }

double QueueMix::keptForRandom() const {
    const double random = shares[static_cast<size_t>(Stratum::Fresh)], uncertain = shares[static_cast<size_t>(Stratum::Uncertain)];
    return uncertain > 0 ? random / (random + uncertain) : 1;
}

bool Tally::wantsMore(int votes) const {
    const int32_t n = total();
    if (n == 0 || n >= kMost)
        return false;
    if (n < votes)
        return true;
    return n >= 2 && 2 * std::max({a, b, tie}) <= n;
}

bool QueueMix::empty() const {
    return std::all_of(shares.begin(), shares.end(), [](double share) { return share == 0; });
}

QueueMix QueueMix::of(const Json& json) {
    QueueMix out;
    if (!json.is_object())
        return out;
    double sum = 0;
    for (size_t i = 0; i < kMixed; ++i)
        if (const auto at = json.find(kNames[i]); at != json.end() && at->is_number()) {
            const double share = at->get<double>();
            out.shares[i] = std::isfinite(share) && share > 0 ? std::min(share, 1e9) : 0;
            sum += out.shares[i];
        }
    if (sum > 0)
        for (double& share : out.shares)
            share /= sum;
    if (const auto at = json.find("votes"); at != json.end() && at->is_number_integer())
        out.votes = static_cast<int>(std::clamp<int64_t>(at->get<int64_t>(), 2, Tally::kMost));
    return out;
}

std::string QueueMix::toString() const {
    std::string out;
    for (size_t i = 0; i < kMixed; ++i)
        if (shares[i] > 0)
            out += fmt::format("{}{:.0f} % {}", out.empty() ? "" : ", ", shares[i] * 100, kWords[i]);
    return out;
}

QueueMix::Choice QueueMix::choose(double uniform, const std::array<bool, kStrata>& available) const {
    double sum = 0;
    for (size_t i = 0; i < kStrata; ++i)
        sum += available[i] ? shares[i] : 0;
    if (sum <= 0) {
        for (const Stratum stratum : {Stratum::Fresh, Stratum::Uncertain, Stratum::Second})
            if (available[static_cast<size_t>(stratum)])
                return {stratum, 1, true};
        return {};
    }
    double left = uniform * sum;
    Choice last;
    for (size_t i = 0; i < kStrata; ++i) {
        if (!available[i] || shares[i] <= 0)
            continue;
        last = {static_cast<Stratum>(i), shares[i] / sum, true};
        if (left < shares[i])
            return last;
        left -= shares[i];
    }
    return last; // rounding
}

} // namespace pl::desk
