// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/learn/training/batches.h"
#include "core/learn/training/text_data.h"

namespace pl::learn {

/// Summed completion log-probabilities of both sides of every pair under the frozen reference: fp32 [pairs] on the CPU.
struct ReferenceLogps {
    torch::Tensor chosen, rejected;
    double flops = 0; ///< that computing them took, by count
};

/// SHA-256 over the reference model's hash, the way of computing, and the ordered ids and completion starts of all pairs.
std::string referenceKey(const std::string& modelHash, const std::vector<TokenizedPair>& pairs, const RowLayout& layout = {},
                         Precision precision = Precision::Fp32);

/// One pass over the pairs in micro-batches, through the same path training takes. `keepGoing` false: Cancelled.
Result<ReferenceLogps> computeReference(Decoder& reference, const std::vector<TokenizedPair>& pairs, int64_t tokenBudget,
                                        const RowLayout& layout = {}, const std::function<bool()>& keepGoing = {});

/// The same sums computed when a pair is first met, so that training begins at once and pairs that are never met cost nothing. Pairs are
/// computed by the batches in which the plan meets them first, whatever step asks: a resumed run gets the bits of an uninterrupted one.
class ReferenceAsMet {
public:
    /// `compute` is given a batch's pairs and gives back one sum a pair and side.
    using Compute = std::function<Result<ReferenceLogps>(const std::vector<size_t>& pairs)>;
    /// `begunAt`: the step the run was resumed at, 0 for a new one: what was computed before it is not counted as work again.
    ReferenceAsMet(size_t pairs, BatchPlan plan, int64_t begunAt, Compute compute);
    /// Computes what the batch of this step still lacks.
    Status meet(int64_t step);
    /// All pairs are known: the reference model is not needed any more.
    bool complete() const { return m_left == 0; }
    const ReferenceLogps& logps() const { return m_logps; }

private:
    BatchPlan m_plan;
    int64_t m_begunAt;
    Compute m_compute;
    ReferenceLogps m_logps;
    std::vector<bool> m_known;
    std::vector<int64_t> m_first; ///< step at which each pair is met first, as far as the plan was followed; 0: later
    int64_t m_followed = 0;
    size_t m_left;
};

/// <path>.safetensors and <path>.json {"key", "sha256", "pairs", "total_flos"}.
Status storeReference(const std::string& path, const std::string& key, const ReferenceLogps& logps);
/// nullopt when there is none; Corrupt when it belongs to another model or data set, or its bytes were changed.
Result<std::optional<ReferenceLogps>> loadReference(const std::string& path, const std::string& key, size_t pairs);

} // namespace pl::learn
