// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <QElapsedTimer>
#include <QTemporaryDir>
#include <QTest>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/text/pattern.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"

using namespace pl;
using namespace pl::text;

namespace {

const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/tokenizers/";
const std::string kStarter = PAIRLAB_SOURCE_DIR "/resources/starter/model";

Tokenizer loaded(const std::string& folder) {
    auto tokenizer = Tokenizer::load(folder);
    if (!tokenizer)
        qFatal("%s", tokenizer.error().toString().c_str());
    return *tokenizer;
}

Json goldenFile(const char* name) {
    return *readJsonFile(kGolden + name + "/tokenizer.json");
}

/// Compares every case; returns how many, or -1 after saying which differs.
int compareCases(const Tokenizer& tokenizer, const Json& golden) {
    int count = 0;
    for (const Json& item : golden["cases"]) {
        const auto text = item["text"].get<std::string>();
        const auto want = item["ids"].get<std::vector<int64_t>>();
        const auto ids = tokenizer.encode(text, true);
        if (ids != want || tokenizer.decode(ids, false) != item["decoded"].get<std::string>() ||
            tokenizer.decode(ids, true) != item["decoded_skip_special"].get<std::string>()) {
            qWarning("differs: %s\n got %s\nwant %s", Json(text).dump().c_str(), Json(ids).dump().c_str(),
                     Json(want).dump().c_str());
            return -1;
        }
        ++count;
    }
    for (const Json& item : golden["decode_cases"]) {
        const auto ids = item["ids"].get<std::vector<int64_t>>();
        if (tokenizer.decode(ids, false) != item["decoded"].get<std::string>() ||
            tokenizer.decode(ids, true) != item["decoded_skip_special"].get<std::string>()) {
            qWarning("decodes differently: %s", item.dump().c_str());
            return -1;
        }
        ++count;
    }
    return count;
}

/// A small valid file: the byte alphabet, three merges, two special tokens.
Json smallFile() {
    Json vocab = Json::object();
    const Json gpt2 = goldenFile("gpt2");
    for (const auto& [spelling, id] : gpt2["model"]["vocab"].items())
        if (id.get<int>() >= 4 && id.get<int>() < 260)
            vocab[spelling] = id.get<int>() - 4;
    vocab["ab"] = 256;
    vocab["abc"] = 257;
    vocab["\u0120a"] = 258;
    const auto special = [](int id, const char* content) {
        return Json{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                    {"rstrip", false}, {"normalized", false}, {"special", true}};
    };
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", Json::array({special(259, "<end>"), special(260, "<pad>")})},
            {"normalizer", nullptr},
            {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
            {"post_processor", nullptr},
            {"decoder", {{"type", "ByteLevel"}}},
            {"model",
             {{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", nullptr},
              {"byte_fallback", false},
              {"ignore_merges", false},
              {"vocab", vocab},
              {"merges", Json::array({"a b", "ab c", "\u0120 a"})}}}};
}

Result<Tokenizer> parse(const Json& file, const std::string& config = {}) {
    return Tokenizer::parse(dumpJson(file), config, "tokenizer.json of X");
}

struct Mutation {
    const char* name;
    const char* pointer; ///< JSON pointer
    Json value;          ///< discarded: the entry is removed
    Code code;
    const char* says;
};

} // namespace

class TestTokenizer : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void equalsHuggingFace_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gpt2", "llama3", "llama3_ignore_merges"})
            QTest::newRow(name) << name;
    }
    void equalsHuggingFace() {
        QFETCH(QString, name);
        const std::string folder = kGolden + name.toStdString();
        const Tokenizer tokenizer = loaded(folder);
        const Json golden = *readJsonFile(folder + "/cases.json");
        QCOMPARE(tokenizer.vocabSize(), golden["vocab_size"].get<int64_t>());
        QCOMPARE(tokenizer.hash(), golden["tokenizer_sha256"].get<std::string>());
        QVERIFY(compareCases(tokenizer, golden) > 400);
    }
    void cutsWordsAsHuggingFace_data() {
        QTest::addColumn<QString>("name");
        QTest::newRow("gpt2") << "gpt2";
        QTest::newRow("llama3") << "llama3";
    }
    void cutsWordsAsHuggingFace() {
        QFETCH(QString, name);
        const std::string folder = kGolden + name.toStdString();
        const Tokenizer tokenizer = loaded(folder);
        const Json golden = *readJsonFile(folder + "/pieces.json");
        QVERIFY(golden["cases"].size() > 400);
        for (const Json& item : golden["cases"]) {
            std::vector<size_t> lengths;
            for (const std::string& piece : tokenizer.pieces(item["text"].get<std::string>()))
                lengths.push_back(piece.size());
            QVERIFY2(lengths == item["bytes"].get<std::vector<size_t>>(), item["text"].dump().c_str());
        }
    }
    void readsTheStarterTokenizer() {
        const Tokenizer tokenizer = loaded(kStarter);
        QVERIFY(tokenizer.eosId());
        QCOMPARE(tokenizer.tokenText(*tokenizer.eosId()), std::string("<|im_end|>"));
        const Json golden = *readJsonFile(kGolden + "starter_cases.json");
        if (golden["tokenizer_sha256"] != tokenizer.hash())
            QFAIL("starter_cases.json is of another starter tokenizer: run tests/golden/make_tokenizers.py");
        QVERIFY(compareCases(tokenizer, golden) > 400);
    }
    void keepsSpecialTokensOfAPersonAsText() {
        const Tokenizer tokenizer = loaded(kGolden + "gpt2");
        const std::string text = "a<|im_end|>b <|endoftext|>[[note]]";
        const auto ids = tokenizer.encode(text);
        for (const int64_t id : ids)
            QVERIFY(!tokenizer.isSpecial(id));
        QCOMPARE(tokenizer.decode(ids), text);
        const auto note = *tokenizer.tokenId("[[note]]"); // added, not special: still one token
        QCOMPARE(std::count(ids.begin(), ids.end(), note), 1L);
        const auto parsed = tokenizer.encode(text, true);
        QCOMPARE(std::count(parsed.begin(), parsed.end(), *tokenizer.tokenId("<|im_end|>")), 1L);
        QCOMPARE(tokenizer.specialIds().size(), size_t(4));
    }
    void comesBackFromRandomText() {
        uint32_t state = 11;
        const auto next = [&](uint32_t n) { return (state = state * 1664525 + 1013904223) / 65536 % n; };
        const char32_t starts[] = {0x20, 0x41, 0x61, 0xE0, 0x300, 0x410, 0x4E00, 0x2000, 0x1F600, 0x0, 0x30};
        for (const char* name : {"gpt2", "llama3", "llama3_ignore_merges"}) {
            const Tokenizer tokenizer = loaded(kGolden + name);
            for (int round = 0; round < 300; ++round) {
                std::string text;
                for (uint32_t i = next(40); i > 0; --i)
                    appendUtf8(text, starts[next(11)] + next(32));
                QCOMPARE(tokenizer.decode(tokenizer.encode(text)), text);
            }
            for (int round = 0; round < 300; ++round) { // bytes that are no text
                std::string bytes;
                for (uint32_t i = next(40); i > 0; --i)
                    bytes.push_back(static_cast<char>(next(256)));
                QCOMPARE(tokenizer.decode(tokenizer.encode(bytes)), repairUtf8(bytes));
            }
        }
    }
    void isQuickOnHostileText_data() {
        QTest::addColumn<QByteArray>("text");
        const auto repeated = [](const char* unit, int bytes) {
            return QByteArray(unit).repeated(bytes / int(strlen(unit)));
        };
        QTest::newRow("spaces") << repeated(" ", 1 << 20);
        QTest::newRow("spaces, then a letter") << repeated(" ", 1 << 20) + "a";
        QTest::newRow("one long word") << repeated("a", 1 << 18);
        QTest::newRow("word without repetition") << repeated("thelistanddon", 1 << 18);
        QTest::newRow("digits") << repeated("7", 1 << 18);
        QTest::newRow("line ends") << repeated("\n", 1 << 18);
        QTest::newRow("mixed space") << repeated(" \n\t", 1 << 18);
        QTest::newRow("almost special tokens") << repeated("<|im_start|", 1 << 18);
        QTest::newRow("broken bytes") << repeated("\xF0\x9F", 1 << 18);
        QTest::newRow("zero bytes") << QByteArray(1 << 18, '\0');
    }
    void isQuickOnHostileText() {
        QFETCH(QByteArray, text);
        static const Tokenizer tokenizers[] = {loaded(kGolden + "gpt2"), loaded(kGolden + "llama3")};
        for (const Tokenizer& tokenizer : tokenizers) {
            QElapsedTimer timer;
            timer.start();
            const auto ids = tokenizer.tryEncode(text.toStdString());
            QVERIFY2(ids, ids ? "" : ids.error().toString().c_str());
            QVERIFY2(timer.elapsed() < 60000, qPrintable(QString::number(timer.elapsed())));
            QCOMPARE(tokenizer.decode(*ids), repairUtf8(text.toStdString()));
        }
    }
    void mergesTheLowestRankFirstAndLeftmost() {
        Json file = smallFile();
        const auto tokenizer = parse(file);
        QVERIFY2(tokenizer, tokenizer ? "" : tokenizer.error().toString().c_str());
        QCOMPARE(tokenizer->encode("abc"), (std::vector<int64_t>{257}));
        QCOMPARE(tokenizer->encode(" ab"), (std::vector<int64_t>{*tokenizer->tokenId("\u0120"), 256}));
        QCOMPARE(tokenizer->encode(" aab"), (std::vector<int64_t>{258, 256}));
        QCOMPARE(tokenizer->encode(""), std::vector<int64_t>{});
        QCOMPARE(tokenizer->tokenText(258), std::string("\u0120a"));
        QCOMPARE(tokenizer->tokenText(9999), std::string());
        QCOMPARE(tokenizer->decode({256, 9999, -5, 259, 256}), std::string("abab"));
        QCOMPARE(tokenizer->decode({256, 259}, false), std::string("ab<end>"));
    }
    void obeysTheOptionsOfThePreTokenizer() {
        Json file = smallFile();
        file["pre_tokenizer"]["add_prefix_space"] = true;
        QCOMPARE(parse(file)->pieces("ab c"), (std::vector<std::string>{" ab", " c"}));
        QCOMPARE(parse(file)->encode(""), std::vector<int64_t>{});
        file["pre_tokenizer"]["add_prefix_space"] = false;
        file["pre_tokenizer"]["use_regex"] = false;
        QCOMPARE(parse(file)->pieces("ab c"), (std::vector<std::string>{"ab c"}));
        const auto sequence = [&](Json first) {
            file["pre_tokenizer"] = {
                {"type", "Sequence"},
                {"pretokenizers",
                 Json::array({std::move(first), {{"type", "ByteLevel"}, {"add_prefix_space", false}}})}};
            auto tokenizer = parse(file);
            if (!tokenizer)
                qFatal("%s", tokenizer.error().toString().c_str());
            return tokenizer->pieces("a 12b");
        };
        QCOMPARE(sequence({{"type", "Digits"}, {"individual_digits", true}}),
                 (std::vector<std::string>{"a", " ", "1", "2", "b"}));
        QCOMPARE(sequence({{"type", "Digits"}, {"individual_digits", false}}),
                 (std::vector<std::string>{"a", " ", "12", "b"}));
        QCOMPARE(sequence({{"type", "Split"},
                           {"pattern", {{"String", "2b"}}},
                           {"behavior", "Isolated"},
                           {"invert", false}}),
                 (std::vector<std::string>{"a", " 1", "2", "b"}));
        QCOMPARE(sequence({{"type", "Split"},
                           {"pattern", {{"Regex", "\\w+"}}},
                           {"behavior", "Removed"},
                           {"invert", true}}),
                 (std::vector<std::string>{"a", "12", "b"}));
    }
    void addedTokensTakeWhiteSpaceAlong() {
        Json file = smallFile();
        file["added_tokens"][0]["lstrip"] = true;
        file["added_tokens"][0]["rstrip"] = true;
        const auto tokenizer = parse(file);
        const auto a = *tokenizer->tokenId("a");
        QCOMPARE(tokenizer->encode("a \n<end>\u3000\t<end>a", true), (std::vector<int64_t>{a, 259, 259, a}));
        QCOMPARE(tokenizer->decode(tokenizer->encode(" <end> ")), std::string(" <end> ")); // as text
    }
    void namesEndAndPaddingTokens() {
        const Json file = smallFile();
        QVERIFY(!parse(file)->eosId());
        const auto both = parse(file, R"({"eos_token": {"content": "<end>"}, "pad_token": "<pad>"})");
        QCOMPARE(*both->eosId(), int64_t(259));
        QCOMPARE(*both->padId(), int64_t(260));
        QVERIFY(!parse(file, R"({"eos_token": null})")->eosId());
        const auto unknown = parse(file, R"({"eos_token": "<stop>"})");
        QVERIFY(!unknown);
        QVERIFY(unknown.error().message.find("'<stop>'") != std::string::npos);
        QVERIFY(!parse(file, R"({"eos_token": 7})"));
        QVERIFY(!parse(file, "[1]"));
        QVERIFY(!parse(file, "{\"eos_token\""));
    }
    void refusesMutatedFiles_data() {
        QTest::addColumn<int>("row");
        const auto& rows = mutations();
        QVERIFY(rows.size() >= 25);
        for (size_t i = 0; i < rows.size(); ++i)
            QTest::newRow(rows[i].name) << int(i);
    }
    void refusesMutatedFiles() {
        QFETCH(int, row);
        const Mutation& mutation = mutations()[size_t(row)];
        Json file = smallFile();
        QVERIFY(parse(file));
        const Json::json_pointer pointer(mutation.pointer);
        if (mutation.value.is_discarded())
            file[pointer.parent_pointer()].erase(pointer.back());
        else
            file[pointer] = mutation.value;
        const auto tokenizer = parse(file);
        QVERIFY(!tokenizer);
        const Error& error = tokenizer.error();
        QVERIFY2(error.message.rfind("tokenizer.json of X: ", 0) == 0, error.message.c_str());
        QVERIFY2(error.message.find(mutation.says) != std::string::npos, error.message.c_str());
        QCOMPARE(codeName(error.code), codeName(mutation.code));
        QVERIFY2(isValidUtf8(error.message) && error.message.size() < 400, error.message.c_str());
    }
    void refusesTextThatIsNoFile() {
        std::string text = dumpJson(smallFile());
        for (size_t cut = 0; cut < text.size(); cut += 97)
            QVERIFY(!Tokenizer::parse(text.substr(0, cut), "", "x"));
        QVERIFY(!Tokenizer::parse(std::string(200000, '['), "", "x"));
        std::string deep;
        for (int i = 0; i < 100000; ++i)
            deep += "{\"a\":";
        QVERIFY(!Tokenizer::parse(deep, "", "x"));
        QVERIFY(!Tokenizer::parse(text + "x", "", "x"));
        std::string twice = text;
        twice.replace(twice.find("\"abc\":257"), 9, "\"abc\":257,\"abc\":256");
        QVERIFY(!Tokenizer::parse(twice, "", "x"));
        std::string bad = text;
        bad[bad.find("abc")] = '\xFF';
        QVERIFY(!Tokenizer::parse(bad, "", "x"));
    }
    void survivesRandomDamage() {
        const std::string text = dumpJson(smallFile());
        uint32_t state = 5;
        const auto next = [&](uint32_t n) { return (state = state * 1664525 + 1013904223) / 65536 % n; };
        for (int round = 0; round < 300; ++round) {
            std::string damaged = text;
            for (uint32_t i = 1 + next(3); i > 0; --i)
                damaged[next(uint32_t(damaged.size()))] = "\"{}[]:,0-9ae\\"[next(12)];
            if (const auto tokenizer = Tokenizer::parse(damaged, "", "x"))
                QVERIFY(tokenizer->encode("ab abc <end>", true).size() <= 12);
            else
                QVERIFY(!tokenizer.error().message.empty());
        }
    }
    void namesTheMissingFile() {
        QTemporaryDir dir;
        const auto tokenizer = Tokenizer::load(dir.path().toStdString());
        QVERIFY(!tokenizer);
        QCOMPARE(tokenizer.error().code, Code::NotFound);
        QVERIFY(tokenizer.error().message.find("tokenizer.json") != std::string::npos);
    }
    void reportsATextOnWhichThePatternRunsAway() {
        // Harmless on the probes, quadratic to the power of three on this text.
        Json file = smallFile();
        file["pre_tokenizer"] = {
            {"type", "Sequence"},
            {"pretokenizers",
             Json::array(
                 {{{"type", "Split"}, {"pattern", {{"Regex", "(?:x|xx)+z|a"}}}, {"behavior", "Isolated"}},
                  {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}})}};
        const auto tokenizer = parse(file);
        QVERIFY2(tokenizer, tokenizer ? "" : tokenizer.error().toString().c_str());
        const std::string text(3000, 'x');
        const auto ids = tokenizer->tryEncode(text);
        QVERIFY(!ids);
        QCOMPARE(ids.error().code, Code::InvalidInput);
        QCOMPARE(tokenizer->decode(tokenizer->encode(text)), text); // and encode goes on
    }
    void readsPatternsAsOniguruma() {
        QCOMPARE(*rewritePattern("a\\d[b]"), std::string("a\\d[b]"));
        QVERIFY(!rewritePattern("[a&&b]"));
        QVERIFY(!rewritePattern("[a[b]]"));
        QVERIFY(!rewritePattern("\\h"));
        QVERIFY(!rewritePattern("(*LIMIT_MATCH=0)a"));
        QVERIFY(!rewritePattern("a\\"));
        const auto cut = [](const char* pattern, const std::string& text) {
            const auto compiled = Pattern::compile(pattern, "x");
            std::vector<std::string_view> pieces;
            std::string_view rest;
            if (!compiled || !compiled->split(text, false, pieces, rest))
                return std::vector<std::string>{"failed"};
            return std::vector<std::string>(pieces.begin(), pieces.end());
        };
        using Pieces = std::vector<std::string>;
        QCOMPARE(cut("\\s", "a\u180Eb\u3000c"), (Pieces{"a\u180Eb", "\u3000", "c"}));
        QCOMPARE(cut("[^\\s]+", "a\u180Eb c"), (Pieces{"a\u180Eb", " ", "c"}));
        QCOMPARE(cut("[\\S]+", "a\u180Eb\u2003c"), (Pieces{"a\u180Eb", "\u2003", "c"}));
        QCOMPARE(cut("\\w+", "e\u0301_1-b"), (Pieces{"e\u0301_1", "-", "b"}));
        QCOMPARE(cut("x*", "axxb"), (Pieces{"a", "xx", "b"})); // empty matches cut
        QCOMPARE(cut("(?=b)", "abab"), (Pieces{"a", "ba", "b"}));
    }
    void encodesFromManyThreads() {
        const Tokenizer tokenizer = loaded(kGolden + "gpt2");
        const std::string text = "The quick brown fox can't count 12345 \u4e16\u754c!";
        const auto want = tokenizer.encode(text);
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (int i = 0; i < 200; ++i) {
                    tokenizer.encode("word" + std::to_string(t * 1000 + i));
                    wrong += tokenizer.encode(text) != want;
                }
            });
        for (std::thread& thread : threads)
            thread.join();
        QCOMPARE(wrong.load(), 0);
    }

