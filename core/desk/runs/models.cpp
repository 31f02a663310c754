// SPDX-License-Identifier: Apache-2.0
// Models of a project: which there are, and those a person brings or takes away.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/json.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/desk/runs/controls.h"
#include "core/desk/runs/shared.h"

namespace pl::desk {

namespace {

constexpr size_t kMostName = 100;
constexpr const char* kAdapterFolder = "adapter"; ///< beside merged weights: the low-rank adapter by itself

bool usableName(const std::string& name) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= kMostName && name[0] != '.' && name[0] != '-' &&
           std::all_of(name.begin(), name.end(), plain);
}

Result<std::vector<RunRow>> allRuns(Project& project) {
    Page all;
    all.limit = 0;
    return project.runs(all);
}

// Step and path below the bundle of every complete checkpoint, oldest first.
std::vector<std::pair<int64_t, std::string>> checkpointPaths(const std::string& bundleDir) {
    auto all = completeCheckpoints(bundleDir);
    for (auto& [step, name] : all)
        name = "checkpoints/" + name;
    return all;
}

// The best checkpoint says so in its DONE file; of several that were the best when written, the newest is.
std::string bestCheckpoint(const std::string& bundleDir) {
    std::string best;
    for (const auto& [step, path] : checkpointPaths(bundleDir))
        if (auto done = readJsonFile(os::joinPath(os::joinPath(bundleDir, path), "DONE")))
            if (done->is_object() && done->contains("best") && (*done)["best"] == Json(true))
                best = path;
    return best;
}

int64_t stepOfPath(const std::string& path) {
    const auto dash = path.rfind('-');
    return dash == std::string::npos ? -1 : std::atoll(path.c_str() + dash + 1);
}

} // namespace

Status shared::markControl(const std::string& dir, const std::string& control) {
    if (control.empty())
        return {};
    const std::string path = os::joinPath(dir, "card.json");
    Json card = Json::object();
    if (os::exists(path)) {
        PL_TRY(card, readJsonFile(path));
        if (!card.is_object())
            return fail(Code::Corrupt, fmt::format("{} is not a JSON object", path), "Export the model again.");
    }
    card[kControlKey] = control;
    return os::writeFileAtomic(path, dumpJsonPretty(card) + "\n");
}

bool isImageModelDir(const std::string& dir) {
    const auto config = readJsonFile(os::joinPath(dir, "config.json"));
    return config && config->is_object() && config->contains("model_type") && (*config)["model_type"].is_string() &&
           (*config)["model_type"].get_ref<const std::string&>().rfind(shared::kImageType, 0) == 0;
}

Result<std::vector<ModelChoice>> modelChoices(Project& project) {
    std::vector<ModelChoice> choices;
    if (auto names = os::listDir(project.modelsDir()))
        for (const std::string& name : *names) {
            const std::string dir = os::joinPath(project.modelsDir(), name);
            if (!shared::looksLikeModel(dir))
                continue;
            const std::string control = controlOfFolder(dir);
            choices.push_back({name, name + (control.empty() ? "" : ", control: " + control), dir, shared::isRewardModelDir(dir), 0, -1,
                               isImageModelDir(dir), control});
        }
    // The starting point first, whatever the alphabet says.
    std::stable_partition(choices.begin(), choices.end(), [](const ModelChoice& c) { return c.text == "start"; });
    PL_TRY(auto runs, allRuns(project));
    const auto controls = controlledRuns(runs);
    for (const RunRow& run : runs) {
        const auto control = controls.find(run.name);
        const std::string dir = os::joinPath(project.runsDir(), run.name);
        auto checkpoints = checkpointPaths(dir);
        const std::string best = bestCheckpoint(dir);
        std::stable_sort(checkpoints.begin(), checkpoints.end(), [&](const auto& a, const auto& b) {
            return (a.second == best) != (b.second == best) ? a.second == best : a.first > b.first;
        });
        for (const auto& [step, path] : checkpoints) {
            const std::string folder = os::joinPath(dir, path);
            if (shared::looksLikeModel(folder))
                choices.push_back({fmt::format("run:{}@{}", run.id, step),
                                   fmt::format("{} step {}{}{}", run.name, step, path == best ? " (best)" : "",
                                               control == controls.end() ? "" : ", control: " + control->second),
                                   folder, shared::isRewardModelDir(folder), run.id, step, isImageModelDir(folder),
                                   control == controls.end() ? "" : control->second});
        }
    }
    return choices;
}

Status shared::copyModel(const std::string& from, const std::string& to) {
    PL_TRY(std::vector<std::string> files, weightFileNames(from));
    if (files != std::vector<std::string>{"model.safetensors"})
        files.push_back("model.safetensors.index.json");
    for (const std::string& file : modelSideFiles())
        if (os::exists(os::joinPath(from, file)))
            files.push_back(file);
    PL_CHECK(os::makeDirs(to));
    const auto copy = [&]() -> Status {
        for (const std::string& file : files) {
            PL_TRY(const std::string source, modelFile(from, file));
            PL_CHECK(os::copyFile(source, os::joinPath(to, file)));
        }
        if (os::isDir(os::joinPath(from, kAppliedAdapter)))
            PL_CHECK(os::copyTree(os::joinPath(from, kAppliedAdapter), os::joinPath(to, kAppliedAdapter)));
        return {};
    };
    auto copied = copy();
    if (!copied)
        (void)os::removeTree(to); // half a model helps nobody
    return copied;
}

