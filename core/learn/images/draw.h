// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/image.h"
#include "core/learn/images/image_model.h"
#include "core/learn/images/sampler.h"

/// Prompts to pictures: what generating, evaluating and a trainer's samples share.
namespace pl::learn {

struct DrawOptions {
    std::optional<ImageSamplerKind> sampler; ///< none: flow_ode, or ddim of a discrete model
    int64_t steps = 8;
    double guidance = 2;              ///< 1: off, at half the cost
    std::optional<double> noiseLevel; ///< none: the sampler's own
    double shift = 1;                 ///< of a flow's noise levels
    int64_t batchSize = 64;           ///< images at a time
    uint64_t seed = 1;
};

/// The sampler these options mean for a model. Refuses ddim for a flow and the flows' samplers for a discrete model.
Result<ImageSampler> imageSamplerFor(const ImageModelConfig& config, const DrawOptions& options);
/// The options as they are stored beside an image: {"sampler", "steps", "guidance", "noise_level", "shift"}.
Json toJson(const DrawOptions& options, const ImageModelConfig& config);

/// The model bound to prompts, [n] of them, with guidance w: what sampleImages asks. With gradients when they are recorded.
Result<Predict> predictFor(ImageModel& model, const std::vector<std::string>& prompts, double w);

/// The random stream of image `index` of a prompt: two models draw the same prompt from the same noise, and what else is drawn
/// changes nothing.
uint64_t imageStream(const std::string& promptId, int64_t index);

/// One picture for each prompt, from its own stream. In batches of batchSize, in order: the last bits of a convolution depend on
/// the batch's size, so equal calls give equal bytes and other partitions nearly so. `keepGoing` is asked at every step; false
/// ends it (Code::Cancelled). `done` gets every picture as soon as its batch is finished.
Result<std::vector<Image>> drawImages(ImageModel& model, const std::vector<std::string>& prompts,
                                      const std::vector<uint64_t>& streams, const DrawOptions& options,
                                      const std::function<bool()>& keepGoing = {},
                                      const std::function<void(size_t, const Image&)>& done = {});

/// What an image costs, measured: three steps of a batch of the given prompts, the first left out (it warms up).
struct DrawCost {
    double seconds = 0; ///< of an image
    double flops = 0;   ///< by count
};
Result<DrawCost> measureCost(ImageModel& model, const std::vector<std::string>& prompts, const DrawOptions& options);

} // namespace pl::learn
