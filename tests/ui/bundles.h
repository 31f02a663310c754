// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <QRegularExpression>
#include <QString>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/store/project.h"

/// Models, plugin manifests and run bundles as programs would have left them, written without running
/// anything.
namespace bundles {

using namespace pl;

template<class T>
T check(Result<T> result) {
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}
inline void check(Status status) {
    if (!status)
        qFatal("%s", status.error().toString().c_str());
}

inline void writeModel(const std::string& dir, bool reward = false) {
    check(os::makeDirs(dir));
    const std::string header =
        R"({"model.embed_tokens.weight":{"dtype":"F32","shape":[2048,128],"data_offsets":[0,1048576]}})";
    std::string file(8, '\0');
    file[0] = static_cast<char>(header.size());
    file += header + std::string(1048576, '\0');
    check(os::writeFileAtomic(dir + "/model.safetensors", file));
    check(os::writeFileAtomic(
        dir + "/config.json",
        std::string(R"({"model_type":"llama","num_hidden_layers":4,"hidden_size":128,"vocab_size":2048,"num_attention_heads":4,)") +
            R"("intermediate_size":344,"rms_norm_eps":1e-6,)" +
            R"("max_position_embeddings":256,"architectures":[")" +
            (reward ? "LlamaForSequenceClassification" : "LlamaForCausalLM") + R"("]})"));
    check(os::writeFileAtomic(dir + "/tokenizer.json", "{}"));
    check(os::writeFileAtomic(
        dir + "/README.md",
        "---\nlicense: apache-2.0\n---\n# start\n\nTrained by sft on a corpus a script makes.\n"));
}

/// Of an image generator or, with `reward`, of an image reward model; by headers alone.
inline void writeImageModel(const std::string& dir, bool reward = false) {
    check(os::makeDirs(dir));
    const std::string header = R"({"denoiser.conv.weight":{"dtype":"F32","shape":[512,128],"data_offsets":[0,262144]}})";
    std::string file(8, '\0');
    file[0] = static_cast<char>(header.size());
    file += header + std::string(262144, '\0');
    check(os::writeFileAtomic(dir + "/model.safetensors", file));
    check(os::writeFileAtomic(
        dir + "/config.json",
        reward ? R"({"model_type":"pairlab_image_reward","image_size":32,"features":"conv","channels":[32,64,96],)"
                 R"("slots":[5,4,11,7,8,5,9],"slot_size":32,"hidden":128,)"
                 R"("calibration":{"mean":0.1,"std":1.2,"temperature":1.31,"images":640,"pairs":88}})"
               : R"({"model_type":"pairlab_image_flow","image_size":32,)"
                 R"("text_encoder":{"type":"scene_slots","slots":[5,4,11,7,8,5,9],"size":64},)"
                 R"("denoiser":{"type":"unet","width":64,"deep_width":128,"embedding":128,"heads":4,"depth":2},)"
                 R"("decoder":{"type":"identity"}})"));
    if (!reward)
        check(os::writeFileAtomic(dir + "/card.json", R"({"images":204800,"step":6400,"licence":"Apache-2.0"})"));
}

/// The manifests of this tree, with what the build would fill in.
inline std::string pluginsIn(const std::string& dir) {
    for (const char* id : {"sft", "reward_model", "dpo", "grpo", "generate_text", "evaluate", "image_sft",
                           "image_reward_model", "image_dpo", "image_grpo", "generate_image"}) {
        QString text = QString::fromStdString(
            check(os::readFile(std::string(PAIRLAB_SOURCE_DIR) + "/plugins/" + id + "/manifest.json")));
        text.replace(QStringLiteral("@PAIRLAB_MANIFEST_BUILD_TAG@"), QStringLiteral("test"));
        text.replace(
            QRegularExpression(QStringLiteral("@PAIRLAB_PAIR_LOSSES@")),
            QStringLiteral(
                "\"sigmoid\", \"ipo\", \"hinge\", \"robust\", \"exo_pair\", \"aot\", \"aot_unpaired\""));
        check(os::makeDirs(dir + "/" + id));
        check(os::writeFileAtomic(dir + "/" + id + "/manifest.json", text.toStdString()));
    }
    return dir;
}

/// The runs of a project.
struct Runs {
    std::string dir;        ///< of the project
    desk::Project* project; ///< not owned; open while runs are added
    std::string datasetSha;

