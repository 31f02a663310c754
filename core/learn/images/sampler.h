// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include <torch/types.h>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/learn/images/schedule.h"

/// From noise to an image, step by step. Every sampler here moves by x' = mean + std z, with one std a step and a mean that
/// is linear in the state and in what the network predicts. So one table of numbers describes it (StepPlan), every step that
/// draws noise has a log-probability, and gradients reach the prediction through the mean.
namespace pl::learn {

enum class ImageSamplerKind {
    Ddim,    ///< discrete models; noise level = eta (Song et al. 2020; eta 1: DDPO's policy, Black et al. 2023)
    FlowOde, ///< x' = x + (t' - t) v; draws no noise
    FlowSde, ///< s = a sqrt(t / (1 - t)) (Liu et al. 2025, Flow-GRPO); a = 0.7
    Cps,     ///< keeps the norm of the coefficients (Wang & Yu 2025, arXiv 2509.05952); std = t' sin(a pi/2), a = 0.8
    DanceSde ///< s = eta at every step (Xue et al. 2025, DanceGRPO); eta = 0.3
};
Result<ImageSamplerKind> imageSamplerOf(std::string_view name); ///< ddim | flow_ode | flow_sde | cps | dance_sde
const char* imageSamplerName(ImageSamplerKind kind);
/// The noise level of the paper (0 for ddim and flow_ode).
double defaultNoiseLevel(ImageSamplerKind kind);

/// One step of the table.
struct StepPlan {
    double level = 0;     ///< what the network is told: t in [0, 1] of a flow, the timestep's number of a discrete model
    double nextLevel = 0; ///< where the step arrives
    double onX = 1, onPrediction = 0;     ///< mean = onX x + onPrediction prediction; the latter is d mean / d prediction
    double x0OnX = 1, x0OnPrediction = 0; ///< the image as guessed from here
    double std = 0;                       ///< 0: the step draws no noise and has no log-probability
};

struct FlowSamplerOptions {
    ImageSamplerKind kind = ImageSamplerKind::FlowOde;
    int64_t steps = 8;
    double shift = 1;
    std::vector<double> sigmas; ///< when given, instead of steps and shift: falling from at most 1 to 0
    double noiseLevel = 0;      ///< 0 is the ODE, bit for bit
    /// Flow-GRPO's released code draws noise at the last step too, which stays in the image; without, that step is the ODE's
    /// (which gives the guessed image, as DanceGRPO does) and is not trained.
    bool noiseAtLastStep = false;
    /// Only these steps draw noise, the others follow the ODE (MixGRPO, Flow-GRPO-Fast). Size -1: all from the start on.
    int64_t windowStart = 0, windowSize = -1;
};

enum class DiscretePrediction { Epsilon, V };

struct DdimOptions {
    std::vector<double> alphaBars = learn::alphaBars();
    int64_t steps = 50;
    double eta = 0;
    TimestepSpacing spacing = TimestepSpacing::Leading;
    int64_t offset = 1;
    bool finalAlphaOne = false; ///< where the last step arrives: abar 1, or (Stable Diffusion) abar of timestep 0
    DiscretePrediction prediction = DiscretePrediction::Epsilon;
};

/// What a step gives, fp32.
struct ImageStep {
    torch::Tensor mean;  ///< [n, ...], differentiable in the prediction
    torch::Tensor std;   ///< [n]
    torch::Tensor x0hat; ///< [n, ...] the image as guessed from here
    torch::Tensor next;  ///< mean + std noise; undefined when the step needs noise and got none
};

class ImageSampler {
public:
    static Result<ImageSampler> flow(const FlowSamplerOptions& options);
    static Result<ImageSampler> ddim(const DdimOptions& options);

    int64_t steps() const { return static_cast<int64_t>(m_plan.size()); }
    const StepPlan& plan(int64_t i) const { return m_plan.at(static_cast<size_t>(i)); }
    /// The steps that draw noise: those with a log-probability.
    std::vector<int64_t> noisySteps() const;
    /// [n] fp32 on the device of `like`: the level of step i for n images, or of each image's own step.
    torch::Tensor levels(int64_t i, const torch::Tensor& like) const;
    torch::Tensor levels(const std::vector<int64_t>& steps, const torch::Tensor& like) const;

