// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/import.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

/// Rows as the corpora and tools write them (their documented keys; the texts are ours).
class TestTextFormats : public QObject {
    Q_OBJECT

    static ParsedFile parse(const std::string& text, ImportFormat format = ImportFormat::Auto, const char* name = "in.jsonl") {
        ImportOptions options;
        options.format = format;
        options.maxRejectedShare = 1;
        return must(parseImport(text, name, options));
    }
    static std::string lines(std::initializer_list<Json> rows) {
        std::string out;
        for (const Json& row : rows)
            out += row.dump() + "\n";
        return out;
    }
    static Json turn(const char* role, const Json& content) { return {{"role", role}, {"content", content}}; }
    static Json feedback(double score, int rating, const char* text, const char* model) {
        Json annotations = Json::object();
        for (const char* aspect : {"instruction_following", "honesty", "truthfulness", "helpfulness"})
            annotations[aspect] = {{"Rating", std::to_string(rating)}, {"Rationale", "because"}};
        return {{"model", model}, {"response", text}, {"overall_score", score}, {"annotations", annotations}};
    }

private Q_SLOTS:
    void ultraFeedbackIsARankingByAJudge() {
        const auto file = parse(lines({{{"source", "evol"}, {"instruction", "Q"},
                                        {"completions", {feedback(7, 4, "good", "m1"), feedback(8.5, 5, "best", "m2"),
                                                         feedback(7, 3, "fine", "m3"), feedback(3, 2, "poor", "m4")}}}}));
        QCOMPARE(importFormatName(file.format), std::string("ultrafeedback"));
        QCOMPARE(file.rows.size(), size_t{1});
        const auto& row = file.rows[0];
        QCOMPARE(row.ranks, (std::vector<int>{2, 1, 2, 4}));
        QCOMPARE(row.texts[1].model, std::string("m2"));
        QVERIFY(row.by == AnnotatorKind::Judge);
    }

    /// UltraFeedback's known fault: a 1 that was read as 10.
    void aMisreadTenIsRefused() {
        const auto file = parse(lines({{{"instruction", "Q"}, {"completions", {feedback(10, 1, "bad", "m1"), feedback(6, 4, "good", "m2")}}},
                                       {{"instruction", "R"}, {"completions", {feedback(10, 5, "good", "m1"), feedback(6, 4, "fine", "m2")}}},
                                       {{"instruction", "S"}, {"completions", {feedback(12, 5, "good", "m1"), feedback(6, 4, "fine", "m2")}}}}));
        QCOMPARE(file.rows.size(), size_t{1});
        QCOMPARE(file.rows[0].prompt.content, std::string("R"));
        QCOMPARE(file.rejectedCount, int64_t{2});
        QVERIFY(file.rejected[0].reason.find("misread") != std::string::npos);
        QVERIFY(file.rejected[1].reason.find("outside 0 to 10") != std::string::npos);
    }

    void helpSteer2JoinsTwoRows() {
        const auto rows = [](const char* prompt, const char* text, Json helpfulness) {
            return Json{{"prompt", prompt}, {"response", text}, {"helpfulness", helpfulness}, {"correctness", 4}, {"coherence", 4},
                        {"complexity", 1}, {"verbosity", 2}};
        };
        const auto file = parse(lines({rows("Q", "poor", 1), rows("Q", "good", 4), rows("R", "same", 3), rows("R", "also", 3),
                                       rows("S", "alone", 2), rows("T", "x", Json::array({4, 3, 4})), rows("T", "y", Json::array({1, 2}))}));
        QCOMPARE(importFormatName(file.format), std::string("helpsteer2"));
        QCOMPARE(file.rows.size(), size_t{4});
        QCOMPARE(*file.rows[0].chosen, std::string("good"));
        QCOMPARE(*file.rows[0].strength, 3);
        QCOMPARE(file.rows[0].chosenAttributes["helpfulness"].get<double>(), 4.0);
        QCOMPARE(file.rows[0].rejectedAttributes["helpfulness"].get<double>(), 1.0);
        QVERIFY(file.rows[1].tie);
        QCOMPARE(file.rows[2].texts.size(), size_t{1}); // kept, for a pair to come
        QCOMPARE(*file.rows[3].chosen, std::string("x"));
        QCOMPARE(*file.rows[3].strength, 2); // 3.67 - 1.5
    }

