// SPDX-License-Identifier: Apache-2.0
#include "core/base/model_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

namespace pl {
namespace {

constexpr int64_t kMostWindow = int64_t{1} << 24;
constexpr int64_t kDefaultWindow = 4096;
constexpr int64_t kMostHeadDim = 1024;

/// Where transformers lets a layer see only the last positions.
enum class Windowed { Never, Always, ByLayer };

/// What a model_type says that its config.json leaves out, with transformers' defaults.
struct Family {
    const char *type, *title, *causal, *classifier;
    Layout layout;
    Windowed windowed;
    bool qkvBias;       ///< always, whatever attention_bias says
    bool attentionBias; ///< does the key attention_bias count?
    bool mlpBias;       ///< does mlp_bias?
    bool qkNorm;
    int64_t kvHeads; ///< when num_key_value_heads is not said; 0: as many as heads
    int64_t headDim; ///< when head_dim is not said; 0: hidden_size / heads
    bool tied;       ///< when tie_word_embeddings is not said
};
constexpr std::array kFamilies{
    Family{"llama", "Llama", "LlamaForCausalLM", "LlamaForSequenceClassification", Layout::Llama, Windowed::Never, false, true, true,
           false, 0, 0, false},
    Family{"mistral", "Mistral", "MistralForCausalLM", "MistralForSequenceClassification", Layout::Llama, Windowed::Always, false,
           false, false, false, 8, 0, false},
    Family{"qwen2", "Qwen2", "Qwen2ForCausalLM", "Qwen2ForSequenceClassification", Layout::Llama, Windowed::ByLayer, true, false,
           false, false, 32, 0, false},
    Family{"qwen3", "Qwen3", "Qwen3ForCausalLM", "Qwen3ForSequenceClassification", Layout::Llama, Windowed::ByLayer, false, true,
           false, true, 32, 128, false},
    Family{"gpt2", "GPT-2", "GPT2LMHeadModel", "GPT2ForSequenceClassification", Layout::Gpt2, Windowed::Never, true, false, false,
           false, 0, 0, true},
};

const Family* familyOf(std::string_view type) {
    const auto at = std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& f) { return type == f.type; });
    return at == kFamilies.end() ? nullptr : &*at;
}

constexpr std::pair<const char*, Activation> kActivations[] = {
    {"silu", Activation::Silu},         {"swish", Activation::Silu},
    {"gelu", Activation::Gelu},         {"gelu_new", Activation::GeluTanh},
    {"gelu_fast", Activation::GeluTanh}, {"gelu_pytorch_tanh", Activation::GeluTanh},
    {"relu", Activation::Relu}};

/// Keys of other architectures that would change what is computed. Absent, null, false, empty and these values do not.
struct Foreign {
    const char* key;
    double neutral = 0;
};
constexpr Foreign kForeign[] = {{"quantization_config"},
                                {"auto_map"},
                                {"logit_softcapping"},
                                {"final_logit_softcapping"},
                                {"attn_logit_softcapping"},
                                {"embedding_multiplier", 1},
                                {"residual_multiplier", 1},
                                {"attention_multiplier", 1},
                                {"logits_scaling", 1},
                                {"logit_scale", 1},
                                {"query_pre_attn_scalar"},
                                {"num_experts"},
                                {"num_local_experts"},
                                {"n_routed_experts"},
                                {"num_experts_per_tok"},
                                {"partial_rotary_factor", 1},
                                {"rotary_pct", 1},
                                {"mrope_section"},
                                {"no_rope_layers"},
                                {"no_rope_layer_interval"},
                                {"attention_chunk_size"},
                                {"use_qk_norm"},
                                {"qk_layernorm"},
                                {"clip_qkv"},
                                {"kv_lora_rank"},
                                {"q_lora_rank"},
                                {"alibi"},
                                {"use_parallel_residual"},
                                {"parallel_attn"},
                                {"use_bidirectional_attention"},
                                {"add_cross_attention"},
                                {"is_encoder_decoder"},
                                {"pruned_heads"},
                                {"lm_head_bias"},
                                {"vision_config"},
                                {"audio_config"}};

