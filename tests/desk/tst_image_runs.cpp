// SPDX-License-Identifier: Apache-2.0
// ctest: label=unit processors=1 timeout=180
// Which job a model gets, and what lies in its bundle, when images are made, trained on and judged. The jobs themselves are
// stand-ins that only have to be submitted.
#include "core/base/bundle.h"
#include "core/base/image.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/runs/actions.h"
#include "core/base/hash.h"
#include "core/rules/image_taste.h"
#include "core/rules/scene.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestImageRuns : public QObject {
    Q_OBJECT
    QTemporaryDir m_runtime;

    struct World : Desk {
        std::unique_ptr<Supervisor> supervisor;
        World() {
            const std::string plugins = temp.path().toStdString() + "/plugins";
            plugin(plugins, "generate_image", "generate", {"prompts"}, {"image"}, R"("n": INT, "best_of": INT, "taste": TEXT)");
            plugin(plugins, "generate_text", "generate", {"prompts"}, {"text"}, R"("n": INT)");
            plugin(plugins, "image_dpo", "train", {"pairs"}, {"image"}, "");
            plugin(plugins, "image_sft", "train", {"sft"}, {"image"}, R"("source": TEXT)");
            plugin(plugins, "dpo", "train", {"pairs"}, {"text"}, "");
            plugin(plugins, "evaluate", "evaluate", {"prompts"}, {"text", "image"},
                   R"("mode": TEXT, "judge": TEXT, "taste": TEXT, "judge_name": TEXT, "judge_saw_same_labels": TEXT)");
            model("start", R"({"model_type":"pairlab_image_flow"})");
            model("judge", R"({"model_type":"pairlab_image_reward"})");
            model("words", R"({"model_type":"llama"})");
            SupervisorOptions o;
            o.worker = "/bin/true";
            o.pluginFolders = {plugins};
            o.pollMs = 20;
            supervisor = must(Supervisor::start(project->dir(), o));
        }
        static void plugin(const std::string& folder, const std::string& id, const std::string& kind,
                           std::vector<std::string> data, std::vector<std::string> modalities, std::string parameters) {
            for (const auto& [mark, type] : {std::pair{"INT", R"({"type": "integer", "default": 1, "label": "x", "group": "G"})"},
                                             {"TEXT", R"({"type": "string", "default": "", "label": "x", "group": "G"})"}})
                for (size_t at; (at = parameters.find(mark)) != std::string::npos;)
                    parameters.replace(at, std::string_view(mark).size(), type);
            const Json manifest{{"manifest_version", 1}, {"id", id}, {"version", "1"}, {"kind", kind}, {"title", id},
                                {"summary", id}, {"command", {"/bin/true"}}, {"metrics", Json::array()},
                                {"needs", {{"data", data}, {"modalities", modalities},
                                           {"models", {{{"role", "policy"}}, {{"role", "judge"}, {"optional", true}}}}}},
                                {"parameters", {{"groups", {"G"}}, {"properties", Json::parse("{" + parameters + "}")}}}};
            must(os::makeDirs(folder + "/" + id));
            must(os::writeFileAtomic(folder + "/" + id + "/manifest.json", manifest.dump()));
        }
        void model(const std::string& name, const std::string& config) {
            const std::string folder = project->modelsDir() + "/" + name;
            must(os::makeDirs(folder));
            must(os::writeFileAtomic(folder + "/config.json", config));
            must(os::writeFileAtomic(folder + "/model.safetensors", name));
        }
        Id prompt(const std::string& text, Split split, const std::string& kind = "scene") {
            NewPrompt p;
            p.content = text;
            p.split = split;
            p.kind = kind;
            return must(project->addPrompts({p}))[0];
        }
        /// Two drawings of a prompt that differ in size, as a pair.
        void drawings(Id id, const std::string& text) {
            std::vector<NewCandidate> all;
            for (int size = 1; size <= 3; size += 2) {
                auto caption = rules::parseCaption(text).caption;
                caption.size = size;
                const std::string path = temp.path().toStdString() + "/drawing.png";
                must(writePng(path, rules::renderScene(rules::drawScene(caption, 1))));
                NewCandidate c;
                c.prompt = id;
                c.kind = CandidateKind::Image;
                c.content = must(project->addMedia(path));
                c.modelName = "start";
                c.seed = uint64_t(size);
                all.push_back(c);
            }
            must(project->addCandidates(all));
        }
        void voted(bool dev = true) {
            drawings(prompt("a red circle", Split::Train), "a red circle");
            if (dev)
                drawings(prompt("a blue star", Split::Dev), "a blue star");
            must(project->makePairs({}));
            for (const auto& item : next(9))
                must(vote(item, Winner::A));
        }
        Bundle bundle(const std::string& name) { return must(pl::Bundle::open(project->runsDir() + "/" + name)); }
    };