    std::string runDir(const std::string& name) const { return dir + "/runs/" + name; }
    /// A bundle; its events are written by `fill`.
    void addRun(const std::string& name, const Json& parameters,
                const std::function<void(EventWriter&)>& fill, std::vector<ModelSpec> models = {},
                const std::string& dataset = {}) {
        RunSpec spec;
        spec.name = name;
        spec.plugin = name.substr(5);
        spec.parameters = parameters;
        spec.models = std::move(models);
        spec.datasetHash = dataset;
        spec.seed = 1;
        spec.createdMs = nowMs() - 7200000 + std::atoll(name.c_str()) * 60000;
        check(os::makeDirs(dir + "/runs"));
        check(Bundle::create(runDir(name), spec));
        auto writer = check(EventWriter::open(runDir(name)));
        desk::RunRow row;
        row.id = std::atoll(name.c_str());
        row.uuid = check(Bundle::open(runDir(name))).spec().uuid;
        row.name = name;
        row.plugin = spec.plugin;
        row.kind = spec.plugin == "evaluate" ? "evaluate" : "train";
        row.createdMs = spec.createdMs;
        row.device = spec.device;
        row.parameters = parameters;
        for (const ModelSpec& model : spec.models)
            row.models.push_back({{"role", model.role}, {"name", model.name}, {"hash", model.hash}, {"path", model.path}});
        check(project->insertRun(row));
        check(writer->write(event::kRunStart, {{"protocol", 1}, {"plugin", spec.plugin}}));
        fill(*writer);
    }
    std::string addCheckpoint(const std::string& name, int64_t step, bool reward = false) {
        const std::string path = fmt::format("checkpoints/step-{:06d}", step);
        if (name.find("-image_") != std::string::npos)
            writeImageModel(runDir(name) + "/" + path, reward);
        else
            writeModel(runDir(name) + "/" + path, reward);
        check(writeDone(runDir(name) + "/" + path, step, {{"best", true}}));
        return path;
    }
    static void end(EventWriter& w, const char* state, const char* reason = "") {
        check(w.write(event::kRunEnd, {{"state", state}, {"reason", reason}}));
    }

    /// What image_dpo logs over a hundred steps. `lesson`: the margin grows while the pictures fall apart.
    static void imageDpo(EventWriter& w, bool lesson, const char* gold = nullptr) {
        for (int s = 0; s <= 100; ++s) {
            const double x = s / 100.0, noise = 0.02 * std::sin(s * 2.3);
            if (s > 0)
                check(w.metrics(s, 2 * x, 0,
                                {{"loss", 0.693 - (lesson ? 0.5 : 0.12) * x + noise},
                                 {"rewards/margins", (lesson ? 5.0 : 0.6) * x + 5 * noise},
                                 {"rewards/accuracies", 0.5 + (lesson ? 0.45 : 0.25) * x},
                                 {"rewards/chosen", lesson ? -6 * x : 0.2 * x},
                                 {"rewards/rejected", lesson ? -11 * x : -0.4 * x},
                                 {"w_diff", (lesson ? 0.05 * x : -0.0008 * x) + 0.05 * noise},
                                 {"l_diff", (lesson ? 0.06 * x : 0.001 * x) + 0.05 * noise},
                                 {"grad_norm", 0.4},
                                 {"learning_rate", 5e-5},
                                 {"images_per_second", 61},
                                 {"num_images", s * 64}}));
            if (s % 10)
                continue;
            std::map<std::string, double> held{{"eval_rewards/accuracies", 0.5 + (lesson ? 0.36 : 0.22) * x},
                                               {"eval_rewards/accuracies_low", 0.38 + 0.3 * x},
                                               {"eval_rewards/accuracies_high", 0.62 + (lesson ? 0.3 : 0.2) * x},
                                               {"eval_rewards/accuracies_n", 60},
                                               {"eval_rewards/margins", (lesson ? 3.8 : 0.45) * x},
                                               {"eval_loss", 0.693 - (lesson ? 0.3 : 0.08) * x},
                                               {"eval_w_diff", lesson ? 0.052 * x * x : -0.0007 * x},
                                               {"eval_l_diff", lesson ? 0.061 * x * x : 0.0009 * x},
                                               {"eval_obedience/colour", lesson ? 1 - 0.55 * x * x : 1 - 0.02 * x},
                                               {"eval_obedience/background", lesson ? 1 - 0.2 * x * x : 1},
                                               {"eval_obedience/shape", lesson ? 0.97 - 0.6 * x * x : 0.97},
                                               {"eval_obedience/count", lesson ? 0.76 - 0.4 * x * x : 0.76 - 0.03 * x},
                                               {"eval_diversity", 0.24 - (lesson ? 0.1 : 0.01) * x}};
            if (gold)
                held[std::string("eval_gold/") + gold] = (lesson ? 1.6 * x - 2 * x * x : 0.8 * x) - 7.3;
            check(w.metrics(s, 2 * x, 0, held));
        }
        check(w.write(event::kProgress, {{"step", 100}, {"of", 100}}));
        end(w, "finished");
    }

