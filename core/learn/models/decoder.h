// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "core/base/model_config.h"
#include "core/learn/models/kv_cache.h"
#include "core/learn/models/low_rank.h"
#include "core/learn/models/packed.h"
#include "core/learn/models/precision.h"
#include "core/learn/weights/safetensors.h"

namespace pl::learn {
using pl::ModelConfig;

/// A batch of sequences without meaning attached to padding ids: positions >= lengths[i] are padding by definition.
struct TokenBatch {
    torch::Tensor ids;     ///< [batch, time] int64, right padded
    torch::Tensor lengths; ///< [batch] int64
};

/// One decoder-only transformer for all families: norms, positions, biases, activation and windows are what the config says.
/// Names and shapes of its parameters are Hugging Face's ("model.layers.0.self_attn.q_proj.weight"; GPT-2's matrices lie
/// transposed), so state maps load both ways.
class DecoderImpl : public torch::nn::Module {
public:
    explicit DecoderImpl(const ModelConfig& config);

    /// Hidden states after the final norm, [batch, time, hidden].
    torch::Tensor hidden(const TokenBatch& batch);
    /// The same of sequences without padding, [tokens, hidden].
    torch::Tensor hidden(const PackedTokens& tokens);
    /// Of some positions alone, [n, hidden]: `rows` [n] int64 on the device count over batch * time, or over the packed tokens. What the last
    /// layer makes of the others after its attention nobody reads, so it is left out.
    torch::Tensor hidden(const TokenBatch& batch, const torch::Tensor& rows);
    torch::Tensor hidden(const PackedTokens& tokens, const torch::Tensor& rows);
    /// Logits [n, vocab] in fp32 of selected hidden rows [n, hidden].
    torch::Tensor head(const torch::Tensor& hiddenRows);
    /// Reward head: one fp32 score [batch], pooled at position lengths-1 (by stored length, never by id).
    torch::Tensor scores(const TokenBatch& batch);
    /// [rows]; the batch must have its rows' last tokens.
    torch::Tensor scores(const PackedBatch& batch);

    KvCache makeCache(int64_t rows, int64_t capacity);
    /// Feeds prompts (right padded) into new rows of the cache, behind those in use; returns the last real position's hidden state
    /// of each [batch, hidden].
    torch::Tensor prefill(const TokenBatch& batch, KvCache& cache);
    /// One token for every row in use: ids [rows]; returns hidden [rows, hidden]. Rows keep their own position.
    torch::Tensor decodeStep(const torch::Tensor& ids, KvCache& cache);
    /// The same with shapes that do not follow the rows, for recording (DeviceGraph): one token for each of the first rows of the cache, in use or
    /// not, at `positions` [rows] int64 on the device, all below `reach` <= capacity, the slots that are looked at. Reads nothing back and
    /// leaves cache.lengths alone. Not where decodeAttentionFits.
    torch::Tensor decodeStep(const torch::Tensor& ids, KvCache& cache, const torch::Tensor& positions, int64_t reach);

    const ModelConfig& config() const { return m_config; }
    /// The linear maps of attention and MLP, in order: where low-rank adapters can be put.
    std::vector<AdaptableLayer> adaptable() const;
    /// [vocab, hidden]: lm_head, or the embedding when tied.
    const torch::Tensor& headWeight() const;
    /// [vocab, hidden]
    const torch::Tensor& inputEmbedding() const;
    torch::Device device() const;
    /// Random initialisation (normal 0.02, residual projections scaled by 1/sqrt(2 layers)), from the given seed.
    void initialise(uint64_t seed);
    /// On: of each layer only what goes in is kept for the backward pass, which computes the rest again (Chen et al. 2016,
    /// arXiv:1604.06174). backward() then accumulates into the parameters' own grad; torch::autograd::grad of them finds none.
    void recomputeLayers(bool on) { m_recompute = on; }
    bool recomputesLayers() const { return m_recompute; }
    /// Bf16: products of the linear layers, their adapters and the vocabulary head (halfLinear), for training, scoring and sampling alike.
    /// Embeddings, norms, attention, softmax and the reward head stay fp32, and so do all weights.
    void setPrecision(Precision precision);
    Precision precision() const;
    /// headWeight() in bf16; undefined where the model computes in fp32.
    torch::Tensor headHalf();

private:
    struct DecodeAt;
    torch::Tensor forward(const torch::Tensor& ids, KvCache* cache = nullptr, const DecodeAt* decode = nullptr,
                          const PackedTokens* packed = nullptr, const torch::Tensor& rows = {});
    torch::Tensor scoresOf(const torch::Tensor& lastRows);
    ModelConfig m_config;
    struct Layers;
    std::shared_ptr<Layers> m_layers;
    bool m_recompute = false;
};
TORCH_MODULE(Decoder);

/// Per-token log-probabilities of completions: for row i, tokens [starts[i], lengths[i]) given everything before.
struct CompletionLogps {
    torch::Tensor logps;   ///< [batch, maxCompletion] fp32, 0 where masked
    torch::Tensor mask;    ///< [batch, maxCompletion] fp32 1/0 by stored lengths
    torch::Tensor entropy; ///< same shape, detached; undefined unless asked for
    torch::Tensor sums() const;
    torch::Tensor counts() const;
};
/// Only completion positions reach the vocabulary head, in chunks; log-sum-exp in fp32. Logits are divided by
/// temperature first (GRPO; 1 elsewhere).
CompletionLogps completionLogps(Decoder& model, const TokenBatch& batch, const torch::Tensor& starts,
                                bool withEntropy = false, double temperature = 1.0);
/// The same of a batch without padding.
CompletionLogps completionLogps(Decoder& model, const PackedBatch& batch, bool withEntropy = false, double temperature = 1.0);

/// A model folder in Hugging Face layout.
struct LoadedModel {
    Decoder model{nullptr};
    ModelConfig config;
    std::string dir;
    std::string hash;
};
/// Checks every tensor's name, shape and finiteness; leftovers and missing tensors are named (checkWeights). Weights become fp32.
/// Adds a freshly initialised reward head when `wantRewardHead` and the folder has none. An adapter in kAppliedAdapter is merged in.
Result<LoadedModel> loadModel(const std::string& dir, const torch::Device& device, bool wantRewardHead = false,
                              uint64_t headSeed = 0);
/// Writes config.json and model.safetensors (fp32), copies tokenizer files from tokenizerDir. transformers loads the result.
/// Weights go to the file one after the other, those with an adapter merged with it.
Status saveModel(const Decoder& model, const std::string& dir, const std::string& tokenizerDir, const Adapters* adapters = nullptr);
/// "cpu" | "cuda" | "cuda:N"; fails with the reason when there is no such device.
Result<torch::Device> parseDevice(const std::string& name);

} // namespace pl::learn
