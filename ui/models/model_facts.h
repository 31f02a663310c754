// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/model_config.h"
#include "core/base/result.h"

namespace pl::ui {

/// What the config of one of the program's image models says.
struct ImageFacts {
    int64_t size = 0;                    ///< pixels a side
    bool flow = false, noise = false;    ///< predicts the velocity of a flow, or the noise of a discrete schedule
    bool reward = false;                 ///< scores images instead
    bool onGenerator = false;            ///< of a reward model: what it sees is a frozen generator's, whose widths these are
    int64_t slots = 0;                   ///< of a caption, that its prompts are read into
    std::vector<int64_t> widths;         ///< channels, from the full resolution down
    /// Of a reward model: its scores are in standard deviations of so many images; so many pairs set the temperature.
    int64_t scoredImages = 0, scoredPairs = 0;
    double temperature = 0;
};

/// What a model folder (in Hugging Face layout, or of an image model) says about itself. Only headers are read, never a weight.
struct ModelFacts {
    std::string family;   ///< model_type: "llama"
    std::string dtype;    ///< of most weights: "F32", "BF16"
    std::string licence;  ///< of the model card's front matter, else the first line of LICENSE; empty: not said
    std::string made;     ///< first sentence of the model card, at most 300 characters
    int64_t parameters = 0;
    int64_t context = 0, layers = 0, hidden = 0, vocabulary = 0;
    uint64_t bytes = 0;   ///< on disk
    bool rewardModel = false;
    bool hasTokenizer = false;
    std::optional<ModelConfig> config; ///< of a language model that can be trained here
    std::optional<ImageFacts> image; ///< of image models; context, layers, hidden and vocabulary are 0 then
};
/// Fails naming the file that is missing or wrong.
Result<ModelFacts> readModelFacts(const std::string& dir);

/// The facts that are worth reading of a model of its kind: ("Context", "256 tokens"), ...
std::vector<std::pair<std::string, std::string>> factRows(const ModelFacts& facts);

/// What training takes of time, before it starts. Arithmetic is 6 operations a parameter and token for forward and backward (Kaplan
/// et al. 2020), 2 for a forward alone. Memory: core/base/memory_estimate.h.
struct TrainCost {
    double tokens = 0;  ///< trained on, over the whole run
    double flop = 0;
    double seconds = 0; ///< at flopPerSecond
};
struct TrainCostInput {
    int64_t parameters = 0;
    double steps = 0;
    double tokensPerStep = 0;   ///< both sides of every pair, prompts too
    double forwardOnly = 0;     ///< passes over the same tokens without a gradient (reference, sampling)
    double flopPerSecond = 2e10; ///< two desktop cores
};
TrainCost trainCost(const TrainCostInput& input);

} // namespace pl::ui
