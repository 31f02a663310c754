// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/import.h"
#include "core/desk/stats/quality.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/audit.h"
#include "core/desk/store/erase.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/run_erasure.h"
#include "tests/desk/package_fixture.h"

using namespace fixture;

namespace {

const std::string kPrompt = "Where does Grace Hopper of 12 Elm Street live?";
const std::string kAnswer = "She lives at \"12 Elm Street\", I believe.\nOn the left.";

/// A project with a prompt about somebody, and people with words of their own; datasets, a run with its bundle, backups.
struct Filled : Desk {
    Id prompt = 0, bo = 0;
    std::string promptUuid, run;
    Filled() : Desk(6) {
        NewPrompt fresh;
        fresh.content = kPrompt;
        fresh.split = Split::Train;
        fresh.source = "Bo Karlsson";
        fresh.verifierAnswer = "12 Elm Street, of all places";
        prompt = must(project->addPrompts({fresh}))[0];
        promptUuid = must(project->prompt(prompt)).uuid;
        std::vector<NewCandidate> answers(2);
        answers[0].content = kAnswer;
        answers[1].content = "Answer 0 to 0"; // another prompt's answer says the same
        for (auto& answer : answers) {
            answer.prompt = prompt;
            answer.params = {{"note", kPrompt}};
        }
        must(project->addCandidates(answers));
        must(project->makePairs({}));
        bo = must(project->annotator(AnnotatorKind::Human, "Bo Karlsson", {{"mail", "bo@example.org"}}));
        for (const Id who : {ada, bo}) {
            Project::NextOptions o;
            o.task = task;
            o.annotator = who;
            o.limit = 20;
            for (const auto& item : must(project->next(o))) {
                JudgementInput in;
                in.winner = who == bo ? Winner::A : Winner::B;
                in.rationale = who == bo ? "Bo thinks it is too wordy" : "Ada likes her street";
                in.attributes = {{"clear", 3}, {"note", "Bo wrote a word"}};
                if (item.prompt.id != prompt && who == bo)
                    in.edited = "Bo would rather say it so: " + item.prompt.content;
                must(project->presentAndJudge(item.presentation, in));
                if (item.prompt.id == prompt)
                    must(project->flag(task, who, item.comparison.id, who == bo ? "Bo finds this personal" : "mentions Elm Street"));
            }
        }
        // Of a prompt about somebody a run drew a sample; its data are links to the dataset's.
        DatasetSpec spec;
        spec.name = "all";
        spec.aggregation = Aggregation::Each;
        for (const CurrentVote& vote : project->currentVotes())
            if (vote.flagged)
                must(project->flag(task, vote.annotator, vote.comparison, ""));
        const DatasetInfo data = must(project->freezeDataset(spec));
        for (const Id who : {ada, bo})
            for (const CurrentVote& vote : std::vector<CurrentVote>(project->currentVotes()))
                if (vote.annotator == who && must(project->pairItem(vote.comparison)).prompt.id == prompt)
                    must(project->flag(task, who, vote.comparison, who == bo ? "Bo finds this personal" : "mentions Elm Street"));
        RunRow row;
        row.id = must(project->reserveRun());
        row.uuid = newUuid();
        row.name = run = "0001-dpo";
        row.plugin = "dpo";
        row.kind = "train";
        row.state = "finished";
        row.datasetHash = data.sha;
        row.note = "saw " + kPrompt + " often";
        must(project->insertRun(row));
        const std::string bundle = project->runsDir() + "/" + run;
        must(os::makeDirs(bundle + "/data"));
        must(os::makeDirs(bundle + "/samples"));
        for (const char* file : {"train.jsonl", "dev.jsonl", "prompts.jsonl"})
            must(os::linkOrCopy(data.dir + "/" + file, bundle + "/data/" + file));
        must(os::writeFileAtomic(bundle + "/samples/7.txt", kAnswer));
        must(os::writeFileAtomic(bundle + "/worker.log", "first prompt: " + kPrompt + "\nthen another\n"));
        const auto event = [&](int seq, Json body) {
            body["seq"] = seq;
            body["t"] = 5;
            return dumpJson(body) + "\n";
        };
        must(os::writeFileAtomic(bundle + "/events.jsonl",
                                 event(1, {{"type", "run.start"}}) +
                                     event(2, {{"type", "sample"}, {"prompt_id", promptUuid}, {"prompt", kPrompt}, {"response", "On Elm Street."},
                                               {"response_file", "7.txt"}, {"step", 10}}) +
                                     event(3, {{"type", "log"}, {"text", "rendered: <user>" + kPrompt + "<end>"}}) +
                                     event(4, {{"type", "run.end"}, {"state", "finished"}})));
        must(project->backup());
    }
};

} // namespace

