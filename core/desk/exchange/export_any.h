// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/desk/exchange/export.h"
#include "core/desk/exchange/text_export.h"

/// Every form that votes are written in, behind one function: what the command line and the window do.
namespace pl::desk {

class ReaderThread;

struct ExportFormat {
    std::string name;   ///< votes aggregate trl hh ... trl_stepwise pick_a_pic hpd_v2 image_reward_db
    std::string about;  ///< what it is, in a line
    std::string ending; ///< of its file: "jsonl" or "json"
    bool texts = true, images = true;   ///< votes on which it can hold
    bool splits = true;                 ///< false: it always holds everything
    std::vector<std::string> losses;    ///< what it cannot carry, a line each; empty: nothing is lost, or the report says it
};
/// In the order in which they are offered.
const std::vector<ExportFormat>& exportFormats();
/// Null when there is no such form.
const ExportFormat* exportFormatOf(std::string_view name);
/// Fails, naming those there are, when there is none of this name ("auto" is trl).
Status checkExportFormat(std::string_view name);

struct ExportChoice {
    std::string format = "trl"; ///< "auto" is trl
    std::optional<CandidateKind> kind; ///< needed where a project has votes on texts and on images
    std::vector<Split> splits{Split::Train, Split::Dev}; ///< test prompts are sealed
    std::string out;
};

struct ExportDone {
    std::string summary;            ///< "42 rows"
    std::vector<std::string> notes; ///< what was left out and why
    std::vector<std::string> losses;
    std::vector<std::string> files; ///< everything written
    Json json;                      ///< the whole report
};

/// Fails where an export would destroy something: on a folder, on what is no ordinary file, and anywhere in the project's own folder,
/// whichever links lead there. An ordinary file that is there is replaced.
Status checkExportPlace(Project& project, const std::string& out);
/// The last part of it, for folders too: `out` does not lie in the project.
Status checkBeside(Project& project, const std::string& out);
/// Writes the votes that count (of `votes` every event) and says what became of each. Fails on a form that does not exist, on no split,
/// as checkExportPlace(), and as exportTrl(), exportImages(), exportText(), exportVotes(), exportAggregate() and exportStepwise() do.
Result<ExportDone> exportAs(Project& project, const ExportChoice& choice);
/// What exportAs() would write, found as exportAs() finds it.
struct ExportPreview {
    int64_t rows = 0;               ///< of the file itself
    std::string summary;            ///< that of ExportDone
    std::vector<std::string> notes; ///< likewise: what is left out and why, and what stands beside the file
    std::string toString() const;   ///< "3 rows of 3 votes on 3 pairs; 1 left out: ties"
};
/// Writes nothing. Fails where an export would for want of votes or of a kind. An image that is damaged is found only by the export.
Result<ExportPreview> previewExport(Project& project, const ExportChoice& choice);

/// exportAs() of the project as it is when the store's turn comes: votes that are given from then on are not in it and wait for nothing. The place is
/// looked at first, and its folder made. `begun`: it is settled what goes in. Both are called on the reader's thread.
void exportBeside(ReaderThread& reader, const ExportChoice& choice, std::function<void(Result<ExportDone>)> done, std::function<void()> begun = {});
/// previewExport() likewise. `wanted`: false when its turn has come and nobody asks any more; `done` is not called then.
void previewBeside(ReaderThread& reader, const ExportChoice& choice, std::function<void(Result<ExportPreview>)> done, std::function<bool()> wanted = {});

} // namespace pl::desk
