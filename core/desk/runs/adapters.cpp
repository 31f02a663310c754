// SPDX-License-Identifier: Apache-2.0
// LoRA adapters by themselves: a folder without the model below them, which the project has.
#include <algorithm>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/desk/runs/controls.h"
#include "core/desk/runs/shared.h"

namespace pl::desk::shared {

namespace {

constexpr JsonLimits kConfigLimits{.maxBytes = size_t{1} << 20, .maxDepth = 8};
constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";
constexpr size_t kMostName = 200;

/// What an adapter says of the model it was trained on.
struct Said {
    std::string base, hash; ///< PEFT's base_model_name_or_path and revision, where PairLab puts the model's hash
};

Result<Said> readSaid(const std::string& dir) {
    PL_TRY(const std::string path, modelFile(dir, kConfig));
    PL_TRY(const Json json, readJsonFile(path, kConfigLimits));
    if (!json.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not a JSON object", path));
    PL_TRY(const auto type, field<std::string>(json, "peft_type", path));
    if (type != "LORA")
        return fail(Code::Unsupported, fmt::format("{}: adapters of type '{}' are not supported", path, type.substr(0, kMostName)),
                    "LORA ones are.");
    const auto text = [&](const char* key) {
        const auto at = json.find(key);
        return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    if (text("task_type") == "SEQ_CLS")
        return fail(Code::Unsupported, fmt::format("{} is the adapter of a reward model, which comes with a head of its own", dir),
                    "Merge it with `pairlab-worker merge BASE --adapter FOLDER --out NEW` and add that.");
    return Said{text("base_model_name_or_path"), text("revision")};
}

bool isHash(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// Does `said` name this model: as the project does, by its path, or as "owner/NAME"?
bool names(const std::string& said, const ModelChoice& model) {
    if (said.empty())
        return false;
    if (said == model.text || said == model.label || os::absolutePath(said) == os::absolutePath(model.path))
        return true;
    return model.run == 0 && os::baseName(said) == model.text;
}

Result<ModelChoice> baseOf(Project& project, const std::string& dir, const Said& said) {
    PL_TRY(const auto choices, modelChoices(project));
    const std::string named = said.base.empty() ? "a model it does not name" : fmt::format("'{}'", said.base.substr(0, kMostName));
    bool sameName = false;
    for (const bool byName : {true, false}) // the named one is most likely the one with the hash, and hashing reads every weight
        for (const ModelChoice& model : choices) {
            if (model.image || model.rewardModel || names(said.base, model) != byName)
                continue;
            sameName = sameName || byName;
            if (!isHash(said.hash)) {
                if (byName)
                    return model;
                continue;
            }
            PL_TRY(const std::string hash, modelHash(model.path));
            if (hash == said.hash)
                return model;
        }
    if (sameName)
        return fail(Code::InvalidInput,
                    fmt::format("the adapter in {} was trained on {} with other weights than the project's (its hash begins with {})", dir,
                                named, said.hash.substr(0, 12)),
                    "Add the model it was trained on with `pairlab-cli models add`.");
    return fail(Code::NotFound,
                fmt::format("the adapter in {} was trained on {}{}, which is no language model of this project", dir, named,
                            isHash(said.hash) ? fmt::format(" (its hash begins with {})", said.hash.substr(0, 12)) : ""),
                said.base.empty() ? "Merge it with `pairlab-worker merge BASE --adapter FOLDER --out NEW` and add that."
                                  : fmt::format("Add that model first: `pairlab-cli models add FOLDER --name {}`.",
                                                os::baseName(said.base).substr(0, kMostName)));
}

/// Every matrix of the adapter belongs to a layer of the model and has its width.
Status checkFits(const std::string& dir, const ModelChoice& base) {
    constexpr std::string_view kPrefix = "base_model.model.", kInner = ".lora_A.weight", kOuter = ".lora_B.weight";
    PL_TRY(const ModelConfig config, readModelConfig(base.path));
    PL_TRY(const std::string file, modelFile(dir, kWeights));
    PL_TRY(const auto entries, readSafetensorsEntries(file));
    const auto shapes = config.tensorShapes();
    const bool transposed = config.layout == Layout::Gpt2;
    for (const TensorEntry& entry : entries) {
        const bool inner = entry.name.ends_with(kInner);
        if (!entry.name.starts_with(kPrefix) || (!inner && !entry.name.ends_with(kOuter)))
            return fail(Code::Unsupported, fmt::format("{}: tensor '{}' is no matrix of a low-rank adapter", file, entry.name.substr(0, kMostName)),
                        "Only adapters of linear layers are read.");
        const auto module = entry.name.substr(kPrefix.size(), entry.name.size() - kPrefix.size() - kInner.size());
        const auto layer = shapes.find(module + ".weight");
        const size_t side = inner ? 1 : 0; // [r, in] and [out, r]
        if (layer == shapes.end() || layer->second.size() != 2 || entry.shape.size() != 2 ||
            entry.shape[side] != layer->second[transposed ? 1 - side : side])
            return fail(Code::InvalidInput, fmt::format("{}: tensor '{}' fits no layer of '{}'", file, entry.name.substr(0, kMostName), base.text),
                        "Use the model the adapter was trained on.");
    }
    return entries.empty() ? Status(fail(Code::Corrupt, fmt::format("{} has no tensors", file), "Copy the adapter again.")) : Status();
}

} // namespace

bool isBareAdapter(const std::string& dir) {
    return os::exists(os::joinPath(dir, kConfig)) && !os::exists(os::joinPath(dir, "config.json"));
}

Result<std::string> withItsBase(Project& project, const std::string& dir, const std::string& target) {
    PL_TRY(const Said said, readSaid(dir));
    PL_TRY(const ModelChoice base, baseOf(project, dir, said));
    if (os::exists(os::joinPath(base.path, kAppliedAdapter)))
        return fail(Code::Unsupported, fmt::format("the adapter in {} was trained on '{}', which is an adapter itself", dir, base.text),
                    "Merge that one into its model first: `pairlab-worker merge`.");
    PL_CHECK(checkFits(dir, base));
    PL_TRY(std::vector<std::string> files, weightFileNames(base.path));
    if (files != std::vector<std::string>{"model.safetensors"})
        files.push_back("model.safetensors.index.json");
    for (const std::string& file : modelSideFiles())
        if (os::exists(os::joinPath(base.path, file)))
            files.push_back(file);
    const std::string aside = target + ".partial", into = os::joinPath(aside, kAppliedAdapter);
    const auto fill = [&]() -> Status {
        PL_CHECK(os::removeTree(aside));
        PL_CHECK(os::makeDirs(into));
        for (const std::string& file : files) // models are never written in place
            PL_CHECK(os::linkOrCopy(os::joinPath(base.path, file), os::joinPath(aside, file)));
        for (const char* file : {kConfig, kWeights}) {
            PL_TRY(const std::string source, modelFile(dir, file));
            PL_CHECK(os::copyFile(source, os::joinPath(into, file)));
        }
        PL_CHECK(markControl(aside, base.control));
        return os::renamePath(aside, target);
    };
    if (auto filled = fill(); !filled) {
        (void)os::removeTree(aside);
        return tl::unexpected<Error>(std::move(filled).error());
    }
    return base.text;
}

Result<std::string> cachedWithItsBase(Project& project, const std::string& dir) {
    std::string name = os::absolutePath(dir);
    for (const char* file : {kConfig, kWeights}) {
        PL_TRY(const std::string path, modelFile(dir, file));
        PL_TRY(const std::string hash, sha256File(path));
        name += "\n" + hash;
    }
    const std::string target = os::joinPath(os::joinPath(project.cacheDir(), "adapters"), sha256Hex(name).substr(0, 24));
    if (!os::isDir(target)) {
        PL_CHECK(os::makeDirs(os::parentDir(target)));
        PL_CHECK(withItsBase(project, dir, target));
    }
    return target;
}

} // namespace pl::desk::shared
