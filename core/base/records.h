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
};

/// "prompt" may be a string or [{role, content}]: the content of a single user turn is returned; several turns are
/// refused with the row's number (multi-turn training is not offered yet).
Result<PairRow> pairRowOf(const Json& row, std::string_view where);
Result<PairRow> tieRowOf(const Json& row, std::string_view where);
Result<PromptRow> promptRowOf(const Json& row, std::string_view where);
Result<SftRow> sftRowOf(const Json& row, std::string_view where);

Result<std::vector<PairRow>> readPairs(const std::string& path);
Result<std::vector<PairRow>> readTies(const std::string& path, std::string_view split);
Result<std::vector<PromptRow>> readPrompts(const std::string& path);
Result<std::vector<SftRow>> readSft(const std::string& path);

/// Calls `each` with every line's JSON value and 1-based number; a malformed line fails with file and line number.
Status forEachJsonLine(const std::string& path, const std::function<Status(const Json&, size_t)>& each,
                       const JsonLimits& limits = {});

} // namespace pl
