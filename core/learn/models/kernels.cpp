// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/kernels.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "core/learn/models/flops.h"
#include "core/learn/models/kernel_clones.h"

namespace pl::learn::kernels {
namespace {

constexpr int kLanes = 16; // independent partial sums, so that a sum is vectorised without changing its order per machine

PL_KERNEL float dot(const float* a, const float* b, int64_t n) {
    float lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int k = 0; k < kLanes; ++k)
            lanes[k] += a[i + k] * b[i + k];
    float sum = 0;
    for (; i < n; ++i)
        sum += a[i] * b[i];
    for (float lane : lanes)
        sum += lane;
    return sum;
}

PL_KERNEL void scaleBy(float* out, const float* x, const float* w, float factor, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        out[i] = x[i] * factor * w[i];
}

/// dx = r (g w) - x r^3 dot / n, and dw += g x r
PL_KERNEL void rmsBackwardRow(float* dx, float* dw, const float* g, const float* x, const float* w, float r, int64_t n) {
    float lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int k = 0; k < kLanes; ++k)
            lanes[k] += g[i + k] * w[i + k] * x[i + k];
    float sum = 0;
    for (; i < n; ++i)
        sum += g[i] * w[i] * x[i];
    for (float lane : lanes)
        sum += lane;
    const float c = r * r * r * sum / static_cast<float>(n);
    for (i = 0; i < n; ++i) {
        dx[i] = r * g[i] * w[i] - c * x[i];
        dw[i] += g[i] * x[i] * r;
    }
}

PL_KERNEL void rotateRow(float* out, const float* x, const float* cos, const float* sin, float sign, int64_t heads,
                         int64_t half) {
    for (int64_t h = 0; h < heads; ++h, out += 2 * half, x += 2 * half)
        for (int64_t i = 0; i < half; ++i) {
            const float a = x[i], b = x[i + half], s = sign * sin[i];
            out[i] = a * cos[i] - b * s;
            out[i + half] = b * cos[i] + a * s;
        }
}

PL_INLINE float sigmoid(float x) {
    const float e = expNegative(x < 0 ? x : -x);
    return (x < 0 ? e : 1.0f) / (1.0f + e);
}

PL_KERNEL void gateRow(float* out, const float* gate, const float* up, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        out[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

/// With s = sigmoid(gate): dUp = g gate s, dGate = g up s (1 + gate (1 - s))
PL_KERNEL void gateBackwardRow(float* dGate, float* dUp, const float* g, const float* gate, const float* up, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const float x = gate[i], s = sigmoid(x), y = g[i];
        dUp[i] = y * x * s;
        dGate[i] = y * up[i] * s * (1.0f + x * (1.0f - s));
    }
}

/// Scores of one row become probabilities of softmax(scale scores); returns the logarithm of that of `target` and, where asked for, the
/// entropy.
PL_KERNEL float softmaxRow(float* x, int64_t n, float scale, int64_t target, float* entropy) {
    float lanes[kLanes];
    for (float& lane : lanes)
        lane = x[0];
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int k = 0; k < kLanes; ++k)
            lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
    float top = x[0];
    for (; i < n; ++i)
        top = x[i] > top ? x[i] : top;
    for (const float lane : lanes)
        top = lane > top ? lane : top;
    const float shift = top * scale, chosen = x[target] * scale - shift;
    float sums[kLanes] = {}, moments[kLanes] = {};
    float sum = 0, moment = 0;
    for (i = 0; i + kLanes <= n; i += kLanes)
        for (int k = 0; k < kLanes; ++k) {
            float z = x[i + k] * scale - shift;
            z = z < -87.0f ? -87.0f : z;
            const float e = expNegative(z);
            sums[k] += e;
            moments[k] += e * z;
            x[i + k] = e;
        }
    for (; i < n; ++i) {
        float z = x[i] * scale - shift;
        z = z < -87.0f ? -87.0f : z;
        x[i] = expNegative(z);
        sum += x[i];
        moment += x[i] * z;
    }
    for (int k = 0; k < kLanes; ++k) {
        sum += sums[k];
        moment += moments[k];
    }
    const float share = 1.0f / sum, logSum = std::log(sum);
    for (i = 0; i < n; ++i)
        x[i] *= share;
    if (entropy)
        *entropy = logSum - moment * share;
    return chosen - logSum;
}

