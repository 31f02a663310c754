// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/model_config.h"

/// What training a language model takes of memory, before it starts: counted from its config.json, so that the window, the
/// programs and the worker say the same.
namespace pl {

enum class TrainMethod { Sft, RewardModel, Dpo, Grpo };
constexpr std::array<TrainMethod, 4> kTrainMethods{TrainMethod::Sft, TrainMethod::RewardModel, TrainMethod::Dpo, TrainMethod::Grpo};
const char* trainMethodName(TrainMethod method); ///< "SFT", "Reward model", "DPO", "GRPO"

struct MemoryPlan {
    TrainMethod method = TrainMethod::Dpo;
    int64_t adapterRank = 0;     ///< of low-rank adapters on every linear map; 0: all weights are trained
    int64_t positions = 2048;    ///< of one micro-batch, padding included
    bool packed = true;          ///< rows end to end instead of padded
    bool half = false;           ///< products in bf16: of each weight there is a bf16 copy, and what linear maps read is kept in bf16
    bool recompute = false;      ///< activation checkpointing: of each layer only what goes in is kept
    int64_t longest = 512;       ///< tokens of the longest sequence
    int64_t sequences = 64;      ///< GRPO: answers written at once, each of `longest` positions in the key/value cache
    bool referenceBeside = false; ///< the reference is a second model in memory (live, and not the policy without its adapters)
    bool average = false;        ///< an exponential average of the trained weights
    bool onGpu = false;          ///< counted as CUDA's allocator does, tensor by tensor, not as a process grows
    double read = 0.5;           ///< of padded rows: share of the positions that are answers, which alone go through the whole last layer

    /// With what the method's plugin has unless it is told otherwise, training all weights or adapters of a rank.
    static MemoryPlan usual(TrainMethod method, int64_t adapterRank = 0);
    /// The same on a device of that name ("cpu", "cuda:0"): a GPU pads its rows unless told otherwise.
    MemoryPlan on(std::string_view device) const;
};

/// Bytes, by what they are for.
struct MemoryEstimate {
    double weights = 0;     ///< fp32
    double gradients = 0;   ///< of what is trained
    double optimizer = 0;   ///< Adam's two moments of what is trained, and the average
    double reference = 0;   ///< a second model
    double activations = 0; ///< kept for the backward pass of one micro-batch, or the key/value cache while answers are written
    double head = 0;        ///< chunks of logits, and the gradient of the hidden states they are made from
    double program = 0;     ///< the worker with its libraries
    double total() const { return weights + gradients + optimizer + reference + activations + head + program; }
};

/// Activations are those this program's decoder keeps: of each layer and position the two normed inputs and the two residuals, query,
/// key, value and what attention gives, and what the MLP has in its middle. Attention matrices are never whole (Dao et al. 2022). With
/// `recompute` the inputs of all layers, and the whole of one with its gradients.
MemoryEstimate estimateMemory(const ModelConfig& model, const MemoryPlan& plan);

enum class Checkpointing { Auto, On, Off };
/// The parameter activation_checkpointing: "auto", "on" or "off"; anything else is auto.
Checkpointing checkpointingOf(std::string_view name);
/// The plan with `recompute` decided: auto takes it where the rest would not leave a quarter of `memory` (bytes) free.
MemoryPlan decided(const ModelConfig& model, MemoryPlan plan, Checkpointing wanted, double memory);
/// Parameters that low-rank adapters of this rank on all linear maps of the layers have (Hu et al. 2021): rank * (in + out) each.
int64_t adapterParameters(const ModelConfig& model, int64_t rank);

enum class Fit { Fits, Tight, No };
/// Fits leaves a quarter of the memory free; tight leaves next to nothing for other programs.
Fit fitOf(double bytes, double memory);
const char* fitName(Fit fit); ///< "fits", "tight", "no"

} // namespace pl
