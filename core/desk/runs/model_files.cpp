// SPDX-License-Identifier: Apache-2.0
// Whether a model's folder is whole: its files, its tensors by name, shape and value, without the library that runs it.
#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/bundle.h"
#include "core/base/image_model_shapes.h"
#include "core/base/json.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/desk/runs/actions.h"
#include "core/desk/runs/shared.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace pl::desk {

namespace {

constexpr size_t kMostName = 100;
constexpr size_t kChunk = size_t{1} << 20;
constexpr const char* kAgain = "Copy or download the whole model again.";

/// Every tensor that the config of an image model asks for, in its shape, and no other.
Status checkImageTensors(const Json& config, const std::vector<TensorEntry>& entries, const std::string& dir) {
    const std::string file = os::joinPath(dir, "model.safetensors");
    PL_TRY(const auto shapes, imageModelShapes(config, os::joinPath(dir, "config.json")));
    std::map<std::string, std::vector<int64_t>> tensors;
    for (const TensorEntry& entry : entries)
        tensors.emplace(entry.name, entry.shape);
    std::vector<std::string> missing;
    for (const auto& [name, shape] : shapes) {
        const auto found = tensors.find(name);
        if (found == tensors.end())
            missing.push_back(name);
        else if (found->second != shape)
            return fail(Code::Corrupt, fmt::format("{}: tensor {} has the shape [{}], config.json asks for [{}]", file, name,
                                                   fmt::join(found->second, ", "), fmt::join(shape, ", ")),
                        kAgain);
    }
    if (!missing.empty())
        return fail(Code::Corrupt, fmt::format("{} lacks the tensor {}{}", file, missing.front(),
                                               missing.size() > 1 ? fmt::format(" and {} more", missing.size() - 1) : ""),
                    kAgain);
    for (const auto& [name, tensor] : tensors)
        if (!shapes.count(name))
            return fail(Code::Corrupt, fmt::format("{} holds the tensor {}, which config.json does not describe", file,
                                                   name.substr(0, kMostName)),
                        kAgain);
    return {};
}

/// What turns a reward model's number into a score: written with every checkpoint.
Status checkCalibration(const Json& config, const std::string& dir) {
    const std::string file = os::joinPath(dir, "config.json");
    const auto found = config.find("calibration");
    if (found == config.end() || !found->is_object())
        return fail(Code::Corrupt, fmt::format("{} has no calibration of the reward model's scores", file), kAgain);
    PL_TRY(const double mean, field<double>(*found, "mean", file));
    PL_TRY(const double deviation, field<double>(*found, "std", file));
    PL_TRY(const double temperature, field<double>(*found, "temperature", file));
    PL_TRY(const int64_t images, field<int64_t>(*found, "images", file));
    if (!std::isfinite(mean) || !std::isfinite(deviation) || !std::isfinite(temperature) || deviation <= 0 || temperature <= 0)
        return fail(Code::Corrupt, fmt::format("{}: std {} and temperature {} must be above 0", file, deviation, temperature), kAgain);
    if (images < 1)
        return fail(Code::Corrupt, fmt::format("{}: the calibration rests on no image", file), "Train the reward model again.");
    return {};
}

/// Bits of a float type that are all set in infinities and NaN; 0 for another type.
uint64_t exponentOf(const std::string& dtype) {
    return dtype == "F64" ? 0x7ff0'0000'0000'0000 : dtype == "F32" ? 0x7f80'0000 : dtype == "BF16" ? 0x7f80 : dtype == "F16" ? 0x7c00 : 0;
}

/// Reads every weight of a tensor: one that is not finite makes everything the model says NaN.
Status checkFinite(const TensorEntry& tensor, const std::string& path) {
    const uint64_t exponent = exponentOf(tensor.dtype), width = bytesOfDtype(tensor.dtype);
    for (uint64_t at = tensor.begin; exponent != 0 && at < tensor.end;) {
        PL_TRY(const std::string bytes, os::readFrom(path, at, static_cast<size_t>(std::min<uint64_t>(kChunk, tensor.end - at))));
        if (bytes.empty())
            return fail(Code::Io, fmt::format("{} became shorter while it was read", path));
        for (size_t i = 0; i + width <= bytes.size(); i += width) {
            uint64_t bits = 0;
            for (size_t k = width; k-- > 0;)
                bits = bits << 8 | static_cast<unsigned char>(bytes[i + k]);
            if ((bits & exponent) == exponent)
                return fail(Code::Corrupt, fmt::format("{}: tensor {} holds numbers that are not finite", path,
                                                       tensor.name.substr(0, kMostName)),
                            "Use an earlier checkpoint, or copy the model again.");
        }
        at += bytes.size();
    }
    return {};
}

Status checkImageFolder(const Json& config, const std::string& path) {
    PL_TRY(const std::string weights, modelFile(path, "model.safetensors"));
    PL_TRY(const auto tensors, readSafetensorsEntries(weights));
    PL_CHECK(checkImageTensors(config, tensors, path));
    if (shared::isRewardModelDir(path))
        PL_CHECK(checkCalibration(config, path));
    for (const TensorEntry& tensor : tensors)
        PL_CHECK(checkFinite(tensor, weights));
    return {};
}

} // namespace

Status checkModelFolder(const std::string& path) {
    std::string type;
    Json config;
    if (os::exists(os::joinPath(path, "config.json"))) {
        PL_TRY(const std::string configPath, modelFile(path, "config.json"));
        PL_TRY(config, readJsonFile(configPath));
        PL_TRY(type, field<std::string>(config, "model_type", configPath));
    }
    const bool image = type.rfind(shared::kImageType, 0) == 0;
    const auto lacks = [&](const char* file) {
        return fail(Code::NotFound, fmt::format("{} is not a model folder: it has no {}", path, file),
                    "PairLab reads Hugging Face folders with config.json, model.safetensors (or its shards and their index) and "
                    "tokenizer.json, and its own image models.");
    };
    if (type.empty())
        return lacks("config.json");
    if (image)
        return os::exists(os::joinPath(path, "model.safetensors")) ? checkImageFolder(config, path) : lacks("model.safetensors");
    PL_TRY(const ModelConfig model, readModelConfig(path));
    PL_TRY(const auto weights, checkWeights(path, model));
    for (const auto& [name, part] : weights)
        PL_CHECK(checkFinite(part.entry, part.file));
    if (!os::exists(os::joinPath(path, "tokenizer.json"))) // captions of image models are read by the program
        return lacks("tokenizer.json");
    for (const std::string& file : modelSideFiles())
        if (os::exists(os::joinPath(path, file)))
            PL_CHECK(modelFile(path, file));
    PL_TRY(const text::Tokenizer tokenizer, text::Tokenizer::load(path));
    PL_TRY([[maybe_unused]] const auto chat, text::ChatTemplate::load(path, tokenizer));
    PL_TRY([[maybe_unused]] const auto stops, stopTokenIds(path));
    if (tokenizer.vocabSize() > model.vocabSize)
        return fail(Code::Corrupt, fmt::format("{}: the tokenizer knows {} ids, the model {}", path, tokenizer.vocabSize(), model.vocabSize),
                    "Take model and tokenizer from the same place.");
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

} // namespace pl::desk
