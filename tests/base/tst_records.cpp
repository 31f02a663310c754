// SPDX-License-Identifier: Apache-2.0
#include "core/base/records.h"
#include "tests/base/check.h"

using namespace pl;

class TestRecords : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void readsPairs() {
        TempDir dir;
        dir.write("train.jsonl",
                  "\xef\xbb\xbf{\"id\":\"a\",\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"strength\":3,\"weight\":0.5,"
                  "\"soft_label\":0.8,\"annotator\":\"me\",\"extra\":[1]}\r\n\n"
                  "{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"y\"}],"
                  "\"rejected\":\"n\",\"strength\":null,\"id\":12}\n"
                  "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}");
        const auto rows = readPairs(dir.path("train.jsonl"));
        PL_GOOD(rows);
        QCOMPARE(rows->size(), size_t(3));
        const PairRow& first = rows->front();
        QCOMPARE(first.id, std::string("a"));
        QCOMPARE(*first.strength, 3);
        QCOMPARE(first.weight, 0.5);
        QCOMPARE(first.softLabel, 0.8);
        QCOMPARE(first.annotator, std::string("me"));
        QVERIFY(!first.tie);
        QCOMPARE((*rows)[1].prompt, std::string("q"));
        QCOMPARE((*rows)[1].chosen, std::string("y"));
        QCOMPARE((*rows)[1].id, std::string("12"));
        QVERIFY(!(*rows)[1].strength);
        QCOMPARE((*rows)[2].id.size(), size_t(16)); // its content's hash
        QCOMPARE((*rows)[2].weight, 1.0);
    }

    void readsTiesOfOneSplit() {
        TempDir dir;
        dir.write("ties.jsonl", R"({"id":"1","prompt":"p","a":"x","b":"y","tie_kind":"both_good","split":"train"}
{"id":"2","prompt":"p","a":"x","b":"y","tie_kind":"identical","split":"dev"})");
        const auto rows = readTies(dir.path("ties.jsonl"), "dev");
        PL_GOOD(rows);
        QCOMPARE(rows->size(), size_t(1));
        QCOMPARE(rows->front().id, std::string("2"));
        QVERIFY(rows->front().tie);
        QCOMPARE(rows->front().softLabel, 0.5);
        QCOMPARE(readTies(dir.path("ties.jsonl"), "")->size(), size_t(2));
    }

    void readsPromptsAndSft() {
        TempDir dir;
        dir.write("prompts.jsonl", R"({"id":"1","prompt":"2+3","split":"dev","verifier":{"kind":"number","answer":5}}
{"id":"2","prompt":"hello","split":"train"})");
        const auto prompts = readPrompts(dir.path("prompts.jsonl"));
        PL_GOOD(prompts);
        QCOMPARE((*prompts)[0].split, std::string("dev"));
        QCOMPARE((*prompts)[0].verifierKind, std::string("number"));
        QCOMPARE((*prompts)[0].verifierAnswer, std::string("5"));
        QVERIFY((*prompts)[1].verifierKind.empty());
        dir.write("sft.jsonl", R"({"prompt":"a","completion":"b"})");
        const auto sft = readSft(dir.path("sft.jsonl"));
        PL_GOOD(sft);
        QCOMPARE((*sft)[0].completion, std::string("b"));
    }

    void refusesBadPairsWithFileAndLine_data() {
        QTest::addColumn<QByteArray>("line");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char* name, const QByteArray& line, const char* says) {
            QTest::newRow(name) << line << QByteArray(says);
        };
        const auto with = [](const char* more) {
            return QByteArray(R"({"prompt":"p","chosen":"c","rejected":"r",)") + more + "}";
        };
        row("not JSON", "prompt,chosen,rejected", "not valid JSON");
        row("cut", R"({"prompt":"p","chosen":)", "not valid JSON");
        row("invalid UTF-8", QByteArray("{\"prompt\":\"\xff\"}"), "not valid JSON");
        row("NUL", QByteArray("{}\0", 3), "NUL");
        row("bomb", QByteArray(1000, '['), "deeper than");
        row("duplicate key", R"({"prompt":"p","chosen":"c","chosen":"d","rejected":"r"})", "appears twice");
        row("list", "[1]", "a row must be an object");
        row("null", "null", "a row must be an object");
        row("no prompt", R"({"chosen":"c","rejected":"r"})", "\"prompt\" is missing");
        row("no rejected", R"({"prompt":"p","chosen":"c"})", "\"rejected\" is missing");
        row("number as text", R"({"prompt":1,"chosen":"c","rejected":"r"})", "\"prompt\" must be a text");
        row("several turns",
            R"({"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"chosen":"c","rejected":"r"})",
            "2 messages");
        row("no message", R"({"prompt":[],"chosen":"c","rejected":"r"})", "0 messages");
        row("wrong role", R"({"prompt":[{"role":"system","content":"a"}],"chosen":"c","rejected":"r"})", "role \"system\"");
        row("message without content", R"({"prompt":[{"role":"user"}],"chosen":"c","rejected":"r"})", "\"content\" is missing");
        row("message that is a text", R"({"prompt":["a"],"chosen":"c","rejected":"r"})", "must be a JSON object");
        row("strength 0", with(R"("strength":0)"), "outside 1..3");
        row("strength 4", with(R"("strength":4)"), "outside 1..3");
        row("strength 1.5", with(R"("strength":1.5)"), "whole number");
        row("negative weight", with(R"("weight":-1)"), "weight");
        row("weight as text", with(R"("weight":"NaN")"), "must be a number");
        row("soft label above 1", with(R"("soft_label":1.01)"), "soft_label");
        row("empty id", with(R"("id":"")"), "\"id\"");
        row("id as list", with(R"("id":[])"), "\"id\"");
        row("annotator as number", with(R"("annotator":3)"), "annotator");
    }
    void refusesBadPairsWithFileAndLine() {
        QFETCH(QByteArray, line);
        QFETCH(QByteArray, says);
        TempDir dir;
        dir.write("t.jsonl", "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n\n" + line.toStdString() + "\n");
        const auto rows = readPairs(dir.path("t.jsonl"));
        PL_REFUSED(rows, dir.path("t.jsonl") + ", line 3");
        PL_REFUSED(rows, says.toStdString());
    }

    void refusesUnknownSplitsAndVerifiers() {
        PL_REFUSED(promptRowOf({{"prompt", "p"}, {"split", "tset"}}, "w"), "tset");
        PL_REFUSED(tieRowOf({{"prompt", "p"}, {"a", "x"}, {"b", "y"}, {"split", 3}}, "w"), "split");
        PL_REFUSED(promptRowOf({{"prompt", "p"}, {"verifier", {{"answer", "1"}}}}, "w"), "kind");
        PL_REFUSED(promptRowOf({{"prompt", "p"}, {"verifier", {{"kind", "k"}, {"answer", Json::array()}}}}, "w"), "answer");
        PL_REFUSED(sftRowOf({{"prompt", "p"}}, "w"), "completion");
    }

    void streamsLinesAcrossItsChunks() {
        TempDir dir;
        std::string text;
        for (int i = 0; i < 30; ++i)
            text += "{\"n\":" + std::to_string(i) + ",\"x\":\"" + std::string(size_t(i) * 9000, 'x') + "\"}\n";
        dir.write("big.jsonl", text);
        size_t count = 0;
        PL_GOOD(forEachJsonLine(dir.path("big.jsonl"), [&](const Json& row, size_t number) -> Status {
            if (row["n"].get<size_t>() != count || number != count + 1 || row["x"].get<std::string>().size() != count * 9000)
                return fail(Code::Internal, "out of order");
            ++count;
            return {};
        }));
        QCOMPARE(count, size_t(30));
        PL_REFUSED(forEachJsonLine(dir.path("big.jsonl"), [](const Json&, size_t) -> Status { return {}; }, {100000, 8}),
                   "line 13");
        PL_REFUSED(readPairs(dir.path("none.jsonl")), "none.jsonl");
        dir.write("empty.jsonl", "");
        QVERIFY(readPairs(dir.path("empty.jsonl"))->empty());
    }

    void imageRowsNameFilesByTheirHash() {
        const std::string a = imageRef(std::string(64, 'a'), "png"), b = imageRef(std::string(64, '0'), "webp");
        QVERIFY(isImageRef(a) && isImageRef(b));
        QCOMPARE(imageRefSha(a), std::string(64, 'a'));
        for (const std::string& no :
             {std::string("images/x.png"), std::string("../") + a, "/" + a, imageRef(std::string(64, 'A'), "png"),
              imageRef(std::string(63, 'a'), "png"), imageRef(std::string(64, 'a'), "svg"),
              imageRef(std::string(64, 'a'), "png/../x.png"), std::string("images/") + std::string(64, 'a'), std::string()}) {
            QVERIFY2(!isImageRef(no), no.c_str());
            QVERIFY(imageRefSha(no).empty());
            const Json row{{"prompt", "p"}, {"chosen", a}, {"rejected", no}, {"modality", "image"}};
            PL_REFUSED(pairRowOf(row, "row"), "\"rejected\"");
            const Json tie{{"prompt", "p"}, {"a", no}, {"b", a}, {"modality", "image"}};
            PL_REFUSED(tieRowOf(tie, "row"), "\"a\"");
        }
        Json row{{"prompt", "p"}, {"chosen", a}, {"rejected", b}, {"modality", "image"}};
        const auto pair = pairRowOf(row, "row");
        PL_GOOD(pair);
        QVERIFY(pair->image);
        QCOMPARE(pair->chosen, a);
        row["modality"] = "sound";
        PL_REFUSED(pairRowOf(row, "row"), "modality");
        row.erase("modality"); // an answer that happens to look like a path
        QVERIFY(!pairRowOf(row, "row")->image);
        QVERIFY(sftRowOf({{"prompt", "p"}, {"completion", a}, {"modality", "image"}}, "row")->image);
    }

    void readsRankings() {
        TempDir dir;
        const std::string a = imageRef(std::string(64, 'a'), "png"), b = imageRef(std::string(64, 'b'), "png"),
                          c = imageRef(std::string(64, 'c'), "png");
        const Json row{{"id", "r"}, {"prompt", "p"}, {"images", {a, b, c}}, {"ranks", {1, 1, 3}}, {"split", "dev"}};
        dir.write("rankings.jsonl", dumpJson(row) + "\n");
        const auto rows = readRankings(dir.path("rankings.jsonl"), "");
        PL_GOOD(rows);
        QCOMPARE(rows->front().images.size(), size_t(3));
        QCOMPARE(rows->front().ranks, (std::vector<int>{1, 1, 3}));
        QCOMPARE(readRankings(dir.path("rankings.jsonl"), "train")->size(), size_t(0));
        for (const auto& [key, value, says] :
             {std::tuple{"ranks", Json::array({1, 2}), "one number"}, {"ranks", Json::array({1, 2, 0}), "a rank"},
              {"ranks", Json::array({1, 2, 2.5}), "a rank"}, {"images", Json::array({a, b, a}), "twice"},
              {"images", Json::array({a, b, "x"}), "\"images\""}, {"images", Json::array({a}), "2 to"}}) {
            Json bad = row;
            bad[key] = value;
            PL_REFUSED(rankingRowOf(bad, "row"), says);
        }
    }
};

QTEST_GUILESS_MAIN(TestRecords)
#include "tst_records.moc"
