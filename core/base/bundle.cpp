// SPDX-License-Identifier: Apache-2.0
#include "core/base/bundle.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "core/base/events.h"
#include "core/base/hash.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/base/os/process.h"

namespace pl {
namespace {

constexpr JsonLimits kRunLimits{size_t{16} << 20, 64};

bool isHash(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// A bare file name: no folder, not hidden, printable.
bool isPlainName(const std::string& name) {
    if (name.empty() || name.size() > 255 || name.front() == '.')
        return false;
    return std::all_of(name.begin(), name.end(),
                       [](unsigned char c) { return c != '/' && c != '\\' && c >= 0x20 && c != 0x7f; });
}

bool isPluginId(const std::string& id) {
    return !id.empty() && id.size() <= 64 &&
           id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == std::string::npos && id[0] >= 'a';
}

bool isDevice(const std::string& device) {
    if (device == "cpu" || device == "cuda" || device == "network") // network: computes nothing here
        return true;
    return device.rfind("cuda:", 0) == 0 && device.size() > 5 && device.size() <= 8 &&
           device.find_first_not_of("0123456789", 5) == std::string::npos;
}

Result<Json> objectOr(const Json& json, const char* key, std::string_view what) {
    const auto found = json.find(key);
    if (found == json.end())
        return Json::object();
    if (!found->is_object())
        return fail(Code::InvalidInput, fmt::format("{}: \"{}\" must be an object", what, key));
    return *found;
}

Result<ModelSpec> modelOf(const Json& json, const std::string& what) {
    ModelSpec model;
    PL_TRY(model.role, field<std::string>(json, "role", what));
    PL_TRY(model.path, field<std::string>(json, "path", what));
    PL_TRY(model.hash, fieldOr<std::string>(json, "hash", "", what));
    PL_TRY(model.name, fieldOr<std::string>(json, "name", "", what));
    if (model.role.empty())
        return fail(Code::InvalidInput, fmt::format("{}: \"role\" is empty", what));
    if (model.path.empty() || model.path.front() != '/' || model.path.find('\0') != std::string::npos)
        return fail(Code::InvalidInput, fmt::format("{}: \"path\" must be an absolute path", what));
    if (!model.hash.empty() && !isHash(model.hash))
        return fail(Code::InvalidInput, fmt::format("{}: \"hash\" is not a SHA-256", what));
    return model;
}

/// The end of a text file, whole lines only.
std::string tailOf(const std::string& path, uint64_t bytes) {
    const auto size = os::fileSize(path);
    if (!size)
        return {};
    const uint64_t from = *size > bytes ? *size - bytes : 0;
    auto text = os::readFrom(path, from, static_cast<size_t>(*size - from));
    if (!text)
        return {};
    if (from > 0) {
        const size_t cut = text->find('\n');
        return cut == std::string::npos ? std::string() : text->substr(cut + 1);
    }
    return std::move(*text);
}

std::vector<std::string> lastLines(const std::string& path, size_t count) {
    std::vector<std::string> lines;
    std::string text = tailOf(path, 32768);
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        if (end > begin)
            lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    if (lines.size() > count)
        lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
    return lines;
}

struct Ending {
    bool started = false;
    std::optional<Json> end;
};

/// What the end of events.jsonl says. The last run.end counts unless a run.start follows it, so the tail is enough; it
/// grows only while it holds no whole event.
Ending endingOf(const std::string& path) {
    Ending ending;
    const auto size = os::fileSize(path);
    if (!size || *size == 0)
        return ending;
    for (uint64_t window = uint64_t{256} << 10;; window *= 4) {
        const std::string text = tailOf(path, window);
        for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
            const std::string_view line = std::string_view(text).substr(begin, end - begin);
            const bool mayEnd = line.find("run.end") != std::string_view::npos;
            const bool mayStart = line.find("run.start") != std::string_view::npos;
            if (ending.started && !mayEnd && !mayStart)
                continue;
            auto json = parseJson(line, "event", kRunLimits);
            if (!json || !json->is_object() || !json->contains("type") || !(*json)["type"].is_string())
                continue;
            ending.started = true;
            const auto& type = (*json)["type"].get_ref<const std::string&>();
            if (type == event::kRunEnd)
                ending.end = std::move(*json);
            else if (type == event::kRunStart)
                ending.end.reset();
        }
        if (ending.started || window >= *size)
            return ending;
    }
}

/// A worker takes the lock only once it has loaded: until then the desk's note of the process it started speaks for it. A
/// run.end older than that start belongs to an earlier session of the run.
bool isStarting(const std::string& bundleDir, const Ending& found) {
    const auto desk = readJsonFile(os::joinPath(bundleDir, "desk.json"), kRunLimits);
    if (!desk || !desk->is_object())
        return false;
    const int64_t pid = fieldOr<int64_t>(*desk, "pid", 0, "desk.json").value_or(0);
    const int64_t startTime = fieldOr<int64_t>(*desk, "start_time", 0, "desk.json").value_or(0);
    const int64_t launchedMs = fieldOr<int64_t>(*desk, "launched_ms", 0, "desk.json").value_or(0);
    if (pid <= 0 || pid > INT32_MAX || startTime <= 0)
        return false;
    if (found.end && fieldOr<int64_t>(*found.end, "t", 0, "run.end").value_or(0) >= launchedMs)
        return false;
    auto process = os::Process::attach(static_cast<int>(pid), static_cast<uint64_t>(startTime));
    return process && process->isRunning();
}

constexpr const char* kDone = "DONE";

/// Paths of the files below a folder, relative to it, sorted; DONE left out.
Result<std::vector<std::string>> filesBelow(const std::string& dir, const std::string& prefix = {}) {
    std::vector<std::string> files;
    PL_TRY(const auto names, os::listDir(os::joinPath(dir, prefix)));
    for (const std::string& name : names) {
        const std::string relative = prefix.empty() ? name : os::joinPath(prefix, name);
        const std::string path = os::joinPath(dir, relative);
        std::error_code error;
        const auto status = std::filesystem::symlink_status(path, error);
        if (std::filesystem::is_directory(status)) {
            PL_TRY(const auto below, filesBelow(dir, relative));
            files.insert(files.end(), below.begin(), below.end());
        } else if (std::filesystem::is_regular_file(status) && relative != kDone) {
            files.push_back(relative);
        }
    }
    return files;
}

bool staysInside(const std::string& relative) {
    if (relative.empty() || relative.front() == '/' || relative.find('\0') != std::string::npos)
        return false;
    for (const auto& part : std::filesystem::path(relative))
        if (part == "..")
            return false;
    return true;
}

tl::unexpected<Error> damaged(const std::string& dir, const std::string& file) {
    return fail(Code::Corrupt, fmt::format("the checkpoint {} is damaged: {} differs from its hash", dir, file), "Use an earlier checkpoint.");
}

/// DONE, read and checked in form.
Result<Json> readDone(const std::string& dir) {
    PL_TRY(Json done, readJsonFile(os::joinPath(dir, kDone), kRunLimits));
    const std::string what = os::joinPath(dir, kDone);
    PL_CHECK(field<int64_t>(done, "step", what));
    const auto files = done.find("files");
    if (files == done.end() || !files->is_object())
        return fail(Code::Corrupt, fmt::format("{}: \"files\" must be an object", what));
    for (const auto& [name, hash] : files->items())
        if (!staysInside(name) || !hash.is_string() || !isHash(hash.get<std::string>()))
            return fail(Code::Corrupt, fmt::format("{}: the entry \"{}\" is not a file with its SHA-256", what, name));
    return done;
}

std::optional<int64_t> stepOf(const std::string& name) {
    if (name.rfind("step-", 0) != 0 || name.size() < 6 || name.size() > 20 ||
        name.find_first_not_of("0123456789", 5) != std::string::npos)
        return std::nullopt;
    return std::stoll(name.substr(5));
}

} // namespace

// --- run.json ------------------------------------------------------------------------------------------------------

Json RunSpec::toJson() const {
    Json modelList = Json::array();
    for (const ModelSpec& model : models)
        modelList.push_back({{"role", model.role}, {"path", model.path}, {"hash", model.hash}, {"name", model.name}});
    return {{"bundle_version", kVersion},
            {"uuid", uuid},
            {"name", name},
            {"plugin", {{"id", plugin}, {"version", pluginVersion}, {"dir", pluginDir}, {"build_tag", buildTag}}},
            {"parameters", parameters},
            {"models", std::move(modelList)},
            {"device", device},
            {"seed", seed},
            {"threads", threads},
            {"dataset_hash", datasetHash},
            {"data", data},
            {"resident", resident},
            {"created_ms", createdMs},
            {"conventions", conventions}};
}

Result<RunSpec> RunSpec::fromJson(const Json& json, std::string_view what) {
    PL_TRY(const int64_t version, field<int64_t>(json, "bundle_version", what));
    if (version > kVersion)
        return fail(Code::NewerFormat, fmt::format("{} has version {}, this program reads up to {}", what, version, kVersion),
                    "Use a newer PairLab.");
    if (version < 1)
        return fail(Code::InvalidInput, fmt::format("{}: \"bundle_version\" {} is not valid", what, version));
    RunSpec spec;
    PL_TRY(spec.uuid, field<std::string>(json, "uuid", what));
    PL_TRY(spec.name, field<std::string>(json, "name", what));
    if (spec.uuid.empty() || spec.uuid.size() > 64)
        return fail(Code::InvalidInput, fmt::format("{}: \"uuid\" is empty or too long", what));
    if (!isPlainName(spec.name))
        return fail(Code::InvalidInput, fmt::format("{}: \"name\" is not a plain folder name", what));
    const auto plugin = json.find("plugin");
    if (plugin == json.end() || !plugin->is_object())
        return fail(Code::InvalidInput, fmt::format("{}: \"plugin\" must be an object", what));
    PL_TRY(spec.plugin, field<std::string>(*plugin, "id", what));
    PL_TRY(spec.pluginVersion, fieldOr<std::string>(*plugin, "version", "", what));
    PL_TRY(spec.pluginDir, fieldOr<std::string>(*plugin, "dir", "", what));
    PL_TRY(spec.buildTag, fieldOr<std::string>(*plugin, "build_tag", "", what));
    if (!isPluginId(spec.plugin))
        return fail(Code::InvalidInput, fmt::format("{}: \"{}\" is not a plugin id", what, spec.plugin.substr(0, 80)));
    PL_TRY(spec.parameters, objectOr(json, "parameters", what));
    PL_TRY(spec.conventions, objectOr(json, "conventions", what));
    if (const auto models = json.find("models"); models != json.end()) {
        if (!models->is_array() || models->size() > 64)
            return fail(Code::InvalidInput, fmt::format("{}: \"models\" must be a list", what));
        for (const Json& item : *models) {
            PL_TRY(ModelSpec model, modelOf(item, fmt::format("{}: model {}", what, spec.models.size() + 1)));
            if (spec.model(model.role))
                return fail(Code::InvalidInput, fmt::format("{}: two models have the role {}", what, model.role));
            spec.models.push_back(std::move(model));
        }
    }
    PL_TRY(spec.device, fieldOr<std::string>(json, "device", "cpu", what));
    if (!isDevice(spec.device))
        return fail(Code::InvalidInput, fmt::format("{}: \"device\" must be cpu, cuda, cuda:N or network", what));
    if (const auto seed = json.find("seed"); seed != json.end()) {
        if (!seed->is_number_integer() || (!seed->is_number_unsigned() && seed->get<int64_t>() < 0))
            return fail(Code::InvalidInput, fmt::format("{}: \"seed\" must be a whole number, 0 or more", what));
        spec.seed = seed->get<uint64_t>();
    }
    PL_TRY(const int64_t threads, fieldOr<int64_t>(json, "threads", 0, what));
    if (threads < 0 || threads > 4096)
        return fail(Code::InvalidInput, fmt::format("{}: \"threads\" must lie in 0..4096", what));
    spec.threads = static_cast<int>(threads);
    PL_TRY(spec.datasetHash, fieldOr<std::string>(json, "dataset_hash", "", what));
    PL_TRY(const Json data, objectOr(json, "data", what));
    for (const auto& [name, hash] : data.items()) {
        if (!isPlainName(name))
            return fail(Code::InvalidInput, fmt::format("{}: \"{}\" in \"data\" is not a plain file name", what, name));
        if (!hash.is_string() || !isHash(hash.get<std::string>()))
            return fail(Code::InvalidInput, fmt::format("{}: data file {} has no SHA-256", what, name));
        spec.data[name] = hash.get<std::string>();
    }
    PL_TRY(spec.resident, fieldOr<bool>(json, "resident", false, what));
    PL_TRY(spec.createdMs, fieldOr<int64_t>(json, "created_ms", 0, what));
    return spec;
}

const ModelSpec* RunSpec::model(std::string_view role) const {
    for (const ModelSpec& model : models)
        if (model.role == role)
            return &model;
    return nullptr;
}

Result<std::string> modelHash(const std::string& modelDir) {
    PL_TRY(const auto names, os::listDir(modelDir));
    Json saved = Json::object(); // what a checkpoint's files were when it was made
    if (os::exists(os::joinPath(modelDir, kDone))) {
        PL_TRY(const Json done, readDone(modelDir));
        saved = done["files"];
    }
    Sha256 hash;
    bool weights = false;
    for (const std::string& name : names) {
        const bool isWeights = name.size() > 12 && name.compare(name.size() - 12, 12, ".safetensors") == 0;
        if (!isWeights && name != "config.json" && name != "tokenizer.json" && name != "tokenizer_config.json")
            continue;
        weights = weights || isWeights;
        PL_TRY(const std::string content, sha256File(os::joinPath(modelDir, name)));
        if (const auto was = saved.find(name); was != saved.end() && *was != Json(content))
            return damaged(modelDir, name);
        hash.update(name + "\n" + content + "\n");
    }
    for (const char* file : {"adapter_config.json", "adapter_model.safetensors"})
        if (const std::string path = os::joinPath(os::joinPath(modelDir, kAppliedAdapter), file); os::exists(path)) {
            PL_TRY(const std::string content, sha256File(path));
            hash.update(std::string(file) + "\n" + content + "\n");
        }
    if (!weights)
        return fail(Code::NotFound, fmt::format("the model folder {} has no *.safetensors file", modelDir),
                    "Give a folder in Hugging Face layout with safetensors weights.");
    return hash.hexDigest();
}

// --- Bundle --------------------------------------------------------------------------------------------------------

Result<Bundle> Bundle::create(const std::string& dir, const RunSpec& given) {
    RunSpec spec = given;
    if (spec.uuid.empty())
        spec.uuid = newUuid();
    if (spec.name.empty())
        spec.name = os::baseName(dir);
    if (spec.createdMs == 0)
        spec.createdMs = nowMs();
    PL_CHECK(RunSpec::fromJson(spec.toJson(), fmt::format("run.json of {}", spec.name)));
    if (os::exists(dir))
        return fail(Code::InvalidInput, fmt::format("the run folder {} exists already", dir), "Choose another name.");
    const auto fill = [&]() -> Status {
        for (const char* name : {"data", "checkpoints", "samples"})
            PL_CHECK(os::makeDirs(os::joinPath(dir, name)));
        return os::writeFileAtomic(os::joinPath(dir, "run.json"), dumpJsonPretty(spec.toJson()) + "\n");
    };
    if (auto status = fill(); !status) {
        (void)os::removeTree(dir);
        return tl::unexpected<Error>(std::move(status).error());
    }
    return Bundle(os::absolutePath(dir), std::move(spec));
}

Result<Bundle> Bundle::open(const std::string& dir) {
    const std::string path = os::joinPath(dir, "run.json");
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("{} is not a run bundle: it has no run.json", dir),
                    "Give the folder of a run, such as runs/0042-dpo.");
    PL_TRY(const Json json, readJsonFile(path, kRunLimits));
    PL_TRY(RunSpec spec, RunSpec::fromJson(json, path));
    return Bundle(os::absolutePath(dir), std::move(spec));
}

