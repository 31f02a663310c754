// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/sampler.h"

#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/learn/images/objectives/flow_grpo.h"

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr struct {
    ImageSamplerKind kind;
    const char* name;
    double noise;
} kKinds[] = {{ImageSamplerKind::Ddim, "ddim", 0},
              {ImageSamplerKind::FlowOde, "flow_ode", 0},
              {ImageSamplerKind::FlowSde, "flow_sde", 0.7},
              {ImageSamplerKind::Cps, "cps", 0.8},
              {ImageSamplerKind::DanceSde, "dance_sde", 0.3}};

/// The ODE and the SDE dx = [v + s^2/(2t) (x + (1-t) v)] dt + s dw have the same marginals for every s: the score of a
/// rectified flow is -(x + (1-t) v) / t. One Euler step, dt < 0.
void sdeStep(StepPlan& plan, double s) {
    const double t = plan.level, dt = plan.nextLevel - t;
    plan.onX = 1 + s * s / (2 * t) * dt;
    plan.onPrediction = (1 + s * s * (1 - t) / (2 * t)) * dt;
    plan.std = s * std::sqrt(-dt);
}

/// (1-t') x0hat + sqrt(t'^2 - std^2) epshat, with x0hat = x - t v and epshat = x + (1-t) v.
void cpsStep(StepPlan& plan, double a) {
    const double t = plan.level, next = plan.nextLevel;
    plan.std = next * std::sin(a * M_PI / 2);
    const double onNoise = std::sqrt(std::max(0.0, next * next - plan.std * plan.std));
    plan.onX = (1 - next) + onNoise;
    plan.onPrediction = onNoise * (1 - t) - (1 - next) * t;
}

Status checkSigmas(const std::vector<double>& sigmas) {
    bool good = sigmas.size() >= 2 && sigmas.front() <= 1 && sigmas.back() == 0;
    for (size_t i = 1; good && i < sigmas.size(); ++i)
        good = sigmas[i] < sigmas[i - 1];
    if (!good)
        return fail(Code::InvalidInput, "noise levels must fall from at most 1 to exactly 0");
    return {};
}

/// A number of each image's own step, shaped to multiply [n, ...].
template<class Member>
Tensor column(const std::vector<StepPlan>& plan, const std::vector<int64_t>& steps, Member member, const Tensor& like,
              bool broadcast) {
    std::vector<float> values;
    for (const int64_t i : steps)
        values.push_back(static_cast<float>(plan.at(static_cast<size_t>(i)).*member));
    auto out = torch::tensor(values, torch::kFloat32).to(like.device());
    if (broadcast) {
        std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
        shape[0] = -1;
        out = out.view(shape);
    }
    return out;
}

} // namespace

Result<ImageSamplerKind> imageSamplerOf(std::string_view name) {
    for (const auto& entry : kKinds)
        if (name == entry.name)
            return entry.kind;
    return fail(Code::InvalidInput, fmt::format("there is no image sampler named '{}'", name),
                "Use ddim, flow_ode, flow_sde, cps or dance_sde.");
}

const char* imageSamplerName(ImageSamplerKind kind) {
    for (const auto& entry : kKinds)
        if (kind == entry.kind)
            return entry.name;
    return "";
}

double defaultNoiseLevel(ImageSamplerKind kind) {
    for (const auto& entry : kKinds)
        if (kind == entry.kind)
            return entry.noise;
    return 0;
}

Result<ImageSampler> ImageSampler::flow(const FlowSamplerOptions& options) {
    if (options.kind == ImageSamplerKind::Ddim)
        return fail(Code::InvalidInput, "ddim samples discrete models, this one is a rectified flow",
                    "Use flow_ode, flow_sde, cps or dance_sde.");
    if (options.sigmas.empty() && (options.steps < 1 || !(options.shift > 0)))
        return fail(Code::InvalidInput, fmt::format("{} steps with shift {} are no sampler", options.steps, options.shift),
                    "Both must be above 0.");
    const double level = options.kind == ImageSamplerKind::FlowOde ? 0 : options.noiseLevel;
    // Beyond 1 the cosine of cps would fall below 0; the others have no upper end, only bad images.
    if (!(level >= 0) || !std::isfinite(level) || (options.kind == ImageSamplerKind::Cps && level > 1))
        return fail(Code::InvalidInput, fmt::format("a noise level of {} is not possible for {}", level,
                                                    imageSamplerName(options.kind)),
                    "It is 0 or more, and at most 1 for cps.");
    const auto sigmas = options.sigmas.empty() ? flowSigmas(options.steps, options.shift) : options.sigmas;
    PL_CHECK(checkSigmas(sigmas));
    const auto count = static_cast<int64_t>(sigmas.size()) - 1;
    std::vector<StepPlan> plan;
    for (int64_t i = 0; i < count; ++i) {
        StepPlan step;
        const double t = step.level = sigmas[static_cast<size_t>(i)];
        step.nextLevel = sigmas[static_cast<size_t>(i) + 1];
        step.onPrediction = step.nextLevel - t;
        step.x0OnPrediction = -t;
        const bool inWindow =
            i >= options.windowStart && (options.windowSize < 0 || i < options.windowStart + options.windowSize);
        // cps has no noise left to draw at level 0; the ODE's coefficients there are its own.
        const bool quietEnd = i + 1 == count && (!options.noiseAtLastStep || options.kind == ImageSamplerKind::Cps);
        if (level > 0 && inWindow && !quietEnd) {
            if (options.kind == ImageSamplerKind::Cps) {
                cpsStep(step, level);
            } else if (options.kind == ImageSamplerKind::DanceSde) {
                sdeStep(step, level);
            } else {
                // 1 - t is 0 at the start: the released code puts the second level there.
                const double denominator = 1 - (t == 1 ? sigmas[1] : t);
                sdeStep(step, level * std::sqrt(t / denominator));
            }
        }
        plan.push_back(step);
    }
    return ImageSampler(std::move(plan));
}

