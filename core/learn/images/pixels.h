// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <torch/types.h>

#include "core/base/image.h"

/// Between 8-bit pictures and what networks see: fp32 [n, 3, height, width] in [-1, 1].
namespace pl::learn {

/// Images of one size; at least one.
torch::Tensor tensorOf(const std::vector<Image>& images);
/// Clamped to [-1, 1] and rounded.
Image imageOf(const torch::Tensor& chw);
std::vector<Image> imagesOf(const torch::Tensor& nchw);

} // namespace pl::learn
