// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/run_erasure.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"

namespace pl::desk {

namespace {

constexpr const char* kFile = "erased.json";
constexpr uint64_t kMostBytes = uint64_t{16} << 20;

std::string counted(int64_t n, const char* one, const char* several) {
    return fmt::format("{} {}", n, n == 1 ? one : several);
}

Result<Json> read(const std::string& bundleDir) {
    const std::string path = os::joinPath(bundleDir, kFile);
    if (!os::exists(path))
        return Json{{"v", 1}, {"erased", Json::array()}};
    PL_TRY(const std::string text, os::readFile(path, kMostBytes));
    PL_TRY(Json json, parseJson(text, path));
    if (!json.is_object() || json.value("v", Json()) != 1 || !json.contains("erased") || !json["erased"].is_array())
        return fail(Code::Corrupt, fmt::format("{} does not say what was erased", path), "See `pairlab-cli erase list`.");
    return json;
}

} // namespace

Result<RunErasure> erasureOf(const std::string& bundleDir) {
    PL_TRY(const Json json, read(bundleDir));
    RunErasure out;
    for (const Json& each : json["erased"]) {
        const std::string where = os::joinPath(bundleDir, kFile);
        PL_TRY(const auto kind, field<std::string>(each, "kind", where));
        PL_TRY(const auto time, field<int64_t>(each, "time_ms", where));
        PL_TRY(const auto rows, field<int64_t>(each, "rows", where));
        PL_TRY(const auto lines, field<int64_t>(each, "lines", where));
        ++(kind == "person" ? out.people : out.prompts);
        out.rows += rows;
        out.lines += lines;
        out.lastMs = std::max(out.lastMs, time);
    }
    return out;
}

Status noteErasure(const std::string& bundleDir, const std::string& tombstone, bool person, int64_t timeMs, int64_t rows, int64_t lines) {
    PL_TRY(Json json, read(bundleDir));
    Json* entry = nullptr;
    for (Json& each : json["erased"])
        if (each.is_object() && each.value("uuid", Json()) == tombstone)
            entry = &each;
    if (!entry) {
        json["erased"].push_back({{"uuid", tombstone}, {"kind", person ? "person" : "prompt"}, {"rows", 0}, {"lines", 0}});
        entry = &json["erased"].back();
    }
    (*entry)["time_ms"] = timeMs;
    (*entry)["rows"] = (*entry)["rows"].get<int64_t>() + rows;
    (*entry)["lines"] = (*entry)["lines"].get<int64_t>() + lines;
    return os::writeFileAtomic(os::joinPath(bundleDir, kFile), dumpJsonPretty(json) + "\n");
}

Json RunErasure::toJson() const {
    return {{"prompts", prompts}, {"people", people}, {"rows", rows}, {"lines", lines}, {"last_ms", lastMs}};
}

std::string RunErasure::toString() const {
    if (!any())
        return {};
    std::string of;
    if (prompts)
        of = counted(prompts, "erased prompt", "erased prompts");
    if (people)
        of += (of.empty() ? "" : " and ") + counted(people, "erased person", "erased people");
    return fmt::format("lost text of {} on {}: {} of its data, {} of its log and samples", of, formatTime(lastMs).substr(0, 10),
                       counted(rows, "row", "rows"), counted(lines, "line", "lines"));
}

} // namespace pl::desk
