// SPDX-License-Identifier: Apache-2.0
// Image data sets in and out: every format, there and back, and what must be refused.
#include <filesystem>
#include <fstream>
#include <set>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/export.h"
#include "core/desk/exchange/image_import.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestImageExchange : public QObject {
    Q_OBJECT

    struct Files {
        QTemporaryDir dir;
        std::string path(const std::string& name) const { return dir.path().toStdString() + "/" + name; }
        void image(const std::string& name, int n) const {
            must(os::makeDirs(os::parentDir(path(name))));
            must(os::writeFileAtomic(path(name), pngBytes(n)));
        }
        std::string text(const std::string& name, const std::string& content) const {
            must(os::writeFileAtomic(path(name), content));
            return path(name);
        }
    };
    static std::string sha(int n) { return sha256Hex(pngBytes(n)); }
    /// prompt, winner's hash (empty: tie), loser's: what an import must not lose, whatever the sides.
    using Said = std::set<std::tuple<std::string, std::string, std::string>>;
    static Said saidOf(Project& project) {
        Said said;
        for (const CurrentVote& vote : project.currentVotes()) {
            const LabelItem item = must(project.pairItem(vote.comparison));
            const bool tie = vote.winner == Winner::Tie, a = vote.winner == Winner::A;
            said.insert({item.prompt.content, tie ? "" : a ? item.a.content : item.b.content,
                         tie ? "" : a ? item.b.content : item.a.content});
        }
        return said;
    }

