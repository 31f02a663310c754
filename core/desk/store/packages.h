// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/desk/store/project.h"

/// Work packages: a manager's project deals pairs and sets of answers to rank out as files, an annotator labels one in a project of its own, and
/// what comes back is merged. A package holds the task, the person's own name, the pairs and the sets, nothing else: no model, run, score, split, verifier, vote, setting of a
/// generation, and no metadata of an image (they are decoded and written anew).
namespace pl::desk {

inline constexpr const char* kPackageSuffix = ".pairpack";
inline constexpr const char* kReturnSuffix = ".pairback";

struct DealOptions {
    Id task = 0;                      ///< 0: the default one
    std::vector<std::string> people;  ///< names; new ones are added
    int64_t pairs = 100;              ///< quota of each
    int64_t shared = 0;               ///< of them the same for everybody in this deal
    int64_t sets = 0;                 ///< quota of each in sets of three answers or more, which are ranked
    int64_t sharedSets = 0;
    uint64_t seed = 1;                ///< of the draw
    bool judged = false;              ///< also what others have judged or were dealt (never what the same person was)
    std::optional<Split> split;       ///< else train and dev
    std::optional<CandidateKind> kind;
    std::string out;                  ///< folder for the files, made when absent
};

struct DealtPackage {
    std::string uuid, person, personUuid, file;
    int64_t pairs = 0, shared = 0, sets = 0, sharedSets = 0;
};

/// Draws pairs and sets that nobody has judged or was dealt in the task, uniformly by (seed, contents), and writes a file for each person. Fails with
/// InvalidInput when there are too few, saying how many there are; nothing is written then.
Result<std::vector<DealtPackage>> dealPackages(Project& project, const DealOptions& options);

/// A package that is out, and what came of it.
struct PackageRow {
    std::string uuid, person, personUuid, task;
    int guidelineVersion = 1;
    int64_t pairs = 0, shared = 0, sets = 0, sharedSets = 0;
    int64_t judged = 0, ranked = 0; ///< of its pairs and sets, by this person, in this project now
    int64_t returns = 0;  ///< files merged
    int64_t createdMs = 0, returnedMs = 0; ///< 0: nothing came back yet
    Json toJson() const;
};
/// Newest first.
Result<std::vector<PackageRow>> packages(Project& project);

/// In an annotator's project: what was asked for.
struct WorkOrder {
    std::string package, project, person, personName;
    int64_t pairs = 0, sets = 0;
};
/// Empty: an ordinary project.
Result<std::optional<WorkOrder>> workOrder(Project& project);

/// Refused in an annotator's project, where what is judged comes from the package and nothing else can be merged; `what`: "making pairs".
Status notInPackage(Project& project, const std::string& what);

/// Makes the annotator's project of a package in a new folder.
Result<Project> openPackage(const std::string& file, const std::string& dir, ProjectOptions options = {});

struct ReturnedWork {
    std::string file;
    int64_t events = 0, presentations = 0;
    int64_t judged = 0, pairs = 0, ranked = 0, sets = 0;
};
/// Writes everything this person did so far: events with their words, presentations, edited answers. It can be written again later; each
/// holds all that the earlier ones did. `out`: a file, or a folder that gets one.
Result<ReturnedWork> writeReturn(Project& project, const std::string& out);

struct MergeReport {
    std::string package, person;
    int64_t events = 0, fresh = 0;   ///< in the file; not known before
    int64_t presentations = 0, edited = 0; ///< new ones
    int64_t erased = 0;              ///< events whose words stay out because the person or prompt was erased
    Json toJson() const;
};
/// Verifies the file and its hash chain, then takes over what is not known yet, all or nothing. The result does not depend on the order in
/// which files are merged, nor on how often (ItemHistory in event_rows.h says what counts). InvalidInput: of another project, package or
/// person. Corrupt: damaged, an event that was changed, left out, or told otherwise in an earlier return, or an order that does not fit its set; the
/// message names it.
Result<MergeReport> mergeReturn(Project& project, const std::string& file, bool dryRun = false);

} // namespace pl::desk
