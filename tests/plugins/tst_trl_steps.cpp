// SPDX-License-Identifier: Apache-2.0
// Fifty optimizer steps of TRL's own trainers (tests/golden/trl_steps, made by tests/peers/fixtures), gone again by the plugins
// from the same weights, rows and order. Every loss within 1e-4 and no drift: a wrong rate, mask or denominator shows here.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/training/text_data.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/";
const std::string kSteps = kGolden + "trl_steps/";

Json fixture(const std::string& name) { return must(readJsonFile(kSteps + name + ".json")); }

/// Largest and mean difference of two rows of numbers; `relative`: each divided by its size, or by 0.01 where it is smaller
/// (a step without any gradient is a step of both).
struct Difference {
    double largest = 0, mean = 0;
};
Difference compare(const std::map<int64_t, double>& ours, const Json& theirs, bool relative) {
    Difference out;
    for (size_t i = 0; i < theirs.size(); ++i) {
        const double expected = theirs[i].get<double>();
        const auto at = ours.find(static_cast<int64_t>(i) + 1);
        const double d = at == ours.end() ? INFINITY : (at->second - expected) / (relative ? std::max(std::abs(expected), 0.01) : 1.0);
        out.largest = std::isnan(d) ? INFINITY : std::max(out.largest, std::abs(d));
        out.mean += d / static_cast<double>(theirs.size());
    }
    return out;
}

} // namespace

class TestTrlSteps : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    /// A golden model with the fixtures' tokenizer.
    std::string model(const std::string& name) {
        std::string dir = name;
        std::replace(dir.begin(), dir.end(), '/', '-');
        dir = path(dir);
        if (os::exists(dir))
            return dir;
        must(os::makeDirs(dir));
        for (const char* file : {"config.json", "model.safetensors"})
            writeFile(dir + "/" + file, must(os::readFile(kGolden + name + "/" + file)));
        for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
            writeFile(dir + "/" + file, must(os::readFile(kSteps + file)));
        return dir;
    }

    Json parameters(const Json& f, const Json& its) {
        Json out = {{"steps", f["steps"]},
                    {"learning_rate", f["learning_rate"]},
                    {"schedule", "linear"},
                    {"warmup", f["warmup_steps"].get<double>() / f["steps"].get<double>()},
                    {"adam_beta2", 0.999},
                    {"max_grad_norm", f["max_grad_norm"]},
                    {"weight_decay", 0.0},
                    {"log_every", 1}};
        out.update(its);
        return out;
    }

    /// Are the rows the ids TRL was given, dealt in the order it was given them?
    void checkIds(const Json& f, const std::string& dir) {
        const auto encoder = must(learn::TextEncoder::load(dir));
        for (const Json& pair : f["pairs"]) {
            const auto prompt = pair["prompt"].get<std::string>();
            QCOMPARE(*encoder.promptIds(prompt), pair["prompt_ids"].get<std::vector<int64_t>>());
            for (const char* side : {"chosen", "rejected"}) {
                const auto row = *encoder.row(prompt, pair[side].get<std::string>());
                QCOMPARE(std::vector<int64_t>(row.ids.begin() + row.start, row.ids.end()),
                         pair[std::string(side) + "_ids"].get<std::vector<int64_t>>());
            }
        }
        learn::BatchPlan plan(f["pairs"].size(), f["batch_size"].get<size_t>(), f["seed"].get<uint64_t>());
        for (size_t step = 0; step < f["order"].size(); ++step)
            QVERIFY2(plan.batch(static_cast<int64_t>(step) + 1) == f["order"][step].get<std::vector<size_t>>(),
                     "batches are dealt in another order than when the fixtures were made: run tests/peers/fixtures again");
    }

    static std::string pairRows(const Json& f) {
        std::vector<Json> rows;
        for (const Json& pair : f["pairs"])
            rows.push_back({{"id", std::to_string(rows.size())}, {"prompt", pair["prompt"]}, {"chosen", pair["chosen"]},
                            {"rejected", pair["rejected"]}});
        return jsonLines(rows);
    }

    void holds(const std::string& dir, const Json& expected) {
        const auto loss = compare(metric(dir, "loss"), expected["loss"], false);
        const auto norm = compare(metric(dir, "grad_norm"), expected["grad_norm"], true);
        qInfo("loss: largest difference %.2g, mean %.2g; gradient norm: %.2g, %.2g of it", loss.largest, loss.mean, norm.largest,
              norm.mean);
        QCOMPARE(expected["loss"].size(), size_t{50});
        QVERIFY2(loss.largest < 1e-4, std::to_string(loss.largest).c_str());
        QVERIFY2(std::abs(loss.mean) < 1e-5, std::to_string(loss.mean).c_str());
        QVERIFY2(norm.largest < 1e-3, std::to_string(norm.largest).c_str());
        QVERIFY2(std::abs(norm.mean) < 1e-4, std::to_string(norm.mean).c_str());
    }

    static void addCases(const char* name) {
        QTest::addColumn<int>("index");
        const auto f = fixture(name);
        for (size_t i = 0; i < f["cases"].size(); ++i)
            QTest::newRow(f["cases"][i]["name"].get<std::string>().c_str()) << static_cast<int>(i);
    }

