// SPDX-License-Identifier: Apache-2.0
// What annotators did, on its way into the project that dealt the packages.
#include <algorithm>

#include "core/desk/domain/ranking.h"
#include "core/desk/domain/text_marks.h"
#include "core/desk/store/edits.h"
#include "core/desk/store/event_rows.h"
#include "core/desk/store/package_file.h"
#include "core/desk/store/packages.h"
#include "core/desk/store/region_checks.h"

namespace pl::desk {

namespace {

constexpr size_t kMostWords = size_t{1} << 20;
constexpr int64_t kMostNumber = int64_t{1} << 53;

/// An event of the file, read and verified against its own digest.
struct Incoming {
    DigestInput in;
    std::string digest, where, session, editedUuid;
    std::optional<std::string> skip, flag;
    Json details;
    int64_t presentation = 0;
};

Status tampered(const std::string& where, const std::string& what) {
    return fail(Code::Corrupt, fmt::format("{}: {}", where, what), "Nothing was merged. Ask the person for the file again.");
}

class Merger {
public:
    Merger(Project::Impl& impl, const PackageContent& content, const std::string& path)
        : m_impl(impl), m_content(content), m_path(path) {}

    Result<MergeReport> merge() {
        PL_CHECK(header());
        PL_CHECK(samePast());
        for (const PackageLine& line : m_content.lines) {
            const auto part = [&](const char* key) { return line.json.size() == 1 && line.json.contains(key) && line.json[key].is_object(); };
            if (part("session"))
                PL_CHECK(session(line.json["session"], line.where));
            else if (part("presentation"))
                PL_CHECK(presentation(line.json["presentation"], line.where));
            else if (part("edited"))
                PL_CHECK(edited(line.json["edited"], line.where));
            else if (part("versions"))
                PL_CHECK(versions(line.json["versions"], line.where));
            else if (part("event"))
                PL_CHECK(event(line.json["event"], line.where));
            else
                return fail(Code::Corrupt, line.where + " is of no kind that a return has");
        }
        for (const VoteKey& key : m_touched)
            m_impl.setCurrent(key, resolveItem(m_impl, key));
        for (const auto& [pair, candidate] : m_versions)
            showVersions(pair, candidate);
        {
            auto known = m_impl.query("SELECT 1 FROM package_returns WHERE sha = ?");
            if (!known.bind(m_content.sha).step())
                m_impl.query("INSERT INTO package_returns(package_id, sha, origin, events, fresh, merged_ms) VALUES (?, ?, ?, ?, ?, ?)")
                    .bind(m_package, m_content.sha, m_origin, m_report.events, m_report.fresh, m_impl.now())
                    .run();
        }
        m_impl.pending.changes.insert({Change::Votes, Change::People});
        return m_report;
    }

private:
    Status header() {
        const auto text = [&](const char* key) { return field<std::string>(m_content.header, key, "line 1 of " + m_path); };
        PL_TRY(const auto project, text("project"));
        PL_TRY(m_report.package, text("package"));
        PL_TRY(m_personUuid, text("person"));
        PL_TRY(m_origin, text("origin"));
        if (project != m_impl.projectUuid)
            return fail(Code::InvalidInput, fmt::format("{} is of another project ({}); this one is {}", m_path, project, m_impl.projectUuid),
                        "Merge it into the project that dealt the package.");
        auto row = m_impl.query("SELECT p.id, p.task_id, t.uuid, n.id, n.uuid, n.name FROM packages p JOIN tasks t ON t.id = p.task_id "
                                "JOIN annotators n ON n.id = p.annotator_id WHERE p.uuid = ?");
        if (!row.bind(m_report.package).step())
            return fail(Code::InvalidInput, fmt::format("{} belongs to package {}, which this project did not deal", m_path, m_report.package));
        m_package = row.integer(0);
        m_task = row.integer(1);
        m_taskUuid = row.text(2);
        m_person = row.integer(3);
        m_report.person = row.text(5);
        if (row.text(4) != m_personUuid)
            return fail(Code::InvalidInput,
                        fmt::format("{} names person {}, but package {} was dealt to {}", m_path, m_personUuid, m_report.package, row.text(4)));
        if (m_origin.size() != 36 || m_origin == m_impl.meta("origin"))
            return fail(Code::Corrupt, fmt::format("{} claims to come from \"{}\"", m_path, m_origin.substr(0, 40)));
        {
            auto pairs = m_impl.query("SELECT x.sha, x.id, EXISTS (SELECT 1 FROM tombstones t JOIN prompts p ON p.uuid = t.uuid "
                                      "WHERE p.id IN (x.prompt_id, x.prompt_b_id)), "
                                      "(SELECT count(*) FROM comparison_members k WHERE k.comparison_id = x.id) FROM package_pairs q "
                                      "JOIN comparisons x ON x.id = q.comparison_id WHERE q.package_id = ?");
            pairs.bind(m_package);
            while (pairs.step()) {
                m_pairs[pairs.text(0)] = pairs.integer(1);
                if (pairs.boolean(2))
                    m_erasedPairs.insert(pairs.integer(1));
                if (pairs.integer(3))
                    m_sets[pairs.integer(1)] = static_cast<size_t>(pairs.integer(3)) + 2;
            }
        }
        auto person = m_impl.query("SELECT 1 FROM tombstones WHERE uuid = ?");
        m_personErased = person.bind(m_personUuid).step();
        {
            auto known = m_impl.query("SELECT chain_seq, digest, uuid, id FROM judgements WHERE origin = ? AND annotator_id = ? ORDER BY chain_seq");
            known.bind(m_origin, m_person);
            while (known.step()) {
                m_known.push_back(known.text(1));
                m_ids[known.text(2)] = known.integer(3);
            }
        }
        return {};
    }

