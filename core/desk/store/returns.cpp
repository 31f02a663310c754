// SPDX-License-Identifier: Apache-2.0
// What an annotator did, as a file.
#include "core/desk/store/edits.h"
#include "core/desk/store/event_rows.h"
#include "core/desk/store/package_file.h"
#include "core/desk/store/packages.h"

namespace pl::desk {

namespace {

Json orNullJson(Id value) { return value ? Json(value) : Json(); }

Json eventLine(Project::Impl& impl, const EventRow& event, const std::map<Id, std::string>& sessions) {
    const DigestInput& in = event.in;
    Json line{{"uuid", in.uuid},
              {"kind", in.kind},
              {"guideline_version", in.guidelineVersion},
              {"pair", in.comparison},
              {"occasion", in.occasion},
              {"target", in.target},
              {"supersedes", in.supersedes},
              {"winner", in.winner},
              {"tie_kind", in.tieKind},
              {"strength", in.strength},
              {"bad_a", in.badA},
              {"bad_b", in.badB},
              {"presentation", orNullJson(event.presentation)},
              {"view", in.view},
              {"first_paint_ms", in.firstPaintMs},
              {"active_ms", in.activeMs},
              {"app_version", in.appVersion},
              {"time_ms", in.timeMs},
              {"mono_ns", in.monoNs},
              {"number", in.chainSeq},
              {"previous", in.previous},
              {"digest", event.digest}};
    if (event.skip)
        line["skip"] = *event.skip;
    if (event.flag)
        line["flag"] = *event.flag;
    if (event.session)
        line["session"] = sessions.at(event.session);
    if (event.edited) {
        auto row = impl.query("SELECT uuid FROM candidates WHERE id = ?");
        row.bind(event.edited).step();
        line["edited"] = row.text(0);
    }
    if (const Json details = storedDetails(impl, event.id); !details.is_null())
        line["details"] = details;
    return Json{{"event", line}};
}

Result<ReturnedWork> writeIn(Project& project, const WorkOrder& order, const std::string& out) {
    Project::Impl& impl = project.impl();
    const std::string origin = impl.meta("origin");
    Id person = 0;
    {
        auto row = impl.query("SELECT id FROM annotators WHERE uuid = ?");
        if (!row.bind(order.person).step())
            return fail(Code::Corrupt, fmt::format("the project does not have {}, whose package it is", order.personName));
        person = row.integer(0);
    }
    ReturnedWork work;
    work.pairs = order.pairs;
    work.sets = order.sets;
    PackageWriter file;
    file.add({{"format", kReturnFormat},
              {"v", 1},
              {"package", order.package},
              {"project", order.project},
              {"person", order.person},
              {"origin", origin}});
    std::map<Id, std::string> sessions;
    {
        auto rows = impl.query("SELECT id, uuid, program, app_version, started_ms, ended_ms FROM sessions WHERE annotator_id = ? "
                               "ORDER BY id");
        rows.bind(person);
        while (rows.step()) {
            sessions[rows.integer(0)] = rows.text(1);
            file.add({{"session",
                       {{"uuid", rows.text(1)},
                        {"program", rows.text(2)},
                        {"app_version", rows.text(3)},
                        {"started_ms", rows.integer(4)},
                        {"ended_ms", rows.null(5) ? Json() : Json(rows.integer(5))}}}});
        }
    }
    {
        auto rows = impl.query("SELECT DISTINCT k.uuid, p.sha, parent.sha, c.text, k.created_ms FROM judgements j "
                               "JOIN candidates k ON k.id = j.edited_id JOIN prompts p ON p.id = k.prompt_id "
                               "JOIN contents c ON c.id = k.content_id LEFT JOIN candidates parent ON parent.id = k.parent_id "
                               "WHERE j.annotator_id = ? AND j.origin = ? ORDER BY k.uuid");
        rows.bind(person, origin);
        while (rows.step())
            file.add({{"edited",
                       {{"uuid", rows.text(0)},
                        {"prompt", rows.text(1)},
                        {"parent", rows.null(2) ? Json() : Json(rows.text(2))},
                        {"text", rows.text(3)},
                        {"created_ms", rows.integer(4)}}}});
    }
    {
        // A rewritten answer and its original are a pair of their own, which no package had.
        auto rows = impl.query("SELECT DISTINCT x.sha, p.sha, o.sha, k.uuid FROM judgements j JOIN comparisons x ON x.id = j.comparison_id "
                               "JOIN prompts p ON p.id = x.prompt_id JOIN candidates k ON k.id = j.edited_id AND k.id IN (x.a_id, x.b_id) "
                               "JOIN candidates o ON o.id = x.a_id + x.b_id - k.id WHERE x.source = ? AND j.annotator_id = ? "
                               "AND j.origin = ? ORDER BY x.sha, k.uuid");
        rows.bind(kEditSource, person, origin);
        while (rows.step())
            file.add({{"versions", {{"pair", rows.text(0)}, {"prompt", rows.text(1)}, {"original", rows.text(2)}, {"edited", rows.text(3)}}}});
    }
    {
        auto rows = impl.query("SELECT p.id, x.sha, p.guideline_version, p.session_id, p.occasion, p.a_on_left, p.seed, p.rule, "
                               "p.propensity, p.stratum, p.blind, p.exposed, p.shown_ms FROM presentations p "
                               "JOIN comparisons x ON x.id = p.comparison_id WHERE p.annotator_id = ? ORDER BY p.id");
        rows.bind(person);
        while (rows.step()) {
            ++work.presentations;
            Json line{{"number", rows.integer(0)},
                      {"pair", rows.text(1)},
                      {"guideline_version", rows.integer(2)},
                      {"occasion", rows.integer(4)},
                      {"a_on_left", rows.integer(5)},
                      {"seed", rows.integer(6)},
                      {"rule", rows.text(7)},
                      {"propensity", rows.real(8)},
                      {"stratum", rows.text(9)},
                      {"blind", rows.integer(10)},
                      {"exposed", rows.integer(11)},
                      {"shown_ms", rows.integer(12)}};
            if (!rows.null(3))
                line["session"] = sessions.at(rows.integer(3));
            file.add({{"presentation", line}});
        }
    }
    for (EventReader rows(impl, fmt::format("j.annotator_id = {} AND j.origin = '{}'", person, origin)); rows.step();) {
        ++work.events;
        file.add(eventLine(impl, rows.row(), sessions));
    }
    if (!work.events)
        return fail(Code::InvalidInput, "the person of this package has judged nothing yet",
                    "Give a vote in the window first; votes of rules and of imported files are not given back.");
    {
        auto row = impl.query("SELECT count(*), count(*) FILTER (WHERE comparison_id IN (SELECT comparison_id FROM comparison_members)) "
                              "FROM current WHERE annotator_id = ? AND occasion = 0 AND kind <> 'flag'");
        row.bind(person).step();
        work.ranked = row.integer(1);
        work.judged = row.integer(0) - work.ranked;
    }
    work.file = os::absolutePath(out);
    if (os::isDir(work.file))
        work.file = os::joinPath(work.file, fmt::format("{}-{}{}", order.package.substr(0, 8), work.events, kReturnSuffix));
    PL_CHECK(file.write(work.file));
    return work;
}

} // namespace

Result<ReturnedWork> writeReturn(Project& project, const std::string& out) {
    PL_TRY(const auto order, workOrder(project));
    if (!order)
        return fail(Code::InvalidInput, fmt::format("{} was not made of a package: there is nothing to return", project.dir()),
                    "Open a package first.");
    return project.impl().guarded("writing the return", [&] { return writeIn(project, *order, out); });
}

} // namespace pl::desk
