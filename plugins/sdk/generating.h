// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "core/base/records.h"
#include "core/learn/host/job.h"

/// What jobs that write candidates share, whatever a candidate is.
namespace pl::sdk {

/// Roles of the models that write.
inline constexpr const char* kWriterRoles[] = {"policy", "policy_2", "policy_3"};
/// Every model has one of these roles, or `other` when that is given.
Status checkWriterRoles(const learn::Job& job, const char* other = nullptr);

/// data/prompts.jsonl: at least one prompt, every id once.
Result<std::vector<PromptRow>> promptsToAnswer(const learn::Job& job);

using CandidateKey = std::tuple<std::string, std::string, int64_t>; ///< prompt, role, index
/// What an earlier attempt at this run has written: it is not written again. `sound` may refuse an event.
Result<std::set<CandidateKey>> candidatesWritten(const learn::Job& job, const std::function<bool(const Json& event)>& sound = {});

/// Answers requests until none came for so long, or the run is to be left (Cancelled). An error of `answer` refuses that
/// request alone.
Status serveRequests(learn::Job& job, int64_t idleSeconds, const std::function<Result<Json>(const Json& payload)>& answer);

/// Those of `all` (each with a ModelSpec `spec`) whose roles a request lists under "models"; everybody without a list.
template<class Writer>
Result<std::vector<Writer*>> writersOfRequest(std::vector<Writer>& all, const Json& payload, const std::string& what) {
    std::vector<Writer*> chosen;
    if (!payload.contains("models")) {
        for (Writer& writer : all)
            chosen.push_back(&writer);
        return chosen;
    }
    if (!payload["models"].is_array() || payload["models"].empty())
        return fail(Code::InvalidInput, fmt::format("{}: models is not a list of roles", what));
    for (const Json& role : payload["models"]) {
        const auto it =
            std::find_if(all.begin(), all.end(), [&](const Writer& writer) { return Json(writer.spec.role) == role; });
        if (it == all.end())
            return fail(Code::NotFound, fmt::format("{}: there is no model {} here", what, dumpJson(role)));
        chosen.push_back(&*it);
    }
    return chosen;
}

} // namespace pl::sdk
