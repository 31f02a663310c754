// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <sstream>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/text_export.h"
#include "core/desk/store/adjudication.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {

const std::string kTurns = Json({{{"role", "user"}, {"content", "First?"}}, {{"role", "assistant"}, {"content", "Said."}}, {{"role", "user"}, {"content", "Second?"}}}).dump();

ImportRow pairOf(const std::string& prompt, const std::string& chosen, const std::string& rejected, Split split = Split::Train) {
    ImportRow row;
    row.prompt.content = prompt;
    row.prompt.split = split;
    row.chosen = chosen;
    row.rejected = rejected;
    row.chosenModel = "m-" + chosen.substr(0, 3);
    row.rejectedModel = "n";
    row.annotator = "Ada";
    return row;
}
Json helpful(double h) { return {{"helpfulness", h}, {"correctness", 3}, {"tone", 2}}; }

/// One vote a pair, of every kind that there is.
std::vector<ImportRow> oneVoteEach() {
    std::vector<ImportRow> rows;
    for (int i = 0; i < 8; ++i) { // whichever way the hashes sort
        ImportRow row = pairOf("Ask " + std::to_string(i), "good " + std::to_string(i), "poor\n\n" + std::to_string(i), i % 4 ? Split::Train : Split::Dev);
        if (i % 2)
            row.strength = 1 + i % 3;
        row.chosenAttributes = helpful(4);
        row.rejectedAttributes = helpful(i % 4);
        row.rationale = i % 3 ? "since " + std::to_string(i) : "";
        row.rejectedBad = i == 5;
        rows.push_back(row);
    }
    rows.push_back(pairOf(kTurns, "a turn", "another turn"));
    rows.push_back(pairOf("By a rule", "short", "much longer"));
    rows.back().by = AnnotatorKind::Rule;
    rows.back().annotator = "concise";
    rows.push_back(pairOf("Odd \"quoted\", <b>é</b> 漢字", "left, \\ right", "\t tab"));
    for (const TieKind kind : {TieKind::None, TieKind::BothGood, TieKind::BothBad, TieKind::Identical}) {
        rows.push_back(pairOf(std::string("Tie ") + tieKindName(kind), "x " + std::string(tieKindName(kind)), "y"));
        rows.back().tie = true;
        rows.back().tieKind = kind;
        rows.back().chosenBad = rows.back().rejectedBad = kind == TieKind::BothBad;
    }
    ImportRow ranking;
    ranking.prompt.content = "Rank";
    ranking.prompt.split = Split::Train;
    ranking.texts = {{"first", "m1"}, {"second", "m2"}, {"third", "m3"}};
    ranking.ranks = {2, 1, 3};
    ranking.annotator = "Ada";
    rows.push_back(ranking);
    ranking.prompt.content = "Rank five";
    ranking.texts = {{"1 of five", "m1"}, {"2 of five", "m2"}, {"3 of five", "m3"}, {"4 of five", "m1"}, {"5 of five", "m2"}};
    ranking.ranks = {5, 4, 1, 2, 3};
    rows.push_back(ranking);
    ranking.prompt.content = "Rank with a tie";
    ranking.texts = {{"p", "m1"}, {"q", "m2"}, {"r", "m3"}, {"s", "m4"}};
    ranking.ranks = {2, 1, 2, 3};
    rows.push_back(ranking);
    rows.push_back(pairOf("Sealed", "kept", "back", Split::Test));
    return rows;
}

