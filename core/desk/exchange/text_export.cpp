// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/text_export.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/domain/ranking.h"
#include "core/desk/exchange/rows.h"
#include "core/desk/exchange/text_export_parts.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/raw_events.h"

namespace pl::desk {

using namespace exports;

namespace {

constexpr size_t kPairsNamed = 5;
constexpr std::string_view kImported = "imported: ";

const char* stratumOf(const CurrentVote& vote, bool ranking) {
    return vote.kind != EventKind::Vote ? "skip" : ranking ? "ranking" : winnerName(vote.winner);
}

AnnotatorKind kindOf(Provenance provenance) {
    switch (provenance) {
    case Provenance::Rule: return AnnotatorKind::Rule;
    case Provenance::Judge: return AnnotatorKind::Judge;
    case Provenance::Model: return AnnotatorKind::Model;
    default: return AnnotatorKind::Human;
    }
}

bool wanted(const TextExportFilter& filter, const CurrentVote& vote) {
    return (!filter.task || vote.task == filter.task) &&
           (filter.provenances.empty() ||
            std::find(filter.provenances.begin(), filter.provenances.end(), vote.provenance) != filter.provenances.end());
}

Result<Said> saidOf(Project& project, const CurrentVote& vote, const Annotator& who, size_t members) {
    Said out;
    PL_TRY(const auto judgement, project.currentJudgement(vote.task, vote.annotator, vote.comparison));
    if (!judgement)
        return fail(Code::Corrupt, fmt::format("vote {} counts and has no event", vote.event), "Run `pairlab-cli check`.");
    out.winner = judgement->winner;
    out.tieKind = judgement->tieKind;
    out.strength = judgement->strength;
    out.badA = judgement->badA;
    out.badB = judgement->badB;
    out.rationale = judgement->rationale;
    const Json& attributes = judgement->attributes;
    if (attributes.is_object()) {
        out.attributesA = attributes.value("a", Json::object());
        out.attributesB = attributes.value("b", Json::object());
    }
    if (judgement->ranking.is_object())
        if (const auto ranking = Ranking::of(judgement->ranking, members); ranking && !ranking->ranks.empty()) {
            const int best = *std::min_element(ranking->ranks.begin(), ranking->ranks.end());
            if (!ranking->unordered.count(best)) { // of a partial order the best may be known, or not
                const std::set<int> places(ranking->ranks.begin(), ranking->ranks.end());
                for (const int rank : ranking->ranks) // without gaps, as a list says them
                    out.ranks.push_back(1 + static_cast<int>(std::distance(places.begin(), places.find(rank))));
            }
        }
    out.annotator = who.name;
    while (out.annotator.starts_with(kImported))
        out.annotator.erase(0, kImported.size());
    out.annotatorUuid = who.uuid;
    out.by = kindOf(vote.provenance);
    return out;
}

/// Everything asked for, with what becomes of every vote.
class Export {
public:
    Export(Project& project, const TextExportFilter& filter, const FormInfo& form, TextExportReport& report)
        : m_project(project), m_filter(filter), m_form(form), m_report(report) {}