    void helpSteer2PreferenceKeepsEveryRater() {
        const auto file = parse(lines({{{"split", "validation"},
                                        {"prompt", "first<extra_id_1>Assistant\nreply\n<extra_id_1>User\nsecond"},
                                        {"response_1", "one"},
                                        {"response_2", "two"},
                                        {"preference_strength", -2},
                                        {"preference_statement", "@Response 1 is better"},
                                        {"preference_elaboration", "..."},
                                        {"all_preferences_unprocessed",
                                         {{{"strength", -3}, {"justification", "@Response 1 answers, @Response 2 does not"}},
                                          {{"strength", 1}, {"justification", "@Response 2 is shorter"}},
                                          {{"strength", 0}, {"justification", "@Response 1 is as good"}}}}},
                                       {{"split", "train"}, {"prompt", "Q"}, {"response_1", "one"}, {"response_2", "two"},
                                        {"preference_strength", 3}, {"preference_statement", "@Response 2 wins"}}}));
        QCOMPARE(importFormatName(file.format), std::string("helpsteer2_preference"));
        QCOMPARE(file.rows.size(), size_t{4});
        QCOMPARE(file.rows[0].prompt.content,
                 std::string(R"([{"content":"first","role":"user"},{"content":"reply","role":"assistant"},{"content":"second","role":"user"}])"));
        QVERIFY(file.rows[0].prompt.split == Split::Dev);
        QCOMPARE(*file.rows[0].chosen, std::string("one")); // negative: the first is better
        QCOMPARE(*file.rows[0].strength, 3);
        QCOMPARE(file.rows[0].rationale, std::string("the chosen answer answers, the rejected answer does not"));
        QCOMPARE(file.rows[0].annotator, std::string("rater 1"));
        QCOMPARE(*file.rows[1].chosen, std::string("two"));
        QCOMPARE(file.rows[1].rationale, std::string("the chosen answer is shorter"));
        QVERIFY(file.rows[2].tie && !file.rows[2].strength);
        QCOMPARE(file.rows[2].rationale, std::string("the first answer is as good"));
        QCOMPARE(*file.rows[3].chosen, std::string("two"));
        QCOMPARE(file.rows[3].annotator, std::string("raters together"));
    }

    void helpSteer3() {
        const auto file = parse(lines({{{"domain", "general"}, {"language", "english"}, {"context", {turn("user", "Q")}}, {"response1", "one"},
                                        {"response2", "two"}, {"overall_preference", 1},
                                        {"individual_preference", {{{"score", 2}, {"reasoning", "clear"}}, {{"score", -1}, {"reasoning", "hm"}}}}},
                                       {{"context", {turn("user", "Q")}}, {"response1", "x"}, {"response2", "y"}, {"overall_preference", 5}}}));
        QCOMPARE(importFormatName(file.format), std::string("helpsteer3"));
        QCOMPARE(file.rows.size(), size_t{2});
        QCOMPARE(*file.rows[0].chosen, std::string("two"));
        QCOMPARE(*file.rows[1].chosen, std::string("one"));
        QVERIFY(file.rejected.at(0).reason.find("outside -3 to 3") != std::string::npos);
    }