PL_KERNEL void scaledRow(float* out, const float* x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        out[i] = factor * x[i];
}

bool fused(const torch::Tensor& x) { return x.device().is_cpu() && x.scalar_type() == torch::kFloat32; }

/// Rows a task takes; fixed, so that partial sums do not depend on the number of threads.
constexpr int64_t kRowsPerTask = 64;

torch::Tensor rmsForward(const torch::Tensor& x, const torch::Tensor& weight, double eps, torch::Tensor& scale) {
    if (!fused(x)) {
        const auto f = x.to(torch::kFloat32);
        scale = f.square().mean(-1, true).add_(eps).rsqrt_();
        return (f * scale).to(x.scalar_type()) * weight;
    }
    const int64_t n = x.size(-1), rows = x.numel() / std::max<int64_t>(n, 1);
    auto out = torch::empty_like(x);
    auto sizes = x.sizes().vec();
    sizes.back() = 1;
    scale = torch::empty(sizes, x.options());
    const float *px = x.const_data_ptr<float>(), *pw = weight.const_data_ptr<float>();
    float *po = out.data_ptr<float>(), *ps = scale.data_ptr<float>();
    at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const float* row = px + r * n;
            ps[r] = 1.0f / std::sqrt(dot(row, row, n) / static_cast<float>(n) + static_cast<float>(eps));
            scaleBy(po + r * n, row, pw, ps[r], n);
        }
    });
    return out;
}

class RmsNorm : public torch::autograd::Function<RmsNorm> {
public:
    static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                                 const torch::Tensor& weight, double eps) {
        torch::Tensor scale;
        auto out = rmsForward(x, weight, eps, scale);
        ctx->save_for_backward({x, weight, scale});
        return out;
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                   torch::autograd::variable_list grads) {
        const auto saved = ctx->get_saved_variables();
        const auto &x = saved[0], &weight = saved[1], &scale = saved[2];
        const int64_t n = x.size(-1), rows = x.numel() / std::max<int64_t>(n, 1);
        if (!fused(x)) {
            const auto g = grads[0].to(torch::kFloat32), f = x.to(torch::kFloat32);
            const auto gw = g * weight.to(torch::kFloat32);
            const auto c = (gw * f).sum(-1, true) * scale.pow(3) / static_cast<double>(n);
            return {(gw * scale - f * c).to(x.scalar_type()),
                    (g * f * scale).reshape({rows, n}).sum(0).to(weight.scalar_type()), torch::Tensor()};
        }
        const auto g = grads[0].contiguous();
        auto dx = torch::empty_like(x);
        const int64_t tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
        auto partial = torch::zeros({tasks, n}, x.options());
        const float *pg = g.const_data_ptr<float>(), *px = x.const_data_ptr<float>(),
                    *pw = weight.const_data_ptr<float>(), *ps = scale.const_data_ptr<float>();
        float *pd = dx.data_ptr<float>(), *pp = partial.data_ptr<float>();
        at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
            for (int64_t task = begin; task < end; ++task)
                for (int64_t r = task * kRowsPerTask; r < std::min(rows, (task + 1) * kRowsPerTask); ++r)
                    rmsBackwardRow(pd + r * n, pp + task * n, pg + r * n, px + r * n, pw, ps[r], n);
        });
        return {dx, partial.sum(0), torch::Tensor()};
    }
};

constexpr int64_t kElementsPerTask = 1 << 14;

