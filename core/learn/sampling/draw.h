// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <torch/types.h>

namespace pl::learn {

/// One token of each row of logits [n, vocab] (CPU, fp32) at a temperature above 0: the first whose cumulated probability exceeds the
/// row's uniform number in [0, 1), with its log-probability in fp32. One pass over the logits, sums in double; a row's result does not
/// depend on the others. Returns tokens and log-probabilities, [n] in double each.
std::pair<torch::Tensor, torch::Tensor> drawTokens(const torch::Tensor& logits, double temperature, const std::vector<double>& uniforms);

} // namespace pl::learn