    void arenas() {
        const Json part = Json::array({{{"type", "text"}, {"text", "Q"}}});
        const auto battle = [&](const char* winner, const Json& asked) {
            return Json{{"id", "1"}, {"model_a", "ma"}, {"model_b", "mb"}, {"winner", winner},
                        {"conversation_a", {turn("user", asked), turn("assistant", "one")}},
                        {"conversation_b", {turn("user", asked), turn("assistant", "two")}}};
        };
        Json parted = battle("model_a", "Q");
        parted["conversation_b"] = {turn("user", "Q"), turn("assistant", "x"), turn("user", "R"), turn("assistant", "y")};
        parted["conversation_a"] = {turn("user", "Q"), turn("assistant", "z"), turn("user", "R"), turn("assistant", "y")};
        Json picture = battle("model_a", Json::array({{{"type", "image"}, {"image", "x"}}}));
        const auto file = parse(lines({battle("model_b", part), battle("both_bad", "Q2"), battle("tie (bothbad)", "Q3"), battle("tie", "Q4"),
                                       parted, picture, battle("nobody", "Q5")}));
        QCOMPARE(importFormatName(file.format), std::string("lmarena"));
        QCOMPARE(file.rows.size(), size_t{4});
        QCOMPARE(file.rows[0].prompt.content, std::string("Q"));
        QCOMPARE(*file.rows[0].chosen, std::string("two"));
        QCOMPARE(file.rows[0].chosenModel, std::string("mb"));
        QVERIFY(file.rows[1].tie && file.rows[1].chosenBad && file.rows[1].rejectedBad && file.rows[1].tieKind == TieKind::BothBad);
        QVERIFY(file.rows[2].tieKind == TieKind::BothBad);
        QVERIFY(file.rows[3].tie && !file.rows[3].chosenBad);
        QVERIFY(file.rejected[0].reason.find("differ before") != std::string::npos);
        QVERIFY(file.rejected[1].reason.find("image") != std::string::npos);
        QVERIFY(file.rejected[2].reason.find("nobody") != std::string::npos);
    }

    /// JSON inside the cells of a CSV, with line ends and doubled quotes.
    void lmsysIsACsv() {
        const auto file = parse("id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n"
                                "1,ma,mb,\"[\"\"Say \\\"\"hi\\\"\"\"\"]\",\"[\"\"one\"\"]\",\"[\"\"two\"\"]\",0,1,0\n"
                                "2,ma,mb,\"[\"\"Q\"\"]\",\"[\"\"one\"\"]\",\"[\"\"two\"\"]\",0,0,1\n"
                                "3,ma,mb,\"[\"\"Q\"\"]\",\"[null]\",\"[\"\"two\"\"]\",1,0,0\n",
                                ImportFormat::Auto, "train.csv");
        QCOMPARE(importFormatName(file.format), std::string("lmarena"));
        QCOMPARE(file.rows.size(), size_t{2});
        QCOMPARE(file.rows[0].prompt.content, std::string("Say \"hi\""));
        QCOMPARE(*file.rows[0].chosen, std::string("two"));
        QVERIFY(file.rows[1].tie);
        QCOMPARE(file.rejectedCount, int64_t{1});
        QCOMPARE(file.rejected[0].line, size_t{4});
    }

    void rewardBench() {
        const auto second = parse(lines({{{"id", "1"}, {"prompt", "Q"}, {"chosen", {"right"}}, {"rejected", {"wrong", "worse", "right"}},
                                          {"models", {"m1", "m2", "m3", "m4"}}, {"subset", "Math"}}}));
        QCOMPARE(importFormatName(second.format), std::string("reward_bench_2"));
        QCOMPARE(second.rows[0].ranks, (std::vector<int>{1, 2, 2})); // the repeated text is one answer, with its best place
        QCOMPARE(second.rows[0].texts[2].model, std::string("m3"));
        const auto first = parse(lines({{{"id", 1}, {"prompt", "Q"}, {"chosen", "a"}, {"chosen_model", "m1"}, {"rejected", "b"},
                                         {"rejected_model", "m2"}, {"subset", "alpacaeval-easy"}}}));
        QCOMPARE(importFormatName(first.format), std::string("reward_bench"));
        QCOMPARE(first.rows[0].rejectedModel, std::string("m2"));
        QCOMPARE(first.rows[0].prompt.tags, (std::vector<std::string>{"alpacaeval-easy"}));
        QCOMPARE(*first.rows[0].chosen, std::string("a"));
        // Its columns as a table; what lacks one, or has a list where a text belongs, is no row of it.
        const auto table = parse("id,prompt,chosen,chosen_model,rejected,rejected_model,subset\n1,Q,a,m1,b,m2,math\n2,R,a,m1,,m2,math\n",
                                 ImportFormat::Auto, "in.csv");
        QCOMPARE(importFormatName(table.format), std::string("reward_bench"));
        QCOMPARE(table.rows.size(), size_t{1});
        QVERIFY2(table.rejected[0].reason.find("lacks what a row of reward_bench has") != std::string::npos, table.rejected[0].reason.c_str());
        const auto broken = parse(lines({{{"prompt", "Q"}, {"chosen", "a"}, {"chosen_model", "m"}, {"rejected", {"b"}}, {"rejected_model", "m"}, {"subset", "s"}},
                                         {{"prompt", "Q"}, {"chosen", "a"}, {"chosen_model", "m"}, {"rejected", "b"}, {"rejected_model", "m"}, {"subset", "s"}}}),
                                  ImportFormat::RewardBench);
        QCOMPARE(broken.rows.size(), size_t{1});
        QVERIFY(broken.rejected[0].reason.find("\"rejected\" is no text") != std::string::npos);
    }

