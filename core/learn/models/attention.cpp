// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/attention.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "core/learn/models/kernel_clones.h"

namespace pl::learn::kernels {
namespace {

using torch::Tensor;

constexpr int64_t kLanes = 16; // floats of a vector; machines with shorter ones take it in parts
constexpr int64_t kRows = kAskedStep; // of queries that are worked on together
constexpr int64_t kBlock = 64; // queries whose scores are kept while keys and values get their gradients
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using LanesAnywhere = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/// c [R, 16 N] = (or +=) the sum over t of a[r aRow + t aStep] b[t, 16 N]
template<int R, int N>
PL_INLINE void tile(float* c, int64_t ldc, const float* a, int64_t aRow, int64_t aStep, const float* b, int64_t ldb, int64_t steps,
                    bool add) {
    Lanes sum[R][N];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n)
            sum[r][n] = add ? Lanes(*reinterpret_cast<const LanesAnywhere*>(c + r * ldc + n * kLanes)) : Lanes{};
    for (int64_t t = 0; t < steps; ++t) {
        Lanes row[N];
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n)
            row[n] = *reinterpret_cast<const LanesAnywhere*>(b + t * ldb + n * kLanes);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            const float x = a[r * aRow + t * aStep];
#pragma GCC unroll 2
            for (int n = 0; n < N; ++n)
                sum[r][n] += x * row[n];
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n)
            *reinterpret_cast<LanesAnywhere*>(c + r * ldc + n * kLanes) = sum[r][n];
}

template<int R>
PL_INLINE void tiles(float* c, int64_t ldc, const float* a, int64_t aRow, int64_t aStep, const float* b, int64_t ldb, int64_t width,
                     int64_t steps, bool add) {
    int64_t j = 0;
    for (; j + 2 * kLanes <= width; j += 2 * kLanes)
        tile<R, 2>(c + j, ldc, a, aRow, aStep, b + j, ldb, steps, add);
    for (; j < width; j += kLanes)
        tile<R, 1>(c + j, ldc, a, aRow, aStep, b + j, ldb, steps, add);
}

/// c [rows, width] = (or +=) A [rows, steps] b [steps, width]; rows <= kRows; width in whole vectors, which both sides have room for.
PL_KERNEL void product(float* c, int64_t ldc, const float* a, int64_t aRow, int64_t aStep, const float* b, int64_t ldb, int64_t rows,
                       int64_t width, int64_t steps, bool add) {
    switch (rows) {
    case 4: return tiles<4>(c, ldc, a, aRow, aStep, b, ldb, width, steps, add);
    case 3: return tiles<3>(c, ldc, a, aRow, aStep, b, ldb, width, steps, add);
    case 2: return tiles<2>(c, ldc, a, aRow, aStep, b, ldb, width, steps, add);
    default: return tiles<1>(c, ldc, a, aRow, aStep, b, ldb, width, steps, add);
    }
}

PL_KERNEL float largest(const float* p, int64_t n, float start) {
    float lanes[kLanes];
    for (float& lane : lanes)
        lane = start;
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int k = 0; k < kLanes; ++k)
            lanes[k] = p[i + k] > lanes[k] ? p[i + k] : lanes[k];
    for (; i < n; ++i)
        start = p[i] > start ? p[i] : start;
    for (const float lane : lanes)
        start = lane > start ? lane : start;
    return start;
}

/// p = e^(scale p - shift); the sum of them.
PL_KERNEL float exponentials(float* p, int64_t n, float scale, float shift) {
    float lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int k = 0; k < kLanes; ++k) {
            p[i + k] = expNegative(p[i + k] * scale - shift);
            lanes[k] += p[i + k];
        }
    float sum = 0;
    for (; i < n; ++i) {
        p[i] = expNegative(p[i] * scale - shift);
        sum += p[i];
    }
    for (const float lane : lanes)
        sum += lane;
    return sum;
}

/// d = scale p (d - mean): through the softmax, where mean is the sum of p d.
PL_KERNEL void throughSoftmax(float* d, const float* p, float mean, float scale, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        d[i] = scale * p[i] * (d[i] - mean);
}

PL_KERNEL void scaled(float* p, float factor, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        p[i] *= factor;
}

PL_KERNEL float dot(const float* a, const float* b, int64_t n) {
    float lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int k = 0; k < kLanes; ++k)
            lanes[k] += a[i + k] * b[i + k];
    float sum = 0;
    for (; i < n; ++i)
        sum += a[i] * b[i];
    for (const float lane : lanes)
        sum += lane;
    return sum;
}

