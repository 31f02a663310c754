// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/desk/runs/actions.h"

namespace pl::desk {

/// Answers from a server that speaks OpenAI's protocol (plugin generate_server), in a process of its own without torch. The key is never a
/// parameter: only where it is found is (key_env, keyring).
struct ServerRequest {
    std::string url, model;
    std::optional<Split> split = Split::Train;
    std::string kind = "auto"; ///< prompts of this kind; auto: chat; empty: all
    int64_t prompts = 0;       ///< at most; 0: all of the split
    int64_t n = 2;             ///< answers a prompt
    Json parameters = Json::object();
    uint64_t seed = 1;
    bool makePairs = true;
};
/// InvalidInput, before anything is written down, for an address that holds a password or a key_env that is no name of a variable.
Result<std::string> startGenerateServer(Project& project, Supervisor& supervisor, const ServerRequest& request);
/// What of it can be said without a project: the address, the name of the model, where the key is found.
Status checkServer(const ServerRequest& request);

} // namespace pl::desk
