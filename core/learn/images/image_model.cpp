// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/image_model.h"

#include <cmath>

#include <ATen/autocast_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/bundle.h"
#include "core/base/os/files.h"
#include "core/learn/models/flops.h"
#include "core/rules/scene.h"

namespace pl::learn {
namespace {

using torch::Tensor;
using ModulePtr = std::shared_ptr<torch::nn::Module>;

constexpr int64_t kPatch = 2;  ///< pixels a side that the first convolution sees as one position
constexpr int64_t kGroups = 8; ///< of every group norm
constexpr int64_t kTimeFeatures = 64;
constexpr int64_t kBlocks = 2; ///< residual blocks at half size, on the way down and on the way up
constexpr JsonLimits kConfigLimits{.maxBytes = size_t{1} << 20, .maxDepth = 8};

ModulePtr child(const ModulePtr& parent, const std::string& name) {
    return parent->register_module(name, std::make_shared<torch::nn::Module>());
}

/// A weight and a bias: of a convolution, a linear map or a norm.
struct Affine {
    Tensor weight, bias;
    std::shared_ptr<LowRank> update; ///< not of a norm
    Tensor linear(const Tensor& x) const { return adaptedLinear(x, weight, bias, *update); }
    Tensor conv(const Tensor& x, int64_t stride = 1) const {
        return adaptedConv2d(x, weight, bias, stride, weight.size(2) / 2, *update);
    }
    Tensor norm(const Tensor& x) const { return at::group_norm(x, kGroups, weight, bias); }
};

/// Makes parameters on one device.
struct Maker {
    torch::Device device;
    std::vector<AdaptableLayer>& adaptable;
    Affine affine(const ModulePtr& parent, const std::string& name, at::IntArrayRef shape) const {
        const auto module = child(parent, name);
        const auto options = torch::dtype(torch::kFloat32).device(device);
        Affine out{module->register_parameter("weight", torch::zeros(shape, options)),
                   module->register_parameter("bias", torch::zeros({shape[0]}, options)), {}};
        if (shape.size() > 1) {
            out.update = std::make_shared<LowRank>();
            adaptable.push_back({{}, out.weight, out.update});
        }
        return out;
    }
};

struct Residual {
    Affine norm1, conv1, embedding, norm2, conv2, skip;

    Residual(const Maker& make, const ModulePtr& parent, const std::string& name, int64_t in, int64_t out, int64_t embed) {
        const auto module = child(parent, name);
        norm1 = make.affine(module, "norm1", {in});
        conv1 = make.affine(module, "conv1", {out, in, 3, 3});
        embedding = make.affine(module, "embedding", {2 * out, embed});
        norm2 = make.affine(module, "norm2", {out});
        conv2 = make.affine(module, "conv2", {out, out, 3, 3});
        if (in != out)
            skip = make.affine(module, "skip", {out, in, 1, 1});
    }
    /// `embed` went through SiLU already: all blocks share that.
    Tensor operator()(const Tensor& x, const Tensor& embed) const {
        const auto h = conv1.conv(at::silu(norm1.norm(x)));
        const auto parts = embedding.linear(embed).unsqueeze(-1).unsqueeze(-1).chunk(2, 1);
        const auto modulated = at::addcmul(parts[1], norm2.norm(h), parts[0] + 1);
        const auto branch = conv2.conv(at::silu(modulated));
        return (skip.weight.defined() ? skip.conv(x) : x) + branch;
    }
    static double macs(double in, double out, double positions, double embed) {
        return positions * (9 * in * out + 9 * out * out + (in != out ? in * out : 0)) + 2 * out * embed;
    }
};

/// Image positions look at each other and at the caption's tokens.
struct Attention {
    Affine norm, image, text, output;
    int64_t heads;