private:
    static const std::vector<Mutation>& mutations() {
        static const Json removed = Json(Json::value_t::discarded);
        static const std::vector<Mutation> rows = {
            {"newer version", "/version", "2.0", Code::NewerFormat, "version"},
            {"normalizer NFC", "/normalizer", {{"type", "NFC"}}, Code::Unsupported, "'NFC'"},
            {"normalizer without type", "/normalizer", Json::object(), Code::Corrupt, "no type"},
            {"no model", "/model", removed, Code::Corrupt, "\"model\""},
            {"model is a list", "/model", Json::array(), Code::Corrupt, "\"model\""},
            {"WordPiece", "/model/type", "WordPiece", Code::Unsupported, "WordPiece"},
            {"dropout", "/model/dropout", 0.1, Code::Unsupported, "dropout"},
            {"byte fallback", "/model/byte_fallback", true, Code::Unsupported, "byte_fallback"},
            {"byte fallback is a number", "/model/byte_fallback", 1, Code::Corrupt, "byte_fallback"},
            {"subword prefix", "/model/continuing_subword_prefix", "##", Code::Unsupported,
             "continuing_subword_prefix"},
            {"word suffix", "/model/end_of_word_suffix", "</w>", Code::Unsupported, "end_of_word_suffix"},
            {"unknown unk_token", "/model/unk_token", "<unk>", Code::Corrupt, "'<unk>'"},
            {"no vocabulary", "/model/vocab", removed, Code::Corrupt, "\"vocab\""},
            {"empty vocabulary", "/model/vocab", Json::object(), Code::Corrupt, "\"vocab\""},
            {"vocabulary is a list", "/model/vocab", Json::array({"a"}), Code::Corrupt, "\"vocab\""},
            {"id is a text", "/model/vocab/ab", "256", Code::Corrupt, "'ab'"},
            {"id is a fraction", "/model/vocab/ab", 256.5, Code::Corrupt, "'ab'"},
            {"id is negative", "/model/vocab/ab", -1, Code::Corrupt, "-1"},
            {"id is huge", "/model/vocab/ab", uint64_t(18446744073709551615u), Code::Corrupt, "'ab'"},
            {"id beyond the limit", "/model/vocab/ab", 2000000, Code::Corrupt, "2000000"},
            {"ids with a great gap", "/model/vocab/ab", 1900000, Code::Corrupt, "1900000"},
            {"id of another token", "/model/vocab/ab", 257, Code::Corrupt, "belongs to both"},
            {"token too long", "/added_tokens/0/content", std::string(70000, 'x'), Code::Corrupt,
             "70000 bytes"},
            {"no merges", "/model/merges", removed, Code::Corrupt, "\"merges\""},
            {"merges are text", "/model/merges", "a b", Code::Corrupt, "\"merges\""},
            {"merge of one", "/model/merges/0", "ab", Code::Corrupt, "merge 0"},
            {"merge of three", "/model/merges/1", "a b c", Code::Corrupt, "merge 1"},
            {"merge with an empty side", "/model/merges/1", " ab", Code::Corrupt, "merge 1"},
            {"merge is a number", "/model/merges/2", 5, Code::Corrupt, "merge 2"},
            {"merge list of three", "/model/merges/2", Json::array({"a", "b", "c"}), Code::Corrupt,
             "merge 2"},
            {"merge of numbers", "/model/merges/2", Json::array({1, 2}), Code::Corrupt, "merge 2"},
            {"merge of an unknown token", "/model/merges/0", "a bb", Code::Corrupt, "'bb'"},
            {"merge to an unknown token", "/model/merges/0", "b a", Code::Corrupt, "'ba'"},
            {"added tokens are an object", "/added_tokens", Json::object(), Code::Corrupt,
             "\"added_tokens\""},
            {"added token without content", "/added_tokens/0/content", removed, Code::Corrupt, "no content"},
            {"added token is empty", "/added_tokens/0/content", "", Code::Corrupt, "no content"},
            {"added token without id", "/added_tokens/0/id", removed, Code::Corrupt, "no id"},
            {"added token twice", "/added_tokens/0/content", "<pad>", Code::Corrupt, "'<pad>'"},
            {"added token takes an id", "/added_tokens/0/id", 256, Code::Corrupt, "belongs to both"},
            {"added token with two ids", "/added_tokens/0/content", "ab", Code::Corrupt, "'ab'"},
            {"added token single_word", "/added_tokens/0/single_word", true, Code::Unsupported,
             "single_word"},
            {"special is a text", "/added_tokens/0/special", "yes", Code::Corrupt, "\"special\""},
            {"no pre-tokenizer", "/pre_tokenizer", nullptr, Code::Unsupported, "no pre_tokenizer"},
            {"Whitespace", "/pre_tokenizer/type", "Whitespace", Code::Unsupported, "'Whitespace'"},
            {"empty sequence",
             "/pre_tokenizer",
             {{"type", "Sequence"}, {"pretokenizers", Json::array()}},
             Code::Corrupt,
             "1 to 16"},
            {"Split without end", "/pre_tokenizer", splitOnly("a", "Isolated"), Code::Unsupported, "'Split'"},
            {"broken pattern", "/pre_tokenizer", split("a(", "Isolated"), Code::InvalidInput, "'a('"},
            {"runaway pattern", "/pre_tokenizer", split("(?:a|aa)+[bc]", "Isolated"), Code::InvalidInput,
             "too many steps"},
            {"empty pattern", "/pre_tokenizer", split("", "Isolated"), Code::InvalidInput, "empty"},
            {"class intersection", "/pre_tokenizer", split("[\\p{L}&&[^a]]", "Isolated"), Code::Unsupported,
             "&&"},
            {"Split that drops text", "/pre_tokenizer", split("a", "Removed"), Code::Unsupported, "Removed"},
            {"Split merged", "/pre_tokenizer", split("a", "MergedWithNext"), Code::Unsupported,
             "MergedWithNext"},
            {"no decoder", "/decoder", nullptr, Code::Unsupported, "no decoder"},
            {"decoder Metaspace", "/decoder/type", "Metaspace", Code::Unsupported, "'Metaspace'"},
            {"post-processor Bert",
             "/post_processor",
             {{"type", "BertProcessing"}},
             Code::Unsupported,
             "'BertProcessing'"},
        };
        return rows;
    }
    static Json splitStep(const char* pattern, const char* behaviour) {
        return {
            {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", behaviour}, {"invert", false}};
    }
    static Json split(const char* pattern, const char* behaviour) {
        return {{"type", "Sequence"},
                {"pretokenizers", Json::array({splitStep(pattern, behaviour), {{"type", "ByteLevel"}}})}};
    }
    static Json splitOnly(const char* pattern, const char* behaviour) {
        return {{"type", "Sequence"}, {"pretokenizers", Json::array({splitStep(pattern, behaviour)})}};
    }
};
QTEST_APPLESS_MAIN(TestTokenizer)
#include "tst_tokenizer.moc"
