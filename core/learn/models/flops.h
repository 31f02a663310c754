// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace pl::learn {

/// Adds to the work this process has done: floating point operations by count, a multiply-add as 2. The
/// decoder calls it for every matrix product and attention it really computes, so padded positions count,
/// prompts read once for several answers count once, and a reference's or reward model's forward passes count
/// like the policy's. Norms, rotations, activations and the optimiser are left out, as in transformers'
/// total_flos. Thread-safe.
void countFlops(double flops);

/// What was counted since the last call (by anybody); 0 the next time.
double takeFlops();

} // namespace pl::learn
