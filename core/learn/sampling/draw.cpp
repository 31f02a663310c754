// SPDX-License-Identifier: Apache-2.0
#include "core/learn/sampling/draw.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/Parallel.h>
#include <torch/torch.h>

// As in models/kernels.cpp: loops compiled for several instruction sets, chosen when the library is loaded.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define PL_KERNEL __attribute__((optimize("O3"), target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PL_KERNEL
#endif

namespace pl::learn {
namespace {

constexpr int64_t kBlock = 64, kLanes = 16, kRowsPerTask = 8;

PL_KERNEL float largestOf(const float* x, int64_t n) {
    float lanes[kLanes];
    std::fill(lanes, lanes + kLanes, -INFINITY);
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int64_t k = 0; k < kLanes; ++k)
            lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
    float largest = -INFINITY;
    for (; i < n; ++i)
        largest = x[i] > largest ? x[i] : largest;
    for (const float lane : lanes)
        largest = lane > largest ? lane : largest;
    return largest;
}

/// out = e^(factor (x - largest)), 0 below e^-87: 2^n e^r with |r| <= ln(2) / 2 and a polynomial, within 2 units of the last place.
PL_KERNEL void exponentials(float* out, const float* x, float largest, float factor, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        const float given = (x[i] - largest) * factor;
        const float y = given < -87.0f ? -87.0f : given;
        const float n = (y * 1.44269504f + 12582912.0f) - 12582912.0f; // rounded: the sum has no room for a fraction
        const float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
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
        out[i] = given < -87.0f ? 0.0f : p * power;
    }
}

PL_KERNEL double sumOf(const float* x, int64_t n) {
    double lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int64_t k = 0; k < kLanes; ++k)
            lanes[k] += static_cast<double>(x[i + k]);
    for (int64_t k = 0; i < n; ++i, ++k)
        lanes[k] += static_cast<double>(x[i]);
    double sum = 0;
    for (const double lane : lanes)
        sum += lane;
    return sum;
}

} // namespace

std::pair<torch::Tensor, torch::Tensor> drawTokens(const torch::Tensor& given, double temperature, const std::vector<double>& uniforms) {
    const auto logits = given.contiguous();
    const int64_t rows = logits.size(0), vocab = logits.size(1), blocks = (vocab + kBlock - 1) / kBlock;
    auto tokens = torch::empty({rows}, torch::kFloat64), logps = torch::empty({rows}, torch::kFloat64);
    const float* data = logits.const_data_ptr<float>();
    double *outTokens = tokens.data_ptr<double>(), *outLogps = logps.data_ptr<double>();
    const auto factor = static_cast<float>(1 / temperature);
    at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
        std::vector<float> mass(static_cast<size_t>(vocab));
        std::vector<double> sums(static_cast<size_t>(blocks));
        for (int64_t r = begin; r < end; ++r) {
            const float* row = data + r * vocab;
            const float largest = largestOf(row, vocab);
            exponentials(mass.data(), row, largest, factor, vocab);
            double total = 0;
            for (int64_t b = 0; b < blocks; ++b) {
                sums[static_cast<size_t>(b)] = sumOf(mass.data() + b * kBlock, std::min(kBlock, vocab - b * kBlock));
                total += sums[static_cast<size_t>(b)];
            }
            const double target = uniforms[static_cast<size_t>(r)] * total;
            double before = 0;
            int64_t b = 0;
            for (; b + 1 < blocks && before + sums[static_cast<size_t>(b)] <= target; ++b)
                before += sums[static_cast<size_t>(b)];
            int64_t token = -1; // where rounding leaves none that exceeds it, the last one with any mass
            for (int64_t v = b * kBlock; v < std::min(vocab, (b + 1) * kBlock); ++v) {
                const auto one = static_cast<double>(mass[static_cast<size_t>(v)]);
                before += one;
                if (one > 0)
                    token = v;
                if (before > target)
                    break;
            }
            if (token < 0)
                token = std::max_element(row, row + vocab) - row;
            outTokens[r] = static_cast<double>(token);
            outLogps[r] = static_cast<double>(static_cast<float>(static_cast<double>((row[token] - largest) * factor) - std::log(total)));
        }
    });
    return {tokens, logps};
}

} // namespace pl::learn
