// SPDX-License-Identifier: Apache-2.0
#include "app/worker/model_tools.h"

#include <algorithm>
#include <cmath>
#include <iostream>

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include "app/worker/precision.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/learn/models/decoder.h"
#include "core/learn/sampling/sampler.h"
#include "core/learn/training/text_data.h"
#include "pairlab_build_tag.h"

namespace pl::worker {
namespace {

using learn::TokenBatch;

Result<std::vector<int64_t>> idsOf(const Json& row, const learn::ModelConfig& config, const std::string& where) {
    const Json& list = row.is_array() ? row : row.is_object() && row.contains("ids") ? row["ids"] : Json();
    if (!list.is_array() || list.empty())
        return fail(Code::InvalidInput, fmt::format("{}: expected a list of token ids", where));
    if (static_cast<int64_t>(list.size()) > config.maxPositions)
        return fail(Code::InvalidInput, fmt::format("{}: {} tokens, the model takes {}", where, list.size(), config.maxPositions));
    std::vector<int64_t> ids;
    for (const Json& item : list) {
        if (!item.is_number_integer() || item.get<int64_t>() < 0 || item.get<int64_t>() >= config.vocabSize)
            return fail(Code::InvalidInput, fmt::format("{}: {} is not a token id below {}", where, dumpJson(item), config.vocabSize));
        ids.push_back(item.get<int64_t>());
    }
    return ids;
}

std::vector<float> floats(const torch::Tensor& tensor) {
    const auto flat = tensor.to(torch::kCPU, torch::kFloat32).contiguous();
    return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

Json numbers(const std::vector<float>& values, double* sum = nullptr) {
    Json list = Json::array();
    for (const float value : values) {
        list.push_back(jsonNumber(static_cast<double>(value)));
        if (sum)
            *sum += static_cast<double>(value);
    }
    return list;
}

Result<learn::LoadedModel> open(const ToolOptions& options, bool rewardHead = false) {
    if (options.threads > 0)
        at::set_num_threads(options.threads);
    PL_TRY(const auto device, learn::parseDevice(options.device));
    return learn::loadModel(options.model, device, rewardHead);
}

} // namespace

Status printLogps(const ToolOptions& options) {
    PL_TRY(auto loaded, open(options));
    torch::NoGradGuard noGrad;
    const auto device = loaded.model->device();
    return forEachJsonLine(options.file, [&](const Json& row, size_t line) -> Status {
        const std::string where = fmt::format("{} line {}", options.file, line);
        PL_TRY(const auto ids, idsOf(row, loaded.config, where));
        const auto length = static_cast<int64_t>(ids.size());
        const TokenBatch batch{torch::tensor(ids, torch::kInt64).unsqueeze(0).to(device), torch::tensor({length}, torch::kInt64)};
        Json out{{"ids", ids}};
        if (loaded.config.rewardHead) {
            out["score"] = jsonNumber(static_cast<double>(floats(loaded.model->scores(batch))[0]));
        } else {
            int64_t start = 1;
            if (row.is_object()) {
                PL_TRY(start, fieldOr<int64_t>(row, "start", 1, where));
            }
            if (start < 1 || start > length)
                return fail(Code::InvalidInput, fmt::format("{}: start {} is outside 1..{}", where, start, length));
            const auto result = learn::completionLogps(loaded.model, batch, torch::tensor({start}, torch::kInt64));
            double sum = 0;
            out["logps"] = numbers(floats(result.logps), &sum);
            out["sum"] = jsonNumber(sum);
        }
        std::cout << dumpJson(out) << "\n";
        return {};
    });
}

Status printSamples(const ToolOptions& options) {
    PL_TRY(auto loaded, open(options));
    if (loaded.config.rewardHead)
        return fail(Code::InvalidInput, fmt::format("{} is a reward model, which writes nothing", options.model));
    PL_TRY(const auto encoder, learn::TextEncoder::load(options.model));
    std::vector<std::vector<int64_t>> prompts;
    PL_CHECK(forEachJsonLine(options.file, [&](const Json& row, size_t line) -> Status {
        const std::string where = fmt::format("{} line {}", options.file, line);
        std::vector<int64_t> ids;
        if (row.is_object() && row.contains("prompt")) {
            PL_TRY(const std::string prompt, field<std::string>(row, "prompt", where));
            PL_TRY(ids, encoder.promptIds(prompt));
        } else {
            PL_TRY(ids, idsOf(row, loaded.config, where));
        }
        for (int64_t i = 0; i < options.n; ++i)
            prompts.push_back(ids);
        return {};
    }));
    learn::SamplingOptions sampling;
    sampling.temperature = options.temperature;
    sampling.topK = options.topK;
    sampling.topP = options.topP;
    sampling.maxNewTokens = options.maxNewTokens;
    sampling.batchSize = options.batchSize;
    sampling.seed = options.seed;
    sampling.stopIds = encoder.stopIds;
    PL_TRY(const auto samples, learn::sampleBatch(loaded.model, prompts, sampling));
    for (size_t i = 0; i < samples.size(); ++i) {
        double logp = 0;
        for (const float value : samples[i].logps)
            logp += static_cast<double>(value);
        std::cout << dumpJson({{"index", i / static_cast<size_t>(options.n)},
                               {"sample", i % static_cast<size_t>(options.n)},
                               {"ids", samples[i].ids},
                               {"text", encoder.answer(samples[i].ids, samples[i].finished)},
                               {"finished", samples[i].finished},
                               {"logp", jsonNumber(logp)}})
                  << "\n";
    }
    return {};
}

Status writeMerged(const ToolOptions& options) {
    if (os::exists(options.out))
        return fail(Code::InvalidInput, fmt::format("{} exists already", options.out), "Choose a folder that does not exist.");
    bool rewardHead = false; // one that the adapter brings
    if (!options.adapter.empty()) {
        PL_TRY(const auto said, learn::readAdapterOptions(options.adapter));
        rewardHead = std::find(said.whole.begin(), said.whole.end(), "score") != said.whole.end();
    }
    PL_TRY(auto loaded, open(options, rewardHead));
    if (options.adapter.empty())
        return learn::saveModel(loaded.model, options.out, options.model);
    PL_TRY(const auto adapters, learn::Adapters::open(*loaded.model, loaded.model->adaptable(), options.adapter));
    return learn::saveModel(loaded.model, options.out, options.model, &adapters); // modules trained whole are the model's own
}

Status selfTest() {
    learn::ModelConfig config;
    config.vocabSize = 97;
    config.hiddenSize = 32;
    config.layers = 2;
    config.heads = 4;
    config.kvHeads = 2;
    config.headDim = 8;
    config.intermediateSize = 64;
    config.maxPositions = 64;
    config.tiedEmbeddings = true;
    std::vector<torch::Device> devices{torch::kCPU};
    if (torch::cuda::is_available())
        for (int i = 0; i < static_cast<int>(torch::cuda::device_count()); ++i)
            devices.emplace_back(torch::kCUDA, static_cast<c10::DeviceIndex>(i));
    std::cout << "build tag   " << PAIRLAB_BUILD_TAG << "\nlibtorch    " << TORCH_VERSION << "\nprocessor   "
              << at::get_cpu_capability() << ", " << at::get_num_threads() << " threads\n";
    torch::Tensor first;
    for (const auto& device : devices) {
        learn::Decoder model(config);
        model->initialise(1);
        model->to(device);
        torch::NoGradGuard noGrad;
        const auto ids = (torch::arange(24, torch::kInt64).view({2, 12}) % config.vocabSize).to(device);
        const TokenBatch batch{ids, torch::tensor({12, 7}, torch::kInt64).to(device)};
        const auto full = model->head(model->hidden(batch).reshape({24, config.hiddenSize})).view({2, 12, -1});
        auto cache = model->makeCache(2, 16);
        auto step = model->prefill({ids.narrow(1, 0, 7), torch::tensor({7, 7}, torch::kInt64).to(device)}, cache);
        step = model->decodeStep(ids.select(1, 7).contiguous(), cache);
        const double difference = (model->head(step) - full.select(1, 7)).abs().max().item<double>();
        if (!first.defined())
            first = full;
        const double across = (full.cpu() - first.cpu()).abs().max().item<double>();
        std::cout << device.str() << "         decoding against the whole pass: " << difference
                  << ", against the first device: " << across << "\n";
        if (!(difference < 1e-4) || !(across < 1e-3))
            return fail(Code::Internal, fmt::format("the device {} computes wrongly: {} and {}", device.str(), difference, across),
                        "Check the driver; use the device cpu meanwhile.");
        std::cout << device.str() << "         precision bf16 " << proveHere(device.str()).text() << "\n";
    }
    std::cout << "ok\n";
    return {};
}

} // namespace pl::worker
