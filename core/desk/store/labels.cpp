// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <sqlite3.h>

#include "core/desk/domain/ranking.h"
#include "core/desk/domain/text_marks.h"
#include "core/desk/store/event_rows.h"
#include "core/desk/store/region_checks.h"

namespace pl::desk {

namespace {

Status validate(const Judgement& j) {
    if (j.kind != EventKind::Vote && j.kind != EventKind::Skip && j.kind != EventKind::Flag)
        return fail(Code::InvalidInput, "a judgement is a vote, a skip or a flag");
    if (j.kind == EventKind::Vote && j.winner != Winner::Tie && j.tieKind != TieKind::None)
        return fail(Code::InvalidInput, "only a tie has a kind of tie");
    if (j.strength && (*j.strength < 1 || *j.strength > 3))
        return fail(Code::InvalidInput, fmt::format("a strength of {} is outside 1 to 3", *j.strength));
    if (j.strength && (j.kind != EventKind::Vote || j.winner == Winner::Tie))
        return fail(Code::InvalidInput, "only a preference has a strength");
    if (!j.attributes.is_object())
        return fail(Code::InvalidInput, "attributes are an object");
    for (const std::string* text : {&j.rationale, &j.flag, &j.skipReason})
        if (!isUtf8(*text) || text->size() > (size_t{1} << 20))
            return fail(Code::InvalidInput, "a text of the judgement is too long or not UTF-8");
    for (const Json* payload : {&j.spans, &j.regions, &j.ranking})
        if (!payload->is_null() && !(payload->is_object() && payload->contains("v")))
            return fail(Code::InvalidInput, "spans, regions and rankings are objects with a version \"v\"");
    return {};
}

} // namespace

std::string digestOf(const DigestInput& in) {
    const Json canonical{{"v", 1},
                         {"uuid", in.uuid},
                         {"kind", in.kind},
                         {"task", in.task},
                         {"guideline_version", in.guidelineVersion},
                         {"comparison", in.comparison},
                         {"annotator", in.annotator},
                         {"occasion", in.occasion},
                         {"target", in.target},
                         {"supersedes", in.supersedes},
                         {"provenance", in.provenance},
                         {"winner", in.winner},
                         {"tie_kind", in.tieKind},
                         {"strength", in.strength},
                         {"bad_a", in.badA},
                         {"bad_b", in.badB},
                         {"skip", in.skipSha},
                         {"flag", in.flagSha},
                         {"edited", in.editedSha},
                         {"details", in.detailsSha},
                         {"presentation", in.presentation},
                         {"view", in.view},
                         {"first_paint_ms", in.firstPaintMs},
                         {"active_ms", in.activeMs},
                         {"origin", in.origin},
                         {"app_version", in.appVersion},
                         {"time_ms", in.timeMs},
                         {"mono_ns", in.monoNs},
                         {"chain_seq", in.chainSeq},
                         {"previous", in.previous}};
    return sha256Hex(dumpJson(canonical));
}

// --- presentations and events ----------------------------------------------------------------------------------------

Result<Id> Project::Impl::presentIn(const Presentation& shown) {
    if (!(shown.propensity > 0 && shown.propensity <= 1))
        return fail(Code::InvalidInput, fmt::format("a propensity of {} is not in (0, 1]", shown.propensity));
    PL_TRY(const Task task, taskIn(shown.task));
    int64_t occasion = 0;
    if (shown.repeat) {
        auto row = query("SELECT coalesce(max(occasion), 0) + 1 FROM presentations INDEXED BY presentations_by_comparison "
                         "WHERE comparison_id = ? AND annotator_id = ? AND task_id = ?");
        row.bind(shown.comparison, shown.annotator, shown.task).step();
        occasion = row.integer(0);
    }
    query("INSERT INTO presentations(task_id, guideline_version, comparison_id, annotator_id, session_id, occasion, "
          "a_on_left, seed, rule, propensity, stratum, blind, exposed, shown_ms) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(shown.task, task.guidelineVersion, shown.comparison, shown.annotator, orNull(shown.session), occasion,
              shown.aOnLeft, shown.seed, queueRuleName(shown.rule), shown.propensity, shown.stratum, shown.blind,
              shown.exposed, shown.shownMs ? shown.shownMs : now())
        .run();
    pending.shown.push_back({shown.task, shown.annotator, shown.comparison});
    return db->getLastInsertRowid();
}

Result<Id> Project::present(const Presentation& presentation) {
    return m->write("recording a presentation", [&] { return m->presentIn(presentation); });
}

Result<Id> Project::Impl::appendEvent(const EventDraft& draft, std::string* uuidOut) {
    static const Judgement none;
    const Judgement& j = draft.judgement ? *draft.judgement : none;
    const bool vote = draft.kind == EventKind::Vote;
    const auto one = [&](const char* sql, Id id) -> std::string {
        if (!id)
            return {};
        auto row = query(sql);
        return row.bind(id).step() ? row.text(0) : std::string();
    };
    DigestInput in;
    in.uuid = newUuid();
    in.kind = eventKindName(draft.kind);
    in.task = one("SELECT uuid FROM tasks WHERE id = ?", draft.task);
    in.comparison = one("SELECT sha FROM comparisons WHERE id = ?", draft.comparison);
    in.annotator = one("SELECT uuid FROM annotators WHERE id = ?", draft.annotator);
    if (in.task.empty() || in.comparison.empty() || in.annotator.empty())
        return fail(Code::NotFound, fmt::format("task {}, pair {} or person {} does not exist", draft.task,
                                                draft.comparison, draft.annotator));
    in.target = one("SELECT uuid FROM judgements WHERE id = ?", draft.target);
    in.supersedes = one("SELECT uuid FROM judgements WHERE id = ?", draft.supersedes);
    in.editedSha = one("SELECT sha FROM candidates WHERE id = ?", draft.edited);
    in.provenance = provenanceName(draft.provenance);
    in.guidelineVersion = draft.guidelineVersion;
    in.occasion = draft.occasion;
    TieKind tie = j.tieKind;
    if (vote) {
        in.winner = winnerName(j.winner);
        if (j.winner == Winner::Tie && tie == TieKind::None)
            tie = TieKind::Unspecified;
        in.tieKind = tieKindName(tie);
        in.strength = j.strength.value_or(0);
    }
    in.badA = j.badA;
    in.badB = j.badB;
    std::optional<std::string> skip;
    if (draft.kind == EventKind::Skip)
        skip = j.skipReason.empty() ? "unspecified" : j.skipReason;
    in.skipSha = skip ? sha256Hex(*skip) : "";
    in.flagSha = j.flag.empty() ? "" : sha256Hex(j.flag);
    const Json details = draft.judgement ? detailsOf(j) : Json();
    in.detailsSha = details.is_null() ? "" : sha256Hex(dumpJson(details));
    if (draft.presentation) {
        auto row = query("SELECT a_on_left, seed, rule, propensity, stratum, blind, exposed FROM presentations "
                         "WHERE id = ?");
        if (!row.bind(draft.presentation).step())
            return fail(Code::NotFound, fmt::format("there is no presentation {}", draft.presentation));
        in.presentation = Json::array({row.integer(0), row.integer(1), row.text(2), row.real(3), row.text(4),
                                       row.integer(5), row.integer(6)});
    }
    in.view = draft.view;
    in.firstPaintMs = draft.firstPaintMs;
    in.activeMs = draft.activeMs;
    in.origin = meta("origin");
    in.appVersion = kVersion;
    in.timeMs = now();
    {
        // Later than what is known of the item, whatever the clocks of other machines said: of several origins the newest counts.
        auto known = query("SELECT coalesce(max(time_ms), 0) FROM judgements INDEXED BY judgements_by_comparison WHERE comparison_id = ? AND annotator_id = ? "
                           "AND task_id = ? AND occasion = ?");
        known.bind(draft.comparison, draft.annotator, draft.task, draft.occasion).step();
        in.timeMs = std::max(in.timeMs, known.integer(0) + 1);
    }
    in.monoNs = monotonicNs();

    auto head = chainHeads.find(draft.annotator);
    if (head == chainHeads.end()) {
        ChainHead last;
        auto row = query("SELECT chain_seq, digest FROM judgements WHERE origin = ? AND annotator_id = ? "
                         "ORDER BY chain_seq DESC LIMIT 1");
        if (row.bind(in.origin, draft.annotator).step())
            last = {row.integer(0), row.text(1)};
        head = chainHeads.emplace(draft.annotator, last).first;
    }
    in.chainSeq = head->second.seq + 1;
    in.previous = head->second.digest;
    const std::string digest = digestOf(in);

    query("INSERT INTO judgements(uuid, kind, task_id, guideline_version, comparison_id, annotator_id, occasion, "
          "presentation_id, session_id, target_id, supersedes_id, provenance, winner, tie_kind, strength, bad_a, "
          "bad_b, skip_reason, flag, edited_id, details_sha, view, first_paint_ms, active_ms, import_batch_id, origin, "
          "app_version, time_ms, mono_ns, chain_seq, prev_digest, digest) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(in.uuid, in.kind, draft.task, draft.guidelineVersion, draft.comparison, draft.annotator, draft.occasion,
              orNull(draft.presentation), orNull(draft.session), orNull(draft.target), orNull(draft.supersedes),
              in.provenance, vote ? std::optional<std::string>(in.winner) : std::nullopt,
              in.tieKind.empty() ? std::nullopt : std::optional<std::string>(in.tieKind),
              vote ? j.strength : std::nullopt, in.badA, in.badB, skip,
              j.flag.empty() ? std::nullopt : std::optional<std::string>(j.flag), orNull(draft.edited),
              in.detailsSha.empty() ? std::nullopt : std::optional<std::string>(in.detailsSha), in.view,
              in.firstPaintMs, in.activeMs, orNull(draft.importBatch), in.origin, in.appVersion, in.timeMs, in.monoNs,
              in.chainSeq, in.previous, digest)
        .run();
    const Id id = db->getLastInsertRowid();
    if (!details.is_null())
        insertDetails(*this, id, details);
    head->second = {in.chainSeq, digest};
    if (uuidOut)
        *uuidOut = in.uuid;
    pending.changes.insert(Change::Votes);
    return id;
}

Id Project::Impl::currentEvent(const VoteKey& key) {
    auto row = query("SELECT event_id FROM current WHERE task_id = ? AND comparison_id = ? AND annotator_id = ? "
                     "AND occasion = ?");
    return row.bind(key.task, key.comparison, key.annotator, key.occasion).step() ? row.integer(0) : 0;
}

std::optional<CurrentVote> Project::Impl::currentOf(Id event) {
    auto row = query("SELECT j.task_id, j.comparison_id, j.annotator_id, j.occasion, j.kind, j.winner, j.tie_kind, "
                     "j.strength, j.bad_a, j.bad_b, j.flag, j.provenance, p.id, p.a_on_left, p.rule, j.active_ms "
                     "FROM judgements j LEFT JOIN presentations p ON p.id = j.presentation_id WHERE j.id = ?");
    if (!event || !row.bind(event).step())
        return std::nullopt;
    CurrentVote vote;
    vote.task = row.integer(0);
    vote.comparison = row.integer(1);
    vote.annotator = row.integer(2);
    vote.event = event;
    vote.occasion = static_cast<int32_t>(row.integer(3));
    vote.kind = stored(eventKindOf(row.text(4)));
    vote.winner = row.null(5) ? Winner::Tie : stored(winnerOf(row.text(5)));
    vote.tieKind = row.null(6) ? TieKind::None : stored(tieKindOf(row.text(6)));
    vote.strength = static_cast<int8_t>(row.null(7) ? 0 : row.integer(7));
    vote.badA = row.boolean(8);
    vote.badB = row.boolean(9);
    vote.flagged = !row.null(10);
    vote.provenance = stored(provenanceOf(row.text(11)));
    vote.shown = !row.null(12);
    vote.aOnLeft = vote.shown ? row.boolean(13) : true;
    vote.random = vote.shown && row.text(14) == "random";
    vote.activeMs = static_cast<int32_t>(std::min<int64_t>(row.integer(15), INT32_MAX));
    if (vote.kind == EventKind::Flag && !vote.flagged)
        return std::nullopt;
    return vote;
}

void Project::Impl::setCurrent(const VoteKey& key, Id event) {
    query("DELETE FROM current WHERE task_id = ? AND comparison_id = ? AND annotator_id = ? AND occasion = ?")
        .bind(key.task, key.comparison, key.annotator, key.occasion)
        .run();
    const auto vote = currentOf(event);
    if (vote)
        query("INSERT INTO current(task_id, comparison_id, annotator_id, occasion, event_id, kind, winner, tie_kind, "
              "strength, bad_a, bad_b, flagged, provenance, shown, a_on_left, random, active_ms) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(vote->task, vote->comparison, vote->annotator, vote->occasion, vote->event,
                  eventKindName(vote->kind),
                  vote->kind == EventKind::Vote ? std::optional<std::string>(winnerName(vote->winner)) : std::nullopt,
                  vote->tieKind == TieKind::None ? std::nullopt
                                                 : std::optional<std::string>(tieKindName(vote->tieKind)),
                  vote->strength ? std::optional<int>(vote->strength) : std::nullopt, vote->badA, vote->badB,
                  vote->flagged, provenanceName(vote->provenance), vote->shown, vote->aOnLeft, vote->random,
                  vote->activeMs)
            .run();
    pending.votes.push_back({key, vote});
}

Ack Project::Impl::ackFor(Id event, std::string uuid, Id comparison) {
    Ack ack;
    ack.event = event;
    ack.uuid = std::move(uuid);
    ack.comparison = comparison;
    auto row = query("SELECT (SELECT value FROM counters WHERE name = 'events'), "
                     "(SELECT value FROM counters WHERE name = 'current')");
    row.step();
    ack.judgements = row.integer(0);
    ack.current = row.integer(1);
    return ack;
}

Result<Ack> Project::Impl::judgeIn(const JudgementInput& input) {
    PL_CHECK(validate(input));
    EventDraft draft;
    {
        auto row = query("SELECT p.task_id, p.guideline_version, p.comparison_id, p.annotator_id, p.session_id, "
                         "p.occasion, n.kind FROM presentations p JOIN annotators n ON n.id = p.annotator_id "
                         "WHERE p.id = ?");
        if (!row.bind(input.presentation).step())
            return fail(Code::NotFound, fmt::format("there is no presentation {}", input.presentation),
                        "Record what is shown with present() first.");
        draft.task = row.integer(0);
        draft.guidelineVersion = static_cast<int>(row.integer(1));
        draft.comparison = row.integer(2);
        draft.annotator = row.integer(3);
        draft.session = row.null(4) ? 0 : row.integer(4);
        draft.occasion = static_cast<int>(row.integer(5));
        draft.provenance = provenanceOf(stored(annotatorKindOf(row.text(6))));
    }
    if (!input.ranking.is_null()) {
        PL_TRY(const auto members, membersIn(draft.comparison));
        PL_CHECK(Ranking::of(input.ranking, members.size()));
    }
    draft.presentation = input.presentation;
    draft.kind = input.kind;
    draft.judgement = &input;
    draft.view = input.view;
    draft.firstPaintMs = input.firstPaintMs;
    draft.activeMs = input.activeMs;
    const VoteKey key{draft.task, draft.comparison, draft.annotator, draft.occasion};
    draft.supersedes = currentEvent(key);
    // Marks of a form that is not read go on with the next vote of the same pair, word for word.
    const auto goOn = [&](const Json& marks, Json Judgement::*member) -> Result<bool> {
        if (!draft.supersedes)
            return false;
        PL_TRY(const Judgement now, judgementOf(draft.supersedes));
        return now.*member == marks;
    };
    if (input.spans.is_object() && input.spans.contains("unit")) {
        PL_TRY(const LabelItem item, itemIn(draft.comparison));
        if (auto read = marksOf(input.spans, item.a.content, item.b.content); !read) {
            PL_TRY(const bool known, goOn(input.spans, &Judgement::spans));
            if (!known)
                return tl::unexpected<Error>(std::move(read).error());
        }
    }
    if (!input.regions.is_null()) {
        PL_TRY(const LabelItem item, itemIn(draft.comparison));
        PL_TRY(const auto members, membersIn(draft.comparison));
        if (auto read = regionsIn(*this, input.regions, item, members.size()); !read) {
            PL_TRY(const bool known, goOn(input.regions, &Judgement::regions));
            if (!known)
                return tl::unexpected<Error>(std::move(read).error());
        }
    }
    if (input.edited) {
        PL_TRY(const Comparison pair, comparisonIn(draft.comparison));
        NewCandidate edited;
        edited.prompt = pair.prompt;
        edited.content = *input.edited;
        edited.provenance = draft.provenance;
        edited.parent = input.kind == EventKind::Vote && input.winner == Winner::B ? pair.b : pair.a;
        PL_TRY(draft.edited, addCandidateIn(edited, 0));
    }
    std::string uuid;
    PL_TRY(const Id event, appendEvent(draft, &uuid));
    setCurrent(key, input.kind == EventKind::Flag ? resolveItem(*this, key) : event);
    return ackFor(event, std::move(uuid), draft.comparison);
}

Result<Ack> Project::judge(const JudgementInput& input) {
    return m->write("saving a vote", [&] { return m->judgeIn(input); });
}

Result<Ack> Project::presentAndJudge(const Presentation& presentation, const JudgementInput& input) {
    return m->write("saving a vote", [&]() -> Result<Ack> {
        JudgementInput complete = input;
        PL_TRY(complete.presentation, m->presentIn(presentation));
        return m->judgeIn(complete);
    });
}

const std::vector<CurrentVote>& Project::currentVotes() const { return m->votes.rows(); }
Counters Project::counters() const { return m->counts; }

} // namespace pl::desk
