// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/base/result.h"
#include "core/learn/models/precision.h"
#include "core/learn/training/optimizer.h"
#include "core/learn/weights/safetensors.h"

namespace torch::nn {
class Module;
}

/// Low-rank adapters (Hu et al. 2021, "LoRA: low-rank adaptation of large language models"): a frozen layer's weight W acts as
/// W + s B A, s = alpha / r, and only A and B are trained. B begins at 0, so an adapted network is the one it was, bit for bit; with
/// its adapters off it always is, so that one network is both the policy and its reference. Names and shapes are PEFT's.
namespace pl::learn {

/// What an adapter adds to one layer; undefined tensors add nothing.
struct LowRank {
    torch::Tensor a; ///< [r, in] of a linear map; [r, in, k, k] of a convolution, with its stride and padding
    torch::Tensor b; ///< [out, r]; [out, r, 1, 1]
    double scale = 0; ///< AdapterOptions::scale()
    bool on = true;
    mutable HalfCopy halfA, halfB; ///< where products are in bf16
};
/// at::linear of the weight [out, in], and what the adapter adds. Counts the adapter's work (countFlops), not the layer's.
torch::Tensor adaptedLinear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, const LowRank& update);
/// The same with products in bf16 (halfLinear); `copy` is the weight's, which may lie transposed.
torch::Tensor adaptedLinear(const LinearInput& in, const torch::Tensor& weight, HalfCopy& copy, bool transposed, const torch::Tensor& bias,
                            const LowRank& update);
/// at::conv2d of the weight [out, in, k, k], and what the adapter adds.
torch::Tensor adaptedConv2d(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias, int64_t stride,
                            int64_t padding, const LowRank& update);

/// A layer that an adapter can be put on. The model calls adaptedLinear or adaptedConv2d with the same `update`.
struct AdaptableLayer {
    std::string name;     ///< of the module: the weight's name without ".weight"
    torch::Tensor weight; ///< [out, in] or [out, in, k, k]
    std::shared_ptr<LowRank> update;
    bool transposed = false; ///< the weight is [in, out]; the model hands its transpose to adaptedLinear
};

struct AdapterOptions {
    int64_t rank = 8;
    double alpha = 16;
    /// Which layers: patterns joined by commas. One is a module's whole name or an end of it after a dot; * stands for anything.
    std::string targets;
    bool rankStabilised = false; ///< s = alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732)
    std::vector<std::string> whole; ///< modules that are trained beside the adapters as they are: a new reward head, "score"

    double scale() const;
};

/// What the adapter_config.json of a folder says (untrusted input), without the targets, which its tensors name.
Result<AdapterOptions> readAdapterOptions(const std::string& dir);

/// The model below adapters, as their file names it.
struct AdapterBase {
    std::string name, hash; ///< its folder, or what it is called; SHA-256 (modelHash)
    std::string task; ///< PEFT's task_type: "CAUSAL_LM", "SEQ_CLS"; empty: none
};

/// The adapters of one network are off while it lives; scopes may lie in one another.
class AdaptersOff {
public:
    AdaptersOff() = default;
    explicit AdaptersOff(const std::vector<AdaptableLayer>& layers);
    ~AdaptersOff();
    AdaptersOff(AdaptersOff&& other) noexcept : m_layers(std::move(other.m_layers)) { other.m_layers.clear(); }
    AdaptersOff(const AdaptersOff&) = delete;
    AdaptersOff& operator=(const AdaptersOff&) = delete;
    AdaptersOff& operator=(AdaptersOff&&) = delete;

private:
    std::vector<std::shared_ptr<LowRank>> m_layers; ///< those this scope switched
};

/// The weights of one network hold their adapters while it lives: one product a layer instead of three. Then they are what they
/// were, bit for bit.
class AdaptersMerged {
public:
    explicit AdaptersMerged(const std::vector<AdaptableLayer>& layers);
    ~AdaptersMerged();
    AdaptersMerged(const AdaptersMerged&) = delete;
    AdaptersMerged& operator=(const AdaptersMerged&) = delete;

private:
    std::vector<AdaptableLayer> m_layers;
    std::vector<torch::Tensor> m_weights; ///< before
    AdaptersOff m_off;
};

class Adapters {
public:
    /// Freezes every parameter of the model but the modules trained whole and puts adapters on those of its layers that `targets`
    /// names: A uniform within 1 / sqrt(inputs) (Kaiming with a = sqrt 5, as PEFT), drawn from the seed, and B 0. Fails naming a
    /// pattern that fits no layer.
    static Result<Adapters> attach(torch::nn::Module& model, const std::vector<AdaptableLayer>& layers,
                                   const AdapterOptions& options, uint64_t seed);
    /// Puts the adapters of a folder that PEFT or save() wrote (untrusted input) on the layers they name. What LoRA does not
    /// say by rank, alpha and rank stabilisation alone is refused by name.
    static Result<Adapters> open(torch::nn::Module& model, const std::vector<AdaptableLayer>& layers, const std::string& dir);

    /// What is trained, by the names it has in adapter_model.safetensors: "base_model.model.<module>.lora_A.weight", "lora_B", and
    /// "base_model.model.<module>.weight" of modules trained whole.
    NamedParameters parameters() const;
    /// W + s B A of every adapted layer by its weight's name, as it lies there. The model's own weights stay as they are.
    TensorMap merged() const;
    /// The model's weights become merged() and the adapters are gone: what was read is an ordinary model.
    void mergeForGood();
    /// Everything as it was before attach() while the result lives; modules trained whole stay as they are now.
    [[nodiscard]] AdaptersOff off() const { return AdaptersOff(m_layers); }
    [[nodiscard]] AdaptersMerged merge() const { return AdaptersMerged(m_layers); }

    /// Writes adapter_model.safetensors and adapter_config.json into the folder, which is made.
    Status save(const std::string& dir, const AdapterBase& base) const;
    /// Reads them back into these adapters (untrusted input): rank, alpha, names, shapes and finiteness must fit.
    Status load(const std::string& dir);

    const AdapterOptions& options() const { return m_options; }
    const std::vector<AdaptableLayer>& layers() const { return m_layers; }

private:
    std::vector<AdaptableLayer> m_layers; ///< the adapted ones
    NamedParameters m_whole;              ///< by their names in the model
    AdapterOptions m_options;
};

/// Every parameter of a model as its file has it, adapters merged in, each computed when its turn comes.
TensorSources savedTensors(const torch::nn::Module& model, const Adapters* adapters = nullptr);

/// Where a checkpoint keeps the adapter that its merged weights hold.
inline constexpr const char* kAdapterFolder = "adapter";
inline constexpr const char* kAdapterWeights = "adapter_model.safetensors";
inline constexpr const char* kAdapterConfig = "adapter_config.json";

} // namespace pl::learn
