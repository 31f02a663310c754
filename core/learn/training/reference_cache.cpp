// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/reference_cache.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/os/files.h"
#include "core/learn/models/flops.h"

namespace pl::learn {

namespace {

void hashRow(Sha256& digest, const TokenizedRow& row) {
    const int64_t head[2] = {row.length(), row.start};
    digest.update({reinterpret_cast<const char*>(head), sizeof head});
    digest.update({reinterpret_cast<const char*>(row.ids.data()), row.ids.size() * sizeof(int64_t)});
}

} // namespace

std::string referenceKey(const std::string& modelHash, const std::vector<TokenizedPair>& pairs, const RowLayout& layout,
                         Precision precision) {
    Sha256 digest;
    digest.update(std::string("reference sums, version 1, ") + precisionName(precision) + (layout.packed ? ", packed\n" : "\n") + modelHash + "\n");
    for (const auto& pair : pairs) {
        hashRow(digest, pair.chosen);
        hashRow(digest, pair.rejected);
    }
    return digest.hexDigest();
}

Result<ReferenceLogps> computeReference(Decoder& reference, const std::vector<TokenizedPair>& pairs, int64_t tokenBudget,
                                        const RowLayout& layout, const std::function<bool()>& keepGoing) {
    torch::NoGradGuard noGrad;
    ReferenceLogps out;
    const auto n = static_cast<int64_t>(pairs.size());
    out.chosen = torch::zeros({n});
    out.rejected = torch::zeros({n});
    std::vector<size_t> all(pairs.size());
    std::iota(all.begin(), all.end(), size_t{0});
    const auto& config = reference->config();
    for (const auto& micro : pairParts(pairs, all, layout, tokenBudget)) {
        if (keepGoing && !keepGoing())
            return fail(Code::Cancelled, "left while computing the reference's log-probabilities");
        const auto batch = pairBatch(pairs, micro, reference->device(), layout);
        const auto head = static_cast<double>(batch.completionTokens);
        out.flops += batch.packed ? forwardFlops(config, batch.packed->tokens, head)
                                  : config.forwardFlops(static_cast<double>(batch.tokens.ids.numel()),
                                                        static_cast<double>(batch.tokens.ids.size(1)), head);
        out.flops -= lastLayerFlops(config, static_cast<double>(batch.computed) - head);
        if (batch.packed && reference->device().is_cpu())
            if (const auto& segments = *batch.packed->tokens.segments; const auto asked = askedOf(segments, batch.packed->sources))
                out.flops -= unaskedFlops(config, segments, *asked);
        const auto sums = completionLogps(reference, batch).sums().to(torch::kFloat32).cpu().contiguous();
        for (size_t k = 0; k < micro.size(); ++k) {
            out.chosen.data_ptr<float>()[micro[k]] = sums.data_ptr<float>()[k];
            out.rejected.data_ptr<float>()[micro[k]] = sums.data_ptr<float>()[micro.size() + k];
        }
    }
    return out;
}

ReferenceAsMet::ReferenceAsMet(size_t pairs, BatchPlan plan, int64_t begunAt, Compute compute)
    : m_plan(std::move(plan)), m_begunAt(begunAt), m_compute(std::move(compute)), m_known(pairs, false), m_first(pairs, 0), m_left(pairs) {
    const auto n = static_cast<int64_t>(pairs);
    m_logps.chosen = torch::zeros({n});
    m_logps.rejected = torch::zeros({n});
}

Status ReferenceAsMet::meet(int64_t step) {
    if (complete())
        return {};
    for (; m_followed < step; ++m_followed)
        for (const size_t pair : m_plan.batch(m_followed + 1))
            if (m_first[pair] == 0)
                m_first[pair] = m_followed + 1;
    for (const size_t wanted : m_plan.batch(step)) {
        if (m_known[wanted])
            continue;
        const int64_t unit = m_first[wanted];
        std::vector<size_t> pairs; // a small data set may hold one twice in a batch
        for (const size_t pair : m_plan.batch(unit))
            if (m_first[pair] == unit && std::find(pairs.begin(), pairs.end(), pair) == pairs.end())
                pairs.push_back(pair);
        const double before = takeFlops();
        PL_TRY(const auto sums, m_compute(pairs));
        const double spent = takeFlops();
        countFlops(before + (unit <= m_begunAt ? 0 : spent));
        for (size_t i = 0; i < pairs.size(); ++i) {
            m_logps.chosen.data_ptr<float>()[pairs[i]] = sums.chosen.const_data_ptr<float>()[i];
            m_logps.rejected.data_ptr<float>()[pairs[i]] = sums.rejected.const_data_ptr<float>()[i];
            m_known[pairs[i]] = true;
        }
        m_left -= pairs.size();
    }
    return {};
}

Status storeReference(const std::string& path, const std::string& key, const ReferenceLogps& logps) {
    PL_CHECK(os::makeDirs(os::parentDir(path)));
    PL_CHECK(writeSafetensors(path + ".safetensors", {{"chosen", logps.chosen}, {"rejected", logps.rejected}}));
    PL_TRY(const auto digest, sha256File(path + ".safetensors"));
    return os::writeFileAtomic(path + ".json",
                               dumpJsonPretty({{"key", key},
                                               {"sha256", digest},
                                               {"pairs", logps.chosen.size(0)},
                                               {"total_flos", logps.flops}}) +
                                   "\n");
}

Result<std::optional<ReferenceLogps>> loadReference(const std::string& path, const std::string& key, size_t pairs) {
    const std::string about = path + ".json", tensors = path + ".safetensors";
    // The description is written last: without it the tensors are a left-over.
    if (!os::exists(about))
        return std::optional<ReferenceLogps>();
    const char* hint = "Remove the two files to have them computed again.";
    PL_TRY(const auto json, readJsonFile(about));
    PL_TRY(const auto storedKey, field<std::string>(json, "key", about));
    if (storedKey != key)
        return fail(Code::Corrupt, fmt::format("{} holds reference log-probabilities of another model or other pairs", about),
                    hint);
    PL_TRY(const auto digest, field<std::string>(json, "sha256", about));
    PL_TRY(const auto actual, sha256File(tensors));
    if (digest != actual)
        return fail(Code::Corrupt, fmt::format("{} was changed after it was written", tensors), hint);
    PL_TRY(const auto map, readSafetensors(tensors));
    const auto chosen = map.find("chosen"), rejected = map.find("rejected");
    const auto fits = [&](const auto& at) {
        return at != map.end() && at->second.dim() == 1 && at->second.size(0) == static_cast<int64_t>(pairs) &&
               at->second.dtype() == torch::kFloat32;
    };
    if (!fits(chosen) || !fits(rejected))
        return fail(Code::Corrupt, fmt::format("{} does not hold one number for each of {} pairs", tensors, pairs), hint);
    PL_TRY(const double flops, fieldOr<double>(json, "total_flos", 0.0, about));
    return std::optional<ReferenceLogps>(ReferenceLogps{chosen->second, rejected->second, flops});
}

} // namespace pl::learn
