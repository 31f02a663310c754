// SPDX-License-Identifier: Apache-2.0
// Pictures of prompts: whose noise is whose, what is chosen, what an interrupted run leaves and what a playground answers.
#include <set>

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/image.h"
#include "core/learn/images/draw.h"
#include "core/learn/images/image_reward.h"
#include "core/rules/image_taste.h"
#include "core/rules/scene.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

learn::ImageModelConfig imageConfig(learn::Prediction prediction = learn::Prediction::Flow) {
    learn::ImageModelConfig c;
    c.prediction = prediction;
    c.size = 16;
    for (int slot = 0; slot < rules::kSlots; ++slot)
        c.slots.push_back(rules::slotSize(static_cast<rules::Slot>(slot)));
    c.textSize = 8;
    c.width = 8;
    c.deepWidth = 16;
    c.embedding = 16;
    c.heads = 2;
    c.depth = 1;
    return c;
}

/// A folder with a model whose output is not 0, as a fresh one's is. `strength`: how far its predictions reach.
std::string makeImageModel(const std::string& dir, uint64_t seed = 7, double strength = 0.3,
                           learn::Prediction prediction = learn::Prediction::Flow) {
    learn::ImageModel model(imageConfig(prediction));
    model->initialise(seed);
    torch::NoGradGuard noGrad;
    torch::manual_seed(static_cast<int64_t>(seed));
    for (auto& item : model->named_parameters())
        if (item.value().dim() >= 2 && item.value().abs().max().item<float>() == 0)
            item.value().normal_(0, strength);
    must(os::makeDirs(dir));
    must(learn::saveImageModel(model, dir));
    return dir;
}

/// prompts.jsonl with `n` captions, ids p0, p1, ...
std::string scenePrompts(int n, uint64_t seed = 1) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({{"id", "p" + std::to_string(i)}, {"prompt", rules::captionText(rules::drawCaption(seed + static_cast<uint64_t>(i)))},
                        {"split", "train"}, {"kind", "scene"}});
    return jsonLines(rows);
}

} // namespace

