// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "core/base/json.h"

namespace pl::learn {

/// Running weighted means since the last log line: every metric is averaged over the same window as the loss. NaN and
/// infinity are kept, so a bad step shows.
class MetricWindow {
public:
    /// mean = sum of sums / sum of weights.
    void add(const std::string& name, double sum, double weight = 1);
    void merge(const MetricWindow& other);
    std::map<std::string, double> means() const;
    double mean(const std::string& name) const; ///< NaN when absent
    bool empty() const { return m_sums.empty(); }
    void clear() { m_sums.clear(); }

    /// Bit-exact for checkpoints.
    Json toJson() const;
    static Result<MetricWindow> fromJson(const Json& json, std::string_view what);

private:
    struct Sum {
        double sum = 0, weight = 0;
    };
    std::map<std::string, Sum> m_sums;
};

} // namespace pl::learn
