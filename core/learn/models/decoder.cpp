// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/decoder.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "core/learn/models/attention.h"
#include "core/learn/models/flops.h"
#include "core/learn/models/kernels.h"

namespace pl::learn {
namespace {

using torch::Tensor;

/// A weight, when the config says so a bias, and what an adapter adds.
struct Linear {
    Tensor weight, bias;
    bool transposed = false; ///< [in, out]
    std::shared_ptr<LowRank> update;
    std::shared_ptr<HalfCopy> half = std::make_shared<HalfCopy>();
    Tensor operator()(const LinearInput& in) const {
        return in.half.defined() ? adaptedLinear(in, weight, *half, transposed, bias, *update)
                                 : adaptedLinear(in.x, transposed ? weight.t() : weight, bias, *update);
    }
};

/// RMSNorm, or LayerNorm where there is a bias.
struct Scale {
    Tensor weight, bias;
    Tensor operator()(const Tensor& x, double eps) const {
        return bias.defined() ? at::layer_norm(x, weight.sizes(), weight, bias, eps) : kernels::rmsNorm(x, weight, eps);
    }
};

std::shared_ptr<torch::nn::Module> child(torch::nn::Module& parent, const std::string& name) {
    return parent.register_module(name, std::make_shared<torch::nn::Module>());
}

Tensor table(torch::nn::Module& parent, const std::string& name, int64_t rows, int64_t width) {
    return child(parent, name)->register_parameter("weight", torch::zeros({rows, width}));
}

Scale scale(torch::nn::Module& parent, const std::string& name, int64_t size, Norm norm) {
    const auto module = child(parent, name);
    Scale result;
    result.weight = module->register_parameter("weight", torch::ones({size}));
    if (norm == Norm::Layer)
        result.bias = module->register_parameter("bias", torch::zeros({size}));
    return result;
}

Tensor activate(const Tensor& x, Activation activation) {
    switch (activation) {
    case Activation::Gelu: return at::gelu(x);
    case Activation::GeluTanh: return at::gelu(x, "tanh");
    case Activation::Relu: return at::relu(x);
    case Activation::Silu: break;
    }
    return at::silu(x);
}

/// Counts a forward pass now, and its backward pass when a gradient does flow through `out`: twice as much, or as much when the
/// weights are frozen (below adapters) and only their inputs have one.
Tensor counted(const Tensor& out, double flops, bool frozen) {
    countFlops(flops);
    if (out.requires_grad())
        out.register_hook([back = frozen ? flops : 2 * flops](const Tensor&) { countFlops(back); });
    return out;
}

} // namespace

struct DecoderImpl::Layers {
    struct Layer {
        Scale inputNorm, postNorm;
        Linear qkv, q, k, v, o, gate, up, down; ///< qkv, or q, k and v; gate or none
        Scale qNorm, kNorm;
        int64_t window = 0;
        std::optional<double> scale; ///< of attention scores, where it is not 1 / sqrt(headDim)

        /// Does anything in it take a gradient?
        bool trained() const {
            for (const auto* norm : {&inputNorm, &postNorm, &qNorm, &kNorm})
                if (norm->weight.defined() && norm->weight.requires_grad())
                    return true;
            for (const auto* linear : {&qkv, &q, &k, &v, &o, &gate, &up, &down})
                if (linear->weight.defined() && (linear->weight.requires_grad() || (linear->update->on && linear->update->a.defined() &&
                                                                                    linear->update->a.requires_grad())))
                    return true;
            return false;
        }
    };
    ModelConfig config;
    Tensor embedding, positions;
    Scale finalNorm;
    Linear lmHead, score;
    std::vector<Layer> layers;
    std::vector<AdaptableLayer> adaptable;
    Precision precision = Precision::Fp32;
    HalfCopy head;   ///< of headWeight()
    Tensor cos, sin; ///< [positions, headDim / 2], grown on demand

