// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/desk/store/project.h"

namespace pl::desk {

enum class Erasable { Person, Prompt };

struct EraseOptions {
    Erasable kind = Erasable::Prompt;
    std::string what;    ///< a person's name or uuid; a prompt's number or uuid
    std::string why;     ///< kept in the tombstone; not empty
    std::string who;     ///< who erases, as the tombstone names them
    bool dryRun = false;
};

/// What is (or would be) erased.
struct EraseReport {
    std::string uuid, name;          ///< name: the person's, or the head of the prompt; only of a dry run
    bool already = false;            ///< a tombstone was there: only what it had left undone was done
    int64_t votes = 0;               ///< events kept without their words
    int64_t words = 0;               ///< of them that had any: skip reasons, flags, rationales, reasons, marks
    int64_t prompts = 0, answers = 0, pairs = 0, media = 0;
    int64_t rows = 0;                ///< of frozen datasets and of bundles, rewritten or taken out
    int64_t backups = 0;             ///< removed
    std::vector<std::string> datasets, runs; ///< affected, by name: marked, not deleted
    std::vector<std::string> left;   ///< files in which its text is still found (none, as a rule), and why
    Json toJson() const;
};

/// Erases a person's name and words, or a prompt with all its answers, from the whole project folder: database (rewritten, so that the bytes
/// are gone), media, the rows of datasets and of run bundles, backups (removed; a new one is made). A tombstone says that it was done, when,
/// why and by whom. Events stay, without words, and the chain still verifies; a merge or an import brings nothing back. Whoever was erased
/// keeps their votes under a name that says nothing, as an adjudicator their verdicts; pairs with an erased answer are withdrawn. Refused (Busy) while a run is queued or alive
/// or an export is being written, and in an annotator's project. Interrupted, it is taken up by the same call again.
Result<EraseReport> erase(Project& project, const EraseOptions& options);

struct Tombstone {
    std::string uuid, kind, why, who;
    Json counts;
    std::vector<std::string> datasets, runs;
    int64_t createdMs = 0;
    Json toJson() const;
};
/// Newest first.
Result<std::vector<Tombstone>> tombstones(Project& project);

} // namespace pl::desk
