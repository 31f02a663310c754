// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/decoder.h"

#include <cmath>
#include <limits>

#include "core/learn/models/flops.h"
#include "core/learn/models/kernels.h"

namespace pl::learn {
namespace {

using torch::Tensor;

/// A weight and, when the config says so, a bias.
struct Linear {
    Tensor weight, bias;
    Tensor operator()(const Tensor& x) const { return at::linear(x, weight, bias); }
};

std::shared_ptr<torch::nn::Module> child(torch::nn::Module& parent, const std::string& name) {
    return parent.register_module(name, std::make_shared<torch::nn::Module>());
}

Linear linear(torch::nn::Module& parent, const std::string& name, int64_t out, int64_t in, bool bias) {
    const auto module = child(parent, name);
    Linear result;
    result.weight = module->register_parameter("weight", torch::zeros({out, in}));
    if (bias)
        result.bias = module->register_parameter("bias", torch::zeros({out}));
    return result;
}

Tensor norm(torch::nn::Module& parent, const std::string& name, int64_t size) {
    return child(parent, name)->register_parameter("weight", torch::ones({size}));
}

/// Counts a forward pass now, and its backward pass, twice as much, when a gradient does flow through `out`.
Tensor counted(const Tensor& out, double flops) {
    countFlops(flops);
    if (out.requires_grad())
        out.register_hook([flops](const Tensor&) { countFlops(2 * flops); });
    return out;
}

} // namespace

struct DecoderImpl::Layers {
    struct Layer {
        Tensor inputNorm, postNorm;
        Linear q, k, v, o, gate, up, down;
    };
    Tensor embedding, finalNorm;
    Linear lmHead, score;
    std::vector<Layer> layers;
    Tensor cos, sin; ///< [positions, headDim / 2], grown on demand