    LinearInput input(const Tensor& x) const { return precision == Precision::Bf16 ? halfInput(x) : LinearInput{x, {}}; }

    struct Pass;
    Tensor attended(size_t i, const Tensor& normed, Pass& pass) const;
    /// Layer i on x [batch, time, hidden].
    Tensor through(size_t i, const Tensor& x, Pass& pass) const;

    /// A linear map `name` of the module `parent`, which lies at `path`.
    Linear linear(torch::nn::Module& parent, const std::string& path, const std::string& name, int64_t out, int64_t in, bool bias,
                  bool transposed) {
        const auto module = child(parent, name);
        Linear result;
        result.transposed = transposed;
        result.weight = module->register_parameter("weight", transposed ? torch::zeros({in, out}) : torch::zeros({out, in}));
        if (bias)
            result.bias = module->register_parameter("bias", torch::zeros({out}));
        result.update = std::make_shared<LowRank>();
        if (!path.empty())
            adaptable.push_back({path + "." + name, result.weight, result.update, transposed});
        return result;
    }

    void makeGpt2(torch::nn::Module& root, const ModelConfig& c) {
        const auto body = child(root, "transformer");
        embedding = table(*body, "wte", c.vocabSize, c.hiddenSize);
        positions = table(*body, "wpe", c.maxPositions, c.hiddenSize);
        const auto list = child(*body, "h");
        for (auto& layer : layers) {
            const std::string number = std::to_string(&layer - layers.data()), path = "transformer.h." + number;
            const auto block = child(*list, number), attention = child(*block, "attn"), mlp = child(*block, "mlp");
            layer.qkv = linear(*attention, path + ".attn", "c_attn", (c.heads + 2 * c.kvHeads) * c.headDim, c.hiddenSize, c.qkvBias, true);
            layer.o = linear(*attention, path + ".attn", "c_proj", c.hiddenSize, c.heads * c.headDim, c.outputBias, true);
            layer.up = linear(*mlp, path + ".mlp", "c_fc", c.intermediateSize, c.hiddenSize, c.mlpBias, true);
            layer.down = linear(*mlp, path + ".mlp", "c_proj", c.hiddenSize, c.intermediateSize, c.mlpBias, true);
            layer.inputNorm = scale(*block, "ln_1", c.hiddenSize, c.norm);
            layer.postNorm = scale(*block, "ln_2", c.hiddenSize, c.norm);
        }
        finalNorm = scale(*body, "ln_f", c.hiddenSize, c.norm);
    }

    void makeLlama(torch::nn::Module& root, const ModelConfig& c) {
        const auto body = child(root, "model");
        embedding = table(*body, "embed_tokens", c.vocabSize, c.hiddenSize);
        const auto list = child(*body, "layers");
        for (auto& layer : layers) {
            const std::string number = std::to_string(&layer - layers.data()), path = "model.layers." + number;
            const auto block = child(*list, number), attention = child(*block, "self_attn"), mlp = child(*block, "mlp");
            const auto project = [&](const char* name, int64_t out, int64_t in, bool bias) {
                return linear(*attention, path + ".self_attn", name, out, in, bias, false);
            };
            layer.q = project("q_proj", c.heads * c.headDim, c.hiddenSize, c.qkvBias);
            layer.k = project("k_proj", c.kvHeads * c.headDim, c.hiddenSize, c.qkvBias);
            layer.v = project("v_proj", c.kvHeads * c.headDim, c.hiddenSize, c.qkvBias);
            layer.o = project("o_proj", c.hiddenSize, c.heads * c.headDim, c.outputBias);
            if (c.qkNorm) {
                layer.qNorm = scale(*attention, "q_norm", c.headDim, Norm::Rms);
                layer.kNorm = scale(*attention, "k_norm", c.headDim, Norm::Rms);
            }
            layer.gate = linear(*mlp, path + ".mlp", "gate_proj", c.intermediateSize, c.hiddenSize, c.mlpBias, false);
            layer.up = linear(*mlp, path + ".mlp", "up_proj", c.intermediateSize, c.hiddenSize, c.mlpBias, false);
            layer.down = linear(*mlp, path + ".mlp", "down_proj", c.hiddenSize, c.intermediateSize, c.mlpBias, false);
            layer.inputNorm = scale(*block, "input_layernorm", c.hiddenSize, c.norm);
            layer.postNorm = scale(*block, "post_attention_layernorm", c.hiddenSize, c.norm);
        }
        finalNorm = scale(*body, "norm", c.hiddenSize, c.norm);
    }

