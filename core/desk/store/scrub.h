// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

/// Takes what is erased out of the files beside the database: frozen datasets and run bundles. Private to store/.
namespace pl::desk {

struct Scrub {
    std::set<std::string> ids;        ///< of prompts: rows and events that carry one are the prompt's
    std::set<std::string> pairs;      ///< first 32 digits of pairs' hashes: rows of datasets begin their id with them
    std::vector<std::string> texts;   ///< that nothing else in the project has
    std::set<std::string> images;     ///< SHA-256 of files that nothing else uses
    std::string oldName, newName;     ///< of a person: rows keep the vote and lose the words
    std::string tombstone;            ///< what a bundle's own note of it (run_erasure.h) is filed under
    int64_t timeMs = 0;

    /// Whether a string is one of the texts, or holds a long one.
    bool holds(const std::string& text) const;
    /// One of the texts that are long enough to be told from others stands in it, as it is or as it stands inside JSON.
    bool quotes(const std::string& text) const;
    /// The same with "erased" in place of every such text.
    std::string without(const std::string& text) const;
    /// Only the long ones.
    Scrub longOnly() const;
    /// Strings that hold a text become empty; whether any did.
    bool blank(Json& value) const;
};

struct ScrubResult {
    int64_t rows = 0;                         ///< taken out or rewritten
    std::set<std::string> datasets, runs;     ///< folders' names
};
/// Files are written aside and renamed, an event keeps its length in bytes (who reads on from an offset is not disturbed), and a file that
/// becomes the same as one rewritten before is linked to it. With dryRun nothing is written.
/// A bundle gets its note before anything in it changes.
Result<ScrubResult> scrubFiles(const std::string& datasetsDir, const std::string& runsDir, const Scrub& scrub, bool dryRun);

/// Whether bytes hold one of the texts of at least 12 bytes, plain or as it stands in JSON.
bool holdsAny(const std::string& bytes, const std::vector<std::string>& texts);
/// Files below a folder that still hold one of the texts, as relative paths; weights and the open database are not looked into.
std::vector<std::string> filesWith(const std::string& folder, const std::vector<std::string>& texts);

} // namespace pl::desk