    void llamaFactoryIsAnArray() {
        const Json all = Json::array({{{"instruction", "Translate"}, {"input", "Hund"}, {"chosen", "dog"}, {"rejected", "cat"},
                                       {"history", Json::array({Json::array({"Hello", "Hi"})})}},
                                      {{"conversations", {{{"from", "human"}, {"value", "Q"}}}}, {"chosen", {{"from", "gpt"}, {"value", "yes"}}},
                                       {"rejected", {{"from", "gpt"}, {"value", "no"}}}}});
        const auto file = parse(all.dump(2), ImportFormat::Auto, "data.json");
        QCOMPARE(importFormatName(file.format), std::string("llama_factory"));
        QCOMPARE(file.rows.size(), size_t{2});
        QCOMPARE(file.rows[0].prompt.content,
                 std::string(R"([{"content":"Hello","role":"user"},{"content":"Hi","role":"assistant"},{"content":"Translate\nHund","role":"user"}])"));
        QCOMPARE(*file.rows[1].chosen, std::string("yes"));
    }

    void argillaInItsThreeForms() {
        const auto nested = Json{{"id", "r1"}, {"status", "completed"},
                                 {"fields", {{"prompt", "Q"}, {"response_1", "one"}, {"response_2", "two"}}},
                                 {"responses", {{"preference", {{{"value", {"response_2", "response_1"}}, {"user_id", "u1"}, {"status", "submitted"}},
                                                                {{"value", {"response_1", "response_2"}}, {"user_id", "u2"}, {"status", "draft"}}}}}}};
        const auto file = parse(lines({nested}));
        QCOMPARE(importFormatName(file.format), std::string("argilla"));
        QCOMPARE(file.rows.size(), size_t{1}); // a draft is no vote
        QCOMPARE(*file.rows[0].chosen, std::string("two"));
        QCOMPARE(file.rows[0].annotator, std::string("u1"));

        const auto flat = parse(lines({{{"id", "r1"}, {"prompt", "Q"}, {"response-a", "one"}, {"response-b", "two"},
                                        {"label.responses", {"response-a", "tie", "response-b"}},
                                        {"label.responses.users", {"u1", "u2", "u3"}},
                                        {"label.responses.status", {"submitted", "submitted", "discarded"}}}}));
        QCOMPARE(flat.rows.size(), size_t{2});
        QCOMPARE(*flat.rows[0].chosen, std::string("one"));
        QVERIFY(flat.rows[1].tie);

        const auto ranked = parse(lines({{{"prompt", "Q"}, {"response-1", "one"}, {"response-2", "two"}, {"response-3", "three"},
                                          {"ranking", {{{"user_id", "u1"}, {"status", "submitted"},
                                                        {"value", {{{"rank", 2}, {"value", "response-1"}}, {{"rank", 1}, {"value", "response-2"}},
                                                                   {{"rank", 2}, {"value", "response-3"}}}}}}}}}),
                                  ImportFormat::Argilla);
        QCOMPARE(ranked.rows.size(), size_t{1}); // the first edition keeps ranks
        QCOMPARE(ranked.rows[0].ranks, (std::vector<int>{2, 1, 2}));
        const auto nobody = parse(lines({{{"fields", {{"instruction", "Q"}, {"answer1", "one"}, {"answer2", "two"}}}, {"responses", Json::object()}}}));
        QCOMPARE(nobody.rows.size(), size_t{1});
        QVERIFY(!nobody.rows[0].chosen && nobody.rows[0].texts.size() == 2 && nobody.rows[0].ranks.empty());
    }

