// SPDX-License-Identifier: Apache-2.0
// Evaluation of image models: the same noise for both, verdicts by a rule or a reward model, what rules see beside them.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/images/image_reward.h"
#include "tests/plugins/tiny_images.h"

using namespace tiny;

class TestEvaluateImages : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    static std::string prompts(int n) {
        std::vector<Json> rows;
        for (int i = 0; i < n; ++i)
            rows.push_back({{"id", "e" + std::to_string(i)},
                            {"prompt", rules::captionText(rules::drawCaption(static_cast<uint64_t>(i + 1)))},
                            {"split", "test"}});
        return jsonLines(rows);
    }

    /// A generator whose output layer adds a colour everywhere: red is warmer than blue.
    std::string tinted(const std::string& name, double red, double blue) {
        const auto dir = makeImageModel(path(name));
        auto model = must(learn::loadImageModel(dir, torch::kCPU)).model;
        torch::NoGradGuard noGrad;
        // Velocity noise - image: to add to the image, take from the velocity. Channels of 2 x 2 patches: 4 of each colour.
        auto bias = model->named_parameters()["denoiser.output.bias"];
        bias.narrow(0, 0, 4).sub_(red);
        bias.narrow(0, 8, 4).sub_(blue);
        must(learn::saveImageModel(model, dir));
        return dir;
    }

    Json result(const std::string& dir) {
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kResult)
                return event.body;
        return Json::object();
    }
    double value(const std::string& dir, const std::string& name) { return must(numberOf(result(dir)["values"][name], name)); }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        tinted("warm", 0.8, -0.8);
        tinted("cold", -0.8, 0.8);
    }

    void theTasteOfTheColourWinsAgainstTheOther() {
        for (const bool turned : {false, true}) {
            const auto dir = path(turned ? "lost" : "won");
            makeBundle(dir, "evaluate", {modelSpec("policy", path(turned ? "cold" : "warm")), modelSpec("against", path(turned ? "warm" : "cold"))},
                       {{"taste", "warm"}, {"sampling_steps", 2}, {"guidance", 1.0}}, {{"prompts.jsonl", prompts(40)}});
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const double rate = value(dir, "eval_win_rate");
            QVERIFY2(turned ? rate < 0.1 : rate > 0.9, std::to_string(rate).c_str());
            QCOMPARE(value(dir, "eval_win_rate_n"), 40.0);
            QVERIFY(value(dir, "eval_win_rate_low") <= rate && rate <= value(dir, "eval_win_rate_high"));
            QVERIFY(turned ? value(dir, "gold_delta_sd") < 0 : value(dir, "gold_delta_sd") > 0);
            QVERIFY(value(dir, "obedience_ceiling/colour") > 0.9); // true drawings
            QVERIFY(value(dir, "obedience/colour") < 0.9);         // noise with a tint
            QVERIFY(value(dir, "diversity") > 0.01);
            QCOMPARE(count(dir, event::kOutcome), size_t{40});
            for (const auto& event : must(readEvents(dir + "/events.jsonl")))
                if (event.type == event::kOutcome)
                    for (const char* side : {"a", "b"})
                        QVERIFY(os::exists(dir + "/" + event.body[side]["image"].get<std::string>()));
        }
    }

    void aModelAgainstItselfIsATieEverywhere() {
        const auto dir = path("self");
        makeBundle(dir, "evaluate", {modelSpec("policy", path("warm")), modelSpec("against", path("warm"))},
                   {{"taste", "warm"}, {"sampling_steps", 2}, {"samples_per_prompt", 2}}, {{"prompts.jsonl", prompts(8)}});
        QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
        QCOMPARE(value(dir, "eval_win_rate"), 0.5);
        QCOMPARE(value(dir, "ties"), 16.0);
        QCOMPARE(value(dir, "gold_delta_sd"), 0.0);
        QCOMPARE(result(dir)["too_few"], Json(true));
    }

    void rulesThatReadPromptsJudgeToo() {
        const auto prompt = [](int i) { return rules::captionText(rules::drawCaption(static_cast<uint64_t>(i + 1))); };
        const auto dir = path("verified");
        makeBundle(dir, "evaluate", {modelSpec("policy", path("warm")), modelSpec("against", path("cold"))},
                   {{"mode", "verifier"}, {"sampling_steps", 2}, {"guidance", 1.0}}, {{"prompts.jsonl", prompts(40)}});
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        double share = 0, ties = 0;
        size_t n = 0;
        for (const auto& event : must(readEvents(dir + "/events.jsonl"))) {
            if (event.type != event::kOutcome)
                continue;
            QCOMPARE(event.body["prompt"], Json(prompt(static_cast<int>(n++))));
            const double a = event.body["score_a"], b = event.body["score_b"];
            QVERIFY(a >= 0 && a <= 1 && b >= 0 && b <= 1); // of what the prompt says
            QCOMPARE(event.body["winner"], Json(a > b ? "a" : a < b ? "b" : "tie"));
            share += a > b ? 1 : a < b ? 0 : 0.5;
            ties += a == b;
        }
        QCOMPARE(n, size_t{40});
        QVERIFY(ties < 40); // or this would say nothing
        QCOMPARE(value(dir, "eval_win_rate"), share / 40);
        QCOMPARE(value(dir, "eval_win_rate_n"), 40.0);
        QCOMPARE(value(dir, "ties"), ties);
        QCOMPARE(result(dir)["judge"]["kind"], Json("verifier"));
        QVERIFY(value(dir, "eval_accuracy") <= 1);
        // Alone it has its figures and no verdicts.
        makeBundle(path("verified-alone"), "evaluate", {modelSpec("policy", path("warm"))},
                   {{"mode", "verifier"}, {"sampling_steps", 2}, {"guidance", 1.0}}, {{"prompts.jsonl", prompts(8)}});
        QCOMPARE(runPlugin(path("verified-alone")).status, static_cast<int>(PL_OK));
        QCOMPARE(count(path("verified-alone"), event::kOutcome), size_t{0});
        QVERIFY(!result(path("verified-alone"))["values"].contains("eval_win_rate"));
    }

    void aRewardModelIsMeasuredAndJudges() {
        ImageFiles files;
        const auto train = redPairs(files, 64, 3), dev = redPairs(files, 40, 4), flipped = redPairs(files, 40, 5, true);
        imageBundle(path("rm"), "image_reward_model", {modelSpec("policy", path("warm"))},
                    {{"steps", 30}, {"batch_size", 16}}, {{"train.jsonl", train}, {"dev.jsonl", dev}}, files);
        QCOMPARE(runPlugin(path("rm")).status, static_cast<int>(PL_OK));
        const auto rm = path("rm") + "/" + newestCheckpoint(path("rm"));
        for (const auto& [name, rows] : {std::pair{"right", dev}, std::pair{"wrong", flipped}}) {
            imageBundle(path(name), "evaluate", {modelSpec("policy", rm)}, {{"mode", "reward_accuracy"}}, {{"pairs.jsonl", rows}}, files);
            const auto out = runPlugin(path(name));
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const double accuracy = value(path(name), "eval_accuracy");
            QVERIFY2(name == std::string("right") ? accuracy > 0.9 : accuracy < 0.1, std::to_string(accuracy).c_str());
            QCOMPARE(value(path(name), "eval_accuracy_n"), 40.0);
        }
        imageBundle(path("judged"), "evaluate",
                    {modelSpec("policy", path("warm")), modelSpec("against", path("cold")), modelSpec("judge", rm)},
                    {{"judge", "reward_model"}, {"taste", "inverse:warm"}, {"sampling_steps", 2}, {"guidance", 1.0}},
                    {{"prompts.jsonl", prompts(32)}, {"judge_pairs.jsonl", dev}}, files);
        const auto out = runPlugin(path("judged"));
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QVERIFY(value(path("judged"), "eval_win_rate") > 0.9);      // the proxy
        QVERIFY(value(path("judged"), "gold_delta_sd") < 0);        // stands beside a gold that says the opposite
        QVERIFY(value(path("judged"), "judge_agreement") > 0.9);
        QVERIFY(value(path("judged"), "reward_mean") > value(path("judged"), "reward_mean_against"));
    }

    void whatIsMissingIsSaid() {
        makeBundle(path("no-taste"), "evaluate", {modelSpec("policy", path("warm"))}, Json::object(), {{"prompts.jsonl", prompts(2)}});
        QVERIFY(runPlugin(path("no-taste")).message.find("needs a taste") != std::string::npos);
        makeBundle(path("text-taste"), "evaluate", {modelSpec("policy", path("warm"))}, {{"taste", "concise"}},
                   {{"prompts.jsonl", prompts(2)}});
        QVERIFY(runPlugin(path("text-taste")).status != PL_OK);
        makeBundle(path("no-judge"), "evaluate", {modelSpec("policy", path("warm"))}, {{"judge", "reward_model"}},
                   {{"prompts.jsonl", prompts(2)}});
        QVERIFY(runPlugin(path("no-judge")).status != PL_OK);
    }
};

QTEST_GUILESS_MAIN(TestEvaluateImages)
#include "tst_evaluate_images.moc"