Result<ModelSpec> shared::locateModel(Project& project, const std::string& text, const std::string& role) {
    ModelSpec spec;
    spec.role = role;
    spec.name = text;
    if (text.rfind("run:", 0) == 0) {
        std::string which = text.substr(4), step;
        if (const auto at = which.find('@'); at != std::string::npos) {
            step = which.substr(at + 1);
            which = which.substr(0, at);
        }
        PL_TRY(RunRow run, project.findRun(which));
        const std::string dir = os::joinPath(project.runsDir(), run.name);
        std::string path;
        if (step.empty() || step == "best")
            path = bestCheckpoint(dir);
        if (path.empty() && (step.empty() || step == "best" || step == "last"))
            path = newestCheckpoint(dir);
        if (!step.empty() && step != "best" && step != "last")
            for (const auto& [each, candidate] : checkpointPaths(dir))
                if (std::to_string(each) == step)
                    path = candidate;
        if (path.empty())
            return fail(Code::NotFound, fmt::format("run {} has no complete checkpoint{}", run.name,
                                                    step.empty() ? "" : " " + step),
                        "Wait for its first checkpoint, or choose another run.");
        spec.path = os::joinPath(dir, path);
        spec.name = fmt::format("{} step {}", run.name, stepOfPath(path));
    } else if (text.find('/') == std::string::npos && os::isDir(os::joinPath(project.modelsDir(), text))) {
        spec.path = os::joinPath(project.modelsDir(), text);
    } else if (os::isDir(text)) {
        spec.path = os::absolutePath(text);
        if (isBareAdapter(text)) {
            PL_TRY(spec.path, cachedWithItsBase(project, text));
        }
    } else {
        return fail(Code::NotFound, fmt::format("there is no model '{}'", text),
                    "Name one of `pairlab-cli models list`: start, run:ID, run:ID@STEP, or a folder.");
    }
    return spec;
}

Result<ModelSpec> resolveModel(Project& project, const std::string& text, const std::string& role) {
    PL_TRY(ModelSpec spec, shared::locateModel(project, text, role));
    PL_TRY(spec.hash, modelHash(spec.path));
    PL_TRY(const std::string control, shared::controlOf(project, spec.path));
    if (!control.empty())
        spec.name += ", control: " + control; // said wherever the model is named: answers, judges, verdicts
    return spec;
}

Result<std::string> shared::controlOf(Project& project, const std::string& path) {
    // A run of this project, and no other of the same name.
    const std::string name = runOfCheckpoint(path);
    if (!name.empty() && path.rfind(os::joinPath(os::joinPath(os::absolutePath(project.runsDir()), name), "checkpoints"), 0) == 0) {
        PL_TRY(auto runs, allRuns(project));
        const auto controls = controlledRuns(std::move(runs));
        if (const auto control = controls.find(name); control != controls.end())
            return control->second;
    }
    return controlOfFolder(path);
}

Status exportModel(Project& project, const std::string& model, const std::string& toDir) {
    PL_TRY(ModelSpec spec, resolveModel(project, model, "model"));
    if (os::exists(toDir))
        return fail(Code::InvalidInput, fmt::format("{} exists already", toDir), "Choose a folder that does not exist.");
    PL_CHECK(shared::copyModel(spec.path, toDir));
    if (const std::string adapter = os::joinPath(spec.path, kAdapterFolder); os::isDir(adapter))
        PL_CHECK(os::copyTree(adapter, os::joinPath(toDir, kAdapterFolder)));
    PL_TRY(const std::string control, shared::controlOf(project, spec.path));
    return shared::markControl(toDir, control);
}

Result<std::string> addModel(Project& project, const std::string& path, const std::string& name) {
    const bool adapter = shared::isBareAdapter(path);
    if (!adapter)
        PL_CHECK(checkModelFolder(path));
    const std::string as = name.empty() ? os::baseName(os::absolutePath(path)) : name;
    if (!usableName(as))
        return fail(
            Code::InvalidInput, fmt::format("'{}' cannot be a model's name", as),
            "Give a --name of letters, digits, '.', '_' and '-' that begins with a letter, a digit or '_'.");
    const std::string target = os::joinPath(project.modelsDir(), as);
    if (os::exists(target))
        return fail(Code::InvalidInput, fmt::format("the project already has a model '{}'", as),
                    "Give another --name.");
    if (adapter) {
        PL_CHECK(shared::withItsBase(project, path, target));
        return as;
    }
    PL_CHECK(shared::copyModel(path, target));
    PL_TRY(const std::string control, shared::controlOf(project, os::absolutePath(path)));
    PL_CHECK(shared::markControl(target, control));
    return as;
}

} // namespace pl::desk
