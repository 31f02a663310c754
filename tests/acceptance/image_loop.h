// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/rules/image_taste.h"
#include "tests/acceptance/loop.h"

/// The loop on pictures: draw, label by a visible taste with 5 % of the votes flipped, train, measure on held-out prompts under
/// the noiseless rule. On one thread, so that two such tests go side by side.
namespace pl::acceptance {

constexpr const char* kVisibleTaste = "larger";
constexpr int kLabels = 200, kDevLabels = 60;

/// n pictures each of so many prompts of a split, drawn by the start.
inline void draw(const std::string& project, const char* split, int prompts, int n, int seed) {
    const Json g = cliJson({"generate", project, "--split", split, "--limit", std::to_string(prompts), "--n", std::to_string(n),
                            "--seed", std::to_string(seed), "--threads", "1", "--wait", "--json"});
    QCOMPARE(number(g, "candidates"), static_cast<double>(prompts * n));
}

inline void label(const std::string& project, const char* split, int count, int seed, const std::string& taste = kVisibleTaste) {
    const Json l = cliJson({"label", project, "--simulate", taste, "--count", std::to_string(count), "--flip", "0.05",
                            "--seed", std::to_string(seed), "--split", split, "--json"});
    QCOMPARE(number(l, "labelled"), static_cast<double>(count));
}

/// The 200 labels, and a few more to choose the checkpoint by.
inline void prepare(const std::string& project, int seed, const std::string& taste = kVisibleTaste) {
    QCOMPARE(cli({"new", project, "--starter", "images"}).code, 0);
    draw(project, "train", kLabels, 2, seed);
    draw(project, "dev", kDevLabels, 2, seed);
    label(project, "train", kLabels, seed, taste);
    label(project, "dev", kDevLabels, seed, taste);
}

/// Against the start on the first `prompts` test prompts, both from the same noise, judged by the noiseless rule.
inline Json against(const std::string& project, const Json& trained, int seed, int prompts) {
    const Json e = cliJson({"evaluate", project, "--model", "run:" + trained.value("run", std::string()), "--against", "start",
                            "--judge", kVisibleTaste, "--split", "test", "--limit", std::to_string(prompts), "--seed",
                            std::to_string(seed), "--threads", "1", "--wait", "--json"});
    return e.value("result", Json::object());
}

/// Points that the share of prompts obeyed fell by.
inline double fall(const Json& result, const std::string& slot) {
    return 100 * (number(result, ("obedience_against/" + slot).c_str()) - number(result, ("obedience/" + slot).c_str()));
}

inline Json trainOnPictures(const std::string& project, const std::string& plugin, int seed, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--threads", "1"});
    return trainRun(project, plugin, seed, more);
}

} // namespace pl::acceptance
