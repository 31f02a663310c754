// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "core/base/image.h"
#include "core/desk/store/audit.h"
#include "core/desk/store/edits.h"
#include "tests/desk/package_fixture.h"

using namespace fixture;

namespace {

void copyProject(const std::string& from, const std::string& to) {
    must(os::removeTree(to));
    must(os::copyTree(from, to));
}

} // namespace

class TestPackages : public QObject {
    Q_OBJECT
private Q_SLOTS:

    void everyoneGetsTheirQuotaAndTheSharedPairs() {
        Desk desk(60);
        const std::string out = desk.temp.path().toStdString() + "/out";
        const auto dealt = deal(*desk.project, {"Ada", "Bo", "Cy"}, 10, 4, out);
        QCOMPARE(dealt.size(), size_t{3});
        std::vector<std::set<std::string>> sets;
        for (const auto& each : dealt) {
            QCOMPARE(each.pairs, int64_t{10});
            QCOMPARE(each.shared, int64_t{4});
            const auto pairs = promptsOf(each.file);
            sets.emplace_back(pairs.begin(), pairs.end());
            QCOMPARE(sets.back().size(), size_t{10});
        }
        std::map<std::string, int> seen;
        for (const auto& set : sets)
            for (const auto& pair : set)
                ++seen[pair];
        QCOMPARE(std::count_if(seen.begin(), seen.end(), [](const auto& s) { return s.second == 3; }), 4);
        QCOMPARE(std::count_if(seen.begin(), seen.end(), [](const auto& s) { return s.second == 1; }), 18);
        QVERIFY(promptsOf(dealt[0].file) != promptsOf(dealt[1].file));
        // Nothing is dealt twice; the same seed on the same project would have dealt the same.
        const auto again = deal(*desk.project, {"Ada"}, 10, 0, out);
        for (const auto& pair : promptsOf(again[0].file))
            QVERIFY(!seen.count(pair));
        QCOMPARE(must(packages(*desk.project)).size(), size_t{4});

        DealOptions o;
        o.people = {"Di"};
        o.pairs = 1000;
        o.out = desk.temp.path().toStdString() + "/never";
        const auto refused = dealPackages(*desk.project, o);
        QVERIFY(!refused && refused.error().code == Code::InvalidInput);
        QVERIFY2(refused.error().message.find("28 of 1000") != std::string::npos, refused.error().toString().c_str());
        QVERIFY(!os::exists(o.out));
        const auto people = must(desk.project->annotators());
        QVERIFY(std::none_of(people.begin(), people.end(), [](const auto& p) { return p.name == "Di"; }));
        o.judged = true; // those of others are open to her
        o.pairs = 60;
        OK(dealPackages(*desk.project, o));
    }

