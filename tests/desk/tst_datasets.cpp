// SPDX-License-Identifier: Apache-2.0
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/export.h"
#include "core/desk/store/adjudication.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestDatasets : public QObject {
    Q_OBJECT

    static LabelItem itemOf(Desk& desk, int prompt) {
        for (const std::optional<Split> split : {std::optional<Split>(), std::optional<Split>(Split::Test)})
            for (const auto& item : desk.next(1000, QueueRule::Fifo, 1, split))
                if (item.prompt.content == "Request " + std::to_string(prompt))
                    return item;
        qFatal("no pair for prompt %d", prompt);
    }
    static void vote(Desk& desk, int prompt, JudgementInput in, bool swap = false) {
        LabelItem item = itemOf(desk, prompt);
        item.presentation.aOnLeft ^= swap;
        must(desk.project->presentAndJudge(item.presentation, in));
    }
    static JudgementInput pick(Winner winner, TieKind tie = TieKind::None) {
        JudgementInput in;
        in.winner = winner;
        in.tieKind = tie;
        return in;
    }
    /// Prompts 4 and 9 are dev, 10 is a sealed test prompt.
    static void fill(Desk& desk, bool swap) {
        NewPrompt sealed;
        sealed.content = "Request 10";
        sealed.split = Split::Test;
        const Id id = must(desk.project->addPrompts({sealed}))[0];
        NewCandidate a, b;
        a.prompt = b.prompt = id;
        a.content = "x";
        b.content = "y";
        must(desk.project->addCandidates({a, b}));
        must(desk.project->makePairs({}));
        vote(desk, 0, pick(Winner::A), swap);
        auto strong = pick(Winner::B);
        strong.strength = 3;
        strong.rationale = "clearer";
        vote(desk, 1, strong, swap);
        vote(desk, 2, pick(Winner::Tie, TieKind::BothBad), swap);
        vote(desk, 3, pick(Winner::Tie, TieKind::BothGood), swap);
        vote(desk, 4, pick(Winner::A), swap);
        vote(desk, 5, pick(Winner::Tie, TieKind::Identical), swap);
        vote(desk, 6, pick(Winner::Tie), swap);
        vote(desk, 10, pick(Winner::A), swap);
        const Id flagged = itemOf(desk, 7).comparison.id;
        vote(desk, 7, pick(Winner::A), swap);
        must(desk.project->flag(desk.task, desk.ada, flagged, "harmful"));
        JudgementInput skip;
        skip.kind = EventKind::Skip;
        vote(desk, 8, skip, swap);
    }