class TestErase : public QObject {
    Q_OBJECT
private Q_SLOTS:

    void aDryRunSaysWhatGoesAndChangesNothing() {
        Filled desk;
        const std::string before = allBytes(desk.dir());
        EraseOptions o;
        o.kind = Erasable::Prompt;
        o.what = desk.promptUuid;
        o.dryRun = true;
        const auto report = must(erase(*desk.project, o));
        QCOMPARE(report.answers, int64_t{2});
        QCOMPARE(report.pairs, int64_t{1});
        QVERIFY(report.votes >= 4);
        QVERIFY(report.rows >= 6);
        QCOMPARE(report.datasets, std::vector<std::string>{"all"});
        QCOMPARE(report.runs, std::vector<std::string>{desk.run});
        QVERIFY(report.backups > 0);
        QVERIFY(!report.name.empty());
        QVERIFY(allBytes(desk.dir()) == before);
        QVERIFY(must(tombstones(*desk.project)).empty());
        o.dryRun = false;
        QVERIFY(!erase(*desk.project, o)); // not without a reason
        o.why = "asked";
        o.what = "no such prompt";
        QVERIFY(!erase(*desk.project, o));
    }

    void anErasedPromptIsGoneFromEveryByte() {
        Filled desk;
        const std::vector<std::string> gone{"Elm Street", "Grace Hopper", "Bo finds this personal"};
        const std::string before = allBytes(desk.dir());
        for (const auto& text : gone)
            QVERIFY(before.find(text) != std::string::npos);
        const std::string events = must(os::readFile(desk.project->runsDir() + "/" + desk.run + "/events.jsonl"));
        const int64_t counted = desk.project->counters().events;
        EraseOptions o;
        o.what = std::to_string(desk.prompt);
        o.why = "a request of 30 November";
        o.who = "Ada";
        const std::string bundle = desk.project->runsDir() + "/" + desk.run;
        QVERIFY(!must(erasureOf(bundle)).any());
        const auto report = must(erase(*desk.project, o));
        // The run says what it lost, of whom never.
        RunErasure lost = must(erasureOf(bundle));
        QCOMPARE(lost.prompts, int64_t{1});
        QCOMPARE(lost.people, int64_t{0});
        QCOMPARE(lost.rows, int64_t{3}); // Ada's and Bo's vote in train.jsonl, and the prompt's own row
        QCOMPARE(lost.lines, int64_t{3}); // a sample, a line of the events and one of the log
        QVERIFY(lost.lastMs > 1790000000000);
        QVERIFY2(lost.toString().find("lost text of 1 erased prompt on 2026-09-21: 3 rows of its data, 3 lines") == 0, lost.toString().c_str());
        EraseOptions person;
        person.kind = Erasable::Person;
        person.what = "Bo Karlsson";
        person.why = "left";
        OK(erase(*desk.project, person));
        lost = must(erasureOf(bundle));
        QVERIFY(lost.prompts == 1 && lost.people == 1 && lost.rows > 3);
        OK(os::writeFileAtomic(bundle + "/erased.json", "[]"));
        const auto unread = erasureOf(bundle);
        QVERIFY(!unread && unread.error().code == Code::Corrupt);
        // Entries of this very erasure in which a number is none, lacks, or is beyond reason.
        for (const char* rows : {R"("rows": "three", )", R"("rows": null, )", R"("rows": [3], )", R"("rows": -1, )", R"("rows": 9223372036854775807, )", ""}) {
            OK(os::writeFileAtomic(bundle + "/erased.json", R"({"v": 1, "erased": [{"uuid": "x", "kind": "prompt", "time_ms": 1, )" + std::string(rows) +
                                                                R"("lines": 0}]})"));
            const auto noted = noteErasure(bundle, "x", false, 2, 1, 1);
            QVERIFY2(!noted && noted.error().message.find("\"rows\"") != std::string::npos, rows);
            QVERIFY(noted.error().message.find("erased.json") != std::string::npos);
            QVERIFY(!erasureOf(bundle));
        }
        OK(os::removeTree(bundle + "/erased.json"));
        QVERIFY2(report.left.empty(), report.left.empty() ? "" : report.left[0].c_str());
        for (const auto& text : gone)
            QVERIFY2(allBytes(desk.dir()).find(text) == std::string::npos, text.c_str());
        // What others share stays theirs; events stay; the chain verifies.
        QVERIFY(allBytes(desk.dir()).find("Answer 0 to 0") != std::string::npos);
        QCOMPARE(desk.project->counters().events, counted);
        const auto audited = must(audit(*desk.project));
        QVERIFY2(audited.ok(), dumpJson(audited.toJson()).c_str());
        QVERIFY(audited.erased >= 4);
        const auto checked = must(desk.project->check());
        QVERIFY2(checked.ok(), checked.ok() ? "" : checked.problems[0].c_str());
        QCOMPARE(desk.project->counters().prompts, int64_t{6});
        auto stones = must(tombstones(*desk.project));
        QCOMPARE(stones.size(), size_t{2});
        stones.erase(stones.begin()); // the person's, the newer one
        QCOMPARE(stones[0].uuid, desk.promptUuid);
        QCOMPARE(stones[0].why, o.why);
        QCOMPARE(stones[0].who, o.who);
        QCOMPARE(stones[0].runs, std::vector<std::string>{desk.run});
        QCOMPARE(stones[0].datasets, std::vector<std::string>{"all"});
        // A reader of events goes on where it was: no line moved.
        const std::string now = must(os::readFile(desk.project->runsDir() + "/" + desk.run + "/events.jsonl"));
        QCOMPARE(now.size(), events.size());
        for (size_t at = 0; (at = events.find('\n', at)) != std::string::npos; ++at)
            QVERIFY(now[at] == '\n');
        QVERIFY(!os::exists(desk.project->runsDir() + "/" + desk.run + "/samples/7.txt"));
        // The other rows of the dataset are there, and the data of the run are links to them still.
        const DatasetInfo data = must(desk.project->findDataset("all"));
        const std::string rows = must(os::readFile(data.dir + "/train.jsonl"));
        QVERIFY(rows.find("Request 0") != std::string::npos);
        QVERIFY(std::filesystem::equivalent(data.dir + "/train.jsonl", desk.project->runsDir() + "/" + desk.run + "/data/train.jsonl"));
        QCOMPARE(must(sha256File(data.dir + "/train.jsonl")), data.files.at("train.jsonl"));
        QCOMPARE(must(desk.project->backupFiles()).size(), size_t{1});
        // Nothing offers it, and nothing brings it back.
        NewPrompt again;
        again.content = kPrompt;
        QVERIFY(!desk.project->addPrompts({again}));
        NewCandidate answer;
        answer.prompt = desk.prompt;
        answer.content = "On Elm Street.";
        QVERIFY(!desk.project->addCandidates({answer}));
        ImportRow row;
        row.prompt = again;
        row.chosen = "On Elm Street.";
        row.rejected = "Nowhere.";
        ImportRow other = row;
        other.prompt.content = "Something else";
        const auto counts = must(desk.project->importRows({"file", "", "trl", desk.task, "x"}, {row, other}));
        QCOMPARE(counts.prompts, int64_t{1});
        QCOMPARE(counts.duplicates, int64_t{1});
        QVERIFY(must(erase(*desk.project, o)).already);
        desk.reopen();
        for (const auto& text : gone)
            QVERIFY2(allBytes(desk.dir()).find("Grace Hopper") == std::string::npos, text.c_str());
        // The events are as untouchable as before.
        OK(desk.project->close());
        SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
        QVERIFY_EXCEPTION_THROWN(db.exec("UPDATE judgements SET winner = 'b'"), SQLite::Exception);
    }

