// SPDX-License-Identifier: Apache-2.0
// Marks inside answers and edited answers: from the input to the rows of the database and of the exports.
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/domain/text_marks.h"
#include "core/desk/exchange/export.h"
#include "core/desk/store/edits.h"
#include "core/desk/store/impl.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {

std::vector<std::string> parts(const std::string& text, const TextSteps& steps) {
    std::vector<std::string> out;
    for (const auto& range : steps.ranges)
        out.emplace_back(textPart(text, range[0], range[1]));
    return out;
}

Id withAnswers(Desk& desk, const std::string& prompt, const std::string& first, const std::string& second) {
    NewPrompt asked;
    asked.content = prompt;
    asked.split = Split::Train;
    const Id id = must(desk.project->addPrompts({asked})).at(0);
    std::vector<NewCandidate> answers(2);
    answers[0].prompt = answers[1].prompt = id;
    answers[0].content = first;
    answers[1].content = second;
    const auto ids = must(desk.project->addCandidates(answers));
    return must(desk.project->addPairs({{ids[0], ids[1]}})).at(0);
}

} // namespace

class TestTextMarks : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void newerMarksTakeThePlaceOfOlderOnes() {
        std::vector<TextSpan> spans;
        setSpan(spans, {0, 10, SpanLabel::Good});
        setSpan(spans, {3, 5, SpanLabel::Bad});
        const std::vector<TextSpan> cut{{0, 3, SpanLabel::Good}, {3, 5, SpanLabel::Bad}, {5, 10, SpanLabel::Good}};
        QVERIFY(spans == cut);
        setSpan(spans, {3, 5, SpanLabel::Good}); // one again
        QVERIFY((spans == std::vector<TextSpan>{{0, 10, SpanLabel::Good}}));
        setSpan(spans, {7, 7, SpanLabel::Bad}); // nothing
        setSpan(spans, {12, 14, SpanLabel::Neutral});
        QCOMPARE(spans.size(), size_t{2});
        QVERIFY(!clearSpans(spans, 10, 10)); // the end is outside
        QVERIFY(clearSpans(spans, 9, 9));
        QVERIFY(clearSpans(spans, 0, 13));
        QVERIFY(spans.empty());
    }

    void numberedStepsReachToTheNext() {
        const std::string text = "We solve it.\n\n1. Ünlike terms:\n   2x + 3.5\n2) Then 4\n\nStep 3: the end\n";
        const auto steps = splitSteps(text);
        QVERIFY(steps);
        QCOMPARE(steps->rule, std::string("numbered"));
        QCOMPARE(parts(text, *steps), (std::vector<std::string>{"We solve it.\n\n1. Ünlike terms:\n   2x + 3.5", "2) Then 4", "Step 3: the end"}));
        QCOMPARE(steps->ranges[1][0], int64_t{43}); // code points: the Ü counts once
        const std::string bold = "**Step 1** add\n**Step 2** take\n## Step 3\nmore";
        QCOMPARE(parts(bold, *splitSteps(bold)), (std::vector<std::string>{"**Step 1** add", "**Step 2** take", "## Step 3\nmore"}));
    }

    void otherwiseEveryLineIsAStepAndCodeIsNotDivided() {
        const std::string text = "First.\n\n3.5 litres\n```\na\n\nb\n```\nLast";
        const auto steps = splitSteps(text);
        QVERIFY(steps);
        QCOMPARE(steps->rule, std::string("lines"));
        QCOMPARE(parts(text, *steps), (std::vector<std::string>{"First.", "3.5 litres", "```\na\n\nb\n```", "Last"}));
        QVERIFY(!splitSteps("One line only."));
        QVERIFY(!splitSteps(""));
        QVERIFY(splitSteps("a\nb"));
    }

    void aPayloadIsReadBackAndHeldToItsText() {
        const std::string a = "日本語 is fine", b = "1. yes\n2. no";
        AnswerMarks ofA, ofB;
        setSpan(ofA.spans, {0, 3, SpanLabel::Good});
        setSpan(ofA.spans, {4, 6, SpanLabel::Neutral});
        ofB.steps = splitSteps(b);
        ofB.firstWrong = 1;
        const Json payload = marksPayload(ofA, a, ofB, b);
        QCOMPARE(payload["unit"], Json("code_point"));
        QCOMPARE(payload["a"]["sha256"], Json(sha256Hex(a)));
        QCOMPARE(payload["a"]["spans"][0], Json({{"start", 0}, {"end", 3}, {"label", "good"}}));
        QCOMPARE(std::string(textPart(a, 0, 3)), std::string("日本語"));
        const auto back = must(marksOf(payload, a, b));
        QVERIFY(back[0] == ofA && back[1] == ofB);
        QVERIFY(marksPayload({}, a, {}, b).is_null());
        // Every way in which it can be wrong is refused.
        const auto refused = [&](auto&& change) {
            Json wrong = payload;
            change(wrong);
            const auto read = marksOf(wrong, a, b);
            return !read && read.error().code == Code::InvalidInput;
        };
        QVERIFY(!marksOf(payload, a + " ", b));
        QVERIFY(refused([](Json& p) { p["unit"] = "byte"; }));
        QVERIFY(refused([](Json& p) { p["v"] = 2; }));
        QVERIFY(refused([](Json& p) { p["a"]["spans"][1]["end"] = 12; }));
        QVERIFY(refused([](Json& p) { p["a"]["spans"][1]["start"] = 2; }));
        QVERIFY(refused([](Json& p) { p["a"]["spans"][0]["label"] = "fine"; }));
        QVERIFY(refused([](Json& p) { p["a"]["spans"] = "x"; }));
        QVERIFY(refused([](Json& p) { p["b"]["steps"]["first_wrong"] = 2; }));
        QVERIFY(refused([](Json& p) { p["b"]["steps"]["ranges"][0] = Json::array({0}); }));
        QVERIFY(refused([](Json& p) { p["b"].erase("sha256"); }));
    }

    void theStoreRefusesMarksOfAnotherText() {
        Desk desk;
        withAnswers(desk, "Q", "one answer", "another answer");
        const LabelItem item = desk.next()[0];
        JudgementInput in;
        in.winner = Winner::A;
        AnswerMarks marks;
        setSpan(marks.spans, {0, 3, SpanLabel::Bad});
        in.spans = marksPayload(marks, "some other text", {}, {});
        const auto refused = desk.project->presentAndJudge(item.presentation, in);
        QVERIFY(!refused);
        QVERIFY(refused.error().message.find("another text") != std::string::npos);
        in.spans = marksPayload(marks, item.a.content, {}, {});
        OK(desk.project->presentAndJudge(item.presentation, in));
        // Chosen and rejected say which answer the marks are of.
        const auto dataset = must(desk.project->freezeDataset({}));
        int rows = 0;
        OK(forEachJsonLine(os::joinPath(dataset.dir, "train.jsonl"), [&](const Json& row, size_t) -> Status {
            ++rows;
            if (row["spans"]["chosen"]["spans"][0]["label"] != "bad" || row["spans"].contains("a"))
                return fail(Code::Internal, dumpJson(row));
            return {};
        }));
        QCOMPARE(rows, 1);
    }

    void firstWrongStepsGoOutAsTrlsStepwiseRows() {
        Desk desk;
        withAnswers(desk, "What is 2+2?", "1. Two and two\n2. make five\n3. so 5", "1. Two\n2. twice is 4");
        const LabelItem item = desk.next()[0];
        const bool longIsA = item.a.content.size() > item.b.content.size();
        AnswerMarks marked[2];
        for (const bool ofA : {true, false}) {
            marked[ofA ? 0 : 1].steps = splitSteps(ofA ? item.a.content : item.b.content);
            marked[ofA ? 0 : 1].firstWrong = ofA == longIsA ? 1 : -1;
        }
        JudgementInput in;
        in.winner = longIsA ? Winner::B : Winner::A;
        in.spans = marksPayload(marked[0], item.a.content, marked[1], item.b.content);
        OK(desk.project->presentAndJudge(item.presentation, in));
        const std::string out = desk.dir() + "/out.jsonl";
        const auto report = must(exportTrl(*desk.project, {}, out));
        QVERIFY(std::count(report.files.begin(), report.files.end(), out + ".stepwise.jsonl") == 1);
        std::vector<Json> rows;
        OK(forEachJsonLine(out + ".stepwise.jsonl", [&](const Json& row, size_t) -> Status {
            rows.push_back(row);
            return {};
        }));
        QCOMPARE(rows.size(), size_t{2});
        const Json &wrong = rows[longIsA ? 0 : 1], &right = rows[longIsA ? 1 : 0];
        QCOMPARE(wrong["prompt"], Json("What is 2+2?"));
        QCOMPARE(wrong["completions"], Json::array({"1. Two and two", "2. make five"}));
        QCOMPARE(wrong["labels"], Json::array({true, false}));
        QCOMPARE(right["completions"], Json::array({"1. Two", "2. twice is 4"}));
        QCOMPARE(right["labels"], Json::array({true, true}));
        // Without the vote an export to the same place leaves no rows of before.
        OK(desk.project->undo(desk.task, desk.ada));
        withAnswers(desk, "Another?", "yes", "no");
        for (const LabelItem& each : desk.next(2))
            if (each.prompt.content == "Another?")
                OK(desk.vote(each, Winner::A));
        must(exportTrl(*desk.project, {}, out));
        QVERIFY(!os::exists(out + ".stepwise.jsonl"));
    }

    /// As those on images do (tst_image_marks).
    void marksOfAnotherVersionGoOnWithTheNextVoteAlone() {
        Desk desk;
        withAnswers(desk, "Q", "1. one\n2. two", "another");
        const LabelItem item = desk.next()[0];
        JudgementInput in;
        in.winner = Winner::A;
        in.spans = {{"v", 2}, {"unit", "code_point"}, {"a", "what a later program says"}};
        QVERIFY(!desk.project->presentAndJudge(item.presentation, in));
        Project::Impl& impl = desk.project->impl();
        OK(impl.write("a vote", [&]() -> Status {
            EventDraft draft;
            draft.task = desk.task;
            draft.comparison = item.comparison.id;
            draft.annotator = desk.ada;
            draft.judgement = &in;
            PL_TRY(const Id event, impl.appendEvent(draft));
            impl.setCurrent({draft.task, draft.comparison, draft.annotator, 0}, event);
            return {};
        }));
        in.winner = Winner::B;
        Presentation again = item.presentation;
        again.repeat = true; // a hidden repeat is another vote, which says nothing of the kind
        QVERIFY(!desk.project->presentAndJudge(again, in));
        OK(desk.project->presentAndJudge(item.presentation, in));
        QCOMPARE(must(desk.project->currentJudgement(desk.task, desk.ada, item.comparison.id))->spans, in.spans);
        // An export goes round them.
        const std::string out = desk.temp.path().toStdString() + "/out.jsonl";
        QCOMPARE(must(exportTrl(*desk.project, {}, out)).rows, int64_t{1});
        QVERIFY(!os::exists(out + ".stepwise.jsonl"));
        in.spans["a"] = "something else";
        QVERIFY(!desk.project->presentAndJudge(item.presentation, in));
        // Nor does a pair of texts lose what was said of pictures.
        in.spans = {};
        in.regions = {{"v", 1}, {"unit", "pixel"}, {"a", "of a picture that is none"}};
        QVERIFY(!desk.project->presentAndJudge(item.presentation, in));
        QVERIFY(must(desk.project->check()).ok());
    }

    void verdictsOnEachAnswerAloneAreUnpairedRows() {
        Desk desk;
        for (int i = 0; i < 3; ++i)
            withAnswers(desk, "Q" + std::to_string(i), "first " + std::to_string(i), "second " + std::to_string(i));
        const auto items = desk.next(3);
        const auto say = [&](const LabelItem& item, bool goodA, bool goodB, bool alone) {
            JudgementInput in;
            in.winner = goodA == goodB ? Winner::Tie : goodA ? Winner::A : Winner::B;
            in.tieKind = goodA != goodB ? TieKind::None : goodA ? TieKind::BothGood : TieKind::BothBad;
            in.badA = !goodA;
            in.badB = !goodB;
            if (alone)
                in.attributes = {{"a", {{"thumb", goodA ? 1 : 0}}}, {"b", {{"thumb", goodB ? 1 : 0}}}};
            OK(desk.project->presentAndJudge(item.presentation, in));
        };
        say(items[0], true, false, true);
        say(items[1], true, true, true);
        say(items[2], true, false, false); // a pair: "better, and the other unacceptable" does not call it good
        const auto dataset = must(desk.project->freezeDataset({}));
        std::map<std::string, bool> labels;
        OK(forEachJsonLine(os::joinPath(dataset.dir, "unpaired.jsonl"), [&](const Json& row, size_t) -> Status {
            labels[row["completion"]] = row["label"];
            return {};
        }));
        const std::map<std::string, bool> expected{{items[0].a.content, true},
                                                   {items[0].b.content, false},
                                                   {items[1].a.content, true},
                                                   {items[1].b.content, true},
                                                   {items[2].b.content, false}};
        QVERIFY(labels == expected);
        QCOMPARE(dataset.counts.unpaired, int64_t{5});
        QVERIFY(must(desk.project->previewDataset({})) == dataset.counts);
        QCOMPARE(dataset.counts.train, int64_t{2});
    }

    void anEditIsACandidateAndAnImpliedJudgement() {
        Desk desk;
        const Id pair = withAnswers(desk, "Q", "first answer", "second answer");
        const LabelItem item = desk.next()[0];
        OK(desk.vote(item, Winner::A));
        const auto before = must(desk.project->currentJudgement(desk.task, desk.ada, pair));
        EditInput edit;
        edit.task = desk.task;
        edit.annotator = desk.ada;
        edit.comparison = pair;
        edit.ofA = false;
        edit.text = item.b.content + ", corrected";
        const EditAck ack = must(commitEdit(*desk.project, edit));
        QVERIFY(ack.ack.comparison != pair);
        const Candidate made = must(desk.project->candidate(ack.candidate));
        QCOMPARE(made.content, edit.text);
        QCOMPARE(made.parent, item.b.id);
        QVERIFY(made.provenance == Provenance::Human);
        const LabelItem both = must(desk.project->pairItem(ack.ack.comparison));
        QCOMPARE(both.comparison.source, std::string("edit"));
        const auto implied = must(desk.project->currentJudgement(desk.task, desk.ada, ack.ack.comparison));
        QVERIFY(implied && (implied->winner == Winner::A) == (both.a.content == edit.text));
        QVERIFY(!implied->strength);
        QCOMPARE(implied->attributes["implied"], Json("edit"));
        QCOMPARE(*implied->edited, edit.text);
        // The vote on the pair itself stays what it is.
        const auto after = must(desk.project->currentJudgement(desk.task, desk.ada, pair));
        QVERIFY(after->winner == before->winner && !after->edited);
        QCOMPARE(desk.project->counters().candidates, int64_t{3});
        QCOMPARE(desk.project->counters().comparisons, int64_t{2});
        QVERIFY(must(desk.project->check()).ok());
        // The row to train on: edited chosen, original rejected, and marked as implied.
        const auto dataset = must(desk.project->freezeDataset({}));
        bool found = false;
        OK(forEachJsonLine(os::joinPath(dataset.dir, "train.jsonl"), [&](const Json& row, size_t) -> Status {
            found = found || (row["chosen"] == edit.text && row["rejected"] == item.b.content &&
                              row["attributes"]["implied"] == "edit");
            return {};
        }));
        QVERIFY(found);
        // Once is enough, and it is never offered to the one who wrote it.
        QVERIFY(!commitEdit(*desk.project, edit));
        QVERIFY(desk.next(10).empty());
        // Undo takes both back, redo brings both again, and the vote before is not touched by either.
        QCOMPARE(must(desk.project->undo(desk.task, desk.ada)).comparison, ack.ack.comparison);
        QCOMPARE(desk.project->counters().candidates, int64_t{2});
        QCOMPARE(desk.project->counters().comparisons, int64_t{1});
        QCOMPARE(desk.project->currentVotes().size(), size_t{1});
        QVERIFY(must(desk.project->check()).ok());
        desk.reopen();
        QVERIFY(desk.next(10).empty()); // the hidden pair is not offered either
        OK(desk.project->redo(desk.task, desk.ada));
        QCOMPARE(desk.project->counters().candidates, int64_t{3});
        QCOMPARE(desk.project->currentVotes().size(), size_t{2});
        OK(desk.project->undo(desk.task, desk.ada));
        const EditAck again = must(commitEdit(*desk.project, edit)); // the same text is the same version
        QCOMPARE(again.candidate, ack.candidate);
        QCOMPARE(desk.project->counters().candidates, int64_t{3});
        QVERIFY(must(desk.project->check()).ok());
    }

    void undoLeavesAnEditThatSomebodyElseHasJudged() {
        Desk desk;
        const Id pair = withAnswers(desk, "Q", "first answer", "second answer");
        EditInput edit;
        edit.task = desk.task;
        edit.annotator = desk.ada;
        edit.comparison = pair;
        edit.text = "a better one";
        const EditAck ack = must(commitEdit(*desk.project, edit));
        const Id bo = must(desk.project->annotator(AnnotatorKind::Human, "Bo"));
        Project::NextOptions next;
        next.task = desk.task;
        next.annotator = bo;
        next.limit = 10;
        bool offered = false;
        for (const LabelItem& item : must(desk.project->next(next)))
            if (item.comparison.id == ack.ack.comparison) {
                JudgementInput in;
                in.winner = Winner::Tie;
                OK(desk.project->presentAndJudge(item.presentation, in));
                offered = true;
            }
        QVERIFY(offered);
        OK(desk.project->undo(desk.task, desk.ada));
        QCOMPARE(desk.project->counters().comparisons, int64_t{2});
        QCOMPARE(desk.project->currentVotes().size(), size_t{1});
        QVERIFY(must(desk.project->check()).ok());
    }

    void editsThatSayNothingAreRefused() {
        Desk desk;
        const Id pair = withAnswers(desk, "Q", "first answer", "second answer");
        const LabelItem item = must(desk.project->pairItem(pair));
        EditInput edit;
        edit.task = desk.task;
        edit.annotator = desk.ada;
        edit.comparison = pair;
        for (const std::string& text : {item.a.content, item.b.content, std::string(" \n"), std::string("\xff")}) {
            edit.text = text;
            QVERIFY(!commitEdit(*desk.project, edit));
        }
        QCOMPARE(desk.project->counters().candidates, int64_t{2});
        QCOMPARE(desk.project->counters().events, int64_t{0});
    }
};

QTEST_GUILESS_MAIN(TestTextMarks)
#include "tst_text_marks.moc"
