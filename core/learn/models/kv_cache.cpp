// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "core/learn/models/flops.h"

// As in kernels.cpp: loops compiled for several instruction sets, chosen when the library is loaded.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define PL_KERNEL __attribute__((optimize("O3"), target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PL_KERNEL
#endif

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr int64_t kLanes = 16, kWide = 32;
constexpr double kFlopsPerTask = 1 << 16;

// Held in registers, which arrays are not; wider than the machine's they are split.
using Lanes = float __attribute__((vector_size(64)));
using Half = float __attribute__((vector_size(32)));
using Four = float __attribute__((vector_size(16)));

/// `heads` queries over the same `count` positions: out = softmax(scale q K^T) V, each [heads, dim]. Fixed order of sums, so a row's
/// result is the same beside any other rows. `scores` has room for count.
PL_KERNEL void attend(float* out, const float* q, const float* keys, const float* values, int64_t count, int64_t heads, int64_t dim,
                      float scale, float* scores) {
    for (int64_t h = 0; h < heads; ++h, q += dim, out += dim) {
        int64_t j = 0;
        for (; j + 4 <= count; j += 4) { // four positions at a time, added up together
            const float* key = keys + j * dim;
            Lanes a{}, b{}, c{}, d{}, x, y;
            int64_t i = 0;
            for (; i + kLanes <= dim; i += kLanes) {
                std::memcpy(&x, q + i, sizeof x);
                std::memcpy(&y, key + i, sizeof y);
                a += x * y;
                std::memcpy(&y, key + dim + i, sizeof y);
                b += x * y;
                std::memcpy(&y, key + 2 * dim + i, sizeof y);
                c += x * y;
                std::memcpy(&y, key + 3 * dim + i, sizeof y);
                d += x * y;
            }
            const Half a8 = __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15);
            const Half b8 = __builtin_shufflevector(b, b, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(b, b, 8, 9, 10, 11, 12, 13, 14, 15);
            const Half c8 = __builtin_shufflevector(c, c, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(c, c, 8, 9, 10, 11, 12, 13, 14, 15);
            const Half d8 = __builtin_shufflevector(d, d, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(d, d, 8, 9, 10, 11, 12, 13, 14, 15);
            const Half ab = __builtin_shufflevector(a8, b8, 0, 1, 2, 3, 8, 9, 10, 11) + __builtin_shufflevector(a8, b8, 4, 5, 6, 7, 12, 13, 14, 15);
            const Half cd = __builtin_shufflevector(c8, d8, 0, 1, 2, 3, 8, 9, 10, 11) + __builtin_shufflevector(c8, d8, 4, 5, 6, 7, 12, 13, 14, 15);
            const Half two = __builtin_shufflevector(ab, cd, 0, 1, 4, 5, 8, 9, 12, 13) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7, 10, 11, 14, 15);
            Four sums = __builtin_shufflevector(two, two, 0, 2, 4, 6) + __builtin_shufflevector(two, two, 1, 3, 5, 7);
            for (; i < dim; ++i)
                for (int64_t k = 0; k < 4; ++k)
                    sums[k] += q[i] * key[k * dim + i];
            sums *= scale;
            std::memcpy(scores + j, &sums, sizeof sums);
        }
        for (; j < count; ++j) {
            float sum = 0;
            for (int64_t i = 0; i < dim; ++i)
                sum += q[i] * keys[j * dim + i];
            scores[j] = sum * scale;
        }
        float most[kLanes];
        for (int64_t k = 0; k < kLanes; ++k)
            most[k] = -INFINITY;
        for (j = 0; j + kLanes <= count; j += kLanes)
            for (int64_t k = 0; k < kLanes; ++k)
                most[k] = scores[j + k] > most[k] ? scores[j + k] : most[k];
        float largest = -INFINITY;
        for (; j < count; ++j)
            largest = scores[j] > largest ? scores[j] : largest;
        for (const float lane : most)
            largest = lane > largest ? lane : largest;
        // e^x for x <= 0 as 2^n e^r with |r| <= ln(2) / 2 and a polynomial of degree 6, within 2 units of the last place.
        for (j = 0; j < count; ++j) {
            float x = scores[j] - largest;
            x = x < -87.0f ? -87.0f : x;
            const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f; // rounded: the sum has no room for a fraction
            const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
            float p = 1.3888889e-3f;
            p = p * r + 8.3333333e-3f;
            p = p * r + 4.1666667e-2f;
            p = p * r + 1.6666667e-1f;
            p = p * r + 0.5f;
            p = p * r + 1.0f;
            p = p * r + 1.0f;
            const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
            float power;
            std::memcpy(&power, &bits, sizeof power);
            scores[j] = p * power;
        }
        Lanes total{}, one;
        for (j = 0; j + kLanes <= count; j += kLanes) {
            std::memcpy(&one, scores + j, sizeof one);
            total += one;
        }
        float sum = 0;
        for (; j < count; ++j)
            sum += scores[j];
        for (int64_t k = 0; k < kLanes; ++k)
            sum += total[k];
        const float share = 1 / sum;
        int64_t i = 0;
        for (; i + kWide <= dim; i += kWide) {
            Lanes a{}, b{}, c{}, d{}, x;
            const float* value = values + i;
            for (j = 0; j + 2 <= count; j += 2, value += 2 * dim) {
                std::memcpy(&x, value, sizeof x);
                a += x * scores[j];
                std::memcpy(&x, value + kLanes, sizeof x);
                b += x * scores[j];
                std::memcpy(&x, value + dim, sizeof x);
                c += x * scores[j + 1];
                std::memcpy(&x, value + dim + kLanes, sizeof x);
                d += x * scores[j + 1];
            }
            if (j < count) {
                std::memcpy(&x, value, sizeof x);
                a += x * scores[j];
                std::memcpy(&x, value + kLanes, sizeof x);
                b += x * scores[j];
            }
            a = (a + c) * share;
            b = (b + d) * share;
            std::memcpy(out + i, &a, sizeof a);
            std::memcpy(out + i + kLanes, &b, sizeof b);
        }
        for (; i < dim; ++i) {
            float lane = 0;
            for (j = 0; j < count; ++j)
                lane += scores[j] * values[j * dim + i];
            out[i] = lane * share;
        }
    }
}

} // namespace