    /// Makes the rotary tables cover `length` positions on the device.
    void prepareRotary(const ModelConfig& config, int64_t length, torch::Device device) {
        if (cos.defined() && cos.device() == device && cos.size(0) >= length)
            return;
        torch::NoGradGuard noGrad;
        int64_t size = 256;
        while (size < length)
            size *= 2;
        const auto index = torch::arange(0, config.headDim, 2, torch::kFloat32) / static_cast<double>(config.headDim);
        auto inverse = 1.0 / torch::pow(torch::full({}, config.ropeTheta, torch::kFloat32), index);
        for (int64_t i = 0; i < inverse.size(0); ++i)
            inverse[i] = config.ropeScaling.stretched(inverse[i].item<float>());
        const auto angles = torch::outer(torch::arange(size, torch::kFloat32), inverse);
        cos = angles.cos().contiguous().to(device);
        sin = angles.sin().contiguous().to(device);
    }
};

DecoderImpl::DecoderImpl(const ModelConfig& config) : m_config(config), m_layers(std::make_shared<Layers>()) {
    const auto& c = m_config;
    auto& m = *m_layers;
    m.config = c;
    m.layers.resize(static_cast<size_t>(c.layers));
    if (c.layout == Layout::Gpt2)
        m.makeGpt2(*this, c);
    else
        m.makeLlama(*this, c);
    for (int64_t i = 0; i < c.layers; ++i) {
        auto& layer = m.layers[static_cast<size_t>(i)];
        layer.window = c.window(i);
        if (!c.scaleAttention || c.scaleAttentionByLayer)
            layer.scale = (c.scaleAttention ? 1 / std::sqrt(static_cast<double>(c.headDim)) : 1.0) /
                          (c.scaleAttentionByLayer ? static_cast<double>(i + 1) : 1.0);
    }
    if (c.rewardHead)
        m.score = m.linear(*this, {}, "score", 1, c.hiddenSize, false, false);
    else if (!c.tiedEmbeddings)
        m.lmHead = m.linear(*this, {}, "lm_head", c.vocabSize, c.hiddenSize, false, false);
}

std::vector<AdaptableLayer> DecoderImpl::adaptable() const { return m_layers->adaptable; }

const Tensor& DecoderImpl::inputEmbedding() const { return m_layers->embedding; }

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
        const bool scaled =
            name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight") || name.ends_with("c_proj.weight");
        parameter.copy_(torch::randn(parameter.sizes(), generator).mul_(scaled ? 0.02 * residual : 0.02));
    }
}