    /// No model, run, score, seed, parameter, gold answer, split or vote of another is in any byte of the package or of the annotator's
    /// project, its log and free pages included.
    void aPackageHoldsNothingOfTheManager() {
        Desk desk;
        const std::vector<std::string> secrets{"secretmodel", "secrethash", "secretgold", "secretperson", "secretwhy", "secretrun",
                                               "secretparam", "secrettag", "secretsource", "secretcheckpoint", "987654321987", "0042-secret",
                                               "secretpng", "secretimported", "-1.2345678"};
        Task task = must(desk.project->task(desk.task));
        task.guideline = "Prefer the answer that helps.";
        task.people = Json::array({"secretperson"});
        task.queueMix = {{"random", 60}, {"second", 20}, {"repeat", 20}, {"secretparam", 1}};
        OK(desk.project->updateTask(task));
        RunRow run;
        run.id = must(desk.project->reserveRun());
        run.uuid = newUuid();
        run.name = "0042-secretrun";
        run.plugin = "generate_text";
        run.kind = "generate";
        OK(desk.project->insertRun(run));
        const auto tell = [&](NewCandidate& c) {
            c.modelName = "secretmodel";
            c.modelHash = "secrethash";
            c.run = run.id;
            c.checkpoint = "secretcheckpoint";
            c.params = {{"secretparam", 0.7}};
            c.seed = 987654321987;
            c.logp = -1.2345678;
        };
        for (int i = 0; i < 8; ++i) {
            NewPrompt prompt;
            prompt.content = "Request " + std::to_string(i);
            prompt.split = Split::Dev;
            prompt.verifierKind = "exact";
            prompt.verifierAnswer = "secretgold";
            prompt.tags = {"secrettag"};
            prompt.source = "secretsource";
            const Id id = must(desk.project->addPrompts({prompt}))[0];
            std::vector<NewCandidate> answers(2);
            for (int k = 0; k < 2; ++k) {
                NewCandidate& c = answers[size_t(k)];
                c.prompt = id;
                if (i < 6) {
                    c.content = "Answer " + std::to_string(k) + " to " + std::to_string(i);
                } else {
                    const std::string file = desk.temp.path().toStdString() + "/image.png";
                    OK(writePng(file, *decodePng(pngBytes(100 * i + k), "x"), {{"parameters", "secretpng seed 987654321987"}}));
                    c.kind = CandidateKind::Image;
                    c.content = must(desk.project->addMedia(file));
                }
                tell(c);
            }
            OK(desk.project->addCandidates(answers));
        }
        OK(desk.project->makePairs({}));
        for (const bool image : {false, true}) { // sets to rank, of texts and of images
            NewPrompt prompt;
            prompt.content = image ? "Order the pictures" : "Order the texts";
            prompt.split = Split::Dev;
            prompt.verifierKind = "exact";
            prompt.verifierAnswer = "secretgold";
            prompt.tags = {"secrettag"};
            prompt.source = "secretsource";
            const Id id = must(desk.project->addPrompts({prompt}))[0];
            std::vector<NewCandidate> answers(5);
            for (int k = 0; k < 5; ++k) {
                NewCandidate& c = answers[size_t(k)];
                c.prompt = id;
                c.content = "Member " + std::to_string(k);
                if (image) {
                    const std::string file = desk.temp.path().toStdString() + "/member.png";
                    OK(writePng(file, *decodePng(pngBytes(9000 + k), "x"), {{"parameters", "secretpng seed 987654321987"}}));
                    c.kind = CandidateKind::Image;
                    c.content = must(desk.project->addMedia(file));
                }
                tell(c);
            }
            OK(desk.project->addCandidates(answers));
        }
        MakeRankingsOptions five;
        five.size = 5;
        QCOMPARE(must(makeRankings(*desk.project, five)).sets, int64_t{2});
        const Id other = must(desk.project->annotator(AnnotatorKind::Human, "secretperson"));
        Project::NextOptions o;
        o.task = desk.task;
        o.annotator = other;
        o.limit = 8;
        for (const auto& item : must(desk.project->next(o))) {
            JudgementInput in;
            in.winner = Winner::A;
            in.rationale = "secretwhy";
            OK(desk.project->presentAndJudge(item.presentation, in));
        }
        for (const auto& item : must(nextRankings(*desk.project, o))) {
            JudgementInput in;
            static_cast<Judgement&>(in) = judgementOf(orderOf(5, 0));
            in.rationale = "secretwhy";
            OK(desk.project->presentAndJudge(item.presentation, in));
        }
        DealOptions options_;
        options_.people = {"Ada"};
        options_.pairs = 8;
        options_.sets = 2;
        options_.judged = true;
        options_.out = desk.temp.path().toStdString() + "/out";
        const auto dealt = must(dealPackages(*desk.project, options_));
        const std::string dir = desk.temp.path().toStdString() + "/ada";
        AtWork ada(dealt[0].file, dir);
        int images = 0;
        for (const auto& item : ada.next(8)) {
            images += item.a.kind == CandidateKind::Image;
            if (item.a.kind == CandidateKind::Image)
                OK(checkImageOf(ada, item.a.content));
            QVERIFY(item.presentation.blind && !item.presentation.exposed);
            QVERIFY(item.a.modelName.empty() && item.prompt.verifierAnswer.empty());
            ada.vote(item, Winner::B, "mine");
        }
        QCOMPARE(images, 2);
        const auto sets = ada.sets();
        QCOMPARE(sets.size(), size_t{2});
        int pictures = 0;
        for (const auto& item : sets) {
            QCOMPARE(item.members.size(), size_t{5});
            QVERIFY(item.presentation.blind && !item.presentation.exposed);
            for (const auto& member : item.members) {
                QVERIFY(member.modelName.empty());
                pictures += member.kind == CandidateKind::Image;
                if (member.kind == CandidateKind::Image)
                    OK(checkImageOf(ada, member.content));
            }
            ada.rank(item, orderOf(5, 2), "mine");
        }
        QCOMPARE(pictures, 5);
        QCOMPARE(must(ada.project->task(ada.task)).guideline, task.guideline);
        QCOMPARE(must(ada.project->task(ada.task)).uuid, task.uuid);
        QVERIFY(must(ada.project->check()).ok());
        const std::string returned = ada.giveBack(desk.temp.path().toStdString() + "/ada.pairback");
        QVERIFY(allBytes(desk.dir()).find("secretmodel") != std::string::npos); // the search finds what is there
        const auto lookFor = [&](const std::string& bytes, const char* where) {
            for (const std::string& secret : secrets)
                QVERIFY2(bytes.find(secret) == std::string::npos, (secret + " in " + where).c_str());
        };
        lookFor(must(os::readFile(dealt[0].file)), "the package");
        lookFor(allBytes(dir), "the open project");
        OK(ada.project->backup());
        OK(ada.project->close());
        lookFor(allBytes(dir), "the closed project");
        QVERIFY(allBytes(dir).find("Answer 1 to 3") != std::string::npos);
        // Pixels came through, and the votes on images find their pairs.
        QCOMPARE(must(mergeReturn(*desk.project, returned)).fresh, int64_t{10});
        QVERIFY(must(desk.project->check()).ok());
    }