    Attention(const Maker& make, const ModulePtr& parent, const std::string& name, int64_t channels, int64_t textSize,
              int64_t headCount)
        : heads(headCount) {
        const auto module = child(parent, name);
        norm = make.affine(module, "norm", {channels});
        image = make.affine(module, "image", {3 * channels, channels});
        text = make.affine(module, "text", {2 * channels, textSize});
        output = make.affine(module, "output", {channels, channels});
    }
    Tensor operator()(const Tensor& x, const Tensor& tokens) const {
        const int64_t n = x.size(0), channels = x.size(1);
        const auto split = [&](const Tensor& y) { return y.reshape({n, y.size(1), heads, channels / heads}).transpose(1, 2); };
        const auto own = image.linear(norm.norm(x).flatten(2).transpose(1, 2)).chunk(3, -1);
        const auto said = text.linear(tokens).chunk(2, -1);
        // Written out: torch's fused kernel takes four times as long backwards in bfloat16 on a CPU.
        const auto query = split(own[0]) * (1 / std::sqrt(static_cast<double>(channels / heads)));
        const auto key = split(at::cat({own[1], said[0]}, 1)), value = split(at::cat({own[2], said[1]}, 1));
        const auto mixed = at::matmul(at::softmax(at::matmul(query, key.transpose(2, 3)), -1), value);
        const auto out = output.linear(mixed.transpose(1, 2).reshape({n, -1, channels}));
        return x + out.transpose(1, 2).reshape(x.sizes());
    }
    static double macs(double channels, double textSize, double positions, double tokens) {
        return positions * 4 * channels * channels + tokens * 2 * channels * textSize +
               2 * positions * (positions + tokens) * channels;
    }
};

/// Sines and cosines of t at frequencies from 1 down to 1/10000, [n, kTimeFeatures].
Tensor timeFeatures(const Tensor& times) {
    const int64_t half = kTimeFeatures / 2;
    const auto index = torch::arange(half, times.options());
    const auto frequencies = at::exp(index * (-std::log(10000.0) / static_cast<double>(half)));
    const auto angles = times.unsqueeze(1) * frequencies;
    return at::cat({angles.sin(), angles.cos()}, 1);
}

Result<int64_t> number(const Json& json, const char* key, std::string_view what, int64_t least, int64_t most,
                       int64_t divisor = 1) {
    PL_TRY(const int64_t value, field<int64_t>(json, key, what));
    if (value < least || value > most || value % divisor != 0)
        return fail(Code::InvalidInput, fmt::format("{}: {} is {}, but must be {}..{}{}", what, key, value, least, most,
                                                    divisor > 1 ? fmt::format(" and a multiple of {}", divisor) : ""));
    return value;
}

/// A part of the config whose "type" is the one there is.
Result<Json> part(const Json& json, const char* key, const char* type, std::string_view what) {
    const auto at = json.find(key);
    if (at == json.end() || !at->is_object())
        return fail(Code::InvalidInput, fmt::format("{} has no object '{}'", what, key));
    PL_TRY(const auto found, field<std::string>(*at, "type", what));
    if (found != type)
        return fail(Code::Unsupported, fmt::format("{}: the {} '{}' is not supported", what, key, found),
                    fmt::format("Use a model whose {} is '{}'.", key, type));
    return *at;
}

} // namespace

bool isImageModelType(std::string_view modelType) {
    return modelType.starts_with("pairlab_image_");
}

Result<ImageModelConfig> ImageModelConfig::fromJson(const Json& json, std::string_view what) {
    if (!json.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not a JSON object", what));
    ImageModelConfig c;
    PL_TRY(const auto type, field<std::string>(json, "model_type", what));
    if (type == "pairlab_image_flow")
        c.prediction = Prediction::Flow;
    else if (type == "pairlab_image_epsilon")
        c.prediction = Prediction::Epsilon;
    else
        return fail(Code::Unsupported, fmt::format("{}: model type '{}' is not an image generator", what, type),
                    "Choose a generator of images, such as the starter's.");
    PL_TRY(c.size, number(json, "image_size", what, 8, 512, 4));
    PL_TRY(const auto text, part(json, "text_encoder", "scene_slots", what));
    PL_TRY(c.textSize, number(text, "size", what, 1, 1024));
    const auto slots = text.find("slots");
    if (slots == text.end() || !slots->is_array() || slots->empty() || slots->size() > 64)
        return fail(Code::InvalidInput, fmt::format("{}: text_encoder.slots is not a list of 1 to 64 numbers", what));
    for (const auto& slot : *slots) {
        if (!slot.is_number_integer() || slot.get<int64_t>() < 2 || slot.get<int64_t>() > 4096)
            return fail(Code::InvalidInput, fmt::format("{}: text_encoder.slots holds {}, outside 2..4096", what, dumpJson(slot)));
        c.slots.push_back(slot.get<int64_t>());
    }
    PL_TRY(const auto unet, part(json, "denoiser", "unet", what));
    PL_TRY(c.width, number(unet, "width", what, kGroups, 1024, kGroups));
    PL_TRY(c.deepWidth, number(unet, "deep_width", what, kGroups, 2048, kGroups));
    PL_TRY(c.embedding, number(unet, "embedding", what, 1, 4096));
    PL_TRY(c.heads, number(unet, "heads", what, 1, 64));
    PL_TRY(c.depth, number(unet, "depth", what, 0, 32));
    if (c.deepWidth % c.heads != 0)
        return fail(Code::InvalidInput, fmt::format("{}: deep_width {} is not a multiple of {} heads", what, c.deepWidth, c.heads));
    PL_TRY(const auto decoder, part(json, "decoder", "identity", what));
    return c;
}

Json ImageModelConfig::toJson() const {
    return {{"model_type", prediction == Prediction::Flow ? "pairlab_image_flow" : "pairlab_image_epsilon"},
            {"image_size", size},
            {"text_encoder", {{"type", "scene_slots"}, {"slots", slots}, {"size", textSize}}},
            {"denoiser",
             {{"type", "unet"}, {"width", width}, {"deep_width", deepWidth}, {"embedding", embedding}, {"heads", heads}, {"depth", depth}}},
            {"decoder", {{"type", "identity"}}}};
}

double ImageModelConfig::featureFlops() const {
    const auto a = static_cast<double>(width), b = static_cast<double>(deepWidth), e = static_cast<double>(embedding),
               d = static_cast<double>(textSize), t = static_cast<double>(slots.size());
    const double half = static_cast<double>(size * size) / (kPatch * kPatch), quarter = half / 4;
    const double patch = 3 * kPatch * kPatch;
    double macs = kTimeFeatures * e + e * e + t * d * e + e * e;
    macs += half * 9 * patch * a; // in
    macs += kBlocks * Residual::macs(a, a, half, e);
    macs += quarter * 9 * a * b;
    macs += static_cast<double>(depth + 1) * Residual::macs(b, b, quarter, e);
    macs += static_cast<double>(depth) * Attention::macs(b, d, quarter, t);
    return 2 * macs;
}

double ImageModelConfig::forwardFlops() const {
    const auto a = static_cast<double>(width), b = static_cast<double>(deepWidth), e = static_cast<double>(embedding);
    const double half = static_cast<double>(size * size) / (kPatch * kPatch), quarter = half / 4;
    const double up = quarter * b * 4 * a, out = half * 9 * 3 * kPatch * kPatch * a;
    return featureFlops() + 2 * (up + kBlocks * Residual::macs(2 * a, a, half, e) + out);
}

struct ImageModelImpl::Layers {
    Tensor slots; ///< one row for every value of every slot, and one each for "no caption"
    Tensor places; ///< [deepWidth, size / 4, size / 4]: attention would not know where a position is
    Affine time1, time2, caption1, caption2, input, down, up, outputNorm, output;
    std::vector<Residual> shallow, deep, rising;
    std::vector<Attention> attention;
    std::vector<int64_t> firstRow;
    std::vector<AdaptableLayer> adaptable;

    /// What times and tokens give the residual blocks, [n, embedding]; through SiLU.
    Tensor embed(const Tensor& times, const Tensor& tokens, Prediction prediction) const;
    /// The way down, to a quarter of the size. `kept`: after every block at half size; `seen`, if asked for, after every deep block.
    Tensor falling(const Tensor& x, const Tensor& embed, const Tensor& tokens, std::vector<Tensor>& kept,
                   std::vector<Tensor>* seen = nullptr) const;
};

ImageModelImpl::ImageModelImpl(const ImageModelConfig& config, torch::Device device)
    : m_config(config), m_layers(std::make_shared<Layers>()) {
    const auto& c = m_config;
    auto& l = *m_layers;
    const Maker make{device, l.adaptable};
    const auto text = register_module("text_encoder", std::make_shared<torch::nn::Module>());
    int64_t rows = 0;
    for (const int64_t values : c.slots) {
        l.firstRow.push_back(rows);
        rows += values + 1;
    }
    l.slots = child(text, "slots")->register_parameter(
        "weight", torch::zeros({rows, c.textSize}, torch::dtype(torch::kFloat32).device(device)));
    const auto net = register_module("denoiser", std::make_shared<torch::nn::Module>());
    l.time1 = make.affine(net, "time1", {c.embedding, kTimeFeatures});
    l.time2 = make.affine(net, "time2", {c.embedding, c.embedding});
    l.caption1 = make.affine(net, "caption1", {c.embedding, static_cast<int64_t>(c.slots.size()) * c.textSize});
    l.caption2 = make.affine(net, "caption2", {c.embedding, c.embedding});
    const int64_t a = c.width, b = c.deepWidth, patch = 3 * kPatch * kPatch;
    l.input = make.affine(net, "input", {a, patch, 3, 3});
    for (int64_t i = 0; i < kBlocks; ++i)
        l.shallow.emplace_back(make, net, fmt::format("falling{}", i), a, a, c.embedding);
    l.down = make.affine(net, "down", {b, a, 3, 3});
    l.places = net->register_parameter(
        "places", torch::zeros({b, c.size / 4, c.size / 4}, torch::dtype(torch::kFloat32).device(device)));
    for (int64_t i = 0; i <= c.depth; ++i) {
        if (i > 0)
            l.attention.emplace_back(make, net, fmt::format("attention{}", i - 1), b, c.textSize, c.heads);
        l.deep.emplace_back(make, net, fmt::format("deep{}", i), b, b, c.embedding);
    }
    l.up = make.affine(net, "up", {4 * a, b, 1, 1});
    for (int64_t i = 0; i < kBlocks; ++i)
        l.rising.emplace_back(make, net, fmt::format("rising{}", i), 2 * a, a, c.embedding);
    l.outputNorm = make.affine(net, "output_norm", {a});
    l.output = make.affine(net, "output", {patch, a, 3, 3});
    for (const auto& item : named_parameters())
        for (auto& layer : l.adaptable)
            if (layer.weight.is_same(item.value()))
                layer.name = item.key().substr(0, item.key().rfind('.'));
}

const std::vector<AdaptableLayer>& ImageModelImpl::adaptable() const {
    return m_layers->adaptable;
}

torch::Device ImageModelImpl::device() const {
    return m_layers->slots.device();
}

void ImageModelImpl::initialise(uint64_t seed) {
    torch::NoGradGuard noGrad;
    auto generator = at::detail::createCPUGenerator(seed);
    for (const auto& item : named_parameters()) {
        auto parameter = item.value();
        const std::string& name = item.key();
        if (parameter.dim() < 2) {
            parameter.fill_(name.ends_with("bias") ? 0.0 : 1.0);
        } else if (name.ends_with("conv2.weight") || name == "denoiser.output.weight" ||
                   (name.starts_with("denoiser.attention") && name.ends_with("output.weight"))) {
            parameter.zero_();
        } else if (name == "denoiser.places") {
            parameter.copy_(torch::randn(parameter.sizes(), generator).mul_(0.1));
        } else if (name == "text_encoder.slots.weight") {
            parameter.copy_(torch::randn(parameter.sizes(), generator));
        } else {
            const double bound = 1 / std::sqrt(static_cast<double>(parameter.numel() / parameter.size(0)));
            parameter.copy_(torch::rand(parameter.sizes(), generator).mul_(2 * bound).sub_(bound));
        }
    }
}

Result<Tensor> ImageModelImpl::promptIds(const std::vector<std::string>& prompts) const {
    if (m_config.slots.size() != rules::kSlots)
        return fail(Code::Unsupported, fmt::format("the model reads captions of {} slots, not {}", m_config.slots.size(), rules::kSlots));
    auto out = torch::empty({static_cast<int64_t>(prompts.size()), rules::kSlots}, torch::kInt64);
    auto* to = out.data_ptr<int64_t>();
    for (const auto& prompt : prompts) {
        const auto ids = rules::parseCaption(prompt).caption.slots();
        for (size_t i = 0; i < ids.size(); ++i) {
            if (ids[i] >= m_config.slots[i])
                return fail(Code::Unsupported, fmt::format("the model has no {} for the prompt \"{}\"",
                                                           rules::slotName(static_cast<rules::Slot>(i)), prompt));
            *to++ = ids[i];
        }
    }
    return out.to(device());
}

Tensor ImageModelImpl::nullIds(int64_t n) const {
    return torch::tensor(m_config.slots, torch::kInt64).to(device()).unsqueeze(0).repeat({n, 1});
}

Tensor ImageModelImpl::encode(const Tensor& ids) {
    const auto first = torch::tensor(m_layers->firstRow, torch::kInt64).to(ids.device());
    return at::embedding(m_layers->slots, ids + first);
}

Tensor ImageModelImpl::Layers::embed(const Tensor& times, const Tensor& tokens, Prediction prediction) const {
    const auto scale = prediction == Prediction::Flow ? 1000.0 : 1.0;
    return at::silu(time2.linear(at::silu(time1.linear(timeFeatures(times * scale)))) +
                    caption2.linear(at::silu(caption1.linear(tokens.flatten(1)))));
}

Tensor ImageModelImpl::Layers::falling(const Tensor& x, const Tensor& embed, const Tensor& tokens, std::vector<Tensor>& kept,
                                       std::vector<Tensor>* seen) const {
    auto h = input.conv(at::pixel_unshuffle(x, kPatch));
    for (const auto& block : shallow)
        kept.push_back(h = block(h, embed));
    h = down.conv(h, 2);
    h = h + places.to(h.scalar_type());
    for (size_t i = 0; i < deep.size(); ++i) {
        if (i > 0)
            h = attention[i - 1](h, tokens);
        h = deep[i](h, embed);
        if (seen)
            seen->push_back(h);
    }
    return h;
}

std::vector<Tensor> ImageModelImpl::features(const Tensor& x, const Tensor& times, const Tensor& tokens) {
    const auto& l = *m_layers;
    std::vector<Tensor> kept, out;
    l.falling(x, l.embed(times, tokens, m_config.prediction), tokens, kept, &out);
    out.insert(out.begin(), kept.back());
    const double flops = m_config.featureFlops() * static_cast<double>(x.size(0));
    countFlops(flops);
    if (out.back().requires_grad())
        out.back().register_hook([back = l.input.weight.requires_grad() ? 2 * flops : flops](const Tensor&) { countFlops(back); });
    return out;
}

Tensor ImageModelImpl::predict(const Tensor& x, const Tensor& times, const Tensor& tokens) {
    const auto& l = *m_layers;
    const auto embed = l.embed(times, tokens, m_config.prediction);
    std::vector<Tensor> kept;
    auto h = l.falling(x, embed, tokens, kept);
    h = at::pixel_shuffle(l.up.conv(h), 2);
    for (const auto& block : l.rising) {
        h = block(at::cat({h, kept.back()}, 1), embed);
        kept.pop_back();
    }
    auto out = at::pixel_shuffle(l.output.conv(at::silu(l.outputNorm.norm(h))), kPatch).to(x.scalar_type());
    const double flops = m_config.forwardFlops() * static_cast<double>(x.size(0));
    countFlops(flops);
    // Through frozen weights goes the gradient of what they worked on alone.
    if (const double back = l.output.weight.requires_grad() ? 2 * flops : flops; out.requires_grad())
        out.register_hook([back](const Tensor&) { countFlops(back); });
    return out;
}

Bfloat16Scope::Bfloat16Scope(bool on, torch::DeviceType device) : m_on(on), m_device(device) {
    if (!m_on)
        return;
    m_before = at::autocast::is_autocast_enabled(m_device);
    at::autocast::set_autocast_dtype(m_device, torch::kBFloat16);
    at::autocast::set_autocast_enabled(m_device, true);
    at::autocast::increment_nesting();
}

Bfloat16Scope::~Bfloat16Scope() {
    if (!m_on)
        return;
    if (at::autocast::decrement_nesting() == 0)
        at::autocast::clear_cache(); // weights change before the next time
    at::autocast::set_autocast_enabled(m_device, m_before);
}

Result<uint64_t> checkParameters(const torch::nn::Module& module, const std::string& dir) {
    const std::string path = os::joinPath(dir, "model.safetensors");
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("{} has no model.safetensors", dir), "Choose a folder that holds a model.");
    PL_TRY(const auto header, readSafetensorsHeader(path));
    uint64_t bytes = 0;
    size_t known = 0;
    for (const auto& item : module.named_parameters()) {
        const auto at = header.find(item.key());
        if (at == header.end())
            return fail(Code::Corrupt, fmt::format("{} lacks the tensor '{}'", path, item.key()));
        if (at->second.shape != item.value().sizes().vec())
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' has the shape [{}], config.json asks for [{}]", path,
                                                   item.key(), fmt::join(at->second.shape, ", "),
                                                   fmt::join(item.value().sizes(), ", ")));
        const auto& type = at->second.dtype;
        if (type != "F32" && type != "F16" && type != "BF16")
            return fail(Code::Unsupported, fmt::format("{}: tensor '{}' is {}, not F32, F16 or BF16", path, item.key(), type));
        bytes += 4 * static_cast<uint64_t>(item.value().numel());
        ++known;
    }
    if (known != header.size())
        for (const auto& [name, info] : header)
            if (!module.named_parameters().contains(name))
                return fail(Code::Unsupported,
                            fmt::format("{} holds the tensor '{}', which config.json does not describe", path, name));
    return bytes;
}

