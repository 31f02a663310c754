// SPDX-License-Identifier: Apache-2.0
#include <set>

#include <zlib.h>

#include "core/base/os/files.h"
#include "core/desk/exchange/column_map.h"
#include "core/desk/exchange/export.h"
#include "core/desk/exchange/import.h"
#include "core/desk/runs/actions.h"
#include "core/desk/store/gold.h"
#include "core/desk/store/packages.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestImport : public QObject {
    Q_OBJECT

    static std::string write(Desk& desk, const std::string& text, const char* name = "in.jsonl") {
        const std::string path = desk.temp.path().toStdString() + "/" + name;
        must(os::writeFileAtomic(path, text));
        return path;
    }
    static std::string row(const std::string& prompt) {
        return Json{{"prompt", prompt}, {"chosen", "yes"}, {"rejected", "no"}}.dump() + "\n";
    }
    static constexpr const char* kGood = R"({"prompt": "Q", "chosen": "yes", "rejected": "no"})";

private Q_SLOTS:
    void readsEveryForm_data() {
        QTest::addColumn<QString>("line");
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("prompt");
        QTest::addColumn<QString>("chosen");
        QTest::newRow("explicit") << kGood << "trl" << "Q" << "yes";
        QTest::newRow("explicit chat")
            << R"({"prompt": [{"role":"user","content":"Q"}], "chosen": [{"role":"assistant","content":"yes"}], "rejected": [{"role":"assistant","content":"no"}]})"
            << "trl" << "Q" << "yes";
        QTest::newRow("implicit chat")
            << R"({"chosen": [{"role":"user","content":"Q"},{"role":"assistant","content":"yes"}], "rejected": [{"role":"user","content":"Q"},{"role":"assistant","content":"no"}]})"
            << "trl" << "Q" << "yes";
        QTest::newRow("prompt repeated in the sides")
            << R"({"prompt": "Q", "chosen": [{"role":"user","content":"Q"},{"role":"assistant","content":"yes"}], "rejected": [{"role":"user","content":"Q"},{"role":"assistant","content":"no"}]})"
            << "trl" << "Q" << "yes";
        QTest::newRow("hh") << R"({"chosen": "\n\nHuman: Q\n\nAssistant: yes", "rejected": "\n\nHuman: Q\n\nAssistant: yeah"})"
                            << "hh" << "Q" << "yes";
        QTest::newRow("hh, one side begins the other")
            << R"({"chosen": "\n\nHuman: Q\n\nAssistant: yes", "rejected": "\n\nHuman: Q\n\nAssistant: yes but"})"
            << "hh" << "Q" << "yes";
        QTest::newRow("hh, several turns")
            << R"({"chosen": "\n\nHuman: Q\n\nAssistant: R\n\nHuman: S\n\nAssistant: yes", "rejected": "\n\nHuman: Q\n\nAssistant: R\n\nHuman: S\n\nAssistant: no"})"
            << "hh"
            << R"([{"content":"Q","role":"user"},{"content":"R","role":"assistant"},{"content":"S","role":"user"}])" << "yes";
        QTest::newRow("prompt rows") << R"({"prompt": "Q", "split": "dev"})" << "prompts" << "Q" << "";
        QTest::newRow("plain lines") << "What is a lake?" << "prompts" << "What is a lake?" << "";
    }
    void readsEveryForm() {
        QFETCH(QString, line);
        QFETCH(QString, format);
        QFETCH(QString, prompt);
        QFETCH(QString, chosen);
        const auto parsed = parseImport(line.toStdString(), "in", {});
        OK(parsed);
        QCOMPARE(importFormatName(parsed->format), format.toStdString());
        QCOMPARE(parsed->rows.size(), size_t{1});
        QCOMPARE(parsed->rows[0].prompt.content, prompt.toStdString());
        QCOMPARE(parsed->rows[0].chosen.value_or(""), chosen.toStdString());
    }

    void namesLineAndReasonOfABadRow_data() {
        QTest::addColumn<QString>("line");
        QTest::addColumn<QString>("reason");
        QTest::newRow("torn") << "{\"prompt\": \"Q\", \"cho" << "";
        QTest::newRow("array") << "[1, 2]" << "not an object";
        QTest::newRow("no rejected") << R"({"prompt": "Q", "chosen": "x"})" << "rejected";
        QTest::newRow("identical") << R"({"prompt": "Q", "chosen": "x", "rejected": "x"})" << "identical";
        QTest::newRow("empty answer") << R"({"prompt": "Q", "chosen": "x", "rejected": "  "})" << "empty";
        QTest::newRow("empty prompt") << R"({"prompt": "", "chosen": "x", "rejected": "y"})" << "prompt is empty";
        QTest::newRow("number") << R"({"prompt": 5, "chosen": "x", "rejected": "y"})" << "prompt";
        QTest::newRow("list of numbers") << R"({"prompt": "Q", "chosen": [1], "rejected": [2]})" << "neither";
        QTest::newRow("strength") << R"({"prompt": "Q", "chosen": "x", "rejected": "y", "strength": 9})" << "strength";
        QTest::newRow("scores") << R"({"prompt": "Q", "chosen": "x", "rejected": "y", "score_chosen": 1, "score_rejected": 2})"
                                << "score";
        QTest::newRow("implicit strings") << R"({"chosen": "Q x", "rejected": "Q y"})" << "guess";
        QTest::newRow("duplicate keys") << R"({"prompt": "Q", "prompt": "R", "chosen": "x", "rejected": "y"})" << "";
        QTest::newRow("deep") << QString(200, '[') + QString(200, ']') << "";
        QTest::newRow("two answers")
            << R"({"prompt": "Q", "chosen": [{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}], "rejected": "y"})"
            << "one turn";
    }
    void namesLineAndReasonOfABadRow() {
        QFETCH(QString, line);
        QFETCH(QString, reason);
        const std::string text = std::string(kGood) + "\n" + kGood + "\n" + line.toStdString() + "\n";
        const auto parsed = parseImport(text, "in", {});
        OK(parsed);
        QCOMPARE(parsed->rows.size(), size_t{2});
        QCOMPARE(parsed->rejectedCount, int64_t{1});
        QCOMPARE(parsed->rejected[0].line, size_t{3});
        QVERIFY2(parsed->rejected[0].reason.find(reason.toStdString()) != std::string::npos,
                 parsed->rejected[0].reason.c_str());
    }

    void aDamagedFirstRowDoesNotHideTheFormat() {
        const auto parsed = parseImport("{\"prompt\": \"\xff\"}\n" + std::string(kGood) + "\n" + row("R"), "in", {});
        OK(parsed);
        QCOMPARE(importFormatName(parsed->format), "trl");
        QCOMPARE(parsed->rows.size(), size_t{2});
        QCOMPARE(*parsed->rows[0].chosen, std::string("yes"));
    }

    void refusesWhatWouldBecomeAPromptByMistake() {
        for (const char* text : {"[[[[", "3", "{\"prompt\": \"Q\", \"chosen\": \"x\"}", "{\"prompt\": \"a\\u0000b\"}"})
            QVERIFY2(!parseImport(text, "in.jsonl", {}), text);
        QVERIFY(!parseImport(std::string("a\0b", 3), "in.txt", {}));
        ImportOptions prompts;
        prompts.format = ImportFormat::Prompts;
        OK(parseImport("3 rivers, please", "in.jsonl", prompts));
    }

    void aTableThatIsBrokenIsNoListOfPrompts_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("reason");
        QTest::newRow("a quote without end") << "in.csv" << QByteArray("prompt,chosen,rejected\np1,\"never ends,foo\np2,a,b\n") << "a quoted cell has no end";
        QTest::newRow("Latin-1") << "in.csv" << QByteArray("prompt,chosen,rejected\np0,a,b\np1,caf\xe9,foo\n")
                                 << "not UTF-8: by line 3 it looks like Latin-1. Convert it: iconv -f latin1 -t utf-8";
        QTest::newRow("Latin-1 of another name") << "in.txt" << QByteArray("prompt;chosen;rejected\np1;caf\xe9;foo\n") << "iconv -f latin1";
        QTest::newRow("Windows-1252") << "in.csv" << QByteArray("prompt,chosen,rejected\np1,it\x92s,\x93so\x94\n") << "iconv -f windows-1252 -t utf-8";
        QTest::newRow("Latin-1 lines") << "in.jsonl" << QByteArray("{\"prompt\": \"caf\xe9\"}\n") << "Convert it: iconv -f latin1";
        QTest::newRow("damaged UTF-8") << "in.csv" << QByteArray("prompt,chosen,rejected\np1,caf\xc3\xa9,foo\np2,\xe2\x82,z\n") << "line 3 holds bytes that are no character";
        QTest::newRow("SQLite") << "project.db" << QByteArray("SQLite format 3\0\x10\0\n one line\n another line\n", 44) << "byte 15 is NUL";
        QTest::newRow("UTF-16") << "in.jsonl" << QByteArray("\xff\xfe{\0}\0", 6) << "UTF-16";
    }
    void aTableThatIsBrokenIsNoListOfPrompts() {
        QFETCH(QString, name);
        QFETCH(QByteArray, bytes);
        QFETCH(QString, reason);
        Desk desk;
        const size_t before = must(desk.project->prompts()).size();
        const auto path = write(desk, bytes.toStdString(), name.toLatin1().constData());
        const auto done = importFile(*desk.project, path, {});
        const std::string said = done ? (done->rejected.empty() ? "nothing" : done->rejected[0].reason) : done.error().toString();
        QVERIFY2(said.find(reason.toStdString()) != std::string::npos, said.c_str());
        QCOMPARE(must(desk.project->prompts()).size(), before);
    }

    void aTableOfQuotedColumnsIsRead() {
        Desk desk;
        const auto done = must(importFile(*desk.project, write(desk, "\"prompt\",\"chosen\",\"rejected\"\n\"quoted, yes\",\"a\",\"b\"\n", "in.csv"), {}));
        QCOMPARE(done.counts.pairs, int64_t{1});
    }

    void cellsMayBePartedBySemicolonsOrTabs_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("note");
        QTest::newRow("semicolons") << "in.csv" << QByteArray("prompt;chosen;rejected\nQ, please;\"a;1\";b\n") << "semicolons";
        QTest::newRow("tabs") << "in.tsv" << QByteArray("prompt\tchosen\trejected\nQ, please\ta;1\tb\n") << "tabs";
        QTest::newRow("with a mark") << "in.csv" << QByteArray("\xef\xbb\xbfprompt;chosen;rejected\r\nQ, please;\"a;1\";b\r\n") << "semicolons";
        QTest::newRow("of another name") << "in.txt" << QByteArray("prompt;chosen;rejected\nQ, please;\"a;1\";b\n") << "semicolons";
        QTest::newRow("commas") << "in.csv" << QByteArray("prompt,chosen,rejected\n\"Q, please\",a;1,b\n") << "";
    }
    void cellsMayBePartedBySemicolonsOrTabs() {
        QFETCH(QString, name);
        QFETCH(QByteArray, bytes);
        QFETCH(QString, note);
        Desk desk;
        const auto path = write(desk, bytes.toStdString(), name.toLatin1().constData());
        ImportOptions dry;
        dry.dryRun = true;
        QCOMPARE(must(importFile(*desk.project, path, dry)).note.empty(), note.isEmpty()); // said before anything is stored
        const auto done = must(importFile(*desk.project, path, {}));
        QVERIFY2(done.note.find(note.toStdString()) != std::string::npos, done.note.c_str());
        QCOMPARE(done.counts.votes, int64_t{1});
        QCOMPARE(must(desk.project->prompts())[0].content, std::string("Q, please"));
        const auto parsed = must(parseImport(bytes.toStdString(), name.toStdString(), {}));
        QCOMPARE(*parsed.rows[0].chosen, std::string("a;1"));
    }
    /// What does not part alike in header and row is one column, and of two ways neither is guessed.
    void aSeparatorIsNotGuessed() {
        const auto one = must(parseImport("prompt\nFirst; then second\n", "in.csv", {}));
        QCOMPARE(one.rows[0].prompt.content, std::string("First; then second"));
        const auto header = must(previewColumns("prompt; as asked\nFirst\n", "in.csv"));
        QCOMPARE(header.columns[0].path, std::string("prompt; as asked"));
        QVERIFY(header.note.empty());
        QCOMPARE(must(previewColumns("a;b\tc\n1;2\t3\n", "in.csv")).columns.size(), size_t{1});
        const auto two = must(previewColumns("question;good\nQ;yes\n", "in.csv"));
        QCOMPARE(two.columns.size(), size_t{2});
        QVERIFY(two.note.find("semicolons") != std::string::npos);
        const auto latin = previewColumns("question;good\nQ;oui, \xe0 c\xf4t\xe9\n", "in.csv");
        QVERIFY(!latin && latin.error().hint.find("iconv -f latin1 -t utf-8") != std::string::npos);
    }

    void refusesAFileOfAnotherKind() {
        QVERIFY(!parseImport("", "in", {}));
        ImportOptions trl;
        trl.format = ImportFormat::Trl;
        const auto wrong = parseImport("hello\nworld\n", "in", trl);
        QVERIFY(!wrong && wrong.error().message.find("line 1") != std::string::npos);
        const auto implicit = parseImport(R"({"chosen": "Q x", "rejected": "Q y"})", "in", {});
        QVERIFY(!implicit && implicit.error().hint.find("--implicit") != std::string::npos);
        trl.implicit = true;
        const auto taken = parseImport(R"({"chosen": "Say it: hello", "rejected": "Say it: hullo"})", "in", trl);
        OK(taken);
        QCOMPARE(taken->rows[0].prompt.content, std::string("Say it:"));
        QCOMPARE(*taken->rows[0].rejected, std::string("hullo"));
    }

    void theSameFileTwiceAddsNothing() {
        Desk desk;
        std::string text;
        for (int i = 0; i < 20; ++i)
            text += row("P" + std::to_string(i));
        const std::string path = write(desk, text);
        ImportOptions dry;
        dry.dryRun = true;
        auto report = must(importFile(*desk.project, path, dry));
        QCOMPARE(report.counts.votes, int64_t{20});
        QCOMPARE(desk.project->counters().prompts, int64_t{0});
        report = must(importFile(*desk.project, path));
        QCOMPARE(report.counts.pairs, int64_t{20});
        QCOMPARE(desk.project->counters().current, int64_t{20});
        const Counters before = desk.project->counters();
        report = must(importFile(*desk.project, path));
        QCOMPARE(report.counts.duplicates, int64_t{20});
        QVERIFY(before == desk.project->counters());
        QCOMPARE(must(desk.project->importBatches()).size(), size_t{1});
        for (const CurrentVote& vote : desk.project->currentVotes()) {
            QVERIFY(vote.provenance == Provenance::Imported && !vote.shown);
            const auto item = must(desk.project->pairItem(vote.comparison));
            QCOMPARE((vote.winner == Winner::A ? item.a : item.b).content, std::string("yes"));
        }
        QVERIFY(must(desk.project->check()).ok());
    }

    /// What would lose answers, or one of two columns, without a word is refused with the way out.
    void aTableWhoseAnswersNobodyReadsIsRefused() {
        Desk desk(0);
        const auto refusal = [&](const std::string& table) {
            const auto done = importFile(*desk.project, write(desk, table, "in.csv"));
            return done ? std::string("taken") : done.error().toString();
        };
        const std::string answers = refusal("prompt,response_a,response_b,winner\na1,b,c,model_a\n"), twice = refusal("prompt,chosen,chosen,rejected\na1,b,x,c\n");
        QVERIFY2(answers.find("\"response_a\" and \"response_b\" would be left out") != std::string::npos && answers.find("--columns") != std::string::npos, answers.c_str());
        QVERIFY2(twice.find("two columns are called \"chosen\"") != std::string::npos, twice.c_str());
        QCOMPARE(desk.project->counters().prompts, int64_t{0});
    }

    /// A pair that was judged by hand (the vote taken back for now), dealt out or made gold is in use: what comes back finds it.
    void aRevertLeavesWhatIsInUse() {
        for (const char* use : {"nothing", "an undone vote", "a package", "gold"}) {
            Desk desk(0);
            must(importFile(*desk.project, write(desk, row("P"))));
            const auto items = desk.next(1);
            QCOMPARE(items.size(), size_t{1});
            const std::string_view what = use;
            if (what == "an undone vote") {
                OK(desk.vote(items[0], Winner::A));
                OK(desk.project->undo(desk.task, desk.ada));
            } else if (what == "a package") {
                DealOptions deal;
                deal.people = {"Bo"};
                deal.pairs = 1;
                deal.judged = true; // by the file
                deal.out = desk.temp.path().toStdString() + "/dealt";
                QCOMPARE(must(dealPackages(*desk.project, deal)).size(), size_t{1});
            } else if (what == "gold") {
                OK(setGold(*desk.project, desk.task, items[0].comparison.id, Winner::B, GoldSource::Hand, desk.ada));
            }
            OK(desk.project->revertImport(must(desk.project->importBatches())[0].id));
            const Counters left = desk.project->counters();
            QVERIFY2(left.comparisons == (what == "nothing" ? 0 : 1) && left.prompts == left.comparisons && left.candidates == 2 * left.comparisons, use);
            if (what != "an undone vote")
                continue;
            OK(desk.project->redo(desk.task, desk.ada));
            QCOMPARE(desk.project->counters().current, int64_t{1});
            QCOMPARE(must(desk.project->freezeDataset({})).counts.votes, int64_t{1});
        }
    }

    void aRevertedBatchIsGoneAndCanComeBack() {
        Desk desk(3);
        const Counters empty = desk.project->counters();
        const std::string path = write(desk, std::string(kGood) + "\n" + R"({"prompt": "Request 0", "chosen": "u", "rejected": "v"})");
        must(importFile(*desk.project, path));
        const Counters full = desk.project->counters();
        QCOMPARE(must(desk.project->remaining(desk.task, desk.ada)), int64_t{5});
        const Id batch = must(desk.project->importBatches())[0].id;
        OK(desk.project->revertImport(batch));
        Counters now = desk.project->counters();
        QCOMPARE(now.current, int64_t{0});
        QCOMPARE(now.prompts, empty.prompts);
        QCOMPARE(now.candidates, empty.candidates);
        QCOMPARE(now.comparisons, empty.comparisons);
        QCOMPARE(must(desk.project->remaining(desk.task, desk.ada)), int64_t{3});
        QVERIFY(!desk.project->revertImport(batch));
        QVERIFY(must(desk.project->check()).ok());
        must(importFile(*desk.project, path));
        now = desk.project->counters();
        QCOMPARE(now.current, full.current);
        QCOMPARE(now.comparisons, full.comparisons);
        QCOMPARE(must(desk.project->remaining(desk.task, desk.ada)), int64_t{5});
        desk.reopen();
        QVERIFY(must(desk.project->check()).ok());
    }

    void readsGzipAndRefusesTornOrHugeOnes() {
        Desk desk;
        const std::string path = desk.temp.path().toStdString() + "/in.jsonl.gz";
        gzFile out = gzopen(path.c_str(), "wb");
        std::string text;
        for (int i = 0; i < 500; ++i)
            text += row("P" + std::to_string(i * 7919));
        QVERIFY(gzwrite(out, text.data(), unsigned(text.size())) == int(text.size()));
        gzclose(out);
        QCOMPARE(must(readMaybeGzip(path, 1 << 20)), text);
        QVERIFY(!readMaybeGzip(path, 1000));
        const std::string bytes = must(os::readFile(path));
        OK(os::writeFileAtomic(path, bytes.substr(0, bytes.size() / 2)));
        const auto torn = readMaybeGzip(path, 1 << 20);
        QVERIFY(!torn && torn.error().code == Code::Corrupt);
    }

    void whatIsExportedComesBackTheSame() {
        Desk one(10), two;
        int i = 0;
        for (const auto& item : one.next(10)) {
            ++i;
            OK(one.vote(item, i % 2 ? Winner::A : Winner::B, 1 + i % 3));
        }
        const std::string file = one.temp.path().toStdString() + "/out.jsonl";
        must(exportTrl(*one.project, {}, file));
        const auto report = must(importFile(*two.project, file));
        QCOMPARE(report.counts.votes, int64_t{10});
        const std::string again = two.temp.path().toStdString() + "/out.jsonl";
        must(exportTrl(*two.project, {}, again));
        const auto strip = [](const std::string& path) {
            std::string all;
            for (const auto& line : QString::fromStdString(must(os::readFile(path))).split('\n', Qt::SkipEmptyParts)) {
                Json row = Json::parse(line.toStdString());
                row.erase("annotator");
                row.erase("provenance");
                all += row.dump() + "\n";
            }
            return all;
        };
        QCOMPARE(strip(again), strip(file));
    }

    /// Rows that name who judged are that one's; a second verdict of the same one is said.
    void textsKeepEveryAnnotator() {
        Desk desk;
        const std::string file = desk.temp.path().toStdString() + "/raters.jsonl";
        const auto row = [](const char* chosen, const char* rejected, const char* by) {
            return dumpJson({{"prompt", "Hi"}, {"chosen", chosen}, {"rejected", rejected}, {"annotator", by}, {"split", "train"}}) + "\n";
        };
        OK(os::writeFileAtomic(file, row("a", "b", "x") + row("b", "a", "y") + row("b", "a", "imported: z") + row("b", "a", "x")));
        const auto report = must(importFile(*desk.project, file));
        QCOMPARE(report.counts.votes, int64_t{3});
        QCOMPARE(report.counts.differing, int64_t{1});
        std::set<std::string> names;
        for (const Annotator& who : must(desk.project->annotators()))
            names.insert(who.name);
        QVERIFY((names == std::set<std::string>{"Ada", "imported: x", "imported: y", "imported: z"}));
        const std::string out = desk.temp.path().toStdString() + "/out.jsonl";
        must(exportTrl(*desk.project, {}, out));
        QVERIFY(must(os::readFile(out)).find("\"chosen\":\"b\"") != std::string::npos);
    }

    void aSimulatedVoteNeverComesBackAsAHumanOne() {
        Desk one(10), two, three;
        const Id robot = must(one.project->annotator(AnnotatorKind::Rule, "concise"));
        one.ada = robot;
        int i = 0;
        for (const auto& item : one.next(10)) {
            ++i;
            OK(one.vote(item, i % 3 == 0 ? Winner::Tie : i % 2 ? Winner::A : Winner::B));
        }
        Desk* from = &one;
        for (Desk* to : {&two, &three}) { // and what was imported stays simulated when it goes on
            const std::string file = from->temp.path().toStdString() + "/out.jsonl";
            const auto out = must(exportTrl(*from->project, {}, file));
            QVERIFY(out.rows > 0 && out.ties > 0);
            int64_t votes = 0;
            for (const std::string& each : {file, file + ".ties.jsonl"})
                votes += must(importFile(*to->project, each)).counts.votes;
            QCOMPARE(votes, int64_t{10});
            for (const CurrentVote& vote : to->project->currentVotes()) {
                QCOMPARE(std::string(provenanceName(vote.provenance)), std::string("rule"));
                for (const Annotator& who : must(to->project->annotators()))
                    if (who.id == vote.annotator) {
                        QVERIFY(who.kind == AnnotatorKind::Rule);
                        QCOMPARE(who.name, std::string("imported: concise"));
                    }
            }
            QVERIFY(must(to->project->check()).ok());
            from = to;
        }
        OK(three.project->revertImport(must(three.project->importBatches())[0].id));
        QVERIFY(must(three.project->check()).ok());
        // A row that does not say is a human's, as ever; "judge" and "model" are not.
        ImportRow plain = must(parseImport(kGood, "in", {})).rows[0];
        QVERIFY(!plain.by);
        for (const auto& [said, kind] : {std::pair{"simulated", AnnotatorKind::Rule}, {"judge", AnnotatorKind::Judge},
                                         {"model", AnnotatorKind::Model}}) {
            Json row = Json::parse(kGood);
            row["provenance"] = said;
            QVERIFY(must(parseImport(row.dump(), "in", {})).rows[0].by == kind);
        }
    }

    void readsAnArrayAndSaysWhatIsWrongWithBadRows() {
        for (const char* name : {"in.jsonl", "in.json", "in"}) {
            QCOMPARE(must(parseImport(R"([{"prompt": "Q", "chosen": "x", "rejected": "y"}])", name, {})).rows.size(), size_t{1});
            QCOMPARE(must(parseImport(R"(["one", "two"])", name, {})).rows[1].prompt.content, std::string("two"));
            for (const char* empty : {"[\n{}\n]", "[ {\n}\n]"})
                QVERIFY(!parseImport(empty, name, {}));
        }
        OK(parseImport("[Scene] A lake.\n[laughs] Why?", "in.txt", {}));
        std::string rows = std::string(kGood) + "\n";
        for (int i = 0; i < 5; ++i)
            rows += R"({"prompt": "Q", "chosen": "x", "rejected": "x"})" "\n";
        const auto bad = parseImport(rows, "in.jsonl", {});
        QVERIFY(!bad && bad.error().hint.find("--format") == std::string::npos);
        for (const char* line : {"line 2: ", "line 3: ", "line 4: "})
            QVERIFY2(bad.error().message.find(line) != std::string::npos, bad.error().message.c_str());
        const auto other = parseImport(R"({"text": "x"})", "in.jsonl", {});
        QVERIFY(!other && other.error().hint.find("--format") != std::string::npos);
    }

    void aModelIsLookedAtBeforeItIsAdded() {
        Desk desk;
        const std::string starter = std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model";
        const std::string dir = desk.temp.path().toStdString() + "/my-model";
        const auto fresh = [&] {
            must(os::removeTree(dir));
            must(os::copyTree(starter, dir));
        };
        const auto refused = [&](const char* file, const std::string& name = "m") {
            const auto added = addModel(*desk.project, dir, name);
            return !added && added.error().toString().find(file) != std::string::npos && !added.error().hint.empty() &&
                   !os::exists(os::joinPath(desk.project->modelsDir(), name));
        };
        fresh();
        for (const char* name : {"run:1", "a/b", "..", ".x", "-x", "two words", "\xc3\xa4"})
            QVERIFY2(!addModel(*desk.project, dir, name), name);
        QCOMPARE(must(addModel(*desk.project, dir + "/")), std::string("my-model"));
        const std::string weights = dir + "/model.safetensors";
        const std::string bytes = must(os::readFile(weights));
        for (const size_t keep : {size_t{0}, size_t{5}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
            OK(os::writeFileAtomic(weights, bytes.substr(0, keep)));
            QVERIFY2(refused("model.safetensors"), std::to_string(keep).c_str());
        }
        OK(os::writeFileAtomic(weights, bytes + "x"));
        QVERIFY(refused("model.safetensors"));
        OK(os::writeFileAtomic(weights, std::string("\x02\0\0\0\0\0\0\0{}", 10)));
        QVERIFY(refused("model.safetensors"));
        fresh();
        OK(os::writeFileAtomic(dir + "/tokenizer.json", "{}"));
        QVERIFY(refused("tokenizer.json"));
        fresh();
        OK(os::writeFileAtomic(dir + "/chat_template.jinja", "{% include 'another' %}[INST] {{ messages[0]['content'] }} [/INST]"));
        QVERIFY(refused("chat template"));
        fresh();
        OK(addModel(*desk.project, dir, "A.model_1-b"));
    }
};

QTEST_GUILESS_MAIN(TestImport)
#include "tst_import.moc"
