// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

/// Whether two pairs look nearly the same to a person, told from small sketches of their texts.
namespace pl::desk {

/// The smallest hashes of a text's shingles (runs of five bytes, letters of ASCII folded, white space as one space; the first
/// 16 KiB), sorted: a bottom-k sketch (Broder 1997, "On the resemblance and containment of documents").
struct Sketch {
    static constexpr size_t kMost = 64;
    std::vector<uint64_t> smallest;
};
Sketch sketchOf(std::string_view text);
/// Estimate of the Jaccard resemblance of the two shingle sets, 0 to 1; exact where their union has at most Sketch::kMost.
double resemblance(const Sketch& x, const Sketch& y);

struct PairSketch {
    Sketch prompt, a, b;
};
/// From this resemblance on two texts are nearly the same.
inline constexpr double kNearlySame = 0.8;
/// The prompts are nearly the same, or both answers are, whichever way round.
bool nearlySame(const PairSketch& x, const PairSketch& y);

} // namespace pl::desk
