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
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/desk/runs/actions.h"
#include "core/desk/runs/shared.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace pl::desk {

namespace {

constexpr uint64_t kMostHeader = 100'000'000;
constexpr size_t kMostName = 100;
constexpr int64_t kMostLayers = 10'000;
constexpr size_t kChunk = size_t{1} << 20;
constexpr const char* kAgain = "Copy or download the whole model again.";

struct TensorPart {
    std::string dtype;
    std::vector<int64_t> shape;
    uint64_t begin = 0, end = 0; ///< bytes of the file
};
using Tensors = std::map<std::string, TensorPart>;

/// Bytes an element; 0: not a type of the format.
uint64_t sizeOf(const std::string& dtype) {
    static const std::map<std::string, uint64_t> sizes{{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                       {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
    const auto found = sizes.find(dtype);
    return found == sizes.end() ? 0 : found->second;
}

/// The tensors of a whole file by its header.
Result<Tensors> tensorsOf(const std::string& path) {
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
    Tensors tensors;
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
        TensorPart tensor{dtype.get<std::string>(), {}, 8 + length + begin, 8 + length + end};
        for (const Json& side : shape) {
            if (!side.is_number_unsigned() || __builtin_mul_overflow(bytes, side.get<uint64_t>(), &bytes))
                return corrupt(who + " has an impossible shape");
            tensor.shape.push_back(side.get<int64_t>());
        }
        if (begin > end || end - begin != bytes)
            return corrupt(fmt::format("{} needs {} bytes, its data_offsets give others", who, bytes));
        if (end > data)
            return corrupt(fmt::format("{} ends at byte {} of its data, it has {}", who, end, data));
        if (bytes > 0 && !parts.emplace(begin, end).second)
            return corrupt(who + " lies over another");
        tensors.emplace(name, std::move(tensor));
    }
    if (tensors.empty())
        return corrupt("it holds no tensor");
    uint64_t at = 0;
    for (const auto& [begin, end] : parts) {
        if (begin != at)
            return corrupt(fmt::format("its tensors do not follow each other at byte {}", at));
        at = end;
    }
    if (at != data)
        return corrupt(fmt::format("its tensors need {} bytes of data, it has {}", at, data));
    return tensors;
}

/// Whether every tensor a Llama of so many layers has is there.
Status checkLlamaTensors(const Json& config, const Tensors& names, const std::string& dir) {
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
                kAgain);
}

/// Every tensor that the config of an image model asks for, in its shape, and no other.
Status checkImageTensors(const Json& config, const Tensors& tensors, const std::string& dir) {
    const std::string file = os::joinPath(dir, "model.safetensors");
    PL_TRY(const auto shapes, imageModelShapes(config, os::joinPath(dir, "config.json")));
    std::vector<std::string> missing;
    for (const auto& [name, shape] : shapes) {
        const auto found = tensors.find(name);
        if (found == tensors.end())
            missing.push_back(name);
        else if (found->second.shape != shape)
            return fail(Code::Corrupt, fmt::format("{}: tensor {} has the shape [{}], config.json asks for [{}]", file, name,
                                                   fmt::join(found->second.shape, ", "), fmt::join(shape, ", ")),
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

/// Reads every weight: one that is not finite makes everything the model says NaN.
Status checkFinite(const Tensors& tensors, const std::string& path) {
    for (const auto& [name, tensor] : tensors) {
        const uint64_t exponent = exponentOf(tensor.dtype), width = sizeOf(tensor.dtype);
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
                                                           name.substr(0, kMostName)),
                                "Use an earlier checkpoint, or copy the model again.");
            }
            at += bytes.size();
        }
    }
    return {};
}

} // namespace

Status checkModelFolder(const std::string& path) {
    const std::string configPath = os::joinPath(path, "config.json");
    std::string type;
    Json config;
    if (os::exists(configPath)) {
        PL_TRY(config, readJsonFile(configPath));
        PL_TRY(type, field<std::string>(config, "model_type", configPath));
    }
    const bool image = type.rfind(shared::kImageType, 0) == 0;
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
    const std::string weights = os::joinPath(path, "model.safetensors");
    PL_TRY(const auto tensors, tensorsOf(weights));
    if (image) {
        PL_CHECK(checkImageTensors(config, tensors, path));
        if (shared::isRewardModelDir(path))
            PL_CHECK(checkCalibration(config, path));
        return checkFinite(tensors, weights);
    }
    PL_CHECK(checkLlamaTensors(config, tensors, path));
    PL_CHECK(checkFinite(tensors, weights));
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

} // namespace pl::desk