/// The votes that count, as the test itself reads them.
std::multiset<std::string> votesOf(Desk& desk, const FormInfo& form) {
    std::multiset<std::string> out;
    const auto people = must(desk.project->annotators());
    for (const CurrentVote& vote : std::vector<CurrentVote>(desk.project->currentVotes())) {
        const auto item = must(desk.project->pairItem(vote.comparison));
        const auto said = *must(desk.project->currentJudgement(vote.task, vote.annotator, vote.comparison));
        const auto members = must(desk.project->members(vote.comparison));
        if (vote.kind != EventKind::Vote || vote.flagged || item.prompt.split == Split::Test)
            continue;
        const bool several = item.prompt.content[0] == '[', ranking = members.size() > 2, tie = !ranking && vote.winner == Winner::Tie;
        const auto strict = [&] { // an order of all of them without a tie
            std::set<int> places;
            for (const Json& rank : said.ranking["ranks"])
                places.insert(rank.get<int>());
            return places.size() == members.size();
        };
        if (ranking && form.loses(Part::RankingTies) && !strict())
            continue;
        if ((several && form.loses(Part::Turns)) || (ranking && form.loses(Part::Rankings)) || (tie && form.loses(Part::Ties)))
            continue;
        const Json& attributes = said.attributes;
        const auto blank = [](const Candidate& each) { return each.content.front() == '\t'; };
        if (form.loses(Part::OuterBlanks) && std::any_of(members.begin(), members.end(), blank))
            continue;
        if (form.loses(Part::NoHelpfulness) && !(attributes.contains("a") && attributes["a"].contains("helpfulness")))
            continue;
        std::string name;
        for (const Annotator& each : people)
            if (each.id == vote.annotator)
                name = each.name.starts_with("imported: ") ? each.name.substr(10) : each.name;
        Json vote1{{"prompt", item.prompt.content},
                   {"split", splitName(item.prompt.split)},
                   {"by", vote.provenance == Provenance::Imported ? "human" : provenanceName(vote.provenance)},
                   {"annotator", name},
                   {"tie", tie},
                   {"tie_kind", vote.tieKind == TieKind::Unspecified ? "" : tieKindName(vote.tieKind)},
                   {"strength", vote.strength ? Json(static_cast<int>(vote.strength)) : Json()},
                   {"rationale", said.rationale}};
        for (size_t i = 0; i < members.size(); ++i) {
            const int place = ranking ? said.ranking["ranks"][i].get<int>() : tie ? 1 : (vote.winner == Winner::A) == (i == 0) ? 1 : 2;
            vote1["answers"][members[i].content] = {{"model", members[i].modelName},
                                                    {"place", place},
                                                    {"bad", i ? vote.badB : vote.badA},
                                                    {"attributes", attributes.is_object() ? attributes.value(i ? "b" : "a", Json::object()) : Json::object()}};
        }
        out.insert(withoutLost(vote1, form).dump());
    }
    return out;
}

void take(Desk& desk, const std::vector<ImportRow>& rows) { must(desk.project->importRows({"made", "sha", "test", desk.task, "imported"}, rows)); }

std::string shown(const std::multiset<std::string>& votes) {
    std::string out;
    for (const auto& each : votes)
        out += "\n  " + each;
    return out;
}

void roundTrip(const FormInfo& form, const std::vector<ImportRow>& rows, size_t least) {
    Desk source, fresh;
    take(source, rows);
    const std::string out = source.temp.path().toStdString() + "/out" + (form.array ? ".json" : ".jsonl");
    const auto report = must(exportText(*source.project, {}, out, form.form));
    ImportOptions options;
    options.format = form.readAs;
    const auto read = must(importFile(*fresh.project, out, options));
    QCOMPARE(read.rejectedCount, int64_t{0});
    for (const auto& [name, n] : report.beside) {
        const std::string file = source.temp.path().toStdString() + "/" + name;
        const auto sets = must(importFile(*fresh.project, file, options));
        QCOMPARE(sets.rejectedCount, int64_t{0});
        QCOMPARE(must(importFile(*fresh.project, file)).format, std::string(importFormatName(form.readAs)));
    }
    QCOMPARE(report.beside.empty(), !form.loses(Part::RankingTies));
    const auto before = votesOf(source, form), after = votesOf(fresh, form);
    QVERIFY2(before == after, ("before:" + shown(before) + "\nafter:" + shown(after)).c_str());
    QVERIFY2(before.size() >= least, std::to_string(before.size()).c_str());
    QCOMPARE(size_t(report.votes), before.size());
    // Recognised without being told, too, and nothing new the second time.
    const auto again = must(importFile(*fresh.project, out));
    QCOMPARE(std::string(importFormatName(form.readAs)), again.format);
    QCOMPARE(again.counts.votes + again.counts.pairs, int64_t{0});
    // The same votes give the same bytes.
    const std::string second = source.temp.path().toStdString() + "/second";
    must(exportText(*source.project, {}, second, form.form));
    QVERIFY(must(os::readFile(second)) == must(os::readFile(out)));
}

} // namespace