Status checkMemoryFor(uint64_t bytes, const std::string& dir) {
    if (const uint64_t free = os::availableMemory(); free != 0 && bytes + bytes / 4 > free)
        return fail(Code::OutOfMemory, fmt::format("{} needs {} MB, {} MB are free", dir, bytes >> 20, free >> 20),
                    "Close other programs or choose a smaller model.");
    return {};
}

Status loadParameters(torch::nn::Module& module, const std::string& dir) {
    PL_CHECK(checkParameters(module, dir));
    const std::string path = os::joinPath(dir, "model.safetensors");
    PL_TRY(const auto tensors, readSafetensors(path));
    torch::NoGradGuard noGrad;
    for (const auto& item : module.named_parameters()) {
        const auto at = tensors.find(item.key());
        auto parameter = item.value();
        if (at == tensors.end() || at->second.sizes() != parameter.sizes())
            return fail(Code::Corrupt, fmt::format("{} changed while it was read", path));
        parameter.copy_(at->second);
        if (!torch::isfinite(parameter).all().item<bool>())
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' holds numbers that are not finite", path, item.key()),
                        "Choose an earlier checkpoint.");
    }
    return {};
}

Result<ImageModelConfig> readImageConfig(const std::string& dir) {
    const std::string path = os::joinPath(dir, "config.json");
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("{} has no config.json", dir), "Choose a folder that holds an image model.");
    PL_TRY(const Json json, readJsonFile(path, kConfigLimits));
    return ImageModelConfig::fromJson(json, path);
}

