// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/event_rows.h"

namespace pl::desk {

// Undo and redo are a stack per (task, person), read backwards from the newest event: an undo hides the latest judgement
// that is not hidden yet, a redo brings back the latest that an undo hid, a new judgement ends redoing. The walk is as long as
// the recent undos, whatever the number of judgements, and needs nothing but the events: it survives restarts. Only what was judged here is
// walked over: what came in from another origin is not taken back by a key.

namespace {
/// Along the chain, which is the order already: by the index of persons and tasks everything this person did would be sorted first.
constexpr const char* kBackwards =
    "SELECT id, kind, target_id FROM judgements INDEXED BY judgements_chain WHERE annotator_id = ? AND task_id = ? AND origin = ? "
    "ORDER BY chain_seq DESC";
}

Id Project::Impl::undoTarget(Id task, Id annotator) {
    auto rows = query(kBackwards);
    rows.bind(annotator, task, meta("origin"));
    int64_t hidden = 0;
    while (rows.step()) {
        const EventKind kind = stored(eventKindOf(rows.text(1)));
        if (kind == EventKind::Revert)
            return 0;
        if (kind == EventKind::Undo)
            ++hidden;
        else if (hidden > 0)
            --hidden;
        else
            return kind == EventKind::Redo ? rows.integer(2) : rows.integer(0);
    }
    return 0;
}

Id Project::Impl::redoTarget(Id task, Id annotator, Id* cancels) {
    auto rows = query(kBackwards);
    rows.bind(annotator, task, meta("origin"));
    int64_t redone = 0;
    while (rows.step()) {
        const EventKind kind = stored(eventKindOf(rows.text(1)));
        if (kind == EventKind::Redo) {
            ++redone;
        } else if (kind == EventKind::Undo) {
            if (redone == 0) {
                if (cancels)
                    *cancels = rows.integer(0);
                return rows.integer(2);
            }
            --redone;
        } else {
            return 0;
        }
    }
    return 0;
}

Result<Ack> Project::Impl::moveIn(Id task, Id annotator, bool redo) {
    Id cancels = 0;
    const Id target = redo ? redoTarget(task, annotator, &cancels) : undoTarget(task, annotator);
    if (!target)
        return fail(Code::NotFound, redo ? "there is nothing to redo" : "there is nothing to undo");
    EventDraft draft;
    {
        auto row = query("SELECT guideline_version, comparison_id, occasion, provenance, session_id FROM judgements "
                         "WHERE id = ?");
        row.bind(target).step();
        draft.guidelineVersion = static_cast<int>(row.integer(0));
        draft.comparison = row.integer(1);
        draft.occasion = static_cast<int>(row.integer(2));
        draft.provenance = stored(provenanceOf(row.text(3)));
        draft.session = row.null(4) ? 0 : row.integer(4);
    }
    draft.task = task;
    draft.annotator = annotator;
    draft.kind = redo ? EventKind::Redo : EventKind::Undo;
    draft.target = target;
    draft.supersedes = redo ? cancels : target;
    std::string uuid;
    PL_TRY(const Id event, appendEvent(draft, &uuid));
    const VoteKey key{task, draft.comparison, annotator, draft.occasion};
    setCurrent(key, resolveItem(*this, key));
    followEdit(target, redo);
    return ackFor(event, std::move(uuid), draft.comparison);
}

Result<Ack> Project::undo(Id task, Id annotator) {
    return m->write("undoing", [&] { return m->moveIn(task, annotator, false); });
}

Result<Ack> Project::redo(Id task, Id annotator) {
    return m->write("redoing", [&] { return m->moveIn(task, annotator, true); });
}

Result<bool> Project::canUndo(Id task, Id annotator) {
    return m->guarded("reading the history",
                      [&]() -> Result<bool> { return m->undoTarget(task, annotator) != 0; });
}

Result<bool> Project::canRedo(Id task, Id annotator) {
    return m->guarded("reading the history",
                      [&]() -> Result<bool> { return m->redoTarget(task, annotator) != 0; });
}

Result<Judgement> Project::Impl::judgementOf(Id event) {
    auto row = query("SELECT j.kind, j.winner, j.tie_kind, j.strength, j.bad_a, j.bad_b, j.skip_reason, j.flag, "
                     "d.attributes, d.reasons, d.rationale, d.spans, d.regions, d.ranking, c.text "
                     "FROM judgements j LEFT JOIN judgement_details d ON d.event_id = j.id "
                     "LEFT JOIN candidates k ON k.id = j.edited_id LEFT JOIN contents c ON c.id = k.content_id "
                     "WHERE j.id = ?");
    if (!row.bind(event).step())
        return fail(Code::NotFound, fmt::format("there is no judgement {}", event));
    Judgement j;
    j.kind = stored(eventKindOf(row.text(0)));
    if (!row.null(1))
        j.winner = stored(winnerOf(row.text(1)));
    if (!row.null(2))
        j.tieKind = stored(tieKindOf(row.text(2)));
    if (!row.null(3))
        j.strength = static_cast<int>(row.integer(3));
    j.badA = row.boolean(4);
    j.badB = row.boolean(5);
    j.skipReason = row.text(6);
    j.flag = row.text(7);
    if (!row.null(8))
        j.attributes = row.json(8);
    if (!row.null(9))
        j.reasons = row.json(9).get<std::vector<std::string>>();
    j.rationale = row.text(10);
    j.spans = row.json(11);
    j.regions = row.json(12);
    j.ranking = row.json(13);
    if (!row.null(14))
        j.edited = row.text(14);
    return j;
}

Result<std::optional<Judgement>> Project::currentJudgement(Id task, Id annotator, Id comparison) {
    return m->guarded("reading a vote", [&]() -> Result<std::optional<Judgement>> {
        const Id event = m->currentEvent({task, comparison, annotator, 0});
        if (!event)
            return std::optional<Judgement>();
        PL_TRY(Judgement j, m->judgementOf(event));
        return std::optional<Judgement>(std::move(j));
    });
}

Result<Ack> Project::flag(Id task, Id annotator, Id comparison, const std::string& reason) {
    return m->write("flagging a pair", [&]() -> Result<Ack> {
        PL_TRY(const Task what, m->taskIn(task));
        const VoteKey key{task, comparison, annotator, 0};
        EventDraft draft;
        draft.supersedes = m->currentEvent(key);
        Judgement j;
        j.kind = EventKind::Flag;
        draft.guidelineVersion = what.guidelineVersion;
        auto who = m->query("SELECT kind FROM annotators WHERE id = ?");
        if (!who.bind(annotator).step())
            return fail(Code::NotFound, fmt::format("there is no person {}", annotator));
        draft.provenance = provenanceOf(stored(annotatorKindOf(who.text(0))));
        if (draft.supersedes) {
            PL_TRY(j, m->judgementOf(draft.supersedes));
            auto row = m->query("SELECT presentation_id, session_id, edited_id, view, first_paint_ms, active_ms, "
                                "guideline_version, provenance FROM judgements WHERE id = ?");
            row.bind(draft.supersedes).step();
            draft.presentation = row.null(0) ? 0 : row.integer(0);
            draft.session = row.null(1) ? 0 : row.integer(1);
            draft.edited = row.null(2) ? 0 : row.integer(2);
            draft.view = row.text(3);
            draft.firstPaintMs = row.integer(4);
            draft.activeMs = row.integer(5);
            draft.guidelineVersion = static_cast<int>(row.integer(6));
            draft.provenance = stored(provenanceOf(row.text(7)));
        }
        if (j.flag == reason)
            return fail(Code::InvalidInput, reason.empty() ? "the pair is not flagged" : "the pair is flagged so already");
        j.flag = reason;
        draft.task = task;
        draft.annotator = annotator;
        draft.comparison = comparison;
        draft.kind = j.kind;
        draft.judgement = &j;
        std::string uuid;
        PL_TRY(const Id event, m->appendEvent(draft, &uuid));
        m->setCurrent(key, resolveItem(*m, key)); // a flag taken away may leave nothing, or what another origin says
        return m->ackFor(event, std::move(uuid), comparison);
    });
}

Status Project::markExposed(Id annotator, const std::vector<Id>& candidates) {
    return m->write("marking answers as seen", [&]() -> Status {
        for (const Id candidate : candidates)
            m->query("INSERT OR IGNORE INTO exposures(annotator_id, candidate_id, time_ms) VALUES (?, ?, ?)")
                .bind(annotator, candidate, m->now())
                .run();
        return {};
    });
}

Result<std::vector<HistoryRow>> Project::history(const Page& page) {
    return m->guarded("reading the history", [&]() -> Result<std::vector<HistoryRow>> {
        std::string sql = "SELECT j.id, j.uuid, j.kind, j.time_ms, j.task_id, j.comparison_id, j.annotator_id, "
                          "j.guideline_version, n.name, j.provenance, j.winner, j.tie_kind, j.strength, j.skip_reason, "
                          "j.flag, j.target_id, c.text, j.occasion FROM judgements j "
                          "JOIN annotators n ON n.id = j.annotator_id "
                          "JOIN comparisons x ON x.id = j.comparison_id JOIN prompts p ON p.id = x.prompt_id "
                          "JOIN contents c ON c.id = p.content_id WHERE 1 ";
        if (page.task)
            sql += fmt::format("AND j.task_id = {} ", page.task);
        if (page.annotator)
            sql += fmt::format("AND j.annotator_id = {} ", page.annotator);
        if (page.importBatch)
            sql += fmt::format("AND j.import_batch_id = {} ", page.importBatch);
        if (page.prompt)
            sql += fmt::format("AND p.id = {} ", page.prompt);
        if (page.split)
            sql += fmt::format("AND p.split = '{}' ", splitName(*page.split));
        if (!page.text.empty())
            sql += "AND instr(lower(c.text), lower(?)) > 0 ";
        sql += fmt::format("ORDER BY j.id {} LIMIT {} OFFSET {}", page.newestFirst ? "DESC" : "ASC",
                           page.limit <= 0 ? -1 : page.limit, std::max<int64_t>(0, page.offset));
        auto rows = m->query(sql);
        if (!page.text.empty())
            rows.bind(page.text);
        std::vector<HistoryRow> all;
        while (rows.step()) {
            HistoryRow row;
            row.event = rows.integer(0);
            row.uuid = rows.text(1);
            row.kind = stored(eventKindOf(rows.text(2)));
            row.timeMs = rows.integer(3);
            row.task = rows.integer(4);
            row.comparison = rows.integer(5);
            row.annotator = rows.integer(6);
            row.guidelineVersion = static_cast<int>(rows.integer(7));
            row.annotatorName = rows.text(8);
            row.provenance = stored(provenanceOf(rows.text(9)));
            if (!rows.null(10))
                row.winner = stored(winnerOf(rows.text(10)));
            if (!rows.null(11))
                row.tieKind = stored(tieKindOf(rows.text(11)));
            if (!rows.null(12))
                row.strength = static_cast<int>(rows.integer(12));
            row.skipReason = rows.text(13);
            row.flag = rows.text(14);
            row.target = rows.null(15) ? 0 : rows.integer(15);
            row.promptHead = headOf(rows.text(16), 120);
            const CurrentVote* now = m->votes.find(
                {row.task, row.comparison, row.annotator, static_cast<int32_t>(rows.integer(17))});
            row.isCurrent = now && now->event == row.event;
            all.push_back(std::move(row));
        }
        return all;
    });
}

Result<std::map<std::string, int64_t>> Project::strata(Id task) {
    return m->guarded("counting strata", [&]() -> Result<std::map<std::string, int64_t>> {
        std::map<std::string, int64_t> out;
        auto rows = m->query("SELECT p.stratum, count(*) FROM judgements j JOIN presentations p ON p.id = j.presentation_id "
                             "WHERE j.kind = 'vote' AND (? = 0 OR j.task_id = ?) GROUP BY p.stratum");
        rows.bind(task, task);
        while (rows.step())
            out[rows.text(0)] = rows.integer(1);
        return out;
    });
}

Result<std::map<Id, Project::PairFacts>> Project::pairFacts() {
    return m->guarded("reading pairs with votes", [&]() -> Result<std::map<Id, PairFacts>> {
        std::map<Id, PairFacts> facts;
        auto rows = m->query("SELECT x.id, length(ac.text), length(bc.text), a.model_name, b.model_name, "
                             "x.prompt_id, x.a_id, x.b_id FROM (SELECT DISTINCT comparison_id AS id FROM current) v "
                             "JOIN comparisons x ON x.id = v.id JOIN candidates a ON a.id = x.a_id "
                             "JOIN candidates b ON b.id = x.b_id LEFT JOIN contents ac ON ac.id = a.content_id "
                             "LEFT JOIN contents bc ON bc.id = b.content_id");
        while (rows.step())
            facts[rows.integer(0)] = {rows.null(1) ? 0 : rows.integer(1), rows.null(2) ? 0 : rows.integer(2),
                                      rows.text(3), rows.text(4), rows.integer(5), rows.integer(6), rows.integer(7)};
        return facts;
    });
}

} // namespace pl::desk
