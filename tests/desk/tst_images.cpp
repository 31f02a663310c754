// SPDX-License-Identifier: Apache-2.0
// Images in a project: media by hash, events that bring them, pairs, datasets.
#include <filesystem>

#include "core/base/hash.h"
#include "core/base/image_file.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/import.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestImages : public QObject {
    Q_OBJECT

    static std::string put(Desk& desk, int n) {
        const std::string path = desk.temp.path().toStdString() + "/source.png";
        must(os::writeFileAtomic(path, pngBytes(n)));
        return must(desk.project->addMedia(path));
    }
    static Id addImage(Desk& desk, Id prompt, int n, const std::string& model = "start", uint64_t seed = 1) {
        NewCandidate c;
        c.prompt = prompt;
        c.kind = CandidateKind::Image;
        c.content = put(desk, n);
        c.modelName = model;
        c.seed = seed;
        return must(desk.project->addCandidates({c}))[0];
    }
    static Id addPrompt(Desk& desk, const std::string& text, Split split = Split::Train) {
        NewPrompt prompt;
        prompt.content = text;
        prompt.split = split;
        prompt.kind = "scene";
        return must(desk.project->addPrompts({prompt}))[0];
    }
    /// A run whose events are taken over as the supervisor would.
    struct Bundle {
        RunRow row;
        std::string dir;
        explicit Bundle(Desk& desk) {
            row.id = must(desk.project->reserveRun());
            row.name = "0001-generate_image";
            row.plugin = "generate_image";
            row.kind = "generate";
            row.id = must(desk.project->insertRun(row));
            dir = desk.project->runsDir() + "/" + row.name;
            must(os::makeDirs(dir + "/samples"));
        }
        Event candidate(Desk& desk, uint64_t seq, Id prompt, const std::string& image, const std::string& sha) const {
            Event event;
            event.seq = seq;
            event.type = event::kCandidate;
            event.body = {{"prompt_id", must(desk.project->prompt(prompt)).uuid},
                          {"kind", "image"},
                          {"image", image},
                          {"sha256", sha},
                          {"width", 3},
                          {"height", 2},
                          {"seed", 17 + seq},
                          {"params", {{"steps", 20}, {"guidance", 3.0}}},
                          {"model", {{"name", "start"}, {"hash", "h"}}}};
            return event;
        }
        std::string write(int n) const {
            const std::string sha = sha256Hex(pngBytes(n));
            must(os::writeFileAtomic(dir + "/samples/" + sha + ".png", pngBytes(n)));
            return sha;
        }
    };

