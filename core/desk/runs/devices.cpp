// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/devices.h"

#include <fmt/format.h>

#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"

namespace pl::desk {

namespace {

constexpr int kAskMs = 60000;

/// Without one of these no CUDA program finds a GPU: the driver's on Linux, and that of WSL.
bool hasDriver() {
    return os::exists("/dev/nvidiactl") || os::exists("/dev/dxg");
}

Result<std::vector<Device>> readDevices(const std::string& path) {
    PL_TRY(const Json json, readJsonFile(path));
    return devicesFromJson(json, path);
}

} // namespace

Result<std::vector<Device>> askDevices(const std::string& worker) {
    os::SpawnOptions ask;
    ask.arguments = {worker, "devices"};
    PL_TRY(const auto said, os::runToEnd(ask, kAskMs));
    if (said.status.signalled || said.status.code != 0)
        return fail(Code::Io, fmt::format("{} could not name its devices ({}): {}", worker, said.status.toString(), said.text.substr(0, 300)));
    // The list is the last line: libraries of drivers like to say something before.
    const auto begin = said.text.rfind("{\"devices\"");
    if (begin == std::string::npos)
        return fail(Code::Corrupt, fmt::format("{} named no devices: {}", worker, said.text.substr(0, 300)));
    PL_TRY(const Json json, parseJson(said.text.substr(begin), "the worker's list of devices"));
    return devicesFromJson(json, "the worker's list of devices");
}

Result<std::vector<Device>> findDevices() {
    if (const std::string other = os::environment("PAIRLAB_DEVICES"); !other.empty())
        return readDevices(other);
    if (hasDriver())
        return askDevices(os::joinPath(os::programDir(), "pairlab-worker"));
    return std::vector<Device>{cpuDevice()};
}

std::vector<Device> devicesHere() {
    auto found = findDevices();
    if (found && !found->empty())
        return std::move(*found);
    if (!found)
        log::warn("{}", found.error().toString());
    return {cpuDevice()};
}

} // namespace pl::desk
