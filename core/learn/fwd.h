// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Headers of core/learn name tensors without pulling torch in; sources include <torch/torch.h> through the precompiled
/// header.
namespace at {
class Tensor;
}
namespace c10 {
struct Device;
}