/// Memory of a thread, grown and kept from one task to the next.
class Scratch {
public:
    float* of(int64_t floats) {
        if (floats > m_size) {
            m_size = roundUp(floats, kLanes);
            m_data.reset(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(m_size) * sizeof(float))));
            TORCH_CHECK(m_data, "no memory for ", floats, " numbers of attention");
        }
        return m_data.get();
    }
    float* zeros(int64_t floats) {
        float* out = of(floats);
        std::memset(out, 0, static_cast<size_t>(floats) * sizeof(float));
        return out;
    }

private:
    struct Free {
        void operator()(float* p) const { std::free(p); }
    };
    std::unique_ptr<float, Free> m_data;
    int64_t m_size = 0;
};

/// One head of [tokens, heads, dim].
struct Head {
    const float* data;
    int64_t row; ///< from one token's to the next one's
};
struct HeadOut {
    float* data;
    int64_t row;
};

Head headOf(const Tensor& t, int64_t head) { return {t.const_data_ptr<float>() + head * t.stride(1), t.stride(0)}; }
HeadOut headOut(Tensor& t, int64_t head) { return {t.data_ptr<float>() + head * t.stride(1), t.stride(0)}; }

/// `rows` tokens from `begin` with rows of whole vectors: where they lie, or a copy in `scratch`.
Head inVectors(Head head, int64_t begin, int64_t rows, int64_t dim, Scratch& scratch) {
    const Head from{head.data + begin * head.row, head.row};
    if (dim % kLanes == 0)
        return from;
    const int64_t padded = roundUp(dim, kLanes);
    float* out = scratch.zeros(rows * padded);
    for (int64_t i = 0; i < rows; ++i)
        std::memcpy(out + i * padded, from.data + i * from.row, static_cast<size_t>(dim) * sizeof(float));
    return {out, padded};
}

/// The same rows as [dim, rows], with room for two vectors behind each.
Head transposed(Head head, int64_t begin, int64_t rows, int64_t dim, Scratch& scratch) {
    const int64_t stride = roundUp(rows, kLanes) + 2 * kLanes;
    float* out = scratch.zeros(dim * stride);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t d = 0; d < dim; ++d)
            out[d * stride + i] = head.data[(begin + i) * head.row + d];
    return {out, stride};
}

/// A segment and its queries: positions [from, length), from row `row` of those of all segments on.
struct Part : Segment {
    int64_t from = 0, row = 0;
    /// Row of position 0, had it one.
    int64_t zero() const { return row - from; }
};
using Parts = std::vector<Part>;

Parts partsOf(const Segments& segments, const std::vector<int64_t>* from) {
    Parts out;
    int64_t rows = 0;
    for (size_t i = 0; i < segments.size(); ++i) {
        Part part;
        static_cast<Segment&>(part) = segments[i];
        part.from = from ? from->at(i) : 0;
        part.row = rows;
        TORCH_CHECK(part.from >= 0 && (part.from % kRows == 0 || part.from == part.length) && part.from <= part.length, "segment ", i,
                    " is not asked from position ", part.from, " on");
        rows += part.length - part.from;
        out.push_back(part);
    }
    return out;
}

/// Sequences that begin with the same segment: one range of positions.
struct Family {
    size_t first = 0, end = 0; ///< segments
    int64_t begin = 0, tokens = 0;
    int64_t row = 0, rows = 0; ///< of queries
    double work = 0;
    int64_t widest = 0; ///< floats of a row of scores
};

std::vector<Family> familiesOf(const Parts& segments) {
    std::vector<Family> out;
    int64_t at = 0;
    for (size_t i = 0; i < segments.size(); ++i) {
        const auto& s = segments[i];
        TORCH_CHECK(s.begin == at && s.length > 0, "segment ", i, " does not begin where the one before it ends");
        at += s.length;
        if (s.prefix < 0)
            out.push_back({i, i, s.begin, 0, s.row, 0, 0, 0});
        TORCH_CHECK(!out.empty() && (s.prefix < 0 || static_cast<size_t>(s.prefix) == out.back().first), "segment ", i,
                    " does not lie behind its prefix");
        auto& family = out.back();
        const int64_t before = s.prefix < 0 ? 0 : segments[family.first].length;
        family.end = i + 1;
        family.tokens += s.length;
        family.rows += s.length - s.from;
        family.work += static_cast<double>(s.length - s.from) * (static_cast<double>(before) + 0.5 * static_cast<double>(s.length + s.from));
        family.widest = std::max(family.widest, roundUp(before, kLanes) + roundUp(s.length, kLanes) + 2 * kLanes);
    }
    // The most work first, so that no thread is left with it at the end.
    std::stable_sort(out.begin(), out.end(), [](const Family& a, const Family& b) { return a.work > b.work; });
    return out;
}

