// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/learn/models/decoder.h"
#include "core/learn/training/text_data.h"

namespace pl::learn {

/// A reward model folder that scores texts: the prompt as one user turn, the response, exactly one end token,
/// read by the reward model's own tokenizer. A response that was cut off is scored as the text it is, as in
/// training and in TRL.
class RewardModelScorer {
public:
    /// Refuses a folder without a reward head.
    static Result<RewardModelScorer> load(const std::string& dir, const torch::Device& device);
    /// One score each, in the given order, independent of the batches. NaN for what is longer than the model
    /// has positions for. Batches hold at most tokenBudget positions, on a processor without padding and the prompt of
    /// neighbours once; `keepGoing` is asked before each (false: Cancelled).
    Result<std::vector<double>> score(const std::vector<std::string>& prompts,
                                      const std::vector<std::string>& responses,
                                      const std::function<bool()>& keepGoing = {},
                                      int64_t tokenBudget = 8192);

private:
    RewardModelScorer(LoadedModel model, TextEncoder encoder, torch::Device device)
        : m_model(std::move(model))
        , m_encoder(std::move(encoder))
        , m_device(device) {}
    LoadedModel m_model;
    TextEncoder m_encoder;
    torch::Device m_device;
};

} // namespace pl::learn
