// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "tests/base/check.h"

using namespace pl;

class TestJson : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void refusesBadText_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char* name, const QByteArray& text, const char* says) {
            QTest::newRow(name) << text << QByteArray(says);
        };
        row("empty", "", "not valid JSON");
        row("duplicate key", R"({"a":1,"b":2,"a":3})", "\"a\" appears twice");
        row("duplicate key written with an escape", R"({"a":1,"\u0061":3})", "\"a\" appears twice");
        row("duplicate key deep inside", R"([{"x":{"k":1,"k":1}}])", "\"k\" appears twice");
        row("trailing text", "{} x", "not valid JSON");
        row("second value", "{}{}", "not valid JSON");
        row("text behind a NUL byte", QByteArray("{}\0garbage", 10), "NUL byte at offset 2");
        row("invalid UTF-8", QByteArray("{\"a\":\"\xff\xfe\"}"), "UTF-8");
        row("half a character", QByteArray("{\"a\":\"\xc3\"}"), "not valid JSON");
        row("lone surrogate", R"({"a":"\ud800"})", "not valid JSON");
        row("array bomb", QByteArray(100000, '['), "deeper than 64");
        row("object bomb", QByteArray("{\"a\":").repeated(100000), "deeper than 64");
        row("NaN literal", "[NaN]", "not valid JSON");
        row("number out of range", "[1e400]", "not valid JSON");
        row("leading zero", "[01]", "not valid JSON");
        row("single quotes", "{'a':1}", "not valid JSON");
        row("comment", "{} // x", "not valid JSON");
        row("trailing comma", "[1,]", "not valid JSON");
        row("unfinished", "{\"a\":[1,2", "not valid JSON");
        row("control character in a string", "\"a\nb\"", "not valid JSON");
    }
    void refusesBadText() {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, says);
        const auto result = parseJson(std::string_view(text.data(), size_t(text.size())), "thing.json");
        QVERIFY(!result);
        QCOMPARE(int(result.error().code), int(Code::Corrupt));
        const std::string message = result.error().toString();
        QVERIFY2(message.find("thing.json") == 0, message.c_str());
        QVERIFY2(message.find(says.toStdString()) != std::string::npos, message.c_str());
        QVERIFY2(message.size() < 600, message.c_str());
    }

    void refusesOversizeText() {
        PL_REFUSED(parseJson("[1,2,3]", "x", {4, 64}), "too large");
        PL_GOOD(parseJson("[[1]]", "x", {100, 2}));
        PL_REFUSED(parseJson("[[[1]]]", "x", {100, 2}), "deeper than 2");
    }

    void readsWhatItWrites() {
        const std::string text =
            R"({"a":[1,-2,2.5,true,null,"é😀"],"b":{"c":18446744073709551615,"d":-9223372036854775808}})";
        const auto value = parseJson(text, "x");
        QVERIFY(value);
        QCOMPARE(dumpJson(*value), text);
        QCOMPARE((*value)["b"]["c"].get<uint64_t>(), std::numeric_limits<uint64_t>::max());
    }

    void writesEqualValuesAsEqualText() {
        QCOMPARE(dumpJson(*parseJson(R"({"b":1,"a":2})", "x")), dumpJson(*parseJson(R"({ "a":2, "b":1 })", "x")));
    }

    void replacesHalfCharactersOfModelOutput() {
        const std::string text = dumpJson({{"text", "ab\xc3"}});
        PL_GOOD(parseJson(text, "x"));
        QVERIFY(text.find("\xef\xbf\xbd") != std::string::npos);
    }

    void neverWritesNullForANumber() {
        const double nan = std::nan("");
        const double inf = std::numeric_limits<double>::infinity();
        QCOMPARE(dumpJson(Json::array({nan, inf, -inf, 1.5})), std::string(R"(["NaN","Infinity","-Infinity",1.5])"));
        QCOMPARE(dumpJson({{"a", {{"b", nan}}}}), std::string(R"({"a":{"b":"NaN"}})"));
    }

    void nonFiniteNumbersComeBack() {
        QVERIFY(std::isnan(*numberOf(jsonNumber(std::nan("")), "x")));
        QCOMPARE(*numberOf("-Infinity", "x"), -std::numeric_limits<double>::infinity());
        QCOMPARE(*numberOf(3, "x"), 3.0);
        PL_REFUSED(numberOf("nan", "loss"), "loss");
        PL_REFUSED(numberOf(nullptr, "loss"), "loss");
        PL_REFUSED(numberOf(true, "loss"), "loss");
    }

    void fieldsNameWhatIsWrong() {
        const Json object = {{"s", "x"}, {"i", 3}, {"f", 2.5}, {"b", true}, {"n", nullptr}, {"w", 4.0},
                             {"big", std::numeric_limits<uint64_t>::max()}};
        QCOMPARE(*field<std::string>(object, "s", "t"), std::string("x"));
        QCOMPARE(*field<int64_t>(object, "i", "t"), int64_t(3));
        QCOMPARE(*field<int64_t>(object, "w", "t"), int64_t(4));
        QCOMPARE(*field<double>(object, "i", "t"), 3.0);
        QCOMPARE(*field<bool>(object, "b", "t"), true);
        QCOMPARE(*fieldOr<double>(object, "absent", 0.5, "t"), 0.5);
        QCOMPARE(*fieldOr<int64_t>(object, "n", 7, "t"), int64_t(7));
        PL_REFUSED(field<std::string>(object, "absent", "run.json"), "run.json: \"absent\" is missing");
        PL_REFUSED(field<std::string>(object, "i", "run.json"), "\"i\" must be a string, not number");
        PL_REFUSED(field<int64_t>(object, "f", "run.json"), "whole number");
        PL_REFUSED(field<int64_t>(object, "big", "run.json"), "too large");
        PL_REFUSED(field<double>(object, "s", "run.json"), "must be a number");
        PL_REFUSED(field<bool>(object, "i", "run.json"), "true or false");
        PL_REFUSED(fieldOr<bool>(object, "i", false, "run.json"), "true or false");
        PL_REFUSED(field<bool>(Json::array(), "i", "run.json"), "must be a JSON object");
    }

    void readsFiles() {
        TempDir dir;
        dir.write("a.json", "{\"x\": 1}");
        QCOMPARE((*readJsonFile(dir.path("a.json")))["x"].get<int>(), 1);
        PL_REFUSED(readJsonFile(dir.path("none.json")), "none.json");
        PL_REFUSED(readJsonFile(dir.path("a.json"), {3, 64}), "too large");
    }
};

QTEST_GUILESS_MAIN(TestJson)
#include "tst_json.moc"
