// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/model_config.h"

#include <cmath>

#include <fmt/format.h>

namespace pl::learn {
namespace {

Result<int64_t> size(const Json& json, const char* key, std::string_view what, int64_t most) {
    PL_TRY(const int64_t value, field<int64_t>(json, key, what));
    if (value < 1 || value > most)
        return fail(Code::InvalidInput, fmt::format("{}: {} is {}, outside 1..{}", what, key, value, most));
    return value;
}

Result<int64_t> tokenId(const Json& value, const char* key, std::string_view what, int64_t vocab) {
    if (value.is_null())
        return int64_t{-1};
    if (!value.is_number_integer() || value.get<int64_t>() < -1 || value.get<int64_t>() >= vocab)
        return fail(Code::InvalidInput, fmt::format("{}: {} is not a token id below {}", what, key, vocab));
    return value.get<int64_t>();
}

bool present(const Json& json, const char* key) {
    return json.contains(key) && !json[key].is_null() && json[key] != Json(false);
}

tl::unexpected<Error> unsupported(std::string_view what, const std::string& thing) {
    return fail(Code::Unsupported, fmt::format("{}: {} is not supported", what, thing),
                "Use a Llama model with plain rotary positions.");
}

/// rope_theta, from the spelling before transformers 5 and after it.
Result<double> rotaryBase(const Json& json, std::string_view what) {
    PL_TRY(double theta, fieldOr<double>(json, "rope_theta", 10000.0, what));
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
        if (!present(json, key))
            continue;
        const Json& rope = json[key];
        if (!rope.is_object())
            return fail(Code::InvalidInput, fmt::format("{}: {} is not an object", what, key));
        for (const auto& [name, value] : rope.items()) {
            if (name == "rope_type" || name == "type") {
                if (value != Json("default"))
                    return unsupported(what, fmt::format("{} {}", key, dumpJson(value)));
            } else if (name == "rope_theta") {
                if (!value.is_number())
                    return fail(Code::InvalidInput, fmt::format("{}: rope_theta is not a number", what));
                theta = value.get<double>();
            } else if (!(name == "partial_rotary_factor" && value.is_number() && value.get<double>() == 1.0)) {
                return unsupported(what, fmt::format("{}.{}", key, name));
            }
        }
    }
    if (!(theta >= 1 && theta <= 1e12))
        return fail(Code::InvalidInput, fmt::format("{}: rope_theta is {}, outside 1..1e12", what, theta));
    return theta;
}

} // namespace

Result<ModelConfig> ModelConfig::fromJson(const Json& json, std::string_view what) {
    if (!json.is_object())
        return fail(Code::InvalidInput, fmt::format("{} is not a JSON object", what));
    ModelConfig c;
    PL_TRY(c.modelType, field<std::string>(json, "model_type", what));
    if (c.modelType != "llama")
        return unsupported(what, fmt::format("model type '{}'", c.modelType));
    if (json.contains("architectures") && json["architectures"].is_array() && !json["architectures"].empty()) {
        const Json& architecture = json["architectures"][0];
        if (architecture == Json("LlamaForSequenceClassification"))
            c.rewardHead = true;
        else if (architecture != Json("LlamaForCausalLM"))
            return unsupported(what, "architecture " + dumpJson(architecture));
    }
    if (c.rewardHead && ((json.contains("num_labels") && json["num_labels"] != Json(1)) ||
                         (json.contains("id2label") && json["id2label"].size() != 1)))
        return unsupported(what, "a classification head with more than one label");
    for (const char* key : {"sliding_window", "use_sliding_window", "quantization_config", "layer_types",
                            "logit_softcapping", "final_logit_softcapping", "attn_logit_softcapping",
                            "embedding_multiplier", "residual_multiplier", "logits_scaling", "num_experts", "auto_map"})
        if (present(json, key))
            return unsupported(what, std::string("the setting '") + key + "'");
    if (json.contains("partial_rotary_factor") && json["partial_rotary_factor"] != Json(1.0) &&
        json["partial_rotary_factor"] != Json(1))
        return unsupported(what, "the setting 'partial_rotary_factor'");
    PL_TRY(const std::string activation, fieldOr<std::string>(json, "hidden_act", "silu", what));
    if (activation != "silu" && activation != "swish")
        return unsupported(what, fmt::format("the activation '{}'", activation));

    PL_TRY(c.vocabSize, size(json, "vocab_size", what, int64_t{1} << 22));
    PL_TRY(c.hiddenSize, size(json, "hidden_size", what, int64_t{1} << 16));
    PL_TRY(c.layers, size(json, "num_hidden_layers", what, 1024));
    PL_TRY(c.heads, size(json, "num_attention_heads", what, 1024));
    PL_TRY(c.intermediateSize, size(json, "intermediate_size", what, int64_t{1} << 20));
    PL_TRY(c.maxPositions, size(json, "max_position_embeddings", what, int64_t{1} << 24));
    c.kvHeads = c.heads;
    if (present(json, "num_key_value_heads")) {
        PL_TRY(c.kvHeads, size(json, "num_key_value_heads", what, 1024));
    }
    if (c.heads % c.kvHeads != 0)
        return fail(Code::InvalidInput, fmt::format("{}: {} attention heads cannot share {} key/value heads", what,
                                                    c.heads, c.kvHeads));
    if (present(json, "head_dim")) {
        PL_TRY(c.headDim, size(json, "head_dim", what, 1024));
    } else {
        if (c.hiddenSize % c.heads != 0)
            return fail(Code::InvalidInput, fmt::format("{}: hidden_size {} is not a multiple of {} heads", what,
                                                        c.hiddenSize, c.heads));
        c.headDim = c.hiddenSize / c.heads;
    }
    if (c.headDim % 2 != 0)
        return fail(Code::InvalidInput, fmt::format("{}: head_dim {} is odd", what, c.headDim));
    PL_TRY(c.ropeTheta, rotaryBase(json, what));
    PL_TRY(c.rmsNormEps, fieldOr<double>(json, "rms_norm_eps", 1e-6, what));
    if (!(c.rmsNormEps > 0 && c.rmsNormEps < 1))
        return fail(Code::InvalidInput, fmt::format("{}: rms_norm_eps is {}, outside 0..1", what, c.rmsNormEps));
    PL_TRY(c.tiedEmbeddings, fieldOr<bool>(json, "tie_word_embeddings", false, what));
    PL_TRY(c.attentionBias, fieldOr<bool>(json, "attention_bias", false, what));
    PL_TRY(c.mlpBias, fieldOr<bool>(json, "mlp_bias", false, what));
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
    c.original = json;
    return c;
}