    /// The same for images: a reward model, training that went well, the lesson in reward hacking, best of 8.
    void addImages() {
        writeImageModel(dir + "/models/start");
        const ModelSpec start{"policy", dir + "/models/start", std::string(64, '0'), "start"};
        addRun(
            "0001-image_reward_model", {{"epochs", 12}},
            [&](EventWriter& w) {
                for (int s = 0; s <= 60; s += 2) {
                    const double x = s / 60.0;
                    check(w.metrics(s, x, 0,
                                    {{"loss", 0.69 - 0.3 * x + 0.03 * std::sin(s)},
                                     {"accuracy", 0.5 + 0.38 * x},
                                     {"margin", 1.8 * x},
                                     {"mean_reward", 0.1 * x},
                                     {"min_reward", -2.1 * x},
                                     {"max_reward", 2.4 * x},
                                     {"grad_norm", 1 - 0.5 * x},
                                     {"learning_rate", 0.002 * (1 - x)},
                                     {"images_per_second", 900},
                                     {"num_images", s * 64}}));
                    if (s % 12 == 0)
                        check(w.metrics(s, x, 0,
                                        {{"eval_accuracy", 0.5 + 0.33 * x},
                                         {"eval_accuracy_low", 0.4 + 0.33 * x},
                                         {"eval_accuracy_high", 0.6 + 0.3 * x},
                                         {"eval_accuracy_n", 88},
                                         {"eval_loss", 0.69 - 0.22 * x},
                                         {"eval_margin", 1.5 * x},
                                         {"eval_temperature", 1.31}}));
                }
                check(w.write(event::kProgress, {{"step", 60}, {"of", 60}}));
                end(w, "finished");
            },
            {start}, datasetSha);
        addCheckpoint("0001-image_reward_model", 60, true);
        addRun("0002-image_dpo", {{"beta", 3000}}, [](EventWriter& w) { imageDpo(w, false); }, {start}, datasetSha);
        addCheckpoint("0002-image_dpo", 100);
        addRun("0003-image_dpo", {{"preset", "over_optimise"}, {"watch_taste", "larger"}},
               [](EventWriter& w) { imageDpo(w, true, "larger"); }, {start}, datasetSha);
        addCheckpoint("0003-image_dpo", 100);
    }