    Status run() {
        PL_TRY(const auto people, m_project.annotators());
        std::map<Id, const Annotator*> who;
        for (const Annotator& each : people)
            who[each.id] = &each;
        std::map<Id, std::vector<CurrentVote>> byPair; // a copy: the table changes under calls that write
        for (const CurrentVote& vote : m_project.currentVotes())
            if (vote.occasion == 0 && wanted(m_filter, vote)) {
                byPair[vote.comparison].push_back(vote);
                ++m_asked;
            }
        std::vector<std::pair<std::string, Id>> order;
        for (const auto& [id, votes] : byPair) {
            PL_TRY(const LabelItem item, m_project.pairItem(id));
            order.emplace_back(item.comparison.sha, id);
        }
        std::sort(order.begin(), order.end());
        for (const auto& [sha, id] : order)
            PL_CHECK(pair(id, byPair[id], who));
        return {};
    }
    int64_t asked() const { return m_asked; }
    std::string bytes;
    std::set<std::string> pairs; ///< the hashes of those written
    Json rows = Json::array();   ///< of a form that is one array
    std::map<std::string, Json> beside;  ///< rows that stand in a file of their own, by its suffix
    std::map<std::string, size_t> sizes; ///< of the sets in it

private:
    Status pair(Id id, const std::vector<CurrentVote>& votes, std::map<Id, const Annotator*>& who) {
        PairVotes one;
        PL_TRY(const LabelItem item, m_project.pairItem(id));
        one.comparison = item.comparison;
        one.prompt = item.prompt;
        PL_TRY(one.members, m_project.members(id));
        const bool ranking = one.members.size() > 2;
        std::vector<CurrentVote> cast;
        const bool flagged = std::any_of(votes.begin(), votes.end(), [](const CurrentVote& v) { return v.flagged; });
        for (const CurrentVote& vote : votes) {
            if (vote.kind != EventKind::Vote)
                leave(vote.kind == EventKind::Skip ? "skips" : "flags without a vote", 1);
            else
                cast.push_back(vote);
        }
        const auto all = static_cast<int64_t>(cast.size());
        const char* why = cast.empty()                                                                                     ? ""
                          : one.members[0].kind == CandidateKind::Image                                                    ? "votes on images"
                          : one.comparison.promptB                                                                         ? "votes on pairs that differ in their prompt"
                          : flagged                                                                                        ? "votes on flagged pairs"
                          : std::find(m_filter.splits.begin(), m_filter.splits.end(), one.prompt.split) == m_filter.splits.end()
                              ? (one.prompt.split == Split::Test ? "votes on test prompts, which are sealed" : "votes on prompts of another split")
                          : ranking && m_form.loses(Part::Rankings) ? "rankings"
                                                                    : nullptr;
        if (why) {
            leave(why, all);
            return {};
        }
        // A verdict is nobody's opinion: where one row stands for all votes it stands for those of its task, elsewhere it is left out.
        const auto isVerdict = [&](const CurrentVote& vote) { return isAdjudicator(*who.at(vote.annotator)); };
        if (m_form.loses(Part::Votes)) {
            std::map<Id, const CurrentVote*> verdicts; // the newest of each task
            for (const CurrentVote& vote : votes)
                if (vote.kind != EventKind::Flag && isVerdict(vote))
                    if (const CurrentVote*& last = verdicts[vote.task]; !last || last->event < vote.event)
                        last = &vote;
            for (const auto& [task, verdict] : verdicts)
                leave(verdict->kind == EventKind::Skip ? "votes on pairs that a verdict calls bad" : "votes that a verdict stands for",
                      static_cast<int64_t>(std::erase_if(cast, [&](const CurrentVote& v) { return v.task == task && v.event != verdict->event; })));
        } else {
            leave("verdicts, which are nobody's opinion", static_cast<int64_t>(std::erase_if(cast, isVerdict)));
        }
        std::sort(cast.begin(), cast.end(), [&](const CurrentVote& x, const CurrentVote& y) {
            return std::tie(who.at(x.annotator)->name, who.at(x.annotator)->uuid, x.task) <
                   std::tie(who.at(y.annotator)->name, who.at(y.annotator)->uuid, y.task);
        });
        std::map<std::string, int64_t> strata;
        for (const CurrentVote& vote : cast) {
            PL_TRY(Said said, saidOf(m_project, vote, *who.at(vote.annotator), one.members.size()));
            if (ranking && said.ranks.size() != one.members.size()) {
                leave("rankings that do not say which answer is best", 1);
                continue;
            }
            if (ranking && m_form.loses(Part::RankingTies) &&
                std::set<int>(said.ranks.begin(), said.ranks.end()).size() != said.ranks.size()) {
                leave("rankings with ties, or of a part of the answers", 1);
                continue;
            }
            if (m_form.loses(Part::Ties) && !m_form.loses(Part::Votes) && said.winner == Winner::Tie && !ranking) {
                leave("ties", 1);
                continue;
            }
            ++strata[stratumOf(vote, ranking)];
            one.said.push_back(std::move(said));
        }
        if (one.said.empty())
            return {};
        const auto kept = static_cast<int64_t>(one.said.size());
        std::vector<Said> said = one.said;
        if (m_form.loses(Part::Votes)) {
            if (ranking && said.size() > 1) {
                leave("rankings by several people", kept);
                return {};
            }
            const auto verdict = majorityOf(said);
            if (!verdict) {
                leave("votes that cancel out", kept);
                return {};
            }
            if (m_form.loses(Part::Ties) && verdict->winner == Winner::Tie && !ranking && m_form.form != TextForm::TrlUnpaired) {
                leave("ties", kept);
                return {};
            }
            said = {*verdict};
        }
        const auto made = rowsOf(m_form.form, one, said, m_number + 1);
        if (!made) {
            leave(made.error().message, kept);
            return {};
        }
        if (m_form.readAs != ImportFormat::Auto && !readsBack(*made, one, said)) {
            leave("votes whose texts would be read otherwise", kept);
            return {};
        }
        const std::string suffix = besideSuffix(m_form.form, one.members.size());
        for (const Json& row : *made) {
            ++m_number;
            ++m_report.splits[splitName(one.prompt.split)];
            if (!suffix.empty()) {
                beside[suffix].push_back(row);
                sizes[suffix] = one.members.size();
                continue;
            }
            ++m_report.lines;
            if (m_form.array)
                rows.push_back(row);
            else
                bytes += dumpJson(row) + "\n";
        }
        pairs.insert(one.comparison.sha);
        ++m_report.pairs;
        m_report.votes += kept;
        for (const auto& [stratum, n] : strata)
            m_report.written[stratum] += n;
        return {};
    }

