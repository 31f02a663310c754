// SPDX-License-Identifier: Apache-2.0
#include "core/base/deal.h"

#include <numeric>
#include <utility>

#include "core/base/hash.h"

namespace pl {

std::vector<uint32_t> dealtOrder(size_t examples, uint64_t seed, int64_t epoch) {
    std::vector<uint32_t> out(examples);
    std::iota(out.begin(), out.end(), 0u);
    const uint64_t stream = mix64(seed ^ mix64(static_cast<uint64_t>(epoch) + 0x9e3779b97f4a7c15ull));
    for (size_t i = examples; i > 1; --i) {
        // 64 random bits modulo i: the bias is below 2^-32 for any data set that fits into memory.
        const auto j = static_cast<size_t>(mix64(stream + i) % i);
        std::swap(out[i - 1], out[j]);
    }
    return out;
}

} // namespace pl
