// SPDX-License-Identifier: Apache-2.0
// Models of a project: which there are, and those a person brings, which are looked at before anything is copied.
#include <algorithm>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/desk/runs/shared.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace pl::desk {

namespace {

constexpr uint64_t kMostHeader = 100'000'000;
constexpr size_t kMostName = 100;
constexpr const char* kImageType = "pairlab_image_"; ///< what the model_type of image models begins with

bool usableName(const std::string& name) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= kMostName && name[0] != '.' && name[0] != '-' &&
           std::all_of(name.begin(), name.end(), plain);
}

/// Whether the file is whole: the desk reads the header only, and the worker looks at each tensor when it
/// loads them.
Status checkWeights(const std::string& path) {
    const auto corrupt = [&](const std::string& cause) {
        return fail(Code::Corrupt, fmt::format("{} is not a whole safetensors file: {}", path, cause),
                    "Copy or download the file again.");
    };
    PL_TRY(const uint64_t size, os::fileSize(path));
    PL_TRY(const std::string prefix, os::readFrom(path, 0, 8));
    if (prefix.size() < 8)
        return corrupt(fmt::format("it has {} bytes, fewer than its length field", size));
    uint64_t length = 0;
    for (size_t i = 8; i-- > 0;)
        length = length << 8 | static_cast<unsigned char>(prefix[i]);
    if (length > kMostHeader || length > size - 8)
        return corrupt(fmt::format("its header claims {} bytes of a file of {}", length, size));
    PL_TRY(const std::string text, os::readFrom(path, 8, static_cast<size_t>(length)));
    const auto header = parseJson(text, "its header", {.maxBytes = kMostHeader, .maxDepth = 8});
    if (!header)
        return corrupt(header.error().message);
    if (!header->is_object())
        return corrupt("its header is not an object");
    uint64_t last = 0;
    bool any = false;
    for (const auto& [name, value] : header->items()) {
        if (name == "__metadata__")
            continue;
        const Json offsets =
            value.is_object() && value.contains("data_offsets") ? value["data_offsets"] : Json();
        if (!offsets.is_array() || offsets.size() != 2 || !offsets[1].is_number_unsigned())
            return corrupt("a tensor has no data_offsets");
        last = std::max(last, offsets[1].get<uint64_t>());
        any = true;
    }
    if (!any)
        return corrupt("it holds no tensor");
    if (const uint64_t data = size - 8 - length; last != data)
        return corrupt(fmt::format("its tensors need {} bytes of data, it has {}", last, data));
    return {};
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

bool isImageModelDir(const std::string& dir) {
    const auto config = readJsonFile(os::joinPath(dir, "config.json"));
    return config && config->is_object() && config->contains("model_type") && (*config)["model_type"].is_string() &&
           (*config)["model_type"].get_ref<const std::string&>().rfind(kImageType, 0) == 0;
}

Result<std::vector<ModelChoice>> modelChoices(Project& project) {
    std::vector<ModelChoice> choices;
    if (auto names = os::listDir(project.modelsDir()))
        for (const std::string& name : *names) {
            const std::string dir = os::joinPath(project.modelsDir(), name);
            if (shared::looksLikeModel(dir))
                choices.push_back({name, name, dir, shared::isRewardModelDir(dir), 0, -1, isImageModelDir(dir)});
        }
    // The starting point first, whatever the alphabet says.
    std::stable_partition(choices.begin(), choices.end(), [](const ModelChoice& c) { return c.text == "start"; });
    PL_TRY(auto runs, project.runs());
    for (const RunRow& run : runs) {
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
                                   fmt::format("{} step {}{}", run.name, step, path == best ? " (best)" : ""), folder,
                                   shared::isRewardModelDir(folder), run.id, step,
                                   isImageModelDir(folder)});
        }
    }
    return choices;
}

Result<ModelSpec> resolveModel(Project& project, const std::string& text, const std::string& role) {
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
    } else {
        return fail(Code::NotFound, fmt::format("there is no model '{}'", text),
                    "Name one of `pairlab-cli models list`: start, run:ID, run:ID@STEP, or a folder.");
    }
    PL_TRY(spec.hash, modelHash(spec.path));
    return spec;
}

Status exportModel(Project& project, const std::string& model, const std::string& toDir) {
    PL_TRY(ModelSpec spec, resolveModel(project, model, "model"));
    if (os::exists(toDir))
        return fail(Code::InvalidInput, fmt::format("{} exists already", toDir), "Choose a folder that does not exist.");
    PL_CHECK(os::makeDirs(toDir));
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                             "generation_config.json", "chat_template.jinja", "card.json"}) {
        const std::string from = os::joinPath(spec.path, file);
        if (!os::exists(from))
            continue;
        if (auto copied = os::copyFile(from, os::joinPath(toDir, file)); !copied) {
            (void)os::removeTree(toDir);
            return copied;
        }
    }
    return {};
}

Result<std::string> addModel(Project& project, const std::string& path, const std::string& name) {
    const std::string configPath = os::joinPath(path, "config.json");
    std::string type;
    if (os::exists(configPath)) {
        PL_TRY(const Json config, readJsonFile(configPath));
        PL_TRY(type, field<std::string>(config, "model_type", configPath));
    }
    const bool image = type.rfind(kImageType, 0) == 0;
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
        if (image && std::string_view(file) == "tokenizer.json")
            continue; // their captions are read by the program
        if (!os::exists(os::joinPath(path, file)))
            return fail(Code::NotFound, fmt::format("{} is not a model folder: it has no {}", path, file),
                        "PairLab reads Hugging Face folders with config.json, model.safetensors and tokenizer.json, and its "
                        "own image models.");
    }
    if (type != "llama" && !image)
        return fail(Code::Unsupported, fmt::format("{}: model_type '{}' is not supported yet", path, type),
                    "Models of type llama and pairlab_image_* are.");
    const std::string as = name.empty() ? os::baseName(os::absolutePath(path)) : name;
    if (!usableName(as))
        return fail(
            Code::InvalidInput, fmt::format("'{}' cannot be a model's name", as),
            "Give a --name of letters, digits, '.', '_' and '-' that begins with a letter, a digit or '_'.");
    const std::string target = os::joinPath(project.modelsDir(), as);
    if (os::exists(target))
        return fail(Code::InvalidInput, fmt::format("the project already has a model '{}'", as),
                    "Give another --name.");
    PL_CHECK(checkWeights(os::joinPath(path, "model.safetensors")));
    if (!image) {
        PL_TRY(const text::Tokenizer tokenizer, text::Tokenizer::load(path));
        PL_CHECK(text::ChatTemplate::load(path, tokenizer));
    }
    PL_CHECK(os::makeDirs(target));
    PL_TRY(auto files, os::listDir(path));
    for (const std::string& file : files) {
        const bool wanted = file == "config.json" || file == "tokenizer.json" ||
                            file == "tokenizer_config.json" || file == "generation_config.json" ||
                            file == "chat_template.jinja" || file == "README.md" ||
                            file == "model.safetensors" || file == "card.json";
        if (!wanted)
            continue;
        if (auto copied = os::copyFile(os::joinPath(path, file), os::joinPath(target, file)); !copied) {
            (void)os::removeTree(target); // half a model helps nobody
            return tl::unexpected<Error>(std::move(copied).error());
        }
    }
    return as;
}

} // namespace pl::desk
