// SPDX-License-Identifier: Apache-2.0
#include "app/cli/plugin_template.h"

#include <regex>

#include <fmt/format.h>

#include "core/base/os/files.h"

namespace pl::cli {

namespace {

constexpr const char* kManifest = R"TPL({
  "manifest_version": 1, "id": "@NAME@", "version": "0.1.0", "kind": "train",
  "title": "@NAME@",
  "summary": "Fits a logistic reward over three text features to the pairs.",
  "references": [],
  "library": "pairlab_@NAME@", "build_tag": "@PAIRLAB_MANIFEST_BUILD_TAG@",
  "needs": {"data": ["pairs"], "modalities": ["text"], "models": []},
  "metrics": [
    {"name": "loss", "label": "Loss", "better": "lower", "group": "Training"},
    {"name": "accuracy", "label": "Ranking accuracy", "better": "higher", "group": "Preference"},
    {"name": "eval_accuracy", "label": "Held-out ranking accuracy", "better": "higher", "group": "Preference"}
  ],
  "parameters": {
    "groups": ["Basics"],
    "properties": {
      "steps": {"type": "integer", "default": 100, "min": 1, "max": 1000000, "group": "Basics", "basic": true,
                "label": "Steps", "help": "Passes over all pairs."},
      "learning_rate": {"type": "number", "default": 0.1, "min": 1e-6, "max": 10, "scale": "log", "group": "Basics",
                        "basic": true, "label": "Learning rate", "help": "Of plain gradient descent."}
    }
  }
}
)TPL";

constexpr const char* kSource = R"TPL(// SPDX-License-Identifier: Apache-2.0
// @NAME@: reads top to bottom like a recipe: prepare, loop, log.
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/learn/host/job.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/weights/safetensors.h"

namespace {

using namespace pl;
using learn::Job;

/// [3]: length in words / 50, exclamation marks, commas. Replace by what your method looks at.
torch::Tensor features(const std::string& text) {
    const float words = 1.0f + static_cast<float>(std::count(text.begin(), text.end(), ' '));
    const float shouts = static_cast<float>(std::count(text.begin(), text.end(), '!'));
    const float commas = static_cast<float>(std::count(text.begin(), text.end(), ','));
    return torch::tensor({words / 50.0f, shouts, commas});
}

/// [pairs, 3]: features of chosen minus rejected.
torch::Tensor differences(const std::vector<PairRow>& pairs) {
    std::vector<torch::Tensor> rows;
    for (const PairRow& pair : pairs)
        rows.push_back(features(pair.chosen) - features(pair.rejected));
    return rows.empty() ? torch::zeros({0, 3}) : torch::stack(rows);
}

double accuracy(const torch::Tensor& margins) {
    return margins.numel() ? (margins > 0).to(torch::kFloat64).mean().item<double>() : NAN;
}

/// Checked before anything is loaded: parameters against each other and the data.
Status validate(Job& job) {
    if (!os::exists(job.bundle().dataPath("train.jsonl")))
        return fail(Code::InvalidInput, "there are no labelled pairs in this run's data", "Label some pairs first.");
    return {};
}

Status run(Job& job) {
    // Prepare.
    const int64_t steps = job.parameters().at("steps").get<int64_t>();
    const double rate = job.parameters().at("learning_rate").get<double>();
    PL_TRY(const auto train, readPairs(job.bundle().dataPath("train.jsonl")));
    std::vector<PairRow> dev;
    if (os::exists(job.bundle().dataPath("dev.jsonl"))) {
        PL_TRY(dev, readPairs(job.bundle().dataPath("dev.jsonl")));
    }
    const torch::Tensor x = differences(train), held = differences(dev);
    torch::Tensor weight = torch::zeros({3}, torch::requires_grad());

    // Loop. The loss is Bradley-Terry: -log sigmoid(margin), a mean over pairs.
    for (int64_t step = 1; step <= steps && !job.mustLeave(); ++step) {
        const torch::Tensor margins = torch::mv(x, weight);
        const torch::Tensor loss = -torch::log_sigmoid(margins).mean();
        loss.backward();
        {
            torch::NoGradGuard off;
            weight -= rate * weight.grad();
            weight.mutable_grad().zero_();
        }
        // Log.
        torch::NoGradGuard off;
        PL_CHECK(job.events().metrics(step, static_cast<double>(step), 0,
                                      {{"loss", loss.item<double>()},
                                       {"accuracy", accuracy(margins)},
                                       {"eval_accuracy", accuracy(torch::mv(held, weight))}}));
        job.progress(step, steps);
    }

    // Keep.
    const std::string dir = os::joinPath(job.bundle().checkpointsDir(), "step-" + fmt::format("{:06d}", steps));
    PL_CHECK(os::makeDirs(dir));
    PL_CHECK(learn::writeSafetensors(os::joinPath(dir, "weights.safetensors"), {{"weight", weight.detach()}}));
    return writeDone(dir, steps, Json::object());
}

} // namespace

PAIRLAB_PLUGIN("@NAME@", "0.1.0", validate, run)
)TPL";

constexpr const char* kCMake = R"TPL(# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.22)
project(pairlab_@NAME@ LANGUAGES CXX)
find_package(PairLabPlugin REQUIRED)   # -DPairLabPlugin_DIR=<PairLab build>/lib/pairlab
pairlab_plugin(@NAME@ SOURCES @NAME@.cpp)
enable_testing()
add_test(NAME describe COMMAND ${PAIRLAB_WORKER} describe ${CMAKE_CURRENT_BINARY_DIR}/@NAME@)
)TPL";

constexpr const char* kReadme = R"TPL(# @NAME@

A PairLab plugin. `manifest.json` describes it (the desk reads only that), `@NAME@.cpp` is the method.

    pairlab-cli plugins rebuild .            # builds build/@NAME@ against the installed PairLab and runs its test
    PAIRLAB_PLUGIN_PATH=$PWD/build pairlab-cli train PROJECT --plugin @NAME@ --wait
)TPL";

std::string filled(std::string text, const std::string& name) {
    const std::string mark = "@NAME@";
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + name.size()))
        text.replace(at, mark.size(), name);
    return text;
}

} // namespace

Status writePluginTemplate(const std::string& dir, const std::string& name) {
    static const std::regex allowed("[a-z][a-z0-9_]{1,40}");
    if (!std::regex_match(name, allowed))
        return fail(Code::InvalidInput, fmt::format("'{}' cannot be a plugin's name", name),
                    "Use lower-case letters, digits and underscores, beginning with a letter.");
    if (os::exists(dir))
        return fail(Code::InvalidInput, fmt::format("{} exists already", dir), "Choose another name or remove it.");
    PL_CHECK(os::makeDirs(dir));
    PL_CHECK(os::writeFileAtomic(os::joinPath(dir, "manifest.json"), filled(kManifest, name)));
    PL_CHECK(os::writeFileAtomic(os::joinPath(dir, name + ".cpp"), filled(kSource, name)));
    PL_CHECK(os::writeFileAtomic(os::joinPath(dir, "CMakeLists.txt"), filled(kCMake, name)));
    PL_CHECK(os::writeFileAtomic(os::joinPath(dir, "README.md"), filled(kReadme, name)));
    return {};
}

} // namespace pl::cli