private Q_SLOTS:
    void everyVoteKindIsAccountedFor() {
        Desk desk(10);
        fill(desk, false);
        DatasetSpec spec;
        spec.name = "first";
        const auto set = must(desk.project->freezeDataset(spec));
        QCOMPARE(set.counts.votes, int64_t{9});
        QCOMPARE(set.counts.train, int64_t{2});
        QCOMPARE(set.counts.dev, int64_t{1});
        QCOMPARE(set.counts.ties, int64_t{2});
        QCOMPARE(set.counts.bothBad, int64_t{1});
        QCOMPARE(set.counts.identical, int64_t{1});
        QCOMPARE(set.counts.unpaired, int64_t{4});
        QCOMPARE(set.counts.sealedTest, int64_t{1});
        QCOMPARE(set.counts.flagged, int64_t{1});
        QCOMPARE(set.counts.skips, int64_t{1});
        QCOMPARE(set.counts.prompts, int64_t{10});
        const auto& c = set.counts;
        QCOMPARE(c.votes, c.train + c.dev + c.ties + c.bothBad + c.identical + c.sealedTest + c.flagged);
        const auto pairs = must(readPairs(set.dir + "/train.jsonl"));
        QCOMPARE(pairs.size(), size_t{2});
        for (const auto& row : pairs) {
            QCOMPARE(row.annotator, std::string("Ada"));
            QVERIFY(row.prompt == "Request 0" || (row.prompt == "Request 1" && row.strength == 3));
        }
        QCOMPARE(must(readTies(set.dir + "/ties.jsonl", "train")).size(), size_t{2});
        for (const auto& prompt : must(readPrompts(set.dir + "/prompts.jsonl")))
            QVERIFY(prompt.split != "test");
        QVERIFY(must(desk.project->previewDataset(spec)) == set.counts);
        QVERIFY(must(desk.project->check()).ok());
        OK(os::writeFileAtomic(set.dir + "/train.jsonl", "{}\n"));
        QVERIFY(!must(desk.project->check()).ok());
    }

    /// Another project, another order of the rows, the other sides: the same bytes.
    void theSameVotesGiveTheSameHashWhateverTheSides() {
        Desk one(10), two(10);
        fill(one, false);
        fill(two, true);
        const auto a = must(one.project->freezeDataset({}));
        const auto b = must(two.project->freezeDataset({}));
        QCOMPARE(a.sha, b.sha);
        QVERIFY(a.files == b.files);
        QCOMPARE(must(one.project->freezeDataset({})).id, a.id);
        QCOMPARE(one.project->counters().datasets, int64_t{1});
        DatasetSpec other;
        other.name = "another name";
        QCOMPARE(must(one.project->freezeDataset(other)).name, a.name); // the first is kept
        const auto none = one.project->findDataset("another name");
        QVERIFY(!none && none.error().toString().find("dataset list") != std::string::npos);
    }

    void driftCountsNewerAndChangedVotes() {
        Desk desk(10);
        fill(desk, false);
        const auto set = must(desk.project->freezeDataset({}));
        auto drift = must(desk.project->datasetDrift(set.id));
        QCOMPARE(drift.newer, int64_t{0});
        QCOMPARE(drift.changed, int64_t{0});
        vote(desk, 9, pick(Winner::B));
        must(desk.project->undo(desk.task, desk.ada)); // the vote on 9
        must(desk.project->undo(desk.task, desk.ada)); // the skip
        must(desk.project->undo(desk.task, desk.ada)); // the flag
        must(desk.project->undo(desk.task, desk.ada)); // the vote on 7 (flagged: it was not in)
        vote(desk, 9, pick(Winner::A));
        drift = must(desk.project->datasetDrift(set.id));
        QCOMPARE(drift.newer, int64_t{1});
        QCOMPARE(drift.changed, int64_t{0});
        must(desk.project->undo(desk.task, desk.ada));
        must(desk.project->undo(desk.task, desk.ada)); // test prompt
        must(desk.project->undo(desk.task, desk.ada)); // the tie on 6
        drift = must(desk.project->datasetDrift(set.id));
        QCOMPARE(drift.newer, int64_t{0});
        QCOMPARE(drift.changed, int64_t{1});
    }

    void majorityDropsWhatCancelsOut() {
        Desk desk(2);
        const auto items = desk.next(2);
        const Id bea = must(desk.project->annotator(AnnotatorKind::Human, "Bea"));
        const Id cas = must(desk.project->annotator(AnnotatorKind::Rule, "concise"));
        const auto by = [&](const LabelItem& item, Id who, Winner winner) {
            auto shown = item.presentation;
            shown.annotator = who;
            must(desk.project->presentAndJudge(shown, pick(winner)));
        };
        by(items[0], desk.ada, Winner::A);
        by(items[0], bea, Winner::B);
        by(items[1], desk.ada, Winner::A);
        by(items[1], bea, Winner::B);
        by(items[1], cas, Winner::A);
        DatasetSpec spec;
        auto counts = must(desk.project->previewDataset(spec));
        QCOMPARE(counts.disagreements, int64_t{1});
        QCOMPARE(counts.train + counts.dev, int64_t{1});
        spec.aggregation = Aggregation::Each;
        counts = must(desk.project->previewDataset(spec));
        QCOMPARE(counts.train + counts.dev, int64_t{5});
        spec.filter.provenances = {Provenance::Human};
        counts = must(desk.project->previewDataset(spec));
        QCOMPARE(counts.train + counts.dev, int64_t{4});
    }

    void aVerdictStandsForTheVotesOfItsTaskAlone() {
        Desk desk(3);
        const Id bo = must(desk.project->annotator(AnnotatorKind::Human, "Bo")), chief = must(desk.project->annotator(AnnotatorKind::Human, "Chief"));
        Task another;
        another.name = "Another";
        another.question = "Which is shorter?";
        const Id second = must(desk.project->addTask(another));
        const auto items = desk.next(3);
        for (const auto& item : items)
            for (const auto& [where, who, what] : {std::tuple{desk.task, desk.ada, Winner::A}, {desk.task, bo, Winner::B}, {second, desk.ada, Winner::A}, {second, bo, Winner::A}}) {
                auto shown = item.presentation;
                shown.task = where;
                shown.annotator = who;
                auto in = pick(what);
                in.rationale = where == second ? "shorter" : "better";
                must(desk.project->presentAndJudge(shown, in));
            }
        Judgement verdict;
        verdict.winner = Winner::B;
        OK(adjudicate(*desk.project, desk.task, chief, items[0].comparison.id, true, verdict, Cause::Mistake));
        OK(adjudicate(*desk.project, desk.task, chief, items[1].comparison.id, true, verdict, Cause::BadPair));
        for (const Id task : {desk.task, second})
            OK(adjudicate(*desk.project, task, chief, items[2].comparison.id, true, verdict, Cause::BadPair));
        const auto chosen = [&](const DatasetSpec& spec) {
            std::map<std::string, std::string> out; // by prompt
            const auto set = must(desk.project->freezeDataset(spec));
            for (const char* file : {"/train.jsonl", "/dev.jsonl"})
                for (const auto& row : must(readPairs(set.dir + file)))
                    out[row.prompt] = row.chosen;
            return std::pair(set.counts, out);
        };
        // Two of the other task against one verdict; and the pair that is bad for one question is none for the other.
        const auto [counts, both] = chosen({});
        QCOMPARE(both.size(), size_t{2});
        for (size_t i = 0; i < 2; ++i)
            QCOMPARE(both.at(items[i].prompt.content), items[i].a.content);
        QCOMPARE(counts.disagreements, int64_t{1}); // bad for both
        DatasetSpec spec;
        spec.filter.task = desk.task;
        const auto [first, its] = chosen(spec);
        QCOMPARE(its.size(), size_t{1});
        QCOMPARE(its.at(items[0].prompt.content), items[0].b.content);
        QCOMPARE(first.disagreements, int64_t{2});
        spec.filter.task = second;
        const auto [other, others] = chosen(spec);
        QCOMPARE(others.size(), size_t{2});
        QCOMPARE(other.disagreements, int64_t{1});
        // A verdict on what nobody let in was asked about stands for nothing.
        spec.filter.task = 0;
        spec.filter.annotators = {bo};
        const auto [bosCounts, bos] = chosen(spec);
        QCOMPARE(bosCounts.votes, int64_t{6});
        QCOMPARE(bos.size(), size_t{1}); // on the first pair the verdict and Bo's other vote cancel out
        QCOMPARE(bos.at(items[1].prompt.content), items[1].a.content);
        // Vote by vote everybody keeps their own words, in each task.
        spec = {};
        spec.aggregation = Aggregation::Each;
        spec.filter.annotators = {desk.ada, bo};
        const auto each = must(desk.project->freezeDataset(spec));
        std::map<std::string, int> said;
        for (const char* file : {"/train.jsonl", "/dev.jsonl"})
            OK(forEachJsonLine(each.dir + file, [&](const Json& row, size_t) -> Status {
                ++said[row.value("rationale", "none")];
                return {};
            }));
        QCOMPARE(said["shorter"], 4);
        QCOMPARE(said["better"], 0);
        QCOMPARE(said["none"], 1); // the verdict
    }

    void trlExportKeepsTiesBeside() {
        Desk desk(10);
        fill(desk, false);
        const std::string out = desk.temp.path().toStdString() + "/out.jsonl";
        const auto report = must(exportTrl(*desk.project, {}, out));
        QCOMPARE(report.rows, int64_t{3});
        QCOMPARE(report.ties, int64_t{2});
        QCOMPARE(report.unpaired, int64_t{4});
        QCOMPARE(report.files.size(), size_t{4});
        QVERIFY(!report.notes.empty());
        QCOMPARE(must(readPairs(out)).size(), size_t{3});
        Desk empty(1);
        QVERIFY(!exportTrl(*empty.project, {}, out));
    }
};

QTEST_GUILESS_MAIN(TestDatasets)
#include "tst_datasets.moc"
