// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/base/result.h"
#include "core/learn/weights/safetensors.h"

namespace pl::learn {

struct AdamWOptions {
    double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    double weightDecay = 0; ///< decoupled; only on parameters of two or more dimensions
};

using NamedParameters = std::vector<std::pair<std::string, torch::Tensor>>;

/// AdamW (Loshchilov & Hutter 2019) as torch.optim.AdamW, on fp32 parameters, in one fused call a group. Parameters without
/// a gradient are left alone.
class AdamW {
public:
    AdamW(NamedParameters parameters, const AdamWOptions& options);

    void zeroGrad();
    /// L2 norm over all gradients before clipping; gradients are scaled down to maxNorm when it is larger (maxNorm <= 0:
    /// never). NaN and infinity are returned, gradients left alone.
    double clipGradients(double maxNorm);
    /// The same without waiting for the device: the norm [] float stays there. Gradients that are not finite become NaN, so the step has
    /// to be skipped. The coefficient is computed in fp32, as torch.nn.utils.clip_grad_norm_ does.
    torch::Tensor clipGradientsOnDevice(double maxNorm);
    /// `skip` [] float on the parameters' device, or undefined: 1 leaves parameters and moments as they are (the step counts all the same).
    void step(double learningRate, const torch::Tensor& skip = {});
    int64_t steps() const { return m_steps; }

    /// "exp_avg.<name>", "exp_avg_sq.<name>", "step".
    TensorMap state() const;
    /// Fails naming the first missing or misshapen tensor; `what` names the file.
    Status load(const TensorMap& state, const std::string& what);

private:
    std::vector<torch::Tensor> gradients() const;

    struct Entry {
        std::string name;
        torch::Tensor parameter, average, square;
    };
    std::vector<Entry> m_entries;
    AdamWOptions m_options;
    int64_t m_steps = 0;
};

enum class Schedule { Constant, Linear, Cosine };
Result<Schedule> scheduleOf(std::string_view name); ///< constant | linear | cosine
/// Factor of the learning rate for update i, counted from 0, as transformers' get_*_schedule_with_warmup: rises
/// linearly from 0 over `warmup` updates, then stays, or falls to 0 at `total`.
double scheduleFactor(Schedule schedule, int64_t update, int64_t warmup, int64_t total);

} // namespace pl::learn
