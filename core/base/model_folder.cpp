// SPDX-License-Identifier: Apache-2.0
#include "core/base/model_folder.h"

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/os/files.h"

namespace pl {
namespace {

constexpr JsonLimits kConfigLimits{.maxBytes = size_t{4} << 20, .maxDepth = 16};
constexpr JsonLimits kIndexLimits{.maxBytes = size_t{32} << 20, .maxDepth = 4};
constexpr size_t kMostFiles = 10'000, kMostStops = 256;
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kLayoutHint = "Choose a folder in Hugging Face layout.";
constexpr const char* kAgain = "Copy or download the model again.";

/// One component of a path: no way out of the folder.
bool isFileName(const std::string& name) {
    return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= 0x20 && c != '/' && c != '\\' && c != 0x7f; });
}

/// May a link of the folder lead to `target`? Both are canonical.
bool mayLinkTo(const std::string& folder, const std::string& target) {
    const std::string in = os::parentDir(target), snapshots = os::parentDir(folder);
    return in == folder ||
           (os::baseName(snapshots) == "snapshots" && in == os::joinPath(os::parentDir(snapshots), "blobs"));
}

std::string shapeText(const std::vector<int64_t>& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string some(std::vector<std::string> names) {
    const size_t count = names.size();
    names.resize(std::min<size_t>(count, 5));
    return fmt::format("{}{}", fmt::join(names, ", "), count > 5 ? fmt::format(" and {} more", count - 5) : "");
}

} // namespace

Result<std::string> modelFile(const std::string& dir, const std::string& name) {
    const std::string path = os::joinPath(dir, name);
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("{} has no {}", dir, name), kLayoutHint);
    PL_TRY(const std::string folder, os::canonicalPath(dir));
    PL_TRY(const std::string target, os::canonicalPath(path));
    if (!mayLinkTo(folder, target))
        return fail(Code::Unsupported, fmt::format("{} is a link that leaves the model's folder", path),
                    "Put the file itself there. Only the links of the Hugging Face cache are followed.");
    if (!os::isRegularFile(target))
        return fail(Code::InvalidInput, fmt::format("{} is no file", path), kAgain);
    return path;
}

bool hasWeights(const std::string& dir) {
    return os::exists(os::joinPath(dir, kSingle)) || os::exists(os::joinPath(dir, kIndex));
}

const std::vector<std::string>& modelSideFiles() {
    static const std::vector<std::string> names{"config.json",         "tokenizer.json",      "tokenizer_config.json",
                                                "special_tokens_map.json", "added_tokens.json", "generation_config.json",
                                                "chat_template.jinja", "README.md",           "card.json"};
    return names;
}

Result<std::vector<std::string>> weightFileNames(const std::string& dir) {
    if (os::exists(os::joinPath(dir, kSingle)))
        return std::vector<std::string>{kSingle};
    if (!os::exists(os::joinPath(dir, kIndex))) {
        for (const char* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt"})
            if (os::exists(os::joinPath(dir, pickle)))
                return fail(Code::Unsupported,
                            fmt::format("{} holds its weights as Python pickle ({}), which is not opened", dir, pickle),
                            "Save the model with safetensors.");
        return fail(Code::NotFound, fmt::format("{} has no {}", dir, kSingle), kLayoutHint);
    }
    PL_TRY(const std::string index, modelFile(dir, kIndex));
    PL_TRY(const Json json, readJsonFile(index, kIndexLimits));
    if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() || json["weight_map"].empty())
        return fail(Code::Corrupt, fmt::format("{} has no weight_map", index), kAgain);
    std::set<std::string> names;
    for (const auto& [tensor, file] : json["weight_map"].items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : "";
        if (!isFileName(name) || !name.ends_with(".safetensors"))
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' names no file of this folder", index, tensor.substr(0, 100)),
                        kAgain);
        names.insert(name);
        if (names.size() > kMostFiles)
            return fail(Code::Corrupt, fmt::format("{} names more than {} files", index, kMostFiles), kAgain);
    }
    return std::vector<std::string>(names.begin(), names.end());
}

