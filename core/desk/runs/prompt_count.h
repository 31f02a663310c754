// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/desk/store/project.h"

namespace pl::desk {

struct PromptCount {
    int64_t train = 0, dev = 0;
};
/// Prompts that a job takes which is told no kind (GenerateRequest::kind, TrainRequest::promptKind): of a language model those of
/// chats, of an image model all but those with an answer to verify.
Result<PromptCount> usablePrompts(Project& project, bool image);

} // namespace pl::desk
