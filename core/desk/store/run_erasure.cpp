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
constexpr int64_t kMostCounted = int64_t{1} << 40; ///< in one entry: more lines than a bundle can have; a file of entries cannot overflow the sum

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

/// A bundle may come from anywhere: no number in it may bring an exception, or a sum beyond its type.
Result<int64_t> countOf(const Json& entry, const char* key, const std::string& where) {
    PL_TRY(const int64_t count, field<int64_t>(entry, key, where));
    if (count < 0 || count > kMostCounted)
        return fail(Code::InvalidInput, fmt::format("{}: \"{}\" is {}, no number of what was erased", where, key, count));
    return count;
}

} // namespace

Result<RunErasure> erasureOf(const std::string& bundleDir) {
    PL_TRY(const Json json, read(bundleDir));
    RunErasure out;
    for (const Json& each : json["erased"]) {
        const std::string where = os::joinPath(bundleDir, kFile);
        PL_TRY(const auto kind, field<std::string>(each, "kind", where));
        PL_TRY(const auto time, field<int64_t>(each, "time_ms", where));
        PL_TRY(const auto rows, countOf(each, "rows", where));
        PL_TRY(const auto lines, countOf(each, "lines", where));
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
    const std::string path = os::joinPath(bundleDir, kFile);
    PL_TRY(const auto rowsBefore, countOf(*entry, "rows", path));
    PL_TRY(const auto linesBefore, countOf(*entry, "lines", path));
    (*entry)["time_ms"] = timeMs;
    (*entry)["rows"] = std::min(rowsBefore + rows, kMostCounted);
    (*entry)["lines"] = std::min(linesBefore + lines, kMostCounted);
    return os::writeFileAtomic(path, dumpJsonPretty(json) + "\n");
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