bool present(const Json& json, const char* key) {
    const auto at = json.find(key);
    return at != json.end() && !at->is_null() && *at != Json(false);
}

tl::unexpected<Error> invalid(std::string_view what, const std::string& cause) {
    return fail(Code::InvalidInput, fmt::format("{}: {}", what, cause));
}

tl::unexpected<Error> unsupported(std::string_view what, const std::string& thing) {
    return fail(Code::Unsupported, fmt::format("{}: {} is not supported", what, thing),
                "Models of the families GPT-2, Llama, Mistral, Qwen2 and Qwen3 are, without quantisation or remote code.");
}

Result<int64_t> size(const Json& json, const char* key, std::string_view what, int64_t most) {
    PL_TRY(const int64_t value, field<int64_t>(json, key, what));
    if (value < 1 || value > most)
        return invalid(what, fmt::format("{} is {}, outside 1..{}", key, value, most));
    return value;
}

Result<int64_t> sizeOr(const Json& json, const char* key, int64_t fallback, std::string_view what, int64_t most) {
    if (!present(json, key))
        return fallback;
    return size(json, key, what, most);
}

Result<int64_t> tokenId(const Json& value, const char* key, std::string_view what, int64_t vocab) {
    if (value.is_null())
        return int64_t{-1};
    if (!value.is_number_integer() || value.get<int64_t>() < -1 || value.get<int64_t>() >= vocab)
        return invalid(what, fmt::format("{} is not a token id below {}", key, vocab));
    return value.get<int64_t>();
}

Result<double> positive(const Json& json, const char* key, std::string_view what, double least, double most) {
    PL_TRY(const double value, field<double>(json, key, what));
    if (!(value >= least && value <= most))
        return invalid(what, fmt::format("{} is {}, outside {}..{}", key, value, least, most));
    return value;
}

Status refuseForeign(const Json& json, const Family& family, std::string_view what) {
    for (const auto& [key, neutral] : kForeign) {
        const auto at = json.find(key);
        if (!present(json, key) || at->empty() || (at->is_number() && at->get<double>() == neutral))
            continue;
        if (std::string_view(key) == "use_qk_norm" && family.qkNorm)
            continue;
        return unsupported(what, fmt::format("the setting '{}'", key));
    }
    return {};
}

/// rope_theta and rope_scaling, from the spelling before transformers 5 and after it.
Status readRope(const Json& json, std::string_view what, ModelConfig& c) {
    PL_TRY(c.ropeTheta, fieldOr<double>(json, "rope_theta", 10000.0, what));
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
        if (!present(json, key))
            continue;
        const Json& rope = json[key];
        const std::string part = fmt::format("{}: {}", what, key);
        if (!rope.is_object())
            return fail(Code::InvalidInput, part + " is not an object");
        Json type = "default";
        for (const char* spelling : {"type", "rope_type"})
            if (rope.contains(spelling))
                type = rope[spelling];
        auto& scaling = c.ropeScaling;
        std::vector<std::string_view> known{"type", "rope_type", "rope_theta", "partial_rotary_factor",
                                            "original_max_position_embeddings"};
        if (type == Json("default")) {
            known.push_back("factor");
            if (rope.contains("factor") && rope["factor"] != Json(1.0))
                return unsupported(what, fmt::format("{}.factor without a rope_type", key));
        } else if (type == Json("linear")) {
            known.push_back("factor");
            scaling.kind = RopeScaling::Kind::Linear;
            PL_TRY(scaling.factor, positive(rope, "factor", part, 1, 1e6));
        } else if (type == Json("llama3")) {
            known.insert(known.end(), {"factor", "low_freq_factor", "high_freq_factor"});
            scaling.kind = RopeScaling::Kind::Llama3;
            PL_TRY(scaling.factor, positive(rope, "factor", part, 1, 1e6));
            PL_TRY(scaling.lowFreqFactor, positive(rope, "low_freq_factor", part, 1e-6, 1e6));
            PL_TRY(scaling.highFreqFactor, positive(rope, "high_freq_factor", part, 1e-6, 1e6));
            PL_TRY(scaling.originalPositions, positive(rope, "original_max_position_embeddings", part, 1, 1 << 24));
            if (!(scaling.highFreqFactor > scaling.lowFreqFactor))
                return invalid(what, fmt::format("{}: high_freq_factor is not above low_freq_factor", key));
        } else {
            return unsupported(what, fmt::format("{} of type {}", key, dumpJson(type)));
        }
        for (const auto& [name, value] : rope.items()) {
            if (std::find(known.begin(), known.end(), name) == known.end())
                return unsupported(what, fmt::format("{}.{}", key, name));
            if (name == "partial_rotary_factor" && value != Json(1.0))
                return unsupported(what, fmt::format("{}.{}", key, name));
            if (name == "rope_theta") {
                PL_TRY(c.ropeTheta, field<double>(rope, "rope_theta", part));
            }
        }
    }
    if (!(c.ropeTheta >= 1 && c.ropeTheta <= 1e12))
        return invalid(what, fmt::format("rope_theta is {}, outside 1..1e12", c.ropeTheta));
    return {};
}

