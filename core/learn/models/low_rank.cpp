// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/low_rank.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/learn/models/flops.h"

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr const char* kPrefix = "base_model.model."; ///< PEFT's wrappers, in front of every module's name
constexpr const char* kConfigFile = "adapter_config.json";
constexpr JsonLimits kConfigLimits{.maxBytes = size_t{1} << 20, .maxDepth = 8};

/// Does `name` fit a pattern whose * stands for any characters?
bool fits(std::string_view pattern, std::string_view name) {
    size_t p = 0, n = 0, star = std::string_view::npos, from = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            from = n;
        } else if (p < pattern.size() && pattern[p] == name[n]) {
            ++p, ++n;
        } else if (star != std::string_view::npos) { // the last star takes one more
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

/// The whole name, or an end of it after a dot.
bool namesLayer(std::string_view pattern, std::string_view name) {
    for (;;) {
        if (fits(pattern, name))
            return true;
        const auto dot = name.find('.');
        if (dot == std::string_view::npos)
            return false;
        name.remove_prefix(dot + 1);
    }
}

std::vector<std::string> patternsOf(std::string_view text) {
    std::vector<std::string> out;
    for (size_t at = 0; at <= text.size();) {
        const size_t end = std::min(text.find(',', at), text.size());
        std::string_view one = text.substr(at, end - at);
        while (!one.empty() && one.front() == ' ')
            one.remove_prefix(1);
        while (!one.empty() && one.back() == ' ')
            one.remove_suffix(1);
        if (!one.empty())
            out.emplace_back(one);
        at = end + 1;
    }
    return out;
}

/// Scaled and added; two products of rank r at every output position are counted, and twice that when a gradient comes back.
Tensor added(const Tensor& base, const Tensor& inner, const Tensor& outer, const LowRank& update) {
    const double flops = 2 * (static_cast<double>(inner.numel() * update.a[0].numel()) +
                              static_cast<double>(outer.numel() * update.a.size(0)));
    countFlops(flops);
    if (outer.requires_grad())
        outer.register_hook([flops](const Tensor&) { countFlops(2 * flops); });
    return base + outer * update.scale;
}

} // namespace

Tensor adaptedLinear(const Tensor& x, const Tensor& weight, const Tensor& bias, const LowRank& update) {
    const auto base = at::linear(x, weight, bias);
    if (!update.on || !update.a.defined())
        return base;
    const auto inner = at::linear(x, update.a);
    return added(base, inner, at::linear(inner, update.b), update);
}

Tensor adaptedConv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding,
                     const LowRank& update) {
    const auto base = at::conv2d(x, weight, bias, stride, padding);
    if (!update.on || !update.a.defined())
        return base;
    const auto inner = at::conv2d(x, update.a, {}, stride, padding);
    return added(base, inner, at::conv2d(inner, update.b), update);
}

AdaptersOff::AdaptersOff(const std::vector<AdaptableLayer>& layers) {
    for (const auto& layer : layers)
        if (layer.update->on) {
            layer.update->on = false;
            m_layers.push_back(layer.update);
        }
}

AdaptersOff::~AdaptersOff() {
    for (const auto& update : m_layers)
        update->on = true;
}

Result<Adapters> Adapters::attach(torch::nn::Module& model, const std::vector<AdaptableLayer>& layers,
                                  const AdapterOptions& options, uint64_t seed) {
    if (options.rank < 1)
        return fail(Code::InvalidInput, fmt::format("the rank of adapters is {}, but must be 1 or more", options.rank));
    const auto patterns = patternsOf(options.targets);
    std::vector<bool> used(patterns.size());
    Adapters out;
    out.m_options = options;
    for (const auto& layer : layers) {
        bool wanted = false;
        for (size_t i = 0; i < patterns.size(); ++i)
            if (namesLayer(patterns[i], layer.name))
                wanted = used[i] = true;
        if (wanted)
            out.m_layers.push_back(layer);
    }
    if (const auto unused = std::find(used.begin(), used.end(), false); out.m_layers.empty() || unused != used.end()) {
        std::vector<std::string> names;
        for (const auto& layer : layers)
            names.push_back(layer.name);
        return fail(Code::InvalidInput,
                    patterns.empty() ? std::string("no layer is named to put adapters on")
                                     : fmt::format("no layer of the model fits '{}'",
                                                   patterns[static_cast<size_t>(unused - used.begin())]),
                    fmt::format("Its layers are {}.", fmt::join(names, ", ")));
    }
    for (auto& parameter : model.parameters())
        parameter.requires_grad_(false);
    torch::NoGradGuard noGrad;
    auto generator = at::detail::createCPUGenerator(seed);
    for (const auto& layer : out.m_layers) {
        const auto& weight = layer.weight;
        auto inner = weight.sizes().vec(), outer = std::vector<int64_t>(weight.sizes().size(), 1);
        inner[0] = outer[1] = options.rank;
        outer[0] = weight.size(0);
        const double bound = 1 / std::sqrt(static_cast<double>(weight[0].numel()));
        auto& update = *layer.update;
        update.a = torch::rand(inner, generator).mul_(2 * bound).sub_(bound).to(weight.options());
        update.b = torch::zeros(outer, weight.options());
        update.a.requires_grad_();
        update.b.requires_grad_();
        update.scale = options.alpha / static_cast<double>(options.rank);
        update.on = true;
    }
    return out;
}

