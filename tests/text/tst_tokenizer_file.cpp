// SPDX-License-Identifier: Apache-2.0
#include <QTemporaryDir>
#include <QTest>

#include "core/text/utf8.h"
#include "tests/text/small_tokenizer.h"

using namespace pl;
using namespace pl::text;
using namespace pl::test;

namespace {

struct Mutation {
    const char* name;
    const char* pointer; ///< JSON pointer
    Json value;          ///< discarded: the entry is removed
    Code code;
    const char* says;
};

} // namespace

/// Damaged and strange tokenizer.json files: each is refused with the entry named, none does harm.
class TestTokenizerFile : public QObject {
    Q_OBJECT
private Q_SLOTS:
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
        QCOMPARE(*parse(file, R"({"bos_token": "<end>"})")->bosId(), int64_t(259));
        QVERIFY(!parse(file, R"({"eos_token": 7})"));
        QVERIFY(!parse(file, "[1]"));
        QVERIFY(!parse(file, "{\"eos_token\""));
    }
    void refusesMutatedFiles_data() {
        QTest::addColumn<int>("row");
        const auto& rows = mutations();
        QVERIFY(rows.size() >= 60);
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
    void refusesDamagedSentencePieceFiles_data() {
        QTest::addColumn<QString>("pointer");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("says");
        QTest::newRow("unk_token of no token") << "/model/unk_token" << "\"<none>\"" << "'<none>'";
        QTest::newRow("byte_fallback is a text") << "/model/byte_fallback" << "\"yes\"" << "byte_fallback";
        QTest::newRow("fuse_unk is a number") << "/model/fuse_unk" << "1" << "fuse_unk";
        QTest::newRow("Unigram") << "/model/type" << "\"Unigram\"" << "Unigram";
        QTest::newRow("dropout") << "/model/dropout" << "0.5" << "dropout";
        QTest::newRow("Replace of a number") << "/normalizer/normalizers/1/content" << "7" << "\"content\"";
        QTest::newRow("Prepend of much") << "/normalizer/normalizers/0/prepend" << "\"" + QString(200, 'x') + "\"" << "64 bytes";
        QTest::newRow("normalizers are an object") << "/normalizer/normalizers" << "{}" << "not a list";
        QTest::newRow("a token that is empty once normalized")
            << "/added_tokens/0/content" << "\" \"" << "empty once it is normalized";
        QTest::newRow("CTC decoder") << "/decoder/decoders/0/type" << "\"CTC\"" << "'CTC'";
        QTest::newRow("strip two characters") << "/decoder/decoders/3/content" << "\"ab\"" << "not one character";
        QTest::newRow("strip very much") << "/decoder/decoders/3/start" << "99999999999" << "\"start\"";
        QTest::newRow("RobertaProcessing") << "/post_processor/type" << "\"RobertaProcessing\"" << "'RobertaProcessing'";
        QTest::newRow("a begin token that is none") << "/post_processor/single/0/SpecialToken/id" << "\"<bos>\"" << "'<bos>'";
        QTest::newRow("a begin token without id") << "/post_processor/single/0/SpecialToken" << "{}" << "\"id\"";
        QTest::newRow("merge of an unknown character") << "/model/merges/0" << "[\"\\u4e16\", \"a\"]" << "merge 0";
    }
    void refusesDamagedSentencePieceFiles() {
        QFETCH(QString, pointer);
        QFETCH(QString, value);
        QFETCH(QString, says);
        Json file = goldenFile("llama2");
        for (Json& token : file["added_tokens"])
            token["normalized"] = true;
        file["normalizer"]["normalizers"].push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
        if (pointer.startsWith("/added_tokens"))
            file["normalizer"]["normalizers"].erase(0); // so that Strip leaves nothing
        if (pointer.startsWith("/added_tokens"))
            file["normalizer"]["normalizers"].erase(0);
        QVERIFY(parse(file));
        file[Json::json_pointer(pointer.toStdString())] = *parseJson(value.toStdString(), "row");
        if (pointer.startsWith("/added_tokens"))
            file["model"]["unk_token"] = nullptr, file["model"]["vocab"].erase("<unk>");
        const auto tokenizer = parse(file);
        QVERIFY(!tokenizer);
        QVERIFY2(tokenizer.error().message.find(says.toStdString()) != std::string::npos, tokenizer.error().message.c_str());
        QVERIFY(!tokenizer.error().hint.empty() || tokenizer.error().code == Code::InvalidInput);
    }

private:
    static const std::vector<Mutation>& mutations() {
        static const Json removed = Json(Json::value_t::discarded);
        static const std::vector<Mutation> rows = {
            {"newer version", "/version", "2.0", Code::NewerFormat, "version"},
            {"normalizer Bert", "/normalizer", {{"type", "BertNormalizer"}}, Code::Unsupported, "'BertNormalizer'"},
            {"normalizer Precompiled", "/normalizer", {{"type", "Precompiled"}}, Code::Unsupported, "'Precompiled'"},
            {"normalizer is a text", "/normalizer", "NFC", Code::Corrupt, "not an object"},
            {"normalizer in a sequence",
             "/normalizer",
             {{"type", "Sequence"}, {"normalizers", Json::array({{{"type", "NFC"}}, {{"type", "Nmt"}}})}},
             Code::Unsupported,
             "'Nmt'"},
            {"sequence without a list", "/normalizer", {{"type", "Sequence"}}, Code::Corrupt, "\"normalizers\""},
            {"sequence of many steps",
             "/normalizer",
             {{"type", "Sequence"}, {"normalizers", Json(std::vector<Json>(17, Json{{"type", "NFC"}}))}},
             Code::Corrupt,
             "more than 16 steps"},
            {"sequences in sequences", "/normalizer", nested(6), Code::Corrupt, "deep"},
            {"Replace without pattern", "/normalizer", {{"type", "Replace"}, {"content", ""}}, Code::Corrupt, "pattern"},
            {"Replace of nothing",
             "/normalizer",
             {{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", "x"}},
             Code::Corrupt,
             "non-empty"},
            {"Replace that matches nothing",
             "/normalizer",
             {{"type", "Replace"}, {"pattern", {{"Regex", "a*"}}}, {"content", "x"}},
             Code::Unsupported,
             "matches the empty text"},
            {"Replace with a broken pattern",
             "/normalizer",
             {{"type", "Replace"}, {"pattern", {{"Regex", "a("}}}, {"content", "x"}},
             Code::InvalidInput,
             "'a('"},
            {"Replace with a long text",
             "/normalizer",
             {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(100, 'x')}},
             Code::Corrupt,
             "64 bytes"},
            {"Prepend without a text", "/normalizer", {{"type", "Prepend"}}, Code::Corrupt, "\"prepend\""},
            {"Strip of a number", "/normalizer", {{"type", "Strip"}, {"strip_left", 1}}, Code::Corrupt, "strip_left"},
            {"normalizer without type", "/normalizer", Json::object(), Code::Corrupt, "no type"},
            {"no model", "/model", removed, Code::Corrupt, "\"model\""},
            {"model is a list", "/model", Json::array(), Code::Corrupt, "\"model\""},
            {"WordPiece", "/model/type", "WordPiece", Code::Unsupported, "WordPiece"},
            {"dropout", "/model/dropout", 0.1, Code::Unsupported, "dropout"},
            {"byte fallback behind bytes", "/model/byte_fallback", true, Code::Unsupported, "byte_fallback"},
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
            {"single_word is a text", "/added_tokens/0/single_word", "yes", Code::Corrupt, "\"single_word\""},
            {"special is a text", "/added_tokens/0/special", "yes", Code::Corrupt, "\"special\""},
            {"pre-tokenizer is a list", "/pre_tokenizer", Json::array(), Code::Corrupt, "not an object"},
            {"Whitespace", "/pre_tokenizer/type", "Whitespace", Code::Unsupported, "'Whitespace'"},
            {"ByteLevel is not last",
             "/pre_tokenizer",
             {{"type", "Sequence"}, {"pretokenizers", Json::array({{{"type", "ByteLevel"}}, {{"type", "Digits"}}})}},
             Code::Unsupported,
             "after ByteLevel"},
            {"Metaspace without replacement", "/pre_tokenizer", {{"type", "Metaspace"}}, Code::Corrupt, "\"replacement\""},
            {"Metaspace with a word",
             "/pre_tokenizer",
             {{"type", "Metaspace"}, {"replacement", "ab"}},
             Code::Corrupt,
             "not one character"},
            {"Metaspace of an unknown scheme",
             "/pre_tokenizer",
             {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}},
             Code::Unsupported,
             "'last'"},
            {"Metaspace of two minds",
             "/pre_tokenizer",
             {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}, {"add_prefix_space", false}},
             Code::Corrupt,
             "add_prefix_space"},
            {"Split without pattern", "/pre_tokenizer", {{"type", "Split"}, {"behavior", "Isolated"}}, Code::Corrupt, "pattern"},
            {"Split by a number",
             "/pre_tokenizer",
             {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", 1}}}},
             Code::Corrupt,
             "pattern"},
            {"broken pattern", "/pre_tokenizer", split("a(", "Isolated"), Code::InvalidInput, "'a('"},
            {"runaway pattern", "/pre_tokenizer", split("(?:a|aa)+[bc]", "Isolated"), Code::InvalidInput,
             "too many steps"},
            {"empty pattern", "/pre_tokenizer", split("", "Isolated"), Code::InvalidInput, "empty"},
            {"class intersection", "/pre_tokenizer", split("[\\p{L}&&[^a]]", "Isolated"), Code::Unsupported,
             "&&"},
            {"Split of an unknown kind", "/pre_tokenizer", split("a", "Doubled"), Code::Unsupported, "Doubled"},
            {"no decoder", "/decoder", nullptr, Code::Unsupported, "no decoder"},
            {"decoder WordPiece", "/decoder/type", "WordPiece", Code::Unsupported, "'WordPiece'"},
            {"decoder of no steps",
             "/decoder",
             {{"type", "Sequence"}, {"decoders", Json::array()}},
             Code::Unsupported,
             "no step"},
            {"decoder Strip without a count",
             "/decoder",
             {{"type", "Strip"}, {"content", " "}, {"start", 1}},
             Code::Corrupt,
             "\"stop\""},
            {"decoder Strip below zero",
             "/decoder",
             {{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}},
             Code::Corrupt,
             "\"start\""},
            {"decoder Replace by Regex",
             "/decoder",
             {{"type", "Replace"}, {"pattern", {{"Regex", "a"}}}, {"content", ""}},
             Code::Unsupported,
             "Regex"},
            {"decoder Replace of nothing",
             "/decoder",
             {{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", ""}},
             Code::Corrupt,
             "looks for nothing"},
            {"template of an unknown token",
             "/post_processor",
             {{"type", "TemplateProcessing"}, {"single", Json::array({{{"SpecialToken", {{"id", "<s>"}}}}})}},
             Code::Corrupt,
             "'<s>'"},
            {"template of no list", "/post_processor", {{"type", "TemplateProcessing"}, {"single", "A"}}, Code::Corrupt, "\"single\""},
            {"template of numbers",
             "/post_processor",
             {{"type", "TemplateProcessing"}, {"single", Json::array({1})}},
             Code::Corrupt,
             "neither a Sequence"},
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
    static Json nested(int depth) {
        return depth == 0 ? Json{{"type", "NFC"}}
                          : Json{{"type", "Sequence"}, {"normalizers", Json::array({nested(depth - 1)})}};
    }
};
QTEST_APPLESS_MAIN(TestTokenizerFile)
#include "tst_tokenizer_file.moc"