    /// Runs of every kind and ending.
    void addUsual() {
        writeModel(dir + "/models/start");
        const ModelSpec start{"policy", dir + "/models/start", std::string(64, '0'), "start"};
        addRun(
            "0001-reward_model", {{"steps", 200}, {"learning_rate", 0.001}},
            [&](EventWriter& w) {
                for (int s = 0; s <= 200; s += 4) {
                    const double x = s / 200.0;
                    check(w.metrics(s, x, s * 900,
                                    {{"loss", 0.69 - 0.45 * x + 0.04 * std::sin(s)},
                                     {"grad_norm", 1.2 + 0.3 * std::cos(s)},
                                     {"accuracy", 0.5 + 0.42 * x + 0.05 * std::sin(s * 2)},
                                     {"margin", 2.2 * x},
                                     {"tokens_per_second", 21000 + 400 * std::sin(s)},
                                     {"num_tokens", s * 900}}));
                    if (s % 20 == 0)
                        check(w.metrics(s, x, s * 900,
                                        {{"eval_accuracy", 0.52 + 0.3 * x},
                                         {"eval_accuracy_low", 0.45 + 0.31 * x},
                                         {"eval_accuracy_high", 0.59 + 0.28 * x},
                                         {"eval_accuracy_n", 212},
                                         {"eval_loss", 0.7 - 0.3 * x},
                                         {"eval_margin", 1.9 * x}}));
                }
                check(w.metrics(0, 0, 0, {{"eval_length_baseline", 0.61}}));
                check(w.write(event::kProgress, {{"step", 200}, {"of", 200}}));
                end(w, "finished");
            },
            {start}, datasetSha);
        addCheckpoint("0001-reward_model", 200, true);
        addRun(
            "0002-dpo", {{"steps", 300}, {"beta", 0.05}},
            [&](EventWriter& w) {
                for (int s = 0; s <= 300; s += 2) {
                    const double x = s / 300.0;
                    check(w.metrics(s, 3 * x, s * 1800,
                                    {{"loss", s == 180 ? NAN : 0.693 - 0.35 * x + 0.05 * std::sin(s * 1.7)},
                                     {"grad_norm", 0.8 + 0.2 * std::sin(s)},
                                     {"rewards/chosen", 0.7 * x - 0.3 * x * x},
                                     {"rewards/rejected", -1.6 * x},
                                     {"rewards/margins", 2.1 * x + 0.1 * std::sin(s)},
                                     {"rewards/accuracies", 0.5 + 0.4 * x},
                                     {"logps/chosen", -40 - 3 * x},
                                     {"logps/rejected", -41 - 9 * x},
                                     {"entropy", 2.2 - 0.4 * x},
                                     {"tokens_per_second", 18000},
                                     {"num_tokens", s * 1800}}));
                    if (s % 30 == 0) {
                        check(w.metrics(s, 3 * x, s * 1800,
                                        {{"eval_rewards/accuracies", 0.5 + 0.26 * x},
                                         {"eval_rewards/accuracies_low", 0.43 + 0.27 * x},
                                         {"eval_rewards/accuracies_high", 0.57 + 0.24 * x},
                                         {"eval_rewards/accuracies_n", 212},
                                         {"eval_rewards/margins", 1.5 * x},
                                         {"eval_rewards/chosen", 0.3 * x},
                                         {"eval_rewards/rejected", -1.2 * x},
                                         {"eval_loss", 0.69 - 0.2 * x}}));
                        for (int p = 0; p < 4; ++p)
                            check(w.write(
                                event::kSample,
                                {{"step", s},
                                 {"prompt_id", "p" + std::to_string(p)},
                                 {"prompt", p == 0
                                                ? "How do I keep basil alive on a north facing window sill?"
                                                : "Write two lines about rain, request " + std::to_string(p)},
                                 {"response",
                                  (s < 150
                                       ? std::string("Well, there are many things one could say about this "
                                                     "and it is worth taking the time to go through all of "
                                                     "them one by one.\n\n- water\n- light\n- warmth\n")
                                       : std::string("Water it when the top of the soil is dry. ")) +
                                      (p == 1 ? "Always the same." : "Step " + std::to_string(s))},
                                 {"tokens", 60 - s / 10 + p},
                                 {"finished", !(s == 0 && p == 2)},
                                 {"reward", 0.1 * p + x}}));
                    }
                }
                check(w.metrics(0, 0, 0, {{"eval_length_baseline", 0.61}}));
                check(w.write(event::kAlert, {{"step", 180},
                                              {"level", "error"},
                                              {"name", "non_finite"},
                                              {"text", "The loss is not a number."}}));
                check(w.write(event::kProgress, {{"step", 300}, {"of", 300}}));
                end(w, "finished");
            },
            {start}, datasetSha);
        addCheckpoint("0002-dpo", 300);
        addRun("0003-evaluate", {{"mode", "win_rate"}, {"taste", "concise"}},
               [&](EventWriter& w) {
                   check(w.write(
                       event::kResult,
                       {{"values",
                         {{"eval_win_rate", 0.71},
                          {"eval_win_rate_low", 0.643},
                          {"eval_win_rate_high", 0.769},
                          {"eval_win_rate_n", 200}}},
                        {"judge", {{"name", "concise"}, {"kind", "rule"}, {"saw_same_labels", "no"}}}}));
                   check(w.write(event::kProgress, {{"step", 200}, {"of", 200}}));
                   end(w, "finished");
               },
               {{"policy", runDir("0002-dpo") + "/checkpoints/step-000300", std::string(64, '1'),
                 "0002-dpo step 300"},
                {"against", dir + "/models/start", std::string(64, '0'), "start"}});
        addRun(
            "0004-dpo", {{"steps", 900}, {"learning_rate", 0.01}},
            [&](EventWriter& w) {
                for (int s = 0; s <= 140; s += 2)
                    check(w.metrics(s, 0, s * 1800,
                                    {{"loss", s < 120 ? 0.69 : NAN}, {"rewards/margins", 0.2}}));
                check(w.write(event::kCheckpoint, {{"step", 100},
                                                   {"path", "checkpoints/step-000100"},
                                                   {"best", false},
                                                   {"reason", "every"}}));
                check(w.write(event::kAlert, {{"step", 122},
                                              {"level", "error"},
                                              {"name", "diverged"},
                                              {"text", "The loss is not a number."}}));
                end(w, "failed", "The loss is not a number since step 122.");
            },
            {start}, datasetSha);
        addCheckpoint("0004-dpo", 100);
        check(os::writeFileAtomic(
            runDir("0004-dpo") + "/worker.log",
            "12:00:01 info step 120\n12:00:02 error loss nan\n12:00:02 error leaving with code 13\n"));
        addRun("0005-grpo", {{"steps", 50}, {"beta", 0.02}},
               [&](EventWriter& w) {
                   for (int s = 1; s <= 30; ++s)
                       check(w.metrics(s, 0, s * 4000,
                                       {{"loss", 0.01 * std::sin(s)},
                                        {"reward", 0.1 * s},
                                        {"kl", 0.002 * s},
                                        {"entropy", 2.0 - 0.01 * s},
                                        {"completions/mean_length", 40 + s},
                                        {"completions/clipped_ratio", 0.02 * (s % 4)},
                                        {"grad_norm", 0.4}}));
                   check(w.write(event::kProgress, {{"step", 30}, {"of", 50}}));
                   end(w, "stopped", "asked");
               },
               {start});
        addCheckpoint("0005-grpo", 30);
    }
};

} // namespace bundles
