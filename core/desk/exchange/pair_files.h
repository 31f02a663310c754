// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/desk/exchange/import.h"

namespace pl::desk {

/// Two files of answers, each with a prompt and an answer a row (JSON Lines, a JSON array or CSV, .gz too; a conversation that ends
/// with the answer will do for both), joined by the prompt's text into pairs to judge.
struct PairFilesOptions {
    std::string prompt, answer;  ///< columns in both files, as column paths; empty: by their usual names
    std::string modelA, modelB;  ///< who wrote the answers; empty: what a column "model" says, else the file's name
    std::optional<Split> split;
    bool dryRun = false;
    Id task = 0;
    uint64_t maxBytes = uint64_t{2} << 30;
};

struct PairedFiles {
    std::vector<ImportRow> rows; ///< two texts each, nobody judged
    int64_t readA = 0, readB = 0;
    int64_t onlyA = 0, onlyB = 0; ///< answers whose prompt the other file lacks, or has fewer answers to
    int64_t identical = 0;        ///< the same answer on both sides: no pair
    int64_t rejectedCount = 0;
    std::vector<RejectedRow> rejected; ///< the first 200, with the file's name in the reason
};

/// Of several answers to one prompt the first meets the first of the other file, and so on. Pure; names are for messages and models.
/// InvalidInput when a file has no row with both, or nothing meets.
Result<PairedFiles> pairFiles(const std::string& a, const std::string& nameA, const std::string& b, const std::string& nameB,
                              const PairFilesOptions& options);

/// Both files, read and joined: what is done before the project is needed.
struct PairedRead {
    PairedFiles files;
    std::string name, sha; ///< of the two together
};
/// Takes as long as the files are large; may be done on any thread.
Result<PairedRead> readPaired(const std::string& a, const std::string& b, const PairFilesOptions& options);
/// What was read, as one import batch; a dry run only counts.
Result<ImportReport> importPaired(Project& project, const PairedRead& read, const PairFilesOptions& options);
/// The whole way, as one import batch; again, it adds nothing. `paired` takes what was found, also of a dry run.
Result<ImportReport> importPaired(Project& project, const std::string& a, const std::string& b, const PairFilesOptions& options,
                                  PairedFiles* paired = nullptr);

} // namespace pl::desk
