// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "tests/acceptance/cli.h"

/// The loop on a copy of the starter project, as every acceptance test goes round it. Bounds are the tests'
/// own.
namespace pl::acceptance {

constexpr const char* kTaste = "concise";

inline double number(const Json& json, const char* key) {
    return json.contains(key) ? numberOf(json[key], key).value_or(NAN) : NAN;
}

/// 200 test prompts with six answers each, 300 training and 80 dev labels by the taste, 5 % of them flipped.
inline void prepareProject(const std::string& project, int seed) {
    const std::string s = std::to_string(seed);
    QCOMPARE(cli({"new", project, "--starter"}).code, 0);
    // Six answers a prompt: pairs for the reward model's held-out accuracy.
    const Json g =
        cliJson({"generate", project, "--split", "test", "--n", "6", "--seed", s, "--wait", "--json"});
    QCOMPARE(number(g, "candidates"), 1200.0);
    const auto label = [&](const char* split, const char* count) {
        return cliJson({"label", project, "--simulate", kTaste, "--count", count, "--flip", "0.05", "--seed",
                        s, "--split", split, "--json"});
    };
    QCOMPARE(number(label("train", "300"), "labelled"), 300.0);
    QCOMPARE(number(label("dev", "80"), "labelled"), 80.0);
}

/// Trains to the end; returns `train --json`, whose status the caller checks.
inline Json trainRun(const std::string& project, const std::string& plugin, int seed,
                     const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"train",  project, "--plugin", plugin, "--seed", std::to_string(seed),
                                       "--wait", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cliJson(arguments);
}

/// Of a run on the test prompts, judged by the taste without noise.
inline Json evaluateRun(const std::string& project, const Json& trained, int seed, const std::string& taste = kTaste) {
    return cliJson({"evaluate", project, "--model", "run:" + trained.value("run", std::string()), "--judge",
                    taste, "--split", "test", "--seed", std::to_string(seed), "--wait", "--json"});
}

} // namespace pl::acceptance