private Q_SLOTS:
    void mediaIsNamedByItsHashAndRepaired() {
        Desk desk;
        const std::string sha = put(desk, 1);
        QCOMPARE(sha, sha256Hex(pngBytes(1)));
        QCOMPARE(must(os::readFile(desk.project->mediaPath(sha))), pngBytes(1));
        OK(os::writeFileAtomic(desk.project->mediaPath(sha), "torn"));
        QCOMPARE(put(desk, 1), sha);
        QCOMPARE(must(os::readFile(desk.project->mediaPath(sha))), pngBytes(1));
        const std::string text = desk.temp.path().toStdString() + "/text.png";
        OK(os::writeFileAtomic(text, "not an image"));
        QVERIFY(!desk.project->addMedia(text));
        const std::string link = desk.temp.path().toStdString() + "/link.png";
        std::filesystem::create_symlink(desk.project->mediaPath(sha), link);
        QVERIFY(!desk.project->addMedia(link));
        for (const auto& name : must(os::listDir(desk.project->mediaDir())))
            QVERIFY2(name[0] != '.', name.c_str()); // nothing half-done stays
    }

    void eventsBringImages() {
        Desk desk;
        const Id prompt = addPrompt(desk, "two small red circles");
        const Bundle bundle(desk);
        const std::string one = bundle.write(1), two = bundle.write(2), lost(64, '0');
        std::filesystem::create_symlink(desk.project->dir() + "/project.db", bundle.dir + "/samples/link.png");
        must(os::writeFileAtomic(desk.temp.path().toStdString() + "/outside.png", pngBytes(3)));
        std::filesystem::create_symlink(desk.temp.path().toStdString(), bundle.dir + "/samples/away");
        must(os::writeFileAtomic(bundle.dir + "/samples/text.png", "no image"));
        const std::vector<Event> events{
            bundle.candidate(desk, 1, prompt, "samples/" + one + ".png", one),
            bundle.candidate(desk, 2, prompt, "samples/" + two + ".png", two),
            bundle.candidate(desk, 3, prompt, "samples/" + two + ".png", one),        // another's hash
            bundle.candidate(desk, 4, prompt, "samples/" + lost + ".png", lost),      // no such file
            bundle.candidate(desk, 5, prompt, "../../../outside.png", sha256Hex(pngBytes(3))),
            bundle.candidate(desk, 6, prompt, "samples/link.png", sha256Hex("x")),
            bundle.candidate(desk, 7, prompt, "samples/away/outside.png", sha256Hex(pngBytes(3))),
            bundle.candidate(desk, 8, prompt, "samples/text.png", sha256Hex("no image")),
            bundle.candidate(desk, 9, prompt, "samples/" + one + ".png", "ABC"),
        };
        const auto taken = must(desk.project->ingest(bundle.row.id, "events.jsonl", events));
        QCOMPARE(taken.candidates, int64_t{2});
        QCOMPARE(taken.problems.size(), size_t{7});
        QCOMPARE(must(desk.project->ingest(bundle.row.id, "events.jsonl", events)).fresh, int64_t{0});
        const auto all = must(desk.project->candidates({}));
        QCOMPARE(all.size(), size_t{2});
        QVERIFY(all[0].kind == CandidateKind::Image);
        QCOMPARE(all[0].content, one);
        QCOMPARE(all[0].seed, uint64_t{18});
        QCOMPARE(all[0].params, (Json{{"steps", 20}, {"guidance", 3.0}, {"width", 3}, {"height", 2}, {"format", "png"}}));
        QCOMPARE(must(os::readFile(desk.project->mediaPath(two))), pngBytes(2));
        MakePairsOptions options;
        options.run = bundle.row.id;
        QCOMPARE(must(desk.project->makePairs(options)).pairs, int64_t{1});
        const auto items = desk.next(5);
        QCOMPARE(items.size(), size_t{1});
        QCOMPARE(items[0].comparison.differsIn, std::string("image"));
        Page page;
        page.kind = CandidateKind::Text;
        QCOMPARE(must(desk.project->countPairs(page)), int64_t{0});
        page.kind = CandidateKind::Image;
        QCOMPARE(must(desk.project->countPairs(page)), int64_t{1});
        QVERIFY(must(desk.project->check()).ok());
    }

    void acrossModelsTheSameSeedMeets() {
        Desk desk;
        const Id prompt = addPrompt(desk, "a red circle");
        addImage(desk, prompt, 1, "start", 7);
        addImage(desk, prompt, 2, "start", 8);
        addImage(desk, prompt, 3, "trained", 8);
        addImage(desk, prompt, 4, "trained", 9);
        NewCandidate text;
        text.prompt = prompt;
        text.content = "words";
        text.modelName = "other";
        must(desk.project->addCandidates({text}));
        MakePairsOptions options;
        options.mode = MakePairsOptions::Mode::AcrossModels;
        options.maxPerPrompt = 5;
        QCOMPARE(must(desk.project->makePairs(options)).pairs, int64_t{1});
        const auto item = desk.next(1)[0];
        QCOMPARE(item.a.seed, uint64_t{8});
        QCOMPARE(item.b.seed, uint64_t{8});
        options.mode = MakePairsOptions::Mode::WithinModel;
        QCOMPARE(must(desk.project->makePairs(options)).pairs, int64_t{2});
    }

    void missingAndDamagedMediaIsReported() {
        Desk desk;
        const Id one = addPrompt(desk, "a red circle"), two = addPrompt(desk, "a blue star");
        const Id whole = addImage(desk, one, 1), damaged = addImage(desk, one, 2);
        const Id missing = addImage(desk, two, 3), other = addImage(desk, two, 4);
        (void)whole;
        (void)other;
        must(desk.project->makePairs({}));
        for (const auto& item : desk.next(2))
            must(desk.vote(item, Winner::A));
        QVERIFY(must(desk.project->check()).ok());
        DatasetSpec spec;
        QCOMPARE(must(desk.project->previewDataset(spec)).train, int64_t{2});
        must(os::writeFileAtomic(desk.project->mediaPath(must(desk.project->candidate(damaged)).content), pngBytes(9)));
        must(os::removeTree(desk.project->mediaPath(must(desk.project->candidate(missing)).content)));
        const auto report = must(desk.project->check());
        QCOMPARE(report.problems.size(), size_t{2});
        const std::string said = report.problems[0] + report.problems[1];
        QVERIFY2(said.find("damaged") != std::string::npos && said.find("missing") != std::string::npos, said.c_str());
        const auto set = must(desk.project->freezeDataset(spec));
        QCOMPARE(set.counts.unusable, int64_t{2});
        QCOMPARE(set.counts.train, int64_t{0});
        // What a killed program left half copied goes when the project is opened.
        const std::string half = desk.dir() + "/media/.partial-1";
        must(os::writeFileAtomic(half, "half"));
        desk.reopen();
        QCOMPARE(desk.project->counters().candidates, int64_t{4});
        QVERIFY(!os::exists(half));
    }

    void tornMediaIsReported() {
        Desk desk;
        const Id prompt = addPrompt(desk, "a red circle");
        (void)addImage(desk, prompt, 1);
        // As an earlier version took it in: its header is whole, and its hash is its own.
        const std::string path = desk.temp.path().toStdString() + "/torn.png";
        must(os::writeFileAtomic(path, pngBytes(2).substr(0, 50)));
        NewCandidate torn;
        torn.prompt = prompt;
        torn.kind = CandidateKind::Image;
        torn.content = must(desk.project->addMedia(path));
        torn.modelName = "start";
        must(desk.project->addCandidates({torn}));
        const auto report = must(desk.project->check());
        QCOMPARE(report.problems.size(), size_t{1});
        QVERIFY2(report.problems[0].find("is of no use: the file is not a whole PNG file: it ends at byte 50") != std::string::npos,
                 report.problems[0].c_str());
    }

    void jpegAndWebpComeInAndTornFilesAreNamed() {
        Desk desk;
        const std::string in = desk.temp.path().toStdString() + "/in";
        const auto fixture = [](const std::string& name) { return must(os::readFile(PAIRLAB_SOURCE_DIR "/tests/golden/images/" + name)); };
        must(os::makeDirs(in + "/a"));
        must(os::makeDirs(in + "/b"));
        const auto put = [&](const std::string& name, const std::string& bytes) { must(os::writeFileAtomic(in + "/" + name, bytes)); };
        put("a/fox.jpg", fixture("progressive.jpg"));
        put("b/fox.webp", fixture("icc_exif_alpha.webp"));
        put("a/cat.jpg", fixture("cmyk_icc.jpg"));
        put("b/cat.png", fixture("exif.png"));
        for (const auto& [name, from] : {std::pair{"a/dog.png", "rgb.png"}, {"b/dog.jpg", "baseline.jpg"}, {"a/owl.webp", "lossy.webp"}}) {
            const std::string whole = fixture(from);
            put(name, whole.substr(0, whole.size() * 2 / 3)); // the header is there, and says its size
        }
        put("b/owl.webp", fixture("animated.webp"));
        ImportOptions options;
        options.layout = "{checkpoint}/{prompt}";
        const auto report = must(importFile(*desk.project, in, options));
        QCOMPARE(report.counts.pairs, int64_t{2});
        QCOMPARE(report.counts.candidates, int64_t{4});
        std::string said;
        for (const auto& row : report.rejected)
            said += row.reason + "\n";
        for (const char* what : {"dog.png is not a whole PNG file", "dog.jpg is not a whole JPEG file: it ends at byte", "owl.webp is not a whole WebP file",
                                 "owl.webp is animated"})
            QVERIFY2(said.find(what) != std::string::npos, said.c_str());
        for (const auto& item : desk.next(2))
            for (const auto& side : {item.a, item.b})
                QVERIFY(readImage(desk.project->mediaPath(side.content)).has_value());
        QVERIFY(must(desk.project->check()).ok());
    }

    void datasetsHoldTheirImages() {
        Desk desk;
        const Id one = addPrompt(desk, "a red circle"), two = addPrompt(desk, "a blue star"),
                 dev = addPrompt(desk, "a green ring", Split::Dev), bad = addPrompt(desk, "a dull square");
        for (const auto& [prompt, n] : {std::pair{one, 1}, {two, 3}, {dev, 5}, {bad, 7}}) {
            addImage(desk, prompt, n);
            addImage(desk, prompt, n + 1);
        }
        must(desk.project->makePairs({}));
        for (const auto& item : desk.next(9)) {
            JudgementInput in;
            in.winner = item.prompt.id == two || item.prompt.id == bad ? Winner::Tie : Winner::A;
            if (in.winner == Winner::Tie)
                in.tieKind = item.prompt.id == bad ? TieKind::BothBad : TieKind::Unspecified;
            must(desk.project->presentAndJudge(item.presentation, in));
        }
        DatasetSpec spec;
        const auto set = must(desk.project->freezeDataset(spec));
        QVERIFY(set.isOfImages());
        QVERIFY(must(desk.project->previewDataset(spec)) == set.counts);
        const auto train = must(readPairs(set.dir + "/train.jsonl"));
        QCOMPARE(train.size(), size_t{1});
        QVERIFY(train[0].image);
        QVERIFY(must(readPairs(set.dir + "/dev.jsonl"))[0].image);
        const auto ties = must(readTies(set.dir + "/ties.jsonl", "train"));
        QVERIFY(ties.size() == 1 && ties[0].image);
        const std::string unpaired = must(os::readFile(set.dir + "/unpaired.jsonl"));
        QVERIFY(unpaired.find("\"modality\":\"image\"") != std::string::npos);
        QCOMPARE(must(os::listDir(set.dir + "/images")).size(), size_t{8});
        for (const std::string& ref : {train[0].chosen, train[0].rejected, ties[0].chosen, ties[0].rejected})
            QCOMPARE(must(sha256File(set.dir + "/" + ref)), imageRefSha(ref));
        QVERIFY(std::filesystem::equivalent(set.dir + "/" + train[0].chosen,
                                            desk.project->mediaPath(imageRefSha(train[0].chosen)))); // no second copy
        QCOMPARE(must(desk.project->freezeDataset(spec)).id, set.id);
        QVERIFY(must(desk.project->check()).ok());
        // Other pixels in the same place are another dataset: the rows name them by hash.
        must(os::removeTree(set.dir + "/" + ties[0].chosen));
        const auto report = must(desk.project->check());
        QVERIFY(report.problems.size() == 1 && report.problems[0].find("images/") != std::string::npos);
    }

    void textAndImagesNeverMix() {
        Desk desk(2);
        const Id prompt = addPrompt(desk, "a red circle");
        addImage(desk, prompt, 1);
        addImage(desk, prompt, 2);
        must(desk.project->makePairs({}));
        for (const auto& item : desk.next(9))
            must(desk.vote(item, Winner::A));
        DatasetSpec spec;
        const auto mixed = desk.project->freezeDataset(spec);
        QVERIFY(!mixed && mixed.error().toString().find("--kind") != std::string::npos);
        QVERIFY(!desk.project->previewDataset(spec));
        spec.filter.kind = CandidateKind::Text;
        const auto text = must(desk.project->freezeDataset(spec));
        QCOMPARE(text.counts.votes, int64_t{2});
        QVERIFY(!text.isOfImages());
        QVERIFY(!must(readPairs(text.dir + "/train.jsonl"))[0].image);
        spec.filter.kind = CandidateKind::Image;
        const auto images = must(desk.project->freezeDataset(spec));
        QCOMPARE(images.counts.votes, int64_t{1});
        QVERIFY(must(desk.project->findDataset(images.sha)).spec.filter.kind == CandidateKind::Image);
        QCOMPARE(must(desk.project->datasetDrift(text.id)).newer, int64_t{0});
        addImage(desk, prompt, 3);
        addImage(desk, prompt, 4);
        must(desk.project->makePairs({}));
        for (const auto& item : desk.next(9))
            must(desk.vote(item, Winner::B));
        QCOMPARE(must(desk.project->datasetDrift(text.id)).newer, int64_t{0});
        QVERIFY(must(desk.project->datasetDrift(images.id)).newer > 0);
    }

    void rankingsAreImportedFrozenAndTakenBack() {
        Desk desk;
        ImportRow row;
        row.line = 1;
        row.prompt.content = "a red circle";
        row.prompt.split = Split::Train;
        row.ranks = {2, 1, 4, 2};
        for (int n = 1; n <= 4; ++n)
            row.images.push_back({put(desk, n), "model", uint64_t(n), {{"width", 3}}});
        const Project::ImportMeta meta{"ranked.json", "sha", "image_reward_db", 0, "imported"};
        const auto counts = must(desk.project->importRows(meta, {row}));
        QCOMPARE(counts.candidates, int64_t{4});
        QCOMPARE(counts.pairs, int64_t{1});
        QCOMPARE(counts.votes, int64_t{1});
        QCOMPARE(must(desk.project->importRows(meta, {row})).duplicates, int64_t{1});
        QVERIFY(desk.next(9).empty()); // no pair to be shown
        desk.reopen();
        QVERIFY(desk.next(9).empty());
        const auto set = must(desk.project->freezeDataset({}));
        QCOMPARE(set.counts.rankings, int64_t{1});
        QCOMPARE(set.counts.train, int64_t{0});
        const auto rankings = must(readRankings(set.dir + "/rankings.jsonl", "train"));
        QCOMPARE(rankings.size(), size_t{1});
        std::map<std::string, int> ranks;
        for (size_t i = 0; i < 4; ++i)
            ranks[imageRefSha(rankings[0].images[i])] = rankings[0].ranks[i];
        for (size_t i = 0; i < 4; ++i)
            QCOMPARE(ranks.at(row.images[i].sha), row.ranks[i]);
        QVERIFY(must(desk.project->check()).ok());
        must(desk.project->revertImport(must(desk.project->importBatches())[0].id));
        QCOMPARE(desk.project->counters().candidates, int64_t{0});
        QCOMPARE(desk.project->counters().comparisons, int64_t{0});
        QCOMPARE(must(desk.project->importRows(meta, {row})).votes, int64_t{1});
        QCOMPARE(desk.project->counters().candidates, int64_t{4});
    }
};

QTEST_GUILESS_MAIN(TestImages)
#include "tst_images.moc"
