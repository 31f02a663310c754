// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/server.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/desk/runs/shared.h"

namespace pl::desk {

Status checkServer(const ServerRequest& request) {
    // What was typed is not repeated where it may hold a secret.
    const std::string& url = request.url;
    const size_t scheme = url.find("://");
    const std::string_view rest = scheme == std::string::npos ? std::string_view() : std::string_view(url).substr(scheme + 3);
    if ((!url.starts_with("http://") && !url.starts_with("https://")) || rest.empty() || rest[0] == '/')
        return fail(Code::InvalidInput, "the server's address does not begin with http:// or https:// and a host", "Give one such as http://127.0.0.1:8000.");
    if (rest.substr(0, rest.find('/')).find('@') != std::string_view::npos || rest.find_first_of("?#") != std::string_view::npos)
        return fail(Code::InvalidInput, "the server's address holds a user, a password or a query, which would be kept in the run",
                    "Give a key by an environment variable (--key-env NAME) or the keyring (--keyring NAME).");
    if (request.model.empty())
        return fail(Code::InvalidInput, "no model of the server is named", "Say which one is to answer: --model NAME.");
    const std::string variable = request.parameters.is_object() ? request.parameters.value("key_env", std::string()) : std::string();
    if (!variable.empty() && (variable.size() > 64 || (variable[0] >= '0' && variable[0] <= '9') ||
                              variable.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != std::string::npos))
        return fail(Code::InvalidInput, "the key is to be found in an environment variable, and what was given is no name of one",
                    "Give the name, such as PAIRLAB_KEY, never the key itself.");
    return {};
}

Result<std::string> startGenerateServer(Project& project, Supervisor& supervisor, const ServerRequest& request) {
    PL_CHECK(checkServer(request));
    PL_TRY(const Manifest* manifest, shared::manifestOf(supervisor, "generate_server"));
    RunRequest run;
    run.plugin = manifest->id;
    run.parameters = request.parameters;
    run.parameters["url"] = request.url;
    run.parameters["model"] = request.model;
    run.parameters["n"] = request.n;
    run.seed = request.seed;
    run.device = "network";
    PL_TRY(run.dataTexts["prompts.jsonl"], shared::promptsOf(project, request.split, {request.kind, false}, request.prompts));
    run.note = {{"make_pairs", request.makePairs}, {"across", false}};
    return shared::submitAndRecord(project, supervisor, std::move(run), *manifest);
}

} // namespace pl::desk
