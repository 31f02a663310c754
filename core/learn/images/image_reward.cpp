// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/image_reward.h"

#include <cmath>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/learn/images/schedule.h"
#include "core/learn/models/flops.h"
#include "core/learn/weights/safetensors.h"
#include "core/rules/scene.h"

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr int64_t kPatch = 2; ///< pixels a side that the first convolution sees as one position
constexpr double kLeastDeviation = 1e-3; ///< of a feature: what never varied must not shout when it does
constexpr JsonLimits kConfigLimits{.maxBytes = size_t{1} << 20, .maxDepth = 8};
constexpr const char* kModelType = "pairlab_image_reward";

/// Mean and deviation over all positions, [n, 2 channels]: how much of something there is, and how unevenly.
Tensor meanAndDeviation(const Tensor& h) {
    const auto flat = h.flatten(2);
    const auto mean = flat.mean(2);
    return at::cat({mean, ((flat - mean.unsqueeze(2)).square().mean(2) + 1e-6).sqrt()}, 1);
}

/// Convolutions, each but the first halving the size.
class ConvFeatures final : public ImageFeatures {
public:
    ConvFeatures(const std::vector<int64_t>& channels, const torch::TensorOptions& options) {
        int64_t in = 3 * kPatch * kPatch;
        for (size_t i = 0; i < channels.size(); ++i) {
            const auto conv = register_module(fmt::format("conv{}", i), std::make_shared<torch::nn::Module>());
            m_weights.push_back(conv->register_parameter("weight", torch::zeros({channels[i], in, 3, 3}, options)));
            m_biases.push_back(conv->register_parameter("bias", torch::zeros({channels[i]}, options)));
            in = channels[i];
        }
    }
    Tensor forward(const Tensor& images) override {
        auto h = at::pixel_unshuffle(images, kPatch);
        for (size_t i = 0; i < m_weights.size(); ++i)
            h = at::silu(at::conv2d(h, m_weights[i], m_biases[i], i == 0 ? 1 : 2, 1));
        return meanAndDeviation(h);
    }
    int64_t width() const override { return 2 * m_weights.back().size(0); }

private:
    std::vector<Tensor> m_weights, m_biases;
};

/// What a generator's denoiser sees in an image that it takes for a slightly noised one, without a prompt.
class GeneratorFeatures final : public ImageFeatures {
public:
    GeneratorFeatures(const ImageModelConfig& config, double level, const torch::Device& device) {
        m_generator = register_module("generator", ImageModel(config, device));
        const auto options = torch::dtype(torch::kFloat32).device(device);
        m_width = ImageRewardConfig::onGenerator(config).featureWidth();
        m_mean = register_parameter("mean", torch::zeros({m_width}, options));
        m_deviation = register_parameter("deviation", torch::ones({m_width}, options));
        for (auto& parameter : parameters())
            parameter.requires_grad_(false);
        if (config.prediction == Prediction::Flow) {
            m_told = level;
            m_onImage = 1 - level;
        } else {
            const auto bars = alphaBars();
            const auto step = static_cast<size_t>(level * static_cast<double>(bars.size() - 1));
            m_told = static_cast<double>(step);
            m_onImage = std::sqrt(bars[step]);
        }
    }
    Tensor forward(const Tensor& images) override { return (plain(images) - m_mean) / m_deviation; }
    int64_t width() const override { return m_width; }

    /// Before they are brought to mean 0 and deviation 1.
    Tensor plain(const Tensor& images) {
        const int64_t n = images.size(0);
        const auto times = torch::full({n}, m_told, images.options());
        const auto tokens = m_generator->encode(m_generator->nullIds(n));
        std::vector<Tensor> out;
        for (const auto& h : m_generator->features(m_onImage * m_generator->toLatents(images), times, tokens))
            out.push_back(meanAndDeviation(h));
        return at::cat(out, 1);
    }
    void take(ImageModel& generator) {
        torch::NoGradGuard noGrad;
        const auto from = generator->named_parameters();
        for (auto& item : m_generator->named_parameters())
            item.value().copy_(from[item.key()]);
    }
    void scale(const Tensor& mean, const Tensor& deviation) {
        m_mean.copy_(mean);
        m_deviation.copy_(deviation.clamp_min(kLeastDeviation));
    }

private:
    ImageModel m_generator{nullptr};
    Tensor m_mean, m_deviation;
    int64_t m_width = 0;
    double m_told = 0, m_onImage = 1;
};

Result<int64_t> number(const Json& json, const char* key, std::string_view what, int64_t least, int64_t most) {
    PL_TRY(const int64_t value, field<int64_t>(json, key, what));
    if (value < least || value > most)
        return fail(Code::InvalidInput, fmt::format("{}: {} is {}, but must be {}..{}", what, key, value, least, most));
    return value;
}