std::string Bundle::eventsPath() const {
    return os::joinPath(m_dir, "events.jsonl");
}
std::string Bundle::controlPath() const {
    return os::joinPath(m_dir, "control.jsonl");
}
std::string Bundle::lockPath() const {
    return os::joinPath(m_dir, "lock");
}
std::string Bundle::logPath() const {
    return os::joinPath(m_dir, "worker.log");
}
std::string Bundle::dataPath(const std::string& file) const {
    return os::joinPath(os::joinPath(m_dir, "data"), file);
}
std::string Bundle::checkpointsDir() const {
    return os::joinPath(m_dir, "checkpoints");
}
std::string Bundle::samplesDir() const {
    return os::joinPath(m_dir, "samples");
}

// --- control.jsonl -------------------------------------------------------------------------------------------------

Result<std::string> sendControl(const std::string& bundleDir, const std::string& type, Json payload) {
    if (type != "pause" && type != "resume" && type != "checkpoint" && type != "stop" && type != "request")
        return fail(Code::InvalidInput, fmt::format("\"{}\" is not something a run can be asked", type),
                    "Known: pause, resume, checkpoint, stop, request.");
    if (!payload.is_object())
        return fail(Code::InvalidInput, fmt::format("the payload of \"{}\" must be an object", type));
    PL_TRY(os::AppendFile file, os::AppendFile::open(os::joinPath(bundleDir, "control.jsonl")));
    const std::string id = newUuid();
    PL_CHECK(file.appendLine(dumpJson({{"id", id}, {"t", nowMs()}, {"type", type}, {"payload", std::move(payload)}})));
    return id;
}