    /// What an earlier return told is told again, word for word.
    Status samePast() {
        size_t at = 0;
        for (const PackageLine& line : m_content.lines) {
            if (!line.json.contains("event") || !line.json["event"].is_object() || at == m_known.size())
                continue;
            if (line.json["event"].value("digest", Json()) != m_known[at++])
                return tampered(fmt::format("{} (event {} of {})", line.where, at, m_report.person),
                                "an earlier return says otherwise: the package was continued from two copies, or its past was rewritten");
        }
        return {};
    }

    Result<Id> pairOf(const Json& json, const std::string& where) {
        PL_TRY(const auto sha, field<std::string>(json, "pair", where));
        const auto at = m_pairs.find(sha);
        if (at == m_pairs.end())
            return fail(Code::InvalidInput, fmt::format("{} is on pair {}, which is not in package {}", where, sha.substr(0, 16), m_report.package));
        return at->second;
    }

    Result<int64_t> number(const Json& json, const char* key, int64_t low, int64_t high, const std::string& where) {
        PL_TRY(const auto value, field<int64_t>(json, key, where));
        if (value < low || value > high)
            return fail(Code::Corrupt, fmt::format("{}: {} is {}, outside {} to {}", where, key, value, low, high));
        return value;
    }

    Result<Id> sessionOf(const Json& json, const std::string& where) {
        if (!json.contains("session"))
            return Id{0};
        PL_TRY(const auto uuid, field<std::string>(json, "session", where));
        const auto at = m_sessions.find(uuid);
        if (at == m_sessions.end())
            return fail(Code::Corrupt, where + " names a session that is not in the file");
        return at->second;
    }

