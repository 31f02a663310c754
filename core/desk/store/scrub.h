// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/desk/store/needles.h"

/// Takes what is erased out of the files beside the database: frozen datasets and run bundles. Private to store/.
namespace pl::desk {

constexpr size_t kTelling = 12; ///< bytes; shorter texts are found everywhere

class Scrub {
public:
    std::set<std::string> ids;        ///< of prompts: rows and events that carry one are the prompt's
    std::set<std::string> pairs;      ///< first 32 digits of pairs' hashes: rows of datasets begin their id with them
    std::set<std::string> images;     ///< SHA-256 of files that nothing else uses
    std::map<std::string, std::string> renamed; ///< names of a person, old to new: rows keep the vote and lose the words
    std::string tombstone;            ///< what a bundle's own note of it (run_erasure.h) is filed under
    int64_t timeMs = 0;

    /// A text that nothing else in the project has; an empty one is not looked for.
    void add(const std::string& text);
    const std::vector<std::string>& texts() const { return m_texts; }
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
    /// Other bytes of the same length in place of every text that is long enough to be found at all (12 bytes); whether any was there.
    bool blankIn(std::string& bytes) const;

private:
    static constexpr size_t kLong = 32;    ///< from here on a text is looked for inside others
    std::vector<std::string> m_texts;
    std::unordered_set<std::string> m_whole;
    Needles m_long{kLong}, m_telling{kTelling};
};

struct ScrubResult {
    int64_t rows = 0;                         ///< taken out or rewritten
    std::set<std::string> datasets, runs;     ///< folders' names
};
/// Files are written aside and renamed, an event keeps its length in bytes (who reads on from an offset is not disturbed), and a file that
/// becomes the same as one rewritten before is linked to it. With dryRun nothing is written.
/// A bundle gets its note before anything in it changes.
Result<ScrubResult> scrubFiles(const std::string& datasetsDir, const std::string& runsDir, const Scrub& scrub, bool dryRun);

/// Files below a folder that still hold one of the texts, as relative paths; weights and the open database are not looked into.
std::vector<std::string> filesWith(const std::string& folder, const Needles& texts);

} // namespace pl::desk
