// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <map>
#include <string>

#include "core/learn/host/job.h"
#include "core/learn/models/flops.h"
#include "core/rules/statistics.h"

namespace pl::evaluation {

/// Everything the result event says.
struct Report {
    std::map<std::string, double> values;
    Json judge;
    double units = 0; ///< prompts or pairs the main figure rests on
};

inline Status write(learn::Job& job, Report report) {
    report.values["total_flos"] = learn::takeFlops();
    Json values = Json::object();
    for (const auto& [name, value] : report.values)
        values[name] = jsonNumber(value);
    Json event{{"values", values}, {"judge", report.judge}};
    if (rules::tooFew(static_cast<int64_t>(report.units)))
        event["too_few"] = true;
    PL_CHECK(job.events().metrics(1, 0, 0, report.values));
    PL_CHECK(job.events().write(event::kResult, std::move(event)));
    return job.events().sync();
}

/// A share of `count` comparisons over `units` prompts. Answers to one prompt are alike, so the interval
/// counts prompts.
inline void addShare(std::map<std::string, double>& values, const std::string& name, double share, double units,
                     double count) {
    const auto interval = rules::wilson(share * units, units);
    values[name] = units > 0 ? share : std::nan("");
    values[name + "_low"] = units > 0 ? interval.low : std::nan("");
    values[name + "_high"] = units > 0 ? interval.high : std::nan("");
    values[name + "_n"] = count;
}

/// Is the model to be measured one of images?
Result<bool> isOfImages(learn::Job& job);
Status validateImages(learn::Job& job);
Status evaluateImages(learn::Job& job);

} // namespace pl::evaluation