    void returnsMergeInAnyOrderToTheSame() {
        Desk desk(40);
        const std::string base = desk.temp.path().toStdString();
        addSets(*desk.project, {3, 4, 5, 6, 7, 8, 9});
        const auto dealt = deal(*desk.project, {"Ada", "Bo"}, 8, 3, base + "/out", 4, 2);
        OK(desk.vote(desk.next()[0], Winner::Tie)); // what the manager judged meanwhile
        OK(desk.project->close());
        desk.project.reset();

        // Ada works on two computers, Bo on one; Ada's first computer returns twice.
        std::vector<std::string> files;
        std::map<std::string, std::pair<std::string, std::string>> expected; // Ada's pair -> (time + uuid, winner)
        std::map<std::string, std::pair<std::string, Json>> orders;          // Ada's set -> (time + uuid, ranking)
        {
            AtWork first(dealt[0].file, base + "/ada1"), second(dealt[0].file, base + "/ada2"), bo(dealt[1].file, base + "/bo");
            const auto at = [&](const Ack& ack, const Project& p, Winner w, const std::string& sha) {
                (void)p;
                auto& best = expected[sha];
                const std::string key = std::to_string(g_clock) + ack.uuid;
                if (best.first < key)
                    best = {key, winnerName(w)};
            };
            const auto ranked = [&](AtWork& who, const RankItem& item, int turn) {
                const Ranking order = orderOf(item.members.size(), turn);
                const Ack ack = who.rank(item, order, "order " + std::to_string(turn));
                orders[item.comparison.sha] = std::max(orders[item.comparison.sha], {std::to_string(g_clock) + ack.uuid, order.toJson()});
            };
            const auto sets = first.sets();
            QCOMPARE(sets.size(), size_t{4});
            ranked(first, sets[0], 0);
            ranked(first, sets[1], 1);
            const auto items = first.next(8);
            for (size_t i = 0; i < 3; ++i)
                at(first.vote(items[i], Winner::A, "first " + std::to_string(i)), *first.project, Winner::A, items[i].comparison.sha);
            files.push_back(first.giveBack(base + "/ada1-early.pairback"));
            const auto others = second.next(8);
            for (size_t i = 0; i < 5; ++i)
                at(second.vote(others[i], Winner::B, {}, i == 1 ? "An edited answer" : ""), *second.project, Winner::B, others[i].comparison.sha);
            const auto others2 = second.sets();
            ranked(second, others2[1], 2);
            ranked(second, others2[2], 3);
            // Undone where it was given: the other computer's vote (if any) counts again.
            OK(second.project->undo(second.task, second.person));
            OK(second.project->redo(second.task, second.person));
            OK(second.project->flag(second.task, second.person, others[2].comparison.id, "unclear"));
            files.push_back(second.giveBack(base + "/ada2.pairback"));
            for (size_t i = 3; i < 6; ++i)
                at(first.vote(items[i], Winner::Tie), *first.project, Winner::Tie, items[i].comparison.sha);
            ranked(first, sets[2], 4);
            JudgementInput skip;
            skip.kind = EventKind::Skip;
            skip.skipReason = "cannot tell";
            must(first.project->presentAndJudge(sets[3].presentation, skip));
            const Ack last = first.vote(items[6], Winner::A);
            (void)last;
            OK(first.project->undo(first.task, first.person));
            OK(first.project->endSession(first.session));
            files.push_back(first.giveBack(base + "/ada1-late.pairback"));
            for (const auto& item : bo.next(8))
                bo.vote(item, Winner::B, "bo");
            int turn = 5;
            for (const auto& set : bo.sets())
                bo.rank(set, orderOf(set.members.size(), turn++));
            files.push_back(bo.giveBack(base + "/bo.pairback"));
        }
        std::vector<size_t> order{0, 1, 2, 3};
        std::string first;
        int tried = 0;
        do {
            const std::string dir = base + "/merged";
            copyProject(desk.dir(), dir);
            {
                Project project = must(Project::open(dir, options()));
                for (const size_t i : order) {
                    OK(mergeReturn(project, files[i]));
                    if (tried % 3 == 0) // grouped otherwise: what is merged is merged again
                        OK(mergeReturn(project, files[order[0]]));
                    if (tried % 5 == 0) {
                        const auto dry = mergeReturn(project, files[i], true);
                        OK(dry);
                        QCOMPARE(dry->fresh, int64_t{0});
                    }
                }
                const auto report = must(project.check());
                QVERIFY2(report.ok(), report.ok() ? "" : report.problems[0].c_str());
                QVERIFY(must(audit(project)).ok());
                OK(project.close());
            }
            const std::string now = canonical(dir);
            if (first.empty())
                first = now;
            QVERIFY2(now == first, "the order of merging shows");
            ++tried;
        } while (std::next_permutation(order.begin(), order.end()));
        QCOMPARE(tried, 24);

        // And it is the right one: every event once, what counts by hand.
        Project project = must(Project::open(base + "/merged", options()));
        QCOMPARE(project.counters().events, int64_t{1 + (3 + 3 + 2 + 4) + (5 + 2 + 1 + 2) + (8 + 4)});
        std::map<std::string, std::string> counts;
        for (const auto& vote : project.currentVotes())
            if (vote.annotator == desk.ada && vote.shown && vote.comparison)
                counts[must(project.pairItem(vote.comparison)).comparison.sha] = winnerName(vote.winner);
        for (const auto& [sha, best] : expected)
            QCOMPARE(counts[sha], best.second);
        QCOMPARE(orders.size(), size_t{3});
        std::map<std::string, Json> kept;
        for (const auto& vote : project.currentVotes())
            if (vote.annotator == desk.ada && must(project.members(vote.comparison)).size() > 2 && vote.kind == EventKind::Vote)
                kept[must(project.pairItem(vote.comparison)).comparison.sha] =
                    must(project.currentJudgement(desk.task, desk.ada, vote.comparison))->ranking;
        QCOMPARE(kept.size(), orders.size());
        for (const auto& [sha, best] : orders)
            QVERIFY2(kept[sha] == best.second, (kept[sha].dump() + " is not " + best.second.dump()).c_str());
        const auto rows = must(packages(project));
        QCOMPARE(rows[0].person, std::string("Bo"));
        QCOMPARE(rows[0].judged, int64_t{8});
        QCOMPARE(rows[0].ranked, int64_t{4});
        QCOMPARE(rows[0].sets, int64_t{4});
        QCOMPARE(rows[1].sharedSets, int64_t{2});
        QCOMPARE(rows[1].ranked, int64_t{4});
        QCOMPARE(rows[1].returns, int64_t{3});
    }