    Status session(const Json& json, const std::string& where) {
        PL_TRY(const auto uuid, field<std::string>(json, "uuid", where));
        PL_TRY(const auto program, field<std::string>(json, "program", where));
        PL_TRY(const auto version, field<std::string>(json, "app_version", where));
        PL_TRY(const auto started, number(json, "started_ms", 0, kMostNumber, where));
        std::optional<int64_t> ended;
        if (json.contains("ended_ms") && !json["ended_ms"].is_null()) {
            PL_TRY(ended, number(json, "ended_ms", 0, kMostNumber, where));
        }
        {
            auto known = m_impl.query("SELECT id, annotator_id FROM sessions WHERE uuid = ?");
            if (known.bind(uuid).step()) {
                if (known.integer(1) != m_person)
                    return tampered(where, fmt::format("session {} is another person's", uuid));
                m_sessions[uuid] = known.integer(0);
                // A later return knows when it ended; the latest word stays, whichever comes first.
                if (ended)
                    m_impl.query("UPDATE sessions SET ended_ms = max(coalesce(ended_ms, 0), ?) WHERE id = ?")
                        .bind(*ended, m_sessions[uuid])
                        .run();
                return {};
            }
        }
        m_impl.query("INSERT INTO sessions(uuid, annotator_id, task_id, program, app_version, started_ms, ended_ms) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(uuid, m_person, m_task, program.substr(0, 200), version.substr(0, 200), started, ended)
            .run();
        m_sessions[uuid] = m_impl.db->getLastInsertRowid();
        return {};
    }

    Status presentation(const Json& json, const std::string& where) {
        PL_TRY(const int64_t own, number(json, "number", 1, kMostNumber, where));
        PL_TRY(const Id pair, pairOf(json, where));
        PL_TRY(const Id session, sessionOf(json, where));
        PL_TRY(const auto version, number(json, "guideline_version", 1, 1'000'000, where));
        PL_TRY(const auto occasion, number(json, "occasion", 0, 1'000'000, where));
        PL_TRY(const auto left, number(json, "a_on_left", 0, 1, where));
        PL_TRY(const auto seed, field<int64_t>(json, "seed", where));
        PL_TRY(const auto rule, field<std::string>(json, "rule", where));
        PL_TRY(const auto propensity, field<double>(json, "propensity", where));
        PL_TRY(const auto stratum, field<std::string>(json, "stratum", where));
        PL_TRY(const auto blind, number(json, "blind", 0, 1, where));
        PL_TRY(const auto exposed, number(json, "exposed", 0, 1, where));
        PL_TRY(const auto shown, number(json, "shown_ms", 0, kMostNumber, where));
        const bool named = queueRuleOf(rule) && std::all_of(stratum.begin(), stratum.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
        if (!(propensity > 0 && propensity <= 1) || !named || stratum.size() > 100)
            return fail(Code::Corrupt, where + ": a presentation is malformed");
        const Json words = Json::array({left, seed, rule, propensity, stratum, blind, exposed});
        if (m_presentations.count(own))
            return tampered(where, fmt::format("presentation {} is there twice", own));
        Id id = 0;
        {
            auto known = m_impl.query("SELECT p.id, p.comparison_id, p.occasion, p.a_on_left, p.seed, p.rule, p.propensity, p.stratum, "
                                      "p.blind, p.exposed, p.shown_ms, p.guideline_version FROM merged_presentations m "
                                      "JOIN presentations p ON p.id = m.presentation_id WHERE m.origin = ? AND m.number = ?");
            if (known.bind(m_origin, own).step()) {
                id = known.integer(0);
                if (known.integer(1) != pair || known.integer(2) != occasion || known.integer(10) != shown || known.integer(11) != version ||
                    Json::array({known.integer(3), known.integer(4), known.text(5), known.real(6), known.text(7), known.integer(8),
                                 known.integer(9)}) != words)
                    return tampered(where, fmt::format("presentation {} is not the one that came with an earlier return", own));
            }
        }
        if (!id) {
            m_impl.query("INSERT INTO presentations(task_id, guideline_version, comparison_id, annotator_id, session_id, occasion, "
                         "a_on_left, seed, rule, propensity, stratum, blind, exposed, shown_ms) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .bind(m_task, version, pair, m_person, orNull(session), occasion, left, seed, rule, propensity, stratum, blind, exposed,
                      shown)
                .run();
            id = m_impl.db->getLastInsertRowid();
            m_impl.query("INSERT INTO merged_presentations(presentation_id, origin, number) VALUES (?, ?, ?)").bind(id, m_origin, own).run();
            ++m_report.presentations;
        }
        m_presentations[own] = {id, pair, words};
        return {};
    }

    /// An edited answer becomes a candidate of the prompt; of something erased only its hash.
    Status edited(const Json& json, const std::string& where) {
        PL_TRY(const auto uuid, field<std::string>(json, "uuid", where));
        PL_TRY(const auto promptSha, field<std::string>(json, "prompt", where));
        PL_TRY(const auto text, field<std::string>(json, "text", where));
        PL_TRY(const auto created, number(json, "created_ms", 0, kMostNumber, where));
        const std::string sha = candidateSha(text);
        m_edited[uuid] = {0, sha};
        Id prompt = 0;
        {
            auto row = m_impl.query("SELECT id FROM prompts WHERE sha = ?");
            if (!row.bind(promptSha).step())
                return tampered(where, "an edited answer is to a prompt that the project does not have");
            prompt = row.integer(0);
        }
        {
            auto known = m_impl.query("SELECT id, sha, prompt_id FROM candidates WHERE uuid = ?");
            if (known.bind(uuid).step()) {
                if (known.text(1) != sha || known.integer(2) != prompt)
                    return tampered(where, fmt::format("edited answer {} is not the one that came with an earlier return", uuid));
                m_edited[uuid].first = known.integer(0);
                return {};
            }
        }
        if (text.size() > kMostWords * 4)
            return fail(Code::Corrupt, where + ": an edited answer is longer than 4 MiB");
        Id parent = 0;
        if (json.contains("parent") && json["parent"].is_string())
            parent = answerOf(prompt, json["parent"].get<std::string>());
        auto erased = m_impl.query("SELECT 1 FROM tombstones t JOIN prompts p ON p.uuid = t.uuid WHERE p.id = ?");
        const bool gone = m_personErased || erased.bind(prompt).step();
        m_impl.query("INSERT INTO candidates(uuid, prompt_id, kind, sha, content_id, provenance, params, parent_id, withdrawn, created_ms) "
                     "VALUES (?, ?, 'text', ?, ?, 'human', '{}', ?, ?, ?)")
            .bind(uuid, prompt, sha, gone ? erasedContent(m_impl) : m_impl.ensureContent(text), orNull(parent), gone, created)
            .run();
        m_edited[uuid].first = m_impl.db->getLastInsertRowid();
        m_impl.pending.changes.insert(Change::Candidates);
        ++m_report.edited;
        return {};
    }

    /// An answer by its text: an edited one of this file, else one that was dealt.
    Id answerOf(Id prompt, const std::string& sha) {
        for (const auto& [uuid, edited] : m_edited)
            if (edited.first && edited.second == sha) {
                auto same = m_impl.query("SELECT 1 FROM candidates WHERE id = ? AND prompt_id = ?");
                if (same.bind(edited.first, prompt).step())
                    return edited.first;
            }
        auto row = m_impl.query("SELECT min(k.id) FROM candidates k WHERE k.prompt_id = ? AND k.sha = ? AND EXISTS (SELECT 1 FROM package_pairs q "
                                "JOIN comparisons x ON x.id = q.comparison_id WHERE k.id IN (x.a_id, x.b_id))");
        return row.bind(prompt, sha).step() && !row.null(0) ? row.integer(0) : 0;
    }

    /// The pair of an answer and what a person made of it.
    Status versions(const Json& json, const std::string& where) {
        PL_TRY(const auto sha, field<std::string>(json, "pair", where));
        PL_TRY(const auto promptSha, field<std::string>(json, "prompt", where));
        PL_TRY(const auto originalSha, field<std::string>(json, "original", where));
        PL_TRY(const auto uuid, field<std::string>(json, "edited", where));
        const auto edited = m_edited.find(uuid);
        if (edited == m_edited.end() || pairSha(promptSha, originalSha, edited->second.second) != sha)
            return tampered(where, "a pair of versions is not of the answers it names");
        Project::NewPair pair;
        {
            auto row = m_impl.query("SELECT id FROM prompts WHERE sha = ?");
            pair.a = row.bind(promptSha).step() ? answerOf(row.integer(0), originalSha) : 0;
        }
        if (!pair.a)
            return tampered(where, "a pair of versions is of an answer that was not dealt");
        pair.b = edited->second.first;
        pair.source = kEditSource;
        pair.task = m_task;
        Id id = 0;
        {
            // Found first: adding it would bring one back that is withdrawn.
            auto known = m_impl.query("SELECT id FROM comparisons WHERE sha = ?");
            id = known.bind(sha).step() ? known.integer(0) : 0;
        }
        if (!id) {
            PL_TRY(id, m_impl.addPairIn(pair, 0));
        }
        auto gone = m_impl.query("SELECT 1 FROM tombstones t JOIN prompts p ON p.uuid = t.uuid WHERE p.sha = ?");
        if (gone.bind(promptSha).step())
            m_erasedPairs.insert(id);
        m_pairs[sha] = id;
        m_versions[id] = pair.b;
        return {};
    }

    /// Both versions are on offer as long as a judgement on them counts, whatever came in first.
    void showVersions(Id pair, Id candidate) {
        auto counts = m_impl.query("SELECT 1 FROM current WHERE comparison_id = ?");
        const bool shown = counts.bind(pair).step() && !m_personErased && !m_erasedPairs.count(pair);
        m_impl.query("UPDATE comparisons SET withdrawn = ? WHERE id = ? AND source = ?").bind(!shown, pair, kEditSource).run();
        m_impl.query("UPDATE candidates SET withdrawn = ? WHERE id = ? AND (? OR NOT EXISTS (SELECT 1 FROM comparisons x WHERE x.withdrawn = 0 "
                     "AND candidates.id IN (x.a_id, x.b_id)))")
            .bind(!shown, candidate, shown)
            .run();
        m_impl.pending.dropQueues = true;
        m_impl.pending.changes.insert(Change::Pairs);
    }

    /// The values that the table's constraints and later readers rely on.
    Status validate(const Incoming& e) {
        const DigestInput& in = e.in;
        const bool vote = in.kind == "vote", state = vote || in.kind == "skip" || in.kind == "flag";
        const bool moves = in.kind == "undo" || in.kind == "redo";
        const auto oneOf = [](const std::string& value, std::initializer_list<const char*> all) {
            return std::any_of(all.begin(), all.end(), [&](const char* each) { return value == each; });
        };
        if (!state && !moves)
            return tampered(e.where, fmt::format("an annotator's event is not \"{}\"", in.kind.substr(0, 40)));
        if (vote != oneOf(in.winner, {"a", "b", "tie"}) || (!vote && !in.winner.empty()) ||
            (in.winner == "tie") != oneOf(in.tieKind, {"both_good", "both_bad", "identical", "unspecified"}) ||
            (in.strength && (in.winner == "tie" || !vote)) || moves == in.target.empty() || (in.kind == "skip") != e.skip.has_value())
            return tampered(e.where, "its parts do not go together");
        if ((e.skip && e.skip->size() > kMostWords) || (e.flag && (e.flag->empty() || e.flag->size() > kMostWords)) ||
            in.view.size() > 100 || in.appVersion.size() > 100)
            return tampered(e.where, "a text of it is too long or empty");
        const Json& d = e.details;
        for (const auto& [key, value] : d.items()) {
            const bool fits = key == "attributes"  ? value.is_object()
                              : key == "rationale" ? value.is_string() && value.get_ref<const std::string&>().size() <= kMostWords
                              : key == "reasons"
                                  ? value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); })
                                  : (key == "spans" || key == "regions" || key == "ranking") && value.is_object() && value.contains("v");
            if (!fits)
                return tampered(e.where, fmt::format("its details have a malformed part \"{}\"", key.substr(0, 40)));
        }
        return {};
    }

