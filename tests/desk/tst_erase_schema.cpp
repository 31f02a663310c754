// SPDX-License-Identifier: Apache-2.0
// Every text column of the schema, filled with what is erased: a column of a later migration fails this test until it is said here what it holds.
#include "core/desk/store/adjudication.h"
#include "core/desk/store/audit.h"
#include "core/desk/store/erase.h"
#include "tests/desk/package_fixture.h"

using namespace fixture;

namespace {

enum class Holds {
    Words,   ///< of people, files or models
    Object,  ///< the same as JSON
    List,
    Event,   ///< words of a judgement, which its digest covers: given through the project, not put in
    Program, ///< names, hashes and identities that the program gives, and texts by whose they are
};

const std::map<std::string, Holds> kColumns{
    {"annotators.uuid", Holds::Program},
    {"annotators.name", Holds::Words},
    {"annotators.detail", Holds::Object},
    {"candidates.uuid", Holds::Program},
    {"candidates.sha", Holds::Program},
    {"candidates.media_sha", Holds::Program},
    {"candidates.model_name", Holds::Words},
    {"candidates.model_hash", Holds::Program},
    {"candidates.checkpoint", Holds::Words},
    {"candidates.params", Holds::Object},
    {"checkpoints.path", Holds::Program},
    {"checkpoints.hash", Holds::Program},
    {"checkpoints.reason", Holds::Words},
    {"comparisons.uuid", Holds::Program},
    {"comparisons.sha", Holds::Program},
    {"comparisons.source", Holds::Words},
    {"contents.sha", Holds::Program},
    {"contents.text", Holds::Program}, // what somebody else wrote stays theirs
    {"current.winner", Holds::Program},
    {"current.tie_kind", Holds::Program},
    {"current.provenance", Holds::Program},
    {"datasets.uuid", Holds::Program},
    {"datasets.name", Holds::Words},
    {"datasets.sha", Holds::Program},
    {"datasets.filter", Holds::Object},
    {"datasets.splits", Holds::Program},
    {"datasets.counts", Holds::Program},
    {"datasets.files", Holds::Program},
    {"erased_parts.sha", Holds::Program},
    {"guidelines.text", Holds::Words},
    {"guidelines.sha", Holds::Program},
    {"import_batches.uuid", Holds::Program},
    {"import_batches.source", Holds::Words},
    {"import_batches.sha", Holds::Program},
    {"import_batches.format", Holds::Program},
    {"judgement_details.attributes", Holds::Event},
    {"judgement_details.reasons", Holds::Event},
    {"judgement_details.rationale", Holds::Event},
    {"judgement_details.spans", Holds::Event},
    {"judgement_details.regions", Holds::Event},
    {"judgement_details.ranking", Holds::Program}, // numbers, as Ranking::of takes them
    {"judgements.uuid", Holds::Program},
    {"judgements.skip_reason", Holds::Event},
    {"judgements.flag", Holds::Event},
    {"judgements.details_sha", Holds::Program},
    {"judgements.view", Holds::Program},
    {"judgements.origin", Holds::Program},
    {"judgements.app_version", Holds::Program},
    {"judgements.prev_digest", Holds::Program},
    {"judgements.digest", Holds::Program},
    {"label_checks.uuid", Holds::Program},
    {"label_checks.dataset_sha", Holds::Program},
    {"label_checks.request", Holds::Object},
    {"label_checks.runs", Holds::List},
    {"label_checks.score_run", Holds::Words},
    {"label_checks.reason", Holds::Words},
    {"merged_presentations.origin", Holds::Program},
    {"meta.value", Holds::Program},
    {"outcomes.file", Holds::Program},
    {"outcomes.prompt_uuid", Holds::Program},
    {"outcomes.a", Holds::Words},
    {"outcomes.b", Holds::Words},
    {"outcomes.judge", Holds::Words},
    {"package_returns.sha", Holds::Program},
    {"package_returns.origin", Holds::Program},
    {"packages.uuid", Holds::Program},
    {"packages.sha", Holds::Program},
    {"presentations.rule", Holds::Program}, // under the digest of events; a merge takes names of the program alone
    {"presentations.stratum", Holds::Program},
    {"prompts.uuid", Holds::Program},
    {"prompts.sha", Holds::Program},
    {"prompts.kind", Holds::Words},
    {"prompts.verifier_kind", Holds::Words},
    {"prompts.verifier_answer", Holds::Words},
    {"prompts.tags", Holds::List},
    {"prompts.source", Holds::Words},
    {"runs.uuid", Holds::Program},
    {"runs.name", Holds::Program},
    {"runs.plugin", Holds::Program},
    {"runs.plugin_version", Holds::Program},
    {"runs.kind", Holds::Program},
    {"runs.reason", Holds::Words},
    {"runs.dataset_sha", Holds::Program},
    {"runs.device", Holds::Words},
    {"runs.parameters", Holds::Object},
    {"runs.models", Holds::List},
    {"runs.result", Holds::Object},
    {"runs.last_checkpoint", Holds::Program},
    {"runs.note", Holds::Words},
    {"scorers.model_hash", Holds::Program},
    {"scorers.model_name", Holds::Words},
    {"second_looks.reason", Holds::Words},
    {"sessions.uuid", Holds::Program},
    {"sessions.program", Holds::Program},
    {"sessions.app_version", Holds::Program},
    {"settings.value", Holds::Object},
    {"standing_orders.uuid", Holds::Program},
    {"standing_orders.generate", Holds::Object},
    {"tasks.uuid", Holds::Program},
    {"tasks.name", Holds::Words},
    {"tasks.question", Holds::Words},
    {"tasks.required_parts", Holds::List},
    {"tasks.view", Holds::Words},
    {"tasks.queue_mix", Holds::Object},
    {"tasks.attributes", Holds::List},
    {"tasks.people", Holds::List},
    {"test_openings.why", Holds::Words},
    {"test_openings.program", Holds::Program},
    {"tombstones.uuid", Holds::Program},
    {"tombstones.why", Holds::Words},
    {"tombstones.who", Holds::Words},
    {"tombstones.counts", Holds::Program},
};

/// The text columns of a database that may hold anything: no key of their table, and no choice that the schema limits.
std::vector<std::pair<std::string, std::string>> freeTexts(SQLite::Database& db) {
    std::vector<std::pair<std::string, std::string>> all;
    SQLite::Statement tables(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name");
    while (tables.executeStep()) {
        const std::string table = tables.getColumn(0).getString(), sql = tables.getColumn(1).getString();
        SQLite::Statement columns(db, "SELECT name FROM pragma_table_info(?) WHERE type = 'TEXT' AND pk = 0");
        columns.bind(1, table);
        while (columns.executeStep())
            if (const std::string column = columns.getColumn(0).getString(); sql.find("CHECK (" + column + " IN (") == std::string::npos)
                all.emplace_back(table, column);
    }
    return all;
}

} // namespace

class TestEraseSchema : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void nothingIsLeftInAnyColumn_data() {
        QTest::addColumn<bool>("person");
        QTest::newRow("a prompt") << false;
        QTest::newRow("a person") << true;
    }
    void nothingIsLeftInAnyColumn() {
        QFETCH(bool, person);
        const std::string canary = person ? "Bo Karlsson of \"12 Elm Street\", Springfield" : "Where does Grace of \"12 Elm Street\" live?\nSay so.";
        Desk desk(6);
        NewPrompt fresh;
        fresh.content = person ? "A prompt" : canary;
        fresh.split = Split::Train;
        const Id prompt = must(desk.project->addPrompts({fresh}))[0];
        for (const char* text : {"one answer", "another answer"}) {
            NewCandidate answer;
            answer.prompt = prompt;
            answer.content = text;
            must(desk.project->addCandidates({answer}));
        }
        must(desk.project->makePairs({}));
        const Id bo = must(desk.project->annotator(AnnotatorKind::Human, person ? canary : "Bo"));
        const Id verdicts = must(adjudicatorOf(*desk.project, bo));
        must(desk.project->annotator(AnnotatorKind::Human, "Somebody else"));
        // What people say of other pairs, in every part that a judgement has.
        const std::string said = "before " + canary + " after";
        auto items = desk.next(7);
        std::erase_if(items, [&](const LabelItem& item) { return item.prompt.id == prompt; });
        QCOMPARE(items.size(), size_t{6});
        JudgementInput in;
        in.winner = Winner::A;
        in.rationale = said;
        in.attributes = {{"clear", 3}, {"note", said}};
        in.reasons = {said};
        in.spans = {{"v", 1}, {"note", said}};
        in.regions = {{"v", 2}, {"note", said}}; // of a later program; this one's judge() takes its own form alone
        Project::Impl& impl = desk.project->impl();
        OK(impl.write("a vote", [&]() -> Status {
            EventDraft draft;
            draft.task = desk.task;
            draft.comparison = items[0].comparison.id;
            draft.annotator = desk.ada;
            draft.judgement = &in;
            PL_TRY(const Id event, impl.appendEvent(draft));
            impl.setCurrent({draft.task, draft.comparison, draft.annotator, 0}, event);
            return {};
        }));
        JudgementInput skip;
        skip.kind = EventKind::Skip;
        skip.skipReason = said;
        OK(desk.project->presentAndJudge(items[1].presentation, skip));
        OK(desk.vote(items[2], Winner::B));
        OK(desk.project->flag(desk.task, desk.ada, items[2].comparison.id, said));
        Presentation hers = items[3].presentation;
        hers.annotator = bo;
        JudgementInput plain;
        plain.winner = Winner::A;
        plain.rationale = "short";
        OK(desk.project->presentAndJudge(hers, plain));
        Judgement verdict;
        verdict.winner = Winner::B;
        verdict.rationale = person ? "as at 12 Elm Street" : said;
        OK(adjudicate(*desk.project, desk.task, bo, items[4].comparison.id, true, verdict, Cause::Mistake));
        DatasetSpec spec;
        spec.name = "all";
        OK(desk.project->freezeDataset(spec));
        RunRow run;
        run.id = must(desk.project->reserveRun());
        run.uuid = newUuid();
        run.name = "0001-dpo";
        run.plugin = "dpo";
        run.kind = "train";
        run.state = "finished";
        OK(desk.project->insertRun(run));
        const int64_t events = desk.project->counters().events;
        OK(desk.project->close());
        desk.project.reset();
        {
            SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
            db.exec("INSERT INTO tasks SELECT NULL, 'u1', 'Another task', question, guideline_version, scale, required_parts, view, queue_mix, "
                    "attributes, people, quota, reveal_names, archived, created_ms FROM tasks LIMIT 1;"
                    "INSERT INTO guidelines SELECT 2, version, text, sha, created_ms FROM guidelines WHERE task_id = 1;"
                    "INSERT INTO checkpoints(run_id, step, path, created_ms) VALUES (1, 1, 'checkpoints/step-000001', 1);"
                    "INSERT INTO import_batches(uuid, source, sha, format, created_ms) VALUES ('u2', 'f', 's', 'trl', 1);"
                    "INSERT INTO label_checks(uuid, task_id, dataset_sha, folds, request, runs, state, created_ms) VALUES ('u3', 1, 's', 3, '{}', '[]', "
                    "'failed', 1);"
                    "INSERT INTO outcomes(run_id, file, seq, winner, a, b, judge) VALUES (1, 'events.jsonl', 1, 'a', 'a', 'b', 'j');"
                    "INSERT INTO scorers(purpose, model_hash, model_name, run_id, active, created_ms) VALUES ('queue', 'h', 'n', 1, 0, 1);"
                    "INSERT INTO second_looks(task_id, comparison_id, after_event_id, reason, created_ms) VALUES (1, 1, 1, 'r', 1);"
                    "INSERT INTO settings(key, value) VALUES ('words', '{}');"
                    "INSERT INTO standing_orders(uuid, task_id, target, enabled, generate, updated_ms) VALUES ('u4', 1, 0, 0, '{}', 1);"
                    "INSERT INTO test_openings(why, program, time_ms) VALUES ('w', 'test', 1);"
                    "INSERT INTO tombstones(uuid, kind, why, who, counts, cleaned, created_ms) VALUES ('u5', 'prompt', 'w', 'w', '{}', 1, 1)");
            std::set<std::string> known;
            for (const auto& [table, column] : freeTexts(db)) {
                const auto at = kColumns.find(table + "." + column);
                QVERIFY2(at != kColumns.end(), (table + "." + column + " is new: say here what it holds, and erase it where it holds words").c_str());
                known.insert(at->first);
                if (at->second == Holds::Program)
                    continue;
                if (at->second == Holds::Event) {
                    SQLite::Statement rows(db, "SELECT count(*) FROM " + table + " WHERE instr(" + column + ", '12 Elm Street') > 0");
                    rows.executeStep();
                    QVERIFY2(rows.getColumn(0).getInt() > 0, at->first.c_str());
                    continue;
                }
                // One row of each: names are unique, and the person and the first task keep theirs.
                const Json both = {{"w", said}, {"l", {canary}}, {said, 1}};
                const std::string row = table == "settings"                                    ? "key = 'words'"
                                        : table == "guidelines" || table == "second_looks" ? "task_id = 1"
                                        : table == "prompts" || table == "candidates" || table == "comparisons" ? "id = 1" // not what is erased
                                                                                                                : "id = (SELECT max(id) FROM " + table + ")";
                SQLite::Statement statement(db, "UPDATE " + table + " SET " + column + " = ? WHERE " + row);
                statement.bind(1, at->second == Holds::Words ? said : at->second == Holds::List ? Json::array({said, canary}).dump() : both.dump());
                QVERIFY2(statement.exec() == 1, (at->first + " has no row to fill").c_str());
                if (table == "guidelines")
                    db.exec("UPDATE guidelines SET sha = '" + sha256Hex(said) + "' WHERE task_id = 1");
            }
            for (const auto& [column, holds] : kColumns)
                QVERIFY2(known.count(column), (column + " is no text column of the schema any more").c_str());
        }
        desk.project = must(Project::open(desk.dir(), options()));
        OK(desk.project->backup());
        QVERIFY(allBytes(desk.dir()).find("12 Elm Street") != std::string::npos);
        EraseOptions o;
        o.kind = person ? Erasable::Person : Erasable::Prompt;
        o.what = person ? canary : std::to_string(prompt);
        o.why = "asked about " + canary;
        o.who = canary;
        const auto report = must(erase(*desk.project, o));
        QVERIFY2(report.left.empty(), report.left.empty() ? "" : report.left[0].c_str());
        QVERIFY(desk.project->counters().events == events);
        const auto audited = must(audit(*desk.project));
        QVERIFY2(audited.ok(), dumpJson(audited.toJson()).c_str());
        const auto checked = must(desk.project->check());
        QVERIFY2(checked.ok(), checked.ok() ? "" : checked.problems[0].c_str());
        OK(desk.project->close());
        desk.project.reset();
        {
            // Which column it is in, for whoever has to mend it.
            SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READONLY);
            for (const auto& [table, column] : freeTexts(db)) {
                SQLite::Statement rows(db, "SELECT count(*) FROM " + table + " WHERE instr(" + column + ", '12 Elm Street') > 0");
                rows.executeStep();
                QVERIFY2(rows.getColumn(0).getInt() == 0, (table + "." + column).c_str());
            }
        }
        QVERIFY(allBytes(desk.dir()).find("12 Elm Street") == std::string::npos);
        desk.project = must(Project::open(desk.dir(), options())); // and what is left opens
        QVERIFY(must(desk.project->check()).ok());
        for (const Annotator& who : must(desk.project->annotators())) {
            QCOMPARE(isAdjudicator(who), who.id == verdicts);
            if (person && (who.id == bo || who.id == verdicts))
                QCOMPARE(who.name, "erased " + who.uuid.substr(0, 8));
        }
        // What merely stood around it is kept where nothing may be empty.
        const auto tasks = must(desk.project->tasks());
        QCOMPARE(tasks.back().name, std::string("before erased after"));
        QCOMPARE(must(desk.project->task(desk.task)).guideline, std::string("before erased after"));
    }
};

QTEST_GUILESS_MAIN(TestEraseSchema)
#include "tst_erase_schema.moc"