Result<std::vector<Control>> readControl(const std::string& bundleDir, uint64_t& offset) {
    std::vector<Control> wishes;
    const std::string path = os::joinPath(bundleDir, "control.jsonl");
    size_t window = size_t{1} << 20;
    while (true) {
        auto text = os::readFrom(path, offset, window);
        if (!text) {
            if (text.error().code == Code::NotFound)
                return wishes;
            return tl::unexpected<Error>(std::move(text).error());
        }
        size_t begin = 0;
        for (size_t end; (end = text->find('\n', begin)) != std::string::npos; begin = end + 1) {
            auto json = parseJson(std::string_view(*text).substr(begin, end - begin), "control line", kRunLimits);
            if (!json || !json->is_object())
                continue;
            auto id = field<std::string>(*json, "id", "control line");
            auto type = field<std::string>(*json, "type", "control line");
            auto payload = objectOr(*json, "payload", "control line");
            if (id && type && payload && !id->empty())
                wishes.push_back({std::move(*id), std::move(*type), std::move(*payload)});
        }
        offset += begin;
        if (text->size() < window)
            return wishes;
        if (begin > 0)
            continue;
        if (window < kRunLimits.maxBytes)
            window = kRunLimits.maxBytes;
        else
            offset += text->size(); // no wish is that long: its rest will not parse either
    }
}

