// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/flops.h"

#include <atomic>

namespace pl::learn {
namespace {

/// Counts are whole numbers, which a double holds exactly up to 9e15 between two calls of takeFlops.
std::atomic<double> counted{0};

} // namespace

void countFlops(double flops) {
    counted.fetch_add(flops, std::memory_order_relaxed);
}

double takeFlops() {
    return counted.exchange(0, std::memory_order_relaxed);
}

} // namespace pl::learn
