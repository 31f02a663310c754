// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "core/base/model_config.h"
#include "core/learn/models/low_rank.h"
#include "core/learn/weights/safetensors.h"

namespace pl::learn {
using pl::ModelConfig;

/// Keys and values of past positions, preallocated: per layer [batch, kvHeads, capacity, headDim]. All rows write the same
/// slot at a step; the slots between a short prompt's end and the longest prompt's end are masked, so no scatter is needed.
struct KvCache {
    std::vector<torch::Tensor> keys, values;
    torch::Tensor lengths; ///< [batch] int64 on the device: filled positions of each row
    torch::Tensor mask;    ///< [batch, 1, 1, capacity] added to the scores: 0, or -infinity for empty slots of the prompt
    torch::Tensor slots;   ///< [batch, capacity] int64: the position in each slot; undefined when every layer sees all of them
    int64_t used = 0;      ///< slots in use, known on the host
    int64_t capacity = 0;

    /// Keeps (or repeats) the given rows, [n] int64 on the device.
    void selectRows(const torch::Tensor& rows);
};

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
    /// Logits [n, vocab] in fp32 of selected hidden rows [n, hidden].
    torch::Tensor head(const torch::Tensor& hiddenRows);
    /// Reward head: one fp32 score [batch], pooled at position lengths-1 (by stored length, never by id).
    torch::Tensor scores(const TokenBatch& batch);

    KvCache makeCache(int64_t batch, int64_t capacity);
    /// Feeds prompts (right padded) into an empty cache; returns the last real position's hidden state [batch, hidden].
    torch::Tensor prefill(const TokenBatch& batch, KvCache& cache);
    /// One token per row: ids [batch]; returns hidden [batch, hidden]. Rows keep their own position.
    torch::Tensor decodeStep(const torch::Tensor& ids, KvCache& cache);

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

private:
    torch::Tensor forward(const torch::Tensor& ids, KvCache* cache, bool decode);
    ModelConfig m_config;
    struct Layers;
    std::shared_ptr<Layers> m_layers;
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

/// A model folder in Hugging Face layout.
struct LoadedModel {
    Decoder model{nullptr};
    ModelConfig config;
    std::string dir;
    std::string hash;
};
/// Checks every tensor's name, shape and finiteness; leftovers and missing tensors are named (checkWeights). Weights become fp32.
/// Adds a freshly initialised reward head when `wantRewardHead` and the folder has none.
Result<LoadedModel> loadModel(const std::string& dir, const torch::Device& device, bool wantRewardHead = false,
                              uint64_t headSeed = 0);
/// Writes config.json and model.safetensors (fp32), copies tokenizer files from tokenizerDir. transformers loads the result.
/// Tensors in `instead` take the place of parameters of their names: weights with an adapter merged in.
Status saveModel(const Decoder& model, const std::string& dir, const std::string& tokenizerDir, TensorMap instead = {});
/// "cpu" | "cuda" | "cuda:N"; fails with the reason when there is no such device.
Result<torch::Device> parseDevice(const std::string& name);

} // namespace pl::learn