    /// Makes the rotary tables cover `positions` on the device.
    void prepareRotary(const ModelConfig& config, int64_t positions, torch::Device device) {
        TORCH_CHECK(positions <= config.maxPositions, "the sequence has ", positions,
                    " tokens, more than the model's max_position_embeddings of ", config.maxPositions);
        if (cos.defined() && cos.device() == device && cos.size(0) >= positions)
            return;
        torch::NoGradGuard noGrad;
        int64_t size = 256;
        while (size < positions)
            size *= 2;
        const auto index = torch::arange(0, config.headDim, 2, torch::kFloat32) / static_cast<double>(config.headDim);
        const auto inverse = 1.0 / torch::pow(torch::full({}, config.ropeTheta, torch::kFloat32), index);
        const auto angles = torch::outer(torch::arange(size, torch::kFloat32), inverse);
        cos = angles.cos().contiguous().to(device);
        sin = angles.sin().contiguous().to(device);
    }
};

DecoderImpl::DecoderImpl(const ModelConfig& config) : m_config(config), m_layers(std::make_shared<Layers>()) {
    const auto& c = m_config;
    const auto body = child(*this, "model");
    m_layers->embedding =
        child(*body, "embed_tokens")->register_parameter("weight", torch::zeros({c.vocabSize, c.hiddenSize}));
    const auto list = child(*body, "layers");
    for (int64_t i = 0; i < c.layers; ++i) {
        const auto block = child(*list, std::to_string(i));
        const auto attention = child(*block, "self_attn");
        const auto mlp = child(*block, "mlp");
        Layers::Layer layer;
        layer.q = linear(*attention, "q_proj", c.heads * c.headDim, c.hiddenSize, c.attentionBias);
        layer.k = linear(*attention, "k_proj", c.kvHeads * c.headDim, c.hiddenSize, c.attentionBias);
        layer.v = linear(*attention, "v_proj", c.kvHeads * c.headDim, c.hiddenSize, c.attentionBias);
        layer.o = linear(*attention, "o_proj", c.hiddenSize, c.heads * c.headDim, c.attentionBias);
        layer.gate = linear(*mlp, "gate_proj", c.intermediateSize, c.hiddenSize, c.mlpBias);
        layer.up = linear(*mlp, "up_proj", c.intermediateSize, c.hiddenSize, c.mlpBias);
        layer.down = linear(*mlp, "down_proj", c.hiddenSize, c.intermediateSize, c.mlpBias);
        layer.inputNorm = norm(*block, "input_layernorm", c.hiddenSize);
        layer.postNorm = norm(*block, "post_attention_layernorm", c.hiddenSize);
        m_layers->layers.push_back(std::move(layer));
    }
    m_layers->finalNorm = norm(*body, "norm", c.hiddenSize);
    if (c.rewardHead)
        m_layers->score = linear(*this, "score", 1, c.hiddenSize, false);
    else if (!c.tiedEmbeddings)
        m_layers->lmHead = linear(*this, "lm_head", c.vocabSize, c.hiddenSize, false);
}

torch::Device DecoderImpl::device() const { return m_layers->embedding.device(); }

void DecoderImpl::initialise(uint64_t seed) {
    torch::NoGradGuard noGrad;
    auto generator = at::detail::createCPUGenerator(seed);
    const double residual = 1.0 / std::sqrt(2.0 * static_cast<double>(m_config.layers));
    for (const auto& item : named_parameters()) {
        auto parameter = item.value();
        const std::string& name = item.key();
        if (parameter.dim() < 2) {
            parameter.fill_(name.ends_with(".bias") ? 0.0 : 1.0);
            continue;
        }
        const bool scaled = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
        parameter.copy_(torch::randn(parameter.sizes(), generator).mul_(scaled ? 0.02 * residual : 0.02));
    }
}

/// One pass over all layers. With `cache`, keys and values go to its slots: all of them (prefill) or the next (decode).
Tensor DecoderImpl::forward(const Tensor& ids, KvCache* cache, bool decode) {
    auto& m = *m_layers;
    const auto& c = m_config;
    const int64_t batch = ids.size(0), time = ids.size(1);
    Tensor cos, sin;
    if (decode) {
        m.prepareRotary(c, cache->used + 1, device());
        cos = m.cos.index_select(0, cache->lengths);
        sin = m.sin.index_select(0, cache->lengths);
    } else {
        m.prepareRotary(c, time, device());
        cos = m.cos.narrow(0, 0, time);
        sin = m.sin.narrow(0, 0, time);
    }
    const auto shared = [&](const Tensor& t) { // [batch, kvHeads, time, dim]: each serves heads / kvHeads query heads
        return c.kvHeads == c.heads ? t : t.repeat_interleave(c.heads / c.kvHeads, 1);
    };
    // As in transformers, the padding token's embedding takes no gradient from being read (a tied head still trains it).
    auto x = at::embedding(m.embedding, ids, c.padTokenId);
    for (size_t i = 0; i < m.layers.size(); ++i) {
        const auto& layer = m.layers[i];
        const auto n = kernels::rmsNorm(x, layer.inputNorm, c.rmsNormEps);
        const auto q = kernels::rotate(layer.q(n).view({batch, time, c.heads, c.headDim}), cos, sin, decode).transpose(1, 2);
        auto k = kernels::rotate(layer.k(n).view({batch, time, c.kvHeads, c.headDim}), cos, sin, decode).transpose(1, 2);
        auto v = layer.v(n).view({batch, time, c.kvHeads, c.headDim}).transpose(1, 2);
        Tensor attended;
        if (decode) {
            cache->keys[i].narrow(2, cache->used, 1).copy_(k);
            cache->values[i].narrow(2, cache->used, 1).copy_(v);
            k = cache->keys[i].narrow(2, 0, cache->used + 1);
            v = cache->values[i].narrow(2, 0, cache->used + 1);
            attended = at::scaled_dot_product_attention(q, shared(k), shared(v), cache->mask.narrow(3, 0, cache->used + 1));
        } else {
            if (cache) {
                cache->keys[i].narrow(2, 0, time).copy_(k);
                cache->values[i].narrow(2, 0, time).copy_(v);
            }
            // Right padding: a real position never looks at a padding one.
            attended = at::scaled_dot_product_attention(q, shared(k), shared(v), {}, 0.0, true);
        }
        x = x + layer.o(attended.transpose(1, 2).reshape({batch, time, c.heads * c.headDim}));
        const auto y = kernels::rmsNorm(x, layer.postNorm, c.rmsNormEps);
        x = x + layer.down(at::silu(layer.gate(y)) * layer.up(y));
    }
    // A decoded position looks at every slot in use, a row's own empty ones included: as the mean of 1 .. 2n - 1 is n.
    const double length = static_cast<double>(decode ? 2 * cache->used + 1 : time);
    return counted(kernels::rmsNorm(x, m.finalNorm, c.rmsNormEps),
                   c.forwardFlops(static_cast<double>(batch * time), length, 0));
}

Tensor DecoderImpl::hidden(const TokenBatch& batch) { return forward(batch.ids, nullptr, false); }

const Tensor& DecoderImpl::headWeight() const {
    if (m_layers->lmHead.weight.defined())
        return m_layers->lmHead.weight;
    TORCH_CHECK(m_config.tiedEmbeddings, "this reward model has no vocabulary head");
    return m_layers->embedding;
}

Tensor DecoderImpl::head(const Tensor& hiddenRows) {
    return counted(at::linear(hiddenRows, headWeight()).to(torch::kFloat32),
                   m_config.forwardFlops(0, 0, static_cast<double>(hiddenRows.size(0))));
}

namespace {

/// Hidden states [batch, hidden] at lengths - 1.
Tensor lastRows(const Tensor& hidden, const Tensor& lengths) {
    const auto rows = torch::arange(hidden.size(0), lengths.options().device(hidden.device())) * hidden.size(1) +
                      lengths.to(hidden.device()) - 1;
    return hidden.reshape({-1, hidden.size(2)}).index_select(0, rows);
}

} // namespace

Tensor DecoderImpl::scores(const TokenBatch& batch) {
    TORCH_CHECK(m_config.rewardHead, "this model has no reward head");
    const auto last = lastRows(hidden(batch), batch.lengths);
    return counted(m_layers->score(last).squeeze(1).to(torch::kFloat32), 2.0 * static_cast<double>(last.numel()));
}

KvCache DecoderImpl::makeCache(int64_t batch, int64_t capacity) {
    KvCache cache;
    const auto options = m_layers->embedding.options().requires_grad(false);
    for (int64_t i = 0; i < m_config.layers; ++i) {
        cache.keys.push_back(torch::empty({batch, m_config.kvHeads, capacity, m_config.headDim}, options));
        cache.values.push_back(torch::empty({batch, m_config.kvHeads, capacity, m_config.headDim}, options));
    }
    cache.lengths = torch::zeros({batch}, options.dtype(torch::kInt64));
    cache.mask = torch::zeros({batch, 1, 1, capacity}, options);
    cache.capacity = capacity;
    return cache;
}

void KvCache::selectRows(const Tensor& rows) {
    const int64_t n = rows.size(0);
    for (auto* list : {&keys, &values})
        for (auto& tensor : *list) { // only what is filled is copied
            auto next = torch::empty({n, tensor.size(1), capacity, tensor.size(3)}, tensor.options());
            next.narrow(2, 0, used).copy_(tensor.narrow(2, 0, used).index_select(0, rows));
            tensor = next;
        }
    lengths = lengths.index_select(0, rows);
    mask = mask.index_select(0, rows);
}

Tensor DecoderImpl::prefill(const TokenBatch& batch, KvCache& cache) {
    torch::NoGradGuard noGrad;
    const int64_t time = batch.ids.size(1);
    TORCH_CHECK(cache.used == 0 && time <= cache.capacity, "prefill needs an empty cache of at least ", time, " slots");
    const auto hidden = forward(batch.ids, &cache, false);
    cache.used = time;
    cache.lengths.copy_(batch.lengths);
    const auto empty = torch::arange(time, cache.lengths.options()).unsqueeze(0) >= cache.lengths.unsqueeze(1);
    cache.mask.narrow(3, 0, time)
        .squeeze(2)
        .squeeze(1)
        .masked_fill_(empty, -std::numeric_limits<float>::infinity());
    return lastRows(hidden, cache.lengths);
}

Tensor DecoderImpl::decodeStep(const Tensor& ids, KvCache& cache) {
    torch::NoGradGuard noGrad;
    TORCH_CHECK(cache.used < cache.capacity, "the key/value cache is full (", cache.capacity, " slots)");
    const auto hidden = forward(ids.unsqueeze(1), &cache, true).squeeze(1);
    cache.used += 1;
    cache.lengths.add_(1);
    return hidden;
}

Tensor CompletionLogps::sums() const { return logps.sum(1); }
Tensor CompletionLogps::counts() const { return mask.sum(1); }

CompletionLogps completionLogps(Decoder& model, const TokenBatch& batch, const Tensor& starts, bool withEntropy,
                                double temperature) {
    const int64_t rows = batch.ids.size(0), time = batch.ids.size(1);
    // Which positions are completions is decided on the host: no copy on the CPU, one on a GPU.
    const auto lengths = batch.lengths.to(torch::kCPU), first = starts.to(torch::kCPU);
    const int64_t *pl = lengths.const_data_ptr<int64_t>(), *ps = first.const_data_ptr<int64_t>();
    std::vector<int64_t> source, target;
    int64_t width = 0;
    for (int64_t i = 0; i < rows; ++i) {
        TORCH_CHECK(ps[i] >= 1 && ps[i] <= pl[i] && pl[i] <= time, "row ", i, ": the completion [", ps[i], ", ", pl[i],
                    ") does not lie after a first token and inside ", time, " positions");
        width = std::max(width, pl[i] - ps[i]);
    }
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t t = ps[i]; t < pl[i]; ++t) {
            source.push_back(i * time + t - 1);
            target.push_back(i * width + t - ps[i]);
        }
    const auto options = torch::TensorOptions().dtype(torch::kInt64);
    const auto device = batch.ids.device();
    const auto from = torch::tensor(source, options).to(device), to = torch::tensor(target, options).to(device);
    const auto hidden = model->hidden(batch);
    const auto picked = hidden.reshape({rows * time, -1}).index_select(0, from);
    const auto tokens = batch.ids.reshape({-1}).index_select(0, from + 1);

    CompletionLogps result;
    Tensor entropy;
    const auto logps = kernels::targetLogps(picked, model->headWeight(), tokens, temperature, withEntropy ? &entropy : nullptr);
    const auto zeros = torch::zeros({rows * width}, logps.options().requires_grad(false));
    result.logps = zeros.index_copy(0, to, logps).view({rows, width});
    result.mask = zeros.index_fill(0, to, 1.0).view({rows, width});
    if (withEntropy)
        result.entropy = zeros.index_copy(0, to, entropy).view({rows, width});
    return result;
}

} // namespace pl::learn