/// task(i, thread's scratch) for i in [0, n), whoever is free next.
template<class Task>
void shareOut(int64_t n, const Task& task) {
    std::atomic<int64_t> next{0};
    at::parallel_for(0, std::min<int64_t>(n, at::get_num_threads()), 1, [&](int64_t, int64_t) {
        Scratch scratch[6];
        for (int64_t i = next++; i < n; i = next++)
            task(i, scratch);
    });
}

/// What every row of a segment sees: keys [lo, before) of the prefix and [own, i] of the segment.
struct Sight {
    int64_t before, window;
    int64_t low(int64_t i) const { return window > 0 ? std::max<int64_t>(0, before + i + 1 - window) : 0; }
    int64_t prefixLow(int64_t i) const { return std::min(low(i), before); }
    int64_t ownLow(int64_t i) const { return std::max<int64_t>(0, low(i) - before); }
};

struct Shape {
    int64_t dim, window;
    float scale;
};

/// Raw scores (or gradients of weights) of rows [i, i + rows) of a segment against what they may see, from whole vectors on: those of the
/// prefix at column 0, of the segment at column `own`. keys is [dim, tokens of the family].
void scoreRows(float* scores, int64_t ld, int64_t own, Head query, int64_t i, int64_t rows, const Sight& sight, Head keys, int64_t offset,
               int64_t dim) {
    const int64_t p = sight.prefixLow(i) / kLanes * kLanes, o = sight.ownLow(i) / kLanes * kLanes;
    const float* q = query.data + i * query.row;
    if (p < sight.before)
        product(scores + p, ld, q, query.row, 1, keys.data + p, keys.row, rows, roundUp(sight.before - p, kLanes), dim, false);
    product(scores + own + o, ld, q, query.row, 1, keys.data + offset + o, keys.row, rows, roundUp(i + rows - o, kLanes), dim, false);
}

/// out [rows, dim in whole vectors] = weights times the rows of values they belong to.
void sumRows(float* out, int64_t row, const float* weights, int64_t ld, int64_t own, int64_t i, int64_t rows, const Sight& sight,
             Head values, int64_t offset, int64_t padded) {
    const int64_t p = sight.prefixLow(i), o = sight.ownLow(i);
    if (p < sight.before)
        product(out, row, weights + p, ld, 1, values.data + p * values.row, values.row, rows, padded, sight.before - p, false);
    product(out, row, weights + own + o, ld, 1, values.data + (offset + o) * values.row, values.row, rows, padded, i + rows - o,
            p < sight.before);
}

/// Zeros in every column that some row from `first` on may see and row i may not.
void blank(float* row, int64_t own, int64_t i, int64_t rowsEnd, int64_t prefixFrom, int64_t ownFrom, const Sight& sight) {
    std::fill(row + prefixFrom, row + std::max(prefixFrom, sight.prefixLow(i)), 0.0f);
    std::fill(row + own + ownFrom, row + own + std::max(ownFrom, sight.ownLow(i)), 0.0f);
    std::fill(row + own + i + 1, row + own + rowsEnd, 0.0f);
}

