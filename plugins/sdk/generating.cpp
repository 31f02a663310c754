// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/generating.h"

#include <fmt/ranges.h>

#include "core/base/hash.h"

namespace pl::sdk {

Status checkWriterRoles(const learn::Job& job, const char* other) {
    for (const ModelSpec& model : job.spec().models)
        if (std::find(std::begin(kWriterRoles), std::end(kWriterRoles), model.role) == std::end(kWriterRoles) &&
            (!other || model.role != other))
            return fail(Code::InvalidInput, fmt::format("the role '{}' is not one of {}{}{}", model.role,
                                                        fmt::join(kWriterRoles, ", "), other ? ", " : "", other ? other : ""));
    return {};
}

Result<std::vector<PromptRow>> promptsToAnswer(const learn::Job& job) {
    const std::string path = job.bundle().dataPath("prompts.jsonl");
    PL_TRY(auto prompts, readPrompts(path));
    if (prompts.empty())
        return fail(Code::InvalidInput, fmt::format("{} holds no prompts", path), "Add prompts to the project.");
    std::set<std::string> ids;
    for (const PromptRow& prompt : prompts)
        if (!ids.insert(prompt.id).second)
            return fail(Code::InvalidInput, fmt::format("the prompt id '{}' stands twice in prompts.jsonl", prompt.id));
    return prompts;
}

Result<std::set<CandidateKey>> candidatesWritten(const learn::Job& job, const std::function<bool(const Json&)>& sound) {
    std::set<CandidateKey> keys;
    PL_TRY(const auto events, readEvents(job.bundle().eventsPath()));
    for (const Event& event : events) {
        if (event.type != event::kCandidate || !event.body.contains("model") || !event.body["model"].is_object())
            continue;
        const auto id = fieldOr<std::string>(event.body, "prompt_id", "", "an event");
        const auto role = fieldOr<std::string>(event.body["model"], "role", "", "an event");
        const auto index = fieldOr<int64_t>(event.body, "index", -1, "an event");
        if (id && role && index && (!sound || sound(event.body)))
            keys.emplace(*id, *role, *index);
    }
    return keys;
}

Status serveRequests(learn::Job& job, int64_t idleSeconds, const std::function<Result<Json>(const Json&)>& answer) {
    job.logLine("info", fmt::format("ready for requests; leaving after {} s without one", idleSeconds));
    int64_t lastNs = monotonicNs();
    int64_t answered = 0;
    for (;;) {
        if (job.mustLeave())
            return fail(Code::Cancelled, job.stopReason());
        if (job.wish() == learn::Job::Wish::Checkpoint)
            job.checkpointDone("events.jsonl");
        const int64_t leftMs = idleSeconds * 1000 - (monotonicNs() - lastNs) / 1'000'000;
        if (leftMs <= 0)
            break;
        const auto request = job.nextRequest(static_cast<int>(std::min<int64_t>(leftMs, 1000)));
        if (!request)
            continue;
        const auto result = answer(request->payload);
        if (result)
            job.acknowledge(request->id, true, {}, *result);
        else
            job.acknowledge(request->id, false, result.error().toString());
        ++answered;
        lastNs = monotonicNs();
    }
    job.logLine("info", fmt::format("no request for {} s: leaving after {} answers", idleSeconds, answered));
    return {};
}

} // namespace pl::sdk
