// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pl {

/// The order in which training meets its examples in an epoch (from 0): a permutation drawn from (seed, epoch), the same on
/// every machine.
std::vector<uint32_t> dealtOrder(size_t examples, uint64_t seed, int64_t epoch);

} // namespace pl