namespace {

/// 0 where a position may look, -infinity elsewhere: itself and the window - 1 before it. [time, time]
Tensor windowMask(int64_t time, int64_t window, const Tensor& like) {
    const auto at = torch::arange(time, like.options().dtype(torch::kInt64));
    const auto back = at.unsqueeze(1) - at.unsqueeze(0);
    return torch::zeros({time, time}, like.options())
        .masked_fill_((back < 0).logical_or(back >= window), -std::numeric_limits<double>::infinity());
}

/// Slots [rows, 1, 1, reach] that the position decoded next looks at: 0, and -infinity elsewhere.
Tensor slotMask(const Tensor& positions, int64_t reach, int64_t window, const Tensor& like) {
    const auto slot = torch::arange(reach, positions.options()).unsqueeze(0), own = positions.unsqueeze(1);
    auto hidden = slot > own;
    if (window > 0)
        hidden = hidden.logical_or(slot <= own - window);
    return torch::zeros(hidden.sizes(), like.options())
        .masked_fill_(hidden, -std::numeric_limits<double>::infinity())
        .unsqueeze(1)
        .unsqueeze(1);
}

/// One position [rows, kvHeads, 1, dim] of each row goes to its next slot, on the CPU in fp32.
void storeNext(const Tensor& slots, const Tensor& position, const std::vector<int64_t>& lengths) {
    const auto from = position.contiguous();
    const int64_t heads = slots.size(1), capacity = slots.size(2), dim = slots.size(3);
    const float* in = from.const_data_ptr<float>();
    float* out = slots.data_ptr<float>();
    for (size_t row = 0; row < lengths.size(); ++row)
        for (int64_t head = 0; head < heads; ++head, in += dim, out += capacity * dim)
            std::copy(in, in + dim, out + lengths[row] * dim);
}

} // namespace

/// What all layers of one pass share.
struct DecoderImpl::Layers::Pass {
    int64_t batch = 0, time = 0;      ///< of x [batch, time, hidden]; packed: 1 and the number of tokens
    Tensor cos, sin;                  ///< of the positions in this pass; undefined without rotary ones
    KvCache* cache = nullptr;         ///< keys and values go to new rows of it (prefill) or to the next slot of each (decode)
    bool decode = false;
    Tensor positions;                 ///< decode: [batch] int64, of the token of each row
    int64_t reach = 0;                ///< positions that the longest row looks at
    std::shared_ptr<const Segments> packed;
    Tensor rows;                      ///< [n] int64 into batch * time: what is read of the last layer; undefined: everything
    std::optional<Asked> asked;       ///< packed: what of the last layer's attention that needs; none: all of it
    Tensor askedCos, askedSin;        ///< of these positions
    std::map<int64_t, Tensor> masks;  ///< by window

    const Tensor& masked(int64_t window, const Tensor& like) {
        auto& mask = masks[window];
        if (!mask.defined())
            mask = decode ? slotMask(positions, reach, window, like) : windowMask(time, window, like);
        return mask;
    }
};