torch::Tensor gateForward(const torch::Tensor& gate, const torch::Tensor& up) {
    auto out = torch::empty_like(gate);
    const float *pg = gate.const_data_ptr<float>(), *pu = up.const_data_ptr<float>();
    float* po = out.data_ptr<float>();
    at::parallel_for(0, gate.numel(), kElementsPerTask,
                     [&](int64_t begin, int64_t end) { gateRow(po + begin, pg + begin, pu + begin, end - begin); });
    return out;
}

class GatedSilu : public torch::autograd::Function<GatedSilu> {
public:
    static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& gate, const torch::Tensor& up) {
        ctx->save_for_backward({gate, up});
        return gateForward(gate, up);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                   torch::autograd::variable_list grads) {
        const auto saved = ctx->get_saved_variables();
        const auto g = grads[0].contiguous();
        auto dGate = torch::empty_like(saved[0]), dUp = torch::empty_like(saved[1]);
        const float *p = g.const_data_ptr<float>(), *pg = saved[0].const_data_ptr<float>(), *pu = saved[1].const_data_ptr<float>();
        float *og = dGate.data_ptr<float>(), *ou = dUp.data_ptr<float>();
        at::parallel_for(0, g.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
            gateBackwardRow(og + begin, ou + begin, p + begin, pg + begin, pu + begin, end - begin);
        });
        return {dGate, dUp};
    }
};

torch::Tensor rotateRaw(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin, bool perRow,
                        bool backwards) {
    const int64_t time = x.size(1), heads = x.size(2), half = x.size(3) / 2;
    if (!fused(x)) {
        const auto shape = perRow ? std::vector<int64_t>{-1, 1, 1, half} : std::vector<int64_t>{1, -1, 1, half};
        const auto c = cos.view(shape).to(x.scalar_type());
        auto s = sin.view(shape).to(x.scalar_type());
        if (backwards)
            s = -s;
        const auto a = x.slice(-1, 0, half), b = x.slice(-1, half);
        return torch::cat({a * c - b * s, b * c + a * s}, -1);
    }
    const auto in = x.contiguous();
    auto out = torch::empty_like(in);
    const float *px = in.const_data_ptr<float>(), *pc = cos.const_data_ptr<float>(), *ps = sin.const_data_ptr<float>();
    float* po = out.data_ptr<float>();
    const float sign = backwards ? -1.0f : 1.0f;
    at::parallel_for(0, in.size(0) * time, kRowsPerTask, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const int64_t p = perRow ? r / time : r % time;
            rotateRow(po + r * heads * 2 * half, px + r * heads * 2 * half, pc + p * half, ps + p * half, sign, heads,
                      half);
        }
    });
    return out;
}

class Rotate : public torch::autograd::Function<Rotate> {
public:
    static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x,
                                 const torch::Tensor& cos, const torch::Tensor& sin, bool perRow) {
        ctx->save_for_backward({cos, sin});
        ctx->saved_data["per_row"] = perRow;
        return rotateRaw(x, cos, sin, perRow, false);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                   torch::autograd::variable_list grads) {
        const auto saved = ctx->get_saved_variables();
        return {rotateRaw(grads[0], saved[0], saved[1], ctx->saved_data["per_row"].toBool(), true), torch::Tensor(),
                torch::Tensor(), torch::Tensor()};
    }
};

constexpr int64_t kChunkElements = int64_t{1} << 19;  // logits of one chunk: 2 MB, near the cache
constexpr int64_t kKeepElements = int64_t{1} << 26;   // up to 256 MB of log-probabilities are kept for the backward pass

int64_t chunkRows(int64_t vocab) { return std::max<int64_t>(kChunkElements / std::max<int64_t>(vocab, 1), 16); }

/// Of one product of rows [n, hidden] with weight [vocab, hidden].
double headFlops(const torch::Tensor& rows, const torch::Tensor& weight) {
    return 2.0 * static_cast<double>(rows.numel()) * static_cast<double>(weight.size(0));
}