Result<std::vector<int64_t>> numbers(const Json& json, const char* key, std::string_view what, size_t mostEntries, int64_t least,
                                     int64_t most) {
    const auto at = json.find(key);
    if (at == json.end() || !at->is_array() || at->empty() || at->size() > mostEntries)
        return fail(Code::InvalidInput, fmt::format("{}: {} is not a list of 1 to {} numbers", what, key, mostEntries));
    std::vector<int64_t> out;
    for (const Json& item : *at) {
        if (!item.is_number_integer() || item.get<int64_t>() < least || item.get<int64_t>() > most)
            return fail(Code::InvalidInput, fmt::format("{}: {} holds {}, outside {}..{}", what, key, dumpJson(item), least, most));
        out.push_back(item.get<int64_t>());
    }
    return out;
}

std::vector<int64_t> sceneSlots() {
    std::vector<int64_t> out;
    for (int slot = 0; slot < rules::kSlots; ++slot)
        out.push_back(rules::slotSize(static_cast<rules::Slot>(slot)));
    return out;
}

} // namespace

ImageRewardConfig ImageRewardConfig::forScenes(int64_t size) {
    ImageRewardConfig c;
    c.size = size;
    c.slots = sceneSlots();
    return c;
}

ImageRewardConfig ImageRewardConfig::onGenerator(const ImageModelConfig& generator) {
    auto c = forScenes(generator.size);
    c.generator = generator;
    return c;
}

