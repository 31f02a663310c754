// SPDX-License-Identifier: Apache-2.0
#include "core/learn/rewards/reward_model_scorer.h"

#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/learn/training/batches.h"

namespace pl::learn {

Result<RewardModelScorer> RewardModelScorer::load(const std::string& dir, const torch::Device& device) {
    const std::string path = os::joinPath(dir, "config.json");
    PL_TRY(const auto json, readJsonFile(path));
    PL_TRY(const auto config, ModelConfig::fromJson(json, path));
    if (!config.rewardHead)
        return fail(Code::InvalidInput, fmt::format("{} is not a reward model: it has no reward head", dir),
                    "Choose a run of the reward_model trainer.");
    PL_TRY(auto model, loadModel(dir, device));
    PL_TRY(auto encoder, TextEncoder::load(dir));
    PL_CHECK(encoder.checkFits(model.config, dir));
    model.model->eval();
    return RewardModelScorer(std::move(model), std::move(encoder), device);
}

Result<std::vector<double>> RewardModelScorer::score(const std::vector<std::string>& prompts,
                                                     const std::vector<std::string>& responses,
                                                     const std::function<bool()>& keepGoing,
                                                     int64_t tokenBudget) {
    torch::NoGradGuard noGrad;
    std::vector<double> out(responses.size(), std::nan(""));
    std::vector<TokenizedRow> rows;
    rows.reserve(responses.size());
    std::vector<size_t> fitting;
    for (size_t i = 0; i < responses.size(); ++i) {
        PL_TRY(auto row, m_encoder.row(prompts[i], responses[i]));
        rows.push_back(std::move(row));
        const int64_t room = m_model.config.maxPositions;
        if (room > 0 && rows.back().length() > room)
            continue;
        fitting.push_back(i);
    }
    const RowLayout layout{.packed = m_device.is_cpu(), .lastTokens = true}; // as training has it
    for (const auto& batch : rowParts(fitting, [&](size_t i) -> const TokenizedRow& { return rows[i]; }, layout, tokenBudget)) {
        if (keepGoing && !keepGoing())
            return fail(Code::Cancelled, "scoring was stopped");
        std::vector<const TokenizedRow*> pointers;
        for (const size_t i : batch)
            pointers.push_back(&rows[i]);
        const auto values = scores(m_model.model, rowBatch(pointers, m_device, layout)).to(torch::kFloat64).cpu();
        for (size_t k = 0; k < batch.size(); ++k)
            out[batch[k]] = values[static_cast<int64_t>(k)].item<double>();
    }
    return out;
}

} // namespace pl::learn