/// Of a chunk of rows: log-probabilities of the targets into `out` and entropies where asked for; the result are the probabilities of all
/// tokens.
torch::Tensor chunkProbabilities(const torch::Tensor& rows, const torch::Tensor& weight, const torch::Tensor& targets, double temperature,
                                 torch::Tensor out, torch::Tensor* entropy) {
    countFlops(headFlops(rows, weight));
    auto logits = torch::mm(rows, weight.t()).to(torch::kFloat32);
    if (fused(logits)) {
        const auto ids = targets.contiguous();
        const int64_t n = logits.size(0), vocab = logits.size(1), *pt = ids.const_data_ptr<int64_t>();
        float *p = logits.data_ptr<float>(), *po = out.data_ptr<float>(), *pe = entropy ? entropy->data_ptr<float>() : nullptr;
        for (int64_t i = 0; i < n; ++i)
            TORCH_CHECK(pt[i] >= 0 && pt[i] < vocab, "token ", pt[i], " is none of the model's ", vocab);
        at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i)
                po[i] = softmaxRow(p + i * vocab, vocab, static_cast<float>(1 / temperature), pt[i], pe ? pe + i : nullptr);
        });
        return logits;
    }
    if (temperature != 1.0)
        logits.mul_(1.0 / temperature);
    const auto logps = torch::log_softmax(logits, -1);
    out.copy_(logps.gather(1, targets.unsqueeze(1)).squeeze(1));
    auto probabilities = logps.exp();
    if (entropy) // a token of probability 0 adds 0, not 0 times -infinity
        entropy->copy_(-(probabilities * logps).nan_to_num(0.0, 0.0, 0.0).sum(-1));
    return probabilities;
}

torch::Tensor targetForward(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& targets,
                            double temperature, torch::Tensor* entropy, std::vector<torch::Tensor>* keep) {
    const int64_t n = hidden.size(0), step = chunkRows(weight.size(0));
    auto out = torch::empty({n}, hidden.options().dtype(torch::kFloat32));
    if (entropy)
        *entropy = torch::empty_like(out);
    for (int64_t begin = 0; begin < n; begin += step) {
        const int64_t count = std::min(step, n - begin);
        auto part = entropy ? entropy->narrow(0, begin, count) : torch::Tensor();
        auto probabilities = chunkProbabilities(hidden.narrow(0, begin, count), weight, targets.narrow(0, begin, count), temperature,
                                                out.narrow(0, begin, count), entropy ? &part : nullptr);
        if (keep)
            keep->push_back(std::move(probabilities));
    }
    return out;
}

/// g (onehot - p)
torch::Tensor throughTarget(const torch::Tensor& probabilities, const torch::Tensor& targets, const torch::Tensor& g) {
    if (!fused(probabilities)) {
        auto d = probabilities * -g.unsqueeze(1);
        return d.scatter_add_(1, targets.unsqueeze(1), g.unsqueeze(1));
    }
    auto d = torch::empty_like(probabilities);
    const auto weights = g.contiguous(), ids = targets.contiguous();
    const int64_t vocab = d.size(1), *pt = ids.const_data_ptr<int64_t>();
    const float *pp = probabilities.const_data_ptr<float>(), *pg = weights.const_data_ptr<float>();
    float* pd = d.data_ptr<float>();
    at::parallel_for(0, d.size(0), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            scaledRow(pd + i * vocab, pp + i * vocab, -pg[i], vocab);
            pd[i * vocab + pt[i]] += pg[i];
        }
    });
    return d;
}

