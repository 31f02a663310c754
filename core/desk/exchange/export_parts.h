// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/desk/exchange/export.h"

/// What the exports share; nobody else includes it.
namespace pl::desk {

inline constexpr size_t kIdLength = 32; ///< a row's id: so much of the pair's hash, with a suffix when a pair gives several rows

/// Who gave the ties, by the rows' ids: the lines of ties.jsonl do not say it, and a simulated tie must not come back as a
/// human one.
class TieVoters {
public:
    static Result<TieVoters> of(Project& project) {
        TieVoters out;
        PL_TRY(const auto people, project.annotators());
        const std::vector<CurrentVote> votes = project.currentVotes();
        for (const CurrentVote& vote : votes) {
            if (vote.winner != Winner::Tie)
                continue;
            const auto who = std::find_if(people.begin(), people.end(), [&](const auto& p) { return p.id == vote.annotator; });
            PL_TRY(const LabelItem item, project.pairItem(vote.comparison));
            out.m_voters[item.comparison.sha.substr(0, kIdLength)].push_back(
                {who == people.end() ? "" : who->name, vote.provenance});
        }
        return out;
    }
    /// Of several voters a human one counts first.
    const char* provenance(const Json& row) const {
        const auto found = m_voters.find(row.value("id", std::string()).substr(0, kIdLength));
        if (found == m_voters.end())
            return nullptr;
        const std::string who = row.value("annotator", std::string());
        const char* name = nullptr;
        for (const auto& [voter, provenance] : found->second)
            if (who.empty() || who == voter)
                if (!name || provenance == Provenance::Human || provenance == Provenance::Imported)
                    name = provenanceName(provenance);
        return name;
    }

private:
    std::map<std::string, std::vector<std::pair<std::string, Provenance>>> m_voters;
};

inline void noteLoss(ExportReport& report, int64_t count, const char* what) {
    if (count)
        report.notes.push_back(fmt::format("{} {}", count, what));
}
/// Votes that go into no form.
inline void noteLeftOut(ExportReport& report) {
    const DatasetCounts& n = report.counts;
    noteLoss(report, n.identical, "pairs called identical carry no preference");
    noteLoss(report, n.disagreements, "pairs whose votes cancel out were left out");
    noteLoss(report, n.sealedTest, "votes on sealed test prompts were kept back");
    noteLoss(report, n.flagged, "votes on flagged pairs were left out");
    noteLoss(report, n.skips, "skips carry no preference");
}

/// Removes the rows that an earlier export to this path wrote beside it and this one did not: they are of other votes.
inline Status removeStale(const std::string& out, const std::vector<std::string>& written) {
    for (const char* name : {".ties.jsonl", ".unpaired.jsonl", ".stepwise.jsonl", ".rankings.jsonl", ".rankings.json"}) {
        const std::string path = out + name;
        if (std::find(written.begin(), written.end(), path) == written.end() && os::exists(path) && !os::isDir(path))
            PL_CHECK(os::removeTree(path));
    }
    return {};
}

/// Nothing to write; says where the votes are that are there.
inline tl::unexpected<Error> nothingToExport(const DatasetCounts& counts, const char* votes) {
    if (counts.sealedTest)
        return fail(Code::InvalidInput,
                    fmt::format("there is no {} to export: {} on test prompts, which are sealed", votes,
                                counts.sealedTest == 1 ? "1 vote is" : fmt::format("{} votes are", counts.sealedTest)),
                    "Label pairs of train or dev prompts.");
    return fail(Code::InvalidInput, fmt::format("there is no {} to export", votes), "Label some pairs, or widen the filter.");
}

/// Of TRL's rows of texts: what became of the votes beside the rows; fails where there is nothing to write.
Status describeTexts(ExportReport& report, const DatasetSpec& spec, int64_t steps);
/// Of images: report.lines and the rest that follows from the rows counted, and what became of the votes; fails likewise.
Status describeImages(ExportReport& report, const DatasetSpec& spec, ImageForm form);
/// exportImages of a dataset that is frozen already.
Result<ExportReport> writeImages(Project& project, const DatasetInfo& dataset, const DatasetSpec& spec, const std::string& out,
                                 ImageForm form);

} // namespace pl::desk
