// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QTest>

#include <csignal>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"

/// Whole programs, as a person at a shell runs them.
namespace pl::acceptance {

inline std::string program(const char* name) { return std::string(PAIRLAB_BUILD_DIR) + "/bin/" + name; }

struct Ran {
    int code = -1;
    std::string out;
};

inline Ran cli(std::vector<std::string> arguments, int timeoutMs = 900000) {
    os::SpawnOptions spawn;
    spawn.arguments = {program("pairlab-cli")};
    spawn.arguments.insert(spawn.arguments.end(), arguments.begin(), arguments.end());
    auto output = os::runToEnd(spawn, timeoutMs);
    if (!output)
        return {-1, output.error().toString()};
    return {output->status.signalled ? -output->status.code : output->status.code, output->text};
}

/// The JSON object on the last line of what a command printed; fails the test on anything else.
inline Json cliJson(std::vector<std::string> arguments, int timeoutMs = 900000) {
    const Ran ran = cli(arguments, timeoutMs);
    std::string line = ran.out;
    while (!line.empty() && line.back() == '\n')
        line.pop_back();
    if (const auto at = line.rfind('\n'); at != std::string::npos)
        line = line.substr(at + 1);
    auto json = parseJson(line, "output");
    if (ran.code != 0 || !json) {
        qWarning("pairlab-cli %s ended with %d: %s", arguments.front().c_str(), ran.code, ran.out.c_str());
        return Json::object();
    }
    return *json;
}

} // namespace pl::acceptance
