// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/desk/exchange/text_forms.h"

namespace pl::desk {

struct TextExportFilter {
    Id task = 0;                         ///< 0: every task
    std::vector<Provenance> provenances; ///< empty: every kind
    std::vector<Split> splits{Split::Train, Split::Dev}; ///< test prompts are sealed
    Json toJson() const;
};

struct TextExportReport {
    std::string file, form, rule; ///< rule: majority | each
    int64_t lines = 0;            ///< rows of the file
    std::map<std::string, int64_t> beside; ///< rows in files beside it, by their names: sets in the forms of labelling tools
    int64_t pairs = 0;            ///< that they are about
    int64_t votes = 0;            ///< that went in
    std::map<std::string, int64_t> written; ///< votes by what they say: a b tie ranking
    std::map<std::string, int64_t> leftOut; ///< votes by why
    std::map<std::string, int64_t> splits;  ///< rows by split
    std::vector<Part> lost;
    std::vector<std::string> files;
    Json toJson() const;
    std::string toString() const;
};

/// Writes the votes on texts that count now in a form of another tool, with OUT.manifest.json (SHA-256, filter, rule, counts, losses). Beside the
/// form's own columns every row has "split", and "provenance" where no person judged. A row is kept only when the reader of that form
/// gives back what went in (but for the losses): what it would read otherwise is left out and counted. Fails, naming pairs, unless every vote
/// is accounted for and the file read again holds the rows counted. LLaMA-Factory's comes with dataset_info.json, Argilla's with
/// OUT.settings.json, Label Studio's with OUT.config.xml; sets that were ranked stand beside them (OUT.rankings-4.json for Argilla, a file a size,
/// OUT.rankings.json for Label Studio) with settings of their own. A verdict stands for the votes of its task on its pair where one row says
/// all of them, and is left out elsewhere. The same votes give the same bytes.
Result<TextExportReport> exportText(Project& project, const TextExportFilter& filter, const std::string& out, TextForm form);

/// What exportText() would report, but for its files, without writing anything; `out` names files that would stand beside it.
Result<TextExportReport> countText(Project& project, const TextExportFilter& filter, const std::string& out, TextForm form);

/// Every judgement event with every field, undone and replaced ones too, skips, flags, undo and redo included: JSON Lines in the order they
/// happened, with OUT.manifest.json. Fails unless the file holds as many rows as the project has events.
Result<TextExportReport> exportVotes(Project& project, const std::string& out);
Result<TextExportReport> countVotes(Project& project);
/// Answers with a first wrong step, as TRL's stepwise supervision takes them (stepwise.h).
Result<TextExportReport> exportStepwise(Project& project, const TextExportFilter& filter, const std::string& out);
Result<TextExportReport> countStepwise(Project& project, const TextExportFilter& filter);
/// One row a pair that somebody judged: counts of a, b, tie and skips, majority, share of pairs of votes that agree, mean strength, and in
/// "adjudicated" the verdict of each task that has one (a, b, tie or bad_pair, by whom as a role, its cause), which counts as no vote; texts and
/// images. Fails unless the counts add up to the votes that count now.
Result<TextExportReport> exportAggregate(Project& project, const TextExportFilter& filter, const std::string& out);
Result<TextExportReport> countAggregate(Project& project, const TextExportFilter& filter);

} // namespace pl::desk
