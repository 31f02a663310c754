// SPDX-License-Identifier: Apache-2.0
// Where an export may be written: anything but over the project, or through a link that nobody named.
#include <filesystem>
#include <set>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/export_any.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;
namespace fs = std::filesystem;

class TestExportPlace : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void nothingOfTheProjectIsOverwritten_data() {
        QTest::addColumn<QString>("out"); // below the folder that the project is in
        QTest::addColumn<bool>("refused");
        QTest::newRow("the database") << "PROJECT/project.db" << true;
        QTest::newRow("a new file of the project") << "PROJECT/votes.jsonl" << true;
        QTest::newRow("a folder that is not there yet") << "PROJECT/new/votes.jsonl" << true;
        QTest::newRow("the project") << "PROJECT" << true;
        QTest::newRow("there and back") << "other/../PROJECT/votes.jsonl" << true;
        QTest::newRow("through a link to the folder") << "linked/votes.jsonl" << true;
        QTest::newRow("up from a link into it") << "backups/../votes.jsonl" << true;
        QTest::newRow("a link to the database") << "db.jsonl" << true;
        QTest::newRow("a folder") << "other" << true;
        QTest::newRow("no name") << "" << true;
        QTest::newRow("beside it") << "votes.jsonl" << false;
        QTest::newRow("a name that begins as the project's") << "PROJECT-votes.jsonl" << false;
        QTest::newRow("out of the project again") << "PROJECT/../votes.jsonl" << false;
        QTest::newRow("a file that is there") << "there.jsonl" << false;
        QTest::newRow("a link to it") << "elsewhere.jsonl" << true;
    }
    void nothingOfTheProjectIsOverwritten() {
        QFETCH(QString, out);
        QFETCH(bool, refused);
        Desk desk(2);
        OK(desk.vote(desk.next()[0], Winner::A));
        const std::string base = os::parentDir(desk.dir()), project = os::baseName(desk.dir());
        OK(os::makeDirs(base + "/other"));
        OK(os::writeFileAtomic(base + "/there.jsonl", "older"));
        fs::create_directory_symlink(desk.dir(), base + "/linked");
        fs::create_directory_symlink(desk.dir() + "/backups", base + "/backups");
        fs::create_symlink(desk.dir() + "/project.db", base + "/db.jsonl");
        fs::create_symlink(base + "/there.jsonl", base + "/elsewhere.jsonl");
        ExportChoice choice;
        if (!out.isEmpty())
            choice.out = base + "/" + out.replace("PROJECT", QString::fromStdString(project)).toStdString();
        const std::set<std::string> before = files(desk.dir());
        for (const char* form : {"votes", "aggregate", "trl", "hh", "trl_prompt_only"}) {
            choice.format = form;
            const auto done = exportAs(*desk.project, choice);
            QCOMPARE(!done, refused);
            if (refused)
                QVERIFY2(done.error().code == Code::InvalidInput && !done.error().hint.empty(), done.error().toString().c_str());
            else
                QVERIFY(os::isRegularFile(choice.out) && must(os::readFile(choice.out)) != "older");
        }
        for (const std::string& file : files(desk.dir())) // but for the data set that trl freezes
            QVERIFY2(before.count(file) || file.find("/datasets/") != std::string::npos, file.c_str());
        QVERIFY(fs::is_symlink(base + "/db.jsonl"));
        QVERIFY(must(desk.project->check()).ok());
    }

    /// images/, or a file in it, that leads out of the folder: nothing is written, neither there nor here.
    void linksInPlaceOfImagesAreRefused_data() {
        QTest::addColumn<QString>("link");
        for (const char* link : {"images", "images/one", "images/nowhere"})
            QTest::newRow(link) << link;
    }
    void linksInPlaceOfImagesAreRefused() {
        QFETCH(QString, link);
        Desk desk;
        const auto path = [&](const std::string& name) { return desk.temp.path().toStdString() + "/" + name; };
        ImportRow row;
        row.prompt.content = "a scene";
        row.prompt.split = Split::Train;
        for (int side = 0; side < 2; ++side) {
            OK(os::writeFileAtomic(path("x.png"), pngBytes(70 + side)));
            row.images.push_back({must(desk.project->addMedia(path("x.png"))), "m", 5, {}});
            row.ranks.push_back(1 + side);
        }
        must(desk.project->importRows({"made", "sha", "made", 0, "imported"}, {row}));
        must(os::makeDirs(path("export")));
        must(os::makeDirs(path("elsewhere")));
        OK(os::writeFileAtomic(path("elsewhere/kept"), "kept"));
        std::string name = link.toStdString();
        if (name == "images") {
            fs::create_directory_symlink(path("elsewhere"), path("export/images"));
        } else {
            must(os::makeDirs(path("export/images")));
            const std::string to = path(name == "images/one" ? "elsewhere/kept" : "elsewhere/gone");
            name = "images/" + sha256Hex(pngBytes(70)) + ".png";
            fs::create_symlink(to, path("export/" + name));
        }
        for (const ImageForm form : {ImageForm::Trl, ImageForm::PickAPic, ImageForm::HpdV2, ImageForm::ImageRewardDb}) {
            const auto done = form == ImageForm::Trl ? exportTrl(*desk.project, {}, path("export/out.json"))
                                                     : exportImages(*desk.project, {}, path("export/out.json"), form);
            QVERIFY(!done && done.error().code == Code::InvalidInput && !done.error().hint.empty());
            QVERIFY2(done.error().message.find("export/" + name + " is a symbolic link to " + path("elsewhere")) != std::string::npos,
                     done.error().toString().c_str());
        }
        QCOMPARE(must(os::listDir(path("elsewhere"))), std::vector<std::string>{"kept"});
        QCOMPARE(must(os::readFile(path("elsewhere/kept"))), std::string("kept"));
        QCOMPARE(must(os::listDir(path("export"))), std::vector<std::string>{"images"});
    }

private:
    static std::set<std::string> files(const std::string& folder) {
        std::set<std::string> all;
        for (const auto& each : fs::recursive_directory_iterator(folder))
            all.insert(each.path().string());
        return all;
    }
};

QTEST_GUILESS_MAIN(TestExportPlace)
#include "tst_export_place.moc"