void familyForward(const Family& family, const Parts& segments, const Shape& shape, Head q, Head k, Head v, HeadOut out,
                   float* logSums, int64_t logStride, Scratch* scratch, bool keysReady) {
    const int64_t padded = roundUp(shape.dim, kLanes);
    const Head keys = keysReady ? Head{scratch[0].of(0), roundUp(family.tokens, kLanes) + 2 * kLanes}
                                : transposed(k, family.begin, family.tokens, shape.dim, scratch[0]);
    const Head values = inVectors(v, family.begin, family.tokens, shape.dim, scratch[1]);
    const int64_t ld = family.widest;
    float* scores = scratch[2].of(kRows * ld);
    float* sums = scratch[3].of(kRows * padded);
    for (size_t s = family.first; s < family.end; ++s) {
        const auto& segment = segments[s];
        const Sight sight{segment.prefix < 0 ? 0 : segments[family.first].length, shape.window};
        const int64_t own = roundUp(sight.before, kLanes), offset = segment.begin - family.begin;
        const Head query{q.data + segment.zero() * q.row, q.row};
        for (int64_t i = segment.from; i < segment.length; i += kRows) {
            const int64_t rows = std::min(kRows, segment.length - i);
            scoreRows(scores, ld, own, query, i, rows, sight, keys, offset, shape.dim);
            float factors[kRows];
            for (int64_t r = 0; r < rows; ++r) {
                float* row = scores + r * ld;
                const int64_t p = sight.prefixLow(i + r), o = sight.ownLow(i + r);
                const float top = shape.scale * largest(row + own + o, i + r + 1 - o,
                                                        largest(row + p, sight.before - p, -std::numeric_limits<float>::infinity()));
                const float sum = exponentials(row + p, sight.before - p, shape.scale, top) +
                                  exponentials(row + own + o, i + r + 1 - o, shape.scale, top);
                blank(row, own, i + r, i + rows, sight.prefixLow(i), sight.ownLow(i), sight);
                logSums[(segment.zero() + i + r) * logStride] = top + std::log(sum);
                factors[r] = 1 / sum;
            }
            sumRows(sums, padded, scores, ld, own, i, rows, sight, values, offset, padded);
            for (int64_t r = 0; r < rows; ++r) {
                scaled(sums + r * padded, factors[r], padded);
                std::memcpy(out.data + (segment.zero() + i + r) * out.row, sums + r * padded, static_cast<size_t>(shape.dim) * sizeof(float));
            }
        }
    }
}

/// Of one query head: writes its gradient and adds to those of its keys and values, [tokens, dim in whole vectors].
void familyBackward(const Family& family, const Parts& segments, const Shape& shape, Head q, Head out, Head gOut, const float* logSums,
                    int64_t logStride, Head keys, Head values, Head keyRows, HeadOut dq, float* dk, float* dv, Scratch* scratch) {
    const int64_t padded = roundUp(shape.dim, kLanes), ld = family.widest;
    float* weights = scratch[3].of(2 * kBlock * ld + kRows * padded);
    float *d = weights + kBlock * ld, *sums = d + kBlock * ld;
    const Head queries = inVectors(q, family.row, family.rows, shape.dim, scratch[4]);
    const Head gradients = inVectors(gOut, family.row, family.rows, shape.dim, scratch[5]);
    for (size_t s = family.first; s < family.end; ++s) {
        const auto& segment = segments[s];
        const Sight sight{segment.prefix < 0 ? 0 : segments[family.first].length, shape.window};
        const int64_t own = roundUp(sight.before, kLanes), offset = segment.begin - family.begin;
        const auto at = [&](Head h) { return Head{h.data + segment.zero() * h.row, h.row}; };
        const Head query = at(q), g = at(gOut), o = at(out);
        for (int64_t block = segment.from; block < segment.length; block += kBlock) {
            const int64_t end = std::min(segment.length, block + kBlock);
            for (int64_t i = block; i < end; i += kRows) {
                const int64_t rows = std::min(kRows, end - i);
                float *w = weights + (i - block) * ld, *e = d + (i - block) * ld;
                scoreRows(w, ld, own, query, i, rows, sight, keys, offset, shape.dim);
                scoreRows(e, ld, own, g, i, rows, sight, values, offset, shape.dim);
                for (int64_t r = 0; r < rows; ++r) {
                    float *wr = w + r * ld, *er = e + r * ld;
                    const int64_t pl = sight.prefixLow(i + r), ol = sight.ownLow(i + r);
                    const int64_t np = sight.before - pl, no = i + r + 1 - ol;
                    const float shift = logSums[(segment.zero() + i + r) * logStride];
                    const float mean = dot(g.data + (i + r) * g.row, o.data + (i + r) * o.row, shape.dim);
                    exponentials(wr + pl, np, shape.scale, shift);
                    exponentials(wr + own + ol, no, shape.scale, shift);
                    throughSoftmax(er + pl, wr + pl, mean, shape.scale, np);
                    throughSoftmax(er + own + ol, wr + own + ol, mean, shape.scale, no);
                    blank(wr, own, i + r, i + rows, 0, 0, sight); // every row of the block is summed below
                    blank(er, own, i + r, i + rows, 0, 0, sight);
                }
                sumRows(sums, padded, e, ld, own, i, rows, sight, keyRows, offset, padded);
                for (int64_t r = 0; r < rows; ++r)
                    std::memcpy(dq.data + (segment.zero() + i + r) * dq.row, sums + r * padded,
                                static_cast<size_t>(shape.dim) * sizeof(float));
            }
            const auto add = [&](float* to, const float* factors, Head rows, int64_t key, int64_t column, int64_t count, int64_t from) {
                product(to + key * padded, padded, factors + from * ld + column, 1, ld, rows.data + (segment.zero() - family.row + block + from) * rows.row,
                        rows.row, count, padded, end - block - from, true);
            };
            for (int64_t key = 0; key < sight.before; key += kRows) {
                const int64_t count = std::min(kRows, sight.before - key);
                add(dk, d, queries, key, key, count, 0);
                add(dv, weights, gradients, key, key, count, 0);
            }
            for (int64_t key = 0; key < end; key += kRows) { // rows before a key do not see it
                const int64_t count = std::min(kRows, end - key), from = std::max<int64_t>(0, key - block);
                add(dk, d, queries, offset + key, own + key, count, from);
                add(dv, weights, gradients, offset + key, own + key, count, from);
            }
        }
    }
}

