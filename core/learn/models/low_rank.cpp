// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/low_rank.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/torch.h>

#include "core/base/json.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/learn/models/flops.h"

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr const char* kPrefix = "base_model.model."; ///< PEFT's wrappers, in front of every module's name
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

/// W + s B A, as the weight lies. Without a gradient.
Tensor mergedWeight(const AdaptableLayer& layer) {
    const auto& update = *layer.update;
    auto delta = update.b.flatten(1).matmul(update.a.flatten(1)).mul_(update.scale); // one tensor of the weight's size, no more
    return (layer.transposed ? delta.t() : delta.view(layer.weight.sizes())).add_(layer.weight);
}

/// Settings that make an adapter something else than s B A beside a frozen layer, when they are neither null, false nor empty.
constexpr const char* kOtherSettings[] = {"use_dora",        "lora_bias",          "rank_pattern",          "alpha_pattern",
                                          "target_parameters", "layer_replication", "trainable_token_indices", "use_qalora",
                                          "alora_invocation_tokens", "arrow_config", "megatron_config", "use_bdlora"};

/// What adapter_config.json says, with everything refused that is not computed here.
struct AdapterFile {
    AdapterOptions options;
    bool transposed = false; ///< fan_in_fan_out: the layers' weights are [in, out]
};
Result<AdapterFile> readAdapterConfig(const std::string& dir) {
    PL_TRY(const std::string what, modelFile(dir, kAdapterConfig));
    PL_TRY(const Json config, readJsonFile(what, kConfigLimits));
    if (!config.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not a JSON object", what));
    PL_TRY(const auto type, field<std::string>(config, "peft_type", what));
    if (type != "LORA")
        return fail(Code::Unsupported, fmt::format("{}: adapters of type '{}' are not supported", what, type), "LORA ones are.");
    for (const char* key : kOtherSettings)
        if (const auto at = config.find(key); at != config.end() && !at->is_null() && *at != Json(false) && !at->empty())
            return fail(Code::Unsupported, fmt::format("{}: {} is not supported", what, key), "Plain LoRA is.");
    PL_TRY(const auto bias, fieldOr<std::string>(config, "bias", "none", what));
    if (bias != "none")
        return fail(Code::Unsupported, fmt::format("{}: the bias '{}' is not supported", what, bias), "Adapters with bias none are.");
    if (const auto at = config.find("init_lora_weights"); at != config.end() && at->is_string())
        for (const char* changing : {"pissa", "olora", "corda", "loftq", "lora_ga"}) // they change the weights below, too
            if (at->get_ref<const std::string&>().starts_with(changing))
                return fail(Code::Unsupported, fmt::format("{}: init_lora_weights '{}' is not supported", what, changing),
                            "Convert the adapter to plain LoRA, as PEFT describes.");
    AdapterFile out;
    PL_TRY(out.options.rank, field<int64_t>(config, "r", what));
    PL_TRY(out.options.alpha, field<double>(config, "lora_alpha", what));
    PL_TRY(out.options.rankStabilised, fieldOr<bool>(config, "use_rslora", false, what));
    PL_TRY(out.transposed, fieldOr<bool>(config, "fan_in_fan_out", false, what));
    if (const auto at = config.find("modules_to_save"); at != config.end() && !at->is_null()) {
        if (!at->is_array())
            return fail(Code::InvalidInput, fmt::format("{}: modules_to_save is not a list", what));
        for (const Json& name : *at)
            if (name.is_string() && name != Json("classifier")) // PEFT names both heads; only one is there
                out.options.whole.push_back(name.get<std::string>());
    }
    return out;
}

Status checkFits(const AdapterFile& file, const std::vector<AdaptableLayer>& layers, const std::string& dir) {
    for (const auto& layer : layers)
        if (layer.transposed != file.transposed)
            return fail(Code::InvalidInput,
                        fmt::format("{}: fan_in_fan_out is {}, which does not fit the weight of {}",
                                    os::joinPath(dir, kAdapterConfig), file.transposed, layer.name),
                        "Use the model the adapter was trained on.");
    return {};
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

Tensor adaptedLinear(const LinearInput& in, const Tensor& weight, HalfCopy& copy, bool transposed, const Tensor& bias, const LowRank& update) {
    auto base = halfLinear(in, weight, copy, transposed);
    if (bias.defined())
        base = base + bias;
    if (!update.on || !update.a.defined())
        return base;
    const auto inner = halfLinear(in, update.a, update.halfA);
    return added(base, inner, halfLinear(halfInput(inner), update.b, update.halfB), update);
}

Tensor adaptedConv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding,
                     const LowRank& update) {
    const auto base = at::conv2d(x, weight, bias, stride, padding);
    if (!update.on || !update.a.defined())
        return base;
    const auto inner = at::conv2d(x, update.a, {}, stride, padding);
    return added(base, inner, at::conv2d(inner, update.b), update);
}

double AdapterOptions::scale() const {
    const auto r = static_cast<double>(rank);
    return alpha / (rankStabilised ? std::sqrt(r) : r);
}

Result<AdapterOptions> readAdapterOptions(const std::string& dir) {
    PL_TRY(auto file, readAdapterConfig(dir));
    return std::move(file.options);
}

AdaptersMerged::AdaptersMerged(const std::vector<AdaptableLayer>& layers) : m_layers(layers), m_off(layers) {
    torch::NoGradGuard noGrad;
    for (auto& layer : m_layers) {
        m_weights.push_back(layer.weight.detach().clone());
        layer.weight.copy_(mergedWeight(layer));
    }
}

AdaptersMerged::~AdaptersMerged() {
    torch::NoGradGuard noGrad;
    for (size_t i = 0; i < m_layers.size(); ++i)
        m_layers[i].weight.copy_(m_weights[i]);
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
        return fail(Code::InvalidInput, fmt::format("the rank of adapters is {}, but must be 1 or more", options.rank),
                    "Set adapter_rank to 4, 8 or 16.");
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
    const auto all = model.named_parameters();
    for (const auto& name : options.whole) {
        bool found = false;
        for (const char* part : {".weight", ".bias"})
            if (const auto* parameter = all.find(name + part)) {
                out.m_whole.emplace_back(name + part, *parameter);
                found = true;
            }
        if (!found)
            return fail(Code::InvalidInput, fmt::format("the model has no module '{}' to train beside its adapters", name),
                        "Use the model the adapter was made for.");
    }
    for (auto& parameter : model.parameters())
        parameter.requires_grad_(false);
    for (auto& [name, parameter] : out.m_whole)
        parameter.requires_grad_();
    torch::NoGradGuard noGrad;
    auto generator = at::detail::createCPUGenerator(seed);
    for (const auto& layer : out.m_layers) {
        const auto& weight = layer.weight;
        auto inner = weight.sizes().vec(), outer = std::vector<int64_t>(weight.sizes().size(), 1);
        if (layer.transposed)
            std::swap(inner[0], inner[1]);
        outer[0] = inner[0];
        inner[0] = outer[1] = options.rank;
        const double bound = 1 / std::sqrt(static_cast<double>(weight.numel() / outer[0]));
        auto& update = *layer.update;
        update.a = torch::rand(inner, generator).mul_(2 * bound).sub_(bound).to(weight.options());
        update.b = torch::zeros(outer, weight.options());
        update.a.requires_grad_();
        update.b.requires_grad_();
        update.scale = options.scale();
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
    for (const auto& [name, parameter] : m_whole)
        out.emplace_back(kPrefix + name, parameter);
    return out;
}

TensorMap Adapters::merged() const {
    torch::NoGradGuard noGrad;
    TensorMap out;
    for (const auto& layer : m_layers)
        out[layer.name + ".weight"] = mergedWeight(layer);
    return out;
}

void Adapters::mergeForGood() {
    torch::NoGradGuard noGrad;
    for (auto& layer : m_layers) {
        layer.weight.copy_(mergedWeight(layer));
        *layer.update = {};
    }
    m_layers.clear();
}

TensorSources savedTensors(const torch::nn::Module& model, const Adapters* adapters) {
    std::map<std::string, const AdaptableLayer*> adapted;
    if (adapters)
        for (const auto& layer : adapters->layers())
            adapted[layer.name + ".weight"] = &layer;
    TensorSources out;
    for (const auto& item : model.named_parameters()) {
        const auto tensor = item.value().detach();
        TensorSource source{tensor.scalar_type(), tensor.sizes().vec(), [tensor] { return tensor; }};
        if (const auto at = adapted.find(item.key()); at != adapted.end())
            source.make = [layer = *at->second] {
                torch::NoGradGuard noGrad;
                return mergedWeight(layer);
            };
        out.emplace(item.key(), std::move(source));
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
                         {"fan_in_fan_out", m_layers.front().transposed},
                         {"use_rslora", m_options.rankStabilised},
                         {"modules_to_save", m_options.whole.empty() ? Json() : Json(m_options.whole)},
                         {"use_dora", false},
                         {"init_lora_weights", true},
                         {"task_type", base.task.empty() ? Json() : Json(base.task)},
                         {"inference_mode", true}};
    return os::writeFileAtomic(os::joinPath(dir, kAdapterConfig), dumpJsonPretty(config) + "\n");
}

Result<Adapters> Adapters::open(torch::nn::Module& model, const std::vector<AdaptableLayer>& layers, const std::string& dir) {
    PL_TRY(auto said, readAdapterConfig(dir));
    PL_TRY(const std::string file, modelFile(dir, kAdapterWeights));
    PL_TRY(const auto header, readSafetensorsHeader(file));
    std::string& targets = said.options.targets; // by the tensors that are there: target_modules may be a pattern
    for (const auto& [name, info] : header) {
        constexpr std::string_view kInner = ".lora_A.weight", kOuter = ".lora_B.weight";
        const bool prefixed = name.starts_with(kPrefix);
        const std::string module = prefixed ? name.substr(std::string_view(kPrefix).size()) : name;
        const bool inner = prefixed && module.ends_with(kInner);
        const auto whole = [&](const std::string& each) { return module == each + ".weight" || module == each + ".bias"; };
        if (!inner && !(prefixed && (module.ends_with(kOuter) || std::any_of(said.options.whole.begin(), said.options.whole.end(), whole))))
            return fail(Code::Unsupported, fmt::format("{}: tensor '{}' is no matrix of a low-rank adapter", file, name),
                        "Only adapters of linear layers are read.");
        if (inner && (info.shape.empty() || info.shape[0] != said.options.rank)) // before anything of that rank is made
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' has the shape [{}], not of rank {}", file, name,
                                                   fmt::join(info.shape, ", "), said.options.rank),
                        "Copy the adapter again.");
        if (inner)
            targets.append(targets.empty() ? "" : ",").append(module, 0, module.size() - kInner.size());
    }
    if (targets.find('*') != std::string::npos)
        return fail(Code::Corrupt, fmt::format("{} names a module with a *", file), "Copy the adapter again.");
    PL_TRY(auto out, attach(model, layers, said.options, 0));
    PL_CHECK(out.load(dir));
    return out;
}

