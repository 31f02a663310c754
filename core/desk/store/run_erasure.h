// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/json.h"
#include "core/base/result.h"

/// What a run's bundle lost when a prompt or a person was erased. The bundle says it itself (erased.json), so that it is known wherever
/// the bundle goes.
namespace pl::desk {

struct RunErasure {
    int64_t prompts = 0, people = 0; ///< erased things that it held something of
    int64_t rows = 0;                ///< of its data: taken out, or left without words
    int64_t lines = 0;               ///< of its log, events and samples
    int64_t lastMs = 0;              ///< when something was erased last
    bool any() const { return prompts + people > 0; }
    Json toJson() const;
    /// "lost text of 2 erased prompts on 2026-11-30: 5 rows of its data, 3 lines of its log and samples"; never the text.
    std::string toString() const;
};
/// Nothing was lost where there is no such file; Corrupt when it cannot be read.
Result<RunErasure> erasureOf(const std::string& bundleDir);

/// Adds to the file; of one tombstone once, whatever is lost in several calls.
Status noteErasure(const std::string& bundleDir, const std::string& tombstone, bool person, int64_t timeMs, int64_t rows, int64_t lines);

} // namespace pl::desk
