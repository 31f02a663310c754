// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/packages.h"
#include "core/desk/store/rankings.h"
#include "tests/desk/desk_fixture.h"

/// Projects that deal packages out and get them back.
namespace fixture {

/// Every byte of every file below a folder, with the names.
inline std::string allBytes(const std::string& folder) {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) {
            std::ifstream file(entry.path(), std::ios::binary);
            std::ostringstream bytes;
            bytes << file.rdbuf();
            all += entry.path().filename().string() + "\n" + bytes.str();
        }
    return all;
}

/// A set to rank of each size, each of a prompt of its own.
inline void addSets(Project& project, const std::vector<int>& sizes) {
    for (size_t i = 0; i < sizes.size(); ++i) {
        NewPrompt prompt;
        prompt.content = "Order " + std::to_string(i);
        prompt.split = Split::Train;
        const Id id = must(project.addPrompts({prompt}))[0];
        std::vector<NewCandidate> answers(static_cast<size_t>(sizes[i]));
        for (size_t k = 0; k < answers.size(); ++k) {
            answers[k].prompt = id;
            answers[k].content = "Member " + std::to_string(k) + " of " + std::to_string(i);
            answers[k].modelName = "start";
        }
        must(project.addCandidates(answers));
    }
    MakeRankingsOptions o;
    o.size = 9;
    must(makeRankings(project, o));
}

inline std::vector<DealtPackage> deal(Project& project, std::vector<std::string> people, int64_t pairs, int64_t shared, const std::string& out,
                                      int64_t sets = 0, int64_t sharedSets = 0) {
    DealOptions o;
    o.sets = sets;
    o.sharedSets = sharedSets;
    o.people = std::move(people);
    o.pairs = pairs;
    o.shared = shared;
    o.seed = 7;
    o.out = out;
    return must(dealPackages(project, o));
}

/// An annotator at work on a package.
struct AtWork {
    std::optional<Project> project;
    Id task = 0, person = 0, session = 0;
    AtWork(const std::string& file, const std::string& dir) {
        project = must(openPackage(file, dir, options()));
        task = must(project->defaultTask()).id;
        for (const auto& each : must(project->annotators()))
            person = each.id;
        session = must(project->beginSession(person, task));
    }
    std::vector<LabelItem> next(size_t n = 1) {
        Project::NextOptions o;
        o.task = task;
        o.annotator = person;
        o.session = session;
        o.limit = n;
        o.rule = QueueRule::Mixed;
        return must(project->next(o));
    }
    std::vector<RankItem> sets(size_t n = 50) {
        Project::NextOptions o;
        o.task = task;
        o.annotator = person;
        o.session = session;
        o.limit = n;
        return must(nextRankings(*project, o));
    }
    Ack rank(const RankItem& item, const Ranking& ranking, const std::string& rationale = {}) {
        JudgementInput in;
        static_cast<Judgement&>(in) = judgementOf(ranking);
        in.rationale = rationale;
        in.view = "rank";
        in.activeMs = 4000;
        return must(project->presentAndJudge(item.presentation, in));
    }
    Ack vote(const LabelItem& item, Winner winner, const std::string& rationale = {}, const std::string& edited = {}) {
        JudgementInput in;
        in.winner = winner;
        in.rationale = rationale;
        if (!edited.empty())
            in.edited = edited;
        in.activeMs = 900;
        return must(project->presentAndJudge(item.presentation, in));
    }
    std::string giveBack(const std::string& file) { return must(writeReturn(*project, file)).file; }
};

/// An order of n answers that differs for every `turn`: ties, and an end that was left open, among them.
inline Ranking orderOf(size_t n, int turn) {
    Ranking ranking;
    for (size_t i = 0; i < n; ++i)
        ranking.ranks.push_back(1 + static_cast<int>((i * static_cast<size_t>(1 + turn % 2) + static_cast<size_t>(turn)) % n));
    if (turn % 3 == 1)
        ranking.ranks[1] = ranking.ranks[0];
    if (turn % 3 == 2) {
        ranking.ranks[0] = ranking.ranks[1] = static_cast<int>(n);
        ranking.unordered = {static_cast<int>(n)};
    }
    return ranking;
}