    void labelStudio() {
        const auto pairwise = [](const char* side, bool cancelled, const Json& who) {
            return Json{{"id", 7}, {"completed_by", who}, {"was_cancelled", cancelled},
                        {"result", {{{"type", "pairwise"}, {"from_name", "pw"}, {"to_name", "pw"}, {"value", {{"selected", side}}}}}}};
        };
        const Json tasks = Json::array(
            {{{"id", 1}, {"data", {{"prompt", "Q"}, {"answer1", "one"}, {"answer2", "two"}}},
              {"annotations", {pairwise("right", false, 3), pairwise("left", true, 4), pairwise("left", false, {{"id", 5}, {"email", "a@b.c"}})}}},
             {{"id", 2}, {"data", {{"prompt", "R"}, {"items", {{{"id", "x"}, {"title", "X"}, {"body", "text x"}}, {{"id", "y"}, {"body", "text y"}},
                                                               {{"id", "z"}, {"body", "text z"}}}}}},
              {"annotations", {{{"id", 8}, {"completed_by", 3}, {"was_cancelled", false},
                                {"result", {{{"type", "ranker"}, {"value", {{"ranker", {{"rank", {"z", "x", "y"}}, {"_", Json::array()}}}}}}}}}}}}});
        const auto file = parse(tasks.dump(), ImportFormat::Auto, "export.json");
        QCOMPARE(importFormatName(file.format), std::string("label_studio"));
        QCOMPARE(file.rows.size(), size_t{3});
        QCOMPARE(*file.rows[0].chosen, std::string("two"));
        QCOMPARE(file.rows[0].annotator, std::string("annotator 3"));
        QCOMPARE(*file.rows[1].chosen, std::string("one"));
        QCOMPARE(file.rows[1].annotator, std::string("a@b.c"));
        QCOMPARE(file.rows[2].ranks, (std::vector<int>{2, 3, 1}));
    }

    void arraysAreReadElementByElement() {
        const auto file = parse("[\n {\"prompt\": \"Q, [1] \\\"]\\\"\", \"chosen\": \"a\", \"rejected\": \"b\"},\n {\"prompt\": 5},\n"
                                " {\"prompt\": \"R\", \"chosen\": \"a\", \"rejected\": \"b\"}]");
        QCOMPARE(file.rows.size(), size_t{2});
        QCOMPARE(file.rows[0].prompt.content, std::string("Q, [1] \"]\""));
        QCOMPARE(file.rejected[0].line, size_t{2});
        const auto torn = parse("[{\"prompt\": \"Q\", \"chosen\": \"a\", \"rejected\": \"b\"},\n{\"prompt\": \"R\", \"cho");
        QCOMPARE(torn.rows.size(), size_t{1});
        QVERIFY(torn.rejected.at(0).reason.find("cut off") != std::string::npos);
        QCOMPARE(parse("[1] What is a lake?\nWhat is a hill?\n", ImportFormat::Auto, "prompts.txt").rows.size(), size_t{2}); // plain prompts
        QCOMPARE(parse("What is a lake, and a pond?\nWhat is a hill?\n", ImportFormat::Auto, "prompts.txt").rows.size(), size_t{2});
    }