/// What attention gives, [batch, time, heads * headDim]; of the positions asked for alone [1, asked, heads * headDim].
Tensor DecoderImpl::Layers::attended(size_t i, const Tensor& n, Pass& pass) const {
    const auto& layer = layers[i];
    const auto& c = config;
    const auto in = input(n);
    const auto* asked = pass.asked && i + 1 == layers.size() ? &*pass.asked : nullptr;
    std::vector<Tensor> qkv;
    if (layer.qkv.weight.defined()) {
        qkv = layer.qkv(in).split_with_sizes({c.heads * c.headDim, c.kvHeads * c.headDim, c.kvHeads * c.headDim}, -1);
        if (asked)
            qkv[0] = qkv[0].index_select(1, asked->rows);
    } else {
        qkv = {layer.q(asked ? input(n.index_select(1, asked->rows)) : in), layer.k(in), layer.v(in)};
    }
    const auto heads = [&](const Tensor& t, int64_t count, const Scale& norm, const Tensor& cos, const Tensor& sin) { // [batch, time, count, headDim]
        auto out = t.view({pass.batch, -1, count, c.headDim});
        if (norm.weight.defined())
            out = norm(out, c.normEps);
        return cos.defined() ? kernels::rotate(out, cos, sin, pass.decode) : out;
    };
    auto q = heads(qkv[0], c.heads, layer.qNorm, asked ? pass.askedCos : pass.cos, asked ? pass.askedSin : pass.sin);
    auto k = heads(qkv[1], c.kvHeads, layer.kNorm, pass.cos, pass.sin);
    auto v = qkv[2].view({pass.batch, pass.time, c.kvHeads, c.headDim});
    if (pass.packed)
        return kernels::packedAttention(q.squeeze(0), k.squeeze(0), v.squeeze(0), *pass.packed, layer.window, layer.scale,
                                        asked ? &asked->from : nullptr)
            .view({1, -1, c.heads * c.headDim});
    q = q.transpose(1, 2);
    k = k.transpose(1, 2);
    v = v.transpose(1, 2);
    const auto shared = [&](const Tensor& t) { // [batch, kvHeads, time, dim]: each serves heads / kvHeads query heads
        return c.kvHeads == c.heads ? t : t.repeat_interleave(c.heads / c.kvHeads, 1);
    };
    std::optional<Tensor> mask;
    if (pass.decode) {
        auto& cache = *pass.cache;
        auto keys = cache.keys[i].narrow(0, 0, pass.batch), values = cache.values[i].narrow(0, 0, pass.batch);
        if (decodeAttentionFits(q)) {
            storeNext(keys, k, cache.lengths);
            storeNext(values, v, cache.lengths);
            return decodeAttention(q.squeeze(2), keys, values, cache.lengths, layer.window,
                                   layer.scale.value_or(1 / std::sqrt(static_cast<double>(c.headDim))))
                .view({pass.batch, 1, c.heads * c.headDim});
        }
        const auto own = pass.positions.view({-1, 1, 1, 1}).expand_as(k);
        keys.scatter_(2, own, k);
        values.scatter_(2, own, v);
        k = keys.narrow(2, 0, pass.reach);
        v = values.narrow(2, 0, pass.reach);
        mask = pass.masked(layer.window, q);
        countFlops(4.0 * static_cast<double>(pass.batch * pass.reach * c.heads * c.headDim));
    } else {
        if (pass.cache) {
            pass.cache->keys[i].narrow(0, pass.cache->used(), pass.batch).narrow(2, 0, pass.time).copy_(k);
            pass.cache->values[i].narrow(0, pass.cache->used(), pass.batch).narrow(2, 0, pass.time).copy_(v);
        }
        // Right padding: a real position never looks at a padding one.
        if (layer.window > 0 && layer.window < pass.time)
            mask = pass.masked(layer.window, q);
    }
    const auto out = at::scaled_dot_product_attention(q, shared(k), shared(v), mask, 0.0, !mask, layer.scale);
    return out.transpose(1, 2).reshape({pass.batch, pass.time, c.heads * c.headDim});
}

Tensor DecoderImpl::Layers::through(size_t i, const Tensor& in, Pass& pass) const {
    const auto& layer = layers[i];
    const auto& c = config;
    auto a = attended(i, layer.inputNorm(in, c.normEps), pass), before = in;
    if (pass.rows.defined() && i + 1 == layers.size()) {
        a = a.flatten(0, 1).index_select(0, pass.asked ? pass.asked->picked : pass.rows);
        before = in.flatten(0, 1).index_select(0, pass.rows);
    }
    const auto x = before + layer.o(input(a));
    const auto y = input(layer.postNorm(x, c.normEps));
    if (c.mlp == Mlp::Plain)
        return x + layer.down(input(activate(layer.up(y), c.activation)));
    const auto gate = layer.gate(y), up = layer.up(y);
    return x + layer.down(input(c.activation == Activation::Silu ? kernels::gatedSilu(gate, up) : activate(gate, c.activation) * up));
}