    void anErasedPersonKeepsTheirVotesWithoutAWord() {
        Filled desk;
        const std::vector<std::string> gone{"Bo Karlsson", "Bo thinks", "Bo finds", "Bo would", "Bo wrote", "bo@example.org"};
        EraseOptions o;
        o.kind = Erasable::Person;
        o.what = "Bo Karlsson";
        o.why = "left";
        const auto votes = desk.sortedVotes();
        for (const auto& text : gone)
            QVERIFY(allBytes(desk.dir()).find(text) != std::string::npos);
        // Ada's attributes hold the same word as Bo's: hers stay, so hers are taken out of the search.
        const auto report = must(erase(*desk.project, o));
        QVERIFY2(report.left.empty(), report.left.empty() ? "" : report.left[0].c_str());
        const std::string after = allBytes(desk.dir());
        for (const auto& text : gone)
            if (text != "Bo wrote")
                QVERIFY2(after.find(text) == std::string::npos, text.c_str());
        QVERIFY(after.find("Ada likes her street") != std::string::npos);
        QVERIFY(votes == desk.sortedVotes());
        for (const auto& person : must(desk.project->annotators()))
            if (person.id == desk.bo)
                QCOMPARE(person.name, "erased " + report.uuid.substr(0, 8));
        for (const CurrentVote& vote : desk.project->currentVotes())
            if (vote.annotator == desk.bo) {
                const auto judged = must(desk.project->currentJudgement(desk.task, desk.bo, vote.comparison));
                QVERIFY(judged->rationale.empty() && judged->edited.value_or("").empty());
                QVERIFY((judged->attributes == Json{{"clear", 3}}));
            }
        QVERIFY(must(audit(*desk.project)).ok());
        const auto checked = must(desk.project->check());
        QVERIFY2(checked.ok(), checked.ok() ? "" : checked.problems[0].c_str());
        const DatasetInfo data = must(desk.project->findDataset("all"));
        int rows = 0;
        std::istringstream lines(must(os::readFile(data.dir + "/train.jsonl")));
        for (std::string line; std::getline(lines, line);)
            if (line.find("erased " + report.uuid.substr(0, 8)) != std::string::npos) {
                ++rows;
                QVERIFY2(line.find("Bo wrote") == std::string::npos && line.find("\"clear\":3") != std::string::npos, line.c_str());
            }
        QVERIFY(rows > 0);
        // A forged row does not pass as an erased one.
        OK(desk.project->close());
        {
            SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
            db.exec("DROP TRIGGER judgements_never_change; UPDATE judgements SET flag = 'erased' WHERE flag = 'mentions Elm Street'");
        }
        desk.project = must(Project::open(desk.dir(), options()));
        QVERIFY(!must(audit(*desk.project)).ok());
    }