class TestTextExport : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void oneVoteAPairComesBack_data() {
        QTest::addColumn<int>("form");
        for (const FormInfo& form : textForms())
            if (form.readAs != ImportFormat::Auto && form.form != TextForm::TrlPromptOnly)
                QTest::newRow(form.name) << static_cast<int>(form.form);
    }
    void oneVoteAPairComesBack() {
        QFETCH(int, form);
        roundTrip(formInfo(static_cast<TextForm>(form)), oneVoteEach(), 8);
    }

    void eachPersonsVoteComesBack_data() {
        QTest::addColumn<int>("form");
        for (const FormInfo& form : textForms())
            if (!form.loses(Part::Votes))
                QTest::newRow(form.name) << static_cast<int>(form.form);
    }
    void eachPersonsVoteComesBack() {
        QFETCH(int, form);
        auto rows = oneVoteEach();
        const size_t first = rows.size();
        for (size_t i = 0; i < first; ++i)
            if (rows[i].chosen) {
                ImportRow other = rows[i];
                other.annotator = "Bob";
                if (i % 2 && !other.tie)
                    std::swap(other.chosen, other.rejected);
                rows.push_back(other);
            }
        roundTrip(formInfo(static_cast<TextForm>(form)), rows, 16);
    }

    void signsAndTiesAsTheFormsHaveThem() {
        Desk desk;
        std::vector<ImportRow> rows{pairOf("Q", "good", "poor")};
        rows[0].strength = 3;
        take(desk, rows);
        const auto line = [&](TextForm form) {
            const std::string out = desk.temp.path().toStdString() + "/x";
            must(exportText(*desk.project, {}, out, form));
            return Json::parse(must(os::readFile(out)));
        };
        const Json second = line(TextForm::HelpSteer2Preference);
        const bool goodIsFirst = second["response_1"] == "good";
        QCOMPARE(second["preference_strength"].get<int>(), goodIsFirst ? -3 : 3); // negative: the first is better
        const Json third = line(TextForm::HelpSteer3);
        QCOMPARE(third["overall_preference"].get<int>(), goodIsFirst ? -3 : 3);
        const Json arena = line(TextForm::LmArena);
        QCOMPARE(arena["winner"].get<std::string>(), std::string(goodIsFirst ? "model_a" : "model_b"));
        QCOMPARE(arena["conversation_a"][0]["content"][0]["text"].get<std::string>(), std::string("Q"));
        QCOMPARE(line(TextForm::Hh)["chosen"].get<std::string>(), std::string("\n\nHuman: Q\n\nAssistant: good"));
        const Json feedback = line(TextForm::UltraFeedbackBinarized);
        QCOMPARE(feedback["chosen"].size(), size_t{2}); // with the prompt's turn
        QCOMPARE(feedback["score_chosen"].get<double>(), 3.0);
        const Json studio = line(TextForm::LabelStudio)[0];
        QCOMPARE(studio["annotations"][0]["result"][0]["value"]["selected"].get<std::string>(), std::string(goodIsFirst ? "left" : "right"));
        QCOMPARE(studio["data"]["answer1"].get<std::string>(), std::string(goodIsFirst ? "good" : "poor"));
        const Json info = Json::parse(must(os::readFile((line(TextForm::LlamaFactory), desk.temp.path().toStdString() + "/dataset_info.json"))));
        QVERIFY(info["x"]["ranking"] == true);
        QCOMPARE(line(TextForm::TrlImplicit)["rejected"].get<std::string>(), std::string("Q\npoor"));
    }

    void whatCannotBeReadBackIsLeftOutAndCounted() {
        Desk desk;
        take(desk, {pairOf("Q", "good", "poor"), pairOf("R", "one\n\nHuman: two", "three"), pairOf("S", "see @Response 1", "x")});
        const auto report = must(exportText(*desk.project, {}, desk.temp.path().toStdString() + "/hh.jsonl", TextForm::Hh));
        QCOMPARE(report.lines, int64_t{2});
        QCOMPARE(report.leftOut.at("votes whose texts would be read otherwise"), int64_t{1});
        const Json manifest = Json::parse(must(os::readFile(desk.temp.path().toStdString() + "/hh.jsonl.manifest.json")));
        QCOMPARE(manifest["counts"]["rows"].get<int>(), 2);
        QCOMPARE(manifest["files"]["hh.jsonl"].get<std::string>(), sha256Hex(must(os::readFile(desk.temp.path().toStdString() + "/hh.jsonl"))));
        QVERIFY(manifest["lost"].contains("ties") && manifest["lost"].contains("history"));
        QCOMPARE(manifest["left_out"]["votes whose texts would be read otherwise"].get<int>(), 1);
    }

    void everyVoteIsAccountedFor() {
        Desk desk;
        auto rows = oneVoteEach();
        ImportRow against = rows[0];
        std::swap(against.chosen, against.rejected);
        against.annotator = "Bob";
        rows.push_back(against);
        take(desk, rows);
        std::vector<CurrentVote> votes = desk.project->currentVotes();
        must(desk.project->flag(votes[1].task, votes[1].annotator, votes[1].comparison, "odd"));
        for (const FormInfo& form : textForms()) {
            if (form.form == TextForm::TrlPromptOnly)
                continue;
            const auto report = must(exportText(*desk.project, {}, desk.temp.path().toStdString() + "/any", form.form));
            int64_t sum = 0;
            for (const auto* counts : {&report.written, &report.leftOut})
                for (const auto& [what, n] : *counts)
                    sum += n;
            QCOMPARE(sum, desk.project->counters().current);
            QVERIFY(report.leftOut.count("votes on flagged pairs") && report.leftOut.count("votes on test prompts, which are sealed"));
            QCOMPARE(report.leftOut.count("votes that cancel out") > 0, form.loses(Part::Votes));
        }
        const auto prompts = must(exportText(*desk.project, {}, desk.temp.path().toStdString() + "/prompts", TextForm::TrlPromptOnly));
        QCOMPARE(prompts.lines, desk.project->counters().prompts - desk.project->counters().test);
        const auto marks = must(exportText(*desk.project, {}, desk.temp.path().toStdString() + "/kto", TextForm::TrlUnpaired));
        QCOMPARE(marks.lines, int64_t{5}); // both good, both bad, one bad mark
    }

    void answersCalledGoodAloneAreUnpairedRows() {
        Desk desk;
        std::vector<ImportRow> rows{pairOf("Q", "good", "poor")};
        rows[0].chosenAttributes = {{"thumb", 1}};
        rows[0].rejectedAttributes = {{"thumb", 0}};
        rows[0].rejectedBad = true;
        take(desk, rows);
        const std::string out = desk.temp.path().toStdString() + "/kto";
        QCOMPARE(must(exportText(*desk.project, {}, out, TextForm::TrlUnpaired)).lines, int64_t{2});
        std::istringstream in(must(os::readFile(out)));
        for (std::string line; std::getline(in, line);) {
            const Json row = Json::parse(line);
            QCOMPARE(row["label"].get<bool>(), row["completion"][0]["content"] == "good");
        }
        QVERIFY(!exportStepwise(*desk.project, {}, out + "2")); // no step was marked
        QVERIFY(!os::exists(out + "2"));
    }

    void everyEventIsInTheRawVotes() {
        Desk desk(3);
        const auto items = desk.next(3);
        OK(desk.vote(items[0], Winner::A, 2));
        OK(desk.vote(items[1], Winner::B));
        must(desk.project->undo(desk.task, desk.ada));
        JudgementInput skip;
        skip.kind = EventKind::Skip;
        skip.skipReason = "broken";
        must(desk.project->presentAndJudge(items[2].presentation, skip));
        const std::string out = desk.temp.path().toStdString() + "/votes.jsonl";
        const auto report = must(exportVotes(*desk.project, out));
        QCOMPARE(report.lines, desk.project->counters().events);
        std::vector<Json> rows;
        std::istringstream in(must(os::readFile(out)));
        for (std::string line; std::getline(in, line);)
            rows.push_back(Json::parse(line));
        QCOMPARE(rows.size(), size_t{4});
        QCOMPARE(rows[0]["strength"].get<int>(), 2);
        QCOMPARE(rows[0]["counts"].get<bool>(), true);
        QCOMPARE(rows[1]["counts"].get<bool>(), false);
        QCOMPARE(rows[2]["kind"].get<std::string>(), std::string("undo"));
        QVERIFY(rows[2]["target"] == rows[1]["event"]);
        QCOMPARE(rows[3]["skip_reason"].get<std::string>(), std::string("broken"));
        QVERIFY(rows[1]["chain"]["previous"] == rows[0]["chain"]["digest"]);
        QCOMPARE(rows[0]["answers"].size(), size_t{2});
        QVERIFY(rows[0]["presentation"].contains("propensity") && rows[0]["annotator"]["name"] == "Ada");
    }

    void theAggregateCountsEveryVote() {
        Desk desk;
        std::vector<ImportRow> rows;
        for (const char* who : {"Ada", "Bob", "Cem"}) {
            rows.push_back(pairOf("Q", "good", "poor"));
            rows.back().annotator = who;
            rows.back().strength = 2;
            if (std::string(who) == "Cem")
                std::swap(rows.back().chosen, rows.back().rejected);
        }
        take(desk, rows);
        const std::string out = desk.temp.path().toStdString() + "/pairs.jsonl";
        QCOMPARE(must(exportAggregate(*desk.project, {}, out)).lines, int64_t{1});
        const Json row = Json::parse(must(os::readFile(out)));
        const bool goodIsA = row["answers"][0]["text"] == "good";
        QCOMPARE(row["majority"].get<std::string>(), std::string(goodIsA ? "a" : "b"));
        QCOMPARE(row["votes"][goodIsA ? "a" : "b"].get<int>(), 2);
        QVERIFY(std::abs(row["agreement"].get<double>() - 1.0 / 3) < 1e-12);
        QVERIFY(std::abs(std::abs(row["mean_points"].get<double>()) - 2.0 / 3) < 1e-12);
    }

    void setsGoToLabellingToolsInFilesOfTheirOwn() {
        Desk desk;
        take(desk, oneVoteEach());
        const std::string base = desk.temp.path().toStdString();
        const auto json = [&](const std::string& name) { return Json::parse(must(os::readFile(base + "/" + name))); };
        auto report = must(exportText(*desk.project, {}, base + "/a.json", TextForm::Argilla));
        QCOMPARE(report.beside.size(), size_t{2});
        QCOMPARE(report.beside["a.json.rankings-3.json"], int64_t{1});
        QCOMPARE(report.leftOut["rankings with ties, or of a part of the answers"], int64_t{1});
        const Json record = json("a.json.rankings-5.json")[0], settings = json("a.json.rankings-5.json.settings.json");
        // The best first, by the names of the fields; the settings ask for an order of just these.
        std::vector<std::string> texts;
        for (const Json& name : record["responses"]["ranking"][0]["value"])
            texts.push_back(record["fields"][name.get<std::string>()]);
        QCOMPARE(texts, (std::vector<std::string>{"3 of five", "4 of five", "5 of five", "2 of five", "1 of five"}));
        QCOMPARE(settings["questions"][0]["type"].get<std::string>(), std::string("ranking"));
        QCOMPARE(settings["questions"][0]["options"].size(), size_t{5});
        QCOMPARE(settings["fields"].size(), record["fields"].size());
        QCOMPARE(json("a.json.manifest.json")["files"].size(), size_t{6});
        QCOMPARE(json("a.json.manifest.json")["counts"]["rows_beside"]["a.json.rankings-5.json"].get<int>(), 1);

        report = must(exportText(*desk.project, {}, base + "/l.json", TextForm::LabelStudio));
        QCOMPARE(report.beside.size(), size_t{1});
        const Json tasks = json("l.json.rankings.json");
        QCOMPARE(tasks.size(), size_t{2});
        for (const Json& task : tasks) {
            const Json& result = task["annotations"][0]["result"][0];
            QCOMPARE(result["type"].get<std::string>(), std::string("ranker"));
            QCOMPARE(result["value"]["ranker"]["ranking"].size(), task["data"]["items"].size());
        }
        QVERIFY(must(os::readFile(base + "/l.json.rankings.json.config.xml")).find("<Ranker name=\"ranking\" toName=\"answers\"/>") != std::string::npos);
        // What an earlier export wrote beside it and this one does not is gone.
        Desk pairs(3);
        OK(pairs.vote(pairs.next()[0], Winner::A));
        must(exportText(*pairs.project, {}, base + "/l.json", TextForm::LabelStudio));
        QVERIFY(!os::exists(base + "/l.json.rankings.json") && !os::exists(base + "/l.json.rankings.json.config.xml"));
        // Sets alone: the file of pairs is empty.
        Desk sets;
        auto rows = oneVoteEach();
        std::erase_if(rows, [](const ImportRow& row) { return row.texts.empty(); });
        take(sets, rows);
        report = must(exportText(*sets.project, {}, base + "/s.json", TextForm::LabelStudio));
        QCOMPARE(report.lines, int64_t{0});
        QCOMPARE(report.beside["s.json.rankings.json"], int64_t{2});
        QCOMPARE(json("s.json"), Json::array());
    }

    void aVerdictStandsForTheVotes() {
        Desk desk(3);
        const Id bo = must(desk.project->annotator(AnnotatorKind::Human, "Bo")), chief = must(desk.project->annotator(AnnotatorKind::Human, "Chief"));
        std::vector<Id> pairs;
        for (const auto& item : desk.next(3)) {
            pairs.push_back(item.comparison.id);
            OK(desk.vote(item, Winner::A));
            Presentation other = item.presentation;
            other.annotator = bo;
            JudgementInput in;
            in.winner = Winner::B;
            OK(desk.project->presentAndJudge(other, in));
        }
        Judgement verdict;
        verdict.winner = Winner::B;
        verdict.strength = 3;
        OK(adjudicate(*desk.project, desk.task, chief, pairs[0], true, verdict, Cause::Mistake));
        OK(adjudicate(*desk.project, desk.task, chief, pairs[1], true, verdict, Cause::BadPair));
        const std::string base = desk.temp.path().toStdString();
        auto report = must(exportAggregate(*desk.project, {}, base + "/g.jsonl"));
        QCOMPARE(report.written["verdict"], int64_t{2});
        QCOMPARE(report.written["a"] + report.written["b"], int64_t{6});
        std::map<std::string, Json> rows;
        std::istringstream lines(must(os::readFile(base + "/g.jsonl")));
        for (std::string line; std::getline(lines, line);) {
            const Json row = Json::parse(line);
            rows[row["pair"]] = row;
            QCOMPARE(row["votes"]["a"].get<int>() + row["votes"]["b"].get<int>(), 2); // a verdict is nobody's opinion
            QVERIFY(row["majority"].is_null());
            QVERIFY(line.find("Chief") == std::string::npos);
        }
        const auto verdictOf = [&](Id pair) { return rows[must(desk.project->pairItem(pair)).comparison.sha]["adjudicated"]; };
        const std::string task = must(desk.project->task(desk.task)).name;
        QCOMPARE(verdictOf(pairs[0]), Json::array({{{"task", task}, {"verdict", "b"}, {"tie_kind", nullptr}, {"strength", 3}, {"by", "adjudicator"}, {"cause", "mistake"}}}));
        QCOMPARE(verdictOf(pairs[1])[0]["verdict"].get<std::string>(), std::string("bad_pair"));
        QCOMPARE(verdictOf(pairs[1])[0]["cause"].get<std::string>(), std::string("bad_pair"));
        QCOMPARE(verdictOf(pairs[2]), Json::array());
        // One row for all votes is the verdict's; a form with everybody's votes has the votes.
        report = must(exportText(*desk.project, {}, base + "/t.jsonl", TextForm::TrlExplicit));
        QCOMPARE(report.lines, int64_t{1});
        QCOMPARE(report.leftOut["votes that a verdict stands for"], int64_t{2});
        QCOMPARE(report.leftOut["votes on pairs that a verdict calls bad"], int64_t{2});
        QCOMPARE(Json::parse(must(os::readFile(base + "/t.jsonl")))["chosen"].get<std::string>(), must(desk.project->pairItem(pairs[0])).b.content);
        report = must(exportText(*desk.project, {}, base + "/v.json", TextForm::Argilla));
        QCOMPARE(report.votes, int64_t{6});
        QCOMPARE(report.leftOut["verdicts, which are nobody's opinion"], int64_t{1});
    }

    void aVerdictStandsForTheVotesOfItsTaskAlone() {
        Desk desk(2);
        const Id bo = must(desk.project->annotator(AnnotatorKind::Human, "Bo")), chief = must(desk.project->annotator(AnnotatorKind::Human, "Chief"));
        Task another;
        another.name = "Another";
        another.question = "Which is shorter?";
        const Id second = must(desk.project->addTask(another));
        std::vector<Id> pairs;
        for (const auto& item : desk.next(2)) {
            pairs.push_back(item.comparison.id);
            for (const auto& [where, who, what] : {std::tuple{desk.task, desk.ada, Winner::A}, {desk.task, bo, Winner::B}, {second, desk.ada, Winner::A}, {second, bo, Winner::A}}) {
                Presentation shown = item.presentation;
                shown.task = where;
                shown.annotator = who;
                JudgementInput in;
                in.winner = what;
                OK(desk.project->presentAndJudge(shown, in));
            }
        }
        Judgement verdict;
        verdict.winner = Winner::B;
        OK(adjudicate(*desk.project, desk.task, chief, pairs[0], true, verdict, Cause::Mistake));
        OK(adjudicate(*desk.project, desk.task, chief, pairs[1], true, verdict, Cause::BadPair));
        const std::string out = desk.temp.path().toStdString() + "/t.jsonl";
        const auto rows = [&](const TextExportFilter& filter) {
            std::map<std::string, std::string> chosen; // by prompt
            const auto report = must(exportText(*desk.project, filter, out, TextForm::TrlExplicit));
            std::istringstream lines(must(os::readFile(out)));
            for (std::string line; std::getline(lines, line);)
                chosen[Json::parse(line)["prompt"]] = Json::parse(line)["chosen"];
            return std::pair(report, chosen);
        };
        std::vector<LabelItem> items{must(desk.project->pairItem(pairs[0])), must(desk.project->pairItem(pairs[1]))};
        auto [both, chosen] = rows({});
        // Two of the other task against one verdict; and the pair that is bad for one question is none for the other.
        QCOMPARE(chosen.size(), size_t{2});
        for (const LabelItem& item : items)
            QCOMPARE(chosen[item.prompt.content], item.a.content);
        QCOMPARE(both.leftOut["votes that a verdict stands for"], int64_t{2});
        QCOMPARE(both.leftOut["votes on pairs that a verdict calls bad"], int64_t{2});
        QCOMPARE(both.votes, int64_t{5});
        TextExportFilter first;
        first.task = desk.task;
        const auto [one, itsChosen] = rows(first);
        QCOMPARE(itsChosen.size(), size_t{1});
        QCOMPARE(itsChosen.at(items[0].prompt.content), items[0].b.content);
    }

    void theManualHoldsTheTable() {
        QFile guide(QString(PAIRLAB_SOURCE_DIR) + "/packaging/docs/export-losses.md");
        QVERIFY(guide.open(QIODevice::ReadOnly));
        QVERIFY(guide.readAll().contains(lossTableText().c_str()));
        QCOMPARE(lossTableJson().size(), textForms().size());
    }
};

QTEST_GUILESS_MAIN(TestTextExport)
#include "tst_text_export.moc"