Result<LoadedImageModel> loadImageModel(const std::string& dir, const torch::Device& device) {
    LoadedImageModel loaded;
    loaded.dir = dir;
    PL_TRY(loaded.config, readImageConfig(dir));
    try {
        // By the headers first, before a byte of weights is allocated.
        PL_TRY(const uint64_t bytes, checkParameters(*ImageModel(loaded.config, torch::kMeta), dir));
        PL_CHECK(checkMemoryFor(bytes, dir));
        PL_TRY(loaded.hash, modelHash(dir));
        loaded.model = ImageModel(loaded.config);
        PL_CHECK(loadParameters(*loaded.model, dir));
        loaded.model->to(device);
        loaded.model->eval();
    } catch (const std::bad_alloc&) {
        return fail(Code::OutOfMemory, fmt::format("not enough memory for {}", dir));
    } catch (const c10::Error& e) {
        return fail(Code::Internal, fmt::format("{} could not be loaded: {}", dir, e.what_without_backtrace()));
    }
    return loaded;
}

Status saveImageModel(const ImageModel& model, const std::string& dir, const Adapters* adapters) {
    PL_CHECK(os::makeDirs(dir));
    PL_CHECK(streamSafetensors(os::joinPath(dir, "model.safetensors"), savedTensors(*model, adapters)));
    return os::writeFileAtomic(os::joinPath(dir, "config.json"), dumpJsonPretty(model->config().toJson()) + "\n");
}

Trainable trainable(ImageModel model) {
    Trainable out;
    for (const auto& item : model->named_parameters())
        out.parameters.emplace_back(item.key(), item.value());
    out.save = [model](const std::string& dir) { return saveImageModel(model, dir); };
    return out;
}

Trainable trainable(ImageModel model, const Adapters& adapters, const AdapterBase& base) {
    Trainable out;
    out.parameters = adapters.parameters();
    out.file = std::string(kAdapterFolder) + "/" + kAdapterWeights;
    out.save = [model, adapters, base](const std::string& dir) -> Status {
        PL_CHECK(saveImageModel(model, dir, &adapters));
        return adapters.save(os::joinPath(dir, kAdapterFolder), base);
    };
    return out;
}

} // namespace pl::learn