// --- how a run ended -----------------------------------------------------------------------------------------------

const char* runStateName(RunState state) {
    switch (state) {
    case RunState::Queued: return "queued";
    case RunState::Running: return "running";
    case RunState::Paused: return "paused";
    case RunState::Finished: return "finished";
    case RunState::Stopped: return "stopped";
    case RunState::Failed: return "failed";
    }
    return "failed";
}

Result<RunState> runStateOf(std::string_view name) {
    for (const RunState state : {RunState::Queued, RunState::Running, RunState::Paused, RunState::Finished,
                                 RunState::Stopped, RunState::Failed})
        if (name == runStateName(state))
            return state;
    return fail(Code::InvalidInput, fmt::format("\"{}\" is not a state of a run", name));
}

RunEnding inspectRun(const std::string& bundleDir, const std::optional<std::string>& exitStatus) {
    RunEnding ending;
    const std::string log = os::joinPath(bundleDir, "worker.log");
    ending.logTail = lastLines(log, 20);
    if (const auto checkpoints = completeCheckpoints(bundleDir); !checkpoints.empty())
        ending.lastCheckpoint = "checkpoints/" + checkpoints.back().second;
    if (os::FileLock::isHeld(os::joinPath(bundleDir, "lock"))) {
        ending.state = RunState::Running;
        return ending;
    }
    const Ending found = endingOf(os::joinPath(bundleDir, "events.jsonl"));
    if (isStarting(bundleDir, found)) {
        ending.state = RunState::Running;
        ending.reason = "starting";
        return ending;
    }
    if (found.end) {
        const auto& body = *found.end;
        ending.reason = fieldOr<std::string>(body, "reason", "", "run.end").value_or("");
        const std::string state = fieldOr<std::string>(body, "state", "", "run.end").value_or("");
        if (state == "finished") {
            ending.state = RunState::Finished;
        } else if (state == "stopped") {
            ending.state = ending.reason == "paused" ? RunState::Paused : RunState::Stopped;
        } else {
            ending.state = RunState::Failed;
            if (state != "failed")
                ending.reason = fmt::format("the worker reported the unknown state \"{}\"", state.substr(0, 80));
        }
        return ending;
    }
    if (found.started || exitStatus || os::exists(log)) {
        ending.state = RunState::Failed;
        ending.reason = "the worker ended without saying so";
        if (exitStatus)
            ending.reason += fmt::format(" ({})", *exitStatus);
    }
    return ending;
}

