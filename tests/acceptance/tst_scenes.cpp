// SPDX-License-Identifier: Apache-2.0
// pairlab-cli scenes: drawings and captions out of a seed.
#include <QTemporaryDir>
#include <QTest>

#include <set>

#include "core/base/hash.h"
#include "core/base/image.h"
#include "core/rules/scene.h"
#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestScenes : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir;
    std::string at(const char* name) const { return m_dir.path().toStdString() + "/" + name; }

    static std::vector<Json> rowsOf(const std::string& path) {
        std::vector<Json> rows;
        const std::string text = os::readFile(path).value_or("");
        for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
            rows.push_back(*parseJson(std::string_view(text).substr(begin, end - begin), path));
        return rows;
    }

private Q_SLOTS:
    void theSameSeedDrawsTheSame() {
        for (const char* to : {"a", "b"}) {
            const Json said = cliJson({"scenes", "--out", at(to), "--count", "12", "--seed", "5", "--sheet", "--json"});
            QCOMPARE(said.value("drawn", 0), 12);
            QVERIFY(said.value("obeyed", 0) >= 10);
        }
        QCOMPARE(cli({"scenes", "--out", at("c"), "--count", "12", "--seed", "6"}).code, 0);
        QCOMPARE(*sha256File(at("a/scene-00003.png")), *sha256File(at("b/scene-00003.png")));
        QCOMPARE(*sha256File(at("a/captions.jsonl")), *sha256File(at("b/captions.jsonl")));
        QCOMPARE(*sha256File(at("a/sheet.png")), *sha256File(at("b/sheet.png")));
        QVERIFY(*sha256File(at("a/captions.jsonl")) != *sha256File(at("c/captions.jsonl")));
        const auto rows = rowsOf(at("a/captions.jsonl"));
        QCOMPARE(rows.size(), size_t{12});
        for (const Json& row : rows) {
            const std::string path = at("a") + "/" + row["image"].get<std::string>();
            const auto image = readPng(path);
            QVERIFY(image && image->width == 32 && image->height == 32);
            const auto text = textOfPng(*os::readFile(path), path);
            QVERIFY(text && text->at(0) == std::pair(std::string("prompt"), row["prompt"].get<std::string>()));
            // The caption and the seed that a row names are enough to draw it again.
            const auto caption = rules::parseCaption(row["prompt"].get<std::string>()).caption;
            QVERIFY(*image == rules::renderScene(rules::drawScene(caption, row["seed"].get<uint64_t>())));
        }
    }

    void oneCaptionForAll() {
        const Ran ran = cli({"scenes", "--out", at("d"), "--count", "3", "--side", "64", "--caption", "two sleepy red stars on white"});
        QCOMPARE(ran.code, 0);
        QVERIFY2(ran.out.find("\"sleepy\" has no effect: not in the vocabulary") != std::string::npos, ran.out.c_str());
        for (const Json& row : rowsOf(at("d/captions.jsonl"))) {
            const auto truth = rules::parseCaption(row["truth"].get<std::string>()).caption;
            QVERIFY(truth.count == 2 && truth.colour == 1 && truth.shape == 5 && truth.background == 1);
        }
        QCOMPARE(readPng(at("d/scene-00002.png"))->width, 64);
    }

    void captionsForPromptsAreDistinct() {
        QCOMPARE(cli({"scenes", "--out", at("prompts.jsonl"), "--prompts", "40,10,20", "--seed", "2"}).code, 0);
        const auto rows = rowsOf(at("prompts.jsonl"));
        QCOMPARE(rows.size(), size_t{70});
        std::set<std::string> texts, ids;
        for (const Json& row : rows) {
            texts.insert(row["prompt"].get<std::string>());
            ids.insert(row["id"].get<std::string>());
            QVERIFY(row["kind"] == "scene" && rules::parseCaption(row["prompt"].get<std::string>()).ignored.empty());
        }
        QVERIFY(texts.size() == 70 && ids.size() == 70);
        QCOMPARE(rows[50]["id"].get<std::string>(), std::string("scene-test-0000"));
        for (const char* wrong : {"40,10", "40,10,x", "1,2,3,4", "-1,2,3", "99999,1,1"})
            QVERIFY2(cli({"scenes", "--out", at("none.jsonl"), "--prompts", wrong}).code != 0, wrong);
        QVERIFY(!os::exists(at("none.jsonl")));
    }
};

QTEST_APPLESS_MAIN(TestScenes)
#include "tst_scenes.moc"
