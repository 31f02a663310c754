// SPDX-License-Identifier: Apache-2.0
#include <set>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/json.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/learn/models/decoder.h"
#include "core/learn/models/low_rank.h"

namespace pl::learn {

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
    LoadedModel loaded;
    loaded.dir = dir;
    PL_TRY(loaded.config, readModelConfig(dir));
    const ModelConfig& config = loaded.config;
    const bool newHead = wantRewardHead && !config.rewardHead;
    loaded.config.rewardHead |= wantRewardHead;
    PL_TRY(const auto parts, checkWeights(dir, config, !newHead));
    std::set<std::string> files;
    for (const auto& [name, part] : parts)
        files.insert(part.file);
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
        for (const std::string& file : files)
            PL_CHECK(forEachTensor(file, [&](const std::string& name, const torch::Tensor& tensor) -> Status {
                const std::string full = config.fullName(name);
                auto* parameter = parameters.find(full);
                if (full == "lm_head.weight" && !parameter && config.tiedEmbeddings)
                    spareHead = tensor.to(torch::kFloat32);
                if (!parameter)
                    return {};
                // The headers were read before: the file may have been replaced since.
                if (tensor.sizes() != parameter->sizes())
                    return fail(Code::Corrupt, fmt::format("{} changed while it was read", file), "Load it again.");
                parameter->copy_(tensor);
                if (!torch::isfinite(*parameter).all().item<bool>())
                    return fail(Code::Corrupt, fmt::format("{}: tensor '{}' holds numbers that are not finite", file, name),
                                "Choose an earlier checkpoint.");
                return {};
            }));
        if (spareHead.defined() && !torch::equal(spareHead, loaded.model->inputEmbedding()))
            return fail(Code::Corrupt,
                        fmt::format("{}: config.json ties the embeddings, but lm_head.weight differs from them", dir),
                        "Set tie_word_embeddings to false if the head is the model's own.");
        if (newHead && !parts.count("score.weight")) {
            auto generator = at::detail::createCPUGenerator(headSeed);
            auto* score = parameters.find("score.weight");
            score->copy_(torch::randn(score->sizes(), generator).mul_(0.02));
        }
        if (const std::string adapter = os::joinPath(dir, kAppliedAdapter); os::isDir(adapter)) {
            std::vector<bool> trained;
            for (const auto& parameter : loaded.model->parameters())
                trained.push_back(parameter.requires_grad());
            PL_TRY(auto adapters, Adapters::open(*loaded.model, loaded.model->adaptable(), adapter));
            adapters.mergeForGood();
            for (size_t i = 0; auto& parameter : loaded.model->parameters())
                parameter.requires_grad_(trained[i++]);
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

Status saveModel(const Decoder& model, const std::string& dir, const std::string& tokenizerDir, const Adapters* adapters) {
    PL_CHECK(os::makeDirs(dir));
    PL_CHECK(streamSafetensors(os::joinPath(dir, "model.safetensors"), savedTensors(*model, adapters)));
    PL_CHECK(os::writeFileAtomic(os::joinPath(dir, "config.json"), dumpJsonPretty(model->config().toJson()) + "\n"));
    if (!tokenizerDir.empty() && os::absolutePath(tokenizerDir) != os::absolutePath(dir))
        for (const char* file : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                 "added_tokens.json", "generation_config.json", "chat_template.jinja"}) {
            const std::string from = os::joinPath(tokenizerDir, file);
            if (os::exists(from)) {
                PL_TRY(const std::string bytes, os::readFile(from));
                PL_CHECK(os::writeFileAtomic(os::joinPath(dir, file), bytes));
            }
        }
    return {};
}

} // namespace pl::learn
