// SPDX-License-Identifier: Apache-2.0
#include <random>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/os/files.h"
#include "core/desk/store/store_thread.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestStore : public QObject {
    Q_OBJECT
private Q_SLOTS:

    void aVoteCountsOnceAndSurvivesReopening() {
        Desk desk(3);
        const auto item = desk.next()[0];
        const auto ack = desk.vote(item, Winner::A, 2);
        OK(ack);
        QCOMPARE(ack->judgements, 1);
        QCOMPARE(ack->current, 1);
        desk.reopen();
        QCOMPARE(desk.project->counters().current, 1);
        QCOMPARE(desk.project->currentVotes().size(), size_t{1});
        const CurrentVote vote = desk.project->currentVotes()[0];
        QVERIFY(vote.winner == Winner::A);
        QCOMPARE(int(vote.strength), 2);
        QCOMPARE(vote.aOnLeft, item.presentation.aOnLeft);
        QVERIFY(desk.next()[0].comparison.id != item.comparison.id);
        QCOMPARE(must(desk.project->remaining(desk.task, desk.ada)), int64_t{2});
        QVERIFY(must(desk.project->check()).ok());
    }

    void everyPartOfAJudgementComesBack() {
        Desk desk(1);
        const auto item = desk.next()[0];
        JudgementInput in;
        in.winner = Winner::B;
        in.strength = 3;
        in.badA = true;
        in.attributes = {{"clear", 2}};
        in.reasons = {"correct", "short"};
        in.rationale = "It answers.";
        in.edited = "A better answer";
        in.spans = {{"v", 1}, {"marks", Json::array({Json::array({0, 3, "good"})})}};
        in.ranking = {{"v", 1}, {"ranks", {2, 1}}};
        OK(desk.project->presentAndJudge(item.presentation, in));
        desk.reopen();
        const auto back = must(desk.project->currentJudgement(desk.task, desk.ada, item.comparison.id));
        QVERIFY(back.has_value());
        QCOMPARE(back->rationale, in.rationale);
        QCOMPARE(back->reasons, in.reasons);
        QVERIFY(back->attributes == in.attributes && back->spans == in.spans && back->ranking == in.ranking);
        QVERIFY(back->badA && !back->badB && back->strength == 3);
        QCOMPARE(*back->edited, std::string("A better answer"));
        QCOMPARE(desk.project->counters().candidates, int64_t{3});
        QVERIFY(must(desk.project->check()).ok());
    }

    void refusesImpossibleJudgements_data() {
        QTest::addColumn<int>("which");
        for (int i = 0; i < 6; ++i)
            QTest::newRow(std::to_string(i).c_str()) << i;
    }
    void refusesImpossibleJudgements() {
        QFETCH(int, which);
        Desk desk(1);
        const auto item = desk.next()[0];
        JudgementInput in;
        in.winner = Winner::A;
        if (which == 0)
            in.strength = 4;
        else if (which == 1)
            in.tieKind = TieKind::BothBad;
        else if (which == 2) {
            in.winner = Winner::Tie;
            in.strength = 1;
        } else if (which == 3)
            in.kind = EventKind::Undo;
        else if (which == 4)
            in.rationale = "\xff\xfe";
        else
            in.spans = Json::array();
        const auto ack = desk.project->presentAndJudge(item.presentation, in);
        QVERIFY(!ack && ack.error().code == Code::InvalidInput);
        QCOMPARE(desk.project->counters().events, int64_t{0});
        QVERIFY(must(desk.project->check()).ok());
    }

    void undoAndRedoWalkBackAndForthAcrossRestarts() {
        Desk desk(6);
        std::vector<std::vector<CurrentVote>> states{desk.sortedVotes()};
        for (const auto& item : desk.next(6)) {
            OK(desk.vote(item, Winner::B));
            states.push_back(desk.sortedVotes());
        }
        for (size_t i = 6; i-- > 0;) {
            if (i == 3)
                desk.reopen();
            OK(desk.project->undo(desk.task, desk.ada));
            QVERIFY(desk.sortedVotes() == states[i]);
        }
        QVERIFY(!must(desk.project->canUndo(desk.task, desk.ada)));
        QVERIFY(!desk.project->undo(desk.task, desk.ada));
        for (size_t i = 1; i <= 6; ++i) {
            if (i == 3)
                desk.reopen();
            OK(desk.project->redo(desk.task, desk.ada));
            QVERIFY(desk.sortedVotes() == states[i]);
        }
        QVERIFY(!must(desk.project->canRedo(desk.task, desk.ada)));
        QCOMPARE(desk.project->counters().events, int64_t{18});
        QVERIFY(must(desk.project->check()).ok());
    }

    /// Against a model of two stacks: votes, changed votes, skips, flags, undo, redo, reopening, in random order.
    void randomOperationsMatchAModel() {
        Desk desk(8);
        std::mt19937 random(7);
        using State = std::map<Id, std::tuple<int, int, std::string>>; // pair -> kind, winner, flag
        State state;
        std::vector<State> undoStack, redoStack;
        std::vector<LabelItem> items = desk.next(8);
        for (int step = 0; step < 200; ++step) {
            const auto& item = items[random() % items.size()];
            const Id pair = item.comparison.id;
            const State before = state;
            switch (random() % 8) {
            case 0:
            case 1:
            case 2: {
                const auto winner = static_cast<Winner>(random() % 3);
                OK(desk.vote(item, winner));
                state[pair] = {0, int(winner), ""};
                break;
            }
            case 3: {
                JudgementInput in;
                in.kind = EventKind::Skip;
                in.skipReason = "unclear";
                OK(desk.project->presentAndJudge(item.presentation, in));
                state[pair] = {1, 2, ""};
                break;
            }
            case 4: {
                const std::string reason = random() % 3 ? "harmful" + std::to_string(random() % 2) : "";
                const auto done = desk.project->flag(desk.task, desk.ada, pair, reason);
                const std::string old = state.count(pair) ? std::get<2>(state[pair]) : "";
                QCOMPARE(done.has_value(), old != reason);
                if (!done)
                    continue;
                auto at = state.try_emplace(pair, 2, 2, "").first;
                std::get<2>(at->second) = reason;
                if (reason.empty() && std::get<0>(at->second) == 2)
                    state.erase(at);
                break;
            }
            case 5:
            case 6: {
                const auto done = desk.project->undo(desk.task, desk.ada);
                QCOMPARE(done.has_value(), !undoStack.empty());
                if (done) {
                    redoStack.push_back(state);
                    state = undoStack.back();
                    undoStack.pop_back();
                }
                goto compare;
            }
            default: {
                if (random() % 10 == 0)
                    desk.reopen();
                const auto done = desk.project->redo(desk.task, desk.ada);
                QCOMPARE(done.has_value(), !redoStack.empty());
                if (done) {
                    undoStack.push_back(state);
                    state = redoStack.back();
                    redoStack.pop_back();
                }
                goto compare;
            }
            }
            undoStack.push_back(before);
            redoStack.clear();
        compare:
            State real;
            for (const CurrentVote& vote : desk.project->currentVotes()) {
                const auto full = must(desk.project->currentJudgement(desk.task, desk.ada, vote.comparison));
                real[vote.comparison] = {int(vote.kind), int(vote.winner), full->flag};
            }
            QVERIFY2(real == state, std::to_string(step).c_str());
        }
        const auto report = must(desk.project->check());
        QVERIFY2(report.ok(), report.ok() ? "" : report.problems[0].c_str());
    }

    void theChainShowsTampering_data() {
        QTest::addColumn<QString>("sql");
        QTest::newRow("winner") << "UPDATE judgements SET winner = 'b' WHERE id = 2";
        QTest::newRow("deleted") << "DELETE FROM current WHERE event_id = 2";
        QTest::newRow("side") << "UPDATE presentations SET a_on_left = 1 - a_on_left WHERE id = 2";
        QTest::newRow("rationale") << "UPDATE judgement_details SET rationale = 'x' WHERE event_id = 2";
        QTest::newRow("counter") << "UPDATE counters SET value = value + 1 WHERE name = 'current'";
        QTest::newRow("pair") << "UPDATE comparisons SET sha = 'x' WHERE id = 2";
    }
    void theChainShowsTampering() {
        QFETCH(QString, sql);
        Desk desk(3);
        for (const auto& item : desk.next(3)) {
            JudgementInput in;
            in.winner = Winner::A;
            in.rationale = "because";
            OK(desk.project->presentAndJudge(item.presentation, in));
        }
        QVERIFY(must(desk.project->check()).ok());
        OK(desk.project->close());
        {
            SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
            db.exec("DROP TRIGGER judgements_never_change");
            db.exec(sql.toStdString());
        }
        desk.project.reset();
        desk.project = must(Project::open(desk.dir(), options()));
        QVERIFY(!must(desk.project->check()).ok());
    }

    void judgementsCannotBeChangedOrDeleted() {
        Desk desk(1);
        OK(desk.vote(desk.next()[0], Winner::A));
        OK(desk.project->close());
        SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
        QVERIFY_EXCEPTION_THROWN(db.exec("UPDATE judgements SET winner = 'b'"), SQLite::Exception);
        QVERIFY_EXCEPTION_THROWN(db.exec("DELETE FROM judgements"), SQLite::Exception);
    }

    void promptsAreOneWhateverTheirForm() {
        Desk desk;
        const auto turns = canonicalPrompt(Json::array({{{"role", "user"}, {"content", "Hello"}}}));
        OK(turns);
        NewPrompt a, b;
        a.content = "Hello";
        a.split = Split::Dev;
        b.content = *turns;
        b.split = Split::Train;
        const auto ids = must(desk.project->addPrompts({a, b}));
        QCOMPARE(ids[0], ids[1]);
        QVERIFY(must(desk.project->prompt(ids[0])).split == Split::Dev);
        QCOMPARE(desk.project->counters().prompts, int64_t{1});
        QVERIFY(!desk.project->addPrompts({NewPrompt{"  \n"}}));
    }

    void splitsAreDrawnByContentInTheirShares() {
        int n[3] = {};
        for (int i = 0; i < 5000; ++i)
            ++n[int(drawSplit(promptSha("prompt " + std::to_string(i))))];
        QVERIFY(std::abs(n[0] - 4000) < 150);
        QVERIFY(std::abs(n[1] - 500) < 100);
        QVERIFY(std::abs(n[2] - 500) < 100);
    }

    void identicalAnswersMakeNoPair() {
        Desk desk;
        const Id prompt = must(desk.project->addPrompts({NewPrompt{"Q"}}))[0];
        NewCandidate c;
        c.prompt = prompt;
        c.content = "same";
        must(desk.project->addCandidates({c, c}));
        const auto made = must(desk.project->makePairs({}));
        QCOMPARE(made.pairs, int64_t{0});
        QCOMPARE(made.identical, int64_t{1});
        c.content = "other";
        must(desk.project->addCandidates({c}));
        QCOMPARE(must(desk.project->makePairs({})).pairs, int64_t{1});
        const auto again = must(desk.project->makePairs({}));
        QCOMPARE(again.pairs, int64_t{0});
        QVERIFY(again.duplicates > 0);
    }

    void pairsAcrossModelsTakeOneOfEach() {
        Desk desk;
        RunRow run;
        std::vector<Id> runs;
        for (const char* name : {"0001-generate", "0002-generate"}) {
            run.name = name;
            run.id = must(desk.project->reserveRun());
            runs.push_back(must(desk.project->insertRun(run)));
        }
        const Id prompt = must(desk.project->addPrompts({NewPrompt{"Q"}}))[0];
        for (int i = 0; i < 4; ++i) {
            NewCandidate c;
            c.prompt = prompt;
            c.content = "text " + std::to_string(i);
            c.run = runs[i / 2];
            c.modelName = i / 2 ? "dpo" : "start";
            must(desk.project->addCandidates({c}));
        }
        MakePairsOptions o;
        o.mode = MakePairsOptions::Mode::AcrossModels;
        o.runs = runs;
        o.maxPerPrompt = 5;
        QCOMPARE(must(desk.project->makePairs(o)).pairs, int64_t{2});
        for (const auto& row : must(desk.project->pairs({})))
            QVERIFY(row.modelA != row.modelB);
    }

    void eventsAreTakenOverOnce() {
        Desk desk;
        const Id prompt = must(desk.project->addPrompts({NewPrompt{"Q"}}))[0];
        const std::string uuid = must(desk.project->prompt(prompt)).uuid;
        RunRow run;
        run.name = "0001-generate";
        run.uuid = "11111111-1111-4111-8111-111111111111";
        run.id = must(desk.project->reserveRun());
        must(desk.project->insertRun(run));
        const auto event = [](uint64_t seq, const char* type, Json body) { return Event{seq, 5, type, body}; };
        const std::vector<Event> events{
            event(0, "candidate", {{"prompt_id", uuid}, {"content", "one"}, {"seed", 3}, {"model", {{"name", "start"}}}}),
            event(1, "candidate", {{"prompt_id", uuid}, {"content", "two"}, {"finished", true}, {"tokens", 4}}),
            event(2, "candidate", {{"prompt_id", "nobody"}, {"content", "three"}}),
            event(3, "candidate", {{"request", "r1"}, {"prompt", "typed"}, {"content", "four"}}),
            event(4, "checkpoint", {{"step", 10}, {"path", "checkpoints/step-000010"}, {"best", true}}),
            event(5, "checkpoint", {{"step", 20}, {"path", "../../etc"}}),
            event(6, "outcome", {{"prompt_id", uuid}, {"winner", "a"}, {"judge", {{"name", "concise"}}}, {"score_a", 1.5}}),
            event(7, "unknown.type", Json::object())};
        const std::vector<Event> half(events.begin(), events.begin() + 4);
        auto result = must(desk.project->ingest(run.id, "events.jsonl", half));
        QCOMPARE(result.candidates, int64_t{2});
        QCOMPARE(result.problems.size(), size_t{1});
        desk.reopen();
        result = must(desk.project->ingest(run.id, "events.jsonl", events));
        QCOMPARE(result.fresh, int64_t{4});
        QCOMPARE(result.candidates, int64_t{0});
        QCOMPARE(result.checkpoints, int64_t{1});
        QCOMPARE(result.outcomes, int64_t{1});
        const Counters before = desk.project->counters();
        result = must(desk.project->ingest(run.id, "events.jsonl", events));
        QCOMPARE(result.fresh, int64_t{0});
        QVERIFY(before == desk.project->counters());
        QCOMPARE(must(desk.project->watermark(run.id, "events.jsonl")).seq, uint64_t{7});
        QCOMPARE(must(desk.project->outcomes(run.id)).size(), size_t{1});
        QVERIFY(must(desk.project->checkpoints(run.id))[0].best);
        QCOMPARE(must(desk.project->findRun("0001-generate")).lastCheckpoint, std::string("checkpoints/step-000010"));
        QCOMPARE(must(desk.project->findRun("1")).uuid, run.uuid);
    }

    void randomQueueIsAReproducibleDrawWithItsPropensity() {
        Desk desk(40);
        const auto first = desk.next(40, QueueRule::Random, 5);
        const auto same = desk.next(40, QueueRule::Random, 5);
        const auto other = desk.next(40, QueueRule::Random, 6);
        QCOMPARE(first.size(), size_t{40});
        bool differs = false;
        int left = 0;
        for (size_t i = 0; i < 40; ++i) {
            QCOMPARE(first[i].comparison.id, same[i].comparison.id);
            QCOMPARE(first[i].presentation.aOnLeft, same[i].presentation.aOnLeft);
            QCOMPARE(first[i].presentation.propensity, 1.0 / double(40 - i));
            differs |= first[i].comparison.id != other[i].comparison.id;
            left += first[i].presentation.aOnLeft;
        }
        QVERIFY(differs);
        QVERIFY(left > 8 && left < 32);
        OK(desk.vote(first[0], Winner::A));
        QCOMPARE(desk.next(1, QueueRule::Random, 5)[0].comparison.id, first[1].comparison.id);
        OK(desk.project->undo(desk.task, desk.ada));
        QCOMPARE(desk.next(1, QueueRule::Random, 5)[0].comparison.id, first[0].comparison.id);
    }

    void prefetchedPairsAreNotGivenTwice() {
        Desk desk(5);
        Project::NextOptions o;
        o.task = desk.task;
        o.annotator = desk.ada;
        o.limit = 2;
        const auto first = must(desk.project->next(o));
        o.skip = {first[0].comparison.id, first[1].comparison.id};
        const auto more = must(desk.project->next(o));
        QCOMPARE(more.size(), size_t{2});
        QVERIFY(more[0].comparison.id != first[0].comparison.id && more[0].comparison.id != first[1].comparison.id);
    }

    void testPromptsAreOfferedOnlyWhenAskedFor() {
        Desk desk(10);
        NewPrompt sealed;
        sealed.content = "Sealed request";
        sealed.split = Split::Test;
        const Id prompt = must(desk.project->addPrompts({sealed}))[0];
        const auto remaining = [&](std::optional<Split> split) {
            return must(desk.project->remaining(desk.task, desk.ada, split));
        };
        QCOMPARE(remaining({}), int64_t{10});
        QCOMPARE(remaining(Split::Test), int64_t{0});
        std::vector<NewCandidate> answers(2);
        for (int k = 0; k < 2; ++k) {
            answers[k].prompt = prompt;
            answers[k].content = "Sealed answer " + std::to_string(k);
        }
        const auto ids = must(desk.project->addCandidates(answers));
        must(desk.project->addPairs({{ids[0], ids[1]}})); // the queues are there already
        const auto check = [&](int64_t open, int64_t test) {
            QCOMPARE(remaining({}), open);
            QCOMPARE(remaining(Split::Test), test);
            for (const LabelItem& item : desk.next(50))
                QVERIFY(item.prompt.split != Split::Test);
        };
        check(10, 1);
        Project::NextOptions o;
        o.task = desk.task;
        o.annotator = desk.ada;
        o.split = Split::Test;
        const auto test = must(desk.project->next(o));
        QCOMPARE(test.size(), size_t{1});
        QCOMPARE(test[0].prompt.content, sealed.content);
        OK(desk.vote(test[0], Winner::A));
        check(10, 0);
        QVERIFY(must(desk.project->nextRepeat(o, 0)).has_value());
        o.split.reset();
        QVERIFY(!must(desk.project->nextRepeat(o, 0)).has_value()); // nor is it repeated among the others
        OK(desk.project->undo(desk.task, desk.ada));
        check(10, 1);
        desk.reopen();
        check(10, 1);
    }

    void repeatsAreKeptApartFromTheFirstVote() {
        Desk desk(4);
        for (const auto& item : desk.next(4))
            OK(desk.vote(item, Winner::A));
        Project::NextOptions o;
        o.task = desk.task;
        o.annotator = desk.ada;
        QVERIFY(!must(desk.project->nextRepeat(o, 50)).has_value());
        const auto item = must(desk.project->nextRepeat(o, 2));
        QVERIFY(item.has_value() && item->presentation.repeat);
        OK(desk.vote(*item, Winner::B));
        QCOMPARE(desk.project->counters().current, int64_t{4});
        QCOMPARE(desk.project->currentVotes().size(), size_t{5});
        QVERIFY(must(desk.project->check()).ok());
    }

    void exposedAnswersAreMarked() {
        Desk desk(1);
        QVERIFY(!desk.next()[0].presentation.exposed);
        OK(desk.project->markExposed(desk.ada, {desk.next()[0].a.id}));
        QVERIFY(desk.next()[0].presentation.exposed);
    }

    void aChangedGuidelineLeavesOldVotesTheirVersion() {
        Desk desk(2);
        const auto items = desk.next(2);
        OK(desk.vote(items[0], Winner::A));
        Task task = must(desk.project->task(desk.task));
        task.guideline = "Be strict.";
        OK(desk.project->updateTask(task));
        OK(desk.vote(items[1], Winner::A));
        const auto rows = must(desk.project->history({}));
        QCOMPARE(rows[0].guidelineVersion, 1);
        QCOMPARE(rows[1].guidelineVersion, 2);
        QVERIFY(must(desk.project->guideline(desk.task, 1)) != "Be strict.");
    }

    void theThreadRunsTasksInOrderAndClosesSoundly() {
        Desk desk(3);
        std::vector<int> order;
        std::atomic<int> changes{0};
        const auto item = desk.next()[0];
        StoreThread thread(std::move(*desk.project));
        desk.project.reset();
        thread.setObserver([&](Change) { ++changes; });
        for (int i = 0; i < 10; ++i)
            thread.post([&order, i](Project&) { order.push_back(i); });
        auto ack = thread.call([&](Project& project) {
            JudgementInput in;
            in.winner = Winner::A;
            return project.presentAndJudge(item.presentation, in);
        });
        OK(ack.get());
        thread.drain();
        QCOMPARE(order.size(), size_t{10});
        QVERIFY(std::is_sorted(order.begin(), order.end()));
        QVERIFY(changes >= 1);
        OK(thread.close());
        QVERIFY(!thread.post([](Project&) {}));
        desk.project = must(Project::open(desk.dir(), options()));
        QVERIFY(!desk.project->wasUnclean());
        QCOMPARE(desk.project->counters().current, int64_t{1});
    }
};

QTEST_GUILESS_MAIN(TestStore)
#include "tst_store.moc"