/// sliding_window with what says which layers have it.
Status readWindows(const Json& json, const Family& family, std::string_view what, ModelConfig& c) {
    std::vector<bool> windowed(static_cast<size_t>(c.layers), family.windowed == Windowed::Always);
    // Not said at all it is transformers' default; said to be null there is none.
    int64_t window = family.windowed == Windowed::Never || json.contains("sliding_window") ? 0 : kDefaultWindow;
    if (present(json, "sliding_window")) {
        if (family.windowed == Windowed::Never)
            return unsupported(what, fmt::format("the setting 'sliding_window' in a model of type {}", family.type));
        PL_TRY(window, size(json, "sliding_window", what, kMostWindow));
    }
    PL_TRY(const bool use, fieldOr<bool>(json, "use_sliding_window", family.windowed == Windowed::Always, what));
    if (use && family.windowed == Windowed::Never)
        return unsupported(what, fmt::format("the setting 'use_sliding_window' in a model of type {}", family.type));
    if (family.windowed == Windowed::ByLayer) {
        if (!use)
            window = 0; // as transformers: the number alone means nothing
        PL_TRY(const int64_t first, fieldOr<int64_t>(json, "max_window_layers", 28, what));
        for (int64_t i = 0; i < c.layers; ++i)
            windowed[static_cast<size_t>(i)] = i >= first;
    }
    if (present(json, "layer_types")) {
        const Json& types = json["layer_types"];
        if (!types.is_array() || types.size() != windowed.size())
            return invalid(what, fmt::format("layer_types is not a list of {} names", c.layers));
        for (size_t i = 0; i < windowed.size(); ++i) {
            const bool slides = types[i] == Json("sliding_attention");
            if (!slides && types[i] != Json("full_attention"))
                return unsupported(what, fmt::format("layer_types {}", dumpJson(types[i]).substr(0, 64)));
            if (slides && window == 0)
                return invalid(what, "layer_types asks for sliding_attention, but there is no sliding_window");
            if (family.windowed == Windowed::ByLayer)
                windowed[i] = slides;
            else if (slides != windowed[i])
                return unsupported(what, fmt::format("layer_types in a model of type {}", family.type));
        }
    }
    if (window > 0 && std::find(windowed.begin(), windowed.end(), true) != windowed.end())
        for (const bool each : windowed)
            c.windows.push_back(each ? window : 0);
    return {};
}

Result<Activation> activationOf(const Json& json, const char* key, const char* fallback, std::string_view what) {
    PL_TRY(const std::string name, fieldOr<std::string>(json, key, fallback, what));
    for (const auto& [known, activation] : kActivations)
        if (name == known)
            return activation;
    return unsupported(what, fmt::format("the activation '{}'", name.substr(0, 64)));
}

