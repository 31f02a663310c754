// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/raw_events.h"

#include "core/desk/store/impl.h"

namespace pl::desk {

const char* appVersion() { return kVersion; }

Status forEachEventRow(Project& project, const std::function<Status(const Json&)>& each) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading the events", [&]() -> Status {
        auto rows = impl.query(
            "SELECT j.uuid, j.kind, j.time_ms, j.mono_ns, t.uuid, t.name, j.guideline_version, x.uuid, x.sha, x.differs_in, " // 0
            "p.uuid, p.sha, p.split, pc.text, n.uuid, n.kind, n.name, j.occasion, j.session_id, g.uuid, "                  // 10
            "s.uuid, j.provenance, j.winner, j.tie_kind, j.strength, j.bad_a, j.bad_b, j.skip_reason, j.flag, ec.text, "   // 20
            "j.view, j.first_paint_ms, j.active_ms, i.uuid, j.origin, j.app_version, j.chain_seq, j.prev_digest, j.digest, " // 30
            "d.attributes, d.reasons, d.rationale, d.spans, d.regions, d.ranking, "                                        // 39
            "o.a_on_left, o.seed, o.rule, o.propensity, o.stratum, o.blind, o.exposed, o.shown_ms, "                       // 45
            "j.id, j.task_id, j.comparison_id, j.annotator_id, e.uuid, z.uuid "                                            // 53
            "FROM judgements j JOIN tasks t ON t.id = j.task_id JOIN comparisons x ON x.id = j.comparison_id "
            "JOIN prompts p ON p.id = x.prompt_id JOIN contents pc ON pc.id = p.content_id JOIN annotators n ON n.id = j.annotator_id "
            "LEFT JOIN judgements g ON g.id = j.target_id LEFT JOIN judgements s ON s.id = j.supersedes_id "
            "LEFT JOIN candidates e ON e.id = j.edited_id LEFT JOIN contents ec ON ec.id = e.content_id "
            "LEFT JOIN import_batches i ON i.id = j.import_batch_id LEFT JOIN judgement_details d ON d.event_id = j.id "
            "LEFT JOIN presentations o ON o.id = j.presentation_id LEFT JOIN sessions z ON z.id = j.session_id ORDER BY j.id");
        while (rows.step()) {
            const auto text = [&](int column) { return rows.null(column) ? Json() : Json(rows.text(column)); };
            const auto flag = [&](int column) { return Json(rows.boolean(column)); };
            Json answers = Json::array();
            PL_TRY(const auto members, impl.membersIn(rows.integer(55)));
            for (const Candidate& member : members) {
                Json answer{{"uuid", member.uuid}, {"sha", member.sha}, {"model", member.modelName}, {"provenance", provenanceName(member.provenance)}};
                answer[member.kind == CandidateKind::Image ? "image" : "text"] = member.content;
                answers.push_back(std::move(answer));
            }
            Json shown;
            if (!rows.null(45))
                shown = {{"a_on_left", flag(45)}, {"seed", rows.integer(46)},      {"rule", rows.text(47)}, {"propensity", rows.real(48)},
                         {"stratum", rows.text(49)}, {"blind", flag(50)}, {"exposed", flag(51)}, {"shown_ms", rows.integer(52)}};
            const CurrentVote* now = impl.votes.find({rows.integer(54), rows.integer(55), rows.integer(56), static_cast<int32_t>(rows.integer(17))});
            Json row{{"event", rows.text(0)},
                     {"kind", rows.text(1)},
                     {"time_ms", rows.integer(2)},
                     {"mono_ns", rows.integer(3)},
                     {"task", {{"uuid", rows.text(4)}, {"name", rows.text(5)}, {"guideline_version", rows.integer(6)}}},
                     {"pair", {{"uuid", rows.text(7)}, {"sha", rows.text(8)}, {"differs_in", rows.text(9)}}},
                     {"prompt", {{"uuid", rows.text(10)}, {"sha", rows.text(11)}, {"split", rows.text(12)}, {"text", rows.text(13)}}},
                     {"answers", answers},
                     {"annotator", {{"uuid", rows.text(14)}, {"kind", rows.text(15)}, {"name", rows.text(16)}}},
                     {"occasion", rows.integer(17)},
                     {"session", text(58)},
                     {"target", text(19)},
                     {"supersedes", text(20)},
                     {"provenance", rows.text(21)},
                     {"winner", text(22)},
                     {"tie_kind", text(23)},
                     {"strength", rows.null(24) ? Json() : Json(rows.integer(24))},
                     {"bad_a", flag(25)},
                     {"bad_b", flag(26)},
                     {"skip_reason", text(27)},
                     {"flag", text(28)},
                     {"edited", rows.null(57) ? Json() : Json{{"uuid", rows.text(57)}, {"text", text(29)}}},
                     {"view", rows.text(30)},
                     {"first_paint_ms", rows.integer(31)},
                     {"active_ms", rows.integer(32)},
                     {"import", text(33)},
                     {"attributes", rows.json(39)},
                     {"reasons", rows.json(40)},
                     {"rationale", text(41)},
                     {"spans", rows.json(42)},
                     {"regions", rows.json(43)},
                     {"ranking", rows.json(44)},
                     {"presentation", shown},
                     {"counts", now && now->event == rows.integer(53)},
                     {"origin", rows.text(34)},
                     {"app_version", rows.text(35)},
                     {"chain", {{"seq", rows.integer(36)}, {"previous", rows.text(37)}, {"digest", rows.text(38)}}}};
            PL_CHECK(each(row));
        }
        return {};
    });
}

} // namespace pl::desk
