// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/event_rows.h"

#include <tuple>

#include "core/desk/store/edits.h"

namespace pl::desk {

EventReader::EventReader(Project::Impl& impl, const std::string& where)
    : m_rows(impl.query(
          "SELECT j.id, j.uuid, j.kind, t.uuid, j.guideline_version, x.sha, n.uuid, j.occasion, "
          "(SELECT uuid FROM judgements y WHERE y.id = j.target_id), "
          "(SELECT uuid FROM judgements y WHERE y.id = j.supersedes_id), j.provenance, j.winner, j.tie_kind, j.strength, "
          "j.bad_a, j.bad_b, j.skip_reason, j.flag, k.sha, j.details_sha, p.id, p.a_on_left, p.seed, p.rule, "
          "p.propensity, p.stratum, p.blind, p.exposed, j.view, j.first_paint_ms, j.active_ms, j.origin, j.app_version, "
          "j.time_ms, j.mono_ns, j.chain_seq, j.prev_digest, j.digest, j.task_id, j.comparison_id, j.annotator_id, "
          "j.target_id, j.session_id, j.edited_id, "
          "(SELECT sha FROM erased_parts e WHERE e.event_id = j.id AND e.part = 'skip'), "
          "(SELECT sha FROM erased_parts e WHERE e.event_id = j.id AND e.part = 'flag') "
          "FROM judgements j JOIN tasks t ON t.id = j.task_id JOIN comparisons x ON x.id = j.comparison_id "
          "JOIN annotators n ON n.id = j.annotator_id LEFT JOIN candidates k ON k.id = j.edited_id "
          "LEFT JOIN presentations p ON p.id = j.presentation_id WHERE " +
          where + " ORDER BY j.id")) {}

EventRow EventReader::row() const {
    const Query& rows = m_rows;
    const auto id = [&](int column) { return rows.null(column) ? Id{0} : rows.integer(column); };
    // Words that were erased left the hash that the digest covers; only their placeholder is taken for them.
    const auto hashOf = [&](int column, int erased) -> std::string {
        if (rows.null(column))
            return {};
        const std::string words = rows.text(column);
        return words == kErasedWords && !rows.null(erased) ? rows.text(erased) : sha256Hex(words);
    };
    EventRow e;
    e.id = rows.integer(0);
    e.in.uuid = rows.text(1);
    e.in.kind = rows.text(2);
    e.in.task = rows.text(3);
    e.in.guidelineVersion = rows.integer(4);
    e.in.comparison = rows.text(5);
    e.in.annotator = rows.text(6);
    e.in.occasion = rows.integer(7);
    e.in.target = rows.text(8);
    e.in.supersedes = rows.text(9);
    e.in.provenance = rows.text(10);
    e.in.winner = rows.text(11);
    e.in.tieKind = rows.text(12);
    e.in.strength = rows.null(13) ? 0 : rows.integer(13);
    e.in.badA = rows.boolean(14);
    e.in.badB = rows.boolean(15);
    if (!rows.null(16))
        e.skip = rows.text(16);
    if (!rows.null(17))
        e.flag = rows.text(17);
    e.in.skipSha = hashOf(16, 44);
    e.in.flagSha = hashOf(17, 45);
    e.in.editedSha = rows.text(18);
    e.in.detailsSha = rows.text(19);
    e.presentation = id(20);
    if (e.presentation)
        e.in.presentation = Json::array({rows.integer(21), rows.integer(22), rows.text(23), rows.real(24), rows.text(25),
                                         rows.integer(26), rows.integer(27)});
    e.in.view = rows.text(28);
    e.in.firstPaintMs = rows.integer(29);
    e.in.activeMs = rows.integer(30);
    e.in.origin = rows.text(31);
    e.in.appVersion = rows.text(32);
    e.in.timeMs = rows.integer(33);
    e.in.monoNs = rows.integer(34);
    e.in.chainSeq = rows.integer(35);
    e.in.previous = rows.text(36);
    e.digest = rows.text(37);
    e.task = rows.integer(38);
    e.comparison = rows.integer(39);
    e.annotator = rows.integer(40);
    e.target = id(41);
    e.session = id(42);
    e.edited = id(43);
    return e;
}

// --- details ---------------------------------------------------------------------------------------------------------

namespace {
constexpr const char* kParts[] = {"attributes", "reasons", "rationale", "spans", "regions", "ranking"};
} // namespace

Json detailsOf(const Judgement& j) {
    Json details = Json::object();
    if (!j.attributes.empty())
        details["attributes"] = j.attributes;
    if (!j.reasons.empty())
        details["reasons"] = j.reasons;
    if (!j.rationale.empty())
        details["rationale"] = j.rationale;
    if (!j.spans.is_null())
        details["spans"] = j.spans;
    if (!j.regions.is_null())
        details["regions"] = j.regions;
    if (!j.ranking.is_null())
        details["ranking"] = j.ranking;
    return details.empty() ? Json() : details;
}

Json storedDetails(Project::Impl& impl, Id event) {
    auto row = impl.query("SELECT attributes, reasons, rationale, spans, regions, ranking FROM judgement_details "
                          "WHERE event_id = ?");
    if (!row.bind(event).step())
        return nullptr;
    Json details = Json::object();
    for (int i = 0; i < 6; ++i)
        if (!row.null(i))
            details[kParts[i]] = i == 2 ? Json(row.text(i)) : row.json(i);
    return details;
}

void insertDetails(Project::Impl& impl, Id event, const Json& details) {
    const auto part = [&](const char* key) -> std::optional<std::string> {
        if (!details.contains(key))
            return std::nullopt;
        return details[key].is_string() ? details[key].get<std::string>() : dumpJson(details[key]);
    };
    impl.query("INSERT INTO judgement_details(event_id, attributes, reasons, rationale, spans, regions, ranking) "
               "VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(event, part("attributes"), part("reasons"), part("rationale"), part("spans"), part("regions"), part("ranking"))
        .run();
}

// --- what was erased -------------------------------------------------------------------------------------------------

Id erasedContent(Project::Impl& impl) {
    {
        auto row = impl.query("SELECT id FROM contents WHERE sha = ?");
        if (row.bind(kErasedWords).step())
            return row.integer(0);
    }
    impl.query("INSERT INTO contents(sha, text) VALUES (?, '')").bind(kErasedWords).run();
    return impl.db->getLastInsertRowid();
}

namespace {
Json numbersOf(const Json& value) {
    if (!value.is_object()) // a side is a choice, not a word
        return value.is_number() || value.is_boolean() || value == "a" || value == "b" || value == "tie" || value == kEditSource ? value : Json();
    Json out = Json::object();
    for (const auto& [key, each] : value.items())
        if (Json kept = numbersOf(each); !kept.is_null())
            out[key] = std::move(kept);
    return out;
}
} // namespace

Json withoutWords(const Json& details) {
    Json out = Json::object();
    if (!details.is_object())
        return nullptr;
    if (details.contains("attributes"))
        if (Json kept = numbersOf(details["attributes"]); !kept.empty())
            out["attributes"] = std::move(kept);
    if (details.contains("ranking") && details["ranking"].is_object())
        for (const char* numbers : {"v", "ranks", "unordered"})
            if (details["ranking"].contains(numbers))
                out["ranking"][numbers] = details["ranking"][numbers];
    return out.empty() ? Json() : out;
}

void noteErased(Project::Impl& impl, Id event, const std::string& skipSha, const std::string& flagSha, const std::string& detailsSha) {
    const std::pair<const char*, const std::string*> parts[] = {{"skip", &skipSha}, {"flag", &flagSha}, {"details", &detailsSha}};
    for (const auto& [part, sha] : parts)
        if (!sha->empty())
            impl.query("INSERT OR IGNORE INTO erased_parts(event_id, part, sha) VALUES (?, ?, ?)").bind(event, part, *sha).run();
}

// --- what counts -----------------------------------------------------------------------------------------------------

void ItemHistory::add(const std::string& origin, Id event, EventKind kind, Id target, int64_t timeMs,
                      const std::string& uuid, bool empty) {
    Told& told = m_origins[origin];
    told.timeMs = timeMs;
    told.uuid = uuid;
    switch (kind) {
    case EventKind::Undo:
    case EventKind::Revert:
        told.current = told.said[target].first;
        break;
    case EventKind::Redo:
        told.current = told.said[target].second;
        break;
    default:
        told.said[event] = {told.current, empty ? 0 : event};
        told.current = empty ? 0 : event;
    }
}

Id ItemHistory::current() const {
    const Told* newest = nullptr;
    for (const auto& [origin, told] : m_origins)
        if (told.current && (!newest || std::tie(newest->timeMs, newest->uuid) < std::tie(told.timeMs, told.uuid)))
            newest = &told;
    return newest ? newest->current : 0;
}

Id resolveItem(Project::Impl& impl, const VoteKey& key) {
    ItemHistory history;
    // By the pair: by the index of persons everything this person did would be read.
    auto rows = impl.query("SELECT origin, id, kind, target_id, time_ms, uuid, flag FROM judgements INDEXED BY judgements_by_comparison WHERE comparison_id = ? "
                           "AND annotator_id = ? AND task_id = ? AND occasion = ? ORDER BY id");
    rows.bind(key.comparison, key.annotator, key.task, key.occasion);
    while (rows.step()) {
        const EventKind kind = stored(eventKindOf(rows.text(2)));
        history.add(rows.text(0), rows.integer(1), kind, rows.null(3) ? 0 : rows.integer(3), rows.integer(4), rows.text(5),
                    kind == EventKind::Flag && rows.null(6));
    }
    return history.current();
}

} // namespace pl::desk
