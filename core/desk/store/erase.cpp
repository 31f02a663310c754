// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/erase.h"

#include <algorithm>
#include <iterator>

#include <sqlite3.h>

#include "core/base/log.h"
#include "core/desk/store/event_rows.h"
#include "core/desk/store/packages.h"
#include "core/desk/store/reading_copy.h"
#include "core/desk/store/scrub.h"

namespace pl::desk {

namespace {

constexpr size_t kTellingName = 32; ///< from here on a name is told from other words

/// A person in one of their roles.
struct Who {
    Id id = 0;
    std::string uuid, name, newName;
    Json detail; ///< what is kept of it
};

/// Everything that goes, collected before anything is touched.
struct Plan {
    Id subject = 0;
    std::string uuid, name;
    bool person = false;
    std::vector<Who> people; ///< the person, first, and those whom the same person is in another role
    std::vector<Id> answers, pairs, events;
    std::set<Id> quoting;               ///< of the events: others', which only lose their words
    std::set<Id> contents;              ///< rows of texts that nothing else will use
    std::vector<std::string> words;     ///< of these events alone, to look for afterwards
    int64_t withWords = 0;              ///< events that have any
    Scrub scrub;
};

std::vector<Id> idsOf(Query& rows) {
    std::vector<Id> ids;
    while (rows.step())
        ids.push_back(rows.integer(0));
    return ids;
}

std::string listOf(const std::vector<Id>& ids) {
    std::string list = "(0";
    for (const Id id : ids)
        list += fmt::format(",{}", id);
    return list + ")";
}

/// Everybody who is this person: adjudicators are annotators of their own. What they are stays, whose it was does not: a verdict that nobody
/// is an adjudicator of would be counted as an opinion.
std::vector<Who> allOf(Project::Impl& impl, Id person, const std::string& uuid) {
    std::vector<Who> all;
    auto rows = impl.query("SELECT id, uuid, name, detail FROM annotators WHERE id = ? OR instr(detail, ?) > 0 ORDER BY id <> ?, id");
    rows.bind(person, uuid, person);
    while (rows.step()) {
        const Json detail = rows.json(3);
        const bool object = detail.is_object();
        if (rows.integer(0) != person && !(object && detail.value("of", Json()) == uuid))
            continue;
        Who who{rows.integer(0), rows.text(1), rows.text(2), "erased " + rows.text(1).substr(0, 8), Json::object()};
        if (object && detail.contains("role"))
            who.detail["role"] = detail["role"];
        all.push_back(std::move(who));
    }
    return all;
}

Result<Plan> planOf(Project::Impl& impl, const EraseOptions& options) {
    Plan plan;
    plan.person = options.kind == Erasable::Person;
    if (plan.person) {
        auto row = impl.query("SELECT id, uuid, name FROM annotators WHERE uuid = ? OR (kind = 'human' AND name = ?) "
                              "ORDER BY uuid = ? DESC LIMIT 1");
        if (!row.bind(options.what, options.what, options.what).step())
            return fail(Code::NotFound, fmt::format("there is no person \"{}\"", options.what),
                        "`pairlab-cli people list P` names them; rules and models are no people.");
        plan.subject = row.integer(0);
        plan.uuid = row.text(1);
        plan.name = row.text(2);
    } else {
        auto row = impl.query("SELECT p.id, p.uuid, c.text FROM prompts p JOIN contents c ON c.id = p.content_id "
                              "WHERE p.uuid = ? OR CAST(p.id AS TEXT) = ?");
        if (!row.bind(options.what, options.what).step())
            return fail(Code::NotFound, fmt::format("there is no prompt \"{}\"", options.what), "Name it by its number or uuid.");
        plan.subject = row.integer(0);
        plan.uuid = row.text(1);
        plan.name = headOf(row.text(2), 60);
    }
    if (plan.person) {
        plan.people = allOf(impl, plan.subject, plan.uuid);
        auto gone = impl.query("SELECT 1 FROM tombstones WHERE uuid = ?");
        if (plan.people.size() > 1 && gone.bind(plan.uuid).step()) { // erased by a version that left the other roles
            plan.people.erase(plan.people.begin());
            plan.subject = plan.people[0].id;
            plan.uuid = plan.people[0].uuid;
            plan.name = plan.people[0].name;
        }
    }
    std::vector<Id> ids;
    for (const Who& who : plan.people)
        ids.push_back(who.id);
    const std::string theirs = listOf(ids);
    {
        auto rows = plan.person ? impl.query("SELECT DISTINCT edited_id FROM judgements WHERE edited_id IS NOT NULL AND annotator_id IN " + theirs)
                                : impl.query(fmt::format("SELECT id FROM candidates WHERE prompt_id = {}", plan.subject));
        plan.answers = idsOf(rows);
    }
    const std::string answers = listOf(plan.answers);
    {
        auto rows = impl.query(fmt::format(
            "SELECT id FROM comparisons WHERE a_id IN {0} OR b_id IN {0} OR ({1} AND (prompt_id = {2} OR prompt_b_id = {2})) "
            "UNION SELECT comparison_id FROM comparison_members WHERE candidate_id IN {0}",
            answers, plan.person ? 0 : 1, plan.subject));
        plan.pairs = idsOf(rows);
    }
    {
        auto rows = impl.query(plan.person ? fmt::format("SELECT id FROM judgements WHERE annotator_id IN {}", theirs)
                                           : fmt::format("SELECT id FROM judgements WHERE comparison_id IN {}", listOf(plan.pairs)));
        plan.events = idsOf(rows);
    }
    {
        // A text that somebody else's prompt or answer has, too, stays theirs.
        auto rows = impl.query(fmt::format(
            "SELECT c.id, c.text FROM contents c WHERE c.id IN (SELECT content_id FROM candidates WHERE id IN {0} "
            "UNION SELECT content_id FROM prompts WHERE id = {1}) AND c.sha <> '{2}' "
            "AND NOT EXISTS (SELECT 1 FROM candidates k WHERE k.content_id = c.id AND k.id NOT IN {0}) "
            "AND NOT EXISTS (SELECT 1 FROM prompts p WHERE p.content_id = c.id AND p.id <> {1})",
            answers, plan.person ? 0 : plan.subject, kErasedWords));
        while (rows.step()) {
            plan.contents.insert(rows.integer(0));
            plan.scrub.add(rows.text(1));
        }
    }
    {
        auto rows = impl.query(fmt::format("SELECT DISTINCT media_sha FROM candidates WHERE id IN {0} AND media_sha IS NOT NULL "
                                           "AND media_sha NOT IN (SELECT media_sha FROM candidates WHERE media_sha IS NOT NULL AND id NOT IN {0})",
                                           answers));
        while (rows.step())
            plan.scrub.images.insert(rows.text(0));
    }
    plan.scrub.tombstone = plan.uuid;
    plan.scrub.timeMs = impl.now();
    if (plan.person) {
        for (const Who& who : plan.people) {
            if (who.name.size() >= kTellingName)
                plan.scrub.add(who.name); // others may have quoted it
            plan.scrub.renamed[who.name] = who.newName;
        }
    } else {
        plan.scrub.ids.insert(plan.uuid);
        auto rows = impl.query(fmt::format("SELECT sha FROM comparisons WHERE id IN {}", listOf(plan.pairs)));
        while (rows.step())
            plan.scrub.pairs.insert(rows.text(0).substr(0, 32));
    }
    {
        // Whoever quotes it elsewhere loses the words of that event, too.
        const std::set<Id> known(plan.events.begin(), plan.events.end());
        auto rows = impl.query("SELECT j.id, j.skip_reason, j.flag, d.rationale, d.attributes, d.reasons, d.spans, d.regions, d.ranking "
                               "FROM judgements j LEFT JOIN judgement_details d ON d.event_id = j.id "
                               "WHERE j.skip_reason IS NOT NULL OR j.flag IS NOT NULL OR d.event_id IS NOT NULL");
        while (rows.step())
            for (int i = 1; i <= 8; ++i)
                if (!known.count(rows.integer(0)) && !rows.null(i) && plan.scrub.quotes(rows.text(i))) {
                    plan.events.push_back(rows.integer(0));
                    plan.quoting.insert(rows.integer(0));
                    break;
                }
    }
    const std::set<Id> ours(plan.events.begin(), plan.events.end());
    std::set<std::string> words, others;
    auto rows = impl.query("SELECT j.id, j.skip_reason, j.flag, d.rationale FROM judgements j LEFT JOIN judgement_details d "
                           "ON d.event_id = j.id WHERE j.skip_reason IS NOT NULL OR j.flag IS NOT NULL OR d.event_id IS NOT NULL");
    while (rows.step()) {
        const bool mine = ours.count(rows.integer(0)) > 0;
        bool any = !rows.null(3);
        for (int i = 1; i <= 3; ++i)
            if (!rows.null(i) && rows.text(i) != kErasedWords) {
                (mine ? words : others).insert(rows.text(i));
                any = true;
            }
        plan.withWords += mine && any;
    }
    // What others said in the same words stays, and is not looked for.
    std::set_difference(words.begin(), words.end(), others.begin(), others.end(), std::back_inserter(plan.words));
    return plan;
}

/// Words of events, with the trigger that forbids changes lifted for this transaction alone.
int64_t eraseWords(Project::Impl& impl, const Plan& plan) {
    std::string trigger;
    {
        auto row = impl.query("SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = 'judgements_never_change'");
        row.step();
        trigger = row.text(0);
    }
    impl.db->exec("DROP TRIGGER judgements_never_change");
    int64_t had = 0;
    for (const Id id : plan.events) {
        std::string skip, flag, details;
        {
            auto row = impl.query("SELECT skip_reason, flag, details_sha FROM judgements WHERE id = ?");
            row.bind(id).step();
            skip = row.null(0) || row.text(0) == kErasedWords ? "" : row.text(0);
            flag = row.null(1) || row.text(1) == kErasedWords ? "" : row.text(1);
            details = row.text(2);
        }
        const Json stored = storedDetails(impl, id), rest = plan.person || plan.quoting.count(id) ? withoutWords(stored) : Json();
        if (rest == stored)
            details.clear(); // nothing of it goes
        if (skip.empty() && flag.empty() && details.empty())
            continue;
        ++had;
        noteErased(impl, id, skip.empty() ? "" : sha256Hex(skip), flag.empty() ? "" : sha256Hex(flag), details);
        if (!skip.empty())
            impl.query("UPDATE judgements SET skip_reason = ? WHERE id = ?").bind(kErasedWords, id).run();
        if (!flag.empty())
            impl.query("UPDATE judgements SET flag = ? WHERE id = ?").bind(kErasedWords, id).run();
        if (!details.empty()) {
            impl.query("DELETE FROM judgement_details WHERE event_id = ?").bind(id).run();
            if (!rest.is_null())
                insertDetails(impl, id, rest);
        }
    }
    impl.db->exec(trigger);
    return had;
}

// Columns of words and of JSON that people or files wrote: there a short text counts, too, when it is all that is said. In every other text
// column of the schema, those of later migrations included, a text is looked for that is long enough to be told from others.
const std::set<std::pair<std::string, std::string>> kWords{
    {"runs", "parameters"},       {"runs", "models"},    {"runs", "result"},             {"runs", "note"},         {"runs", "reason"},
    {"outcomes", "a"},            {"outcomes", "b"},     {"outcomes", "judge"},          {"tasks", "people"},      {"standing_orders", "generate"},
    {"import_batches", "source"}, {"prompts", "source"}, {"prompts", "verifier_answer"}, {"candidates", "params"}, {"annotators", "detail"},
    {"settings", "value"},        {"second_looks", "reason"}, {"label_checks", "reason"}, {"test_openings", "why"}, {"tombstones", "why"},
    {"tombstones", "who"}};
/// What must not become empty keeps the rest of its words.
const std::set<std::pair<std::string, std::string>> kKeepTheRest{
    {"guidelines", "text"}, {"tasks", "name"}, {"tasks", "question"}, {"datasets", "name"}, {"annotators", "name"}};
/// Events change in their own way (eraseWords), texts by whose they are.
const std::set<std::string> kOwnWay{"judgements", "judgement_details", "contents"};

struct TextColumn {
    std::string table, column;
    std::vector<std::string> keys; ///< of the table
};

/// Of the database as it is.
std::vector<TextColumn> textColumns(Project::Impl& impl) {
    std::vector<TextColumn> all;
    std::vector<std::string> tables;
    {
        auto rows = impl.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name");
        while (rows.step())
            if (!kOwnWay.count(rows.text(0)))
                tables.push_back(rows.text(0));
    }
    for (const std::string& table : tables) {
        std::vector<std::string> keys, texts;
        auto rows = impl.query("SELECT name, type, pk FROM pragma_table_info(?)");
        rows.bind(table);
        while (rows.step())
            if (rows.integer(2))
                keys.push_back(rows.text(0)); // what the program calls it, never words
            else if (rows.text(1) == "TEXT")
                texts.push_back(rows.text(0));
        if (keys.empty())
            keys.push_back("rowid");
        for (const std::string& column : texts)
            all.push_back({table, column, keys});
    }
    return all;
}

/// A text that goes (or the person's name, whole) in any column of any other table.
void eraseMentions(Project::Impl& impl, const Plan& plan) {
    Scrub words = plan.scrub;
    for (const Who& who : plan.people)
        words.add(who.name);
    const Scrub quoted = words.longOnly();
    for (const auto& [table, column, keys] : textColumns(impl)) {
        const bool anyLength = kWords.count({table, column}) > 0, rest = kKeepTheRest.count({table, column}) > 0;
        const Scrub& scrub = anyLength ? words : quoted;
        if (scrub.texts().empty())
            continue;
        // Shorter than the shortest text is not even read.
        const auto shortest = std::min_element(scrub.texts().begin(), scrub.texts().end(), [](const auto& x, const auto& y) { return x.size() < y.size(); });
        struct Changed {
            std::vector<std::string> keys;
            std::string text;
        };
        std::vector<Changed> changed;
        {
            auto rows = impl.query(fmt::format("SELECT {}, {} FROM {} WHERE length(CAST({} AS BLOB)) >= {}", column, fmt::join(keys, ", "), table, column,
                                               shortest->size()));
            while (rows.step()) {
                const std::string text = rows.text(0);
                if (!anyLength && !quoted.quotes(text))
                    continue;
                Json json = Json::parse(text, nullptr, false);
                const bool structured = json.is_structured();
                if (!(structured ? scrub.blank(json) : scrub.holds(text)) && !quoted.quotes(text))
                    continue;
                std::string left = structured ? dumpJson(json) : rest ? quoted.without(text) : "";
                if (structured && quoted.quotes(left)) // as the name of a part
                    left = quoted.without(left);
                Changed one{{}, std::move(left)};
                for (size_t i = 0; i < keys.size(); ++i)
                    one.keys.push_back(rows.text(static_cast<int>(i) + 1));
                changed.push_back(std::move(one));
            }
        }
        for (const Changed& one : changed) {
            auto update = impl.query(fmt::format("UPDATE {} SET {} = ? WHERE {} = ?", table, column, fmt::join(keys, " = ? AND ")));
            update.bind(one.text);
            for (const std::string& key : one.keys)
                update.bind(key);
            update.run();
        }
        if (table == "guidelines")
            for (const Changed& one : changed)
                impl.query("UPDATE guidelines SET sha = ? WHERE task_id = ? AND version = ?").bind(sha256Hex(one.text), one.keys[0], one.keys[1]).run();
    }
}

/// The database's part, in one transaction: afterwards nothing refers to the texts.
Status eraseRows(Project::Impl& impl, const Plan& plan, const EraseOptions& options, const ScrubResult& files, EraseReport& report) {
    report.words = eraseWords(impl, plan);
    const Id nothing = erasedContent(impl);
    const std::string answers = listOf(plan.answers);
    impl.query(fmt::format("UPDATE candidates SET withdrawn = 1 WHERE id IN {} AND withdrawn = 0", answers)).run();
    impl.query(fmt::format("UPDATE candidates SET params = '{{}}' WHERE id IN {}", answers)).run();
    impl.query(fmt::format("UPDATE candidates SET content_id = {} WHERE id IN {} AND content_id IS NOT NULL", nothing, answers)).run();
    impl.query(fmt::format("UPDATE comparisons SET withdrawn = 1 WHERE id IN {} AND withdrawn = 0", listOf(plan.pairs))).run();
    if (plan.person) {
        for (const Who& who : plan.people)
            impl.query("UPDATE annotators SET name = ?, detail = ? WHERE id = ?").bind(who.newName, who.detail, who.id).run();
    } else {
        impl.query("UPDATE prompts SET withdrawn = 1 WHERE id = ? AND withdrawn = 0").bind(plan.subject).run();
        impl.query("UPDATE prompts SET content_id = ?, kind = '', verifier_kind = '', verifier_answer = '', tags = '[]', source = '' "
                   "WHERE id = ?")
            .bind(nothing, plan.subject)
            .run();
    }
    for (const Id content : plan.contents)
        impl.query("DELETE FROM contents WHERE id = ?").bind(content).run();

    const Json counts{{"events", report.votes}, {"answers", report.answers}, {"pairs", report.pairs}, {"media", report.media},
                      {"rows", report.rows}};
    impl.query("INSERT INTO tombstones(uuid, kind, why, who, counts, created_ms) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(plan.uuid, plan.person ? "person" : "prompt", options.why, options.who, counts, impl.now())
        .run();
    const Id tombstone = impl.db->getLastInsertRowid();
    if (!plan.person)
        impl.query(fmt::format("UPDATE second_looks SET reason = '' WHERE comparison_id IN {}", listOf(plan.pairs))).run();
    eraseMentions(impl, plan);
    for (const auto& [kind, table, column, names] :
         {std::tuple{"dataset", "datasets", "sha", &files.datasets}, std::tuple{"run", "runs", "name", &files.runs}})
        for (const std::string& name : *names)
            impl.query(fmt::format("INSERT OR IGNORE INTO erased_from(tombstone_id, kind, uuid) SELECT ?, ?, uuid FROM {} WHERE {} = ?",
                                   table, column))
                .bind(tombstone, kind, name)
                .run();
    // The frozen files are what they are now; their folder keeps the name of what was frozen first.
    for (const std::string& sha : files.datasets) {
        Json shas;
        {
            auto row = impl.query("SELECT files FROM datasets WHERE sha = ?");
            if (!row.bind(sha).step())
                continue;
            shas = row.json(0);
        }
        const std::string folder = os::joinPath(os::joinPath(impl.dir, "datasets"), sha);
        for (auto& [file, hash] : shas.items()) {
            PL_TRY(const std::string now, sha256File(os::joinPath(folder, file)));
            hash = now;
        }
        impl.query("UPDATE datasets SET files = ? WHERE sha = ?").bind(shas, sha).run();
    }
    impl.pending.dropQueues = true;
    impl.pending.changes.insert({Change::Prompts, Change::Candidates, Change::Pairs, Change::Votes, Change::People, Change::Runs,
                                 Change::Datasets, Change::Tasks, Change::Imports});
    return {};
}

/// The main file as it is on disk.
Result<std::string> databaseBytes(SQLite::Database& db) {
    sqlite3_file* file = nullptr;
    if (sqlite3_file_control(db.getHandle(), "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file || !file->pMethods)
        return fail(Code::Internal, "the database's file cannot be read");
    sqlite3_int64 size = 0;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK)
        return fail(Code::Io, "the size of the database's file cannot be read");
    std::string bytes(static_cast<size_t>(size), 0);
    constexpr sqlite3_int64 kStep = 1 << 20;
    for (sqlite3_int64 at = 0; at < size; at += kStep)
        if (file->pMethods->xRead(file, bytes.data() + at, static_cast<int>(std::min(kStep, size - at)), at) != SQLITE_OK)
            return fail(Code::Io, "the database's file cannot be read");
    return bytes;
}

/// Rewrites the file so that no page holds what was there, and lets the backups go.
Status finish(Project::Impl& impl, EraseReport& report) {
    PL_CHECK(impl.guarded("rewriting the database of " + impl.dir, [&]() -> Status {
        impl.cache->clear();
        impl.db->exec("PRAGMA secure_delete = ON");
        impl.db->exec("VACUUM");
        SQLite::Statement(*impl.db, "PRAGMA wal_checkpoint(TRUNCATE)").executeStep();
        return {};
    }));
    PL_CHECK(removeReadingCopies(impl.dir));
    const std::string folder = os::joinPath(impl.dir, "backups");
    PL_TRY(const auto names, os::listDir(folder));
    for (const std::string& name : names) {
        PL_CHECK(os::removeTree(os::joinPath(folder, name)));
        ++report.backups;
    }
    PL_CHECK(impl.guarded("noting what was erased", [&]() -> Status {
        impl.query("UPDATE tombstones SET cleaned = 1 WHERE cleaned = 0").run();
        return {};
    }));
    if (impl.options.backups) {
        PL_TRY(const std::string fresh, impl.backup());
        log::info("backup {} in place of {}", fresh, report.backups);
    }
    return {};
}

} // namespace

Result<EraseReport> erase(Project& project, const EraseOptions& options) {
    Project::Impl& impl = project.impl();
    if (options.why.empty() && !options.dryRun)
        return fail(Code::InvalidInput, "nothing is erased without a reason", "Say why: the tombstone keeps it.");
    PL_TRY(const auto order, workOrder(project));
    if (order)
        return fail(Code::Unsupported, "this project was made of a package", "Erase in the project that dealt it.");
    EraseReport report;
    Needles texts(kTelling);
    bool cleaned = false;
    {
        auto planned = impl.guarded("looking for what to erase", [&] { return planOf(impl, options); });
        if (!planned)
            return tl::unexpected(planned.error());
        const Plan& plan = *planned;
        PL_CHECK(impl.guarded("looking for what to erase", [&]() -> Status {
            auto done = impl.query("SELECT cleaned FROM tombstones WHERE uuid = ?");
            report.already = done.bind(plan.uuid).step();
            cleaned = report.already && done.boolean(0);
            auto alive = impl.query("SELECT name FROM runs WHERE state IN ('queued', 'running', 'paused')");
            if (!options.dryRun && alive.step())
                return fail(Code::Busy, fmt::format("run {} is not over: what it reads would change under it", alive.text(0)), "Stop it first.");
            if (!options.dryRun && isBeingRead(impl.dir))
                return fail(Code::Busy, "an export is being written: what is erased would live on in it", "Wait until it is written, and erase again.");
            return {};
        }));
        report.uuid = plan.uuid;
        if (!report.already) {
            if (options.dryRun)
                report.name = plan.name;
            report.votes = static_cast<int64_t>(plan.events.size());
            report.words = plan.withWords;
            report.prompts = plan.person ? 0 : 1;
            report.answers = static_cast<int64_t>(plan.answers.size());
            report.pairs = static_cast<int64_t>(plan.pairs.size());
            report.media = static_cast<int64_t>(plan.scrub.images.size());
            // The files first: while the database still knows what to look for, an interrupted call can be made again.
            PL_TRY(const ScrubResult files, impl.guarded("erasing from files", [&] {
                return scrubFiles(project.datasetsDir(), project.runsDir(), plan.scrub, options.dryRun);
            }));
            report.rows = files.rows;
            report.runs.assign(files.runs.begin(), files.runs.end());
            PL_CHECK(impl.guarded("naming the datasets", [&]() -> Status {
                for (const std::string& sha : files.datasets) {
                    auto row = impl.query("SELECT name FROM datasets WHERE sha = ?");
                    report.datasets.push_back(row.bind(sha).step() ? row.text(0) : sha);
                }
                return {};
            }));
            if (options.dryRun) {
                PL_TRY(const auto backups, os::listDir(os::joinPath(impl.dir, "backups")));
                report.backups = static_cast<int64_t>(backups.size());
                return report;
            }
            for (const std::string& sha : plan.scrub.images)
                PL_CHECK(os::removeTree(impl.mediaPath(sha)));
            PL_CHECK(impl.write("erasing", [&] { return eraseRows(impl, plan, options, files, report); }));
            for (const auto* list : {&plan.scrub.texts(), &plan.words})
                for (const std::string& text : *list)
                    texts.add(text);
        }
    }
    if (options.dryRun || cleaned)
        return report;
    PL_CHECK(finish(impl, report));
    report.left = filesWith(impl.dir, texts);
    // The database is read through its own connection: another descriptor of it, closed, would drop the locks of this one.
    PL_TRY(const std::string bytes, impl.guarded("reading the database of " + impl.dir, [&] { return databaseBytes(*impl.db); }));
    if (texts.in(bytes))
        report.left.push_back("project.db");
    return report;
}

Result<std::vector<Tombstone>> tombstones(Project& project) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading what was erased", [&]() -> Result<std::vector<Tombstone>> {
        std::vector<Tombstone> all;
        auto rows = impl.query("SELECT id, uuid, kind, why, who, counts, created_ms FROM tombstones ORDER BY id DESC");
        while (rows.step()) {
            Tombstone stone{rows.text(1), rows.text(2), rows.text(3), rows.text(4), rows.json(5), {}, {}, rows.integer(6)};
            auto from = impl.query("SELECT e.kind, coalesce(d.name, r.name, e.uuid) FROM erased_from e LEFT JOIN datasets d ON d.uuid = e.uuid "
                                   "LEFT JOIN runs r ON r.uuid = e.uuid WHERE e.tombstone_id = ? ORDER BY 2");
            from.bind(rows.integer(0));
            while (from.step())
                (from.text(0) == "run" ? stone.runs : stone.datasets).push_back(from.text(1));
            all.push_back(std::move(stone));
        }
        return all;
    });
}

Json EraseReport::toJson() const {
    return {{"uuid", uuid},       {"name", name},     {"already", already}, {"events", votes},   {"with_words", words},
            {"prompts", prompts}, {"answers", answers}, {"pairs", pairs},   {"media", media},    {"rows", rows},
            {"backups", backups}, {"datasets", datasets}, {"runs", runs},   {"left", left}};
}

Json Tombstone::toJson() const {
    return {{"uuid", uuid},     {"kind", kind},         {"why", why},   {"who", who},
            {"counts", counts}, {"datasets", datasets}, {"runs", runs}, {"created_ms", createdMs}};
}

} // namespace pl::desk
