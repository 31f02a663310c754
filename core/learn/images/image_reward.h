// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/learn/images/image_model.h"
#include "core/learn/training/trainable.h"

namespace pl::learn {

/// What turns the network's raw number into a score that means something, measured when a checkpoint is written.
struct ImageRewardCalibration {
    double mean = 0, deviation = 1; ///< of the raw score over the training images: a score is in their standard deviations
    double temperature = 1;         ///< P(a better than b) = sigma((raw a - raw b) / temperature), fitted on dev pairs
    int64_t images = 0, pairs = 0;  ///< that these rest on
};

/// config.json of an image reward model; model_type is "pairlab_image_reward".
struct ImageRewardConfig {
    int64_t size = 32;                          ///< pixels a side
    std::optional<ImageModelConfig> generator;  ///< its frozen denoiser sees the images; without, convolutions learn to
    double noiseLevel = 0.1;                    ///< that the generator is told (of a discrete model: share of its timesteps)
    std::vector<int64_t> channels{32, 64, 96};  ///< of the convolutions; the first keeps half the size, each next halves it
    std::vector<int64_t> slots;                 ///< values of every caption slot, 0 ("not said") included
    int64_t slotSize = 32;                      ///< numbers of a caption slot
    int64_t hidden = 128;
    ImageRewardCalibration calibration;

    /// Of the captions this program draws.
    static ImageRewardConfig forScenes(int64_t size);
    /// On the features of a generator.
    static ImageRewardConfig onGenerator(const ImageModelConfig& generator);
    static Result<ImageRewardConfig> fromJson(const Json& json, std::string_view what);
    Json toJson() const;
    int64_t featureWidth() const;
    /// FLOPs for one image; a multiply-add counts as 2. Backward is twice this (frozen features have none).
    double forwardFlops() const;
    /// Of the part behind the features.
    double headFlops() const;
};

/// The seam below a reward model: pixels [n, 3, size, size] in [-1, 1] to numbers [n, width()]. Here a small convolutional net, or
/// the frozen denoiser of a generator, which has seen far more images than anybody judges (cf. PickScore's CLIP; Tang et al. 2023,
/// "Emergent correspondence from image diffusion"); features of other frozen networks go here too.
class ImageFeatures : public torch::nn::Module {
public:
    virtual torch::Tensor forward(const torch::Tensor& images) = 0;
    virtual int64_t width() const = 0;
};

/// How good an image is for its prompt: features of the image beside an embedding of every caption slot, two layers, one number.
/// Names of parameters begin with "features." and "head."; those of a generator ask for no gradient.
class ImageRewardImpl : public torch::nn::Module {
public:
    explicit ImageRewardImpl(const ImageRewardConfig& config, torch::Device device = torch::kCPU);

    /// Slot ids [n, slots] int64 of prompts; words the captions do not know count as not said.
    torch::Tensor promptIds(const std::vector<std::string>& prompts) const;
    /// [n] uncalibrated scores: what training works on. Rows do not depend on each other. Differentiable in the images.
    torch::Tensor raw(const torch::Tensor& images, const torch::Tensor& ids);
    /// The two halves of raw: what is seen, [n, width], and what is thought of it. When features are frozen, the first needs to be
    /// done but once.
    torch::Tensor see(const torch::Tensor& images);
    torch::Tensor judge(const torch::Tensor& seen, const torch::Tensor& ids);
    bool frozenFeatures() const { return m_config.generator.has_value(); }
    /// Takes the weights of the generator this is built on, and scales its features to mean 0 and deviation 1 over the images
    /// (batches [n, 3, size, size]).
    void useGenerator(ImageModel& generator, const std::function<torch::Tensor(size_t batch)>& images, size_t batches);
    /// [n] scores in standard deviations of the training images: (raw - mean) / deviation. Images may have any size; they are
    /// brought to the model's by area.
    torch::Tensor score(const torch::Tensor& images, const std::vector<std::string>& prompts);
    /// The calibrated probability that a is better than b, from two scores.
    double probability(double scoreA, double scoreB) const;

    const ImageRewardConfig& config() const { return m_config; }
    void setCalibration(const ImageRewardCalibration& calibration) { m_config.calibration = calibration; }
    torch::Device device() const;
    /// Uniform by fan-in, biases 0; the last layer begins at 0, so that every image begins with the same score. A generator's
    /// weights stay.
    void initialise(uint64_t seed);

private:
    ImageRewardConfig m_config;
    std::shared_ptr<ImageFeatures> m_features;
    torch::Tensor m_slots, m_hiddenWeight, m_hiddenBias, m_outWeight, m_outBias;
    std::vector<int64_t> m_firstRow;
};
TORCH_MODULE(ImageReward);

/// Is the folder an image reward model? Fails only when its config.json cannot be read.
Result<bool> isImageReward(const std::string& dir);
/// Refuses a folder that is none.
Result<ImageReward> loadImageReward(const std::string& dir, const torch::Device& device);
/// Writes config.json and model.safetensors.
Status saveImageReward(const ImageReward& model, const std::string& dir);

/// -p log sigma(margin) - (1 - p) log sigma(-margin) of one pair, whose label says with probability p that the margin's side is better.
double pairCrossEntropy(double margin, double p);
/// The temperature > 0 that makes -log sigma(+-difference / T) smallest over labelled pairs: differences of raw scores, chosen
/// minus rejected, with the probability that chosen is the better one. Guo et al. 2017, "On calibration of modern neural networks".
/// 1 without pairs; within [1/20, 20].
double fitTemperature(const std::vector<double>& differences, const std::vector<double>& labels);

} // namespace pl::learn
