// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/learn/models/low_rank.h"
#include "core/learn/training/trainable.h"

namespace pl::learn {

/// What the network says about a noised image x_t.
enum class Prediction {
    Flow,    ///< rectified flow: x_t = (1 - t) x0 + t eps, the velocity eps - x0 (Liu et al. 2022, arXiv 2209.03003)
    Epsilon, ///< discrete diffusion: x_t = sqrt(abar) x0 + sqrt(1 - abar) eps, the noise eps (Ho et al. 2020)
};

/// config.json of an image model. model_type is "pairlab_image_flow" or "pairlab_image_epsilon".
struct ImageModelConfig {
    Prediction prediction = Prediction::Flow;
    int64_t size = 32;                ///< pixels a side
    std::vector<int64_t> slots;       ///< values of every caption slot, 0 ("not said") included
    int64_t textSize = 64;            ///< numbers of a caption token
    int64_t width = 64, deepWidth = 128; ///< channels at half and at a quarter of the size
    int64_t embedding = 128;          ///< numbers that time and caption are given to the residual blocks with
    int64_t heads = 4;
    int64_t depth = 2;                ///< attention layers at the lowest size

    static Result<ImageModelConfig> fromJson(const Json& json, std::string_view what);
    Json toJson() const;
    /// FLOPs of the denoiser for one image; a multiply-add counts as 2. Backward is twice this.
    double forwardFlops() const;
    /// Of the part of it that features() needs.
    double featureFlops() const;
};
/// Is this a model_type of the program's own image models (generators and reward models)?
bool isImageModelType(std::string_view modelType);

/// Text to image: a text encoder gives tokens, a denoiser predicts from a noised image, its time and the tokens, a decoder
/// gives pixels. Each of the three is a seam for the parts of larger models. Here: caption slots, a U-Net with attention at
/// 8 x 8 on pixels, nothing. Parameter names begin with "text_encoder." and "denoiser.".
class ImageModelImpl : public torch::nn::Module {
public:
    explicit ImageModelImpl(const ImageModelConfig& config, torch::Device device = torch::kCPU);

    /// Slot ids [n, slots] int64 of prompts; words the captions do not know count as not said.
    Result<torch::Tensor> promptIds(const std::vector<std::string>& prompts) const;
    /// Ids of no caption at all, [n, slots]: what guidance compares with, and what caption dropout trains.
    torch::Tensor nullIds(int64_t n) const;
    /// Text encoder: ids [n, slots] to tokens [n, slots, textSize].
    torch::Tensor encode(const torch::Tensor& ids);

    /// Denoiser: x [n, 3, size, size], times [n] and tokens give a prediction like x (config().prediction). A flow's time is t
    /// in [0, 1], that of a discrete model the number of its timestep. Rows do not depend on each other.
    torch::Tensor predict(const torch::Tensor& x, const torch::Tensor& times, const torch::Tensor& tokens);

    /// What the denoiser makes of x on its way down, arguments as of predict: the state after the blocks at half size and after each
    /// block at a quarter, [n, channels, h, w]. For models that judge images.
    std::vector<torch::Tensor> features(const torch::Tensor& x, const torch::Tensor& times, const torch::Tensor& tokens);

    /// Decoder and its inverse: between what the denoiser works on and pixels in [-1, 1].
    torch::Tensor decode(const torch::Tensor& latents) const { return latents.clamp(-1, 1); }
    torch::Tensor toLatents(const torch::Tensor& pixels) const { return pixels; }
    /// Shape of one latent without the batch: {3, size, size}.
    std::vector<int64_t> latentShape() const { return {3, m_config.size, m_config.size}; }

    /// Every linear map and convolution of the denoiser.
    const std::vector<AdaptableLayer>& adaptable() const;

    const ImageModelConfig& config() const { return m_config; }
    torch::Device device() const;
    /// Random initialisation from the seed: uniform by fan-in; what ends a residual branch, and the output, begins at 0.
    void initialise(uint64_t seed);

private:
    ImageModelConfig m_config;
    struct Layers;
    std::shared_ptr<Layers> m_layers;
};
TORCH_MODULE(ImageModel);

/// Matrix products and convolutions in bfloat16 while it lives, everything stored in fp32 (torch's autocast).
class Bfloat16Scope {
public:
    explicit Bfloat16Scope(bool on, torch::DeviceType device = torch::kCPU);
    ~Bfloat16Scope();
    Bfloat16Scope(const Bfloat16Scope&) = delete;
    Bfloat16Scope& operator=(const Bfloat16Scope&) = delete;

private:
    bool m_on, m_before = false;
    torch::DeviceType m_device;
};

struct LoadedImageModel {
    ImageModel model{nullptr};
    ImageModelConfig config;
    std::string dir;
    std::string hash;
};
/// Checks config.json and every tensor's name, shape and finiteness before and while reading. A weightless folder can be
/// begun from its config alone: readImageConfig.
Result<LoadedImageModel> loadImageModel(const std::string& dir, const torch::Device& device);
Result<ImageModelConfig> readImageConfig(const std::string& dir);
/// Writes config.json and model.safetensors, a tensor at a time, those with an adapter merged with it.
Status saveImageModel(const ImageModel& model, const std::string& dir, const Adapters* adapters = nullptr);
Trainable trainable(ImageModel model);
/// Only the adapters are trained. Checkpoints are ordinary image models, the adapters merged in, with the adapters themselves in
/// adapter/.
Trainable trainable(ImageModel model, const Adapters& adapters, const AdapterBase& base);

/// Reads dir/model.safetensors into the module: every parameter must be there in its shape and finite, and nothing else.
/// 16-bit floats are widened. The module's own device and type stay.
Status loadParameters(torch::nn::Module& module, const std::string& dir);
/// The same by the file's header alone, for a module on the meta device; gives the bytes its fp32 parameters need.
Result<uint64_t> checkParameters(const torch::nn::Module& module, const std::string& dir);
/// OutOfMemory when so many bytes, and a quarter more, are not free.
Status checkMemoryFor(uint64_t bytes, const std::string& dir);

} // namespace pl::learn