std::vector<std::pair<int64_t, std::string>> completeCheckpoints(const std::string& bundleDir) {
    std::vector<std::pair<int64_t, std::string>> found;
    const std::string dir = os::joinPath(bundleDir, "checkpoints");
    const auto names = os::listDir(dir);
    if (!names)
        return found;
    for (const std::string& name : *names) {
        const auto step = stepOf(name);
        if (!step)
            continue;
        const std::string path = os::joinPath(dir, name);
        const auto done = readDone(path);
        if (!done)
            continue;
        bool whole = true;
        for (const auto& item : (*done)["files"].items())
            whole = whole && os::exists(os::joinPath(path, item.key()));
        if (whole)
            found.emplace_back(*step, name);
    }
    std::sort(found.begin(), found.end());
    return found;
}

std::string newestCheckpoint(const std::string& bundleDir) {
    auto found = completeCheckpoints(bundleDir);
    for (auto it = found.rbegin(); it != found.rend(); ++it) {
        const std::string relative = "checkpoints/" + it->second;
        if (verifyCheckpoint(os::joinPath(bundleDir, relative)))
            return relative;
    }
    return {};
}

Status writeDone(const std::string& checkpointDir, int64_t step, Json extra) {
    if (!extra.is_object())
        return fail(Code::Internal, "the extra fields of DONE are not an object");
    PL_TRY(const auto names, filesBelow(checkpointDir));
    Json files = Json::object();
    for (const std::string& name : names) {
        const std::string path = os::joinPath(checkpointDir, name);
        PL_CHECK(os::fsyncPath(path));
        PL_TRY(files[name], sha256File(path));
    }
    PL_CHECK(os::fsyncPath(checkpointDir));
    if (!extra.contains("best"))
        extra["best"] = false;
    if (!extra.contains("metric"))
        extra["metric"] = nullptr;
    extra["step"] = step;
    extra["files"] = std::move(files);
    return os::writeFileAtomic(os::joinPath(checkpointDir, kDone), dumpJsonPretty(extra) + "\n");
}

Result<Json> verifyCheckpoint(const std::string& checkpointDir) {
    if (!os::exists(os::joinPath(checkpointDir, kDone)))
        return fail(Code::NotFound, fmt::format("the checkpoint {} is not complete: it has no DONE file", checkpointDir),
                    "Use an earlier checkpoint.");
    PL_TRY(Json done, readDone(checkpointDir));
    for (const auto& [name, hash] : done["files"].items()) {
        const auto actual = sha256File(os::joinPath(checkpointDir, name));
        if (!actual)
            return fail(Code::Corrupt, fmt::format("the checkpoint {} lacks {}", checkpointDir, name),
                        "Use an earlier checkpoint.");
        if (*actual != hash.get_ref<const std::string&>())
            return damaged(checkpointDir, name);
    }
    return done;
}

} // namespace pl
