// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "core/base/image.h"
#include "core/learn/host/job.h"
#include "core/learn/images/image_model.h"
#include "core/rules/scene.h"

/// What this trainer draws, reads and asks for.
namespace pl::image_sft {

/// A generator of the run.
struct ImageSetup {
    learn::LoadedImageModel loaded;
    torch::Device device = torch::kCPU;
};
/// Sets threads, then loads the model given for `role`; from scratch, only its config counts and the weights are drawn from
/// the run's seed.
Result<ImageSetup> setUpImages(learn::Job& job, const std::string& role, bool fromScratch = false);

/// A drawing with what it is a drawing of.
struct DrawnScene {
    rules::Caption caption;
    Image image;
};
/// Drawing `index` of an endless row; a pure function of seed, index, size and the chance of a defect.
DrawnScene sceneOf(uint64_t seed, uint64_t index, int64_t size, double defects);

/// [n, slots] int64 of captions.
torch::Tensor captionIds(const std::vector<rules::Caption>& captions, const torch::Device& device);

/// Shares of images that show what their caption says, where it says so (rules::obedienceOf).
class ObedienceTally {
public:
    void add(const rules::Caption& caption, const Image& image);
    /// <prefix>count, <prefix>colour, <prefix>shape, <prefix>background, and <prefix>all of what was said.
    std::map<std::string, double> values(const std::string& prefix) const;

private:
    std::array<double, 5> m_right{}, m_asked{};
};

/// Writes image `image` to samples/ and a sample event for it.
Status writeImageSample(learn::Job& job, int64_t step, const std::string& promptId, const std::string& prompt,
                        const Image& image, uint64_t seed);

} // namespace pl::image_sft