Result<ImageSampler> ImageSampler::ddim(const DdimOptions& options) {
    const auto trained = static_cast<int64_t>(options.alphaBars.size());
    if (options.steps < 1 || options.steps > trained)
        return fail(Code::InvalidInput, fmt::format("{} steps are not possible: the model was trained with {} noise levels",
                                                    options.steps, trained));
    if (!(options.eta >= 0 && options.eta <= 1))
        return fail(Code::InvalidInput, fmt::format("eta is {}, outside 0..1", options.eta));
    std::vector<StepPlan> plan;
    for (const int64_t t : spacedTimesteps(trained, options.steps, options.spacing, options.offset)) {
        const int64_t previous = t - trained / options.steps;
        const double a = options.alphaBars[static_cast<size_t>(t)];
        const double b = previous >= 0 ? options.alphaBars[static_cast<size_t>(previous)]
                         : options.finalAlphaOne ? 1.0
                                                 : options.alphaBars.front();
        StepPlan step;
        step.level = static_cast<double>(t);
        step.nextLevel = static_cast<double>(std::max<int64_t>(previous, 0));
        step.std = options.eta * std::sqrt(std::max(0.0, (1 - b) / (1 - a) * (1 - a / b)));
        // The guessed image and the guessed noise, both linear in state and prediction.
        double noiseOnX = 0, noiseOnPrediction = 1;
        if (options.prediction == DiscretePrediction::Epsilon) {
            step.x0OnX = 1 / std::sqrt(a);
            step.x0OnPrediction = -std::sqrt((1 - a) / a);
        } else {
            step.x0OnX = std::sqrt(a);
            step.x0OnPrediction = -std::sqrt(1 - a);
            noiseOnX = std::sqrt(1 - a);
            noiseOnPrediction = std::sqrt(a);
        }
        const double direction = std::sqrt(std::max(0.0, 1 - b - step.std * step.std));
        step.onX = std::sqrt(b) * step.x0OnX + direction * noiseOnX;
        step.onPrediction = std::sqrt(b) * step.x0OnPrediction + direction * noiseOnPrediction;
        plan.push_back(step);
    }
    return ImageSampler(std::move(plan));
}

std::vector<int64_t> ImageSampler::noisySteps() const {
    std::vector<int64_t> out;
    for (int64_t i = 0; i < steps(); ++i)
        if (plan(i).std > 0)
            out.push_back(i);
    return out;
}

Tensor ImageSampler::levels(int64_t i, const Tensor& like) const {
    return torch::full({like.size(0)}, plan(i).level, like.options().dtype(torch::kFloat32));
}

Tensor ImageSampler::levels(const std::vector<int64_t>& steps, const Tensor& like) const {
    return column(m_plan, steps, &StepPlan::level, like, false);
}

ImageStep ImageSampler::step(int64_t i, const Tensor& x, const Tensor& prediction, const Tensor& noise) const {
    return step(std::vector<int64_t>(static_cast<size_t>(x.size(0)), i), x, prediction, noise);
}

ImageStep ImageSampler::step(const std::vector<int64_t>& steps, const Tensor& x, const Tensor& prediction,
                             const Tensor& noise) const {
    TORCH_CHECK(static_cast<int64_t>(steps.size()) == x.size(0) && x.sizes() == prediction.sizes(),
                "a step needs one prediction and one index an image");
    // One product and one sum each, whatever the sampler: with no noise all of them round alike.
    const auto state = x.to(torch::kFloat32), guess = prediction.to(torch::kFloat32);
    const auto times = [&](double StepPlan::*member, const Tensor& value) {
        return value * column(m_plan, steps, member, state, true);
    };
    ImageStep out;
    out.mean = times(&StepPlan::onX, state) + times(&StepPlan::onPrediction, guess);
    out.x0hat = times(&StepPlan::x0OnX, state) + times(&StepPlan::x0OnPrediction, guess);
    out.std = column(m_plan, steps, &StepPlan::std, state, false);
    bool noisy = false;
    for (const int64_t i : steps)
        noisy = noisy || plan(i).std > 0;
    if (!noisy)
        out.next = out.mean;
    else if (noise.defined())
        out.next = out.mean + times(&StepPlan::std, noise.to(torch::kFloat32));
    return out;
}

