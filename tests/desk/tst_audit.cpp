// SPDX-License-Identifier: Apache-2.0
#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/os/files.h"
#include "core/desk/store/audit.h"
#include "core/desk/store/schema.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestAudit : public QObject {
    Q_OBJECT

    /// Judged pairs with every part a judgement can have: votes, a skip, a flag, an edited answer, an undo and a redo.
    static void fill(Desk& desk) {
        const auto items = desk.next(6);
        JudgementInput in;
        in.winner = Winner::B;
        in.strength = 2;
        in.attributes = {{"clear", 3}};
        in.reasons = {"short"};
        in.rationale = "It answers.";
        in.edited = "A better answer";
        in.spans = {{"v", 1}};
        in.regions = {{"v", 1}};
        in.ranking = {{"v", 1}, {"ranks", {2, 1}}};
        in.view = "raw";
        in.firstPaintMs = 12;
        in.activeMs = 900;
        must(desk.project->presentAndJudge(items[0].presentation, in)); // event 1
        JudgementInput tie;
        tie.winner = Winner::Tie;
        tie.tieKind = TieKind::BothGood;
        must(desk.project->presentAndJudge(items[1].presentation, tie)); // 2
        JudgementInput skip;
        skip.kind = EventKind::Skip;
        skip.skipReason = "unclear";
        must(desk.project->presentAndJudge(items[2].presentation, skip)); // 3
        must(desk.project->flag(desk.task, desk.ada, items[1].comparison.id, "odd")); // 4
        must(desk.project->undo(desk.task, desk.ada)); // 5
        must(desk.project->redo(desk.task, desk.ada)); // 6
        must(desk.vote(items[3], Winner::A)); // 7
    }