/// Everything judged in a project in words that do not depend on row numbers: events, presentations, sessions, edited answers, what counts.
inline std::string canonical(const std::string& dir) {
    SQLite::Database db(dir + "/project.db", SQLite::OPEN_READONLY);
    std::string all;
    for (const char* sql :
         {"SELECT 'event', j.uuid, j.kind, t.uuid, j.guideline_version, x.sha, n.uuid, j.occasion, m.origin, m.number, s.uuid, "
          "(SELECT uuid FROM judgements y WHERE y.id = j.target_id), (SELECT uuid FROM judgements y WHERE y.id = j.supersedes_id), "
          "j.provenance, j.winner, j.tie_kind, j.strength, j.bad_a, j.bad_b, j.skip_reason, j.flag, k.uuid, j.details_sha, j.view, "
          "j.first_paint_ms, j.active_ms, j.origin, j.app_version, j.time_ms, j.mono_ns, j.chain_seq, j.prev_digest, j.digest, "
          "d.attributes, d.reasons, d.rationale, d.spans, d.regions, d.ranking FROM judgements j JOIN tasks t ON t.id = j.task_id "
          "JOIN comparisons x ON x.id = j.comparison_id JOIN annotators n ON n.id = j.annotator_id "
          "LEFT JOIN merged_presentations m ON m.presentation_id = j.presentation_id LEFT JOIN sessions s ON s.id = j.session_id "
          "LEFT JOIN candidates k ON k.id = j.edited_id LEFT JOIN judgement_details d ON d.event_id = j.id ORDER BY j.uuid",
          "SELECT 'shown', m.origin, m.number, x.sha, n.uuid, s.uuid, p.guideline_version, p.occasion, p.a_on_left, p.seed, p.rule, "
          "p.propensity, p.stratum, p.blind, p.exposed, p.shown_ms FROM presentations p LEFT JOIN merged_presentations m "
          "ON m.presentation_id = p.id JOIN comparisons x ON x.id = p.comparison_id JOIN annotators n ON n.id = p.annotator_id "
          "LEFT JOIN sessions s ON s.id = p.session_id ORDER BY 2, 3, 4, 16",
          "SELECT 'session', s.uuid, n.uuid, s.program, s.started_ms, s.ended_ms FROM sessions s JOIN annotators n ON n.id = s.annotator_id "
          "ORDER BY 2",
          "SELECT 'answer', k.uuid, p.sha, k.sha, c.text, k.provenance, q.uuid, k.withdrawn, k.created_ms FROM candidates k "
          "JOIN prompts p ON p.id = k.prompt_id LEFT JOIN contents c ON c.id = k.content_id LEFT JOIN candidates q ON q.id = k.parent_id "
          "ORDER BY 2",
          "SELECT 'current', t.uuid, x.sha, n.uuid, c.occasion, j.uuid, c.kind, c.winner, c.tie_kind, c.strength, c.bad_a, c.bad_b, c.flagged, "
          "c.provenance, c.shown, c.a_on_left, c.random, c.active_ms FROM current c JOIN tasks t ON t.id = c.task_id "
          "JOIN comparisons x ON x.id = c.comparison_id JOIN annotators n ON n.id = c.annotator_id JOIN judgements j ON j.id = c.event_id "
          "ORDER BY 3, 4, 5",
          "SELECT 'counter', name, value FROM counters ORDER BY 2"}) {
        SQLite::Statement rows(db, sql);
        while (rows.executeStep()) {
            for (int i = 0; i < rows.getColumnCount(); ++i)
                all += rows.getColumn(i).getString() + "|";
            all += "\n";
        }
    }
    return all;
}

/// The lines of a package or return, changed and sealed anew, as whoever forges one would.
inline void reseal(const std::string& path, const std::function<void(std::vector<Json>&)>& change) {
    std::istringstream file(must(os::readFile(path)));
    std::vector<Json> lines;
    for (std::string line; std::getline(file, line);)
        lines.push_back(Json::parse(line));
    lines.pop_back();
    change(lines);
    std::string bytes;
    for (const Json& line : lines)
        bytes += dumpJson(line) + "\n";
    bytes += dumpJson({{"lines", lines.size()}, {"sha256", sha256Hex(bytes)}}) + "\n";
    must(os::writeFileAtomic(path, bytes));
}

/// Gives an event of a return the digest of what it now says, as only the author of the whole chain could.
inline void sign(const Json& header, Json& event, const std::string& task, const Json& details = {}, const Json& presentation = {}) {
    DigestInput in;
    const auto text = [&](const char* key) { return event.value(key, std::string()); };
    in.uuid = text("uuid");
    in.kind = text("kind");
    in.task = task;
    in.comparison = text("pair");
    in.annotator = header["person"].get<std::string>();
    in.target = text("target");
    in.supersedes = text("supersedes");
    in.provenance = "human";
    in.winner = text("winner");
    in.tieKind = text("tie_kind");
    in.strength = event["strength"].get<int64_t>();
    in.badA = event["bad_a"].get<bool>();
    in.badB = event["bad_b"].get<bool>();
    in.view = text("view");
    in.origin = header["origin"].get<std::string>();
    in.appVersion = text("app_version");
    in.previous = text("previous");
    in.guidelineVersion = event["guideline_version"].get<int64_t>();
    in.occasion = event["occasion"].get<int64_t>();
    in.firstPaintMs = event["first_paint_ms"].get<int64_t>();
    in.activeMs = event["active_ms"].get<int64_t>();
    in.timeMs = event["time_ms"].get<int64_t>();
    in.monoNs = event["mono_ns"].get<int64_t>();
    in.chainSeq = event["number"].get<int64_t>();
    event["presentation"] = nullptr;
    in.presentation = presentation;
    event.erase("edited");
    event.erase("details");
    if (!details.is_null()) {
        event["details"] = details;
        in.detailsSha = sha256Hex(dumpJson(details));
    }
    if (event.contains("skip"))
        in.skipSha = sha256Hex(text("skip"));
    event["digest"] = digestOf(in);
}

/// The pairs and sets of a package by their prompts, in the order of the file.
inline std::vector<std::string> promptsOf(const std::string& file) {
    std::vector<std::string> pairs;
    std::istringstream lines(must(os::readFile(file)));
    for (std::string line; std::getline(lines, line);)
        if (const Json json = Json::parse(line); json.contains("prompt"))
            pairs.push_back(json["prompt"].get<std::string>());
    return pairs;
}

} // namespace fixture