    void editedAnswersTravelAsCandidates() {
        Desk desk(10);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 4, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada");
        const auto item = ada.next()[0];
        ada.vote(item, Winner::B, "shorter", "What I would have said");
        const auto report = must(mergeReturn(*desk.project, ada.giveBack(base)));
        QCOMPARE(report.edited, int64_t{1});
        Page page;
        page.newestFirst = true;
        const auto newest = must(desk.project->candidates(page))[0];
        QCOMPARE(newest.content, std::string("What I would have said"));
        QVERIFY(newest.provenance == Provenance::Human);
        QCOMPARE(must(desk.project->candidate(newest.parent)).sha, item.b.sha);
        const auto pair = must(desk.project->currentVotes()[0].comparison ? desk.project->pairItem(desk.project->currentVotes()[0].comparison)
                                                                          : Result<LabelItem>(LabelItem()));
        const auto vote = must(desk.project->currentJudgement(desk.task, desk.ada, pair.comparison.id));
        QVERIFY(vote && vote->rationale == "shorter" && vote->edited == "What I would have said");
    }

    /// A rewritten answer is a pair with its original, judged by implication: it comes along, and goes when it was undone.
    void rewrittenAnswersBringTheirPairAlong() {
        Desk desk(10);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 4, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada");
        const auto items = ada.next(2);
        EditInput edit;
        edit.task = ada.task;
        edit.annotator = ada.person;
        edit.comparison = items[0].comparison.id;
        edit.text = "Rewritten";
        OK(commitEdit(*ada.project, edit));
        const std::string first = ada.giveBack(base + "/1.pairback");
        edit.comparison = items[1].comparison.id;
        edit.text = "Rewritten and regretted";
        OK(commitEdit(*ada.project, edit));
        const std::string second = ada.giveBack(base + "/2.pairback");
        OK(ada.project->undo(ada.task, ada.person));
        const std::string third = ada.giveBack(base + "/3.pairback");
        const int64_t answers = desk.project->counters().candidates, pairs = desk.project->counters().comparisons;
        OK(mergeReturn(*desk.project, second));
        QCOMPARE(desk.project->counters().candidates, answers + 2);
        QCOMPARE(desk.project->counters().comparisons, pairs + 2);
        for (const auto& file : {third, first, second}) {
            OK(mergeReturn(*desk.project, file));
            QCOMPARE(desk.project->counters().candidates, answers + 1);
            QCOMPARE(desk.project->counters().comparisons, pairs + 1);
        }
        QCOMPARE(desk.project->counters().current, int64_t{1});
        const auto vote = desk.project->currentVotes()[0];
        const auto pair = must(desk.project->pairItem(vote.comparison));
        QCOMPARE((vote.winner == Winner::A ? pair.a : pair.b).content, std::string("Rewritten"));
        QCOMPARE(pair.comparison.source, std::string("edit"));
        QVERIFY(must(desk.project->check()).ok());
        QVERIFY(must(audit(*desk.project)).ok());
        reseal(third, [](std::vector<Json>& lines) {
            for (Json& line : lines)
                if (line.contains("versions"))
                    line["versions"]["original"] = std::string(64, 'a');
        });
        const auto refused = mergeReturn(*desk.project, third);
        QVERIFY(!refused && refused.error().message.find("not of the answers it names") != std::string::npos);
    }