    /// An order says all of its vote, in the one form that this program writes; a vote on a set has one.
    Status order(const Incoming& e, Id pair) {
        const auto set = m_sets.find(pair);
        const bool vote = e.in.kind == "vote";
        if (!e.details.is_object() || !e.details.contains("ranking"))
            return vote && set != m_sets.end()
                       ? tampered(e.where, fmt::format("a vote on a set of {} answers has no ranking", set->second))
                       : Status();
        if (!vote)
            return tampered(e.where, "only a vote has a ranking");
        const auto ranking = Ranking::of(e.details["ranking"], set == m_sets.end() ? 2 : set->second);
        if (!ranking)
            return tampered(e.where, ranking.error().message);
        const Judgement said = judgementOf(*ranking);
        if (said.ranking != e.details["ranking"])
            return tampered(e.where, "its ranking has parts that a ranking does not have");
        if (e.in.winner != winnerName(said.winner) || e.in.tieKind != tieKindName(said.tieKind) || e.in.strength)
            return tampered(e.where, "its winner is not that of its ranking");
        return {};
    }

    Result<Incoming> read(const Json& json, const std::string& where) {
        Incoming e;
        DigestInput& in = e.in;
        e.where = where;
        const auto text = [&](const char* key) { return field<std::string>(json, key, where); };
        PL_TRY(in.uuid, text("uuid"));
        PL_TRY(in.kind, text("kind"));
        PL_TRY(in.comparison, text("pair"));
        PL_TRY(in.target, text("target"));
        PL_TRY(in.supersedes, text("supersedes"));
        PL_TRY(in.winner, text("winner"));
        PL_TRY(in.tieKind, text("tie_kind"));
        PL_TRY(in.view, text("view"));
        PL_TRY(in.appVersion, text("app_version"));
        PL_TRY(in.previous, text("previous"));
        PL_TRY(e.digest, text("digest"));
        PL_TRY(in.guidelineVersion, number(json, "guideline_version", 1, 1'000'000, where));
        PL_TRY(in.occasion, number(json, "occasion", 0, 1'000'000, where));
        PL_TRY(in.strength, number(json, "strength", 0, 3, where));
        PL_TRY(in.firstPaintMs, number(json, "first_paint_ms", -1, kMostNumber, where));
        PL_TRY(in.activeMs, number(json, "active_ms", -1, kMostNumber, where));
        PL_TRY(in.timeMs, number(json, "time_ms", 0, kMostNumber, where));
        PL_TRY(in.monoNs, field<int64_t>(json, "mono_ns", where));
        PL_TRY(in.chainSeq, number(json, "number", 1, kMostNumber, where));
        PL_TRY(in.badA, field<bool>(json, "bad_a", where));
        PL_TRY(in.badB, field<bool>(json, "bad_b", where));
        in.task = m_taskUuid;
        in.annotator = m_personUuid;
        in.origin = m_origin;
        in.provenance = provenanceName(Provenance::Human);
        e.where = fmt::format("{} (event {} of {}, uuid {})", where, in.chainSeq, m_report.person, in.uuid.substr(0, 40));
        if (json.contains("skip")) {
            PL_TRY(e.skip, text("skip"));
            in.skipSha = sha256Hex(*e.skip);
        }
        if (json.contains("flag")) {
            PL_TRY(e.flag, text("flag"));
            in.flagSha = sha256Hex(*e.flag);
        }
        e.details = json.value("details", Json());
        if (!e.details.is_null() && (!e.details.is_object() || e.details.empty()))
            return fail(Code::Corrupt, e.where + ": its details are malformed");
        in.detailsSha = e.details.is_null() ? "" : sha256Hex(dumpJson(e.details));
        if (json.contains("session")) {
            PL_TRY(e.session, text("session"));
        }
        if (json.contains("edited")) {
            PL_TRY(e.editedUuid, text("edited"));
            const auto at = m_edited.find(e.editedUuid);
            if (at == m_edited.end())
                return fail(Code::Corrupt, e.where + " names an edited answer that is not in the file");
            in.editedSha = at->second.second;
        }
        if (json.contains("presentation") && !json["presentation"].is_null()) {
            PL_TRY(e.presentation, number(json, "presentation", 1, kMostNumber, where));
            const auto at = m_presentations.find(e.presentation);
            if (at == m_presentations.end())
                return fail(Code::Corrupt, e.where + " names a presentation that is not in the file");
            in.presentation = at->second.words;
        }
        return e;
    }