Status Adapters::load(const std::string& dir) {
    PL_TRY(const auto said, readAdapterConfig(dir));
    PL_CHECK(checkFits(said, m_layers, dir));
    const auto& o = said.options;
    if (o.rank != m_options.rank || o.scale() != m_options.scale())
        return fail(Code::InvalidInput, fmt::format("{} has rank {} and alpha {}, not {} and {}", os::joinPath(dir, kAdapterConfig), o.rank,
                                                    o.alpha, m_options.rank, m_options.alpha),
                    "Use adapters of the same rank and alpha.");
    PL_TRY(const std::string file, modelFile(dir, kAdapterWeights));
    const auto wanted = parameters();
    PL_TRY(const auto header, readSafetensorsHeader(file));
    for (const auto& [name, parameter] : wanted)
        if (const auto at = header.find(name); at == header.end() || at->second.shape != parameter.sizes().vec())
            return fail(Code::Corrupt, fmt::format("{} has no fitting tensor '{}'", file, name), "Copy the adapter again.");
    if (header.size() != wanted.size())
        return fail(Code::InvalidInput, fmt::format("{} holds {} tensors, the adapted layers have {}", file, header.size(),
                                                    wanted.size()),
                    "Put adapters on the same layers.");
    PL_TRY(const auto tensors, readSafetensors(file));
    for (const auto& [name, tensor] : tensors)
        if (!tensor.is_floating_point() || !torch::isfinite(tensor).all().item<bool>())
            return fail(Code::Corrupt, fmt::format("{}: tensor '{}' holds numbers that are not finite", file, name),
                        "Copy the adapter again, or use an earlier checkpoint.");
    torch::NoGradGuard noGrad;
    for (const auto& [name, parameter] : wanted) {
        auto into = parameter;
        into.copy_(tensors.at(name));
    }
    return {};
}

} // namespace pl::learn