Result<ImageRewardConfig> ImageRewardConfig::fromJson(const Json& json, std::string_view what) {
    if (!json.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not a JSON object", what));
    PL_TRY(const auto type, field<std::string>(json, "model_type", what));
    if (type != kModelType)
        return fail(Code::Unsupported, fmt::format("{}: model type '{}' is not an image reward model", what, type),
                    "Choose a run of the image reward model trainer.");
    ImageRewardConfig c;
    PL_TRY(c.size, number(json, "image_size", what, 8, 512));
    if (c.size % kPatch != 0)
        return fail(Code::InvalidInput, fmt::format("{}: image_size {} is not even", what, c.size));
    PL_TRY(const auto features, field<std::string>(json, "features", what));
    if (features == "generator") {
        const auto at = json.find("generator");
        PL_TRY(c.generator, ImageModelConfig::fromJson(at == json.end() ? Json() : *at, fmt::format("{}: generator", what)));
        PL_TRY(c.noiseLevel, field<double>(json, "noise_level", what));
        if (!(c.noiseLevel >= 0 && c.noiseLevel < 1) || c.generator->size != c.size)
            return fail(Code::InvalidInput,
                        fmt::format("{}: noise_level must be from 0 to below 1, and image_size the generator's", what));
    } else if (features == "conv") {
        PL_TRY(c.channels, numbers(json, "channels", what, 8, 1, 2048));
    } else {
        return fail(Code::Unsupported, fmt::format("{}: the features '{}' are not supported", what, features),
                    "Use a model whose features are 'generator' or 'conv'.");
    }
    PL_TRY(c.slots, numbers(json, "slots", what, 64, 2, 4096));
    if (c.slots != sceneSlots())
        return fail(Code::Unsupported, fmt::format("{}: its captions have other slots than this program's", what));
    PL_TRY(c.slotSize, number(json, "slot_size", what, 1, 1024));
    PL_TRY(c.hidden, number(json, "hidden", what, 1, 4096));
    const auto calibration = json.find("calibration");
    if (calibration == json.end() || !calibration->is_object())
        return fail(Code::InvalidInput, fmt::format("{} has no object 'calibration'", what));
    auto& k = c.calibration;
    PL_TRY(k.mean, field<double>(*calibration, "mean", what));
    PL_TRY(k.deviation, field<double>(*calibration, "std", what));
    PL_TRY(k.temperature, field<double>(*calibration, "temperature", what));
    PL_TRY(k.images, field<int64_t>(*calibration, "images", what));
    PL_TRY(k.pairs, field<int64_t>(*calibration, "pairs", what));
    if (!std::isfinite(k.mean) || !(k.deviation > 0) || !std::isfinite(k.deviation) || !(k.temperature > 0) ||
        !std::isfinite(k.temperature))
        return fail(Code::InvalidInput, fmt::format("{}: std and temperature must be above 0 and finite", what));
    return c;
}

Json ImageRewardConfig::toJson() const {
    Json out{{"model_type", kModelType},
             {"image_size", size},
             {"features", generator ? "generator" : "conv"},
             {"slots", slots},
             {"slot_size", slotSize},
             {"hidden", hidden},
             {"calibration",
              {{"mean", calibration.mean},
               {"std", calibration.deviation},
               {"temperature", calibration.temperature},
               {"images", calibration.images},
               {"pairs", calibration.pairs}}}};
    if (generator) {
        out["generator"] = generator->toJson();
        out["noise_level"] = noiseLevel;
    } else {
        out["channels"] = channels;
    }
    return out;
}

int64_t ImageRewardConfig::featureWidth() const {
    return 2 * (generator ? generator->width + (generator->depth + 1) * generator->deepWidth : channels.back());
}

double ImageRewardConfig::headFlops() const {
    const auto in = static_cast<double>(featureWidth() + static_cast<int64_t>(slots.size()) * slotSize);
    return 2 * (in + 1) * static_cast<double>(hidden);
}

double ImageRewardConfig::forwardFlops() const {
    if (generator)
        return generator->featureFlops() + headFlops();
    double macs = 0, in = 3 * kPatch * kPatch, side = static_cast<double>(size / kPatch);
    for (size_t i = 0; i < channels.size(); ++i) {
        if (i > 0)
            side = std::ceil(side / 2);
        macs += side * side * 9 * in * static_cast<double>(channels[i]);
        in = static_cast<double>(channels[i]);
    }
    return 2 * macs + headFlops();
}

ImageRewardImpl::ImageRewardImpl(const ImageRewardConfig& config, torch::Device device) : m_config(config) {
    const auto options = torch::dtype(torch::kFloat32).device(device);
    if (config.generator)
        m_features = register_module("features", std::make_shared<GeneratorFeatures>(*config.generator, config.noiseLevel, device));
    else
        m_features = register_module("features", std::make_shared<ConvFeatures>(config.channels, options));
    const auto head = register_module("head", std::make_shared<torch::nn::Module>());
    int64_t rows = 0;
    for (const int64_t values : config.slots) {
        m_firstRow.push_back(rows);
        rows += values;
    }
    const int64_t in = m_features->width() + static_cast<int64_t>(config.slots.size()) * config.slotSize;
    m_slots = head->register_parameter("slots", torch::zeros({rows, config.slotSize}, options));
    m_hiddenWeight = head->register_parameter("hidden_weight", torch::zeros({config.hidden, in}, options));
    m_hiddenBias = head->register_parameter("hidden_bias", torch::zeros({config.hidden}, options));
    m_outWeight = head->register_parameter("out_weight", torch::zeros({1, config.hidden}, options));
    m_outBias = head->register_parameter("out_bias", torch::zeros({1}, options));
}

torch::Device ImageRewardImpl::device() const {
    return m_slots.device();
}

void ImageRewardImpl::initialise(uint64_t seed) {
    torch::NoGradGuard noGrad;
    auto generator = at::detail::createCPUGenerator(seed);
    for (const auto& item : named_parameters()) {
        auto parameter = item.value();
        if (!parameter.requires_grad())
            continue;
        if (parameter.dim() < 2 || item.key() == "head.out_weight") {
            parameter.zero_();
        } else if (item.key() == "head.slots") {
            parameter.copy_(torch::randn(parameter.sizes(), generator).mul_(0.3));
        } else {
            // Kaiming's bound for SiLU-like units.
            const double bound = std::sqrt(6.0 / static_cast<double>(parameter.numel() / parameter.size(0)));
            parameter.copy_(torch::rand(parameter.sizes(), generator).mul_(2 * bound).sub_(bound));
        }
    }
}

Tensor ImageRewardImpl::promptIds(const std::vector<std::string>& prompts) const {
    auto out = torch::zeros({static_cast<int64_t>(prompts.size()), rules::kSlots}, torch::kInt64);
    for (size_t i = 0; i < prompts.size(); ++i) {
        const auto slots = rules::parseCaption(prompts[i]).caption.slots();
        for (size_t k = 0; k < slots.size(); ++k)
            out[static_cast<int64_t>(i)][static_cast<int64_t>(k)] = slots[k];
    }
    return out.to(device());
}

Tensor ImageRewardImpl::raw(const Tensor& images, const Tensor& ids) {
    return judge(see(images), ids);
}

Tensor ImageRewardImpl::see(const Tensor& images) {
    auto out = m_features->forward(images);
    if (!frozenFeatures()) { // a generator counts its own work
        const double flops = (m_config.forwardFlops() - m_config.headFlops()) * static_cast<double>(images.size(0));
        countFlops(flops);
        if (out.requires_grad())
            out.register_hook([flops](const Tensor&) { countFlops(2 * flops); });
    }
    return out;
}

Tensor ImageRewardImpl::judge(const Tensor& seen, const Tensor& ids) {
    const auto first = torch::tensor(m_firstRow, torch::kInt64).to(ids.device());
    const auto said = at::embedding(m_slots, ids + first).flatten(1);
    const auto hidden = at::silu(at::linear(at::cat({seen, said}, 1), m_hiddenWeight, m_hiddenBias));
    auto out = at::linear(hidden, m_outWeight, m_outBias).squeeze(1);
    const double flops = m_config.headFlops() * static_cast<double>(seen.size(0));
    countFlops(flops);
    if (out.requires_grad())
        out.register_hook([flops](const Tensor&) { countFlops(2 * flops); });
    return out;
}

void ImageRewardImpl::useGenerator(ImageModel& generator, const std::function<Tensor(size_t)>& images, size_t batches) {
    torch::NoGradGuard noGrad;
    auto& features = dynamic_cast<GeneratorFeatures&>(*m_features);
    features.take(generator);
    std::vector<Tensor> all;
    for (size_t i = 0; i < batches; ++i)
        all.push_back(features.plain(images(i)));
    const auto seen = at::cat(all);
    features.scale(seen.mean(0), seen.std(0, false));
}

Tensor ImageRewardImpl::score(const Tensor& images, const std::vector<std::string>& prompts) {
    auto input = images;
    if (images.size(2) != m_config.size || images.size(3) != m_config.size)
        input = at::adaptive_avg_pool2d(images, {m_config.size, m_config.size});
    const auto& k = m_config.calibration;
    return (raw(input.clamp(-1, 1), promptIds(prompts)) - k.mean) / k.deviation;
}

double ImageRewardImpl::probability(double scoreA, double scoreB) const {
    const auto& k = m_config.calibration;
    return 1 / (1 + std::exp(-(scoreA - scoreB) * k.deviation / k.temperature));
}

Result<bool> isImageReward(const std::string& dir) {
    const std::string path = os::joinPath(dir, "config.json");
    PL_TRY(const Json json, readJsonFile(path, kConfigLimits));
    PL_TRY(const auto type, fieldOr<std::string>(json, "model_type", "", path));
    return type == kModelType;
}

Result<ImageReward> loadImageReward(const std::string& dir, const torch::Device& device) {
    const std::string path = os::joinPath(dir, "config.json");
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("{} has no config.json", dir), "Choose a run of the image reward model trainer.");
    PL_TRY(const Json json, readJsonFile(path, kConfigLimits));
    PL_TRY(const auto config, ImageRewardConfig::fromJson(json, path));
    try {
        PL_TRY(const uint64_t bytes, checkParameters(*ImageReward(config, torch::kMeta), dir));
        PL_CHECK(checkMemoryFor(bytes, dir));
        ImageReward model(config);
        PL_CHECK(loadParameters(*model, dir));
        model->to(device);
        model->eval();
        return model;
    } catch (const std::bad_alloc&) {
        return fail(Code::OutOfMemory, fmt::format("not enough memory for {}", dir));
    } catch (const c10::Error& e) {
        return fail(Code::Internal, fmt::format("{} could not be loaded: {}", dir, e.what_without_backtrace()));
    }
}

