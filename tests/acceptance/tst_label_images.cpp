// SPDX-License-Identifier: Apache-2.0
// ctest: processors=1 timeout=240
// Pictures by the command line, as far as no model is needed: starters, a folder of drawings, simulated votes, out and in again.
#include <QTemporaryDir>
#include <QtTest>

#include "core/base/image.h"
#include "core/rules/scene.h"
#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestLabelImages : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::string path(const std::string& name) const { return m_dir.path().toStdString() + "/" + name; }

private Q_SLOTS:
    void initTestCase() {
        qputenv("PAIRLAB_RESOURCES", QByteArray(PAIRLAB_SOURCE_DIR) + "/resources");
        qputenv("XDG_RUNTIME_DIR", m_dir.path().toLocal8Bit());
    }

    void startersByName() {
        QCOMPARE(cliJson({"new", path("plain"), "--json"})["prompts"], Json(0));
        const Json text = cliJson({"new", path("text"), "--starter", "--json"});
        QVERIFY(text.value("pairs", 0) > 0);
        QCOMPARE(cliJson({"new", "--starter", path("before"), "--json"})["pairs"], text["pairs"]); // the folder, no name
        const Json images = cliJson({"new", path("images"), "--starter", "images", "--json"});
        QVERIFY(images.value("prompts", 0) > 0);
        const Json models = cliJson({"models", "list", path("images"), "--json"});
        QVERIFY(models.is_array() && !models.empty());
        QCOMPARE(models[0]["name"], Json("start"));
        QCOMPARE(models[0]["image"], Json(true));
        QCOMPARE(cli({"new", path("none"), "--starter", "sounds"}).code, 10);
        QVERIFY(!os::exists(path("none")));
        QCOMPARE(cli({"new", "--starter"}).code, 2);
    }

    void aTasteOfTheOtherKindIsRefused() {
        QCOMPARE(cli({"new", path("texts"), "--starter"}).code, 0);
        const auto said = cli({"label", path("texts"), "--simulate", "larger", "--count", "5"});
        QCOMPARE(said.code, 10);
        QVERIFY2(said.out.find("not of the kind") != std::string::npos, said.out.c_str());
    }

    void drawingsAreJudgedAndGoOutAndIn() {
        for (const char* size : {"small", "large"})
            for (int seed = 1; seed <= 20; ++seed) {
                const std::string folder = path("drawings/") + size;
                QVERIFY(os::makeDirs(folder).has_value());
                auto caption = rules::parseCaption("a red circle").caption;
                caption.size = std::string(size) == "small" ? 1 : 3;
                const Image image = rules::renderScene(rules::drawScene(caption, static_cast<uint64_t>(seed)));
                QVERIFY(writePng(folder + "/a_red_circle_" + std::to_string(seed) + ".png", image).has_value());
            }
        const std::string project = path("drawn");
        QCOMPARE(cli({"new", project}).code, 0);
        QCOMPARE(cliJson({"import", project, path("drawings"), "--json", "--dry-run"})["pairs"], Json(20));
        QCOMPARE(cliJson({"import", project, path("drawings"), "--json", "--split", "train"})["pairs"], Json(20));
        QCOMPARE(cli({"label", project, "--simulate", "concise"}).code, 10); // a taste of texts
        const Json labelled = cliJson({"label", project, "--simulate", "larger", "--json"});
        QCOMPARE(labelled["labelled"], Json(20));
        QVERIFY(labelled.value("ties", 99) < 5); // small against large
        const Json counts = cliJson({"dataset", "freeze", project, "first", "--kind", "image"})["counts"];
        QCOMPARE(counts["votes"], Json(20));
        QCOMPARE(cli({"check", project}).code, 0);
        QVERIFY(os::makeDirs(path("out")).has_value());
        const Json exported = cliJson({"export", project, "--format", "pick_a_pic", "--out", path("out/rows.jsonl"), "--json"});
        QCOMPARE(exported["images"], Json(40));
        const std::string other = path("other");
        QCOMPARE(cli({"new", other}).code, 0);
        const Json imported = cliJson({"import", other, path("out/rows.jsonl"), "--json"});
        QCOMPARE(imported["format"], Json("pick_a_pic"));
        QCOMPARE(imported["votes"], Json(20));
    }
};

QTEST_GUILESS_MAIN(TestLabelImages)
#include "tst_label_images.moc"