/// A head's numbers side by side; tokens and heads may lie further apart.
Tensor readable(const Tensor& t) { return t.stride(2) == 1 ? t : t.contiguous(); }

Shape shapeOf(const Tensor& q, int64_t window, double scale) { return {q.size(2), window, static_cast<float>(scale)}; }

Tensor forwardRaw(const Tensor& q, const Tensor& k, const Tensor& v, const Parts& segments, int64_t window, double scale, Tensor& logSums) {
    TORCH_CHECK(segments.empty() || segments.back().zero() + segments.back().length == q.size(0), "attention is asked for ", q.size(0), " positions");
    const int64_t heads = q.size(1), kvHeads = k.size(1), each = heads / kvHeads;
    const auto families = familiesOf(segments);
    auto out = torch::empty(q.sizes(), q.options());
    logSums = torch::empty({q.size(0), heads}, q.options());
    float* sums = logSums.data_ptr<float>();
    shareOut(static_cast<int64_t>(families.size()) * kvHeads, [&](int64_t task, Scratch* scratch) {
        const auto& family = families[static_cast<size_t>(task / kvHeads)];
        const int64_t shared = task % kvHeads;
        for (int64_t h = shared * each; h < (shared + 1) * each; ++h)
            familyForward(family, segments, shapeOf(q, window, scale), headOf(q, h), headOf(k, shared), headOf(v, shared), headOut(out, h),
                          sums + h, heads, scratch, h > shared * each);
    });
    return out;
}

class PackedAttention : public torch::autograd::Function<PackedAttention> {
public:
    static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& segments,
                          int64_t window, double scale) {
        Tensor logSums;
        auto out = forwardRaw(q, k, v, listOf(segments), window, scale, logSums);
        ctx->save_for_backward({q, k, v, out, logSums, segments});
        ctx->saved_data["window"] = window;
        ctx->saved_data["scale"] = scale;
        return out;
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
        const auto saved = ctx->get_saved_variables();
        const auto &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], &logSums = saved[4];
        const auto g = readable(grads[0]);
        const auto segments = listOf(saved[5]);
        const auto shape = shapeOf(q, ctx->saved_data["window"].toInt(), ctx->saved_data["scale"].toDouble());
        const int64_t heads = q.size(1), kvHeads = k.size(1), each = heads / kvHeads, padded = roundUp(shape.dim, kLanes);
        const auto families = familiesOf(segments);
        auto dq = torch::empty(q.sizes(), q.options()), dk = torch::empty(k.sizes(), k.options()), dv = torch::empty(v.sizes(), v.options());
        const float* sums = logSums.const_data_ptr<float>();
        shareOut(static_cast<int64_t>(families.size()) * kvHeads, [&](int64_t task, Scratch* scratch) {
            const auto& family = families[static_cast<size_t>(task / kvHeads)];
            const int64_t shared = task % kvHeads, size = family.tokens * padded;
            // Keys and values as columns, keys as rows behind them, then the gradients of both.
            const Head keys = transposed(headOf(k, shared), family.begin, family.tokens, shape.dim, scratch[0]);
            const Head values = transposed(headOf(v, shared), family.begin, family.tokens, shape.dim, scratch[1]);
            Scratch rows;
            const Head keyRows = inVectors(headOf(k, shared), family.begin, family.tokens, shape.dim, rows);
            float *gk = scratch[2].zeros(2 * size), *gv = gk + size;
            for (int64_t h = shared * each; h < (shared + 1) * each; ++h)
                familyBackward(family, segments, shape, headOf(q, h), headOf(out, h), headOf(g, h), sums + h, heads, keys, values, keyRows,
                               headOut(dq, h), gk, gv, scratch);
            for (auto [from, tensor] : {std::pair{gk, &dk}, std::pair{gv, &dv}}) {
                const HeadOut to = headOut(*tensor, shared);
                for (int64_t i = 0; i < family.tokens; ++i)
                    std::memcpy(to.data + (family.begin + i) * to.row, from + i * padded, static_cast<size_t>(shape.dim) * sizeof(float));
            }
        });
        return {dq, dk, dv, Tensor(), Tensor(), Tensor()};
    }
    static Tensor tensorOf(const Parts& parts) {
        static_assert(sizeof(Part) == 5 * sizeof(int64_t));
        return torch::from_blob(const_cast<Part*>(parts.data()), {static_cast<int64_t>(parts.size()), 5}, torch::kInt64).clone();
    }