    void leave(const std::string& why, int64_t n) {
        if (n)
            m_report.leftOut[why] += n;
    }

    bool readsBack(const std::vector<Json>& made, const PairVotes& pair, const std::vector<Said>& said) const {
        std::string text;
        for (const Json& row : made)
            text += dumpJson(row) + "\n";
        ImportOptions options;
        options.format = m_form.readAs;
        const auto parsed = parseImport(text, "row.jsonl", options);
        if (!parsed || parsed->rejectedCount || parsed->rows.size() != said.size())
            return false;
        std::multiset<std::string> in, out;
        for (const ImportRow& row : parsed->rows)
            out.insert(dumpJson(withoutLost(canonicalVote(row), m_form)));
        for (const Said& one : said)
            in.insert(dumpJson(withoutLost(canonicalVote(importRowOf(pair, one)), m_form)));
        return in == out;
    }

    Project& m_project;
    const TextExportFilter& m_filter;
    const FormInfo& m_form;
    TextExportReport& m_report;
    int64_t m_asked = 0, m_number = 0;
};

/// What LLaMA-Factory has to know of the file: an entry beside those that are there.
Result<std::string> datasetInfo(const std::string& out) {
    const size_t slash = out.rfind('/');
    const std::string path = (slash == std::string::npos ? "" : out.substr(0, slash + 1)) + "dataset_info.json";
    Json all = Json::object();
    if (os::exists(path)) {
        PL_TRY(all, readJsonFile(path));
        if (!all.is_object())
            return fail(Code::InvalidInput, fmt::format("{} is there and is no object of data sets", path), "Write to another folder.");
    }
    const std::string file = os::baseName(out);
    all[file.substr(0, file.find('.'))] = {{"file_name", file},
                                           {"ranking", true},
                                           {"formatting", "sharegpt"},
                                           {"columns", {{"messages", "conversations"}, {"chosen", "chosen"}, {"rejected", "rejected"}, {"system", "system"}}}};
    PL_CHECK(os::writeFileAtomic(path, dumpJsonPretty(all) + "\n"));
    return path;
}

/// Rows of the file as it lies on the disk.
Result<int64_t> rowsIn(const std::string& path) {
    PL_TRY(const std::string text, os::readFile(path));
    int64_t n = 0;
    Status good;
    forEachRow(text, [&](const Row& row) {
        if (!row.json)
            good = tl::unexpected(row.json.error());
        ++n;
        return row.json.has_value();
    });
    PL_CHECK(good);
    return n;
}

/// Of prompts alone; `bytes`: its rows.
Result<TextExportReport> makePrompts(Project& project, const TextExportFilter& filter, std::string& bytes) {
    TextExportReport report;
    report.form = "trl_prompt_only";
    report.rule = "every prompt";
    report.lost = formInfo(TextForm::TrlPromptOnly).lost;
    for (const Split split : filter.splits) {
        PL_TRY(const auto prompts, project.promptsForJob(split));
        for (const Prompt& prompt : prompts) {
            bytes += dumpJson({{"prompt", promptTurns(prompt.content)}, {"split", splitName(split)}}) + "\n";
            ++report.lines;
            ++report.splits[splitName(split)];
        }
    }
    if (!report.lines)
        return fail(Code::InvalidInput, "there is no prompt to export", "Import or add prompts.");
    return report;
}

Result<TextExportReport> exportPrompts(Project& project, const TextExportFilter& filter, const std::string& out) {
    std::string bytes;
    PL_TRY(TextExportReport report, makePrompts(project, filter, bytes));
    report.file = out;
    PL_CHECK(os::writeFileAtomic(out, bytes));
    report.files.push_back(out);
    PL_CHECK(writeManifest(project, filter, report));
    return report;
}

TextExportReport begun(const FormInfo& info) {
    TextExportReport report;
    report.form = info.name;
    report.rule = info.loses(Part::Votes) ? "majority" : "each";
    report.lost = info.lost;
    return report;
}

/// Fills the report; fails unless every vote is accounted for and there is a row.
Status make(Export& work, const FormInfo& info, TextExportReport& report) {
    PL_CHECK(work.run());
    int64_t fates = 0;
    for (const auto* counts : {&report.written, &report.leftOut})
        for (const auto& [what, n] : *counts)
            fates += n;
    if (fates != work.asked())
        return fail(Code::Internal, fmt::format("{} of {} votes are unaccounted for; nothing was written", work.asked() - fates, work.asked()),
                    "Report this, with what `pairlab-cli check` says.");
    if (!report.lines && work.beside.empty()) {
        std::string why;
        for (const auto& [what, n] : report.leftOut)
            why += fmt::format("{}{} {}", why.empty() ? ": left out are " : ", ", n, what);
        return fail(Code::InvalidInput, fmt::format("there is no vote to export as {}{}", info.name, why), "Label some pairs, or choose another form.");
    }
    return {};
}

} // namespace

// --- shared --------------------------------------------------------------------------------------------------------------

std::optional<Said> exports::majorityOf(const std::vector<Said>& said) {
    if (said.size() == 1)
        return said[0];
    int64_t n[3] = {}, badA = 0, badB = 0, sum = 0, strengths = 0;
    std::map<TieKind, int> ties;
    Said out;
    out.votes = static_cast<int64_t>(said.size());
    out.by = said[0].by;
    std::map<std::string, std::pair<double, int>> numbers[2];
    for (const Said& one : said) {
        ++n[static_cast<int>(one.winner)];
        badA += one.badA;
        badB += one.badB;
        if (one.by == AnnotatorKind::Human)
            out.by = AnnotatorKind::Human;
        if (one.winner == Winner::Tie)
            ++ties[one.tieKind];
        for (int side = 0; side < 2; ++side)
            for (const auto& [name, value] : (side ? one.attributesB : one.attributesA).items())
                if (value.is_number()) {
                    numbers[side][name].first += value.get<double>();
                    ++numbers[side][name].second;
                }
    }
    const int64_t most = std::max({n[0], n[1], n[2]});
    if ((n[0] == most) + (n[1] == most) + (n[2] == most) > 1)
        return std::nullopt;
    out.winner = n[0] == most ? Winner::A : n[1] == most ? Winner::B : Winner::Tie;
    out.badA = 2 * badA > out.votes;
    out.badB = 2 * badB > out.votes;
    int best = 0;
    for (const auto& [kind, count] : ties)
        if (out.winner == Winner::Tie && count > best) {
            best = count;
            out.tieKind = kind;
        }
    for (const Said& one : said)
        if (one.winner == out.winner && one.strength) {
            sum += *one.strength;
            ++strengths;
        }
    if (strengths && out.winner != Winner::Tie)
        out.strength = static_cast<int>((2 * sum + strengths) / (2 * strengths));
    for (int side = 0; side < 2; ++side)
        for (const auto& [name, value] : numbers[side])
            (side ? out.attributesB : out.attributesA)[name] = value.first / value.second;
    return out;
}

Status exports::writeManifest(Project& project, const TextExportFilter& filter, TextExportReport& report) {
    Json hashes = Json::object(), lost = Json::object();
    for (const std::string& file : report.files) {
        PL_TRY(const std::string text, os::readFile(file));
        hashes[os::baseName(file)] = sha256Hex(text);
    }
    for (const Part part : report.lost)
        lost[partName(part)] = partText(part);
    const Json manifest{{"manifest_version", 1},
                        {"format", report.form},
                        {"files", hashes},
                        {"filter", filter.toJson()},
                        {"aggregation", report.rule},
                        {"counts", {{"rows", report.lines}, {"rows_beside", report.beside}, {"pairs", report.pairs}, {"votes", report.votes}, {"by_verdict", report.written}, {"by_split", report.splits}}},
                        {"left_out", report.leftOut},
                        {"lost", lost},
                        {"project", project.uuid()},
                        {"app_version", appVersion()}};
    const std::string path = report.file + ".manifest.json";
    PL_CHECK(os::writeFileAtomic(path, dumpJsonPretty(manifest) + "\n"));
    report.files.push_back(path);
    return {};
}

Json TextExportFilter::toJson() const {
    Json kinds = Json::array(), parts = Json::array();
    for (const Provenance each : provenances)
        kinds.push_back(provenanceName(each));
    for (const Split each : splits)
        parts.push_back(splitName(each));
    return {{"task", task}, {"provenances", kinds}, {"splits", parts}};
}

Json TextExportReport::toJson() const {
    Json parts = Json::array();
    for (const Part part : lost)
        parts.push_back(partName(part));
    return {{"file", file},       {"format", form},      {"aggregation", rule}, {"rows", lines},    {"pairs", pairs}, {"votes", votes}, {"rows_beside", beside},
            {"written", written}, {"left_out", leftOut}, {"splits", splits},    {"lost", parts}, {"files", files}};
}

std::string TextExportReport::toString() const {
    std::string out = fmt::format("{} row{}", lines, lines == 1 ? "" : "s");
    for (const auto& [file, n] : beside)
        out += fmt::format(" and {} in {}", n, file);
    if (votes)
        out += fmt::format(" of {} vote{} on {} pair{}", votes, votes == 1 ? "" : "s", pairs, pairs == 1 ? "" : "s");
    return out;
}

// --- a form of another tool -----------------------------------------------------------------------------------------------

Result<TextExportReport> countText(Project& project, const TextExportFilter& filter, const std::string& out, TextForm form) {
    if (form == TextForm::TrlPromptOnly) {
        std::string bytes;
        return makePrompts(project, filter, bytes);
    }
    const FormInfo& info = formInfo(form);
    TextExportReport report = begun(info);
    Export work(project, filter, info, report);
    PL_CHECK(make(work, info, report));
    for (const auto& [suffix, rows] : work.beside)
        report.beside[os::baseName(out + suffix)] = static_cast<int64_t>(rows.size());
    return report;
}

Result<TextExportReport> exportText(Project& project, const TextExportFilter& filter, const std::string& out, TextForm form) {
    if (form == TextForm::TrlPromptOnly)
        return exportPrompts(project, filter, out);
    const FormInfo& info = formInfo(form);
    TextExportReport report = begun(info);
    report.file = out;
    Export work(project, filter, info, report);
    PL_CHECK(make(work, info, report));
    const auto arrayOf = [](const Json& rows) { return rows.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; };
    if (info.array)
        work.bytes = arrayOf(work.rows);
    PL_CHECK(os::writeFileAtomic(out, work.bytes));
    report.files.push_back(out);
    PL_TRY(const int64_t there, rowsIn(out));
    if (there != report.lines) {
        std::string names;
        size_t named = 0;
        for (const std::string& sha : work.pairs)
            if (named++ < kPairsNamed)
                names += (names.empty() ? "" : ", ") + sha.substr(0, 12);
        return fail(Code::Io, fmt::format("{} holds {} rows of {}, which are of the pairs {} and so on", out, there, report.lines, names),
                    "Check the disk, and export again.");
    }
    if (form == TextForm::LlamaFactory) {
        PL_TRY(const std::string info, datasetInfo(out));
        report.files.push_back(info);
    }
    const auto explain = [&](const std::string& path, size_t members) -> Status { // what the tool must know of a file
        if (form != TextForm::LabelStudio && form != TextForm::Argilla)
            return {};
        const bool studio = form == TextForm::LabelStudio;
        report.files.push_back(path + (studio ? ".config.xml" : ".settings.json"));
        return os::writeFileAtomic(report.files.back(), studio ? labelStudioConfig(members > 2) : dumpJsonPretty(argillaSettings(members)) + "\n");
    };
    PL_CHECK(explain(out, 2));
    for (size_t members = 3; members <= Ranking::kMost; ++members) // of an earlier export, of other votes
        if (const std::string old = besideSuffix(form, members); !old.empty() && !work.beside.count(old))
            for (const char* end : {"", ".config.xml", ".settings.json"})
                if (const std::string path = out + old + end; os::isRegularFile(path))
                    PL_CHECK(os::removeTree(path));
    for (const auto& [suffix, rows] : work.beside) {
        const std::string path = out + suffix;
        PL_CHECK(os::writeFileAtomic(path, arrayOf(rows)));
        PL_TRY(const int64_t written, rowsIn(path));
        if (written != static_cast<int64_t>(rows.size()))
            return fail(Code::Io, fmt::format("{} holds {} rows of {}", path, written, rows.size()), "Check the disk, and export again.");
        report.beside[os::baseName(path)] = written;
        report.files.push_back(path);
        PL_CHECK(explain(path, work.sizes[suffix]));
    }
    PL_CHECK(writeManifest(project, filter, report));
    return report;
}

} // namespace pl::desk
