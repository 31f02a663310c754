// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/draw.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/learn/images/pixels.h"
#include "core/learn/models/flops.h"

namespace pl::learn {
namespace {

constexpr int kMeasuredSteps = 3; // the first warms up

ImageSamplerKind kindFor(const ImageModelConfig& config, const DrawOptions& options) {
    return options.sampler.value_or(config.prediction == Prediction::Flow ? ImageSamplerKind::FlowOde : ImageSamplerKind::Ddim);
}

} // namespace

Result<ImageSampler> imageSamplerFor(const ImageModelConfig& config, const DrawOptions& options) {
    const ImageSamplerKind kind = kindFor(config, options);
    const double noise = options.noiseLevel.value_or(defaultNoiseLevel(kind));
    if (config.prediction == Prediction::Flow) {
        FlowSamplerOptions flow;
        flow.kind = kind;
        flow.steps = options.steps;
        flow.shift = options.shift;
        flow.noiseLevel = noise;
        return ImageSampler::flow(flow);
    }
    if (kind != ImageSamplerKind::Ddim)
        return fail(Code::InvalidInput, fmt::format("{} samples flows, this model predicts noise", imageSamplerName(kind)),
                    "Use ddim.");
    DdimOptions ddim;
    ddim.steps = options.steps;
    ddim.eta = noise;
    return ImageSampler::ddim(ddim);
}

Json toJson(const DrawOptions& options, const ImageModelConfig& config) {
    const ImageSamplerKind kind = kindFor(config, options);
    const double noise = kind == ImageSamplerKind::FlowOde ? 0 : options.noiseLevel.value_or(defaultNoiseLevel(kind));
    return {{"sampler", imageSamplerName(kind)},
            {"steps", options.steps},
            {"guidance", options.guidance},
            {"noise_level", noise},
            {"shift", options.shift}};
}

Result<Predict> predictFor(ImageModel& model, const std::vector<std::string>& prompts, double w) {
    PL_TRY(const auto ids, model->promptIds(prompts));
    const auto device = model->device();
    const auto net = [model](const torch::Tensor& x, const torch::Tensor& level, const torch::Tensor& condition) mutable {
        // Encoded at every step: training through a recorded image needs the encoder's gradients, and it is a look-up.
        return model->predict(x, level, model->encode(condition));
    };
    return guided(net, ids.to(device), model->nullIds(static_cast<int64_t>(prompts.size())).to(device), w);
}

uint64_t imageStream(const std::string& promptId, int64_t index) {
    return hashSeed(static_cast<uint64_t>(index), promptId);
}

Result<std::vector<Image>> drawImages(ImageModel& model, const std::vector<std::string>& prompts,
                                      const std::vector<uint64_t>& streams, const DrawOptions& options,
                                      const std::function<bool()>& keepGoing,
                                      const std::function<void(size_t, const Image&)>& done) {
    if (streams.size() != prompts.size() || options.batchSize < 1)
        return fail(Code::Internal, "drawing needs one random stream a picture and a batch of at least one");
    PL_TRY(const auto sampler, imageSamplerFor(model->config(), options));
    torch::NoGradGuard noGrad;
    std::vector<Image> out;
    for (size_t begin = 0; begin < prompts.size(); begin += static_cast<size_t>(options.batchSize)) {
        const size_t end = std::min(prompts.size(), begin + static_cast<size_t>(options.batchSize));
        const auto part = [&](const auto& all) {
            return std::decay_t<decltype(all)>(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                               all.begin() + static_cast<std::ptrdiff_t>(end));
        };
        PL_TRY(const auto predict, predictFor(model, part(prompts), options.guidance));
        ImageSamplingOptions sampling;
        sampling.seed = options.seed;
        sampling.streams = part(streams);
        sampling.device = model->device();
        PL_TRY(const auto drawn, sampleImages(sampler, predict, model->latentShape(), sampling,
                                              [&](StepView&) { return !keepGoing || keepGoing(); }));
        for (Image& image : imagesOf(model->decode(drawn.images))) {
            if (done)
                done(out.size(), image);
            out.push_back(std::move(image));
        }
    }
    return out;
}

Result<DrawCost> measureCost(ImageModel& model, const std::vector<std::string>& prompts, const DrawOptions& options) {
    if (prompts.empty())
        return fail(Code::Internal, "measuring needs a prompt");
    PL_TRY(const auto sampler, imageSamplerFor(model->config(), options));
    PL_TRY(const auto predict, predictFor(model, prompts, options.guidance));
    torch::NoGradGuard noGrad;
    const double before = takeFlops();
    const std::vector<uint64_t> streams(prompts.size());
    const auto x = streamNoise(model->latentShape(), options.seed, streams, kInitialNoise).to(model->device());
    double flops = 0;
    int64_t fastest = 0;
    for (int i = 0; i < kMeasuredSteps; ++i) {
        const int64_t begin = monotonicNs();
        const auto prediction = predict(x, sampler.levels(0, x));
        const auto mean = sampler.step(0, x, prediction).mean;
        (void)mean.flatten()[0].item<float>(); // waits for the device
        const int64_t spent = monotonicNs() - begin;
        fastest = i <= 1 ? spent : std::min(fastest, spent);
        flops += takeFlops();
    }
    countFlops(before + flops); // a run counts all it did
    const double images = static_cast<double>(prompts.size());
    return DrawCost{static_cast<double>(fastest) * 1e-9 * static_cast<double>(sampler.steps()) / images,
                    flops / kMeasuredSteps * static_cast<double>(sampler.steps()) / images};
}

} // namespace pl::learn