NamedParameters Adapters::parameters() const {
    NamedParameters out;
    for (const auto& layer : m_layers) {
        out.emplace_back(kPrefix + layer.name + ".lora_A.weight", layer.update->a);
        out.emplace_back(kPrefix + layer.name + ".lora_B.weight", layer.update->b);
    }
    return out;
}

TensorMap Adapters::merged() const {
    torch::NoGradGuard noGrad;
    TensorMap out;
    for (const auto& layer : m_layers) {
        const auto& update = *layer.update;
        out[layer.name + ".weight"] =
            layer.weight + (update.b.flatten(1).matmul(update.a.flatten(1)) * update.scale).view(layer.weight.sizes());
    }
    return out;
}

Status Adapters::save(const std::string& dir, const AdapterBase& base) const {
    PL_CHECK(os::makeDirs(dir));
    TensorMap tensors;
    for (const auto& [name, tensor] : parameters())
        tensors[name] = tensor.detach();
    PL_CHECK(writeSafetensors(os::joinPath(dir, kAdapterWeights), tensors));
    Json names = Json::array();
    for (const auto& layer : m_layers)
        names.push_back(layer.name);
    const Json config = {{"peft_type", "LORA"},
                         {"base_model_name_or_path", base.name},
                         {"revision", base.hash},
                         {"r", m_options.rank},
                         {"lora_alpha", m_options.alpha},
                         {"target_modules", names},
                         {"lora_dropout", 0.0},
                         {"bias", "none"},
                         {"fan_in_fan_out", false},
                         {"use_rslora", false},
                         {"use_dora", false},
                         {"init_lora_weights", true},
                         {"task_type", nullptr},
                         {"inference_mode", true}};
    return os::writeFileAtomic(os::joinPath(dir, kConfigFile), dumpJsonPretty(config) + "\n");
}

Status Adapters::load(const std::string& dir) {
    const std::string what = os::joinPath(dir, kConfigFile), file = os::joinPath(dir, kAdapterWeights);
    PL_TRY(const Json config, readJsonFile(what, kConfigLimits));
    if (!config.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not a JSON object", what));
    PL_TRY(const auto type, field<std::string>(config, "peft_type", what));
    if (type != "LORA")
        return fail(Code::Unsupported, fmt::format("{}: adapters of type '{}' are not supported", what, type), "LORA ones are.");
    for (const char* key : {"use_rslora", "use_dora", "fan_in_fan_out"}) {
        PL_TRY(const bool other, fieldOr<bool>(config, key, false, what));
        if (other)
            return fail(Code::Unsupported, fmt::format("{}: {} is not supported", what, key));
    }
    PL_TRY(const auto rank, field<int64_t>(config, "r", what));
    PL_TRY(const auto alpha, field<double>(config, "lora_alpha", what));
    if (rank != m_options.rank || alpha != m_options.alpha)
        return fail(Code::InvalidInput, fmt::format("{} has rank {} and alpha {}, not {} and {}", what, rank, alpha, m_options.rank,
                                                    m_options.alpha));
    PL_TRY(const auto tensors, readSafetensors(file));
    const auto wanted = parameters();
    for (const auto& [name, parameter] : wanted) {
        const auto at = tensors.find(name);
        if (at == tensors.end() || at->second.sizes() != parameter.sizes())
            return fail(Code::Corrupt, fmt::format("{} has no fitting tensor '{}'", file, name));
        if (!at->second.is_floating_point() || !torch::isfinite(at->second).all().item<bool>())
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' holds numbers that are not finite", file, name));
    }
    if (tensors.size() != wanted.size())
        return fail(Code::InvalidInput, fmt::format("{} holds {} tensors, the adapted layers have {}", file, tensors.size(),
                                                    wanted.size()),
                    "Put adapters on the same layers.");
    torch::NoGradGuard noGrad;
    for (const auto& [name, parameter] : wanted) {
        auto into = parameter;
        into.copy_(tensors.at(name));
    }
    return {};
}

} // namespace pl::learn
