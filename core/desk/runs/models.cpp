// SPDX-License-Identifier: Apache-2.0
// Models of a project: which there are, and those a person brings, which are looked at before anything is copied.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/desk/runs/controls.h"
#include "core/desk/runs/shared.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace pl::desk {

namespace {

constexpr uint64_t kMostHeader = 100'000'000;
constexpr size_t kMostName = 100;
constexpr int64_t kMostLayers = 10'000;
constexpr const char* kImageType = "pairlab_image_"; ///< what the model_type of image models begins with

bool usableName(const std::string& name) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= kMostName && name[0] != '.' && name[0] != '-' &&
           std::all_of(name.begin(), name.end(), plain);
}

/// Bytes an element; 0: not a type of the format.
uint64_t sizeOf(const std::string& dtype) {
    static const std::map<std::string, uint64_t> sizes{{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                       {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
    const auto found = sizes.find(dtype);
    return found == sizes.end() ? 0 : found->second;
}

/// Names of the tensors of a whole file: the desk reads the header only, and the worker looks at each tensor
/// when it loads them.
Result<std::set<std::string>> tensorsOf(const std::string& path) {
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
    const uint64_t data = size - 8 - length;
    std::set<std::string> names;
    std::map<uint64_t, uint64_t> parts; // end by begin
    for (const auto& [name, value] : header->items()) {
        if (name == "__metadata__")
            continue;
        const std::string who = fmt::format("tensor '{}'", name.substr(0, kMostName));
        const auto part = [&](const char* key) { return value.is_object() && value.contains(key) ? value[key] : Json(); };
        const Json offsets = part("data_offsets"), shape = part("shape"), dtype = part("dtype");
        if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
            !offsets[1].is_number_unsigned())
            return corrupt(who + " has no data_offsets");
        const auto begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>();
        uint64_t bytes = dtype.is_string() ? sizeOf(dtype.get<std::string>()) : 0;
        if (bytes == 0)
            return corrupt(who + " has no known type");
        if (!shape.is_array())
            return corrupt(who + " has no shape");
        for (const Json& side : shape)
            if (!side.is_number_unsigned() || __builtin_mul_overflow(bytes, side.get<uint64_t>(), &bytes))
                return corrupt(who + " has an impossible shape");
        if (begin > end || end - begin != bytes)
            return corrupt(fmt::format("{} needs {} bytes, its data_offsets give others", who, bytes));
        if (end > data)
            return corrupt(fmt::format("{} ends at byte {} of its data, it has {}", who, end, data));
        if (bytes > 0 && !parts.emplace(begin, end).second)
            return corrupt(who + " lies over another");
        names.insert(name);
    }
    if (names.empty())
        return corrupt("it holds no tensor");
    uint64_t at = 0;
    for (const auto& [begin, end] : parts) {
        if (begin != at)
            return corrupt(fmt::format("its tensors do not follow each other at byte {}", at));
        at = end;
    }
    if (at != data)
        return corrupt(fmt::format("its tensors need {} bytes of data, it has {}", at, data));
    return names;
}

/// Whether every tensor a Llama of so many layers has is there. Shapes are the worker's to check.
Status checkLlamaTensors(const Json& config, const std::set<std::string>& names, const std::string& dir) {
    const std::string file = os::joinPath(dir, "config.json");
    PL_TRY(const int64_t layers, field<int64_t>(config, "num_hidden_layers", file));
    if (layers < 1 || layers > kMostLayers)
        return fail(Code::Corrupt, fmt::format("{}: num_hidden_layers is {}", file, layers), "Copy or download the file again.");
    std::vector<std::string> missing;
    const auto need = [&](const std::string& name) {
        if (!names.count(name))
            missing.push_back(name);
    };
    need("model.embed_tokens.weight");
    need("model.norm.weight");
    for (int64_t i = 0; i < layers; ++i)
        for (const char* part : {"input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                                 "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
            need(fmt::format("model.layers.{}.{}.weight", i, part));
    if (missing.empty())
        return {};
    return fail(Code::Corrupt,
                fmt::format("{} lacks the tensor {}{}", os::joinPath(dir, "model.safetensors"), missing.front(),
                            missing.size() > 1 ? fmt::format(" and {} more", missing.size() - 1) : ""),
                "Copy or download the whole model again.");
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
                choices.push_back({name, name, dir, shared::isRewardModelDir(dir), 0, -1, isImageModelDir(dir), {}});
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
    const std::string name = runOfCheckpoint(path);
    if (name.empty())
        return std::string();
    PL_TRY(auto runs, allRuns(project));
    const auto controls = controlledRuns(std::move(runs));
    const auto control = controls.find(name);
    return control == controls.end() ? std::string() : control->second;
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

Status checkModelFolder(const std::string& path) {
    const std::string configPath = os::joinPath(path, "config.json");
    std::string type;
    Json config;
    if (os::exists(configPath)) {
        PL_TRY(config, readJsonFile(configPath));
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
    PL_TRY(const auto tensors, tensorsOf(os::joinPath(path, "model.safetensors")));
    if (image)
        return {};
    PL_CHECK(checkLlamaTensors(config, tensors, path));
    PL_TRY(const text::Tokenizer tokenizer, text::Tokenizer::load(path));
    PL_TRY([[maybe_unused]] const auto chat, text::ChatTemplate::load(path, tokenizer));
    return {};
}

Result<std::vector<Error>> checkModels(Project& project) {
    std::vector<Error> problems;
    const auto note = [&](const Status& sound, const char* hint) {
        problems.push_back(sound.error());
        problems.back().hint = hint; // what helps here is known better than where the file was read
    };
    if (auto names = os::listDir(project.modelsDir()))
        for (const std::string& name : *names)
            if (const std::string dir = os::joinPath(project.modelsDir(), name); os::isDir(dir))
                if (auto sound = checkModelFolder(dir); !sound)
                    note(sound, "Remove the folder and add the model again with `pairlab-cli models add`.");
    const auto runs = os::listDir(project.runsDir());
    for (const std::string& run : runs ? *runs : std::vector<std::string>()) {
        const std::string bundle = os::joinPath(project.runsDir(), run), folder = os::joinPath(bundle, "checkpoints");
        const auto names = os::listDir(folder);
        const bool writing = os::FileLock::isHeld(os::joinPath(bundle, "lock"));
        for (const std::string& name : names ? *names : std::vector<std::string>()) {
            const std::string dir = os::joinPath(folder, name);
            if (!os::isDir(dir) || name.rfind("step-", 0) != 0)
                continue;
            Status sound;
            if (auto whole = verifyCheckpoint(dir); !whole) {
                if (writing && whole.error().code == Code::NotFound)
                    continue;
                sound = tl::unexpected<Error>(std::move(whole).error());
            } else if (os::exists(os::joinPath(dir, "config.json"))) {
                sound = checkModelFolder(dir);
                if (!sound && sound.error().code == Code::Unsupported)
                    continue; // whole, and of a kind that its plugin alone knows
            }
            if (!sound)
                note(sound, "Remove the folder and use another checkpoint of the run, or train it again.");
        }
    }
    return problems;
}

Result<std::string> addModel(Project& project, const std::string& path, const std::string& name) {
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