    void anAdjudicatorGoesWithThePersonAndTheVerdictsStay_data() {
        QTest::addColumn<QString>("what");
        QTest::newRow("the person") << "Ada";
        QTest::newRow("the adjudicator alone") << "Ada, adjudicator";
        QTest::newRow("the adjudicator that an earlier version left") << "left";
    }
    void anAdjudicatorGoesWithThePersonAndTheVerdictsStay() {
        QFETCH(QString, what);
        Desk desk(3);
        const Id bea = must(desk.project->annotator(AnnotatorKind::Human, "Bea"));
        const auto items = desk.next(3);
        OK(desk.vote(items[0], Winner::A));
        Presentation hers = items[0].presentation;
        hers.annotator = bea;
        JudgementInput b;
        b.winner = Winner::B;
        OK(desk.project->presentAndJudge(hers, b));
        Judgement verdict;
        verdict.winner = Winner::A;
        verdict.rationale = "I know this from my own illness";
        OK(adjudicate(*desk.project, desk.task, desk.ada, items[0].comparison.id, true, verdict, Cause::Mistake));
        const auto before = assessQuality(must(readVoteFacts(*desk.project)));
        QCOMPARE(before.agreement.adjudicated, int64_t{1});
        EraseOptions o;
        o.kind = Erasable::Person;
        o.why = "asked";
        o.what = what.toStdString();
        if (what == "left") { // the person has a tombstone, the adjudicator still says whose it is
            std::string ada;
            for (const Annotator& who : must(desk.project->annotators()))
                if (who.id == desk.ada)
                    ada = who.uuid;
            desk.project->impl().db->exec("INSERT INTO tombstones(uuid, kind, why, who, counts, cleaned, created_ms) VALUES ('" + ada +
                                          "', 'person', 'asked', '', '{}', 1, 1); UPDATE annotators SET name = 'erased' WHERE uuid = '" + ada + "'");
            o.what = ada;
        }
        const auto report = must(erase(*desk.project, o));
        QVERIFY2(report.left.empty(), report.left.empty() ? "" : report.left[0].c_str());
        QVERIFY(!report.already);
        QCOMPARE(report.votes, int64_t{what == "Ada" ? 2 : 1});
        const bool stays = what == "Ada, adjudicator"; // as the person she is
        int adjudicators = 0;
        for (const Annotator& who : must(desk.project->annotators())) {
            QVERIFY2(who.name.find("adjudicator") == std::string::npos, who.name.c_str());
            QCOMPARE(who.name == "Ada", stays && who.id == desk.ada);
            QVERIFY(!who.detail.contains("of"));
            adjudicators += isAdjudicator(who);
        }
        QCOMPARE(adjudicators, 1);
        QVERIFY(allBytes(desk.dir()).find("own illness") == std::string::npos);
        const auto after = assessQuality(must(readVoteFacts(*desk.project)));
        QCOMPARE(after.agreement.adjudicated, int64_t{1});
        QCOMPARE(after.votes, before.votes);
        QVERIFY(must(audit(*desk.project)).ok());
    }