class TargetLogps : public torch::autograd::Function<TargetLogps> {
public:
    static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& hidden,
                                 const torch::Tensor& weight, const torch::Tensor& targets, double temperature,
                                 torch::Tensor* entropy, const torch::Tensor* half) {
        std::vector<torch::Tensor> keep;
        const bool keeps = hidden.size(0) * weight.size(0) <= kKeepElements;
        const auto rows = half ? hidden.to(torch::kBFloat16) : hidden, matrix = half ? *half : weight;
        auto out = targetForward(rows, matrix, targets, temperature, entropy, keeps ? &keep : nullptr);
        std::vector<torch::Tensor> saved{rows, matrix, targets};
        saved.insert(saved.end(), keep.begin(), keep.end());
        ctx->save_for_backward(saved);
        ctx->saved_data["temperature"] = temperature;
        return out;
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                   torch::autograd::variable_list grads) {
        const auto saved = ctx->get_saved_variables();
        const auto &hidden = saved[0], &weight = saved[1], &targets = saved[2];
        const double temperature = ctx->saved_data["temperature"].toDouble();
        const auto g = grads[0] / temperature;
        const bool weightToo = ctx->needs_input_grad(1); // not of a frozen head, below adapters
        const bool lower = hidden.scalar_type() != torch::kFloat32; // then products are added up in fp32 here
        auto dHidden = torch::empty(hidden.sizes(), g.options());
        auto dWeight = weightToo ? torch::zeros(weight.sizes(), g.options()) : torch::Tensor();
        const int64_t n = hidden.size(0), step = chunkRows(weight.size(0));
        for (int64_t begin = 0, chunk = 0; begin < n; begin += step, ++chunk) {
            const int64_t count = std::min(step, n - begin);
            const auto rows = hidden.narrow(0, begin, count);
            const auto ids = targets.narrow(0, begin, count);
            auto unused = torch::empty({count}, g.options());
            const auto probabilities = saved.size() > 3 ? saved[static_cast<size_t>(3 + chunk)]
                                                        : chunkProbabilities(rows, weight, ids, temperature, unused, nullptr);
            auto d = throughTarget(probabilities, ids, g.narrow(0, begin, count));
            d = d.to(hidden.scalar_type());
            auto dRows = dHidden.narrow(0, begin, count);
            if (lower)
                dRows.copy_(torch::mm(d, weight));
            else
                torch::mm_out(dRows, d, weight);
            if (weightToo && lower)
                dWeight.add_(torch::mm(d.t(), rows));
            else if (weightToo)
                dWeight.addmm_(d.t(), rows);
            countFlops((weightToo ? 2 : 1) * headFlops(rows, weight));
        }
        return {dHidden, dWeight, torch::Tensor(), torch::Tensor(), torch::Tensor(), torch::Tensor()};
    }
};

bool needsGrad(std::initializer_list<torch::Tensor> tensors) {
    if (!torch::GradMode::is_enabled())
        return false;
    for (const auto& tensor : tensors)
        if (tensor.requires_grad())
            return true;
    return false;
}

} // namespace

torch::Tensor rmsNorm(const torch::Tensor& x, const torch::Tensor& weight, double eps) {
    const auto in = x.contiguous();
    if (needsGrad({in, weight}))
        return RmsNorm::apply(in, weight, eps);
    torch::Tensor scale;
    return rmsForward(in, weight, eps, scale);
}

torch::Tensor gatedSilu(const torch::Tensor& gate, const torch::Tensor& up) {
    if (!fused(gate) || !fused(up))
        return at::silu(gate) * up;
    const auto a = gate.contiguous(), b = up.contiguous();
    return needsGrad({a, b}) ? GatedSilu::apply(a, b) : gateForward(a, b);
}

torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin, bool perRow) {
    if (needsGrad({x}))
        return Rotate::apply(x, cos, sin, perRow);
    return rotateRaw(x, cos, sin, perRow, false);
}

torch::Tensor targetLogps(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& targets,
                          double temperature, torch::Tensor* entropy, const torch::Tensor& half) {
    if (needsGrad({hidden, weight}))
        return TargetLogps::apply(hidden, weight, targets, temperature, entropy, half.defined() ? &half : nullptr);
    if (half.defined())
        return targetForward(hidden.to(torch::kBFloat16), half, targets, temperature, entropy, nullptr);
    return targetForward(hidden, weight, targets, temperature, entropy, nullptr);
}

} // namespace pl::learn::kernels