    /// The manager's own keys concern what was judged here: a vote after a merge counts whatever the other clock said, and undoing it brings
    /// back what the package said.
    void aVoteAfterAMergeCountsAndUndoesToIt() {
        Desk desk(10);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 4, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada");
        const int64_t here = g_clock;
        g_clock += 3'600'000; // her clock is an hour ahead
        const auto item = ada.next()[0];
        ada.vote(item, Winner::B);
        OK(mergeReturn(*desk.project, ada.giveBack(base)));
        g_clock = here;
        const Id pair = desk.project->currentVotes()[0].comparison;
        const auto counts = [&] { return must(desk.project->currentJudgement(desk.task, desk.ada, pair)); };
        QVERIFY(counts()->winner == Winner::B);
        QVERIFY(!must(desk.project->canUndo(desk.task, desk.ada))); // it is not taken back by a key here
        auto shown = must(desk.project->pairItem(pair));
        shown.presentation.task = desk.task;
        shown.presentation.annotator = desk.ada;
        shown.presentation.comparison = pair;
        OK(desk.vote(shown, Winner::A));
        QVERIFY(counts()->winner == Winner::A);
        QVERIFY(must(desk.project->check()).ok());
        OK(desk.project->undo(desk.task, desk.ada));
        QVERIFY(counts()->winner == Winner::B);
        OK(desk.project->redo(desk.task, desk.ada));
        QVERIFY(counts()->winner == Winner::A);
        QVERIFY(must(desk.project->check()).ok());
    }

