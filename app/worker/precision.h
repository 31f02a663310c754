// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/learn/host/job.h"
#include "core/learn/host/precision_proof.h"

namespace pl::worker {

/// Prints learn::measureBf16 of the device as a line of JSON: what the child of proveBf16 is for.
Status printPrecision(const std::string& device);
/// learn::proveBf16 by a child that is this program.
learn::Bf16Proof proveHere(const std::string& device);
/// A run with the parameter precision "bf16" goes on only where that is proven; says so in the run's log.
Status checkPrecision(learn::Job& job);

} // namespace pl::worker