class TestGenerateImage : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    int m_count = 0;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    Bundle bundle(const Json& parameters, std::vector<ModelSpec> models = {}, const std::string& prompts = scenePrompts(3)) {
        if (models.empty())
            models = {modelSpec("policy", path("model"))};
        return makeBundle(path("run" + std::to_string(++m_count)), "generate_image", models, parameters, {{"prompts.jsonl", prompts}}, 5);
    }
    static std::vector<Json> candidates(const std::string& dir) {
        std::vector<Json> out;
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kCandidate)
                out.push_back(event.body);
        return out;
    }
    /// "prompt/role/index" -> sha
    static std::map<std::string, std::string> pictures(const std::string& dir) {
        std::map<std::string, std::string> out;
        for (const Json& c : candidates(dir))
            out[c["prompt_id"].get<std::string>() + "/" + c["model"]["role"].get<std::string>() + "/" +
                std::to_string(c["index"].get<int>())] = c["sha256"];
        return out;
    }
    static Outcome succeed(const std::string& dir) {
        auto out = runPlugin(dir);
        if (out.status != PL_OK)
            qWarning("%s", out.message.c_str());
        return out;
    }
    /// Answers of a resident run to requests sent before it starts.
    static std::vector<Json> ask(const std::string& dir, const std::vector<Json>& requests) {
        std::vector<std::string> ids;
        for (const Json& request : requests)
            ids.push_back(must(sendControl(dir, "request", request)));
        const auto out = runPlugin(dir, [](learn::Job& job) { job.startControlThread(); });
        if (out.status != PL_OK)
            qFatal("%s", out.message.c_str());
        std::vector<Json> answers(ids.size());
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            for (size_t i = 0; event.type == event::kAck && i < ids.size(); ++i)
                if (event.body["id"] == ids[i])
                    answers[i] = event.body;
        return answers;
    }
    Bundle residentBundle(const Json& parameters, const std::vector<ModelSpec>& models) {
        auto made = bundle(parameters, models);
        auto spec = must(readJsonFile(made.dir() + "/run.json"));
        spec["resident"] = true;
        writeFile(made.dir() + "/run.json", dumpJson(spec));
        return must(Bundle::open(made.dir()));
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeImageModel(path("model"), 7);
        makeImageModel(path("other"), 8);
    }

    void writesCandidatesWithTheirPictures() {
        const auto dir = bundle({{"n", 3}, {"steps", 4}}).dir();
        QCOMPARE(succeed(dir).status, static_cast<int>(PL_OK));
        const auto all = candidates(dir);
        QCOMPARE(all.size(), size_t{9});
        std::set<std::string> shas;
        for (const Json& c : all) {
            QVERIFY(c["kind"] == "image" && !c.contains("content") && !c.contains("tokens"));
            const std::string sha = c["sha256"], file = c["image"];
            QVERIFY(file == "samples/" + sha + ".png");
            const auto bytes = must(os::readFile(dir + "/" + file));
            QVERIFY(sha256Hex(bytes) == sha);
            const auto image = must(decodePng(bytes, file));
            QVERIFY(image.width == 16 && image.height == 16 && c["width"] == 16 && c["height"] == 16);
            QVERIFY(c["model"]["role"] == "policy" && c["model"]["hash"].get<std::string>().size() == 64);
            QVERIFY(c["seed"] == 5);
            QVERIFY(c["prompt"].get<std::string>().size() > 3);
            const Json& params = c["params"];
            QVERIFY(params["steps"] == 4 && params["guidance"] == 2.0 && params["sampler"] == "flow_ode" && params["noise_level"] == 0);
            QVERIFY(params["draw"] == c["index"] && params["best_of"] == 1 && !params.contains("reward"));
            shas.insert(sha);
        }
        QCOMPARE(shas.size(), size_t{9});
        // Nothing about the model is in the file: equal pixels are one file.
        QVERIFY(must(textOfPng(must(os::readFile(dir + "/" + all[0]["image"].get<std::string>())), "it")).empty());
        // What it takes was said before the first picture.
        const double flops = metric(dir, "flops_per_image").at(0);
        const double step = imageConfig().forwardFlops();
        QCOMPARE(flops, 4 * 2 * step); // both halves of guidance
        QVERIFY(metric(dir, "seconds_per_image").at(0) > 0);
        QCOMPARE(metric(dir, "num_images").at(9), 9.0);
        // Nine pictures and the measuring: three steps of six.
        QCOMPARE(metric(dir, "total_flos").at(9), 9 * flops + 3 * 9 * 2 * step);
    }

    void equalPromptsAndSeedsBeginAtEqualNoise() {
        // The same model twice draws the same pictures, another model other ones.
        const auto dir = bundle({{"steps", 3}}, {modelSpec("policy", path("model")), modelSpec("policy_2", path("model")),
                                                 modelSpec("policy_3", path("other"))}).dir();
        QCOMPARE(succeed(dir).status, static_cast<int>(PL_OK));
        auto all = pictures(dir);
        QCOMPARE(all.size(), size_t{18});
        for (const char* id : {"p0", "p1", "p2"})
            for (const char* index : {"0", "1"}) {
                const std::string prompt = id;
                QVERIFY(all[prompt + "/policy/" + index] == all[prompt + "/policy_2/" + index]);
                QVERIFY(all[prompt + "/policy/" + index] != all[prompt + "/policy_3/" + index]);
            }
        // The noise itself: a model that predicts nothing shows it, in another run and with other prompts before it.
        makeImageModel(path("silent"), 3, 0.0);
        makeImageModel(path("silent2"), 4, 0.0);
        const auto one = bundle({{"steps", 3}}, {modelSpec("policy", path("silent"))}, scenePrompts(1)).dir();
        const auto two = bundle({{"steps", 5}, {"batch_size", 2}}, {modelSpec("policy_2", path("silent2")), modelSpec("policy", path("silent"))},
                                scenePrompts(3)).dir();
        QCOMPARE(succeed(one).status, static_cast<int>(PL_OK));
        QCOMPARE(succeed(two).status, static_cast<int>(PL_OK));
        QVERIFY(pictures(one)["p0/policy/1"] == pictures(two)["p0/policy_2/1"]);
        QVERIFY(pictures(one)["p0/policy/1"] == pictures(two)["p0/policy/1"]);
        QVERIFY(pictures(one)["p0/policy/0"] != pictures(two)["p1/policy/0"]);
    }

    void anInterruptedRunGoesOnWithoutRepeats() {
        const Json parameters{{"steps", 3}, {"n", 2}, {"batch_size", 4}}; // two prompts at a time
        const auto whole = bundle(parameters, {}, scenePrompts(6)).dir(), cut = bundle(parameters, {}, scenePrompts(6)).dir();
        QCOMPARE(succeed(whole).status, static_cast<int>(PL_OK));
        QCOMPARE(succeed(cut).status, static_cast<int>(PL_OK));
        QVERIFY(pictures(whole) == pictures(cut));
        // What a kill in the middle of the second batch leaves, with one file lost and one torn by the power cut.
        std::string kept;
        int seen = 0;
        const auto text = must(os::readFile(cut + "/events.jsonl"));
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line) && seen < 5;) {
            kept += line + "\n";
            seen += line.find("\"candidate\"") != std::string::npos;
        }
        writeFile(cut + "/events.jsonl", kept);
        const auto before = candidates(cut);
        QCOMPARE(before.size(), size_t{5});
        must(os::removeTree(cut + "/" + before[1]["image"].get<std::string>()));
        writeFile(cut + "/" + before[2]["image"].get<std::string>(), "half a picture");
        QCOMPARE(succeed(cut).status, static_cast<int>(PL_OK));
        QVERIFY(pictures(whole) == pictures(cut));
        QCOMPARE(candidates(cut).size(), size_t{12 + 2}); // the two whose files were gone are said again
        for (const Json& c : candidates(cut))
            QVERIFY(must(sha256File(cut + "/" + c["image"].get<std::string>())) == c["sha256"].get<std::string>());
        QCOMPARE(succeed(cut).status, static_cast<int>(PL_OK)); // nothing is left to do
        QCOMPARE(candidates(cut).size(), size_t{14});
    }

    void aStoppedRunStops() {
        const auto dir = bundle({{"steps", 3}}).dir();
        must(sendControl(dir, "stop"));
        const auto out = runPlugin(dir, [](learn::Job& job) {
            job.startControlThread();
            for (int i = 0; i < 100 && !job.mustLeave(); ++i)
                QTest::qWait(20);
        });
        QCOMPARE(out.status, static_cast<int>(PL_STOPPED));
        QVERIFY(candidates(dir).empty());
        QCOMPARE(succeed(dir).status, static_cast<int>(PL_OK));
        QCOMPARE(candidates(dir).size(), size_t{6});
    }

    void theBestOfManyAreKept() {
        // All six are drawn and scored in one run, the two best of the same six are kept in the other.
        const auto all = bundle({{"steps", 3}, {"n", 6}, {"taste", "warm"}}).dir();
        const auto best = bundle({{"steps", 3}, {"n", 2}, {"best_of", 6}, {"taste", "warm"}}).dir();
        QCOMPARE(succeed(all).status, static_cast<int>(PL_OK));
        QCOMPARE(succeed(best).status, static_cast<int>(PL_OK));
        std::map<std::string, std::vector<std::pair<double, std::string>>> drawn;
        const auto taste = must(rules::imageTasteByName("warm"));
        for (const Json& c : candidates(all)) {
            const auto image = must(readPng(all + "/" + c["image"].get<std::string>()));
            const double reward = c["params"]["reward"];
            QCOMPARE(reward, rules::score(taste, c["prompt"].get<std::string>(), image));
            drawn[c["prompt_id"]].emplace_back(-reward, c["sha256"]);
        }
        QCOMPARE(drawn.size(), size_t{3});
        for (auto& [id, scored] : drawn) {
            std::sort(scored.begin(), scored.end());
            QVERIFY(pictures(best)[id + "/policy/0"] == scored[0].second);
            QVERIFY(pictures(best)[id + "/policy/1"] == scored[1].second);
        }
        for (const Json& c : candidates(best)) {
            QVERIFY(c["params"]["best_of"] == 6 && c["params"]["judge"]["taste"] == "warm");
            QVERIFY(c["params"]["draw"].get<int>() >= 0 && c["params"]["draw"].get<int>() < 6);
        }
        QVERIFY(metric(best, "reward/kept").rbegin()->second > metric(best, "reward/drawn").rbegin()->second);
        QCOMPARE(metric(best, "reward/drawn").rbegin()->second, metric(all, "reward/drawn").rbegin()->second);
        QCOMPARE(metric(best, "num_images").rbegin()->second, 18.0);
    }

    void aRewardModelChooses() {
        auto config = learn::ImageRewardConfig::forScenes(16);
        config.channels = {8, 8, 8};
        learn::ImageReward model(config);
        model->initialise(4);
        {
            torch::NoGradGuard noGrad; // a fresh one likes everything alike
            torch::manual_seed(2);
            for (auto& parameter : model->parameters())
                if (parameter.dim() >= 2 && parameter.abs().max().item<float>() == 0)
                    parameter.normal_(0, 1);
        }
        must(os::makeDirs(path("judge")));
        must(learn::saveImageReward(model, path("judge")));
        const auto dir = bundle({{"steps", 3}, {"n", 1}, {"best_of", 5}}, {modelSpec("policy", path("model")), modelSpec("judge", path("judge"))}).dir();
        QCOMPARE(succeed(dir).status, static_cast<int>(PL_OK));
        const auto kept = candidates(dir);
        QCOMPARE(kept.size(), size_t{3});
        for (const Json& c : kept) {
            QVERIFY(c["params"]["judge"]["reward_model"]["role"] == "judge");
            QVERIFY(std::isfinite(c["params"]["reward"].get<double>()));
        }
        QVERIFY(metric(dir, "reward/kept").rbegin()->second > metric(dir, "reward/drawn").rbegin()->second);
        // A generator is no judge.
        const auto wrong = runPlugin(bundle({{"n", 1}, {"best_of", 5}}, {modelSpec("policy", path("model")), modelSpec("judge", path("other"))}).dir());
        QVERIFY(wrong.status != PL_OK);
    }

    void residentJobAnswersAndTellsWhatItCosts() {
        const auto dir = residentBundle({{"idle_s", 1}}, {modelSpec("policy", path("model")), modelSpec("policy_2", path("other"))}).dir();
        const Json good{{"prompt", "two red circles"}, {"n", 2}, {"steps", 3}, {"seed", 9}, {"models", {"policy_2"}}};
        Json chosen = good;
        chosen["best_of"] = 4;
        chosen["taste"] = "light";
        Json judgeless = good;
        judgeless["best_of"] = 4;
        const auto answers = ask(dir, {good, good, chosen, judgeless, {{"probe", true}, {"steps", 10}, {"guidance", 1}, {"n", 2}},
                                       {{"prompt", "a star"}, {"models", {"judge"}}}, {{"prompt", ""}}, {{"prompt", "a star"}, {"n", 65}}});
        QVERIFY(answers[0]["ok"].get<bool>());
        const Json candidates = answers[0]["payload"]["candidates"];
        QCOMPARE(candidates.size(), size_t{2});
        QVERIFY(candidates[0]["model"]["role"] == "policy_2" && candidates[0]["seed"] == 9 && candidates[0]["params"]["steps"] == 3);
        QVERIFY(candidates[0]["sha256"] != candidates[1]["sha256"]);
        QVERIFY(os::exists(dir + "/" + candidates[0]["image"].get<std::string>()));
        QVERIFY(candidates == answers[1]["payload"]["candidates"]);
        QVERIFY(answers[2]["ok"].get<bool>());
        const Json best = answers[2]["payload"]["candidates"];
        QCOMPARE(best.size(), size_t{2});
        QVERIFY(best[0]["params"]["reward"].get<double>() >= best[1]["params"]["reward"].get<double>());
        QVERIFY(!answers[3]["ok"].get<bool>() && answers[3]["text"].get<std::string>().find("judges") != std::string::npos);
        QVERIFY(answers[4]["ok"].get<bool>());
        const Json cost = answers[4]["payload"];
        QVERIFY(cost["seconds_per_image"].get<double>() > 0);
        QCOMPARE(cost["flops_per_image"].get<double>(), 10 * imageConfig().forwardFlops()); // no guidance: one half
        QVERIFY(cost["images_per_prompt"] == 4 && cost["models"].contains("policy") && cost["models"].contains("policy_2"));
        QVERIFY(!answers[5]["ok"].get<bool>() && answers[5]["text"].get<std::string>().find("judge") != std::string::npos);
        QVERIFY(!answers[6]["ok"].get<bool>() && !answers[7]["ok"].get<bool>());
    }

    void unknownWordsAreSaid() {
        const auto alerts = [](const std::string& dir) { return count(dir, event::kAlert); };
        const auto odd = bundle({{"steps", 2}}, {}, jsonLines({{{"id", "a"}, {"prompt", "a melancholy red circle"}, {"split", "train"}}})).dir();
        QCOMPARE(succeed(odd).status, static_cast<int>(PL_OK));
        QCOMPARE(alerts(odd), size_t{1});
        QCOMPARE(candidates(odd).size(), size_t{2});
        const auto plain = bundle({{"steps", 2}}).dir();
        QCOMPARE(succeed(plain).status, static_cast<int>(PL_OK));
        QCOMPARE(alerts(plain), size_t{0});
    }

    void refusesBadRuns_data() {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("says");
        QTest::newRow("nobody judges") << "judge" << "judges";
        QTest::newRow("more kept than drawn") << "few" << "best of 3";
        QTest::newRow("two judges") << "both" << "would choose";
        QTest::newRow("unknown taste") << "taste" << "gloomy";
        QTest::newRow("role nobody knows") << "role" << "policy_9";
        QTest::newRow("a sampler of discrete models") << "ddim" << "ddim";
        QTest::newRow("noise that cps cannot have") << "noise" << "noise level";
        QTest::newRow("no prompts") << "empty" << "no prompts";
        QTest::newRow("one id twice") << "twice" << "twice";
        QTest::newRow("a text model") << "text" << "image generator";
    }
    void refusesBadRuns() {
        QFETCH(QString, what);
        QFETCH(QString, says);
        Json parameters{{"steps", 2}};
        std::vector<ModelSpec> models{modelSpec("policy", path("model"))};
        std::string prompts = scenePrompts(2);
        if (what == "judge")
            parameters["best_of"] = 4;
        if (what == "few")
            parameters = {{"n", 4}, {"best_of", 3}, {"taste", "warm"}};
        if (what == "both") {
            parameters["taste"] = "warm";
            models.push_back(modelSpec("judge", path("model")));
        }
        if (what == "taste")
            parameters["taste"] = "gloomy";
        if (what == "role")
            models.push_back(modelSpec("policy_9", path("model")));
        if (what == "ddim")
            parameters["sampler"] = "ddim";
        if (what == "noise")
            parameters = {{"sampler", "cps"}, {"noise_level", 2}};
        if (what == "empty")
            prompts.clear();
        if (what == "twice")
            prompts = scenePrompts(1) + scenePrompts(1);
        if (what == "text")
            models = {modelSpec("policy", makeModel(path("text" + std::to_string(m_count))))};
        const auto dir = bundle(parameters, models, prompts).dir();
        const auto out = runPlugin(dir);
        QVERIFY(out.status != PL_OK);
        QVERIFY2(QString::fromStdString(out.message).contains(says), out.message.c_str());
        QVERIFY(candidates(dir).empty());
    }

    void samplersDrawDifferentPictures() {
        std::set<std::string> shas;
        for (const char* sampler : {"auto", "flow_ode", "flow_sde", "cps", "dance_sde"}) {
            const auto dir = bundle({{"steps", 4}, {"sampler", sampler}}, {}, scenePrompts(1)).dir();
            QCOMPARE(succeed(dir).status, static_cast<int>(PL_OK));
            shas.insert(pictures(dir)["p0/policy/0"]);
        }
        QCOMPARE(shas.size(), size_t{4}); // auto is flow_ode
    }

    void modelsThatPredictNoiseAreDrawnWithDdim() {
        makeImageModel(path("epsilon"), 7, 0.3, learn::Prediction::Epsilon);
        const auto dir = bundle({{"steps", 4}}, {modelSpec("policy", path("epsilon"))}).dir();
        QCOMPARE(succeed(dir).status, static_cast<int>(PL_OK));
        for (const Json& c : candidates(dir))
            QVERIFY(c["params"]["sampler"] == "ddim" && c["params"]["noise_level"] == 0);
        const auto wrong = runPlugin(bundle({{"sampler", "flow_sde"}}, {modelSpec("policy", path("epsilon"))}).dir());
        QVERIFY(wrong.status != PL_OK);
        QVERIFY2(wrong.message.find("Use ddim") != std::string::npos, wrong.message.c_str());
    }

    void theSizeOfABatchChangesNothingOneCouldSee() {
        const auto many = bundle({{"steps", 4}, {"batch_size", 64}}).dir(), few = bundle({{"steps", 4}, {"batch_size", 1}}).dir();
        QCOMPARE(succeed(many).status, static_cast<int>(PL_OK));
        QCOMPARE(succeed(few).status, static_cast<int>(PL_OK));
        const auto a = candidates(many), b = candidates(few);
        QCOMPARE(a.size(), b.size());
        for (size_t i = 0; i < a.size(); ++i) {
            const auto x = must(readPng(many + "/" + a[i]["image"].get<std::string>()));
            const auto y = must(readPng(few + "/" + b[i]["image"].get<std::string>()));
            for (size_t k = 0; k < x.rgb.size(); ++k)
                QVERIFY(std::abs(x.rgb[k] - y.rgb[k]) <= 1); // the last bits of a convolution may round otherwise
        }
    }
};

QTEST_GUILESS_MAIN(TestGenerateImage)
#include "tst_generate_image.moc"
