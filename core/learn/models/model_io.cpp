// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <set>

#include <fmt/ranges.h>

#include "core/base/bundle.h"
#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/learn/models/decoder.h"

namespace pl::learn {
namespace {

constexpr JsonLimits kConfigLimits{.maxBytes = size_t{64} << 20, .maxDepth = 16};

/// The weight files of a folder: model.safetensors, or those its index names.
Result<std::vector<std::string>> weightFiles(const std::string& dir) {
    const std::string single = os::joinPath(dir, "model.safetensors");
    const std::string index = os::joinPath(dir, "model.safetensors.index.json");
    if (os::exists(single))
        return std::vector<std::string>{single};
    if (!os::exists(index)) {
        for (const char* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt"})
            if (os::exists(os::joinPath(dir, pickle)))
                return fail(Code::Unsupported, fmt::format("{} holds its weights as Python pickle ({}), which is not opened",
                                                           dir, pickle),
                            "Save the model with safetensors.");
        return fail(Code::NotFound, fmt::format("{} has no model.safetensors", dir), "Choose a folder in Hugging Face layout.");
    }
    PL_TRY(const Json json, readJsonFile(index, kConfigLimits));
    if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
        return fail(Code::Corrupt, fmt::format("{} has no weight_map", index));
    std::set<std::string> names;
    for (const auto& [tensor, file] : json["weight_map"].items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : "";
        if (name.empty() || name.find('/') != std::string::npos || name.find('\\') != std::string::npos ||
            name.find('\0') != std::string::npos || !name.ends_with(".safetensors"))
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' names no file of this folder", index, tensor));
        names.insert(name);
    }
    std::vector<std::string> paths;
    for (const std::string& name : names)
        paths.push_back(os::joinPath(dir, name));
    return paths;
}

std::string shapeText(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

/// Known buffers of older files that carry no information.
bool ignorable(const std::string& name) { return name.ends_with(".rotary_emb.inv_freq"); }

/// Checks names and shapes by the headers alone, before a byte of weights is allocated.
Status checkHeaders(const std::string& dir, const std::vector<std::string>& files, const ModelConfig& config,
                    bool headOptional, std::map<std::string, std::string>& fileOf) {
    std::map<std::string, std::vector<int64_t>> expected;
    const auto& c = config;
    const int64_t q = c.heads * c.headDim, kv = c.kvHeads * c.headDim;
    const auto add = [&](const std::string& name, int64_t out, int64_t in, bool bias) {
        expected[name + ".weight"] = {out, in};
        if (bias)
            expected[name + ".bias"] = {out};
    };
    expected["model.embed_tokens.weight"] = {c.vocabSize, c.hiddenSize};
    expected["model.norm.weight"] = {c.hiddenSize};
    for (int64_t i = 0; i < c.layers; ++i) {
        const std::string p = fmt::format("model.layers.{}.", i);
        add(p + "self_attn.q_proj", q, c.hiddenSize, c.attentionBias);
        add(p + "self_attn.k_proj", kv, c.hiddenSize, c.attentionBias);
        add(p + "self_attn.v_proj", kv, c.hiddenSize, c.attentionBias);
        add(p + "self_attn.o_proj", c.hiddenSize, q, c.attentionBias);
        add(p + "mlp.gate_proj", c.intermediateSize, c.hiddenSize, c.mlpBias);
        add(p + "mlp.up_proj", c.intermediateSize, c.hiddenSize, c.mlpBias);
        add(p + "mlp.down_proj", c.hiddenSize, c.intermediateSize, c.mlpBias);
        expected[p + "input_layernorm.weight"] = {c.hiddenSize};
        expected[p + "post_attention_layernorm.weight"] = {c.hiddenSize};
    }
    if (c.rewardHead)
        expected["score.weight"] = {1, c.hiddenSize};
    else if (!c.tiedEmbeddings)
        expected["lm_head.weight"] = {c.vocabSize, c.hiddenSize};

    std::vector<std::string> leftovers, missing;
    for (const std::string& file : files) {
        PL_TRY(const auto header, readSafetensorsHeader(file));
        for (const auto& [name, info] : header) {
            if (fileOf.count(name))
                return fail(Code::Corrupt, fmt::format("tensor '{}' of {} stands in two files", name, dir));
            const auto found = expected.find(name);
            const bool spareHead = name == "lm_head.weight" && (c.tiedEmbeddings || headOptional);
            if (found == expected.end() && !ignorable(name) && !spareHead) {
                leftovers.push_back(name);
                continue;
            }
            if (found != expected.end()) {
                if (info.shape != found->second)
                    return fail(Code::Corrupt,
                                fmt::format("{}: tensor '{}' has the shape {}, config.json asks for {}", file, name,
                                            shapeText(info.shape), shapeText(found->second)));
                if (info.dtype != "F32" && info.dtype != "F16" && info.dtype != "BF16" && info.dtype != "F64")
                    return fail(Code::Unsupported, fmt::format("{}: tensor '{}' is {}, not a floating-point type", file,
                                                               name, info.dtype));
                fileOf[name] = file;
            }
        }
    }
    for (const auto& [name, shape] : expected)
        if (!fileOf.count(name) && !(headOptional && name == "score.weight"))
            missing.push_back(name);
    const auto some = [](std::vector<std::string> names) {
        const size_t count = names.size();
        names.resize(std::min<size_t>(count, 5));
        return fmt::format("{}{}", fmt::join(names, ", "), count > 5 ? fmt::format(" and {} more", count - 5) : "");
    };
    if (!missing.empty())
        return fail(Code::Corrupt, fmt::format("{} lacks the tensors {}", dir, some(missing)));
    if (!leftovers.empty())
        return fail(Code::Unsupported,
                    fmt::format("{} holds tensors that config.json does not describe: {}", dir, some(leftovers)),
                    "Use a model without adapters or extra heads.");
    return {};
}

} // namespace

Result<torch::Device> parseDevice(const std::string& name) {
    if (name == "cpu")
        return torch::Device(torch::kCPU);
    if (name == "cuda" || name.starts_with("cuda:")) {
        int64_t index = 0;
        if (name.size() > 5) {
            const std::string digits = name.substr(5);
            if (digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
                return fail(Code::InvalidInput, fmt::format("'{}' is not a device", name), "Use cpu, cuda or cuda:N.");
            index = std::stoi(digits);
        } else if (name == "cuda:") {
            return fail(Code::InvalidInput, "'cuda:' is not a device", "Use cpu, cuda or cuda:N.");
        }
        const int64_t count = torch::cuda::is_available() ? static_cast<int64_t>(torch::cuda::device_count()) : 0;
        if (index >= count)
            return fail(Code::Unsupported,
                        count == 0 ? fmt::format("the device '{}' is not there: this libtorch sees no CUDA device", name)
                                   : fmt::format("the device '{}' is not there: there are {} CUDA devices", name, count),
                        "Choose the device cpu, or install the CUDA build and its driver.");
        return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
    }
    return fail(Code::InvalidInput, fmt::format("'{}' is not a device", name), "Use cpu, cuda or cuda:N.");
}

Result<LoadedModel> loadModel(const std::string& dir, const torch::Device& device, bool wantRewardHead, uint64_t headSeed) {
    const std::string configPath = os::joinPath(dir, "config.json");
    if (!os::exists(configPath))
        return fail(Code::NotFound, fmt::format("{} has no config.json", dir), "Choose a folder in Hugging Face layout.");
    PL_TRY(const Json json, readJsonFile(configPath, kConfigLimits));
    LoadedModel loaded;
    loaded.dir = dir;
    auto config = ModelConfig::fromJson(json, configPath);
    if (!config) {
        if (config.error().hint.empty())
            config.error().hint = "Copy or download the model folder again.";
        return tl::unexpected<Error>(std::move(config).error());
    }
    loaded.config = std::move(*config);
    const bool newHead = wantRewardHead && !loaded.config.rewardHead;
    loaded.config.rewardHead |= wantRewardHead;
    PL_TRY(const auto files, weightFiles(dir));
    std::map<std::string, std::string> fileOf;
    PL_CHECK(checkHeaders(dir, files, loaded.config, newHead, fileOf));
    const uint64_t bytes = static_cast<uint64_t>(loaded.config.parameterCount()) * 4;
    if (const uint64_t free = os::availableMemory(); free != 0 && bytes + bytes / 4 > free)
        return fail(Code::OutOfMemory, fmt::format("{} needs {} MB, {} MB are free", dir, bytes >> 20, free >> 20),
                    "Close other programs or choose a smaller model.");
    PL_TRY(loaded.hash, modelHash(dir));
    try {
        torch::NoGradGuard noGrad;
        loaded.model = Decoder(loaded.config);
        auto parameters = loaded.model->named_parameters();
        torch::Tensor spareHead;
        for (const std::string& file : files) {
            PL_TRY(TensorMap tensors, readSafetensors(file));
            for (auto& [name, tensor] : tensors) {
                auto* parameter = parameters.find(name);
                if (name == "lm_head.weight" && !parameter && loaded.config.tiedEmbeddings)
                    spareHead = tensor.to(torch::kFloat32);
                if (!parameter)
                    continue;
                // The headers were read before: the file may have been replaced since.
                if (tensor.sizes() != parameter->sizes())
                    return fail(Code::Corrupt, fmt::format("{} changed while it was read", file));
                parameter->copy_(tensor);
                if (!torch::isfinite(*parameter).all().item<bool>())
                    return fail(Code::Corrupt, fmt::format("{}: tensor '{}' holds numbers that are not finite", file, name),
                                "Choose an earlier checkpoint.");
            }
        }
        if (spareHead.defined() && !torch::equal(spareHead, *parameters.find("model.embed_tokens.weight")))
            return fail(Code::Corrupt, fmt::format("{}: config.json ties the embeddings, but lm_head.weight differs from them",
                                                   dir));
        if (newHead && !fileOf.count("score.weight")) {
            auto generator = at::detail::createCPUGenerator(headSeed);
            auto* score = parameters.find("score.weight");
            score->copy_(torch::randn(score->sizes(), generator).mul_(0.02));
        }
        loaded.model->to(device);
        loaded.model->eval();
    } catch (const std::bad_alloc&) {
        return fail(Code::OutOfMemory, fmt::format("not enough memory for {}", dir));
    } catch (const c10::Error& e) {
        const std::string text = e.what_without_backtrace();
        return fail(text.find("memory") != std::string::npos ? Code::OutOfMemory : Code::Internal,
                    fmt::format("{} could not be loaded: {}", dir, text));
    }
    return loaded;
}

Status saveModel(Decoder& model, const std::string& dir, const std::string& tokenizerDir) {
    PL_CHECK(os::makeDirs(dir));
    TensorMap tensors;
    for (const auto& item : model->named_parameters())
        tensors[item.key()] = item.value().detach();
    const ModelConfig& config = model->config();
    PL_CHECK(writeSafetensors(os::joinPath(dir, "model.safetensors"), tensors));
    PL_CHECK(os::writeFileAtomic(os::joinPath(dir, "config.json"), dumpJsonPretty(config.toJson()) + "\n"));
    if (!tokenizerDir.empty() && os::absolutePath(tokenizerDir) != os::absolutePath(dir))
        for (const char* file : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                 "generation_config.json", "chat_template.jinja"}) {
            const std::string from = os::joinPath(tokenizerDir, file);
            if (os::exists(from)) {
                PL_TRY(const std::string bytes, os::readFile(from));
                PL_CHECK(os::writeFileAtomic(os::joinPath(dir, file), bytes));
            }
        }
    return {};
}

} // namespace pl::learn