    /// Step i of all images. x, prediction and noise [n, ...]; noise may be undefined.
    ImageStep step(int64_t i, const torch::Tensor& x, const torch::Tensor& prediction,
                   const torch::Tensor& noise = {}) const;
    /// Image k does step steps[k]: training batches mix steps. The same bits as one at a time.
    ImageStep step(const std::vector<int64_t>& steps, const torch::Tensor& x, const torch::Tensor& prediction,
                   const torch::Tensor& noise = {}) const;

private:
    explicit ImageSampler(std::vector<StepPlan> plan) : m_plan(std::move(plan)) {}
    std::vector<StepPlan> m_plan;
};

// --- log-probabilities -----------------------------------------------------------------------------------------------

/// Published code divides the log-probability of a step by its number of elements D ("mean"): independent of the resolution,
/// but ratios are so close to 1 that clip ranges are about 1e-4. "sum" is the density itself. They differ by the factor D.
enum class LogProbConvention { Mean, Sum };
Result<LogProbConvention> logProbConventionOf(std::string_view name); ///< mean | sum
/// For run.json's "conventions": {"step_logp": "...", "log_ratio": "..."}.
Json conventionsOf(LogProbConvention convention);

/// log N(next; mean, std^2) of each image [n] in fp32: mean or sum over elements of
/// -(next - mean)^2 / (2 std^2) - log std - log(2 pi)/2. `next` is detached; std [n], above 0.
torch::Tensor stepLogProb(const torch::Tensor& next, const torch::Tensor& mean, const torch::Tensor& std,
                          LogProbConvention convention = LogProbConvention::Mean);

// --- whole images ----------------------------------------------------------------------------------------------------

/// What the network predicts at x [n, ...] and levels [n]: a velocity (flows), noise or v (discrete models). The caller has
/// bound prompts and model to it.
using Predict = std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& level)>;
using ConditionedPredict =
    std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& level, const torch::Tensor& condition)>;

/// Classifier-free guidance (Ho & Salimans 2022): g_null + w (g_cond - g_null), both from one batch of 2n rows with the
/// conditioned ones first. w = 1 runs the conditioned half alone, w = 0 the other. Log-probabilities are of the guided
/// policy: use the same w when they are computed again.
Predict guided(ConditionedPredict net, torch::Tensor condition, torch::Tensor nullCondition, double w);

/// Index of the initial noise among an image's draws; step i's noise has index i.
inline constexpr int64_t kInitialNoise = -1;
/// Standard normal numbers [streams, shape...], fp32 on the CPU. Image k's are a function of (seed, streams[k], index) alone.
torch::Tensor streamNoise(at::IntArrayRef shape, uint64_t seed, const std::vector<uint64_t>& streams, int64_t index);

/// One step of a batch as it was taken.
struct Transition {
    int64_t i = 0;
    torch::Tensor x, next; ///< [n, ...]
    torch::Tensor logp;    ///< [n]; undefined where the step draws no noise
};

/// Shown to the hook after every step. `next` may be replaced (steering, branching); what was recorded stays as drawn.
struct StepView {
    int64_t i = 0, of = 0;
    const torch::Tensor& x;
    const torch::Tensor& prediction;
    const ImageStep& step;
    torch::Tensor& next;
};
using StepHook = std::function<bool(StepView&)>; ///< false: leave (Code::Cancelled)

struct ImageSamplingOptions {
    uint64_t seed = 1;
    std::vector<uint64_t> streams;        ///< one an image; its noise does not depend on what is beside it in the batch
    std::vector<uint64_t> initialStreams; ///< of the first noise, else streams; equal ones begin equally (DanceGRPO)
    torch::Tensor initial;                ///< [n, ...] when the first noise is given
    torch::Device device = torch::kCPU;
    bool record = false; ///< keep the trajectory
    LogProbConvention convention = LogProbConvention::Mean;
    bool gradients = false; ///< keep the graph (reward backpropagation); else nothing is recorded by autograd
};

struct SampledImages {
    torch::Tensor images; ///< [n, ...] fp32, not clipped
    std::vector<Transition> trajectory;
};
/// Draws one batch, `shape` being one image's ([3, h, w]). Diverged when a value is not finite.
Result<SampledImages> sampleImages(const ImageSampler& sampler, const Predict& predict, at::IntArrayRef shape,
                                   const ImageSamplingOptions& options, const StepHook& hook = {});

} // namespace pl::learn