Status saveImageReward(const ImageReward& model, const std::string& dir) {
    PL_CHECK(os::makeDirs(dir));
    TensorMap tensors;
    for (const auto& item : model->named_parameters())
        tensors[item.key()] = item.value().detach();
    PL_CHECK(writeSafetensors(os::joinPath(dir, "model.safetensors"), tensors));
    return os::writeFileAtomic(os::joinPath(dir, "config.json"), dumpJsonPretty(model->config().toJson()) + "\n");
}

double pairCrossEntropy(double margin, double p) {
    const auto softplus = [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); };
    return p * softplus(-margin) + (1 - p) * softplus(margin);
}

double fitTemperature(const std::vector<double>& differences, const std::vector<double>& labels) {
    if (differences.empty())
        return 1;
    const auto loss = [&](double logT) {
        double sum = 0;
        for (size_t i = 0; i < differences.size(); ++i)
            sum += pairCrossEntropy(differences[i] * std::exp(-logT), labels[i]);
        return sum;
    };
    // Convex in 1/T, so it has one minimum: golden section over log T.
    const double ratio = (std::sqrt(5.0) - 1) / 2;
    double low = -std::log(20.0), high = std::log(20.0);
    double a = high - ratio * (high - low), b = low + ratio * (high - low);
    double atA = loss(a), atB = loss(b);
    while (high - low > 1e-5) {
        if (atA < atB) {
            high = b, b = a, atB = atA;
            a = high - ratio * (high - low), atA = loss(a);
        } else {
            low = a, a = b, atA = atB;
            b = low + ratio * (high - low), atB = loss(b);
        }
    }
    return std::exp((low + high) / 2);
}

} // namespace pl::learn
