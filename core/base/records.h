// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

/// The frozen rows in a bundle's data/ folder (DESIGN section 4): JSON Lines that also load into `datasets` and TRL.
namespace pl {

/// A preference pair of train.jsonl or dev.jsonl.
/// {"id","prompt","chosen","rejected","strength"?,"weight"?,"soft_label"?,"margin"?,"annotator"?,...}
struct PairRow {
    std::string id;
    std::string prompt;
    std::string chosen;
    std::string rejected;
    std::optional<int> strength;  ///< 1..3
    double weight = 1.0;          ///< of the row in the loss
    double softLabel = 1.0;       ///< probability that chosen is the better one; 0.5 for a tie
    std::string annotator;
    bool tie = false;             ///< read from ties.jsonl: "chosen"/"rejected" are just the two sides
    bool image = false;           ///< "modality": "image"; the two sides are image references (isImageRef)
};

/// A k-way order of rankings.jsonl: {"id","prompt","images":[ref, ...],"ranks":[1,1,3],"split","weight"?,"annotator"?};
/// rank 1 is best, equal ranks are a tie, gaps are allowed.
struct RankingRow {
    std::string id, prompt, split;
    std::vector<std::string> images; ///< at least two different references
    std::vector<int> ranks;          ///< one each
    double weight = 1.0;
    std::string annotator;
};

/// ties.jsonl: {"id","prompt","a","b","tie_kind","split","annotator"?}; both-bad pairs are not in it but in unpaired.jsonl.
/// unpaired.jsonl: {"id","prompt","completion","label": true|false,"split"}  (KTO's form)

/// A prompt of prompts.jsonl: {"id","prompt","split","kind"?,"verifier"?{"kind","answer"}}
struct PromptRow {
    std::string id;
    std::string prompt;
    std::string split; ///< train | dev | test
    std::string verifierKind, verifierAnswer; ///< empty when it has none
};

/// A row of an sft train.jsonl: {"prompt","completion"}
struct SftRow {
    std::string id, prompt, completion;
    bool image = false; ///< "modality": "image"; the completion is an image reference
};

/// "images/<64 lower-case hex digits>.png" (or .jpg, .webp): a file below the folder of the rows, named by the SHA-256 of its
/// bytes, so that whoever reads it can tell whether it is the one.
bool isImageRef(std::string_view text);
std::string imageRef(std::string_view sha, std::string_view extension);
/// The SHA-256 in a reference; empty when it is none.
std::string imageRefSha(std::string_view ref);

/// "prompt" may be a string or [{role, content}]: the content of a single user turn is returned; several turns are
/// refused with the row's number (multi-turn training is not offered yet). In a row of "modality" image anything but an
/// image reference for a side is refused.
Result<PairRow> pairRowOf(const Json& row, std::string_view where);
Result<PairRow> tieRowOf(const Json& row, std::string_view where);
Result<PromptRow> promptRowOf(const Json& row, std::string_view where);
Result<SftRow> sftRowOf(const Json& row, std::string_view where);
Result<RankingRow> rankingRowOf(const Json& row, std::string_view where);

Result<std::vector<PairRow>> readPairs(const std::string& path);
Result<std::vector<PairRow>> readTies(const std::string& path, std::string_view split);
Result<std::vector<PromptRow>> readPrompts(const std::string& path);
Result<std::vector<SftRow>> readSft(const std::string& path);
/// Of one split; empty: of all.
Result<std::vector<RankingRow>> readRankings(const std::string& path, std::string_view split);

/// Calls `each` with every line's JSON value and 1-based number; a malformed line fails with file and line number.
Status forEachJsonLine(const std::string& path, const std::function<Status(const Json&, size_t)>& each,
                       const JsonLimits& limits = {});

} // namespace pl