Status readGpt2(const Json& json, std::string_view what, ModelConfig& c) {
    c.norm = Norm::Layer;
    c.positions = Positions::Learned;
    c.mlp = Mlp::Plain;
    c.qkvBias = c.outputBias = c.mlpBias = true;
    PL_TRY(c.activation, activationOf(json, "activation_function", "gelu_new", what));
    PL_TRY(c.vocabSize, size(json, "vocab_size", what, int64_t{1} << 22));
    PL_TRY(c.hiddenSize, size(json, "n_embd", what, int64_t{1} << 16));
    PL_TRY(c.layers, size(json, "n_layer", what, 1024));
    PL_TRY(c.heads, size(json, "n_head", what, 1024));
    PL_TRY(c.maxPositions, size(json, "n_positions", what, int64_t{1} << 22));
    PL_TRY(c.intermediateSize, sizeOr(json, "n_inner", 4 * c.hiddenSize, what, int64_t{1} << 20));
    c.kvHeads = c.heads;
    if (c.hiddenSize % c.heads != 0)
        return invalid(what, fmt::format("n_embd {} is not a multiple of {} heads", c.hiddenSize, c.heads));
    c.headDim = c.hiddenSize / c.heads;
    PL_TRY(c.normEps, fieldOr<double>(json, "layer_norm_epsilon", 1e-5, what));
    PL_TRY(c.scaleAttention, fieldOr<bool>(json, "scale_attn_weights", true, what));
    PL_TRY(c.scaleAttentionByLayer, fieldOr<bool>(json, "scale_attn_by_inverse_layer_idx", false, what));
    return {};
}

Status readLlama(const Json& json, const Family& family, std::string_view what, ModelConfig& c) {
    PL_TRY(c.activation, activationOf(json, "hidden_act", "silu", what));
    PL_TRY(c.vocabSize, size(json, "vocab_size", what, int64_t{1} << 22));
    PL_TRY(c.hiddenSize, size(json, "hidden_size", what, int64_t{1} << 16));
    PL_TRY(c.layers, size(json, "num_hidden_layers", what, 1024));
    PL_TRY(c.heads, size(json, "num_attention_heads", what, 1024));
    PL_TRY(c.intermediateSize, size(json, "intermediate_size", what, int64_t{1} << 20));
    PL_TRY(c.maxPositions, size(json, "max_position_embeddings", what, int64_t{1} << 24));
    // Said to be null it is the number of heads; not said at all it is the family's default.
    const int64_t kv = family.kvHeads > 0 && !json.contains("num_key_value_heads") ? family.kvHeads : c.heads;
    PL_TRY(c.kvHeads, sizeOr(json, "num_key_value_heads", kv, what, 1024));
    if (c.heads % c.kvHeads != 0)
        return invalid(what, fmt::format("{} attention heads cannot share {} key/value heads", c.heads, c.kvHeads));
    if (!present(json, "head_dim") && family.headDim == 0 && c.hiddenSize % c.heads != 0)
        return invalid(what, fmt::format("hidden_size {} is not a multiple of {} heads", c.hiddenSize, c.heads));
    PL_TRY(c.headDim, sizeOr(json, "head_dim", family.headDim > 0 ? family.headDim : c.hiddenSize / c.heads, what, kMostHeadDim));
    if (c.headDim % 2 != 0 || c.headDim > kMostHeadDim)
        return invalid(what, fmt::format("head_dim {} is odd or above {}", c.headDim, kMostHeadDim));
    PL_CHECK(readRope(json, what, c));
    PL_CHECK(readWindows(json, family, what, c));
    PL_TRY(c.normEps, fieldOr<double>(json, "rms_norm_eps", 1e-6, what));
    PL_TRY(const bool attentionBias, fieldOr<bool>(json, "attention_bias", false, what));
    PL_TRY(const bool mlpBias, fieldOr<bool>(json, "mlp_bias", false, what));
    if (mlpBias && !family.mlpBias)
        return unsupported(what, fmt::format("mlp_bias in a model of type {}", family.type));
    if (attentionBias && !family.attentionBias && !family.qkvBias)
        return unsupported(what, fmt::format("attention_bias in a model of type {}", family.type));
    c.qkvBias = family.qkvBias || attentionBias;
    c.outputBias = family.attentionBias && attentionBias;
    c.mlpBias = mlpBias;
    c.qkNorm = family.qkNorm;
    return {};
}

