// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/hub_cache.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/model_card.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"

namespace pl::desk {

namespace {

constexpr std::string_view kPrefix = "models--";
constexpr size_t kMostRevision = 64;

/// "models--org--name" -> "org/name"; empty: some other folder.
std::string repositoryOf(const std::string& folder) {
    if (folder.rfind(kPrefix, 0) != 0)
        return {};
    std::string name = folder.substr(kPrefix.size());
    if (const size_t at = name.find("--"); at != std::string::npos)
        name.replace(at, 2, "/");
    return name;
}

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.pop_back();
    return text;
}

/// The revision refs/main names, when its snapshot is there; else the last changed one. Empty: none.
std::string currentRevision(const std::string& repository, const std::vector<std::string>& snapshots) {
    if (const auto main = os::readFrom(os::joinPath(repository, "refs/main"), 0, kMostRevision)) {
        const std::string wanted = trimmed(*main);
        if (std::find(snapshots.begin(), snapshots.end(), wanted) != snapshots.end())
            return wanted;
    }
    std::string newest;
    int64_t when = -1;
    for (const std::string& each : snapshots)
        if (const int64_t at = os::modifiedMs(os::joinPath(repository, "snapshots/" + each)); at > when) {
            when = at;
            newest = each;
        }
    return newest;
}

std::vector<std::string> snapshotsOf(const std::string& repository) {
    std::vector<std::string> out;
    if (auto names = os::listDir(os::joinPath(repository, "snapshots")))
        for (std::string& name : *names)
            if (os::isDir(os::joinPath(repository, "snapshots/" + name)))
                out.push_back(std::move(name));
    return out;
}

HubModel modelAt(const std::string& repository, const std::string& name, const std::string& revision) {
    HubModel out{name, revision, os::joinPath(repository, "snapshots/" + revision), {}, {}};
    if (auto look = lookAtModel(out.path))
        out.look = std::move(*look);
    else
        out.problem = look.error().toString();
    return out;
}

} // namespace

Result<ModelLook> lookAtModel(const std::string& dir) {
    ModelLook out;
    PL_TRY(out.config, readModelConfig(dir));
    PL_TRY(const auto weights, checkWeights(dir, out.config, false));
    std::map<std::string, uint64_t> bytes;
    for (const auto& [name, part] : weights) {
        bytes[part.entry.dtype] += part.entry.end - part.entry.begin;
        out.bytes += part.entry.end - part.entry.begin;
    }
    out.tensors = weights.size();
    const auto most = std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != bytes.end())
        out.dtype = most->first;
    out.licence = readModelCard(dir).licence;
    return out;
}

std::string hubCacheDir() {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
        if (const std::string dir = os::environment(name); !dir.empty())
            return dir;
    if (const std::string home = os::environment("HF_HOME"); !home.empty())
        return os::joinPath(home, "hub");
    std::string cache = os::environment("XDG_CACHE_HOME");
    if (cache.empty())
        cache = os::joinPath(os::environment("HOME"), ".cache");
    return os::joinPath(cache, "huggingface/hub");
}

std::vector<HubModel> hubModels(const std::string& cacheDir) {
    std::vector<HubModel> out;
    const auto folders = os::listDir(cacheDir);
    if (!folders)
        return out;
    for (const std::string& folder : *folders) {
        const std::string name = repositoryOf(folder), repository = os::joinPath(cacheDir, folder);
        if (name.empty())
            continue;
        const auto snapshots = snapshotsOf(repository);
        if (const std::string revision = currentRevision(repository, snapshots); !revision.empty())
            out.push_back(modelAt(repository, name, revision));
    }
    std::sort(out.begin(), out.end(), [](const HubModel& a, const HubModel& b) { return a.repository < b.repository; });
    return out;
}

Result<std::string> hubSnapshot(const std::string& cacheDir, const std::string& name) {
    const size_t at = name.find('@');
    const std::string repository = name.substr(0, at), wanted = at == std::string::npos ? std::string() : name.substr(at + 1);
    std::vector<std::string> known;
    const auto folders = os::listDir(cacheDir);
    for (const std::string& folder : folders ? *folders : std::vector<std::string>{}) {
        const std::string each = repositoryOf(folder), path = os::joinPath(cacheDir, folder);
        if (each.empty())
            continue;
        known.push_back(each);
        if (each != repository)
            continue;
        const auto snapshots = snapshotsOf(path);
        std::vector<std::string> matching;
        for (const std::string& snapshot : snapshots)
            if (!wanted.empty() && snapshot.rfind(wanted, 0) == 0)
                matching.push_back(snapshot);
        if (wanted.empty())
            if (std::string current = currentRevision(path, snapshots); !current.empty())
                matching.push_back(std::move(current));
        if (matching.size() == 1)
            return os::joinPath(path, "snapshots/" + matching.front());
        return fail(Code::NotFound,
                    fmt::format("{} of {} snapshots of {} in {} {}", matching.size(), snapshots.size(), repository, cacheDir,
                                wanted.empty() ? "are whole" : fmt::format("begin with '{}'", wanted)),
                    snapshots.empty() ? std::string("Download the model again.")
                                      : fmt::format("There are {}.", fmt::join(snapshots, ", ")));
    }
    return fail(Code::NotFound, fmt::format("there is no model '{}' in the cache {}", repository, cacheDir),
                known.empty() ? "Download it, for example with `hf download`."
                              : fmt::format("There are {}.", fmt::join(known, ", ")));
}

} // namespace pl::desk