private Q_SLOTS:
    void readsEveryFormat_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("format");
        QTest::addColumn<QString>("content");
        QTest::newRow("pick") << "pick.jsonl" << "pick_a_pic"
                              << R"({"caption":"a fox","image_0_uid":"one","image_1_uid":"two","label_0":0.0,"label_1":1.0,"has_label":true,"model_0":"sd","model_1":"xl","user_id":3}
{"caption":"a cat","jpg_0":{"path":"one.png"},"jpg_1":"three.png","label_0":0.5,"label_1":0.5}
{"caption":"a dog","image_0":"one","image_1":"two","has_label":false}
)";
        QTest::newRow("pick csv") << "pick.csv" << "pick_a_pic"
                                  << "caption,image_0_uid,image_1_uid,label_0,label_1,has_label\r\n"
                                     "a fox,one,two,0.0,1.0,True\r\n\"a cat\",one,three,0.5,0.5,True\r\na dog,one,two,,,False\r\n";
        QTest::newRow("hpd train") << "train.json" << "hpd_v2"
                                   << R"([{"prompt":"a fox","file_path":["one.png","two.png"],"human_preference":[0,1]},
{"prompt":"a cat","file_path":["one.png","three.png"],"human_preference":[1,1]},{"prompt":"a dog","file_path":["one.png","two.png"]}])";
        QTest::newRow("image reward") << "ir.json" << "image_reward_db"
                                      << R"([{"id":"1","prompt":"a fox","generations":["one.png","two.png"],"ranking":[4,2]},
{"id":"2","prompt":"a cat","generations":["one.png","three.png"],"ranking":[1,1]},
{"image_path":"one.png","prompt_id":"9","prompt":"a dog","rank":1}])";
        QTest::newRow("trl")
            << "trl.jsonl" << "trl_images"
            << R"({"prompt":[{"role":"user","content":[{"type":"text","text":"a fox"}]}],"chosen":[{"role":"assistant","content":[{"type":"image"}]}],"rejected":[{"role":"assistant","content":[{"type":"image"}]}],"images":["two.png","one.png"]}
{"prompt":"a cat","chosen":{"type":"image"},"rejected":{"type":"image"},"images":["one.png","three.png"],"tie":true}
)";
    }
    void readsEveryFormat() {
        QFETCH(QString, name);
        QFETCH(QString, format);
        QFETCH(QString, content);
        Files files;
        for (const auto& [file, n] : {std::pair{"one.png", 1}, {"two.png", 2}, {"three.png", 3}})
            files.image(file, n);
        const std::string path = files.text(name.toStdString(), content.toStdString());
        Desk desk;
        ImportOptions options;
        options.dryRun = true;
        const auto dry = must(importFile(*desk.project, path, options));
        QCOMPARE(dry.format, format.toStdString());
        QCOMPARE(dry.rejectedCount, int64_t{0});
        QCOMPARE(dry.counts.votes, int64_t{2});
        QCOMPARE(desk.project->counters().prompts, int64_t{0});
        QVERIFY(must(os::listDir(desk.project->mediaDir())).empty()); // not a file was touched
        options.dryRun = false;
        const auto report = must(importFile(*desk.project, path, options));
        QVERIFY(report.counts.votes == dry.counts.votes && report.counts.pairs == dry.counts.pairs &&
                report.counts.candidates == dry.counts.candidates);
        const Said expected{{"a fox", sha(2), sha(1)}, {"a cat", "", ""}};
        QVERIFY(saidOf(*desk.project) == expected);
        QVERIFY(must(desk.project->check()).ok());
        const auto again = must(importFile(*desk.project, path, options));
        QCOMPARE(again.counts.duplicates, again.counts.rows);
        QCOMPARE(must(desk.project->importBatches()).size(), size_t{1});
        QCOMPARE(must(desk.project->prompts())[0].kind, std::string("scene"));
        must(desk.project->revertImport(must(desk.project->importBatches())[0].id));
        QCOMPARE(desk.project->counters().candidates, int64_t{0});
        QCOMPARE(desk.project->counters().current, int64_t{0});
        QVERIFY(must(desk.project->check()).ok());
    }

    void ratedImagesOfOnePromptAreOneRanking() {
        Files files;
        std::string rows;
        for (int n = 1; n <= 3; ++n) {
            files.image("img/" + std::to_string(n) + ".png", n);
            rows += "{\"image_path\":\"" + std::to_string(n) + ".png\",\"prompt_id\":\"7\",\"prompt\":\"a fox\",\"rank\":" +
                    std::to_string(n == 2 ? 5 : 1) + ",\"split\":\"train\"}\n";
        }
        const std::string path = files.text("meta.jsonl", rows);
        Desk desk;
        ImportOptions options;
        QVERIFY(!importFile(*desk.project, path, options)); // the images lie elsewhere
        options.images = files.path("img");
        QCOMPARE(must(importFile(*desk.project, path, options)).counts.votes, int64_t{1});
        const auto set = must(desk.project->freezeDataset({}));
        QCOMPARE(set.counts.rankings, int64_t{1});
        const auto ranking = must(readRankings(set.dir + "/rankings.jsonl", "train"))[0];
        for (size_t i = 0; i < 3; ++i)
            QCOMPARE(ranking.ranks[i], imageRefSha(ranking.images[i]) == sha(2) ? 3 : 1);
    }

    void foldersPairCheckpoints() {
        Files files;
        int n = 0;
        for (const char* checkpoint : {"step-100", "step-200", "step-300"})
            for (const char* prompt : {"a_red_fox", "two_cats_7"})
                for (int seed = 1; seed <= 2; ++seed)
                    files.image(std::string("out/") + checkpoint + "/" + prompt + "_" + std::to_string(seed) + ".png", ++n);
        files.image("out/stray.png", 99);
        std::filesystem::create_directory_symlink("/etc", files.path("out/step-400"));
        Desk desk;
        const auto report = must(importFile(*desk.project, files.path("out")));
        QCOMPARE(report.format, std::string("folder"));
        QCOMPARE(report.counts.pairs, int64_t{12}); // 2 prompts, 2 seeds, 3 pairs of checkpoints
        QCOMPARE(report.counts.candidates, int64_t{12});
        QCOMPARE(report.counts.votes, int64_t{0});
        QCOMPARE(report.rejectedCount, int64_t{1});
        QVERIFY(report.rejected[0].reason.find("stray.png") != std::string::npos);
        std::set<std::string> prompts;
        for (const auto& item : desk.next(99)) {
            prompts.insert(item.prompt.content);
            QCOMPARE(item.a.seed, item.b.seed);
            QVERIFY(item.a.modelName != item.b.modelName && item.a.seed > 0);
        }
        QVERIFY((prompts == std::set<std::string>{"a red fox", "two cats 7"}));
        QCOMPARE(must(importFile(*desk.project, files.path("out"))).counts.duplicates, report.counts.rows);
        ImportOptions options;
        options.layout = "{prompt}/{any}";
        for (const char* bad : {"{checkpoint}/{seed}", "{prompt}{seed}", "{prompt}/{nothing}", "{prompt"}) {
            options.layout = bad;
            QVERIFY2(!importFile(*desk.project, files.path("out"), options), bad);
        }
    }

    void layoutsAreRecognisedByTheirNames_data() {
        QTest::addColumn<QStringList>("names");
        QTest::addColumn<QString>("layout");
        QTest::addColumn<int>("pairs");
        QTest::newRow("checkpoints") << QStringList{"s1/a_fox_1.png", "s2/a_fox_1.png", "s1/a_cat_1.jpg", "s2/a_cat_1.jpg"}
                                     << "{checkpoint}/{prompt}_{seed}" << 2;
        QTest::newRow("folders of prompts") << QStringList{"a_fox/1.png", "a_fox/2.png", "a_cat/1.png", "a_cat/2.PNG"}
                                            << "{prompt}/{seed}" << 2;
        QTest::newRow("one folder") << QStringList{"a_fox_1.png", "a_fox_2.png"} << "{prompt}_{seed}" << 1;
        QTest::newRow("models by prompt") << QStringList{"a_fox/sd.webp", "a_fox/xl.webp"} << "{prompt}/{checkpoint}" << 1;
        QTest::newRow("models by prompt and seed") << QStringList{"a_fox/sd_1.png", "a_fox/xl_1.png", "a_cat/sd_2.png"}
                                                   << "{prompt}/{checkpoint}_{seed}" << 1;
        QTest::newRow("one checkpoint") << QStringList{"s1/a_fox_1.png", "s1/a_fox_2.png", "s1/a_cat_1.png"} << "" << 0;
        QTest::newRow("no seed twice") << QStringList{"s1/a_fox_1.png", "s1/a_cat_2.png", "s2/a_fox_3.png", "s2/a_cat_4.png"} << "" << 0;
        QTest::newRow("steps of one prompt") << QStringList{"a_fox/step_100.png", "a_fox/step_200.png"} << "{prompt}/{checkpoint}" << 1;
        QTest::newRow("steps of two prompts") << QStringList{"a_fox/step_100.png", "a_fox/step_200.png", "a_cat/step_100.png", "a_cat/step_200.png"}
                                              << "{prompt}/{checkpoint}" << 2;
        QTest::newRow("no two of a prompt") << QStringList{"fox.png", "cat.png"} << "" << 0;
        QTest::newRow("no images") << QStringList{"a/notes_1.txt", "b/notes_1.txt"} << "" << 0;
    }
    void layoutsAreRecognisedByTheirNames() {
        QFETCH(QStringList, names);
        QFETCH(QString, layout);
        QFETCH(int, pairs);
        Files files;
        must(os::makeDirs(files.path("in")));
        int n = 0;
        for (const QString& name : names)
            files.image("in/" + name.toStdString(), ++n);
        files.text("in/read me.txt", "no image is looked for in here");
        const FolderLayout found = must(recogniseLayout(files.path("in")));
        QCOMPARE(found.layout, layout.toStdString());
        QCOMPARE(found.pairs, int64_t{pairs});
        QCOMPARE(found.images, names.front().endsWith(".txt") ? int64_t{0} : int64_t(names.size()));
        QVERIFY(!recogniseLayout(files.path("nowhere")));
        if (layout.isEmpty())
            return;
        ImportOptions options; // what was recognised is what is read
        options.layout = found.layout;
        Desk desk;
        QCOMPARE(must(importFile(*desk.project, files.path("in"), options)).counts.pairs, int64_t{pairs});
    }

    /// Captions beside the images, as trainers keep them: they must not take an image's place in a pair.
    void captionsBesideImagesAreNoImages() {
        Files files;
        for (int i = 1; i <= 4; ++i) {
            files.image("in/fox_" + std::to_string(i) + ".png", i);
            files.text("in/fox_" + std::to_string(i) + ".txt", "a fox");
        }
        ImportOptions options;
        options.layout = must(recogniseLayout(files.path("in"))).layout;
        const ImageImport read = must(readImages(files.path("in"), ImportFormat::Folder, options));
        QCOMPARE(read.read, int64_t{8});
        QCOMPARE(read.rows.size(), size_t{2});
        for (const ImportRow& row : read.rows)
            QCOMPARE(row.images.size(), size_t{2});
        QCOMPARE(read.rejectedCount, int64_t{4});
        QVERIFY2(read.rejected[0].reason.find("fox_1.txt is no PNG") != std::string::npos, read.rejected[0].reason.c_str());
    }

    /// A folder of photographs may be read as one prompt of as many checkpoints: its pairs are counted, never made.
    void morePairsThanCanBeHeldAreRefused() {
        Files files;
        constexpr int64_t kImages = 4000;
        must(os::makeDirs(files.path("in/photos")));
        for (int i = 0; i < kImages; ++i)
            std::ofstream(files.path("in/photos/img" + std::to_string(i) + "x.png"));
        const FolderLayout found = must(recogniseLayout(files.path("in")));
        QCOMPARE(found.layout, std::string("{prompt}/{checkpoint}"));
        QCOMPARE(found.fitting, kImages);
        QCOMPARE(found.pairs, kImages * (kImages - 1) / 2);
        ImportOptions options;
        options.layout = found.layout;
        const auto read = readImages(files.path("in"), ImportFormat::Folder, options);
        QVERIFY(!read);
        const std::string why = read.error().toString();
        QVERIFY2(why.find("makes 7998000 pairs, more than 200000") != std::string::npos, why.c_str());
        // Images of the same checkpoint are no pair.
        Files few;
        int n = 0;
        for (const char* name : {"a/fox.png", "a/fox.jpg", "b/fox.png", "c/fox.png"})
            few.image(std::string("in/") + name, ++n);
        QCOMPARE(must(recogniseLayout(few.path("in"))).pairs, int64_t{5});
        options.layout = must(recogniseLayout(few.path("in"))).layout;
        QCOMPARE(options.layout, std::string("{checkpoint}/{prompt}"));
        QCOMPARE(must(readImages(few.path("in"), ImportFormat::Folder, options)).rows.size(), size_t{5});
    }

    void whatIsReadIsNotStored() {
        Files files;
        files.image("in/a/fox_1.png", 1);
        files.image("in/b/fox_1.png", 2);
        const ImageImport read = must(readImages(files.path("in"), ImportFormat::Folder, {}));
        QCOMPARE(read.rows.size(), size_t{1});
        QCOMPARE(read.files.size(), size_t{2});
        Desk desk;
        must(os::writeFileAtomic(files.path("in/b/fox_1.png"), pngBytes(3)));
        QVERIFY(!storeImage(*desk.project, sha(2), files.path("in/b/fox_1.png"))); // it is another one by now
        must(storeImage(*desk.project, sha(1), files.path("in/a/fox_1.png")));
        QCOMPARE(desk.project->counters().candidates, int64_t{0});
    }

    void refusesWhatIsNotBelowTheFolder() {
        Files files;
        files.image("in/one.png", 1);
        files.image("in/two.png", 2);
        files.image("outside.png", 3);
        files.text("in/text.png", "no image");
        std::filesystem::create_symlink(files.path("outside.png"), files.path("in/link.png"));
        std::filesystem::create_directory_symlink(files.path(""), files.path("in/up"));
        std::string rows;
        const std::vector<std::pair<std::string, std::string>> bad{
            {"../outside.png", "leaves"},      {files.path("outside.png"), "no path below"}, {"link.png", "link out"},
            {"up/outside.png", "link out"},    {"text.png", "is not a PNG"},                 {"gone.png", "no image file"},
            {"one.png", "identical"},
        };
        for (const auto& [file, why] : bad)
            rows += dumpJson({{"caption", "p"}, {"image_0", "one.png"}, {"image_1", file}, {"label_0", 1}, {"label_1", 0}}) + "\n";
        for (int i = 0; i < 8; ++i)
            rows += dumpJson({{"caption", "q"}, {"image_0", "one.png"}, {"image_1", "two.png"}, {"label_0", 1}, {"label_1", 0}}) + "\n";
        const std::string path = files.text("in/rows.jsonl", rows);
        Desk desk;
        const auto report = must(importFile(*desk.project, path));
        QCOMPARE(report.rejectedCount, int64_t(bad.size()));
        for (size_t i = 0; i < bad.size(); ++i)
            QVERIFY2(report.rejected[i].reason.find(bad[i].second) != std::string::npos, report.rejected[i].reason.c_str());
        QCOMPARE(report.counts.votes, int64_t{1});
        QCOMPARE(desk.project->counters().candidates, int64_t{2});
        for (const char* row : {R"({"caption":"p","image_0":"one.png","image_1":"two.png","label_0":0.7,"label_1":0.7})",
                                R"({"caption":" ","image_0":"one.png","image_1":"two.png"})", R"({"caption":"p","image_0":"one.png"})",
                                R"({"prompt":"p","file_path":["one.png","two.png"],"human_preference":[1]})",
                                R"({"prompt":[{"role":"user","content":[{"type":"image"}]}],"chosen":"x","rejected":"y","images":["one.png"]})",
                                R"([{"prompt":"p","generations":["one.png"],"ranking":["x"]}])"})
            QVERIFY2(!importFile(*desk.project, files.text("in/bad.json", row)), row);
    }

    void whatGoesOutComesBack_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"trl", "pick_a_pic", "hpd_v2", "image_reward_db"})
            QTest::newRow(name) << name;
    }
    void whatGoesOutComesBack() {
        QFETCH(QString, name);
        const ImageForm form = must(imageFormOf(name.toStdString()));
        QCOMPARE(imageFormName(form), name.toStdString());
        const bool trl = form == ImageForm::Trl, pick = form == ImageForm::PickAPic;
        const auto write = [&](Project& project, const std::string& to) {
            return must(trl ? exportTrl(project, {}, to) : exportImages(project, {}, to, form));
        };
        Files files;
        Desk desk;
        std::vector<ImportRow> rows;
        for (int i = 0; i < 8; ++i) {
            ImportRow row;
            row.line = size_t(i);
            row.prompt.content = "scene " + std::to_string(i);
            row.prompt.split = i % 4 == 3 ? Split::Dev : Split::Train;
            const int k = i == 7 ? 4 : 2;
            for (int side = 0; side < k; ++side) {
                files.image("x.png", 10 * i + side);
                row.images.push_back({must(desk.project->addMedia(files.path("x.png"))), "m" + std::to_string(side), 5, {}});
                row.ranks.push_back(i == 5 ? 1 : 1 + (side + i) % k);
            }
            if (i == 2) {
                row.by = AnnotatorKind::Rule;
                row.annotator = "larger";
            }
            rows.push_back(row);
        }
        must(desk.project->importRows({"made", "sha", "made", 0, "imported"}, rows));
        const std::string out = files.path("export/out.jsonl");
        must(os::makeDirs(files.path("export")));
        const auto report = write(*desk.project, out);
        QCOMPARE(report.rows, int64_t{6});
        QCOMPARE(report.ties, int64_t{1});
        QCOMPARE(report.rankings, int64_t{1});
        QCOMPARE(report.images, int64_t{18});
        QCOMPARE(report.toString(), trl    ? std::string("6 rows; beside it 1 tie, 1 ranking, 18 images")
                                    : pick ? std::string("7 rows (6 preferences, 1 tie); beside it 1 ranking, 18 images")
                                    : form == ImageForm::HpdV2
                                        ? std::string("6 rows; beside it 1 tie, 1 ranking, 18 images")
                                        : std::string("8 rows (6 preferences, 1 tie, 1 ranking); beside it 18 images"));
        QVERIFY(!report.notes.empty());
        const auto manifest = must(readJsonFile(out + ".manifest.json"));
        for (const auto& [file, hash] : manifest["files"].items())
            QCOMPARE(must(sha256File(files.path("export/" + file))), hash.get<std::string>());
        // The folder alone is enough.
        std::filesystem::rename(files.path("export"), files.path("moved"));
        Desk other;
        for (const std::string file : {"out.jsonl", "out.jsonl.ties.jsonl", "out.jsonl.rankings.jsonl", "out.jsonl.rankings.json"})
            if (os::exists(files.path("moved/" + file))) {
                const auto taken = must(importFile(*other.project, files.path("moved/" + file)));
                QCOMPARE(taken.rejectedCount, int64_t{0});
                if (file == "out.jsonl") // what another program reads it as
                    QCOMPARE(taken.format, trl ? std::string("trl_images") : name.toStdString());
            }
        QVERIFY(saidOf(*other.project) == saidOf(*desk.project));
        const auto one = must(desk.project->freezeDataset({})), two = must(other.project->freezeDataset({}));
        QCOMPARE(two.counts.rankings, int64_t{1});
        QCOMPARE(two.counts.train, one.counts.train);
        QCOMPARE(two.counts.dev, one.counts.dev); // splits travel
        QCOMPARE(two.files.at("images.sha256"), one.files.at("images.sha256"));
        int rules = 0;
        for (const CurrentVote& vote : other.project->currentVotes())
            rules += vote.provenance == Provenance::Rule;
        QCOMPARE(rules, 1); // a rule's vote does not come back as a person's
        const auto ranks = [](const DatasetInfo& set) {
            std::map<std::string, int> of;
            const auto ranking = must(readRankings(set.dir + "/rankings.jsonl", "dev"))[0];
            for (size_t i = 0; i < ranking.images.size(); ++i)
                of[ranking.images[i]] = ranking.ranks[i];
            return of;
        };
        QCOMPARE(ranks(two).size(), size_t{4});
        QVERIFY(ranks(two) == ranks(one));
        if (pick)
            for (const Candidate& c : must(other.project->candidates({})))
                QVERIFY(c.seed == 5 || c.modelName.empty()); // those of rankings have no place for it
        // The same bytes again.
        must(os::makeDirs(files.path("export")));
        write(*desk.project, out);
        QCOMPARE(must(os::readFile(out)), must(os::readFile(files.path("moved/out.jsonl"))));
    }

    /// What the formats' own readers look for, row by row.
    void hpdAndImageRewardRowsHaveTheirFormatsColumns() {
        Files files;
        Desk desk;
        std::vector<ImportRow> rows;
        for (int i = 0; i < 12; ++i) {
            ImportRow row;
            row.line = size_t(i);
            row.prompt.content = "scene " + std::to_string(i);
            row.prompt.split = Split::Train;
            row.strength = 3;
            const int k = i == 11 ? 3 : 2;
            for (int side = 0; side < k; ++side) {
                files.image("x.png", 10 * i + side);
                row.images.push_back({must(desk.project->addMedia(files.path("x.png"))), "sd", 5, {}});
                row.ranks.push_back(i == 10 ? 1 : side + 1);
            }
            rows.push_back(row);
        }
        must(desk.project->importRows({"made", "sha", "made", 0, "imported"}, rows));
        must(os::makeDirs(files.path("out")));
        const auto hpd = must(exportImages(*desk.project, {}, files.path("out/train.json"), ImageForm::HpdV2));
        const auto pairs = must(readJsonFile(files.path("out/train.json")));
        QVERIFY(pairs.is_array() && pairs.size() == 10);
        int first = 0;
        for (const Json& row : pairs) {
            QCOMPARE(row["file_path"].size(), size_t{2});
            const bool firstWins = row["human_preference"] == Json({1, 0});
            QVERIFY(firstWins || row["human_preference"] == Json({0, 1}));
            const int scene = std::stoi(row["prompt"].get<std::string>().substr(6));
            QCOMPARE(imageRefSha(row["file_path"][firstWins ? 0 : 1].get<std::string>()), sha(10 * scene));
            QVERIFY(!row.contains("strength"));
            first += firstWins;
        }
        QVERIFY(first > 0 && first < 10); // the winner is not always the first
        const auto ranked = must(readJsonFile(files.path("out/train.json.rankings.json")));
        QCOMPARE(ranked.size(), size_t{2});
        for (const Json& row : ranked)
            QCOMPARE(row["image_path"].size(), row["rank"].size());
        const auto notes = [](const ExportReport& report) {
            std::string all;
            for (const auto& note : report.notes)
                all += note + "\n";
            return all;
        };
        for (const char* lost : {"1 ties are in .rankings.json", "1 rankings of several images are in .rankings.json",
                                 "10 rows have no strength", "25 images come without model and seed"})
            QVERIFY2(notes(hpd).find(lost) != std::string::npos, notes(hpd).c_str());
        const auto reward = must(exportImages(*desk.project, {}, files.path("out/reward.json"), ImageForm::ImageRewardDb));
        const auto all = must(readJsonFile(files.path("out/reward.json")));
        QCOMPARE(all.size(), size_t{12});
        std::set<std::string> ids;
        for (const Json& row : all) {
            QVERIFY(ids.insert(row["id"].get<std::string>()).second);
            QCOMPARE(row["generations"].size(), row["ranking"].size());
            const int scene = std::stoi(row["prompt"].get<std::string>().substr(6));
            for (size_t i = 0; i < row["ranking"].size(); ++i) // rank low is better
                QCOMPARE(imageRefSha(row["generations"][i].get<std::string>()) == sha(10 * scene) || scene == 10,
                         row["ranking"][i] == Json(1));
        }
        QVERIFY(!os::exists(files.path("out/reward.json.rankings.jsonl")));
        QVERIFY2(notes(reward).find("1 ties are rows of equal ranks") != std::string::npos, notes(reward).c_str());
        QVERIFY(!imageFormOf("parquet"));
    }

    /// The votes of a dataset's rows, by which image won: 0 is the first, 1 the second, 2 a tie.
    static int winnerOf(const std::string& file, int first) {
        const Json row = must(parseJson(must(os::readFile(file)), "row"));
        return imageRefSha(row["images"][0].get<std::string>()) == sha(first) ? 0 : 1;
    }

    /// Three raters of one pair are three votes, and the majority is theirs.
    void everyRaterIsKept_data() {
        QTest::addColumn<QString>("row");
        QTest::newRow("hpd_v2") << R"({"prompt":"a fox","file_path":["one.png","two.png"],"human_preference":[%1,%2],"user_hash":"%3","split":"train"})";
        QTest::newRow("pick_a_pic") << R"({"caption":"a fox","image_0":"one.png","image_1":"two.png","label_0":%1,"label_1":%2,"user_id":%3,"split":"train"})";
        QTest::newRow("trl_images") << R"({"prompt":"a fox","chosen":{"type":"image"},"rejected":{"type":"image"},"images":["%4.png","%5.png"],"annotator":"%3","split":"train"})";
    }
    void everyRaterIsKept() {
        QFETCH(QString, row);
        Files files;
        files.image("one.png", 1);
        files.image("two.png", 2);
        const auto said = [&](bool first, int rater) {
            QString line = row;
            for (const auto& [mark, value] : {std::pair{"%1", first ? "1" : "0"}, {"%2", first ? "0" : "1"}, {"%4", first ? "one" : "two"},
                                              {"%5", first ? "two" : "one"}})
                line.replace(QString::fromLatin1(mark), QString::fromLatin1(value));
            return line.replace(QStringLiteral("%3"), QString::number(rater)).toStdString() + "\n";
        };
        const std::string path = files.text("votes.jsonl", said(true, 11) + said(false, 22) + said(false, 33));
        Desk desk;
        const auto report = must(importFile(*desk.project, path));
        QCOMPARE(report.counts.votes, int64_t{3});
        QCOMPARE(report.counts.duplicates, int64_t{0});
        const std::string out = files.path("out.jsonl");
        QCOMPARE(must(exportTrl(*desk.project, {}, out)).rows, int64_t{1});
        QCOMPARE(winnerOf(out, 2), 0); // two of three
        QCOMPARE(must(parseJson(must(os::readFile(out)), "row"))["votes"], Json(3));
        std::set<std::string> names;
        for (const Annotator& who : must(desk.project->annotators()))
            if (who.name != "Ada")
                names.insert(who.name);
        QVERIFY((names == std::set<std::string>{"imported: 11", "imported: 22", "imported: 33"}));
        for (const CurrentVote& vote : desk.project->currentVotes())
            QVERIFY(vote.provenance == Provenance::Imported);
        QCOMPARE(must(importFile(*desk.project, path)).counts.duplicates, int64_t{3});
        // One of them thinks again: said, and the earlier vote stays.
        const auto again = must(importFile(*desk.project, files.text("again.jsonl", said(false, 11) + said(false, 22))));
        QCOMPARE(again.counts.differing, int64_t{1});
        QCOMPARE(again.counts.duplicates, int64_t{1});
        QCOMPARE(again.counts.votes, int64_t{0});
        QCOMPARE(again.toJson()["differing"], Json(1));
        QCOMPARE(must(desk.project->importBatches()).size(), size_t{1}); // it brought nothing
        QVERIFY(must(desk.project->check()).ok());
    }

    /// Nobody is named: the rows are one voter's, whose second verdict on a pair differs from the first.
    void aSecondVerdictIsSaid() {
        Files files;
        files.image("one.png", 1);
        files.image("two.png", 2);
        const std::string row = R"({"prompt":"a fox","file_path":["one.png","two.png"],"human_preference":)";
        Desk desk;
        const auto report = must(importFile(*desk.project, files.text("a.jsonl", row + "[1,0]}\n" + row + "[0,1]}\n")));
        QCOMPARE(report.counts.votes, int64_t{1});
        QCOMPARE(report.counts.differing, int64_t{1});
        QCOMPARE(report.counts.duplicates, int64_t{0});
    }

    /// HPDv2's test rows: what each annotator ranked, not the average.
    void annotationsOfHpdAreVotes() {
        Files files;
        for (int n = 1; n <= 3; ++n)
            files.image(std::to_string(n) + ".png", n);
        const std::string row = R"([{"prompt":"a fox","image_path":["1.png","2.png","3.png"],"rank":[0,1,2],"split":"train",
"raw_annotations":[{"rank":[2,1,0],"user_hash":"u"},{"rank":[0,1,2],"user_hash":"v"}]}])";
        Desk desk;
        const auto report = must(importFile(*desk.project, files.text("test.json", row)));
        QCOMPARE(report.counts.votes, int64_t{2});
        QCOMPARE(report.counts.pairs, int64_t{1});
        const auto set = must(desk.project->freezeDataset({}));
        QCOMPARE(set.counts.rankings, int64_t{2});
        int best1 = 0, best3 = 0;
        for (const auto& ranking : must(readRankings(set.dir + "/rankings.jsonl", "train")))
            for (size_t i = 0; i < 3; ++i) {
                best1 += ranking.ranks[i] == 1 && imageRefSha(ranking.images[i]) == sha(1);
                best3 += ranking.ranks[i] == 1 && imageRefSha(ranking.images[i]) == sha(3);
            }
        QVERIFY(best1 == 1 && best3 == 1);
        const auto bad = importFile(*desk.project, files.text("bad.json", R"([{"prompt":"a","image_path":["1.png","2.png"],"raw_annotations":[{"rank":[1]}]}])"));
        QVERIFY(!bad && bad.error().message.find("1 numbers for 2 images") != std::string::npos);
    }

    /// One missing file costs its ranking one image.
    void theRestOfARankingIsRanked() {
        Files files;
        std::string rows;
        for (int n = 1; n <= 4; ++n) {
            if (n != 2)
                files.image(std::to_string(n) + ".png", n);
            rows += "{\"image_path\":\"" + std::to_string(n) + ".png\",\"prompt_id\":\"7\",\"prompt\":\"a fox\",\"rank\":" +
                    std::to_string(5 - n) + ",\"split\":\"train\"}\n";
        }
        const auto ranked = [](Project& project) {
            const auto set = must(project.freezeDataset({}));
            std::map<std::string, int> of;
            const auto ranking = must(readRankings(set.dir + "/rankings.jsonl", "train"))[0];
            for (size_t i = 0; i < ranking.images.size(); ++i)
                of[imageRefSha(ranking.images[i])] = ranking.ranks[i];
            return of;
        };
        const std::map<std::string, int> expected{{sha(1), 3}, {sha(3), 2}, {sha(4), 1}};
        Desk desk;
        const auto report = must(importFile(*desk.project, files.text("rows.jsonl", rows)));
        QCOMPARE(report.rejectedCount, int64_t{1}); // a row is an image
        QCOMPARE(report.rejected[0].line, size_t{2});
        QVERIFY(ranked(*desk.project) == expected);
        // The same as one row.
        Desk other;
        const auto whole = must(importFile(*other.project, files.text("one.json",
            R"([{"prompt":"a fox","split":"train","generations":["1.png","2.png","3.png","4.png"],"ranking":[4,3,2,1]}])")));
        QCOMPARE(whole.rejectedCount, int64_t{0});
        QCOMPARE(whole.imagesLeftOut, int64_t{1});
        QVERIFY2(whole.rejected[0].reason.find("2.png\"; the others") != std::string::npos, whole.rejected[0].reason.c_str());
        QVERIFY(ranked(*other.project) == expected);
        QVERIFY(!importFile(*other.project, files.text("two.json", R"([{"prompt":"a","generations":["1.png","5.png","6.png"],"ranking":[1,2,3]}])")));
    }

    /// One broken file among ten checkpoints costs the pairs it is in; captions beside the images refuse nothing.
    void aBrokenFileOfAFolderIsOneFile() {
        Files files;
        for (int n = 1; n <= 10; ++n) {
            const std::string stem = "in/step-" + std::to_string(n) + "/a_fox/" + "7";
            files.image(stem + ".png", n);
            for (const char* other : {".txt", ".json"})
                files.text(stem + other, "a fox");
        }
        files.text("in/step-4/a_fox/7.png", "no image");
        Desk desk;
        const auto report = must(importFile(*desk.project, files.path("in")));
        QCOMPARE(report.layout, std::string("{checkpoint}/{prompt}/{seed}"));
        QCOMPARE(report.read, int64_t{30});
        QCOMPARE(report.rejectedCount, int64_t{21}); // 20 captions and the one file
        QCOMPARE(report.counts.pairs, int64_t{36});
        QCOMPARE(report.counts.candidates, int64_t{9});
        QCOMPARE(report.counts.duplicates, int64_t{0});
        // A refused folder says files.
        Files bad;
        for (const char* name : {"in/a/fox.png", "in/b/fox.png"})
            bad.text((must(os::makeDirs(os::parentDir(bad.path(name)))), name), "no image");
        const auto refused = importFile(*desk.project, bad.path("in"));
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find("2 of 2 image files cannot be used, read as {checkpoint}/{prompt}; file 1") != std::string::npos,
                 refused.error().message.c_str());
    }

    void seedsAreNumbers() {
        Files files;
        files.image("in/a/fox_007.png", 1);
        files.image("in/b/fox_7.png", 2);
        Desk desk;
        const auto report = must(importFile(*desk.project, files.path("in")));
        QCOMPARE(report.counts.pairs, int64_t{1});
        QVERIFY(report.note.empty());
        // Where nothing pairs, the two paths that come nearest.
        const auto note = [&](const char* a, const char* b) {
            Files two;
            two.image(std::string("in/") + a, 1);
            two.image(std::string("in/") + b, 2);
            two.image("in/c/a_house_1.png", 3);
            ImportOptions options;
            options.layout = "{checkpoint}/{prompt}_{seed}";
            const ImageImport read = must(readImages(two.path("in"), ImportFormat::Folder, options));
            return read.note;
        };
        QCOMPARE(note("a/fox_1.png", "b/fox_2.png"),
                 std::string("no two images make a pair; nearest are a/fox_1.png and b/fox_2.png, with the seeds 1 and 2"));
        QCOMPARE(note("a/Fox_1.png", "b/fox_1.png"),
                 std::string("no two images make a pair; nearest are a/Fox_1.png and b/fox_1.png, with the prompts \"Fox\" and \"fox\""));
        QCOMPARE(note("c/fox_1.png", "c/cat_1.png"), std::string("no two images make a pair: all are of the checkpoint \"c\""));
    }

    /// What an earlier export left beside a file is of other votes.
    void nothingStaleStaysBesideAnExport() {
        Files files;
        files.image("one.png", 1);
        files.image("two.png", 2);
        for (const char* form : {"trl", "pick_a_pic", "hpd_v2", "image_reward_db"}) {
            Desk desk;
            must(importFile(*desk.project, files.text("a.jsonl",
                R"({"prompt":"a fox","file_path":["one.png","two.png"],"human_preference":[1,0],"split":"train"})")));
            const std::string out = files.path(std::string(form) + ".jsonl");
            for (const char* beside : {".ties.jsonl", ".unpaired.jsonl", ".rankings.jsonl", ".rankings.json"})
                files.text(std::string(form) + ".jsonl" + beside, "of another project");
            must(exportImages(*desk.project, {}, out, must(imageFormOf(form))));
            for (const char* beside : {".ties.jsonl", ".unpaired.jsonl", ".rankings.jsonl", ".rankings.json"})
                QVERIFY2(!os::exists(out + beside), (out + beside).c_str());
            QVERIFY(os::exists(out));
        }
        Desk texts(2);
        must(texts.vote(texts.next()[0], Winner::A));
        const std::string out = files.text("texts.jsonl.ties.jsonl", "of another project").substr(0, files.path("texts.jsonl").size());
        must(exportTrl(*texts.project, {}, out));
        QVERIFY(os::exists(out) && !os::exists(out + ".ties.jsonl"));
    }

    /// An imported caption that is here already stays in its split; where its votes went is said.
    void votesOnTestPromptsAreSaid() {
        Files files;
        files.image("one.png", 1);
        files.image("two.png", 2);
        Desk desk;
        NewPrompt prompt;
        prompt.content = "a fox";
        prompt.split = Split::Test;
        must(desk.project->addPrompts({prompt}));
        ImportOptions options;
        options.split = Split::Train;
        const auto report = must(importFile(*desk.project, files.text("a.jsonl",
            R"({"prompt":"a fox","file_path":["one.png","two.png"],"human_preference":[1,0],"user_hash":"a"}
{"prompt":"a fox","file_path":["one.png","two.png"],"human_preference":[1,0],"user_hash":"b"}
{"prompt":"a cat","file_path":["one.png","two.png"]}
)"), options));
        QCOMPARE(report.counts.keptSplit, int64_t{1});
        QCOMPARE(must(desk.project->prompts())[0].split, Split::Test);
        const auto refused = exportImages(*desk.project, {}, files.path("out.jsonl"), ImageForm::HpdV2);
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find("2 votes are on test prompts, which are sealed") != std::string::npos, refused.error().message.c_str());
        QVERIFY(must(desk.project->previewDataset({})).toString().ends_with(", 2 votes on test prompts, which are sealed"));
    }

    void nothingOfImagesToExport() {
        Desk desk(1);
        QVERIFY(!exportImages(*desk.project, {}, desk.temp.path().toStdString() + "/out.jsonl", ImageForm::PickAPic));
    }
};

QTEST_GUILESS_MAIN(TestImageExchange)
#include "tst_image_exchange.moc"