    void whatWasTamperedWithIsRefused_data() {
        QTest::addColumn<QString>("how");
        QTest::addColumn<QString>("says");
        QTest::newRow("a vote") << "winner" << "was changed after it was saved";
        QTest::newRow("a time") << "time_ms" << "was changed after it was saved";
        QTest::newRow("a reason") << "rationale" << "was changed after it was saved";
        QTest::newRow("details gone") << "details" << "was changed after it was saved";
        QTest::newRow("the side") << "side" << "was changed after it was saved";
        QTest::newRow("an edited answer") << "edited" << "was changed after it was saved";
        QTest::newRow("an event left out") << "gap" << "number 2 is due";
        QTest::newRow("events swapped") << "swap" << "number 1 is due";
        QTest::newRow("another pair") << "pair" << "was changed after it was saved";
        QTest::newRow("a pair that was not dealt") << "foreign pair" << "not in package";
        QTest::newRow("another project's") << "project" << "is of another project";
        QTest::newRow("a package never dealt") << "package" << "did not deal";
        QTest::newRow("another person's") << "person" << "was dealt to";
        QTest::newRow("the manager's own origin") << "origin" << "claims to come from";
        QTest::newRow("rewritten whole, with a rule's provenance") << "kind" << "is not \"revert\"";
        QTest::newRow("a winner that there is not") << "nonsense" << "do not go together";
        QTest::newRow("cut short") << "cut" << "cut short";
        QTest::newRow("a byte") << "byte" << "was changed after it was written";
        QTest::newRow("no return at all") << "format" << "is not a pairlab-return";
    }
    void whatWasTamperedWithIsRefused() {
        QFETCH(QString, how);
        QFETCH(QString, says);
        Desk desk(12);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 4, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada");
        const auto items = ada.next(3);
        ada.vote(items[0], Winner::A, "because", "An edited answer");
        ada.vote(items[1], Winner::B, "so");
        ada.vote(items[2], Winner::Tie);
        const std::string file = ada.giveBack(base + "/ada.pairback");
        const std::string good = must(os::readFile(file));
        if (how == "cut") {
            OK(os::writeFileAtomic(file, good.substr(0, good.size() - 40)));
        } else if (how == "byte") {
            std::string bytes = good;
            bytes[bytes.find("because")] = 'B';
            OK(os::writeFileAtomic(file, bytes));
        } else {
            reseal(file, [&](std::vector<Json>& lines) {
                std::vector<size_t> events;
                for (size_t i = 0; i < lines.size(); ++i)
                    if (lines[i].contains("event"))
                        events.push_back(i);
                Json& event = lines[events[0]]["event"];
                // Rewritten with a digest of its own, as only the whole chain's author could.
                const auto redo = [&](const char* key, const char* value) {
                    event[key] = value;
                    sign(lines[0], event, must(desk.project->task(desk.task)).uuid);
                };
                if (how == "winner")
                    event["winner"] = "b";
                else if (how == "time_ms")
                    event["time_ms"] = event["time_ms"].get<int64_t>() - 1;
                else if (how == "rationale")
                    event["details"]["rationale"] = "other";
                else if (how == "details")
                    event.erase("details");
                else if (how == "side") {
                    for (Json& line : lines)
                        if (line.contains("presentation"))
                            line["presentation"]["a_on_left"] = 1 - line["presentation"]["a_on_left"].get<int>();
                } else if (how == "edited") {
                    for (Json& line : lines)
                        if (line.contains("edited"))
                            line["edited"]["text"] = "Another text";
                } else if (how == "gap")
                    lines.erase(lines.begin() + long(events[1]));
                else if (how == "swap")
                    std::swap(lines[events[0]], lines[events[1]]);
                else if (how == "pair")
                    event["pair"] = lines[events[1]]["event"]["pair"];
                else if (how == "foreign pair") {
                    for (Json& line : lines)
                        if (line.contains("presentation"))
                            line["presentation"]["pair"] = std::string(64, '0');
                } else if (how == "format")
                    lines[0]["format"] = "other";
                else if (how == "origin")
                    lines[0]["origin"] = "not an origin";
                else if (how == "kind")
                    redo("kind", "revert");
                else if (how == "nonsense")
                    redo("winner", "both");
                else
                    lines[0][how.toStdString()] = newUuid();
            });
        }
        const auto before = desk.project->counters();
        const auto refused = mergeReturn(*desk.project, file);
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find(says.toStdString()) != std::string::npos, refused.error().toString().c_str());
        QVERIFY(desk.project->counters() == before);
        QVERIFY(must(desk.project->check()).ok());
        OK(os::writeFileAtomic(file, good));
        QCOMPARE(must(mergeReturn(*desk.project, file)).fresh, int64_t{3});
    }

    /// An event has its uuid alone: neither another person's nor an earlier one of the same file is taken for it, whoever wrote its digest.
    void aUuidThatIsTakenIsRefused_data() {
        QTest::addColumn<bool>("same");
        QTest::newRow("another person's") << false;
        QTest::newRow("one of the same file") << true;
    }
    void aUuidThatIsTakenIsRefused() {
        QFETCH(bool, same);
        Desk desk(12);
        const std::string base = desk.temp.path().toStdString(), task = must(desk.project->task(desk.task)).uuid;
        const auto dealt = deal(*desk.project, {"Ada", "Bo"}, 4, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada"), bo(dealt[1].file, base + "/bo");
        const std::string theirs = ada.vote(ada.next()[0], Winner::A).uuid;
        OK(mergeReturn(*desk.project, ada.giveBack(base)));
        for (const auto& item : bo.next(2))
            bo.vote(item, Winner::B);
        const std::string file = bo.giveBack(base + "/bo.pairback");
        reseal(file, [&](std::vector<Json>& lines) {
            std::string first, previous;
            for (Json& line : lines)
                if (line.contains("event")) {
                    Json& event = line["event"];
                    if (same == !previous.empty())
                        event["uuid"] = same ? first : theirs;
                    first = event["uuid"];
                    event["previous"] = previous;
                    sign(lines[0], event, task);
                    previous = event["digest"];
                }
        });
        const auto refused = mergeReturn(*desk.project, file);
        QVERIFY(!refused && refused.error().code == Code::Corrupt);
        const std::string& message = refused.error().message;
        QVERIFY2(message.find(same ? "(event 2 of Bo" : "(event 1 of Bo") != std::string::npos, message.c_str());
        QVERIFY2(message.find("its uuid is that of another event") != std::string::npos, message.c_str());
        QCOMPARE(desk.project->counters().events, int64_t{1});
    }

    /// A package continued from a copy has two futures: the second one to come is refused by the event where they part.
    void twoFuturesOfOneProjectAreRefused() {
        Desk desk(12);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 6, 0, base + "/out");
        std::string one, other;
        {
            AtWork ada(dealt[0].file, base + "/ada");
            ada.vote(ada.next()[0], Winner::A);
        }
        copyProject(base + "/ada", base + "/copy");
        for (const char* dir : {"/ada", "/copy"}) {
            Project project = must(Project::open(base + dir, options()));
            Project::NextOptions o;
            o.task = must(project.defaultTask()).id;
            o.annotator = must(project.annotators())[0].id;
            JudgementInput in;
            in.winner = Winner::B;
            OK(project.presentAndJudge(must(project.next(o))[0].presentation, in));
            (one.empty() ? one : other) = must(writeReturn(project, base + dir + ".pairback")).file;
        }
        OK(mergeReturn(*desk.project, one));
        const auto refused = mergeReturn(*desk.project, other);
        QVERIFY(!refused && refused.error().code == Code::Corrupt);
        QVERIFY2(refused.error().message.find("event 2 of Ada") != std::string::npos, refused.error().toString().c_str());
        QVERIFY2(refused.error().message.find("two copies") != std::string::npos, refused.error().toString().c_str());
        QCOMPARE(desk.project->counters().events, int64_t{2});
    }

    void aDamagedPackageLeavesNoProject() {
        Desk desk(12);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 3, 0, base + "/out");
        reseal(dealt[0].file, [](std::vector<Json>& lines) { lines[2]["answers"].erase(0); });
        const auto refused = openPackage(dealt[0].file, base + "/ada", options());
        QVERIFY(!refused && refused.error().code == Code::Corrupt);
        QVERIFY2(refused.error().message.find("line 3") != std::string::npos, refused.error().toString().c_str());
        QVERIFY(!os::exists(base + "/ada"));
        QVERIFY(!must(workOrder(*desk.project)));
        QVERIFY(!writeReturn(*desk.project, base));
    }

private:
    static Status checkImageOf(AtWork& ada, const std::string& sha) {
        PL_TRY(const Image image, readPng(ada.project->mediaPath(sha)));
        return image.width == 3 && image.height == 2 ? Status() : fail(Code::Internal, "another size");
    }
};

QTEST_GUILESS_MAIN(TestPackages)
#include "tst_packages.moc"