namespace {

/// What a backward pass needs to go through a layer once more.
struct Again : torch::CustomClassHolder {
    std::function<Tensor(const Tensor&)> layer;
    double flops = 0; ///< of going through it forward, adapters left out: they count themselves
};

/// A layer of which only its input is kept. `anchor` takes a gradient, so that the layer gets its backward pass where its input takes
/// none.
class Recomputed : public torch::autograd::Function<Recomputed> {
public:
    static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& /*anchor*/,
                          const c10::intrusive_ptr<Again>& again) {
        ctx->save_for_backward({x});
        ctx->saved_data["again"] = c10::IValue::make_capsule(again);
        return again->layer(x);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
        const auto capsule = ctx->saved_data["again"].toCapsule();
        const auto& again = static_cast<const Again&>(*capsule);
        const auto x = ctx->get_saved_variables()[0].detach().requires_grad_(ctx->needs_input_grad(0));
        torch::AutoGradMode enabled(true);
        countFlops(again.flops);
        torch::autograd::backward({again.layer(x)}, {grads[0]});
        return {x.grad(), Tensor(), Tensor()};
    }
};

} // namespace

/// Where the one token of each row stands.
struct DecoderImpl::DecodeAt {
    Tensor positions;  ///< [batch] int64 on the device
    int64_t reach = 0; ///< above all positions
};

Tensor DecoderImpl::forward(const Tensor& ids, KvCache* cache, const DecodeAt* decode, const PackedTokens* packed, const Tensor& only) {
    auto& m = *m_layers;
    const auto& c = m_config;
    const auto shared = std::make_shared<Layers::Pass>();
    auto& pass = *shared;
    pass.batch = ids.size(0);
    pass.time = ids.size(1);
    pass.cache = cache;
    pass.decode = decode != nullptr;
    pass.rows = only;
    if (packed)
        pass.packed = packed->segments;
    if (decode)
        pass.positions = decode->positions;
    const int64_t reach = decode ? decode->reach : packed ? packed->longest : pass.time;
    pass.reach = reach;
    TORCH_CHECK(reach <= c.maxPositions, "the sequence has ", reach, " tokens, more than the model's ", c.maxPositions, " positions");
    const auto rows = [&](const Tensor& table) {
        return decode ? table.index_select(0, pass.positions) : packed ? table.index_select(0, packed->positions) : table.narrow(0, 0, pass.time);
    };
    // As in transformers, the padding token's embedding takes no gradient from being read (a tied head still trains it).
    auto x = at::embedding(m.embedding, ids, c.embeddingPadding());
    if (c.positions == Positions::Rotary) {
        m.prepareRotary(c, reach, device());
        pass.cos = rows(m.cos);
        pass.sin = rows(m.sin);
    } else {
        x = x + (decode ? rows(m.positions).unsqueeze(1) : rows(m.positions));
    }
    if (packed && only.defined() && kernels::packedAttentionFits(x)) {
        pass.asked = askedOf(*packed->segments, only);
        if (pass.asked && pass.cos.defined()) {
            pass.askedCos = pass.cos.index_select(0, pass.asked->rows);
            pass.askedSin = pass.sin.index_select(0, pass.asked->rows);
        }
    }
    // What a decoded position looks at was counted there; with a length of -1 only the matrices are.
    const double flops = packed ? forwardFlops(c, *packed, 0)
                                : c.forwardFlops(static_cast<double>(pass.batch * pass.time),
                                                 decode ? -1.0 : static_cast<double>(pass.time), 0);
    const bool again = m_recompute && torch::GradMode::is_enabled() && !cache;
    const double unread = (only.defined() ? lastLayerFlops(c, static_cast<double>(pass.batch * pass.time - only.numel())) : 0) +
                          (pass.asked ? unaskedFlops(c, *pass.packed, *pass.asked) : 0);
    const auto anchor = again ? torch::zeros({}, x.options().requires_grad(true)) : Tensor();
    for (size_t i = 0; i < m.layers.size(); ++i) {
        if (!again || !(x.requires_grad() || m.layers[i].trained())) {
            x = m.through(i, x, pass);
            continue;
        }
        const auto layer = c10::make_intrusive<Again>();
        layer->layer = [layers = m_layers, shared, i](const Tensor& in) { return layers->through(i, in, *shared); };
        layer->flops = flops / static_cast<double>(m.layers.size()) - (i + 1 == m.layers.size() ? unread : 0);
        x = Recomputed::apply(x, anchor, layer);
    }
    return counted(m.finalNorm(x, c.normEps), flops - unread, !m.embedding.requires_grad());
}