    Status event(const Json& json, const std::string& line) {
        ++m_report.events;
        PL_TRY(const Incoming e, read(json, line));
        const DigestInput& in = e.in;
        const size_t due = static_cast<size_t>(m_report.events);
        if (in.chainSeq != m_report.events)
            return tampered(e.where, fmt::format("number {} is due: an event was left out or put in", due));
        if (in.previous != m_last)
            return tampered(e.where, "it does not follow the event before it: one of the two was changed");
        if (digestOf(in) != e.digest)
            return tampered(e.where, "it was changed after it was saved: its digest is another");
        m_last = e.digest;
        if (due <= m_known.size())
            return {}; // as samePast() found
        PL_CHECK(validate(e));
        PL_TRY(const Id pair, pairOf(json, e.where));
        PL_CHECK(order(e, pair));
        PL_TRY(const Id session, sessionOf(json, e.where));
        Id presentation = 0;
        if (e.presentation) {
            const auto& shown = m_presentations.at(e.presentation);
            if (shown.pair != pair)
                return tampered(e.where, "its presentation is of another pair");
            presentation = shown.id;
        }
        const auto earlier = [&](const std::string& uuid, Id& id) {
            const auto at = uuid.empty() ? m_ids.end() : m_ids.find(uuid);
            id = at == m_ids.end() ? 0 : at->second;
            return uuid.empty() || id;
        };
        Id target = 0, supersedes = 0;
        if (!earlier(in.target, target) || !earlier(in.supersedes, supersedes))
            return tampered(e.where, "it names an event that is not before it");
        const VoteKey key{m_task, pair, m_person, static_cast<int32_t>(in.occasion)};
        if (target) {
            auto row = m_impl.query("SELECT 1 FROM judgements WHERE id = ? AND comparison_id = ? AND occasion = ? "
                                    "AND kind IN ('vote', 'skip', 'flag')");
            if (!row.bind(target, pair, key.occasion).step())
                return tampered(e.where, "it moves an event of another pair");
        }
        {
            auto taken = m_impl.query("SELECT 1 FROM judgements WHERE uuid = ?");
            if (taken.bind(in.uuid).step())
                return tampered(e.where, "its uuid is that of another event");
        }
        const bool erased = m_personErased || m_erasedPairs.count(pair);
        if (!erased && e.details.is_object() && e.details.contains("spans") && e.details["spans"].contains("unit")) {
            PL_TRY(const LabelItem item, m_impl.itemIn(pair));
            if (const auto marks = marksOf(e.details["spans"], item.a.content, item.b.content); !marks)
                return tampered(e.where, marks.error().message);
        }
        if (!erased && e.details.is_object() && e.details.contains("regions")) {
            PL_TRY(const LabelItem item, m_impl.itemIn(pair));
            PL_TRY(const auto members, m_impl.membersIn(pair));
            if (const auto marks = regionsIn(m_impl, e.details["regions"], item, members.size()); !marks)
                return tampered(e.where, marks.error().message);
        }
        // Of what was erased no word comes back; what it hashed to stays, so that the chain still verifies.
        const auto words = [&](const std::optional<std::string>& text) {
            return text && erased ? std::optional<std::string>(kErasedWords) : text;
        };
        m_impl.query("INSERT INTO judgements(uuid, kind, task_id, guideline_version, comparison_id, annotator_id, occasion, "
                     "presentation_id, session_id, target_id, supersedes_id, provenance, winner, tie_kind, strength, bad_a, "
                     "bad_b, skip_reason, flag, edited_id, details_sha, view, first_paint_ms, active_ms, origin, "
                     "app_version, time_ms, mono_ns, chain_seq, prev_digest, digest) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(in.uuid, in.kind, m_task, in.guidelineVersion, pair, m_person, in.occasion, orNull(presentation), orNull(session),
                  orNull(target), orNull(supersedes), in.provenance,
                  in.winner.empty() ? std::nullopt : std::optional<std::string>(in.winner),
                  in.tieKind.empty() ? std::nullopt : std::optional<std::string>(in.tieKind),
                  in.strength ? std::optional<int64_t>(in.strength) : std::nullopt, in.badA, in.badB, words(e.skip), words(e.flag),
                  orNull(e.editedUuid.empty() ? 0 : m_edited.at(e.editedUuid).first),
                  in.detailsSha.empty() ? std::nullopt : std::optional<std::string>(in.detailsSha), in.view, in.firstPaintMs,
                  in.activeMs, in.origin, in.appVersion, in.timeMs, in.monoNs, in.chainSeq, in.previous, e.digest)
            .run();
        const Id id = m_impl.db->getLastInsertRowid();
        m_ids[in.uuid] = id;
        if (erased) {
            ++m_report.erased;
            noteErased(m_impl, id, e.skip ? in.skipSha : "", e.flag ? in.flagSha : "", in.detailsSha);
            if (const Json rest = m_erasedPairs.count(pair) ? Json() : withoutWords(e.details); !rest.is_null())
                insertDetails(m_impl, id, rest);
        } else if (!e.details.is_null()) {
            insertDetails(m_impl, id, e.details);
        }
        ++m_report.fresh;
        if (std::find(m_touched.begin(), m_touched.end(), key) == m_touched.end())
            m_touched.push_back(key);
        return {};
    }

