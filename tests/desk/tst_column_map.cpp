// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include "core/base/os/files.h"
#include "core/desk/exchange/column_map.h"
#include "core/desk/exchange/pair_files.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {
ImportOptions by(const Json& map) {
    ImportOptions options;
    options.map = std::make_shared<const ColumnMap>(must(ColumnMap::fromJson(map)));
    options.maxRejectedShare = 1;
    return options;
}
ParsedFile parse(const std::string& text, const Json& map) { return must(parseImport(text, "in.jsonl", by(map))); }
std::string lines(std::initializer_list<Json> rows) {
    std::string out;
    for (const Json& row : rows)
        out += row.dump() + "\n";
    return out;
}
std::string why(const Json& map) {
    const auto parsed = ColumnMap::fromJson(map);
    return parsed ? "" : parsed.error().toString();
}
} // namespace

class TestColumnMap : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void pathsReachIntoRows() {
        const Json row{{"a", {{"b", {{{"c", "deep"}}, {{"c", "last"}}}}}}, {"x.y", {{"[0]", "dotted"}}}, {"n", nullptr}};
        const auto at = [&](const char* path) {
            const Json* found = must(ColumnPath::parse(path)).find(row);
            return found ? found->get<std::string>() : std::string("-");
        };
        QCOMPARE(at("a.b[0].c"), std::string("deep"));
        QCOMPARE(at("a.b[-1].c"), std::string("last"));
        QCOMPARE(at("[\"x.y\"][\"[0]\"]"), std::string("dotted"));
        QCOMPARE(ColumnPath::step("x.y") + ColumnPath::step("[0]"), std::string("[\"x.y\"][\"[0]\"]"));
        for (const char* nothing : {"a.b[2].c", "a.b[-3].c", "a.c", "a[0]", "a.b.c", "n", "a.b[0].c.d"})
            QCOMPARE(at(nothing), std::string("-"));
        for (const char* bad : {"", ".", "a.", "a..b", ".a", "a[", "a[x]", "a[1", "a[]", "a[\"b]", "a[99999999999]"})
            QVERIFY2(!ColumnPath::parse(bad), bad);
    }

    void answersAndAWinnerColumn() {
        const Json map{{"prompt", "q"}, {"a", "out[0].text"}, {"b", "out[1].text"}, {"winner", "choice"},
                       {"winner_values", {{"left", "a"}, {"right", "b"}, {"same", "tie"}, {"0", "both_bad"}, {"skip", "none"}}},
                       {"strength", "how"}, {"strength_values", {{"a bit", 1}, {"much", 3}}}, {"annotator", "who.name"}, {"rationale", "why"},
                       {"model_a", "out[0].by"}, {"model_b", "out[1].by"}, {"split", "part"}, {"tags", "topic"},
                       {"attributes", {{"helpfulness", {"h[0]", "h[1]"}}}}};
        const auto row = [](const Json& choice, const char* how) {
            return Json{{"q", "Q"}, {"out", {{{"text", "one"}, {"by", "m1"}}, {{"text", "two"}, {"by", "m2"}}}}, {"choice", choice}, {"how", how},
                        {"who", {{"name", "Ada"}}}, {"why", "because"}, {"part", "validation"}, {"topic", {"x", "y"}}, {"h", {"1", 4}}};
        };
        const auto file = parse(lines({row("right", "much"), row("left", "a bit"), row("same", "much"), row(0, "much"), row("skip", "much"),
                                       row("middle", "much"), row("left", "none")}),
                                map);
        QCOMPARE(importFormatName(file.format), std::string("mapped"));
        QCOMPARE(file.rows.size(), size_t{5});
        const ImportRow& right = file.rows[0];
        QCOMPARE(*right.chosen, std::string("two"));
        QCOMPARE(*right.rejected, std::string("one"));
        QCOMPARE(right.chosenModel, std::string("m2"));
        QCOMPARE(*right.strength, 3);
        QCOMPARE(right.annotator, std::string("Ada"));
        QCOMPARE(right.rationale, std::string("because"));
        QVERIFY(right.prompt.split == Split::Dev);
        QCOMPARE(right.prompt.tags, (std::vector<std::string>{"x", "y"}));
        QCOMPARE(right.chosenAttributes["helpfulness"].get<double>(), 4.0);
        QCOMPARE(right.rejectedAttributes["helpfulness"].get<double>(), 1.0);
        QCOMPARE(*file.rows[1].chosen, std::string("one"));
        QCOMPARE(*file.rows[1].strength, 1);
        QVERIFY(file.rows[2].tie && file.rows[2].tieKind == TieKind::None && !file.rows[2].strength);
        QVERIFY(file.rows[3].tie && file.rows[3].tieKind == TieKind::BothBad && file.rows[3].chosenBad && file.rows[3].rejectedBad);
        QVERIFY(!file.rows[4].chosen && file.rows[4].texts.size() == 2 && file.rows[4].ranks.empty());
        QCOMPARE(file.rejectedCount, int64_t{2});
        QCOMPARE(file.rejected[0].line, size_t{6});
        QVERIFY(file.rejected[0].reason.find("middle") != std::string::npos && file.rejected[0].reason.find("choice") != std::string::npos);
        QVERIFY(file.rejected[1].reason.find("none") != std::string::npos);
    }

    void pointsScoresAndTheUsualWords() {
        const auto one = [](const Json& extra, const Json& more) {
            Json row{{"q", "Q"}, {"x", "one"}, {"y", "two"}}, map{{"prompt", "q"}, {"a", "x"}, {"b", "y"}};
            row.update(extra);
            map.update(more);
            const auto file = parse(row.dump(), map);
            if (file.rows.empty())
                return std::string("rejected");
            const ImportRow& r = file.rows[0];
            return r.tie ? std::string("tie") : !r.chosen ? "open" : *r.chosen + (r.strength ? std::to_string(*r.strength) : "");
        };
        QCOMPARE(one({{"p", -2}}, {{"points", "p"}}), std::string("one2"));
        QCOMPARE(one({{"p", "3"}}, {{"points", "p"}}), std::string("two3"));
        QCOMPARE(one({{"p", -2}}, {{"points", "p"}, {"negative_is", "b"}}), std::string("two2"));
        QCOMPARE(one({{"p", 0}}, {{"points", "p"}, {"negative_is", "b"}}), std::string("tie"));
        QCOMPARE(one({{"p", nullptr}}, {{"points", "p"}}), std::string("open"));
        QCOMPARE(one({{"s", {1.5, 2}}}, {{"score_a", "s[0]"}, {"score_b", "s[1]"}}), std::string("two"));
        QCOMPARE(one({{"s", {2, 2}}}, {{"score_a", "s[0]"}, {"score_b", "s[1]"}}), std::string("tie"));
        QCOMPARE(one({{"w", "MODEL_B"}}, {{"winner", "w"}}), std::string("two"));
        QCOMPARE(one({{"w", 1}}, {{"winner", "w"}}), std::string("one"));
        QCOMPARE(one({{"w", true}}, {{"winner", "w"}, {"winner_values", {{"true", "b"}, {"false", "a"}}}}), std::string("two"));
    }

    void conversationsAndCsv() {
        const Json longer = {{{"from", "human"}, {"value", "Q"}}, {{"from", "gpt"}, {"value", "good"}}};
        Json other = longer;
        other[1]["value"] = "poor";
        const auto chat = parse(lines({{{"yes", longer}, {"no", other}}}), {{"chosen", "yes"}, {"rejected", "no"}});
        QCOMPARE(chat.rows[0].prompt.content, std::string("Q"));
        QCOMPARE(*chat.rows[0].chosen, std::string("good"));
        other[0]["value"] = "another question";
        const Json differs{{"yes", longer}, {"no", other}};
        other[0]["value"] = "Q";
        const auto mixed = parse(lines({differs, {{"yes", longer}, {"no", other}}}), {{"chosen", "yes"}, {"rejected", "no"}});
        QCOMPARE(mixed.rejectedCount, int64_t{1});
        QCOMPARE(mixed.rows.size(), size_t{1});
        const auto table = must(parseImport("frage,\"links, roh\",rechts,wahl\nQ,\"eins\nzwei\",drei,rechts\nR,x,y,links\n", "t.csv",
                                            by({{"prompt", "frage"}, {"a", "links, roh"}, {"b", "rechts"}, {"winner", "wahl"},
                                                {"winner_values", {{"links", "a"}, {"rechts", "b"}}}})));
        QCOMPARE(table.rows.size(), size_t{2});
        QCOMPARE(*table.rows[0].rejected, std::string("eins\nzwei"));
        QCOMPARE(*table.rows[1].chosen, std::string("x"));
        const auto prompts = parse(lines({{{"task", "Do this"}}, {{"task", ""}}, {{"other", 1}}}), {{"prompt", "task"}});
        QCOMPARE(prompts.rows.size(), size_t{1});
        QCOMPARE(prompts.rejectedCount, int64_t{2});
    }

    void mappingsAreCheckedAndSpoken() {
        QVERIFY(why({{"prompt", "q"}, {"a", "x"}}).find("answer b") != std::string::npos);
        QVERIFY(why({{"prompt", "q"}, {"promt", "x"}}).find("promt") != std::string::npos);
        QVERIFY(why({{"prompt", "q"}, {"a", "x"}, {"b", "y"}, {"chosen", "c"}}).find("both") != std::string::npos);
        QVERIFY(why({{"prompt", "q"}, {"a", "x"}, {"b", "y"}, {"winner", "w"}, {"points", "p"}}).find("several") != std::string::npos);
        QVERIFY(why({{"prompt", "q"}, {"a", "x["}, {"b", "y"}}).find("\"a\"") != std::string::npos);
        QVERIFY(why({{"prompt", "q"}, {"a", "x"}, {"b", "y"}, {"winner", "w"}, {"winner_values", {{"l", "left"}}}}).find("left") != std::string::npos);
        QVERIFY(!why({{"prompt", "q"}, {"strength", "s"}}).empty());
        QVERIFY(!why(Json::object()).empty() && !why(5).empty() && !why({{"prompt", 5}}).empty());
        QVERIFY(!why({{"prompt", "q"}, {"chosen", "c"}, {"rejected", "r"}, {"attributes", {{"h", {"x"}}}}}).empty());
        const Json full{{"prompt", "q"}, {"a", "x"}, {"b", "y"}, {"points", "p"}, {"negative_is", "b"}, {"split", "s"}, {"split_values", {{"held", "dev"}}},
                        {"strength", "t"}, {"strength_values", {{"big", 3}}}, {"attributes", {{"h", {"m", "n"}}}}};
        QCOMPARE(must(ColumnMap::fromJson(full)).toJson(), full);
    }

    void theGuessReadsWhatIsUsual() {
        const auto guess = [](const std::string& text) { return must(previewColumns(text, "in")).guess.toJson(); };
        QCOMPARE(guess(lines({{{"question", "Q"}, {"response_a", "x"}, {"response_b", "y"}, {"model_a", "m"}, {"model_b", "n"}, {"winner", "model_a"},
                               {"judge", "Ada"}, {"split", "train"}}})),
                 (Json{{"prompt", "question"}, {"a", "response_a"}, {"b", "response_b"}, {"model_a", "model_a"}, {"model_b", "model_b"},
                       {"winner", "winner"}, {"winner_values", {{"model_a", "a"}}}, {"annotator", "judge"}, {"split", "split"}}));
        QCOMPARE(guess(lines({{{"in", {{"prompt", "Q"}}}, {"answers", {{{"text", "x"}}, {{"text", "y"}}}}, {"preference", -2}, {"reason", "r"}},
                              {{"in", {{"prompt", "R"}}}, {"answers", {{{"text", "x"}}, {{"text", "z"}}}}, {"preference", 1}, {"reason", "r"}}})),
                 (Json{{"prompt", "in.prompt"}, {"a", "answers[0].text"}, {"b", "answers[1].text"}, {"points", "preference"}, {"negative_is", "a"},
                       {"rationale", "reason"}}));
        QCOMPARE(guess("id,instruction,preferred_text,rejected_text\n1,Q,x,y\n2,R,x,z\n"),
                 (Json{{"prompt", "instruction"}, {"chosen", "preferred_text"}, {"rejected", "rejected_text"}}));
        QCOMPARE(guess(lines({{{"prompt", "Q"}, {"output1", "x"}, {"output2", "y"}, {"choice", 0}}, {{"prompt", "R"}, {"output1", "x"}, {"output2", "y"}, {"choice", 1}}})),
                 (Json{{"prompt", "prompt"}, {"a", "output1"}, {"b", "output2"}, {"winner", "choice"}, {"winner_values", {{"0", "a"}, {"1", "b"}}}}));
        QVERIFY(!previewColumns("", "empty"));
        QVERIFY(!previewColumns("[1, 2]", "numbers"));
    }

    void aMappedFileIsIdempotentAndRevertsInOneStep() {
        Desk desk;
        const std::string path = desk.temp.path().toStdString() + "/votes.csv.gz";
        gzFile out = gzopen(path.c_str(), "wb");
        const std::string text = "q,left,right,pick,who\nQ,one,two,left,Ada\nQ,one,two,right,Bob\nR,three,four,same,Ada\nS,five,six,,Ada\nT,x,x,left,Ada\n";
        QCOMPARE(gzwrite(out, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
        gzclose(out);
        const Json map{{"prompt", "q"}, {"a", "left"}, {"b", "right"}, {"winner", "pick"}, {"annotator", "who"}};
        const Counters before = desk.project->counters();
        auto options = by(map);
        options.dryRun = true;
        const auto dry = must(importFile(*desk.project, path, options));
        QCOMPARE(dry.counts.votes, int64_t{3});
        QCOMPARE(dry.rejectedCount, int64_t{1});
        QVERIFY(desk.project->counters() == before);
        options.dryRun = false;
        const auto first = must(importFile(*desk.project, path, options));
        QCOMPARE(first.format, std::string("mapped"));
        QCOMPARE(first.counts.pairs, int64_t{3});
        QCOMPARE(first.counts.votes, int64_t{3});
        const auto again = must(importFile(*desk.project, path, options));
        QCOMPARE(again.counts.duplicates, int64_t{4});
        QCOMPARE(again.counts.votes + again.counts.pairs + again.counts.prompts, int64_t{0});
        QCOMPARE(must(desk.project->importBatches()).size(), size_t{1});
        must(desk.project->revertImport(must(desk.project->importBatches())[0].id));
        const Counters after = desk.project->counters();
        QCOMPARE(after.prompts, before.prompts);
        QCOMPARE(after.comparisons, before.comparisons);
        QCOMPARE(after.current, before.current);
        QVERIFY(must(desk.project->check()).ok());
        QCOMPARE(must(importFile(*desk.project, path, options)).counts.votes, int64_t{3}); // and back
    }

    void mappingsAreKeptInTheProject() {
        Desk desk;
        const Json json{{"prompt", "q"}, {"chosen", "x"}, {"rejected", "y"}};
        must(saveMap(*desk.project, "ours", must(ColumnMap::fromJson(json))));
        desk.reopen();
        QCOMPARE(must(columnMapOf(*desk.project, "ours")).toJson(), json);
        QCOMPARE(must(columnMapOf(*desk.project, json.dump())).toJson(), json);
        const std::string path = desk.temp.path().toStdString() + "/map.json";
        must(os::writeFileAtomic(path, json.dump()));
        QCOMPARE(must(columnMapOf(*desk.project, path)).toJson(), json);
        const auto none = columnMapOf(*desk.project, "theirs");
        QVERIFY(!none && none.error().hint.find("ours") != std::string::npos);
        // Whatever is wrong with one, the way out is one that is right.
        const std::string torn = desk.temp.path().toStdString() + "/torn.json";
        must(os::writeFileAtomic(torn, "{\"prompt\": "));
        for (const std::string& wrong : {std::string("{"), std::string("{\"promt\": \"q\"}"), std::string("{\"a\": \"x\"}"), torn}) {
            const auto refused = columnMapOf(*desk.project, wrong);
            QVERIFY(!refused);
            QVERIFY2(refused.error().hint.find(R"({"prompt": "question", "chosen": "good", "rejected": "bad"})") != std::string::npos &&
                         refused.error().hint.find("--columns") != std::string::npos,
                     refused.error().toString().c_str());
        }
        QVERIFY(!saveMap(*desk.project, "", must(ColumnMap::fromJson(json))));
        must(forgetMap(*desk.project, "ours"));
        QVERIFY(must(savedMaps(*desk.project)).empty());
    }

    /// Broken in every place: a reason, never an exception.
    void anyBrokenRowIsAReason() {
        const Json map{{"prompt", "q"}, {"a", "o[0]"}, {"b", "o[1]"}, {"winner", "w"}, {"strength", "s"}, {"split", "p"}, {"tags", "t"},
                       {"attributes", {{"h", {"h[0]", "h[1]"}}}}};
        const Json row{{"q", {{{"role", "user"}, {"content", "Q"}}}}, {"o", {"x", "y"}}, {"w", "a"}, {"s", 2}, {"p", "dev"}, {"t", {"u"}}, {"h", {1, 2}}};
        QCOMPARE(parse(row.dump(), map).rows.size(), size_t{1});
        const auto flat = row.flatten();
        int tried = 0;
        for (const auto& [path, value] : flat.items())
            for (Json::json_pointer at(path); !at.empty(); at = at.parent_pointer())
                for (const Json& instead : {Json(), Json(5), Json("x"), Json::array(), Json::array({Json()}), Json::object(), Json(true), Json(1e300)}) {
                    Json broken = row;
                    broken[at] = instead;
                    (void)parseImport(broken.dump(), "in.jsonl", by(map));
                    (void)previewColumns(broken.dump(), "in.jsonl");
                    ++tried;
                }
        QVERIFY(tried > 100);
    }

    void parquetNamesTheCommand() {
        Desk desk;
        const std::string path = desk.temp.path().toStdString() + "/train-00000.parquet";
        must(os::writeFileAtomic(path, std::string("PAR1\x15\x04", 6)));
        const auto refused = importFile(*desk.project, path);
        QVERIFY(!refused && refused.error().code == Code::Unsupported);
        QVERIFY(refused.error().hint.find("load_dataset('parquet', data_files='train-00000.parquet', split='train').to_json('train-00000.jsonl')") !=
                std::string::npos);
    }

    void twoFilesMeetByPrompt() {
        Desk desk;
        const std::string a = lines({{{"prompt", "Q"}, {"response", "one"}}, {{"prompt", "Q"}, {"response", "one more"}}, {{"prompt", "R"}, {"response", "same"}},
                                     {{"prompt", "only a"}, {"response", "x"}}, {{"prompt", "S"}}});
        const std::string b = "question,answer,model\nQ,two,tiny\nR,same,\nonly b,x,\n";
        PairFilesOptions options;
        const auto paired = must(pairFiles(a, "a.jsonl", b, "b.csv", options));
        QCOMPARE(paired.rows.size(), size_t{1});
        QCOMPARE(paired.rows[0].texts[0].text, std::string("one"));
        QCOMPARE(paired.rows[0].texts[0].model, std::string("a"));
        QCOMPARE(paired.rows[0].texts[1].model, std::string("tiny"));
        QCOMPARE(paired.onlyA, int64_t{2});
        QCOMPARE(paired.onlyB, int64_t{1});
        QCOMPARE(paired.identical, int64_t{1});
        QCOMPARE(paired.rejectedCount, int64_t{1});
        QVERIFY(!pairFiles(a, "a.jsonl", "question,answer\nZ,z\n", "b.csv", options));
        QVERIFY(!pairFiles(a, "a.jsonl", "x,y\n1,2\n", "b.csv", options));
        options.prompt = "q";
        options.answer = "turns";
        const auto chat = must(pairFiles(Json{{"q", "Q"}, {"turns", {{{"role", "user"}, {"content", "Q"}}, {{"role", "assistant"}, {"content", "x"}}}}}.dump(),
                                         "a", Json{{"q", "Q"}, {"turns", "y"}}.dump(), "b", options));
        QCOMPARE(chat.rows[0].texts[0].text, std::string("x"));

        const std::string pathA = desk.temp.path().toStdString() + "/a.jsonl", pathB = desk.temp.path().toStdString() + "/b.csv";
        must(os::writeFileAtomic(pathA, a));
        must(os::writeFileAtomic(pathB, b));
        const auto report = must(importPaired(*desk.project, pathA, pathB, {}));
        QCOMPARE(report.counts.pairs, int64_t{1});
        QCOMPARE(report.counts.votes, int64_t{0});
        QCOMPARE(must(importPaired(*desk.project, pathA, pathB, {})).counts.pairs, int64_t{0});
        must(desk.project->revertImport(must(desk.project->importBatches())[0].id));
        QCOMPARE(desk.project->counters().comparisons, int64_t{0});
    }
};

QTEST_GUILESS_MAIN(TestColumnMap)
#include "tst_column_map.moc"
