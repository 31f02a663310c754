// SPDX-License-Identifier: Apache-2.0
#include "core/base/image_model_shapes.h"

#include <fmt/format.h>

namespace pl {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

constexpr int64_t kPatch = 3 * 2 * 2; ///< channels of the first convolution: colours of 2 x 2 pixels
constexpr int64_t kTimeFeatures = 64;

Result<int64_t> number(const Json& json, const char* key, std::string_view what, int64_t least, int64_t most,
                       int64_t divisor = 1) {
    PL_TRY(const int64_t value, field<int64_t>(json, key, what));
    if (value < least || value > most || value % divisor != 0)
        return fail(Code::InvalidInput, fmt::format("{}: {} is {}, but must be {}..{}{}", what, key, value, least, most,
                                                    divisor > 1 ? fmt::format(" and a multiple of {}", divisor) : ""));
    return value;
}

Result<std::vector<int64_t>> numbers(const Json& json, const char* key, std::string_view what) {
    const auto at = json.find(key);
    std::vector<int64_t> out;
    if (at != json.end() && at->is_array() && at->size() <= 64)
        for (const Json& each : *at)
            if (each.is_number_integer() && each.get<int64_t>() > 0 && each.get<int64_t>() <= 4096)
                out.push_back(each.get<int64_t>());
    if (out.empty() || out.size() != at->size())
        return fail(Code::InvalidInput, fmt::format("{}: {} is not a list of 1 to 64 numbers from 1 to 4096", what, key));
    return out;
}

Result<Json> part(const Json& json, const char* key, std::string_view what) {
    const auto at = json.find(key);
    if (at == json.end() || !at->is_object())
        return fail(Code::InvalidInput, fmt::format("{} has no object '{}'", what, key));
    return *at;
}

/// A weight and its bias.
void affine(Shapes& shapes, const std::string& name, std::vector<int64_t> shape) {
    shapes[name + ".bias"] = {shape[0]};
    shapes[name + ".weight"] = std::move(shape);
}

void residual(Shapes& shapes, const std::string& name, int64_t in, int64_t out, int64_t embedding) {
    affine(shapes, name + ".norm1", {in});
    affine(shapes, name + ".conv1", {out, in, 3, 3});
    affine(shapes, name + ".embedding", {2 * out, embedding});
    affine(shapes, name + ".norm2", {out});
    affine(shapes, name + ".conv2", {out, out, 3, 3});
    if (in != out)
        affine(shapes, name + ".skip", {out, in, 1, 1});
}

Result<Shapes> generator(const Json& json, std::string_view what) {
    PL_TRY(const int64_t size, number(json, "image_size", what, 8, 512, 4));
    PL_TRY(const Json text, part(json, "text_encoder", what));
    PL_TRY(const int64_t textSize, number(text, "size", what, 1, 1024));
    PL_TRY(const auto slots, numbers(text, "slots", what));
    PL_TRY(const Json unet, part(json, "denoiser", what));
    PL_TRY(const int64_t width, number(unet, "width", what, 8, 1024, 8));
    PL_TRY(const int64_t deep, number(unet, "deep_width", what, 8, 2048, 8));
    PL_TRY(const int64_t embedding, number(unet, "embedding", what, 1, 4096));
    PL_TRY(const int64_t depth, number(unet, "depth", what, 0, 32));
    Shapes shapes;
    int64_t rows = 0;
    for (const int64_t values : slots)
        rows += values + 1; // one for "no caption"
    shapes["text_encoder.slots.weight"] = {rows, textSize};
    const std::string net = "denoiser.";
    affine(shapes, net + "time1", {embedding, kTimeFeatures});
    affine(shapes, net + "time2", {embedding, embedding});
    affine(shapes, net + "caption1", {embedding, static_cast<int64_t>(slots.size()) * textSize});
    affine(shapes, net + "caption2", {embedding, embedding});
    affine(shapes, net + "input", {width, kPatch, 3, 3});
    affine(shapes, net + "down", {deep, width, 3, 3});
    shapes[net + "places"] = {deep, size / 4, size / 4};
    affine(shapes, net + "up", {4 * width, deep, 1, 1});
    affine(shapes, net + "output_norm", {width});
    affine(shapes, net + "output", {kPatch, width, 3, 3});
    for (int i = 0; i < 2; ++i) {
        residual(shapes, fmt::format("{}falling{}", net, i), width, width, embedding);
        residual(shapes, fmt::format("{}rising{}", net, i), 2 * width, width, embedding);
    }
    for (int64_t i = 0; i <= depth; ++i)
        residual(shapes, fmt::format("{}deep{}", net, i), deep, deep, embedding);
    for (int64_t i = 0; i < depth; ++i) {
        const std::string attention = fmt::format("{}attention{}.", net, i);
        affine(shapes, attention + "norm", {deep});
        affine(shapes, attention + "image", {3 * deep, deep});
        affine(shapes, attention + "text", {2 * deep, textSize});
        affine(shapes, attention + "output", {deep, deep});
    }
    return shapes;
}

Result<Shapes> reward(const Json& json, std::string_view what) {
    PL_TRY(const auto features, field<std::string>(json, "features", what));
    PL_TRY(const auto slots, numbers(json, "slots", what));
    PL_TRY(const int64_t slotSize, number(json, "slot_size", what, 1, 1024));
    PL_TRY(const int64_t hidden, number(json, "hidden", what, 1, 4096));
    Shapes shapes;
    int64_t width = 0, rows = 0; // width: of the features
    if (features == "conv") {
        PL_TRY(const auto channels, numbers(json, "channels", what));
        int64_t in = kPatch;
        for (size_t i = 0; i < channels.size(); ++i) {
            affine(shapes, fmt::format("features.conv{}", i), {channels[i], in, 3, 3});
            in = channels[i];
        }
        width = 2 * in;
    } else if (features == "generator") {
        PL_TRY(const Json below, part(json, "generator", what));
        PL_TRY(const Shapes net, generator(below, what));
        for (const auto& [name, shape] : net)
            shapes["features.generator." + name] = shape;
        PL_TRY(const Json unet, part(below, "denoiser", what));
        width = 2 * (unet["width"].get<int64_t>() + (unet["depth"].get<int64_t>() + 1) * unet["deep_width"].get<int64_t>());
        shapes["features.mean"] = shapes["features.deviation"] = {width};
    } else {
        return fail(Code::Unsupported, fmt::format("{}: the features '{}' are not supported", what, features));
    }
    for (const int64_t values : slots)
        rows += values;
    shapes["head.slots"] = {rows, slotSize};
    shapes["head.hidden_weight"] = {hidden, width + static_cast<int64_t>(slots.size()) * slotSize};
    shapes["head.hidden_bias"] = {hidden};
    shapes["head.out_weight"] = {1, hidden};
    shapes["head.out_bias"] = {1};
    return shapes;
}

} // namespace

Result<Shapes> imageModelShapes(const Json& config, std::string_view what) {
    PL_TRY(const auto type, field<std::string>(config, "model_type", what));
    if (type == "pairlab_image_flow" || type == "pairlab_image_epsilon")
        return generator(config, what);
    if (type == "pairlab_image_reward")
        return reward(config, what);
    return fail(Code::Unsupported, fmt::format("{}: model_type '{}' is no image model of this program", what, type));
}

} // namespace pl