Tensor DecoderImpl::hidden(const TokenBatch& batch) { return forward(batch.ids); }

Tensor DecoderImpl::hidden(const PackedTokens& tokens) { return forward(tokens.ids.unsqueeze(0), nullptr, nullptr, &tokens).squeeze(0); }

Tensor DecoderImpl::hidden(const TokenBatch& batch, const Tensor& rows) { return forward(batch.ids, nullptr, nullptr, nullptr, rows); }

Tensor DecoderImpl::hidden(const PackedTokens& tokens, const Tensor& rows) {
    return forward(tokens.ids.unsqueeze(0), nullptr, nullptr, &tokens, rows);
}

const Tensor& DecoderImpl::headWeight() const {
    if (m_layers->lmHead.weight.defined())
        return m_layers->lmHead.weight;
    TORCH_CHECK(m_config.tiedEmbeddings, "this reward model has no vocabulary head");
    return m_layers->embedding;
}

void DecoderImpl::setPrecision(Precision precision) { m_layers->precision = precision; }

Precision DecoderImpl::precision() const { return m_layers->precision; }

Tensor DecoderImpl::headHalf() {
    return precision() == Precision::Bf16 ? m_layers->head.of(headWeight()) : Tensor();
}

Tensor DecoderImpl::head(const Tensor& hiddenRows) {
    const auto in = m_layers->input(hiddenRows);
    return counted(in.half.defined() ? halfLinear(in, headWeight(), m_layers->head)
                                     : at::linear(hiddenRows, headWeight()).to(torch::kFloat32),
                   m_config.forwardFlops(0, 0, static_cast<double>(hiddenRows.size(0))), !headWeight().requires_grad());
}

namespace {

/// Positions lengths - 1 of all rows, counted over batch * time.
Tensor lastRows(const TokenBatch& batch) {
    const auto device = batch.ids.device();
    return torch::arange(batch.ids.size(0), batch.ids.options()) * batch.ids.size(1) + batch.lengths.to(device) - 1;
}

} // namespace

Tensor DecoderImpl::scoresOf(const Tensor& lastRows) {
    return counted(m_layers->score({lastRows, {}}).squeeze(1).to(torch::kFloat32), 2.0 * static_cast<double>(lastRows.numel()),
                   !m_layers->score.weight.requires_grad());
}

Tensor DecoderImpl::scores(const TokenBatch& batch) {
    TORCH_CHECK(m_config.rewardHead, "this model has no reward head");
    return scoresOf(hidden(batch, lastRows(batch)));
}

Tensor DecoderImpl::scores(const PackedBatch& batch) {
    TORCH_CHECK(m_config.rewardHead, "this model has no reward head");
    TORCH_CHECK(batch.last.defined(), "the batch was packed without its rows' last tokens");
    return scoresOf(hidden(batch.tokens, batch.last));
}

KvCache DecoderImpl::makeCache(int64_t rows, int64_t capacity) {
    KvCache cache;
    const auto options = m_layers->embedding.options().requires_grad(false);
    const bool readWhole = !decodeAttentionFits(m_layers->embedding); // what is masked must be a number all the same
    for (auto* list : {&cache.keys, &cache.values})
        for (int64_t i = 0; i < m_config.layers; ++i) {
            list->push_back(torch::empty({rows, m_config.kvHeads, capacity, m_config.headDim}, options));
            if (readWhole)
                list->back().zero_();
        }
    cache.capacity = capacity;
    return cache;
}