private:
    static Parts listOf(const Tensor& tensor) {
        Parts out(static_cast<size_t>(tensor.size(0)));
        std::memcpy(static_cast<void*>(out.data()), tensor.const_data_ptr<int64_t>(), out.size() * sizeof(Part));
        return out;
    }
};

} // namespace

bool packedAttentionFits(const Tensor& q) { return q.device().is_cpu() && q.scalar_type() == torch::kFloat32; }

Tensor packedAttention(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& segments, int64_t window,
                       std::optional<double> scale, const std::vector<int64_t>* from) {
    if (!packedAttentionFits(q)) {
        TORCH_CHECK(!from, "attention of some positions alone is for the processor in fp32");
        return plainAttention(q, k, v, segments, window, scale);
    }
    const auto parts = partsOf(segments, from);
    const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(q.size(2))));
    const auto a = readable(q), b = readable(k), c = readable(v);
    if (torch::GradMode::is_enabled() && (a.requires_grad() || b.requires_grad() || c.requires_grad()))
        return PackedAttention::apply(a, b, c, PackedAttention::tensorOf(parts), window, factor);
    Tensor logSums;
    return forwardRaw(a, b, c, parts, window, factor, logSums);
}

Tensor plainAttention(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& segments, int64_t window,
                      std::optional<double> scale) {
    const int64_t each = q.size(1) / k.size(1);
    std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> shapes; // by prefix and length
    for (size_t i = 0; i < segments.size(); ++i)
        shapes[{segments[i].prefix < 0 ? 0 : segments[static_cast<size_t>(segments[i].prefix)].length, segments[i].length}].push_back(i);
    const auto options = torch::TensorOptions().dtype(torch::kInt64);
    std::vector<Tensor> parts;
    std::vector<int64_t> place(static_cast<size_t>(q.size(0)));
    int64_t done = 0;
    for (const auto& [shape, members] : shapes) {
        const auto [before, length] = shape;
        const auto n = static_cast<int64_t>(members.size());
        std::vector<int64_t> own, seen;
        for (const size_t m : members) {
            const int64_t begin = segments[m].begin;
            if (before > 0)
                for (int64_t i = 0, from = segments[static_cast<size_t>(segments[m].prefix)].begin; i < before; ++i)
                    seen.push_back(from + i);
            for (int64_t i = 0; i < length; ++i) {
                own.push_back(begin + i);
                seen.push_back(begin + i);
                place[static_cast<size_t>(begin + i)] = done++;
            }
        }
        const auto rows = torch::tensor(own, options).to(q.device()), keys = torch::tensor(seen, options).to(q.device());
        const auto pick = [&](const Tensor& t, const Tensor& index, int64_t time) {
            const auto out = t.index_select(0, index).view({n, time, t.size(1), t.size(2)}).transpose(1, 2);
            return t.size(1) == q.size(1) ? out : out.repeat_interleave(each, 1);
        };
        std::optional<Tensor> mask;
        if (before > 0 || (window > 0 && window < length)) {
            const auto back = (torch::arange(length, options) + before).unsqueeze(1) - torch::arange(before + length, options).unsqueeze(0);
            mask = back >= 0;
            if (window > 0)
                mask = mask->logical_and(back < window);
            mask = mask->to(q.device());
        }
        const auto out = at::scaled_dot_product_attention(pick(q, rows, length), pick(k, keys, before + length),
                                                          pick(v, keys, before + length), mask, 0.0, !mask, scale);
        parts.push_back(out.transpose(1, 2).reshape({n * length, q.size(1), q.size(2)}));
    }
    return torch::cat(parts).index_select(0, torch::tensor(place, options).to(q.device()));
}

} // namespace pl::learn::kernels
