// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/learn/images/sampler.h"
#include "core/learn/weights/safetensors.h"

namespace pl::image_grpo {

/// The images that one or more (num_iterations) updates learn from, groups one after another.
struct Rollout {
    int64_t round = -1;                        ///< from 0; -1: there is none
    std::vector<std::string> prompts, promptIds; ///< one an image
    torch::Tensor images;                      ///< [n, 3, h, w] as they were rewarded: rounded to 8 bits
    torch::Tensor rewards;                     ///< [n] fp64, the sum of the terms
    torch::Tensor advantages, weights;         ///< [n] fp32
    torch::Tensor kept;                        ///< [n] bool: in a group with a difference
    /// Of flow_grpo: the steps as they were taken, batch after batch. Updates pass through the network in the same batches, because
    /// the last bits of a convolution depend on the batch.
    std::vector<std::vector<learn::Transition>> batches;

    int64_t size() const { return images.defined() ? images.size(0) : 0; }

    /// An unfinished rollout travels in the checkpoint: the policy that drew it is gone by then.
    void keep(Json& extra, learn::TensorMap& tensors) const;
    /// Takes it out of what a checkpoint holds.
    static void forget(Json& extra, learn::TensorMap& tensors);
    /// Empty (round -1) when none was kept.
    static Result<Rollout> resumed(const Json& extra, const learn::TensorMap& tensors, const std::vector<int64_t>& shape,
                                   const torch::Device& device);
};

} // namespace pl::image_grpo
