// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/store/packages.h"
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

inline std::vector<DealtPackage> deal(Project& project, std::vector<std::string> people, int64_t pairs, int64_t shared, const std::string& out) {
    DealOptions o;
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

} // namespace fixture