private Q_SLOTS:
    void initTestCase() { qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit()); }

    void modelsKnowWhatTheyMake() {
        World w;
        const auto choices = must(modelChoices(*w.project));
        QCOMPARE(choices.size(), size_t{3});
        QVERIFY(choices[0].text == "start" && choices[0].image && !choices[0].rewardModel);
        QVERIFY(choices[1].text == "judge" && choices[1].image && choices[1].rewardModel);
        QVERIFY(choices[2].text == "words" && !choices[2].image && !choices[2].rewardModel);
    }

    void anImageModelDrawsWhatIsNotVerified() {
        World w;
        w.prompt("a red circle", Split::Train, "chat"); // as a plain list of captions comes in
        w.prompt("What is 1 + 1?", Split::Train, "verify");
        GenerateRequest request;
        request.bestOf = 4;
        request.judge = "judge";
        const auto estimate = must(estimateGenerate(*w.project, request));
        QCOMPARE(estimate.prompts, int64_t{1});
        QCOMPARE(estimate.samples, int64_t{4});
        QVERIFY(estimate.seconds() < 0); // nothing to go by yet
        const auto bundle = w.bundle(must(startGenerate(*w.project, *w.supervisor, request)));
        QCOMPARE(bundle.spec().plugin, std::string("generate_image"));
        QVERIFY(bundle.spec().model("judge"));
        QCOMPARE(bundle.spec().parameters["best_of"], Json(4));
        const auto prompts = must(readPrompts(bundle.dataPath("prompts.jsonl")));
        QVERIFY(prompts.size() == 1 && prompts[0].prompt == "a red circle");
        request.judge = "larger";
        QCOMPARE(w.bundle(must(startGenerate(*w.project, *w.supervisor, request))).spec().parameters["taste"], Json("larger"));
        request.judge = "words";
        QVERIFY(!startGenerate(*w.project, *w.supervisor, request));
        request.judge = "judge";
        request.n = 5; // of 4
        QVERIFY(!startGenerate(*w.project, *w.supervisor, request));
        request.n = 2;
        request.bestOf = 1;
        request.judge.clear();
        request.models = {"words"};
        QCOMPARE(w.bundle(must(startGenerate(*w.project, *w.supervisor, request))).spec().plugin,
                 std::string("generate_text"));
        request.models = {"start", "words"};
        QVERIFY(!startGenerate(*w.project, *w.supervisor, request));
        // A finished run tells what the next one takes.
        auto row = must(w.project->findRun("1"));
        NewCandidate made;
        made.prompt = must(w.project->prompts())[0].id;
        made.content = "x";
        made.run = row.id;
        must(w.project->addCandidates({made}));
        row.state = "finished";
        row.startedMs = 1000;
        row.endedMs = 3000;
        must(w.project->updateRun(row));
        request.models = {"start"};
        QCOMPARE(must(estimateGenerate(*w.project, request)).seconds(), 2.0 * 2);
        row.result = {{"seconds_per_image", 0.25}};
        must(w.project->updateRun(row));
        QCOMPARE(must(estimateGenerate(*w.project, request)).seconds(), 0.25 * 2);
        // It counts for other steps and guidance, where both are known.
        row.parameters = {{"steps", 8}, {"guidance", 2.0}};
        must(w.project->updateRun(row));
        QCOMPARE(must(estimateGenerate(*w.project, request)).seconds(), 0.25 * 2);
        request.parameters = {{"steps", 16}, {"guidance", 2.0}};
        QCOMPARE(must(estimateGenerate(*w.project, request)).seconds(), 0.5 * 2);
        request.parameters = {{"steps", 8}, {"guidance", 1}};
        request.bestOf = 8;
        QCOMPARE(must(estimateGenerate(*w.project, request)).seconds(), 0.125 * 8);
        request.models = {"nobody"};
        QVERIFY(!estimateGenerate(*w.project, request));
    }

    void trainersGetPairsOfTheirKindWithTheFiles() {
        World w;
        w.voted();
        const Id chat = w.prompt("Say hello", Split::Train, "chat");
        NewCandidate a, b;
        a.prompt = b.prompt = chat;
        a.content = "Hello";
        b.content = "Hi";
        must(w.project->addCandidates({a, b}));
        must(w.project->makePairs({}));
        for (const auto& item : w.next(9))
            must(w.vote(item, Winner::A));
        TrainRequest request;
        request.plugin = "image_dpo";
        const auto bundle = w.bundle(must(startTrain(*w.project, *w.supervisor, request)));
        const auto pairs = must(readPairs(bundle.dataPath("train.jsonl")));
        QVERIFY(pairs.size() == 1 && pairs[0].image);
        for (const std::string& ref : {pairs[0].chosen, pairs[0].rejected})
            QCOMPARE(must(sha256File(bundle.dataPath(ref))), imageRefSha(ref));
        QVERIFY(os::exists(bundle.dataPath("rankings.jsonl")));
        QVERIFY(must(readPrompts(bundle.dataPath("prompts.jsonl")))[0].prompt == "a blue star"); // to watch
        // The bundle stands alone: its images are in the packed file too.
        const std::string tar = w.temp.path().toStdString() + "/run.tar";
        must(packRun(bundle.dir(), tar));
        QVERIFY(must(os::readFile(tar)).find(must(os::readFile(bundle.dataPath(pairs[0].chosen)))) != std::string::npos);

        request.plugin = "image_sft";
        const auto sft = w.bundle(must(startTrain(*w.project, *w.supervisor, request)));
        const auto rows = must(readSft(sft.dataPath("train.jsonl")));
        QVERIFY(rows.size() == 1 && rows[0].image && rows[0].completion == pairs[0].chosen);
        QVERIFY(os::exists(sft.dataPath(rows[0].completion)));
        QVERIFY(!os::exists(sft.dataPath(pairs[0].rejected)));

        request.plugin = "dpo";
        QVERIFY(!startTrain(*w.project, *w.supervisor, request)); // start is no language model
        request.model = "words";
        const auto text = w.bundle(must(startTrain(*w.project, *w.supervisor, request)));
        QCOMPARE(must(readPairs(text.dataPath("train.jsonl"))).size(), size_t{1});
        request.plugin = "image_dpo";
        QVERIFY(!startTrain(*w.project, *w.supervisor, request));
        request.model = "start";
        request.dataset = must(w.project->datasets())[0].name; // the text one
        const auto wrong = startTrain(*w.project, *w.supervisor, request);
        QVERIFY(!wrong && wrong.error().message.find("compares texts") != std::string::npos);
    }

    void scenesNeedNoVotes() {
        World w;
        TrainRequest request;
        request.plugin = "image_sft";
        QVERIFY(!startTrain(*w.project, *w.supervisor, request));
        request.parameters = {{"source", "scenes"}};
        OK(startTrain(*w.project, *w.supervisor, request));
    }

    void judgesAreTastesOfPicturesOrImageRewardModels() {
        World w;
        w.voted();
        EvaluateRequest request;
        request.model = "start";
        request.against = "start";
        request.split = Split::Dev;
        request.judge = "larger";
        auto bundle = w.bundle(must(startEvaluate(*w.project, *w.supervisor, request)));
        QCOMPARE(bundle.spec().parameters["judge"], Json("rule"));
        QCOMPARE(bundle.spec().parameters["taste"], Json("larger"));
        request.judge = "concise"; // a taste of texts
        QVERIFY(!startEvaluate(*w.project, *w.supervisor, request));
        request.judge = "words";
        QVERIFY(!startEvaluate(*w.project, *w.supervisor, request));
        request.judge = "judge";
        bundle = w.bundle(must(startEvaluate(*w.project, *w.supervisor, request)));
        QCOMPARE(bundle.spec().parameters["judge"], Json("reward_model"));
        QVERIFY(must(readPairs(bundle.dataPath("judge_pairs.jsonl")))[0].image);
        // Whether pictures show what their prompts say needs no prompts of a special kind.
        request.judge = "verifier";
        bundle = w.bundle(must(startEvaluate(*w.project, *w.supervisor, request)));
        QCOMPARE(bundle.spec().parameters["mode"], Json("verifier"));
        QVERIFY(!must(readPrompts(bundle.dataPath("prompts.jsonl"))).empty());
        request.judge = "judge";
        request.against = "words";
        QVERIFY(!startEvaluate(*w.project, *w.supervisor, request));
        request.against.clear();
        request.model = "judge";
        request.judge = "larger";
        bundle = w.bundle(must(startEvaluate(*w.project, *w.supervisor, request)));
        QCOMPARE(bundle.spec().parameters["mode"], Json("reward_accuracy"));
        const auto pairs = must(readPairs(bundle.dataPath("pairs.jsonl")));
        QVERIFY(pairs.size() == 1 && pairs[0].image && pairs[0].annotator == "rule:larger");
        const auto taste = must(rules::imageTasteByName("larger"));
        QVERIFY(rules::score(taste, "a blue star", must(readPng(bundle.dataPath(pairs[0].chosen)))) >
                rules::score(taste, "a blue star", must(readPng(bundle.dataPath(pairs[0].rejected)))));
        request.judge = "votes";
        bundle = w.bundle(must(startEvaluate(*w.project, *w.supervisor, request)));
        QVERIFY(os::exists(bundle.dataPath(must(readPairs(bundle.dataPath("pairs.jsonl")))[0].chosen)));
        // Votes of other splits measure nothing, and the test prompts stay closed.
        request.split = Split::Test;
        const auto sealed = startEvaluate(*w.project, *w.supervisor, request);
        QVERIFY(!sealed && sealed.error().hint.find("--split dev") != std::string::npos);
        QCOMPARE(must(w.project->testOpenings()), int64_t{0});
    }

    void whatBestOfNCannotBeIsSaidBeforeAnythingIsDrawn() {
        World w;
        GenerateRequest request;
        request.bestOf = 8;
        request.n = 1;
        request.judge = "concise"; // a taste of texts
        QVERIFY(!checkBestOf(*w.project, request));
        request.judge = "larger";
        OK(checkBestOf(*w.project, request));
        request.n = 9;
        QVERIFY(!checkBestOf(*w.project, request));
        request.models = {"words"};
        request.n = 1;
        QVERIFY(!checkBestOf(*w.project, request));
    }

    void supervisedTrainingNeedsNoDecidedDevPair() {
        World w;
        w.voted(false);
        TrainRequest request;
        request.plugin = "image_sft";
        const auto bundle = w.bundle(must(startTrain(*w.project, *w.supervisor, request)));
        QVERIFY(os::exists(bundle.dataPath("train.jsonl")));
        QVERIFY(!os::exists(bundle.dataPath("dev.jsonl")));
    }

    void pairsOfImagesAreKeptReady() {
        World w;
        w.prompt("a red circle", Split::Train);
        StandingOrder order;
        order.task = w.task;
        order.target = 10;
        must(w.project->setStandingOrder(order));
        const std::string run = must(serveStandingOrders(*w.project, *w.supervisor, w.ada));
        QCOMPARE(w.bundle(run).spec().plugin, std::string("generate_image"));
        QCOMPARE(must(readPrompts(w.bundle(run).dataPath("prompts.jsonl"))).size(), size_t{1});
    }

    void thePairsKeptReadyAreTheBestOfMany() {
        World w;
        w.prompt("a red circle", Split::Train);
        StandingOrder order;
        order.task = w.task;
        order.target = 10;
        order.generate = {{"models", {"start"}}, {"n", 2}, {"best_of", 6}, {"judge", "judge"}};
        must(w.project->setStandingOrder(order));
        const auto spec = w.bundle(must(serveStandingOrders(*w.project, *w.supervisor, w.ada))).spec();
        QCOMPARE(spec.parameters["best_of"], Json(6));
        QVERIFY(spec.model("judge"));
    }

    void pairsOfTextsAreNoPairsOfImages() {
        World w;
        w.prompt("a red circle", Split::Train);
        const Id chat = w.prompt("Say hello", Split::Train, "chat");
        std::vector<NewCandidate> texts;
        for (int i = 0; i < 6; ++i) {
            NewCandidate c;
            c.prompt = chat;
            c.content = "Hello " + std::to_string(i);
            texts.push_back(c);
        }
        must(w.project->addCandidates(texts));
        MakePairsOptions pairs;
        pairs.maxPerPrompt = 5;
        must(w.project->makePairs(pairs));
        const int64_t there = must(w.project->remaining(w.task, w.ada));
        QVERIFY(there >= 3);
        QCOMPARE(must(w.project->remaining(w.task, w.ada, {}, CandidateKind::Text)), there);
        QCOMPARE(must(w.project->remaining(w.task, w.ada, {}, CandidateKind::Image)), int64_t{0});
        StandingOrder texted;
        texted.task = w.task;
        texted.target = 3;
        texted.generate = {{"models", {"words"}}};
        must(w.project->setStandingOrder(texted));
        QCOMPARE(must(serveStandingOrders(*w.project, *w.supervisor, w.ada)), std::string()); // enough texts
        StandingOrder imaged;
        imaged.task = w.task;
        imaged.target = 3;
        must(w.project->setStandingOrder(imaged));
        const std::string run = must(serveStandingOrders(*w.project, *w.supervisor, w.ada));
        QVERIFY(!run.empty());
        QCOMPARE(w.bundle(run).spec().plugin, std::string("generate_image"));
        // A pair that comes while the queue is known joins the queue of its kind.
        w.drawings(must(w.project->prompts())[0].content == "a red circle" ? must(w.project->prompts())[0].id
                                                                          : must(w.project->prompts())[1].id,
                   "a red circle");
        must(w.project->makePairs({}));
        QCOMPARE(must(w.project->remaining(w.task, w.ada, {}, CandidateKind::Image)), int64_t{1});
        const int64_t now = must(w.project->remaining(w.task, w.ada, {}, CandidateKind::Text));
        QVERIFY(now >= there);
        QCOMPARE(must(w.project->remaining(w.task, w.ada)), now + 1);
    }

    void rankingsAloneAreEnoughToTrainOn() {
        World w;
        const auto rank = [&](const std::string& prompt, Split split, int first, std::vector<int> ranks) {
            ImportRow row;
            row.line = 1;
            row.prompt.content = prompt;
            row.prompt.split = split;
            row.prompt.kind = "scene";
            for (size_t i = 0; i < ranks.size(); ++i) {
                const std::string file = w.temp.path().toStdString() + "/x.png";
                must(os::writeFileAtomic(file, pngBytes(first + static_cast<int>(i))));
                row.images.push_back({must(w.project->addMedia(file)), "", 0, {}});
            }
            row.ranks = std::move(ranks);
            must(w.project->importRows({prompt, prompt, "made", 0, "imported"}, {row}));
        };
        TrainRequest request;
        request.plugin = "image_dpo";
        rank("a blue star", Split::Dev, 0, {1, 2, 3});
        const auto refused = startTrain(*w.project, *w.supervisor, request);
        QVERIFY(!refused && refused.error().message.find("pairs or rankings") != std::string::npos);
        QVERIFY(refused.error().message.find("0 pairs to train on, 1 ranking (3 pairs) held out") != std::string::npos);
        rank("a red circle", Split::Train, 10, {2, 1, 1, 3});
        const auto bundle = w.bundle(must(startTrain(*w.project, *w.supervisor, request)));
        QVERIFY(must(readPairs(bundle.dataPath("train.jsonl"))).empty());
        const auto train = must(readRankings(bundle.dataPath("rankings.jsonl"), "train"));
        QCOMPARE(train.size(), size_t{1});
        QCOMPARE(must(readRankings(bundle.dataPath("rankings.jsonl"), "dev")).size(), size_t{1});
        for (const std::string& ref : train[0].images)
            QCOMPARE(must(sha256File(bundle.dataPath(ref))), imageRefSha(ref));
        const auto counts = must(w.project->findDataset(bundle.spec().datasetHash)).counts;
        QCOMPARE(counts.trainPairs(), int64_t{6});
        QCOMPARE(counts.devPairs(), int64_t{3});
        QCOMPARE(counts.toString(), std::string("1 ranking (6 pairs) to train on, 1 ranking (3 pairs) held out"));
        // Supervised: the best images, of which two are alike good here.
        request.plugin = "image_sft";
        const auto sft = w.bundle(must(startTrain(*w.project, *w.supervisor, request)));
        const auto rows = must(readSft(sft.dataPath("train.jsonl")));
        QCOMPARE(rows.size(), size_t{2});
        for (const auto& row : rows) {
            const auto at = std::find(train[0].images.begin(), train[0].images.end(), row.completion) - train[0].images.begin();
            QCOMPARE(train[0].ranks[static_cast<size_t>(at)], 1);
            QVERIFY(os::exists(sft.dataPath(row.completion)));
        }
    }

    void imageModelsAreAddedWithoutATokenizer() {
        World w;
        const std::string from = w.temp.path().toStdString() + "/from";
        const std::string starter = std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter_images/model";
        must(os::copyTree(starter, from));
        must(os::removeTree(from + "/model.safetensors"));
        QVERIFY(!addModel(*w.project, from, "new")); // no weights
        must(os::copyFile(starter + "/model.safetensors", from + "/model.safetensors"));
        QCOMPARE(must(addModel(*w.project, from, "new")), std::string("new"));
        QVERIFY(isImageModelDir(w.project->modelsDir() + "/new"));
        must(os::writeFileAtomic(from + "/config.json", R"({"model_type":"stable"})"));
        QVERIFY(!addModel(*w.project, from, "other"));
    }
};

QTEST_GUILESS_MAIN(TestImageRuns)
#include "tst_image_runs.moc"