    struct Shown {
        Id id = 0, pair = 0;
        Json words;
    };

    Project::Impl& m_impl;
    const PackageContent& m_content;
    const std::string& m_path;
    MergeReport m_report;
    std::string m_origin, m_personUuid, m_taskUuid, m_last;
    Id m_package = 0, m_task = 0, m_person = 0;
    bool m_personErased = false;
    std::map<std::string, Id> m_pairs, m_sessions, m_ids;
    std::map<Id, size_t> m_sets; ///< of more than two answers -> how many
    std::set<Id> m_erasedPairs;
    std::vector<std::string> m_known;
    std::map<int64_t, Shown> m_presentations;
    std::map<std::string, std::pair<Id, std::string>> m_edited; ///< uuid -> candidate, sha
    std::map<Id, Id> m_versions; ///< pair -> edited answer
    std::vector<VoteKey> m_touched;
};

} // namespace

Json MergeReport::toJson() const {
    return {{"package", package}, {"person", person},   {"events", events},
            {"fresh", fresh},     {"presentations", presentations},
            {"edited", edited},   {"erased", erased}};
}

Result<MergeReport> mergeReturn(Project& project, const std::string& file, bool dryRun) {
    PL_TRY(const PackageContent content, readPackage(file, kReturnFormat));
    Project::Impl& impl = project.impl();
    return impl.write("merging " + file, [&]() -> Result<MergeReport> {
        auto report = Merger(impl, content, file).merge();
        impl.discard = dryRun;
        return report;
    });
}

} // namespace pl::desk
