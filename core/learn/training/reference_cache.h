// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/learn/training/text_data.h"

namespace pl::learn {

/// Summed completion log-probabilities of both sides of every pair under the frozen reference: fp32 [pairs] on the CPU.
struct ReferenceLogps {
    torch::Tensor chosen, rejected;
    double flops = 0; ///< that computing them took, by count
};

/// SHA-256 over the reference model's hash, the way of computing, and the ordered ids and completion starts of all pairs.
std::string referenceKey(const std::string& modelHash, const std::vector<TokenizedPair>& pairs, const RowLayout& layout = {});

/// One pass over the pairs in micro-batches, through the same path training takes. `keepGoing` false: Cancelled.
Result<ReferenceLogps> computeReference(Decoder& reference, const std::vector<TokenizedPair>& pairs, int64_t tokenBudget,
                                        const RowLayout& layout = {}, const std::function<bool()>& keepGoing = {});

/// <path>.safetensors and <path>.json {"key", "sha256", "pairs", "total_flos"}.
Status storeReference(const std::string& path, const std::string& key, const ReferenceLogps& logps);
/// nullopt when there is none; Corrupt when it belongs to another model or data set, or its bytes were changed.
Result<std::optional<ReferenceLogps>> loadReference(const std::string& path, const std::string& key, size_t pairs);

} // namespace pl::learn
