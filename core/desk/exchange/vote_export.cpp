// SPDX-License-Identifier: Apache-2.0
// Raw votes and their aggregate.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/desk/exchange/stepwise.h"
#include "core/desk/exchange/text_export_parts.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/raw_events.h"

namespace pl::desk {

using namespace exports;

namespace {

/// Counted on the disk, where it matters.
Status holds(const std::string& path, int64_t rows) {
    PL_TRY(const std::string text, os::readFile(path));
    const auto there = std::count(text.begin(), text.end(), '\n');
    if (there != rows)
        return fail(Code::Io, fmt::format("{} holds {} rows of {}", path, there, rows), "Check the disk, and export again.");
    return {};
}

} // namespace

Result<TextExportReport> countVotes(Project& project) {
    TextExportReport report;
    report.form = "votes";
    report.rule = "every event";
    report.lines = project.counters().events;
    if (!report.lines)
        return fail(Code::InvalidInput, "there is no judgement to export", "Label some pairs.");
    return report;
}

Result<TextExportReport> exportVotes(Project& project, const std::string& out) {
    PL_TRY(TextExportReport report, countVotes(project));
    report.file = out;
    const int64_t events = report.lines;
    std::string bytes;
    int64_t rows = 0;
    PL_CHECK(forEachEventRow(project, [&](const Json& row) -> Status {
        bytes += dumpJson(row) + "\n";
        ++rows;
        ++report.written[row["kind"].get<std::string>()];
        return {};
    }));
    if (rows != events)
        return fail(Code::Corrupt, fmt::format("the project counts {} events and holds {}; nothing was written", events, rows),
                    "Run `pairlab-cli check`.");
    PL_CHECK(os::writeFileAtomic(out, bytes));
    PL_CHECK(holds(out, events));
    report.files.push_back(out);
    TextExportFilter everything;
    everything.splits = {Split::Train, Split::Dev, Split::Test};
    PL_CHECK(writeManifest(project, everything, report));
    return report;
}

namespace {

Result<TextExportReport> makeStepwise(Project& project, const TextExportFilter& filter, std::string& bytes) {
    TextExportReport report;
    report.form = "trl_stepwise";
    report.rule = "each";
    DatasetSpec spec;
    spec.filter.task = filter.task;
    spec.filter.provenances = filter.provenances;
    spec.filter.splits = filter.splits;
    PL_TRY(bytes, stepwiseRows(project, spec, &report.lines));
    if (!report.lines)
        return fail(Code::InvalidInput, "no answer has its first wrong step marked", "Mark some on the Label page.");
    return report;
}

Result<TextExportReport> makeAggregate(Project& project, const TextExportFilter& filter, std::string& bytes);

} // namespace

Result<TextExportReport> countStepwise(Project& project, const TextExportFilter& filter) {
    std::string bytes;
    return makeStepwise(project, filter, bytes);
}

namespace {

using Make = Result<TextExportReport>(Project&, const TextExportFilter&, std::string& bytes);

Result<TextExportReport> written(Make& make, Project& project, const TextExportFilter& filter, const std::string& out) {
    std::string bytes;
    PL_TRY(TextExportReport report, make(project, filter, bytes));
    report.file = out;
    PL_CHECK(os::writeFileAtomic(out, bytes));
    PL_CHECK(holds(out, report.lines));
    report.files.push_back(out);
    PL_CHECK(writeManifest(project, filter, report));
    return report;
}

} // namespace

Result<TextExportReport> exportStepwise(Project& project, const TextExportFilter& filter, const std::string& out) {
    return written(makeStepwise, project, filter, out);
}

Result<TextExportReport> countAggregate(Project& project, const TextExportFilter& filter) {
    std::string bytes;
    return makeAggregate(project, filter, bytes);
}

Result<TextExportReport> exportAggregate(Project& project, const TextExportFilter& filter, const std::string& out) {
    return written(makeAggregate, project, filter, out);
}

namespace {

Result<TextExportReport> makeAggregate(Project& project, const TextExportFilter& filter, std::string& bytes) {
    TextExportReport report;
    report.form = "aggregate";
    report.rule = "majority";
    PL_TRY(const auto people, project.annotators());
    std::set<Id> adjudicators;
    for (const Annotator& each : people)
        if (isAdjudicator(each))
            adjudicators.insert(each.id);
    std::map<Id, std::vector<CurrentVote>> byPair;
    int64_t asked = 0;
    for (const CurrentVote& vote : project.currentVotes())
        if (vote.occasion == 0 && (!filter.task || vote.task == filter.task) &&
            (filter.provenances.empty() ||
             std::find(filter.provenances.begin(), filter.provenances.end(), vote.provenance) != filter.provenances.end())) {
            byPair[vote.comparison].push_back(vote);
            ++asked;
        }
    std::map<std::string, Json> rows; // by the pair's hash
    int64_t counted = 0;
    for (const auto& [id, votes] : byPair) {
        PL_TRY(const LabelItem item, project.pairItem(id));
        if (std::find(filter.splits.begin(), filter.splits.end(), item.prompt.split) == filter.splits.end()) {
            report.leftOut[item.prompt.split == Split::Test ? "votes on test prompts, which are sealed" : "votes on prompts of another split"] +=
                static_cast<int64_t>(votes.size());
            counted += static_cast<int64_t>(votes.size());
            continue;
        }
        PL_TRY(const auto members, project.members(id));
        Json answers = Json::array(), orders = Json::array();
        for (const Candidate& member : members)
            answers.push_back({{"sha", member.sha}, {member.kind == CandidateKind::Image ? "image" : "text", member.content}, {"model", member.modelName}});
        int64_t n[3] = {}, skips = 0, flags = 0, badA = 0, badB = 0, strengths = 0, sum = 0;
        std::map<std::string, int64_t> ties, kinds;
        std::set<Id> decided; // tasks with a verdict
        for (const CurrentVote& vote : votes) {
            ++counted;
            if (adjudicators.count(vote.annotator)) { // nobody's opinion
                ++report.written["verdict"];
                if (vote.kind != EventKind::Flag)
                    decided.insert(vote.task);
                continue;
            }
            flags += vote.flagged;
            if (vote.kind != EventKind::Vote) {
                skips += vote.kind == EventKind::Skip;
                ++report.written["skip"];
                continue;
            }
            ++kinds[provenanceName(vote.provenance)];
            badA += vote.badA;
            badB += vote.badB;
            if (members.size() > 2) {
                PL_TRY(const auto judgement, project.currentJudgement(vote.task, vote.annotator, id));
                orders.push_back(judgement ? judgement->ranking : Json());
                ++report.written["ranking"];
                continue;
            }
            ++n[static_cast<int>(vote.winner)];
            ++report.written[winnerName(vote.winner)];
            if (vote.winner == Winner::Tie)
                ++ties[vote.tieKind == TieKind::None ? "unspecified" : tieKindName(vote.tieKind)];
            if (vote.strength) {
                sum += vote.winner == Winner::B ? vote.strength : -vote.strength;
                ++strengths;
            }
        }
        const int64_t total = n[0] + n[1] + n[2], most = std::max({n[0], n[1], n[2]});
        const bool cancelled = (n[0] == most) + (n[1] == most) + (n[2] == most) > 1;
        Json row{{"pair", item.comparison.sha},
                 {"prompt", promptValue(item.prompt.content)},
                 {"split", splitName(item.prompt.split)},
                 {"answers", answers},
                 {"votes", {{"a", n[0]}, {"b", n[1]}, {"tie", n[2]}, {"skip", skips}, {"by_kind", kinds}, {"ties", ties}}},
                 {"majority", total == 0 || cancelled ? Json() : Json(n[0] == most ? "a" : n[1] == most ? "b" : "tie")},
                 // of all pairs of votes, how many say the same
                 {"agreement", total < 2 ? Json() : Json(static_cast<double>(n[0] * (n[0] - 1) + n[1] * (n[1] - 1) + n[2] * (n[2] - 1)) /
                                                        static_cast<double>(total * (total - 1)))},
                 {"mean_points", strengths ? Json(static_cast<double>(sum) / static_cast<double>(strengths)) : Json()}, // negative: a is better
                 {"bad_a", badA},
                 {"bad_b", badB},
                 {"flags", flags},
                 {"adjudicated", Json::array()}};
        for (const Id task : decided) {
            PL_TRY(const auto verdict, verdictOn(project, task, id));
            PL_TRY(const Task asked, project.task(task));
            if (!verdict)
                return fail(Code::Corrupt, fmt::format("the verdict on pair {} in task \"{}\" counts and cannot be read", item.comparison.sha.substr(0, 12), asked.name),
                            "Run `pairlab-cli check`.");
            const Judgement& said = verdict->judgement;
            const bool bad = said.kind != EventKind::Vote;
            row["adjudicated"].push_back({{"task", asked.name},
                                          {"verdict", bad ? "bad_pair" : winnerName(said.winner)},
                                          {"tie_kind", bad || said.winner != Winner::Tie ? Json() : Json(tieKindName(said.tieKind))},
                                          {"strength", said.strength ? Json(*said.strength) : Json()},
                                          {"by", "adjudicator"},
                                          {"cause", causeName(verdict->cause)}});
        }
        if (members.size() > 2)
            row["rankings"] = orders;
        report.votes += static_cast<int64_t>(votes.size());
        ++report.splits[splitName(item.prompt.split)];
        rows[item.comparison.sha] = std::move(row);
    }
    if (counted != asked)
        return fail(Code::Internal, fmt::format("{} of {} votes are unaccounted for; nothing was written", asked - counted, asked),
                    "Report this, with what `pairlab-cli check` says.");
    if (rows.empty())
        return fail(Code::InvalidInput, "there is no vote to export", "Label some pairs, or widen the filter.");
    for (const auto& [sha, row] : rows)
        bytes += dumpJson(row) + "\n";
    report.lines = report.pairs = static_cast<int64_t>(rows.size());
    return report;
}

} // namespace

} // namespace pl::desk