Status readTokens(const Json& json, std::string_view what, ModelConfig& c) {
    if (json.contains("bos_token_id")) {
        PL_TRY(c.bosTokenId, tokenId(json["bos_token_id"], "bos_token_id", what, c.vocabSize));
    }
    if (json.contains("pad_token_id")) {
        PL_TRY(c.padTokenId, tokenId(json["pad_token_id"], "pad_token_id", what, c.vocabSize));
    }
    if (json.contains("eos_token_id")) {
        const Json& eos = json["eos_token_id"];
        const Json list = eos.is_array() ? eos : Json::array({eos});
        for (const Json& item : list) {
            PL_TRY(const int64_t id, tokenId(item, "eos_token_id", what, c.vocabSize));
            if (id >= 0)
                c.eosTokenIds.push_back(id);
        }
    }
    return {};
}

/// What transformers before 5 calls rope_scaling; null without one.
Json ropeScalingJson(const RopeScaling& s) {
    switch (s.kind) {
    case RopeScaling::Kind::Linear: return {{"rope_type", "linear"}, {"factor", s.factor}};
    case RopeScaling::Kind::Llama3:
        return {{"rope_type", "llama3"},
                {"factor", s.factor},
                {"low_freq_factor", s.lowFreqFactor},
                {"high_freq_factor", s.highFreqFactor},
                {"original_max_position_embeddings", static_cast<int64_t>(s.originalPositions)}};
    case RopeScaling::Kind::None: break;
    }
    return {};
}

} // namespace

float RopeScaling::stretched(float plain) const {
    if (kind == Kind::None)
        return plain;
    const float slow = plain / static_cast<float>(factor);
    if (kind == Kind::Linear)
        return slow;
    // Long waves are stretched, short ones kept, those between blended (Llama 3.1).
    const double wave = 2 * std::numbers::pi / static_cast<double>(plain);
    if (wave > originalPositions / lowFreqFactor)
        return slow;
    if (wave < originalPositions / highFreqFactor)
        return plain;
    const auto kept = static_cast<float>((originalPositions / wave - lowFreqFactor) / (highFreqFactor - lowFreqFactor));
    return (1 - kept) * slow + kept * plain;
}