Result<LogProbConvention> logProbConventionOf(std::string_view name) {
    if (name == "mean")
        return LogProbConvention::Mean;
    if (name == "sum")
        return LogProbConvention::Sum;
    return fail(Code::InvalidInput, fmt::format("there is no convention of log-probabilities named '{}'", name), "Use mean or sum.");
}

Json conventionsOf(LogProbConvention convention) {
    const char* over = convention == LogProbConvention::Mean ? "mean" : "sum";
    return {{"step_logp", fmt::format("{} over an image's elements of the log-density of one denoising step, fp32", over)},
            {"log_ratio", fmt::format("new minus old step_logp ({} over elements), exactly 0 on the first update", over)}};
}

Tensor stepLogProb(const Tensor& next, const Tensor& mean, const Tensor& std, LogProbConvention convention) {
    const auto logp = stepLogProbability(next.to(torch::kFloat32), mean.to(torch::kFloat32), std);
    return convention == LogProbConvention::Mean ? logp : logp * static_cast<double>(mean[0].numel());
}

Predict guided(ConditionedPredict net, Tensor condition, Tensor nullCondition, double w) {
    if (w == 1 || w == 0)
        return [net = std::move(net), only = w == 1 ? std::move(condition) : std::move(nullCondition)](
                   const Tensor& x, const Tensor& level) { return net(x, level, only); };
    const auto both = torch::cat({condition, nullCondition});
    return [net = std::move(net), both, w](const Tensor& x, const Tensor& level) {
        const auto halves = net(torch::cat({x, x}), torch::cat({level, level}), both).chunk(2);
        return halves[1] + w * (halves[0] - halves[1]);
    };
}

Tensor streamNoise(at::IntArrayRef shape, uint64_t seed, const std::vector<uint64_t>& streams, int64_t index) {
    std::vector<int64_t> sizes{static_cast<int64_t>(streams.size())};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    auto out = torch::empty(sizes, torch::kFloat32);
    const int64_t each = streams.empty() ? 0 : out.numel() / static_cast<int64_t>(streams.size());
    float* data = out.data_ptr<float>();
    for (const uint64_t stream : streams) {
        const uint64_t key = mix64(mix64(mix64(seed) ^ stream) ^ static_cast<uint64_t>(index));
        for (int64_t k = 0; k < each; k += 2) {
            const NormalPair pair = normalPair(key, static_cast<uint64_t>(k / 2));
            data[k] = static_cast<float>(pair.first);
            if (k + 1 < each)
                data[k + 1] = static_cast<float>(pair.second);
        }
        data += each;
    }
    return out;
}

Result<SampledImages> sampleImages(const ImageSampler& sampler, const Predict& predict, at::IntArrayRef shape,
                                   const ImageSamplingOptions& options, const StepHook& hook) {
    const auto& first = options.initialStreams.empty() ? options.streams : options.initialStreams;
    if (options.streams.empty() || first.size() != options.streams.size())
        return fail(Code::Internal, "sampling images needs one random stream an image");
    std::optional<torch::NoGradGuard> noGrad;
    if (!options.gradients)
        noGrad.emplace();
    SampledImages out;
    Tensor x = options.initial.defined() ? options.initial : streamNoise(shape, options.seed, first, kInitialNoise);
    if (x.size(0) != static_cast<int64_t>(options.streams.size()))
        return fail(Code::Internal, "the initial noise holds another number of images");
    x = x.to(options.device, torch::kFloat32);
    for (int64_t i = 0; i < sampler.steps(); ++i) {
        const auto prediction = predict(x, sampler.levels(i, x));
        Tensor noise;
        if (sampler.plan(i).std > 0)
            noise = streamNoise(shape, options.seed, options.streams, i).to(options.device);
        const ImageStep step = sampler.step(i, x, prediction, noise);
        Tensor next = step.next;
        if (options.record)
            out.trajectory.push_back({i, x, next,
                                      noise.defined() ? stepLogProb(next, step.mean, step.std, options.convention) : Tensor()});
        if (hook) {
            StepView view{i, sampler.steps(), x, prediction, step, next};
            if (!hook(view))
                return fail(Code::Cancelled, "sampling was stopped");
        }
        x = next;
    }
    if (!torch::isfinite(x).all().item<bool>())
        return fail(Code::Diverged, "the sampler arrived at values that are not numbers",
                    "The model's weights may have diverged in training: take an earlier checkpoint.");
    out.images = x;
    return out;
}

} // namespace pl::learn