private Q_SLOTS:
    void initTestCase() { torch::set_num_threads(1); }

    void fiftyStepsOfDpoEqualTrl_data() { addCases("dpo"); }
    void fiftyStepsOfDpoEqualTrl() {
        QFETCH(int, index);
        const auto f = fixture("dpo");
        const Json& one = f["cases"][static_cast<size_t>(index)];
        const auto name = "dpo-" + one["name"].get<std::string>();
        const auto policy = model(f["policy"]), reference = model(f["reference"]);
        checkIds(f, policy);
        auto its = one["parameters"];
        its["batch_size"] = f["batch_size"];
        const auto dir = makeBundle(path(name), "dpo", {modelSpec("policy", policy), modelSpec("reference", reference)},
                                    parameters(f, its), {{"train.jsonl", pairRows(f)}}, f["seed"].get<uint64_t>()).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        holds(dir, one);
    }

    void fiftyStepsOfTheRewardModelEqualTrl_data() { addCases("reward"); }
    void fiftyStepsOfTheRewardModelEqualTrl() {
        QFETCH(int, index);
        const auto f = fixture("reward");
        const Json& one = f["cases"][static_cast<size_t>(index)];
        const auto policy = model(f["policy"]);
        checkIds(f, policy);
        auto its = one["parameters"];
        its["batch_size"] = f["batch_size"];
        const auto dir = makeBundle(path("reward-" + one["name"].get<std::string>()), "reward_model", {modelSpec("policy", policy)},
                                    parameters(f, its), {{"train.jsonl", pairRows(f)}}, f["seed"].get<uint64_t>()).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        holds(dir, one);
    }

    void fiftyStepsOfGrpoOnItsRecordedAnswersEqualTrl_data() { addCases("grpo"); }
    void fiftyStepsOfGrpoOnItsRecordedAnswersEqualTrl() {
        QFETCH(int, index);
        const auto f = fixture("grpo");
        const Json& one = f["cases"][static_cast<size_t>(index)];
        const auto policy = model(f["policy"]);
        const auto encoder = must(learn::TextEncoder::load(policy));
        std::vector<Json> prompts, answers;
        for (const Json& prompt : f["prompts"]) {
            QCOMPARE(*encoder.promptIds(prompt["prompt"].get<std::string>()), prompt["ids"].get<std::vector<int64_t>>());
            prompts.push_back({{"id", "q" + std::to_string(prompts.size())}, {"prompt", prompt["prompt"]}, {"split", "train"}});
        }
        for (const Json& row : one["rollouts"])
            answers.push_back({{"prompt_id", "q" + std::to_string(row["prompt"].get<size_t>())}, {"ids", row["ids"]},
                               {"finished", row["finished"]}, {"reward", row["reward"]}});
        auto its = one["parameters"];
        its.update(Json{{"answers", "recorded"},
                        {"num_generations", f["num_generations"]},
                        {"prompts_per_step", f["prompts_per_step"]},
                        {"max_new_tokens", f["max_completion_length"]}});
        const auto dir = makeBundle(path("grpo-" + one["name"].get<std::string>()), "grpo", {modelSpec("policy", policy)}, parameters(f, its),
                                    {{"prompts.jsonl", jsonLines(prompts)}, {"rollouts.jsonl", jsonLines(answers)}}).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        holds(dir, one);
    }
};

QTEST_GUILESS_MAIN(TestTrlSteps)
#include "tst_trl_steps.moc"
