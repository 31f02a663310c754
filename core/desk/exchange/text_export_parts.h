// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/desk/exchange/text_export.h"

/// What the exports of votes share; nobody else includes it.
namespace pl::desk::exports {

/// One vote, or what several come to.
struct Said {
    Winner winner = Winner::Tie;
    TieKind tieKind = TieKind::None;
    std::optional<int> strength;
    bool badA = false, badB = false;
    Json attributesA = Json::object(), attributesB = Json::object();
    std::string rationale, annotator, annotatorUuid;
    AnnotatorKind by = AnnotatorKind::Human;
    std::vector<int> ranks; ///< of a ranking, in the order of the members
    int64_t votes = 1;
};

struct PairVotes {
    Comparison comparison;
    Prompt prompt;
    std::vector<Candidate> members; ///< two in content order, or more of a ranking
    std::vector<Said> said;         ///< each vote that counts, by annotator
};

/// {"prompt" as text or turns}
Json promptValue(const std::string& content);
Json promptTurns(const std::string& content);
/// Empty when the votes cancel out.
std::optional<Said> majorityOf(const std::vector<Said>& said);
/// The rows of one pair; an error's message says why it has none ("prompts of several turns").
Result<std::vector<Json>> rowsOf(TextForm form, const PairVotes& pair, const std::vector<Said>& said, int64_t number);
/// The files that a form has beside OUT for sets of this many answers: OUT + suffix. Empty: its rows stand in OUT.
std::string besideSuffix(TextForm form, size_t members);
/// What Argilla has to know of records with this many answers (a choice of two, else an order), and Label Studio of pairs and of sets.
Json argillaSettings(size_t members);
std::string labelStudioConfig(bool sets);
/// What the vote says, as the importer would say it.
ImportRow importRowOf(const PairVotes& pair, const Said& said);
/// OUT.manifest.json, with the hashes of what was written.
Status writeManifest(Project& project, const TextExportFilter& filter, TextExportReport& report);

} // namespace pl::desk::exports