Tensor DecoderImpl::prefill(const TokenBatch& batch, KvCache& cache) {
    torch::NoGradGuard noGrad;
    const int64_t count = batch.ids.size(0), time = batch.ids.size(1);
    TORCH_CHECK(cache.used() + count <= cache.keys[0].size(0) && time <= cache.capacity, "the key/value cache has no room for ",
                count, " more rows of ", time, " slots");
    const auto hidden = forward(batch.ids, &cache, nullptr, nullptr, lastRows(batch));
    const auto lengths = batch.lengths.to(torch::kCPU).contiguous();
    cache.lengths.insert(cache.lengths.end(), lengths.const_data_ptr<int64_t>(), lengths.const_data_ptr<int64_t>() + count);
    return hidden;
}

Tensor DecoderImpl::decodeStep(const Tensor& ids, KvCache& cache) {
    torch::NoGradGuard noGrad;
    TORCH_CHECK(ids.size(0) == cache.used(), "the key/value cache has ", cache.used(), " rows in use, not ", ids.size(0));
    for (const int64_t length : cache.lengths)
        TORCH_CHECK(length < cache.capacity, "the key/value cache is full (", cache.capacity, " slots)");
    const DecodeAt at{torch::tensor(cache.lengths, torch::kInt64).to(device()), *std::max_element(cache.lengths.begin(), cache.lengths.end()) + 1};
    const auto hidden = forward(ids.unsqueeze(1), &cache, &at).squeeze(1);
    for (int64_t& length : cache.lengths)
        length += 1;
    return hidden;
}

Tensor DecoderImpl::decodeStep(const Tensor& ids, KvCache& cache, const Tensor& positions, int64_t reach) {
    torch::NoGradGuard noGrad;
    TORCH_CHECK(!decodeAttentionFits(m_layers->embedding), "decoding at fixed shapes is for devices that are not the processor");
    TORCH_CHECK(ids.size(0) <= cache.keys[0].size(0) && positions.size(0) == ids.size(0) && reach <= cache.capacity, "the key/value cache of ",
                cache.keys[0].size(0), " rows of ", cache.capacity, " slots does not hold ", ids.size(0), " rows of ", reach);
    // A table that grows later would leave a recording with the freed one.
    if (m_config.positions == Positions::Rotary)
        m_layers->prepareRotary(m_config, cache.capacity, device());
    const DecodeAt at{positions, reach};
    return forward(ids.unsqueeze(1), &cache, &at).squeeze(1);
}

Tensor CompletionLogps::sums() const { return logps.sum(1); }
Tensor CompletionLogps::counts() const { return mask.sum(1); }

namespace {

/// Of hidden states [n, hidden] and the tokens they predict; slots: row * width + place.
CompletionLogps scattered(Decoder& model, const Tensor& hidden, const Tensor& targets, const Tensor& slots, int64_t rows, int64_t width,
                          bool withEntropy, double temperature) {
    CompletionLogps result;
    Tensor entropy;
    const auto logps = kernels::targetLogps(hidden, model->headWeight(), targets, temperature,
                                            withEntropy ? &entropy : nullptr, model->headHalf());
    const auto zeros = torch::zeros({rows * width}, logps.options().requires_grad(false));
    result.logps = zeros.index_copy(0, slots, logps).view({rows, width});
    result.mask = zeros.index_fill(0, slots, 1.0).view({rows, width});
    if (withEntropy)
        result.entropy = zeros.index_copy(0, slots, entropy).view({rows, width});
    return result;
}

} // namespace

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
    return scattered(model, model->hidden(batch, from), batch.ids.reshape({-1}).index_select(0, from + 1), to,
                     rows, width, withEntropy, temperature);
}

CompletionLogps completionLogps(Decoder& model, const PackedBatch& batch, bool withEntropy, double temperature) {
    return scattered(model, model->hidden(batch.tokens, batch.sources), batch.targets, batch.slots, batch.rows, batch.width,
                     withEntropy, temperature);
}

} // namespace pl::learn