Json ModelConfig::toJson() const {
    Json json = original.is_object() ? original : Json::object();
    json["architectures"] = {rewardHead ? "LlamaForSequenceClassification" : "LlamaForCausalLM"};
    json["model_type"] = modelType;
    json["vocab_size"] = vocabSize;
    json["hidden_size"] = hiddenSize;
    json["num_hidden_layers"] = layers;
    json["num_attention_heads"] = heads;
    json["num_key_value_heads"] = kvHeads;
    json["head_dim"] = headDim;
    json["intermediate_size"] = intermediateSize;
    json["max_position_embeddings"] = maxPositions;
    // Both spellings: transformers before and from 5.
    json["rope_theta"] = ropeTheta;
    json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", ropeTheta}};
    json["rms_norm_eps"] = rmsNormEps;
    json["hidden_act"] = "silu";
    json["tie_word_embeddings"] = tiedEmbeddings;
    json["attention_bias"] = attentionBias;
    json["mlp_bias"] = mlpBias;
    json["bos_token_id"] = bosTokenId >= 0 ? Json(bosTokenId) : Json();
    json["pad_token_id"] = padTokenId >= 0 ? Json(padTokenId) : Json();
    json["eos_token_id"] =
        eosTokenIds.empty() ? Json() : (eosTokenIds.size() == 1 ? Json(eosTokenIds[0]) : Json(eosTokenIds));
    json.erase("rope_scaling");
    json.erase("dtype");
    json["torch_dtype"] = "float32";
    if (rewardHead) {
        json["id2label"] = {{"0", "LABEL_0"}};
        json["label2id"] = {{"LABEL_0", 0}};
    } else {
        json.erase("id2label");
        json.erase("label2id");
        json.erase("num_labels");
    }
    return json;
}

int64_t ModelConfig::parameterCount() const {
    const int64_t q = heads * headDim, kv = kvHeads * headDim;
    int64_t layer = hiddenSize * (2 * q + 2 * kv) + 3 * hiddenSize * intermediateSize + 2 * hiddenSize;
    if (attentionBias)
        layer += q + 2 * kv + hiddenSize;
    if (mlpBias)
        layer += 2 * intermediateSize + hiddenSize;
    int64_t total = vocabSize * hiddenSize + layers * layer + hiddenSize;
    if (rewardHead)
        total += hiddenSize;
    else if (!tiedEmbeddings)
        total += vocabSize * hiddenSize;
    return total;
}

double ModelConfig::forwardFlops(double tokens, double length, double headTokens) const {
    const double h = static_cast<double>(hiddenSize), q = static_cast<double>(heads * headDim),
                 kv = static_cast<double>(kvHeads * headDim);
    const double matrices = h * (2 * q + 2 * kv) + 3 * h * static_cast<double>(intermediateSize);
    const double attended = (length + 1) / 2; // causal
    const double layer = 2 * matrices + 4 * q * attended;
    return tokens * static_cast<double>(layers) * layer + headTokens * 2 * h * static_cast<double>(vocabSize);
}

} // namespace pl::learn