    void aMergeBringsNothingErasedBack() {
        Desk desk(12);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada", "Bo Karlsson"}, 4, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada"), bo(dealt[1].file, base + "/bo");
        const auto items = ada.next(4);
        for (const auto& item : items)
            ada.vote(item, Winner::A, "Ada says why at " + item.prompt.content, "Ada would say: " + item.prompt.content);
        for (const auto& item : bo.next(4))
            bo.vote(item, Winner::B, "Bo says why", "Bo would say: " + item.prompt.content);
        const std::string first = ada.giveBack(base + "/ada.pairback"), second = bo.giveBack(base + "/bo.pairback");
        EraseOptions prompt, person;
        prompt.what = items[1].prompt.uuid;
        person.kind = Erasable::Person;
        person.what = "Bo Karlsson";
        prompt.why = person.why = "asked";
        OK(erase(*desk.project, prompt));
        OK(erase(*desk.project, person));
        QCOMPARE(must(mergeReturn(*desk.project, first)).erased, int64_t{1});
        QCOMPARE(must(mergeReturn(*desk.project, second)).erased, int64_t{4});
        QCOMPARE(must(mergeReturn(*desk.project, second)).fresh, int64_t{0});
        OK(desk.project->close());
        const std::string bytes = allBytes(desk.dir());
        QVERIFY(bytes.find(items[0].prompt.content) != std::string::npos);
        QVERIFY(bytes.find("Ada would say: " + items[0].prompt.content) != std::string::npos);
        for (const std::string& text : {"Ada would say: " + items[1].prompt.content, "Ada says why at " + items[1].prompt.content,
                                        std::string("Bo says why"), std::string("Bo would say"), std::string("Bo Karlsson")})
            QVERIFY2(bytes.find(text) == std::string::npos, text.c_str());
        desk.project = must(Project::open(desk.dir(), options()));
        QCOMPARE(desk.project->counters().current, int64_t{8});
        QVERIFY(must(audit(*desk.project)).ok());
        QVERIFY(must(desk.project->check()).ok());
    }

    void imagesOfAnErasedPromptGoUnlessSomebodyElseShowsThem() {
        Desk desk(0);
        std::vector<Id> prompts;
        std::vector<std::string> shas;
        for (int i = 0; i < 2; ++i) {
            NewPrompt prompt;
            prompt.content = "Draw thing number " + std::to_string(i);
            prompt.split = Split::Train;
            prompts.push_back(must(desk.project->addPrompts({prompt}))[0]);
            std::vector<NewCandidate> answers(2);
            for (int k = 0; k < 2; ++k) {
                const std::string file = desk.temp.path().toStdString() + "/i.png";
                OK(os::writeFileAtomic(file, pngBytes(k == 0 ? 7 : 100 + i))); // the first is the same in both
                answers[size_t(k)].prompt = prompts.back();
                answers[size_t(k)].kind = CandidateKind::Image;
                answers[size_t(k)].content = must(desk.project->addMedia(file));
                shas.push_back(answers[size_t(k)].content);
            }
            OK(desk.project->addCandidates(answers));
        }
        OK(desk.project->makePairs({}));
        for (const auto& item : desk.next(2))
            OK(desk.vote(item, Winner::A));
        DatasetSpec spec;
        spec.name = "pictures";
        const auto data = must(desk.project->freezeDataset(spec));
        EraseOptions o;
        o.what = std::to_string(prompts[0]);
        o.why = "asked";
        const auto report = must(erase(*desk.project, o));
        QCOMPARE(report.media, int64_t{1});
        QVERIFY(!os::exists(desk.project->mediaPath(shas[1])));
        QVERIFY(os::exists(desk.project->mediaPath(shas[0])) && os::exists(desk.project->mediaPath(shas[3])));
        QVERIFY(!os::exists(data.dir + "/images/" + shas[1] + ".png"));
        QVERIFY(os::exists(data.dir + "/images/" + shas[0] + ".png"));
        const auto checked = must(desk.project->check());
        QVERIFY2(checked.ok(), checked.ok() ? "" : checked.problems[0].c_str());
    }

    void aRunThatIsNotOverStandsInTheWay() {
        Filled desk;
        RunRow row = must(desk.project->findRun(desk.run));
        row.state = "running";
        OK(desk.project->updateRun(row));
        EraseOptions o;
        o.what = desk.promptUuid;
        o.why = "asked";
        const auto refused = erase(*desk.project, o);
        QVERIFY(!refused && refused.error().code == Code::Busy);
        QVERIFY(allBytes(desk.dir()).find("Elm Street") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestErase)
#include "tst_erase.moc"
