// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/base/image.h"
#include "core/rules/image_taste.h"

/// What rules read off generated images: the figures that stand beside every proxy.
namespace pl::learn {

/// Kept promises of prompts, by slot: count, colour, shape, background, and "all" of what a prompt says at once.
struct ObedienceCounts {
    std::map<std::string, double> kept, asked;
    void add(const rules::Obedience& obedience);
    /// Share kept; NaN where nobody asked.
    double rate(const std::string& slot) const;
    /// {"<prefix>colour": 0.98, ...} of the slots that were asked for.
    std::map<std::string, double> rates(const std::string& prefix) const;
};

/// Of images made for prompts.
struct ImageMeasures {
    std::vector<double> gold; ///< one an image; empty without a taste
    ObedienceCounts obedience;
    std::vector<double> obeyed; ///< one an image: the share of what its prompt says that it shows, 1 where it says nothing
};
ImageMeasures measureImages(const std::vector<Image>& images, const std::vector<std::string>& prompts,
                            const rules::ImageTaste* taste = nullptr);

/// What the same rules read off true drawings of the same prompts: the most a generator can be found to obey. One drawing a
/// prompt, seeds from `seed`.
ObedienceCounts obedienceCeiling(const std::vector<std::string>& prompts, uint64_t seed, int32_t side);

/// Mean over the prompts of the mean distance between two of its images, in [0, 1]: the root of the mean squared difference of
/// pixels (1: black against white). images [prompts * perPrompt, 3, h, w] in [-1, 1], a prompt's images one after another. NaN
/// for one image a prompt.
double imageDiversity(const torch::Tensor& images, int64_t perPrompt);

} // namespace pl::learn
