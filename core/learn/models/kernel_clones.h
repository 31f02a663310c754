// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

/// Before a function with a loop over rows: it is compiled for several instruction sets, one of which is chosen when the library
/// is loaded. PL_INLINE: before what such a function calls.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define PL_KERNEL __attribute__((optimize("O3"), target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PL_KERNEL
#endif
#define PL_INLINE __attribute__((always_inline)) inline

namespace pl::learn::kernels {

/// e^x for x <= 0 (e^-87 below -87) within 2 units in the last place: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes). NaN stays NaN.
PL_INLINE float expNegative(float x) {
    x = x < -87.0f ? -87.0f : x;
    const float shifted = x * 1.44269504f + 12582912.0f; // 1.5 * 2^23: the whole number lies in the low bits
    const float n = shifted - 12582912.0f;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * std::bit_cast<float>((std::bit_cast<int32_t>(shifted) - 0x4B400000 + 127) << 23);
}

} // namespace pl::learn::kernels