private Q_SLOTS:

    void aSoundProjectIsSound() {
        Desk desk(8);
        fill(desk);
        const auto report = must(audit(*desk.project));
        QVERIFY2(report.ok(), dumpJson(report.toJson()).c_str());
        QCOMPARE(report.events, int64_t{7});
        QCOMPARE(report.chains, int64_t{1});
        QVERIFY(report.contents > 20);
    }

    void everyChangeIsFoundAtItsEvent_data() {
        QTest::addColumn<QString>("sql");
        QTest::addColumn<int>("number"); // of the first bad event
        QTest::addColumn<QString>("says");
        const auto row = [](const char* column, const char* sql, int number, const char* says = "") {
            QTest::newRow(column) << sql << number << says;
        };
        row("uuid", "UPDATE judgements SET uuid = 'x' WHERE id = 3", 3, "not what was saved");
        row("kind", "UPDATE judgements SET kind = 'flag', skip_reason = NULL WHERE id = 3", 3);
        row("task_id", "UPDATE judgements SET task_id = (SELECT max(id) FROM tasks) WHERE id = 2", 2);
        row("tasks.uuid", "UPDATE tasks SET uuid = 'x' WHERE name <> 'Second'", 1);
        row("guideline_version", "UPDATE judgements SET guideline_version = 5 WHERE id = 3", 3, "guideline_version was 1, is 5");
        row("comparison_id", "UPDATE judgements SET comparison_id = 5 WHERE id = 7", 7);
        row("comparisons.sha", "UPDATE comparisons SET sha = 'x' WHERE id = (SELECT comparison_id FROM judgements WHERE id = 3)", 3);
        row("annotator_id", "UPDATE judgements SET annotator_id = (SELECT max(id) FROM annotators) WHERE id = 7", 7);
        row("annotators.uuid", "UPDATE annotators SET uuid = 'x' WHERE name = 'Ada'", 1);
        row("occasion", "UPDATE judgements SET occasion = 4 WHERE id = 7", 7, "occasion was 0, is 4");
        row("presentation_id", "UPDATE judgements SET presentation_id = NULL WHERE id = 2", 2);
        row("presentation's side", "UPDATE presentations SET a_on_left = 1 - a_on_left WHERE id = 2", 2, "its presentation's a_on_left was");
        row("presentation's seed", "UPDATE presentations SET seed = seed + 1 WHERE id = 2", 2);
        row("presentation's rule", "UPDATE presentations SET rule = 'random' WHERE id = 2", 2, "rule was fifo, is random");
        row("presentation's propensity", "UPDATE presentations SET propensity = 0.25 WHERE id = 2", 2);
        row("presentation's stratum", "UPDATE presentations SET stratum = 'random' WHERE id = 2", 2);
        row("presentation's blind", "UPDATE presentations SET blind = 0 WHERE id = 2", 2, "blind was 1, is 0");
        row("presentation's exposed", "UPDATE presentations SET exposed = 1 WHERE id = 2", 2, "exposed was 0, is 1");
        row("target_id", "UPDATE judgements SET target_id = 3 WHERE id = 5", 5);
        row("supersedes_id", "UPDATE judgements SET supersedes_id = 1 WHERE id = 7", 7, "supersedes was empty");
        row("provenance", "UPDATE judgements SET provenance = 'rule' WHERE id = 7", 7, "provenance was human, is rule");
        row("winner", "UPDATE judgements SET winner = 'b' WHERE id = 7", 7, "winner was a, is b");
        row("tie_kind", "UPDATE judgements SET tie_kind = 'both_bad' WHERE id = 2", 2, "tie_kind was both_good, is both_bad");
        row("strength", "UPDATE judgements SET strength = 3 WHERE id = 1", 1, "strength was 2, is 3");
        row("strength gone", "UPDATE judgements SET strength = NULL WHERE id = 1", 1, "strength was 2, is 0");
        row("bad_a", "UPDATE judgements SET bad_a = 1 WHERE id = 7", 7, "bad_a was no, is yes");
        row("bad_b", "UPDATE judgements SET bad_b = 1 WHERE id = 7", 7, "bad_b was no, is yes");
        row("skip_reason", "UPDATE judgements SET skip_reason = 'broken' WHERE id = 3", 3);
        row("flag", "UPDATE judgements SET flag = 'other' WHERE id = 4", 4);
        row("flag put on", "UPDATE judgements SET flag = 'new' WHERE id = 7", 7, "the flag was empty");
        row("flag as if erased", "UPDATE judgements SET flag = 'erased' WHERE id = 4", 4);
        row("edited_id", "UPDATE judgements SET edited_id = 1 WHERE id = 1", 1);
        row("the edited answer's hash", "UPDATE candidates SET sha = 'x' WHERE id = (SELECT edited_id FROM judgements WHERE id = 1)", 1);
        row("details_sha", "UPDATE judgements SET details_sha = 'x' WHERE id = 1", 1);
        row("view", "UPDATE judgements SET view = 'markdown' WHERE id = 1", 1, "view was raw, is markdown");
        row("first_paint_ms", "UPDATE judgements SET first_paint_ms = 13 WHERE id = 1", 1);
        row("active_ms", "UPDATE judgements SET active_ms = 901 WHERE id = 1", 1);
        row("origin", "UPDATE judgements SET origin = 'x' WHERE id = 7", 7);
        row("app_version", "UPDATE judgements SET app_version = '9' WHERE id = 1", 1);
        row("time_ms", "UPDATE judgements SET time_ms = time_ms + 1 WHERE id = 3", 3);
        row("mono_ns", "UPDATE judgements SET mono_ns = mono_ns + 1 WHERE id = 3", 3);
        row("chain_seq", "UPDATE judgements SET chain_seq = 12 WHERE id = 7", 12, "events are missing before it");
        row("prev_digest", "UPDATE judgements SET prev_digest = 'x' WHERE id = 3", 3, "does not name the digest");
        row("digest", "UPDATE judgements SET digest = 'x' WHERE id = 3", 3);
        row("attributes", "UPDATE judgement_details SET attributes = '{\"clear\":4}'", 1, "its details");
        row("reasons", "UPDATE judgement_details SET reasons = '[]'", 1, "its details");
        row("rationale", "UPDATE judgement_details SET rationale = 'It does not.'", 1, "its details");
        row("spans", "UPDATE judgement_details SET spans = NULL", 1, "its details");
        row("regions", "UPDATE judgement_details SET regions = '{\"v\":2}'", 1, "its details");
        row("ranking", "UPDATE judgement_details SET ranking = '{\"v\":1,\"ranks\":[1,1]}'", 1, "its details");
        row("details gone", "DELETE FROM judgement_details", 1, "are gone");
        row("an event gone", "DELETE FROM judgements WHERE id = 3", 4, "an event is missing before it");
        row("an event of nobody", "PRAGMA foreign_keys = OFF; UPDATE judgements SET comparison_id = 999 WHERE id = 3", 4);
    }
    void everyChangeIsFoundAtItsEvent() {
        QFETCH(QString, sql);
        QFETCH(int, number);
        QFETCH(QString, says);
        Desk desk(8);
        must(desk.project->annotator(AnnotatorKind::Human, "Bo"));
        Task second;
        second.name = "Second";
        must(desk.project->addTask(second));
        fill(desk);
        const std::string adaUuid = must(desk.project->annotators())[0].uuid;
        OK(desk.project->close());
        {
            SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
            db.exec("DROP TRIGGER judgements_never_change; DROP TRIGGER judgements_never_go;");
            db.exec(sql.toStdString());
            QVERIFY(db.getTotalChanges() > 0);
        }
        desk.project = must(Project::open(desk.dir(), options()));
        const auto report = must(audit(*desk.project));
        QVERIFY(!report.ok());
        QVERIFY(!report.first.empty());
        const BadEvent& bad = report.first[0];
        QVERIFY2(bad.number == number, bad.toString().c_str());
        QVERIFY2(bad.what.find(says.toStdString()) != std::string::npos, bad.toString().c_str());
        QVERIFY(!bad.origin.empty() && !bad.uuid.empty() && !bad.person.empty());
        QVERIFY(bad.toString().find(bad.uuid) != std::string::npos);
        if (sql.contains("winner"))
            QCOMPARE(bad.person, adaUuid);
        QVERIFY(!must(desk.project->check()).ok());
    }

    void changedTextsAndLostEndsAreFound_data() {
        QTest::addColumn<QString>("sql");
        QTest::addColumn<QString>("says");
        QTest::newRow("prompt") << "UPDATE contents SET text = 'x' WHERE id = (SELECT content_id FROM prompts WHERE id = 2)" << "prompt 2 is not";
        QTest::newRow("answer") << "UPDATE contents SET text = 'x' WHERE id = (SELECT content_id FROM candidates WHERE id = 3)" << "answer 3 is not";
        QTest::newRow("pair") << "UPDATE comparisons SET a_id = (SELECT max(id) FROM candidates) WHERE id = 1" << "pair 1 is not";
        QTest::newRow("guideline") << "UPDATE guidelines SET text = 'x'" << "guideline 1 of task";
        QTest::newRow("last event gone") << "DELETE FROM judgements WHERE id = 7" << "may be missing";
    }
    void changedTextsAndLostEndsAreFound() {
        QFETCH(QString, sql);
        QFETCH(QString, says);
        Desk desk(8);
        fill(desk);
        OK(desk.project->close());
        {
            SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
            db.exec("DROP TRIGGER judgements_never_go; DELETE FROM current WHERE event_id = 7");
            db.exec(sql.toStdString());
        }
        desk.project = must(Project::open(desk.dir(), options()));
        const auto report = must(audit(*desk.project));
        QVERIFY(!report.ok() && !report.problems.empty());
        QVERIFY2(report.problems[0].find(says.toStdString()) != std::string::npos, report.problems[0].c_str());
    }

    /// A project of format 1, with rows in its tables, comes through the migrations with every row as it was.
    void aProjectOfFormatOneIsTakenOver() {
        Desk desk(8);
        fill(desk);
        OK(desk.project->close());
        desk.project.reset();
        const std::string now = desk.dir() + "/project.db", old = desk.temp.path().toStdString() + "/old.db";
        std::vector<std::string> tables;
        {
            SQLite::Database db(old, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
            OK(migrate(db, {migrations()[0]}, 0));
            db.exec("ATTACH '" + now + "' AS filled");
            {
                SQLite::Statement names(db, "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
                while (names.executeStep())
                    tables.push_back(names.getColumn(0).getString());
            }
            db.exec("PRAGMA foreign_keys = OFF");
            for (const auto& table : tables)
                if (table != "counters")
                    db.exec("INSERT INTO main." + table + " SELECT * FROM filled." + table);
            db.exec("DELETE FROM counters; INSERT INTO main.counters SELECT * FROM filled.counters");
            QCOMPARE(formatOf(db), 1);
        }
        const auto rowsOf = [&](const std::string& path) {
            SQLite::Database db(path, SQLite::OPEN_READONLY);
            std::string all;
            for (const auto& table : tables) {
                if (table == "meta")
                    continue; // who opened it last
                SQLite::Statement rows(db, "SELECT * FROM " + table);
                while (rows.executeStep()) {
                    all += table;
                    for (int i = 0; i < rows.getColumnCount(); ++i)
                        all += "|" + rows.getColumn(i).getString();
                    all += "\n";
                }
            }
            return all;
        };
        const std::string before = rowsOf(old);
        QVERIFY(before.find("It answers.") != std::string::npos);
        OK(os::removeTree(now));
        OK(os::copyFile(old, now));
        desk.project = must(Project::open(desk.dir(), options()));
        QVERIFY(desk.project->openOutcome() == OpenOutcome::Upgraded);
        QVERIFY(must(desk.project->check()).ok());
        QVERIFY(must(audit(*desk.project)).ok());
        QVERIFY(must(desk.project->canUndo(desk.task, desk.ada)));
        QVERIFY(!must(desk.project->backupFiles()).empty()); // of format 1, made before
        OK(desk.project->close());
        desk.project.reset();
        QVERIFY(rowsOf(now) == before);
    }
};

QTEST_GUILESS_MAIN(TestAudit)
#include "tst_audit.moc"
