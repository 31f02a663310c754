// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/base/hash.h"

namespace pl::rules {

/// A stream of whole numbers from a seed (SplitMix64): the same on every machine.
class SceneRandom {
public:
    SceneRandom(uint64_t seed, uint64_t stream) : m_state(mix64(seed ^ mix64(stream))) {}
    uint64_t next() { return mix64(m_state++); }
    /// 0..n-1; n from 1.
    int below(int n) { return static_cast<int>((next() >> 32) * static_cast<uint64_t>(n) >> 32); }
    /// low..high.
    int between(int low, int high) { return low >= high ? low : low + below(high - low + 1); }
    /// True in `percent` of 100.
    bool chance(int percent) { return below(100) < percent; }

private:
    uint64_t m_state;
};

/// Where objects may stand: centres and how far they may be moved, in 1/65536 of the side. Objects of half width `most` or less
/// neither touch one another nor the frame.
struct Arrangement {
    int count = 0;
    int32_t x[4] = {}, y[4] = {};
    int32_t movesX = 0, movesY = 0; ///< at most
    int32_t most = 0;
    int layout = 0;
};

/// Smallest and largest half width of a size (1..3).
struct SizeRange {
    int32_t low = 0, high = 0;
};
SizeRange sizeRange(int size);

/// For a number of objects and a layout (0: any); empty when there is none.
const std::vector<Arrangement>& arrangementsFor(int count, int layout);

} // namespace pl::rules
