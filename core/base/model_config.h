// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace pl {

enum class Norm { Rms, Layer };           ///< RMSNorm with a weight; LayerNorm with weight and bias
enum class Positions { Rotary, Learned }; ///< in the half-split form of Llama; a table added to the embedding
enum class Activation { Silu, Gelu, GeluTanh, Relu };
enum class Mlp { Gated, Plain }; ///< down(act(gate x) * up x); down(act(up x))
/// Names of the tensors, and how the matrices lie.
enum class Layout {
    Llama, ///< model.layers.0.self_attn.q_proj: [out, in], one matrix a projection
    Gpt2,  ///< transformer.h.0.attn.c_attn: [in, out] (Conv1D), query, key and value in one
};

/// How rotary frequencies are stretched for longer contexts (rope_scaling; rope_parameters from transformers 5 on).
struct RopeScaling {
    enum class Kind { None, Linear, Llama3 } kind = Kind::None;
    double factor = 1;
    double lowFreqFactor = 1, highFreqFactor = 4; ///< Llama3
    double originalPositions = 8192;              ///< Llama3

    /// The frequency (radians a position) that takes the place of `plain`, 1 / theta^(2i / dim).
    float stretched(float plain) const;
};

/// A decoder-only transformer as a Hugging Face config.json describes it: GPT-2, Llama 2 and 3, Mistral, Qwen2, Qwen2.5 and Qwen3
/// are one network with other parts. Other model types are refused by name, and so is every setting that would change the
/// mathematics and is not computed here; unknown keys that do not are kept.
struct ModelConfig {
    std::string modelType = "llama";
    Layout layout = Layout::Llama;
    Norm norm = Norm::Rms;
    Positions positions = Positions::Rotary;
    Activation activation = Activation::Silu;
    Mlp mlp = Mlp::Gated;
    int64_t vocabSize = 0, hiddenSize = 0, layers = 0, heads = 0, kvHeads = 0, headDim = 0, intermediateSize = 0;
    int64_t maxPositions = 0;
    double ropeTheta = 10000, normEps = 1e-6;
    RopeScaling ropeScaling;
    bool tiedEmbeddings = false;
    bool qkvBias = false, outputBias = false, mlpBias = false;
    bool qkNorm = false;                  ///< RMSNorm over each head of query and key (Qwen3)
    bool scaleAttention = true;           ///< by 1 / sqrt(headDim)
    bool scaleAttentionByLayer = false;   ///< and by 1 / (layer + 1) (a variant of GPT-2)
    std::vector<int64_t> windows;         ///< of each layer: a position sees so many, itself included; 0: all. Empty: all do
    std::vector<int64_t> eosTokenIds;
    int64_t bosTokenId = -1, padTokenId = -1;
    bool rewardHead = false; ///< ...ForSequenceClassification with one label: score.weight
    Json original;           ///< written back unchanged but for what we change

    static Result<ModelConfig> fromJson(const Json& json, std::string_view what);
    /// The original with the architecture, the number of labels and the type of the weights as they are saved. Without one,
    /// everything is written from the fields.
    Json toJson() const;

    int64_t window(int64_t layer) const { return windows.empty() ? 0 : windows[static_cast<size_t>(layer)]; }
    /// Does the embedding of the padding token take no gradient from being read? As in transformers: not for GPT-2.
    int64_t embeddingPadding() const { return layout == Layout::Gpt2 ? -1 : padTokenId; }

    /// Every tensor of model.safetensors by name. A tied head is none.
    std::map<std::string, std::vector<int64_t>> tensorShapes() const;
    /// The name `name` has in tensorShapes(): files of bare GPT-2 models leave "transformer." out, and others "model.".
    std::string fullName(const std::string& name) const;
    /// Does a file's tensor carry no weight: masks and rotary tables that older versions saved?
    bool isBuffer(const std::string& name) const;
    int64_t parameterCount() const;
    /// FLOPs of one forward over `tokens` positions of sequences of mean length `length`, each looking at itself and what
    /// is before it; `headTokens` reach the vocabulary head. Multiply-add counts as 2. Backward is twice this.
    double forwardFlops(double tokens, double length, double headTokens) const;
};

/// Is this a model_type that ModelConfig reads? And what people call it: "Qwen2", "GPT-2"; the type itself when unknown.
bool isLanguageModelType(std::string_view modelType);
std::string modelFamily(std::string_view modelType);

} // namespace pl