    /// Broken in every place: a reason, never an exception.
    void anyBrokenRowIsAReason() {
        const std::vector<Json> good{
            {{"instruction", "Q"}, {"completions", {feedback(7, 4, "good", "m1"), feedback(3, 2, "poor", "m4")}}},
            {{"prompt", "Q"}, {"response", "x"}, {"helpfulness", 3}},
            {{"prompt", "Q"}, {"response_1", "one"}, {"response_2", "two"}, {"preference_strength", 3},
             {"all_preferences_unprocessed", {{{"strength", 1}}}}},
            {{"context", {turn("user", "Q")}}, {"response1", "one"}, {"response2", "two"}, {"overall_preference", 1}},
            {{"winner", "model_a"}, {"model_a", "a"}, {"model_b", "b"}, {"conversation_a", {turn("user", "Q"), turn("assistant", "x")}},
             {"conversation_b", {turn("user", "Q"), turn("assistant", "y")}}},
            {{"prompt", "Q"}, {"chosen", {"x"}}, {"rejected", {"y"}}},
            {{"conversations", {{{"from", "human"}, {"value", "Q"}}}}, {"chosen", {{"from", "gpt"}, {"value", "x"}}},
             {"rejected", {{"from", "gpt"}, {"value", "y"}}}},
            {{"fields", {{"prompt", "Q"}, {"response1", "x"}, {"response2", "y"}}}, {"responses", {{"q", {{{"value", {"response1"}}}}}}}},
            {{"data", {{"prompt", "Q"}, {"answer1", "x"}, {"answer2", "y"}, {"items", {{{"id", "x"}, {"body", "z"}}}}}},
             {"annotations", {{{"completed_by", 1}, {"result", {{{"type", "pairwise"}, {"value", {{"selected", "left"}}}}}}}}}}};
        int tried = 0;
        for (const Json& row : good) {
            const auto paths = row.flatten();
            for (const auto& [path, value] : paths.items())
                for (Json::json_pointer at(path);; at = at.parent_pointer()) {
                    for (const Json& instead : {Json(), Json(5), Json("x"), Json::array(), Json::array({Json()}), Json::object(), Json(true),
                                                Json::array({Json::array({1})})}) {
                        Json broken = row;
                        broken[at] = instead;
                        ImportOptions options;
                        options.maxRejectedShare = 1;
                        parseImport(broken.dump() + "\n" + row.dump() + "\n", "in.jsonl", options);
                        parseImport(row.dump() + "\n" + broken.dump() + "\n", "in.jsonl", options);
                        ++tried;
                    }
                    if (at.empty() || at.parent_pointer().empty())
                        break;
                }
        }
        QVERIFY(tried > 500);
    }

    void whatIsReadReachesTheProject() {
        Desk desk;
        const std::string path = desk.temp.path().toStdString() + "/in.jsonl";
        must(os::writeFileAtomic(path, lines({{{"split", "train"}, {"prompt", "Q"}, {"response_1", "one"}, {"response_2", "two"},
                                               {"preference_strength", -2},
                                               {"all_preferences_unprocessed", {{{"strength", -3}, {"justification", "@Response 1 answers"}},
                                                                                {{"strength", 1}, {"justification", "shorter"}}}}}})));
        const auto report = must(importFile(*desk.project, path));
        QCOMPARE(report.counts.votes, int64_t{2});
        QCOMPARE(report.counts.pairs, int64_t{1});
        const auto again = must(importFile(*desk.project, path));
        QCOMPARE(again.counts.votes, int64_t{0});
        QCOMPARE(again.counts.duplicates, int64_t{2});

        must(os::writeFileAtomic(path, lines({{{"instruction", "R"}, {"completions", {feedback(7, 4, "good", "m1"), feedback(9, 5, "best", "m2"),
                                                                                      feedback(3, 2, "poor", "m3")}}}})));
        ImportOptions train;
        train.split = Split::Train;
        QCOMPARE(must(importFile(*desk.project, path, train)).counts.votes, int64_t{1});
        DatasetSpec spec;
        spec.name = "all";
        const auto set = must(desk.project->freezeDataset(spec));
        QCOMPARE(set.counts.rankings, int64_t{1});
        QCOMPARE(set.counts.rankedTrain, int64_t{3});
        const auto pairs = must(readPairs(set.dir + "/train.jsonl"));
        int ranked = 0;
        for (const auto& pair : pairs)
            if (pair.prompt == "R") {
                ++ranked;
                QVERIFY(pair.chosen != "poor" && pair.rejected != "best");
                QVERIFY(std::abs(pair.weight - 1.0 / 3) < 1e-12);
            }
        QCOMPARE(ranked, 3);
        QCOMPARE(set.counts.trainPairs(), int64_t(pairs.size()));
        const auto facts = must(desk.project->pairFacts());
        QVERIFY(std::any_of(facts.begin(), facts.end(), [](const auto& f) { return f.second.modelA.starts_with("m"); }));
    }