void KvCache::copyRow(int64_t from, int64_t to, int64_t length) {
    TORCH_CHECK(from < used() && to <= used() && length <= capacity, "the key/value cache has no such row");
    if (from != to)
        for (auto* list : {&keys, &values})
            for (auto& tensor : *list)
                tensor[to].narrow(1, 0, length).copy_(tensor[from].narrow(1, 0, length));
    if (to == used())
        lengths.push_back(length);
    else
        lengths[static_cast<size_t>(to)] = length;
}

void KvCache::removeRow(int64_t row) {
    copyRow(used() - 1, row, lengths.back());
    lengths.pop_back();
}

void KvCache::selectRows(const std::vector<int64_t>& rows) {
    int64_t longest = 0;
    std::vector<int64_t> kept;
    for (const int64_t row : rows) {
        kept.push_back(lengths.at(static_cast<size_t>(row)));
        longest = std::max(longest, kept.back());
    }
    for (auto* list : {&keys, &values})
        for (auto& tensor : *list) { // only what is filled is copied
            const auto filled = tensor.narrow(2, 0, longest);
            const auto picked = filled.index_select(0, torch::tensor(rows, torch::kInt64).to(tensor.device()));
            if (static_cast<int64_t>(rows.size()) > tensor.size(0))
                tensor = torch::zeros({picked.size(0), tensor.size(1), capacity, tensor.size(3)}, tensor.options());
            tensor.narrow(0, 0, picked.size(0)).narrow(2, 0, longest).copy_(picked);
        }
    lengths = std::move(kept);
}

bool decodeAttentionFits(const Tensor& q) { return q.device().is_cpu() && q.scalar_type() == torch::kFloat32; }

Tensor decodeAttention(const Tensor& query, const Tensor& keys, const Tensor& values, const std::vector<int64_t>& lengths, int64_t window,
                       double scale) {
    const auto q = query.contiguous();
    const int64_t rows = q.size(0), heads = q.size(1), dim = q.size(2), kvHeads = keys.size(1), capacity = keys.size(2);
    const int64_t group = heads / kvHeads;
    std::vector<int64_t> seen;
    int64_t longest = 0;
    double all = 0;
    for (const int64_t length : lengths) {
        seen.push_back(window > 0 ? std::min(window, length + 1) : length + 1);
        longest = std::max(longest, seen.back());
        all += static_cast<double>(seen.back());
    }
    const double flops = 4 * static_cast<double>(heads * dim) * all;
    countFlops(flops);
    auto out = torch::empty({rows, heads * dim}, q.options());
    const float *pq = q.const_data_ptr<float>(), *pk = keys.const_data_ptr<float>(), *pv = values.const_data_ptr<float>();
    float* po = out.data_ptr<float>();
    const auto tasks = static_cast<double>(rows * kvHeads);
    const auto grain = std::max<int64_t>(1, static_cast<int64_t>(kFlopsPerTask * tasks / std::max(flops, 1.0)));
    at::parallel_for(0, rows * kvHeads, grain, [&](int64_t begin, int64_t end) {
        std::vector<float> scores(static_cast<size_t>(longest));
        for (int64_t task = begin; task < end; ++task) {
            const int64_t row = task / kvHeads, head = task % kvHeads;
            const auto i = static_cast<size_t>(row);
            const int64_t at = (task * capacity + lengths[i] + 1 - seen[i]) * dim, to = (row * heads + head * group) * dim;
            attend(po + to, pq + to, pk + at, pv + at, seen[i], group, dim, static_cast<float>(scale), scores.data());
        }
    });
    return out;
}

} // namespace pl::learn