Result<ModelConfig> readModelConfig(const std::string& dir) {
    PL_TRY(const std::string path, modelFile(dir, "config.json"));
    auto config = readJsonFile(path, kConfigLimits).and_then([&](const Json& json) { return ModelConfig::fromJson(json, path); });
    if (!config && config.error().hint.empty())
        config.error().hint = kAgain;
    return config;
}

Result<std::vector<int64_t>> stopTokenIds(const std::string& dir) {
    std::vector<int64_t> out;
    int64_t vocab = std::numeric_limits<int64_t>::max();
    if (os::exists(os::joinPath(dir, "config.json"))) {
        PL_TRY(const ModelConfig config, readModelConfig(dir));
        vocab = config.vocabSize;
        out = config.eosTokenIds;
    }
    if (os::exists(os::joinPath(dir, "generation_config.json"))) {
        PL_TRY(const std::string path, modelFile(dir, "generation_config.json"));
        PL_TRY(const Json json, readJsonFile(path, kConfigLimits));
        if (!json.is_object())
            return fail(Code::Corrupt, fmt::format("{} is not a JSON object", path), kAgain);
        const Json eos = json.value("eos_token_id", Json());
        const Json list = eos.is_null() ? Json::array() : eos.is_array() ? eos : Json::array({eos});
        if (list.size() > kMostStops)
            return fail(Code::Corrupt, fmt::format("{}: eos_token_id lists {} tokens, more than {}", path, list.size(), kMostStops), kAgain);
        for (const Json& id : list) {
            if (!id.is_number_integer() || id < Json(0) || id >= Json(vocab))
                return fail(Code::Corrupt, fmt::format("{}: eos_token_id {} is not a token id below {}", path, dumpJson(id).substr(0, 60), vocab),
                            "Take config.json and generation_config.json from the same place.");
            out.push_back(id.get<int64_t>());
        }
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

Result<std::map<std::string, WeightPart>> checkWeights(const std::string& dir, const ModelConfig& config, bool needScore) {
    const auto shapes = config.tensorShapes();
    std::map<std::string, WeightPart> out;
    std::vector<std::string> leftovers, missing;
    PL_TRY(const auto names, weightFileNames(dir));
    for (const std::string& name : names) {
        PL_TRY(const std::string file, modelFile(dir, name));
        PL_TRY(auto entries, readSafetensorsEntries(file));
        for (TensorEntry& entry : entries) {
            const std::string full = config.fullName(entry.name);
            const auto wanted = shapes.find(full);
            const bool spareHead = full == "lm_head.weight" && (config.tiedEmbeddings || !needScore);
            if (wanted == shapes.end() && config.isBuffer(entry.name))
                continue;
            if (wanted == shapes.end() && !spareHead) {
                leftovers.push_back(entry.name);
                continue;
            }
            const std::vector<int64_t> shape =
                wanted != shapes.end() ? wanted->second : std::vector<int64_t>{config.vocabSize, config.hiddenSize};
            if (entry.shape != shape)
                return fail(Code::Corrupt,
                            fmt::format("{}: tensor '{}' has the shape {}, config.json asks for {}", file, entry.name,
                                        shapeText(entry.shape), shapeText(shape)),
                            "Take config.json and weights from the same place.");
            if (!isFloatDtype(entry.dtype))
                return fail(Code::Unsupported, fmt::format("{}: tensor '{}' is {}, not a floating-point type", file, entry.name,
                                                           entry.dtype),
                            "Convert the weights to F32, F16 or BF16.");
            if (!out.emplace(full, WeightPart{file, std::move(entry)}).second)
                return fail(Code::Corrupt, fmt::format("tensor '{}' of {} is there twice", full, dir),
                            "Remove files that do not belong to the model.");
        }
    }
    for (const auto& [name, shape] : shapes)
        if (!out.count(name) && (needScore || name != "score.weight"))
            missing.push_back(name);
    if (!missing.empty())
        return fail(Code::Corrupt,
                    fmt::format("{} lacks the tensors {}", names.size() == 1 ? os::joinPath(dir, names[0]) : dir, some(missing)), kAgain);
    if (!leftovers.empty())
        return fail(Code::Unsupported,
                    fmt::format("{} holds tensors that config.json does not describe: {}", dir, some(leftovers)),
                    "Use a model without adapters or extra heads.");
    return out;
}

} // namespace pl
