// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/prompt_count.h"

#include <algorithm>

#include "core/desk/runs/shared.h"

namespace pl::desk {

Result<PromptCount> usablePrompts(Project& project, bool image) {
    const shared::PromptChoice choice{"auto", image};
    PromptCount out;
    for (const Split split : {Split::Train, Split::Dev}) {
        PL_TRY(const auto prompts, project.promptsForJob(split));
        (split == Split::Train ? out.train : out.dev) =
            std::count_if(prompts.begin(), prompts.end(), [&](const Prompt& prompt) { return choice.takes(prompt); });
    }
    return out;
}

} // namespace pl::desk
