// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/metric_window.h"

#include <limits>

#include <fmt/format.h>

namespace pl::learn {

void MetricWindow::add(const std::string& name, double sum, double weight) {
    auto& entry = m_sums[name];
    entry.sum += sum;
    entry.weight += weight;
}

void MetricWindow::merge(const MetricWindow& other) {
    for (const auto& [name, entry] : other.m_sums)
        add(name, entry.sum, entry.weight);
}

std::map<std::string, double> MetricWindow::means() const {
    std::map<std::string, double> out;
    for (const auto& [name, entry] : m_sums)
        if (entry.weight != 0)
            out[name] = entry.sum / entry.weight;
    return out;
}

double MetricWindow::mean(const std::string& name) const {
    const auto at = m_sums.find(name);
    if (at == m_sums.end() || at->second.weight == 0)
        return std::numeric_limits<double>::quiet_NaN();
    return at->second.sum / at->second.weight;
}

Json MetricWindow::toJson() const {
    Json out = Json::object();
    for (const auto& [name, entry] : m_sums)
        out[name] = Json::array({jsonNumber(entry.sum), jsonNumber(entry.weight)});
    return out;
}

Result<MetricWindow> MetricWindow::fromJson(const Json& json, std::string_view what) {
    MetricWindow out;
    if (!json.is_object())
        return fail(Code::Corrupt, fmt::format("the metric window of {} is not an object", what));
    for (const auto& [name, value] : json.items()) {
        if (!value.is_array() || value.size() != 2)
            return fail(Code::Corrupt, fmt::format("metric '{}' of {} is not [sum, weight]", name, what));
        PL_TRY(const double sum, numberOf(value[0], what));
        PL_TRY(const double weight, numberOf(value[1], what));
        out.m_sums[name] = {sum, weight};
    }
    return out;
}

} // namespace pl::learn