Result<ModelConfig> ModelConfig::fromJson(const Json& json, std::string_view what) {
    if (!json.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not a JSON object", what));
    ModelConfig c;
    PL_TRY(c.modelType, field<std::string>(json, "model_type", what));
    const Family* family = familyOf(c.modelType);
    if (!family)
        return unsupported(what, fmt::format("model_type '{}'", c.modelType.substr(0, 64)));
    c.layout = family->layout;
    if (json.contains("architectures") && json["architectures"].is_array() && !json["architectures"].empty()) {
        const Json& architecture = json["architectures"][0];
        c.rewardHead = architecture == Json(family->classifier);
        if (!c.rewardHead && architecture != Json(family->causal))
            return unsupported(what, "architecture " + dumpJson(architecture).substr(0, 64));
    }
    if (c.rewardHead && ((json.contains("num_labels") && json["num_labels"] != Json(1)) ||
                         (json.contains("id2label") && json["id2label"].size() != 1)))
        return unsupported(what, "a classification head with more than one label");
    PL_CHECK(refuseForeign(json, *family, what));
    if (c.layout == Layout::Gpt2)
        PL_CHECK(readGpt2(json, what, c));
    else
        PL_CHECK(readLlama(json, *family, what, c));
    if (!(c.normEps > 0 && c.normEps < 1))
        return invalid(what, fmt::format("{} is {}, outside 0..1",
                                         c.norm == Norm::Rms ? "rms_norm_eps" : "layer_norm_epsilon", c.normEps));
    PL_TRY(c.tiedEmbeddings, fieldOr<bool>(json, "tie_word_embeddings", family->tied, what));
    PL_CHECK(readTokens(json, what, c));
    c.original = json;
    return c;
}

Json ModelConfig::toJson() const {
    const Family& family = *familyOf(modelType);
    Json json = original.is_object() ? original : Json::object();
    if (json.empty()) {
        const char* act = std::find_if(std::begin(kActivations), std::end(kActivations), [&](const auto& known) {
                              return known.second == activation;
                          })->first;
        json["model_type"] = modelType;
        json["vocab_size"] = vocabSize;
        json["tie_word_embeddings"] = tiedEmbeddings;
        json["bos_token_id"] = bosTokenId >= 0 ? Json(bosTokenId) : Json();
        json["pad_token_id"] = padTokenId >= 0 ? Json(padTokenId) : Json();
        json["eos_token_id"] =
            eosTokenIds.empty() ? Json() : (eosTokenIds.size() == 1 ? Json(eosTokenIds[0]) : Json(eosTokenIds));
        if (layout == Layout::Gpt2) {
            json.update({{"n_embd", hiddenSize},
                         {"n_layer", layers},
                         {"n_head", heads},
                         {"n_positions", maxPositions},
                         {"n_inner", intermediateSize},
                         {"activation_function", act},
                         {"layer_norm_epsilon", normEps},
                         {"scale_attn_weights", scaleAttention},
                         {"scale_attn_by_inverse_layer_idx", scaleAttentionByLayer}});
        } else {
            json.update({{"hidden_size", hiddenSize},
                         {"num_hidden_layers", layers},
                         {"num_attention_heads", heads},
                         {"num_key_value_heads", kvHeads},
                         {"head_dim", headDim},
                         {"intermediate_size", intermediateSize},
                         {"max_position_embeddings", maxPositions},
                         {"rms_norm_eps", normEps},
                         {"hidden_act", act}});
            if (family.attentionBias)
                json["attention_bias"] = outputBias;
            if (family.mlpBias)
                json["mlp_bias"] = mlpBias;
            const auto slides = std::find_if(windows.begin(), windows.end(), [](int64_t w) { return w > 0; });
            if (family.windowed != Windowed::Never)
                json["sliding_window"] = slides == windows.end() ? Json() : Json(*slides);
            if (family.windowed == Windowed::ByLayer) {
                json["use_sliding_window"] = slides != windows.end();
                json["layer_types"] = Json::array();
                for (int64_t i = 0; i < layers; ++i)
                    json["layer_types"].push_back(window(i) > 0 ? "sliding_attention" : "full_attention");
            }
        }
    }
    if (positions == Positions::Rotary) { // in both spellings: transformers before and from 5
        Json scaling = ropeScalingJson(ropeScaling);
        json["rope_theta"] = ropeTheta;
        if (scaling.is_null()) {
            json.erase("rope_scaling");
            scaling = {{"rope_type", "default"}};
        } else if (!present(json, "rope_scaling")) {
            json["rope_scaling"] = scaling;
        }
        scaling["rope_theta"] = ropeTheta;
        if (!json.contains("rope_parameters"))
            json["rope_parameters"] = scaling;
    }
    json["architectures"] = {rewardHead ? family.classifier : family.causal};
    json.erase("dtype");
    json["torch_dtype"] = "float32";
    if (rewardHead) {
        json["id2label"] = {{"0", "LABEL_0"}};
        json["label2id"] = {{"LABEL_0", 0}};
        json.erase("num_labels");
    } else {
        for (const char* key : {"id2label", "label2id", "num_labels"})
            json.erase(key);
    }
    return json;
}

std::map<std::string, std::vector<int64_t>> ModelConfig::tensorShapes() const {
    std::map<std::string, std::vector<int64_t>> out;
    const int64_t q = heads * headDim, kv = kvHeads * headDim;
    const bool gpt2 = layout == Layout::Gpt2;
    const auto matrix = [&](const std::string& name, int64_t outputs, int64_t inputs, bool bias) {
        out[name + ".weight"] = gpt2 ? std::vector<int64_t>{inputs, outputs} : std::vector<int64_t>{outputs, inputs};
        if (bias)
            out[name + ".bias"] = {outputs};
    };
    const auto scale = [&](const std::string& name, int64_t width) {
        out[name + ".weight"] = {width};
        if (norm == Norm::Layer)
            out[name + ".bias"] = {width};
    };
    const std::string body = gpt2 ? "transformer." : "model.";
    out[body + (gpt2 ? "wte.weight" : "embed_tokens.weight")] = {vocabSize, hiddenSize};
    if (positions == Positions::Learned)
        out[body + "wpe.weight"] = {maxPositions, hiddenSize};
    for (int64_t i = 0; i < layers; ++i) {
        const std::string p = body + (gpt2 ? "h." : "layers.") + std::to_string(i) + ".";
        scale(p + (gpt2 ? "ln_1" : "input_layernorm"), hiddenSize);
        scale(p + (gpt2 ? "ln_2" : "post_attention_layernorm"), hiddenSize);
        if (gpt2) {
            matrix(p + "attn.c_attn", q + 2 * kv, hiddenSize, qkvBias);
            matrix(p + "attn.c_proj", hiddenSize, q, outputBias);
            matrix(p + "mlp.c_fc", intermediateSize, hiddenSize, mlpBias);
            matrix(p + "mlp.c_proj", hiddenSize, intermediateSize, mlpBias);
            continue;
        }
        matrix(p + "self_attn.q_proj", q, hiddenSize, qkvBias);
        matrix(p + "self_attn.k_proj", kv, hiddenSize, qkvBias);
        matrix(p + "self_attn.v_proj", kv, hiddenSize, qkvBias);
        matrix(p + "self_attn.o_proj", hiddenSize, q, outputBias);
        if (qkNorm) {
            out[p + "self_attn.q_norm.weight"] = {headDim};
            out[p + "self_attn.k_norm.weight"] = {headDim};
        }
        matrix(p + "mlp.gate_proj", intermediateSize, hiddenSize, mlpBias);
        matrix(p + "mlp.up_proj", intermediateSize, hiddenSize, mlpBias);
        matrix(p + "mlp.down_proj", hiddenSize, intermediateSize, mlpBias);
    }
    scale(body + (gpt2 ? "ln_f" : "norm"), hiddenSize);
    if (rewardHead)
        out["score.weight"] = {1, hiddenSize};
    else if (!tiedEmbeddings)
        out["lm_head.weight"] = {vocabSize, hiddenSize};
    return out;
}

std::string ModelConfig::fullName(const std::string& name) const {
    const std::string body = layout == Layout::Gpt2 ? "transformer." : "model.";
    const bool whole = name.starts_with(body) || name == "lm_head.weight" || name == "score.weight";
    return whole ? name : body + name;
}

bool ModelConfig::isBuffer(const std::string& name) const {
    if (layout == Layout::Gpt2)
        return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
    return name.ends_with(".rotary_emb.inv_freq");
}

int64_t ModelConfig::parameterCount() const {
    int64_t total = 0;
    for (const auto& [name, shape] : tensorShapes()) {
        int64_t count = 1;
        for (const int64_t side : shape)
            count *= side;
        total += count;
    }
    return total;
}

double ModelConfig::forwardFlops(double tokens, double length, double headTokens) const {
    const double h = static_cast<double>(hiddenSize), q = static_cast<double>(heads * headDim),
                 kv = static_cast<double>(kvHeads * headDim);
    const double matrices = h * (2 * q + 2 * kv) + (mlp == Mlp::Gated ? 3 : 2) * h * static_cast<double>(intermediateSize);
    const double attended = (length + 1) / 2; // causal
    const double layer = 2 * matrices + 4 * q * attended;
    return tokens * static_cast<double>(layers) * layer + headTokens * 2 * h * static_cast<double>(vocabSize);
}

bool isLanguageModelType(std::string_view modelType) {
    return familyOf(modelType) != nullptr;
}

std::string modelFamily(std::string_view modelType) {
    const Family* family = familyOf(modelType);
    return family ? family->title : std::string(modelType);
}

} // namespace pl