    void badMarksAndAttributesFollowTheirAnswer() {
        Desk desk;
        const std::string path = desk.temp.path().toStdString() + "/in.jsonl";
        std::string text;
        for (int i = 0; i < 20; ++i) // whichever way the hashes sort
            text += Json{{"prompt", "Q" + std::to_string(i)}, {"response", "poor " + std::to_string(i)}, {"helpfulness", 0}}.dump() + "\n" +
                    Json{{"prompt", "Q" + std::to_string(i)}, {"response", "good " + std::to_string(i)}, {"helpfulness", 4}}.dump() + "\n";
        must(os::writeFileAtomic(path, text));
        QCOMPARE(must(importFile(*desk.project, path)).counts.votes, int64_t{20});
        int aBetter = 0;
        for (const CurrentVote& vote : std::vector<CurrentVote>(desk.project->currentVotes())) {
            const auto item = must(desk.project->pairItem(vote.comparison));
            const auto judgement = *must(desk.project->currentJudgement(vote.task, vote.annotator, vote.comparison));
            const bool aGood = item.a.content.starts_with("good");
            QVERIFY(vote.winner == (aGood ? Winner::A : Winner::B));
            QCOMPARE(judgement.attributes["a"]["helpfulness"].get<double>(), aGood ? 4.0 : 0.0);
            QCOMPARE(judgement.attributes["b"]["helpfulness"].get<double>(), aGood ? 0.0 : 4.0);
            aBetter += aGood;
        }
        QVERIFY(aBetter > 0 && aBetter < 20);
        std::vector<ImportRow> marked;
        for (int i = 0; i < 20; ++i) {
            ImportRow row;
            row.prompt.content = "M" + std::to_string(i);
            row.chosen = "good m" + std::to_string(i);
            row.rejected = "poor m" + std::to_string(i);
            row.rejectedBad = true;
            marked.push_back(row);
        }
        must(desk.project->importRows({"marked", "sha", "trl", desk.task, "imported"}, marked));
        int seenMarks = 0;
        for (const CurrentVote& vote : std::vector<CurrentVote>(desk.project->currentVotes())) {
            const auto item = must(desk.project->pairItem(vote.comparison));
            if (!item.prompt.content.starts_with("M"))
                continue;
            const bool aGood = item.a.content.starts_with("good");
            QCOMPARE(vote.badA, !aGood);
            QCOMPARE(vote.badB, aGood);
            ++seenMarks;
        }
        QCOMPARE(seenMarks, 20);
        must(desk.project->revertImport(must(desk.project->importBatches())[0].id));
        // A frozen row speaks of chosen and rejected.
        DatasetSpec spec;
        spec.name = "all";
        const auto set = must(desk.project->freezeDataset(spec));
        std::istringstream rows(must(os::readFile(set.dir + "/train.jsonl")));
        int seen = 0;
        for (std::string line; std::getline(rows, line); ++seen) {
            const Json row = Json::parse(line);
            QCOMPARE(row["attributes"]["chosen"]["helpfulness"].get<double>(), 4.0);
            QCOMPARE(row["attributes"]["rejected"]["helpfulness"].get<double>(), 0.0);
        }
        QVERIFY(seen > 5);
    }
};

QTEST_GUILESS_MAIN(TestTextFormats)
#include "tst_text_formats.moc"
